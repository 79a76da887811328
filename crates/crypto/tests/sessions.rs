//! Sessions between honest devices, however the network treats their messages.

mod common;

use common::{Device, NOW, address, friends, rng, strangers, text_content};
use rand::Rng;
use rand_chacha::ChaCha20Rng;
use sotto_crypto::session::{
    self, AddressField, CiphertextType, DecryptAction, DecryptError, EncryptError, PreKeyRef, SealedMessage, StartError,
};
use sotto_crypto::{EcPreKeyId, IdentityKeyPair, KyberPreKeyId, ProtocolStore};
#[cfg(target_arch = "wasm32")]
use sotto_wasm_test::test;
use std::collections::VecDeque;
use std::time::Duration;

#[test]
fn a_first_message_says_what_it_used_and_uses_it_up() {
    let (mut ann, mut bob, mut rng) = strangers(1);
    ann.start(&bob, 0, &mut rng);
    let message = ann.encrypt(bob.address, "hi", &mut rng);
    assert_eq!(message.kind, CiphertextType::PreKey);
    assert_eq!(message.registration_id, bob.store.own_registration_id().expect("memory"));
    assert!(message.ciphertext.len() < 2000, "{}", message.ciphertext.len());

    let decrypted = bob.decrypt(ann.address, &message, &mut rng).expect("a good first message");
    assert_eq!(common::text_of(&decrypted.content), "hi");
    assert!(decrypted.info.began_session);
    assert_eq!((decrypted.info.version, decrypted.info.counter, decrypted.info.previous_counter), (4, 0, 0));
    let first = decrypted.info.prekey.expect("facts of the first message");
    assert_eq!(first.identity_key, ann.identity.public());
    assert_eq!((first.one_time_ec, first.kyber_prekey), (Some(EcPreKeyId(1)), Some(KyberPreKeyId(2))));
    assert!(!bob.store.one_time_ec_prekeys().any(|id| id == EcPreKeyId(1)));
    assert!(!bob.store.kyber_prekeys().any(|id| id == KyberPreKeyId(2)));
    assert!(bob.store.kyber_prekeys().any(|id| id == KyberPreKeyId(1)), "the last resort stays");

    let answer = bob.encrypt(ann.address, "ho", &mut rng);
    assert_eq!(answer.kind, CiphertextType::Ratchet);
    let decrypted = ann.decrypt(bob.address, &answer, &mut rng).expect("an answer");
    assert!(!decrypted.info.began_session && decrypted.info.prekey.is_none());
    let inspected = session::inspect(answer.kind, &answer.ciphertext).expect("a real message");
    assert_eq!(inspected, decrypted.info);
    assert_eq!(ann.encrypt(bob.address, "now", &mut rng).kind, CiphertextType::Ratchet);
}

#[test]
fn content_comes_out_as_it_went_in_with_its_addresses() {
    let (mut ann, mut bob, mut rng) = friends(2);
    for len in [0, 1, 62, 63, 64, 1000, 1024, 5000, 32 * 1024] {
        let text = "x".repeat(len);
        let message = ann.encrypt(bob.address, &text, &mut rng);
        let content = bob.decrypt(ann.address, &message, &mut rng).expect("it decrypts").content;
        assert_eq!(common::text_of(&content), text);
        assert_eq!(content.sender_account[..], ann.address.account.as_bytes()[..]);
        assert_eq!(content.recipient_account[..], bob.address.account.as_bytes()[..]);
        assert_eq!((content.sender_device, content.recipient_device), (1, 1));
        assert_eq!((content.name.len(), content.sent_at_ms), (16, NOW.as_ms()));
    }
    let too_large = session::encrypt(&mut ann.store, bob.address, text_content(&"x".repeat(65_000)), NOW, &mut rng);
    assert_eq!(too_large, Err(EncryptError::TooLarge));
}

/// The network of the property test: two devices, messages on their way, the network's choices from one seed.
struct Network {
    devices: [Device; 2],
    /// On their way to device 0 and 1: (text, message, number of the sender's chain).
    under_way: [VecDeque<(String, SealedMessage, u32)>; 2],
    delivered: [Vec<(String, SealedMessage)>; 2],
    /// The sender's present ratchet key and how many it has had.
    chains: [([u8; 33], u32); 2],
    rng: ChaCha20Rng,
    counts: [usize; 4], // sent, read, dropped, duplicates refused
}

