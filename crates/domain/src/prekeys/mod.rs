//! Prekeys: what others need to start a session with a device while it is offline.

mod take;
mod upload;

pub(crate) use take::check_asked;
pub use take::{AccountDevices, TakenBundles};
pub use upload::{DeviceKeys, NewPreKeys};
