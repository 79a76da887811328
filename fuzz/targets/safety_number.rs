//! Any bytes as a scanned safety number, or an encrypted device name: an error, or the very one that was shown.
#![no_main]

#[path = "../../crates/crypto/tests/common/mod.rs"]
mod common;

use libfuzzer_sys::fuzz_target;
use sotto_crypto::{IdentityKeyPair, SafetyNumber, device_name};
use std::sync::LazyLock;

struct Sample {
    own: IdentityKeyPair,
    number: SafetyNumber,
    /// What the other device shows.
    shown: Vec<u8>,
}

static SAMPLE: LazyLock<Sample> = LazyLock::new(|| {
    let mut rng = common::rng(3);
    let [ann, bob] = [0xa1, 0xb2].map(|account| common::Device::new(account, 0, &mut rng));
    let people = [&ann, &bob].map(|device| (device.address.account, device.identity.public()));
    let number = |[own, other]: [usize; 2]| {
        SafetyNumber::new((people[own].0, &people[own].1), (people[other].0, &people[other].1))
    };
    Sample { number: number([0, 1]), shown: number([1, 0]).scannable(), own: ann.identity }
});

fuzz_target!(|data: &[u8]| {
    let it = &*SAMPLE;
    assert_eq!(it.number.compare(&it.shown), Ok(true));
    if it.number.compare(data) == Ok(true) {
        assert_eq!(SafetyNumber::scannable(&it.number).len(), it.shown.len());
    }
    assert!(device_name::decrypt_device_name(&it.own, data).is_err(), "nobody encrypted this");
});
