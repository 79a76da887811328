//! Reference adapters in memory: the simplest code that keeps each contract, used by most tests.
//! Always true: one lock around everything, so every method is one atomic step; the feed is called under it, hence in order.
//! Elsewhere: ids and receipt merging are in `rules`, the suites that hold adapters to the contracts in `conformance`.

mod directory;
mod ephemeral;
mod groups;
mod inbox;
mod people;
mod prekeys;
mod presence;
mod reports;

pub use ephemeral::MemoryEphemeral;
pub use presence::MemoryPresence;

use crate::{EntryFeed, GroupMark, IdClock, Invite, LoggedEntry, Membership, MetaStore, Queued, StoreError};
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use sotto_types::{AccountId, DeviceAddress, GroupId, MessageId, SendId, Timestamp, Username};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

/// Inboxes, groups, directory, prekeys and meta of one node, gone when dropped.
pub struct MemoryStore {
    feed: Arc<dyn EntryFeed>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    ids: IdClock,
    /// What the step in progress has for the feed.
    news: Vec<News>,
    inboxes: BTreeMap<DeviceAddress, inbox::Inbox>,
    sends: HashMap<SendId, crate::Committed>,
    watermarks: HashMap<inbox::WatermarkKey, crate::Step>,
    dead_letters: Vec<inbox::DeadLetter>,
    groups: BTreeMap<GroupId, groups::GroupState>,
    /// Of accounts that are there: their stays, ascending, at least one.
    memberships: BTreeMap<(AccountId, GroupId), Vec<Membership>>,
    /// Of listed devices, in groups that their account has a membership of.
    cursors: HashMap<(DeviceAddress, GroupId), MessageId>,
    accounts: BTreeMap<AccountId, directory::AccountState>,
    names: HashMap<Username, directory::Name>,
    invites: HashMap<[u8; 32], Invite>,
    blocks: BTreeSet<(AccountId, AccountId)>,
    contacts: BTreeSet<(AccountId, AccountId)>,
    privacy: HashMap<AccountId, Arc<crate::Privacy>>,
    profiles: HashMap<AccountId, crate::Profile>,
    reports: BTreeMap<u64, crate::Report>,
    last_seen: HashMap<AccountId, Timestamp>,
    meta: HashMap<String, Bytes>,
}

enum News {
    Entry(DeviceAddress, Queued),
    Logged(Arc<LoggedEntry>),
    Marked(GroupId, Vec<GroupMark>),
}

impl MemoryStore {
    pub fn new(feed: Arc<dyn EntryFeed>) -> Self {
        Self { feed, state: Mutex::default() }
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

#[async_trait]
impl MetaStore for MemoryStore {
    async fn generation(&self) -> Result<u32, StoreError> {
        Ok(1)
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        Ok(self.state.lock().meta.get(key).cloned())
    }

    async fn put(&self, key: &str, value: Bytes) -> Result<(), StoreError> {
        self.state.lock().meta.insert(key.to_owned(), value);
        Ok(())
    }

    async fn put_new(&self, key: &str, value: Bytes) -> Result<Bytes, StoreError> {
        Ok(self.state.lock().meta.entry(key.to_owned()).or_insert(value).clone())
    }
}

impl State {
    /// Tells the feed what is new, except what the same step replaced again.
    fn tell(&mut self, feed: &dyn EntryFeed) {
        for news in std::mem::take(&mut self.news) {
            match news {
                News::Entry(to, queued) => {
                    if self.inboxes.get(&to).is_some_and(|inbox| inbox.entries.contains_key(&queued.entry_id)) {
                        feed.published(to, &queued);
                    }
                }
                News::Logged(entry) => feed.logged(&entry),
                News::Marked(group, marks) => feed.marked(group, &marks),
            }
        }
    }

    fn listed(&self, of: DeviceAddress) -> bool {
        self.accounts.get(&of.account).is_some_and(|account| account.devices.contains_key(&of.device))
    }

    /// Whether something that ended at `end` is over.
    fn past(end: Timestamp, now: Timestamp) -> bool {
        end <= now
    }
}
