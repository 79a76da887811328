//! What others may see of a person, and what is told to the server's operator.

use serde::{Deserialize, Serialize};
use sotto_types::AccountId;
use sotto_wire::http as wire;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ReportReason {
    Spam,
    Abuse,
    Other,
}

/// What a person's contacts see of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ProfileView {
    pub display_name: Option<String>,
    pub about: Option<String>,
    /// Names the picture (`Command::Picture`).
    pub picture: Option<String>,
}

/// Only what is named is changed; an empty text takes it away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
#[serde(default)]
pub struct ProfileChanges {
    /// At most 64 characters.
    pub display_name: Option<String>,
    /// At most 140 characters.
    pub about: Option<String>,
    /// JPEG, PNG or WebP of at most 48 KiB, in base64.
    pub picture: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct PictureView {
    /// As `ContactView::picture` has it.
    pub id: String,
    /// "image/jpeg", "image/png" or "image/webp".
    pub media_type: String,
    /// Base64.
    pub data: String,
}

/// Whether somebody is there. Who hides it, and who is not known on the other side, is neither online nor was last seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct PresenceView {
    pub account: AccountId,
    pub online: bool,
    /// None: hidden, never, or online now.
    pub last_seen_ms: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum TypingState {
    Stopped,
    Typing,
    /// A voice message.
    Recording,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    Everyone,
    Contacts,
    Nobody,
}

/// An audience, and who of it is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct PrivacyRule {
    pub audience: Audience,
    /// At most 256.
    #[serde(default)]
    pub except: Vec<AccountId>,
}

/// What one hides from somebody of last seen, online and read receipts, one does not see of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Privacy {
    /// "everyone" means contacts.
    pub last_seen: PrivacyRule,
    /// "everyone" means contacts.
    pub online: Audience,
    pub picture: PrivacyRule,
    pub about: PrivacyRule,
    pub read_receipts: Audience,
    /// Who may put this account into a group; others can send an invite link.
    pub group_adds: PrivacyRule,
}

/// Only what is named is changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
#[serde(default)]
pub struct PrivacyChanges {
    pub last_seen: Option<PrivacyRule>,
    pub online: Option<Audience>,
    pub picture: Option<PrivacyRule>,
    pub about: Option<PrivacyRule>,
    pub read_receipts: Option<Audience>,
    pub group_adds: Option<PrivacyRule>,
}

impl Audience {
    fn from_wire(audience: wire::Audience) -> Self {
        match audience {
            wire::Audience::Everyone => Self::Everyone,
            wire::Audience::Contacts => Self::Contacts,
            wire::Audience::Nobody => Self::Nobody,
        }
    }

    fn to_wire(self) -> wire::Audience {
        match self {
            Self::Everyone => wire::Audience::Everyone,
            Self::Contacts => wire::Audience::Contacts,
            Self::Nobody => wire::Audience::Nobody,
        }
    }
}

impl PrivacyRule {
    /// Whether a contact of whose rule it is may see it.
    pub(crate) fn admits_contact(&self, contact: AccountId) -> bool {
        self.audience != Audience::Nobody && !self.except.contains(&contact)
    }

    fn from_wire(rule: &wire::PrivacyRule) -> Self {
        Self { audience: Audience::from_wire(rule.audience), except: rule.except.clone() }
    }

    fn to_wire(&self) -> wire::PrivacyRule {
        wire::PrivacyRule { audience: self.audience.to_wire(), except: self.except.clone() }
    }
}

impl From<&wire::Privacy> for Privacy {
    fn from(privacy: &wire::Privacy) -> Self {
        Self {
            last_seen: PrivacyRule::from_wire(&privacy.last_seen),
            online: Audience::from_wire(privacy.online),
            picture: PrivacyRule::from_wire(&privacy.picture),
            about: PrivacyRule::from_wire(&privacy.about),
            read_receipts: Audience::from_wire(privacy.read_receipts),
            group_adds: PrivacyRule::from_wire(&privacy.group_adds),
        }
    }
}

impl Privacy {
    pub(crate) fn with(self, changes: &PrivacyChanges) -> Self {
        let changes = changes.clone();
        Self {
            last_seen: changes.last_seen.unwrap_or(self.last_seen),
            online: changes.online.unwrap_or(self.online),
            picture: changes.picture.unwrap_or(self.picture),
            about: changes.about.unwrap_or(self.about),
            read_receipts: changes.read_receipts.unwrap_or(self.read_receipts),
            group_adds: changes.group_adds.unwrap_or(self.group_adds),
        }
    }

    pub(crate) fn to_wire(&self, version: u32) -> wire::Privacy {
        wire::Privacy {
            version,
            last_seen: self.last_seen.to_wire(),
            online: self.online.to_wire(),
            picture: self.picture.to_wire(),
            about: self.about.to_wire(),
            read_receipts: self.read_receipts.to_wire(),
            group_adds: self.group_adds.to_wire(),
        }
    }
}
