//! Frames of groups: entries of a log as the scanner reads them, and what a member's device sends.

use super::{Fields, FrameError, Value, frame};
use bytes::Bytes;
use sotto_types::limits::ACK_GROUPS;
use sotto_wire::pb;

/// A group's id as it travels.
pub type Group = [u8; 32];

/// An entry of a group's log.
#[derive(Debug, PartialEq, Eq)]
pub struct LogEntry<'a> {
    pub group: &'a [u8],
    pub message_id: u64,
    pub previous: u64,
    pub sender: &'a [u8],
    pub is_operation: bool,
    /// Empty for an operation, and for the device that sent it.
    pub ciphertext: &'a [u8],
}

pub(super) fn log_entry(body: &[u8]) -> Result<LogEntry<'_>, FrameError> {
    let none = &body[..0];
    let mut entry =
        LogEntry { group: none, message_id: 0, previous: 0, sender: none, is_operation: false, ciphertext: none };
    let (mut fields, mut envelope) = (Fields(body), none);
    while let Some((field, value)) = fields.next()? {
        match (field, value) {
            (1, Value::Bytes(group)) => entry.group = group,
            (2, Value::Fixed64(id)) => entry.message_id = id,
            (3, Value::Fixed64(id)) => entry.previous = id,
            (5, Value::Bytes(sender)) => entry.sender = sender,
            (7, Value::Bytes(body)) => envelope = body,
            (8, Value::Bytes(_)) => entry.is_operation = true,
            _ => {}
        }
    }
    let mut fields = Fields(envelope);
    while let Some((field, value)) = fields.next()? {
        if let (2, Value::Bytes(ciphertext)) = (field, value) {
            entry.ciphertext = ciphertext;
        }
    }
    Ok(entry)
}

pub fn send_group(send: pb::SendGroup) -> pb::ClientFrame {
    frame(pb::client_frame::Body::SendGroup(send))
}

/// How far a device is in each log: raised as entries come, said in one ack.
#[derive(Debug, Default)]
pub struct Cursors(Vec<(Group, u64)>);

impl Cursors {
    /// A group id of another length is none that could be acknowledged.
    pub fn note(&mut self, group: &[u8], up_to: u64) {
        // Entries of one group come together.
        match self.0.iter_mut().rev().find(|(known, _)| known == group) {
            Some((_, cursor)) => *cursor = up_to.max(*cursor),
            None => self.0.extend(group.try_into().map(|group| (group, up_to))),
        }
    }

    /// What to say, in as few frames as the protocol allows; empties it.
    pub fn acks(&mut self) -> impl Iterator<Item = pb::ClientFrame> + use<> {
        let cursor = |(group, up_to): &(Group, u64)| pb::GroupCursor {
            group_id: Bytes::copy_from_slice(group),
            up_to: *up_to,
            // As a device that could read everything says it.
            delivered: *up_to,
        };
        let ack = |part: &[(Group, u64)]| pb::GroupAck { groups: part.iter().map(cursor).collect() };
        let frames: Vec<_> =
            self.0.chunks(ACK_GROUPS).map(|part| frame(pb::client_frame::Body::GroupAck(ack(part)))).collect();
        self.0.clear();
        frames.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::{Incoming, scan};
    use prost::Message as _;

    fn encoded(item: pb::group_entry::Item) -> Vec<u8> {
        let entry = pb::GroupEntry {
            group_id: Bytes::from_static(&[9; 32]),
            message_id: 77,
            previous: 70,
            server_time_ms: 5,
            sender_account: Bytes::from_static(&[4; 16]),
            sender_device: 1,
            item: Some(item),
        };
        pb::ServerFrame { r#ref: 0, body: Some(pb::server_frame::Body::GroupEntry(entry)) }.encode_to_vec()
    }

    #[test]
    fn the_scanner_reads_log_entries_as_the_codec_writes_them() {
        let envelope = pb::GroupEnvelope { class: 1, ciphertext: Bytes::from_static(b"sealed") };
        let message = encoded(pb::group_entry::Item::Envelope(envelope));
        let want = |is_operation, ciphertext| LogEntry {
            group: &[9; 32],
            message_id: 77,
            previous: 70,
            sender: &[4; 16],
            is_operation,
            ciphertext,
        };
        assert_eq!(scan(&message).expect("a frame"), Incoming::LogEntry(want(false, b"sealed")));
        let operation = pb::GroupLogOperation { payload: Bytes::from_static(b"signed"), ..Default::default() };
        let operation = encoded(pb::group_entry::Item::Operation(operation));
        assert_eq!(scan(&operation).expect("a frame"), Incoming::LogEntry(want(true, b"")));
        for end in 1..message.len() {
            assert!(scan(&message[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn one_ack_names_each_group_once_with_its_highest_entry() {
        let mut cursors = Cursors::default();
        for (group, up_to) in [([1; 32], 5), ([2; 32], 7), ([1; 32], 9), ([1; 32], 8)] {
            cursors.note(&group, up_to);
        }
        cursors.note(b"short", 1);
        let acked: Vec<_> = cursors
            .acks()
            .flat_map(|frame| match frame.body {
                Some(pb::client_frame::Body::GroupAck(ack)) => ack.groups,
                other => panic!("{other:?}"),
            })
            .map(|cursor| (cursor.group_id[0], cursor.up_to, cursor.delivered))
            .collect();
        assert_eq!(acked, [(1, 9, 9), (2, 7, 7)]);
        assert_eq!(cursors.acks().count(), 0, "said once");
    }

    #[test]
    fn group_acks_stay_within_the_limit() {
        let mut cursors = Cursors::default();
        for number in 0..2500u16 {
            let mut group = [0; 32];
            group[..2].copy_from_slice(&number.to_be_bytes());
            cursors.note(&group, 1);
        }
        let frames: Vec<_> = cursors.acks().collect();
        assert_eq!(frames.len(), 3);
    }
}
