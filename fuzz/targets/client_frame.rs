//! Any bytes as a frame from a device: an error, or a frame that encodes back to itself.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use prost::Message;

fuzz_target!(|data: &[u8]| {
    let Ok(frame) = sotto_wire::decode_client_frame(Bytes::copy_from_slice(data)) else { return };
    let again = sotto_wire::decode_client_frame(frame.encode_to_vec().into()).expect("what was encoded decodes");
    assert_eq!(again, frame);
});
