//! Promises of `InboxStore`.

use super::world::*;
use super::{Subject, World};
use crate::{CommitRefused, EntryFeed, QueuedItem, Step, StoreError, StoredFailure, WatermarkKind};
use sotto_types::{Conversation, EntryId, MessageId, SendId, limits};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

pub async fn a_send_reaches_each_device_once(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    w.person(2, 2).await;
    let targets = [address(2, 1), address(2, 2)];
    let entries = vec![entry(targets[0], "for one"), entry(targets[1], "for two")];
    let committed = w.send(commit(address(1, 1), 0, entries)).await.unwrap();
    assert_eq!(committed.server_time, T0);
    for (to, text) in targets.into_iter().zip(["for one", "for two"]) {
        let inbox = w.read(to).await;
        assert_eq!(w.feed.of(to), inbox);
        let [queued] = &inbox[..] else { panic!("one entry expected, got {inbox:?}") };
        assert_eq!(queued.entry_id, committed.message_id.into());
        let QueuedItem::Envelope(envelope) = &queued.item else { panic!("an envelope expected") };
        assert_eq!((envelope.message_id, envelope.server_time), (committed.message_id, committed.server_time));
        assert_eq!((envelope.sender, &envelope.ciphertext[..]), (address(1, 1), text.as_bytes()));
    }
    assert!(w.read(address(1, 1)).await.is_empty());
}

pub async fn a_repeat_gets_the_first_answer(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    w.person(2, 1).await;
    let mut send = commit(address(1, 1), 0, vec![entry(address(2, 1), "first")]);
    send.expect = vec![(account(2), 1)];
    let first = w.send(send.clone()).await.unwrap();
    w.change(2, 1, 2, &[1, 2]).await;
    send.entries = vec![entry(address(2, 1), "again"), entry(address(2, 2), "again")];
    send.now = T0.plus(Duration::from_secs(6 * 86_400));
    let repeated = w.subject.inbox.commit_send(send.clone()).await;
    assert!(matches!(repeated, Err(CommitRefused::Repeated(answer)) if answer == first), "{repeated:?}");
    assert_eq!(w.subject.inbox.find_send(&send.send).await.unwrap(), Some(first));
    assert_eq!(w.read(address(2, 1)).await.len(), 1);
    assert!(w.read(address(2, 2)).await.is_empty());
}

pub async fn racing_repeats_store_one_send(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(2, 1).await;
    let mut tasks = JoinSet::new();
    for _ in 0..32 {
        let w = w.clone();
        tasks.spawn(async move { w.text(address(1, 1), address(2, 1), 7).await });
    }
    let answers = tasks.join_all().await;
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(w.read(address(2, 1)).await.len(), 1);
    assert_eq!(w.feed.of(address(2, 1)).len(), 1);
}

pub async fn an_empty_send_has_an_id_and_a_record(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    let first = w.send(commit(address(1, 1), 0, vec![])).await.unwrap();
    assert_eq!(w.send(commit(address(1, 1), 0, vec![])).await.unwrap(), first);
    assert!(w.send(commit(address(1, 1), 1, vec![])).await.unwrap().message_id > first.message_id);
    let unknown = SendId { from: address(1, 1), client_msg_id: client_msg_id(9) };
    assert_eq!(w.subject.inbox.find_send(&unknown).await.unwrap(), None);
}

pub async fn the_same_client_id_of_two_devices_is_two_sends(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    let first = w.text(address(1, 1), address(2, 1), 0).await;
    let second = w.text(address(1, 2), address(2, 1), 0).await;
    assert!(second.message_id > first.message_id);
    assert_eq!(w.read(address(2, 1)).await.len(), 2);
}

pub async fn a_device_named_twice_is_refused(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    let send = commit(address(1, 1), 0, vec![entry(address(2, 1), "a"), entry(address(2, 1), "b")]);
    let refused = w.send(send.clone()).await;
    assert!(matches!(refused, Err(CommitRefused::Store(StoreError::Failed(_)))), "{refused:?}");
    assert_eq!(w.subject.inbox.find_send(&send.send).await.unwrap(), None);
    assert!(w.read(address(2, 1)).await.is_empty());
}

