//! Everything cryptographic in Sotto, behind one facade: the Signal Protocol (libsignal), device lists, sign-in keys,
//! recovery, linking. Synchronous, no I/O, no clock (callers pass a `Timestamp`), no randomness of its own (callers pass an
//! rng), so it runs the same in a browser worker, in a test with a seed, and on a server.
//! Flow of a message: `session::encrypt` (addresses, padding, ratchet) -> the wire -> `session::decrypt` (guards, ratchet,
//!       padding, addresses; writes handed to the store only if everything held).
//! Always true:
//! - no libsignal type leaves this crate, so another publication of it can be put in its place here;
//! - bytes from outside become checked types or a typed error; a low-order key never gets past a parser;
//! - private keys and records are `Secret`, and `Debug` of a key pair prints only its public half;
//! - a failed call leaves the caller's store as it was.
//!
//! Elsewhere: where records are kept is the engine's (`ProtocolStore`); whom to trust is the person's.

pub mod device_auth;
pub mod device_list;
pub mod device_name;
pub mod fuzzing;
pub mod group;
pub mod identity;
mod keys;
pub mod padding;
mod peek;
pub mod prekeys;
pub mod profile;
pub mod provisioning;
pub mod recovery;
pub mod safety_number;
mod secretbox;
pub mod sender_keys;
pub mod session;
mod signal;
pub mod store;

pub use device_auth::{AuthPublicKey, DeviceAuthKey, RecoveryAuthKey};
pub use device_list::{ListedDevice, SignedDeviceList, VerifiedDeviceList};
pub use identity::{IdentityKey, IdentityKeyPair};
pub use keys::{BadSignature, KeyError};
pub use prekeys::{EcPreKeyId, KyberPreKeyId, SignedPreKeyId};
pub use profile::{ProfileKey, ProfilePart, picture_id};
pub use recovery::RecoveryCode;
pub use safety_number::SafetyNumber;
pub use store::{BaseKeyUse, DistributionId, KyberPreKeyRecord, MemoryStore, ProtocolStore, StoreFailure};
