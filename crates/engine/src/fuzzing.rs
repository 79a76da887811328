//! Entries for fuzz targets: a device in the middle of its life, and a script of what the outside may say to it. Nothing panics,
//! no step looks like failed storage (the entry that caused it would be delivered, and fail, for ever), and whatever was stored
//! can be shown afterwards.
//! Script: what (1 byte), how (1 byte), length (2 bytes, big endian), so many bytes; then the next. `What` says what they mean.

use crate::api::HistoryPlace;
use crate::api::{
    Command, CommandId, CopyDetails, Effect, ErrorKind, HttpAnswer, HttpFailure, Input, Reply, RequestId,
};
use crate::connection::Phase;
use crate::core::{Core, Cx};
use crate::inbox::{self, Meta};
use crate::profile::Own;
use crate::{EngineConfig, outbox, register};
use bytes::Bytes;
use prost::Message as _;
use rand::SeedableRng;
use rand::rngs::StdRng;
use sotto_crypto::device_list::{generate_registration_id, sign_device_list};
use sotto_crypto::{DeviceAuthKey, IdentityKeyPair, ListedDevice};
use sotto_engine_store::{Contact, Store, StoreError};
use sotto_types::{AccountId, DeviceAddress, DeviceId, MessageId, Secret, Timestamp, Username};
use sotto_wire::pb;
use std::collections::VecDeque;
use std::time::Duration;

const START: Timestamp = Timestamp::from_ms(1_763_000_000_000);
const ITEMS_MAX: usize = 64;
const STATUSES: [u16; 8] = [200, 400, 401, 403, 404, 409, 429, 503];

/// Account of the device, and of somebody it writes with.
pub const OWN: AccountId = AccountId::from_bytes([0xa1; 16]);
pub const PEER: AccountId = AccountId::from_bytes([0xb2; 16]);

/// First byte of an item of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum What {
    /// `pb::Content` as decrypted from the own other device; `how`: envelope class, and which message id.
    FromOwn,
    /// The same from the peer.
    FromPeer,
    /// A `pb::ServerFrame`.
    Frame,
    /// The body of the answer to the oldest request that waits; `how`: its status, or that there is none.
    Answer,
    /// A `Command` as JSON.
    Command,
    /// So many seconds pass, four bytes; `how`: the connection broke before.
    Time,
}

impl What {
    fn of(byte: u8) -> Self {
        match byte % 6 {
            0 => Self::FromOwn,
            1 => Self::FromPeer,
            2 => Self::Frame,
            3 => Self::Answer,
            4 => Self::Command,
            _ => Self::Time,
        }
    }
}

/// One item of a script, for seeds and tests.
pub fn item(what: What, how: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("seeds are short");
    [&[what as u8, how], &length.to_be_bytes()[..], bytes].concat()
}

/// A registered device with a sibling, a contact and some messages, to be copied for each script.
#[derive(Debug)]
pub struct Device {
    template: Store,
}

impl Default for Device {
    fn default() -> Self {
        Self::new()
    }
}

impl Device {
    pub fn new() -> Self {
        let mut template = Store::memory().expect("memory opens");
        let mut core = template.transaction(|tx| Core::load(tx, config(), rng())).expect("an empty store loads");
        template.transaction(|tx| begin(&mut Cx::new(tx, &mut core, START))).expect("a device is made");
        Self { template }
    }

    /// What a device looks like after the script: its conversations, as replies. Panics if a promise is broken.
    pub fn run(&self, script: &[u8]) -> Vec<Reply> {
        let store = self.template.copy().expect("a store in memory copies");
        let mut life = Life::new(store);
        let mut rest = script;
        for _ in 0..ITEMS_MAX {
            let Some(([what, how, high, low], bytes)) = rest.split_first_chunk::<4>() else { break };
            let length = usize::from(u16::from_be_bytes([*high, *low])).min(bytes.len());
            let (bytes, after) = bytes.split_at(length);
            rest = after;
            life.happen(What::of(*what), *how, bytes);
        }
        life.look()
    }
}

fn config() -> EngineConfig {
    EngineConfig { client: "fuzz".into(), online: true, one_time_prekeys: 1, accept_requests: false }
}

fn rng() -> StdRng {
    StdRng::from_seed([7; 32])
}

fn entry(id: u32, auth: &DeviceAuthKey, rng: &mut StdRng) -> ListedDevice {
    let id = DeviceId::try_from(id).expect("1 to 127");
    ListedDevice { id, registration_id: generate_registration_id(rng), auth_key: auth.public() }
}

