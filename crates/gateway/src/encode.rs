//! Server frames as WebSocket frames, written at the end of a connection's outbound bytes.
//! `deliver` is written by hand: it is the hottest frame, and so the ciphertext is copied once, from the store's buffer
//! to the socket's. A test keeps it equal to what prost writes.

use crate::codec::{BINARY, CLOSE, CONTROL_BYTES_MAX, PONG};
use crate::handle::Typing;
use crate::parse::TypingState;
use bytes::Bytes;
use prost::Message as _;
use prost::encoding::{encode_varint, encoded_len_varint};
use sotto_domain::{PersonPresence, Refusal, StaleGroup};
use sotto_ports::{
    CiphertextType, EnvelopeClass, GroupItem, GroupMark, LoggedEntry, Queued, QueuedItem, Step, StoredEnvelope,
};
use sotto_types::{Action, Conversation, GroupId, Timestamp};
use sotto_wire::pb::{self, server_frame::Body};

pub(crate) fn frame(out: &mut Vec<u8>, reference: u32, body: Body) {
    let frame = pb::ServerFrame { r#ref: reference, body: Some(body) };
    header(out, BINARY, frame.encoded_len());
    frame.encode(out).expect("a Vec grows");
}

pub(crate) fn pong(out: &mut Vec<u8>, payload: &[u8]) {
    header(out, PONG, payload.len());
    out.extend_from_slice(payload);
}

/// `reason` is cut to what a control frame holds.
pub(crate) fn close(out: &mut Vec<u8>, code: Option<u16>, reason: &str) {
    let Some(code) = code else { return header(out, CLOSE, 0) };
    let mut end = reason.len().min(CONTROL_BYTES_MAX - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let reason = reason.get(..end).unwrap_or_default();
    header(out, CLOSE, 2 + reason.len());
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(reason.as_bytes());
}

pub(crate) fn error(refusal: &Refusal, client_msg_id: Bytes) -> Body {
    let action = match refusal.code.action() {
        Action::Retry => pb::Action::Retry,
        Action::Reconnect => pb::Action::Reconnect,
        Action::Stop => pb::Action::Stop,
    };
    Body::Error(pb::Error {
        code: refusal.code.number(),
        detail: refusal.detail.clone(),
        action: action.into(),
        retry_after_ms: refusal
            .retry_after
            .map_or(0, |after| u32::try_from(after.as_millis().max(1)).unwrap_or(u32::MAX)),
        client_msg_id,
    })
}

/// One inbox entry as a `Deliver` frame.
pub(crate) fn deliver(out: &mut Vec<u8>, entry: &Queued) {
    match &entry.item {
        QueuedItem::Envelope(envelope) => deliver_envelope(out, entry.entry_id.get(), envelope),
        QueuedItem::Receipt(receipt) => deliver_rare(
            out,
            entry,
            pb::deliver::Item::Receipt(pb::Receipt {
                conversation: Some(conversation(&receipt.conversation)),
                member: Bytes::copy_from_slice(receipt.member.as_bytes()),
                delivered: receipt.delivered.iter().map(step).collect(),
                read: receipt.read.iter().map(step).collect(),
            }),
        ),
        QueuedItem::Failure(failure) => deliver_rare(
            out,
            entry,
            pb::deliver::Item::SendFailed(pb::SendFailed {
                conversation: Some(conversation(&failure.conversation)),
                message_id: failure.message_id.get(),
            }),
        ),
    }
}

fn deliver_rare(out: &mut Vec<u8>, entry: &Queued, item: pb::deliver::Item) {
    frame(out, 0, Body::Deliver(pb::Deliver { entry_id: entry.entry_id.get(), item: Some(item) }));
}

fn conversation(of: &Conversation) -> pb::Conversation {
    let of = match of {
        Conversation::Peer(account) => pb::conversation::Of::Peer(Bytes::copy_from_slice(account.as_bytes())),
        Conversation::Group(group) => pb::conversation::Of::Group(Bytes::copy_from_slice(group.as_bytes())),
    };
    pb::Conversation { of: Some(of) }
}

fn step(step: &Step) -> pb::Step {
    pb::Step { message_id: step.up_to.get(), at_ms: step.at.as_ms() }
}

/// A whole frame with an entry of a group's log. `own`: for the device that sent it.
pub(crate) fn group_entry(entry: &LoggedEntry, own: bool) -> Bytes {
    let item = match &entry.item {
        GroupItem::Message { class, ciphertext } => pb::group_entry::Item::Envelope(pb::GroupEnvelope {
            class: class_number(*class).into(),
            ciphertext: if own { Bytes::new() } else { ciphertext.clone() },
        }),
        GroupItem::Operation { payload, signature, details, .. } => {
            pb::group_entry::Item::Operation(pb::GroupLogOperation {
                payload: payload.clone(),
                signature: signature.clone(),
                details: details.clone(),
            })
        }
    };
    let body = Body::GroupEntry(pb::GroupEntry {
        group_id: Bytes::copy_from_slice(entry.group.as_bytes()),
        message_id: entry.id.get(),
        previous: entry.previous.get(),
        server_time_ms: entry.server_time.as_ms(),
        sender_account: Bytes::copy_from_slice(entry.sender.account.as_bytes()),
        sender_device: entry.sender.device.into(),
        item: Some(item),
    });
    let mut out = Vec::new();
    frame(&mut out, 0, body);
    out.into()
}

/// A whole frame with watermarks of a group.
pub(crate) fn group_marks(group: GroupId, marks: &[GroupMark]) -> Bytes {
    let marks = marks.iter().map(|mark| pb::MemberMark {
        member: Bytes::copy_from_slice(mark.member.as_bytes()),
        delivered: mark.delivered.as_ref().map(step),
        read: mark.read.as_ref().map(step),
    });
    let group_id = Bytes::copy_from_slice(group.as_bytes());
    let mut out = Vec::new();
    frame(&mut out, 0, Body::GroupMarks(pb::GroupMarks { group_id, marks: marks.collect() }));
    out.into()
}

pub(crate) fn presence(out: &mut Vec<u8>, people: &[PersonPresence]) {
    let people = people.iter().map(|person| pb::PersonPresence {
        account_id: Bytes::copy_from_slice(person.account.as_bytes()),
        online: person.online,
        last_seen_ms: person.last_seen.as_ms(),
        hidden: person.hidden,
    });
    frame(out, 0, Body::Presence(pb::Presence { people: people.collect() }));
}

pub(crate) fn typing(out: &mut Vec<u8>, typing: &Typing) {
    let state = match typing.state {
        TypingState::Stopped => pb::TypingState::Unspecified,
        TypingState::Typing => pb::TypingState::Typing,
        TypingState::Recording => pb::TypingState::Recording,
    };
    let notice = pb::TypingNotice {
        conversation: Some(conversation(&typing.conversation)),
        account_id: Bytes::copy_from_slice(typing.author.as_bytes()),
        state: state.into(),
    };
    frame(out, 0, Body::Typing(notice));
}

/// By hand, like `deliver`.
pub(crate) fn heartbeat_ack(out: &mut Vec<u8>, reference: u32, server_time: Timestamp) {
    let reference_bytes = if reference == 0 { 0 } else { 1 + varint_bytes(reference as usize) };
    header(out, BINARY, reference_bytes + 11);
    if reference != 0 {
        out.push(key(1, 0));
        encode_varint(reference.into(), out);
    }
    // ServerFrame.heartbeat_ack = 7, HeartbeatAck.server_time_ms = 1
    out.extend_from_slice(&[key(7, 2), 9, key(1, 1)]);
    out.extend_from_slice(&server_time.as_ms().to_le_bytes());
}

pub(crate) fn stale_group(client_msg_id: Bytes, stale: &StaleGroup) -> Body {
    Body::StaleGroup(pb::StaleGroup {
        client_msg_id,
        group_id: Bytes::copy_from_slice(stale.group.as_bytes()),
        roster: stale.roster,
        revision: stale.revision,
        head: Bytes::copy_from_slice(&stale.head),
    })
}

/// What an entry counts in the window: its ciphertext and about what surrounds it.
pub(crate) fn window_bytes(entry: &Queued) -> usize {
    const AROUND: usize = 64;
    match &entry.item {
        QueuedItem::Envelope(envelope) => envelope.ciphertext.len().saturating_add(AROUND),
        QueuedItem::Receipt(_) | QueuedItem::Failure(_) => AROUND,
    }
}

const fn class_number(class: EnvelopeClass) -> u8 {
    match class {
        EnvelopeClass::Message => pb::EnvelopeClass::Message as u8,
        EnvelopeClass::Control => pb::EnvelopeClass::Control as u8,
        EnvelopeClass::Resend => pb::EnvelopeClass::Resend as u8,
    }
}

const fn type_number(of: CiphertextType) -> u8 {
    match of {
        CiphertextType::Ratchet => pb::CiphertextType::Ratchet as u8,
        CiphertextType::PreKey => pb::CiphertextType::Prekey as u8,
        CiphertextType::SenderKey => pb::CiphertextType::SenderKey as u8,
    }
}

/// Protobuf keys: field number shifted left by 3, plus the wire type (0 varint, 1 fixed64, 2 length-delimited).
const fn key(field: u8, wire_type: u8) -> u8 {
    (field << 3) | wire_type
}

fn deliver_envelope(out: &mut Vec<u8>, entry_id: u64, envelope: &StoredEnvelope) {
    // Account (2 + 16), device, class and type (2 each: values below 128), two fixed64 (9 each); then the ciphertext.
    const FIXED: usize = 18 + 2 + 2 + 2 + 9 + 9;
    let ciphertext = &envelope.ciphertext[..];
    let group = envelope.group.as_ref().map(GroupId::as_bytes);
    let group_bytes = group.map_or(0, |group| 2 + group.len());
    let envelope_bytes = FIXED + 1 + varint_bytes(ciphertext.len()) + ciphertext.len() + group_bytes;
    let deliver_bytes = 9 + 1 + varint_bytes(envelope_bytes) + envelope_bytes;
    let frame_bytes = 1 + varint_bytes(deliver_bytes) + deliver_bytes;
    header(out, BINARY, frame_bytes);
    out.reserve(frame_bytes);
    // ServerFrame.deliver = 5
    out.push(key(5, 2));
    encode_varint(deliver_bytes as u64, out);
    // Deliver.entry_id = 1, .envelope = 2
    out.push(key(1, 1));
    out.extend_from_slice(&entry_id.to_le_bytes());
    out.push(key(2, 2));
    encode_varint(envelope_bytes as u64, out);
    // Envelope, in field order.
    out.extend_from_slice(&[key(1, 2), 16]);
    out.extend_from_slice(envelope.sender.account.as_bytes());
    out.extend_from_slice(&[key(2, 0), envelope.sender.device.get()]);
    out.extend_from_slice(&[key(3, 0), class_number(envelope.class)]);
    out.extend_from_slice(&[key(4, 0), type_number(envelope.ciphertext_type)]);
    out.push(key(5, 2));
    encode_varint(ciphertext.len() as u64, out);
    out.extend_from_slice(ciphertext);
    out.push(key(6, 1));
    out.extend_from_slice(&envelope.message_id.get().to_le_bytes());
    out.push(key(7, 1));
    out.extend_from_slice(&envelope.server_time.as_ms().to_le_bytes());
    if let Some(group) = group {
        out.extend_from_slice(&[key(8, 2), group.len() as u8]);
        out.extend_from_slice(group);
    }
}

const fn varint_bytes(of: usize) -> usize {
    encoded_len_varint(of as u64)
}

/// A server's frame is never masked and, here, never fragmented.
fn header(out: &mut Vec<u8>, opcode: u8, payload_bytes: usize) {
    let first = 0x80 | opcode;
    match payload_bytes {
        0..=125 => out.extend_from_slice(&[first, payload_bytes as u8]),
        126..=0xffff => {
            out.extend_from_slice(&[first, 126]);
            out.extend_from_slice(&(payload_bytes as u16).to_be_bytes());
        }
        _ => {
            out.extend_from_slice(&[first, 127]);
            out.extend_from_slice(&(payload_bytes as u64).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sotto_ports::{StoredFailure, StoredReceipt};
    use sotto_types::{AccountId, DeviceAddress, DeviceId, EntryId, MessageId, Timestamp};

    fn envelope(ciphertext: usize, group: Option<GroupId>) -> Queued {
        let account = AccountId::from_bytes([7; 16]);
        Queued {
            entry_id: EntryId::new(1 << 60),
            item: QueuedItem::Envelope(StoredEnvelope {
                sender: DeviceAddress::new(account, DeviceId::try_from(127).unwrap()),
                class: EnvelopeClass::Resend,
                ciphertext_type: CiphertextType::PreKey,
                message_id: MessageId::new(1 << 60),
                server_time: Timestamp::from_ms(1_763_000_000_000),
                group,
                ciphertext: Bytes::from(vec![0xa5; ciphertext]),
            }),
        }
    }

    /// Splits one unmasked frame.
    fn payload(frame: &[u8]) -> &[u8] {
        let (length, start) = match frame[1] {
            126 => (usize::from(u16::from_be_bytes([frame[2], frame[3]])), 4),
            127 => (u64::from_be_bytes(frame[2..10].try_into().unwrap()) as usize, 10),
            short => (usize::from(short), 2),
        };
        assert_eq!(frame[0], 0x82);
        assert_eq!(frame.len(), start + length);
        &frame[start..]
    }

    #[test]
    fn a_delivered_envelope_is_what_prost_would_write() {
        let groups = [None, Some(GroupId::from_bytes([9; 32]))];
        let sizes = [1, 50, 70, 100, 127, 128, 300, 20_000, 65_536, 70_000];
        for (ciphertext, group) in sizes.into_iter().flat_map(|size| groups.map(|group| (size, group))) {
            let entry = envelope(ciphertext, group);
            let QueuedItem::Envelope(stored) = &entry.item else { unreachable!("made above") };
            let want = pb::ServerFrame {
                r#ref: 0,
                body: Some(Body::Deliver(pb::Deliver {
                    entry_id: entry.entry_id.get(),
                    item: Some(pb::deliver::Item::Envelope(pb::Envelope {
                        group_id: group.map(|group| group.as_bytes().to_vec().into()).unwrap_or_default(),
                        sender_account: Bytes::copy_from_slice(&[7; 16]),
                        sender_device: 127,
                        class: pb::EnvelopeClass::Resend.into(),
                        r#type: pb::CiphertextType::Prekey.into(),
                        ciphertext: stored.ciphertext.clone(),
                        message_id: 1 << 60,
                        server_time_ms: 1_763_000_000_000,
                    })),
                })),
            };
            let mut out = Vec::new();
            deliver(&mut out, &entry);
            assert_eq!(payload(&out), want.encode_to_vec(), "{ciphertext}");
        }
    }

    #[test]
    fn an_answered_heartbeat_is_what_prost_would_write() {
        for reference in [0, 1, 127, 128, 300, u32::MAX] {
            let server_time_ms = 1_763_000_000_000;
            let body = Body::HeartbeatAck(pb::HeartbeatAck { server_time_ms });
            let (mut out, mut want) = (Vec::new(), Vec::new());
            heartbeat_ack(&mut out, reference, Timestamp::from_ms(server_time_ms));
            frame(&mut want, reference, body);
            assert_eq!(out, want, "{reference}");
        }
    }

    #[test]
    fn receipts_and_failures_arrive_as_sent() {
        let peer = AccountId::from_bytes([3; 16]);
        let step = |id| Step { up_to: MessageId::new(id), at: Timestamp::from_ms(id + 1) };
        for item in [
            QueuedItem::Receipt(StoredReceipt {
                conversation: Conversation::Peer(peer),
                member: peer,
                delivered: vec![step(1), step(5)],
                read: vec![step(4)],
            }),
            QueuedItem::Failure(StoredFailure {
                conversation: Conversation::Peer(peer),
                message_id: MessageId::new(9),
            }),
        ] {
            let mut out = Vec::new();
            deliver(&mut out, &Queued { entry_id: EntryId::new(77), item: item.clone() });
            let frame = pb::ServerFrame::decode(payload(&out)).unwrap();
            let Some(Body::Deliver(got)) = frame.body else { panic!("not a Deliver") };
            assert_eq!(got.entry_id, 77);
            match (item, got.item) {
                (QueuedItem::Receipt(want), Some(pb::deliver::Item::Receipt(got))) => {
                    assert_eq!(got.member, want.member.as_bytes()[..]);
                    assert_eq!(got.delivered.len(), 2);
                    assert_eq!((got.read[0].message_id, got.read[0].at_ms), (4, 5));
                }
                (QueuedItem::Failure(_), Some(pb::deliver::Item::SendFailed(got))) => assert_eq!(got.message_id, 9),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn close_reasons_are_cut_at_a_character() {
        let mut out = Vec::new();
        close(&mut out, Some(1001), &"ü".repeat(100));
        assert_eq!(usize::from(out[1]), 2 + 122);
        assert_eq!(std::str::from_utf8(&out[4..]).unwrap(), "ü".repeat(61));
        assert_eq!(out.len(), 4 + 122);
    }
}
