//! Any bytes as a WebSocket message of a client, up to the values that the domain gets.
#![no_main]
// The gateway's decoders from their files: the crate itself would bring HTTP and TLS along, and minutes of build.
#![allow(dead_code)]

#[path = "../../crates/gateway/src/codec.rs"]
mod codec;
#[path = "../../crates/gateway/src/fuzzing.rs"]
mod fuzzing;
#[path = "../../crates/gateway/src/parse.rs"]
mod parse;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzzing::client_frame(data));
