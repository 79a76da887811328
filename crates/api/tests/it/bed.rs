use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use rand::rng;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sotto_api::{ApiConfig, router};
use sotto_crypto::device_list::{self, ListedDevice};
use sotto_crypto::prekeys::{DevicePreKeyIds, generate_device_prekeys};
use sotto_crypto::{DeviceAuthKey, EcPreKeyId, IdentityKeyPair, KyberPreKeyId, RecoveryAuthKey, SignedPreKeyId};
use sotto_domain::{Domain, DomainConfig, DomainParts, NoConnections, RateLimits, RegistrationPolicy};
use sotto_ports::NoFeed;
use sotto_ports::memory::{MemoryEphemeral, MemoryStore};
use sotto_types::{AccountId, ClientIp, DeviceId, ManualClock, Secret, Timestamp};
use sotto_wire::http as body;
use std::net::IpAddr;
use std::sync::Arc;
use tower_service::Service;

pub const START: Timestamp = Timestamp::from_ms(1_763_000_000_000);

pub struct Bed {
    pub router: Router,
    pub domain: Arc<Domain>,
    pub clock: Arc<ManualClock>,
}

/// What came back.
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Reply {
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| {
            panic!("{error} in {} {}", self.status, String::from_utf8_lossy(&self.bytes));
        })
    }

    /// The problem, checked for everything RFC 9457 and we promise.
    pub fn problem(&self) -> body::Problem {
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json");
        let problem: body::Problem = self.json();
        let code = sotto_types::ErrorCode::from_number(problem.code).expect("a known code");
        assert_eq!(problem.r#type, format!("{}{}", body::PROBLEM_TYPE_BASE, code.slug()));
        assert_eq!((problem.status, self.status.as_u16()), (code.http_status(), code.http_status()));
        assert!(!problem.title.is_empty() && !problem.detail.is_empty());
        if matches!(code.http_status(), 429 | 503) {
            assert!(self.headers[header::RETRY_AFTER].to_str().unwrap().parse::<u64>().unwrap() >= 1);
        }
        problem
    }
}

impl Bed {
    pub async fn new() -> Self {
        Self::with(ApiConfig::default(), RateLimits::default()).await
    }

    pub async fn with(config: ApiConfig, limits: RateLimits) -> Self {
        let store = Arc::new(MemoryStore::new(Arc::new(NoFeed)));
        let clock = Arc::new(ManualClock::new(START));
        let parts = DomainParts {
            inbox: store.clone(),
            directory: store.clone(),
            people: store.clone(),
            reports: store.clone(),
            groups: store.clone(),
            prekeys: store.clone(),
            meta: store,
            ephemeral: Arc::new(MemoryEphemeral::new(10_000, 10_000_000)),
            clock: clock.clone(),
            connections: Arc::new(NoConnections),
        };
        let registration = RegistrationPolicy::Open;
        let domain =
            Domain::new(parts, DomainConfig { registration, limits, ..DomainConfig::default() }).await.unwrap();
        Self { router: router(domain.clone(), config), domain, clock }
    }

