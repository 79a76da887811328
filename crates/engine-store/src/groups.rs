//! Groups: what is known of each, the signed operations behind it, and the seeds of links that this device made.
//! Always true:
//! - cursors only rise and an alarm stays, whoever writes the row: an older copy of it in memory takes nothing back;
//! - an operation that is stored is never replaced by another of its revision.
//! Elsewhere: sender keys and who has them in `group_keys`, who read what in `group_marks`; what the bytes mean is the engine's.

use crate::{StoreError, Tx, int, uint};
use rusqlite::{OptionalExtension, Row};
use sotto_types::{GroupId, MessageId, Secret, Timestamp};

#[derive(Debug, Clone)]
pub struct Group {
    pub id: GroupId,
    pub revision: u32,
    /// Hash of the operation of that revision.
    pub head: [u8; 32],
    /// The server's counter of members and their devices, as last heard.
    pub roster: u64,
    /// Serialized state after the operation.
    pub state: Secret<Vec<u8>>,
    /// Serialized details that were opened, those that `details_hash` names.
    pub details: Option<Secret<Vec<u8>>>,
    pub details_hash: Option<[u8; 32]>,
    /// As the server gave the newest ones, until their key is here.
    pub sealed_details: Option<Vec<u8>>,
    /// Opens the details that `details_hash` names; other members get it from here.
    pub details_key: Option<Secret<Vec<u8>>>,
    /// The last entry of the log that was stored here.
    pub cursor: MessageId,
    /// The last one that could be read.
    pub delivered: MessageId,
    /// Why the list of this group cannot be trusted any more, for people.
    pub alarm: Option<String>,
    /// Operations or roster must be fetched before the next send.
    pub stale: bool,
    /// The members have not been given the key of the newest details by this device, which changed them.
    pub context_due: bool,
    /// The own account is no member any more.
    pub left: bool,
}

impl Group {
    pub fn new(id: GroupId, state: Secret<Vec<u8>>) -> Self {
        Self {
            id,
            revision: 0,
            head: *id.as_bytes(),
            roster: 0,
            state,
            details: None,
            details_hash: None,
            sealed_details: None,
            details_key: None,
            cursor: MessageId::ZERO,
            delivered: MessageId::ZERO,
            alarm: None,
            stale: true,
            context_due: false,
            left: false,
        }
    }
}

/// One entry of a group's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupOperation {
    pub revision: u32,
    pub payload: Vec<u8>,
    pub signature: Vec<u8>,
    pub hash: [u8; 32],
    /// Its place in the log, where that is known.
    pub message_id: Option<MessageId>,
    pub server_time: Timestamp,
}

/// What the link of an invite is made of.
#[derive(Debug, Clone)]
pub struct InviteSeed {
    pub public_key: [u8; 32],
    pub seed: Secret<Vec<u8>>,
    /// Of the details when the link was made.
    pub details_key: Option<Secret<Vec<u8>>>,
}

const COLUMNS: &str = "group_id, revision, head, roster, state, details, details_hash, sealed_details, details_key, cursor, \
    delivered, alarm, stale, context_due, is_left";
const STATE: &str = "chat_group.state";
const DETAILS: &str = "chat_group.details";
const DETAILS_KEY: &str = "chat_group.details_key";

struct RawGroup {
    group: Group,
    state: Vec<u8>,
    details: Option<Vec<u8>>,
    details_key: Option<Vec<u8>>,
}

fn raw(row: &Row<'_>) -> rusqlite::Result<RawGroup> {
    Ok(RawGroup {
        state: row.get(4)?,
        details: row.get(5)?,
        details_key: row.get(8)?,
        group: Group {
            id: GroupId::from_bytes(row.get(0)?),
            revision: row.get(1)?,
            head: row.get(2)?,
            roster: row.get::<_, i64>(3)?.cast_unsigned(),
            state: Secret::new(Vec::new()),
            details: None,
            details_hash: row.get(6)?,
            sealed_details: row.get(7)?,
            details_key: None,
            cursor: MessageId::new(uint(row.get(9)?)),
            delivered: MessageId::new(uint(row.get(10)?)),
            alarm: row.get(11)?,
            stale: row.get(12)?,
            context_due: row.get(13)?,
            left: row.get(14)?,
        },
    })
}

