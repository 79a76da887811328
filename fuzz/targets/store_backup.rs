//! Any bytes as the manifest, and as a part, of a backup.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sotto_embedded::fuzzing::backup(data));
