//! Backups: a consistent copy of a running store in a folder of plain files, and the way back.
//!
//! The folder: one `NAME.part` per keyspace, then, written last, `manifest.json` (format, schema, generation, time; for each
//! part its records, bytes and SHA-256). A folder without a manifest is a backup that did not finish. A part is the eight
//! bytes `SOTTOBK1`, then for each record: key length (2 bytes), value length (4), key, value; numbers big-endian.
//! Flow: one fjall snapshot over all keyspaces -> parts, each synced -> manifest -> rename. Restoring verifies every part
//! before it writes anything.
//! Always true:
//! - writes go on meanwhile, and the copy has every commit up to one moment and none after it;
//! - a restored store has no one-time prekey (the originals may have been handed out since), and a generation that no
//!   client has seen, also after other restores of the same backup, which makes clients replace their keys.

use crate::open::{self, OpenError, SCHEMA, SCHEMA_OLDEST};
use crate::ops::meta::{GENERATION, SCHEMA as SCHEMA_KEY};
use crate::ops::prekeys::without_one_time_keys;
use crate::tables::{Table, Tables};
use crate::{EmbeddedConfig, EmbeddedStore};
use fjall::{PersistMode, Readable};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sotto_ports::StoreError;
use sotto_types::Timestamp;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const FORMAT: u32 = 1;
const MAGIC: &[u8; 8] = b"SOTTOBK1";
const MANIFEST: &str = "manifest.json";
/// Larger than any record; a part that claims more is damaged.
const VALUE_MAX: u32 = 16 << 20;
/// What a restore writes in one commit.
const RESTORE_BATCH_BYTES: usize = 1 << 20;

/// Why a backup or a restore failed; each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{dir} is not empty. Name a new or empty folder for the backup", dir = dir.display())]
    TargetNotEmpty { dir: PathBuf },
    #[error("{dir} has no finished backup: its manifest.json is missing. Use another backup", dir = dir.display())]
    Incomplete { dir: PathBuf },
    #[error("the backup is damaged: {file}: {what}. Use another backup", file = file.display())]
    Damaged { file: PathBuf, what: String },
    #[error(
        "the backup was made by a newer version (schema {found}; this one knows {known}). Install that version first"
    )]
    Newer { found: u32, known: u32 },
    #[error("cannot {doing} {path}: {source}. Check that the folder is writable and the disk has room", path = path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("the store could not be read: {0}")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Target(#[from] OpenError),
}

/// How far a backup or restore is, told after each keyspace and every 10,000 records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupProgress {
    pub step: &'static str,
    pub table: String,
    pub records: u64,
    pub bytes: u64,
}

/// What was copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BackupSummary {
    pub records: u64,
    pub bytes: u64,
    /// Of the backup, or of the restored store.
    pub generation: u32,
}

pub type OnProgress<'a> = &'a mut dyn FnMut(&BackupProgress);

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    schema: u32,
    generation: u32,
    created_ms: u64,
    parts: Vec<Part>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    table: String,
    records: u64,
    bytes: u64,
    sha256: String,
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Io { doing, path, source }
}

fn part_path(dir: &Path, table: Table) -> PathBuf {
    dir.join(format!("{}.part", table.name()))
}

impl EmbeddedStore {
    /// Copies the store into `to`, a new or empty folder, while writes go on. Blocks: call it off the async threads.
    pub fn backup(&self, to: &Path, now: Timestamp, progress: OnProgress) -> Result<BackupSummary, BackupError> {
        make_private_dir(to)?;
        let mut entries = fs::read_dir(to).map_err(io_error("list", to))?;
        if entries.next().is_some() {
            return Err(BackupError::TargetNotEmpty { dir: to.to_owned() });
        }
        // In this order: a dedup generation that begins in between is empty in the snapshot, not missing from the copy.
        let snapshot = self.tables.db.snapshot();
        let tables = self.tables.all();
        let mut parts = Vec::with_capacity(tables.len());
        for (table, keyspace) in tables {
            let path = part_path(to, table);
            let mut writer = PartWriter::create(&path)?;
            for guard in snapshot.iter(&keyspace) {
                let (key, value) = guard.into_inner().map_err(crate::tables::failed)?;
                writer.record(&key, &value).map_err(io_error("write", &path))?;
                if writer.records % 10_000 == 0 {
                    progress(&writer.progress("copying", table));
                }
            }
            progress(&writer.progress("copying", table));
            parts.push(writer.finish(table).map_err(io_error("write", &path))?);
        }
        let manifest =
            Manifest { format: FORMAT, schema: SCHEMA, generation: self.generation, created_ms: now.as_ms(), parts };
        write_manifest(to, &manifest)?;
        Ok(manifest.summary(self.generation))
    }
}

