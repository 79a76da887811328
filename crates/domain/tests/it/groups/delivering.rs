use super::*;
use sotto_types::{Conversation, limits};

#[tokio::test]
async fn what_is_acked_waits_no_more_and_cursors_never_fall() {
    let bed = Bed::new().await;
    let [ann, bob] = bed.people().await;
    let circle = Circle::new(&bed, &ann, &[&bob]).await;
    let (one, two) = (circle.say(&bed, &ann, b"one").await, circle.say(&bed, &ann, b"two").await);
    let of = bob.address(0);
    bed.domain.group_ack(of, &[ack(&circle, one, true)]).await.unwrap();
    assert_eq!(circle.waiting(&bed, of).await, [two], "before it is written");
    assert_eq!(bed.store.cursors(of, &[circle.id]).await.unwrap(), [None]);
    bed.domain.write_cursors().await.unwrap();
    assert_eq!(bed.store.cursors(of, &[circle.id]).await.unwrap(), [Some(one)]);
    assert_eq!(circle.waiting(&bed, of).await, [two]);
    for lower in [circle.last, MessageId::ZERO] {
        bed.domain.group_ack(of, &[ack(&circle, lower, true)]).await.unwrap();
        assert_eq!(circle.waiting(&bed, of).await, [two]);
        bed.domain.write_cursors().await.unwrap();
        assert_eq!(circle.waiting(&bed, of).await, [two]);
    }
    bed.domain.group_ack(of, &[ack(&circle, two, true)]).await.unwrap();
    assert_eq!(bed.domain.waiting_groups(of).await.unwrap(), []);
    assert_eq!(circle.waiting(&bed, ann.address(0)).await.len(), 3, "the author's own entries wait for it too");
    assert_eq!(bed.domain.write_cursors().await.unwrap(), 2);
    assert_eq!(bed.domain.write_cursors().await.unwrap(), 0);
}

#[tokio::test]
async fn cursors_are_written_a_moment_later() {
    let bed = Bed::new().await;
    let [ann, bob] = bed.people().await;
    let circle = Circle::new(&bed, &ann, &[&bob]).await;
    let domain = bed.domain.clone();
    let keeping = tokio::spawn(async move { domain.keep_cursors().await });
    for at in [ann.address(0), bob.address(0)] {
        bed.domain.group_ack(at, &[ack(&circle, circle.last, true)]).await.unwrap();
        let written = async {
            while bed.store.cursors(at, &[circle.id]).await.unwrap() != [Some(circle.last)] {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), written).await.expect("a moment later");
    }
    keeping.abort();
}

#[tokio::test]
async fn a_new_device_and_a_new_member_begin_now() {
    let bed = Bed::new().await;
    let [ann, mut bob, cleo] = bed.people().await;
    let mut circle = Circle::new(&bed, &ann, &[&bob]).await;
    circle.say(&bed, &ann, b"before").await;
    bed.link(&mut bob).await;
    circle.roster = bed.facts(&circle).await.1;
    assert_eq!(bed.domain.waiting_groups(bob.address(1)).await.unwrap(), []);
    assert_eq!(circle.waiting(&bed, bob.address(0)).await.len(), 2, "its sibling's place is its own");
    let added = circle.act(&bed, &ann, adding(&[&cleo])).await.message_id;
    let after = circle.say(&bed, &ann, b"after").await;
    assert_eq!(circle.waiting(&bed, bob.address(1)).await, [added, after]);
    assert_eq!(circle.waiting(&bed, cleo.address(0)).await, [added, after]);
}

