//! What a person says: texts, polls, places, contacts, and from when on it disappears.
//! Flow: command -> `say` (saved as pending, in the outbox, shown) -> `outbox`.

use crate::api::{CommandId, ErrorKind, LinkPreview, Mention, MessageRef, MessageView, NewContent, Reply};
use crate::core::Cx;
use crate::inbox::id_bytes;
use crate::{actions, forget, groups, kept, outbox, requests, views};
use bytes::Bytes;
use prost::Message as _;
use sotto_engine_store::{MessageKind, NewMessage, NewOutboxEntry, StoreError, StoredMessage, Target};
use sotto_types::{AccountId, ClientMsgId, Conversation, Secret, limits};
use sotto_wire::pb::{self, content::Body};

const QUESTION_CHARS: usize = 300;
const OPTION_CHARS: usize = 100;
const OPTIONS: std::ops::RangeInclusive<usize> = 2..=12;
const LABEL_CHARS: usize = 200;
const NAME_CHARS: usize = 64;
const FORWARD_TO: usize = 5;
const FORWARD_MESSAGES: usize = 30;

fn is_sound(body: &Body) -> bool {
    let short = |text: &str, chars: usize| text.chars().count() <= chars;
    match body {
        Body::Text(text) => text.body.len() <= limits::TEXT_BYTES,
        Body::Poll(poll) => {
            let alike = poll
                .options
                .iter()
                .enumerate()
                .any(|(at, option)| poll.options.iter().skip(at + 1).any(|other| other == option));
            let options = poll.options.iter().all(|option| !option.trim().is_empty() && short(option, OPTION_CHARS));
            !poll.question.trim().is_empty()
                && short(&poll.question, QUESTION_CHARS)
                && OPTIONS.contains(&poll.options.len())
                && options
                && !alike
        }
        Body::Location(place) => {
            place.latitude.abs() <= 90.0 && place.longitude.abs() <= 180.0 && short(&place.label, LABEL_CHARS)
        }
        Body::ContactCard(card) => {
            AccountId::try_from(&card.account[..]).is_ok()
                && short(&card.display_name, NAME_CHARS)
                && card.username.len() <= NAME_CHARS
        }
        _ => false,
    }
}

/// What a content is in the store.
pub(crate) fn kind_of(content: &pb::Content) -> MessageKind {
    match &content.body {
        Some(Body::Timer(timer)) if forget::is_timer(timer.seconds) => MessageKind::Timer,
        Some(body) if is_sound(body) => MessageKind::Content,
        _ => MessageKind::Unsupported,
    }
}

/// Saves it as pending; what is there under this name already stays. Returns it.
fn say(
    cx: &mut Cx<'_, '_>,
    to: Conversation,
    name: ClientMsgId,
    body: Body,
) -> Result<Option<StoredMessage>, StoreError> {
    let Some(own) = cx.own() else { return Ok(None) };
    if let Some(known) = cx.tx.message_named(own.account(), name)? {
        return Ok(Some(known));
    }
    if let Some(peer) = to.peer() {
        requests::accept(cx, peer)?;
    }
    let is_line = matches!(body, Body::Timer(_));
    if !is_line {
        begin_with_timer(cx, to)?;
    }
    let content = pb::Content {
        name: Bytes::copy_from_slice(name.as_bytes()),
        sent_at_ms: cx.now.as_ms(),
        expires_after_s: if is_line { 0 } else { forget::timer_of(cx, to)? },
        body: Some(body),
        ..pb::Content::default()
    };
    let (kind, expires_after_s) = (kind_of(&content), content.expires_after_s);
    let content = Secret::new(content.encode_to_vec());
    let id = cx.tx.insert_message(&NewMessage {
        author: own.account(),
        author_device: own.address.device,
        name,
        conversation: to,
        message_id: None,
        after: None,
        kind,
        content: content.clone(),
        written: cx.now,
        server_time: None,
        note: None,
        expires_after_s,
    })?;
    let Some(id) = id else { return Ok(None) };
    cx.tx.enqueue(&NewOutboxEntry {
        client_msg_id: name,
        recipient: to,
        class: outbox::MESSAGE,
        devices: Vec::new(),
        content,
        message: Some(id),
        now: cx.now,
        keep: false,
    })?;
    cx.message_added(id)?;
    cx.tx.message(id)
}