impl Manifest {
    fn summary(&self, generation: u32) -> BackupSummary {
        let add = |sum: BackupSummary, part: &Part| BackupSummary {
            records: sum.records.saturating_add(part.records),
            bytes: sum.bytes.saturating_add(part.bytes),
            generation,
        };
        self.parts.iter().fold(BackupSummary { generation, ..BackupSummary::default() }, add)
    }
}

/// A backup has the server's secrets in it: nobody else may read it.
fn make_private_dir(dir: &Path) -> Result<(), BackupError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io_error("create", dir))
}

fn create_private(path: &Path) -> io::Result<File> {
    File::options().write(true).create_new(true).mode(0o600).open(path)
}

fn write_manifest(dir: &Path, manifest: &Manifest) -> Result<(), BackupError> {
    let (path, draft) = (dir.join(MANIFEST), dir.join("manifest.json.new"));
    let write = || {
        let mut file = create_private(&draft)?;
        serde_json::to_writer_pretty(&mut file, manifest)?;
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        File::open(dir)?.sync_all()
    };
    write().map_err(io_error("write", &path))
}

struct PartWriter {
    out: BufWriter<File>,
    hash: Sha256,
    records: u64,
    bytes: u64,
}

impl PartWriter {
    fn create(path: &Path) -> Result<Self, BackupError> {
        let file = create_private(path).map_err(io_error("create", path))?;
        let mut part = Self { out: BufWriter::with_capacity(1 << 16, file), hash: Sha256::new(), records: 0, bytes: 0 };
        part.write(MAGIC).map_err(io_error("write", path))?;
        Ok(part)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.out.write_all(bytes)
    }

    fn record(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let key_len = u16::try_from(key.len()).map_err(|_| io::Error::other("a key is too long"))?;
        let value_len = u32::try_from(value.len()).map_err(|_| io::Error::other("a value is too long"))?;
        self.write(&key_len.to_be_bytes())?;
        self.write(&value_len.to_be_bytes())?;
        self.write(key)?;
        self.write(value)?;
        self.records += 1;
        Ok(())
    }

    fn progress(&self, step: &'static str, table: Table) -> BackupProgress {
        BackupProgress { step, table: table.name(), records: self.records, bytes: self.bytes }
    }

    fn finish(mut self, table: Table) -> io::Result<Part> {
        self.out.flush()?;
        self.out.get_ref().sync_all()?;
        let sha256 = hex::encode(self.hash.finalize());
        Ok(Part { table: table.name(), records: self.records, bytes: self.bytes, sha256 })
    }
}

/// Reads the records of a part, hashing what it reads.
pub(crate) struct PartReader<R> {
    input: R,
    hash: Sha256,
    pub records: u64,
    pub bytes: u64,
}

/// Key and value.
type Record = (Vec<u8>, Vec<u8>);

/// Why a part does not read.
#[derive(Debug)]
pub(crate) enum PartError {
    Io(io::Error),
    Damaged(&'static str),
}

impl<R: Read> PartReader<R> {
    pub fn begin(input: R) -> Result<Self, PartError> {
        let mut reader = Self { input, hash: Sha256::new(), records: 0, bytes: 0 };
        let mut magic = [0; MAGIC.len()];
        if reader.fill(&mut magic)? != magic.len() || magic != *MAGIC {
            return Err(PartError::Damaged("it is not part of a backup"));
        }
        Ok(reader)
    }

    /// Reads as much as there is.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, PartError> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.input.read(rest) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(PartError::Io(error)),
            }
        }
        self.hash.update(buffer.get(..filled).unwrap_or_default());
        self.bytes += u64::try_from(filled).unwrap_or(u64::MAX);
        Ok(filled)
    }

    /// The next record, or none at the end.
    pub fn next(&mut self) -> Result<Option<Record>, PartError> {
        const CUT: PartError = PartError::Damaged("it is cut off");
        let mut head = [0; 6];
        match self.fill(&mut head)? {
            0 => return Ok(None),
            6 => {}
            _ => return Err(CUT),
        }
        let [k0, k1, v0, v1, v2, v3] = head;
        let (key_len, value_len) = (u16::from_be_bytes([k0, k1]), u32::from_be_bytes([v0, v1, v2, v3]));
        if key_len == 0 || value_len > VALUE_MAX {
            return Err(PartError::Damaged("a record has an impossible length"));
        }
        let mut key = vec![0; usize::from(key_len)];
        let mut value = vec![0; usize::try_from(value_len).map_err(|_| CUT)?];
        if self.fill(&mut key)? != key.len() || self.fill(&mut value)? != value.len() {
            return Err(CUT);
        }
        self.records += 1;
        Ok(Some((key, value)))
    }

    fn sha256(self) -> String {
        hex::encode(self.hash.finalize())
    }
}

