//! Delivery of group logs: after the inbox, each log from the device's cursor, then live.
//! Flow: `begin` -> which logs have something (`waiting_groups`) -> their pages, one after another -> live entries from
//!       dispatch -> `acked` frees the window.
//! Always true:
//! - entries of a group are pushed in the order of its log, without a gap: live ones wait until the log was read to its end,
//!   and whatever was not taken (`behind`) is read from the logs before any later one;
//! - nothing is pushed while the inbox has something: keys come before what they open, also those that came while a page was
//!   read;
//! - what dispatch brings late, after a page that had it (`Recent`), is not pushed again; an entry may still come twice
//!   when an ack had no time to be noted; the device ignores the second, and acks it;
//! - at most `window_entries` or `window_bytes` are unacknowledged, beside those of the inbox.

use crate::dispatch::Dispatched;
use crate::encode;
use crate::gateway::Gateway;
use crate::handle::Handle;
use crate::router::Router;
use crate::session::BoxFuture;
use sotto_domain::{Refusal, WaitingGroup};
use sotto_ports::{LoggedEntry, StoreError};
use sotto_types::{DeviceAddress, GroupId, MessageId};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

const PAGE_BYTES: usize = 64 * 1024;
/// How late dispatch is at most, in microseconds, with an entry that is remembered as read.
const RECENT_US: u64 = 30_000_000;

#[derive(Debug)]
struct Pushed {
    group: GroupId,
    id: MessageId,
    bytes: u32,
    /// Zero if it came from the log, not from dispatch.
    committed_us: u64,
}

enum Step {
    Looking(BoxFuture<Result<Vec<WaitingGroup>, StoreError>>),
    /// Between two pages, or waiting for room.
    Next,
    /// A page that was read. `waits`: entries came for the inbox meanwhile, which go first.
    Held {
        page: Vec<LoggedEntry>,
        is_last: bool,
        waits: bool,
    },
    Reading {
        work: BoxFuture<Result<Vec<LoggedEntry>, StoreError>>,
        entries_max: usize,
        bytes_max: usize,
    },
}

/// Reading what the device lacks.
struct CatchUp {
    step: Step,
    todo: VecDeque<WaitingGroup>,
    /// The last entry pushed of each group that is touched meanwhile.
    pushed: HashMap<GroupId, MessageId>,
    /// What was committed before is in the logs that are read.
    began_us: u64,
}

/// What the last reading of the logs had, for what dispatch brings late.
struct Recent {
    /// What was committed before was read.
    began_us: u64,
    pushed: HashMap<GroupId, MessageId>,
    ended_us: u64,
}

#[derive(Default)]
pub(crate) struct GroupDelivery {
    in_flight: VecDeque<Pushed>,
    in_flight_bytes: u32,
    feed: VecDeque<Arc<Dispatched>>,
    behind: bool,
    catch_up: Option<Box<CatchUp>>,
    recent: Option<Box<Recent>>,
    /// What waited at Hello was pushed.
    drained: bool,
    paused: bool,
}

impl GroupDelivery {
    pub(crate) const fn begin(&mut self) {
        self.behind = true;
    }

    pub(crate) const fn is_drained(&self) -> bool {
        self.drained
    }

    pub(crate) fn take_feed(&mut self, feed: VecDeque<Arc<Dispatched>>, behind: bool, max: usize) {
        if let Some(Step::Held { waits, .. }) = self.catch_up.as_mut().map(|catch_up| &mut catch_up.step) {
            *waits = false;
        }
        if self.behind {
            return;
        }
        self.behind = behind;
        if self.feed.len().saturating_add(feed.len()) > max {
            self.feed = VecDeque::new();
            self.behind = true;
        } else if self.feed.is_empty() {
            self.feed = feed;
        } else {
            self.feed.extend(feed);
        }
    }

