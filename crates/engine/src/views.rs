//! What people and programs see of rows.

use crate::api::{ContactView, ConversationView, CopyDetails, MessageBody, MessageDetails, MessageStatus, MessageView};
use crate::core::Cx;
use crate::profile::hex;
use prost::Message as _;
use sotto_crypto::device_list::verify_device_list;
use sotto_engine_store::{Contact, MessageKind, StoreError, StoredMessage};
use sotto_types::{AccountId, MessageId, Timestamp, Username};
use sotto_wire::pb;

pub(crate) fn message(cx: &Cx<'_, '_>, message: &StoredMessage) -> Result<MessageView, StoreError> {
    let own = cx.core.own.as_ref().map(|own| own.account());
    let from_me = own == Some(message.author);
    let is_line = matches!(message.kind, MessageKind::KeyChanged | MessageKind::ProfileRestored);
    Ok(MessageView {
        position: message.place,
        name: message.name,
        message_id: message.message_id,
        late_id: message.late_id,
        conversation: message.conversation,
        from: message.author,
        from_me,
        from_device: message.author_device,
        body: body(message),
        status: if is_line { MessageStatus::Received } else { status(cx, message, from_me)? },
        written_ms: message.written.as_ms(),
        server_time_ms: message.server_time.map(Timestamp::as_ms),
        delivered_ms: message.delivered.map(Timestamp::as_ms),
        read_ms: message.read.map(Timestamp::as_ms),
        note: message.note.clone(),
    })
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
        let held = cx.tx.contact(message.conversation)?.is_some_and(|contact| contact.pending_key.is_some());
        return Ok(if held { MessageStatus::Held } else { MessageStatus::Pending });
    }
    Ok(match (message.read, message.delivered) {
        (Some(_), _) => MessageStatus::Read,
        (None, Some(_)) => MessageStatus::Delivered,
        (None, None) => MessageStatus::Sent,
    })
}

fn body(message: &StoredMessage) -> MessageBody {
    match message.kind {
        MessageKind::Text => match text(message) {
            Some(body) => MessageBody::Text { body },
            None => MessageBody::Unsupported,
        },
        MessageKind::Undecryptable => MessageBody::Undecryptable,
        MessageKind::KeyChanged => MessageBody::KeyChanged { identity_key: hex(message.content.expose()) },
        MessageKind::Unsupported => MessageBody::Unsupported,
        MessageKind::ProfileRestored => MessageBody::ProfileRestored,
    }
}

pub(crate) fn text(message: &StoredMessage) -> Option<String> {
    match pb::Content::decode(&message.content.expose()[..]).ok()?.body? {
        pb::content::Body::Text(text) => Some(text.body),
        _ => None,
    }
}

pub(crate) fn details(message: &StoredMessage) -> MessageDetails {
    let copies: Vec<CopyDetails> =
        message.copies.as_ref().and_then(|json| serde_json::from_slice(json).ok()).unwrap_or_default();
    MessageDetails { copies, resends: message.resends, attempts: message.attempts }
}

pub(crate) fn contact(cx: &Cx<'_, '_>, account: AccountId) -> Result<ContactView, StoreError> {
    let contact = cx.tx.contact(account)?.unwrap_or_else(|| Contact::new(account));
    Ok(contact_row(&contact))
}

pub(crate) fn contact_row(contact: &Contact) -> ContactView {
    let list = contact.list.as_ref().and_then(|(payload, signature)| verify_device_list(payload, signature).ok());
    ContactView {
        account: contact.account,
        username: contact.username.as_deref().and_then(|name| Username::parse(name).ok()),
        display_name: contact.display_name.clone(),
        verified: contact.verified && contact.pending_key.is_none(),
        blocked: contact.blocked,
        key_changed: contact.pending_key.is_some(),
        identity_key: contact.identity_key.as_deref().map(hex),
        new_identity_key: contact.pending_key.as_deref().map(hex),
        devices: list.map_or(0, |list| u32::try_from(list.devices().len()).unwrap_or(u32::MAX)),
    }
}

pub(crate) fn conversation(cx: &Cx<'_, '_>, peer: AccountId) -> Result<ConversationView, StoreError> {
    let own = cx.core.own.as_ref().map(|own| own.account());
    let last = cx.tx.newest(peer)?.map(|last| message(cx, &last)).transpose()?;
    let (unread, read_up_to) = match own {
        Some(own) => (cx.tx.unread(own, peer)?, cx.tx.read_up_to(peer)?),
        None => (0, MessageId::ZERO),
    };
    Ok(ConversationView { contact: contact(cx, peer)?, is_me: own == Some(peer), last, unread, read_up_to })
}
