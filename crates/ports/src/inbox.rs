use crate::{GroupMark, LoggedEntry, StoreError};
use async_trait::async_trait;
use bytes::Bytes;
use sotto_types::{AccountId, Conversation, DeviceAddress, EntryId, GroupId, MessageId, SendId, Timestamp};
use std::sync::Arc;

/// How the server treats an envelope; see `frames.proto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EnvelopeClass {
    Message,
    Control,
    Resend,
}

/// Which libsignal message a ciphertext is; the server only passes it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CiphertextType {
    Ratchet,
    PreKey,
    SenderKey,
}

/// One ciphertext for one device, before it has an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    pub to: DeviceAddress,
    pub ciphertext_type: CiphertextType,
    pub ciphertext: Bytes,
}

/// Everything of one send.
#[derive(Debug, Clone)]
pub struct SendCommit {
    pub send: SendId,
    pub class: EnvelopeClass,
    /// Highest id the sender has seen in the conversation; the assigned id is greater.
    pub seen: MessageId,
    /// Device list versions the send was checked against; they must still be current when it commits. This is what keeps
    /// entries out of the inboxes of devices that went away: name every account that `entries` go to.
    pub expect: Vec<(AccountId, u32)>,
    /// A pairwise group's message: the group and the roster it was encrypted for, which must still be the group's. Its entries
    /// carry the group. `SendKeys` too, without a roster.
    pub group: Option<(GroupId, Option<u64>)>,
    /// Each device at most once (else `Failed`). May be empty (note-to-self on an only device, a blocked sender): the send still gets an id and a dedup record.
    pub entries: Vec<NewEntry>,
    /// The send fails at once, because nobody can take it: each of these devices (if listed) gets the failure in its inbox.
    pub failed: Option<(Conversation, Vec<DeviceAddress>)>,
    pub now: Timestamp,
}

/// The answer to a send, the same for every repeat of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    pub message_id: MessageId,
    pub server_time: Timestamp,
}

/// Why a send was not committed; nothing was stored.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitRefused {
    /// This send was committed before: its answer, which is durable.
    #[error("the send was committed before")]
    Repeated(Committed),
    /// One of `expect` is not current any more, or the roster of `group`.
    #[error("a device list changed")]
    ListChanged,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An envelope at rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEnvelope {
    pub sender: DeviceAddress,
    pub class: EnvelopeClass,
    pub ciphertext_type: CiphertextType,
    pub message_id: MessageId,
    pub server_time: Timestamp,
    pub group: Option<GroupId>,
    pub ciphertext: Bytes,
}

/// Everything up to `up_to`, at this time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Step {
    pub up_to: MessageId,
    pub at: Timestamp,
}

/// Watermarks waiting for a device, at most 16 steps of each kind, ascending; the newest steps survive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredReceipt {
    pub conversation: Conversation,
    pub member: AccountId,
    pub delivered: Vec<Step>,
    pub read: Vec<Step>,
}

/// A message nobody acknowledged in time, for its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredFailure {
    pub conversation: Conversation,
    pub message_id: MessageId,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueuedItem {
    Envelope(StoredEnvelope),
    Receipt(StoredReceipt),
    Failure(StoredFailure),
}

impl QueuedItem {
    /// What counts against the byte limit of a read.
    pub fn ciphertext_len(&self) -> usize {
        match self {
            Self::Envelope(envelope) => envelope.ciphertext.len(),
            Self::Receipt(_) | Self::Failure(_) => 0,
        }
    }
}

/// One entry of one device's inbox. For an envelope, `entry_id` equals its message id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    pub entry_id: EntryId,
    pub item: QueuedItem,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WatermarkKind {
    Delivered,
    Read,
}

/// Moves the watermark of `member` for messages of `author` up to `up_to`, unless it is there or beyond already.
/// If it moved, every device in `notify` that is still listed gets a receipt entry (merged into the waiting one of that
/// conversation and member, under a new entry id; the old entry id disappears).
#[derive(Debug, Clone)]
pub struct Advance {
    pub author: AccountId,
    pub member: AccountId,
    pub kind: WatermarkKind,
    pub up_to: MessageId,
    pub at: Timestamp,
    /// Each with the conversation as that device sees it.
    pub notify: Vec<(DeviceAddress, Conversation)>,
    /// Devices of `author` are told only if it is a contact of `member` (see `PeopleStore`) when this commits.
    pub if_contact: bool,
}

/// What an ack or a read does, in one atomic step.
#[derive(Debug, Clone)]
pub struct Settle {
    pub of: DeviceAddress,
    /// Entries to remove that the caller saw in the store as envelopes: the store need not look at them again.
    pub envelopes: Vec<EntryId>,
    /// Other entries to remove; those not there are ignored. A receipt entry is removed only if this is still its entry id.
    pub remove: Vec<EntryId>,
    pub advance: Vec<Advance>,
}

