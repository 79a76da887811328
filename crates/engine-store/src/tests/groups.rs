//! Groups, their sender keys and their marks.

use super::*;
use sotto_types::{DeviceAddress, GroupId};
#[cfg(target_arch = "wasm32")]
use sotto_wasm_test::test;

fn group(n: u8) -> GroupId {
    GroupId::from_bytes([n; 32])
}

fn bytes(text: &str) -> Secret<Vec<u8>> {
    Secret::new(text.as_bytes().to_vec())
}

fn at(ms: u64) -> Timestamp {
    Timestamp::from_ms(ms)
}

fn id(n: u64) -> MessageId {
    MessageId::new(n)
}

fn operation(revision: u32, message_id: Option<u64>) -> GroupOperation {
    GroupOperation {
        revision,
        payload: vec![7, 7, u8::try_from(revision).expect("small")],
        signature: vec![8; 64],
        hash: [u8::try_from(revision).expect("small"); 32],
        message_id: message_id.map(MessageId::new),
        server_time: at(u64::from(revision)),
    }
}

fn holder(account_n: u8, device: u32, registration_id: u32) -> KeyHolder {
    let device = DeviceId::try_from(device).expect("a device");
    KeyHolder { device: DeviceAddress::new(account(account_n), device), registration_id }
}

#[test]
fn a_group_is_kept_whole_and_its_marks_only_rise() {
    let mut store = Store::memory().expect("opens");
    run(&mut store, |tx| {
        let full = Group {
            revision: 3,
            head: [4; 32],
            roster: u64::MAX,
            details: Some(bytes("details")),
            details_hash: Some([5; 32]),
            sealed_details: Some(vec![6]),
            details_key: Some(bytes("key")),
            cursor: id(10),
            delivered: id(9),
            stale: false,
            context_due: true,
            left: true,
            ..Group::new(group(1), bytes("state"))
        };
        tx.put_group(&Group::new(group(2), bytes("other")))?;
        tx.put_group(&full)?;
        let got = tx.group(group(1))?.expect("there");
        assert_eq!(format!("{got:?}"), format!("{full:?}"));
        assert_eq!(
            (got.state, got.details, got.details_key),
            (full.state.clone(), full.details.clone(), Some(bytes("key")))
        );
        assert!(tx.has_group(group(1))? && !tx.has_group(group(3))? && tx.group(group(3))?.is_none());
        let ids: Vec<GroupId> = tx.groups()?.iter().map(|group| group.id).collect();
        assert_eq!(ids, [group(1), group(2)]);

        assert!(tx.raise_cursor(group(1), id(12))?);
        assert!(!tx.raise_cursor(group(1), id(12))?, "it was stored before");
        assert!(tx.raise_delivered(group(1), id(11))? && !tx.raise_delivered(group(1), id(10))?);
        assert!(!tx.raise_cursor(group(3), id(12))?);
        assert!(tx.raise_group_alarm(group(1), "two lists")? && !tx.raise_group_alarm(group(1), "another")?);
        tx.set_group_roster(group(1), 1 << 63)?;
        tx.set_group_stale(group(1), true)?;
        let got = tx.group(group(1))?.expect("there");
        assert_eq!((got.roster, got.stale), (1 << 63, true));
        // By somebody who has an older copy of it.
        tx.put_group(&Group { alarm: Some("a third".into()), details: None, ..full })?;
        let got = tx.group(group(1))?.expect("there");
        assert_eq!((got.cursor, got.delivered, got.alarm.as_deref()), (id(12), id(11), Some("two lists")));
        assert!(got.details.is_none() && !got.stale);
        assert_eq!(tx.group_cursors()?, [(group(1), id(12)), (group(2), MessageId::ZERO)]);
        Ok(())
    });
}

