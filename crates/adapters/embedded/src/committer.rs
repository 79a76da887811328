//! The one thread that writes, and the queue in front of it.
//! Flow: `Queue::submit` -> the committer drains what is there (group commit) -> each operation runs in order against `Txn`
//!       -> one fjall batch -> caches are told -> the feed is called in id order -> callers are answered.
//! Always true:
//! - operations run in the order of the queue, so compare-and-set, dedup and taking a key once need no lock; only acks and
//!   watermarks are held for a moment, and only sends may pass them;
//! - nobody is answered before the batch is as durable as one of its operations asked for;
//! - after a write error nothing is answered and the process ends: what fjall has in memory may no longer be what is on disk.
//!
//! Elsewhere: the batch itself is in `txn`, what operations do in `ops`, the clock on a hanging commit in `watch`.

use crate::cache::{AccountCache, GroupCache, TieCache};
use crate::memtables::Memtables;
use crate::metrics::Metrics;
use crate::txn::{Batch, News, Txn};
use crate::watch::{Fatal, Progress};
use fjall::{Database, OwnedWriteBatch, PersistMode};
use parking_lot::{Condvar, Mutex};
use sotto_ports::{Account, EntryFeed, Privacy, Routing, StoreError};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A batch ends at so many operations, or once they weigh so much.
const BATCH_OPS: usize = 512;
const BATCH_BYTES: usize = 1 << 20;
/// All that is held is let go at once when one operation weighs this much (64 entries, or 56 messages of one author: somebody
/// is draining a long queue, and the window waits for the ack), or all together weigh as much as a batch.
const HELD_ONE_BYTES: usize = 2 << 10;
const HELD_BYTES: usize = BATCH_BYTES;
/// About what a write takes in a memtable beyond its bytes.
const WRITE_OVERHEAD: usize = 64;
/// Applied writes reach stable storage at the latest after this, even if nothing durable follows.
const SYNC_AFTER: Duration = Duration::from_secs(1);

/// Runs in the committer; what it returns answers the caller after the commit.
pub type Run = Box<dyn FnOnce(&mut Txn) -> Answer + Send>;
pub type Answer = Box<dyn FnOnce() + Send>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// In its turn, also behind what is held.
    InTurn,
    /// In its turn, past what is held: sends.
    Passing,
    /// In its turn, first in a batch, because it scans.
    OnEmptyBatch,
    /// After a moment, together with others: acks and watermarks. Many receipts to one author become one, and the acks that
    /// a connection gathers meanwhile become one operation.
    Held,
}

pub struct Operation {
    pub run: Run,
    pub bytes: usize,
    pub when: When,
}

/// Bounded in operations and bytes; when full, callers get `Overloaded` and nothing was done.
pub struct Queue {
    state: Mutex<QueueState>,
    filled: Condvar,
    max_ops: usize,
    max_bytes: usize,
    hold: Duration,
}

#[derive(Default)]
struct QueueState {
    operations: VecDeque<Operation>,
    /// How many of `operations` are not sends: nothing may be held while one waits, or it would come after it.
    in_turn: usize,
    held: Vec<Operation>,
    held_bytes: usize,
    held_since: Option<Instant>,
    bytes: usize,
    committer_waits: bool,
    closed: bool,
}

impl Queue {
    pub fn new(max_ops: usize, max_bytes: usize, hold: Duration) -> Self {
        Self { state: Mutex::default(), filled: Condvar::new(), max_ops, max_bytes, hold }
    }

    pub fn submit(&self, operation: Operation) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(StoreError::Failed("the store is closed".into()));
        }
        if state.operations.len() + state.held.len() >= self.max_ops || state.bytes > self.max_bytes {
            return Err(StoreError::Overloaded);
        }
        state.bytes += operation.bytes;
        let wake = match operation.when {
            When::Held if state.in_turn == 0 && !self.hold.is_zero() => state.hold(operation),
            When::Passing => state.push(operation),
            When::InTurn | When::OnEmptyBatch | When::Held => {
                state.release();
                state.push(operation)
            }
        };
        if wake && state.committer_waits {
            self.filled.notify_one();
        }
        Ok(())
    }

    pub fn holds_any(&self) -> bool {
        self.state.lock().held_since.is_some()
    }

    /// Lets the committer finish what is queued, then end.
    pub fn close(&self) {
        self.state.lock().closed = true;
        self.filled.notify_one();
    }

    pub fn depth(&self) -> usize {
        let state = self.state.lock();
        state.operations.len() + state.held.len()
    }

    /// Moves the next batch into `out`, waiting for one at most `patience`. False once closed and empty.
    fn drain(&self, out: &mut Vec<Operation>, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let mut state = self.state.lock();
        loop {
            let held_until = state.held_since.map(|since| since + self.hold);
            let now = Instant::now();
            if state.closed || state.held_bytes >= HELD_BYTES || held_until.is_some_and(|until| until <= now) {
                state.release();
            }
            if !state.operations.is_empty() || state.closed || until <= now {
                break;
            }
            state.committer_waits = true;
            self.filled.wait_until(&mut state, held_until.map_or(until, |held_until| held_until.min(until)));
            state.committer_waits = false;
        }
        let mut bytes = 0;
        while out.len() < BATCH_OPS && bytes < BATCH_BYTES {
            match state.operations.front() {
                Some(next) if next.when == When::OnEmptyBatch && !out.is_empty() => break,
                _ => {}
            }
            let Some(operation) = state.operations.pop_front() else { break };
            state.in_turn -= usize::from(operation.when != When::Passing);
            bytes += operation.bytes;
            out.push(operation);
        }
        state.bytes -= bytes;
        !(state.closed && out.is_empty())
    }
}

