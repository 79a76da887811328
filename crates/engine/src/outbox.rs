//! Outbox: keeps what the user sent until the server has taken it.
//! Flow: `enqueue` (saved, shown at once) -> `pump` -> `seal` (one ciphertext per device) -> SendDirect
//!       -> `on_accepted` (removed) | `on_mismatch` (take the lists, seal again) | `on_refused` (later, or failed).
//! Always true:
//! - an entry leaves only when accepted, refused for good, or cancelled;
//! - sealing happens at send time, because the recipient may add a device while we are offline; an unanswered send is sealed
//!   again under the same id, and the server answers it once;
//! - one conversation sends in order, one message at a time; conversations never wait for each other.
//! Elsewhere: device lists in `trust`, bundles in `devices`, retry times in `backoff`.

use crate::api::{CommandId, CopyDetails, ErrorKind, Event, Reply};
use crate::connection::ReadTold;
use crate::core::Cx;
use crate::http::Failure;
use crate::keys::Protocol;
use crate::{
    actions, backoff, connection, devices, forget, groups, history, inbox, kept, receipts, say, sign_in, sync, trust,
};
use bytes::Bytes;
use prost::Message as _;
use sotto_crypto::session::{self, EncryptError};
use sotto_crypto::{SignedDeviceList, VerifiedDeviceList};
use sotto_engine_store::{LocalTimes, NewOutboxEntry, OutboxEntry, PENDING_PLACE, StoreError};
use sotto_types::{
    AccountId, Action, ClientMsgId, Conversation, DeviceAddress, DeviceId, ErrorCode, GroupId, MessageId, Secret,
    Timestamp,
};
use sotto_wire::pb;
use std::time::Duration;

pub(crate) const MESSAGE: u8 = 1;
pub(crate) const CONTROL: u8 = 2;
pub(crate) const RESEND: u8 = 3;

const IN_FLIGHT_MAX: usize = 64;
const HEADS: u32 = 256;
/// A send without an answer for so long: the connection is not what it seems.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Mismatches in a row before waiting: the lists should fit after one or two.
const EAGER_TRIES: u32 = 4;

/// Sent and not answered yet.
#[derive(Debug)]
pub(crate) struct InFlight {
    recipient: Conversation,
    class: u8,
    since: Timestamp,
    pub sealed_at: Timestamp,
    pub copies: Vec<CopyDetails>,
    /// One for each copy, as much of it as is kept.
    pub ciphertexts: Vec<Bytes>,
}

impl InFlight {
    pub fn set_back(&mut self, by: Duration) {
        self.since = self.since.minus(by);
    }
}

/// A send that waits for its answer.
pub(crate) fn under_way<'a>(cx: &'a Cx<'_, '_>, name: ClientMsgId) -> Option<&'a InFlight> {
    cx.core.in_flight.get(&name)
}

/// Puts control content into the outbox. Returns its name.
pub(crate) fn enqueue_control(
    cx: &mut Cx<'_, '_>,
    recipient: impl Into<Conversation>,
    devices: Vec<DeviceId>,
    body: pb::content::Body,
    keep: bool,
) -> Result<ClientMsgId, StoreError> {
    let name = cx.new_name();
    let content = pb::Content {
        name: Bytes::copy_from_slice(name.as_bytes()),
        sent_at_ms: cx.now.as_ms(),
        body: Some(body),
        ..pb::Content::default()
    };
    cx.tx.enqueue(&NewOutboxEntry {
        client_msg_id: name,
        recipient: recipient.into(),
        class: CONTROL,
        devices,
        content: Secret::new(content.encode_to_vec()),
        message: None,
        now: cx.now,
        keep,
    })?;
    Ok(name)
}

pub(crate) fn retry(cx: &mut Cx<'_, '_>, command: CommandId, name: ClientMsgId) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    let Some(message) = cx.tx.message_named(own.account(), name)? else {
        cx.fail(command, ErrorKind::NotFound, "there is no message of yours with this name");
        return Ok(());
    };
    if message.message_id.is_none() && !message.failed {
        cx.tx.hurry_outbox(Some(message.conversation))?;
        let message = cx.message_view(&message)?;
        cx.reply(command, Ok(Reply::Queued { message }));
        return Ok(());
    }
    if !message.failed {
        cx.fail(command, ErrorKind::WrongState, "this message has not failed");
        return Ok(());
    }
    say::again(cx, command, &message)
}

