//! Opening a folder: whose it is, whether this program understands it, and what was written last.
//! Always true: nothing in the folder is changed before it is known to be ours, of our schema, and not in use.

use crate::cache::{AccountCache, GroupCache, TieCache};
use crate::committer::{Committer, Queue};
use crate::memtables::Memtables;
use crate::metrics::Metrics;
use crate::ops::meta::{self, CLOCK, GENERATION};
use crate::records;
use crate::tables::{Table, Tables};
use crate::txn::Txn;
use crate::watch::{Fatal, Progress, Watch};
use crate::{EmbeddedConfig, EmbeddedStore};
use fjall::{CompressionType, Database, PersistMode};
use parking_lot::{Condvar, Mutex};
use sotto_ports::{EntryFeed, IdClock, StoreError};
use sotto_types::{MessageId, Timestamp};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Version of the layout drawn in `lib.rs`. What changed: 3 has groups, which a program of 2 would not tell of changed devices;
/// 4 keeps earlier stays in `memberships`, records that a program of 3 takes for damaged; 5 has contacts, settings, profiles and reports, which a
/// program of 4 would leave behind when an account is deleted.
pub const SCHEMA: u32 = 5;
/// The oldest that this program opens. Nothing stored in it reads differently now: it lacks keyspaces, which are made, and
/// what later records have more.
pub const SCHEMA_OLDEST: u32 = 2;

const VERSION_FILE: &str = "VERSION";
const LOCK_FILE: &str = "LOCK";
const DATABASE: &str = "db";
/// There while a restore is writing; a folder with it is not a store yet.
pub(crate) const RESTORING_FILE: &str = "RESTORING";
const MAGIC: &str = "sotto-embedded schema ";

/// Ids begin this far above the last one written, because the newest may have been lost with a power cut after a device saw
/// them.
const REOPEN_GAP_MS: u64 = 2_000;

/// Why a store does not open; each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "the store in {dir} has schema {found}, of a version before the first release; this program reads {SCHEMA_OLDEST} to \
         {known}. Move the folder away and begin anew",
        dir = dir.display()
    )]
    Older { dir: PathBuf, found: u32, known: u32 },
    #[error(
        "the store in {dir} was written by a newer version (schema {found}; this program knows up to schema {known}). \
         Install the version that wrote it, or a newer one; or restore a backup made by this version into another folder",
        dir = dir.display()
    )]
    Newer { dir: PathBuf, found: u32, known: u32 },
    #[error("{dir} is not empty and is not a store. Name an empty or new folder", dir = dir.display())]
    Foreign { dir: PathBuf },
    #[error(
        "the store in {dir} is in use by process {pid}. Stop it first, or name another folder",
        dir = dir.display(),
        pid = pid.map_or_else(|| "(unknown)".to_owned(), |pid| pid.to_string())
    )]
    InUse { dir: PathBuf, pid: Option<u32> },
    #[error("a restore into {dir} did not finish. Delete the folder and restore again", dir = dir.display())]
    HalfRestored { dir: PathBuf },
    #[error("the store in {dir} is damaged: {what}. Restore the latest backup into a new folder", dir = dir.display())]
    Damaged { dir: PathBuf, what: String },
    #[error("cannot {doing} {path}: {source}. Check that the folder exists, is writable and has room", path = path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
}

impl OpenError {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

/// The right to use a folder, held through a locked file that names the process.
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    fn acquire(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join(LOCK_FILE);
        let mut options = File::options();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(OpenError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                let pid = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
                return Err(OpenError::InUse { dir: dir.to_owned(), pid });
            }
            Err(fs::TryLockError::Error(error)) => return Err(OpenError::io("lock", &path)(error)),
        }
        file.set_len(0).map_err(OpenError::io("write", &path))?;
        write!(file, "{}", std::process::id()).map_err(OpenError::io("write", &path))?;
        Ok(Self { _file: file })
    }
}

/// Nobody but the server's user has business in a new folder.
fn create_dir(dir: &Path) -> Result<(), OpenError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(OpenError::io("create", dir))
}

