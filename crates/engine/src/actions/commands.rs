//! What a person does with a message here: it counts at once, and goes out like a message.

use super::{
    DELETE, EDIT_WITHIN, PIN, PIN_SECONDS, deletable_until, has_right, is_emoji, parts, pinned, settle, target,
    to_wire, within,
};
use crate::api::{CommandId, ErrorKind, Mention, MessageRef, Reply};
use crate::core::Cx;
use crate::{groups, outbox};
use bytes::Bytes;
use prost::Message as _;
use sotto_engine_store::{MessageKind, NewAction, NewOutboxEntry, StoreError, StoredMessage};
use sotto_types::{Conversation, MessageId, Secret, limits};
use sotto_wire::pb::{self, content::Body};

/// The message that a command is about; else the command has failed.
pub(crate) fn find(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    message: MessageRef,
) -> Result<Option<StoredMessage>, StoreError> {
    let found = cx.tx.message_named(message.from, message.name)?;
    if found.is_none() {
        cx.fail(command, ErrorKind::NotFound, "this message is not here (any more)");
    }
    Ok(found)
}

/// As `find`, of what something can be done with.
fn find_content(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    message: MessageRef,
) -> Result<Option<StoredMessage>, StoreError> {
    let Some(found) = find(cx, command, message)? else { return Ok(None) };
    if matches!(found.kind, MessageKind::Content | MessageKind::Unsupported) && !found.failed {
        return Ok(Some(found));
    }
    let why = match found.kind {
        MessageKind::Deleted => "this message was deleted",
        MessageKind::Undecryptable => "this message has not arrived yet",
        _ if found.failed => "this message was never delivered: send it again first",
        _ => "this is not a message of a person",
    };
    cx.fail(command, ErrorKind::WrongState, why);
    Ok(None)
}

fn act(cx: &mut Cx<'_, '_>, message: &StoredMessage, body: Body) -> Result<(), StoreError> {
    let (Some(own), Some((kind, _))) = (cx.own(), parts(&body)) else { return Ok(()) };
    let name = cx.new_name();
    let content = pb::Content {
        name: Bytes::copy_from_slice(name.as_bytes()),
        sent_at_ms: cx.now.as_ms(),
        body: Some(body),
        ..pb::Content::default()
    };
    let content = Secret::new(content.encode_to_vec());
    let allowed = has_right(cx, kind, own.account(), message.conversation)?;
    cx.tx.insert_action(&NewAction {
        author: own.account(),
        author_device: own.address.device,
        name,
        conversation: message.conversation,
        kind,
        target: target(message),
        message_id: None,
        content: content.clone(),
        written: cx.now,
        server_time: None,
        allowed,
    })?;
    cx.tx.enqueue(&NewOutboxEntry {
        client_msg_id: name,
        recipient: message.conversation,
        class: outbox::MESSAGE,
        devices: Vec::new(),
        content,
        message: None,
        now: cx.now,
        keep: false,
    })?;
    settle(cx, target(message))?;
    cx.message_changed(message.id)
}

/// Does it and answers with the message it is about.
fn act_and_reply(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    message: &StoredMessage,
    body: Body,
) -> Result<(), StoreError> {
    act(cx, message, body)?;
    if let Some(message) = cx.tx.message(message.id)? {
        let message = cx.message_view(&message)?;
        cx.reply(command, Ok(Reply::Queued { message }));
    }
    Ok(())
}

pub(crate) fn react(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    message: MessageRef,
    emoji: String,
) -> Result<(), StoreError> {
    if !is_emoji(&emoji) {
        cx.fail(command, ErrorKind::Invalid, "a reaction is one emoji");
        return Ok(());
    }
    let Some(found) = find_content(cx, command, message)? else { return Ok(()) };
    let reaction = pb::Reaction { target: Some(to_wire(target(&found))), emoji };
    act_and_reply(cx, command, &found, Body::Reaction(reaction))
}

