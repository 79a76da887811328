//! Requests that a hostile or broken client might send: each gets its documented error and changes nothing.

use crate::bed::*;
use axum::body::Body;
use http::{Method, Request, header};
use serde_json::{Value, json as value_of};
use sotto_api::ApiConfig;
use sotto_crypto::IdentityKeyPair;
use sotto_domain::{Rate, RateLimits};
use sotto_types::{DeviceAddress, DeviceId, ErrorCode, limits};
use sotto_wire::http as body;

/// Ann with two devices and Bob, both signed in, and Ann's link code.
struct Scene {
    bed: Bed,
    ann: Person,
    bob: Person,
    ann_token: String,
    link_code: String,
}

async fn scene() -> Scene {
    let bed = Bed::new().await;
    let (mut ann, bob) = (bed.register("ann").await, bed.register("bob").await);
    let ann_token = bed.token(&ann, 0).await;
    ann.add_device();
    let code = link_code(&bed, &ann_token).await;
    let reply = bed.post("/v1/devices", &addition(&ann, 2, code)).await;
    assert_eq!(reply.status, 201, "{}", String::from_utf8_lossy(&reply.bytes));
    let link_code = link_code(&bed, &ann_token).await;
    Scene { bed, ann, bob, ann_token, link_code }
}

async fn link_code(bed: &Bed, token: &str) -> String {
    bed.send(bare(Method::POST, "/v1/devices/link-codes", Some(token))).await.json::<body::LinkCode>().link_code
}

fn addition(ann: &Person, version: u32, link_code: String) -> body::AddDevice {
    body::AddDevice {
        account_id: ann.account,
        link_code,
        device_id: version,
        list: ann.list(version),
        keys: ann.keys(),
        encrypted_name: Vec::new().into(),
    }
}

impl Scene {
    /// Everything a request could have changed.
    async fn state(&self) -> String {
        let accounts = self.bed.domain.list_accounts(None, 100).await.unwrap();
        let token = self.bed.token(&self.ann, 0).await;
        let who = self.bed.domain.authenticate(&token).await.unwrap();
        let own = self.bed.domain.own_account(&who).await.unwrap();
        let (keys, blocks) =
            (self.bed.domain.key_counts(&who).await.unwrap(), self.bed.domain.blocks(&who).await.unwrap());
        format!("{accounts:?} {own:?} {keys:?} {blocks:?}")
    }

    /// A new device of Ann's asking to be added, spoiled.
    fn add(&self, spoil: impl FnOnce(&mut Value, &Person)) -> Request<Body> {
        let mut ann = Person { devices: Vec::new(), ..Person::new("ann") };
        (ann.account, ann.devices) = (self.ann.account, self.ann.devices.clone());
        ann.identity = self.ann.identity.clone();
        ann.add_device();
        let mut add = value(&addition(&ann, 3, self.link_code.clone()));
        spoil(&mut add, &ann);
        json(Method::POST, "/v1/devices", None, &add)
    }

    fn device(&self, method: Method, path: &str, body: &Value) -> Request<Body> {
        json(method, path, Some(&self.ann_token), body)
    }
}

fn register(spoil: impl FnOnce(&mut Value, &Person)) -> Request<Body> {
    let carl = Person::new("carl");
    let mut registration = value(&carl.registration());
    spoil(&mut registration, &carl);
    json(Method::POST, "/v1/accounts", None, &registration)
}

fn raw(path: &str, content_type: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::builder().method(Method::POST).uri(path).header(header::CONTENT_TYPE, content_type);
    request.body(body.into()).unwrap()
}

/// A point of order 1 in each form: every shared secret with it is known.
const LOW_ORDER_X25519: &str = "BQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const LOW_ORDER_ED25519: &str = "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

