//! Must hold: the same client id on the same or a new connection, before or after the answer, racing with itself, after a
//! crash of the server or after the recipient's devices changed, is one message with one id, shown once.

use prost::Message as _;
use sotto_testkit::client::TestClient;
use sotto_testkit::raw::{RawDevice, SendAnswer, new_msg_id};
use sotto_testkit::{DEADLINE, Direction, Ledger, RawApi, RawSocket, Seed, Tamper, TestServer};
use sotto_wire::pb::{client_frame, server_frame};
use sotto_wire::{decode_server_frame, pb};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use uuid::Uuid;

struct Pair {
    server: TestServer,
    api: RawApi,
    ann: RawDevice,
    bob: RawDevice,
    seed: Seed,
}

impl Pair {
    async fn new() -> Self {
        let server = TestServer::start().await;
        let api = server.api();
        let seed = Seed::new();
        let mut rng = seed.rng(0);
        let ann = api.register("ann", 3, &mut rng).await;
        let bob = api.register("bob", 3, &mut rng).await;
        Self { server, api, ann, bob, seed }
    }

    fn send(&self, id: Uuid) -> pb::SendDirect {
        self.ann.send_to(&self.bob, id, id.as_bytes())
    }

    /// What waits for a device: (message id, ciphertext).
    async fn inbox(&self, of: &RawDevice) -> Vec<(u64, Vec<u8>)> {
        let mut socket = self.api.connected(of).await;
        let envelope = |deliver: pb::Deliver| match deliver.item {
            Some(pb::deliver::Item::Envelope(envelope)) => Some((envelope.message_id, envelope.ciphertext.to_vec())),
            _ => None,
        };
        socket.drain(true).await.into_iter().filter_map(envelope).collect()
    }

    /// Bob has exactly these, each once.
    async fn assert_inbox(&self, want: &[(u64, Uuid)]) {
        let want: Vec<_> = want.iter().map(|(message, id)| (*message, id.as_bytes().to_vec())).collect();
        assert_eq!(self.inbox(&self.bob).await, want);
    }
}

#[tokio::test]
async fn on_the_same_connection_before_and_after_the_answer() {
    let pair = Pair::new().await;
    let mut socket = pair.api.connected(&pair.ann).await;
    let id = new_msg_id();
    // Both frames are on the way before anything is answered.
    socket.post(client_frame::Body::SendDirect(pair.send(id))).await;
    socket.post(client_frame::Body::SendDirect(pair.send(id))).await;
    let first = socket.answer_to(id.as_bytes()).await.accepted();
    let second = socket.answer_to(id.as_bytes()).await.accepted();
    let third = socket.send_direct(pair.send(id)).await.accepted();
    assert_eq!((&first, &first), (&second, &third));
    pair.assert_inbox(&[(first.message_id, id)]).await;
}

#[tokio::test]
async fn fifty_copies_racing() {
    let pair = Pair::new().await;
    let mut socket = pair.api.connected(&pair.ann).await;
    let (one, other) = (new_msg_id(), new_msg_id());
    for _ in 0..50 {
        socket.post(client_frame::Body::SendDirect(pair.send(one))).await;
        socket.post(client_frame::Body::SendDirect(pair.send(other))).await;
    }
    let mut answers = BTreeSet::new();
    for _ in 0..100 {
        let accepted = socket
            .until("an answer", |body| match body {
                server_frame::Body::Accepted(accepted) => Some(accepted),
                _ => None,
            })
            .await;
        answers.insert((accepted.message_id, accepted.client_msg_id.to_vec()));
    }
    assert_eq!(answers.len(), 2, "one id for each name: {answers:?}");
    let ids: Vec<u64> = answers.iter().map(|(id, _)| *id).collect();
    pair.assert_inbox(&[(ids[0], one), (ids[1], other)]).await;
}

#[tokio::test]
async fn on_a_new_connection_with_and_without_having_seen_the_answer() {
    let pair = Pair::new().await;
    let (seen, unseen) = (new_msg_id(), new_msg_id());
    let mut socket = pair.api.connected(&pair.ann).await;
    let first = socket.send_direct(pair.send(seen)).await.accepted();
    socket.post(client_frame::Body::SendDirect(pair.send(unseen))).await;
    // The connection breaks without a goodbye; whether the second send was taken is unknown to the client.
    drop(socket);
    let mut socket = pair.api.connected(&pair.ann).await;
    assert_eq!(socket.send_direct(pair.send(seen)).await.accepted(), first);
    let second = socket.send_direct(pair.send(unseen)).await.accepted();
    assert_eq!(socket.send_direct(pair.send(unseen)).await.accepted(), second);
    pair.assert_inbox(&[(first.message_id, seen), (second.message_id, unseen)]).await;
}

#[tokio::test]
async fn on_two_connections_at_once() {
    let pair = Pair::new().await;
    for _ in 0..20 {
        let id = new_msg_id();
        let token = pair.api.token(&pair.ann).await;
        let mut old = pair.api.connect().await;
        let mut new = pair.api.connect().await;
        old.hello(&token).await;
        // The newer connection takes over while the older one's send is under way.
        new.post(RawSocket::hello_frame(&token)).await;
        let _ = old.try_post(client_frame::Body::SendDirect(pair.send(id))).await;
        new.post(client_frame::Body::SendDirect(pair.send(id))).await;
        let accepted = new.answer_to(id.as_bytes()).await.accepted();
        pair.assert_inbox(&[(accepted.message_id, id)]).await;
    }
}

