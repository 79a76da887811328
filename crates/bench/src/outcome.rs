//! What one process of a run measured, and how the measurements of several become one.

use crate::group::hall::Spread;
use crate::group::visit::Visit;
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
    /// Of what the server gathers on purpose: beyond that time.
    #[serde(default)]
    pub late_latency: Latency,
    /// Sign-ins within the measured time.
    pub connects: u64,
    pub connect_latency: Latency,
    /// The last thing that counted happened then (`clock::now_ns`).
    pub last_ns: u64,
    #[serde(default)]
    pub group: GroupOutcome,
}

/// What runs with groups measure besides. `delivered_latency` is the time to the last online member.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct GroupOutcome {
    /// That reached their last online member within the measured time.
    pub messages: u64,
    pub first: Latency,
    pub median: Latency,
    /// Not folded yet: several processes have the members.
    pub spreads: Vec<Spread>,
    /// Reconnects of devices that were away: how many, how long, and what they read.
    pub reconnects: u64,
    pub welcome: Latency,
    pub reconnect: Latency,
    pub reconnect_bytes: u64,
    pub reconnect_messages: u64,
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
        self.late_latency.merge(&other.late_latency);
        self.connects += other.connects;
        self.connect_latency.merge(&other.connect_latency);
        self.last_ns = self.last_ns.max(other.last_ns);
        self.group.merge(&other.group);
    }
}

impl GroupOutcome {
    /// A device came back and got so many messages.
    pub fn visited(&mut self, visit: &Visit, messages: u64) {
        self.reconnects += 1;
        self.welcome.record_ns(visit.welcome_ns);
        self.reconnect.record_ns(visit.drained_ns);
        self.reconnect_bytes += visit.bytes;
        self.reconnect_messages += messages;
    }

    fn merge(&mut self, other: &Self) {
        self.messages += other.messages;
        self.first.merge(&other.first);
        self.median.merge(&other.median);
        self.spreads.extend_from_slice(&other.spreads);
        self.reconnects += other.reconnects;
        self.welcome.merge(&other.welcome);
        self.reconnect.merge(&other.reconnect);
        self.reconnect_bytes += other.reconnect_bytes;
        self.reconnect_messages += other.reconnect_messages;
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
