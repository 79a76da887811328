//! What the domain tells connections: collected here, delivered by the simulation's pump.

use parking_lot::Mutex;
use sotto_domain::{Connections, PeopleObserver};
use sotto_ports::{EntryFeed, GroupMark, LoggedEntry, Queued};
use sotto_types::{AccountId, DeviceAddress, ErrorCode, GroupId};
use sotto_wire::pb;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

pub(crate) enum News {
    Entry(DeviceAddress, Queued),
    Close(DeviceAddress, ErrorCode),
    Changed {
        to: DeviceAddress,
        account: AccountId,
        list_version: u32,
        prekeys_low: bool,
    },
    /// For the members of its group.
    Logged(Arc<LoggedEntry>),
    Marked(GroupId, Vec<GroupMark>),
    /// Something waits in the logs for the account's devices.
    GroupWaits(AccountId),
    /// To the account's devices.
    Typing(AccountId, pb::TypingNotice),
    /// Somebody came or went, or may be seen by others than before: for those who subscribed.
    Presence(AccountId),
}

#[derive(Default)]
pub(crate) struct Hub {
    news: Mutex<VecDeque<News>>,
    pub connected: Mutex<BTreeSet<DeviceAddress>>,
    /// Whose last Hello or heartbeat came from the foreground.
    pub foreground: Mutex<BTreeSet<DeviceAddress>>,
    /// Who is subscribed to whom.
    pub subscribed: Mutex<BTreeSet<(DeviceAddress, AccountId)>>,
}

impl Hub {
    pub fn take(&self) -> Vec<News> {
        self.news.lock().drain(..).collect()
    }

    /// Entries a new connection reads from the store itself.
    pub fn forget_entries(&self, of: DeviceAddress) {
        self.news.lock().retain(|news| !matches!(news, News::Entry(to, _) if *to == of));
    }

    fn push(&self, to: DeviceAddress, news: News) {
        if self.connected.lock().contains(&to) {
            self.news.lock().push_back(news);
        }
    }

    pub fn note_foreground(&self, of: DeviceAddress, foreground: bool) {
        let mut all = self.foreground.lock();
        _ = if foreground { all.insert(of) } else { all.remove(&of) };
    }

    pub fn tell(&self, news: News) {
        self.news.lock().push_back(news);
    }

    /// The connected devices of an account.
    pub fn devices_of(&self, account: AccountId) -> Vec<DeviceAddress> {
        self.connected.lock().iter().filter(|device| device.account == account).copied().collect()
    }
}

impl EntryFeed for Hub {
    fn published(&self, to: DeviceAddress, entry: &Queued) {
        self.push(to, News::Entry(to, entry.clone()));
    }

    fn logged(&self, entry: &Arc<LoggedEntry>) {
        self.news.lock().push_back(News::Logged(Arc::clone(entry)));
    }

    fn marked(&self, group: GroupId, marks: &[GroupMark]) {
        self.news.lock().push_back(News::Marked(group, marks.to_vec()));
    }
}

impl PeopleObserver for Hub {
    fn visibility_changed(&self, subject: AccountId, _: Option<AccountId>) {
        self.tell(News::Presence(subject));
    }
}

impl Connections for Hub {
    fn close(&self, of: DeviceAddress, why: ErrorCode) {
        self.push(of, News::Close(of, why));
    }

    fn account_changed(&self, to: DeviceAddress, account: AccountId, list_version: u32, prekeys_low: bool) {
        self.push(to, News::Changed { to, account, list_version, prekeys_low });
    }

    fn group_waits(&self, to: AccountId) {
        self.news.lock().push_back(News::GroupWaits(to));
    }
}
