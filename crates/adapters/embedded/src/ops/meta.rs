use super::Kind;
use crate::EmbeddedStore;
use crate::codec::Reader;
use crate::tables::Table;
use async_trait::async_trait;
use bytes::Bytes;
use sotto_ports::{MetaStore, StoreError};

/// The store's own facts; what callers keep begins with `u`, and when people were last seen with `l`, so these never meet.
pub const CLOCK: &[u8] = b"s:clock";
pub const SCHEMA: &[u8] = b"s:schema";
pub const GENERATION: &[u8] = b"s:generation";

/// Callers keep a few bytes for each day and account here, and cannot go on without: a full disk does not refuse them.
const FEW_BYTES: Kind = Kind::SHRINKS;

fn key_of(key: &str) -> Vec<u8> {
    [b"u:", key.as_bytes()].concat()
}

/// A number of the store's own.
pub fn number(record: &[u8], what: &'static str) -> Result<u32, StoreError> {
    let mut r = Reader::new(record, what);
    let number = r.u32()?;
    r.end()?;
    Ok(number)
}

#[async_trait]
impl MetaStore for EmbeddedStore {
    async fn generation(&self) -> Result<u32, StoreError> {
        Ok(self.generation)
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        let value = self.tables.get(Table::Meta, &key_of(key))?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    async fn put(&self, key: &str, value: Bytes) -> Result<(), StoreError> {
        let key = key_of(key);
        let put = move |txn: &mut crate::txn::Txn| {
            txn.must_be_durable();
            txn.put(Table::Meta, &key, &value);
            Ok(())
        };
        self.submit(FEW_BYTES, put).await
    }

    async fn put_new(&self, key: &str, value: Bytes) -> Result<Bytes, StoreError> {
        if let Some(stored) = self.get(key).await? {
            return Ok(stored);
        }
        let key = key_of(key);
        let put = move |txn: &mut crate::txn::Txn| {
            // Durable also when the value was there: it may be in this very batch.
            txn.must_be_durable();
            if let Some(stored) = txn.get(Table::Meta, &key)? {
                return Ok(Bytes::copy_from_slice(&stored));
            }
            txn.put(Table::Meta, &key, &value);
            Ok(value)
        };
        self.submit(FEW_BYTES, put).await
    }
}
