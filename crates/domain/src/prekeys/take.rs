use crate::limiter::Subject;
use crate::sign_in::authenticate::unknown_account;
use crate::{Domain, Refusal, SignedIn};
use sotto_ports::{SignedDeviceList, StoredBundle};
use sotto_types::{AccountId, DeviceAddress, DeviceId, ErrorCode, Username, limits};

/// Who an account is and which devices it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountDevices {
    pub username: Username,
    pub list: SignedDeviceList,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenBundles {
    pub list: SignedDeviceList,
    /// Of the asked devices those that are listed and not suspended.
    pub bundles: Vec<StoredBundle>,
}

impl Domain {
    /// Hands out one bundle per device. One-time keys are gone for ever once taken, so a pair of accounts gets few.
    pub async fn take_prekeys(
        &self,
        who: &SignedIn,
        of: AccountId,
        devices: &[DeviceId],
    ) -> Result<TakenBundles, Refusal> {
        let own = who.address.account;
        check_asked(devices)?;
        let count = devices.len();
        let list = self.parts.directory.signed_list(of).await?.ok_or_else(unknown_account)?;
        let cost = u32::try_from(count).unwrap_or(u32::MAX);
        self.limiter.check_cost(Subject::Bundles(own), cost, self.now())?;
        self.limiter.check_cost(Subject::BundlesOfOne(own, of), cost, self.now())?;

        let bundles = self.parts.prekeys.take_bundles(of, devices).await?;
        let low = u32::try_from(limits::ONE_TIME_PREKEYS_LOW).unwrap_or(u32::MAX);
        for bundle in &bundles {
            self.meters.bundles.increment(1);
            if bundle.kyber_is_last_resort {
                self.meters.bundles_last_resort.increment(1);
            }
            if bundle.left.one_time_ec < low || bundle.left.one_time_kyber < low {
                let device = DeviceAddress::new(of, bundle.device);
                self.parts.connections.account_changed(device, of, list.version, true);
            }
        }
        Ok(TakenBundles { list, bundles })
    }
}

/// 1 to 10 devices, each once.
pub(crate) fn check_asked(devices: &[DeviceId]) -> Result<(), Refusal> {
    if !(1..=limits::DEVICES_PER_ACCOUNT).contains(&devices.len()) {
        return Err(Refusal::new(ErrorCode::BadRequest, "ask for 1 to 10 devices"));
    }
    if devices.iter().enumerate().any(|(at, id)| devices.iter().take(at).any(|earlier| earlier == id)) {
        return Err(Refusal::new(ErrorCode::BadRequest, "a device is asked for twice"));
    }
    Ok(())
}
