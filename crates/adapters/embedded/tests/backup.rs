//! Backups are consistent while writes go on, restores are complete or refused, and no key is handed out twice.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod common;
use common::*;
use sotto_embedded::{BackupError, EmbeddedConfig, EmbeddedStore, OpenError, SCHEMA, restore};
use sotto_ports::{CommitRefused, DirectoryStore, InboxStore, MetaStore, NoFeed, PreKeyStore};
use sotto_types::{DeviceId, EntryId, Timestamp};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A day after the backups here.
const RESTORED: Timestamp = Timestamp::from_ms(T0.as_ms() + 86_400_000);

fn restore_to(from: &Path, to: &Path) -> Result<u32, BackupError> {
    restore_at(from, to, RESTORED)
}

fn restore_at(from: &Path, to: &Path, now: Timestamp) -> Result<u32, BackupError> {
    restore(from, &EmbeddedConfig::new(to), now, &mut |_| {}).map(|summary| summary.generation)
}

fn generation_at(now: Timestamp) -> u32 {
    u32::try_from(now.as_secs()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_has_everything_acknowledged_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(open(&dir.path().join("data")));
    store.create_account(new_account(2, keys(0..10))).await.unwrap();
    store.put("secret", "value".into()).await.unwrap();
    let taken = store.take_bundles(account(2), &[DeviceId::FIRST]).await.unwrap();
    assert_eq!(taken[0].one_time_ec.as_ref().unwrap().id, 0);

    let acknowledged = Arc::new(AtomicU64::new(0));
    let sender = tokio::spawn({
        let (store, acknowledged) = (store.clone(), acknowledged.clone());
        async move {
            for n in 0..2_000u64 {
                // Both entries of a send are in the copy, or neither.
                store.commit_send(send(n.into(), &[address(2), address(3)], T0)).await.unwrap();
                acknowledged.store(n + 1, Ordering::SeqCst);
            }
        }
    });
    while acknowledged.load(Ordering::SeqCst) < 200 {
        tokio::task::yield_now().await;
    }
    let before = acknowledged.load(Ordering::SeqCst) as usize;
    let copy = dir.path().join("backup");
    let mut steps = Vec::new();
    let summary = {
        let (store, copy) = (store.clone(), copy.clone());
        tokio::task::spawn_blocking(move || {
            let summary = store.backup(&copy, T0, &mut |progress| steps.push(progress.clone())).unwrap();
            assert!(steps.iter().any(|step| step.table == "inbox" && step.records > 0));
            summary
        })
        .await
        .unwrap()
    };
    assert_eq!(summary.generation, 1);
    sender.await.unwrap();
    drop(store);

    let restored = dir.path().join("restored");
    assert_eq!(restore_to(&copy, &restored).unwrap(), generation_at(RESTORED));
    let store = open(&restored);
    assert_eq!(store.generation().await.unwrap(), generation_at(RESTORED));
    assert_eq!(MetaStore::get(&store, "secret").await.unwrap().unwrap(), "value");
    let inbox = store.read(address(2), EntryId::ZERO, 10_000, usize::MAX).await.unwrap();
    assert!(inbox.len() >= before, "{} of {before}", inbox.len());
    assert_eq!(store.read(address(3), EntryId::ZERO, 10_000, usize::MAX).await.unwrap(), inbox);
    for (n, queued) in (0..).zip(&inbox) {
        let again = store.commit_send(send(n, &[address(2)], T0)).await;
        let answered =
            matches!(again, Err(CommitRefused::Repeated(first)) if EntryId::from(first.message_id) == queued.entry_id);
        assert!(answered, "the restored record answers a retry: {again:?}");
    }
    assert_eq!(store.routing(account(2)).await.unwrap().unwrap().list_version, 1);

    // One-time keys are gone, and their ids cannot come back by a plain upload.
    let bundle = &store.take_bundles(account(2), &[DeviceId::FIRST]).await.unwrap()[0];
    assert!(bundle.one_time_ec.is_none() && bundle.kyber_is_last_resort);
    assert_eq!(store.put_keys(address(2), keys(0..10)).await.unwrap().one_time_ec, 0);
    assert_eq!(store.put_keys(address(2), keys(10..20)).await.unwrap().one_time_ec, 10);
}

#[tokio::test]
async fn unfinished_and_damaged_backups_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("data"));
    store.commit_send(send(0, &[address(2)], T0)).await.unwrap();
    let copy = dir.path().join("backup");
    store.backup(&copy, T0, &mut |_| {}).unwrap();
    assert!(matches!(store.backup(&copy, T0, &mut |_| {}), Err(BackupError::TargetNotEmpty { .. })));

    let target = dir.path().join("target");
    let manifest = fs::read_to_string(copy.join("manifest.json")).unwrap();
    let inbox = fs::read(copy.join("inbox.part")).unwrap();
    let mut flipped = inbox.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for bytes in [flipped, inbox[..inbox.len() - 1].to_vec(), b"SOTTOBK1".to_vec(), Vec::new(), b"other".to_vec()] {
        fs::write(copy.join("inbox.part"), bytes).unwrap();
        let refused = restore_to(&copy, &target);
        assert!(matches!(refused, Err(BackupError::Damaged { .. })), "{refused:?}");
        assert!(!target.exists(), "nothing is written before all is verified");
    }
    fs::write(copy.join("inbox.part"), inbox).unwrap();
    for (from, to) in
        [("\"inbox\"", "\"../inbox\""), ("\"inbox\"", "\"lists\""), ("\"records\"", "\"recs\""), ("{", "[")]
    {
        fs::write(copy.join("manifest.json"), manifest.replacen(from, to, 1)).unwrap();
        let refused = restore_to(&copy, &target);
        assert!(matches!(refused, Err(BackupError::Damaged { .. })), "{to}: {refused:?}");
    }
    let of_schema =
        |schema: u32| manifest.replacen(&format!("\"schema\": {SCHEMA}"), &format!("\"schema\": {schema}"), 1);
    fs::write(copy.join("manifest.json"), of_schema(9)).unwrap();
    assert!(matches!(restore_to(&copy, &target), Err(BackupError::Newer { found: 9, .. })));
    fs::write(copy.join("manifest.json"), of_schema(1)).unwrap();
    assert!(matches!(restore_to(&copy, &target), Err(BackupError::Damaged { .. })));
    fs::remove_file(copy.join("manifest.json")).unwrap();
    assert!(matches!(restore_to(&copy, &target), Err(BackupError::Incomplete { .. })));
    fs::write(copy.join("manifest.json"), manifest).unwrap();
    assert_eq!(restore_to(&copy, &target).unwrap(), generation_at(RESTORED));
}

