//! The online devices of a process, each served by a task of its own.

use super::hall::Hall;
use super::ledger::Ledger;
use super::seat::{Seat, drive};
use super::{Party, Sent};
use crate::clock::now_ns;
use crate::pair::Alarm;
use crate::plan::Plan;
use crate::worker::Parent;
use anyhow::{Context, Result, anyhow, bail};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::{AbortHandle, JoinSet};

/// Connections opened at once.
const OPENING: usize = 32;
/// How often it is asked whether everything has come. Not while something is timed.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Something that comes twice comes again at once.
const LINGER: Duration = Duration::from_millis(100);

/// Somebody who connects.
#[derive(Debug)]
pub struct Guest {
    pub number: u32,
    /// Of the connection, for its source address.
    pub source: u32,
    pub token: String,
    pub ledger: Ledger,
}

#[derive(Debug)]
pub struct Crowd {
    pub party: Rc<Party>,
    pub hall: Rc<RefCell<Hall>>,
    seats: Vec<Taken>,
    tasks: JoinSet<Result<()>>,
}

#[derive(Debug)]
struct Taken {
    number: u32,
    seat: Rc<RefCell<Seat>>,
    task: AbortHandle,
}

impl Crowd {
    pub fn new(party: Rc<Party>, hall: Rc<RefCell<Hall>>) -> Self {
        let rota = Rc::clone(&hall.borrow().rota);
        let mut tasks = JoinSet::new();
        tasks.spawn_local(async move { match rota.keep().await {} });
        Self { party, hall, seats: Vec::new(), tasks }
    }

    /// Connects them, and waits until each has got what waited for it.
    pub async fn open(&mut self, plan: &Plan, parent: &Rc<Parent>, guests: Vec<Guest>, give_up: u64) -> Result<()> {
        let total = self.seats.len() + guests.len();
        let mut guests = guests.into_iter().peekable();
        while guests.peek().is_some() {
            let mut opening = JoinSet::new();
            for Guest { number, source, token, ledger } in guests.by_ref().take(OPENING) {
                let (target, party, hall) = (plan.target.clone(), Rc::clone(&self.party), Rc::clone(&self.hall));
                opening.spawn_local(async move {
                    let seat = Seat::open(&target, source, token.clone(), ledger, number, party, hall).await?;
                    anyhow::Ok((number, source, token, seat))
                });
            }
            while let Some(opened) = opening.join_next().await {
                let (number, source, token, seat) = opened.context("a connection ended abnormally")??;
                let seat = Rc::new(RefCell::new(seat));
                let task = self.tasks.spawn_local(drive(Rc::clone(&seat), plan.target.clone(), source, token));
                self.seats.push(Taken { number, seat, task });
            }
            parent.progress(|| format!("opened {} of {total} connections", self.seats.len()));
        }
        let all = |crowd: &Self| crowd.seats.iter().all(|taken| taken.seat.borrow().drained);
        if !self.until(give_up, all).await? {
            bail!("the server did not say that everything that waited was delivered");
        }
        Ok(())
    }

    pub fn seat(&self, number: u32) -> Option<&Rc<RefCell<Seat>>> {
        self.seats.iter().find(|taken| taken.number == number).map(|taken| &taken.seat)
    }

    /// Numbers and alarms of those of these members who are here.
    pub fn alarms(&self, senders: std::ops::Range<u32>) -> Vec<(u32, Alarm)> {
        let here = self.seats.iter().filter(|taken| senders.contains(&taken.number));
        let mut alarms: Vec<_> = here.map(|taken| (taken.number, Rc::clone(&taken.seat.borrow().alarm))).collect();
        alarms.sort_by_key(|(number, _)| *number);
        alarms
    }

    /// Waits for `what` while every connection stays.
    pub async fn hold<T>(&mut self, what: impl Future<Output = T>) -> Result<T> {
        tokio::select! {
            error = watch(&mut self.tasks) => Err(error),
            done = what => Ok(done),
        }
    }

    /// Waits until it is so, or time is up; says which.
    pub async fn until(&mut self, give_up: u64, is_so: impl Fn(&Self) -> bool) -> Result<bool> {
        loop {
            if is_so(self) {
                return Ok(true);
            }
            if now_ns() >= give_up {
                return Ok(false);
            }
            self.hold(tokio::time::sleep(LOOK_EVERY)).await?;
        }
    }

    /// Waits until all that its senders were to send was accepted and arrived here.
    pub async fn until_sent(&mut self, give_up: u64) -> Result<bool> {
        let done = |crowd: &Self| {
            let now = now_ns();
            crowd.seats.iter().all(|taken| taken.seat.borrow().is_finished(now))
        };
        self.until(give_up, done).await
    }

    /// Waits until everybody here has all of these messages and has acknowledged them, and a little longer.
    pub async fn until_received(&mut self, sent: &[Sent], give_up: u64) -> Result<bool> {
        let has_all = |crowd: &Self| {
            crowd.seats.iter().all(|taken| {
                let seat = taken.seat.borrow();
                seat.is_flushed() && seat.ledger.received >= seat.ledger.expects(&crowd.party, sent)
            })
        };
        let all = self.until(give_up, has_all).await?;
        self.hold(tokio::time::sleep(LINGER)).await?;
        Ok(all)
    }

    pub fn sent(&self) -> Vec<Sent> {
        self.seats.iter().flat_map(|taken| taken.seat.borrow().sent().collect::<Vec<_>>()).collect()
    }

    /// Closes the books of who is here.
    pub fn settle(&self, sent: &[Sent]) {
        let hall = self.hall.borrow();
        let mut outcome = hall.outcome.borrow_mut();
        for taken in &self.seats {
            let seat = taken.seat.borrow();
            outcome.tally.add(seat.ledger.verdict(&self.party, sent));
            outcome.unanswered += seat.unanswered();
        }
    }

    /// These members say goodbye; their ledgers, by number.
    pub async fn part(&mut self, who: impl Fn(u32) -> bool) -> Result<Vec<(u32, Ledger)>> {
        let mut ledgers = Vec::new();
        for Taken { number, seat, task } in self.seats.extract_if(.., |taken| who(taken.number)) {
            task.abort();
            while Rc::strong_count(&seat) > 1 {
                tokio::task::yield_now().await;
            }
            let seat = Rc::into_inner(seat).context("a connection is still served")?;
            ledgers.push((number, seat.into_inner().leave().await?));
        }
        Ok(ledgers)
    }
}

/// Ends with the first connection that broke; never without.
async fn watch(tasks: &mut JoinSet<Result<()>>) -> anyhow::Error {
    loop {
        match tasks.join_next().await {
            None => return std::future::pending().await,
            Some(Err(error)) if error.is_cancelled() => {}
            Some(Err(error)) => return anyhow!(error).context("a connection ended abnormally"),
            Some(Ok(Err(error))) => return error,
            Some(Ok(Ok(()))) => return anyhow!("a connection ended"),
        }
    }
}
