//! Group logs on their way to devices.

use super::*;
use async_trait::async_trait;
use parking_lot::Mutex;
use sotto_crypto::group::{
    Change, Fanout, GroupSettings, GroupState, MemberKey, Permission, details_hash, sign_operation,
};
use sotto_domain::{Audience, GroupSend, KeysSend, PostOperation, Privacy, SignedIn};
use sotto_ports::{
    CommitRefused, Committed, EnvelopeClass, Group, GroupCommit, GroupFacts, GroupMark, GroupSettle, LoggedEntry,
    Membership, OperationCommit, OperationCommitted, OperationRefused, StoreError, StoredOperation,
};
use sotto_types::{ClientMsgId, ErrorCode, GroupId, MessageId};
use tokio_util::sync::{CancellationToken, DropGuard};

const DETAILS: &[u8] = b"encrypted title";

/// A group as its members know it.
pub(super) struct Circle {
    id: GroupId,
    state: GroupState,
    roster: u64,
    /// Ids of its log.
    log: Vec<u64>,
}

fn seen(person: &Person) -> SignedIn {
    SignedIn { address: person.device(0), expires: SystemClock.now() }
}

impl World {
    fn dispatching(&self) -> DropGuard {
        let stop = CancellationToken::new();
        tokio::spawn(self.gateway.clone().dispatch(stop.clone()));
        stop.drop_guard()
    }

    pub(super) async fn circle(&self, owner: &Person, members: &[&Person]) -> Circle {
        let permission = Permission::Members;
        let settings =
            GroupSettings { post: permission, add: permission, change_details: permission, fanout: Fanout::Log };
        let key = |member: &&Person| MemberKey { account: member.account, identity_key: member.identity.public() };
        let members = members.iter().map(key).collect();
        let change = Change::Create { members, settings, details_hash: details_hash(DETAILS) };
        let (state, answer) = self.operate(None, owner, &change).await;
        Circle { id: answer.group, state, roster: answer.roster, log: vec![answer.message_id.get()] }
    }

    async fn operate(
        &self,
        state: Option<&GroupState>,
        actor: &Person,
        change: &Change,
    ) -> (GroupState, sotto_domain::OperationAnswer) {
        let now = SystemClock.now();
        let made = sign_operation(&actor.identity, actor.device(0), state, change, now, &mut rand::rng()).unwrap();
        let details = state.is_none().then(|| Bytes::from_static(DETAILS));
        let post = PostOperation { payload: made.signed.payload, signature: made.signed.signature, details };
        (made.state, self.domain.post_operation(&seen(actor), None, post).await.unwrap())
    }

    /// Not over a socket: nothing else runs meanwhile.
    async fn say(&self, circle: &mut Circle, from: &Person, text: &[u8]) -> u64 {
        let send = GroupSend {
            client_msg_id: ClientMsgId::try_from(&rand::random::<[u8; 16]>()[..]).unwrap(),
            group: circle.id,
            class: EnvelopeClass::Message,
            seen: MessageId::ZERO,
            roster: circle.roster,
            ciphertext: Bytes::copy_from_slice(text),
            to: Vec::new(),
        };
        let id = self.domain.send_group(from.device(0), send).await.unwrap().message_id.get();
        circle.log.push(id);
        id
    }

    async fn say_many(&self, circle: &mut Circle, from: &Person, count: usize, size: usize) {
        for _ in 0..count {
            self.say(circle, from, &vec![7; size]).await;
        }
    }
}

impl Circle {
    pub(super) fn bytes(&self) -> Bytes {
        Bytes::copy_from_slice(self.id.as_bytes())
    }

    fn message(&self, number: u64, text: &'static [u8]) -> pb::SendGroup {
        pb::SendGroup {
            client_msg_id: message_id(number),
            group_id: self.bytes(),
            class: pb::EnvelopeClass::Message.into(),
            seen: 0,
            roster: self.roster,
            ciphertext: Bytes::from_static(text),
            to: Vec::new(),
        }
    }

    fn ack(&self, up_to: u64) -> Client {
        let cursor = pb::GroupCursor { group_id: self.bytes(), up_to, delivered: 0 };
        Client::GroupAck(pb::GroupAck { groups: vec![cursor] })
    }

