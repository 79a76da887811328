//! Messages. What a conversation has beside them is in `conversations`.
//! Always true:
//! - a message is unique by (author, name) for ever; a second one is not stored;
//! - `place` orders a conversation: the message id (one higher if taken), or above `PENDING_PLACE` while unsent;
//! - a status is never stored: it follows from the times and flags, so the two cannot disagree.

use crate::{StoreError, Target, Tx, conversation_of, int, uint};
use rusqlite::{OptionalExtension, Row};
use sotto_types::{AccountId, ClientMsgId, Conversation, DeviceId, MessageId, Secret, Timestamp};

/// Unsent messages sort after everything: above every id a server may assign.
pub const PENDING_PLACE: u64 = 1 << 62;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// What a person said: a text, a poll, a place, a contact.
    Content = 1,
    Undecryptable = 2,
    KeyChanged = 3,
    Unsupported = 4,
    ProfileRestored = 5,
    /// A system line: its content is the signed operation.
    GroupChange = 6,
    /// By its author or an admin, for everyone: its content is empty.
    Deleted = 7,
    /// A line: from here on messages disappear, or do not.
    Timer = 8,
}

impl MessageKind {
    fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Content,
            2 => Self::Undecryptable,
            3 => Self::KeyChanged,
            5 => Self::ProfileRestored,
            6 => Self::GroupChange,
            7 => Self::Deleted,
            8 => Self::Timer,
            _ => Self::Unsupported,
        }
    }
}

#[derive(Debug, Clone)]
pub struct NewMessage {
    pub author: AccountId,
    pub author_device: DeviceId,
    pub name: ClientMsgId,
    pub conversation: Conversation,
    pub message_id: Option<MessageId>,
    /// For lines without a message id: sort right after this.
    pub after: Option<MessageId>,
    pub kind: MessageKind,
    /// Serialized `Content`, or what the kind needs.
    pub content: Secret<Vec<u8>>,
    pub written: Timestamp,
    pub server_time: Option<Timestamp>,
    pub note: Option<String>,
    /// Seconds from reading to disappearing; 0: stays.
    pub expires_after_s: u32,
}

#[derive(Debug, Clone)]
pub struct StoredMessage {
    pub id: i64,
    pub author: AccountId,
    pub author_device: DeviceId,
    pub name: ClientMsgId,
    pub conversation: Conversation,
    pub place: u64,
    pub message_id: Option<MessageId>,
    pub kind: MessageKind,
    pub content: Secret<Vec<u8>>,
    pub written: Timestamp,
    pub server_time: Option<Timestamp>,
    pub delivered: Option<Timestamp>,
    pub read: Option<Timestamp>,
    pub failed: bool,
    pub note: Option<String>,
    pub resends: u32,
    pub attempts: u32,
    /// Of the resend that made it readable, if it was not at first.
    pub late_id: Option<MessageId>,
    pub expires_after_s: u32,
    /// Disappears then; none: not, or it was not read yet.
    pub expires: Option<Timestamp>,
    /// Who deleted it for everyone.
    pub deleted_by: Option<AccountId>,
    /// What really happened, as JSON; the engine's format.
    pub copies: Option<Vec<u8>>,
}

/// This device's clock at the steps of a message's way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LocalTimes {
    /// Sealed and handed to the connection, at the last attempt.
    pub sent: Option<Timestamp>,
    /// The server's word that it is stored was here.
    pub accepted: Option<Timestamp>,
    /// It came from another device.
    pub received: Option<Timestamp>,
}

const COLUMNS: &str =
    "id, author, author_device, name, conversation, place, message_id, kind, content, written_ms, server_ms,
    delivered_ms, read_ms, failed, note, resends, attempts, copies, late_id, expires_after_s, expires_ms, deleted_by";

// Queries whose plans matter: a conversation may be long, and they run with every message or receipt.

