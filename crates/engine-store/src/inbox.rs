//! What came in: entries already processed (their acks may have been lost), messages that could not be decrypted yet, and the
//! steps of receipts.

use crate::{StoreError, Tx, WAIT_MAX, int, uint};
use rusqlite::{OptionalExtension, Row};
use sotto_types::{AccountId, Conversation, DeviceAddress, DeviceId, EntryId, GroupId, MessageId, Timestamp, limits};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    Delivered = 1,
    Read = 2,
}

/// An entry that did not decrypt; its sender is asked for it.
#[derive(Debug, Clone)]
pub struct Placeholder {
    pub message_id: MessageId,
    pub from: DeviceAddress,
    pub class: u8,
    pub ratchet_key: Vec<u8>,
    pub attempts: u32,
    pub next: Timestamp,
    /// The visible line, if its conversation is known.
    pub message: Option<i64>,
    /// It is an entry of this group's log.
    pub group: Option<GroupId>,
}

fn placeholder(row: &Row<'_>) -> rusqlite::Result<Placeholder> {
    let device: u32 = row.get(2)?;
    let device = DeviceId::try_from(device).unwrap_or(DeviceId::FIRST);
    Ok(Placeholder {
        message_id: MessageId::new(uint(row.get(0)?)),
        from: DeviceAddress::new(AccountId::from_bytes(row.get(1)?), device),
        class: row.get(3)?,
        ratchet_key: row.get(4)?,
        attempts: row.get(5)?,
        next: Timestamp::from_ms(uint(row.get(6)?)),
        message: row.get(7)?,
        group: row.get::<_, Option<[u8; 32]>>(8)?.map(GroupId::from_bytes),
    })
}

const STEPS_KEPT: u32 = limits::RECEIPT_STEPS as u32;

const COLUMNS: &str = "message_id, account, device, class, ratchet_key, attempts, next_ms, message, group_id";

