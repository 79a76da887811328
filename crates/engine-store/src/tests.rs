use super::*;
use prost::Message as _;
use sotto_types::{AccountId, ClientMsgId, DeviceId, MessageId, Timestamp};
use sotto_wire::pb;

fn account(n: u8) -> AccountId {
    AccountId::from_bytes([n; 16])
}

fn text(n: u8, body: &str, id: Option<u64>) -> NewMessage {
    let content =
        pb::Content { body: Some(pb::content::Body::Text(pb::Text { body: body.into() })), ..pb::Content::default() };
    NewMessage {
        author: account(1),
        author_device: DeviceId::FIRST,
        name: ClientMsgId::from_bytes([n; 16]),
        conversation: account(2),
        message_id: id.map(MessageId::new),
        after: None,
        kind: MessageKind::Text,
        content: Secret::new(content.encode_to_vec()),
        written: Timestamp::from_ms(u64::from(n)),
        server_time: id.map(Timestamp::from_ms),
        note: None,
    }
}

fn run<T>(store: &mut Store, work: impl FnOnce(&Tx<'_>) -> Result<T, StoreError>) -> T {
    store.transaction(work).expect("the store works")
}

#[test]
fn messages_are_unique_ordered_and_found() {
    let mut store = Store::memory().expect("opens");
    run(&mut store, |tx| {
        assert!(tx.insert_message(&text(3, "the third one", Some(30)))?.is_some());
        assert!(tx.insert_message(&text(1, "The First", Some(10)))?.is_some());
        assert!(tx.insert_message(&text(1, "again", Some(11)))?.is_none());
        let pending = tx.insert_message(&text(9, "not sent", None))?.expect("new");
        assert!(tx.insert_message(&text(2, "same id", Some(10)))?.is_some());
        let order: Vec<u8> = tx.history(account(2), None, 10)?.iter().map(|m| m.name.as_bytes()[0]).collect();
        assert_eq!(order, [1, 2, 3, 9]);
        assert!(tx.mark_accepted(pending, MessageId::new(20), Timestamp::from_ms(20))?);
        let order: Vec<u8> = tx.history(account(2), None, 10)?.iter().map(|m| m.name.as_bytes()[0]).collect();
        assert_eq!(order, [1, 2, 9, 3]);
        let hits = tx.search("FIR", None, 10)?;
        assert_eq!(hits.len(), 1);
        assert_eq!(hits[0].snippet, "The \u{1}First\u{2}");
        assert!(tx.search("\"OR* NEAR(", None, 10)?.is_empty());
        assert_eq!(tx.seen(account(2))?, MessageId::new(30));
        Ok(())
    });
}

#[test]
fn receipts_that_come_before_the_acceptance_count() {
    let mut store = Store::memory().expect("opens");
    run(&mut store, |tx| {
        let id = tx.insert_message(&text(1, "fast", None))?.expect("new");
        tx.put_step(account(2), StepKind::Delivered, MessageId::new(7), Timestamp::from_ms(70))?;
        tx.mark_accepted(id, MessageId::new(5), Timestamp::from_ms(50))?;
        assert_eq!(tx.message(id)?.expect("there").delivered, Some(Timestamp::from_ms(70)));
        assert_eq!(tx.tick(account(1), account(2), StepKind::Read, MessageId::new(5), Timestamp::from_ms(90))?, [id]);
        assert_eq!(tx.tick(account(1), account(2), StepKind::Read, MessageId::new(5), Timestamp::from_ms(95))?, [0; 0]);
        Ok(())
    });
}

#[test]
fn a_failed_step_leaves_nothing() {
    let mut store = Store::memory().expect("opens");
    let result: Result<(), StoreError> = store.transaction(|tx| {
        tx.insert_message(&text(1, "gone", Some(1)))?;
        Err(StoreError::Full)
    });
    assert_eq!(result, Err(StoreError::Full));
    assert!(run(&mut store, |tx| tx.history(account(2), None, 10)).is_empty());
    assert!(run(&mut store, |tx| tx.search("gone", None, 10)).is_empty());
}

#[test]
fn a_passphrase_locks_and_a_wrong_one_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("profile.db");
    let secret = |text: &str| Secret::new(String::from(text));
    assert_eq!(Store::is_locked(&path), Ok(false));
    let mut store = Store::open(&path, None).expect("opens");
    run(&mut store, |tx| {
        tx.put_setting("identity", b"private canary key")?;
        tx.insert_message(&text(1, "canaryword in the text", Some(1)))
    });
    store.set_passphrase(Some(&secret("open sesame"))).expect("locks");
    assert_eq!(run(&mut store, |tx| tx.search("canaryword", None, 5)).len(), 1);
    drop(store);

    assert_eq!(Store::is_locked(&path), Ok(true));
    assert_eq!(Store::open(&path, None).map(|_| ()), Err(StoreError::NeedsPassphrase));
    assert_eq!(Store::open(&path, Some(&secret("wrong"))).map(|_| ()), Err(StoreError::WrongPassphrase));
    let mut store = Store::open(&path, Some(&secret("open sesame"))).expect("unlocks");
    assert_eq!(run(&mut store, |tx| tx.search("canaryword", None, 5)).len(), 1);
    run(&mut store, |tx| tx.insert_message(&text(2, "another canaryword", Some(2))));
    assert_eq!(run(&mut store, |tx| tx.search("canaryword", None, 5)).len(), 2);
    drop(store);
    for entry in std::fs::read_dir(dir.path()).expect("the folder") {
        let bytes = std::fs::read(entry.expect("an entry").path()).expect("readable");
        assert!(!bytes.windows(10).any(|window| window == b"canaryword"), "the text is on disk");
        assert!(!bytes.windows(14).any(|window| window == b"private canary"), "the key is on disk");
    }

    let mut store = Store::open(&path, Some(&secret("open sesame"))).expect("unlocks");
    store.set_passphrase(None).expect("removes it");
    drop(store);
    let mut store = Store::open(&path, None).expect("opens without");
    assert_eq!(run(&mut store, |tx| tx.search("canaryword", None, 5)).len(), 2);
}

