//! Presence of one process: a slab of leases in hashed timer wheels.
//! Flow: `here` notes the time in the lease, and nothing else -> `tick` looks at the leases whose second has come: those heard of
//!       since go to the bucket of their new end, the others end.
//! Always true:
//! - a lease is in exactly one bucket of its shard and in the chain of its account; an account without a lease is not here;
//! - a bucket is looked at every `BUCKETS` seconds at the latest, and a lease lasts less than that: none is overlooked, also
//!   when the clock jumps;
//! - no task, timer or lock is a person's own: 64 shards have a lock each, and one task ticks them all.

use crate::{Lease, PresenceFeed, PresenceState, PresenceStore, StoreError};
use async_trait::async_trait;
use parking_lot::Mutex;
use sotto_types::{AccountId, DeviceId, Timestamp, limits};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const SHARDS: usize = 64;
/// More seconds than a lease lasts.
const BUCKETS: u64 = 128;
const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Slot {
    account: AccountId,
    epoch: u64,
    /// Last `here`.
    seen: Timestamp,
    /// When another device of the account was last heard of, whose lease has ended.
    others_seen: Timestamp,
    /// The next lease of the account.
    sibling: u32,
    /// Neighbours in the bucket; `after` also chains free slots.
    before: u32,
    after: u32,
    bucket: u8,
    device: DeviceId,
}

impl Slot {
    fn lasts(&self, now: Timestamp) -> bool {
        self.seen.plus(limits::OFFLINE_AFTER) > now
    }
}

#[derive(Debug)]
struct Shard {
    slots: Vec<Slot>,
    free: u32,
    /// The first lease of each account.
    people: HashMap<AccountId, u32>,
    buckets: [u32; BUCKETS as usize],
    /// The second that was looked at last.
    ticked: u64,
    watched: HashMap<AccountId, u32>,
}

impl Default for Shard {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: NONE,
            people: HashMap::new(),
            buckets: [NONE; BUCKETS as usize],
            ticked: 0,
            watched: HashMap::new(),
        }
    }
}

/// Presence on one node.
pub struct MemoryPresence {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
    feed: Arc<dyn PresenceFeed>,
    online: AtomicUsize,
}

impl fmt::Debug for MemoryPresence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryPresence").field("online", &self.online).finish_non_exhaustive()
    }
}

impl MemoryPresence {
    pub fn new(feed: Arc<dyn PresenceFeed>) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, hasher: RandomState::new(), feed, online: AtomicUsize::new(0) }
    }

    fn shard(&self, of: AccountId) -> &Mutex<Shard> {
        let index = usize::try_from(self.hasher.hash_one(of) % SHARDS as u64).expect("below SHARDS");
        self.shards.get(index).expect("below SHARDS")
    }

    /// Ends a lease, and tells if it was the account's last.
    fn end(&self, shard: &mut Shard, index: u32, at: Timestamp) {
        let Some((account, last_seen)) = shard.remove(index, at) else { return };
        self.online.fetch_sub(1, Ordering::Relaxed);
        self.feed.ended(account, last_seen);
        if shard.watched.contains_key(&account) {
            self.feed.changed(account, PresenceState::Offline { last_seen });
        }
    }

    /// Ends those of the account's leases that ran out: what is said next is told as a change.
    fn end_lapsed(&self, shard: &mut Shard, account: AccountId, now: Timestamp) {
        while let Some(index) = shard.find(account, |slot| !slot.lasts(now)) {
            let seen = shard.slot(index).seen;
            self.end(shard, index, seen);
        }
    }
}

impl Shard {
    fn slot(&mut self, index: u32) -> &mut Slot {
        self.slots.get_mut(index as usize).expect("an index of a slot of this shard")
    }

    fn find(&self, account: AccountId, is_it: impl Fn(&Slot) -> bool) -> Option<u32> {
        let mut index = *self.people.get(&account)?;
        while let Some(slot) = self.slots.get(index as usize) {
            if is_it(slot) {
                return Some(index);
            }
            index = slot.sibling;
        }
        None
    }

