//! Records: what stands under each key. Hot ones (inbox, dedup, watermarks, routing) have a fixed layout; all begin with a
//! version byte. Fields that the key has are not repeated.

use crate::codec::{Reader, V1, Write, damaged};
use bytes::Bytes;
use sotto_ports::{
    Account, CiphertextType, Committed, Device, EnvelopeClass, Invite, ListedDevice, QueuedItem, Recovery, Routing,
    SignedDeviceList, Step, StoreError, StoredEcPreKey, StoredEnvelope, StoredFailure, StoredReceipt,
    StoredSignedPreKey,
};
use sotto_types::{AccountId, DeviceId, EntryId, MessageId, Timestamp, Username, limits};

const ENVELOPE: u8 = 1;
const RECEIPT: u8 = 2;
const FAILURE: u8 = 3;
/// An envelope with a group.
const GROUP_ENVELOPE: u8 = 4;

/// Appends an inbox record to `out`.
pub fn put_item(out: &mut Vec<u8>, item: &QueuedItem) {
    match item {
        QueuedItem::Envelope(envelope) => put_envelope(out, envelope),
        QueuedItem::Receipt(receipt) => {
            out.u8(V1).u8(RECEIPT).conversation(receipt.conversation).put(receipt.member.as_bytes());
            put_steps(out, &receipt.delivered);
            put_steps(out, &receipt.read);
        }
        QueuedItem::Failure(failure) => {
            out.u8(V1).u8(FAILURE).conversation(failure.conversation).u64(failure.message_id.get());
        }
    }
}

pub fn class_number(class: EnvelopeClass) -> u8 {
    match class {
        EnvelopeClass::Message => 1,
        EnvelopeClass::Control => 2,
        EnvelopeClass::Resend => 3,
    }
}

pub fn class(r: &mut Reader) -> Result<EnvelopeClass, StoreError> {
    match r.u8()? {
        1 => Ok(EnvelopeClass::Message),
        2 => Ok(EnvelopeClass::Control),
        3 => Ok(EnvelopeClass::Resend),
        _ => Err(r.wrong()),
    }
}

fn put_envelope(out: &mut Vec<u8>, envelope: &StoredEnvelope) {
    let class = class_number(envelope.class);
    let ciphertext_type = match envelope.ciphertext_type {
        CiphertextType::Ratchet => 1,
        CiphertextType::PreKey => 2,
        CiphertextType::SenderKey => 3,
    };
    match envelope.group {
        None => out.put(&[V1, ENVELOPE, class, ciphertext_type]),
        Some(group) => out.put(&[V1, GROUP_ENVELOPE, class, ciphertext_type]).put(group.as_bytes()),
    };
    out.address(envelope.sender).time(envelope.server_time).put(&envelope.ciphertext);
}

fn put_steps(out: &mut Vec<u8>, steps: &[Step]) {
    out.u8(u8::try_from(steps.len()).expect("a receipt keeps 16 steps"));
    for step in steps {
        out.u64(step.up_to.get()).time(step.at);
    }
}

/// Whether an inbox record is a receipt, without reading the rest.
pub fn is_receipt(record: &[u8]) -> bool {
    record.get(1) == Some(&RECEIPT)
}

pub fn item(id: EntryId, record: &[u8]) -> Result<QueuedItem, StoreError> {
    let mut r = Reader::v1(record, "inbox record")?;
    Ok(match r.u8()? {
        kind @ (ENVELOPE | GROUP_ENVELOPE) => {
            let class = class(&mut r)?;
            let ciphertext_type = match r.u8()? {
                1 => CiphertextType::Ratchet,
                2 => CiphertextType::PreKey,
                3 => CiphertextType::SenderKey,
                _ => return Err(r.wrong()),
            };
            let group = if kind == GROUP_ENVELOPE { Some(r.group()?) } else { None };
            let sender = r.address()?;
            let server_time = r.time()?;
            let ciphertext = Bytes::copy_from_slice(r.rest());
            let message_id = MessageId::new(id.get());
            QueuedItem::Envelope(StoredEnvelope {
                sender,
                class,
                ciphertext_type,
                message_id,
                server_time,
                group,
                ciphertext,
            })
        }
        RECEIPT => {
            let (conversation, member) = (r.conversation()?, r.account()?);
            let (delivered, read) = (steps(&mut r)?, steps(&mut r)?);
            r.end()?;
            QueuedItem::Receipt(StoredReceipt { conversation, member, delivered, read })
        }
        FAILURE => {
            let failure = StoredFailure { conversation: r.conversation()?, message_id: MessageId::new(r.u64()?) };
            r.end()?;
            QueuedItem::Failure(failure)
        }
        _ => return Err(r.wrong()),
    })
}

