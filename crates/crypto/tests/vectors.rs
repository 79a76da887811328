//! What was stored and sent by the first version must open for ever. The file in `vectors/` was written once, by
//! `cargo run -p sotto-crypto --example write_vectors`, and is never written again: a later version adds its own.

mod common;

use common::{NOW, rng};
use sotto_crypto::provisioning::{LinkInvitation, LinkTextError};
use sotto_crypto::session::{self, CiphertextType};
use sotto_crypto::{
    DistributionId, EcPreKeyId, IdentityKey, IdentityKeyPair, KyberPreKeyId, MemoryStore, ProtocolStore, RecoveryCode,
    SafetyNumber, SignedPreKeyId, device_list, device_name, sender_keys,
};
use sotto_types::Secret;
#[cfg(target_arch = "wasm32")]
use sotto_wasm_test::test;
use std::collections::BTreeMap;

const GROUP: DistributionId = DistributionId::from_bytes([0xd1; 16]);

struct Vectors(BTreeMap<String, String>);

impl Vectors {
    fn load() -> Self {
        Self(serde_json::from_str(include_str!("vectors/v1.json")).expect("a JSON object of strings"))
    }

    fn text(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("there is no {name}"))
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        hex::decode(self.text(name)).expect("hex")
    }

    fn secret(&self, name: &str) -> Secret<Vec<u8>> {
        self.bytes(name).into()
    }
}

#[test]
fn an_identity_and_a_list_open() {
    let vectors = Vectors::load();
    let identity = IdentityKeyPair::parse(&vectors.bytes("bob identity key pair")).expect("a pair");
    let list =
        device_list::verify_device_list(&vectors.bytes("bob list payload"), &vectors.bytes("bob list signature"))
            .expect("a list");
    assert_eq!(list.identity_key(), identity.public());
    assert_eq!((list.account(), list.version()), (common::address(0xb2, 1).account, 1));
    let name = device_name::decrypt_device_name(&identity, &vectors.bytes("bob device name"));
    assert_eq!(name.as_deref(), Ok("Bob's laptop"));
}

#[test]
fn prekeys_and_first_messages_open() {
    let vectors = Vectors::load();
    let (mut bob, ann) = bob_store(&vectors);
    bob.add_signed_prekey(SignedPreKeyId(1), vectors.secret("bob signed prekey"));
    bob.add_kyber_prekey(KyberPreKeyId(1), vectors.secret("bob last-resort kyber prekey"), true);
    let message = vectors.bytes("first message");
    let got = session::decrypt(&mut bob, ann, CiphertextType::PreKey, &message, &mut rng(1)).expect("it opens");
    assert_eq!(common::text_of(&got.content), "the first message");
    let first = got.info.prekey.expect("a first message");
    assert_eq!((first.signed_prekey, first.kyber_prekey), (SignedPreKeyId(1), Some(KyberPreKeyId(1))));
    assert_eq!(first.one_time_ec, None::<EcPreKeyId>);
}

#[test]
fn a_stored_session_goes_on() {
    let vectors = Vectors::load();
    let (mut bob, ann) = bob_store(&vectors);
    bob.store_session(ann, &vectors.secret("bob session")).expect("memory");
    for (name, want) in [("late message", "sent before, read later"), ("next message", "the next message")] {
        let message = vectors.bytes(name);
        let got = session::decrypt(&mut bob, ann, CiphertextType::Ratchet, &message, &mut rng(2)).expect(name);
        assert_eq!(common::text_of(&got.content), want);
    }
    assert_eq!(session::has_session(&bob, ann, NOW), Ok(true));
    session::encrypt(&mut bob, ann, common::text_content("and an answer"), NOW, &mut rng(3)).expect("it goes on");
}

#[test]
fn a_stored_sender_key_goes_on() {
    let vectors = Vectors::load();
    let (mut bob, ann) = bob_store(&vectors);
    bob.store_sender_key(ann, GROUP, &vectors.secret("sender key of ann")).expect("memory");
    let got = sender_keys::decrypt(&mut bob, ann, &vectors.bytes("group message")).expect("it opens");
    assert_eq!(got.body.expose()[..], *b"to the group");
}

#[test]
fn a_recovery_code_opens_its_backup() {
    let vectors = Vectors::load();
    let code = RecoveryCode::parse(vectors.text("recovery code")).expect("a code");
    assert_eq!(hex::encode(code.auth_key().public().as_bytes()), vectors.text("recovery auth key"));
    let contents = code.open(&vectors.bytes("recovery backup")).expect("it opens");
    assert_eq!(contents.username.as_str(), "bob");
    assert_eq!(contents.identity.serialize(), vectors.secret("bob identity key pair"));
}

#[test]
fn safety_numbers_and_link_texts_stay() {
    let vectors = Vectors::load();
    let bob = IdentityKeyPair::parse(&vectors.bytes("bob identity key pair")).expect("a pair").public();
    let ann = IdentityKey::parse(&vectors.bytes("ann identity key")).expect("a key");
    let number = SafetyNumber::new((common::address(0xb2, 1).account, &bob), (common::address(0xa1, 1).account, &ann));
    assert_eq!(number.to_string(), vectors.text("safety number"));
    assert_eq!(hex::encode(number.scannable()), vectors.text("safety number, scannable"));
    let link = LinkInvitation::parse(vectors.text("link text")).expect("a link");
    assert_eq!((link.server(), link.link()), ("http://127.0.0.1:8080", "0123456789abcdef"));
    assert_eq!(LinkInvitation::parse("sotto://link?v=2"), Err(LinkTextError::Newer));
}

fn bob_store(vectors: &Vectors) -> (MemoryStore, sotto_types::DeviceAddress) {
    let identity = IdentityKeyPair::parse(&vectors.bytes("bob identity key pair")).expect("a pair");
    let mut store = MemoryStore::new(common::address(0xb2, 1), identity, 1);
    let ann = common::address(0xa1, 1);
    store.trust(ann.account, IdentityKey::parse(&vectors.bytes("ann identity key")).expect("a key"));
    (store, ann)
}