    pub async fn send(&self, mut request: Request<Body>) -> Reply {
        request.extensions_mut().get_or_insert_with(|| ClientIp(IpAddr::from([203, 0, 113, 7])));
        let response = self.router.clone().call(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes().to_vec();
        Reply { status: parts.status, headers: parts.headers, bytes }
    }

    pub async fn post(&self, path: &str, body: &impl Serialize) -> Reply {
        self.send(json(Method::POST, path, None, body)).await
    }

    pub async fn as_device(&self, token: &str, method: Method, path: &str, body: &impl Serialize) -> Reply {
        self.send(json(method, path, Some(token), body)).await
    }

    pub async fn get(&self, token: &str, path: &str) -> Reply {
        self.send(bare(Method::GET, path, Some(token))).await
    }

    pub async fn register(&self, name: &str) -> Person {
        let person = Person::new(name);
        let reply = self.post("/v1/accounts", &person.registration()).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{}", String::from_utf8_lossy(&reply.bytes));
        person
    }

    pub async fn challenge(&self, of: &Person, device: u32) -> body::Challenge {
        let asked = body::ChallengeFor { account_id: of.account, device_id: device };
        self.post("/v1/auth/challenge", &asked).await.json()
    }

    pub async fn signed_challenge(&self, of: &Person, device: usize) -> body::SignIn {
        let device_id = u32::try_from(device).unwrap() + 1;
        let challenge = self.challenge(of, device_id).await.challenge;
        let signature = of.devices[device].1.sign(&challenge.0).to_vec().into();
        body::SignIn { account_id: of.account, device_id, challenge, signature }
    }

    pub async fn token(&self, of: &Person, device: usize) -> String {
        let sign_in = self.signed_challenge(of, device).await;
        self.post("/v1/auth/token", &sign_in).await.json::<body::AccessToken>().access_token
    }
}

pub fn json(method: Method, path: &str, token: Option<&str>, body: &impl Serialize) -> Request<Body> {
    let mut request = bare(method, path, token);
    request.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
    *request.body_mut() = Body::from(serde_json::to_vec(body).unwrap());
    request
}

pub fn bare(method: Method, path: &str, token: Option<&str>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    request.body(Body::empty()).unwrap()
}

/// The body as JSON, to be spoiled.
pub fn value(body: &impl Serialize) -> Value {
    serde_json::to_value(body).unwrap()
}

pub struct Person {
    pub account: AccountId,
    pub name: String,
    pub identity: IdentityKeyPair,
    pub recovery: RecoveryAuthKey,
    /// Device 1, 2, and so on.
    pub devices: Vec<(u32, DeviceAuthKey)>,
}

impl Person {
    pub fn new(name: &str) -> Self {
        Self {
            account: AccountId::from_bytes(rand::random()),
            name: name.into(),
            identity: IdentityKeyPair::generate(&mut rng()),
            recovery: RecoveryAuthKey::from_seed(&Secret::new(rand::random())),
            devices: vec![(7, DeviceAuthKey::generate(&mut rng()))],
        }
    }

    pub fn add_device(&mut self) {
        self.devices.push((8, DeviceAuthKey::generate(&mut rng())));
    }

    pub fn list(&self, version: u32) -> body::SignedList {
        self.list_of(version, self.devices.len())
    }

    /// A list of the first devices only.
    pub fn list_of(&self, version: u32, count: usize) -> body::SignedList {
        sign(&self.identity, self.account, version, &self.devices[..count])
    }

    pub fn keys(&self) -> body::DeviceKeys {
        keys(&self.identity)
    }

    pub fn recovery_keys(&self) -> body::RecoveryKeys {
        body::RecoveryKeys {
            auth_key: self.recovery.public().as_bytes().to_vec().into(),
            backup: b"sealed".to_vec().into(),
        }
    }

    pub fn registration(&self) -> body::Register {
        body::Register {
            account_id: self.account,
            username: self.name.clone(),
            invite: None,
            receipt: None,
            device_id: 1,
            list: self.list(1),
            keys: self.keys(),
            recovery: self.recovery_keys(),
            encrypted_name: b"name".to_vec().into(),
        }
    }
}

pub fn sign(
    identity: &IdentityKeyPair,
    account: AccountId,
    version: u32,
    devices: &[(u32, DeviceAuthKey)],
) -> body::SignedList {
    let listed: Vec<_> = (1u32..)
        .zip(devices)
        .map(|(id, (registration_id, auth))| ListedDevice {
            id: DeviceId::try_from(id).unwrap(),
            registration_id: *registration_id,
            auth_key: auth.public(),
        })
        .collect();
    device_list::sign_device_list(identity, account, version, &listed, &mut rng()).unwrap().into()
}

pub fn keys(identity: &IdentityKeyPair) -> body::DeviceKeys {
    let ids = DevicePreKeyIds {
        signed: SignedPreKeyId(1),
        last_resort: KyberPreKeyId(1),
        first_one_time_ec: EcPreKeyId(1),
        first_one_time_kyber: KyberPreKeyId(2),
        one_time_count: 2,
    };
    generate_device_prekeys(identity, ids, START, &mut rng()).public()
}
