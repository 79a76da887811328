//! From a group's log to the connections of its members.
//! Flow: the store's thread -> `DispatchQueue` (never blocks) -> `dispatch`, one task -> mailboxes, one shared entry each.
//! Always true:
//! - entries of a group are handed out in the order of its log;
//! - groups take turns, a few entries each, so a busy group does not delay a quiet one by more than one turn;
//! - the queue is bounded: of a group for which it has no room, or which could not be read, every member is told to look into
//!   the log instead;
//! - watermarks go to those who wrote lately and may see them, at most one frame per group every 500 ms; they are transient.

use crate::encode;
use crate::gateway::Gateway;
use bytes::Bytes;
use parking_lot::Mutex;
use sotto_ports::{GroupMark, LoggedEntry, StoreError};
use sotto_types::{AccountId, GroupId};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Entries that wait, of all groups together.
const WAITING_MAX: usize = 65_536;
/// And about what they hold together.
const WAITING_BYTES_MAX: usize = 64 << 20;
/// Entries of one group in one turn.
const TURN: usize = 16;
/// Members after which the thread goes to those that were woken: they write while the rest is handed out, and what was touched
/// for them is still in the processor's cache. Fewer than a thread's queue holds, which would spill.
const YIELD_AFTER: usize = 128;
/// At most one frame with watermarks per group in this time.
const MARKS_EVERY: Duration = Duration::from_millis(500);
/// The authors of so many last entries are told of watermarks.
const AUTHORS: usize = 64;
/// Groups whose authors are remembered; when there are more, all are forgotten.
const AUTHORS_OF: usize = 10_000;
/// How long a read position is news to the reader's other devices: they are not told of each message that it receives.
const READ_IS_NEWS: Duration = Duration::from_secs(5);
/// When a group that could not be read is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// An entry on its way to many: encoded once.
#[derive(Debug)]
pub(crate) struct Dispatched {
    pub(crate) entry: Arc<LoggedEntry>,
    frame: Bytes,
    /// For the device that sent it, which has the content.
    own_frame: Bytes,
    pub(crate) committed_us: u64,
}

impl Dispatched {
    pub(crate) fn new(entry: Arc<LoggedEntry>, committed_us: u64) -> Self {
        let frame = encode::group_entry(&entry, false);
        let own_frame = encode::group_entry(&entry, true);
        Self { entry, frame, own_frame, committed_us }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.frame.len()
    }

    pub(crate) fn frame_for(&self, device: sotto_types::DeviceAddress) -> &Bytes {
        if device == self.entry.sender { &self.own_frame } else { &self.frame }
    }
}

#[derive(Debug, Default)]
struct Waiting {
    entries: VecDeque<(Arc<LoggedEntry>, u64)>,
    /// Some were not taken.
    overflowed: bool,
}

impl Waiting {
    fn bytes(&self) -> usize {
        self.entries.iter().map(|(entry, _)| entry.item.body_len()).sum()
    }
}

#[derive(Debug, Default)]
struct State {
    groups: HashMap<GroupId, Waiting>,
    /// Groups in `groups`, in the order of their turns.
    turns: VecDeque<GroupId>,
    waiting: usize,
    waiting_bytes: usize,
    marks: HashMap<GroupId, HashMap<AccountId, GroupMark>>,
    /// Who wrote in pairwise groups, whose messages do not come by here.
    wrote: Vec<(GroupId, AccountId)>,
}

#[derive(Debug, Default)]
pub(crate) struct DispatchQueue {
    state: Mutex<State>,
    filled: Notify,
}

impl DispatchQueue {
    pub(crate) fn push(&self, entry: &Arc<LoggedEntry>, committed_us: u64) {
        {
            let mut state = self.state.lock();
            let State { groups, turns, waiting, waiting_bytes, .. } = &mut *state;
            let group = groups.entry(entry.group).or_insert_with(|| {
                turns.push_back(entry.group);
                Waiting::default()
            });
            if *waiting >= WAITING_MAX || *waiting_bytes >= WAITING_BYTES_MAX || group.overflowed {
                *waiting -= group.entries.len();
                *waiting_bytes -= group.bytes();
                *group = Waiting { entries: VecDeque::new(), overflowed: true };
            } else {
                group.entries.push_back((Arc::clone(entry), committed_us));
                *waiting += 1;
                *waiting_bytes += entry.item.body_len();
            }
        }
        self.filled.notify_one();
    }

