//! A group's log: every entry once, in order, none left out.
//! Always true:
//! - an entry is taken only on top of the one before it; what is missing in between makes the connection begin anew, from the
//!   cursor that was acknowledged;
//! - a message is shown only if its sender was a member where it stands, and had seen what stands before it;
//! - what cannot be opened yet leaves a placeholder, so that the cursor can rise.

use super::apply::{self, Given, Taken};
use super::{FORKED, Gathered, WITHHELD, alarm, fetch, known};
use crate::api::CopyDetails;
use crate::core::Cx;
use crate::inbox::{self, Meta};
use crate::keys::Protocol;
use crate::repair;
use crate::{connection, outbox};
use bytes::Bytes;
use prost::Message as _;
use rand::Rng as _;
use sotto_crypto::group::GroupState;
use sotto_crypto::sender_keys::{self, GroupError};
use sotto_engine_store::{Group, PENDING_PLACE, StoreError};
use sotto_types::{AccountId, Conversation, DeviceAddress, DeviceId, EntryId, GroupId, MessageId, Timestamp, limits};
use sotto_wire::pb;
use std::time::Duration;

/// Entries of one group that may wait here; the server's window is smaller.
const PARKED_MAX: usize = 4096;
/// So often a missing entry is asked for before it is called withheld.
const GAPS_MAX: u32 = 2;
/// How long acks are gathered, and how much at most: a part of what the server has under way to one device.
const GATHER_MS: std::ops::Range<u64> = 50..250;
const GATHER_ENTRIES: u32 = 64;
const GATHER_BYTES: usize = 256 * 1024;

pub(crate) fn on_entry(cx: &mut Cx<'_, '_>, entry: pb::GroupEntry) -> Result<(), StoreError> {
    let Ok(group) = GroupId::try_from(&entry.group_id[..]) else {
        connection::lost(cx, None);
        return Ok(());
    };
    if entry.message_id == 0 || entry.message_id >= PENDING_PLACE {
        tracing::warn!("the server delivered an impossible id");
        connection::lost(cx, None);
        return Ok(());
    }
    if !cx.core.groups.live(group).parked.is_empty() || waits_for_keys(cx, &entry) {
        park(cx, group, entry);
        return Ok(());
    }
    process(cx, group, entry)
}

/// Keys that came before it are parked with their sender's other entries.
fn waits_for_keys(cx: &Cx<'_, '_>, entry: &pb::GroupEntry) -> bool {
    let sender = AccountId::try_from(&entry.sender_account[..]).ok();
    sender.is_some_and(|sender| inbox::is_parked(cx, sender))
}

fn park(cx: &mut Cx<'_, '_>, group: GroupId, entry: pb::GroupEntry) {
    let live = cx.core.groups.live(group);
    if live.parked.len() < PARKED_MAX {
        live.parked.push_back(entry);
    }
}

/// What they waited for is there, or will not come.
pub(crate) fn unpark(cx: &mut Cx<'_, '_>, group: GroupId) -> Result<(), StoreError> {
    while let Some(entry) = cx.core.groups.live(group).parked.pop_front() {
        if waits_for_keys(cx, &entry) {
            cx.core.groups.live(group).parked.push_front(entry);
            return Ok(());
        }
        let before = cx.core.groups.live(group).parked.len();
        process(cx, group, entry)?;
        if cx.core.groups.live(group).parked.len() > before {
            // It waits again; what was behind it stays behind it.
            let live = cx.core.groups.live(group);
            if let Some(again) = live.parked.pop_back() {
                live.parked.push_front(again);
            }
            return Ok(());
        }
    }
    Ok(())
}

/// Keys of a sender are through: what waited for them goes on.
pub(crate) fn unpark_all(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    let waiting: Vec<GroupId> =
        cx.core.groups.live.iter().filter(|(_, live)| !live.parked.is_empty()).map(|(group, _)| *group).collect();
    for group in waiting {
        if cx.tx.has_group(group)? {
            unpark(cx, group)?;
        }
    }
    Ok(())
}

/// The group cannot be known: its entries say nothing to this device, and the server need not keep them for it.
pub(super) fn drop_parked(cx: &mut Cx<'_, '_>, group: GroupId) {
    let live = cx.core.groups.live(group);
    let last = live.parked.iter().map(|entry| entry.message_id).max();
    live.parked.clear();
    if let Some(last) = last {
        cx.core.groups.loose_acks.insert(group, MessageId::new(last));
        cx.core.groups.gathered.entries = cx.core.groups.gathered.entries.saturating_add(1);
    }
}