impl QueueState {
    /// True: the committer must know.
    fn push(&mut self, operation: Operation) -> bool {
        self.in_turn += usize::from(operation.when != When::Passing);
        self.operations.push_back(operation);
        true
    }

    /// True if the committer must know: it is the first, or they are many by now.
    fn hold(&mut self, operation: Operation) -> bool {
        // Of one that is heavy: as if the hold were full.
        self.held_bytes += if operation.bytes < HELD_ONE_BYTES { operation.bytes } else { HELD_BYTES };
        self.held.push(operation);
        let first = self.held_since.is_none();
        self.held_since.get_or_insert_with(Instant::now);
        first || self.held_bytes >= HELD_BYTES
    }

    fn release(&mut self) {
        self.in_turn += self.held.len();
        self.operations.extend(self.held.drain(..));
        self.held_bytes = 0;
        self.held_since = None;
    }
}

pub struct Committer {
    pub db: Database,
    pub queue: Arc<Queue>,
    pub txn: Txn,
    pub feed: Arc<dyn EntryFeed>,
    pub routing: Arc<AccountCache<Routing>>,
    pub accounts: Arc<AccountCache<Account>>,
    pub privacy: Arc<AccountCache<Privacy>>,
    pub ties: Arc<TieCache>,
    pub groups: Arc<GroupCache>,
    pub metrics: Arc<Metrics>,
    pub memtables: Arc<Memtables>,
    pub progress: Arc<Progress>,
    pub fatal: Arc<Fatal>,
    pub sync_delay: Option<Duration>,
}

impl Committer {
    /// Runs until the queue is closed and empty; everything is on stable storage then.
    pub fn run(mut self) {
        // A panic here would leave every caller waiting on a store that looks alive.
        let dies = AbortOnPanic(Arc::clone(&self.fatal));
        let mut operations = Vec::with_capacity(BATCH_OPS);
        let mut answers = Vec::with_capacity(BATCH_OPS);
        let mut unsynced_since: Option<Instant> = None;
        loop {
            let patience = unsynced_since.map_or(SYNC_AFTER * 3600, |since| SYNC_AFTER.saturating_sub(since.elapsed()));
            let open = self.queue.drain(&mut operations, patience);
            if !operations.is_empty() {
                self.progress.begin();
                let started = Instant::now();
                self.metrics.batch_ops.record(operations.len() as f64);
                for operation in operations.drain(..) {
                    self.txn.begin();
                    answers.push((operation.run)(&mut self.txn));
                }
                let batch = self.txn.take();
                let wrote = !batch.writes.is_empty();
                let synced = batch.durable && wrote;
                self.commit(batch);
                for answer in answers.drain(..) {
                    answer();
                }
                self.metrics.commit_seconds.record(started.elapsed().as_secs_f64());
                self.progress.end();
                unsynced_since = if synced { None } else { unsynced_since.or(wrote.then(Instant::now)) };
            }
            if unsynced_since.is_some_and(|since| since.elapsed() >= SYNC_AFTER) || (!open && unsynced_since.is_some())
            {
                self.progress.begin();
                self.fatal.unless_ok(self.db.persist(PersistMode::SyncData));
                self.progress.end();
                unsynced_since = None;
            }
            if !open {
                self.fatal.unless_ok(self.db.persist(PersistMode::SyncAll));
                std::mem::forget(dies);
                return;
            }
        }
    }

