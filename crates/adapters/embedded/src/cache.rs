//! What sends are checked against, in memory: never older than the last change made on this node.
//! How: a reader that misses notes the shard's epoch, reads the store, and keeps what it read only if the epoch is still the
//! same; the committer raises the epoch and drops the entry after each change, before it answers the change's caller.

use parking_lot::Mutex;
use quick_cache::unsync::Cache;
use sotto_types::AccountId;
use std::sync::Arc;

const SHARDS: usize = 16;

pub struct AccountCache<T> {
    shards: [Mutex<Shard<T>>; SHARDS],
}

struct Shard<T> {
    epoch: u64,
    values: Cache<AccountId, Arc<T>>,
}

impl<T> AccountCache<T> {
    pub fn new(capacity: usize) -> Self {
        let shard = |_| Mutex::new(Shard { epoch: 0, values: Cache::new((capacity / SHARDS).max(1)) });
        Self { shards: std::array::from_fn(shard) }
    }

    fn shard(&self, id: AccountId) -> &Mutex<Shard<T>> {
        // The last byte of a UUID of any version is random, as far as its maker is honest.
        let place = usize::from(id.as_bytes()[15]) % SHARDS;
        self.shards.get(place).expect("a remainder is below its divisor")
    }

    /// The cached value, or else what `load` finds in the store.
    pub fn get<E>(&self, id: AccountId, load: impl FnOnce() -> Result<Option<T>, E>) -> Result<Option<Arc<T>>, E> {
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

    pub fn forget(&self, id: AccountId) {
        let mut shard = self.shard(id).lock();
        shard.epoch += 1;
        shard.values.remove(&id);
    }
}
