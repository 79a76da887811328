//! Blocking: the server drops what a blocked account sends; the own other devices are told.

use crate::api::{CommandId, ErrorKind, HttpMethod};
use crate::core::Cx;
use crate::http::{self, Call, Failure, Then};
use crate::{contacts, sync};
use sotto_engine_store::{Contact, StoreError};
use sotto_types::AccountId;

#[derive(Debug)]
pub(crate) struct Step {
    command: CommandId,
    account: AccountId,
    blocked: bool,
}

pub(crate) fn set(cx: &mut Cx<'_, '_>, command: CommandId, account: AccountId, blocked: bool) {
    if cx.core.own.as_ref().is_some_and(|own| own.account() == account) {
        return cx.fail(command, ErrorKind::Invalid, "one cannot block oneself");
    }
    let method = if blocked { HttpMethod::Put } else { HttpMethod::Delete };
    let then = Then::Blocks(Step { command, account, blocked });
    let call = Call::own(cx, method, format!("/v1/blocks/{account}"), then);
    http::send(cx, call);
}

pub(crate) fn on_answer(cx: &mut Cx<'_, '_>, step: Step, answer: Result<Vec<u8>, Failure>) -> Result<(), StoreError> {
    if let Err(failure) = answer {
        cx.reply(step.command, Err(failure.into()));
        return Ok(());
    }
    let mut contact = cx.tx.contact(step.account)?.unwrap_or_else(|| Contact::new(step.account));
    contact.blocked = step.blocked;
    cx.tx.put_contact(&contact)?;
    sync::block_changed(cx, step.account, step.blocked)?;
    cx.contact_changed(step.account)?;
    contacts::show(cx, step.command, step.account)
}
