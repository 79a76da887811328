//! Any text as an access token, and any change of a real one: refused, unless it is the very one that the server gave.
#![no_main]

#[path = "../../crates/domain/tests/it/bed.rs"]
#[allow(dead_code)] // A part of it is used.
mod bed;
mod mutate;

use bed::Bed;
use libfuzzer_sys::fuzz_target;
use sotto_domain::Domain;
use std::sync::{Arc, LazyLock};
use tokio::runtime::{Builder, Runtime};

struct Sample {
    runtime: Runtime,
    domain: Arc<Domain>,
    token: String,
}

static SAMPLE: LazyLock<Sample> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    let (domain, token) = runtime.block_on(async {
        let bed = Bed::new().await;
        let ann = bed.register("ann").await;
        (bed.domain.clone(), bed.token(&ann, 0).await.expect("signed in").token)
    });
    Sample { runtime, domain, token }
});

fuzz_target!(|data: &[u8]| {
    let it = &*SAMPLE;
    let accepts = |token: &str| it.runtime.block_on(it.domain.authenticate(token)).is_ok();
    assert!(accepts(&it.token), "the real token is refused");
    let changed = mutate::apply(it.token.as_bytes(), data);
    for token in [&changed[..], data] {
        let Ok(token) = std::str::from_utf8(token) else { continue };
        assert_eq!(accepts(token), token == it.token, "{token}");
    }
});
