//! Frames as a load generator writes and reads them. A send is encoded once by the real codec and then copied and patched,
//! and answers are read by a field scanner that allocates nothing, so that most of the machine is left to the server.
//! Always true: what the scanner does not know goes through `sotto_wire` (`Incoming::Other`), so nothing is overlooked; the
//! tests hold both fast paths to the real codec.

pub mod group;

use bytes::Bytes;
use group::LogEntry;
use prost::Message as _;
use sotto_types::limits::ACK_ENTRIES;
use sotto_types::{AccountId, ClientMsgId, DeviceAddress};
use sotto_wire::pb;

/// What is wrong with a frame of the server.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("the server sent a frame that is not protobuf")]
    Malformed,
    #[error(transparent)]
    Decode(#[from] sotto_wire::DecodeError),
}

/// A frame from the server.
#[derive(Debug, PartialEq)]
pub enum Incoming<'a> {
    Accepted {
        client_msg_id: &'a [u8],
        message_id: u64,
    },
    Envelope(Envelope<'a>),
    LogEntry(LogEntry<'a>),
    /// A receipt or a failed send: to be acknowledged, otherwise not our concern.
    OtherEntry {
        entry_id: u64,
    },
    Drained,
    HeartbeatAck,
    Other(Box<pb::ServerFrame>),
}

#[derive(Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    pub entry_id: u64,
    pub sender: &'a [u8],
    pub message_id: u64,
    pub r#type: u32,
    pub ciphertext: &'a [u8],
    /// Empty if it belongs to no group.
    pub group: &'a [u8],
}

enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32,
}

/// The fields of one protobuf message, in order.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Result<u64, FrameError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first().ok_or(FrameError::Malformed)?;
            self.0 = rest;
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(FrameError::Malformed)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], FrameError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(FrameError::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, FrameError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.take(8)?.try_into().map_err(|_| FrameError::Malformed)?)),
            2 => {
                let len = usize::try_from(self.varint()?).map_err(|_| FrameError::Malformed)?;
                Value::Bytes(self.take(len)?)
            }
            5 => {
                self.take(4)?;
                Value::Fixed32
            }
            _ => return Err(FrameError::Malformed),
        };
        Ok(Some((tag >> 3, value)))
    }
}

// Field numbers of `ServerFrame.body`.
const ACCEPTED: u64 = 3;
const DELIVER: u64 = 5;
const QUEUE_DRAINED: u64 = 6;
const HEARTBEAT_ACK: u64 = 7;
const GROUP_ENTRY: u64 = 12;

/// Reads one frame of the server.
pub fn scan(bytes: &[u8]) -> Result<Incoming<'_>, FrameError> {
    let mut fields = Fields(bytes);
    while let Some((field, value)) = fields.next()? {
        match (field, value) {
            (ACCEPTED, Value::Bytes(body)) => return accepted(body),
            (DELIVER, Value::Bytes(body)) => return deliver(body),
            (QUEUE_DRAINED, Value::Bytes(_)) => return Ok(Incoming::Drained),
            (HEARTBEAT_ACK, Value::Bytes(_)) => return Ok(Incoming::HeartbeatAck),
            (GROUP_ENTRY, Value::Bytes(body)) => return group::log_entry(body).map(Incoming::LogEntry),
            (1, Value::Varint(_)) => {}
            _ => break,
        }
    }
    Ok(Incoming::Other(Box::new(sotto_wire::decode_server_frame(Bytes::copy_from_slice(bytes))?)))
}

fn accepted(body: &[u8]) -> Result<Incoming<'_>, FrameError> {
    let (mut fields, mut client_msg_id, mut message_id) = (Fields(body), &body[..0], 0);
    while let Some((field, value)) = fields.next()? {
        match (field, value) {
            (1, Value::Bytes(id)) => client_msg_id = id,
            (2, Value::Fixed64(id)) => message_id = id,
            _ => {}
        }
    }
    Ok(Incoming::Accepted { client_msg_id, message_id })
}

fn deliver(body: &[u8]) -> Result<Incoming<'_>, FrameError> {
    let (mut fields, mut entry_id, mut envelope) = (Fields(body), 0, None);
    while let Some((field, value)) = fields.next()? {
        match (field, value) {
            (1, Value::Fixed64(id)) => entry_id = id,
            (2, Value::Bytes(body)) => envelope = Some(body),
            _ => {}
        }
    }
    let Some(body) = envelope else { return Ok(Incoming::OtherEntry { entry_id }) };
    let none = &body[..0];
    let mut envelope = Envelope { entry_id, sender: none, message_id: 0, r#type: 0, ciphertext: none, group: none };
    let mut fields = Fields(body);
    while let Some((field, value)) = fields.next()? {
        match (field, value) {
            (1, Value::Bytes(sender)) => envelope.sender = sender,
            (4, Value::Varint(kind)) => envelope.r#type = u32::try_from(kind).map_err(|_| FrameError::Malformed)?,
            (5, Value::Bytes(ciphertext)) => envelope.ciphertext = ciphertext,
            (6, Value::Fixed64(id)) => envelope.message_id = id,
            (8, Value::Bytes(group)) => envelope.group = group,
            _ => {}
        }
    }
    Ok(Incoming::Envelope(envelope))
}

