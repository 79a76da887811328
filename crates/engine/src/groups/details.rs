//! Title, description and picture: encrypted under a key of their own, which members give each other.
//! Always true: details are shown only if their hash is the one in the list; a key that opens nothing known is dropped.

use super::{changed, known};
use crate::core::Cx;
use bytes::Bytes;
use prost::Message as _;
use sotto_crypto::group::{GroupDetails, GroupState, PictureType, details_hash, open_details};
use sotto_engine_store::{Group, PENDING_PLACE, StoreError};
use sotto_types::{AccountId, GroupId, MessageId, Secret};
use sotto_wire::pb;

/// The key of details this device made, until the operation with them is in the list.
fn staged_name(hash: &[u8; 32]) -> String {
    format!("group.details.{}", crate::profile::hex(hash))
}

pub(super) fn stage(cx: &Cx<'_, '_>, hash: &[u8; 32], key: &Secret<[u8; 32]>) -> Result<(), StoreError> {
    cx.tx.put_setting_json(&staged_name(hash), &key.expose().to_vec())
}

/// The list names other details now.
pub(super) fn staged(cx: &mut Cx<'_, '_>, group: GroupId, state: &GroupState) -> Result<(), StoreError> {
    let Some(mut row) = cx.tx.group(group)? else { return Ok(()) };
    let hash = state.details_hash();
    row.details_key = None;
    // The old ones are shown until the new ones can be read.
    row.sealed_details = None;
    let name = staged_name(&hash);
    if let Some(key) = cx.tx.setting_json::<Vec<u8>>(&name)? {
        row.details_key = Some(Secret::new(key));
        cx.tx.delete_setting(&name)?;
    }
    cx.tx.put_group(&row)
}

/// Those that can be shown.
pub(super) fn opened(row: &Group) -> Option<GroupDetails> {
    let details = pb::GroupDetails::decode(&row.details.as_ref()?.expose()[..]).ok()?;
    let picture = PictureType::from_mime(&details.picture_type).map(|kind| (kind, details.picture));
    Some(GroupDetails { title: details.title, description: details.description, picture })
}

/// Encrypted details from the server: kept if they are the ones in the list.
pub(super) fn offer(cx: &mut Cx<'_, '_>, group: GroupId, sealed: &[u8]) -> Result<(), StoreError> {
    let Some((mut row, state)) = known(cx, group)? else { return Ok(()) };
    let hash = details_hash(sealed);
    if hash != state.details_hash() || row.details_hash == Some(hash) {
        return Ok(());
    }
    row.sealed_details = Some(sealed.to_vec());
    open(cx, row, hash)
}

/// Opens what is there, if the key is there too.
fn open(cx: &mut Cx<'_, '_>, mut row: Group, hash: [u8; 32]) -> Result<(), StoreError> {
    let group = row.id;
    let opened = row.details_key.as_ref().zip(row.sealed_details.as_ref()).and_then(|(key, sealed)| {
        let key = Secret::new(<[u8; 32]>::try_from(&key.expose()[..]).ok()?);
        open_details(&key, sealed).ok()
    });
    if let Some(details) = opened {
        row.details = Some(Secret::new(to_wire(&details).encode_to_vec()));
        row.details_hash = Some(hash);
        changed(cx, group);
    }
    cx.tx.put_group(&row)
}

pub(super) fn to_wire(details: &GroupDetails) -> pb::GroupDetails {
    pb::GroupDetails {
        title: details.title.clone(),
        description: details.description.clone(),
        picture: details.picture.as_ref().map(|(_, bytes)| bytes.clone()).unwrap_or_default(),
        picture_type: details.picture.as_ref().map(|(kind, _)| kind.mime().to_owned()).unwrap_or_default(),
    }
}

/// What other members need beside the operations.
pub(crate) fn context_of(row: &Group, state: &GroupState) -> pb::GroupContext {
    pb::GroupContext {
        group_id: Bytes::copy_from_slice(row.id.as_bytes()),
        details_hash: Bytes::copy_from_slice(&state.details_hash()),
        details_key: row.details_key.as_ref().map(|key| Bytes::copy_from_slice(key.expose())).unwrap_or_default(),
    }
}

/// What a new own device is told of a group.
pub(crate) fn for_history(cx: &mut Cx<'_, '_>, group: GroupId) -> Result<Option<pb::HistoryGroup>, StoreError> {
    let Some((row, state)) = known(cx, group)?.filter(|(row, _)| !row.left) else { return Ok(None) };
    Ok(Some(pb::HistoryGroup {
        context: Some(context_of(&row, &state)),
        revision: row.revision,
        head: Bytes::copy_from_slice(&row.head),
        read_up_to: cx.tx.read_up_to(group.into())?.get(),
    }))
}

/// What an own device knew: the server must show the same list, or a later one.
pub(crate) fn from_history(cx: &mut Cx<'_, '_>, given: &pb::HistoryGroup) -> Result<(), StoreError> {
    let Some(context) = &given.context else { return Ok(()) };
    let (Ok(group), Ok(head)) = (GroupId::try_from(&context.group_id[..]), <[u8; 32]>::try_from(&given.head[..]))
    else {
        return Ok(());
    };
    if let Some(own) = cx.own() {
        on_context(cx, own.account(), context)?;
    }
    if given.read_up_to < PENDING_PLACE {
        let up_to = MessageId::new(given.read_up_to);
        if cx.tx.raise_read(group.into(), up_to)? {
            crate::forget::on_read(cx, group.into(), up_to)?;
            cx.tx.mark_read_told(group.into(), up_to)?;
        }
    }
    super::fetch::expect(cx, group, given.revision, head)
}

/// A member gives the key of the details.
pub(crate) fn on_context(cx: &mut Cx<'_, '_>, from: AccountId, context: &pb::GroupContext) -> Result<(), StoreError> {
    let Ok(group) = GroupId::try_from(&context.group_id[..]) else { return Ok(()) };
    if context.details_key.len() != 32 {
        return Ok(());
    }
    let Some((mut row, state)) = known(cx, group)? else {
        // Faster than the operation that made us a member: kept until that is here.
        if let Ok(hash) = <[u8; 32]>::try_from(&context.details_hash[..]) {
            cx.tx.put_setting_json(&staged_name(&hash), &context.details_key.to_vec())?;
        }
        return super::fetch::learn(cx, group);
    };
    if state.member(from).is_none() {
        return Ok(());
    }
    if context.details_hash[..] != state.details_hash()[..] {
        if let Ok(hash) = <[u8; 32]>::try_from(&context.details_hash[..]) {
            cx.tx.put_setting_json(&staged_name(&hash), &context.details_key.to_vec())?;
        }
        return Ok(());
    }
    if row.details_hash == Some(state.details_hash()) {
        return Ok(());
    }
    row.details_key = Some(Secret::new(context.details_key.to_vec()));
    open(cx, row, state.details_hash())
}
