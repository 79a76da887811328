//! Facts: what a person arranged (muted, pinned, a draft, a star), the same on all their devices, each by itself.
//! Flow: `set_fact` (holds here at once) -> `changed_facts` -> sent under a name -> `settle_facts` with the id the server gave it.
//!       From another device: `offer_fact` with its id.
//! Always true: of each fact the value with the highest id holds in the end, on every device, whatever came first. What another
//! device said while an own value was on its way waits beside it (`rival`) until the own one has its id.

use crate::{StoreError, Tx, int, uint};
use rusqlite::OptionalExtension;
use sotto_types::{ClientMsgId, MessageId, Secret, Timestamp};

#[derive(Debug, Clone)]
pub struct Fact {
    pub about: Vec<u8>,
    pub name: String,
    /// Empty: as if it had never been set.
    pub value: Secret<Vec<u8>>,
    pub set_at: MessageId,
}

const VALUE: &str = "fact.value";

fn key_of(about: &[u8], name: &str) -> Vec<u8> {
    [about, b"\0", name.as_bytes()].concat()
}

impl Tx<'_> {
    fn open_fact(&self, about: &[u8], name: &str, sealed: &[u8]) -> Result<Secret<Vec<u8>>, StoreError> {
        self.key.open(VALUE, &key_of(about, name), sealed)
    }

    pub fn fact(&self, about: &[u8], name: &str) -> Result<Option<Secret<Vec<u8>>>, StoreError> {
        let sealed: Option<Vec<u8>> = self
            .sql
            .prepare_cached("SELECT value FROM fact WHERE about = ?1 AND name = ?2")?
            .query_row((about, name), |row| row.get(0))
            .optional()?;
        sealed.map(|sealed| self.open_fact(about, name, &sealed)).transpose()
    }

    /// Holds here at once, and is to be told to the other devices.
    pub fn set_fact(&self, about: &[u8], name: &str, value: &[u8], now: Timestamp) -> Result<(), StoreError> {
        let sealed = self.key.seal(VALUE, &key_of(about, name), value);
        self.sql
            .prepare_cached(
                "INSERT INTO fact(about, name, value, set_at, changed_ms) VALUES (?1, ?2, ?3, 0, ?4)
                 ON CONFLICT DO UPDATE SET value = excluded.value, changed_ms = excluded.changed_ms",
            )?
            .execute((about, name, sealed, int(now.as_ms())))?;
        Ok(())
    }

    /// Another own device said so, in a send of this id. Returns whether it holds from now on.
    pub fn offer_fact(&self, about: &[u8], name: &str, value: &[u8], set_at: MessageId) -> Result<bool, StoreError> {
        let known: Option<(i64, bool)> = self
            .sql
            .prepare_cached(
                "SELECT set_at, changed_ms IS NOT NULL OR sending IS NOT NULL FROM fact WHERE about = ?1 AND name = ?2",
            )?
            .query_row((about, name), |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        if known.is_some_and(|(known, _)| known > 0 && uint(known) >= set_at.get()) {
            return Ok(false);
        }
        let sealed = self.key.seal(VALUE, &key_of(about, name), value);
        let is_pending = known.is_some_and(|(_, pending)| pending);
        let column = if is_pending { "rival" } else { "value" };
        self.sql
            .prepare_cached(&format!(
                "INSERT INTO fact(about, name, value, set_at) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET {column} = excluded.value, set_at = excluded.set_at"
            ))?
            .execute((about, name, sealed, int(set_at.get())))?;
        Ok(!is_pending)
    }

    /// To be told to the other devices, those that waited longest first.
    pub fn changed_facts(&self, before: Timestamp, limit: u32) -> Result<Vec<Fact>, StoreError> {
        self.facts_where(
            "WHERE changed_ms IS NOT NULL AND changed_ms <= ?1 AND sending IS NULL ORDER BY changed_ms, about, name LIMIT ?2",
            (int(before.as_ms()), limit),
        )
    }

    pub fn next_changed_fact(&self) -> Result<Option<Timestamp>, StoreError> {
        let next: Option<i64> = self
            .sql
            .prepare_cached("SELECT min(changed_ms) FROM fact WHERE changed_ms IS NOT NULL AND sending IS NULL")?
            .query_row([], |row| row.get(0))?;
        Ok(next.map(|ms| Timestamp::from_ms(uint(ms))))
    }

    fn facts_where(&self, rest: &str, params: impl rusqlite::Params) -> Result<Vec<Fact>, StoreError> {
        let mut statement = self.sql.prepare_cached(&format!("SELECT about, name, value, set_at FROM fact {rest}"))?;
        let rows = statement.query_map(params, |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, String>(1)?, row.get::<_, Vec<u8>>(2)?, row.get::<_, i64>(3)?))
        })?;
        rows.map(|row| {
            let (about, name, sealed, set_at) = row?;
            let value = self.open_fact(&about, &name, &sealed)?;
            Ok(Fact { about, name, value, set_at: MessageId::new(uint(set_at)) })
        })
        .collect()
    }

    /// They leave in a send of this name.
    pub fn note_sending(&self, fact: &Fact, sending: ClientMsgId) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("UPDATE fact SET sending = ?3, changed_ms = NULL WHERE about = ?1 AND name = ?2")?
            .execute((&fact.about, &fact.name, sending.as_bytes()))?;
        Ok(())
    }

    /// The send was taken, under this id (none: there was nobody to send it to). Returns the facts that another device has set later.
    pub fn settle_facts(&self, sending: ClientMsgId, id: Option<MessageId>) -> Result<Vec<Fact>, StoreError> {
        let id = id.map_or(0, |id| int(id.get()));
        let beaten = self.facts_where(
            "WHERE sending = ?1 AND rival IS NOT NULL AND set_at > ?2 AND changed_ms IS NULL",
            (sending.as_bytes(), id),
        )?;
        self.sql
            .prepare_cached(
                "UPDATE fact SET value = CASE WHEN rival IS NOT NULL AND set_at > ?2 AND changed_ms IS NULL THEN rival ELSE value END,
                   set_at = max(set_at, ?2), rival = NULL, sending = NULL WHERE sending = ?1",
            )?
            .execute((sending.as_bytes(), id))?;
        beaten
            .into_iter()
            .map(|fact| {
                let value = self.fact(&fact.about, &fact.name)?.unwrap_or_else(|| Secret::new(Vec::new()));
                Ok(Fact { value, ..fact })
            })
            .collect()
    }

    /// What holds, in a fixed order, from a number on; for a new device.
    pub fn facts_page(&self, from: i64, limit: u32) -> Result<Vec<Fact>, StoreError> {
        self.facts_where("ORDER BY about, name LIMIT ?2 OFFSET ?1", (from, limit))
    }

    /// What the facts of one name are about, where they are set.
    pub fn facts_named(&self, name: &str) -> Result<Vec<Fact>, StoreError> {
        let mut facts = self.facts_where("WHERE name = ?1 ORDER BY set_at DESC, about", [name])?;
        facts.retain(|fact| !fact.value.expose().is_empty());
        Ok(facts)
    }
}
