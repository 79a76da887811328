//! An account's devices: who may change the signed list, and how.
//! Flow: request with a newly signed list -> `open_list` -> `against` (identity, version, what changed) -> the one change the
//!       request names -> `change_devices` (compare-and-set on the version) -> closed connections, notices.
//! Always true:
//! - a list is stored only if the account's identity key signed it and its version is higher than the current one;
//! - a device that left the list has its connection closed before the call returns;
//! - of two changes made from one version, one wins and the other is told to fetch the list and sign again.

mod add;
mod ids;
mod link;
mod remove;
mod replace_identity;
mod restore;

pub use add::{AddDevice, DeviceAdded};
pub(crate) use ids::IdLocks;
pub(crate) use link::LinkWaiters;
pub use link::{NewLinkCode, NewLinkSession};
pub use replace_identity::ReplaceIdentity;
pub use restore::RestoreDevice;

use crate::proof::{self, ListBytes, OpenedList};
use crate::sign_in::authenticate::{disabled, unknown_account};
use crate::{Domain, Refusal};
use sotto_ports::{Account, DeviceChange, DeviceChangeOutcome, ListedDevice, SignedDeviceList};
use sotto_types::{AccountId, DeviceAddress, DeviceId, ErrorCode};
use std::sync::Arc;

/// The account a change starts from.
struct Current {
    account: Arc<Account>,
    list: SignedDeviceList,
}

/// What a new list does to the current one.
#[derive(Debug, PartialEq, Eq)]
struct Difference {
    added: Vec<DeviceId>,
    removed: Vec<DeviceId>,
    /// Listed before and now, with another registration id or auth key.
    altered: Vec<DeviceId>,
}

impl Difference {
    fn between(old: &[ListedDevice], new: &[ListedDevice]) -> Self {
        let find = |list: &[ListedDevice], id: DeviceId| list.iter().find(|device| device.id == id).copied();
        let missing_in = |list: &[ListedDevice], of: &[ListedDevice]| -> Vec<DeviceId> {
            of.iter().map(|device| device.id).filter(|id| find(list, *id).is_none()).collect()
        };
        Self {
            added: missing_in(old, new),
            removed: missing_in(new, old),
            altered: new
                .iter()
                .filter(|device| find(old, device.id).is_some_and(|before| before != **device))
                .map(|device| device.id)
                .collect(),
        }
    }
}

impl Current {
    /// The new list, if it is the account's own and newer.
    fn against(&self, list: &ListBytes) -> Result<(OpenedList, Difference), Refusal> {
        let opened = proof::open_list(list)?;
        if opened.account != self.account.id {
            return Err(list_invalid("the list is of another account"));
        }
        if opened.identity_bytes() != self.account.identity_key {
            return Err(Refusal::new(ErrorCode::ListSignatureInvalid, "the list is signed by another identity key"));
        }
        if opened.list.version <= self.list.version {
            return Err(conflict());
        }
        let difference = Difference::between(&self.list.devices, &opened.list.devices);
        Ok((opened, difference))
    }
}

impl Domain {
    async fn current(&self, id: AccountId) -> Result<Current, Refusal> {
        let account = self.parts.directory.account(id).await?.ok_or_else(unknown_account)?;
        if account.disabled {
            return Err(disabled());
        }
        let list = self.parts.directory.signed_list(id).await?.ok_or_else(unknown_account)?;
        Ok(Current { account, list })
    }

    /// The one place where a list is replaced.
    async fn change_devices(&self, change: DeviceChange) -> Result<(), Refusal> {
        let account = change.account;
        let version = change.list.version;
        let listed: Vec<DeviceId> = change.list.devices.iter().map(|device| device.id).collect();
        let removed = match self.parts.directory.change_devices(change).await? {
            DeviceChangeOutcome::Changed { removed } => removed,
            DeviceChangeOutcome::Conflict => return Err(conflict()),
            DeviceChangeOutcome::UnknownAccount => return Err(unknown_account()),
        };
        for device in &removed {
            let device = DeviceAddress::new(account, *device);
            self.parts.connections.close(device, ErrorCode::DeviceUnlinked);
            self.sweep.departed.add(device);
        }
        for device in listed {
            self.parts.connections.account_changed(DeviceAddress::new(account, device), account, version, false);
        }
        // Both only spare trouble later; the change itself is done and must be answered as done.
        let kept = self.remember_used_ids(account, &removed).await;
        if let Err(error) = kept.and(self.end_restore(account).await) {
            tracing::warn!(%error, "could not note a change of devices");
        }
        Ok(())
    }
}

fn conflict() -> Refusal {
    Refusal::new(ErrorCode::ListVersionConflict, "the signed list is not newer than the current one")
}

fn list_invalid(detail: &str) -> Refusal {
    Refusal::new(ErrorCode::ListInvalid, detail)
}
