//! A domain over memory stores, and people with real keys.

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use rand::rng;
use sotto_crypto::device_list::{self, REGISTRATION_ID_MAX};
use sotto_crypto::prekeys::{DevicePreKeyIds, generate_device_prekeys};
use sotto_crypto::{DeviceAuthKey, EcPreKeyId, IdentityKeyPair, KyberPreKeyId, RecoveryAuthKey, SignedPreKeyId};
use sotto_domain::*;
use sotto_ports::memory::{MemoryEphemeral, MemoryStore};
use sotto_ports::{DirectoryStore, InboxStore, MetaStore, NoFeed};
use sotto_types::{
    AccountId, ClientMsgId, Clock, DeviceAddress, DeviceId, EntryId, ErrorCode, ManualClock, MessageId, Secret,
    Timestamp,
};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

pub const START: Timestamp = Timestamp::from_ms(1_763_000_000_000);
pub const DAY: Duration = Duration::from_secs(86_400);

pub fn ip() -> IpAddr {
    IpAddr::from([203, 0, 113, 7])
}

pub fn dev(id: u32) -> DeviceId {
    DeviceId::try_from(id).unwrap()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    Closed(DeviceAddress, ErrorCode),
    Changed { to: DeviceAddress, account: AccountId, version: u32, low: bool },
    GroupWaits(AccountId),
}

#[derive(Default)]
pub struct Recorder(pub Mutex<Vec<Told>>);

impl Recorder {
    pub fn drain(&self) -> Vec<Told> {
        std::mem::take(&mut *self.0.lock())
    }

    pub fn closed(&self) -> Vec<(DeviceAddress, ErrorCode)> {
        let closed = |told: Told| if let Told::Closed(of, why) = told { Some((of, why)) } else { None };
        self.drain().into_iter().filter_map(closed).collect()
    }
}

impl Connections for Recorder {
    fn close(&self, of: DeviceAddress, why: ErrorCode) {
        self.0.lock().push(Told::Closed(of, why));
    }

    fn account_changed(&self, to: DeviceAddress, account: AccountId, version: u32, low: bool) {
        self.0.lock().push(Told::Changed { to, account, version, low });
    }

    fn group_waits(&self, to: AccountId) {
        self.0.lock().push(Told::GroupWaits(to));
    }
}

/// The same meta store, as if restored so many times.
pub struct Generation(pub Arc<MemoryStore>, pub u32);

#[async_trait]
impl MetaStore for Generation {
    async fn generation(&self) -> Result<u32, StoreError> {
        Ok(self.1)
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        MetaStore::get(&*self.0, key).await
    }

    async fn put(&self, key: &str, value: Bytes) -> Result<(), StoreError> {
        self.0.put(key, value).await
    }

    async fn put_new(&self, key: &str, value: Bytes) -> Result<Bytes, StoreError> {
        self.0.put_new(key, value).await
    }
}

pub struct Bed {
    pub domain: Arc<Domain>,
    pub parts: DomainParts,
    pub clock: Arc<ManualClock>,
    pub store: Arc<MemoryStore>,
    pub connections: Arc<Recorder>,
}

pub fn open() -> DomainConfig {
    DomainConfig { registration: RegistrationPolicy::Open, requests: false, ..DomainConfig::default() }
}

impl Bed {
    pub async fn new() -> Self {
        Self::with(open()).await
    }

    pub async fn with(config: DomainConfig) -> Self {
        Self::over(Arc::new(MemoryStore::new(Arc::new(NoFeed))), 1, config).await
    }

    pub async fn over(store: Arc<MemoryStore>, generation: u32, config: DomainConfig) -> Self {
        let clock = Arc::new(ManualClock::new(START));
        let connections = Arc::new(Recorder::default());
        let parts = DomainParts {
            inbox: store.clone(),
            directory: store.clone(),
            people: store.clone(),
            reports: store.clone(),
            groups: store.clone(),
            prekeys: store.clone(),
            meta: Arc::new(Generation(store.clone(), generation)),
            ephemeral: Arc::new(MemoryEphemeral::new(10_000, 10_000_000)),
            clock: clock.clone(),
            connections: connections.clone(),
        };
        let domain = Domain::new(parts.clone(), config).await.unwrap();
        Self { domain, parts, clock, store, connections }
    }

    /// What a restore of a backup taken before anything happened leaves: the secrets, nothing else.
    pub async fn restored_empty(&self) -> Self {
        let store = Arc::new(MemoryStore::new(Arc::new(NoFeed)));
        let secret = MetaStore::get(&*self.store, "server-secret").await.unwrap().unwrap();
        store.put("server-secret", secret).await.unwrap();
        Self::over(store, 2, open()).await
    }

    pub async fn register(&self, name: &str) -> Person {
        let person = Person::new(name);
        self.domain.register(person.registration(), ip()).await.unwrap();
        person
    }

