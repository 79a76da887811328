//! Counters and histograms of the store. Handles are made when the store opens, so install the recorder before that.

use crate::tables::Table;
use metrics::{Counter, Gauge, Histogram};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Figures since the store was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// fjall batches written.
    pub commits: u64,
    /// Those of them that waited for stable storage.
    pub syncs: u64,
    /// Inbox records written or removed.
    pub inbox_writes: u64,
    /// New inbox entries, of all kinds.
    pub entries: u64,
    /// Sends committed: dedup records written.
    pub sends: u64,
    /// Records of group logs written or removed.
    pub log_writes: u64,
}

pub struct Metrics {
    pub batch_ops: Histogram,
    pub commit_seconds: Histogram,
    pub queue_depth: Gauge,
    pub free_bytes: Gauge,
    fsync_seconds: Histogram,
    commits_total: Counter,
    entries_total: Counter,
    writes_total: [Counter; Table::COUNT],
    writes: [AtomicU64; Table::COUNT],
    bytes_total: [Counter; Table::COUNT],
    bytes: [AtomicU64; Table::COUNT],
    commits: AtomicU64,
    syncs: AtomicU64,
    entries: AtomicU64,
}

impl Metrics {
    pub fn new() -> Self {
        metrics::describe_counter!("sotto_store_commits_total", "Batches written to the store");
        metrics::describe_histogram!("sotto_store_batch_ops", "Operations per batch");
        metrics::describe_histogram!("sotto_store_fsync_seconds", "Time to write one batch to stable storage");
        metrics::describe_histogram!("sotto_store_commit_seconds", "Time from taking a batch to answering its callers");
        metrics::describe_gauge!("sotto_store_queue_depth", "Operations waiting for the committer");
        metrics::describe_gauge!("sotto_store_free_bytes", "Free disk space");
        metrics::describe_counter!("sotto_store_writes_total", "Records written or removed, by keyspace");
        metrics::describe_counter!("sotto_store_bytes_total", "Bytes of keys and values of those records, by keyspace");
        metrics::describe_counter!("sotto_store_entries_total", "New inbox entries");
        let label = |index: usize| Table::FIXED.get(index).copied().unwrap_or(Table::Dedup(0)).label();
        let by_table =
            |name: &'static str| std::array::from_fn(|index| metrics::counter!(name, "keyspace" => label(index)));
        Self {
            batch_ops: metrics::histogram!("sotto_store_batch_ops"),
            commit_seconds: metrics::histogram!("sotto_store_commit_seconds"),
            queue_depth: metrics::gauge!("sotto_store_queue_depth"),
            free_bytes: metrics::gauge!("sotto_store_free_bytes"),
            fsync_seconds: metrics::histogram!("sotto_store_fsync_seconds"),
            commits_total: metrics::counter!("sotto_store_commits_total"),
            entries_total: metrics::counter!("sotto_store_entries_total"),
            writes_total: by_table("sotto_store_writes_total"),
            writes: std::array::from_fn(|_| AtomicU64::new(0)),
            bytes_total: by_table("sotto_store_bytes_total"),
            bytes: std::array::from_fn(|_| AtomicU64::new(0)),
            commits: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
            entries: AtomicU64::new(0),
        }
    }

    /// One record, with the bytes of its key and its value.
    pub fn wrote(&self, table: Table, bytes: usize) {
        if let (Some(count), Some(sum)) = (self.writes.get(table.index()), self.bytes.get(table.index())) {
            count.fetch_add(1, Ordering::Relaxed);
            sum.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    pub fn committed(&self) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.commits_total.increment(1);
        let (writes, bytes) = (self.writes_total.iter().zip(&self.writes), self.bytes_total.iter().zip(&self.bytes));
        for (total, count) in writes.chain(bytes) {
            total.absolute(count.load(Ordering::Relaxed));
        }
    }

    pub fn synced(&self, took: Duration) {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.fsync_seconds.record(took.as_secs_f64());
    }

    pub fn published(&self, entries: usize) {
        let entries = u64::try_from(entries).unwrap_or(u64::MAX);
        self.entries.fetch_add(entries, Ordering::Relaxed);
        self.entries_total.increment(entries);
    }

    pub fn stats(&self) -> StoreStats {
        let of = |table: Table| self.writes.get(table.index()).map_or(0, |count| count.load(Ordering::Relaxed));
        StoreStats {
            commits: self.commits.load(Ordering::Relaxed),
            syncs: self.syncs.load(Ordering::Relaxed),
            inbox_writes: of(Table::Inbox),
            entries: self.entries.load(Ordering::Relaxed),
            sends: of(Table::Dedup(0)),
            log_writes: of(Table::GroupLog),
        }
    }

    pub fn writes(&self) -> Vec<(&'static str, u64)> {
        let tables = Table::FIXED.into_iter().chain([Table::Dedup(0)]);
        tables.zip(&self.writes).map(|(table, count)| (table.label(), count.load(Ordering::Relaxed))).collect()
    }
}
