// Cases are rows: one push each, with their columns spelled out where they are used.
#![allow(clippy::vec_init_then_push, clippy::type_complexity)]

use super::world::{World, expect};

use rand::Rng as _;
use reqwest::Method;
use sotto_crypto::{DeviceAuthKey, IdentityKeyPair, RecoveryAuthKey};
use sotto_testkit::raw::RawDevice;
use sotto_testkit::seed::TestRng;
use sotto_testkit::{RawApi, TestServer};
use sotto_types::AccountId;
use sotto_types::ErrorCode::{self, *};
use sotto_wire::http::{self, Base64};

/// A u-coordinate of order 8 in libsignal's serialization: every secret gives the same shared value with it.
const LOW_ORDER: [u8; 33] = [
    5, 0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09,
    0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
];

async fn check(world: &World, case: &str, answer: sotto_testkit::raw::Answer, want: &[ErrorCode]) {
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    expect(case, answer.code(), want, &(answer.status, &text));
    assert!(answer.content_type.starts_with("application/problem+json"), "{case}: {}", answer.content_type);
    world.assert_unharmed(case).await;
}

/// Requests that are not what the path takes.
pub async fn shapes(world: &World) -> usize {
    let token = Some(world.token.as_str());
    let json = "application/json";
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let big = format!("{{\"account_id\":\"{}\"}}", "a".repeat(20 << 20));
    let zero = "00000000-0000-0000-0000-000000000000";
    let nobody = "11111111-1111-4111-8111-111111111111";
    let cases: Vec<(&str, Method, String, Option<&str>, &str, Vec<u8>, &[ErrorCode])> = vec![
        ("a path that is none", Method::GET, "/v1/nothing".into(), token, "", vec![], &[NotFound]),
        ("a method that is none", Method::DELETE, "/v1/server".into(), token, "", vec![], &[MethodNotAllowed]),
        ("no JSON", Method::POST, "/v1/accounts".into(), None, json, b"hello".to_vec(), &[BadRequest]),
        ("half a JSON", Method::POST, "/v1/accounts".into(), None, json, b"{\"account_id\":".to_vec(), &[BadRequest]),
        ("the wrong JSON", Method::POST, "/v1/accounts".into(), None, json, b"[1,2]".to_vec(), &[BadRequest]),
        ("deep JSON", Method::POST, "/v1/accounts".into(), None, json, deep.into_bytes(), &[BadRequest, TooLarge]),
        ("20 MB", Method::POST, "/v1/accounts".into(), None, json, big.into_bytes(), &[TooLarge]),
        (
            "another type",
            Method::POST,
            "/v1/accounts".into(),
            None,
            "text/xml",
            b"{}".to_vec(),
            &[UnsupportedMediaType],
        ),
        ("no UTF-8", Method::POST, "/v1/accounts".into(), None, json, vec![b'"', 0xff, b'"'], &[BadRequest]),
        ("no token", Method::GET, "/v1/keys".into(), None, "", vec![], &[TokenInvalid]),
        ("a garbage token", Method::GET, "/v1/keys".into(), Some("x.y.z"), "", vec![], &[TokenInvalid]),
        (
            "an account that is none",
            Method::GET,
            "/v1/accounts/xyz/devices".into(),
            token,
            "",
            vec![],
            &[BadRequest, NotFound, UnknownAccount],
        ),
        (
            "the zero account",
            Method::GET,
            format!("/v1/accounts/{zero}/devices"),
            token,
            "",
            vec![],
            &[BadRequest, UnknownAccount],
        ),
        (
            "an unknown account",
            Method::GET,
            format!("/v1/accounts/{nobody}/devices"),
            token,
            "",
            vec![],
            &[UnknownAccount],
        ),
        (
            "a name that can be none",
            Method::GET,
            "/v1/usernames/a%20b".into(),
            token,
            "",
            vec![],
            &[UsernameInvalid, NotFound, BadRequest],
        ),
        ("an unknown name", Method::GET, "/v1/usernames/nobody.here".into(), token, "", vec![], &[NotFound]),
        ("an unknown link", Method::GET, "/v1/links/abcdefgh?wait_s=0".into(), None, "", vec![], &[LinkExpired]),
        (
            "an answer to an unknown link",
            Method::PUT,
            "/v1/links/abcdefgh".into(),
            token,
            json,
            br#"{"provisioning":"AAAA"}"#.to_vec(),
            &[LinkExpired],
        ),
        ("blocking nobody", Method::PUT, "/v1/blocks/xyz".into(), token, "", vec![], &[BadRequest, NotFound]),
        (
            "removing device 200",
            Method::DELETE,
            "/v1/devices/200".into(),
            token,
            json,
            br#"{"payload":"","signature":""}"#.to_vec(),
            &[BadRequest, UnknownDevice, NotFound],
        ),
    ];
    let count = cases.len();
    for (case, method, path, bearer, content_type, body, want) in cases {
        let answer = world.api.request(method, &path, bearer, content_type, body).await;
        check(world, case, answer, want).await;
    }
    count
}

