//! Groups whose messages go to every device by itself: no sender keys, each member's ratchet.
//! Always true:
//! - a message is sealed for exactly the devices of the roster it names, once all of them have a session;
//! - what comes from somebody who is a member only by operations that are not here yet waits for them, in the store.

use super::keys::{self, Targets};
use super::send::{Made, place};
use super::{fetch, known, log};
use crate::api::CopyDetails;
use crate::core::Cx;
use crate::inbox::{self, Meta};
use crate::keys::Protocol;
use crate::{devices, outbox};
use bytes::Bytes;
use prost::Message as _;
use serde::{Deserialize, Serialize};
use sotto_crypto::group::GroupState;
use sotto_crypto::session::{self, EncryptError};
use sotto_engine_store::{Group, OutboxEntry, StoreError};
use sotto_types::{AccountId, Conversation, DeviceAddress, DeviceId, GroupId, MessageId, Timestamp};
use sotto_wire::pb;

/// Messages of one group that wait for its list.
const EARLY_MAX: usize = 64;

pub(super) fn make(
    cx: &mut Cx<'_, '_>,
    entry: &OutboxEntry,
    row: &Group,
    state: &GroupState,
) -> Result<Made, StoreError> {
    let group = row.id;
    if let Some(why) = keys::not_a_member(cx, state) {
        return Ok(Made::Impossible(why));
    }
    if keys::must_wait(cx, row)? {
        return Ok(Made::Wait);
    }
    let Some(own) = cx.own() else { return Ok(Made::Wait) };
    let targets = match keys::targets(cx, state)? {
        Targets::These(targets) => targets,
        Targets::Unknown(accounts) => {
            fetch::lists(cx, group, accounts)?;
            return Ok(Made::Wait);
        }
    };
    let mut by_account: Vec<(AccountId, Vec<DeviceAddress>)> = Vec::new();
    for target in targets {
        match by_account.last_mut().filter(|(account, _)| *account == target.device.account) {
            Some((_, devices)) => devices.push(target.device),
            None => by_account.push((target.device.account, vec![target.device])),
        }
    }
    // All sessions first: sealing moves ratchets, so it begins only when it can be completed.
    let mut sessionless: Vec<(AccountId, Vec<DeviceId>)> = Vec::new();
    for (account, targets) in &by_account {
        let Some(list) = devices::list_of(cx, *account)? else { return Ok(Made::Wait) };
        let missing = devices::without_session(cx, &list, targets)?;
        if !missing.is_empty() {
            sessionless.push((*account, missing));
        }
    }
    if !sessionless.is_empty() {
        fetch::bundles(cx, group, sessionless);
        return Ok(Made::Wait);
    }
    let Ok(mut content) = pb::Content::decode(&entry.content.expose()[..]) else {
        return Ok(Made::Impossible("the stored message is damaged"));
    };
    content.group = Some(place(group, row.revision, &row.head));
    let (mut to, mut copies, mut ciphertexts) = (Vec::with_capacity(by_account.len()), Vec::new(), Vec::new());
    for (account, targets) in by_account {
        let mut sealed_for = Vec::with_capacity(targets.len());
        for device in targets {
            let mut store = Protocol::new(cx.tx, &own);
            match session::encrypt(&mut store, device, content.clone(), cx.now, &mut cx.core.rng) {
                Ok(sealed) => {
                    copies.push(outbox::copy_details(device, &sealed));
                    ciphertexts.push(inbox::kept_ciphertext(&sealed.ciphertext));
                    sealed_for.push(sealed.into_wire(device.device));
                }
                Err(EncryptError::TooLarge) => return Ok(Made::Impossible("the message is too long")),
                Err(EncryptError::Store(failure)) => return Err(store.failure(&failure)),
                Err(EncryptError::NoSession | EncryptError::CorruptSession) => {
                    cx.tx.delete_session(device)?;
                    return Ok(Made::Wait);
                }
                Err(EncryptError::UntrustedIdentity { account, .. }) => {
                    cx.tx.mark_contact_stale(account)?;
                    cx.tx.delete_session(device)?;
                    return Ok(Made::Wait);
                }
                Err(EncryptError::OwnDevice) => (),
            }
        }
        to.push(pb::AccountCiphertexts { account_id: inbox::id_bytes(account), list_version: 0, devices: sealed_for });
    }
    let send = pb::SendGroup {
        client_msg_id: Bytes::copy_from_slice(entry.client_msg_id.as_bytes()),
        group_id: Bytes::copy_from_slice(group.as_bytes()),
        class: i32::from(entry.class),
        seen: cx.tx.seen(Conversation::Group(group))?.get(),
        roster: row.roster,
        ciphertext: Bytes::new(),
        to,
    };
    Ok(Made::Ready { send: Box::new(send), copies, ciphertexts })
}