fn begin(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    let mut rng = rng();
    let [identity, other] = [(); 2].map(|()| IdentityKeyPair::generate(&mut rng));
    let auth = DeviceAuthKey::generate(&mut rng);
    let first = entry(1, &auth, &mut rng);
    let own = Own {
        address: DeviceAddress::new(OWN, DeviceId::FIRST),
        username: Username::parse("ann").expect("a good name"),
        server: "https://chat.example.org".into(),
        registration_id: first.registration_id,
        identity,
        auth,
        profile_key: Secret::new([7; 32]),
        receipt: "receipt".into(),
        device_name: "first".into(),
        generation: 1,
    };
    let listed = [first, entry(2, &own.auth, &mut rng)];
    let list = sign_device_list(&own.identity, OWN, 2, &listed, &mut rng).expect("a good list");
    register::begin_profile(cx, own, list)?;
    let theirs = DeviceAuthKey::generate(&mut rng);
    let list = sign_device_list(&other, PEER, 1, &[entry(1, &theirs, &mut rng)], &mut rng).expect("a good list");
    cx.tx.put_contact(&Contact {
        username: Some("bob".into()),
        identity_key: Some(other.public().as_bytes().to_vec()),
        list_version: 1,
        list: Some((list.payload.to_vec(), list.signature.to_vec())),
        stale: false,
        listed: true,
        ..Contact::new(PEER)
    })
}

struct Life {
    store: Store,
    core: Core,
    now: Timestamp,
    requests: VecDeque<RequestId>,
    next_command: u64,
}

impl Life {
    fn new(mut store: Store) -> Self {
        let mut core = store.transaction(|tx| Core::load(tx, config(), rng())).expect("it loads");
        core.link.set_token("token".into(), Duration::from_secs(900), START);
        core.link.phase = Phase::Opening { until: START.plus(Duration::from_secs(30)) };
        let mut life = Self { store, core, now: START, requests: VecDeque::new(), next_command: 1 };
        life.input(Input::TransportOpened);
        life.frame(pb::server_frame::Body::Welcome(pb::Welcome {
            device_list_version: 2,
            server_time_ms: START.as_ms(),
            generation: 1,
            // Enough: making keys takes longer than all the rest.
            one_time_ec_left: 100,
            one_time_kyber_left: 100,
            ..pb::Welcome::default()
        }));
        life
    }

