//! One online device of a group: takes what comes, sends at a pace if it is a sender.
//! Flow: `fill` (a window, or a schedule) -> the wire -> `Accepted` here, the message at the others -> `Hall` -> more sends.
//! Always true:
//! - with a schedule, a send is due when the schedule says so, however late the server made us: its time counts from then;
//! - in a closed loop a message leaves the window when it was accepted and every online member of this process has it;
//! - a send that the server refused as stale goes again under its name, with the roster that the server gives then.
//!
//! Elsewhere: acknowledging is the link's, verdicts are the ledger's.

use super::cipher::{ALL, Header};
use super::hall::Hall;
use super::ledger::Ledger;
use super::rota::Rota;
use super::{Party, Sent, Strategy, make};
use crate::clock::{NS_PER_S, now_ns, unix_ms};
use crate::frames::group::send_group;
use crate::frames::{self, Incoming};
use crate::link::{HEARTBEAT, Link, OUT_FULL, unexpected};
use crate::pair::{Alarm, Pace};
use crate::target::Target;
use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use sotto_types::{ClientMsgId, DeviceId};
use sotto_wire::pb;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

/// Nobody changes the group while it is measured: a few refusals would be a wonder, more are a fault.
const STALE_MAX: u32 = 16;
const NS_PER_MS: u64 = 1_000_000;
const HEARTBEAT_NS: u64 = HEARTBEAT.as_secs() * NS_PER_S;

#[derive(Debug, Clone, Copy)]
struct Slot {
    /// The name it is sent under, however often.
    id: ClientMsgId,
    since: u64,
    accepted: bool,
    arrived: bool,
}

/// A group as a sender knows it.
#[derive(Debug, Clone, Copy)]
struct Place {
    group: u32,
    roster: u64,
    /// Highest message id.
    seen: u64,
    next_seq: u64,
}

/// The sending half of a seat. Message number n goes to group n modulo the groups it sends to.
#[derive(Debug)]
pub struct Sending {
    number: u32,
    places: Vec<Place>,
    pace: Pace,
    /// Number of the first message of this phase, and of the first that is not sent any more.
    begun: u64,
    end: u64,
    salt: u16,
    /// Under way, beginning with number `base`.
    slots: VecDeque<Slot>,
    base: u64,
    next: u64,
    /// Numbers that were refused as stale.
    stale: Vec<u64>,
    refusals: u32,
}

impl Sending {
    fn seq_of(&self, n: u64) -> u64 {
        n / self.places.len().max(1) as u64
    }

    fn place(&mut self, n: u64) -> Option<&mut Place> {
        let at = n % self.places.len().max(1) as u64;
        self.places.get_mut(usize::try_from(at).ok()?)
    }

    fn due(&self) -> Option<u64> {
        match self.pace {
            Pace::Window(_) => None,
            Pace::Schedule { first_ns, step_ns } => Some(first_ns + ((self.next - self.begun) as f64 * step_ns) as u64),
        }
    }

    /// Whether another message will be sent at all, and if so, whether now.
    fn may_send(&self, hall: &Hall, now: u64) -> (bool, bool) {
        let wanted = self.next < self.end && now < hall.timing.give_up;
        match (self.pace, self.due()) {
            (Pace::Window(window), _) => {
                let wanted = wanted && now < hall.timing.stop_sending;
                (wanted, wanted && self.slots.len() < window)
            }
            (_, Some(due)) => {
                let wanted = wanted && due < hall.timing.stop_sending;
                (wanted, wanted && due <= now)
            }
            (_, None) => (false, false),
        }
    }

