//! Invite links, on both sides: what a link says, and the way in by one.
//! Flow: link -> the group's operations, verified from its id on -> shown | a signed `Join` on top -> posted -> taken over here.
//! Always true: the list is believed because its first hash is the id in the link, whoever shows it; nothing is kept of a group that
//! was only looked at.
//! A link: SERVER/#/g/CODE, where CODE is base64url of: version (1), group id (32 bytes), seed of the invite's Ed25519 key (32), and the key of the
//! details when the link was copied (32), if there was one. What stands behind "#" is not sent to a server.

use super::apply::{self, Given, Taken};
use super::{details, fetch, known};
use crate::api::{CommandError, CommandId, ErrorKind, GroupInvitation, GroupStanding, HttpMethod, Reply};
use crate::core::Cx;
use crate::http::{self, Call, Failure, Then};
use crate::profile::hex;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use sotto_crypto::group::{
    Change, GroupDetails, GroupState, InviteKey, InviteSeed, OpenedInvite, VerifiedOperation, details_hash,
    open_details, prove_join, sign_operation, verify_operation,
};
use sotto_engine_store::{Group, StoreError};
use sotto_types::{ErrorCode, GroupId, MessageId, Secret, Timestamp};
use sotto_wire::http::{GroupPage, OperationAccepted, PostOperation};

const MARK: &str = "/#/g/";
const VERSION: u8 = 1;
/// Others were first so often in a row.
const TRIES_MAX: u32 = 8;

const NO_LINK: &str = "this is no invite link; it looks like https://chat.example.org/#/g/… and must be copied whole";
const BAD_LIST: &str = "the server shows a list of this group that its members have not signed: do not join";

#[derive(Debug)]
struct Link {
    group: GroupId,
    seed: InviteSeed,
    details_key: Option<Secret<[u8; 32]>>,
}

/// Somebody at the door, and what was shown to them so far.
#[derive(Debug)]
pub(crate) struct Visit {
    command: CommandId,
    joins: bool,
    link: Link,
    operations: Vec<Given>,
    state: Option<GroupState>,
    details: Option<GroupDetails>,
    sealed_details: Option<Bytes>,
    /// The own `Join`, while it is being posted.
    posted: Option<Given>,
    tries: u32,
}

/// The link of an open invite, if this device made it.
pub(super) fn link_of(cx: &Cx<'_, '_>, row: &Group, key: InviteKey) -> Result<Option<String>, StoreError> {
    let (Some(own), Some(invite)) = (cx.core.own.as_ref(), cx.tx.invite_seed(row.id, key.as_bytes())?) else {
        return Ok(None);
    };
    let mut code = vec![VERSION];
    code.extend_from_slice(row.id.as_bytes());
    code.extend_from_slice(invite.seed.expose());
    if let Some(key) = &row.details_key {
        code.extend_from_slice(key.expose());
    }
    Ok(Some(format!("{}{MARK}{}", own.server, URL_SAFE_NO_PAD.encode(code))))
}

fn parse(text: &str, own_server: &str) -> Result<Link, &'static str> {
    let (server, code) = text.trim().split_once(MARK).ok_or(NO_LINK)?;
    if !same_server(server, own_server) {
        return Err("this invite leads to a group on another server; its members are the accounts of that server");
    }
    let code = URL_SAFE_NO_PAD.decode(code).map_err(|_| NO_LINK)?;
    match code.first() {
        Some(&VERSION) => {}
        Some(version) if *version > VERSION => return Err("this invite was made by a newer version: update first"),
        _ => return Err(NO_LINK),
    }
    let part = |at: usize| code.get(at..at + 32).and_then(|part| <[u8; 32]>::try_from(part).ok());
    let (Some(group), Some(seed)) = (part(1), part(33)) else { return Err(NO_LINK) };
    let details_key = match code.len() {
        65 => None,
        97 => part(65),
        _ => return Err(NO_LINK),
    };
    Ok(Link {
        group: GroupId::from_bytes(group),
        seed: InviteSeed::from_bytes(Secret::new(seed)),
        details_key: details_key.map(Secret::new),
    })
}

