//! Promises of `GroupStore`.

use super::world::*;
use super::{Subject, World};
use crate::{
    CommitRefused, DeviceChange, DeviceChangeOutcome, EntryFeed, GroupFacts, GroupItem, GroupMark, GroupSettle,
    Membership, OperationCommit, OperationRefused, QueuedItem, Recovery, Step, WatermarkKind,
};
use bytes::Bytes;
use sotto_types::{EntryId, MessageId, limits};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

const DAY: Duration = Duration::from_secs(86_400);

pub(super) fn membership(g: u8, since: MessageId, until: Option<MessageId>) -> Membership {
    Membership { group: group(g), since, until }
}

pub async fn a_new_group_reads_back(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    let g = &w.subject.groups;
    w.person(1, 1).await;
    w.person(2, 1).await;
    assert_eq!(g.group(group(1)).await.unwrap(), None);
    assert_eq!(g.group_facts(group(1)).await.unwrap(), None);
    assert!(g.operations(group(1), 0, 99).await.unwrap().is_empty() && w.log(1).await.is_empty());
    let commit = OperationCommit { details: Some("details".into()), ..operation(1, 1, &[2, 1]) };
    let made = w.operate(commit.clone()).await.unwrap();
    assert!(made.message_id > MessageId::ZERO && made.server_time == T0);
    let stored = g.group(group(1)).await.unwrap().unwrap();
    assert_eq!((stored.id, stored.revision, stored.head, stored.roster), (group(1), 1, commit.head, made.roster));
    assert_eq!((&stored.state, &stored.details), (&commit.state, &Bytes::from("details")));
    assert_eq!(stored.members, [(account(2), made.message_id), (account(1), made.message_id)], "in their order");
    let facts = GroupFacts { roster: made.roster, newest: made.message_id };
    assert_eq!(g.group_facts(group(1)).await.unwrap(), Some(facts));
    let [operation] = &g.operations(group(1), 0, 1).await.unwrap()[..] else { panic!("one operation expected") };
    assert_eq!((operation.revision, operation.message_id), (1, made.message_id));
    assert_eq!((&operation.payload, &operation.signature), (&commit.payload, &commit.signature));
    assert_eq!(operation.server_time, T0);
    let [entry] = &w.log(1).await[..] else { panic!("one entry expected") };
    assert_eq!((entry.group, entry.id, entry.previous), (group(1), made.message_id, MessageId::ZERO));
    assert_eq!((entry.server_time, entry.sender), (T0, address(2, 1)));
    let item = GroupItem::Operation {
        revision: 1,
        payload: commit.payload,
        signature: commit.signature,
        details: "details".into(),
    };
    assert_eq!(entry.item, item);
    for n in [1, 2] {
        assert_eq!(g.memberships(account(n)).await.unwrap(), [membership(1, made.message_id, None)]);
    }
    // Another that begins with the same bytes is another.
    let mut other = [1; 32];
    other[31] = 2;
    let other = sotto_types::GroupId::from_bytes(other);
    assert_eq!((g.group(other).await.unwrap(), g.group_facts(other).await.unwrap()), (None, None));
    assert!(g.operations(other, 0, 99).await.unwrap().is_empty());
    assert!(g.read_log(other, MessageId::ZERO, MessageId::MAX, 9, 999).await.unwrap().is_empty());
}

pub async fn of_racing_operations_one_wins(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    for n in 1..=9 {
        w.person(n, 1).await;
    }
    for revision in 1..=3 {
        let mut tasks = JoinSet::new();
        for n in 1..=8u8 {
            let w = w.clone();
            tasks.spawn(async move {
                // Each brings another head, and all but the first creation follow one.
                let mut commit = operation(1, revision, &[9, n]);
                commit.state = Bytes::from(vec![n]);
                (n, w.operate(commit).await)
            });
        }
        let (won, lost): (Vec<_>, Vec<_>) = tasks.join_all().await.into_iter().partition(|(_, o)| o.is_ok());
        let [(winner, Ok(committed))] = &won[..] else { panic!("one must win, not {won:?}") };
        assert!(lost.iter().all(|(_, refused)| matches!(refused, Err(OperationRefused::HeadChanged))), "{lost:?}");
        let stored = w.subject.groups.group(group(1)).await.unwrap().unwrap();
        assert_eq!((stored.revision, &stored.state[..]), (revision, &[*winner][..]));
        assert_eq!(stored.members.len(), 2);
        assert_eq!(stored.members[1].0, account(*winner));
        assert_eq!(w.log(1).await.last().unwrap().id, committed.message_id);
        assert_eq!(w.log(1).await.len(), revision as usize, "who lost left nothing");
        for n in 1..=8 {
            let current = w.subject.groups.memberships(account(n)).await.unwrap();
            assert_eq!(current.iter().any(|m| m.until.is_none()), n == *winner, "{n}");
        }
    }
    let follows_nothing = OperationCommit { follows: Some(head(7, 1)), ..operation(2, 1, &[1]) };
    assert!(matches!(w.operate(follows_nothing).await, Err(OperationRefused::HeadChanged)));
    assert_eq!(w.subject.groups.group(group(2)).await.unwrap(), None);
}

