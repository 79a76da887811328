use super::*;

async fn send_all(world: &World, from: &Person, to: &Person, numbers: std::ops::Range<u64>, size: usize) -> Vec<u64> {
    let mut sender = world.connect(from, 0).await;
    let count = (numbers.end - numbers.start) as usize;
    let mut ids = Vec::new();
    for (index, number) in numbers.enumerate() {
        let mut text = number.to_be_bytes().to_vec();
        text.resize(size, 0);
        sender.send(1, Client::SendDirect(message(from, to, number, &text))).await;
        // Some stay in flight, as with a real client.
        if index % 16 == 15 {
            ids.extend(sender.accepted(16).await.iter().map(|accepted| accepted.message_id));
        }
    }
    let left = count - ids.len();
    ids.extend(sender.accepted(left).await.iter().map(|accepted| accepted.message_id));
    ids
}

fn number_of(ciphertext: &[u8]) -> u64 {
    u64::from_be_bytes(*ciphertext.first_chunk().unwrap())
}

#[tokio::test]
async fn a_backlog_comes_once_in_order_and_ends_with_drained() {
    let world = World::new().await;
    let (ann, bob) = (world.person(1).await, world.person(2).await);
    let ids = send_all(&world, &ann, &bob, 0..50, 100).await;
    let mut peer = world.connect(&bob, 0).await;
    let got = peer.deliveries(50).await;
    assert_eq!(got.iter().map(|(id, _)| *id).collect::<Vec<_>>(), ids);
    assert_eq!(got.iter().map(|(_, text)| number_of(text)).collect::<Vec<_>>(), (0..50).collect::<Vec<_>>());
    peer.drained().await;
    peer.ack(&ids).await;
    peer.heartbeat().await;
    assert_eq!(world.inbox(bob.device(0)).await, []);
    assert_eq!(world.inbox(bob.device(1)).await.len(), 50, "its sibling has its own queue");
}

#[tokio::test]
async fn what_was_not_acked_comes_again() {
    let world = World::new().await;
    let (ann, bob) = (world.person(1).await, world.person(1).await);
    let ids = send_all(&world, &ann, &bob, 0..10, 100).await;
    let mut peer = world.connect(&bob, 0).await;
    peer.deliveries(10).await;
    peer.ack(&[ids[3], ids[0], ids[0], 12345]).await;
    peer.heartbeat().await;
    drop(peer);
    world.until_connections(0).await;
    let mut peer = world.connect(&bob, 0).await;
    let again: Vec<u64> = peer.deliveries(8).await.into_iter().map(|(id, _)| id).collect();
    let want: Vec<u64> = ids.iter().copied().filter(|id| *id != ids[0] && *id != ids[3]).collect();
    assert_eq!(again, want);
    peer.drained().await;
}

#[tokio::test]
async fn live_messages_and_ticks() {
    let world = World::new().await;
    let (ann, bob) = (world.person(1).await, world.person(1).await);
    let mut sender = world.connect(&ann, 0).await;
    let mut receiver = world.connect(&bob, 0).await;
    sender.drained().await;
    receiver.drained().await;
    sender.send(5, Client::SendDirect(message(&ann, &bob, 1, b"live"))).await;
    let accepted = sender.accepted(1).await.remove(0);
    assert_eq!(accepted.client_msg_id, message_id(1));
    let got = receiver.deliveries(1).await;
    assert_eq!(got, [(accepted.message_id, Bytes::from_static(b"live"))]);
    receiver.ack(&[accepted.message_id]).await;
    let receipt = |seen| match seen {
        Seen::Frame(_, Server::Deliver(pb::Deliver { entry_id, item: Some(pb::deliver::Item::Receipt(receipt)) })) => {
            (entry_id, receipt)
        }
        other => panic!("not a receipt: {other:?}"),
    };
    let (entry_id, delivered) = receipt(sender.next().await);
    assert_eq!(delivered.member, bob.account.as_bytes()[..]);
    assert_eq!(delivered.delivered.last().unwrap().message_id, accepted.message_id);
    sender.ack(&[entry_id]).await;
    let conversation =
        Some(pb::Conversation { of: Some(pb::conversation::Of::Peer(Bytes::copy_from_slice(ann.account.as_bytes()))) });
    receiver.send(0, Client::Read(pb::Read { conversation, up_to: accepted.message_id })).await;
    let (_, read) = receipt(sender.next().await);
    assert_eq!(read.read.last().unwrap().message_id, accepted.message_id);
}

