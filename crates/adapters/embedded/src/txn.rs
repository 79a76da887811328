//! One commit in the making: what the operations of a batch wrote so far, over what the store has.
//! Flow: for each operation `begin` -> reads and writes -> `rollback` if it failed; then `take` everything for one fjall batch.
//! Always true:
//! - an operation sees what earlier ones of the same batch wrote; each key is written at most once per fjall batch, because
//!   all items of one share a sequence number;
//! - an operation that fails leaves no write, no event and no change mark;
//! - `scan` sees only the store: operations that scan are submitted as barriers, so they run on an empty batch.

use crate::cache::{AccountCache, Pair, Tie, TieCache};
use crate::records;
use crate::tables::{Table, Tables};
use fjall::Slice;
use hashbrown::{DefaultHashBuilder, HashTable};
use sotto_ports::{GroupMark, IdClock, LoggedEntry, Queued, Routing, StoreError};
use sotto_types::{AccountId, DeviceAddress, EntryId, GroupId, MessageId, Timestamp};
use std::hash::BuildHasher;
use std::sync::Arc;

pub struct Write {
    pub table: Table,
    pub key: Slice,
    /// None removes.
    pub value: Option<Slice>,
}

/// What to tell the feed; `None` once it was replaced within the batch.
pub type Event = Option<News>;

pub enum News {
    Entry(DeviceAddress, Queued),
    Logged(Arc<LoggedEntry>),
    Marked(GroupId, Vec<GroupMark>),
}

pub struct Txn {
    pub tables: Arc<Tables>,
    routing: Arc<AccountCache<Routing>>,
    ties: Arc<TieCache>,
    writes: Vec<Write>,
    places: HashTable<usize>,
    hasher: DefaultHashBuilder,
    /// What the operation in progress overwrote.
    overwritten: Vec<(usize, Option<Slice>)>,
    events: Vec<Event>,
    /// What the operation in progress took out of `events`.
    withdrawn: Vec<(usize, Event)>,
    /// Accounts whose cached values are outdated once this batch is committed.
    changed: Vec<AccountId>,
    changed_ties: Vec<Pair>,
    changed_groups: Vec<GroupId>,
    ids: IdClock,
    /// The last id before this batch: what is above it was assigned in it.
    ids_before: MessageId,
    durable: bool,
    begun: Begun,
    pub scratch: Vec<u8>,
}

/// Where the operation in progress began.
#[derive(Default, Clone, Copy)]
struct Begun {
    writes: usize,
    events: usize,
    changed: usize,
    changed_ties: usize,
    changed_groups: usize,
}

/// A finished batch.
pub struct Batch {
    pub writes: Vec<Write>,
    pub events: Vec<Event>,
    pub changed: Vec<AccountId>,
    pub changed_ties: Vec<Pair>,
    pub changed_groups: Vec<GroupId>,
    pub durable: bool,
}

impl Txn {
    pub fn new(tables: Arc<Tables>, routing: Arc<AccountCache<Routing>>, ties: Arc<TieCache>, ids: IdClock) -> Self {
        Self {
            tables,
            routing,
            ties,
            writes: Vec::new(),
            places: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            overwritten: Vec::new(),
            events: Vec::new(),
            withdrawn: Vec::new(),
            changed: Vec::new(),
            changed_ties: Vec::new(),
            changed_groups: Vec::new(),
            ids,
            ids_before: ids.last,
            durable: false,
            begun: Begun::default(),
            scratch: Vec::new(),
        }
    }

    pub fn begin(&mut self) {
        self.begun = Begun {
            writes: self.writes.len(),
            events: self.events.len(),
            changed: self.changed.len(),
            changed_ties: self.changed_ties.len(),
            changed_groups: self.changed_groups.len(),
        };
        self.overwritten.clear();
        self.withdrawn.clear();
    }

