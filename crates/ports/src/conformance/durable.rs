//! What must survive closing and opening again.

use super::people::{contact, profile};
use super::reports::report;
use super::world::*;
use super::{Reopen, World};
use crate::{OperationCommit, Privacy, QueuedItem, StoredFailure, WatermarkKind};
use bytes::Bytes;
use sotto_types::{Conversation, MessageId, SendId};
use std::time::Duration;

fn open(home: &Reopen) -> World {
    World::new(home)
}

pub async fn sends_and_their_answers_survive(home: impl FnOnce() -> Reopen) {
    let home = home();
    let w = open(&home);
    w.person(1, 1).await;
    let mut answers = Vec::new();
    for n in 0..50 {
        answers.push(w.text(address(2, 1), address(1, 1), n).await);
    }
    let inbox = w.read(address(1, 1)).await;
    drop(w);
    let w = open(&home);
    assert_eq!(w.read(address(1, 1)).await, inbox);
    assert!(w.feed.all().is_empty(), "opening tells no news");
    for (n, answer) in (0..).zip(answers) {
        let send = SendId { from: address(2, 1), client_msg_id: client_msg_id(n) };
        assert_eq!(w.subject.inbox.find_send(&send).await.unwrap(), Some(answer));
        assert_eq!(w.text(address(2, 1), address(1, 1), n).await, answer);
    }
    assert_eq!(w.read(address(1, 1)).await.len(), 50);
}

pub async fn ids_rise_across_reopening_even_if_the_clock_fell(home: impl FnOnce() -> Reopen) {
    let home = home();
    let mut last = None;
    for n in 0..4u32 {
        let w = open(&home);
        let mut send = commit(address(2, 1), u128::from(n), vec![entry(address(1, 1), "x")]);
        send.now = T0.minus(Duration::from_secs(3600) * n);
        let next = w.send(send).await.unwrap();
        if let Some(last) = last.replace(next) {
            assert!(next.message_id > last.message_id && next.server_time >= last.server_time, "{last:?} {next:?}");
        }
    }
}

pub async fn acks_and_watermarks_survive(home: impl FnOnce() -> Reopen) {
    let home = home();
    let w = open(&home);
    w.person(1, 1).await;
    let first = w.text(address(2, 1), address(1, 1), 0).await.message_id;
    w.text(address(2, 1), address(1, 1), 1).await;
    w.settle(address(1, 1), &[first.into()], vec![advance(1, 2, WatermarkKind::Read, 5, &[address(1, 1)])]).await;
    let inbox = w.read(address(1, 1)).await;
    assert_eq!(inbox.len(), 2);
    drop(w);
    let w = open(&home);
    assert_eq!(w.read(address(1, 1)).await, inbox);
    let mark = w.subject.inbox.watermark(account(1), account(2), WatermarkKind::Read).await.unwrap().unwrap();
    assert_eq!(mark.up_to.get(), 5);
    w.settle(address(2, 1), &[], vec![advance(1, 2, WatermarkKind::Read, 6, &[address(1, 1)])]).await;
    let [(_, receipt)] = &w.receipts(address(1, 1)).await[..] else { panic!("one receipt expected") };
    assert_eq!(receipt.read.len(), 2, "still merged with what waited");
}

pub async fn accounts_and_devices_survive(home: impl FnOnce() -> Reopen) {
    let home = home();
    let w = open(&home);
    w.person(1, 2).await;
    w.person(2, 1).await;
    w.change(1, 2, 3, &[2]).await;
    w.subject.directory.set_block(account(1), account(2), true).await.unwrap();
    w.subject.directory.set_disabled(account(1), true).await.unwrap();
    w.subject.directory.delete_account(account(2), T0).await.unwrap();
    let d = &w.subject.directory;
    let (stored, routing) = (d.account(account(1)).await.unwrap(), d.routing(account(1)).await.unwrap());
    let (list, devices) = (d.signed_list(account(1)).await.unwrap(), d.devices(account(1)).await.unwrap());
    drop(w);
    let w = open(&home);
    let d = &w.subject.directory;
    assert_eq!(d.account(account(1)).await.unwrap(), stored);
    assert_eq!(d.routing(account(1)).await.unwrap(), routing);
    assert_eq!(d.signed_list(account(1)).await.unwrap(), list);
    assert_eq!(d.devices(account(1)).await.unwrap(), devices);
    assert!(d.is_blocked(account(1), account(2)).await.unwrap());
    assert_eq!(d.account(account(2)).await.unwrap(), None);
    assert_eq!(d.create_account(new_account(2)).await.unwrap(), crate::CreateOutcome::UsernameTaken);
}

