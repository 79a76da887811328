use super::list_invalid;
use crate::limiter::Subject;
use crate::proof::ListBytes;
use crate::sign_in::authenticate::unknown_device;
use crate::{Domain, Refusal, SignedIn};
use bytes::Bytes;
use sotto_ports::{DeviceChange, NewDevice, PreKeyUpload};
use sotto_types::DeviceId;

impl Domain {
    /// Unlinks a device (also the asking one): its connection ends before this returns, and every later request of it fails.
    pub async fn remove_device(&self, who: &SignedIn, device: DeviceId, list: ListBytes) -> Result<(), Refusal> {
        let account = who.address.account;
        self.limiter.check(Subject::Changes(account), self.now())?;
        let current = self.current(account).await?;
        if !current.list.devices.iter().any(|listed| listed.id == device) {
            return Err(unknown_device());
        }
        let (opened, difference) = current.against(&list)?;
        if difference.removed != [device] || !difference.added.is_empty() || !difference.altered.is_empty() {
            return Err(list_invalid("the list must be the current one without that device"));
        }
        self.change_devices(DeviceChange {
            account,
            expect_version: current.list.version,
            list: opened.list,
            add: Vec::new(),
            rekey: Vec::new(),
            identity: None,
        })
        .await
    }

    /// A newer list with fewer or the same devices: after some were suspended, or to tell a restored server what it forgot.
    /// Only in that case may it name devices that the server does not know; they upload their keys when they return.
    /// The list that the server has already is taken without a change.
    pub async fn resign_list(&self, who: &SignedIn, list: ListBytes) -> Result<(), Refusal> {
        let account = who.address.account;
        self.limiter.check(Subject::Changes(account), self.now())?;
        let current = self.current(account).await?;
        if current.list.payload == list.payload {
            return Ok(());
        }
        let (opened, difference) = current.against(&list)?;
        if opened.device(who.address.device).is_none() {
            return Err(list_invalid("the list must keep the device that uploads it"));
        }
        if !difference.altered.is_empty() {
            return Err(list_invalid("the list alters a device"));
        }
        if !difference.added.is_empty() && !self.may_restore(account).await? {
            return Err(list_invalid("a device is added by linking it"));
        }
        let now = self.now();
        let forgotten = difference.added.into_iter().map(|id| NewDevice {
            id,
            encrypted_name: Bytes::new(),
            keys: PreKeyUpload::default(),
            now,
        });
        self.change_devices(DeviceChange {
            account,
            expect_version: current.list.version,
            list: opened.list,
            add: forgotten.collect(),
            rekey: Vec::new(),
            identity: None,
        })
        .await
    }
}
