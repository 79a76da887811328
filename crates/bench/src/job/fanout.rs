//! One row of the comparison of the two fan-outs. Phases: paced sends to a group that is online; a closed loop to it; sends of
//! one member while all others are away, one after another; sends to all groups, the same way; readers coming back, one after
//! another.

use super::group::Phase;
use super::{members, tokens};
use crate::clock::now_ns;
use crate::group::crowd::{Crowd, Guest};
use crate::group::hall::Hall;
use crate::group::ledger::Ledger;
use crate::group::make::{card, make};
use crate::group::visit::Visitor;
use crate::group::{Party, Sent};
use crate::outcome::Outcome;
use crate::pair::{Pace, Shared, Timing};
use crate::plan::{FanoutJob, Plan};
use crate::worker::Parent;
use anyhow::{Context, Result, ensure};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Sends not yet accepted, per sender, while the others are away.
const WINDOW: usize = 16;

/// Everybody who is not connected, with their ledgers.
struct Absent<'a> {
    plan: &'a Plan,
    tokens: Vec<String>,
    ledgers: BTreeMap<u32, Ledger>,
}

impl Absent<'_> {
    fn guest(&mut self, number: u32) -> Result<Guest> {
        let token = self.token(number)?;
        let ledger = self.ledgers.remove(&number).unwrap_or_else(|| Ledger::new(number));
        Ok(Guest { number, source: self.plan.first_number() + number, token, ledger })
    }

    fn token(&self, number: u32) -> Result<String> {
        self.tokens.get(number as usize).cloned().context("a member without a token")
    }

    /// Comes, gets what it missed, and goes.
    async fn visit(
        &mut self,
        party: &Party,
        number: u32,
        sent: &[Sent],
        give_up: u64,
        shared: &Shared,
    ) -> Result<bool> {
        let token = self.token(number)?;
        let ledger = self.ledgers.entry(number).or_insert_with(|| Ledger::new(number));
        let (before, wanted) = (ledger.received, ledger.expects(party, sent));
        let source = self.plan.first_number() + number;
        let visitor = Visitor { target: &self.plan.target, source, token, party, ledger };
        let visit = visitor.visit(wanted, give_up).await.with_context(|| format!("member {number}"))?;
        let came = self.ledgers.get(&number).map_or(0, |ledger| ledger.received - before);
        if let Some(visit) = &visit {
            shared.borrow_mut().group.visited(visit, came);
        }
        Ok(visit.is_some())
    }
}

