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
use hashbrown::HashTable;
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
/// Slots that are allocated at once.
const BLOCK: usize = 32;

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

/// In blocks that stay where they are: growing moves nothing, and leaves no holes where something was.
#[derive(Debug, Default)]
struct Slots(Vec<Vec<Slot>>);

impl Slots {
    fn get(&self, index: u32) -> Option<&Slot> {
        self.0.get(index as usize / BLOCK)?.get(index as usize % BLOCK)
    }

    fn get_mut(&mut self, index: u32) -> Option<&mut Slot> {
        self.0.get_mut(index as usize / BLOCK)?.get_mut(index as usize % BLOCK)
    }

    /// Where it is.
    fn push(&mut self, slot: Slot) -> u32 {
        if self.0.last().is_none_or(|last| last.len() == BLOCK) {
            self.0.push(Vec::with_capacity(BLOCK));
        }
        let before = (self.0.len() - 1) * BLOCK;
        let last = self.0.last_mut().expect("there is one now");
        last.push(slot);
        u32::try_from(before + last.len() - 1).unwrap_or(NONE)
    }
}

#[derive(Debug)]
struct Shard {
    slots: Slots,
    free: u32,
    /// The first lease of each account, by the account in its slot.
    people: HashTable<u32>,
    hasher: RandomState,
    buckets: [u32; BUCKETS as usize],
    /// The second that was looked at last.
    ticked: u64,
    watched: HashMap<AccountId, u32>,
}

impl Shard {
    fn new(hasher: RandomState) -> Self {
        Self {
            slots: Slots::default(),
            free: NONE,
            people: HashTable::new(),
            hasher,
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
        let hasher = RandomState::new();
        let shards = (0..SHARDS).map(|_| Mutex::new(Shard::new(hasher.clone()))).collect();
        Self { shards, hasher, feed, online: AtomicUsize::new(0) }
    }

    fn shard(&self, of: AccountId) -> &Mutex<Shard> {
        // The lowest and the highest bits are for the table within.
        let index = usize::try_from((self.hasher.hash_one(of) >> 40) % SHARDS as u64).expect("below SHARDS");
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
        self.slots.get_mut(index).expect("an index of a slot of this shard")
    }

    /// The account's first lease.
    fn first_of(&mut self, account: AccountId) -> Option<&mut u32> {
        let hash = self.hasher.hash_one(account);
        let slots = &self.slots;
        self.people.find_mut(hash, |index| slots.get(*index).is_some_and(|slot| slot.account == account))
    }

    fn find(&mut self, account: AccountId, is_it: impl Fn(&Slot) -> bool) -> Option<u32> {
        let mut index = *self.first_of(account)?;
        while let Some(slot) = self.slots.get(index) {
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
        let head = self.first_of(of.account).copied();
        let slot = Slot {
            account: of.account,
            epoch,
            seen: now,
            others_seen: Timestamp::ZERO,
            sibling: head.unwrap_or(NONE),
            before: NONE,
            after: NONE,
            bucket: 0,
            device: of.device,
        };
        let index = if self.free == NONE {
            self.slots.push(slot)
        } else {
            let index = self.free;
            self.free = self.slot(index).after;
            *self.slot(index) = slot;
            index
        };
        if let Some(first) = self.first_of(of.account) {
            *first = index;
        } else {
            let Self { people, slots, hasher, .. } = self;
            let hash_of = |index: &u32| slots.get(*index).map_or(0, |slot| hasher.hash_one(slot.account));
            people.insert_unique(hasher.hash_one(of.account), index, hash_of);
        }
        self.put_in_bucket(index);
        head.is_none()
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
        let head = *self.first_of(account).expect("an account with a lease is here");
        let left = if head == index {
            if sibling == NONE {
                let hash = self.hasher.hash_one(account);
                if let Ok(found) = self.people.find_entry(hash, |found| *found == index) {
                    found.remove();
                }
            } else if let Some(first) = self.first_of(account) {
                *first = sibling;
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
            (self.slots, self.free, self.people) = (Slots::default(), NONE, HashTable::new());
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

    /// Slots there is room for.
    fn capacity(shard: &Mutex<Shard>) -> usize {
        shard.lock().slots.0.iter().map(Vec::capacity).sum()
    }

    #[test]
    fn a_person_costs_less_than_100_bytes() {
        let store = MemoryPresence::new(Arc::new(Deaf));
        let people = 50_000;
        (0..people).for_each(|number| store.here(lease(number), T0));
        let bytes = |shard: &Mutex<Shard>| {
            let table = shard.lock().people.allocation_size();
            capacity(shard) * size_of::<Slot>() + table
        };
        let each = store.shards.iter().map(bytes).sum::<usize>() / people as usize;
        assert!(each < 100, "{each} bytes");
        // At its worst, just after the table has grown.
        let worst = size_of::<Slot>() + (size_of::<u32>() + 1) * 16 / 7;
        assert!(worst < 100, "{worst} bytes");
    }

    #[tokio::test]
    async fn heartbeats_move_nothing_and_an_empty_wheel_keeps_nothing() {
        let store = MemoryPresence::new(Arc::new(Deaf));
        let mut now = T0;
        (0..1000).for_each(|number| store.here(lease(number), now));
        let capacity = |store: &MemoryPresence| store.shards.iter().map(capacity).sum::<usize>();
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