pub(crate) fn cancel(cx: &mut Cx<'_, '_>, command: CommandId, name: ClientMsgId) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    // One that the server took and nobody else has failed too, and has an id.
    let message =
        cx.tx.message_named(own.account(), name)?.filter(|message| message.message_id.is_none() || message.failed);
    let Some(message) = message else {
        cx.fail(command, ErrorKind::NotFound, "there is no unsent or failed message with this name");
        return Ok(());
    };
    if message.attempts > 0 && !message.failed {
        cx.fail(command, ErrorKind::WrongState, "the message is on its way, and perhaps at the server already");
        return Ok(());
    }
    cx.tx.remove_outbox_of_message(message.id)?;
    cx.tx.delete_message(message.id)?;
    cx.tx.empty_log_after();
    cx.event(Event::MessageRemoved { name, conversation: message.conversation });
    cx.reply(command, Ok(Reply::Done));
    Ok(())
}

pub(crate) fn next_time(cx: &Cx<'_, '_>) -> Result<Option<Timestamp>, StoreError> {
    let delayed = cx.tx.next_outbox(cx.now)?;
    let answers = cx.core.in_flight.values().map(|sent| sent.since.plus(ANSWER_TIMEOUT));
    let refused = cx.core.not_before.values().copied().filter(|at| *at > cx.now);
    Ok(delayed.into_iter().chain(answers).chain(refused).min())
}

/// Seals and sends whatever may go now.
pub(crate) fn pump(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    if cx.core.in_flight.values().any(|sent| sent.since.plus(ANSWER_TIMEOUT) <= cx.now) {
        connection::lost(cx, None);
        return Ok(());
    }
    loop {
        let mut sent = false;
        for entry in cx.tx.outbox_heads(MESSAGE, HEADS, cx.now)? {
            if cx.core.in_flight.len() >= IN_FLIGHT_MAX {
                return Ok(());
            }
            let lane_busy = entry.class == MESSAGE
                && cx.core.in_flight.values().any(|sent| sent.class == MESSAGE && sent.recipient == entry.recipient);
            if lane_busy || cx.core.in_flight.contains_key(&entry.client_msg_id) {
                continue;
            }
            sent |= try_send(cx, &entry)?;
        }
        // An entry that left without being sent (its device is gone) makes room for the next.
        if !sent {
            return Ok(());
        }
    }
}