fn steps(r: &mut Reader) -> Result<Vec<Step>, StoreError> {
    let count = usize::from(r.u8()?);
    if count > limits::RECEIPT_STEPS {
        return Err(r.wrong());
    }
    (0..count).map(|_| Ok(Step { up_to: MessageId::new(r.u64()?), at: r.time()? })).collect()
}

/// A version byte and two numbers: dedup records, watermarks and the id clock. Short enough to need no allocation.
pub fn two(first: u64, second: u64) -> [u8; 17] {
    let mut record = [V1; 17];
    record[1..9].copy_from_slice(&first.to_be_bytes());
    record[9..].copy_from_slice(&second.to_be_bytes());
    record
}

pub fn read_two(record: &[u8], what: &'static str) -> Result<(u64, u64), StoreError> {
    let mut r = Reader::v1(record, what)?;
    let pair = (r.u64()?, r.u64()?);
    r.end()?;
    Ok(pair)
}

pub fn committed(record: &[u8]) -> Result<Committed, StoreError> {
    let (id, time) = read_two(record, "dedup record")?;
    Ok(Committed { message_id: MessageId::new(id), server_time: Timestamp::from_ms(time) })
}

pub fn step(record: &[u8]) -> Result<Step, StoreError> {
    let (id, time) = read_two(record, "watermark")?;
    Ok(Step { up_to: MessageId::new(id), at: Timestamp::from_ms(time) })
}

pub fn put_routing(routing: &Routing) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + 6 * routing.devices.len());
    out.u8(V1).flag(routing.disabled).u32(routing.list_version);
    for (id, registration_id, suspended) in &routing.devices {
        out.u8(id.get()).u32(*registration_id).flag(*suspended);
    }
    out
}

pub fn routing(account: AccountId, record: &[u8]) -> Result<Routing, StoreError> {
    let mut r = Reader::v1(record, "routing record")?;
    let (disabled, list_version) = (r.flag()?, r.u32()?);
    let rest = r.rest();
    if rest.len() % 6 != 0 {
        return Err(damaged("routing record"));
    }
    let devices = rest.chunks_exact(6).map(|chunk| {
        let mut r = Reader::new(chunk, "routing record");
        Ok((r.device_id()?, r.u32()?, r.flag()?))
    });
    Ok(Routing { account, disabled, list_version, devices: devices.collect::<Result<_, StoreError>>()? })
}

pub fn put_account(account: &Account) -> Vec<u8> {
    let mut out = Vec::new();
    out.u8(V1).put(account.id.as_bytes()).bytes(account.username.as_str().as_bytes()).bytes(&account.identity_key);
    out.put(&account.recovery.auth_key).bytes(&account.recovery.backup).flag(account.disabled).time(account.created);
    out
}

pub fn account(record: &[u8]) -> Result<Account, StoreError> {
    let mut r = Reader::v1(record, "account record")?;
    let account = Account {
        id: r.account()?,
        username: username(&r.bytes()?)?,
        identity_key: r.bytes()?,
        recovery: Recovery { auth_key: r.array()?, backup: r.bytes()? },
        disabled: r.flag()?,
        created: r.time()?,
    };
    r.end()?;
    Ok(account)
}

pub fn username(bytes: &[u8]) -> Result<Username, StoreError> {
    let text = std::str::from_utf8(bytes).map_err(|_| damaged("username"))?;
    Username::parse(text).map_err(|_| damaged("username"))
}

fn put_listed(out: &mut Vec<u8>, device: &ListedDevice) {
    out.u8(device.id.get()).u32(device.registration_id).put(&device.auth_key);
}

fn listed(r: &mut Reader) -> Result<ListedDevice, StoreError> {
    Ok(ListedDevice { id: r.device_id()?, registration_id: r.u32()?, auth_key: r.array()? })
}

pub fn put_list(list: &SignedDeviceList) -> Vec<u8> {
    let mut out = Vec::new();
    out.u8(V1).u32(list.version).u16(u16::try_from(list.devices.len()).expect("127 devices at most"));
    for device in &list.devices {
        put_listed(&mut out, device);
    }
    out.bytes(&list.payload).bytes(&list.signature);
    out
}

