//! Presence: who is told that who is here, and when they were last seen.
//! Flow: heartbeat -> `here` -> the store; the store's feed -> `News` -> `Watcher`s of that person -> at the next of its moments
//!       one look for each -> `Watcher::take` by the connection. Asked for: `subscribe` -> `judge` -> the same way, 250 ms later.
//! Always true:
//! - a connection is told of people it subscribed to and may see, and of nobody else; of others no frame, error or delay tells
//!   anything. Who loses the right is told so once, if told anything before;
//! - what waits for a slow connection is the newest state of each person, at most as many as it subscribed to;
//! - a heartbeat touches the store alone: no allocation, no task, no write.
//!
//! Elsewhere: leases are the `PresenceStore`'s, the right to see is `Visibility`'s, frames are the gateway's.

mod last_seen;
mod visibility;
mod watcher;

pub use visibility::Visibility;
pub use watcher::{PersonPresence, Subscriber, Watcher};

use crate::limiter::Subject;
use crate::people::PeopleObserver;
use crate::{Domain, Refusal};
use last_seen::LastSeenBook;
use parking_lot::Mutex;
use sotto_ports::{DirectoryStore, Lease, PresenceFeed, PresenceState, PresenceStore, StoreError};
use sotto_types::{AccountId, Clock, DeviceAddress, ErrorCode, Timestamp, limits};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};
use watcher::{Rights, Verdict, Wanted};

/// A connection is told of changes at moments so far apart, together what came between two of them. The moments of different
/// connections lie between each other: what many watch is not told to all of them at once.
pub const BATCH: Duration = Duration::from_millis(250);
/// Different moments within that time.
const MOMENTS: u64 = 50;
const MOMENT: Duration = Duration::from_millis(BATCH.as_millis() as u64 / MOMENTS);
const TICK: Duration = Duration::from_secs(1);
/// Subscriptions of all connections together: about 200 bytes each.
const SUBSCRIPTIONS_MAX: usize = 2_000_000;
const FULL_AGAIN: Duration = Duration::from_secs(10);
const SHARDS: usize = 64;
/// Watchers after which the thread goes to those that were woken, which then write while the rest is told.
const YIELD_AFTER: usize = 64;

/// The next of a watcher's moments: after `now`, at most `BATCH` after it.
fn next_moment(began: Instant, watcher: u64, now: Instant) -> Instant {
    let passed = now.saturating_duration_since(began);
    let in_round =
        Duration::from_nanos(u64::try_from(passed.as_nanos() % BATCH.as_nanos()).expect("less than a batch"));
    let own = MOMENT * u32::try_from(watcher % MOMENTS).expect("below MOMENTS");
    let round = now - in_round;
    if own > in_round { round + own } else { round + BATCH + own }
}

/// What the store told and nobody was told yet: the newest state of each person, of those alone who are watched.
#[derive(Default)]
struct News {
    states: Mutex<HashMap<AccountId, PresenceState>>,
    filled: Notify,
    book: LastSeenBook,
}

impl PresenceFeed for News {
    fn changed(&self, account: AccountId, state: PresenceState) {
        self.states.lock().insert(account, state);
        self.filled.notify_one();
    }

    fn ended(&self, account: AccountId, last_seen: Timestamp) {
        self.book.note(account, last_seen);
    }
}

type Watchers = BTreeMap<u64, Arc<Watcher>>;

fn take_out(from: &mut HashMap<AccountId, Watchers>, account: AccountId, watcher: u64) {
    if let Some(watchers) = from.get_mut(&account) {
        watchers.remove(&watcher);
        if watchers.is_empty() {
            from.remove(&account);
        }
    }
}

/// One for the process. `run` does what is not done at once.
pub struct Presence {
    store: Arc<dyn PresenceStore>,
    directory: Arc<dyn DirectoryStore>,
    visibility: Arc<dyn Visibility>,
    clock: Arc<dyn Clock>,
    news: Arc<News>,
    /// Who watches whom.
    people: Box<[Mutex<HashMap<AccountId, Watchers>>]>,
    /// Who watches anybody, by account.
    viewers: Mutex<HashMap<AccountId, Watchers>>,
    hasher: RandomState,
    subscriptions: AtomicUsize,
    next_watcher: AtomicU64,
    /// Watchers with something to tell, each once, in order of time.
    due: Mutex<BTreeMap<(Instant, u64), Arc<Watcher>>>,
    /// From here moments are counted.
    began: Instant,
    due_filled: Notify,
    /// Subscriptions whose right must be looked at again: each once.
    doubted: Mutex<VecDeque<(Arc<Watcher>, AccountId)>>,
    doubted_filled: Notify,
}

