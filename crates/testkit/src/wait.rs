//! Waiting with a deadline. Tests wait for what they need and fail with a name; they never sleep for a time.

use std::fmt::Display;
use std::future::Future;
use std::time::{Duration, Instant};

/// What a wait gets unless the test says otherwise: generous, because two cores may be shared with a build.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// How often a condition that announces nothing (a metric, a file, a process) is looked at again.
const POLL: Duration = Duration::from_millis(20);

/// The value of `future`, or a panic that says what was waited for.
pub async fn within<T>(deadline: Duration, what: impl Display, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(deadline, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {deadline:?} in vain for {what}"),
    }
}

/// Looks until `look` finds something. For conditions without an event; everything else has a channel to wait on.
pub async fn eventually<T, F>(deadline: Duration, what: impl Display, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let end = Instant::now() + deadline;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "waited {deadline:?} in vain for {what}");
        tokio::time::sleep(POLL).await;
    }
}