#[tokio::test]
async fn every_restore_has_a_generation_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("data"));
    let copy = dir.path().join("backup");
    store.backup(&copy, T0, &mut |_| {}).unwrap();
    drop(store);
    let mut seen = vec![1];
    // One backup, again and again; the last two times the clock stood in 1970.
    for (n, now_ms) in [RESTORED.as_ms(), RESTORED.as_ms() + 1000, 2000, 2001].into_iter().enumerate() {
        let target = dir.path().join(format!("restored-{n}"));
        let generation = restore_at(&copy, &target, Timestamp::from_ms(now_ms)).unwrap();
        assert!(!seen.contains(&generation) && generation > generation_at(T0), "{generation} after {seen:?}");
        assert_eq!(open(&target).generation().await.unwrap(), generation);
        seen.push(generation);
    }
    // And of a backup of a restored server.
    let store = open(&dir.path().join("restored-1"));
    let second = dir.path().join("second-backup");
    assert_eq!(store.backup(&second, RESTORED, &mut |_| {}).unwrap().generation, seen[2]);
    drop(store);
    let again = restore_at(&second, &dir.path().join("again"), RESTORED).unwrap();
    assert!(again > seen[2], "{again}");
}

#[tokio::test]
async fn a_restore_needs_an_empty_folder_that_nobody_uses() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let store = open(&data);
    let copy = dir.path().join("backup");
    store.backup(&copy, T0, &mut |_| {}).unwrap();
    assert!(matches!(restore_to(&copy, &data), Err(BackupError::Target(OpenError::InUse { pid: Some(_), .. }))));
    drop(store);
    assert!(matches!(restore_to(&copy, &data), Err(BackupError::Target(OpenError::Foreign { .. }))));
    let half = dir.path().join("half");
    fs::create_dir(&half).unwrap();
    fs::write(half.join("RESTORING"), "").unwrap();
    let refused = EmbeddedStore::open(EmbeddedConfig::new(&half), Arc::new(NoFeed));
    assert!(matches!(refused, Err(OpenError::HalfRestored { .. })));
}
