//! libsignal's store traits over ours: reads go through, writes are collected.
//! Flow: `Overlay::new(store)` -> libsignal works on its parts -> `into_changes` -> `Changes::apply(store)` once everything
//!       held; dropped on any error.
//! Always true:
//! - libsignal never writes to the caller's store; what it wanted to write is in `Changes`;
//! - why a store call refused comes back out of libsignal's error as a `Refusal`.

use crate::identity::{IdentityKey, IdentityKeyPair};
use crate::keys::PUBLIC_KEY_BYTES;
use crate::prekeys::{EcPreKeyId, KyberPreKeyId, SignedPreKeyId};
use crate::store::{BaseKeyUse, DistributionId, ProtocolStore, StoreFailure};
use async_trait::async_trait;
use futures_util::FutureExt;
use libsignal_protocol_syft as signal;
use signal::{GenericSignedPreKey as _, SignalProtocolError};
use sotto_types::{DeviceAddress, Secret};
use uuid::Uuid;

/// Our stores are synchronous, so every libsignal future is ready at the first poll.
pub(crate) fn ready<F: Future>(future: F) -> F::Output {
    future.now_or_never().expect("no store here ever waits")
}

pub(crate) fn to_signal_address(address: DeviceAddress) -> signal::ProtocolAddress {
    let device = signal::DeviceId::new(address.device.get()).expect("our device ids are 1 to 127, like libsignal's");
    signal::ProtocolAddress::new(address.account.to_string(), device)
}

/// A one-time or signed prekey that a first message names and this device does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreKeyRef {
    Signed(SignedPreKeyId),
    OneTimeEc(EcPreKeyId),
    Kyber(KyberPreKeyId),
}

/// Why a store call within libsignal refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Store(#[from] StoreFailure),
    #[error("unknown prekey {0:?}")]
    UnknownPreKey(PreKeyRef),
    #[error("a stored record is unreadable")]
    Corrupt,
    #[error("the first message was used before")]
    Replayed,
    #[error("another identity key")]
    UntrustedIdentity { trusted: Option<IdentityKey>, got: IdentityKey },
    #[error("unusable identity key")]
    IdentityUnusable,
}

impl Refusal {
    /// The refusal inside a libsignal error, if a store call of ours caused it.
    pub(crate) fn from_signal(error: SignalProtocolError) -> Result<Self, SignalProtocolError> {
        match error {
            SignalProtocolError::ApplicationCallbackError(call, source) => {
                let source: Box<dyn std::error::Error + Send + Sync> = source;
                source
                    .downcast::<Self>()
                    .map(|refusal| *refusal)
                    .map_err(|source| SignalProtocolError::InvalidState(call, source.to_string()))
            }
            other => Err(other),
        }
    }
}

fn refuse(refusal: impl Into<Refusal>) -> SignalProtocolError {
    SignalProtocolError::ApplicationCallbackError("store", Box::new(refusal.into()))
}

/// What an operation wants to write.
#[derive(Default)]
pub(crate) struct Changes {
    session: Option<(DeviceAddress, Secret<Vec<u8>>)>,
    used_one_time_ec: Option<EcPreKeyId>,
    used_one_time_kyber: Option<KyberPreKeyId>,
    used_base_key: Option<BaseKeyUse>,
    sender_key: Option<(DeviceAddress, DistributionId, Secret<Vec<u8>>)>,
}

impl Changes {
    pub(crate) fn session(&self) -> Option<&Secret<Vec<u8>>> {
        self.session.as_ref().map(|(_, record)| record)
    }

    /// A first message was taken: a new session stands.
    pub(crate) fn began_session(&self) -> bool {
        self.used_one_time_kyber.is_some() || self.used_base_key.is_some()
    }

    pub(crate) fn apply(self, store: &mut dyn ProtocolStore) -> Result<(), StoreFailure> {
        if let Some((with, record)) = &self.session {
            store.store_session(*with, record)?;
        }
        if let Some(id) = self.used_one_time_ec {
            store.remove_one_time_ec_prekey(id)?;
        }
        if let Some(id) = self.used_one_time_kyber {
            store.remove_one_time_kyber_prekey(id)?;
        }
        if let Some(used) = &self.used_base_key {
            store.remember_base_key(used)?;
        }
        if let Some((sender, distribution, record)) = &self.sender_key {
            store.store_sender_key(*sender, *distribution, record)?;
        }
        Ok(())
    }
}

/// The parts libsignal borrows one by one. An operation concerns one peer device, so each part holds at most one change.
pub(crate) struct Overlay<'a> {
    pub(crate) sessions: Sessions<'a>,
    pub(crate) identities: Identities<'a>,
    pub(crate) one_time_ec: OneTimeEcPreKeys<'a>,
    pub(crate) signed: SignedPreKeys<'a>,
    pub(crate) kyber: KyberPreKeys<'a>,
    pub(crate) sender_keys: SenderKeys<'a>,
}

