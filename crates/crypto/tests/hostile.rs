//! Messages that somebody made or changed to do harm: each gets a typed error, changes nothing, and the session lives on.

mod common;

use common::{Device, friends, rng, strangers};
use libsignal_protocol_syft as signal;
use rand_chacha::ChaCha20Rng;
use signal::CiphertextMessage;
use sotto_crypto::session::{self, CiphertextType, DecryptAction, DecryptError, Guard, SealedMessage};
use sotto_crypto::{IdentityKeyPair, KeyError, ProtocolStore};
use sotto_types::DeviceAddress;
#[cfg(target_arch = "wasm32")]
use sotto_wasm_test::test;
use web_time::Instant;

fn parse_ratchet(message: &SealedMessage) -> signal::SignalMessage {
    signal::SignalMessage::try_from(&message.ciphertext[..]).expect("a ratchet message")
}

fn parse_prekey(message: &SealedMessage) -> signal::PreKeySignalMessage {
    signal::PreKeySignalMessage::try_from(&message.ciphertext[..]).expect("a prekey message")
}

/// What a forger can change without knowing any key, starting from a real message it saw.
struct Forgery {
    version: u8,
    ratchet_key: signal::PublicKey,
    counter: u32,
    pq_ratchet: Vec<u8>,
}

impl Forgery {
    fn of(real: &signal::SignalMessage) -> Self {
        Self {
            version: real.message_version(),
            ratchet_key: *real.sender_ratchet_key(),
            counter: real.counter(),
            pq_ratchet: real.pq_ratchet().clone(),
        }
    }

    fn message(&self, rng: &mut ChaCha20Rng) -> signal::SignalMessage {
        let identity = signal::IdentityKey::new(signal::KeyPair::generate(rng).public_key);
        signal::SignalMessage::new(
            self.version,
            &[7; 32],
            self.ratchet_key,
            self.counter,
            0,
            &[0; 16],
            &identity,
            &identity,
            &self.pq_ratchet,
        )
        .expect("any fields make a message")
    }
}

fn sealed(kind: CiphertextType, bytes: &[u8]) -> SealedMessage {
    SealedMessage { kind, registration_id: 1, ciphertext: bytes.to_vec() }
}

fn expect_refused(
    bob: &mut Device,
    from: DeviceAddress,
    message: &SealedMessage,
    rng: &mut ChaCha20Rng,
    name: &str,
) -> DecryptError {
    let before = bob.store.clone();
    let error = bob.decrypt(from, message, rng).map(|_| ()).expect_err(name);
    assert_ne!(error, DecryptError::Panicked, "{name}");
    assert_eq!(bob.store, before, "{name} changed the store");
    error
}

/// The 5 shapes of the ratchet field that a prototype found: several made SPQR 1.2.0 panic before the MAC was checked.
fn forged_ratchet_fields(real: &[u8]) -> Vec<(&'static str, Vec<u8>, Guard)> {
    let replaced = |at: usize, byte: u8| {
        let mut field = real.to_vec();
        field[at] = byte;
        field
    };
    let endless = [1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1, 0];
    let last_epoch = [1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 1, 0];
    vec![
        ("truncated after index", vec![1, 1, 1], Guard::RatchetField),
        ("epoch 0", replaced(1, 0), Guard::RatchetField),
        ("endless varint", endless.to_vec(), Guard::RatchetField),
        ("epoch u64::MAX", last_epoch.to_vec(), Guard::RatchetField),
        ("huge index", [&[1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f], &real[3..]].concat(), Guard::TooFarAhead),
        ("no ratchet: a downgrade", vec![], Guard::Version),
        ("version 0", replaced(0, 0), Guard::Version),
        ("version 2", replaced(0, 2), Guard::Version),
    ]
}

