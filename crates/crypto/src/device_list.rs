//! Device lists: which devices an account has, signed by its identity key, so that the server can neither add one nor bring
//! an unlinked one back.
//! Flow: `sign_device_list` (own device) -> server -> `verify_device_list` (server and clients) -> `accept_list` (clients,
//!       against what they knew).
//! Always true:
//! - a `VerifiedDeviceList` kept every rule below and is signed by the identity key inside it;
//! - whether that identity key is the account's is decided in `accept_list`, never by the server's word.

use crate::device_auth::AuthPublicKey;
use crate::identity::{IdentityKey, IdentityKeyPair};
use bytes::Bytes;
use prost::Message;
use rand::{CryptoRng, Rng};
use sotto_types::limits::DEVICES_PER_ACCOUNT;
use sotto_types::{AccountId, DeviceId};
use sotto_wire::{DEVICE_LIST_DOMAIN, http, pb};

/// Highest registration id (libsignal's range).
pub const REGISTRATION_ID_MAX: u32 = 16_380;

/// A random registration id for a new device.
pub fn generate_registration_id<R: CryptoRng + Rng>(rng: &mut R) -> u32 {
    rng.random_range(1..=REGISTRATION_ID_MAX)
}

/// A device as its account's signed list names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedDevice {
    pub id: DeviceId,
    /// 1..=16380; another one under the same id means the device was made anew.
    pub registration_id: u32,
    pub auth_key: AuthPublicKey,
}

/// The bytes that travel and are stored: the serialized `DeviceList` and its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedDeviceList {
    pub payload: Bytes,
    pub signature: Bytes,
}

impl From<SignedDeviceList> for pb::SignedDeviceList {
    fn from(list: SignedDeviceList) -> Self {
        Self { payload: list.payload, signature: list.signature }
    }
}

impl From<pb::SignedDeviceList> for SignedDeviceList {
    fn from(list: pb::SignedDeviceList) -> Self {
        Self { payload: list.payload, signature: list.signature }
    }
}

impl From<SignedDeviceList> for http::SignedList {
    fn from(list: SignedDeviceList) -> Self {
        Self { payload: list.payload.to_vec().into(), signature: list.signature.to_vec().into() }
    }
}

impl From<http::SignedList> for SignedDeviceList {
    fn from(list: http::SignedList) -> Self {
        Self { payload: list.payload.0.into(), signature: list.signature.0.into() }
    }
}

/// Why a list is refused; the server answers with the matching error, a client keeps the list it had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeviceListError {
    #[error("not a device list")]
    Malformed,
    #[error("the list is not signed by the identity key in it")]
    Signature,
    #[error("the list breaks a rule: {0}")]
    Invalid(&'static str),
}

/// A list whose signature and rules were checked. Made only by `verify_device_list`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedDeviceList {
    account: AccountId,
    version: u32,
    identity_key: IdentityKey,
    devices: Vec<ListedDevice>,
}

impl VerifiedDeviceList {
    pub fn account(&self) -> AccountId {
        self.account
    }

    pub fn version(&self) -> u32 {
        self.version
    }

    pub fn identity_key(&self) -> IdentityKey {
        self.identity_key
    }

    /// Ascending by id, never empty, at most 10.
    pub fn devices(&self) -> &[ListedDevice] {
        &self.devices
    }

    pub fn device(&self, id: DeviceId) -> Option<&ListedDevice> {
        self.devices.iter().find(|device| device.id == id)
    }
}

/// Builds and signs a list; refuses what `verify_device_list` would refuse.
pub fn sign_device_list<R: CryptoRng + Rng>(
    identity: &IdentityKeyPair,
    account: AccountId,
    version: u32,
    devices: &[ListedDevice],
    rng: &mut R,
) -> Result<SignedDeviceList, DeviceListError> {
    check_devices(version, devices)?;
    let payload = pb::DeviceList {
        account_id: Bytes::copy_from_slice(account.as_bytes()),
        version,
        identity_key: Bytes::copy_from_slice(identity.public().as_bytes()),
        devices: devices
            .iter()
            .map(|device| pb::ListedDevice {
                device_id: device.id.into(),
                registration_id: device.registration_id,
                auth_key: Bytes::copy_from_slice(device.auth_key.as_bytes()),
            })
            .collect(),
    }
    .encode_to_vec();
    let signature = identity.sign(DEVICE_LIST_DOMAIN, &payload, rng);
    Ok(SignedDeviceList { payload: payload.into(), signature: Bytes::copy_from_slice(&signature) })
}