#[tokio::test]
async fn pipelined_sends_keep_their_order() {
    let world = World::new().await;
    let (ann, bob) = (world.person(1).await, world.person(1).await);
    let mut sender = world.connect(&ann, 0).await;
    let frames: Vec<u8> =
        (0..300).flat_map(|n: u64| encoded(1, Client::SendDirect(message(&ann, &bob, n, &n.to_be_bytes())))).collect();
    let (reader, mut writer) = tokio::io::split(sender.stream);
    let writing = tokio::spawn(async move {
        writer.write_all(&frames).await.unwrap();
        writer
    });
    sender = Peer::new(reader.unsplit(writing.await.unwrap()));
    let accepted = sender.accepted(300).await;
    assert!(accepted.windows(2).all(|pair| pair[0].message_id < pair[1].message_id));
    let stored: Vec<u64> = world
        .inbox(bob.device(0))
        .await
        .iter()
        .map(|entry| match &entry.item {
            sotto_ports::QueuedItem::Envelope(envelope) => number_of(&envelope.ciphertext),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(stored, (0..300).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_repeated_send_gets_its_first_answer() {
    let world = World::new().await;
    let (ann, bob) = (world.person(1).await, world.person(1).await);
    let mut first = world.connect(&ann, 0).await;
    first.send(1, Client::SendDirect(message(&ann, &bob, 1, b"once"))).await;
    first.send(2, Client::SendDirect(message(&ann, &bob, 1, b"once"))).await;
    let answers = first.accepted(2).await;
    assert_eq!(answers[0], answers[1]);
    let mut second = world.connect(&ann, 0).await;
    let mut stale = message(&ann, &bob, 1, b"once");
    stale.recipient_list_version = 99;
    second.send(3, Client::SendDirect(stale)).await;
    assert_eq!(second.accepted(1).await[0], answers[0]);
    assert_eq!(world.inbox(bob.device(0)).await.len(), 1);
}

#[tokio::test]
async fn a_full_window_pauses_and_acks_resume_it() {
    let world = World::with(|config| config.window_entries = 8).await;
    let (ann, bob) = (world.person(1).await, world.person(1).await);
    let mut peer = world.connect(&bob, 0).await;
    peer.drained().await;
    let ids = send_all(&world, &ann, &bob, 0..100, 100).await;
    let mut got = Vec::new();
    while got.len() < 100 {
        let batch: Vec<u64> = peer.deliveries(8.min(100 - got.len())).await.into_iter().map(|(id, _)| id).collect();
        // The window is full: a heartbeat's answer overtakes what waits.
        peer.send(77, Client::Heartbeat(pb::Heartbeat { foreground: true })).await;
        let next = peer.next().await;
        assert!(matches!(next, Seen::Frame(77, Server::HeartbeatAck(_))), "{next:?}");
        peer.ack(&batch).await;
        got.extend(batch);
    }
    assert_eq!(got, ids);
    peer.heartbeat().await;
    assert_eq!(world.inbox(bob.device(0)).await, []);
}

#[tokio::test]
async fn a_live_entry_never_overtakes_those_left_in_the_store() {
    let world = World::with(|config| config.window_entries = 8).await;
    let (ann, bob) = (world.person(1).await, world.person(1).await);
    let mut peer = world.connect(&bob, 0).await;
    peer.drained().await;
    let mut ids = send_all(&world, &ann, &bob, 0..8, 100).await;
    let mut got: Vec<u64> = peer.deliveries(8).await.into_iter().map(|(id, _)| id).collect();
    // The window is full: this one stays in the store.
    ids.extend(send_all(&world, &ann, &bob, 8..9, 100).await);
    peer.heartbeat().await;
    // Room for one is not enough to read a page, but a live entry would fit.
    peer.ack(&got[..1]).await;
    peer.heartbeat().await;
    ids.extend(send_all(&world, &ann, &bob, 9..10, 100).await);
    peer.ack(&got[1..]).await;
    while got.len() < ids.len() {
        let batch: Vec<u64> = peer.deliveries(1).await.into_iter().map(|(id, _)| id).collect();
        peer.ack(&batch).await;
        got.extend(batch);
    }
    assert_eq!(got, ids);
}

#[tokio::test]
async fn the_window_counts_bytes_too() {
    let world = World::with(|config| config.window_bytes = 64 * 1024).await;
    let (ann, bob) = (world.person(1).await, world.person(1).await);
    let ids = send_all(&world, &ann, &bob, 0..12, 30_000).await;
    let mut peer = world.connect(&bob, 0).await;
    let mut got: Vec<u64> = peer.deliveries(3).await.into_iter().map(|(id, _)| id).collect();
    peer.send(77, Client::Heartbeat(pb::Heartbeat { foreground: true })).await;
    assert!(matches!(peer.next().await, Seen::Frame(77, Server::HeartbeatAck(_))), "three fill it");
    while got.len() < 12 {
        peer.ack(&got).await;
        let more = 3.min(12 - got.len());
        got.extend(peer.deliveries(more).await.into_iter().map(|(id, _)| id));
    }
    assert_eq!(got, ids);
}

#[tokio::test]
async fn a_slow_reader_costs_a_cursor() {
    let world = World::new().await;
    let (ann, bob) = (world.person(1).await, world.person(1).await);
    // Its socket takes a few hundred bytes, and it reads nothing.
    let mut slow = world.connect_through(&bob, 0, 700).await;
    let ids = send_all(&world, &ann, &bob, 0..2_000, 1_000).await;
    let waiting = world.gateway.waiting_in_mailboxes();
    assert_eq!(waiting, 0, "entries wait in the store, not in memory");
    let mut got = Vec::new();
    while got.len() < ids.len() {
        let batch: Vec<u64> = slow.deliveries(50).await.into_iter().map(|(id, _)| id).collect();
        slow.ack(&batch).await;
        got.extend(batch);
    }
    assert_eq!(got, ids);
}

#[tokio::test]
async fn entries_that_come_while_a_backlog_drains_are_neither_lost_nor_doubled() {
    let world = World::with(|config| config.window_entries = 16).await;
    let (ann, bob) = (world.person(1).await, world.person(1).await);
    let mut ids = send_all(&world, &ann, &bob, 0..200, 50).await;
    let mut peer = world.connect(&bob, 0).await;
    let mut got: Vec<u64> = Vec::new();
    for round in 0..20 {
        let batch: Vec<u64> = peer.deliveries(10).await.into_iter().map(|(id, _)| id).collect();
        peer.ack(&batch).await;
        got.extend(batch);
        ids.extend(send_all(&world, &ann, &bob, 1_000 + round * 16..1_000 + round * 16 + 16, 50).await);
    }
    while got.len() < ids.len() {
        let batch: Vec<u64> =
            peer.deliveries(16.min(ids.len() - got.len())).await.into_iter().map(|(id, _)| id).collect();
        peer.ack(&batch).await;
        got.extend(batch);
    }
    assert_eq!(got, ids);
    peer.heartbeat().await;
    assert_eq!(world.inbox(bob.device(0)).await, []);
}
