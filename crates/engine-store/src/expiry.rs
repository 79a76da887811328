//! Messages that are gone for good: deleted by this person for themselves, or disappeared.
//! Always true: of such a message only its author and name are kept, so that it is not shown when it comes again; what was about
//! it is gone with it, in the index too; its bytes leave the file with the transaction (`secure_delete`, an emptied log).

use crate::{StoreError, Target, Tx, int, uint};
use sotto_types::{AccountId, ClientMsgId, Conversation, MessageId, Timestamp};

impl Tx<'_> {
    pub fn is_forgotten(&self, author: AccountId, name: ClientMsgId) -> Result<bool, StoreError> {
        let mut statement = self.sql.prepare_cached("SELECT 1 FROM forgotten WHERE author = ?1 AND name = ?2")?;
        Ok(statement.exists((author.as_bytes(), name.as_bytes()))?)
    }

    /// The message is not to be shown (any more), whether it is here or not. Returns whether it was.
    pub fn forget_message(&self, target: Target, now: Timestamp) -> Result<bool, StoreError> {
        self.sql
            .prepare_cached("INSERT OR IGNORE INTO forgotten(author, name, at_ms) VALUES (?1, ?2, ?3)")?
            .execute((target.author.as_bytes(), target.name.as_bytes(), int(now.as_ms())))?;
        self.delete_actions_on(target, None)?;
        let Some(message) = self.message_named(target.author, target.name)? else { return Ok(false) };
        self.delete_message(message.id)?;
        self.gone.borrow_mut().push(target);
        self.wiped.set(true);
        Ok(true)
    }

    /// Messages that were forgotten or deleted for everyone since this was asked last, in this transaction.
    pub fn take_gone(&self) -> Vec<Target> {
        self.gone.take()
    }

    /// What was deleted must not stay in the log of the file either.
    pub fn empty_log_after(&self) {
        self.wiped.set(true);
    }

    pub fn forgotten(&self, after: Option<Target>, limit: u32) -> Result<Vec<Target>, StoreError> {
        let after = after.map(|target| (*target.author.as_bytes(), *target.name.as_bytes())).unwrap_or_default();
        let mut statement = self.sql.prepare_cached(
            "SELECT author, name FROM forgotten WHERE (author, name) > (?1, ?2) ORDER BY author, name LIMIT ?3",
        )?;
        let rows = statement.query_map((after.0, after.1, limit), |row| {
            Ok(Target { author: AccountId::from_bytes(row.get(0)?), name: ClientMsgId::from_bytes(row.get(1)?) })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Disappears then.
    pub fn set_expires(&self, id: i64, at: Timestamp) -> Result<(), StoreError> {
        self.sql
            .prepare_cached(
                "UPDATE message SET expires_ms = ?2 WHERE id = ?1 AND expires_ms IS NULL AND expires_after_s > 0",
            )?
            .execute((id, int(at.as_ms())))?;
        Ok(())
    }

    /// This person has read up to here: the time of what disappears runs from now on. Returns the rows.
    pub fn start_timers(
        &self,
        own: AccountId,
        conversation: Conversation,
        up_to: MessageId,
        at: Timestamp,
    ) -> Result<Vec<i64>, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "UPDATE message SET expires_ms = ?4 + 1000 * expires_after_s
             WHERE conversation = ?1 AND expires_after_s > 0 AND expires_ms IS NULL AND author <> ?2
               AND coalesce(late_id, message_id) <= ?3 RETURNING id",
        )?;
        let rows = statement
            .query_map((conversation.as_bytes(), own.as_bytes(), int(up_to.get()), int(at.as_ms())), |row| {
                row.get(0)
            })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Whose time has come.
    pub fn expired(&self, now: Timestamp, limit: u32) -> Result<Vec<i64>, StoreError> {
        let mut statement =
            self.sql.prepare_cached("SELECT id FROM message WHERE expires_ms <= ?1 ORDER BY expires_ms LIMIT ?2")?;
        let rows = statement.query_map((int(now.as_ms()), limit), |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub fn next_expiry(&self) -> Result<Option<Timestamp>, StoreError> {
        let next: Option<i64> = self
            .sql
            .prepare_cached("SELECT min(expires_ms) FROM message WHERE expires_ms IS NOT NULL")?
            .query_row([], |row| row.get(0))?;
        Ok(next.map(|ms| Timestamp::from_ms(uint(ms))))
    }
}
