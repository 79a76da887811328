//! Expiry: what nobody acknowledged within 30 days leaves the inbox, and what waits for a device that left leaves with it; the
//! sender is told once, and for good.
//! Always true:
//! - a message failed only if none of the recipient's devices acknowledged it (the delivered watermark did not reach it) and
//!   it waits for none of them any more: the last device that loses it makes the failure;
//! - to someone who was blocked nothing ever fails, also not what waited when the block came.

use crate::{Domain, Refusal};
use parking_lot::Mutex;
use sotto_ports::{EnvelopeClass, Queued, QueuedItem, StoredEnvelope, StoredFailure, WatermarkKind};
use sotto_types::{AccountId, Conversation, DeviceAddress, EntryId, MessageId, limits};
use std::collections::{BTreeSet, HashMap, HashSet};

const DEVICES_PER_STEP: usize = 256;

/// Where the round over all inboxes stands.
#[derive(Debug, Default)]
pub(crate) struct ExpiryCursor(Mutex<Option<DeviceAddress>>);

/// One step of burying an inbox.
const STEP_ENTRIES: usize = 500;
const STEP_BYTES: usize = 4 << 20;
/// A deleted account's inboxes are looked through so far; what is beyond goes without a word.
const STEPS_OF_DELETED: usize = 100;

impl Domain {
    /// At most `devices` inboxes with something expired; the next call goes on from there. Returns how many messages failed.
    pub(crate) async fn expire(&self, devices: usize) -> Result<usize, Refusal> {
        let before = EntryId::from(MessageId::at(self.now().minus(limits::UNDELIVERED_RETENTION).as_ms()));
        let mut failed = 0;
        let mut looked = 0;
        while looked < devices {
            let after = *self.sweep.expiry.0.lock();
            let batch = self.parts.inbox.expired(before, after, DEVICES_PER_STEP).await?;
            *self.sweep.expiry.0.lock() = batch.last().map(|expired| expired.of);
            if batch.is_empty() {
                break;
            }
            looked += batch.len();
            for expired in batch {
                failed += self.bury(expired.of, &expired.entries).await?;
            }
        }
        Ok(failed)
    }

    /// Everything in the inbox of a device that was suspended or unlinked.
    pub(crate) async fn bury_inbox(&self, of: DeviceAddress) -> Result<usize, Refusal> {
        self.bury_steps(of, usize::MAX).await
    }

    /// What waits for an account that is about to be deleted.
    pub(crate) async fn bury_account(&self, account: AccountId) -> Result<(), Refusal> {
        let Some(routing) = self.parts.directory.routing(account).await? else { return Ok(()) };
        for (device, ..) in &routing.devices {
            self.bury_steps(DeviceAddress::new(account, *device), STEPS_OF_DELETED).await?;
        }
        Ok(())
    }

    /// The inboxes of devices that were unlinked since the last round.
    pub(crate) async fn bury_departed(&self) -> Result<usize, Refusal> {
        let mut failed = Ok(0);
        for of in self.sweep.departed.all() {
            let buried = self.bury_departed_one(of).await;
            if buried.is_ok() {
                self.sweep.departed.done(of);
            }
            failed = failed.and_then(|sum| Ok(sum + buried?));
        }
        failed
    }

    async fn bury_departed_one(&self, of: DeviceAddress) -> Result<usize, Refusal> {
        let routing = self.parts.directory.routing(of.account).await?;
        // A new device may have its id already, and an inbox of its own.
        if routing.is_some_and(|routing| routing.devices.iter().any(|(id, ..)| *id == of.device)) {
            return Ok(0);
        }
        self.bury_inbox(of).await
    }

    async fn bury_steps(&self, of: DeviceAddress, steps: usize) -> Result<usize, Refusal> {
        let mut failed = 0;
        let mut after = EntryId::ZERO;
        for _ in 0..steps {
            let entries = self.parts.inbox.read(of, after, STEP_ENTRIES, STEP_BYTES).await?;
            let Some(last) = entries.last() else { break };
            after = last.entry_id;
            failed += self.bury(of, &entries).await?;
        }
        Ok(failed)
    }

    async fn bury(&self, of: DeviceAddress, entries: &[Queued]) -> Result<usize, Refusal> {
        let waiting = self.waiting_elsewhere(of, entries).await?;
        let mut watermarks: HashMap<AccountId, MessageId> = HashMap::new();
        let mut failures = Vec::new();
        for envelope in entries.iter().filter_map(|entry| expects_tick(of, entry)) {
            let author = envelope.sender.account;
            let delivered = match watermarks.get(&author) {
                Some(up_to) => *up_to,
                None => {
                    let up_to = self.settled_up_to(author, of.account).await?;
                    watermarks.insert(author, up_to);
                    up_to
                }
            };
            if delivered >= envelope.message_id || waiting.contains(&envelope.message_id.into()) {
                continue;
            }
            let conversation = Conversation::Peer(of.account);
            let devices = self.notices(author, conversation, None).await?.into_iter().map(|(device, _)| device);
            failures.push((devices.collect(), StoredFailure { conversation, message_id: envelope.message_id }));
        }
        let count = failures.len();
        let remove = entries.iter().map(|entry| entry.entry_id).collect();
        self.parts.inbox.bury(of, remove, failures, self.now()).await?;
        self.meters.dead_letters.increment(count as u64);
        Ok(count)
    }
}

impl Domain {
    /// Those of the messages that wait for another device of the account as well, also for one that left a moment ago.
    async fn waiting_elsewhere(&self, of: DeviceAddress, entries: &[Queued]) -> Result<HashSet<EntryId>, Refusal> {
        let mut waiting = HashSet::new();
        let ids: Vec<EntryId> =
            entries.iter().filter(|entry| expects_tick(of, entry).is_some()).map(|entry| entry.entry_id).collect();
        if ids.is_empty() {
            return Ok(waiting);
        }
        let routing = self.parts.directory.routing(of.account).await?;
        let listed = routing.iter().flat_map(|routing| &routing.devices);
        let mut others: BTreeSet<_> = listed.map(|(id, ..)| DeviceAddress::new(of.account, *id)).collect();
        others.extend(self.sweep.departed.all().into_iter().filter(|other| other.account == of.account));
        others.remove(&of);
        for other in others {
            waiting.extend(self.parts.inbox.get(other, &ids).await?.into_iter().map(|entry| entry.entry_id));
        }
        Ok(waiting)
    }

    /// Nothing up to here can fail any more: it was delivered, or the member blocked the author, who then learns nothing.
    async fn settled_up_to(&self, author: AccountId, member: AccountId) -> Result<MessageId, Refusal> {
        if self.parts.directory.is_blocked(member, author).await? {
            return Ok(MessageId::MAX);
        }
        let step = self.parts.inbox.watermark(author, member, WatermarkKind::Delivered).await?;
        Ok(step.map_or(MessageId::ZERO, |step| step.up_to))
    }
}

/// Only a direct message of somebody else had a tick to wait for: one to a group has not failed because a member was away.
fn expects_tick(of: DeviceAddress, entry: &Queued) -> Option<&StoredEnvelope> {
    match &entry.item {
        QueuedItem::Envelope(envelope)
            if envelope.class == EnvelopeClass::Message
                && envelope.group.is_none()
                && envelope.sender.account != of.account =>
        {
            Some(envelope)
        }
        _ => None,
    }
}