pub async fn ids_pass_seen_up_to_a_minute_ahead(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    let soon = MessageId::at(T0.as_ms() + 30_000);
    let mut send = commit(address(1, 1), 0, vec![]);
    send.seen = soon;
    assert_eq!(w.send(send).await.unwrap().message_id, MessageId::new(soon.get() + 1));
    for (n, seen) in [MessageId::at(T0.as_ms() + 3_600_000), MessageId::MAX].into_iter().enumerate() {
        let mut send = commit(address(1, 1), 1 + n as u128, vec![]);
        send.seen = seen;
        let id = w.send(send).await.unwrap().message_id;
        assert!(id > soon && id.time_ms() <= T0.as_ms() + 60_000, "{id}");
    }
}

pub async fn ids_and_times_never_fall_with_the_clock(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    let mut last = w.text(address(1, 1), address(2, 1), 0).await;
    for (n, back_s) in [1, 3_600, 0, 86_400, 5].into_iter().enumerate() {
        let mut send = commit(address(1, 1), 1 + n as u128, vec![entry(address(2, 1), "x")]);
        send.now = T0.minus(Duration::from_secs(back_s));
        let next = w.send(send).await.unwrap();
        assert!(next.message_id > last.message_id && next.server_time >= last.server_time, "{last:?} {next:?}");
        last = next;
    }
    let ids: Vec<EntryId> = w.read(address(2, 1)).await.iter().map(|queued| queued.entry_id).collect();
    assert!(ids.is_sorted() && ids.len() == 6, "{ids:?}");
}

pub async fn a_changed_list_refuses_the_send_without_a_trace(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    w.person(2, 2).await;
    let mut send = commit(address(1, 1), 0, vec![entry(address(2, 1), "x")]);
    for expect in [vec![(account(2), 1)], vec![(account(1), 1), (account(2), 3)], vec![(account(9), 1)]] {
        send.expect = expect;
        let refused = w.send(send.clone()).await;
        assert!(matches!(refused, Err(CommitRefused::ListChanged)), "{refused:?}");
    }
    assert_eq!(w.subject.inbox.find_send(&send.send).await.unwrap(), None);
    assert!(w.read(address(2, 1)).await.is_empty() && w.feed.all().is_empty());
    send.expect = vec![(account(1), 1), (account(2), 2)];
    w.send(send).await.unwrap();
    assert_eq!(w.read(address(2, 1)).await.len(), 1);
}

pub async fn sends_racing_an_unlink_leave_nothing_behind(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    w.person(2, 2).await;
    let mut tasks = JoinSet::new();
    for n in 0..40 {
        let sender = w.clone();
        tasks.spawn(async move {
            let mut send = commit(address(1, 1), n, vec![entry(address(2, 1), "x"), entry(address(2, 2), "x")]);
            send.expect = vec![(account(2), 2)];
            sender.send(send).await.is_ok()
        });
        if n == 20 {
            let w = w.clone();
            tasks.spawn(async move {
                w.change(2, 2, 3, &[1]).await;
                w.change(2, 3, 4, &[1, 2]).await;
                false
            });
        }
    }
    let sent = tasks.join_all().await.into_iter().filter(|sent| *sent).count();
    assert_eq!(w.read(address(2, 1)).await.len(), sent, "the device that stayed has every send that succeeded");
    assert!(w.read(address(2, 2)).await.is_empty(), "the device made again begins empty");
}

pub async fn reads_page_by_entries_and_bytes(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    let (from, to) = (address(1, 1), address(2, 1));
    let mut ids: Vec<EntryId> = Vec::new();
    for n in 0..10 {
        let send = commit(from, n, vec![entry(to, &"x".repeat(100))]);
        ids.push(w.send(send).await.unwrap().message_id.into());
    }
    w.text(from, address(2, 2), 99).await;
    for (after, entries, bytes, want) in [
        (EntryId::ZERO, 100, usize::MAX, &ids[..]),
        (EntryId::ZERO, 3, usize::MAX, &ids[..3]),
        (ids[2], 3, usize::MAX, &ids[3..6]),
        (ids[2], 100, 250, &ids[3..6]),
        (ids[2], 100, 300, &ids[3..6]),
        (ids[2], 100, 1, &ids[3..4]),
        (ids[2], 1, 0, &ids[3..4]),
        (ids[9], 100, usize::MAX, &[]),
        (EntryId::MAX, 100, usize::MAX, &[]),
    ] {
        let read = w.subject.inbox.read(to, after, entries, bytes).await.unwrap();
        let got: Vec<EntryId> = read.iter().map(|queued| queued.entry_id).collect();
        assert_eq!(got, want, "after {after}, {entries} entries, {bytes} bytes");
    }
}

