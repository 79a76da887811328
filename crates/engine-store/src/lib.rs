//! What one device keeps: its keys, sessions, contacts, messages and queues, in one SQLite file (native) or one database of the
//! origin-private file system (browser).
//! Flow: `Store::open` (or `memory`) -> `Store::transaction(|tx| ..)`, once per step of the engine -> commit -> only then are
//!       effects released.
//! Always true:
//! - one connection, explicit transactions: a step is there wholly or not at all, also after `kill -9` or power loss
//!   (`synchronous=FULL`); a failed write leaves the last committed state;
//! - secret columns (keys, sessions, content) are sealed under a data key, which is wrapped by the passphrase if there is one;
//! - with a passphrase the search index lives in memory only; without one it is on disk;
//! - deleted rows are overwritten (`secure_delete`); a store written by a newer version is refused, never guessed at.
//! Elsewhere: the only file-system calls are in `native`; no clock, no threads; what rows mean is the engine's.

// Module documents are read as text: their last line belongs to no list.
#![allow(clippy::doc_lazy_continuation)]

mod actions;
mod ciphertexts;
mod contacts;
mod conversations;
mod expiry;
mod facts;
mod group_keys;
mod group_marks;
mod groups;
mod inbox;
mod keys;
mod messages;
#[cfg(not(target_arch = "wasm32"))]
mod native;
mod outbox;
mod schema;
mod seal;
mod search;
mod settings;

pub use actions::{NewAction, StoredAction, Target};
pub use contacts::Contact;
pub use conversations::ConversationRow;
pub use facts::Fact;
pub use group_keys::{KeyHolder, OwnDistribution};
pub use group_marks::GroupMark;
pub use groups::{Group, GroupOperation, InviteSeed};
pub use inbox::{Placeholder, StepKind};
pub use keys::{PreKeyKind, PreKeyRow};
pub use messages::{LocalTimes, MessageKind, NewMessage, PENDING_PLACE, StoredMessage};
pub use outbox::{HistoryCopy, HistoryJob, HistoryPlace, NewOutboxEntry, OutboxEntry, SentControl};
pub use schema::VERSION;
pub use search::Hit;

use rusqlite::types::Type;
use rusqlite::{Connection, Row, Transaction, TransactionBehavior};
use seal::DataKey;
use sotto_types::{Conversation, Secret};
use std::cell::{Cell, RefCell};
use std::time::Duration;

/// Why the store could not do it. The last committed state is intact in every case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error("the disk is full")]
    Full,
    #[error("the profile is locked with a passphrase")]
    NeedsPassphrase,
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    #[error("the profile was written by a newer version (format {found}, this version knows {known})")]
    Newer { found: u32, known: u32 },
    #[error("another process is using the profile")]
    Busy,
    #[error("the profile is damaged: {0}")]
    Damaged(String),
    #[error("local storage failed: {0}")]
    Io(String),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        match error.sqlite_error_code() {
            Some(Code::DiskFull) => Self::Full,
            Some(Code::DatabaseBusy | Code::DatabaseLocked) => Self::Busy,
            Some(Code::SystemIoFailure | Code::CannotOpen | Code::ReadOnly | Code::PermissionDenied) => {
                Self::Io(error.to_string())
            }
            _ => Self::Damaged(error.to_string()),
        }
    }
}

/// How SQLite keeps a transaction revocable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Journal {
    /// One fsync per commit; needs shared memory, so not in the browser.
    Wal,
    Truncate,
}

/// One profile's storage.
#[derive(Debug)]
pub struct Store {
    sql: Connection,
    key: DataKey,
    locked: bool,
    index_ready: Cell<bool>,
    /// A transaction took something away for good: what the log still holds of it has to go too.
    wiped: Cell<bool>,
}

impl Store {
    /// A store that is gone when dropped.
    pub fn memory() -> Result<Self, StoreError> {
        Self::from_connection(Connection::open_in_memory()?, Journal::Truncate, None)
    }

