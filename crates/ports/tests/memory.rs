//! The reference adapters keep every contract.

use sotto_ports::conformance::{Nodes, Subject};
use sotto_ports::memory::{MemoryEphemeral, MemoryPresence, MemoryStore};
use sotto_ports::{EntryFeed, EphemeralStore};
use std::sync::Arc;

fn memory(feed: Arc<dyn EntryFeed>) -> Subject {
    Subject::of(MemoryStore::new(feed), ())
}

fn bounded(max_values: usize) -> Arc<dyn EphemeralStore> {
    Arc::new(MemoryEphemeral::new(max_values, 1 << 20))
}

fn nodes() -> Nodes {
    Box::new(|feed| Arc::new(MemoryPresence::new(feed)))
}

sotto_ports::inbox_conformance!(memory);
sotto_ports::groups_conformance!(memory);
sotto_ports::directory_conformance!(memory);
sotto_ports::people_conformance!(memory);
sotto_ports::reports_conformance!(memory);
sotto_ports::prekey_conformance!(memory);
sotto_ports::meta_conformance!(memory);
sotto_ports::ephemeral_conformance!(bounded);
sotto_ports::presence_conformance!(nodes);