pub async fn get_returns_what_still_exists(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    let (from, to) = (address(1, 1), address(2, 1));
    let first: EntryId = w.text(from, to, 0).await.message_id.into();
    let second: EntryId = w.text(from, to, 1).await.message_id.into();
    w.settle(to, &[first], vec![]).await;
    let got = w.subject.inbox.get(to, &[second, first, EntryId::new(5)]).await.unwrap();
    assert_eq!(got, w.read(to).await);
    assert!(w.subject.inbox.get(from, &[second]).await.unwrap().is_empty());
}

pub async fn settle_removes_exactly_what_it_names(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    let (from, to, other) = (address(1, 1), address(2, 1), address(2, 2));
    let mut ids = Vec::new();
    for n in 0..4 {
        let send = commit(from, n, vec![entry(to, "x"), entry(other, "x")]);
        ids.push(EntryId::from(w.send(send).await.unwrap().message_id));
    }
    for _ in 0..2 {
        w.settle(to, &[ids[2], ids[0], EntryId::new(1), ids[0]], vec![]).await;
        let left: Vec<EntryId> = w.read(to).await.iter().map(|queued| queued.entry_id).collect();
        assert_eq!(left, [ids[1], ids[3]]);
    }
    assert_eq!(w.read(other).await.len(), 4);
    // As a connection does that delivered them; the second time, another connection was faster.
    for _ in 0..2 {
        let settle =
            crate::Settle { of: other, envelopes: vec![ids[0], ids[3]], remove: vec![ids[1]], advance: vec![] };
        w.subject.inbox.settle(settle).await.unwrap();
        assert_eq!(w.read(other).await.iter().map(|queued| queued.entry_id).collect::<Vec<_>>(), [ids[2]]);
    }
    assert_eq!(w.read(to).await.len(), 2);
}

pub async fn a_watermark_only_rises(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    let notify = [address(1, 1)];
    for (up_to, want) in [(10, 10), (10, 10), (4, 10), (11, 11)] {
        w.settle(address(2, 1), &[], vec![advance(1, 2, WatermarkKind::Delivered, up_to, &notify)]).await;
        let mark = w.subject.inbox.watermark(account(1), account(2), WatermarkKind::Delivered).await.unwrap();
        assert_eq!(mark.unwrap().up_to, MessageId::new(want));
    }
    assert_eq!(w.feed.of(address(1, 1)).len(), 2, "only moves are told");
    for (author, member, kind) in [(1, 2, WatermarkKind::Read), (2, 1, WatermarkKind::Delivered)] {
        assert_eq!(w.subject.inbox.watermark(account(author), account(member), kind).await.unwrap(), None);
    }
}

pub async fn receipts_merge_under_a_new_id(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 2).await;
    let notify = [address(1, 1), address(1, 2)];
    w.settle(address(2, 1), &[], vec![advance(1, 2, WatermarkKind::Delivered, 10, &notify)]).await;
    let [(first, _)] = w.receipts(notify[0]).await[..] else { panic!("one receipt expected") };
    let both =
        vec![advance(1, 2, WatermarkKind::Delivered, 12, &notify), advance(1, 2, WatermarkKind::Read, 11, &notify)];
    w.settle(address(2, 1), &[], both).await;
    for to in notify {
        let [(second, receipt)] = &w.receipts(to).await[..] else { panic!("one receipt expected") };
        assert!(*second > first);
        assert_eq!((receipt.conversation, receipt.member), (Conversation::Peer(account(2)), account(2)));
        let up_to = |steps: &[Step]| steps.iter().map(|step| step.up_to.get()).collect::<Vec<_>>();
        assert_eq!((up_to(&receipt.delivered), up_to(&receipt.read)), (vec![10, 12], vec![11]));
        w.settle(to, &[first], vec![]).await;
        assert_eq!(w.receipts(to).await.len(), 1, "an ack of the old entry removes nothing");
        assert_eq!(w.feed.of(to).last().unwrap().entry_id, *second);
    }
    // Another member's receipt waits beside it.
    w.settle(address(3, 1), &[], vec![advance(1, 3, WatermarkKind::Delivered, 10, &notify)]).await;
    assert_eq!(w.receipts(notify[0]).await.len(), 2);
}

