//! What a parent and its worker processes say to each other: one JSON object per line. A run has phases; before each, every
//! worker says `Ready` and waits for `Go`, so that the parent can measure the server at the boundary.

use crate::accounts::Registration;
use crate::group::Strategy;
use crate::outcome::Outcome;
use crate::target::Target;
use serde::{Deserialize, Serialize};

/// A worker's share of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    pub target: Target,
    pub registration: Registration,
    /// Which worker of how many.
    pub worker: u32,
    pub workers: u32,
    pub job: Job,
}

impl Plan {
    /// This worker's share of `total`, as numbers `worker`, `worker + workers`, …
    pub fn share(&self, total: u32) -> impl Iterator<Item = u32> + use<> {
        (self.worker..total).step_by(self.workers as usize)
    }

    pub fn share_len(&self, total: u32) -> u32 {
        (total + self.workers - 1 - self.worker) / self.workers
    }

    /// Where this worker's account numbers begin; no two workers' ranges meet.
    pub fn first_number(&self) -> u32 {
        self.worker * 1_000_000
    }
}

/// What workers have by their shares, in the order of the numbers.
pub fn unshare<T>(shares: Vec<Vec<T>>) -> Vec<T> {
    let mut shares: Vec<_> = shares.into_iter().map(Vec::into_iter).collect();
    let mut all = Vec::new();
    loop {
        let before = all.len();
        all.extend(shares.iter_mut().filter_map(Iterator::next));
        if all.len() == before {
            return all;
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Job {
    Direct(DirectJob),
    Idle(IdleJob),
    Offline(OfflineJob),
    SignIn(SignInJob),
    Group(GroupJob),
    Reconnect(ReconnectJob),
    Presence(PresenceJob),
    Fanout(FanoutJob),
}

/// Sizes are bytes of text, counts are of the whole run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DirectJob {
    pub pairs: u32,
    pub window: usize,
    pub size: usize,
    pub real_crypto: bool,
    /// Messages per second on a schedule; none: a closed loop.
    pub rate: Option<f64>,
    /// Ends the run; none: time does.
    pub messages: Option<u64>,
    pub warm_up_ns: u64,
    pub measure_ns: u64,
    /// Quiet connections besides.
    pub idle: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct IdleJob {
    pub connections: u32,
    pub hold_ns: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OfflineJob {
    pub pairs: u32,
    pub window: usize,
    pub size: usize,
    pub messages: u64,
    /// For each of the two phases.
    pub patience_ns: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SignInJob {
    pub accounts: u32,
    pub concurrency: u32,
    pub warm_up_ns: u64,
    pub measure_ns: u64,
}

/// One group. Its first `senders` members send, its first `online` are connected.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GroupJob {
    pub strategy: Strategy,
    pub members: u32,
    pub online: u32,
    pub senders: u32,
    pub window: usize,
    pub size: usize,
    pub rate: Option<f64>,
    pub warm_up_ns: u64,
    pub measure_ns: u64,
}

/// A device in many groups that comes back again and again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReconnectJob {
    pub strategy: Strategy,
    pub groups: u32,
    pub members: u32,
    /// Missed each time, in all groups together.
    pub messages: u64,
    pub repeats: u32,
    pub size: usize,
    /// For each phase.
    pub patience_ns: u64,
}

/// Connections that send heartbeats, and others that watch one person.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PresenceJob {
    pub connections: u32,
    /// Between the heartbeats of a connection; zero: a closed loop.
    pub interval_ns: u64,
    pub window: usize,
    /// Of each connection, to others.
    pub subscriptions: u32,
    /// Part of the heartbeats that change foreground and background.
    pub churn: f64,
    pub watchers: u32,
    pub flips: u32,
    pub warm_up_ns: u64,
    pub measure_ns: u64,
}

/// One row of the comparison: groups of one size, with one fan-out. Only the first has members online.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FanoutJob {
    pub strategy: Strategy,
    pub members: u32,
    pub groups: u32,
    /// Who comes back to `missed` messages, in all groups together.
    pub readers: u32,
    pub missed: u64,
    /// Of those, in the first group: sent one after another while nothing else happens.
    pub single: u64,
    pub size: usize,
    pub rate: f64,
    pub paced_ns: u64,
    pub window: usize,
    pub warm_up_ns: u64,
    pub closed_ns: u64,
    pub patience_ns: u64,
}

impl FanoutJob {
    /// The readers of a group: its last members.
    pub fn readers_of(&self, group: u32) -> std::ops::Range<u32> {
        let share = self.readers / self.groups.max(1) + u32::from(group < self.readers % self.groups.max(1));
        self.members - share.min(self.members.saturating_sub(1))..self.members
    }
}

/// From the parent: begin the phase at this moment (`clock::now_ns`).
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Go {
    pub start_ns: u64,
}

/// From a worker.
#[derive(Debug, Serialize, Deserialize)]
pub enum Say {
    Progress(String),
    /// Before a phase, with what the phases so far measured.
    Ready(Box<Outcome>),
    Done(Box<Outcome>),
    /// For the other workers: the answer is a list of what all of them said, in their order.
    Share(serde_json::Value),
    Failed(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_cover_everything_once() {
        for (total, workers) in [(10, 3), (2, 4), (0, 1), (7, 7), (100, 1)] {
            let (mut all, mut shares) = (Vec::<u32>::new(), Vec::new());
            for worker in 0..workers {
                let plan = Plan {
                    target: Target::local(([127, 0, 0, 1], 1).into()),
                    registration: Registration { run: String::new(), invite: None },
                    worker,
                    workers,
                    job: Job::Idle(IdleJob { connections: 0, hold_ns: 0 }),
                };
                let share: Vec<u32> = plan.share(total).collect();
                assert_eq!(share.len() as u32, plan.share_len(total), "{total} {workers} {worker}");
                all.extend(&share);
                shares.push(share);
            }
            assert_eq!(unshare(shares), (0..total).collect::<Vec<_>>(), "{total} {workers}");
            all.sort_unstable();
            assert_eq!(all, (0..total).collect::<Vec<_>>(), "{total} {workers}");
        }
    }

    #[test]
    fn readers_are_members_and_as_many_as_wanted() {
        for (members, groups, readers) in [(2, 128, 128), (8, 19, 128), (1024, 1, 128), (4, 3, 100), (3, 5, 7)] {
            let job = FanoutJob {
                strategy: Strategy::Log,
                members,
                groups,
                readers,
                missed: 1,
                single: 1,
                size: 1,
                rate: 1.0,
                paced_ns: 0,
                window: 1,
                warm_up_ns: 0,
                closed_ns: 0,
                patience_ns: 0,
            };
            let ranges: Vec<_> = (0..groups).map(|group| job.readers_of(group)).collect();
            assert!(ranges.iter().all(|range| range.start >= 1 && range.end == members), "nobody reads what it sent");
            let most = groups * (members - 1);
            assert_eq!(ranges.iter().map(|range| range.len() as u32).sum::<u32>(), readers.min(most));
        }
    }
}
