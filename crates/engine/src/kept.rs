//! What a person arranged, kept the same on all their devices: of each conversation, message, and of the account.
//! Flow: `set` (holds here at once) -> `drive` (gathered into one envelope to the own devices) -> its id -> whose value is newest.
//! Always true: of each fact the one with the highest id holds on every device in the end; a fact of a newer version is kept and given on.
//! Elsewhere: how two devices that set the same fact at once agree is `engine-store/src/facts.rs`'s.

use crate::api::{CommandId, Event, MessageRef, PreferenceChanges, Preferences, Reply};
use crate::core::Cx;
use crate::{outbox, profiles};
use bytes::Bytes;
use sotto_engine_store::{Fact, StoreError, Target};
use sotto_types::{AccountId, ClientMsgId, Conversation, MessageId, Timestamp};
use sotto_wire::pb;
use std::time::Duration;

pub(crate) const MUTED: &str = "muted";
pub(crate) const ARCHIVED: &str = "archived";
pub(crate) const PINNED: &str = "pinned";
pub(crate) const UNREAD: &str = "unread";
pub(crate) const DRAFT: &str = "draft";
pub(crate) const FOLDER: &str = "folder";
pub(crate) const NICKNAME: &str = "nickname";
pub(crate) const ACCEPTED: &str = "accepted";
/// The keys of their profile; about the account: the version of the own one.
pub(crate) const PROFILE: &str = "profile";
pub(crate) const DELETED: &str = "deleted";
const STARRED: &str = "starred";
const TIMER: &str = "timer";
const PREVIEWS: &str = "previews";

pub(crate) const ACCOUNT: &[u8] = b"a";
/// A draft is told once its author pauses.
const DRAFT_PAUSE: Duration = Duration::from_secs(3);
pub(crate) const FACTS_AT_ONCE: u32 = 64;
const BYTES_AT_ONCE: usize = 32 * 1024;
/// Longer ones stay on this device.
const VALUE_MAX: usize = 16 * 1024;
const NAME_MAX: usize = 32;
const ABOUT_MAX: usize = 64;

pub(crate) fn of_conversation(conversation: Conversation) -> Vec<u8> {
    [b"c", conversation.as_bytes()].concat()
}

fn of_message(target: Target) -> Vec<u8> {
    [&b"m"[..], target.author.as_bytes(), target.name.as_bytes()].concat()
}

/// A number that is not zero.
pub(crate) fn number(value: u64) -> Vec<u8> {
    if value == 0 { Vec::new() } else { value.to_be_bytes().to_vec() }
}

fn as_number(value: &[u8]) -> u64 {
    value.iter().take(8).fold(0, |all, byte| (all << 8) | u64::from(*byte))
}

fn as_text(value: &[u8], chars: usize) -> Option<String> {
    let text: String =
        String::from_utf8_lossy(value).chars().filter(|c| !c.is_control() || *c == '\n').take(chars).collect();
    (!text.is_empty()).then_some(text)
}

/// The person arranged it here.
pub(crate) fn set(cx: &mut Cx<'_, '_>, about: &[u8], name: &str, value: &[u8]) -> Result<(), StoreError> {
    if cx.tx.fact(about, name)?.is_some_and(|known| known.expose() == value) {
        return Ok(());
    }
    let at = if name == DRAFT { cx.now.plus(DRAFT_PAUSE) } else { cx.now };
    cx.tx.set_fact(about, name, value, at)?;
    apply(cx, about, name, value)
}

/// Makes what is shown follow the fact.
fn apply(cx: &mut Cx<'_, '_>, about: &[u8], name: &str, value: &[u8]) -> Result<(), StoreError> {
    match about.split_first() {
        Some((b'c', id)) => match Conversation::try_from(id) {
            Ok(conversation) => apply_to_conversation(cx, conversation, name, value),
            Err(_) => Ok(()),
        },
        Some((b'm', id)) if id.len() == 32 && name == STARRED => {
            let (author, name) = id.split_at(16);
            let (Ok(author), Ok(name)) = (AccountId::try_from(author), ClientMsgId::try_from(name)) else {
                return Ok(());
            };
            match cx.tx.message_named(author, name)? {
                Some(message) => cx.message_changed(message.id),
                None => Ok(()),
            }
        }
        Some((b'a', _)) if name == PROFILE => profiles::look_again(cx, as_number(value)),
        Some((b'a', _)) => {
            let preferences = preferences(cx)?;
            cx.event(Event::PreferencesChanged { preferences });
            Ok(())
        }
        _ => Ok(()),
    }
}

