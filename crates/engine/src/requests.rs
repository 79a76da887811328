//! Message requests: what somebody new says waits until the person takes it, and until then they learn nothing: no receipts, no
//! profile. And what a person tells the server's operator about somebody.
//! Flow: accepted (or written to first) -> a fact, so that own devices know -> `PUT /v1/contacts`, once the queue is drained.
//! Always true: the server comes to know every contact this profile knows, whatever answer is lost or backup restored, before the comparison counts as done.

use crate::api::{
    CommandError, CommandId, ErrorKind, Event, HttpMethod, MessageBody, MessageRef, Privacy, PrivacyChanges, Reply,
    ReportReason,
};
use crate::core::Cx;
use crate::http::{self, Call, Failure, Then};
use crate::{actions, contacts, forget, groups, kept, outbox, profiles, sync};
use sotto_engine_store::{StoreError, Target};
use sotto_types::{AccountId, Conversation, ErrorCode};
use sotto_wire::http::{self as wire, Contacts};

/// There once the server has been told of all contacts.
const TOLD: &str = "contacts_told";
const REPORTED_MAX: usize = 20;
const REPORTED_BYTES: usize = 4096;
const COMMENT_CHARS: usize = 2000;
const PRIVACY_TRIES: u32 = 3;
const PAGE: u32 = 256;

#[derive(Debug)]
pub(crate) enum Step {
    Compare,
    Told(AccountId),
    Reported(CommandId),
    /// The settings as they are; then the changes are made on top of them.
    Privacy {
        command: CommandId,
        changes: Option<PrivacyChanges>,
        tries: u32,
    },
    PrivacySet {
        command: CommandId,
        changes: PrivacyChanges,
        tries: u32,
    },
}

/// A comparison under way.
#[derive(Debug, Default)]
pub(crate) struct Telling {
    phase: Phase,
    /// Something was changed since it began.
    changed: bool,
    left: Vec<AccountId>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The store says whether one is due.
    #[default]
    Unknown,
    UnderWay,
    /// Done, or refused: nothing more to do in this life of the engine, unless something changes.
    Resting,
}

/// The person takes what this account says; nothing if they do already.
pub(crate) fn accept(cx: &mut Cx<'_, '_>, peer: AccountId) -> Result<(), StoreError> {
    if cx.own().is_some_and(|own| own.account() == peer) || cx.tx.is_accepted(peer.into())? {
        return Ok(());
    }
    profiles::tell(cx, peer)?;
    kept::set(cx, &kept::of_conversation(peer.into()), kept::ACCEPTED, &kept::number(1))
}

/// The fact holds, from here or from another own device.
pub(crate) fn on_accepted(cx: &mut Cx<'_, '_>, peer: AccountId) -> Result<(), StoreError> {
    cx.tx.set_accepted(peer.into())?;
    tell_later(cx)?;
    let read = cx.tx.read_up_to(peer.into())?;
    outbox::tell_read(cx, peer.into(), read)
}

/// The server may not know all contacts: it was restored, or there is a new one.
pub(crate) fn tell_later(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    let telling = &mut cx.core.telling;
    telling.changed = true;
    if telling.phase == Phase::Resting {
        telling.phase = Phase::Unknown;
    }
    cx.tx.delete_setting(TOLD)
}

/// 1: the server is still to be told of contacts.
pub(crate) fn untold(cx: &Cx<'_, '_>) -> Result<u32, StoreError> {
    let is_over = cx.core.link.everybody_accepted || cx.core.telling.phase == Phase::Resting || cx.own().is_none();
    Ok(u32::from(!is_over && cx.tx.setting(TOLD)?.is_none()))
}

pub(crate) fn drive(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    if cx.core.telling.phase != Phase::Unknown || cx.core.link.is_draining() || cx.own().is_none() {
        return Ok(());
    }
    if cx.core.link.everybody_accepted || cx.tx.setting(TOLD)?.is_some() {
        cx.core.telling.phase = Phase::Resting;
        return Ok(());
    }
    cx.core.telling = Telling { phase: Phase::UnderWay, changed: false, left: Vec::new() };
    let call = Call::own(cx, HttpMethod::Get, "/v1/contacts", Then::Requests(Step::Compare));
    http::send(cx, call.in_background());
    Ok(())
}

