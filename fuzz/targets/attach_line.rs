//! Any bytes as what attached processes and the profile's owner write to each other: an error, or a value that encodes back to
//! itself. The first byte chooses the type.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sotto_engine::{Command, CommandError, Event, Reply};

fn check<T: DeserializeOwned + Serialize>(json: &[u8]) {
    let Ok(value) = serde_json::from_slice::<T>(json) else { return };
    let once = serde_json::to_value(&value).expect("it serializes");
    let again: T = serde_json::from_value(once.clone()).expect("what was encoded decodes");
    assert_eq!(serde_json::to_value(&again).expect("it serializes"), once);
}

fuzz_target!(|data: &[u8]| {
    let Some((which, json)) = data.split_first() else { return };
    match which % 4 {
        0 => check::<Command>(json),
        1 => check::<Reply>(json),
        2 => check::<Event>(json),
        _ => check::<CommandError>(json),
    }
});
