//! Who is told that who is here. The clock of leases is moved by hand; only the batches take their 250 ms.

use crate::bed::{START, dev};
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use sotto_domain::{PeopleObserver as _, PersonPresence, Presence, Subscriber, Visibility, Watcher};
use sotto_ports::memory::{MemoryPresence, MemoryStore};
use sotto_ports::{
    Account, CreateAccount, CreateOutcome, DirectoryStore, Lease, ListedDevice, NewDevice, NoFeed, PreKeyUpload,
    Recovery, SignedDeviceList, StoreError,
};
use sotto_types::{AccountId, Clock, DeviceAddress, DeviceId, ErrorCode, ManualClock, Timestamp, Username, limits};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;

const SECOND: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(20);

fn id(number: u16) -> AccountId {
    let mut bytes = [7; 16];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    AccountId::from_bytes(bytes)
}

fn lease(number: u16, device: u32) -> Lease {
    Lease { of: DeviceAddress::new(id(number), dev(device)), epoch: 1 }
}

/// Everybody sees everybody below 900 (others do not exist), but for what is hidden.
#[derive(Default)]
struct Curtain {
    online: Mutex<HashSet<AccountId>>,
    last_seen: Mutex<HashSet<AccountId>>,
    fails: Mutex<bool>,
    /// Looks that began, and how many may end; `None`: all.
    looks: Notify,
    gate: Mutex<Option<Arc<Semaphore>>>,
}

impl Curtain {
    fn hide(&self, number: u16) {
        self.online.lock().insert(id(number));
        self.last_seen.lock().insert(id(number));
    }

    fn show(&self, number: u16) {
        self.online.lock().remove(&id(number));
        self.last_seen.lock().remove(&id(number));
    }
}

#[async_trait]
impl Visibility for Curtain {
    async fn may_see_online(&self, _: AccountId, subject: AccountId) -> Result<bool, StoreError> {
        if *self.fails.lock() {
            return Err(StoreError::Overloaded);
        }
        // Decided before the gate: what passes it late is old.
        let may = subject < id(900) && !self.online.lock().contains(&subject);
        let gate = self.gate.lock().clone();
        if let Some(gate) = gate {
            self.looks.notify_one();
            gate.acquire().await.unwrap().forget();
        }
        Ok(may)
    }

    async fn may_see_last_seen(&self, _: AccountId, subject: AccountId) -> Result<bool, StoreError> {
        Ok(subject < id(900) && !self.last_seen.lock().contains(&subject))
    }

    async fn may_type_to(&self, _: AccountId, _: AccountId) -> Result<bool, StoreError> {
        Ok(true)
    }
}

#[derive(Default)]
struct Eye(Notify);

impl Subscriber for Eye {
    fn look(&self) {
        self.0.notify_one();
    }
}

struct Viewer {
    presence: Arc<Presence>,
    watcher: Arc<Watcher>,
    eye: Arc<Eye>,
}

impl Viewer {
    async fn subscribe(&self, numbers: &[u16]) {
        let accounts: Vec<_> = numbers.iter().map(|number| id(*number)).collect();
        self.presence.subscribe(&self.watcher, &accounts).unwrap().await;
    }

    fn unsubscribe(&self, numbers: &[u16]) {
        let accounts: Vec<_> = numbers.iter().map(|number| id(*number)).collect();
        self.presence.unsubscribe(&self.watcher, &accounts);
    }

    /// What the next batch has, by account.
    async fn told(&self) -> Vec<PersonPresence> {
        tokio::time::timeout(PATIENCE, self.eye.0.notified()).await.expect("a batch");
        let mut people = self.watcher.take();
        people.sort_by_key(|person| person.account);
        people
    }
}

fn online(number: u16) -> PersonPresence {
    PersonPresence { account: id(number), online: true, last_seen: Timestamp::ZERO, hidden: false }
}

fn offline(number: u16, last_seen: Timestamp) -> PersonPresence {
    PersonPresence { account: id(number), online: false, last_seen, hidden: false }
}

fn hidden(number: u16) -> PersonPresence {
    PersonPresence { account: id(number), online: false, last_seen: Timestamp::ZERO, hidden: true }
}

struct Town {
    store: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
    curtain: Arc<Curtain>,
    presence: Arc<Presence>,
    _running: JoinSet<()>,
}

