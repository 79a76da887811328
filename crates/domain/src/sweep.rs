//! Housekeeping, in rounds that the server calls every minute: expiry, suspension, forgetting, key rotation.
//! Always true: one round does a bounded amount; what is left is found by the next.

use crate::inbox::ExpiryCursor;
use crate::{Domain, Refusal};
use parking_lot::Mutex;
use sotto_types::{DeviceAddress, ErrorCode, Timestamp, limits};
use std::time::Duration;

const EXPIRED_DEVICES: usize = 10_000;
const SUSPENDED_DEVICES: usize = 1_000;
const FORGOTTEN_RECORDS: usize = 1_000_000;
/// Finding absent devices looks at every device; a minute more or less does not matter after 30 days.
const SUSPEND_EVERY: Duration = Duration::from_secs(600);

#[derive(Debug, Default)]
pub(crate) struct SweepCursor {
    pub expiry: ExpiryCursor,
    next_suspension: Mutex<Timestamp>,
}

/// What one round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Messages that failed for good.
    pub failed: usize,
    pub suspended: usize,
    pub forgotten: usize,
}

impl Domain {
    /// One round. A part that fails does not keep the others from their turn; the first error is returned.
    pub async fn sweep(&self) -> Result<SweepReport, Refusal> {
        let now = self.now();
        let expired = self.expire(EXPIRED_DEVICES).await;
        let suspended = self.suspend_absent().await;
        let forgotten = self.parts.inbox.forget_old(now, FORGOTTEN_RECORDS).await;
        self.tokens.rotate(now).await?;
        let (suspended, buried) = suspended?;
        Ok(SweepReport { failed: expired?.saturating_add(buried), suspended, forgotten: forgotten? })
    }

    /// Devices absent for 30 days. Their siblings are told, so that one of them signs a list without them.
    async fn suspend_absent(&self) -> Result<(usize, usize), Refusal> {
        let now = self.now();
        if now < *self.sweep.next_suspension.lock() {
            return Ok((0, 0));
        }
        // Only the day is noted on which a device was last seen, and it may have been the last minute of it.
        let before = now.minus(limits::ABSENT_DEVICE).start_of_day();
        let devices = self.parts.directory.suspend_absent(before, SUSPENDED_DEVICES).await?;
        if devices.len() < SUSPENDED_DEVICES {
            *self.sweep.next_suspension.lock() = now.plus(SUSPEND_EVERY);
        }
        let mut buried = 0;
        for device in &devices {
            self.parts.connections.close(*device, ErrorCode::DeviceSuspended);
            buried += self.bury_inbox(*device).await?;
            self.tell_siblings(*device).await?;
        }
        self.meters.suspended.increment(devices.len() as u64);
        Ok((devices.len(), buried))
    }

    async fn tell_siblings(&self, of: DeviceAddress) -> Result<(), Refusal> {
        let Some(routing) = self.parts.directory.routing(of.account).await? else { return Ok(()) };
        for (device, ..) in routing.devices.iter().filter(|(id, _, suspended)| *id != of.device && !suspended) {
            let sibling = DeviceAddress::new(of.account, *device);
            self.parts.connections.account_changed(sibling, of.account, routing.list_version, false);
        }
        Ok(())
    }
}
