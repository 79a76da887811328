//! Conversations: how far they were seen and read, and what the person arranged about them.
//! Always true: a conversation is listed as soon as it has a row, with a message or without.

use crate::{StoreError, Tx, conversation_of, int, uint};
use rusqlite::{OptionalExtension, Row, ToSql};
use sotto_types::{AccountId, Conversation, MessageId, Secret, Timestamp};

#[derive(Debug, Clone)]
pub struct ConversationRow {
    pub conversation: Conversation,
    /// Read up to here by this person.
    pub read_up_to: MessageId,
    pub pinned: bool,
    pub archived: bool,
    /// No notification before this time; zero: not muted.
    pub muted_until: Timestamp,
    pub marked_unread: bool,
    /// Text not sent yet.
    pub draft: Option<Secret<String>>,
    /// The newest message that names this account.
    pub mention: MessageId,
    pub folder: Option<String>,
    /// The person takes what the other one says.
    pub accepted: bool,
}

impl ConversationRow {
    /// Of which nothing is known.
    pub fn new(conversation: Conversation) -> Self {
        Self {
            conversation,
            read_up_to: MessageId::ZERO,
            pinned: false,
            archived: false,
            muted_until: Timestamp::ZERO,
            marked_unread: false,
            draft: None,
            mention: MessageId::ZERO,
            folder: None,
            accepted: false,
        }
    }
}

const COLUMNS: &str =
    "peer, read_up_to, pinned IS NOT NULL, archived, muted_until_ms, marked_unread, draft, mention, folder, accepted";
const DRAFT: &str = "conversation.draft";

struct RawConversation {
    row: ConversationRow,
    sealed_draft: Option<Vec<u8>>,
}

fn raw(row: &Row<'_>) -> rusqlite::Result<RawConversation> {
    Ok(RawConversation {
        sealed_draft: row.get(6)?,
        row: ConversationRow {
            conversation: conversation_of(row, 0)?,
            read_up_to: MessageId::new(uint(row.get(1)?)),
            pinned: row.get(2)?,
            archived: row.get(3)?,
            muted_until: Timestamp::from_ms(uint(row.get(4)?)),
            marked_unread: row.get(5)?,
            draft: None,
            mention: MessageId::new(uint(row.get(7)?)),
            folder: row.get(8)?,
            accepted: row.get(9)?,
        },
    })
}

