//! A message to a group, out of the outbox.
//! Always true: it is encrypted only when every device of the roster it names can open it, once for all of them.

use super::keys::{self, Prepared};
use super::{apply, known, pairwise};
use crate::api::CopyDetails;
use crate::core::Cx;
use crate::inbox::Meta;
use crate::keys::Protocol;
use crate::{actions, inbox, outbox, repair};
use bytes::Bytes;
use prost::Message as _;
use sotto_crypto::group::Fanout;
use sotto_crypto::sender_keys::{self, GroupError};
use sotto_engine_store::{OutboxEntry, StoreError};
use sotto_types::{ClientMsgId, Conversation, GroupId, MessageId, limits};
use sotto_wire::pb;

pub(crate) enum Made {
    Ready { send: Box<pb::SendGroup>, copies: Vec<CopyDetails>, ciphertexts: Vec<Bytes> },
    Wait,
    Impossible(&'static str),
}

pub(crate) fn make(cx: &mut Cx<'_, '_>, entry: &OutboxEntry, group: GroupId) -> Result<Made, StoreError> {
    let (Some(own), Some((row, state))) = (cx.own(), known(cx, group)?) else {
        return Ok(Made::Impossible("there is no such group here"));
    };
    if entry.class == outbox::MESSAGE && state.member(own.account()).is_some() && !state.may_post(own.account()) {
        return Ok(Made::Impossible("only admins may write to this group"));
    }
    if state.settings().fanout == Fanout::Pairwise {
        return pairwise::make(cx, entry, &row, &state);
    }
    let (distribution, roster) = match keys::prepare(cx, group)? {
        Prepared::Ready { distribution, roster } => (distribution, roster),
        Prepared::Wait => return Ok(Made::Wait),
        Prepared::Never(why) => return Ok(Made::Impossible(why)),
    };
    let Ok(mut content) = pb::Content::decode(&entry.content.expose()[..]) else {
        return Ok(Made::Impossible("the stored message is damaged"));
    };
    content.sender_account = inbox::id_bytes(own.account());
    content.sender_device = own.address.device.into();
    content.group = Some(place(group, row.revision, &row.head));
    let mut store = Protocol::new(cx.tx, &own);
    let sealed = sender_keys::encrypt(&mut store, distribution, &content.encode_to_vec(), &mut cx.core.rng);
    let ciphertext = match sealed {
        Ok(ciphertext) => Bytes::from(ciphertext),
        Err(GroupError::Store(failure)) => return Err(store.failure(&failure)),
        Err(GroupError::TooLarge) => return Ok(Made::Impossible("the message is too long")),
        Err(error) => {
            tracing::warn!(%error, "the own sender key is unusable; a new one is made");
            cx.tx.delete_distribution(group)?;
            return Ok(Made::Wait);
        }
    };
    let Some(mut used) = cx.tx.distribution(group)? else { return Ok(Made::Wait) };
    used.messages = used.messages.saturating_add(1);
    cx.tx.put_distribution(group, &used)?;
    let copy = CopyDetails {
        account: own.account(),
        device: own.address.device,
        protocol: "sender_key".into(),
        ciphertext_bytes: u32::try_from(ciphertext.len()).unwrap_or(u32::MAX),
        counter: used.messages.saturating_sub(1),
        previous_counter: None,
        ratchet_key: None,
        ciphertext: None,
    };
    let send = pb::SendGroup {
        client_msg_id: Bytes::copy_from_slice(entry.client_msg_id.as_bytes()),
        group_id: Bytes::copy_from_slice(group.as_bytes()),
        class: i32::from(entry.class),
        seen: cx.tx.seen(Conversation::Group(group))?.get(),
        roster,
        ciphertext: ciphertext.clone(),
        to: Vec::new(),
    };
    Ok(Made::Ready { send: Box::new(send), copies: vec![copy], ciphertexts: vec![inbox::kept_ciphertext(&ciphertext)] })
}

/// Which operations the sender of a message had seen.
pub(super) fn place(group: GroupId, revision: u32, head: &[u8; 32]) -> pb::GroupPlace {
    let (group_id, head) = (Bytes::copy_from_slice(group.as_bytes()), Bytes::copy_from_slice(head));
    pb::GroupPlace { group_id, revision, head }
}

/// The group is another one by now: what is new is fetched before the message goes again.
pub(crate) fn on_stale(cx: &mut Cx<'_, '_>, stale: &pb::StaleGroup) -> Result<(), StoreError> {
    let (Ok(name), Ok(group)) =
        (ClientMsgId::try_from(&stale.client_msg_id[..]), GroupId::try_from(&stale.group_id[..]))
    else {
        return Ok(());
    };
    cx.tx.set_group_stale(group, true)?;
    cx.core.groups.live(group).ready = None;
    outbox::on_stale(cx, name)
}

/// A device of a member could not open what this device sent: it gets the key, and the message pairwise.
pub(crate) fn on_retry(cx: &mut Cx<'_, '_>, meta: &Meta, retry: &pb::Retry) -> Result<(), StoreError> {
    let (Some(own), Ok(group)) = (cx.own(), GroupId::try_from(&retry.group_id[..])) else { return Ok(()) };
    let Some((row, state)) = known(cx, group)? else { return Ok(()) };
    let message_id = MessageId::new(retry.message_id);
    if state.member(meta.from.account).is_some() {
        keys::lost_by(cx, group, meta.from)?;
    }
    // A message, or what was done with one.
    let message = cx.tx.message_with_id(own.account(), message_id)?;
    let action = cx.tx.action_with_id(own.account(), message_id)?.map(|stored| stored.action);
    let (device, conversation, time, said) = match (&message, action) {
        (Some(message), _) => {
            let said = actions::first_content(cx, message)?;
            (message.author_device, message.conversation, message.server_time, said)
        }
        (None, Some(action)) => (action.author_device, action.conversation, action.server_time, action.content),
        (None, None) => return Ok(()),
    };
    if conversation != Conversation::Group(group) || device != own.address.device {
        return Ok(());
    }
    let Ok(mut content) = pb::Content::decode(&said.expose()[..]) else { return Ok(()) };
    // A member where the message stands, and with this device on its list: nobody gets what was said before they came, or
    // after they left.
    let revision = apply::revision_at(cx, &row, message_id)?;
    let head = cx.tx.group_hash_at(group, revision)?;
    let old = time.is_none_or(|at| at.plus(limits::UNDELIVERED_RETENTION) < cx.now);
    let (Some(_), Some(head)) = (state.member_at(meta.from.account, revision), head) else { return Ok(()) };
    if old || meta.unlisted {
        return Ok(());
    }
    content.group = Some(place(group, revision, &head));
    content.resend_of = message_id.get();
    if let (true, Some(message)) = (repair::resend(cx, meta.from, &content)?, message) {
        cx.tx.count_message_resend(message.id)?;
    }
    Ok(())
}
