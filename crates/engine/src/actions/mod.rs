//! Actions: what people do with messages once they are said. Reactions, edits, deletes for everyone, votes, pins.
//! Flow, out: command -> `act` (stored, counts here at once) -> outbox, like a message -> its id -> counts where that puts it.
//! Flow, in:  `take` (checked, stored, whether its message is here or not) -> `settle`.
//! Always true:
//! - what a message shows follows from it and the set of actions about it, ordered by the ids the server gave them: devices that
//!   have the same set show the same, whatever came first;
//! - an action counts only in the conversation of its message, and only from who has the right to it. Times are those of ids, which
//!   are the same for everybody;
//! - of a message deleted for everyone nothing is kept but that it was there, and who deleted it.
//! Elsewhere: commands are in `commands`, what a message shows in `shown`; deleting for oneself and what disappears by itself in `forget`.

mod commands;
mod shown;

pub(crate) use commands::{delete, edit, find, pin, react, show_pinned, vote};
pub(crate) use shown::{Shown, deletable_until, editable_until, pinned, shown, versions};

use crate::core::Cx;
use crate::groups;
use crate::inbox::id_bytes;
use bytes::Bytes;
use prost::Message as _;
use sotto_engine_store::{MessageKind, NewAction, StoreError, StoredAction, StoredMessage, Target};
use sotto_types::{AccountId, ClientMsgId, Conversation, DeviceId, MessageId, Secret, Timestamp, limits};
use sotto_wire::pb::{self, content::Body};
use std::time::Duration;

/// Numbers of bodies. The first version of an edited text is kept as if it were an action about itself.
const FIRST_VERSION: u8 = 0;
const REACTION: u8 = 20;
const EDIT: u8 = 21;
const DELETE: u8 = 22;
const VOTE: u8 = 25;
const PIN: u8 = 29;

pub(crate) const EDIT_WITHIN: Duration = Duration::from_secs(15 * 60);
pub(crate) const DELETE_WITHIN: Duration = Duration::from_secs(48 * 3600);
const EMOJI_BYTES: usize = 64;
const PINS_MAX: usize = 3;
const PIN_SECONDS: [u32; 3] = [86_400, 7 * 86_400, 30 * 86_400];
const OPTIONS_MAX: usize = 12;

/// The action that a content is: its number and what it is about; none: it is no action.
fn parts(body: &Body) -> Option<(u8, Option<&pb::Target>)> {
    match body {
        Body::Reaction(reaction) => Some((REACTION, reaction.target.as_ref())),
        Body::Edit(edit) => Some((EDIT, edit.target.as_ref())),
        Body::Delete(delete) => Some((DELETE, delete.target.as_ref())),
        Body::Vote(vote) => Some((VOTE, vote.target.as_ref())),
        Body::Pin(pin) => Some((PIN, pin.target.as_ref())),
        _ => None,
    }
}

pub(crate) fn is_action(content: &pb::Content) -> bool {
    content.body.as_ref().is_some_and(|body| parts(body).is_some())
}

pub(crate) fn target_of(target: &pb::Target) -> Option<Target> {
    let author = AccountId::try_from(&target.author[..]).ok()?;
    Some(Target { author, name: ClientMsgId::try_from(&target.name[..]).ok()? })
}

pub(crate) fn to_wire(target: Target) -> pb::Target {
    pb::Target { author: id_bytes(target.author), name: Bytes::copy_from_slice(target.name.as_bytes()) }
}

/// Whose words a part of a history has: the message that it is, or the one that it is about. A deletion has none.
pub(crate) fn held_by(given: &pb::HistoryMessage) -> Option<Target> {
    let content = given.content.as_ref()?;
    match content.body.as_ref().and_then(parts) {
        Some((kind, about)) => about.filter(|_| kind != DELETE).and_then(target_of),
        None => Some(Target {
            author: AccountId::try_from(&given.sender_account[..]).ok()?,
            name: ClientMsgId::try_from(&content.name[..]).ok()?,
        }),
    }
}

pub(crate) fn target(message: &StoredMessage) -> Target {
    Target { author: message.author, name: message.name }
}

fn is_emoji(text: &str) -> bool {
    text.len() <= EMOJI_BYTES && !text.chars().any(|c| c.is_control() || c.is_whitespace() || c.is_ascii_alphabetic())
}

/// Whether it says something that can be said.
fn is_sound(body: &Body) -> bool {
    match body {
        Body::Reaction(reaction) => is_emoji(&reaction.emoji),
        Body::Edit(edit) => {
            edit.text.as_ref().is_some_and(|text| !text.body.is_empty() && text.body.len() <= limits::TEXT_BYTES)
        }
        Body::Vote(vote) => vote.options.len() <= OPTIONS_MAX,
        Body::Pin(pin) => pin.seconds == 0 || PIN_SECONDS.contains(&pin.seconds),
        _ => true,
    }
}

