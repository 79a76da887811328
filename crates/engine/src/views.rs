//! What people and programs see of rows.

use crate::api::{
    ContactCardView, ContactView, ConversationView, CopyDetails, LinkPreview, Mention, MessageBody, MessageDetails,
    MessageExtras, MessageRef, MessageStatus, MessageTimes, MessageVersion, MessageView, PersonView, PollOptionView,
    QuoteView, ReactionView,
};
use crate::core::Cx;
use crate::profile::hex;
use crate::{actions, forget, groups, kept, outbox};
use bytes::Bytes;
use prost::Message as _;
use sotto_engine_store::{Contact, ConversationRow, MessageKind, StoreError, StoredMessage, Target};
use sotto_types::{AccountId, Conversation, Timestamp, Username};
use sotto_wire::pb;

pub(crate) fn message(cx: &Cx<'_, '_>, message: &StoredMessage) -> Result<MessageView, StoreError> {
    let own = cx.core.own.as_ref().map(|own| own.account());
    let from_me = own == Some(message.author);
    let is_line = matches!(
        message.kind,
        MessageKind::KeyChanged | MessageKind::ProfileRestored | MessageKind::GroupChange | MessageKind::Timer
    );
    let shown = match message.kind {
        MessageKind::Content | MessageKind::Unsupported => Some(actions::shown(cx, message)?),
        _ => None,
    };
    let body = body(cx, message, shown.as_ref())?;
    let mentions_me = match &body {
        MessageBody::Text { mentions, .. } if !from_me => mentions.iter().any(|mention| names(mention, own)),
        _ => false,
    };
    Ok(MessageView {
        position: message.place,
        name: message.name,
        message_id: message.message_id,
        late_id: message.late_id,
        conversation: message.conversation,
        from: message.author,
        from_name: name_of(cx, message.author)?,
        from_me,
        mentions_me,
        from_device: message.author_device,
        body,
        status: if is_line { MessageStatus::Received } else { status(cx, message, from_me)? },
        written_ms: message.written.as_ms(),
        server_time_ms: message.server_time.map(Timestamp::as_ms),
        delivered_ms: message.delivered.map(Timestamp::as_ms),
        read_ms: message.read.map(Timestamp::as_ms),
        note: message.note.clone(),
        extras: Box::new(extras(cx, message, shown)?),
    })
}

pub(crate) fn reference(message: &StoredMessage) -> MessageRef {
    MessageRef { from: message.author, name: message.name }
}

fn extras(
    cx: &Cx<'_, '_>,
    message: &StoredMessage,
    shown: Option<actions::Shown>,
) -> Result<MessageExtras, StoreError> {
    let Some(shown) = shown else { return Ok(MessageExtras::default()) };
    let text = text(message);
    let quoted = text.as_ref().and_then(|text| text.quoted.as_ref()).and_then(actions::target_of);
    let own = cx.core.own.as_ref().map(|own| own.account());
    let until = |of: fn(&StoredMessage, AccountId) -> Timestamp| own.map_or(0, |own| of(message, own).as_ms());
    let is_text = text.is_some();
    let mut reactions = Vec::with_capacity(shown.reactions.len());
    for (emoji, people) in shown.reactions {
        reactions.push(ReactionView { emoji, people: self::people(cx, &people)? });
    }
    Ok(MessageExtras {
        quote: quoted.map(|quoted| quote(cx, message.conversation, quoted)).transpose()?,
        forwarded: text.as_ref().is_some_and(|text| text.forwarded),
        preview: text.and_then(|text| text.preview).map(|preview| LinkPreview {
            url: preview.url,
            title: preview.title,
            description: preview.description,
        }),
        edited_ms: shown.edited.map(Timestamp::as_ms),
        reactions,
        starred: kept::is_starred(cx, actions::target(message))?,
        pinned_until_ms: shown.pinned_until.map(Timestamp::as_ms),
        expires_after_s: message.expires_after_s,
        expires_ms: message.expires.map(Timestamp::as_ms),
        editable_until_ms: if is_text { until(actions::editable_until) } else { 0 },
        deletable_until_ms: until(actions::deletable_until),
    })
}

