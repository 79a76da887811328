//! Presence and typing: who of those on the screen is there, and who is writing.
//! Flow, presence: command with the people on the screen -> what is new is subscribed, what is not shown any more is not ->
//!       `Presence` frames -> events. After a reconnection everything wanted is subscribed again.
//! Flow, typing: command with every key press -> one frame every few seconds -> an event there, which ends by itself.
//! Always true: nothing of it is stored; what is not heard again is over (a connection lost: everybody's presence is unknown).

use crate::api::{CommandId, ErrorKind, Event, PresenceView, Reply, TypingState};
use crate::connection;
use crate::core::Cx;
use crate::inbox::id_bytes;
use crate::views;
use bytes::Bytes;
use litemap::LiteMap;
use sotto_engine_store::StoreError;
use sotto_types::{AccountId, Conversation, GroupId, Timestamp};
use sotto_wire::pb::{self, client_frame::Body};
use std::time::Duration;

/// What a connection may be subscribed to.
pub(crate) const WATCHED_MAX: usize = 512;
const IN_A_FRAME: usize = 256;
/// Typing goes on being told so often, and is over at the other side when it was not.
const TELL_EVERY: Duration = Duration::from_secs(3);
const OVER_AFTER: Duration = Duration::from_secs(5);
/// People shown as typing at once; more are as good as these.
const TYPISTS_MAX: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct Presence {
    /// On the screen.
    wanted: LiteMap<AccountId, ()>,
    /// Asked for on this connection.
    subscribed: LiteMap<AccountId, ()>,
    /// `wanted` and `subscribed` may differ.
    is_due: bool,
    /// What was heard of them on it.
    known: LiteMap<AccountId, PresenceView>,
    /// Own typing, as last told, by conversation.
    told: LiteMap<Conversation, (TypingState, Timestamp)>,
    /// Who is typing where, what, and until when.
    typing: LiteMap<(Conversation, AccountId), (TypingState, Timestamp)>,
}

impl Presence {
    pub fn set_back(&mut self, by: Duration) {
        self.told.clear();
        self.typing.iter_mut().for_each(|(_, (_, until))| *until = until.minus(by));
    }

    /// A new connection subscribes anew. What was heard stays until `drive` says that it is not known any more.
    pub fn forget_transport(&mut self) {
        self.subscribed.clear();
        self.told.clear();
        self.is_due = true;
    }
}

/// These people are on the screen, and nobody else.
pub(crate) fn watch(cx: &mut Cx<'_, '_>, command: CommandId, people: &[AccountId]) {
    if people.len() > WATCHED_MAX {
        cx.fail(command, ErrorKind::Invalid, "at most 512 people can be watched");
        return;
    }
    let own = cx.own().map(|own| own.account());
    let presence = &mut cx.core.presence;
    presence.wanted = people.iter().filter(|account| Some(**account) != own).map(|account| (*account, ())).collect();
    // Who is on the screen again is shown what is known.
    let known: Vec<PresenceView> =
        presence.wanted.keys().filter_map(|account| presence.known.get(account)).cloned().collect();
    presence.is_due = true;
    if !known.is_empty() {
        cx.event(Event::PresenceChanged { people: known });
    }
    cx.reply(command, Ok(Reply::Done));
}

/// Subscribes to what is wanted and not yet asked for.
pub(crate) fn drive(cx: &mut Cx<'_, '_>) {
    let presence = &mut cx.core.presence;
    if !std::mem::take(&mut presence.is_due) {
        return;
    }
    let new: Vec<AccountId> =
        presence.wanted.keys().filter(|account| !presence.subscribed.contains_key(account)).copied().collect();
    let gone: Vec<AccountId> =
        presence.subscribed.keys().filter(|account| !presence.wanted.contains_key(account)).copied().collect();
    for account in &gone {
        presence.subscribed.remove(account);
        presence.known.remove(account);
    }
    presence.subscribed.extend(new.iter().map(|account| (*account, ())));
    let ids = |accounts: &[AccountId]| accounts.iter().map(|account| id_bytes(*account)).collect::<Vec<Bytes>>();
    for part in gone.chunks(IN_A_FRAME) {
        connection::send(cx, Body::UnsubscribePresence(pb::UnsubscribePresence { accounts: ids(part) }));
    }
    for part in new.chunks(IN_A_FRAME) {
        connection::send(cx, Body::SubscribePresence(pb::SubscribePresence { accounts: ids(part) }));
    }
}

pub(crate) fn on_presence(cx: &mut Cx<'_, '_>, said: &pb::Presence) {
    let mut people = Vec::new();
    for person in said.people.iter().take(WATCHED_MAX) {
        let Ok(account) = AccountId::try_from(&person.account_id[..]) else { continue };
        if !cx.core.presence.subscribed.contains_key(&account) {
            continue;
        }
        let view = PresenceView {
            account,
            online: person.online && !person.hidden,
            last_seen_ms: (person.last_seen_ms > 0 && !person.hidden).then_some(person.last_seen_ms),
        };
        cx.core.presence.known.insert(account, view.clone());
        people.push(view);
    }
    if !people.is_empty() {
        cx.event(Event::PresenceChanged { people });
    }
}

