//! The rules that every store shares, so that they exist once: how ids are assigned, how receipts merge and marks move.
//! Elsewhere: where ids and receipts are kept is each adapter's business.

use crate::{GroupMark, Step, StoredReceipt, WatermarkKind};
use sotto_types::{AccountId, Conversation, GroupId, MessageId, Timestamp, limits};

/// Beyond this a clock is broken (year 2248), and an id would overflow its 64 bits.
const LATEST_MS: u64 = (1 << 43) - 1;

/// Assigns ids: always above the last one, never behind the highest clock seen, and above `seen` as far as that is at most
/// 60 s ahead of the clock. A store keeps it, persists it with what it numbered, and hands every number out under one lock
/// or on one thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IdClock {
    pub last: MessageId,
    /// The highest wall clock seen: time on answers never falls, even if the machine's clock does.
    pub clock: Timestamp,
}

impl IdClock {
    /// The next id, and the server time to answer with.
    pub fn next(&mut self, now: Timestamp, seen: MessageId) -> (MessageId, Timestamp) {
        self.clock = self.clock.max(Timestamp::from_ms(now.as_ms().min(LATEST_MS)));
        let ceiling = MessageId::at(self.clock.plus(limits::SEEN_AHEAD).as_ms());
        let floor = self.last.max(seen.min(ceiling)).get().saturating_add(1);
        self.last = MessageId::new(floor).max(MessageId::at(self.clock.as_ms()));
        (self.last, self.clock)
    }
}

impl StoredReceipt {
    pub fn new(conversation: Conversation, member: AccountId) -> Self {
        Self { conversation, member, delivered: Vec::new(), read: Vec::new() }
    }

    /// Adds a step, keeping steps ascending and only the newest 16 of its kind. Of two for one message the first stays.
    pub fn add(&mut self, kind: WatermarkKind, step: Step) {
        let steps = match kind {
            WatermarkKind::Delivered => &mut self.delivered,
            WatermarkKind::Read => &mut self.read,
        };
        let place = steps.partition_point(|earlier| earlier.up_to < step.up_to);
        if steps.get(place).is_some_and(|there| there.up_to == step.up_to) {
            return;
        }
        steps.insert(place, step);
        if steps.len() > limits::RECEIPT_STEPS {
            steps.drain(..steps.len() - limits::RECEIPT_STEPS);
        }
    }
}

impl GroupMark {
    pub fn new(member: AccountId) -> Self {
        Self { member, delivered: None, read: None }
    }

    /// Whether it moved: it only rises.
    pub fn advance(&mut self, kind: WatermarkKind, step: Step) -> bool {
        let mark = match kind {
            WatermarkKind::Delivered => &mut self.delivered,
            WatermarkKind::Read => &mut self.read,
        };
        let moves = mark.unwrap_or_default().up_to < step.up_to;
        if moves {
            *mark = Some(step);
        }
        moves
    }

    /// Adds to what one settle moved: each group and each member of it once, as it is in the end.
    pub fn note(moved: &mut Vec<(GroupId, Vec<Self>)>, group: GroupId, mark: Self) {
        let Some((_, marks)) = moved.iter_mut().find(|(noted, _)| *noted == group) else {
            moved.push((group, vec![mark]));
            return;
        };
        match marks.iter_mut().find(|noted| noted.member == mark.member) {
            Some(noted) => *noted = mark,
            None => marks.push(mark),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_whatever_the_clock_does() {
        let mut ids = IdClock::default();
        let (first, at) = ids.next(Timestamp::from_ms(1000), MessageId::ZERO);
        assert_eq!((first, at), (MessageId::at(1000), Timestamp::from_ms(1000)));
        let (second, at) = ids.next(Timestamp::from_ms(10), MessageId::ZERO);
        assert_eq!((second, at), (MessageId::new(first.get() + 1), Timestamp::from_ms(1000)));
    }

    #[test]
    fn seen_counts_up_to_a_minute_ahead() {
        for (seen, want) in [
            (MessageId::at(31_000), MessageId::new(MessageId::at(31_000).get() + 1)),
            (MessageId::at(500_000), MessageId::new(MessageId::at(61_000).get() + 1)),
            (MessageId::MAX, MessageId::new(MessageId::at(61_000).get() + 1)),
            (MessageId::at(3), MessageId::at(1000)),
        ] {
            assert_eq!(IdClock::default().next(Timestamp::from_ms(1000), seen).0, want, "{seen}");
        }
    }

    #[test]
    fn a_broken_clock_does_not_overflow() {
        let mut ids = IdClock::default();
        let (first, _) = ids.next(Timestamp::from_ms(u64::MAX), MessageId::MAX);
        let (second, _) = ids.next(Timestamp::from_ms(0), MessageId::ZERO);
        assert!(second > first);
    }
}
