//! The client state machine, sans I/O: inputs in, effects out, deterministic given clock and randomness.
pub mod api;
