//! A seat against a fake server that speaks the real wire.

use super::*;
use crate::group::{Card, Made};
use crate::pair::tests::{Peer, local};
use crate::pair::{Shared, Timing};
use crate::tally::Tally;
use sotto_types::AccountId;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const GROUP: [u8; 32] = [7; 32];
const OTHER: [u8; 16] = [2; 16];

fn party() -> Rc<Party> {
    let card =
        |account| Card { account: AccountId::from_bytes(account), identity_key: Vec::new().into(), registration_id: 1 };
    let group = Made { id: GROUP, roster: 1, members: vec![0, 1] };
    Rc::new(Party::new(Strategy::Log, vec![card([1; 16]), card(OTHER)], vec![group], "run", 20))
}

fn entry(message_id: u64, previous: u64, sender: &[u8], ciphertext: Bytes) -> pb::server_frame::Body {
    let item = pb::group_entry::Item::Envelope(pb::GroupEnvelope { class: 1, ciphertext });
    pb::server_frame::Body::GroupEntry(pb::GroupEntry {
        group_id: Bytes::copy_from_slice(&GROUP),
        message_id,
        previous,
        sender_account: Bytes::copy_from_slice(sender),
        item: Some(item),
        ..Default::default()
    })
}

async fn welcome(listener: &TcpListener) -> Peer {
    let mut peer = Peer::accept(listener).await;
    let hello = peer.receive().await.expect("a Hello");
    assert!(matches!(hello.body, Some(pb::client_frame::Body::Hello(_))), "{hello:?}");
    peer.send(pb::server_frame::Body::Welcome(pb::Welcome::default())).await;
    peer.send(pb::server_frame::Body::QueueDrained(pb::QueueDrained {})).await;
    peer
}

async fn next_send(peer: &mut Peer) -> pb::SendGroup {
    let frame = peer.receive().await.expect("a frame");
    let Some(pb::client_frame::Body::SendGroup(send)) = frame.body else { panic!("{frame:?}") };
    send
}

/// Up to which entry each ack goes, until one goes to `last`.
async fn acks_until(peer: &mut Peer, last: u64) -> Vec<u64> {
    let mut acked = Vec::new();
    while acked.last() != Some(&last) {
        let frame = peer.receive().await.expect("a frame");
        let Some(pb::client_frame::Body::GroupAck(ack)) = frame.body else { panic!("{frame:?}") };
        let [cursor] = &ack.groups[..] else { panic!("{ack:?}") };
        assert_eq!((&cursor.group_id[..], cursor.delivered), (&GROUP[..], cursor.up_to));
        acked.push(cursor.up_to);
    }
    acked
}

async fn seat(listener: &TcpListener) -> (Rc<RefCell<Seat>>, Target) {
    let target = Target::local(listener.local_addr().expect("bound"));
    let mut hall = Hall::new(1, true, Shared::default());
    hall.timing = Timing { measure_from: 0, measure_to: u64::MAX, stop_sending: u64::MAX, give_up: u64::MAX };
    hall.set_online(0, 1);
    let hall = Rc::new(RefCell::new(hall));
    let seat = Seat::open(&target, 0, "token".into(), Ledger::new(0), 0, party(), hall).await.expect("a seat");
    (Rc::new(RefCell::new(seat)), target)
}

async fn driven(seat: Rc<RefCell<Seat>>, target: Target) -> Result<()> {
    let rota = Rc::clone(&seat.borrow().rota);
    tokio::select! {
        ended = drive(seat, target, 0, "token".into()) => ended,
        never = rota.keep() => match never {},
    }
}

#[test]
fn a_stale_send_goes_again_under_its_name_and_the_new_roster() {
    local(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let serving = async {
            let mut peer = welcome(&listener).await;
            let first = next_send(&mut peer).await;
            assert_eq!(first.roster, 1);
            let stale = pb::StaleGroup { client_msg_id: first.client_msg_id.clone(), roster: 5, ..Default::default() };
            peer.send(pb::server_frame::Body::StaleGroup(stale)).await;

            let (mut http, _) = listener.accept().await.expect("a request for the roster");
            let mut request = vec![0; 4096];
            let read = http.read(&mut request).await.expect("a request");
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            assert!(request.starts_with("GET /v1/groups ") && request.contains("Bearer token"), "{request}");
            let groups = serde_json::json!({ "groups": [{
                "group": hex::encode(GROUP), "revision": 1, "head": "", "roster": "5", "newest": "1", "read_up_to": "0",
            }] });
            let body = groups.to_string();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            http.write_all(answer.as_bytes()).await.expect("answered");

            let again = next_send(&mut peer).await;
            assert_eq!((again.roster, &again.client_msg_id), (5, &first.client_msg_id));
            assert_eq!(again.ciphertext, first.ciphertext);
            let accepted = pb::Accepted { client_msg_id: again.client_msg_id, message_id: 10, server_time_ms: 1 };
            peer.send(pb::server_frame::Body::Accepted(accepted)).await;
            peer.send(entry(10, 0, &[1; 16], Bytes::new())).await;
            acks_until(&mut peer, 10).await;
        };
        let sending = async {
            let (seat, target) = seat(&listener).await;
            seat.borrow_mut().begin(&[0], Pace::Window(1), Some(1)).expect("begun");
            driven(Rc::clone(&seat), target).await.map(|()| seat)
        };
        tokio::select! {
            () = serving => {}
            ended = sending => panic!("{ended:?}"),
        }
    });
}

/// The verdict on a log of four messages of which these come, in this order; each read is acknowledged.
fn verdict(places: &[u64]) -> Tally {
    local(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let party = party();
        let serving = async {
            let mut peer = welcome(&listener).await;
            for place in places {
                let header = Header { group: 0, sender: 1, recipient: ALL, seq: *place, since_ns: 1 };
                peer.send(entry(place + 1, *place, &OTHER, party.ciphertext(&header).expect("made"))).await;
            }
            let last = places.iter().max().expect("something comes") + 1;
            acks_until(&mut peer, last).await;
            peer
        };
        let opened = Rc::new(RefCell::new(None));
        let receiving = async {
            let (seat, target) = seat(&listener).await;
            *opened.borrow_mut() = Some(Rc::clone(&seat));
            driven(seat, target).await
        };
        tokio::select! {
            _peer = serving => {}
            ended = receiving => panic!("{ended:?}"),
        }
        let seat = opened.take().expect("a seat");
        let seat = seat.borrow();
        seat.ledger.verdict(&party, &[Sent { group: 0, sender: 1, count: 4 }])
    })
}

#[test]
fn what_comes_is_acknowledged_and_judged() {
    assert_eq!(verdict(&[0, 1, 2, 3]), Tally::default());
    assert_eq!(verdict(&[0, 1, 3]), Tally { missing: 1, duplicates: 0, disorder: 1 });
    assert_eq!(verdict(&[0, 1, 1, 2, 3]), Tally { missing: 0, duplicates: 1, disorder: 0 });
}