    /// Undoes the operation in progress. Ids it used stay used.
    pub fn rollback(&mut self) {
        for place in (self.begun.writes..self.writes.len()).rev() {
            if let Some(write) = self.writes.pop() {
                let hash = hash(&self.hasher, write.table, &write.key);
                if let Ok(entry) = self.places.find_entry(hash, |at| *at == place) {
                    entry.remove();
                }
            }
        }
        while let Some((place, value)) = self.overwritten.pop() {
            if let Some(write) = self.writes.get_mut(place) {
                write.value = value;
            }
        }
        while let Some((place, event)) = self.withdrawn.pop() {
            if let Some(slot) = self.events.get_mut(place) {
                *slot = event;
            }
        }
        self.events.truncate(self.begun.events);
        self.changed.truncate(self.begun.changed);
        self.changed_ties.truncate(self.begun.changed_ties);
        self.changed_groups.truncate(self.begun.changed_groups);
    }

    /// Hands over the batch, with the id clock in it if ids were used, and begins the next one.
    pub fn take(&mut self) -> Batch {
        if self.ids.last != self.ids_before {
            self.ids_before = self.ids.last;
            self.put(Table::Meta, crate::ops::meta::CLOCK, &records::two(self.ids.last.get(), self.ids.clock.as_ms()));
        }
        self.places.clear();
        self.overwritten.clear();
        Batch {
            writes: std::mem::take(&mut self.writes),
            events: std::mem::take(&mut self.events),
            changed: std::mem::take(&mut self.changed),
            changed_ties: std::mem::take(&mut self.changed_ties),
            changed_groups: std::mem::take(&mut self.changed_groups),
            durable: std::mem::take(&mut self.durable),
        }
    }

    /// Gives back an emptied buffer, so that its memory is used again.
    pub fn reuse(&mut self, mut writes: Vec<Write>, mut events: Vec<Event>) {
        writes.clear();
        events.clear();
        self.writes = writes;
        self.events = events;
    }

    /// The batch must be on stable storage before its callers are answered.
    pub fn must_be_durable(&mut self) {
        self.durable = true;
    }

    pub fn next_id(&mut self, now: Timestamp, seen: MessageId) -> (MessageId, Timestamp) {
        self.ids.next(now, seen)
    }

    /// Whether an id was assigned in this batch.
    pub fn is_of_this_batch(&self, id: EntryId) -> bool {
        id > self.ids_before.into()
    }

    fn find(&self, table: Table, key: &[u8]) -> Option<&Write> {
        if self.writes.is_empty() {
            return None;
        }
        let same =
            |at: &usize| self.writes.get(*at).is_some_and(|w| w.table.index() == table.index() && *w.key == *key);
        let place = self.places.find(hash(&self.hasher, table, key), same)?;
        self.writes.get(*place)
    }

    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Slice>, StoreError> {
        match self.find(table, key) {
            Some(write) => Ok(write.value.clone()),
            None => self.tables.get(table, key),
        }
    }

    /// The dedup record of a send, in this batch or any generation.
    pub fn find_send(&self, key: &[u8]) -> Result<Option<Slice>, StoreError> {
        // All generations count as one table here, so any number finds a write to any of them.
        match self.find(Table::Dedup(0), key) {
            Some(write) => Ok(write.value.clone()),
            None => self.tables.find_send(key),
        }
    }

    pub fn put(&mut self, table: Table, key: &[u8], value: &[u8]) {
        self.write(table, key, Some(Slice::from(value)));
    }

    pub fn remove(&mut self, table: Table, key: &[u8]) {
        self.write(table, key, None);
    }

