use super::MemoryStore;
use crate::{KeyCounts, PreKeyStore, PreKeyUpload, StoreError, StoredBundle, StoredEcPreKey, StoredSignedPreKey};
use async_trait::async_trait;
use sotto_types::{AccountId, DeviceAddress, DeviceId};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub(super) struct Keys {
    signed: Option<StoredSignedPreKey>,
    last_resort: Option<StoredSignedPreKey>,
    one_time_ec: OneTime<StoredEcPreKey>,
    one_time_kyber: OneTime<StoredSignedPreKey>,
}

struct OneTime<K> {
    stored: BTreeMap<u32, K>,
    handed_out: BTreeSet<u32>,
}

impl<K> Default for OneTime<K> {
    fn default() -> Self {
        Self { stored: BTreeMap::new(), handed_out: BTreeSet::new() }
    }
}

impl<K> OneTime<K> {
    fn add(&mut self, keys: impl Iterator<Item = (u32, K)>) {
        let mut fresh = BTreeMap::new();
        for (id, key) in keys {
            if !self.handed_out.contains(&id) && !self.stored.contains_key(&id) {
                fresh.entry(id).or_insert(key);
            }
        }
        let room = crate::prekeys::ONE_TIME_MAX.saturating_sub(self.stored.len());
        self.stored.extend(fresh.into_iter().take(room));
    }

    fn highest(&self) -> u32 {
        let stored = self.stored.last_key_value().map(|(id, _)| *id);
        stored.max(self.handed_out.last().copied()).unwrap_or_default()
    }

    fn take(&mut self) -> Option<K> {
        let (id, key) = self.stored.pop_first()?;
        self.handed_out.insert(id);
        Some(key)
    }
}

impl Keys {
    pub fn put(&mut self, upload: PreKeyUpload) -> KeyCounts {
        if upload.replace {
            self.one_time_ec = OneTime::default();
            self.one_time_kyber = OneTime::default();
        }
        self.signed = upload.signed.or(self.signed.take());
        self.last_resort = upload.last_resort.or(self.last_resort.take());
        self.one_time_ec.add(upload.one_time_ec.into_iter().map(|key| (key.id, key)));
        self.one_time_kyber.add(upload.one_time_kyber.into_iter().map(|key| (key.id, key)));
        self.counts()
    }

    fn take(&mut self, device: DeviceId, registration_id: u32) -> Option<StoredBundle> {
        let signed = self.signed.clone()?;
        let last_resort = self.last_resort.clone()?;
        let kyber = self.one_time_kyber.take();
        Some(StoredBundle {
            device,
            registration_id,
            signed,
            kyber_is_last_resort: kyber.is_none(),
            kyber: kyber.unwrap_or(last_resort),
            one_time_ec: self.one_time_ec.take(),
            left: self.counts(),
        })
    }

    fn counts(&self) -> KeyCounts {
        KeyCounts {
            one_time_ec: u32::try_from(self.one_time_ec.stored.len()).unwrap_or(u32::MAX),
            one_time_kyber: u32::try_from(self.one_time_kyber.stored.len()).unwrap_or(u32::MAX),
            signed_id: self.signed.as_ref().map_or(0, |key| key.id),
            last_resort_id: self.last_resort.as_ref().map_or(0, |key| key.id),
            highest_ec_id: self.one_time_ec.highest(),
            highest_kyber_id: self.one_time_kyber.highest(),
        }
    }
}

#[async_trait]
impl PreKeyStore for MemoryStore {
    async fn put_keys(&self, of: DeviceAddress, upload: PreKeyUpload) -> Result<KeyCounts, StoreError> {
        let mut state = self.state.lock();
        let device = state.accounts.get_mut(&of.account).and_then(|account| account.devices.get_mut(&of.device));
        Ok(device.map_or_else(KeyCounts::default, |device| device.keys.put(upload)))
    }

    async fn take_bundles(&self, of: AccountId, devices: &[DeviceId]) -> Result<Vec<StoredBundle>, StoreError> {
        let mut state = self.state.lock();
        let Some(account) = state.accounts.get_mut(&of) else { return Ok(Vec::new()) };
        let mut bundles: Vec<StoredBundle> = Vec::new();
        for id in devices {
            let asked_before = bundles.iter().any(|bundle| bundle.device == *id);
            if let Some(device) = account.devices.get_mut(id).filter(|d| !d.device.suspended && !asked_before) {
                bundles.extend(device.keys.take(*id, device.device.listed.registration_id));
            }
        }
        Ok(bundles)
    }

    async fn key_counts(&self, of: DeviceAddress) -> Result<KeyCounts, StoreError> {
        let state = self.state.lock();
        let device = state.accounts.get(&of.account).and_then(|account| account.devices.get(&of.device));
        Ok(device.map_or_else(KeyCounts::default, |device| device.keys.counts()))
    }
}