    /// What cannot be pushed now stays only while it is little: the log has it.
    pub(crate) fn shed(&mut self) {
        let bytes: usize = self.feed.iter().map(|dispatched| dispatched.bytes()).sum();
        if bytes > PAGE_BYTES {
            self.feed = VecDeque::new();
            self.behind = true;
        }
    }

    /// Dispatch is not that late: called with every heartbeat.
    pub(crate) fn forget_recent(&mut self, router: &Router) {
        let is_old = |recent: &Recent| router.now_us().saturating_sub(recent.ended_us) > RECENT_US;
        if self.recent.as_deref().is_some_and(is_old) {
            self.recent = None;
        }
    }

    /// Whether the logs had it when they were last read.
    fn was_read(&self, dispatched: &Dispatched) -> bool {
        let entry = &dispatched.entry;
        self.recent.as_deref().is_some_and(|recent| {
            dispatched.committed_us <= recent.began_us
                || recent.pushed.get(&entry.group).is_some_and(|last| entry.id <= *last)
        })
    }

    fn has_room(&self, gateway: &Gateway) -> bool {
        let (entries_free, bytes_free) = self.room(gateway);
        entries_free > 0 && bytes_free > 0
    }

    fn note(&mut self, group: GroupId, id: MessageId, bytes: usize, committed_us: u64) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.in_flight_bytes = self.in_flight_bytes.saturating_add(bytes);
        self.in_flight.push_back(Pushed { group, id, bytes, committed_us });
    }

    fn pause(&mut self, gateway: &Gateway) {
        if !self.paused {
            self.paused = true;
            gateway.stats.window_pauses.increment(1);
        }
    }

    /// Pushes what dispatch brought, once the logs are read.
    pub(crate) fn push_feed(&mut self, of: DeviceAddress, gateway: &Gateway, out: &mut Vec<u8>) {
        if self.behind {
            self.feed = VecDeque::new();
            return;
        }
        if self.feed.is_empty() || self.catch_up.is_some() {
            return;
        }
        let now_us = gateway.router.now_us();
        let mut pushed = 0;
        for dispatched in std::mem::take(&mut self.feed) {
            if self.was_read(&dispatched) {
                continue;
            }
            if !self.has_room(gateway) {
                self.behind = true;
                self.pause(gateway);
                break;
            }
            let frame = dispatched.frame_for(of);
            out.extend_from_slice(frame);
            let Dispatched { entry, committed_us, .. } = &*dispatched;
            self.note(entry.group, entry.id, frame.len(), *committed_us);
            pushed += 1;
            gateway.stats.commit_to_push.record(Duration::from_micros(now_us.saturating_sub(*committed_us)));
        }
        gateway.stats.entries_out.increment(pushed);
    }

    /// Begins, or goes on, to read the logs: one page at most, so that the socket is asked in between. True if something was
    /// written or begun.
    pub(crate) fn read_logs(
        &mut self,
        of: DeviceAddress,
        cx: &mut Context<'_>,
        gateway: &Arc<Gateway>,
        handle: &Handle,
        out: &mut Vec<u8>,
    ) -> Result<bool, Refusal> {
        let mut moved = false;
        let before = out.len();
        loop {
            if out.len() > before {
                return Ok(true);
            }
            if self.catch_up.is_none() {
                if !self.behind || (!self.in_flight.is_empty() && !self.has_much_room(gateway)) {
                    return Ok(moved);
                }
                self.start(of, gateway, handle);
            }
            match self.advance(cx, gateway, handle, of, out)? {
                Poll::Pending => return Ok(moved),
                Poll::Ready(()) => moved = true,
            }
        }
    }

    fn start(&mut self, of: DeviceAddress, gateway: &Arc<Gateway>, handle: &Handle) {
        // On first, then read: what is logged from here on comes by the feed, or was read.
        self.behind = false;
        self.paused = false;
        self.feed = VecDeque::new();
        handle.resume_groups();
        let mut pushed: HashMap<GroupId, MessageId> = HashMap::new();
        for entry in &self.in_flight {
            let last = pushed.entry(entry.group).or_default();
            *last = entry.id.max(*last);
        }
        let domain = gateway.domain.clone();
        let began_us = gateway.router.now_us();
        let step = Step::Looking(Box::pin(async move { domain.waiting_groups(of).await }));
        self.catch_up = Some(Box::new(CatchUp { step, todo: VecDeque::new(), pushed, began_us }));
    }

    fn has_much_room(&self, gateway: &Gateway) -> bool {
        let (entries_free, bytes_free) = self.room(gateway);
        entries_free >= gateway.config.window_entries.div_ceil(4)
            && bytes_free >= gateway.config.window_bytes.div_ceil(4)
    }

    fn room(&self, gateway: &Gateway) -> (usize, usize) {
        let config = &gateway.config;
        (
            config.window_entries.saturating_sub(self.in_flight.len()),
            config.window_bytes.saturating_sub(usize::try_from(self.in_flight_bytes).unwrap_or(usize::MAX)),
        )
    }

    fn advance(
        &mut self,
        cx: &mut Context<'_>,
        gateway: &Arc<Gateway>,
        handle: &Handle,
        of: DeviceAddress,
        out: &mut Vec<u8>,
    ) -> Result<Poll<()>, Refusal> {
        let Some(mut catch_up) = self.catch_up.take() else { return Ok(Poll::Pending) };
        let CatchUp { step, todo, pushed, .. } = &mut *catch_up;
        match step {
            Step::Looking(work) => match work.as_mut().poll(cx) {
                Poll::Pending => {
                    self.catch_up = Some(catch_up);
                    return Ok(Poll::Pending);
                }
                Poll::Ready(waiting) => {
                    todo.extend(waiting.map_err(Refusal::from)?.into_iter().map(|waiting| {
                        let after = pushed.get(&waiting.group).copied().unwrap_or_default().max(waiting.after);
                        WaitingGroup { after, ..waiting }
                    }));
                    *step = Step::Next;
                }
            },
            Step::Next => {
                let Some(waiting) = todo.front().copied() else {
                    self.finish(of, gateway, *catch_up, out);
                    return Ok(Poll::Ready(()));
                };
                if !self.in_flight.is_empty() && !self.has_much_room(gateway) {
                    self.catch_up = Some(catch_up);
                    self.pause(gateway);
                    return Ok(Poll::Pending);
                }
                self.paused = false;
                let (entries_free, bytes_free) = self.room(gateway);
                let (entries_max, bytes_max) = (entries_free.max(1), PAGE_BYTES.min(bytes_free.max(1)));
                let domain = gateway.domain.clone();
                let work = Box::pin(async move { domain.read_log(waiting, entries_max, bytes_max).await });
                *step = Step::Reading { work, entries_max, bytes_max };
            }
            Step::Reading { work, entries_max, bytes_max } => match work.as_mut().poll(cx) {
                Poll::Pending => {
                    self.catch_up = Some(catch_up);
                    return Ok(Poll::Pending);
                }
                Poll::Ready(page) => {
                    let page = page.map_err(Refusal::from)?;
                    let bytes = page.iter().fold(0usize, |sum, entry| sum.saturating_add(entry.item.body_len()));
                    // Only a page well below both limits is taken for the last, as with inboxes.
                    let is_last = page.is_empty() || (page.len() < *entries_max / 2 && bytes < *bytes_max / 4);
                    // Committed before what the page has, perhaps: the mailbox is taken first.
                    let waits = handle.has_entries();
                    if waits {
                        cx.waker().wake_by_ref();
                    }
                    *step = Step::Held { page, is_last, waits };
                }
            },
            Step::Held { waits: true, .. } => {
                self.catch_up = Some(catch_up);
                return Ok(Poll::Pending);
            }
            Step::Held { page, is_last, .. } => {
                for entry in &*page {
                    let frame = encode::group_entry(entry, entry.sender == of);
                    out.extend_from_slice(&frame);
                    self.note(entry.group, entry.id, frame.len(), 0);
                    pushed.insert(entry.group, entry.id);
                    if let Some(front) = todo.front_mut() {
                        front.after = entry.id;
                    }
                }
                gateway.stats.entries_out.increment(page.len() as u64);
                if *is_last {
                    todo.pop_front();
                }
                *step = Step::Next;
            }
        }
        self.catch_up = Some(catch_up);
        Ok(Poll::Ready(()))
    }

    /// The logs are read: what dispatch brought meanwhile goes on from there.
    fn finish(&mut self, of: DeviceAddress, gateway: &Gateway, catch_up: CatchUp, out: &mut Vec<u8>) {
        self.drained = true;
        let CatchUp { began_us, pushed, .. } = catch_up;
        self.recent = Some(Box::new(Recent { began_us, pushed, ended_us: gateway.router.now_us() }));
        self.push_feed(of, gateway, out);
    }

    /// Takes acknowledged entries out of the window. True if `up_to` was one of them, and not further than what was pushed;
    /// `waited` gets the times of live ones.
    pub(crate) fn acked(&mut self, group: GroupId, up_to: MessageId, mut waited: impl FnMut(u64)) -> bool {
        let mut was_pushed = false;
        let bytes = &mut self.in_flight_bytes;
        self.in_flight.retain(|pushed| {
            let is_acked = pushed.group == group && pushed.id <= up_to;
            if is_acked {
                was_pushed |= pushed.id == up_to;
                *bytes = bytes.saturating_sub(pushed.bytes);
                if pushed.committed_us != 0 {
                    waited(pushed.committed_us);
                }
            }
            !is_acked
        });
        if self.in_flight.is_empty() {
            self.in_flight = VecDeque::new();
        }
        was_pushed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sotto_ports::{EnvelopeClass, GroupItem};
    use sotto_types::{AccountId, DeviceId, Timestamp};

    fn dispatched(id: u64, size: usize) -> Arc<Dispatched> {
        let item = GroupItem::Message { class: EnvelopeClass::Message, ciphertext: vec![0; size].into() };
        let entry = LoggedEntry {
            group: GroupId::from_bytes([1; 32]),
            id: MessageId::new(id),
            previous: MessageId::new(id - 1),
            server_time: Timestamp::ZERO,
            sender: DeviceAddress::new(AccountId::from_bytes([1; 16]), DeviceId::FIRST),
            item,
        };
        Arc::new(Dispatched::new(Arc::new(entry), 0))
    }

    #[test]
    fn what_waits_for_the_inbox_stays_small() {
        let mut delivery = GroupDelivery::default();
        delivery.take_feed([dispatched(1, 1_000)].into(), false, 256);
        delivery.shed();
        assert_eq!((delivery.feed.len(), delivery.behind), (1, false));
        delivery.take_feed([dispatched(2, 60_000), dispatched(3, 60_000)].into(), false, 256);
        delivery.shed();
        assert_eq!((delivery.feed.len(), delivery.behind), (0, true), "the log has them");
        delivery.take_feed([dispatched(4, 10)].into(), false, 256);
        assert_eq!(delivery.feed.len(), 0, "none overtakes them");
    }

    #[test]
    fn an_ack_beyond_what_was_pushed_is_looked_up() {
        let mut delivery = GroupDelivery::default();
        let (group, other) = (GroupId::from_bytes([1; 32]), GroupId::from_bytes([2; 32]));
        for id in 1..=4 {
            delivery.note(group, MessageId::new(id), 10, 0);
        }
        assert!(!delivery.acked(other, MessageId::new(4), |_| {}));
        assert!(delivery.acked(group, MessageId::new(2), |_| {}));
        assert_eq!((delivery.in_flight.len(), delivery.in_flight_bytes), (2, 20));
        assert!(!delivery.acked(group, MessageId::new(9), |_| {}));
        assert_eq!((delivery.in_flight.len(), delivery.in_flight_bytes), (0, 0));
    }
}