    pub async fn token(&self, person: &Person, device: usize) -> Result<AccessToken, Refusal> {
        let address = person.address(device);
        let challenge = self.domain.challenge(address, ip()).await?.challenge;
        let signature = person.devices[device].auth.sign(&challenge);
        self.domain.sign_in(address, &challenge, &signature, ip()).await
    }

    pub async fn sign_in(&self, person: &Person, device: usize) -> SignedIn {
        let token = self.token(person, device).await.unwrap();
        self.domain.authenticate(&token.token).await.unwrap()
    }

    /// Links a new device through a sibling, all the way.
    pub async fn link(&self, person: &mut Person) -> SignedIn {
        self.link_over(person, 0).await
    }

    /// The same through the device at this place; those before it are gone.
    pub async fn link_over(&self, person: &mut Person, through: usize) -> SignedIn {
        let who = self.sign_in(person, through).await;
        let code = self.domain.make_link_code(&who).await.unwrap();
        person.devices.push(TestDevice::new(code.device));
        person.version += 1;
        let list = person.list_of(person.version, &person.devices[through..].iter().collect::<Vec<_>>());
        let add = AddDevice { list, ..person.addition(person.devices.len() - 1, code.link_code) };
        self.domain.add_device(add, ip()).await.unwrap();
        self.sign_in(person, person.devices.len() - 1).await
    }

    pub async fn send(&self, from: DeviceAddress, send: DirectSend) -> Result<Committed, SendRefused> {
        self.domain.send_direct(from, send).await
    }

    pub async fn inbox(&self, of: DeviceAddress) -> Vec<Queued> {
        self.domain.read_inbox(of, EntryId::ZERO, 1000, usize::MAX).await.unwrap()
    }

    /// Unlinks every device but the first, and gives the account another identity key.
    pub async fn replace_identity(&self, person: &mut Person) {
        let who = self.sign_in(person, 0).await;
        let identity = IdentityKeyPair::generate(&mut rng());
        let challenge = self.domain.recovery_challenge(&person.name, ip()).await.unwrap().challenge;
        person.version += 1;
        person.devices.truncate(1);
        let replace = ReplaceIdentity {
            recovery_signature: person.recovery.sign(&challenge).to_vec(),
            challenge,
            list: sign(&identity, person.account, person.version, &[&person.devices[0]]),
            keys: keys_of(&identity, 100, 3),
            encrypted_name: Bytes::from_static(b"new name"),
            recovery: person.recovery_keys(),
        };
        self.domain.replace_identity(&who, replace).await.unwrap();
        person.identity = identity;
    }

    /// Unlinks the second device through the first.
    pub async fn unlink_second(&self, person: &mut Person) {
        let who = self.sign_in(person, 0).await;
        self.domain.remove_device(&who, person.devices[1].id, person.list_without(1)).await.unwrap();
        person.version += 1;
        person.devices.remove(1);
    }

    pub async fn version_of(&self, person: &Person) -> u32 {
        self.store.signed_list(person.account).await.unwrap().unwrap().version
    }