#[tokio::test]
async fn each_gets_its_documented_error_and_changes_nothing() {
    use ErrorCode::*;
    let s = scene().await;
    let (ann, bob) = (&s.ann, &s.bob);
    let used = s.bed.signed_challenge(ann, 0).await;
    assert_eq!(s.bed.post("/v1/auth/token", &used).await.status, 200);
    let fresh = s.bed.signed_challenge(ann, 0).await;
    let elsewhere = Bed::new().await;
    assert_eq!(
        elsewhere
            .post("/v1/accounts", &Person { devices: vec![ann.devices[0].clone()], ..clone(ann) }.registration())
            .await
            .status,
        201
    );
    let foreign = elsewhere.token(ann, 0).await;
    let thief = IdentityKeyPair::generate(&mut rand::rng());
    let stranger = value(&Person::new("x").account);
    let recovery = s.bed.post("/v1/recovery/challenge", &body::RecoveryFor { username: "ann".into() }).await;
    let recovery: body::Challenge = recovery.json();
    let stolen = |spoil: fn(&mut body::ReplaceIdentity, &Person)| {
        let mut replace = body::ReplaceIdentity {
            recovery_signature: ann.recovery.sign(&recovery.challenge.0).to_vec().into(),
            challenge: recovery.challenge.clone(),
            list: sign(&thief, ann.account, 3, &ann.devices[..1]),
            keys: keys(&thief),
            encrypted_name: body::Base64::default(),
            recovery: ann.recovery_keys(),
        };
        spoil(&mut replace, ann);
        s.device(Method::POST, "/v1/devices/stolen", &value(&replace))
    };
    let new_code = |spoil: &dyn Fn(&mut body::ReplaceRecovery)| {
        let mut replace = body::ReplaceRecovery {
            recovery_signature: ann.recovery.sign(&recovery.challenge.0).to_vec().into(),
            challenge: recovery.challenge.clone(),
            recovery: bob.recovery_keys(),
        };
        spoil(&mut replace);
        s.device(Method::PUT, "/v1/recovery", &value(&replace))
    };
    let sign_in = |spoil: fn(&mut body::SignIn, &Person)| {
        let mut sign_in = fresh.clone();
        spoil(&mut sign_in, bob);
        json(Method::POST, "/v1/auth/token", None, &sign_in)
    };
    let eleven: Vec<_> = (0..11).map(|_| ann.devices[0].clone()).collect();
    let prekeys = format!("/v1/accounts/{}/prekeys", bob.account);
    let long = "a".repeat(100_000);
    let keys_with = |field: &str, keys: Value| s.device(Method::PUT, "/v1/keys", &value_of!({ field: keys }));
    let ec = |id: u32, key: &str| value_of!({ "id": id, "public_key": key });

    let table: Vec<(&str, Request<Body>, ErrorCode)> = vec![
        // Shapes.
        ("no such path", bare(Method::GET, "/v1/nothing", None), NotFound),
        ("path above", bare(Method::GET, "/v1/../etc/passwd", None), NotFound),
        ("wrong method", bare(Method::PUT, "/v1/accounts", None), MethodNotAllowed),
        ("made-up method", bare(Method::from_bytes(b"BREW").unwrap(), "/v1/server", None), MethodNotAllowed),
        ("no content type", bare(Method::POST, "/v1/accounts", None), UnsupportedMediaType),
        ("form", raw("/v1/accounts", "application/x-www-form-urlencoded", "a=b"), UnsupportedMediaType),
        ("empty body", raw("/v1/accounts", "application/json", ""), BadRequest),
        ("not JSON", raw("/v1/accounts", "application/json", "{\"a\":"), BadRequest),
        ("not UTF-8", raw("/v1/accounts", "application/json", vec![b'"', 0xff, b'"']), BadRequest),
        ("nested", raw("/v1/accounts", "application/json", "[".repeat(50_000)), BadRequest),
        ("array", raw("/v1/accounts", "application/json; charset=utf-8", "[]"), BadRequest),
        ("huge", raw("/v1/accounts", "application/json", vec![b' '; 1024 * 1024 + 1]), TooLarge),
        ("huge where little is due", raw("/v1/auth/challenge", "application/json", vec![b' '; 65 * 1024]), TooLarge),
        ("missing field", register(|r, _| drop(r.as_object_mut().unwrap().remove("list"))), BadRequest),
        ("wrong type", register(|r, _| r["device_id"] = "one".into()), BadRequest),
        ("negative", register(|r, _| r["device_id"] = (-1).into()), BadRequest),
        ("bad base64", register(|r, _| r["list"]["payload"] = "!!!".into()), BadRequest),
        ("unpadded base64", register(|r, _| r["list"]["payload"] = "AAE".into()), BadRequest),
        ("bad UUID", register(|r, _| r["account_id"] = "me".into()), BadRequest),
        ("nil UUID", register(|r, _| r["account_id"] = value_of!(uuid::Uuid::nil())), BadRequest),
        ("device 0", register(|r, _| r["device_id"] = 0.into()), BadRequest),
        ("device 128", register(|r, _| r["device_id"] = 128.into()), BadRequest),
        // Registration.
        ("name with spaces", register(|r, _| r["username"] = "a b".into()), UsernameInvalid),
        ("name of 100,000", register(|r, _| r["username"] = long.clone().into()), UsernameInvalid),
        ("taken name", register(|r, _| r["username"] = "ANN".into()), UsernameTaken),
        (
            "taken account",
            register(|r, carl| {
                r["account_id"] = value(&ann.account);
                r["list"] = value(&sign(&carl.identity, ann.account, 1, &carl.devices));
            }),
            AccountExists,
        ),
        ("list of another", register(|r, _| r["list"] = value(&bob.list(1))), ListInvalid),
        ("no list", register(|r, _| r["list"]["payload"] = "/w==".into()), ListInvalid),
        (
            "forged list",
            register(|r, carl| {
                let mut list = carl.list(1);
                list.signature.0[9] ^= 1;
                r["list"] = value(&list);
            }),
            ListSignatureInvalid,
        ),
        ("short signature", register(|r, _| r["list"]["signature"] = "AAAA".into()), ListSignatureInvalid),
        (
            "low-order prekey",
            register(|r, _| r["keys"]["one_time_ec"][0]["public_key"] = LOW_ORDER_X25519.into()),
            KeyRejected,
        ),
        ("short prekey", register(|r, _| r["keys"]["one_time_ec"][0]["public_key"] = "BQAA".into()), KeyRejected),
        (
            "signed prekey of another",
            register(|r, _| r["keys"]["signed_prekey"] = value(&bob.keys().signed_prekey)),
            KeyRejected,
        ),
        (
            "kyber key as EC key",
            register(|r, _| r["keys"]["last_resort_kyber"] = r["keys"]["signed_prekey"].clone()),
            KeyRejected,
        ),
        ("low-order recovery key", register(|r, _| r["recovery"]["auth_key"] = LOW_ORDER_ED25519.into()), KeyRejected),
        ("short recovery key", register(|r, _| r["recovery"]["auth_key"] = "AAAA".into()), KeyRejected),
        ("large backup", register(|r, _| r["recovery"]["backup"] = "AAAA".repeat(2000).into()), TooLarge),
        ("large device name", register(|r, _| r["encrypted_name"] = "AAAA".repeat(100).into()), TooLarge),
        // Tokens.
        ("no token", bare(Method::GET, "/v1/keys", None), TokenInvalid),
        ("junk token", bare(Method::GET, "/v1/keys", Some("a.b.c")), TokenInvalid),
        ("long token", bare(Method::GET, "/v1/keys", Some(&long)), TokenInvalid),
        ("foreign token", bare(Method::GET, "/v1/keys", Some(&foreign)), TokenInvalid),
        (
            "token in the query",
            bare(Method::GET, &format!("/v1/keys?access_token={}", s.ann_token), None),
            TokenInvalid,
        ),
        (
            "basic auth",
            {
                let mut request = bare(Method::GET, "/v1/keys", None);
                request.headers_mut().insert(header::AUTHORIZATION, "Basic YTpi".parse().unwrap());
                request
            },
            TokenInvalid,
        ),
        // Sign-in.
        ("replayed challenge", json(Method::POST, "/v1/auth/token", None, &used), ChallengeInvalid),
        ("invented challenge", sign_in(|c, _| c.challenge.0 = vec![0; 56]), ChallengeInvalid),
        ("empty challenge", sign_in(|c, _| c.challenge.0.clear()), ChallengeInvalid),
        ("another's challenge", sign_in(|c, bob| c.account_id = bob.account), ChallengeInvalid),
        ("another device's challenge", sign_in(|c, _| c.device_id = 2), ChallengeInvalid),
        (
            "another's signature",
            sign_in(|c, bob| {
                c.signature = bob.devices[0].1.sign(&c.challenge.0).to_vec().into();
            }),
            SignatureInvalid,
        ),
        ("short signature at sign-in", sign_in(|c, _| c.signature.0.truncate(63)), SignatureInvalid),
        (
            "recovery challenge at sign-in",
            json(
                Method::POST,
                "/v1/auth/token",
                None,
                &body::SignIn { challenge: recovery.challenge.clone(), ..fresh.clone() },
            ),
            ChallengeInvalid,
        ),
        (
            "unknown account",
            {
                let nobody = Person::new("nobody");
                json(Method::POST, "/v1/auth/token", None, &s.bed.signed_challenge(&nobody, 0).await)
            },
            UnknownAccount,
        ),
        (
            "unknown device",
            {
                let mut more = clone(ann);
                more.add_device();
                json(Method::POST, "/v1/auth/token", None, &s.bed.signed_challenge(&more, 2).await)
            },
            DeviceUnlinked,
        ),
        // Look-ups and prekeys.
        ("unknown name", bare(Method::GET, "/v1/usernames/nobody", Some(&s.ann_token)), NotFound),
        ("no name", bare(Method::GET, "/v1/usernames/%00", Some(&s.ann_token)), UsernameInvalid),
        ("bad UTF-8 in the path", bare(Method::GET, "/v1/usernames/%ff%fe", Some(&s.ann_token)), BadRequest),
        ("no account id", bare(Method::GET, "/v1/accounts/ann/devices", Some(&s.ann_token)), BadRequest),
        (
            "unknown account's devices",
            bare(Method::GET, &format!("/v1/accounts/{}/devices", stranger.as_str().unwrap()), Some(&s.ann_token)),
            UnknownAccount,
        ),
        ("bundles of no device", s.device(Method::POST, &prekeys, &value_of!({ "devices": [] })), BadRequest),
        (
            "bundles of one device twice",
            s.device(Method::POST, &prekeys, &value_of!({ "devices": [1, 1] })),
            BadRequest,
        ),
        (
            "bundles of 100,000 devices",
            s.device(Method::POST, &prekeys, &value_of!({ "devices": vec![1; 20_000] })),
            BadRequest,
        ),
        ("bundle of device 0", s.device(Method::POST, &prekeys, &value_of!({ "devices": [0] })), BadRequest),
        ("low-order upload", keys_with("one_time_ec", value_of!([ec(9, LOW_ORDER_X25519)])), KeyRejected),
        ("201 keys", keys_with("one_time_ec", (0..201).map(|id| ec(id, LOW_ORDER_X25519)).collect()), TooLarge),
        ("same id twice", keys_with("one_time_ec", value_of!([ec(9, "BQAA"), ec(9, "BQAA")])), BadRequest),
        (
            "unsigned kyber key",
            keys_with("last_resort_kyber", value_of!({ "id": 5, "public_key": "CAAA", "signature": "" })),
            KeyRejected,
        ),
        // Devices.
        ("wrong link code", s.add(|a, _| a["link_code"] = "x".repeat(32).into()), LinkCodeInvalid),
        ("long link code", s.add(|a, _| a["link_code"] = long.clone().into()), LinkCodeInvalid),
        ("code for another id", s.add(|a, _| a["device_id"] = 9.into()), LinkCodeInvalid),
        ("code for another account", s.add(|a, _| a["account_id"] = value(&bob.account)), LinkCodeInvalid),
        ("old list", s.add(|a, ann| a["list"] = value(&ann.list(2))), ListVersionConflict),
        ("list without the device", s.add(|a, ann| a["list"] = value(&ann.list_of(3, 2))), ListInvalid),
        (
            "list by another identity",
            s.add(|a, ann| a["list"] = value(&sign(&bob.identity, ann.account, 3, &ann.devices))),
            ListSignatureInvalid,
        ),
        ("too many devices", s.add(|a, _| a["list"] = forged_size(&eleven)), TooManyDevices),
        (
            "unlink with an old list",
            s.device(Method::DELETE, "/v1/devices/2", &value(&ann.list_of(2, 1))),
            ListVersionConflict,
        ),
        (
            "unlink an unknown device",
            s.device(Method::DELETE, "/v1/devices/9", &value(&ann.list_of(3, 1))),
            UnknownDevice,
        ),
        ("unlink device x", s.device(Method::DELETE, "/v1/devices/x", &value(&ann.list_of(3, 1))), BadRequest),
        ("unlink nothing", s.device(Method::DELETE, "/v1/devices/2", &value(&ann.list(3))), ListInvalid),
        (
            "upload a grown list",
            s.device(Method::PUT, "/v1/devices/list", &{
                let mut more = clone(ann);
                more.add_device();
                value(&more.list(3))
            }),
            ListInvalid,
        ),
        (
            "come back without a restore",
            {
                let mut more = clone(ann);
                more.add_device();
                let signed = s.bed.signed_challenge(&more, 2).await;
                json(
                    Method::POST,
                    "/v1/devices/restore",
                    None,
                    &body::RestoreDevice {
                        account_id: ann.account,
                        device_id: 3,
                        challenge: signed.challenge,
                        signature: signed.signature,
                        list: more.list(3),
                        keys: more.keys(),
                        encrypted_name: Vec::new().into(),
                    },
                )
            },
            DeviceUnlinked,
        ),
        (
            "stolen, wrong code",
            stolen(|r, ann| r.recovery_signature = ann.devices[0].1.sign(&r.challenge.0).to_vec().into()),
            RecoveryRefused,
        ),
        ("stolen, same identity", stolen(|r, ann| r.list = ann.list_of(3, 1)), ListInvalid),
        ("stolen, old keys", stolen(|r, ann| r.keys = ann.keys()), KeyRejected),
        // Links and recovery.
        ("unknown link", bare(Method::GET, &format!("/v1/links/{}", "x".repeat(32)), None), LinkExpired),
        ("long link", bare(Method::GET, &format!("/v1/links/{}", "x".repeat(5000)), None), LinkExpired),
        ("wait for ever", bare(Method::GET, "/v1/links/x?wait_s=99999999999", None), BadRequest),
        (
            "answer to no link",
            s.device(Method::PUT, "/v1/links/x", &value_of!({ "provisioning": "AAAA" })),
            LinkExpired,
        ),
        ("answer with nothing", s.device(Method::PUT, "/v1/links/x", &value_of!({})), BadRequest),
        (
            "large answer",
            s.device(Method::PUT, "/v1/links/x", &value_of!({ "provisioning": "AAAA".repeat(3000) })),
            TooLarge,
        ),
        (
            "wrong recovery code",
            json(
                Method::POST,
                "/v1/recovery",
                None,
                &body::Recover {
                    username: "ann".into(),
                    challenge: recovery.challenge.clone(),
                    signature: bob.recovery.sign(&recovery.challenge.0).to_vec().into(),
                },
            ),
            RecoveryRefused,
        ),
        (
            "recovery of another with it",
            json(
                Method::POST,
                "/v1/recovery",
                None,
                &body::Recover {
                    username: "bob".into(),
                    challenge: recovery.challenge.clone(),
                    signature: bob.recovery.sign(&recovery.challenge.0).to_vec().into(),
                },
            ),
            ChallengeInvalid,
        ),
        ("new code without a proof", s.device(Method::PUT, "/v1/recovery", &value(&bob.recovery_keys())), BadRequest),
        (
            "new code, the device's key",
            new_code(&|r| r.recovery_signature = ann.devices[0].1.sign(&r.challenge.0).to_vec().into()),
            RecoveryRefused,
        ),
        ("new code, no signature", new_code(&|r| r.recovery_signature.0.clear()), RecoveryRefused),
        ("new code, invented challenge", new_code(&|r| r.challenge.0 = vec![0; 56]), ChallengeInvalid),
        (
            "new code, challenge to sign in",
            new_code(&|r| {
                r.recovery_signature = ann.recovery.sign(&fresh.challenge.0).to_vec().into();
                r.challenge = fresh.challenge.clone();
            }),
            ChallengeInvalid,
        ),
        ("new code, short key", new_code(&|r| r.recovery.auth_key.0.truncate(31)), KeyRejected),
        (
            "new code, weak key",
            new_code(&|r| {
                r.recovery.auth_key.0 = [0; 32].to_vec();
                r.recovery.auth_key.0[0] = 1;
            }),
            KeyRejected,
        ),
        ("new code, large backup", new_code(&|r| r.recovery.backup.0 = vec![0; 6000]), TooLarge),
        ("block oneself", bare(Method::PUT, &format!("/v1/blocks/{}", ann.account), Some(&s.ann_token)), BadRequest),
        (
            "block nobody",
            bare(Method::PUT, &format!("/v1/blocks/{}", stranger.as_str().unwrap()), Some(&s.ann_token)),
            UnknownAccount,
        ),
    ];
    assert!(table.len() >= 60, "{}", table.len());
    let before = s.state().await;
    for (name, request, want) in table {
        let reply = s.bed.send(request).await;
        let problem = reply.problem();
        assert_eq!(problem.code, want.number(), "{name}: {problem:?}");
        assert!(problem.detail.len() < 300, "{name}: a detail does not repeat what was sent");
        assert_eq!(s.state().await, before, "{name}");
    }
    // Nothing was used up along the way either.
    assert_eq!(s.bed.send(s.add(|_, _| {})).await.status, 201);
    assert_eq!(s.bed.post("/v1/auth/token", &fresh).await.status, 200);
    let recover = body::Recover {
        username: "ann".into(),
        signature: ann.recovery.sign(&recovery.challenge.0).to_vec().into(),
        challenge: recovery.challenge,
    };
    assert_eq!(s.bed.post("/v1/recovery", &recover).await.status, 200, "the code is the same");
}

