//! Who is here, and who is told. Phases: everybody connected, in the background; all in the foreground; heartbeats; a person whom
//! many watch comes and goes, on a schedule.

use super::{OPENING, members, tokens};
use crate::accounts::Member;
use crate::clock::{FineTimer, NS_PER_S, now_ns};
use crate::frames::{self, Incoming};
use crate::link::{Link, unexpected};
use crate::outcome::Outcome;
use crate::pair::Shared;
use crate::plan::{Plan, PresenceJob};
use crate::worker::Parent;
use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use sotto_wire::pb::server_frame::Body;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;
use tokio::task::JoinSet;

/// The server gathers changes for so long at most, on purpose.
const BATCH_NS: u64 = 250_000_000;
/// Between two changes of the watched person: no batch has two.
const FLIP_NS: u64 = NS_PER_S;
const PATIENCE: Duration = Duration::from_secs(30);
/// Accounts in one frame.
const NAMED_MAX: usize = 256;

pub async fn run(plan: &Plan, job: &PresenceJob, parent: &Rc<Parent>) -> Result<Outcome> {
    let (beating, watching) = (plan.share_len(job.connections), plan.share_len(job.watchers));
    let watched = u32::from(plan.worker == 0 && job.watchers > 0);
    let count = beating + watching + watched;
    let members = members(plan, parent, count, count).await?;
    let tokens = tokens(plan, &members).await?;
    let (beaters, others) = tokens.split_at(beating as usize);
    let first = plan.first_number();
    parent.ready(&Outcome::default()).await?;
    let mut links = open(plan, parent, first, beaters, false).await?;
    // Whatever a first heartbeat makes, in the background too, is not what being online costs.
    links = each(links, |_, link| say(link, false)).await?;
    parent.ready(&Outcome::default()).await?;
    links = each(links, |_, link| say(link, true)).await?;
    let go = parent.ready(&Outcome::default()).await?;

    let beat = Beat {
        interval_ns: job.interval_ns,
        window: job.window,
        churn: job.churn,
        from: go.start_ns + job.warm_up_ns,
        to: go.start_ns + job.warm_up_ns + job.measure_ns,
    };
    let shared = Shared::default();
    links = each(links, |at, link| {
        let named = named_by(&members[..beating as usize], at, job.subscriptions as usize);
        let (beat, shared) = (beat, Rc::clone(&shared));
        async move { beat.run(link, named, &shared).await }
    })
    .await?;
    if job.watchers == 0 {
        return Ok(shared.take());
    }

    let so_far = shared.borrow().clone();
    parent.ready(&so_far).await?;
    let person = members.last().filter(|_| watched == 1).map(|member| member.address.account.to_string());
    let person = parent.share(&person).await?.into_iter().flatten().next().context("nobody is watched")?;
    let person: sotto_types::AccountId = person.parse().context("no account")?;
    let person = Bytes::copy_from_slice(person.as_bytes());
    let mut watchers = open(plan, parent, first + beating, others, true).await?;
    let star = if watched == 1 { watchers.pop() } else { None };
    watchers = each(watchers, |_, link| subscribed(link, person.clone())).await?;
    let so_far = shared.borrow().clone();
    let go = parent.ready(&so_far).await?;
    let flips = Flips { start: go.start_ns + NS_PER_S / 2, count: job.flips };
    let starring = async {
        match star {
            Some(link) => flips.play(link).await.map(drop),
            None => Ok(()),
        }
    };
    let watching = each(watchers, |_, link| flips.watch(link, person.clone(), Rc::clone(&shared)));
    // Those who only beat stay connected until the end.
    tokio::try_join!(starring, watching)?;
    drop(links);
    Ok(shared.take())
}

/// The accounts after the one at `at`, around.
fn named_by(members: &[Rc<Member>], at: usize, count: usize) -> Vec<Bytes> {
    let account = |member: &Rc<Member>| Bytes::copy_from_slice(member.address.account.as_bytes());
    members.iter().cycle().skip(at + 1).take(count.min(members.len())).map(account).collect()
}

