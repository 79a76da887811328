//! What the server needs from stores and caches, as traits. Each trait's comment is the contract, enough to write an
//! adapter from; `memory` has the reference versions, `conformance` the suites that every adapter must pass.
//!
//! Common to all: a method that returns `Ok` is visible to every later call on this store; "durable" means that it
//! survives power loss, "applied" that it survives the end of the process. Dropping a returned future before it is ready
//! leaves the write wholly done or wholly not done. No contract assumes one process, except where it says so.

#[macro_use]
pub mod conformance;
mod directory;
mod ephemeral;
mod groups;
mod inbox;
pub mod memory;
mod meta;
mod people;
mod prekeys;
mod presence;
mod reports;
mod rules;

pub use directory::{
    Account, AccountSummary, CreateAccount, CreateOutcome, Device, DeviceChange, DeviceChangeOutcome, DirectoryStore,
    Invite, ListedDevice, NAME_HELD, NewDevice, Recovery, Rekey, Routing, SignedDeviceList,
};
pub use ephemeral::EphemeralStore;
pub use groups::{
    Group, GroupAdvance, GroupCommit, GroupFacts, GroupItem, GroupMark, GroupSettle, GroupStore, LoggedEntry,
    Membership, OperationCommit, OperationCommitted, OperationRefused, StoredOperation,
};
pub use inbox::{
    Advance, CiphertextType, CommitRefused, Committed, EXPIRED_ENTRIES_MAX, EntryFeed, EnvelopeClass, Expired,
    InboxStore, NewEntry, NoFeed, Queued, QueuedItem, SendCommit, Settle, Step, StoredEnvelope, StoredFailure,
    StoredReceipt, WatermarkKind, check_targets,
};
pub use meta::MetaStore;
pub use people::{Audience, ContactChange, PeopleStore, Privacy, PrivacyRule, Profile};
pub use prekeys::{
    KeyCounts, ONE_TIME_MAX, PreKeyStore, PreKeyUpload, StoredBundle, StoredEcPreKey, StoredSignedPreKey,
};
pub use presence::{Lease, PresenceFeed, PresenceState, PresenceStore};
pub use reports::{NewReport, Report, ReportReason, ReportStore, ReportSummary, ReportedMessage, Resolution};
pub use rules::IdClock;

/// Why a store could not do it. None of these says anything about the request itself.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// A queue is full or the store is too slow: nothing was done, try later.
    #[error("the store is overloaded")]
    Overloaded,
    /// Writes are refused because the disk is (nearly) full; reads work.
    #[error("the disk is full")]
    Full,
    /// What is stored cannot be understood.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
    #[error("the store failed: {0}")]
    Failed(String),
}
