//! Contacts, settings, profiles and reports: in backups, and in stores from before there were any.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod common;

use common::*;
use sotto_embedded::{BackupError, EmbeddedConfig, EmbeddedStore, SCHEMA, restore};
use sotto_ports::{
    Audience, ContactChange, DirectoryStore, NewReport, PeopleStore, Privacy, Profile, ReportReason, ReportStore,
    Resolution,
};
use sotto_types::{ProfileKeyId, Secret, Timestamp};
use std::fs;

const TABLES: [&str; 4] = ["contacts", "privacy", "profiles", "reports"];

fn contact(owner: u8, other: u8) -> ContactChange {
    let (owner, other) = (account(owner), account(other));
    ContactChange { owner, other, is_contact: true, tell: Vec::new(), tell_read: false, at: T0 }
}

async fn fill(store: &EmbeddedStore) {
    for n in [1, 2] {
        store.create_account(new_account(n, keys(0..0))).await.unwrap();
    }
    assert!(store.set_contact(contact(1, 2)).await.unwrap());
    let privacy = Privacy { version: 1, online: Audience::Nobody, ..Privacy::default() };
    assert!(store.set_privacy(account(1), privacy).await.unwrap());
    let profile = Profile { version: 1, key_id: ProfileKeyId::from_bytes([3; 16]), ciphertext: vec![4; 1024].into() };
    assert!(store.put_profile(account(1), profile).await.unwrap());
    let comment = Secret::new("rude".to_owned());
    let (reporter, about) = (account(1), account(2));
    let report =
        NewReport { at: T0, reporter, account: about, reason: ReportReason::Abuse, comment, messages: Vec::new() };
    let id = store.put_report(report, 10).await.unwrap();
    let resolution = Resolution { at: T0, note: Secret::new("told off".to_owned()) };
    assert!(store.resolve_report(id, resolution).await.unwrap());
}

/// Everything that `fill` left. Secrets print nothing, so they are compared by themselves.
async fn seen(store: &EmbeddedStore) -> String {
    let report = store.report(1).await.unwrap().expect("a report");
    let texts =
        (report.report.comment.expose().clone(), report.resolved.clone().map(|done| done.note.expose().clone()));
    let contacts = store.contacts(account(1)).await.unwrap();
    let is_contact = store.is_contact(account(1), account(2)).await.unwrap();
    let (privacy, profile) = (store.privacy(account(1)).await.unwrap(), store.profile(account(1)).await.unwrap());
    format!("{contacts:?} {is_contact} {privacy:?} {profile:?} {report:?} {texts:?}")
}

#[tokio::test]
async fn they_come_back_from_a_backup() {
    let dir = tempfile::tempdir().unwrap();
    let (copy, restored) = (dir.path().join("backup"), dir.path().join("restored"));
    let store = open(&dir.path().join("data"));
    fill(&store).await;
    let before = seen(&store).await;
    assert!(before.contains("rude") && before.contains("told off"));
    store.backup(&copy, T0, &mut |_| {}).unwrap();
    restore(&copy, &EmbeddedConfig::new(&restored), T0, &mut |_| {}).unwrap();
    assert_eq!(seen(&open(&restored)).await, before);
}

#[tokio::test]
async fn a_store_without_them_is_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy, restored) = (dir.path().join("data"), dir.path().join("backup"), dir.path().join("restored"));
    let store = open(&data);
    store.create_account(new_account(3, keys(0..0))).await.unwrap();
    store.set_block(account(3), account(1), true).await.unwrap();
    store.backup(&copy, T0, &mut |_| {}).unwrap();
    drop(store);
    with_schema(&data, 4, |db| {
        for name in TABLES {
            db.delete_keyspace(table(db, name)).unwrap();
        }
    });
    let check = async |store: EmbeddedStore| {
        assert!(store.is_blocked(account(3), account(1)).await.unwrap());
        assert_eq!(*store.privacy(account(3)).await.unwrap(), Privacy::default());
        assert!(store.contacts(account(3)).await.unwrap().is_empty());
        fill(&store).await;
        seen(&store).await
    };
    let after = check(open(&data)).await;
    let version = fs::read_to_string(data.join("VERSION")).unwrap();
    assert!(version.contains(&format!("schema {SCHEMA}")), "no older program opens it again: {version}");
    assert_eq!(seen(&open(&data)).await, after);

    // A backup of such a store lacks the parts.
    let manifest = fs::read_to_string(copy.join("manifest.json")).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    json["schema"] = 4.into();
    json["parts"].as_array_mut().unwrap().retain(|part| !TABLES.contains(&part["table"].as_str().unwrap()));
    fs::write(copy.join("manifest.json"), json.to_string()).unwrap();
    let later = Timestamp::from_ms(T0.as_ms() + 5_000);
    restore(&copy, &EmbeddedConfig::new(&restored), later, &mut |_| {}).unwrap();
    assert_eq!(check(open(&restored)).await, after);
    // But one of this schema without them is damaged.
    json["schema"] = SCHEMA.into();
    fs::write(copy.join("manifest.json"), json.to_string()).unwrap();
    let again = restore(&copy, &EmbeddedConfig::new(dir.path().join("again")), T0, &mut |_| {});
    assert!(matches!(again, Err(BackupError::Damaged { .. })), "{again:?}");
}

#[tokio::test]
async fn a_deleted_account_leaves_none_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    fill(&store).await;
    store.delete_account(account(1), T0).await.unwrap();
    drop(store);
    let db = fjall::Database::builder(dir.path().join("db")).open().unwrap();
    for name in TABLES {
        assert_eq!(table(&db, name).iter().count(), 0, "{name}");
    }
}
