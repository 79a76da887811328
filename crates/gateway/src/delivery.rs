//! Delivery: what of a device's inbox is on its way. A slow reader costs a cursor here, not a buffer.
//! Flow: `begin` -> pages from the store, oldest first -> live entries from the feed -> `acked` frees the window.
//! Always true:
//! - entries are pushed in id order, each once per connection; `cursor` is the last one pushed;
//! - at most `window_entries` or `window_bytes` are unacknowledged; of each only what its ack needs is kept;
//! - whatever was not taken from the feed (`behind`) is read from the store after the cursor, before any later entry:
//!   the feed is switched on before the read begins, and a read that reached the end joins it without a gap.

use crate::encode;
use crate::gateway::Gateway;
use crate::handle::{Fed, Handle};
use crate::session::BoxFuture;
use sotto_domain::{EntryHeader, Refusal};
use sotto_ports::{EnvelopeClass, Queued, QueuedItem, StoreError};
use sotto_types::{DeviceAddress, EntryId, GroupId};
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// One page is what a blocked socket may cost, so it is small.
const PAGE_BYTES: usize = 64 * 1024;

#[derive(Debug)]
struct InFlight {
    entry_id: EntryId,
    bytes: u32,
    /// Zero if it came from the store, not from the feed.
    committed_us: u64,
    /// `None` for receipts and failures.
    envelope: Option<(DeviceAddress, EnvelopeClass, Option<GroupId>)>,
}

/// An acknowledged entry that was in this connection's window.
#[derive(Debug)]
pub(crate) struct AckFound {
    pub(crate) header: EntryHeader,
    pub(crate) committed_us: Option<u64>,
}

struct Page {
    work: BoxFuture<Result<Vec<Queued>, StoreError>>,
    entries_max: usize,
    bytes_max: usize,
}

#[derive(Default)]
pub(crate) struct Delivery {
    cursor: EntryId,
    /// Unacknowledged, ascending.
    in_flight: VecDeque<InFlight>,
    in_flight_bytes: usize,
    feed: VecDeque<Fed>,
    behind: bool,
    /// The backlog seen at Hello was delivered.
    drained: bool,
    paused: bool,
    page: Option<Page>,
}

impl Delivery {
    pub(crate) const fn begin(&mut self) {
        self.behind = true;
    }

    /// `max`: more than this is left to the store.
    pub(crate) fn take_feed(&mut self, feed: VecDeque<Fed>, behind: bool, max: usize) {
        if self.behind {
            // Earlier ones are still in the store, and the next read finds these there too: none may overtake them.
            return;
        }
        self.behind = behind;
        if self.feed.len().saturating_add(feed.len()) > max {
            // Only while a page is being read, which takes unusually long.
            self.feed = VecDeque::new();
            self.behind = true;
        } else if self.feed.is_empty() {
            self.feed = feed;
        } else {
            self.feed.extend(feed);
        }
    }

    /// Nothing is left to be pushed, as far as is known here.
    pub(crate) fn is_up_to_date(&self) -> bool {
        self.drained && !self.behind && self.page.is_none() && self.feed.is_empty()
    }

    fn has_room(&self, gateway: &Gateway) -> bool {
        self.in_flight.len() < gateway.config.window_entries && self.in_flight_bytes < gateway.config.window_bytes
    }

    /// Pushes what the feed brought. While a page is being read the feed waits: the page comes first.
    pub(crate) fn push_feed(&mut self, gateway: &Gateway, out: &mut Vec<u8>) {
        if self.behind {
            // Entries before these were not taken; pushing these would move the cursor past them. All come from the store.
            self.feed = VecDeque::new();
            return;
        }
        if self.feed.is_empty() || self.page.is_some() {
            return;
        }
        let now_us = gateway.router.now_us();
        let mut pushed = 0;
        for Fed { entry, committed_us } in std::mem::take(&mut self.feed) {
            if !self.has_room(gateway) {
                // This one and those after it stay in the store.
                self.behind = true;
                self.pause(gateway);
                break;
            }
            if self.push(&entry, committed_us, out) {
                pushed += 1;
                gateway.stats.commit_to_push.record(Duration::from_micros(now_us.saturating_sub(committed_us)));
            }
        }
        gateway.stats.entries_out.increment(pushed);
    }

