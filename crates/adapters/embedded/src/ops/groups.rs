use super::Kind;
use super::inbox::{FORGOTTEN_AT_ONCE, put_send};
use crate::EmbeddedStore;
use crate::codec::damaged;
use crate::group_records::{self as records, Head, Logged, LoggedItem, Stays};
use crate::keys::{self, GROUP, OfDay};
use crate::tables::{Table, Tables, failed};
use crate::txn::{News, Txn};
use async_trait::async_trait;
use fjall::{Readable as _, Slice};
use sotto_ports::{
    CommitRefused, Committed, Group, GroupAdvance, GroupCommit, GroupFacts, GroupItem, GroupMark, GroupSettle,
    GroupStore, InboxStore as _, LoggedEntry, Membership, OperationCommit, OperationCommitted, OperationRefused,
    Routing, Step, StoreError, StoredOperation,
};
use sotto_types::{AccountId, DeviceAddress, GroupId, MessageId, limits};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

const DAY_MS: u64 = 86_400_000;

#[async_trait]
impl GroupStore for EmbeddedStore {
    async fn group(&self, id: GroupId) -> Result<Option<Arc<Group>>, StoreError> {
        self.groups.get(id, || {
            // Of one moment: members of one revision with the roster of another would let a message pass that must not.
            let snapshot = self.tables.db.snapshot();
            let get = |table| snapshot.get(self.tables.fixed(table), keys::group(id)).map_err(failed);
            let Some(head) = get(Table::GroupHeads)?.map_or(Ok(None), |record| records::head(id, &record))? else {
                return Ok(None);
            };
            get(Table::Groups)?.map(|record| records::group(head.roster, &record)).transpose()
        })
    }

    async fn group_facts(&self, id: GroupId) -> Result<Option<GroupFacts>, StoreError> {
        let head = head_of(&self.tables, id)?;
        Ok(head.map(|head| GroupFacts { roster: head.roster, newest: head.newest }))
    }

    async fn memberships(&self, of: AccountId) -> Result<Vec<Membership>, StoreError> {
        let mut memberships = Vec::new();
        for guard in self.tables.fixed(Table::Memberships).prefix(keys::short(of)) {
            let (key, record) = guard.into_inner().map_err(failed)?;
            if key.len() == keys::MEMBERSHIP {
                memberships.extend(records::stays(&record)?.all());
            }
        }
        Ok(memberships)
    }

    async fn commit_operation(&self, commit: OperationCommit) -> Result<OperationCommitted, OperationRefused> {
        let bytes = 2 * commit.payload.len() + commit.state.len() + commit.details.as_ref().map_or(0, |d| 2 * d.len());
        let kind = Kind::GROWS.weighing(bytes + 256 * commit.members.len() + 256);
        self.submit(kind, move |txn| commit_operation(txn, commit)).await
    }

    async fn commit_message(&self, commit: GroupCommit) -> Result<Committed, CommitRefused> {
        if self.watch.full.load(Ordering::Relaxed) {
            // A repeat gets its answer even now.
            let repeated = self.find_send(&commit.send).await?.map(CommitRefused::Repeated);
            return Err(repeated.unwrap_or(CommitRefused::Store(StoreError::Full)));
        }
        let bytes = commit.ciphertext.len() + 256;
        self.submit(Kind::SEND.weighing(bytes), move |txn| commit_message(txn, commit)).await
    }

    async fn operations(&self, of: GroupId, from: u32, max_bytes: usize) -> Result<Vec<StoredOperation>, StoreError> {
        if head_of(&self.tables, of)?.is_none() {
            return Ok(Vec::new());
        }
        let (from, last) = (keys::operation(of, from), keys::operation(of, u32::MAX));
        let mut read = Vec::new();
        let mut bytes = 0;
        for guard in self.tables.fixed(Table::GroupOps).range(from..=last) {
            let (key, record) = guard.into_inner().map_err(failed)?;
            let operation = records::operation(keys::parse_operation(&key)?.1, &record)?;
            bytes += operation.body_len();
            read.push(operation);
            if bytes >= max_bytes {
                break;
            }
        }
        Ok(read)
    }

