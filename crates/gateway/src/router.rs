//! Which connection a device has. The store tells it of new entries, the domain of changes; it only puts them into the
//! connection's mailbox, so neither ever waits for a socket.
//! Always true: one connection per device; the newest wins, and the older one is told `Replaced`.
//! Elsewhere: group entries wait in `dispatch`.

use crate::dispatch::DispatchQueue;
use crate::handle::{Handle, Notice};
use parking_lot::RwLock;
use sotto_domain::Connections;
use sotto_ports::{EntryFeed, EnvelopeClass, GroupMark, LoggedEntry, Queued, QueuedItem, StoredEnvelope};
use sotto_types::{AccountId, DeviceAddress, DeviceId, ErrorCode, GroupId};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Instant;

const SHARDS: usize = 64;

/// Sharded by account and sorted, so that the devices of an account are found together.
type Shard = RwLock<BTreeMap<DeviceAddress, Arc<Handle>>>;

/// Made before the store and the domain, which both talk to it.
#[derive(Debug)]
pub struct Router {
    shards: [Shard; SHARDS],
    hasher: RandomState,
    began: Instant,
    pub(crate) dispatch: DispatchQueue,
}

impl Default for Router {
    fn default() -> Self {
        Self {
            shards: std::array::from_fn(|_| Shard::default()),
            hasher: RandomState::new(),
            began: Instant::now(),
            dispatch: DispatchQueue::default(),
        }
    }
}

impl Router {
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    fn shard(&self, of: AccountId) -> &Shard {
        let index = usize::try_from(self.hasher.hash_one(of) % SHARDS as u64).expect("below SHARDS");
        self.shards.get(index).expect("below SHARDS")
    }

    /// The newest connection of a device wins.
    pub(crate) fn register(&self, of: DeviceAddress, handle: Arc<Handle>) {
        handle.set_address(of);
        let older = self.shard(of.account).write().insert(of, handle);
        if let Some(older) = older {
            metrics::counter!("sotto_connections_replaced_total").increment(1);
            older.close(ErrorCode::Replaced);
        }
    }

    /// Only if it is still this connection's place.
    pub(crate) fn unregister(&self, of: DeviceAddress, handle: &Handle) {
        let mut shard = self.shard(of.account).write();
        if shard.get(&of).is_some_and(|current| current.id == handle.id) {
            shard.remove(&of);
        }
    }

    /// Microseconds since the gateway began: cheap to keep, and never falls.
    pub(crate) fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    #[cfg(test)]
    pub(crate) fn is_connected(&self, of: DeviceAddress) -> bool {
        self.shard(of.account).read().contains_key(&of)
    }

    /// The connections of an account's devices.
    pub(crate) fn each_of(&self, account: AccountId, mut then: impl FnMut(DeviceAddress, &Handle)) {
        let shard = self.shard(account).read();
        for (of, handle) in shard.range(DeviceAddress::new(account, DeviceId::FIRST)..) {
            if of.account != account {
                return;
            }
            then(*of, handle);
        }
    }

    fn with(&self, of: &DeviceAddress, then: impl FnOnce(&Handle)) {
        let shard = self.shard(of.account).read();
        if let Some(handle) = shard.get(of) {
            then(handle);
        }
    }
}

impl EntryFeed for Router {
    fn published(&self, to: DeviceAddress, entry: &Queued) {
        if let QueuedItem::Envelope(StoredEnvelope {
            group: Some(group), class: EnvelopeClass::Message, sender, ..
        }) = &entry.item
        {
            self.dispatch.note_author(*group, sender.account);
        }
        self.with(&to, |handle| handle.publish(entry, self.now_us()));
    }

    fn logged(&self, entry: &Arc<LoggedEntry>) {
        self.dispatch.push(entry, self.now_us());
    }

    fn marked(&self, group: GroupId, marks: &[GroupMark]) {
        self.dispatch.push_marks(group, marks);
    }
}

impl Connections for Router {
    fn close(&self, of: DeviceAddress, why: ErrorCode) {
        let handle = self.shard(of.account).write().remove(&of);
        if let Some(handle) = handle {
            handle.close(why);
        }
    }

    fn account_changed(&self, to: DeviceAddress, account: AccountId, list_version: u32, prekeys_low: bool) {
        self.with(&to, |handle| handle.notify(Notice { account, list_version, prekeys_low }));
    }

    fn group_waits(&self, to: AccountId) {
        self.each_of(to, |_, handle| handle.look_at_groups());
    }
}
