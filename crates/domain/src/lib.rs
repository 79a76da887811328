//! What the server decides: accounts, devices, keys, sign-in, sends, receipts, expiry. It knows only ports, ids and the
//! public half of the cryptography; never the network schema and never a store.

mod refusal;

pub use refusal::Refusal;
