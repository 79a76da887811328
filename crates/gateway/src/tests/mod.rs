//! Sessions against a domain over the memory store, on in-memory sockets. Deadlines are moved by calling the sweeper.

mod delivery;
mod groups;
mod hostile;
mod http;
mod lifecycle;
mod presence;

use crate::gateway::Gateway;
use crate::{GatewayConfig, Router};
use bytes::Bytes;
use ed25519_dalek::{Signer as _, SigningKey};
use prost::Message as _;
use sotto_crypto::IdentityKeyPair;
use sotto_domain::{Domain, DomainConfig, DomainParts, Presence};
use sotto_ports::memory::{MemoryEphemeral, MemoryPresence, MemoryStore};
use sotto_ports::{
    Account, CreateAccount, CreateOutcome, DirectoryStore as _, GroupStore, InboxStore as _, ListedDevice, NewDevice,
    PreKeyUpload, Queued, Recovery, SignedDeviceList,
};
use sotto_types::{AccountId, ClientIp, Clock, DeviceAddress, DeviceId, EntryId, ManualClock, SystemClock, Username};
use sotto_wire::pb::{self, client_frame::Body as Client, server_frame::Body as Server};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

pub(super) const LIST_VERSION: u32 = 2;
const DEADLINE: Duration = Duration::from_secs(20);
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub(super) struct World {
    pub(super) store: Arc<MemoryStore>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) domain: Arc<Domain>,
    pub(super) router: Arc<Router>,
    pub(super) gateway: Arc<Gateway>,
    pub(super) presence: Arc<Presence>,
    next_account: AtomicU8,
}

/// Someone with devices 1..=n, all with the same auth key.
pub(super) struct Person {
    pub(super) account: AccountId,
    devices: Vec<ListedDevice>,
    key: SigningKey,
    pub(super) identity: IdentityKeyPair,
}

impl Person {
    pub(super) fn device(&self, index: usize) -> DeviceAddress {
        DeviceAddress::new(self.account, self.devices[index].id)
    }

    fn ciphertexts(&self, text: &[u8], except: Option<DeviceId>) -> Vec<pb::DeviceCiphertext> {
        let devices = self.devices.iter().filter(|device| Some(device.id) != except);
        devices
            .map(|device| pb::DeviceCiphertext {
                device_id: device.id.into(),
                registration_id: device.registration_id,
                r#type: pb::CiphertextType::Ratchet.into(),
                ciphertext: Bytes::copy_from_slice(text),
            })
            .collect()
    }
}

