use super::Kind;
use crate::keys::{self, Ending};
use crate::records;
use crate::tables::{Table, Tables, failed};
use crate::txn::Txn;
use crate::{EmbeddedStore, codec::Write};
use async_trait::async_trait;
use sotto_ports::{
    Advance, CommitRefused, Committed, EXPIRED_ENTRIES_MAX, Expired, InboxStore, Queued, QueuedItem, SendCommit,
    Settle, Step, StoreError, StoredEnvelope, StoredFailure, StoredReceipt, WatermarkKind, check_targets,
};
use sotto_types::{AccountId, Conversation, DeviceAddress, EntryId, MessageId, SendId, Timestamp, limits};
use std::ops::Bound;
use std::sync::atomic::Ordering;

/// What `expired` reads of one device at most, in bytes of ciphertext, and of all of them before it ends early.
const EXPIRED_BYTES_MAX: usize = 4 << 20;
const EXPIRED_BYTES_ENOUGH: usize = 16 << 20;

/// What one operation forgets at most: others wait for it.
pub(super) const FORGOTTEN_AT_ONCE: usize = 5_000;

#[async_trait]
impl InboxStore for EmbeddedStore {
    async fn find_send(&self, send: &SendId) -> Result<Option<Committed>, StoreError> {
        self.tables.find_send(&keys::send(send))?.map(|record| records::committed(&record)).transpose()
    }

    async fn commit_send(&self, commit: SendCommit) -> Result<Committed, CommitRefused> {
        check_targets(&commit.entries)?;
        if self.watch.full.load(Ordering::Relaxed) {
            // A repeat gets its answer even now.
            let repeated = self.find_send(&commit.send).await?.map(CommitRefused::Repeated);
            return Err(repeated.unwrap_or(CommitRefused::Store(StoreError::Full)));
        }
        let bytes = commit.entries.iter().map(|entry| entry.ciphertext.len() + 128).sum::<usize>() + 128;
        self.submit(Kind::SEND.weighing(bytes), move |txn| commit_send(txn, commit)).await
    }

    async fn read(
        &self,
        of: DeviceAddress,
        after: EntryId,
        max_entries: usize,
        max_bytes: usize,
    ) -> Result<Vec<Queued>, StoreError> {
        let Some(from) = after.get().checked_add(1).map(EntryId::new) else { return Ok(Vec::new()) };
        if after == EntryId::ZERO && self.queue.holds_any() {
            // A new connection, perhaps of a device whose last acks are being held: it shall not get those entries again. It
            // would only be shown what it has, so a queue that is too full for this is no error.
            self.submit(Kind::SHRINKS, |_| Ok::<_, StoreError>(())).await.ok();
        }
        read_range(&self.tables, of, from, None, max_entries, max_bytes)
    }

    async fn get(&self, of: DeviceAddress, entries: &[EntryId]) -> Result<Vec<Queued>, StoreError> {
        let mut found = Vec::with_capacity(entries.len());
        for id in entries {
            if let Some(record) = self.tables.get(Table::Inbox, &keys::entry(of, *id))? {
                found.push(Queued { entry_id: *id, item: records::item(*id, &record)? });
            }
        }
        Ok(found)
    }

    async fn settle(&self, settle: Settle) -> Result<(), StoreError> {
        // Whatever is not there now will never be (ids are not used again), and watermarks only rise: so what this finds
        // done is done, and repeated acks, honest or not, cost reads but no writes.
        let removals = removals(&self.tables, settle.of, &settle.remove)?;
        let envelopes: Vec<_> = settle.envelopes.into_iter().map(|id| keys::entry(settle.of, id)).collect();
        let advances = settle.advance;
        if envelopes.is_empty() && removals.is_empty() && !any_moves(&self.tables, &advances)? {
            return Ok(());
        }
        let weight = 32 * (envelopes.len() + removals.len()) + 256 * advances.len();
        let change = move |txn: &mut Txn| {
            for entry in &envelopes {
                txn.remove(Table::Inbox, entry);
            }
            for removal in &removals {
                removal.apply(txn)?;
            }
            for change in advances {
                advance(txn, change)?;
            }
            Ok(())
        };
        self.submit(Kind::SETTLE.weighing(weight), change).await
    }

    async fn watermark(
        &self,
        author: AccountId,
        member: AccountId,
        kind: WatermarkKind,
    ) -> Result<Option<Step>, StoreError> {
        let record = self.tables.get(Table::Watermarks, &keys::watermark(author, member, kind))?;
        record.map(|record| records::step(&record)).transpose()
    }

