//! Must hold: 50 messages to an offline device arrive once, in order, then `QueueDrained`; the sender's ticks go
//! ✓ -> ✓✓ -> blue, each with its time.

use sotto_engine::api::{Command, ConnectionView, Event, MessageBody, MessageStatus};
use sotto_testkit::client::TestClient;
use sotto_testkit::{Ledger, TestServer};
use std::sync::Arc;

const MESSAGES: usize = 50;

#[tokio::test]
async fn fifty_messages_to_an_offline_device() {
    let server = TestServer::start().await;
    let ledger = Arc::new(Ledger::new());
    let ann = TestClient::register(&server.url(), "ann", &ledger).await;
    let mut bob = TestClient::register(&server.url(), "bob", &ledger).await;
    let (ann_id, bob_id) = (ann.me().await.account, bob.me().await.account);
    bob.stop().await;

    let texts: Vec<String> = (0..MESSAGES).map(|n| format!("ann>bob#{n}")).collect();
    let mut names = Vec::new();
    for text in &texts {
        names.push(ann.send("bob", text).await.name);
    }
    for name in &names {
        let message = ann.until_status(*name, MessageStatus::Sent).await;
        assert_eq!(message.status, MessageStatus::Sent, "nobody has it yet");
        assert_eq!((message.delivered_ms, message.read_ms), (None, None));
    }

    bob.reopen().await;
    bob.until_drained().await;
    let events = bob.events();
    let place = |pick: &dyn Fn(&Event) -> bool| events.iter().position(pick);
    let added = |text: &str| {
        place(&|event| {
            matches!(event, Event::MessageAdded { message, backlog: true }
                if message.body == MessageBody::Text { body: text.to_owned(), mentions: Vec::new() })
        })
    };
    let places: Vec<_> = texts.iter().map(|text| added(text)).collect();
    assert!(places.iter().all(Option::is_some), "{places:?}");
    assert!(places.is_sorted(), "in the order of sending: {places:?}");
    let drained = place(&|event| {
        matches!(event, Event::QueueDrained)
            || matches!(event, Event::Connection { connection: ConnectionView::Connected { drained: true } })
    });
    assert!(drained > places[MESSAGES - 1], "drained after the last one");
    assert_eq!(bob.texts(ann_id).await, texts);

    for name in &names {
        let message = ann.until_status(*name, MessageStatus::Delivered).await;
        assert_eq!(message.status, MessageStatus::Delivered, "nobody has read it yet");
    }
    bob.command(Command::MarkRead { conversation: ann_id.into(), up_to: None }).await;
    for (name, text) in names.iter().zip(&texts) {
        let message = ann.until_status(*name, MessageStatus::Read).await;
        let times = [message.server_time_ms, message.delivered_ms, message.read_ms];
        assert!(times.iter().all(Option::is_some) && times.is_sorted(), "{text}: {times:?}");
        let seen: Vec<String> = ledger.statuses_of("ann", text).into_iter().map(|seen| seen.status).collect();
        let ticks: Vec<&str> = seen.iter().map(String::as_str).filter(|status| *status != "Pending").collect();
        assert_eq!(ticks, ["Sent", "Delivered", "Read"], "{text}");
    }
    assert_eq!(ann.texts(bob_id).await, texts);
    ledger.assert_exactly_once_in_order();

    // And the same ticks are there after a restart, with the same times.
    let mut ann = ann;
    let before = ann.history(bob_id).await;
    ann.stop().await;
    ann.reopen().await;
    assert_eq!(ann.history(bob_id).await, before);
}

#[tokio::test]
async fn receipts_wait_for_an_offline_sender() {
    let server = TestServer::start().await;
    let ledger = Arc::new(Ledger::new());
    let mut ann = TestClient::register(&server.url(), "ann", &ledger).await;
    let bob = TestClient::register(&server.url(), "bob", &ledger).await;
    let ann_id = ann.me().await.account;
    bob.online(false).await;
    let sent = ann.send("bob", "ann>bob#0").await;
    ann.until_status(sent.name, MessageStatus::Sent).await;
    ann.stop().await;
    bob.online(true).await;
    bob.until_text("ann>bob#0").await;
    bob.command(Command::MarkRead { conversation: ann_id.into(), up_to: None }).await;
    bob.until_all_sent().await;
    ann.reopen().await;
    let read = ann.until_status(sent.name, MessageStatus::Read).await;
    assert!(read.delivered_ms <= read.read_ms && read.delivered_ms.is_some(), "{read:?}");
    ledger.assert_exactly_once_in_order();
}
