//! A pair against a fake server that speaks the real wire and can be told to lie.

use super::*;
use crate::clock::NS_PER_S;
use crate::frames::Target as Recipient;
use crate::payload::{Opaque, Pool};
use crate::tally::Tally;
use crate::target::Target;
use crate::ws::apply_mask;
use bytes::Bytes;
use prost::Message as _;
use sotto_types::{AccountId, DeviceAddress, DeviceId};
use sotto_wire::pb;
use std::collections::HashSet;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::LocalSet;

const SENDER: [u8; 16] = [5; 16];
const RECIPIENT: [u8; 16] = [6; 16];

/// What the fake server does wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Lie {
    None,
    Twice(u64),
    Never(u64),
    /// Delivers this one after its successor.
    Late(u64),
    /// Flips a bit.
    Damaged(u64),
    NoAnswer(u64),
    WrongSender(u64),
    Refuses(u64),
}

/// A WebSocket as a server sees it.
#[derive(Debug)]
pub struct Peer {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Peer {
    /// The handshake; the key is not answered, since the client does not ask for proof.
    pub async fn accept(listener: &TcpListener) -> Self {
        let (mut stream, _) = listener.accept().await.expect("a client");
        let mut buffer = Vec::new();
        let end = loop {
            stream.read_buf(&mut buffer).await.expect("a request");
            if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
        };
        assert!(buffer.starts_with(b"GET /v1/ws HTTP/1.1\r\n"));
        buffer.drain(..end);
        stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").await.expect("written");
        Self { stream, buffer }
    }