impl Network {
    const CHAINS_KEPT: u32 = 4;

    fn send(&mut self, from: usize) {
        let to = 1 - from;
        let text = format!("message {} of {from}", self.counts[0]);
        let peer = self.devices[to].address;
        let message = self.devices[from].encrypt(peer, &text, &mut self.rng);
        let key = session::inspect(message.kind, &message.ciphertext).expect("our own").ratchet_key;
        if self.chains[from].0 != key {
            self.chains[from] = (key, self.chains[from].1 + 1);
        }
        self.counts[0] += 1;
        self.under_way[to].push_back((text, message, self.chains[from].1));
        // libsignal keeps the last five chains of a peer; what is older is lost for good (and repaired by the engine).
        while let Some((_, _, chain)) = self.under_way[to].front() {
            if *chain + Self::CHAINS_KEPT > self.chains[from].1 {
                break;
            }
            self.deliver(to, 0);
        }
    }

    fn deliver(&mut self, to: usize, at: usize) {
        let Some((text, message, _)) = self.under_way[to].remove(at) else { return };
        let from = self.devices[1 - to].address;
        let got = self.devices[to].read(from, &message, &mut self.rng);
        assert_eq!(got, text);
        self.counts[1] += 1;
        self.delivered[to].push((text, message));
    }

    fn duplicate(&mut self, to: usize) {
        let recent = self.delivered[to].len().saturating_sub(40);
        if self.delivered[to].is_empty() {
            return;
        }
        let at = self.rng.random_range(recent..self.delivered[to].len());
        let message = self.delivered[to][at].1.clone();
        let (from, before) = (self.devices[1 - to].address, self.devices[to].store.clone());
        let error = self.devices[to].decrypt(from, &message, &mut self.rng).expect_err("it was read before");
        // A chain that is gone cannot say "duplicate" any more; it still never decrypts twice.
        assert!(matches!(error, DecryptError::Duplicate | DecryptError::Invalid), "{error}");
        assert_eq!(self.devices[to].store, before);
        self.counts[3] += usize::from(error == DecryptError::Duplicate);
    }
}

#[test]
fn ten_thousand_messages_in_any_order_with_drops_and_duplicates() {
    let (ann, bob, rng) = friends(3);
    let mut network = Network {
        devices: [ann, bob],
        under_way: Default::default(),
        delivered: Default::default(),
        chains: [([0; 33], 0); 2],
        rng,
        counts: [0; 4],
    };
    while network.counts[0] < 10_000 {
        let side = network.rng.random_range(0..2);
        match network.rng.random_range(0..100) {
            0..46 => {
                // Bursts, as people type.
                for _ in 0..network.rng.random_range(1..4) {
                    network.send(side);
                }
            }
            46..90 => {
                for _ in 0..2 {
                    let waiting = network.under_way[side].len();
                    if waiting > 0 {
                        let at = network.rng.random_range(0..waiting.min(20));
                        network.deliver(side, at);
                    }
                }
            }
            90..95 => {
                let waiting = network.under_way[side].len();
                if waiting > 0 {
                    let at = network.rng.random_range(0..waiting);
                    network.under_way[side].remove(at);
                    network.counts[2] += 1;
                }
            }
            _ => network.duplicate(side),
        }
    }
    for side in 0..2 {
        while !network.under_way[side].is_empty() {
            network.deliver(side, 0);
        }
    }
    let [sent, read, dropped, duplicates] = network.counts;
    assert_eq!(sent, read + dropped, "everything that arrived was read once");
    assert!(dropped > 200 && duplicates > 200, "{dropped} dropped, {duplicates} duplicates");
}

#[test]
fn a_long_one_sided_burst_in_reverse_order() {
    let (mut ann, mut bob, mut rng) = friends(4);
    let messages: Vec<_> = (0..500).map(|at| ann.encrypt(bob.address, &at.to_string(), &mut rng)).collect();
    for (at, message) in messages.iter().enumerate().rev() {
        assert_eq!(bob.read(ann.address, message, &mut rng), at.to_string());
    }
    for message in &messages {
        assert_eq!(bob.decrypt(ann.address, message, &mut rng), Err(DecryptError::Duplicate));
    }
}