impl Tx<'_> {
    fn conversations_where(
        &self,
        rest: &str,
        params: impl rusqlite::Params,
    ) -> Result<Vec<ConversationRow>, StoreError> {
        let mut statement = self.sql.prepare_cached(&format!("SELECT {COLUMNS} FROM conversation {rest}"))?;
        let rows = statement.query_map(params, raw)?;
        rows.map(|row| {
            let RawConversation { mut row, sealed_draft } = row?;
            if let Some(sealed) = sealed_draft {
                let draft = self.key.open(DRAFT, row.conversation.as_bytes(), &sealed)?;
                let text = String::from_utf8(draft.expose().clone());
                row.draft = Some(Secret::new(text.map_err(|_| StoreError::Damaged("a draft is no text".into()))?));
            }
            Ok(row)
        })
        .collect()
    }

    /// Pinned ones first, the newest pin at the top; then by their newest message.
    pub fn conversations(&self) -> Result<Vec<ConversationRow>, StoreError> {
        // Without a pin sorts last when descending.
        self.conversations_where("ORDER BY pinned DESC, active_ms DESC, peer", [])
    }

    pub fn conversation(&self, conversation: Conversation) -> Result<Option<ConversationRow>, StoreError> {
        Ok(self.conversations_where("WHERE peer = ?1", [conversation.as_bytes()])?.pop())
    }

    fn set_conversation_column(
        &self,
        conversation: Conversation,
        column: &str,
        value: &dyn ToSql,
    ) -> Result<(), StoreError> {
        self.sql
            .prepare_cached(&format!("UPDATE conversation SET {column} = ?2 WHERE peer = ?1"))?
            .execute((conversation.as_bytes(), value))?;
        Ok(())
    }

    /// Those pinned later stand above those pinned before.
    pub fn set_pinned(&self, conversation: Conversation, at: Option<Timestamp>) -> Result<(), StoreError> {
        self.set_conversation_column(conversation, "pinned", &at.map(|at| int(at.as_ms())))
    }

    /// The time of a new pin: later than all others.
    pub fn pin_time(&self, now: Timestamp) -> Result<Timestamp, StoreError> {
        let last: Option<i64> =
            self.sql.prepare_cached("SELECT max(pinned) FROM conversation")?.query_row([], |row| row.get(0))?;
        Ok(Timestamp::from_ms(now.as_ms().max(uint(last.unwrap_or(0)).saturating_add(1))))
    }

    pub fn is_accepted(&self, conversation: Conversation) -> Result<bool, StoreError> {
        let mut statement = self.sql.prepare_cached("SELECT 1 FROM conversation WHERE peer = ?1 AND accepted = 1")?;
        Ok(statement.exists([conversation.as_bytes()])?)
    }

    pub fn set_accepted(&self, conversation: Conversation) -> Result<(), StoreError> {
        self.set_conversation_column(conversation, "accepted", &true)
    }

    /// All people whose messages the person takes.
    pub fn accepted_peers(&self) -> Result<Vec<AccountId>, StoreError> {
        let mut statement =
            self.sql.prepare_cached("SELECT peer FROM conversation WHERE accepted = 1 ORDER BY peer")?;
        let rows = statement.query_map([], |row| conversation_of(row, 0))?;
        rows.filter_map(|row| row.map(|conversation| conversation.peer()).transpose()).map(|row| Ok(row?)).collect()
    }

    /// Nothing is in it any more. Who was accepted stays so.
    pub fn remove_conversation(&self, conversation: Conversation) -> Result<(), StoreError> {
        self.sql.prepare_cached("DELETE FROM conversation WHERE peer = ?1")?.execute([conversation.as_bytes()])?;
        Ok(())
    }

    pub fn set_folder(&self, conversation: Conversation, folder: Option<&str>) -> Result<(), StoreError> {
        self.set_conversation_column(conversation, "folder", &folder)
    }

    pub fn set_archived(&self, conversation: Conversation, archived: bool) -> Result<(), StoreError> {
        self.set_conversation_column(conversation, "archived", &archived)
    }

    pub fn set_muted_until(&self, conversation: Conversation, until: Timestamp) -> Result<(), StoreError> {
        self.set_conversation_column(conversation, "muted_until_ms", &int(until.as_ms()))
    }

    /// Somebody wrote: out of the archive, unless it is muted. Returns whether it was there.
    pub fn bring_back(&self, conversation: Conversation, now: Timestamp) -> Result<bool, StoreError> {
        let brought = self
            .sql
            .prepare_cached(
                "UPDATE conversation SET archived = 0 WHERE peer = ?1 AND archived = 1 AND muted_until_ms <= ?2",
            )?
            .execute((conversation.as_bytes(), int(now.as_ms())))?;
        Ok(brought > 0)
    }

    /// Returns whether it changed.
    pub fn set_marked_unread(&self, conversation: Conversation, marked: bool) -> Result<bool, StoreError> {
        let changed = self
            .sql
            .prepare_cached("UPDATE conversation SET marked_unread = ?2 WHERE peer = ?1 AND marked_unread <> ?2")?
            .execute((conversation.as_bytes(), marked))?;
        Ok(changed > 0)
    }

    /// An empty draft is none.
    pub fn set_draft(&self, conversation: Conversation, draft: &str) -> Result<(), StoreError> {
        let sealed = (!draft.is_empty()).then(|| self.key.seal(DRAFT, conversation.as_bytes(), draft.as_bytes()));
        self.set_conversation_column(conversation, "draft", &sealed)
    }

    pub(crate) fn touch_conversation(&self, conversation: Conversation, at: Timestamp) -> Result<(), StoreError> {
        self.sql
            .prepare_cached(
                "INSERT INTO conversation(peer, active_ms) VALUES (?1, ?2)
                 ON CONFLICT DO UPDATE SET active_ms = max(active_ms, excluded.active_ms)",
            )?
            .execute((conversation.as_bytes(), int(at.as_ms())))?;
        Ok(())
    }

    /// Makes sure the conversation is listed.
    pub fn start_conversation(&self, conversation: Conversation, at: Timestamp) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("INSERT OR IGNORE INTO conversation(peer, active_ms) VALUES (?1, ?2)")?
            .execute((conversation.as_bytes(), int(at.as_ms())))?;
        Ok(())
    }

    /// A message names this account.
    pub fn raise_mention(&self, conversation: Conversation, id: MessageId) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("UPDATE conversation SET mention = max(mention, ?2) WHERE peer = ?1")?
            .execute((conversation.as_bytes(), int(id.get())))?;
        Ok(())
    }

    fn conversation_column(&self, conversation: Conversation, column: &str) -> Result<MessageId, StoreError> {
        let value: Option<i64> = self
            .sql
            .prepare_cached(&format!("SELECT {column} FROM conversation WHERE peer = ?1"))?
            .query_row([conversation.as_bytes()], |row| row.get(0))
            .optional()?;
        Ok(MessageId::new(uint(value.unwrap_or(0))))
    }

    /// Highest message id seen in the conversation.
    pub fn seen(&self, conversation: Conversation) -> Result<MessageId, StoreError> {
        self.conversation_column(conversation, "seen")
    }

    pub fn read_up_to(&self, conversation: Conversation) -> Result<MessageId, StoreError> {
        self.conversation_column(conversation, "read_up_to")
    }

    pub fn raise_seen(&self, conversation: Conversation, id: MessageId) -> Result<(), StoreError> {
        self.sql
            .prepare_cached(
                "INSERT INTO conversation(peer, seen) VALUES (?1, ?2)
                 ON CONFLICT DO UPDATE SET seen = max(seen, excluded.seen)",
            )?
            .execute((conversation.as_bytes(), int(id.get())))?;
        Ok(())
    }

    /// Moves the own read position; returns whether it moved.
    pub fn raise_read(&self, conversation: Conversation, up_to: MessageId) -> Result<bool, StoreError> {
        self.raise_seen(conversation, MessageId::ZERO)?;
        let moved = self
            .sql
            .prepare_cached("UPDATE conversation SET read_up_to = ?2 WHERE peer = ?1 AND read_up_to < ?2")?
            .execute((conversation.as_bytes(), int(up_to.get())))?;
        Ok(moved > 0)
    }

    /// The server knows the own read position up to here.
    pub fn mark_read_told(&self, conversation: Conversation, up_to: MessageId) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("UPDATE conversation SET read_told = max(read_told, ?2) WHERE peer = ?1")?
            .execute((conversation.as_bytes(), int(up_to.get())))?;
        Ok(())
    }

    /// Read positions the server may not know yet.
    pub fn untold_reads(&self) -> Result<Vec<(Conversation, MessageId)>, StoreError> {
        let mut statement = self
            .sql
            .prepare_cached("SELECT peer, read_up_to FROM conversation WHERE read_up_to > read_told ORDER BY peer")?;
        let rows = statement.query_map([], |row| Ok((conversation_of(row, 0)?, MessageId::new(uint(row.get(1)?)))))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub fn read_told(&self, conversation: Conversation) -> Result<MessageId, StoreError> {
        let told: Option<i64> = self
            .sql
            .prepare_cached("SELECT read_told FROM conversation WHERE peer = ?1")?
            .query_row([conversation.as_bytes()], |row| row.get(0))
            .optional()?;
        Ok(MessageId::new(uint(told.unwrap_or(0))))
    }
}
