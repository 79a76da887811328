//! Waiting times: exponential with full jitter, so that many clients of one server do not return in step.

use rand::Rng;
use std::time::Duration;

pub(crate) const RECONNECT_MAX: Duration = Duration::from_secs(60);
const FIRST: Duration = Duration::from_secs(1);
/// Never at once: a server that refuses everything must not be hammered.
const LEAST_MS: u64 = 50;

/// The wait before try number `attempt` (from 0), between nearly nothing and `FIRST * 2^attempt`, at most a minute.
pub(crate) fn delay(attempt: u32, rng: &mut impl Rng) -> Duration {
    let most = FIRST.saturating_mul(1_u32 << attempt.min(6)).min(RECONNECT_MAX);
    let most_ms = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(rng.random_range(LEAST_MS..=most_ms))
}

/// What the server asked for, else the usual wait.
pub(crate) fn delay_or(retry_after: Option<Duration>, attempt: u32, rng: &mut impl Rng) -> Duration {
    match retry_after {
        // A little on top: all who were told the same should not come in the same millisecond.
        Some(wait) => wait.min(Duration::from_secs(3600)) + Duration::from_millis(rng.random_range(0..=250)),
        None => delay(attempt, rng),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn waits_grow_to_a_minute_and_spread() {
        let mut rng = rand::rngs::StdRng::seed_from_u64(1);
        for (attempt, most) in [(0, 1), (1, 2), (3, 8), (6, 60), (1000, 60)] {
            let waits: Vec<Duration> = (0..200).map(|_| delay(attempt, &mut rng)).collect();
            assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(most)), "{attempt}");
            assert!(waits.iter().any(|wait| *wait > Duration::from_secs(most) / 2), "{attempt}");
        }
    }
}
