//! Sessions between two devices: start one from a prekey bundle, encrypt, decrypt, renew.
//! Flow: `start_session` (once per device) -> `encrypt` (fill in addresses, pad, ratchet) -> the wire -> `decrypt` (parse,
//!       guards, ratchet, unpad, check addresses) -> all writes to the store at the end.
//! Always true:
//! - an operation that returns an error has written nothing; one that succeeds writes as its last step;
//! - no ciphertext, whoever made it, ends the process: the guards refuse what libsignal would panic on, and natively a
//!   panic that nobody foresaw is caught as `DecryptError::Panicked` (in WebAssembly a panic ends the worker, so there the
//!   guards are all);
//! - content that decrypts names this session's devices, both of them, or is refused.
//!
//! Elsewhere: whom to trust and when to repair is the engine's; groups are in `sender_keys`.

mod guard;
mod info;

pub use crate::signal::PreKeyRef;
pub use guard::Guard;
pub use info::{CiphertextType, FirstMessageInfo, MessageInfo, inspect};

use crate::device_list::VerifiedDeviceList;
use crate::identity::{IdentityKey, IdentityKeyPair};
use crate::padding;
use crate::prekeys::{PreKeyError, parse_kyber, verify_kyber_prekey, verify_one_time_ec_prekey, verify_signed_prekey};
use crate::signal::{Changes, Overlay, Refusal, ready, to_signal_address};
use crate::store::{ProtocolStore, StoreFailure};
use bytes::Bytes;
use info::Parsed;
use libsignal_protocol_syft as signal;
use prost::Message;
use rand::{CryptoRng, Rng};
use signal::{SessionUsabilityRequirements as Usable, SignalProtocolError};
use sotto_types::limits::CIPHERTEXT_BYTES;
use sotto_types::{AccountId, DeviceAddress, DeviceId, Secret, Timestamp};
use sotto_wire::{http, pb};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Why a session could not be started. Nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The server sent a bundle that breaks the rules: try again later, report it.
    #[error("the bundle is refused: {0}")]
    Bundle(#[from] PreKeyError),
    /// The bundle is for a device that the signed list does not name, or names differently: fetch the list again.
    #[error("the bundle does not fit the signed device list")]
    NotListed,
    /// Ask the person (or the trust rule) before anything is sent.
    #[error("the identity key of {account} is not the trusted one")]
    UntrustedIdentity { account: AccountId, trusted: Option<IdentityKey>, got: IdentityKey },
    /// A device has no session with itself.
    #[error("that is this device")]
    OwnDevice,
    /// What is stored about this device itself or the session is unreadable: a fault to report.
    #[error("the stored record is unreadable")]
    CorruptSession,
    #[error(transparent)]
    Store(#[from] StoreFailure),
}

/// Why content was not encrypted. The session is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncryptError {
    /// None, or one nobody answered for 30 days, or of an identity key we no longer have: fetch a bundle, `start_session`.
    #[error("no usable session")]
    NoSession,
    /// The contact's identity changed since: ask, then `start_session`.
    #[error("the identity key of {account} is not the trusted one")]
    UntrustedIdentity { account: AccountId, trusted: Option<IdentityKey>, got: IdentityKey },
    /// Tell the person to shorten it.
    #[error("the content does not fit into 64 KiB")]
    TooLarge,
    #[error("that is this device")]
    OwnDevice,
    /// Fetch a bundle and `start_session`, which replaces it.
    #[error("the stored record is unreadable")]
    CorruptSession,
    #[error(transparent)]
    Store(#[from] StoreFailure),
}

/// Why a ciphertext was refused. Nothing was stored: not the session, no used prekey.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecryptError {
    /// Decrypted before. libsignal knows only its last five chains: an older duplicate is
    /// `Invalid`, so a caller looks an entry up by its id before it asks for a repair.
    #[error("decrypted before")]
    Duplicate,
    /// A first message on the last-resort prekey that was taken before.
    #[error("a replayed first message")]
    ReplayedFirstMessage,
    /// Placeholder, and repair.
    #[error("no session with the sender")]
    NoSession,
    /// The prekey was used or has expired. Placeholder, and repair.
    #[error("it needs a prekey we do not have: {0:?}")]
    UnknownPreKey(PreKeyRef),
    /// The MAC is wrong under every session with the sender: damaged, forged, or for lost state. Placeholder, and repair.
    #[error("it decrypts under no session")]
    Invalid,
    /// The stored session or prekey is unreadable. Placeholder, and repair (which starts a new session).
    #[error("the stored record is unreadable")]
    CorruptSession,
    /// First contact (`trusted` is none) or a changed identity: fetch and check the sender's device list, decide, try again.
    #[error("the identity key of {account} is not the trusted one")]
    UntrustedIdentity { account: AccountId, trusted: Option<IdentityKey>, got: IdentityKey },
    /// Not a libsignal message of that type. Placeholder, and repair.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// A guard refused it. Placeholder, and repair: a server that forges must not make a message vanish silently.
    #[error("forged: {0}")]
    Forged(#[from] Guard),
    /// Authentic, but its content names other devices than the session's: redirected or faulty. Drop, count.
    #[error("its content names another {0}")]
    WrongAddress(AddressField),
    /// Authentic, but not padded by the rule: a faulty sender. Drop, count.
    #[error("its padding is wrong")]
    Padding,
    /// Authentic, but not `Content`: a faulty sender. Drop, count.
    #[error("its content is malformed")]
    Content,
    /// libsignal panicked: a fault worth reporting with the ciphertext. Placeholder, and repair.
    #[error("libsignal panicked")]
    Panicked,
    /// Our store failed: stop, do not acknowledge; the server will deliver again.
    #[error(transparent)]
    Store(#[from] StoreFailure),
}

/// What a receiver does about a ciphertext it could not decrypt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecryptAction {
    /// Nothing to show as missing, since it may be a mere replay; acknowledge as undecryptable and ask the sender, since it
    /// may be content that was never read (a session was lost, a sender restored from an old copy).
    AskQuietly,
    /// Store a placeholder, acknowledge as undecryptable, ask the sender (docs/protocol.md, "Repair").
    Repair,
    /// Look at the sender's device list and identity, then try again.
    DecideTrust,
    /// Acknowledge and count; asking the sender again would only bring the same.
    Drop,
    /// Do not acknowledge.
    Stop,
}

impl DecryptError {
    pub fn action(&self) -> DecryptAction {
        match self {
            Self::Duplicate | Self::ReplayedFirstMessage => DecryptAction::AskQuietly,
            Self::UntrustedIdentity { .. } => DecryptAction::DecideTrust,
            Self::WrongAddress(_) | Self::Padding | Self::Content => DecryptAction::Drop,
            Self::Store(_) => DecryptAction::Stop,
            Self::NoSession
            | Self::UnknownPreKey(_)
            | Self::Invalid
            | Self::CorruptSession
            | Self::Malformed(_)
            | Self::Forged(_)
            | Self::Panicked => DecryptAction::Repair,
        }
    }
}

/// One of the four addresses inside content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressField {
    SenderAccount,
    SenderDevice,
    RecipientAccount,
    RecipientDevice,
}