    fn newest(&self) -> u64 {
        *self.log.last().unwrap()
    }
}

impl Peer {
    /// The next entry of a group; it chains to the one before.
    async fn entry(&mut self) -> pb::GroupEntry {
        loop {
            match self.next().await {
                Seen::Frame(_, Server::GroupEntry(entry)) => return entry,
                Seen::Frame(_, Server::QueueDrained(_) | Server::Accepted(_) | Server::GroupMarks(_)) => {}
                other => panic!("instead of an entry: {other:?}"),
            }
        }
    }

    /// The ids of the next entries, acknowledged one by one.
    async fn take(&mut self, circle: &Circle, count: usize) -> Vec<u64> {
        let mut ids = Vec::new();
        for _ in 0..count {
            let entry = self.entry().await;
            assert_eq!(entry.group_id, circle.bytes());
            self.send(0, circle.ack(entry.message_id)).await;
            ids.push(entry.message_id);
        }
        ids
    }

    async fn marks(&mut self) -> pb::GroupMarks {
        loop {
            match self.next().await {
                Seen::Frame(_, Server::GroupMarks(marks)) => return marks,
                Seen::Frame(_, Server::GroupEntry(_) | Server::QueueDrained(_) | Server::Accepted(_)) => {}
                other => panic!("instead of marks: {other:?}"),
            }
        }
    }

    /// Nothing comes before the answer to a heartbeat.
    async fn quiet(&mut self) {
        self.send(77, Client::Heartbeat(pb::Heartbeat { foreground: true })).await;
        let next = self.next().await;
        assert!(matches!(next, Seen::Frame(77, Server::HeartbeatAck(_))), "{next:?}");
    }
}

fn text_of(entry: &pb::GroupEntry) -> &[u8] {
    match &entry.item {
        Some(pb::group_entry::Item::Envelope(envelope)) => &envelope.ciphertext,
        other => panic!("no message: {other:?}"),
    }
}

#[tokio::test]
async fn a_message_reaches_everybody_online_and_its_own_device_without_the_content() {
    let world = World::new().await;
    let _stop = world.dispatching();
    let (ann, bob) = (world.person(2).await, world.person(2).await);
    let circle = world.circle(&ann, &[&bob]).await;
    let mut all = Vec::new();
    for (person, device) in [(&ann, 0), (&ann, 1), (&bob, 0), (&bob, 1)] {
        let mut peer = world.connect(person, device).await;
        assert_eq!(peer.take(&circle, 1).await, circle.log);
        peer.drained().await;
        all.push(peer);
    }
    all[0].send(5, Client::SendGroup(circle.message(1, b"hello"))).await;
    let answer = all[0].next().await;
    let Seen::Frame(5, Server::Accepted(accepted)) = answer else { panic!("{answer:?}") };
    for (index, peer) in all.iter_mut().enumerate() {
        let entry = peer.entry().await;
        assert_eq!((entry.message_id, entry.previous), (accepted.message_id, circle.newest()));
        assert_eq!((&entry.sender_account[..], entry.sender_device), (&ann.account.as_bytes()[..], 1));
        assert_eq!(text_of(&entry), if index == 0 { &b""[..] } else { b"hello" }, "{index}");
    }
    let stale = pb::SendGroup { roster: circle.roster + 1, ..circle.message(2, b"x") };
    all[2].send(6, Client::SendGroup(stale)).await;
    let answer = all[2].next().await;
    let Seen::Frame(6, Server::StaleGroup(stale)) = answer else { panic!("{answer:?}") };
    assert_eq!((stale.client_msg_id, stale.group_id), (message_id(2), circle.bytes()));
    assert_eq!((stale.roster, stale.revision, &stale.head[..]), (circle.roster, 0, &circle.state.head()[..]));
}

