//! Must hold: hostile frames and requests over real sockets to the real server. Each gets its documented error and
//! changes nothing; after each, others are still served. The tables in the crates (`gateway`, `api`, `domain`, `crypto`)
//! have the cases that need an injected clock or a broken store; together they are well over 60.

mod frames;
mod requests;
mod world;

use world::World;

#[tokio::test]
async fn hostile_frames_get_their_error_and_change_nothing() {
    let world = World::new().await;
    let mut cases = 0;
    cases += frames::before_hello(&world).await;
    cases += frames::hellos(&world).await;
    cases += frames::sends(&world).await;
    cases += frames::others(&world).await;
    world::assert_all_as_expected();
    println!("{cases} hostile frames");
    assert!(cases >= 45, "{cases}");
}

#[tokio::test]
async fn hostile_requests_get_their_error_and_change_nothing() {
    let world = World::new().await;
    let mut cases = 0;
    cases += requests::shapes(&world).await;
    cases += requests::registrations(&world).await;
    cases += requests::sign_ins(&world).await;
    cases += requests::devices(&world).await;
    cases += requests::keys(&world).await;
    world::assert_all_as_expected();
    println!("{cases} hostile requests");
    assert!(cases >= 55, "{cases}");
}

#[tokio::test]
async fn bytes_that_are_not_even_http_or_websocket() {
    let world = World::new().await;
    frames::raw_bytes(&world).await;
}