    pub async fn depth(&self, of: DeviceAddress) -> usize {
        self.store.depth(of, 1000).await.unwrap()
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

pub struct TestDevice {
    pub id: DeviceId,
    pub registration_id: u32,
    pub auth: DeviceAuthKey,
}

impl TestDevice {
    pub fn new(id: DeviceId) -> Self {
        let registration_id = rand::random_range(1..=REGISTRATION_ID_MAX);
        Self { id, registration_id, auth: DeviceAuthKey::generate(&mut rng()) }
    }

    fn listed(&self) -> device_list::ListedDevice {
        device_list::ListedDevice { id: self.id, registration_id: self.registration_id, auth_key: self.auth.public() }
    }
}

pub struct Person {
    pub account: AccountId,
    pub name: String,
    pub identity: IdentityKeyPair,
    pub version: u32,
    pub devices: Vec<TestDevice>,
    pub recovery: RecoveryAuthKey,
}

impl Person {
    pub fn new(name: &str) -> Self {
        Self {
            account: AccountId::from_bytes(rand::random()),
            name: name.into(),
            identity: IdentityKeyPair::generate(&mut rng()),
            version: 1,
            devices: vec![TestDevice::new(DeviceId::FIRST)],
            recovery: RecoveryAuthKey::from_seed(&Secret::new(rand::random())),
        }
    }

    pub fn address(&self, device: usize) -> DeviceAddress {
        DeviceAddress::new(self.account, self.devices[device].id)
    }

    /// The current list, signed.
    pub fn list(&self) -> ListBytes {
        self.list_of(self.version, &self.devices.iter().collect::<Vec<_>>())
    }

    pub fn list_of(&self, version: u32, devices: &[&TestDevice]) -> ListBytes {
        sign(&self.identity, self.account, version, devices)
    }

    /// The next list, without this device.
    pub fn list_without(&self, device: usize) -> ListBytes {
        let kept: Vec<_> = self.devices.iter().enumerate().filter(|(at, _)| *at != device).map(|(_, d)| d).collect();
        self.list_of(self.version + 1, &kept)
    }

    pub fn keys(&self) -> DeviceKeys {
        keys_of(&self.identity, 1, 3)
    }

    pub fn recovery_keys(&self) -> Recovery {
        Recovery { auth_key: *self.recovery.public().as_bytes(), backup: Bytes::from_static(b"sealed") }
    }

    pub fn registration(&self) -> Register {
        Register {
            account: self.account,
            username: self.name.clone(),
            invite: None,
            receipt: None,
            device: self.devices[0].id,
            list: self.list(),
            keys: self.keys(),
            recovery: self.recovery_keys(),
            encrypted_name: Bytes::from_static(b"name"),
        }
    }

    pub fn addition(&self, device: usize, link_code: String) -> AddDevice {
        AddDevice {
            account: self.account,
            link_code,
            device: self.devices[device].id,
            list: self.list(),
            keys: self.keys(),
            encrypted_name: Bytes::from_static(b"name"),
        }
    }

    pub fn ciphertexts(&self, except: Option<DeviceId>) -> Vec<DirectCiphertext> {
        let others = self.devices.iter().filter(|device| Some(device.id) != except);
        others
            .map(|device| DirectCiphertext {
                device: device.id,
                registration_id: device.registration_id,
                ciphertext_type: CiphertextType::Ratchet,
                ciphertext: Bytes::copy_from_slice(format!("to {}", device.id).as_bytes()),
            })
            .collect()
    }

    /// A message that fits what the sender knows of both lists.
    pub fn message(&self, device: usize, to: &Person) -> DirectSend {
        let to_other = to.account != self.account;
        DirectSend {
            client_msg_id: ClientMsgId::from_uuid(uuid::Uuid::now_v7()),
            recipient: to.account,
            class: EnvelopeClass::Message,
            seen: MessageId::ZERO,
            recipient_list_version: to.version,
            own_list_version: self.version,
            to_recipient: if to_other { to.ciphertexts(None) } else { Vec::new() },
            to_self: self.ciphertexts(Some(self.devices[device].id)),
        }
    }
}

pub fn sign(identity: &IdentityKeyPair, account: AccountId, version: u32, devices: &[&TestDevice]) -> ListBytes {
    let mut listed: Vec<_> = devices.iter().map(|device| device.listed()).collect();
    listed.sort_by_key(|device| device.id);
    let signed = device_list::sign_device_list(identity, account, version, &listed, &mut rng()).unwrap();
    ListBytes { payload: signed.payload, signature: signed.signature }
}

pub fn keys_of(identity: &IdentityKeyPair, first: u32, count: u32) -> DeviceKeys {
    let ids = DevicePreKeyIds {
        signed: SignedPreKeyId(first),
        last_resort: KyberPreKeyId(first),
        first_one_time_ec: EcPreKeyId(first),
        first_one_time_kyber: KyberPreKeyId(first + 1),
        one_time_count: count,
    };
    let keys = generate_device_prekeys(identity, ids, START, &mut rng()).public();
    let signed = |id, public_key: Vec<u8>, signature: Vec<u8>| StoredSignedPreKey {
        id,
        public_key: public_key.into(),
        signature: signature.into(),
    };
    let (ec, last) = (keys.signed_prekey, keys.last_resort_kyber);
    DeviceKeys {
        signed: signed(ec.id, ec.public_key.0, ec.signature.0),
        last_resort: signed(last.id, last.public_key.0, last.signature.0),
        one_time_ec: keys
            .one_time_ec
            .into_iter()
            .map(|key| StoredEcPreKey { id: key.id, public_key: key.public_key.0.into() })
            .collect(),
        one_time_kyber: keys
            .one_time_kyber
            .into_iter()
            .map(|key| signed(key.id, key.public_key.0, key.signature.0))
            .collect(),
    }
}

/// The code of a refusal.
pub fn code<T: std::fmt::Debug>(result: Result<T, Refusal>) -> ErrorCode {
    result.unwrap_err().code
}

pub fn send_code(result: Result<Committed, SendRefused>) -> ErrorCode {
    match result {
        Err(SendRefused::Refused(refusal)) => refusal.code,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// The versions of the lists of a mismatch.
pub fn mismatch(result: Result<Committed, SendRefused>) -> Vec<u32> {
    match result {
        Err(SendRefused::DeviceMismatch(lists)) => lists.iter().map(|list| list.version).collect(),
        other => panic!("expected a device mismatch, got {other:?}"),
    }
}
