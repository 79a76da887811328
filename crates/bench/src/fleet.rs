//! The worker processes of a run, as their parent sees them. Dropped, they are killed.

use crate::outcome::Outcome;
use crate::plan::{Go, Plan, Say};
use crate::server::Probe;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;

#[derive(Debug)]
pub struct Fleet {
    children: Vec<Child>,
    orders: Vec<ChildStdin>,
    said: mpsc::Receiver<(usize, Option<Say>)>,
    /// Those whose last word was said: their end is no fault.
    done: HashSet<usize>,
    /// What workers said for all, until the last of them has.
    shared: BTreeMap<usize, Value>,
}

impl Fleet {
    pub async fn start(plans: &[Plan]) -> Result<Self> {
        // Full: the workers' pipes fill and they wait, which only a flood of progress could cause.
        let (tell, said) = mpsc::channel(64);
        let mut fleet =
            Self { children: Vec::new(), orders: Vec::new(), said, done: HashSet::new(), shared: BTreeMap::new() };
        for (number, plan) in plans.iter().enumerate() {
            let mut command = Command::new(std::env::current_exe().context("this executable has no path")?);
            command.arg("worker").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
            let mut child = command.spawn().context("cannot start a worker process")?;
            let stdout = child.stdout.take().context("the worker's output was asked for")?;
            fleet.orders.push(child.stdin.take().context("the worker's input was asked for")?);
            fleet.children.push(child);
            let tell = tell.clone();
            tokio::spawn(async move {
                let mut lines = BufReader::new(stdout).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    let say = serde_json::from_str(&line).unwrap_or(Say::Failed(line));
                    if tell.send((number, Some(say))).await.is_err() {
                        return;
                    }
                }
                let _ = tell.send((number, None)).await;
            });
            fleet.order(number, plan).await?;
        }
        Ok(fleet)
    }

    async fn order(&mut self, number: usize, order: &impl serde::Serialize) -> Result<()> {
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        let pipe = self.orders.get_mut(number).context("no such worker")?;
        pipe.write_all(&line).await.context("a worker process is gone")
    }

    /// For the client's own share of the machine.
    pub fn probes(&self) -> Vec<Probe> {
        self.children.iter().filter_map(|child| Probe::of(child.id()?).ok()).collect()
    }

    /// Begins the next phase everywhere.
    pub async fn go(&mut self, go: Go) -> Result<()> {
        for number in 0..self.orders.len() {
            self.order(number, &go).await?;
        }
        Ok(())
    }

    /// Once all have said it, each gets what all said.
    async fn share(&mut self, number: usize, value: Value) -> Result<()> {
        self.shared.insert(number, value);
        if self.shared.len() < self.orders.len() {
            return Ok(());
        }
        let all = Value::from_iter(std::mem::take(&mut self.shared).into_values());
        for number in 0..self.orders.len() {
            self.order(number, &all).await?;
        }
        Ok(())
    }

    /// Waits until every worker is at the next boundary (or done); their measurements so far, as one.
    pub async fn boundary(&mut self, patience: Duration) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        let mut waiting = self.orders.len();
        let deadline = tokio::time::Instant::now() + patience;
        while waiting > 0 {
            let Ok(said) = tokio::time::timeout_at(deadline, self.said.recv()).await else {
                bail!("the workers are not done within {} s", patience.as_secs());
            };
            match said.context("the workers are gone")? {
                (number, Some(Say::Progress(text))) => eprintln!("worker {}: {text}", number + 1),
                (_, Some(Say::Ready(part))) => {
                    outcome.merge(&part);
                    waiting -= 1;
                }
                (number, Some(Say::Done(part))) => {
                    self.done.insert(number);
                    outcome.merge(&part);
                    waiting -= 1;
                }
                (number, Some(Say::Share(value))) => self.share(number, value).await?,
                (number, Some(Say::Failed(error))) => bail!("worker {}: {error}", number + 1),
                (number, None) if self.done.contains(&number) => {}
                (number, None) => bail!("worker {} ended without a result", number + 1),
            }
        }
        Ok(outcome)
    }
}
