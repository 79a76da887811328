//! What a group costs, and where: the promises about groups themselves are in the conformance tests.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod common;
use common::*;
use sotto_embedded::{EmbeddedConfig, EmbeddedStore, SCHEMA, restore};
use sotto_ports::{
    CommitRefused, DirectoryStore, GroupItem, GroupStore, InboxStore, MetaStore, NoFeed, OperationCommit,
    OperationRefused, StoreError,
};
use sotto_types::{AccountId, DeviceAddress, DeviceId, EntryId, GroupId, MessageId, Timestamp, Username};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const MEMBERS: u16 = 1024;

/// Account 1 first.
fn member(n: u16) -> AccountId {
    if n == 0 {
        return account(1);
    }
    let mut id = [7; 16];
    id[..2].copy_from_slice(&n.to_be_bytes());
    AccountId::from_bytes(id)
}

async fn with_members(store: &Arc<EmbeddedStore>, members: u16) -> Vec<AccountId> {
    let creates = (0..members).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut create = new_account(1, keys(0..0));
            create.account.id = member(n);
            create.account.username = Username::parse(&format!("member_{n}")).unwrap();
            store.create_account(create).await.unwrap();
        })
    });
    for created in creates.collect::<Vec<_>>() {
        created.await.unwrap();
    }
    (0..members).map(member).collect()
}

fn difference(before: &[(&'static str, u64)], after: &[(&'static str, u64)]) -> BTreeMap<&'static str, u64> {
    let pairs = before.iter().zip(after).map(|((table, before), (_, after))| (*table, after - before));
    pairs.filter(|(_, written)| *written > 0).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_to_a_thousand_is_written_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(open(dir.path()));
    let members = with_members(&store, MEMBERS).await;
    let made = store.commit_operation(new_group(1, members)).await.unwrap();
    let before = store.writes();
    store.commit_message(group_message(1, made.roster, 1)).await.unwrap();
    let want = [("dedup", 1), ("group_heads", 1), ("group_log", 1), ("meta", 1)];
    assert_eq!(difference(&before, &store.writes()), BTreeMap::from(want), "nothing for each member");
    assert_eq!(store.stats().log_writes, 2, "the operation and the message");

    // The first of a day notes the day, too. Then an ack of one device: its cursor and its mark.
    let mut tomorrow = group_message(1, made.roster, 2);
    tomorrow.now = T0.plus(Duration::from_secs(86_400));
    let before = store.writes();
    let last = store.commit_message(tomorrow).await.unwrap();
    assert_eq!(difference(&before, &store.writes()).get("group_days"), Some(&1));
    let before = store.writes();
    let of = DeviceAddress::new(member(500), DeviceId::FIRST);
    store.settle_groups(group_settle(1, of, last.message_id)).await.unwrap();
    let want = BTreeMap::from([("cursors", 1), ("group_marks", 1)]);
    assert_eq!(difference(&before, &store.writes()), want);
    store.settle_groups(group_settle(1, of, last.message_id)).await.unwrap();
    assert_eq!(difference(&before, &store.writes()), want, "a repeat writes nothing");
}