#[test]
fn forged_ratchet_fields_are_refused_and_the_session_lives() {
    let (mut ann, mut bob, mut rng) = friends(1);
    let real = ann.encrypt(bob.address, "z", &mut rng);
    let parsed = parse_ratchet(&real);
    for (name, field, want) in forged_ratchet_fields(parsed.pq_ratchet()) {
        let forged = Forgery { pq_ratchet: field, ..Forgery::of(&parsed) }.message(&mut rng);
        let message = sealed(CiphertextType::Ratchet, forged.serialized());
        let error = expect_refused(&mut bob, ann.address, &message, &mut rng, name);
        assert_eq!(error, DecryptError::Forged(want), "{name}");
        assert_eq!(error.action(), DecryptAction::Repair);
    }
    assert_eq!(bob.read(ann.address, &real, &mut rng), "z");
}

#[test]
fn the_same_inside_a_first_message() {
    let (mut ann, mut bob, mut rng) = strangers(2);
    ann.start(&bob, 0, &mut rng);
    let real = ann.encrypt(bob.address, "first", &mut rng);
    let outer = parse_prekey(&real);
    let rebuild = |inner: signal::SignalMessage, base_key, identity, version| {
        let id = outer.kyber_pre_key_id().expect("PQXDH");
        let kyber = signal::KyberPayload::new(id, outer.kyber_ciphertext().expect("PQXDH").clone());
        let message = signal::PreKeySignalMessage::new(
            version,
            outer.registration_id(),
            outer.pre_key_id(),
            outer.signed_pre_key_id(),
            Some(kyber),
            base_key,
            identity,
            inner,
        );
        sealed(CiphertextType::PreKey, message.expect("any fields make a message").serialized())
    };
    for (name, field, want) in forged_ratchet_fields(outer.message().pq_ratchet()) {
        let inner = Forgery { pq_ratchet: field, ..Forgery::of(outer.message()) }.message(&mut rng);
        let message = rebuild(inner, *outer.base_key(), *outer.identity_key(), 4);
        let error = expect_refused(&mut bob, ann.address, &message, &mut rng, name);
        assert_eq!(error, DecryptError::Forged(want), "{name}");
    }

    let low = signal::PublicKey::deserialize(&[&[5][..], &[0; 32]].concat()).expect("libsignal takes it");
    let low_identity = signal::IdentityKey::new(low);
    let own_identity = signal::IdentityKey::decode(bob.identity.public().as_bytes()).expect("a key");
    let low_order = DecryptError::Forged(Guard::Key(KeyError::LowOrder));
    let inner = || outer.message().clone();
    let low_ratchet_key = Forgery { ratchet_key: low, ..Forgery::of(outer.message()) }.message(&mut rng);
    for (name, message, want) in [
        (
            "version 3",
            rebuild(inner(), *outer.base_key(), *outer.identity_key(), 3),
            DecryptError::Forged(Guard::Version),
        ),
        ("low-order base key", rebuild(inner(), low, *outer.identity_key(), 4), low_order.clone()),
        ("low-order identity", rebuild(inner(), *outer.base_key(), low_identity, 4), low_order.clone()),
        ("low-order ratchet key", rebuild(low_ratchet_key, *outer.base_key(), *outer.identity_key(), 4), low_order),
        (
            "our identity under another account",
            rebuild(inner(), *outer.base_key(), own_identity, 4),
            DecryptError::Forged(Guard::OwnIdentityElsewhere),
        ),
    ] {
        let error = expect_refused(&mut bob, ann.address, &message, &mut rng, name);
        assert_eq!(error, want, "{name}");
    }
    assert_eq!(bob.read(ann.address, &real, &mut rng), "first", "no prekey was used up");
}

