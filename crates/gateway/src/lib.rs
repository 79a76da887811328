//! The gateway: WebSocket sessions of devices. Bytes become frames here, frames become calls of the domain, and inbox
//! entries become frames again.
//! Flow: `listen` (TCP, TLS, HTTP) -> `upgrade` (the handshake) -> `connection` (one poll: `codec` in, `encode` out) ->
//!       `session` (Hello, sends, acks) -> domain; the store's feed -> `router` -> `handle` -> `delivery` -> socket; entries of
//!       group logs pass `dispatch`, and then `group_delivery`; presence and typing pass `presence`.
//! Always true:
//! - every queue is bounded, and a reader that is slow costs a cursor into its inbox, not a buffer;
//! - an idle connection owns one task and one mailbox, and no buffer, channel or timer;
//! - a malformed frame gets a typed error, is counted, and changes nothing else.
//!
//! Elsewhere: what a send or an ack means is the domain's; configuration and certificates are the server's.

mod bucket;
mod codec;
mod config;
mod connection;
mod delivery;
mod dispatch;
mod encode;
pub mod fuzzing;
mod gateway;
mod group_delivery;
mod handle;
mod listen;
mod parse;
mod presence;
mod router;
mod session;
mod stats;
#[cfg(test)]
mod tests;
mod upgrade;

pub use config::GatewayConfig;
pub use gateway::Gateway;
pub use listen::{TlsSource, serve};
pub use router::Router;
pub use upgrade::routes;