fn clone(person: &Person) -> Person {
    Person {
        account: person.account,
        name: person.name.clone(),
        identity: person.identity.clone(),
        recovery: person.recovery.clone(),
        devices: person.devices.clone(),
    }
}

/// A list of eleven devices, which no signing function of ours would make.
fn forged_size(devices: &[(u32, sotto_crypto::DeviceAuthKey)]) -> Value {
    use sotto_wire::pb;
    let identity = IdentityKeyPair::generate(&mut rand::rng());
    let list = pb::DeviceList {
        account_id: vec![1; 16].into(),
        version: 3,
        identity_key: identity.public().as_bytes().to_vec().into(),
        devices: (1u32..)
            .zip(devices)
            .map(|(device_id, (registration_id, auth))| pb::ListedDevice {
                device_id,
                registration_id: *registration_id,
                auth_key: auth.public().as_bytes().to_vec().into(),
            })
            .collect(),
    };
    let payload = prost::Message::encode_to_vec(&list);
    let signature = identity.sign(sotto_wire::DEVICE_LIST_DOMAIN, &payload, &mut rand::rng());
    value(&body::SignedList { payload: payload.into(), signature: signature.to_vec().into() })
}

#[tokio::test]
async fn tokens_end() {
    let s = scene().await;
    s.bed.clock.advance(limits::ACCESS_TOKEN);
    assert_eq!(s.bed.get(&s.ann_token, "/v1/keys").await.problem().code, ErrorCode::TokenExpired.number());
    let token = s.bed.token(&s.ann, 0).await;
    s.bed.domain.disable_account("ann", true).await.unwrap();
    assert_eq!(s.bed.get(&token, "/v1/keys").await.problem().code, ErrorCode::AccountDisabled.number());
    s.bed.domain.disable_account("ann", false).await.unwrap();
    // Days are noted, not moments: it is 30 days after the end of the day.
    s.bed.clock.advance(limits::ABSENT_DEVICE + std::time::Duration::from_secs(86_400));
    s.bed.domain.seen(DeviceAddress::new(s.ann.account, DeviceId::FIRST)).await;
    let second = s.bed.token(&s.ann, 1).await;
    s.bed.clock.advance(std::time::Duration::from_secs(1));
    s.bed.domain.sweep().await.unwrap();
    assert_eq!(s.bed.get(&second, "/v1/keys").await.problem().code, ErrorCode::DeviceSuspended.number());
}

