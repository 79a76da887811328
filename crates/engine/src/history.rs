//! History for an own device that was just linked or recovered: 30 days, oldest first, in encrypted chunks.
//! Flow, giving: `start` -> one chunk in the outbox -> accepted -> the next, until the last one is accepted.
//! Flow, taking: chunk -> merged by name -> progress.
//! Always true: one chunk is under way at a time; the cursor is stored with it, so a crash goes on where it was; a chunk that
//! comes twice, or messages that are here already, change nothing. `HistorySent` says done = total once, when the server has all of it, and
//! `HistoryReceived` when the last chunk is here.

use crate::api::Event;
use crate::core::Cx;
use crate::inbox::{Meta, id_bytes};
use crate::{actions, devices, forget, groups, kept, outbox, say};
use bytes::Bytes;
use prost::Message as _;
use rand::Rng;
use sotto_engine_store::{Contact, HistoryJob, MessageKind, NewMessage, PENDING_PLACE, StoreError, StoredMessage};
use sotto_types::{AccountId, ClientMsgId, Conversation, DeviceId, GroupId, MessageId, Secret, Timestamp};
use sotto_wire::pb;
use std::time::Duration;

pub(crate) const DAYS_MAX: u32 = 30;
/// Leaves room for addresses and padding below the 64 KiB of a ciphertext.
const CHUNK_BYTES: usize = 48 * 1024;
/// More than anybody's text has; alone in a chunk it still fits into a ciphertext.
const MESSAGE_BYTES_MAX: usize = 56 * 1024;
const PAGE: u32 = 200;
const GROUPS_AT_ONCE: usize = 64;
/// Cursors above those of messages: what was done with them, by row; what was arranged, by its number.
const ACTIONS: (u64, i64) = (PENDING_PLACE, 0);
const FACTS: (u64, i64) = (PENDING_PLACE + 1, 0);
/// The cursor of a job whose last chunk is under way.
const END: (u64, i64) = (i64::MAX.unsigned_abs(), i64::MAX);

/// Begins (or begins anew) to give history to an own device.
pub(crate) fn start(cx: &mut Cx<'_, '_>, device: DeviceId, days: u32) -> Result<(), StoreError> {
    let since = cx.now.minus(Duration::from_secs(u64::from(days.min(DAYS_MAX)) * 86_400));
    let job = HistoryJob {
        device,
        request_id: cx.core.rng.random(),
        since,
        after: (0, 0),
        next_index: 0,
        done: 0,
        total: cx.tx.count_messages_since(since)?,
        in_flight: None,
    };
    cx.tx.put_history_job(&job)?;
    if job.total > 0 {
        cx.event(Event::HistorySent { device, done: 0, total: job.total });
    }
    Ok(())
}

/// Asks all other own devices.
pub(crate) fn ask(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    let has_others = devices::list_of(cx, own.account())?.is_some_and(|list| list.devices().len() > 1);
    if has_others {
        let request_id: [u8; 16] = cx.core.rng.random();
        let request = pb::HistoryRequest { request_id: Bytes::copy_from_slice(&request_id), days: DAYS_MAX };
        outbox::enqueue_control(cx, own.account(), Vec::new(), pb::content::Body::HistoryRequest(request), true)?;
    }
    Ok(())
}

pub(crate) fn on_request(cx: &mut Cx<'_, '_>, meta: &Meta, request: &pb::HistoryRequest) -> Result<(), StoreError> {
    start(cx, meta.from.device, request.days)
}

/// Puts the next chunk of every job into the outbox.
pub(crate) fn drive(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    for job in cx.tx.history_jobs()?.into_iter().filter(|job| job.in_flight.is_none()) {
        send_chunk(cx, job)?;
    }
    Ok(())
}

