//! Guards that stand before libsignal 0.85.3 for what upstream fixed later or leaves to the application. A hostile ciphertext
//! is refused here with a reason; it never reaches code that could panic or run for hours.
//! Always true: an honest peer on any libsignal since 0.85 passes every guard (the interop test holds us to that).

use crate::identity::IdentityKey;
use crate::keys::{KeyError, check_public};
use crate::peek;
use libsignal_protocol_syft as signal;
use sotto_types::DeviceAddress;

/// Which guard refused a message. All mean: somebody forged it, or the sender is broken; the session is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Guard {
    /// Not PQXDH with the Triple Ratchet: version 4 of the protocol, version 1 of SPQR. Also refuses a downgrade.
    #[error("the protocol version is not ours")]
    Version,
    /// The post-quantum ratchet field would make SPQR 1.2.0 panic before the MAC is checked.
    #[error("the post-quantum ratchet field is malformed")]
    RatchetField,
    /// With a low-order key, anybody could know the shared secret.
    #[error("a key in it is unusable")]
    Key(#[source] KeyError),
    /// Skipping that many keys would take seconds to hours. Also what an honest message looks like after 2,000 lost ones.
    #[error("it claims to be too far ahead")]
    TooFarAhead,
    /// Our own identity key under another account: a reflected message.
    #[error("it carries our identity key under another account")]
    OwnIdentityElsewhere,
    /// Another identity key under our own account: a device that is not ours.
    #[error("it carries another identity key under our own account")]
    ForeignIdentityOnOwnAccount,
    /// The identity key of the session it decrypts in is not the one the message shows.
    #[error("it shows another identity key than its session")]
    SessionIdentity,
}

/// The only version of libsignal's messages that carries PQXDH and SPQR.
const MESSAGE_VERSION: u8 = 4;
const SPQR_VERSION: u8 = 1;

/// How many message keys one message may skip: as many as libsignal keeps. Its own limit is 25,000, which takes 5 s for each
/// session of the record (measured), and none at all between own devices. Beyond it the sender is asked again.
const RATCHET_JUMP_MAX: u32 = 2_000;
/// The same for SPQR, whose 25,000 take 30 ms; it too has no limit between own devices.
const PQ_RATCHET_JUMP_MAX: u32 = 25_000;

pub(super) fn check_ratchet_message(
    message: &signal::SignalMessage,
    session_record: Option<&[u8]>,
) -> Result<(), Guard> {
    if message.message_version() != MESSAGE_VERSION {
        return Err(Guard::Version);
    }
    check_public(message.sender_ratchet_key()).map_err(Guard::Key)?;
    let pq_index = check_spqr(message.pq_ratchet())?;
    check_jump(message.sender_ratchet_key(), message.counter(), pq_index, session_record)
}

pub(super) fn check_prekey_message(message: &signal::PreKeySignalMessage) -> Result<(), Guard> {
    if message.message_version() != MESSAGE_VERSION {
        return Err(Guard::Version);
    }
    check_public(message.base_key()).map_err(Guard::Key)?;
    check_public(message.identity_key().public_key()).map_err(Guard::Key)
}

/// Own identity key and own account belong together, in both directions.
pub(super) fn check_own_identity(
    shown: IdentityKey,
    from: DeviceAddress,
    own: IdentityKey,
    own_address: DeviceAddress,
) -> Result<(), Guard> {
    match (shown == own, from.account == own_address.account) {
        (true, false) => Err(Guard::OwnIdentityElsewhere),
        (false, true) => Err(Guard::ForeignIdentityOnOwnAccount),
        _ => Ok(()),
    }
}

/// SPQR 1.2.0 indexes past the end of a short message and subtracts from epoch 0 (fixed upstream in 1.4.0), and shifts out of
/// range on a long number: version byte, epoch, index, kind, and for most kinds a chunk. Returns the index.
fn check_spqr(field: &[u8]) -> Result<u64, Guard> {
    let (version, rest) = field.split_first().ok_or(Guard::Version)?;
    if *version != SPQR_VERSION {
        return Err(Guard::Version);
    }
    let (epoch, rest) = read_varint(rest).ok_or(Guard::RatchetField)?;
    let (index, rest) = read_varint(rest).ok_or(Guard::RatchetField)?;
    // Epochs are counted in 64 bits and compared by adding to them.
    if epoch == 0 || epoch >= u64::MAX / 2 {
        return Err(Guard::RatchetField);
    }
    match rest.split_first().ok_or(Guard::RatchetField)? {
        (0 | 4, _) => Ok(index),
        (1..=6, chunk) if is_spqr_chunk(chunk) => Ok(index),
        _ => Err(Guard::RatchetField),
    }
}