pub async fn an_operation_replaces_what_it_brings(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    w.person(2, 1).await;
    let first = w.operate(OperationCommit { details: Some("one".into()), ..operation(1, 1, &[1]) }).await.unwrap();
    let quiet = OperationCommit { changes_roster: false, ..operation(1, 2, &[1]) };
    let second = w.operate(quiet).await.unwrap();
    assert_eq!(second.roster, first.roster, "a title changes nobody's devices");
    let third = w.operate(OperationCommit { details: Some("three".into()), ..operation(1, 3, &[1, 2]) }).await.unwrap();
    assert!(third.roster > second.roster);
    let stored = w.subject.groups.group(group(1)).await.unwrap().unwrap();
    assert_eq!((stored.revision, stored.head, stored.roster), (3, head(1, 3), third.roster));
    assert_eq!((&stored.state[..], &stored.details[..]), (&b"state 3"[..], &b"three"[..]));
    assert_eq!(stored.members, [(account(1), first.message_id), (account(2), third.message_id)]);
    let details: Vec<Bytes> = (w.log(1).await.into_iter())
        .map(|entry| match entry.item {
            GroupItem::Operation { details, .. } => details,
            GroupItem::Message { .. } => panic!("only operations were committed"),
        })
        .collect();
    assert_eq!(details, ["one", "", "three"]);
}

pub async fn a_message_needs_the_current_roster(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    let g = &w.subject.groups;
    w.person(1, 1).await;
    w.person(2, 1).await;
    let refused = g.commit_message(group_message(1, 1, 0)).await;
    assert!(matches!(refused, Err(CommitRefused::ListChanged)), "there is no such group: {refused:?}");
    let roster = w.found(1, &[1]).await.roster;
    let first = g.commit_message(group_message(1, roster, 1)).await.unwrap();
    let after = w.operate(operation(1, 2, &[1, 2])).await.unwrap();
    for stale in [roster, roster.wrapping_sub(1), after.roster + 1] {
        let refused = g.commit_message(group_message(1, stale, 2)).await;
        assert!(matches!(refused, Err(CommitRefused::ListChanged)), "{stale} of {}: {refused:?}", after.roster);
    }
    // What was refused left no trace: the same send is new.
    let second = g.commit_message(group_message(1, after.roster, 2)).await.unwrap();
    let log = w.log(1).await;
    let ids: Vec<MessageId> = log.iter().map(|entry| entry.id).collect();
    assert_eq!(ids[1..], [first.message_id, after.message_id, second.message_id]);
    let want = GroupItem::Message { class: crate::EnvelopeClass::Message, ciphertext: "text 2".into() };
    assert_eq!((&log[3].item, log[3].sender, log[3].server_time), (&want, address(1, 1), second.server_time));
}

pub async fn racing_messages_and_operations_keep_their_order(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    for n in 1..=20 {
        w.person(n, 1).await;
    }
    let first = w.found(1, &[1]).await;
    let mut tasks = JoinSet::new();
    for sender in 0..4u128 {
        let w = w.clone();
        tasks.spawn(async move {
            let mut sent = Vec::new();
            for n in 0..40 {
                let roster = w.roster(1).await;
                if let Ok(committed) =
                    w.subject.groups.commit_message(group_message(1, roster, sender * 1000 + n)).await
                {
                    sent.push((committed.message_id, roster));
                }
            }
            sent
        });
    }
    let mut rosters = BTreeMap::from([(first.message_id, first.roster)]);
    for n in 2..=20 {
        let members: Vec<u8> = (1..=n).collect();
        let committed = w.operate(operation(1, u32::from(n), &members)).await.unwrap();
        rosters.insert(committed.message_id, committed.roster);
    }
    let sent: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    assert!(!sent.is_empty());
    for (id, roster) in &sent {
        let (_, current) = rosters.range(..id).next_back().unwrap();
        assert_eq!(roster, current, "message {id} stands behind an operation that its roster does not count");
    }
    let log = w.log(1).await;
    assert_eq!(log.len(), sent.len() + rosters.len());
    assert!(log.windows(2).all(|pair| pair[1].previous == pair[0].id && pair[0].id < pair[1].id));
    assert_eq!(w.feed.logged(group(1)), log);
}

pub async fn a_repeat_gets_the_first_answer(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    w.person(2, 1).await;
    let roster = w.found(1, &[1]).await.roster;
    let commit = group_message(1, roster, 1);
    let first = w.subject.groups.commit_message(commit.clone()).await.unwrap();
    assert_eq!(w.subject.inbox.find_send(&commit.send).await.unwrap(), Some(first));
    w.operate(operation(1, 2, &[1, 2])).await.unwrap();
    let mut other = commit.clone();
    (other.ciphertext, other.roster, other.now) = ("other".into(), 99, T0.plus(DAY));
    for repeat in [commit.clone(), other] {
        let refused = w.subject.groups.commit_message(repeat).await;
        assert!(matches!(refused, Err(CommitRefused::Repeated(answer)) if answer == first), "{refused:?}");
    }
    assert_eq!(w.log(1).await.len(), 3);
    // One name is one send, whichever way it goes; other names are other sends.
    let direct = crate::SendCommit { send: commit.send, ..crate::conformance::world::commit(address(1, 1), 0, vec![]) };
    let refused = w.subject.inbox.commit_send(direct).await;
    assert!(matches!(refused, Err(CommitRefused::Repeated(answer)) if answer == first), "{refused:?}");
    let text = w.text(address(1, 1), address(2, 1), 5).await;
    let refused = w.subject.groups.commit_message(group_message(1, 0, 5)).await;
    assert!(matches!(refused, Err(CommitRefused::Repeated(answer)) if answer == text), "{refused:?}");
    assert_eq!(w.subject.inbox.find_send(&group_message(1, 0, 6).send).await.unwrap(), None);
}

