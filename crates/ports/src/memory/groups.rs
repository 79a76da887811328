use super::{MemoryStore, News, State};
use crate::{
    CommitRefused, Committed, Group, GroupAdvance, GroupCommit, GroupFacts, GroupItem, GroupMark, GroupSettle,
    GroupStore, LoggedEntry, Membership, OperationCommit, OperationCommitted, OperationRefused, Step, StoreError,
    StoredOperation,
};
use async_trait::async_trait;
use sotto_types::{AccountId, DeviceAddress, GroupId, MessageId, Timestamp, limits};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

pub(super) struct GroupState {
    group: Arc<Group>,
    newest: MessageId,
    log: BTreeMap<MessageId, Arc<LoggedEntry>>,
    operations: BTreeMap<u32, StoredOperation>,
    marks: BTreeMap<AccountId, GroupMark>,
}

/// What `trim_logs` may remove, in the order of the ids that it goes by.
enum Old {
    Entry(GroupId),
    /// The one that ended there.
    Stay(AccountId, GroupId),
}

impl State {
    /// Every stay, ascending by group and `since`.
    fn memberships_of(&self, account: AccountId) -> impl Iterator<Item = &Membership> {
        let of = self.memberships.range((account, GroupId::from_bytes([0; 32]))..);
        of.take_while(move |((of, _), _)| *of == account).flat_map(|(_, stays)| stays)
    }

    fn is_member(&self, account: AccountId, group: GroupId) -> bool {
        self.memberships.get(&(account, group)).is_some_and(|stays| stays.iter().any(Membership::goes_on))
    }

    /// The stays of an account in a group that some device of it has not read to the end.
    fn unread(&self, account: AccountId, group: GroupId) -> Vec<Membership> {
        let devices = self.accounts.get(&account).into_iter().flat_map(|account| account.devices.keys());
        let cursors: Vec<Option<MessageId>> =
            devices.map(|device| self.cursors.get(&(DeviceAddress::new(account, *device), group)).copied()).collect();
        let stays = self.memberships.get(&(account, group)).into_iter().flatten();
        stays.filter(|stay| cursors.iter().any(|cursor| !stay.is_read(*cursor))).copied().collect()
    }

    /// Messages that were encrypted for the devices this account had are refused from now on.
    pub fn raise_rosters(&mut self, account: AccountId) {
        let current: Vec<GroupId> =
            self.memberships_of(account).filter(|stay| stay.goes_on()).map(|stay| stay.group).collect();
        for group in current {
            if let Some(state) = self.groups.get_mut(&group) {
                Arc::make_mut(&mut state.group).roster += 1;
            }
        }
    }

    pub fn drop_cursors(&mut self, of: DeviceAddress) {
        self.cursors.retain(|(device, _), _| *device != of);
    }

    /// A new device gets what comes after it, also of groups whose last entries its siblings still fetch.
    pub fn begin_cursors(&mut self, of: DeviceAddress) {
        self.drop_cursors(of);
        let groups: Vec<GroupId> = self.memberships_of(of.account).map(|membership| membership.group).collect();
        for group in groups {
            if let Some(state) = self.groups.get(&group) {
                self.cursors.insert((of, group), state.newest);
            }
        }
    }

    /// What groups keep of an account that is deleted. That it is a member stands in the state, which is the clients'.
    pub fn leave_groups(&mut self, account: AccountId) {
        self.raise_rosters(account);
        self.memberships.retain(|(of, _), _| *of != account);
        self.cursors.retain(|(of, _), _| of.account != account);
    }

    /// Whether a message for this roster of the group may be committed.
    pub fn is_roster(&self, group: GroupId, roster: u64) -> bool {
        self.groups.get(&group).is_some_and(|state| state.group.roster == roster)
    }

    fn log(&mut self, group: GroupId, id: MessageId, server_time: Timestamp, sender: DeviceAddress, item: GroupItem) {
        let Some(state) = self.groups.get_mut(&group) else { return };
        let previous = std::mem::replace(&mut state.newest, id);
        let entry = Arc::new(LoggedEntry { group, id, previous, server_time, sender, item });
        state.log.insert(id, Arc::clone(&entry));
        self.news.push(News::Logged(entry));
    }