    /// The group's members are to look into its log.
    fn push_overflow(&self, group: GroupId) {
        let mut state = self.state.lock();
        let State { groups, turns, waiting, waiting_bytes, .. } = &mut *state;
        let there = groups.entry(group).or_insert_with(|| {
            turns.push_back(group);
            Waiting::default()
        });
        *waiting -= there.entries.len();
        *waiting_bytes -= there.bytes();
        *there = Waiting { entries: VecDeque::new(), overflowed: true };
    }

    pub(crate) fn push_marks(&self, group: GroupId, marks: &[GroupMark]) {
        let mut state = self.state.lock();
        let of_group = state.marks.entry(group).or_default();
        of_group.extend(marks.iter().map(|mark| (mark.member, *mark)));
        drop(state);
        self.filled.notify_one();
    }

    /// A message of a pairwise group went to a device: its author wants to know how far it got.
    pub(crate) fn note_author(&self, group: GroupId, author: AccountId) {
        let mut state = self.state.lock();
        // One message is noted for each device; its entries come one after another.
        if state.wrote.last() != Some(&(group, author)) && state.wrote.len() < AUTHORS_OF {
            state.wrote.push((group, author));
        }
    }

    /// The next group's turn.
    fn next(&self) -> Option<(GroupId, Waiting)> {
        let mut state = self.state.lock();
        let id = state.turns.pop_front()?;
        let mut waiting = state.groups.remove(&id)?;
        let rest = waiting.entries.split_off(waiting.entries.len().min(TURN));
        state.waiting -= waiting.entries.len();
        state.waiting_bytes -= waiting.bytes();
        if !rest.is_empty() {
            state.groups.insert(id, Waiting { entries: rest, overflowed: false });
            state.turns.push_back(id);
        }
        Some((id, waiting))
    }

    fn has_marks(&self) -> bool {
        !self.state.lock().marks.is_empty()
    }

    /// The watermarks of groups for which it is time.
    fn take_marks(&self, is_time: impl Fn(&GroupId) -> bool) -> Vec<(GroupId, Vec<GroupMark>)> {
        let due = self.state.lock().marks.extract_if(|group, _| is_time(group)).collect::<Vec<_>>();
        due.into_iter().map(|(group, marks)| (group, marks.into_values().collect())).collect()
    }
}

/// What the task remembers between turns.
#[derive(Default)]
struct Memory {
    authors: HashMap<GroupId, VecDeque<AccountId>>,
    told: HashMap<GroupId, Instant>,
    /// Members that entries were handed to since the thread was given away.
    handed: usize,
    /// Groups that could not be read.
    unread: HashSet<GroupId>,
    marks_at: Option<Instant>,
}

impl Memory {
    fn note_author(&mut self, group: GroupId, author: AccountId) {
        if self.authors.len() >= AUTHORS_OF {
            self.authors.clear();
        }
        let authors = self.authors.entry(group).or_default();
        authors.retain(|known| *known != author);
        authors.push_front(author);
        authors.truncate(AUTHORS);
    }
}

