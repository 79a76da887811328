//! What no type can say: values that contradict each other or cannot be used.

use super::Config;
use sotto_domain::RegistrationPolicy;
use sotto_types::Network;
use std::net::{SocketAddr, ToSocketAddrs as _};

impl Config {
    /// Every problem, in words that say what to do.
    pub fn check(&self) -> Vec<String> {
        let mut problems = Vec::new();
        self.check_listeners(&mut problems);
        let server = &self.server;
        if server.data.is_empty() {
            problems.push("server.data is empty: name a folder".into());
        }
        for proxy in &server.trusted_proxies {
            if let Err(error) = proxy.parse::<Network>() {
                problems.push(format!("server.trusted_proxies: {error}"));
            }
        }
        if !matches!(self.registration.policy.as_str(), "auto" | "open" | "invite" | "closed") {
            problems.push("registration.policy is \"auto\", \"open\", \"invite\" or \"closed\"".into());
        }
        let source = &self.web.source_url;
        if !source.is_empty() && !source.starts_with("https://") && !source.starts_with("http://") {
            problems.push(format!("web.source_url: {source:?} does not begin with https://"));
        }
        if !matches!(self.log.format.as_str(), "text" | "json") {
            problems.push("log.format is \"text\" or \"json\"".into());
        }
        if tracing_subscriber::EnvFilter::try_new(&self.log.level).is_err() {
            problems.push(format!("log.level: {:?} is not a level or a filter", self.log.level));
        }
        let gateway = &self.gateway;
        // (key, value, least, greatest)
        for (key, value, least, greatest) in [
            ("gateway.hello_timeout_s", gateway.hello_timeout_s, 1, 600),
            ("gateway.idle_timeout_s", gateway.idle_timeout_s, 35, 86_400),
            ("gateway.write_timeout_s", gateway.write_timeout_s, 1, 3_600),
            ("gateway.window_entries", gateway.window_entries, 1, 65_536),
            ("gateway.window_kib", gateway.window_kib, 64, 1_048_576),
            ("gateway.sends_in_flight", gateway.sends_in_flight, 1, 4_096),
            ("gateway.frames_per_second", gateway.frames_per_second, 10, 1_000_000),
            ("gateway.frames_burst", gateway.frames_burst, 10, 10_000_000),
            ("gateway.max_connections", gateway.max_connections, 1, 10_000_000),
            ("gateway.max_connections_per_ip", gateway.max_connections_per_ip, 1, 10_000_000),
            ("gateway.drain_span_s", gateway.drain_span_s, 0, 3_600),
            ("gateway.drain_timeout_s", gateway.drain_timeout_s, 0, 3_600),
            ("server.workers", server.workers, 0, 1_024),
            ("store.cache_mib", self.store.cache_mib, 8, 1_048_576),
            ("store.memtable_mib", self.store.memtable_mib, 1, 1_024),
            ("store.journal_mib", self.store.journal_mib, 64, 65_536),
            ("store.worker_threads", self.store.worker_threads, 1, 64),
            ("store.free_space_floor_mib", self.store.free_space_floor_mib, 0, 1_048_576),
            ("store.commit_hang_limit_s", self.store.commit_hang_limit_s, 1, 3_600),
            ("store.queue_ops", self.store.queue_ops, 64, 1_048_576),
            ("store.queue_mib", self.store.queue_mib, 8, 65_536),
            ("store.cached_accounts", self.store.cached_accounts, 100, 100_000_000),
            ("store.sync_delay_ms", self.store.sync_delay_ms, 0, 10_000),
        ] {
            if !(least..=greatest).contains(&value) {
                problems.push(format!("{key} is {value}; it goes from {least} to {greatest}"));
            }
        }
        problems
    }

    fn check_listeners(&self, problems: &mut Vec<String>) {
        let server = &self.server;
        match resolve(&server.listen) {
            Err(problem) => problems.push(format!("server.listen: {problem}")),
            Ok(address) if !address.ip().is_loopback() && !self.has_tls() && !server.behind_proxy => {
                problems.push(format!(
                    "server.listen is {address}, which others can reach, but there is no TLS: access tokens would travel \
                     in the clear. Give --tls-cert and --tls-key, or set server.behind_proxy = true if a reverse proxy \
                     does TLS, or listen on 127.0.0.1"
                ));
            }
            Ok(_) => {}
        }
        if server.behind_proxy && server.trusted_proxies.is_empty() {
            problems.push(
                "server.behind_proxy is true, but server.trusted_proxies names no proxy: every client would count as one and \
                 the same address. Give the proxy's address, 127.0.0.1 if it runs on this machine"
                    .into(),
            );
        }
        if server.tls_cert.is_empty() != server.tls_key.is_empty() {
            problems.push("server.tls_cert and server.tls_key belong together: one of them is missing".into());
        }
        if !self.metrics.listen.is_empty() {
            if let Err(problem) = resolve(&self.metrics.listen) {
                problems.push(format!("metrics.listen: {problem}"));
            } else if self.metrics.listen == server.listen && !server.listen.ends_with(":0") {
                problems.push("metrics.listen and server.listen are the same address".into());
            }
        }
    }

    pub fn has_tls(&self) -> bool {
        !self.server.tls_cert.is_empty()
    }

    /// Checked before: see `check`.
    pub fn listen_address(&self) -> Result<SocketAddr, String> {
        resolve(&self.server.listen)
    }

    pub fn metrics_address(&self) -> Option<Result<SocketAddr, String>> {
        (!self.metrics.listen.is_empty()).then(|| resolve(&self.metrics.listen))
    }

    /// Checked before: see `check`.
    pub fn trusted_proxies(&self) -> Vec<Network> {
        self.server.trusted_proxies.iter().filter_map(|text| text.parse().ok()).collect()
    }

    pub fn registration_policy(&self) -> RegistrationPolicy {
        match self.registration.policy.as_str() {
            "open" => RegistrationPolicy::Open,
            "invite" => RegistrationPolicy::Invite,
            "closed" => RegistrationPolicy::Closed,
            _ => {
                // Behind a proxy the loopback listener faces the world.
                let local = self.listen_address().is_ok_and(|address| address.ip().is_loopback());
                if local && !self.server.behind_proxy { RegistrationPolicy::Open } else { RegistrationPolicy::Invite }
            }
        }
    }
}

fn resolve(text: &str) -> Result<SocketAddr, String> {
    let example = "write it as 127.0.0.1:8080 or [::]:8080";
    text.to_socket_addrs()
        .map_err(|_| format!("{text:?} is not an address and port; {example}"))?
        .next()
        .ok_or_else(|| format!("{text:?} has no address; {example}"))
}