#[test]
fn both_sides_opening_at_once_converge() {
    for seed in 0..8 {
        let (mut ann, mut bob, mut rng) = strangers(100 + seed);
        ann.start(&bob, 0, &mut rng);
        bob.start(&ann, 0, &mut rng);
        let from_ann: Vec<_> = (0..3).map(|at| ann.encrypt(bob.address, &format!("a{at}"), &mut rng)).collect();
        let from_bob: Vec<_> = (0..3).map(|at| bob.encrypt(ann.address, &format!("b{at}"), &mut rng)).collect();
        for at in 0..3 {
            // Crossing in every way: one side may read all before the other reads any.
            if seed % 2 == 0 {
                assert_eq!(bob.read(ann.address, &from_ann[at], &mut rng), format!("a{at}"));
            }
            assert_eq!(ann.read(bob.address, &from_bob[at], &mut rng), format!("b{at}"));
        }
        if seed % 2 == 1 {
            for (at, message) in from_ann.iter().enumerate() {
                assert_eq!(bob.read(ann.address, message, &mut rng), format!("a{at}"));
            }
        }
        for round in 0..6 {
            let message = ann.encrypt(bob.address, "ping", &mut rng);
            assert_eq!(bob.read(ann.address, &message, &mut rng), "ping", "round {round}");
            let message = bob.encrypt(ann.address, "pong", &mut rng);
            assert_eq!(ann.read(bob.address, &message, &mut rng), "pong", "round {round}");
        }
        assert_eq!(ann.encrypt(bob.address, "x", &mut rng).kind, CiphertextType::Ratchet);
        assert_eq!(base_key(&ann, &bob), base_key(&bob, &ann), "both use one session");
    }
}

fn base_key(own: &Device, other: &Device) -> Vec<u8> {
    let record = own.store.load_session(other.address).expect("memory").expect("a session");
    let record = libsignal_protocol_syft::SessionRecord::deserialize(record.expose()).expect("a record");
    record.alice_base_key().expect("a session").to_vec()
}

#[test]
fn a_replayed_first_message_is_refused() {
    // One-time keys: the keys are gone. Last resort: its base key is remembered. With the session still there: a duplicate.
    let kyber_gone = DecryptError::UnknownPreKey(PreKeyRef::Kyber(KyberPreKeyId(2)));
    let ec_gone = DecryptError::UnknownPreKey(PreKeyRef::OneTimeEc(EcPreKeyId(1)));
    for (nth, with_one_time_ec, want) in
        [(0, true, kyber_gone), (99, false, DecryptError::ReplayedFirstMessage), (99, true, ec_gone)]
    {
        let (mut ann, mut bob, mut rng) = strangers(5);
        let mut bundle = bob.bundle(nth);
        if with_one_time_ec {
            bundle.one_time_ec = Some(bob.keys.one_time_ec[0].public.clone());
        }
        session::start_session(&mut ann.store, bob.address, &bundle, &bob.list, NOW, &mut rng).expect("a good bundle");
        let first = ann.encrypt(bob.address, "once", &mut rng);
        assert_eq!(bob.read(ann.address, &first, &mut rng), "once");
        assert_eq!(bob.decrypt(ann.address, &first, &mut rng), Err(DecryptError::Duplicate));

        bob.store.remove_session(ann.address);
        let before = bob.store.clone();
        let error = bob.decrypt(ann.address, &first, &mut rng).expect_err("a replay");
        assert_eq!(error, want);
        assert_eq!(bob.store, before);
    }
}

#[test]
fn the_last_resort_serves_many_senders() {
    let (mut ann, mut bob, mut rng) = strangers(6);
    let mut cat = Device::new(0xc3, 0, &mut rng);
    cat.trust(&bob);
    bob.trust(&cat);
    for sender in [&mut ann, &mut cat] {
        sender.start(&bob, 99, &mut rng);
        let message = sender.encrypt(bob.address, "hi", &mut rng);
        assert_eq!(bob.read(sender.address, &message, &mut rng), "hi");
    }
}

