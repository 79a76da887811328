//! Actions: what people did with messages after they were said (reactions, edits, votes, pins, deletes), each about one message
//! that may not be here yet.
//! Always true: an action is unique by (author, name), like a message; those of one message come in the order the server gave them,
//! own ones that it has not taken yet last. What they amount to is the engine's to say.

use crate::conversation_of;
use crate::messages::content_row;
use crate::{StoreError, Tx, int, uint};
use rusqlite::Row;
use sotto_types::{AccountId, ClientMsgId, Conversation, DeviceId, MessageId, Secret, Timestamp};

/// What an action is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    pub author: AccountId,
    pub name: ClientMsgId,
}

#[derive(Debug, Clone)]
pub struct NewAction {
    pub author: AccountId,
    pub author_device: DeviceId,
    pub name: ClientMsgId,
    pub conversation: Conversation,
    /// Number of the content's body.
    pub kind: u8,
    pub target: Target,
    pub message_id: Option<MessageId>,
    /// Serialized `Content`.
    pub content: Secret<Vec<u8>>,
    pub written: Timestamp,
    pub server_time: Option<Timestamp>,
    /// Its author had a right to it that does not follow from the message alone.
    pub allowed: bool,
}

#[derive(Debug, Clone)]
pub struct StoredAction {
    pub id: i64,
    pub action: NewAction,
}

const COLUMNS: &str =
    "id, author, name, author_device, conversation, kind, target_author, target_name, message_id, content,
    written_ms, server_ms, allowed";
const CONTENT: &str = "action.content";

fn raw(row: &Row<'_>) -> rusqlite::Result<(StoredAction, Vec<u8>)> {
    let device: u32 = row.get(3)?;
    let action = NewAction {
        author: AccountId::from_bytes(row.get(1)?),
        name: ClientMsgId::from_bytes(row.get(2)?),
        author_device: DeviceId::try_from(device).unwrap_or(DeviceId::FIRST),
        conversation: conversation_of(row, 4)?,
        kind: row.get(5)?,
        target: Target { author: AccountId::from_bytes(row.get(6)?), name: ClientMsgId::from_bytes(row.get(7)?) },
        message_id: row.get::<_, Option<i64>>(8)?.map(|id| MessageId::new(uint(id))),
        content: Secret::new(Vec::new()),
        written: Timestamp::from_ms(uint(row.get(10)?)),
        server_time: row.get::<_, Option<i64>>(11)?.map(|ms| Timestamp::from_ms(uint(ms))),
        allowed: row.get(12)?,
    };
    Ok((StoredAction { id: row.get(0)?, action }, row.get(9)?))
}

impl Tx<'_> {
    fn actions_where(&self, rest: &str, params: impl rusqlite::Params) -> Result<Vec<StoredAction>, StoreError> {
        let mut statement = self.sql.prepare_cached(&format!("SELECT {COLUMNS} FROM action {rest}"))?;
        let rows = statement.query_map(params, raw)?;
        rows.map(|row| {
            let (mut stored, sealed) = row?;
            stored.action.content =
                self.key.open(CONTENT, &content_row(stored.action.author, stored.action.name), &sealed)?;
            Ok(stored)
        })
        .collect()
    }

    /// Stores an action unless its name is known, or what it is about is to be shown no more; returns its row.
    pub fn insert_action(&self, new: &NewAction) -> Result<Option<i64>, StoreError> {
        if self.is_forgotten(new.target.author, new.target.name)? {
            return Ok(None);
        }
        let sealed = self.key.seal(CONTENT, &content_row(new.author, new.name), new.content.expose());
        let inserted = self
            .sql
            .prepare_cached(
                "INSERT OR IGNORE INTO action(author, name, author_device, conversation, kind, target_author, target_name,
                   message_id, content, written_ms, server_ms, allowed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?
            .execute(rusqlite::params![
                new.author.as_bytes(),
                new.name.as_bytes(),
                new.author_device.get(),
                new.conversation.as_bytes(),
                new.kind,
                new.target.author.as_bytes(),
                new.target.name.as_bytes(),
                new.message_id.map(|id| int(id.get())),
                sealed,
                int(new.written.as_ms()),
                new.server_time.map(|at| int(at.as_ms())),
                new.allowed,
            ])?;
        if let Some(id) = new.message_id {
            self.raise_seen(new.conversation, id)?;
        }
        Ok((inserted > 0).then(|| self.sql.last_insert_rowid()))
    }

    pub fn action_named(&self, author: AccountId, name: ClientMsgId) -> Result<Option<StoredAction>, StoreError> {
        Ok(self.actions_where("WHERE author = ?1 AND name = ?2", (author.as_bytes(), name.as_bytes()))?.pop())
    }

    pub fn action_with_id(&self, author: AccountId, id: MessageId) -> Result<Option<StoredAction>, StoreError> {
        Ok(self.actions_where("WHERE message_id = ?2 AND author = ?1", (author.as_bytes(), int(id.get())))?.pop())
    }

    /// All about one message, in their order.
    pub fn actions_on(&self, target: Target) -> Result<Vec<StoredAction>, StoreError> {
        self.actions_where(
            "WHERE target_author = ?1 AND target_name = ?2 ORDER BY message_id IS NULL, message_id, id",
            (target.author.as_bytes(), target.name.as_bytes()),
        )
    }

    /// All of one kind in a conversation, in their order. Only for kinds that are few.
    pub fn pins(&self, conversation: Conversation) -> Result<Vec<StoredAction>, StoreError> {
        self.actions_where(
            "WHERE conversation = ?1 AND kind = 29 ORDER BY message_id IS NULL, message_id, id",
            [conversation.as_bytes()],
        )
    }

    /// The server took it. Returns whether it was unsent.
    pub fn accept_action(&self, id: i64, message_id: MessageId, server_time: Timestamp) -> Result<bool, StoreError> {
        let accepted = self
            .sql
            .prepare_cached("UPDATE action SET message_id = ?2, server_ms = ?3 WHERE id = ?1 AND message_id IS NULL")?
            .execute((id, int(message_id.get()), int(server_time.as_ms())))?;
        Ok(accepted > 0)
    }

    pub fn delete_action(&self, id: i64) -> Result<(), StoreError> {
        self.sql.prepare_cached("DELETE FROM action WHERE id = ?1")?.execute([id])?;
        Ok(())
    }

    /// Those about a message, but for those of a kind.
    pub fn delete_actions_on(&self, target: Target, but: Option<u8>) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("DELETE FROM action WHERE target_author = ?1 AND target_name = ?2 AND kind IS NOT ?3")?
            .execute((target.author.as_bytes(), target.name.as_bytes(), but))?;
        Ok(())
    }

    /// Everything that the server has and took since then, by row, after a row; for a new device.
    pub fn actions_since(&self, since: Timestamp, after: i64, limit: u32) -> Result<Vec<StoredAction>, StoreError> {
        self.actions_where(
            "WHERE id > ?2 AND message_id IS NOT NULL AND server_ms >= ?1 AND kind > 0 ORDER BY id LIMIT ?3",
            (int(since.as_ms()), after, limit),
        )
    }
}