pub fn list(record: &[u8]) -> Result<SignedDeviceList, StoreError> {
    let mut r = Reader::v1(record, "device list")?;
    let version = r.u32()?;
    let count = r.u16()?;
    let devices = (0..count).map(|_| listed(&mut r)).collect::<Result<_, _>>()?;
    let list = SignedDeviceList { version, devices, payload: r.bytes()?, signature: r.bytes()? };
    r.end()?;
    Ok(list)
}

pub fn put_device(device: &Device) -> Vec<u8> {
    let mut out = Vec::new();
    out.u8(V1);
    put_listed(&mut out, &device.listed);
    out.bytes(&device.encrypted_name).time(device.created).time(device.last_seen).flag(device.suspended);
    out
}

pub fn device(record: &[u8]) -> Result<Device, StoreError> {
    let mut r = Reader::v1(record, "device record")?;
    let device = Device {
        listed: listed(&mut r)?,
        encrypted_name: r.bytes()?,
        created: r.time()?,
        last_seen: r.time()?,
        suspended: r.flag()?,
    };
    r.end()?;
    Ok(device)
}

pub fn put_last_seen(seen: Timestamp) -> Vec<u8> {
    let mut out = Vec::new();
    out.u8(V1);
    out.time(seen);
    out
}

pub fn last_seen(record: &[u8]) -> Result<Timestamp, StoreError> {
    let mut r = Reader::v1(record, "last seen")?;
    let seen = r.time()?;
    r.end()?;
    Ok(seen)
}

/// Who has a username.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    Of(AccountId),
    /// Its account was deleted; nobody may have it before this time.
    Held(Timestamp),
}

pub fn put_name(name: Name) -> Vec<u8> {
    let mut out = Vec::new();
    match name {
        Name::Of(account) => out.u8(V1).u8(1).put(account.as_bytes()),
        Name::Held(until) => out.u8(V1).u8(2).time(until),
    };
    out
}

pub fn name(record: &[u8]) -> Result<Name, StoreError> {
    let mut r = Reader::v1(record, "username record")?;
    let name = match r.u8()? {
        1 => Name::Of(r.account()?),
        2 => Name::Held(r.time()?),
        _ => return Err(r.wrong()),
    };
    r.end()?;
    Ok(name)
}

pub fn put_invite(invite: &Invite) -> Vec<u8> {
    let mut out = Vec::new();
    out.u8(V1).u32(invite.uses_left).time(invite.expires);
    out
}

pub fn invite(hash: [u8; 32], record: &[u8]) -> Result<Invite, StoreError> {
    let mut r = Reader::v1(record, "invite")?;
    let invite = Invite { hash, uses_left: r.u32()?, expires: r.time()? };
    r.end()?;
    Ok(invite)
}

pub fn put_ec(key: &StoredEcPreKey) -> Vec<u8> {
    let mut out = Vec::new();
    out.u8(V1).u32(key.id).bytes(&key.public_key);
    out
}

pub fn ec(record: &[u8]) -> Result<StoredEcPreKey, StoreError> {
    let mut r = Reader::v1(record, "prekey")?;
    let key = StoredEcPreKey { id: r.u32()?, public_key: r.bytes()? };
    r.end()?;
    Ok(key)
}

pub fn put_signed(key: &StoredSignedPreKey) -> Vec<u8> {
    let mut out = Vec::new();
    out.u8(V1).u32(key.id).bytes(&key.public_key).bytes(&key.signature);
    out
}

pub fn signed(record: &[u8]) -> Result<StoredSignedPreKey, StoreError> {
    let mut r = Reader::v1(record, "signed prekey")?;
    let key = StoredSignedPreKey { id: r.u32()?, public_key: r.bytes()?, signature: r.bytes()? };
    r.end()?;
    Ok(key)
}

/// Which one-time keys of one kind are stored and which ids were handed out, so that taking one needs no scan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OneTimeIds {
    /// Ascending.
    pub stored: Vec<u32>,
    /// Ranges, inclusive, ascending and apart.
    pub handed_out: Vec<(u32, u32)>,
}

/// More ranges than honest clients make; beyond, the lowest two become one, so that no client can grow the record.
const HANDED_OUT_RANGES_MAX: usize = 256;

impl OneTimeIds {
    pub fn knows(&self, id: u32) -> bool {
        let place = self.handed_out.partition_point(|(_, last)| *last < id);
        self.handed_out.get(place).is_some_and(|(first, _)| *first <= id) || self.stored.binary_search(&id).is_ok()
    }