impl Tx<'_> {
    /// Whether the entry was processed, and then whether as undecryptable.
    pub fn seen_entry(&self, entry: EntryId) -> Result<Option<bool>, StoreError> {
        Ok(self
            .sql
            .prepare_cached("SELECT undecryptable FROM seen_entry WHERE entry_id = ?1")?
            .query_row([int(entry.get())], |row| row.get(0))
            .optional()?)
    }

    pub fn mark_seen_entry(&self, entry: EntryId, undecryptable: bool, now: Timestamp) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("INSERT OR IGNORE INTO seen_entry(entry_id, undecryptable, at_ms) VALUES (?1, ?2, ?3)")?
            .execute((int(entry.get()), undecryptable, int(now.as_ms())))?;
        Ok(())
    }

    pub fn forget_seen(&self, before: Timestamp) -> Result<(), StoreError> {
        self.sql.execute("DELETE FROM seen_entry WHERE at_ms < ?1", [int(before.as_ms())])?;
        Ok(())
    }

    pub fn put_placeholder(&self, row: &Placeholder, now: Timestamp) -> Result<(), StoreError> {
        self.sql
            .prepare_cached(&format!(
                "INSERT INTO placeholder({COLUMNS}, at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
                 ON CONFLICT DO UPDATE SET attempts = excluded.attempts, next_ms = excluded.next_ms"
            ))?
            .execute(rusqlite::params![
                int(row.message_id.get()),
                row.from.account.as_bytes(),
                row.from.device.get(),
                row.class,
                row.ratchet_key,
                row.attempts,
                int(row.next.as_ms()),
                row.message,
                row.group.map(|group| *group.as_bytes()),
                int(now.as_ms()),
            ])?;
        Ok(())
    }

    pub fn placeholder(&self, message_id: MessageId) -> Result<Option<Placeholder>, StoreError> {
        Ok(self
            .sql
            .prepare_cached(&format!("SELECT {COLUMNS} FROM placeholder WHERE message_id = ?1"))?
            .query_row([int(message_id.get())], placeholder)
            .optional()?)
    }

    pub fn delete_placeholder(&self, message_id: MessageId) -> Result<(), StoreError> {
        self.sql.prepare_cached("DELETE FROM placeholder WHERE message_id = ?1")?.execute([int(message_id.get())])?;
        Ok(())
    }

    /// Those whose sender should be asked (again) now. A time further ahead than any wait has come: the clock was set back.
    pub fn due_placeholders(&self, now: Timestamp, attempts_max: u32) -> Result<Vec<Placeholder>, StoreError> {
        let mut statement = self.sql.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM placeholder WHERE attempts < ?2 AND (next_ms <= ?1 OR next_ms > ?3)
             ORDER BY message_id LIMIT 64"
        ))?;
        let rows =
            statement.query_map((int(now.as_ms()), attempts_max, int(now.plus(WAIT_MAX).as_ms())), placeholder)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub fn next_placeholder(&self, attempts_max: u32) -> Result<Option<Timestamp>, StoreError> {
        let next: Option<i64> = self
            .sql
            .prepare_cached("SELECT min(next_ms) FROM placeholder WHERE attempts < ?1")?
            .query_row([attempts_max], |row| row.get(0))?;
        Ok(next.map(|ms| Timestamp::from_ms(uint(ms))))
    }

    /// Placeholders of one account that may still be asked for.
    pub fn open_placeholders_of(&self, account: AccountId, attempts_max: u32) -> Result<u32, StoreError> {
        Ok(self
            .sql
            .prepare_cached("SELECT count(*) FROM placeholder WHERE account = ?1 AND attempts < ?2")?
            .query_row((account.as_bytes(), attempts_max), |row| row.get(0))?)
    }

    /// Nobody has those any more; their visible lines stay.
    pub fn forget_placeholders(&self, before: Timestamp) -> Result<(), StoreError> {
        self.sql.execute("DELETE FROM placeholder WHERE at_ms < ?1", [int(before.as_ms())])?;
        Ok(())
    }

    pub fn count_placeholders(&self) -> Result<u32, StoreError> {
        Ok(self.sql.prepare_cached("SELECT count(*) FROM placeholder")?.query_row([], |row| row.get(0))?)
    }

    /// Remembers a watermark step, for messages whose acceptance is not known yet; keeps the newest 16 of a kind.
    pub fn put_step(
        &self,
        conversation: Conversation,
        kind: StepKind,
        up_to: MessageId,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.sql
            .prepare_cached(
                "INSERT OR IGNORE INTO receipt_step(conversation, kind, message_id, at_ms) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute((conversation.as_bytes(), kind as u8, int(up_to.get()), int(at.as_ms())))?;
        self.sql
            .prepare_cached(
                "DELETE FROM receipt_step WHERE conversation = ?1 AND kind = ?2 AND message_id NOT IN (
                   SELECT message_id FROM receipt_step WHERE conversation = ?1 AND kind = ?2
                   ORDER BY message_id DESC LIMIT ?3)",
            )?
            .execute((conversation.as_bytes(), kind as u8, STEPS_KEPT))?;
        Ok(())
    }

    /// When a message was ticked: the first step at or above it.
    pub fn step_at(
        &self,
        conversation: Conversation,
        kind: StepKind,
        message_id: MessageId,
    ) -> Result<Option<Timestamp>, StoreError> {
        let at: Option<i64> = self
            .sql
            .prepare_cached(
                "SELECT at_ms FROM receipt_step WHERE conversation = ?1 AND kind = ?2 AND message_id >= ?3
                 ORDER BY message_id LIMIT 1",
            )?
            .query_row((conversation.as_bytes(), kind as u8, int(message_id.get())), |row| row.get(0))
            .optional()?;
        Ok(at.map(|ms| Timestamp::from_ms(uint(ms))))
    }
}