    async fn read_log(
        &self,
        of: GroupId,
        after: MessageId,
        up_to: MessageId,
        max_entries: usize,
        max_bytes: usize,
    ) -> Result<Vec<LoggedEntry>, StoreError> {
        if after >= up_to || head_of(&self.tables, of)?.is_none() {
            return Ok(Vec::new());
        }
        let from = MessageId::new(after.get().saturating_add(1));
        let group = keys::group(of);
        let mut read = Vec::new();
        let mut bytes = 0;
        for guard in self.tables.fixed(Table::GroupLog).range(keys::logged(group, from)..=keys::logged(group, up_to)) {
            let (key, record) = guard.into_inner().map_err(failed)?;
            let (_, id) = keys::parse_logged(&key)?;
            let entry = read_entry(&self.tables, of, id, records::logged(&record)?)?;
            bytes += entry.item.body_len();
            read.push(entry);
            if read.len() >= max_entries || bytes >= max_bytes {
                break;
            }
        }
        Ok(read)
    }

    async fn cursors(&self, of: DeviceAddress, groups: &[GroupId]) -> Result<Vec<Option<MessageId>>, StoreError> {
        if self.queue.holds_any() {
            // As with `read` of an inbox: whoever asks begins to read there, and shall not get again what it acked just now.
            self.submit(Kind::SHRINKS, |_| Ok::<_, StoreError>(())).await.ok();
        }
        let cursor = |group: &GroupId| cursor(self.tables.get(Table::Cursors, &keys::cursor(of, keys::group(*group)))?);
        groups.iter().map(cursor).collect()
    }

    async fn settle_groups(&self, settle: GroupSettle) -> Result<(), StoreError> {
        // All of this only rises, so what this finds done is done; repeats cost reads but no writes.
        if !any_moves(&self.tables, &settle)? {
            return Ok(());
        }
        let weight = 64 * settle.cursors.len() + 128 * settle.advance.len();
        self.submit(Kind::SETTLE.weighing(weight), move |txn| settle_groups(txn, settle)).await
    }

    async fn marks(&self, of: GroupId) -> Result<Vec<GroupMark>, StoreError> {
        if head_of(&self.tables, of)?.is_none() {
            return Ok(Vec::new());
        }
        let marks = self.tables.fixed(Table::GroupMarks).prefix(keys::group(of));
        marks.map(|guard| records::mark(&guard.value().map_err(failed)?)).collect()
    }

    async fn mark(&self, of: GroupId, member: AccountId) -> Result<Option<GroupMark>, StoreError> {
        if head_of(&self.tables, of)?.is_none() {
            return Ok(None);
        }
        let record = self.tables.get(Table::GroupMarks, &keys::mark(keys::group(of), member))?;
        let mark = record.map(|record| records::mark(&record)).transpose()?;
        // The key has the first bytes of the account alone.
        Ok(mark.filter(|mark| mark.member == member))
    }

    async fn resume_stay(&self, of: AccountId, group: GroupId) -> Result<(), StoreError> {
        self.submit(Kind::GROWS.weighing(256), move |txn| resume_stay(txn, of, group)).await
    }

    async fn trim_logs(&self, before: MessageId, budget: usize) -> Result<usize, StoreError> {
        let mut removed = 0;
        while removed < budget {
            let at_once = FORGOTTEN_AT_ONCE.min(budget - removed);
            // Looked for here, so that the committer only removes: nothing of it can have become young meanwhile.
            let old = self.scan(move |tables| find_old(tables, before, at_once)).await?;
            if old.len() == 0 {
                break;
            }
            let kind = Kind::SHRINKS.weighing(64 * old.len());
            removed += self.submit(kind, move |txn| remove_old(txn, before, &old)).await?;
        }
        Ok(removed)
    }
}

fn head_of(tables: &Tables, id: GroupId) -> Result<Option<Head>, StoreError> {
    tables.get(Table::GroupHeads, &keys::group(id))?.map_or(Ok(None), |record| records::head(id, &record))
}

pub(super) fn head(txn: &Txn, id: GroupId) -> Result<Option<Head>, StoreError> {
    txn.get(Table::GroupHeads, &keys::group(id))?.map_or(Ok(None), |record| records::head(id, &record))
}