pub async fn racing_repeats_log_one_message(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    let roster = w.found(1, &[1]).await.roster;
    let mut tasks = JoinSet::new();
    for _ in 0..16 {
        let w = w.clone();
        tasks.spawn(async move {
            match w.subject.groups.commit_message(group_message(1, roster, 0)).await {
                Ok(answer) | Err(CommitRefused::Repeated(answer)) => answer,
                other => panic!("{other:?}"),
            }
        });
    }
    let answers = tasks.join_all().await;
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    assert_eq!(w.log(1).await.len(), 2);
}

pub async fn ids_rise_past_what_was_seen_and_entries_chain(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    w.person(2, 1).await;
    let made = w.found(1, &[1]).await;
    let text = w.text(address(1, 1), address(2, 1), 1).await;
    assert!(text.message_id > made.message_id, "one clock for everything");
    let seen = MessageId::at(T0.as_ms() + 30_000);
    let mut commit = group_message(1, made.roster, 2);
    (commit.seen, commit.now) = (seen, T0.minus(DAY));
    let pushed = w.subject.groups.commit_message(commit).await.unwrap();
    assert!(pushed.message_id > seen && pushed.message_id > text.message_id);
    assert_eq!(pushed.server_time, T0, "time never falls");
    let mut far = group_message(1, made.roster, 3);
    far.seen = MessageId::at(T0.plus(DAY).as_ms());
    let far = w.subject.groups.commit_message(far).await.unwrap();
    assert!(far.message_id > pushed.message_id && far.message_id < MessageId::at(T0.as_ms() + 61_000));
    w.found(2, &[1]).await;
    let last = w.operate(operation(1, 2, &[1])).await.unwrap();
    assert!(last.message_id > far.message_id);
    let chain: Vec<_> = w.log(1).await.iter().map(|entry| (entry.previous, entry.id)).collect();
    let ids = [MessageId::ZERO, made.message_id, pushed.message_id, far.message_id, last.message_id];
    let want: Vec<_> = ids.windows(2).map(|pair| (pair[0], pair[1])).collect();
    assert_eq!(chain, want);
    assert_eq!(w.subject.groups.group_facts(group(1)).await.unwrap().unwrap().newest, last.message_id);
}

pub async fn device_changes_raise_rosters_and_begin_cursors(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    w.person(2, 1).await;
    let mut rosters = Vec::new();
    // Of the first both are members, of the second and third only account 1, and of the third no more.
    for (g, members) in [(1, &[1, 2][..]), (2, &[1]), (3, &[1, 2])] {
        rosters.push(w.found(g, members).await.roster);
    }
    w.operate(operation(3, 2, &[1])).await.unwrap();
    let newest = [w.post(1, 1).await.message_id, w.post(3, 2).await.message_id];
    let refuses = async |g: u8, roster: u64| {
        let refused = w.subject.groups.commit_message(group_message(g, roster, 50)).await;
        matches!(refused, Err(CommitRefused::ListChanged))
    };
    let seen = w.subject.groups.group(group(1)).await.unwrap().unwrap();
    let third = w.roster(3).await;

    // A device is linked.
    assert_eq!(w.change(2, 1, 2, &[1, 2]).await, DeviceChangeOutcome::Changed { removed: vec![] });
    assert!(w.roster(1).await > rosters[0] && refuses(1, rosters[0]).await);
    assert_eq!(w.roster(2).await, rosters[1], "of another group nothing changed");
    assert_eq!(w.roster(3).await, third, "who left does not count");
    let stored = w.subject.groups.group(group(1)).await.unwrap().unwrap();
    assert_eq!((stored.roster, &stored.members), (w.roster(1).await, &seen.members));
    assert!(stored.roster > seen.roster, "not an older one from a cache");
    assert_eq!(w.cursor(address(2, 2), 1).await, Some(newest[0]));
    assert_eq!(w.cursor(address(2, 2), 2).await, None, "not a member");
    assert_eq!(w.cursor(address(2, 2), 3).await, Some(newest[1]), "nothing of what only its siblings still fetch");
    assert_eq!(w.cursor(address(2, 1), 1).await, None, "the old device's is as it was");

    // One is unlinked, a list is signed anew, the identity is replaced: each raises.
    w.settle_group(address(2, 2), 1, newest[0], vec![]).await;
    let mut before = w.roster(1).await;
    w.change(2, 2, 3, &[1]).await;
    assert!(w.roster(1).await > before);
    assert_eq!(w.cursor(address(2, 2), 1).await, None);
    before = w.roster(1).await;
    w.change(2, 3, 4, &[1]).await;
    assert!(w.roster(1).await > before);
    before = w.roster(1).await;
    let change = DeviceChange {
        account: account(2),
        expect_version: 4,
        list: list(5, &[1]),
        add: vec![new_device(1, upload([]))],
        rekey: vec![],
        identity: Some((vec![8; 33].into(), Recovery { auth_key: [8; 32], backup: Bytes::new() })),
    };
    w.subject.directory.change_devices(change).await.unwrap();
    assert!(w.roster(1).await > before && refuses(1, before).await);
    assert_eq!(w.cursor(address(2, 1), 1).await, Some(newest[0]), "made anew");
    before = w.roster(1).await;
    assert_eq!(w.change(2, 1, 9, &[1]).await, DeviceChangeOutcome::Conflict);
    assert_eq!(w.roster(1).await, before, "what was refused changed nothing");
}