/// An action that came from somebody.
#[derive(Debug, Clone)]
pub(crate) struct Incoming {
    pub author: AccountId,
    pub device: DeviceId,
    pub conversation: Conversation,
    pub message_id: MessageId,
    pub server_time: Timestamp,
    /// Known already: an own device looked when it came.
    pub allowed: Option<bool>,
}

pub(crate) fn take(cx: &mut Cx<'_, '_>, from: &Incoming, mut content: pb::Content) -> Result<(), StoreError> {
    let Some((kind, about)) = content.body.as_ref().filter(|body| is_sound(body)).and_then(parts) else {
        cx.tx.count("count.dropped", 1)?;
        return Ok(());
    };
    let (Some(about), Ok(name)) = (about.and_then(target_of), ClientMsgId::try_from(&content.name[..])) else {
        cx.tx.count("count.dropped", 1)?;
        return Ok(());
    };
    if let Some(Body::Edit(pb::Edit { text: Some(text), .. })) = &mut content.body {
        groups::keep_allowed(cx, from.conversation, from.author, text)?;
    }
    let allowed = match from.allowed {
        Some(allowed) => allowed,
        None => has_right(cx, kind, from.author, from.conversation)?,
    };
    cx.tx.insert_action(&NewAction {
        author: from.author,
        author_device: from.device,
        name,
        conversation: from.conversation,
        kind,
        target: about,
        message_id: Some(from.message_id),
        content: Secret::new(content.encode_to_vec()),
        written: Timestamp::from_ms(content.sent_at_ms),
        server_time: Some(from.server_time),
        allowed,
    })?;
    if settle(cx, about)? { changed(cx, about) } else { Ok(()) }
}

fn changed(cx: &mut Cx<'_, '_>, about: Target) -> Result<(), StoreError> {
    match cx.tx.message_named(about.author, about.name)? {
        Some(message) => cx.message_changed(message.id),
        None => Ok(()),
    }
}

/// A right that does not follow from the message: an admin's over messages of others, and who may pin.
fn has_right(cx: &mut Cx<'_, '_>, kind: u8, who: AccountId, conversation: Conversation) -> Result<bool, StoreError> {
    match (conversation, kind) {
        (Conversation::Peer(_), PIN) => Ok(true),
        (Conversation::Group(group), PIN) => groups::may_change_details(cx, group, who),
        (Conversation::Group(group), DELETE) => groups::is_admin(cx, group, who),
        _ => Ok(false),
    }
}

/// Whether `later` came within so long after the message. What the server has not taken yet counts: it was looked at here.
fn within(message: &StoredMessage, later: Option<MessageId>, limit: Duration) -> bool {
    let (Some(first), Some(later)) = (message.message_id, later) else { return true };
    let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
    later.time_ms().saturating_sub(first.time_ms()) <= limit
}

fn may_edit(message: &StoredMessage, edit: &NewAction) -> bool {
    edit.kind == EDIT && edit.author == message.author && within(message, edit.message_id, EDIT_WITHIN)
}

fn may_delete(message: &StoredMessage, delete: &NewAction) -> bool {
    let own = delete.author == message.author && within(message, delete.message_id, DELETE_WITHIN);
    delete.kind == DELETE && (own || delete.allowed)
}

fn body_of(action: &NewAction) -> Option<Body> {
    pb::Content::decode(&action.content.expose()[..]).ok()?.body
}

/// Those about a message that are of its conversation.
pub(crate) fn about(cx: &Cx<'_, '_>, message: &StoredMessage) -> Result<Vec<StoredAction>, StoreError> {
    let mut all = cx.tx.actions_on(target(message))?;
    all.retain(|stored| stored.action.conversation == message.conversation);
    Ok(all)
}

/// Makes the message what the actions about it say. Returns whether it is here.
pub(crate) fn settle(cx: &mut Cx<'_, '_>, about: Target) -> Result<bool, StoreError> {
    let Some(message) = cx.tx.message_named(about.author, about.name)? else { return Ok(false) };
    if !matches!(message.kind, MessageKind::Content | MessageKind::Deleted | MessageKind::Unsupported) {
        return Ok(false);
    }
    let actions = self::about(cx, &message)?;
    if let Some(delete) = actions.iter().map(|stored| &stored.action).find(|action| may_delete(&message, action)) {
        if message.deleted_by != Some(delete.author) {
            cx.tx.set_deleted(message.id, delete.author)?;
        }
        cx.tx.delete_actions_on(about, Some(DELETE))?;
        return Ok(true);
    }
    if message.kind == MessageKind::Deleted {
        // By what an own device gave with its history.
        cx.tx.delete_actions_on(about, Some(DELETE))?;
        return Ok(true);
    }
    drop_outdated(cx, &actions)?;
    settle_text(cx, &message, &actions)?;
    Ok(true)
}

