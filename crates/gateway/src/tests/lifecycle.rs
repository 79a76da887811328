use super::*;
use crate::connection::Connection;
use sotto_domain::Connections as _;
use sotto_ports::DirectoryStore as _;
use sotto_types::ErrorCode;

#[tokio::test]
async fn hello_welcome_and_an_empty_queue() {
    let world = World::new().await;
    let ann = world.person(2).await;
    let mut peer = world.socket(1 << 16);
    peer.hello(&world.token(&ann, 1).await).await;
    let Seen::Frame(1, Server::Welcome(welcome)) = peer.next().await else { panic!("not a Welcome") };
    assert_eq!((welcome.generation, welcome.heartbeat_interval_s, welcome.device_list_version), (1, 30, LIST_VERSION));
    assert_eq!((welcome.window_entries, welcome.window_bytes), (256, 1 << 20));
    assert!(welcome.server.starts_with("sottod/"));
    peer.drained().await;
    assert!(world.router.is_connected(ann.device(1)));
    assert!(!world.router.is_connected(ann.device(0)));
    drop(peer);
    world.until_connections(0).await;
    assert!(!world.router.is_connected(ann.device(1)));
}

#[tokio::test]
async fn frames_may_follow_hello_at_once_and_wait_for_welcome() {
    let world = World::new().await;
    let (ann, bob) = (world.person(1).await, world.person(1).await);
    let mut peer = world.socket(1 << 20);
    let big = vec![7; 20_000];
    let frames = [
        encoded(1, hello(&world.token(&ann, 0).await)),
        encoded(2, Client::SendDirect(message(&ann, &bob, 1, &big))),
        encoded(3, Client::Heartbeat(pb::Heartbeat { foreground: false })),
    ];
    peer.raw(&frames.concat()).await;
    assert!(matches!(peer.next().await, Seen::Frame(1, Server::Welcome(_))));
    peer.accepted(1).await;
    assert_eq!(world.inbox(bob.device(0)).await.len(), 1);
}

#[tokio::test]
async fn the_newest_connection_of_a_device_wins() {
    let world = World::new().await;
    let ann = world.person(1).await;
    let mut old = world.connect(&ann, 0).await;
    let mut new = world.connect(&ann, 0).await;
    let (error, code) = old.ending().await;
    assert_eq!(error.unwrap().code, ErrorCode::Replaced.number());
    assert_eq!(code, Some(4107));
    drop(old);
    world.until_connections(1).await;
    assert!(world.router.is_connected(ann.device(0)), "the end of the old one does not unregister the new one");
    new.heartbeat().await;
}

#[tokio::test]
async fn unlinking_ends_a_connection_at_once() {
    let world = World::new().await;
    let (ann, bob) = (world.person(2).await, world.person(1).await);
    let mut peer = world.connect(&ann, 1).await;
    let mut sibling = world.connect(&ann, 0).await;
    world.router.close(ann.device(1), ErrorCode::DeviceUnlinked);
    assert!(!world.router.is_connected(ann.device(1)));
    let (error, code) = peer.ending().await;
    let error = error.unwrap();
    assert_eq!((error.code, error.action), (ErrorCode::DeviceUnlinked.number(), pb::Action::Stop.into()));
    assert_eq!(code, Some(4106));
    assert_eq!(peer.next().await, Seen::End);
    sibling.send(1, Client::SendDirect(message(&ann, &bob, 1, b"still here"))).await;
    sibling.accepted(1).await;
}

#[tokio::test]
async fn an_account_that_is_disabled_is_cut_off() {
    let world = World::new().await;
    let ann = world.person(1).await;
    let token = world.token(&ann, 0).await;
    let mut peer = world.connect(&ann, 0).await;
    world.domain.disable_account("user1", true).await.unwrap();
    assert_eq!(peer.ending().await.0.unwrap().code, ErrorCode::AccountDisabled.number());
    let mut again = world.socket(1 << 16);
    again.hello(&token).await;
    assert_eq!(again.ending().await.0.unwrap().code, ErrorCode::AccountDisabled.number());
}

#[tokio::test]
async fn account_changes_are_told_once() {
    let world = World::new().await;
    let (ann, bob) = (world.person(1).await, world.person(1).await);
    let mut peer = world.connect(&ann, 0).await;
    peer.drained().await;
    for _ in 0..3 {
        world.router.account_changed(ann.device(0), bob.account, 7, false);
    }
    let want = pb::AccountChanged {
        account_id: Bytes::copy_from_slice(bob.account.as_bytes()),
        device_list_version: 7,
        prekeys_low: false,
    };
    assert_eq!(peer.next().await, Seen::Frame(0, Server::AccountChanged(want)));
    peer.heartbeat().await;
}

#[tokio::test]
async fn without_a_hello_in_time_it_ends() {
    let world = World::new().await;
    let mut peer = world.socket(1 << 16);
    for _ in 0..5 {
        world.gateway.sweep();
    }
    peer.raw(&client_frame(0x89, b"still there?")).await;
    assert_eq!(peer.next().await, Seen::Pong(b"still there?".to_vec()));
    world.let_time_pass(Duration::from_secs(10));
    let (error, code) = peer.ending().await;
    assert_eq!(error.unwrap().code, ErrorCode::HelloRequired.number());
    assert_eq!(code, Some(4100));
    drop(peer);
    world.until_connections(0).await;
}

