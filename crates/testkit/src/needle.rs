//! Finds a canary text in any bytes: as it is, in hex, in base64 of every alignment and both alphabets. Blindness tests
//! search everything the server ever held with it, after a control has shown that it finds what is there.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::path::Path;

/// One text to look for, in every shape that would give it away.
#[derive(Debug, Clone)]
pub struct Canary {
    text: String,
    /// (how it is written, the bytes).
    shapes: Vec<(String, Vec<u8>)>,
}

impl Canary {
    /// At least 16 bytes, so that no shape of it turns up by chance.
    pub fn new(text: &str) -> Self {
        assert!(text.len() >= 16, "a canary of {} bytes could be found by chance", text.len());
        let bytes = text.as_bytes();
        let mut shapes = vec![
            ("raw".to_owned(), bytes.to_vec()),
            ("utf-16".to_owned(), text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
            ("hex".to_owned(), hex(bytes, "0123456789abcdef").into_bytes()),
            ("HEX".to_owned(), hex(bytes, "0123456789ABCDEF").into_bytes()),
            ("reversed".to_owned(), bytes.iter().rev().copied().collect()),
        ];
        for alignment in 0..3 {
            // Base64 of the text somewhere in a longer input: its first and last characters depend on the neighbours, so
            // only the middle, whose six-bit groups lie wholly inside the text, is looked for.
            let padded: Vec<u8> = std::iter::repeat_n(0, alignment).chain(bytes.iter().copied()).collect();
            let from = (alignment * 8).div_ceil(6);
            let until = padded.len() * 8 / 6;
            for (name, engine) in [("base64", &STANDARD_NO_PAD), ("base64url", &URL_SAFE_NO_PAD)] {
                let encoded = engine.encode(&padded);
                shapes.push((format!("{name}+{alignment}"), encoded.as_bytes()[from..until].to_vec()));
            }
        }
        Self { text: text.to_owned(), shapes }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// How the canary stands in `haystack`, if it does.
    pub fn find(&self, haystack: &[u8]) -> Option<&str> {
        self.shapes.iter().find(|(_, shape)| contains(haystack, shape)).map(|(name, _)| name.as_str())
    }

    /// Every file below `folder` in which it stands, with how; names of files count too.
    pub fn find_in_files(&self, folder: &Path) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(&folder) else { continue };
            for entry in entries.flatten() {
                let path = entry.path();
                let kind = entry.file_type();
                if kind.as_ref().is_ok_and(std::fs::FileType::is_dir) {
                    folders.push(path.clone());
                }
                let name_hit = self.find(path.as_os_str().as_encoded_bytes());
                let body = if kind.is_ok_and(|kind| kind.is_file()) { std::fs::read(&path).ok() } else { None };
                if let Some(how) = name_hit.or_else(|| body.as_deref().and_then(|body| self.find(body))) {
                    found.push(format!("{} ({how})", path.display()));
                }
            }
        }
        found
    }
}

fn hex(bytes: &[u8], digits: &str) -> String {
    let digit = |value: u8| char::from(digits.as_bytes()[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Jumps to the candidates of the first byte: haystacks have hundreds of megabytes and no crate is needed for that.
fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    let Some((&first, rest)) = needle.split_first() else { return false };
    let mut at = 0;
    while let Some(tail) = haystack.get(at..) {
        let Some(next) = tail.iter().position(|&byte| byte == first) else { return false };
        if tail[next + 1..].starts_with(rest) {
            return true;
        }
        at += next + 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    #[test]
    fn finds_every_shape_at_every_place() {
        let text = "canary?>~~ÿ-7f3a91c2";
        let canary = Canary::new(text);
        for before in 0..7 {
            for after in 0..4 {
                let inside = [&vec![b'x'; before][..], text.as_bytes(), &vec![b'\n'; after][..]].concat();
                let hex: String = inside.iter().map(|byte| format!("{byte:02X}")).collect();
                let shapes = [
                    inside.clone(),
                    hex.to_lowercase().into_bytes(),
                    hex.into_bytes(),
                    STANDARD.encode(&inside).into_bytes(),
                    URL_SAFE.encode(&inside).into_bytes(),
                ];
                for (i, shape) in shapes.iter().enumerate() {
                    assert!(canary.find(shape).is_some(), "shape {i}, {before} before, {after} after");
                }
            }
        }
    }

    #[test]
    fn finds_nothing_in_what_is_only_close() {
        let canary = Canary::new("canary-of-sixteen-bytes");
        assert_eq!(canary.find(b"canary-of-sixteen-byte"), None);
        assert_eq!(canary.find(STANDARD.encode("canary-of-sixtean-bytes").as_bytes()), None);
        assert_eq!(canary.find(b""), None);
    }

    #[test]
    fn looks_into_files_and_their_names() {
        let canary = Canary::new("canary-of-sixteen-bytes");
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("deep")).expect("a folder");
        std::fs::write(folder.path().join("deep/innocent"), "nothing").expect("a file");
        assert_eq!(canary.find_in_files(folder.path()), Vec::<String>::new());
        std::fs::write(folder.path().join("deep/guilty"), STANDARD.encode(canary.text())).expect("a file");
        std::fs::write(folder.path().join("canary-of-sixteen-bytes.txt"), "").expect("a file");
        assert_eq!(canary.find_in_files(folder.path()).len(), 2);
    }
}