#[test]
fn a_device_that_is_not_ours_cannot_join_our_account() {
    let mut rng = rng(3);
    let identity = IdentityKeyPair::generate(&mut rng);
    let mut own = Device::account(0xa1, &[1], &identity, 2, &mut rng).remove(0);
    // The server made a second "device" of the account with an identity of its own.
    let false_identity = IdentityKeyPair::generate(&mut rng);
    let mut mallory = Device::account(0xa1, &[1, 2], &false_identity, 2, &mut rng).remove(1);
    let list = own.list.clone();
    let bundle = own.bundle(0);
    // Mallory's client has no scruples; ours, as hers, would refuse to start with a foreign identity in the own account.
    let mut elsewhere = Device::new(0xee, 0, &mut rng);
    elsewhere.trust(&own);
    session::start_session(&mut elsewhere.store, own.address, &bundle, &list, common::NOW, &mut rng)
        .expect("a good bundle");
    let message = elsewhere.encrypt(own.address, "I am you", &mut rng);
    let error = expect_refused(&mut own, mallory.address, &message, &mut rng, "foreign identity");
    assert_eq!(error, DecryptError::Forged(Guard::ForeignIdentityOnOwnAccount));
    let started = session::start_session(&mut mallory.store, own.address, &bundle, &list, common::NOW, &mut rng);
    assert!(started.is_err(), "{started:?}");
    let error = expect_refused(&mut own.clone(), own.address, &message, &mut rng, "from ourselves");
    assert_eq!(error, DecryptError::Forged(Guard::OwnIdentityElsewhere));
}

#[test]
fn claims_to_be_far_ahead_cost_nothing() {
    // Between own devices libsignal sets no limit: four thousand million key derivations would run for hours.
    let mut rng = rng(4);
    let identity = IdentityKeyPair::generate(&mut rng);
    let mut own = Device::account(0xa1, &[1, 2], &identity, 2, &mut rng);
    let (mut laptop, mut phone) = (own.remove(1), own.remove(0));
    phone.start(&laptop, 0, &mut rng);
    let first = phone.encrypt(laptop.address, "hi", &mut rng);
    laptop.read(phone.address, &first, &mut rng);
    let answer = laptop.encrypt(phone.address, "hi", &mut rng);
    phone.read(laptop.address, &answer, &mut rng);
    let real = phone.encrypt(laptop.address, "real", &mut rng);
    let parsed = parse_ratchet(&real);
    let begun = Instant::now();
    for counter in [2_010, 25_010, 1_000_000, u32::MAX] {
        let forged = Forgery { counter, ..Forgery::of(&parsed) }.message(&mut rng);
        let message = sealed(CiphertextType::Ratchet, forged.serialized());
        let error = expect_refused(&mut laptop, phone.address, &message, &mut rng, "far ahead");
        assert_eq!(error, DecryptError::Forged(Guard::TooFarAhead), "{counter}");
    }
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    assert_eq!(laptop.read(phone.address, &real, &mut rng), "real");
}

#[test]
fn a_long_one_sided_conversation_may_go_beyond_the_limit_of_one_jump() {
    let (mut ann, mut bob, mut rng) = friends(5);
    for at in 0..26_000u32 {
        let message = ann.encrypt(bob.address, "", &mut rng);
        // Most are lost, but never so many in a row that it would look forged.
        if at % 1_000 == 0 || at > 25_990 {
            bob.decrypt(ann.address, &message, &mut rng).expect("it decrypts");
        }
    }
}

#[test]
fn a_slow_forgery_costs_less_than_it_annoys() {
    // The farthest lie that passes the guards still costs a bounded time and changes nothing.
    let (mut ann, mut bob, mut rng) = friends(10);
    let real = ann.encrypt(bob.address, "real", &mut rng);
    let parsed = parse_ratchet(&real);
    let begun = Instant::now();
    let forged = Forgery { counter: 2_000, ..Forgery::of(&parsed) }.message(&mut rng);
    let message = sealed(CiphertextType::Ratchet, forged.serialized());
    let error = expect_refused(&mut bob, ann.address, &message, &mut rng, "as far as allowed");
    assert_eq!(error, DecryptError::Invalid);
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    assert_eq!(bob.read(ann.address, &real, &mut rng), "real");
}