pub async fn registrations(world: &World) -> usize {
    type Spoil = fn(&mut http::Register, &RawDevice, &World, &mut TestRng);
    let cases: Vec<(&str, Spoil, &[ErrorCode])> = vec![
        ("a forged list", |body, _, _, _| flip(&mut body.list.signature), &[ListSignatureInvalid]),
        ("a changed list", |body, _, _, _| flip(&mut body.list.payload), &[ListSignatureInvalid, ListInvalid]),
        ("no list", |body, _, _, _| body.list.payload.0.clear(), &[ListInvalid, ListSignatureInvalid]),
        (
            "a list of another account",
            |body, _, world, rng| body.list = world.ann.signed_list(rng).into(),
            &[ListInvalid, ListSignatureInvalid],
        ),
        ("another device than listed", |body, _, _, _| body.device_id = 2, &[ListInvalid, BadRequest, UnknownDevice]),
        ("device 0", |body, _, _, _| body.device_id = 0, &[BadRequest, ListInvalid]),
        ("a name of 2 letters", |body, _, _, _| body.username = "ab".into(), &[UsernameInvalid]),
        ("a name with a space", |body, _, _, _| body.username = "a b c".into(), &[UsernameInvalid]),
        ("a name that looks like another", |body, _, _, _| body.username = "аnn".into(), &[UsernameInvalid]),
        ("a taken name", |body, _, _, _| body.username = "Ann".into(), &[UsernameTaken]),
        (
            "another's account id",
            |body, _, world, rng| {
                body.account_id = world.ann.address.account;
                let mut liar = RawDevice::new(&body.username, rng);
                liar.address.account = world.ann.address.account;
                body.list = liar.signed_list(rng).into();
                body.keys = liar.keys(1, 3, rng);
            },
            &[AccountExists],
        ),
        (
            "a low-order one-time key",
            |body, _, _, _| body.keys.one_time_ec[0].public_key.0 = LOW_ORDER.to_vec(),
            &[KeyRejected],
        ),
        (
            "a low-order signed prekey, properly signed",
            |body, device, _, rng| {
                body.keys.signed_prekey.public_key.0 = LOW_ORDER.to_vec();
                body.keys.signed_prekey.signature.0 = device.identity.sign(b"", &LOW_ORDER, rng).to_vec();
            },
            &[KeyRejected],
        ),
        ("a forged signed prekey", |body, _, _, _| flip(&mut body.keys.signed_prekey.signature), &[KeyRejected]),
        ("a forged last resort", |body, _, _, _| flip(&mut body.keys.last_resort_kyber.public_key), &[KeyRejected]),
        (
            "a forged one-time Kyber key",
            |body, _, _, _| flip(&mut body.keys.one_time_kyber[1].signature),
            &[KeyRejected],
        ),
        ("a short Kyber key", |body, _, _, _| body.keys.one_time_kyber[0].public_key.0.truncate(100), &[KeyRejected]),
        ("keys of somebody else", |body, _, world, rng| body.keys = world.ann.keys(1, 3, rng), &[KeyRejected]),
        (
            "a thousand one-time keys",
            |body, _, _, _| body.keys.one_time_ec = vec![body.keys.one_time_ec[0].clone(); 1000],
            &[BadRequest, TooLarge],
        ),
        (
            "a weak recovery key",
            |body, _, _, _| body.recovery.auth_key.0 = [&[1], &[0; 31][..]].concat(),
            &[KeyRejected],
        ),
        (
            "a recovery key of 31 bytes",
            |body, _, _, _| body.recovery.auth_key.0.truncate(31),
            &[KeyRejected, BadRequest],
        ),
        (
            "a recovery backup of 1 MB",
            |body, _, _, _| body.recovery.backup.0 = vec![0; 1 << 20],
            &[TooLarge, BadRequest],
        ),
        ("a device name of 10 kB", |body, _, _, _| body.encrypted_name.0 = vec![0; 10_000], &[TooLarge, BadRequest]),
    ];
    let count = cases.len();
    let mut rng = world.seed.rng(20);
    for (case, spoil, want) in cases {
        let device = RawDevice::new("newcomer", &mut rng);
        let mut body = device.registration(3, &mut rng);
        spoil(&mut body, &device, world, &mut rng);
        let answer = world.api.post("/v1/accounts", None, &body).await;
        check(world, case, answer, want).await;
        let nobody = world.api.get("/v1/usernames/newcomer", Some(&world.token)).await;
        expect(case, nobody.code(), &[NotFound], &"the account must not exist");
    }
    count
}