pub(crate) fn on_answer(cx: &mut Cx<'_, '_>, step: Step, answer: Result<Vec<u8>, Failure>) -> Result<(), StoreError> {
    match step {
        Step::Compare => match http::parse::<Contacts>(answer) {
            Ok(there) => {
                let mut here = cx.tx.accepted_peers()?;
                here.retain(|account| !there.accounts.contains(account));
                cx.core.telling.left = here;
                tell_next(cx)
            }
            Err(failure) => {
                give_up(cx, &failure);
                Ok(())
            }
        },
        Step::Told(account) => match answer {
            Ok(_) => {
                tracing::debug!(%account, "the server knows the contact");
                tell_next(cx)
            }
            Err(failure) => {
                give_up(cx, &failure);
                Ok(())
            }
        },
        Step::Reported(command) => {
            cx.reply(command, answer.map(|_| Reply::Done).map_err(CommandError::from));
            Ok(())
        }
        Step::Privacy { command, changes, tries } => match http::parse::<wire::Privacy>(answer) {
            Ok(privacy) => on_privacy(cx, command, privacy, changes, tries),
            Err(failure) => {
                cx.reply(command, Err(failure.into()));
                Ok(())
            }
        },
        Step::PrivacySet { command, changes, tries } => match http::parse::<wire::Privacy>(answer) {
            Ok(privacy) => {
                // Again: a profile that was on its way may have been made by the rules as they were.
                profiles::rules_change(cx, changes.about.is_some(), changes.picture.is_some())?;
                profiles::hold(cx, false);
                on_privacy(cx, command, privacy, None, tries)
            }
            // Another device was first.
            Err(failure) if failure.code() == Some(ErrorCode::PrivacyConflict) && tries < PRIVACY_TRIES => {
                profiles::hold(cx, false);
                ask_privacy(cx, command, Some(changes), tries + 1);
                Ok(())
            }
            Err(failure) => {
                profiles::hold(cx, false);
                cx.reply(command, Err(failure.into()));
                Ok(())
            }
        },
    }
}

fn tell_next(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    if let Some(account) = cx.core.telling.left.pop() {
        let path = format!("/v1/contacts/{account}");
        let call = Call::own(cx, HttpMethod::Put, path, Then::Requests(Step::Told(account)));
        http::send(cx, call.in_background());
        return Ok(());
    }
    if cx.core.telling.changed {
        cx.core.telling.phase = Phase::Unknown;
        return Ok(());
    }
    cx.core.telling.phase = Phase::Resting;
    cx.tx.put_setting(TOLD, b"1")
}

/// Refused: again when the engine is started, or something changes.
fn give_up(cx: &mut Cx<'_, '_>, failure: &Failure) {
    tracing::warn!(?failure, "contacts");
    cx.core.telling = Telling { phase: Phase::Resting, ..Telling::default() };
}

pub(crate) fn accept_command(cx: &mut Cx<'_, '_>, command: CommandId, account: AccountId) -> Result<(), StoreError> {
    accept(cx, account)?;
    contacts::show(cx, command, account)
}

