//! What each kind of operation does to a group, and who may do it.

use super::change::{GroupSettings, Invite, MemberKey, Role};
use super::invite::{InviteKey, JoinProof};
use super::rules::{Applied, GroupRuleError};
use super::state::{FORMER_MEMBERS_MAX, Former, GroupState, JoinRequest, Member, OpenedInvite};
use crate::identity::IdentityKey;
use sotto_types::AccountId;
use sotto_types::limits::{GROUP_INVITES, GROUP_REQUESTS};

/// An operation on its way: the state becomes visible only if every rule held.
pub(super) struct Step {
    state: GroupState,
    pub(super) applied: Applied,
}

impl Step {
    /// `state` is the copy to be changed, at the operation's revision.
    pub(super) fn new(state: GroupState) -> Self {
        Self { state, applied: Applied::default() }
    }

    pub(super) fn finish(mut self) -> (GroupState, Applied) {
        if self.applied.changes_roster() {
            self.state.membership_revision = self.state.revision;
        }
        let surplus = self.state.former.len().saturating_sub(FORMER_MEMBERS_MAX);
        self.state.former.drain(..surplus);
        (self.state, self.applied)
    }

    /// Makes `who`, which is no member, one. A request of the account is granted with it.
    pub(super) fn join(&mut self, who: MemberKey) -> Result<(), GroupRuleError> {
        let limit = self.state.settings.fanout.members_max();
        if self.state.members.len() >= limit {
            return Err(GroupRuleError::Full { what: "members", limit });
        }
        self.state.requests.retain(|request| request.who.account != who.account);
        self.state.members.push(Member {
            account: who.account,
            identity_key: who.identity_key,
            role: Role::Member,
            since_revision: self.state.revision,
            admin_since: None,
        });
        self.applied.added.push(who.account);
        Ok(())
    }

    pub(super) fn add(&mut self, actor: &Member, named: MemberKey) -> Result<(), GroupRuleError> {
        let Some(known) = self.state.member(named.account).copied() else {
            if !self.state.settings.add.covers(actor.role) {
                return Err(GroupRuleError::NotAllowed("members are added by admins"));
            }
            return self.join(named);
        };
        if known.identity_key == named.identity_key {
            return Err(GroupRuleError::AlreadyMember(named.account));
        }
        self.rekey(actor, &known, named.identity_key)
    }

    /// Pins another key for a member. That hands the member's place to whoever has the new key, so it takes the right to add for a
    /// plain member (adding a stranger under this name would do the same), and an admin for an admin, who becomes a plain member:
    /// otherwise members who may add could depose admins. The owner stays the owner, or a group could be left without; an admin who
    /// pins a false key takes the group over, but needs the server to lie about the account for it, and with such a server could do
    /// so by `Succeed`; every client shows the new key. Oneself, signed with the old key, keeps every right.
    fn rekey(&mut self, actor: &Member, known: &Member, identity_key: IdentityKey) -> Result<(), GroupRuleError> {
        let oneself = known.account == actor.account;
        let allowed = match known.role {
            Role::Member => self.state.settings.add.covers(actor.role),
            Role::Admin | Role::Owner => actor.role >= Role::Admin,
        };
        if !(oneself || allowed) {
            return Err(GroupRuleError::NotAllowed("an admin's or owner's new identity key is taken by admins"));
        }
        let revision = self.state.revision;
        self.state.former.push(ended(known, revision, false));
        self.with_member(known.account, |member| {
            member.identity_key = identity_key;
            member.since_revision = revision;
            if member.role == Role::Admin && !oneself {
                (member.role, member.admin_since) = (Role::Member, None);
            }
        });
        self.applied.rekeyed.push(known.account);
        Ok(())
    }

    pub(super) fn remove(&mut self, actor: &Member, account: AccountId) -> Result<(), GroupRuleError> {
        actor.require_admin("members are removed by admins")?;
        let target = *self.named(account)?;
        actor.may_remove(&target)?;
        self.end(&target, true);
        Ok(())
    }

    pub(super) fn leave(&mut self, actor: &Member) {
        self.end(actor, false);
        if actor.role != Role::Owner {
            return;
        }
        let heir = self.state.longest_serving_admin().or(self.state.members.first()).map(|member| member.account);
        match heir {
            Some(heir) => self.make_owner(heir),
            None => self.close(),
        }
    }

    pub(super) fn set_role(&mut self, actor: &Member, account: AccountId, role: Role) -> Result<(), GroupRuleError> {
        actor.require_admin("roles are given by admins")?;
        actor.may_set_role(self.named(account)?, role)?;
        let revision = self.state.revision;
        match role {
            Role::Owner => {
                self.with_member(actor.account, |owner| owner.role = Role::Admin);
                self.make_owner(account);
            }
            Role::Admin => self.with_member(account, |member| {
                (member.role, member.admin_since) = (Role::Admin, Some(revision));
            }),
            Role::Member => self.demote(account),
        }
        Ok(())
    }

    pub(super) fn set_details(&mut self, actor: &Member, details_hash: &[u8; 32]) -> Result<(), GroupRuleError> {
        if !self.state.settings.change_details.covers(actor.role) {
            return Err(GroupRuleError::NotAllowed("title, picture and description are changed by admins"));
        }
        if self.state.details_hash == *details_hash {
            return Err(GroupRuleError::Unchanged);
        }
        self.state.details_hash = *details_hash;
        self.state.details_revision = self.state.revision;
        self.applied.sets_details = true;
        Ok(())
    }

