//! When people were last here, gathered for a second before it is written: at the end of a meeting many leave at once.

use super::Presence;
use parking_lot::Mutex;
use sotto_ports::StoreError;
use sotto_types::{AccountId, Timestamp};
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::Notify;

const GATHER: Duration = Duration::from_secs(1);
/// After a write that failed.
const AGAIN: Duration = Duration::from_secs(5);
/// What one call of the store writes at most.
const WRITTEN_AT_ONCE: usize = 1_000;
/// While the store fails, times of more people are forgotten rather than kept.
const KEPT_MAX: usize = 500_000;

#[derive(Default)]
struct Pages {
    noted: HashMap<AccountId, Timestamp>,
    /// Taken, and perhaps not in the store yet.
    writing: HashMap<AccountId, Timestamp>,
}

#[derive(Default)]
pub(super) struct LastSeenBook {
    pages: Mutex<Pages>,
    filled: Notify,
}

impl LastSeenBook {
    pub fn note(&self, account: AccountId, last_seen: Timestamp) {
        let mut pages = self.pages.lock();
        if pages.noted.len() < KEPT_MAX || pages.noted.contains_key(&account) {
            let noted = pages.noted.entry(account).or_default();
            *noted = last_seen.max(*noted);
        }
        self.filled.notify_one();
    }

    pub fn get(&self, account: AccountId) -> Option<Timestamp> {
        let pages = self.pages.lock();
        pages.noted.get(&account).max(pages.writing.get(&account)).copied()
    }

    fn take(&self) -> Vec<(AccountId, Timestamp)> {
        let mut pages = self.pages.lock();
        pages.writing = std::mem::take(&mut pages.noted);
        pages.writing.iter().map(|(account, last_seen)| (*account, *last_seen)).collect()
    }
}

impl Presence {
    pub(super) async fn keep_last_seen(&self) {
        loop {
            self.news.book.filled.notified().await;
            tokio::time::sleep(GATHER).await;
            while let Err(error) = self.write_last_seen().await {
                tracing::warn!(%error, "when people were last seen was not written; trying again");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    /// Writes what is noted now. What fails to be written stays noted.
    pub async fn write_last_seen(&self) -> Result<(), StoreError> {
        let book = &self.news.book;
        let taken = book.take();
        let mut result = Ok(());
        for people in taken.chunks(WRITTEN_AT_ONCE) {
            if result.is_ok() {
                result = self.directory.note_last_seen(people).await;
            }
            if result.is_err() {
                people.iter().for_each(|(account, last_seen)| book.note(*account, *last_seen));
            }
        }
        book.pages.lock().writing = HashMap::new();
        result
    }
}
