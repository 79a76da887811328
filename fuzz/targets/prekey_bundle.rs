//! Prekey bundles as a hostile server, or a hostile account, could hand them out: edits of a real one, and any key bytes, also
//! signed by the account they claim to be of. Either an error that changes nothing, or a session that can be written to.
//! Input: one byte chooses fields (bits) and whether they are signed; then ids and edits.
#![no_main]

#[path = "../../crates/crypto/tests/common/mod.rs"]
mod common;
mod mutate;

use common::{Device, NOW};
use libfuzzer_sys::fuzz_target;
use sotto_crypto::session;
use std::sync::LazyLock;

static PEOPLE: LazyLock<(Device, Device)> = LazyLock::new(|| {
    let (ann, bob, _) = common::strangers(6);
    (ann, bob)
});

fuzz_target!(|data: &[u8]| {
    let Some(([which, id], edits)) = data.split_first_chunk::<2>() else { return };
    let (ann, bob) = &*PEOPLE;
    let mut bundle = bob.bundle(0);
    let change = |bytes: &[u8]| mutate::apply(bytes, edits);
    if which & 1 != 0 {
        bundle.signed_prekey.public_key.0 = change(&bundle.signed_prekey.public_key.0).into();
    }
    if which & 2 != 0 {
        bundle.kyber_prekey.public_key.0 = change(&bundle.kyber_prekey.public_key.0).into();
    }
    if which & 4 != 0 {
        if let Some(key) = &mut bundle.one_time_ec {
            key.public_key.0 = change(&key.public_key.0).into();
        }
    }
    if which & 8 != 0 {
        bundle.signed_prekey.signature.0 = change(&bundle.signed_prekey.signature.0).into();
        bundle.kyber_prekey.signature.0 = change(&bundle.kyber_prekey.signature.0).into();
    }
    if which & 16 != 0 {
        // What a hostile account would sign: its own malformed keys.
        let mut rng = common::rng(7);
        for key in [&mut bundle.signed_prekey, &mut bundle.kyber_prekey] {
            key.signature.0 = bob.identity.sign(b"", &key.public_key.0, &mut rng).to_vec().into();
        }
    }
    if which & 32 != 0 {
        let id = u32::from(*id) << 24 | u32::from(*id);
        (bundle.signed_prekey.id, bundle.kyber_prekey.id, bundle.device_id) = (id, id, id & 3);
    }
    let mut store = ann.store.clone();
    let mut rng = common::rng(8);
    match session::start_session(&mut store, bob.address, &bundle, &bob.list, NOW, &mut rng) {
        Ok(()) => {
            session::encrypt(&mut store, bob.address, common::text_content("x"), NOW, &mut rng).expect("a session");
        }
        Err(error) => assert!(store == ann.store, "{error} changed the store"),
    }
});
