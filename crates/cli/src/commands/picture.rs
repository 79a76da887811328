//! The picture of a group or a person: from a file, and into one.

use crate::failure::Failure;
use sotto_engine::api::PictureView;
use sotto_types::limits::GROUP_PICTURE_BYTES as PICTURE_BYTES;
use std::io::{Read, Write};
use std::path::Path;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

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
        let read = file.and_then(|file| file.take(PICTURE_BYTES as u64 + 1).read_to_end(&mut bytes));
        read.map_err(|error| Failure::usage(format!("cannot read the picture {}: {error}", path.display())))?;
        if bytes.len() > PICTURE_BYTES {
            let text = format!(
                "{} is too large: a picture has at most 48 KiB; make it smaller, 320 by 320 points are enough",
                path.display()
            );
            return Err(Failure::usage(text));
        }
        let wrong = || format!("{} is no PNG, JPEG or WebP picture: save it as one of these", path.display());
        let kind = kind_of(&bytes).ok_or_else(|| Failure::usage(wrong()))?;
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

/// None: it is not that.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=').as_bytes();
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for chunk in text.chunks(4) {
        // Six bits are no byte.
        let whole = chunk.len().checked_sub(1).filter(|whole| *whole > 0)?;
        let mut bits = 0;
        for place in 0..4 {
            let sextet = match chunk.get(place) {
                Some(c) => ALPHABET.iter().position(|other| other == c)?,
                None => 0,
            };
            bits = (bits << 6) | u32::try_from(sextet).ok()?;
        }
        let [_, three @ ..] = bits.to_be_bytes();
        bytes.extend(three.get(..whole)?);
    }
    Some(bytes)
}

/// Writes a picture of the engine's into a new file; how many bytes it has.
pub fn save(picture: &PictureView, path: &Path) -> Result<usize, Failure> {
    let bytes = from_base64(&picture.data).ok_or_else(Failure::unexpected)?;
    // Never over something that exists.
    let made = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    let written = made.and_then(|mut file| file.write_all(&bytes));
    written.map_err(|error| Failure::usage(format!("cannot write {}: {error}", path.display())))?;
    Ok(bytes.len())
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
            assert_eq!(from_base64(want).as_deref(), Some(bytes), "{want}");
        }
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for text in ["!", "Zg==Zg", "Zm9v\n", "A", "é"] {
            assert_eq!(from_base64(text), None, "{text:?}");
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
