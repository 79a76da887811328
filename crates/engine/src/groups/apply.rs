//! Operations of a group's list, taken over one after another.
//! Always true: an operation is taken only if it verifies, follows the one known last, and the rules allow it; a known one is
//! never replaced, and another of its revision is a fork.

use super::{FORKED, INVALID, alarm, changed, details, keys, known};
use crate::core::Cx;
use crate::{outbox, trust};
use bytes::Bytes;
use sotto_crypto::group::{Applied, Change, Fanout, GroupState, VerifiedOperation, verify_operation};
use sotto_engine_store::{Group, GroupOperation, MessageKind, NewMessage, StoreError};
use sotto_types::{AccountId, ClientMsgId, Conversation, GroupId, MessageId, Secret, Timestamp};
use sotto_wire::pb;

/// A signed operation as the server gave it.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub payload: Bytes,
    pub signature: Bytes,
    /// Encrypted, where they came along.
    pub details: Option<Bytes>,
    pub message_id: MessageId,
    pub server_time: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    New,
    Known,
    /// Others are missing before it: fetch them.
    Missing,
    /// An alarm was raised.
    Refused,
}

/// In groups up to this size every device asks who came.
const NAMED_AT_ONCE: usize = 64;
/// Of a line that says somebody came by a link.
const ASKED: &str = "waits for an admin";

pub(crate) fn take(cx: &mut Cx<'_, '_>, group: GroupId, given: &Given) -> Result<Taken, StoreError> {
    let Ok(operation) = verify_operation(&given.payload, &given.signature) else {
        return refuse(cx, group, INVALID);
    };
    if operation.group_id() != group {
        return refuse(cx, group, INVALID);
    }
    let before = known(cx, group)?;
    if let Some((row, _)) = &before
        && operation.revision() <= row.revision
    {
        return take_known(cx, row, &operation, given);
    }
    let (row, state, applied) = match before {
        None if operation.revision() == 0 => match GroupState::create(&operation) {
            Ok((state, applied)) => (Group::new(group, Secret::new(state.encode())), state, applied),
            Err(_) => return Ok(Taken::Refused),
        },
        None => return Ok(Taken::Missing),
        Some((row, _)) if operation.revision() > row.revision + 1 => return Ok(Taken::Missing),
        Some((row, state)) => match state.apply(&operation) {
            Ok((state, applied)) => (row, state, applied),
            Err(sotto_crypto::group::GroupRuleError::Forked { .. }) => return refuse(cx, group, FORKED),
            Err(error) => {
                tracing::warn!(%error, "an operation breaks the rules");
                return refuse(cx, group, INVALID);
            }
        },
    };
    keep(cx, row, &state, &operation, &applied, given)?;
    Ok(Taken::New)
}

fn refuse(cx: &mut Cx<'_, '_>, group: GroupId, why: &str) -> Result<Taken, StoreError> {
    alarm(cx, group, why)?;
    Ok(Taken::Refused)
}

/// One of a revision that is known: the same, or a fork.
fn take_known(
    cx: &mut Cx<'_, '_>,
    row: &Group,
    operation: &VerifiedOperation,
    given: &Given,
) -> Result<Taken, StoreError> {
    if cx.tx.group_hash_at(row.id, operation.revision())? != Some(operation.hash()) {
        return refuse(cx, row.id, FORKED);
    }
    cx.tx.put_group_operation(row.id, &stored(operation, given))?;
    if let Some(sealed) = &given.details {
        details::offer(cx, row.id, sealed)?;
    }
    Ok(Taken::Known)
}

fn stored(operation: &VerifiedOperation, given: &Given) -> GroupOperation {
    GroupOperation {
        revision: operation.revision(),
        payload: given.payload.to_vec(),
        signature: given.signature.to_vec(),
        hash: operation.hash(),
        message_id: Some(given.message_id),
        server_time: given.server_time,
    }
}