    /// True if it is the account's first.
    fn insert(&mut self, lease: Lease, now: Timestamp) -> bool {
        let Lease { of, epoch } = lease;
        let mut slot = Slot {
            account: of.account,
            epoch,
            seen: now,
            others_seen: Timestamp::ZERO,
            sibling: NONE,
            before: NONE,
            after: NONE,
            bucket: 0,
            device: of.device,
        };
        let place = self.people.entry(of.account);
        let is_first = matches!(place, Entry::Vacant(_));
        let index = if self.free == NONE { u32::try_from(self.slots.len()).unwrap_or(NONE) } else { self.free };
        let head = place.or_insert(index);
        if !is_first {
            slot.sibling = std::mem::replace(head, index);
        }
        if self.free == NONE {
            if self.slots.len() == self.slots.capacity() {
                // Not twice as many: there are as many slots as people.
                self.slots.reserve_exact((self.slots.len() / 4).max(16));
            }
            self.slots.push(slot);
        } else {
            self.free = self.slot(index).after;
            *self.slot(index) = slot;
        }
        self.put_in_bucket(index);
        is_first
    }

    /// Into the bucket of the second in which its lease ends.
    fn put_in_bucket(&mut self, index: u32) {
        let due = self.slot(index).seen.plus(limits::OFFLINE_AFTER).as_secs();
        let bucket = u8::try_from(due % BUCKETS).expect("below BUCKETS");
        let head = std::mem::replace(self.bucket(bucket), index);
        if head != NONE {
            self.slot(head).before = index;
        }
        let slot = self.slot(index);
        (slot.bucket, slot.before, slot.after) = (bucket, NONE, head);
    }

    fn bucket(&mut self, bucket: u8) -> &mut u32 {
        self.buckets.get_mut(usize::from(bucket)).expect("below BUCKETS")
    }

    fn take_from_bucket(&mut self, index: u32) {
        let Slot { bucket, before, after, .. } = *self.slot(index);
        if before == NONE {
            *self.bucket(bucket) = after;
        } else {
            self.slot(before).after = after;
        }
        if after != NONE {
            self.slot(after).before = before;
        }
    }

    /// The account and when it was last seen, if it has no other lease.
    fn remove(&mut self, index: u32, at: Timestamp) -> Option<(AccountId, Timestamp)> {
        self.take_from_bucket(index);
        let Slot { account, sibling, others_seen, .. } = *self.slot(index);
        let last_seen = others_seen.max(at);
        let head = *self.people.get(&account).expect("an account with a lease is here");
        let left = if head == index {
            if sibling == NONE {
                self.people.remove(&account);
            } else {
                self.people.insert(account, sibling);
            }
            sibling
        } else {
            let mut before = head;
            while self.slot(before).sibling != index {
                before = self.slot(before).sibling;
            }
            self.slot(before).sibling = sibling;
            before
        };
        let free = std::mem::replace(&mut self.free, index);
        self.slot(index).after = free;
        if left != NONE {
            let left = self.slot(left);
            left.others_seen = left.others_seen.max(last_seen);
            return None;
        }
        if self.people.is_empty() {
            // After a rush.
            (self.slots, self.free, self.people) = (Vec::new(), NONE, HashMap::new());
        }
        Some((account, last_seen))
    }

    /// The leases whose bucket's turn has come. That of this second comes again.
    fn due(&mut self, now: u64) -> Vec<u32> {
        let oldest = now.saturating_sub(BUCKETS - 1);
        let since = if self.ticked <= now { self.ticked.max(oldest) } else { oldest };
        let mut due = Vec::new();
        for second in since..=now {
            let bucket = u8::try_from(second % BUCKETS).expect("below BUCKETS");
            let mut index = *self.bucket(bucket);
            while index != NONE {
                due.push(index);
                index = self.slot(index).after;
            }
        }
        self.ticked = now;
        due
    }
}

#[async_trait]
impl PresenceStore for MemoryPresence {
    fn here(&self, lease: Lease, now: Timestamp) {
        let Lease { of, epoch } = lease;
        let shard = &mut *self.shard(of.account).lock();
        if let Some(index) = shard.find(of.account, |slot| slot.device == of.device) {
            let slot = shard.slot(index);
            if slot.lasts(now) {
                if epoch >= slot.epoch {
                    (slot.epoch, slot.seen) = (epoch, now);
                }
                return;
            }
        }
        self.end_lapsed(shard, of.account, now);
        if shard.insert(lease, now) {
            self.online.fetch_add(1, Ordering::Relaxed);
            if shard.watched.contains_key(&of.account) {
                self.feed.changed(of.account, PresenceState::Online);
            }
        }
    }