async fn open(plan: &Plan, parent: &Parent, first: u32, tokens: &[String], foreground: bool) -> Result<Vec<Link>> {
    let mut links = Vec::with_capacity(tokens.len());
    for (chunk_at, chunk) in tokens.chunks(OPENING).enumerate() {
        let opening = chunk.iter().enumerate().map(|(at, token)| {
            let (target, token) = (plan.target.clone(), token.clone());
            let number = first + (chunk_at * OPENING + at) as u32;
            async move { Link::open_in(&target, number, token, foreground, |_| Ok(())).await }
        });
        let mut tasks = JoinSet::new();
        for (at, link) in opening.enumerate() {
            tasks.spawn_local(async move { (at, link.await) });
        }
        let mut opened = tasks.join_all().await;
        opened.sort_by_key(|(at, _)| *at);
        for (_, link) in opened {
            links.push(link?);
        }
        parent.progress(|| format!("opened {} of {} connections", links.len(), tokens.len()));
    }
    Ok(links)
}

/// Does the same with each connection at once, and gives them back in their order.
async fn each<F>(links: Vec<Link>, mut work: impl FnMut(usize, Link) -> F) -> Result<Vec<Link>>
where
    F: Future<Output = Result<Link>> + 'static,
{
    let mut tasks = JoinSet::new();
    for (at, link) in links.into_iter().enumerate() {
        let work = work(at, link);
        tasks.spawn_local(async move { work.await.map(|link| (at, link)) });
    }
    let mut done = Vec::with_capacity(tasks.len());
    while let Some(ended) = tasks.join_next().await {
        done.push(ended.context("a connection ended abnormally")??);
    }
    done.sort_by_key(|(at, _)| *at);
    Ok(done.into_iter().map(|(_, link)| link).collect())
}

/// Polls the connection until `done` says so; every frame goes to `on`.
async fn until(link: &mut Link, mut on: impl FnMut(&Incoming<'_>) -> Result<bool>) -> Result<()> {
    let waiting = poll_fn(|cx| {
        let mut done = false;
        let mut each = |incoming: Incoming<'_>| {
            done |= on(&incoming)?;
            match incoming {
                Incoming::Other(frame) if !matches!(frame.body, Some(Body::Presence(_))) => unexpected(&frame),
                _ => Ok(()),
            }
        };
        match link.poll_incoming(cx, &mut each).and_then(|()| link.poll_flush(cx)) {
            Err(error) => Poll::Ready(Err(error)),
            Ok(()) if done => Poll::Ready(Ok(())),
            Ok(()) => Poll::Pending,
        }
    });
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| bail!("no answer within 30 s"))
}

/// One heartbeat and its answer.
async fn say(mut link: Link, foreground: bool) -> Result<Link> {
    link.send(&frames::heartbeat(foreground));
    until(&mut link, |incoming| Ok(*incoming == Incoming::HeartbeatAck)).await?;
    Ok(link)
}

/// Whether `person` is online, if the frame says so.
fn is_online(incoming: &Incoming<'_>, person: &[u8]) -> Option<bool> {
    let Incoming::Other(frame) = incoming else { return None };
    let Some(Body::Presence(presence)) = &frame.body else { return None };
    presence.people.iter().find(|found| found.account_id == person).map(|found| found.online)
}

async fn subscribed(mut link: Link, person: Bytes) -> Result<Link> {
    link.send(&frames::subscribe_presence(vec![person.clone()]));
    until(&mut link, |incoming| match is_online(incoming, &person) {
        Some(false) => bail!("the watched person is connected, but not online"),
        told => Ok(told.is_some()),
    })
    .await?;
    Ok(link)
}

#[derive(Clone, Copy)]
struct Beat {
    /// Zero: as fast as it goes.
    interval_ns: u64,
    window: usize,
    /// Part of the heartbeats that say foreground after background, or the other way round.
    churn: f64,
    from: u64,
    to: u64,
}