/// Entries older than the retention, found by `InboxStore::expired`.
#[derive(Debug, Clone)]
pub struct Expired {
    pub of: DeviceAddress,
    pub entries: Vec<Queued>,
}

/// Told of new entries after they are committed, in entry id order for each device, on the store's own thread: it must not
/// block, do I/O or call the store. Entries not taken here are still in the inbox.
pub trait EntryFeed: Send + Sync {
    fn published(&self, to: DeviceAddress, entry: &Queued);

    /// A new entry of a group's log; in log order for each group.
    fn logged(&self, _: &Arc<LoggedEntry>) {}

    /// The watermarks of these members moved.
    fn marked(&self, _: GroupId, _: &[GroupMark]) {}
}

/// For tools and tests that only read.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFeed;

impl EntryFeed for NoFeed {
    fn published(&self, _: DeviceAddress, _: &Queued) {}
}

/// Undelivered entries: one queue per device, plus dedup records and watermarks. Every implementation promises:
/// - `commit_send` is all or nothing, also after a crash, and durable on return; a repeat of the same send within 7 days
///   is told the first answer (`Repeated`) before anything else is looked at, and stores nothing, also when both race;
/// - ids rise within a device's inbox and are unique there: `max(now, last, seen)`, at least one more than each, where
///   `seen` counts only up to 60 s ahead of the clock, and the clock never falls, also across restarts;
/// - on one node entries become visible in id order; on a cluster they may not;
/// - `settle` is atomic, applied (not necessarily durable) on return, removes exactly what it names, and is harmless
///   twice. What a crash undoes is delivered again;
/// - `EntryFeed::published` is called once for each new entry after its commit, before the call returns; an entry that was
///   replaced before anybody could read it may be left out.
#[async_trait]
pub trait InboxStore: Send + Sync {
    /// The answer of an earlier commit of this send, if its record still exists.
    async fn find_send(&self, send: &SendId) -> Result<Option<Committed>, StoreError>;

    async fn commit_send(&self, commit: SendCommit) -> Result<Committed, CommitRefused>;

    /// Entries with id above `after`, ascending; stops at `max_entries` or once `max_bytes` of ciphertext are reached
    /// (but returns at least one entry if there is one).
    async fn read(
        &self,
        of: DeviceAddress,
        after: EntryId,
        max_entries: usize,
        max_bytes: usize,
    ) -> Result<Vec<Queued>, StoreError>;

    /// The entries with these ids that still exist, in any order.
    async fn get(&self, of: DeviceAddress, entries: &[EntryId]) -> Result<Vec<Queued>, StoreError>;

    async fn settle(&self, settle: Settle) -> Result<(), StoreError>;

    /// The last watermark of `member` for messages of `author`.
    async fn watermark(
        &self,
        author: AccountId,
        member: AccountId,
        kind: WatermarkKind,
    ) -> Result<Option<Step>, StoreError>;

    /// Entries with an id below `before`, for at most `max_devices` devices (fewer if they have much) following `after` in a
    /// fixed order; empty at the end of the round. Of one device at most the 1,000 oldest (fewer if they are large): the next round finds the rest.
    async fn expired(
        &self,
        before: EntryId,
        after: Option<DeviceAddress>,
        max_devices: usize,
    ) -> Result<Vec<Expired>, StoreError>;

    /// Removes expired entries of `of` and leaves each failure (with a dead-letter record kept 30 days) in the inboxes of
    /// those of the devices named with it that are still listed. A failure counts only if its message was among `remove` and
    /// still waiting: what the device acked meanwhile, or an earlier call buried, has not failed again. Atomic; durable on
    /// return.
    async fn bury(
        &self,
        of: DeviceAddress,
        remove: Vec<EntryId>,
        failed: Vec<(Vec<DeviceAddress>, StoredFailure)>,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Forgets what is past its time: dedup records (7 days; an adapter may keep them up to 14), dead letters, held
    /// usernames, expired invites; at most about `budget` of them, unless many can be dropped at once. Returns about how many
    /// it removed; 0 once nothing is left to forget.
    async fn forget_old(&self, now: Timestamp, budget: usize) -> Result<usize, StoreError>;

    /// The highest id that was ever assigned and committed here, at least; zero before the first.
    async fn newest_id(&self) -> Result<MessageId, StoreError>;

    /// How many entries wait for the device, counting at most `limit`.
    async fn depth(&self, of: DeviceAddress, limit: usize) -> Result<usize, StoreError>;
}

/// At most so many entries of one device in one answer of `InboxStore::expired`.
pub const EXPIRED_ENTRIES_MAX: usize = 1000;

/// Refuses a send that names a device twice: both entries would have the same id. The domain never makes one.
pub fn check_targets(entries: &[NewEntry]) -> Result<(), StoreError> {
    for (i, entry) in entries.iter().enumerate() {
        if entries.iter().take(i).any(|earlier| earlier.to == entry.to) {
            return Err(StoreError::Failed(format!("a send names device {} twice", entry.to)));
        }
    }
    Ok(())
}
