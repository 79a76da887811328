use super::{MemoryStore, News, State};
use crate::{
    Advance, CommitRefused, Committed, Expired, InboxStore, Queued, QueuedItem, SendCommit, Settle, Step, StoreError,
    StoredEnvelope, StoredFailure, StoredReceipt, WatermarkKind,
};
use async_trait::async_trait;
use sotto_types::{AccountId, Conversation, DeviceAddress, EntryId, MessageId, SendId, Timestamp, limits};
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

#[derive(Default)]
pub(super) struct Inbox {
    pub entries: BTreeMap<EntryId, QueuedItem>,
    /// The waiting receipt of each conversation and member.
    receipts: HashMap<(Conversation, AccountId), EntryId>,
}

pub(super) type WatermarkKey = (AccountId, AccountId, WatermarkKind);

pub(super) struct DeadLetter {
    pub of: DeviceAddress,
    until: Timestamp,
    #[expect(dead_code, reason = "kept for operators; nothing reads it back here")]
    failure: StoredFailure,
}

impl Inbox {
    /// Removes an entry, and with a receipt the note that it is waiting.
    fn remove(&mut self, id: EntryId) -> Option<QueuedItem> {
        let item = self.entries.remove(&id)?;
        if let QueuedItem::Receipt(receipt) = &item {
            self.receipts.remove(&(receipt.conversation, receipt.member));
        }
        Some(item)
    }
}

impl State {
    fn publish(&mut self, to: DeviceAddress, id: EntryId, item: QueuedItem) {
        let inbox = self.inboxes.entry(to).or_default();
        if let QueuedItem::Receipt(receipt) = &item {
            inbox.receipts.insert((receipt.conversation, receipt.member), id);
        }
        inbox.entries.insert(id, item.clone());
        self.news.push(News::Entry(to, Queued { entry_id: id, item }));
    }

    fn remove(&mut self, of: DeviceAddress, id: EntryId) -> Option<QueuedItem> {
        let inbox = self.inboxes.get_mut(&of)?;
        let item = inbox.remove(id);
        if inbox.entries.is_empty() {
            self.inboxes.remove(&of);
        }
        item
    }

    fn advance(&mut self, advance: Advance) {
        let key = (advance.author, advance.member, advance.kind);
        if self.watermarks.get(&key).is_some_and(|mark| mark.up_to >= advance.up_to) || advance.up_to == MessageId::ZERO
        {
            return;
        }
        let step = Step { up_to: advance.up_to, at: advance.at };
        self.watermarks.insert(key, step);
        let author_hears = !advance.if_contact || self.contacts.contains(&(advance.member, advance.author));
        for (to, conversation) in advance.notify {
            if author_hears || to.account != advance.author {
                self.tell_steps(to, conversation, advance.member, &[(advance.kind, step)], advance.at);
            }
        }
    }

    /// Leaves a receipt with these steps, merged into the one that waits.
    pub(super) fn tell_steps(
        &mut self,
        to: DeviceAddress,
        conversation: Conversation,
        member: AccountId,
        steps: &[(WatermarkKind, Step)],
        at: Timestamp,
    ) {
        if !self.listed(to) {
            return;
        }
        let waiting = self.inboxes.get(&to).and_then(|inbox| inbox.receipts.get(&(conversation, member)));
        let mut receipt = match waiting.copied().and_then(|id| self.remove(to, id)) {
            Some(QueuedItem::Receipt(receipt)) => receipt,
            _ => StoredReceipt::new(conversation, member),
        };
        for (kind, step) in steps {
            receipt.add(*kind, *step);
        }
        let (id, _) = self.ids.next(at, MessageId::ZERO);
        self.publish(to, id.into(), QueuedItem::Receipt(receipt));
    }
}

#[async_trait]
impl InboxStore for MemoryStore {
    async fn find_send(&self, send: &SendId) -> Result<Option<Committed>, StoreError> {
        Ok(self.state.lock().sends.get(send).copied())
    }

    async fn commit_send(&self, commit: SendCommit) -> Result<Committed, CommitRefused> {
        let mut state = self.state.lock();
        if let Some(first) = state.sends.get(&commit.send) {
            return Err(CommitRefused::Repeated(*first));
        }
        for (account, version) in &commit.expect {
            if state.accounts.get(account).map(|account| account.list.version) != Some(*version) {
                return Err(CommitRefused::ListChanged);
            }
        }
        if let Some((group, Some(roster))) = commit.group
            && !state.is_roster(group, roster)
        {
            return Err(CommitRefused::ListChanged);
        }
        crate::inbox::check_targets(&commit.entries)?;
        let (message_id, server_time) = state.ids.next(commit.now, commit.seen);
        let committed = Committed { message_id, server_time };
        state.sends.insert(commit.send, committed);
        for entry in commit.entries {
            let envelope = StoredEnvelope {
                sender: commit.send.from,
                class: commit.class,
                ciphertext_type: entry.ciphertext_type,
                message_id,
                server_time,
                group: commit.group.map(|(group, _)| group),
                ciphertext: entry.ciphertext,
            };
            state.publish(entry.to, message_id.into(), QueuedItem::Envelope(envelope));
        }
        if let Some((conversation, devices)) = commit.failed {
            for to in devices.into_iter().filter(|to| state.listed(*to)).collect::<Vec<_>>() {
                let (id, _) = state.ids.next(commit.now, MessageId::ZERO);
                state.publish(to, id.into(), QueuedItem::Failure(StoredFailure { conversation, message_id }));
            }
        }
        state.tell(&*self.feed);
        Ok(committed)
    }

