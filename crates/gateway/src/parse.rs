//! Client frames as domain values. Whatever does not fit gets a `Refusal`, and nothing else happens.

use bytes::{Buf as _, Bytes};
use prost::Message as _;
use prost::encoding::{WireType, decode_key, decode_varint};
use sotto_domain::{AccountCiphertexts, DirectCiphertext, DirectSend, GroupSend, KeysSend, Refusal};
use sotto_ports::{CiphertextType, EnvelopeClass};
use sotto_types::{AccountId, ClientMsgId, Conversation, DeviceId, ErrorCode, GroupId, MessageId, limits};
use sotto_wire::pb::{self, client_frame::Body};
use std::borrow::Cow;

/// Above this size a frame's parts are counted before they are made: two bytes on the wire can be sixty in memory.
const COUNT_FROM_BYTES: usize = 16 * 1024;
/// No frame has more parts than this: 20 ciphertexts of 4 fields, or the bytes of 1,024 acks.
const PARTS_MAX: usize = 1024;
/// But for frames to groups: ciphertexts for all devices of 256 accounts.
const GROUP_PARTS_MAX: usize = 4096;
const SEND_GROUP: u32 = 10;
const SEND_KEYS: u32 = 12;
const GROUP_ACK: u32 = 13;
/// Small frames are parsed in place: what they hold is cheaper copied than shared.
const IN_PLACE_BYTES: usize = 64;

/// A frame, or what this version does not know of one.
#[derive(Debug)]
pub(crate) enum Parsed {
    Known(u32, Body),
    /// `ref`, and the number of the body field.
    Unknown(u32, u32),
}

pub(crate) fn client_frame(payload: Cow<'_, [u8]>) -> Result<Parsed, Refusal> {
    if payload.len() > COUNT_FROM_BYTES && count_parts(&payload).is_none_or(|(parts, limit)| parts > limit) {
        return Err(Refusal::new(ErrorCode::BadFrame, "the frame has too many parts"));
    }
    match payload {
        Cow::Borrowed(bytes) if bytes.len() <= IN_PLACE_BYTES => {
            let frame = pb::ClientFrame::decode(bytes).map_err(|_| not_a_frame())?;
            Ok(parsed(frame, bytes))
        }
        Cow::Borrowed(bytes) => shared(Bytes::copy_from_slice(bytes)),
        Cow::Owned(bytes) => shared(Bytes::from(bytes)),
    }
}

/// Parts of the frame share its bytes.
fn shared(bytes: Bytes) -> Result<Parsed, Refusal> {
    match sotto_wire::decode_client_frame(bytes.clone()) {
        Ok(frame) => Ok(parsed(frame, &bytes)),
        Err(sotto_wire::DecodeError::TooLarge(_)) => {
            Err(Refusal::new(ErrorCode::FrameTooLarge, "a frame has at most 4 MiB"))
        }
        Err(sotto_wire::DecodeError::Malformed(_)) => Err(not_a_frame()),
    }
}

fn not_a_frame() -> Refusal {
    Refusal::new(ErrorCode::BadFrame, "not a ClientFrame")
}

