use crate::StoreError;
use async_trait::async_trait;
use bytes::Bytes;
use sotto_types::Timestamp;

/// Short-lived shared values: link sessions, link codes, used challenges. Lost on restart, which costs people one retry.
/// Every implementation promises:
/// - a value is gone at its expiry (by the `now` of the call), never before, except when the process restarts;
/// - `take` returns a value to exactly one caller; `put_new` succeeds for exactly one of racing callers;
/// - the number of values is bounded; when full, `put_new` fails with `Overloaded` and existing values stay.
#[async_trait]
pub trait EphemeralStore: Send + Sync {
    /// True if there was no live value under the key.
    async fn put_new(&self, key: &[u8], value: Bytes, expires: Timestamp, now: Timestamp) -> Result<bool, StoreError>;
    /// Replaces a live value, keeping its expiry; false if there is none.
    async fn replace(&self, key: &[u8], value: Bytes, now: Timestamp) -> Result<bool, StoreError>;
    async fn get(&self, key: &[u8], now: Timestamp) -> Result<Option<Bytes>, StoreError>;
    async fn take(&self, key: &[u8], now: Timestamp) -> Result<Option<Bytes>, StoreError>;
}
