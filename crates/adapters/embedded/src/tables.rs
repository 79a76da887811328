//! The keyspaces, and the rolling generations of dedup records.
//!
//! Dedup records are written once, asked for on every send and forgotten by age. A generation is a keyspace of its own for
//! 3.5 days of commits; a look-up asks the two or three that exist, newest first (a miss costs a bloom filter each), and
//! forgetting drops a whole keyspace: no delete per record, no second index, no scan. The price is that a record lives 7 to
//! 10.5 days instead of exactly 7, which the contract allows.

use crate::EmbeddedConfig;
use crate::cache::{Pair, Tie};
use crate::ops::people::load_tie;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, Slice, config::CompressionPolicy};
use parking_lot::RwLock;
use sotto_ports::StoreError;
use sotto_types::{Timestamp, limits};

/// How much wall time one dedup generation covers.
const GENERATION_MS: u64 = limits::DEDUP_RETENTION.as_secs() * 1000 / 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Table {
    Inbox,
    Receipts,
    Watermarks,
    Accounts,
    Routing,
    Lists,
    Devices,
    Names,
    PreKeys,
    Blocks,
    Invites,
    Expiry,
    Groups,
    GroupHeads,
    GroupOps,
    GroupLog,
    GroupDays,
    GroupMarks,
    Memberships,
    Cursors,
    Contacts,
    Privacy,
    Profiles,
    Reports,
    Meta,
    /// Generation of dedup records.
    Dedup(u32),
}

impl Table {
    /// Every table with one keyspace, in backup order.
    pub const FIXED: [Self; 25] = [
        Self::Inbox,
        Self::Receipts,
        Self::Watermarks,
        Self::Accounts,
        Self::Routing,
        Self::Lists,
        Self::Devices,
        Self::Names,
        Self::PreKeys,
        Self::Blocks,
        Self::Invites,
        Self::Expiry,
        Self::Groups,
        Self::GroupHeads,
        Self::GroupOps,
        Self::GroupLog,
        Self::GroupDays,
        Self::GroupMarks,
        Self::Memberships,
        Self::Cursors,
        Self::Contacts,
        Self::Privacy,
        Self::Profiles,
        Self::Reports,
        Self::Meta,
    ];
    pub const COUNT: usize = Self::FIXED.len() + 1;

    /// For counters; all dedup generations share one.
    pub fn index(self) -> usize {
        match self {
            Self::Inbox => 0,
            Self::Receipts => 1,
            Self::Watermarks => 2,
            Self::Accounts => 3,
            Self::Routing => 4,
            Self::Lists => 5,
            Self::Devices => 6,
            Self::Names => 7,
            Self::PreKeys => 8,
            Self::Blocks => 9,
            Self::Invites => 10,
            Self::Expiry => 11,
            Self::Groups => 12,
            Self::GroupHeads => 13,
            Self::GroupOps => 14,
            Self::GroupLog => 15,
            Self::GroupDays => 16,
            Self::GroupMarks => 17,
            Self::Memberships => 18,
            Self::Cursors => 19,
            Self::Contacts => 20,
            Self::Privacy => 21,
            Self::Profiles => 22,
            Self::Reports => 23,
            Self::Meta => 24,
            Self::Dedup(_) => 25,
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Receipts => "receipts",
            Self::Watermarks => "watermarks",
            Self::Accounts => "accounts",
            Self::Routing => "routing",
            Self::Lists => "lists",
            Self::Devices => "devices",
            Self::Names => "names",
            Self::PreKeys => "prekeys",
            Self::Blocks => "blocks",
            Self::Invites => "invites",
            Self::Expiry => "expiry",
            Self::Groups => "groups",
            Self::GroupHeads => "group_heads",
            Self::GroupOps => "group_ops",
            Self::GroupLog => "group_log",
            Self::GroupDays => "group_days",
            Self::GroupMarks => "group_marks",
            Self::Memberships => "memberships",
            Self::Cursors => "cursors",
            Self::Contacts => "contacts",
            Self::Privacy => "privacy",
            Self::Profiles => "profiles",
            Self::Reports => "reports",
            Self::Meta => "meta",
            Self::Dedup(_) => "dedup",
        }
    }

    /// The first schema that has it.
    pub fn since_schema(self) -> u32 {
        match self {
            Self::Groups
            | Self::GroupHeads
            | Self::GroupOps
            | Self::GroupLog
            | Self::GroupDays
            | Self::GroupMarks
            | Self::Memberships
            | Self::Cursors => 3,
            Self::Contacts | Self::Privacy | Self::Profiles | Self::Reports => 5,
            _ => 2,
        }
    }

