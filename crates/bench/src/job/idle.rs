//! Connections that only exist. Phases: half of them, all of them, holding them.

use super::{Quiet, members, tokens};
use crate::clock::sleep_until;
use crate::outcome::Outcome;
use crate::plan::{IdleJob, Plan};
use crate::worker::Parent;
use anyhow::Result;
use std::rc::Rc;

pub async fn run(plan: &Plan, job: &IdleJob, parent: &Rc<Parent>) -> Result<Outcome> {
    let count = plan.share_len(job.connections);
    let members = members(plan, parent, count, count).await?;
    let tokens = tokens(plan, &members).await?;
    let (first_half, second_half) = tokens.split_at(tokens.len() / 2);
    let (mut quiet, mut outcome) = (Quiet::default(), Outcome::default());
    let first = plan.first_number();
    parent.ready(&outcome).await?;
    quiet.open(plan, parent, first, first_half).await?;
    outcome.connects = first_half.len() as u64;
    hold(&mut quiet, parent.ready(&outcome)).await??;
    quiet.open(plan, parent, first + first_half.len() as u32, second_half).await?;
    outcome.connects = tokens.len() as u64;
    let go = hold(&mut quiet, parent.ready(&outcome)).await??;
    hold(&mut quiet, sleep_until(go.start_ns + job.hold_ns)).await?;
    Ok(outcome)
}

/// Waits for `what` while every connection stays.
async fn hold<T>(quiet: &mut Quiet, what: impl Future<Output = T>) -> Result<T> {
    tokio::select! {
        broken = quiet.watch() => match broken {
            Err(error) => Err(error),
            Ok(()) => anyhow::bail!("an idle connection ended"),
        },
        done = what => Ok(done),
    }
}