impl fmt::Debug for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presence").field("subscriptions", &self.subscriptions).finish_non_exhaustive()
    }
}

impl Presence {
    /// `store` makes the store with the feed that this hears.
    pub fn new(
        store: impl FnOnce(Arc<dyn PresenceFeed>) -> Arc<dyn PresenceStore>,
        directory: Arc<dyn DirectoryStore>,
        visibility: Arc<dyn Visibility>,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let news = Arc::new(News::default());
        Arc::new(Self {
            store: store(news.clone()),
            directory,
            visibility,
            clock,
            news,
            people: (0..SHARDS).map(|_| Mutex::default()).collect(),
            viewers: Mutex::default(),
            hasher: RandomState::new(),
            subscriptions: AtomicUsize::new(0),
            next_watcher: AtomicU64::new(1),
            due: Mutex::default(),
            began: Instant::now(),
            due_filled: Notify::new(),
            doubted: Mutex::default(),
            doubted_filled: Notify::new(),
        })
    }

    /// A heartbeat from the foreground, or a Hello.
    pub fn here(&self, lease: Lease, now: Timestamp) {
        self.store.here(lease, now);
    }

    /// The background, or a goodbye. A connection that breaks says nothing: its lease runs out.
    pub fn away(&self, lease: Lease, now: Timestamp) {
        self.store.away(lease, now);
    }

    pub fn online_count(&self) -> usize {
        self.store.online_count()
    }

    pub fn subscription_count(&self) -> usize {
        self.subscriptions.load(Ordering::Relaxed)
    }

    /// `subscriber` looks when there is something to take. Every watcher ends with `leave`.
    pub fn watcher(&self, viewer: AccountId, subscriber: Arc<dyn Subscriber>) -> Arc<Watcher> {
        Arc::new(Watcher::new(self.next_watcher.fetch_add(1, Ordering::Relaxed), viewer, subscriber))
    }

    /// Subscribes to all of them, or refuses and does nothing. The returned work looks who may be seen; the answer leaves with
    /// the batch that begins now, whatever it finds. Not at the connection's moment: how long was looked would show.
    pub fn subscribe(
        self: &Arc<Self>,
        watcher: &Arc<Watcher>,
        accounts: &[AccountId],
    ) -> Result<impl Future<Output = ()> + Send + use<>, Refusal> {
        if accounts.len() > limits::PRESENCE_ACCOUNTS {
            return Err(Refusal::new(ErrorCode::BadRequest, "a frame names at most 256 accounts"));
        }
        if self.subscription_count().saturating_add(accounts.len()) > SUBSCRIPTIONS_MAX {
            return Err(Refusal::unavailable("the server has no room for more subscriptions", FULL_AGAIN));
        }
        let Wanted { fresh, asked } = watcher.want(accounts)?;
        self.subscriptions.fetch_add(fresh.len(), Ordering::Relaxed);
        self.viewers.lock().entry(watcher.viewer).or_default().insert(watcher.id, Arc::clone(watcher));
        for account in fresh {
            self.watchers(account).lock().entry(account).or_default().insert(watcher.id, Arc::clone(watcher));
            self.store.watch(account);
        }
        if watcher.begin_batch() {
            self.make_due(watcher, Instant::now() + BATCH);
        }
        let (presence, watcher) = (Arc::clone(self), Arc::clone(watcher));
        Ok(async move {
            // After the frames that came with it are answered: their answers do not tell how long this takes.
            tokio::task::yield_now().await;
            presence.judge(&watcher, asked).await;
        })
    }