fn note_due(cx: &mut Cx<'_, '_>, group: GroupId, bytes: usize) {
    let groups = &mut cx.core.groups;
    groups.live(group).ack_due = true;
    groups.gathered.entries = groups.gathered.entries.saturating_add(1);
    groups.gathered.bytes = groups.gathered.bytes.saturating_add(bytes);
}

fn process(cx: &mut Cx<'_, '_>, group: GroupId, entry: pb::GroupEntry) -> Result<(), StoreError> {
    let bytes = entry.encoded_len();
    let Some((row, state)) = known(cx, group)? else {
        park(cx, group, entry);
        return fetch::learn(cx, group);
    };
    let id = MessageId::new(entry.message_id);
    if id <= row.cursor {
        note_due(cx, group, bytes);
        return Ok(());
    }
    let previous = MessageId::new(entry.previous);
    // Whoever was out gets nothing of what was said meanwhile, but all of the stay before, up to the operation that ended it.
    let is_missing = previous > row.cursor && was_in(cx, &row, &state, row.cursor)?;
    if row.cursor != MessageId::ZERO && is_missing {
        let live = cx.core.groups.live(group);
        live.gaps = live.gaps.saturating_add(1);
        if live.gaps <= GAPS_MAX {
            connection::lost(cx, None);
            return Ok(());
        }
        // The end of an earlier stay may be gone for good: a server keeps it for 30 days.
        if !begins_here(cx, &entry) {
            alarm(cx, group, WITHHELD)?;
        }
    }
    cx.core.groups.live(group).gaps = 0;
    let readable = match &entry.item {
        Some(pb::group_entry::Item::Operation(operation)) => {
            let given = Given {
                payload: operation.payload.clone(),
                signature: operation.signature.clone(),
                details: (!operation.details.is_empty()).then(|| operation.details.clone()),
                message_id: id,
                server_time: Timestamp::from_ms(entry.server_time_ms),
            };
            if apply::take(cx, group, &given)? == Taken::Missing {
                // The page ends with this one, or the server hides something: either way it goes on from there.
                park(cx, group, entry);
                return fetch::refresh(cx, group);
            }
            true
        }
        // What is said where one is no member: nothing of it is for this device.
        Some(pb::group_entry::Item::Envelope(_)) if !was_in(cx, &row, &state, id)? => false,
        Some(pb::group_entry::Item::Envelope(envelope)) => {
            let envelope = envelope.clone();
            on_envelope(cx, &row, &state, &entry, &envelope)?
        }
        // From a newer server.
        None => true,
    };
    cx.tx.raise_cursor(group, id)?;
    if readable {
        cx.tx.raise_delivered(group, id)?;
    }
    cx.tx.raise_seen(Conversation::Group(group), id)?;
    note_due(cx, group, bytes);
    Ok(())
}

/// Whether this account was a member at a place of the log. The list may be known further than the log is read.
fn was_in(cx: &Cx<'_, '_>, row: &Group, state: &GroupState, id: MessageId) -> Result<bool, StoreError> {
    let Some(own) = cx.core.own.as_ref().map(|own| own.account()) else { return Ok(false) };
    Ok(member_key_at(cx, row, state, own, id)?.is_some())
}

/// Whether it is the operation with which a stay of this account begins: it is added, with its new key perhaps, or joins.
fn begins_here(cx: &Cx<'_, '_>, entry: &pb::GroupEntry) -> bool {
    let Some(pb::group_entry::Item::Operation(operation)) = &entry.item else { return false };
    let Some(own) = cx.core.own.as_ref().map(|own| own.account()) else { return false };
    match pb::GroupOperation::decode(operation.payload.clone()).ok().and_then(|operation| operation.change) {
        Some(pb::group_operation::Change::Add(add)) => {
            add.members.iter().any(|member| member.account_id[..] == own.as_bytes()[..])
        }
        Some(pb::group_operation::Change::Join(_)) => entry.sender_account[..] == own.as_bytes()[..],
        _ => false,
    }
}

