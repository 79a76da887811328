//! What one process of a run measured, and how the measurements of several become one.

use crate::latency::Latency;
use crate::tally::Tally;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Outcome {
    pub tally: Tally,
    /// Sent, but the server never said whether it took them.
    pub unanswered: u64,
    /// Delivered (or, without deliveries, accepted) within the measured time.
    pub measured: u64,
    /// All that were sent, accepted, and delivered for the first time.
    pub sent: u64,
    pub accepted: u64,
    pub delivered: u64,
    /// Of those sent within the measured time. From the scheduled moment if there is a schedule.
    pub delivered_latency: Latency,
    pub accepted_latency: Latency,
    /// Sign-ins within the measured time.
    pub connects: u64,
    pub connect_latency: Latency,
    /// The last thing that counted happened then (`clock::now_ns`).
    pub last_ns: u64,
}

impl Outcome {
    pub fn merge(&mut self, other: &Self) {
        self.tally.add(other.tally);
        self.unanswered += other.unanswered;
        self.measured += other.measured;
        self.sent += other.sent;
        self.accepted += other.accepted;
        self.delivered += other.delivered;
        self.delivered_latency.merge(&other.delivered_latency);
        self.accepted_latency.merge(&other.accepted_latency);
        self.connects += other.connects;
        self.connect_latency.merge(&other.connect_latency);
        self.last_ns = self.last_ns.max(other.last_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_keeps_every_count() {
        let mut one = Outcome { sent: 3, delivered: 2, last_ns: 9, ..Default::default() };
        one.tally.missing = 1;
        one.delivered_latency.record_ns(5_000_000);
        let json = serde_json::to_string(&one).expect("serializes");
        let mut merged = Outcome { last_ns: 4, ..Default::default() };
        merged.merge(&serde_json::from_str(&json).expect("its own JSON"));
        merged.merge(&one);
        assert_eq!((merged.sent, merged.delivered, merged.tally.missing, merged.last_ns), (6, 4, 2, 9));
        assert_eq!(merged.delivered_latency.count(), 2);
    }
}
