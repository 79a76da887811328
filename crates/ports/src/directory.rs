use crate::{PreKeyUpload, StoreError};
use async_trait::async_trait;
use bytes::Bytes;
use sotto_types::{AccountId, DeviceAddress, DeviceId, Timestamp, Username};
use std::sync::Arc;
use std::time::Duration;

/// How long nobody may have the username of a deleted account.
pub const NAME_HELD: Duration = Duration::from_secs(30 * 86_400);

/// What the server keeps to let a person back in with the recovery code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// Ed25519 public key.
    pub auth_key: [u8; 32],
    /// Ciphertext; opaque to the server.
    pub backup: Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub id: AccountId,
    pub username: Username,
    /// libsignal's serialization, 33 bytes.
    pub identity_key: Bytes,
    pub recovery: Recovery,
    pub disabled: bool,
    pub created: Timestamp,
}

/// A device as the signed list names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedDevice {
    pub id: DeviceId,
    pub registration_id: u32,
    pub auth_key: [u8; 32],
}

/// The signed list, opaque bytes plus what the server read in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedDeviceList {
    pub version: u32,
    pub devices: Vec<ListedDevice>,
    pub payload: Bytes,
    pub signature: Bytes,
}

/// What the server knows of a device beyond the signed list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    pub listed: ListedDevice,
    pub encrypted_name: Bytes,
    pub created: Timestamp,
    pub last_seen: Timestamp,
    pub suspended: bool,
}

/// The hot part of an account, cheap to get: what a send is checked against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routing {
    pub account: AccountId,
    pub disabled: bool,
    pub list_version: u32,
    /// Ascending by id: (id, registration id, suspended).
    pub devices: Vec<(DeviceId, u32, bool)>,
}

#[derive(Debug, Clone)]
pub struct NewDevice {
    pub id: DeviceId,
    pub encrypted_name: Bytes,
    pub keys: PreKeyUpload,
    pub now: Timestamp,
}

#[derive(Debug, Clone)]
pub struct CreateAccount {
    pub account: Account,
    pub list: SignedDeviceList,
    pub device: NewDevice,
    /// Hash of an invite to use up, if the policy asks for one.
    pub invite: Option<[u8; 32]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateOutcome {
    Created,
    UsernameTaken,
    /// The account id is there already.
    AccountExists,
    /// Unknown, expired or used up. Checked before the name, so that a name is not probed without an invite.
    InviteInvalid,
}

/// A change of an account's devices: one atomic step, compare-and-set on the list version.
#[derive(Debug, Clone)]
pub struct DeviceChange {
    pub account: AccountId,
    /// The list this change was derived from.
    pub expect_version: u32,
    pub list: SignedDeviceList,
    /// Devices that `list` has and the old one had not, each with its keys. Their inboxes begin empty. One that the old list
    /// had too is made anew.
    pub add: Vec<NewDevice>,
    pub rekey: Vec<Rekey>,
    /// Set when the identity key is replaced.
    pub identity: Option<(Bytes, Recovery)>,
}

/// A device that stays, with new prekeys: of a replaced identity, or because the server had lost them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rekey {
    pub device: DeviceId,
    pub keys: PreKeyUpload,
    /// Its name, encrypted for the new identity; `None`: as it was.
    pub encrypted_name: Option<Bytes>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceChangeOutcome {
    /// The ids that are no longer listed: their inboxes, prekeys and records are gone.
    Changed {
        removed: Vec<DeviceId>,
    },
    /// The current list has another version, or the new one's is not higher.
    Conflict,
    UnknownAccount,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountSummary {
    pub id: AccountId,
    pub username: Username,
    pub devices: usize,
    pub disabled: bool,
    pub created: Timestamp,
    pub last_seen: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invite {
    /// SHA-256 of the code; the code itself is not stored.
    pub hash: [u8; 32],
    pub uses_left: u32,
    pub expires: Timestamp,
}

/// Accounts, devices, blocks, invites. Every implementation promises:
/// - each changing method is atomic, durable on return and linearizable per account: of two racing registrations of a name
///   or changes from one list version, exactly one wins;
/// - a removed device's prekeys and record are gone with the change. What waits in its inbox stays: the domain buries it, so
///   that senders are told; whatever is left of it is gone when the id is used again;
/// - after `delete_account` nothing of the account is left but its username, reserved for 30 days. What others own stays
///   theirs: entries waiting for them, watermarks of the account as a reader of their messages, their block lists;
/// - an invite's use is counted if and only if its account was created;
/// - `routing` and `account` may be served from a cache that is never older than the last change made on this node.
#[async_trait]
pub trait DirectoryStore: Send + Sync {
    async fn create_account(&self, create: CreateAccount) -> Result<CreateOutcome, StoreError>;
    async fn account(&self, id: AccountId) -> Result<Option<Arc<Account>>, StoreError>;
    async fn find_username(&self, username: &Username) -> Result<Option<AccountId>, StoreError>;
    async fn routing(&self, id: AccountId) -> Result<Option<Arc<Routing>>, StoreError>;
    async fn signed_list(&self, id: AccountId) -> Result<Option<SignedDeviceList>, StoreError>;
    async fn device(&self, of: DeviceAddress) -> Result<Option<Device>, StoreError>;
    /// Ascending by id.
    async fn devices(&self, of: AccountId) -> Result<Vec<Device>, StoreError>;
    async fn change_devices(&self, change: DeviceChange) -> Result<DeviceChangeOutcome, StoreError>;
    /// Best effort, not durable; never lowers the time.
    async fn touch_device(&self, of: DeviceAddress, seen: Timestamp) -> Result<(), StoreError>;
    /// When people were last in the foreground. Applied, not durable; never lowers a time; passes over accounts that are not
    /// there. The domain gives many at once.
    async fn note_last_seen(&self, people: &[(AccountId, Timestamp)]) -> Result<(), StoreError>;
    async fn last_seen(&self, of: AccountId) -> Result<Option<Timestamp>, StoreError>;
    /// Suspends every device last seen before `before`; returns those newly suspended, at most `limit`. What waits in their
    /// inboxes stays: the domain buries it, so that senders are told.
    async fn suspend_absent(&self, before: Timestamp, limit: usize) -> Result<Vec<DeviceAddress>, StoreError>;
    /// Compare-and-set: `false` and no change if the account's recovery is not `current` any more, or there is no such account.
    async fn set_recovery(&self, of: AccountId, current: &Recovery, new: Recovery) -> Result<bool, StoreError>;
    async fn set_disabled(&self, of: AccountId, disabled: bool) -> Result<bool, StoreError>;
    async fn delete_account(&self, id: AccountId, now: Timestamp) -> Result<bool, StoreError>;
    /// Ascending by id, following `after`.
    async fn list_accounts(&self, after: Option<AccountId>, limit: usize) -> Result<Vec<AccountSummary>, StoreError>;

    /// Ignored if there is no such owner.
    async fn set_block(&self, owner: AccountId, other: AccountId, blocked: bool) -> Result<(), StoreError>;
    /// Ascending.
    async fn blocks(&self, owner: AccountId) -> Result<Vec<AccountId>, StoreError>;
    async fn is_blocked(&self, owner: AccountId, other: AccountId) -> Result<bool, StoreError>;

    /// Replaces one of the same hash.
    async fn put_invite(&self, invite: Invite) -> Result<(), StoreError>;
}
