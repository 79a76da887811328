//! What a person wants changed about a group, until it is in the list.
//! Flow: command -> `Wish` -> members' keys known, state fresh -> signed on top of it -> posted -> applied here and answered
//!       | group-conflict: fetch, sign again on top of what came.
//! Always true: a wish is answered once; what a crash cut off is in the list or not, and the list says which.

use super::apply::{self, Given, Taken};
use super::{details, fetch, known, view};
use crate::api::{
    CommandError, CommandId, ErrorKind, GroupChange, GroupFanout, GroupPermission, GroupRole, HttpMethod, NewGroup,
    Reply,
};
use crate::core::Cx;
use crate::http::{self, Call, Failure, Then};
use crate::trust;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use rand::Rng as _;
use sotto_crypto::IdentityKey;
use sotto_crypto::group::{
    Change, Fanout, GroupDetails, GroupSettings, Invite, InviteKey, InviteSeed, MemberKey, Permission, PictureType,
    Role, SignedGroupOperation, details_hash, seal_details, sign_operation,
};
use sotto_engine_store::StoreError;
use sotto_types::{AccountId, ErrorCode, GroupId, MessageId, Secret, Timestamp};
use sotto_wire::http::{OperationAccepted, PostOperation};
use std::num::NonZeroU32;

/// Conflicts in a row before a person is told.
const TRIES_MAX: u32 = 8;

#[derive(Debug, Clone)]
enum What {
    Create { settings: GroupSettings, details: GroupDetails, members: Vec<AccountId> },
    Add { members: Vec<AccountId> },
    Details { details: GroupDetails },
    Settings { post: Permission, add: Permission, change_details: Permission },
    Plain(Change),
}

#[derive(Debug)]
pub(crate) struct Wish {
    id: u64,
    command: CommandId,
    /// None: it is being created.
    group: Option<GroupId>,
    what: What,
    posted: bool,
    tries: u32,
}

/// A signed operation on its way.
#[derive(Debug)]
pub(crate) struct Posted {
    group: GroupId,
    signed: SignedGroupOperation,
    details: Option<Bytes>,
}

fn push(cx: &mut Cx<'_, '_>, command: CommandId, group: Option<GroupId>, what: What) -> Result<(), StoreError> {
    let id = cx.core.rng.random();
    cx.core.groups.wishes.push(Wish { id, command, group, what, posted: false, tries: 0 });
    drive(cx)
}

fn permission(permission: GroupPermission) -> Permission {
    match permission {
        GroupPermission::Members => Permission::Members,
        GroupPermission::Admins => Permission::Admins,
    }
}

/// Details as a person typed them; the reason if they cannot be.
fn details_from(
    title: &str,
    description: &str,
    picture: Option<&str>,
    picture_type: Option<&str>,
) -> Result<GroupDetails, String> {
    let picture = match (picture.filter(|picture| !picture.is_empty()), picture_type) {
        (None, _) => None,
        (Some(picture), Some(kind)) => {
            let kind = PictureType::from_mime(kind).ok_or("a picture is image/webp, image/jpeg or image/png")?;
            let bytes = STANDARD.decode(picture).map_err(|_| "the picture is not base64")?;
            Some((kind, Bytes::from(bytes)))
        }
        (Some(_), None) => return Err("say what type the picture is".into()),
    };
    let details = GroupDetails { title: title.trim().into(), description: description.into(), picture };
    // The same checks as at the end, before anything is asked of the server.
    let key = Secret::new([0; 32]);
    let mut rng = <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(0);
    seal_details(&key, &details, &mut rng).map_err(|error| error.to_string())?;
    Ok(details)
}

pub(crate) fn create(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    new: &NewGroup,
    members: Vec<AccountId>,
) -> Result<(), StoreError> {
    let details = details_from(&new.title, &new.description, new.picture.as_deref(), new.picture_type.as_deref());
    let details = match details {
        Ok(details) => details,
        Err(why) => {
            cx.fail(command, ErrorKind::Invalid, why);
            return Ok(());
        }
    };
    let settings = GroupSettings {
        post: permission(new.post),
        add: permission(new.add),
        change_details: permission(new.change_details),
        fanout: match new.fanout {
            GroupFanout::Log => Fanout::Log,
            GroupFanout::Pairwise => Fanout::Pairwise,
        },
    };
    push(cx, command, None, What::Create { settings, details, members })
}

