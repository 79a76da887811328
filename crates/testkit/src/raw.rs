//! A device that speaks the wire itself: real keys, real sign-in, and then exactly the requests and frames a test wants,
//! well-formed or not. Ciphertexts are opaque bytes; nothing here decrypts.
//! Flow: `RawApi::register` -> `RawDevice` -> `token` -> `RawApi::connect` + `RawSocket::hello` -> frames.
//! Elsewhere: real conversations are `TestClient`'s and `TestCli`'s.

use crate::wait::{DEADLINE, within};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use prost::Message as _;
use rand_chacha::ChaCha20Rng;
use reqwest::Method;
use sotto_crypto::device_list::{generate_registration_id, sign_device_list};
use sotto_crypto::prekeys::{DevicePreKeyIds, generate_device_prekeys};
use sotto_crypto::{DeviceAuthKey, EcPreKeyId, IdentityKeyPair, KyberPreKeyId, ListedDevice, RecoveryAuthKey};
use sotto_crypto::{SignedDeviceList, SignedPreKeyId};
use sotto_types::{AccountId, Clock, DeviceAddress, DeviceId, ErrorCode, Secret, SystemClock};
use sotto_wire::pb::{self, client_frame, server_frame};
use sotto_wire::{PROTOCOL_VERSION, decode_server_frame, http};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use uuid::Uuid;

/// rustls wants one provider chosen per process before anybody makes a client.
pub fn choose_tls_provider() {
    // An error means that it is chosen already.
    rustls::crypto::ring::default_provider().install_default().ok();
}

/// A device and everything needed to be it.
#[derive(Debug, Clone)]
pub struct RawDevice {
    pub address: DeviceAddress,
    pub username: String,
    pub registration_id: u32,
    pub list_version: u32,
    pub identity: IdentityKeyPair,
    pub auth: DeviceAuthKey,
    pub recovery: RecoveryAuthKey,
    /// The list of the account as this device last signed or learned it.
    pub devices: Vec<ListedDevice>,
}

impl RawDevice {
    /// A new account's first device, not registered anywhere yet.
    pub fn new(username: &str, rng: &mut ChaCha20Rng) -> Self {
        let account = AccountId::try_from(&Uuid::new_v4().as_bytes()[..]).expect("16 bytes, not zero");
        let auth = DeviceAuthKey::generate(rng);
        let device = DeviceId::try_from(1).expect("1 is a device id");
        let registration_id = generate_registration_id(rng);
        let listed = ListedDevice { id: device, registration_id, auth_key: auth.public() };
        Self {
            address: DeviceAddress::new(account, device),
            username: username.to_owned(),
            registration_id,
            list_version: 1,
            identity: IdentityKeyPair::generate(rng),
            recovery: RecoveryAuthKey::from_seed(&DeviceAuthKey::generate(rng).seed()),
            auth,
            devices: vec![listed],
        }
    }

    /// Another device of the same account, with the list it makes: for `add_device`.
    pub fn sibling(&self, id: u32, rng: &mut ChaCha20Rng) -> Self {
        let mut sibling = self.clone();
        sibling.address.device = DeviceId::try_from(id).expect("a device id");
        sibling.auth = DeviceAuthKey::generate(rng);
        sibling.registration_id = generate_registration_id(rng);
        let listed = ListedDevice {
            id: sibling.address.device,
            registration_id: sibling.registration_id,
            auth_key: sibling.auth.public(),
        };
        sibling.devices.retain(|device| device.id != listed.id);
        sibling.devices.push(listed);
        sibling.devices.sort_by_key(|device| device.id);
        sibling.list_version += 1;
        sibling
    }

    pub fn signed_list(&self, rng: &mut ChaCha20Rng) -> SignedDeviceList {
        sign_device_list(&self.identity, self.address.account, self.list_version, &self.devices, rng).expect("a list")
    }

    /// Fresh prekeys, `one_time` of each kind, with ids from `first` on.
    pub fn keys(&self, first: u32, one_time: u32, rng: &mut ChaCha20Rng) -> http::DeviceKeys {
        let ids = DevicePreKeyIds {
            signed: SignedPreKeyId(first),
            last_resort: KyberPreKeyId(first),
            first_one_time_ec: EcPreKeyId(first),
            first_one_time_kyber: KyberPreKeyId(first + 1),
            one_time_count: one_time,
        };
        generate_device_prekeys(&self.identity, ids, SystemClock.now(), rng).public()
    }

