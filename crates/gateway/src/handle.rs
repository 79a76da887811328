//! What the rest of the process holds of a connection: a mailbox and two deadlines. Nothing in it is allocated while the
//! connection is idle.
//! Flow: `publish`, `notify`, `close`, `drain`, `expire` (any thread; never block) -> wake -> `receive` by the connection.
//! Always true:
//! - the mailbox is bounded: entries by the window, notices by `NOTICES_MAX`, typing by `TYPING_MAX`; what does not fit is read
//!   from the store later (entries) or lost (notices and typing, which are best effort). Presence waits in its watcher;
//! - one wake for all that arrives until the connection looks.

use crate::dispatch::Dispatched;
use crate::parse::TypingState;
use bytes::Bytes;
use parking_lot::Mutex;
use sotto_domain::Subscriber;
use sotto_ports::Queued;
use sotto_types::{AccountId, Conversation, DeviceAddress, ErrorCode};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Waker;

const NOTICES_MAX: usize = 32;
/// Frames with watermarks, and their bytes (but for the last one); more are lost, and asked for when somebody looks.
const MARKS_MAX: usize = 32;
const MARKS_BYTES_MAX: usize = 32 * 1024;
/// Who types, in which conversation; more are lost.
const TYPING_MAX: usize = 32;

/// An entry on its way from the store, and when it was committed (microseconds since the gateway began).
#[derive(Debug)]
pub(crate) struct Fed {
    pub(crate) entry: Queued,
    pub(crate) committed_us: u64,
}

/// `AccountChanged`, as the domain said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) account: AccountId,
    pub(crate) list_version: u32,
    pub(crate) prekeys_low: bool,
}

/// `author` types in `conversation`, as the receiver names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Typing {
    pub(crate) conversation: Conversation,
    pub(crate) author: AccountId,
    pub(crate) state: TypingState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Feed {
    /// Not signed in yet: the backlog will be read anyway.
    #[default]
    Off,
    On,
    /// Something was not taken: the store must be read after the cursor.
    Behind,
}

/// Which time is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// For a Hello, a frame or a close, whichever was awaited.
    Deadline,
    /// For taking a byte.
    Stalled,
}

#[derive(Debug, Default)]
struct Mailbox {
    waker: Option<Waker>,
    feed: VecDeque<Fed>,
    notices: Vec<Notice>,
    mode: Feed,
    group_feed: VecDeque<Arc<Dispatched>>,
    group_mode: Feed,
    marks: Vec<Bytes>,
    typing: Vec<Typing>,
    /// The watcher has something to take.
    presence: bool,
    /// The socket takes nothing at the moment, so neither do we.
    blocked: bool,
    close: Option<ErrorCode>,
    drain_ms: Option<u32>,
    expired: Option<Expiry>,
}

/// Everything that arrived since the last look.
#[derive(Debug, Default)]
pub(crate) struct Mail {
    pub(crate) feed: VecDeque<Fed>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) behind: bool,
    pub(crate) group_feed: VecDeque<Arc<Dispatched>>,
    pub(crate) groups_behind: bool,
    /// Whole frames.
    pub(crate) marks: Vec<Bytes>,
    pub(crate) typing: Vec<Typing>,
    pub(crate) presence: bool,
    pub(crate) close: Option<ErrorCode>,
    pub(crate) drain_ms: Option<u32>,
    pub(crate) expired: Option<Expiry>,
}

#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) id: u64,
    feed_max: usize,
    mailbox: Mutex<Mailbox>,
    /// Set once, when the device is known.
    address: OnceLock<DeviceAddress>,
    /// Tick at which `expire` is due; 0 for never.
    deadline: AtomicU32,
    /// Tick since which the socket has taken nothing; 0 while it does.
    blocked_since: AtomicU32,
    /// As the client said last.
    foreground: AtomicBool,
}

impl Handle {
    pub(crate) fn new(id: u64, feed_max: usize, deadline: u32) -> Self {
        Self {
            id,
            feed_max,
            mailbox: Mutex::default(),
            address: OnceLock::new(),
            deadline: AtomicU32::new(deadline),
            blocked_since: AtomicU32::new(0),
            foreground: AtomicBool::new(false),
        }
    }

    pub(crate) fn address(&self) -> Option<DeviceAddress> {
        self.address.get().copied()
    }