fn people(cx: &Cx<'_, '_>, accounts: &[AccountId]) -> Result<Vec<PersonView>, StoreError> {
    accounts.iter().map(|account| person(cx, *account)).collect()
}

/// Of a message that another one answers.
const QUOTE_CHARS: usize = 200;

fn quote(cx: &Cx<'_, '_>, conversation: Conversation, quoted: Target) -> Result<QuoteView, StoreError> {
    let found = cx.tx.message_named(quoted.author, quoted.name)?;
    let found = found.filter(|found| found.conversation == conversation && found.kind == MessageKind::Content);
    let said = found.and_then(|found| pb::Content::decode(&found.content.expose()[..]).ok()?.body);
    let text = said.and_then(|said| match said {
        pb::content::Body::Text(text) => Some(text.body),
        pb::content::Body::Poll(poll) => Some(poll.question),
        pb::content::Body::Location(place) => Some(place.label),
        pb::content::Body::ContactCard(card) => Some(card.display_name),
        _ => None,
    });
    Ok(QuoteView {
        message: MessageRef { from: quoted.author, name: quoted.name },
        author: person(cx, quoted.author)?,
        text: text.map(|text| text.chars().take(QUOTE_CHARS).collect()),
    })
}

fn names(mention: &Mention, own: Option<AccountId>) -> bool {
    mention.account.is_none() || mention.account == own
}

/// Display name, username, or the beginning of the id.
fn name_of(cx: &Cx<'_, '_>, account: AccountId) -> Result<String, StoreError> {
    if let Some(own) = cx.core.own.as_ref().filter(|own| own.account() == account) {
        return Ok(own.username.to_string());
    }
    let contact = cx.tx.contact(account)?;
    let name = contact.and_then(|contact| contact.nickname.or(contact.display_name).or(contact.username));
    Ok(name.unwrap_or_else(|| account.to_string().chars().take(SHORT_ID).collect()))
}

/// Somebody in a line.
pub(crate) fn person(cx: &Cx<'_, '_>, account: AccountId) -> Result<PersonView, StoreError> {
    let is_me = cx.core.own.as_ref().is_some_and(|own| own.account() == account);
    Ok(PersonView { account, name: name_of(cx, account)?, is_me })
}

fn status(cx: &Cx<'_, '_>, message: &StoredMessage, from_me: bool) -> Result<MessageStatus, StoreError> {
    if !from_me {
        let waiting = message.kind == MessageKind::Undecryptable;
        return Ok(if waiting { MessageStatus::Waiting } else { MessageStatus::Received });
    }
    if message.failed {
        return Ok(MessageStatus::Failed);
    }
    if message.message_id.is_none() {
        let peer = message.conversation.peer().map_or(Ok(None), |peer| cx.tx.contact(peer))?;
        let held = peer.is_some_and(|contact| contact.pending_key.is_some());
        return Ok(if held { MessageStatus::Held } else { MessageStatus::Pending });
    }
    Ok(match (message.read, message.delivered) {
        (Some(_), _) => MessageStatus::Read,
        (None, Some(_)) => MessageStatus::Delivered,
        (None, None) => MessageStatus::Sent,
    })
}

fn body(cx: &Cx<'_, '_>, message: &StoredMessage, shown: Option<&actions::Shown>) -> Result<MessageBody, StoreError> {
    Ok(match message.kind {
        MessageKind::Content => content(cx, message, shown)?,
        MessageKind::Deleted => MessageBody::Deleted { by: person(cx, message.deleted_by.unwrap_or(message.author))? },
        MessageKind::Timer => match timer(message) {
            Some(seconds) => MessageBody::Timer { seconds },
            None => MessageBody::Unsupported,
        },
        MessageKind::Undecryptable => MessageBody::Undecryptable,
        MessageKind::KeyChanged => MessageBody::KeyChanged { identity_key: hex(message.content.expose()) },
        MessageKind::Unsupported => MessageBody::Unsupported,
        MessageKind::GroupChange => match groups::change_text(cx, message)? {
            Some(change) => MessageBody::GroupChange { change },
            None => MessageBody::Unsupported,
        },
        MessageKind::ProfileRestored => MessageBody::ProfileRestored,
    })
}

