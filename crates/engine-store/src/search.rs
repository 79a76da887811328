//! Full text search over message bodies (FTS5).
//! Flow: a text is stored -> its search key -> body and conversation in the index under that key -> `search` reads the index from
//!       its newest end and stops at the limit.
//! Always true:
//! - the key rises with the message's time, so newest first is the index's own order: a word that is everywhere costs no more
//!   than one that is rare, however much history there is;
//! - the index holds the conversation as a word of a second column, so that one conversation is looked through the same way;
//! - with a passphrase the index is a table of the connection's temporary database, which lives in memory, filled at the first
//!   search; without one it is in the file and kept with every message. Both answer to the same name.

use crate::seal::DataKey;
use crate::{MessageKind, StoreError, StoredMessage, Tx, conversation_of, int, uint};
use prost::Message as _;
use rusqlite::{Connection, TransactionBehavior};
use sotto_types::{Conversation, Timestamp};
use sotto_wire::pb;
use std::time::Duration;

/// A search key is the time in milliseconds and this many bits to tell apart what has the same time.
const SAME_TIME_BITS: u32 = 20;
const TIME_MAX: u64 = (1 << 42) - 1;
/// A sent message stays where its own clock put it in the index, unless the server's differs by more.
const MOVE_FROM: Duration = Duration::from_secs(60);
/// More words than anybody types, fewer than the query language allows.
const WORDS_MAX: usize = 64;

#[derive(Debug, Clone)]
pub struct Hit {
    pub message: StoredMessage,
    /// The body around the match, with matches between U+0001 and U+0002.
    pub snippet: String,
}

/// Makes the index if there is none yet.
pub(crate) fn prepare(sql: &mut Connection, key: &DataKey, in_memory: bool) -> Result<(), StoreError> {
    if in_memory {
        return create(sql, true);
    }
    if sql.prepare("SELECT 1 FROM main.sqlite_master WHERE name = 'message_fts'")?.exists([])? {
        return Ok(());
    }
    let tx = sql.transaction_with_behavior(TransactionBehavior::Immediate)?;
    create(&tx, false)?;
    fill(&tx, key)?;
    tx.commit()?;
    Ok(())
}

pub(crate) fn create(sql: &Connection, in_memory: bool) -> Result<(), StoreError> {
    let place = if in_memory { "temp" } else { "main" };
    // The prefixes are those of a word being typed: from the fourth letter on, few enough words begin alike to be gathered.
    sql.execute_batch(&format!(
        "CREATE VIRTUAL TABLE {place}.message_fts
         USING fts5(body, peer, tokenize = 'unicode61 remove_diacritics 2', prefix = '1 2 3')"
    ))?;
    if !in_memory {
        sql.execute_batch("INSERT INTO message_fts(message_fts, rank) VALUES('secure-delete', 1)")?;
    }
    Ok(())
}

pub(crate) fn drop_index(sql: &Connection) -> Result<(), StoreError> {
    sql.execute_batch("DROP TABLE IF EXISTS temp.message_fts; DROP TABLE IF EXISTS main.message_fts;")?;
    Ok(())
}

/// Fills an empty index from the messages, oldest first: the order in which it grows cheaply.
pub(crate) fn fill(sql: &Connection, key: &DataKey) -> Result<(), StoreError> {
    let mut statement = sql.prepare(
        "SELECT search_key, conversation, author, name, content FROM message WHERE search_key IS NOT NULL ORDER BY search_key",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (author, name): ([u8; 16], [u8; 16]) = (row.get(2)?, row.get(3)?);
        let content = key.open("message.content", &[author, name].concat(), &row.get::<_, Vec<u8>>(4)?)?;
        if let Some(body) = body(content.expose()) {
            insert(sql, row.get(0)?, conversation_of(row, 1)?, &body)?;
        }
    }
    Ok(())
}

fn insert(sql: &Connection, search_key: i64, conversation: Conversation, body: &str) -> Result<(), StoreError> {
    sql.prepare_cached("INSERT INTO message_fts(rowid, body, peer) VALUES (?1, ?2, ?3)")?.execute((
        search_key,
        body,
        word_of(conversation),
    ))?;
    Ok(())
}

