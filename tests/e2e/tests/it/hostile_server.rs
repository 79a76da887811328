//! Must hold, hostile server: it cannot bring an unlinked device back, add another, replay an old list, swap ciphertexts,
//! flip bytes or show a message twice. A proxy plays the hostile server: it changes what the honest one behind it says.

use bytes::Bytes;
use prost::Message as _;
use sotto_crypto::{DeviceAuthKey, IdentityKeyPair, ListedDevice};
use sotto_engine::api::{Command, Event, MessageStatus, Reply, Who};
use sotto_testkit::client::TestClient;
use sotto_testkit::raw::RawDevice;
use sotto_testkit::{DEADLINE, Direction, Exchange, Ledger, Proxy, Seed, Tamper, TestServer, eventually};
use sotto_types::DeviceId;
use sotto_wire::pb::{self, client_frame, deliver, server_frame};
use sotto_wire::{decode_client_frame, decode_server_frame, http};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// Which devices of an account a client ever encrypted for.
type Targets = Arc<Mutex<BTreeSet<u32>>>;

fn note_targets(frame: &Bytes, account: &[u8], targets: &Targets) {
    let parsed = decode_client_frame(frame.clone()).expect("a frame of the client");
    if let Some(client_frame::Body::SendDirect(send)) = parsed.body
        && send.recipient == account
    {
        targets.lock().expect("not poisoned").extend(send.to_recipient.iter().map(|copy| copy.device_id));
    }
}

/// Answers every question about an account's devices with the list it was given, and says that sends do not fit it.
struct ServesList {
    account: Vec<u8>,
    list: http::SignedList,
    targets: Targets,
    /// How often the list was given to the client.
    given: Arc<Mutex<usize>>,
}

impl ServesList {
    fn count(&self) {
        *self.given.lock().expect("not poisoned") += 1;
    }
}

impl Tamper for ServesList {
    fn answer(&self, exchange: &mut Exchange) {
        let account = sotto_types::AccountId::try_from(&self.account[..]).expect("an account id").to_string();
        if exchange.status != 200 || !exchange.path.contains(&account) {
            return;
        }
        if exchange.path.ends_with("/devices") {
            let mut body: http::AccountDevices = serde_json::from_slice(&exchange.answer).expect("the server's answer");
            body.list = self.list.clone();
            exchange.answer = serde_json::to_vec(&body).expect("it serializes").into();
            self.count();
        } else if exchange.path.ends_with("/prekeys") {
            let mut body: http::PreKeyBundles = serde_json::from_slice(&exchange.answer).expect("the server's answer");
            body.list = self.list.clone();
            exchange.answer = serde_json::to_vec(&body).expect("it serializes").into();
            self.count();
        }
    }

    fn frame(&self, direction: Direction, frame: Bytes) -> Option<Vec<Bytes>> {
        if direction == Direction::ToServer {
            note_targets(&frame, &self.account, &self.targets);
            return Some(vec![frame]);
        }
        let mut parsed = decode_server_frame(frame.clone()).expect("a frame of the server");
        match parsed.body {
            // "It does not fit": with the list that the client shall believe.
            Some(server_frame::Body::Accepted(accepted)) => {
                let list = pb::SignedDeviceList {
                    payload: self.list.payload.0.clone().into(),
                    signature: self.list.signature.0.clone().into(),
                };
                self.count();
                let mismatch = pb::DeviceMismatch { client_msg_id: accepted.client_msg_id, lists: vec![list] };
                parsed.body = Some(server_frame::Body::DeviceMismatch(mismatch));
                Some(vec![parsed.encode_to_vec().into()])
            }
            _ => Some(vec![frame]),
        }
    }
}

/// Tells the client that something about the account changed, so that it asks.
async fn ask_again(client: &TestClient, text: &str) {
    let command = Command::SendText {
        to: Who::Name("ann".parse_name()),
        body: text.to_owned(),
        name: None,
        mentions: Vec::new(),
        reply_to: None,
        preview: None,
    };
    // It may be held or refused: the point is what is never sent.
    client.try_command(command).await.ok();
}

trait ParseName {
    fn parse_name(&self) -> sotto_types::Username;
}

impl ParseName for str {
    fn parse_name(&self) -> sotto_types::Username {
        sotto_types::Username::parse(self).expect("a name that can be one")
    }
}

/// The current signed list of an account, as the honest server says it.
async fn honest_list(server: &TestServer, seed: &Seed, account: sotto_types::AccountId) -> http::SignedList {
    let api = server.api();
    let name = format!("spy{}", seed.value() % 1_000_000 + rand::random::<u64>() % 1_000_000);
    let spy = api.register(&name, 1, &mut seed.rng(rand::random())).await;
    let token = api.token(&spy).await;
    api.get(&format!("/v1/accounts/{account}/devices"), Some(&token)).await.ok::<http::AccountDevices>().list
}