#[test]
fn own_devices_talk_to_each_other() {
    let mut rng = rng(7);
    let identity = IdentityKeyPair::generate(&mut rng);
    let mut own = Device::account(0xa1, &[1, 2], &identity, 2, &mut rng);
    let (mut laptop, mut phone) = (own.remove(1), own.remove(0));
    phone.start(&laptop, 0, &mut rng);
    for round in 0..20 {
        let message = phone.encrypt(laptop.address, "sync", &mut rng);
        assert_eq!(laptop.read(phone.address, &message, &mut rng), "sync", "{round}");
        let message = laptop.encrypt(phone.address, "back", &mut rng);
        assert_eq!(phone.read(laptop.address, &message, &mut rng), "back", "{round}");
    }
    let own_device = session::encrypt(&mut phone.store, address(0xa1, 1), text_content("x"), NOW, &mut rng);
    assert_eq!(own_device, Err(EncryptError::OwnDevice));
    let bundle = phone.bundle(0);
    let started = session::start_session(&mut phone.store, address(0xa1, 1), &bundle, &phone.list, NOW, &mut rng);
    assert_eq!(started, Err(StartError::OwnDevice));
}

#[test]
fn sessions_are_usable_until_stale_or_renewed() {
    let (mut ann, mut bob, mut rng) = strangers(8);
    assert_eq!(session::has_session(&ann.store, bob.address, NOW), Ok(false));
    let encrypt = |device: &mut Device, to, now, rng: &mut ChaCha20Rng| {
        session::encrypt(&mut device.store, to, text_content("x"), now, rng)
    };
    assert_eq!(encrypt(&mut ann, bob.address, NOW, &mut rng), Err(EncryptError::NoSession));
    ann.start(&bob, 0, &mut rng);
    let (day_30, day_31) = (NOW.plus(Duration::from_secs(30 * 86_400)), NOW.plus(Duration::from_secs(31 * 86_400)));
    assert_eq!(session::has_session(&ann.store, bob.address, day_30), Ok(true));
    assert_eq!(session::has_session(&ann.store, bob.address, day_31), Ok(false), "nobody answered");
    assert_eq!(encrypt(&mut ann, bob.address, day_31, &mut rng), Err(EncryptError::NoSession));

    let first = ann.encrypt(bob.address, "x", &mut rng);
    bob.read(ann.address, &first, &mut rng);
    let answer = bob.encrypt(ann.address, "y", &mut rng);
    let late = ann.encrypt(bob.address, "under way", &mut rng);
    ann.read(bob.address, &answer, &mut rng);
    assert_eq!(session::has_session(&ann.store, bob.address, day_31), Ok(true), "answered sessions stay");

    session::renew_session(&mut bob.store, ann.address).expect("memory");
    assert_eq!(session::has_session(&bob.store, ann.address, NOW), Ok(false));
    assert_eq!(encrypt(&mut bob, ann.address, NOW, &mut rng), Err(EncryptError::NoSession));
    bob.start(&ann, 0, &mut rng);
    let renewed = bob.encrypt(ann.address, "renewed", &mut rng);
    assert_eq!(renewed.kind, CiphertextType::PreKey);
    assert_eq!(bob.read(ann.address, &late, &mut rng), "under way");
    assert_eq!(ann.read(bob.address, &renewed, &mut rng), "renewed");
}

#[test]
fn an_unreadable_session_counts_as_none_and_is_replaced() {
    let (mut ann, mut bob, mut rng) = friends(9);
    let lost = ann.encrypt(bob.address, "lost", &mut rng);
    bob.store.store_session(ann.address, &vec![0xff; 40].into()).expect("memory");
    assert_eq!(bob.decrypt(ann.address, &lost, &mut rng), Err(DecryptError::NoSession));
    assert_eq!(session::has_session(&bob.store, ann.address, NOW), Ok(false));
    bob.start(&ann, 1, &mut rng);
    let renewed = bob.encrypt(ann.address, "again", &mut rng);
    assert_eq!(ann.read(bob.address, &renewed, &mut rng), "again");
}

#[test]
fn lost_state_is_told_apart() {
    let (mut ann, mut bob, mut rng) = friends(10);
    let message = ann.encrypt(bob.address, "x", &mut rng);
    bob.store.remove_session(ann.address);
    let error = bob.decrypt(ann.address, &message, &mut rng).expect_err("no session");
    assert_eq!((error.action(), error), (DecryptAction::Repair, DecryptError::NoSession));
}

