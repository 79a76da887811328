//! The network schema and its codec: frames on the WebSocket (`pb`), bodies of the HTTP API (`http`), numbered errors
//! (`error`). Everything here is untrusted shape: callers turn it into `sotto_types` values at the edge with `?`.

pub mod http;

/// Generated from `proto/sotto/v1/*.proto`; the comments there are the contract.
#[allow(missing_debug_implementations, clippy::all, clippy::pedantic)]
pub mod pb {
    include!(concat!(env!("OUT_DIR"), "/sotto.v1.rs"));
}

pub use sotto_types::{Action, ErrorCode};

/// The protocol version of this build, as in `Hello.protocol_version`.
pub const PROTOCOL_VERSION: u32 = 1;

/// Signed before a device list's payload: a signature over anything else can never pass for a list.
pub const DEVICE_LIST_DOMAIN: &[u8] = b"sotto device list v1\0";
/// Signed by the device auth key at sign-in, before the challenge.
pub const SIGN_IN_DOMAIN: &[u8] = b"sotto sign-in v1\0";
/// Signed, and hashed, before a group operation's payload.
pub const GROUP_OPERATION_DOMAIN: &[u8] = b"sotto group operation v1\0";
/// Signed with an invite link's seed before group id, account and identity key of who joins.
pub const GROUP_JOIN_DOMAIN: &[u8] = b"sotto group join v1\0";
/// Signed by the recovery auth key, before the challenge.
pub const RECOVERY_DOMAIN: &[u8] = b"sotto recovery v1\0";

/// Why bytes are not a frame.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("the frame has {0} bytes; the limit is {limit}", limit = sotto_types::limits::FRAME_BYTES)]
    TooLarge(usize),
    #[error("not a protobuf frame: {0}")]
    Malformed(#[from] prost::DecodeError),
}

/// Parses one WebSocket message from a device. Byte fields share the buffer.
pub fn decode_client_frame(bytes: bytes::Bytes) -> Result<pb::ClientFrame, DecodeError> {
    decode(bytes)
}

/// Parses one WebSocket message from the server.
pub fn decode_server_frame(bytes: bytes::Bytes) -> Result<pb::ServerFrame, DecodeError> {
    decode(bytes)
}

fn decode<M: prost::Message + Default>(bytes: bytes::Bytes) -> Result<M, DecodeError> {
    if bytes.len() > sotto_types::limits::FRAME_BYTES {
        return Err(DecodeError::TooLarge(bytes.len()));
    }
    Ok(M::decode(bytes)?)
}
