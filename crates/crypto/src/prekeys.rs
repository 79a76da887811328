//! Prekeys: what a device publishes so that others can start sessions with it while it is offline.
//! Flow: `generate_*` (own device: the record stays, the public half is uploaded) -> `verify_*` (server) -> bundle ->
//!       `session::start_session` (sender, which checks again) -> the first message names the ids -> the records are found.
//! Always true:
//! - signed prekeys and Kyber prekeys are signed by the identity key; a bad signature or a low-order key is refused twice;
//! - one-time and last-resort Kyber prekeys share one id space: an id names one key for ever on a device.
//!
//! Elsewhere: when to rotate and refill is the engine's; what happens to a used key is in `session`.

use crate::identity::{IdentityKey, IdentityKeyPair};
use crate::keys::{BadSignature, KeyError, parse_public};
use libsignal_protocol_syft as signal;
use rand::{CryptoRng, Rng};
use signal::GenericSignedPreKey as _;
use signal::kem;
use sotto_types::{Secret, Timestamp};
use sotto_wire::http;

macro_rules! prekey_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

prekey_id! {
    /// Names a signed EC prekey of a device.
    SignedPreKeyId
}
prekey_id! {
    /// Names a one-time EC prekey of a device.
    EcPreKeyId
}
prekey_id! {
    /// Names a Kyber prekey of a device, one-time or last-resort.
    KyberPreKeyId
}

/// A new prekey: the record to store (it holds the private half) and the public half to upload.
#[derive(Debug, Clone)]
pub struct NewPreKey<P> {
    pub id: u32,
    pub record: Secret<Vec<u8>>,
    pub public: P,
}

/// The signed EC prekey, to be replaced weekly.
pub fn generate_signed_prekey<R: CryptoRng + Rng>(
    identity: &IdentityKeyPair,
    id: SignedPreKeyId,
    now: Timestamp,
    rng: &mut R,
) -> NewPreKey<http::SignedPreKey> {
    let pair = signal::KeyPair::generate(rng);
    let public_key = pair.public_key.serialize();
    let signature = identity.sign(b"", &public_key, rng);
    let record = signal::SignedPreKeyRecord::new(id.0.into(), to_signal_time(now), &pair, &signature);
    NewPreKey {
        id: id.0,
        record: Secret::new(record.serialize().expect("serializing a record cannot fail")),
        public: http::SignedPreKey { id: id.0, public_key: public_key.into(), signature: signature.into() },
    }
}

/// A Kyber-1024 prekey; whether it is one-time or the last resort is only a matter of how it is kept and uploaded.
pub fn generate_kyber_prekey<R: CryptoRng + Rng>(
    identity: &IdentityKeyPair,
    id: KyberPreKeyId,
    now: Timestamp,
    rng: &mut R,
) -> NewPreKey<http::SignedPreKey> {
    let pair = kem::KeyPair::generate(kem::KeyType::Kyber1024, rng);
    let public_key = pair.public_key.serialize();
    let signature = identity.sign(b"", &public_key, rng);
    // Not `KyberPreKeyRecord::generate`: that reads the clock, which WebAssembly does not have.
    let record = signal::KyberPreKeyRecord::new(id.0.into(), to_signal_time(now), &pair, &signature);
    NewPreKey {
        id: id.0,
        record: Secret::new(record.serialize().expect("serializing a record cannot fail")),
        public: http::SignedPreKey { id: id.0, public_key: public_key.into(), signature: signature.into() },
    }
}

pub fn generate_one_time_ec_prekey<R: CryptoRng + Rng>(id: EcPreKeyId, rng: &mut R) -> NewPreKey<http::EcPreKey> {
    let pair = signal::KeyPair::generate(rng);
    let record = signal::PreKeyRecord::new(id.0.into(), &pair);
    NewPreKey {
        id: id.0,
        record: Secret::new(record.serialize().expect("serializing a record cannot fail")),
        public: http::EcPreKey { id: id.0, public_key: pair.public_key.serialize().into() },
    }
}

/// Ids for `generate_device_prekeys`. One-time ids count up from the first ones given.
#[derive(Debug, Clone, Copy)]
pub struct DevicePreKeyIds {
    pub signed: SignedPreKeyId,
    pub last_resort: KyberPreKeyId,
    pub first_one_time_ec: EcPreKeyId,
    /// `last_resort` must not fall into the range that begins here.
    pub first_one_time_kyber: KyberPreKeyId,
    pub one_time_count: u32,
}

