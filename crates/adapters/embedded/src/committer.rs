//! The one thread that writes, and the queue in front of it.
//! Flow: `Queue::submit` -> the committer drains what is there (group commit) -> each operation runs in order against `Txn`
//!       -> one fjall batch -> caches are told -> the feed is called in id order -> callers are answered.
//! Always true:
//! - the order of operations is the order of the queue, so compare-and-set, dedup and taking a key once need no lock;
//! - nobody is answered before the batch is as durable as one of its operations asked for;
//! - after a write error nothing is answered and the process ends: what fjall has in memory may no longer be what is on disk.
//!
//! Elsewhere: the batch itself is in `txn`, what operations do in `ops`, the clock on a hanging commit in `watch`.

use crate::cache::AccountCache;
use crate::metrics::Metrics;
use crate::txn::{Batch, Txn};
use crate::watch::{Fatal, Progress};
use fjall::{Database, OwnedWriteBatch, PersistMode};
use parking_lot::{Condvar, Mutex};
use sotto_ports::{Account, EntryFeed, Routing, StoreError};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A batch ends at so many operations, or once they weigh so much.
const BATCH_OPS: usize = 512;
const BATCH_BYTES: usize = 1 << 20;
/// Applied writes reach stable storage at the latest after this, even if nothing durable follows.
const SYNC_AFTER: Duration = Duration::from_secs(1);

/// Runs in the committer; what it returns answers the caller after the commit.
pub type Run = Box<dyn FnOnce(&mut Txn) -> Answer + Send>;
pub type Answer = Box<dyn FnOnce() + Send>;

pub struct Operation {
    pub run: Run,
    pub bytes: usize,
    /// Runs first in a batch of its own beginning, because it scans.
    pub barrier: bool,
}

/// Bounded in operations and bytes; when full, callers get `Overloaded` and nothing was done.
pub struct Queue {
    state: Mutex<QueueState>,
    filled: Condvar,
    max_ops: usize,
    max_bytes: usize,
}

#[derive(Default)]
struct QueueState {
    operations: VecDeque<Operation>,
    bytes: usize,
    committer_waits: bool,
    closed: bool,
}

impl Queue {
    pub fn new(max_ops: usize, max_bytes: usize) -> Self {
        Self { state: Mutex::default(), filled: Condvar::new(), max_ops, max_bytes }
    }

    pub fn submit(&self, operation: Operation) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(StoreError::Failed("the store is closed".into()));
        }
        if state.operations.len() >= self.max_ops || state.bytes > self.max_bytes {
            return Err(StoreError::Overloaded);
        }
        state.bytes += operation.bytes;
        state.operations.push_back(operation);
        if state.committer_waits {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Lets the committer finish what is queued, then end.
    pub fn close(&self) {
        self.state.lock().closed = true;
        self.filled.notify_one();
    }

    pub fn depth(&self) -> usize {
        self.state.lock().operations.len()
    }

    /// Moves the next batch into `out`, waiting for one at most `patience`. False once closed and empty.
    fn drain(&self, out: &mut Vec<Operation>, patience: Duration) -> bool {
        let mut state = self.state.lock();
        if state.operations.is_empty() && !state.closed {
            state.committer_waits = true;
            self.filled.wait_for(&mut state, patience);
            state.committer_waits = false;
        }
        let mut bytes = 0;
        while out.len() < BATCH_OPS && bytes < BATCH_BYTES {
            match state.operations.front() {
                Some(next) if next.barrier && !out.is_empty() => break,
                _ => {}
            }
            let Some(operation) = state.operations.pop_front() else { break };
            bytes += operation.bytes;
            out.push(operation);
        }
        state.bytes -= bytes;
        !(state.closed && out.is_empty())
    }
}

pub struct Committer {
    pub db: Database,
    pub queue: Arc<Queue>,
    pub txn: Txn,
    pub feed: Arc<dyn EntryFeed>,
    pub routing: Arc<AccountCache<Routing>>,
    pub accounts: Arc<AccountCache<Account>>,
    pub metrics: Arc<Metrics>,
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
        let Batch { mut writes, events, changed, durable } = batch;
        if !writes.is_empty() {
            let mode = if durable { PersistMode::SyncData } else { PersistMode::Buffer };
            let mut out = OwnedWriteBatch::with_capacity(self.db.clone(), writes.len()).durability(Some(mode));
            for write in writes.drain(..) {
                self.metrics.wrote(write.table);
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
        }
        for account in changed {
            self.routing.forget(account);
            self.accounts.forget(account);
        }
        for (to, entry) in events.iter().flatten() {
            self.feed.published(*to, entry);
        }
        self.metrics.published(events.iter().flatten().count());
        self.txn.reuse(writes, events);
    }
}

struct AbortOnPanic(Arc<Fatal>);

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        self.0.end("the committer panicked");
    }
}
