//! Small facts by name, sealed: the profile, its key pairs, counters.

use crate::{StoreError, Tx};
use rusqlite::OptionalExtension;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sotto_types::Secret;

impl Tx<'_> {
    pub fn setting(&self, name: &str) -> Result<Option<Secret<Vec<u8>>>, StoreError> {
        let sealed: Option<Vec<u8>> = self
            .sql
            .prepare_cached("SELECT value FROM setting WHERE name = ?1")?
            .query_row([name], |row| row.get(0))
            .optional()?;
        sealed.map(|sealed| self.key.open("setting.value", name.as_bytes(), &sealed)).transpose()
    }

    pub fn put_setting(&self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        let sealed = self.key.seal("setting.value", name.as_bytes(), value);
        self.sql
            .prepare_cached("INSERT OR REPLACE INTO setting(name, value) VALUES (?1, ?2)")?
            .execute((name, sealed))?;
        Ok(())
    }

    pub fn delete_setting(&self, name: &str) -> Result<(), StoreError> {
        self.sql.prepare_cached("DELETE FROM setting WHERE name = ?1")?.execute([name])?;
        Ok(())
    }

    pub fn setting_json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        let Some(bytes) = self.setting(name)? else { return Ok(None) };
        serde_json::from_slice(bytes.expose())
            .map(Some)
            .map_err(|error| StoreError::Damaged(format!("{name}: {error}")))
    }

    pub fn put_setting_json<T: Serialize>(&self, name: &str, value: &T) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec(value).map_err(|error| StoreError::Damaged(format!("{name}: {error}")))?;
        self.put_setting(name, &bytes)
    }

    /// Adds to a counter and returns its new value.
    pub fn count(&self, name: &str, by: u64) -> Result<u64, StoreError> {
        let value = self.setting_json::<u64>(name)?.unwrap_or(0).saturating_add(by);
        if by > 0 {
            self.put_setting_json(name, &value)?;
        }
        Ok(value)
    }

    /// Empties the profile: the account was deleted, or linking failed. The vault (passphrase) stays.
    pub fn wipe(&self) -> Result<(), StoreError> {
        let mut statement = self.sql.prepare(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'vault' AND name NOT LIKE 'sqlite_%'
               AND name NOT LIKE 'message_fts_%'",
        )?;
        let tables: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        for table in tables {
            self.sql.execute(&format!("DELETE FROM {table}"), [])?;
        }
        if self.index_ready.get() {
            // Beside a passphrase it is in memory.
            self.sql.execute("DELETE FROM message_fts", [])?;
        }
        self.wiped.set(true);
        Ok(())
    }
}
