//! Promises of `PresenceStore`.

use super::Nodes;
use super::world::{T0, account, address};
use crate::{Lease, PresenceFeed, PresenceState, PresenceStore};
use parking_lot::Mutex;
use sotto_types::{AccountId, Timestamp, limits};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

const SECOND: Duration = Duration::from_secs(1);
const LEASE: Duration = limits::OFFLINE_AFTER;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Online(AccountId),
    Offline(AccountId, Timestamp),
    Ended(AccountId, Timestamp),
}
use Told::{Ended, Offline, Online};

#[derive(Default)]
struct Ear(Mutex<Vec<Told>>);

impl PresenceFeed for Ear {
    fn changed(&self, account: AccountId, state: PresenceState) {
        self.0.lock().push(match state {
            PresenceState::Online => Online(account),
            PresenceState::Offline { last_seen } => Offline(account, last_seen),
        });
    }

    fn ended(&self, account: AccountId, last_seen: Timestamp) {
        self.0.lock().push(Ended(account, last_seen));
    }
}

struct Node {
    store: Arc<dyn PresenceStore>,
    ear: Arc<Ear>,
}

impl Node {
    fn of(nodes: &Nodes) -> Self {
        let ear = Arc::new(Ear::default());
        Self { store: nodes(ear.clone()), ear }
    }

    fn here(&self, person: u8, device: u32, epoch: u64, now: Timestamp) {
        self.store.here(lease(person, device, epoch), now);
    }

    fn away(&self, person: u8, device: u32, epoch: u64, now: Timestamp) {
        self.store.away(lease(person, device, epoch), now);
    }

    async fn tick(&self, now: Timestamp) {
        self.store.tick(now).await.unwrap();
    }

    async fn is_online(&self, person: u8, now: Timestamp) -> bool {
        self.store.online(&[account(person)], now).await.unwrap() == [true]
    }

    fn told(&self) -> Vec<Told> {
        std::mem::take(&mut self.ear.0.lock())
    }
}

fn lease(person: u8, device: u32, epoch: u64) -> Lease {
    Lease { of: address(person, device), epoch }
}

pub async fn who_is_here_is_online_until_the_lease_ends(make: impl FnOnce() -> Nodes) {
    let node = Node::of(&make());
    node.store.watch(account(1));
    assert!(!node.is_online(1, T0).await);
    node.here(1, 1, 1, T0);
    node.tick(T0).await;
    let end = T0.plus(LEASE);
    for (now, want) in [(T0, true), (end.minus(Duration::from_millis(1)), true), (end, false)] {
        assert_eq!(node.is_online(1, now).await, want, "{now:?}");
    }
    node.tick(end.minus(Duration::from_millis(1))).await;
    assert_eq!(node.told(), [Online(account(1))]);
    node.tick(end).await;
    assert_eq!(node.told(), [Ended(account(1), T0), Offline(account(1), T0)]);
    let both = [account(2), account(1)];
    node.here(1, 1, 2, end);
    node.tick(end).await;
    assert_eq!(node.store.online(&both, end).await.unwrap(), [false, true], "in the order that was asked for");
    assert_eq!(node.store.online_count(), 1);
}

pub async fn a_heartbeat_extends_the_lease(make: impl FnOnce() -> Nodes) {
    let node = Node::of(&make());
    node.store.watch(account(1));
    let mut now = T0;
    for _ in 0..20 {
        node.here(1, 1, 1, now);
        for _ in 0..30 {
            node.tick(now).await;
            assert!(node.is_online(1, now).await);
            now = now.plus(SECOND);
        }
    }
    assert_eq!(node.told(), [Online(account(1))]);
    let last = now.minus(SECOND * 30);
    node.tick(last.plus(LEASE)).await;
    assert_eq!(node.told(), [Ended(account(1), last), Offline(account(1), last)]);
}

pub async fn the_background_is_told_at_once(make: impl FnOnce() -> Nodes) {
    let node = Node::of(&make());
    node.store.watch(account(1));
    node.here(1, 1, 1, T0);
    let later = T0.plus(SECOND);
    node.away(1, 1, 1, later);
    node.away(1, 1, 1, later);
    node.tick(later).await;
    assert!(!node.is_online(1, later).await);
    assert_eq!(node.told(), [Online(account(1)), Ended(account(1), later), Offline(account(1), later)]);
    assert_eq!(node.store.online_count(), 0);
}