#[test]
fn operations_stay_as_they_were_and_learn_their_place() {
    let mut store = Store::memory().expect("opens");
    run(&mut store, |tx| {
        for operation in [operation(0, Some(5)), operation(1, None), operation(2, Some(20))] {
            tx.put_group_operation(group(1), &operation)?;
        }
        assert_eq!(tx.group_operation(group(1), 1)?, Some(operation(1, None)));
        assert_eq!(tx.group_operation_id(group(1), 1)?, None);
        tx.put_group_operation(group(1), &operation(1, Some(15)))?;
        assert_eq!(tx.group_operation_id(group(1), 1)?, Some(id(15)));
        tx.put_group_operation(group(1), &operation(1, Some(16)))?;
        tx.put_group_operation(group(1), &GroupOperation { hash: [99; 32], ..operation(2, Some(21)) })?;
        let all = tx.group_operations(group(1), 1, 10)?;
        assert_eq!(all, [operation(1, Some(15)), operation(2, Some(20))], "as they were");
        assert_eq!(tx.group_operations(group(1), 0, 2)?.len(), 2);
        assert_eq!(tx.group_hash_at(group(1), 2)?, Some([2; 32]));
        assert_eq!((tx.group_hash_at(group(1), 3)?, tx.group_hash_at(group(2), 2)?), (None, None));
        assert!(tx.group_operation(group(2), 0)?.is_none() && tx.group_operation_id(group(1), 3)?.is_none());
        Ok(())
    });
}

#[test]
fn of_a_replaced_sender_key_nothing_is_left() {
    let mut store = Store::memory().expect("opens");
    run(&mut store, |tx| {
        let own = DeviceAddress::new(account(1), DeviceId::FIRST);
        let first = OwnDistribution { id: [1; 16], created: at(5), messages: 0, membership_revision: 2 };
        tx.put_key_holders(&first.id, &[holder(2, 1, 11)])?;
        assert!(tx.key_holders(&first.id)?.is_empty(), "there is no such key");
        tx.put_distribution(group(1), &first)?;
        tx.put_sender_key(own, &first.id, b"record")?;
        tx.put_key_holders(&first.id, &[holder(3, 1, 31), holder(2, 2, 22), holder(2, 1, 11)])?;
        tx.put_key_holders(&first.id, &[holder(2, 2, 23)])?;
        assert_eq!(tx.key_holders(&first.id)?, [holder(2, 1, 11), holder(2, 2, 23), holder(3, 1, 31)]);
        tx.delete_key_holder(&first.id, holder(2, 1, 0).device)?;
        let counted = OwnDistribution { messages: 7, ..first };
        tx.put_distribution(group(1), &counted)?;
        assert_eq!(tx.distribution(group(1))?, Some(counted));
        assert_eq!(tx.key_holders(&first.id)?.len(), 2, "the same key");

        let second = OwnDistribution { id: [2; 16], ..first };
        tx.put_distribution(group(1), &second)?;
        assert!(tx.key_holders(&first.id)?.is_empty() && tx.sender_key(own, &first.id)?.is_none());
        // Its acknowledgement came late.
        tx.put_key_holders(&first.id, &[holder(3, 1, 31)])?;
        assert!(tx.key_holders(&first.id)?.is_empty());
        tx.put_key_holders(&second.id, &[holder(3, 1, 31)])?;
        tx.delete_distribution(group(1))?;
        assert!(tx.distribution(group(1))?.is_none() && tx.key_holders(&second.id)?.is_empty());
        Ok(())
    });
}