/// The names of one's own machine are one server.
fn same_server(a: &str, b: &str) -> bool {
    let plain = |server: &str| {
        let server = server.trim_end_matches('/').to_ascii_lowercase();
        ["localhost", "[::1]"]
            .iter()
            .fold(server, |server, name| server.replacen(&format!("//{name}:"), "//127.0.0.1:", 1))
    };
    plain(a) == plain(b)
}

pub(crate) fn look_at_invite(cx: &mut Cx<'_, '_>, command: CommandId, link: &str) -> Result<(), StoreError> {
    begin(cx, command, link, false)
}

pub(crate) fn join(cx: &mut Cx<'_, '_>, command: CommandId, link: &str) -> Result<(), StoreError> {
    begin(cx, command, link, true)
}

fn begin(cx: &mut Cx<'_, '_>, command: CommandId, link: &str, joins: bool) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    let link = match parse(link, &own.server) {
        Ok(link) => link,
        Err(why) => {
            cx.fail(command, ErrorKind::Invalid, why);
            return Ok(());
        }
    };
    let visit = Visit {
        command,
        joins,
        link,
        operations: Vec::new(),
        state: None,
        details: None,
        sealed_details: None,
        posted: None,
        tries: 0,
    };
    // Who is in already need not ask: the link may be used up.
    if let Some((row, state)) = known(cx, visit.link.group)?
        && !row.left
        && state.member(own.account()).is_some()
    {
        let visit = Visit { state: Some((*state).clone()), details: details::opened(&row), ..visit };
        reply(cx, &visit);
        return Ok(());
    }
    ask(cx, visit);
    Ok(())
}

fn ask(cx: &mut Cx<'_, '_>, visit: Visit) {
    let from = visit.state.as_ref().map_or(0, |state| state.revision().saturating_add(1));
    let (key, group) = (hex(visit.link.seed.public_key().as_bytes()), visit.link.group);
    let path = format!("/v1/group-invites/{key}?group={group}&from={from}");
    let then = Then::Groups(super::Step::Visit(Box::new(visit)));
    let call = Call::own(cx, HttpMethod::Get, path, then);
    http::send(cx, call);
}

pub(super) fn on_answer(
    cx: &mut Cx<'_, '_>,
    mut visit: Visit,
    answer: Result<Vec<u8>, Failure>,
) -> Result<(), StoreError> {
    if let Some(posted) = visit.posted.take() {
        return on_posted(cx, visit, posted, answer);
    }
    let page = match http::parse::<GroupPage>(answer) {
        Ok(page) => page,
        Err(failure) if failure.code() == Some(ErrorCode::GroupInviteClosed) => {
            cx.fail(visit.command, ErrorKind::Refused, "this invite link was closed, has expired, or is used up");
            return Ok(());
        }
        Err(failure) => {
            cx.reply(visit.command, Err(failure.into()));
            return Ok(());
        }
    };
    let before = visit.operations.len();
    for operation in &page.operations {
        let given = Given {
            payload: Bytes::copy_from_slice(&operation.payload.0),
            signature: Bytes::copy_from_slice(&operation.signature.0),
            details: None,
            message_id: MessageId::new(operation.message_id.parse().unwrap_or(0)),
            server_time: Timestamp::from_ms(operation.server_time_ms),
        };
        let Some(state) = verify_operation(&given.payload, &given.signature)
            .ok()
            .and_then(|operation| next(visit.state.as_ref(), visit.link.group, &operation))
        else {
            cx.fail(visit.command, ErrorKind::Refused, BAD_LIST);
            return Ok(());
        };
        visit.state = Some(state);
        visit.operations.push(given);
    }
    if page.more && visit.operations.len() > before {
        ask(cx, visit);
        return Ok(());
    }
    if let Some(sealed) = page.details {
        visit.sealed_details = Some(sealed.0.into());
    }
    arrived(cx, visit)
}

