//! Everything that is checked with sotto-crypto: signed lists, auth keys, prekeys. The only module that calls it.

use crate::Refusal;
use crate::prekeys::NewPreKeys;
use bytes::Bytes;
use sotto_crypto::device_list::{self, DeviceListError};
use sotto_crypto::{AuthPublicKey, IdentityKey, prekeys};
use sotto_ports::{ListedDevice, Recovery, SignedDeviceList};
use sotto_types::{AccountId, DeviceId, ErrorCode, limits};

/// A recovery backup is an encrypted key pair and a name; this is ample.
pub(crate) const BACKUP_BYTES: usize = 4 * 1024;
pub(crate) const ENCRYPTED_NAME_BYTES: usize = 256;

/// A signed list as it came: not checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListBytes {
    pub payload: Bytes,
    pub signature: Bytes,
}

/// A list that is signed by the identity key inside it. Whether that is the account's key is for the caller.
#[derive(Debug, Clone)]
pub(crate) struct OpenedList {
    pub account: AccountId,
    pub identity: IdentityKey,
    pub list: SignedDeviceList,
}

impl OpenedList {
    pub fn device(&self, id: DeviceId) -> Option<&ListedDevice> {
        self.list.devices.iter().find(|device| device.id == id)
    }

    pub fn identity_bytes(&self) -> Bytes {
        Bytes::copy_from_slice(self.identity.as_bytes())
    }
}

pub(crate) fn open_list(bytes: &ListBytes) -> Result<OpenedList, Refusal> {
    let verified = device_list::verify_device_list(&bytes.payload, &bytes.signature).map_err(|error| match error {
        DeviceListError::Malformed => Refusal::new(ErrorCode::ListInvalid, error.to_string()),
        DeviceListError::Signature => Refusal::new(ErrorCode::ListSignatureInvalid, error.to_string()),
        DeviceListError::Invalid("it has more than 10 devices") => too_many_devices(),
        DeviceListError::Invalid(_) => Refusal::new(ErrorCode::ListInvalid, error.to_string()),
    })?;
    let devices = verified.devices().iter().map(|device| ListedDevice {
        id: device.id,
        registration_id: device.registration_id,
        auth_key: *device.auth_key.as_bytes(),
    });
    Ok(OpenedList {
        account: verified.account(),
        identity: verified.identity_key(),
        list: SignedDeviceList {
            version: verified.version(),
            devices: devices.collect(),
            payload: bytes.payload.clone(),
            signature: bytes.signature.clone(),
        },
    })
}

pub(crate) fn too_many_devices() -> Refusal {
    let limit = limits::DEVICES_PER_ACCOUNT;
    Refusal::new(ErrorCode::TooManyDevices, format!("an account has at most {limit} devices; unlink one first"))
}

/// The identity key as the directory keeps it.
pub(crate) fn stored_identity(bytes: &[u8]) -> Result<IdentityKey, Refusal> {
    IdentityKey::parse(bytes).map_err(|_| Refusal::new(ErrorCode::Internal, "the stored identity key is damaged"))
}

/// Every key, every signature. Milliseconds of CPU for a full upload: call it through `off_thread`.
pub(crate) fn check_prekeys(identity: &IdentityKey, keys: &NewPreKeys) -> Result<(), Refusal> {
    let checked = (|| {
        if let Some(key) = &keys.signed {
            prekeys::verify_signed_prekey(identity, key.id, &key.public_key, &key.signature)?;
        }
        for key in keys.last_resort.iter().chain(&keys.one_time_kyber) {
            prekeys::verify_kyber_prekey(identity, key.id, &key.public_key, &key.signature)?;
        }
        keys.one_time_ec.iter().try_for_each(|key| prekeys::verify_one_time_ec_prekey(key.id, &key.public_key))
    })();
    checked.map_err(|error| Refusal::new(ErrorCode::KeyRejected, error.to_string()))
}

pub(crate) fn check_recovery(recovery: &Recovery) -> Result<(), Refusal> {
    if recovery.backup.is_empty() {
        return Err(Refusal::new(ErrorCode::BadRequest, "the recovery backup is empty"));
    }
    if recovery.backup.len() > BACKUP_BYTES {
        return Err(Refusal::new(ErrorCode::TooLarge, format!("the recovery backup is over {BACKUP_BYTES} bytes")));
    }
    AuthPublicKey::parse(&recovery.auth_key)
        .map(drop)
        .map_err(|error| Refusal::new(ErrorCode::KeyRejected, format!("recovery auth key: {error}")))
}

pub(crate) fn check_encrypted_name(name: &[u8]) -> Result<(), Refusal> {
    if name.len() > ENCRYPTED_NAME_BYTES {
        let detail = format!("the encrypted device name is over {ENCRYPTED_NAME_BYTES} bytes");
        return Err(Refusal::new(ErrorCode::TooLarge, detail));
    }
    Ok(())
}

pub(crate) fn is_sign_in(auth_key: &[u8; 32], challenge: &[u8], signature: &[u8]) -> bool {
    AuthPublicKey::stored(*auth_key).verify_sign_in(challenge, signature).is_ok()
}

pub(crate) fn is_recovery(auth_key: &[u8; 32], challenge: &[u8], signature: &[u8]) -> bool {
    AuthPublicKey::stored(*auth_key).verify_recovery(challenge, signature).is_ok()
}
