//! The people of the table: Mallory, who does it; Ann and Bob (two devices), to whom nothing may happen.

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use sotto_testkit::raw::{RawDevice, new_msg_id};
use sotto_testkit::{DEADLINE, RawApi, Seed, TestServer, eventually};
use sotto_types::ErrorCode;
use sotto_wire::{http, pb};
use std::cell::RefCell;
use tokio::sync::Mutex;

pub struct World {
    pub server: TestServer,
    pub api: RawApi,
    pub mallory: RawDevice,
    pub token: String,
    pub ann: RawDevice,
    pub bob: RawDevice,
    pub laptop: RawDevice,
    pub seed: Seed,
    /// What the server says about everybody, before and after a case.
    before: Mutex<Vec<String>>,
    pub rng: Mutex<StdRng>,
}

impl World {
    pub async fn new() -> Self {
        let server = TestServer::start().await;
        let api = server.api();
        let seed = Seed::new();
        let mut rng = seed.rng(0);
        let mallory = api.register("mallory", 3, &mut rng).await;
        let ann = api.register("ann", 3, &mut rng).await;
        let bob = api.register("bob", 3, &mut rng).await;
        let laptop = api.add_device(&bob, &mut rng).await;
        let token = api.token(&mallory).await;
        let rng = Mutex::new(StdRng::seed_from_u64(seed.value()));
        let world = Self { server, api, mallory, token, ann, bob, laptop, seed, before: Mutex::new(Vec::new()), rng };
        *world.before.lock().await = world.state().await;
        world
    }

    /// Bob as senders must see him: both devices.
    pub fn bob_now(&self) -> &RawDevice {
        &self.laptop
    }

    /// Everything a case could have changed: accounts with their lists, key counts, waiting entries.
    async fn state(&self) -> Vec<String> {
        let mut state = Vec::new();
        for device in [&self.mallory, &self.ann, &self.bob, &self.laptop] {
            let token = self.api.token(device).await;
            let account: http::OwnAccount = self.api.get("/v1/accounts/me", Some(&token)).await.ok();
            let devices: Vec<_> = account.devices.iter().map(|device| (device.device_id, device.suspended)).collect();
            let keys: http::KeyCounts = self.api.get("/v1/keys", Some(&token)).await.ok();
            let blocks: http::Blocks = self.api.get("/v1/blocks", Some(&token)).await.ok();
            state.push(format!("{} {:?} {devices:?} {keys:?} {blocks:?}", account.username, account.list.payload.0));
            let mut socket = self.api.connected(device).await;
            state.push(format!("{} waiting", socket.drain(false).await.len()));
        }
        state
    }

    /// Nothing changed, and Ann can still send to Bob's two devices.
    pub async fn assert_unharmed(&self, case: &str) {
        let before = self.before.lock().await;
        // Acks and receipts of the round before may still be on their way out of the store.
        eventually(DEADLINE, format!("everything to be as it was before {case}"), || async {
            let now = self.state().await;
            if *before != now {
                eprintln!("{case}:\n before {before:?}\n now    {now:?}");
            }
            (*before == now).then_some(())
        })
        .await;
        let mut ann = self.api.connected(&self.ann).await;
        let id = new_msg_id();
        let sent = ann.send_direct(self.ann.send_to(self.bob_now(), id, b"still there?")).await.accepted();
        for device in [&self.bob, &self.laptop] {
            let mut socket = self.api.connected(device).await;
            let got = socket.drain(true).await;
            let ids: Vec<_> = got.iter().filter_map(envelope_id).collect();
            assert_eq!(ids, [sent.message_id], "after {case}");
            socket.close().await;
        }
        // The tick for what was just delivered; gone before the next case looks.
        ann.until("the receipt", |body| match body {
            pb::server_frame::Body::Deliver(deliver) => Some(deliver.entry_id),
            _ => None,
        })
        .await;
        self.api.connected(&self.ann).await.drain(true).await;
    }
}

pub fn envelope_id(deliver: &pb::Deliver) -> Option<u64> {
    match &deliver.item {
        Some(pb::deliver::Item::Envelope(envelope)) => Some(envelope.message_id),
        _ => None,
    }
}

thread_local! {
    /// Wrong answers so far: a table is more use when it says all of them. Each test runs on a thread of its own.
    static WRONG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// The answer must be one of these, by its stable number.
pub fn expect(case: &str, got: Option<ErrorCode>, want: &[ErrorCode], detail: &dyn std::fmt::Debug) {
    if !got.is_some_and(|got| want.contains(&got)) {
        let wrong = format!("{case}: wanted {want:?}, got {got:?} ({detail:?})");
        WRONG.with_borrow_mut(|all| all.push(wrong));
    }
}

pub fn assert_all_as_expected() {
    WRONG.with_borrow(|all| assert!(all.is_empty(), "{} wrong answers:\n{}", all.len(), all.join("\n")));
}
