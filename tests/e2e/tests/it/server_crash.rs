//! Must hold: 20 sending and 20 receiving engines at full speed, `kill -9` of the server at random moments (CI: 5,
//! `make soak`: 20): every acknowledged message is shown exactly once, in order, decrypted.

use rand::Rng as _;
use sotto_testkit::client::TestClient;
use sotto_testkit::{Ledger, Seed, TestServer, eventually, rounds, within};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const PAIRS: usize = 20;
/// Unacknowledged messages of one sender: full speed, bounded.
const IN_FLIGHT: u32 = 50;
const LONG: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_message_is_shown_once_in_order() {
    let seed = Seed::new();
    let mut rng = seed.rng(0);
    let mut server = TestServer::start().await;
    let url = server.url();
    let ledger = Arc::new(Ledger::new());
    let mut people = JoinSet::new();
    for n in 0..2 * PAIRS {
        let (url, ledger) = (url.clone(), ledger.clone());
        people.spawn(async move { (n, TestClient::register(&url, &format!("person{n}"), &ledger).await) });
    }
    let mut people = people.join_all().await;
    people.sort_by_key(|(n, _)| *n);
    let mut people: Vec<Arc<TestClient>> = people.into_iter().map(|(_, client)| Arc::new(client)).collect();
    let receivers = people.split_off(PAIRS);
    let senders = people;

    let stop = CancellationToken::new();
    let mut sending = JoinSet::new();
    for (n, sender) in senders.iter().enumerate() {
        let (sender, to, stop) = (sender.clone(), receivers[n].name.clone(), stop.clone());
        sending.spawn(async move {
            let mut count = 0u32;
            while !stop.is_cancelled() {
                sender.send(&to, &format!("{}>{to}#{count}", sender.name)).await;
                count += 1;
                if count.is_multiple_of(IN_FLIGHT) {
                    let room = || async { (sender.status().await.outbox < IN_FLIGHT).then_some(()) };
                    tokio::select! {
                        () = eventually(LONG, "room in the outbox", room) => {}
                        () = stop.cancelled() => {}
                    }
                }
            }
        });
    }

    let kills = rounds(5, 20);
    for kill in 0..kills {
        // A moment is a number of acknowledged messages, so that every kill comes in the middle of traffic.
        let target = ledger.count_accepted() + rng.random_range(150..1200);
        eventually(LONG, format!("{target} acknowledged messages before kill {kill}"), || async {
            (ledger.count_accepted() >= target).then_some(())
        })
        .await;
        server.kill9().await;
        server.restart().await;
    }
    stop.cancel();
    while let Some(sender) = sending.join_next().await {
        sender.expect("a sender stops");
    }
    for sender in &senders {
        let empty = || async { (sender.status().await.outbox == 0).then_some(()) };
        eventually(LONG, format!("{}'s outbox to be empty", sender.name), empty).await;
    }
    let all =
        || async { (ledger.missing().is_empty() && ledger.count_accepted() == ledger.count_sent()).then_some(()) };
    if tokio::time::timeout(LONG, eventually(LONG * 2, "every message to be shown", all)).await.is_err() {
        let missing = ledger.missing();
        eprintln!(
            "{} are missing, the first of them: {:?}",
            missing.len(),
            missing.iter().take(10).collect::<Vec<_>>()
        );
    }
    println!("{} messages, {kills} kills", ledger.count_sent());
    ledger.assert_exactly_once_in_order();

    // What is kept is what was shown, in the order of sending.
    for (sender, receiver) in senders.iter().zip(&receivers) {
        let from = sender.me().await.account;
        let to = receiver.me().await.account;
        let kept = within(LONG, "a history", receiver.texts(from)).await;
        assert_eq!(kept, sender.texts(to).await);
        assert!(!kept.is_empty());
    }
}
