//! A group's state as a server or client keeps it. Whoever wants proof replays the list; decoding checks only that the state is
//! one that a list could make.

use super::change;
use super::change::{Role, copy};
use super::operation::GroupOperationError;
use super::state::{FORMER_MEMBERS_MAX, Former, GroupState, JoinRequest, Member, OpenedInvite};
use prost::Message;
use sotto_types::GroupId;
use sotto_types::limits::{GROUP_INVITES, GROUP_REQUESTS};
use sotto_wire::pb;

/// The bytes are no group's state: whoever kept them lost them, and replays the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a group's state: {0}")]
pub struct GroupStateError(&'static str);

impl From<GroupOperationError> for GroupStateError {
    fn from(error: GroupOperationError) -> Self {
        match error {
            GroupOperationError::Invalid(why) => Self(why),
            _ => Self("it is malformed"),
        }
    }
}

impl GroupState {
    pub fn encode(&self) -> Vec<u8> {
        pb::GroupState {
            group_id: copy(self.id.as_bytes()),
            revision: self.revision,
            head: copy(&self.head),
            members: self.members.iter().map(member_to_wire).collect(),
            settings: Some(change::settings_to_wire(&self.settings)),
            details_hash: copy(&self.details_hash),
            details_revision: self.details_revision,
            invites: self.invites.iter().map(invite_to_wire).collect(),
            requests: self.requests.iter().map(request_to_wire).collect(),
            former: self.former.iter().map(former_to_wire).collect(),
            deleted: self.deleted,
            membership_revision: self.membership_revision,
        }
        .encode_to_vec()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, GroupStateError> {
        let state = pb::GroupState::decode(bytes).map_err(|_| GroupStateError("it is malformed"))?;
        let state = Self {
            id: GroupId::try_from(&state.group_id[..]).map_err(|_| GroupStateError("the group id is not one"))?,
            revision: state.revision,
            head: change::hash(&state.head)?,
            members: state.members.iter().map(member).collect::<Result<_, _>>()?,
            settings: change::settings(state.settings)?,
            details_hash: change::hash(&state.details_hash)?,
            details_revision: state.details_revision,
            invites: state.invites.iter().map(invite).collect::<Result<_, _>>()?,
            requests: state.requests.iter().map(request).collect::<Result<_, _>>()?,
            former: state.former.iter().map(former).collect::<Result<_, _>>()?,
            deleted: state.deleted,
            membership_revision: state.membership_revision,
        };
        state.check()?;
        Ok(state)
    }

    fn check(&self) -> Result<(), GroupStateError> {
        let empty = self.members.is_empty() && self.invites.is_empty() && self.requests.is_empty();
        hold(empty || !self.deleted, "it is deleted, but not empty")?;
        let owners = self.members.iter().filter(|member| member.role == Role::Owner).count();
        hold(owners == usize::from(!self.deleted), "it has not one owner")?;
        hold(self.members.len() <= self.settings.fanout.members_max(), "it has too many members")?;
        hold(self.invites.len() <= GROUP_INVITES, "it has too many invites")?;
        hold(self.requests.len() <= GROUP_REQUESTS, "it has too many requests")?;
        hold(self.former.len() <= FORMER_MEMBERS_MAX, "it has too many former members")?;

        // Who asks to join is no member, and asks once.
        let members = self.members.iter().map(|member| member.account);
        change::check_distinct(members.chain(self.requests.iter().map(|request| request.who.account)))?;
        let keys = self.invites.iter().map(OpenedInvite::public_key).collect();
        hold(change::are_distinct(keys), "it names an invite twice")?;
        let left = |open: &OpenedInvite| open.invite.uses.is_none_or(|uses| open.used < uses.get());
        hold(self.invites.iter().all(left), "an invite is used up")?;

        let past = |revision: u32| revision <= self.revision;
        hold(self.revision > 0 || self.head == *self.id.as_bytes(), "its head is not its first operation")?;
        hold(past(self.details_revision) && past(self.membership_revision), "it is from the future")?;
        let began = |member: &Member| past(member.since_revision) && member.admin_since.is_none_or(past);
        hold(self.members.iter().all(began), "a member is from the future")?;
        let over = |former: &Former| former.since_revision < former.until_revision && past(former.until_revision);
        hold(self.former.iter().all(over), "a former member's time is none")?;
        hold(self.former.is_sorted_by_key(|former| former.until_revision), "former members are in disorder")
    }
}

fn hold(holds: bool, why: &'static str) -> Result<(), GroupStateError> {
    if holds { Ok(()) } else { Err(GroupStateError(why)) }
}

fn member_to_wire(member: &Member) -> pb::GroupStateMember {
    pb::GroupStateMember {
        account_id: copy(member.account.as_bytes()),
        identity_key: copy(member.identity_key.as_bytes()),
        role: change::role_to_wire(member.role),
        since_revision: member.since_revision,
        admin_since: member.admin_since.unwrap_or_default(),
    }
}

fn member(member: &pb::GroupStateMember) -> Result<Member, GroupStateError> {
    let role = change::role(member.role)?;
    if role == Role::Member && member.admin_since != 0 {
        return Err(GroupStateError("a plain member was never an admin"));
    }
    Ok(Member {
        account: change::account(&member.account_id)?,
        identity_key: change::identity_key(&member.identity_key)?,
        role,
        since_revision: member.since_revision,
        admin_since: (role >= Role::Admin).then_some(member.admin_since),
    })
}

fn invite_to_wire(open: &OpenedInvite) -> pb::GroupStateInvite {
    pb::GroupStateInvite {
        invite: Some(change::invite_to_wire(&open.invite)),
        by: copy(open.by.as_bytes()),
        used: open.used,
    }
}

fn invite(open: &pb::GroupStateInvite) -> Result<OpenedInvite, GroupStateError> {
    let invite = open.invite.as_ref().ok_or(GroupStateError("an invite is empty"))?;
    Ok(OpenedInvite { invite: change::invite(invite)?, by: change::account(&open.by)?, used: open.used })
}

fn request_to_wire(request: &JoinRequest) -> pb::GroupStateRequest {
    pb::GroupStateRequest {
        who: Some(change::member_to_wire(&request.who)),
        public_key: copy(request.public_key.as_bytes()),
    }
}

fn request(request: &pb::GroupStateRequest) -> Result<JoinRequest, GroupStateError> {
    let who = request.who.as_ref().ok_or(GroupStateError("a request is of nobody"))?;
    Ok(JoinRequest { who: change::member(who)?, public_key: change::invite_key(&request.public_key)? })
}

fn former_to_wire(former: &Former) -> pb::GroupStateFormer {
    pb::GroupStateFormer {
        account_id: copy(former.account.as_bytes()),
        identity_key: copy(former.identity_key.as_bytes()),
        since_revision: former.since_revision,
        until_revision: former.until_revision,
        removed: former.removed,
    }
}

fn former(former: &pb::GroupStateFormer) -> Result<Former, GroupStateError> {
    Ok(Former {
        account: change::account(&former.account_id)?,
        identity_key: change::identity_key(&former.identity_key)?,
        since_revision: former.since_revision,
        until_revision: former.until_revision,
        removed: former.removed,
    })
}
