use crate::{EphemeralStore, StoreError};
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use sotto_types::Timestamp;
use std::collections::{BTreeSet, HashMap};
use std::fmt;

/// Short-lived values of one process, bounded in number and in bytes of keys and values.
pub struct MemoryEphemeral {
    max_values: usize,
    max_bytes: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    values: HashMap<Vec<u8>, (Bytes, Timestamp)>,
    /// The same keys by expiry, so that making room costs what it frees.
    by_expiry: BTreeSet<(Timestamp, Vec<u8>)>,
    bytes: usize,
}

impl MemoryEphemeral {
    pub fn new(max_values: usize, max_bytes: usize) -> Self {
        Self { max_values, max_bytes, state: Mutex::default() }
    }
}

impl fmt::Debug for MemoryEphemeral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryEphemeral").field("max_values", &self.max_values).finish_non_exhaustive()
    }
}

impl State {
    fn drop_expired(&mut self, now: Timestamp) {
        while let Some((expires, _)) = self.by_expiry.first() {
            if *expires > now {
                break;
            }
            let (_, key) = self.by_expiry.first().cloned().expect("just looked at");
            self.remove(&key);
        }
    }

    fn remove(&mut self, key: &[u8]) -> Option<Bytes> {
        let (value, expires) = self.values.remove(key)?;
        self.by_expiry.remove(&(expires, key.to_vec()));
        self.bytes -= key.len() + value.len();
        Some(value)
    }
}

#[async_trait]
impl EphemeralStore for MemoryEphemeral {
    async fn put_new(&self, key: &[u8], value: Bytes, expires: Timestamp, now: Timestamp) -> Result<bool, StoreError> {
        let mut state = self.state.lock();
        state.drop_expired(now);
        if state.values.contains_key(key) {
            return Ok(false);
        }
        let size = key.len() + value.len();
        if state.values.len() >= self.max_values || state.bytes.saturating_add(size) > self.max_bytes {
            return Err(StoreError::Overloaded);
        }
        if expires <= now {
            return Ok(true);
        }
        state.bytes += size;
        state.values.insert(key.to_vec(), (value, expires));
        state.by_expiry.insert((expires, key.to_vec()));
        Ok(true)
    }

    async fn replace(&self, key: &[u8], value: Bytes, now: Timestamp) -> Result<bool, StoreError> {
        let mut state = self.state.lock();
        state.drop_expired(now);
        let Some((old, _)) = state.values.get(key) else { return Ok(false) };
        let bytes = (state.bytes - old.len()).saturating_add(value.len());
        if bytes > self.max_bytes {
            return Err(StoreError::Overloaded);
        }
        state.bytes = bytes;
        if let Some((slot, _)) = state.values.get_mut(key) {
            *slot = value;
        }
        Ok(true)
    }

    async fn get(&self, key: &[u8], now: Timestamp) -> Result<Option<Bytes>, StoreError> {
        let state = self.state.lock();
        Ok(state.values.get(key).filter(|(_, expires)| *expires > now).map(|(value, _)| value.clone()))
    }

    async fn take(&self, key: &[u8], now: Timestamp) -> Result<Option<Bytes>, StoreError> {
        let mut state = self.state.lock();
        state.drop_expired(now);
        Ok(state.remove(key))
    }
}