/// ?2 the own account, ?3 the read position. The plus keeps the late ones to their own, small index.
pub(crate) const UNREAD: &str = "
    SELECT (SELECT count(*) FROM message
              WHERE conversation = ?1 AND message_id > ?3 AND author <> ?2 AND kind IN (1, 2, 4))
         + (SELECT count(*) FROM message
              WHERE conversation = ?1 AND late_id > ?3 AND +message_id <= ?3 AND author <> ?2 AND kind IN (1, 2, 4))";
/// ?2 the own account, ?3 the highest id, ?4 whether only what can be read counts.
pub(crate) const NEWEST_RECEIVED: &str = "
    SELECT max(id) FROM (
      SELECT id FROM (
        SELECT message_id AS id FROM message
          WHERE conversation = ?1 AND author <> ?2 AND message_id <= ?3 AND (kind <> 2 OR NOT ?4)
          ORDER BY message_id DESC LIMIT 1)
      UNION ALL
      SELECT max(late_id) FROM message
        WHERE conversation = ?1 AND author <> ?2 AND late_id <= ?3 AND (kind <> 2 OR NOT ?4))";
/// ?2 the own account, ?3 the highest id, ?4 the time.
pub(crate) const TICK_DELIVERED: &str = "
    UPDATE message SET delivered_ms = ?4 WHERE conversation = ?1 AND author = ?2 AND message_id <= ?3
      AND delivered_ms IS NULL AND read_ms IS NULL AND failed = 0 RETURNING id";
pub(crate) const TICK_READ: &str = "
    UPDATE message SET read_ms = ?4, delivered_ms = coalesce(delivered_ms, ?4) WHERE conversation = ?1
      AND author = ?2 AND message_id <= ?3 AND read_ms IS NULL AND failed = 0 RETURNING id";

struct RawMessage {
    message: StoredMessage,
    sealed: Vec<u8>,
}

fn time(value: Option<i64>) -> Option<Timestamp> {
    value.map(|ms| Timestamp::from_ms(uint(ms)))
}

fn raw(row: &Row<'_>) -> rusqlite::Result<RawMessage> {
    let device: u32 = row.get(2)?;
    Ok(RawMessage {
        sealed: row.get(8)?,
        message: StoredMessage {
            id: row.get(0)?,
            author: AccountId::from_bytes(row.get(1)?),
            author_device: DeviceId::try_from(device).unwrap_or(DeviceId::FIRST),
            name: ClientMsgId::from_bytes(row.get(3)?),
            conversation: conversation_of(row, 4)?,
            place: uint(row.get(5)?),
            message_id: row.get::<_, Option<i64>>(6)?.map(|id| MessageId::new(uint(id))),
            kind: MessageKind::from_number(row.get(7)?),
            content: Secret::new(Vec::new()),
            written: Timestamp::from_ms(uint(row.get(9)?)),
            server_time: time(row.get(10)?),
            delivered: time(row.get(11)?),
            read: time(row.get(12)?),
            failed: row.get(13)?,
            note: row.get(14)?,
            resends: row.get(15)?,
            attempts: row.get(16)?,
            copies: row.get(17)?,
            late_id: row.get::<_, Option<i64>>(18)?.map(|id| MessageId::new(uint(id))),
            expires_after_s: row.get(19)?,
            expires: time(row.get(20)?),
            deleted_by: row.get::<_, Option<[u8; 16]>>(21)?.map(AccountId::from_bytes),
        },
    })
}

pub(crate) fn content_row(author: AccountId, name: ClientMsgId) -> Vec<u8> {
    [&author.as_bytes()[..], name.as_bytes()].concat()
}

