use crate::sign_in::authenticate::{disabled, suspended, unlinked};
use crate::{Domain, Refusal, SignedIn};
use sotto_ports::{KeyCounts, Queued, StoreError};
use sotto_types::{DeviceAddress, DeviceId, EntryId};

/// What a device is told when it connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionFacts {
    pub generation: u32,
    pub list_version: u32,
    pub key_counts: KeyCounts,
    /// Own devices absent for 30 days.
    pub suspended: Vec<DeviceId>,
    /// Nobody is a stranger to anybody.
    pub everybody_accepted: bool,
}

impl Domain {
    /// Call it after the connection is in the router: a device that is unlinked in between is either refused here or closed
    /// there.
    pub async fn connected(&self, who: &SignedIn) -> Result<ConnectionFacts, Refusal> {
        let of = who.address;
        let routing = self.parts.directory.routing(of.account).await?.ok_or_else(unlinked)?;
        if routing.disabled {
            return Err(disabled());
        }
        let (.., is_suspended) = routing.devices.iter().find(|(id, ..)| *id == of.device).ok_or_else(unlinked)?;
        if *is_suspended {
            return Err(suspended());
        }
        self.parts.directory.touch_device(of, self.now().start_of_day()).await?;
        Ok(ConnectionFacts {
            everybody_accepted: !self.people.requests(),
            generation: self.generation(),
            list_version: routing.list_version,
            key_counts: self.parts.prekeys.key_counts(of).await?,
            suspended: routing.devices.iter().filter(|(.., suspended)| *suspended).map(|(id, ..)| *id).collect(),
        })
    }

    /// The device is here, or was until now. The gateway says so when it connects and leaves and once on each day between:
    /// who stays connected for a month was not absent.
    pub async fn seen(&self, of: DeviceAddress) {
        // Last seen is best effort; a failing store shows itself elsewhere at once. The day is enough to find absent
        // devices; when a person was last online is the account's (`presence`).
        self.parts.directory.touch_device(of, self.now().start_of_day()).await.ok();
    }

    /// The next entries of the device's inbox; see `InboxStore::read`.
    pub async fn read_inbox(
        &self,
        of: DeviceAddress,
        after: EntryId,
        max_entries: usize,
        max_bytes: usize,
    ) -> Result<Vec<Queued>, StoreError> {
        self.parts.inbox.read(of, after, max_entries, max_bytes).await
    }
}
