use super::unknown_group;
use crate::limiter::Subject;
use crate::{Domain, Refusal};
use sotto_ports::{GroupAdvance, GroupSettle, LoggedEntry, Membership, StoreError, WatermarkKind};
use sotto_types::{AccountId, DeviceAddress, ErrorCode, GroupId, MessageId, limits};
use std::time::Duration;

/// How long acks are gathered before they are written, and how long at most after a large write.
const GATHER: Duration = Duration::from_millis(50);
const GATHER_MANY: Duration = Duration::from_millis(450);
/// How long after a write that failed.
const AGAIN: Duration = Duration::from_secs(1);
/// From here on a write was large.
const MANY: usize = 2_000;
/// What one call of the store writes at most.
const SETTLED_AT_ONCE: usize = 10_000;

/// A part of a log with something for the device, in one stay of its account: above `after`, up to `up_to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitingGroup {
    pub group: GroupId,
    pub after: MessageId,
    /// The last id there is, if the stay goes on.
    pub up_to: MessageId,
    pub account: AccountId,
    /// When the stay began.
    pub since: MessageId,
}

/// A device has everything of the log up to here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupAcked {
    pub group: GroupId,
    pub up_to: MessageId,
    /// The last of it that the device could read.
    pub delivered: MessageId,
    /// Pushed on this connection, so that nothing needs to be looked up.
    pub pushed: bool,
}

impl Domain {
    /// Which logs have something that the device has not acknowledged: those of a group in the order of its log.
    pub async fn waiting_groups(&self, of: DeviceAddress) -> Result<Vec<WaitingGroup>, StoreError> {
        let memberships = self.parts.groups.memberships(of.account).await?;
        let stays_by_group: Vec<&[Membership]> = memberships.chunk_by(|one, next| one.group == next.group).collect();
        let groups: Vec<GroupId> =
            stays_by_group.iter().filter_map(|stays| stays.first()).map(|stay| stay.group).collect();
        let cursors = self.parts.groups.cursors(of, &groups).await?;
        let mut waiting = Vec::new();
        for ((stays, group), cursor) in stays_by_group.into_iter().zip(groups).zip(cursors) {
            let Some(facts) = self.parts.groups.group_facts(group).await? else { continue };
            let mut read = cursor.max(self.book.cursor(of, group)).unwrap_or_default();
            for stay in stays {
                let before_joining = MessageId::new(stay.since.get().saturating_sub(1));
                let after = read.max(before_joining);
                let up_to = stay.until.unwrap_or(MessageId::MAX);
                if facts.newest.min(up_to) > after {
                    waiting.push(WaitingGroup { group, after, up_to, account: of.account, since: stay.since });
                }
                // Where one stay ends with the operation that begins the next, that is in both.
                read = read.max(up_to);
            }
        }
        Ok(waiting)
    }

    /// The next entries of a log; see `GroupStore::read_log`. None of what was logged after the stay ended, even if it went on
    /// when `waiting_groups` looked.
    pub async fn read_log(
        &self,
        of: WaitingGroup,
        max_entries: usize,
        max_bytes: usize,
    ) -> Result<Vec<LoggedEntry>, StoreError> {
        let groups = &self.parts.groups;
        let mut entries = groups.read_log(of.group, of.after, of.up_to, max_entries, max_bytes).await?;
        // Asked after the entries were read: of an end among them it is told.
        if !entries.is_empty() && of.up_to == MessageId::MAX && !self.is_in_stay(of).await? {
            let memberships = groups.memberships(of.account).await?;
            let same = |stay: &&Membership| (stay.group, stay.since) == (of.group, of.since);
            // If it is forgotten, it was read to its end.
            let until = memberships.iter().find(same).map_or(Some(of.after), |stay| stay.until);
            entries.retain(|entry| until.is_none_or(|until| entry.id <= until));
        }
        Ok(entries)
    }

    /// Whether the stay goes on, by what is mostly in a cache.
    async fn is_in_stay(&self, of: WaitingGroup) -> Result<bool, StoreError> {
        let group = self.parts.groups.group(of.group).await?;
        Ok(group.is_some_and(|group| group.members.contains(&(of.account, of.since))))
    }

