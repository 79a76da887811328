//! Devices that talk to each other through memory, for the tests here, the fuzz targets and the interop program.
#![allow(dead_code)] // Each of them uses a part.

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use sotto_crypto::prekeys::{DevicePreKeyIds, DevicePreKeys, generate_device_prekeys};
use sotto_crypto::session::{self, DecryptError, Decrypted, SealedMessage};
use sotto_crypto::{
    DeviceAuthKey, EcPreKeyId, IdentityKeyPair, KyberPreKeyId, ListedDevice, MemoryStore, ProtocolStore,
    SignedPreKeyId, VerifiedDeviceList, device_list,
};
use sotto_types::{AccountId, DeviceAddress, DeviceId, Timestamp};
use sotto_wire::{http, pb};

pub const NOW: Timestamp = Timestamp::from_ms(1_763_000_000_000);

pub fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

pub fn address(account: u8, device: u32) -> DeviceAddress {
    DeviceAddress::new(AccountId::from_bytes([account; 16]), DeviceId::try_from(device).expect("1 to 127"))
}

/// One device with its store, its published keys and its account's list.
#[derive(Clone)]
pub struct Device {
    pub address: DeviceAddress,
    pub identity: IdentityKeyPair,
    pub store: MemoryStore,
    pub keys: DevicePreKeys,
    pub list: VerifiedDeviceList,
}

impl Device {
    /// An account of one device, with `one_time_count` one-time keys of each kind.
    pub fn new(account: u8, one_time_count: u32, rng: &mut ChaCha20Rng) -> Self {
        let identity = IdentityKeyPair::generate(rng);
        Self::account(account, &[1], &identity, one_time_count, rng).remove(0)
    }

    /// An account of several devices.
    pub fn account(
        account: u8,
        devices: &[u32],
        identity: &IdentityKeyPair,
        one_time_count: u32,
        rng: &mut ChaCha20Rng,
    ) -> Vec<Self> {
        let listed: Vec<ListedDevice> = devices
            .iter()
            .map(|id| ListedDevice {
                id: DeviceId::try_from(*id).expect("1 to 127"),
                registration_id: device_list::generate_registration_id(rng),
                auth_key: DeviceAuthKey::generate(rng).public(),
            })
            .collect();
        let id = AccountId::from_bytes([account; 16]);
        let signed = device_list::sign_device_list(identity, id, 1, &listed, rng).expect("a good list");
        let list = device_list::verify_device_list(&signed.payload, &signed.signature).expect("our own list");
        listed
            .iter()
            .map(|device| {
                let address = DeviceAddress::new(id, device.id);
                let ids = DevicePreKeyIds {
                    signed: SignedPreKeyId(1),
                    last_resort: KyberPreKeyId(1),
                    first_one_time_ec: EcPreKeyId(1),
                    first_one_time_kyber: KyberPreKeyId(2),
                    one_time_count,
                };
                let keys = generate_device_prekeys(identity, ids, NOW, rng);
                let mut store = MemoryStore::new(address, identity.clone(), device.registration_id);
                store.add_prekeys(&keys);
                Self { address, identity: identity.clone(), store, keys, list: list.clone() }
            })
            .collect()
    }

    /// What the server would hand out: the `nth` one-time keys, or the last resort once they are out.
    pub fn bundle(&self, nth: usize) -> http::PreKeyBundle {
        let kyber = self.keys.one_time_kyber.get(nth).unwrap_or(&self.keys.last_resort);
        http::PreKeyBundle {
            device_id: self.address.device.into(),
            registration_id: self.store.own_registration_id().expect("a memory store"),
            signed_prekey: self.keys.signed.public.clone(),
            kyber_prekey: kyber.public.clone(),
            one_time_ec: self.keys.one_time_ec.get(nth).map(|key| key.public.clone()),
        }
    }

    /// Trusts the other account's identity key.
    pub fn trust(&mut self, other: &Self) {
        self.store.trust(other.address.account, other.identity.public());
    }

    /// Starts a session with the `nth` bundle of the other device.
    pub fn start(&mut self, other: &Self, nth: usize, rng: &mut ChaCha20Rng) {
        session::start_session(&mut self.store, other.address, &other.bundle(nth), &other.list, NOW, rng)
            .expect("the bundle is good");
    }

    pub fn encrypt(&mut self, to: DeviceAddress, text: &str, rng: &mut ChaCha20Rng) -> SealedMessage {
        session::encrypt(&mut self.store, to, text_content(text), NOW, rng).expect("there is a session")
    }

    pub fn decrypt(
        &mut self,
        from: DeviceAddress,
        message: &SealedMessage,
        rng: &mut ChaCha20Rng,
    ) -> Result<Decrypted, DecryptError> {
        session::decrypt(&mut self.store, from, message.kind, &message.ciphertext, rng)
    }

    /// Decrypts what must decrypt, and returns its text.
    pub fn read(&mut self, from: DeviceAddress, message: &SealedMessage, rng: &mut ChaCha20Rng) -> String {
        text_of(&self.decrypt(from, message, rng).expect("it decrypts").content)
    }
}

/// Two accounts of one device each that trust each other, without a session.
pub fn strangers(seed: u64) -> (Device, Device, ChaCha20Rng) {
    let mut rng = rng(seed);
    let mut ann = Device::new(0xa1, 4, &mut rng);
    let mut bob = Device::new(0xb2, 4, &mut rng);
    ann.trust(&bob);
    bob.trust(&ann);
    (ann, bob, rng)
}

/// The same with a session in which both have spoken.
pub fn friends(seed: u64) -> (Device, Device, ChaCha20Rng) {
    let (mut ann, mut bob, mut rng) = strangers(seed);
    ann.start(&bob, 0, &mut rng);
    let first = ann.encrypt(bob.address, "hello", &mut rng);
    assert_eq!(bob.read(ann.address, &first, &mut rng), "hello");
    let answer = bob.encrypt(ann.address, "hello yourself", &mut rng);
    assert_eq!(ann.read(bob.address, &answer, &mut rng), "hello yourself");
    (ann, bob, rng)
}

pub fn text_content(text: &str) -> pb::Content {
    pb::Content {
        name: vec![7; 16].into(),
        sent_at_ms: NOW.as_ms(),
        body: Some(pb::content::Body::Text(pb::Text { body: text.to_owned(), ..pb::Text::default() })),
        ..Default::default()
    }
}

pub fn text_of(content: &pb::Content) -> String {
    match &content.body {
        Some(pb::content::Body::Text(text)) => text.body.clone(),
        other => panic!("not a text: {other:?}"),
    }
}