    /// Prepares an opened connection: checks the version, migrates, unlocks. The browser's way in.
    pub fn from_connection(
        mut sql: Connection,
        journal: Journal,
        passphrase: Option<&Secret<String>>,
    ) -> Result<Self, StoreError> {
        schema::configure(&sql, journal)?;
        schema::migrate(&mut sql)?;
        let (key, locked) = seal::unlock(&sql, passphrase)?;
        search::prepare(&mut sql, &key, locked)?;
        Ok(Self { sql, key, locked, index_ready: Cell::new(!locked), wiped: Cell::new(false) })
    }

    /// A copy in memory of what is committed: for tests and for looking at a profile without touching it. Not for a store
    /// with a passphrase, whose key it would have to carry.
    pub fn copy(&self) -> Result<Self, StoreError> {
        let mut copy = Connection::open_in_memory()?;
        rusqlite::backup::Backup::new(&self.sql, &mut copy)?.run_to_completion(1024, Duration::ZERO, None)?;
        Self::from_connection(copy, Journal::Truncate, None)
    }

    /// Whether a passphrase is needed to open it again.
    pub fn has_passphrase(&self) -> bool {
        self.locked
    }

    /// Sets, changes or (`None`) removes the passphrase. All or nothing.
    pub fn set_passphrase(&mut self, passphrase: Option<&Secret<String>>) -> Result<(), StoreError> {
        let tx = self.sql.transaction_with_behavior(TransactionBehavior::Immediate)?;
        seal::wrap(&tx, &self.key, passphrase)?;
        search::drop_index(&tx)?;
        search::create(&tx, passphrase.is_some())?;
        search::fill(&tx, &self.key)?;
        tx.commit()?;
        self.empty_log()?;
        self.locked = passphrase.is_some();
        self.index_ready.set(true);
        Ok(())
    }

    /// What the log still holds of an old form goes; in other journal modes this does nothing. The browser's SQLite has no log.
    fn empty_log(&self) -> Result<(), StoreError> {
        if cfg!(not(target_arch = "wasm32")) {
            self.sql.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        }
        Ok(())
    }

    /// Runs `work` in one transaction: committed if it returns `Ok`, rolled back otherwise.
    pub fn transaction<T, E: From<StoreError>>(&mut self, work: impl FnOnce(&Tx<'_>) -> Result<T, E>) -> Result<T, E> {
        let done = self.run(work)?;
        if self.wiped.replace(false) && self.empty_log().is_err() {
            // It is committed all the same; the log is emptied after the next transaction.
            self.wiped.set(true);
        }
        Ok(done)
    }

    fn run<T, E: From<StoreError>>(&mut self, work: impl FnOnce(&Tx<'_>) -> Result<T, E>) -> Result<T, E> {
        let sql = self
            .sql
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|e| E::from(StoreError::from(e)))?;
        let was_ready = self.index_ready.get();
        let (index_ready, wiped) = (&self.index_ready, &self.wiped);
        let tx = Tx { sql, key: &self.key, index_ready, wiped, gone: RefCell::default() };
        let done = match work(&tx) {
            Ok(done) => done,
            Err(error) => {
                self.index_ready.set(was_ready);
                self.wiped.set(false);
                return Err(error);
            }
        };
        if let Err(error) = tx.sql.commit() {
            self.index_ready.set(was_ready);
            self.wiped.set(false);
            return Err(E::from(error.into()));
        }
        Ok(done)
    }
}

/// An open transaction: everything that can be read and written, by feature in this crate's modules.
#[derive(Debug)]
pub struct Tx<'a> {
    sql: Transaction<'a>,
    key: &'a DataKey,
    index_ready: &'a Cell<bool>,
    wiped: &'a Cell<bool>,
    /// Messages whose words went in this transaction.
    gone: RefCell<Vec<Target>>,
}

/// No stored time to wait for lies further ahead than this.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(2 * 3600);

/// SQLite's integers are signed; ids stay below 2^63 because the engine refuses larger ones at the edge.
pub(crate) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn uint(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// The conversation named in a column.
pub(crate) fn conversation_of(row: &Row<'_>, column: usize) -> rusqlite::Result<Conversation> {
    Conversation::try_from(row.get_ref(column)?.as_blob()?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, Box::new(error)))
}

#[cfg(any(test, all(target_arch = "wasm32", feature = "wasm-tests")))]
mod tests;