fn put_head(txn: &mut Txn, id: GroupId, head: Head) {
    txn.put(Table::GroupHeads, &keys::group(id), &records::put_head(id, head));
}

fn cursor(record: Option<Slice>) -> Result<Option<MessageId>, StoreError> {
    record.map(|record| records::read_one(&record, "cursor").map(MessageId::new)).transpose()
}

fn stays(txn: &Txn, account: AccountId, group: [u8; GROUP]) -> Result<Option<Stays>, StoreError> {
    let record = txn.get(Table::Memberships, &keys::membership(account, group))?;
    record.map(|record| records::stays(&record)).transpose()
}

fn put_stays(txn: &mut Txn, account: AccountId, stays: &Stays) {
    let key = keys::membership(account, keys::group(stays.newest.group));
    txn.put(Table::Memberships, &key, &records::put_stays(stays));
}

/// Notes when a stay ended, for `trim_logs`.
fn put_end(txn: &mut Txn, account: AccountId, group: GroupId, until: MessageId) {
    txn.put(Table::GroupDays, &keys::of_day(day(until), OfDay::Ended(account, keys::group(group))), &[]);
}

/// How many memberships of an account go on. Counted as they begin and end, so that an operation need not scan.
fn count(txn: &Txn, account: AccountId) -> Result<u64, StoreError> {
    let record = txn.get(Table::Memberships, &keys::short(account))?;
    record.map_or(Ok(0), |record| records::read_one(&record, "number of memberships"))
}

fn put_count(txn: &mut Txn, account: AccountId, count: u64) {
    txn.put(Table::Memberships, &keys::short(account), &records::one(count));
}

/// The newest stay of an account in each of its groups. Scans.
fn scan_memberships(txn: &Txn, account: AccountId) -> Result<Vec<Membership>, StoreError> {
    let mut memberships = Vec::new();
    for key in txn.scan(Table::Memberships, &keys::short(account))? {
        if key.len() == keys::MEMBERSHIP
            && let Some(record) = txn.get(Table::Memberships, &key)?
        {
            memberships.push(records::stays(&record)?.newest);
        }
    }
    Ok(memberships)
}

/// Messages that were encrypted for the devices this account had are refused from now on. Scans.
pub(super) fn raise_rosters(txn: &mut Txn, account: AccountId) -> Result<(), StoreError> {
    for membership in scan_memberships(txn, account)? {
        if membership.goes_on()
            && let Some(head) = head(txn, membership.group)?
        {
            put_head(txn, membership.group, Head { roster: head.roster + 1, ..head });
            txn.changed_group(membership.group);
        }
    }
    Ok(())
}

/// Scans.
pub(super) fn drop_cursors(txn: &mut Txn, of: DeviceAddress) -> Result<(), StoreError> {
    txn.clear(Table::Cursors, &keys::inbox(of))
}

/// A new device gets what comes after it, also of groups whose last entries its siblings still fetch. Scans.
pub(super) fn begin_cursors(txn: &mut Txn, of: DeviceAddress) -> Result<(), StoreError> {
    drop_cursors(txn, of)?;
    for Membership { group, .. } in scan_memberships(txn, of.account)? {
        if let Some(head) = head(txn, group)? {
            txn.put(Table::Cursors, &keys::cursor(of, keys::group(group)), &records::one(head.newest.get()));
        }
    }
    Ok(())
}

/// What groups keep of an account that is deleted. That it is a member stands in the state, which is the clients'. Scans.
pub(super) fn leave_groups(txn: &mut Txn, account: AccountId) -> Result<(), StoreError> {
    raise_rosters(txn, account)?;
    for table in [Table::Memberships, Table::Cursors] {
        txn.clear(table, &keys::short(account))?;
    }
    Ok(())
}

/// The day of the calendar that an id belongs to.
fn day(id: MessageId) -> u32 {
    u32::try_from(id.time_ms() / DAY_MS).unwrap_or(u32::MAX)
}

/// The first id of a day; the last there is if that is beyond all.
fn begin_of_day(day: u32) -> MessageId {
    let begin_ms = u64::from(day) * DAY_MS;
    if begin_ms > MessageId::MAX.time_ms() { MessageId::MAX } else { MessageId::at(begin_ms) }
}

