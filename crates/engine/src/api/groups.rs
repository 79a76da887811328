//! Groups as people and programs see them, and what can be changed about them.

use super::{ContactView, Who};
use serde::{Deserialize, Serialize};
use sotto_types::{AccountId, GroupId, Username};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum GroupRole {
    Owner,
    Admin,
    Member,
}

/// Who may do something in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum GroupPermission {
    Members,
    /// Admins and the owner.
    Admins,
}

/// How a message reaches the members.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum GroupFanout {
    /// One ciphertext in the group's log.
    #[default]
    Log,
    /// One ciphertext per device.
    Pairwise,
}

/// A group to be made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct NewGroup {
    /// 1 to 100 characters.
    pub title: String,
    /// At most 2,048 characters.
    #[serde(default)]
    pub description: String,
    /// Base64, at most 48 KiB of it decoded.
    #[serde(default)]
    pub picture: Option<String>,
    /// "image/webp", "image/jpeg" or "image/png".
    #[serde(default)]
    pub picture_type: Option<String>,
    /// At most 1,023.
    pub members: Vec<Who>,
    #[serde(default = "everybody")]
    pub post: GroupPermission,
    #[serde(default = "everybody")]
    pub add: GroupPermission,
    #[serde(default = "everybody")]
    pub change_details: GroupPermission,
    /// For good. `Pairwise`: at most 128 members, the owner included.
    #[serde(default)]
    pub fanout: GroupFanout,
}

const fn everybody() -> GroupPermission {
    GroupPermission::Members
}

/// What is to be changed about a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum GroupChange {
    /// Who is a member under an old identity key is added with the new one.
    Add {
        members: Vec<Who>,
    },
    Remove {
        members: Vec<Who>,
    },
    /// `owner` hands the group over.
    SetRole {
        member: AccountId,
        role: GroupRole,
    },
    /// All of them: what is not given is taken away.
    SetDetails {
        title: String,
        #[serde(default)]
        description: String,
        #[serde(default)]
        picture: Option<String>,
        #[serde(default)]
        picture_type: Option<String>,
    },
    SetPermissions {
        post: GroupPermission,
        add: GroupPermission,
        change_details: GroupPermission,
    },
    /// A new link; it is in the reply's `invites`.
    OpenInvite {
        /// 0: never.
        #[serde(default)]
        expires_ms: u64,
        /// How many may join by it; 0: without limit.
        #[serde(default)]
        uses: u32,
        /// Joining only asks; an admin's `Add` lets in, `Decline` does not.
        #[serde(default)]
        approval: bool,
    },
    CloseInvite {
        /// `GroupInviteView::public_key`.
        public_key: String,
    },
    /// Refuses who asked to join.
    Decline {
        members: Vec<AccountId>,
    },
    Leave,
    /// Take over from an owner whose account is gone; for the longest-serving admin.
    Succeed,
    /// For everybody; by the owner.
    Delete,
}

/// Somebody in a line: as much as it takes to name them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct PersonView {
    pub account: AccountId,
    /// Display name, username, or the beginning of the id.
    pub name: String,
    pub is_me: bool,
}

/// What was changed about a group. Who did it is the message's author. Of many people the first 16 are named.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum GroupChangeView {
    Created {
        members: Vec<PersonView>,
        more: u32,
    },
    Added {
        members: Vec<PersonView>,
        more: u32,
    },
    Removed {
        members: Vec<PersonView>,
        more: u32,
    },
    Left,
    RoleSet {
        member: PersonView,
        role: GroupRole,
    },
    DetailsSet,
    PermissionsSet,
    InviteOpened,
    InviteClosed,
    /// By a link; `asked`: an admin has to let them in.
    Joined {
        asked: bool,
    },
    Declined {
        members: Vec<PersonView>,
        more: u32,
    },
    Succeeded,
    Deleted,
}

/// A group in the list of conversations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct GroupSummary {
    pub group: GroupId,
    /// None until somebody gave this device the key.
    pub title: Option<String>,
    /// Base64.
    pub picture: Option<String>,
    /// "image/webp", "image/jpeg" or "image/png".
    pub picture_type: Option<String>,
    /// How many.
    pub members: u32,
    /// None: not a member (any more).
    pub my_role: Option<GroupRole>,
    pub may_post: bool,
    /// Who asked to join and waits for this person, who may let them in.
    pub requests: u32,
    pub deleted: bool,
    /// Why the list of members cannot be trusted any more, for people.
    pub alarm: Option<String>,
}

/// A group as an invite link shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct GroupInvitation {
    pub group: GroupId,
    /// None: the title was changed after the link was copied.
    pub title: Option<String>,
    pub description: Option<String>,
    /// Base64.
    pub picture: Option<String>,
    /// "image/webp", "image/jpeg" or "image/png".
    pub picture_type: Option<String>,
    /// How many.
    pub members: u32,
    /// Joining only asks; an admin adds.
    pub approval: bool,
    pub standing: GroupStanding,
}

/// What somebody with a link is to the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum GroupStanding {
    Stranger,
    /// Asked, and waits for an admin.
    Waiting,
    Member,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct GroupView {
    pub group: GroupId,
    /// None until somebody gave this device the key.
    pub title: Option<String>,
    pub description: Option<String>,
    /// Base64.
    pub picture: Option<String>,
    /// "image/webp", "image/jpeg" or "image/png".
    pub picture_type: Option<String>,
    /// Of the last operation known here.
    pub revision: u32,
    /// In the order they joined.
    pub members: Vec<GroupMemberView>,
    pub fanout: GroupFanout,
    /// Who may write messages.
    pub post: GroupPermission,
    /// Who may add members.
    pub add: GroupPermission,
    /// Who may change title, description and picture.
    pub change_details: GroupPermission,
    pub invites: Vec<GroupInviteView>,
    /// Who asked to join by a link, and waits for an admin.
    pub requests: Vec<ContactView>,
    /// None: not a member (any more).
    pub my_role: Option<GroupRole>,
    /// This account asked to join, and waits for an admin.
    pub waiting: bool,
    pub deleted: bool,
    /// Why the list of members cannot be trusted any more, for people.
    pub alarm: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct GroupMemberView {
    pub account: AccountId,
    pub username: Option<Username>,
    pub display_name: Option<String>,
    pub role: GroupRole,
    /// The group's list has another key of theirs than this device: they get no messages of this device until added again.
    pub key_changed: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct GroupInviteView {
    /// Hex.
    pub public_key: String,
    /// "https://chat.example.org/#/g/…"; only on the device that made it.
    pub link: Option<String>,
    /// Uses that are left; 0: without limit.
    pub uses: u32,
    /// 0: never.
    pub expires_ms: u64,
    /// Joining only asks; an admin adds.
    pub approval: bool,
}

/// How far a member is with an own message in a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct MemberReceipt {
    pub person: PersonView,
    /// The server's clock.
    pub delivered_ms: Option<u64>,
    /// The server's clock.
    pub read_ms: Option<u64>,
}

/// A part of a text that names somebody. Counted in UTF-16 code units, as JavaScript does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Mention {
    pub start: u32,
    /// At least 1.
    pub length: u32,
    /// None: everybody in the group; in one of more than 32 members only admins can.
    pub account: Option<AccountId>,
}
