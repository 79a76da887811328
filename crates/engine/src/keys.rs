//! The crypto crate's store, on top of the open transaction.

use crate::profile::Own;
use sotto_crypto::{
    BaseKeyUse, DistributionId, EcPreKeyId, IdentityKey, IdentityKeyPair, KyberPreKeyId, KyberPreKeyRecord,
    ProtocolStore, SignedPreKeyId, StoreFailure,
};
use sotto_engine_store::{PreKeyKind, StoreError, Tx};
use sotto_types::{AccountId, DeviceAddress, Secret};
use std::cell::RefCell;

pub(crate) struct Protocol<'a, 't> {
    tx: &'a Tx<'t>,
    address: DeviceAddress,
    identity: IdentityKeyPair,
    registration_id: u32,
    /// Receiving only: the new key of a verified contact, which waits for the person's decision.
    pub also_trusted: Option<(AccountId, IdentityKey)>,
    failure: RefCell<Option<StoreError>>,
}

impl<'a, 't> Protocol<'a, 't> {
    pub fn new(tx: &'a Tx<'t>, own: &Own) -> Self {
        Self {
            tx,
            address: own.address,
            identity: own.identity.clone(),
            registration_id: own.registration_id,
            also_trusted: None,
            failure: RefCell::new(None),
        }
    }

    /// The store's own error behind a `StoreFailure`.
    pub fn failure(&self, reported: &StoreFailure) -> StoreError {
        self.failure.borrow_mut().take().unwrap_or_else(|| StoreError::Damaged(reported.0.clone()))
    }

    fn note<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreFailure> {
        result.map_err(|error| {
            let failure = StoreFailure(error.to_string());
            self.failure.replace(Some(error));
            failure
        })
    }
}

impl ProtocolStore for Protocol<'_, '_> {
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
        if let Some((also, key)) = self.also_trusted
            && also == account
        {
            return Ok(Some(key));
        }
        let contact = self.note(self.tx.contact(account))?;
        Ok(contact.and_then(|contact| contact.identity_key).and_then(|key| IdentityKey::parse(&key).ok()))
    }

    fn load_session(&self, with: DeviceAddress) -> Result<Option<Secret<Vec<u8>>>, StoreFailure> {
        self.note(self.tx.session(with))
    }

    fn store_session(&mut self, with: DeviceAddress, record: &Secret<Vec<u8>>) -> Result<(), StoreFailure> {
        self.note(self.tx.put_session(with, record.expose()))
    }

    fn load_signed_prekey(&self, id: SignedPreKeyId) -> Result<Option<Secret<Vec<u8>>>, StoreFailure> {
        self.note(self.tx.prekey(PreKeyKind::Signed, id.0))
    }

    fn load_one_time_ec_prekey(&self, id: EcPreKeyId) -> Result<Option<Secret<Vec<u8>>>, StoreFailure> {
        self.note(self.tx.prekey(PreKeyKind::OneTimeEc, id.0))
    }

    fn remove_one_time_ec_prekey(&mut self, id: EcPreKeyId) -> Result<(), StoreFailure> {
        self.note(self.tx.remove_prekey(PreKeyKind::OneTimeEc, id.0))
    }

    fn load_kyber_prekey(&self, id: KyberPreKeyId) -> Result<Option<KyberPreKeyRecord>, StoreFailure> {
        if let Some(record) = self.note(self.tx.prekey(PreKeyKind::OneTimeKyber, id.0))? {
            return Ok(Some(KyberPreKeyRecord { record, last_resort: false }));
        }
        let record = self.note(self.tx.prekey(PreKeyKind::LastResortKyber, id.0))?;
        Ok(record.map(|record| KyberPreKeyRecord { record, last_resort: true }))
    }

    fn remove_one_time_kyber_prekey(&mut self, id: KyberPreKeyId) -> Result<(), StoreFailure> {
        self.note(self.tx.remove_prekey(PreKeyKind::OneTimeKyber, id.0))
    }

    fn is_base_key_used(&self, used: &BaseKeyUse) -> Result<bool, StoreFailure> {
        self.note(self.tx.is_base_key_used(used.kyber_prekey.0, used.signed_prekey.0, &used.base_key))
    }

    fn remember_base_key(&mut self, used: &BaseKeyUse) -> Result<(), StoreFailure> {
        self.note(self.tx.remember_base_key(used.kyber_prekey.0, used.signed_prekey.0, &used.base_key))
    }

    fn load_sender_key(
        &self,
        sender: DeviceAddress,
        distribution: DistributionId,
    ) -> Result<Option<Secret<Vec<u8>>>, StoreFailure> {
        self.note(self.tx.sender_key(sender, distribution.as_bytes()))
    }

    fn store_sender_key(
        &mut self,
        sender: DeviceAddress,
        distribution: DistributionId,
        record: &Secret<Vec<u8>>,
    ) -> Result<(), StoreFailure> {
        self.note(self.tx.put_sender_key(sender, distribution.as_bytes(), record.expose()))
    }
}