/// The connection is gone: what was heard on it may not be so any more.
pub(crate) fn on_lost(cx: &mut Cx<'_, '_>) {
    let people: Vec<PresenceView> = std::mem::take(&mut cx.core.presence.known)
        .into_iter()
        .map(|(account, _)| PresenceView { account, online: false, last_seen_ms: None })
        .collect();
    if !people.is_empty() {
        cx.event(Event::PresenceChanged { people });
    }
}

pub(crate) fn set_typing(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    conversation: Conversation,
    state: TypingState,
) -> Result<(), StoreError> {
    cx.reply(command, Ok(Reply::Done));
    let is_stranger = conversation.peer().is_some() && !cx.tx.is_accepted(conversation)?;
    let to_self = conversation.peer().is_some() && conversation.peer() == cx.own().map(|own| own.account());
    if is_stranger || to_self || !cx.core.link.is_up() {
        return Ok(());
    }
    let now = cx.now;
    let told = &mut cx.core.presence.told;
    told.retain(|_, (_, at)| at.plus(OVER_AFTER) > now);
    let last = told.get(&conversation).copied();
    let is_due = match last {
        Some((before, at)) => before != state || at.plus(TELL_EVERY) <= now,
        None => state != TypingState::Stopped,
    };
    if !is_due {
        return Ok(());
    }
    match state {
        TypingState::Stopped => told.remove(&conversation),
        _ => told.insert(conversation, (state, now)),
    };
    let of = match &conversation {
        Conversation::Peer(peer) => pb::conversation::Of::Peer(id_bytes(*peer)),
        Conversation::Group(group) => pb::conversation::Of::Group(Bytes::copy_from_slice(group.as_bytes())),
    };
    let wire = match state {
        TypingState::Stopped => pb::TypingState::Unspecified,
        TypingState::Typing => pb::TypingState::Typing,
        TypingState::Recording => pb::TypingState::Recording,
    };
    let typing = pb::Typing { conversation: Some(pb::Conversation { of: Some(of) }), state: wire.into() };
    connection::send(cx, Body::Typing(typing));
    Ok(())
}

fn conversation_of(said: &pb::TypingNotice) -> Option<Conversation> {
    match said.conversation.as_ref()?.of.as_ref()? {
        pb::conversation::Of::Peer(peer) => AccountId::try_from(&peer[..]).ok().map(Conversation::Peer),
        pb::conversation::Of::Group(group) => GroupId::try_from(&group[..]).ok().map(Conversation::Group),
    }
}

pub(crate) fn on_typing(cx: &mut Cx<'_, '_>, said: &pb::TypingNotice) -> Result<(), StoreError> {
    let (Some(conversation), Ok(account)) = (conversation_of(said), AccountId::try_from(&said.account_id[..])) else {
        return Ok(());
    };
    let is_theirs = match conversation {
        Conversation::Peer(peer) => peer == account && cx.tx.is_accepted(conversation)?,
        Conversation::Group(group) => cx.tx.has_group(group)?,
    };
    if !is_theirs || cx.own().is_some_and(|own| own.account() == account) {
        return Ok(());
    }
    let state = match said.state() {
        pb::TypingState::Unspecified => TypingState::Stopped,
        pb::TypingState::Typing => TypingState::Typing,
        pb::TypingState::Recording => TypingState::Recording,
    };
    let until = cx.now.plus(OVER_AFTER);
    let typing = &mut cx.core.presence.typing;
    let key = (conversation, account);
    let before = match state {
        TypingState::Stopped => typing.remove(&key),
        _ if typing.len() < TYPISTS_MAX || typing.contains_key(&key) => typing.insert(key, (state, until)),
        _ => return Ok(()),
    };
    if before.map_or(TypingState::Stopped, |(before, _)| before) == state {
        return Ok(());
    }
    let person = views::person(cx, account)?;
    cx.event(Event::Typing { conversation, person, state });
    Ok(())
}

/// Their message is here: they are not typing it any more.
pub(crate) fn on_message(cx: &mut Cx<'_, '_>, conversation: Conversation, from: AccountId) -> Result<(), StoreError> {
    if cx.core.presence.typing.remove(&(conversation, from)).is_some() {
        let person = views::person(cx, from)?;
        cx.event(Event::Typing { conversation, person, state: TypingState::Stopped });
    }
    Ok(())
}

/// Typing that was not heard of again.
pub(crate) fn end_typing(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    let now = cx.now;
    let over: Vec<(Conversation, AccountId)> =
        cx.core.presence.typing.iter().filter(|(_, (_, until))| *until <= now).map(|(key, _)| *key).collect();
    over.into_iter().try_for_each(|(conversation, account)| on_message(cx, conversation, account))
}

pub(crate) fn next_time(cx: &Cx<'_, '_>) -> Option<Timestamp> {
    cx.core.presence.typing.values().map(|(_, until)| *until).min()
}
