//! Which device id comes next: the lowest that is free and was not used before; once all were used, the lowest free one.
//! Ids that were ever removed are kept as a bit set under the account's pseudonym, which says nothing once it is deleted.
//! Best effort: a forgotten id is only reused early, which tokens (bound to the auth key) and sessions (bound to the
//! registration id) notice.

use crate::{Domain, Refusal};
use bytes::Bytes;
use sotto_ports::{SignedDeviceList, StoreError};
use sotto_types::{AccountId, DeviceId};

/// Serializes updates of one account's bit set in this process. Held over two small store calls, rarely contended.
#[derive(Debug, Default)]
pub(crate) struct IdLocks([tokio::sync::Mutex<()>; 16]);

impl IdLocks {
    fn of(&self, account: AccountId) -> &tokio::sync::Mutex<()> {
        let [first, ..] = account.as_bytes();
        let Self(locks) = self;
        locks.get(usize::from(first & 15)).expect("four bits index sixteen locks")
    }
}

impl Domain {
    pub(crate) async fn free_device_id(
        &self,
        account: AccountId,
        list: &SignedDeviceList,
    ) -> Result<DeviceId, Refusal> {
        let listed = set_of(list.devices.iter().map(|device| device.id));
        let used = self.used_ids(account).await?;
        Ok(lowest_free(listed | used).or_else(|| lowest_free(listed)).unwrap_or(DeviceId::FIRST))
    }

    pub(super) async fn remember_used_ids(&self, account: AccountId, removed: &[DeviceId]) -> Result<(), StoreError> {
        if removed.is_empty() {
            return Ok(());
        }
        let _one_at_a_time = self.id_locks.of(account).lock().await;
        let used = self.used_ids(account).await? | set_of(removed.iter().copied());
        self.parts.meta.put(&self.used_ids_key(account), Bytes::copy_from_slice(&used.to_be_bytes())).await
    }

    async fn used_ids(&self, account: AccountId) -> Result<u128, StoreError> {
        let stored = self.parts.meta.get(&self.used_ids_key(account)).await?;
        Ok(stored.and_then(|bytes| <[u8; 16]>::try_from(&bytes[..]).ok()).map_or(0, u128::from_be_bytes))
    }

    fn used_ids_key(&self, account: AccountId) -> String {
        format!("used-device-ids/{}", self.secret.pseudonym(account))
    }
}

fn set_of(ids: impl Iterator<Item = DeviceId>) -> u128 {
    ids.fold(0, |set, id| set | 1 << id.get())
}

fn lowest_free(taken: u128) -> Option<DeviceId> {
    DeviceId::try_from((taken | 1).trailing_ones()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_free_id_is_found() {
        let id = |id: u32| DeviceId::try_from(id).unwrap();
        for (taken, want) in [
            (0, Some(1)),
            (set_of([id(1), id(2), id(4)].into_iter()), Some(3)),
            (set_of((1..127).map(id)), Some(127)),
            (set_of((1..=127).map(id)), None),
        ] {
            assert_eq!(lowest_free(taken).map(u32::from), want);
        }
    }
}
