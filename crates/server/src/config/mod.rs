//! The configuration: one struct per section. The comments here are the documentation: `sottod config --explain` and
//! docs/configuration.md print them.
//! Flow: defaults <- sotto.toml <- environment (SOTTO_SECTION_KEY) <- flags (`load`) -> checked whole (`check`) -> plain values.
//! Always true: an unknown key, a wrong type or a contradiction is refused before anything starts, all of them at once.

mod check;
mod explain;
mod load;

pub use explain::{markdown, print_explained};
pub use load::{Flags, Loaded, load};

use serde::{Deserialize, Serialize};

/// A key and what it means.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub section: &'static str,
    pub name: &'static str,
    pub comment: &'static str,
}

macro_rules! config {
    ($($(#[doc = $about:literal])+ $section:ident: $type:ident {
        $($(#[doc = $doc:literal])+ $key:ident: $of:ty = $default:expr,)*
    })*) => {
        $($(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $type { $($(#[doc = $doc])+ pub $key: $of,)* }

        impl Default for $type {
            fn default() -> Self { Self { $($key: $default.into(),)* } }
        })*

        /// Everything an operator can set.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Config { $($(#[doc = $about])+ pub $section: $type,)* }

        /// Every section and what it is about, in order.
        pub const SECTIONS: &[(&str, &str)] = &[$((stringify!($section), concat!($($about, "\n"),+)),)*];

        /// Every key, in order.
        pub const KEYS: &[Key] = &[$($(Key {
            section: stringify!($section),
            name: stringify!($key),
            comment: concat!($($doc, "\n"),+),
        },)*)*];
    };
}

/// A rate limit: so many at once, then so many per minute.
pub use sotto_domain::Rate;

config! {
    /// Where the server listens and keeps its data.
    server: Server {
        /// Address and port for clients. Port 0 takes a free one, which is printed at start.
        listen: String = "127.0.0.1:8080",
        /// Folder for everything the server keeps. Made at the first start, with access for this user only.
        data: String = "./data",
        /// File with the TLS certificate chain (PEM). Read again when it changes and on SIGHUP.
        tls_cert: String = "",
        /// File with the certificate's private key (PEM).
        tls_key: String = "",
        /// Set to true if a reverse proxy in front of the server does TLS. Without it and without a certificate the server
        /// listens on loopback addresses only: access tokens must not travel in the clear.
        behind_proxy: bool = false,
        /// Addresses or networks ("10.0.0.0/8") of reverse proxies whose X-Forwarded-For header is believed, for limits per
        /// address.
        trusted_proxies: Vec<String> = Vec::<String>::new(),
        /// Threads that serve connections; 0 is one per processor core.
        workers: u32 = 0u32,
    }
    /// Who may make an account.
    registration: Registration {
        /// "open": anyone who reaches the server. "invite": whoever has a code made by `sottod invite`. "closed": nobody.
        /// "auto": open if the server listens on loopback only (and no proxy is in front), else invite.
        policy: String = "auto",
    }
    /// Who may write to whom.
    messages: Messages {
        /// What strangers send is a request until it is accepted: until then they get no receipts. False: everybody counts as
        /// accepting everybody, for a server whose people all know each other.
        requests: bool = true,
    }
    /// The web app, which the server serves at /.
    web: Web {
        /// Serve it. Without it, people use other clients; the API stays.
        enabled: bool = true,
        /// Folder to serve instead of the app inside this program: a copy of web/dist, perhaps changed. Read at start.
        dir: String = "",
        /// Where the source code of what runs here is offered ("https://..."): the app links to it, as the AGPL (section 13) asks
        /// of whoever changed the program.
        source_url: String = "",
        /// Let anybody see how many people are online and what heartbeats cost (`GET /v1/developer/stats`): for the page about
        /// presence in the web app's developer corner. On a server of few people it tells who is online; so only where nobody minds.
        developer_stats: bool = false,
    }
    /// WebSocket connections of devices.
    gateway: Gateway {
        /// Seconds a client has to finish TLS, to send a request's head, and to say Hello.
        hello_timeout_s: u32 = 10u32,
        /// Seconds without any frame after which a connection is closed. Clients send a heartbeat every 30 s.
        idle_timeout_s: u32 = 65u32,
        /// Seconds a client may take no bytes while some wait for it.
        write_timeout_s: u32 = 30u32,
        /// Entries that may be unacknowledged on a connection before the server pauses delivery.
        window_entries: u32 = 256u32,
        /// The same in KiB.
        window_kib: u32 = 1024u32,
        /// Sends of one connection that may wait for the store.
        sends_in_flight: u32 = 64u32,
        /// Frames per second that a connection may send for long.
        frames_per_second: u32 = 5_000u32,
        /// Frames that it may send at once.
        frames_burst: u32 = 20_000u32,
        /// Connections in all; more are refused with 503. Each needs an open file.
        max_connections: u32 = 100_000u32,
        /// Connections per IPv4 address or IPv6 /64. Loopback is not limited.
        max_connections_per_ip: u32 = 1_000u32,
        /// When the server stops, clients come back spread over at most this many seconds (less if they are few).
        drain_span_s: u32 = 30u32,
        /// Seconds that stopping waits for sends in flight.
        drain_timeout_s: u32 = 10u32,
    }
    /// Rate limits. Each is { burst, per_minute }: so many at once, then so many per minute. Over it, clients are told when to
    /// try again.
    limits: Limits {
        /// Requests from this machine count against no address limit. Set to false if an untrusted proxy runs here.
        exempt_loopback: bool = true,
        /// Sends per device.
        sends: Rate = defaults().sends,
        /// Read positions per device.
        reads: Rate = defaults().reads,
        /// Registrations per address.
        registrations: Rate = defaults().registrations,
        /// Challenges and sign-ins, each, per address.
        sign_ins: Rate = defaults().sign_ins,
        /// Link sessions opened per address.
        links: Rate = defaults().links,
        /// Polls of link sessions per address.
        link_polls: Rate = defaults().link_polls,
        /// Recovery challenges and attempts, each, per address.
        recoveries: Rate = defaults().recoveries,
        /// Devices added or restored per address.
        device_additions: Rate = defaults().device_additions,
        /// Username look-ups per account.
        look_ups: Rate = defaults().look_ups,
        /// Device lists and profiles fetched per account.
        device_lists: Rate = defaults().device_lists,
        /// Prekey bundles that one account may take of one other account.
        bundles_of_one: Rate = defaults().bundles_of_one,
        /// Prekey bundles that one account may take in all.
        bundles: Rate = defaults().bundles,
        /// Prekey uploads per device.
        key_uploads: Rate = defaults().key_uploads,
        /// Changes of an account: devices, link codes, recovery code, blocks, privacy settings, profile.
        changes: Rate = defaults().changes,
    }
    /// The embedded store. The defaults suit most machines.
    store: Store {
        /// MiB of memory for cached blocks.
        cache_mib: u32 = 64u32,
        /// MiB that each table gathers in memory before it is written out.
        memtable_mib: u32 = 8u32,
        /// MiB of journal files, at least 64.
        journal_mib: u32 = 64u32,
        /// Threads for writing out and compaction.
        worker_threads: u32 = 1u32,
        /// With fewer MiB free on the disk, sends are refused; reads and acknowledgements go on.
        free_space_floor_mib: u32 = 256u32,
        /// A commit that takes longer than these seconds ends the process, so that nothing is acknowledged that may not be stored.
        commit_hang_limit_s: u32 = 30u32,
        /// Changes that may wait for the disk; more are told to try again.
        queue_ops: u32 = 16_384u32,
        /// The same in MiB.
        queue_mib: u32 = 64u32,
        /// Accounts whose devices are kept in memory.
        cached_accounts: u32 = 100_000u32,
        /// Milliseconds added to every sync, to see how a slow disk feels. For benchmarks.
        sync_delay_ms: u32 = 0u32,
    }
    /// Metrics for Prometheus, on a listener of their own that serves nothing else.
    metrics: Metrics {
        /// Address and port of /metrics; empty for none. They name no person, but keep them to yourself.
        listen: String = "127.0.0.1:9464",
    }
    /// What the server says about itself. It never logs content, keys, tokens or addresses of clients; account and device ids of who connects only at "debug".
    log: Log {
        /// "text" or "json" (one object per line), to standard error.
        format: String = "text",
        /// "error", "warn", "info", "debug", "trace", or a filter such as "info,sotto_gateway=debug".
        level: String = "info",
    }
    /// The demo bot.
    demo: Demo {
        /// Run the echo bot as a process of its own, registered as "echo".
        enabled: bool = false,
        /// Its script; empty to look beside the program.
        script: String = "",
    }
}

fn defaults() -> sotto_domain::RateLimits {
    sotto_domain::RateLimits::default()
}

impl Limits {
    pub fn to_domain(&self) -> sotto_domain::RateLimits {
        sotto_domain::RateLimits {
            exempt_loopback: self.exempt_loopback,
            sends: self.sends,
            reads: self.reads,
            registrations: self.registrations,
            sign_ins: self.sign_ins,
            links: self.links,
            link_polls: self.link_polls,
            recoveries: self.recoveries,
            device_additions: self.device_additions,
            look_ups: self.look_ups,
            device_lists: self.device_lists,
            bundles_of_one: self.bundles_of_one,
            bundles: self.bundles,
            key_uploads: self.key_uploads,
            changes: self.changes,
            ..sotto_domain::RateLimits::default()
        }
    }
}