pub(super) fn message_id(number: u64) -> Bytes {
    let mut id = [1; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    Bytes::copy_from_slice(&id)
}

/// A message of `from`'s first device to all of `to`.
pub(super) fn message(from: &Person, to: &Person, number: u64, text: &[u8]) -> pb::SendDirect {
    pb::SendDirect {
        client_msg_id: message_id(number),
        recipient: Bytes::copy_from_slice(to.account.as_bytes()),
        class: pb::EnvelopeClass::Message.into(),
        seen: 0,
        recipient_list_version: LIST_VERSION,
        own_list_version: LIST_VERSION,
        to_recipient: to.ciphertexts(text, None),
        to_self: from.ciphertexts(text, Some(DeviceId::FIRST)),
    }
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut GatewayConfig)) -> Self {
        Self::over(|store| store, change).await
    }

    /// With something between the domain and what the store knows of groups.
    pub(super) async fn over<G: GroupStore + 'static>(
        groups: impl FnOnce(Arc<MemoryStore>) -> Arc<G>,
        change: impl FnOnce(&mut GatewayConfig),
    ) -> Self {
        let router = Router::new();
        let store = Arc::new(MemoryStore::new(router.clone()));
        let clock = Arc::new(ManualClock::new(SystemClock.now()));
        let parts = DomainParts {
            inbox: store.clone(),
            directory: store.clone(),
            people: store.clone(),
            reports: store.clone(),
            groups: groups(store.clone()),
            prekeys: store.clone(),
            meta: store.clone(),
            ephemeral: Arc::new(MemoryEphemeral::new(10_000, 1 << 20)),
            clock: clock.clone(),
            connections: router.clone(),
        };
        let domain = Domain::new(parts, DomainConfig { requests: false, ..DomainConfig::default() }).await.unwrap();
        let mut config = GatewayConfig::default();
        change(&mut config);
        let presence =
            Presence::new(|feed| Arc::new(MemoryPresence::new(feed)), store.clone(), domain.people(), clock.clone());
        let gateway = Gateway::new(domain.clone(), router.clone(), presence.clone(), clock.clone(), config);
        Self { store, clock, domain, router, gateway, presence, next_account: AtomicU8::new(1) }
    }

    pub(super) async fn person(&self, device_count: u32) -> Person {
        let number = self.next_account.fetch_add(1, Ordering::SeqCst);
        let account = AccountId::from_bytes([number; 16]);
        let key = SigningKey::from_bytes(&[number; 32]);
        let identity = IdentityKeyPair::generate(&mut rand::rng());
        let devices: Vec<_> = (1..=device_count)
            .map(|id| ListedDevice {
                id: DeviceId::try_from(id).unwrap(),
                registration_id: 100 + id,
                auth_key: key.verifying_key().to_bytes(),
            })
            .collect();
        let now = SystemClock.now();
        let device = |id| NewDevice { id, encrypted_name: Bytes::new(), keys: PreKeyUpload::default(), now };
        let list = |version, devices: &[ListedDevice]| SignedDeviceList {
            version,
            devices: devices.to_vec(),
            payload: Bytes::from_static(b"payload"),
            signature: Bytes::from_static(b"signature"),
        };
        let create = CreateAccount {
            account: Account {
                id: account,
                username: Username::parse(&format!("user{number}")).unwrap(),
                identity_key: Bytes::copy_from_slice(identity.public().as_bytes()),
                recovery: Recovery { auth_key: [0; 32], backup: Bytes::new() },
                disabled: false,
                created: now,
            },
            list: list(if device_count > 1 { LIST_VERSION - 1 } else { LIST_VERSION }, &devices[..1]),
            device: device(DeviceId::FIRST),
            invite: None,
        };
        assert_eq!(self.store.create_account(create).await.unwrap(), CreateOutcome::Created);
        if device_count > 1 {
            let change = sotto_ports::DeviceChange {
                account,
                expect_version: LIST_VERSION - 1,
                list: list(LIST_VERSION, &devices),
                add: devices[1..].iter().map(|listed| device(listed.id)).collect(),
                rekey: Vec::new(),
                identity: None,
            };
            let changed = self.store.change_devices(change).await.unwrap();
            assert_eq!(changed, sotto_ports::DeviceChangeOutcome::Changed { removed: Vec::new() });
        }
        Person { account, devices, key, identity }
    }

    pub(super) async fn token(&self, person: &Person, index: usize) -> String {
        let of = person.device(index);
        let challenge = self.domain.challenge(of, LOCAL).await.unwrap().challenge;
        let signature = person.key.sign(&[sotto_wire::SIGN_IN_DOMAIN, &challenge].concat());
        self.domain.sign_in(of, &challenge, &signature.to_bytes(), LOCAL).await.unwrap().token
    }

    /// A socket whose buffer has `buffer` bytes, without a Hello.
    pub(super) fn socket(&self, buffer: usize) -> Peer {
        let (ours, theirs) = tokio::io::duplex(buffer);
        let (permit, handle) = self.gateway.admit(ClientIp(LOCAL)).unwrap();
        self.gateway.run(theirs, b"", permit, handle);
        Peer { stream: ours, read: Vec::new() }
    }

    /// Signed in, with its Welcome read.
    pub(super) async fn connect(&self, person: &Person, index: usize) -> Peer {
        self.connect_through(person, index, 1 << 20).await
    }

    pub(super) async fn connect_through(&self, person: &Person, index: usize, buffer: usize) -> Peer {
        let mut peer = self.socket(buffer);
        peer.hello(&self.token(person, index).await).await;
        let welcome = peer.next().await;
        assert!(matches!(welcome, Seen::Frame(_, Server::Welcome(_))), "{welcome:?}");
        peer
    }

    /// What the store has for a device.
    pub(super) async fn inbox(&self, of: DeviceAddress) -> Vec<Queued> {
        self.store.read(of, EntryId::ZERO, usize::MAX, usize::MAX).await.unwrap()
    }

    /// Moves the sweeper so far that everything that waits is over.
    pub(super) fn let_time_pass(&self, time: Duration) {
        for _ in 0..=time.as_secs() + 1 {
            self.gateway.sweep();
        }
    }

    /// Waits until the connections' tasks have ended.
    pub(super) async fn until_connections(&self, count: usize) {
        let gone = async {
            while self.gateway.connection_count() != count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(DEADLINE, gone).await.expect("connections end");
    }
}

/// What a client sees.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Seen {
    Frame(u32, Server),
    Pong(Vec<u8>),
    Close(Option<u16>),
    /// The socket ended.
    End,
}

/// The client's end of a socket.
pub(super) struct Peer<S = DuplexStream> {
    pub(super) stream: S,
    read: Vec<u8>,
}

/// A masked frame.
pub(super) fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [9, 8, 7, 6];
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