impl Tx<'_> {
    fn opened(&self, raw: RawMessage) -> Result<StoredMessage, StoreError> {
        let row = content_row(raw.message.author, raw.message.name);
        let content = self.key.open("message.content", &row, &raw.sealed)?;
        Ok(StoredMessage { content, ..raw.message })
    }

    fn messages_where(&self, rest: &str, params: impl rusqlite::Params) -> Result<Vec<StoredMessage>, StoreError> {
        let mut statement = self.sql.prepare_cached(&format!("SELECT {COLUMNS} FROM message {rest}"))?;
        let rows = statement.query_map(params, raw)?;
        rows.map(|row| self.opened(row?)).collect()
    }

    fn message_where(&self, rest: &str, params: impl rusqlite::Params) -> Result<Option<StoredMessage>, StoreError> {
        Ok(self.messages_where(rest, params)?.pop())
    }

    /// Stores a message unless its name is known, or was forgotten; returns its row.
    pub fn insert_message(&self, new: &NewMessage) -> Result<Option<i64>, StoreError> {
        if self.message_named(new.author, new.name)?.is_some() || self.is_forgotten(new.author, new.name)? {
            return Ok(None);
        }
        self.touch_conversation(new.conversation, new.server_time.unwrap_or(new.written))?;
        let place = match (new.message_id, new.after) {
            (Some(id), _) => self.free_place(new.conversation, id.get())?,
            (None, Some(after)) => self.free_place(new.conversation, after.get().saturating_add(1))?,
            (None, None) => self.pending_place(new.conversation)?,
        };
        let sealed = self.key.seal("message.content", &content_row(new.author, new.name), new.content.expose());
        let search_key = self.new_search_key(new.kind, new.server_time.unwrap_or(new.written))?;
        self.sql
            .prepare_cached(
                "INSERT INTO message(author, author_device, name, conversation, place, message_id, kind, content, written_ms,
                   server_ms, note, search_key, expires_after_s) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            )?
            .execute(rusqlite::params![
                new.author.as_bytes(),
                new.author_device.get(),
                new.name.as_bytes(),
                new.conversation.as_bytes(),
                int(place),
                new.message_id.map(|id| int(id.get())),
                new.kind as u8,
                sealed,
                int(new.written.as_ms()),
                new.server_time.map(|at| int(at.as_ms())),
                new.note,
                search_key,
                new.expires_after_s,
            ])?;
        let id = self.sql.last_insert_rowid();
        self.index_message(search_key, new.conversation, new.content.expose())?;
        if let Some(message_id) = new.message_id {
            self.raise_seen(new.conversation, message_id)?;
        }
        Ok(Some(id))
    }

    /// The first place from `wanted` on that no message of the conversation has.
    fn free_place(&self, conversation: Conversation, wanted: u64) -> Result<u64, StoreError> {
        let mut statement = self.sql.prepare_cached("SELECT 1 FROM message WHERE conversation = ?1 AND place = ?2")?;
        let mut place = wanted;
        while statement.exists((conversation.as_bytes(), int(place)))? {
            place = place.saturating_add(1);
        }
        Ok(place)
    }

    fn pending_place(&self, conversation: Conversation) -> Result<u64, StoreError> {
        let last: Option<i64> = self
            .sql
            .prepare_cached("SELECT max(place) FROM message WHERE conversation = ?1 AND place >= ?2")?
            .query_row((conversation.as_bytes(), int(PENDING_PLACE)), |row| row.get(0))?;
        Ok(last.map_or(PENDING_PLACE, |last| uint(last).saturating_add(1)))
    }

    pub fn message(&self, id: i64) -> Result<Option<StoredMessage>, StoreError> {
        self.message_where("WHERE id = ?1", [id])
    }

    pub fn message_named(&self, author: AccountId, name: ClientMsgId) -> Result<Option<StoredMessage>, StoreError> {
        self.message_where("WHERE author = ?1 AND name = ?2", (author.as_bytes(), name.as_bytes()))
    }

    /// Any author: names are UUIDs, but another person may reuse one; the own message comes first.
    pub fn message_called(&self, name: ClientMsgId, own: AccountId) -> Result<Option<StoredMessage>, StoreError> {
        self.message_where("WHERE name = ?1 ORDER BY author = ?2 LIMIT 2", (name.as_bytes(), own.as_bytes()))
    }

    pub fn message_with_id(&self, author: AccountId, id: MessageId) -> Result<Option<StoredMessage>, StoreError> {
        self.message_where("WHERE message_id = ?2 AND author = ?1", (author.as_bytes(), int(id.get())))
    }

    pub(crate) fn message_with_search_key(&self, search_key: i64) -> Result<Option<StoredMessage>, StoreError> {
        self.message_where("WHERE search_key = ?1", [search_key])
    }

    /// A page of history, ascending, ending before the place `before` (none: with the newest).
    pub fn history(
        &self,
        conversation: Conversation,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<StoredMessage>, StoreError> {
        let before = before.map_or(i64::MAX, int);
        let mut page = self.messages_where(
            "WHERE conversation = ?1 AND place < ?2 ORDER BY place DESC LIMIT ?3",
            (conversation.as_bytes(), before, limit),
        )?;
        page.reverse();
        Ok(page)
    }

    /// A page of history, ascending, beginning at the place `from` or after it.
    pub fn history_from(
        &self,
        conversation: Conversation,
        from: u64,
        limit: u32,
    ) -> Result<Vec<StoredMessage>, StoreError> {
        self.messages_where(
            "WHERE conversation = ?1 AND place >= ?2 ORDER BY place LIMIT ?3",
            (conversation.as_bytes(), int(from), limit),
        )
    }

    /// Whether there is a message before the place.
    pub fn is_any_before(&self, conversation: Conversation, place: u64) -> Result<bool, StoreError> {
        let mut statement =
            self.sql.prepare_cached("SELECT 1 FROM message WHERE conversation = ?1 AND place < ?2 LIMIT 1")?;
        Ok(statement.exists((conversation.as_bytes(), int(place)))?)
    }

    /// Whether there is a message at the place or after it.
    pub fn is_any_from(&self, conversation: Conversation, place: u64) -> Result<bool, StoreError> {
        let mut statement =
            self.sql.prepare_cached("SELECT 1 FROM message WHERE conversation = ?1 AND place >= ?2 LIMIT 1")?;
        Ok(statement.exists((conversation.as_bytes(), int(place)))?)
    }

    /// Everything with a message id and a server time from `since`, in a fixed order, after the given cursor.
    pub fn messages_since(
        &self,
        since: Timestamp,
        after: (u64, i64),
        limit: u32,
    ) -> Result<Vec<StoredMessage>, StoreError> {
        self.messages_where(
            "WHERE message_id IS NOT NULL AND server_ms >= ?1 AND kind IN (1, 4, 7, 8) AND (place, id) > (?2, ?3)
             ORDER BY place, id LIMIT ?4",
            (int(since.as_ms()), int(after.0), after.1, limit),
        )
    }

    pub fn count_messages_since(&self, since: Timestamp) -> Result<u64, StoreError> {
        let count: i64 = self
            .sql
            .prepare_cached(
                "SELECT count(*) FROM message WHERE message_id IS NOT NULL AND server_ms >= ?1 AND kind IN (1, 4, 7, 8)",
            )?
            .query_row([int(since.as_ms())], |row| row.get(0))?;
        Ok(uint(count))
    }

    /// All messages by row, for the export.
    pub fn messages_after_row(&self, after: i64, limit: u32) -> Result<Vec<StoredMessage>, StoreError> {
        self.messages_where("WHERE id > ?1 ORDER BY id LIMIT ?2", (after, limit))
    }

    /// The server took it. Gives it its place and, if receipts were faster, its ticks. Returns whether it was still unsent.
    pub fn mark_accepted(&self, id: i64, message_id: MessageId, server_time: Timestamp) -> Result<bool, StoreError> {
        let Some(message) = self.message(id)? else { return Ok(false) };
        if message.message_id.is_some() {
            return Ok(false);
        }
        let place = self.free_place(message.conversation, message_id.get())?;
        let delivered = self.step_at(message.conversation, crate::StepKind::Delivered, message_id)?;
        let read = self.step_at(message.conversation, crate::StepKind::Read, message_id)?;
        self.sql
            .prepare_cached(
                "UPDATE message SET place = ?2, message_id = ?3, server_ms = ?4, delivered_ms = ?5, read_ms = ?6, failed = 0,
                   note = NULL WHERE id = ?1",
            )?
            .execute((
                id,
                int(place),
                int(message_id.get()),
                int(server_time.as_ms()),
                delivered.or(read).map(|at| int(at.as_ms())),
                read.map(|at| int(at.as_ms())),
            ))?;
        self.reindex_message(&message, server_time)?;
        self.raise_seen(message.conversation, message_id)?;
        self.touch_conversation(message.conversation, server_time)?;
        Ok(true)
    }

    pub fn set_failed(&self, id: i64, failed: bool, note: Option<&str>) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("UPDATE message SET failed = ?2, note = ?3 WHERE id = ?1")?
            .execute((id, failed, note))?;
        Ok(())
    }

    pub fn set_note(&self, id: i64, note: Option<&str>) -> Result<(), StoreError> {
        self.sql.prepare_cached("UPDATE message SET note = ?2 WHERE id = ?1")?.execute((id, note))?;
        Ok(())
    }

    /// How often the server may have got it (0: certainly never).
    pub fn set_attempts(&self, id: i64, attempts: u32) -> Result<(), StoreError> {
        self.sql.prepare_cached("UPDATE message SET attempts = ?2 WHERE id = ?1")?.execute((id, attempts))?;
        Ok(())
    }

    /// What really happened, as the engine tells it, and when.
    pub fn set_copies(&self, id: i64, attempts: u32, copies: &[u8], times: &LocalTimes) -> Result<(), StoreError> {
        let ms = |time: Option<Timestamp>| time.map(|at| int(at.as_ms()));
        self.sql
            .prepare_cached(
                "UPDATE message SET attempts = ?2, copies = ?3, sent_ms = ?4, accepted_ms = ?5, received_ms = ?6 WHERE id = ?1",
            )?
            .execute((id, attempts, copies, ms(times.sent), ms(times.accepted), ms(times.received)))?;
        Ok(())
    }

    pub fn local_times(&self, id: i64) -> Result<LocalTimes, StoreError> {
        let mut statement =
            self.sql.prepare_cached("SELECT sent_ms, accepted_ms, received_ms FROM message WHERE id = ?1")?;
        let found = statement.query_row([id], |row| {
            Ok(LocalTimes { sent: time(row.get(0)?), accepted: time(row.get(1)?), received: time(row.get(2)?) })
        });
        Ok(found.optional()?.unwrap_or_default())
    }

    /// It became readable only now: unread until the person has read up to this id, whatever its place.
    pub fn set_late(&self, id: i64, late_id: MessageId) -> Result<(), StoreError> {
        self.sql.prepare_cached("UPDATE message SET late_id = ?2 WHERE id = ?1")?.execute((id, int(late_id.get())))?;
        Ok(())
    }

    pub fn count_message_resend(&self, id: i64) -> Result<(), StoreError> {
        self.sql.prepare_cached("UPDATE message SET resends = resends + 1 WHERE id = ?1")?.execute([id])?;
        Ok(())
    }

    /// Times from imported history: only what is not known yet.
    pub fn merge_ticks(
        &self,
        id: i64,
        delivered: Option<Timestamp>,
        read: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        self.sql
            .prepare_cached(
                "UPDATE message SET delivered_ms = coalesce(delivered_ms, ?2), read_ms = coalesce(read_ms, ?3) WHERE id = ?1",
            )?
            .execute((id, delivered.map(|at| int(at.as_ms())), read.map(|at| int(at.as_ms()))))?;
        Ok(())
    }

    /// Another content in its place: an edited text, or nothing any more.
    pub fn set_content(&self, id: i64, kind: MessageKind, content: &[u8]) -> Result<(), StoreError> {
        let Some(message) = self.message(id)? else { return Ok(()) };
        self.unindex_message(id)?;
        let search_key = self.new_search_key(kind, message.server_time.unwrap_or(message.written))?;
        let sealed = self.key.seal("message.content", &content_row(message.author, message.name), content);
        self.sql
            .prepare_cached("UPDATE message SET content = ?2, kind = ?3, search_key = ?4 WHERE id = ?1")?
            .execute((id, sealed, kind as u8, search_key))?;
        self.index_message(search_key, message.conversation, content)
    }

    /// For everyone: what was said is gone, that something was said stays, or disappears when the message would have: it may have on
    /// another device before the deletion came there.
    pub fn set_deleted(&self, id: i64, by: AccountId) -> Result<(), StoreError> {
        let Some(message) = self.message(id)? else { return Ok(()) };
        self.set_content(id, MessageKind::Deleted, &[])?;
        self.gone.borrow_mut().push(Target { author: message.author, name: message.name });
        self.wiped.set(true);
        self.forget_ciphertexts_of(id)?;
        self.sql.prepare_cached("UPDATE message SET deleted_by = ?2 WHERE id = ?1")?.execute((id, by.as_bytes()))?;
        Ok(())
    }

    pub fn delete_message(&self, id: i64) -> Result<(), StoreError> {
        self.unindex_message(id)?;
        self.forget_ciphertexts_of(id)?;
        // The next message may get its row: nothing may take that for this one.
        for table in ["outbox", "placeholder"] {
            self.sql.prepare_cached(&format!("UPDATE {table} SET message = NULL WHERE message = ?1"))?.execute([id])?;
        }
        self.sql.prepare_cached("DELETE FROM message WHERE id = ?1")?.execute([id])?;
        Ok(())
    }

    /// Ticks the own messages of a conversation up to a watermark step; returns the rows that changed.
    pub fn tick(
        &self,
        own: AccountId,
        conversation: Conversation,
        kind: crate::StepKind,
        up_to: MessageId,
        at: Timestamp,
    ) -> Result<Vec<i64>, StoreError> {
        let sql = match kind {
            crate::StepKind::Delivered => TICK_DELIVERED,
            crate::StepKind::Read => TICK_READ,
        };
        let mut statement = self.sql.prepare_cached(sql)?;
        let rows = statement
            .query_map((conversation.as_bytes(), own.as_bytes(), int(up_to.get()), int(at.as_ms())), |row| {
                row.get::<_, i64>(0)
            })?;
        let mut ids = rows.collect::<Result<Vec<_>, _>>()?;
        ids.sort_unstable();
        Ok(ids)
    }

    /// Highest id of somebody else's message in the conversation (as it came, or as it became readable), not above `up_to`.
    /// `readable`: only of what could be read, since of a message that is still waited for nobody is told that it was read.
    pub fn newest_received(
        &self,
        own: AccountId,
        conversation: Conversation,
        up_to: Option<MessageId>,
        readable: bool,
    ) -> Result<MessageId, StoreError> {
        let up_to = up_to.map_or(i64::MAX, |id| int(id.get()));
        let id: Option<i64> = self
            .sql
            .prepare_cached(NEWEST_RECEIVED)?
            .query_row((conversation.as_bytes(), own.as_bytes(), up_to, readable), |row| row.get(0))?;
        Ok(MessageId::new(uint(id.unwrap_or(0))))
    }

    /// How many of somebody else's messages lie beyond the read position.
    pub fn unread(&self, own: AccountId, conversation: Conversation, read: MessageId) -> Result<u32, StoreError> {
        Ok(self
            .sql
            .prepare_cached(UNREAD)?
            .query_row((conversation.as_bytes(), own.as_bytes(), int(read.get())), |row| row.get(0))?)
    }

    pub fn newest(&self, conversation: Conversation) -> Result<Option<StoredMessage>, StoreError> {
        self.message_where("WHERE conversation = ?1 ORDER BY place DESC LIMIT 1", [conversation.as_bytes()])
    }

    /// The newest line about a timer in a conversation: what holds there.
    pub fn newest_timer(&self, conversation: Conversation) -> Result<Option<StoredMessage>, StoreError> {
        self.message_where(
            "WHERE conversation = ?1 AND kind = 8 ORDER BY place DESC LIMIT 1",
            [conversation.as_bytes()],
        )
    }
}
