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
/// Wall time that ran so much further than this process did: the machine slept.
const SLEPT: Duration = Duration::from_secs(10);

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
                if now.since(wall) > ran.elapsed() + SLEPT && engine.send(ToEngine::Input(Input::NetworkUp)).await.is_err() {
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