fn next(state: Option<&GroupState>, group: GroupId, operation: &VerifiedOperation) -> Option<GroupState> {
    let next = match state {
        Some(state) => state.apply(operation),
        None => GroupState::create(operation),
    };
    next.ok().map(|(state, _)| state).filter(|state| state.id() == group)
}

/// All operations are here.
fn arrived(cx: &mut Cx<'_, '_>, mut visit: Visit) -> Result<(), StoreError> {
    let (Some(own), Some(state)) = (cx.own(), visit.state.clone()) else {
        cx.fail(visit.command, ErrorKind::Refused, BAD_LIST);
        return Ok(());
    };
    visit.details = visit.link.details_key.as_ref().zip(visit.sealed_details.as_ref()).and_then(|(key, sealed)| {
        let named = details_hash(sealed) == state.details_hash();
        if named { open_details(key, sealed).ok() } else { None }
    });
    match standing(&visit, &state, own.account()) {
        GroupStanding::Member => {
            // On another own device; this one has not heard of it yet.
            fetch::learn(cx, visit.link.group)?;
            reply(cx, &visit);
        }
        GroupStanding::Stranger if visit.joins => {
            let proof = prove_join(&visit.link.seed, visit.link.group, own.account(), &own.identity.public());
            let change = Change::Join { public_key: visit.link.seed.public_key(), proof };
            let made = sign_operation(&own.identity, own.address, Some(&state), &change, cx.now, &mut cx.core.rng);
            match made {
                Ok(made) => post(cx, visit, &made.signed.payload, &made.signed.signature),
                Err(error) => cx.fail(visit.command, ErrorKind::Refused, error.to_string()),
            }
        }
        GroupStanding::Stranger | GroupStanding::Waiting => reply(cx, &visit),
    }
    Ok(())
}

fn post(cx: &mut Cx<'_, '_>, mut visit: Visit, payload: &Bytes, signature: &Bytes) {
    let body = PostOperation { payload: payload.to_vec().into(), signature: signature.to_vec().into(), details: None };
    visit.posted = Some(Given {
        payload: payload.clone(),
        signature: signature.clone(),
        details: visit.sealed_details.clone(),
        message_id: MessageId::ZERO,
        server_time: cx.now,
    });
    let path = format!("/v1/groups/{}/operations", visit.link.group);
    let call = Call::own(cx, HttpMethod::Post, path, Then::Groups(super::Step::Visit(Box::new(visit)))).json(&body);
    http::send(cx, call);
}

fn on_posted(
    cx: &mut Cx<'_, '_>,
    mut visit: Visit,
    mut posted: Given,
    answer: Result<Vec<u8>, Failure>,
) -> Result<(), StoreError> {
    let accepted = match http::parse::<OperationAccepted>(answer) {
        Ok(accepted) => accepted,
        Err(failure) if failure.code() == Some(ErrorCode::GroupConflict) && visit.tries < TRIES_MAX => {
            visit.tries += 1;
            ask(cx, visit);
            return Ok(());
        }
        Err(failure) => {
            cx.reply(visit.command, Err(failure.into()));
            return Ok(());
        }
    };
    posted.message_id = MessageId::new(accepted.message_id.parse().unwrap_or(0));
    posted.server_time = Timestamp::from_ms(accepted.server_time_ms);
    if let (Some(key), Some(_), Some(state)) = (&visit.link.details_key, &visit.details, &visit.state) {
        details::stage(cx, &state.details_hash(), key)?;
    }
    let group = visit.link.group;
    visit.operations.push(posted);
    for given in &visit.operations {
        if !matches!(apply::take(cx, group, given)?, Taken::New | Taken::Known) {
            break;
        }
    }
    fetch::refresh(cx, group)?;
    visit.state = known(cx, group)?.map(|(_, state)| (*state).clone());
    reply(cx, &visit);
    Ok(())
}