    pub(crate) fn set_address(&self, address: DeviceAddress) {
        let set = self.address.set(address);
        debug_assert!(set.is_ok(), "a connection signs in once");
    }

    /// From the store's thread, after the commit.
    pub(crate) fn publish(&self, entry: &Queued, committed_us: u64) {
        self.mail(|mailbox| {
            if mailbox.mode != Feed::On {
                return false;
            }
            if mailbox.blocked || mailbox.feed.len() >= self.feed_max {
                mailbox.mode = Feed::Behind;
                return !mailbox.blocked;
            }
            mailbox.feed.push_back(Fed { entry: entry.clone(), committed_us });
            true
        });
    }

    /// From dispatch: entries of one group, in the order of its log.
    pub(crate) fn publish_group(&self, entries: &[Arc<Dispatched>]) {
        self.mail(|mailbox| {
            if mailbox.group_mode != Feed::On {
                return false;
            }
            // As many as there is room for; the log has the rest.
            let room = if mailbox.blocked { 0 } else { self.feed_max.saturating_sub(mailbox.group_feed.len()) };
            mailbox.group_feed.extend(entries.iter().take(room).map(Arc::clone));
            if entries.len() > room {
                mailbox.group_mode = Feed::Behind;
            }
            !mailbox.blocked
        });
    }

    /// Something is in a log that was not dispatched to this connection.
    pub(crate) fn look_at_groups(&self) {
        self.mail(|mailbox| {
            if mailbox.group_mode == Feed::On {
                mailbox.group_mode = Feed::Behind;
            }
            mailbox.group_mode == Feed::Behind && !mailbox.blocked
        });
    }

    pub(crate) fn publish_marks(&self, frame: &Bytes) {
        self.mail(|mailbox| {
            let bytes: usize = mailbox.marks.iter().map(Bytes::len).sum();
            let room = mailbox.marks.len() < MARKS_MAX
                && bytes < MARKS_BYTES_MAX
                && mailbox.group_mode != Feed::Off
                && !mailbox.blocked;
            if room {
                mailbox.marks.push(frame.clone());
            }
            room
        });
    }

    /// The newest of each author and conversation. Nobody looks at what is in the background.
    pub(crate) fn publish_typing(&self, typing: Typing) {
        if !self.is_foreground() {
            return;
        }
        self.mail(|mailbox| {
            let same = |known: &&mut Typing| (known.conversation, known.author) == (typing.conversation, typing.author);
            if mailbox.blocked {
                return false;
            }
            if let Some(known) = mailbox.typing.iter_mut().find(same) {
                known.state = typing.state;
            } else if mailbox.typing.len() < TYPING_MAX {
                mailbox.typing.push(typing);
            }
            true
        });
    }

    /// Returns what it was.
    pub(crate) fn set_foreground(&self, foreground: bool) -> bool {
        // One connection writes it; a load is cheaper than a swap, and heartbeats mostly change nothing.
        let was = self.is_foreground();
        if was != foreground {
            self.foreground.store(foreground, Ordering::Relaxed);
        }
        was
    }

    pub(crate) fn is_foreground(&self) -> bool {
        self.foreground.load(Ordering::Relaxed)
    }

    pub(crate) fn notify(&self, notice: Notice) {
        self.mail(|mailbox| {
            let room = mailbox.notices.len() < NOTICES_MAX && mailbox.mode != Feed::Off;
            if room && !mailbox.notices.contains(&notice) {
                mailbox.notices.push(notice);
            }
            room
        });
    }

    pub(crate) fn close(&self, why: ErrorCode) {
        self.mail(|mailbox| {
            mailbox.close.get_or_insert(why);
            true
        });
    }

    pub(crate) fn drain(&self, reconnect_after_ms: u32) {
        self.mail(|mailbox| {
            mailbox.drain_ms.get_or_insert(reconnect_after_ms);
            true
        });
    }

    /// Called by the sweeper.
    pub(crate) fn expire_if_due(&self, tick: u32, write_timeout_ticks: u32) {
        let deadline = self.deadline.load(Ordering::Relaxed);
        let blocked_since = self.blocked_since.load(Ordering::Relaxed);
        let late = deadline != 0 && tick >= deadline;
        let stalled = blocked_since != 0 && tick.saturating_sub(blocked_since) >= write_timeout_ticks;
        if late || stalled {
            self.mail(|mailbox| {
                mailbox.expired = Some(if stalled { Expiry::Stalled } else { Expiry::Deadline });
                true
            });
        }
    }

