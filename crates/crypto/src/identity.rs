//! Identity keys: one long-term pair per account, shared by its devices. It signs device lists and prekeys and is what a
//! safety number compares.
//! Always true: an `IdentityKey` is well-formed and not of low order; a parsed pair's halves belong together.

use crate::keys::{BadSignature, KeyError, PUBLIC_KEY_BYTES, parse_public};
use libsignal_protocol_syft as signal;
use rand::{CryptoRng, Rng};
use sotto_types::Secret;
use std::fmt;

/// The public half, 33 bytes in libsignal's serialization.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentityKey([u8; PUBLIC_KEY_BYTES]);

impl IdentityKey {
    pub const BYTES: usize = PUBLIC_KEY_BYTES;

    pub fn parse(bytes: &[u8]) -> Result<Self, KeyError> {
        parse_public(bytes)?;
        bytes.try_into().map(Self).map_err(|_| KeyError::Malformed)
    }

    pub const fn as_bytes(&self) -> &[u8; PUBLIC_KEY_BYTES] {
        &self.0
    }

    /// Checks an XEdDSA signature over `domain` followed by `message`.
    pub fn verify(&self, domain: &[u8], message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        let valid = self.to_signal().public_key().verify_signature_for_multipart_message(&[domain, message], signature);
        if valid { Ok(()) } else { Err(BadSignature) }
    }

    pub(crate) fn to_signal(self) -> signal::IdentityKey {
        signal::IdentityKey::decode(&self.0).expect("the bytes were parsed when this was made")
    }

    pub(crate) fn from_signal(key: &signal::IdentityKey) -> Result<Self, KeyError> {
        Self::parse(&key.serialize())
    }
}

impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [_, a, b, c, d, ..] = self.0;
        write!(f, "IdentityKey({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}

/// Both halves.
#[derive(Clone)]
pub struct IdentityKeyPair(signal::IdentityKeyPair);

impl IdentityKeyPair {
    pub fn generate<R: CryptoRng + Rng>(rng: &mut R) -> Self {
        Self(signal::IdentityKeyPair::generate(rng))
    }

    /// libsignal's serialization, as `Provisioning` and `RecoveryBackup` carry it.
    pub fn serialize(&self) -> Secret<Vec<u8>> {
        Secret::new(self.0.serialize().into_vec())
    }

    /// Refuses a public half that is not the private half's.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyError> {
        let pair = signal::IdentityKeyPair::try_from(bytes).map_err(|_| KeyError::Malformed)?;
        let public = IdentityKey::from_signal(pair.identity_key())?;
        let derived = pair.private_key().public_key().map_err(|_| KeyError::Malformed)?;
        if derived.serialize()[..] != public.as_bytes()[..] {
            return Err(KeyError::Malformed);
        }
        Ok(Self(pair))
    }

    pub fn public(&self) -> IdentityKey {
        IdentityKey::from_signal(self.0.identity_key()).expect("checked when this was made")
    }

    /// XEdDSA over `domain` followed by `message`; 64 bytes.
    pub fn sign<R: CryptoRng + Rng>(&self, domain: &[u8], message: &[u8], rng: &mut R) -> [u8; 64] {
        let signature = self
            .0
            .private_key()
            .calculate_signature_for_multipart_message(&[domain, message], rng)
            .expect("signing with a Curve25519 key cannot fail");
        signature[..].try_into().expect("an XEdDSA signature has 64 bytes")
    }

    pub(crate) fn to_signal(&self) -> signal::IdentityKeyPair {
        self.0
    }

    /// For deriving keys that only this account's devices have.
    pub(crate) fn private_bytes(&self) -> Secret<Vec<u8>> {
        Secret::new(self.0.private_key().serialize())
    }
}

impl PartialEq for IdentityKeyPair {
    fn eq(&self, other: &Self) -> bool {
        self.private_bytes() == other.private_bytes()
    }
}

impl fmt::Debug for IdentityKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentityKeyPair({:?})", self.public())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    #[test]
    fn pairs_survive_serialization_and_show_nothing() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let pair = IdentityKeyPair::generate(&mut rng);
        let back = IdentityKeyPair::parse(pair.serialize().expose()).expect("its own serialization");
        assert_eq!(back.public(), pair.public());
        let shown = format!("{pair:?}");
        assert!(!shown.contains(&hex::encode(pair.private_bytes().expose())[..8]), "{shown}");
        assert!(shown.contains(&hex::encode(&pair.public().as_bytes()[1..5])), "{shown}");
    }

    #[test]
    fn halves_that_do_not_belong_together_are_refused() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let [one, other] = [(); 2].map(|()| IdentityKeyPair::generate(&mut rng).to_signal());
        let mixed = signal::IdentityKeyPair::new(*one.identity_key(), *other.private_key()).serialize();
        assert_eq!(IdentityKeyPair::parse(&mixed).map(|_| ()), Err(KeyError::Malformed));
        assert_eq!(IdentityKeyPair::parse(b"").map(|_| ()), Err(KeyError::Malformed));
    }

    #[test]
    fn signatures_hold_for_their_domain_and_message_only() {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let pair = IdentityKeyPair::generate(&mut rng);
        let signature = pair.sign(b"list\0", b"payload", &mut rng);
        let check = |domain: &[u8], message: &[u8], signature: &[u8]| pair.public().verify(domain, message, signature);
        assert_eq!(check(b"list\0", b"payload", &signature), Ok(()));
        assert_eq!(check(b"else\0", b"payload", &signature), Err(BadSignature));
        assert_eq!(check(b"list\0", b"Payload", &signature), Err(BadSignature));
        assert_eq!(check(b"list\0", b"payload", &signature[..63]), Err(BadSignature));
        assert_eq!(
            IdentityKeyPair::generate(&mut rng).public().verify(b"list\0", b"payload", &signature),
            Err(BadSignature)
        );
    }
}
