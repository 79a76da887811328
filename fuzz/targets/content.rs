//! Any bytes as padded or bare content: an error, or content that encodes back to itself.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use prost::Message;
use sotto_crypto::padding;
use sotto_wire::pb::Content;

fuzz_target!(|data: &[u8]| {
    if let Ok(message) = padding::unpad(data) {
        assert_eq!(padding::pad(message.to_vec()), data, "one message has one padding");
    }
    let Ok(content) = Content::decode(Bytes::copy_from_slice(data)) else { return };
    let encoded = content.encode_to_vec();
    let padded = padding::pad(encoded.clone());
    let message = padding::unpad(&padded).expect("what was padded unpads");
    let again = Content::decode(message).expect("what was encoded decodes");
    // Bytes, not contents: a place may have a latitude that is not a number, which does not even equal itself.
    assert_eq!(again.encode_to_vec(), encoded);
});
