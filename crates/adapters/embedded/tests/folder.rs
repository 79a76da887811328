//! Whose folder it is, what a full disk refuses, and what any bytes on disk do.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod common;
use common::*;
use proptest::prelude::*;
use sotto_embedded::{EmbeddedConfig, EmbeddedStore, OpenError, SCHEMA, fuzzing};
use sotto_ports::{CommitRefused, DirectoryStore, InboxStore, MetaStore, NoFeed, PreKeyStore, Settle, StoreError};
use sotto_types::{DeviceId, EntryId};
use std::fs;
use std::path::Path;
use std::sync::Arc;

fn refusal(dir: &Path) -> OpenError {
    match EmbeddedStore::open(EmbeddedConfig::new(dir), Arc::new(NoFeed)) {
        Ok(_) => panic!("the store must not open"),
        Err(error) => error,
    }
}

#[test]
fn a_newer_store_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let version = fs::read_to_string(dir.path().join("VERSION")).unwrap();
    let written = format!("schema {SCHEMA}");
    fs::write(dir.path().join("VERSION"), version.replace(&written, "schema 7")).unwrap();
    let error = refusal(dir.path());
    assert!(matches!(error, OpenError::Newer { found: 7, known: SCHEMA, .. }), "{error}");
    assert!(error.to_string().contains("schema 7") && error.to_string().contains(&written), "{error}");
    fs::write(dir.path().join("VERSION"), version.replace(&written, "schema 1")).unwrap();
    let error = refusal(dir.path());
    assert!(matches!(error, OpenError::Older { found: 1, known: SCHEMA, .. }), "{error}");
    fs::write(dir.path().join("VERSION"), version).unwrap();
    drop(open(dir.path()));
}

#[test]
fn somebody_elses_folder_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.odt"), "years of work").unwrap();
    assert!(matches!(refusal(dir.path()), OpenError::Foreign { .. }));
    let names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["thesis.odt"]);
}

#[test]
fn one_process_at_a_time_and_the_other_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let error = refusal(dir.path());
    let own = std::process::id();
    assert!(matches!(error, OpenError::InUse { pid: Some(pid), .. } if pid == own), "{error}");
    assert!(error.to_string().contains(&own.to_string()), "{error}");
    drop(store);
    drop(open(dir.path()));
}

