//! Any bytes on a socket after the handshake: the messages, and the refusal, are the same however the bytes arrive.
//! Input: the first byte says how many bytes come at a time.
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

fuzz_target!(|data: &[u8]| {
    let Some((step, bytes)) = data.split_first() else { return };
    let whole = fuzzing::websocket_frames(bytes, &[]);
    let splits: Vec<usize> = (0..bytes.len()).step_by(usize::from(*step) + 1).collect();
    assert_eq!(fuzzing::websocket_frames(bytes, &splits), whole);
    let sum: usize = whole.0.iter().map(Vec::len).sum();
    assert!(sum <= bytes.len(), "messages are made of what came");
});
