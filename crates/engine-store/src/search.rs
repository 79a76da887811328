//! Full text search over message bodies (FTS5).
//! Always true: with a passphrase the index is a table of the connection's temporary database, which lives in memory, filled at
//! the first search; without one it is in the file and kept with every message. Both answer to the same name.

use crate::seal::DataKey;
use crate::{MessageKind, StoreError, StoredMessage, Tx};
use prost::Message as _;
use rusqlite::Connection;
use sotto_types::AccountId;
use sotto_wire::pb;

#[derive(Debug, Clone)]
pub struct Hit {
    pub message: StoredMessage,
    /// The body around the match, with matches between U+0001 and U+0002.
    pub snippet: String,
}

pub(crate) fn prepare(sql: &Connection, in_memory: bool) -> Result<(), StoreError> {
    let place = if in_memory { "temp" } else { "main" };
    sql.execute_batch(&format!(
        "CREATE VIRTUAL TABLE IF NOT EXISTS {place}.message_fts USING fts5(body, tokenize = 'unicode61 remove_diacritics 2')"
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

/// Fills an empty index from the messages.
pub(crate) fn fill(sql: &Connection, key: &DataKey) -> Result<(), StoreError> {
    let mut statement = sql.prepare("SELECT id, author, name, content FROM message WHERE kind = ?1")?;
    let mut rows = statement.query([MessageKind::Text as u8])?;
    while let Some(row) = rows.next()? {
        let (author, name): ([u8; 16], [u8; 16]) = (row.get(1)?, row.get(2)?);
        let content = key.open("message.content", &[author, name].concat(), &row.get::<_, Vec<u8>>(3)?)?;
        if let Some(body) = body(content.expose()) {
            insert(sql, row.get(0)?, &body)?;
        }
    }
    Ok(())
}

fn insert(sql: &Connection, id: i64, body: &str) -> Result<(), StoreError> {
    sql.prepare_cached("INSERT OR REPLACE INTO message_fts(rowid, body) VALUES (?1, ?2)")?.execute((id, body))?;
    Ok(())
}

fn body(content: &[u8]) -> Option<String> {
    match pb::Content::decode(content).ok()?.body? {
        pb::content::Body::Text(text) => Some(text.body),
        _ => None,
    }
}

/// Words quoted, so that nothing in them is FTS syntax; the last one matches as a prefix.
fn fts_query(query: &str) -> Option<String> {
    let words: Vec<String> = query
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| format!("\"{word}\""))
        .collect();
    if words.is_empty() { None } else { Some(format!("{}*", words.join(" "))) }
}

impl Tx<'_> {
    pub(crate) fn index_message(&self, id: i64, kind: MessageKind, content: &[u8]) -> Result<(), StoreError> {
        if kind != MessageKind::Text || !self.index_ready.get() {
            return Ok(());
        }
        match body(content) {
            Some(body) => insert(&self.sql, id, &body),
            None => Ok(()),
        }
    }

    pub(crate) fn unindex_message(&self, id: i64) -> Result<(), StoreError> {
        if self.index_ready.get() {
            self.sql.prepare_cached("DELETE FROM message_fts WHERE rowid = ?1")?.execute([id])?;
        }
        Ok(())
    }

    /// Newest first; all words must match, the last one as a prefix.
    pub fn search(&self, query: &str, conversation: Option<AccountId>, limit: u32) -> Result<Vec<Hit>, StoreError> {
        let Some(query) = fts_query(query) else { return Ok(Vec::new()) };
        if !self.index_ready.get() {
            fill(&self.sql, self.key)?;
            self.index_ready.set(true);
        }
        let mut statement = self.sql.prepare_cached(
            "SELECT m.id, snippet(message_fts, 0, char(1), char(2), '…', 16) FROM message_fts f JOIN message m ON m.id = f.rowid
             WHERE message_fts MATCH ?1 AND (?2 IS NULL OR m.conversation = ?2)
             ORDER BY coalesce(m.server_ms, m.written_ms) DESC, m.place DESC LIMIT ?3",
        )?;
        let rows = statement.query_map((query, conversation.map(|peer| *peer.as_bytes()), limit), |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
        })?;
        let mut hits = Vec::new();
        for row in rows {
            let (id, snippet) = row?;
            if let Some(message) = self.message(id)? {
                hits.push(Hit { message, snippet });
            }
        }
        Ok(hits)
    }
}