    /// The keyspace's name, and the table's in a backup.
    pub fn name(self) -> String {
        match self {
            Self::Dedup(generation) => format!("dedup-{generation}"),
            fixed => fixed.label().to_owned(),
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        if let Some(generation) = name.strip_prefix("dedup-") {
            return generation.parse().ok().map(Self::Dedup);
        }
        Self::FIXED.into_iter().find(|table| table.label() == name)
    }

    /// The dedup generation that commits at `now` belong to.
    pub fn dedup_at(now: Timestamp) -> u32 {
        u32::try_from(now.as_ms() / GENERATION_MS).unwrap_or(u32::MAX)
    }

    /// Whether every record of a dedup generation is past its time.
    pub fn dedup_is_over(generation: u32, now: Timestamp) -> bool {
        let end_ms = (u64::from(generation) + 1) * GENERATION_MS;
        Timestamp::from_ms(end_ms).plus(limits::DEDUP_RETENTION) <= now
    }
}

/// Turns a read error into ours: nothing was changed, the caller may try again.
pub fn failed(error: fjall::Error) -> StoreError {
    StoreError::Failed(format!("{error:?}"))
}

pub struct Tables {
    pub db: Database,
    memtable_bytes: u64,
    fixed: Vec<Keyspace>,
    /// Newest first.
    dedup: RwLock<Vec<(u32, Keyspace)>>,
}

impl Tables {
    pub fn open(db: Database, config: &EmbeddedConfig) -> Result<Self, fjall::Error> {
        let mut tables =
            Self { db, memtable_bytes: config.memtable_bytes, fixed: Vec::new(), dedup: RwLock::default() };
        for table in Table::FIXED {
            let keyspace = tables.open_keyspace(table)?;
            tables.fixed.push(keyspace);
        }
        let names = tables.db.list_keyspace_names();
        for name in names {
            if let Some(Table::Dedup(generation)) = Table::parse(&name) {
                tables.ensure_dedup(generation)?;
            }
        }
        Ok(tables)
    }

    fn open_keyspace(&self, table: Table) -> Result<Keyspace, fjall::Error> {
        // Ciphertext does not compress, and trying costs CPU.
        let options = || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(self.memtable_bytes)
                .data_block_compression_policy(CompressionPolicy::disabled())
        };
        self.db.keyspace(&table.name(), options)
    }

    /// The keyspace of a table; none for a dedup generation that was dropped.
    pub fn keyspace(&self, table: Table) -> Option<Keyspace> {
        match table {
            Table::Dedup(generation) => {
                self.dedup.read().iter().find(|(number, _)| *number == generation).map(|(_, keyspace)| keyspace.clone())
            }
            fixed => self.fixed.get(fixed.index()).cloned(),
        }
    }

    pub fn fixed(&self, table: Table) -> &Keyspace {
        self.fixed.get(table.index()).expect("every fixed table was opened; dedup is asked for elsewhere")
    }

    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Slice>, StoreError> {
        match table {
            Table::Dedup(_) => self.keyspace(table).map_or(Ok(None), |keyspace| keyspace.get(key)).map_err(failed),
            fixed => self.fixed(fixed).get(key).map_err(failed),
        }
    }

    /// Of what is committed.
    pub fn tie(&self, pair: Pair) -> Result<Tie, StoreError> {
        load_tie(|table, key| self.fixed(table).contains_key(key).map_err(failed), pair)
    }

    /// Asks the dedup generations, newest first.
    pub fn find_send(&self, key: &[u8]) -> Result<Option<Slice>, StoreError> {
        for (_, keyspace) in self.dedup.read().iter() {
            if let Some(record) = keyspace.get(key).map_err(failed)? {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    pub fn dedup_generations(&self) -> Vec<u32> {
        self.dedup.read().iter().map(|(generation, _)| *generation).collect()
    }

    pub fn ensure_dedup(&self, generation: u32) -> Result<(), fjall::Error> {
        if self.dedup.read().iter().any(|(number, _)| *number == generation) {
            return Ok(());
        }
        let keyspace = self.open_keyspace(Table::Dedup(generation))?;
        let mut dedup = self.dedup.write();
        let place = dedup.partition_point(|(number, _)| *number > generation);
        dedup.insert(place, (generation, keyspace));
        Ok(())
    }

    /// Drops a generation with all its records. Returns about how many there were.
    pub fn drop_dedup(&self, generation: u32) -> Result<usize, fjall::Error> {
        let gone = {
            let mut dedup = self.dedup.write();
            let place = dedup.iter().position(|(number, _)| *number == generation);
            place.map(|place| dedup.remove(place))
        };
        let Some((_, keyspace)) = gone else { return Ok(0) };
        let records = keyspace.approximate_len();
        self.db.delete_keyspace(keyspace)?;
        Ok(records)
    }

    /// Every table there is now.
    pub fn all(&self) -> Vec<(Table, Keyspace)> {
        let mut all: Vec<_> = Table::FIXED.into_iter().map(|table| (table, self.fixed(table).clone())).collect();
        all.extend(
            self.dedup.read().iter().map(|(generation, keyspace)| (Table::Dedup(*generation), keyspace.clone())),
        );
        all
    }
}