pub async fn suspended_disabled_and_deleted_accounts_raise_rosters(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    let d = &w.subject.directory;
    for n in 1..=3 {
        w.person(n, 1).await;
    }
    w.found(1, &[1, 2]).await;
    w.found(2, &[1, 3]).await;
    let newest = w.post(1, 1).await.message_id;
    w.settle_group(address(2, 1), 1, newest, vec![group_advance(1, 2, WatermarkKind::Read, newest)]).await;
    let other = w.roster(2).await;
    let mut before = w.roster(1).await;

    d.set_disabled(account(2), true).await.unwrap();
    assert!(w.roster(1).await > before);
    before = w.roster(1).await;
    d.set_disabled(account(2), true).await.unwrap();
    assert_eq!(w.roster(1).await, before, "it was disabled");
    d.set_disabled(account(2), false).await.unwrap();
    assert!(w.roster(1).await > before);

    before = w.roster(1).await;
    for n in [1, 3] {
        d.touch_device(address(n, 1), T0.plus(DAY)).await.unwrap();
    }
    assert_eq!(d.suspend_absent(T0.plus(DAY), 10).await.unwrap(), [address(2, 1)]);
    assert!(w.roster(1).await > before);
    assert_eq!(w.cursor(address(2, 1), 1).await, Some(newest), "it may come back");

    before = w.roster(1).await;
    assert!(d.delete_account(account(2), T0).await.unwrap());
    assert!(w.roster(1).await > before);
    assert_eq!(w.roster(2).await, other);
    assert!(w.subject.groups.memberships(account(2)).await.unwrap().is_empty());
    assert_eq!(w.cursor(address(2, 1), 1).await, None);
    let stored = w.subject.groups.group(group(1)).await.unwrap().unwrap();
    assert!(stored.members.iter().any(|(member, _)| *member == account(2)), "that is for the members to say");
    assert_eq!(w.subject.groups.marks(group(1)).await.unwrap().len(), 1, "what it read belongs to who wrote it");
    // Operations that still name it, or take it out, find nothing to change.
    w.operate(operation(1, 2, &[1, 2, 3])).await.unwrap();
    w.operate(operation(1, 3, &[1, 3])).await.unwrap();
    assert!(w.subject.groups.memberships(account(2)).await.unwrap().is_empty());
}

pub async fn a_device_made_again_begins_anew(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 2).await;
    w.found(1, &[1]).await;
    let first = w.post(1, 1).await.message_id;
    w.settle_group(address(1, 2), 1, first, vec![]).await;
    assert_eq!(w.cursor(address(1, 2), 1).await, Some(first));
    w.change(1, 2, 3, &[1]).await;
    assert_eq!(w.cursor(address(1, 2), 1).await, None);
    // Its last ack comes late.
    w.settle_group(address(1, 2), 1, MessageId::MAX, vec![]).await;
    let second = w.post(1, 2).await.message_id;
    w.change(1, 3, 4, &[1, 2]).await;
    assert_eq!(w.cursor(address(1, 2), 1).await, Some(second));
}

pub async fn memberships_begin_end_and_begin_anew(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    let g = &w.subject.groups;
    for n in 1..=3 {
        w.person(n, 1).await;
    }
    w.found(2, &[1, 2]).await;
    let made = w.found(1, &[1, 2]).await.message_id;
    let newest = w.post(1, 1).await.message_id;
    w.settle_group(address(2, 1), 1, newest, vec![]).await;
    let of = async |n: u8| g.memberships(account(n)).await.unwrap().into_iter().rfind(|m| m.group == group(1));

    let without = w.operate(operation(1, 2, &[1, 3])).await.unwrap().message_id;
    assert_eq!(of(1).await, Some(membership(1, made, None)));
    assert_eq!(of(2).await, Some(membership(1, made, Some(without))));
    assert_eq!(of(3).await, Some(membership(1, without, None)));
    w.operate(operation(1, 3, &[1, 3])).await.unwrap();
    assert_eq!(of(2).await, Some(membership(1, made, Some(without))), "it ended once");

    let again = w.operate(operation(1, 4, &[3, 2, 1])).await.unwrap().message_id;
    assert_eq!(of(2).await, Some(membership(1, again, None)));
    assert_eq!(w.cursor(address(2, 1), 1).await, Some(newest), "a cursor may stand before the membership");

    // Whose identity key was replaced begins anew without having left.
    let renewed = vec![account(3), account(9)];
    let renewal = w.operate(OperationCommit { renewed, ..operation(1, 5, &[1, 3, 2]) }).await.unwrap().message_id;
    assert_eq!(of(3).await, Some(membership(1, renewal, None)));
    let stored = g.group(group(1)).await.unwrap().unwrap();
    assert_eq!(stored.members, [(account(1), made), (account(3), renewal), (account(2), again)]);
    let groups: Vec<_> = g.memberships(account(2)).await.unwrap().iter().map(|m| m.group).collect();
    assert_eq!(groups, [group(1), group(1), group(2)], "ascending");
}

