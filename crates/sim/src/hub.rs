//! What the domain tells connections: collected here, delivered by the simulation's pump.

use parking_lot::Mutex;
use sotto_domain::Connections;
use sotto_ports::{EntryFeed, Queued};
use sotto_types::{AccountId, DeviceAddress, ErrorCode};
use std::collections::{BTreeSet, VecDeque};

pub(crate) enum News {
    Entry(DeviceAddress, Queued),
    Close(DeviceAddress, ErrorCode),
    Changed { to: DeviceAddress, account: AccountId, list_version: u32, prekeys_low: bool },
}

impl News {
    pub fn to(&self) -> DeviceAddress {
        match self {
            Self::Entry(to, _) | Self::Close(to, _) | Self::Changed { to, .. } => *to,
        }
    }
}

#[derive(Default)]
pub(crate) struct Hub {
    news: Mutex<VecDeque<News>>,
    pub connected: Mutex<BTreeSet<DeviceAddress>>,
}

impl Hub {
    pub fn take(&self) -> Vec<News> {
        self.news.lock().drain(..).collect()
    }

    /// Entries a new connection reads from the store itself.
    pub fn forget_entries(&self, of: DeviceAddress) {
        self.news.lock().retain(|news| !matches!(news, News::Entry(to, _) if *to == of));
    }

    fn push(&self, news: News) {
        if self.connected.lock().contains(&news.to()) {
            self.news.lock().push_back(news);
        }
    }
}

impl EntryFeed for Hub {
    fn published(&self, to: DeviceAddress, entry: &Queued) {
        self.push(News::Entry(to, entry.clone()));
    }
}

impl Connections for Hub {
    fn close(&self, of: DeviceAddress, why: ErrorCode) {
        self.push(News::Close(of, why));
    }

    fn account_changed(&self, to: DeviceAddress, account: AccountId, list_version: u32, prekeys_low: bool) {
        self.push(News::Changed { to, account, list_version, prekeys_low });
    }
}
