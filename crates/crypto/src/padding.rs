//! Padding of content, so that a ciphertext's length says little: the message, 0x80, then zeros up to the next multiple of 64
//! bytes, or of 512 above 1 KiB (ISO/IEC 7816-4 with two steps).
//! Always true: `unpad` accepts exactly what `pad` makes, so there is one padded form of a message.

const STEP_SMALL: usize = 64;
const STEP_LARGE: usize = 512;
/// Padded length up to which the small step is used.
const SMALL_MAX: usize = 1024;
const END_MARK: u8 = 0x80;

/// The plaintext was not padded by the rule: its sender is faulty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the padding is not as it must be")]
pub struct PaddingError;

fn padded_len(len: usize) -> usize {
    let marked = len.saturating_add(1);
    let small = marked.next_multiple_of(STEP_SMALL);
    if small <= SMALL_MAX { small } else { marked.next_multiple_of(STEP_LARGE) }
}

pub fn pad(mut message: Vec<u8>) -> Vec<u8> {
    let len = padded_len(message.len());
    message.push(END_MARK);
    message.resize(len, 0);
    message
}

/// The message within.
pub fn unpad(padded: &[u8]) -> Result<&[u8], PaddingError> {
    let end = padded.iter().rposition(|byte| *byte != 0).ok_or(PaddingError)?;
    let (message, mark) = padded.split_at_checked(end).ok_or(PaddingError)?;
    if mark.first() != Some(&END_MARK) || padded_len(message.len()) != padded.len() {
        return Err(PaddingError);
    }
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_go_in_steps() {
        for (len, want) in [
            (0, 64),
            (63, 64),
            (64, 128),
            (1023, 1024),
            (1024, 1536),
            (1535, 1536),
            (1536, 2048),
            (32 * 1024, 32 * 1024 + 512),
        ] {
            let padded = pad(vec![7; len]);
            assert_eq!(padded.len(), want, "{len}");
            assert_eq!(unpad(&padded), Ok(&vec![7; len][..]));
        }
    }

    #[test]
    fn messages_that_end_like_padding_come_back_whole() {
        for message in [&[0x80][..], &[0], &[0x80, 0, 0], &[0; 64]] {
            assert_eq!(unpad(&pad(message.to_vec())), Ok(message));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let good = pad(b"hello".to_vec());
        let longer = [&good[..], &[0; 64]].concat();
        let mut marked = good.clone();
        marked[63] = 1;
        let small_step_above_1_kib = [&[7; 1050][..], &[0x80], &[0; 37]].concat();
        assert_eq!(small_step_above_1_kib.len() % 64, 0);
        for bytes in [&[][..], &[0; 64], &good[..63], &good[..6], &longer, &marked, &small_step_above_1_kib] {
            assert_eq!(unpad(bytes), Err(PaddingError), "{}", bytes.len());
        }
    }
}