fn standing(visit: &Visit, state: &GroupState, own: sotto_types::AccountId) -> GroupStanding {
    let by_this = |request: &sotto_crypto::group::JoinRequest| {
        request.who.account == own && request.public_key == visit.link.seed.public_key()
    };
    if state.member(own).is_some() {
        GroupStanding::Member
    } else if state.requests().iter().any(by_this) {
        GroupStanding::Waiting
    } else {
        GroupStanding::Stranger
    }
}

fn reply(cx: &mut Cx<'_, '_>, visit: &Visit) {
    let (Some(own), Some(state)) = (cx.own(), &visit.state) else {
        cx.reply(visit.command, Err(CommandError { kind: ErrorKind::Internal, text: BAD_LIST.into() }));
        return;
    };
    let by_link = |open: &&OpenedInvite| open.public_key() == visit.link.seed.public_key();
    let picture = visit.details.as_ref().and_then(|details| details.picture.as_ref());
    let invitation = GroupInvitation {
        group: visit.link.group,
        title: visit.details.as_ref().map(|details| details.title.clone()),
        description: visit.details.as_ref().map(|details| details.description.clone()),
        picture: picture.map(|(_, bytes)| STANDARD.encode(bytes)),
        picture_type: picture.map(|(kind, _)| kind.mime().to_owned()),
        members: u32::try_from(state.members().len()).unwrap_or(u32::MAX),
        approval: state.invites().iter().find(by_link).is_some_and(|open| open.invite.approval)
            || state.was_removed(own.account()),
        standing: standing(visit, state, own.account()),
    };
    cx.reply(visit.command, Ok(Reply::GroupInvitation { invitation: Box::new(invitation) }));
}

#[cfg(test)]
mod tests {
    use super::{MARK, NO_LINK, URL_SAFE_NO_PAD, parse, same_server};
    use base64::Engine as _;

    const SERVER: &str = "https://chat.example.org";

    fn link(version: u8, rest: usize) -> String {
        let code: Vec<u8> = std::iter::once(version).chain((0..rest).map(|n| n.to_le_bytes()[0])).collect();
        format!("{SERVER}{MARK}{}", URL_SAFE_NO_PAD.encode(code))
    }

    #[test]
    fn links_are_read_whole_or_not_at_all() {
        let with_key = parse(&link(1, 96), SERVER).expect("a link");
        assert_eq!(with_key.group.as_bytes()[31], 31);
        assert_eq!(with_key.seed.as_secret().expose()[0], 32);
        assert_eq!(with_key.details_key.expect("has a key").expose()[31], 95);
        assert!(parse(&format!(" {}\n", link(1, 64)), SERVER).expect("a link").details_key.is_none());
        for rest in [0, 1, 32, 63, 65, 95, 97] {
            assert_eq!(parse(&link(1, rest), SERVER).expect_err("cut"), NO_LINK, "{rest}");
        }
        assert_eq!(parse(&link(0, 96), SERVER).expect_err("no such version"), NO_LINK);
        assert!(parse(&link(2, 96), SERVER).expect_err("newer").contains("newer version"));
        assert!(parse(&link(1, 96), "https://other.example.org").expect_err("elsewhere").contains("another server"));
        assert_eq!(parse("hello", SERVER).expect_err("no link"), NO_LINK);
        assert_eq!(parse(&format!("{SERVER}{MARK}!!"), SERVER).expect_err("no link"), NO_LINK);
    }

    #[test]
    fn names_of_the_own_machine_are_one_server() {
        assert!(same_server("http://localhost:8080", "http://127.0.0.1:8080/"));
        assert!(same_server("http://[::1]:8080", "http://localhost:8080"));
        assert!(!same_server("http://localhost:8080", "http://127.0.0.1:8081"));
        assert!(!same_server("https://localhost.example.org", SERVER));
    }
}