/// A 16-bit number and 32 bytes; what a later version adds may follow.
fn is_spqr_chunk(bytes: &[u8]) -> bool {
    read_varint(bytes).is_some_and(|(index, data)| index <= u64::from(u16::MAX) && data.len() >= 32)
}

fn read_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0u64;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        let shift = u32::try_from(at).ok()?.checked_mul(7)?;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some((value, bytes.split_at_checked(at + 1)?.1));
        }
    }
    None
}

fn check_jump(
    ratchet_key: &signal::PublicKey,
    counter: u32,
    pq_index: u64,
    session_record: Option<&[u8]>,
) -> Result<(), Guard> {
    if counter <= RATCHET_JUMP_MAX && pq_index <= u64::from(PQ_RATCHET_JUMP_MAX) {
        return Ok(());
    }
    // A long one-sided conversation, or a lie: the session knows how far the chain has come. An unreadable one is
    // libsignal's to report.
    let up_to = session_record.map(|record| peek::received_up_to(record, &ratchet_key.serialize()));
    let Some(up_to) = up_to.unwrap_or(Some(peek::ReceivedUpTo::default())) else { return Ok(()) };
    let ahead = counter > up_to.ratchet.saturating_add(RATCHET_JUMP_MAX)
        || pq_index > u64::from(up_to.pq_ratchet.saturating_add(PQ_RATCHET_JUMP_MAX));
    if ahead { Err(Guard::TooFarAhead) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spqr_fields_that_panic_are_refused() {
        let huge = [1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 1, 0];
        let endless = [1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1, 0];
        let endless_chunk = [&[1, 1, 2, 2][..], &[0xbd; 64]].concat();
        // Kind 3 with a chunk whose number ends in `high`.
        let chunk = |high| [&[1, 1, 2, 3, 0xff, 0xff, high][..], &[9; 32]].concat();
        for (name, field, want) in [
            ("empty: SPQR off", &[][..], Err(Guard::Version)),
            ("version 0", &[0, 1, 1, 0], Err(Guard::Version)),
            ("version 2", &[2, 1, 1, 0], Err(Guard::Version)),
            ("version alone", &[1], Err(Guard::RatchetField)),
            ("no index", &[1, 1], Err(Guard::RatchetField)),
            ("truncated after index", &[1, 1, 1], Err(Guard::RatchetField)),
            ("epoch 0", &[1, 0, 1, 0], Err(Guard::RatchetField)),
            ("epoch near the end", &huge, Err(Guard::RatchetField)),
            ("endless varint", &endless, Err(Guard::RatchetField)),
            ("unknown kind", &[1, 1, 1, 7], Err(Guard::RatchetField)),
            ("endless chunk number", &endless_chunk, Err(Guard::RatchetField)),
            ("chunk number above 16 bits", &chunk(0x04), Err(Guard::RatchetField)),
            ("short chunk", &chunk(0x03)[..38], Err(Guard::RatchetField)),
            ("without a chunk", &[1, 1, 0x81, 0x01, 0], Ok(129)),
            ("with a chunk", &chunk(0x03), Ok(2)),
        ] {
            assert_eq!(check_spqr(field), want, "{name}");
        }
    }

    #[test]
    fn without_a_session_nothing_may_be_far_ahead() {
        let key = signal::PublicKey::from_djb_public_key_bytes(&[9; 32]).expect("32 bytes");
        let check = |counter, pq_index| check_jump(&key, counter, pq_index, None);
        assert_eq!(check(RATCHET_JUMP_MAX, u64::from(PQ_RATCHET_JUMP_MAX)), Ok(()));
        assert_eq!(check(RATCHET_JUMP_MAX + 1, 0), Err(Guard::TooFarAhead));
        assert_eq!(check(0, u64::from(PQ_RATCHET_JUMP_MAX) + 1), Err(Guard::TooFarAhead));
        assert_eq!(check(0, u64::MAX), Err(Guard::TooFarAhead));
    }

    #[test]
    fn identity_and_account_must_agree() {
        use sotto_types::{AccountId, DeviceId};
        let [own, other] = [5, 6].map(|byte| {
            let mut key = [byte; 33];
            key[0] = 5;
            IdentityKey::parse(&key).expect("any bytes are a key")
        });
        let at = |byte| DeviceAddress::new(AccountId::from_bytes([byte; 16]), DeviceId::FIRST);
        assert_eq!(check_own_identity(own, at(1), own, at(1)), Ok(()));
        assert_eq!(check_own_identity(other, at(2), own, at(1)), Ok(()));
        assert_eq!(check_own_identity(own, at(2), own, at(1)), Err(Guard::OwnIdentityElsewhere));
        assert_eq!(check_own_identity(other, at(1), own, at(1)), Err(Guard::ForeignIdentityOnOwnAccount));
    }
}