/// A conversation with a person begins: with what the person wants for new ones.
fn begin_with_timer(cx: &mut Cx<'_, '_>, to: Conversation) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    let Some(peer) = to.peer().filter(|peer| *peer != own.account()) else { return Ok(()) };
    let seconds = kept::preferences(cx)?.default_timer_s;
    if seconds > 0 && cx.tx.newest(peer.into())?.is_none() {
        let name = cx.new_name();
        say(cx, to, name, Body::Timer(pb::Timer { seconds }))?;
    }
    Ok(())
}

fn say_and_reply(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    to: Conversation,
    name: Option<ClientMsgId>,
    body: Body,
) -> Result<(), StoreError> {
    let name = name.unwrap_or_else(|| cx.new_name());
    match say(cx, to, name, body)? {
        Some(message) => {
            let message = cx.message_view(&message)?;
            cx.reply(command, Ok(Reply::Queued { message }));
        }
        None => cx.fail(command, ErrorKind::WrongState, "this message was deleted"),
    }
    Ok(())
}

/// A text as it is to be sent.
pub(crate) struct NewText<'a> {
    pub body: String,
    pub mentions: &'a [Mention],
    pub reply_to: Option<MessageRef>,
    pub preview: Option<LinkPreview>,
}

pub(crate) fn text(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    to: Conversation,
    name: Option<ClientMsgId>,
    new: NewText<'_>,
) -> Result<(), StoreError> {
    if new.body.is_empty() || new.body.len() > limits::TEXT_BYTES {
        cx.fail(command, ErrorKind::Invalid, "a message has between 1 byte and 32 KiB of text");
        return Ok(());
    }
    let quoted = new.reply_to.map(|message| Target { author: message.from, name: message.name });
    if let Some(quoted) = quoted {
        let found = cx.tx.message_named(quoted.author, quoted.name)?;
        if found.is_none_or(|found| found.conversation != to) {
            cx.fail(command, ErrorKind::NotFound, "the message to answer is not in this conversation (any more)");
            return Ok(());
        }
    }
    let preview = match new.preview.map(|preview| preview_to_wire(&new.body, preview)) {
        Some(None) => {
            cx.fail(command, ErrorKind::Invalid, "a preview is of a link in the text; title and description are short");
            return Ok(());
        }
        Some(preview) => preview,
        None => None,
    };
    let mentions = match groups::mentions_to_wire(cx, to, &new.body, new.mentions)? {
        Ok(mentions) => mentions,
        Err(why) => {
            cx.fail(command, ErrorKind::Invalid, why);
            return Ok(());
        }
    };
    let text =
        pb::Text { body: new.body, quoted: quoted.map(actions::to_wire), mentions, preview, ..pb::Text::default() };
    say_and_reply(cx, command, to, name, Body::Text(text))
}

fn preview_to_wire(body: &str, preview: LinkPreview) -> Option<pb::LinkPreview> {
    let fits = body.contains(&preview.url)
        && (preview.url.starts_with("https://") || preview.url.starts_with("http://"))
        && preview.title.chars().count() <= 200
        && preview.description.chars().count() <= 400;
    fits.then_some(pb::LinkPreview { url: preview.url, title: preview.title, description: preview.description })
}

pub(crate) fn content(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    to: Conversation,
    name: Option<ClientMsgId>,
    new: NewContent,
) -> Result<(), StoreError> {
    let body = match new {
        NewContent::Poll { question, options, multiple } => Body::Poll(pb::Poll { question, options, multiple }),
        NewContent::Location { latitude, longitude, label } => {
            Body::Location(pb::Location { latitude, longitude, label })
        }
        NewContent::Contact { account } => {
            let contact = views::contact(cx, account)?;
            let username = contact.username.map(String::from).unwrap_or_default();
            let display_name = contact.display_name.unwrap_or_default().chars().take(NAME_CHARS).collect();
            Body::ContactCard(pb::ContactCard { account: id_bytes(account), username, display_name })
        }
    };
    if !is_sound(&body) {
        let why = match body {
            Body::Poll(_) => {
                "a poll has a question of at most 300 characters and 2 to 12 different options of at most 100"
            }
            Body::Location(_) => {
                "a place has degrees between -90 and 90, and -180 and 180, and a label of at most 200 characters"
            }
            _ => "this cannot be sent",
        };
        cx.fail(command, ErrorKind::Invalid, why);
        return Ok(());
    }
    say_and_reply(cx, command, to, name, body)
}

