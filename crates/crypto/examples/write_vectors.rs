//! Writes the test vectors of a version: `cargo run -p sotto-crypto --example write_vectors -- crates/crypto/tests/vectors/v1.json`.
//! Refuses to replace a file: what a release wrote must open for ever.

#[path = "../tests/common/mod.rs"]
mod common;

use common::{Device, rng};
use sotto_crypto::provisioning::LinkInvitation;
use sotto_crypto::recovery::RecoveryContents;
use sotto_crypto::{DistributionId, ProtocolStore, RecoveryCode, SafetyNumber, device_list, device_name, sender_keys};
use sotto_types::{Secret, Username};
use std::collections::BTreeMap;

const GROUP: DistributionId = DistributionId::from_bytes([0xd1; 16]);

fn main() {
    let mut rng = rng(0x50770);
    let mut ann = Device::new(0xa1, 0, &mut rng);
    let mut bob = Device::new(0xb2, 0, &mut rng);
    ann.trust(&bob);
    bob.trust(&ann);
    let mut vectors = BTreeMap::new();
    let mut put = |name: &str, bytes: &[u8]| {
        vectors.insert(name.to_owned(), hex::encode(bytes));
    };
    put("bob identity key pair", bob.identity.serialize().expose());
    put("ann identity key", ann.identity.public().as_bytes());
    let list = device_list::sign_device_list(&bob.identity, bob.address.account, 1, bob.list.devices(), &mut rng)
        .expect("a list");
    put("bob list payload", &list.payload);
    put("bob list signature", &list.signature);
    put("bob device name", &device_name::encrypt_device_name(&bob.identity, "Bob's laptop", &mut rng));
    put("bob signed prekey", bob.keys.signed.record.expose());
    put("bob last-resort kyber prekey", bob.keys.last_resort.record.expose());

    ann.start(&bob, 0, &mut rng);
    let first = ann.encrypt(bob.address, "the first message", &mut rng);
    put("first message", &first.ciphertext);
    bob.read(ann.address, &first, &mut rng);
    for _ in 0..3 {
        let message = bob.encrypt(ann.address, "back", &mut rng);
        ann.read(bob.address, &message, &mut rng);
        let message = ann.encrypt(bob.address, "forth", &mut rng);
        bob.read(ann.address, &message, &mut rng);
    }
    let late = ann.encrypt(bob.address, "sent before, read later", &mut rng);
    let skipping = ann.encrypt(bob.address, "x", &mut rng);
    bob.read(ann.address, &skipping, &mut rng);
    put("late message", &late.ciphertext);
    put("bob session", bob.store.load_session(ann.address).expect("memory").expect("a session").expose());
    put("next message", &ann.encrypt(bob.address, "the next message", &mut rng).ciphertext);

    let distribution = sender_keys::create_distribution(&mut ann.store, GROUP, &mut rng).expect("a key");
    sender_keys::process_distribution(&mut bob.store, ann.address, distribution.expose()).expect("a key");
    put("sender key of ann", bob.store.load_sender_key(ann.address, GROUP).expect("memory").expect("a key").expose());
    put("group message", &sender_keys::encrypt(&mut ann.store, GROUP, b"to the group", &mut rng).expect("a key"));

    let code = RecoveryCode::generate(&mut rng);
    let contents = RecoveryContents {
        account: bob.address.account,
        username: Username::parse("bob").expect("a name"),
        identity: bob.identity.clone(),
        profile_key: Secret::new([7; 32]),
    };
    put("recovery backup", &code.seal(&contents, &mut rng));
    put("recovery auth key", code.auth_key().public().as_bytes());
    let number =
        SafetyNumber::new((bob.address.account, &bob.identity.public()), (ann.address.account, &ann.identity.public()));
    put("safety number, scannable", &number.scannable());
    vectors.insert("safety number".into(), number.to_string());
    vectors.insert("recovery code".into(), code.to_text().expose().clone());
    let key = sotto_crypto::provisioning::LinkKeyPair::generate(&mut rng);
    let link = LinkInvitation::new("http://127.0.0.1:8080", "0123456789abcdef", &key).expect("good parts");
    vectors.insert("link text".into(), link.to_text());

    let path = std::env::args().nth(1).expect("the file to write");
    let text = serde_json::to_string_pretty(&vectors).expect("strings") + "\n";
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).open(&path).expect("no vectors of that name yet");
    std::io::Write::write_all(&mut file, text.as_bytes()).expect("written");
}
