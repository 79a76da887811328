//! The gateway of one node: who is connected, how many may be, and one sweeper for every deadline.
//! Always true:
//! - each connection is in the registry from its handshake until its task ends, and is counted as long;
//! - deadlines are looked at once per tick, for all connections together: no timer per connection.

use crate::config::GatewayConfig;
use crate::connection::Connection;
use crate::handle::Handle;
use crate::router::Router;
use crate::stats::Stats;
use parking_lot::Mutex;
use sotto_domain::{Domain, PeopleObserver, Presence};
use sotto_types::{ClientIp, Clock};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// Reconnects of a small node need not be spread over the whole span: this long for each connection.
const DRAIN_PER_CONNECTION: Duration = Duration::from_millis(3);
/// What the unfinished messages over 64 KiB of all connections may take together; the next one is refused.
const UNFINISHED_BYTES_MAX: usize = 256 << 20;
const DRAIN_SPAN_MIN: Duration = Duration::from_secs(1);

pub struct Gateway {
    pub(crate) domain: Arc<Domain>,
    pub(crate) router: Arc<Router>,
    pub(crate) presence: Arc<Presence>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: GatewayConfig,
    pub(crate) stats: Stats,
    connections: Mutex<HashMap<u64, Arc<Handle>>>,
    by_ip: Mutex<HashMap<IpAddr, usize>>,
    next_id: AtomicU64,
    /// What large unfinished messages of all connections hold.
    unfinished: AtomicUsize,
    tick: AtomicU32,
    draining: AtomicBool,
    one_left: Notify,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("connections", &self.connections.lock().len()).finish_non_exhaustive()
    }
}

/// Why a connection is not taken. The name is the metric's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotAdmitted {
    Full,
    TooManyOfAddress,
    Draining,
}

impl NotAdmitted {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::TooManyOfAddress => "too_many_of_address",
            Self::Draining => "draining",
        }
    }
}

/// A place for one connection; free again when dropped.
pub(crate) struct Permit {
    gateway: Arc<Gateway>,
    id: u64,
    address: Option<IpAddr>,
    /// What it holds of `Gateway::unfinished`.
    unfinished: usize,
}

impl Permit {
    /// Notes how much a large unfinished message takes. False if all of them take too much together.
    pub(crate) fn may_hold(&mut self, bytes: usize) -> bool {
        if bytes == self.unfinished {
            return true;
        }
        let all = &self.gateway.unfinished;
        all.fetch_add(bytes, Ordering::Relaxed);
        let others = all.fetch_sub(self.unfinished, Ordering::Relaxed) - self.unfinished - bytes;
        self.unfinished = bytes;
        bytes == 0 || others <= UNFINISHED_BYTES_MAX
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.may_hold(0);
        if let Some(address) = self.address {
            let mut by_ip = self.gateway.by_ip.lock();
            if let Some(count) = by_ip.get_mut(&address) {
                *count -= 1;
                if *count == 0 {
                    by_ip.remove(&address);
                }
            }
        }
        self.gateway.stats.connections.decrement(1.0);
        let left = {
            let mut connections = self.gateway.connections.lock();
            connections.remove(&self.id);
            connections.len()
        };
        if left == 0 {
            self.gateway.one_left.notify_waiters();
        }
    }
}

impl Gateway {
    /// `router` is the one that the store's feed and the domain were given.
    pub fn new(
        domain: Arc<Domain>,
        router: Arc<Router>,
        presence: Arc<Presence>,
        clock: Arc<dyn Clock>,
        config: GatewayConfig,
    ) -> Arc<Self> {
        let observer: Weak<dyn PeopleObserver> = Arc::<Presence>::downgrade(&presence);
        domain.people().observe(observer);
        Arc::new(Self {
            domain,
            router,
            presence,
            clock,
            config,
            stats: Stats::default(),
            connections: Mutex::default(),
            by_ip: Mutex::default(),
            next_id: AtomicU64::new(1),
            unfinished: AtomicUsize::new(0),
            tick: AtomicU32::new(1),
            draining: AtomicBool::new(false),
            one_left: Notify::new(),
        })
    }

    pub fn connection_count(&self) -> usize {
        self.connections.lock().len()
    }

    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub(crate) fn tick(&self) -> u32 {
        self.tick.load(Ordering::Relaxed)
    }