pub async fn a_receipt_keeps_its_newest_steps(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    for up_to in 1..=20 {
        w.settle(address(2, 1), &[], vec![advance(1, 2, WatermarkKind::Read, up_to, &[address(1, 1)])]).await;
    }
    let [(_, receipt)] = &w.receipts(address(1, 1)).await[..] else { panic!("one receipt expected") };
    let steps: Vec<u64> = receipt.read.iter().map(|step| step.up_to.get()).collect();
    assert_eq!(steps, (5..=20).collect::<Vec<_>>());
    assert_eq!(receipt.read[0].at, T0.plus(Duration::from_millis(5)));
    assert!(receipt.delivered.is_empty());
}

pub async fn an_acked_receipt_begins_anew(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    let to = address(1, 1);
    w.settle(address(2, 1), &[], vec![advance(1, 2, WatermarkKind::Read, 10, &[to])]).await;
    let [(id, _)] = w.receipts(to).await[..] else { panic!("one receipt expected") };
    w.settle(to, &[id], vec![]).await;
    assert!(w.read(to).await.is_empty());
    w.settle(address(2, 1), &[], vec![advance(1, 2, WatermarkKind::Read, 11, &[to])]).await;
    let [(_, receipt)] = &w.receipts(to).await[..] else { panic!("one receipt expected") };
    assert_eq!(receipt.read.len(), 1);
}

pub async fn notices_for_unlisted_devices_are_dropped(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    let notify = [address(1, 2), address(1, 1), address(9, 1)];
    w.settle(address(2, 1), &[], vec![advance(1, 2, WatermarkKind::Read, 10, &notify)]).await;
    assert_eq!(w.receipts(address(1, 1)).await.len(), 1);
    assert!(w.read(address(1, 2)).await.is_empty() && w.read(address(9, 1)).await.is_empty());
}

pub async fn racing_watermarks_leave_one_receipt(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    let mut tasks = JoinSet::new();
    for up_to in 1..=60 {
        let w = w.clone();
        tasks.spawn(async move {
            let kind = if up_to % 2 == 0 { WatermarkKind::Read } else { WatermarkKind::Delivered };
            w.settle(address(2, 1), &[], vec![advance(1, 2, kind, up_to, &[address(1, 1)])]).await;
        });
    }
    tasks.join_all().await;
    for (kind, want) in [(WatermarkKind::Read, 60), (WatermarkKind::Delivered, 59)] {
        let mark = w.subject.inbox.watermark(account(1), account(2), kind).await.unwrap().unwrap();
        assert_eq!(mark.up_to, MessageId::new(want));
    }
    let [(_, receipt)] = &w.receipts(address(1, 1)).await[..] else { panic!("one receipt expected") };
    for steps in [&receipt.read, &receipt.delivered] {
        assert!(steps.len() <= limits::RECEIPT_STEPS && steps.is_sorted_by_key(|step| step.up_to), "{steps:?}");
    }
    assert_eq!(receipt.read.last().unwrap().up_to, MessageId::new(60));
}

pub async fn the_feed_hears_each_entry_in_order_before_the_answer(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    let to = address(1, 1);
    let mut tasks = JoinSet::new();
    for n in 0..100u8 {
        let w = w.clone();
        tasks.spawn(async move {
            if n % 5 == 0 {
                w.settle(address(2, 1), &[], vec![advance(1, n + 100, WatermarkKind::Read, 1, &[to])]).await;
                return;
            }
            let id = w.text(address(2, 1), to, u128::from(n)).await.message_id.into();
            assert!(w.feed.of(to).iter().any(|queued| queued.entry_id == id), "told before the answer");
        });
    }
    tasks.join_all().await;
    let told: Vec<EntryId> = w.feed.of(to).iter().map(|queued| queued.entry_id).collect();
    assert_eq!(told.len(), 100);
    assert!(told.windows(2).all(|pair| pair[0] < pair[1]), "in id order, each once");
    assert_eq!(w.feed.of(to), w.read(to).await);
}

