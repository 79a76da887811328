//! Linking a new device: it shows a link (QR code, and the same as text) with an ephemeral public key; an existing device
//! encrypts the account to that key and hands it over through the server.
//! Flow: `LinkKeyPair::generate`, `LinkInvitation::to_text` (new device) -> `LinkInvitation::parse`, `seal` (existing device)
//!       -> server -> `LinkKeyPair::open` (new device).
//! Encryption: HPKE (RFC 9180), base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305. Form: version (1),
//! encapsulated key (32 bytes), ciphertext. The associated data is the link id and the server, so an answer to one link
//! opens for no other.
//! Always true:
//! - the server, which sees link id and ciphertext but not the key in the QR code, can neither read nor make an answer;
//! - whoever sees the QR code can answer it, so it is for the eyes of the account's owner.

use crate::device_list::SignedDeviceList;
use crate::identity::IdentityKeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use prost::Message;
use rand::{CryptoRng, Rng};
use sotto_types::{AccountId, DeviceId, Secret, Username};
use sotto_wire::pb;
use std::fmt;

const INFO: &[u8] = b"sotto link v1\0";
const VERSION: u8 = 1;
const KEY_BYTES: usize = 32;

/// Why a text is not a link; the texts are for the person who scanned or typed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkTextError {
    /// Some other QR code.
    #[error("this is not a Sotto link code")]
    NotALink,
    #[error("the link code was made by a newer version; please update this app")]
    Newer,
    #[error("the link code is incomplete or mistyped: {0}")]
    Malformed(&'static str),
}

/// Why an answer to a link does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProvisioningError {
    /// Not encrypted for this link: start over with a new one.
    #[error("the answer is not for this link")]
    Refused,
    /// Update the app.
    #[error("the answer was made by a newer version ({0})")]
    Newer(u8),
    /// The other device is faulty: start over.
    #[error("the answer is malformed: {0}")]
    Malformed(&'static str),
}

/// What the QR code says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkInvitation {
    server: String,
    link: String,
    public_key: [u8; KEY_BYTES],
}

impl LinkInvitation {
    /// `server` is an origin ("https://chat.example.org"), `link` the id the server gave.
    pub fn new(server: &str, link: &str, key: &LinkKeyPair) -> Result<Self, LinkTextError> {
        check_server(server)?;
        check_link(link)?;
        Ok(Self { server: server.to_owned(), link: link.to_owned(), public_key: key.public_bytes() })
    }

    pub fn server(&self) -> &str {
        &self.server
    }

    pub fn link(&self) -> &str {
        &self.link
    }

    /// `sotto://link?v=1&s=SERVER&l=LINK&k=KEY`: server percent-encoded, key as base64url. One invitation has one text.
    pub fn to_text(&self) -> String {
        let (server, key) = (percent_encode(&self.server), URL_SAFE_NO_PAD.encode(self.public_key));
        format!("sotto://link?v=1&s={server}&l={}&k={key}", self.link)
    }

    /// Takes exactly what `to_text` makes, and white space around it.
    pub fn parse(text: &str) -> Result<Self, LinkTextError> {
        let text = text.trim();
        let query = text.strip_prefix("sotto://link?").ok_or(LinkTextError::NotALink)?;
        let mut parts = query.split('&');
        let mut next = |name: &str| parts.next().and_then(|part| part.strip_prefix(name)?.strip_prefix('='));
        match next("v") {
            Some("1") => (),
            Some(version) if !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit()) => {
                return Err(LinkTextError::Newer);
            }
            _ => return Err(LinkTextError::Malformed("the version")),
        }
        let server = next("s").and_then(percent_decode).ok_or(LinkTextError::Malformed("the server"))?;
        check_server(&server)?;
        let link = next("l").ok_or(LinkTextError::Malformed("the link id"))?;
        check_link(link)?;
        let key = next("k").and_then(|key| URL_SAFE_NO_PAD.decode(key).ok());
        let public_key = key.and_then(|key| key.try_into().ok()).ok_or(LinkTextError::Malformed("the key"))?;
        let invitation = Self { server, link: link.to_owned(), public_key };
        parse_public(&invitation.public_key).ok_or(LinkTextError::Malformed("the key"))?;
        // Nothing may follow, and nothing may be written in two ways.
        if invitation.to_text() != text {
            return Err(LinkTextError::Malformed("the end"));
        }
        Ok(invitation)
    }

    fn associated_data(&self) -> Vec<u8> {
        [self.link.as_bytes(), b"\0", self.server.as_bytes()].concat()
    }
}

/// An origin without a path: scheme, host, perhaps a port.
fn check_server(server: &str) -> Result<(), LinkTextError> {
    const BAD: LinkTextError = LinkTextError::Malformed("the server");
    let authority = server.strip_prefix("https://").or_else(|| server.strip_prefix("http://")).ok_or(BAD)?;
    let host_end = authority.rfind(']').map_or(0, |at| at + 1);
    let (host, port) = match authority.rfind(':').filter(|at| *at >= host_end) {
        Some(at) => (authority.split_at(at).0, Some(authority.split_at(at + 1).1)),
        None => (authority, None),
    };
    let port_good = port.is_none_or(|port| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && !port.starts_with('0') && port.parse::<u16>().is_ok()
    });
    let name_good = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
    };
    let host_good = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => name_good(host),
    };
    if server.len() <= 256 && port_good && host_good { Ok(()) } else { Err(BAD) }
}

