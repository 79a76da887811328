//! Hostile ciphertexts of every kind: edits of real ones, forged fields that are read before any MAC is checked, and any
//! bytes at all. Each gives a typed error and changes nothing, or is the real message. A panic inside libsignal, which the
//! product would catch natively, ends this program: it would end a browser's worker.
//! Input: one byte says which kind, the rest is edits or field contents.
#![no_main]

#[path = "../../crates/crypto/tests/common/mod.rs"]
mod common;
mod mutate;
mod samples;

use common::Device;
use libfuzzer_sys::fuzz_target;
use libsignal_protocol_syft as signal;
use samples::{Messages, TEXT};
use sotto_crypto::sender_keys;
use sotto_crypto::session::{self, CiphertextType};
use sotto_types::DeviceAddress;
use std::sync::LazyLock;

static MESSAGES: LazyLock<Messages> = LazyLock::new(samples::messages);

fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else { return };
    let it = &*MESSAGES;
    let from = it.sender.address;
    match kind % 8 {
        0 => try_session(&it.receiver, from, CiphertextType::Ratchet, &mutate::apply(&it.ratchet.ciphertext, data)),
        1 => try_session(&it.stranger, from, CiphertextType::PreKey, &mutate::apply(&it.prekey.ciphertext, data)),
        2 => try_group(&it.receiver, from, &mutate::apply(&it.group, data)),
        3 => {
            if let Some(forged) = forge(&real_ratchet(it), data) {
                try_session(&it.receiver, from, CiphertextType::Ratchet, forged.serialized());
            }
        }
        4 => {
            if let Some(forged) = forge_first(it, data) {
                try_session(&it.stranger, from, CiphertextType::PreKey, forged.serialized());
            }
        }
        5 => try_session(&it.receiver, from, CiphertextType::Ratchet, data),
        6 => try_session(&it.stranger, from, CiphertextType::PreKey, data),
        _ => {
            try_group(&it.receiver, from, data);
            let mut store = it.receiver.store.clone();
            let _ = sender_keys::process_distribution(&mut store, from, data);
        }
    }
});

fn try_session(receiver: &Device, from: DeviceAddress, kind: CiphertextType, bytes: &[u8]) {
    let mut store = receiver.store.clone();
    let _ = session::inspect(kind, bytes);
    match session::decrypt(&mut store, from, kind, bytes, &mut common::rng(9)) {
        Ok(decrypted) => assert_eq!(common::text_of(&decrypted.content), TEXT, "it decrypted to something else"),
        Err(error) => assert!(store == receiver.store, "{error} changed the store"),
    }
}

fn try_group(receiver: &Device, from: DeviceAddress, bytes: &[u8]) {
    let mut store = receiver.store.clone();
    match sender_keys::decrypt(&mut store, from, bytes) {
        Ok(opened) => assert_eq!(opened.body.expose()[..], *TEXT.as_bytes(), "it decrypted to something else"),
        Err(error) => assert!(store == receiver.store, "{error} changed the store"),
    }
}

fn real_ratchet(it: &Messages) -> signal::SignalMessage {
    signal::SignalMessage::try_from(&it.ratchet.ciphertext[..]).expect("a real message")
}

/// A message with the real ratchet key and, from the input, counter, previous counter and the post-quantum field: either
/// whole, or as edits of the real one.
fn forge(real: &signal::SignalMessage, data: &[u8]) -> Option<signal::SignalMessage> {
    let (numbers, field) = data.split_first_chunk::<4>()?;
    let [how, high, low, previous] = *numbers;
    let counter = u32::from(u16::from_be_bytes([high, low]));
    // Far jumps are bounded but slow; the guard's tests cover them.
    let counter = if how & 2 == 0 { counter % 64 } else { counter << 16 };
    let pq_ratchet = if how & 1 == 0 { field.to_vec() } else { mutate::apply(real.pq_ratchet(), field) };
    let identity = signal::IdentityKey::new(*real.sender_ratchet_key());
    signal::SignalMessage::new(
        4,
        &[7; 32],
        *real.sender_ratchet_key(),
        counter,
        previous.into(),
        &[0; 16],
        &identity,
        &identity,
        &pq_ratchet,
    )
    .ok()
}

fn forge_first(it: &Messages, data: &[u8]) -> Option<signal::PreKeySignalMessage> {
    let real = signal::PreKeySignalMessage::try_from(&it.prekey.ciphertext[..]).expect("a real message");
    let (ids, data) = data.split_first_chunk::<3>()?;
    let [signed, kyber, one_time] = *ids;
    let inner = forge(real.message(), data)?;
    let ciphertext = real.kyber_ciphertext().expect("PQXDH").clone();
    signal::PreKeySignalMessage::new(
        4,
        real.registration_id(),
        (one_time != 0).then(|| u32::from(one_time).into()),
        u32::from(signed).into(),
        Some(signal::KyberPayload::new(u32::from(kyber).into(), ciphertext)),
        *real.base_key(),
        *real.identity_key(),
        inner,
    )
    .ok()
}