    fn commit_operation(&mut self, commit: OperationCommit) -> Result<OperationCommitted, OperationRefused> {
        let before = self.groups.get(&commit.group).map(|state| Arc::clone(&state.group));
        if before.as_ref().map(|group| group.head) != commit.follows {
            return Err(OperationRefused::HeadChanged);
        }
        let since_before: BTreeMap<AccountId, MessageId> =
            before.iter().flat_map(|group| &group.members).copied().collect();
        let begins = |member: &AccountId| !since_before.contains_key(member) || commit.renewed.contains(member);
        for member in commit.members.iter().filter(|member| begins(member)) {
            let current = self.memberships_of(*member).filter(|stay| stay.goes_on()).count();
            if !self.is_member(*member, commit.group) && current >= limits::GROUPS_PER_ACCOUNT {
                return Err(OperationRefused::TooManyGroups(*member));
            }
            if self.unread(*member, commit.group).len() > limits::UNREAD_STAYS {
                return Err(OperationRefused::TooManyStays(*member));
            }
        }
        let (message_id, server_time) = self.ids.next(commit.now, MessageId::ZERO);
        let since = |member: &AccountId| match since_before.get(member) {
            Some(since) if !begins(member) => *since,
            _ => message_id,
        };
        let members = commit.members.iter().map(|member| (*member, since(member))).collect();
        for member in commit.members.iter().filter(|member| begins(member)) {
            if self.accounts.contains_key(member) {
                let mut stays = self.unread(*member, commit.group);
                stays.iter_mut().for_each(|stay| _ = stay.until.get_or_insert(message_id));
                stays.push(Membership { group: commit.group, since: message_id, until: None });
                self.memberships.insert((*member, commit.group), stays);
            }
        }
        for left in since_before.keys().filter(|member| !commit.members.contains(member)) {
            if let Some(last) = self.memberships.get_mut(&(*left, commit.group)).and_then(|stays| stays.last_mut()) {
                last.until.get_or_insert(message_id);
            }
        }
        let roster = before.as_ref().map_or(1, |group| group.roster + u64::from(commit.changes_roster));
        let details = commit.details.clone();
        let group = Arc::new(Group {
            id: commit.group,
            revision: commit.revision,
            head: commit.head,
            roster,
            state: commit.state,
            details: details.clone().or_else(|| before.as_ref().map(|group| group.details.clone())).unwrap_or_default(),
            members,
        });
        let state = self.groups.entry(commit.group).or_insert_with(|| GroupState {
            group: Arc::clone(&group),
            newest: MessageId::ZERO,
            log: BTreeMap::new(),
            operations: BTreeMap::new(),
            marks: BTreeMap::new(),
        });
        state.group = group;
        let operation = StoredOperation {
            revision: commit.revision,
            message_id,
            server_time,
            payload: commit.payload.clone(),
            signature: commit.signature.clone(),
        };
        state.operations.insert(commit.revision, operation);
        let item = GroupItem::Operation {
            revision: commit.revision,
            payload: commit.payload,
            signature: commit.signature,
            details: details.unwrap_or_default(),
        };
        self.log(commit.group, message_id, server_time, commit.sender, item);
        Ok(OperationCommitted { message_id, server_time, roster })
    }

    /// Returns the mark if it moved.
    fn advance_group(&mut self, advance: &GroupAdvance) -> Option<GroupMark> {
        if advance.up_to == MessageId::ZERO || !self.memberships.contains_key(&(advance.member, advance.group)) {
            return None;
        }
        let marks = &mut self.groups.get_mut(&advance.group)?.marks;
        let mut mark = marks.get(&advance.member).copied().unwrap_or_else(|| GroupMark::new(advance.member));
        let moved = mark.advance(advance.kind, Step { up_to: advance.up_to, at: advance.at });
        moved.then(|| {
            marks.insert(advance.member, mark);
            mark
        })
    }

    fn settle_groups(&mut self, settle: GroupSettle) {
        for (of, group, up_to) in settle.cursors {
            let is_in = self.listed(of) && self.memberships.contains_key(&(of.account, group));
            if is_in && up_to > MessageId::ZERO {
                let cursor = self.cursors.entry((of, group)).or_default();
                *cursor = (*cursor).max(up_to);
            }
        }
        let mut moved: Vec<(GroupId, Vec<GroupMark>)> = Vec::new();
        for advance in settle.advance {
            if let Some(mark) = self.advance_group(&advance) {
                GroupMark::note(&mut moved, advance.group, mark);
            }
        }
        self.news.extend(moved.into_iter().map(|(group, marks)| News::Marked(group, marks)));
    }

    fn old(&self, before: MessageId) -> BTreeMap<(MessageId, usize), Old> {
        let entries = self
            .groups
            .iter()
            .flat_map(|(group, state)| state.log.range(..before).map(|(id, _)| (*id, Old::Entry(*group))));
        let ended = self.memberships.iter().flat_map(|((account, group), stays)| {
            let ends = stays.iter().filter_map(|stay| stay.until).filter(|until| *until < before);
            ends.map(|until| (until, Old::Stay(*account, *group)))
        });
        entries.chain(ended).enumerate().map(|(n, (id, old))| ((id, n), old)).collect()
    }
}

#[async_trait]
impl GroupStore for MemoryStore {
    async fn group(&self, id: GroupId) -> Result<Option<Arc<Group>>, StoreError> {
        Ok(self.state.lock().groups.get(&id).map(|state| Arc::clone(&state.group)))
    }