/// Of somebody else's reactions and votes only the last one counts. Own ones may be asked for again.
fn drop_outdated(cx: &mut Cx<'_, '_>, actions: &[StoredAction]) -> Result<(), StoreError> {
    let own = cx.own().map(|own| own.account());
    for (at, stored) in actions.iter().enumerate() {
        let (author, kind) = (stored.action.author, stored.action.kind);
        let is_beaten =
            actions.iter().skip(at + 1).any(|later| later.action.author == author && later.action.kind == kind);
        if matches!(kind, REACTION | VOTE) && Some(author) != own && is_beaten {
            cx.tx.delete_action(stored.id)?;
        }
    }
    Ok(())
}

fn settle_text(cx: &mut Cx<'_, '_>, message: &StoredMessage, actions: &[StoredAction]) -> Result<(), StoreError> {
    let last = actions.iter().rev().map(|stored| &stored.action).find(|action| may_edit(message, action));
    let first = actions.iter().map(|stored| &stored.action).find(|action| action.kind == FIRST_VERSION);
    let first_content = first.map_or(&message.content, |first| &first.content);
    let Ok(mut content) = pb::Content::decode(&first_content.expose()[..]) else { return Ok(()) };
    let Some(Body::Text(text)) = &mut content.body else { return Ok(()) };
    match last.and_then(body_of) {
        Some(Body::Edit(pb::Edit { text: Some(edited), .. })) => {
            if first.is_none() {
                cx.tx.insert_action(&NewAction {
                    author: message.author,
                    author_device: message.author_device,
                    name: message.name,
                    conversation: message.conversation,
                    kind: FIRST_VERSION,
                    target: target(message),
                    // Before all that is about it.
                    message_id: Some(MessageId::ZERO),
                    content: message.content.clone(),
                    written: message.written,
                    server_time: message.server_time,
                    allowed: false,
                })?;
            }
            (text.body, text.mentions) = (edited.body, edited.mentions);
        }
        _ if first.is_none() => return Ok(()),
        _ => {}
    }
    let content = content.encode_to_vec();
    if content != *message.content.expose() {
        cx.tx.set_content(message.id, MessageKind::Content, &content)?;
    }
    Ok(())
}

/// The content as it was said first: what is sent again, and what a new device gets.
pub(crate) fn first_content(cx: &Cx<'_, '_>, message: &StoredMessage) -> Result<Secret<Vec<u8>>, StoreError> {
    let first = about(cx, message)?.into_iter().find(|stored| stored.action.kind == FIRST_VERSION);
    Ok(first.map_or_else(|| message.content.clone(), |first| first.action.content))
}

// What becomes of an action in the outbox.

/// The server took a send that moves no ticks.
pub(crate) fn on_accepted(
    cx: &mut Cx<'_, '_>,
    name: ClientMsgId,
    message_id: MessageId,
    server_time: Timestamp,
) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    let Some(stored) = cx.tx.action_named(own.account(), name)? else { return Ok(()) };
    cx.tx.raise_seen(stored.action.conversation, message_id)?;
    if cx.tx.accept_action(stored.id, message_id, server_time)? && settle(cx, stored.action.target)? {
        changed(cx, stored.action.target)?;
    }
    Ok(())
}

/// It was refused for good: as if it had not been done.
pub(crate) fn on_failed(cx: &mut Cx<'_, '_>, name: ClientMsgId, note: &str) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    let Some(stored) = cx.tx.action_named(own.account(), name)? else { return Ok(()) };
    cx.tx.delete_action(stored.id)?;
    cx.notice(format!("a change to a message did not reach the others: {note}"));
    if settle(cx, stored.action.target)? { changed(cx, stored.action.target) } else { Ok(()) }
}

/// What of an action goes to a new device.
pub(crate) fn give(stored: &StoredAction) -> pb::HistoryMessage {
    let action = &stored.action;
    let group = action.conversation.group();
    pb::HistoryMessage {
        peer: action.conversation.peer().map(id_bytes).unwrap_or_default(),
        sender_account: id_bytes(action.author),
        sender_device: action.author_device.into(),
        message_id: action.message_id.unwrap_or_default().get(),
        server_time_ms: action.server_time.unwrap_or_default().as_ms(),
        content: pb::Content::decode(&action.content.expose()[..]).ok(),
        group_id: group.map(|group| Bytes::copy_from_slice(group.as_bytes())).unwrap_or_default(),
        allowed: action.allowed,
        ..pb::HistoryMessage::default()
    }
}