    async fn expired(
        &self,
        before: EntryId,
        after: Option<DeviceAddress>,
        max_devices: usize,
    ) -> Result<Vec<Expired>, StoreError> {
        self.scan(move |tables| expired(tables, before, after, max_devices)).await
    }

    async fn bury(
        &self,
        of: DeviceAddress,
        remove: Vec<EntryId>,
        failed: Vec<(Vec<DeviceAddress>, StoredFailure)>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.submit(Kind::SHRINKS, move |txn| bury(txn, of, &remove, &failed, now)).await
    }

    async fn forget_old(&self, now: Timestamp, budget: usize) -> Result<usize, StoreError> {
        let mut forgotten = 0;
        while forgotten < budget {
            let now_at_most = FORGOTTEN_AT_ONCE.min(budget - forgotten);
            let step = self.submit(Kind::SHRINKS.scans(), move |txn| forget_old(txn, now, now_at_most)).await?;
            forgotten += step;
            if step < now_at_most {
                break;
            }
        }
        Ok(forgotten)
    }

    async fn newest_id(&self) -> Result<MessageId, StoreError> {
        let record = self.tables.get(Table::Meta, super::meta::CLOCK)?;
        Ok(record
            .map(|record| records::read_two(&record, "clock"))
            .transpose()?
            .map_or(MessageId::ZERO, |(id, _)| MessageId::new(id)))
    }

    async fn depth(&self, of: DeviceAddress, limit: usize) -> Result<usize, StoreError> {
        let mut depth = 0;
        for guard in self.tables.fixed(Table::Inbox).prefix(keys::inbox(of)).take(limit) {
            guard.key().map_err(failed)?;
            depth += 1;
        }
        Ok(depth)
    }
}

fn commit_send(txn: &mut Txn, commit: SendCommit) -> Result<Committed, CommitRefused> {
    // Also when the first try is in this very batch: its answer must be as durable as ours.
    txn.must_be_durable();
    let send = keys::send(&commit.send);
    if let Some(record) = txn.find_send(&send)? {
        return Err(CommitRefused::Repeated(records::committed(&record)?));
    }
    for (account, version) in &commit.expect {
        if txn.routing(*account)?.map(|routing| routing.list_version) != Some(*version) {
            return Err(CommitRefused::ListChanged);
        }
    }
    if let Some((group, Some(roster))) = commit.group
        && super::groups::head(txn, group)?.map(|head| head.roster) != Some(roster)
    {
        return Err(CommitRefused::ListChanged);
    }
    let (message_id, server_time) = txn.next_id(commit.now, commit.seen);
    put_send(txn, &send, message_id, server_time)?;
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
        put_entry(txn, entry.to, message_id.into(), QueuedItem::Envelope(envelope));
    }
    if let Some((conversation, devices)) = commit.failed {
        for to in devices {
            if txn.is_listed(to)? {
                let (id, _) = txn.next_id(commit.now, MessageId::ZERO);
                put_entry(txn, to, id.into(), QueuedItem::Failure(StoredFailure { conversation, message_id }));
            }
        }
    }
    Ok(Committed { message_id, server_time })
}

/// Writes the dedup record of a send.
pub(super) fn put_send(
    txn: &mut Txn,
    send: &[u8],
    message_id: MessageId,
    server_time: Timestamp,
) -> Result<(), StoreError> {
    let generation = Table::dedup_at(server_time);
    txn.tables.ensure_dedup(generation).map_err(failed)?;
    txn.put(Table::Dedup(generation), send, &records::two(message_id.get(), server_time.as_ms()));
    Ok(())
}

/// Writes a new entry and notes it for the feed.
fn put_entry(txn: &mut Txn, to: DeviceAddress, id: EntryId, item: QueuedItem) {
    let mut record = std::mem::take(&mut txn.scratch);
    record.clear();
    records::put_item(&mut record, &item);
    txn.put(Table::Inbox, &keys::entry(to, id), &record);
    txn.scratch = record;
    txn.publish(to, Queued { entry_id: id, item });
}

fn read_range(
    tables: &Tables,
    of: DeviceAddress,
    from: EntryId,
    before: Option<EntryId>,
    max_entries: usize,
    max_bytes: usize,
) -> Result<Vec<Queued>, StoreError> {
    let end = match before {
        Some(before) => keys::entry(of, before).to_vec(),
        None => keys::after_inbox(keys::short(of.account), of.device).to_vec(),
    };
    let mut read = Vec::new();
    let mut bytes = 0;
    for guard in tables.fixed(Table::Inbox).range(keys::entry(of, from).to_vec()..end) {
        let (key, record) = guard.into_inner().map_err(failed)?;
        let (.., id) = keys::parse_entry(&key)?;
        let item = records::item(id, &record)?;
        bytes += item.ciphertext_len();
        read.push(Queued { entry_id: id, item });
        if read.len() >= max_entries || bytes >= max_bytes {
            break;
        }
    }
    Ok(read)
}

