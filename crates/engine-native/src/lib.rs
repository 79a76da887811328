//! Native host of the client engine: everything the engine may not do itself (sockets, HTTP, timers, files, processes).
//! Flow: `Client::connect_or_own` takes the profile's lock and becomes its owner (`Host`: engine thread + network), or
//!       attaches to the owner's Unix socket. Commands go in, replies and happenings come out, the same either way.
//! Always true:
//! - one process at a time has the store open; the lock dies with the process, so a crash never leaves it behind;
//! - engine steps run on a thread of their own: blocking SQLite never stalls sockets;
//! - every queue is bounded. Events are a broadcast: a slow listener gets `Missed` and reads the store instead;
//! - when the owner ends, an attached client takes over (or attaches to whoever did) and sends again what was pending.
//!
//! Elsewhere: what the commands mean is in `sotto-engine`, what is kept in `sotto-engine-store`.

mod attach;
mod client;
mod host;
mod machine;
mod network;
mod open;
mod preview;
mod profile;
mod timer;
mod tls;

pub use client::{Answer, Client, Happening, Happenings, ProfileOptions, Role};
pub use host::{Handle, Host, HostConfig};
pub use machine::{Machine, OpenMachine, Opened, Opener};
pub use open::Profile;
pub use preview::{first_link, link_preview};
pub use profile::{ProfileError, ProfileLock};
