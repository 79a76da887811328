//! When a message reached the members: the first, the median, the last of those who are online.
//! Flow: `arrived` at each member of this process -> at the last of them a `Spread` -> `fold`, here if this process has all of
//!       them, else in the parent, which adds up what the processes saw.
//! Always true: only a message that every online member got is folded; the time of the others is not known.

use super::cipher::Header;
use super::rota::Rota;
use crate::outcome::Outcome;
use crate::pair::{Alarm, Shared, Timing};
use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

/// So that a process does not keep millions for its parent.
const KEPT_MAX: usize = 1_000_000;

/// One message at the members of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    pub group: u32,
    pub sender: u32,
    pub seq: u64,
    pub since_ns: u64,
    pub count: u32,
    pub first_ns: u64,
    pub median_ns: u64,
    pub last_ns: u64,
}

/// What a sender must know of its own messages.
#[derive(Debug)]
struct Lane {
    alarm: Alarm,
    complete: Vec<u64>,
}

/// What the devices of a process share.
#[derive(Debug)]
pub struct Hall {
    pub timing: Timing,
    pub outcome: Shared,
    pub rota: Rc<Rota>,
    /// Online members in this process, by group.
    online: Vec<u32>,
    /// This process has all of them.
    is_alone: bool,
    /// Few at a time: comparing numbers is less work than hashing them, for each delivery.
    under_way: BTreeMap<(u32, u32, u64), Spread>,
    lanes: BTreeMap<u32, Lane>,
}

impl Hall {
    pub fn new(groups: usize, is_alone: bool, outcome: Shared) -> Self {
        let timing = Timing { measure_from: u64::MAX, measure_to: u64::MAX, stop_sending: 0, give_up: u64::MAX };
        let (under_way, lanes) = (BTreeMap::new(), BTreeMap::new());
        Self { timing, outcome, rota: Rc::default(), online: vec![0; groups], is_alone, under_way, lanes }
    }

    pub fn set_online(&mut self, group: u32, members: u32) {
        if let Some(online) = self.online.get_mut(group as usize) {
            *online = members;
        }
    }

    /// From here on messages of this member are told to it once they arrived everywhere here.
    pub fn add_sender(&mut self, number: u32, alarm: Alarm) {
        self.lanes.insert(number, Lane { alarm, complete: Vec::new() });
    }

    /// How many are to receive a message of this member here.
    pub fn recipients(&self, group: u32, sender: u32) -> u32 {
        let online = self.online.get(group as usize).copied().unwrap_or(0);
        online.saturating_sub(u32::from(self.lanes.contains_key(&sender)))
    }

    /// A message came to a member for the first time.
    pub fn arrived(&mut self, header: &Header, now: u64) -> Result<()> {
        let Header { group, sender, seq, since_ns, .. } = *header;
        let wanted = self.recipients(group, sender);
        let key = (group, sender, seq);
        let fresh = Spread { group, sender, seq, since_ns, count: 0, first_ns: now, median_ns: now, last_ns: now };
        let spread = self.under_way.entry(key).or_insert(fresh);
        spread.count += 1;
        if spread.count <= wanted.div_ceil(2) {
            spread.median_ns = now;
        }
        spread.last_ns = now;
        let spread = *spread;
        {
            let mut outcome = self.outcome.borrow_mut();
            outcome.delivered += 1;
            outcome.last_ns = outcome.last_ns.max(now);
            if (self.timing.measure_from..self.timing.measure_to).contains(&now) {
                outcome.measured += 1;
            }
        }
        if spread.count == wanted {
            self.under_way.remove(&key);
            self.complete(spread)?;
        }
        Ok(())
    }

    fn complete(&mut self, spread: Spread) -> Result<()> {
        if let Some(lane) = self.lanes.get_mut(&spread.sender) {
            lane.complete.push(spread.seq);
            if let Some(waker) = lane.alarm.borrow().as_ref() {
                waker.wake_by_ref();
            }
        }
        let mut outcome = self.outcome.borrow_mut();
        if self.is_alone {
            fold(&mut outcome, &spread, &self.timing);
        } else {
            ensure!(
                outcome.group.spreads.len() < KEPT_MAX,
                "more than {KEPT_MAX} messages with several client processes: measure for a shorter time, or with one"
            );
            outcome.group.spreads.push(spread);
        }
        Ok(())
    }

    /// Numbers of a member's messages that arrived everywhere here since it asked last.
    pub fn take_complete(&mut self, sender: u32) -> Vec<u64> {
        self.lanes.get_mut(&sender).map(|lane| std::mem::take(&mut lane.complete)).unwrap_or_default()
    }
}