    pub(super) fn set_settings(&mut self, actor: &Member, settings: &GroupSettings) -> Result<(), GroupRuleError> {
        actor.require_admin("settings are changed by admins")?;
        if self.state.settings.fanout != settings.fanout {
            return Err(GroupRuleError::NotAllowed("the fan-out stays as the group was made"));
        }
        if self.state.settings == *settings {
            return Err(GroupRuleError::Unchanged);
        }
        self.state.settings = *settings;
        Ok(())
    }

    pub(super) fn open_invite(&mut self, actor: &Member, invite: &Invite) -> Result<(), GroupRuleError> {
        actor.require_admin("invites are opened by admins")?;
        if self.state.invites.iter().any(|open| open.public_key() == invite.public_key) {
            return Err(GroupRuleError::InviteExists);
        }
        if self.state.invites.len() >= GROUP_INVITES {
            return Err(GroupRuleError::Full { what: "open invites", limit: GROUP_INVITES });
        }
        self.state.invites.push(OpenedInvite { invite: *invite, by: actor.account, used: 0 });
        Ok(())
    }

    pub(super) fn close_invite(&mut self, actor: &Member, public_key: InviteKey) -> Result<(), GroupRuleError> {
        actor.require_admin("invites are closed by admins")?;
        let before = self.state.invites.len();
        self.state.invites.retain(|open| open.public_key() != public_key);
        if self.state.invites.len() == before { Err(GroupRuleError::InviteClosed) } else { Ok(()) }
    }

    pub(super) fn join_by_invite(
        &mut self,
        who: MemberKey,
        key: &InviteKey,
        proof: &JoinProof,
    ) -> Result<(), GroupRuleError> {
        if self.state.member(who.account).is_some() {
            return Err(GroupRuleError::AlreadyMember(who.account));
        }
        let Some(open) = self.state.invites.iter_mut().find(|open| open.public_key() == *key) else {
            return Err(GroupRuleError::InviteClosed);
        };
        key.verify_join(self.state.id, who.account, &who.identity_key, proof).map_err(|_| GroupRuleError::Proof)?;
        open.used = open.used.saturating_add(1);
        let invite = open.invite;
        if invite.uses.is_some_and(|uses| open.used >= uses.get()) {
            self.state.invites.retain(|open| open.public_key() != *key);
        }
        // A link outlives a removal; who has it must not undo that alone.
        if invite.approval || self.state.was_removed(who.account) {
            self.ask(JoinRequest { who, public_key: *key })
        } else {
            self.join(who)
        }
    }

    /// A request under another key takes the place of the one before: the account has only one.
    fn ask(&mut self, request: JoinRequest) -> Result<(), GroupRuleError> {
        let account = request.who.account;
        let requests = &mut self.state.requests;
        let full = requests.len() >= GROUP_REQUESTS;
        match requests.iter_mut().find(|waiting| waiting.who.account == account) {
            Some(waiting) if waiting.who == request.who => return Err(GroupRuleError::AlreadyAsked),
            Some(waiting) => *waiting = request,
            None if full => return Err(GroupRuleError::Full { what: "waiting requests", limit: GROUP_REQUESTS }),
            None => requests.push(request),
        }
        self.applied.requested = Some(account);
        Ok(())
    }

    pub(super) fn decline(&mut self, actor: &Member, account: AccountId) -> Result<(), GroupRuleError> {
        actor.require_admin("requests are declined by admins")?;
        let before = self.state.requests.len();
        self.state.requests.retain(|request| request.who.account != account);
        if self.state.requests.len() == before {
            return Err(GroupRuleError::NoSuchRequest(account));
        }
        self.applied.declined.push(account);
        Ok(())
    }

    pub(super) fn succeed(&mut self, actor: &Member) -> Result<(), GroupRuleError> {
        if self.state.longest_serving_admin().map(|admin| admin.account) != Some(actor.account) {
            return Err(GroupRuleError::NotAllowed("the longest-serving admin takes over"));
        }
        if let Some(owner) = self.state.owner().map(|owner| owner.account) {
            self.demote(owner);
        }
        self.make_owner(actor.account);
        Ok(())
    }

    pub(super) fn delete(&mut self, actor: &Member) -> Result<(), GroupRuleError> {
        if actor.role != Role::Owner {
            return Err(GroupRuleError::NotAllowed("the group is deleted by its owner"));
        }
        for member in std::mem::take(&mut self.state.members) {
            self.state.former.push(ended(&member, self.state.revision, false));
            self.applied.removed.push(member.account);
        }
        self.close();
        Ok(())
    }

    fn end(&mut self, target: &Member, removed: bool) {
        self.state.members.retain(|member| member.account != target.account);
        self.state.former.push(ended(target, self.state.revision, removed));
        self.applied.removed.push(target.account);
    }

    fn close(&mut self) {
        self.state.deleted = true;
        self.state.invites.clear();
        self.state.requests.clear();
        self.applied.deleted = true;
    }

    fn demote(&mut self, account: AccountId) {
        self.with_member(account, |member| (member.role, member.admin_since) = (Role::Member, None));
    }

    pub(super) fn make_owner(&mut self, account: AccountId) {
        let revision = self.state.revision;
        self.with_member(account, |member| {
            member.role = Role::Owner;
            member.admin_since.get_or_insert(revision);
        });
        self.applied.owner_changed = Some(account);
    }

    fn named(&self, account: AccountId) -> Result<&Member, GroupRuleError> {
        self.state.member(account).ok_or(GroupRuleError::NoSuchMember(account))
    }

    fn with_member(&mut self, account: AccountId, change: impl FnOnce(&mut Member)) {
        if let Some(member) = self.state.members.iter_mut().find(|member| member.account == account) {
            change(member);
        }
    }
}

fn ended(member: &Member, revision: u32, removed: bool) -> Former {
    Former {
        account: member.account,
        identity_key: member.identity_key,
        since_revision: member.since_revision,
        until_revision: revision,
        removed,
    }
}
