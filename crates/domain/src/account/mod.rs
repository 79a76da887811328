//! Accounts: registration, what an owner sees and changes, how others find one, recovery, the operator's side.

mod admin;
mod find;
mod own;
mod recovery;
mod register;

pub use own::OwnAccount;
pub(crate) use recovery::refused as refused_recovery;
pub use recovery::{Recovered, ReplaceRecovery};
pub use register::{Register, Registered};