impl std::fmt::Display for AddressField {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::SenderAccount => "sender account",
            Self::SenderDevice => "sender device",
            Self::RecipientAccount => "recipient account",
            Self::RecipientDevice => "recipient device",
        })
    }
}

/// A ciphertext for one device, as `DeviceCiphertext` carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedMessage {
    pub kind: CiphertextType,
    /// The registration id the session was made with.
    pub registration_id: u32,
    pub ciphertext: Vec<u8>,
}

impl SealedMessage {
    pub fn into_wire(self, to: DeviceId) -> pb::DeviceCiphertext {
        pb::DeviceCiphertext {
            device_id: to.into(),
            registration_id: self.registration_id,
            r#type: self.kind.to_wire().into(),
            ciphertext: self.ciphertext.into(),
        }
    }
}

/// Content that was authentic, complete and meant for this device.
#[derive(Debug, Clone, PartialEq)]
pub struct Decrypted {
    pub content: pb::Content,
    pub info: MessageInfo,
}

/// Starts a session with `with` from a bundle that the server handed out, checked against the account's signed list. An
/// existing session is archived: messages under way in it still decrypt.
pub fn start_session<R: CryptoRng + Rng>(
    store: &mut dyn ProtocolStore,
    with: DeviceAddress,
    bundle: &http::PreKeyBundle,
    list: &VerifiedDeviceList,
    now: Timestamp,
    rng: &mut R,
) -> Result<(), StartError> {
    let (own, own_address) = (store.own_identity()?, store.own_address()?);
    if with == own_address {
        return Err(StartError::OwnDevice);
    }
    let listed = list.device(with.device).filter(|_| list.account() == with.account).ok_or(StartError::NotListed)?;
    if bundle.device_id != u32::from(with.device) || bundle.registration_id != listed.registration_id {
        return Err(StartError::NotListed);
    }
    let bundle = check_bundle(bundle, with.device, list.identity_key())?;
    let mut overlay = Overlay::new(store, &own, own_address, with);
    overlay.identities.check(list.identity_key()).map_err(|refusal| start_refusal(refusal, with.account))?;
    let result = ready(signal::process_prekey_bundle(
        &to_signal_address(with),
        &mut overlay.sessions,
        &mut overlay.identities,
        &bundle,
        now.to_system_time(),
        rng,
    ));
    let changes = result.and_then(|()| overlay.into_changes()).map_err(|error| match Refusal::from_signal(error) {
        Ok(refusal) => start_refusal(refusal, with.account),
        Err(_) => StartError::CorruptSession,
    })?;
    Ok(changes.apply(store)?)
}

