//! Sender keys: one ciphertext for all, in any order, each once.

mod common;

use common::{Device, rng};
use rand::seq::SliceRandom;
use sotto_crypto::sender_keys::{self, GroupError};
use sotto_crypto::{DistributionId, KeyError};
#[cfg(target_arch = "wasm32")]
use sotto_wasm_test::test;

const GROUP: DistributionId = DistributionId::from_bytes([0xd1; 16]);

fn members(seed: u64) -> (Device, Device, Device, rand_chacha::ChaCha20Rng) {
    let mut rng = rng(seed);
    let [ann, bob, cat] = [0xa1, 0xb2, 0xc3].map(|account| Device::new(account, 0, &mut rng));
    (ann, bob, cat, rng)
}

#[test]
fn all_members_read_in_any_order_each_message_once() {
    let (mut ann, mut bob, mut cat, mut rng) = members(1);
    let distribution = sender_keys::create_distribution(&mut ann.store, GROUP, &mut rng).expect("a key");
    for member in [&mut bob, &mut cat] {
        let id = sender_keys::process_distribution(&mut member.store, ann.address, distribution.expose());
        assert_eq!(id, Ok(GROUP));
    }
    let mut messages: Vec<(u32, Vec<u8>)> = (0..300u32)
        .map(|at| {
            let body = at.to_be_bytes();
            (at, sender_keys::encrypt(&mut ann.store, GROUP, &body, &mut rng).expect("a key"))
        })
        .collect();
    for member in [&mut bob, &mut cat] {
        messages.shuffle(&mut rng);
        for (at, message) in &messages {
            let got = sender_keys::decrypt(&mut member.store, ann.address, message).expect("it opens");
            assert_eq!((got.distribution, got.iteration), (GROUP, *at));
            assert_eq!(got.body.expose()[..], at.to_be_bytes());
        }
        for (_, message) in &messages {
            let before = member.store.clone();
            let again = sender_keys::decrypt(&mut member.store, ann.address, message).map(|_| ());
            assert_eq!(again, Err(GroupError::Duplicate));
            assert_eq!(member.store, before);
        }
    }
}

#[test]
fn who_joins_later_reads_from_there_on() {
    let (mut ann, mut bob, _, mut rng) = members(2);
    sender_keys::create_distribution(&mut ann.store, GROUP, &mut rng).expect("a key");
    let early = sender_keys::encrypt(&mut ann.store, GROUP, b"early", &mut rng).expect("a key");
    let distribution = sender_keys::create_distribution(&mut ann.store, GROUP, &mut rng).expect("the same key");
    sender_keys::process_distribution(&mut bob.store, ann.address, distribution.expose()).expect("a key");
    let late = sender_keys::encrypt(&mut ann.store, GROUP, b"late", &mut rng).expect("a key");
    assert_eq!(sender_keys::decrypt(&mut bob.store, ann.address, &early).map(|_| ()), Err(GroupError::Duplicate));
    let got = sender_keys::decrypt(&mut bob.store, ann.address, &late).expect("it opens");
    assert_eq!(got.body.expose()[..], *b"late");
    // The same distribution again does not turn the chain back.
    sender_keys::process_distribution(&mut bob.store, ann.address, distribution.expose()).expect("known");
    assert_eq!(sender_keys::decrypt(&mut bob.store, ann.address, &late).map(|_| ()), Err(GroupError::Duplicate));
}

#[test]
fn keys_belong_to_the_device_they_came_from() {
    let (mut ann, mut bob, mut cat, mut rng) = members(3);
    let missing = sender_keys::encrypt(&mut ann.store, GROUP, b"x", &mut rng);
    assert_eq!(missing, Err(GroupError::NoSenderKey(GROUP)));
    let distribution = sender_keys::create_distribution(&mut ann.store, GROUP, &mut rng).expect("a key");
    sender_keys::process_distribution(&mut bob.store, ann.address, distribution.expose()).expect("a key");
    let message = sender_keys::encrypt(&mut ann.store, GROUP, b"x", &mut rng).expect("a key");
    let as_cat = sender_keys::decrypt(&mut bob.store, cat.address, &message).map(|_| ());
    assert_eq!(as_cat, Err(GroupError::NoSenderKey(GROUP)));
    // A member who has Ann's key cannot write as Ann: the signing key's private half is only hers.
    sender_keys::process_distribution(&mut cat.store, ann.address, distribution.expose()).expect("a key");
    let forged = sender_keys::encrypt(&mut cat.store, GROUP, b"x", &mut rng);
    assert_eq!(forged, Err(GroupError::NoSenderKey(GROUP)));
    let own = sender_keys::decrypt(&mut ann.store, ann.address, &message).map(|_| ());
    assert_eq!(own, Err(GroupError::OwnDevice));
    let own = sender_keys::process_distribution(&mut ann.store, ann.address, distribution.expose());
    assert_eq!(own, Err(GroupError::OwnDevice));
}

#[test]
fn changed_bytes_never_open_and_change_nothing() {
    let (mut ann, mut bob, _, mut rng) = members(4);
    let distribution = sender_keys::create_distribution(&mut ann.store, GROUP, &mut rng).expect("a key");
    sender_keys::process_distribution(&mut bob.store, ann.address, distribution.expose()).expect("a key");
    let message = sender_keys::encrypt(&mut ann.store, GROUP, b"body", &mut rng).expect("a key");
    let before = bob.store.clone();
    for bit in 0..message.len() * 8 {
        let mut changed = message.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let result = sender_keys::decrypt(&mut bob.store, ann.address, &changed).map(|_| ());
        assert!(matches!(result, Err(ref error) if *error != GroupError::Panicked), "bit {bit}: {result:?}");
    }
    for end in 0..message.len() {
        assert!(sender_keys::decrypt(&mut bob.store, ann.address, &message[..end]).is_err(), "cut at {end}");
    }
    for end in 0..distribution.expose().len() {
        let cut = &distribution.expose()[..end];
        assert!(sender_keys::process_distribution(&mut bob.store, ann.address, cut).is_err(), "cut at {end}");
    }
    assert_eq!(bob.store, before);
    sender_keys::decrypt(&mut bob.store, ann.address, &message).expect("the real one still opens");
}

#[test]
fn a_low_order_signing_key_is_refused() {
    let (mut ann, mut bob, _, mut rng) = members(5);
    let distribution = sender_keys::create_distribution(&mut ann.store, GROUP, &mut rng).expect("a key");
    let real =
        libsignal_protocol_syft::SenderKeyDistributionMessage::try_from(&distribution.expose()[..]).expect("real");
    let key = real.signing_key().expect("a key").serialize();
    let at = distribution.expose().windows(key.len()).position(|window| *window == *key).expect("it is in there");
    let mut forged = distribution.expose().clone();
    forged[at + 1..at + key.len()].fill(0);
    let result = sender_keys::process_distribution(&mut bob.store, ann.address, &forged);
    assert_eq!(result, Err(GroupError::Key(KeyError::LowOrder)));
}
