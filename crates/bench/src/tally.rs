//! Counts what must never happen: a message that was accepted and is missing, one delivered twice, one out of order.
//! Always true: per sender, every number is seen once and in order, or a counter says how often not.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// All zero, or the server broke its promise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    pub missing: u64,
    pub duplicates: u64,
    pub disorder: u64,
}

impl Tally {
    pub fn is_clean(self) -> bool {
        self == Self::default()
    }

    pub fn add(&mut self, other: Self) {
        self.missing += other.missing;
        self.duplicates += other.duplicates;
        self.disorder += other.disorder;
    }
}

/// What came from one sender, whose messages are numbered from 0.
#[derive(Debug, Default)]
pub struct FromSender {
    /// Every number below was seen.
    next: u64,
    /// Seen beyond a gap.
    ahead: BTreeSet<u64>,
    last_message_id: u64,
    duplicates: u64,
    disorder: u64,
}

impl FromSender {
    /// Notes one delivery. Returns whether it is the first of this number.
    pub fn see(&mut self, seq: u64, message_id: u64) -> bool {
        if seq < self.next || self.ahead.contains(&seq) {
            self.duplicates += 1;
            return false;
        }
        // A later one of the same sender came before it, or the server numbered it before an earlier one.
        if self.ahead.last().is_some_and(|highest| seq < *highest) || message_id <= self.last_message_id {
            self.disorder += 1;
        }
        self.last_message_id = self.last_message_id.max(message_id);
        if seq == self.next {
            self.next += 1;
            while self.ahead.remove(&self.next) {
                self.next += 1;
            }
        } else {
            self.ahead.insert(seq);
        }
        true
    }

    pub fn seen(&self) -> u64 {
        self.next + self.ahead.len() as u64
    }

    /// The verdict once nothing more will come; `is_accepted` says which of the `sent` numbers the server acknowledged.
    pub fn verdict(&self, sent: u64, is_accepted: impl Fn(u64) -> bool) -> Tally {
        let missing = (self.next..sent).filter(|seq| !self.ahead.contains(seq) && is_accepted(*seq)).count() as u64;
        Tally { missing, duplicates: self.duplicates, disorder: self.disorder }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(deliveries: &[u64], sent: u64, want: [u64; 3]) {
        let mut from = FromSender::default();
        for (at, seq) in deliveries.iter().enumerate() {
            from.see(*seq, at as u64 + 1);
        }
        let [missing, duplicates, disorder] = want;
        assert_eq!(from.verdict(sent, |_| true), Tally { missing, duplicates, disorder }, "{deliveries:?} of {sent}");
    }

    #[test]
    fn duplicates_gaps_and_swaps_are_counted() {
        check(&[], 0, [0, 0, 0]);
        check(&[0, 1, 2, 3], 4, [0, 0, 0]);
        check(&[0, 1, 1, 2], 3, [0, 1, 0]);
        check(&[0, 2, 2, 1], 3, [0, 1, 1]);
        check(&[0, 2, 3], 4, [1, 0, 0]);
        check(&[0, 1], 4, [2, 0, 0]);
        check(&[], 3, [3, 0, 0]);
        check(&[0, 2, 1, 3], 4, [0, 0, 1]);
        check(&[3, 2, 1, 0], 4, [0, 0, 3]);
        check(&[1, 1, 0, 5], 6, [3, 1, 1]);
    }

    #[test]
    fn message_ids_must_rise() {
        let mut from = FromSender::default();
        assert!(from.see(0, 10));
        assert!(from.see(1, 9));
        assert!(from.see(2, 10));
        assert!(from.see(3, 11));
        assert_eq!(from.verdict(4, |_| true), Tally { missing: 0, duplicates: 0, disorder: 2 });
    }

    #[test]
    fn only_what_was_accepted_can_be_missing() {
        let mut from = FromSender::default();
        from.see(0, 1);
        assert_eq!(from.verdict(5, |seq| seq < 3).missing, 2);
        assert_eq!(from.seen(), 1);
    }
}