    fn frame(&mut self, body: pb::server_frame::Body) {
        let frame = pb::ServerFrame { r#ref: 0, body: Some(body) };
        self.input(Input::Frame(frame.encode_to_vec().into()));
    }

    fn happen(&mut self, what: What, how: u8, bytes: &[u8]) {
        match what {
            What::FromOwn => self.content(DeviceAddress::new(OWN, DeviceId::try_from(2).expect("2")), how, bytes),
            What::FromPeer => self.content(DeviceAddress::new(PEER, DeviceId::FIRST), how, bytes),
            What::Frame => drop(self.input(Input::Frame(Bytes::copy_from_slice(bytes)))),
            What::Answer => {
                let Some(request) = self.requests.pop_front() else { return };
                let outcome = match STATUSES.get(usize::from(how % 16)) {
                    Some(status) => Ok(HttpAnswer { status: *status, body: bytes.to_vec() }),
                    None => Err(HttpFailure::Timeout),
                };
                drop(self.input(Input::HttpAnswer { request, outcome }));
            }
            What::Command => {
                if let Ok(command) = serde_json::from_slice(bytes) {
                    self.command(command);
                }
            }
            What::Time => {
                let seconds = u32::from_be_bytes(bytes.first_chunk().copied().unwrap_or_default());
                self.now = self.now.plus(Duration::from_secs(u64::from(seconds % 5_000_000)));
                if how & 1 == 1 {
                    self.input(Input::TransportClosed { reason: "fuzz".into() });
                    self.input(Input::NetworkUp);
                }
                self.input(Input::Wake);
                self.input(Input::TransportOpened);
            }
        }
    }

    fn content(&mut self, from: DeviceAddress, how: u8, bytes: &[u8]) {
        let Ok(content) = pb::Content::decode(bytes) else { return };
        let class = match how % 3 {
            0 => outbox::MESSAGE,
            1 => outbox::CONTROL,
            _ => outbox::RESEND,
        };
        let message_id = MessageId::new(1000 + u64::from(how / 3));
        let copy = CopyDetails {
            account: from.account,
            device: from.device,
            protocol: "ratchet".into(),
            ciphertext_bytes: 1,
            counter: 1,
            previous_counter: None,
            ratchet_key: None,
            ciphertext: None,
        };
        let meta = Meta {
            from,
            message_id,
            server_time: self.now,
            class,
            note: None,
            copy,
            ciphertext: Bytes::from_static(b"c"),
            began_session: false,
            unlisted: false,
        };
        self.step(|cx| inbox::on_content(cx, &meta, content));
    }

    fn input(&mut self, input: Input) -> Vec<Effect> {
        self.core.arrive(std::slice::from_ref(&input));
        self.step(|cx| cx.on_input(input))
    }

    fn step(&mut self, work: impl FnOnce(&mut Cx<'_, '_>) -> Result<(), StoreError>) -> Vec<Effect> {
        let Self { store, core, now, .. } = self;
        let effects = store
            .transaction(|tx| {
                let mut cx = Cx::new(tx, core, *now);
                work(&mut cx)?;
                cx.settle()?;
                Ok::<_, StoreError>(cx.into_effects())
            })
            .expect("what comes from outside does not make storage fail");
        self.requests.extend(effects.iter().filter_map(|effect| match effect {
            Effect::Http(request) => Some(request.request),
            _ => None,
        }));
        effects
    }

    fn command(&mut self, command: Command) -> Option<Reply> {
        let id = CommandId(self.next_command);
        self.next_command += 1;
        let effects = self.input(Input::Command { id, command });
        effects.into_iter().find_map(|effect| match effect {
            Effect::Reply { command, result } if command == id => match result {
                Ok(reply) => Some(reply),
                Err(error) => {
                    assert!(!matches!(error.kind, ErrorKind::Storage), "{error}");
                    None
                }
            },
            _ => None,
        })
    }

    /// Everything that a person can look at, after a restart.
    fn look(mut self) -> Vec<Reply> {
        self.core = self.store.transaction(|tx| Core::load(tx, config(), rng())).expect("what was stored loads");
        if self.core.own.is_none() {
            return Vec::new();
        }
        let ask = |life: &mut Self, command| life.command(command).expect("local questions have answers");
        let mut seen = vec![ask(&mut self, Command::Conversations)];
        let Some(Reply::Conversations { conversations }) = seen.first().cloned() else { unreachable!("just asked") };
        for conversation in conversations {
            let conversation = conversation.conversation;
            seen.push(ask(&mut self, Command::History { conversation, at: HistoryPlace::Newest, limit: 1000 }));
        }
        seen.push(ask(&mut self, Command::Contacts));
        seen.push(ask(&mut self, Command::Search { query: "a".into(), conversation: None, limit: 50 }));
        seen.push(ask(&mut self, Command::Status));
        seen.push(ask(&mut self, Command::Export { next: None }));
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::MessageBody;

    fn texts(replies: &[Reply]) -> Vec<String> {
        let of = |reply: &Reply| match reply {
            Reply::Messages { messages, .. } => messages.clone(),
            _ => Vec::new(),
        };
        replies
            .iter()
            .flat_map(of)
            .filter_map(|message| if let MessageBody::Text { body, .. } = message.body { Some(body) } else { None })
            .collect()
    }

    fn text(name: u8, body: &str) -> pb::Content {
        pb::Content {
            name: vec![name; 16].into(),
            sent_at_ms: START.as_ms(),
            body: Some(pb::content::Body::Text(pb::Text { body: body.into(), ..pb::Text::default() })),
            ..pb::Content::default()
        }
    }

    #[test]
    fn a_script_reaches_the_device() {
        let history = pb::HistoryChunk {
            messages: vec![pb::HistoryMessage {
                peer: PEER.as_bytes().to_vec().into(),
                sender_account: PEER.as_bytes().to_vec().into(),
                sender_device: 1,
                message_id: 900,
                server_time_ms: 5,
                content: Some(text(3, "from the history")),
                ..pb::HistoryMessage::default()
            }],
            count: 1,
            ..pb::HistoryChunk::default()
        };
        let history = pb::Content { body: Some(pb::content::Body::HistoryChunk(history)), ..pb::Content::default() };
        let command = Command::SendText {
            to: crate::api::Who::Account(PEER),
            body: "own".into(),
            name: None,
            mentions: Vec::new(),
            reply_to: None,
            preview: None,
        };
        let script = [
            item(What::FromPeer, 0, &text(1, "received").encode_to_vec()),
            item(What::FromOwn, 1, &history.encode_to_vec()),
            item(What::Command, 0, &serde_json::to_vec(&command).unwrap()),
            item(What::Time, 1, &60u32.to_be_bytes()),
        ]
        .concat();
        let seen = Device::new().run(&script);
        assert_eq!(texts(&seen), ["from the history", "received", "own"]);
    }

    #[test]
    fn a_script_may_end_anywhere() {
        let device = Device::new();
        let script = item(What::FromPeer, 0, &text(1, "received").encode_to_vec());
        for end in 0..script.len() {
            assert!(texts(&device.run(&script[..end])).len() <= 1);
        }
    }
}