    /// The tick at which `after` is over for certain.
    pub(crate) fn ticks_from_now(&self, after: Duration) -> u32 {
        self.tick().saturating_add(self.ticks(after)).saturating_add(1)
    }

    fn ticks(&self, of: Duration) -> u32 {
        let tick_ms = self.config.tick.as_millis().max(1);
        u32::try_from(of.as_millis().div_ceil(tick_ms)).unwrap_or(u32::MAX)
    }

    /// Takes a place for a connection from `address`, which has until `hello_timeout` to say Hello.
    pub(crate) fn admit(self: &Arc<Self>, client: ClientIp) -> Result<(Permit, Arc<Handle>), NotAdmitted> {
        if self.is_draining() {
            return Err(NotAdmitted::Draining);
        }
        let address = (!client.is_loopback()).then(|| client.subscriber());
        if let Some(address) = address {
            let mut by_ip = self.by_ip.lock();
            let count = by_ip.entry(address).or_default();
            if *count >= self.config.max_connections_per_ip {
                return Err(NotAdmitted::TooManyOfAddress);
            }
            *count += 1;
        }
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        // From here on dropping the permit undoes the counting.
        self.stats.connections.increment(1.0);
        let permit = Permit { gateway: self.clone(), id, address, unfinished: 0 };
        let deadline = self.ticks_from_now(self.config.hello_timeout);
        let handle = Arc::new(Handle::new(id, self.config.window_entries, deadline));
        let mut connections = self.connections.lock();
        if connections.len() >= self.config.max_connections {
            drop(connections);
            return Err(NotAdmitted::Full);
        }
        connections.insert(id, handle.clone());
        Ok((permit, handle))
    }

    /// Runs one connection on a task of its own, from behind the handshake to its end.
    pub(crate) fn run<S>(self: &Arc<Self>, stream: S, read_ahead: &[u8], permit: Permit, handle: Arc<Handle>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        tokio::spawn(Connection::new(stream, read_ahead, self.clone(), handle, permit));
    }

    /// When the session of `handle` is gone, however it ended.
    pub(crate) fn forget(&self, handle: &Handle) {
        if let Some(address) = handle.address() {
            self.router.unregister(address, handle);
        }
    }

    /// Looks at all deadlines, once per tick, until `stop`.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let mut interval = tokio::time::interval(self.config.tick);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = interval.tick() => self.sweep(),
            }
        }
    }

    pub(crate) fn sweep(&self) {
        let tick = self.tick.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let write_timeout = self.ticks(self.config.write_timeout);
        for handle in self.connections.lock().values() {
            handle.expire_if_due(tick, write_timeout);
        }
        self.stats.online.set(self.presence.online_count() as f64);
        self.stats.subscriptions.set(self.presence.subscription_count() as f64);
    }

    #[cfg(test)]
    pub(crate) fn waiting_in_mailboxes(&self) -> usize {
        self.connections.lock().values().map(|handle| handle.waiting()).sum()
    }

    /// Takes no more connections, tells every client when to come back, lets sends in flight finish, and closes.
    /// Returns how many connections were still open when `drain_timeout` was over.
    pub async fn drain(&self) -> usize {
        self.draining.store(true, Ordering::Relaxed);
        {
            let connections = self.connections.lock();
            let count = u32::try_from(connections.len()).unwrap_or(u32::MAX);
            let span = DRAIN_PER_CONNECTION.saturating_mul(count).max(DRAIN_SPAN_MIN).min(self.config.drain_span);
            let span_ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX).max(1);
            let spread = RandomState::new();
            for handle in connections.values() {
                handle.drain(u32::try_from(spread.hash_one(handle.id) % span_ms).unwrap_or(u32::MAX));
            }
        }
        let all_gone = async {
            loop {
                let one_left = self.one_left.notified();
                tokio::pin!(one_left);
                one_left.as_mut().enable();
                if self.connection_count() == 0 {
                    return;
                }
                one_left.await;
            }
        };
        // Over time, the rest is cut off: what it sent is stored or not, and its clients repeat it.
        let _ = tokio::time::timeout(self.config.drain_timeout, all_gone).await;
        self.connection_count()
    }
}