impl Town {
    async fn new() -> Self {
        let store = Arc::new(MemoryStore::new(Arc::new(NoFeed)));
        for number in 1..=9 {
            add_account(&store, number).await;
        }
        Self::over(store)
    }

    /// As after a restart.
    fn over(store: Arc<MemoryStore>) -> Self {
        let clock = Arc::new(ManualClock::new(START));
        let curtain = Arc::new(Curtain::default());
        let memory = |feed| Arc::new(MemoryPresence::new(feed)) as _;
        let presence = Presence::new(memory, store.clone(), curtain.clone(), clock.clone());
        let mut running = JoinSet::new();
        let runs = presence.clone();
        running.spawn(async move { runs.run().await });
        Self { store, clock, curtain, presence, _running: running }
    }

    fn viewer(&self) -> Viewer {
        let eye = Arc::new(Eye::default());
        let watcher = self.presence.watcher(id(500), eye.clone());
        Viewer { presence: self.presence.clone(), watcher, eye }
    }

    fn here(&self, number: u16) {
        self.presence.here(lease(number, 1), self.clock.now());
    }

    fn away(&self, number: u16) {
        self.presence.away(lease(number, 1), self.clock.now());
    }

    async fn pass(&self, time: Duration) {
        for _ in 0..time.as_secs() {
            self.clock.advance(SECOND);
            self.presence.tick().await;
        }
    }
}

async fn add_account(store: &MemoryStore, number: u16) {
    let listed = ListedDevice { id: DeviceId::FIRST, registration_id: 1, auth_key: [1; 32] };
    let create = CreateAccount {
        account: Account {
            id: id(number),
            username: Username::parse(&format!("user{number}")).unwrap(),
            identity_key: Bytes::from_static(&[5; 33]),
            recovery: Recovery { auth_key: [0; 32], backup: Bytes::new() },
            disabled: false,
            created: START,
        },
        list: SignedDeviceList { version: 1, devices: vec![listed], payload: Bytes::new(), signature: Bytes::new() },
        device: NewDevice {
            id: DeviceId::FIRST,
            encrypted_name: Bytes::new(),
            keys: PreKeyUpload::default(),
            now: START,
        },
        invite: None,
    };
    assert_eq!(store.create_account(create).await.unwrap(), CreateOutcome::Created);
}

#[tokio::test]
async fn the_present_state_comes_first_then_changes_in_batches() {
    let town = Town::new().await;
    let viewer = town.viewer();
    town.here(2);
    viewer.subscribe(&[1, 2]).await;
    assert_eq!(viewer.told().await, [offline(1, Timestamp::ZERO), online(2)]);
    town.clock.advance(SECOND);
    town.here(1);
    town.away(2);
    town.here(3);
    assert_eq!(viewer.told().await, [online(1), offline(2, town.clock.now())]);
}

#[tokio::test]
async fn who_is_slow_gets_the_newest_of_each() {
    let town = Town::new().await;
    let viewer = town.viewer();
    viewer.subscribe(&[1, 2]).await;
    viewer.told().await;
    // A second viewer shows when a batch is over for the first, which does not look.
    let quick = town.viewer();
    quick.subscribe(&[1, 2]).await;
    quick.told().await;
    for _ in 0..3 {
        town.here(1);
        town.here(2);
        quick.told().await;
        town.away(1);
        quick.told().await;
    }
    assert_eq!(viewer.told().await, [offline(1, START), online(2)]);
}

#[tokio::test]
async fn whoever_dies_is_offline_within_65_seconds_of_the_last_heartbeat() {
    let town = Town::new().await;
    let viewer = town.viewer();
    town.here(1);
    town.pass(SECOND * 30).await;
    town.here(1);
    let last = town.clock.now();
    viewer.subscribe(&[1]).await;
    assert_eq!(viewer.told().await, [online(1)]);
    town.pass(SECOND * 59).await;
    assert_eq!(town.presence.online_count(), 1);
    town.pass(SECOND * 6).await;
    assert_eq!(viewer.told().await, [offline(1, last)]);
}