#[test]
fn marks_say_who_has_a_message_since_when() {
    let mut store = Store::memory().expect("opens");
    run(&mut store, |tx| {
        use StepKind::{Delivered, Read};
        let mark =
            |tx: &Tx<'_>, member, kind, up_to, ms| tx.put_mark(group(1), account(member), kind, id(up_to), at(ms));
        assert!(mark(tx, 2, Delivered, 10, 100)?);
        assert!(mark(tx, 2, Delivered, 20, 200)?);
        assert!(!mark(tx, 2, Delivered, 20, 250)?, "known");
        assert!(mark(tx, 2, Read, 10, 300)?);
        // Read, and nobody said before that it was delivered.
        assert!(mark(tx, 3, Read, 20, 400)?);
        assert!(!mark(tx, 3, Delivered, 20, 350)?, "further than before it is not");
        assert!(mark(tx, 4, Delivered, 5, 50)?);
        tx.put_mark(group(2), account(5), Read, id(30), at(1))?;

        let of = |member, delivered: u64, read: Option<u64>| GroupMark {
            member: account(member),
            delivered: Some(at(delivered)),
            read: read.map(at),
        };
        assert_eq!(tx.marks_at(group(1), id(5))?, [of(2, 100, Some(300)), of(3, 350, Some(400)), of(4, 50, None)]);
        assert_eq!(tx.marks_at(group(1), id(15))?, [of(2, 200, None), of(3, 350, Some(400))]);
        assert_eq!(tx.marks_at(group(1), id(21))?, []);
        for (message, counts) in [(5, (3, 2)), (10, (2, 2)), (11, (2, 1)), (20, (2, 1)), (21, (0, 0))] {
            assert_eq!(tx.count_marks(group(1), id(message))?, counts, "{message}");
        }
        // A step that comes late says more exactly when.
        assert!(!mark(tx, 3, Delivered, 8, 80)?);
        assert_eq!(tx.marks_at(group(1), id(5))?[1], of(3, 80, Some(400)));
        assert_eq!(tx.count_marks(group(1), id(10))?, (2, 2));
        assert_eq!(tx.newest_mark(group(1), account(3), Delivered)?, Some(id(20)));
        assert_eq!(tx.newest_mark(group(1), account(9), Read)?, None);
        tx.delete_marks_of(group(1), account(2))?;
        assert_eq!(tx.count_marks(group(1), id(5))?, (2, 1));
        Ok(())
    });
}

#[test]
fn steps_of_a_member_are_bounded() {
    let mut store = Store::memory().expect("opens");
    run(&mut store, |tx| {
        for n in 1..=100 {
            tx.put_mark(group(1), account(2), StepKind::Delivered, id(n), at(n))?;
        }
        tx.put_mark(group(1), account(2), StepKind::Delivered, id(3), at(3))?;
        let kept: u32 = tx.sql.query_row("SELECT count(*) FROM group_mark", [], |row| row.get(0))?;
        assert_eq!(kept, 64);
        let first = tx.marks_at(group(1), id(1))?;
        assert_eq!(first[0].delivered, Some(at(37)), "reached, by the first step that is still known");
        assert_eq!(tx.count_marks(group(1), id(100))?, (1, 0));
        Ok(())
    });
}

#[cfg(not(target_arch = "wasm32"))]
#[test]
fn marks_are_counted_from_their_newest_end() {
    let mut store = Store::memory().expect("opens");
    run(&mut store, |tx| {
        let plan = plan(tx, group_marks::COUNT);
        assert!(plan.contains("group_mark_newest (group_id=? AND kind=? AND message_id>?)"), "{plan}");
        Ok(())
    });
}