fn check_bundle(
    bundle: &http::PreKeyBundle,
    device: DeviceId,
    identity: IdentityKey,
) -> Result<signal::PreKeyBundle, PreKeyError> {
    use crate::keys::parse_public;
    let (signed, kyber) = (&bundle.signed_prekey, &bundle.kyber_prekey);
    verify_signed_prekey(&identity, signed.id, &signed.public_key.0, &signed.signature.0)?;
    verify_kyber_prekey(&identity, kyber.id, &kyber.public_key.0, &kyber.signature.0)?;
    if let Some(key) = &bundle.one_time_ec {
        verify_one_time_ec_prekey(key.id, &key.public_key.0)?;
    }
    let one_time = bundle.one_time_ec.as_ref().map(|key| {
        let public = parse_public(&key.public_key.0).expect("verified above");
        (key.id.into(), public)
    });
    let bundle = signal::PreKeyBundle::new(
        bundle.registration_id,
        signal::DeviceId::new(device.get()).expect("our device ids are 1 to 127, like libsignal's"),
        one_time,
        signed.id.into(),
        parse_public(&signed.public_key.0).expect("verified above"),
        signed.signature.0.clone(),
        kyber.id.into(),
        parse_kyber(&kyber.public_key.0).expect("verified above"),
        kyber.signature.0.clone(),
        identity.to_signal(),
    );
    Ok(bundle.expect("a bundle of parsed parts is complete"))
}

fn start_refusal(refusal: Refusal, account: AccountId) -> StartError {
    match refusal {
        Refusal::Store(failure) => StartError::Store(failure),
        Refusal::UntrustedIdentity { trusted, got } => StartError::UntrustedIdentity { account, trusted, got },
        Refusal::UnknownPreKey(_) | Refusal::Replayed | Refusal::Corrupt | Refusal::IdentityUnusable => {
            StartError::CorruptSession
        }
    }
}

/// Encrypts content for one device. Fills in the four address fields; the caller fills in the rest.
pub fn encrypt<R: CryptoRng + Rng>(
    store: &mut dyn ProtocolStore,
    to: DeviceAddress,
    mut content: pb::Content,
    now: Timestamp,
    rng: &mut R,
) -> Result<SealedMessage, EncryptError> {
    let (own, own_address) = (store.own_identity()?, store.own_address()?);
    if to == own_address {
        return Err(EncryptError::OwnDevice);
    }
    content.sender_account = Bytes::copy_from_slice(own_address.account.as_bytes());
    content.sender_device = own_address.device.into();
    content.recipient_account = Bytes::copy_from_slice(to.account.as_bytes());
    content.recipient_device = to.device.into();
    let padded = Secret::new(padding::pad(content.encode_to_vec()));
    if padded.expose().len() > CIPHERTEXT_BYTES {
        return Err(EncryptError::TooLarge);
    }
    if !has_session(store, to, now)? {
        return Err(EncryptError::NoSession);
    }

    let mut overlay = Overlay::new(store, &own, own_address, to);
    let result = ready(signal::message_encrypt(
        padded.expose(),
        &to_signal_address(to),
        &mut overlay.sessions,
        &mut overlay.identities,
        now.to_system_time(),
        rng,
    ));
    let message = result.map_err(|error| encrypt_error(error, to.account))?;
    let changes = overlay.into_changes().map_err(|error| encrypt_error(error, to.account))?;
    let record = changes.session().ok_or(EncryptError::CorruptSession)?;
    let registration_id = signal::SessionRecord::deserialize(record.expose())
        .and_then(|record| record.remote_registration_id())
        .map_err(|error| encrypt_error(error, to.account))?;
    let (kind, ciphertext) = match &message {
        signal::CiphertextMessage::SignalMessage(message) => (CiphertextType::Ratchet, message.serialized()),
        signal::CiphertextMessage::PreKeySignalMessage(message) => (CiphertextType::PreKey, message.serialized()),
        _ => return Err(EncryptError::CorruptSession),
    };
    if ciphertext.len() > CIPHERTEXT_BYTES {
        return Err(EncryptError::TooLarge);
    }
    let sealed = SealedMessage { kind, registration_id, ciphertext: ciphertext.to_vec() };
    changes.apply(store)?;
    Ok(sealed)
}

