//! One sender and one recipient, served by one task: sending at a pace, timing what comes back, checking what arrives.
//! Flow: `Sender::fill` (a window, or a schedule) -> the wire -> `Accepted` at the sender, `Deliver` at the recipient ->
//!       latencies and `FromSender` -> more sends.
//! Always true:
//! - with a schedule, a send is due when the schedule says so, however late the server made us: its latency counts from then;
//! - in a closed loop a message leaves the window only when it was both accepted and delivered;
//! - what was sent by the end of the run is waited for, until `Timing::give_up`.
//!
//! Elsewhere: who makes pairs and gives them their `Timing` is in `job`.

use crate::clock::{now_ns, unix_ms, until};
use crate::frames::{self, Incoming};
use crate::link::{HEARTBEAT, Link, OUT_FULL, unexpected};
use crate::outcome::Outcome;
use crate::payload::Payload;
use crate::tally::FromSender;
use anyhow::{Context as _, Result, bail, ensure};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use tokio::time::Sleep;

/// Moments of a run, in `clock::now_ns`, the same for every process.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    pub measure_from: u64,
    pub measure_to: u64,
    pub stop_sending: u64,
    pub give_up: u64,
}

/// When a sender sends.
#[derive(Debug, Clone, Copy)]
pub enum Pace {
    /// As soon as fewer than so many are under way.
    Window(usize),
    /// Number n at `first_ns + n * step_ns`.
    Schedule { first_ns: u64, step_ns: f64 },
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    /// Sent at, or due at.
    since: u64,
    accepted: bool,
    delivered: bool,
}

pub type Shared = Rc<RefCell<Outcome>>;

/// The sending end.
#[derive(Debug)]
pub struct Sender {
    link: Link,
    pace: Pace,
    timing: Timing,
    /// All there is to send, if that ends the run.
    quota: Option<u64>,
    /// Nobody receives now: accepted is all that can happen to a send.
    alone: bool,
    salt: u16,
    /// Under way, beginning with number `base`; what both ends finished at the front is dropped.
    slots: VecDeque<Slot>,
    base: u64,
    next: u64,
    /// Highest message id of the conversation.
    seen: u64,
    shared: Shared,
}

impl Sender {
    pub fn new(link: Link, pace: Pace, timing: Timing, quota: Option<u64>, alone: bool, shared: Shared) -> Self {
        Self {
            link,
            pace,
            timing,
            quota,
            alone,
            salt: rand::random(),
            slots: VecDeque::new(),
            base: 0,
            next: 0,
            seen: 0,
            shared,
        }
    }

    fn due(&self) -> Option<u64> {
        match self.pace {
            Pace::Window(_) => None,
            Pace::Schedule { first_ns, step_ns } => Some(first_ns + (self.next as f64 * step_ns) as u64),
        }
    }

    /// Whether number `next` will be sent at all, and if so, whether now.
    fn may_send(&self, now: u64) -> (bool, bool) {
        let wanted = self.quota.is_none_or(|quota| self.next < quota) && now < self.timing.give_up;
        match (self.pace, self.due()) {
            (Pace::Window(window), _) => {
                let wanted = wanted && now < self.timing.stop_sending;
                (wanted, wanted && self.slots.len() < window)
            }
            (_, Some(due)) => {
                let wanted = wanted && due < self.timing.stop_sending;
                (wanted, wanted && due <= now)
            }
            (_, None) => (false, false),
        }
    }

    fn fill(&mut self, payload: &mut Payload) -> Result<()> {
        let now = now_ns();
        while self.link.waiting() < OUT_FULL && self.may_send(now).1 {
            let id = frames::client_msg_id(unix_ms(), self.salt, self.next);
            let since = self.due().unwrap_or(now);
            payload.send(&mut self.link, &id, self.seen, self.next)?;
            self.slots.push_back(Slot { since, accepted: false, delivered: false });
            self.next += 1;
        }
        Ok(())
    }

