//! What tests of the whole system are made of: the real server and the real terminal client as child processes, clients in
//! this process, a device that speaks the wire itself, a proxy that listens in or lies, a ledger of promises.
//! Always true: nothing here sleeps for a time; every wait has a deadline and a name; children die with the test; a failed
//! test prints its seed and the server's last lines.
//! Elsewhere: the promises themselves are in `tests/e2e`, one file each.

pub mod cli;
pub mod client;
pub mod dump;
pub mod group;
pub mod ledger;
pub mod needle;
pub mod process;
pub mod proxy;
pub mod pty;
pub mod raw;
pub mod seed;
pub mod server;
pub mod wait;

pub use ledger::Ledger;
pub use needle::Canary;
pub use proxy::{Direction, Exchange, Proxy, Tamper};
pub use raw::{RawApi, RawDevice, RawSocket};
pub use seed::{Seed, rounds, soak};
pub use server::{ServerOptions, TestServer};
pub use wait::{DEADLINE, eventually, within};
