//! What a ciphertext says about itself, before or without decryption: for reports, repair and debugging. None of it is
//! authenticated until the message decrypts.

use super::DecryptError;
use crate::identity::IdentityKey;
use crate::peek;
use crate::prekeys::{EcPreKeyId, KyberPreKeyId, SignedPreKeyId};
use libsignal_protocol_syft as signal;
use sotto_types::limits::CIPHERTEXT_BYTES;
use sotto_wire::pb;

/// Which libsignal message a ciphertext is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CiphertextType {
    /// Within a session that stands.
    Ratchet,
    /// Begins a session (or repeats its beginning until the first answer).
    PreKey,
    /// For a group.
    SenderKey,
}

impl CiphertextType {
    /// `None` for a type this build does not know.
    pub fn from_wire(wire: pb::CiphertextType) -> Option<Self> {
        match wire {
            pb::CiphertextType::Unspecified => None,
            pb::CiphertextType::Ratchet => Some(Self::Ratchet),
            pb::CiphertextType::Prekey => Some(Self::PreKey),
            pb::CiphertextType::SenderKey => Some(Self::SenderKey),
        }
    }

    pub fn to_wire(self) -> pb::CiphertextType {
        match self {
            Self::Ratchet => pb::CiphertextType::Ratchet,
            Self::PreKey => pb::CiphertextType::Prekey,
            Self::SenderKey => pb::CiphertextType::SenderKey,
        }
    }
}

/// Protocol facts of a message between two devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageInfo {
    pub version: u8,
    /// The sender's ratchet key, as serialized: changes with every change of direction.
    pub ratchet_key: [u8; 33],
    /// Position in the sender's chain.
    pub counter: u32,
    /// Length of the sender's chain before this one.
    pub previous_counter: u32,
    /// Set on a first message.
    pub prekey: Option<FirstMessageInfo>,
    /// Set by `decrypt`: this message began a session here.
    pub began_session: bool,
}

/// What a first message names besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstMessageInfo {
    pub registration_id: u32,
    pub identity_key: IdentityKey,
    pub base_key: [u8; 33],
    pub signed_prekey: SignedPreKeyId,
    pub kyber_prekey: Option<KyberPreKeyId>,
    pub one_time_ec: Option<EcPreKeyId>,
}

pub(super) enum Parsed {
    Ratchet(signal::SignalMessage),
    PreKey(Box<signal::PreKeySignalMessage>),
}

impl Parsed {
    pub(super) fn parse(kind: CiphertextType, bytes: &[u8]) -> Result<Self, DecryptError> {
        if bytes.len() > CIPHERTEXT_BYTES {
            return Err(DecryptError::Malformed("it is over 64 KiB"));
        }
        match kind {
            CiphertextType::Ratchet => {
                let message = signal::SignalMessage::try_from(bytes)
                    .map_err(|_| DecryptError::Malformed("it is no ratchet message"))?;
                Ok(Self::Ratchet(message))
            }
            CiphertextType::PreKey => {
                let message = signal::PreKeySignalMessage::try_from(bytes)
                    .map_err(|_| DecryptError::Malformed("it is no prekey message"))?;
                Ok(Self::PreKey(Box::new(message)))
            }
            CiphertextType::SenderKey => Err(DecryptError::Malformed("a group message has no session")),
        }
    }

    pub(super) fn ratchet(&self) -> &signal::SignalMessage {
        match self {
            Self::Ratchet(message) => message,
            Self::PreKey(message) => message.message(),
        }
    }

    pub(super) fn info(&self) -> Result<MessageInfo, DecryptError> {
        let ratchet = self.ratchet();
        let prekey = match self {
            Self::Ratchet(_) => None,
            Self::PreKey(message) => Some(FirstMessageInfo {
                registration_id: message.registration_id(),
                identity_key: IdentityKey::from_signal(message.identity_key())
                    .map_err(|_| DecryptError::Malformed("its identity key is unusable"))?,
                base_key: public_bytes(message.base_key()),
                signed_prekey: SignedPreKeyId(message.signed_pre_key_id().into()),
                kyber_prekey: message.kyber_pre_key_id().map(|id| KyberPreKeyId(id.into())),
                one_time_ec: message.pre_key_id().map(|id| EcPreKeyId(id.into())),
            }),
        };
        Ok(MessageInfo {
            version: ratchet.message_version(),
            ratchet_key: public_bytes(ratchet.sender_ratchet_key()),
            counter: ratchet.counter(),
            previous_counter: peek::previous_counter(ratchet.serialized()).unwrap_or(0),
            prekey,
            began_session: false,
        })
    }
}

fn public_bytes(key: &signal::PublicKey) -> [u8; 33] {
    key.serialize()[..].try_into().expect("a public key has 33 bytes")
}

/// Reads a ciphertext without decrypting it.
pub fn inspect(kind: CiphertextType, bytes: &[u8]) -> Result<MessageInfo, DecryptError> {
    Parsed::parse(kind, bytes)?.info()
}