pub(crate) fn change(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    group: GroupId,
    change: &GroupChange,
    members: Vec<AccountId>,
) -> Result<(), StoreError> {
    if !cx.tx.has_group(group)? {
        cx.fail(command, ErrorKind::NotFound, crate::commands::NO_GROUP);
        return Ok(());
    }
    let what = match change {
        GroupChange::Add { .. } => What::Add { members },
        GroupChange::Remove { .. } => What::Plain(Change::Remove { accounts: members }),
        GroupChange::SetRole { member, role } => {
            let role = match role {
                GroupRole::Owner => Role::Owner,
                GroupRole::Admin => Role::Admin,
                GroupRole::Member => Role::Member,
            };
            What::Plain(Change::SetRole { account: *member, role })
        }
        GroupChange::SetDetails { title, description, picture, picture_type } => {
            match details_from(title, description, picture.as_deref(), picture_type.as_deref()) {
                Ok(details) => What::Details { details },
                Err(why) => {
                    cx.fail(command, ErrorKind::Invalid, why);
                    return Ok(());
                }
            }
        }
        GroupChange::SetPermissions { post, add, change_details } => What::Settings {
            post: permission(*post),
            add: permission(*add),
            change_details: permission(*change_details),
        },
        GroupChange::OpenInvite { expires_ms, uses, approval } => {
            let seed = InviteSeed::generate(&mut cx.core.rng);
            let public_key = seed.public_key();
            // Kept before anybody can use it; of an invite that is never opened nobody asks.
            cx.tx.put_invite_seed(
                group,
                &sotto_engine_store::InviteSeed {
                    public_key: *public_key.as_bytes(),
                    seed: Secret::new(seed.as_secret().expose().to_vec()),
                    details_key: None,
                },
            )?;
            What::Plain(Change::OpenInvite(Invite {
                public_key,
                expires: Some(Timestamp::from_ms(*expires_ms)).filter(|at| *at != Timestamp::ZERO),
                uses: NonZeroU32::new(*uses),
                approval: *approval,
            }))
        }
        GroupChange::CloseInvite { public_key } => {
            let key = public_key.parse::<GroupId>().ok().and_then(|key| InviteKey::parse(key.as_bytes()).ok());
            let Some(public_key) = key else {
                cx.fail(command, ErrorKind::Invalid, "an invite is named by the 64 hex digits of its public key");
                return Ok(());
            };
            What::Plain(Change::CloseInvite { public_key })
        }
        GroupChange::Decline { members } => What::Plain(Change::Decline { accounts: members.clone() }),
        GroupChange::Leave => What::Plain(Change::Leave),
        GroupChange::Succeed => What::Plain(Change::Succeed),
        GroupChange::Delete => What::Plain(Change::Delete),
    };
    push(cx, command, Some(group), what)
}

/// Names asked for when a group is looked at.
const NAMES_AT_ONCE: usize = 64;

pub(crate) fn show(cx: &mut Cx<'_, '_>, command: CommandId, group: GroupId) -> Result<(), StoreError> {
    if let Some((_, state)) = known(cx, group)? {
        let asked = state.requests().iter().map(|request| request.who.account);
        let shown: Vec<AccountId> = asked.chain(state.members().iter().map(|member| member.account)).collect();
        for account in shown.into_iter().take(NAMES_AT_ONCE) {
            apply::ask_name(cx, account)?;
        }
    }
    match view::group_view(cx, group)? {
        Some(group) => cx.reply(command, Ok(Reply::Group { group: Box::new(group) })),
        None => cx.fail(command, ErrorKind::NotFound, crate::commands::NO_GROUP),
    }
    Ok(())
}

/// The keys by which this device knows members; `None`: some are being fetched.
fn keys_of(cx: &mut Cx<'_, '_>, members: &[AccountId]) -> Result<Option<Vec<MemberKey>>, StoreError> {
    let mut keys = Vec::with_capacity(members.len());
    let mut missing = false;
    for account in members {
        let contact = cx.tx.contact(*account)?;
        let is_fresh = contact.as_ref().is_some_and(|contact| !contact.stale);
        let key = contact.and_then(|contact| contact.identity_key).and_then(|key| IdentityKey::parse(&key).ok());
        match key.filter(|_| is_fresh) {
            Some(identity_key) => keys.push(MemberKey { account: *account, identity_key }),
            None => {
                missing = true;
                if !cx.core.not_before.contains_key(account) {
                    trust::fetch_list(cx, *account);
                }
            }
        }
    }
    Ok((!missing).then_some(keys))
}

enum Signed {
    Yes(Box<Posted>),
    Wait,
    No(CommandError),
}

fn sign(cx: &mut Cx<'_, '_>, group: Option<GroupId>, what: &What) -> Result<Signed, StoreError> {
    let Some(own) = cx.own() else { return Ok(Signed::Wait) };
    let state = match group {
        None => None,
        Some(group) => match known(cx, group)? {
            Some((_, state)) => Some(state),
            None => return Ok(Signed::Wait),
        },
    };
    let (change, sealed) = match what {
        What::Plain(change) => (change.clone(), None),
        What::Add { members } => match keys_of(cx, members)? {
            Some(members) => (Change::Add { members }, None),
            None => return Ok(Signed::Wait),
        },
        What::Create { settings, details, members } => {
            let Some(members) = keys_of(cx, members)? else { return Ok(Signed::Wait) };
            let (sealed, details_hash) = seal(cx, details)?;
            (Change::Create { members, settings: *settings, details_hash }, Some(sealed))
        }
        What::Details { details } => {
            let (sealed, details_hash) = seal(cx, details)?;
            (Change::SetDetails { details_hash }, Some(sealed))
        }
        What::Settings { post, add, change_details } => {
            let Some(state) = &state else { return Ok(Signed::Wait) };
            let fanout = state.settings().fanout;
            let settings = GroupSettings { post: *post, add: *add, change_details: *change_details, fanout };
            (Change::SetSettings { settings }, None)
        }
    };
    let made = sign_operation(&own.identity, own.address, state.as_deref(), &change, cx.now, &mut cx.core.rng);
    Ok(match made {
        Ok(made) => {
            Signed::Yes(Box::new(Posted { group: made.operation.group_id(), signed: made.signed, details: sealed }))
        }
        Err(error) => Signed::No(CommandError { kind: ErrorKind::Refused, text: error.to_string() }),
    })
}

