//! The store a client keeps its protocol state in, as this crate needs it: a port of the engine.

mod memory;

pub use memory::MemoryStore;

use crate::identity::{IdentityKey, IdentityKeyPair};
use crate::prekeys::{EcPreKeyId, KyberPreKeyId, SignedPreKeyId};
use sotto_types::{AccountId, DeviceAddress, Secret};
use uuid::Uuid;

/// The store could not be read or written; the text is for the log. The operation changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the store failed: {0}")]
pub struct StoreFailure(pub String);

/// A stored Kyber prekey: its record and how it may be used.
#[derive(Debug, Clone, PartialEq)]
pub struct KyberPreKeyRecord {
    pub record: Secret<Vec<u8>>,
    /// Stays after use, guarded by remembered base keys; a one-time key is removed.
    pub last_resort: bool,
}

/// A first message that used the last-resort Kyber prekey, for refusing it when it is replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BaseKeyUse {
    pub kyber_prekey: KyberPreKeyId,
    pub signed_prekey: SignedPreKeyId,
    /// The sender's ephemeral key, as serialized.
    pub base_key: [u8; 33],
}

/// Names a sender key: each replacement has a fresh one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DistributionId(Uuid);

impl DistributionId {
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    pub(crate) const fn uuid(self) -> Uuid {
        self.0
    }

    pub(crate) const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

/// Protocol state of one device. Records are opaque bytes to be kept as they are; they never move between a native and a
/// WebAssembly build. Every implementation promises:
/// - a load sees every earlier write, also of the same transaction;
/// - writes come only at the end of an operation that succeeded, all of them, so a caller that runs the operation inside
///   one database transaction (and rolls back on error) never stores half of it;
/// - a used base key is remembered as long as its Kyber prekey is kept.
pub trait ProtocolStore {
    fn own_address(&self) -> Result<DeviceAddress, StoreFailure>;
    fn own_identity(&self) -> Result<IdentityKeyPair, StoreFailure>;
    fn own_registration_id(&self) -> Result<u32, StoreFailure>;

    /// The identity key that the person or the trust rule accepted for this account; `None` before first contact. Never
    /// asked for the own account.
    fn trusted_identity(&self, account: AccountId) -> Result<Option<IdentityKey>, StoreFailure>;

    fn load_session(&self, with: DeviceAddress) -> Result<Option<Secret<Vec<u8>>>, StoreFailure>;
    fn store_session(&mut self, with: DeviceAddress, record: &Secret<Vec<u8>>) -> Result<(), StoreFailure>;

    fn load_signed_prekey(&self, id: SignedPreKeyId) -> Result<Option<Secret<Vec<u8>>>, StoreFailure>;

    fn load_one_time_ec_prekey(&self, id: EcPreKeyId) -> Result<Option<Secret<Vec<u8>>>, StoreFailure>;
    /// Called once it was used; the record must be gone for good.
    fn remove_one_time_ec_prekey(&mut self, id: EcPreKeyId) -> Result<(), StoreFailure>;

    fn load_kyber_prekey(&self, id: KyberPreKeyId) -> Result<Option<KyberPreKeyRecord>, StoreFailure>;
    /// Called once a one-time key was used, never for a last-resort key.
    fn remove_one_time_kyber_prekey(&mut self, id: KyberPreKeyId) -> Result<(), StoreFailure>;

    /// Whether `remember_base_key` was called with this.
    fn is_base_key_used(&self, used: &BaseKeyUse) -> Result<bool, StoreFailure>;
    fn remember_base_key(&mut self, used: &BaseKeyUse) -> Result<(), StoreFailure>;

    fn load_sender_key(
        &self,
        sender: DeviceAddress,
        distribution: DistributionId,
    ) -> Result<Option<Secret<Vec<u8>>>, StoreFailure>;
    fn store_sender_key(
        &mut self,
        sender: DeviceAddress,
        distribution: DistributionId,
        record: &Secret<Vec<u8>>,
    ) -> Result<(), StoreFailure>;
}