/// An entry to remove, as the caller's thread found it.
struct Removal {
    entry: [u8; keys::ENTRY],
    id: EntryId,
    /// The note that it is the waiting receipt, if it is one.
    receipt: Option<Vec<u8>>,
}

fn removals(tables: &Tables, of: DeviceAddress, ids: &[EntryId]) -> Result<Vec<Removal>, StoreError> {
    let mut removals = Vec::with_capacity(ids.len());
    for id in ids {
        let entry = keys::entry(of, *id);
        if let Some(record) = tables.get(Table::Inbox, &entry)? {
            removals.push(Removal { entry, id: *id, receipt: receipt_key(of, *id, &record)? });
        }
    }
    Ok(removals)
}

fn receipt_key(of: DeviceAddress, id: EntryId, record: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    if !records::is_receipt(record) {
        return Ok(None);
    }
    match records::item(id, record)? {
        QueuedItem::Receipt(receipt) => Ok(Some(keys::receipt(of, receipt.conversation, receipt.member))),
        QueuedItem::Envelope(_) | QueuedItem::Failure(_) => Ok(None),
    }
}

impl Removal {
    fn apply(&self, txn: &mut Txn) -> Result<(), StoreError> {
        if let Some(receipt) = &self.receipt {
            let waiting = txn.get(Table::Receipts, receipt)?;
            if waiting.map(|record| entry_id(&record)).transpose()? == Some(self.id) {
                txn.remove(Table::Receipts, receipt);
            }
        }
        txn.remove(Table::Inbox, &self.entry);
        Ok(())
    }
}

fn entry_id(record: &[u8]) -> Result<EntryId, StoreError> {
    Ok(EntryId::new(records::read_two(record, "receipt note")?.0))
}

/// Whether an advance would move its watermark, by what is committed.
fn any_moves(tables: &Tables, advances: &[Advance]) -> Result<bool, StoreError> {
    for advance in advances {
        let key = keys::watermark(advance.author, advance.member, advance.kind);
        let mark = tables.get(Table::Watermarks, &key)?.map(|record| records::step(&record)).transpose()?;
        if mark.unwrap_or_default().up_to < advance.up_to {
            return Ok(true);
        }
    }
    Ok(false)
}

fn advance(txn: &mut Txn, advance: Advance) -> Result<(), StoreError> {
    let key = keys::watermark(advance.author, advance.member, advance.kind);
    let mark = txn.get(Table::Watermarks, &key)?.map(|record| records::step(&record)).transpose()?;
    if mark.unwrap_or_default().up_to >= advance.up_to {
        return Ok(());
    }
    let step = Step { up_to: advance.up_to, at: advance.at };
    txn.put(Table::Watermarks, &key, &records::two(step.up_to.get(), step.at.as_ms()));
    let author_hears = !advance.if_contact || txn.tie(advance.member, advance.author)?.is_contact;
    for (to, conversation) in advance.notify {
        if author_hears || to.account != advance.author {
            tell_steps(txn, to, conversation, advance.member, &[(advance.kind, step)], advance.at)?;
        }
    }
    Ok(())
}

/// Leaves a receipt with these steps, merged into the one that waits.
pub(super) fn tell_steps(
    txn: &mut Txn,
    to: DeviceAddress,
    conversation: Conversation,
    member: AccountId,
    steps: &[(WatermarkKind, Step)],
    at: Timestamp,
) -> Result<(), StoreError> {
    if !txn.is_listed(to)? {
        return Ok(());
    }
    let note = keys::receipt(to, conversation, member);
    let mut receipt = StoredReceipt::new(conversation, member);
    if let Some(waiting) = txn.get(Table::Receipts, &note)? {
        let id = entry_id(&waiting)?;
        let entry = keys::entry(to, id);
        if let Some(record) = txn.get(Table::Inbox, &entry)?
            && let QueuedItem::Receipt(waiting) = records::item(id, &record)?
        {
            receipt = waiting;
        }
        txn.remove(Table::Inbox, &entry);
        if txn.is_of_this_batch(id) {
            txn.unpublish(to, id);
        }
    }
    for (kind, step) in steps {
        receipt.add(*kind, *step);
    }
    let (id, _) = txn.next_id(at, MessageId::ZERO);
    txn.put(Table::Receipts, &note, &records::two(id.get(), 0));
    put_entry(txn, to, id.into(), QueuedItem::Receipt(receipt));
    Ok(())
}

