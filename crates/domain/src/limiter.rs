//! Rate limits: one token bucket per (limit, subject), as a single atomic number.
//! Flow: `check` -> the bucket's theoretical arrival time moves on by the cost, or the request is refused with the time after
//!       which it would pass.
//! Always true:
//! - memory is bounded: buckets idle longest are forgotten, which only ever lets more through;
//! - addresses before sign-in cannot push out the buckets of signed-in devices;
//! - a clock that jumps back locks nobody out.

use crate::Refusal;
use crate::config::{Rate, RateLimits};
use quick_cache::UnitWeighter;
use quick_cache::sync::{Cache, DefaultLifecycle};
use sotto_types::{AccountId, ClientIp, DeviceAddress, Timestamp};
use std::convert::Infallible;
use std::fmt;
use std::hash::{Hash, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum AddressLimit {
    Registration,
    Challenge,
    SignIn,
    Link,
    LinkPoll,
    RecoveryChallenge,
    Recovery,
    DeviceAddition,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    Sends(DeviceAddress),
    Reads(DeviceAddress),
    KeyUploads(DeviceAddress),
    LookUps(AccountId),
    DeviceLists(AccountId),
    Bundles(AccountId),
    /// (who takes, whose)
    BundlesOfOne(AccountId, AccountId),
    Changes(AccountId),
    Contacts(AccountId),
    /// By who makes them.
    Reports(AccountId),
    GroupOperations(AccountId),
    /// Acks of entries that were not delivered on the same connection: each costs a look into the store.
    StrayAcks(DeviceAddress),
    /// Accounts named in subscriptions to presence: each costs a look into the store or its cache.
    PresenceLooks(DeviceAddress),
    /// Link sessions of everybody: they share their memory with the challenges that sign-ins use up.
    AllLinks,
}

/// Ten, which come back in a day: a report costs 1,440.
const REPORTS: Rate = Rate::new(14_400, 10);
/// A new connection may ack what the one before it took.
const STRAY_ACKS: Rate = Rate::new(16_384, 30_000);
/// Somebody who scrolls fast through a thousand conversations, back and forth.
const PRESENCE_LOOKS: Rate = Rate::new(8_192, 12_000);
/// At most about 50,000 live ones.
const ALL_LINKS: Rate = Rate::new(20_000, 3_000);

/// Microseconds since the Unix epoch at which the bucket will be full again.
type Bucket = Arc<AtomicU64>;
type Buckets<K> = Cache<K, Bucket, UnitWeighter, RandomState, DefaultLifecycle<K, Bucket>>;

pub(crate) struct Limiter {
    limits: RateLimits,
    subjects: Buckets<Subject>,
    addresses: Buckets<(AddressLimit, IpAddr)>,
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Limiter {
    pub fn new(limits: RateLimits) -> Self {
        let subjects = buckets(limits.remembered_devices);
        let addresses = buckets(limits.remembered_addresses);
        Self { limits, subjects, addresses }
    }

    pub fn check(&self, subject: Subject, now: Timestamp) -> Result<(), Refusal> {
        self.check_cost(subject, 1, now)
    }

    pub fn check_cost(&self, subject: Subject, cost: u32, now: Timestamp) -> Result<(), Refusal> {
        let rate = match subject {
            Subject::Sends(_) => self.limits.sends,
            Subject::Reads(_) => self.limits.reads,
            Subject::KeyUploads(_) => self.limits.key_uploads,
            Subject::LookUps(_) => self.limits.look_ups,
            Subject::DeviceLists(_) => self.limits.device_lists,
            Subject::Bundles(_) => self.limits.bundles,
            Subject::BundlesOfOne(..) => self.limits.bundles_of_one,
            Subject::Changes(_) => self.limits.changes,
            Subject::Contacts(_) => self.limits.contacts,
            Subject::GroupOperations(_) => self.limits.group_operations,
            Subject::Reports(_) => REPORTS,
            Subject::StrayAcks(_) => STRAY_ACKS,
            Subject::PresenceLooks(_) => PRESENCE_LOOKS,
            Subject::AllLinks => ALL_LINKS,
        };
        take(&bucket(&self.subjects, subject), rate, cost, now).map_err(Refusal::rate_limited)
    }

    pub fn check_address(&self, limit: AddressLimit, ip: IpAddr, now: Timestamp) -> Result<(), Refusal> {
        let client = ClientIp(ip);
        if self.limits.exempt_loopback && client.is_loopback() {
            return Ok(());
        }
        let rate = match limit {
            AddressLimit::Registration => self.limits.registrations,
            AddressLimit::Challenge | AddressLimit::SignIn => self.limits.sign_ins,
            AddressLimit::Link => self.limits.links,
            AddressLimit::LinkPoll => self.limits.link_polls,
            AddressLimit::RecoveryChallenge | AddressLimit::Recovery => self.limits.recoveries,
            AddressLimit::DeviceAddition => self.limits.device_additions,
        };
        take(&bucket(&self.addresses, (limit, client.subscriber())), rate, 1, now).map_err(Refusal::rate_limited)
    }
}

fn buckets<K: Hash + Eq>(capacity: usize) -> Buckets<K> {
    // A small first size: memory follows use, not the bound.
    let first_size = capacity.min(1024);
    let bound = u64::try_from(capacity.max(1)).unwrap_or(u64::MAX);
    Cache::with(first_size, bound, UnitWeighter, RandomState::new(), DefaultLifecycle::default())
}

fn bucket<K: Hash + Eq + Clone>(buckets: &Buckets<K>, key: K) -> Bucket {
    let made = buckets.get_or_insert_with(&key, || Ok::<_, Infallible>(Bucket::default()));
    made.unwrap_or_else(|never| match never {})
}

/// How much later than this call's clock another call's may have been.
const OVERTAKING_US: u64 = 5_000_000;

/// GCRA. `Err` carries how long until the same request would pass.
fn take(bucket: &AtomicU64, rate: Rate, cost: u32, now: Timestamp) -> Result<(), Duration> {
    let now = now.as_ms().saturating_mul(1000);
    let per_token = 60_000_000 / u64::from(rate.per_minute.max(1));
    let full = per_token.saturating_mul(u64::from(rate.burst.max(1)));
    let price = per_token.saturating_mul(u64::from(cost)).min(full);
    let mut seen = bucket.load(Ordering::Relaxed);
    loop {
        // Fuller than any bucket gets (but for calls that overtake one another): the clock jumped back. Begin anew.
        let jumped = seen > now.saturating_add(full).saturating_add(OVERTAKING_US);
        let start = if jumped { now } else { seen.max(now) };
        let end = start.saturating_add(price);
        let over = end.saturating_sub(now.saturating_add(full));
        if over > 0 {
            return Err(Duration::from_micros(over));
        }
        match bucket.compare_exchange_weak(seen, end, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return Ok(()),
            Err(other) => seen = other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_ms(1_000_000 + ms)
    }

    #[test]
    fn a_bucket_gives_its_burst_then_its_rate() {
        let bucket = AtomicU64::default();
        let rate = Rate::new(3, 60);
        for _ in 0..3 {
            assert_eq!(take(&bucket, rate, 1, at(0)), Ok(()));
        }
        assert_eq!(take(&bucket, rate, 1, at(0)), Err(Duration::from_secs(1)));
        assert_eq!(take(&bucket, rate, 1, at(999)), Err(Duration::from_millis(1)));
        assert_eq!(take(&bucket, rate, 1, at(1000)), Ok(()));
        assert_eq!(take(&bucket, rate, 3, at(1000)), Err(Duration::from_secs(3)));
        assert_eq!(take(&bucket, rate, 3, at(4000)), Ok(()));
        assert_eq!(take(&bucket, rate, 100, at(7000)), Ok(()), "a cost above the burst takes a full bucket");
    }

    #[test]
    fn a_clock_that_jumps_back_does_not_lock_out() {
        let bucket = AtomicU64::default();
        let rate = Rate::new(2, 60);
        assert_eq!(take(&bucket, rate, 1, Timestamp::from_ms(10_000_000)), Ok(()));
        assert_eq!(take(&bucket, rate, 2, at(0)), Ok(()));
        assert_eq!(take(&bucket, rate, 1, at(0)), Err(Duration::from_secs(1)));
        assert_eq!(take(&bucket, rate, 1, at(1000)), Ok(()));
    }

    #[test]
    fn addresses_count_by_network_and_loopback_is_free() {
        let limits = RateLimits { links: Rate::new(1, 1), ..RateLimits::default() };
        let limiter = Limiter::new(limits.clone());
        let check = |ip: &str| limiter.check_address(AddressLimit::Link, ip.parse().unwrap(), at(0)).is_ok();
        for (ip, want) in [
            ("203.0.113.1", true),
            ("203.0.113.1", false),
            ("::ffff:203.0.113.1", false),
            ("203.0.113.2", true),
            ("2001:db8::1", true),
            ("2001:db8::2", false),
            ("2001:db8:0:1::1", true),
            ("127.0.0.1", true),
            ("127.0.0.1", true),
            ("::1", true),
            ("::1", true),
        ] {
            assert_eq!(check(ip), want, "{ip}");
        }
        let strict = Limiter::new(RateLimits { exempt_loopback: false, ..limits });
        let home = IpAddr::from([127, 0, 0, 1]);
        assert!(strict.check_address(AddressLimit::Link, home, at(0)).is_ok());
        assert!(strict.check_address(AddressLimit::Link, home, at(0)).is_err());
    }

    #[test]
    fn the_number_of_buckets_is_bounded() {
        let limiter = Limiter::new(RateLimits { remembered_addresses: 100, ..RateLimits::default() });
        for host in 0..10_000u32 {
            let ip = IpAddr::from(host.to_be_bytes());
            limiter.check_address(AddressLimit::Link, ip, at(0)).ok();
        }
        assert!(limiter.addresses.len() <= 100);
    }
}
