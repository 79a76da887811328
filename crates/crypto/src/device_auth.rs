//! Sign-in keys: the Ed25519 key of a device, and the one derived from the recovery code. Each signs the server's challenge
//! under its own domain, so an answer to one kind of challenge never passes for the other.
//! Always true: verification is strict (canonical, no low-order points), so one signature proves one key.

use crate::keys::{BadSignature, KeyError};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use rand::{CryptoRng, Rng};
use sotto_types::Secret;
use sotto_wire::{RECOVERY_DOMAIN, SIGN_IN_DOMAIN};
use std::fmt;

/// Public half of a device's auth key or of the recovery auth key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuthPublicKey([u8; 32]);

impl AuthPublicKey {
    pub const BYTES: usize = 32;

    /// Refuses bytes that are no point, or one of low order: with such a key anyone could sign.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyError> {
        let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| KeyError::Malformed)?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::Malformed)?;
        if key.is_weak() { Err(KeyError::LowOrder) } else { Ok(Self(bytes)) }
    }

    /// Bytes that `parse` accepted when they were stored. It is the same check later: with others, no signature is valid.
    pub const fn stored(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Checks a device's answer to a sign-in challenge.
    pub fn verify_sign_in(&self, challenge: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        self.verify(SIGN_IN_DOMAIN, challenge, signature)
    }

    /// Checks the recovery code's answer to a recovery challenge.
    pub fn verify_recovery(&self, challenge: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        self.verify(RECOVERY_DOMAIN, challenge, signature)
    }

    fn verify(&self, domain: &[u8], challenge: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        let signature = Signature::from_slice(signature).map_err(|_| BadSignature)?;
        let key = VerifyingKey::from_bytes(&self.0).map_err(|_| BadSignature)?;
        key.verify_strict(&[domain, challenge].concat(), &signature).map_err(|_| BadSignature)
    }
}

impl fmt::Debug for AuthPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "AuthPublicKey({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}

macro_rules! auth_key {
    ($(#[$doc:meta])* $name:ident, $domain:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(SigningKey);

        impl $name {
            pub fn from_seed(seed: &Secret<[u8; 32]>) -> Self {
                Self(SigningKey::from_bytes(seed.expose()))
            }

            /// What to store; `from_seed` makes the key of it again.
            pub fn seed(&self) -> Secret<[u8; 32]> {
                Secret::new(self.0.to_bytes())
            }

            pub fn public(&self) -> AuthPublicKey {
                AuthPublicKey(self.0.verifying_key().to_bytes())
            }

            /// Answers a challenge of the server.
            pub fn sign(&self, challenge: &[u8]) -> [u8; 64] {
                self.0.sign(&[$domain, challenge].concat()).to_bytes()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), self.public())
            }
        }
    };
}

auth_key! {
    /// Signs a device in.
    DeviceAuthKey, SIGN_IN_DOMAIN
}

auth_key! {
    /// Proves knowledge of the recovery code; made by `recovery::RecoveryCode::auth_key`.
    RecoveryAuthKey, RECOVERY_DOMAIN
}

impl DeviceAuthKey {
    pub fn generate<R: CryptoRng + Rng>(rng: &mut R) -> Self {
        let seed: Secret<[u8; 32]> = Secret::new(rng.random());
        Self::from_seed(&seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    #[test]
    fn a_challenge_is_answered_under_its_own_domain() {
        let device = DeviceAuthKey::generate(&mut ChaCha20Rng::seed_from_u64(1));
        let recovery = RecoveryAuthKey::from_seed(&device.seed());
        assert_eq!(device.public(), recovery.public());
        let public = AuthPublicKey::parse(device.public().as_bytes()).expect("a real key");
        assert_eq!(public.verify_sign_in(b"challenge", &device.sign(b"challenge")), Ok(()));
        assert_eq!(public.verify_recovery(b"challenge", &recovery.sign(b"challenge")), Ok(()));
        assert_eq!(public.verify_recovery(b"challenge", &device.sign(b"challenge")), Err(BadSignature));
        assert_eq!(public.verify_sign_in(b"challenge", &recovery.sign(b"challenge")), Err(BadSignature));
        assert_eq!(public.verify_sign_in(b"Challenge", &device.sign(b"challenge")), Err(BadSignature));
        assert_eq!(public.verify_sign_in(b"challenge", b""), Err(BadSignature));
    }

    #[test]
    fn weak_and_malformed_keys_are_refused() {
        let mut identity_point = [0; 32];
        identity_point[0] = 1;
        assert_eq!(AuthPublicKey::parse(&identity_point), Err(KeyError::LowOrder));
        assert_eq!(AuthPublicKey::parse(&[0; 32]), Err(KeyError::LowOrder));
        assert_eq!(AuthPublicKey::parse(&[2; 32]), Err(KeyError::Malformed));
        assert_eq!(AuthPublicKey::parse(&[1; 31]), Err(KeyError::Malformed));
    }

    #[test]
    fn debug_shows_the_public_half_only() {
        let key = DeviceAuthKey::generate(&mut ChaCha20Rng::seed_from_u64(2));
        let shown = format!("{key:?}");
        assert!(!shown.contains(&hex::encode(&key.seed().expose()[..4])), "{shown}");
    }
}
