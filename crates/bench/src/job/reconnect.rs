//! A device in many groups that comes back to what it missed, again and again. Phases, for each time: sending while it is away;
//! its coming back.

use super::{members, tokens};
use crate::clock::now_ns;
use crate::group::Party;
use crate::group::crowd::{Crowd, Guest};
use crate::group::hall::Hall;
use crate::group::ledger::Ledger;
use crate::group::make::{card, make};
use crate::group::visit::Visitor;
use crate::outcome::Outcome;
use crate::pair::{Pace, Shared, Timing};
use crate::plan::{Plan, ReconnectJob};
use crate::worker::Parent;
use anyhow::{Context, Result, bail, ensure};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// Sends not yet accepted.
const WINDOW: usize = 64;
/// Acks of the sender's own devices are written a moment later: they shall not be measured.
const QUIET: Duration = Duration::from_millis(700);
/// The server lets an account make 300 groups at once.
pub const GROUPS_PER_OWNER: u32 = 250;
const SENDER: u32 = 0;
const AWAY: u32 = 1;

pub async fn run(plan: &Plan, job: &ReconnectJob, parent: &Rc<Parent>) -> Result<Outcome> {
    ensure!(plan.workers == 1, "one device reconnects: one process");
    let members = members(plan, parent, job.members, job.members).await?;
    let [_, away, ..] = &members[..] else { bail!("a group needs somebody who sends and somebody away") };
    let tokens = tokens(plan, &members).await?;
    let token = tokens.first().cloned().context("no token")?;
    let cards: Vec<_> = members.iter().map(|member| card(member)).collect();
    let mut http = plan.target.http(plan.first_number()).await?;
    let mut made = Vec::new();
    for group in 0..job.groups {
        let owner = group / GROUPS_PER_OWNER;
        let (Some(by), Some(token)) = (members.get(owner as usize), tokens.get(owner as usize)) else {
            bail!("{} members may not make so many groups: more members", job.members);
        };
        let others = (0..job.members).filter(|member| *member != owner);
        let named = std::iter::once(owner).chain(others).collect();
        made.push(make(&mut http, token, by, &cards, named, job.strategy).await?);
        parent.progress(|| format!("made {} of {} groups", group + 1, job.groups));
    }
    let groups: Vec<u32> = (0..job.groups).collect();
    let party = Rc::new(Party::new(job.strategy, cards, made, &plan.registration.run, job.size));
    let shared = Shared::default();
    let hall = Rc::new(RefCell::new(Hall::new(groups.len(), true, Rc::clone(&shared))));
    let mut crowd = Crowd::new(Rc::clone(&party), hall);
    let guest = Guest { number: SENDER, source: plan.first_number(), token, ledger: Ledger::new(SENDER) };
    crowd.open(plan, parent, vec![guest], now_ns() + job.patience_ns).await?;

    let mut ledger = Ledger::new(AWAY);
    // The first time it gets the groups themselves.
    let mut visits = 0;
    loop {
        let give_up = now_ns() + job.patience_ns;
        if visits > 0 {
            let timing = Timing { measure_from: u64::MAX, measure_to: u64::MAX, stop_sending: u64::MAX, give_up };
            crowd.hall.borrow_mut().timing = timing;
            let seat = crowd.seat(SENDER).context("the sender is not here")?;
            seat.borrow_mut().begin(&groups, Pace::Window(WINDOW), Some(job.messages))?;
            crowd.until_sent(give_up).await?;
            let sent = crowd.sent();
            crowd.until_received(&sent, give_up).await?;
            crowd.hold(tokio::time::sleep(QUIET)).await?;
        }
        let mut http = plan.target.http(plan.first_number()).await?;
        let token = away.sign_in(&mut http).await.context("sign-in failed")?;
        let sent = crowd.sent();
        shared.borrow_mut().sent = sent.iter().map(|sent| sent.count).sum();
        if visits > 0 {
            let so_far = shared.borrow().clone();
            crowd.hold(parent.ready(&so_far)).await??;
        }
        let (before, wanted) = (ledger.received, ledger.expects(&party, &sent));
        let source = plan.first_number() + 1 + visits;
        let visitor = Visitor { target: &plan.target, source, token, party: &party, ledger: &mut ledger };
        let visit = crowd.hold(visitor.visit(wanted, now_ns() + job.patience_ns)).await??;
        if let Some(visit) = visit.filter(|_| visits > 0) {
            shared.borrow_mut().group.visited(&visit, ledger.received - before);
        }
        if visit.is_none() || visits == job.repeats {
            crowd.settle(&sent);
            let mut outcome = shared.take();
            outcome.tally.add(ledger.verdict(&party, &sent));
            return Ok(outcome);
        }
        if visits > 0 {
            let so_far = shared.borrow().clone();
            crowd.hold(parent.ready(&so_far)).await??;
        }
        visits += 1;
    }
}
