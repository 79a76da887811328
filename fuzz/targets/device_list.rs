//! Any bytes as a device list: as received (a signature nobody made), and signed by the identity key inside it, as a hostile
//! account could. Either an error, or a list that keeps every rule.
#![no_main]

#[path = "../../crates/crypto/tests/common/mod.rs"]
mod common;

use libfuzzer_sys::fuzz_target;
use prost::Message;
use sotto_crypto::{IdentityKeyPair, device_list};
use sotto_wire::{DEVICE_LIST_DOMAIN, pb};
use std::sync::LazyLock;

static IDENTITY: LazyLock<IdentityKeyPair> = LazyLock::new(|| IdentityKeyPair::generate(&mut common::rng(1)));

fuzz_target!(|data: &[u8]| {
    let (payload, signature) = data.split_at(data.len().saturating_sub(64));
    if let Ok(list) = device_list::verify_device_list(payload, signature) {
        check(&list);
    }
    let Ok(mut list) = pb::DeviceList::decode(data) else { return };
    list.identity_key = IDENTITY.public().as_bytes().to_vec().into();
    let payload = list.encode_to_vec();
    let signature = IDENTITY.sign(DEVICE_LIST_DOMAIN, &payload, &mut common::rng(2));
    if let Ok(list) = device_list::verify_device_list(&payload, &signature) {
        check(&list);
    }
});

fn check(list: &sotto_crypto::VerifiedDeviceList) {
    assert!((1..=10).contains(&list.devices().len()));
    assert!(list.devices().is_sorted_by_key(|device| device.id));
    assert!(list.devices().iter().all(|device| (1..=16_380).contains(&device.registration_id)));
}