/// Writes the next entry of a log and notes it for the feed. `before` is the group's head so far, `roster` what it becomes.
fn log(txn: &mut Txn, before: Option<Head>, roster: u64, entry: LoggedEntry) {
    let item = match &entry.item {
        GroupItem::Message { class, ciphertext } => {
            LoggedItem::Message { class: *class, ciphertext: ciphertext.clone() }
        }
        GroupItem::Operation { revision, details, .. } => {
            LoggedItem::Operation { revision: *revision, details: details.clone() }
        }
    };
    let logged = Logged { previous: entry.previous, server_time: entry.server_time, sender: entry.sender, item };
    let mut record = std::mem::take(&mut txn.scratch);
    record.clear();
    records::put_logged(&mut record, &logged);
    let group = keys::group(entry.group);
    txn.put(Table::GroupLog, &keys::logged(group, entry.id), &record);
    txn.scratch = record;
    put_head(txn, entry.group, Head { roster, newest: entry.id });
    if before.is_none_or(|before| day(before.newest) != day(entry.id)) {
        txn.put(Table::GroupDays, &keys::of_day(day(entry.id), OfDay::Log(group)), &[]);
    }
    txn.tell(News::Logged(Arc::new(entry)));
}

fn commit_message(txn: &mut Txn, commit: GroupCommit) -> Result<Committed, CommitRefused> {
    // Also when the first try is in this very batch: its answer must be as durable as ours.
    txn.must_be_durable();
    let send = keys::send(&commit.send);
    if let Some(record) = txn.find_send(&send)? {
        return Err(CommitRefused::Repeated(crate::records::committed(&record)?));
    }
    let Some(head) = head(txn, commit.group)?.filter(|head| head.roster == commit.roster) else {
        return Err(CommitRefused::ListChanged);
    };
    let (id, server_time) = txn.next_id(commit.now, commit.seen);
    put_send(txn, &send, id, server_time)?;
    let entry = LoggedEntry {
        group: commit.group,
        id,
        previous: head.newest,
        server_time,
        sender: commit.send.from,
        item: GroupItem::Message { class: commit.class, ciphertext: commit.ciphertext },
    };
    log(txn, Some(head), head.roster, entry);
    Ok(Committed { message_id: id, server_time })
}

/// The group as it is now, with its head.
fn read_group(txn: &Txn, id: GroupId) -> Result<Option<(Group, Head)>, StoreError> {
    let Some(head) = head(txn, id)? else { return Ok(None) };
    let Some(record) = txn.get(Table::Groups, &keys::group(id))? else { return Err(damaged("group without a record")) };
    Ok(Some((records::group(head.roster, &record)?, head)))
}

fn commit_operation(txn: &mut Txn, commit: OperationCommit) -> Result<OperationCommitted, OperationRefused> {
    let before = read_group(txn, commit.group)?;
    let is_taken = || txn.get(Table::GroupHeads, &keys::group(commit.group)).map(|record| record.is_some());
    if before.as_ref().map(|(group, _)| group.head) != commit.follows || (before.is_none() && is_taken()?) {
        return Err(OperationRefused::HeadChanged);
    }
    let since_before: BTreeMap<AccountId, MessageId> =
        before.iter().flat_map(|(group, _)| &group.members).copied().collect();
    let changes = Changes::of(txn, &commit, &since_before)?;
    txn.must_be_durable();
    let (id, server_time) = txn.next_id(commit.now, MessageId::ZERO);
    changes.apply(txn, commit.group, id)?;
    let since = |member: &AccountId| match since_before.get(member) {
        Some(since) if !changes.renewed.contains(member) => *since,
        _ => id,
    };
    let members = commit.members.iter().map(|member| (*member, since(member))).collect();
    let (old_details, head_before) = before.map_or_else(Default::default, |(group, head)| (group.details, Some(head)));
    let roster = head_before.map_or(1, |head| head.roster + u64::from(commit.changes_roster));
    let group = Group {
        id: commit.group,
        revision: commit.revision,
        head: commit.head,
        roster,
        state: commit.state,
        details: commit.details.clone().unwrap_or(old_details),
        members,
    };
    txn.put(Table::Groups, &keys::group(commit.group), &records::put_group(&group));
    let operation = StoredOperation {
        revision: commit.revision,
        message_id: id,
        server_time,
        payload: commit.payload.clone(),
        signature: commit.signature.clone(),
    };
    txn.put(Table::GroupOps, &keys::operation(commit.group, commit.revision), &records::put_operation(&operation));
    txn.changed_group(commit.group);
    let item = GroupItem::Operation {
        revision: commit.revision,
        payload: commit.payload,
        signature: commit.signature,
        details: commit.details.unwrap_or_default(),
    };
    let previous = head_before.map_or(MessageId::ZERO, |head| head.newest);
    let entry = LoggedEntry { group: commit.group, id, previous, server_time, sender: commit.sender, item };
    log(txn, head_before, roster, entry);
    Ok(OperationCommitted { message_id: id, server_time, roster })
}