fn send_chunk(cx: &mut Cx<'_, '_>, mut job: HistoryJob) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    let mut chunk = pb::HistoryChunk {
        request_id: Bytes::copy_from_slice(&job.request_id),
        index: job.next_index,
        total_messages: job.total,
        ..pb::HistoryChunk::default()
    };
    if job.next_index == 0 {
        chunk.contacts = contacts(cx, own.account())?;
    }
    let (groups, more_groups) = groups_of(cx, job.next_index)?;
    chunk.groups = groups;
    let room = &mut Room { bytes: chunk.encoded_len(), is_empty: chunk.contacts.is_empty() };
    let mut fits = true;
    if job.after.0 < ACTIONS.0 {
        fits = add_messages(cx, &mut job, &mut chunk, room)?;
        job.after = if fits { ACTIONS } else { job.after };
    }
    if fits && job.after.0 == ACTIONS.0 {
        fits = add_actions(cx, &mut job, &mut chunk, room)?;
        job.after = if fits { FACTS } else { job.after };
    }
    if fits && job.after.0 == FACTS.0 {
        fits = add_facts(cx, &mut job, &mut chunk, room)?;
    }
    let is_end = fits && !more_groups;
    if is_end {
        chunk.count = job.next_index.saturating_add(1);
    }
    job.next_index = job.next_index.saturating_add(1);
    let body = pb::content::Body::HistoryChunk(chunk);
    let name = outbox::enqueue_control(cx, own.account(), vec![job.device], body, true)?;
    job.in_flight = Some(name);
    if is_end {
        job.after = END;
    }
    cx.tx.put_history_job(&job)
}

fn contacts(cx: &Cx<'_, '_>, own: AccountId) -> Result<Vec<pb::HistoryContact>, StoreError> {
    let mut given = Vec::new();
    let mut bytes = 0;
    for contact in cx.tx.contacts()?.into_iter().filter(|contact| contact.account != own) {
        let contact = pb::HistoryContact {
            account: id_bytes(contact.account),
            username: contact.username.unwrap_or_default(),
            identity_key: contact.identity_key.unwrap_or_default().into(),
            verified: contact.verified,
            read_up_to: cx.tx.read_up_to(contact.account.into())?.get(),
            display_name: contact.display_name.unwrap_or_default(),
            list_version: contact.list_version,
        };
        bytes += contact.encoded_len() + 8;
        if bytes > CHUNK_BYTES / 2 {
            // Those beyond are learned again from their messages.
            break;
        }
        given.push(contact);
    }
    Ok(given)
}

/// What still fits into a chunk.
struct Room {
    bytes: usize,
    is_empty: bool,
}

impl Room {
    /// Whether so much more fits; then it is taken. The first thing always does.
    fn take(&mut self, more: usize) -> bool {
        let fits = self.is_empty || self.bytes + more <= CHUNK_BYTES;
        if fits {
            self.bytes += more;
            self.is_empty = false;
        }
        fits
    }
}

/// Returns whether all that are left fit.
fn add_messages(
    cx: &mut Cx<'_, '_>,
    job: &mut HistoryJob,
    chunk: &mut pb::HistoryChunk,
    room: &mut Room,
) -> Result<bool, StoreError> {
    loop {
        let page = cx.tx.messages_since(job.since, job.after, PAGE)?;
        let is_last = page.len() < PAGE as usize;
        for message in page {
            let given = give(cx, &message)?;
            // A tag and a length come on top.
            let more = given.encoded_len() + 8;
            if more > MESSAGE_BYTES_MAX {
                // Stays where it is: what no chunk can carry must not hold up the rest.
                tracing::info!(bytes = more, "a message is too large for the history of a new device");
            } else if room.take(more) {
                job.done += 1;
                chunk.messages.push(given);
            } else {
                return Ok(false);
            }
            job.after = (message.place, message.id);
        }
        if is_last {
            return Ok(true);
        }
    }
}

fn add_actions(
    cx: &mut Cx<'_, '_>,
    job: &mut HistoryJob,
    chunk: &mut pb::HistoryChunk,
    room: &mut Room,
) -> Result<bool, StoreError> {
    loop {
        let page = cx.tx.actions_since(job.since, job.after.1, PAGE)?;
        let is_last = page.len() < PAGE as usize;
        for stored in page {
            let given = actions::give(&stored);
            let more = given.encoded_len() + 8;
            if more <= MESSAGE_BYTES_MAX {
                if !room.take(more) {
                    return Ok(false);
                }
                chunk.messages.push(given);
            }
            job.after.1 = stored.id;
        }
        if is_last {
            return Ok(true);
        }
    }
}