    fn frame(&mut self, party: &Party, n: u64, id: &ClientMsgId, since_ns: u64) -> Result<pb::ClientFrame> {
        let (number, seq) = (self.number, self.seq_of(n));
        let Place { group, roster, seen, .. } = *self.place(n).context("a sender without a group")?;
        let made = party.group(group)?;
        let header = |recipient| Header { group, sender: number, recipient, seq, since_ns };
        let mut send = pb::SendGroup {
            client_msg_id: Bytes::copy_from_slice(id.as_bytes()),
            group_id: Bytes::copy_from_slice(&made.id),
            class: pb::EnvelopeClass::Message.into(),
            seen,
            roster,
            ..Default::default()
        };
        match party.strategy {
            Strategy::Log => send.ciphertext = party.ciphertext(&header(ALL))?,
            Strategy::Pairwise => {
                let others = made.members.iter().filter(|member| **member != number);
                send.to = others.map(|member| to(party, *member, &header(*member))).collect::<Result<_>>()?;
            }
        }
        Ok(send_group(send))
    }

    fn fill(&mut self, party: &Party, hall: &Hall, link: &mut Link) -> Result<()> {
        let now = now_ns();
        while link.waiting() < OUT_FULL && self.may_send(hall, now).1 {
            let (n, since) = (self.next, self.due().unwrap_or(now));
            let id = frames::client_msg_id(unix_ms(), self.salt, n);
            link.send(&self.frame(party, n, &id, since)?);
            let place = self.place(n).context("a sender without a group")?;
            place.next_seq += 1;
            let arrived = hall.recipients(place.group, self.number) == 0;
            self.slots.push_back(Slot { id, since, accepted: false, arrived });
            self.next += 1;
        }
        Ok(())
    }

    fn slot(&mut self, n: u64) -> Option<&mut Slot> {
        self.slots.get_mut(usize::try_from(n.checked_sub(self.base)?).ok()?)
    }

    fn drop_finished(&mut self) {
        while self.slots.front().is_some_and(|slot| slot.accepted && slot.arrived) {
            self.slots.pop_front();
            self.base += 1;
        }
    }

    fn accepted(&mut self, hall: &Hall, client_msg_id: &[u8], message_id: u64) -> Result<()> {
        let n = frames::seq_of(client_msg_id).context("an answer to a send that was never made")?;
        let slot = self.slot(n).context("an answer to a send that was never made")?;
        ensure!(!slot.accepted, "a send was answered twice");
        slot.accepted = true;
        let (since, now) = (slot.since, now_ns());
        let place = self.place(n).context("a sender without a group")?;
        place.seen = place.seen.max(message_id);
        let mut outcome = hall.outcome.borrow_mut();
        outcome.accepted += 1;
        outcome.last_ns = outcome.last_ns.max(now);
        if (hall.timing.measure_from..hall.timing.measure_to).contains(&since) {
            outcome.accepted_latency.record_ns(now.saturating_sub(since));
        }
        self.drop_finished();
        Ok(())
    }

    fn take_arrived(&mut self, hall: &mut Hall) {
        // Only who sends to one group waits for arrivals, so the number within the group is the number.
        for n in hall.take_complete(self.number) {
            if let Some(slot) = self.slot(n) {
                slot.arrived = true;
            }
        }
        self.drop_finished();
    }

    fn refused(&mut self, stale: &pb::StaleGroup) -> Result<()> {
        self.refusals += 1;
        ensure!(
            self.refusals <= STALE_MAX,
            "the server says again and again that the group changed; nobody changed it"
        );
        self.stale.push(frames::seq_of(&stale.client_msg_id).context("a refusal of a send that was never made")?);
        Ok(())
    }
}

fn to(party: &Party, member: u32, header: &Header) -> Result<pb::AccountCiphertexts> {
    let card = party.card(member)?;
    Ok(pb::AccountCiphertexts {
        account_id: Bytes::copy_from_slice(card.account.as_bytes()),
        list_version: crate::accounts::LIST_VERSION,
        devices: vec![pb::DeviceCiphertext {
            device_id: DeviceId::FIRST.into(),
            registration_id: card.registration_id,
            r#type: pb::CiphertextType::Ratchet.into(),
            ciphertext: party.ciphertext(header)?,
        }],
    })
}

