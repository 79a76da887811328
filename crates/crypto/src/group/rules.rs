//! The rules: which operation may follow a state. What each changes is in `step`.
//! Always true: rules work on a copy, so an operation is applied whole or not at all.

use super::change::{Change, MemberKey, Role};
use super::operation::VerifiedOperation;
use super::state::{GroupState, Member};
use super::step::Step;
use sotto_types::AccountId;

/// Why a well-formed operation is refused. The state stays as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GroupRuleError {
    /// Known already, or others are missing in between: fetch the list, and make the operation anew.
    #[error("operation {got} does not follow operation {have}")]
    NotNext { have: u32, got: u32 },
    /// Two histories of one group: somebody was shown another list. Tell the person; never take one for the other.
    #[error("the operation follows another operation {revision} than the known one")]
    Forked { revision: u32 },
    /// The server mixed up groups.
    #[error("the operation is of another group")]
    OtherGroup,
    #[error("a group begins with the operation that creates it")]
    NotFirst,
    #[error("the group was deleted")]
    Deleted,
    #[error("the actor is no member")]
    NotMember,
    /// The actor's identity key was replaced: somebody has to add the account again.
    #[error("the actor is a member under another identity key")]
    OtherKey,
    #[error("not allowed: {0}")]
    NotAllowed(&'static str),
    #[error("{0} is no member")]
    NoSuchMember(AccountId),
    #[error("{0} is a member already")]
    AlreadyMember(AccountId),
    #[error("it would change nothing")]
    Unchanged,
    #[error("the group has as many {what} as it can have ({limit})")]
    Full { what: &'static str, limit: usize },
    /// Closed, used up, or never there: ask for another link.
    #[error("the invite is not open")]
    InviteClosed,
    #[error("an invite with this key is open already")]
    InviteExists,
    #[error("the proof was not made with the invite's link for this account")]
    Proof,
    #[error("the account asked to join already")]
    AlreadyAsked,
    #[error("{0} did not ask to join")]
    NoSuchRequest(AccountId),
}

/// What an operation did: for a client's lines in the conversation, and the server's index of members.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// Who became a member, in the order of the list; of a new group everybody, the owner first.
    pub added: Vec<AccountId>,
    /// Members whose pinned key is another one now.
    pub rekeyed: Vec<AccountId>,
    /// Who is no member any more: removed, left, or because the group was deleted.
    pub removed: Vec<AccountId>,
    pub requested: Option<AccountId>,
    pub declined: Vec<AccountId>,
    /// The new owner, if it is another one; the first is named too.
    pub owner_changed: Option<AccountId>,
    pub sets_details: bool,
    pub deleted: bool,
}

impl Applied {
    /// Whether it changed who is a member, or with which key.
    pub fn changes_roster(&self) -> bool {
        !(self.added.is_empty() && self.rekeyed.is_empty() && self.removed.is_empty())
    }
}

impl GroupState {
    /// The state after the first operation. Its actor's key is pinned by the actor's own word: compare it with what is known.
    pub fn create(operation: &VerifiedOperation) -> Result<(Self, Applied), GroupRuleError> {
        let Change::Create { members, settings, details_hash } = operation.change() else {
            return Err(GroupRuleError::NotFirst);
        };
        let state = Self {
            id: operation.group_id(),
            revision: operation.revision(),
            head: operation.hash(),
            members: Vec::new(),
            settings: *settings,
            details_hash: *details_hash,
            details_revision: operation.revision(),
            invites: Vec::new(),
            requests: Vec::new(),
            former: Vec::new(),
            deleted: false,
            membership_revision: operation.revision(),
        };
        let mut step = Step::new(state);
        step.applied.sets_details = true;
        step.join(MemberKey { account: operation.actor(), identity_key: operation.actor_key() })?;
        step.make_owner(operation.actor());
        members.iter().try_for_each(|member| step.join(*member))?;
        Ok(step.finish())
    }

    /// The state after `operation`, which must be the next one and allowed.
    pub fn apply(&self, operation: &VerifiedOperation) -> Result<(Self, Applied), GroupRuleError> {
        self.check_follows(operation)?;
        let mut state = self.clone();
        (state.revision, state.head) = (operation.revision(), operation.hash());
        let mut step = Step::new(state);
        if let Change::Join { public_key, proof } = operation.change() {
            let who = MemberKey { account: operation.actor(), identity_key: operation.actor_key() };
            step.join_by_invite(who, public_key, proof)?;
            return Ok(step.finish());
        }
        let actor = *self.member(operation.actor()).ok_or(GroupRuleError::NotMember)?;
        if actor.identity_key != operation.actor_key() {
            return Err(GroupRuleError::OtherKey);
        }
        match operation.change() {
            Change::Create { .. } | Change::Join { .. } => {
                return Err(GroupRuleError::NotNext { have: self.revision, got: operation.revision() });
            }
            Change::Add { members } => members.iter().try_for_each(|member| step.add(&actor, *member))?,
            Change::Remove { accounts } => accounts.iter().try_for_each(|account| step.remove(&actor, *account))?,
            Change::Leave => step.leave(&actor),
            Change::SetRole { account, role } => step.set_role(&actor, *account, *role)?,
            Change::SetDetails { details_hash } => step.set_details(&actor, details_hash)?,
            Change::SetSettings { settings } => step.set_settings(&actor, settings)?,
            Change::OpenInvite(invite) => step.open_invite(&actor, invite)?,
            Change::CloseInvite { public_key } => step.close_invite(&actor, *public_key)?,
            Change::Decline { accounts } => accounts.iter().try_for_each(|account| step.decline(&actor, *account))?,
            Change::Succeed => step.succeed(&actor)?,
            Change::Delete => step.delete(&actor)?,
        }
        Ok(step.finish())
    }

    fn check_follows(&self, operation: &VerifiedOperation) -> Result<(), GroupRuleError> {
        if operation.group_id() != self.id {
            return Err(GroupRuleError::OtherGroup);
        }
        if self.revision.checked_add(1) != Some(operation.revision()) {
            return Err(GroupRuleError::NotNext { have: self.revision, got: operation.revision() });
        }
        if operation.previous() != Some(self.head) {
            return Err(GroupRuleError::Forked { revision: self.revision });
        }
        if self.deleted { Err(GroupRuleError::Deleted) } else { Ok(()) }
    }
}

impl Member {
    pub(super) fn require_admin(&self, why: &'static str) -> Result<(), GroupRuleError> {
        if self.role >= Role::Admin { Ok(()) } else { Err(GroupRuleError::NotAllowed(why)) }
    }

    pub(super) fn may_remove(&self, target: &Self) -> Result<(), GroupRuleError> {
        self.require_admin("members are removed by admins")?;
        if target.account == self.account {
            return Err(GroupRuleError::NotAllowed("nobody removes oneself, but leaves"));
        }
        if target.role == Role::Owner {
            return Err(GroupRuleError::NotAllowed("the owner is not removed"));
        }
        Ok(())
    }

    pub(super) fn may_set_role(&self, target: &Self, role: Role) -> Result<(), GroupRuleError> {
        if role == Role::Owner && self.role != Role::Owner {
            return Err(GroupRuleError::NotAllowed("the group is handed over by its owner"));
        }
        self.require_admin("roles are given by admins")?;
        if target.role == role {
            return Err(GroupRuleError::Unchanged);
        }
        if target.role == Role::Owner {
            return Err(GroupRuleError::NotAllowed("the owner hands the group over first"));
        }
        Ok(())
    }
}