const OPERATION_COLUMNS: &str = "revision, payload, signature, hash, message_id, server_ms";
const PAYLOAD: &str = "group_operation.payload";
const SEED: &str = "invite_seed.seed";
const SEED_DETAILS_KEY: &str = "invite_seed.details_key";

fn operation(row: &Row<'_>) -> rusqlite::Result<GroupOperation> {
    Ok(GroupOperation {
        revision: row.get(0)?,
        payload: row.get(1)?,
        signature: row.get(2)?,
        hash: row.get(3)?,
        message_id: row.get::<_, Option<i64>>(4)?.map(|id| MessageId::new(uint(id))),
        server_time: Timestamp::from_ms(uint(row.get(5)?)),
    })
}

fn operation_row(group: GroupId, revision: u32) -> Vec<u8> {
    [&group.as_bytes()[..], &revision.to_le_bytes()].concat()
}

fn invite_row(group: GroupId, public_key: &[u8; 32]) -> Vec<u8> {
    [&group.as_bytes()[..], public_key].concat()
}

impl Tx<'_> {
    fn seal_some(&self, place: &str, row: &[u8], value: Option<&Secret<Vec<u8>>>) -> Option<Vec<u8>> {
        value.map(|value| self.key.seal(place, row, value.expose()))
    }

    fn open_some(
        &self,
        place: &str,
        row: &[u8],
        sealed: Option<Vec<u8>>,
    ) -> Result<Option<Secret<Vec<u8>>>, StoreError> {
        sealed.map(|sealed| self.key.open(place, row, &sealed)).transpose()
    }

    fn groups_where(&self, rest: &str, params: impl rusqlite::Params) -> Result<Vec<Group>, StoreError> {
        let mut statement = self.sql.prepare_cached(&format!("SELECT {COLUMNS} FROM chat_group {rest}"))?;
        let rows = statement.query_map(params, raw)?;
        rows.map(|row| {
            let RawGroup { group, state, details, details_key } = row?;
            let id = group.id.as_bytes();
            Ok(Group {
                state: self.key.open(STATE, id, &state)?,
                details: self.open_some(DETAILS, id, details)?,
                details_key: self.open_some(DETAILS_KEY, id, details_key)?,
                ..group
            })
        })
        .collect()
    }

    pub fn group(&self, id: GroupId) -> Result<Option<Group>, StoreError> {
        Ok(self.groups_where("WHERE group_id = ?1", [id.as_bytes()])?.pop())
    }

    pub fn has_group(&self, id: GroupId) -> Result<bool, StoreError> {
        Ok(self.sql.prepare_cached("SELECT 1 FROM chat_group WHERE group_id = ?1")?.exists([id.as_bytes()])?)
    }

    /// All of them, those that were left too. A state may be large: where ids do, there is `group_cursors`.
    pub fn groups(&self) -> Result<Vec<Group>, StoreError> {
        self.groups_where("ORDER BY group_id", [])
    }

    /// Each group and the last entry of its log that was stored here.
    pub fn group_cursors(&self) -> Result<Vec<(GroupId, MessageId)>, StoreError> {
        let mut statement = self.sql.prepare_cached("SELECT group_id, cursor FROM chat_group ORDER BY group_id")?;
        let rows =
            statement.query_map([], |row| Ok((GroupId::from_bytes(row.get(0)?), MessageId::new(uint(row.get(1)?)))))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The last entry of the log that was stored here, and the last that could be read.
    pub fn group_cursor(&self, group: GroupId) -> Result<Option<(MessageId, MessageId)>, StoreError> {
        Ok(self
            .sql
            .prepare_cached("SELECT cursor, delivered FROM chat_group WHERE group_id = ?1")?
            .query_row([group.as_bytes()], |row| {
                Ok((MessageId::new(uint(row.get(0)?)), MessageId::new(uint(row.get(1)?))))
            })
            .optional()?)
    }

    pub fn put_group(&self, group: &Group) -> Result<(), StoreError> {
        let id = group.id.as_bytes();
        self.sql
            .prepare_cached(&format!(
                "INSERT INTO chat_group({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
                 ON CONFLICT DO UPDATE SET revision = excluded.revision, head = excluded.head, roster = excluded.roster,
                   state = excluded.state, details = excluded.details, details_hash = excluded.details_hash,
                   sealed_details = excluded.sealed_details, details_key = excluded.details_key,
                   cursor = max(cursor, excluded.cursor), delivered = max(delivered, excluded.delivered),
                   alarm = coalesce(alarm, excluded.alarm), stale = excluded.stale, context_due = excluded.context_due,
                   is_left = excluded.is_left"
            ))?
            .execute(rusqlite::params![
                id,
                group.revision,
                group.head,
                group.roster.cast_signed(),
                self.key.seal(STATE, id, group.state.expose()),
                self.seal_some(DETAILS, id, group.details.as_ref()),
                group.details_hash,
                group.sealed_details,
                self.seal_some(DETAILS_KEY, id, group.details_key.as_ref()),
                int(group.cursor.get()),
                int(group.delivered.get()),
                group.alarm,
                group.stale,
                group.context_due,
                group.left,
            ])?;
        Ok(())
    }

    /// Moves the cursor of the log; returns whether it moved. An entry that does not move it was stored before.
    pub fn raise_cursor(&self, group: GroupId, id: MessageId) -> Result<bool, StoreError> {
        self.raise_group_column(group, "cursor", id)
    }

    /// Moves the mark of what could be read; returns whether it moved.
    pub fn raise_delivered(&self, group: GroupId, id: MessageId) -> Result<bool, StoreError> {
        self.raise_group_column(group, "delivered", id)
    }

    fn raise_group_column(&self, group: GroupId, column: &str, id: MessageId) -> Result<bool, StoreError> {
        let moved = self
            .sql
            .prepare_cached(&format!("UPDATE chat_group SET {column} = ?2 WHERE group_id = ?1 AND {column} < ?2"))?
            .execute((group.as_bytes(), int(id.get())))?;
        Ok(moved > 0)
    }

    pub fn set_group_roster(&self, group: GroupId, roster: u64) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("UPDATE chat_group SET roster = ?2 WHERE group_id = ?1")?
            .execute((group.as_bytes(), roster.cast_signed()))?;
        Ok(())
    }

    pub fn set_group_stale(&self, group: GroupId, stale: bool) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("UPDATE chat_group SET stale = ?2 WHERE group_id = ?1")?
            .execute((group.as_bytes(), stale))?;
        Ok(())
    }

    /// The first alarm stays. Returns whether this is it.
    pub fn raise_group_alarm(&self, group: GroupId, alarm: &str) -> Result<bool, StoreError> {
        let raised = self
            .sql
            .prepare_cached("UPDATE chat_group SET alarm = ?2 WHERE group_id = ?1 AND alarm IS NULL")?
            .execute((group.as_bytes(), alarm))?;
        Ok(raised > 0)
    }

    /// Everything that this module, `group_keys` and `group_marks` keep of it, and what was asked for in its log. Its messages and
    /// its row among the conversations stay.
    pub fn delete_group(&self, group: GroupId) -> Result<(), StoreError> {
        self.delete_distribution(group)?;
        for table in ["group_mark", "group_operation", "invite_seed", "placeholder", "chat_group"] {
            self.sql
                .prepare_cached(&format!("DELETE FROM {table} WHERE group_id = ?1"))?
                .execute([group.as_bytes()])?;
        }
        Ok(())
    }

    /// Keeps an operation, or learns where one that is known stands in the log.
    pub fn put_group_operation(&self, group: GroupId, operation: &GroupOperation) -> Result<(), StoreError> {
        let sealed = self.key.seal(PAYLOAD, &operation_row(group, operation.revision), &operation.payload);
        self.sql
            .prepare_cached(&format!(
                "INSERT INTO group_operation(group_id, {OPERATION_COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT DO UPDATE SET message_id = excluded.message_id, server_ms = excluded.server_ms
                   WHERE message_id IS NULL AND hash = excluded.hash"
            ))?
            .execute(rusqlite::params![
                group.as_bytes(),
                operation.revision,
                sealed,
                operation.signature,
                operation.hash,
                operation.message_id.map(|id| int(id.get())),
                int(operation.server_time.as_ms()),
            ])?;
        Ok(())
    }

    pub fn group_operation(&self, group: GroupId, revision: u32) -> Result<Option<GroupOperation>, StoreError> {
        let found = self.group_operations(group, revision, 1)?.pop();
        Ok(found.filter(|found| found.revision == revision))
    }

    /// From a revision on, ascending.
    pub fn group_operations(&self, group: GroupId, from: u32, limit: u32) -> Result<Vec<GroupOperation>, StoreError> {
        let mut statement = self.sql.prepare_cached(&format!(
            "SELECT {OPERATION_COLUMNS} FROM group_operation WHERE group_id = ?1 AND revision >= ?2
             ORDER BY revision LIMIT ?3"
        ))?;
        let rows = statement.query_map((group.as_bytes(), from, limit), operation)?;
        rows.map(|row| {
            let sealed = row?;
            let payload = self.key.open(PAYLOAD, &operation_row(group, sealed.revision), &sealed.payload)?;
            Ok(GroupOperation { payload: payload.expose().clone(), ..sealed })
        })
        .collect()
    }

    /// Hash of the operation of a revision, if it is known here.
    pub fn group_hash_at(&self, group: GroupId, revision: u32) -> Result<Option<[u8; 32]>, StoreError> {
        Ok(self
            .sql
            .prepare_cached("SELECT hash FROM group_operation WHERE group_id = ?1 AND revision = ?2")?
            .query_row((group.as_bytes(), revision), |row| row.get(0))
            .optional()?)
    }

    /// Where the operation of a revision stands in the log, if that is known here.
    pub fn group_operation_id(&self, group: GroupId, revision: u32) -> Result<Option<MessageId>, StoreError> {
        let id: Option<Option<i64>> = self
            .sql
            .prepare_cached("SELECT message_id FROM group_operation WHERE group_id = ?1 AND revision = ?2")?
            .query_row((group.as_bytes(), revision), |row| row.get(0))
            .optional()?;
        Ok(id.flatten().map(|id| MessageId::new(uint(id))))
    }

    pub fn put_invite_seed(&self, group: GroupId, invite: &InviteSeed) -> Result<(), StoreError> {
        let row = invite_row(group, &invite.public_key);
        self.sql
            .prepare_cached(
                "INSERT OR REPLACE INTO invite_seed(group_id, public_key, seed, details_key) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute((
                group.as_bytes(),
                invite.public_key,
                self.key.seal(SEED, &row, invite.seed.expose()),
                self.seal_some(SEED_DETAILS_KEY, &row, invite.details_key.as_ref()),
            ))?;
        Ok(())
    }

    pub fn invite_seed(&self, group: GroupId, public_key: &[u8; 32]) -> Result<Option<InviteSeed>, StoreError> {
        let found: Option<(Vec<u8>, Option<Vec<u8>>)> = self
            .sql
            .prepare_cached("SELECT seed, details_key FROM invite_seed WHERE group_id = ?1 AND public_key = ?2")?
            .query_row((group.as_bytes(), public_key), |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((seed, details_key)) = found else { return Ok(None) };
        let row = invite_row(group, public_key);
        Ok(Some(InviteSeed {
            public_key: *public_key,
            seed: self.key.open(SEED, &row, &seed)?,
            details_key: self.open_some(SEED_DETAILS_KEY, &row, details_key)?,
        }))
    }

    pub fn delete_invite_seed(&self, group: GroupId, public_key: &[u8; 32]) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("DELETE FROM invite_seed WHERE group_id = ?1 AND public_key = ?2")?
            .execute((group.as_bytes(), public_key))?;
        Ok(())
    }
}
