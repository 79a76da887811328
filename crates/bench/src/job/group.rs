//! One group with members online. The group's members are spread over the workers; the first worker makes the group.

use super::direct::{pace, wake_on_schedule};
use super::{members, tokens};
use crate::clock::{NS_PER_S, sleep_until};
use crate::group::crowd::{Crowd, Guest};
use crate::group::hall::Hall;
use crate::group::ledger::Ledger;
use crate::group::make::{card, make};
use crate::group::{Made, Party, Sent};
use crate::outcome::Outcome;
use crate::pair::{Shared, Timing};
use crate::plan::{Go, GroupJob, Plan, unshare};
use crate::worker::Parent;
use anyhow::{Context, Result};
use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

/// How long deliveries may lag behind the last send, and what waited may take to come.
pub const PATIENCE_NS: u64 = 20 * NS_PER_S;

/// What senders send in a phase.
#[derive(Debug, Clone)]
pub struct Phase {
    pub senders: Range<u32>,
    pub rate: Option<f64>,
    pub window: usize,
    pub timing: Timing,
}

impl Phase {
    pub fn timing(Go { start_ns }: Go, warm_up_ns: u64, measure_ns: u64) -> Timing {
        let measure_from = start_ns + warm_up_ns;
        let measure_to = measure_from + measure_ns;
        Timing { measure_from, measure_to, stop_sending: measure_to, give_up: measure_to + PATIENCE_NS }
    }

    /// Lets the senders that are here send to the first group until the phase is over and what they sent arrived here.
    pub async fn play(&self, crowd: &mut Crowd, go: Go) -> Result<()> {
        crowd.hall.borrow_mut().timing = self.timing;
        let alarms = crowd.alarms(self.senders.clone());
        let all = self.senders.len() as u32;
        for (index, _) in &alarms {
            let seat = crowd.seat(*index).context("a sender is not here")?;
            seat.borrow_mut().begin(&[0], pace(self.rate, self.window, all, go, *index), None)?;
        }
        // Nothing is done before, and looking at it would take time from what is measured.
        let done = async {
            crowd.hold(sleep_until(self.timing.stop_sending)).await?;
            crowd.until_sent(self.timing.give_up).await
        };
        tokio::select! {
            done = done => done.map(drop),
            failed = wake_on_schedule(self.rate, all, go, self.timing.stop_sending, &alarms) => failed,
        }
    }
}

pub async fn run(plan: &Plan, job: &GroupJob, parent: &Rc<Parent>) -> Result<Outcome> {
    let numbers: Vec<u32> = plan.share(job.members).collect();
    let online = numbers.iter().filter(|number| **number < job.online).count() as u32;
    let members = members(plan, parent, numbers.len() as u32, online).await?;
    let tokens = tokens(plan, &members).await?;
    let cards = unshare(parent.share(&members.iter().map(|member| card(member)).collect::<Vec<_>>()).await?);
    let mut made: Option<Made> = None;
    if let (0, Some(owner), Some(token)) = (plan.worker, members.first(), tokens.first()) {
        let mut http = plan.target.http(plan.first_number()).await?;
        made = Some(make(&mut http, token, owner, &cards, (0..job.members).collect(), job.strategy).await?);
    }
    let made = parent.share(&made).await?.into_iter().flatten().collect();
    let party = Rc::new(Party::new(job.strategy, cards, made, &plan.registration.run, job.size));

    let shared = Shared::default();
    let mut hall = Hall::new(1, plan.workers == 1, Rc::clone(&shared));
    hall.set_online(0, online);
    let mut crowd = Crowd::new(party, Rc::new(RefCell::new(hall)));
    let guest = |(at, (number, token)): (u32, (&u32, String))| Guest {
        number: *number,
        source: plan.first_number() + at,
        token,
        ledger: Ledger::new(*number),
    };
    let guests = (0..).zip(numbers.iter().zip(tokens)).filter(|(_, (number, _))| **number < job.online).map(guest);
    let give_up = crate::clock::now_ns() + PATIENCE_NS + NS_PER_S / 20 * u64::from(online);
    crowd.open(plan, parent, guests.collect(), give_up).await?;

    let go = crowd.hold(parent.ready(&Outcome::default())).await??;
    let timing = Phase::timing(go, job.warm_up_ns, job.measure_ns);
    let phase = Phase { senders: 0..job.senders, rate: job.rate, window: job.window, timing };
    phase.play(&mut crowd, go).await?;
    let mine = crowd.sent();
    let sent: Vec<Sent> = crowd.hold(parent.share(&mine)).await??.into_iter().flatten().collect();
    crowd.until_received(&sent, timing.give_up).await?;
    crowd.settle(&sent);
    shared.borrow_mut().sent = mine.iter().map(|sent| sent.count).sum();
    // Nobody leaves while another worker's members still receive.
    let _: Vec<()> = crowd.hold(parent.share(&())).await??;
    Ok(shared.take())
}
