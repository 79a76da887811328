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

fn entry(n: u8, recipient: AccountId, class: u8) -> NewOutboxEntry {
    NewOutboxEntry {
        client_msg_id: ClientMsgId::from_bytes([n; 16]),
        recipient,
        class,
        devices: Vec::new(),
        content: Secret::new(vec![n]),
        message: None,
        now: Timestamp::from_ms(1),
        keep: false,
    }
}

#[test]
fn one_recipients_wait_is_nobody_elses() {
    let mut store = Store::memory().expect("opens");
    let (held, delayed, free) = (account(1), account(2), account(3));
    let now = Timestamp::from_ms(1_000_000);
    run(&mut store, |tx| {
        tx.put_contact(&Contact { pending_key: Some(vec![5; 33]), ..Contact::new(held) })?;
        (1..=100).try_for_each(|n| tx.enqueue(&entry(n, held, 2)))?;
        (101..=200).try_for_each(|n| tx.enqueue(&entry(n, delayed, 2)))?;
        for waiting in tx.outbox_of(delayed, 100)? {
            tx.delay_outbox(waiting.id, 1, Timestamp::from_ms(1_000_050))?;
        }
        (201..=220).try_for_each(|n| tx.enqueue(&entry(n, free, 2)))?;
        tx.enqueue(&entry(230, free, 1))?;
        tx.enqueue(&entry(231, free, 1))?;
        tx.enqueue(&entry(232, held, 1))?;
        let heads = |tx: &Tx<'_>, now| -> Result<Vec<u8>, StoreError> {
            Ok(tx.outbox_heads(1, 64, now)?.iter().map(|entry| entry.client_msg_id.as_bytes()[0]).collect())
        };
        let oldest: Vec<u8> = (201..=208).chain([230]).collect();
        assert_eq!(heads(tx, now)?, oldest, "the oldest few, in order, and one message");
        assert_eq!(tx.next_outbox(now)?, Some(Timestamp::from_ms(1_000_050)));
        let later = Timestamp::from_ms(1_000_050);
        assert_eq!(heads(tx, later)?.len(), 8 + 8 + 1);
        // The person decided.
        tx.put_contact(&Contact::new(held))?;
        assert_eq!(heads(tx, now)?.len(), 8 + 8 + 2);
        // The clock was set back by more than anything ever waits.
        assert_eq!(heads(tx, Timestamp::from_ms(1))?.len(), 8 + 8 + 2, "a little is waited out");
        for waiting in tx.outbox_of(delayed, 100)? {
            tx.delay_outbox(waiting.id, 1, Timestamp::from_ms(900_000_000))?;
        }
        assert_eq!(heads(tx, Timestamp::from_ms(1))?.len(), 8 + 8 + 8 + 2);
        Ok(())
    });
}

#[test]
fn placeholders_are_counted_by_sender_and_forgotten_in_the_end() {
    let mut store = Store::memory().expect("opens");
    let from = |n| sotto_types::DeviceAddress::new(account(n), DeviceId::FIRST);
    run(&mut store, |tx| {
        for n in 1..=5_u64 {
            let placeholder = Placeholder {
                message_id: MessageId::new(n),
                from: from(if n == 5 { 2 } else { 1 }),
                class: 1,
                ratchet_key: Vec::new(),
                attempts: if n == 1 { 3 } else { 0 },
                next: Timestamp::from_ms(n * 1000),
                message: None,
            };
            tx.put_placeholder(&placeholder, Timestamp::from_ms(n))?;
        }
        assert_eq!(tx.open_placeholders_of(account(1), 3)?, 3);
        assert_eq!(tx.next_placeholder(3)?, Some(Timestamp::from_ms(2000)));
        assert_eq!(tx.due_placeholders(Timestamp::from_ms(3000), 3)?.len(), 2);
        tx.forget_placeholders(Timestamp::from_ms(4))?;
        assert_eq!(tx.count_placeholders()?, 2);
        Ok(())
    });
}