    fn write(&mut self, table: Table, key: &[u8], value: Option<Slice>) {
        let hash_of_key = hash(&self.hasher, table, key);
        let writes = &mut self.writes;
        let same = |at: &usize| writes.get(*at).is_some_and(|w| w.table.index() == table.index() && *w.key == *key);
        if let Some(place) = self.places.find(hash_of_key, same).copied() {
            if let Some(write) = writes.get_mut(place) {
                let before = std::mem::replace(&mut write.value, value);
                if place < self.begun.writes {
                    self.overwritten.push((place, before));
                }
            }
            return;
        }
        let place = writes.len();
        writes.push(Write { table, key: Slice::from(key), value });
        let hasher = &self.hasher;
        let rehash = |at: &usize| writes.get(*at).map_or(0, |w| hash(hasher, w.table, &w.key));
        self.places.insert_unique(hash_of_key, place, rehash);
    }

    pub fn publish(&mut self, to: DeviceAddress, entry: Queued) {
        self.tell(News::Entry(to, entry));
    }

    pub fn tell(&mut self, news: News) {
        self.events.push(Some(news));
    }

    /// Forgets an event of this batch whose entry is gone again.
    pub fn unpublish(&mut self, to: DeviceAddress, id: EntryId) {
        let is_it = |event: &Event| match event {
            Some(News::Entry(of, queued)) => *of == to && queued.entry_id == id,
            Some(News::Logged(_) | News::Marked(..)) | None => false,
        };
        if let Some(place) = self.events.iter().rposition(is_it) {
            let event = self.events.get_mut(place).and_then(Option::take);
            self.withdrawn.push((place, event));
        }
    }

    /// Marks cached values of an account as outdated by this batch.
    pub fn changed(&mut self, account: AccountId) {
        self.changed.push(account);
    }

    /// The same for what one account made of another.
    pub fn changed_tie(&mut self, owner: AccountId, other: AccountId) {
        self.changed_ties.push(Pair(owner, other));
    }

    /// The same for a group.
    pub fn changed_group(&mut self, group: GroupId) {
        self.changed_groups.push(group);
    }

    pub fn routing(&self, account: AccountId) -> Result<Option<Arc<Routing>>, StoreError> {
        let load = |record: Option<Slice>| record.map(|record| records::routing(account, &record)).transpose();
        if self.changed.contains(&account) {
            return Ok(load(self.get(Table::Routing, account.as_bytes())?)?.map(Arc::new));
        }
        self.routing.get(account, || load(self.tables.get(Table::Routing, account.as_bytes())?))
    }

    pub fn tie(&self, owner: AccountId, other: AccountId) -> Result<Tie, StoreError> {
        let pair = Pair(owner, other);
        if self.changed_ties.contains(&pair) {
            return crate::ops::people::load_tie(|table, key| Ok(self.get(table, key)?.is_some()), pair);
        }
        self.ties.get(pair, || self.tables.tie(pair).map(Some)).map(|tie| tie.map_or_else(Tie::default, |tie| *tie))
    }

    pub fn is_listed(&self, of: DeviceAddress) -> Result<bool, StoreError> {
        let routing = self.routing(of.account)?;
        Ok(routing.is_some_and(|routing| routing.devices.iter().any(|(id, _, _)| *id == of.device)))
    }

    /// The keys under a prefix in the store; see the module's rules.
    pub fn scan(&self, table: Table, prefix: &[u8]) -> Result<Vec<Slice>, StoreError> {
        let Some(keyspace) = self.tables.keyspace(table) else { return Ok(Vec::new()) };
        // Copied, because a key that was read holds its whole block in memory.
        let copied = |key: Slice| Slice::from(&*key);
        keyspace.prefix(prefix).map(|guard| guard.key().map(copied).map_err(crate::tables::failed)).collect()
    }

    /// Removes everything under a prefix; see the module's rules.
    pub fn clear(&mut self, table: Table, prefix: &[u8]) -> Result<(), StoreError> {
        for key in self.scan(table, prefix)? {
            self.remove(table, &key);
        }
        Ok(())
    }
}

fn hash(hasher: &DefaultHashBuilder, table: Table, key: &[u8]) -> u64 {
    hasher.hash_one((table.index(), key))
}
