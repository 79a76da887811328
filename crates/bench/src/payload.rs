//! What a bench message carries: its number, and bytes that can be checked. Either opaque bytes of the size a real ciphertext
//! would have, or real encryption of a real text.
//! Always true: opaque bytes do not compress and do not repeat, so a store gains nothing that real ciphertexts would not
//! give it; every byte that arrives is compared with what was sent.

use crate::accounts::{LIST_VERSION, Member};
use crate::frames::{Envelope, SendTemplate, Target, send_direct};
use crate::http::HttpConn;
use crate::link::Link;
use anyhow::{Context, Result, anyhow, bail, ensure};
use bytes::Bytes;
use prost::Message as _;
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use sotto_crypto::prekeys::{EcPreKeyId, KyberPreKeyId, SignedPreKeyId};
use sotto_crypto::session::{self, CiphertextType};
use sotto_crypto::store::{BaseKeyUse, DistributionId, KyberPreKeyRecord, ProtocolStore, StoreFailure};
use sotto_crypto::{IdentityKey, IdentityKeyPair, device_list, padding};
use sotto_types::{AccountId, ClientMsgId, Clock, DeviceAddress, Secret, SystemClock};
use sotto_wire::{http, pb};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// Pair, number and place in the pool.
const HEADER: usize = 24;
const POOL_BYTES: usize = 4 * 1024 * 1024;
/// What encryption adds to padded content within a session: version, ratchet key, counters, block padding, post-quantum
/// ratchet, MAC. Measured: `the_opaque_size_is_the_real_one` holds it to the real thing.
const RATCHET_OVERHEAD: usize = 108;

/// Random bytes that opaque ciphertexts are cut from.
#[derive(Debug)]
pub struct Pool(Vec<u8>);

impl Default for Pool {
    fn default() -> Self {
        let mut bytes = vec![0; POOL_BYTES];
        rand::rng().fill_bytes(&mut bytes);
        Self(bytes)
    }
}

impl Pool {
    /// The same bytes wherever it is made.
    pub fn seeded(seed: u64) -> Self {
        let mut bytes = vec![0; POOL_BYTES];
        StdRng::seed_from_u64(seed).fill_bytes(&mut bytes);
        Self(bytes)
    }

    pub fn cut(&self, seed: u64, len: usize) -> Option<&[u8]> {
        // Steps of a large odd number: neighbours never overlap, and a slice comes again only after the whole pool.
        let room = self.0.len().checked_sub(len)?;
        let at = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16;
        let at = usize::try_from(at % (room as u64 + 1)).ok()?;
        self.0.get(at..at + len)
    }
}

/// How one pair makes and checks its messages.
#[derive(Debug)]
pub enum Payload {
    Opaque(Opaque),
    Real(Box<Conversation>),
}

#[derive(Debug)]
pub struct Opaque {
    template: SendTemplate,
    pool: Rc<Pool>,
    pair: u32,
    filler: usize,
}

impl Opaque {
    pub fn new(to: &Target, pool: Rc<Pool>, pair: u32, text_len: usize) -> Self {
        let len = ciphertext_len(text_len);
        Self { template: SendTemplate::new(to, len), pool, pair, filler: len - HEADER }
    }

    fn header(&self, seq: u64) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        header[..8].copy_from_slice(b"sottobch");
        header[8..12].copy_from_slice(&self.pair.to_be_bytes());
        header[16..].copy_from_slice(&seq.to_be_bytes());
        header
    }

    fn filler(&self, seq: u64) -> &[u8] {
        let seed = (u64::from(self.pair) << 40) ^ seq;
        self.pool.cut(seed, self.filler).expect("the pool is larger than any ciphertext")
    }

    fn check(&self, envelope: &Envelope<'_>) -> Result<u64> {
        let (header, filler) =
            envelope.ciphertext.split_first_chunk::<HEADER>().context("a ciphertext came back short")?;
        let [.., a, b, c, d, e, f, g, h] = *header;
        let seq = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        ensure!(*header == self.header(seq), "a message of another conversation was delivered");
        ensure!(filler == self.filler(seq), "message {seq} came back with other bytes");
        Ok(seq)
    }
}

impl Payload {
    /// Queues message number `seq`.
    pub fn send(&mut self, link: &mut Link, id: &ClientMsgId, seen: u64, seq: u64) -> Result<()> {
        match self {
            Self::Opaque(opaque) => {
                let header = opaque.header(seq);
                link.send_template(&opaque.template, id, seen, [&header, opaque.filler(seq)]);
            }
            Self::Real(conversation) => link.send(&conversation.seal(id, seen, seq)?),
        }
        Ok(())
    }

