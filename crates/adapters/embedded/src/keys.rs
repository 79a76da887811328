//! Keys: fixed-size, big-endian, so that byte order is the order of devices, ids and times. The drawing is in `lib.rs`.
//!
//! The two keys of every message, its inbox entry and its dedup record, are 20 bytes, because fjall's memtables hold a key of up to
//! 20 bytes in the node itself and look each longer one up elsewhere in memory, at every step of every search. So they name
//! the account by its first 11 bytes, which no two accounts of a store may share (`create_account` refuses the second: ids
//! are random, so only somebody who tries will ever see it). Groups are named by the first 8 bytes of their id everywhere,
//! which no two groups of a store may share (`commit_operation` refuses to make the second): so cursors, marks and the log,
//! which every message or ack writes, fit into 20 bytes too. Ids of groups are hashes: two that meet take 2^32 groups, and
//! meeting a given one 2^64 tries. What was read is compared with the whole id, which stands in the records.

use crate::codec::Reader;
use sha2::{Digest as _, Sha256};
use sotto_ports::{StoreError, WatermarkKind};
use sotto_types::{AccountId, Conversation, DeviceAddress, DeviceId, EntryId, GroupId, MessageId, SendId, Timestamp};

pub const DEVICE: usize = 17;
/// The part of an account id that names it within a store.
pub const SHORT: usize = 11;
pub const INBOX: usize = SHORT + 1;
pub const ENTRY: usize = INBOX + 8;
pub const SEND: usize = 20;
/// The part of a group id that names it within a store.
pub const GROUP: usize = 8;
pub const LOGGED: usize = GROUP + 8;
pub const MEMBERSHIP: usize = SHORT + GROUP;

pub type Short = [u8; SHORT];

/// Copies parts one after another into a fixed array.
fn join<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut key = [0; N];
    let mut at = 0;
    for part in parts {
        let end = at + part.len();
        key.get_mut(at..end).expect("the parts of a key fill it exactly").copy_from_slice(part);
        at = end;
    }
    debug_assert_eq!(at, N);
    key
}

pub fn device(of: DeviceAddress) -> [u8; DEVICE] {
    join(&[of.account.as_bytes(), &[of.device.get()]])
}

/// In `meta`: two letters and 16 bytes.
pub fn last_seen(of: AccountId) -> [u8; 18] {
    join(&[b"l:", of.as_bytes()])
}

pub fn short(account: AccountId) -> Short {
    *account.as_bytes().first_chunk().expect("an account id is longer")
}

/// What all entries of a device begin with.
pub fn inbox(of: DeviceAddress) -> [u8; INBOX] {
    join(&[&short(of.account), &[of.device.get()]])
}

/// The first key after all entries of this device.
pub fn after_inbox(account: Short, device: DeviceId) -> [u8; INBOX] {
    // Device ids end at 127, so the next byte never overflows.
    join(&[&account, &[device.get() + 1]])
}

pub fn entry(of: DeviceAddress, id: EntryId) -> [u8; ENTRY] {
    join(&[&short(of.account), &[of.device.get()], &id.get().to_be_bytes()])
}

pub fn parse_entry(key: &[u8]) -> Result<(Short, DeviceId, EntryId), StoreError> {
    let mut reader = Reader::new(key, "inbox key");
    let parsed = (reader.array()?, reader.device_id()?, EntryId::new(reader.u64()?));
    reader.end()?;
    Ok(parsed)
}

/// Nine bytes of hash tell the sends of one account apart: for two of ten million in ten days to meet is one in a hundred
/// million, and who forces it swallows a message of their own.
pub fn send(send: &SendId) -> [u8; SEND] {
    let name =
        Sha256::new().chain_update([send.from.device.get()]).chain_update(send.client_msg_id.as_bytes()).finalize();
    let (name, _) = name.split_at(SEND - SHORT);
    join(&[&short(send.from.account), name])
}

pub fn watermark(author: AccountId, member: AccountId, kind: WatermarkKind) -> [u8; 33] {
    let kind = match kind {
        WatermarkKind::Delivered => 1,
        WatermarkKind::Read => 2,
    };
    join(&[author.as_bytes(), member.as_bytes(), &[kind]])
}

/// Peers take 50 bytes, groups 66.
pub fn receipt(of: DeviceAddress, conversation: Conversation, member: AccountId) -> Vec<u8> {
    let (tag, id): (u8, &[u8]) = match &conversation {
        Conversation::Peer(account) => (1, account.as_bytes()),
        Conversation::Group(group) => (2, group.as_bytes()),
    };
    [of.account.as_bytes(), &[of.device.get()][..], member.as_bytes(), &[tag], id].concat()
}

pub fn pair(owner: AccountId, other: AccountId) -> [u8; 32] {
    join(&[owner.as_bytes(), other.as_bytes()])
}

