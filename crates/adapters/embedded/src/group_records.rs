//! Records of groups, in the manner of `records`. Those that every message or ack writes have a fixed layout.

use crate::codec::{Reader, V1, Write, damaged};
use crate::keys::GROUP;
use crate::records::{class, class_number};
use bytes::Bytes;
use sotto_ports::{EnvelopeClass, Group, GroupMark, Membership, Step, StoreError, StoredOperation};
use sotto_types::{AccountId, DeviceAddress, GroupId, MessageId, Timestamp};

const MESSAGE: u8 = 1;
const OPERATION: u8 = 2;

/// What changes with every message and every device: kept apart from the group, which is large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub roster: u64,
    pub newest: MessageId,
}

/// With the part of the group's id that the key lacks.
pub fn put_head(group: GroupId, head: Head) -> Vec<u8> {
    let mut out = Vec::with_capacity(41);
    out.u8(V1).u64(head.roster).u64(head.newest.get()).put(rest_of(&group));
    out
}

/// None if the record is of another group whose id begins the same.
pub fn head(of: GroupId, record: &[u8]) -> Result<Option<Head>, StoreError> {
    let mut r = Reader::v1(record, "group head")?;
    let head = Head { roster: r.u64()?, newest: MessageId::new(r.u64()?) };
    let same = r.array::<{ 32 - GROUP }>()? == *rest_of(&of);
    r.end()?;
    Ok(same.then_some(head))
}

fn rest_of(group: &GroupId) -> &[u8; 32 - GROUP] {
    group.as_bytes().last_chunk().expect("a group id is longer")
}

/// All but the roster, which stands in the head.
pub fn put_group(group: &Group) -> Vec<u8> {
    let mut out = Vec::with_capacity(128 + group.state.len() + group.details.len() + 24 * group.members.len());
    out.u8(V1).put(group.id.as_bytes()).u32(group.revision).put(&group.head);
    out.bytes(&group.state).bytes(&group.details);
    for (member, since) in &group.members {
        out.put(member.as_bytes()).u64(since.get());
    }
    out
}

pub fn group(roster: u64, record: &[u8]) -> Result<Group, StoreError> {
    let mut r = Reader::v1(record, "group record")?;
    let (id, revision, head) = (r.group()?, r.u32()?, r.array()?);
    let (state, details) = (r.bytes()?, r.bytes()?);
    let rest = r.rest();
    if rest.len() % 24 != 0 {
        return Err(damaged("group record"));
    }
    let members = rest.chunks_exact(24).map(|chunk| {
        let mut r = Reader::new(chunk, "group record");
        Ok((r.account()?, MessageId::new(r.u64()?)))
    });
    let members = members.collect::<Result<_, StoreError>>()?;
    Ok(Group { id, revision, head, roster, state, details, members })
}

/// About what a group takes in memory.
pub fn group_weight(group: &Group) -> u64 {
    let bytes = 256 + group.state.len() + group.details.len() + 24 * group.members.len();
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

pub fn put_operation(operation: &StoredOperation) -> Vec<u8> {
    let mut out = Vec::with_capacity(32 + operation.payload.len() + operation.signature.len());
    out.u8(V1).u64(operation.message_id.get()).time(operation.server_time);
    out.bytes(&operation.payload).bytes(&operation.signature);
    out
}

pub fn operation(revision: u32, record: &[u8]) -> Result<StoredOperation, StoreError> {
    let mut r = Reader::v1(record, "group operation")?;
    let (message_id, server_time) = (MessageId::new(r.u64()?), r.time()?);
    let (payload, signature) = (r.bytes()?, r.bytes()?);
    r.end()?;
    Ok(StoredOperation { revision, message_id, server_time, payload, signature })
}

/// An entry of a log without what the key has. That of an operation names it: it is stored once, with the operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    pub previous: MessageId,
    pub server_time: Timestamp,
    pub sender: DeviceAddress,
    pub item: LoggedItem,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoggedItem {
    Message { class: EnvelopeClass, ciphertext: Bytes },
    Operation { revision: u32, details: Bytes },
}

/// Appends a log record to `out`.
pub fn put_logged(out: &mut Vec<u8>, entry: &Logged) {
    let kind = match &entry.item {
        LoggedItem::Message { .. } => MESSAGE,
        LoggedItem::Operation { .. } => OPERATION,
    };
    out.u8(V1).u8(kind).u64(entry.previous.get()).time(entry.server_time).address(entry.sender);
    match &entry.item {
        LoggedItem::Message { class, ciphertext } => out.u8(class_number(*class)).put(ciphertext),
        LoggedItem::Operation { revision, details } => out.u32(*revision).put(details),
    };
}

pub fn logged(record: &[u8]) -> Result<Logged, StoreError> {
    let mut r = Reader::v1(record, "group log record")?;
    let kind = r.u8()?;
    let (previous, server_time, sender) = (MessageId::new(r.u64()?), r.time()?, r.address()?);
    let item = match kind {
        MESSAGE => LoggedItem::Message { class: class(&mut r)?, ciphertext: Bytes::copy_from_slice(r.rest()) },
        OPERATION => LoggedItem::Operation { revision: r.u32()?, details: Bytes::copy_from_slice(r.rest()) },
        _ => return Err(r.wrong()),
    };
    Ok(Logged { previous, server_time, sender, item })
}

/// All stays of an account in a group that are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stays {
    pub newest: Membership,
    /// The ones before, which all ended; ascending.
    pub earlier: Vec<Membership>,
}