    /// 0 if there is none.
    pub fn highest(&self) -> u32 {
        let handed_out = self.handed_out.last().map(|(_, last)| *last);
        self.stored.last().copied().max(handed_out).unwrap_or_default()
    }

    pub fn hand_out(&mut self, id: u32) {
        let place = self.handed_out.partition_point(|(_, last)| *last < id);
        self.handed_out.insert(place, (id, id));
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(self.handed_out.len());
        for (first, last) in self.handed_out.drain(..) {
            match merged.last_mut() {
                Some(before) if before.1.checked_add(1).is_none_or(|next| first <= next) => {
                    before.1 = before.1.max(last)
                }
                _ => merged.push((first, last)),
            }
        }
        if merged.len() > HANDED_OUT_RANGES_MAX {
            let (first, _) = merged.remove(0);
            if let Some(next) = merged.first_mut() {
                next.0 = first;
            }
        }
        self.handed_out = merged;
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyIndex {
    pub signed: Option<u32>,
    pub last_resort: Option<u32>,
    pub ec: OneTimeIds,
    pub kyber: OneTimeIds,
}

pub fn put_key_index(index: &KeyIndex) -> Vec<u8> {
    let mut out = Vec::new();
    out.u8(V1);
    for id in [index.signed, index.last_resort] {
        out.flag(id.is_some()).u32(id.unwrap_or_default());
    }
    for ids in [&index.ec, &index.kyber] {
        out.u16(u16::try_from(ids.stored.len()).expect("at most 200 are stored"));
        ids.stored.iter().for_each(|id| _ = out.u32(*id));
        out.u16(u16::try_from(ids.handed_out.len()).expect("at most 256 ranges are kept"));
        ids.handed_out.iter().for_each(|(first, last)| _ = out.u32(*first).u32(*last));
    }
    out
}

pub fn key_index(record: &[u8]) -> Result<KeyIndex, StoreError> {
    let mut r = Reader::v1(record, "prekey index")?;
    let optional = |r: &mut Reader| {
        let (there, id) = (r.flag()?, r.u32()?);
        if !there && id != 0 {
            return Err(r.wrong());
        }
        Ok::<_, StoreError>(there.then_some(id))
    };
    let ids = |r: &mut Reader| {
        let count = r.u16()?;
        let stored: Vec<u32> = (0..count).map(|_| r.u32()).collect::<Result<_, _>>()?;
        let count = r.u16()?;
        let handed_out: Vec<_> = (0..count).map(|_| Ok((r.u32()?, r.u32()?))).collect::<Result<_, StoreError>>()?;
        if !stored.is_sorted() || !handed_out.is_sorted() {
            return Err(r.wrong());
        }
        Ok(OneTimeIds { stored, handed_out })
    };
    let index =
        KeyIndex { signed: optional(&mut r)?, last_resort: optional(&mut r)?, ec: ids(&mut r)?, kyber: ids(&mut r)? };
    r.end()?;
    Ok(index)
}

/// The routing record that follows from a list and the records of its devices.
pub fn routing_of(account: &Account, list_version: u32, devices: &[Device]) -> Routing {
    let mut devices: Vec<(DeviceId, u32, bool)> =
        devices.iter().map(|d| (d.listed.id, d.listed.registration_id, d.suspended)).collect();
    devices.sort_unstable_by_key(|(id, _, _)| *id);
    Routing { account: account.id, disabled: account.disabled, list_version, devices }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handed_out_ids_stay_known_and_bounded() {
        let mut ids = OneTimeIds::default();
        for id in [5, 7, 6, u32::MAX, 0, 1] {
            ids.hand_out(id);
        }
        assert_eq!(ids.handed_out, [(0, 1), (5, 7), (u32::MAX, u32::MAX)]);
        for id in (0..4000).step_by(2) {
            ids.hand_out(id);
        }
        assert!(ids.handed_out.len() <= HANDED_OUT_RANGES_MAX);
        assert!((0..4000).step_by(2).all(|id| ids.knows(id)));
        assert!(ids.knows(u32::MAX) && !ids.knows(100_001));
    }

    #[test]
    fn a_key_index_comes_back() {
        let ids = OneTimeIds { stored: vec![3, 9], handed_out: vec![(1, 2)] };
        let index = KeyIndex { signed: Some(4), last_resort: None, ec: ids, kyber: OneTimeIds::default() };
        assert_eq!(key_index(&put_key_index(&index)).unwrap(), index);
    }
}