fn address(entry: &pb::GroupEntry) -> Option<DeviceAddress> {
    let account = AccountId::try_from(&entry.sender_account[..]).ok()?;
    Some(DeviceAddress::new(account, DeviceId::try_from(entry.sender_device).ok()?))
}

/// Returns whether it could be read.
fn on_envelope(
    cx: &mut Cx<'_, '_>,
    row: &Group,
    state: &GroupState,
    entry: &pb::GroupEntry,
    envelope: &pb::GroupEnvelope,
) -> Result<bool, StoreError> {
    let (Some(from), Some(own)) = (address(entry), cx.own()) else { return Ok(false) };
    if from == own.address {
        // What this device sent; its answer says the same.
        return Ok(true);
    }
    let class = u8::try_from(envelope.class).unwrap_or(0);
    let id = MessageId::new(entry.message_id);
    let failed = repair::Failed {
        entry: EntryId::new(entry.message_id),
        from,
        class,
        server_time: Timestamp::from_ms(entry.server_time_ms),
        ratchet_key: Vec::new(),
        group: Some(row.id),
    };
    if member_key_at(cx, row, state, from.account, id)?.is_none() {
        return drop_entry(cx, row.id, from);
    }
    let mut store = Protocol::new(cx.tx, &own);
    let plaintext = match sender_keys::decrypt(&mut store, from, &envelope.ciphertext) {
        Ok(plaintext) => plaintext,
        Err(GroupError::Store(failure)) => return Err(store.failure(&failure)),
        Err(error) => {
            tracing::info!(%from, %error, "a group entry did not decrypt");
            match error {
                GroupError::OwnDevice | GroupError::Padding | GroupError::TooLarge | GroupError::Key(_) => {
                    cx.tx.count("count.dropped", 1)?;
                }
                GroupError::Duplicate => repair::on_undecryptable(cx, &failed, false)?,
                _ => repair::on_undecryptable(cx, &failed, true)?,
            }
            return Ok(false);
        }
    };
    let Ok(content) = pb::Content::decode(&plaintext.body.expose()[..]) else {
        return drop_entry(cx, row.id, from);
    };
    let named = content.sender_account[..] == from.account.as_bytes()[..]
        && content.sender_device == u32::from(from.device)
        && content.recipient_account.is_empty();
    let Some(place) = content.group.clone().filter(|place| named && place.group_id[..] == row.id.as_bytes()[..]) else {
        return drop_entry(cx, row.id, from);
    };
    let Some(note) = judge(cx, row, state, from.account, id, &place)? else { return drop_entry(cx, row.id, from) };
    let meta = Meta {
        from,
        message_id: id,
        server_time: failed.server_time,
        class,
        note,
        copy: CopyDetails {
            account: from.account,
            device: from.device,
            protocol: "sender_key".into(),
            ciphertext_bytes: u32::try_from(envelope.ciphertext.len()).unwrap_or(u32::MAX),
            counter: plaintext.iteration,
            previous_counter: None,
            ratchet_key: None,
            ciphertext: None,
        },
        ciphertext: inbox::kept_ciphertext(&envelope.ciphertext),
        began_session: false,
        unlisted: false,
    };
    if class == outbox::CONTROL {
        if let Some(pb::content::Body::GroupContext(context)) = &content.body {
            super::on_context(cx, from.account, context)?;
        }
        return Ok(true);
    }
    inbox::store_message(cx, &meta, from.account, Conversation::Group(row.id), content)?;
    Ok(true)
}

fn drop_entry(cx: &mut Cx<'_, '_>, group: GroupId, from: DeviceAddress) -> Result<bool, StoreError> {
    tracing::warn!(?group, %from, "a message of somebody with no right to it was dropped");
    cx.tx.count("count.dropped", 1)?;
    Ok(false)
}

/// The key under which an account was a member at a place of the log.
fn member_key_at(
    cx: &Cx<'_, '_>,
    row: &Group,
    state: &GroupState,
    account: AccountId,
    id: MessageId,
) -> Result<Option<sotto_crypto::IdentityKey>, StoreError> {
    Ok(state.member_at(account, apply::revision_at(cx, row, id)?))
}