enum Sealed {
    Ready {
        send: pb::SendDirect,
        copies: Vec<CopyDetails>,
        ciphertexts: Vec<Bytes>,
    },
    /// Something is being fetched, or the person must decide.
    Wait,
    /// Nobody is left to send it to.
    NoDevice,
    Impossible(&'static str),
}

/// Returns whether the entry left the queue without being sent.
fn try_send(cx: &mut Cx<'_, '_>, entry: &OutboxEntry) -> Result<bool, StoreError> {
    if let Some(group) = entry.recipient.group() {
        return try_send_to_group(cx, entry, group);
    }
    match seal(cx, entry)? {
        Sealed::Ready { send, copies, ciphertexts } => {
            let sent = InFlight {
                recipient: entry.recipient,
                class: entry.class,
                since: cx.now,
                sealed_at: cx.now,
                copies,
                ciphertexts,
            };
            cx.core.in_flight.insert(entry.client_msg_id, sent);
            note_attempts(cx, entry, entry.attempts.saturating_add(1))?;
            connection::send(cx, pb::client_frame::Body::SendDirect(send));
            Ok(false)
        }
        Sealed::Wait => Ok(false),
        Sealed::NoDevice => {
            cx.tx.remove_outbox(entry.id)?;
            kept::settled(cx, entry.client_msg_id, None)?;
            history::on_gone(cx, entry.client_msg_id)?;
            Ok(true)
        }
        Sealed::Impossible(note) => {
            fail(cx, entry, note)?;
            Ok(true)
        }
    }
}

fn try_send_to_group(cx: &mut Cx<'_, '_>, entry: &OutboxEntry, group: GroupId) -> Result<bool, StoreError> {
    match groups::make(cx, entry, group)? {
        groups::Made::Ready { send, copies, ciphertexts } => {
            let sent = InFlight {
                recipient: entry.recipient,
                class: entry.class,
                since: cx.now,
                sealed_at: cx.now,
                copies,
                ciphertexts,
            };
            cx.core.in_flight.insert(entry.client_msg_id, sent);
            note_attempts(cx, entry, entry.attempts.saturating_add(1))?;
            connection::send(cx, pb::client_frame::Body::SendGroup(*send));
            Ok(false)
        }
        groups::Made::Wait => Ok(false),
        groups::Made::Impossible(note) => {
            fail(cx, entry, note)?;
            Ok(true)
        }
    }
}

/// The group has changed: nothing was stored, and it goes again once that is known here.
pub(crate) fn on_stale(cx: &mut Cx<'_, '_>, client_msg_id: ClientMsgId) -> Result<(), StoreError> {
    cx.core.in_flight.remove(&client_msg_id);
    let Some(entry) = cx.tx.outbox_entry(client_msg_id)? else { return Ok(()) };
    note_attempts(cx, &entry, 0)?;
    let attempts = entry.attempts.saturating_add(1);
    let wait = if attempts > EAGER_TRIES { backoff::delay(attempts, &mut cx.core.rng) } else { Duration::ZERO };
    cx.tx.delay_outbox(entry.id, attempts, cx.now.plus(wait))
}

/// Whether the server may have the message outlives the connection and the process: what may be sent is not taken back.
fn note_attempts(cx: &Cx<'_, '_>, entry: &OutboxEntry, attempts: u32) -> Result<(), StoreError> {
    entry.message.map_or(Ok(()), |id| cx.tx.set_attempts(id, attempts))
}

fn seal(cx: &mut Cx<'_, '_>, entry: &OutboxEntry) -> Result<Sealed, StoreError> {
    let Some(own) = cx.own() else { return Ok(Sealed::Wait) };
    // What goes to a group is sealed for all its members, which is not done here.
    let Some(recipient) = entry.recipient.peer() else { return Ok(Sealed::Wait) };
    let to_self_only = recipient == own.account();
    let now = cx.now;
    cx.core.not_before.retain(|_, at| *at > now);
    if [recipient, own.account()].iter().any(|account| cx.core.not_before.contains_key(account)) {
        return Ok(Sealed::Wait);
    }
    let Some(own_list) = usable_list(cx, own.account())? else { return Ok(Sealed::Wait) };
    let recipient_list = if to_self_only { None } else { usable_list(cx, recipient)? };
    if !to_self_only && recipient_list.is_none() {
        return Ok(Sealed::Wait);
    }
    let every_device = entry.class == MESSAGE;
    let wanted = |id: DeviceId| entry.devices.is_empty() || entry.devices.contains(&id);
    let targets = |list: &VerifiedDeviceList| -> Vec<DeviceAddress> {
        let listed = list.devices().iter().filter(|device| every_device || wanted(device.id));
        listed.map(|device| DeviceAddress::new(list.account(), device.id)).filter(|to| *to != own.address).collect()
    };
    let to_recipient = recipient_list.as_ref().map(targets).unwrap_or_default();
    let to_self = if every_device || to_self_only { targets(&own_list) } else { Vec::new() };
    if !every_device && to_recipient.is_empty() && to_self.is_empty() {
        return Ok(Sealed::NoDevice);
    }

    // All sessions first: sealing moves ratchets, so it begins only when it can be completed.
    let lists = recipient_list.iter().chain([&own_list]);
    let mut ready = true;
    for list in lists {
        let of_list: Vec<DeviceAddress> =
            to_recipient.iter().chain(&to_self).filter(|to| to.account == list.account()).copied().collect();
        let missing = devices::without_session(cx, list, &of_list)?;
        if !missing.is_empty() {
            devices::take_bundles(cx, list.account(), missing);
            ready = false;
        }
    }
    if !ready {
        return Ok(Sealed::Wait);
    }
    let Ok(content) = pb::Content::decode(&entry.content.expose()[..]) else {
        return Ok(Sealed::Impossible("the stored message is damaged"));
    };
    let own_copy = if every_device { sync::sent_copy(recipient, content.clone()) } else { content.clone() };
    let (mut copies, mut ciphertexts) = (Vec::new(), Vec::new());
    let mut parts = [Vec::new(), Vec::new()];
    let halves = [(&to_recipient, &content), (&to_self, &own_copy)];
    for ((targets, content), part) in halves.into_iter().zip(parts.iter_mut()) {
        for to in targets {
            let list = if to.account == own.account() { Some(&own_list) } else { recipient_list.as_ref() };
            let bundleless = cx.core.bundleless.get(to).copied();
            if bundleless.is_some() && bundleless == list.map(VerifiedDeviceList::version) {
                // Suspended: the server stores nothing for it and does not miss it.
                continue;
            }
            let mut store = Protocol::new(cx.tx, &own);
            match session::encrypt(&mut store, *to, content.clone(), cx.now, &mut cx.core.rng) {
                Ok(sealed) => {
                    if every_device {
                        copies.push(copy_details(*to, &sealed));
                        ciphertexts.push(inbox::kept_ciphertext(&sealed.ciphertext));
                    }
                    part.push(sealed.into_wire(to.device));
                }
                Err(EncryptError::TooLarge) => return Ok(Sealed::Impossible("the message is too long")),
                Err(EncryptError::Store(failure)) => return Err(store.failure(&failure)),
                Err(EncryptError::NoSession | EncryptError::CorruptSession) => {
                    cx.tx.delete_session(*to)?;
                    return Ok(Sealed::Wait);
                }
                Err(EncryptError::UntrustedIdentity { account, .. }) => {
                    cx.tx.mark_contact_stale(account)?;
                    cx.tx.delete_session(*to)?;
                    return Ok(Sealed::Wait);
                }
                Err(EncryptError::OwnDevice) => (),
            }
        }
    }
    let [to_recipient, to_self] = parts;
    if !every_device && to_recipient.is_empty() && to_self.is_empty() {
        return Ok(Sealed::NoDevice);
    }
    let send = pb::SendDirect {
        client_msg_id: Bytes::copy_from_slice(entry.client_msg_id.as_bytes()),
        recipient: inbox::id_bytes(recipient),
        class: i32::from(entry.class),
        seen: cx.tx.seen(entry.recipient)?.get(),
        recipient_list_version: recipient_list.as_ref().unwrap_or(&own_list).version(),
        own_list_version: own_list.version(),
        to_recipient,
        to_self,
    };
    Ok(Sealed::Ready { send, copies, ciphertexts })
}

pub(crate) fn copy_details(to: DeviceAddress, sealed: &session::SealedMessage) -> CopyDetails {
    let protocol = match sealed.kind {
        session::CiphertextType::PreKey => "prekey",
        session::CiphertextType::Ratchet => "ratchet",
        session::CiphertextType::SenderKey => "sender_key",
    };
    let info = session::inspect(sealed.kind, &sealed.ciphertext).ok();
    CopyDetails {
        account: to.account,
        device: to.device,
        protocol: protocol.into(),
        ciphertext_bytes: u32::try_from(sealed.ciphertext.len()).unwrap_or(u32::MAX),
        counter: info.as_ref().map_or(0, |info| info.counter),
        previous_counter: info.as_ref().map(|info| info.previous_counter),
        ratchet_key: info.as_ref().map(|info| crate::profile::hex(&info.ratchet_key)),
        ciphertext: None,
    }
}

/// The list to encrypt for; if there is none that may be used now, sees to it that there will be.
fn usable_list(cx: &mut Cx<'_, '_>, account: AccountId) -> Result<Option<VerifiedDeviceList>, StoreError> {
    let contact = cx.tx.contact(account)?;
    if contact.as_ref().is_some_and(|contact| contact.pending_key.is_some()) || cx.core.fetching.contains_key(&account)
    {
        return Ok(None);
    }
    let fresh = contact.is_some_and(|contact| !contact.stale);
    let list = if fresh { devices::list_of(cx, account)? } else { None };
    if list.is_none() {
        trust::fetch_list(cx, account);
    }
    Ok(list)
}

pub(crate) fn on_accepted(cx: &mut Cx<'_, '_>, accepted: &pb::Accepted) -> Result<(), StoreError> {
    let Ok(client_msg_id) = ClientMsgId::try_from(&accepted.client_msg_id[..]) else { return Ok(()) };
    if groups::on_keys_accepted(cx, client_msg_id)? {
        return Ok(());
    }
    let sent = cx.core.in_flight.remove(&client_msg_id);
    let Some(entry) = cx.tx.outbox_entry(client_msg_id)? else { return Ok(()) };
    if accepted.message_id == 0 || accepted.message_id >= PENDING_PLACE {
        tracing::warn!("the server assigned an impossible message id");
        connection::lost(cx, None);
        return Ok(());
    }
    let message_id = MessageId::new(accepted.message_id);
    let server_time = Timestamp::from_ms(accepted.server_time_ms);
    cx.tx.remove_outbox(entry.id)?;
    note_highest(cx, message_id)?;
    if entry.class != MESSAGE {
        if let Some(recipient) = entry.recipient.peer().filter(|_| entry.keep) {
            let is_history = history::is_chunk(cx, client_msg_id)?;
            cx.tx.keep_sent(message_id, &entry, recipient, is_history, cx.now)?;
        }
        kept::settled(cx, client_msg_id, Some(message_id))?;
        return history::on_accepted(cx, client_msg_id);
    }
    let Some(id) = entry.message else {
        return actions::on_accepted(cx, client_msg_id, message_id, server_time);
    };
    let (sealed_at, copies, ciphertexts) =
        sent.map(|sent| (Some(sent.sealed_at), sent.copies, sent.ciphertexts)).unwrap_or_default();
    let json = serde_json::to_vec(&copies).expect("plain data serializes");
    let times = LocalTimes { sent: sealed_at, accepted: Some(cx.now), received: None };
    cx.tx.set_copies(id, entry.attempts.saturating_add(1), &json, &times)?;
    cx.tx.keep_ciphertexts(id, &ciphertexts, cx.now)?;
    if cx.tx.mark_accepted(id, message_id, server_time)? {
        receipts::catch_up_failure(cx, id, message_id)?;
        if let Some(message) = cx.tx.message(id)? {
            forget::begin(cx, &message)?;
            // Times of what was done with it count from this id.
            actions::settle(cx, actions::target(&message))?;
        }
        cx.message_changed(id)?;
    }
    Ok(())
}

const HIGHEST: &str = "sent.highest";

/// Highest id the server gave to a send of this device: somebody who knows a higher one knows more than this profile.
pub(crate) fn highest(cx: &Cx<'_, '_>) -> Result<MessageId, StoreError> {
    Ok(cx.tx.setting_json::<MessageId>(HIGHEST)?.unwrap_or_default())
}

fn note_highest(cx: &Cx<'_, '_>, id: MessageId) -> Result<(), StoreError> {
    if id > highest(cx)? { cx.tx.put_setting_json(HIGHEST, &id) } else { Ok(()) }
}

pub(crate) fn on_mismatch(cx: &mut Cx<'_, '_>, mismatch: pb::DeviceMismatch) -> Result<(), StoreError> {
    let Ok(client_msg_id) = ClientMsgId::try_from(&mismatch.client_msg_id[..]) else { return Ok(()) };
    if groups::on_keys_mismatch(cx, &mismatch)? {
        return Ok(());
    }
    cx.core.in_flight.remove(&client_msg_id);
    let Some(entry) = cx.tx.outbox_entry(client_msg_id)? else { return Ok(()) };
    let Some(own) = cx.own() else { return Ok(()) };
    let mut refused = false;
    for list in mismatch.lists {
        let account = pb::DeviceList::decode(list.payload.clone())
            .ok()
            .and_then(|list| AccountId::try_from(&list.account_id[..]).ok());
        match account {
            Some(account) if entry.recipient.peer() == Some(account) || account == own.account() => {
                refused |= trust::offer_list(cx, account, SignedDeviceList::from(list))? == trust::Offered::Refused;
            }
            _ => refused = true,
        }
    }
    note_attempts(cx, &entry, 0)?;
    let attempts = entry.attempts.saturating_add(1);
    let wait =
        if refused || attempts > EAGER_TRIES { backoff::delay(attempts, &mut cx.core.rng) } else { Duration::ZERO };
    cx.tx.delay_outbox(entry.id, attempts, cx.now.plus(wait))
}

pub(crate) fn on_refused(
    cx: &mut Cx<'_, '_>,
    error: &pb::Error,
    code: Option<ErrorCode>,
    wait: Option<Duration>,
) -> Result<(), StoreError> {
    let Ok(client_msg_id) = ClientMsgId::try_from(&error.client_msg_id[..]) else { return Ok(()) };
    if groups::on_keys_refused(cx, client_msg_id, code)? {
        return Ok(());
    }
    cx.core.in_flight.remove(&client_msg_id);
    let Some(entry) = cx.tx.outbox_entry(client_msg_id)? else { return Ok(()) };
    // A server that failed in the middle may have it all the same.
    if code != Some(ErrorCode::Internal) {
        note_attempts(cx, &entry, 0)?;
    }
    match code.map_or(Action::Stop, ErrorCode::action) {
        Action::Retry => {
            if code == Some(ErrorCode::StorageFull) {
                cx.notice("the server's disk is full: messages wait here until its operator makes room");
            }
            let attempts = entry.attempts.saturating_add(1);
            let wait = backoff::delay_or(wait, attempts, &mut cx.core.rng);
            cx.tx.delay_outbox(entry.id, attempts, cx.now.plus(wait))
        }
        Action::Reconnect => {
            connection::lost(cx, wait);
            Ok(())
        }
        Action::Stop => {
            let note = match code {
                Some(ErrorCode::UnknownRecipient) => "this person's account no longer exists".into(),
                Some(code) if sign_in::is_final(code) => return Ok(()),
                _ => crate::api::CommandError::from(Failure::Refused { code, detail: error.detail.clone() }).text,
            };
            fail(cx, &entry, &note)
        }
    }
}

fn fail(cx: &mut Cx<'_, '_>, entry: &OutboxEntry, note: &str) -> Result<(), StoreError> {
    tracing::info!(note, class = entry.class, "a send failed for good");
    cx.tx.remove_outbox(entry.id)?;
    if let Some(id) = entry.message {
        cx.tx.set_failed(id, true, Some(note))?;
        cx.message_changed(id)?;
    } else if entry.class == MESSAGE {
        actions::on_failed(cx, entry.client_msg_id, note)?;
    }
    kept::settled(cx, entry.client_msg_id, None)?;
    history::on_failed(cx, entry.client_msg_id, note)
}

/// The account is gone: what waits for it fails.
pub(crate) fn fail_all(cx: &mut Cx<'_, '_>, recipient: AccountId, note: &str) -> Result<(), StoreError> {
    loop {
        let waiting = cx.tx.outbox_of(recipient.into(), HEADS)?;
        if waiting.is_empty() {
            return Ok(());
        }
        for entry in waiting {
            cx.core.in_flight.remove(&entry.client_msg_id);
            fail(cx, &entry, note)?;
        }
    }
}

/// Something needed for sending to this account cannot be had now.
pub(crate) fn delay_all(cx: &mut Cx<'_, '_>, recipient: AccountId) -> Result<(), StoreError> {
    let wait = backoff::delay(4, &mut cx.core.rng);
    cx.core.not_before.insert(recipient, cx.now.plus(wait));
    let mut lane_delayed = false;
    for entry in cx.tx.outbox_of(recipient.into(), HEADS)? {
        // Behind the oldest message the others wait anyway.
        if entry.class == MESSAGE && std::mem::replace(&mut lane_delayed, true) {
            continue;
        }
        let attempts = entry.attempts.saturating_add(1);
        let wait = backoff::delay(attempts.max(3), &mut cx.core.rng);
        cx.tx.delay_outbox(entry.id, attempts, cx.now.plus(wait))?;
    }
    Ok(())
}

/// Read positions that the server may not have heard.
pub(crate) fn tell_reads(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    for (conversation, up_to) in cx.tx.untold_reads()? {
        tell_read(cx, conversation, up_to)?;
    }
    Ok(())
}

/// Tells the newest message that could be read, if the server may not know of it.
pub(crate) fn tell_read(cx: &mut Cx<'_, '_>, conversation: Conversation, up_to: MessageId) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    if conversation.peer().is_some_and(|peer| peer != own.account()) && !cx.tx.is_accepted(conversation)? {
        // Who is new here does not hear what was read.
        return Ok(());
    }
    let readable = cx.tx.newest_received(own.account(), conversation, Some(up_to), true)?;
    if readable > cx.tx.read_told(conversation)? {
        send_read(cx, conversation, readable);
    }
    Ok(())
}

fn send_read(cx: &mut Cx<'_, '_>, conversation: Conversation, up_to: MessageId) {
    if !cx.core.link.is_up() {
        return;
    }
    let of = match &conversation {
        Conversation::Peer(peer) => pb::conversation::Of::Peer(inbox::id_bytes(*peer)),
        Conversation::Group(group) => pb::conversation::Of::Group(Bytes::copy_from_slice(group.as_bytes())),
    };
    let of = pb::Conversation { of: Some(of) };
    let read = pb::client_frame::Body::Read(pb::Read { conversation: Some(of), up_to: up_to.get() });
    let reference = connection::send_referenced(cx, read);
    cx.core.link.reads_told.push(ReadTold { reference, conversation, up_to });
}