#[tokio::test]
async fn a_second_group_that_begins_with_the_same_bytes_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.create_account(new_account(1, keys(0..0))).await.unwrap();
    let made = store.commit_operation(new_group(1, vec![account(1)])).await.unwrap();
    let mut id = [1; 32];
    id[8] = 2;
    let twin = GroupId::from_bytes(id);
    let refused = store.commit_operation(OperationCommit { group: twin, ..new_group(1, vec![account(1)]) }).await;
    assert!(matches!(refused, Err(OperationRefused::HeadChanged)), "{refused:?}");
    let mut message = group_message(1, made.roster, 1);
    message.group = twin;
    let refused = store.commit_message(message).await;
    assert!(matches!(refused, Err(CommitRefused::ListChanged)), "{refused:?}");
    let mut settle = group_settle(1, address(1), made.message_id);
    (settle.cursors[0].1, settle.advance[0].group) = (twin, twin);
    store.settle_groups(settle).await.unwrap();
    assert_eq!(store.cursors(address(1), &[group(1)]).await.unwrap(), [None]);
    assert!(store.marks(group(1)).await.unwrap().is_empty() && store.marks(twin).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_full_disk_refuses_messages_and_operations_and_takes_acks() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.create_account(new_account(1, keys(0..0))).await.unwrap();
    let made = store.commit_operation(new_group(1, vec![account(1)])).await.unwrap();
    let first = store.commit_message(group_message(1, made.roster, 1)).await.unwrap();
    drop(store);
    let config = EmbeddedConfig { free_space_floor: u64::MAX, ..EmbeddedConfig::new(dir.path()) };
    let store = EmbeddedStore::open(config, Arc::new(NoFeed)).unwrap();
    let refused = store.commit_message(group_message(1, made.roster, 2)).await;
    assert!(matches!(refused, Err(CommitRefused::Store(StoreError::Full))), "{refused:?}");
    let refused = store.commit_operation(new_group(2, vec![account(1)])).await;
    assert!(matches!(refused, Err(OperationRefused::Store(StoreError::Full))), "{refused:?}");
    let repeated = store.commit_message(group_message(1, 0, 1)).await;
    assert!(matches!(repeated, Err(CommitRefused::Repeated(answer)) if answer == first), "{repeated:?}");
    store.settle_groups(group_settle(1, address(1), first.message_id)).await.unwrap();
    assert_eq!(store.cursors(address(1), &[group(1)]).await.unwrap(), [Some(first.message_id)]);
    assert_eq!(store.trim_logs(MessageId::MAX, 100).await.unwrap(), 2);
    assert!(store.set_disabled(account(1), true).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_messages_share_commits_and_acks_are_held() {
    let dir = tempfile::tempdir().unwrap();
    let sync_delay = Some(Duration::from_millis(5));
    let config = EmbeddedConfig { sync_delay, hold_acks: Duration::from_millis(50), ..EmbeddedConfig::new(dir.path()) };
    let store = Arc::new(EmbeddedStore::open(config, Arc::new(NoFeed)).unwrap());
    let members = with_members(&store, 100).await;
    let made = store.commit_operation(new_group(1, members)).await.unwrap();
    let before = store.stats();
    let sends = (0..400).map(|n| {
        let store = store.clone();
        tokio::spawn(async move { store.commit_message(group_message(1, made.roster, n)).await.unwrap() })
    });
    let mut newest = MessageId::ZERO;
    for sent in sends.collect::<Vec<_>>() {
        newest = newest.max(sent.await.unwrap().message_id);
    }
    let after = store.stats();
    assert_eq!(after.log_writes - before.log_writes, 400);
    assert!(after.syncs - before.syncs < 100, "{} syncs for 400 messages", after.syncs - before.syncs);
    let acks = (0..100).map(|n| {
        let store = store.clone();
        let of = DeviceAddress::new(member(n), DeviceId::FIRST);
        tokio::spawn(async move { store.settle_groups(group_settle(1, of, newest)).await.unwrap() })
    });
    for acked in acks.collect::<Vec<_>>() {
        acked.await.unwrap();
    }
    let acked = store.stats();
    assert!(acked.commits - after.commits < 20, "{} commits for 100 acks", acked.commits - after.commits);
    assert_eq!(store.marks(group(1)).await.unwrap().len(), 100);
}

#[tokio::test]
async fn who_connects_again_does_not_get_what_was_acked_just_now() {
    let dir = tempfile::tempdir().unwrap();
    let config = EmbeddedConfig { hold_acks: Duration::from_secs(3600), ..EmbeddedConfig::new(dir.path()) };
    let store = EmbeddedStore::open(config, Arc::new(NoFeed)).unwrap();
    store.create_account(new_account(1, keys(0..0))).await.unwrap();
    let made = store.commit_operation(new_group(1, vec![account(1)])).await.unwrap();
    let settle = store.settle_groups(group_settle(1, address(1), made.message_id));
    let asked = [group(1)];
    let (settled, cursors) = tokio::join!(biased; settle, store.cursors(address(1), &asked));
    settled.unwrap();
    assert_eq!(cursors.unwrap(), [Some(made.message_id)]);
}

/// Groups 1 and 2 with what belongs to them, and a text in an inbox.
async fn fill(store: &EmbeddedStore) {
    for n in [1, 2] {
        store.create_account(new_account(n, keys(0..0))).await.unwrap();
        let made = store.commit_operation(new_group(n, vec![account(1), account(2)][..usize::from(n)].to_vec())).await;
        let sent = store.commit_message(group_message(n, made.unwrap().roster, n.into())).await.unwrap();
        store.settle_groups(group_settle(n, address(1), sent.message_id)).await.unwrap();
    }
    let mut pairwise = send(9, &[address(2)], T0);
    pairwise.group = Some((group(2), None));
    store.commit_send(pairwise).await.unwrap();
    store.commit_send(send(10, &[address(2)], T0)).await.unwrap();
}

/// Everything about groups that can be asked.
async fn seen(store: &EmbeddedStore) -> String {
    let mut seen = Vec::new();
    for n in [1, 2] {
        let log = store.read_log(group(n), MessageId::ZERO, MessageId::MAX, 99, usize::MAX).await.unwrap();
        assert!(log.iter().any(|entry| matches!(entry.item, GroupItem::Operation { .. })));
        seen.push(format!("{:?}", (store.group(group(n)).await.unwrap(), store.group_facts(group(n)).await.unwrap())));
        seen.push(format!("{:?}", (store.operations(group(n), 0, 9_999).await.unwrap(), log)));
        seen.push(format!(
            "{:?}",
            (store.marks(group(n)).await.unwrap(), store.memberships(account(n)).await.unwrap())
        ));
        seen.push(format!("{:?}", store.cursors(address(1), &[group(n)]).await.unwrap()));
        seen.push(format!("{:?}", store.read(address(n), EntryId::ZERO, 99, usize::MAX).await.unwrap()));
    }
    seen.join("\n")
}

#[tokio::test]
async fn groups_come_back_from_a_backup() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("data"));
    fill(&store).await;
    let copy = dir.path().join("backup");
    store.backup(&copy, T0, &mut |_| {}).unwrap();
    let before = seen(&store).await;
    drop(store);
    let restored = dir.path().join("restored");
    restore(&copy, &EmbeddedConfig::new(&restored), T0, &mut |_| {}).unwrap();
    let store = open(&restored);
    assert_eq!(seen(&store).await, before);
    let roster = store.group_facts(group(2)).await.unwrap().unwrap().roster;
    store.commit_message(group_message(2, roster, 50)).await.unwrap();
    store.set_disabled(account(1), true).await.unwrap();
    let refused = store.commit_message(group_message(2, roster, 51)).await;
    assert!(matches!(refused, Err(CommitRefused::ListChanged)), "{refused:?}");
}