pub(super) fn encoded(reference: u32, body: Client) -> Vec<u8> {
    client_frame(0x82, &pb::ClientFrame { r#ref: reference, body: Some(body) }.encode_to_vec())
}

pub(super) fn hello(token: &str) -> Client {
    Client::Hello(pb::Hello {
        access_token: token.into(),
        protocol_version: 1,
        client: "test/1".into(),
        foreground: true,
    })
}

impl<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin> Peer<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, read: Vec::new() }
    }

    pub(super) async fn raw(&mut self, bytes: &[u8]) {
        tokio::time::timeout(DEADLINE, self.stream.write_all(bytes)).await.expect("the server reads").unwrap();
    }

    pub(super) async fn send(&mut self, reference: u32, body: Client) {
        self.raw(&encoded(reference, body)).await;
    }

    pub(super) async fn hello(&mut self, token: &str) {
        self.send(1, hello(token)).await;
    }

    pub(super) async fn ack(&mut self, ids: &[u64]) {
        self.send(0, Client::Ack(pb::Ack { ok: ids.to_vec(), undecryptable: Vec::new() })).await;
    }

    pub(super) async fn next(&mut self) -> Seen {
        tokio::time::timeout(DEADLINE, self.next_unhurried()).await.expect("the server answers")
    }

    async fn next_unhurried(&mut self) -> Seen {
        loop {
            if let Some(seen) = self.parse() {
                return seen;
            }
            let mut more = [0; 8192];
            match self.stream.read(&mut more).await {
                Ok(0) | Err(_) => {
                    assert!(self.read.is_empty(), "the socket ended within a frame");
                    return Seen::End;
                }
                Ok(count) => self.read.extend_from_slice(&more[..count]),
            }
        }
    }

    fn parse(&mut self) -> Option<Seen> {
        let (first, second) = (*self.read.first()?, *self.read.get(1)?);
        assert_eq!(second & 0x80, 0, "a server does not mask");
        let (length, start) = match second {
            126 => (usize::from(u16::from_be_bytes(self.read.get(2..4)?.try_into().unwrap())), 4),
            127 => (u64::from_be_bytes(self.read.get(2..10)?.try_into().unwrap()) as usize, 10),
            short => (usize::from(short), 2),
        };
        let payload = self.read.get(start..start + length)?.to_vec();
        self.read.drain(..start + length);
        Some(match first {
            0x82 => {
                let frame = pb::ServerFrame::decode(&payload[..]).unwrap();
                Seen::Frame(frame.r#ref, frame.body.expect("a known body"))
            }
            0x8a => Seen::Pong(payload),
            0x88 => Seen::Close(payload.first_chunk().map(|code| u16::from_be_bytes(*code))),
            other => panic!("opcode {other:#x}"),
        })
    }

    /// The next `count` deliveries: (entry id, ciphertext). Receipts have no ciphertext.
    pub(super) async fn deliveries(&mut self, count: usize) -> Vec<(u64, Bytes)> {
        let mut found = Vec::new();
        while found.len() < count {
            match self.next().await {
                Seen::Frame(_, Server::Deliver(deliver)) => {
                    let ciphertext = match deliver.item {
                        Some(pb::deliver::Item::Envelope(envelope)) => envelope.ciphertext,
                        _ => Bytes::new(),
                    };
                    found.push((deliver.entry_id, ciphertext));
                }
                Seen::Frame(_, Server::QueueDrained(_) | Server::Accepted(_)) => {}
                other => panic!("instead of a delivery: {other:?}"),
            }
        }
        found
    }

    pub(super) async fn drained(&mut self) {
        assert_eq!(self.next().await, Seen::Frame(0, Server::QueueDrained(pb::QueueDrained {})));
    }

    /// The next `count` answers to sends.
    pub(super) async fn accepted(&mut self, count: usize) -> Vec<pb::Accepted> {
        let mut found = Vec::new();
        while found.len() < count {
            match self.next().await {
                Seen::Frame(_, Server::Accepted(accepted)) => found.push(accepted),
                Seen::Frame(_, Server::QueueDrained(_) | Server::Deliver(_)) => {}
                other => panic!("instead of Accepted: {other:?}"),
            }
        }
        found
    }

    /// Proves that the connection lives and everything before was handled.
    pub(super) async fn heartbeat(&mut self) {
        self.send(77, Client::Heartbeat(pb::Heartbeat { foreground: true })).await;
        loop {
            match self.next().await {
                Seen::Frame(77, Server::HeartbeatAck(_)) => return,
                Seen::Frame(..) => {}
                other => panic!("instead of HeartbeatAck: {other:?}"),
            }
        }
    }

    /// The error that ends the connection and its close code; other frames before it are passed over.
    pub(super) async fn ending(&mut self) -> (Option<pb::Error>, Option<u16>) {
        let mut error = None;
        loop {
            match self.next().await {
                Seen::Frame(_, Server::Error(found)) => error = Some(found),
                Seen::Frame(..) | Seen::Pong(_) => {}
                Seen::Close(code) => return (error, code),
                Seen::End => return (error, None),
            }
        }
    }
}
