//! A device that a restored server does not know, or knows without keys, proves itself by a list of the account's identity.
//! Always true:
//! - it works only after a restore, and for each account only until its first change since (`restored`): otherwise an
//!   unlinked device, which still holds the identity key, could sign itself back in.

use super::list_invalid;
use crate::limiter::AddressLimit;
use crate::prekeys::DeviceKeys;
use crate::proof::{self, ListBytes};
use crate::secrets::off_thread;
use crate::sign_in::ChallengeOf;
use crate::sign_in::authenticate::unlinked;
use crate::{Domain, Refusal};
use bytes::Bytes;
use sotto_ports::{DeviceChange, NewDevice, PreKeyUpload, Rekey};
use sotto_types::{AccountId, DeviceAddress, DeviceId, ErrorCode};
use std::net::IpAddr;

#[derive(Debug, Clone)]
pub struct RestoreDevice {
    pub account: AccountId,
    pub device: DeviceId,
    /// From `challenge`, signed with the auth key that the list names for this device.
    pub challenge: Vec<u8>,
    pub signature: Vec<u8>,
    pub list: ListBytes,
    pub keys: DeviceKeys,
    pub encrypted_name: Bytes,
}

impl Domain {
    pub async fn restore_device(&self, restore: RestoreDevice, ip: IpAddr) -> Result<(), Refusal> {
        let now = self.now();
        self.limiter.check_address(AddressLimit::DeviceAddition, ip, now)?;
        let address = DeviceAddress::new(restore.account, restore.device);
        self.check_challenge(ChallengeOf::Device(address), &restore.challenge)?;
        proof::check_encrypted_name(&restore.encrypted_name)?;
        let current = self.current(restore.account).await?;
        // A sibling may have uploaded the list already: then only the keys are missing.
        let known = current.list.payload == restore.list.payload;
        let opened = if known { proof::open_list(&restore.list)? } else { current.against(&restore.list)?.0 };
        let listed = *opened.device(restore.device).ok_or_else(|| list_invalid("the list lacks the device"))?;
        if !proof::is_sign_in(&listed.auth_key, &restore.challenge, &restore.signature) {
            let detail = "the signature is not by the auth key in the list";
            return Err(Refusal::new(ErrorCode::SignatureInvalid, detail));
        }
        if !known && !self.may_restore(restore.account).await? {
            return Err(unlinked());
        }
        let keys = restore.keys.check_shape()?;
        let identity = opened.identity;
        let keys = off_thread(move || proof::check_prekeys(&identity, &keys).map(|()| keys)).await?.into_upload();
        self.use_challenge(&restore.challenge).await?;
        if known {
            self.parts.prekeys.put_keys(address, keys).await?;
            return Ok(());
        }

        let before = &current.list.devices;
        let mut keys = Some(keys);
        let mut add = Vec::new();
        for device in opened.list.devices.iter().filter(|device| !before.contains(device)) {
            // Another one the server forgot as well: it uploads its own keys when it returns.
            let own = device.id == restore.device;
            let keys = if own { keys.take().unwrap_or_default() } else { PreKeyUpload::default() };
            let encrypted_name = if own { restore.encrypted_name.clone() } else { Bytes::new() };
            add.push(NewDevice { id: device.id, encrypted_name, keys, now });
        }
        // The server knew this device: it only brings the newer list.
        let rekey = keys.map(|keys| Rekey { device: restore.device, keys, encrypted_name: None }).into_iter().collect();
        self.change_devices(DeviceChange {
            account: restore.account,
            expect_version: current.list.version,
            list: opened.list,
            add,
            rekey,
            identity: None,
        })
        .await
    }
}
