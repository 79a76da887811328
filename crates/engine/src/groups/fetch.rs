//! What the server has of a group: operations after ours, members' device lists, prekey bundles.
//! Flow: `refresh` -> pages of operations -> lists that are newer than ours, 256 at once -> not stale any more.
//!       An unknown group (`learn`) begins at its first operation.
//! Always true: one request of a group is under way at a time; what waits for it goes on when it is done, or later again.

use super::apply::{self, Given, Taken};
use super::{FORKED, HIDDEN, alarm, details, give_back, known, log, pairwise};
use crate::api::HttpMethod;
use crate::core::Cx;
use crate::http::{self, Call, Failure, Then};
use crate::{backoff, devices, trust};
use bytes::Bytes;
use prost::Message as _;
use sotto_engine_store::{Contact, StoreError};
use sotto_types::{AccountId, DeviceId, ErrorCode, GroupId, MessageId, Timestamp, limits};
use sotto_wire::http::{
    GroupAccounts, GroupDevices, GroupPage, GroupPreKeys, GroupTakePreKeys, Groups, MemberDevices, SignedList,
};
use sotto_wire::pb;

/// Members whose bundles are taken at once.
const TAKEN_AT_ONCE: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fetch {
    Page,
    Lists,
    Bundles,
    GiveBack,
}

#[derive(Debug)]
pub(crate) enum Step {
    All,
    Page(GroupId),
    GiveBack(GroupId),
    /// Those asked for, and those to ask for next.
    Lists {
        group: GroupId,
        rest: Vec<AccountId>,
    },
    Bundles {
        group: GroupId,
        asked: Vec<(AccountId, Vec<DeviceId>)>,
    },
    Wish {
        wish: u64,
        made: Box<super::wish::Posted>,
    },
    Marks(GroupId),
    Visit(Box<super::join::Visit>),
}

/// Nothing may be asked for now: something is, or the server refused a moment ago.
pub(super) fn is_busy(cx: &mut Cx<'_, '_>, group: GroupId) -> bool {
    let now = cx.now;
    let live = cx.core.groups.live(group);
    live.fetch.is_some() || live.not_before > now
}

/// Asks for the operations after ours and for what changed about the members.
pub(super) fn refresh(cx: &mut Cx<'_, '_>, group: GroupId) -> Result<(), StoreError> {
    if is_busy(cx, group) {
        return Ok(());
    }
    let from = cx.tx.group(group)?.map_or(0, |row| row.revision.saturating_add(1));
    page(cx, group, from);
    Ok(())
}

/// A group that is not known here: this account was added to it, or this device is new.
pub(crate) fn learn(cx: &mut Cx<'_, '_>, group: GroupId) -> Result<(), StoreError> {
    if cx.tx.has_group(group)? { Ok(()) } else { refresh(cx, group) }
}

pub(super) fn page(cx: &mut Cx<'_, '_>, group: GroupId, from: u32) {
    cx.core.groups.live(group).fetch = Some(Fetch::Page);
    let then = Then::Groups(Step::Page(group));
    let call = Call::own(cx, HttpMethod::Get, format!("/v1/groups/{group}?from={from}"), then).in_background();
    http::send(cx, call);
}

/// Which groups the account is in: once per connection.
pub(crate) fn ask_for_all(cx: &mut Cx<'_, '_>) {
    if !std::mem::replace(&mut cx.core.groups.listed, true) {
        let call = Call::own(cx, HttpMethod::Get, "/v1/groups", Then::Groups(Step::All)).in_background();
        http::send(cx, call);
    }
}

pub(crate) fn on_answer(cx: &mut Cx<'_, '_>, step: Step, answer: Result<Vec<u8>, Failure>) -> Result<(), StoreError> {
    match step {
        Step::All => on_all(cx, answer),
        Step::Page(group) => {
            cx.core.groups.live(group).fetch = None;
            match http::parse::<GroupPage>(answer) {
                Ok(page) => on_page(cx, group, &page),
                Err(failure) => on_no_page(cx, group, &failure),
            }
        }
        Step::GiveBack(group) => {
            cx.core.groups.live(group).fetch = None;
            give_back::on_answer(cx, group, answer)
        }
        Step::Lists { group, rest } => {
            cx.core.groups.live(group).fetch = None;
            match http::parse::<GroupDevices>(answer) {
                Ok(found) => on_lists(cx, group, found, rest),
                Err(failure) => wait(cx, group, &failure),
            }
        }
        Step::Bundles { group, asked } => {
            cx.core.groups.live(group).fetch = None;
            match http::parse::<GroupPreKeys>(answer) {
                Ok(taken) => on_bundles(cx, group, &asked, taken),
                Err(failure) => wait(cx, group, &failure),
            }
        }
        Step::Wish { wish, made } => super::wish::on_posted(cx, wish, *made, answer),
        Step::Marks(group) => super::marks::on_answer(cx, group, answer),
        Step::Visit(visit) => super::join::on_answer(cx, *visit, answer),
    }
}