impl Stays {
    /// Ascending.
    pub fn all(self) -> impl Iterator<Item = Membership> {
        self.earlier.into_iter().chain([self.newest])
    }

    pub fn ends(&self) -> impl Iterator<Item = MessageId> {
        self.earlier.iter().chain([&self.newest]).filter_map(|stay| stay.until)
    }
}

pub fn put_stays(stays: &Stays) -> Vec<u8> {
    let mut out = Vec::with_capacity(49 + 16 * stays.earlier.len());
    out.u8(V1).put(stays.newest.group.as_bytes());
    for stay in [&stays.newest].into_iter().chain(&stays.earlier) {
        out.u64(stay.since.get()).u64(stay.until.unwrap_or(MessageId::ZERO).get());
    }
    out
}

pub fn stays(record: &[u8]) -> Result<Stays, StoreError> {
    let mut r = Reader::v1(record, "membership")?;
    let group = r.group()?;
    let stay = |r: &mut Reader<'_>| {
        let (since, until) = (MessageId::new(r.u64()?), MessageId::new(r.u64()?));
        Ok::<_, StoreError>(Membership { group, since, until: Some(until).filter(|until| *until > MessageId::ZERO) })
    };
    let newest = stay(&mut r)?;
    // Up to schema 3 there was no more.
    let mut earlier = Vec::new();
    while !r.is_empty() {
        earlier.push(stay(&mut r)?);
    }
    if earlier.iter().any(Membership::goes_on) {
        return Err(r.wrong());
    }
    Ok(Stays { newest, earlier })
}

/// A version byte and a number: cursors, and how many memberships an account has.
pub fn one(number: u64) -> [u8; 9] {
    let mut record = [V1; 9];
    record[1..].copy_from_slice(&number.to_be_bytes());
    record
}

pub fn read_one(record: &[u8], what: &'static str) -> Result<u64, StoreError> {
    let mut r = Reader::v1(record, what)?;
    let number = r.u64()?;
    r.end()?;
    Ok(number)
}

pub fn put_mark(mark: &GroupMark) -> Vec<u8> {
    let mut out = Vec::with_capacity(49);
    out.u8(V1).put(mark.member.as_bytes());
    for step in [mark.delivered, mark.read] {
        let step = step.unwrap_or_default();
        out.u64(step.up_to.get()).time(step.at);
    }
    out
}

pub fn mark(record: &[u8]) -> Result<GroupMark, StoreError> {
    let mut r = Reader::v1(record, "group mark")?;
    let member: AccountId = r.account()?;
    let mut step = || {
        let step = Step { up_to: MessageId::new(r.u64()?), at: r.time()? };
        // A mark that is there stands at a message.
        Ok::<_, StoreError>(Some(step).filter(|step| step.up_to > MessageId::ZERO))
    };
    let (delivered, read) = (step()?, step()?);
    r.end()?;
    Ok(GroupMark { member, delivered, read })
}