#[tokio::test]
async fn what_waited_comes_in_order_after_the_inbox_and_then_it_is_drained() {
    let world = World::new().await;
    let _stop = world.dispatching();
    let (ann, bob) = (world.person(1).await, world.person(1).await);
    let (mut first, mut second) = (world.circle(&ann, &[&bob]).await, world.circle(&ann, &[&bob]).await);
    world.say_many(&mut first, &ann, 300, 100).await;
    world.say_many(&mut second, &ann, 3, 20_000).await;
    let mut sender = world.connect(&ann, 0).await;
    sender.send(1, Client::SendDirect(message(&ann, &bob, 1, b"keys"))).await;
    while !matches!(sender.next().await, Seen::Frame(1, Server::Accepted(_))) {}
    drop(sender);

    let mut peer = world.connect(&bob, 0).await;
    let direct = peer.next().await;
    assert!(matches!(direct, Seen::Frame(0, Server::Deliver(_))), "{direct:?}");
    let mut got: [Vec<u64>; 2] = Default::default();
    loop {
        match peer.next().await {
            Seen::Frame(0, Server::GroupEntry(entry)) => {
                let (index, circle) = if entry.group_id == first.bytes() { (0, &first) } else { (1, &second) };
                assert_eq!(entry.previous, got[index].last().copied().unwrap_or_default());
                got[index].push(entry.message_id);
                peer.send(0, circle.ack(entry.message_id)).await;
            }
            Seen::Frame(0, Server::QueueDrained(_)) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(got, [first.log.clone(), second.log.clone()]);
    peer.heartbeat().await;
    drop(peer);
    world.until_connections(0).await;
    let mut peer = world.connect(&bob, 0).await;
    let again = peer.next().await;
    assert!(matches!(again, Seen::Frame(0, Server::Deliver(_))), "only the direct one was not acked: {again:?}");
    peer.drained().await;
}

#[tokio::test]
async fn a_full_window_pauses_and_acks_go_on_without_a_gap() {
    let world = World::with(|config| config.window_entries = 8).await;
    let _stop = world.dispatching();
    let (ann, bob) = (world.person(1).await, world.person(1).await);
    let mut circle = world.circle(&ann, &[&bob]).await;
    let mut peer = world.connect(&bob, 0).await;
    let mut got = peer.take(&circle, 1).await;
    peer.drained().await;
    // More at once than a mailbox holds, again and again while the logs are read.
    for _ in 0..10 {
        world.say_many(&mut circle, &ann, 20, 100).await;
        while got.len() < circle.log.len() - 10 {
            let batch = 8.min(circle.log.len() - got.len());
            let mut last = 0;
            for _ in 0..batch {
                last = peer.entry().await.message_id;
                got.push(last);
            }
            if batch == 8 {
                peer.quiet().await;
            }
            peer.send(0, circle.ack(last)).await;
        }
    }
    while got.len() < circle.log.len() {
        got.extend(peer.take(&circle, 1).await);
    }
    assert_eq!(got, circle.log);
    peer.quiet().await;
}

#[tokio::test]
async fn the_window_of_groups_counts_bytes() {
    let world = World::with(|config| config.window_bytes = 64 * 1024).await;
    let (ann, bob) = (world.person(1).await, world.person(1).await);
    let mut circle = world.circle(&ann, &[&bob]).await;
    world.say_many(&mut circle, &ann, 12, 30_000).await;
    let mut peer = world.connect(&bob, 0).await;
    let mut got = Vec::new();
    while got.len() < 4 {
        got.push(peer.entry().await.message_id);
    }
    peer.quiet().await;
    while got.len() < circle.log.len() {
        peer.send(0, circle.ack(*got.last().unwrap())).await;
        got.push(peer.entry().await.message_id);
    }
    assert_eq!(got, circle.log);
}

#[tokio::test]
async fn a_slow_reader_of_groups_costs_a_cursor() {
    let world = World::new().await;
    let _stop = world.dispatching();
    let (ann, bob) = (world.person(1).await, world.person(1).await);
    let mut circle = world.circle(&ann, &[&bob]).await;
    let mut slow = world.connect_through(&bob, 0, 700).await;
    for _ in 0..100 {
        world.say_many(&mut circle, &ann, 10, 1_000).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(world.gateway.waiting_in_mailboxes(), 0, "entries wait in the log, not in memory");
    let mut got = Vec::new();
    while got.len() < circle.log.len() {
        for _ in 0..50.min(circle.log.len() - got.len()) {
            got.push(slow.entry().await.message_id);
        }
        slow.send(0, circle.ack(*got.last().unwrap())).await;
    }
    assert_eq!(got, circle.log);
    slow.heartbeat().await;
}

/// Dispatch gives the thread away in between; whoever is handed an entry before that or after it gets the same.
#[tokio::test]
async fn a_group_larger_than_one_stretch_of_dispatch_gets_everything_once_and_in_order() {
    let world = World::new().await;
    let _stop = world.dispatching();
    let mut people = Vec::new();
    for _ in 0..150 {
        people.push(world.person(1).await);
    }
    let [ann, others @ ..] = &people[..] else { unreachable!("150 people") };
    let mut circle = world.circle(ann, &others.iter().collect::<Vec<_>>()).await;
    // The first, both sides of where the thread changes hands, the last; one reads slowly, one goes and comes back.
    let mut peers = Vec::new();
    for at in [1, 126, 127, 128, 129, 149] {
        let mut peer = world.connect(&people[at], 0).await;
        peer.take(&circle, 1).await;
        peer.drained().await;
        peers.push(peer);
    }
    let mut slow = world.connect_through(&people[100], 0, 700).await;
    let mut leaving = world.connect(&people[50], 0).await;
    let left_at = 5;
    leaving.take(&circle, 1).await;
    for _ in 0..4 {
        // More than a turn has.
        world.say_many(&mut circle, ann, 20, 300).await;
        tokio::task::yield_now().await;
    }
    // The first was acknowledged, these are not.
    let mut seen_before = Vec::new();
    for _ in 1..left_at {
        seen_before.push(leaving.entry().await.message_id);
    }
    assert_eq!(seen_before, circle.log[1..left_at]);
    drop(leaving);
    world.say_many(&mut circle, ann, 20, 300).await;
    for mut peer in peers {
        assert_eq!(peer.take(&circle, circle.log.len() - 1).await, circle.log[1..]);
        peer.quiet().await;
    }
    assert_eq!(slow.take(&circle, circle.log.len()).await, circle.log);
    slow.heartbeat().await;
    let mut again = world.connect(&people[50], 0).await;
    assert_eq!(again.take(&circle, circle.log.len() - 1).await, circle.log[1..]);
    again.drained().await;
    again.quiet().await;
}

#[tokio::test]
async fn a_busy_group_does_not_hold_up_a_quiet_one() {
    let world = World::new().await;
    let _stop = world.dispatching();
    let (ann, bob) = (world.person(1).await, world.person(1).await);
    let (mut busy, mut quiet) = (world.circle(&ann, &[&bob]).await, world.circle(&ann, &[&bob]).await);
    let mut peer = world.connect(&bob, 0).await;
    for _ in 0..2 {
        peer.entry().await;
    }
    peer.drained().await;
    world.say_many(&mut busy, &ann, 100, 100).await;
    world.say(&mut quiet, &ann, b"quiet").await;
    let mut place = 0;
    while peer.entry().await.group_id == busy.bytes() {
        place += 1;
    }
    assert!(place < 50, "{place}");
}

#[tokio::test]
async fn what_dispatch_brings_late_is_not_pushed_again() {
    let world = World::new().await;
    let (ann, bob) = (world.person(1).await, world.person(1).await);
    let mut circle = world.circle(&ann, &[&bob]).await;
    world.say_many(&mut circle, &ann, 20, 100).await;
    let mut peer = world.connect(&bob, 0).await;
    assert_eq!(peer.take(&circle, 21).await, circle.log);
    peer.drained().await;
    // All 21 wait in dispatch still.
    let _stop = world.dispatching();
    let next = world.say(&mut circle, &ann, b"next").await;
    assert_eq!(peer.entry().await.message_id, next);
}

#[tokio::test]
async fn who_is_removed_gets_the_operation_that_did_it_and_nothing_later() {
    let world = World::new().await;
    let _stop = world.dispatching();
    let (ann, bob) = (world.person(1).await, world.person(1).await);
    let mut circle = world.circle(&ann, &[&bob]).await;
    let mut peer = world.connect(&bob, 0).await;
    peer.take(&circle, 1).await;
    peer.drained().await;
    let before = world.say(&mut circle, &ann, b"before").await;
    let remove = Change::Remove { accounts: vec![bob.account] };
    let (_, removed) = world.operate(Some(&circle.state), &ann, &remove).await;
    circle.roster = removed.roster;
    world.say(&mut circle, &ann, b"after").await;
    assert_eq!(peer.take(&circle, 2).await, [before, removed.message_id.get()]);
    peer.quiet().await;
    // Not a member: to it there is no such group.
    peer.send(3, Client::SendGroup(circle.message(1, b"x"))).await;
    let answer = peer.next().await;
    let Seen::Frame(3, Server::Error(error)) = answer else { panic!("{answer:?}") };
    assert_eq!(error.code, ErrorCode::UnknownGroup.number());
}

#[tokio::test]
async fn an_ack_goes_no_further_than_the_log() {
    let world = World::new().await;
    let _stop = world.dispatching();
    let (ann, bob) = (world.person(1).await, world.person(1).await);
    let mut circle = world.circle(&ann, &[&bob]).await;
    let mut peer = world.connect(&bob, 0).await;
    peer.entry().await;
    peer.send(0, circle.ack(u64::MAX)).await;
    peer.heartbeat().await;
    world.domain.write_cursors().await.unwrap();
    let marks = world.domain.group_marks(&seen(&ann), circle.id).await.unwrap();
    assert_eq!(marks[0].delivered.unwrap().up_to.get(), circle.newest());
    drop(peer);
    world.until_connections(0).await;
    let next = world.say(&mut circle, &ann, b"next").await;
    let mut peer = world.connect(&bob, 0).await;
    assert_eq!(peer.take(&circle, 1).await, [next]);
}

#[tokio::test]
async fn authors_are_told_of_watermarks_now_and_then() {
    let world = World::new().await;
    let _stop = world.dispatching();
    let (ann, bob) = (world.person(1).await, world.person(2).await);
    let mut circle = world.circle(&ann, &[&bob]).await;
    let mut author = world.connect(&ann, 0).await;
    let mut reader = world.connect(&bob, 0).await;
    let mut sibling = world.connect(&bob, 1).await;
    for peer in [&mut author, &mut reader, &mut sibling] {
        assert_eq!(peer.take(&circle, 1).await, circle.log);
        peer.heartbeat().await;
    }
    let mut told = Vec::new();
    for _ in 0..3 {
        world.say_many(&mut circle, &ann, 5, 10).await;
        reader.take(&circle, 5).await;
        reader.heartbeat().await;
        world.domain.write_cursors().await.unwrap();
        let newest = circle.newest();
        loop {
            let marks = author.marks().await;
            told.push(tokio::time::Instant::now());
            assert_eq!(marks.group_id, circle.bytes());
            let of_bob = marks.marks.iter().find(|mark| mark.member == bob.account.as_bytes()[..]);
            if of_bob.and_then(|mark| mark.delivered.as_ref()).is_some_and(|step| step.message_id == newest) {
                break;
            }
        }
    }
    assert!(told.len() >= 3);
    let apart = told.windows(2).map(|pair| pair[1] - pair[0]).min().unwrap();
    assert!(apart >= Duration::from_millis(400), "{apart:?}");
    // What the reader receives is no news to its own devices; what it has read is.
    assert_eq!(sibling.take(&circle, 15).await.len(), 15);
    sibling.quiet().await;
    let of = Some(pb::conversation::Of::Group(circle.bytes()));
    let read = pb::Read { conversation: Some(pb::Conversation { of }), up_to: circle.newest() };
    reader.send(0, Client::Read(read)).await;
    reader.heartbeat().await;
    world.domain.write_cursors().await.unwrap();
    let marks = sibling.marks().await;
    assert_eq!(marks.marks[0].read.as_ref().map(|step| step.message_id), Some(circle.newest()));
    assert_eq!(author.marks().await.marks[0].read.as_ref().map(|step| step.message_id), Some(circle.newest()));
}

#[tokio::test]
async fn watermarks_of_who_hides_reading_show_what_was_delivered() {
    let world = World::new().await;
    let _stop = world.dispatching();
    let (ann, bob) = (world.person(1).await, world.person(2).await);
    let mut circle = world.circle(&ann, &[&bob]).await;
    let hide = Privacy { read_receipts: Audience::Nobody, ..Privacy::default() };
    world.domain.set_privacy(&seen(&bob), hide).await.unwrap();
    let [mut author, mut reader, mut sibling] =
        [world.connect(&ann, 0).await, world.connect(&bob, 0).await, world.connect(&bob, 1).await];
    for peer in [&mut author, &mut reader, &mut sibling] {
        peer.take(&circle, 1).await;
    }
    let said = world.say(&mut circle, &ann, b"hello").await;
    reader.take(&circle, 1).await;
    let of = Some(pb::conversation::Of::Group(circle.bytes()));
    let read = pb::Read { conversation: Some(pb::Conversation { of }), up_to: said };
    reader.send(0, Client::Read(read)).await;
    reader.heartbeat().await;
    world.domain.write_cursors().await.unwrap();
    let of_bob = |marks: pb::GroupMarks| {
        let mark = marks.marks.into_iter().find(|mark| mark.member == bob.account.as_bytes()[..])?;
        let up_to = |step: Option<pb::Step>| step.map(|step| step.message_id);
        Some((up_to(mark.delivered), up_to(mark.read)))
    };
    loop {
        let (delivered, read) = of_bob(sibling.marks().await).unwrap_or_default();
        if read == Some(said) {
            assert_eq!(delivered, Some(said), "the own devices know");
            break;
        }
    }
    loop {
        let Some((delivered, read)) = of_bob(author.marks().await) else { continue };
        assert_eq!(read, None);
        if delivered == Some(said) {
            break;
        }
    }
}

#[tokio::test]
async fn many_watermarks_at_once_do_not_stall_the_connection() {
    let world = World::new().await;
    let bob = world.person(1).await;
    let mut peer = world.connect(&bob, 0).await;
    peer.drained().await;
    let marks: Vec<_> = (0..2_000u64)
        .map(|n| GroupMark {
            member: AccountId::from_bytes([7; 16]),
            delivered: Some(sotto_ports::Step { up_to: MessageId::new(n), at: SystemClock.now() }),
            read: None,
        })
        .collect();
    let frame = crate::encode::group_marks(GroupId::from_bytes([1; 32]), &marks);
    assert!(frame.len() > 64 * 1024);
    // Both before the connection is polled: it looks at the mailbox first, and then has no room to read.
    world.router.each_of(bob.account, |_, handle| handle.publish_marks(&frame));
    peer.heartbeat().await;
}

#[tokio::test]
async fn malformed_frames_to_groups_get_their_errors() {
    let world = World::new().await;
    let (ann, bob) = (world.person(1).await, world.person(1).await);
    let circle = world.circle(&ann, &[&bob]).await;
    let mut peer = world.connect(&ann, 0).await;
    let send = |change: &dyn Fn(&mut pb::SendGroup)| {
        let mut send = circle.message(1, b"x");
        change(&mut send);
        Client::SendGroup(send)
    };
    let device = pb::DeviceCiphertext {
        device_id: 1,
        registration_id: 101,
        r#type: pb::CiphertextType::Ratchet.into(),
        ciphertext: Bytes::from_static(b"k"),
    };
    let to_bob = pb::AccountCiphertexts {
        account_id: Bytes::copy_from_slice(bob.account.as_bytes()),
        list_version: LIST_VERSION,
        devices: vec![device],
    };
    let keys = |change: &dyn Fn(&mut pb::SendKeys)| {
        let mut send =
            pb::SendKeys { client_msg_id: message_id(1), group_id: circle.bytes(), to: vec![to_bob.clone()] };
        change(&mut send);
        Client::SendKeys(send)
    };
    let ack = |group_id: &'static [u8], count: usize| {
        let cursor = pb::GroupCursor { group_id: Bytes::from_static(group_id), up_to: 1, delivered: 0 };
        Client::GroupAck(pb::GroupAck { groups: vec![cursor; count] })
    };
    let read = |group_id: &'static [u8]| {
        let of = Some(pb::conversation::Of::Group(Bytes::from_static(group_id)));
        Client::Read(pb::Read { conversation: Some(pb::Conversation { of }), up_to: 1 })
    };
    use ErrorCode::*;
    for (name, body, want) in [
        ("no group id", send(&|send| send.group_id = Bytes::new()), BadRequest),
        ("a long group id", send(&|send| send.group_id = Bytes::from_static(&[1; 33])), BadRequest),
        ("no message id", send(&|send| send.client_msg_id = Bytes::new()), BadRequest),
        ("no class", send(&|send| send.class = 0), BadRequest),
        ("a resend", send(&|send| send.class = pb::EnvelopeClass::Resend.into()), BadRequest),
        ("no content", send(&|send| send.ciphertext = Bytes::new()), BadRequest),
        ("too large", send(&|send| send.ciphertext = vec![0; 65_537].into()), TooLarge),
        ("another group", send(&|send| send.group_id = Bytes::from_static(&[1; 32])), UnknownGroup),
        ("keys for no account", keys(&|keys| keys.to[0].account_id = Bytes::from_static(b"x")), BadRequest),
        ("keys for no device", keys(&|keys| keys.to[0].devices[0].device_id = 0), BadRequest),
        ("sender key as key", keys(&|keys| keys.to[0].devices[0].r#type = 3), BadRequest),
        ("keys for nobody", keys(&|keys| keys.to.clear()), BadRequest),
        ("keys for 257", keys(&|keys| keys.to = vec![keys.to[0].clone(); 257]), BadRequest),
        ("an ack of no group", ack(b"x", 1), BadRequest),
        ("an ack of 1,025 groups", ack(&[1; 32], 1025), BadRequest),
        ("a read of no group", read(b"x"), BadRequest),
        ("a read of another group", read(&[1; 32]), UnknownGroup),
    ] {
        peer.send(9, body).await;
        loop {
            match peer.next().await {
                Seen::Frame(9, Server::Error(error)) => {
                    assert_eq!(error.code, want.number(), "{name}: {}", error.detail);
                    break;
                }
                Seen::Frame(0, Server::GroupEntry(_) | Server::QueueDrained(_)) => {}
                other => panic!("{name}: {other:?}"),
            }
        }
    }
    peer.send(9, keys(&|_| {})).await;
    assert_eq!(peer.accepted(1).await[0].client_msg_id, message_id(1));
    let countless = pb::AccountCiphertexts { devices: vec![pb::DeviceCiphertext::default(); 10_000], ..to_bob.clone() };
    peer.send(9, keys(&|keys| keys.to = vec![countless.clone()])).await;
    let (error, close) = peer.ending().await;
    assert_eq!((error.unwrap().code, close), (BadFrame.number(), Some(4101)));
}

type BeforeRead = Box<dyn FnOnce() -> crate::session::BoxFuture<()> + Send>;

/// Between the domain and the store: something happens just before a log is read, or groups cannot be read.
#[derive(Default)]
struct Between {
    store: Option<Arc<MemoryStore>>,
    before_read: Mutex<Option<BeforeRead>>,
    fails: Mutex<u32>,
}

impl Between {
    fn inner(&self) -> &MemoryStore {
        self.store.as_ref().unwrap()
    }
}

#[async_trait]
impl GroupStore for Between {
    async fn group(&self, id: GroupId) -> Result<Option<Arc<Group>>, StoreError> {
        {
            let mut fails = self.fails.lock();
            if *fails > 0 {
                *fails -= 1;
                return Err(StoreError::Overloaded);
            }
        }
        self.inner().group(id).await
    }
    async fn group_facts(&self, id: GroupId) -> Result<Option<GroupFacts>, StoreError> {
        self.inner().group_facts(id).await
    }
    async fn memberships(&self, of: AccountId) -> Result<Vec<Membership>, StoreError> {
        self.inner().memberships(of).await
    }
    async fn commit_operation(&self, commit: OperationCommit) -> Result<OperationCommitted, OperationRefused> {
        self.inner().commit_operation(commit).await
    }
    async fn commit_message(&self, commit: GroupCommit) -> Result<Committed, CommitRefused> {
        self.inner().commit_message(commit).await
    }
    async fn operations(&self, of: GroupId, from: u32, max_bytes: usize) -> Result<Vec<StoredOperation>, StoreError> {
        self.inner().operations(of, from, max_bytes).await
    }
    async fn read_log(
        &self,
        of: GroupId,
        after: MessageId,
        up_to: MessageId,
        max_entries: usize,
        max_bytes: usize,
    ) -> Result<Vec<LoggedEntry>, StoreError> {
        let before = self.before_read.lock().take();
        if let Some(before) = before {
            before().await;
        }
        self.inner().read_log(of, after, up_to, max_entries, max_bytes).await
    }
    async fn cursors(&self, of: DeviceAddress, groups: &[GroupId]) -> Result<Vec<Option<MessageId>>, StoreError> {
        self.inner().cursors(of, groups).await
    }
    async fn settle_groups(&self, settle: GroupSettle) -> Result<(), StoreError> {
        self.inner().settle_groups(settle).await
    }
    async fn marks(&self, of: GroupId) -> Result<Vec<GroupMark>, StoreError> {
        self.inner().marks(of).await
    }
    async fn mark(&self, of: GroupId, member: AccountId) -> Result<Option<GroupMark>, StoreError> {
        self.inner().mark(of, member).await
    }
    async fn resume_stay(&self, of: AccountId, group: GroupId) -> Result<(), StoreError> {
        self.inner().resume_stay(of, group).await
    }
    async fn trim_logs(&self, before: MessageId, budget: usize) -> Result<usize, StoreError> {
        self.inner().trim_logs(before, budget).await
    }
}

async fn world_between() -> (World, Arc<Between>) {
    let mut between = None;
    let world = World::over(
        |store| {
            let made = Arc::new(Between { store: Some(store), ..Between::default() });
            between = Some(made.clone());
            made
        },
        |_| {},
    )
    .await;
    (world, between.unwrap())
}

#[tokio::test]
async fn keys_that_come_while_a_log_is_read_go_before_what_they_open() {
    let (world, between) = world_between().await;
    let (ann, bob) = (world.person(1).await, world.person(1).await);
    let circle = world.circle(&ann, &[&bob]).await;
    let to = sotto_domain::AccountCiphertexts {
        account: bob.account,
        list_version: LIST_VERSION,
        devices: vec![sotto_domain::DirectCiphertext {
            device: DeviceId::FIRST,
            registration_id: 101,
            ciphertext_type: sotto_ports::CiphertextType::Ratchet,
            ciphertext: Bytes::from_static(b"key"),
        }],
    };
    let id = |number| ClientMsgId::try_from(&message_id(number)[..]).unwrap();
    let keys = KeysSend { client_msg_id: id(1), group: circle.id, to: vec![to] };
    let opened = GroupSend {
        client_msg_id: id(2),
        group: circle.id,
        class: EnvelopeClass::Message,
        seen: MessageId::ZERO,
        roster: circle.roster,
        ciphertext: Bytes::from_static(b"opened by it"),
        to: Vec::new(),
    };
    let (domain, from) = (world.domain.clone(), ann.device(0));
    *between.before_read.lock() = Some(Box::new(move || {
        Box::pin(async move {
            domain.send_keys(from, keys).await.unwrap();
            domain.send_group(from, opened).await.unwrap();
        })
    }));
    let mut peer = world.connect(&bob, 0).await;
    let mut order = Vec::new();
    while order.len() < 3 {
        match peer.next().await {
            Seen::Frame(0, Server::Deliver(_)) => order.push("key"),
            Seen::Frame(0, Server::GroupEntry(entry)) if entry.previous == 0 => order.push("group"),
            Seen::Frame(0, Server::GroupEntry(entry)) => {
                assert_eq!(text_of(&entry), b"opened by it");
                order.push("message");
            }
            other => panic!("{order:?} {other:?}"),
        }
    }
    assert_eq!(order, ["key", "group", "message"]);
    peer.drained().await;
}

#[tokio::test]
async fn an_entry_of_a_group_that_could_not_be_read_comes_later() {
    let (world, between) = world_between().await;
    let _stop = world.dispatching();
    let (ann, bob) = (world.person(1).await, world.person(1).await);
    let mut circle = world.circle(&ann, &[&bob]).await;
    let mut peer = world.connect(&bob, 0).await;
    peer.take(&circle, 1).await;
    peer.drained().await;
    let id = world.say(&mut circle, &ann, b"late").await;
    *between.fails.lock() = 1;
    assert_eq!(peer.entry().await.message_id, id);
}