#[tokio::test]
async fn an_unlinked_device_cannot_be_brought_back_nor_another_added() {
    let seed = Seed::new();
    let server = TestServer::start().await;
    let ledger = Arc::new(Ledger::new());
    let proxy = Proxy::plain(server.address()).await;
    let phone = TestClient::register(&server.url(), "ann", &ledger).await;
    let bob = TestClient::register(&proxy.url(), "bob", &ledger).await;
    let ann = phone.me().await.account;
    let tablet = phone.link(&server.url(), "tablet").await;
    let tablet_id = tablet.me().await.device;
    bob.send("ann", "bob>ann#1").await;
    tablet.until_text("bob>ann#1").await;
    let with_tablet = honest_list(&server, &seed, ann).await;
    phone.command(Command::RemoveDevice { device: tablet_id, recovery_code: None }).await;
    // Bob learns of it.
    bob.send("ann", "bob>ann#2").await;
    phone.until_text("bob>ann#2").await;
    bob.until_all_sent().await;

    let mut rng = seed.rng(1);
    let stranger = DeviceAuthKey::generate(&mut rng);
    let added = |identity: IdentityKeyPair, version: u32, rng: &mut sotto_testkit::seed::TestRng| -> http::SignedList {
        let mut liar = RawDevice::new("ann", rng);
        liar.address.account = ann;
        liar.identity = identity;
        liar.list_version = version;
        liar.devices.push(ListedDevice {
            id: DeviceId::try_from(9).expect("an id"),
            registration_id: 4242,
            auth_key: stranger.public(),
        });
        liar.signed_list(rng).into()
    };
    let mut forged = honest_list(&server, &seed, ann).await;
    let at = forged.payload.0.len() - 3;
    forged.payload.0[at] ^= 1;
    let lies = [("the old list, with the unlinked device", with_tablet), ("a list with a flipped byte", forged)];
    for (n, (lie, list)) in lies.into_iter().enumerate() {
        let targets = Targets::default();
        let given = Arc::new(Mutex::new(0));
        proxy.set_tamper(ServesList {
            account: ann.as_bytes().to_vec(),
            list,
            targets: targets.clone(),
            given: given.clone(),
        });
        proxy.cut_all();
        let text = format!("bob>ann#lie{n}");
        ledger.sent("bob", "ann", &text);
        ask_again(&bob, &text).await;
        let told = || async { (*given.lock().expect("not poisoned") >= 1).then_some(()) };
        eventually(DEADLINE, format!("the client to be told {lie}"), told).await;
        // The honest server again: the message gets through, once.
        proxy.set_tamper(sotto_testkit::proxy::Honest);
        proxy.cut_all();
        phone.until_text(&text).await;
        let targets = targets.lock().expect("not poisoned").clone();
        assert!(!targets.contains(&u32::from(tablet_id)) && !targets.contains(&9), "{lie}: encrypted for {targets:?}");
    }
    assert!(!bob.events().iter().any(|event| matches!(event, Event::KeyChanged { .. })), "no lie became a key change");
    assert!(!tablet.texts(bob.me().await.account).await.iter().any(|text| text.contains("lie")));
    ledger.assert_exactly_once_in_order();

    // Another identity altogether: Bob compared safety numbers, so his message waits for him and goes to nobody.
    let who = Who::Account(ann);
    let Reply::SafetyNumber { digits, .. } = bob.command(Command::SafetyNumber { who: who.clone() }).await else {
        panic!("no number")
    };
    bob.command(Command::SetVerified { who, verified: true, safety_number: Some(digits) }).await;
    let targets = Targets::default();
    proxy.set_tamper(ServesList {
        account: ann.as_bytes().to_vec(),
        list: added(IdentityKeyPair::generate(&mut rng), 50, &mut rng),
        targets: targets.clone(),
        given: Arc::default(),
    });
    proxy.cut_all();
    let mark = bob.mark();
    ask_again(&bob, "bob>ann#first after the lie").await;
    bob.until_since(mark, "the changed key", |event| match event {
        Event::KeyChanged { was_verified: true, .. } => Some(()),
        _ => None,
    })
    .await;
    ask_again(&bob, "bob>ann#held").await;
    bob.until_since(mark, "a held message", |event| match event {
        Event::MessageAdded { message, .. } | Event::MessageChanged { message } => {
            (message.status == MessageStatus::Held).then_some(())
        }
        _ => None,
    })
    .await;
    let targets = targets.lock().expect("not poisoned").clone();
    assert!(!targets.contains(&9), "encrypted for {targets:?}");
}

