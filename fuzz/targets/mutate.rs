//! Applies a fuzz input to a real message as a list of edits, so that the fuzzer starts deep inside the decoders instead of
//! first having to guess a whole ciphertext.

/// Each edit is four bytes: what to do, where (two bytes), with what.
pub fn apply(real: &[u8], edits: &[u8]) -> Vec<u8> {
    let mut bytes = real.to_vec();
    for edit in edits.chunks_exact(4) {
        let [what, high, low, with] = *edit else { continue };
        if bytes.is_empty() {
            break;
        }
        let at = usize::from(u16::from_be_bytes([high, low])) % bytes.len();
        match what % 8 {
            0 => bytes[at] ^= 1 << (with % 8),
            1 => bytes[at] = with,
            2 => bytes[at] = bytes[at].wrapping_add(with),
            3 => bytes.insert(at, with),
            4 => drop(bytes.remove(at)),
            5 => bytes.truncate(at),
            6 => {
                let end = (at + usize::from(with)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            _ => {
                let end = (at + usize::from(with)).min(bytes.len());
                bytes.drain(at..end);
            }
        }
    }
    bytes
}
