//! What a message shows: the last reaction and vote of each person, pins, earlier texts, and what may still be done with it.

use super::{
    DELETE_WITHIN, EDIT_WITHIN, FIRST_VERSION, PIN, PINS_MAX, REACTION, VOTE, about, body_of, may_edit, target,
};
use crate::core::Cx;
use sotto_engine_store::{MessageKind, StoreError, StoredAction, StoredMessage, Target};
use sotto_types::{AccountId, Conversation, Timestamp};
use sotto_wire::pb::{self, content::Body};
use std::time::Duration;

pub(crate) struct Shown {
    pub edited: Option<Timestamp>,
    /// (emoji, who), in the order of first use.
    pub reactions: Vec<(String, Vec<AccountId>)>,
    /// (who, options).
    pub votes: Vec<(AccountId, Vec<u32>)>,
    pub pinned_until: Option<Timestamp>,
}

pub(crate) fn shown(cx: &Cx<'_, '_>, message: &StoredMessage) -> Result<Shown, StoreError> {
    let actions = about(cx, message)?;
    let edited = actions.iter().rev().find(|stored| may_edit(message, &stored.action));
    let mut reactions: Vec<(String, Vec<AccountId>)> = Vec::new();
    for (who, body) in last_of_each(&actions, REACTION) {
        let Some(Body::Reaction(reaction)) = body else { continue };
        if reaction.emoji.is_empty() {
            continue;
        }
        match reactions.iter_mut().find(|(emoji, _)| *emoji == reaction.emoji) {
            Some((_, people)) => people.push(who),
            None => reactions.push((reaction.emoji, vec![who])),
        }
    }
    reactions.sort_by_key(|(_, people)| std::cmp::Reverse(people.len()));
    let votes = last_of_each(&actions, VOTE);
    let votes = votes.into_iter().filter_map(|(who, body)| match body {
        Some(Body::Vote(vote)) => Some((who, vote.options)),
        _ => None,
    });
    let is_pinned = actions.iter().any(|stored| stored.action.kind == PIN);
    let pins = if is_pinned { pinned(cx, message.conversation)? } else { Vec::new() };
    let pinned_until = pins.iter().find(|(about, _)| *about == target(message)).map(|(_, until)| *until);
    Ok(Shown { edited: edited.map(|stored| stored.action.written), reactions, votes: votes.collect(), pinned_until })
}

/// The newest of a kind by each person, in the order of those.
fn last_of_each(actions: &[StoredAction], kind: u8) -> Vec<(AccountId, Option<Body>)> {
    let of_kind = || actions.iter().filter(|stored| stored.action.kind == kind).enumerate();
    let is_last = |(at, stored): &(usize, &StoredAction)| {
        !of_kind().any(|(later, other)| later > *at && other.action.author == stored.action.author)
    };
    of_kind().filter(is_last).map(|(_, stored)| (stored.action.author, body_of(&stored.action))).collect()
}

/// What is pinned now and until when, those pinned last first.
pub(crate) fn pinned(cx: &Cx<'_, '_>, conversation: Conversation) -> Result<Vec<(Target, Timestamp)>, StoreError> {
    let pins = cx.tx.pins(conversation)?;
    let mut found: Vec<(Target, Timestamp)> = Vec::new();
    for (at, stored) in pins.iter().enumerate().rev() {
        let pin = &stored.action;
        let is_last = !pins.iter().skip(at + 1).any(|later| later.action.target == pin.target && later.action.allowed);
        let Some(Body::Pin(said)) = body_of(pin) else { continue };
        let since = pin.message_id.map_or(pin.written, |id| Timestamp::from_ms(id.time_ms()));
        let until = since.plus(Duration::from_secs(said.seconds.into()));
        if !(pin.allowed && is_last && said.seconds > 0 && until > cx.now) {
            continue;
        }
        let message = cx.tx.message_named(pin.target.author, pin.target.name)?;
        if message.is_some_and(|message| message.conversation == conversation && message.kind != MessageKind::Deleted) {
            found.push((pin.target, until));
        }
        if found.len() == PINS_MAX {
            break;
        }
    }
    Ok(found)
}

/// Earlier texts of a message, the first one first.
pub(crate) fn versions(cx: &Cx<'_, '_>, message: &StoredMessage) -> Result<Vec<(String, Timestamp)>, StoreError> {
    let actions = about(cx, message)?;
    let mut texts: Vec<(String, Timestamp)> = Vec::new();
    for stored in &actions {
        let text = match body_of(&stored.action) {
            Some(Body::Text(text)) if stored.action.kind == FIRST_VERSION => text.body,
            Some(Body::Edit(pb::Edit { text: Some(text), .. })) if may_edit(message, &stored.action) => text.body,
            _ => continue,
        };
        texts.push((text, stored.action.written));
    }
    // The last one is what it says now.
    texts.pop();
    Ok(texts)
}

/// Until when the own account can delete a message for everyone; zero: it cannot.
pub(crate) fn deletable_until(message: &StoredMessage, own: AccountId) -> Timestamp {
    match message.message_id {
        Some(id) if message.author == own && !message.failed => Timestamp::from_ms(id.time_ms()).plus(DELETE_WITHIN),
        _ => Timestamp::ZERO,
    }
}

pub(crate) fn editable_until(message: &StoredMessage, own: AccountId) -> Timestamp {
    match message.message_id {
        Some(id) if message.author == own && !message.failed => Timestamp::from_ms(id.time_ms()).plus(EDIT_WITHIN),
        _ => Timestamp::ZERO,
    }
}