    fn commit(&mut self, batch: Batch) {
        let Batch { mut writes, events, changed, changed_ties, changed_groups, durable } = batch;
        if !writes.is_empty() {
            let mode = if durable { PersistMode::SyncData } else { PersistMode::Buffer };
            let mut out = OwnedWriteBatch::with_capacity(self.db.clone(), writes.len()).durability(Some(mode));
            let mut bytes = 0;
            for write in writes.drain(..) {
                let record = write.key.len() + write.value.as_ref().map_or(0, |value| value.len());
                bytes += record + WRITE_OVERHEAD;
                self.metrics.wrote(write.table, record);
                let gone;
                let keyspace = match write.table {
                    crate::tables::Table::Dedup(_) => match self.txn.tables.keyspace(write.table) {
                        Some(keyspace) => {
                            gone = keyspace;
                            &gone
                        }
                        None => continue,
                    },
                    fixed => self.txn.tables.fixed(fixed),
                };
                match write.value {
                    Some(value) => out.insert(keyspace, write.key, value),
                    None => out.remove(keyspace, write.key),
                }
            }
            let started = Instant::now();
            self.fatal.unless_ok(out.commit());
            if durable {
                if let Some(delay) = self.sync_delay {
                    std::thread::sleep(delay);
                }
                self.metrics.synced(started.elapsed());
            }
            self.metrics.committed();
            self.memtables.wrote(bytes);
        }
        for account in changed {
            self.routing.forget(account);
            self.accounts.forget(account);
            self.privacy.forget(account);
        }
        for tie in changed_ties {
            self.ties.forget(tie);
        }
        for group in changed_groups {
            self.groups.forget(group);
        }
        let mut entries = 0;
        for news in events.iter().flatten() {
            match news {
                News::Entry(to, entry) => {
                    entries += 1;
                    self.feed.published(*to, entry);
                }
                News::Logged(entry) => self.feed.logged(entry),
                News::Marked(group, marks) => self.feed.marked(*group, marks),
            }
        }
        self.metrics.published(entries);
        self.txn.reuse(writes, events);
    }
}

struct AbortOnPanic(Arc<Fatal>);

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        self.0.end("the committer panicked");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    /// An operation that is told apart by its weight.
    fn operation(bytes: usize, when: When) -> Operation {
        Operation { run: Box::new(|_| Box::new(|| ())), bytes, when }
    }

    fn queue(hold: Duration, operations: &[(usize, When)]) -> Queue {
        let queue = Queue::new(100, 1 << 20, hold);
        for (bytes, when) in operations {
            queue.submit(operation(*bytes, *when)).unwrap();
        }
        queue
    }

    fn next(queue: &Queue, patience: Duration) -> Vec<usize> {
        let mut out = Vec::new();
        queue.drain(&mut out, patience);
        out.iter().map(|operation| operation.bytes).collect()
    }

    #[test]
    fn only_sends_pass_what_is_held() {
        use When::{Held, InTurn, OnEmptyBatch, Passing};
        for (operations, want) in [
            (&[(1, Held), (2, Passing), (3, Held)][..], &[2][..]),
            (&[(1, Held), (2, Passing), (3, InTurn), (4, Passing)], &[2, 1, 3, 4]),
            (&[(1, InTurn), (2, Held), (3, Passing)], &[1, 2, 3]),
            (&[(1, Held), (2, OnEmptyBatch)], &[1]),
            (&[(1, Held), (HELD_ONE_BYTES, Held)], &[1, HELD_ONE_BYTES]),
            (&[(1, Held), (HELD_ONE_BYTES - 1, Held), (2, Passing)], &[2]),
        ] {
            let queue = queue(LONG, operations);
            assert_eq!(next(&queue, Duration::ZERO), want, "{operations:?}");
        }
        assert_eq!(next(&queue(Duration::ZERO, &[(1, Held), (2, Passing)]), LONG), [1, 2]);
    }

    #[test]
    fn what_is_held_comes_in_time_and_at_the_end() {
        let held = queue(Duration::from_millis(20), &[(1, When::Held), (2, When::Held)]);
        let began = Instant::now();
        assert_eq!(next(&held, LONG), [1, 2]);
        assert!(began.elapsed() >= Duration::from_millis(15));
        assert_eq!((held.depth(), next(&held, Duration::ZERO)), (0, vec![]));

        let closing = queue(LONG, &[(1, When::Held)]);
        closing.close();
        let mut out = Vec::new();
        assert!(closing.drain(&mut out, LONG));
        assert_eq!(out.len(), 1);
        assert!(!closing.drain(&mut Vec::new(), LONG));
    }

    #[test]
    fn what_is_held_counts_as_queued() {
        let queue = Queue::new(2, 1 << 20, LONG);
        assert!(queue.submit(operation(1, When::Held)).is_ok());
        assert!(queue.submit(operation(1, When::Passing)).is_ok());
        for when in [When::Held, When::Passing, When::InTurn] {
            assert!(matches!(queue.submit(operation(1, when)), Err(StoreError::Overloaded)), "{when:?}");
        }
    }
}
