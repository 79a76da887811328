mod groups;
mod place;

use super::*;
use place::{Place, secret};
use prost::Message as _;
use sotto_types::{AccountId, ClientMsgId, Conversation, DeviceId, GroupId, MessageId, Secret, Timestamp};
#[cfg(target_arch = "wasm32")]
use sotto_wasm_test::test;
use sotto_wire::pb;

fn account(n: u8) -> AccountId {
    AccountId::from_bytes([n; 16])
}

fn peer(n: u8) -> Conversation {
    account(n).into()
}

fn text(n: u8, body: &str, id: Option<u64>) -> NewMessage {
    let content = pb::Content {
        body: Some(pb::content::Body::Text(pb::Text { body: body.into(), ..pb::Text::default() })),
        ..pb::Content::default()
    };
    NewMessage {
        author: account(1),
        author_device: DeviceId::FIRST,
        name: ClientMsgId::from_bytes([n; 16]),
        conversation: peer(2),
        message_id: id.map(MessageId::new),
        after: None,
        kind: MessageKind::Content,
        content: Secret::new(content.encode_to_vec()),
        written: Timestamp::from_ms(u64::from(n)),
        server_time: id.map(Timestamp::from_ms),
        note: None,
        expires_after_s: 0,
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
        let order: Vec<u8> = tx.history(peer(2), None, 10)?.iter().map(|m| m.name.as_bytes()[0]).collect();
        assert_eq!(order, [1, 2, 3, 9]);
        assert!(tx.mark_accepted(pending, MessageId::new(20), Timestamp::from_ms(20))?);
        let order: Vec<u8> = tx.history(peer(2), None, 10)?.iter().map(|m| m.name.as_bytes()[0]).collect();
        assert_eq!(order, [1, 2, 9, 3]);
        let hits = tx.search("FIR", None, 10)?;
        assert_eq!(hits.len(), 1);
        assert_eq!(hits[0].snippet, "The \u{1}First\u{2}");
        assert!(tx.search("\"OR* NEAR(", None, 10)?.is_empty());
        assert_eq!(tx.seen(peer(2))?, MessageId::new(30));
        Ok(())
    });
}

#[test]
fn a_deleted_message_is_not_taken_for_the_next_one() {
    let mut store = Store::memory().expect("opens");
    run(&mut store, |tx| {
        let first = tx.insert_message(&text(1, "deleted while it is sent", None))?;
        tx.enqueue(&NewOutboxEntry {
            client_msg_id: ClientMsgId::from_bytes([1; 16]),
            recipient: peer(2),
            class: 1,
            devices: Vec::new(),
            content: Secret::new(Vec::new()),
            message: first,
            now: Timestamp::from_ms(1),
            keep: false,
        })?;
        tx.delete_message(first.expect("new"))?;
        assert_eq!(tx.insert_message(&text(2, "next", None))?, first, "rows are used again");
        let heads = tx.outbox_heads(1, 10, Timestamp::from_ms(1))?;
        assert_eq!(heads.first().expect("still sent").message, None);
        Ok(())
    });
}

#[test]
fn a_wiped_profile_has_no_row_in_any_table() {
    let mut store = Store::memory().expect("opens");
    run(&mut store, |tx| {
        let id = tx.insert_message(&text(1, "gone with the account", Some(1)))?.expect("new");
        let target = Target { author: account(1), name: ClientMsgId::from_bytes([2; 16]) };
        tx.forget_message(target, Timestamp::from_ms(1))?;
        tx.offer_fact(b"a", "profile", b"1", MessageId::new(1))?;
        tx.put_picture(account(2), Some(b"picture"))?;
        tx.put_group(&Group::new(GroupId::from_bytes([3; 32]), Secret::new(b"state".to_vec())))?;
        assert_eq!(tx.search("gone", None, 10)?.len(), 1);
        tx.wipe()?;
        assert!(tx.search("gone", None, 10)?.is_empty() && tx.message(id)?.is_none());
        let mut tables =
            tx.sql.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'message_fts_%'")?;
        let tables: Vec<String> = tables.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        for table in tables {
            let rows: i64 = tx.sql.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
            assert!(rows == 0 || table == "vault", "{table} has {rows}");
        }
        Ok(())
    });
}

