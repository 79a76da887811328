//! Messages to people who are away, and their coming back. Phases: store, drain.

use super::{members, tokens};
use crate::clock::{now_ns, until};
use crate::frames::Incoming;
use crate::link::Link;
use crate::outcome::Outcome;
use crate::pair::{Alarm, Inbox, Pace, Pair, Sender, Shared, Timing};
use crate::payload::{Opaque, Payload, Pool, target_of};
use crate::plan::{OfflineJob, Plan};
use crate::worker::Parent;
use anyhow::{Context as _, Result};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use tokio::task::JoinSet;

pub async fn run(plan: &Plan, job: &OfflineJob, parent: &Rc<Parent>) -> Result<Outcome> {
    let pairs: Vec<u32> = plan.share(job.pairs).collect();
    let count = 2 * pairs.len() as u32;
    let members = members(plan, parent, count, count).await?;
    let tokens = tokens(plan, &members).await?;
    let pool = Rc::new(Pool::default());
    let mut senders = Vec::new();
    let mut recipients = Vec::new();
    for (at, (index, [sender, recipient])) in pairs.iter().zip(members.as_chunks::<2>().0).enumerate() {
        let source = plan.first_number() + 2 * at as u32;
        let [sender_token, recipient_token] = [0, 1].map(|end| tokens[2 * at + end].clone());
        let payload = Payload::Opaque(Opaque::new(&target_of(recipient), Rc::clone(&pool), *index, job.size));
        let link = Link::open(&plan.target, source, sender_token, |_| Ok(())).await?;
        senders.push((*index, link, payload));
        recipients.push((source + 1, recipient_token, Inbox::new(*sender.address.account.as_bytes())));
    }

    let go = parent.ready(&Outcome::default()).await?;
    let stop = go.start_ns + job.patience_ns;
    let timing = Timing { measure_from: go.start_ns, measure_to: stop, stop_sending: stop, give_up: stop };
    let shared = Shared::default();
    let mut storing = JoinSet::new();
    for (at, (index, link, payload)) in senders.into_iter().enumerate() {
        let quota = Some(super::direct::share_of(job.messages, job.pairs, index));
        let sender = Sender::new(link, Pace::Window(job.window), timing, quota, true, Rc::clone(&shared));
        let mut pair = Pair::new(sender, None, payload, Alarm::default());
        storing.spawn_local(async move {
            (&mut pair).await.with_context(|| format!("sender {index}"))?;
            anyhow::Ok((at, pair.settle()))
        });
    }
    let mut stored = Vec::new();
    while let Some(done) = storing.join_next().await {
        stored.push(done.context("a sender ended abnormally")??);
    }
    stored.sort_by_key(|(at, _)| *at);

    let so_far = shared.borrow().clone();
    let go = parent.ready(&so_far).await?;
    shared.borrow_mut().measured = 0;
    let give_up = go.start_ns + job.patience_ns;
    let mut draining = JoinSet::new();
    let mut senders = Vec::new();
    for ((source, token, inbox), (_, (payload, sent, sender))) in recipients.into_iter().zip(stored) {
        // The senders stay, as they would; what is for them (delivery receipts) waits until they read again.
        senders.push(sender);
        let (target, shared) = (plan.target.clone(), Rc::clone(&shared));
        draining.spawn_local(async move {
            let mut drain = Drain { inbox, payload, expected: sent, shared };
            let link = drain.run(&target, source, token, give_up).await;
            let verdict = drain.inbox.from.verdict(sent, |_| true);
            drain.shared.borrow_mut().tally.add(verdict);
            link
        });
    }
    let mut receivers = Vec::new();
    while let Some(done) = draining.join_next().await {
        receivers.extend(done.context("a recipient ended abnormally")??);
    }
    Ok(shared.take())
}

struct Drain {
    inbox: Inbox,
    payload: Payload,
    expected: u64,
    shared: Shared,
}

impl Drain {
    /// Connects and reads until everything came and was acknowledged, or time is up.
    async fn run(
        &mut self,
        target: &crate::target::Target,
        source: u32,
        token: String,
        give_up: u64,
    ) -> Result<Option<Link>> {
        let draining = async {
            let mut link = Link::open(target, source, token, |incoming| self.take(incoming)).await?;
            poll_fn(|cx| {
                let step = link.poll_incoming(cx, &mut |incoming| self.take(incoming));
                match step.and_then(|()| link.poll_flush(cx)) {
                    Err(error) => Poll::Ready(Err(error)),
                    Ok(()) if self.is_complete() && link.waiting() == 0 => Poll::Ready(Ok(())),
                    Ok(()) => Poll::Pending,
                }
            })
            .await?;
            Ok(link)
        };
        match tokio::time::timeout(until(give_up), draining).await {
            Ok(link) => link.map(Some),
            // What is missing by then is counted as missing.
            Err(_) => Ok(None),
        }
    }

    fn is_complete(&self) -> bool {
        self.inbox.drained && self.inbox.from.seen() >= self.expected
    }

    fn take(&mut self, incoming: Incoming<'_>) -> Result<()> {
        self.inbox.take(incoming, &mut self.payload, |_| {
            let mut outcome = self.shared.borrow_mut();
            outcome.delivered += 1;
            outcome.measured += 1;
            outcome.last_ns = outcome.last_ns.max(now_ns());
            Ok(())
        })
    }
}
