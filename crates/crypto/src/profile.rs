//! A person's profile (name, about, picture), which the server keeps and only who was given the profile key reads.
//! Form: `secretbox` over the profile padded to one of three sizes, so that the length says little: whether there is a picture,
//! and whether a large one. The key id names the key towards the server: it is derived from the key, which does not follow from it.
//! Always true: the encryption key and the key id are derived from the profile key under labels of their own.
//! Elsewhere: what a profile says is the engine's; whom the key is given to is the person's.

use crate::secretbox::{self, OpenError};
use rand::{CryptoRng, Rng};
use sha2::{Digest, Sha256};
use sotto_types::limits::PROFILE_BYTES;
use sotto_types::{ProfileKeyId, Secret};

const PURPOSE: &[u8] = b"sotto profile v1";
const KEY_ID_PURPOSE: &[u8] = b"sotto profile key id v1";
/// Sizes of encrypted profiles.
const SIZES: [usize; 3] = [1024, 16 * 1024, PROFILE_BYTES];
const PART_PURPOSE: &[u8] = b"sotto profile part v1";
const END_MARK: u8 = 0x80;
/// The longest profile in bytes.
pub const PROFILE_PLAINTEXT_MAX: usize = PROFILE_BYTES - secretbox::OVERHEAD_BYTES - 1;

/// Given to those who may see the profile. A new one whenever somebody shall see later ones no more.
#[derive(Debug, Clone)]
pub struct ProfileKey(Secret<[u8; 32]>);

/// Each has a key of its own, so that it can be shown to fewer people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfilePart {
    /// The name, and all of it from outside.
    Name,
    About,
    Picture,
}

impl ProfilePart {
    const fn purpose(self) -> &'static [u8] {
        match self {
            Self::Name => b"sotto profile key of name v1",
            Self::About => b"sotto profile key of about v1",
            Self::Picture => b"sotto profile key of picture v1",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    #[error("a profile has at most {PROFILE_PLAINTEXT_MAX} bytes")]
    TooLarge,
    /// Ask its owner for the key.
    #[error("this key does not open the profile")]
    OtherKey,
    #[error("the profile was made by a newer version ({0})")]
    Newer(u8),
    #[error("the profile is damaged")]
    Damaged,
}

impl ProfileKey {
    pub fn generate<R: CryptoRng + Rng>(rng: &mut R) -> Self {
        Self(Secret::new(rng.random()))
    }

    /// The key of a part that the owner's devices derive from the account's profile secret, which nobody else has. A new number
    /// is a new key.
    pub fn of_owner(secret: &Secret<[u8; 32]>, part: ProfilePart, number: u32) -> Self {
        Self(secretbox::derive(secret.expose(), &[part.purpose(), &number.to_be_bytes()].concat()))
    }

    pub const fn from_secret(key: Secret<[u8; 32]>) -> Self {
        Self(key)
    }

    pub fn secret(&self) -> &Secret<[u8; 32]> {
        &self.0
    }

    pub fn key_id(&self) -> ProfileKeyId {
        let id = secretbox::derive(self.0.expose(), KEY_ID_PURPOSE);
        ProfileKeyId::from_bytes(*id.expose().first_chunk().expect("16 of 32 bytes"))
    }

    pub fn seal<R: CryptoRng + Rng>(&self, profile: &[u8], rng: &mut R) -> Result<Vec<u8>, ProfileError> {
        let least = profile.len().saturating_add(1 + secretbox::OVERHEAD_BYTES);
        let size = SIZES.into_iter().find(|size| least <= *size).ok_or(ProfileError::TooLarge)?;
        let mut padded = Vec::with_capacity(size - secretbox::OVERHEAD_BYTES);
        padded.extend_from_slice(profile);
        padded.push(END_MARK);
        padded.resize(size - secretbox::OVERHEAD_BYTES, 0);
        Ok(secretbox::seal(&self.encryption_key(), PURPOSE, &padded, rng))
    }

    pub fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, ProfileError> {
        // Other sizes too, so that a later version may have more of them.
        if sealed.len() > PROFILE_BYTES {
            return Err(ProfileError::Damaged);
        }
        let padded = secretbox::open(&self.encryption_key(), PURPOSE, sealed).map_err(|error| match error {
            OpenError::Refused => ProfileError::OtherKey,
            OpenError::Version(version) => ProfileError::Newer(version),
            OpenError::Malformed => ProfileError::Damaged,
        })?;
        let end = padded.expose().iter().rposition(|byte| *byte != 0).ok_or(ProfileError::Damaged)?;
        let (profile, mark) = padded.expose().split_at_checked(end).ok_or(ProfileError::Damaged)?;
        if mark.first() != Some(&END_MARK) {
            return Err(ProfileError::Damaged);
        }
        Ok(profile.to_vec())
    }

