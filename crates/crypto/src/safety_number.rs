//! Safety numbers: what two people compare to know that nobody sits between them. libsignal's fingerprint, version 2, 5200
//! iterations, over the 16 raw bytes of each account id (as Signal does with its own account ids) and the identity keys.

use crate::identity::IdentityKey;
use libsignal_protocol_syft as signal;
use sotto_types::AccountId;
use std::fmt;

const VERSION: u32 = 2;
const ITERATIONS: u32 = 5200;
/// The scannable form is a few dozen bytes; a QR code could carry anything.
const SCANNED_BYTES_MAX: usize = 1024;

/// Why a scanned code says nothing about the contact. Neither verify nor warn; explain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    #[error("that is no safety number")]
    Malformed,
    #[error("that safety number is of version {0}; this app knows version 2")]
    Version(u32),
}

/// Two accounts and their identity keys. Making one takes some milliseconds.
#[derive(Debug, Clone)]
pub struct SafetyNumber {
    digits: String,
    scannable: signal::ScannableFingerprint,
}

impl SafetyNumber {
    pub fn new(own: (AccountId, &IdentityKey), other: (AccountId, &IdentityKey)) -> Self {
        let fingerprint = signal::Fingerprint::new(
            VERSION,
            ITERATIONS,
            own.0.as_bytes(),
            &own.1.to_signal(),
            other.0.as_bytes(),
            &other.1.to_signal(),
        )
        .expect("the iteration count is in libsignal's range");
        let digits = fingerprint.display_string().expect("a fingerprint has digits");
        Self { digits, scannable: fingerprint.scannable }
    }

    /// 60 digits, the same on both sides.
    pub fn digits(&self) -> &str {
        &self.digits
    }

    /// What goes into the QR code.
    pub fn scannable(&self) -> Vec<u8> {
        self.scannable.serialize().expect("serializing a fingerprint cannot fail")
    }

    /// Whether the other's QR code shows the same two keys. `false` is a warning to show, not an error.
    pub fn compare(&self, scanned: &[u8]) -> Result<bool, ScanError> {
        if scanned.len() > SCANNED_BYTES_MAX {
            return Err(ScanError::Malformed);
        }
        self.scannable.compare(scanned).map_err(|error| match error {
            signal::FingerprintError::VersionMismatch { theirs, .. } => ScanError::Version(theirs),
            _ => ScanError::Malformed,
        })
    }
}

/// In twelve groups of five, as people read it aloud.
impl fmt::Display for SafetyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, digit) in self.digits.chars().enumerate() {
            if at > 0 && at % 5 == 0 {
                f.write_str(" ")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // libsignal's own test vector for version 2 (there over phone numbers, so only the keys are taken from it).
    const ANN: &str = "0506863bc66d02b40d27b8d49ca7c09e9239236f9d7d25d6fcca5ce13c7064d868";
    const BOB: &str = "05f781b6fb32fed9ba1cf2de978d4d5da28dc34046ae814402b5c0dbd96fda907b";

    fn key(hex_bytes: &str) -> IdentityKey {
        IdentityKey::parse(&hex::decode(hex_bytes).expect("hex")).expect("a key")
    }

    fn pair() -> (SafetyNumber, SafetyNumber) {
        let (ann, bob) = (AccountId::from_bytes([0xa1; 16]), AccountId::from_bytes([0xb2; 16]));
        let (ann_key, bob_key) = (key(ANN), key(BOB));
        (SafetyNumber::new((ann, &ann_key), (bob, &bob_key)), SafetyNumber::new((bob, &bob_key), (ann, &ann_key)))
    }

    #[test]
    fn both_sides_see_the_same() {
        let (ann, bob) = pair();
        assert_eq!(ann.digits(), bob.digits());
        assert_eq!(ann.digits().len(), 60);
        assert!(ann.digits().bytes().all(|digit| digit.is_ascii_digit()));
        assert_eq!(ann.to_string().split(' ').map(str::len).collect::<Vec<_>>(), [5; 12]);
        assert_eq!(ann.compare(&bob.scannable()), Ok(true));
        assert_eq!(bob.compare(&ann.scannable()), Ok(true));
        assert_eq!(ann.compare(&ann.scannable()), Ok(false), "one's own code is not the other's");
    }

    #[test]
    fn another_key_or_account_shows() {
        let (ann, bob) = pair();
        let (ann_id, bob_id) = (AccountId::from_bytes([0xa1; 16]), AccountId::from_bytes([0xb2; 16]));
        let other_key = SafetyNumber::new((ann_id, &key(ANN)), (bob_id, &key(ANN)));
        let other_account = SafetyNumber::new((ann_id, &key(ANN)), (AccountId::from_bytes([0xb3; 16]), &key(BOB)));
        for other in [other_key, other_account] {
            assert_ne!(other.digits(), ann.digits());
            assert_eq!(other.compare(&bob.scannable()), Ok(false));
        }
    }

    #[test]
    fn other_codes_are_refused() {
        let (ann, bob) = pair();
        let mut newer = bob.scannable();
        newer[1] = 3;
        assert_eq!(ann.compare(&newer), Err(ScanError::Version(3)));
        assert_eq!(ann.compare(b"https://example.org"), Err(ScanError::Malformed));
        assert_eq!(ann.compare(&[8; 2000]), Err(ScanError::Malformed));
    }
}