    /// The number of a message that was delivered, if it is whole.
    pub fn check(&mut self, envelope: &Envelope<'_>) -> Result<u64> {
        match self {
            Self::Opaque(opaque) => opaque.check(envelope),
            Self::Real(conversation) => conversation.open(envelope),
        }
    }
}

/// The size of the ciphertext that a text of `text_len` bytes becomes.
pub fn ciphertext_len(text_len: usize) -> usize {
    let content = content(&ClientMsgId::from_bytes([1; 16]), 0, 1, "x".repeat(text_len));
    sealed_len(addressed(content))
}

/// The same for any content.
pub fn sealed_len(content: pb::Content) -> usize {
    padding::pad(content.encode_to_vec()).len() + RATCHET_OVERHEAD
}

pub fn content(id: &ClientMsgId, seq: u64, sent_at_ms: u64, filler: String) -> pb::Content {
    let mut body = filler;
    let number = format!("{seq:016x}");
    if body.len() > number.len() {
        body.replace_range(..number.len(), &number);
    } else {
        body = number;
    }
    pb::Content {
        name: Bytes::copy_from_slice(id.as_bytes()),
        sent_at_ms,
        body: Some(pb::content::Body::Text(pb::Text { body, ..Default::default() })),
        ..Default::default()
    }
}

/// With the address fields that encryption fills in.
pub fn addressed(mut content: pb::Content) -> pb::Content {
    content.sender_account = Bytes::from_static(&[1; 16]);
    content.recipient_account = Bytes::from_static(&[1; 16]);
    content.sender_device = 1;
    content.recipient_device = 1;
    content
}

/// Both ends of a real conversation.
#[derive(Debug)]
pub struct Conversation {
    to: Target,
    sender: Device,
    recipient: Device,
    text: String,
}

impl Conversation {
    /// Takes the recipient's bundle from the server, as a client would, and exchanges one message each way, so that what
    /// follows is in an established session. These two stay in this process.
    pub async fn begin(
        http: &mut HttpConn,
        token: &str,
        sender: &Member,
        recipient: &Member,
        to: Target,
        text_len: usize,
    ) -> Result<Self> {
        let path = format!("/v1/accounts/{}/prekeys", recipient.address.account);
        let wanted = http::TakePreKeys { devices: vec![recipient.address.device.into()] };
        let bundles: http::PreKeyBundles = http.post(&path, Some(token), &wanted).await.context("no prekey bundle")?;
        Self::from_bundles(&bundles, sender, recipient, to, text_len)
    }

    fn from_bundles(
        bundles: &http::PreKeyBundles,
        sender: &Member,
        recipient: &Member,
        to: Target,
        text_len: usize,
    ) -> Result<Self> {
        let list = device_list::verify_device_list(&bundles.list.payload.0, &bundles.list.signature.0)?;
        let bundle = bundles.bundles.first().context("the server has no bundle for the recipient")?;
        let mut conversation = Self {
            to,
            sender: Device::new(sender, recipient),
            recipient: Device::new(recipient, sender),
            text: (0..text_len).map(|at| char::from(b'a' + (at % 26) as u8)).collect(),
        };
        let now = SystemClock.now();
        session::start_session(&mut conversation.sender, recipient.address, bundle, &list, now, &mut rand::rng())?;
        exchange(&mut conversation.sender, &mut conversation.recipient)?;
        exchange(&mut conversation.recipient, &mut conversation.sender)?;
        Ok(conversation)
    }

    fn seal(&mut self, id: &ClientMsgId, seen: u64, seq: u64) -> Result<pb::ClientFrame> {
        let now = SystemClock.now();
        let content = content(id, seq, now.as_ms(), self.text.clone());
        let to = self.recipient.address;
        let sealed = session::encrypt(&mut self.sender, to, content, now, &mut rand::rng())?;
        Ok(send_direct(&self.to, id, seen, sealed.kind.to_wire(), sealed.ciphertext.into()))
    }

