use crate::bed::*;
use sotto_domain::*;
use sotto_types::{AccountId, Conversation, DeviceAddress, EntryId, ErrorCode, MessageId};

pub async fn receipts(bed: &Bed, of: DeviceAddress) -> Vec<StoredReceipt> {
    let receipt = |queued: Queued| if let QueuedItem::Receipt(receipt) = queued.item { Some(receipt) } else { None };
    bed.inbox(of).await.into_iter().filter_map(receipt).collect()
}

fn acked(entry: &Queued, with_header: bool) -> AckedEntry {
    AckedEntry { entry_id: entry.entry_id, header: EntryHeader::of(entry).filter(|_| with_header) }
}

pub async fn ack_all(bed: &Bed, of: DeviceAddress, with_header: bool) {
    let entries = bed.inbox(of).await.iter().map(|entry| acked(entry, with_header)).collect();
    bed.domain.ack(of, entries, Vec::new()).await.unwrap();
}

pub fn delivered(receipts: &[StoredReceipt]) -> Vec<(AccountId, MessageId)> {
    receipts.iter().flat_map(|r| r.delivered.iter().map(|step| (r.member, step.up_to))).collect()
}

pub fn read(receipts: &[StoredReceipt]) -> Vec<(AccountId, MessageId)> {
    receipts.iter().flat_map(|r| r.read.iter().map(|step| (r.member, step.up_to))).collect()
}

async fn pair(bed: &Bed) -> (Person, Person) {
    let (mut ann, mut bob) = (bed.register("ann").await, bed.register("bob").await);
    bed.link(&mut ann).await;
    bed.link(&mut bob).await;
    (ann, bob)
}

#[tokio::test]
async fn the_first_device_to_ack_ticks_on_all_devices_of_the_sender() {
    for with_header in [true, false] {
        let bed = Bed::new().await;
        let (ann, bob) = pair(&bed).await;
        bed.send(ann.address(0), ann.message(0, &bob)).await.unwrap();
        let second = bed.send(ann.address(0), ann.message(0, &bob)).await.unwrap();
        ack_all(&bed, bob.address(1), with_header).await;
        assert_eq!(bed.depth(bob.address(1)).await, 0);
        let tick = vec![(bob.account, second.message_id)];
        for of in [ann.address(0), ann.address(1)] {
            let told = receipts(&bed, of).await;
            assert_eq!(delivered(&told), tick);
            assert_eq!(told[0].conversation, Conversation::Peer(bob.account));
        }
        // The other device acks later: nothing moves any more.
        ack_all(&bed, ann.address(0), with_header).await;
        ack_all(&bed, bob.address(0), with_header).await;
        assert_eq!(bed.depth(ann.address(0)).await, 0);
    }
}

#[tokio::test]
async fn undecryptable_control_and_own_copies_do_not_tick() {
    let bed = Bed::new().await;
    let (ann, bob) = pair(&bed).await;
    bed.send(ann.address(0), ann.message(0, &bob)).await.unwrap();
    let control = DirectSend { class: EnvelopeClass::Control, ..ann.message(0, &bob) };
    bed.send(ann.address(0), control).await.unwrap();
    let inbox = bed.inbox(bob.address(0)).await;
    let undecryptable = vec![acked(&inbox[0], true)];
    bed.domain.ack(bob.address(0), vec![acked(&inbox[1], true)], undecryptable).await.unwrap();
    assert_eq!(bed.depth(bob.address(0)).await, 0);
    ack_all(&bed, ann.address(1), true).await;
    assert_eq!(bed.depth(ann.address(0)).await, 0, "no receipt");

    // The repair ticks, and covers the message it repeats.
    let mut resend = DirectSend { class: EnvelopeClass::Resend, ..ann.message(0, &bob) };
    resend.to_recipient.truncate(1);
    resend.to_self.clear();
    let resent = bed.send(ann.address(0), resend).await.unwrap();
    ack_all(&bed, bob.address(0), true).await;
    assert_eq!(delivered(&receipts(&bed, ann.address(0)).await), [(bob.account, resent.message_id)]);
}

#[tokio::test]
async fn acks_of_nothing_do_nothing() {
    let bed = Bed::new().await;
    let (ann, bob) = pair(&bed).await;
    let sent = bed.send(ann.address(0), ann.message(0, &bob)).await.unwrap();
    let invented =
        [sent.message_id.get() + 1, 0, u64::MAX].map(|id| AckedEntry { entry_id: EntryId::new(id), header: None });
    bed.domain.ack(bob.address(0), invented.to_vec(), invented.to_vec()).await.unwrap();
    assert_eq!((bed.depth(bob.address(0)).await, bed.depth(ann.address(0)).await), (1, 0));
    let many = vec![invented[0]; 8193];
    assert_eq!(code(bed.domain.ack(bob.address(0), many, Vec::new()).await), ErrorCode::BadRequest);
    // Another device's entries are not this one's to ack.
    let entries = bed.inbox(bob.address(0)).await.iter().map(|entry| acked(entry, false)).collect();
    bed.domain.ack(ann.address(0), entries, Vec::new()).await.unwrap();
    assert_eq!((bed.depth(bob.address(0)).await, bed.depth(ann.address(0)).await), (1, 0));
}