    async fn group_facts(&self, id: GroupId) -> Result<Option<GroupFacts>, StoreError> {
        let state = self.state.lock();
        Ok(state.groups.get(&id).map(|state| GroupFacts { roster: state.group.roster, newest: state.newest }))
    }

    async fn memberships(&self, of: AccountId) -> Result<Vec<Membership>, StoreError> {
        Ok(self.state.lock().memberships_of(of).copied().collect())
    }

    async fn commit_operation(&self, commit: OperationCommit) -> Result<OperationCommitted, OperationRefused> {
        let mut state = self.state.lock();
        let committed = state.commit_operation(commit)?;
        state.tell(&*self.feed);
        Ok(committed)
    }

    async fn commit_message(&self, commit: GroupCommit) -> Result<Committed, CommitRefused> {
        let mut state = self.state.lock();
        if let Some(first) = state.sends.get(&commit.send) {
            return Err(CommitRefused::Repeated(*first));
        }
        if !state.is_roster(commit.group, commit.roster) {
            return Err(CommitRefused::ListChanged);
        }
        let (message_id, server_time) = state.ids.next(commit.now, commit.seen);
        let committed = Committed { message_id, server_time };
        state.sends.insert(commit.send, committed);
        let item = GroupItem::Message { class: commit.class, ciphertext: commit.ciphertext };
        state.log(commit.group, message_id, server_time, commit.send.from, item);
        state.tell(&*self.feed);
        Ok(committed)
    }

    async fn operations(&self, of: GroupId, from: u32, max_bytes: usize) -> Result<Vec<StoredOperation>, StoreError> {
        let state = self.state.lock();
        let mut read = Vec::new();
        let mut bytes = 0;
        for (_, operation) in state.groups.get(&of).into_iter().flat_map(|state| state.operations.range(from..)) {
            bytes += operation.body_len();
            read.push(operation.clone());
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
        let state = self.state.lock();
        let Some(group) = state.groups.get(&of).filter(|_| after < up_to) else { return Ok(Vec::new()) };
        let mut read = Vec::new();
        let mut bytes = 0;
        for (_, entry) in group.log.range((Bound::Excluded(after), Bound::Included(up_to))) {
            bytes += entry.item.body_len();
            read.push(LoggedEntry::clone(entry));
            if read.len() >= max_entries || bytes >= max_bytes {
                break;
            }
        }
        Ok(read)
    }

    async fn cursors(&self, of: DeviceAddress, groups: &[GroupId]) -> Result<Vec<Option<MessageId>>, StoreError> {
        let state = self.state.lock();
        Ok(groups.iter().map(|group| state.cursors.get(&(of, *group)).copied()).collect())
    }

    async fn settle_groups(&self, settle: GroupSettle) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        state.settle_groups(settle);
        state.tell(&*self.feed);
        Ok(())
    }

    async fn marks(&self, of: GroupId) -> Result<Vec<GroupMark>, StoreError> {
        let state = self.state.lock();
        Ok(state.groups.get(&of).map_or_else(Vec::new, |state| state.marks.values().copied().collect()))
    }

    async fn mark(&self, of: GroupId, member: AccountId) -> Result<Option<GroupMark>, StoreError> {
        Ok(self.state.lock().groups.get(&of).and_then(|state| state.marks.get(&member).copied()))
    }

    async fn resume_stay(&self, of: AccountId, group: GroupId) -> Result<(), StoreError> {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let is_there = state.accounts.contains_key(&of) && !state.is_member(of, group);
        let Some(found) = state.groups.get_mut(&group).filter(|_| is_there) else { return Ok(()) };
        let Some(since) = found.group.members.iter().find(|(member, _)| *member == of).map(|(_, since)| *since) else {
            return Ok(());
        };
        Arc::make_mut(&mut found.group).roster += 1;
        state.memberships.entry((of, group)).or_default().push(Membership { group, since, until: None });
        Ok(())
    }

    async fn trim_logs(&self, before: MessageId, budget: usize) -> Result<usize, StoreError> {
        let mut state = self.state.lock();
        let old = state.old(before);
        let removed = old.len().min(budget);
        for ((id, _), old) in old.into_iter().take(budget) {
            match old {
                Old::Entry(group) => {
                    if let Some(state) = state.groups.get_mut(&group) {
                        state.log.remove(&id);
                    }
                }
                Old::Stay(account, group) => {
                    let Some(stays) = state.memberships.get_mut(&(account, group)) else { continue };
                    stays.retain(|stay| stay.until != Some(id));
                    if !stays.is_empty() {
                        continue;
                    }
                    state.memberships.remove(&(account, group));
                    state.cursors.retain(|(of, in_group), _| (of.account, *in_group) != (account, group));
                    if let Some(state) = state.groups.get_mut(&group) {
                        state.marks.remove(&account);
                    }
                }
            }
        }
        Ok(removed)
    }
}
