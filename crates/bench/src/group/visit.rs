//! A device that was away comes back, gets everything it missed, acknowledges it, and goes again.

use super::Party;
use super::ledger::Ledger;
use crate::clock::{now_ns, until};
use crate::frames::Incoming;
use crate::link::Link;
use crate::target::Target;
use anyhow::Result;
use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use tokio::time::Sleep;

/// Who comes back.
#[derive(Debug)]
pub struct Visitor<'a> {
    pub target: &'a Target,
    pub source: u32,
    pub token: String,
    pub party: &'a Party,
    pub ledger: &'a mut Ledger,
}

/// From the opening of the socket on.
#[derive(Debug, Clone, Copy)]
pub struct Visit {
    pub welcome_ns: u64,
    /// Until everything missed has arrived and the server said that the queue is drained.
    pub drained_ns: u64,
    pub bytes: u64,
}

impl Visitor<'_> {
    /// Stays until the ledger has received `wanted` in all; `None` if that did not happen in time.
    pub async fn visit(self, wanted: u64, give_up: u64) -> Result<Option<Visit>> {
        let begun = now_ns();
        let Self { target, source, token, party, ledger } = self;
        let mut drained = false;
        let visiting = async {
            let mut take = |incoming: Incoming<'_>| {
                drained |= incoming == Incoming::Drained;
                ledger.take_incoming(party, incoming)?;
                Ok(())
            };
            let mut link = Link::open(target, source, token, &mut take).await?;
            let welcome_ns = now_ns() - begun;
            let mut visit = None;
            let mut until_ack: Option<Pin<Box<Sleep>>> = None;
            poll_fn(|cx| {
                if until_ack.as_mut().is_some_and(|sleep| sleep.as_mut().poll(cx).is_ready()) {
                    until_ack = None;
                }
                let mut on = |incoming: Incoming<'_>| {
                    drained |= incoming == Incoming::Drained;
                    ledger.take_incoming(party, incoming)?;
                    Ok(())
                };
                if let Err(error) = link.poll_incoming(cx, &mut on) {
                    return Poll::Ready(Err(error));
                }
                if visit.is_none() && drained && ledger.received >= wanted {
                    visit = Some(Visit { welcome_ns, drained_ns: now_ns() - begun, bytes: link.bytes_read });
                }
                if let (Some(due), None) = (link.acks_due_ns(), &until_ack) {
                    let sleep = until_ack.insert(Box::pin(tokio::time::sleep(until(due))));
                    if sleep.as_mut().poll(cx).is_ready() {
                        cx.waker().wake_by_ref();
                    }
                }
                match link.poll_flush(cx) {
                    Err(error) => Poll::Ready(Err(error)),
                    Ok(()) if visit.is_some() && link.waiting() == 0 => Poll::Ready(Ok(())),
                    Ok(()) => Poll::Pending,
                }
            })
            .await?;
            link.close_in_peace().await?;
            anyhow::Ok(visit)
        };
        match tokio::time::timeout(until(give_up), visiting).await {
            Ok(visit) => visit,
            // What is missing by then is counted as missing.
            Err(_) => Ok(None),
        }
    }
}