#[tokio::test]
async fn who_was_away_gets_every_stay_and_nothing_in_between() {
    for fanout in [Fanout::Log, Fanout::Pairwise] {
        let bed = Bed::new().await;
        let [ann, mut bob, cleo] = bed.people().await;
        let mut circle = Circle::with(&bed, &ann, &[&bob], fanout).await;
        let say = async |circle: &Circle| match fanout {
            Fanout::Log => vec![circle.say(&bed, &ann, b"to all who are in").await],
            Fanout::Pairwise => vec![],
        };
        let mut want = vec![circle.last];
        want.extend(say(&circle).await);
        for _ in 0..3 {
            want.push(circle.act(&bed, &ann, removing(&bob)).await.message_id);
            say(&circle).await;
            circle.act(&bed, &ann, adding(&[&cleo])).await;
            circle.act(&bed, &ann, removing(&cleo)).await;
            want.push(circle.act(&bed, &ann, adding(&[&bob])).await.message_id);
            want.extend(say(&circle).await);
        }
        let of = bob.address(0);
        assert_eq!(circle.waiting(&bed, of).await, want);
        // In the middle of a stay, and between two.
        for read in [2, 3, 5] {
            bed.domain.group_ack(of, &[ack(&circle, want[read], false)]).await.unwrap();
            assert_eq!(circle.waiting(&bed, of).await, want[read + 1..], "after {read}");
        }
        // A device linked now has its sibling's history, not its backlog.
        bed.link(&mut bob).await;
        assert_eq!(circle.waiting(&bed, bob.address(1)).await, []);
        assert_eq!(circle.waiting(&bed, of).await, want[6..]);
        let groups = bed.domain.own_groups(&seen(&bob)).await.unwrap();
        assert_eq!(groups.len(), 1, "a group is listed once");
        assert_eq!(groups[0].membership.until, None);
        bed.domain.group_ack(of, &[ack(&circle, *want.last().unwrap(), false)]).await.unwrap();
        assert_eq!(bed.domain.waiting_groups(of).await.unwrap(), []);

        // Out for good: it gets its end, and reads the list up to there.
        let out = circle.act(&bed, &ann, removing(&bob)).await;
        assert_eq!(circle.waiting(&bed, of).await, [out.message_id]);
        circle.act(&bed, &ann, adding(&[&cleo])).await;
        let page = bed.domain.group_page(&seen(&bob), circle.id, 0).await.unwrap();
        assert_eq!(page.operations.last().unwrap().revision, out.revision);
    }
}

#[tokio::test]
async fn what_a_sibling_has_not_read_of_an_earlier_stay_is_kept_for_it() {
    let bed = Bed::new().await;
    let [ann, mut bob] = bed.people().await;
    bed.link(&mut bob).await;
    let mut circle = Circle::new(&bed, &ann, &[&bob]).await;
    let mut want = vec![circle.last];
    for _ in 0..2 {
        want.push(circle.say(&bed, &ann, b"said").await);
        want.push(circle.act(&bed, &ann, removing(&bob)).await.message_id);
        bed.domain.group_ack(bob.address(0), &[ack(&circle, circle.last, false)]).await.unwrap();
        bed.domain.write_cursors().await.unwrap();
        want.push(circle.act(&bed, &ann, adding(&[&bob])).await.message_id);
    }
    assert_eq!(circle.waiting(&bed, bob.address(0)).await, want[6..]);
    assert_eq!(circle.waiting(&bed, bob.address(1)).await, want);
    bed.clock.advance(limits::UNDELIVERED_RETENTION + DAY);
    for of in [ann.address(0), bob.address(0), bob.address(1)] {
        bed.domain.seen(of).await;
    }
    let young = circle.say(&bed, &ann, b"young").await;
    bed.domain.sweep().await.unwrap();
    assert_eq!(circle.waiting(&bed, bob.address(1)).await, [young], "not longer than anything else");
    let stays = bed.store.memberships(bob.account).await.unwrap();
    assert_eq!(stays.iter().map(|stay| stay.since).collect::<Vec<_>>(), want[6..]);
}