    async fn read(
        &self,
        of: DeviceAddress,
        after: EntryId,
        max_entries: usize,
        max_bytes: usize,
    ) -> Result<Vec<Queued>, StoreError> {
        let state = self.state.lock();
        let Some(inbox) = state.inboxes.get(&of) else { return Ok(Vec::new()) };
        let mut read = Vec::new();
        let mut bytes = 0;
        for (id, item) in inbox.entries.range((Bound::Excluded(after), Bound::Unbounded)) {
            if !read.is_empty() && (read.len() >= max_entries || bytes >= max_bytes) {
                break;
            }
            bytes += item.ciphertext_len();
            read.push(Queued { entry_id: *id, item: item.clone() });
        }
        Ok(read)
    }

    async fn get(&self, of: DeviceAddress, entries: &[EntryId]) -> Result<Vec<Queued>, StoreError> {
        let state = self.state.lock();
        let Some(inbox) = state.inboxes.get(&of) else { return Ok(Vec::new()) };
        let found =
            entries.iter().filter_map(|id| Some(Queued { entry_id: *id, item: inbox.entries.get(id)?.clone() }));
        Ok(found.collect())
    }

    async fn settle(&self, settle: Settle) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        for id in settle.envelopes.into_iter().chain(settle.remove) {
            state.remove(settle.of, id);
        }
        for advance in settle.advance {
            state.advance(advance);
        }
        state.tell(&*self.feed);
        Ok(())
    }

    async fn watermark(
        &self,
        author: AccountId,
        member: AccountId,
        kind: WatermarkKind,
    ) -> Result<Option<Step>, StoreError> {
        Ok(self.state.lock().watermarks.get(&(author, member, kind)).copied())
    }

    async fn expired(
        &self,
        before: EntryId,
        after: Option<DeviceAddress>,
        max_devices: usize,
    ) -> Result<Vec<Expired>, StoreError> {
        let state = self.state.lock();
        let following = after.map_or(Bound::Unbounded, Bound::Excluded);
        let expired = state.inboxes.range((following, Bound::Unbounded)).filter_map(|(of, inbox)| {
            let old = inbox.entries.range(..before).take(crate::inbox::EXPIRED_ENTRIES_MAX);
            let entries: Vec<_> = old.map(|(id, item)| Queued { entry_id: *id, item: item.clone() }).collect();
            (!entries.is_empty()).then_some(Expired { of: *of, entries })
        });
        Ok(expired.take(max_devices).collect())
    }

    async fn bury(
        &self,
        of: DeviceAddress,
        remove: Vec<EntryId>,
        failed: Vec<(Vec<DeviceAddress>, StoredFailure)>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        let removed: Vec<EntryId> = remove.into_iter().filter(|id| state.remove(of, *id).is_some()).collect();
        for (devices, failure) in failed {
            if !removed.contains(&failure.message_id.into()) {
                continue;
            }
            let until = now.plus(limits::UNDELIVERED_RETENTION);
            state.dead_letters.push(DeadLetter { of, until, failure });
            for to in devices {
                if state.listed(to) {
                    let (id, _) = state.ids.next(now, MessageId::ZERO);
                    state.publish(to, id.into(), QueuedItem::Failure(failure));
                }
            }
        }
        state.tell(&*self.feed);
        Ok(())
    }

    async fn forget_old(&self, now: Timestamp, budget: usize) -> Result<usize, StoreError> {
        let mut state = self.state.lock();
        let mut left = budget;
        let mut spend = |old: bool| {
            let forget = old && left > 0;
            left -= usize::from(forget);
            !forget
        };
        state.sends.retain(|_, c| spend(State::past(c.server_time.plus(limits::DEDUP_RETENTION), now)));
        state.dead_letters.retain(|letter| spend(State::past(letter.until, now)));
        state.names.retain(|_, name| spend(name.lapsed(now)));
        state.invites.retain(|_, invite| spend(State::past(invite.expires, now)));
        Ok(budget - left)
    }

    async fn newest_id(&self) -> Result<MessageId, StoreError> {
        Ok(self.state.lock().ids.last)
    }

    async fn depth(&self, of: DeviceAddress, limit: usize) -> Result<usize, StoreError> {
        Ok(self.state.lock().inboxes.get(&of).map_or(0, |inbox| inbox.entries.len().min(limit)))
    }
}