/// Counts a message that all online members have.
fn fold(outcome: &mut Outcome, spread: &Spread, timing: &Timing) {
    let measured = timing.measure_from..timing.measure_to;
    if measured.contains(&spread.last_ns) {
        outcome.group.messages += 1;
    }
    if measured.contains(&spread.since_ns) {
        outcome.group.first.record_ns(spread.first_ns.saturating_sub(spread.since_ns));
        outcome.group.median.record_ns(spread.median_ns.saturating_sub(spread.since_ns));
        outcome.delivered_latency.record_ns(spread.last_ns.saturating_sub(spread.since_ns));
    }
}

/// Folds what several processes saw of messages that each of so many members should have. The median is the mean of the
/// processes' medians, weighted by their members.
pub fn fold_all(outcome: &mut Outcome, members: u32, timing: &Timing) {
    let mut whole: HashMap<(u32, u32, u64), (Spread, u128)> = HashMap::new();
    for part in std::mem::take(&mut outcome.group.spreads) {
        let weighted = u128::from(part.median_ns) * u128::from(part.count);
        whole
            .entry((part.group, part.sender, part.seq))
            .and_modify(|(sum, medians)| {
                sum.count += part.count;
                sum.first_ns = sum.first_ns.min(part.first_ns);
                sum.last_ns = sum.last_ns.max(part.last_ns);
                *medians += weighted;
            })
            .or_insert((part, weighted));
    }
    for (mut spread, medians) in whole.into_values().filter(|(spread, _)| spread.count == members) {
        spread.median_ns = u64::try_from(medians / u128::from(members.max(1))).unwrap_or(u64::MAX);
        fold(outcome, &spread, timing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::cipher::ALL;

    const TIMING: Timing = Timing { measure_from: 0, measure_to: u64::MAX, stop_sending: u64::MAX, give_up: u64::MAX };

    fn hall(online: u32, is_alone: bool) -> Hall {
        let mut hall = Hall::new(1, is_alone, Shared::default());
        hall.timing = TIMING;
        hall.set_online(0, online);
        hall
    }

    fn header(seq: u64) -> Header {
        Header { group: 0, sender: 9, recipient: ALL, seq, since_ns: 1_000_000 }
    }

    fn ms(latency: &crate::latency::Latency) -> Option<f64> {
        latency.max_ms().map(f64::round)
    }

    #[test]
    fn the_last_member_decides_and_the_sender_is_none() {
        let mut hall = hall(5, true);
        hall.add_sender(9, Alarm::default());
        for at in [2, 3, 7] {
            hall.arrived(&header(0), at * 1_000_000).expect("counted");
        }
        assert!(hall.take_complete(9).is_empty());
        assert_eq!(hall.outcome.borrow().group.messages, 0, "one is missing");
        hall.arrived(&header(0), 11_000_000).expect("counted");
        assert_eq!(hall.take_complete(9), [0]);
        let outcome = hall.outcome.take();
        assert_eq!((outcome.group.messages, outcome.delivered, outcome.measured), (1, 4, 4));
        let figures = [&outcome.group.first, &outcome.group.median, &outcome.delivered_latency].map(ms);
        assert_eq!(figures, [Some(1.0), Some(2.0), Some(10.0)]);
    }

    #[test]
    fn several_processes_make_one_message() {
        let parts = |hall: &mut Hall, moments: &[u64]| {
            for at in moments {
                hall.arrived(&header(4), at * 1_000_000).expect("counted");
            }
            hall.outcome.take()
        };
        let (mut one, mut two) = (hall(1, false), hall(3, false));
        let mut outcome = parts(&mut one, &[9]);
        outcome.merge(&parts(&mut two, &[2, 5, 6]));
        assert_eq!(outcome.group.spreads.len(), 2);
        let mut incomplete = outcome.clone();
        fold_all(&mut incomplete, 5, &TIMING);
        assert_eq!((incomplete.group.messages, incomplete.delivered_latency.count()), (0, 0), "a member is missing");
        fold_all(&mut outcome, 4, &TIMING);
        assert_eq!(outcome.group.messages, 1);
        let figures = [&outcome.group.first, &outcome.group.median, &outcome.delivered_latency].map(ms);
        // (9 + 3 * 5) / 4 = 6.
        assert_eq!(figures, [Some(1.0), Some(5.0), Some(8.0)]);
    }

    #[test]
    fn what_was_sent_before_the_measured_time_has_no_latency() {
        let mut hall = hall(1, true);
        hall.timing = Timing { measure_from: 2_000_000, ..TIMING };
        hall.arrived(&header(0), 3_000_000).expect("counted");
        let outcome = hall.outcome.take();
        assert_eq!((outcome.group.messages, outcome.measured, outcome.delivered_latency.count()), (1, 1, 0));
    }
}
