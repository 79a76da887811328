//! The picture of a group, from a file.

use crate::failure::Failure;
use sotto_types::limits::GROUP_PICTURE_BYTES;
use std::io::Read;
use std::path::Path;

#[derive(Debug)]
pub struct Picture {
    pub base64: String,
    /// "image/png", by what is in the file.
    pub kind: &'static str,
}

impl Picture {
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let file = std::fs::File::open(path);
        let mut bytes = Vec::new();
        // One more than fits, to tell "too large" from "just right".
        let read = file.and_then(|file| file.take(GROUP_PICTURE_BYTES as u64 + 1).read_to_end(&mut bytes));
        read.map_err(|error| Failure::usage(format!("cannot read the picture {}: {error}", path.display())))?;
        if bytes.len() > GROUP_PICTURE_BYTES {
            let text = format!("{} is too large: a group's picture has at most 48 KiB", path.display());
            return Err(Failure::usage(text));
        }
        let kind = kind_of(&bytes)
            .ok_or_else(|| Failure::usage(format!("{} is no PNG, JPEG or WebP picture", path.display())))?;
        Ok(Self { base64: base64(&bytes), kind })
    }
}

fn kind_of(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

/// RFC 4648 section 4, as JSON carries bytes.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let part = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = (part(0) << 16) | (part(1) << 8) | part(2);
        for place in 0..4 {
            let sextet = (bits >> (18 - 6 * place)) & 63;
            let filled = place <= chunk.len();
            text.push(if filled { char::from(ALPHABET[sextet as usize]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, want) in [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"foob", "Zm9vYg=="),
            (b"fooba", "Zm9vYmE="),
            (b"foobar", "Zm9vYmFy"),
            (&[0xff, 0xfe, 0xfb], "//77"),
        ] {
            assert_eq!(base64(bytes), want, "{bytes:?}");
        }
    }

    #[test]
    fn pictures_are_known_by_their_first_bytes() {
        for (bytes, want) in [
            (&b"\x89PNG\r\n\x1a\n...."[..], Some("image/png")),
            (b"\xff\xd8\xff\xe0", Some("image/jpeg")),
            (b"RIFF\x10\0\0\0WEBPVP8 ", Some("image/webp")),
            (b"GIF89a", None),
            (b"", None),
        ] {
            assert_eq!(kind_of(bytes), want, "{bytes:?}");
        }
    }
}
