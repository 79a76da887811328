//! Inbox: what the server delivers, once for the person however often it comes.
//! Flow: Deliver -> seen before? ack again -> decrypt (ratchet, checks) -> the content's feature stores it -> entry marked seen
//!       -> one Ack at the end of the step, after its commit.
//! Always true:
//! - ratchet state, message and the mark of the entry change in one transaction, and the ack leaves after it;
//! - an entry whose sender's identity must be looked at first is parked, with all later ones of that account, unacknowledged:
//!   the server keeps them, and order holds;
//! - a device that the sender's signed list does not name is looked for in a fresh list once; what it says is then shown with a
//!   note, and moves nothing else: it may have written before it was unlinked, or after it was stolen;
//! - a message is stored once by (author, name), whichever entry brings it; a resend takes the place of what it replaces.
//! Elsewhere: what cannot be decrypted goes to `repair`, receipts to `receipts`, own devices' news to `sync`.

use crate::api::{CopyDetails, Event};
use crate::core::Cx;
use crate::keys::Protocol;
use crate::{
    actions, connection, conversations, devices, forget, groups, history, outbox, prekeys, presence, profiles,
    receipts, repair, say, sync, trust,
};
use bytes::Bytes;
use prost::Message as _;
use sotto_crypto::IdentityKey;
use sotto_crypto::session::{self, CiphertextType, DecryptAction, DecryptError};
use sotto_engine_store::{Contact, LocalTimes, MessageKind, NewMessage, PENDING_PLACE, StoreError};
use sotto_types::{
    AccountId, ClientMsgId, Conversation, DeviceAddress, DeviceId, EntryId, GroupId, MessageId, Secret, Timestamp,
    limits,
};
use sotto_wire::pb;

/// Parked entries at most; the server's window is smaller, so more is a faulty server.
const PARKED_MAX: usize = 4096;

/// Acks of one step.
#[derive(Debug, Default)]
pub(crate) struct Acks {
    ok: Vec<u64>,
    undecryptable: Vec<u64>,
}

/// What is known of a decrypted envelope.
#[derive(Debug, Clone)]
pub(crate) struct Meta {
    pub from: DeviceAddress,
    pub message_id: MessageId,
    pub server_time: Timestamp,
    pub class: u8,
    /// Came under a key the person has not accepted yet.
    pub note: Option<String>,
    pub copy: CopyDetails,
    /// What arrived, as much of it as is kept.
    pub ciphertext: Bytes,
    pub began_session: bool,
    /// The sending device is not on its account's list.
    pub unlisted: bool,
}

pub(crate) fn flush_acks(cx: &mut Cx<'_, '_>) {
    let Acks { ok, undecryptable } = std::mem::take(&mut cx.core.acks);
    if !cx.core.link.is_up() {
        return;
    }
    let mut send = |ok: &[u64], undecryptable: &[u64]| {
        let ack = pb::Ack { ok: ok.to_vec(), undecryptable: undecryptable.to_vec() };
        connection::send(cx, pb::client_frame::Body::Ack(ack));
    };
    if ok.len() + undecryptable.len() <= limits::ACK_ENTRIES {
        if !ok.is_empty() || !undecryptable.is_empty() {
            send(&ok, &undecryptable);
        }
        return;
    }
    ok.chunks(limits::ACK_ENTRIES).for_each(|part| send(part, &[]));
    undecryptable.chunks(limits::ACK_ENTRIES).for_each(|part| send(&[], part));
}

fn ack(cx: &mut Cx<'_, '_>, entry: EntryId, undecryptable: bool) {
    let acks = &mut cx.core.acks;
    if undecryptable { acks.undecryptable.push(entry.get()) } else { acks.ok.push(entry.get()) }
}

fn finish(cx: &mut Cx<'_, '_>, entry: EntryId, undecryptable: bool) -> Result<(), StoreError> {
    cx.tx.mark_seen_entry(entry, undecryptable, cx.now)?;
    ack(cx, entry, undecryptable);
    Ok(())
}