#[derive(Debug)]
pub struct Seat {
    number: u32,
    link: Link,
    pub ledger: Ledger,
    sending: Option<Sending>,
    pub drained: bool,
    party: Rc<Party>,
    hall: Rc<RefCell<Hall>>,
    pub alarm: Alarm,
    rota: Rc<Rota>,
    heartbeat_due_ns: u64,
    /// When the rota is to wake it for its acks.
    acks_due_ns: Option<u64>,
}

impl Seat {
    pub async fn open(
        target: &Target,
        source: u32,
        token: String,
        mut ledger: Ledger,
        number: u32,
        party: Rc<Party>,
        hall: Rc<RefCell<Hall>>,
    ) -> Result<Self> {
        let mut drained = false;
        let link = Link::open(target, source, token, |incoming| {
            drained |= incoming == Incoming::Drained;
            take(&mut ledger, &party, &hall, incoming)
        });
        let link = link.await.with_context(|| format!("member {number}"))?;
        // Spread over their interval, as those of people are.
        let heartbeat_due_ns = now_ns() + (5_000 + u64::from(number % 20_000)) * NS_PER_MS;
        let rota = Rc::clone(&hall.borrow().rota);
        Ok(Self {
            number,
            link,
            ledger,
            sending: None,
            drained,
            party,
            hall,
            alarm: Alarm::default(),
            rota,
            heartbeat_due_ns,
            acks_due_ns: None,
        })
    }

    /// Sends from here on: so many messages at most, to these groups, at this pace. What was sent before still counts.
    pub fn begin(&mut self, groups: &[u32], pace: Pace, quota: Option<u64>) -> Result<()> {
        let sending = match self.sending.take() {
            Some(sending) => sending,
            None => {
                let place = |group: &u32| {
                    let roster = self.party.group(*group)?.roster;
                    anyhow::Ok(Place { group: *group, roster, seen: 0, next_seq: 0 })
                };
                self.hall.borrow_mut().add_sender(self.number, Rc::clone(&self.alarm));
                Sending {
                    number: self.number,
                    places: groups.iter().map(place).collect::<Result<_>>()?,
                    pace,
                    begun: 0,
                    end: 0,
                    salt: rand::random(),
                    slots: VecDeque::new(),
                    base: 0,
                    next: 0,
                    stale: Vec::new(),
                    refusals: 0,
                }
            }
        };
        let begun = sending.next;
        let end = begun.saturating_add(quota.unwrap_or(u64::MAX));
        self.sending = Some(Sending { pace, begun, end, ..sending });
        if let Some(waker) = self.alarm.borrow().as_ref() {
            waker.wake_by_ref();
        }
        Ok(())
    }

    /// Whether all that was to be sent was accepted, and arrived here.
    pub fn is_finished(&self, now: u64) -> bool {
        let hall = self.hall.borrow();
        let done = |sending: &Sending| sending.slots.is_empty() && !sending.may_send(&hall, now).0;
        now >= hall.timing.give_up || self.sending.as_ref().is_none_or(done)
    }

    pub fn is_flushed(&self) -> bool {
        self.link.waiting() == 0
    }

    pub fn sent(&self) -> impl Iterator<Item = Sent> {
        let places = self.sending.iter().flat_map(|sending| &sending.places);
        places.map(|place| Sent { group: place.group, sender: self.number, count: place.next_seq })
    }

    /// Sends that the server never answered.
    pub fn unanswered(&self) -> u64 {
        let slots = self.sending.iter().flat_map(|sending| &sending.slots);
        slots.filter(|slot| !slot.accepted).count() as u64
    }

