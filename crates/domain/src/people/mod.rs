//! Who accepts whom, what people let each other see, their profiles, and what they report to the operator.
//! Flow: a device changes contacts, settings or a profile over HTTP -> the store -> observers are told who may see whom anew.
//!       Receipts (`inbox`), marks and additions (`groups`) and presence ask here.
//! Always true:
//! - whoever is blocked counts as not accepted; the contact stays on record and counts again when the block ends;
//! - what one hides from somebody, one does not see of them: last seen, online, read receipts;
//! - no answer tells whether somebody exists, blocked the caller, or has a profile under another key.
//!
//! Elsewhere: who sees picture and about is settled by whom the owner's devices give the profile key.

mod contacts;
mod privacy;
mod profile;
mod reports;
mod see;

pub use privacy::PrivacyRefused;
pub use reports::NamedReport;
pub use see::{People, PeopleObserver};
