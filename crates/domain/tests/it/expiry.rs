use crate::bed::*;
use sotto_domain::*;
use sotto_types::{DeviceAddress, MessageId, limits};
use std::time::Duration;

async fn failures(bed: &Bed, of: DeviceAddress) -> Vec<MessageId> {
    let failure = |queued: Queued| if let QueuedItem::Failure(failure) = queued.item { Some(failure) } else { None };
    bed.inbox(of).await.into_iter().filter_map(failure).map(|failure| failure.message_id).collect()
}

async fn stay(bed: &Bed, people: &[&Person]) {
    for person in people {
        for device in 0..person.devices.len() {
            bed.domain.seen(person.address(device)).await;
        }
    }
}

#[tokio::test]
async fn what_nobody_took_in_30_days_fails_once_for_every_device_of_the_sender() {
    let bed = Bed::new().await;
    let (mut ann, mut bob) = (bed.register("ann").await, bed.register("bob").await);
    bed.link(&mut ann).await;
    bed.link(&mut bob).await;
    let old = bed.send(ann.address(0), ann.message(0, &bob)).await.unwrap();
    bed.send(ann.address(0), DirectSend { class: EnvelopeClass::Control, ..ann.message(0, &bob) }).await.unwrap();
    bed.clock.advance(DAY);
    let young = bed.send(ann.address(0), ann.message(0, &bob)).await.unwrap();

    bed.clock.advance(limits::UNDELIVERED_RETENTION - DAY);
    stay(&bed, &[&ann, &bob]).await;
    assert_eq!(bed.domain.sweep().await.unwrap().failed, 0, "30 days to the millisecond are not over");
    bed.clock.advance(Duration::from_secs(1));
    let report = bed.domain.sweep().await.unwrap();
    assert_eq!((report.failed, report.suspended), (1, 0), "two devices, one failure");
    for of in [ann.address(0), ann.address(1)] {
        assert_eq!(failures(&bed, of).await, [old.message_id]);
    }
    for of in [bob.address(0), bob.address(1)] {
        let left: Vec<_> = bed.inbox(of).await.iter().map(|entry| entry.entry_id.get()).collect();
        assert_eq!(left, [young.message_id.get()]);
    }
    assert_eq!(bed.domain.sweep().await.unwrap().failed, 0);
}

#[tokio::test]
async fn what_one_device_took_has_not_failed() {
    let bed = Bed::new().await;
    let (ann, mut bob) = (bed.register("ann").await, bed.register("bob").await);
    bed.link(&mut bob).await;
    let sent = bed.send(ann.address(0), ann.message(0, &bob)).await.unwrap();
    let inbox = bed.inbox(bob.address(0)).await;
    let taken = AckedEntry { entry_id: inbox[0].entry_id, header: EntryHeader::of(&inbox[0]) };
    bed.domain.ack(bob.address(0), vec![taken], Vec::new()).await.unwrap();
    bed.clock.advance(limits::UNDELIVERED_RETENTION + DAY);
    stay(&bed, &[&ann, &bob]).await;
    assert_eq!(bed.domain.sweep().await.unwrap().failed, 0);
    assert_eq!(bed.depth(bob.address(1)).await, 0, "expired all the same");
    assert!(failures(&bed, ann.address(0)).await.is_empty());
    assert!(sent.message_id > MessageId::ZERO);
}

#[tokio::test]
async fn what_a_suspended_device_never_took_fails_too() {
    let bed = Bed::new().await;
    let (ann, bob) = (bed.register("ann").await, bed.register("bob").await);
    bed.clock.advance(10 * DAY);
    let sent = bed.send(ann.address(0), ann.message(0, &bob)).await.unwrap();
    bed.clock.advance(limits::ABSENT_DEVICE - 9 * DAY);
    stay(&bed, &[&ann]).await;
    let report = bed.domain.sweep().await.unwrap();
    assert_eq!((report.suspended, report.failed), (1, 1));
    assert_eq!(failures(&bed, ann.address(0)).await, [sent.message_id]);
    assert_eq!(bed.depth(bob.address(0)).await, 0);
}

#[tokio::test]
async fn what_a_sibling_still_has_waiting_has_not_failed() {
    let bed = Bed::new().await;
    let (ann, mut bob) = (bed.register("ann").await, bed.register("bob").await);
    bed.link(&mut bob).await;
    bed.clock.advance(limits::ABSENT_DEVICE + DAY);
    bed.domain.seen(ann.address(0)).await;
    bed.domain.seen(bob.address(1)).await;
    let sent = bed.send(ann.address(0), ann.message(0, &bob)).await.unwrap();
    bed.clock.advance(DAY);
    stay(&bed, &[&ann]).await;
    bed.domain.seen(bob.address(1)).await;
    let report = bed.domain.sweep().await.unwrap();
    assert_eq!((report.suspended, report.failed), (1, 0));
    assert_eq!((bed.depth(bob.address(0)).await, bed.depth(bob.address(1)).await), (0, 1));

    // The other device leaves as well, and with it the last hope.
    let own = bed.sign_in(&bob, 1).await;
    let mut list = bob.list_without(0);
    bed.domain.remove_device(&own, bob.devices[0].id, list).await.unwrap();
    bob.version += 1;
    bed.link_over(&mut bob, 1).await;
    list = bob.list_of(bob.version + 1, &[&bob.devices[2]]);
    let newest = bed.sign_in(&bob, 2).await;
    bed.domain.remove_device(&newest, bob.devices[1].id, list).await.unwrap();
    assert_eq!(failures(&bed, ann.address(0)).await, []);
    assert_eq!(bed.domain.tidy().await.unwrap().failed, 1);
    assert_eq!(failures(&bed, ann.address(0)).await, [sent.message_id]);
    assert_eq!(bed.domain.tidy().await.unwrap().failed, 0);
}

#[tokio::test]
async fn who_deletes_the_account_leaves_no_message_in_the_air() {
    let bed = Bed::new().await;
    let (ann, mut bob) = (bed.register("ann").await, bed.register("bob").await);
    bed.link(&mut bob).await;
    let sent = bed.send(ann.address(0), ann.message(0, &bob)).await.unwrap();
    bed.domain.delete_account_by_name("bob").await.unwrap();
    assert_eq!(failures(&bed, ann.address(0)).await, [sent.message_id]);
}

#[tokio::test]
async fn a_device_that_is_seen_daily_is_not_absent() {
    let bed = Bed::new().await;
    let ann = bed.register("ann").await;
    for _ in 0..40 {
        bed.clock.advance(DAY);
        bed.domain.seen(ann.address(0)).await;
        assert_eq!(bed.domain.sweep().await.unwrap(), SweepReport::default());
    }
}

#[tokio::test]
async fn what_waited_when_the_block_came_expires_without_a_word() {
    let bed = Bed::new().await;
    let (ann, bob) = (bed.register("ann").await, bed.register("bob").await);
    bed.send(ann.address(0), ann.message(0, &bob)).await.unwrap();
    let who = bed.sign_in(&bob, 0).await;
    bed.domain.set_block(&who, ann.account, true).await.unwrap();
    bed.clock.advance(limits::UNDELIVERED_RETENTION + DAY);
    stay(&bed, &[&ann, &bob]).await;
    assert_eq!(bed.domain.sweep().await.unwrap().failed, 0);
    assert_eq!((bed.depth(ann.address(0)).await, bed.depth(bob.address(0)).await), (0, 0));
}