    fn open(&mut self, envelope: &Envelope<'_>) -> Result<u64> {
        let kind = i32::try_from(envelope.r#type).ok().and_then(|kind| pb::CiphertextType::try_from(kind).ok());
        let kind = kind.and_then(CiphertextType::from_wire).context("a ciphertext of an unknown type")?;
        let from = self.sender.address;
        let opened = session::decrypt(&mut self.recipient, from, kind, envelope.ciphertext, &mut rand::rng())
            .map_err(|error| anyhow!("a delivered message does not decrypt: {error}"))?;
        let Some(pb::content::Body::Text(text)) = opened.content.body else { bail!("a delivered message is no text") };
        let seq = text.body.get(..16).and_then(|number| u64::from_str_radix(number, 16).ok());
        seq.context("a delivered message has no number")
    }
}

fn exchange(from: &mut Device, to: &mut Device) -> Result<()> {
    let content = content(&ClientMsgId::from_bytes([1; 16]), 0, 1, String::new());
    let sealed = session::encrypt(from, to.address, content, SystemClock.now(), &mut rand::rng())?;
    session::decrypt(to, from.address, sealed.kind, &sealed.ciphertext, &mut rand::rng())?;
    Ok(())
}

/// A device's protocol state in memory: enough for one conversation.
#[derive(Debug)]
pub struct Device {
    address: DeviceAddress,
    registration_id: u32,
    identity: IdentityKeyPair,
    peer: (AccountId, IdentityKey),
    signed_prekey: (SignedPreKeyId, Secret<Vec<u8>>),
    last_resort: (KyberPreKeyId, Secret<Vec<u8>>),
    sessions: HashMap<DeviceAddress, Secret<Vec<u8>>>,
    used: HashSet<BaseKeyUse>,
    sender_keys: HashMap<(DeviceAddress, DistributionId), Secret<Vec<u8>>>,
}

impl Device {
    pub fn new(own: &Member, peer: &Member) -> Self {
        let prekeys = &own.keys.prekeys;
        Self {
            address: own.address,
            registration_id: own.registration_id,
            identity: own.keys.identity.clone(),
            peer: (peer.address.account, peer.keys.identity.public()),
            signed_prekey: (SignedPreKeyId(prekeys.signed.id), prekeys.signed.record.clone()),
            last_resort: (KyberPreKeyId(prekeys.last_resort.id), prekeys.last_resort.record.clone()),
            sessions: HashMap::new(),
            used: HashSet::new(),
            sender_keys: HashMap::new(),
        }
    }
}

impl ProtocolStore for Device {
    fn own_address(&self) -> Result<DeviceAddress, StoreFailure> {
        Ok(self.address)
    }

    fn own_identity(&self) -> Result<IdentityKeyPair, StoreFailure> {
        Ok(self.identity.clone())
    }

    fn own_registration_id(&self) -> Result<u32, StoreFailure> {
        Ok(self.registration_id)
    }

    fn trusted_identity(&self, account: AccountId) -> Result<Option<IdentityKey>, StoreFailure> {
        Ok((account == self.peer.0).then_some(self.peer.1))
    }

    fn load_session(&self, with: DeviceAddress) -> Result<Option<Secret<Vec<u8>>>, StoreFailure> {
        Ok(self.sessions.get(&with).cloned())
    }

    fn store_session(&mut self, with: DeviceAddress, record: &Secret<Vec<u8>>) -> Result<(), StoreFailure> {
        self.sessions.insert(with, record.clone());
        Ok(())
    }

    fn load_signed_prekey(&self, id: SignedPreKeyId) -> Result<Option<Secret<Vec<u8>>>, StoreFailure> {
        Ok((id == self.signed_prekey.0).then(|| self.signed_prekey.1.clone()))
    }

    fn load_one_time_ec_prekey(&self, _: EcPreKeyId) -> Result<Option<Secret<Vec<u8>>>, StoreFailure> {
        Ok(None)
    }

    fn remove_one_time_ec_prekey(&mut self, _: EcPreKeyId) -> Result<(), StoreFailure> {
        Ok(())
    }

    fn load_kyber_prekey(&self, id: KyberPreKeyId) -> Result<Option<KyberPreKeyRecord>, StoreFailure> {
        let record = || KyberPreKeyRecord { record: self.last_resort.1.clone(), last_resort: true };
        Ok((id == self.last_resort.0).then(record))
    }

    fn remove_one_time_kyber_prekey(&mut self, _: KyberPreKeyId) -> Result<(), StoreFailure> {
        Ok(())
    }

    fn is_base_key_used(&self, used: &BaseKeyUse) -> Result<bool, StoreFailure> {
        Ok(self.used.contains(used))
    }

    fn remember_base_key(&mut self, used: &BaseKeyUse) -> Result<(), StoreFailure> {
        self.used.insert(*used);
        Ok(())
    }

    fn load_sender_key(
        &self,
        of: DeviceAddress,
        distribution: DistributionId,
    ) -> Result<Option<Secret<Vec<u8>>>, StoreFailure> {
        Ok(self.sender_keys.get(&(of, distribution)).cloned())
    }

