//! What sends are checked against, in memory: never older than the last change made on this node.
//! How: a reader that misses notes the shard's epoch, reads the store, and keeps what it read only if the epoch is still the
//! same; the committer raises the epoch and drops the entry after each change, before it answers the change's caller.

use parking_lot::Mutex;
use quick_cache::Weighter;
use quick_cache::unsync::Cache;
use sotto_ports::Group;
use sotto_types::{AccountId, GroupId};
use std::hash::Hash;
use std::sync::Arc;

const SHARDS: usize = 16;

/// What a group weighs about, to guess how many fit.
const GROUP_GUESS_BYTES: usize = 4 << 10;

pub type AccountCache<T> = SharedCache<AccountId, T>;
pub type GroupCache = SharedCache<GroupId, Group>;
pub type TieCache = SharedCache<Pair, Tie>;

/// (owner, other)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pair(pub AccountId, pub AccountId);

/// What the owner of a pair made of the other: asked for at every ack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tie {
    pub is_contact: bool,
    pub is_blocked: bool,
}

/// An id that begins or ends with random bytes.
pub trait Key: Copy + Eq + Hash {
    /// As random as the id is.
    fn random_byte(&self) -> u8;
}

impl Key for AccountId {
    fn random_byte(&self) -> u8 {
        // The last byte of a UUID of any version is random, as far as its maker is honest.
        self.as_bytes()[15]
    }
}

impl Key for Pair {
    fn random_byte(&self) -> u8 {
        self.0.random_byte() ^ self.1.random_byte().rotate_left(4)
    }
}

impl Key for GroupId {
    fn random_byte(&self) -> u8 {
        self.as_bytes()[31]
    }
}

pub struct SharedCache<K, T> {
    shards: [Mutex<Shard<K, T>>; SHARDS],
}

struct Shard<K, T> {
    epoch: u64,
    values: Cache<K, Arc<T>, Weigh<T>>,
}

struct Weigh<T>(fn(&T) -> u64);

impl<T> Clone for Weigh<T> {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

impl<K, T> Weighter<K, Arc<T>> for Weigh<T> {
    fn weight(&self, _: &K, value: &Arc<T>) -> u64 {
        (self.0)(value)
    }
}

impl<T> AccountCache<T> {
    /// So many values.
    pub fn new(capacity: usize) -> Self {
        Self::of_values(capacity)
    }
}

impl TieCache {
    /// So many pairs.
    pub fn new(capacity: usize) -> Self {
        Self::of_values(capacity)
    }
}

impl GroupCache {
    /// So many bytes: groups of two and of a thousand differ too much to count them.
    pub fn of_bytes(capacity: usize) -> Self {
        let bytes = capacity / SHARDS;
        Self::with((bytes / GROUP_GUESS_BYTES).max(1), bytes, crate::group_records::group_weight)
    }
}

impl<K: Key, T> SharedCache<K, T> {
    fn with(values: usize, weight: usize, weigh: fn(&T) -> u64) -> Self {
        let weight = u64::try_from(weight).unwrap_or(u64::MAX);
        let shard = |_| Mutex::new(Shard { epoch: 0, values: Cache::with_weighter(values, weight, Weigh(weigh)) });
        Self { shards: std::array::from_fn(shard) }
    }

    fn of_values(capacity: usize) -> Self {
        let values = (capacity / SHARDS).max(1);
        Self::with(values, values, |_| 1)
    }

    fn shard(&self, id: K) -> &Mutex<Shard<K, T>> {
        let place = usize::from(id.random_byte()) % SHARDS;
        self.shards.get(place).expect("a remainder is below its divisor")
    }

    /// The cached value, or else what `load` finds in the store.
    pub fn get<E>(&self, id: K, load: impl FnOnce() -> Result<Option<T>, E>) -> Result<Option<Arc<T>>, E> {
        let epoch = {
            let shard = self.shard(id).lock();
            if let Some(value) = shard.values.get(&id) {
                return Ok(Some(Arc::clone(value)));
            }
            shard.epoch
        };
        let Some(loaded) = load()?.map(Arc::new) else { return Ok(None) };
        let mut shard = self.shard(id).lock();
        if shard.epoch == epoch {
            shard.values.insert(id, Arc::clone(&loaded));
        }
        Ok(Some(loaded))
    }

    pub fn forget(&self, id: K) {
        let mut shard = self.shard(id).lock();
        shard.epoch += 1;
        shard.values.remove(&id);
    }
}