/// Under a fresh key, which is kept before anybody else has the details.
fn seal(cx: &mut Cx<'_, '_>, plain: &GroupDetails) -> Result<(Bytes, [u8; 32]), StoreError> {
    let key = Secret::new(cx.core.rng.random::<[u8; 32]>());
    let sealed = seal_details(&key, plain, &mut cx.core.rng);
    let sealed = sealed.map_err(|error| StoreError::Damaged(format!("details that were checked before: {error}")))?;
    let hash = details_hash(&sealed);
    details::stage(cx, &hash, &key)?;
    Ok((sealed.into(), hash))
}

/// Posts what can be posted now.
pub(super) fn drive(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    if cx.core.signed_out.is_some() {
        return Ok(());
    }
    for id in cx.core.groups.wishes.iter().map(|wish| wish.id).collect::<Vec<_>>() {
        let Some(wish) = cx.core.groups.wishes.iter().find(|wish| wish.id == id && !wish.posted) else { continue };
        let (group, what, command) = (wish.group, wish.what.clone(), wish.command);
        let busy = group.is_some_and(|group| {
            let others = |wish: &Wish| wish.posted && wish.group == Some(group);
            cx.core.groups.wishes.iter().any(others) || cx.core.groups.live(group).fetch.is_some()
        });
        if busy {
            continue;
        }
        match sign(cx, group, &what)? {
            Signed::Wait => {}
            Signed::No(error) => {
                cx.core.groups.wishes.retain(|wish| wish.id != id);
                cx.reply(command, Err(error));
            }
            Signed::Yes(posted) => {
                if let Some(wish) = cx.core.groups.wishes.iter_mut().find(|wish| wish.id == id) {
                    wish.posted = true;
                }
                post(cx, id, group, posted);
            }
        }
    }
    Ok(())
}

fn post(cx: &mut Cx<'_, '_>, wish: u64, group: Option<GroupId>, posted: Box<Posted>) {
    let body = PostOperation {
        payload: posted.signed.payload.to_vec().into(),
        signature: posted.signed.signature.to_vec().into(),
        details: posted.details.as_ref().map(|details| details.to_vec().into()),
    };
    let path = match group {
        None => "/v1/groups".to_owned(),
        Some(group) => format!("/v1/groups/{group}/operations"),
    };
    let then = Then::Groups(super::Step::Wish { wish, made: posted });
    let call = Call::own(cx, HttpMethod::Post, path, then).json(&body);
    http::send(cx, call);
}

pub(super) fn on_posted(
    cx: &mut Cx<'_, '_>,
    id: u64,
    posted: Posted,
    answer: Result<Vec<u8>, Failure>,
) -> Result<(), StoreError> {
    let place = cx.core.groups.wishes.iter().position(|wish| wish.id == id);
    match http::parse::<OperationAccepted>(answer) {
        Ok(accepted) => {
            let given = Given {
                payload: posted.signed.payload,
                signature: posted.signed.signature,
                details: posted.details,
                message_id: MessageId::new(accepted.message_id.parse().unwrap_or(0)),
                server_time: Timestamp::from_ms(accepted.server_time_ms),
            };
            if apply::take(cx, posted.group, &given)? == Taken::Missing {
                fetch::refresh(cx, posted.group)?;
            }
            if let Some(wish) = place.map(|place| cx.core.groups.wishes.remove(place)) {
                show(cx, wish.command, posted.group)?;
            }
            Ok(())
        }
        Err(failure) => {
            let Some(place) = place else { return Ok(()) };
            let Some(wish) = cx.core.groups.wishes.get_mut(place) else { return Ok(()) };
            wish.posted = false;
            wish.tries += 1;
            let (group, again) = (wish.group, wish.tries < TRIES_MAX);
            if let (Some(ErrorCode::GroupConflict), Some(group), true) = (failure.code(), group, again) {
                return fetch::refresh(cx, group);
            }
            let wish = cx.core.groups.wishes.remove(place);
            if let Some(group) = group {
                // Perhaps it is in the list all the same.
                fetch::refresh(cx, group)?;
            }
            cx.reply(wish.command, Err(failure.into()));
            Ok(())
        }
    }
}