fn flip(bytes: &mut Base64) {
    let at = bytes.0.len() / 2;
    bytes.0[at] ^= 1;
}

pub async fn sign_ins(world: &World) -> usize {
    let sign_in = |device: &RawDevice, challenge: Vec<u8>, signature: Vec<u8>| http::SignIn {
        account_id: device.address.account,
        device_id: device.address.device.into(),
        challenge: challenge.into(),
        signature: signature.into(),
    };
    let api = &world.api;
    let (mallory, ann) = (&world.mallory, &world.ann);
    let fresh = |of: &RawDevice| {
        let (api, of) = (api.clone(), of.clone());
        async move { api.challenge(&of).await }
    };
    let as_recovery = RecoveryAuthKey::from_seed(&ann.auth.seed());
    let elsewhere = TestServer::start().await;
    let twin = elsewhere.api();
    twin.post("/v1/accounts", None, &ann.registration(1, &mut world.seed.rng(31))).await.ok::<http::Registered>();

    let used = fresh(ann).await;
    let proof = sign_in(ann, used.clone(), ann.auth.sign(&used).to_vec());
    api.post("/v1/auth/token", None, &proof).await.ok::<http::AccessToken>();
    let mut cases: Vec<(&str, http::SignIn, &[ErrorCode])> = vec![("a replayed challenge", proof, &[ChallengeInvalid])];
    let challenge = fresh(ann).await;
    cases.push((
        "another's key",
        sign_in(ann, challenge.clone(), mallory.auth.sign(&challenge).to_vec()),
        &[SignatureInvalid],
    ));
    let challenge = fresh(mallory).await;
    cases.push((
        "another's challenge",
        sign_in(ann, challenge.clone(), ann.auth.sign(&challenge).to_vec()),
        &[ChallengeInvalid],
    ));
    let challenge = fresh(ann).await;
    cases.push((
        "a signature for recovery",
        sign_in(ann, challenge.clone(), as_recovery.sign(&challenge).to_vec()),
        &[SignatureInvalid],
    ));
    let challenge = fresh(ann).await;
    cases.push(("no signature", sign_in(ann, challenge, vec![]), &[SignatureInvalid, BadRequest]));
    let challenge = twin.challenge(ann).await;
    cases.push((
        "another server's challenge",
        sign_in(ann, challenge.clone(), ann.auth.sign(&challenge).to_vec()),
        &[ChallengeInvalid],
    ));
    let mut changed = fresh(ann).await;
    let last = changed.len() - 1;
    changed[last] ^= 1;
    cases.push((
        "a changed challenge",
        sign_in(ann, changed.clone(), ann.auth.sign(&changed).to_vec()),
        &[ChallengeInvalid],
    ));
    let own = vec![7; 64];
    cases.push((
        "a challenge of one's own",
        sign_in(ann, own.clone(), ann.auth.sign(&own).to_vec()),
        &[ChallengeInvalid],
    ));
    cases.push(("no challenge", sign_in(ann, vec![], ann.auth.sign(&[]).to_vec()), &[ChallengeInvalid, BadRequest]));
    let count = cases.len();
    for (case, body, want) in cases {
        check(world, case, api.post("/v1/auth/token", None, &body).await, want).await;
    }
    let foreign = twin.token(ann).await;
    check(world, "another server's token", api.get("/v1/keys", Some(&foreign)).await, &[TokenInvalid]).await;

    // Recovery: the wrong code, and a name that nobody has, look the same.
    let mut rng = world.seed.rng(32);
    for (case, username) in [("a wrong recovery code", "ann"), ("recovery of nobody", "nobody.here")] {
        let challenge =
            api.post("/v1/recovery/challenge", None, &http::RecoveryFor { username: username.into() }).await;
        let challenge: http::Challenge = challenge.ok();
        let wrong = RecoveryAuthKey::from_seed(&DeviceAuthKey::generate(&mut rng).seed());
        let signature = wrong.sign(&challenge.challenge.0).to_vec().into();
        let body = http::Recover { username: username.into(), challenge: challenge.challenge, signature };
        check(world, case, api.post("/v1/recovery", None, &body).await, &[RecoveryRefused]).await;
    }
    count + 3
}

