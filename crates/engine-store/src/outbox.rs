//! What waits to be sent, what was sent and may be asked for again, and history on its way to a new device.

use crate::{StoreError, Tx, WAIT_MAX, conversation_of, int, uint};
use rusqlite::{OptionalExtension, Row};
use sotto_types::{AccountId, ClientMsgId, Conversation, DeviceId, MessageId, Secret, Timestamp};

#[derive(Debug, Clone)]
pub struct NewOutboxEntry {
    pub client_msg_id: ClientMsgId,
    /// A person or a group. One lane: its messages go one after another.
    pub recipient: Conversation,
    /// `EnvelopeClass` number of the wire.
    pub class: u8,
    /// Target devices; empty: all of them.
    pub devices: Vec<DeviceId>,
    /// Serialized `Content`, without addresses.
    pub content: Secret<Vec<u8>>,
    /// The row in `message` whose ticks it moves.
    pub message: Option<i64>,
    pub now: Timestamp,
    /// Keep the content for 30 days after it was sent, to send it again on `Retry`.
    pub keep: bool,
}

#[derive(Debug, Clone)]
pub struct OutboxEntry {
    pub id: i64,
    pub client_msg_id: ClientMsgId,
    pub recipient: Conversation,
    pub class: u8,
    pub devices: Vec<DeviceId>,
    pub content: Secret<Vec<u8>>,
    pub message: Option<i64>,
    pub attempts: u32,
    pub not_before: Timestamp,
    pub keep: bool,
}

#[derive(Debug, Clone)]
pub struct SentControl {
    pub recipient: AccountId,
    pub name: ClientMsgId,
    pub content: Secret<Vec<u8>>,
}

/// History leaving for one device.
#[derive(Debug, Clone)]
pub struct HistoryJob {
    pub device: DeviceId,
    pub request_id: [u8; 16],
    pub since: Timestamp,
    /// Cursor: (place, row) of the last message sent.
    pub after: (u64, i64),
    pub next_index: u32,
    pub done: u64,
    pub total: u64,
    pub in_flight: Option<ClientMsgId>,
}

