//! Any bytes inside a well-sealed answer to a link, as whoever saw the QR code could make: an error, or an account that seals
//! and opens as itself.
#![no_main]

#[path = "../../crates/crypto/tests/common/mod.rs"]
mod common;
mod samples;

use libfuzzer_sys::fuzz_target;
use sotto_crypto::fuzzing;
use sotto_crypto::provisioning::{self, Provisioning};
use std::sync::LazyLock;

static SAMPLE: LazyLock<samples::Link> = LazyLock::new(samples::link);

fuzz_target!(|data: &[u8]| {
    let Ok(given) = fuzzing::provisioning(data) else { return };
    let link = &*SAMPLE;
    let sealed = provisioning::seal(&link.invitation, &given, &mut common::rng(4));
    let opened = link.key.open(&link.invitation, &sealed).expect("what was parsed seals and opens");
    assert_eq!(facts(&opened), facts(&given));
});

fn facts(it: &Provisioning) -> impl PartialEq + std::fmt::Debug + use<> {
    let identity = it.identity.serialize().expose().clone();
    let list = (it.device_list.payload.clone(), it.device_list.signature.clone());
    (
        it.account,
        it.username.clone(),
        identity,
        it.device,
        *it.profile_key.expose(),
        it.link_code.expose().clone(),
        list,
    )
}