    pub fn recovery_keys(&self) -> http::RecoveryKeys {
        http::RecoveryKeys { auth_key: self.recovery.public().as_bytes().to_vec().into(), backup: vec![7; 200].into() }
    }

    pub fn registration(&self, one_time: u32, rng: &mut ChaCha20Rng) -> http::Register {
        http::Register {
            account_id: self.address.account,
            username: self.username.clone(),
            invite: None,
            receipt: None,
            device_id: self.address.device.into(),
            list: self.signed_list(rng).into(),
            keys: self.keys(1, one_time, rng),
            recovery: self.recovery_keys(),
            encrypted_name: vec![1; 40].into(),
        }
    }

    /// A send of opaque bytes to the devices of `to`, and to the own siblings.
    pub fn send_to(&self, to: &RawDevice, client_msg_id: Uuid, ciphertext: &[u8]) -> pb::SendDirect {
        let copy = |device: &ListedDevice| pb::DeviceCiphertext {
            device_id: device.id.into(),
            registration_id: device.registration_id,
            r#type: pb::CiphertextType::Ratchet.into(),
            ciphertext: Bytes::copy_from_slice(ciphertext),
        };
        let note_to_self = to.address.account == self.address.account;
        pb::SendDirect {
            client_msg_id: Bytes::copy_from_slice(client_msg_id.as_bytes()),
            recipient: Bytes::copy_from_slice(to.address.account.as_bytes()),
            class: pb::EnvelopeClass::Message.into(),
            seen: 0,
            recipient_list_version: to.list_version,
            own_list_version: self.list_version,
            to_recipient: if note_to_self { Vec::new() } else { to.devices.iter().map(copy).collect() },
            to_self: self.devices.iter().filter(|device| device.id != self.address.device).map(copy).collect(),
        }
    }
}

/// What an HTTP request got.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub content_type: String,
    pub retry_after: Option<String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {} {}", self.status, String::from_utf8_lossy(&self.body)))
    }

    /// The number of the problem, if it is one.
    pub fn code(&self) -> Option<ErrorCode> {
        let problem: http::Problem = serde_json::from_slice(&self.body).ok()?;
        (problem.status == self.status).then(|| ErrorCode::from_number(problem.code)).flatten()
    }

    /// The body of a success; panics with the problem otherwise.
    pub fn ok<T: serde::de::DeserializeOwned>(&self) -> T {
        assert!((200..300).contains(&self.status), "{} {}", self.status, String::from_utf8_lossy(&self.body));
        self.json()
    }
}

/// The HTTP side of one server.
#[derive(Debug, Clone)]
pub struct RawApi {
    /// "http://127.0.0.1:8080", no slash at the end.
    pub base: String,
    http: reqwest::Client,
}

/// More than a socket's buffers take at once.
const LARGE_BODY: usize = 16 * 1024;

impl RawApi {
    pub fn new(base: &str) -> Self {
        choose_tls_provider();
        // No pool: after a refused request the server may close the connection, and the next request must not find it so.
        let http = reqwest::Client::builder()
            .timeout(DEADLINE)
            .pool_max_idle_per_host(0)
            .no_proxy()
            .build()
            .expect("a plain HTTP client");
        Self { base: base.trim_end_matches('/').to_owned(), http }
    }

