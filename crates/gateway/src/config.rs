use sotto_types::{Network, limits};
use std::time::Duration;

/// Limits and times of the WebSocket gateway. The defaults are the protocol's.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// From the WebSocket handshake to a `Hello`, and for TLS and the HTTP request before it.
    pub hello_timeout: Duration,
    /// Without any frame for this long a connection is gone. Clients send a heartbeat every 30 s.
    pub idle_timeout: Duration,
    /// A peer that takes no byte for this long is gone.
    pub write_timeout: Duration,
    /// How long to wait for the peer's half of a close.
    pub close_timeout: Duration,
    /// How often deadlines are looked at; they are exact to one tick.
    pub tick: Duration,
    pub window_entries: usize,
    pub window_bytes: usize,
    /// Sends of one connection that may wait for the store; more stay in the socket.
    pub sends_in_flight: usize,
    pub frames_per_second: u32,
    pub frames_burst: u32,
    pub max_connections: usize,
    /// Counted per IPv4 address or IPv6 /64. Loopback is not limited.
    pub max_connections_per_ip: usize,
    /// Clients reconnect spread over this long when the server drains.
    pub drain_span: Duration,
    /// How long a drain waits for sends in flight.
    pub drain_timeout: Duration,
    /// Reverse proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// `Welcome.server`.
    pub server_name: String,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            hello_timeout: limits::HELLO_TIMEOUT,
            idle_timeout: limits::OFFLINE_AFTER + Duration::from_secs(5),
            write_timeout: Duration::from_secs(30),
            close_timeout: Duration::from_secs(3),
            tick: Duration::from_secs(1),
            window_entries: limits::WINDOW_ENTRIES,
            window_bytes: limits::WINDOW_BYTES,
            sends_in_flight: 64,
            frames_per_second: 5_000,
            frames_burst: 20_000,
            max_connections: 100_000,
            max_connections_per_ip: 1_000,
            drain_span: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
            trusted_proxies: Vec::new(),
            server_name: format!("sottod/{}", env!("CARGO_PKG_VERSION")),
        }
    }
}
