use sotto_types::{AccountId, DeviceAddress, ErrorCode};

/// Live connections, as the gateway's router knows them. No call blocks or waits.
pub trait Connections: Send + Sync {
    /// Ends the device's connection at once, with that error; nothing if it has none.
    fn close(&self, of: DeviceAddress, why: ErrorCode);

    /// Tells a connected device that a cached copy of `account` is old. Best effort.
    fn account_changed(&self, to: DeviceAddress, account: AccountId, list_version: u32, prekeys_low: bool);

    /// The account's connections are to look for what waits in its groups' logs: what ended its membership is not dispatched
    /// to it otherwise.
    fn group_waits(&self, to: AccountId);
}

/// Nobody is connected: for tools and tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoConnections;

impl Connections for NoConnections {
    fn close(&self, _: DeviceAddress, _: ErrorCode) {}

    fn account_changed(&self, _: DeviceAddress, _: AccountId, _: u32, _: bool) {}

    fn group_waits(&self, _: AccountId) {}
}