    /// False if it was pushed before.
    fn push(&mut self, entry: &Queued, committed_us: u64, out: &mut Vec<u8>) -> bool {
        if entry.entry_id <= self.cursor {
            return false;
        }
        encode::deliver(out, entry);
        let bytes = encode::window_bytes(entry);
        self.in_flight_bytes = self.in_flight_bytes.saturating_add(bytes);
        self.in_flight.push_back(InFlight {
            entry_id: entry.entry_id,
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
            committed_us,
            envelope: match &entry.item {
                QueuedItem::Envelope(envelope) => Some((envelope.sender, envelope.class, envelope.group)),
                QueuedItem::Receipt(_) | QueuedItem::Failure(_) => None,
            },
        });
        self.cursor = entry.entry_id;
        true
    }

    fn pause(&mut self, gateway: &Gateway) {
        if !self.paused {
            self.paused = true;
            gateway.stats.window_pauses.increment(1);
        }
    }

    /// Starts reading the store after the cursor, if something is there to read and the window has room for it.
    pub(crate) fn start_page(&mut self, of: DeviceAddress, gateway: &Arc<Gateway>, handle: &Handle) -> bool {
        if !self.behind || self.page.is_some() {
            return false;
        }
        let config = &gateway.config;
        let entries_free = config.window_entries.saturating_sub(self.in_flight.len());
        let bytes_free = config.window_bytes.saturating_sub(self.in_flight_bytes);
        // A page waits for a quarter of the window, so that a slow acker does not cause a read per entry.
        let room = entries_free >= config.window_entries.div_ceil(4) && bytes_free >= config.window_bytes.div_ceil(4);
        if !room && !self.in_flight.is_empty() {
            self.pause(gateway);
            return false;
        }
        self.paused = false;
        self.behind = false;
        self.feed = VecDeque::new();
        handle.resume_feed();
        let (domain, cursor) = (gateway.domain.clone(), self.cursor);
        let bytes_max = PAGE_BYTES.min(bytes_free.max(1));
        let work = Box::pin(async move { domain.read_inbox(of, cursor, entries_free, bytes_max).await });
        self.page = Some(Page { work, entries_max: entries_free, bytes_max });
        true
    }

    pub(crate) fn poll_page(
        &mut self,
        cx: &mut Context<'_>,
        gateway: &Gateway,
        out: &mut Vec<u8>,
    ) -> Result<bool, Refusal> {
        let Some(page) = &mut self.page else { return Ok(false) };
        let Poll::Ready(result) = page.work.as_mut().poll(cx) else { return Ok(false) };
        let (entries_max, bytes_max) = (page.entries_max, page.bytes_max);
        self.page = None;
        let entries = result.map_err(Refusal::from)?;
        let mut pushed = 0;
        let mut ciphertext_bytes = 0usize;
        for entry in &entries {
            if let QueuedItem::Envelope(envelope) = &entry.item {
                ciphertext_bytes = ciphertext_bytes.saturating_add(envelope.ciphertext.len());
            }
            pushed += u64::from(self.push(entry, 0, out));
        }
        gateway.stats.entries_out.increment(pushed);
        // The store stops early only at a limit; how exactly it counts bytes is its own affair, so only a page well below
        // both limits is taken for the last.
        let reached_end = entries.is_empty() || (entries.len() < entries_max / 2 && ciphertext_bytes < bytes_max / 4);
        if !reached_end {
            // What the feed brought meanwhile comes after what the store still has.
            self.feed = VecDeque::new();
            self.behind = true;
        } else {
            self.drained = true;
        }
        Ok(true)
    }

    /// Takes an acknowledged entry out of the window; `None` if it was not in it.
    pub(crate) fn acked(&mut self, of: DeviceAddress, entry_id: EntryId) -> Option<AckFound> {
        let index = match self.in_flight.front() {
            Some(first) if first.entry_id == entry_id => 0,
            _ => self.in_flight.binary_search_by_key(&entry_id, |entry| entry.entry_id).ok()?,
        };
        let entry = self.in_flight.remove(index)?;
        self.in_flight_bytes = self.in_flight_bytes.saturating_sub(usize::try_from(entry.bytes).unwrap_or(usize::MAX));
        if self.in_flight.is_empty() {
            self.in_flight = VecDeque::new();
        }
        Some(AckFound {
            header: match entry.envelope {
                Some((sender, class, group)) => EntryHeader { sender, class, is_envelope: true, group },
                // Nobody is told of these; sender and class say nothing.
                None => EntryHeader { sender: of, class: EnvelopeClass::Control, is_envelope: false, group: None },
            },
            committed_us: (entry.committed_us != 0).then_some(entry.committed_us),
        })
    }
}
