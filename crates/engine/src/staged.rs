//! A way to an account (or to a new identity) that is under way: who this device would be, and the request that makes it so.
//! Flow: `begin` before the request leaves -> the answer -> `close` (it led there) | `forget` (it leads nowhere).
//! Always true: while nobody knows what the server did, the keys are here, so that the same request can be made again.

use crate::prekeys;
use crate::profile::Own;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sotto_engine_store::{StoreError, Tx};
use sotto_wire::http::{AddDevice, DeviceKeys, Register, ReplaceIdentity};

/// Settings by this prefix.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stage(&'static str);

pub(crate) const REGISTER: Stage = Stage("new.");
pub(crate) const LINK: Stage = Stage("link.");
pub(crate) const RECOVER: Stage = Stage("recover.");
pub(crate) const REPLACE_IDENTITY: Stage = Stage("stolen.");

/// A request that brings prekeys.
pub(crate) trait BringsKeys: Serialize + DeserializeOwned {
    fn keys(&self) -> &DeviceKeys;
}

impl BringsKeys for Register {
    fn keys(&self) -> &DeviceKeys {
        &self.keys
    }
}

impl BringsKeys for AddDevice {
    fn keys(&self) -> &DeviceKeys {
        &self.keys
    }
}

impl BringsKeys for ReplaceIdentity {
    fn keys(&self) -> &DeviceKeys {
        &self.keys
    }
}

impl Stage {
    fn body(self) -> String {
        format!("{}body", self.0)
    }

    pub fn load<B: BringsKeys>(self, tx: &Tx<'_>) -> Result<Option<(Own, B)>, StoreError> {
        let Some(own) = Own::load_from(tx, self.0)? else { return Ok(None) };
        Ok(tx.setting_json(&self.body())?.map(|body| (own, body)))
    }

    pub fn begin<B: BringsKeys>(self, tx: &Tx<'_>, own: &Own, body: &B) -> Result<(), StoreError> {
        own.save_to(tx, self.0)?;
        tx.put_setting_json(&self.body(), body)
    }

    pub fn close(self, tx: &Tx<'_>) -> Result<(), StoreError> {
        Own::discard(tx, self.0)?;
        tx.delete_setting(&self.body())
    }

    /// Its prekeys go with it.
    pub fn forget<B: BringsKeys>(self, tx: &Tx<'_>) -> Result<(), StoreError> {
        if let Some(body) = tx.setting_json::<B>(&self.body())? {
            prekeys::forget(tx, body.keys())?;
        }
        self.close(tx)
    }
}
