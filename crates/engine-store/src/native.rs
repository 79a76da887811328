//! Files: the only module that knows there are any.

use crate::{Journal, Store, StoreError, seal};
use rusqlite::{Connection, OpenFlags};
use sotto_types::Secret;
use std::path::Path;

impl Store {
    /// Opens or makes the profile's database. The folder must exist; who else may open it is the host's business (lock file).
    pub fn open(path: &Path, passphrase: Option<&Secret<String>>) -> Result<Self, StoreError> {
        Self::open_with(path, Journal::Wal, passphrase)
    }

    pub fn open_with(path: &Path, journal: Journal, passphrase: Option<&Secret<String>>) -> Result<Self, StoreError> {
        let sql = Connection::open(path)?;
        private(path)?;
        Self::from_connection(sql, journal, passphrase)
    }

    /// Whether the database at `path` needs a passphrase; `false` if there is none yet. Changes nothing.
    pub fn is_locked(path: &Path) -> Result<bool, StoreError> {
        if !path.exists() {
            return Ok(false);
        }
        let sql = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let has_vault: bool =
            sql.query_row("SELECT count(*) FROM sqlite_master WHERE name = 'vault'", [], |row| row.get(0))?;
        Ok(has_vault && seal::is_locked(&sql)?)
    }
}

/// Only the owner reads a profile.
#[cfg(unix)]
fn private(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(|error| StoreError::Io(error.to_string()))
}

#[cfg(not(unix))]
fn private(_: &Path) -> Result<(), StoreError> {
    Ok(())
}