    fn poll_answers(&mut self, cx: &mut Context<'_>) -> Result<()> {
        let Self { link, slots, base, seen, shared, timing, alone, .. } = self;
        let (mut outcome, now, alone) = (shared.borrow_mut(), now_ns(), *alone);
        link.poll_incoming(cx, &mut |incoming| match incoming {
            Incoming::Accepted { client_msg_id, message_id } => {
                let seq = frames::seq_of(client_msg_id).context("an answer to a send that was never made")?;
                let at = seq.checked_sub(*base).and_then(|at| usize::try_from(at).ok());
                let slot = at.and_then(|at| slots.get_mut(at)).context("an answer to a send that was never made")?;
                ensure!(!slot.accepted, "a send was answered twice");
                slot.accepted = true;
                slot.delivered |= alone;
                *seen = (*seen).max(message_id);
                outcome.accepted += 1;
                outcome.last_ns = outcome.last_ns.max(now);
                if (timing.measure_from..timing.measure_to).contains(&slot.since) {
                    outcome.accepted_latency.record_ns(now.saturating_sub(slot.since));
                }
                if alone && (timing.measure_from..timing.measure_to).contains(&now) {
                    outcome.measured += 1;
                }
                while slots.front().is_some_and(|slot| slot.accepted && slot.delivered) {
                    slots.pop_front();
                    *base += 1;
                }
                Ok(())
            }
            // Delivery receipts; acknowledged by the link.
            Incoming::OtherEntry { .. } | Incoming::Drained | Incoming::HeartbeatAck => Ok(()),
            Incoming::Envelope(envelope) => {
                bail!("a message of {} was delivered to a sender", frames::shown_account(envelope.sender))
            }
            Incoming::LogEntry(_) => bail!("an entry of a group came to a pair"),
            Incoming::Other(frame) => unexpected(&frame),
        })
    }

    /// Notes a delivery; returns since when it was under way.
    fn delivered(&mut self, seq: u64) -> Result<u64> {
        let at = seq.checked_sub(self.base).and_then(|at| usize::try_from(at).ok());
        let slot = at.and_then(|at| self.slots.get_mut(at)).context("a message was delivered that was never sent")?;
        slot.delivered = true;
        let since = slot.since;
        while self.slots.front().is_some_and(|slot| slot.accepted && slot.delivered) {
            self.slots.pop_front();
            self.base += 1;
        }
        Ok(since)
    }

    fn is_finished(&self, now: u64) -> bool {
        now >= self.timing.give_up || (self.slots.is_empty() && self.link.waiting() == 0 && !self.may_send(now).0)
    }

    /// Closes the books: what was never answered.
    fn settle(&self) {
        let mut outcome = self.shared.borrow_mut();
        outcome.sent += self.next;
        outcome.unanswered += self.slots.iter().filter(|slot| !slot.accepted).count() as u64;
    }

    fn is_accepted(&self, seq: u64) -> bool {
        let at = seq.checked_sub(self.base).and_then(|at| usize::try_from(at).ok());
        // What left the window was accepted.
        at.is_none_or(|at| self.slots.get(at).is_some_and(|slot| slot.accepted))
    }
}

/// The receiving end: what arrived.
#[derive(Debug)]
pub struct Inbox {
    pub from: FromSender,
    account: [u8; 16],
    pub drained: bool,
}

impl Inbox {
    pub fn new(sender: [u8; 16]) -> Self {
        Self { from: FromSender::default(), account: sender, drained: false }
    }

    /// Handles one frame; calls `first` with the number of a message that came for the first time.
    pub fn take(
        &mut self,
        incoming: Incoming<'_>,
        payload: &mut Payload,
        first: impl FnOnce(u64) -> Result<()>,
    ) -> Result<()> {
        match incoming {
            Incoming::Envelope(envelope) => {
                ensure!(
                    envelope.sender == self.account,
                    "a message of {} was delivered to a stranger",
                    frames::shown_account(envelope.sender)
                );
                let seq = payload.check(&envelope)?;
                if self.from.see(seq, envelope.message_id) {
                    first(seq)?;
                }
                Ok(())
            }
            Incoming::Drained => {
                self.drained = true;
                Ok(())
            }
            Incoming::OtherEntry { .. } | Incoming::HeartbeatAck => Ok(()),
            Incoming::Accepted { .. } => bail!("an answer to a send that was never made"),
            Incoming::LogEntry(_) => bail!("an entry of a group came to a pair"),
            Incoming::Other(frame) => unexpected(&frame),
        }
    }
}

/// Wakes a pair when its schedule says so.
pub type Alarm = Rc<RefCell<Option<Waker>>>;

