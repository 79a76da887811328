//! A group as its list of operations makes it: what is asked of it. How an operation changes it is in `rules`.

use super::change::{GroupSettings, Invite, MemberKey, Role};
use super::invite::InviteKey;
use crate::identity::IdentityKey;
use sotto_types::{AccountId, GroupId};

/// How many ended memberships a state remembers, the newest ones: as many as four full groups.
pub const FORMER_MEMBERS_MAX: usize = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    pub account: AccountId,
    /// The one the list pins: operations of this account are signed by it, and nobody writes to it under another.
    pub identity_key: IdentityKey,
    pub role: Role,
    /// Since when a member with this key.
    pub since_revision: u32,
    /// Since when admin or owner without a break; `None` exactly for a plain member.
    pub admin_since: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenedInvite {
    pub invite: Invite,
    pub by: AccountId,
    /// Less than `invite.uses`: an invite that is used up is closed.
    pub used: u32,
}

impl OpenedInvite {
    pub fn public_key(&self) -> InviteKey {
        self.invite.public_key
    }
}

/// Who asked to join, and by which invite (which may be closed by now).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JoinRequest {
    pub who: MemberKey,
    pub public_key: InviteKey,
}

/// A membership that ended, or went on under another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Former {
    pub(super) account: AccountId,
    pub(super) identity_key: IdentityKey,
    pub(super) since_revision: u32,
    /// Of the operation that ended it.
    pub(super) until_revision: u32,
    /// By an admin.
    pub(super) removed: bool,
}

/// A group after its newest operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupState {
    pub(super) id: GroupId,
    pub(super) revision: u32,
    pub(super) head: [u8; 32],
    pub(super) members: Vec<Member>,
    pub(super) settings: GroupSettings,
    pub(super) details_hash: [u8; 32],
    pub(super) details_revision: u32,
    pub(super) invites: Vec<OpenedInvite>,
    pub(super) requests: Vec<JoinRequest>,
    /// In the order in which they ended.
    pub(super) former: Vec<Former>,
    pub(super) deleted: bool,
    pub(super) membership_revision: u32,
}

impl GroupState {
    pub fn id(&self) -> GroupId {
        self.id
    }

    /// Of the newest operation; zero is the one that made the group.
    pub fn revision(&self) -> u32 {
        self.revision
    }

    /// Hash of the newest operation.
    pub fn head(&self) -> [u8; 32] {
        self.head
    }

    /// In the order in which they joined; a new key does not change the place.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    pub fn member(&self, account: AccountId) -> Option<&Member> {
        self.members.iter().find(|member| member.account == account)
    }

    /// `None` exactly for a deleted group.
    pub fn owner(&self) -> Option<&Member> {
        self.members.iter().find(|member| member.role == Role::Owner)
    }

    pub fn settings(&self) -> &GroupSettings {
        &self.settings
    }

    /// `details::details_hash` of the encrypted details that belong to this state.
    pub fn details_hash(&self) -> [u8; 32] {
        self.details_hash
    }

    /// Of the operation that set them.
    pub fn details_revision(&self) -> u32 {
        self.details_revision
    }

    /// Those that are open, as far as the list knows: when one expires is for the server.
    pub fn invites(&self) -> &[OpenedInvite] {
        &self.invites
    }

    pub fn requests(&self) -> &[JoinRequest] {
        &self.requests
    }

    pub fn is_deleted(&self) -> bool {
        self.deleted
    }

    /// Of the last operation that changed who is a member, or with which key.
    pub fn membership_revision(&self) -> u32 {
        self.membership_revision
    }

    /// The key `account` was a member with after the operation `revision`: what a message of that revision is checked with. `None`
    /// also for a revision that is still to come here, and for memberships forgotten by now (`FORMER_MEMBERS_MAX`).
    pub fn member_at(&self, account: AccountId, revision: u32) -> Option<IdentityKey> {
        if revision > self.revision {
            return None;
        }
        let current = self.member(account).filter(|member| member.since_revision <= revision);
        let former = || {
            self.former.iter().rev().find(|former| {
                former.account == account && (former.since_revision..former.until_revision).contains(&revision)
            })
        };
        current.map(|member| member.identity_key).or_else(|| former().map(|former| former.identity_key))
    }

    /// Whether an admin removed the account and nobody has let it in again: an invite link only lets it ask.
    pub fn was_removed(&self, account: AccountId) -> bool {
        let newest = || self.former.iter().rev().find(|former| former.account == account);
        self.member(account).is_none() && newest().is_some_and(|former| former.removed)
    }

    /// The admin who succeeds an owner whose account is gone (`Change::Succeed`).
    pub fn longest_serving_admin(&self) -> Option<&Member> {
        self.members.iter().filter(|member| member.role == Role::Admin).min_by_key(|admin| admin.admin_since)
    }

    pub fn may_post(&self, account: AccountId) -> bool {
        self.member(account).is_some_and(|member| self.settings.post.covers(member.role))
    }

    pub fn may_add(&self, account: AccountId) -> bool {
        self.member(account).is_some_and(|member| self.settings.add.covers(member.role))
    }

    pub fn may_change_details(&self, account: AccountId) -> bool {
        self.member(account).is_some_and(|member| self.settings.change_details.covers(member.role))
    }

    /// Open and close invites, and decline requests.
    pub fn may_invite(&self, account: AccountId) -> bool {
        self.is_admin(account)
    }

    pub fn may_change_settings(&self, account: AccountId) -> bool {
        self.is_admin(account)
    }

    pub fn may_remove(&self, account: AccountId, target: AccountId) -> bool {
        let found = self.member(account).zip(self.member(target));
        found.is_some_and(|(actor, target)| actor.may_remove(target).is_ok())
    }

    /// False also if the target has this role.
    pub fn may_set_role(&self, account: AccountId, target: AccountId, role: Role) -> bool {
        let found = self.member(account).zip(self.member(target));
        found.is_some_and(|(actor, target)| actor.may_set_role(target, role).is_ok())
    }

    pub fn is_admin(&self, account: AccountId) -> bool {
        self.member(account).is_some_and(|member| member.role >= Role::Admin)
    }
}