    fn away(&self, lease: Lease, now: Timestamp) {
        let Lease { of, epoch } = lease;
        let shard = &mut *self.shard(of.account).lock();
        self.end_lapsed(shard, of.account, now);
        if let Some(index) = shard.find(of.account, |slot| slot.device == of.device && epoch >= slot.epoch) {
            self.end(shard, index, now);
        }
    }

    fn watch(&self, account: AccountId) {
        *self.shard(account).lock().watched.entry(account).or_default() += 1;
    }

    fn unwatch(&self, account: AccountId) {
        if let Entry::Occupied(mut count) = self.shard(account).lock().watched.entry(account) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    async fn online(&self, accounts: &[AccountId], now: Timestamp) -> Result<Vec<bool>, StoreError> {
        let is_online =
            |account: &AccountId| self.shard(*account).lock().find(*account, |slot| slot.lasts(now)).is_some();
        Ok(accounts.iter().map(is_online).collect())
    }

    async fn tick(&self, now: Timestamp) -> Result<(), StoreError> {
        for shard in &self.shards {
            let shard = &mut *shard.lock();
            for index in shard.due(now.as_secs()) {
                // A clock that was set back must not keep anybody here for longer.
                let slot = shard.slot(index);
                slot.seen = slot.seen.min(now);
                if slot.lasts(now) {
                    shard.take_from_bucket(index);
                    shard.put_in_bucket(index);
                } else {
                    let seen = slot.seen;
                    self.end(shard, index, seen);
                }
            }
        }
        Ok(())
    }

    fn online_count(&self) -> usize {
        self.online.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sotto_types::DeviceAddress;

    struct Deaf;

    impl PresenceFeed for Deaf {
        fn changed(&self, _: AccountId, _: PresenceState) {}

        fn ended(&self, _: AccountId, _: Timestamp) {}
    }

    fn lease(number: u32) -> Lease {
        let mut id = [1; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        Lease { of: DeviceAddress::new(AccountId::from_bytes(id), DeviceId::FIRST), epoch: 1 }
    }

    const T0: Timestamp = Timestamp::from_ms(1_800_000_000_000);

    #[test]
    fn a_person_costs_less_than_150_bytes() {
        let store = MemoryPresence::new(Arc::new(Deaf));
        let people = 50_000;
        (0..people).for_each(|number| store.here(lease(number), T0));
        let bytes = |shard: &Mutex<Shard>| {
            let shard = shard.lock();
            // A hash table has eight places for seven values, a power of two of them, and a byte for each.
            let places = (shard.people.capacity() * 8 / 7).next_power_of_two();
            shard.slots.capacity() * size_of::<Slot>() + places * (size_of::<(AccountId, u32)>() + 1)
        };
        let each = store.shards.iter().map(bytes).sum::<usize>() / people as usize;
        assert!(each < 150, "{each} bytes");
        // At its worst, just after both have grown.
        let worst = size_of::<Slot>() * 5 / 4 + (size_of::<(AccountId, u32)>() + 1) * 16 / 7;
        assert!(worst < 150, "{worst} bytes");
    }

    #[tokio::test]
    async fn heartbeats_move_nothing_and_an_empty_wheel_keeps_nothing() {
        let store = MemoryPresence::new(Arc::new(Deaf));
        let mut now = T0;
        (0..1000).for_each(|number| store.here(lease(number), now));
        let capacity =
            |store: &MemoryPresence| store.shards.iter().map(|shard| shard.lock().slots.capacity()).sum::<usize>();
        let before = capacity(&store);
        for _ in 0..300 {
            now = now.plus(std::time::Duration::from_secs(1));
            store.tick(now).await.unwrap();
            (0..500).for_each(|number| store.here(lease(number), now));
        }
        assert_eq!(store.online_count(), 500);
        // Less where nobody of a shard is left.
        assert!(capacity(&store) <= before);
        (0..500).for_each(|number| store.away(lease(number), now));
        assert_eq!((store.online_count(), capacity(&store)), (0, 0));
    }
}
