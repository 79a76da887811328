//! Sender keys: a device makes a key per group, hands it to every member device over pairwise sessions, then encrypts once.
//! Flow: `create_distribution` -> content to each device (`session::encrypt`) -> `process_distribution`; `encrypt` once ->
//!       group log -> `decrypt` by each.
//! Always true:
//! - a sender key belongs to one device: messages and distributions are looked up under the device they came from;
//! - a failed call leaves the store as it was; messages may arrive in any order, each opens once.
//!
//! Elsewhere: when to replace a key, and what the group content says, is the engine's.

use crate::keys::{KeyError, check_public};
use crate::padding;
use crate::signal::{Overlay, Refusal, ready, to_signal_address};
use crate::store::{DistributionId, ProtocolStore, StoreFailure};
use libsignal_protocol_syft as signal;
use rand::{CryptoRng, Rng};
use signal::SignalProtocolError;
use sotto_types::limits::CIPHERTEXT_BYTES;
use sotto_types::{DeviceAddress, Secret};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Why a group message or a distribution was refused. Nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// Sending: `create_distribution` first. Receiving: ask the sender for its key.
    #[error("no sender key for this distribution")]
    NoSenderKey(DistributionId),
    /// Decrypted before: acknowledge and forget it.
    #[error("decrypted before")]
    Duplicate,
    /// Its signature or ciphertext is wrong: damaged or forged. Placeholder, and ask the sender.
    #[error("it does not verify")]
    Invalid,
    /// Not a message of this type. Placeholder, and ask the sender.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// A distribution with an unusable key: a faulty or hostile sender. Drop, count.
    #[error("its signing key is unusable: {0}")]
    Key(KeyError),
    /// Our own key, named as another's: forged. Drop, count.
    #[error("it claims to come from this device")]
    OwnDevice,
    /// Authentic, but not padded by the rule: a faulty sender. Drop, count.
    #[error("its padding is wrong")]
    Padding,
    /// Tell the person to shorten it.
    #[error("the content does not fit into 64 KiB")]
    TooLarge,
    /// The stored key is unreadable. Sending: make a new distribution. Receiving: ask the sender.
    #[error("the stored sender key is unreadable")]
    CorruptKey,
    /// libsignal panicked: a fault worth reporting. Placeholder, and ask the sender.
    #[error("libsignal panicked")]
    Panicked,
    /// Our store failed: stop, do not acknowledge.
    #[error(transparent)]
    Store(#[from] StoreFailure),
}

/// A group message that opened.
#[derive(Debug, Clone)]
pub struct GroupPlaintext {
    pub distribution: DistributionId,
    /// Position in the sender's chain.
    pub iteration: u32,
    pub body: Secret<Vec<u8>>,
}

/// Makes a sender key for this device under a fresh distribution id (or shows an existing one at its present position);
/// returns what the member devices need, to be sent to each over its session.
pub fn create_distribution<R: CryptoRng + Rng>(
    store: &mut dyn ProtocolStore,
    distribution: DistributionId,
    rng: &mut R,
) -> Result<Secret<Vec<u8>>, GroupError> {
    let (own, own_address) = (store.own_identity()?, store.own_address()?);
    let mut overlay = Overlay::new(store, &own, own_address, own_address);
    let message = ready(signal::create_sender_key_distribution_message(
        &to_signal_address(own_address),
        distribution.uuid(),
        &mut overlay.sender_keys,
        rng,
    ))
    .map_err(group_error)?;
    let bytes = Secret::new(message.serialized().to_vec());
    overlay.into_changes().map_err(group_error)?.apply(store)?;
    Ok(bytes)
}