#[test]
fn every_flipped_bit_and_every_cut_is_refused() {
    let (mut ann, mut bob, mut rng) = strangers(6);
    ann.start(&bob, 0, &mut rng);
    let first = ann.encrypt(bob.address, "first", &mut rng);
    check_changed(&mut bob, ann.address, &first, 3, &mut rng);
    assert_eq!(bob.read(ann.address, &first, &mut rng), "first");
    let answer = bob.encrypt(ann.address, "answer", &mut rng);
    check_changed(&mut ann, bob.address, &answer, 1, &mut rng);
    assert_eq!(ann.read(bob.address, &answer, &mut rng), "answer");
}

/// Flips every `step`-th bit (a first message costs a key agreement each time) and cuts at every length.
fn check_changed(to: &mut Device, from: DeviceAddress, message: &SealedMessage, step: usize, rng: &mut ChaCha20Rng) {
    let before = to.store.clone();
    for bit in (0..message.ciphertext.len() * 8).step_by(step) {
        let mut changed = message.clone();
        changed.ciphertext[bit / 8] ^= 1 << (bit % 8);
        match to.decrypt(from, &changed, rng) {
            Err(error) => assert_ne!(error, DecryptError::Panicked, "bit {bit}"),
            // Only what is outside every MAC and signature may change: the registration id of a first message, and
            // protobuf field tags turned into unknown ones that were optional. The content is then the same.
            Ok(decrypted) => {
                assert_eq!(message.kind, CiphertextType::PreKey, "bit {bit} of a ratchet message");
                assert_eq!(common::text_of(&decrypted.content), "first", "bit {bit}");
                to.store = before.clone();
            }
        }
        assert_eq!(to.store, before, "bit {bit}");
    }
    for end in 0..message.ciphertext.len() {
        let cut = sealed(message.kind, &message.ciphertext[..end]);
        let error = to.decrypt(from, &cut, rng).map(|_| ()).expect_err("cut");
        assert_ne!(error, DecryptError::Panicked, "cut at {end}");
    }
    assert_eq!(to.store, before);
}

#[test]
fn other_things_are_no_messages() {
    let (mut ann, mut bob, mut rng) = friends(7);
    let message = ann.encrypt(bob.address, "x", &mut rng);
    for (kind, bytes) in [
        (CiphertextType::Ratchet, &[][..]),
        (CiphertextType::PreKey, &[]),
        (CiphertextType::PreKey, &message.ciphertext),
        (CiphertextType::SenderKey, &message.ciphertext),
        (CiphertextType::Ratchet, &[0x44; 70_000]),
    ] {
        let error = expect_refused(&mut bob, ann.address, &sealed(kind, bytes), &mut rng, "no message");
        assert!(matches!(error, DecryptError::Malformed(_)), "{error}");
    }
    assert_eq!(bob.read(ann.address, &message, &mut rng), "x");
}

/// Encrypts arbitrary plaintext in Ann's session, as a faulty or hostile client of hers could.
fn encrypt_raw(ann: &mut Device, to: DeviceAddress, plaintext: &[u8], rng: &mut ChaCha20Rng) -> SealedMessage {
    use futures_util::FutureExt;
    use signal::SessionStore as _;
    let mut store = signal::InMemSignalProtocolStore::new(
        signal::IdentityKeyPair::try_from(&ann.identity.serialize().expose()[..]).expect("a pair"),
        1,
    )
    .expect("a store");
    let address =
        signal::ProtocolAddress::new(to.account.to_string(), signal::DeviceId::new(to.device.get()).expect("id"));
    let record = ann.store.load_session(to).expect("memory").expect("a session");
    let record = signal::SessionRecord::deserialize(record.expose()).expect("a record");
    store.store_session(&address, &record).now_or_never().expect("ready").expect("stored");
    let message = signal::message_encrypt(
        plaintext,
        &address,
        &mut store.session_store,
        &mut store.identity_store,
        common::NOW.to_system_time(),
        rng,
    )
    .now_or_never()
    .expect("ready")
    .expect("encrypted");
    let CiphertextMessage::SignalMessage(message) = message else { panic!("a ratchet message") };
    sealed(CiphertextType::Ratchet, message.serialized())
}