/// Checks signature and every rule. Proves who signed, not that the signer is the account: see `accept_list`.
pub fn verify_device_list(payload: &[u8], signature: &[u8]) -> Result<VerifiedDeviceList, DeviceListError> {
    let list = pb::DeviceList::decode(payload).map_err(|_| DeviceListError::Malformed)?;
    let identity_key =
        IdentityKey::parse(&list.identity_key).map_err(|_| DeviceListError::Invalid("the identity key is unusable"))?;
    identity_key.verify(DEVICE_LIST_DOMAIN, payload, signature).map_err(|_| DeviceListError::Signature)?;
    let account =
        AccountId::try_from(&list.account_id[..]).map_err(|_| DeviceListError::Invalid("the account id is not one"))?;
    let devices = list.devices.iter().map(parse_device).collect::<Result<Vec<_>, _>>()?;
    check_devices(list.version, &devices)?;
    Ok(VerifiedDeviceList { account, version: list.version, identity_key, devices })
}

fn parse_device(device: &pb::ListedDevice) -> Result<ListedDevice, DeviceListError> {
    Ok(ListedDevice {
        id: DeviceId::try_from(device.device_id)
            .map_err(|_| DeviceListError::Invalid("a device id is outside 1 to 127"))?,
        registration_id: device.registration_id,
        auth_key: AuthPublicKey::parse(&device.auth_key)
            .map_err(|_| DeviceListError::Invalid("an auth key is unusable"))?,
    })
}

fn check_devices(version: u32, devices: &[ListedDevice]) -> Result<(), DeviceListError> {
    if version == 0 {
        return Err(DeviceListError::Invalid("versions begin at 1"));
    }
    if devices.is_empty() {
        return Err(DeviceListError::Invalid("it has no device"));
    }
    if devices.len() > DEVICES_PER_ACCOUNT {
        return Err(DeviceListError::Invalid("it has more than 10 devices"));
    }
    if !devices.is_sorted_by(|one, next| one.id < next.id) {
        return Err(DeviceListError::Invalid("device ids must ascend, each once"));
    }
    if devices.iter().any(|device| !(1..=REGISTRATION_ID_MAX).contains(&device.registration_id)) {
        return Err(DeviceListError::Invalid("a registration id is outside 1 to 16380"));
    }
    Ok(())
}

/// Why a client does not take a verified list. The list it had stays in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AcceptListError {
    /// The server mixed up accounts: report it, do not use the answer.
    #[error("asked for the devices of {wanted}, got those of {got}")]
    OtherAccount { wanted: AccountId, got: AccountId },
    /// Show the change; if the person (or the trust rule) accepts, call again with the new key as trusted.
    #[error("the identity key changed")]
    IdentityChanged { trusted: IdentityKey, got: IdentityKey },
    /// The server showed an old list: an unlinked device would come back. Keep the newer one.
    #[error("version {got} is older than the known {known}")]
    LowerVersion { known: u32, got: u32 },
    /// Two different lists were signed as one version: a device was restored from an old copy, or the key is stolen.
    #[error("version {version} is known with other devices")]
    Forked { version: u32 },
}

/// The client's rule for a list it was shown for `account`, given the list it holds and the identity key it trusts (`None` on
/// first contact: trust on first use is the caller's decision).
pub fn accept_list(
    account: AccountId,
    known: Option<&VerifiedDeviceList>,
    new: VerifiedDeviceList,
    trusted: Option<&IdentityKey>,
) -> Result<VerifiedDeviceList, AcceptListError> {
    if new.account != account {
        return Err(AcceptListError::OtherAccount { wanted: account, got: new.account });
    }
    if let Some(trusted) = trusted
        && *trusted != new.identity_key
    {
        return Err(AcceptListError::IdentityChanged { trusted: *trusted, got: new.identity_key });
    }
    if let Some(known) = known.filter(|known| known.account == account) {
        if new.version < known.version {
            return Err(AcceptListError::LowerVersion { known: known.version, got: new.version });
        }
        if new.version == known.version && new != *known {
            return Err(AcceptListError::Forked { version: new.version });
        }
    }
    Ok(new)
}

#[cfg(test)]
mod tests;