    /// Ready with an error, or when a roster is to be fetched.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        match self.step(cx) {
            Err(error) => Poll::Ready(Err(error.context(format!("member {}", self.number)))),
            Ok(()) if self.sending.as_ref().is_some_and(|sending| !sending.stale.is_empty()) => Poll::Ready(Ok(())),
            Ok(()) => Poll::Pending,
        }
    }

    fn step(&mut self, cx: &mut Context<'_>) -> Result<()> {
        let Self { link, ledger, sending, drained, party, hall, alarm, .. } = self;
        if !alarm.borrow().as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *alarm.borrow_mut() = Some(cx.waker().clone());
        }
        if self.heartbeat_due_ns <= now_ns() {
            link.send(&frames::heartbeat(true));
            self.heartbeat_due_ns += HEARTBEAT_NS;
            self.rota.wake_at(self.heartbeat_due_ns, cx.waker());
        }
        link.poll_incoming(cx, &mut |incoming| match (incoming, &mut *sending) {
            (Incoming::Accepted { client_msg_id, message_id }, Some(sending)) => {
                sending.accepted(&hall.borrow(), client_msg_id, message_id)
            }
            (Incoming::Other(frame), Some(sending)) => match &frame.body {
                Some(pb::server_frame::Body::StaleGroup(stale)) => sending.refused(stale),
                _ => unexpected(&frame),
            },
            (Incoming::Drained, _) => {
                *drained = true;
                Ok(())
            }
            (incoming, _) => take(ledger, party, hall, incoming),
        })?;
        if let Some(sending) = sending {
            sending.take_arrived(&mut hall.borrow_mut());
            sending.fill(party, &hall.borrow(), link)?;
        }
        if link.acks_due_ns() != self.acks_due_ns {
            self.acks_due_ns = link.acks_due_ns();
            if let Some(due) = self.acks_due_ns {
                self.rota.wake_at(due, cx.waker());
            }
        }
        link.poll_flush(cx)?;
        if let Some(sending) = sending
            && link.waiting() == 0
            && sending.may_send(&hall.borrow(), now_ns()).1
        {
            // `fill` stopped at a full buffer that is empty again: go on in the next turn.
            cx.waker().wake_by_ref();
        }
        Ok(())
    }

    /// The first group that was refused as changed.
    fn stale_group(&mut self) -> Option<u32> {
        let sending = self.sending.as_mut()?;
        let n = *sending.stale.first()?;
        sending.place(n).map(|place| place.group)
    }

    /// Sends what was refused of a group again, under the roster that the server gives now.
    fn send_again(&mut self, group: u32, roster: u64) -> Result<()> {
        let Some(sending) = &mut self.sending else { return Ok(()) };
        for n in std::mem::take(&mut sending.stale) {
            let place = sending.place(n).context("a sender without a group")?;
            if place.group != group {
                sending.stale.push(n);
                continue;
            }
            place.roster = roster;
            let Slot { id, since, .. } = *sending.slot(n).context("a refusal of a send that was never made")?;
            let frame = sending.frame(&self.party, n, &id, since)?;
            self.link.send(&frame);
        }
        Ok(())
    }

    /// Says goodbye, once what waits to be written is written.
    pub async fn leave(self) -> Result<Ledger> {
        self.link.close_in_peace().await.with_context(|| format!("member {}", self.number))?;
        Ok(self.ledger)
    }
}

/// Keeps a seat going; ends only with an error.
pub async fn drive(seat: Rc<RefCell<Seat>>, target: Target, source: u32, token: String) -> Result<()> {
    poll_fn(|cx| {
        let seat = seat.borrow();
        seat.rota.wake_at(seat.heartbeat_due_ns, cx.waker());
        Poll::Ready(())
    })
    .await;
    loop {
        poll_fn(|cx| seat.borrow_mut().poll(cx)).await?;
        let (party, group) = {
            let mut seat = seat.borrow_mut();
            let group = seat.stale_group().context("nothing was refused")?;
            (Rc::clone(&seat.party), group)
        };
        let mut http = target.http(source).await?;
        let roster = make::roster(&mut http, &token, &party.group(group)?.id).await?;
        seat.borrow_mut().send_again(group, roster)?;
    }
}

fn take(ledger: &mut Ledger, party: &Party, hall: &RefCell<Hall>, incoming: Incoming<'_>) -> Result<()> {
    match ledger.take_incoming(party, incoming)? {
        Some(header) => hall.borrow_mut().arrived(&header, now_ns()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
