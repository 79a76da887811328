//! Checks on Curve25519 public keys that come from outside.
//! Always true: a key that passes `parse_public` is 33 bytes, type 5, in canonical range, and not of low order, so no
//! Diffie-Hellman with it gives the all-zero result that anybody could predict.

use libsignal_protocol_syft::PublicKey;

/// Length of a serialized public key: a type byte and 32 bytes.
pub(crate) const PUBLIC_KEY_BYTES: usize = 33;

/// Why bytes are not a usable public key. Both mean: refuse whatever it came with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum KeyError {
    #[error("not a key of this type")]
    Malformed,
    /// One of the few points with which every shared secret is predictable: an attack, never an accident.
    #[error("a low-order key is refused")]
    LowOrder,
}

/// The signature is not by this key over these bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct BadSignature;

/// The u-coordinates below 2^255 - 19 of all points of order 1, 2, 4 and 8 on the curve and its twist (RFC 7748 section 7;
/// the list libsodium refuses). Others with the same value modulo the prime fail the range check.
const LOW_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09,
        0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44,
        0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
    {
        let mut minus_one = [0xff; 32];
        minus_one[0] = 0xec;
        minus_one[31] = 0x7f;
        minus_one
    },
];

/// Parses a public key exactly (libsignal itself tolerates trailing bytes).
pub(crate) fn parse_public(bytes: &[u8]) -> Result<PublicKey, KeyError> {
    if bytes.len() != PUBLIC_KEY_BYTES {
        return Err(KeyError::Malformed);
    }
    let key = PublicKey::deserialize(bytes).map_err(|_| KeyError::Malformed)?;
    check_public(&key)?;
    Ok(key)
}

/// The checks alone, for keys that libsignal parsed inside a message.
pub(crate) fn check_public(key: &PublicKey) -> Result<(), KeyError> {
    let Ok(bytes) = <&[u8; 32]>::try_from(key.public_key_bytes()) else { return Err(KeyError::Malformed) };
    if !in_range(bytes) {
        return Err(KeyError::Malformed);
    }
    if LOW_ORDER.contains(bytes) {
        return Err(KeyError::LowOrder);
    }
    Ok(())
}

/// Below 2^255 - 19: one key has one encoding, so comparing bytes compares keys.
fn in_range(key: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = key;
    *high < 0x7f || (*high == 0x7f && (*low < 0xed || middle.iter().any(|byte| *byte != 0xff)))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn low_order_keys() -> impl Iterator<Item = [u8; 33]> {
        LOW_ORDER.iter().map(|point| {
            let mut key = [5; 33];
            key[1..].copy_from_slice(point);
            key
        })
    }

    #[test]
    fn low_order_keys_are_refused() {
        for key in low_order_keys() {
            assert_eq!(parse_public(&key), Err(KeyError::LowOrder), "{}", hex::encode(key));
        }
    }

    #[test]
    fn every_low_order_key_gives_the_zero_secret() {
        let private =
            libsignal_protocol_syft::PrivateKey::deserialize(&[0x42; 32]).expect("32 bytes are a private key");
        for key in low_order_keys() {
            let public = PublicKey::deserialize(&key).expect("libsignal itself takes it");
            assert_eq!(*private.calculate_agreement(&public).expect("agrees"), [0; 32]);
        }
    }

    #[test]
    fn malformed_keys_are_refused() {
        let mut prime = [0xff; 33];
        (prime[0], prime[1], prime[32]) = (5, 0xed, 0x7f);
        let mut high_bit = [9; 33];
        (high_bit[0], high_bit[32]) = (5, 0x80);
        let mut other_type = [9; 33];
        other_type[0] = 6;
        for bytes in [&[][..], &[5; 32], &[5; 34], &other_type, &prime, &high_bit] {
            assert_eq!(parse_public(bytes), Err(KeyError::Malformed), "{}", hex::encode(bytes));
        }
        let mut largest = prime;
        largest[1] = 0xeb;
        assert!(parse_public(&largest).is_ok());
    }
}