fn encrypt_error(error: SignalProtocolError, account: AccountId) -> EncryptError {
    match Refusal::from_signal(error) {
        Ok(Refusal::Store(failure)) => EncryptError::Store(failure),
        Ok(Refusal::UntrustedIdentity { trusted, got }) => EncryptError::UntrustedIdentity { account, trusted, got },
        Ok(_) => EncryptError::CorruptSession,
        Err(SignalProtocolError::SessionNotFound(_)) => EncryptError::NoSession,
        Err(_) => EncryptError::CorruptSession,
    }
}

/// Decrypts a message of `from`, as the envelope names it.
pub fn decrypt<R: CryptoRng + Rng>(
    store: &mut dyn ProtocolStore,
    from: DeviceAddress,
    kind: CiphertextType,
    bytes: &[u8],
    rng: &mut R,
) -> Result<Decrypted, DecryptError> {
    let parsed = Parsed::parse(kind, bytes)?;
    let (own, own_address) = (store.own_identity()?, store.own_address()?);
    guard_message(store, &parsed, from, &own, own_address)?;
    let mut info = parsed.info()?;
    let (plaintext, changes) = open(store, &parsed, from, &own, own_address, rng)?;
    check_session_identity(&changes, &info)?;
    let message = padding::unpad(plaintext.expose()).map_err(|_| DecryptError::Padding)?;
    let content = pb::Content::decode(Bytes::copy_from_slice(message)).map_err(|_| DecryptError::Content)?;
    check_addresses(&content, from, own_address)?;
    info.began_session = changes.began_session();
    changes.apply(store)?;
    Ok(Decrypted { content, info })
}

fn guard_message(
    store: &dyn ProtocolStore,
    parsed: &Parsed,
    from: DeviceAddress,
    own: &IdentityKeyPair,
    own_address: DeviceAddress,
) -> Result<(), DecryptError> {
    if from == own_address {
        return Err(DecryptError::Forged(Guard::OwnIdentityElsewhere));
    }
    if let Parsed::PreKey(message) = parsed {
        guard::check_prekey_message(message)?;
        let shown = IdentityKey::from_signal(message.identity_key()).map_err(Guard::Key)?;
        guard::check_own_identity(shown, from, own.public(), own_address)?;
    }
    let session = store.load_session(from)?;
    guard::check_ratchet_message(parsed.ratchet(), session.as_ref().map(|record| &record.expose()[..]))?;
    Ok(())
}

fn open<R: CryptoRng + Rng>(
    store: &dyn ProtocolStore,
    parsed: &Parsed,
    from: DeviceAddress,
    own: &IdentityKeyPair,
    own_address: DeviceAddress,
    rng: &mut R,
) -> Result<(Secret<Vec<u8>>, Changes), DecryptError> {
    let address = to_signal_address(from);
    let mut overlay = Overlay::new(store, own, own_address, from);
    // Nothing shared is broken by unwinding out of here: the overlay is dropped, and the rng has no state to tear.
    let result = catch_unwind(AssertUnwindSafe(|| match parsed {
        Parsed::Ratchet(message) => ready(signal::message_decrypt_signal(
            message,
            &address,
            &mut overlay.sessions,
            &mut overlay.identities,
            rng,
        )),
        Parsed::PreKey(message) => ready(signal::message_decrypt_prekey(
            message,
            &address,
            &mut overlay.sessions,
            &mut overlay.identities,
            &mut overlay.one_time_ec,
            &overlay.signed,
            &mut overlay.kyber,
            rng,
        )),
    }));
    let plaintext = result.map_err(|_| DecryptError::Panicked)?.map_err(|error| decrypt_error(error, from.account))?;
    let plaintext = Secret::new(plaintext);
    let changes = overlay.into_changes().map_err(|error| decrypt_error(error, from.account))?;
    Ok((plaintext, changes))
}

