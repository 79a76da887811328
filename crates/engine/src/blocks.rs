//! Blocking: the server drops what a blocked account sends; the own other devices are told.
//! Flow of a comparison: due (server restored, device new, or a change whose answer may be lost) -> the queue is drained, so that
//!       all that siblings said is known -> what the server blocks is shown as blocked -> what it forgot is set again, one by one.
//! Always true: a block is lost on neither side, and nobody is blocked without being shown so, at the latest after the next
//! connection.

use crate::api::{CommandId, ErrorKind, HttpMethod};
use crate::core::Cx;
use crate::http::{self, Call, Failure, Then};
use crate::{contacts, inbox, sync};
use sotto_engine_store::{Contact, StoreError};
use sotto_types::{AccountId, ErrorCode, Timestamp, limits};
use sotto_wire::http::Blocks;

/// There while a comparison is due: since when.
const COMPARE: &str = "blocks_compare";

#[derive(Debug)]
pub(crate) enum Step {
    Set { command: CommandId, account: AccountId, blocked: bool },
    Compare,
    Again { account: AccountId, blocked: bool },
}

/// A comparison under way.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    under_way: bool,
    /// What the server forgot and is still to be told.
    left: Vec<AccountId>,
    /// It does not know one of them: the account's own device may bring it back.
    unknown: bool,
    /// How often the person has changed a block, and how often when the server was asked.
    changes: u64,
    changes_then: u64,
}

pub(crate) fn set(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    account: AccountId,
    blocked: bool,
) -> Result<(), StoreError> {
    if cx.core.own.as_ref().is_some_and(|own| own.account() == account) {
        cx.fail(command, ErrorKind::Invalid, "one cannot block oneself");
        return Ok(());
    }
    // The answer may be lost.
    compare_later(cx)?;
    cx.core.blocks.changes += 1;
    let call = call(cx, account, blocked, Step::Set { command, account, blocked });
    http::send(cx, call);
    Ok(())
}

fn call(cx: &Cx<'_, '_>, account: AccountId, blocked: bool, step: Step) -> Call {
    let method = if blocked { HttpMethod::Put } else { HttpMethod::Delete };
    Call::own(cx, method, format!("/v1/blocks/{account}"), Then::Blocks(step))
}

/// When the next connection has drained its queue.
pub(crate) fn compare_later(cx: &Cx<'_, '_>) -> Result<(), StoreError> {
    cx.tx.put_setting_json(COMPARE, &cx.now.as_ms())
}

pub(crate) fn on_drained(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    if !cx.core.blocks.under_way && cx.tx.setting(COMPARE)?.is_some() {
        ask(cx);
    }
    Ok(())
}

fn ask(cx: &mut Cx<'_, '_>) {
    let changes = cx.core.blocks.changes;
    cx.core.blocks = Comparison { under_way: true, changes, changes_then: changes, ..Comparison::default() };
    let call = Call::own(cx, HttpMethod::Get, "/v1/blocks", Then::Blocks(Step::Compare));
    http::send(cx, call.in_background());
}

pub(crate) fn on_answer(cx: &mut Cx<'_, '_>, step: Step, answer: Result<Vec<u8>, Failure>) -> Result<(), StoreError> {
    match step {
        Step::Set { command, account, blocked } => on_set(cx, command, account, blocked, answer),
        Step::Compare => match http::parse::<Blocks>(answer) {
            // The person changed one meanwhile: which came first?
            Ok(_) if cx.core.blocks.changes != cx.core.blocks.changes_then => {
                ask(cx);
                Ok(())
            }
            Ok(blocks) => compare(cx, &blocks.accounts),
            Err(failure) => {
                tracing::warn!(?failure, "blocks");
                cx.core.blocks.under_way = false;
                Ok(())
            }
        },
        Step::Again { account, blocked } => on_told(cx, account, blocked, answer),
    }
}

fn on_set(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    account: AccountId,
    blocked: bool,
    answer: Result<Vec<u8>, Failure>,
) -> Result<(), StoreError> {
    cx.core.blocks.changes += 1;
    if let Err(failure) = answer {
        cx.reply(command, Err(failure.into()));
        return Ok(());
    }
    note(cx, account, blocked)?;
    sync::block_changed(cx, account, blocked)?;
    contacts::show(cx, command, account)
}

fn note(cx: &mut Cx<'_, '_>, account: AccountId, blocked: bool) -> Result<(), StoreError> {
    let mut contact = cx.tx.contact(account)?.unwrap_or_else(|| Contact::new(account));
    contact.blocked = blocked;
    cx.tx.put_contact(&contact)?;
    cx.contact_changed(account)
}

fn is_blocked(cx: &Cx<'_, '_>, account: AccountId) -> Result<bool, StoreError> {
    Ok(cx.tx.contact(account)?.is_some_and(|contact| contact.blocked))
}

fn compare(cx: &mut Cx<'_, '_>, there: &[AccountId]) -> Result<(), StoreError> {
    let contacts = cx.tx.contacts()?;
    let here: Vec<_> = contacts.into_iter().filter(|contact| contact.blocked).map(|contact| contact.account).collect();
    for account in there.iter().filter(|account| !here.contains(account)) {
        note(cx, *account, true)?;
        // Perhaps nobody this device has heard of: it is shown, with its name, so that it can be let in again.
        inbox::list_contact(cx, *account)?;
    }
    cx.core.blocks.left = here.into_iter().filter(|account| !there.contains(account)).collect();
    tell_next(cx)
}

fn tell_next(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    while let Some(account) = cx.core.blocks.left.pop() {
        if is_blocked(cx, account)? {
            let call = call(cx, account, true, Step::Again { account, blocked: true });
            http::send(cx, call.in_background());
            return Ok(());
        }
    }
    let Comparison { unknown, changes, changes_then, .. } = cx.core.blocks;
    cx.core.blocks.under_way = false;
    let since = Timestamp::from_ms(cx.tx.setting_json(COMPARE)?.unwrap_or_default());
    let given_up = since.plus(limits::UNDELIVERED_RETENTION) <= cx.now;
    if changes == changes_then && (!unknown || given_up) { cx.tx.delete_setting(COMPARE) } else { Ok(()) }
}

fn on_told(
    cx: &mut Cx<'_, '_>,
    account: AccountId,
    blocked: bool,
    answer: Result<Vec<u8>, Failure>,
) -> Result<(), StoreError> {
    match answer {
        Ok(_) if blocked && !is_blocked(cx, account)? => {
            // The person let it in again meanwhile.
            let call = call(cx, account, false, Step::Again { account, blocked: false });
            http::send(cx, call.in_background());
            return Ok(());
        }
        Ok(_) => sync::block_changed(cx, account, blocked)?,
        Err(failure) => cx.core.blocks.unknown |= failure.code() == Some(ErrorCode::UnknownAccount),
    }
    tell_next(cx)
}
