use super::Kind;
use super::directory::others;
use super::inbox::tell_steps;
use crate::EmbeddedStore;
use crate::cache::{Pair, Tie};
use crate::tables::Table;
use crate::txn::Txn;
use crate::{keys, people_records, records};
use async_trait::async_trait;
use fjall::Slice;
use sotto_ports::{ContactChange, PeopleStore, Privacy, Profile, StoreError, WatermarkKind};
use sotto_types::AccountId;
use std::sync::Arc;

#[async_trait]
impl PeopleStore for EmbeddedStore {
    async fn set_contact(&self, change: ContactChange) -> Result<bool, StoreError> {
        // In its turn, so behind the acks that are held: what they move is there to be told.
        let kind = if change.is_contact { Kind::GROWS } else { Kind::SHRINKS };
        self.submit(kind, move |txn| set_contact(txn, change)).await
    }

    async fn is_contact(&self, owner: AccountId, other: AccountId) -> Result<bool, StoreError> {
        Ok(self.tie(owner, other)?.is_contact)
    }

    async fn contacts(&self, owner: AccountId) -> Result<Vec<AccountId>, StoreError> {
        others(&self.tables, Table::Contacts, owner)
    }

    async fn privacy(&self, of: AccountId) -> Result<Arc<Privacy>, StoreError> {
        let load = || privacy(self.tables.get(Table::Privacy, of.as_bytes())?).map(Some);
        Ok(self.privacy.get(of, load)?.unwrap_or_default())
    }

    async fn set_privacy(&self, of: AccountId, new: Privacy) -> Result<bool, StoreError> {
        let change = move |txn: &mut Txn| {
            let current = privacy(txn.get(Table::Privacy, of.as_bytes())?)?;
            if txn.routing(of)?.is_none() || current.version.checked_add(1) != Some(new.version) {
                return Ok(false);
            }
            txn.must_be_durable();
            txn.put(Table::Privacy, of.as_bytes(), &people_records::put_privacy(&new));
            txn.changed(of);
            Ok(true)
        };
        self.submit(Kind::GROWS, change).await
    }

    async fn profile(&self, of: AccountId) -> Result<Option<Profile>, StoreError> {
        profile(self.tables.get(Table::Profiles, of.as_bytes())?)
    }

    async fn put_profile(&self, of: AccountId, new: Profile) -> Result<bool, StoreError> {
        let weight = new.ciphertext.len() + 256;
        let change = move |txn: &mut Txn| {
            if txn.routing(of)?.is_none() {
                return Ok(false);
            }
            // Also when the same is in this very batch already.
            txn.must_be_durable();
            if let Some(stored) = profile(txn.get(Table::Profiles, of.as_bytes())?)?
                && stored.version >= new.version
            {
                return Ok(stored == new);
            }
            txn.put(Table::Profiles, of.as_bytes(), &people_records::put_profile(&new));
            Ok(true)
        };
        self.submit(Kind::GROWS.weighing(weight), change).await
    }
}

impl EmbeddedStore {
    pub(super) fn tie(&self, owner: AccountId, other: AccountId) -> Result<Tie, StoreError> {
        let pair = Pair(owner, other);
        let tie = self.ties.get(pair, || self.tables.tie(pair).map(Some))?;
        Ok(tie.map_or_else(Tie::default, |tie| *tie))
    }
}

pub fn load_tie(
    has: impl Fn(Table, &[u8]) -> Result<bool, StoreError>,
    Pair(owner, other): Pair,
) -> Result<Tie, StoreError> {
    let key = keys::pair(owner, other);
    Ok(Tie { is_contact: has(Table::Contacts, &key)?, is_blocked: has(Table::Blocks, &key)? })
}

fn privacy(record: Option<Slice>) -> Result<Privacy, StoreError> {
    record.map_or_else(|| Ok(Privacy::default()), |record| people_records::privacy(&record))
}

fn profile(record: Option<Slice>) -> Result<Option<Profile>, StoreError> {
    record.map(|record| people_records::profile(&record)).transpose()
}

fn set_contact(txn: &mut Txn, change: ContactChange) -> Result<bool, StoreError> {
    let ContactChange { owner, other, is_contact, tell, tell_read, at } = change;
    // Also when it is done already in this very batch: its answer must be as durable as ours.
    txn.must_be_durable();
    if txn.tie(owner, other)?.is_contact == is_contact || (is_contact && txn.routing(owner)?.is_none()) {
        return Ok(false);
    }
    let pair = keys::pair(owner, other);
    txn.changed_tie(owner, other);
    if !is_contact {
        txn.remove(Table::Contacts, &pair);
        return Ok(true);
    }
    txn.put(Table::Contacts, &pair, &[crate::codec::V1]);
    let mut steps = Vec::new();
    for kind in [Some(WatermarkKind::Delivered), tell_read.then_some(WatermarkKind::Read)].into_iter().flatten() {
        if let Some(mark) = txn.get(Table::Watermarks, &keys::watermark(other, owner, kind))? {
            steps.push((kind, records::step(&mark)?));
        }
    }
    if !steps.is_empty() {
        for (to, conversation) in tell {
            tell_steps(txn, to, conversation, owner, &steps, at)?;
        }
    }
    Ok(true)
}