#[test]
fn a_deleted_group_leaves_nothing_of_itself() {
    let mut store = Store::memory().expect("opens");
    run(&mut store, |tx| {
        for n in 1..=2 {
            tx.put_group(&Group::new(group(n), bytes("state")))?;
            tx.put_group_operation(group(n), &operation(0, None))?;
            let distribution = OwnDistribution { id: [n; 16], created: at(1), messages: 0, membership_revision: 0 };
            tx.put_distribution(group(n), &distribution)?;
            tx.put_key_holders(&distribution.id, &[holder(3, 1, 1)])?;
            tx.put_mark(group(n), account(3), StepKind::Read, id(1), at(1))?;
            let invite = InviteSeed { public_key: [n; 32], seed: bytes("seed"), details_key: Some(bytes("key")) };
            tx.put_invite_seed(group(n), &invite)?;
            let placeholder = Placeholder {
                message_id: id(u64::from(n)),
                from: DeviceAddress::new(account(3), DeviceId::FIRST),
                class: 1,
                ratchet_key: Vec::new(),
                attempts: 0,
                next: at(1),
                message: None,
                group: Some(group(n)),
            };
            tx.put_placeholder(&placeholder, at(1))?;
        }
        assert_eq!(tx.placeholder(id(2))?.expect("there").group, Some(group(2)));
        tx.delete_group(group(1))?;
        tx.delete_group(group(9))?;
        for table in ["chat_group", "group_operation", "distribution", "key_holder", "invite_seed", "placeholder"] {
            let left: u32 = tx.sql.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
            assert_eq!(left, 1, "{table}");
        }
        assert_eq!((tx.count_marks(group(1), id(1))?, tx.count_marks(group(2), id(1))?), ((0, 0), (1, 1)));
        let invite = tx.invite_seed(group(2), &[2; 32])?.expect("there");
        assert_eq!((invite.seed, invite.details_key), (bytes("seed"), Some(bytes("key"))));
        assert!(tx.invite_seed(group(1), &[1; 32])?.is_none());
        tx.delete_invite_seed(group(2), &[2; 32])?;
        assert!(tx.invite_seed(group(2), &[2; 32])?.is_none());
        Ok(())
    });
}

#[cfg(not(target_arch = "wasm32"))]
#[test]
fn what_a_group_keeps_secret_is_sealed() {
    let place = Place::new("groups");
    let mut store = place.open(None).expect("opens");
    run(&mut store, |tx| {
        tx.put_group(&Group {
            details: Some(bytes("detailscanary")),
            details_key: Some(bytes("keycanary")),
            ..Group::new(group(1), bytes("statecanary"))
        })?;
        tx.put_group_operation(group(1), &GroupOperation { payload: b"payloadcanary".to_vec(), ..operation(0, None) })?;
        let details_key = Some(bytes("invitecanary"));
        tx.put_invite_seed(group(1), &InviteSeed { public_key: [1; 32], seed: bytes("seedcanary"), details_key })
    });
    drop(store);
    for canary in ["detailscanary", "keycanary", "statecanary", "payloadcanary", "invitecanary", "seedcanary"] {
        assert!(!place.has(canary.as_bytes()), "{canary} is on disk in the clear");
    }
}

#[test]
fn a_group_is_a_conversation_and_a_lane_like_any_other() {
    let mut store = Store::memory().expect("opens");
    run(&mut store, |tx| {
        let conversation = Conversation::from(group(1));
        tx.insert_message(&NewMessage { conversation, ..text(1, "to all of them", Some(10)) })?;
        tx.insert_message(&NewMessage { conversation, author: account(3), ..text(2, "an answer to all", Some(20)) })?;
        let change = NewMessage { conversation, kind: MessageKind::GroupChange, ..text(3, "all changed", Some(30)) };
        let change = tx.insert_message(&change)?.expect("new");
        assert_eq!(tx.message(change)?.expect("there").kind, MessageKind::GroupChange);
        assert_eq!(tx.message(change)?.expect("there").conversation, conversation);
        tx.insert_message(&text(4, "not to all", Some(40)))?;
        assert_eq!(tx.history(conversation, None, 10)?.len(), 3);
        assert_eq!(found(tx, "all", Some(conversation), 10), [2, 1], "a change of the group is no text");
        assert_eq!(found(tx, "all", None, 10), [4, 2, 1]);
        assert_eq!(tx.unread(account(1), conversation, MessageId::ZERO)?, 1);
        tx.set_draft(conversation, "half")?;
        tx.raise_read(conversation, id(20))?;
        assert_eq!(tx.untold_reads()?, [(conversation, id(20))]);
        let row = tx.conversation(conversation)?.expect("there");
        assert_eq!(row.draft.map(|draft| draft.expose().clone()).as_deref(), Some("half"));

        // One message of each lane, and a person's key that waits for a decision holds up no group.
        tx.put_contact(&Contact { pending_key: Some(vec![5; 33]), ..Contact::new(account(2)) })?;
        for (n, recipient) in [(1, conversation), (2, conversation), (3, peer(2)), (4, peer(3))] {
            tx.enqueue(&entry(n, recipient, 1))?;
        }
        let heads = tx.outbox_heads(1, 10, at(1))?;
        let heads: Vec<_> = heads.iter().map(|head| (head.client_msg_id.as_bytes()[0], head.recipient)).collect();
        assert_eq!(heads, [(1, conversation), (4, peer(3))]);
        assert_eq!(tx.outbox_of(conversation, 10)?.len(), 2);
        tx.hurry_outbox(Some(conversation))
    });
}