    /// Any request; `body` is sent as it is with `content_type`.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        bearer: Option<&str>,
        content_type: &str,
        body: Vec<u8>,
    ) -> Answer {
        let send = || {
            let mut request = self.http.request(method.clone(), format!("{}{path}", self.base)).body(body.clone());
            if let Some(token) = bearer {
                request = request.bearer_auth(token);
            }
            if !content_type.is_empty() {
                request = request.header("content-type", content_type);
            }
            request.send()
        };
        let mut sent = send().await;
        // A server that refuses a large body may close before all of it is written; a client then sees the answer or the broken
        // pipe, whichever it looks at first.
        for _ in 0..5 {
            if body.len() > LARGE_BODY && sent.is_err() {
                sent = send().await;
            }
        }
        let answer = sent.unwrap_or_else(|error| panic!("{method} {path}: {error:?}"));
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Answer {
            status: answer.status().as_u16(),
            content_type: header("content-type").unwrap_or_default(),
            retry_after: header("retry-after"),
            body: answer.bytes().await.map(|bytes| bytes.to_vec()).unwrap_or_default(),
        }
    }

    pub async fn get(&self, path: &str, bearer: Option<&str>) -> Answer {
        self.request(Method::GET, path, bearer, "", Vec::new()).await
    }

    pub async fn json(&self, method: Method, path: &str, bearer: Option<&str>, body: &impl serde::Serialize) -> Answer {
        let body = serde_json::to_vec(body).expect("bodies serialize");
        self.request(method, path, bearer, "application/json", body).await
    }

    pub async fn post(&self, path: &str, bearer: Option<&str>, body: &impl serde::Serialize) -> Answer {
        self.json(Method::POST, path, bearer, body).await
    }

    /// A new account with one device and `one_time` prekeys of each kind.
    pub async fn register(&self, username: &str, one_time: u32, rng: &mut ChaCha20Rng) -> RawDevice {
        let device = RawDevice::new(username, rng);
        let body = device.registration(one_time, rng);
        self.post("/v1/accounts", None, &body).await.ok::<http::Registered>();
        device
    }

    /// Links `sibling` (made by `RawDevice::sibling`) through a code that `device` asks for.
    pub async fn add_device(&self, device: &RawDevice, rng: &mut ChaCha20Rng) -> RawDevice {
        let token = self.token(device).await;
        let code: http::LinkCode = self.post("/v1/devices/link-codes", Some(&token), &serde_json::json!({})).await.ok();
        let sibling = device.sibling(code.device_id, rng);
        let body = http::AddDevice {
            account_id: sibling.address.account,
            link_code: code.link_code,
            device_id: code.device_id,
            list: sibling.signed_list(rng).into(),
            keys: sibling.keys(1, 5, rng),
            encrypted_name: vec![2; 40].into(),
        };
        self.post("/v1/devices", None, &body).await.ok::<http::DeviceAdded>();
        sibling
    }

    pub async fn challenge(&self, device: &RawDevice) -> Vec<u8> {
        let body = http::ChallengeFor { account_id: device.address.account, device_id: device.address.device.into() };
        self.post("/v1/auth/challenge", None, &body).await.ok::<http::Challenge>().challenge.0
    }

    pub async fn token(&self, device: &RawDevice) -> String {
        let challenge = self.challenge(device).await;
        let body = http::SignIn {
            account_id: device.address.account,
            device_id: device.address.device.into(),
            signature: device.auth.sign(&challenge).to_vec().into(),
            challenge: challenge.into(),
        };
        self.post("/v1/auth/token", None, &body).await.ok::<http::AccessToken>().access_token
    }

    /// An open WebSocket, nothing sent on it.
    pub async fn connect(&self) -> RawSocket {
        let url = format!("{}/v1/ws", self.base.replacen("http", "ws", 1));
        let (socket, _) = within(DEADLINE, "the WebSocket", tokio_tungstenite::connect_async(&url))
            .await
            .unwrap_or_else(|error| panic!("{url}: {error}"));
        RawSocket { socket, last_ref: 0 }
    }

    /// Signed in, welcomed, ready.
    pub async fn connected(&self, device: &RawDevice) -> RawSocket {
        let token = self.token(device).await;
        let mut socket = self.connect().await;
        socket.hello(&token).await;
        socket
    }
}

/// How a connection ended, or what else came than a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// With the close code, if there was one.
    Closed(Option<u16>),
    Broken(String),
}

/// One WebSocket of a raw device.
#[derive(Debug)]
pub struct RawSocket {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    last_ref: u32,
}

impl RawSocket {
    pub fn hello_frame(token: &str) -> client_frame::Body {
        client_frame::Body::Hello(pb::Hello {
            access_token: token.to_owned(),
            protocol_version: PROTOCOL_VERSION,
            client: "sotto-testkit".to_owned(),
            foreground: true,
        })
    }

    /// Signs the connection in.
    pub async fn hello(&mut self, token: &str) -> pb::Welcome {
        self.post(Self::hello_frame(token)).await;
        match self.next().await {
            Ok(server_frame::Body::Welcome(welcome)) => welcome,
            other => panic!("no welcome: {other:?}"),
        }
    }

    /// Sends one frame; returns its ref. Panics if the connection is gone.
    pub async fn post(&mut self, body: client_frame::Body) -> u32 {
        self.try_post(body).await.expect("the connection takes a frame")
    }

