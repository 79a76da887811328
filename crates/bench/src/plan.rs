//! What a parent and its worker processes say to each other: one JSON object per line. A run has phases; before each, every
//! worker says `Ready` and waits for `Go`, so that the parent can measure the server at the boundary.

use crate::accounts::Registration;
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

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Job {
    Direct(DirectJob),
    Idle(IdleJob),
    Offline(OfflineJob),
    SignIn(SignInJob),
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
    Failed(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_cover_everything_once() {
        for (total, workers) in [(10, 3), (2, 4), (0, 1), (7, 7), (100, 1)] {
            let mut all: Vec<u32> = Vec::new();
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
                all.extend(share);
            }
            all.sort_unstable();
            assert_eq!(all, (0..total).collect::<Vec<_>>(), "{total} {workers}");
        }
    }
}