/// Everything a new device publishes, with its records.
#[derive(Debug, Clone)]
pub struct DevicePreKeys {
    pub signed: NewPreKey<http::SignedPreKey>,
    pub last_resort: NewPreKey<http::SignedPreKey>,
    pub one_time_ec: Vec<NewPreKey<http::EcPreKey>>,
    pub one_time_kyber: Vec<NewPreKey<http::SignedPreKey>>,
}

impl DevicePreKeys {
    /// The public halves, as registration and linking upload them.
    pub fn public(&self) -> http::DeviceKeys {
        http::DeviceKeys {
            signed_prekey: self.signed.public.clone(),
            last_resort_kyber: self.last_resort.public.clone(),
            one_time_ec: self.one_time_ec.iter().map(|key| key.public.clone()).collect(),
            one_time_kyber: self.one_time_kyber.iter().map(|key| key.public.clone()).collect(),
        }
    }
}

pub fn generate_device_prekeys<R: CryptoRng + Rng>(
    identity: &IdentityKeyPair,
    ids: DevicePreKeyIds,
    now: Timestamp,
    rng: &mut R,
) -> DevicePreKeys {
    DevicePreKeys {
        signed: generate_signed_prekey(identity, ids.signed, now, rng),
        last_resort: generate_kyber_prekey(identity, ids.last_resort, now, rng),
        one_time_ec: (0..ids.one_time_count)
            .map(|at| generate_one_time_ec_prekey(EcPreKeyId(ids.first_one_time_ec.0.wrapping_add(at)), rng))
            .collect(),
        one_time_kyber: (0..ids.one_time_count)
            .map(|at| {
                let id = KyberPreKeyId(ids.first_one_time_kyber.0.wrapping_add(at));
                generate_kyber_prekey(identity, id, now, rng)
            })
            .collect(),
    }
}

/// Why a published prekey is refused. All mean: the upload or bundle is not used, nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PreKeyError {
    #[error("prekey {id}: {reason}")]
    Key { id: u32, reason: KeyError },
    #[error("prekey {id}: {BadSignature}")]
    Signature { id: u32 },
}

/// Checks a signed EC prekey as published.
pub fn verify_signed_prekey(
    identity: &IdentityKey,
    id: u32,
    public_key: &[u8],
    signature: &[u8],
) -> Result<(), PreKeyError> {
    parse_public(public_key).map_err(|reason| PreKeyError::Key { id, reason })?;
    identity.verify(b"", public_key, signature).map_err(|BadSignature| PreKeyError::Signature { id })
}

/// Checks a Kyber-1024 prekey as published, one-time or last-resort.
pub fn verify_kyber_prekey(
    identity: &IdentityKey,
    id: u32,
    public_key: &[u8],
    signature: &[u8],
) -> Result<(), PreKeyError> {
    parse_kyber(public_key).map_err(|reason| PreKeyError::Key { id, reason })?;
    identity.verify(b"", public_key, signature).map_err(|BadSignature| PreKeyError::Signature { id })
}

/// Checks a one-time EC prekey as published. It carries no signature.
pub fn verify_one_time_ec_prekey(id: u32, public_key: &[u8]) -> Result<(), PreKeyError> {
    parse_public(public_key).map(drop).map_err(|reason| PreKeyError::Key { id, reason })
}

/// Checks all keys of an upload; the server calls this (or the functions above on its own types) before it stores any.
pub fn verify_prekey_upload(identity: &IdentityKey, upload: &http::UploadKeys) -> Result<(), PreKeyError> {
    if let Some(key) = &upload.signed_prekey {
        verify_signed_prekey(identity, key.id, &key.public_key.0, &key.signature.0)?;
    }
    for key in upload.last_resort_kyber.iter().chain(&upload.one_time_kyber) {
        verify_kyber_prekey(identity, key.id, &key.public_key.0, &key.signature.0)?;
    }
    upload.one_time_ec.iter().try_for_each(|key| verify_one_time_ec_prekey(key.id, &key.public_key.0))
}

/// The same for the keys of a new device.
pub fn verify_device_keys(identity: &IdentityKey, keys: &http::DeviceKeys) -> Result<(), PreKeyError> {
    let signed = &keys.signed_prekey;
    verify_signed_prekey(identity, signed.id, &signed.public_key.0, &signed.signature.0)?;
    for key in std::iter::once(&keys.last_resort_kyber).chain(&keys.one_time_kyber) {
        verify_kyber_prekey(identity, key.id, &key.public_key.0, &key.signature.0)?;
    }
    keys.one_time_ec.iter().try_for_each(|key| verify_one_time_ec_prekey(key.id, &key.public_key.0))
}