/// A profile as version 3 wrote it keeps what it has, and has room for groups.
#[test]
fn a_store_from_before_groups_goes_on() {
    let place = Place::new("before-groups");
    {
        let sql = place.connect();
        for migration in &schema::MIGRATIONS[..3] {
            sql.execute_batch(migration).expect("the old tables");
        }
        sql.pragma_update(None, "user_version", 3).expect("writes");
        let (key, _) = seal::unlock(&sql, None).expect("a key");
        let old = text(1, "from before", Some(10));
        let sealed = |place: &str, row: &[u8], value: &[u8]| key.seal(place, row, value);
        let row = [&old.author.as_bytes()[..], old.name.as_bytes()].concat();
        let content = sealed("message.content", &row, old.content.expose());
        sql.execute(
            "INSERT INTO message(author, author_device, name, conversation, place, message_id, kind, content, written_ms,
               server_ms, search_key) VALUES (?1, 1, ?2, ?3, 10, 10, 1, ?4, 1, 10, 10)",
            (old.author.as_bytes(), old.name.as_bytes(), account(2).as_bytes(), content),
        )
        .expect("a message");
        let draft = sealed("conversation.draft", account(2).as_bytes(), b"half a th");
        sql.execute("INSERT INTO conversation(peer, seen, draft) VALUES (?1, 10, ?2)", (account(2).as_bytes(), draft))
            .expect("a conversation");
        let waiting = sealed("outbox.content", &[9; 16], b"waits");
        sql.execute(
            "INSERT INTO outbox(client_msg_id, recipient, class, devices, content, created_ms) VALUES (?1, ?2, 1, x'', ?3, 1)",
            ([9; 16], account(2).as_bytes(), waiting),
        )
        .expect("an entry");
        sql.execute(
            "INSERT INTO placeholder(message_id, account, device, class, ratchet_key, next_ms, at_ms)
             VALUES (7, ?1, 1, 1, x'', 1, 1)",
            [account(2).as_bytes()],
        )
        .expect("a placeholder");
    }
    for _ in 0..2 {
        let mut store = place.open(None).expect("opens");
        run(&mut store, |tx| {
            assert_eq!(found(tx, "before", Some(peer(2)), 10), [1]);
            let row = tx.conversation(peer(2))?.expect("there");
            assert_eq!(row.draft.map(|draft| draft.expose().clone()).as_deref(), Some("half a th"));
            let waiting = tx.outbox_heads(1, 10, at(1))?;
            assert_eq!(
                (waiting.len(), waiting[0].recipient, waiting[0].content.expose().as_slice()),
                (1, peer(2), &b"waits"[..])
            );
            assert_eq!(tx.placeholder(id(7))?.expect("there").group, None);
            tx.put_group(&Group::new(group(1), bytes("state")))?;
            assert!(tx.has_group(group(1))?);
            Ok(())
        });
    }
}