    pub async fn try_post(&mut self, body: client_frame::Body) -> Result<u32, Ended> {
        self.last_ref += 1;
        let frame = pb::ClientFrame { r#ref: self.last_ref, body: Some(body) };
        self.raw(Message::Binary(frame.encode_to_vec().into())).await?;
        Ok(self.last_ref)
    }

    /// Any WebSocket message.
    pub async fn raw(&mut self, message: Message) -> Result<(), Ended> {
        within(DEADLINE, "room to write", self.socket.send(message)).await.map_err(|e| Ended::Broken(e.to_string()))
    }

    /// The next frame's body, or how the connection ended.
    pub async fn next(&mut self) -> Result<server_frame::Body, Ended> {
        self.next_within(DEADLINE).await.unwrap_or_else(|| panic!("no frame within {DEADLINE:?}"))
    }

    /// None if nothing came in time.
    pub async fn next_within(&mut self, deadline: Duration) -> Option<Result<server_frame::Body, Ended>> {
        Some(self.next_frame_within(deadline).await?.map(|frame| frame.body.expect("the server sends known bodies")))
    }

    /// The same with its ref.
    pub async fn next_frame_within(&mut self, deadline: Duration) -> Option<Result<pb::ServerFrame, Ended>> {
        let next = async {
            loop {
                return match self.socket.next().await {
                    Some(Ok(Message::Binary(bytes))) => Ok(decode_server_frame(bytes).expect("a frame of the server")),
                    Some(Ok(Message::Close(close))) => Err(Ended::Closed(close.map(|close| close.code.into()))),
                    Some(Ok(_)) => continue,
                    Some(Err(error)) => Err(Ended::Broken(error.to_string())),
                    None => Err(Ended::Closed(None)),
                };
            }
        };
        tokio::time::timeout(deadline, next).await.ok()
    }

    /// Skips frames until `pick` takes one. Panics if the connection ends.
    pub async fn until<T>(&mut self, what: &str, mut pick: impl FnMut(server_frame::Body) -> Option<T>) -> T {
        loop {
            match self.next().await {
                Ok(body) => {
                    if let Some(found) = pick(body) {
                        return found;
                    }
                }
                Err(ended) => panic!("{ended:?} while waiting for {what}"),
            }
        }
    }

    /// Sends and waits for what the server says to it, skipping other frames.
    pub async fn send_direct(&mut self, send: pb::SendDirect) -> SendAnswer {
        let id = send.client_msg_id.clone();
        self.post(client_frame::Body::SendDirect(send)).await;
        self.answer_to(&id).await
    }

    pub async fn answer_to(&mut self, id: &[u8]) -> SendAnswer {
        self.until("the answer to a send", |body| match body {
            server_frame::Body::Accepted(accepted) if accepted.client_msg_id == id => {
                Some(SendAnswer::Accepted(accepted))
            }
            server_frame::Body::DeviceMismatch(other) if other.client_msg_id == id => Some(SendAnswer::Mismatch(other)),
            server_frame::Body::Error(error) if error.client_msg_id == id => Some(SendAnswer::Refused(error)),
            _ => None,
        })
        .await
    }

    /// Everything that waits, acknowledged or not, up to QueueDrained.
    pub async fn drain(&mut self, ack: bool) -> Vec<pb::Deliver> {
        let mut all = Vec::new();
        loop {
            match self.next().await {
                Ok(server_frame::Body::Deliver(deliver)) => {
                    if ack {
                        self.ack(&[deliver.entry_id]).await;
                    }
                    all.push(deliver);
                }
                Ok(server_frame::Body::QueueDrained(_)) => return all,
                Ok(_) => {}
                Err(ended) => panic!("{ended:?} while draining, after {} entries", all.len()),
            }
        }
    }

    pub async fn ack(&mut self, entries: &[u64]) {
        let ack = pb::Ack { ok: entries.to_vec(), undecryptable: Vec::new() };
        self.post(client_frame::Body::Ack(ack)).await;
    }

    /// Ends it properly.
    pub async fn close(mut self) {
        self.socket.close(None).await.ok();
    }
}

/// What a send got.
#[derive(Debug, Clone, PartialEq)]
pub enum SendAnswer {
    Accepted(pb::Accepted),
    Mismatch(pb::DeviceMismatch),
    Refused(pb::Error),
}

impl SendAnswer {
    pub fn accepted(self) -> pb::Accepted {
        match self {
            Self::Accepted(accepted) => accepted,
            other => panic!("not accepted: {other:?}"),
        }
    }

    pub fn refused_with(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused(error) => ErrorCode::from_number(error.code),
            _ => None,
        }
    }
}

/// A message id as clients make it.
pub fn new_msg_id() -> Uuid {
    Uuid::now_v7()
}

/// For tests that need a key nobody else has.
pub fn secret_seed(rng: &mut ChaCha20Rng) -> Secret<[u8; 32]> {
    DeviceAuthKey::generate(rng).seed()
}