pub async fn a_one_time_key_stays_taken(home: impl FnOnce() -> Reopen) {
    let home = home();
    let w = open(&home);
    w.person(1, 1).await;
    w.subject.prekeys.put_keys(address(1, 1), upload(0..5)).await.unwrap();
    let mut taken = Vec::new();
    drop(w);
    for _ in 0..3 {
        let w = open(&home);
        let bundles = w.subject.prekeys.take_bundles(account(1), &[device(1)]).await.unwrap();
        taken.push(bundles[0].one_time_ec.as_ref().unwrap().id);
        w.subject.prekeys.put_keys(address(1, 1), upload(0..5)).await.unwrap();
    }
    assert_eq!(taken, [0, 1, 2]);
}

pub async fn buried_entries_stay_buried(home: impl FnOnce() -> Reopen) {
    let home = home();
    let w = open(&home);
    w.person(1, 1).await;
    let id = w.text(address(1, 1), address(2, 1), 0).await.message_id;
    let failure = StoredFailure { conversation: Conversation::Peer(account(2)), message_id: id };
    let failed = vec![(vec![address(1, 1)], failure)];
    w.subject.inbox.bury(address(2, 1), vec![id.into()], failed.clone(), T0).await.unwrap();
    drop(w);
    let w = open(&home);
    assert!(w.read(address(2, 1)).await.is_empty());
    w.subject.inbox.bury(address(2, 1), vec![id.into()], failed, T0).await.unwrap();
    let [queued] = &w.read(address(1, 1)).await[..] else { panic!("one failure expected") };
    assert_eq!(queued.item, QueuedItem::Failure(failure));
}

pub async fn groups_and_their_logs_survive(home: impl FnOnce() -> Reopen) {
    let home = home();
    let w = open(&home);
    w.person(1, 1).await;
    w.person(2, 1).await;
    w.operate(OperationCommit { details: Some("details".into()), ..operation(1, 1, &[1]) }).await.unwrap();
    let first = w.post(1, 1).await;
    w.operate(operation(1, 2, &[1, 2])).await.unwrap();
    w.change(2, 1, 2, &[1, 2]).await;
    let g = &w.subject.groups;
    let (stored, facts) = (g.group(group(1)).await.unwrap(), g.group_facts(group(1)).await.unwrap());
    let (operations, log) = (g.operations(group(1), 0, 9_999).await.unwrap(), w.log(1).await);
    assert!(stored.is_some() && facts.is_some() && operations.len() == 2 && log.len() == 3);
    drop(w);
    let w = open(&home);
    let g = &w.subject.groups;
    assert_eq!((g.group(group(1)).await.unwrap(), g.group_facts(group(1)).await.unwrap()), (stored, facts));
    assert_eq!((g.operations(group(1), 0, 9_999).await.unwrap(), w.log(1).await), (operations, log.clone()));
    assert!(w.feed.logged(group(1)).is_empty(), "opening tells no news");
    let repeated = g.commit_message(group_message(1, 0, 1)).await;
    assert!(matches!(repeated, Err(crate::CommitRefused::Repeated(answer)) if answer == first), "{repeated:?}");
    let next = w.post(1, 2).await;
    assert_eq!(w.log(1).await[3].previous, log[2].id);
    assert!(next.message_id > log[2].id);
    w.operate(operation(1, 3, &[1])).await.unwrap();
}

