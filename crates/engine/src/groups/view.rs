//! A group as people and programs see it.

use super::{join, known};
use crate::api::{
    GroupChangeView, GroupFanout, GroupInviteView, GroupMemberView, GroupPermission, GroupRole, GroupSummary,
    GroupView, MemberReceipt, PersonView,
};
use crate::core::Cx;
use crate::profile::hex;
use crate::views;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message as _;
use sotto_crypto::group::{Fanout, Permission, Role};
use sotto_engine_store::{Group, StoreError, StoredMessage};
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

/// Named in a line.
const NAMED_MAX: usize = 16;

fn details(row: &Group) -> Option<pb::GroupDetails> {
    row.details.as_ref().and_then(|details| pb::GroupDetails::decode(&details.expose()[..]).ok())
}

/// What the group is called; none: nobody has told this device yet.
pub(crate) fn title(cx: &Cx<'_, '_>, group: GroupId) -> Result<Option<String>, StoreError> {
    Ok(cx.tx.group(group)?.as_ref().and_then(details).map(|details| details.title))
}

/// The group of a conversation in the list.
pub(crate) fn summary(cx: &mut Cx<'_, '_>, group: GroupId) -> Result<Option<GroupSummary>, StoreError> {
    let Some((row, state)) = known(cx, group)? else { return Ok(None) };
    let own = cx.own().map(|own| own.account()).filter(|_| !row.left);
    let lets_in = own.is_some_and(|own| state.may_invite(own));
    let (picture, picture_type, title) = match details(&row) {
        Some(found) if found.picture.is_empty() => (None, None, Some(found.title)),
        Some(found) => (Some(STANDARD.encode(&found.picture)), Some(found.picture_type), Some(found.title)),
        None => (None, None, None),
    };
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Ok(Some(GroupSummary {
        group,
        title,
        picture,
        picture_type,
        members: count(state.members().len()),
        my_role: own.and_then(|own| state.member(own)).map(|me| role(me.role)),
        may_post: own.is_some_and(|own| state.may_post(own)),
        requests: if lets_in { count(state.requests().len()) } else { 0 },
        deleted: state.is_deleted(),
        alarm: row.alarm,
    }))
}

/// How far the other members are with an own message.
pub(crate) fn receipts(cx: &mut Cx<'_, '_>, message: &StoredMessage) -> Result<Vec<MemberReceipt>, StoreError> {
    let (Some(group), Some(id), Some(own)) = (message.conversation.group(), message.message_id, cx.own()) else {
        return Ok(Vec::new());
    };
    let Some((_, state)) = known(cx, group)?.filter(|_| message.author == own.account()) else { return Ok(Vec::new()) };
    let marks = cx.tx.marks_at(group, id)?;
    let others = state.members().iter().filter(|member| member.account != own.account());
    others
        .map(|member| {
            let mark = marks.iter().find(|mark| mark.member == member.account);
            Ok(MemberReceipt {
                person: views::person(cx, member.account)?,
                // Who has read it had it by then, whichever was told first.
                delivered_ms: mark
                    .and_then(|mark| mark.delivered.min(mark.read.or(mark.delivered)))
                    .map(Timestamp::as_ms),
                read_ms: mark.and_then(|mark| mark.read).map(Timestamp::as_ms),
            })
        })
        .collect()
}

pub(crate) fn group_view(cx: &mut Cx<'_, '_>, group: GroupId) -> Result<Option<GroupView>, StoreError> {
    let Some((row, state)) = known(cx, group)? else { return Ok(None) };
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
    let mut invites = Vec::with_capacity(state.invites().len());
    for open in state.invites() {
        invites.push(GroupInviteView {
            public_key: hex(open.public_key().as_bytes()),
            link: join::link_of(cx, &row, open.public_key())?,
            uses: open.invite.uses.map_or(0, |uses| uses.get().saturating_sub(open.used)),
            expires_ms: open.invite.expires.map_or(0, Timestamp::as_ms),
            approval: open.invite.approval,
        });
    }
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
        invites,
        requests: requests.collect::<Result<_, _>>()?,
        my_role: own.filter(|_| !row.left).and_then(|(account, _)| state.member(account)).map(|me| role(me.role)),
        waiting: own.is_some_and(|(account, _)| state.requests().iter().any(|request| request.who.account == account)),
        deleted: state.is_deleted(),
        alarm: row.alarm,
    }))
}

/// What a line in the conversation says was changed.
pub(crate) fn change_text(cx: &Cx<'_, '_>, line: &StoredMessage) -> Result<Option<GroupChangeView>, StoreError> {
    let Some(change) =
        pb::GroupOperation::decode(&line.content.expose()[..]).ok().and_then(|operation| operation.change)
    else {
        return Ok(None);
    };
    let named = |mut ids: Vec<AccountId>| -> Result<(Vec<PersonView>, u32), StoreError> {
        let more = u32::try_from(ids.len().saturating_sub(NAMED_MAX)).unwrap_or(u32::MAX);
        ids.truncate(NAMED_MAX);
        Ok((ids.into_iter().map(|id| views::person(cx, id)).collect::<Result<_, _>>()?, more))
    };
    let accounts = |ids: &[bytes::Bytes]| ids.iter().filter_map(|id| AccountId::try_from(&id[..]).ok()).collect();
    let keys = |keys: &[pb::GroupMemberKey]| {
        keys.iter().filter_map(|member| AccountId::try_from(&member.account_id[..]).ok()).collect()
    };
    Ok(Some(match change {
        Change::Create(create) => {
            let (members, more) = named(keys(&create.members))?;
            GroupChangeView::Created { members, more }
        }
        Change::Add(add) => {
            let (members, more) = named(keys(&add.members))?;
            GroupChangeView::Added { members, more }
        }
        Change::Remove(remove) => {
            let (members, more) = named(accounts(&remove.accounts))?;
            GroupChangeView::Removed { members, more }
        }
        Change::Leave(_) => GroupChangeView::Left,
        Change::SetRole(set) => {
            let Ok(account) = AccountId::try_from(&set.account[..]) else { return Ok(None) };
            let role = match pb::GroupRole::try_from(set.role) {
                Ok(pb::GroupRole::Owner) => GroupRole::Owner,
                Ok(pb::GroupRole::Admin) => GroupRole::Admin,
                _ => GroupRole::Member,
            };
            GroupChangeView::RoleSet { member: views::person(cx, account)?, role }
        }
        Change::SetDetails(_) => GroupChangeView::DetailsSet,
        Change::SetSettings(_) => GroupChangeView::PermissionsSet,
        Change::OpenInvite(_) => GroupChangeView::InviteOpened,
        Change::CloseInvite(_) => GroupChangeView::InviteClosed,
        // Whether it only asked was noted when it was applied.
        Change::Join(_) => GroupChangeView::Joined { asked: line.note.is_some() },
        Change::Decline(decline) => {
            let (members, more) = named(accounts(&decline.accounts))?;
            GroupChangeView::Declined { members, more }
        }
        Change::Succeed(_) => GroupChangeView::Succeeded,
        Change::Delete(_) => GroupChangeView::Deleted,
    }))
}
