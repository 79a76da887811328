//! The engine's one timer. Wall time, because that is the engine's clock: a laptop that slept must wake late timers at
//! once, so the wait is cut into pieces and the clock is read again after each.

use crate::host::ToEngine;
use sotto_engine::api::Input;
use sotto_types::{Clock, Timestamp};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// Wall time that ran so much further than this process did: the machine slept. So much less far: its clock was set back, and
/// what the engine waits for must be reckoned anew.
const JUMP: Duration = Duration::from_secs(10);

pub async fn run(
    mut wish: watch::Receiver<Option<Timestamp>>,
    clock: Arc<dyn Clock>,
    engine: mpsc::Sender<ToEngine>,
    stop: CancellationToken,
) {
    let mut due = *wish.borrow_and_update();
    loop {
        let (wall, ran) = (clock.now(), Instant::now());
        let wait = due.map_or(LONGEST_WAIT, |at| at.since(wall).min(LONGEST_WAIT));
        tokio::select! {
            () = stop.cancelled() => return,
            changed = wish.changed() => {
                if changed.is_err() {
                    return;
                }
                due = *wish.borrow_and_update();
            }
            () = tokio::time::sleep(wait) => {
                let now = clock.now();
                if jumped(wall, now, ran.elapsed()) && engine.send(ToEngine::Input(Input::NetworkUp)).await.is_err() {
                    return;
                }
                if due.is_some_and(|at| at <= now) {
                    due = None;
                    if engine.send(ToEngine::Input(Input::Wake)).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

/// Whether wall time went another way between two looks than this process, which ran for `ran`.
fn jumped(before: Timestamp, now: Timestamp, ran: Duration) -> bool {
    now.since(before) > ran + JUMP || before.since(now) > JUMP
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleep_and_a_clock_set_back_are_jumps() {
        let at = |seconds: u64| Timestamp::from_ms(1_000_000 + seconds * 1000);
        for (before, now, ran, want) in [
            (100, 120, 20, false),
            (100, 125, 20, false),
            (100, 99, 20, false),
            (100, 3700, 20, true),
            (100, 80, 20, true),
            (100, 0, 0, true),
        ] {
            assert_eq!(jumped(at(before), at(now), Duration::from_secs(ran)), want, "{before} to {now} in {ran}");
        }
    }
}