/// Where a send goes and what it was encrypted for. One device on either side: a bench account has no sibling devices.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    pub to: DeviceAddress,
    pub registration_id: u32,
    pub list_version: u32,
    pub own_list_version: u32,
}

/// A send as the real codec makes it.
pub fn send_direct(
    target: &Target,
    client_msg_id: &ClientMsgId,
    seen: u64,
    kind: pb::CiphertextType,
    ciphertext: Bytes,
) -> pb::ClientFrame {
    frame(pb::client_frame::Body::SendDirect(pb::SendDirect {
        client_msg_id: Bytes::copy_from_slice(client_msg_id.as_bytes()),
        recipient: Bytes::copy_from_slice(target.to.account.as_bytes()),
        class: pb::EnvelopeClass::Message.into(),
        seen,
        recipient_list_version: target.list_version,
        own_list_version: target.own_list_version,
        to_recipient: vec![pb::DeviceCiphertext {
            device_id: target.to.device.into(),
            registration_id: target.registration_id,
            r#type: kind.into(),
            ciphertext,
        }],
        to_self: Vec::new(),
    }))
}

pub fn hello(access_token: String, foreground: bool) -> pb::ClientFrame {
    frame(pb::client_frame::Body::Hello(pb::Hello {
        access_token,
        protocol_version: sotto_wire::PROTOCOL_VERSION,
        client: concat!("sotto-bench/", env!("CARGO_PKG_VERSION")).into(),
        foreground,
    }))
}

pub fn heartbeat(foreground: bool) -> pb::ClientFrame {
    frame(pb::client_frame::Body::Heartbeat(pb::Heartbeat { foreground }))
}

pub fn subscribe_presence(accounts: Vec<Bytes>) -> pb::ClientFrame {
    frame(pb::client_frame::Body::SubscribePresence(pb::SubscribePresence { accounts }))
}

/// Acknowledges everything in `entries`, in as few frames as the protocol allows, and empties it.
pub fn acks(entries: &mut Vec<u64>) -> impl Iterator<Item = pb::ClientFrame> {
    let frames: Vec<_> = entries
        .chunks(ACK_ENTRIES)
        .map(|ok| frame(pb::client_frame::Body::Ack(pb::Ack { ok: ok.to_vec(), undecryptable: Vec::new() })))
        .collect();
    entries.clear();
    frames.into_iter()
}