pub async fn cursors_marks_and_memberships_survive(home: impl FnOnce() -> Reopen) {
    let home = home();
    let w = open(&home);
    w.person(1, 1).await;
    w.person(2, 1).await;
    let made = w.found(1, &[1, 2]).await.message_id;
    w.settle_group(address(1, 1), 1, made, vec![group_advance(1, 1, WatermarkKind::Read, made)]).await;
    w.operate(operation(1, 2, &[1])).await.unwrap();
    w.operate(operation(1, 3, &[1, 2])).await.unwrap();
    w.operate(operation(1, 4, &[1])).await.unwrap();
    let g = &w.subject.groups;
    let memberships = [g.memberships(account(1)).await.unwrap(), g.memberships(account(2)).await.unwrap()];
    let marks = g.marks(group(1)).await.unwrap();
    assert!(marks.len() == 1 && memberships[1].len() == 2 && memberships[1].iter().all(|stay| stay.until.is_some()));
    drop(w);
    let w = open(&home);
    let g = &w.subject.groups;
    assert_eq!([g.memberships(account(1)).await.unwrap(), g.memberships(account(2)).await.unwrap()], memberships);
    assert_eq!(g.marks(group(1)).await.unwrap(), marks);
    assert_eq!(w.cursor(address(1, 1), 1).await, Some(made));
    w.settle_group(address(1, 1), 1, MessageId::new(1), vec![]).await;
    assert_eq!(w.cursor(address(1, 1), 1).await, Some(made), "still only rising");
    while g.trim_logs(MessageId::MAX, 100).await.unwrap() > 0 {}
    drop(w);
    let w = open(&home);
    assert!(w.log(1).await.is_empty() && w.subject.groups.memberships(account(2)).await.unwrap().is_empty());
    assert_eq!(w.subject.groups.operations(group(1), 0, 9_999).await.unwrap().len(), 4);
}

pub async fn meta_survives(home: impl FnOnce() -> Reopen) {
    let home = home();
    let w = open(&home);
    w.subject.meta.put("key", Bytes::from("value")).await.unwrap();
    drop(w);
    let w = open(&home);
    assert_eq!(w.subject.meta.get("key").await.unwrap(), Some(Bytes::from("value")));
    assert_eq!(w.subject.meta.put_new("key", Bytes::from("other")).await.unwrap(), Bytes::from("value"));
    assert_eq!(w.subject.meta.generation().await.unwrap(), 1);
}

pub async fn contacts_settings_profiles_and_reports_survive(home: impl FnOnce() -> Reopen) {
    let home = home();
    let w = open(&home);
    w.person(1, 1).await;
    let set = Privacy { version: 1, online: crate::Audience::Nobody, ..Privacy::default() };
    for other in [2, 3] {
        w.subject.people.set_contact(contact(1, other, true, &[])).await.unwrap();
    }
    w.subject.people.set_contact(contact(1, 3, false, &[])).await.unwrap();
    assert!(w.subject.people.set_privacy(account(1), set.clone()).await.unwrap());
    assert!(w.subject.people.put_profile(account(1), profile(3, 1)).await.unwrap());
    let said = report(1, 2, crate::ReportReason::Spam);
    w.subject.reports.put_report(said.clone(), 10).await.unwrap();
    drop(w);
    let w = open(&home);
    let p = &w.subject.people;
    assert_eq!(p.contacts(account(1)).await.unwrap(), [account(2)]);
    assert_eq!(*p.privacy(account(1)).await.unwrap(), set);
    assert_eq!(p.profile(account(1)).await.unwrap(), Some(profile(3, 1)));
    assert!(!p.set_privacy(account(1), set).await.unwrap());
    assert_eq!(w.subject.reports.report(1).await.unwrap().unwrap().report, said);
    assert_eq!(w.subject.reports.put_report(said, 10).await.unwrap(), 2);
}