fn expired(
    tables: &Tables,
    before: EntryId,
    after: Option<DeviceAddress>,
    max_devices: usize,
) -> Result<Vec<Expired>, StoreError> {
    let inbox = tables.fixed(Table::Inbox);
    let mut found = Vec::new();
    let mut bytes = 0;
    let beyond = |account, device| Bound::Included(keys::after_inbox(account, device).to_vec());
    let mut from = after.map_or(Bound::Unbounded, |of| beyond(keys::short(of.account), of.device));
    // One seek per device with entries: the first entry of a device is its oldest, and says whether to look further.
    while found.len() < max_devices && bytes < EXPIRED_BYTES_ENOUGH {
        let Some(first) = inbox.range::<Vec<u8>, _>((from, Bound::Unbounded)).next() else { break };
        let (short, device, oldest) = keys::parse_entry(&first.key().map_err(failed)?)?;
        from = beyond(short, device);
        if oldest < before
            && let Some(account) = tables.get(Table::Accounts, &short)?
        {
            let of = keys::of(records::account(&account)?.id, device);
            let entries = read_range(tables, of, oldest, Some(before), EXPIRED_ENTRIES_MAX, EXPIRED_BYTES_MAX)?;
            if !entries.is_empty() {
                bytes += entries.iter().map(|entry| entry.item.ciphertext_len()).sum::<usize>();
                found.push(Expired { of, entries });
            }
        }
    }
    Ok(found)
}

fn bury(
    txn: &mut Txn,
    of: DeviceAddress,
    remove: &[EntryId],
    failed: &[(Vec<DeviceAddress>, StoredFailure)],
    now: Timestamp,
) -> Result<(), StoreError> {
    txn.must_be_durable();
    let mut removed = Vec::with_capacity(remove.len());
    for id in remove {
        let entry = keys::entry(of, *id);
        if let Some(record) = txn.get(Table::Inbox, &entry)? {
            Removal { entry, id: *id, receipt: receipt_key(of, *id, &record)? }.apply(txn)?;
            removed.push(*id);
        }
    }
    let until = now.plus(limits::UNDELIVERED_RETENTION);
    for (devices, failure) in failed {
        if !removed.contains(&failure.message_id.into()) {
            continue;
        }
        let mut record = Vec::new();
        record.u8(crate::codec::V1).conversation(failure.conversation);
        let named = keys::entry(of, failure.message_id.into());
        txn.put(Table::Expiry, &keys::ending(until, Ending::DeadLetter, &named), &record);
        for to in devices {
            if txn.is_listed(*to)? {
                let (id, _) = txn.next_id(now, MessageId::ZERO);
                put_entry(txn, *to, id.into(), QueuedItem::Failure(*failure));
            }
        }
    }
    Ok(())
}

fn forget_old(txn: &mut Txn, now: Timestamp, budget: usize) -> Result<usize, StoreError> {
    let mut forgotten = 0usize;
    for generation in txn.tables.dedup_generations() {
        if Table::dedup_is_over(generation, now) {
            forgotten += txn.tables.drop_dedup(generation).map_err(failed)?;
        }
    }
    let mut over = Vec::new();
    for guard in txn.tables.fixed(Table::Expiry).iter().take(budget) {
        let key = guard.key().map_err(failed)?;
        if keys::parse_ending(&key)?.0 > now {
            break;
        }
        over.push(key);
    }
    for key in over {
        let (_, kind, rest) = keys::parse_ending(&key)?;
        match kind {
            Ending::DeadLetter => {}
            Ending::HeldName => {
                let name = txn.get(Table::Names, rest)?.map(|record| records::name(&record)).transpose()?;
                if matches!(name, Some(records::Name::Held(until)) if until <= now) {
                    txn.remove(Table::Names, rest);
                }
            }
            Ending::Invite => {
                let hash = rest.try_into().map_err(|_| crate::codec::damaged("expiry key"))?;
                let invite = txn.get(Table::Invites, rest)?.map(|record| records::invite(hash, &record)).transpose()?;
                if invite.is_some_and(|invite| invite.expires <= now) {
                    txn.remove(Table::Invites, rest);
                }
            }
        }
        txn.remove(Table::Expiry, &key);
        forgotten += 1;
    }
    Ok(forgotten)
}