#[tokio::test]
async fn acks_from_nowhere_are_limited() {
    let bed = Bed::new().await;
    let ann = bed.register("ann").await;
    let strays = |n: u64| (0..n).map(|id| AckedEntry { entry_id: EntryId::new(id + 1), header: None }).collect();
    for _ in 0..2 {
        bed.domain.ack(ann.address(0), strays(8_000), Vec::new()).await.unwrap();
    }
    assert_eq!(code(bed.domain.ack(ann.address(0), strays(8_000), Vec::new()).await), ErrorCode::RateLimited);
    assert_eq!(code(bed.domain.ack(ann.address(0), Vec::new(), strays(8_000)).await), ErrorCode::RateLimited);
}

#[tokio::test]
async fn reads_of_ids_from_before_the_clock_was_set_back_count() {
    let bed = Bed::new().await;
    let (ann, bob) = (bed.register("ann").await, bed.register("bob").await);
    bed.clock.advance(2 * DAY);
    let sent = bed.send(ann.address(0), ann.message(0, &bob)).await.unwrap();
    bed.clock.set(START);
    bed.domain.read(bob.address(0), Conversation::Peer(ann.account), sent.message_id).await.unwrap();
    let beyond = MessageId::new(sent.message_id.get() + 100);
    let refused = bed.domain.read(bob.address(0), Conversation::Peer(ann.account), beyond).await;
    assert_eq!(code(refused), ErrorCode::BadRequest);
}

#[tokio::test]
async fn reading_tells_the_author_and_the_readers_other_devices() {
    let bed = Bed::new().await;
    let (ann, bob) = pair(&bed).await;
    let sent = bed.send(ann.address(0), ann.message(0, &bob)).await.unwrap();
    ack_all(&bed, bob.address(0), true).await;
    ack_all(&bed, bob.address(1), true).await;
    bed.domain.read(bob.address(0), Conversation::Peer(ann.account), sent.message_id).await.unwrap();
    let blue = vec![(bob.account, sent.message_id)];
    for of in [ann.address(0), ann.address(1)] {
        let told = receipts(&bed, of).await;
        assert_eq!((delivered(&told), read(&told)), (blue.clone(), blue.clone()));
    }
    let sibling = receipts(&bed, bob.address(1)).await;
    assert_eq!((read(&sibling), sibling[0].conversation), (blue, Conversation::Peer(ann.account)));
    assert_eq!(bed.depth(bob.address(0)).await, 0);

    // The same again, or less, moves nothing.
    ack_all(&bed, ann.address(0), true).await;
    bed.domain.read(bob.address(0), Conversation::Peer(ann.account), sent.message_id).await.unwrap();
    assert_eq!(bed.depth(ann.address(0)).await, 0);
}

#[tokio::test]
async fn notes_to_self_are_read_among_own_devices() {
    let bed = Bed::new().await;
    let (ann, _) = pair(&bed).await;
    let note = bed.send(ann.address(0), ann.message(0, &ann)).await.unwrap();
    ack_all(&bed, ann.address(1), true).await;
    bed.domain.read(ann.address(1), Conversation::Peer(ann.account), note.message_id).await.unwrap();
    assert_eq!(read(&receipts(&bed, ann.address(0)).await), [(ann.account, note.message_id)]);
    assert_eq!(bed.depth(ann.address(1)).await, 0);
}

#[tokio::test]
async fn someone_blocked_gets_no_receipts() {
    let bed = Bed::new().await;
    let (ann, bob) = pair(&bed).await;
    let sent = bed.send(ann.address(0), ann.message(0, &bob)).await.unwrap();
    let who = bed.sign_in(&bob, 0).await;
    bed.domain.set_block(&who, ann.account, true).await.unwrap();
    ack_all(&bed, bob.address(0), true).await;
    bed.domain.read(bob.address(0), Conversation::Peer(ann.account), sent.message_id).await.unwrap();
    assert_eq!(bed.depth(ann.address(0)).await, 0);
    assert_eq!(read(&receipts(&bed, bob.address(1)).await).len(), 1, "the reader's own devices still agree");
}

#[tokio::test]
async fn impossible_reads_are_refused() {
    let limits = RateLimits { reads: Rate::new(4, 1), ..RateLimits::default() };
    let bed = Bed::with(DomainConfig { limits, ..open() }).await;
    let (ann, bob) = pair(&bed).await;
    let far = MessageId::at(bed.now().as_ms() + 61_000);
    for up_to in [MessageId::ZERO, far, MessageId::MAX] {
        let refused = bed.domain.read(bob.address(0), Conversation::Peer(ann.account), up_to).await;
        assert_eq!(code(refused), ErrorCode::BadRequest);
    }
    let group = Conversation::Group(sotto_types::GroupId::from_bytes([1; 32]));
    assert_eq!(code(bed.domain.read(bob.address(0), group, MessageId::at(1)).await), ErrorCode::UnknownGroup);
    let more = bed.domain.read(bob.address(0), Conversation::Peer(ann.account), MessageId::at(1)).await;
    assert_eq!(code(more), ErrorCode::RateLimited);
    let stranger = Conversation::Peer(Person::new("x").account);
    bed.domain.read(bob.address(1), stranger, MessageId::at(1)).await.expect("a deleted contact");
    assert_eq!((bed.depth(ann.address(0)).await, bed.depth(bob.address(0)).await), (0, 0));
}
