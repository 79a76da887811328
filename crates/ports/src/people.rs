use crate::StoreError;
use async_trait::async_trait;
use bytes::Bytes;
use sotto_types::{AccountId, Conversation, DeviceAddress, ProfileKeyId, Timestamp};
use std::sync::Arc;

/// For whom something of an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Audience {
    Everyone,
    Contacts,
    Nobody,
}

/// An audience, and who is not in it all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivacyRule {
    pub audience: Audience,
    /// Ascending, each once.
    pub except: Vec<AccountId>,
}

impl PrivacyRule {
    pub const fn of(audience: Audience) -> Self {
        Self { audience, except: Vec::new() }
    }
}

/// What an account lets others see and do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Privacy {
    /// Rises by one with each change; 0: never set.
    pub version: u32,
    pub last_seen: PrivacyRule,
    pub online: Audience,
    pub picture: PrivacyRule,
    pub about: PrivacyRule,
    pub read_receipts: Audience,
    pub group_adds: PrivacyRule,
}

impl Default for Privacy {
    fn default() -> Self {
        Self {
            version: 0,
            last_seen: PrivacyRule::of(Audience::Contacts),
            online: Audience::Contacts,
            picture: PrivacyRule::of(Audience::Everyone),
            about: PrivacyRule::of(Audience::Everyone),
            read_receipts: Audience::Everyone,
            group_adds: PrivacyRule::of(Audience::Everyone),
        }
    }
}

/// `owner` accepts messages of `other`, or does not any more.
#[derive(Debug, Clone)]
pub struct ContactChange {
    pub owner: AccountId,
    pub other: AccountId,
    pub is_contact: bool,
    /// If `other` becomes a contact now: devices of it, each with the conversation as it sees it, that get a receipt with how far
    /// `owner` has received its messages by now.
    pub tell: Vec<(DeviceAddress, Conversation)>,
    /// How far `owner` has read them, too.
    pub tell_read: bool,
    pub at: Timestamp,
}

/// A profile as its owner's devices encrypted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    pub version: u64,
    pub key_id: ProfileKeyId,
    pub ciphertext: Bytes,
}

/// Contacts, privacy settings, profiles. Every implementation promises:
/// - each changing method is atomic, and durable on return; what an account owns here (its contacts, settings, profile) is gone
///   with `DirectoryStore::delete_account`, what others own stays theirs. Of an owner that is not there nothing is stored;
/// - `other` of a contact need not exist: nobody may learn from this store who does;
/// - an `Advance` with `if_contact` and a `set_contact` are ordered: either the advance finds the contact, or the contact finds
///   the watermark, so no tick is lost between them;
/// - `is_contact` and `privacy` may be served from a cache that is never older than the last change made on this node.
#[async_trait]
pub trait PeopleStore: Send + Sync {
    /// Whether it changed anything.
    async fn set_contact(&self, change: ContactChange) -> Result<bool, StoreError>;
    async fn is_contact(&self, owner: AccountId, other: AccountId) -> Result<bool, StoreError>;
    /// Ascending.
    async fn contacts(&self, owner: AccountId) -> Result<Vec<AccountId>, StoreError>;

    /// The default ones if none were set.
    async fn privacy(&self, of: AccountId) -> Result<Arc<Privacy>, StoreError>;
    /// Compare-and-set: `false` and no change unless `privacy.version` is one more than that of what is stored.
    async fn set_privacy(&self, of: AccountId, privacy: Privacy) -> Result<bool, StoreError>;

    async fn profile(&self, of: AccountId) -> Result<Option<Profile>, StoreError>;
    /// `false` and no change if what is stored has the same version or a higher one, unless it is the same profile.
    async fn put_profile(&self, of: AccountId, profile: Profile) -> Result<bool, StoreError>;
}
