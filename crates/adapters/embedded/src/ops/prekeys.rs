use super::Kind;
use crate::EmbeddedStore;
use crate::codec::damaged;
use crate::keys::{self, PreKey};
use crate::records::{self, KeyIndex, OneTimeIds};
use crate::tables::Table;
use crate::txn::Txn;
use async_trait::async_trait;
use fjall::Slice;
use sotto_ports::{KeyCounts, ONE_TIME_MAX, PreKeyStore, PreKeyUpload, StoreError, StoredBundle, StoredSignedPreKey};
use sotto_types::{AccountId, DeviceAddress, DeviceId};
use std::collections::BTreeMap;

#[async_trait]
impl PreKeyStore for EmbeddedStore {
    async fn put_keys(&self, of: DeviceAddress, upload: PreKeyUpload) -> Result<KeyCounts, StoreError> {
        let weight = weight(&upload);
        let change = move |txn: &mut Txn| {
            txn.must_be_durable();
            if !txn.is_listed(of)? {
                return Ok(KeyCounts::default());
            }
            put_keys(txn, of, upload)
        };
        self.submit(Kind::GROWS.weighing(weight), change).await
    }

    async fn take_bundles(&self, of: AccountId, devices: &[DeviceId]) -> Result<Vec<StoredBundle>, StoreError> {
        let devices = devices.to_vec();
        self.submit(Kind::SHRINKS, move |txn| take_bundles(txn, of, &devices)).await
    }

    async fn key_counts(&self, of: DeviceAddress) -> Result<KeyCounts, StoreError> {
        let record = self.tables.get(Table::PreKeys, &keys::prekey(of, PreKey::Index, 0))?;
        Ok(counts(&parse_index(record)?))
    }
}

/// Roughly what an upload weighs in the queue, so that uploads do not crowd out sends unnoticed.
pub(crate) fn weight(upload: &PreKeyUpload) -> usize {
    4096 + 64 * upload.one_time_ec.len() + 1700 * upload.one_time_kyber.len()
}

fn parse_index(record: Option<Slice>) -> Result<KeyIndex, StoreError> {
    record.map_or_else(|| Ok(KeyIndex::default()), |record| records::key_index(&record))
}

fn counts(index: &KeyIndex) -> KeyCounts {
    let count = |ids: &OneTimeIds| u32::try_from(ids.stored.len()).unwrap_or(u32::MAX);
    KeyCounts {
        one_time_ec: count(&index.ec),
        one_time_kyber: count(&index.kyber),
        signed_id: index.signed.unwrap_or_default(),
        last_resort_id: index.last_resort.unwrap_or_default(),
        highest_ec_id: index.ec.highest(),
        highest_kyber_id: index.kyber.highest(),
    }
}

pub(crate) fn put_keys(txn: &mut Txn, of: DeviceAddress, upload: PreKeyUpload) -> Result<KeyCounts, StoreError> {
    let at = keys::prekey(of, PreKey::Index, 0);
    let mut index = parse_index(txn.get(Table::PreKeys, &at)?)?;
    if upload.replace {
        for (kind, ids) in [(PreKey::OneTimeEc, &index.ec), (PreKey::OneTimeKyber, &index.kyber)] {
            for id in &ids.stored {
                txn.remove(Table::PreKeys, &keys::prekey(of, kind, *id));
            }
        }
        index.ec = OneTimeIds::default();
        index.kyber = OneTimeIds::default();
    }
    if let Some(key) = &upload.signed {
        index.signed = Some(key.id);
        txn.put(Table::PreKeys, &keys::prekey(of, PreKey::Signed, 0), &records::put_signed(key));
    }
    if let Some(key) = &upload.last_resort {
        index.last_resort = Some(key.id);
        txn.put(Table::PreKeys, &keys::prekey(of, PreKey::LastResort, 0), &records::put_signed(key));
    }
    let ec = upload.one_time_ec.iter().map(|key| (key.id, key));
    for (id, key) in add(&mut index.ec, ec) {
        txn.put(Table::PreKeys, &keys::prekey(of, PreKey::OneTimeEc, id), &records::put_ec(key));
    }
    let kyber = upload.one_time_kyber.iter().map(|key| (key.id, key));
    for (id, key) in add(&mut index.kyber, kyber) {
        txn.put(Table::PreKeys, &keys::prekey(of, PreKey::OneTimeKyber, id), &records::put_signed(key));
    }
    txn.put(Table::PreKeys, &at, &records::put_key_index(&index));
    Ok(counts(&index))
}