fn frame(body: pb::client_frame::Body) -> pb::ClientFrame {
    pb::ClientFrame { r#ref: 0, body: Some(body) }
}

const ID_MARK: [u8; 16] = [0xA7; 16];
const SEEN_MARK: u64 = 0xB3B3_B3B3_B3B3_B3B3;
const CIPHERTEXT_MARK: u8 = 0xC5;

/// An encoded send of opaque ciphertext, with the places of what differs from one send to the next.
#[derive(Debug, Clone)]
pub struct SendTemplate {
    bytes: Vec<u8>,
    id_at: usize,
    seen_at: usize,
    ciphertext_at: usize,
}

impl SendTemplate {
    pub fn new(target: &Target, ciphertext_len: usize) -> Self {
        let ciphertext = Bytes::from(vec![CIPHERTEXT_MARK; ciphertext_len]);
        let bytes = send_direct(
            target,
            &ClientMsgId::from_bytes(ID_MARK),
            SEEN_MARK,
            pb::CiphertextType::Ratchet,
            ciphertext.clone(),
        )
        .encode_to_vec();
        let find = |mark: &[u8]| {
            let at = bytes.windows(mark.len()).position(|window| window == mark);
            at.expect("the codec writes bytes and fixed64 fields as they are")
        };
        let (id_at, seen_at, ciphertext_at) = (find(&ID_MARK), find(&SEEN_MARK.to_le_bytes()), find(&ciphertext));
        Self { id_at, seen_at, ciphertext_at, bytes }
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Appends the send; `ciphertext` must be of the length the template was made for.
    pub fn write(&self, out: &mut Vec<u8>, client_msg_id: &ClientMsgId, seen: u64, ciphertext: [&[u8]; 2]) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        let mut put = |at: usize, bytes: &[u8]| {
            let at = start + at;
            out.get_mut(at..at + bytes.len()).expect("inside the bytes just copied").copy_from_slice(bytes);
        };
        put(self.id_at, client_msg_id.as_bytes());
        put(self.seen_at, &seen.to_le_bytes());
        let [one, two] = ciphertext;
        put(self.ciphertext_at, one);
        put(self.ciphertext_at + one.len(), two);
    }
}

/// A UUIDv7 that carries the send's number, so that its answer needs no look-up.
pub fn client_msg_id(time_ms: u64, salt: u16, seq: u64) -> ClientMsgId {
    let time = (time_ms << 16) | 0x7000 | u64::from(salt & 0x0FFF);
    let number = (1 << 63) | (seq & ((1 << 62) - 1));
    ClientMsgId::from_bytes(((u128::from(time) << 64) | u128::from(number)).to_be_bytes())
}

/// The send's number back from its id.
pub fn seq_of(client_msg_id: &[u8]) -> Option<u64> {
    let id = u128::from_be_bytes(client_msg_id.try_into().ok()?);
    u64::try_from(id & ((1 << 62) - 1)).ok()
}

/// The account in an envelope, for messages to people.
pub fn shown_account(bytes: &[u8]) -> String {
    AccountId::try_from(bytes).map_or_else(|_| "nobody".into(), |account| account.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sotto_types::DeviceId;

    fn target() -> Target {
        Target {
            to: DeviceAddress::new(AccountId::from_bytes([9; 16]), DeviceId::FIRST),
            registration_id: 4711,
            list_version: 1,
            own_list_version: 300,
        }
    }

    #[test]
    fn a_patched_template_is_what_the_codec_writes() {
        for len in [24, 100, 446, 5000, 65_536] {
            let template = SendTemplate::new(&target(), len);
            let ciphertext: Vec<u8> = (0..len).map(|i| (i * 7) as u8).collect();
            let id = client_msg_id(1_763_000_000_000, 5, 99);
            let mut out = b"before".to_vec();
            let (one, two) = ciphertext.split_at(24);
            template.write(&mut out, &id, 12_345, [one, two]);
            let want = send_direct(&target(), &id, 12_345, pb::CiphertextType::Ratchet, ciphertext.clone().into());
            assert_eq!(out[6..], want.encode_to_vec(), "{len}");
            assert_eq!(out.len(), 6 + template.len());
        }
    }

    fn server(body: pb::server_frame::Body) -> Vec<u8> {
        pb::ServerFrame { r#ref: 7, body: Some(body) }.encode_to_vec()
    }

    #[test]
    fn the_scanner_reads_what_the_codec_writes() {
        use pb::server_frame::Body;
        let id = client_msg_id(1, 2, 3);
        let accepted = server(Body::Accepted(pb::Accepted {
            client_msg_id: Bytes::copy_from_slice(id.as_bytes()),
            message_id: 77,
            server_time_ms: 5,
        }));
        assert_eq!(
            scan(&accepted).expect("a frame"),
            Incoming::Accepted { client_msg_id: id.as_bytes(), message_id: 77 }
        );
        let item = pb::deliver::Item::Envelope(pb::Envelope {
            group_id: Bytes::from_static(&[8; 32]),
            sender_account: Bytes::from_static(&[4; 16]),
            sender_device: 1,
            class: 1,
            r#type: 2,
            ciphertext: Bytes::from_static(b"sealed"),
            message_id: 88,
            server_time_ms: 1,
        });
        let envelope = server(Body::Deliver(pb::Deliver { entry_id: 88, item: Some(item) }));
        let ciphertext = &b"sealed"[..];
        let want = Envelope { entry_id: 88, sender: &[4; 16], message_id: 88, r#type: 2, ciphertext, group: &[8; 32] };
        assert_eq!(scan(&envelope).expect("a frame"), Incoming::Envelope(want));
        let receipt = pb::deliver::Item::Receipt(pb::Receipt::default());
        let receipt = server(Body::Deliver(pb::Deliver { entry_id: 89, item: Some(receipt) }));
        assert_eq!(scan(&receipt).expect("a frame"), Incoming::OtherEntry { entry_id: 89 });
        assert_eq!(scan(&server(Body::QueueDrained(pb::QueueDrained {}))).expect("a frame"), Incoming::Drained);
        let ack = server(Body::HeartbeatAck(pb::HeartbeatAck { server_time_ms: 9 }));
        assert_eq!(scan(&ack).expect("a frame"), Incoming::HeartbeatAck);
        let error = pb::ServerFrame {
            r#ref: 0,
            body: Some(Body::Error(pb::Error { code: 400, detail: "slow down".into(), ..Default::default() })),
        };
        assert_eq!(scan(&error.encode_to_vec()).expect("a frame"), Incoming::Other(Box::new(error)));
        // Two bytes are a whole frame: an answer to 7 without a body.
        for end in (1..envelope.len()).filter(|end| *end != 2) {
            assert!(scan(&envelope[..end]).is_err(), "cut at {end}");
        }
        assert!(scan(&[0xFF; 12]).is_err());
    }

    #[test]
    fn ids_are_version_7_and_carry_their_number() {
        let id = client_msg_id(1_763_000_000_123, 0xFFFF, 123_456_789);
        let uuid = uuid::Uuid::from_bytes(*id.as_bytes());
        assert_eq!(uuid.get_version_num(), 7);
        assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
        assert_eq!(seq_of(id.as_bytes()), Some(123_456_789));
        assert_eq!(seq_of(b"short"), None);
    }

    #[test]
    fn acks_stay_within_the_limit() {
        let mut entries: Vec<u64> = (1..=2500).collect();
        let sizes: Vec<_> = acks(&mut entries)
            .map(|frame| match frame.body {
                Some(pb::client_frame::Body::Ack(ack)) => ack.ok.len(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(sizes, [1024, 1024, 452]);
        assert!(entries.is_empty());
    }
}