fn body(content: &[u8]) -> Option<String> {
    match pb::Content::decode(content).ok()?.body? {
        pb::content::Body::Text(text) => Some(text.body),
        pb::content::Body::Poll(poll) => Some([&[poll.question], &poll.options[..]].concat().join("\n")),
        pb::content::Body::Location(place) => Some(place.label),
        pb::content::Body::ContactCard(card) => Some(format!("{} {}", card.display_name, card.username)),
        _ => None,
    }
}

/// One word of the index's language.
fn word_of(conversation: Conversation) -> String {
    conversation.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Words quoted, so that nothing in them is FTS syntax; the last one matches as a prefix.
fn fts_query(query: &str, conversation: Option<Conversation>) -> Option<String> {
    let words: Vec<String> = query
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(WORDS_MAX)
        .map(|word| format!("\"{word}\""))
        .collect();
    if words.is_empty() {
        return None;
    }
    let of = conversation.map(|conversation| format!(" AND peer : \"{}\"", word_of(conversation))).unwrap_or_default();
    Some(format!("body : ({}*){of}", words.join(" ")))
}

impl Tx<'_> {
    /// The key of a text of this time; none for what is not searched.
    pub(crate) fn new_search_key(&self, kind: MessageKind, at: Timestamp) -> Result<Option<i64>, StoreError> {
        if kind != MessageKind::Content {
            return Ok(None);
        }
        let mut from = at.as_ms().min(TIME_MAX) << SAME_TIME_BITS;
        let mut statement = self
            .sql
            .prepare_cached("SELECT max(search_key) FROM message WHERE search_key >= ?1 AND search_key < ?2")?;
        loop {
            let end = from + (1 << SAME_TIME_BITS);
            let last: Option<i64> = statement.query_row((int(from), int(end)), |row| row.get(0))?;
            let key = last.map_or(from, |last| uint(last) + 1);
            if key < end {
                return Ok(Some(int(key)));
            }
            // A million messages of one millisecond: somebody's clock stands still.
            from = end;
        }
    }

    pub(crate) fn index_message(
        &self,
        search_key: Option<i64>,
        conversation: Conversation,
        content: &[u8],
    ) -> Result<(), StoreError> {
        match (search_key, body(content)) {
            (Some(search_key), Some(body)) if self.index_ready.get() => {
                insert(&self.sql, search_key, conversation, &body)
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn unindex_message(&self, id: i64) -> Result<(), StoreError> {
        if self.index_ready.get() {
            self.sql
                .prepare_cached("DELETE FROM message_fts WHERE rowid = (SELECT search_key FROM message WHERE id = ?1)")?
                .execute([id])?;
        }
        Ok(())
    }

    /// The message has another time now. Moving it costs more than the rest of an acceptance, hence only if it matters.
    pub(crate) fn reindex_message(&self, message: &StoredMessage, at: Timestamp) -> Result<(), StoreError> {
        let known = message.server_time.unwrap_or(message.written);
        if known.as_ms().abs_diff(at.as_ms()) <= u64::try_from(MOVE_FROM.as_millis()).unwrap_or(u64::MAX) {
            return Ok(());
        }
        self.unindex_message(message.id)?;
        let search_key = self.new_search_key(message.kind, at)?;
        self.sql
            .prepare_cached("UPDATE message SET search_key = ?2 WHERE id = ?1")?
            .execute((message.id, search_key))?;
        self.index_message(search_key, message.conversation, message.content.expose())
    }

    /// Newest first; all words must match, the last one as a prefix.
    pub fn search(&self, query: &str, conversation: Option<Conversation>, limit: u32) -> Result<Vec<Hit>, StoreError> {
        let Some(query) = fts_query(query, conversation) else { return Ok(Vec::new()) };
        if !self.index_ready.get() {
            fill(&self.sql, self.key)?;
            self.index_ready.set(true);
        }
        let mut statement = self.sql.prepare_cached(
            "SELECT rowid, snippet(message_fts, 0, char(1), char(2), '…', 16) FROM message_fts
             WHERE message_fts MATCH ?1 ORDER BY rowid DESC LIMIT ?2",
        )?;
        let rows = statement.query_map((query, limit), |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
        let mut hits = Vec::new();
        for row in rows {
            let (search_key, snippet) = row?;
            if let Some(message) = self.message_with_search_key(search_key)? {
                hits.push(Hit { message, snippet });
            }
        }
        Ok(hits)
    }
}