    /// The next message, unmasked; `None` when the client is gone.
    pub async fn receive(&mut self) -> Option<pb::ClientFrame> {
        loop {
            if let [first, second, rest @ ..] = &self.buffer[..] {
                assert_eq!((*first, second & 0x80), (0x82, 0x80), "a whole, masked, binary message");
                let (len, header) = match (second & 0x7F, rest) {
                    (126, [a, b, ..]) => (usize::from(u16::from_be_bytes([*a, *b])), 4),
                    (126, _) => (usize::MAX / 2, 4),
                    (len, _) => (usize::from(len), 2),
                };
                if self.buffer.len() >= header + 4 + len {
                    let mut frame: Vec<u8> = self.buffer.drain(..header + 4 + len).skip(header).collect();
                    let mut payload = frame.split_off(4);
                    apply_mask(&mut payload, frame.try_into().expect("four bytes"));
                    return Some(pb::ClientFrame::decode(&payload[..]).expect("a frame"));
                }
            }
            if self.stream.read_buf(&mut self.buffer).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    pub async fn send(&mut self, body: pb::server_frame::Body) {
        let frame = pb::ServerFrame { r#ref: 0, body: Some(body) }.encode_to_vec();
        let mut out = vec![0x82, 126];
        out.extend_from_slice(&(frame.len() as u16).to_be_bytes());
        out.extend_from_slice(&frame);
        // A client that found a fault may be gone.
        let _ = self.stream.write_all(&out).await;
    }
}

/// What the recipient acknowledged.
type Acked = Rc<RefCell<HashSet<u64>>>;

async fn serve(listener: TcpListener, lie: Lie, acked: Acked) {
    let (tell, mut deliveries) = mpsc::unbounded_channel::<(u64, Bytes)>();
    for role in ["sender", "recipient"] {
        let mut peer = Peer::accept(&listener).await;
        let hello = peer.receive().await.expect("a Hello");
        let Some(pb::client_frame::Body::Hello(hello)) = hello.body else { panic!("{hello:?}") };
        assert_eq!(hello.access_token, role);
        peer.send(pb::server_frame::Body::Welcome(pb::Welcome::default())).await;
        if role == "sender" {
            tokio::task::spawn_local(answer_sends(peer, lie, tell.clone()));
        } else {
            let acked = Rc::clone(&acked);
            peer.send(pb::server_frame::Body::QueueDrained(pb::QueueDrained {})).await;
            let mut held = None;
            loop {
                let frame = tokio::select! {
                    frame = peer.receive() => frame,
                    Some((seq, ciphertext)) = deliveries.recv() => {
                        if Lie::Late(seq) == lie {
                            held = Some((seq, ciphertext));
                            continue;
                        }
                        deliver(&mut peer, lie, seq, ciphertext).await;
                        if let Some((seq, ciphertext)) = held.take() {
                            deliver(&mut peer, lie, seq, ciphertext).await;
                        }
                        continue;
                    }
                };
                match frame.map(|frame| frame.body) {
                    Some(Some(pb::client_frame::Body::Ack(ack))) => acked.borrow_mut().extend(ack.ok),
                    None => return,
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}

async fn answer_sends(mut peer: Peer, lie: Lie, deliveries: mpsc::UnboundedSender<(u64, Bytes)>) {
    while let Some(frame) = peer.receive().await {
        let Some(pb::client_frame::Body::SendDirect(send)) = frame.body else { panic!("{frame:?}") };
        assert_eq!(send.recipient[..], RECIPIENT);
        let seq = frames::seq_of(&send.client_msg_id).expect("a numbered id");
        if Lie::Refuses(seq) == lie {
            let error = pb::Error { code: 400, detail: "too fast".into(), ..Default::default() };
            peer.send(pb::server_frame::Body::Error(error)).await;
        }
        let ciphertext = send.to_recipient[0].ciphertext.clone();
        deliveries.send((seq, ciphertext)).expect("the recipient is served");
        if Lie::NoAnswer(seq) != lie {
            let (client_msg_id, message_id) = (send.client_msg_id, seq + 1);
            let accepted = pb::Accepted { client_msg_id, message_id, server_time_ms: 1 };
            peer.send(pb::server_frame::Body::Accepted(accepted)).await;
        }
    }
}

async fn deliver(peer: &mut Peer, lie: Lie, seq: u64, ciphertext: Bytes) {
    let mut ciphertext = ciphertext.to_vec();
    if Lie::Damaged(seq) == lie {
        ciphertext[40] ^= 1;
    }
    let times = match lie {
        Lie::Twice(at) if at == seq => 2,
        Lie::Never(at) if at == seq => 0,
        _ => 1,
    };
    for _ in 0..times {
        let sender = if Lie::WrongSender(seq) == lie { RECIPIENT } else { SENDER };
        let item = pb::deliver::Item::Envelope(pb::Envelope {
            group_id: Bytes::new(),
            sender_account: Bytes::copy_from_slice(&sender),
            sender_device: 1,
            class: 1,
            r#type: 1,
            ciphertext: ciphertext.clone().into(),
            message_id: seq + 1,
            server_time_ms: 1,
        });
        peer.send(pb::server_frame::Body::Deliver(pb::Deliver { entry_id: seq + 1, item: Some(item) })).await;
    }
}

const MESSAGES: u64 = 300;

/// A run of `MESSAGES` messages against a server with this fault; the entries the recipient acknowledged come along.
async fn run(lie: Lie, pace: impl FnOnce(u64) -> Pace, patience_ms: u64) -> (Result<Outcome>, HashSet<u64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let target = Target::local(listener.local_addr().expect("bound"));
    let acked = Acked::default();
    let server = tokio::task::spawn_local(serve(listener, lie, Rc::clone(&acked)));
    let sending = Link::open(&target, 0, "sender".into(), |_| Ok(())).await.expect("welcome");
    let to = Recipient {
        to: DeviceAddress::new(AccountId::from_bytes(RECIPIENT), DeviceId::FIRST),
        registration_id: 1,
        list_version: 1,
        own_list_version: 1,
    };
    let mut payload = Payload::Opaque(Opaque::new(&to, Rc::new(Pool::default()), 3, 200));
    let mut inbox = Inbox::new(SENDER);
    let receiving = Link::open(&target, 1, "recipient".into(), |frame| inbox.take(frame, &mut payload, |_| Ok(())));
    let receiving = receiving.await.expect("welcome");
    let now = now_ns();
    let give_up = now + patience_ms * 1_000_000;
    let timing = Timing { measure_from: now, measure_to: give_up, stop_sending: give_up, give_up };
    let shared = Shared::default();
    let sender = Sender::new(sending, pace(now), timing, Some(MESSAGES), false, Rc::clone(&shared));
    let alarm = Alarm::default();
    let mut pair = Pair::new(sender, Some((receiving, inbox)), payload, Rc::clone(&alarm));
    let ticking = async {
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            if let Some(waker) = alarm.borrow().as_ref() {
                waker.wake_by_ref();
            }
        }
    };
    let ended = tokio::select! {
        ended = &mut pair => ended,
        () = ticking => unreachable!("it never ends"),
    };
    drop(pair.settle());
    server.await.expect("the fake server saw nothing strange");
    (ended.map(|()| shared.take()), acked.take())
}

pub fn local<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    LocalSet::new().block_on(&runtime, test)
}

const WINDOW: fn(u64) -> Pace = |_| Pace::Window(8);

#[test]
fn an_honest_server_is_clean_and_everything_is_acknowledged() {
    let (outcome, acked) = local(run(Lie::None, WINDOW, 20_000));
    let outcome = outcome.expect("a run");
    assert!(outcome.tally.is_clean());
    assert_eq!(
        (outcome.sent, outcome.accepted, outcome.delivered, outcome.unanswered),
        (MESSAGES, MESSAGES, MESSAGES, 0)
    );
    assert_eq!(outcome.delivered_latency.count(), MESSAGES);
    assert_eq!(outcome.accepted_latency.count(), MESSAGES);
    assert_eq!(outcome.measured, MESSAGES);
    assert_eq!(acked, (1..=MESSAGES).collect());
}

#[test]
fn a_duplicate_a_gap_and_a_swap_are_counted() {
    let tally = |lie, patience_ms| local(run(lie, WINDOW, patience_ms)).0.expect("a run").tally;
    let clean = Tally::default();
    assert_eq!(tally(Lie::Twice(17), 20_000), Tally { duplicates: 1, ..clean });
    assert_eq!(tally(Lie::Late(17), 20_000), Tally { disorder: 1, ..clean });
    // The window never closes over what is missing, so such a run ends by giving up.
    assert_eq!(tally(Lie::Never(MESSAGES - 1), 1_000), Tally { missing: 1, ..clean });
    assert_eq!(tally(Lie::Never(17), 1_000), Tally { missing: 1, ..clean });
}

#[test]
fn a_send_without_an_answer_is_reported_but_not_missing() {
    let outcome = local(run(Lie::NoAnswer(MESSAGES - 1), WINDOW, 1_000)).0.expect("a run");
    assert!(outcome.tally.is_clean());
    assert_eq!(outcome.unanswered, 1);
}

#[test]
fn damage_misdelivery_and_refusals_end_the_run() {
    for (lie, why) in [
        (Lie::Damaged(17), "other bytes"),
        (Lie::WrongSender(17), "delivered to a stranger"),
        (Lie::Refuses(17), "rate-limited (error 400): too fast"),
    ] {
        let error = local(run(lie, WINDOW, 20_000)).0.expect_err("found");
        assert!(format!("{error:#}").contains(why), "{lie:?}: {error:#}");
    }
}

#[test]
fn a_schedule_counts_from_the_moment_a_message_was_due() {
    // The schedule began 100 ms ago, so the first hundred messages are late, however fast the server is.
    let late = 100_000_000;
    let pace = |now| Pace::Schedule { first_ns: now - late, step_ns: 1e6 };
    let outcome = local(run(Lie::None, pace, 20_000)).0.expect("a run");
    assert!(outcome.tally.is_clean());
    assert_eq!(outcome.sent, MESSAGES);
    // Those due before the measured time are not in the histogram; the rest are.
    let counted = outcome.delivered_latency.count();
    assert!((MESSAGES - 110..=MESSAGES - 90).contains(&counted), "{counted}");
}

#[test]
fn what_is_due_is_sent_even_when_late() {
    // Everything was due a second ago.
    let pace = |now| Pace::Schedule { first_ns: now - NS_PER_S, step_ns: 1.0 };
    let outcome = local(run(Lie::None, pace, 20_000)).0.expect("a run");
    assert_eq!((outcome.sent, outcome.delivered), (MESSAGES, MESSAGES));
}