pub async fn an_account_is_online_while_any_device_is(make: impl FnOnce() -> Nodes) {
    let node = Node::of(&make());
    node.store.watch(account(1));
    let mut now = T0;
    for device in [3, 1, 2] {
        node.here(1, device, 1, now);
    }
    for device in [1, 3] {
        now = now.plus(SECOND);
        node.away(1, device, 1, now);
        assert!(node.is_online(1, now).await, "{device}");
    }
    node.tick(now).await;
    assert_eq!(node.told(), [Online(account(1))]);
    // The last one is not heard of any more.
    node.here(1, 3, 2, now);
    node.tick(T0.plus(LEASE)).await;
    assert_eq!(node.told(), []);
    now = now.plus(LEASE);
    node.tick(now).await;
    assert!(!node.is_online(1, now).await);
    assert_eq!(node.told().len(), 2);
}

pub async fn the_newest_connection_of_a_device_speaks_for_it(make: impl FnOnce() -> Nodes) {
    let node = Node::of(&make());
    node.store.watch(account(1));
    node.here(1, 1, 5, T0);
    let later = T0.plus(SECOND * 30);
    // An older connection ends late, and sends a last heartbeat.
    node.away(1, 1, 4, T0);
    node.here(1, 1, 4, later);
    node.tick(T0).await;
    assert!(node.is_online(1, T0).await);
    assert!(!node.is_online(1, T0.plus(LEASE)).await, "an old connection extends nothing");
    node.here(1, 1, 6, later);
    node.away(1, 1, 5, later);
    assert!(node.is_online(1, later).await, "the newer one took over");
    node.away(1, 1, 6, later);
    node.tick(later).await;
    assert_eq!(node.told(), [Online(account(1)), Ended(account(1), later), Offline(account(1), later)]);
}

pub async fn last_seen_is_when_any_device_was_last_heard_of(make: impl FnOnce() -> Nodes) {
    let node = Node::of(&make());
    let later = T0.plus(SECOND * 20);
    node.here(1, 1, 1, T0);
    node.here(1, 2, 1, T0);
    node.here(1, 3, 1, T0.plus(SECOND));
    node.away(1, 2, 1, later);
    node.tick(T0.plus(LEASE)).await;
    assert_eq!(node.told(), []);
    node.tick(T0.plus(LEASE + SECOND)).await;
    assert_eq!(node.told(), [Ended(account(1), later)]);
}

pub async fn only_what_is_watched_is_told_and_every_end(make: impl FnOnce() -> Nodes) {
    let node = Node::of(&make());
    node.store.watch(account(1));
    for person in 1..=3 {
        node.here(person, 1, 1, T0);
    }
    node.tick(T0).await;
    assert_eq!(node.told(), [Online(account(1))]);
    node.store.watch(account(2));
    node.store.unwatch(account(1));
    for person in 1..=3 {
        node.away(person, 1, 1, T0);
    }
    node.tick(T0).await;
    let told = node.told();
    assert_eq!(told.iter().filter(|told| matches!(told, Ended(..))).count(), 3, "{told:?}");
    let changes: Vec<_> = told.into_iter().filter(|told| !matches!(told, Ended(..))).collect();
    assert_eq!(changes, [Offline(account(2), T0)]);
}

pub async fn watching_is_counted(make: impl FnOnce() -> Nodes) {
    let node = Node::of(&make());
    (0..3).for_each(|_| node.store.watch(account(1)));
    (0..2).for_each(|_| node.store.unwatch(account(1)));
    node.here(1, 1, 1, T0);
    node.tick(T0).await;
    assert_eq!(node.told(), [Online(account(1))], "told once, to one who still watches");
    node.store.unwatch(account(1));
    node.store.unwatch(account(1));
    node.store.watch(account(1));
    node.away(1, 1, 1, T0);
    node.tick(T0).await;
    assert_eq!(node.told(), [Ended(account(1), T0), Offline(account(1), T0)], "one too many does no harm");
}