fn read_manifest(from: &Path) -> Result<Manifest, BackupError> {
    let path = from.join(MANIFEST);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(BackupError::Incomplete { dir: from.to_owned() });
        }
        Err(error) => return Err(io_error("read", &path)(error)),
    };
    parse_manifest(&bytes).map_err(|what| match what {
        ManifestError::Newer(found) => BackupError::Newer { found, known: SCHEMA },
        ManifestError::Damaged(what) => BackupError::Damaged { file: path, what },
    })
}

enum ManifestError {
    Newer(u32),
    Damaged(String),
}

fn parse_manifest(bytes: &[u8]) -> Result<Manifest, ManifestError> {
    /// What every version's manifest has.
    #[derive(Deserialize)]
    struct Head {
        format: u32,
        schema: u32,
    }
    let damaged = |error: serde_json::Error| ManifestError::Damaged(error.to_string());
    let head: Head = serde_json::from_slice(bytes).map_err(damaged)?;
    if head.format > FORMAT || head.schema > SCHEMA {
        return Err(ManifestError::Newer(head.schema));
    }
    if head.schema < SCHEMA_OLDEST {
        return Err(ManifestError::Damaged(format!("schema {}, of a version before the first release", head.schema)));
    }
    let manifest: Manifest = serde_json::from_slice(bytes).map_err(damaged)?;
    let mut seen = BTreeSet::new();
    for part in &manifest.parts {
        if Table::parse(&part.table).is_none_or(|table| table.name() != part.table) || !seen.insert(&*part.table) {
            return Err(ManifestError::Damaged(format!("unknown or repeated part {:?}", part.table)));
        }
    }
    let needed = |table: &Table| table.since_schema() <= manifest.schema && !seen.contains(table.label());
    if let Some(missing) = Table::FIXED.into_iter().find(needed) {
        return Err(ManifestError::Damaged(format!("part {:?} is missing", missing.label())));
    }
    Ok(manifest)
}

/// Whether bytes are a manifest; for fuzzing.
pub(crate) fn is_manifest(bytes: &[u8]) -> bool {
    parse_manifest(bytes).is_ok()
}

/// The generation of a store that is restored at `now`: unlike every earlier one, of which the backup knows only its own.
/// The time is what two restores of one backup differ in, and it rises: seconds since 1970, which fit until 2106.
///
/// A clock that stands before the backup was made (no battery, no network yet) says nothing about the order. Then the
/// milliseconds, in which even wrong clocks differ, choose one of 65,536 numbers above what the backup knows. It may be lower
/// than that of a restore in between: clients take any other generation than theirs for a restore, not only a higher one.
fn next_generation(manifest: &Manifest, now: Timestamp) -> u32 {
    let seconds = |ms: u64| u32::try_from(ms / 1000).unwrap_or(u32::MAX);
    let known = manifest.generation.max(seconds(manifest.created_ms));
    if seconds(now.as_ms()) > known {
        return seconds(now.as_ms());
    }
    let differs = u32::try_from(now.as_ms() % 65_536).unwrap_or_default();
    known.saturating_add(1).saturating_add(differs)
}

/// Makes a store in `config.dir`, a new or empty folder, from a finished backup. No server may run there. Blocks.
pub fn restore(
    from: &Path,
    config: &EmbeddedConfig,
    now: Timestamp,
    progress: OnProgress,
) -> Result<BackupSummary, BackupError> {
    let manifest = read_manifest(from)?;
    let parts: Vec<(Table, &Part)> =
        manifest.parts.iter().filter_map(|part| Some((Table::parse(&part.table)?, part))).collect();
    for (table, part) in &parts {
        verify(from, *table, part, progress)?;
    }
    let generation = next_generation(&manifest, now);
    let (lock, tables) = open::begin_restore(config)?;
    for (table, _) in &parts {
        copy_back(from, *table, &tables, progress)?;
    }
    let failed = |error: fjall::Error| BackupError::Store(crate::tables::failed(error));
    let mut batch = tables.db.batch().durability(Some(PersistMode::SyncAll));
    batch.insert(tables.fixed(Table::Meta), GENERATION, generation.to_be_bytes());
    batch.insert(tables.fixed(Table::Meta), SCHEMA_KEY, SCHEMA.to_be_bytes());
    batch.commit().map_err(failed)?;
    open::finish_restore(&config.dir, &tables)?;
    drop(tables);
    drop(lock);
    Ok(manifest.summary(generation))
}

