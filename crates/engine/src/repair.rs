//! Repair (principle 9): nothing undecryptable stays silent.
//! Flow, receiver: placeholder -> session renewed -> `Retry` to the sending device, at most 3 times -> the resend takes its place.
//! Flow, sender: `Retry` -> the same content under the same name, class RESEND, to that device only, at most 3 times.
//! Always true:
//! - a session is renewed at most once a minute, however many of its messages fail: one fresh session answers for all;
//! - only the account a message went to (or an own device) gets it again;
//! - a profile that was restored from an old copy is noticed by what the server and own devices know of it that it does not
//!   know itself; the word of others is a reason to ask the server.

use crate::api::Event;
use crate::core::Cx;
use crate::inbox::Meta;
use crate::keys::Protocol;
use crate::{actions, groups, outbox, prekeys, sync};
use bytes::Bytes;
use prost::Message as _;
use sotto_crypto::session;
use sotto_engine_store::{MessageKind, NewMessage, NewOutboxEntry, Placeholder, StoreError};
use sotto_types::{AccountId, Conversation, DeviceAddress, EntryId, GroupId, MessageId, Secret, Timestamp, limits};
use sotto_wire::pb;
use std::time::Duration;

const ATTEMPTS_MAX: u32 = 3;
const RENEW_EVERY: Duration = Duration::from_secs(60);
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// Messages of one account that are being asked for at once: what it sends may not fill this device.
const OPEN_MAX: u32 = 1024;

/// An entry that did not decrypt.
#[derive(Debug, Clone)]
pub(crate) struct Failed {
    pub entry: EntryId,
    pub from: DeviceAddress,
    pub class: u8,
    pub server_time: Timestamp,
    pub ratchet_key: Vec<u8>,
    /// Set for an entry of its log: the sender key is missing, not the session.
    pub group: Option<GroupId>,
}

pub(crate) fn on_undecryptable(cx: &mut Cx<'_, '_>, failed: &Failed, visible: bool) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    cx.tx.count("count.undecryptable", 1)?;
    if failed.class == outbox::RESEND {
        // What it replaces has its own placeholder, which asks again over a fresh session.
        return renew(cx, failed.from);
    }
    let message_id = MessageId::new(failed.entry.get());
    let too_many = cx.tx.open_placeholders_of(failed.from.account, ATTEMPTS_MAX)? >= OPEN_MAX;
    let note = if too_many {
        "this message could not be decrypted; too many of this sender wait already"
    } else {
        "waiting for this message: the sender was asked to send it again"
    };
    let mut line = None;
    if visible && failed.class == outbox::MESSAGE && failed.from.account != own.account() {
        let name = cx.new_name();
        line = cx.tx.insert_message(&NewMessage {
            author: failed.from.account,
            author_device: failed.from.device,
            name,
            conversation: failed.group.map_or(failed.from.account.into(), Conversation::Group),
            message_id: Some(message_id),
            after: None,
            kind: MessageKind::Undecryptable,
            content: Secret::new(Vec::new()),
            written: failed.server_time,
            server_time: Some(failed.server_time),
            note: Some(note.into()),
            expires_after_s: 0,
        })?;
    }
    let placeholder = Placeholder {
        message_id,
        from: failed.from,
        class: failed.class,
        ratchet_key: failed.ratchet_key.clone(),
        attempts: 0,
        next: cx.now,
        message: line,
        group: failed.group,
    };
    if !too_many {
        cx.tx.put_placeholder(&placeholder, cx.now)?;
    }
    if let Some(line) = line {
        match failed.group {
            Some(group) => crate::conversations::on_incoming(cx, group.into())?,
            None => {
                crate::inbox::list_contact(cx, failed.from.account)?;
                crate::conversations::on_incoming(cx, failed.from.account.into())?;
            }
        }
        cx.message_added(line)?;
    }
    Ok(())
}

/// Ends the session for sending, unless that was done a moment ago.
fn renew(cx: &mut Cx<'_, '_>, with: DeviceAddress) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    let last = cx.tx.session_renewed(with)?;
    // A time to come: the clock was set back, and says nothing about when.
    if with == own.address || (last <= cx.now && last.plus(RENEW_EVERY) > cx.now) {
        return Ok(());
    }
    let mut store = Protocol::new(cx.tx, &own);
    if let Err(failure) = session::renew_session(&mut store, with) {
        return Err(store.failure(&failure));
    }
    cx.tx.mark_session_renewed(with, cx.now)?;
    let reason = "a message did not decrypt; the session is being renewed".into();
    cx.event(Event::Repairing { contact: with.account, reason });
    Ok(())
}

/// Asks for what is due.
pub(crate) fn drive(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    for mut waiting in cx.tx.due_placeholders(cx.now, ATTEMPTS_MAX)? {
        // Without a ratchet key it was a sender key that was missing, not a session.
        if waiting.group.is_none() || waiting.attempts > 0 || !waiting.ratchet_key.is_empty() {
            renew(cx, waiting.from)?;
        }
        waiting.attempts += 1;
        let retry = pb::Retry {
            message_id: waiting.message_id.get(),
            attempt: waiting.attempts,
            ratchet_key: Bytes::copy_from_slice(&waiting.ratchet_key),
            group_id: waiting.group.map(|group| Bytes::copy_from_slice(group.as_bytes())).unwrap_or_default(),
        };
        let body = pb::content::Body::Retry(retry);
        outbox::enqueue_control(cx, waiting.from.account, vec![waiting.from.device], body, false)?;
        waiting.next = cx.now.plus(ASK_AGAIN * 4_u32.pow(waiting.attempts.saturating_sub(1)));
        cx.tx.put_placeholder(&waiting, cx.now)?;
        if waiting.attempts < ATTEMPTS_MAX {
            continue;
        }
        if let Some(line) = waiting.message {
            cx.tx.set_note(line, Some("this message could not be decrypted; the sender was asked three times"))?;
            cx.message_changed(line)?;
        } else if waiting.class == outbox::MESSAGE {
            // Of an own device: nobody here knows which conversation it belongs to.
            cx.notice(
                "a message that you sent from another device cannot be read here; that device was asked three times",
            );
        }
    }
    Ok(())
}