/// To the operator: the reporter's word, with what they chose to show.
pub(crate) fn report(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    account: AccountId,
    reason: ReportReason,
    comment: String,
    messages: &[MessageRef],
) -> Result<(), StoreError> {
    if messages.len() > REPORTED_MAX || comment.chars().count() > COMMENT_CHARS {
        cx.fail(command, ErrorKind::Invalid, "a report has at most 20 messages and 2,000 characters of comment");
        return Ok(());
    }
    let mut shown = Vec::with_capacity(messages.len());
    for message in messages {
        let Some(found) = actions::find(cx, command, *message)? else { return Ok(()) };
        let view = cx.message_view(&found)?;
        let text = match view.body {
            MessageBody::Text { body, .. } => body,
            MessageBody::Poll { question, .. } => question,
            MessageBody::Location { label, .. } => label,
            MessageBody::ContactCard { card } => card.name,
            _ => {
                cx.fail(command, ErrorKind::Invalid, "this message says nothing that could be reported");
                return Ok(());
            }
        };
        if found.author != account {
            cx.fail(command, ErrorKind::Invalid, "a report shows messages of who is reported");
            return Ok(());
        }
        let end = (0..=REPORTED_BYTES.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        shown.push(wire::ReportedMessage {
            sent_at_ms: found.written.as_ms(),
            text: text.get(..end).unwrap_or_default().to_owned(),
        });
    }
    let body = wire::Report {
        account,
        reason: match reason {
            ReportReason::Spam => wire::ReportReason::Spam,
            ReportReason::Abuse => wire::ReportReason::Abuse,
            ReportReason::Other => wire::ReportReason::Other,
        },
        comment,
        messages: shown,
    };
    let call = Call::own(cx, HttpMethod::Post, "/v1/reports", Then::Requests(Step::Reported(command)));
    http::send(cx, call.json(&body));
    Ok(())
}

pub(crate) fn ask_privacy(cx: &mut Cx<'_, '_>, command: CommandId, changes: Option<PrivacyChanges>, tries: u32) {
    let then = Then::Requests(Step::Privacy { command, changes, tries });
    let call = Call::own(cx, HttpMethod::Get, "/v1/privacy", then);
    http::send(cx, call);
}

fn on_privacy(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    privacy: wire::Privacy,
    changes: Option<PrivacyChanges>,
    tries: u32,
) -> Result<(), StoreError> {
    let now = Privacy::from(&privacy);
    let Some(changes) = changes else {
        cx.reply(command, Ok(Reply::Privacy { privacy: now }));
        return Ok(());
    };
    profiles::rules_change(cx, changes.about.is_some(), changes.picture.is_some())?;
    let body = now.with(&changes).to_wire(privacy.version);
    profiles::hold(cx, true);
    let then = Then::Requests(Step::PrivacySet { command, changes, tries });
    let call = Call::own(cx, HttpMethod::Put, "/v1/privacy", then);
    http::send(cx, call.json(&body));
    Ok(())
}

/// A conversation with all that was said in it, from all own devices; a group has to be left before.
pub(crate) fn delete_conversation(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    conversation: Conversation,
) -> Result<(), StoreError> {
    if let Some(group) = conversation.group()
        && groups::is_member(cx, group)?
    {
        cx.fail(command, ErrorKind::WrongState, "leave the group before you delete it from your devices");
        return Ok(());
    }
    loop {
        let page = cx.tx.history(conversation, None, PAGE)?;
        if page.is_empty() {
            break;
        }
        let targets: Vec<Target> = page.iter().map(actions::target).collect();
        for message in &page {
            if message.message_id.is_none() && message.attempts == 0 {
                cx.tx.remove_outbox_of_message(message.id)?;
            }
            forget::forget(cx, actions::target(message))?;
        }
        let targets = targets.into_iter().map(actions::to_wire).collect();
        sync::tell(cx, sotto_wire::pb::sync::Of::Forget(sotto_wire::pb::Forget { targets }))?;
    }
    let now = kept::number(cx.now.as_ms());
    kept::set(cx, &kept::of_conversation(conversation), kept::DELETED, &now)?;
    cx.reply(command, Ok(Reply::Done));
    Ok(())
}

/// It was deleted, and nothing was said since.
pub(crate) fn on_deleted(cx: &mut Cx<'_, '_>, conversation: Conversation) -> Result<(), StoreError> {
    if cx.tx.newest(conversation)?.is_none() && cx.tx.conversation(conversation)?.is_some() {
        cx.tx.remove_conversation(conversation)?;
        cx.event(Event::ConversationRemoved { conversation });
    }
    Ok(())
}