fn on_all(cx: &mut Cx<'_, '_>, answer: Result<Vec<u8>, Failure>) -> Result<(), StoreError> {
    cx.core.groups.unsure = false;
    let Ok(all) = http::parse::<Groups>(answer) else { return Ok(()) };
    let mut shown = Vec::with_capacity(all.groups.len());
    for summary in all.groups {
        let Ok(group) = summary.group.parse::<GroupId>() else { continue };
        shown.push(group);
        match cx.tx.group(group)? {
            Some(row) if row.revision > summary.revision && !row.left => {
                give_back::begin(cx, group, summary.revision.saturating_add(1))?;
            }
            _ if summary.until.is_some() => {}
            None => refresh(cx, group)?,
            // Left over from before a restart.
            Some(row) if row.context_due && !row.left => {
                cx.core.groups.contexts_due.insert(group, ());
            }
            Some(_) => {}
        }
    }
    give_back::begin_unknown(cx, shown)
}

/// Something did not work out: a little later again.
pub(super) fn wait(cx: &mut Cx<'_, '_>, group: GroupId, failure: &Failure) -> Result<(), StoreError> {
    tracing::info!(?group, ?failure, "the server does not give what a group needs");
    delay(cx, group);
    Ok(())
}

pub(super) fn delay(cx: &mut Cx<'_, '_>, group: GroupId) {
    let refused = cx.core.groups.live(group).refused;
    let delay = backoff::delay(refused.max(2), &mut cx.core.rng);
    let live = cx.core.groups.live(group);
    live.refused = refused.saturating_add(1);
    live.not_before = cx.now.plus(delay);
}

fn on_no_page(cx: &mut Cx<'_, '_>, group: GroupId, failure: &Failure) -> Result<(), StoreError> {
    if failure.code() != Some(ErrorCode::UnknownGroup) {
        return wait(cx, group, failure);
    }
    if let Some(mut row) = cx.tx.group(group)? {
        row.left = true;
        row.stale = false;
        cx.tx.put_group(&row)?;
        super::changed(cx, group);
    }
    log::drop_parked(cx, group);
    Ok(())
}

fn on_page(cx: &mut Cx<'_, '_>, group: GroupId, page_of: &GroupPage) -> Result<(), StoreError> {
    let mut last = None;
    for operation in &page_of.operations {
        let given = Given {
            payload: Bytes::copy_from_slice(&operation.payload.0),
            signature: Bytes::copy_from_slice(&operation.signature.0),
            details: None,
            message_id: MessageId::new(operation.message_id.parse().unwrap_or(0)),
            server_time: Timestamp::from_ms(operation.server_time_ms),
        };
        last = Some(operation.revision);
        match apply::take(cx, group, &given)? {
            Taken::New | Taken::Known => {}
            Taken::Missing | Taken::Refused => {
                delay(cx, group);
                log::drop_parked(cx, group);
                return Ok(());
            }
        }
    }
    if page_of.more
        && let Some(last) = last
    {
        page(cx, group, last.saturating_add(1));
        return Ok(());
    }
    check_expected(cx, group)?;
    let Some((mut row, state)) = known(cx, group)? else {
        delay(cx, group);
        return Ok(());
    };
    if let Some(sealed) = &page_of.details {
        details::offer(cx, group, &sealed.0)?;
        let Some(again) = cx.tx.group(group)? else { return Ok(()) };
        row = again;
    }
    let own = cx.own().map(|own| own.account());
    if own.is_none_or(|own| state.member(own).is_none()) {
        row.stale = false;
        cx.tx.put_group(&row)?;
        return log::unpark(cx, group);
    }
    row.roster = page_of.roster.parse().unwrap_or(0);
    let mut wanted = Vec::new();
    for member in &page_of.members {
        let Some(pinned) = state.member(member.account) else { continue };
        let mut contact = cx.tx.contact(member.account)?.unwrap_or_else(|| Contact::new(member.account));
        if contact.identity_key.is_none() {
            // Whoever added them knows them by this key: the server's word is not taken for it.
            contact.identity_key = Some(pinned.identity_key.as_bytes().to_vec());
            cx.tx.put_contact(&contact)?;
        }
        let newer = member.list_version > contact.list_version || contact.list.is_none();
        if newer && member.list_version > 0 && contact.pending_key.is_none() {
            wanted.push(member.account);
        }
    }
    cx.tx.put_group(&row)?;
    next_lists(cx, group, wanted)
}