pub(crate) fn set_timer(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    conversation: Conversation,
    seconds: u32,
) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    if !forget::is_timer(seconds) {
        cx.fail(command, ErrorKind::Invalid, "a timer is between 30 seconds and a year, or off");
        return Ok(());
    }
    let is_known = match conversation {
        Conversation::Peer(peer) => peer == own.account() || cx.tx.contact(peer)?.is_some(),
        Conversation::Group(group) => cx.tx.has_group(group)?,
    };
    if !is_known {
        cx.fail(command, ErrorKind::NotFound, "this profile does not know the conversation");
        return Ok(());
    }
    if !forget::may_set_timer(cx, conversation, own.account())? {
        cx.fail(command, ErrorKind::Refused, "only who may change the group's details can set its timer");
        return Ok(());
    }
    if forget::timer_of(cx, conversation)? != seconds {
        let name = cx.new_name();
        say(cx, conversation, name, Body::Timer(pb::Timer { seconds }))?;
        cx.event(crate::api::Event::ConversationChanged { conversation });
    }
    crate::conversations::show(cx, command, conversation)
}

/// The same again to others; `to` is known.
pub(crate) fn forward(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    messages: &[MessageRef],
    to: &[Conversation],
) -> Result<(), StoreError> {
    if to.is_empty() || to.len() > FORWARD_TO || messages.is_empty() || messages.len() > FORWARD_MESSAGES {
        cx.fail(command, ErrorKind::Invalid, "at most 30 messages are forwarded at once, to at most 5 conversations");
        return Ok(());
    }
    let mut bodies = Vec::with_capacity(messages.len());
    for message in messages {
        let Some(found) = actions::find(cx, command, *message)? else { return Ok(()) };
        let body = pb::Content::decode(&found.content.expose()[..]).ok().and_then(|content| content.body);
        let body = match body {
            Some(Body::Text(text)) => {
                let same = pb::Text { body: text.body, preview: text.preview, forwarded: true, ..pb::Text::default() };
                Some(Body::Text(same))
            }
            other => other.filter(is_sound),
        };
        let Some(body) = body.filter(|_| found.kind == MessageKind::Content) else {
            cx.fail(command, ErrorKind::Invalid, "this message cannot be forwarded");
            return Ok(());
        };
        bodies.push(body);
    }
    let mut sent: Vec<MessageView> = Vec::new();
    for conversation in to {
        if let Some(peer) = conversation.peer() {
            crate::inbox::list_contact(cx, peer)?;
        }
        for body in &bodies {
            let name = cx.new_name();
            if let Some(message) = say(cx, *conversation, name, body.clone())? {
                sent.push(cx.message_view(&message)?);
            }
        }
    }
    cx.reply(command, Ok(Reply::Messages { messages: sent, more: false, newer: false }));
    Ok(())
}

/// A message that failed: the same words under a new name.
pub(crate) fn again(cx: &mut Cx<'_, '_>, command: CommandId, failed: &StoredMessage) -> Result<(), StoreError> {
    let body = pb::Content::decode(&failed.content.expose()[..]).ok().and_then(|content| content.body);
    match body.filter(|_| matches!(failed.kind, MessageKind::Content | MessageKind::Timer)) {
        // A failed id stays failed, whatever arrives later: the copy is a message of its own.
        Some(body) => say_and_reply(cx, command, failed.conversation, None, body),
        None => {
            cx.fail(command, ErrorKind::Invalid, "this message cannot be sent again");
            Ok(())
        }
    }
}