/// Takes over the sender key of `from`, which came over the session with it. The same one again changes nothing.
pub fn process_distribution(
    store: &mut dyn ProtocolStore,
    from: DeviceAddress,
    bytes: &[u8],
) -> Result<DistributionId, GroupError> {
    let (own, own_address) = (store.own_identity()?, store.own_address()?);
    if from == own_address {
        return Err(GroupError::OwnDevice);
    }
    let message = signal::SenderKeyDistributionMessage::try_from(bytes)
        .map_err(|_| GroupError::Malformed("it is no sender key distribution"))?;
    check_public(message.signing_key().map_err(group_error)?).map_err(GroupError::Key)?;
    let distribution = DistributionId::from_uuid(message.distribution_id().map_err(group_error)?);
    let mut overlay = Overlay::new(store, &own, own_address, from);
    ready(signal::process_sender_key_distribution_message(
        &to_signal_address(from),
        &message,
        &mut overlay.sender_keys,
    ))
    .map_err(group_error)?;
    overlay.into_changes().map_err(group_error)?.apply(store)?;
    Ok(distribution)
}

/// Encrypts once for everyone who has the distribution. The body must name group, sender account and sender device: the
/// sender key proves only that its holder wrote it.
pub fn encrypt<R: CryptoRng + Rng>(
    store: &mut dyn ProtocolStore,
    distribution: DistributionId,
    body: &[u8],
    rng: &mut R,
) -> Result<Vec<u8>, GroupError> {
    let (own, own_address) = (store.own_identity()?, store.own_address()?);
    let padded = Secret::new(padding::pad(body.to_vec()));
    let mut overlay = Overlay::new(store, &own, own_address, own_address);
    let message = ready(signal::group_encrypt(
        &mut overlay.sender_keys,
        &to_signal_address(own_address),
        distribution.uuid(),
        padded.expose(),
        rng,
    ))
    .map_err(group_error)?;
    let bytes = message.serialized().to_vec();
    if bytes.len() > CIPHERTEXT_BYTES {
        return Err(GroupError::TooLarge);
    }
    overlay.into_changes().map_err(group_error)?.apply(store)?;
    Ok(bytes)
}

/// Decrypts a group message of `from`, as the group log names it. The caller checks group and sender inside the body.
pub fn decrypt(store: &mut dyn ProtocolStore, from: DeviceAddress, bytes: &[u8]) -> Result<GroupPlaintext, GroupError> {
    let (own, own_address) = (store.own_identity()?, store.own_address()?);
    if from == own_address {
        return Err(GroupError::OwnDevice);
    }
    if bytes.len() > CIPHERTEXT_BYTES {
        return Err(GroupError::Malformed("it is over 64 KiB"));
    }
    let message =
        signal::SenderKeyMessage::try_from(bytes).map_err(|_| GroupError::Malformed("it is no group message"))?;
    let mut overlay = Overlay::new(store, &own, own_address, from);
    let address = to_signal_address(from);
    // The last net, as in `session::decrypt`; the overlay is dropped if it catches something.
    let padded =
        catch_unwind(AssertUnwindSafe(|| ready(signal::group_decrypt(bytes, &mut overlay.sender_keys, &address))))
            .map_err(|_| GroupError::Panicked)?
            .map_err(group_error)?;
    let padded = Secret::new(padded);
    let body = padding::unpad(padded.expose()).map_err(|_| GroupError::Padding)?;
    let plaintext = GroupPlaintext {
        distribution: DistributionId::from_uuid(message.distribution_id()),
        iteration: message.iteration(),
        body: Secret::new(body.to_vec()),
    };
    overlay.into_changes().map_err(group_error)?.apply(store)?;
    Ok(plaintext)
}

fn group_error(error: SignalProtocolError) -> GroupError {
    match Refusal::from_signal(error) {
        Ok(Refusal::Store(failure)) => GroupError::Store(failure),
        Ok(_) => GroupError::CorruptKey,
        Err(SignalProtocolError::NoSenderKeyState { distribution_id }) => {
            GroupError::NoSenderKey(DistributionId::from_uuid(distribution_id))
        }
        Err(SignalProtocolError::DuplicatedMessage(..)) => GroupError::Duplicate,
        Err(
            SignalProtocolError::InvalidSenderKeySession { .. }
            | SignalProtocolError::InvalidState(..)
            | SignalProtocolError::InvalidSessionStructure(_),
        ) => GroupError::CorruptKey,
        Err(_) => GroupError::Invalid,
    }
}
