//! Every number that an operator may want to change. The defaults let a normal client, an office behind one address and
//! `sotto-bench` through, and stop scripts that enumerate names, drain prekeys or fill the store.

use serde::{Deserialize, Serialize};
use sotto_types::limits;

/// Who may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegistrationPolicy {
    Open,
    /// With a code that the operator made.
    Invite,
    Closed,
}

impl RegistrationPolicy {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Invite => "invite",
            Self::Closed => "closed",
        }
    }
}

/// A token bucket: `burst` at once, then `per_minute`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    pub burst: u32,
    pub per_minute: u32,
}

impl Rate {
    pub const fn new(burst: u32, per_minute: u32) -> Self {
        Self { burst, per_minute }
    }
}

/// Limits by device, by account, by pair of accounts, and (before sign-in) by the client's address: one IPv4 address or
/// one IPv6 /64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimits {
    /// Requests from this machine count against no address limit. Set to false if an untrusted proxy runs here.
    pub exempt_loopback: bool,
    /// Buckets remembered for devices and accounts; beyond, those idle longest start anew.
    pub remembered_devices: usize,
    /// Buckets remembered for addresses.
    pub remembered_addresses: usize,
    /// Sends per device.
    pub sends: Rate,
    /// Read positions per device.
    pub reads: Rate,
    /// Registrations per address.
    pub registrations: Rate,
    /// Challenges and sign-ins, each, per address.
    pub sign_ins: Rate,
    /// Link sessions opened per address.
    pub links: Rate,
    /// Polls of link sessions per address.
    pub link_polls: Rate,
    /// Recovery challenges and attempts, each, per address.
    pub recoveries: Rate,
    /// Devices added or restored per address (each try verifies about 200 signatures).
    pub device_additions: Rate,
    /// Username look-ups per account: finding someone is cheap, listing everyone is not.
    pub look_ups: Rate,
    /// Device lists and profiles fetched per account.
    pub device_lists: Rate,
    /// Prekey bundles one account may take of one other account: a stranger must not use up somebody's one-time keys.
    pub bundles_of_one: Rate,
    /// Prekey bundles one account may take in all.
    pub bundles: Rate,
    /// Prekey uploads per device.
    pub key_uploads: Rate,
    /// Changes of the account per account: devices, link codes, recovery code, blocks, privacy settings, profile.
    pub changes: Rate,
    /// Contacts made and unmade per account.
    pub contacts: Rate,
    /// Operations on groups per account: creating, adding, removing, titles.
    pub group_operations: Rate,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            exempt_loopback: true,
            remembered_devices: 200_000,
            remembered_addresses: 50_000,
            sends: Rate::new(10_000, 120_000),
            reads: Rate::new(2_000, 12_000),
            registrations: Rate::new(50, 10),
            sign_ins: Rate::new(2_000, 6_000),
            links: Rate::new(60, 60),
            link_polls: Rate::new(240, 240),
            recoveries: Rate::new(30, 20),
            device_additions: Rate::new(30, 20),
            look_ups: Rate::new(100, 20),
            device_lists: Rate::new(2_000, 1_200),
            bundles_of_one: Rate::new(60, 1),
            bundles: Rate::new(5_000, 1_200),
            key_uploads: Rate::new(30, 10),
            changes: Rate::new(200, 60),
            contacts: Rate::new(1_000, 600),
            group_operations: Rate::new(300, 120),
        }
    }
}

#[derive(Debug, Clone)]
pub struct DomainConfig {
    pub registration: RegistrationPolicy,
    pub limits: RateLimits,
    /// What `GET /v1/server` says.
    pub version: String,
    /// Accounts one account may block.
    pub blocks_max: usize,
    /// Accounts one account may have as contacts.
    pub contacts_max: usize,
    /// Reports kept for the operator.
    pub reports_max: usize,
    /// What strangers send waits until it is accepted, and receipts go to contacts only. False: everybody counts as accepting
    /// everybody.
    pub requests: bool,
    /// Link polls waiting at once in this process; more are told to come back.
    pub link_waiters_max: usize,
}

impl Default for DomainConfig {
    fn default() -> Self {
        Self {
            registration: RegistrationPolicy::Invite,
            limits: RateLimits::default(),
            version: env!("CARGO_PKG_VERSION").into(),
            blocks_max: 10_000,
            contacts_max: limits::CONTACTS,
            reports_max: 10_000,
            requests: true,
            link_waiters_max: 10_000,
        }
    }
}