impl<'a> Overlay<'a> {
    pub(crate) fn new(
        store: &'a dyn ProtocolStore,
        own: &'a IdentityKeyPair,
        own_address: DeviceAddress,
        peer: DeviceAddress,
    ) -> Self {
        Self {
            sessions: Sessions { store, peer, changed: None },
            identities: Identities { store, own, own_address, peer },
            one_time_ec: OneTimeEcPreKeys { store, used: None },
            signed: SignedPreKeys { store },
            kyber: KyberPreKeys { store, used_one_time: None, used_base_key: None },
            sender_keys: SenderKeys { store, sender: peer, changed: None },
        }
    }

    pub(crate) fn into_changes(self) -> Result<Changes, SignalProtocolError> {
        let session = match self.sessions.changed {
            Some(record) => Some((self.sessions.peer, Secret::new(record.serialize()?))),
            None => None,
        };
        Ok(Changes {
            session,
            used_one_time_ec: self.one_time_ec.used,
            used_one_time_kyber: self.kyber.used_one_time,
            used_base_key: self.kyber.used_base_key,
            sender_key: self.sender_keys.changed.map(|(id, record)| (self.sender_keys.sender, id, record)),
        })
    }
}

pub(crate) struct Sessions<'a> {
    store: &'a dyn ProtocolStore,
    peer: DeviceAddress,
    changed: Option<signal::SessionRecord>,
}

#[async_trait(?Send)]
impl signal::SessionStore for Sessions<'_> {
    async fn load_session(
        &self,
        _: &signal::ProtocolAddress,
    ) -> Result<Option<signal::SessionRecord>, SignalProtocolError> {
        let record = self.store.load_session(self.peer).map_err(refuse)?;
        // An unreadable record counts as none, so that a new session can take its place.
        Ok(record.and_then(|record| signal::SessionRecord::deserialize(record.expose()).ok()))
    }

    async fn store_session(
        &mut self,
        _: &signal::ProtocolAddress,
        record: &signal::SessionRecord,
    ) -> Result<(), SignalProtocolError> {
        self.changed = Some(record.clone());
        Ok(())
    }
}

pub(crate) struct Identities<'a> {
    store: &'a dyn ProtocolStore,
    own: &'a IdentityKeyPair,
    own_address: DeviceAddress,
    peer: DeviceAddress,
}

impl Identities<'_> {
    /// Refuses an identity key that is not the trusted one of the peer's account.
    pub(crate) fn check(&self, got: IdentityKey) -> Result<(), Refusal> {
        let trusted = if self.peer.account == self.own_address.account {
            Some(self.own.public())
        } else {
            self.store.trusted_identity(self.peer.account)?
        };
        if trusted == Some(got) { Ok(()) } else { Err(Refusal::UntrustedIdentity { trusted, got }) }
    }
}

#[async_trait(?Send)]
impl signal::IdentityKeyStore for Identities<'_> {
    async fn get_identity_key_pair(&self) -> Result<signal::IdentityKeyPair, SignalProtocolError> {
        Ok(self.own.to_signal())
    }

    async fn get_local_registration_id(&self) -> Result<u32, SignalProtocolError> {
        self.store.own_registration_id().map_err(refuse)
    }

    /// Trust is the caller's decision and its store's record; a message never changes it.
    async fn save_identity(
        &mut self,
        _: &signal::ProtocolAddress,
        _: &signal::IdentityKey,
    ) -> Result<signal::IdentityChange, SignalProtocolError> {
        Ok(signal::IdentityChange::NewOrUnchanged)
    }

    async fn is_trusted_identity(
        &self,
        _: &signal::ProtocolAddress,
        identity: &signal::IdentityKey,
        _: signal::Direction,
    ) -> Result<bool, SignalProtocolError> {
        let got = IdentityKey::from_signal(identity).map_err(|_| refuse(Refusal::IdentityUnusable))?;
        self.check(got).map_err(refuse)?;
        Ok(true)
    }

    async fn get_identity(
        &self,
        _: &signal::ProtocolAddress,
    ) -> Result<Option<signal::IdentityKey>, SignalProtocolError> {
        Ok(self.store.trusted_identity(self.peer.account).map_err(refuse)?.map(IdentityKey::to_signal))
    }
}

pub(crate) struct OneTimeEcPreKeys<'a> {
    store: &'a dyn ProtocolStore,
    used: Option<EcPreKeyId>,
}

#[async_trait(?Send)]
impl signal::PreKeyStore for OneTimeEcPreKeys<'_> {
    async fn get_pre_key(&self, id: signal::PreKeyId) -> Result<signal::PreKeyRecord, SignalProtocolError> {
        let id = EcPreKeyId(id.into());
        let record = self.store.load_one_time_ec_prekey(id).map_err(refuse)?;
        let record = record.ok_or_else(|| refuse(Refusal::UnknownPreKey(PreKeyRef::OneTimeEc(id))))?;
        signal::PreKeyRecord::deserialize(record.expose()).map_err(|_| refuse(Refusal::Corrupt))
    }

    async fn save_pre_key(&mut self, _: signal::PreKeyId, _: &signal::PreKeyRecord) -> Result<(), SignalProtocolError> {
        Err(refuse(StoreFailure("prekeys are stored by whoever generates them".into())))
    }

    async fn remove_pre_key(&mut self, id: signal::PreKeyId) -> Result<(), SignalProtocolError> {
        self.used = Some(EcPreKeyId(id.into()));
        Ok(())
    }
}