fn add_facts(
    cx: &mut Cx<'_, '_>,
    job: &mut HistoryJob,
    chunk: &mut pb::HistoryChunk,
    room: &mut Room,
) -> Result<bool, StoreError> {
    loop {
        let page = cx.tx.facts_page(job.after.1, kept::FACTS_AT_ONCE)?;
        let is_last = page.len() < kept::FACTS_AT_ONCE as usize;
        for fact in page {
            let given = kept::to_wire(&fact);
            if !room.take(given.encoded_len() + 8) || chunk.facts.len() >= kept::FACTS_AT_ONCE as usize {
                return Ok(false);
            }
            chunk.facts.push(given);
            job.after.1 += 1;
        }
        if is_last {
            return Ok(true);
        }
    }
}

/// The groups of one chunk, and whether there are more for the next.
fn groups_of(cx: &mut Cx<'_, '_>, index: u32) -> Result<(Vec<pb::HistoryGroup>, bool), StoreError> {
    let all = cx.tx.group_cursors()?;
    let from = (index as usize).saturating_mul(GROUPS_AT_ONCE);
    let mut given = Vec::new();
    for (group, _) in all.iter().skip(from).take(GROUPS_AT_ONCE) {
        given.extend(groups::for_history(cx, *group)?);
    }
    Ok((given, all.len() > from.saturating_add(GROUPS_AT_ONCE)))
}

fn give(cx: &Cx<'_, '_>, message: &StoredMessage) -> Result<pb::HistoryMessage, StoreError> {
    let group = message.conversation.group();
    let mut content = pb::Content::decode(&actions::first_content(cx, message)?.expose()[..]).ok();
    if let (Some(_), Some(content)) = (message.deleted_by, &mut content) {
        // What was said is gone; which one it was stays.
        content.name = Bytes::copy_from_slice(message.name.as_bytes());
        content.sent_at_ms = message.written.as_ms();
        content.expires_after_s = message.expires_after_s;
    }
    Ok(pb::HistoryMessage {
        peer: message.conversation.peer().map(id_bytes).unwrap_or_default(),
        sender_account: id_bytes(message.author),
        sender_device: message.author_device.into(),
        message_id: message.message_id.unwrap_or_default().get(),
        server_time_ms: message.server_time.unwrap_or_default().as_ms(),
        content,
        delivered_at_ms: message.delivered.unwrap_or_default().as_ms(),
        read_at_ms: message.read.unwrap_or_default().as_ms(),
        failed: message.failed,
        group_id: group.map(|group| Bytes::copy_from_slice(group.as_bytes())).unwrap_or_default(),
        allowed: false,
        deleted: message.deleted_by.is_some(),
        deleted_by: message.deleted_by.map(id_bytes).unwrap_or_default(),
        expires_at_ms: message.expires.unwrap_or_default().as_ms(),
    })
}

pub(crate) fn on_accepted(cx: &mut Cx<'_, '_>, client_msg_id: ClientMsgId) -> Result<(), StoreError> {
    for mut job in cx.tx.history_jobs()?.into_iter().filter(|job| job.in_flight == Some(client_msg_id)) {
        if job.after == END {
            cx.tx.delete_history_job(job.device)?;
            cx.event(Event::HistorySent { device: job.device, done: job.done, total: job.done });
            continue;
        }
        job.in_flight = None;
        cx.tx.put_history_job(&job)?;
        // More than was counted at the start: messages came since. A chunk follows, if only to say that it was the last.
        let total = job.total.max(job.done.saturating_add(1));
        cx.event(Event::HistorySent { device: job.device, done: job.done, total });
    }
    Ok(())
}

/// Whether this send is a chunk.
pub(crate) fn is_chunk(cx: &Cx<'_, '_>, client_msg_id: ClientMsgId) -> Result<bool, StoreError> {
    Ok(cx.tx.history_jobs()?.iter().any(|job| job.in_flight == Some(client_msg_id)))
}