pub(crate) fn edit(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    message: MessageRef,
    body: String,
    mentions: &[Mention],
) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    let Some(found) = find_content(cx, command, message)? else { return Ok(()) };
    if body.is_empty() || body.len() > limits::TEXT_BYTES {
        cx.fail(command, ErrorKind::Invalid, "a message has between 1 byte and 32 KiB of text");
        return Ok(());
    }
    let is_text = crate::views::text(&found).is_some();
    let now = MessageId::at(cx.now.as_ms());
    let why = match () {
        () if found.author != own.account() => Some("only who wrote a message can change it"),
        () if !is_text => Some("only texts can be changed"),
        () if !within(&found, Some(now), EDIT_WITHIN) => Some("a message can be changed for 15 minutes"),
        () => None,
    };
    if let Some(why) = why {
        cx.fail(command, ErrorKind::WrongState, why);
        return Ok(());
    }
    let mentions = match groups::mentions_to_wire(cx, found.conversation, &body, mentions)? {
        Ok(mentions) => mentions,
        Err(why) => {
            cx.fail(command, ErrorKind::Invalid, why);
            return Ok(());
        }
    };
    let text = pb::Text { body, mentions, ..pb::Text::default() };
    let edit = pb::Edit { target: Some(to_wire(target(&found))), text: Some(text) };
    act_and_reply(cx, command, &found, Body::Edit(edit))
}

pub(crate) fn vote(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    message: MessageRef,
    mut options: Vec<u32>,
) -> Result<(), StoreError> {
    let Some(found) = find_content(cx, command, message)? else { return Ok(()) };
    let Some(Body::Poll(poll)) = pb::Content::decode(&found.content.expose()[..]).ok().and_then(|said| said.body)
    else {
        cx.fail(command, ErrorKind::Invalid, "this message is no poll");
        return Ok(());
    };
    options.sort_unstable();
    options.dedup();
    let exist = options.iter().all(|option| (*option as usize) < poll.options.len());
    if !exist || (options.len() > 1 && !poll.multiple) {
        cx.fail(command, ErrorKind::Invalid, "the poll has no such options, or takes one only");
        return Ok(());
    }
    let vote = pb::Vote { target: Some(to_wire(target(&found))), options };
    act_and_reply(cx, command, &found, Body::Vote(vote))
}

pub(crate) fn pin(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    message: MessageRef,
    seconds: Option<u32>,
) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    if seconds.is_some_and(|seconds| !PIN_SECONDS.contains(&seconds)) {
        cx.fail(command, ErrorKind::Invalid, "a message is pinned for 24 hours, 7 days or 30 days");
        return Ok(());
    }
    let Some(found) = find_content(cx, command, message)? else { return Ok(()) };
    if !has_right(cx, PIN, own.account(), found.conversation)? {
        cx.fail(command, ErrorKind::Refused, "only who may change the group's details can pin messages");
        return Ok(());
    }
    let pin = pb::Pin { target: Some(to_wire(target(&found))), seconds: seconds.unwrap_or(0) };
    act_and_reply(cx, command, &found, Body::Pin(pin))
}

pub(crate) fn show_pinned(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    conversation: Conversation,
) -> Result<(), StoreError> {
    let mut messages = Vec::new();
    for (target, _) in pinned(cx, conversation)? {
        if let Some(message) = cx.tx.message_named(target.author, target.name)? {
            messages.push(cx.message_view(&message)?);
        }
    }
    cx.reply(command, Ok(Reply::Messages { messages, more: false, newer: false }));
    Ok(())
}

/// For everyone: all of them or none.
pub(crate) fn delete(cx: &mut Cx<'_, '_>, command: CommandId, messages: &[MessageRef]) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    let mut found = Vec::with_capacity(messages.len());
    for message in messages {
        let Some(message) = find(cx, command, *message)? else { return Ok(()) };
        if message.kind == MessageKind::Deleted {
            continue;
        }
        let Some(message) = find_content(cx, command, crate::views::reference(&message))? else { return Ok(()) };
        let is_late = message.message_id.is_some() && deletable_until(&message, own.account()) < cx.now;
        let by_right = has_right(cx, DELETE, own.account(), message.conversation)?;
        let why = match () {
            () if by_right => None,
            () if message.author != own.account() => Some("only who wrote a message can delete it for everyone"),
            () if is_late => Some("a message can be deleted for everyone for 48 hours"),
            () => None,
        };
        if let Some(why) = why {
            cx.fail(command, ErrorKind::Refused, why);
            return Ok(());
        }
        found.push(message);
    }
    for message in found {
        let is_unsent = message.message_id.is_none() && message.attempts == 0;
        if is_unsent {
            cx.tx.remove_outbox_of_message(message.id)?;
            crate::forget::forget(cx, target(&message))?;
            continue;
        }
        let delete = pb::Delete { target: Some(to_wire(target(&message))) };
        act(cx, &message, Body::Delete(delete))?;
    }
    cx.reply(command, Ok(Reply::Done));
    Ok(())
}