    /// From these, or from all if none are named.
    pub fn unsubscribe(&self, watcher: &Watcher, accounts: &[AccountId]) {
        if accounts.is_empty() {
            take_out(&mut self.viewers.lock(), watcher.viewer, watcher.id);
        }
        for account in watcher.forget(accounts) {
            self.subscriptions.fetch_sub(1, Ordering::Relaxed);
            self.store.unwatch(account);
            take_out(&mut self.watchers(account).lock(), account, watcher.id);
        }
    }

    /// The connection is gone.
    pub fn leave(&self, watcher: &Watcher) {
        self.unsubscribe(watcher, &[]);
    }

    /// Whether what `from` types is for `to`.
    pub async fn may_type_to(&self, from: AccountId, to: AccountId) -> Result<bool, StoreError> {
        self.visibility.may_type_to(from, to).await
    }

    /// Does what is due, until the returned future is dropped. One per process. What is noted later is written by
    /// `write_last_seen`.
    pub async fn run(&self) {
        let ticks = async {
            let mut interval = tokio::time::interval(TICK);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                interval.tick().await;
                self.tick().await;
            }
        };
        tokio::join!(ticks, self.tell_news(), self.tell_due(), self.judge_doubted(), self.keep_last_seen());
    }

    /// Ends what ran out.
    pub async fn tick(&self) {
        if let Err(error) = self.store.tick(self.clock.now()).await {
            tracing::warn!(%error, "presence was not looked at; trying again");
        }
    }

    fn watchers(&self, of: AccountId) -> &Mutex<HashMap<AccountId, Watchers>> {
        let index = usize::try_from(self.hasher.hash_one(of) % SHARDS as u64).expect("below SHARDS");
        self.people.get(index).expect("below SHARDS")
    }

    fn watchers_of(&self, account: AccountId) -> Vec<Arc<Watcher>> {
        let people = self.watchers(account).lock();
        people.get(&account).map_or_else(Vec::new, |watchers| watchers.values().map(Arc::clone).collect())
    }

    fn doubt(&self, watcher: Arc<Watcher>, subject: AccountId) {
        if watcher.doubt(subject) {
            self.doubted.lock().push_back((watcher, subject));
            self.doubted_filled.notify_one();
        }
    }

    fn make_due(&self, watcher: &Arc<Watcher>, at: Instant) {
        let mut due = self.due.lock();
        let key = (at, watcher.id);
        due.insert(key, Arc::clone(watcher));
        if due.first_key_value().is_some_and(|(first, _)| *first == key) {
            self.due_filled.notify_one();
        }
    }

    async fn tell_news(&self) {
        loop {
            self.news.filled.notified().await;
            let now = Instant::now();
            let states = std::mem::take(&mut *self.news.states.lock());
            for (account, state) in states {
                for (at, watcher) in self.watchers_of(account).iter().enumerate() {
                    if watcher.changed(account, state) {
                        self.make_due(watcher, next_moment(self.began, watcher.id, now));
                    }
                    if at % YIELD_AFTER == YIELD_AFTER - 1 {
                        tokio::task::yield_now().await;
                    }
                }
            }
        }
    }

    async fn tell_due(&self) {
        let mut told = 0;
        loop {
            let now = Instant::now();
            let first = self.due.lock().first_key_value().map(|((at, _), _)| *at);
            match first {
                None => self.due_filled.notified().await,
                Some(at) if at > now => tokio::select! {
                    () = tokio::time::sleep_until(at) => {}
                    // Something that is due earlier came.
                    () = self.due_filled.notified() => {}
                },
                Some(_) => {
                    let due = self.due.lock().pop_first();
                    if let Some((_, watcher)) = due {
                        watcher.end_batch();
                    }
                    told += 1;
                    if told % YIELD_AFTER == 0 {
                        tokio::task::yield_now().await;
                    }
                }
            }
        }
    }

    async fn judge_doubted(&self) {
        loop {
            let next = self.doubted.lock().pop_front();
            match next {
                None => self.doubted_filled.notified().await,
                Some((watcher, account)) => {
                    if let Some(round) = watcher.begin_judging(account) {
                        self.judge(&watcher, vec![(account, round)]).await;
                    }
                }
            }
        }
    }

    /// Looks what may be seen, then what is so. In this order, so that a change between the two is not missed.
    async fn judge(&self, watcher: &Arc<Watcher>, asked: Vec<(AccountId, u32)>) {
        let mut judged = Vec::with_capacity(asked.len());
        for (account, round) in asked {
            judged.push((account, round, self.rights(watcher.viewer, account).await));
        }
        watcher.grant(&judged);
        let granted: Vec<_> = judged.iter().filter(|(_, _, rights)| rights.any()).collect();
        let accounts: Vec<AccountId> = granted.iter().map(|(account, ..)| *account).collect();
        let Ok(online) = self.store.online(&accounts, self.clock.now()).await.inspect_err(not_known) else {
            return;
        };
        let mut verdicts = Vec::with_capacity(judged.len());
        for ((account, round, rights), online) in granted.into_iter().zip(online) {
            let online = online && rights.online;
            let last_seen = if online || !rights.last_seen { Timestamp::ZERO } else { self.last_seen(*account).await };
            let state = PersonPresence { account: *account, online, last_seen, hidden: false };
            verdicts.push(Verdict { round: *round, state });
        }
        let hidden = judged.iter().filter(|(_, _, rights)| !rights.any());
        verdicts.extend(hidden.map(|(account, round, _)| Verdict {
            round: *round,
            state: PersonPresence { account: *account, online: false, last_seen: Timestamp::ZERO, hidden: true },
        }));
        if watcher.answer(&verdicts) {
            self.make_due(watcher, Instant::now() + BATCH);
        }
    }

    /// What cannot be known is not shown.
    async fn rights(&self, viewer: AccountId, subject: AccountId) -> Rights {
        let online = self.visibility.may_see_online(viewer, subject).await;
        let last_seen = self.visibility.may_see_last_seen(viewer, subject).await;
        let known = |may: Result<bool, StoreError>| may.inspect_err(not_known).unwrap_or(false);
        Rights { online: known(online), last_seen: known(last_seen) }
    }

    async fn last_seen(&self, of: AccountId) -> Timestamp {
        let written = self.directory.last_seen(of).await.inspect_err(not_known).ok().flatten();
        written.max(self.news.book.get(of)).unwrap_or_default()
    }
}

