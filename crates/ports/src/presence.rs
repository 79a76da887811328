use crate::StoreError;
use async_trait::async_trait;
use sotto_types::{AccountId, DeviceAddress, Timestamp};

/// One connection's right to speak for its device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    pub of: DeviceAddress,
    /// Of two connections of a device the newer one has the higher, on whatever node.
    pub epoch: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PresenceState {
    Online,
    Offline { last_seen: Timestamp },
}

/// Who is in the foreground, as a lease per device that its node renews with every heartbeat. Every implementation promises:
/// - `here`, `away`, `watch` and `unwatch` never wait and never fail. A store behind a network gathers what they say and
///   sends it within a second, so that the heartbeats of many people share a request; `tick` sends what is gathered at once;
/// - a lease lasts `limits::OFFLINE_AFTER` from its last `here`, by the `now` of the call that asks. An account is online while a
///   lease of any of its devices lasts;
/// - while a lease lasts, what is said about its device under a lower epoch is ignored; else the last writer wins;
/// - between `watch` and `unwatch` the feed of this node is told every change of an account, whichever node caused it, in order,
///   each other than the one before: that a lease ran out at the next `tick` of any node. `watch` is counted;
/// - when the last lease of an account ended, at least one node is told `ended`, watched or not, before any is told `changed`;
/// - nothing is durable: after a restart of everything nobody is online; after that of one node, what it said lasts as long
///   as its leases or is gone at once.
#[async_trait]
pub trait PresenceStore: Send + Sync {
    /// In the foreground, and heard of now. For a lease that is there it costs no allocation, whatever the number of people.
    fn here(&self, lease: Lease, now: Timestamp);
    /// In the background, or gone.
    fn away(&self, lease: Lease, now: Timestamp);
    fn watch(&self, account: AccountId);
    /// One for each `watch`.
    fn unwatch(&self, account: AccountId);
    /// In the order of `accounts`.
    async fn online(&self, accounts: &[AccountId], now: Timestamp) -> Result<Vec<bool>, StoreError>;
    /// Ends leases that ran out. One task of each node calls it about every second.
    async fn tick(&self, now: Timestamp) -> Result<(), StoreError>;
    /// Accounts that are online, as far as this node knows; for metrics.
    fn online_count(&self) -> usize;
}

/// Hears of changes. It is called while the store is locked: it neither waits nor calls the store.
pub trait PresenceFeed: Send + Sync {
    fn changed(&self, account: AccountId, state: PresenceState);
    fn ended(&self, account: AccountId, last_seen: Timestamp);
}
