//! "Unlink as stolen": docs/decisions/0003-unlink-as-stolen.md has the reasons.
//! Always true:
//! - it needs a signed-in device and the recovery code, so neither a thief's device nor a leaked code is enough alone;
//! - afterwards the account has one device and one new identity key, and nothing that the old key signs is taken.

use super::{conflict, list_invalid};
use crate::account::refused_recovery;
use crate::limiter::Subject;
use crate::prekeys::DeviceKeys;
use crate::proof::{self, ListBytes};
use crate::secrets::off_thread;
use crate::sign_in::ChallengeOf;
use crate::sign_in::authenticate::unlinked;
use crate::{Domain, Refusal, SignedIn};
use bytes::Bytes;
use sotto_ports::{DeviceChange, Recovery, Rekey};

#[derive(Debug, Clone)]
pub struct ReplaceIdentity {
    /// From `recovery_challenge` for the own username.
    pub challenge: Vec<u8>,
    /// By the current recovery auth key.
    pub recovery_signature: Vec<u8>,
    /// Signed by the new identity key; names the asking device alone.
    pub list: ListBytes,
    pub keys: DeviceKeys,
    pub encrypted_name: Bytes,
    pub recovery: Recovery,
}

impl Domain {
    pub async fn replace_identity(&self, who: &SignedIn, replace: ReplaceIdentity) -> Result<(), Refusal> {
        let own = who.address;
        self.limiter.check(Subject::Changes(own.account), self.now())?;
        let current = self.current(own.account).await?;
        self.check_challenge(ChallengeOf::Recovery(&current.account.username), &replace.challenge)?;
        let recovery_key = &current.account.recovery.auth_key;
        if !proof::is_recovery(recovery_key, &replace.challenge, &replace.recovery_signature) {
            return Err(refused_recovery());
        }
        proof::check_recovery(&replace.recovery)?;
        proof::check_encrypted_name(&replace.encrypted_name)?;

        let opened = proof::open_list(&replace.list)?;
        if opened.account != own.account {
            return Err(list_invalid("the list is of another account"));
        }
        if opened.identity_bytes() == current.account.identity_key {
            return Err(list_invalid("the list must be signed by a new identity key"));
        }
        if opened.list.version <= current.list.version {
            return Err(conflict());
        }
        let before = current.list.devices.iter().find(|device| device.id == own.device).ok_or_else(unlinked)?;
        if opened.list.devices != [*before] {
            return Err(list_invalid("the list must name this device alone, unaltered"));
        }
        let keys = replace.keys.check_shape()?;
        let identity = opened.identity;
        let keys = off_thread(move || proof::check_prekeys(&identity, &keys).map(|()| keys)).await?;
        self.use_challenge(&replace.challenge).await?;
        let identity = Some((opened.identity_bytes(), replace.recovery));
        self.change_devices(DeviceChange {
            account: own.account,
            expect_version: current.list.version,
            list: opened.list,
            add: Vec::new(),
            rekey: vec![Rekey {
                device: own.device,
                keys: keys.into_upload(),
                encrypted_name: Some(replace.encrypted_name),
            }],
            identity,
        })
        .await
    }
}
