//! How far devices are in their groups' logs, gathered until it is written: a message to a thousand people makes two thousand
//! small numbers rise, and the next message makes the same ones rise again.
//! Flow: `note` (acks, reads) -> a moment later `take` -> one write of the store. A reader asks `cursor` first.
//! Always true: what is here and lost in a crash is delivered again, and the device ignores it.

use parking_lot::Mutex;
use sotto_ports::{GroupAdvance, WatermarkKind};
use sotto_types::{AccountId, DeviceAddress, GroupId, MessageId, Timestamp};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use tokio::sync::Notify;

/// Above this the book is written at once.
const FULL: usize = 100_000;

pub(crate) type Cursor = (DeviceAddress, GroupId, MessageId);

#[derive(Debug, Default)]
struct Pages {
    cursors: HashMap<(DeviceAddress, GroupId), MessageId>,
    marks: HashMap<(GroupId, AccountId, WatermarkKind), (MessageId, Timestamp)>,
    /// Taken, and perhaps not in the store yet: a reader must not fall behind them meanwhile.
    writing: HashMap<(DeviceAddress, GroupId), MessageId>,
}

#[derive(Debug, Default)]
pub(crate) struct CursorBook {
    pages: Mutex<Pages>,
    filled: Notify,
    full: Notify,
}

impl CursorBook {
    pub fn note_cursor(&self, of: DeviceAddress, group: GroupId, up_to: MessageId) {
        let mut pages = self.pages.lock();
        let cursor = pages.cursors.entry((of, group)).or_default();
        *cursor = up_to.max(*cursor);
        self.tell(&pages);
    }

    pub fn note_mark(&self, advance: GroupAdvance) {
        let mut pages = self.pages.lock();
        let GroupAdvance { group, member, kind, up_to, at } = advance;
        match pages.marks.entry((group, member, kind)) {
            // The time belongs to the highest: who is there first is noted.
            Entry::Occupied(mut mark) if mark.get().0 < up_to => _ = mark.insert((up_to, at)),
            Entry::Occupied(_) => {}
            Entry::Vacant(place) => _ = place.insert((up_to, at)),
        }
        self.tell(&pages);
    }

    fn tell(&self, pages: &Pages) {
        let filled = pages.cursors.len() + pages.marks.len();
        if filled == 1 {
            self.filled.notify_one();
        } else if filled >= FULL {
            self.full.notify_one();
        }
    }

    pub fn cursor(&self, of: DeviceAddress, group: GroupId) -> Option<MessageId> {
        let pages = self.pages.lock();
        pages.cursors.get(&(of, group)).max(pages.writing.get(&(of, group))).copied()
    }

    /// Returns once something is there to write.
    pub async fn until_filled(&self) {
        while self.is_empty() {
            self.filled.notified().await;
        }
    }

    /// Returns once it should not grow any more.
    pub async fn until_full(&self) {
        self.full.notified().await;
    }

    pub fn is_empty(&self) -> bool {
        let pages = self.pages.lock();
        pages.cursors.is_empty() && pages.marks.is_empty()
    }

    pub fn take(&self) -> (Vec<Cursor>, Vec<GroupAdvance>) {
        let mut pages = self.pages.lock();
        let (cursors, marks) = (std::mem::take(&mut pages.cursors), std::mem::take(&mut pages.marks));
        pages.writing.extend(cursors.iter().map(|(of, up_to)| (*of, *up_to)));
        drop(pages);
        let cursors = cursors.into_iter().map(|((of, group), up_to)| (of, group, up_to)).collect();
        let marks = marks
            .into_iter()
            .map(|((group, member, kind), (up_to, at))| GroupAdvance { group, member, kind, up_to, at })
            .collect();
        (cursors, marks)
    }

    /// What was taken is in the store.
    pub fn written(&self) {
        self.pages.lock().writing = HashMap::new();
    }

    /// What was taken and is not in the store is noted again.
    pub fn put_back(&self, cursors: &[Cursor], marks: &[GroupAdvance]) {
        cursors.iter().for_each(|(of, group, up_to)| self.note_cursor(*of, *group, *up_to));
        marks.iter().for_each(|mark| self.note_mark(*mark));
        self.written();
    }
}