    fn store_sender_key(
        &mut self,
        of: DeviceAddress,
        distribution: DistributionId,
        record: &Secret<Vec<u8>>,
    ) -> Result<(), StoreFailure> {
        self.sender_keys.insert((of, distribution), record.clone());
        Ok(())
    }
}

/// The target of a pair's sends.
pub fn target_of(recipient: &Member) -> Target {
    Target {
        to: recipient.address,
        registration_id: recipient.registration_id,
        list_version: LIST_VERSION,
        own_list_version: LIST_VERSION,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::{Registration, new_member};
    use crate::frames::{Incoming, scan};

    fn members() -> [(Member, http::Register); 2] {
        let registration = Registration { run: "test".into(), invite: None };
        [0, 1].map(|number| new_member(&registration, number))
    }

    fn conversation(text_len: usize) -> Conversation {
        let [(sender, _), (recipient, registered)] = members();
        let keys = registered.keys;
        let bundle = http::PreKeyBundle {
            device_id: 1,
            registration_id: recipient.registration_id,
            signed_prekey: keys.signed_prekey,
            kyber_prekey: keys.last_resort_kyber,
            one_time_ec: None,
        };
        let bundles = http::PreKeyBundles { list: registered.list, bundles: vec![bundle] };
        Conversation::from_bundles(&bundles, &sender, &recipient, target_of(&recipient), text_len).expect("a session")
    }

    fn sealed(conversation: &mut Conversation, seq: u64) -> pb::DeviceCiphertext {
        let frame = conversation.seal(&ClientMsgId::from_bytes([7; 16]), 0, seq).expect("encrypts");
        let Some(pb::client_frame::Body::SendDirect(mut send)) = frame.body else { panic!("{frame:?}") };
        send.to_recipient.remove(0)
    }

    fn envelope<'a>(sealed: &'a pb::DeviceCiphertext) -> Envelope<'a> {
        let r#type = u32::try_from(sealed.r#type).expect("a type");
        Envelope { entry_id: 1, sender: &[], message_id: 1, r#type, ciphertext: &sealed.ciphertext, group: &[] }
    }

    #[test]
    fn the_opaque_size_is_the_real_one() {
        for text_len in [20, 200, 1000, 5000] {
            let mut conversation = conversation(text_len);
            let lens: Vec<_> = (0..50)
                .map(|seq| {
                    let sealed = sealed(&mut conversation, seq);
                    assert_eq!(conversation.open(&envelope(&sealed)).expect("decrypts"), seq);
                    assert_eq!(sealed.r#type(), pb::CiphertextType::Ratchet);
                    sealed.ciphertext.len()
                })
                .collect();
            let mean = lens.iter().sum::<usize>() / lens.len();
            assert!(
                ciphertext_len(text_len).abs_diff(mean) <= 8,
                "{text_len}: {} but {lens:?}",
                ciphertext_len(text_len)
            );
        }
    }

    #[test]
    fn a_real_message_that_was_touched_is_found() {
        let mut conversation = conversation(200);
        let mut sealed = sealed(&mut conversation, 4);
        let mut bytes = sealed.ciphertext.to_vec();
        bytes[60] ^= 1;
        sealed.ciphertext = bytes.into();
        assert!(conversation.open(&envelope(&sealed)).is_err());
    }

    #[test]
    fn opaque_messages_are_checked_to_the_last_byte() {
        let [_, (recipient, _)] = members();
        let pool = Rc::new(Pool::default());
        let opaque = Opaque::new(&target_of(&recipient), Rc::clone(&pool), 9, 200);
        let message = |seq| [&opaque.header(seq)[..], opaque.filler(seq)].concat();
        let check = |ciphertext: &[u8]| {
            opaque.check(&Envelope { entry_id: 1, sender: &[], message_id: 1, r#type: 1, ciphertext, group: &[] })
        };
        for seq in [0, 1, u64::from(u32::MAX) * 5] {
            let good = message(seq);
            assert_eq!(good.len(), ciphertext_len(200));
            assert_eq!(check(&good).expect("whole"), seq);
            for at in [0, 9, 12, 20, 24, good.len() - 1] {
                let mut bad = good.clone();
                bad[at] ^= 1;
                assert!(check(&bad).is_err(), "byte {at}");
            }
            assert!(check(&good[..good.len() - 1]).is_err());
        }
        assert_ne!(message(1)[24..], message(2)[24..]);
        let other = Opaque::new(&target_of(&recipient), pool, 10, 200);
        assert!(check(&[&other.header(1)[..], other.filler(1)].concat()).is_err());
    }

    #[test]
    fn the_scanner_and_the_check_agree_on_an_envelope() {
        let mut conversation = conversation(200);
        let sealed = sealed(&mut conversation, 77);
        let item = pb::deliver::Item::Envelope(pb::Envelope {
            r#type: sealed.r#type,
            ciphertext: sealed.ciphertext,
            message_id: 5,
            ..Default::default()
        });
        let deliver = pb::Deliver { entry_id: 5, item: Some(item) };
        let frame = pb::ServerFrame { r#ref: 0, body: Some(pb::server_frame::Body::Deliver(deliver)) }.encode_to_vec();
        let Incoming::Envelope(envelope) = scan(&frame).expect("a frame") else { panic!("not an envelope") };
        assert_eq!(conversation.open(&envelope).expect("decrypts"), 77);
    }
}
