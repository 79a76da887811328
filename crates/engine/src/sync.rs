//! Own devices tell each other what they did: messages sent (inside `outbox`), read positions, trust, blocks.

use crate::api::Event;
use crate::core::Cx;
use crate::inbox::{self, Meta, id_bytes};
use crate::{forget, kept, outbox, trust, views};
use bytes::Bytes;
use sotto_engine_store::{Contact, PENDING_PLACE, StoreError};
use sotto_types::{AccountId, MessageId};
use sotto_wire::pb;

/// What the own other devices get of a message: it, and to whom it went.
pub(crate) fn sent_copy(to: AccountId, content: pb::Content) -> pb::Content {
    let outer = pb::Content {
        name: content.name.clone(),
        sent_at_ms: content.sent_at_ms,
        resend_of: content.resend_of,
        ..pb::Content::default()
    };
    let sent = pb::SentMessage { to_account: id_bytes(to), content: Some(Box::new(content)) };
    let sync = pb::Sync { of: Some(pb::sync::Of::Sent(Box::new(sent))) };
    pb::Content { body: Some(pb::content::Body::Sync(Box::new(sync))), ..outer }
}

pub(crate) fn tell(cx: &mut Cx<'_, '_>, of: pb::sync::Of) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    let body = pb::content::Body::Sync(Box::new(pb::Sync { of: Some(of) }));
    outbox::enqueue_control(cx, own.account(), Vec::new(), body, true)?;
    Ok(())
}

pub(crate) fn trust_changed(
    cx: &mut Cx<'_, '_>,
    account: AccountId,
    identity_key: &[u8],
    verified: bool,
) -> Result<(), StoreError> {
    let identity_key = Bytes::copy_from_slice(identity_key);
    tell(cx, pb::sync::Of::Trust(pb::TrustChange { account: id_bytes(account), identity_key, verified }))
}

pub(crate) fn block_changed(cx: &mut Cx<'_, '_>, account: AccountId, blocked: bool) -> Result<(), StoreError> {
    tell(cx, pb::sync::Of::Block(pb::BlockChange { account: id_bytes(account), blocked }))
}

pub(crate) fn on_sync(cx: &mut Cx<'_, '_>, meta: &Meta, resend_of: u64, sync: pb::Sync) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    if meta.unlisted && !matches!(sync.of, Some(pb::sync::Of::Sent(_))) {
        return inbox::drop_unlisted(cx, meta);
    }
    match sync.of {
        Some(pb::sync::Of::Sent(sent)) => {
            // Also from a device that is on the list no more: it may have been sent before that, and its note says so.
            let (Ok(to), Some(mut content)) = (AccountId::try_from(&sent.to_account[..]), sent.content) else {
                return Ok(());
            };
            content.resend_of = resend_of;
            inbox::store_message(cx, meta, own.account(), to.into(), *content)
        }
        Some(pb::sync::Of::State(state)) => {
            let Ok(peer) = AccountId::try_from(&state.peer[..]) else { return Ok(()) };
            let conversation = peer.into();
            if state.read_up_to < PENDING_PLACE && cx.tx.raise_read(conversation, MessageId::new(state.read_up_to))? {
                forget::on_read(cx, conversation, MessageId::new(state.read_up_to))?;
                cx.event(Event::ConversationChanged { conversation });
            }
            Ok(())
        }
        Some(pb::sync::Of::Kept(said)) => {
            let id = if resend_of == 0 { meta.message_id } else { MessageId::new(resend_of) };
            kept::on_facts(cx, &said.facts, Some(id))
        }
        Some(pb::sync::Of::Forget(said)) => forget::on_forget(cx, &said),
        Some(pb::sync::Of::Trust(change)) if is_newest(cx, "trust", &change.account, meta, resend_of)? => {
            on_trust(cx, &change)
        }
        Some(pb::sync::Of::Block(change)) if is_newest(cx, "block", &change.account, meta, resend_of)? => {
            let Ok(account) = AccountId::try_from(&change.account[..]) else { return Ok(()) };
            let mut contact = cx.tx.contact(account)?.unwrap_or_else(|| Contact::new(account));
            contact.blocked = change.blocked;
            cx.tx.put_contact(&contact)?;
            cx.contact_changed(account)
        }
        Some(pb::sync::Of::Trust(_) | pb::sync::Of::Block(_)) | None => Ok(()),
    }
}

/// A decision that was sent again, and by now another one was taken, says nothing any more.
fn is_newest(cx: &Cx<'_, '_>, what: &str, about: &[u8], meta: &Meta, resend_of: u64) -> Result<bool, StoreError> {
    let Ok(account) = AccountId::try_from(about) else { return Ok(false) };
    let setting = format!("sync.{what}.{account}");
    let id = if resend_of == 0 { meta.message_id.get() } else { resend_of };
    if cx.tx.setting_json::<u64>(&setting)?.unwrap_or(0) > id {
        return Ok(false);
    }
    cx.tx.put_setting_json(&setting, &id)?;
    Ok(true)
}

/// The person verified (or not) on another device: it counts for the key seen there, no other.
fn on_trust(cx: &mut Cx<'_, '_>, change: &pb::TrustChange) -> Result<(), StoreError> {
    let Ok(account) = AccountId::try_from(&change.account[..]) else { return Ok(()) };
    let Some(contact) = cx.tx.contact(account)? else { return Ok(()) };
    let known = contact.pending_key.as_ref().or(contact.identity_key.as_ref());
    if known.map(|key| &key[..]) != Some(&change.identity_key[..]) {
        return Ok(());
    }
    trust::decided_elsewhere(cx, account, change.verified)?;
    let contact = views::contact(cx, account)?;
    cx.event(Event::ContactChanged { contact });
    Ok(())
}
