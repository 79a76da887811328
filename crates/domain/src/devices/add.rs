use super::link::{Grant, GrantState, code_key};
use super::list_invalid;
use crate::limiter::AddressLimit;
use crate::prekeys::DeviceKeys;
use crate::proof::{self, ListBytes};
use crate::secrets::off_thread;
use crate::{Domain, Refusal};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use sotto_ports::{DeviceChange, NewDevice};
use sotto_types::{AccountId, DeviceAddress, DeviceId, ErrorCode, Username};
use std::net::IpAddr;

/// A new device adding itself.
#[derive(Debug, Clone)]
pub struct AddDevice {
    pub account: AccountId,
    pub link_code: String,
    pub device: DeviceId,
    pub list: ListBytes,
    pub keys: DeviceKeys,
    pub encrypted_name: Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceAdded {
    pub device: DeviceId,
    pub generation: u32,
    pub username: Username,
    pub receipt: String,
}

impl Domain {
    /// The code is good as long as the device that made it is linked (or the recovery code it came from is the current one), and
    /// is used up by success alone; the same request again gets the same answer until the code expires.
    pub async fn add_device(&self, add: AddDevice, ip: IpAddr) -> Result<DeviceAdded, Refusal> {
        let now = self.now();
        self.limiter.check_address(AddressLimit::DeviceAddition, ip, now)?;
        proof::check_encrypted_name(&add.encrypted_name)?;
        let key = code_key(&add.link_code);
        let stored = self.parts.ephemeral.get(&key, now).await?.ok_or_else(wrong_code)?;
        let grant = Grant::from_bytes(&stored)
            .filter(|grant| grant.account == add.account && grant.device == add.device)
            .ok_or_else(wrong_code)?;
        let list_hash: [u8; 32] = Sha256::digest(&add.list.payload).into();
        let recovery = match grant.state {
            GrantState::Open { recovery } => recovery,
            GrantState::Used { list } if list == list_hash => return self.device_added(add.account, add.device).await,
            GrantState::Used { .. } => return Err(wrong_code()),
        };

        let current = self.current(add.account).await?;
        let makes_codes = if recovery {
            current.account.recovery.auth_key == grant.by
        } else {
            current.list.devices.iter().any(|listed| listed.auth_key == grant.by)
        };
        if !makes_codes {
            // Who was unlinked must not come back with a code made before, nor somebody with an old recovery code.
            return Err(wrong_code());
        }
        let (opened, difference) = current.against(&add.list)?;
        if difference.added != [add.device] || !difference.altered.is_empty() {
            return Err(list_invalid("the list must be the current one plus the new device"));
        }
        if !difference.removed.is_empty() && !recovery {
            return Err(list_invalid("linking a device drops no other"));
        }
        let keys = add.keys.check_shape()?;
        let identity = opened.identity;
        let keys = off_thread(move || proof::check_prekeys(&identity, &keys).map(|()| keys)).await?;

        // Taken before the change: of two racing uses, one goes on.
        self.parts.ephemeral.take(&key, self.now()).await?.filter(|now| *now == stored).ok_or_else(wrong_code)?;
        let change = DeviceChange {
            account: add.account,
            expect_version: current.list.version,
            list: opened.list,
            add: vec![NewDevice {
                id: add.device,
                encrypted_name: add.encrypted_name,
                keys: keys.into_upload(),
                now: self.now(),
            }],
            rekey: Vec::new(),
            identity: None,
        };
        let changed = self.change_devices(change).await;
        let state = if changed.is_ok() { GrantState::Used { list: list_hash } } else { grant.state };
        let kept = Grant { state, ..grant }.to_bytes();
        if let Err(error) = self.parts.ephemeral.put_new(&key, kept, grant.expires, self.now()).await {
            tracing::warn!(%error, "could not put a link code back");
        }
        changed?;
        self.device_added(add.account, add.device).await
    }

    async fn device_added(&self, account: AccountId, device: DeviceId) -> Result<DeviceAdded, Refusal> {
        let known = self.parts.directory.account(account).await?.ok_or_else(wrong_code)?;
        self.parts.directory.device(DeviceAddress::new(account, device)).await?.ok_or_else(wrong_code)?;
        Ok(DeviceAdded {
            device,
            generation: self.generation(),
            username: known.username.clone(),
            receipt: self.secret.receipt(account),
        })
    }
}

fn wrong_code() -> Refusal {
    Refusal::new(ErrorCode::LinkCodeInvalid, "the code is wrong, used or expired")
}
