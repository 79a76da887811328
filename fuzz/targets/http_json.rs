//! Any bytes as the JSON of every HTTP body: an error, or a value that encodes back to itself. The first byte chooses the type.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sotto_wire::http;

type Check = fn(&[u8]);

fn check<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(json: &[u8]) {
    let Ok(value) = serde_json::from_slice::<T>(json) else { return };
    let again = serde_json::to_vec(&value).expect("every body serializes");
    assert_eq!(serde_json::from_slice::<T>(&again).expect("what was encoded decodes"), value);
}

/// Every body of `sotto_wire::http`; a new one is added at the end, so that saved seeds keep their meaning.
const BODIES: &[Check] = &[
    check::<http::ServerInfo>,
    check::<http::SignedList>,
    check::<http::EcPreKey>,
    check::<http::SignedPreKey>,
    check::<http::DeviceKeys>,
    check::<http::RecoveryKeys>,
    check::<http::Register>,
    check::<http::Registered>,
    check::<http::OwnDevice>,
    check::<http::OwnAccount>,
    check::<http::Found>,
    check::<http::AccountDevices>,
    check::<http::TakePreKeys>,
    check::<http::PreKeyBundle>,
    check::<http::PreKeyBundles>,
    check::<http::UploadKeys>,
    check::<http::KeyCounts>,
    check::<http::ChallengeFor>,
    check::<http::Challenge>,
    check::<http::SignIn>,
    check::<http::AccessToken>,
    check::<http::LinkSession>,
    check::<http::LinkAnswer>,
    check::<http::LinkCode>,
    check::<http::AddDevice>,
    check::<http::DeviceAdded>,
    check::<http::RestoreDevice>,
    check::<http::ReplaceIdentity>,
    check::<http::RecoveryFor>,
    check::<http::Recover>,
    check::<http::Recovered>,
    check::<http::Blocks>,
    check::<http::Problem>,
    check::<http::ReplaceRecovery>,
];

fuzz_target!(|data: &[u8]| {
    let Some((which, json)) = data.split_first() else { return };
    let check = BODIES[usize::from(*which) % BODIES.len()];
    check(json);
});