/// A chunk of history: on its way, or kept to be sent again.
#[derive(Debug, Clone)]
pub struct HistoryCopy {
    pub place: HistoryPlace,
    pub content: Secret<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryPlace {
    Outbox(ClientMsgId),
    Sent(MessageId),
}

const COLUMNS: &str = "id, client_msg_id, recipient, class, devices, content, message, attempts, not_before_ms, keep";

/// Of entries that are no messages, so many go at once to one recipient.
const HEADS_OF_RECIPIENT: u32 = 8;
/// ?3 is now, ?4 the latest time that anything waits for.
const MAY_GO: &str = "(not_before_ms <= ?3 OR not_before_ms > ?4)
    AND recipient NOT IN (SELECT account FROM contact WHERE pending_key IS NOT NULL)";

struct RawEntry {
    entry: OutboxEntry,
    sealed: Vec<u8>,
}

fn raw(row: &Row<'_>) -> rusqlite::Result<RawEntry> {
    let devices: Vec<u8> = row.get(4)?;
    Ok(RawEntry {
        sealed: row.get(5)?,
        entry: OutboxEntry {
            id: row.get(0)?,
            client_msg_id: ClientMsgId::from_bytes(row.get(1)?),
            recipient: conversation_of(row, 2)?,
            class: row.get(3)?,
            devices: devices.into_iter().filter_map(|id| DeviceId::try_from(u32::from(id)).ok()).collect(),
            content: Secret::new(Vec::new()),
            message: row.get(6)?,
            attempts: row.get(7)?,
            not_before: Timestamp::from_ms(uint(row.get(8)?)),
            keep: row.get(9)?,
        },
    })
}

impl Tx<'_> {
    pub fn enqueue(&self, new: &NewOutboxEntry) -> Result<(), StoreError> {
        let sealed = self.key.seal("outbox.content", new.client_msg_id.as_bytes(), new.content.expose());
        let devices: Vec<u8> = new.devices.iter().map(|device| device.get()).collect();
        self.sql
            .prepare_cached(
                "INSERT OR IGNORE INTO outbox(client_msg_id, recipient, class, devices, content, message, created_ms, keep)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(rusqlite::params![
                new.client_msg_id.as_bytes(),
                new.recipient.as_bytes(),
                new.class,
                devices,
                sealed,
                new.message,
                int(new.now.as_ms()),
                new.keep,
            ])?;
        Ok(())
    }

    fn outbox_where(&self, sql: &str, params: impl rusqlite::Params) -> Result<Vec<OutboxEntry>, StoreError> {
        let mut statement = self.sql.prepare_cached(sql)?;
        let rows = statement.query_map(params, raw)?;
        rows.map(|row| {
            let row = row?;
            let content = self.key.open("outbox.content", row.entry.client_msg_id.as_bytes(), &row.sealed)?;
            Ok(OutboxEntry { content, ..row.entry })
        })
        .collect()
    }

    /// What may be sent now: the oldest message of each conversation, and of each recipient the oldest few other entries, so
    /// that nobody's wait is another's. Not for contacts whose new key waits for a decision. A time further ahead than any
    /// wait has come: the clock was set back.
    pub fn outbox_heads(&self, message_class: u8, limit: u32, now: Timestamp) -> Result<Vec<OutboxEntry>, StoreError> {
        self.outbox_where(
            &format!(
                "SELECT {COLUMNS} FROM outbox WHERE id IN (
                   SELECT id FROM (SELECT min(id) AS id, recipient, not_before_ms FROM outbox WHERE class = ?1 GROUP BY recipient)
                   WHERE {MAY_GO}
                   UNION ALL
                   SELECT id FROM (
                     SELECT id FROM (
                       SELECT id, recipient, not_before_ms,
                         row_number() OVER (PARTITION BY recipient ORDER BY id) AS place
                       FROM outbox WHERE class <> ?1)
                     WHERE place <= {HEADS_OF_RECIPIENT} AND {MAY_GO} ORDER BY place, id LIMIT ?2)
                 ) ORDER BY id"
            ),
            (message_class, limit, int(now.as_ms()), int(now.plus(WAIT_MAX).as_ms())),
        )
    }

    /// When the next delayed entry is due.
    pub fn next_outbox(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let next: Option<i64> = self
            .sql
            .prepare_cached("SELECT min(not_before_ms) FROM outbox WHERE not_before_ms > ?1 AND not_before_ms <= ?2")?
            .query_row((int(now.as_ms()), int(now.plus(WAIT_MAX).as_ms())), |row| row.get(0))?;
        Ok(next.map(|ms| Timestamp::from_ms(uint(ms))))
    }

    /// The oldest entries for a recipient, whether or not they may go.
    pub fn outbox_of(&self, recipient: Conversation, limit: u32) -> Result<Vec<OutboxEntry>, StoreError> {
        self.outbox_where(
            &format!("SELECT {COLUMNS} FROM outbox WHERE recipient = ?1 ORDER BY id LIMIT ?2"),
            (recipient.as_bytes(), limit),
        )
    }

    pub fn is_outbox_empty(&self) -> Result<bool, StoreError> {
        Ok(!self.sql.prepare_cached("SELECT 1 FROM outbox LIMIT 1")?.exists([])?)
    }

    pub fn outbox_entry(&self, client_msg_id: ClientMsgId) -> Result<Option<OutboxEntry>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM outbox WHERE client_msg_id = ?1");
        Ok(self.outbox_where(&sql, [client_msg_id.as_bytes()])?.pop())
    }

    pub fn remove_outbox(&self, id: i64) -> Result<(), StoreError> {
        self.sql.prepare_cached("DELETE FROM outbox WHERE id = ?1")?.execute([id])?;
        Ok(())
    }

    /// Unsent entries for one device (it was removed): nobody waits for them.
    pub fn remove_outbox_of_message(&self, message: i64) -> Result<bool, StoreError> {
        Ok(self.sql.prepare_cached("DELETE FROM outbox WHERE message = ?1")?.execute([message])? > 0)
    }

    pub fn delay_outbox(&self, id: i64, attempts: u32, not_before: Timestamp) -> Result<(), StoreError> {
        self.sql.prepare_cached("UPDATE outbox SET attempts = ?2, not_before_ms = ?3 WHERE id = ?1")?.execute((
            id,
            attempts,
            int(not_before.as_ms()),
        ))?;
        Ok(())
    }

    /// Everything may go at once: a new connection, or a decision of the person.
    pub fn hurry_outbox(&self, recipient: Option<Conversation>) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("UPDATE outbox SET not_before_ms = 0 WHERE ?1 IS NULL OR recipient = ?1")?
            .execute([recipient.as_ref().map(Conversation::as_bytes)])?;
        Ok(())
    }

    pub fn outbox_len(&self, message_class: u8) -> Result<u32, StoreError> {
        Ok(self
            .sql
            .prepare_cached("SELECT count(*) FROM outbox WHERE class = ?1")?
            .query_row([message_class], |row| row.get(0))?)
    }

    /// What waits in the outbox and is no message, and facts that are not in it yet.
    pub fn untold_len(&self, message_class: u8) -> Result<u32, StoreError> {
        Ok(self
            .sql
            .prepare_cached(
                "SELECT (SELECT count(*) FROM outbox WHERE class <> ?1 AND keep) + (SELECT count(*) FROM fact WHERE changed_ms IS NOT NULL)",
            )?
            .query_row([message_class], |row| row.get(0))?)
    }

    /// Message rows that wait in the outbox for this recipient.
    pub fn queued_messages(&self, recipient: Conversation) -> Result<Vec<i64>, StoreError> {
        let mut statement = self
            .sql
            .prepare_cached("SELECT message FROM outbox WHERE recipient = ?1 AND message IS NOT NULL ORDER BY id")?;
        let rows = statement.query_map([recipient.as_bytes()], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// `history`: it is a chunk.
    pub fn keep_sent(
        &self,
        message_id: MessageId,
        entry: &OutboxEntry,
        recipient: AccountId,
        history: bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let OutboxEntry { client_msg_id: name, content, .. } = entry;
        let sealed = self.key.seal("sent_control.content", &message_id.get().to_le_bytes(), content.expose());
        self.sql
            .prepare_cached(
                "INSERT OR REPLACE INTO sent_control(message_id, recipient, name, content, at_ms, history)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute((
                int(message_id.get()),
                recipient.as_bytes(),
                name.as_bytes(),
                sealed,
                int(now.as_ms()),
                history,
            ))?;
        Ok(())
    }

    /// What was kept of chunks of history, and what waits for own devices, chunks among it.
    pub fn history_copies(&self, own: AccountId, class: u8) -> Result<Vec<HistoryCopy>, StoreError> {
        let mut statement = self.sql.prepare_cached("SELECT message_id, content FROM sent_control WHERE history")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut copies = Vec::new();
        for row in rows {
            let (id, sealed): (i64, Vec<u8>) = row?;
            let content = self.key.open("sent_control.content", &uint(id).to_le_bytes(), &sealed)?;
            copies.push(HistoryCopy { place: HistoryPlace::Sent(MessageId::new(uint(id))), content });
        }
        let waiting = format!("SELECT {COLUMNS} FROM outbox WHERE class = ?1 AND recipient = ?2");
        let waiting = self.outbox_where(&waiting, (class, Conversation::from(own).as_bytes()))?;
        copies.extend(waiting.into_iter().map(|OutboxEntry { client_msg_id, content, .. }| HistoryCopy {
            place: HistoryPlace::Outbox(client_msg_id),
            content,
        }));
        Ok(copies)
    }

    /// Another content in its place.
    pub fn put_history_copy(&self, place: HistoryPlace, content: &Secret<Vec<u8>>) -> Result<(), StoreError> {
        match place {
            HistoryPlace::Outbox(name) => {
                let sealed = self.key.seal("outbox.content", name.as_bytes(), content.expose());
                self.sql
                    .prepare_cached("UPDATE outbox SET content = ?2 WHERE client_msg_id = ?1")?
                    .execute((name.as_bytes(), sealed))?;
            }
            HistoryPlace::Sent(id) => {
                let sealed = self.key.seal("sent_control.content", &id.get().to_le_bytes(), content.expose());
                self.sql
                    .prepare_cached("UPDATE sent_control SET content = ?2 WHERE message_id = ?1")?
                    .execute((int(id.get()), sealed))?;
            }
        }
        Ok(())
    }

    pub fn sent_control(&self, message_id: MessageId) -> Result<Option<SentControl>, StoreError> {
        let found: Option<([u8; 16], [u8; 16], Vec<u8>)> = self
            .sql
            .prepare_cached("SELECT recipient, name, content FROM sent_control WHERE message_id = ?1")?
            .query_row([int(message_id.get())], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let Some((recipient, name, sealed)) = found else { return Ok(None) };
        let content = self.key.open("sent_control.content", &message_id.get().to_le_bytes(), &sealed)?;
        Ok(Some(SentControl {
            recipient: AccountId::from_bytes(recipient),
            name: ClientMsgId::from_bytes(name),
            content,
        }))
    }

    /// Counts one more resend of a message to a device; returns how many there are now.
    pub fn count_resend(
        &self,
        message_id: MessageId,
        account: AccountId,
        device: DeviceId,
        now: Timestamp,
    ) -> Result<u32, StoreError> {
        Ok(self
            .sql
            .prepare_cached(
                "INSERT INTO resend(message_id, account, device, count, at_ms) VALUES (?1, ?2, ?3, 1, ?4)
                 ON CONFLICT DO UPDATE SET count = count + 1 RETURNING count",
            )?
            .query_row((int(message_id.get()), account.as_bytes(), device.get(), int(now.as_ms())), |row| row.get(0))?)
    }

    /// Forgets what nobody can ask for any more.
    pub fn forget_sent(&self, before: Timestamp) -> Result<(), StoreError> {
        let before = int(before.as_ms());
        self.sql.execute("DELETE FROM sent_control WHERE at_ms < ?1", [before])?;
        self.sql.execute("DELETE FROM resend WHERE at_ms < ?1", [before])?;
        Ok(())
    }

    pub fn history_jobs(&self) -> Result<Vec<HistoryJob>, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "SELECT device, request_id, since_ms, after_place, after_id, next_index, done, total, in_flight
             FROM history_job ORDER BY device",
        )?;
        let rows = statement.query_map([], |row| {
            let device: u32 = row.get(0)?;
            Ok(HistoryJob {
                device: DeviceId::try_from(device).unwrap_or(DeviceId::FIRST),
                request_id: row.get(1)?,
                since: Timestamp::from_ms(uint(row.get(2)?)),
                after: (uint(row.get(3)?), row.get(4)?),
                next_index: row.get(5)?,
                done: uint(row.get(6)?),
                total: uint(row.get(7)?),
                in_flight: row.get::<_, Option<[u8; 16]>>(8)?.map(ClientMsgId::from_bytes),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub fn put_history_job(&self, job: &HistoryJob) -> Result<(), StoreError> {
        self.sql
            .prepare_cached(
                "INSERT OR REPLACE INTO history_job(device, request_id, since_ms, after_place, after_id, next_index, done, total,
                   in_flight) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(rusqlite::params![
                job.device.get(),
                job.request_id,
                int(job.since.as_ms()),
                int(job.after.0),
                job.after.1,
                job.next_index,
                int(job.done),
                int(job.total),
                job.in_flight.map(|id| *id.as_bytes()),
            ])?;
        Ok(())
    }

    pub fn delete_history_job(&self, device: DeviceId) -> Result<(), StoreError> {
        self.sql.prepare_cached("DELETE FROM history_job WHERE device = ?1")?.execute([device.get()])?;
        Ok(())
    }
}