fn open_part(from: &Path, table: Table) -> Result<(PathBuf, PartReader<BufReader<File>>), BackupError> {
    let path = part_path(from, table);
    let file = File::open(&path).map_err(io_error("open", &path))?;
    let reader = PartReader::begin(BufReader::with_capacity(1 << 16, file)).map_err(part_error(&path))?;
    Ok((path, reader))
}

fn part_error(path: &Path) -> impl FnOnce(PartError) -> BackupError {
    let path = path.to_owned();
    move |error| match error {
        PartError::Io(source) => BackupError::Io { doing: "read", path, source },
        PartError::Damaged(what) => BackupError::Damaged { file: path, what: what.to_owned() },
    }
}

fn verify(from: &Path, table: Table, part: &Part, progress: OnProgress) -> Result<(), BackupError> {
    let (path, mut reader) = open_part(from, table)?;
    while reader.next().map_err(part_error(&path))?.is_some() {}
    let (records, bytes) = (reader.records, reader.bytes);
    progress(&BackupProgress { step: "verifying", table: table.name(), records, bytes });
    if records != part.records || bytes != part.bytes || reader.sha256() != part.sha256 {
        return Err(BackupError::Damaged { file: path, what: "its checksum does not match the manifest".into() });
    }
    Ok(())
}

fn copy_back(from: &Path, table: Table, tables: &Tables, progress: OnProgress) -> Result<(), BackupError> {
    let failed = |error: fjall::Error| BackupError::Store(crate::tables::failed(error));
    if let Table::Dedup(generation) = table {
        tables.ensure_dedup(generation).map_err(failed)?;
    }
    let keyspace = tables.keyspace(table).ok_or(StoreError::Failed("a keyspace is missing".into()))?;
    let (path, mut reader) = open_part(from, table)?;
    let mut batch = tables.db.batch();
    let mut bytes = 0;
    while let Some((key, value)) = reader.next().map_err(part_error(&path))? {
        let value = match table {
            Table::PreKeys => match key.get(crate::keys::DEVICE) {
                Some(kind) if *kind == crate::keys::PreKey::Index as u8 => without_one_time_keys(&value)?,
                Some(3 | 4) => continue,
                _ => value,
            },
            _ => value,
        };
        bytes += key.len() + value.len();
        batch.insert(&keyspace, key, value);
        if bytes >= RESTORE_BATCH_BYTES {
            std::mem::replace(&mut batch, tables.db.batch()).commit().map_err(failed)?;
            bytes = 0;
        }
    }
    batch.commit().map_err(failed)?;
    progress(&BackupProgress { step: "restoring", table: table.name(), records: reader.records, bytes: reader.bytes });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_restore_has_a_generation_of_its_own() {
        const BACKUP_S: u32 = 1_800_000_000;
        let manifest = |generation, created_s: u32| Manifest {
            format: FORMAT,
            schema: SCHEMA,
            generation,
            created_ms: u64::from(created_s) * 1000 + 999,
            parts: Vec::new(),
        };
        let restored = |manifest: &Manifest, now_ms: u64| next_generation(manifest, Timestamp::from_ms(now_ms));
        // A backup of a server that was never restored, and of one that was.
        for generation in [1, BACKUP_S - 60] {
            let backup = manifest(generation, BACKUP_S);
            let mut last = generation;
            for later_s in [1, 2, 3600, 1_000_000_000] {
                let next = restored(&backup, u64::from(BACKUP_S + later_s) * 1000);
                assert!(next > last && next > BACKUP_S, "{next} after {last}");
                last = next;
            }
        }
        // The clock stands in 1970, or where it stood when the backup was made; the backup's stood too far ahead.
        for (backup, now_ms) in [
            (manifest(1, BACKUP_S), 5_000),
            (manifest(1, BACKUP_S), u64::from(BACKUP_S) * 1000),
            (manifest(BACKUP_S + 500, BACKUP_S), u64::from(BACKUP_S + 500) * 1000),
            (manifest(1, u32::MAX - 70_000), u64::from(BACKUP_S) * 1000),
        ] {
            let (first, second) = (restored(&backup, now_ms), restored(&backup, now_ms + 12_345));
            let known = backup.generation.max(u32::try_from(backup.created_ms / 1000).expect("a time of this century"));
            assert!(first > known && second > known && first != second, "{first} {second} after {known}");
        }
        assert_eq!(restored(&manifest(1, BACKUP_S), u64::MAX), u32::MAX);
    }
}
