//! Expiry: what nobody acknowledged within 30 days leaves the inbox; its sender is told once, and for good.
//! Always true:
//! - a message failed only if none of the recipient's devices acknowledged it: the delivered watermark did not reach it;
//! - to someone who was blocked nothing ever fails, also not what waited when the block came.

use crate::{Domain, Refusal};
use parking_lot::Mutex;
use sotto_ports::{EnvelopeClass, Queued, QueuedItem, StoredEnvelope, StoredFailure, WatermarkKind};
use sotto_types::{AccountId, Conversation, DeviceAddress, EntryId, MessageId, limits};
use std::collections::{HashMap, HashSet};

const DEVICES_PER_STEP: usize = 256;

/// Where the round over all inboxes stands.
#[derive(Debug, Default)]
pub(crate) struct ExpiryCursor(Mutex<Option<DeviceAddress>>);

/// Failures told in this round: a recipient's second device must not make a second notice.
type Told = HashSet<(AccountId, AccountId, MessageId)>;

impl Domain {
    /// At most `devices` inboxes with something expired; the next call goes on from there. Returns how many messages failed.
    pub(crate) async fn expire(&self, devices: usize) -> Result<usize, Refusal> {
        let before = EntryId::from(MessageId::at(self.now().minus(limits::UNDELIVERED_RETENTION).as_ms()));
        let mut told = Told::new();
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
                failed += self.bury(expired.of, &expired.entries, &mut told).await?;
            }
        }
        Ok(failed)
    }

    /// Everything in the inbox of a device that was just suspended, in case the store has left it there.
    pub(crate) async fn bury_inbox(&self, of: DeviceAddress) -> Result<usize, Refusal> {
        const STEP: usize = 500;
        let mut told = Told::new();
        let mut failed = 0;
        let mut after = EntryId::ZERO;
        loop {
            let entries = self.parts.inbox.read(of, after, STEP, usize::MAX).await?;
            let Some(last) = entries.last() else { return Ok(failed) };
            after = last.entry_id;
            failed += self.bury(of, &entries, &mut told).await?;
        }
    }

    async fn bury(&self, of: DeviceAddress, entries: &[Queued], told: &mut Told) -> Result<usize, Refusal> {
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
            if delivered >= envelope.message_id || !told.insert((author, of.account, envelope.message_id)) {
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
    /// Nothing up to here can fail any more: it was delivered, or the member blocked the author, who then learns nothing.
    async fn settled_up_to(&self, author: AccountId, member: AccountId) -> Result<MessageId, Refusal> {
        if self.parts.directory.is_blocked(member, author).await? {
            return Ok(MessageId::MAX);
        }
        let step = self.parts.inbox.watermark(author, member, WatermarkKind::Delivered).await?;
        Ok(step.map_or(MessageId::ZERO, |step| step.up_to))
    }
}

/// Only a message of somebody else had a tick to wait for.
fn expects_tick(of: DeviceAddress, entry: &Queued) -> Option<&StoredEnvelope> {
    match &entry.item {
        QueuedItem::Envelope(envelope)
            if envelope.class == EnvelopeClass::Message && envelope.sender.account != of.account =>
        {
            Some(envelope)
        }
        _ => None,
    }
}