#[test]
fn authentic_but_wrong_plaintext_is_refused() {
    use prost::Message;
    use sotto_crypto::padding::pad;
    use sotto_crypto::session::AddressField;
    let (mut ann, mut bob, mut rng) = friends(8);
    let content = |change: fn(&mut sotto_wire::pb::Content)| {
        let mut content = common::text_content("x");
        content.sender_account = vec![0xa1; 16].into();
        content.recipient_account = vec![0xb2; 16].into();
        (content.sender_device, content.recipient_device) = (1, 1);
        change(&mut content);
        pad(content.encode_to_vec())
    };
    let wrong = |field| DecryptError::WrongAddress(field);
    for (name, plaintext, want) in [
        ("not padded", content(|_| ())[..60].to_vec(), DecryptError::Padding),
        ("padded twice as far", [content(|_| ()), vec![0; 64]].concat(), DecryptError::Padding),
        ("no content", pad(vec![0xff; 10]), DecryptError::Content),
        ("nothing", pad(vec![]), wrong(AddressField::SenderAccount)),
        ("sender account", content(|it| it.sender_account = vec![0xcc; 16].into()), wrong(AddressField::SenderAccount)),
        ("sender device", content(|it| it.sender_device = 257), wrong(AddressField::SenderDevice)),
        (
            "recipient account",
            content(|it| it.recipient_account = vec![0xa1; 16].into()),
            wrong(AddressField::RecipientAccount),
        ),
        ("recipient device", content(|it| it.recipient_device = 2), wrong(AddressField::RecipientDevice)),
    ] {
        let message = encrypt_raw(&mut ann, bob.address, &plaintext, &mut rng);
        let error = expect_refused(&mut bob, ann.address, &message, &mut rng, name);
        assert_eq!((error.action(), error), (DecryptAction::Drop, want), "{name}");
    }
    let good = encrypt_raw(&mut ann, bob.address, &content(|_| ()), &mut rng);
    assert_eq!(bob.read(ann.address, &good, &mut rng), "x");
}

#[test]
fn an_old_identity_cannot_hide_behind_the_new_one() {
    // Bob's identity was replaced and Ann trusts the new one, but her archived session with the old one is still there.
    // Whoever holds the old session writes in it, showing the new (public) identity key in a first message.
    let (mut ann, mut bob, mut rng) = strangers(9);
    bob.start(&ann, 0, &mut rng);
    let first = bob.encrypt(ann.address, "first", &mut rng);
    ann.read(bob.address, &first, &mut rng);
    let second = parse_prekey(&bob.encrypt(ann.address, "stolen", &mut rng));
    let new_identity = IdentityKeyPair::generate(&mut rng).public();
    ann.store.trust(bob.address.account, new_identity);
    let kyber = signal::KyberPayload::new(
        second.kyber_pre_key_id().expect("PQXDH"),
        second.kyber_ciphertext().expect("PQXDH").clone(),
    );
    let forged = signal::PreKeySignalMessage::new(
        4,
        second.registration_id(),
        second.pre_key_id(),
        second.signed_pre_key_id(),
        Some(kyber),
        *second.base_key(),
        signal::IdentityKey::decode(new_identity.as_bytes()).expect("a key"),
        second.message().clone(),
    )
    .expect("any fields make a message");
    let message = sealed(CiphertextType::PreKey, forged.serialized());
    let error = expect_refused(&mut ann, bob.address, &message, &mut rng, "old session, new identity");
    assert_eq!(error, DecryptError::Forged(Guard::SessionIdentity));
}
