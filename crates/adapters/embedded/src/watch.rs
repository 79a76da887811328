//! What ends the process when the store cannot go on, and the thread that looks after commits and free space.
//! Why end it: after a failed or hanging write nobody can say what a restart would find, and an acknowledgement given now
//! could be a lie. A restart replays the journal, and clients send again what was not acknowledged.

use crate::committer::Queue;
use crate::metrics::Metrics;
use parking_lot::{Condvar, Mutex};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Called with the reason just before the process ends, to flush logs.
pub type OnFatal = Arc<dyn Fn(&str) + Send + Sync>;

pub struct Fatal {
    pub on_fatal: Option<OnFatal>,
}

impl Fatal {
    pub fn unless_ok(&self, result: Result<(), fjall::Error>) {
        if let Err(error) = result {
            self.end(&format!("a write failed: {error:?}"));
        }
    }

    pub fn end(&self, reason: &str) -> ! {
        tracing::error!(
            reason,
            "the store cannot go on; ending the process so that nothing is acknowledged that is not stored. \
             Check the disk (dmesg, smartctl, df), then start again"
        );
        if let Some(on_fatal) = &self.on_fatal {
            on_fatal(reason);
        }
        std::process::abort()
    }
}

/// Since when the committer is busy with one batch.
pub struct Progress {
    origin: Instant,
    /// Milliseconds since `origin`, plus one; 0 when idle.
    busy_since: AtomicU64,
}

impl Progress {
    pub fn new() -> Self {
        Self { origin: Instant::now(), busy_since: AtomicU64::new(0) }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    pub fn begin(&self) {
        self.busy_since.store(self.now(), Ordering::Relaxed);
    }

    pub fn end(&self) {
        self.busy_since.store(0, Ordering::Relaxed);
    }

    fn busy_for(&self) -> Duration {
        match self.busy_since.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => Duration::from_millis(self.now().saturating_sub(since)),
        }
    }
}

pub struct Watch {
    pub dir: PathBuf,
    pub free_space_floor: u64,
    pub hang_limit: Duration,
    pub progress: Arc<Progress>,
    pub fatal: Arc<Fatal>,
    pub metrics: Arc<Metrics>,
    pub queue: Arc<Queue>,
    pub full: AtomicBool,
    pub stopped: Mutex<bool>,
    pub stop: Condvar,
}

impl Watch {
    /// Looks at free space; called once at opening and then every round.
    pub fn look_at_space(&self) {
        match rustix::fs::statvfs(&self.dir) {
            Ok(at) => {
                let free = at.f_bavail.saturating_mul(at.f_frsize);
                let full = free < self.free_space_floor;
                if self.full.swap(full, Ordering::Relaxed) != full {
                    if full {
                        tracing::error!(
                            free,
                            floor = self.free_space_floor,
                            "the disk is nearly full: writes are refused"
                        );
                    } else {
                        tracing::info!(free, "the disk has room again: writes are accepted");
                    }
                }
                self.metrics.free_bytes.set(free as f64);
            }
            Err(error) => tracing::warn!(%error, "cannot tell how much disk space is free"),
        }
    }

    pub fn run(&self) {
        let round = (self.hang_limit / 4).clamp(Duration::from_millis(20), Duration::from_secs(1));
        let mut stopped = self.stopped.lock();
        while !*stopped {
            self.stop.wait_for(&mut stopped, round);
            let busy = self.progress.busy_for();
            if busy > self.hang_limit {
                self.fatal.end(&format!("a commit hangs for {} s", busy.as_secs()));
            }
            self.metrics.queue_depth.set(self.queue.depth() as f64);
            self.look_at_space();
        }
    }

    pub fn stop(&self) {
        *self.stopped.lock() = true;
        self.stop.notify_all();
    }
}
