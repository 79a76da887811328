//! After a restore from a backup: for a while the server takes its clients' word for what it forgot.
//! Always true:
//! - the window is open only if this installation was ever restored, for 30 days from its first start afterwards, and for
//!   each account only until its first change of devices since: then the server is up to date for that account, and a
//!   device that was unlinked cannot use the window to come back.

use crate::{Domain, Refusal};
use bytes::Bytes;
use sotto_ports::{MetaStore, StoreError};
use sotto_types::{AccountId, Timestamp};
use std::time::Duration;

const WINDOW: Duration = Duration::from_secs(30 * 86_400);

#[derive(Debug, Clone, Copy)]
pub(crate) struct Restored {
    pub generation: u32,
    /// When this generation first started; `None` if the installation was never restored.
    since: Option<Timestamp>,
}

impl Restored {
    pub async fn load(meta: &dyn MetaStore, now: Timestamp) -> Result<Self, StoreError> {
        let generation = meta.generation().await?;
        if generation <= 1 {
            return Ok(Self { generation, since: None });
        }
        let stored =
            meta.put_new(&format!("restored/{generation}"), Bytes::copy_from_slice(&now.as_ms().to_be_bytes())).await?;
        let since = <[u8; 8]>::try_from(&stored[..])
            .map_err(|_| StoreError::Damaged("the time of the restore is not a time".into()))?;
        Ok(Self { generation, since: Some(Timestamp::from_ms(u64::from_be_bytes(since))) })
    }

    /// Accounts that the backup did not have may come back with their receipt.
    pub fn takes_receipts(&self, now: Timestamp) -> bool {
        self.since.is_some_and(|since| now.since(since) < WINDOW)
    }
}

impl Domain {
    /// Whether a device may still tell the server about a newer list of this account than the backup had.
    pub(crate) async fn may_restore(&self, account: AccountId) -> Result<bool, Refusal> {
        if !self.restored.takes_receipts(self.now()) {
            return Ok(false);
        }
        Ok(self.parts.meta.get(&self.restored_key(account)).await?.is_none())
    }

    /// Ends the window for an account whose devices changed.
    pub(crate) async fn end_restore(&self, account: AccountId) -> Result<(), StoreError> {
        if self.restored.takes_receipts(self.now()) {
            self.parts.meta.put_new(&self.restored_key(account), Bytes::from_static(b"1")).await?;
        }
        Ok(())
    }

    fn restored_key(&self, account: AccountId) -> String {
        format!("restored/{}/{}", self.restored.generation, self.secret.pseudonym(account))
    }
}