pub async fn expired_entries_are_found_in_rounds_and_buried_once(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    w.person(2, 3).await;
    let sender = address(1, 1);
    let mut old = Vec::new();
    for n in 0..2 {
        let entries = (1..=3).map(|id| entry(address(2, id), "x")).collect();
        old.push(w.send(commit(sender, n, entries)).await.unwrap().message_id);
    }
    let later = T0.plus(limits::UNDELIVERED_RETENTION).plus(Duration::from_secs(60));
    let mut young = commit(sender, 9, vec![entry(address(2, 1), "young"), entry(address(3, 1), "young")]);
    young.now = later;
    let young = w.send(young).await.unwrap().message_id;
    let before = EntryId::from(MessageId::at(later.minus(limits::UNDELIVERED_RETENTION).as_ms()));

    let mut found = Vec::new();
    let mut after = None;
    loop {
        let round = w.subject.inbox.expired(before, after, 2).await.unwrap();
        assert!(round.len() <= 2);
        let Some(last) = round.last() else { break };
        after = Some(last.of);
        found.extend(round);
    }
    assert_eq!(found.iter().map(|e| e.of).collect::<Vec<_>>(), [address(2, 1), address(2, 2), address(2, 3)]);
    for expired in &found {
        let ids: Vec<EntryId> = expired.entries.iter().map(|queued| queued.entry_id).collect();
        assert_eq!(ids, [old[0].into(), old[1].into()]);
    }

    let failure = StoredFailure { conversation: Conversation::Peer(account(2)), message_id: old[0] };
    let failed = vec![(vec![sender, address(1, 7)], failure)];
    for _ in 0..2 {
        let remove = vec![old[0].into(), old[1].into()];
        w.subject.inbox.bury(address(2, 1), remove, failed.clone(), later).await.unwrap();
        let told = w.read(sender).await;
        let [queued] = &told[..] else { panic!("one failure expected, got {told:?}") };
        assert_eq!(queued.item, QueuedItem::Failure(failure));
        assert!(queued.entry_id > young.into());
        assert_eq!(w.feed.of(sender), told);
    }
    assert!(w.read(address(1, 7)).await.is_empty(), "unlisted devices are told nothing");
    assert_eq!(w.read(address(2, 1)).await.len(), 1, "the young entry stays");
    let again = w.subject.inbox.expired(before, None, 10).await.unwrap();
    assert_eq!(again.iter().map(|e| e.of).collect::<Vec<_>>(), [address(2, 2), address(2, 3)]);
}

pub async fn what_was_acked_meanwhile_has_not_failed(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    let id = w.text(address(1, 1), address(2, 1), 0).await.message_id;
    w.settle(address(2, 1), &[id.into()], vec![]).await;
    let failure = StoredFailure { conversation: Conversation::Peer(account(2)), message_id: id };
    let failed = vec![(vec![address(1, 1)], failure)];
    w.subject.inbox.bury(address(2, 1), vec![id.into()], failed, T0).await.unwrap();
    assert!(w.read(address(1, 1)).await.is_empty());
}

pub async fn old_sends_are_forgotten_young_ones_kept(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    let first = w.text(address(1, 1), address(2, 1), 0).await;
    let send = SendId { from: address(1, 1), client_msg_id: client_msg_id(0) };
    let almost = T0.plus(limits::DEDUP_RETENTION).minus(Duration::from_secs(1));
    while w.subject.inbox.forget_old(almost, 100).await.unwrap() > 0 {}
    assert_eq!(w.subject.inbox.find_send(&send).await.unwrap(), Some(first));
    let past = T0.plus(limits::DEDUP_RETENTION * 2).plus(Duration::from_secs(1));
    while w.subject.inbox.forget_old(past, 100).await.unwrap() > 0 {}
    assert_eq!(w.subject.inbox.find_send(&send).await.unwrap(), None);
    let mut again = commit(address(1, 1), 0, vec![]);
    again.now = past;
    assert!(w.send(again).await.unwrap().message_id > first.message_id);
    assert_eq!(w.read(address(2, 1)).await.len(), 1, "entries have a longer life");
}

pub async fn depth_counts_up_to_its_limit(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    for n in 0..5 {
        w.text(address(1, 1), address(2, 1), n).await;
    }
    w.text(address(1, 1), address(2, 2), 9).await;
    for (limit, want) in [(0, 0), (3, 3), (5, 5), (100, 5)] {
        assert_eq!(w.subject.inbox.depth(address(2, 1), limit).await.unwrap(), want);
    }
}