#[tokio::test]
async fn a_full_disk_refuses_what_grows_and_lets_the_rest_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.create_account(new_account(2, keys(0..3))).await.unwrap();
    let first = store.commit_send(send(0, &[address(2)], T0)).await.unwrap();
    drop(store);
    let config = EmbeddedConfig { free_space_floor: u64::MAX, ..EmbeddedConfig::new(dir.path()) };
    let store = EmbeddedStore::open(config, Arc::new(NoFeed)).unwrap();

    let refused = store.commit_send(send(1, &[address(2)], T0)).await;
    assert!(matches!(refused, Err(CommitRefused::Store(StoreError::Full))), "{refused:?}");
    assert!(matches!(store.create_account(new_account(3, keys(0..1))).await, Err(StoreError::Full)));
    store.put("key", "value".into()).await.expect("a server cannot begin its day without");
    assert_eq!(store.put_new("key", "other".into()).await.unwrap(), "value");
    assert!(matches!(store.put_keys(address(2), keys(5..6)).await, Err(StoreError::Full)));

    let repeated = store.commit_send(send(0, &[address(2)], T0)).await;
    assert!(matches!(repeated, Err(CommitRefused::Repeated(answer)) if answer == first), "{repeated:?}");
    assert_eq!(store.read(address(2), EntryId::ZERO, 9, 999).await.unwrap().len(), 1);
    let settle = Settle { of: address(2), envelopes: vec![], remove: vec![first.message_id.into()], advance: vec![] };
    store.settle(settle).await.unwrap();
    assert!(store.read(address(2), EntryId::ZERO, 9, 999).await.unwrap().is_empty());
    assert_eq!(store.take_bundles(account(2), &[DeviceId::FIRST]).await.unwrap()[0].left.one_time_ec, 2);
    assert!(store.delete_account(account(2), T0).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_sends_share_commits_and_write_one_entry_each() {
    let dir = tempfile::tempdir().unwrap();
    let sync_delay = Some(std::time::Duration::from_millis(5));
    let config = EmbeddedConfig { sync_delay, ..EmbeddedConfig::new(dir.path()) };
    let store = Arc::new(EmbeddedStore::open(config, Arc::new(NoFeed)).unwrap());
    let before = store.stats();
    let sends = (0..400).map(|n| {
        let store = store.clone();
        tokio::spawn(async move { store.commit_send(send(n, &[address(2)], T0)).await.unwrap() })
    });
    for sent in sends.collect::<Vec<_>>() {
        sent.await.unwrap();
    }
    let after = store.stats();
    assert_eq!(after.entries - before.entries, 400);
    assert_eq!(after.inbox_writes - before.inbox_writes, 400, "one durable write for each message");
    assert!(after.syncs - before.syncs < 100, "{} syncs for 400 sends", after.syncs - before.syncs);
}

#[tokio::test]
async fn who_connects_again_does_not_get_what_was_acked_just_now() {
    let dir = tempfile::tempdir().unwrap();
    let hold_acks = std::time::Duration::from_secs(3600);
    let store =
        EmbeddedStore::open(EmbeddedConfig { hold_acks, ..EmbeddedConfig::new(dir.path()) }, Arc::new(NoFeed)).unwrap();
    let first = store.commit_send(send(0, &[address(2)], T0)).await.unwrap();
    let settle = Settle { of: address(2), envelopes: vec![first.message_id.into()], remove: vec![], advance: vec![] };
    let (settled, read) = tokio::join!(biased; store.settle(settle), store.read(address(2), EntryId::ZERO, 9, 999));
    settled.unwrap();
    assert!(read.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_says_so_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let sync_delay = Some(std::time::Duration::from_millis(50));
    let config = EmbeddedConfig { sync_delay, queue_ops: 4, ..EmbeddedConfig::new(dir.path()) };
    let store = Arc::new(EmbeddedStore::open(config, Arc::new(NoFeed)).unwrap());
    let sends = (0..200).map(|n| {
        let store = store.clone();
        tokio::spawn(async move { store.commit_send(send(n, &[address(2)], T0)).await })
    });
    let (mut sent, mut refused) = (0, 0);
    for answer in sends.collect::<Vec<_>>() {
        match answer.await.unwrap() {
            Ok(_) => sent += 1,
            Err(CommitRefused::Store(StoreError::Overloaded)) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(sent > 0 && refused > 0, "{sent} {refused}");
    assert_eq!(store.read(address(2), EntryId::ZERO, 999, usize::MAX).await.unwrap().len(), sent);
}

#[tokio::test]
async fn an_abandoned_send_is_done_wholly_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for n in 0..50 {
        let future = store.commit_send(send(n, &[address(2), address(3)], T0));
        // Polled once, then dropped: the change is queued, its caller gone.
        drop(futures_util::FutureExt::now_or_never(future));
    }
    store.commit_send(send(99, &[], T0)).await.unwrap();
    let inbox = store.read(address(2), EntryId::ZERO, 999, usize::MAX).await.unwrap();
    assert_eq!(inbox.len(), 50);
    assert_eq!(store.read(address(3), EntryId::ZERO, 999, usize::MAX).await.unwrap(), inbox);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_stored_bytes_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..120), version in any::<bool>()) {
        if version && !bytes.is_empty() {
            bytes[0] = 1;
        }
        fuzzing::records(&bytes);
        fuzzing::backup(&bytes);
        fuzzing::backup(&[b"SOTTOBK1", &bytes[..]].concat());
    }
}