pub(crate) fn on_deliver(cx: &mut Cx<'_, '_>, deliver: pb::Deliver) -> Result<(), StoreError> {
    if deliver.entry_id == 0 || deliver.entry_id >= PENDING_PLACE {
        tracing::warn!("the server delivered an impossible entry id");
        connection::lost(cx, None);
        return Ok(());
    }
    let sender = sender_of(&deliver);
    let waits = sender.is_some() && cx.core.parked.iter().any(|parked| sender_of(parked) == sender);
    if waits {
        park(cx, deliver);
        return Ok(());
    }
    process(cx, deliver, false)
}

fn sender_of(deliver: &pb::Deliver) -> Option<AccountId> {
    match &deliver.item {
        Some(pb::deliver::Item::Envelope(envelope)) => AccountId::try_from(&envelope.sender_account[..]).ok(),
        _ => None,
    }
}

/// Whether entries of the account wait for something.
pub(crate) fn is_parked(cx: &Cx<'_, '_>, account: AccountId) -> bool {
    cx.core.parked.iter().any(|parked| sender_of(parked) == Some(account))
}

fn park(cx: &mut Cx<'_, '_>, deliver: pb::Deliver) {
    let known = cx.core.parked.iter().any(|parked| parked.entry_id == deliver.entry_id);
    if !known && cx.core.parked.len() < PARKED_MAX {
        cx.core.parked.push(deliver);
    }
}

/// The sender's list was fetched, or could not be: its parked entries go on, in their order.
pub(crate) fn unpark(cx: &mut Cx<'_, '_>, account: AccountId) -> Result<(), StoreError> {
    let (due, rest) =
        std::mem::take(&mut cx.core.parked).into_iter().partition(|parked| sender_of(parked) == Some(account));
    cx.core.parked = rest;
    let due: Vec<pb::Deliver> = due;
    due.into_iter().try_for_each(|deliver| process(cx, deliver, true))?;
    groups::unpark_all(cx)
}

fn process(cx: &mut Cx<'_, '_>, deliver: pb::Deliver, decided: bool) -> Result<(), StoreError> {
    let entry = EntryId::new(deliver.entry_id);
    if let Some(undecryptable) = cx.tx.seen_entry(entry)? {
        ack(cx, entry, undecryptable);
        return Ok(());
    }
    match &deliver.item {
        Some(pb::deliver::Item::Envelope(envelope)) => {
            let envelope = envelope.clone();
            on_envelope(cx, entry, envelope, deliver, decided)
        }
        Some(pb::deliver::Item::Receipt(receipt)) => {
            receipts::on_receipt(cx, receipt)?;
            finish(cx, entry, false)
        }
        Some(pb::deliver::Item::SendFailed(failed)) => {
            receipts::on_send_failed(cx, failed)?;
            finish(cx, entry, false)
        }
        // From a newer server: nothing this version can do with it.
        None => finish(cx, entry, false),
    }
}