fn resume_stay(txn: &mut Txn, of: AccountId, id: GroupId) -> Result<(), StoreError> {
    let Some((group, head)) = read_group(txn, id)? else { return Ok(()) };
    let there = stays(txn, of, keys::group(id))?;
    let goes_on = there.as_ref().is_some_and(|stays| stays.newest.goes_on());
    let named = group.members.iter().find(|(member, _)| *member == of);
    let (Some((_, since)), false, Some(_)) = (named, goes_on, txn.routing(of)?) else { return Ok(()) };
    txn.must_be_durable();
    let newest = Membership { group: id, since: *since, until: None };
    put_stays(txn, of, &Stays { newest, earlier: there.map_or_else(Vec::new, |stays| stays.all().collect()) });
    let count = count(txn, of)?;
    put_count(txn, of, count + 1);
    put_head(txn, id, Head { roster: head.roster + 1, ..head });
    txn.changed_group(id);
    Ok(())
}

/// What an operation changes in memberships.
struct Changes {
    renewed: BTreeSet<AccountId>,
    begin: Vec<Beginning>,
    left: Vec<AccountId>,
}

/// A stay that begins.
struct Beginning {
    account: AccountId,
    /// How many groups the account is in then.
    count: u64,
    /// Of the stays before it, those that a device has yet to read.
    unread: Vec<Membership>,
}

impl Changes {
    fn of(
        txn: &Txn,
        commit: &OperationCommit,
        since_before: &BTreeMap<AccountId, MessageId>,
    ) -> Result<Self, OperationRefused> {
        let renewed: BTreeSet<AccountId> = commit.renewed.iter().copied().collect();
        let members: BTreeSet<AccountId> = commit.members.iter().copied().collect();
        let mut begin = Vec::new();
        for member in &commit.members {
            if since_before.contains_key(member) && !renewed.contains(member) {
                continue;
            }
            let Some(routing) = txn.routing(*member)? else { continue };
            let there = stays(txn, *member, keys::group(commit.group))?;
            let mut count = count(txn, *member)?;
            if !there.as_ref().is_some_and(|stays| stays.newest.goes_on()) {
                count += 1;
                if count > limits::GROUPS_PER_ACCOUNT as u64 {
                    return Err(OperationRefused::TooManyGroups(*member));
                }
            }
            let unread = unread(txn, &routing, there)?;
            if unread.len() > limits::UNREAD_STAYS {
                return Err(OperationRefused::TooManyStays(*member));
            }
            begin.push(Beginning { account: *member, count, unread });
        }
        let left = since_before.keys().filter(|member| !members.contains(member)).copied().collect();
        Ok(Self { renewed, begin, left })
    }

    fn apply(&self, txn: &mut Txn, group: GroupId, id: MessageId) -> Result<(), StoreError> {
        for Beginning { account, count, unread } in &self.begin {
            let mut earlier = unread.clone();
            // One that went on until now.
            for stay in earlier.iter_mut().filter(|stay| stay.goes_on()) {
                stay.until = Some(id);
                put_end(txn, *account, group, id);
            }
            let newest = Membership { group, since: id, until: None };
            put_stays(txn, *account, &Stays { newest, earlier });
            put_count(txn, *account, *count);
        }
        for member in &self.left {
            let there = stays(txn, *member, keys::group(group))?;
            if let Some(mut stays) = there.filter(|stays| stays.newest.goes_on()) {
                stays.newest.until = Some(id);
                put_stays(txn, *member, &stays);
                let count = count(txn, *member)?;
                put_count(txn, *member, count.saturating_sub(1));
                put_end(txn, *member, group, id);
            }
        }
        Ok(())
    }
}