fn parsed(frame: pb::ClientFrame, bytes: &[u8]) -> Parsed {
    match frame.body {
        Some(body) => Parsed::Known(frame.r#ref, body),
        None => Parsed::Unknown(frame.r#ref, unknown_body(bytes)),
    }
}

/// Fields of the frame and of its body, with those of each account in a frame to a group, and how many there may be. `None`:
/// not protobuf.
fn count_parts(bytes: &[u8]) -> Option<(usize, usize)> {
    let (mut parts, mut limit) = (0usize, PARTS_MAX);
    for_each_field(bytes, |number, body| {
        parts = parts.saturating_add(1);
        // The number of the field with an `AccountCiphertexts` for each account.
        let accounts = match number {
            SEND_GROUP => Some(7),
            SEND_KEYS => Some(3),
            _ => None,
        };
        if matches!(number, SEND_GROUP | SEND_KEYS | GROUP_ACK) {
            limit = GROUP_PARTS_MAX;
        }
        if let Some(body) = body {
            // A body that is no message (a string, packed numbers) fails to parse on: prost decides about it.
            let _ = for_each_field(body, |number, part| {
                parts = parts.saturating_add(1);
                if let Some(part) = part.filter(|_| Some(number) == accounts) {
                    let _ = for_each_field(part, |_, _| parts = parts.saturating_add(1));
                }
            });
        }
    })?;
    Some((parts, limit))
}

/// Calls `each` with (number, bytes if length-delimited). `None`: not protobuf.
fn for_each_field(mut bytes: &[u8], mut each: impl FnMut(u32, Option<&[u8]>)) -> Option<()> {
    while bytes.has_remaining() {
        let (number, wire_type) = decode_key(&mut bytes).ok()?;
        let skip = match wire_type {
            WireType::Varint => {
                decode_varint(&mut bytes).ok()?;
                each(number, None);
                continue;
            }
            WireType::SixtyFourBit => 8,
            WireType::ThirtyTwoBit => 4,
            WireType::LengthDelimited => {
                let length = usize::try_from(decode_varint(&mut bytes).ok()?).ok()?;
                let (part, rest) = bytes.split_at_checked(length)?;
                each(number, Some(part));
                bytes = rest;
                continue;
            }
            WireType::StartGroup | WireType::EndGroup => return None,
        };
        each(number, None);
        bytes = bytes.get(skip..)?;
    }
    Some(())
}

/// The number of the body that this version does not know; 0 if there is no body at all.
fn unknown_body(payload: &[u8]) -> u32 {
    const BODIES: std::ops::RangeInclusive<u32> = 2..=31;
    let mut found = 0;
    // `None` cannot happen: the frame was decoded before. The answer is then what was found so far.
    let _ = for_each_field(payload, |number, _| {
        if found == 0 && BODIES.contains(&number) {
            found = number;
        }
    });
    found
}

fn bad(detail: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::BadRequest, detail)
}

pub(crate) fn direct_send(send: pb::SendDirect) -> Result<DirectSend, Refusal> {
    let client_msg_id = client_msg_id(&send.client_msg_id)?;
    let recipient = AccountId::try_from(&send.recipient[..]).map_err(|e| bad(format!("recipient: {e}")))?;
    let class = match send.class() {
        pb::EnvelopeClass::Message => EnvelopeClass::Message,
        pb::EnvelopeClass::Control => EnvelopeClass::Control,
        pb::EnvelopeClass::Resend => EnvelopeClass::Resend,
        pb::EnvelopeClass::Unspecified => return Err(bad("class: unknown")),
    };
    Ok(DirectSend {
        client_msg_id,
        recipient,
        class,
        seen: MessageId::new(send.seen),
        recipient_list_version: send.recipient_list_version,
        own_list_version: send.own_list_version,
        to_recipient: ciphertexts(send.to_recipient)?,
        to_self: ciphertexts(send.to_self)?,
    })
}

fn group_id(bytes: &[u8]) -> Result<GroupId, Refusal> {
    GroupId::try_from(bytes).map_err(|e| bad(format!("group_id: {e}")))
}

pub(crate) fn group_send(send: pb::SendGroup) -> Result<GroupSend, Refusal> {
    let class = match send.class() {
        pb::EnvelopeClass::Message => EnvelopeClass::Message,
        pb::EnvelopeClass::Control => EnvelopeClass::Control,
        pb::EnvelopeClass::Resend | pb::EnvelopeClass::Unspecified => return Err(bad("class: message or control")),
    };
    Ok(GroupSend {
        client_msg_id: client_msg_id(&send.client_msg_id)?,
        group: group_id(&send.group_id)?,
        class,
        seen: MessageId::new(send.seen),
        roster: send.roster,
        ciphertext: send.ciphertext,
        to: accounts(send.to)?,
    })
}

pub(crate) fn keys_send(send: pb::SendKeys) -> Result<KeysSend, Refusal> {
    Ok(KeysSend {
        client_msg_id: client_msg_id(&send.client_msg_id)?,
        group: group_id(&send.group_id)?,
        to: accounts(send.to)?,
    })
}

fn client_msg_id(bytes: &[u8]) -> Result<ClientMsgId, Refusal> {
    ClientMsgId::try_from(bytes).map_err(|e| bad(format!("client_msg_id: {e}")))
}

fn accounts(parts: Vec<pb::AccountCiphertexts>) -> Result<Vec<AccountCiphertexts>, Refusal> {
    let account = |part: pb::AccountCiphertexts| {
        let account = AccountId::try_from(&part.account_id[..]).map_err(|e| bad(format!("account_id: {e}")))?;
        Ok(AccountCiphertexts { account, list_version: part.list_version, devices: ciphertexts(part.devices)? })
    };
    parts.into_iter().map(account).collect()
}

/// In the order they are named; at most `max`.
pub(crate) fn accounts_named(ids: &[Bytes], max: usize) -> Result<Vec<AccountId>, Refusal> {
    if ids.len() > max {
        return Err(bad(format!("a frame names at most {max} accounts")));
    }
    ids.iter().map(|id| AccountId::try_from(&id[..]).map_err(|e| bad(format!("accounts: {e}")))).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TypingState {
    Stopped,
    Typing,
    Recording,
}

pub(crate) fn typing(typing: pb::Typing) -> Result<(Conversation, TypingState), Refusal> {
    let state = match pb::TypingState::try_from(typing.state) {
        Ok(pb::TypingState::Unspecified) => TypingState::Stopped,
        Ok(pb::TypingState::Typing) => TypingState::Typing,
        Ok(pb::TypingState::Recording) => TypingState::Recording,
        Err(_) => return Err(bad("state: unknown")),
    };
    Ok((conversation(typing.conversation)?, state))
}

/// (group, up to, delivered)
pub(crate) fn group_ack(ack: &pb::GroupAck) -> Result<Vec<(GroupId, MessageId, MessageId)>, Refusal> {
    if ack.groups.len() > limits::ACK_GROUPS {
        return Err(bad("an ack names at most 1024 groups"));
    }
    let cursor = |cursor: &pb::GroupCursor| {
        let delivered = if cursor.delivered == 0 { cursor.up_to } else { cursor.delivered };
        Ok((group_id(&cursor.group_id)?, MessageId::new(cursor.up_to), MessageId::new(delivered)))
    };
    ack.groups.iter().map(cursor).collect()
}

fn ciphertexts(parts: Vec<pb::DeviceCiphertext>) -> Result<Vec<DirectCiphertext>, Refusal> {
    if parts.len() > limits::DEVICES_PER_ACCOUNT {
        return Err(bad("more ciphertexts than an account has devices"));
    }
    parts.into_iter().map(ciphertext).collect()
}

fn ciphertext(part: pb::DeviceCiphertext) -> Result<DirectCiphertext, Refusal> {
    let device = DeviceId::try_from(part.device_id).map_err(|e| bad(e.to_string()))?;
    let ciphertext_type = match part.r#type() {
        pb::CiphertextType::Ratchet => CiphertextType::Ratchet,
        pb::CiphertextType::Prekey => CiphertextType::PreKey,
        pb::CiphertextType::SenderKey | pb::CiphertextType::Unspecified => {
            return Err(bad("type: a direct ciphertext is a ratchet or a prekey message"));
        }
    };
    if part.ciphertext.is_empty() {
        return Err(bad("a ciphertext is empty"));
    }
    Ok(DirectCiphertext { device, registration_id: part.registration_id, ciphertext_type, ciphertext: part.ciphertext })
}

pub(crate) fn conversation(of: Option<pb::Conversation>) -> Result<Conversation, Refusal> {
    match of.and_then(|conversation| conversation.of) {
        Some(pb::conversation::Of::Peer(peer)) => {
            AccountId::try_from(&peer[..]).map(Conversation::Peer).map_err(|e| bad(format!("peer: {e}")))
        }
        Some(pb::conversation::Of::Group(group)) => group_id(&group).map(Conversation::Group),
        None => Err(bad("conversation: missing")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unknown_body_is_named() {
        // (bytes of the frame, number)
        for (bytes, number) in [
            (&[][..], 0),
            (&[0x08, 0x05][..], 0),
            (&[0x08, 0x05, 0x5a, 0x00][..], 11),
            (&[0x7a, 0x02, 0x01, 0x02][..], 15),
            (&[0x82, 0x06, 0x00][..], 0), // 96: not a body
        ] {
            assert_eq!(pb::ClientFrame::decode(bytes).unwrap().body, None);
            assert_eq!(unknown_body(bytes), number, "{bytes:?}");
        }
    }

    #[test]
    fn a_frame_of_countless_parts_is_refused_before_it_is_made() {
        let send = pb::SendDirect { to_recipient: vec![pb::DeviceCiphertext::default(); 50_000], ..Default::default() };
        let body = Some(pb::client_frame::Body::SendDirect(send));
        let bytes = pb::ClientFrame { r#ref: 1, body }.encode_to_vec();
        assert_eq!(client_frame(Cow::Owned(bytes)).unwrap_err().code, ErrorCode::BadFrame);
    }

    #[test]
    fn a_frame_to_a_group_is_counted_to_its_devices() {
        let check = |accounts: usize, devices: usize| {
            let account = pb::AccountCiphertexts {
                account_id: vec![7; 16].into(),
                list_version: 1,
                devices: vec![pb::DeviceCiphertext { ciphertext: vec![1; 20].into(), ..Default::default() }; devices],
            };
            let send = pb::SendKeys { to: vec![account; accounts], ..Default::default() };
            let body = Some(pb::client_frame::Body::SendKeys(send));
            client_frame(Cow::Owned(pb::ClientFrame { r#ref: 1, body }.encode_to_vec())).is_ok()
        };
        assert!(check(256, 10));
        assert!(!check(1, 10_000));
        assert!(!check(2_000, 2));
    }

    #[test]
    fn a_frame_of_twenty_full_ciphertexts_passes() {
        let part = pb::DeviceCiphertext { ciphertext: vec![0xff; 65_536].into(), ..Default::default() };
        let send =
            pb::SendDirect { to_recipient: vec![part.clone(); 10], to_self: vec![part; 9], ..Default::default() };
        let body = Some(pb::client_frame::Body::SendDirect(send));
        let bytes = pb::ClientFrame { r#ref: 1, body }.encode_to_vec();
        assert!(client_frame(Cow::Owned(bytes)).is_ok());
    }
}