#[tokio::test]
async fn of_who_may_not_be_seen_there_is_never_a_word() {
    let town = Town::new().await;
    let viewer = town.viewer();
    town.curtain.hide(1);
    town.here(1);
    // Hidden, hidden and away, of no account; and one who may be seen, without whom there would be nothing to wait for.
    town.curtain.hide(2);
    viewer.subscribe(&[1, 2, 901]).await;
    viewer.subscribe(&[3]).await;
    assert_eq!(viewer.told().await, [offline(3, Timestamp::ZERO)]);
    for round in 0..2 {
        town.away(1);
        town.here(2);
        town.here(901);
        town.here(3);
        assert_eq!(viewer.told().await, [online(3)], "{round}");
        town.here(1);
        town.away(2);
        town.away(901);
        town.away(3);
        assert_eq!(viewer.told().await, [offline(3, START)], "{round}");
        // Not even that it is hidden.
        [1, 2, 901].iter().for_each(|number| town.presence.visibility_changed(id(*number), None));
    }
}

#[tokio::test]
async fn only_hidden_people_bring_no_look_at_all() {
    let town = Town::new().await;
    let (viewer, other) = (town.viewer(), town.viewer());
    town.curtain.hide(1);
    viewer.subscribe(&[1, 901]).await;
    town.here(1);
    // Two batches of somebody else later.
    other.subscribe(&[3]).await;
    other.told().await;
    town.here(3);
    other.told().await;
    assert!(tokio::time::timeout(Duration::ZERO, viewer.eye.0.notified()).await.is_err());
    assert!(viewer.watcher.take().is_empty());
}

#[tokio::test]
async fn who_loses_the_right_is_told_once_and_no_more() {
    let town = Town::new().await;
    let viewer = town.viewer();
    town.here(1);
    viewer.subscribe(&[1, 3]).await;
    assert_eq!(viewer.told().await, [online(1), offline(3, Timestamp::ZERO)]);
    town.curtain.hide(1);
    town.presence.visibility_changed(id(1), Some(id(501)));
    town.presence.visibility_changed(id(1), Some(id(500)));
    // From here on: also if nobody has looked yet.
    town.away(1);
    assert_eq!(viewer.told().await, [hidden(1)]);
    town.here(1);
    town.presence.visibility_changed(id(1), None);
    town.here(3);
    assert_eq!(viewer.told().await, [online(3)]);
    // And again with the right.
    town.curtain.show(1);
    town.presence.visibility_changed(id(1), None);
    assert_eq!(viewer.told().await, [online(1)]);
    town.away(1);
    assert_eq!(viewer.told().await, [offline(1, START)]);
}

#[tokio::test]
async fn a_right_lost_before_the_first_word_leaves_none() {
    let town = Town::new().await;
    let viewer = town.viewer();
    town.here(1);
    viewer.subscribe(&[1, 3]).await;
    town.curtain.hide(1);
    town.presence.visibility_changed(id(1), None);
    assert_eq!(viewer.told().await, [offline(3, Timestamp::ZERO)]);
    town.here(3);
    assert_eq!(viewer.told().await, [online(3)]);
}

#[tokio::test]
async fn an_old_judgement_does_not_win() {
    let town = Town::new().await;
    let viewer = town.viewer();
    town.here(1);
    let gate = Arc::new(Semaphore::new(0));
    *town.curtain.gate.lock() = Some(gate.clone());
    let work = viewer.presence.subscribe(&viewer.watcher, &[id(1)]).unwrap();
    let judging = tokio::spawn(work);
    town.curtain.looks.notified().await;
    // The look that is under way found that it may be seen; then that ends.
    town.curtain.hide(1);
    *town.curtain.gate.lock() = None;
    town.presence.visibility_changed(id(1), None);
    gate.add_permits(1);
    judging.await.unwrap();
    town.away(1);
    viewer.subscribe(&[3]).await;
    assert_eq!(viewer.told().await, [offline(3, Timestamp::ZERO)]);
}