fn check_link(link: &str) -> Result<(), LinkTextError> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if (16..=128).contains(&link.len()) && link.bytes().all(good) {
        Ok(())
    } else {
        Err(LinkTextError::Malformed("the link id"))
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn percent_encode(text: &str) -> String {
    text.bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok()
}

fn parse_public(bytes: &[u8; KEY_BYTES]) -> Option<<X25519HkdfSha256 as Kem>::PublicKey> {
    let mut key = [5; 1 + KEY_BYTES];
    key.split_at_mut(1).1.copy_from_slice(bytes);
    crate::keys::parse_public(&key).ok()?;
    Deserializable::from_bytes(bytes).ok()
}

/// What a linked device starts from.
#[derive(Debug, Clone)]
pub struct Provisioning {
    pub account: AccountId,
    pub username: Username,
    pub identity: IdentityKeyPair,
    pub profile_key: Secret<[u8; 32]>,
    /// Proves to the server that an existing device agreed.
    pub link_code: Secret<String>,
    /// The id the server assigned for this link.
    pub device: DeviceId,
    /// The list the existing device trusts; the new device signs its own entry onto it.
    pub device_list: SignedDeviceList,
}

/// Encrypts the account for the device that showed the invitation.
pub fn seal<R: CryptoRng + Rng>(invitation: &LinkInvitation, provisioning: &Provisioning, rng: &mut R) -> Vec<u8> {
    let message = pb::Provisioning {
        account_id: Bytes::copy_from_slice(provisioning.account.as_bytes()),
        username: provisioning.username.to_string(),
        identity_key_pair: Bytes::copy_from_slice(provisioning.identity.serialize().expose()),
        profile_key: Bytes::copy_from_slice(provisioning.profile_key.expose()),
        link_code: provisioning.link_code.expose().clone(),
        device_id: provisioning.device.into(),
        from_device_list: pb::SignedDeviceList::from(provisioning.device_list.clone()).encode_to_vec().into(),
    };
    let plaintext = Secret::new(message.encode_to_vec());
    let public = parse_public(&invitation.public_key).expect("the key was parsed when the invitation was made");
    let (encapsulated, ciphertext) = hpke::single_shot_seal::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256, _>(
        &OpModeS::Base,
        &public,
        INFO,
        plaintext.expose(),
        &invitation.associated_data(),
        rng,
    )
    .expect("sealing a short message to a key that is not of low order cannot fail");
    [&[VERSION], &encapsulated.to_bytes()[..], &ciphertext].concat()
}

/// The new device's ephemeral key pair, one per link.
#[derive(Clone)]
pub struct LinkKeyPair {
    private: <X25519HkdfSha256 as Kem>::PrivateKey,
    public: <X25519HkdfSha256 as Kem>::PublicKey,
}

impl LinkKeyPair {
    pub fn generate<R: CryptoRng + Rng>(rng: &mut R) -> Self {
        let (private, public) = X25519HkdfSha256::gen_keypair(rng);
        Self { private, public }
    }

    fn public_bytes(&self) -> [u8; KEY_BYTES] {
        self.public.to_bytes().into()
    }

    /// Opens the answer to `invitation`, which must be the one made with this key pair.
    pub fn open(&self, invitation: &LinkInvitation, sealed: &[u8]) -> Result<Provisioning, ProvisioningError> {
        let (version, rest) = sealed.split_first().ok_or(ProvisioningError::Malformed("it is empty"))?;
        if *version != VERSION {
            return Err(ProvisioningError::Newer(*version));
        }
        let (encapsulated, ciphertext) =
            rest.split_first_chunk::<KEY_BYTES>().ok_or(ProvisioningError::Malformed("it is too short"))?;
        let encapsulated = Deserializable::from_bytes(encapsulated).map_err(|_| ProvisioningError::Refused)?;
        let plaintext = hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.private,
            &encapsulated,
            INFO,
            ciphertext,
            &invitation.associated_data(),
        )
        .map(Secret::new)
        .map_err(|_| ProvisioningError::Refused)?;
        parse_provisioning(plaintext.expose())
    }
}

impl fmt::Debug for LinkKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkKeyPair")
    }
}

pub(crate) fn parse_provisioning(plaintext: &[u8]) -> Result<Provisioning, ProvisioningError> {
    let malformed = ProvisioningError::Malformed;
    let message = pb::Provisioning::decode(plaintext).map_err(|_| malformed("it is no provisioning message"))?;
    let list = pb::SignedDeviceList::decode(message.from_device_list).map_err(|_| malformed("the device list"))?;
    Ok(Provisioning {
        account: AccountId::try_from(&message.account_id[..]).map_err(|_| malformed("the account id"))?,
        username: Username::parse(&message.username).map_err(|_| malformed("the username"))?,
        identity: IdentityKeyPair::parse(&message.identity_key_pair).map_err(|_| malformed("the identity key"))?,
        profile_key: Secret::new(message.profile_key[..].try_into().map_err(|_| malformed("the profile key"))?),
        link_code: Secret::new(message.link_code),
        device: DeviceId::try_from(message.device_id).map_err(|_| malformed("the device id"))?,
        device_list: list.into(),
    })
}

#[cfg(test)]
mod tests;