pub async fn a_member_without_an_account_has_no_membership(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    let made = w.found(1, &[1, 2]).await.message_id;
    let stored = w.subject.groups.group(group(1)).await.unwrap().unwrap();
    assert_eq!(stored.members, [(account(1), made), (account(2), made)]);
    assert!(w.subject.groups.memberships(account(2)).await.unwrap().is_empty());
    // That it comes later makes it no member; that it is added again does.
    w.person(2, 1).await;
    w.operate(operation(1, 2, &[1, 2])).await.unwrap();
    assert!(w.subject.groups.memberships(account(2)).await.unwrap().is_empty());
    let renewed = vec![account(2)];
    let added = w.operate(OperationCommit { renewed, ..operation(1, 3, &[1, 2]) }).await.unwrap().message_id;
    assert_eq!(w.subject.groups.memberships(account(2)).await.unwrap(), [membership(1, added, None)]);
}

pub async fn an_account_is_in_so_many_groups_at_most(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    w.person(2, 1).await;
    let made = |n: usize| {
        let mut id = [7; 32];
        id[..4].copy_from_slice(&u32::try_from(n).unwrap().to_be_bytes());
        OperationCommit { group: sotto_types::GroupId::from_bytes(id), ..operation(7, 1, &[2]) }
    };
    let mut tasks = JoinSet::new();
    for n in 1..limits::GROUPS_PER_ACCOUNT {
        let w = w.clone();
        tasks.spawn(async move { w.operate(made(n)).await.map(drop) });
    }
    assert!(tasks.join_all().await.iter().all(Result::is_ok));
    // One more, which it leaves, and one more instead.
    w.found(1, &[1, 2]).await;
    let many = |refused: &Result<_, OperationRefused>| matches!(refused, Err(OperationRefused::TooManyGroups(who)) if *who == account(2));
    assert!(many(&w.operate(operation(2, 1, &[1, 2])).await));
    assert_eq!(w.subject.groups.group(group(2)).await.unwrap(), None);
    let renewed = vec![account(2)];
    w.operate(OperationCommit { renewed, ..operation(1, 2, &[1, 2]) }).await.expect("it is in this one already");
    w.operate(operation(1, 3, &[1])).await.unwrap();
    w.found(2, &[1, 2]).await;
    assert!(many(&w.operate(operation(1, 4, &[1, 2])).await), "it was in this one, and is in others now");
    let stays = w.subject.groups.memberships(account(2)).await.unwrap();
    assert_eq!(
        stays.len(),
        limits::GROUPS_PER_ACCOUNT + 2,
        "of the one that it left two, before and after its renewal"
    );
    // Trimming what ended leaves the count right.
    while w.subject.groups.trim_logs(MessageId::MAX, 5_000).await.unwrap() > 0 {}
    assert!(many(&w.operate(operation(1, 4, &[1, 2])).await));
    assert!(w.subject.directory.delete_account(account(2), T0).await.unwrap());
    let mut again = new_account(2);
    again.account.username = username(3);
    w.subject.directory.create_account(again).await.unwrap();
    w.operate(operation(1, 4, &[1, 2])).await.expect("a new account begins with none");
}

pub async fn a_log_reads_in_pages(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    let g = &w.subject.groups;
    w.person(1, 1).await;
    let roster = w.found(1, &[1]).await.roster;
    w.found(2, &[1]).await;
    for n in 0..9 {
        let ciphertext = Bytes::from(vec![1; 100]);
        g.commit_message(crate::GroupCommit { ciphertext, ..group_message(1, roster, n) }).await.unwrap();
    }
    let all = w.log(1).await;
    let ids: Vec<MessageId> = all.iter().map(|entry| entry.id).collect();
    let read = async |after: MessageId, up_to: MessageId, entries: usize, bytes: usize| {
        let read = g.read_log(group(1), after, up_to, entries, bytes).await.unwrap();
        read.iter().map(|entry| entry.id).collect::<Vec<_>>()
    };
    let max = (MessageId::MAX, usize::MAX);
    assert_eq!(read(MessageId::ZERO, max.0, 4, max.1).await, ids[..4]);
    assert_eq!(read(ids[3], max.0, 99, max.1).await, ids[4..], "following, not including");
    assert_eq!(read(ids[0], max.0, 99, 250).await, ids[1..4], "once so many bytes are reached");
    assert_eq!(read(ids[0], max.0, 99, 200).await, ids[1..3]);
    assert_eq!(read(ids[0], max.0, 99, 0).await, ids[1..2], "one at least");
    assert_eq!(read(ids[2], ids[5], 99, max.1).await, ids[3..=5]);
    assert_eq!(read(ids[2], ids[2], 99, max.1).await, []);
    assert_eq!(read(ids[5], ids[2], 99, max.1).await, []);
    assert_eq!(read(MessageId::MAX, MessageId::MAX, 99, max.1).await, []);
    assert_eq!(g.read_log(group(1), ids[2], ids[5], 99, max.1).await.unwrap(), all[3..=5]);
    assert_eq!(w.log(2).await.len(), 1, "each group has its own");
}