#[tokio::test]
async fn floods_are_told_to_wait() {
    let one = Rate::new(1, 1);
    let limits = RateLimits {
        sign_ins: one,
        links: one,
        link_polls: one,
        recoveries: one,
        device_additions: one,
        look_ups: one,
        device_lists: one,
        bundles_of_one: one,
        key_uploads: one,
        ..RateLimits::default()
    };
    let bed = Bed::with(ApiConfig::default(), limits).await;
    let ann = bed.register("ann").await;
    let token = bed.token(&ann, 0).await;
    let device = |method: Method, path: &str, body: Value| {
        let (token, path) = (token.clone(), path.to_owned());
        move || json(method.clone(), &path, Some(&token), &body)
    };
    let empty = value_of!({});
    let account = ann.account;
    let challenge = bed.domain.challenge(DeviceAddress::new(account, DeviceId::FIRST), [10, 0, 0, 1].into()).await;
    let sign_in = body::SignIn {
        account_id: account,
        device_id: 1,
        challenge: challenge.unwrap().challenge.into(),
        signature: vec![0; 64].into(),
    };
    type Flood = Box<dyn Fn() -> Request<Body>>;
    let floods: Vec<(&str, Flood)> = vec![
        ("sign-ins", Box::new(device(Method::POST, "/v1/auth/token", value(&sign_in)))),
        ("links", Box::new(device(Method::POST, "/v1/links", empty.clone()))),
        ("polls", Box::new(device(Method::GET, "/v1/links/x", empty.clone()))),
        ("recovery", Box::new(device(Method::POST, "/v1/recovery/challenge", value_of!({ "username": "ann" })))),
        ("look-ups", Box::new(device(Method::GET, "/v1/usernames/bob", empty.clone()))),
        ("lists", Box::new(device(Method::GET, &format!("/v1/accounts/{account}/devices"), empty.clone()))),
        (
            "bundles",
            Box::new(device(Method::POST, &format!("/v1/accounts/{account}/prekeys"), value_of!({ "devices": [1] }))),
        ),
        ("uploads", Box::new(device(Method::PUT, "/v1/keys", empty.clone()))),
    ];
    for (name, request) in floods {
        bed.send(request()).await;
        let limited = bed.send(request()).await;
        assert_eq!(limited.problem().code, ErrorCode::RateLimited.number(), "{name}");
        assert_eq!(limited.headers[header::RETRY_AFTER], "60", "{name}");
    }
}
