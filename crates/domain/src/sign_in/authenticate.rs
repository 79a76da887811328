use super::{AccessToken, ChallengeOf};
use crate::limiter::AddressLimit;
use crate::{Domain, Refusal, proof};
use sotto_ports::{Device, Routing};
use sotto_types::{DeviceAddress, ErrorCode, Timestamp};
use std::net::IpAddr;

/// A signed-in device, from a verified token. Made only by `Domain::authenticate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedIn {
    pub address: DeviceAddress,
    pub expires: Timestamp,
}

impl Domain {
    /// Exchanges a signed challenge for an access token. `UnknownDevice` and `UnknownAccount` mean that the server does not
    /// know them, perhaps because it was restored from a backup: they prove themselves with `restore_device` or a new
    /// registration, or wait for the right data to come back. `DeviceUnlinked` is final: unlinked, or the account deleted.
    pub async fn sign_in(
        &self,
        of: DeviceAddress,
        challenge: &[u8],
        signature: &[u8],
        ip: IpAddr,
    ) -> Result<AccessToken, Refusal> {
        let now = self.now();
        self.limiter.check_address(AddressLimit::SignIn, ip, now)?;
        self.check_challenge(ChallengeOf::Device(of), challenge)?;
        let Some(routing) = self.parts.directory.routing(of.account).await? else {
            let deleted = self.parts.meta.get(&self.deleted_key(of.account)).await?.is_some();
            return Err(if deleted { unlinked() } else { unknown_account() });
        };
        let Some(device) = self.parts.directory.device(of).await? else {
            let forgotten = self.may_restore(of.account).await?;
            return Err(if forgotten { unknown_device() } else { unlinked() });
        };
        if !proof::is_sign_in(&device.listed.auth_key, challenge, signature) {
            return Err(Refusal::new(ErrorCode::SignatureInvalid, "the signature is not by this device's auth key"));
        }
        // After the signature: who cannot sign learns nothing about the account's state.
        check_usable(&routing, &device)?;
        self.use_challenge(challenge).await?;
        self.meters.sign_ins.increment(1);
        Ok(self.tokens.issue(of, &device.listed.auth_key, now).await?)
    }

    /// Checks a token, and that its device is still linked, not suspended, and its account not disabled.
    pub async fn authenticate(&self, token: &str) -> Result<SignedIn, Refusal> {
        let claims = self.tokens.verify(token, self.now()).await?;
        let address =
            claims.address().ok_or_else(|| Refusal::new(ErrorCode::TokenInvalid, "the token names no device"))?;
        let routing = self.parts.directory.routing(address.account).await?.ok_or_else(unlinked)?;
        let device = self.parts.directory.device(address).await?.ok_or_else(unlinked)?;
        if !claims.is_for_key(&device.listed.auth_key) {
            // The id was given to another device since.
            return Err(unlinked());
        }
        check_usable(&routing, &device)?;
        Ok(SignedIn { address, expires: claims.expires() })
    }
}

fn check_usable(routing: &Routing, device: &Device) -> Result<(), Refusal> {
    if routing.disabled {
        return Err(disabled());
    }
    if device.suspended {
        return Err(suspended());
    }
    Ok(())
}

pub(crate) fn unknown_account() -> Refusal {
    Refusal::new(ErrorCode::UnknownAccount, "no such account on this server")
}

pub(crate) fn unknown_device() -> Refusal {
    Refusal::new(ErrorCode::UnknownDevice, "no such device in this account")
}

pub(crate) fn unlinked() -> Refusal {
    Refusal::new(ErrorCode::DeviceUnlinked, "this device is not linked to the account any more")
}

pub(crate) fn disabled() -> Refusal {
    Refusal::new(ErrorCode::AccountDisabled, "the operator disabled this account")
}

pub(crate) fn suspended() -> Refusal {
    Refusal::new(ErrorCode::DeviceSuspended, "this device was absent for 30 days and must be linked again")
}