#[test]
fn receipts_that_come_before_the_acceptance_count() {
    let mut store = Store::memory().expect("opens");
    run(&mut store, |tx| {
        let id = tx.insert_message(&text(1, "fast", None))?.expect("new");
        tx.put_step(peer(2), StepKind::Delivered, MessageId::new(7), Timestamp::from_ms(70))?;
        tx.mark_accepted(id, MessageId::new(5), Timestamp::from_ms(50))?;
        assert_eq!(tx.message(id)?.expect("there").delivered, Some(Timestamp::from_ms(70)));
        assert_eq!(tx.tick(account(1), peer(2), StepKind::Read, MessageId::new(5), Timestamp::from_ms(90))?, [id]);
        assert_eq!(tx.tick(account(1), peer(2), StepKind::Read, MessageId::new(5), Timestamp::from_ms(95))?, [0; 0]);
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
    assert!(run(&mut store, |tx| tx.history(peer(2), None, 10)).is_empty());
    assert!(run(&mut store, |tx| tx.search("gone", None, 10)).is_empty());
}

#[test]
fn a_passphrase_locks_and_a_wrong_one_is_refused() {
    let place = Place::new("passphrase");
    let mut store = place.open(None).expect("opens");
    run(&mut store, |tx| {
        tx.put_setting("identity", b"private canary key")?;
        tx.insert_message(&text(1, "canaryword in the text", Some(1)))
    });
    store.set_passphrase(Some(&secret("open sesame"))).expect("locks");
    assert_eq!(run(&mut store, |tx| tx.search("canaryword", None, 5)).len(), 1);
    drop(store);

    assert_eq!(place.open(None).map(|_| ()), Err(StoreError::NeedsPassphrase));
    assert_eq!(place.open(Some("wrong")).map(|_| ()), Err(StoreError::WrongPassphrase));
    let mut store = place.open(Some("open sesame")).expect("unlocks");
    assert_eq!(run(&mut store, |tx| tx.search("canaryword", None, 5)).len(), 1);
    run(&mut store, |tx| tx.insert_message(&text(2, "another canaryword", Some(2))));
    assert_eq!(run(&mut store, |tx| tx.search("canaryword", None, 5)).len(), 2);
    drop(store);

    let mut store = place.open(Some("open sesame")).expect("unlocks");
    store.set_passphrase(None).expect("removes it");
    drop(store);
    let mut store = place.open(None).expect("opens without");
    assert_eq!(run(&mut store, |tx| tx.search("canaryword", None, 5)).len(), 2);
}

#[cfg(not(target_arch = "wasm32"))]
#[test]
fn a_locked_profile_holds_nothing_in_the_clear() {
    let place = Place::new("locked");
    assert_eq!(Store::is_locked(&place.path()), Ok(false));
    let mut store = place.open(None).expect("opens");
    run(&mut store, |tx| {
        tx.put_setting("identity", b"private canary key")?;
        tx.insert_message(&text(1, "canaryword in the text", Some(1)))
    });
    assert!(place.has(b"canaryword"), "the index is on disk");
    store.set_passphrase(Some(&secret("open sesame"))).expect("locks");
    drop(store);
    assert_eq!(Store::is_locked(&place.path()), Ok(true));
    assert!(!place.has(b"canaryword"), "the text is on disk");
    assert!(!place.has(b"private canary"), "the key is on disk");
}

#[test]
fn a_newer_store_is_refused_and_left_alone() {
    let place = Place::new("newer");
    let version =
        |sql: &Connection| sql.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0)).expect("reads");
    place.connect().pragma_update(None, "user_version", VERSION + 1).expect("writes");
    assert_eq!(place.open(None).map(|_| ()), Err(StoreError::Newer { found: VERSION + 1, known: VERSION }));
    let sql = place.connect();
    assert_eq!(version(&sql), VERSION + 1);
    let tables: u32 = sql.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0)).expect("reads");
    assert_eq!(tables, 0, "something was written");
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
    assert_eq!(run(&mut store, |tx| tx.history(peer(2), None, 1000)).len(), 1);
    store.sql.query_row("PRAGMA max_page_count = 100000", [], |_| Ok(())).expect("lifts");
    run(&mut store, |tx| tx.insert_message(&text(3, "works again", Some(3))));
    assert_eq!(run(&mut store, |tx| tx.history(peer(2), None, 1000)).len(), 2);
}

