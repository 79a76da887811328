//! Who wants to be woken when: one timer for all devices of a process. A thousand of them that gather an ack at the same
//! moment would otherwise each set a timer of their own while the others wait for their message.
//! Always true: nobody is woken before its time, and everybody within tokio's millisecond after it.

use crate::clock::{now_ns, sleep_until};
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::task::Waker;
use tokio::sync::Notify;

#[derive(Debug)]
struct Turn {
    at_ns: u64,
    waker: Waker,
}

impl PartialEq for Turn {
    fn eq(&self, other: &Self) -> bool {
        self.at_ns == other.at_ns
    }
}

impl Eq for Turn {}

impl PartialOrd for Turn {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Turn {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at_ns.cmp(&other.at_ns)
    }
}

#[derive(Debug, Default)]
pub struct Rota {
    turns: RefCell<BinaryHeap<Reverse<Turn>>>,
    /// The first turn is an earlier one than it was.
    sooner: Notify,
}

impl Rota {
    pub fn wake_at(&self, at_ns: u64, waker: &Waker) {
        let mut turns = self.turns.borrow_mut();
        let is_first = turns.peek().is_none_or(|Reverse(first)| at_ns < first.at_ns);
        turns.push(Reverse(Turn { at_ns, waker: waker.clone() }));
        if is_first {
            self.sooner.notify_one();
        }
    }

    fn first(&self) -> Option<u64> {
        self.turns.borrow().peek().map(|Reverse(first)| first.at_ns)
    }

    fn next_due(&self, now: u64) -> Option<Waker> {
        let mut turns = self.turns.borrow_mut();
        let is_due = turns.peek().is_some_and(|Reverse(first)| first.at_ns <= now);
        if is_due { turns.pop().map(|Reverse(turn)| turn.waker) } else { None }
    }

    /// Wakes them in time; never ends.
    pub async fn keep(&self) -> std::convert::Infallible {
        loop {
            let now = now_ns();
            while let Some(waker) = self.next_due(now) {
                waker.wake();
            }
            let first = async {
                match self.first() {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = first => {}
                () = self.sooner.notified() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::NS_PER_S;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::task::Wake;

    /// Notes when it was woken.
    struct Noted(AtomicU64, Notify);

    impl Wake for Noted {
        fn wake(self: Arc<Self>) {
            self.0.store(now_ns(), Ordering::SeqCst);
            self.1.notify_one();
        }
    }

    #[tokio::test]
    async fn each_is_woken_in_its_turn_and_never_early() {
        let rota = Rota::default();
        let now = now_ns();
        let asks: Vec<_> = [9_000_000, 2_000_000, 5_000_000, 0]
            .into_iter()
            .map(|after| (now + after, Arc::new(Noted(AtomicU64::new(0), Notify::new()))))
            .collect();
        // Far away: nothing waits for it.
        rota.wake_at(now + 1_000 * NS_PER_S, Waker::noop());
        let asking = async {
            for (at, noted) in &asks {
                rota.wake_at(*at, &Waker::from(Arc::clone(noted)));
                // Also while it waits already for a later one.
                tokio::task::yield_now().await;
            }
            for (_, noted) in &asks {
                noted.1.notified().await;
            }
        };
        tokio::select! {
            _ = rota.keep() => {}
            () = asking => {}
        }
        let mut woken: Vec<_> = asks.iter().map(|(at, noted)| (*at, noted.0.load(Ordering::SeqCst))).collect();
        assert!(woken.iter().all(|(at, woken)| woken >= at), "{woken:?}");
        woken.sort();
        assert!(woken.is_sorted_by_key(|(_, woken)| *woken), "{woken:?}");
        assert_eq!(rota.turns.borrow().len(), 1, "who was woken is forgotten");
    }
}
