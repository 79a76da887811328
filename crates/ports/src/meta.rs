use crate::StoreError;
use async_trait::async_trait;
use bytes::Bytes;

/// The installation's own small durable facts: server secrets, token keys. Every implementation promises:
/// - `put` is durable on return; `put_new` stores only if the key was absent and returns what is stored now, so that racing
///   nodes agree on one value;
/// - `generation` starts at 1; every restore from a backup gives another one, also a second restore of the same backup.
#[async_trait]
pub trait MetaStore: Send + Sync {
    async fn generation(&self) -> Result<u32, StoreError>;
    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError>;
    async fn put(&self, key: &str, value: Bytes) -> Result<(), StoreError>;
    async fn put_new(&self, key: &str, value: Bytes) -> Result<Bytes, StoreError>;
}