impl Beat {
    async fn run(self, mut link: Link, named: Vec<Bytes>, shared: &Shared) -> Result<Link> {
        for accounts in named.chunks(NAMED_MAX) {
            link.send(&frames::subscribe_presence(accounts.to_vec()));
        }
        let (mut under_way, mut foreground) = (VecDeque::new(), true);
        let interval = Duration::from_nanos(self.interval_ns.max(1));
        // Spread over the interval, as those of people are.
        let begin = tokio::time::Instant::now() + interval.mul_f64(rand::random());
        let mut ticks = tokio::time::interval_at(begin, interval);
        let mut end = Box::pin(crate::clock::sleep_until(self.to));
        let mut ended = false;
        poll_fn(|cx| {
            let (mut measured, mut pushed) = (0, 0);
            let polled = link.poll_incoming(cx, &mut |incoming| match incoming {
                Incoming::HeartbeatAck => {
                    let sent: u64 = under_way.pop_front().context("an answer to no heartbeat")?;
                    let now = now_ns();
                    if (self.from..self.to).contains(&now) {
                        measured += 1;
                        shared.borrow_mut().accepted_latency.record_ns(now - sent);
                    }
                    Ok(())
                }
                Incoming::Other(frame) => match &frame.body {
                    Some(Body::Presence(presence)) => {
                        pushed += presence.people.len() as u64;
                        Ok(())
                    }
                    _ => unexpected(&frame),
                },
                _ => Ok(()),
            });
            ended = ended || end.as_mut().poll(cx).is_ready() || now_ns() >= self.to;
            let mut sent = 0;
            let mut heartbeat = |link: &mut Link, under_way: &mut VecDeque<u64>| {
                if self.churn > 0.0 && rand::random::<f64>() < self.churn {
                    foreground = !foreground;
                }
                link.send(&frames::heartbeat(foreground));
                under_way.push_back(now_ns());
                sent += 1;
            };
            if self.interval_ns == 0 {
                // All of them again, when all are answered: what is read in one go is answered in one write.
                while !ended && under_way.len() < self.window {
                    heartbeat(&mut link, &mut under_way);
                }
            } else {
                while !ended && ticks.poll_tick(cx).is_ready() {
                    heartbeat(&mut link, &mut under_way);
                }
            }
            let mut outcome = shared.borrow_mut();
            outcome.measured += measured;
            outcome.delivered += pushed;
            outcome.sent += sent;
            match polled.and_then(|()| link.poll_flush(cx)) {
                Err(error) => Poll::Ready(Err(error)),
                Ok(()) if ended && under_way.is_empty() => Poll::Ready(Ok(())),
                Ok(()) => Poll::Pending,
            }
        })
        .await?;
        Ok(link)
    }
}

/// The watched person comes and goes, each time at its moment.
#[derive(Clone, Copy)]
struct Flips {
    start: u64,
    count: u32,
}

impl Flips {
    fn at(self, flip: u32) -> u64 {
        self.start + u64::from(flip) * FLIP_NS
    }

    async fn play(self, mut link: Link) -> Result<Link> {
        let timer = FineTimer::new()?;
        for flip in 0..self.count {
            timer.sleep_until(self.at(flip)).await?;
            link = say(link, flip % 2 == 1).await?;
        }
        Ok(link)
    }

    /// Every flip is told once, in its order. The delay counts from its moment; late is what is beyond the time of gathering.
    async fn watch(self, mut link: Link, person: Bytes, shared: Shared) -> Result<Link> {
        let mut next = 0;
        let last = crate::clock::until(self.at(self.count)) + Duration::from_secs(5);
        let watching = async {
            while next < self.count {
                let told = |incoming: &Incoming<'_>| {
                    let Some(online) = is_online(incoming, &person) else { return Ok(false) };
                    let now = now_ns();
                    let mut outcome = shared.borrow_mut();
                    // It went first.
                    if online == (next % 2 == 1) {
                        let delay = now.saturating_sub(self.at(next));
                        outcome.delivered_latency.record_ns(delay);
                        outcome.late_latency.record_ns(delay.saturating_sub(BATCH_NS));
                        next += 1;
                    } else {
                        outcome.tally.disorder += 1;
                    }
                    Ok(true)
                };
                until(&mut link, told).await?;
            }
            anyhow::Ok(())
        };
        if let Ok(broken) = tokio::time::timeout(last, watching).await {
            broken?;
        }
        shared.borrow_mut().tally.missing += u64::from(self.count - next);
        Ok(link)
    }
}