/// The stays of an account that some device of it has not read to the end.
fn unread(txn: &Txn, of: &Routing, there: Option<Stays>) -> Result<Vec<Membership>, StoreError> {
    let Some(there) = there else { return Ok(Vec::new()) };
    let group = keys::group(there.newest.group);
    let mut cursors = Vec::with_capacity(of.devices.len());
    for (device, ..) in &of.devices {
        cursors.push(cursor(txn.get(Table::Cursors, &keys::cursor(keys::of(of.account, *device), group))?)?);
    }
    Ok(there.all().filter(|stay| cursors.iter().any(|cursor| !stay.is_read(*cursor))).collect())
}

fn read_entry(tables: &Tables, group: GroupId, id: MessageId, logged: Logged) -> Result<LoggedEntry, StoreError> {
    let Logged { previous, server_time, sender, item } = logged;
    let item = match item {
        LoggedItem::Message { class, ciphertext } => GroupItem::Message { class, ciphertext },
        LoggedItem::Operation { revision, details } => {
            let record = tables.get(Table::GroupOps, &keys::operation(group, revision))?;
            let record = record.ok_or_else(|| damaged("log entry without its operation"))?;
            let StoredOperation { payload, signature, .. } = records::operation(revision, &record)?;
            GroupItem::Operation { revision, payload, signature, details }
        }
    };
    Ok(LoggedEntry { group, id, previous, server_time, sender, item })
}