pub(crate) fn next_time(cx: &Cx<'_, '_>) -> Result<Option<Timestamp>, StoreError> {
    cx.tx.next_placeholder(ATTEMPTS_MAX)
}

/// A control entry came again.
pub(crate) fn resolved_control(cx: &mut Cx<'_, '_>, meta: &Meta, resend_of: MessageId) -> Result<(), StoreError> {
    if cx.tx.placeholder(resend_of)?.is_some_and(|waiting| waiting.from == meta.from) {
        cx.tx.delete_placeholder(resend_of)?;
        cx.tx.count("count.repaired", 1)?;
    }
    Ok(())
}

/// Another device could not decrypt what this one sent.
pub(crate) fn on_retry(cx: &mut Cx<'_, '_>, meta: &Meta, retry: &pb::Retry) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    let (asking, message_id) = (meta.from, MessageId::new(retry.message_id));
    let from_own = asking.account == own.account();
    let reason = "the other side could not decrypt a message; it is being sent again".into();
    cx.event(Event::Repairing { contact: asking.account, reason });
    if !retry.group_id.is_empty() {
        return groups::on_retry(cx, meta, retry);
    }
    if !meta.began_session && retry.attempt > 1 {
        // It asks again over the session we both have: if that were good, it would not have to.
        renew(cx, asking)?;
    }
    if let Some(message) = cx.tx.message_with_id(own.account(), message_id)? {
        let sent_by_us = message.author_device == own.address.device;
        // Who may ask for a message to a group is for the group to say.
        let Some(peer) = message.conversation.peer() else { return Ok(()) };
        if !sent_by_us || !(from_own || peer == asking.account) {
            return Ok(());
        }
        let old = message.server_time.is_none_or(|at| at.plus(limits::UNDELIVERED_RETENTION) < cx.now);
        if old || cx.tx.count_resend(message_id, asking.account, asking.device, cx.now)? > ATTEMPTS_MAX {
            return Ok(());
        }
        let said = actions::first_content(cx, &message)?;
        send_again(cx, asking, peer, message_id, said.expose())?;
        cx.tx.count_message_resend(message.id)?;
        return Ok(());
    }
    if let Some(stored) = cx.tx.action_with_id(own.account(), message_id)? {
        let action = stored.action;
        let Some(peer) = action.conversation.peer() else { return Ok(()) };
        let asked_too_often = cx.tx.count_resend(message_id, asking.account, asking.device, cx.now)? > ATTEMPTS_MAX;
        if action.author_device != own.address.device || !(from_own || peer == asking.account) || asked_too_often {
            return Ok(());
        }
        return send_again(cx, asking, peer, message_id, action.content.expose());
    }
    if let Some(sent) = cx.tx.sent_control(message_id)? {
        if sent.recipient != asking.account
            || cx.tx.count_resend(message_id, asking.account, asking.device, cx.now)? > ATTEMPTS_MAX
        {
            return Ok(());
        }
        let Ok(mut content) = pb::Content::decode(&sent.content.expose()[..]) else { return Ok(()) };
        content.resend_of = message_id.get();
        return enqueue_resend(cx, asking, outbox::CONTROL, &content);
    }
    let all_answered = cx.tx.is_outbox_empty()?;
    if message_id <= outbox::highest(cx)? || !all_answered {
        return Ok(());
    }
    // They have something of this device that it does not remember sending, or say so.
    if from_own { prekeys::restored(cx, asking.account) } else { prekeys::on_hint(cx) }
}

/// What was said to a person, to one device of theirs or of the own account.
fn send_again(
    cx: &mut Cx<'_, '_>,
    asking: DeviceAddress,
    peer: AccountId,
    message_id: MessageId,
    said: &[u8],
) -> Result<(), StoreError> {
    let Ok(mut content) = pb::Content::decode(said) else { return Ok(()) };
    content.resend_of = message_id.get();
    let is_own = cx.own().is_some_and(|own| own.account() == asking.account);
    let content = if is_own { sync::sent_copy(peer, content) } else { content };
    enqueue_resend(cx, asking, outbox::RESEND, &content)
}

/// A message to a group again, for one device, at most so often. Returns whether it goes.
pub(crate) fn resend(cx: &mut Cx<'_, '_>, to: DeviceAddress, content: &pb::Content) -> Result<bool, StoreError> {
    let message_id = MessageId::new(content.resend_of);
    if cx.tx.count_resend(message_id, to.account, to.device, cx.now)? > ATTEMPTS_MAX {
        return Ok(false);
    }
    enqueue_resend(cx, to, outbox::RESEND, content)?;
    Ok(true)
}

fn enqueue_resend(cx: &mut Cx<'_, '_>, to: DeviceAddress, class: u8, content: &pb::Content) -> Result<(), StoreError> {
    let client_msg_id = cx.new_name();
    cx.tx.enqueue(&NewOutboxEntry {
        client_msg_id,
        recipient: to.account.into(),
        class,
        devices: vec![to.device],
        content: Secret::new(content.encode_to_vec()),
        message: None,
        now: cx.now,
        keep: false,
    })
}