#[tokio::test]
async fn who_is_removed_while_a_log_is_read_gets_nothing_later() {
    let bed = Bed::new().await;
    let [ann, bob] = bed.people().await;
    let mut circle = Circle::new(&bed, &ann, &[&bob]).await;
    let before = circle.say(&bed, &ann, b"before").await;
    let looked = bed.domain.waiting_groups(bob.address(0)).await.unwrap();
    let out = circle.act(&bed, &ann, removing(&bob)).await.message_id;
    circle.say(&bed, &ann, b"without bob").await;
    let read = async || {
        let entries = bed.domain.read_log(looked[0], 1000, usize::MAX).await.unwrap();
        entries.iter().map(|entry| entry.id).collect::<Vec<_>>()
    };
    let first = looked[0].after;
    assert!(first < before);
    assert_eq!(read().await[1..], [before, out]);
    circle.act(&bed, &ann, adding(&[&bob])).await;
    circle.say(&bed, &ann, b"with bob").await;
    assert_eq!(read().await[1..], [before, out], "what is for it now is looked for anew");
}

#[tokio::test]
async fn an_account_with_too_much_to_catch_up_on_is_not_added_again() {
    let bed = Bed::new().await;
    let [ann, bob] = bed.people().await;
    let mut circle = Circle::new(&bed, &ann, &[&bob]).await;
    for _ in 0..limits::UNREAD_STAYS {
        circle.act(&bed, &ann, removing(&bob)).await;
        circle.act(&bed, &ann, adding(&[&bob])).await;
    }
    circle.act(&bed, &ann, removing(&bob)).await;
    let again = circle.attempt(&bed, &ann, &adding(&[&bob])).await;
    assert_eq!(code(again), ErrorCode::GroupFull);
    let waiting = circle.waiting(&bed, bob.address(0)).await;
    assert_eq!(waiting.len(), 2 * (limits::UNREAD_STAYS + 1));
    bed.domain.group_ack(bob.address(0), &[ack(&circle, waiting[1], false)]).await.unwrap();
    bed.domain.write_cursors().await.unwrap();
    circle.attempt(&bed, &ann, &adding(&[&bob])).await.expect("it has read one");
}

#[tokio::test]
async fn acks_of_what_was_not_pushed_are_clamped_limited_and_only_for_own_groups() {
    let bed = Bed::new().await;
    let [ann, bob, eve] = bed.people().await;
    let mut circle = Circle::new(&bed, &ann, &[&bob]).await;
    let of = bob.address(0);
    bed.domain.group_ack(of, &[ack(&circle, MessageId::MAX, false)]).await.unwrap();
    bed.domain.group_ack(eve.address(0), &[ack(&circle, circle.last, false)]).await.unwrap();
    bed.domain.write_cursors().await.unwrap();
    let marks = bed.domain.group_marks(&seen(&ann), circle.id).await.unwrap();
    assert_eq!(marks.len(), 1, "nothing of a stranger");
    assert_eq!(marks[0].delivered.unwrap().up_to, circle.last, "no further than the log");
    let next = circle.say(&bed, &ann, b"next").await;
    assert_eq!(circle.waiting(&bed, of).await, [next]);

    // Who is out is in no later entry.
    let removed = circle.act(&bed, &ann, removing(&bob)).await.message_id;
    circle.say(&bed, &ann, b"without").await;
    bed.domain.group_ack(of, &[ack(&circle, MessageId::MAX, false)]).await.unwrap();
    bed.domain.write_cursors().await.unwrap();
    let marks = bed.domain.group_marks(&seen(&ann), circle.id).await.unwrap();
    assert_eq!(marks[0].delivered.unwrap().up_to, removed);

    let many = vec![ack(&circle, circle.last, false); limits::ACK_GROUPS];
    assert_eq!(code(bed.domain.group_ack(of, &[&many[..], &many[..1]].concat()).await), ErrorCode::BadRequest);
    let mut refused = Ok(());
    for _ in 0..20 {
        refused = refused.and(bed.domain.group_ack(of, &many).await);
    }
    assert_eq!(code(refused), ErrorCode::RateLimited);
}

