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