impl Gateway {
    /// Hands out what is logged, until `stop`.
    pub async fn dispatch(self: Arc<Self>, stop: CancellationToken) {
        let mut memory = Memory::default();
        loop {
            while let Some((group, waiting)) = self.router.dispatch.next() {
                self.hand_out(group, waiting, &mut memory).await;
                if stop.is_cancelled() {
                    return;
                }
                // However long the entries go on.
                if memory.marks_at.is_none_or(|at| at.elapsed() >= MARKS_EVERY) {
                    self.hand_out_marks(&mut memory).await;
                }
            }
            self.hand_out_marks(&mut memory).await;
            let wait = match (self.router.dispatch.has_marks(), memory.unread.is_empty()) {
                (true, _) => Some(MARKS_EVERY / 5),
                (false, false) => Some(AGAIN),
                (false, true) => None,
            };
            let again = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.router.dispatch.filled.notified() => {}
                () = again => memory.unread.drain().for_each(|group| self.router.dispatch.push_overflow(group)),
            }
        }
    }

    async fn hand_out(&self, id: GroupId, waiting: Waiting, memory: &mut Memory) {
        let group = match self.domain.group_members(id).await {
            Ok(Some(group)) => group,
            Ok(None) => return,
            Err(refusal) => {
                tracing::error!(group = ?id, %refusal, "a group could not be read for dispatch");
                memory.unread.insert(id);
                return;
            }
        };
        if waiting.overflowed {
            for (account, _) in &group.members {
                self.router.each_of(*account, |_, handle| handle.look_at_groups());
            }
            return;
        }
        let mut entries = Vec::with_capacity(waiting.entries.len());
        for (entry, committed_us) in waiting.entries {
            memory.note_author(id, entry.sender.account);
            entries.push(Arc::new(Dispatched::new(entry, committed_us)));
        }
        // Each member gets all entries of the turn at once: one look at the router, one wake, one write.
        for (account, since) in &group.members {
            let first = entries.partition_point(|dispatched| dispatched.entry.id < *since);
            let Some(theirs @ [_, ..]) = entries.get(first..) else { continue };
            self.router.each_of(*account, |_, handle| handle.publish_group(theirs));
            memory.handed += 1;
            if memory.handed >= YIELD_AFTER {
                memory.handed = 0;
                tokio::task::yield_now().await;
            }
        }
    }

    async fn hand_out_marks(&self, memory: &mut Memory) {
        let now = Instant::now();
        memory.marks_at = Some(now);
        for (group, author) in std::mem::take(&mut self.router.dispatch.state.lock().wrote) {
            memory.note_author(group, author);
        }
        let news = self.clock.now().minus(READ_IS_NEWS);
        memory.told.retain(|_, told| *told + MARKS_EVERY > now);
        for (group, marks) in self.router.dispatch.take_marks(|group| !memory.told.contains_key(group)) {
            memory.told.insert(group, now);
            let authors = memory.authors.get(&group).into_iter().flatten();
            if let Err(error) = self.show_marks(group, &marks, authors).await {
                // Who wants to know asks for them.
                tracing::warn!(%error, "watermarks of a group were not shown");
            }
            // The reader's other devices show the same position.
            for mark in marks.iter().filter(|mark| mark.read.is_some_and(|read| read.at >= news)) {
                let is_told = memory.authors.get(&group).is_some_and(|authors| authors.contains(&mark.member));
                if !is_told {
                    let frame = encode::group_marks(group, std::slice::from_ref(mark));
                    self.router.each_of(mark.member, |_, handle| handle.publish_marks(&frame));
                }
            }
        }
    }
}

