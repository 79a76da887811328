//! Time for measuring: nanoseconds of the machine's monotonic clock, the same in every process of a run, so that a parent
//! can name one moment to all its children; and a timer finer than tokio's millisecond, for open-loop schedules.

use rustix::event::Timespec;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, clock_gettime, timerfd_create,
    timerfd_settime,
};
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

pub const NS_PER_S: u64 = 1_000_000_000;

/// Nanoseconds since boot.
pub fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let (seconds, ns) = (u64::try_from(now.tv_sec).unwrap_or(0), u64::try_from(now.tv_nsec).unwrap_or(0));
    seconds.saturating_mul(NS_PER_S).saturating_add(ns)
}

/// Until a moment of `now_ns`; zero if it is past.
pub fn until(at_ns: u64) -> Duration {
    Duration::from_nanos(at_ns.saturating_sub(now_ns()))
}

/// Sleeps until a moment of `now_ns`, to tokio's millisecond.
pub async fn sleep_until(at_ns: u64) {
    tokio::time::sleep(until(at_ns)).await;
}

/// Milliseconds since the Unix epoch, for the clock part of a UUIDv7.
pub fn unix_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A kernel timer that wakes within some ten microseconds, where tokio's wheel rounds up to the next millisecond: that
/// millisecond would be most of the latency that is measured.
#[derive(Debug)]
pub struct FineTimer(AsyncFd<OwnedFd>);

impl FineTimer {
    pub fn new() -> io::Result<Self> {
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        // Deprecated for types whose descriptor may change or close early; an `OwnedFd` does neither, and the replacement
        // is an unsafe function.
        #[allow(deprecated)]
        Ok(Self(AsyncFd::with_interest(fd, Interest::READABLE)?))
    }

    pub async fn sleep_until(&self, at_ns: u64) -> io::Result<()> {
        if at_ns <= now_ns() {
            tokio::task::yield_now().await;
            return Ok(());
        }
        let at = Timespec {
            tv_sec: i64::try_from(at_ns / NS_PER_S).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(at_ns % NS_PER_S).unwrap_or(0),
        };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: at };
        timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::ABSTIME, &once)?;
        loop {
            let mut ready = self.0.readable().await?;
            let mut expirations = [0; 8];
            match ready.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), &mut expirations)?)) {
                Ok(read) => return read.map(|_| ()),
                Err(_would_block) => continue,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_fine_timer_never_wakes_early_and_can_be_used_again() {
        let timer = FineTimer::new().expect("a timer");
        for wait in [0, 50_000, 300_000] {
            let at = now_ns() + wait;
            timer.sleep_until(at).await.expect("sleeps");
            assert!(now_ns() >= at);
        }
    }
}
