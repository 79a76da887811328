use crate::sign_in::authenticate::{unknown_account, unlinked};
use crate::{Domain, Refusal, SignedIn};
use bytes::Bytes;
use sotto_ports::{Device, SignedDeviceList};
use sotto_types::{AccountId, DeviceAddress, ErrorCode, Username};

/// What an account's own devices see of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnAccount {
    pub account: AccountId,
    pub username: Username,
    pub list: SignedDeviceList,
    /// Ascending by id; `last_seen` is cut to the day.
    pub devices: Vec<Device>,
}

impl Domain {
    pub async fn own_account(&self, who: &SignedIn) -> Result<OwnAccount, Refusal> {
        let id = who.address.account;
        let account = self.parts.directory.account(id).await?.ok_or_else(unlinked)?;
        let list = self.parts.directory.signed_list(id).await?.ok_or_else(unlinked)?;
        let mut devices = self.parts.directory.devices(id).await?;
        for device in &mut devices {
            device.last_seen = device.last_seen.start_of_day();
        }
        Ok(OwnAccount { account: id, username: account.username.clone(), list, devices })
    }

    /// Everything of the account goes; its username stays reserved for 30 days.
    pub async fn delete_account(&self, who: &SignedIn) -> Result<(), Refusal> {
        self.remove_account(who.address.account).await
    }

    pub(crate) fn deleted_key(&self, id: AccountId) -> String {
        format!("deleted/{}", self.secret.pseudonym(id))
    }

    pub(super) async fn remove_account(&self, id: AccountId) -> Result<(), Refusal> {
        let devices = self.parts.directory.routing(id).await?;
        // Who wrote to it learns that nobody will read it. A failing store shows itself in the next line.
        self.bury_account(id).await.ok();
        if !self.parts.directory.delete_account(id, self.now()).await? {
            return Err(unknown_account());
        }
        // So that its devices hear that it is over, and do not wait for a server that was set up anew to come to its senses.
        if let Err(error) = self.parts.meta.put_new(&self.deleted_key(id), Bytes::from_static(b"1")).await {
            tracing::warn!(%error, "could not note that an account was deleted");
        }
        self.people.account_changed(id);
        for (device, ..) in devices.iter().flat_map(|routing| &routing.devices) {
            self.parts.connections.close(DeviceAddress::new(id, *device), ErrorCode::DeviceUnlinked);
        }
        Ok(())
    }
}
