//! Must hold, on the real server with its defaults: strangers get no ticks until they are accepted, also across a restart, and
//! then are told what they missed; a report reaches the operator's command.

use reqwest::Method;
use sotto_testkit::raw::new_msg_id;
use sotto_testkit::{RawSocket, Seed, ServerOptions, TestServer};
use sotto_wire::http;
use sotto_wire::pb::{self, client_frame, deliver::Item, server_frame::Body};

/// Entries that come before the answer to a heartbeat, which comes after the outcome of every read.
async fn delivered(socket: &mut RawSocket) -> Vec<pb::Deliver> {
    socket.post(client_frame::Body::Heartbeat(pb::Heartbeat { foreground: true })).await;
    let mut all = Vec::new();
    loop {
        match socket.next().await {
            Ok(Body::Deliver(deliver)) => all.push(deliver),
            Ok(Body::HeartbeatAck(_)) => return all,
            Ok(_) => {}
            Err(ended) => panic!("{ended:?} while waiting for a heartbeat's answer"),
        }
    }
}

/// (delivered, read) of the receipts.
fn ticks(entries: &[pb::Deliver]) -> Vec<(Vec<u64>, Vec<u64>)> {
    let ids = |steps: &[pb::Step]| steps.iter().map(|step| step.message_id).collect::<Vec<_>>();
    let receipt = |entry: &pb::Deliver| match &entry.item {
        Some(Item::Receipt(receipt)) => Some((ids(&receipt.delivered), ids(&receipt.read))),
        _ => None,
    };
    entries.iter().filter_map(receipt).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_wait_to_be_accepted() {
    let seed = Seed::new();
    let mut rng = seed.rng(0);
    let mut server = TestServer::start_with(ServerOptions::default().env("SOTTO_MESSAGES_REQUESTS", "true")).await;
    let api = server.api();
    let (ann, bob) = (api.register("ann", 2, &mut rng).await, api.register("bob", 2, &mut rng).await);
    let (mut of_ann, mut of_bob) = (api.connected(&ann).await, api.connected(&bob).await);
    let sent = of_ann.send_direct(ann.send_to(&bob, new_msg_id(), b"sealed")).await.accepted().message_id;
    let entry = of_bob.until("the message", |body| match body {
        Body::Deliver(deliver) => Some(deliver.entry_id),
        _ => None,
    });
    let entry = entry.await;
    of_bob.ack(&[entry]).await;
    let of = pb::conversation::Of::Peer(ann.address.account.as_bytes().to_vec().into());
    let read = pb::Read { conversation: Some(pb::Conversation { of: Some(of) }), up_to: sent };
    of_bob.post(client_frame::Body::Read(read)).await;
    assert!(delivered(&mut of_bob).await.is_empty());
    assert!(delivered(&mut of_ann).await.is_empty(), "bob has not accepted ann");

    assert!(server.terminate().await.success());
    server.restart().await;
    let api = server.api();
    let token = api.token(&bob).await;
    let contact = format!("/v1/contacts/{}", ann.address.account);
    assert_eq!(api.json(Method::PUT, &contact, Some(&token), &()).await.status, 204);
    let mut of_ann = api.connected(&ann).await;
    assert_eq!(ticks(&of_ann.drain(true).await), [(vec![sent], vec![sent])]);

    let report = http::Report {
        account: ann.address.account,
        reason: http::ReportReason::Spam,
        comment: "again and again".into(),
        messages: vec![http::ReportedMessage { sent_at_ms: 1, text: "buy now".into() }],
    };
    assert_eq!(api.post("/v1/reports", Some(&token), &report).await.status, 204);
    let listed = server.command(&["reports"]).await;
    assert!(listed.stdout.contains("spam") && listed.stdout.contains("ann"), "{}", listed.stdout);
    let resolved = server.command(&["reports", "resolve", "1", "--note", "told off"]).await;
    assert!(resolved.stdout.contains("resolved"), "{} {}", resolved.stdout, resolved.stderr);
    let shown = server.command(&["reports", "show", "1"]).await;
    for part in ["again and again", "buy now", "told off"] {
        assert!(shown.stdout.contains(part), "{part}: {}", shown.stdout);
    }
    assert!(shown.stderr.contains("cannot be proven"), "{}", shown.stderr);
}
