//! Any bytes as each key and record of the server's store.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| sotto_embedded::fuzzing::records(data));
