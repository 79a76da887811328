//! Who this device is: account, keys, server. Facts in one setting, each key pair in one of its own.

use serde::{Deserialize, Serialize};
use sotto_crypto::{DeviceAuthKey, IdentityKeyPair};
use sotto_engine_store::{StoreError, Tx};
use sotto_types::{AccountId, DeviceAddress, DeviceId, Secret, Username};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Facts {
    account: AccountId,
    device: DeviceId,
    username: Username,
    server: String,
    registration_id: u32,
    receipt: String,
    device_name: String,
    generation: u32,
}

/// The own device.
#[derive(Debug, Clone)]
pub(crate) struct Own {
    pub address: DeviceAddress,
    pub username: Username,
    /// Origin: "https://chat.example.org".
    pub server: String,
    pub registration_id: u32,
    pub identity: IdentityKeyPair,
    pub auth: DeviceAuthKey,
    pub profile_key: Secret<[u8; 32]>,
    /// Lets the account come back after a server restore.
    pub receipt: String,
    pub device_name: String,
    /// Last known generation of the server's store.
    pub generation: u32,
}

const FACTS: &str = "profile";
const IDENTITY: &str = "profile.identity";
const AUTH: &str = "profile.auth";
const PROFILE_KEY: &str = "profile.key";

impl Own {
    pub fn account(&self) -> AccountId {
        self.address.account
    }

    pub fn load(tx: &Tx<'_>) -> Result<Option<Self>, StoreError> {
        Self::load_from(tx, "")
    }

    /// `stage` names a profile in the making ("new.") that may be completed later.
    pub fn load_from(tx: &Tx<'_>, stage: &str) -> Result<Option<Self>, StoreError> {
        let name = |part: &str| format!("{stage}{part}");
        let Some(facts) = tx.setting_json::<Facts>(&name(FACTS))? else { return Ok(None) };
        let damaged = |what: &str| StoreError::Damaged(format!("the profile's {what}"));
        let get = |part: &str| tx.setting(&name(part))?.ok_or_else(|| damaged(part));
        let seed = |bytes: Secret<Vec<u8>>, what: &str| {
            <[u8; 32]>::try_from(&bytes.expose()[..]).map(Secret::new).map_err(|_| damaged(what))
        };
        Ok(Some(Self {
            address: DeviceAddress::new(facts.account, facts.device),
            username: facts.username,
            server: facts.server,
            registration_id: facts.registration_id,
            identity: IdentityKeyPair::parse(get(IDENTITY)?.expose()).map_err(|_| damaged(IDENTITY))?,
            auth: DeviceAuthKey::from_seed(&seed(get(AUTH)?, AUTH)?),
            profile_key: seed(get(PROFILE_KEY)?, PROFILE_KEY)?,
            receipt: facts.receipt,
            device_name: facts.device_name,
            generation: facts.generation,
        }))
    }

    pub fn save(&self, tx: &Tx<'_>) -> Result<(), StoreError> {
        self.save_to(tx, "")
    }

    pub fn save_to(&self, tx: &Tx<'_>, stage: &str) -> Result<(), StoreError> {
        let facts = Facts {
            account: self.address.account,
            device: self.address.device,
            username: self.username.clone(),
            server: self.server.clone(),
            registration_id: self.registration_id,
            receipt: self.receipt.clone(),
            device_name: self.device_name.clone(),
            generation: self.generation,
        };
        tx.put_setting_json(&format!("{stage}{FACTS}"), &facts)?;
        tx.put_setting(&format!("{stage}{IDENTITY}"), self.identity.serialize().expose())?;
        tx.put_setting(&format!("{stage}{AUTH}"), self.auth.seed().expose())?;
        tx.put_setting(&format!("{stage}{PROFILE_KEY}"), self.profile_key.expose())
    }

    pub fn discard(tx: &Tx<'_>, stage: &str) -> Result<(), StoreError> {
        [FACTS, IDENTITY, AUTH, PROFILE_KEY].iter().try_for_each(|part| tx.delete_setting(&format!("{stage}{part}")))
    }

    pub fn to_view(&self) -> crate::api::Me {
        crate::api::Me {
            account: self.account(),
            username: self.username.clone(),
            device: self.address.device,
            server: self.server.clone(),
            identity_key: hex(self.identity.public().as_bytes()),
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