#[test]
fn identities_must_be_the_trusted_ones() {
    let (mut ann, mut bob, mut rng) = strangers(11);
    let stranger = Device::new(0xb2, 1, &mut rng);
    let (real, other) = (bob.identity.public(), stranger.identity.public());

    // A bundle and list of another identity under Bob's account, as a server could make them.
    let before = ann.store.clone();
    let start = session::start_session(&mut ann.store, bob.address, &stranger.bundle(0), &stranger.list, NOW, &mut rng);
    let account = bob.address.account;
    assert_eq!(start, Err(StartError::UntrustedIdentity { account, trusted: Some(real), got: other }));
    assert_eq!(ann.store, before);

    // A first message of an account nobody decided about.
    let mut cat = Device::new(0xc3, 1, &mut rng);
    cat.trust(&bob);
    cat.start(&bob, 0, &mut rng);
    let message = cat.encrypt(bob.address, "hi", &mut rng);
    let before = bob.store.clone();
    let error = bob.decrypt(cat.address, &message, &mut rng).expect_err("a stranger");
    assert_eq!(error.action(), DecryptAction::DecideTrust);
    let (account, got) = (cat.address.account, cat.identity.public());
    assert_eq!(error, DecryptError::UntrustedIdentity { account, trusted: None, got });
    assert_eq!(bob.store, before);
    bob.trust(&cat);
    assert_eq!(bob.read(cat.address, &message, &mut rng), "hi", "after the decision the same message opens");

    // The trusted key changes under a session that stands: neither direction goes on in it.
    ann.start(&bob, 1, &mut rng);
    let first = ann.encrypt(bob.address, "x", &mut rng);
    bob.read(ann.address, &first, &mut rng);
    let answer = bob.encrypt(ann.address, "y", &mut rng);
    ann.store.trust(bob.address.account, other);
    let account = bob.address.account;
    let refused = ann.decrypt(bob.address, &answer, &mut rng);
    assert_eq!(refused, Err(DecryptError::UntrustedIdentity { account, trusted: Some(other), got: real }));
    let refused = session::encrypt(&mut ann.store, bob.address, text_content("x"), NOW, &mut rng);
    assert_eq!(refused, Err(EncryptError::UntrustedIdentity { account, trusted: Some(other), got: real }));
}

#[test]
fn bundles_must_fit_the_list() {
    let (mut ann, bob, mut rng) = strangers(12);
    let mut start = |bundle: sotto_wire::http::PreKeyBundle, list| {
        let before = ann.store.clone();
        let result = session::start_session(&mut ann.store, bob.address, &bundle, list, NOW, &mut rng);
        assert!(result.is_ok() || ann.store == before);
        result
    };
    let mut other_device = bob.bundle(0);
    other_device.device_id = 2;
    assert_eq!(start(other_device, &bob.list), Err(StartError::NotListed));
    let mut other_registration = bob.bundle(0);
    other_registration.registration_id ^= 1;
    assert_eq!(start(other_registration, &bob.list), Err(StartError::NotListed));
    let mut bad_signature = bob.bundle(0);
    bad_signature.kyber_prekey.signature.0[0] ^= 1;
    assert!(matches!(start(bad_signature, &bob.list), Err(StartError::Bundle(_))));
    let mut low_order = bob.bundle(0);
    low_order.one_time_ec.as_mut().expect("one").public_key.0 = [&[5][..], &[0; 32]].concat();
    assert!(matches!(start(low_order, &bob.list), Err(StartError::Bundle(_))));
    assert_eq!(start(bob.bundle(0), &bob.list), Ok(()));
}

#[test]
fn content_for_another_device_is_refused() {
    // Bob's second device has the same identity: a server could redirect within the account.
    let mut rng = rng(13);
    let identity = IdentityKeyPair::generate(&mut rng);
    let mut bobs = Device::account(0xb2, &[1, 2], &identity, 2, &mut rng);
    let mut ann = Device::new(0xa1, 2, &mut rng);
    ann.trust(&bobs[0]);
    for bob in &mut bobs {
        bob.trust(&ann);
    }
    // Bob's second device writes; the server says it was the first.
    let [first, second] = &mut bobs[..] else { panic!("two devices") };
    second.start(&ann, 0, &mut rng);
    let message = second.encrypt(ann.address, "from 2", &mut rng);
    let before = ann.store.clone();
    let error = ann.decrypt(first.address, &message, &mut rng).expect_err("redirected");
    assert_eq!(error, DecryptError::WrongAddress(AddressField::SenderDevice));
    assert_eq!(error.action(), DecryptAction::Drop);
    assert_eq!(ann.store, before, "the prekeys are still there");
    assert_eq!(ann.read(second.address, &message, &mut rng), "from 2");
}