fn is_of_groups(table: &str) -> bool {
    table.starts_with("group") || table == "memberships" || table == "cursors"
}

/// Makes a store what a program of schema 2 would have left.
fn as_schema_2(dir: &Path) {
    with_schema(dir, 2, |db| {
        let mut removed = 0;
        for name in db.list_keyspace_names() {
            if is_of_groups(&name) {
                db.delete_keyspace(table(db, &name)).unwrap();
                removed += 1;
            }
        }
        assert_eq!(removed, 8);
    });
}

/// The record of a membership, as programs of schema 3 wrote it.
fn old_membership(group: GroupId, since: MessageId, until: Option<MessageId>) -> Vec<u8> {
    let until = until.unwrap_or(MessageId::ZERO);
    [&[1][..], group.as_bytes(), &since.get().to_be_bytes(), &until.get().to_be_bytes()].concat()
}

#[tokio::test]
async fn a_store_with_one_stay_of_each_membership_is_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy, restored) = (dir.path().join("data"), dir.path().join("backup"), dir.path().join("restored"));
    let store = open(&data);
    for n in [1, 2, 3] {
        store.create_account(new_account(n, keys(0..0))).await.unwrap();
    }
    let turn = |n: u8, members: &[u8]| OperationCommit {
        follows: Some([n - 1; 32]),
        head: [n; 32],
        revision: n.into(),
        details: None,
        members: members.iter().map(|n| account(*n)).collect(),
        ..new_group(1, vec![account(1)])
    };
    let made = store.commit_operation(new_group(1, vec![account(1), account(2), account(3)])).await.unwrap().message_id;
    let out = store.commit_operation(turn(2, &[1])).await.unwrap().message_id;
    let back = store.commit_operation(turn(3, &[1, 3])).await.unwrap().message_id;
    drop(store);
    let key = |n: u8| [&[n; 11][..], &[1; 8]].concat();
    with_schema(&data, 3, |db| {
        let memberships = table(db, "memberships");
        for (n, since, until) in [(1, made, None), (2, made, Some(out)), (3, back, None)] {
            memberships.insert(key(n), old_membership(group(1), since, until)).unwrap();
        }
    });
    let stays = async |store: &EmbeddedStore, n| {
        let stays = store.memberships(account(n)).await.unwrap();
        stays.into_iter().map(|stay| (stay.since, stay.until)).collect::<Vec<_>>()
    };
    let store = open(&data);
    let version = fs::read_to_string(data.join("VERSION")).unwrap();
    assert!(version.contains(&format!("schema {SCHEMA}")), "no older program opens it again: {version}");
    for (n, want) in [(1, (made, None)), (2, (made, Some(out))), (3, (back, None))] {
        assert_eq!(stays(&store, n).await, [want]);
    }
    store.backup(&copy, T0, &mut |_| {}).unwrap();
    // From here on all of them are kept.
    let check = async |store: &EmbeddedStore| {
        let again = store.commit_operation(turn(4, &[1, 2])).await.unwrap().message_id;
        assert_eq!(stays(store, 2).await, [(made, Some(out)), (again, None)]);
        let last = store.commit_operation(turn(5, &[1, 2, 3])).await.unwrap().message_id;
        assert_eq!(stays(store, 3).await, [(back, Some(again)), (last, None)]);
        while store.trim_logs(MessageId::MAX, 100).await.unwrap() > 0 {}
        assert_eq!((stays(store, 2).await, stays(store, 3).await), (vec![(again, None)], vec![(last, None)]));
    };
    check(&store).await;
    drop(store);
    let store = open(&data);
    assert_eq!(stays(&store, 2).await.len(), 1);

    // So it is with a backup of schema 3.
    let manifest = fs::read_to_string(copy.join("manifest.json")).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    json["schema"] = 3.into();
    fs::write(copy.join("manifest.json"), json.to_string()).unwrap();
    restore(&copy, &EmbeddedConfig::new(&restored), Timestamp::from_ms(T0.as_ms() + 5_000), &mut |_| {}).unwrap();
    check(&open(&restored)).await;
}

