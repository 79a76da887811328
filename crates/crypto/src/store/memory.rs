use super::{BaseKeyUse, DistributionId, KyberPreKeyRecord, ProtocolStore, StoreFailure};
use crate::identity::{IdentityKey, IdentityKeyPair};
use crate::prekeys::{DevicePreKeys, EcPreKeyId, KyberPreKeyId, SignedPreKeyId};
use sotto_types::{AccountId, DeviceAddress, Secret};
use std::collections::{BTreeMap, BTreeSet};

/// The reference implementation, for tests, tools and benches: everything in maps, gone with the process. Two are equal if
/// they hold the same, which is how tests show that a failed operation changed nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct MemoryStore {
    address: DeviceAddress,
    identity: IdentityKeyPair,
    registration_id: u32,
    trusted: BTreeMap<AccountId, IdentityKey>,
    sessions: BTreeMap<DeviceAddress, Secret<Vec<u8>>>,
    signed_prekeys: BTreeMap<SignedPreKeyId, Secret<Vec<u8>>>,
    one_time_ec_prekeys: BTreeMap<EcPreKeyId, Secret<Vec<u8>>>,
    kyber_prekeys: BTreeMap<KyberPreKeyId, KyberPreKeyRecord>,
    used_base_keys: BTreeSet<BaseKeyUse>,
    sender_keys: BTreeMap<(DeviceAddress, DistributionId), Secret<Vec<u8>>>,
}

impl MemoryStore {
    pub fn new(address: DeviceAddress, identity: IdentityKeyPair, registration_id: u32) -> Self {
        Self {
            address,
            identity,
            registration_id,
            trusted: BTreeMap::new(),
            sessions: BTreeMap::new(),
            signed_prekeys: BTreeMap::new(),
            one_time_ec_prekeys: BTreeMap::new(),
            kyber_prekeys: BTreeMap::new(),
            used_base_keys: BTreeSet::new(),
            sender_keys: BTreeMap::new(),
        }
    }

    pub fn trust(&mut self, account: AccountId, identity: IdentityKey) {
        self.trusted.insert(account, identity);
    }

    pub fn add_prekeys(&mut self, keys: &DevicePreKeys) {
        self.add_signed_prekey(SignedPreKeyId(keys.signed.id), keys.signed.record.clone());
        self.add_kyber_prekey(KyberPreKeyId(keys.last_resort.id), keys.last_resort.record.clone(), true);
        for key in &keys.one_time_kyber {
            self.add_kyber_prekey(KyberPreKeyId(key.id), key.record.clone(), false);
        }
        for key in &keys.one_time_ec {
            self.one_time_ec_prekeys.insert(EcPreKeyId(key.id), key.record.clone());
        }
    }

    pub fn add_signed_prekey(&mut self, id: SignedPreKeyId, record: Secret<Vec<u8>>) {
        self.signed_prekeys.insert(id, record);
    }

    pub fn add_kyber_prekey(&mut self, id: KyberPreKeyId, record: Secret<Vec<u8>>, last_resort: bool) {
        self.kyber_prekeys.insert(id, KyberPreKeyRecord { record, last_resort });
    }

    /// As if the session were lost.
    pub fn remove_session(&mut self, with: DeviceAddress) {
        self.sessions.remove(&with);
    }

    pub fn one_time_ec_prekeys(&self) -> impl Iterator<Item = EcPreKeyId> {
        self.one_time_ec_prekeys.keys().copied()
    }

    pub fn kyber_prekeys(&self) -> impl Iterator<Item = KyberPreKeyId> {
        self.kyber_prekeys.keys().copied()
    }
}

impl ProtocolStore for MemoryStore {
    fn own_address(&self) -> Result<DeviceAddress, StoreFailure> {
        Ok(self.address)
    }

    fn own_identity(&self) -> Result<IdentityKeyPair, StoreFailure> {
        Ok(self.identity.clone())
    }

    fn own_registration_id(&self) -> Result<u32, StoreFailure> {
        Ok(self.registration_id)
    }

    fn trusted_identity(&self, account: AccountId) -> Result<Option<IdentityKey>, StoreFailure> {
        Ok(self.trusted.get(&account).copied())
    }

    fn load_session(&self, with: DeviceAddress) -> Result<Option<Secret<Vec<u8>>>, StoreFailure> {
        Ok(self.sessions.get(&with).cloned())
    }

    fn store_session(&mut self, with: DeviceAddress, record: &Secret<Vec<u8>>) -> Result<(), StoreFailure> {
        self.sessions.insert(with, record.clone());
        Ok(())
    }

    fn load_signed_prekey(&self, id: SignedPreKeyId) -> Result<Option<Secret<Vec<u8>>>, StoreFailure> {
        Ok(self.signed_prekeys.get(&id).cloned())
    }

    fn load_one_time_ec_prekey(&self, id: EcPreKeyId) -> Result<Option<Secret<Vec<u8>>>, StoreFailure> {
        Ok(self.one_time_ec_prekeys.get(&id).cloned())
    }

    fn remove_one_time_ec_prekey(&mut self, id: EcPreKeyId) -> Result<(), StoreFailure> {
        self.one_time_ec_prekeys.remove(&id);
        Ok(())
    }

    fn load_kyber_prekey(&self, id: KyberPreKeyId) -> Result<Option<KyberPreKeyRecord>, StoreFailure> {
        Ok(self.kyber_prekeys.get(&id).cloned())
    }

    fn remove_one_time_kyber_prekey(&mut self, id: KyberPreKeyId) -> Result<(), StoreFailure> {
        self.kyber_prekeys.remove(&id);
        Ok(())
    }

    fn is_base_key_used(&self, used: &BaseKeyUse) -> Result<bool, StoreFailure> {
        Ok(self.used_base_keys.contains(used))
    }

    fn remember_base_key(&mut self, used: &BaseKeyUse) -> Result<(), StoreFailure> {
        self.used_base_keys.insert(*used);
        Ok(())
    }

    fn load_sender_key(
        &self,
        sender: DeviceAddress,
        distribution: DistributionId,
    ) -> Result<Option<Secret<Vec<u8>>>, StoreFailure> {
        Ok(self.sender_keys.get(&(sender, distribution)).cloned())
    }

    fn store_sender_key(
        &mut self,
        sender: DeviceAddress,
        distribution: DistributionId,
        record: &Secret<Vec<u8>>,
    ) -> Result<(), StoreFailure> {
        self.sender_keys.insert((sender, distribution), record.clone());
        Ok(())
    }
}