pub async fn operations_read_from_a_revision(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    let g = &w.subject.groups;
    w.person(1, 1).await;
    for revision in 1..=300 {
        let payload = Bytes::from(vec![1; 36]);
        w.operate(OperationCommit { payload, ..operation(1, revision, &[1]) }).await.unwrap();
    }
    w.found(2, &[1]).await;
    let read = async |from: u32, bytes: usize| {
        let operations = g.operations(group(1), from, bytes).await.unwrap();
        operations.iter().map(|operation| operation.revision).collect::<Vec<_>>()
    };
    assert_eq!(read(0, usize::MAX).await, (1..=300).collect::<Vec<_>>());
    assert_eq!(read(254, usize::MAX).await, (254..=300).collect::<Vec<_>>());
    assert_eq!(read(5, 250).await, [5, 6, 7], "of 100 bytes each with its signature");
    assert_eq!(read(5, 0).await, [5], "one at least");
    assert_eq!(read(301, usize::MAX).await, Vec::<u32>::new());
    assert_eq!(read(u32::MAX, usize::MAX).await, Vec::<u32>::new());
}

pub async fn cursors_and_marks_only_rise(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    let g = &w.subject.groups;
    w.person(1, 2).await;
    w.person(2, 1).await;
    w.found(1, &[1, 2]).await;
    w.found(2, &[1, 2]).await;
    assert_eq!(g.cursors(address(1, 1), &[]).await.unwrap(), []);
    assert_eq!(w.cursor(address(1, 1), 1).await, None);
    let id = MessageId::new;
    for (up_to, want) in [(5, 5), (3, 5), (5, 5), (8, 8)] {
        w.settle_group(address(1, 1), 1, id(up_to), vec![]).await;
        assert_eq!(w.cursor(address(1, 1), 1).await, Some(id(want)));
    }
    let several = GroupSettle {
        cursors: [(2, 2), (1, 4), (2, 1)].map(|(of_group, up_to)| (address(1, 2), group(of_group), id(up_to))).to_vec(),
        advance: vec![],
    };
    g.settle_groups(several).await.unwrap();
    let asked = [group(2), group(9), group(1)];
    assert_eq!(g.cursors(address(1, 2), &asked).await.unwrap(), [Some(id(2)), None, Some(id(4))]);
    assert_eq!(w.cursor(address(1, 1), 1).await, Some(id(8)), "each device has its own");

    let step = |up_to: u64| Some(Step { up_to: id(up_to), at: T0 });
    let mark = |n: u8, delivered: u64, read: u64| GroupMark {
        member: account(n),
        delivered: step(delivered).filter(|_| delivered > 0),
        read: step(read).filter(|_| read > 0),
    };
    use WatermarkKind::{Delivered, Read};
    assert!(g.marks(group(1)).await.unwrap().is_empty());
    let advance = |n: u8, kind, up_to: u64| group_advance(1, n, kind, id(up_to));
    let mut told = Vec::new();
    for (advances, moved, want) in [
        (vec![advance(1, Delivered, 5)], vec![mark(1, 5, 0)], vec![mark(1, 5, 0)]),
        (vec![advance(1, Read, 3)], vec![mark(1, 5, 3)], vec![mark(1, 5, 3)]),
        (vec![advance(1, Read, 3), advance(1, Delivered, 4), advance(1, Read, 0)], vec![], vec![mark(1, 5, 3)]),
        (
            vec![advance(2, Read, 4), advance(1, Read, 6), advance(2, Delivered, 7), advance(2, Read, 2)],
            vec![mark(2, 7, 4), mark(1, 5, 6)],
            vec![mark(1, 5, 6), mark(2, 7, 4)],
        ),
    ] {
        let settle = GroupSettle { cursors: vec![], advance: advances };
        g.settle_groups(settle).await.unwrap();
        let mut marks = g.marks(group(1)).await.unwrap();
        marks.sort_by_key(|mark| mark.member);
        assert_eq!(marks, want);
        for n in 1..=3 {
            let of = marks.iter().find(|mark| mark.member == account(n)).copied();
            assert_eq!(g.mark(group(1), account(n)).await.unwrap(), of);
        }
        if !moved.is_empty() {
            told.push((group(1), moved));
        }
        assert_eq!(w.feed.marked(), told, "told once, with the whole mark, if it moved");
    }
    assert!(g.marks(group(2)).await.unwrap().is_empty() && g.marks(group(9)).await.unwrap().is_empty());
    assert_eq!(
        (g.mark(group(2), account(1)).await.unwrap(), g.mark(group(9), account(1)).await.unwrap()),
        (None, None)
    );
}

pub async fn racing_settles_leave_the_highest(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    w.found(1, &[1]).await;
    let mut tasks = JoinSet::new();
    for up_to in 1..=60 {
        let w = w.clone();
        tasks.spawn(async move {
            let kind = if up_to % 2 == 0 { WatermarkKind::Read } else { WatermarkKind::Delivered };
            let up_to = MessageId::new(up_to);
            w.settle_group(address(1, 1), 1, up_to, vec![group_advance(1, 1, kind, up_to)]).await;
        });
    }
    tasks.join_all().await;
    assert_eq!(w.cursor(address(1, 1), 1).await, Some(MessageId::new(60)));
    let [mark] = w.subject.groups.marks(group(1)).await.unwrap()[..] else { panic!("one mark expected") };
    let up_to = |step: Option<Step>| step.unwrap().up_to.get();
    assert_eq!((up_to(mark.delivered), up_to(mark.read)), (59, 60));
    let told = w.feed.marked();
    let rises =
        |kind: fn(&GroupMark) -> Option<Step>| told.is_sorted_by_key(|(_, marks)| kind(&marks[0]).map(|s| s.up_to));
    assert!(rises(|mark| mark.read) && rises(|mark| mark.delivered), "{told:?}");
}