#[tokio::test]
async fn a_limited_ack_still_counts_for_what_was_pushed() {
    let bed = Bed::new().await;
    let [ann, bob] = bed.people().await;
    let (circle, other) = (Circle::new(&bed, &ann, &[&bob]).await, Circle::new(&bed, &ann, &[&bob]).await);
    let of = bob.address(0);
    let many = vec![ack(&circle, MessageId::new(1), false); limits::ACK_GROUPS];
    while bed.domain.group_ack(of, &many).await.is_ok() {}
    let mixed = [&many[..1000], &[ack(&other, other.last, true)]].concat();
    assert_eq!(code(bed.domain.group_ack(of, &mixed).await), ErrorCode::RateLimited);
    assert_eq!(other.waiting(&bed, of).await, []);
}

#[tokio::test]
async fn marks_move_and_what_is_not_there_cannot_be_read() {
    let bed = Bed::new().await;
    let [ann, bob, eve] = bed.people().await;
    let circle = Circle::new(&bed, &ann, &[&bob]).await;
    let sent = circle.say(&bed, &ann, b"read me").await;
    let (of, group) = (bob.address(0), Conversation::Group(circle.id));
    let beyond = MessageId::new(sent.get() + 1);
    assert_eq!(code(bed.domain.read(of, group, beyond).await), ErrorCode::BadRequest);
    assert_eq!(code(bed.domain.read(of, group, MessageId::ZERO).await), ErrorCode::BadRequest);
    assert_eq!(code(bed.domain.read(eve.address(0), group, sent).await), ErrorCode::UnknownGroup);
    let nowhere = Conversation::Group(GroupId::from_bytes([1; 32]));
    assert_eq!(code(bed.domain.read(of, nowhere, sent).await), ErrorCode::UnknownGroup);

    let at = bed.now();
    // It could not read the last one: stored, not delivered.
    let acked = GroupAcked { group: circle.id, up_to: sent, delivered: circle.last, pushed: true };
    bed.domain.group_ack(of, &[acked]).await.unwrap();
    bed.clock.advance(std::time::Duration::from_secs(1));
    bed.domain.read(of, group, sent).await.unwrap();
    bed.domain.read(of, group, circle.last).await.unwrap();
    bed.domain.write_cursors().await.unwrap();
    let marks = bed.domain.group_marks(&seen(&ann), circle.id).await.unwrap();
    let step = |up_to, at| Some(Step { up_to, at });
    assert_eq!(
        marks,
        [GroupMark { member: bob.account, delivered: step(circle.last, at), read: step(sent, bed.now()) }]
    );
    let [own] = &bed.domain.own_groups(&seen(&bob)).await.unwrap()[..] else { panic!("one group") };
    assert_eq!((own.read_up_to, own.newest, own.group.id), (sent, sent, circle.id));
}

#[tokio::test]
async fn the_sweep_trims_logs_and_keeps_operations() {
    let bed = Bed::new().await;
    let [ann, bob, cleo] = bed.people().await;
    let mut circle = Circle::new(&bed, &ann, &[&bob, &cleo]).await;
    circle.say(&bed, &ann, b"old").await;
    circle.act(&bed, &ann, removing(&cleo)).await;
    bed.clock.advance(limits::UNDELIVERED_RETENTION - DAY);
    for person in [&ann, &bob, &cleo] {
        bed.domain.seen(person.address(0)).await;
    }
    let young = circle.say(&bed, &ann, b"young").await;
    bed.domain.sweep().await.unwrap();
    assert_eq!(circle.waiting(&bed, bob.address(0)).await.len(), 4);
    bed.clock.advance(DAY + DAY);
    let report = bed.domain.sweep().await.unwrap();
    assert!(report.forgotten >= 4, "{report:?}");
    assert_eq!(circle.waiting(&bed, bob.address(0)).await, [young]);
    assert_eq!(bed.domain.group_page(&seen(&ann), circle.id, 0).await.unwrap().operations.len(), 2);
    assert_eq!(code(bed.domain.group_page(&seen(&cleo), circle.id, 0).await), ErrorCode::UnknownGroup);
    assert_eq!(bed.domain.waiting_groups(cleo.address(0)).await.unwrap(), []);
}
