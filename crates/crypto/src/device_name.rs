//! Device names ("Ann's laptop"), which the server stores and only the account's own devices read: encrypted under a key
//! derived from the identity private key.

use crate::identity::IdentityKeyPair;
use crate::secretbox::{self, OpenError};
use rand::{CryptoRng, Rng};
use sotto_types::Secret;

const PURPOSE: &[u8] = b"sotto device name v1";

/// Longest name in bytes of UTF-8, so that its ciphertext stays within the 256 bytes the server takes.
pub const DEVICE_NAME_BYTES_MAX: usize = 256 - secretbox::OVERHEAD_BYTES;

/// Why a device name does not open; show the device without a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeviceNameError {
    /// From before the identity key was replaced, or not by a device of this account.
    #[error("it is not encrypted by this identity key")]
    OtherKey,
    #[error("it is not an encrypted device name")]
    Malformed,
}

/// A name that is too long is cut at a character.
pub fn encrypt_device_name<R: CryptoRng + Rng>(identity: &IdentityKeyPair, name: &str, rng: &mut R) -> Vec<u8> {
    let fits = |end: &usize| *end <= DEVICE_NAME_BYTES_MAX;
    let end = name.char_indices().map(|(at, char)| at + char.len_utf8()).take_while(fits).last().unwrap_or(0);
    let (name, _) = name.split_at(end);
    secretbox::seal(&key(identity), PURPOSE, name.as_bytes(), rng)
}

pub fn decrypt_device_name(identity: &IdentityKeyPair, encrypted: &[u8]) -> Result<String, DeviceNameError> {
    let name = secretbox::open(&key(identity), PURPOSE, encrypted).map_err(|error| match error {
        OpenError::Refused => DeviceNameError::OtherKey,
        OpenError::Malformed | OpenError::Version(_) => DeviceNameError::Malformed,
    })?;
    String::from_utf8(name.expose().clone()).map_err(|_| DeviceNameError::Malformed)
}

fn key(identity: &IdentityKeyPair) -> Secret<[u8; 32]> {
    secretbox::derive(identity.private_bytes().expose(), PURPOSE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    #[test]
    fn own_devices_read_it_and_nobody_else() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let [own, other] = [(); 2].map(|()| IdentityKeyPair::generate(&mut rng));
        for name in ["", "Ann's laptop", "Küche 🍳"] {
            let encrypted = encrypt_device_name(&own, name, &mut rng);
            assert_eq!(decrypt_device_name(&own, &encrypted).as_deref(), Ok(name));
            assert_eq!(decrypt_device_name(&other, &encrypted), Err(DeviceNameError::OtherKey));
            let mut changed = encrypted.clone();
            *changed.last_mut().expect("not empty") ^= 1;
            assert_eq!(decrypt_device_name(&own, &changed), Err(DeviceNameError::OtherKey));
            assert_eq!(decrypt_device_name(&own, &encrypted[..20]), Err(DeviceNameError::Malformed));
        }
        assert_eq!(decrypt_device_name(&own, &[]), Err(DeviceNameError::Malformed));
    }

    #[test]
    fn long_names_are_cut_at_a_character() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let own = IdentityKeyPair::generate(&mut rng);
        let encrypted = encrypt_device_name(&own, &"é".repeat(200), &mut rng);
        assert!(encrypted.len() <= 256);
        assert_eq!(decrypt_device_name(&own, &encrypted), Ok("é".repeat(DEVICE_NAME_BYTES_MAX / 2)));
    }
}