/// A message that came before the operation by which its sender is a member.
#[derive(Debug, Serialize, Deserialize)]
struct Early {
    from: DeviceAddress,
    message_id: MessageId,
    server_time: Timestamp,
    class: u8,
    note: Option<String>,
    copy: CopyDetails,
    ciphertext: Vec<u8>,
    content: Vec<u8>,
}

fn early_name(group: GroupId) -> String {
    format!("group.early.{group}")
}

/// Somebody says something in a group, pairwise.
pub(crate) fn on_message(cx: &mut Cx<'_, '_>, meta: &Meta, content: pb::Content) -> Result<(), StoreError> {
    let Some(place) = content.group.clone() else { return Ok(()) };
    let Ok(group) = GroupId::try_from(&place.group_id[..]) else { return Ok(()) };
    let known = known(cx, group)?;
    let waits = known.as_ref().is_none_or(|(row, state)| {
        place.revision > row.revision && state.member_at(meta.from.account, row.revision).is_none()
    });
    if waits {
        return keep_early(cx, group, meta, &content);
    }
    if log::may_say(cx, meta.from.account, &place)? {
        return inbox::store_message(cx, meta, meta.from.account, Conversation::Group(group), content);
    }
    tracing::warn!(from = %meta.from, "a message to a group of somebody with no right to it was dropped");
    cx.tx.count("count.dropped", 1)?;
    Ok(())
}

fn keep_early(cx: &mut Cx<'_, '_>, group: GroupId, meta: &Meta, content: &pb::Content) -> Result<(), StoreError> {
    let name = early_name(group);
    let mut early = cx.tx.setting_json::<Vec<Early>>(&name)?.unwrap_or_default();
    if early.len() >= EARLY_MAX {
        tracing::warn!(?group, "too many messages wait for the list of a group");
        cx.tx.count("count.dropped", 1)?;
        return Ok(());
    }
    early.push(Early {
        from: meta.from,
        message_id: meta.message_id,
        server_time: meta.server_time,
        class: meta.class,
        note: meta.note.clone(),
        copy: meta.copy.clone(),
        ciphertext: meta.ciphertext.to_vec(),
        content: content.encode_to_vec(),
    });
    cx.tx.put_setting_json(&name, &early)?;
    fetch::refresh(cx, group)
}

/// The list is here, as new as the server has it: what waited for it is shown, or was not for its sender to say.
pub(super) fn release(cx: &mut Cx<'_, '_>, group: GroupId) -> Result<(), StoreError> {
    let name = early_name(group);
    let Some(early) = cx.tx.setting_json::<Vec<Early>>(&name)? else { return Ok(()) };
    cx.tx.delete_setting(&name)?;
    for early in early {
        let Ok(content) = pb::Content::decode(&early.content[..]) else { continue };
        let allowed = match &content.group {
            Some(place) => log::may_say(cx, early.from.account, place)?,
            None => false,
        };
        if !allowed {
            cx.tx.count("count.dropped", 1)?;
            continue;
        }
        let meta = Meta {
            from: early.from,
            message_id: early.message_id,
            server_time: early.server_time,
            class: early.class,
            note: early.note,
            copy: early.copy,
            ciphertext: early.ciphertext.into(),
            began_session: false,
            unlisted: false,
        };
        inbox::store_message(cx, &meta, meta.from.account, Conversation::Group(group), content)?;
    }
    Ok(())
}
