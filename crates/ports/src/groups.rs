use crate::{CommitRefused, Committed, EnvelopeClass, Step, StoreError, WatermarkKind};
use async_trait::async_trait;
use bytes::Bytes;
use sotto_types::{AccountId, DeviceAddress, GroupId, MessageId, SendId, Timestamp};
use std::sync::Arc;

/// A group as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub id: GroupId,
    /// Of the last operation.
    pub revision: u32,
    /// Its hash.
    pub head: [u8; 32],
    /// Rises by at least one with every operation that changes who is a member, and with every change of a member's devices
    /// or identity key.
    pub roster: u64,
    /// The domain's own encoding; opaque here.
    pub state: Bytes,
    /// Encrypted by clients, as the last operation that set it brought it.
    pub details: Bytes,
    /// Each with the place in the log of the operation that made it a member: nothing before is delivered to it. In the order
    /// of the domain's state.
    pub members: Vec<(AccountId, MessageId)>,
}

/// One stay of an account in a group: who was removed and added again has had two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    pub group: GroupId,
    /// The operation that made it a member: the first entry it gets.
    pub since: MessageId,
    /// The operation that ended it: the last entry it gets. The record goes 30 days after.
    pub until: Option<MessageId>,
}

impl Membership {
    pub fn goes_on(&self) -> bool {
        self.until.is_none()
    }

    /// Whether a device with this cursor has all of it.
    pub fn is_read(&self, cursor: Option<MessageId>) -> bool {
        self.until.is_some_and(|until| cursor.unwrap_or_default() >= until)
    }
}

/// A signed operation at rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOperation {
    pub revision: u32,
    pub message_id: MessageId,
    pub server_time: Timestamp,
    pub payload: Bytes,
    pub signature: Bytes,
}

impl StoredOperation {
    /// What counts against the byte limit of a read.
    pub fn body_len(&self) -> usize {
        self.payload.len() + self.signature.len()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupItem {
    Message {
        class: EnvelopeClass,
        ciphertext: Bytes,
    },
    Operation {
        revision: u32,
        payload: Bytes,
        signature: Bytes,
        /// Empty if the operation set none.
        details: Bytes,
    },
}

impl GroupItem {
    /// What counts against the byte limit of a read.
    pub fn body_len(&self) -> usize {
        match self {
            Self::Message { ciphertext, .. } => ciphertext.len(),
            Self::Operation { payload, signature, details, .. } => payload.len() + signature.len() + details.len(),
        }
    }
}

/// One entry of a group's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedEntry {
    pub group: GroupId,
    pub id: MessageId,
    /// The id of the entry before it in this log, also if that is trimmed by now; zero if it was the first.
    pub previous: MessageId,
    pub server_time: Timestamp,
    pub sender: DeviceAddress,
    pub item: GroupItem,
}

/// An operation and the group as it is after it.
#[derive(Debug, Clone)]
pub struct OperationCommit {
    pub group: GroupId,
    /// Head of the group the operation follows; `None` makes the group.
    pub follows: Option<[u8; 32]>,
    pub sender: DeviceAddress,
    pub head: [u8; 32],
    pub revision: u32,
    pub payload: Bytes,
    pub signature: Bytes,
    pub state: Bytes,
    /// `None`: as they were.
    pub details: Option<Bytes>,
    /// The members afterwards, in order. The store keeps the `since` of those who were members before.
    pub members: Vec<AccountId>,
    /// Of `members`, those that begin anew though they were members: one stay ends and the next begins with this operation (a
    /// new identity key).
    pub renewed: Vec<AccountId>,
    /// Whether the roster rises.
    pub changes_roster: bool,
    pub now: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationCommitted {
    pub message_id: MessageId,
    pub server_time: Timestamp,
    pub roster: u64,
}

/// Why an operation was not committed; nothing was stored.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OperationRefused {
    /// The group has another head by now, exists already, or does not exist.
    #[error("the group has another head")]
    HeadChanged,
    /// This account is in as many groups as it may be.
    #[error("{0} is in too many groups")]
    TooManyGroups(AccountId),
    /// This account came and went so often, and a device of it has yet to read all of that.
    #[error("{0} has too many stays in the group to catch up on")]
    TooManyStays(AccountId),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A message for a group's log.
#[derive(Debug, Clone)]
pub struct GroupCommit {
    pub send: SendId,
    pub group: GroupId,
    /// What the sender encrypted for: committed only if it is the group's.
    pub roster: u64,
    pub class: EnvelopeClass,
    pub seen: MessageId,
    pub ciphertext: Bytes,
    pub now: Timestamp,
}

/// What every part of a send to a group is checked against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupFacts {
    pub roster: u64,
    /// The newest entry of the log, also if it is trimmed by now.
    pub newest: MessageId,
}

/// Moves the watermark of `member` in a group, unless it is there or beyond already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupAdvance {
    pub group: GroupId,
    pub member: AccountId,
    pub kind: WatermarkKind,
    pub up_to: MessageId,
    pub at: Timestamp,
}