    /// Inside a profile, which is padded as a whole.
    pub fn seal_part<R: CryptoRng + Rng>(&self, plain: &[u8], rng: &mut R) -> Vec<u8> {
        secretbox::seal(&secretbox::derive(self.0.expose(), PART_PURPOSE), PART_PURPOSE, plain, rng)
    }

    pub fn open_part(&self, sealed: &[u8]) -> Result<Vec<u8>, ProfileError> {
        let key = secretbox::derive(self.0.expose(), PART_PURPOSE);
        let opened = secretbox::open(&key, PART_PURPOSE, sealed).map_err(|error| match error {
            OpenError::Refused => ProfileError::OtherKey,
            OpenError::Version(version) => ProfileError::Newer(version),
            OpenError::Malformed => ProfileError::Damaged,
        })?;
        Ok(opened.expose().clone())
    }

    fn encryption_key(&self) -> Secret<[u8; 32]> {
        secretbox::derive(self.0.expose(), PURPOSE)
    }
}

/// The first bytes of the SHA-256: names a picture on a device.
pub fn picture_id(picture: &[u8]) -> [u8; 8] {
    *Sha256::digest(picture).first_chunk().expect("8 of 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    #[test]
    fn who_has_the_key_reads_it_and_nobody_else() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let [own, other] = [(); 2].map(|()| ProfileKey::generate(&mut rng));
        for profile in [&b""[..], b"Ann", &[0; 70], &[0x80, 0, 0], &vec![7; PROFILE_PLAINTEXT_MAX]] {
            let sealed = own.seal(profile, &mut rng).expect("it fits");
            let again = ProfileKey::from_secret(own.secret().clone());
            assert_eq!(again.open(&sealed).as_deref(), Ok(profile));
            assert_eq!(other.open(&sealed), Err(ProfileError::OtherKey));
            let mut changed = sealed.clone();
            *changed.last_mut().expect("not empty") ^= 1;
            assert_eq!(own.open(&changed), Err(ProfileError::OtherKey));
            changed[0] = 2;
            assert_eq!(own.open(&changed), Err(ProfileError::Newer(2)));
            assert_eq!(own.open(&sealed[..20]), Err(ProfileError::Damaged));
        }
        assert_eq!(own.open(&[]), Err(ProfileError::Damaged));
        assert_eq!(own.open(&vec![1; PROFILE_BYTES + 1]), Err(ProfileError::Damaged));
        assert_eq!(own.seal(&vec![7; PROFILE_PLAINTEXT_MAX + 1], &mut rng), Err(ProfileError::TooLarge));
        // A hostile owner seals what it likes.
        for padded in [&[0; 100][..], b"no mark"] {
            let sealed = secretbox::seal(&own.encryption_key(), PURPOSE, padded, &mut rng);
            assert_eq!(own.open(&sealed), Err(ProfileError::Damaged));
        }
    }

    #[test]
    fn the_length_has_three_values() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let key = ProfileKey::generate(&mut rng);
        for (len, want) in [
            (0, 1024),
            (982, 1024),
            (983, 16 * 1024),
            (16_342, 16 * 1024),
            (16_343, 66 * 1024),
            (PROFILE_PLAINTEXT_MAX, 66 * 1024),
        ] {
            assert_eq!(key.seal(&vec![1; len], &mut rng).expect("it fits").len(), want, "{len}");
        }
    }

    #[test]
    fn a_key_id_is_always_the_same_and_says_nothing_of_the_key() {
        let key = ProfileKey::from_secret(Secret::new([7; 32]));
        assert_eq!(key.key_id(), ProfileKey::from_secret(Secret::new([7; 32])).key_id());
        assert_ne!(key.key_id(), ProfileKey::from_secret(Secret::new([8; 32])).key_id());
        // RFC 5869 without a salt, computed elsewhere.
        assert_eq!(key.key_id().to_string(), "a8aa2259bf1790577a8f66fe9d6f06db");
        assert_eq!(format!("{key:?}"), "ProfileKey(Secret)");
    }

    #[test]
    fn every_part_and_number_has_a_key_of_its_own() {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let secret = Secret::new([9; 32]);
        let parts = [ProfilePart::Name, ProfilePart::About, ProfilePart::Picture];
        let keys: Vec<ProfileKey> =
            parts.iter().flat_map(|part| [0, 1].map(|number| ProfileKey::of_owner(&secret, *part, number))).collect();
        for (at, key) in keys.iter().enumerate() {
            let sealed = key.seal_part(b"at sea", &mut rng);
            for (other, opener) in keys.iter().enumerate() {
                let want = if at == other { Ok(b"at sea".to_vec()) } else { Err(ProfileError::OtherKey) };
                assert_eq!(opener.open_part(&sealed), want);
            }
            assert_eq!(key.open_part(&[]), Err(ProfileError::Damaged));
            // A part is no profile, and a profile no part.
            assert_eq!(key.open(&sealed), Err(ProfileError::OtherKey));
            assert_eq!(key.open_part(&key.seal(b"at sea", &mut rng).expect("it fits")), Err(ProfileError::OtherKey));
        }
    }
}
