use crate::limiter::Subject;
use crate::secrets::off_thread;
use crate::sign_in::authenticate::unlinked;
use crate::{Domain, Refusal, SignedIn, proof};
use sotto_ports::{KeyCounts, ONE_TIME_MAX, PreKeyUpload, StoredEcPreKey, StoredSignedPreKey};
use sotto_types::ErrorCode;
use std::collections::HashSet;

/// New prekeys as they came, not verified; what is absent stays as it is.
#[derive(Debug, Clone, Default)]
pub struct NewPreKeys {
    pub signed: Option<StoredSignedPreKey>,
    pub last_resort: Option<StoredSignedPreKey>,
    pub one_time_ec: Vec<StoredEcPreKey>,
    pub one_time_kyber: Vec<StoredSignedPreKey>,
    /// Drop the stored one-time keys first (after a restore).
    pub replace: bool,
}

/// All prekeys of a new device, as they came.
#[derive(Debug, Clone)]
pub struct DeviceKeys {
    pub signed: StoredSignedPreKey,
    pub last_resort: StoredSignedPreKey,
    pub one_time_ec: Vec<StoredEcPreKey>,
    pub one_time_kyber: Vec<StoredSignedPreKey>,
}

impl DeviceKeys {
    pub(crate) fn check_shape(self) -> Result<NewPreKeys, Refusal> {
        let keys = NewPreKeys {
            signed: Some(self.signed),
            last_resort: Some(self.last_resort),
            one_time_ec: self.one_time_ec,
            one_time_kyber: self.one_time_kyber,
            replace: true,
        };
        keys.check_shape()?;
        Ok(keys)
    }
}

impl NewPreKeys {
    fn check_shape(&self) -> Result<(), Refusal> {
        if self.one_time_ec.len() > ONE_TIME_MAX || self.one_time_kyber.len() > ONE_TIME_MAX {
            let detail = format!("at most {ONE_TIME_MAX} one-time prekeys of a kind at once");
            return Err(Refusal::new(ErrorCode::TooLarge, detail));
        }
        let mut ec = HashSet::new();
        let mut kyber = HashSet::new();
        let distinct = self.one_time_ec.iter().all(|key| ec.insert(key.id))
            && self.last_resort.iter().chain(&self.one_time_kyber).all(|key| kyber.insert(key.id));
        if !distinct {
            return Err(Refusal::new(ErrorCode::BadRequest, "two prekeys of a kind have the same id"));
        }
        Ok(())
    }

    /// For the store, once verified.
    pub(crate) fn into_upload(self) -> PreKeyUpload {
        PreKeyUpload {
            signed: self.signed,
            last_resort: self.last_resort,
            one_time_ec: self.one_time_ec,
            one_time_kyber: self.one_time_kyber,
            replace: self.replace,
        }
    }
}

impl Domain {
    /// Stores new prekeys once every key and signature was verified; all or none.
    pub async fn upload_keys(&self, who: &SignedIn, keys: NewPreKeys) -> Result<KeyCounts, Refusal> {
        self.limiter.check(Subject::KeyUploads(who.address), self.now())?;
        keys.check_shape()?;
        let account = self.parts.directory.account(who.address.account).await?.ok_or_else(unlinked)?;
        let identity = proof::stored_identity(&account.identity_key)?;
        let keys = off_thread(move || proof::check_prekeys(&identity, &keys).map(|()| keys)).await?;
        Ok(self.parts.prekeys.put_keys(who.address, keys.into_upload()).await?)
    }

    pub async fn key_counts(&self, who: &SignedIn) -> Result<KeyCounts, Refusal> {
        Ok(self.parts.prekeys.key_counts(who.address).await?)
    }
}