/// What acks and reads of group entries do, those of many devices at once, in one atomic step.
#[derive(Debug, Clone, Default)]
pub struct GroupSettle {
    /// Cursors only rise. Those of devices that are not listed any more are left out.
    pub cursors: Vec<(DeviceAddress, GroupId, MessageId)>,
    pub advance: Vec<GroupAdvance>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupMark {
    pub member: AccountId,
    pub delivered: Option<Step>,
    pub read: Option<Step>,
}

/// Groups: operations, one log each, cursors, watermarks. Every implementation promises:
/// - `commit_operation` and `commit_message` are all or nothing, also after a crash, and durable on return; operations are
///   compare-and-set on the head, messages on the roster: of two operations that follow the same head one wins, and a message
///   is in the log after every operation that its roster counts and before every one that it does not;
/// - a repeat of the same send within 7 days is told the first answer (`Repeated`) before anything else is looked at; the
///   dedup records are the ones of `InboxStore`, whose `find_send` finds these sends too;
/// - ids come from the clock that `InboxStore` uses (same rule: `max(now, last, seen)` and one more) and rise within a log;
///   `LoggedEntry::previous` chains them;
/// - one message is one write of the ciphertext, whatever the number of members;
/// - `DirectoryStore::change_devices`, `suspend_absent`, `set_disabled` (if it changes) and `delete_account` raise the roster
///   of every group the account is a member of, in the same atomic step; a device that `change_devices` adds begins with its
///   cursors at the newest entry of each group its account has a membership of, and cursors of a removed device are gone;
/// - memberships and cursors are of accounts that are there and of their listed devices: a member without an account gets
///   none (though `Group::members` names it), `delete_account` removes them, `settle_groups` passes over others;
/// - a stay that ended is kept until every listed device of the account has read it to its end: what is read by all goes when
///   the next stay in that group begins, the rest 30 days after its end. An account that has more than `limits::UNREAD_STAYS`
///   that are not read cannot begin another (`TooManyStays`);
/// - a cursor may stand below the `since` of a stay, or between two;
/// - `settle_groups` is atomic and applied (not necessarily durable) on return; what a crash undoes is delivered again;
/// - `EntryFeed::logged` is called once for each new entry after its commit, before the call returns, in log order of the
///   group; `EntryFeed::marked` when watermarks moved, once for each settle and group, with the whole mark of each member;
/// - operations are kept as long as the group, messages for 30 days.
#[async_trait]
pub trait GroupStore: Send + Sync {
    /// May be served from a cache that is never older than the last change made on this node.
    async fn group(&self, id: GroupId) -> Result<Option<Arc<Group>>, StoreError>;

    async fn group_facts(&self, id: GroupId) -> Result<Option<GroupFacts>, StoreError>;

    /// The stays of an account, ascending by group and then by `since`; those that ended less than 30 days ago too, unless every
    /// device has read them (see above). Of a group's, only the last may go on.
    async fn memberships(&self, of: AccountId) -> Result<Vec<Membership>, StoreError>;

    async fn commit_operation(&self, commit: OperationCommit) -> Result<OperationCommitted, OperationRefused>;

    /// `ListChanged` says that the roster is another one, or that there is no such group.
    async fn commit_message(&self, commit: GroupCommit) -> Result<Committed, CommitRefused>;

    /// Operations from `from` on, ascending by revision; stops once `max_bytes` are reached (but returns at least one if
    /// there is one).
    async fn operations(&self, of: GroupId, from: u32, max_bytes: usize) -> Result<Vec<StoredOperation>, StoreError>;

    /// Entries with id above `after` and not above `up_to`, ascending; stops at `max_entries` or once `max_bytes` are reached
    /// (but returns at least one entry if there is one).
    async fn read_log(
        &self,
        of: GroupId,
        after: MessageId,
        up_to: MessageId,
        max_entries: usize,
        max_bytes: usize,
    ) -> Result<Vec<LoggedEntry>, StoreError>;

    /// In the order of `groups`; `None` where the device has none yet.
    async fn cursors(&self, of: DeviceAddress, groups: &[GroupId]) -> Result<Vec<Option<MessageId>>, StoreError>;

    async fn settle_groups(&self, settle: GroupSettle) -> Result<(), StoreError>;

    /// The watermarks of a group's members, those without any left out.
    async fn marks(&self, of: GroupId) -> Result<Vec<GroupMark>, StoreError>;

    /// Those of one of them, at the cost of one.
    async fn mark(&self, of: GroupId, member: AccountId) -> Result<Option<GroupMark>, StoreError>;

    /// For an account that a restored server had forgotten: if `Group::members` names it and no stay of it goes on, one does from
    /// the operation named there, and the roster rises, since its devices can be reached again. Nothing otherwise.
    async fn resume_stay(&self, of: AccountId, group: GroupId) -> Result<(), StoreError>;

    /// Removes log entries with an id below `before`, and stays that ended before it (with an account's last in a group also its
    /// cursors and its mark), oldest first; at most about `budget` of them. Returns about how many it removed; 0 once nothing is left.
    async fn trim_logs(&self, before: MessageId, budget: usize) -> Result<usize, StoreError>;
}