fn keep(
    cx: &mut Cx<'_, '_>,
    mut row: Group,
    state: &GroupState,
    operation: &VerifiedOperation,
    applied: &Applied,
    given: &Given,
) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    let group = row.id;
    let was_in = row.revision > 0 && !row.left;
    let is_in = state.member(own.account()).is_some();
    row.revision = state.revision();
    row.head = state.head();
    row.state = Secret::new(state.encode());
    row.left = !is_in;
    if applied.changes_roster() {
        // How the server counts is asked for before the next send.
        row.stale = true;
    }
    cx.tx.put_group(&row)?;
    cx.tx.put_group_operation(group, &stored(operation, given))?;
    let live = cx.core.groups.live(group);
    live.state = None;
    live.ready = None;
    if applied.sets_details {
        details::staged(cx, group, state)?;
    }
    if let Some(sealed) = &given.details {
        details::offer(cx, group, sealed)?;
    }
    if let Change::CloseInvite { public_key } = operation.change() {
        cx.tx.delete_invite_seed(group, public_key.as_bytes())?;
    }
    for account in &applied.removed {
        cx.tx.delete_marks_of(group, *account)?;
    }
    // What happened before this account was in is not shown; what put it out is.
    let conversation = Conversation::Group(group);
    if is_in || was_in || applied.removed.contains(&own.account()) {
        cx.tx.start_conversation(conversation, given.server_time)?;
        let asked = applied.requested.is_some();
        show_line(cx, group, operation, given, asked.then(|| ASKED.to_owned()))?;
    }
    if !is_in && applied.removed.contains(&own.account()) {
        // No message of this device is to be opened by those who stay with a key that it has.
        cx.tx.delete_distribution(group)?;
    }
    if operation.actor() == own.account() && operation.actor_device() == own.address.device && is_in {
        give_context(cx, group, state, applied)?;
    }
    let small = state.members().len() <= NAMED_AT_ONCE;
    if is_in && small {
        for account in applied.added.iter().chain(&applied.requested) {
            ask_name(cx, *account)?;
        }
    }
    changed(cx, group);
    Ok(())
}

/// Who came is shown by name; in a group of many, once somebody looks.
pub(super) fn ask_name(cx: &mut Cx<'_, '_>, account: AccountId) -> Result<(), StoreError> {
    let is_me = cx.own().is_some_and(|own| own.account() == account);
    if !is_me && cx.tx.contact(account)?.is_none_or(|contact| contact.username.is_none()) {
        trust::fetch_list(cx, account);
    }
    Ok(())
}

/// Others need the key of the details: all of them that of new ones, new ones that of all.
fn give_context(cx: &mut Cx<'_, '_>, group: GroupId, state: &GroupState, applied: &Applied) -> Result<(), StoreError> {
    let comes = !applied.added.is_empty() || !applied.rekeyed.is_empty();
    let has_keys = state.settings().fanout == Fanout::Log;
    if comes && has_keys {
        // With the sender key that they need anyway.
        keys::context_due(cx, group)?;
    }
    let others = state.members().len() > 1;
    if others
        && (applied.sets_details || (comes && !has_keys))
        && let Some(row) = cx.tx.group(group)?
    {
        let body = pb::content::Body::GroupContext(details::context_of(&row, state));
        outbox::enqueue_control(cx, group, Vec::new(), body, false)?;
    }
    Ok(())
}

/// A line in the conversation that says what was changed, and by whom.
fn show_line(
    cx: &mut Cx<'_, '_>,
    group: GroupId,
    operation: &VerifiedOperation,
    given: &Given,
    note: Option<String>,
) -> Result<(), StoreError> {
    let hash = operation.hash();
    let name: [u8; 16] = *hash.first_chunk().expect("a hash is longer");
    let line = cx.tx.insert_message(&NewMessage {
        author: operation.actor(),
        author_device: operation.actor_device(),
        name: ClientMsgId::from_bytes(name),
        conversation: Conversation::Group(group),
        message_id: Some(given.message_id),
        after: None,
        kind: MessageKind::GroupChange,
        content: Secret::new(given.payload.to_vec()),
        written: operation.at(),
        server_time: Some(given.server_time),
        note,
        expires_after_s: 0,
    })?;
    cx.tx.raise_seen(Conversation::Group(group), given.message_id)?;
    match line {
        Some(line) => cx.message_added(line),
        None => Ok(()),
    }
}

/// The revision that was in force at a place of the log.
pub(super) fn revision_at(cx: &Cx<'_, '_>, row: &Group, id: MessageId) -> Result<u32, StoreError> {
    let mut revision = row.revision;
    // Operations that are known ahead of the log are few: those of one fetch.
    while revision > 0 && cx.tx.group_operation_id(row.id, revision)?.is_some_and(|at| at > id) {
        revision -= 1;
    }
    Ok(revision)
}