/// The words of what is gone leave the chunks that are on their way, and those kept to be sent again.
pub(crate) fn forget_copies(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    let (gone, Some(own)) = (cx.tx.take_gone(), cx.own()) else { return Ok(()) };
    if gone.is_empty() {
        return Ok(());
    }
    for copy in cx.tx.history_copies(own.account(), outbox::CONTROL)? {
        let Ok(mut content) = pb::Content::decode(&copy.content.expose()[..]) else { continue };
        let Some(pb::content::Body::HistoryChunk(chunk)) = &mut content.body else { continue };
        let all = std::mem::take(&mut chunk.messages);
        let mut changed = false;
        for message in all {
            match actions::held_by(&message).filter(|target| gone.contains(target)) {
                None => chunk.messages.push(message),
                Some(target) => {
                    changed = true;
                    // That something was said stays, where it was deleted for everyone.
                    let left = cx.tx.message_named(target.author, target.name)?;
                    if let Some(left) = left.filter(|_| !message.content.as_ref().is_some_and(actions::is_action)) {
                        chunk.messages.push(give(cx, &left)?);
                    }
                }
            }
        }
        if changed {
            cx.tx.put_history_copy(copy.place, &Secret::new(content.encode_to_vec()))?;
        }
    }
    Ok(())
}

/// A chunk could not be sent: its device is gone.
pub(crate) fn on_gone(cx: &mut Cx<'_, '_>, client_msg_id: ClientMsgId) -> Result<(), StoreError> {
    for job in cx.tx.history_jobs()?.into_iter().filter(|job| job.in_flight == Some(client_msg_id)) {
        cx.tx.delete_history_job(job.device)?;
    }
    Ok(())
}

/// A chunk was refused for good: what is left stays here, and the person is told.
pub(crate) fn on_failed(cx: &mut Cx<'_, '_>, client_msg_id: ClientMsgId, note: &str) -> Result<(), StoreError> {
    for job in cx.tx.history_jobs()?.into_iter().filter(|job| job.in_flight == Some(client_msg_id)) {
        cx.tx.delete_history_job(job.device)?;
        let (device, done, total) = (job.device, job.done, job.total);
        cx.notice(format!(
            "the history for device {device} could not be sent beyond {done} of {total} messages: {note}"
        ));
    }
    Ok(())
}

pub(crate) fn on_chunk(cx: &mut Cx<'_, '_>, chunk: &pb::HistoryChunk) -> Result<(), StoreError> {
    for contact in &chunk.contacts {
        take_contact(cx, contact)?;
    }
    for group in &chunk.groups {
        groups::from_history(cx, group)?;
    }
    kept::on_facts(cx, &chunk.facts, None)?;
    let mut touched = Vec::new();
    for message in &chunk.messages {
        if let Some(conversation) = take_message(cx, message)?
            && !touched.contains(&conversation)
        {
            touched.push(conversation);
        }
    }
    for conversation in touched {
        if let Some(peer) = conversation.peer() {
            crate::inbox::list_contact(cx, peer)?;
        }
        cx.event(Event::ConversationChanged { conversation });
    }
    // Progress by request: several own devices may answer at once.
    let counter = format!("history.{}", crate::profile::hex(&chunk.request_id));
    let done = cx.tx.count(&counter, u64::try_from(chunk.messages.len()).unwrap_or(0))?;
    let is_last = chunk.count != 0 && chunk.count == chunk.index.saturating_add(1);
    if is_last {
        cx.tx.delete_setting(&counter)?;
    }
    let total = if is_last { done } else { chunk.total_messages.max(done.saturating_add(1)) };
    cx.event(Event::HistoryReceived { done, total });
    Ok(())
}