pub(crate) struct SignedPreKeys<'a> {
    store: &'a dyn ProtocolStore,
}

#[async_trait(?Send)]
impl signal::SignedPreKeyStore for SignedPreKeys<'_> {
    async fn get_signed_pre_key(
        &self,
        id: signal::SignedPreKeyId,
    ) -> Result<signal::SignedPreKeyRecord, SignalProtocolError> {
        let id = SignedPreKeyId(id.into());
        let record = self.store.load_signed_prekey(id).map_err(refuse)?;
        let record = record.ok_or_else(|| refuse(Refusal::UnknownPreKey(PreKeyRef::Signed(id))))?;
        signal::SignedPreKeyRecord::deserialize(record.expose()).map_err(|_| refuse(Refusal::Corrupt))
    }

    async fn save_signed_pre_key(
        &mut self,
        _: signal::SignedPreKeyId,
        _: &signal::SignedPreKeyRecord,
    ) -> Result<(), SignalProtocolError> {
        Err(refuse(StoreFailure("prekeys are stored by whoever generates them".into())))
    }
}

pub(crate) struct KyberPreKeys<'a> {
    store: &'a dyn ProtocolStore,
    used_one_time: Option<KyberPreKeyId>,
    used_base_key: Option<BaseKeyUse>,
}

impl KyberPreKeys<'_> {
    fn load(&self, id: KyberPreKeyId) -> Result<crate::store::KyberPreKeyRecord, SignalProtocolError> {
        let record = self.store.load_kyber_prekey(id).map_err(refuse)?;
        record.ok_or_else(|| refuse(Refusal::UnknownPreKey(PreKeyRef::Kyber(id))))
    }
}

#[async_trait(?Send)]
impl signal::KyberPreKeyStore for KyberPreKeys<'_> {
    async fn get_kyber_pre_key(
        &self,
        id: signal::KyberPreKeyId,
    ) -> Result<signal::KyberPreKeyRecord, SignalProtocolError> {
        let stored = self.load(KyberPreKeyId(id.into()))?;
        signal::KyberPreKeyRecord::deserialize(stored.record.expose()).map_err(|_| refuse(Refusal::Corrupt))
    }

    async fn save_kyber_pre_key(
        &mut self,
        _: signal::KyberPreKeyId,
        _: &signal::KyberPreKeyRecord,
    ) -> Result<(), SignalProtocolError> {
        Err(refuse(StoreFailure("prekeys are stored by whoever generates them".into())))
    }

    async fn mark_kyber_pre_key_used(
        &mut self,
        id: signal::KyberPreKeyId,
        signed_prekey: signal::SignedPreKeyId,
        base_key: &signal::PublicKey,
    ) -> Result<(), SignalProtocolError> {
        let id = KyberPreKeyId(id.into());
        if !self.load(id)?.last_resort {
            self.used_one_time = Some(id);
            return Ok(());
        }
        let base_key: [u8; PUBLIC_KEY_BYTES] = base_key.serialize()[..].try_into().expect("a public key has 33 bytes");
        let used = BaseKeyUse { kyber_prekey: id, signed_prekey: SignedPreKeyId(signed_prekey.into()), base_key };
        if self.store.is_base_key_used(&used).map_err(refuse)? {
            return Err(refuse(Refusal::Replayed));
        }
        self.used_base_key = Some(used);
        Ok(())
    }
}

pub(crate) struct SenderKeys<'a> {
    store: &'a dyn ProtocolStore,
    sender: DeviceAddress,
    changed: Option<(DistributionId, Secret<Vec<u8>>)>,
}

#[async_trait(?Send)]
impl signal::SenderKeyStore for SenderKeys<'_> {
    async fn store_sender_key(
        &mut self,
        _: &signal::ProtocolAddress,
        distribution: Uuid,
        record: &signal::SenderKeyRecord,
    ) -> Result<(), SignalProtocolError> {
        self.changed = Some((DistributionId::from_uuid(distribution), Secret::new(record.serialize()?)));
        Ok(())
    }

    async fn load_sender_key(
        &mut self,
        _: &signal::ProtocolAddress,
        distribution: Uuid,
    ) -> Result<Option<signal::SenderKeyRecord>, SignalProtocolError> {
        let distribution = DistributionId::from_uuid(distribution);
        match self.store.load_sender_key(self.sender, distribution).map_err(refuse)? {
            Some(record) => {
                signal::SenderKeyRecord::deserialize(record.expose()).map(Some).map_err(|_| refuse(Refusal::Corrupt))
            }
            None => Ok(None),
        }
    }
}