fn apply_to_conversation(
    cx: &mut Cx<'_, '_>,
    conversation: Conversation,
    name: &str,
    value: &[u8],
) -> Result<(), StoreError> {
    let is_set = !value.is_empty();
    if name == DELETED {
        return crate::requests::on_deleted(cx, conversation);
    }
    if let (PROFILE, Some(peer)) = (name, conversation.peer()) {
        profiles::want(cx, peer);
        return Ok(());
    }
    if !matches!(name, ACCEPTED | MUTED | ARCHIVED | PINNED | UNREAD | DRAFT | FOLDER | NICKNAME) {
        return Ok(());
    }
    if let (NICKNAME, Some(peer)) = (name, conversation.peer()) {
        let mut contact = cx.tx.contact(peer)?.unwrap_or_else(|| sotto_engine_store::Contact::new(peer));
        contact.nickname = as_text(value, 64);
        cx.tx.put_contact(&contact)?;
        return cx.contact_changed(peer);
    }
    cx.tx.start_conversation(conversation, cx.now)?;
    match name {
        ACCEPTED => match conversation.peer().filter(|_| is_set) {
            Some(peer) => crate::requests::on_accepted(cx, peer)?,
            None => return Ok(()),
        },
        MUTED => cx.tx.set_muted_until(conversation, Timestamp::from_ms(as_number(value)))?,
        ARCHIVED => cx.tx.set_archived(conversation, is_set)?,
        PINNED => cx.tx.set_pinned(conversation, is_set.then(|| Timestamp::from_ms(as_number(value))))?,
        UNREAD => {
            cx.tx.set_marked_unread(conversation, is_set)?;
        }
        DRAFT => cx.tx.set_draft(conversation, &String::from_utf8_lossy(value))?,
        FOLDER => cx.tx.set_folder(conversation, as_text(value, 32).as_deref())?,
        _ => {}
    }
    cx.event(Event::ConversationChanged { conversation });
    Ok(())
}

/// Tells the other devices what is due.
pub(crate) fn drive(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    let (mut told, mut bytes) = (Vec::new(), 0);
    for fact in cx.tx.changed_facts(cx.now, FACTS_AT_ONCE)? {
        let size = fact.value.expose().len();
        if size > VALUE_MAX {
            // Stays here.
            let name = cx.new_name();
            cx.tx.note_sending(&fact, name)?;
            cx.tx.settle_facts(name, None)?;
            continue;
        }
        if bytes + size > BYTES_AT_ONCE {
            break;
        }
        bytes += size + ABOUT_MAX + NAME_MAX;
        told.push(fact);
    }
    if told.is_empty() {
        return Ok(());
    }
    let facts = told.iter().map(to_wire).collect();
    let sync = pb::Sync { of: Some(pb::sync::Of::Kept(pb::Kept { facts })) };
    let body = pb::content::Body::Sync(Box::new(sync));
    let name = outbox::enqueue_control(cx, own.account(), Vec::new(), body, true)?;
    told.iter().try_for_each(|fact| cx.tx.note_sending(fact, name))
}

pub(crate) fn to_wire(fact: &Fact) -> pb::Fact {
    pb::Fact {
        about: Bytes::copy_from_slice(&fact.about),
        name: fact.name.clone(),
        value: Bytes::copy_from_slice(fact.value.expose()),
        set_at: fact.set_at.get(),
    }
}

pub(crate) fn next_time(cx: &Cx<'_, '_>) -> Result<Option<Timestamp>, StoreError> {
    cx.tx.next_changed_fact()
}

/// The envelope has its id; none: there was nobody to send it to.
pub(crate) fn settled(cx: &mut Cx<'_, '_>, name: ClientMsgId, id: Option<MessageId>) -> Result<(), StoreError> {
    for fact in cx.tx.settle_facts(name, id)? {
        apply(cx, &fact.about, &fact.name, fact.value.expose())?;
    }
    Ok(())
}

