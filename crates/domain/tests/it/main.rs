//! The domain's use cases against the reference stores, with a clock that only moves when told to.

#![allow(clippy::unwrap_used, reason = "a helper of tests may fail its test")]

mod acking;
mod bed;
mod devices;
mod expiry;
mod groups;
mod keys;
mod linking;
mod people;
mod presence;
mod recovery;
mod registering;
mod restoring;
mod sending;
mod signing_in;
