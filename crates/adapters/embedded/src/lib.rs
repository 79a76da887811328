//! The embedded store: inboxes, groups, directory, prekeys and meta of one node in one folder, on fjall (an LSM tree with a journal).
//! Flow: reads run on the caller's thread; changes go through a bounded queue to one committer thread, which runs them in
//! order, writes ONE fjall batch for all that waited (group commit), tells the feed, and answers the callers.
//!
//! Always true, and what carries it:
//! - all or nothing, also after a crash: one `OwnedWriteBatch` per commit is one checksummed journal record set;
//! - durable on return: `durability(SyncData)` (fdatasync of the journal) before anybody is answered; changes that need
//!   only be applied (acks, watermarks) use `Buffer`, which survives the end of the process, and are synced within 1 s;
//! - compare-and-set, dedup and taking a key once: one writer runs operations in order, each seeing the ones before it;
//! - one message to a group is one record of its log, whatever the number of members: who may read it stands in `memberships`
//!   and `cursors`, which no message touches;
//! - ids never fall: last id and highest clock are written in each batch that used them and read back at opening;
//! - a failing or hanging write ends the process (`watch`), so nothing is acknowledged that may not be stored;
//! - a nearly full disk refuses what grows the store (`Full`); reads, acks and deletes go on.
//!
//! Layout of the folder: `VERSION` (schema, for people and for older programs), `LOCK` (held while open; names the process),
//! `db/` (fjall). Keyspaces, keys and records (numbers big-endian; every record begins with a version byte):
//! ```text
//! inbox       account11 device1 entry8                 -> kind, then envelope | receipt | failure     (records.rs)
//! receipts    account16 device1 member16 conversation  -> entry id of the waiting receipt
//! watermarks  author16 member16 kind1                  -> message id, time
//! dedup-N     account11 hash9 of device, client_msg_id -> message id, time; generation N, see tables.rs
//! accounts    account11                                -> account, username, identity key, recovery, disabled, created
//! routing     account16                                -> disabled, list version, (device, registration id, suspended)*
//! lists       account16                                -> the signed device list
//! devices     account16 device1                        -> as listed, name, created, last seen, suspended
//! names       username                                 -> account | held until
//! prekeys     account16 device1 kind1 id4              -> index of ids | signed | last resort | one-time EC | one-time Kyber
//! blocks      owner16 other16                          -> (nothing)
//! invites     hash32                                   -> uses left, expires
//! expiry      until8 kind1 what                        -> dead letter | (nothing), in order of time for `forget_old`
//! groups      group8                                   -> id, revision, head, state, details, (member, since)*
//! group_heads group8                                   -> roster, newest id, whole id: rewritten by every message
//! group_ops   group8 revision4                         -> message id, time, payload, signature
//! group_log   group8 id8                               -> previous id, time, sender, then ciphertext | revision, details
//! group_days  day4 kind1 group8                        -> (nothing): the log has entries of this day
//!             day4 kind1 account16 group8              -> (nothing): a membership ended; in order of time for `trim_logs`
//! group_marks group8 member11                          -> member, (message id, time) delivered, (message id, time) read
//! memberships account11 group8                         -> whole id, since, until (0: it goes on), then earlier stays: (since, until)*
//!             account11                                -> how many of them go on
//! cursors     account11 device1 group8                 -> message id
//! contacts    owner16 other16                          -> (nothing)
//! privacy     account16                                -> version, who sees and does what (audience, exceptions)
//! profiles    account16                                -> version, key id, ciphertext
//! reports     kind1 id8                                -> who about whom, when, why, resolved | comment, messages, resolution
//! meta        u:key                                    -> what callers keep
//!             l:account16                              -> time: last in the foreground
//!             s:schema, s:generation, s:clock          -> the store's own
//! ```
//! Elsewhere: what the ports promise is in `sotto_ports`; copies of a running store are in `backup`.

mod backup;
mod cache;
mod codec;
mod committer;
pub mod fuzzing;
mod group_records;
mod keys;
mod memtables;
mod metrics;
mod open;
mod ops;
mod people_records;
mod records;
mod tables;
mod txn;
mod watch;

pub use backup::{BackupError, BackupProgress, BackupSummary, restore};
pub use metrics::StoreStats;
pub use open::{OpenError, SCHEMA};
pub use watch::OnFatal;