    fn mail(&self, put: impl FnOnce(&mut Mailbox) -> bool) {
        let waker = {
            let mut mailbox = self.mailbox.lock();
            if put(&mut mailbox) { mailbox.waker.take() } else { None }
        };
        // Outside the lock: the woken connection takes it first thing.
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Takes everything, and asks to be woken for more.
    pub(crate) fn receive(&self, waker: &Waker) -> Mail {
        let mut mailbox = self.mailbox.lock();
        if !mailbox.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            mailbox.waker = Some(waker.clone());
        }
        Mail {
            feed: std::mem::take(&mut mailbox.feed),
            notices: std::mem::take(&mut mailbox.notices),
            behind: mailbox.mode == Feed::Behind,
            group_feed: std::mem::take(&mut mailbox.group_feed),
            groups_behind: mailbox.group_mode == Feed::Behind,
            marks: std::mem::take(&mut mailbox.marks),
            typing: std::mem::take(&mut mailbox.typing),
            presence: std::mem::take(&mut mailbox.presence),
            close: mailbox.close.take(),
            drain_ms: mailbox.drain_ms.take(),
            expired: mailbox.expired.take(),
        }
    }

    /// Whether entries came for the inbox since the last look.
    pub(crate) fn has_entries(&self) -> bool {
        let mailbox = self.mailbox.lock();
        !mailbox.feed.is_empty() || mailbox.mode == Feed::Behind
    }

    /// Before the store is read: what is committed from here on is either in that read or in the feed.
    pub(crate) fn resume_feed(&self) {
        let mut mailbox = self.mailbox.lock();
        mailbox.mode = Feed::On;
        mailbox.feed = VecDeque::new();
    }

    /// Before the logs are read.
    pub(crate) fn resume_groups(&self) {
        let mut mailbox = self.mailbox.lock();
        mailbox.group_mode = Feed::On;
        mailbox.group_feed = VecDeque::new();
    }

    pub(crate) fn stop_feed(&self) {
        let mut mailbox = self.mailbox.lock();
        mailbox.group_mode = Feed::Off;
        mailbox.group_feed = VecDeque::new();
        mailbox.marks = Vec::new();
        mailbox.typing = Vec::new();
        mailbox.mode = Feed::Off;
        mailbox.feed = VecDeque::new();
        mailbox.notices = Vec::new();
    }

    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        let mailbox = self.mailbox.lock();
        mailbox.feed.len() + mailbox.group_feed.len()
    }

    pub(crate) fn set_deadline(&self, tick: u32) {
        self.deadline.store(tick, Ordering::Relaxed);
    }

    /// `since`: the tick, or 0 when the socket takes bytes again.
    pub(crate) fn set_blocked(&self, since: u32) {
        let was = self.blocked_since.swap(since, Ordering::Relaxed);
        if (was == 0) != (since == 0) {
            self.mailbox.lock().blocked = since != 0;
        }
    }
}