fn not_known(error: &StoreError) {
    tracing::warn!(%error, "presence could not be looked up");
}

impl PeopleObserver for Presence {
    /// From here on nothing of it is told until the right was looked at again.
    fn visibility_changed(&self, subject: AccountId, viewer: Option<AccountId>) {
        let watchers = self.watchers_of(subject);
        for watcher in watchers.into_iter().filter(|watcher| viewer.is_none_or(|viewer| watcher.viewer == viewer)) {
            self.doubt(watcher, subject);
        }
        let own =
            viewer.is_none().then(|| self.viewers.lock().get(&subject).map(|own| own.values().cloned().collect()));
        let own: Vec<Arc<Watcher>> = own.flatten().unwrap_or_default();
        for watcher in own {
            watcher.wanted().into_iter().for_each(|account| self.doubt(Arc::clone(&watcher), account));
        }
    }
}

impl Domain {
    /// Counts accounts that a device asks to see.
    pub fn check_presence(&self, of: DeviceAddress, accounts: usize) -> Result<(), Refusal> {
        let cost = u32::try_from(accounts).unwrap_or(u32::MAX);
        self.limiter.check_cost(Subject::PresenceLooks(of), cost, self.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_watcher_has_moments_of_its_own_and_one_in_every_batch_time() {
        let began = Instant::now();
        for after_us in [0, 1, 4_999, 5_000, 125_000, 249_999, 250_000, 250_001, 86_400_123_456] {
            let now = began + Duration::from_micros(after_us);
            let moments: Vec<Instant> = (0..200).map(|watcher| next_moment(began, watcher, now)).collect();
            for (watcher, at) in (0..).zip(&moments) {
                assert!(*at > now && *at <= now + BATCH, "{watcher} after {after_us} us");
                assert_eq!(next_moment(began, watcher, *at), *at + BATCH, "{watcher} after {after_us} us");
                assert_eq!(next_moment(began, watcher, *at - Duration::from_nanos(1)), *at);
            }
            assert_eq!(moments.into_iter().collect::<BTreeSet<_>>().len() as u64, MOMENTS);
        }
    }
}
