//! A worker process: reads its `Plan` from stdin, does its share, says what it measured on stdout. It ends with its parent.

use crate::clock::sleep_until;
use crate::job;
use crate::outcome::Outcome;
use crate::plan::{Go, Plan, Say};
use anyhow::{Context, Result};
use rustix::process::{Signal, set_parent_process_death_signal};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::cell::Cell;
use std::io::Write;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};
use tokio::sync::Mutex;
use tokio::task::LocalSet;

const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// The worker's line to its parent.
#[derive(Debug)]
pub struct Parent {
    orders: Mutex<Lines<BufReader<Stdin>>>,
    progress: Cell<Option<Instant>>,
}

impl Parent {
    async fn line(&self) -> Result<String> {
        self.orders.lock().await.next_line().await?.context("the parent is gone")
    }

    /// Says `Ready` and waits for the moment to begin: the same for all workers, and the one that rates count from.
    pub async fn ready(&self, so_far: &Outcome) -> Result<Go> {
        say(&Say::Ready(Box::new(so_far.clone())))?;
        let go: Go = serde_json::from_str(&self.line().await?)?;
        sleep_until(go.start_ns).await;
        Ok(go)
    }

    /// Tells the other workers of the run something; returns what each of them told, in their order.
    pub async fn share<T: Serialize + DeserializeOwned>(&self, mine: &T) -> Result<Vec<T>> {
        say(&Say::Share(serde_json::to_value(mine)?))?;
        Ok(serde_json::from_str(&self.line().await?)?)
    }

    /// For the person; at most every two seconds.
    pub fn progress(&self, text: impl FnOnce() -> String) {
        if self.progress.get().is_none_or(|last| last.elapsed() >= PROGRESS_EVERY) {
            self.progress.set(Some(Instant::now()));
            // If the parent is gone, the next order says so.
            let _ = say(&Say::Progress(text()));
        }
    }
}

fn say(what: &Say) -> Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    out.write_all(&line)?;
    Ok(out.flush()?)
}

/// Runs the worker to its end.
pub fn run() -> Result<()> {
    // A parent that was killed outright cannot end us itself.
    set_parent_process_death_signal(Some(Signal::KILL)).context("cannot tie this process to its parent")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = LocalSet::new().block_on(&runtime, async {
        let orders = BufReader::new(tokio::io::stdin()).lines();
        let parent = Rc::new(Parent { orders: Mutex::new(orders), progress: Cell::new(None) });
        let plan: Plan = serde_json::from_str(&parent.line().await?)?;
        job::run(plan, parent).await
    });
    let last = match result {
        Ok(outcome) => Say::Done(Box::new(outcome)),
        Err(error) => Say::Failed(format!("{error:#}")),
    };
    // A parent that is gone needs no answer.
    let _ = say(&last);
    // Not through the runtime's drop: the thread that reads stdin never ends while the parent keeps it open.
    std::process::exit(0)
}