/// Whether a settle would move anything, by what is committed.
fn any_moves(tables: &Tables, settle: &GroupSettle) -> Result<bool, StoreError> {
    for (of, group, up_to) in &settle.cursors {
        let stored = cursor(tables.get(Table::Cursors, &keys::cursor(*of, keys::group(*group)))?)?;
        if stored.unwrap_or_default() < *up_to {
            return Ok(true);
        }
    }
    for advance in &settle.advance {
        let record = tables.get(Table::GroupMarks, &keys::mark(keys::group(advance.group), advance.member))?;
        if moved(record, advance)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The mark after an advance, if it moves.
fn moved(record: Option<Slice>, advance: &GroupAdvance) -> Result<Option<GroupMark>, StoreError> {
    let stored = record.map(|record| records::mark(&record)).transpose()?;
    let mut mark = stored.unwrap_or_else(|| GroupMark::new(advance.member));
    let moves = mark.advance(advance.kind, Step { up_to: advance.up_to, at: advance.at });
    Ok(moves.then_some(mark))
}

fn settle_groups(txn: &mut Txn, settle: GroupSettle) -> Result<(), StoreError> {
    let has_membership = |txn: &Txn, account, group| {
        let there = stays(txn, account, keys::group(group))?;
        Ok::<_, StoreError>(there.is_some_and(|stays| stays.newest.group == group))
    };
    for (of, group, up_to) in settle.cursors {
        let key = keys::cursor(of, keys::group(group));
        if cursor(txn.get(Table::Cursors, &key)?)?.unwrap_or_default() < up_to
            && txn.is_listed(of)?
            && has_membership(txn, of.account, group)?
        {
            txn.put(Table::Cursors, &key, &records::one(up_to.get()));
        }
    }
    let mut news: Vec<(GroupId, Vec<GroupMark>)> = Vec::new();
    for advance in settle.advance {
        let key = keys::mark(keys::group(advance.group), advance.member);
        if let Some(mark) = moved(txn.get(Table::GroupMarks, &key)?, &advance)?
            && has_membership(txn, advance.member, advance.group)?
        {
            txn.put(Table::GroupMarks, &key, &records::put_mark(&mark));
            GroupMark::note(&mut news, advance.group, mark);
        }
    }
    for (group, marks) in news {
        txn.tell(News::Marked(group, marks));
    }
    Ok(())
}

/// What `trim_logs` found to remove.
#[derive(Default)]
struct Old {
    entries: Vec<[u8; keys::LOGGED]>,
    /// Each with its place in the calendar.
    ended: Vec<(AccountId, [u8; GROUP], Slice)>,
    /// Of the calendar: nothing of these days is left.
    days: Vec<Slice>,
}

impl Old {
    fn len(&self) -> usize {
        self.entries.len() + self.ended.len() + self.days.len()
    }
}

/// Goes through the calendar, oldest day first: what is removed costs one look each, what is young none.
fn find_old(tables: &Tables, before: MessageId, limit: usize) -> Result<Old, StoreError> {
    let clock = tables.get(Table::Meta, super::meta::CLOCK)?;
    let newest = clock.map_or(Ok((0, 0)), |record| crate::records::read_two(&record, "clock"))?.0;
    // An entry of today may still come after this, and would not be written into the calendar again.
    let open_day = day(before).min(day(MessageId::new(newest)));
    let mut old = Old::default();
    for guard in tables.fixed(Table::GroupDays).iter() {
        let key = guard.key().map_err(failed)?;
        let (of_day, what) = keys::parse_of_day(&key)?;
        if of_day > day(before) || old.len() >= limit {
            break;
        }
        // Copied, because a key that was read holds its whole block in memory.
        let key = Slice::from(&*key);
        match what {
            OfDay::Log(group) => {
                let end = before.min(begin_of_day(of_day.saturating_add(1)));
                let entries = keys::logged(group, begin_of_day(of_day))..keys::logged(group, end);
                let mut is_all = true;
                for guard in tables.fixed(Table::GroupLog).range(entries) {
                    if old.len() >= limit {
                        is_all = false;
                        break;
                    }
                    let key = guard.key().map_err(failed)?;
                    old.entries.push(key.as_ref().try_into().map_err(|_| damaged("group log key"))?);
                }
                if is_all && of_day < open_day {
                    old.days.push(key);
                }
            }
            OfDay::Ended(account, group) => {
                let record = tables.get(Table::Memberships, &keys::membership(account, group))?;
                let stays = record.map(|record| records::stays(&record)).transpose()?;
                let mut ends = stays.iter().flat_map(Stays::ends);
                if ends.any(|until| until < before && day(until) == of_day) {
                    old.ended.push((account, group, key));
                } else if of_day < open_day {
                    // It was read by all, and went when the next began.
                    old.days.push(key);
                }
            }
        }
    }
    Ok(old)
}

/// Returns how much of it was there for others to see.
fn remove_old(txn: &mut Txn, before: MessageId, old: &Old) -> Result<usize, StoreError> {
    for entry in &old.entries {
        txn.remove(Table::GroupLog, entry);
    }
    for day in &old.days {
        txn.remove(Table::GroupDays, day);
    }
    let mut removed = old.entries.len();
    for (account, group, of_day) in &old.ended {
        // Looked at again: the newest may have been followed by another since.
        let Some(mut stays) = stays(txn, *account, *group)? else { continue };
        let is_old = |stay: &Membership| stay.until.is_some_and(|until| until < before);
        if is_old(&stays.newest) {
            removed += 1 + stays.earlier.len();
            txn.remove(Table::Memberships, &keys::membership(*account, *group));
            txn.remove(Table::GroupMarks, &keys::mark(*group, *account));
            txn.remove(Table::GroupDays, of_day);
            if let Some(routing) = txn.routing(*account)? {
                for (device, ..) in &routing.devices {
                    txn.remove(Table::Cursors, &keys::cursor(keys::of(*account, *device), *group));
                }
            }
            continue;
        }
        let there = stays.earlier.len();
        stays.earlier.retain(|stay| !is_old(stay));
        if stays.earlier.len() == there {
            continue;
        }
        removed += there - stays.earlier.len();
        put_stays(txn, *account, &stays);
        // Others of this day may be young yet.
        let (number, _) = keys::parse_of_day(of_day)?;
        if stays.ends().all(|until| day(until) != number) {
            txn.remove(Table::GroupDays, of_day);
        }
    }
    Ok(removed)
}
