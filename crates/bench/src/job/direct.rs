//! Online conversations: pairs whose both ends are connected.

use super::{Quiet, members, tokens};
use crate::accounts::Member;
use crate::clock::{FineTimer, NS_PER_S, now_ns};
use crate::link::Link;
use crate::outcome::Outcome;
use crate::pair::{Alarm, Inbox, Pace, Pair, Sender, Shared, Timing};
use crate::payload::{Conversation, Opaque, Payload, Pool, target_of};
use crate::plan::{DirectJob, Go, Plan};
use crate::worker::Parent;
use anyhow::{Context, Result};
use std::rc::Rc;
use tokio::task::JoinSet;

/// How long deliveries may lag behind the last send.
const PATIENCE_NS: u64 = 20 * NS_PER_S;
/// Schedules finer than this wake for several sends at once.
const TICK_NS: u64 = 100_000;

pub async fn run(plan: &Plan, job: &DirectJob, parent: &Rc<Parent>) -> Result<Outcome> {
    let pairs: Vec<u32> = plan.share(job.pairs).collect();
    let (talking, quiet) = (2 * pairs.len() as u32, plan.share_len(job.idle));
    let members = members(plan, parent, talking + quiet, talking + quiet).await?;
    let tokens = tokens(plan, &members).await?;
    let (pair_members, pair_tokens) = (members.split_at(talking as usize).0, tokens.split_at(talking as usize).0);
    let mut ready = Vec::new();
    let pool = Rc::new(Pool::default());
    for (at, (index, ends)) in pairs.iter().zip(pair_members.as_chunks::<2>().0).enumerate() {
        let [sender, recipient] = ends;
        let [sender_token, recipient_token] = [0, 1].map(|end| pair_tokens[2 * at + end].clone());
        let mut payload = payload(plan, job, *index, ends, &sender_token, &pool).await?;
        let source = plan.first_number() + 2 * at as u32;
        let mut inbox = Inbox::new(*sender.address.account.as_bytes());
        let sending = Link::open(&plan.target, source, sender_token, |_| Ok(())).await?;
        let receiving = Link::open(&plan.target, source + 1, recipient_token, |incoming| {
            inbox.take(incoming, &mut payload, |_| Ok(()))
        });
        let receiving = receiving.await.with_context(|| format!("the recipient {}", recipient.address))?;
        ready.push((*index, sending, receiving, inbox, payload));
    }
    let mut idle = Quiet::default();
    idle.open(plan, parent, plan.first_number() + talking, tokens.get(talking as usize..).unwrap_or_default()).await?;

    let go = parent.ready(&Outcome::default()).await?;
    let timing = timing(job, go);
    let shared = Shared::default();
    let mut running = JoinSet::new();
    let mut alarms = Vec::new();
    for (index, sending, receiving, inbox, payload) in ready {
        let alarm = Alarm::default();
        alarms.push((index, Rc::clone(&alarm)));
        let quota = job.messages.map(|all| share_of(all, job.pairs, index));
        let sender = Sender::new(
            sending,
            pace(job.rate, job.window, job.pairs, go, index),
            timing,
            quota,
            false,
            Rc::clone(&shared),
        );
        let mut pair = Pair::new(sender, Some((receiving, inbox)), payload, alarm);
        running.spawn_local(async move {
            (&mut pair).await.with_context(|| format!("pair {index}"))?;
            anyhow::Ok(pair)
        });
    }
    let waking = wake_on_schedule(job.rate, job.pairs, go, timing.stop_sending, &alarms);
    tokio::pin!(waking);
    // Kept until all are done: a connection that closed early would be one less to serve.
    let mut ended = Vec::new();
    loop {
        tokio::select! {
            broken = idle.watch() => broken?,
            failed = &mut waking => failed?,
            done = running.join_next() => match done {
                Some(done) => ended.push(done.context("a pair ended abnormally")??),
                None => break,
            },
        }
    }
    ended.into_iter().for_each(|pair: Pair| drop(pair.settle()));
    Ok(shared.take())
}

async fn payload(
    plan: &Plan,
    job: &DirectJob,
    index: u32,
    [sender, recipient]: &[Rc<Member>; 2],
    sender_token: &str,
    pool: &Rc<Pool>,
) -> Result<Payload> {
    let to = target_of(recipient);
    if !job.real_crypto {
        return Ok(Payload::Opaque(Opaque::new(&to, Rc::clone(pool), index, job.size)));
    }
    let mut http = plan.target.http(plan.first_number() + index).await?;
    let conversation = Conversation::begin(&mut http, sender_token, sender, recipient, to, job.size).await?;
    Ok(Payload::Real(Box::new(conversation)))
}

fn timing(job: &DirectJob, Go { start_ns }: Go) -> Timing {
    let measure_from = start_ns + job.warm_up_ns;
    let measure_to = measure_from + job.measure_ns;
    Timing { measure_from, measure_to, stop_sending: measure_to, give_up: measure_to + PATIENCE_NS }
}

/// Of sender number `index` of so many that share a rate.
pub fn pace(rate: Option<f64>, window: usize, senders: u32, Go { start_ns }: Go, index: u32) -> Pace {
    match rate {
        None => Pace::Window(window),
        Some(rate) => {
            let step_ns = NS_PER_S as f64 / rate;
            let first_ns = start_ns + (f64::from(index) * step_ns) as u64;
            Pace::Schedule { first_ns, step_ns: step_ns * f64::from(senders) }
        }
    }
}

/// Pair `index`'s share of so many messages.
pub fn share_of(messages: u64, pairs: u32, index: u32) -> u64 {
    let (pairs, index) = (u64::from(pairs), u64::from(index));
    messages / pairs + u64::from(index < messages % pairs)
}

/// Wakes each sender when its next send is due; never ends without an error. The senders of a run take turns, so the next due
/// is always the next in turn.
pub async fn wake_on_schedule(
    rate: Option<f64>,
    senders: u32,
    go: Go,
    until_ns: u64,
    alarms: &[(u32, Alarm)],
) -> Result<()> {
    let Some(rate) = rate.filter(|_| !alarms.is_empty()) else { return std::future::pending().await };
    let timer = FineTimer::new().context("no fine timer")?;
    let step_ns = NS_PER_S as f64 / rate;
    let turn_ns = step_ns * f64::from(senders);
    for turn in 0u64.. {
        for (index, alarm) in alarms {
            let due = go.start_ns + (turn as f64 * turn_ns + f64::from(*index) * step_ns) as u64;
            if due >= until_ns {
                return std::future::pending().await;
            }
            let now = now_ns();
            if due > now {
                timer.sleep_until(due.max(now + TICK_NS)).await?;
            }
            if let Some(waker) = alarm.borrow().as_ref() {
                waker.wake_by_ref();
            }
        }
    }
    Ok(())
}