/// Of a key made by `pair`.
pub fn second_of_pair(key: &[u8]) -> Result<AccountId, StoreError> {
    account(key.get(16..).unwrap_or_default())
}

pub fn group(id: GroupId) -> [u8; GROUP] {
    *id.as_bytes().first_chunk().expect("a group id is longer")
}

pub fn logged(group: [u8; GROUP], id: MessageId) -> [u8; LOGGED] {
    join(&[&group, &id.get().to_be_bytes()])
}

pub fn parse_logged(key: &[u8]) -> Result<([u8; GROUP], MessageId), StoreError> {
    let mut reader = Reader::new(key, "group log key");
    let parsed = (reader.array()?, MessageId::new(reader.u64()?));
    reader.end()?;
    Ok(parsed)
}

pub fn operation(group: GroupId, revision: u32) -> [u8; GROUP + 4] {
    join(&[&self::group(group), &revision.to_be_bytes()])
}

pub fn parse_operation(key: &[u8]) -> Result<([u8; GROUP], u32), StoreError> {
    let mut reader = Reader::new(key, "operation key");
    let parsed = (reader.array()?, reader.u32()?);
    reader.end()?;
    Ok(parsed)
}

/// Beside the memberships of an account, under the account alone, stands how many it has.
pub fn membership(account: AccountId, group: [u8; GROUP]) -> [u8; MEMBERSHIP] {
    join(&[&short(account), &group])
}

pub fn cursor(of: DeviceAddress, group: [u8; GROUP]) -> [u8; INBOX + GROUP] {
    join(&[&inbox(of), &group])
}

pub fn mark(group: [u8; GROUP], member: AccountId) -> [u8; GROUP + SHORT] {
    join(&[&group, &short(member)])
}

/// What a day of the calendar of `trim_logs` has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfDay {
    /// This group's log has entries with ids of the day.
    Log([u8; GROUP]),
    /// A membership of this account in the group ended.
    Ended(AccountId, [u8; GROUP]),
}

pub fn of_day(day: u32, what: OfDay) -> Vec<u8> {
    let day = day.to_be_bytes();
    match what {
        OfDay::Log(group) => [&day[..], &[1], &group].concat(),
        OfDay::Ended(account, group) => [&day[..], &[2], account.as_bytes(), &group].concat(),
    }
}

pub fn parse_of_day(key: &[u8]) -> Result<(u32, OfDay), StoreError> {
    let mut reader = Reader::new(key, "calendar key");
    let day = reader.u32()?;
    let what = match reader.u8()? {
        1 => OfDay::Log(reader.array()?),
        2 => OfDay::Ended(reader.account()?, reader.array()?),
        _ => return Err(reader.wrong()),
    };
    reader.end()?;
    Ok((day, what))
}

/// A report is in two records: what lists of them show, which is small, and the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportPart {
    Summary = 1,
    Text = 2,
}

pub fn report(part: ReportPart, id: u64) -> [u8; 9] {
    join(&[&[part as u8], &id.to_be_bytes()])
}

pub fn report_id(key: &[u8]) -> Result<u64, StoreError> {
    let mut reader = Reader::new(key, "report key");
    reader.u8()?;
    let id = reader.u64()?;
    reader.end()?;
    Ok(id)
}

/// The records of one device's prekeys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreKey {
    Index = 0,
    Signed = 1,
    LastResort = 2,
    OneTimeEc = 3,
    OneTimeKyber = 4,
}

pub fn prekey(of: DeviceAddress, kind: PreKey, id: u32) -> [u8; 22] {
    join(&[of.account.as_bytes(), &[of.device.get(), kind as u8], &id.to_be_bytes()])
}

/// What is in the expiry index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    DeadLetter = 1,
    HeldName = 2,
    Invite = 3,
}

pub fn ending(until: Timestamp, kind: Ending, rest: &[u8]) -> Vec<u8> {
    [&until.as_ms().to_be_bytes()[..], &[kind as u8], rest].concat()
}

pub fn parse_ending(key: &[u8]) -> Result<(Timestamp, Ending, &[u8]), StoreError> {
    let mut reader = Reader::new(key, "expiry key");
    let until = reader.time()?;
    let kind = match reader.u8()? {
        1 => Ending::DeadLetter,
        2 => Ending::HeldName,
        3 => Ending::Invite,
        _ => return Err(reader.wrong()),
    };
    Ok((until, kind, reader.rest()))
}

pub fn address(key: &[u8]) -> Result<DeviceAddress, StoreError> {
    Reader::new(key, "device key").address()
}

pub fn account(key: &[u8]) -> Result<AccountId, StoreError> {
    Reader::new(key, "account key").account()
}

pub fn of(account: AccountId, device: DeviceId) -> DeviceAddress {
    DeviceAddress::new(account, device)
}
