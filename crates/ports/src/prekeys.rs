use crate::StoreError;
use async_trait::async_trait;
use bytes::Bytes;
use sotto_types::{AccountId, DeviceAddress, DeviceId};

/// One-time keys of one kind that a device may have waiting.
pub const ONE_TIME_MAX: usize = 200;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEcPreKey {
    pub id: u32,
    pub public_key: Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSignedPreKey {
    pub id: u32,
    pub public_key: Bytes,
    pub signature: Bytes,
}

/// New prekeys of one device, already verified; what is `None` or empty stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PreKeyUpload {
    pub signed: Option<StoredSignedPreKey>,
    pub last_resort: Option<StoredSignedPreKey>,
    pub one_time_ec: Vec<StoredEcPreKey>,
    pub one_time_kyber: Vec<StoredSignedPreKey>,
    /// Drop the stored one-time keys first, and forget which ids were handed out.
    pub replace: bool,
}

/// What a sender gets for one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBundle {
    pub device: DeviceId,
    pub registration_id: u32,
    pub signed: StoredSignedPreKey,
    /// One-time if any was left, else the last-resort key.
    pub kyber: StoredSignedPreKey,
    pub kyber_is_last_resort: bool,
    pub one_time_ec: Option<StoredEcPreKey>,
    pub left: KeyCounts,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyCounts {
    pub one_time_ec: u32,
    pub one_time_kyber: u32,
    pub signed_id: u32,
    pub last_resort_id: u32,
    /// Of the one-time ids that are stored or were handed out since the last `replace`; 0 if there are none.
    pub highest_ec_id: u32,
    pub highest_kyber_id: u32,
}

/// Public prekeys. Every implementation promises:
/// - `take_bundles` hands each one-time key out at most once, also when calls race and after a crash: its removal is durable
///   before it returns;
/// - a one-time id that was handed out once is refused (silently skipped) when uploaded again, unless `replace` is set;
/// - of each kind the lowest id is handed out first; an id that is stored already keeps its key;
/// - at most 200 one-time keys of each kind are kept per device: of new ones the lowest ids are taken as long as there is room;
/// - `put_keys` is atomic and durable on return; for a device that is not listed it stores nothing.
#[async_trait]
pub trait PreKeyStore: Send + Sync {
    async fn put_keys(&self, of: DeviceAddress, upload: PreKeyUpload) -> Result<KeyCounts, StoreError>;

    /// One bundle for each named device that is listed, not suspended, and has a signed and a last-resort prekey; in the order
    /// asked, each device once.
    async fn take_bundles(&self, of: AccountId, devices: &[DeviceId]) -> Result<Vec<StoredBundle>, StoreError>;

    async fn key_counts(&self, of: DeviceAddress) -> Result<KeyCounts, StoreError>;
}
