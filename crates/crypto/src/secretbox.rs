//! Small data encrypted under a derived key: HKDF-SHA256 for the key, XChaCha20-Poly1305 with a random nonce.
//! Form: version (1), nonce (24 bytes), ciphertext with tag. The purpose is both HKDF info and associated data.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use rand::{CryptoRng, Rng};
use sha2::Sha256;
use sotto_types::Secret;

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;
/// How much longer a sealed text is.
pub(crate) const OVERHEAD_BYTES: usize = 1 + NONCE_BYTES + 16;

/// Why a sealed text does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenError {
    /// Too short.
    Malformed,
    /// Made by a newer version.
    Version(u8),
    /// Another key, or changed bytes.
    Refused,
}

/// A key for one purpose from uniformly random key material.
pub(crate) fn derive(material: &[u8], purpose: &[u8]) -> Secret<[u8; 32]> {
    let mut key = [0; 32];
    Hkdf::<Sha256>::new(None, material).expand(purpose, &mut key).expect("32 bytes are within HKDF's limit");
    Secret::new(key)
}

pub(crate) fn seal<R: CryptoRng + Rng>(
    key: &Secret<[u8; 32]>,
    purpose: &[u8],
    plaintext: &[u8],
    rng: &mut R,
) -> Vec<u8> {
    let nonce: [u8; NONCE_BYTES] = rng.random();
    let cipher = XChaCha20Poly1305::new(key.expose().into());
    let sealed = cipher
        .encrypt(&XNonce::from(nonce), Payload { msg: plaintext, aad: purpose })
        .expect("the plaintext is far below the cipher's limit");
    [&[VERSION], &nonce[..], &sealed].concat()
}

pub(crate) fn open(key: &Secret<[u8; 32]>, purpose: &[u8], sealed: &[u8]) -> Result<Secret<Vec<u8>>, OpenError> {
    let (version, rest) = sealed.split_first().ok_or(OpenError::Malformed)?;
    if *version != VERSION {
        return Err(OpenError::Version(*version));
    }
    let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(OpenError::Malformed)?;
    let cipher = XChaCha20Poly1305::new(key.expose().into());
    let plaintext = cipher.decrypt(&XNonce::from(*nonce), Payload { msg: ciphertext, aad: purpose });
    plaintext.map(Secret::new).map_err(|_| OpenError::Refused)
}
