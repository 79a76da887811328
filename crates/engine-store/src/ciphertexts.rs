//! The ciphertexts of messages as the server stored them: so that a person, or a developer, can look at what it sees.
//! One row per message, written with it. Sealed like content, since that costs next to nothing: who finds the file can then not
//! recognize in it what a server or a network has kept.

use crate::{StoreError, Tx, int};
use rusqlite::OptionalExtension;
use sotto_types::Timestamp;

const PLACE: &str = "ciphertext.copies";

impl Tx<'_> {
    /// Keeps one part for each copy, in the order of the message's copies.
    pub fn keep_ciphertexts<T: AsRef<[u8]>>(
        &self,
        message: i64,
        parts: &[T],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if parts.is_empty() {
            return Ok(());
        }
        let mut joined = Vec::with_capacity(parts.iter().map(|part| part.as_ref().len() + 4).sum());
        for part in parts {
            let len = u32::try_from(part.as_ref().len()).expect("a ciphertext is no larger than a frame");
            joined.extend_from_slice(&len.to_le_bytes());
            joined.extend_from_slice(part.as_ref());
        }
        let sealed = self.key.seal(PLACE, &message.to_le_bytes(), &joined);
        self.sql
            .prepare_cached("INSERT OR REPLACE INTO ciphertext(message, at_ms, copies) VALUES (?1, ?2, ?3)")?
            .execute((message, int(now.as_ms()), sealed))?;
        Ok(())
    }

    /// Empty if they are not kept any more.
    pub fn ciphertexts(&self, message: i64) -> Result<Vec<Vec<u8>>, StoreError> {
        let sealed: Option<Vec<u8>> = self
            .sql
            .prepare_cached("SELECT copies FROM ciphertext WHERE message = ?1")?
            .query_row([message], |row| row.get(0))
            .optional()?;
        let Some(sealed) = sealed else { return Ok(Vec::new()) };
        let joined = self.key.open(PLACE, &message.to_le_bytes(), &sealed)?;
        let mut rest = &joined.expose()[..];
        let mut parts = Vec::new();
        while !rest.is_empty() {
            let (part, after) = split_part(rest).ok_or_else(|| StoreError::Damaged(format!("{PLACE} has no end")))?;
            parts.push(part.to_vec());
            rest = after;
        }
        Ok(parts)
    }

    pub(crate) fn forget_ciphertexts_of(&self, message: i64) -> Result<(), StoreError> {
        self.sql.prepare_cached("DELETE FROM ciphertext WHERE message = ?1")?.execute([message])?;
        Ok(())
    }

    pub fn forget_ciphertexts(&self, before: Timestamp) -> Result<(), StoreError> {
        self.sql.execute("DELETE FROM ciphertext WHERE at_ms < ?1", [int(before.as_ms())])?;
        Ok(())
    }
}

fn split_part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*len)).ok()?)
}