fn take_contact(cx: &mut Cx<'_, '_>, given: &pb::HistoryContact) -> Result<(), StoreError> {
    let Ok(account) = AccountId::try_from(&given.account[..]) else { return Ok(()) };
    let mut contact = cx.tx.contact(account)?.unwrap_or_else(|| Contact::new(account));
    if contact.identity_key.is_none() && sotto_crypto::IdentityKey::parse(&given.identity_key).is_ok() {
        // Our own device's first use is our first use.
        contact.identity_key = Some(given.identity_key.to_vec());
    }
    let same_key = contact.identity_key.as_deref() == Some(&given.identity_key[..]);
    contact.verified |= same_key && given.verified;
    // Of another key nothing is taken over: the person is shown that one as a change, with the list that brings it.
    if same_key && given.list_version > contact.list_version {
        // Our own device has seen this version: nothing older may be shown to us.
        contact.list_version = given.list_version;
        contact.list = None;
        contact.stale = true;
        cx.core.lists.remove(&account);
    }
    let name = sotto_types::Username::parse(&given.username).ok().map(String::from);
    if contact.username.is_none()
        && let Some(name) = name
        && cx.tx.contact_named(&name)?.is_none()
    {
        contact.username = Some(name);
    }
    if contact.display_name.is_none() && !given.display_name.is_empty() {
        contact.display_name = Some(given.display_name.chars().take(64).collect());
    }
    contact.listed = true;
    cx.tx.put_contact(&contact)?;
    if given.read_up_to < PENDING_PLACE {
        let up_to = MessageId::new(given.read_up_to);
        if cx.tx.raise_read(account.into(), up_to)? {
            forget::on_read(cx, account.into(), up_to)?;
            cx.tx.mark_read_told(account.into(), up_to)?;
        }
    }
    cx.contact_changed(account)
}

fn take_message(cx: &mut Cx<'_, '_>, given: &pb::HistoryMessage) -> Result<Option<Conversation>, StoreError> {
    let conversation = match GroupId::try_from(&given.group_id[..]) {
        Ok(group) => Ok(Conversation::Group(group)),
        Err(_) => AccountId::try_from(&given.peer[..]).map(Conversation::Peer),
    };
    let (Ok(conversation), Ok(author), Ok(device), Some(content)) = (
        conversation,
        AccountId::try_from(&given.sender_account[..]),
        DeviceId::try_from(given.sender_device),
        &given.content,
    ) else {
        return Ok(None);
    };
    let Ok(name) = ClientMsgId::try_from(&content.name[..]) else { return Ok(None) };
    if given.message_id == 0 || given.message_id >= PENDING_PLACE {
        return Ok(None);
    }
    if actions::is_action(content) {
        let from = actions::Incoming {
            author,
            device,
            conversation,
            message_id: MessageId::new(given.message_id),
            server_time: Timestamp::from_ms(given.server_time_ms),
            allowed: Some(given.allowed),
        };
        actions::take(cx, &from, content.clone())?;
        return Ok(None);
    }
    let kind = if given.deleted { MessageKind::Deleted } else { say::kind_of(content) };
    let new = cx.tx.insert_message(&NewMessage {
        author,
        author_device: device,
        name,
        conversation,
        message_id: Some(MessageId::new(given.message_id)),
        after: None,
        kind,
        content: Secret::new(content.encode_to_vec()),
        written: Timestamp::from_ms(content.sent_at_ms),
        server_time: Some(Timestamp::from_ms(given.server_time_ms)),
        note: None,
        expires_after_s: forget::clamp(content.expires_after_s),
    })?;
    let time = |ms: u64| (ms > 0).then(|| Timestamp::from_ms(ms));
    let row = match new {
        Some(id) => Some(id),
        None => cx.tx.message_named(author, name)?.map(|message| message.id),
    };
    if let Some(id) = row {
        cx.tx.merge_ticks(id, time(given.delivered_at_ms), time(given.read_at_ms))?;
        if given.failed {
            cx.tx.set_failed(id, true, Some("not delivered: nobody was there to take it for 30 days"))?;
        }
        if let Some(at) = time(given.expires_at_ms) {
            cx.tx.set_expires(id, at)?;
        }
        if let (true, Ok(by)) = (given.deleted, AccountId::try_from(&given.deleted_by[..])) {
            cx.tx.set_deleted(id, by)?;
        }
        if let (true, Some(message)) = (new.is_some(), cx.tx.message(id)?) {
            forget::begin(cx, &message)?;
            actions::settle(cx, actions::target(&message))?;
        }
    }
    Ok(new.map(|_| conversation))
}