/// Changes of devices that their account did not sign.
pub async fn devices(world: &World) -> usize {
    let mut rng = world.seed.rng(40);
    let api = &world.api;
    let bob_token = api.token(&world.bob).await;
    let code = link_code(api, &bob_token).await;
    let add = |device: &RawDevice, link_code: &str, rng: &mut TestRng| http::AddDevice {
        account_id: device.address.account,
        link_code: link_code.to_owned(),
        device_id: device.address.device.into(),
        list: device.signed_list(rng).into(),
        keys: device.keys(1, 3, rng),
        encrypted_name: vec![3; 40].into(),
    };
    let third = world.laptop.sibling(code.device_id, &mut rng);
    let mut cases: Vec<(&str, http::AddDevice, &[ErrorCode])> = Vec::new();
    cases.push(("a made-up link code", add(&third, "let-me-in", &mut rng), &[LinkCodeInvalid]));
    cases.push(("no link code", add(&third, "", &mut rng), &[LinkCodeInvalid, BadRequest]));
    let count_codes = cases.len();
    for (case, body, want) in cases {
        check(world, case, api.post("/v1/devices", None, &body).await, want).await;
    }
    // Each with a code that is good, so that only the list is wrong.
    type Spoil = fn(&World, &mut RawDevice, &mut TestRng);
    let lists: Vec<(&str, Spoil, &[ErrorCode])> = vec![
        (
            "a list signed by a stranger",
            |_, device, rng| device.identity = IdentityKeyPair::generate(rng),
            &[ListSignatureInvalid, ListInvalid, KeyRejected],
        ),
        ("an old list", |_, device, _| device.list_version -= 1, &[ListVersionConflict]),
        (
            "a list that drops a device",
            |world, device, _| device.devices.retain(|listed| listed.id != world.laptop.address.device),
            &[ListInvalid],
        ),
        (
            "a list that changes a device",
            |_, device, rng| device.devices[0].auth_key = DeviceAuthKey::generate(rng).public(),
            &[ListInvalid],
        ),
        (
            "a list without the new device",
            |_, device, _| {
                let own = device.address.device;
                device.devices.retain(|listed| listed.id != own);
            },
            &[ListInvalid, UnknownDevice],
        ),
        (
            "a list of another account",
            |world, device, _| device.address.account = world.ann.address.account,
            &[LinkCodeInvalid, ListInvalid],
        ),
    ];
    let count_lists = lists.len();
    for (case, spoil, want) in lists {
        let code = link_code(api, &bob_token).await;
        let mut device = world.laptop.sibling(code.device_id, &mut rng);
        spoil(world, &mut device, &mut rng);
        let body = add(&device, &code.link_code, &mut rng);
        check(world, case, api.post("/v1/devices", None, &body).await, want).await;
    }
    // Removals.
    let removal = |device: &RawDevice, rng: &mut TestRng| -> http::SignedList { device.signed_list(rng).into() };
    let mut still_there = world.laptop.clone();
    still_there.list_version += 1;
    let mut without = still_there.clone();
    without.devices.retain(|listed| listed.id == world.bob.address.device);
    let mut old = without.clone();
    old.list_version -= 1;
    let mut stranger = without.clone();
    stranger.identity = IdentityKeyPair::generate(&mut rng);
    let path = format!("/v1/devices/{}", u32::from(world.laptop.address.device));
    let mut removals: Vec<(&str, &str, http::SignedList, &str, &[ErrorCode])> = Vec::new();
    removals.push((
        "a removal that removes nothing",
        &path,
        removal(&still_there, &mut rng),
        &bob_token,
        &[ListInvalid],
    ));
    removals.push(("a removal by an old list", &path, removal(&old, &mut rng), &bob_token, &[ListVersionConflict]));
    removals.push((
        "a removal signed by a stranger",
        &path,
        removal(&stranger, &mut rng),
        &bob_token,
        &[ListSignatureInvalid, ListInvalid],
    ));
    removals.push((
        "a removal of another's device",
        &path,
        removal(&without, &mut rng),
        &world.token,
        &[ListInvalid, UnknownDevice, ListSignatureInvalid],
    ));
    removals.push((
        "a removal of device 77",
        "/v1/devices/77",
        removal(&without, &mut rng),
        &bob_token,
        &[UnknownDevice, ListInvalid],
    ));
    let count_removals = removals.len();
    for (case, path, body, bearer, want) in removals {
        check(world, case, api.json(Method::DELETE, path, Some(bearer), &body).await, want).await;
    }
    // "Unlink as stolen" without the code.
    let challenge: http::Challenge =
        api.post("/v1/recovery/challenge", None, &http::RecoveryFor { username: "bob".into() }).await.ok();
    let wrong = RecoveryAuthKey::from_seed(&DeviceAuthKey::generate(&mut rng).seed());
    let mut thief = world.bob.clone();
    thief.identity = IdentityKeyPair::generate(&mut rng);
    thief.list_version = world.laptop.list_version + 1;
    let body = http::ReplaceIdentity {
        recovery_signature: wrong.sign(&challenge.challenge.0).to_vec().into(),
        challenge: challenge.challenge,
        list: thief.signed_list(&mut rng).into(),
        encrypted_name: http::Base64::default(),
        keys: thief.keys(1, 3, &mut rng),
        recovery: thief.recovery_keys(),
    };
    let answer = api.post("/v1/devices/stolen", Some(&bob_token), &body).await;
    check(world, "a theft without the recovery code", answer, &[RecoveryRefused, SignatureInvalid]).await;
    // A new code without the current one: all that a stolen device can sign.
    for (case, key) in [("the device's key", &world.bob.auth), ("a new code's key", &DeviceAuthKey::generate(&mut rng))]
    {
        let challenge: http::Challenge =
            api.post("/v1/recovery/challenge", None, &http::RecoveryFor { username: "bob".into() }).await.ok();
        let own = RecoveryAuthKey::from_seed(&key.seed());
        let body = http::ReplaceRecovery {
            recovery_signature: own.sign(&challenge.challenge.0).to_vec().into(),
            challenge: challenge.challenge,
            recovery: http::RecoveryKeys {
                auth_key: own.public().as_bytes().to_vec().into(),
                backup: vec![9; 200].into(),
            },
        };
        let answer = api.json(Method::PUT, "/v1/recovery", Some(&bob_token), &body).await;
        check(world, &format!("a new recovery code by {case}"), answer, &[RecoveryRefused]).await;
        let bare = api.json(Method::PUT, "/v1/recovery", Some(&bob_token), &body.recovery).await;
        check(world, "a new recovery code without a proof", bare, &[BadRequest]).await;
    }
    // Bob's code is what it was.
    let challenge: http::Challenge =
        api.post("/v1/recovery/challenge", None, &http::RecoveryFor { username: "bob".into() }).await.ok();
    let signature = world.bob.recovery.sign(&challenge.challenge.0).to_vec().into();
    let body = http::Recover { username: "bob".into(), challenge: challenge.challenge, signature };
    api.post("/v1/recovery", None, &body).await.ok::<http::Recovered>();
    // A restore of a device that the server knows, or of an account whose identity it is not.
    let challenge = api.challenge(&world.bob).await;
    let mut liar = world.bob.clone();
    liar.auth = DeviceAuthKey::generate(&mut rng);
    liar.identity = IdentityKeyPair::generate(&mut rng);
    liar.list_version = 99;
    liar.devices = vec![sotto_crypto::ListedDevice { auth_key: liar.auth.public(), ..liar.devices[0] }];
    let body = http::RestoreDevice {
        account_id: liar.address.account,
        device_id: liar.address.device.into(),
        signature: liar.auth.sign(&challenge).to_vec().into(),
        challenge: challenge.into(),
        list: liar.signed_list(&mut rng).into(),
        keys: liar.keys(1, 3, &mut rng),
        encrypted_name: vec![3; 40].into(),
    };
    let answer = api.post("/v1/devices/restore", None, &body).await;
    let want = &[ListSignatureInvalid, ListInvalid, SignatureInvalid, KeyRejected, AccountExists];
    check(world, "a restore under another identity", answer, want).await;
    count_codes + count_lists + count_removals + 6
}