pub async fn changes_are_told_in_order_each_other_than_the_one_before(make: impl FnOnce() -> Nodes) {
    let node = Node::of(&make());
    node.store.watch(account(1));
    let mut want = Vec::new();
    let mut now = T0;
    for epoch in 1..=50 {
        node.here(1, 1, epoch, now);
        node.here(1, 1, epoch, now);
        node.away(1, 1, epoch, now);
        want.extend([Online(account(1)), Ended(account(1), now), Offline(account(1), now)]);
        now = now.plus(SECOND);
    }
    // Coming back after the end of a lease, before anybody looked.
    node.here(1, 1, 60, now);
    let later = now.plus(LEASE * 2);
    node.here(1, 1, 60, later);
    want.extend([Online(account(1)), Ended(account(1), now), Offline(account(1), now), Online(account(1))]);
    node.tick(later).await;
    assert_eq!(node.told(), want);
}

pub async fn racing_devices_leave_the_truth(make: impl FnOnce() -> Nodes) {
    let node = Arc::new(Node::of(&make()));
    (1..=20).for_each(|person| node.store.watch(account(person)));
    let mut tasks = JoinSet::new();
    for device in 1..=8 {
        let node = node.clone();
        tasks.spawn(async move {
            for round in 0..200u64 {
                for person in 1..=20 {
                    node.here(person, device, 1, T0);
                    if (round + u64::from(person)).is_multiple_of(3) {
                        node.away(person, device, 1, T0);
                    }
                }
                node.tick(T0).await;
            }
            // Odd people go, even ones stay.
            for person in 1..=20 {
                node.here(person, device, 1, T0);
                if person % 2 == 1 {
                    node.away(person, device, 1, T0);
                }
            }
        });
    }
    tasks.join_all().await;
    node.tick(T0).await;
    let told = node.told();
    for person in 1..=20 {
        assert_eq!(node.is_online(person, T0).await, person % 2 == 0, "{person}");
        let changes = told.iter().filter_map(|told| match told {
            Online(of) if *of == account(person) => Some(true),
            Offline(of, _) if *of == account(person) => Some(false),
            _ => None,
        });
        let changes: Vec<bool> = changes.collect();
        assert!(changes.windows(2).all(|pair| pair[0] != pair[1]), "{person}");
        assert_eq!(changes.last(), Some(&(person % 2 == 0)), "{person}");
    }
    assert_eq!(node.store.online_count(), 10);
}

pub async fn a_clock_that_jumps_keeps_nobody_here(make: impl FnOnce() -> Nodes) {
    let node = Node::of(&make());
    let day = Duration::from_secs(86_400);
    node.here(1, 1, 1, T0.plus(day));
    node.tick(T0.plus(day)).await;
    // Set back.
    node.tick(T0).await;
    assert!(!node.is_online(1, T0.plus(LEASE)).await);
    node.tick(T0.plus(LEASE)).await;
    assert_eq!(node.told(), [Ended(account(1), T0)]);
    // Set forward.
    node.here(1, 1, 2, T0.plus(LEASE));
    node.tick(T0.plus(day)).await;
    assert_eq!(node.told(), [Ended(account(1), T0.plus(LEASE))]);
}

pub async fn a_pause_of_the_ticks_loses_nobody(make: impl FnOnce() -> Nodes) {
    let node = Node::of(&make());
    node.tick(T0).await;
    let mut now = T0;
    // Longer than any wheel turns.
    for person in 1..=200 {
        now = now.plus(SECOND * 7);
        node.here(person, 1, 1, now);
    }
    node.tick(now).await;
    let online = node.store.online_count();
    assert_eq!(online, 9, "those of the last minute");
    node.tick(now.plus(LEASE)).await;
    assert_eq!((node.store.online_count(), node.told().len()), (0, 200));
}

pub async fn a_restart_forgets_within_a_lease(make: impl FnOnce() -> Nodes) {
    let nodes = make();
    let node = Node::of(&nodes);
    node.here(1, 1, 1, T0);
    node.tick(T0).await;
    drop(node);
    let node = Node::of(&nodes);
    let end = T0.plus(LEASE);
    node.tick(end).await;
    assert!(!node.is_online(1, end).await);
    node.store.watch(account(1));
    node.here(1, 1, 2, end);
    node.tick(end).await;
    assert!(node.is_online(1, end).await);
    assert_eq!(node.told().last(), Some(&Online(account(1))));
}