fn content(
    cx: &Cx<'_, '_>,
    message: &StoredMessage,
    shown: Option<&actions::Shown>,
) -> Result<MessageBody, StoreError> {
    use pb::content::Body;
    let body = pb::Content::decode(&message.content.expose()[..]).ok().and_then(|content| content.body);
    Ok(match body {
        Some(Body::Text(text)) => MessageBody::Text { mentions: groups::of_text(&text), body: text.body },
        Some(Body::Poll(poll)) => {
            let votes = shown.map(|shown| &shown.votes[..]).unwrap_or_default();
            let mut options = Vec::with_capacity(poll.options.len());
            for (at, text) in (0..).zip(poll.options) {
                // Of a vote for several in a poll that takes one, the first counts.
                let counts =
                    |given: &[u32]| if poll.multiple { given.contains(&at) } else { given.first() == Some(&at) };
                let voters: Vec<AccountId> =
                    votes.iter().filter(|(_, given)| counts(given)).map(|(who, _)| *who).collect();
                options.push(PollOptionView { text, voters: people(cx, &voters)? });
            }
            MessageBody::Poll { question: poll.question, options, multiple: poll.multiple }
        }
        Some(Body::Location(place)) => {
            MessageBody::Location { latitude: place.latitude, longitude: place.longitude, label: place.label }
        }
        Some(Body::ContactCard(card)) => match AccountId::try_from(&card.account[..]) {
            Ok(account) => {
                let username = Username::parse(&card.username).ok();
                let known = username.as_ref().map(|name| name.as_str().to_owned()).unwrap_or_default();
                let name = if card.display_name.is_empty() { known } else { card.display_name };
                MessageBody::ContactCard { card: ContactCardView { account, username, name } }
            }
            Err(_) => MessageBody::Unsupported,
        },
        _ => MessageBody::Unsupported,
    })
}

/// Seconds of a line about the timer.
pub(crate) fn timer(message: &StoredMessage) -> Option<u32> {
    match pb::Content::decode(&message.content.expose()[..]).ok()?.body? {
        pb::content::Body::Timer(timer) => Some(timer.seconds),
        _ => None,
    }
}

pub(crate) fn text(message: &StoredMessage) -> Option<pb::Text> {
    match pb::Content::decode(&message.content.expose()[..]).ok()?.body? {
        pb::content::Body::Text(text) => Some(text),
        _ => None,
    }
}

pub(crate) fn details(cx: &mut Cx<'_, '_>, message: &StoredMessage) -> Result<MessageDetails, StoreError> {
    let stored: Vec<CopyDetails> =
        message.copies.as_ref().and_then(|json| serde_json::from_slice(json).ok()).unwrap_or_default();
    let times = cx.tx.local_times(message.id)?;
    // What is on its way is not stored yet.
    let under_way = message.message_id.is_none().then(|| outbox::under_way(cx, message.name)).flatten();
    let (mut copies, ciphertexts, sent) = match under_way {
        Some(sent) => (sent.copies.clone(), sent.ciphertexts.clone(), Some(sent.sealed_at)),
        None => {
            let kept = cx.tx.ciphertexts(message.id)?;
            (stored, kept.into_iter().map(Bytes::from).collect(), times.sent)
        }
    };
    for (copy, ciphertext) in copies.iter_mut().zip(ciphertexts) {
        copy.ciphertext = Some(hex(&ciphertext));
    }
    let times = MessageTimes {
        // A step has one time: sealed and handed over are the same moment.
        encrypted_ms: sent.map(Timestamp::as_ms),
        sent_ms: sent.map(Timestamp::as_ms),
        stored_ms: message.server_time.map(Timestamp::as_ms),
        accepted_ms: times.accepted.map(Timestamp::as_ms),
        delivered_ms: message.delivered.map(Timestamp::as_ms),
        read_ms: message.read.map(Timestamp::as_ms),
        received_ms: times.received.map(Timestamp::as_ms),
    };
    let members = groups::receipts(cx, message)?;
    let versions = actions::versions(cx, message)?
        .into_iter()
        .map(|(body, written)| MessageVersion { body, written_ms: written.as_ms() })
        .collect();
    Ok(MessageDetails { copies, resends: message.resends, attempts: message.attempts, times, members, versions })
}