/// Whether a message may stand where it stands, by what its sender had seen: `None` if not, else a note, if one is due.
fn judge(
    cx: &mut Cx<'_, '_>,
    row: &Group,
    state: &GroupState,
    sender: AccountId,
    id: MessageId,
    place: &pb::GroupPlace,
) -> Result<Option<Option<String>>, StoreError> {
    let Ok(head) = <[u8; 32]>::try_from(&place.head[..]) else { return Ok(None) };
    match cx.tx.group_hash_at(row.id, place.revision)? {
        Some(known) if known == head => {}
        Some(_) => {
            alarm(cx, row.id, FORKED)?;
            return Ok(Some(Some("its sender was shown another list of members than you".into())));
        }
        None => {
            // It saw more than this device was shown. The server has to show it now.
            cx.core.groups.live(row.id).expected.push((place.revision, head));
            return Ok(Some(None));
        }
    }
    if state.member_at(sender, place.revision).is_none() {
        return Ok(None);
    }
    let at = apply::revision_at(cx, row, id)?;
    let late = state.membership_revision() > place.revision && state.membership_revision() <= at;
    Ok(Some(late.then(|| "its sender had not seen the newest change of the group's members".to_owned())))
}

/// Whether a message that came pairwise may be shown in its group: its sender was a member by the list it had seen, as far as
/// that is known here.
pub(super) fn may_say(cx: &mut Cx<'_, '_>, from: AccountId, place: &pb::GroupPlace) -> Result<bool, StoreError> {
    let Ok(group) = GroupId::try_from(&place.group_id[..]) else { return Ok(false) };
    let Some((row, state)) = known(cx, group)? else { return Ok(false) };
    if state.member_at(from, place.revision.min(row.revision)).is_none() {
        return Ok(false);
    }
    match (cx.tx.group_hash_at(group, place.revision)?, <[u8; 32]>::try_from(&place.head[..])) {
        (Some(known), Ok(head)) if known == head => {}
        (None, Ok(head)) => {
            // It saw more than this device was shown. The server has to show it now.
            cx.core.groups.live(group).expected.push((place.revision, head));
        }
        (Some(_), _) => alarm(cx, group, FORKED)?,
        (None, Err(_)) => return Ok(false),
    }
    Ok(true)
}

/// One ack for all that was stored lately. Gathered a moment, each device its own: a message to a thousand people would otherwise
/// bring a thousand acks while it is still being handed out.
pub(crate) fn flush_acks(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    let (now, gathered) = (cx.now, cx.core.groups.gathered);
    if gathered.entries == 0 {
        return Ok(());
    }
    let is_full = gathered.entries >= GATHER_ENTRIES || gathered.bytes >= GATHER_BYTES;
    match gathered.until {
        _ if is_full => {}
        Some(until) if until <= now => {}
        Some(_) => return Ok(()),
        None => {
            let wait = Duration::from_millis(cx.core.rng.random_range(GATHER_MS));
            cx.core.groups.gathered.until = Some(now.plus(wait));
            return Ok(());
        }
    }
    send_acks(cx)
}

/// Before the connection is given up.
pub(crate) fn send_acks(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    cx.core.groups.gathered = Gathered::default();
    let due: Vec<GroupId> =
        cx.core.groups.live.iter().filter(|(_, live)| live.ack_due).map(|(group, _)| *group).collect();
    let loose = std::mem::take(&mut cx.core.groups.loose_acks);
    if due.is_empty() && loose.is_empty() {
        return Ok(());
    }
    let mut cursors = Vec::with_capacity(due.len());
    for group in due {
        cx.core.groups.live(group).ack_due = false;
        if let Some((cursor, delivered)) = cx.tx.group_cursor(group)? {
            cursors.push(cursor_of(group, cursor, delivered));
        }
    }
    cursors.extend(loose.into_iter().map(|(group, up_to)| cursor_of(group, up_to, MessageId::ZERO)));
    if !cx.core.link.is_up() {
        return Ok(());
    }
    for part in cursors.chunks(limits::ACK_GROUPS) {
        connection::send(cx, pb::client_frame::Body::GroupAck(pb::GroupAck { groups: part.to_vec() }));
    }
    Ok(())
}

fn cursor_of(group: GroupId, up_to: MessageId, delivered: MessageId) -> pb::GroupCursor {
    pb::GroupCursor {
        group_id: Bytes::copy_from_slice(group.as_bytes()),
        up_to: up_to.get(),
        delivered: delivered.get(),
    }
}
