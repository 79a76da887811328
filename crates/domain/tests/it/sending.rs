use crate::bed::*;
use bytes::Bytes;
use sotto_domain::*;
use sotto_types::{Conversation, ErrorCode, MessageId, limits};

/// Ann with two devices, Bob with two.
async fn pair(bed: &Bed) -> (Person, Person) {
    let (mut ann, mut bob) = (bed.register("ann").await, bed.register("bob").await);
    bed.link(&mut ann).await;
    bed.link(&mut bob).await;
    (ann, bob)
}

#[tokio::test]
async fn a_message_reaches_every_device_of_both() {
    let bed = Bed::new().await;
    let (ann, bob) = pair(&bed).await;
    let committed = bed.send(ann.address(0), ann.message(0, &bob)).await.unwrap();
    for of in [bob.address(0), bob.address(1), ann.address(1)] {
        let inbox = bed.inbox(of).await;
        let [Queued { entry_id, item: QueuedItem::Envelope(envelope) }] = &inbox[..] else { panic!("{inbox:?}") };
        assert_eq!(entry_id.get(), committed.message_id.get());
        assert_eq!((envelope.sender, envelope.class), (ann.address(0), EnvelopeClass::Message));
        assert_eq!(envelope.ciphertext, format!("to {}", of.device).as_bytes());
    }
    assert_eq!(bed.depth(ann.address(0)).await, 0);
}

#[tokio::test]
async fn an_answer_sorts_after_what_its_sender_has_seen() {
    let bed = Bed::new().await;
    let (ann, bob) = pair(&bed).await;
    let mut send = ann.message(0, &bob);
    send.seen = MessageId::at(bed.now().as_ms() + 30_000);
    let committed = bed.send(ann.address(0), send.clone()).await.unwrap();
    assert!(committed.message_id > send.seen);
}

#[tokio::test]
async fn a_retry_gets_the_first_answer_whatever_changed() {
    // A repeat costs its place in the rate, but is never refused for it.
    let limits = RateLimits { sends: Rate::new(3, 1), ..RateLimits::default() };
    let bed = Bed::with(DomainConfig { limits, ..open() }).await;
    let (ann, mut bob) = pair(&bed).await;
    let send = ann.message(0, &bob);
    let first = bed.send(ann.address(0), send.clone()).await.unwrap();
    // The recipient's devices change, the sender's rate is used up, and the recipient even goes away.
    bed.link(&mut bob).await;
    assert_eq!(bed.send(ann.address(0), send.clone()).await.unwrap(), first);
    bed.send(ann.address(0), ann.message(0, &bob)).await.unwrap();
    assert_eq!(send_code(bed.send(ann.address(0), ann.message(0, &bob)).await), ErrorCode::RateLimited);
    assert_eq!(bed.send(ann.address(0), send.clone()).await.unwrap(), first);
    bed.domain.delete_account_by_name("bob").await.unwrap();
    let mut broken = send.clone();
    broken.to_recipient.clear();
    assert_eq!(bed.send(ann.address(0), broken).await.unwrap(), first);
    bed.clock.advance(limits::DEDUP_RETENTION - DAY);
    assert_eq!(bed.send(ann.address(0), send).await.unwrap(), first);
}