pub async fn settling_passes_over_what_is_not_there(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    w.person(2, 1).await;
    w.found(1, &[1]).await;
    let id = MessageId::new(5);
    let mark = |g: u8, n: u8| vec![group_advance(g, n, WatermarkKind::Read, id)];
    w.settle_group(address(2, 1), 1, id, mark(1, 2)).await;
    w.settle_group(address(1, 2), 1, id, vec![]).await;
    w.settle_group(address(9, 1), 1, id, mark(1, 9)).await;
    w.settle_group(address(1, 1), 9, id, mark(9, 1)).await;
    w.settle_group(address(1, 1), 1, MessageId::ZERO, vec![]).await;
    for (of, g) in [(address(2, 1), 1), (address(1, 2), 1), (address(9, 1), 1), (address(1, 1), 9), (address(1, 1), 1)]
    {
        assert_eq!(w.cursor(of, g).await, None, "{of} {g}");
    }
    assert!(w.subject.groups.marks(group(1)).await.unwrap().is_empty() && w.feed.marked().is_empty());
    // Who left still acknowledges what it was sent before.
    w.operate(operation(1, 2, &[1, 2])).await.unwrap();
    w.operate(operation(1, 3, &[1])).await.unwrap();
    w.settle_group(address(2, 1), 1, id, mark(1, 2)).await;
    assert_eq!(w.cursor(address(2, 1), 1).await, Some(id));
    assert_eq!(w.subject.groups.marks(group(1)).await.unwrap().len(), 1);
}

pub async fn the_feed_hears_a_log_in_order_before_the_answer(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    for g in 1..=2 {
        w.found(g, &[1]).await;
    }
    let mut tasks = JoinSet::new();
    for n in 0..100u8 {
        let w = w.clone();
        tasks.spawn(async move {
            let g = 1 + n % 2;
            let id = if n % 10 == 3 {
                let current = w.subject.groups.group(group(g)).await.unwrap().unwrap();
                let next = OperationCommit { changes_roster: false, ..operation(g, current.revision + 1, &[1]) };
                match w.operate(next).await {
                    Ok(committed) => committed.message_id,
                    Err(OperationRefused::HeadChanged) => return,
                    Err(other) => panic!("{other}"),
                }
            } else {
                w.post(g, u128::from(n)).await.message_id
            };
            assert!(w.feed.logged(group(g)).iter().any(|entry| entry.id == id), "told before the answer");
        });
    }
    tasks.join_all().await;
    for g in 1..=2 {
        let told = w.feed.logged(group(g));
        assert!(told.len() > 40 && told.windows(2).all(|pair| pair[1].previous == pair[0].id));
        assert_eq!(told, w.log(g).await, "each once, as it reads");
    }
    assert!(w.feed.all().is_empty());
}

pub async fn trimming_keeps_operations_and_the_chain(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    let g = &w.subject.groups;
    w.person(1, 1).await;
    let made = w.operate(OperationCommit { details: Some("d".into()), ..operation(1, 1, &[1]) }).await.unwrap();
    w.found(2, &[1]).await;
    let at = async |g: u8, n: u128, now| {
        let commit = crate::GroupCommit { now, ..group_message(g, made.roster, n) };
        w.subject.groups.commit_message(commit).await.unwrap().message_id
    };
    for n in 0..20 {
        at(1, n, T0.plus(DAY * (n as u32 / 5))).await;
        at(2, 100 + n, T0.plus(DAY * (n as u32 / 5))).await;
    }
    let ids: Vec<MessageId> = w.log(1).await.iter().map(|entry| entry.id).collect();
    // In the middle of a day: exactly what is below goes.
    let before = ids[13];
    let others = w.log(2).await.iter().filter(|entry| entry.id < before).count();
    let mut removed = 0;
    loop {
        let step = g.trim_logs(before, 7).await.unwrap();
        assert!(step <= 14, "about 7");
        removed += step;
        if step == 0 {
            break;
        }
    }
    assert_eq!(removed, 13 + others);
    let left = w.log(1).await;
    assert_eq!(left.iter().map(|entry| entry.id).collect::<Vec<_>>(), ids[13..]);
    assert_eq!(left[0].previous, ids[12], "that something stood before is not forgotten");
    assert!(w.log(2).await.iter().all(|entry| entry.id >= before));
    assert_eq!(g.operations(group(1), 0, 999).await.unwrap()[0].message_id, made.message_id);

    // Beyond everything there is, and then it goes on.
    while g.trim_logs(MessageId::MAX, 100).await.unwrap() > 0 {}
    let newest = *ids.last().unwrap();
    assert!(w.log(1).await.is_empty() && w.log(2).await.is_empty());
    assert_eq!(g.group_facts(group(1)).await.unwrap().unwrap().newest, newest);
    assert_eq!(g.operations(group(1), 0, 999).await.unwrap().len(), 1);
    assert_eq!(&g.group(group(1)).await.unwrap().unwrap().details[..], b"d");
    let next = at(1, 50, T0.plus(DAY * 3)).await;
    let [entry] = &w.log(1).await[..] else { panic!("one entry expected") };
    assert_eq!((entry.id, entry.previous), (next, newest));
    while g.trim_logs(MessageId::MAX, 100).await.unwrap() > 0 {}
    assert!(w.log(1).await.is_empty(), "also one of a day that was trimmed before");
}

