//! Signing in as fast as the server lets: challenge, signature, token, WebSocket, Hello, Welcome, and goodbye. Every round is
//! two new TCP connections (HTTP, then the WebSocket), as a client that starts has them.

use super::members;
use crate::accounts::Member;
use crate::clock::{NS_PER_S, now_ns};
use crate::link::Link;
use crate::outcome::Outcome;
use crate::pair::Shared;
use crate::plan::{Plan, SignInJob};
use crate::target::Target;
use crate::worker::Parent;
use anyhow::{Context, Result};
use std::cell::Cell;
use std::rc::Rc;
use tokio::task::JoinSet;

pub async fn run(plan: &Plan, job: &SignInJob, parent: &Rc<Parent>) -> Result<Outcome> {
    let lanes = plan.share_len(job.concurrency).max(1);
    let count = plan.share_len(job.accounts).max(lanes);
    let members = members(plan, parent, count, 2 * lanes).await?;
    let go = parent.ready(&Outcome::default()).await?;
    let from = go.start_ns + job.warm_up_ns;
    let to = from + job.measure_ns;
    let (shared, source) = (Shared::default(), Rc::new(Cell::new(plan.first_number())));
    let mut running = JoinSet::new();
    for lane in 0..lanes as usize {
        // No account in two lanes: a second connection of a device would replace the first.
        let mine: Vec<_> = members.iter().skip(lane).step_by(lanes as usize).map(Rc::clone).collect();
        let (target, shared, source) = (plan.target.clone(), Rc::clone(&shared), Rc::clone(&source));
        running.spawn_local(async move {
            for member in mine.iter().cycle() {
                let begun = now_ns();
                if begun >= to {
                    break;
                }
                let number = source.replace(source.get() + 2);
                let link = sign_in(&target, number, member).await?;
                let now = now_ns();
                if (from..to).contains(&now) {
                    let mut outcome = shared.borrow_mut();
                    outcome.connects += 1;
                    outcome.connect_latency.record_ns(now - begun);
                    outcome.last_ns = now;
                }
                link.close().await.context("closing failed")?;
            }
            anyhow::Ok(())
        });
    }
    let all = async {
        while let Some(done) = running.join_next().await {
            done.context("a sign-in ended abnormally")??;
        }
        anyhow::Ok(())
    };
    let patience = crate::clock::until(to + 30 * NS_PER_S);
    tokio::time::timeout(patience, all).await.context("sign-ins hang")??;
    Ok(shared.take())
}

async fn sign_in(target: &Target, source: u32, member: &Member) -> Result<Link> {
    let mut http = target.http(source).await?;
    let token = member.sign_in(&mut http).await.context("sign-in failed")?;
    drop(http);
    Link::open(target, source + 1, token, |_| Ok(())).await
}