impl Subscriber for Handle {
    fn look(&self) {
        self.mail(|mailbox| {
            mailbox.presence = true;
            !mailbox.blocked
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sotto_ports::{EnvelopeClass, GroupItem, LoggedEntry, QueuedItem, StoredFailure};
    use sotto_types::{Conversation, DeviceId, EntryId, GroupId, MessageId, Timestamp};
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn entry(id: u64) -> Queued {
        let conversation = Conversation::Peer(AccountId::from_bytes([1; 16]));
        let item = QueuedItem::Failure(StoredFailure { conversation, message_id: MessageId::new(id) });
        Queued { entry_id: EntryId::new(id), item }
    }

    #[test]
    fn one_wake_for_a_batch_and_bounded() {
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(wakes.clone());
        let handle = Handle::new(1, 3, 0);
        handle.publish(&entry(1), 0);
        assert!(handle.receive(&waker).feed.is_empty(), "not signed in: nothing is kept");
        handle.resume_feed();
        for id in 2..10 {
            handle.publish(&entry(id), 0);
        }
        assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
        let mail = handle.receive(&waker);
        assert_eq!(mail.feed.len(), 3);
        assert!(mail.behind);
        handle.publish(&entry(10), 0);
        assert!(handle.receive(&waker).feed.is_empty(), "a gap is never followed by an entry");
        handle.resume_feed();
        handle.publish(&entry(11), 0);
        let mail = handle.receive(&waker);
        assert!(!mail.behind);
        assert_eq!(mail.feed.len(), 1);
    }

    #[test]
    fn a_blocked_socket_holds_no_entries() {
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(wakes.clone());
        let handle = Handle::new(1, 3, 0);
        handle.resume_feed();
        handle.receive(&waker);
        handle.set_blocked(5);
        handle.publish(&entry(1), 0);
        assert_eq!(wakes.0.load(Ordering::SeqCst), 0, "it will look when the socket takes bytes again");
        handle.set_blocked(0);
        let mail = handle.receive(&waker);
        assert!(mail.feed.is_empty() && mail.behind);
    }

    fn logged(ids: std::ops::RangeInclusive<u64>) -> Vec<Arc<Dispatched>> {
        let entry = |id| LoggedEntry {
            group: GroupId::from_bytes([1; 32]),
            id: MessageId::new(id),
            previous: MessageId::new(id - 1),
            server_time: Timestamp::ZERO,
            sender: DeviceAddress::new(AccountId::from_bytes([1; 16]), DeviceId::FIRST),
            item: GroupItem::Message { class: EnvelopeClass::Message, ciphertext: Default::default() },
        };
        ids.map(|id| Arc::new(Dispatched::new(Arc::new(entry(id)), 0))).collect()
    }

    #[test]
    fn entries_of_a_turn_come_together_as_far_as_there_is_room() {
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(wakes.clone());
        let handle = Handle::new(1, 3, 0);
        let ids = |mail: &Mail| mail.group_feed.iter().map(|entry| entry.entry.id.get()).collect::<Vec<_>>();
        handle.publish_group(&logged(1..=1));
        assert_eq!(ids(&handle.receive(&waker)), [0; 0], "not signed in: nothing is kept");
        // (what is handed out, one after another, what is taken, the rest is left to the log)
        for (handed, taken, behind) in [
            (vec![1..=3], vec![1, 2, 3], false),
            (vec![1..=1, 2..=3], vec![1, 2, 3], false),
            (vec![1..=4], vec![1, 2, 3], true),
            (vec![1..=2, 3..=4, 5..=5], vec![1, 2, 3], true),
        ] {
            handle.resume_groups();
            handle.receive(&waker);
            let before = wakes.0.load(Ordering::SeqCst);
            handed.into_iter().for_each(|ids| handle.publish_group(&logged(ids)));
            assert_eq!(wakes.0.load(Ordering::SeqCst), before + 1, "one wake for {taken:?}");
            let mail = handle.receive(&waker);
            assert_eq!((ids(&mail), mail.groups_behind), (taken, behind));
        }
        handle.publish_group(&logged(6..=6));
        assert_eq!(ids(&handle.receive(&waker)), [0; 0], "a gap is never followed by an entry");
        handle.resume_groups();
        handle.receive(&waker);
        handle.set_blocked(5);
        let before = wakes.0.load(Ordering::SeqCst);
        handle.publish_group(&logged(7..=8));
        assert_eq!(wakes.0.load(Ordering::SeqCst), before, "it will look when the socket takes bytes again");
        let mail = handle.receive(&waker);
        assert_eq!((ids(&mail), mail.groups_behind), (vec![], true));
    }

    #[test]
    fn deadlines_and_stalls_expire() {
        // (deadline, blocked since, tick, expired)
        for (deadline, blocked, tick, want) in
            [(0, 0, 1000, false), (10, 0, 9, false), (10, 0, 10, true), (0, 5, 34, false), (0, 5, 35, true)]
        {
            let handle = Handle::new(1, 3, deadline);
            handle.set_blocked(blocked);
            handle.expire_if_due(tick, 30);
            assert_eq!(handle.receive(Waker::noop()).expired.is_some(), want, "{deadline} {blocked} {tick}");
        }
    }

    #[test]
    fn the_first_reason_to_close_stays() {
        let handle = Handle::new(1, 3, 0);
        handle.set_address(DeviceAddress::new(AccountId::from_bytes([1; 16]), DeviceId::FIRST));
        handle.close(ErrorCode::DeviceUnlinked);
        handle.close(ErrorCode::Replaced);
        assert_eq!(handle.receive(Waker::noop()).close, Some(ErrorCode::DeviceUnlinked));
    }
}