fn entry(n: u8, recipient: Conversation, class: u8) -> NewOutboxEntry {
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
    let (held, delayed, free) = (peer(1), peer(2), peer(3));
    let now = Timestamp::from_ms(1_000_000);
    run(&mut store, |tx| {
        tx.put_contact(&Contact { pending_key: Some(vec![5; 33]), ..Contact::new(account(1)) })?;
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
        tx.put_contact(&Contact::new(account(1)))?;
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
                group: None,
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

fn listed(tx: &Tx<'_>) -> Result<Vec<Conversation>, StoreError> {
    Ok(tx.conversations()?.into_iter().map(|row| row.conversation).collect())
}

#[test]
fn conversations_are_listed_as_the_person_arranged_them() {
    let mut store = Store::memory().expect("opens");
    run(&mut store, |tx| {
        for n in 1..=5_u8 {
            tx.start_conversation(peer(n), Timestamp::from_ms(u64::from(n)))?;
        }
        assert_eq!(listed(tx)?, [5, 4, 3, 2, 1].map(peer));
        for n in [2, 4, 1] {
            let at = tx.pin_time(Timestamp::from_ms(7))?;
            tx.set_pinned(peer(n), Some(at))?;
        }
        assert_eq!(listed(tx)?, [1, 4, 2, 5, 3].map(peer), "the newest pin first, however fast one is");
        tx.set_pinned(peer(1), None)?;
        tx.set_pinned(peer(4), None)?;
        let at = tx.pin_time(Timestamp::from_ms(1))?;
        tx.set_pinned(peer(4), Some(at))?;
        assert_eq!(listed(tx)?, [4, 2, 5, 3, 1].map(peer));

        let now = Timestamp::from_ms(1000);
        tx.set_archived(peer(3), true)?;
        assert_eq!(listed(tx)?, [4, 2, 5, 3, 1].map(peer), "archived ones are listed too");
        tx.set_muted_until(peer(3), Timestamp::from_ms(1001))?;
        assert!(!tx.bring_back(peer(3), now)?, "muted: it stays in the archive");
        assert!(tx.bring_back(peer(3), Timestamp::from_ms(1001))?, "the time is over");
        assert!(!tx.bring_back(peer(3), Timestamp::from_ms(1001))?);
        assert!(tx.set_marked_unread(peer(5), true)?);
        assert!(!tx.set_marked_unread(peer(5), true)?);
        tx.set_draft(peer(5), "half a th")?;
        let row = tx.conversation(peer(5))?.expect("there");
        assert_eq!(row.draft.map(|draft| draft.expose().clone()).as_deref(), Some("half a th"));
        assert!(row.marked_unread && !row.pinned && !row.archived);
        let row = tx.conversation(peer(3))?.expect("there");
        assert_eq!((row.archived, row.muted_until), (false, Timestamp::from_ms(1001)));
        tx.set_draft(peer(5), "")?;
        assert!(tx.conversation(peer(5))?.expect("there").draft.is_none(), "an empty draft is none");
        assert!(tx.conversation(peer(9))?.is_none());
        Ok(())
    });
}

#[cfg(not(target_arch = "wasm32"))]
#[test]
fn drafts_and_ciphertexts_are_sealed() {
    let place = Place::new("drafts");
    let mut store = place.open(None).expect("opens");
    run(&mut store, |tx| {
        tx.start_conversation(peer(2), Timestamp::ZERO)?;
        tx.set_draft(peer(2), "draftcanary")?;
        tx.keep_ciphertexts(7, &[b"ciphercanary"], Timestamp::ZERO)
    });
    drop(store);
    for canary in [&b"draftcanary"[..], b"ciphercanary"] {
        assert!(!place.has(canary), "it is on disk in the clear");
    }
}

#[test]
fn ciphertexts_are_kept_for_a_while_and_go_with_their_message() {
    let mut store = Store::memory().expect("opens");
    run(&mut store, |tx| {
        let id = tx.insert_message(&text(1, "one", Some(1)))?.expect("new");
        assert!(tx.ciphertexts(id)?.is_empty());
        let parts: [&[u8]; 3] = [b"first", b"", b"third"];
        tx.keep_ciphertexts(id, &parts, Timestamp::from_ms(10))?;
        assert_eq!(tx.ciphertexts(id)?, parts);
        tx.forget_ciphertexts(Timestamp::from_ms(10))?;
        assert_eq!(tx.ciphertexts(id)?, parts);
        tx.forget_ciphertexts(Timestamp::from_ms(11))?;
        assert!(tx.ciphertexts(id)?.is_empty());
        tx.keep_ciphertexts(id, &parts, Timestamp::from_ms(10))?;
        tx.delete_message(id)?;
        assert!(tx.ciphertexts(id)?.is_empty());
        Ok(())
    });
}

#[test]
fn unread_are_those_beyond_the_read_position_or_late() {
    let mut store = Store::memory().expect("opens");
    run(&mut store, |tx| {
        let own = account(3);
        // The second one of an id stands one place further.
        for (n, id) in [(1, 10), (2, 20), (3, 20), (4, 30)] {
            tx.insert_message(&text(n, "from them", Some(id)))?;
        }
        let late = tx.insert_message(&text(5, "late", Some(15)))?.expect("new");
        tx.insert_message(&NewMessage { author: own, ..text(6, "mine", Some(40)) })?;
        let unread = |tx: &Tx<'_>, read| tx.unread(own, peer(2), MessageId::new(read));
        assert_eq!(unread(tx, 0)?, 5);
        assert_eq!(unread(tx, 20)?, 1);
        tx.set_late(late, MessageId::new(25))?;
        assert_eq!(unread(tx, 10)?, 4, "none twice");
        assert_eq!(unread(tx, 20)?, 2);
        assert_eq!(unread(tx, 25)?, 1);
        assert_eq!(unread(tx, 30)?, 0);
        Ok(())
    });
}

fn found(tx: &Tx<'_>, query: &str, conversation: Option<Conversation>, limit: u32) -> Vec<u8> {
    let hits = tx.search(query, conversation, limit).expect("searches");
    hits.iter().map(|hit| hit.message.name.as_bytes()[0]).collect()
}

#[test]
fn hits_come_newest_first_whatever_order_they_were_stored_in() {
    let mut store = Store::memory().expect("opens");
    run(&mut store, |tx| {
        let at = |n, time| NewMessage { server_time: Some(Timestamp::from_ms(time)), ..text(n, "word", Some(time)) };
        tx.insert_message(&at(1, 1000))?;
        tx.insert_message(&at(2, 3000))?;
        // Older history, imported later; and one of the same millisecond, in another conversation.
        tx.insert_message(&at(3, 500))?;
        tx.insert_message(&at(4, 2000))?;
        tx.insert_message(&NewMessage { conversation: peer(7), ..at(5, 3000) })?;
        assert_eq!(found(tx, "word", None, 10), [5, 2, 4, 1, 3]);
        assert_eq!(found(tx, "word", None, 2), [5, 2]);
        assert_eq!(found(tx, "word", Some(peer(2)), 10), [2, 4, 1, 3]);
        assert_eq!(found(tx, "word", Some(peer(7)), 10), [5]);
        assert!(found(tx, "word", Some(peer(8)), 10).is_empty());
        // Not sent yet, by a clock that is a day ahead; its place is found when the server takes it.
        let written = Timestamp::from_ms(86_402_500);
        let pending = tx.insert_message(&NewMessage { written, ..text(6, "word", None) })?.expect("new");
        assert_eq!(found(tx, "word", None, 1), [6]);
        tx.mark_accepted(pending, MessageId::new(2500), Timestamp::from_ms(2500))?;
        assert_eq!(found(tx, "word", None, 10), [5, 2, 6, 4, 1, 3]);
        tx.delete_message(pending)?;
        assert_eq!(found(tx, "word", None, 10), [5, 2, 4, 1, 3]);
        Ok(())
    });
}

#[test]
fn words_match_by_their_beginning_and_without_their_accents() {
    let mut store = Store::memory().expect("opens");
    run(&mut store, |tx| {
        for (n, body) in [
            (1, "Übermut tut selten gut"),
            (2, "the café is open"),
            (3, "an opening"),
            (4, "привет, мир"),
            (5, "deadbeef"),
        ] {
            tx.insert_message(&text(n, body, Some(u64::from(n))))?;
        }
        for (query, want) in [
            ("u", &[1][..]),
            ("uber", &[1]),
            ("ÜBERMUT", &[1]),
            ("CAFE", &[2]),
            ("o", &[3, 2]),
            ("open", &[3, 2]),
            ("opene", &[]),
            ("open the", &[2]),
            ("ope the", &[]),
            ("мир прив", &[4]),
            ("", &[]),
            ("?!", &[]),
            ("body : an", &[]),
            ("peer", &[]),
            // The word of the conversation in the index is not part of any text.
            ("02020202", &[]),
            ("0", &[]),
        ] {
            assert_eq!(found(tx, query, None, 10), want, "{query:?}");
        }
        assert!(found(tx, &"words ".repeat(10_000), None, 10).is_empty(), "too many words are no error");
        Ok(())
    });
}

#[test]
fn a_common_word_is_found_at_the_newest_end() {
    let mut store = Store::memory().expect("opens");
    run(&mut store, |tx| {
        for n in 0..3000_u32 {
            let mut name = [0; 16];
            name[..4].copy_from_slice(&n.to_be_bytes());
            let id = u64::from(n) + 1;
            let conversation = if n % 1000 == 7 { peer(7) } else { peer(2) };
            let message = text(0, if n % 1000 == 3 { "common rare" } else { "common" }, Some(id));
            tx.insert_message(&NewMessage { name: ClientMsgId::from_bytes(name), conversation, ..message })?;
        }
        let ids = |query: &str, conversation, limit| -> Result<Vec<u64>, StoreError> {
            let hits = tx.search(query, conversation, limit)?;
            Ok(hits.iter().filter_map(|hit| hit.message.message_id.map(MessageId::get)).collect())
        };
        assert_eq!(ids("comm", None, 3)?, [3000, 2999, 2998]);
        assert_eq!(ids("common", None, 5000)?.len(), 3000);
        assert_eq!(ids("common rare", None, 10)?, [2004, 1004, 4]);
        assert_eq!(ids("c", Some(peer(7)), 10)?, [2008, 1008, 8]);
        Ok(())
    });
}

/// A profile as version 2 wrote it, without a passphrase: (id, time, text) of each message.
fn old_profile(place: &Place, messages: &[(u8, u64, &str)]) {
    let sql = place.connect();
    for migration in &schema::MIGRATIONS[..2] {
        sql.execute_batch(migration).expect("the old tables");
    }
    sql.pragma_update(None, "user_version", 2).expect("writes");
    sql.execute_batch(
        "CREATE VIRTUAL TABLE main.message_fts USING fts5(body, tokenize = 'unicode61 remove_diacritics 2');
         INSERT INTO message_fts(message_fts, rank) VALUES('secure-delete', 1);",
    )
    .expect("the old index");
    let (key, _) = seal::unlock(&sql, None).expect("a key");
    for (n, time, body) in messages {
        let new = text(*n, body, Some(*time));
        let row = [&new.author.as_bytes()[..], new.name.as_bytes()].concat();
        let sealed = key.seal("message.content", &row, new.content.expose());
        sql.execute(
            "INSERT INTO message(id, author, author_device, name, conversation, place, message_id, kind, content, written_ms,
               server_ms) VALUES (?1, ?2, 1, ?3, ?4, ?5, ?5, 1, ?6, ?5, ?5)",
            rusqlite::params![n, new.author.as_bytes(), new.name.as_bytes(), new.conversation.as_bytes(), *time as i64, sealed],
        )
        .expect("writes");
        sql.execute("INSERT INTO message_fts(rowid, body) VALUES (?1, ?2)", (n, body)).expect("indexes");
    }
}

#[test]
fn an_old_index_is_made_anew() {
    let place = Place::new("old");
    old_profile(&place, &[(1, 1000, "word one"), (2, 3000, "word two"), (3, 2000, "word three")]);
    // A process that ended between the new tables and the new index.
    schema::migrate(&mut place.connect()).expect("migrates");
    for _ in 0..2 {
        let mut store = place.open(None).expect("opens");
        run(&mut store, |tx| {
            assert_eq!(found(tx, "word", None, 10), [2, 3, 1]);
            assert_eq!(found(tx, "wor", Some(peer(2)), 1), [2]);
            assert_eq!(found(tx, "thr", None, 10), [3]);
            Ok(())
        });
    }
    let mut store = place.open(None).expect("opens");
    run(&mut store, |tx| {
        tx.insert_message(&text(4, "word four", Some(2500)))?;
        tx.delete_message(2)?;
        assert_eq!(found(tx, "word", None, 10), [4, 3, 1]);
        Ok(())
    });
}

#[test]
fn statements_keep_their_plan() {
    let mut store = Store::memory().expect("opens");
    run(&mut store, |tx| {
        let sql = "SELECT place FROM message WHERE conversation = ?1 AND message_id <= ?2 ORDER BY place DESC LIMIT ?3";
        let mut statement = tx.sql.prepare(sql)?;
        for n in 1..5_u8 {
            assert!(!statement.exists((account(n).as_bytes(), n, n))?);
        }
        assert_eq!(statement.get_status(rusqlite::StatementStatus::RePrepare), 0);
        Ok(())
    });
}

/// The indexes, as the query planner names them, that a query reads. The browser's SQLite cannot say; it has the same planner.
#[cfg(not(target_arch = "wasm32"))]
fn plan(tx: &Tx<'_>, query: &str) -> String {
    let mut statement = tx.sql.prepare(&format!("EXPLAIN QUERY PLAN {query}")).expect("a query");
    let values = vec![rusqlite::types::Null; statement.parameter_count()];
    let rows = statement.query_map(rusqlite::params_from_iter(values), |row| row.get::<_, String>(3)).expect("a plan");
    rows.map(|row| row.expect("a line")).collect::<Vec<_>>().join("; ")
}

#[cfg(not(target_arch = "wasm32"))]
#[test]
fn a_long_conversation_is_not_read_whole() {
    let mut store = Store::memory().expect("opens");
    run(&mut store, |tx| {
        for (query, index) in [
            (messages::UNREAD, "message_in_conversation (conversation=? AND message_id>?)"),
            (messages::UNREAD, "message_late (conversation=? AND late_id>?)"),
            (messages::NEWEST_RECEIVED, "message_in_conversation (conversation=? AND message_id<?)"),
            (messages::NEWEST_RECEIVED, "message_late (conversation=? AND late_id<?)"),
            (messages::TICK_DELIVERED, "message_unticked (conversation=? AND author=? AND message_id<?)"),
            (messages::TICK_READ, "message_unticked (conversation=? AND author=? AND message_id<?)"),
            ("SELECT id FROM message WHERE search_key = 1", "message_search (search_key=?)"),
            ("SELECT max(search_key) FROM message WHERE search_key >= 1 AND search_key < 2", "message_search"),
            ("SELECT rowid FROM message_fts WHERE message_fts MATCH 'a' ORDER BY rowid DESC LIMIT 5", "VIRTUAL TABLE"),
        ] {
            let plan = plan(tx, query);
            assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{query}: {plan}");
        }
        Ok(())
    });
}

#[cfg(not(target_arch = "wasm32"))]
#[test]
fn what_was_deleted_is_in_no_byte_of_the_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("profile.db");
    let mut store = Store::open(&path, None).expect("a new store opens");
    let words = ["xylophone", "zeppelin", "quagmire"];
    let holds = |word: &str| {
        let files = std::fs::read_dir(folder.path()).expect("it is there");
        files
            .map(|file| std::fs::read(file.expect("a file").path()).expect("it can be read"))
            .any(|bytes| bytes.windows(word.len()).any(|part| part == word.as_bytes()))
    };
    let mut sealed = Vec::new();
    for (n, word) in (1..).zip(words) {
        let new = text(n, &format!("a {word} indeed"), Some(u64::from(n) * 10));
        let id = store.transaction(|tx| tx.insert_message(&new)).expect("stored").expect("new");
        let bytes: Vec<u8> =
            store.sql.query_row("SELECT content FROM message WHERE id = ?1", [id], |row| row.get(0)).expect("a row");
        sealed.push((id, bytes));
        assert!(holds(word), "the index has words as they are, or this test shows nothing");
    }
    let target = |n: u8| Target { author: account(1), name: ClientMsgId::from_bytes([n; 16]) };
    let has_bytes = |bytes: &[u8]| {
        let files = std::fs::read_dir(folder.path()).expect("it is there");
        files
            .map(|file| std::fs::read(file.expect("a file").path()).expect("it can be read"))
            .any(|all| all.windows(bytes.len()).any(|part| part == bytes))
    };
    store.transaction(|tx| tx.forget_message(target(1), Timestamp::from_ms(1))).expect("forgotten");
    store.transaction(|tx| tx.set_deleted(sealed[1].0, account(1))).expect("deleted");
    for (word, (_, bytes)) in words.iter().zip(&sealed).take(2) {
        assert!(!holds(word), "{word}");
        assert!(!has_bytes(bytes), "{word}, sealed");
    }
    assert!(holds(words[2]) && has_bytes(&sealed[2].1), "nothing else went");
    let again = store.transaction(|tx| tx.insert_message(&text(1, "xylophone", Some(10)))).expect("a store");
    assert_eq!(again, None, "what is forgotten does not come back");
}

#[test]
fn a_copy_of_history_is_found_and_replaced_wherever_it_is() {
    let mut store = Store::memory().expect("opens");
    let own = account(1);
    run(&mut store, |tx| {
        let entry = |n: u8, recipient: AccountId, class: u8| {
            let name = ClientMsgId::from_bytes([n; 16]);
            tx.enqueue(&NewOutboxEntry {
                client_msg_id: name,
                recipient: recipient.into(),
                class,
                devices: Vec::new(),
                content: Secret::new(vec![n; 4]),
                message: None,
                now: Timestamp::ZERO,
                keep: true,
            })?;
            Ok::<_, StoreError>(tx.outbox_entry(name)?.expect("it waits"))
        };
        let (chunk, fact) = (entry(1, own, 2)?, entry(2, own, 2)?);
        let waits = entry(3, own, 2)?;
        // To somebody else, and a message.
        entry(4, account(2), 2)?;
        entry(5, own, 1)?;
        for (id, sent, is_history) in [(70, &chunk, true), (80, &fact, false)] {
            tx.remove_outbox(sent.id)?;
            tx.keep_sent(MessageId::new(id), sent, own, is_history, Timestamp::ZERO)?;
        }
        let places = [HistoryPlace::Sent(MessageId::new(70)), HistoryPlace::Outbox(waits.client_msg_id)];
        let found = tx.history_copies(own, 2)?;
        assert_eq!(found.iter().map(|copy| copy.place).collect::<Vec<_>>(), places);
        assert_eq!(found.iter().map(|copy| copy.content.expose()[0]).collect::<Vec<_>>(), [1, 3]);
        for place in places {
            tx.put_history_copy(place, &Secret::new(vec![9]))?;
        }
        assert!(tx.history_copies(own, 2)?.iter().all(|copy| copy.content.expose()[..] == [9]));
        assert_eq!(tx.sent_control(MessageId::new(70))?.expect("kept").content.expose()[..], [9]);
        assert_eq!(tx.outbox_entry(waits.client_msg_id)?.expect("waits").content.expose()[..], [9]);
        Ok(())
    });
}
