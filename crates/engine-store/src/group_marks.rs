//! How far each member of a group was delivered to and has read, step by step.
//! Always true:
//! - who has read was delivered to: a step of reading is one of delivery too, unless there is an earlier one;
//! - the newest steps of a member are kept; of what lies before them is known that it was reached, but not exactly when.

use crate::{StepKind, StoreError, Tx, int, uint};
use rusqlite::OptionalExtension;
use sotto_types::{AccountId, GroupId, MessageId, Timestamp};

/// Steps kept of one member and kind.
const STEPS_KEPT: u32 = 64;

/// What one member has of a message, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupMark {
    pub member: AccountId,
    pub delivered: Option<Timestamp>,
    pub read: Option<Timestamp>,
}

// Queries whose plans matter: there may be a hundred thousand steps in a group.

/// ?2 the message, ?3 the kind.
pub(crate) const COUNT: &str =
    "SELECT count(*) FROM group_mark WHERE group_id = ?1 AND message_id >= ?2 AND kind = ?3 AND newest = 1";

impl Tx<'_> {
    /// Remembers a step; returns whether the member got further than was known.
    pub fn put_mark(
        &self,
        group: GroupId,
        member: AccountId,
        kind: StepKind,
        up_to: MessageId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let moved = self.put_one_mark(group, member, kind, up_to, at)?;
        if kind == StepKind::Read && self.newest_mark(group, member, StepKind::Delivered)? < Some(up_to) {
            self.put_one_mark(group, member, StepKind::Delivered, up_to, at)?;
        }
        Ok(moved)
    }

    fn put_one_mark(
        &self,
        group: GroupId,
        member: AccountId,
        kind: StepKind,
        up_to: MessageId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let (group, member, kind) = (group.as_bytes(), member.as_bytes(), kind as u8);
        let moved = self.newest_mark_of(group, member, kind)? < Some(up_to);
        if moved {
            self.sql
                .prepare_cached(
                    "UPDATE group_mark SET newest = 0 WHERE group_id = ?1 AND member = ?2 AND kind = ?3 AND newest = 1",
                )?
                .execute((group, member, kind))?;
        }
        self.sql
            .prepare_cached(
                "INSERT INTO group_mark(group_id, member, kind, message_id, at_ms, newest) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT DO UPDATE SET at_ms = min(at_ms, excluded.at_ms)",
            )?
            .execute((group, member, kind, int(up_to.get()), int(at.as_ms()), moved))?;
        self.sql
            .prepare_cached(
                "DELETE FROM group_mark WHERE group_id = ?1 AND member = ?2 AND kind = ?3 AND message_id < (
                   SELECT min(message_id) FROM (
                     SELECT message_id FROM group_mark WHERE group_id = ?1 AND member = ?2 AND kind = ?3
                     ORDER BY message_id DESC LIMIT ?4))",
            )?
            .execute((group, member, kind, STEPS_KEPT))?;
        Ok(moved)
    }

    /// How far a member is known to have got.
    pub fn newest_mark(
        &self,
        group: GroupId,
        member: AccountId,
        kind: StepKind,
    ) -> Result<Option<MessageId>, StoreError> {
        self.newest_mark_of(group.as_bytes(), member.as_bytes(), kind as u8)
    }

    fn newest_mark_of(&self, group: &[u8; 32], member: &[u8; 16], kind: u8) -> Result<Option<MessageId>, StoreError> {
        let id: Option<i64> = self
            .sql
            .prepare_cached(
                "SELECT message_id FROM group_mark WHERE group_id = ?1 AND member = ?2 AND kind = ?3
                 ORDER BY message_id DESC LIMIT 1",
            )?
            .query_row((group, member, kind), |row| row.get(0))
            .optional()?;
        Ok(id.map(|id| MessageId::new(uint(id))))
    }

    /// Who has a message, by the first step at or above it; members without any are not among them.
    pub fn marks_at(&self, group: GroupId, message_id: MessageId) -> Result<Vec<GroupMark>, StoreError> {
        // Beside `min`, SQLite takes the other columns from the row of the minimum.
        let mut statement = self.sql.prepare_cached(
            "SELECT member, kind, at_ms, min(message_id) FROM group_mark WHERE group_id = ?1 AND message_id >= ?2
             GROUP BY member, kind ORDER BY member, kind",
        )?;
        let rows = statement.query_map((group.as_bytes(), int(message_id.get())), |row| {
            let at = Timestamp::from_ms(uint(row.get(2)?));
            Ok((AccountId::from_bytes(row.get(0)?), row.get::<_, u8>(1)?, at))
        })?;
        let mut marks: Vec<GroupMark> = Vec::new();
        for row in rows {
            let (member, kind, at) = row?;
            let is_read = kind == StepKind::Read as u8;
            let (delivered, read) = ((!is_read).then_some(at), is_read.then_some(at));
            match marks.last_mut().filter(|last| last.member == member) {
                Some(last) => last.read = read,
                None => marks.push(GroupMark { member, delivered: delivered.or(read), read }),
            }
        }
        Ok(marks)
    }

    /// How many members a message was delivered to, and how many have read it.
    pub fn count_marks(&self, group: GroupId, message_id: MessageId) -> Result<(u32, u32), StoreError> {
        let mut statement = self.sql.prepare_cached(COUNT)?;
        let mut count = |kind: StepKind| {
            statement
                .query_row((group.as_bytes(), int(message_id.get()), kind as u8), |row| row.get::<_, u32>(0))
                .map_err(StoreError::from)
        };
        Ok((count(StepKind::Delivered)?, count(StepKind::Read)?))
    }

    /// Nobody counts somebody who is no member any more.
    pub fn delete_marks_of(&self, group: GroupId, member: AccountId) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("DELETE FROM group_mark WHERE group_id = ?1 AND member = ?2")?
            .execute((group.as_bytes(), member.as_bytes()))?;
        Ok(())
    }
}
