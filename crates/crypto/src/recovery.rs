//! The recovery code: shown once, typed back when every device is lost. From it come the key that encrypts the identity key
//! pair for the server to keep, and an Ed25519 key that proves to the server that the code is known.
//! Form: 26 random Crockford base32 characters (130 bits) and 2 check characters, in seven groups of four.
//! Always true:
//! - a mistyped code is told from a wrong one before anything is asked of the server;
//! - the server learns nothing from the auth key or the backup: both come from 130 random bits through HKDF.
//!
//! Elsewhere: `sotto_wire::http::RecoveryKeys` is how both reach the server.

use crate::device_auth::RecoveryAuthKey;
use crate::identity::IdentityKeyPair;
use crate::secretbox::{self, OpenError};
use bytes::Bytes;
use prost::Message;
use rand::{CryptoRng, Rng};
use sha2::{Digest, Sha256};
use sotto_types::{AccountId, Secret, Username};
use sotto_wire::pb;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const RANDOM_CHARS: usize = 26;
const CHECK_CHARS: usize = 2;
const CHARS: usize = RANDOM_CHARS + CHECK_CHARS;
const GROUP: usize = 4;

const CHECK_DOMAIN: &[u8] = b"sotto recovery code v1\0";
const BACKUP_PURPOSE: &[u8] = b"sotto recovery backup v1";
const AUTH_PURPOSE: &[u8] = b"sotto recovery auth v1";
const NEXT_PURPOSE: &[u8] = b"sotto recovery next v1";

/// Why a text is not a recovery code; the texts are for the person who typed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryCodeError {
    #[error("a recovery code has 28 letters and digits; this has {0}")]
    Length(usize),
    #[error("{0:?} does not occur in recovery codes")]
    Character(char),
    #[error("there is a typing mistake in the recovery code; please compare it with what you wrote down")]
    Typo,
}

/// Why a backup does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryError {
    /// Ask for the code again: it is a code, but of another account or an older one.
    #[error("this recovery code does not open this account's backup")]
    WrongCode,
    /// Update the app.
    #[error("the backup was made by a newer version ({0})")]
    Newer(u8),
    /// Made by a faulty client, or not a backup at all.
    #[error("the backup is damaged")]
    Damaged,
}

/// What the server keeps, encrypted, to let a person back in.
#[derive(Debug, Clone)]
pub struct RecoveryContents {
    pub account: AccountId,
    pub username: Username,
    pub identity: IdentityKeyPair,
    pub profile_key: Secret<[u8; 32]>,
}

/// A recovery code. `Debug` shows nothing of it.
#[derive(Debug, Clone, PartialEq)]
pub struct RecoveryCode(Secret<[u8; RANDOM_CHARS]>);

impl RecoveryCode {
    pub fn generate<R: CryptoRng + Rng>(rng: &mut R) -> Self {
        // 32 divides 256, so every character is equally likely.
        let random: Secret<[u8; RANDOM_CHARS]> = Secret::new(rng.random());
        Self(Secret::new(random.expose().map(char_of)))
    }

    /// Takes it as people write it: any case, spaces and dashes anywhere, `o` for 0, `i` and `l` for 1.
    pub fn parse(text: &str) -> Result<Self, RecoveryCodeError> {
        let mut chars = Secret::new([0; CHARS]);
        let mut count = 0;
        for char in text.chars().filter(|char| !char.is_whitespace() && !matches!(char, '-' | '–' | '—' | '_')) {
            let char = canonical(char).ok_or(RecoveryCodeError::Character(char))?;
            let mut next = *chars.expose();
            if let Some(slot) = next.get_mut(count) {
                *slot = char;
            }
            chars = Secret::new(next);
            count += 1;
        }
        if count != CHARS {
            return Err(RecoveryCodeError::Length(count));
        }
        let (random, check) = chars.expose().split_first_chunk::<RANDOM_CHARS>().expect("28 characters begin with 26");
        if check_chars(random) != *check {
            return Err(RecoveryCodeError::Typo);
        }
        Ok(Self(Secret::new(*random)))
    }