/// Both ends while both are online, or only the sender (`recipient` is none). Resolves when all is sent and settled.
#[derive(Debug)]
pub struct Pair {
    sender: Sender,
    recipient: Option<(Link, Inbox)>,
    payload: Payload,
    /// For the end of sending, giving up and heartbeats.
    sleep: Pin<Box<Sleep>>,
    next_heartbeat: u64,
    alarm: Alarm,
}

impl Pair {
    pub fn new(sender: Sender, recipient: Option<(Link, Inbox)>, payload: Payload, alarm: Alarm) -> Self {
        let next_heartbeat = now_ns() + HEARTBEAT.as_nanos() as u64;
        let mut pair = Self {
            sender,
            recipient,
            payload,
            sleep: Box::pin(tokio::time::sleep(std::time::Duration::ZERO)),
            next_heartbeat,
            alarm,
        };
        pair.set_sleep();
        pair
    }

    fn set_sleep(&mut self) {
        let (now, timing) = (now_ns(), self.sender.timing);
        let moments = [self.next_heartbeat, timing.stop_sending, timing.give_up];
        let next = moments.into_iter().filter(|at| *at > now).min().unwrap_or(now);
        self.sleep.as_mut().reset(tokio::time::Instant::now() + until(next));
    }

    fn heartbeat(&mut self) {
        if now_ns() >= self.next_heartbeat {
            self.next_heartbeat = now_ns() + HEARTBEAT.as_nanos() as u64;
            self.sender.link.send(&frames::heartbeat(true));
            if let Some((link, _)) = &mut self.recipient {
                link.send(&frames::heartbeat(true));
            }
        }
    }

    fn poll_deliveries(&mut self, cx: &mut Context<'_>) -> Result<()> {
        let Some((link, inbox)) = &mut self.recipient else { return Ok(()) };
        let (sender, payload, now) = (&mut self.sender, &mut self.payload, now_ns());
        link.poll_incoming(cx, &mut |incoming| {
            inbox.take(incoming, payload, |seq| {
                let since = sender.delivered(seq)?;
                let (mut outcome, timing) = (sender.shared.borrow_mut(), sender.timing);
                outcome.delivered += 1;
                outcome.last_ns = outcome.last_ns.max(now);
                if (timing.measure_from..timing.measure_to).contains(&now) {
                    outcome.measured += 1;
                }
                if (timing.measure_from..timing.measure_to).contains(&since) {
                    outcome.delivered_latency.record_ns(now.saturating_sub(since));
                }
                Ok(())
            })
        })
    }

    fn step(&mut self, cx: &mut Context<'_>) -> Result<bool> {
        while self.sleep.as_mut().poll(cx).is_ready() {
            self.heartbeat();
            self.set_sleep();
        }
        self.sender.poll_answers(cx)?;
        self.poll_deliveries(cx)?;
        self.sender.fill(&mut self.payload)?;
        self.sender.link.poll_flush(cx)?;
        let mut settled = true;
        if let Some((link, _)) = &mut self.recipient {
            link.poll_flush(cx)?;
            settled = link.waiting() == 0;
        }
        if self.sender.link.waiting() == 0 && self.sender.may_send(now_ns()).1 {
            // `fill` stopped at a full buffer that is empty again: go on in the next turn.
            cx.waker().wake_by_ref();
        }
        let now = now_ns();
        Ok(self.sender.is_finished(now) && (settled || now >= self.sender.timing.give_up))
    }

    /// The verdict of a pair that ended: its counts go to the shared outcome. The payload is wanted again for a drain.
    pub fn settle(self) -> (Payload, u64, Link) {
        self.sender.settle();
        if let Some((_, inbox)) = &self.recipient {
            let verdict = inbox.from.verdict(self.sender.next, |seq| self.sender.is_accepted(seq));
            self.sender.shared.borrow_mut().tally.add(verdict);
        }
        (self.payload, self.sender.next, self.sender.link)
    }
}

impl Future for &mut Pair {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = &mut **self;
        if let Pace::Schedule { .. } = this.sender.pace {
            let mut alarm = this.alarm.borrow_mut();
            if !alarm.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                *alarm = Some(cx.waker().clone());
            }
        }
        match this.step(cx) {
            Ok(true) => Poll::Ready(Ok(())),
            Ok(false) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

#[cfg(test)]
pub mod tests;