/// Enters the new ids that have room, lowest first, and returns their keys.
fn add<K>(ids: &mut OneTimeIds, keys: impl Iterator<Item = (u32, K)>) -> BTreeMap<u32, K> {
    let mut fresh = BTreeMap::new();
    for (id, key) in keys {
        if !ids.knows(id) {
            fresh.entry(id).or_insert(key);
        }
    }
    while fresh.len() > ONE_TIME_MAX.saturating_sub(ids.stored.len()) {
        fresh.pop_last();
    }
    ids.stored.extend(fresh.keys());
    ids.stored.sort_unstable();
    fresh
}

fn take_bundles(txn: &mut Txn, of: AccountId, devices: &[DeviceId]) -> Result<Vec<StoredBundle>, StoreError> {
    let Some(routing) = txn.routing(of)? else { return Ok(Vec::new()) };
    let mut bundles: Vec<StoredBundle> = Vec::new();
    for device in devices {
        let asked_before = bundles.iter().any(|bundle| bundle.device == *device);
        let listed = routing.devices.iter().find(|(id, _, suspended)| id == device && !suspended);
        if let Some((id, registration_id, _)) = listed.filter(|_| !asked_before) {
            bundles.extend(take_bundle(txn, keys::of(of, *id), *registration_id)?);
        }
    }
    Ok(bundles)
}

fn take_bundle(txn: &mut Txn, of: DeviceAddress, registration_id: u32) -> Result<Option<StoredBundle>, StoreError> {
    let at = keys::prekey(of, PreKey::Index, 0);
    let mut index = parse_index(txn.get(Table::PreKeys, &at)?)?;
    if index.signed.is_none() || index.last_resort.is_none() {
        return Ok(None);
    }
    let signed = read_signed(txn, of, PreKey::Signed, 0)?;
    let one_time_ec = match take(txn, of, PreKey::OneTimeEc, &mut index.ec)? {
        Some(record) => Some(records::ec(&record)?),
        None => None,
    };
    let one_time_kyber = match take(txn, of, PreKey::OneTimeKyber, &mut index.kyber)? {
        Some(record) => Some(records::signed(&record)?),
        None => None,
    };
    if one_time_ec.is_some() || one_time_kyber.is_some() {
        txn.must_be_durable();
        txn.put(Table::PreKeys, &at, &records::put_key_index(&index));
    }
    let kyber_is_last_resort = one_time_kyber.is_none();
    let kyber = match one_time_kyber {
        Some(key) => key,
        None => read_signed(txn, of, PreKey::LastResort, 0)?,
    };
    let left = counts(&index);
    let device = of.device;
    Ok(Some(StoredBundle { device, registration_id, signed, kyber, kyber_is_last_resort, one_time_ec, left }))
}

/// Takes the lowest one-time key out of index and store.
fn take(txn: &mut Txn, of: DeviceAddress, kind: PreKey, ids: &mut OneTimeIds) -> Result<Option<Slice>, StoreError> {
    if ids.stored.is_empty() {
        return Ok(None);
    }
    let id = ids.stored.remove(0);
    ids.hand_out(id);
    let key = keys::prekey(of, kind, id);
    let record = txn.get(Table::PreKeys, &key)?.ok_or_else(|| damaged("a one-time prekey is missing"))?;
    txn.remove(Table::PreKeys, &key);
    Ok(Some(record))
}

fn read_signed(txn: &Txn, of: DeviceAddress, kind: PreKey, id: u32) -> Result<StoredSignedPreKey, StoreError> {
    let record = txn.get(Table::PreKeys, &keys::prekey(of, kind, id))?;
    records::signed(&record.ok_or_else(|| damaged("a prekey is missing"))?)
}

/// The index as a restored store has it: no one-time key left to hand out.
pub(crate) fn without_one_time_keys(record: &[u8]) -> Result<Vec<u8>, StoreError> {
    let mut index = records::key_index(record)?;
    for ids in [&mut index.ec, &mut index.kyber] {
        for id in std::mem::take(&mut ids.stored) {
            ids.hand_out(id);
        }
    }
    Ok(records::put_key_index(&index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_keys_fill_the_room_lowest_first() {
        let mut ids = OneTimeIds { stored: (0..198).collect(), handed_out: vec![(500, 500)] };
        let added = add(&mut ids, [900, 300, 500, 7, 301].into_iter().map(|id| (id, ())));
        assert_eq!(added.into_keys().collect::<Vec<_>>(), [300, 301]);
        assert_eq!(ids.stored.len(), ONE_TIME_MAX);
    }
}
