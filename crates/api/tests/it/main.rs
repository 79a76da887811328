//! The API as a client meets it: requests in, answers out, over memory stores.

#![allow(clippy::unwrap_used, reason = "a helper of tests may fail its test")]

mod bed;
mod documents;
mod flows;
mod groups;
mod hostile;
mod people;