pub(crate) fn contact(cx: &Cx<'_, '_>, account: AccountId) -> Result<ContactView, StoreError> {
    let contact = cx.tx.contact(account)?.unwrap_or_else(|| Contact::new(account));
    Ok(contact_row(&contact))
}

pub(crate) fn contact_row(contact: &Contact) -> ContactView {
    // Its signature was verified before it was stored; to count, it is not verified again for every row shown.
    let list = contact.list.as_ref().and_then(|(payload, _)| pb::DeviceList::decode(&payload[..]).ok());
    ContactView {
        account: contact.account,
        username: contact.username.as_deref().and_then(|name| Username::parse(name).ok()),
        display_name: contact.display_name.clone(),
        nickname: contact.nickname.clone(),
        about: contact.about.clone(),
        picture: contact.picture.clone(),
        verified: contact.verified && contact.pending_key.is_none(),
        blocked: contact.blocked,
        key_changed: contact.pending_key.is_some(),
        identity_key: contact.identity_key.as_deref().map(hex),
        new_identity_key: contact.pending_key.as_deref().map(hex),
        devices: list.map_or(0, |list| u32::try_from(list.devices.len()).unwrap_or(u32::MAX)),
    }
}

/// The person of a conversation; none: it is a group's.
pub(crate) fn peer(cx: &Cx<'_, '_>, conversation: Conversation) -> Result<Option<ContactView>, StoreError> {
    conversation.peer().map(|peer| contact(cx, peer)).transpose()
}

/// What a conversation is called.
pub(crate) fn title_of(
    cx: &Cx<'_, '_>,
    conversation: Conversation,
    contact: Option<&ContactView>,
) -> Result<String, StoreError> {
    let title = conversation.group().map(|group| groups::title(cx, group)).transpose()?.flatten();
    Ok(title.unwrap_or_else(|| self::title(conversation, contact)))
}

fn title(conversation: Conversation, contact: Option<&ContactView>) -> String {
    let name = contact.and_then(|contact| {
        let own = contact.nickname.clone().or_else(|| contact.display_name.clone());
        own.or_else(|| contact.username.as_ref().map(|name| name.as_str().to_owned()))
    });
    name.unwrap_or_else(|| conversation.to_string().chars().take(SHORT_ID).collect())
}

/// Of an id that stands for a name.
const SHORT_ID: usize = 8;

pub(crate) fn conversation(cx: &mut Cx<'_, '_>, row: ConversationRow) -> Result<ConversationView, StoreError> {
    let own = cx.core.own.as_ref().map(|own| own.account());
    let conversation = row.conversation;
    let last = cx.tx.newest(conversation)?.map(|last| message(cx, &last)).transpose()?;
    let contact = peer(cx, conversation)?;
    let group = conversation.group().map(|group| groups::summary(cx, group)).transpose()?.flatten();
    let is_request = conversation.peer().is_some() && conversation.peer() != own && !row.accepted && last.is_some();
    let unread = own.map_or(Ok(0), |own| cx.tx.unread(own, conversation, row.read_up_to))?;
    Ok(ConversationView {
        conversation,
        title: match group.as_ref().and_then(|group| group.title.clone()) {
            Some(title) => title,
            None => title(conversation, contact.as_ref()),
        },
        is_me: own.is_some() && conversation.peer() == own,
        contact,
        group: group.map(Box::new),
        last,
        unread,
        mentioned: unread > 0 && row.mention > row.read_up_to,
        read_up_to: row.read_up_to,
        pinned: row.pinned,
        archived: row.archived,
        muted_until_ms: if row.muted_until > cx.now { row.muted_until.as_ms() } else { 0 },
        marked_unread: row.marked_unread,
        draft: row.draft.map(|draft| draft.expose().clone()),
        folder: row.folder,
        is_request,
        timer_s: forget::timer_of(cx, conversation)?,
    })
}
