use std::time::Instant;

/// Token bucket: `burst` at once, then `per_second`.
#[derive(Debug)]
pub(crate) struct Bucket {
    tokens: f32,
    at: Instant,
}

impl Bucket {
    pub(crate) const fn full(burst: u32, now: Instant) -> Self {
        Self { tokens: burst as f32, at: now }
    }

    /// Once per read, not per frame: the clock costs more than the frame.
    pub(crate) fn refill(&mut self, per_second: u32, burst: u32, now: Instant) {
        let earned = now.saturating_duration_since(self.at).as_secs_f32() * per_second as f32;
        self.tokens = (self.tokens + earned).min(burst as f32);
        self.at = now;
    }

    pub(crate) fn take(&mut self) -> bool {
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_burst_then_the_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::full(3, start);
        assert_eq!((0..5).filter(|_| bucket.take()).count(), 3);
        bucket.refill(10, 3, start + Duration::from_millis(100));
        assert!(bucket.take());
        assert!(!bucket.take());
        bucket.refill(10, 3, start + Duration::from_secs(60));
        assert_eq!((0..5).filter(|_| bucket.take()).count(), 3);
    }
}