pub async fn run(plan: &Plan, job: &FanoutJob, parent: &Rc<Parent>) -> Result<Outcome> {
    ensure!(plan.workers == 1, "a row is measured with one process");
    let total = job.members * job.groups;
    let members = members(plan, parent, total, job.members + job.groups).await?;
    let tokens = tokens(plan, &members).await?;
    let cards: Vec<_> = members.iter().map(|member| card(member)).collect();
    let mut http = plan.target.http(plan.first_number()).await?;
    let mut made = Vec::new();
    for group in 0..job.groups {
        let first = group * job.members;
        let (owner, token) = (members.get(first as usize), tokens.get(first as usize));
        let (owner, token) = (owner.context("a group without members")?, token.context("a member without a token")?);
        made.push(make(&mut http, token, owner, &cards, (first..first + job.members).collect(), job.strategy).await?);
        parent.progress(|| format!("made {} of {} groups", group + 1, job.groups));
    }
    let party = Rc::new(Party::new(job.strategy, cards, made, &plan.registration.run, job.size));
    let shared = Shared::default();
    let mut hall = Hall::new(job.groups as usize, true, Rc::clone(&shared));
    hall.set_online(0, job.members);
    let mut crowd = Crowd::new(Rc::clone(&party), Rc::new(RefCell::new(hall)));
    let mut absent = Absent { plan, tokens, ledgers: BTreeMap::new() };

    // What those who come back later find then shall be messages alone: the group itself they get now.
    let readers = |group: u32| job.readers_of(group).map(move |member| group * job.members + member);
    for number in (1..job.groups).flat_map(readers) {
        absent.visit(&party, number, &[], now_ns() + job.patience_ns, &Shared::default()).await?;
    }
    let guests = (0..job.members).map(|number| absent.guest(number)).collect::<Result<_>>()?;
    crowd.open(plan, parent, guests, now_ns() + job.patience_ns).await?;

    for (rate, warm_up_ns, measure_ns) in [(Some(job.rate), 0, job.paced_ns), (None, job.warm_up_ns, job.closed_ns)] {
        let before = shared.take();
        let go = crowd.hold(parent.ready(&before)).await??;
        let timing = Phase::timing(go, warm_up_ns, measure_ns);
        let sent_before: u64 = crowd.sent().iter().map(|sent| sent.count).sum();
        Phase { senders: 0..1, rate, window: job.window, timing }.play(&mut crowd, go).await?;
        let sent = crowd.sent();
        crowd.until_received(&sent, timing.give_up).await?;
        shared.borrow_mut().sent = sent.iter().map(|sent| sent.count).sum::<u64>() - sent_before;
    }

    // All but the senders leave.
    let sent = crowd.sent();
    for (number, ledger) in crowd.part(|number| number != 0).await? {
        if job.readers_of(0).contains(&number) {
            absent.ledgers.insert(number, ledger);
        } else {
            shared.borrow_mut().tally.add(ledger.verdict(&party, &sent));
        }
    }
    crowd.hall.borrow_mut().set_online(0, 1);
    let senders: Vec<u32> = (0..job.groups).map(|group| group * job.members).collect();
    let guests = senders.iter().skip(1).map(|number| absent.guest(*number)).collect::<Result<_>>()?;
    crowd.open(plan, parent, guests, now_ns() + job.patience_ns).await?;
    let rest = |group: u32| if group == 0 { job.missed.saturating_sub(job.single) } else { job.missed };
    let alone: Vec<_> = vec![(0, 0, 1, job.single)];
    let together = (0..).zip(&senders).map(|(group, number)| (group, *number, WINDOW, rest(group))).collect();
    for orders in [alone, together] {
        let before = shared.take();
        crowd.hold(parent.ready(&before)).await??;
        shared.borrow_mut().sent = orders.iter().map(|(.., count)| count).sum();
        send(&mut crowd, &orders, now_ns() + job.patience_ns).await?;
    }
    let sent = crowd.sent();

    let before = shared.take();
    crowd.hold(parent.ready(&before)).await??;
    for number in (0..job.groups).flat_map(readers) {
        let visiting = absent.visit(&party, number, &sent, now_ns() + job.patience_ns, &shared);
        if !crowd.hold(visiting).await?? {
            break;
        }
    }
    crowd.settle(&sent);
    let mut outcome = shared.take();
    for number in (0..job.groups).flat_map(readers) {
        let ledger = absent.ledgers.remove(&number).unwrap_or_else(|| Ledger::new(number));
        outcome.tally.add(ledger.verdict(&party, &sent));
    }
    Ok(outcome)
}

/// Group, sender, window, messages.
type Order = (u32, u32, usize, u64);

/// Lets senders send while nobody else is there.
async fn send(crowd: &mut Crowd, orders: &[Order], give_up: u64) -> Result<()> {
    crowd.hall.borrow_mut().timing =
        Timing { measure_from: u64::MAX, measure_to: u64::MAX, stop_sending: u64::MAX, give_up };
    for (group, number, window, count) in orders {
        let seat = crowd.seat(*number).context("a sender is not here")?;
        seat.borrow_mut().begin(&[*group], Pace::Window(*window), Some(*count))?;
    }
    crowd.until_sent(give_up).await?;
    let sent = crowd.sent();
    crowd.until_received(&sent, give_up).await.map(drop)
}