/// What is done to the deliveries that carry messages. Each is a lie told at most `left` times.
struct Spoils {
    how: fn(&mut Vec<pb::Deliver>, pb::Deliver) -> Vec<pb::Deliver>,
    held: Mutex<Vec<pb::Deliver>>,
    left: Mutex<usize>,
}

impl Spoils {
    fn new(how: fn(&mut Vec<pb::Deliver>, pb::Deliver) -> Vec<pb::Deliver>, times: usize) -> Self {
        Self { how, held: Mutex::default(), left: Mutex::new(times) }
    }
}

fn message(deliver: &pb::Deliver) -> bool {
    matches!(&deliver.item, Some(deliver::Item::Envelope(envelope)) if envelope.class() == pb::EnvelopeClass::Message)
}

fn envelope(deliver: &mut pb::Deliver) -> &mut pb::Envelope {
    match &mut deliver.item {
        Some(deliver::Item::Envelope(envelope)) => envelope,
        _ => panic!("checked by `message`"),
    }
}

impl Tamper for Spoils {
    fn frame(&self, direction: Direction, frame: Bytes) -> Option<Vec<Bytes>> {
        if direction == Direction::ToServer {
            return Some(vec![frame]);
        }
        let parsed = decode_server_frame(frame.clone()).expect("a frame of the server");
        let Some(server_frame::Body::Deliver(deliver)) = parsed.body else { return Some(vec![frame]) };
        let mut left = self.left.lock().expect("not poisoned");
        if !message(&deliver) || *left == 0 {
            return Some(vec![frame]);
        }
        *left -= 1;
        let delivers = (self.how)(&mut self.held.lock().expect("not poisoned"), deliver);
        let encode = |deliver| pb::ServerFrame { r#ref: 0, body: Some(server_frame::Body::Deliver(deliver)) };
        Some(delivers.into_iter().map(|deliver| encode(deliver).encode_to_vec().into()).collect())
    }
}

struct Trio {
    server: TestServer,
    proxy: Proxy,
    ledger: Arc<Ledger>,
    ann: TestClient,
    carol: TestClient,
    bob: TestClient,
}

/// Ann and Carol talk to Bob, who alone is behind the lying proxy.
async fn trio() -> Trio {
    let server = TestServer::start().await;
    let proxy = Proxy::plain(server.address()).await;
    let ledger = Arc::new(Ledger::new());
    let ann = TestClient::register(&server.url(), "ann", &ledger).await;
    let carol = TestClient::register(&server.url(), "carol", &ledger).await;
    let bob = TestClient::register(&proxy.url(), "bob", &ledger).await;
    for sender in [&ann, &carol] {
        for n in 0..2 {
            let text = format!("{}>bob#before{n}", sender.name);
            sender.send("bob", &text).await;
            bob.until_text(&text).await;
        }
        // Until Bob answers, each message repeats the first one's key exchange, whose bytes mean nothing any more.
        let text = format!("bob>{}#answer", sender.name);
        bob.send(&sender.name, &text).await;
        sender.until_text(&text).await;
    }
    Trio { server, proxy, ledger, ann, carol, bob }
}

impl Trio {
    /// Each of both sends `count`; every one is shown exactly once and as its sender's, repaired if need be.
    async fn all_arrive(&self, count: usize) {
        let mut texts = Vec::new();
        for n in 0..count {
            for sender in [&self.ann, &self.carol] {
                let text = format!("{}>bob#{n}", sender.name);
                sender.send("bob", &text).await;
                texts.push((sender, text));
            }
        }
        for (sender, text) in &texts {
            let message = self.bob.until_text(text).await;
            assert_eq!(message.from, sender.me().await.account, "{text}");
        }
        for (sender, text) in texts {
            let history = self.bob.texts(sender.me().await.account).await;
            assert_eq!(history.iter().filter(|shown| **shown == text).count(), 1, "{text} in {history:?}");
            assert!(!history.contains(&"[undecryptable]".to_owned()), "repaired: {history:?}");
        }
        assert!(self.server.is_up());
    }
}

#[tokio::test]
async fn flipped_bytes_are_repaired_and_nothing_is_silent() {
    let trio = trio().await;
    trio.proxy.set_tamper(Spoils::new(
        |_, mut deliver| {
            let mut bytes = envelope(&mut deliver).ciphertext.to_vec();
            let at = bytes.len() / 2;
            bytes[at] ^= 0x20;
            envelope(&mut deliver).ciphertext = bytes.into();
            vec![deliver]
        },
        3,
    ));
    trio.all_arrive(4).await;
    let placeholders = trio.ledger.take_undecryptable();
    let events = trio.bob.events();
    assert!(
        !placeholders.is_empty(),
        "a message that could not be read was shown as one that is waited for: {events:#?}"
    );
    let repairing = trio.bob.events().iter().any(|event| matches!(event, Event::Repairing { .. }));
    let waited =
        trio.bob.events().iter().any(
            |event| matches!(event, Event::MessageAdded { message, .. } if message.status == MessageStatus::Waiting),
        );
    assert!(repairing || waited, "and said so");
}

#[tokio::test]
async fn swapped_ciphertexts_never_pass_for_another_sender() {
    let trio = trio().await;
    trio.proxy.set_tamper(Spoils::new(
        |held, deliver| {
            held.push(deliver);
            if held.len() < 2 {
                return Vec::new();
            }
            let (mut one, mut other) = (held.remove(0), held.remove(0));
            std::mem::swap(&mut envelope(&mut one).ciphertext, &mut envelope(&mut other).ciphertext);
            let kind = envelope(&mut one).r#type;
            envelope(&mut one).r#type = envelope(&mut other).r#type;
            envelope(&mut other).r#type = kind;
            vec![one, other]
        },
        4,
    ));
    trio.all_arrive(4).await;
    trio.ledger.take_undecryptable();
}

#[tokio::test]
async fn a_replayed_message_is_not_shown_again() {
    let trio = trio().await;
    trio.proxy.set_tamper(Spoils::new(
        |_, deliver| {
            let mut again = deliver.clone();
            // The same ciphertext as a new entry, and once more as the same entry.
            again.entry_id += 1;
            envelope(&mut again).message_id += 1;
            vec![deliver.clone(), again, deliver]
        },
        usize::MAX,
    ));
    let mut texts = Vec::new();
    for n in 0..5 {
        for sender in [&trio.ann, &trio.carol] {
            let text = format!("{}>bob#{n}", sender.name);
            sender.send("bob", &text).await;
            texts.push((sender, text));
        }
    }
    for (_, text) in &texts {
        trio.bob.until_text(text).await;
    }
    trio.proxy.set_tamper(sotto_testkit::proxy::Honest);
    for sender in [&trio.ann, &trio.carol] {
        let last = format!("{}>bob#last", sender.name);
        sender.send("bob", &last).await;
        trio.bob.until_text(&last).await;
        let history = trio.bob.texts(sender.me().await.account).await;
        let shown: Vec<_> = history.iter().filter(|text| text.starts_with(&sender.name)).collect();
        let unique: BTreeSet<_> = shown.iter().collect();
        assert_eq!(shown.len(), unique.len(), "{history:?}");
        assert_eq!(shown.len(), 8, "{history:?}");
    }
}

#[tokio::test]
async fn a_message_attributed_to_somebody_else_is_refused() {
    let trio = trio().await;
    let carol_id = trio.carol.me().await.account;
    let ann_id = trio.ann.me().await.account;
    // The function has no captures: the accounts travel in the held list as a first entry.
    trio.proxy.set_tamper(Impersonates { from: ann_id.as_bytes().to_vec(), to: carol_id.as_bytes().to_vec() });
    let sent = trio.ann.send("bob", "ann>bob#stolen").await;
    trio.ann.until_status(sent.name, MessageStatus::Sent).await;
    // What Bob is told is by Carol does not decrypt as hers.
    let what = "the placeholder";
    trio.bob
        .until(what, |event| match event {
            Event::MessageAdded { message, .. } if message.status == MessageStatus::Waiting => Some(()),
            Event::Repairing { .. } => Some(()),
            _ => None,
        })
        .await;
    let history = trio.bob.texts(carol_id).await;
    assert!(!history.contains(&"ann>bob#stolen".to_owned()), "{history:?}");
    trio.ledger.take_undecryptable();
}

struct Impersonates {
    from: Vec<u8>,
    to: Vec<u8>,
}

impl Tamper for Impersonates {
    fn frame(&self, direction: Direction, frame: Bytes) -> Option<Vec<Bytes>> {
        if direction == Direction::ToClient
            && let Ok(mut parsed) = decode_server_frame(frame.clone())
            && let Some(server_frame::Body::Deliver(deliver)) = &mut parsed.body
            && message(deliver)
            && envelope(deliver).sender_account == self.from
        {
            envelope(deliver).sender_account = self.to.clone().into();
            return Some(vec![parsed.encode_to_vec().into()]);
        }
        Some(vec![frame])
    }
}
