//! Frees full memtables where nobody waits for it.
//! Why: fjall frees a flushed memtable while it holds the lock that every read and write of the keyspace needs: 11 ms for 8 MiB
//! (measured), which every message of that moment waits for. Here a thread holds on to each memtable until it is the last to
//! do so, and frees it without a lock.
//! Flow: the committer calls `wrote` -> after so many bytes the thread looks for memtables that are not active any more ->
//!       frees those that fjall has let go of, looking again every `AGAIN` while some are left.

use crate::tables::{Table, Tables};
use fjall::AbstractTree as _;
use parking_lot::{Condvar, Mutex};
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

const AGAIN: Duration = Duration::from_millis(50);

#[derive(Default)]
pub struct Memtables {
    state: Mutex<State>,
    changed: Condvar,
    /// Bytes written between two looks; a memtable takes several times as many.
    look_after: usize,
}

#[derive(Default)]
struct State {
    written: usize,
    stopped: bool,
}

/// Keeps a memtable from being freed by somebody else.
struct Held {
    table: Table,
    id: u64,
    memtable: Arc<dyn Any + Send + Sync>,
}

impl Memtables {
    pub fn new(memtable_bytes: u64) -> Self {
        Self { look_after: usize::try_from(memtable_bytes / 8).unwrap_or(usize::MAX), ..Self::default() }
    }

    pub fn wrote(&self, bytes: usize) {
        let mut state = self.state.lock();
        state.written += bytes;
        if state.written >= self.look_after {
            self.changed.notify_one();
        }
    }

    pub fn stop(&self) {
        self.state.lock().stopped = true;
        self.changed.notify_one();
    }

    pub fn run(&self, tables: &Tables) {
        let mut active: Vec<Held> = Vec::new();
        let mut full: Vec<Held> = Vec::new();
        loop {
            {
                let mut state = self.state.lock();
                while !state.stopped && state.written < self.look_after {
                    if full.is_empty() {
                        self.changed.wait(&mut state);
                    } else if self.changed.wait_for(&mut state, AGAIN).timed_out() {
                        break;
                    }
                }
                if state.stopped {
                    return;
                }
                state.written = 0;
            }
            let mut now_active = Vec::with_capacity(active.len());
            for (table, keyspace) in tables.all() {
                let memtable = keyspace.tree.active_memtable();
                now_active.push(Held { table, id: memtable.id(), memtable });
            }
            let is_active = |held: &Held| now_active.iter().any(|now| (now.table, now.id) == (held.table, held.id));
            full.extend(active.drain(..).filter(|held| !is_active(held)));
            active = now_active;
            full.retain(|held| Arc::strong_count(&held.memtable) > 1);
        }
    }
}
