//! Blocking: the server drops what a blocked account sends; the own other devices are told.
//! Always true: a block is lost on neither side. A server that was restored from a backup gets those it forgot, and a device
//! that begins with nothing, or forgot one, learns what the server still blocks: nobody is blocked without being shown so.

use crate::api::{CommandId, ErrorKind, HttpMethod};
use crate::core::Cx;
use crate::http::{self, Call, Failure, Then};
use crate::{contacts, inbox, sync};
use sotto_engine_store::{Contact, StoreError};
use sotto_types::AccountId;
use sotto_wire::http::Blocks;

/// There while server and device have not compared: the accounts that the server is being told of.
const COMPARE: &str = "blocks_compare";

#[derive(Debug)]
pub(crate) enum Step {
    Set { command: CommandId, account: AccountId, blocked: bool },
    Compare,
    Again(AccountId),
}

pub(crate) fn set(cx: &mut Cx<'_, '_>, command: CommandId, account: AccountId, blocked: bool) {
    if cx.core.own.as_ref().is_some_and(|own| own.account() == account) {
        return cx.fail(command, ErrorKind::Invalid, "one cannot block oneself");
    }
    let call = call(cx, account, blocked, Step::Set { command, account, blocked });
    http::send(cx, call);
}

fn call(cx: &Cx<'_, '_>, account: AccountId, blocked: bool, step: Step) -> Call {
    let method = if blocked { HttpMethod::Put } else { HttpMethod::Delete };
    Call::own(cx, method, format!("/v1/blocks/{account}"), Then::Blocks(step))
}

/// At the next connection.
pub(crate) fn compare_later(cx: &Cx<'_, '_>) -> Result<(), StoreError> {
    cx.tx.put_setting_json(COMPARE, &Vec::<AccountId>::new())
}

pub(crate) fn on_welcome(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    if cx.tx.setting(COMPARE)?.is_some() {
        let call = Call::own(cx, HttpMethod::Get, "/v1/blocks", Then::Blocks(Step::Compare));
        http::send(cx, call.in_background());
    }
    Ok(())
}

pub(crate) fn on_answer(cx: &mut Cx<'_, '_>, step: Step, answer: Result<Vec<u8>, Failure>) -> Result<(), StoreError> {
    match step {
        Step::Set { command, account, blocked } => on_set(cx, command, account, blocked, answer),
        Step::Compare => match http::parse::<Blocks>(answer) {
            Ok(blocks) => compare(cx, &blocks.accounts),
            Err(failure) => {
                tracing::warn!(?failure, "blocks");
                Ok(())
            }
        },
        // Also when it is refused: the account is gone, or there is no room for more blocks.
        Step::Again(account) => {
            let mut left: Vec<AccountId> = cx.tx.setting_json(COMPARE)?.unwrap_or_default();
            left.retain(|other| *other != account);
            go_on(cx, &left)
        }
    }
}

fn on_set(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    account: AccountId,
    blocked: bool,
    answer: Result<Vec<u8>, Failure>,
) -> Result<(), StoreError> {
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

fn compare(cx: &mut Cx<'_, '_>, there: &[AccountId]) -> Result<(), StoreError> {
    let contacts = cx.tx.contacts()?;
    let here: Vec<_> = contacts.into_iter().filter(|contact| contact.blocked).map(|contact| contact.account).collect();
    for account in there.iter().filter(|account| !here.contains(account)) {
        note(cx, *account, true)?;
        // Perhaps nobody this device has heard of: it is shown, with its name, so that it can be let in again.
        inbox::list_contact(cx, *account)?;
    }
    let forgotten: Vec<_> = here.into_iter().filter(|account| !there.contains(account)).collect();
    go_on(cx, &forgotten)?;
    for account in forgotten {
        let call = call(cx, account, true, Step::Again(account));
        http::send(cx, call.in_background());
    }
    Ok(())
}

fn go_on(cx: &Cx<'_, '_>, left: &[AccountId]) -> Result<(), StoreError> {
    if left.is_empty() { cx.tx.delete_setting(COMPARE) } else { cx.tx.put_setting_json(COMPARE, &left) }
}