/// Asks for the next lists, or says that there are none to ask for.
fn next_lists(cx: &mut Cx<'_, '_>, group: GroupId, mut wanted: Vec<AccountId>) -> Result<(), StoreError> {
    if wanted.is_empty() {
        cx.tx.set_group_stale(group, false)?;
        let live = cx.core.groups.live(group);
        live.refused = 0;
        pairwise::release(cx, group)?;
        return log::unpark(cx, group);
    }
    let rest = wanted.split_off(wanted.len().min(limits::KEYS_ACCOUNTS));
    cx.core.groups.live(group).fetch = Some(Fetch::Lists);
    let then = Then::Groups(Step::Lists { group, rest });
    let body = GroupAccounts { accounts: wanted };
    let path = format!("/v1/groups/{group}/devices");
    let call = Call::own(cx, HttpMethod::Post, path, then).json(&body).in_background();
    http::send(cx, call);
    Ok(())
}

fn account_of(list: &SignedList) -> Option<AccountId> {
    let list = pb::DeviceList::decode(&list.payload.0[..]).ok()?;
    AccountId::try_from(&list.account_id[..]).ok()
}

fn on_lists(cx: &mut Cx<'_, '_>, group: GroupId, found: GroupDevices, rest: Vec<AccountId>) -> Result<(), StoreError> {
    for account in found.accounts {
        let Some(of) = account_of(&account.list) else { continue };
        trust::note_username(cx, of, &account.username)?;
        trust::offer_list(cx, of, account.list.into())?;
    }
    next_lists(cx, group, rest)
}

/// Asks for single lists, of members whose copy here is known to be old.
pub(super) fn lists(cx: &mut Cx<'_, '_>, group: GroupId, wanted: Vec<AccountId>) -> Result<(), StoreError> {
    if is_busy(cx, group) { Ok(()) } else { next_lists(cx, group, wanted) }
}

/// Takes bundles for devices there is no session with.
pub(super) fn bundles(cx: &mut Cx<'_, '_>, group: GroupId, mut wanted: Vec<(AccountId, Vec<DeviceId>)>) {
    if is_busy(cx, group) {
        return;
    }
    wanted.truncate(TAKEN_AT_ONCE);
    let members = wanted.iter().map(|(account, devices)| MemberDevices {
        account: *account,
        devices: devices.iter().map(|id| u32::from(*id)).collect(),
    });
    let body = GroupTakePreKeys { members: members.collect() };
    cx.core.groups.live(group).fetch = Some(Fetch::Bundles);
    let then = Then::Groups(Step::Bundles { group, asked: wanted });
    let path = format!("/v1/groups/{group}/prekeys");
    let call = Call::own(cx, HttpMethod::Post, path, then).json(&body).in_background();
    http::send(cx, call);
}

fn on_bundles(
    cx: &mut Cx<'_, '_>,
    group: GroupId,
    asked: &[(AccountId, Vec<DeviceId>)],
    taken: GroupPreKeys,
) -> Result<(), StoreError> {
    let mut missed = false;
    let mut taken: Vec<_> = taken.members.into_iter().map(|member| (account_of(&member.list), Some(member))).collect();
    for (account, asked) in asked {
        let bundles = taken.iter_mut().find(|(of, _)| *of == Some(*account)).and_then(|(_, bundles)| bundles.take());
        match bundles {
            Some(bundles) => {
                let body = serde_json::to_vec(&bundles).expect("plain data serializes");
                devices::on_bundles(cx, *account, asked, Ok(body))?;
            }
            None => missed = true,
        }
    }
    if missed {
        delay(cx, group);
    }
    Ok(())
}

/// Somebody to be trusted has seen this operation: it must be in the list that the server shows.
pub(super) fn expect(cx: &mut Cx<'_, '_>, group: GroupId, revision: u32, hash: [u8; 32]) -> Result<(), StoreError> {
    cx.core.groups.live(group).expected.push((revision, hash));
    let known = cx.tx.group(group)?.is_some_and(|row| row.revision >= revision);
    if known { check_expected(cx, group) } else { refresh(cx, group) }
}

/// What senders said they had seen must be what the server shows.
fn check_expected(cx: &mut Cx<'_, '_>, group: GroupId) -> Result<(), StoreError> {
    for (revision, hash) in std::mem::take(&mut cx.core.groups.live(group).expected) {
        match cx.tx.group_hash_at(group, revision)? {
            Some(known) if known == hash => {}
            Some(_) => alarm(cx, group, FORKED)?,
            None => alarm(cx, group, HIDDEN)?,
        }
    }
    Ok(())
}

/// Groups with something to ask for that could not be asked before.
pub(super) fn drive(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    if !cx.core.link.is_up() {
        return Ok(());
    }
    let waiting: Vec<GroupId> = cx
        .core
        .groups
        .live
        .iter()
        .filter(|(_, live)| live.fetch.is_none() && (!live.parked.is_empty() || !live.expected.is_empty()))
        .map(|(group, _)| *group)
        .collect();
    give_back::drive(cx)?;
    for group in waiting {
        let unknown = !cx.tx.has_group(group)?;
        if unknown || !cx.core.groups.live(group).expected.is_empty() {
            refresh(cx, group)?;
        }
    }
    Ok(())
}
