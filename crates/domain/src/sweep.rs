//! Housekeeping, in rounds that the server calls every minute: expiry, suspension, forgetting, key rotation.
//! Always true:
//! - one round does a bounded amount; what is left is found by the next;
//! - `tidy` does what the clock does not decide; what `sweep` does besides cannot be undone, so a caller that doubts the
//!   clock leaves it.

use crate::inbox::ExpiryCursor;
use crate::{Domain, Refusal};
use parking_lot::Mutex;
use sotto_types::{DeviceAddress, ErrorCode, MessageId, Timestamp, limits};
use std::collections::BTreeSet;
use std::time::Duration;

const EXPIRED_DEVICES: usize = 10_000;
const SUSPENDED_DEVICES: usize = 1_000;
const FORGOTTEN_RECORDS: usize = 1_000_000;
const TRIMMED_ENTRIES: usize = 100_000;
/// Finding absent devices looks at every device; a minute more or less does not matter after 30 days.
const SUSPEND_EVERY: Duration = Duration::from_secs(600);

#[derive(Debug, Default)]
pub(crate) struct SweepCursor {
    pub expiry: ExpiryCursor,
    pub departed: Departed,
    next_suspension: Mutex<Timestamp>,
}

/// Unlinked devices whose inboxes are still to be cleared. A restart forgets them; their entries then wait for their 30 days.
#[derive(Debug, Default)]
pub(crate) struct Departed(Mutex<BTreeSet<DeviceAddress>>);

impl Departed {
    pub fn add(&self, of: DeviceAddress) {
        self.0.lock().insert(of);
    }

    pub fn done(&self, of: DeviceAddress) {
        self.0.lock().remove(&of);
    }

    pub fn all(&self) -> Vec<DeviceAddress> {
        self.0.lock().iter().copied().collect()
    }
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
    /// The part of a round that a wrong clock cannot turn into damage.
    pub async fn tidy(&self) -> Result<SweepReport, Refusal> {
        let failed = self.bury_departed().await;
        self.tokens.rotate(self.now()).await?;
        Ok(SweepReport { failed: failed?, ..SweepReport::default() })
    }

    /// One round. A part that fails does not keep the others from their turn; the first error is returned.
    pub async fn sweep(&self) -> Result<SweepReport, Refusal> {
        let now = self.now();
        let tidied = self.tidy().await;
        let expired = self.expire(EXPIRED_DEVICES).await;
        let suspended = self.suspend_absent().await;
        let forgotten = self.parts.inbox.forget_old(now, FORGOTTEN_RECORDS).await;
        let trimmed = self.trim_logs(now).await;
        let (suspended, buried) = suspended?;
        Ok(SweepReport { failed: tidied?.failed + expired? + buried, suspended, forgotten: forgotten? + trimmed? })
    }

    /// Entries of group logs older than the retention.
    async fn trim_logs(&self, now: Timestamp) -> Result<usize, Refusal> {
        let before = MessageId::at(now.minus(limits::UNDELIVERED_RETENTION).as_ms());
        Ok(self.parts.groups.trim_logs(before, TRIMMED_ENTRIES).await?)
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
        self.meters.suspended.increment(devices.len() as u64);
        // The store names them once: an error with one must not skip the others.
        for device in &devices {
            self.parts.connections.close(*device, ErrorCode::DeviceSuspended);
        }
        let mut buried = Ok(0);
        for device in &devices {
            let failed = self.bury_inbox(*device).await;
            let told = self.tell_siblings(*device).await;
            buried = buried.and_then(|sum| Ok(sum + failed?)).and_then(|sum| told.map(|()| sum));
        }
        Ok((devices.len(), buried?))
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
