//! Whether the clock may be believed when it says that something is over.
//! Why: expiry, suspension and forgetting go by the clock and cannot be undone. One round under a clock that is a month ahead (a
//! resumed machine, a mistyped date, a dead battery at boot) would fail every waiting message and suspend every device.
//! Always true: after a start and after every jump the clock counts as sound only once it ran evenly for an hour.

use sotto_types::Timestamp;
use std::time::Duration;

/// More difference than this between the clock and the time that passed is a jump; leap seconds and slewing are less.
const JUMP: Duration = Duration::from_secs(600);
/// Time servers set a wrong clock within minutes of a start.
const PROBATION: Duration = Duration::from_secs(3600);

#[derive(Debug, Default)]
pub struct ClockWatch {
    /// Clock and monotonic time when it was last looked at.
    last: Option<(Timestamp, Duration)>,
    /// Monotonic time of the start or the last jump.
    even_since: Duration,
}

impl ClockWatch {
    /// `passed` is monotonic, from any beginning, and counts the time that the machine slept.
    pub fn is_sound(&mut self, now: Timestamp, passed: Duration) -> bool {
        let jumped = self.last.replace((now, passed)).is_some_and(|(then, at)| {
            let expected = then.plus(passed.saturating_sub(at));
            now.since(expected).max(expected.since(now)) > JUMP
        });
        if jumped {
            self.even_since = passed;
            tracing::error!(
                clock_ms = now.as_ms(),
                "the clock jumped: nothing expires and no device is suspended until it ran evenly for an hour"
            );
        }
        passed.saturating_sub(self.even_since) >= PROBATION
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn only_a_clock_that_ran_evenly_for_an_hour_is_sound() {
        let mut watch = ClockWatch::default();
        let start = Timestamp::from_ms(1_700_000_000_000);
        let mut ahead = Duration::ZERO;
        let mut sound = Vec::new();
        for minute in 1..=400 {
            match minute {
                // A month ahead, back after a minute.
                100 => ahead = DAY * 31,
                101 => ahead = Duration::ZERO,
                // Back by an hour, for good.
                250 => ahead = MINUTE * 60,
                // Set by a few seconds: no jump.
                340 => ahead += Duration::from_secs(5),
                _ => {}
            }
            let back = if minute >= 250 { MINUTE * 120 } else { Duration::ZERO };
            if watch.is_sound(start.plus(MINUTE * minute).plus(ahead).minus(back), MINUTE * minute) {
                sound.push(minute);
            }
        }
        let expected: Vec<_> = (60..100).chain(161..250).chain(310..=400).collect();
        assert_eq!(sound, expected);
    }
}