fn decrypt_error(error: SignalProtocolError, account: AccountId) -> DecryptError {
    let error = match Refusal::from_signal(error) {
        Ok(Refusal::Store(failure)) => return DecryptError::Store(failure),
        Ok(Refusal::UnknownPreKey(prekey)) => return DecryptError::UnknownPreKey(prekey),
        Ok(Refusal::Corrupt) => return DecryptError::CorruptSession,
        Ok(Refusal::Replayed) => return DecryptError::ReplayedFirstMessage,
        Ok(Refusal::UntrustedIdentity { trusted, got }) => {
            return DecryptError::UntrustedIdentity { account, trusted, got };
        }
        Ok(Refusal::IdentityUnusable) => return DecryptError::Forged(Guard::Key(crate::KeyError::Malformed)),
        Err(error) => error,
    };
    match error {
        SignalProtocolError::DuplicatedMessage(..) => DecryptError::Duplicate,
        SignalProtocolError::SessionNotFound(_) => DecryptError::NoSession,
        SignalProtocolError::InvalidSessionStructure(_) | SignalProtocolError::InvalidState(..) => {
            DecryptError::CorruptSession
        }
        _ => DecryptError::Invalid,
    }
}

/// libsignal asks about the identity key a first message shows, then may find an older session by its base key alone: that
/// session must be with the same identity.
fn check_session_identity(changes: &Changes, info: &MessageInfo) -> Result<(), DecryptError> {
    let Some(first) = &info.prekey else { return Ok(()) };
    let record = changes.session().ok_or(DecryptError::CorruptSession)?;
    let identity = signal::SessionRecord::deserialize(record.expose())
        .and_then(|record| record.remote_identity_key_bytes())
        .map_err(|_| DecryptError::CorruptSession)?;
    if identity.as_deref() == Some(&first.identity_key.as_bytes()[..]) {
        Ok(())
    } else {
        Err(DecryptError::Forged(Guard::SessionIdentity))
    }
}

fn check_addresses(content: &pb::Content, from: DeviceAddress, own: DeviceAddress) -> Result<(), DecryptError> {
    let fields = [
        (content.sender_account[..] == from.account.as_bytes()[..], AddressField::SenderAccount),
        (content.sender_device == u32::from(from.device), AddressField::SenderDevice),
        (content.recipient_account[..] == own.account.as_bytes()[..], AddressField::RecipientAccount),
        (content.recipient_device == u32::from(own.device), AddressField::RecipientDevice),
    ];
    match fields.into_iter().find(|(holds, _)| !holds) {
        Some((_, field)) => Err(DecryptError::WrongAddress(field)),
        None => Ok(()),
    }
}

/// Whether `encrypt` would find a session it can use: PQXDH with SPQR, not one unanswered for 30 days, between the identity
/// keys of today.
pub fn has_session(store: &dyn ProtocolStore, with: DeviceAddress, now: Timestamp) -> Result<bool, StoreFailure> {
    let Some(record) = load_record(store, with)? else { return Ok(false) };
    let usable = Usable::NotStale | Usable::EstablishedWithPqxdh | Usable::Spqr;
    let is_usable = record.has_usable_sender_chain(now.to_system_time(), usable).unwrap_or(false);
    let own = store.own_identity()?.public();
    let is_ours = record.local_identity_key_bytes().is_ok_and(|key| key == own.as_bytes());
    Ok(is_usable && is_ours)
}

/// The registration id of the device the session is with; another one in a newer list means it was made anew.
pub fn session_registration_id(store: &dyn ProtocolStore, with: DeviceAddress) -> Result<Option<u32>, StoreFailure> {
    Ok(load_record(store, with)?.and_then(|record| record.remote_registration_id().ok()))
}

/// The identity key that the session with a device is with.
pub fn remote_identity(store: &dyn ProtocolStore, with: DeviceAddress) -> Result<Option<IdentityKey>, StoreFailure> {
    let key = load_record(store, with)?.and_then(|record| record.remote_identity_key_bytes().ok().flatten());
    Ok(key.and_then(|key| IdentityKey::parse(&key).ok()))
}

/// Ends the current session for sending; what is under way in it still decrypts. `encrypt` then says `NoSession`.
pub fn renew_session(store: &mut dyn ProtocolStore, with: DeviceAddress) -> Result<(), StoreFailure> {
    let Some(mut record) = load_record(store, with)? else { return Ok(()) };
    record.archive_current_state().map_err(|error| StoreFailure(error.to_string()))?;
    let bytes = record.serialize().map_err(|error| StoreFailure(error.to_string()))?;
    store.store_session(with, &Secret::new(bytes))
}

/// `None` if there is none or it is unreadable, which calls for the same: a new one.
fn load_record(store: &dyn ProtocolStore, with: DeviceAddress) -> Result<Option<signal::SessionRecord>, StoreFailure> {
    let record = store.load_session(with)?;
    Ok(record.and_then(|record| signal::SessionRecord::deserialize(record.expose()).ok()))
}