#[tokio::test]
async fn racing_repeats_are_one_send() {
    let bed = Bed::new().await;
    let (ann, bob) = pair(&bed).await;
    let send = ann.message(0, &bob);
    let tries = (0..8).map(|_| {
        let (domain, send, from) = (bed.domain.clone(), send.clone(), ann.address(0));
        tokio::spawn(async move { domain.send_direct(from, send).await.unwrap() })
    });
    let mut answers = Vec::new();
    for attempt in tries.collect::<Vec<_>>() {
        answers.push(attempt.await.unwrap());
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(bed.depth(bob.address(0)).await, 1);
}

#[tokio::test]
async fn the_same_client_id_of_another_device_is_another_send() {
    let bed = Bed::new().await;
    let (ann, bob) = pair(&bed).await;
    let send = ann.message(0, &bob);
    let mut other = ann.message(1, &bob);
    other.client_msg_id = send.client_msg_id;
    let first = bed.send(ann.address(0), send).await.unwrap();
    let second = bed.send(ann.address(1), other).await.unwrap();
    assert!(second.message_id > first.message_id);
    assert_eq!(bed.depth(bob.address(0)).await, 2);
}

#[tokio::test]
async fn what_does_not_fit_the_lists_is_a_mismatch_and_stores_nothing() {
    let bed = Bed::new().await;
    let (ann, bob) = pair(&bed).await;
    type Spoil = fn(&mut DirectSend);
    // Both lists have version 2.
    let table: &[(&str, Spoil, &[u32])] = &[
        ("recipient version", |s| s.recipient_list_version = 1, &[2]),
        ("own version", |s| s.own_list_version = 3, &[2]),
        (
            "both versions",
            |s| {
                s.recipient_list_version = 1;
                s.own_list_version = 1;
            },
            &[2, 2],
        ),
        ("recipient device missing", |s| drop(s.to_recipient.pop()), &[2]),
        ("own device missing", |s| drop(s.to_self.pop()), &[2]),
        ("unknown recipient device", |s| s.to_recipient[0].device = dev(9), &[2]),
        ("re-made device", |s| s.to_recipient[0].registration_id ^= 1, &[2]),
        (
            "one too many",
            |s| {
                let mut extra = s.to_recipient[0].clone();
                extra.device = dev(9);
                s.to_recipient.push(extra);
            },
            &[2],
        ),
    ];
    for (name, spoil, lists) in table {
        let mut send = ann.message(0, &bob);
        spoil(&mut send);
        assert_eq!(mismatch(bed.send(ann.address(0), send.clone()).await), *lists, "{name}");
        let fixed = DirectSend { client_msg_id: send.client_msg_id, ..ann.message(0, &bob) };
        bed.send(ann.address(0), fixed).await.expect("sealed again under the same id");
    }
    assert_eq!(bed.depth(bob.address(0)).await, table.len());
}

#[tokio::test]
async fn impossible_sends_are_refused_and_store_nothing() {
    let bed = Bed::new().await;
    let (ann, bob) = pair(&bed).await;
    type Spoil = fn(&mut DirectSend, &Person);
    let table: &[(&str, Spoil, ErrorCode)] = &[
        ("too large", |s, _| s.to_recipient[0].ciphertext = vec![0; 65_537].into(), ErrorCode::TooLarge),
        ("empty", |s, _| s.to_recipient[0].ciphertext = Bytes::new(), ErrorCode::BadRequest),
        ("sender key", |s, _| s.to_self[0].ciphertext_type = CiphertextType::SenderKey, ErrorCode::BadRequest),
        ("named twice", |s, _| s.to_recipient[1].device = s.to_recipient[0].device, ErrorCode::BadRequest),
        ("to itself", |s, _| s.to_self[0].device = dev(1), ErrorCode::BadRequest),
        ("own account as recipient", |s, ann| s.recipient = ann.account, ErrorCode::BadRequest),
        ("nobody", |s, _| s.recipient = Person::new("x").account, ErrorCode::UnknownRecipient),
        (
            "control to no device",
            |s, _| {
                s.class = EnvelopeClass::Control;
                s.to_recipient.clear();
            },
            ErrorCode::BadRequest,
        ),
    ];
    for (name, spoil, want) in table {
        let mut send = ann.message(0, &bob);
        spoil(&mut send, &ann);
        assert_eq!(send_code(bed.send(ann.address(0), send).await), *want, "{name}");
    }
    let mut send = ann.message(0, &bob);
    send.to_recipient[0].ciphertext = vec![0; 65_536].into();
    bed.send(ann.address(0), send).await.expect("exactly the limit");
    assert_eq!((bed.depth(bob.address(0)).await, bed.depth(ann.address(1)).await), (1, 1));
    let stranger = Person::new("x");
    assert_eq!(send_code(bed.send(stranger.address(0), stranger.message(0, &bob)).await), ErrorCode::DeviceUnlinked);
}

#[tokio::test]
async fn notes_to_self_and_control_envelopes_name_what_they_mean() {
    let bed = Bed::new().await;
    let (ann, bob) = pair(&bed).await;
    let carl = bed.register("carl").await;
    bed.send(ann.address(0), ann.message(0, &ann)).await.unwrap();
    assert_eq!(bed.depth(ann.address(1)).await, 1);
    let alone = bed.send(carl.address(0), carl.message(0, &carl)).await.unwrap();
    assert!(alone.message_id > MessageId::ZERO, "an only device's note still gets its id");

    // Control: any subset, of the recipient or of the own other devices.
    let mut one = ann.message(0, &bob);
    one.class = EnvelopeClass::Control;
    one.to_recipient.truncate(1);
    one.to_self.clear();
    one.own_list_version = 0;
    bed.send(ann.address(0), one.clone()).await.unwrap();
    assert_eq!((bed.depth(bob.address(0)).await, bed.depth(bob.address(1)).await), (1, 0));
    one.client_msg_id = ann.message(0, &bob).client_msg_id;
    one.recipient_list_version = 1;
    assert_eq!(mismatch(bed.send(ann.address(0), one).await), [2]);
    let mut own = ann.message(0, &ann);
    own.class = EnvelopeClass::Control;
    bed.send(ann.address(0), own.clone()).await.unwrap();
    assert_eq!(bed.depth(ann.address(1)).await, 2);
    own.client_msg_id = ann.message(0, &bob).client_msg_id;
    own.own_list_version = 1;
    assert_eq!(mismatch(bed.send(ann.address(0), own.clone()).await), [2]);
    own.to_self.clear();
    assert_eq!(send_code(bed.send(ann.address(0), own).await), ErrorCode::BadRequest);
}

#[tokio::test]
async fn suspended_devices_may_be_left_out_and_get_nothing() {
    let bed = Bed::new().await;
    let (ann, bob) = pair(&bed).await;
    bed.clock.advance(limits::ABSENT_DEVICE + DAY);
    for of in [ann.address(0), ann.address(1), bob.address(0)] {
        bed.domain.seen(of).await;
    }
    assert_eq!(bed.domain.sweep().await.unwrap().suspended, 1);
    bed.send(ann.address(0), ann.message(0, &bob)).await.expect("included");
    let mut without = ann.message(0, &bob);
    without.to_recipient.truncate(1);
    bed.send(ann.address(0), without).await.expect("left out");
    assert_eq!((bed.depth(bob.address(0)).await, bed.depth(bob.address(1)).await), (2, 0));
}

#[tokio::test]
async fn what_no_device_will_get_is_accepted_and_has_failed() {
    let bed = Bed::new().await;
    let (mut ann, bob) = (bed.register("ann").await, bed.register("bob").await);
    bed.link(&mut ann).await;
    bed.clock.advance(limits::ABSENT_DEVICE + 2 * DAY);
    for device in [0, 1] {
        bed.domain.seen(ann.address(device)).await;
    }
    bed.domain.sweep().await.unwrap();
    let message = DirectSend { to_recipient: Vec::new(), ..ann.message(0, &bob) };
    let sent = bed.send(ann.address(0), message.clone()).await.unwrap();
    assert_eq!(bed.send(ann.address(0), message).await.unwrap(), sent, "a repeat fails no second time");
    for device in [0, 1] {
        let inbox = bed.inbox(ann.address(device)).await;
        let failures: Vec<_> = inbox.iter().filter(|entry| matches!(entry.item, QueuedItem::Failure(_))).collect();
        let [failed] = failures[..] else { panic!("one failure expected, got {inbox:?}") };
        let QueuedItem::Failure(failure) = &failed.item else { unreachable!() };
        assert_eq!((failure.message_id, failure.conversation), (sent.message_id, Conversation::Peer(bob.account)));
    }
    let control = DirectSend { class: EnvelopeClass::Control, ..ann.message(0, &bob) };
    bed.send(ann.address(0), control).await.unwrap();
    assert_eq!(bed.depth(ann.address(0)).await, 1, "no tick was expected of a control envelope");
}

#[tokio::test]
async fn a_blocked_sender_notices_nothing() {
    let bed = Bed::new().await;
    let (ann, bob) = pair(&bed).await;
    let who = bed.sign_in(&bob, 0).await;
    bed.domain.set_block(&who, ann.account, true).await.unwrap();
    assert_eq!(bed.domain.blocks(&who).await.unwrap(), [ann.account]);
    let first = bed.send(ann.address(0), ann.message(0, &bob)).await.unwrap();
    assert!(first.message_id > MessageId::ZERO);
    assert_eq!((bed.depth(bob.address(0)).await, bed.depth(ann.address(1)).await), (0, 1));
    let mut old = ann.message(0, &bob);
    old.recipient_list_version = 1;
    assert_eq!(mismatch(bed.send(ann.address(0), old).await), [2], "checked as for everybody");
    bed.send(bob.address(0), bob.message(0, &ann)).await.expect("the other way is open");
    assert_eq!(bed.depth(ann.address(0)).await, 1);
    // It never fails either: nothing was stored that could expire.
    bed.clock.advance(limits::UNDELIVERED_RETENTION + DAY);
    let failed = bed.domain.sweep().await.unwrap().failed;
    assert_eq!(failed, 1, "only the one to ann");

    bed.domain.set_block(&who, ann.account, false).await.unwrap();
    assert_eq!(code(bed.domain.set_block(&who, bob.account, true).await), ErrorCode::BadRequest);
    assert_eq!(code(bed.domain.set_block(&who, Person::new("x").account, true).await), ErrorCode::UnknownAccount);
}

#[tokio::test]
async fn to_a_disabled_account_a_send_looks_like_any_other() {
    let bed = Bed::new().await;
    let (ann, bob) = pair(&bed).await;
    bed.domain.disable_account("bob", true).await.unwrap();
    bed.send(ann.address(0), ann.message(0, &bob)).await.unwrap();
    assert_eq!((bed.depth(bob.address(0)).await, bed.depth(ann.address(1)).await), (0, 1));
    assert_eq!(send_code(bed.send(bob.address(0), bob.message(0, &ann)).await), ErrorCode::AccountDisabled);
}

#[tokio::test]
async fn block_lists_are_bounded() {
    let bed = Bed::with(DomainConfig { blocks_max: 1, ..open() }).await;
    let (ann, bob) = pair(&bed).await;
    let carl = bed.register("carl").await;
    let who = bed.sign_in(&ann, 0).await;
    bed.domain.set_block(&who, bob.account, true).await.unwrap();
    assert_eq!(code(bed.domain.set_block(&who, carl.account, true).await), ErrorCode::BadRequest);
    assert_eq!(bed.domain.blocks(&who).await.unwrap(), [bob.account]);
}

#[tokio::test]
async fn sends_racing_with_a_link_fit_the_list_they_commit_under() {
    let bed = Bed::new().await;
    let (ann, mut bob) = pair(&bed).await;
    let sends: Vec<_> = (0..50).map(|_| ann.message(0, &bob)).collect();
    let (domain, from) = (bed.domain.clone(), ann.address(0));
    let sending = tokio::spawn(async move {
        let mut accepted = 0;
        for send in sends {
            match domain.send_direct(from, send).await {
                Ok(_) => accepted += 1,
                Err(SendRefused::DeviceMismatch(lists)) => assert_eq!(lists[0].version, 3),
                Err(other) => panic!("{other:?}"),
            }
            tokio::task::yield_now().await;
        }
        accepted
    });
    bed.link(&mut bob).await;
    let accepted = sending.await.unwrap();
    assert_eq!(bed.depth(bob.address(0)).await, accepted);
    assert_eq!(bed.depth(bob.address(2)).await, 0);
    assert_eq!(
        mismatch(bed.send(ann.address(0), DirectSend { recipient_list_version: 2, ..ann.message(0, &bob) }).await),
        [3]
    );
}
