//! Where the files of one test's profile are: a folder on disk, or names in the file system that the browser's worker installed.

use crate::{Store, StoreError};
use rusqlite::Connection;
use sotto_types::Secret;

#[cfg(not(target_arch = "wasm32"))]
pub struct Place(tempfile::TempDir);

#[cfg(not(target_arch = "wasm32"))]
impl Place {
    pub fn new(_: &str) -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    pub fn path(&self) -> std::path::PathBuf {
        self.0.path().join("profile.db")
    }

    pub fn connect(&self) -> Connection {
        Connection::open(self.path()).expect("opens")
    }

    pub fn open(&self, passphrase: Option<&str>) -> Result<Store, StoreError> {
        Store::open(&self.path(), passphrase.map(secret).as_ref())
    }

    /// Whether these bytes are in one of the files.
    pub fn has(&self, bytes: &[u8]) -> bool {
        std::fs::read_dir(self.0.path()).expect("the folder").any(|entry| {
            let file = std::fs::read(entry.expect("an entry").path()).expect("readable");
            file.windows(bytes.len()).any(|window| window == bytes)
        })
    }
}

#[cfg(target_arch = "wasm32")]
pub struct Place(String);

#[cfg(target_arch = "wasm32")]
impl Place {
    /// No two tests may use the same name.
    pub fn new(name: &str) -> Self {
        Self(format!("{name}.db"))
    }

    pub fn connect(&self) -> Connection {
        Connection::open(&self.0).expect("opens")
    }

    pub fn open(&self, passphrase: Option<&str>) -> Result<Store, StoreError> {
        Store::from_connection(self.connect(), crate::Journal::Truncate, passphrase.map(secret).as_ref())
    }
}

pub fn secret(text: &str) -> Secret<String> {
    Secret::new(text.into())
}
