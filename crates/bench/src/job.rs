//! The shares of a run that a worker does: one module per subcommand.

mod direct;
mod fanout;
mod group;
mod idle;
mod offline;
mod presence;
mod reconnect;
mod sign_in;

pub use reconnect::GROUPS_PER_OWNER;

use crate::accounts::{Member, register_all, sign_in_all};
use crate::link::Link;
use crate::outcome::Outcome;
use crate::plan::{Job, Plan};
use crate::target::allow_open_files;
use crate::worker::Parent;
use anyhow::{Context, Result};
use std::rc::Rc;
use std::time::Duration;
use tokio::task::JoinSet;

pub async fn run(plan: Plan, parent: Rc<Parent>) -> Result<Outcome> {
    match plan.job.clone() {
        Job::Direct(job) => direct::run(&plan, &job, &parent).await,
        Job::Idle(job) => idle::run(&plan, &job, &parent).await,
        Job::Offline(job) => offline::run(&plan, &job, &parent).await,
        Job::SignIn(job) => sign_in::run(&plan, &job, &parent).await,
        Job::Group(job) => group::run(&plan, &job, &parent).await,
        Job::Reconnect(job) => reconnect::run(&plan, &job, &parent).await,
        Job::Presence(job) => presence::run(&plan, &job, &parent).await,
        Job::Fanout(job) => fanout::run(&plan, &job, &parent).await,
    }
}

/// Registers this worker's accounts, `connected` of which will be connected at once.
async fn members(plan: &Plan, parent: &Rc<Parent>, count: u32, connected: u32) -> Result<Vec<Rc<Member>>> {
    allow_open_files(u64::from(connected))?;
    let parent = Rc::clone(parent);
    let made = register_all(&plan.target, &plan.registration, plan.first_number(), count, move |done| {
        parent.progress(|| format!("registered {done} of {count} accounts"));
    });
    Ok(made.await?.into_iter().map(Rc::new).collect())
}

async fn tokens(plan: &Plan, members: &[Rc<Member>]) -> Result<Vec<String>> {
    sign_in_all(&plan.target, plan.first_number(), members).await
}

/// Connections that only exist, each kept by its own task; an error of any of them comes out of `watch`.
#[derive(Debug, Default)]
struct Quiet {
    tasks: JoinSet<Result<()>>,
}

/// Connections opened at once.
const OPENING: usize = 32;

impl Quiet {
    /// Opens one connection per token, numbered from `first` for their source addresses.
    async fn open(&mut self, plan: &Plan, parent: &Rc<Parent>, first: u32, tokens: &[String]) -> Result<()> {
        for (chunk_at, chunk) in tokens.chunks(OPENING).enumerate() {
            let mut opening = JoinSet::new();
            for (at, token) in chunk.iter().enumerate() {
                let (target, token) = (plan.target.clone(), token.clone());
                let number = first + (chunk_at * OPENING + at) as u32;
                opening.spawn_local(async move {
                    anyhow::Ok((number, Link::open(&target, number, token, |_| Ok(())).await?))
                });
            }
            while let Some(opened) = opening.join_next().await {
                let (number, mut link) = opened.context("a connection ended abnormally")??;
                // Heartbeats spread over their interval, as those of people are.
                let first_heartbeat = Duration::from_millis(5_000 + u64::from(number % 20_000));
                self.tasks.spawn_local(async move { link.idle(first_heartbeat).await });
            }
            parent.progress(|| format!("opened {} of {} connections", self.tasks.len(), tokens.len()));
        }
        Ok(())
    }

    /// Ends with the first connection that broke; never without.
    async fn watch(&mut self) -> Result<()> {
        match self.tasks.join_next().await {
            Some(ended) => ended.context("a connection ended abnormally")?.context("an idle connection ended"),
            None => std::future::pending().await,
        }
    }
}
