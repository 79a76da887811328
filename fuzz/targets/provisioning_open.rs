//! Any change of an answer to a link, and any bytes as one: an error, or the very answer.
#![no_main]

#[path = "../../crates/crypto/tests/common/mod.rs"]
mod common;
mod mutate;
mod samples;

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static SAMPLE: LazyLock<samples::Link> = LazyLock::new(samples::link);

fuzz_target!(|data: &[u8]| {
    let link = &*SAMPLE;
    let changed = mutate::apply(&link.sealed, data);
    for sealed in [&changed[..], data] {
        if link.key.open(&link.invitation, sealed).is_ok() {
            assert_eq!(sealed, link.sealed, "a changed answer opened");
        }
    }
});
