//! What a member's message carries: opaque bytes of the size that real encryption gives, which say whose and which message
//! they are.
//! Always true: every byte is compared with what was sent; a header that was damaged points at other bytes.

use super::Party;
use crate::payload;
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use prost::Message as _;
use sotto_crypto::padding;
use sotto_types::ClientMsgId;
use sotto_wire::pb;

const MAGIC: [u8; 8] = *b"sottogrp";
const HEADER: usize = 36;
/// In the place of a recipient: one ciphertext for all.
pub const ALL: u32 = u32::MAX;
/// What a sender key adds to padded content: version, distribution, chain, iteration, block padding, signature. Held to the
/// real thing by `the_sizes_are_the_real_ones`.
const SENDER_KEY_OVERHEAD: usize = 110;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub group: u32,
    pub sender: u32,
    pub recipient: u32,
    /// Rises by one with each message of this sender to this group.
    pub seq: u64,
    /// Sent at, or due at, in `clock::now_ns`.
    pub since_ns: u64,
}

impl Header {
    fn to_bytes(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&self.group.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.sender.to_be_bytes());
        bytes[16..20].copy_from_slice(&self.recipient.to_be_bytes());
        bytes[20..28].copy_from_slice(&self.seq.to_be_bytes());
        bytes[28..].copy_from_slice(&self.since_ns.to_be_bytes());
        bytes
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk::<8>()?;
        let (group, rest) = rest.split_first_chunk::<4>()?;
        let (sender, rest) = rest.split_first_chunk::<4>()?;
        let (recipient, rest) = rest.split_first_chunk::<4>()?;
        let (seq, rest) = rest.split_first_chunk::<8>()?;
        let (since, _) = rest.split_first_chunk::<8>()?;
        (*magic == MAGIC).then_some(Self {
            group: u32::from_be_bytes(*group),
            sender: u32::from_be_bytes(*sender),
            recipient: u32::from_be_bytes(*recipient),
            seq: u64::from_be_bytes(*seq),
            since_ns: u64::from_be_bytes(*since),
        })
    }

    /// Two headers that differ anywhere have other seeds, but for a chance of one in 2^64.
    fn seed(&self) -> u64 {
        let words = [u64::from(self.group), u64::from(self.sender), u64::from(self.recipient), self.seq, self.since_ns];
        words.into_iter().fold(0x243F_6A88_85A3_08D3, |seed: u64, word| {
            (seed ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29)
        })
    }
}

/// Bytes of a ciphertext, by how it is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    pub sender_key: usize,
    pub pairwise: usize,
}

impl Sizes {
    pub fn of(text_len: usize) -> Self {
        let mut content = payload::content(&ClientMsgId::from_bytes([1; 16]), 0, 1, "x".repeat(text_len));
        content.group = Some(place());
        let pairwise = payload::sealed_len(payload::addressed(content.clone()));
        content.sender_account = Bytes::from_static(&[1; 16]);
        content.sender_device = 1;
        Self { sender_key: padding::pad(content.encode_to_vec()).len() + SENDER_KEY_OVERHEAD, pairwise }
    }
}

/// Which operation the sender knew: in every message to a group.
fn place() -> pb::GroupPlace {
    pb::GroupPlace { group_id: Bytes::from_static(&[1; 32]), revision: 1, head: Bytes::from_static(&[1; 32]) }
}

impl Party {
    fn filler(&self, header: &Header) -> Result<&[u8]> {
        let len = if header.recipient == ALL { self.sizes.sender_key } else { self.sizes.pairwise };
        self.pool.cut(header.seed(), len.saturating_sub(HEADER)).context("the pool is smaller than a ciphertext")
    }

    pub fn ciphertext(&self, header: &Header) -> Result<Bytes> {
        Ok([&header.to_bytes(), self.filler(header)?].concat().into())
    }

    /// Whose message it is, if it is whole.
    pub fn check(&self, ciphertext: &[u8]) -> Result<Header> {
        let header = Header::parse(ciphertext).context("a message that no member sent was delivered")?;
        let same = ciphertext.get(HEADER..) == Some(self.filler(&header)?);
        ensure!(same, "message {} of member {} came back with other bytes", header.seq, header.sender);
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::{Registration, new_member};
    use crate::group::Strategy;
    use crate::payload::Device;
    use sotto_crypto::sender_keys;
    use sotto_crypto::store::DistributionId;

    fn party() -> Party {
        Party::new(Strategy::Log, Vec::new(), Vec::new(), "0a1b", 200)
    }

    const HEADER_OF_ONE: Header = Header { group: 3, sender: 7, recipient: ALL, seq: 99, since_ns: 123_456_789_012 };

    #[test]
    fn messages_are_checked_to_the_last_byte() {
        for header in [HEADER_OF_ONE, Header { recipient: 8, ..HEADER_OF_ONE }] {
            let sent = party().ciphertext(&header).expect("made");
            assert_eq!(party().check(&sent).expect("whole, in another process too"), header);
            for at in (0..sent.len()).step_by(3).chain(0..HEADER) {
                let mut bad = sent.to_vec();
                bad[at] ^= 1;
                assert!(party().check(&bad).is_err(), "byte {at}");
            }
            assert!(party().check(&sent[..sent.len() - 1]).is_err());
            assert!(party().check(&[&sent[..], b"x"].concat()).is_err());
            assert!(
                Party::new(Strategy::Log, Vec::new(), Vec::new(), "0a1c", 200).check(&sent).is_err(),
                "another run"
            );
        }
    }

    #[test]
    fn the_sizes_are_the_real_ones() {
        let registration = Registration { run: "test".into(), invite: None };
        let [one, two] = [0, 1].map(|number| new_member(&registration, number).0);
        for text_len in [20, 200, 1000, 5000] {
            let mut device = Device::new(&one, &two);
            let distribution = DistributionId::from_bytes([9; 16]);
            sender_keys::create_distribution(&mut device, distribution, &mut rand::rng()).expect("a sender key");
            let content = pb::Content {
                group: Some(place()),
                sender_account: Bytes::copy_from_slice(one.address.account.as_bytes()),
                sender_device: 1,
                ..payload::content(&ClientMsgId::from_bytes([1; 16]), 0, 1_763_000_000_000, "x".repeat(text_len))
            };
            let body = content.encode_to_vec();
            for _ in 0..200 {
                sender_keys::encrypt(&mut device, distribution, &body, &mut rand::rng()).expect("encrypts");
            }
            let real =
                sender_keys::encrypt(&mut device, distribution, &body, &mut rand::rng()).expect("encrypts").len();
            let Sizes { sender_key, pairwise } = Sizes::of(text_len);
            assert!(sender_key.abs_diff(real) <= 8, "{text_len}: {sender_key} but {real}");
            let direct = payload::ciphertext_len(text_len);
            assert!((direct..=direct + 512).contains(&pairwise), "{text_len}: {pairwise} beside {direct}");
        }
    }
}