pub async fn trimming_forgets_memberships_that_ended(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    let g = &w.subject.groups;
    for n in 1..=4 {
        w.person(n, 2).await;
    }
    let made = w.found(1, &[1, 2, 3, 4]).await.message_id;
    for n in 1..=4 {
        w.settle_group(address(n, 2), 1, made, vec![group_advance(1, n, WatermarkKind::Read, made)]).await;
    }
    // 2 and 3 leave, 3 comes back, having read all; 4 leaves a day later.
    let first = w.operate(operation(1, 2, &[1, 4])).await.unwrap().message_id;
    for id in [1, 2] {
        w.settle_group(address(3, id), 1, first, vec![]).await;
    }
    let back = w.operate(operation(1, 3, &[1, 4, 3])).await.unwrap().message_id;
    let later = OperationCommit { now: T0.plus(DAY), ..operation(1, 4, &[1, 3]) };
    let later = w.operate(later).await.unwrap().message_id;
    while g.trim_logs(first, 100).await.unwrap() > 0 {}
    assert_eq!(g.memberships(account(2)).await.unwrap(), [membership(1, made, Some(first))], "not below");
    while g.trim_logs(later, 100).await.unwrap() > 0 {}
    for (n, want) in [
        (1, Some((membership(1, made, None), made))),
        (2, None),
        (3, Some((membership(1, back, None), first))),
        (4, Some((membership(1, made, Some(later)), made))),
    ] {
        let stays = want.map(|(stay, _)| stay).into_iter().collect::<Vec<_>>();
        assert_eq!(g.memberships(account(n)).await.unwrap(), stays);
        assert_eq!(w.cursor(address(n, 2), 1).await, want.map(|(_, cursor)| cursor), "{n}");
    }
    let members: Vec<_> = g.marks(group(1)).await.unwrap().iter().map(|mark| mark.member).collect();
    assert_eq!(members, [account(1), account(3), account(4)]);
    // It can come back after that too, and what ended is not found twice.
    let again = w.operate(operation(1, 5, &[1, 3, 2])).await.unwrap().message_id;
    assert_eq!(g.memberships(account(2)).await.unwrap(), [membership(1, again, None)]);
    while g.trim_logs(MessageId::MAX, 100).await.unwrap() > 0 {}
    assert!(g.memberships(account(4)).await.unwrap().is_empty());
    assert_eq!(g.memberships(account(2)).await.unwrap(), [membership(1, again, None)]);
}

pub async fn a_pairwise_message_needs_the_current_roster(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    w.person(2, 1).await;
    let roster = w.found(1, &[1, 2]).await.roster;
    let to = address(2, 1);
    let with = |n: u128, of| crate::SendCommit { group: of, ..commit(address(1, 1), n, vec![entry(to, "text")]) };
    let refused = [Some((group(1), Some(roster + 1))), Some((group(9), Some(1)))];
    for (n, of) in (0..).zip(refused) {
        let refused = w.subject.inbox.commit_send(with(n, of)).await;
        assert!(matches!(refused, Err(CommitRefused::ListChanged)), "{refused:?}");
    }
    assert!(w.read(to).await.is_empty());
    w.subject.inbox.commit_send(with(0, Some((group(1), Some(roster))))).await.unwrap();
    w.subject.inbox.commit_send(with(1, Some((group(9), None)))).await.expect("keys need no roster");
    w.subject.inbox.commit_send(with(2, None)).await.unwrap();
    w.operate(operation(1, 2, &[1, 2])).await.unwrap();
    let refused = w.subject.inbox.commit_send(with(3, Some((group(1), Some(roster))))).await;
    assert!(matches!(refused, Err(CommitRefused::ListChanged)), "{refused:?}");
    let repeated = w.subject.inbox.commit_send(with(0, Some((group(1), Some(roster))))).await;
    assert!(matches!(repeated, Err(CommitRefused::Repeated(_))), "{repeated:?}");
    let inbox = w.read(to).await;
    let groups = inbox.iter().map(|queued| match &queued.item {
        QueuedItem::Envelope(envelope) => (envelope.group, envelope.ciphertext.clone()),
        other => panic!("only envelopes were sent, not {other:?}"),
    });
    let want: Vec<_> = [Some(group(1)), Some(group(9)), None].map(|of| (of, Bytes::from("text"))).into();
    assert_eq!(groups.collect::<Vec<_>>(), want);
    assert_eq!(w.feed.of(to), inbox);
    let ids: Vec<EntryId> = inbox.iter().map(|queued| queued.entry_id).collect();
    assert_eq!(w.subject.inbox.get(to, &ids).await.unwrap(), inbox);
    assert_eq!(w.log(1).await.len(), 2, "only the operations are in the log");
}
