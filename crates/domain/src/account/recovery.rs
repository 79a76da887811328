//! Recovery with the code that was shown at registration.
//! Flow: `recovery_challenge` -> the client derives the auth key from the code and signs -> `recover` -> the encrypted
//!       identity key and a link code -> `add_device` | `set_recovery`: a new code.
//! Always true:
//! - whether a name exists cannot be told without the code: unknown names get challenges too, and the same refusal;
//! - the code outranks devices: only who knows it can replace it, so that who takes a device cannot take the account.

use super::register::parse_username;
use crate::limiter::{AddressLimit, Subject};
use crate::sign_in::authenticate::{disabled, unlinked};
use crate::sign_in::{ChallengeOf, NewChallenge};
use crate::{Domain, Refusal, SignedIn, proof};
use bytes::Bytes;
use sotto_ports::{Recovery, SignedDeviceList};
use sotto_types::{AccountId, DeviceId, ErrorCode, Username};
use std::fmt;
use std::net::IpAddr;

#[derive(Clone, PartialEq, Eq)]
pub struct Recovered {
    pub account: AccountId,
    pub username: Username,
    pub backup: Bytes,
    pub list: SignedDeviceList,
    pub link_code: String,
    pub device: DeviceId,
}

#[derive(Debug, Clone)]
pub struct ReplaceRecovery {
    /// From `recovery_challenge` for the own username.
    pub challenge: Vec<u8>,
    /// By the current recovery auth key.
    pub recovery_signature: Vec<u8>,
    /// Of the new code.
    pub recovery: Recovery,
}

impl fmt::Debug for Recovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recovered")
            .field("account", &self.account)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

/// Checked in place of an unknown account's key, so that the refusal takes as long. Which key it is does
/// not matter (it is the base point): without an account nothing is granted.
const NOBODY: [u8; 32] = [
    0x58, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
    0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
];

impl Domain {
    pub async fn recovery_challenge(&self, username: &str, ip: IpAddr) -> Result<NewChallenge, Refusal> {
        self.limiter.check_address(AddressLimit::RecoveryChallenge, ip, self.now())?;
        Ok(self.new_challenge(ChallengeOf::Recovery(&parse_username(username)?)))
    }

    pub async fn recover(
        &self,
        username: &str,
        challenge: &[u8],
        signature: &[u8],
        ip: IpAddr,
    ) -> Result<Recovered, Refusal> {
        self.limiter.check_address(AddressLimit::Recovery, ip, self.now())?;
        let username = parse_username(username)?;
        self.check_challenge(ChallengeOf::Recovery(&username), challenge)?;
        let account = match self.parts.directory.find_username(&username).await? {
            Some(id) => self.parts.directory.account(id).await?,
            None => None,
        };
        let auth_key = account.as_ref().map_or(NOBODY, |account| account.recovery.auth_key);
        let proven = proof::is_recovery(&auth_key, challenge, signature);
        let account = account.filter(|_| proven).ok_or_else(refused)?;
        if account.disabled {
            return Err(disabled());
        }
        self.use_challenge(challenge).await?;
        let list = self.parts.directory.signed_list(account.id).await?.ok_or_else(refused)?;
        let device = self.free_device_id(account.id, &list).await?;
        let link_code = self.grant_link_code(account.id, device, account.recovery.auth_key, true).await?;
        Ok(Recovered {
            account: account.id,
            username,
            backup: account.recovery.backup.clone(),
            list,
            link_code: link_code.link_code,
            device,
        })
    }

    /// A new recovery code: the old one stops working. The same again, as after a lost answer, is done already.
    pub async fn set_recovery(&self, who: &SignedIn, replace: ReplaceRecovery, ip: IpAddr) -> Result<(), Refusal> {
        let id = who.address.account;
        self.limiter.check(Subject::Changes(id), self.now())?;
        self.limiter.check_address(AddressLimit::Recovery, ip, self.now())?;
        let account = self.parts.directory.account(id).await?.ok_or_else(unlinked)?;
        if account.recovery == replace.recovery {
            return Ok(());
        }
        self.check_challenge(ChallengeOf::Recovery(&account.username), &replace.challenge)?;
        if !proof::is_recovery(&account.recovery.auth_key, &replace.challenge, &replace.recovery_signature) {
            return Err(refused());
        }
        proof::check_recovery(&replace.recovery)?;
        self.use_challenge(&replace.challenge).await?;
        // Meanwhile another device may have replaced the code, or the identity key that the backup is of.
        if !self.parts.directory.set_recovery(id, &account.recovery, replace.recovery).await? {
            return Err(refused());
        }
        Ok(())
    }
}

pub(crate) fn refused() -> Refusal {
    Refusal::new(ErrorCode::RecoveryRefused, "the recovery code is wrong, or there is no such name")
}
