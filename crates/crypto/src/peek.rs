//! Reads fields that libsignal parses but does not show: of messages, for reports and guards; of session records, to know
//! how far a chain has come. Only ever reads. Field numbers are those of libsignal's `wire.proto` and `storage.proto` and of
//! SPQR's `pq_ratchet.proto` (v0.85.3, v1.2.0); the test vectors notice if a later version moves them.

use prost::Message;

/// `wire.proto`, without the ciphertext.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct SignalMessage {
    #[prost(uint32, optional, tag = "3")]
    pub previous_counter: Option<u32>,
}

const MAC_BYTES: usize = 8;

/// The previous chain's length, of a serialized `SignalMessage`.
pub(crate) fn previous_counter(serialized: &[u8]) -> Option<u32> {
    let (_version, rest) = serialized.split_first()?;
    let (proto, _mac) = rest.split_at_checked(rest.len().checked_sub(MAC_BYTES)?)?;
    SignalMessage::decode(proto).ok()?.previous_counter
}

#[derive(Clone, PartialEq, Message)]
struct Record {
    #[prost(message, optional, tag = "1")]
    current: Option<Session>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    previous: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
struct Session {
    #[prost(message, repeated, tag = "7")]
    receiver_chains: Vec<Chain>,
    #[prost(bytes = "vec", tag = "15")]
    pq_ratchet_state: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct Chain {
    #[prost(bytes = "vec", tag = "1")]
    sender_ratchet_key: Vec<u8>,
    #[prost(message, optional, tag = "3")]
    chain_key: Option<ChainKey>,
}

#[derive(Clone, PartialEq, Message)]
struct ChainKey {
    #[prost(uint32, tag = "1")]
    index: u32,
}

#[derive(Clone, PartialEq, Message)]
struct PqRatchetState {
    #[prost(message, optional, tag = "2")]
    chain: Option<PqChain>,
}

#[derive(Clone, PartialEq, Message)]
struct PqChain {
    #[prost(message, repeated, tag = "3")]
    links: Vec<PqEpoch>,
}

#[derive(Clone, PartialEq, Message)]
struct PqEpoch {
    #[prost(message, optional, tag = "2")]
    recv: Option<PqEpochDirection>,
}

#[derive(Clone, PartialEq, Message)]
struct PqEpochDirection {
    #[prost(uint32, tag = "1")]
    ctr: u32,
}

/// How far the receiving chains of a session record have come, over all its sessions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ReceivedUpTo {
    /// Index of the chain of the ratchet key asked about; 0 if there is none yet.
    pub ratchet: u32,
    /// Highest index of any epoch.
    pub pq_ratchet: u32,
}

/// `None` if the record is unreadable.
pub(crate) fn received_up_to(session_record: &[u8], ratchet_key: &[u8]) -> Option<ReceivedUpTo> {
    let record = Record::decode(session_record).ok()?;
    let mut up_to = ReceivedUpTo::default();
    let previous = record.previous.iter().map(|bytes| Session::decode(&bytes[..]).ok());
    for session in record.current.map(Some).into_iter().chain(previous) {
        let session = session?;
        for chain in session.receiver_chains.iter().filter(|chain| chain.sender_ratchet_key == ratchet_key) {
            up_to.ratchet = up_to.ratchet.max(chain.chain_key.as_ref().map_or(0, |key| key.index));
        }
        let pq = PqRatchetState::decode(&session.pq_ratchet_state[..]).ok()?;
        for link in pq.chain.map(|chain| chain.links).unwrap_or_default() {
            up_to.pq_ratchet = up_to.pq_ratchet.max(link.recv.map_or(0, |recv| recv.ctr));
        }
    }
    Some(up_to)
}