    /// Raises the device's cursors and its account's delivered watermarks, a moment later (see `book`).
    pub async fn group_ack(&self, of: DeviceAddress, acked: &[GroupAcked]) -> Result<(), Refusal> {
        if acked.len() > limits::ACK_GROUPS {
            return Err(Refusal::new(ErrorCode::BadRequest, "an ack names at most 1024 groups"));
        }
        for acked in acked.iter().filter(|acked| acked.pushed) {
            self.note_acked(of, acked, acked.up_to);
        }
        let strays = acked.iter().filter(|acked| !acked.pushed);
        let cost = u32::try_from(strays.clone().count()).unwrap_or(u32::MAX);
        if cost == 0 {
            return Ok(());
        }
        self.limiter.check_cost(Subject::StrayAcks(of), cost, self.now())?;
        let memberships = self.parts.groups.memberships(of.account).await?;
        for acked in strays {
            // The last stay is the one that counts: who acks what lies between two misses nothing by it.
            let Some(mine) = memberships.iter().rfind(|stay| stay.group == acked.group) else { continue };
            let Some(facts) = self.parts.groups.group_facts(acked.group).await? else { continue };
            let last = mine.until.unwrap_or(MessageId::MAX).min(facts.newest);
            self.note_acked(of, acked, acked.up_to.min(last));
        }
        Ok(())
    }

    fn note_acked(&self, of: DeviceAddress, acked: &GroupAcked, up_to: MessageId) {
        self.book.note_cursor(of, acked.group, up_to);
        let delivered = acked.delivered.min(up_to);
        if delivered > MessageId::ZERO {
            let (group, kind, at) = (acked.group, WatermarkKind::Delivered, self.now());
            self.book.note_mark(GroupAdvance { group, member: of.account, kind, up_to: delivered, at });
        }
        self.meters.group_acks.increment(1);
    }

    /// The person saw everything in the group up to here.
    pub(crate) async fn read_group(&self, of: DeviceAddress, group: GroupId, up_to: MessageId) -> Result<(), Refusal> {
        let facts = self.parts.groups.group_facts(group).await?.ok_or_else(unknown_group)?;
        self.group_of(group, of.account).await?;
        if up_to == MessageId::ZERO || up_to > facts.newest.max(self.parts.inbox.newest_id().await?) {
            return Err(Refusal::new(ErrorCode::BadRequest, "up_to is no id of this server"));
        }
        let advance = GroupAdvance { group, member: of.account, kind: WatermarkKind::Read, up_to, at: self.now() };
        self.book.note_mark(advance);
        Ok(())
    }

    /// Writes what acks and reads have noted, until the returned future is dropped. One per process. What is noted later than
    /// the last round is written by `write_cursors`.
    pub async fn keep_cursors(&self) {
        loop {
            self.book.until_filled().await;
            tokio::select! {
                () = tokio::time::sleep(GATHER) => {}
                () = self.book.until_full() => {}
            }
            let pause = match self.write_cursors().await {
                Ok(written) if written <= MANY => continue,
                Ok(_) => GATHER_MANY,
                // It is still noted, and `until_full` would not wait.
                Err(error) => {
                    tracing::error!(%error, "acks in groups were not written; trying again");
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.book.until_full() => {}
            }
        }
    }

    /// Writes what is noted now. Returns how much it was. What fails to be written stays noted.
    pub async fn write_cursors(&self) -> Result<usize, StoreError> {
        let (cursors, marks) = self.book.take();
        let written = cursors.len() + marks.len();
        let (mut cursors, mut marks) = (&cursors[..], &marks[..]);
        while !cursors.is_empty() || !marks.is_empty() {
            let (now, later) = cursors.split_at(cursors.len().min(SETTLED_AT_ONCE));
            let (marks_now, marks_later) = marks.split_at(marks.len().min(SETTLED_AT_ONCE));
            let settle = GroupSettle { cursors: now.to_vec(), advance: marks_now.to_vec() };
            if let Err(error) = self.parts.groups.settle_groups(settle).await {
                self.book.put_back(cursors, marks);
                return Err(error);
            }
            (cursors, marks) = (later, marks_later);
        }
        self.book.written();
        Ok(written)
    }
}
