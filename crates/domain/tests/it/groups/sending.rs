use super::*;
use sotto_types::limits;

#[tokio::test]
async fn a_message_is_in_the_log_once_under_the_roster_it_was_made_for() {
    let bed = Bed::new().await;
    let [ann, bob] = bed.people().await;
    let circle = Circle::new(&bed, &ann, &[&bob]).await;
    let send = GroupSend { seen: MessageId::at(bed.now().as_ms() + 30_000), ..circle.message(b"hello") };
    let tries = (0..8).map(|_| {
        let (domain, send, from) = (bed.domain.clone(), send.clone(), bob.address(0));
        tokio::spawn(async move { domain.send_group(from, send).await.unwrap() })
    });
    let mut answers = Vec::new();
    for attempt in tries.collect::<Vec<_>>() {
        answers.push(attempt.await.unwrap());
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
    assert!(answers[0].message_id > send.seen);
    let waiting = bed.domain.waiting_groups(ann.address(0)).await.unwrap();
    let log = bed.domain.read_log(waiting[0], 100, usize::MAX).await.unwrap();
    let [_, entry] = &log[..] else { panic!("{log:?}") };
    assert_eq!((entry.id, entry.previous, entry.sender), (answers[0].message_id, circle.last, bob.address(0)));
    let class = EnvelopeClass::Message;
    assert_eq!(entry.item, GroupItem::Message { class, ciphertext: Bytes::from_static(b"hello") });
    assert!(bed.inbox(ann.address(0)).await.is_empty());
}

/// Every change after which a message made before must not be taken.
#[tokio::test]
async fn a_message_made_for_an_older_roster_is_stale() {
    let bed = Bed::new().await;
    let [ann, mut bob, cleo, dan] = bed.people().await;
    let mut circle = Circle::new(&bed, &ann, &[&bob, &cleo]).await;
    let expect = async |circle: &Circle, name: &str| {
        let told = stale(bed.domain.send_group(ann.address(0), circle.message(b"x")).await);
        let group = bed.store.group(circle.id).await.unwrap().unwrap();
        let now = StaleGroup { group: circle.id, roster: group.roster, revision: group.revision, head: group.head };
        assert_eq!(told, now, "{name}");
        assert!(told.roster > circle.roster, "{name}");
        told.roster
    };
    let before = circle.clone();
    circle.act(&bed, &ann, adding(&[&dan])).await;
    expect(&before, "add").await;
    let before = circle.clone();
    circle.act(&bed, &ann, removing(&dan)).await;
    expect(&before, "remove").await;
    bed.link(&mut bob).await;
    circle.roster = expect(&circle, "link").await;
    bed.unlink_second(&mut bob).await;
    circle.roster = expect(&circle, "unlink").await;
    bed.replace_identity(&mut bob).await;
    circle.roster = expect(&circle, "identity").await;
    bed.domain.delete_account_by_name("person2").await.unwrap();
    circle.roster = expect(&circle, "gone").await;
    circle.say(&bed, &ann, b"now").await;
    // What changes nobody's keys makes nothing stale.
    let before = circle.clone();
    circle.act(&bed, &ann, Change::SetRole { account: bob.account, role: Role::Admin }).await;
    before.say(&bed, &ann, b"still").await;
    let future = Circle { roster: circle.roster + 1, ..circle };
    stale(bed.domain.send_group(ann.address(0), future.message(b"x")).await);
}

#[tokio::test]
async fn a_repeat_gets_its_first_answer_also_from_who_was_removed_or_is_limited() {
    let limits = RateLimits { sends: Rate::new(2, 1), ..RateLimits::default() };
    let bed = Bed::with(DomainConfig { limits, ..open() }).await;
    let [ann, bob] = bed.people().await;
    let mut circle = Circle::new(&bed, &ann, &[&bob]).await;
    let send = circle.message(b"once");
    let from = bob.address(0);
    let first = bed.domain.send_group(from, send.clone()).await.unwrap();
    circle.act(&bed, &ann, removing(&bob)).await;
    assert_eq!(bed.domain.send_group(from, send.clone()).await.unwrap(), first, "removed");
    assert_eq!(send_code(bed.domain.send_group(from, circle.message(b"x")).await), ErrorCode::RateLimited);
    let broken = GroupSend { ciphertext: vec![0; limits::CIPHERTEXT_BYTES + 1].into(), ..send.clone() };
    assert_eq!(bed.domain.send_group(from, broken).await.unwrap(), first);
    bed.clock.advance(limits::DEDUP_RETENTION - DAY);
    assert_eq!(bed.domain.send_group(from, send).await.unwrap(), first);
    assert_eq!(send_code(bed.domain.send_group(from, circle.message(b"x")).await), ErrorCode::UnknownGroup);
}

#[tokio::test]
async fn what_no_roster_makes_right_is_refused() {
    let bed = Bed::new().await;
    let [ann, bob, eve] = bed.people().await;
    let mut circle = Circle::new(&bed, &ann, &[&bob]).await;
    let pairwise = Circle::with(&bed, &ann, &[&bob], Fanout::Pairwise).await;
    let other = Circle { id: GroupId::from_bytes([9; 32]), ..circle.clone() };
    let (log, both) = (circle.message(b"x"), pairwise.pairwise(&bob, &[&ann, &bob]));
    let mut double = both.clone();
    double.to.push(double.to[0].clone());
    let mut twice = both.clone();
    let devices = twice.to[0].devices.clone();
    twice.to[0].devices.extend(devices);
    let mut empty = both.clone();
    empty.to[0].devices[0].ciphertext = Bytes::new();
    use ErrorCode::*;
    for (name, from, send, want) in [
        ("a stranger", &eve, log.clone(), UnknownGroup),
        ("no such group", &bob, other.message(b"x"), UnknownGroup),
        ("a resend", &bob, GroupSend { class: EnvelopeClass::Resend, ..log.clone() }, BadRequest),
        ("nothing", &bob, GroupSend { ciphertext: Bytes::new(), ..log.clone() }, BadRequest),
        ("too large", &bob, GroupSend { ciphertext: vec![0; 65_537].into(), ..log.clone() }, TooLarge),
        ("for devices, to a log", &bob, GroupSend { to: both.to.clone(), ..log.clone() }, BadRequest),
        ("for all, pairwise", &bob, GroupSend { ciphertext: Bytes::from_static(b"x"), ..both.clone() }, BadRequest),
        ("an account twice", &bob, double, BadRequest),
        ("a device twice", &bob, twice, BadRequest),
        ("an empty ciphertext", &bob, empty, BadRequest),
    ] {
        assert_eq!(send_code(bed.domain.send_group(from.address(0), send).await), want, "{name}");
    }
    assert!(bed.inbox(ann.address(0)).await.is_empty());
    assert_eq!(circle.waiting(&bed, ann.address(0)).await, [circle.last]);
    let admins = GroupSettings { post: Permission::Admins, ..settings(Fanout::Log) };
    circle.act(&bed, &ann, Change::SetSettings { settings: admins }).await;
    let from = bob.address(0);
    assert_eq!(send_code(bed.domain.send_group(from, circle.message(b"x")).await), GroupPostRefused);
    let control = GroupSend { class: EnvelopeClass::Control, ..circle.message(b"keys") };
    bed.domain.send_group(from, control).await.expect("what is no message is for members");
    circle.say(&bed, &ann, b"an admin may").await;
}

#[tokio::test]
async fn who_has_another_identity_key_is_silent_until_added_again() {
    let bed = Bed::new().await;
    let [ann, mut bob] = bed.people().await;
    let mut circle = Circle::new(&bed, &ann, &[&bob]).await;
    let (first, old) = (circle.last, circle.say(&bed, &bob, b"before").await);
    bed.replace_identity(&mut bob).await;
    circle.roster = bed.facts(&circle).await.1;
    let sent = bed.domain.send_group(bob.address(0), circle.message(b"x")).await;
    assert_eq!(send_code(sent), ErrorCode::GroupPostRefused);
    let added = circle.act(&bed, &ann, adding(&[&bob])).await;
    let new = circle.say(&bed, &bob, b"after").await;
    let all = [first, old, added.message_id, new];
    assert_eq!(circle.waiting(&bed, bob.address(0)).await, all, "each once, though it begins anew");
    assert_eq!(circle.waiting(&bed, ann.address(0)).await, all);
}

fn envelopes(inbox: &[Queued]) -> Vec<&StoredEnvelope> {
    inbox
        .iter()
        .map(|queued| match &queued.item {
            QueuedItem::Envelope(envelope) => envelope,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[tokio::test]
async fn a_pairwise_message_is_for_exactly_the_devices_of_now() {
    let bed = Bed::new().await;
    let [mut ann, mut bob, mut cleo] = bed.people().await;
    bed.link(&mut ann).await;
    bed.link(&mut bob).await;
    let circle = Circle::with(&bed, &ann, &[&bob, &cleo], Fanout::Pairwise).await;
    let all = circle.pairwise(&ann, &[&ann, &bob, &cleo]);
    let from = ann.address(0);
    type Spoil = fn(&mut GroupSend);
    let table: &[(&str, Spoil)] = &[
        ("a device is missing", |send| drop(send.to[1].devices.pop())),
        ("a member is missing", |send| drop(send.to.remove(2))),
        ("an own device is missing", |send| send.to[0].devices.clear()),
        ("a device too many", |send| {
            let mut extra = send.to[2].devices[0].clone();
            extra.device = dev(9);
            send.to[2].devices.push(extra);
        }),
        ("a device made anew", |send| send.to[2].devices[0].registration_id ^= 1),
        ("a stranger", |send| {
            let stranger = Person::new("x");
            send.to.push(keys_for(&stranger));
        }),
    ];
    for (name, spoil) in table {
        let mut send = all.clone();
        spoil(&mut send);
        let told = stale(bed.domain.send_group(from, send).await);
        assert_eq!((told.group, told.roster), (circle.id, circle.roster), "{name}");
    }
    let committed = bed.domain.send_group(from, all.clone()).await.unwrap();
    assert_eq!(bed.domain.send_group(from, all).await.unwrap(), committed);
    for of in [ann.address(1), bob.address(0), bob.address(1), cleo.address(0)] {
        let inbox = bed.inbox(of).await;
        let found = envelopes(&inbox);
        let [envelope] = &found[..] else { panic!("{of}: {found:?}") };
        assert_eq!((envelope.group, envelope.message_id), (Some(circle.id), committed.message_id));
        assert_eq!((envelope.sender, envelope.class), (from, EnvelopeClass::Message));
        assert_eq!(envelope.ciphertext, format!("to {}", of.device).as_bytes());
    }
    assert_eq!(bed.depth(from).await, 0);
    assert_eq!(circle.waiting(&bed, bob.address(0)).await, [circle.last], "the log has only operations");

    // Nobody can encrypt for a member under a key that is not the group's: it is left out, named or not.
    bed.replace_identity(&mut cleo).await;
    let now = Circle { roster: bed.facts(&circle).await.1, ..circle.clone() };
    let depth = bed.depth(cleo.address(0)).await;
    bed.domain.send_group(from, now.pairwise(&ann, &[&ann, &bob])).await.unwrap();
    bed.domain.send_group(from, now.pairwise(&ann, &[&ann, &bob, &cleo])).await.unwrap();
    assert_eq!(bed.depth(cleo.address(0)).await, depth);
}

#[tokio::test]
async fn who_was_removed_from_a_pairwise_group_neither_sends_nor_gets() {
    let bed = Bed::new().await;
    let [ann, bob, cleo] = bed.people().await;
    let mut circle = Circle::with(&bed, &ann, &[&bob, &cleo], Fanout::Pairwise).await;
    let old = circle.pairwise(&ann, &[&ann, &bob, &cleo]);
    circle.act(&bed, &ann, removing(&cleo)).await;
    let by_cleo = circle.pairwise(&cleo, &[&ann, &bob, &cleo]);
    assert_eq!(send_code(bed.domain.send_group(cleo.address(0), by_cleo).await), ErrorCode::UnknownGroup);
    stale(bed.domain.send_group(ann.address(0), old.clone()).await);
    let renamed = GroupSend { roster: circle.roster, ..old };
    stale(bed.domain.send_group(ann.address(0), renamed).await);
    assert_eq!(bed.depth(cleo.address(0)).await, 0);
    bed.domain.send_group(ann.address(0), circle.pairwise(&ann, &[&ann, &bob])).await.unwrap();
}

#[tokio::test]
async fn a_pairwise_message_moves_the_groups_watermark_and_not_the_direct_one() {
    let bed = Bed::new().await;
    let [ann, bob] = bed.people().await;
    let circle = Circle::with(&bed, &ann, &[&bob], Fanout::Pairwise).await;
    let sent = bed.domain.send_group(ann.address(0), circle.pairwise(&ann, &[&ann, &bob])).await.unwrap();
    let inbox = bed.inbox(bob.address(0)).await;
    // Once as the connection remembers it, once as it is looked up.
    for header in [EntryHeader::of(&inbox[0]), None] {
        let acked = AckedEntry { entry_id: sent.message_id.into(), header };
        bed.domain.ack(bob.address(0), vec![acked], Vec::new()).await.unwrap();
    }
    bed.domain.write_cursors().await.unwrap();
    assert_eq!(bed.depth(bob.address(0)).await, 0);
    assert_eq!(bed.inbox(ann.address(0)).await, [], "no receipt of a direct conversation");
    let marks = bed.domain.group_marks(&seen(&ann), circle.id).await.unwrap();
    let [mark] = &marks[..] else { panic!("{marks:?}") };
    assert_eq!((mark.member, mark.delivered.unwrap().up_to), (bob.account, sent.message_id));
}

#[tokio::test]
async fn a_pairwise_message_that_nobody_fetched_expires_without_a_word() {
    let bed = Bed::new().await;
    let [ann, bob] = bed.people().await;
    let circle = Circle::with(&bed, &ann, &[&bob], Fanout::Pairwise).await;
    bed.domain.send_group(ann.address(0), circle.pairwise(&ann, &[&ann, &bob])).await.unwrap();
    bed.clock.advance(limits::UNDELIVERED_RETENTION + DAY);
    bed.domain.seen(ann.address(0)).await;
    bed.domain.seen(bob.address(0)).await;
    let report = bed.domain.sweep().await.unwrap();
    assert_eq!(report.failed, 0);
    assert_eq!((bed.depth(bob.address(0)).await, bed.depth(ann.address(0)).await), (0, 0));
}

#[tokio::test]
async fn keys_go_to_devices_of_members_in_one_step() {
    let bed = Bed::new().await;
    let [mut ann, mut bob, eve] = bed.people().await;
    bed.link(&mut ann).await;
    bed.link(&mut bob).await;
    let mut circle = Circle::new(&bed, &ann, &[&bob]).await;
    let from = ann.address(0);
    let mut good = circle.keys(&[&bob, &ann]);
    good.to[1].devices.remove(0);
    let changed = |change: &dyn Fn(&mut KeysSend)| {
        let mut send = KeysSend { client_msg_id: message_id(), ..good.clone() };
        change(&mut send);
        send
    };
    use ErrorCode::*;
    let many = vec![keys_for(&bob); limits::KEYS_ACCOUNTS + 1];
    for (name, by, send, want) in [
        ("to a stranger", &ann, circle.keys(&[&bob, &eve]), UnknownRecipient),
        ("by a stranger", &eve, circle.keys(&[&bob]), UnknownGroup),
        ("to the own device", &ann, circle.keys(&[&ann]), BadRequest),
        ("to nobody", &ann, changed(&|send| send.to.clear()), BadRequest),
        ("to too many", &ann, changed(&|send| send.to = many.clone()), BadRequest),
        ("to one twice", &ann, changed(&|send| send.to.push(keys_for(&bob))), BadRequest),
        ("empty", &ann, changed(&|send| send.to[0].devices[0].ciphertext = Bytes::new()), BadRequest),
        ("too large", &ann, changed(&|send| send.to[0].devices[0].ciphertext = vec![0; 65_537].into()), TooLarge),
    ] {
        assert_eq!(send_code(bed.domain.send_keys(by.address(0), send).await), want, "{name}");
    }
    let old = changed(&|send| send.to[0].list_version = 1);
    assert_eq!(mismatch(bed.domain.send_keys(from, old).await), [2]);
    let unknown = changed(&|send| send.to[0].devices[0].device = dev(9));
    assert_eq!(mismatch(bed.domain.send_keys(from, unknown).await), [2]);
    let both = changed(&|send| send.to.iter_mut().for_each(|to| to.list_version = 7));
    assert_eq!(mismatch(bed.domain.send_keys(from, both).await), [2, 2]);
    for of in [bob.address(0), bob.address(1), ann.address(1)] {
        assert_eq!(bed.depth(of).await, 0);
    }

    let first = bed.domain.send_keys(from, good.clone()).await.unwrap();
    circle.act(&bed, &ann, removing(&bob)).await;
    assert_eq!(bed.domain.send_keys(from, good.clone()).await.unwrap(), first, "a repeat, whatever changed");
    for of in [bob.address(0), bob.address(1), ann.address(1)] {
        let inbox = bed.inbox(of).await;
        let found = envelopes(&inbox);
        let [envelope] = &found[..] else { panic!("{of}: {found:?}") };
        assert_eq!((envelope.class, envelope.group), (EnvelopeClass::Control, Some(circle.id)));
    }
    let some = changed(&|send| send.to.truncate(1));
    assert_eq!(send_code(bed.domain.send_keys(from, some).await), UnknownRecipient, "removed meanwhile");
}