fn on_envelope(
    cx: &mut Cx<'_, '_>,
    entry: EntryId,
    envelope: pb::Envelope,
    deliver: pb::Deliver,
    decided: bool,
) -> Result<(), StoreError> {
    let from = AccountId::try_from(&envelope.sender_account[..])
        .ok()
        .zip(DeviceId::try_from(envelope.sender_device).ok())
        .map(|(account, device)| DeviceAddress::new(account, device));
    let kind = pb::CiphertextType::try_from(envelope.r#type).ok().and_then(CiphertextType::from_wire);
    let (Some(from), Some(own)) = (from, cx.own()) else { return finish(cx, entry, true) };
    let class = u8::try_from(envelope.class).unwrap_or(0);
    let failed = repair::Failed {
        entry,
        from,
        class,
        server_time: Timestamp::from_ms(envelope.server_time_ms),
        ratchet_key: kind
            .and_then(|kind| session::inspect(kind, &envelope.ciphertext).ok())
            .map(|info| info.ratchet_key.to_vec())
            .unwrap_or_default(),
        group: GroupId::try_from(&envelope.group_id[..]).ok().filter(|_| class == outbox::MESSAGE),
    };
    let Some(kind) = kind else {
        repair::on_undecryptable(cx, &failed, true)?;
        return finish(cx, entry, true);
    };
    let unlisted = !is_listed(cx, from)?;
    if unlisted && !decided {
        look_again(cx, from.account, deliver)?;
        return Ok(());
    }
    let mut note = unlisted.then(|| UNLISTED.to_owned());
    let mut store = Protocol::new(cx.tx, &own);
    let mut result = session::decrypt(&mut store, from, kind, &envelope.ciphertext, &mut cx.core.rng);
    if let Err(DecryptError::UntrustedIdentity { account, got, .. }) = &result
        && decided
        && waits_for_decision(cx, *account, got)?
    {
        // Shown, but marked: what the person decides is whether to answer.
        store.also_trusted = Some((*account, *got));
        note = Some("sent with a new key that you have not accepted yet".to_owned());
        result = session::decrypt(&mut store, from, kind, &envelope.ciphertext, &mut cx.core.rng);
    }
    let decrypted = match result {
        Ok(decrypted) => decrypted,
        Err(DecryptError::Store(failure)) => return Err(store.failure(&failure)),
        Err(error) => return on_refused(cx, &failed, deliver, decided, &error),
    };
    let meta = Meta {
        from,
        message_id: MessageId::new(entry.get()),
        server_time: failed.server_time,
        class,
        note,
        copy: CopyDetails {
            account: from.account,
            device: from.device,
            protocol: if kind == CiphertextType::PreKey { "prekey" } else { "ratchet" }.into(),
            ciphertext_bytes: u32::try_from(envelope.ciphertext.len()).unwrap_or(u32::MAX),
            counter: decrypted.info.counter,
            previous_counter: Some(decrypted.info.previous_counter),
            ratchet_key: Some(crate::profile::hex(&decrypted.info.ratchet_key)),
            ciphertext: None,
        },
        ciphertext: kept_ciphertext(&envelope.ciphertext),
        began_session: decrypted.info.began_session,
        unlisted,
    };
    on_content(cx, &meta, decrypted.content)?;
    finish(cx, entry, false)
}

const UNLISTED: &str = "from a device that is not on the sender's list of devices (any more)";

/// Whether the signed list names the device. Where there is no accepted key, or another one waits for the person, the key is
/// looked at instead.
fn is_listed(cx: &mut Cx<'_, '_>, from: DeviceAddress) -> Result<bool, StoreError> {
    let contact = cx.tx.contact(from.account)?;
    if contact.is_none_or(|contact| contact.identity_key.is_none() || contact.pending_key.is_some()) {
        return Ok(true);
    }
    Ok(devices::list_of(cx, from.account)?.is_some_and(|list| list.device(from.device).is_some()))
}

/// What the sender's newest list says decides about the entry.
fn look_again(cx: &mut Cx<'_, '_>, account: AccountId, deliver: pb::Deliver) -> Result<(), StoreError> {
    cx.tx.mark_contact_stale(account)?;
    park(cx, deliver);
    trust::fetch_list(cx, account);
    Ok(())
}

pub(crate) fn drop_unlisted(cx: &mut Cx<'_, '_>, meta: &Meta) -> Result<(), StoreError> {
    tracing::warn!(from = %meta.from, "a device that is not on its account's list has nothing to say here");
    cx.tx.count("count.dropped", 1)?;
    Ok(())
}

fn waits_for_decision(cx: &Cx<'_, '_>, account: AccountId, got: &IdentityKey) -> Result<bool, StoreError> {
    let contact = cx.tx.contact(account)?;
    Ok(contact.is_some_and(|contact| contact.pending_key.as_deref() == Some(&got.as_bytes()[..])))
}

fn on_refused(
    cx: &mut Cx<'_, '_>,
    failed: &repair::Failed,
    deliver: pb::Deliver,
    decided: bool,
    error: &DecryptError,
) -> Result<(), StoreError> {
    tracing::info!(from = %failed.from, %error, "an entry did not decrypt");
    match error.action() {
        DecryptAction::DecideTrust if !decided => look_again(cx, failed.from.account, deliver),
        DecryptAction::AskQuietly => {
            // A new entry under a used counter or base key: the sender was restored from an old copy, our session is gone, or
            // the server replays. Not shown as missing, but the sender is asked.
            repair::on_undecryptable(cx, failed, false)?;
            finish(cx, failed.entry, true)
        }
        DecryptAction::Drop => {
            cx.tx.count("count.dropped", 1)?;
            finish(cx, failed.entry, true)
        }
        DecryptAction::Repair | DecryptAction::DecideTrust | DecryptAction::Stop => {
            if let DecryptError::UnknownPreKey(prekey) = error {
                prekeys::on_unknown(cx, *prekey)?;
            }
            repair::on_undecryptable(cx, failed, true)?;
            finish(cx, failed.entry, true)
        }
    }
}

pub(crate) fn on_content(cx: &mut Cx<'_, '_>, meta: &Meta, content: pb::Content) -> Result<(), StoreError> {
    use pb::content::Body;
    let Some(own) = cx.own() else { return Ok(()) };
    let from_own = meta.from.account == own.account();
    let is_message = meta.class != crate::outbox::CONTROL;
    let is_shown = match &content.body {
        // `sync` looks at what it is of.
        Some(Body::Sync(_)) => from_own,
        Some(
            Body::Retry(_)
            | Body::HistoryRequest(_)
            | Body::HistoryChunk(_)
            | Body::Null(_)
            | Body::Profile(_)
            | Body::SenderKeyDistribution(_)
            | Body::GroupContext(_),
        ) => false,
        _ => is_message && !from_own,
    };
    if meta.unlisted && !is_shown {
        return drop_unlisted(cx, meta);
    }
    if content.resend_of != 0 && !is_message {
        repair::resolved_control(cx, meta, MessageId::new(content.resend_of))?;
    }
    match &content.body {
        Some(Body::Sync(sync)) if from_own => sync::on_sync(cx, meta, content.resend_of, (**sync).clone()),
        Some(Body::Retry(retry)) => repair::on_retry(cx, meta, retry),
        Some(Body::HistoryRequest(request)) if from_own => history::on_request(cx, meta, request),
        Some(Body::HistoryChunk(chunk)) if from_own => history::on_chunk(cx, chunk),
        Some(Body::Null(_)) => Ok(()),
        Some(Body::SenderKeyDistribution(given)) => groups::on_distribution(cx, meta.from, given),
        Some(Body::GroupContext(context)) => groups::on_context(cx, meta.from.account, context),
        // A message to a group that came pairwise: again, or because the group is one of few.
        _ if is_message && content.group.is_some() => groups::on_pairwise(cx, meta, content),
        Some(Body::Profile(notice)) if !from_own => profiles::on_notice(cx, meta.from.account, meta.message_id, notice),
        _ if from_own || !is_message => Ok(()),
        _ => store_message(cx, meta, meta.from.account, meta.from.account.into(), content),
    }
}

/// Stores a message of `author` in a conversation: new, known already, or what a placeholder was waiting for.
pub(crate) fn store_message(
    cx: &mut Cx<'_, '_>,
    meta: &Meta,
    author: AccountId,
    conversation: Conversation,
    mut content: pb::Content,
) -> Result<(), StoreError> {
    let Ok(name) = ClientMsgId::try_from(&content.name[..]) else {
        cx.tx.count("count.dropped", 1)?;
        return Ok(());
    };
    let resend_of = std::mem::take(&mut content.resend_of);
    let waiting = if resend_of == 0 { None } else { cx.tx.placeholder(MessageId::new(resend_of))? };
    let waiting = waiting.filter(|waiting| waiting.from == meta.from);
    if let Some(waiting) = &waiting {
        cx.tx.delete_placeholder(waiting.message_id)?;
        cx.tx.count("count.repaired", 1)?;
        if let Some(line) = waiting.message.and_then(|id| cx.tx.message(id).transpose()).transpose()? {
            cx.tx.delete_message(line.id)?;
            cx.event(Event::MessageRemoved { name: line.name, conversation: line.conversation });
        }
    }
    // A resend stands where the first one belongs, if we know that it was asked for.
    let message_id = waiting.as_ref().map_or(meta.message_id, |waiting| waiting.message_id);
    if actions::is_action(&content) {
        let from = actions::Incoming {
            author,
            device: meta.from.device,
            conversation,
            message_id,
            server_time: meta.server_time,
            allowed: None,
        };
        return actions::take(cx, &from, content);
    }
    let kind = say::kind_of(&content);
    if kind == MessageKind::Timer && !forget::may_set_timer(cx, conversation, author)? {
        cx.tx.count("count.dropped", 1)?;
        return Ok(());
    }
    let names_me = match &mut content.body {
        Some(pb::content::Body::Text(text)) => groups::keep_allowed(cx, conversation, author, text)?,
        _ => false,
    };
    let id = cx.tx.insert_message(&NewMessage {
        author,
        author_device: meta.from.device,
        name,
        conversation,
        message_id: Some(message_id),
        after: None,
        kind,
        content: Secret::new(content.encode_to_vec()),
        written: Timestamp::from_ms(content.sent_at_ms),
        server_time: Some(meta.server_time),
        note: meta.note.clone(),
        expires_after_s: forget::clamp(content.expires_after_s),
    })?;
    cx.tx.raise_seen(conversation, meta.message_id)?;
    let Some(id) = id else { return Ok(()) };
    if waiting.is_some() {
        cx.tx.set_late(id, meta.message_id)?;
    }
    if names_me {
        cx.tx.raise_mention(conversation, meta.message_id)?;
    }
    let json = serde_json::to_vec(&[&meta.copy]).expect("plain data serializes");
    cx.tx.set_copies(id, 1, &json, &LocalTimes { received: Some(cx.now), ..LocalTimes::default() })?;
    cx.tx.keep_ciphertexts(id, &[&meta.ciphertext], cx.now)?;
    presence::on_message(cx, conversation, author)?;
    if let Some(own) = cx.own().filter(|own| own.account() == author) {
        receipts::catch_up(cx, own.account(), id, conversation, message_id)?;
    } else {
        conversations::on_incoming(cx, conversation)?;
    }
    if let Some(peer) = conversation.peer() {
        list_contact(cx, peer)?;
    }
    arrived(cx, id)
}

/// A message is here: what was faster than it counts now, and its time runs if it disappears.
fn arrived(cx: &mut Cx<'_, '_>, id: i64) -> Result<(), StoreError> {
    if let Some(message) = cx.tx.message(id)? {
        forget::begin(cx, &message)?;
        actions::settle(cx, actions::target(&message))?;
        if message.kind == MessageKind::Timer {
            cx.event(Event::ConversationChanged { conversation: message.conversation });
        }
    }
    cx.message_added(id)
}

/// Somebody one has a conversation with is a contact.
pub(crate) fn list_contact(cx: &mut Cx<'_, '_>, account: AccountId) -> Result<(), StoreError> {
    let known = cx.tx.contact(account)?;
    if known.as_ref().is_some_and(|contact| contact.listed) {
        return Ok(());
    }
    let mut contact = known.unwrap_or_else(|| Contact::new(account));
    contact.listed = true;
    let nameless = contact.username.is_none();
    cx.tx.put_contact(&contact)?;
    if nameless && cx.core.own.as_ref().is_some_and(|own| own.account() != account) {
        trust::fetch_list(cx, account);
    }
    cx.contact_changed(account)
}

/// Of a ciphertext so much is kept for `Command::Message`: all of it, but for long texts.
const KEPT_CIPHERTEXT: usize = 4096;

/// A copy, so that a slice does not hold its whole frame in memory.
pub(crate) fn kept_ciphertext(ciphertext: &[u8]) -> Bytes {
    Bytes::copy_from_slice(ciphertext.get(..KEPT_CIPHERTEXT).unwrap_or(ciphertext))
}

/// Bytes of an id, for frames.
pub(crate) fn id_bytes(account: AccountId) -> Bytes {
    Bytes::copy_from_slice(account.as_bytes())
}
