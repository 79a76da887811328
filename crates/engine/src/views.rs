//! What people and programs see of rows.

use crate::api::{
    ContactView, ConversationView, CopyDetails, Mention, MessageBody, MessageDetails, MessageStatus, MessageTimes,
    MessageView, PersonView,
};
use crate::core::Cx;
use crate::profile::hex;
use crate::{groups, outbox};
use bytes::Bytes;
use prost::Message as _;
use sotto_engine_store::{Contact, ConversationRow, MessageKind, StoreError, StoredMessage};
use sotto_types::{AccountId, Conversation, Timestamp, Username};
use sotto_wire::pb;

pub(crate) fn message(cx: &Cx<'_, '_>, message: &StoredMessage) -> Result<MessageView, StoreError> {
    let own = cx.core.own.as_ref().map(|own| own.account());
    let from_me = own == Some(message.author);
    let is_line =
        matches!(message.kind, MessageKind::KeyChanged | MessageKind::ProfileRestored | MessageKind::GroupChange);
    let body = body(cx, message)?;
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
    let name = contact.and_then(|contact| contact.display_name.or(contact.username));
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

fn body(cx: &Cx<'_, '_>, message: &StoredMessage) -> Result<MessageBody, StoreError> {
    Ok(match message.kind {
        MessageKind::Text => match text(message) {
            Some(text) => MessageBody::Text { mentions: groups::of_text(&text), body: text.body },
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
    Ok(MessageDetails { copies, resends: message.resends, attempts: message.attempts, times, members })
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
        contact.display_name.clone().or_else(|| contact.username.as_ref().map(|name| name.as_str().to_owned()))
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
    })
}
