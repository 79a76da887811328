//! Protocol state: prekeys, used base keys, sessions, sender keys. Records are opaque and sealed.

use crate::{StoreError, Tx, int};
use rusqlite::OptionalExtension;
use sotto_types::{AccountId, DeviceAddress, Secret, Timestamp};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreKeyKind {
    Signed = 1,
    LastResortKyber = 2,
    OneTimeEc = 3,
    OneTimeKyber = 4,
}

#[derive(Debug, Clone)]
pub struct PreKeyRow {
    pub id: u32,
    pub created: Timestamp,
}

fn prekey_row(kind: PreKeyKind, id: u32) -> [u8; 5] {
    let [a, b, c, d] = id.to_le_bytes();
    [kind as u8, a, b, c, d]
}

fn session_row(with: DeviceAddress) -> Vec<u8> {
    [&with.account.as_bytes()[..], &[with.device.get()]].concat()
}

impl Tx<'_> {
    pub fn prekey(&self, kind: PreKeyKind, id: u32) -> Result<Option<Secret<Vec<u8>>>, StoreError> {
        let sealed: Option<Vec<u8>> = self
            .sql
            .prepare_cached("SELECT record FROM prekey WHERE kind = ?1 AND id = ?2")?
            .query_row((kind as u8, id), |row| row.get(0))
            .optional()?;
        sealed.map(|sealed| self.key.open("prekey.record", &prekey_row(kind, id), &sealed)).transpose()
    }

    pub fn put_prekey(&self, kind: PreKeyKind, id: u32, record: &[u8], now: Timestamp) -> Result<(), StoreError> {
        let sealed = self.key.seal("prekey.record", &prekey_row(kind, id), record);
        self.sql
            .prepare_cached("INSERT OR REPLACE INTO prekey(kind, id, record, created_ms) VALUES (?1, ?2, ?3, ?4)")?
            .execute((kind as u8, id, sealed, int(now.as_ms())))?;
        Ok(())
    }

    pub fn remove_prekey(&self, kind: PreKeyKind, id: u32) -> Result<(), StoreError> {
        self.sql.prepare_cached("DELETE FROM prekey WHERE kind = ?1 AND id = ?2")?.execute((kind as u8, id))?;
        Ok(())
    }

    /// The newest of a kind that was not replaced.
    pub fn current_prekey(&self, kind: PreKeyKind) -> Result<Option<PreKeyRow>, StoreError> {
        Ok(self
            .sql
            .prepare_cached(
                "SELECT id, created_ms FROM prekey WHERE kind = ?1 AND replaced_ms IS NULL ORDER BY created_ms DESC, id DESC",
            )?
            .query_row([kind as u8], |row| {
                Ok(PreKeyRow { id: row.get(0)?, created: Timestamp::from_ms(crate::uint(row.get(1)?)) })
            })
            .optional()?)
    }

    pub fn count_prekeys(&self, kind: PreKeyKind) -> Result<u32, StoreError> {
        Ok(self
            .sql
            .prepare_cached("SELECT count(*) FROM prekey WHERE kind = ?1 AND replaced_ms IS NULL")?
            .query_row([kind as u8], |row| row.get(0))?)
    }

    /// Marks all of a kind except `keep` as replaced: they still open first messages made before.
    pub fn replace_prekeys(&self, kind: PreKeyKind, keep_from: u32, now: Timestamp) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("UPDATE prekey SET replaced_ms = ?3 WHERE kind = ?1 AND id < ?2 AND replaced_ms IS NULL")?
            .execute((kind as u8, keep_from, int(now.as_ms())))?;
        Ok(())
    }

    /// Forgets prekeys replaced before `before`, and the base keys of Kyber prekeys that are gone.
    pub fn forget_prekeys(&self, before: Timestamp) -> Result<(), StoreError> {
        self.sql.execute("DELETE FROM prekey WHERE replaced_ms < ?1", [int(before.as_ms())])?;
        self.sql.execute("DELETE FROM base_key WHERE kyber NOT IN (SELECT id FROM prekey WHERE kind = 2)", [])?;
        Ok(())
    }

    pub fn is_base_key_used(&self, kyber: u32, signed: u32, base_key: &[u8]) -> Result<bool, StoreError> {
        Ok(self
            .sql
            .prepare_cached("SELECT 1 FROM base_key WHERE kyber = ?1 AND signed = ?2 AND base_key = ?3")?
            .exists((kyber, signed, base_key))?)
    }

    pub fn remember_base_key(&self, kyber: u32, signed: u32, base_key: &[u8]) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("INSERT OR IGNORE INTO base_key(kyber, signed, base_key) VALUES (?1, ?2, ?3)")?
            .execute((kyber, signed, base_key))?;
        Ok(())
    }

    pub fn session(&self, with: DeviceAddress) -> Result<Option<Secret<Vec<u8>>>, StoreError> {
        let sealed: Option<Vec<u8>> = self
            .sql
            .prepare_cached("SELECT record FROM session WHERE account = ?1 AND device = ?2")?
            .query_row((with.account.as_bytes(), with.device.get()), |row| row.get(0))
            .optional()?;
        sealed.map(|sealed| self.key.open("session.record", &session_row(with), &sealed)).transpose()
    }

    pub fn put_session(&self, with: DeviceAddress, record: &[u8]) -> Result<(), StoreError> {
        let sealed = self.key.seal("session.record", &session_row(with), record);
        self.sql
            .prepare_cached(
                "INSERT INTO session(account, device, record) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET record = excluded.record",
            )?
            .execute((with.account.as_bytes(), with.device.get(), sealed))?;
        Ok(())
    }

    /// When the session was last renewed to repair it; zero if never.
    pub fn session_renewed(&self, with: DeviceAddress) -> Result<Timestamp, StoreError> {
        let at: Option<i64> = self
            .sql
            .prepare_cached("SELECT renewed_ms FROM session WHERE account = ?1 AND device = ?2")?
            .query_row((with.account.as_bytes(), with.device.get()), |row| row.get(0))
            .optional()?;
        Ok(Timestamp::from_ms(crate::uint(at.unwrap_or(0))))
    }

    pub fn mark_session_renewed(&self, with: DeviceAddress, now: Timestamp) -> Result<(), StoreError> {
        self.sql.prepare_cached("UPDATE session SET renewed_ms = ?3 WHERE account = ?1 AND device = ?2")?.execute((
            with.account.as_bytes(),
            with.device.get(),
            int(now.as_ms()),
        ))?;
        Ok(())
    }

    pub fn delete_session(&self, with: DeviceAddress) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("DELETE FROM session WHERE account = ?1 AND device = ?2")?
            .execute((with.account.as_bytes(), with.device.get()))?;
        Ok(())
    }

    pub fn delete_sessions(&self, of: AccountId) -> Result<(), StoreError> {
        self.sql.prepare_cached("DELETE FROM session WHERE account = ?1")?.execute([of.as_bytes()])?;
        Ok(())
    }

    /// Devices of an account that there are sessions with.
    pub fn sessions_of(&self, account: AccountId) -> Result<Vec<DeviceAddress>, StoreError> {
        Ok(self.sessions()?.into_iter().filter(|with| with.account == account).collect())
    }

    /// All sessions of every account: the own identity key was replaced.
    pub fn delete_all_sessions(&self) -> Result<(), StoreError> {
        self.sql.execute("DELETE FROM session", [])?;
        Ok(())
    }

    pub fn sessions(&self) -> Result<Vec<DeviceAddress>, StoreError> {
        let mut statement = self.sql.prepare_cached("SELECT account, device FROM session")?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, [u8; 16]>(0)?, row.get::<_, u32>(1)?)))?;
        let mut all = Vec::new();
        for row in rows {
            let (account, device) = row?;
            let device = device.try_into().map_err(|_| StoreError::Damaged("a session's device".into()))?;
            all.push(DeviceAddress::new(AccountId::from_bytes(account), device));
        }
        Ok(all)
    }

    pub fn sender_key(
        &self,
        of: DeviceAddress,
        distribution: &[u8; 16],
    ) -> Result<Option<Secret<Vec<u8>>>, StoreError> {
        let sealed: Option<Vec<u8>> = self
            .sql
            .prepare_cached("SELECT record FROM sender_key WHERE account = ?1 AND device = ?2 AND distribution = ?3")?
            .query_row((of.account.as_bytes(), of.device.get(), distribution), |row| row.get(0))
            .optional()?;
        sealed
            .map(|sealed| self.key.open("sender_key.record", &[&session_row(of)[..], distribution].concat(), &sealed))
            .transpose()
    }

    pub fn put_sender_key(&self, of: DeviceAddress, distribution: &[u8; 16], record: &[u8]) -> Result<(), StoreError> {
        let sealed = self.key.seal("sender_key.record", &[&session_row(of)[..], distribution].concat(), record);
        self.sql
            .prepare_cached(
                "INSERT OR REPLACE INTO sender_key(account, device, distribution, record) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute((of.account.as_bytes(), of.device.get(), distribution, sealed))?;
        Ok(())
    }
}