/// Another own device arranged it: in an envelope of this id, or in its history, where each fact has its own.
pub(crate) fn on_facts(cx: &mut Cx<'_, '_>, facts: &[pb::Fact], id: Option<MessageId>) -> Result<(), StoreError> {
    for fact in facts.iter().take(FACTS_AT_ONCE as usize) {
        let fits = fact.about.len() <= ABOUT_MAX && fact.name.len() <= NAME_MAX && fact.value.len() <= VALUE_MAX;
        let set_at = id.unwrap_or(MessageId::new(fact.set_at));
        if !fits || set_at >= MessageId::new(sotto_engine_store::PENDING_PLACE) {
            cx.tx.count("count.dropped", 1)?;
            continue;
        }
        if cx.tx.offer_fact(&fact.about, &fact.name, &fact.value, set_at)? {
            apply(cx, &fact.about, &fact.name, &fact.value)?;
        }
    }
    Ok(())
}

// Stars and preferences.

pub(crate) fn is_starred(cx: &Cx<'_, '_>, target: Target) -> Result<bool, StoreError> {
    Ok(cx.tx.fact(&of_message(target), STARRED)?.is_some_and(|value| !value.expose().is_empty()))
}

pub(crate) fn star(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    messages: &[MessageRef],
    starred: bool,
) -> Result<(), StoreError> {
    for message in messages {
        let Some(found) = crate::actions::find(cx, command, *message)? else { return Ok(()) };
        let value = if starred { number(cx.now.as_ms()) } else { Vec::new() };
        if is_starred(cx, crate::actions::target(&found))? != starred {
            set(cx, &of_message(crate::actions::target(&found)), STARRED, &value)?;
        }
    }
    cx.reply(command, Ok(Reply::Done));
    Ok(())
}

pub(crate) fn starred(cx: &mut Cx<'_, '_>, command: CommandId) -> Result<(), StoreError> {
    let mut found = cx.tx.facts_named(STARRED)?;
    found.sort_by_key(|fact| std::cmp::Reverse(as_number(fact.value.expose())));
    let mut messages = Vec::new();
    for fact in found {
        let Some((author, name)) = fact.about.get(1..).filter(|id| id.len() == 32).map(|id| id.split_at(16)) else {
            continue;
        };
        let (Ok(author), Ok(name)) = (AccountId::try_from(author), ClientMsgId::try_from(name)) else { continue };
        if let Some(message) = cx.tx.message_named(author, name)? {
            messages.push(cx.message_view(&message)?);
        }
    }
    cx.reply(command, Ok(Reply::Messages { messages, more: false, newer: false }));
    Ok(())
}

pub(crate) fn preferences(cx: &Cx<'_, '_>) -> Result<Preferences, StoreError> {
    let value = |name: &str| -> Result<u64, StoreError> {
        Ok(cx.tx.fact(ACCOUNT, name)?.map_or(0, |value| as_number(value.expose())))
    };
    Ok(Preferences { default_timer_s: u32::try_from(value(TIMER)?).unwrap_or(0), link_previews: value(PREVIEWS)? > 0 })
}

pub(crate) fn show_preferences(cx: &mut Cx<'_, '_>, command: CommandId) -> Result<(), StoreError> {
    let preferences = preferences(cx)?;
    cx.reply(command, Ok(Reply::Preferences { preferences }));
    Ok(())
}

pub(crate) fn set_preferences(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    changes: &PreferenceChanges,
) -> Result<(), StoreError> {
    if changes.default_timer_s.is_some_and(|seconds| !crate::forget::is_timer(seconds)) {
        cx.fail(command, crate::api::ErrorKind::Invalid, "a timer is between 30 seconds and a year, or off");
        return Ok(());
    }
    if let Some(seconds) = changes.default_timer_s {
        set(cx, ACCOUNT, TIMER, &number(seconds.into()))?;
    }
    if let Some(previews) = changes.link_previews {
        set(cx, ACCOUNT, PREVIEWS, &number(previews.into()))?;
    }
    show_preferences(cx, command)
}