/// Exactly a Kyber-1024 key: libsignal would also take other sizes.
pub(crate) fn parse_kyber(bytes: &[u8]) -> Result<kem::PublicKey, KeyError> {
    let key = kem::PublicKey::deserialize(bytes).map_err(|_| KeyError::Malformed)?;
    if key.key_type() != kem::KeyType::Kyber1024 || key.serialize()[..] != *bytes {
        return Err(KeyError::Malformed);
    }
    Ok(key)
}

fn to_signal_time(now: Timestamp) -> signal::Timestamp {
    signal::Timestamp::from_epoch_millis(now.as_ms())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests::low_order_keys;
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    const IDS: DevicePreKeyIds = DevicePreKeyIds {
        signed: SignedPreKeyId(1),
        last_resort: KyberPreKeyId(1),
        first_one_time_ec: EcPreKeyId(1),
        first_one_time_kyber: KyberPreKeyId(2),
        one_time_count: 2,
    };

    fn keys() -> (IdentityKeyPair, http::DeviceKeys, ChaCha20Rng) {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let identity = IdentityKeyPair::generate(&mut rng);
        let keys = generate_device_prekeys(&identity, IDS, Timestamp::from_ms(1_763_000_000_000), &mut rng).public();
        (identity, keys, rng)
    }

    #[test]
    fn what_is_generated_verifies() {
        let (identity, keys, _) = keys();
        assert_eq!(verify_device_keys(&identity.public(), &keys), Ok(()));
        assert_eq!((keys.one_time_ec.len(), keys.one_time_kyber.len()), (2, 2));
        assert_eq!(keys.one_time_kyber.iter().map(|key| key.id).collect::<Vec<_>>(), [2, 3]);
        let upload = http::UploadKeys {
            signed_prekey: Some(keys.signed_prekey),
            last_resort_kyber: Some(keys.last_resort_kyber),
            one_time_ec: keys.one_time_ec,
            one_time_kyber: keys.one_time_kyber,
            replace: false,
        };
        assert_eq!(verify_prekey_upload(&identity.public(), &upload), Ok(()));
    }

    #[test]
    fn each_key_is_checked() {
        type Spoil = fn(&mut http::DeviceKeys);
        let bad_key = |id| Err(PreKeyError::Key { id, reason: KeyError::Malformed });
        let bad_signature = |id| Err(PreKeyError::Signature { id });
        let table: [(&str, Spoil, Result<(), PreKeyError>); 8] = [
            ("signed key", |keys| keys.signed_prekey.public_key.0[5] ^= 1, bad_signature(1)),
            ("signature", |keys| keys.signed_prekey.signature.0[5] ^= 1, bad_signature(1)),
            ("last resort", |keys| keys.last_resort_kyber.public_key.0[50] ^= 1, bad_signature(1)),
            ("kyber length", |keys| keys.last_resort_kyber.public_key.0.truncate(1000), bad_key(1)),
            ("kyber type", |keys| keys.last_resort_kyber.public_key.0[0] = 7, bad_key(1)),
            ("one-time kyber", |keys| keys.one_time_kyber[1].signature.0.clear(), bad_signature(3)),
            ("one-time length", |keys| keys.one_time_ec[1].public_key.0.push(0), bad_key(2)),
            (
                "swapped",
                |keys| keys.last_resort_kyber.signature = keys.one_time_kyber[0].signature.clone(),
                bad_signature(1),
            ),
        ];
        for (name, spoil, want) in table {
            let (identity, mut keys, _) = keys();
            spoil(&mut keys);
            assert_eq!(verify_device_keys(&identity.public(), &keys), want, "{name}");
        }
    }

    #[test]
    fn low_order_keys_are_refused_even_when_signed() {
        let (identity, mut keys, mut rng) = keys();
        for low in low_order_keys() {
            keys.signed_prekey.signature.0 = identity.sign(b"", &low, &mut rng).to_vec();
            keys.signed_prekey.public_key.0 = low.to_vec();
            let want = Err(PreKeyError::Key { id: 1, reason: KeyError::LowOrder });
            assert_eq!(verify_device_keys(&identity.public(), &keys), want);
            assert_eq!(verify_one_time_ec_prekey(1, &low), want);
        }
    }
}