use cache::{AccountCache, GroupCache, TieCache};
use committer::Queue;
use sotto_ports::{Account, Privacy, Routing};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// How to open a store. `EmbeddedConfig::new` has the defaults for a server of its own.
#[derive(Clone)]
pub struct EmbeddedConfig {
    pub dir: PathBuf,
    /// fjall's block cache.
    pub cache_bytes: u64,
    /// Memtable of each keyspace before it is flushed.
    pub memtable_bytes: u64,
    /// All journals together; at least 64 MiB.
    pub journal_bytes: u64,
    /// fjall's threads for flushing and compaction. With more than one, the first does nothing but pass the request on, as fast
    /// as it can, while another compacts (fjall 3.1): a core is lost, and on two cores latency with it.
    pub worker_threads: usize,
    /// Below this much free disk space, writes that grow the store are refused. fjall still needs room to compact.
    pub free_space_floor: u64,
    /// A commit that takes longer ends the process.
    pub commit_hang_limit: Duration,
    /// Operations and bytes that may wait for the committer; beyond, callers get `Overloaded`.
    pub queue_ops: usize,
    pub queue_bytes: usize,
    /// How long acks and watermarks may wait to be written together. Ticks appear that much later.
    pub hold_acks: Duration,
    /// Accounts whose routing is kept in memory, and pairs of accounts of which it is known whether one accepted or blocked the other.
    pub cached_accounts: usize,
    /// Groups kept in memory, in bytes; one of 1,024 members takes about 60 KB.
    pub cached_groups_bytes: usize,
    /// Added to every sync, to see how a slow disk feels. For benchmarks and tests.
    pub sync_delay: Option<Duration>,
    /// Called just before the process ends over a failed write, to flush logs.
    pub on_fatal: Option<OnFatal>,
}

impl EmbeddedConfig {
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            cache_bytes: 64 << 20,
            memtable_bytes: 8 << 20,
            journal_bytes: 64 << 20,
            worker_threads: 1,
            free_space_floor: 256 << 20,
            commit_hang_limit: Duration::from_secs(30),
            queue_ops: 16_384,
            queue_bytes: 64 << 20,
            hold_acks: Duration::from_millis(50),
            cached_accounts: 100_000,
            cached_groups_bytes: 32 << 20,
            sync_delay: None,
            on_fatal: None,
        }
    }
}

impl fmt::Debug for EmbeddedConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedConfig").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// An open store. Dropping it finishes what is queued, syncs, and lets go of the folder.
pub struct EmbeddedStore {
    dir: PathBuf,
    tables: Arc<tables::Tables>,
    queue: Arc<Queue>,
    routing: Arc<AccountCache<Routing>>,
    accounts: Arc<AccountCache<Account>>,
    privacy: Arc<AccountCache<Privacy>>,
    ties: Arc<TieCache>,
    groups: Arc<GroupCache>,
    metrics: Arc<metrics::Metrics>,
    watch: Arc<watch::Watch>,
    generation: u32,
    memtables: Arc<memtables::Memtables>,
    committer: Option<JoinHandle<()>>,
    watchdog: Option<JoinHandle<()>>,
    freer: Option<JoinHandle<()>>,
    /// Held until everything else is gone.
    _lock: open::Lock,
}

impl EmbeddedStore {
    /// Figures since opening.
    pub fn stats(&self) -> StoreStats {
        self.metrics.stats()
    }

    /// Records written or removed since opening, by keyspace; all generations of dedup records are one.
    pub fn writes(&self) -> Vec<(&'static str, u64)> {
        self.metrics.writes()
    }

    /// Operations waiting for the committer now.
    pub fn queue_depth(&self) -> usize {
        self.queue.depth()
    }

    pub fn dir(&self) -> &std::path::Path {
        &self.dir
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(committer) = self.committer.take() {
            // It ends the process rather than panic, so there is no error to see here.
            drop(committer.join());
        }
        self.watch.stop();
        self.memtables.stop();
        for thread in [self.watchdog.take(), self.freer.take()].into_iter().flatten() {
            drop(thread.join());
        }
    }
}

impl fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedStore").field("dir", &self.dir).finish_non_exhaustive()
    }
}