#[tokio::test]
async fn each_right_shows_its_part() {
    let town = Town::new().await;
    let viewer = town.viewer();
    town.here(1);
    town.here(2);
    town.away(1);
    town.away(2);
    town.curtain.online.lock().insert(id(1));
    town.curtain.last_seen.lock().insert(id(2));
    town.here(1);
    town.here(2);
    viewer.subscribe(&[1, 2]).await;
    assert_eq!(viewer.told().await, [offline(1, START), online(2)]);
    town.clock.advance(SECOND);
    town.away(1);
    town.away(2);
    assert_eq!(viewer.told().await, [offline(1, town.clock.now()), offline(2, Timestamp::ZERO)]);
    // That somebody comes is not for who may only see when they were here.
    town.here(1);
    town.here(2);
    assert_eq!(viewer.told().await, [online(2)]);
}

#[tokio::test]
async fn a_look_that_fails_shows_nothing() {
    let town = Town::new().await;
    let viewer = town.viewer();
    town.curtain.last_seen.lock().insert(id(1));
    *town.curtain.fails.lock() = true;
    viewer.subscribe(&[1]).await;
    *town.curtain.fails.lock() = false;
    town.here(1);
    viewer.subscribe(&[3]).await;
    assert_eq!(viewer.told().await, [offline(3, Timestamp::ZERO)]);
}

#[tokio::test]
async fn subscriptions_are_bounded_and_refused_whole() {
    let town = Town::new().await;
    let viewer = town.viewer();
    let many = |numbers: std::ops::Range<u16>| numbers.map(id).collect::<Vec<_>>();
    let refused = |accounts: &[AccountId]| {
        let count = town.presence.subscription_count();
        let code = viewer.presence.subscribe(&viewer.watcher, accounts).err().map(|refusal| refusal.code);
        assert!(code.is_none() || town.presence.subscription_count() == count);
        code
    };
    assert_eq!(refused(&many(0..257)), Some(ErrorCode::BadRequest));
    assert_eq!(refused(&many(0..256)), None);
    assert_eq!(refused(&many(0..256)), None, "again: no more than before");
    assert_eq!(town.presence.subscription_count(), 256);
    assert_eq!(refused(&many(256..511)), None);
    assert_eq!(refused(&many(510..513)), Some(ErrorCode::TooManySubscriptions));
    assert_eq!(refused(&[id(511), id(511), id(1)]), None, "named twice it counts once");
    assert_eq!(town.presence.subscription_count(), limits::PRESENCE_SUBSCRIPTIONS);
    viewer.unsubscribe(&[1, 2, 700]);
    assert_eq!(refused(&many(512..514)), None);
    town.presence.leave(&viewer.watcher);
    assert_eq!(town.presence.subscription_count(), 0);
}

#[tokio::test]
async fn who_unsubscribed_hears_no_more() {
    let town = Town::new().await;
    let viewer = town.viewer();
    viewer.subscribe(&[1, 2, 3]).await;
    viewer.told().await;
    town.here(1);
    viewer.unsubscribe(&[1]);
    town.here(2);
    town.here(3);
    assert_eq!(viewer.told().await, [online(2), online(3)]);
    viewer.unsubscribe(&[]);
    town.away(2);
    viewer.subscribe(&[3]).await;
    assert_eq!(viewer.told().await, [online(3)]);
    // What was asked for and not wanted any more before it was found.
    let work = viewer.presence.subscribe(&viewer.watcher, &[id(4)]).unwrap();
    viewer.unsubscribe(&[4]);
    work.await;
    town.away(3);
    assert_eq!(viewer.told().await, [offline(3, START)]);
}

#[tokio::test]
async fn last_seen_survives_a_restart() {
    let town = Town::new().await;
    town.here(1);
    town.here(2);
    town.pass(SECOND * 5).await;
    let left = town.clock.now();
    town.away(1);
    // Known at once, written later.
    let viewer = town.viewer();
    viewer.subscribe(&[1]).await;
    assert_eq!(viewer.told().await, [offline(1, left)]);
    town.away(2);
    // Of somebody who never was here, or is no more, nothing is kept.
    town.here(800);
    town.away(800);
    town.presence.write_last_seen().await.unwrap();
    let store = town.store.clone();
    drop(town);
    let town = Town::over(store.clone());
    let viewer = town.viewer();
    viewer.subscribe(&[1, 2, 3, 800]).await;
    let never = Timestamp::ZERO;
    assert_eq!(viewer.told().await, [offline(1, left), offline(2, left), offline(3, never), offline(800, never)]);
    assert_eq!(store.last_seen(id(800)).await.unwrap(), None);
}