    /// In groups of four, for showing and asking back.
    pub fn to_text(&self) -> Secret<String> {
        let mut text = String::with_capacity(CHARS + CHARS / GROUP);
        for (at, char) in self.0.expose().iter().chain(&check_chars(self.0.expose())).enumerate() {
            if at > 0 && at % GROUP == 0 {
                text.push('-');
            }
            text.push(char::from(*char));
        }
        Secret::new(text)
    }

    /// Proves to the server that the code is known.
    pub fn auth_key(&self) -> RecoveryAuthKey {
        RecoveryAuthKey::from_seed(&secretbox::derive(self.0.expose(), AUTH_PURPOSE))
    }

    /// Encrypts what the server keeps.
    pub fn seal<R: CryptoRng + Rng>(&self, contents: &RecoveryContents, rng: &mut R) -> Vec<u8> {
        let backup = pb::RecoveryBackup {
            account_id: Bytes::copy_from_slice(contents.account.as_bytes()),
            identity_key_pair: Bytes::copy_from_slice(contents.identity.serialize().expose()),
            profile_key: Bytes::copy_from_slice(contents.profile_key.expose()),
            username: contents.username.to_string(),
        };
        let plaintext = Secret::new(backup.encode_to_vec());
        secretbox::seal(&self.backup_key(), BACKUP_PURPOSE, plaintext.expose(), rng)
    }

    /// Decrypts it. The caller checks that `account` is the one it asked for.
    pub fn open(&self, sealed: &[u8]) -> Result<RecoveryContents, RecoveryError> {
        let plaintext = secretbox::open(&self.backup_key(), BACKUP_PURPOSE, sealed).map_err(|error| match error {
            OpenError::Refused => RecoveryError::WrongCode,
            OpenError::Version(version) => RecoveryError::Newer(version),
            OpenError::Malformed => RecoveryError::Damaged,
        })?;
        let backup = pb::RecoveryBackup::decode(&plaintext.expose()[..]).map_err(|_| RecoveryError::Damaged)?;
        Ok(RecoveryContents {
            account: AccountId::try_from(&backup.account_id[..]).map_err(|_| RecoveryError::Damaged)?,
            username: Username::parse(&backup.username).map_err(|_| RecoveryError::Damaged)?,
            identity: IdentityKeyPair::parse(&backup.identity_key_pair).map_err(|_| RecoveryError::Damaged)?,
            profile_key: Secret::new(backup.profile_key[..].try_into().map_err(|_| RecoveryError::Damaged)?),
        })
    }

    /// Encrypts the code that is to replace this one, for the device to keep until it knows that the server took it.
    pub fn seal_next<R: CryptoRng + Rng>(&self, next: &Self, rng: &mut R) -> Vec<u8> {
        let key = secretbox::derive(self.0.expose(), NEXT_PURPOSE);
        secretbox::seal(&key, NEXT_PURPOSE, next.to_text().expose().as_bytes(), rng)
    }

    /// None if another code sealed it.
    pub fn open_next(&self, sealed: &[u8]) -> Option<Self> {
        let key = secretbox::derive(self.0.expose(), NEXT_PURPOSE);
        let text = secretbox::open(&key, NEXT_PURPOSE, sealed).ok()?;
        Self::parse(std::str::from_utf8(text.expose()).ok()?).ok()
    }

    fn backup_key(&self) -> Secret<[u8; 32]> {
        secretbox::derive(self.0.expose(), BACKUP_PURPOSE)
    }
}

fn char_of(value: u8) -> u8 {
    let [.., last] = *ALPHABET;
    ALPHABET.get(usize::from(value % 32)).copied().unwrap_or(last)
}

fn canonical(char: char) -> Option<u8> {
    let folded = match char.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    ALPHABET.iter().copied().find(|known| char::from(*known) == folded)
}

/// Ten bits of a hash: a random mistake passes once in a thousand times, and is then a wrong code.
fn check_chars(random: &[u8; RANDOM_CHARS]) -> [u8; CHECK_CHARS] {
    let hash = Sha256::new().chain_update(CHECK_DOMAIN).chain_update(random).finalize();
    let [first, second, ..] = <[u8; 32]>::from(hash);
    [char_of(first), char_of(second)]
}

#[cfg(test)]
mod tests;