#[tokio::test]
async fn a_store_without_groups_is_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy, restored) = (dir.path().join("data"), dir.path().join("backup"), dir.path().join("restored"));
    let store = open(&data);
    store.create_account(new_account(1, keys(0..0))).await.unwrap();
    store.put("secret", "value".into()).await.unwrap();
    store.backup(&copy, T0, &mut |_| {}).unwrap();
    drop(store);
    as_schema_2(&data);
    let store = open(&data);
    let version = fs::read_to_string(data.join("VERSION")).unwrap();
    assert!(version.contains(&format!("schema {SCHEMA}")), "no older program opens it again: {version}");
    assert_eq!(MetaStore::get(&store, "secret").await.unwrap().unwrap(), "value");
    store.commit_operation(new_group(1, vec![account(1)])).await.unwrap();
    drop(store);
    drop(open(&data));

    // A backup of such a store lacks the parts.
    let manifest = fs::read_to_string(copy.join("manifest.json")).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    json["schema"] = 2.into();
    json["parts"].as_array_mut().unwrap().retain(|part| !is_of_groups(part["table"].as_str().unwrap()));
    fs::write(copy.join("manifest.json"), json.to_string()).unwrap();
    restore(&copy, &EmbeddedConfig::new(&restored), Timestamp::from_ms(T0.as_ms() + 5_000), &mut |_| {}).unwrap();
    let store = open(&restored);
    assert_eq!(MetaStore::get(&store, "secret").await.unwrap().unwrap(), "value");
    store.commit_operation(new_group(1, vec![account(1)])).await.unwrap();
    // But one of this schema without them is damaged.
    json["schema"] = SCHEMA.into();
    fs::write(copy.join("manifest.json"), json.to_string()).unwrap();
    let again = restore(&copy, &EmbeddedConfig::new(dir.path().join("again")), T0, &mut |_| {});
    assert!(matches!(again, Err(sotto_embedded::BackupError::Damaged { .. })), "{again:?}");
}
