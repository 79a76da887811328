//! A group as people and programs see it.

use crate::api::{
    GroupChangeView, GroupFanout, GroupInviteView, GroupMemberView, GroupPermission, GroupRole, GroupView,
};
use crate::core::Cx;
use crate::profile::hex;
use crate::views;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message as _;
use sotto_crypto::group::{Fanout, GroupState, Permission, Role};
use sotto_engine_store::{Group, StoreError};
use sotto_types::{AccountId, GroupId, Timestamp, Username};
use sotto_wire::pb;
use sotto_wire::pb::group_operation::Change;

fn permission(permission: Permission) -> GroupPermission {
    match permission {
        Permission::Members => GroupPermission::Members,
        Permission::Admins => GroupPermission::Admins,
    }
}

fn role(role: Role) -> GroupRole {
    match role {
        Role::Owner => GroupRole::Owner,
        Role::Admin => GroupRole::Admin,
        Role::Member => GroupRole::Member,
    }
}

fn details(row: &Group) -> Option<pb::GroupDetails> {
    row.details.as_ref().and_then(|details| pb::GroupDetails::decode(&details.expose()[..]).ok())
}

/// What the group is called; none: nobody has told this device yet.
pub(crate) fn title(cx: &Cx<'_, '_>, group: GroupId) -> Result<Option<String>, StoreError> {
    Ok(cx.tx.group(group)?.as_ref().and_then(details).map(|details| details.title))
}

pub(crate) fn group_view(cx: &Cx<'_, '_>, group: GroupId) -> Result<Option<GroupView>, StoreError> {
    let Some(row) = cx.tx.group(group)? else { return Ok(None) };
    let state = GroupState::decode(row.state.expose());
    let state = state.map_err(|error| StoreError::Damaged(format!("a group's state: {error}")))?;
    let own = cx.core.own.as_ref().map(|own| (own.account(), own.identity.public()));
    let mut members = Vec::with_capacity(state.members().len());
    for member in state.members() {
        let contact = cx.tx.contact(member.account)?;
        let key = match own {
            Some((account, key)) if account == member.account => Some(key.as_bytes().to_vec()),
            _ => contact.as_ref().and_then(|contact| contact.identity_key.clone()),
        };
        let own_name =
            cx.core.own.as_ref().filter(|own| own.account() == member.account).map(|own| own.username.clone());
        members.push(GroupMemberView {
            account: member.account,
            username: own_name
                .or_else(|| contact.as_ref().and_then(|contact| Username::parse(contact.username.as_deref()?).ok())),
            display_name: contact.and_then(|contact| contact.display_name),
            role: role(member.role),
            key_changed: key.is_some_and(|key| key[..] != member.identity_key.as_bytes()[..]),
        });
    }
    let invites = state.invites().iter().map(|open| GroupInviteView {
        public_key: hex(open.public_key().as_bytes()),
        link: None,
        uses: open.invite.uses.map_or(0, |uses| uses.get().saturating_sub(open.used)),
        expires_ms: open.invite.expires.map_or(0, Timestamp::as_ms),
        approval: open.invite.approval,
    });
    let requests = state.requests().iter().map(|request| views::contact(cx, request.who.account));
    let details = details(&row);
    let picture = details.as_ref().filter(|details| !details.picture.is_empty());
    Ok(Some(GroupView {
        group,
        title: details.as_ref().map(|details| details.title.clone()),
        description: details.as_ref().map(|details| details.description.clone()),
        picture: picture.map(|details| STANDARD.encode(&details.picture)),
        picture_type: picture.map(|details| details.picture_type.clone()),
        revision: row.revision,
        members,
        fanout: match state.settings().fanout {
            Fanout::Log => GroupFanout::Log,
            Fanout::Pairwise => GroupFanout::Pairwise,
        },
        post: permission(state.settings().post),
        add: permission(state.settings().add),
        change_details: permission(state.settings().change_details),
        invites: invites.collect(),
        requests: requests.collect::<Result<_, _>>()?,
        my_role: own.filter(|_| !row.left).and_then(|(account, _)| state.member(account)).map(|me| role(me.role)),
        deleted: state.is_deleted(),
        alarm: row.alarm,
    }))
}

/// What a line in the conversation says was changed.
pub(crate) fn change_text(payload: &[u8]) -> Option<GroupChangeView> {
    let accounts = |ids: &[bytes::Bytes]| ids.iter().filter_map(|id| AccountId::try_from(&id[..]).ok()).collect();
    let members = |members: &[pb::GroupMemberKey]| {
        members.iter().filter_map(|member| AccountId::try_from(&member.account_id[..]).ok()).collect()
    };
    Some(match pb::GroupOperation::decode(payload).ok()?.change? {
        Change::Create(create) => GroupChangeView::Created { members: members(&create.members) },
        Change::Add(add) => GroupChangeView::Added { members: members(&add.members) },
        Change::Remove(remove) => GroupChangeView::Removed { members: accounts(&remove.accounts) },
        Change::Leave(_) => GroupChangeView::Left,
        Change::SetRole(set) => GroupChangeView::RoleSet {
            member: AccountId::try_from(&set.account[..]).ok()?,
            role: match pb::GroupRole::try_from(set.role).ok()? {
                pb::GroupRole::Owner => GroupRole::Owner,
                pb::GroupRole::Admin => GroupRole::Admin,
                _ => GroupRole::Member,
            },
        },
        Change::SetDetails(_) => GroupChangeView::DetailsSet,
        Change::SetSettings(_) => GroupChangeView::PermissionsSet,
        Change::OpenInvite(_) => GroupChangeView::InviteOpened,
        Change::CloseInvite(_) => GroupChangeView::InviteClosed,
        Change::Join(_) => GroupChangeView::Joined,
        Change::Decline(decline) => GroupChangeView::Declined { members: accounts(&decline.accounts) },
        Change::Succeed(_) => GroupChangeView::Succeeded,
        Change::Delete(_) => GroupChangeView::Deleted,
    })
}
