//! The embedded store keeps every contract, also across reopening, and tells the same history as the reference.

use proptest::prelude::*;
use sotto_embedded::{EmbeddedConfig, EmbeddedStore};
use sotto_ports::EntryFeed;
use sotto_ports::conformance::{Reopen, Subject, model};
use sotto_ports::memory::MemoryStore;
use std::sync::Arc;
use std::time::Duration;

fn embedded(feed: Arc<dyn EntryFeed>) -> Subject {
    embedded_holding(Duration::from_millis(5), feed)
}

fn embedded_holding(hold_acks: Duration, feed: Arc<dyn EntryFeed>) -> Subject {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let config = EmbeddedConfig { hold_acks, ..EmbeddedConfig::new(dir.path()) };
    let store = EmbeddedStore::open(config, feed).expect("a new store opens");
    Subject::of(store, dir)
}

fn folder() -> Reopen {
    let dir = tempfile::tempdir().expect("a temporary folder");
    Box::new(move |feed| {
        let store = EmbeddedStore::open(EmbeddedConfig::new(dir.path()), feed).expect("the store opens");
        Subject::of(store, ())
    })
}

sotto_ports::inbox_conformance!(embedded);
sotto_ports::groups_conformance!(embedded);
sotto_ports::directory_conformance!(embedded);
sotto_ports::people_conformance!(embedded);
sotto_ports::reports_conformance!(embedded);
sotto_ports::prekey_conformance!(embedded);
sotto_ports::meta_conformance!(embedded);
sotto_ports::durable_conformance!(folder);

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn memory_and_embedded_tell_the_same_history(seed in any::<u64>(), steps in 50usize..400) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let memory = |feed| Subject::of(MemoryStore::new(feed), ());
        let embedded = |feed| embedded_holding(Duration::ZERO, feed);
        runtime.block_on(model::same_history(memory, embedded, seed, steps));
    }
}