#[tokio::test]
async fn after_the_devices_of_the_recipient_changed() {
    let pair = Pair::new().await;
    let mut rng = pair.seed.rng(1);
    let id = new_msg_id();
    let mut socket = pair.api.connected(&pair.ann).await;
    let first = socket.send_direct(pair.send(id)).await.accepted();
    let laptop = pair.api.add_device(&pair.bob, &mut rng).await;
    // The very same frame, now for an old list; and one encrypted again for the new list: both are the first send.
    assert_eq!(socket.send_direct(pair.send(id)).await.accepted(), first);
    assert_eq!(socket.send_direct(pair.ann.send_to(&laptop, id, id.as_bytes())).await.accepted(), first);
    // A new message for the old list is refused, so the check that was skipped above exists.
    let other = new_msg_id();
    assert!(matches!(socket.send_direct(pair.send(other)).await, SendAnswer::Mismatch(_)));
    let second = socket.send_direct(pair.ann.send_to(&laptop, other, other.as_bytes())).await.accepted();
    pair.assert_inbox(&[(first.message_id, id), (second.message_id, other)]).await;
    assert_eq!(pair.inbox(&laptop).await, [(second.message_id, other.as_bytes().to_vec())]);
    // The recipient goes away altogether: a repeat still gets the first answer.
    let token = pair.api.token(&laptop).await;
    let gone = pair.api.request(reqwest::Method::DELETE, "/v1/accounts/me", Some(&token), "", Vec::new()).await;
    assert_eq!(gone.status, 204, "{}", String::from_utf8_lossy(&gone.body));
    assert_eq!(socket.send_direct(pair.send(id)).await.accepted(), first);
}

#[tokio::test]
async fn after_a_crash_of_the_server() {
    let mut pair = Pair::new().await;
    let mut answers = Vec::new();
    for _ in 0..5 {
        let id = new_msg_id();
        let mut socket = pair.api.connected(&pair.ann).await;
        let first = socket.send_direct(pair.send(id)).await.accepted();
        pair.server.kill9().await;
        pair.server.restart().await;
        let mut socket = pair.api.connected(&pair.ann).await;
        assert_eq!(socket.send_direct(pair.send(id)).await.accepted(), first);
        answers.push((first.message_id, id));
    }
    pair.assert_inbox(&answers).await;
}

/// Swallows every `every`-th Accepted and breaks the connection, so that the client must ask again.
struct LosesAnswers {
    every: usize,
    seen: AtomicUsize,
}

impl Tamper for LosesAnswers {
    fn frame(&self, direction: Direction, frame: bytes::Bytes) -> Option<Vec<bytes::Bytes>> {
        if direction == Direction::ToClient {
            let parsed = decode_server_frame(frame.clone()).expect("a frame of the server");
            if matches!(parsed.body, Some(server_frame::Body::Accepted(_)))
                && self.seen.fetch_add(1, Ordering::Relaxed) % self.every == self.every - 1
            {
                return None;
            }
        }
        Some(vec![frame])
    }
}

/// Doubles and delays nothing, but says everything twice: sends, acks and deliveries.
struct Stutters;

impl Tamper for Stutters {
    fn frame(&self, _: Direction, frame: bytes::Bytes) -> Option<Vec<bytes::Bytes>> {
        let hello = pb::ClientFrame::decode(frame.clone())
            .is_ok_and(|frame| matches!(frame.body, Some(client_frame::Body::Hello(_))));
        Some(if hello { vec![frame] } else { vec![frame.clone(), frame] })
    }
}

#[tokio::test]
async fn a_client_that_never_hears_the_answer_repeats_and_is_shown_once() {
    shown_once_through(LosesAnswers { every: 4, seen: AtomicUsize::new(0) }).await;
}

#[tokio::test]
async fn a_network_that_says_everything_twice_is_shown_once() {
    shown_once_through(Stutters).await;
}

async fn shown_once_through(tamper: impl Tamper + 'static) {
    let server = TestServer::start().await;
    let proxy = sotto_testkit::Proxy::plain(server.address()).await;
    let ledger = Arc::new(Ledger::new());
    let ann = TestClient::register(&proxy.url(), "ann", &ledger).await;
    let bob = TestClient::register(&server.url(), "bob", &ledger).await;
    proxy.set_tamper(tamper);
    proxy.cut_all();
    let mut last = None;
    for n in 0..24 {
        last = Some(ann.send("bob", &format!("ann>bob#{n}")).await.name);
    }
    let last = last.expect("24 were sent");
    let name = bob.until_text("ann>bob#23").await.name;
    assert_eq!(name, last);
    sotto_testkit::eventually(DEADLINE, "the last answer", || async { (ledger.count_accepted() == 24).then_some(()) })
        .await;
    ledger.assert_exactly_once_in_order();
}