async fn link_code(api: &RawApi, token: &str) -> http::LinkCode {
    api.post("/v1/devices/link-codes", Some(token), &serde_json::json!({})).await.ok()
}

pub async fn keys(world: &World) -> usize {
    type Spoil = fn(&mut http::UploadKeys);
    let mut rng = world.seed.rng(50);
    let uploads: Vec<(&str, Spoil, &[ErrorCode])> = vec![
        ("a low-order key", |keys| keys.one_time_ec[0].public_key.0 = LOW_ORDER.to_vec(), &[KeyRejected]),
        ("an all-zero key", |keys| keys.one_time_ec[0].public_key.0 = [&[5], &[0; 32][..]].concat(), &[KeyRejected]),
        ("a key of no bytes", |keys| keys.one_time_ec[0].public_key.0.clear(), &[KeyRejected]),
        ("a forged Kyber key", |keys| flip(&mut keys.one_time_kyber[0].signature), &[KeyRejected]),
        (
            "another's signed prekey",
            |keys| {
                if let Some(key) = &mut keys.signed_prekey {
                    flip(&mut key.public_key)
                }
            },
            &[KeyRejected],
        ),
        ("a thousand keys", |keys| keys.one_time_ec = vec![keys.one_time_ec[0].clone(); 1000], &[BadRequest, TooLarge]),
    ];
    let mut count = uploads.len();
    for (case, spoil, want) in uploads {
        let keys = world.mallory.keys(1000, 2, &mut rng);
        let mut upload = http::UploadKeys {
            signed_prekey: Some(keys.signed_prekey),
            last_resort_kyber: Some(keys.last_resort_kyber),
            one_time_ec: keys.one_time_ec,
            one_time_kyber: keys.one_time_kyber,
            replace: true,
        };
        spoil(&mut upload);
        let answer = world.api.json(Method::PUT, "/v1/keys", Some(&world.token), &upload).await;
        check(world, case, answer, want).await;
    }
    let bob = world.bob.address.account;
    let nobody = AccountId::try_from(&[9u8; 16][..]).expect("an id");
    let takes: Vec<(&str, AccountId, Vec<u32>, &[ErrorCode])> = vec![
        ("prekeys of no device", bob, vec![], &[BadRequest]),
        ("prekeys of device 0", bob, vec![0], &[BadRequest]),
        ("prekeys of 11 devices", bob, (1..=11).collect(), &[BadRequest]),
        ("prekeys of one device ten times", bob, vec![1; 11], &[BadRequest]),
        ("prekeys of nobody", nobody, vec![1], &[UnknownAccount]),
    ];
    count += takes.len();
    for (case, account, devices, want) in takes {
        let path = format!("/v1/accounts/{account}/prekeys");
        let answer = world.api.post(&path, Some(&world.token), &http::TakePreKeys { devices }).await;
        check(world, case, answer, want).await;
    }
    // Draining: more bundles than one account may take of another are refused, and say when to come back.
    let dora = world.api.register("dora", 2, &mut rng).await;
    let path = format!("/v1/accounts/{}/prekeys", dora.address.account);
    let mut refused = None;
    for _ in 0..200 {
        let answer = world.api.post(&path, Some(&world.token), &http::TakePreKeys { devices: vec![1] }).await;
        if answer.status != 200 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("draining somebody's prekeys is refused at some point");
    assert!(refused.retry_after.is_some(), "it says when to come back");
    check(world, "draining prekeys", refused, &[RateLimited]).await;
    // Fishing for names.
    let mut refused = None;
    for _ in 0..300 {
        let name = format!("/v1/usernames/fish{}", world.rng.lock().await.random_range(0..1_000_000));
        let answer = world.api.get(&name, Some(&world.token)).await;
        if answer.code() != Some(NotFound) {
            refused = Some(answer);
            break;
        }
    }
    check(world, "fishing for names", refused.expect("looking up 300 names is refused"), &[RateLimited]).await;
    count + 2
}