#[tokio::test]
async fn a_heartbeat_on_a_new_day_is_noted() {
    let world = World::new().await;
    let ann = world.person(1).await;
    let mut peer = world.connect(&ann, 0).await;
    world.clock.advance(Duration::from_secs(31 * 86_400));
    peer.heartbeat().await;
    peer.heartbeat().await;
    let seen = world.store.device(ann.device(0)).await.unwrap().unwrap().last_seen;
    assert_eq!(seen, world.clock.now().start_of_day());
}

#[tokio::test]
async fn without_a_heartbeat_it_ends() {
    let world = World::new().await;
    let ann = world.person(1).await;
    let mut peer = world.connect(&ann, 0).await;
    for _ in 0..3 {
        world.let_time_pass(Duration::from_secs(40));
        peer.heartbeat().await;
    }
    world.let_time_pass(Duration::from_secs(70));
    assert_eq!(peer.ending().await, (None, None));
    world.until_connections(0).await;
    assert!(!world.router.is_connected(ann.device(0)));
}

#[tokio::test]
async fn a_peer_that_takes_no_bytes_is_cut_off() {
    let world = World::new().await;
    let (ann, bob) = (world.person(1).await, world.person(1).await);
    let mut sender = world.connect(&ann, 0).await;
    let _silent = world.connect_through(&bob, 0, 600).await;
    for number in 0..20 {
        sender.send(1, Client::SendDirect(message(&ann, &bob, number, &[1; 2000]))).await;
        sender.accepted(1).await;
    }
    for _ in 0..40 {
        world.gateway.sweep();
        sender.heartbeat().await;
    }
    world.until_connections(1).await;
    assert_eq!(world.inbox(bob.device(0)).await.len(), 20);
}

#[tokio::test]
async fn a_client_may_close() {
    let world = World::new().await;
    let ann = world.person(1).await;
    let mut peer = world.connect(&ann, 0).await;
    peer.drained().await;
    peer.raw(&client_frame(0x88, &1000u16.to_be_bytes())).await;
    assert_eq!(peer.next().await, Seen::Close(Some(1000)));
    assert_eq!(peer.next().await, Seen::End);
    drop(peer);
    world.until_connections(0).await;
}

#[tokio::test]
async fn draining_tells_all_finishes_and_closes() {
    let world = World::with(|config| config.drain_span = Duration::from_secs(30)).await;
    let (ann, bob) = (world.person(1).await, world.person(1).await);
    let mut peers = vec![world.connect(&ann, 0).await, world.connect(&bob, 0).await];
    let mut stranger = world.socket(1 << 16);
    for peer in &mut peers {
        peer.drained().await;
    }
    let gateway = world.gateway.clone();
    let drained = tokio::spawn(async move { gateway.drain().await });
    for mut peer in peers {
        let Seen::Frame(0, Server::Drain(drain)) = peer.next().await else { panic!("not a Drain") };
        assert!(drain.reconnect_after_ms < 1_000, "few connections need not wait for long");
        assert_eq!(peer.next().await, Seen::Close(Some(1001)));
        assert_eq!(peer.next().await, Seen::End);
    }
    let (error, code) = stranger.ending().await;
    assert_eq!((error.unwrap().code, code), (ErrorCode::GoingAway.number(), Some(1001)));
    drop(stranger);
    assert_eq!(drained.await.unwrap(), 0);
    assert!(world.gateway.admit(ClientIp(LOCAL)).is_err());
}

#[tokio::test]
async fn a_place_is_free_again_when_its_connection_ended() {
    let world = World::with(|config| {
        config.max_connections = 3;
        config.max_connections_per_ip = 1;
    })
    .await;
    let far: IpAddr = "192.0.2.1".parse().unwrap();
    let first = world.gateway.admit(ClientIp(far)).unwrap();
    assert_eq!(world.gateway.admit(ClientIp(far)).err(), Some(crate::gateway::NotAdmitted::TooManyOfAddress));
    drop(first);
    let _again = world.gateway.admit(ClientIp(far)).unwrap();
    let _local = (world.socket(10), world.socket(10));
    assert_eq!(world.gateway.admit(ClientIp(LOCAL)).err(), Some(crate::gateway::NotAdmitted::Full));
}

#[tokio::test]
async fn unfinished_messages_have_one_bound_together() {
    let world = World::new().await;
    let ((mut one, _), (mut two, _)) =
        (world.gateway.admit(ClientIp(LOCAL)).unwrap(), world.gateway.admit(ClientIp(LOCAL)).unwrap());
    assert!(one.may_hold(300 << 20), "the first may");
    assert!(!two.may_hold(100 << 10));
    assert!(two.may_hold(0));
    drop(one);
    assert!(two.may_hold(100 << 10));
}

#[test]
fn an_idle_connection_is_small() {
    let bytes = std::mem::size_of::<Connection<tokio::net::TcpStream>>();
    assert!(bytes <= 700, "{bytes} bytes");
    let bytes = std::mem::size_of::<crate::handle::Handle>();
    assert!(bytes <= 300, "{bytes} bytes");
}