impl Gateway {
    /// To each author what it may see: mostly one frame for all.
    async fn show_marks(
        &self,
        group: GroupId,
        marks: &[GroupMark],
        authors: impl Iterator<Item = &AccountId>,
    ) -> Result<(), StoreError> {
        let to_show = self.domain.marks_to_show(marks).await?;
        let mut shared = None;
        for author in authors {
            let frame = match self.domain.marks_for(*author, &to_show).await? {
                None => shared.get_or_insert_with(|| encode::group_marks(group, marks)).clone(),
                Some(theirs) if theirs.is_empty() => continue,
                Some(theirs) => encode::group_marks(group, &theirs),
            };
            self.router.each_of(*author, |_, handle| handle.publish_marks(&frame));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sotto_ports::{EnvelopeClass, GroupItem};
    use sotto_types::{DeviceAddress, DeviceId, MessageId, Timestamp};

    fn entry(group: u8, id: u64) -> Arc<LoggedEntry> {
        Arc::new(LoggedEntry {
            group: GroupId::from_bytes([group; 32]),
            id: MessageId::new(id),
            previous: MessageId::new(id - 1),
            server_time: Timestamp::ZERO,
            sender: DeviceAddress::new(AccountId::from_bytes([1; 16]), DeviceId::FIRST),
            item: GroupItem::Message { class: EnvelopeClass::Message, ciphertext: Bytes::from_static(b"x") },
        })
    }

    #[test]
    fn an_author_of_a_pairwise_message_is_noted_once_for_all_its_entries() {
        let queue = DispatchQueue::default();
        let (group, [ann, bob]) = (GroupId::from_bytes([1; 32]), [1, 2].map(|n| AccountId::from_bytes([n; 16])));
        for author in [ann, ann, ann, bob, bob, ann] {
            queue.note_author(group, author);
        }
        let wrote = std::mem::take(&mut queue.state.lock().wrote);
        assert_eq!(wrote, [(group, ann), (group, bob), (group, ann)]);
        let mut memory = Memory::default();
        wrote.into_iter().for_each(|(group, author)| memory.note_author(group, author));
        assert_eq!(memory.authors[&group], [ann, bob]);
    }

    #[test]
    fn groups_take_turns_and_keep_their_order() {
        let queue = DispatchQueue::default();
        for id in 1..=40 {
            queue.push(&entry(1, id), 0);
        }
        queue.push(&entry(2, 100), 0);
        let mut turns = Vec::new();
        while let Some((group, waiting)) = queue.next() {
            let ids: Vec<u64> = waiting.entries.iter().map(|(entry, _)| entry.id.get()).collect();
            turns.push((group.as_bytes()[0], ids));
        }
        let shown: Vec<(u8, usize)> = turns.iter().map(|(group, ids)| (*group, ids.len())).collect();
        assert_eq!(shown, [(1, 16), (2, 1), (1, 16), (1, 8)]);
        let of_first: Vec<u64> =
            turns.iter().filter(|(group, _)| *group == 1).flat_map(|(_, ids)| ids.clone()).collect();
        assert_eq!(of_first, (1..=40).collect::<Vec<_>>());
    }

    #[test]
    fn a_full_queue_sends_members_to_the_log() {
        let queue = DispatchQueue::default();
        let total = u64::try_from(WAITING_MAX).unwrap();
        for id in 1..=total {
            queue.push(&entry(1, id), 0);
        }
        queue.push(&entry(2, 7), 0);
        queue.push(&entry(1, total + 1), 0);
        queue.push(&entry(3, 8), 0);
        let mut seen = Vec::new();
        while let Some((group, waiting)) = queue.next() {
            seen.push((group.as_bytes()[0], waiting.entries.len(), waiting.overflowed));
        }
        assert_eq!(seen, [(1, 0, true), (2, 0, true), (3, 1, false)]);
        assert_eq!(queue.state.lock().waiting, 0);
    }
    #[test]
    fn the_queue_counts_bytes() {
        let queue = DispatchQueue::default();
        let item = GroupItem::Message { class: EnvelopeClass::Message, ciphertext: vec![0; 1 << 20].into() };
        let large = |group, id| Arc::new(LoggedEntry { item: item.clone(), ..LoggedEntry::clone(&entry(group, id)) });
        for id in 1..=64 {
            queue.push(&large(1, id), 0);
        }
        queue.push(&entry(2, 100), 0);
        queue.push_overflow(GroupId::from_bytes([1; 32]));
        queue.push(&large(3, 101), 0);
        let mut seen = Vec::new();
        while let Some((group, waiting)) = queue.next() {
            seen.push((group.as_bytes()[0], waiting.entries.len(), waiting.overflowed));
        }
        assert_eq!(seen, [(1, 0, true), (2, 0, true), (3, 1, false)]);
        let state = queue.state.lock();
        assert_eq!((state.waiting, state.waiting_bytes), (0, 0));
    }
}