/// Whether nothing of anybody's is in the folder: a mount point's `lost+found` and a lock left over do not count.
fn is_vacant(dir: &Path) -> Result<bool, OpenError> {
    for entry in fs::read_dir(dir).map_err(OpenError::io("list", dir))? {
        let name = entry.map_err(OpenError::io("list", dir))?.file_name();
        if name != LOCK_FILE && name != "lost+found" {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The schema that `VERSION` names; none if there is no such file.
fn read_version(dir: &Path) -> Result<Option<u32>, OpenError> {
    let path = dir.join(VERSION_FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(foreign(dir)),
        Err(error) => return Err(OpenError::io("read", &path)(error)),
    };
    let number = text.lines().next().and_then(|line| line.strip_prefix(MAGIC));
    number.and_then(|number| number.trim().parse().ok()).map(Some).ok_or_else(|| foreign(dir))
}

fn foreign(dir: &Path) -> OpenError {
    OpenError::Foreign { dir: dir.to_owned() }
}

/// Writes `VERSION` so that it is there wholly or not at all.
fn write_version(dir: &Path) -> Result<(), OpenError> {
    let text = format!(
        "{MAGIC}{SCHEMA}\nMade by Sotto {}. Do not edit or copy files here while the server runs; use its backup.\n",
        env!("CARGO_PKG_VERSION")
    );
    let (path, draft) = (dir.join(VERSION_FILE), dir.join("VERSION.new"));
    let write = || {
        let mut file = File::create(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        File::open(dir)?.sync_all()
    };
    write().map_err(OpenError::io("write", &path))
}

/// Takes an empty or new folder for a restore. The store is complete once `finish_restore` returns.
pub(crate) fn begin_restore(config: &EmbeddedConfig) -> Result<(Lock, Tables), OpenError> {
    let dir = &config.dir;
    create_dir(dir)?;
    let lock = Lock::acquire(dir)?;
    if !is_vacant(dir)? {
        return Err(foreign(dir));
    }
    let marker = dir.join(RESTORING_FILE);
    File::create(&marker).and_then(|file| file.sync_all()).map_err(OpenError::io("write", &marker))?;
    sync_dir(dir)?;
    let tables = open_tables(config)?;
    Ok((lock, tables))
}

pub(crate) fn finish_restore(dir: &Path, tables: &Tables) -> Result<(), OpenError> {
    tables.db.persist(PersistMode::SyncAll).map_err(|error| damaged(dir, &error))?;
    write_version(dir)?;
    let marker = dir.join(RESTORING_FILE);
    fs::remove_file(&marker).map_err(OpenError::io("remove", &marker))?;
    // Else a power cut could bring the marker back, over a store that has acknowledged messages since.
    sync_dir(dir)
}

fn sync_dir(dir: &Path) -> Result<(), OpenError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(OpenError::io("sync", dir))
}

fn damaged(dir: &Path, error: &dyn std::fmt::Debug) -> OpenError {
    OpenError::Damaged { dir: dir.to_owned(), what: format!("{error:?}") }
}

fn open_tables(config: &EmbeddedConfig) -> Result<Tables, OpenError> {
    let path = config.dir.join(DATABASE);
    let open = || {
        let db = Database::builder(&path)
            .cache_size(config.cache_bytes)
            .max_journaling_size(config.journal_bytes.max(64 << 20))
            .worker_threads(config.worker_threads.max(1))
            .journal_compression(CompressionType::None)
            .open()?;
        Tables::open(db, config)
    };
    open().map_err(|error| match error {
        fjall::Error::Io(source) => OpenError::Io { doing: "open", path: path.clone(), source },
        fjall::Error::Locked => OpenError::InUse { dir: config.dir.clone(), pid: None },
        other => damaged(&config.dir, &other),
    })
}

impl EmbeddedStore {
    /// Opens the store in `config.dir`, or makes one if the folder is empty or missing. `feed` is told of new entries on the
    /// committer's thread.
    pub fn open(config: EmbeddedConfig, feed: Arc<dyn EntryFeed>) -> Result<Self, OpenError> {
        let dir = config.dir.clone();
        if dir.join(RESTORING_FILE).exists() {
            return Err(OpenError::HalfRestored { dir });
        }
        if dir.exists() && read_version(&dir)?.is_none() && !is_vacant(&dir)? {
            return Err(foreign(&dir));
        }
        create_dir(&dir)?;
        let lock = Lock::acquire(&dir)?;
        match read_version(&dir)? {
            Some(SCHEMA) => {}
            Some(found) => {
                check_schema(&dir, found)?;
                // Before anything of the new schema is stored, so that no older program comes upon it.
                write_version(&dir)?;
            }
            None => write_version(&dir)?,
        }
        let tables = open_tables(&config)?;
        let facts = Facts::read(&tables, &dir)?;
        facts.write_missing(&tables, &dir)?;
        Ok(Self::start(config, feed, lock, tables, facts))
    }

    fn start(config: EmbeddedConfig, feed: Arc<dyn EntryFeed>, lock: Lock, tables: Tables, facts: Facts) -> Self {
        let tables = Arc::new(tables);
        let routing = Arc::new(AccountCache::new(config.cached_accounts));
        let accounts = Arc::new(AccountCache::new(config.cached_accounts / 8));
        let privacy = Arc::new(AccountCache::new(config.cached_accounts / 4));
        let ties = Arc::new(TieCache::new(config.cached_accounts));
        let groups = Arc::new(GroupCache::of_bytes(config.cached_groups_bytes));
        let queue = Arc::new(Queue::new(config.queue_ops, config.queue_bytes, config.hold_acks));
        let metrics = Arc::new(Metrics::new());
        let fatal = Arc::new(Fatal { on_fatal: config.on_fatal });
        let progress = Arc::new(Progress::new());
        let watch = Arc::new(Watch {
            dir: config.dir.clone(),
            free_space_floor: config.free_space_floor,
            hang_limit: config.commit_hang_limit,
            progress: Arc::clone(&progress),
            fatal: Arc::clone(&fatal),
            metrics: Arc::clone(&metrics),
            queue: Arc::clone(&queue),
            full: AtomicBool::new(false),
            stopped: Mutex::new(false),
            stop: Condvar::new(),
        });
        watch.look_at_space();
        let memtables = Arc::new(Memtables::new(config.memtable_bytes));
        let committer = Committer {
            db: tables.db.clone(),
            queue: Arc::clone(&queue),
            txn: Txn::new(Arc::clone(&tables), Arc::clone(&routing), Arc::clone(&ties), facts.ids),
            feed,
            routing: Arc::clone(&routing),
            accounts: Arc::clone(&accounts),
            privacy: Arc::clone(&privacy),
            ties: Arc::clone(&ties),
            groups: Arc::clone(&groups),
            metrics: Arc::clone(&metrics),
            memtables: Arc::clone(&memtables),
            progress,
            fatal,
            sync_delay: config.sync_delay,
        };
        let watching = Arc::clone(&watch);
        let (freeing, of) = (Arc::clone(&memtables), Arc::clone(&tables));
        Self {
            dir: config.dir,
            tables,
            queue,
            routing,
            accounts,
            privacy,
            ties,
            groups,
            metrics,
            watch,
            generation: facts.generation,
            committer: Some(spawn("store-commit", move || committer.run())),
            memtables,
            watchdog: Some(spawn("store-watch", move || watching.run())),
            freer: Some(spawn("store-free", move || freeing.run(&of))),
            _lock: lock,
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> std::thread::JoinHandle<()> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(run).expect("a process that cannot start three threads cannot serve")
}

/// The store's own facts, as they were written last.
struct Facts {
    schema: Option<u32>,
    generation: u32,
    has_generation: bool,
    ids: IdClock,
}

fn check_schema(dir: &Path, found: u32) -> Result<(), OpenError> {
    let (dir, known) = (dir.to_owned(), SCHEMA);
    match found {
        ..SCHEMA_OLDEST => Err(OpenError::Older { dir, found, known }),
        SCHEMA_OLDEST..=SCHEMA => Ok(()),
        _ => Err(OpenError::Newer { dir, found, known }),
    }
}

impl Facts {
    fn read(tables: &Tables, dir: &Path) -> Result<Self, OpenError> {
        let wrong = |error: StoreError| damaged(dir, &error);
        let get = |key: &[u8]| tables.get(Table::Meta, key).map_err(wrong);
        let number = |key, what| get(key)?.map(|record| meta::number(&record, what).map_err(wrong)).transpose();
        let schema = number(meta::SCHEMA, "schema")?;
        schema.map_or(Ok(()), |found| check_schema(dir, found))?;
        let generation = number(GENERATION, "generation")?;
        let ids = match get(CLOCK)? {
            None => IdClock::default(),
            Some(record) => {
                let (last, clock) = records::read_two(&record, "id clock").map_err(wrong)?;
                let gap = MessageId::at(REOPEN_GAP_MS).get();
                IdClock { last: MessageId::new(last.saturating_add(gap)), clock: Timestamp::from_ms(clock) }
            }
        };
        Ok(Self { schema, generation: generation.unwrap_or(1), has_generation: generation.is_some(), ids })
    }

    fn write_missing(&self, tables: &Tables, dir: &Path) -> Result<(), OpenError> {
        let mut batch = tables.db.batch().durability(Some(PersistMode::SyncAll));
        let meta = tables.fixed(Table::Meta);
        if self.schema != Some(SCHEMA) {
            batch.insert(meta, meta::SCHEMA, SCHEMA.to_be_bytes());
        }
        if !self.has_generation {
            batch.insert(meta, GENERATION, self.generation.to_be_bytes());
        }
        batch.commit().map_err(|error| damaged(dir, &error))
    }
}