#[test]
fn a_newer_store_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("profile.db");
    let sql = rusqlite::Connection::open(&path).expect("opens");
    sql.pragma_update(None, "user_version", VERSION + 1).expect("writes");
    drop(sql);
    let before = std::fs::read(&path).expect("readable");
    assert_eq!(Store::open(&path, None).map(|_| ()), Err(StoreError::Newer { found: VERSION + 1, known: VERSION }));
    assert_eq!(std::fs::read(&path).expect("readable"), before);
}

#[test]
fn sealed_values_do_not_open_elsewhere() {
    let mut store = Store::memory().expect("opens");
    run(&mut store, |tx| {
        tx.put_setting("a", b"one")?;
        tx.sql.execute("INSERT INTO setting SELECT 'b', value FROM setting WHERE name = 'a'", [])?;
        assert!(matches!(tx.setting("b"), Err(StoreError::Damaged(_))));
        Ok(())
    });
}

#[test]
fn a_full_disk_is_told_and_leaves_what_was_committed() {
    let mut store = Store::memory().expect("opens");
    run(&mut store, |tx| tx.insert_message(&text(1, "kept", Some(1))));
    let pages: u32 = store.sql.query_row("PRAGMA page_count", [], |row| row.get(0)).expect("reads");
    store.sql.query_row(&format!("PRAGMA max_page_count = {}", pages + 1), [], |_| Ok(())).expect("limits");
    let result: Result<(), StoreError> = store.transaction(|tx| {
        (2..200).try_for_each(|n| {
            tx.insert_message(&text(n, &"much ".repeat(500), Some(u64::from(n))))?;
            Ok(())
        })
    });
    assert_eq!(result, Err(StoreError::Full));
    assert_eq!(run(&mut store, |tx| tx.history(account(2), None, 1000)).len(), 1);
    store.sql.query_row("PRAGMA max_page_count = 100000", [], |_| Ok(())).expect("lifts");
    run(&mut store, |tx| tx.insert_message(&text(3, "works again", Some(3))));
    assert_eq!(run(&mut store, |tx| tx.history(account(2), None, 1000)).len(), 2);
}
