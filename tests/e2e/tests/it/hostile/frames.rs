use super::world::{World, expect};
use bytes::Bytes;
use prost::Message as _;
use sotto_testkit::raw::{Ended, RawSocket, new_msg_id};
use sotto_testkit::{DEADLINE, TestServer, within};
use sotto_types::ErrorCode::{self, *};
use sotto_types::limits;
use sotto_wire::pb::{self, client_frame, server_frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

/// The error that answers, skipping everything else; how it ended if there was none.
async fn error(socket: &mut RawSocket) -> Result<pb::Error, Ended> {
    loop {
        match socket.next().await? {
            server_frame::Body::Error(error) => return Ok(error),
            _ => continue,
        }
    }
}

/// The connection must end now.
async fn ends(case: &str, socket: &mut RawSocket) {
    while socket.next_within(DEADLINE).await.unwrap_or_else(|| panic!("{case}: the connection stays open")).is_ok() {}
}

fn hello(change: impl FnOnce(&mut pb::Hello), token: &str) -> client_frame::Body {
    let client_frame::Body::Hello(mut hello) = RawSocket::hello_frame(token) else { unreachable!("it is a Hello") };
    change(&mut hello);
    client_frame::Body::Hello(hello)
}

fn encoded(body: client_frame::Body) -> Vec<u8> {
    pb::ClientFrame { r#ref: 1, body: Some(body) }.encode_to_vec()
}

/// What comes first must be a Hello.
pub async fn before_hello(world: &World) -> usize {
    let hello = encoded(RawSocket::hello_frame(&world.token));
    let truncated = hello[..hello.len() / 2].to_vec();
    let send = encoded(client_frame::Body::SendDirect(world.mallory.send_to(world.bob_now(), new_msg_id(), b"x")));
    // Field 20 of ClientFrame is reserved: a future frame.
    let unknown = vec![0xa2, 0x01, 0x01, 0x78];
    let cases: Vec<(&str, Message, &[ErrorCode])> = vec![
        ("an empty message", Message::Binary(Bytes::new()), &[HelloRequired]),
        ("garbage", Message::Binary(vec![0xff; 40].into()), &[BadFrame]),
        ("half a hello", Message::Binary(truncated.into()), &[BadFrame]),
        ("a text message", Message::Text("hello".into()), &[BadFrame]),
        ("a send first", Message::Binary(send.into()), &[HelloRequired]),
        ("an unknown frame first", Message::Binary(unknown.into()), &[HelloRequired]),
        (
            "a heartbeat first",
            Message::Binary(encoded(client_frame::Body::Heartbeat(pb::Heartbeat { foreground: true })).into()),
            &[HelloRequired],
        ),
        (
            "an ack first",
            Message::Binary(encoded(client_frame::Body::Ack(pb::Ack { ok: vec![1], undecryptable: vec![] })).into()),
            &[HelloRequired],
        ),
        ("a frame over 4 MiB", Message::Binary(vec![0; limits::FRAME_BYTES + 1].into()), &[FrameTooLarge]),
    ];
    let count = cases.len();
    for (case, message, want) in cases {
        let mut socket = world.api.connect().await;
        // The server may close while a large frame is still being written.
        socket.raw(message).await.ok();
        let got = error(&mut socket).await;
        expect(case, got.as_ref().ok().and_then(|error| ErrorCode::from_number(error.code)), want, &got);
        ends(case, &mut socket).await;
        world.assert_unharmed(case).await;
    }
    count
}

pub async fn hellos(world: &World) -> usize {
    let elsewhere = TestServer::start().await;
    let foreign_device = elsewhere.api().register("mallory", 1, &mut world.seed.rng(9)).await;
    let foreign = elsewhere.api().token(&foreign_device).await;
    let token = &world.token;
    let parts: Vec<&str> = token.split('.').collect();
    let none = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.", parts[1]);
    let flipped = {
        let mut bytes = token.clone().into_bytes();
        let at = bytes.len() - 10;
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).expect("base64 is ASCII")
    };
    let cases: Vec<(&str, client_frame::Body, &[ErrorCode])> = vec![
        ("no token", hello(|_| {}, ""), &[TokenInvalid, BadFrame]),
        ("a garbage token", hello(|_| {}, "let me in"), &[TokenInvalid]),
        ("a huge token", hello(|_| {}, &"x".repeat(100_000)), &[FrameTooLarge]),
        ("another server's token", hello(|_| {}, &foreign), &[TokenInvalid]),
        ("an unsigned token", hello(|_| {}, &none), &[TokenInvalid]),
        ("a flipped signature", hello(|_| {}, &flipped), &[TokenInvalid]),
        ("a token without its signature", hello(|_| {}, &token[..token.rfind('.').unwrap_or(0)]), &[TokenInvalid]),
        ("protocol version 0", hello(|hello| hello.protocol_version = 0, token), &[ProtocolVersion]),
        ("a client name of 1 kB", hello(|hello| hello.client = "x".repeat(1000), token), &[BadFrame, BadRequest]),
    ];
    let count = cases.len() + 2;
    for (case, body, want) in cases {
        let mut socket = world.api.connect().await;
        socket.post(body).await;
        let got = error(&mut socket).await;
        expect(case, got.as_ref().ok().and_then(|error| ErrorCode::from_number(error.code)), want, &got);
        ends(case, &mut socket).await;
        world.assert_unharmed(case).await;
    }

    let case = "a second hello";
    let mut socket = world.api.connected(&world.mallory).await;
    socket.post(RawSocket::hello_frame(token)).await;
    let got = error(&mut socket).await;
    expect(case, got.as_ref().ok().and_then(|error| ErrorCode::from_number(error.code)), &[BadFrame, BadRequest], &got);
    world.assert_unharmed(case).await;

    let case = "the token of an unlinked device";
    let mut rng = world.seed.rng(10);
    let carl = world.api.register("carl", 1, &mut rng).await;
    let second = world.api.add_device(&carl, &mut rng).await;
    let old_token = world.api.token(&second).await;
    let mut live = world.api.connected(&second).await;
    let mut list = second.clone();
    list.devices.retain(|device| device.id == carl.address.device);
    list.list_version += 1;
    let body: sotto_wire::http::SignedList = list.signed_list(&mut rng).into();
    let path = format!("/v1/devices/{}", u32::from(second.address.device));
    let carl_token = world.api.token(&carl).await;
    let answer = world.api.json(reqwest::Method::DELETE, &path, Some(&carl_token), &body).await;
    assert_eq!(answer.status, 204, "{}", String::from_utf8_lossy(&answer.body));
    let got = error(&mut live).await;
    expect(case, got.as_ref().ok().and_then(|error| ErrorCode::from_number(error.code)), &[DeviceUnlinked], &got);
    ends(case, &mut live).await;
    let mut socket = world.api.connect().await;
    socket.post(RawSocket::hello_frame(&old_token)).await;
    let got = error(&mut socket).await;
    expect(case, got.as_ref().ok().and_then(|error| ErrorCode::from_number(error.code)), &[DeviceUnlinked], &got);
    expect(case, world.api.get("/v1/keys", Some(&old_token)).await.code(), &[DeviceUnlinked], &"HTTP");
    world.assert_unharmed(case).await;
    count
}

/// What a send may get that is not an `Error`.
enum Want {
    Code(&'static [ErrorCode]),
    Mismatch,
}

pub async fn sends(world: &World) -> usize {
    type Spoil = fn(&mut pb::SendDirect);
    use Want::{Code, Mismatch};
    let bad = || Code(&[BadRequest, BadFrame]);
    let cases: Vec<(&str, Spoil, Want)> = vec![
        ("no message id", |send| send.client_msg_id = Bytes::new(), bad()),
        ("a message id of 15 bytes", |send| send.client_msg_id.truncate(15), bad()),
        ("a message id of zeros", |send| send.client_msg_id = vec![0; 16].into(), bad()),
        ("a message id of 1 MB", |send| send.client_msg_id = vec![1; 1 << 20].into(), bad()),
        ("no recipient", |send| send.recipient = Bytes::new(), bad()),
        ("a recipient of 17 bytes", |send| send.recipient = vec![1; 17].into(), bad()),
        ("an unknown recipient", |send| send.recipient = vec![1; 16].into(), Code(&[UnknownRecipient])),
        ("no class", |send| send.class = 0, bad()),
        ("class 99", |send| send.class = 99, bad()),
        ("no ciphertext type", |send| send.to_recipient[0].r#type = 0, bad()),
        ("ciphertext type 77", |send| send.to_recipient[0].r#type = 77, bad()),
        ("device 0", |send| send.to_recipient[0].device_id = 0, bad()),
        ("device 128", |send| send.to_recipient[0].device_id = 128, bad()),
        ("device 4294967295", |send| send.to_recipient[0].device_id = u32::MAX, bad()),
        ("one device twice", |send| send.to_recipient.push(send.to_recipient[0].clone()), bad()),
        ("a thousand ciphertexts", |send| send.to_recipient = vec![send.to_recipient[0].clone(); 1000], bad()),
        ("an empty ciphertext", |send| send.to_recipient[0].ciphertext = Bytes::new(), bad()),
        (
            "a ciphertext over 64 KiB",
            |send| send.to_recipient[0].ciphertext = vec![1; limits::CIPHERTEXT_BYTES + 1].into(),
            Code(&[TooLarge]),
        ),
        ("a device left out", |send| drop(send.to_recipient.pop()), Mismatch),
        ("nobody at all", |send| send.to_recipient.clear(), Mismatch),
        ("a device too many", |send| send.to_recipient[1].device_id = 100, Mismatch),
        ("another registration id", |send| send.to_recipient[1].registration_id ^= 1, Mismatch),
        ("an old list", |send| send.recipient_list_version -= 1, Mismatch),
        ("a list from the future", |send| send.recipient_list_version = u32::MAX, Mismatch),
        ("an own list from the future", |send| send.own_list_version += 7, Mismatch),
        ("a copy to itself", |send| send.to_self = vec![send.to_recipient[0].clone()], Code(&[BadRequest])),
        (
            "a resend to a device that is not there",
            |send| {
                send.class = pb::EnvelopeClass::Resend.into();
                send.to_recipient.truncate(1);
                send.to_recipient[0].device_id = 99;
            },
            Mismatch,
        ),
        (
            "a control envelope to nobody",
            |send| {
                send.class = pb::EnvelopeClass::Control.into();
                send.to_recipient.clear();
            },
            bad(),
        ),
        (
            "a control envelope for an old list",
            |send| {
                send.class = pb::EnvelopeClass::Control.into();
                send.recipient_list_version -= 1;
            },
            Mismatch,
        ),
    ];
    let count = cases.len();
    for (case, spoil, want) in cases {
        let mut send = world.mallory.send_to(world.bob_now(), new_msg_id(), b"evil");
        spoil(&mut send);
        let mut socket = world.api.connected(&world.mallory).await;
        socket.drain(false).await;
        socket.post(client_frame::Body::SendDirect(send)).await;
        let answer = socket.next().await;
        match (want, answer) {
            (Mismatch, Ok(server_frame::Body::DeviceMismatch(mismatch))) => {
                assert!(!mismatch.lists.is_empty(), "{case}: no list to correct it by");
            }
            (Code(want), Ok(server_frame::Body::Error(error))) => {
                expect(case, ErrorCode::from_number(error.code), want, &error);
            }
            (_, other) => expect(case, None, &[], &other),
        }
        world.assert_unharmed(case).await;
    }
    count
}

pub async fn others(world: &World) -> usize {
    let peer = |bytes: Vec<u8>| pb::Conversation { of: Some(pb::conversation::Of::Peer(bytes.into())) };
    let group = pb::Conversation { of: Some(pb::conversation::Of::Group(vec![1; 32].into())) };
    let read = |conversation, up_to| client_frame::Body::Read(pb::Read { conversation, up_to });
    let ack = |ok: Vec<u64>, undecryptable: Vec<u64>| client_frame::Body::Ack(pb::Ack { ok, undecryptable });
    let to_group = |group_id: Vec<u8>, ciphertext: Vec<u8>| {
        client_frame::Body::SendGroup(pb::SendGroup {
            client_msg_id: vec![7; 16].into(),
            group_id: group_id.into(),
            class: 1,
            ciphertext: ciphertext.into(),
            ..Default::default()
        })
    };
    let keys = |accounts: u32| {
        let account = |n: u32| pb::AccountCiphertexts {
            account_id: [&n.to_be_bytes()[..], &[1; 12]].concat().into(),
            ..Default::default()
        };
        client_frame::Body::SendKeys(pb::SendKeys {
            client_msg_id: vec![8; 16].into(),
            group_id: vec![1; 32].into(),
            to: (1..=accounts).map(account).collect(),
        })
    };
    let group_ack = |groups: usize, bytes: usize| {
        let cursor = pb::GroupCursor { group_id: vec![1; bytes].into(), up_to: 5, delivered: 0 };
        client_frame::Body::GroupAck(pb::GroupAck { groups: vec![cursor; groups] })
    };
    let bob = world.bob.address.account.as_bytes().to_vec();
    let bad: &[ErrorCode] = &[BadRequest, BadFrame];
    let refused: Vec<(&str, client_frame::Body, &[ErrorCode])> = vec![
        ("a read of nothing", read(None, 5), bad),
        ("a read of a conversation without kind", read(Some(pb::Conversation { of: None }), 5), bad),
        ("a read of a peer of 3 bytes", read(Some(peer(vec![1; 3])), 5), bad),
        ("a read of a group one is not in", read(Some(group), 5), &[UnknownGroup]),
        ("a message to a group one is not in", to_group(vec![1; 32], vec![2; 80]), &[UnknownGroup]),
        ("a message to a group of 3 bytes", to_group(vec![1; 3], vec![2; 80]), bad),
        ("a message of 65,537 bytes to a group", to_group(vec![1; 32], vec![2; 65_537]), &[TooLarge]),
        ("keys for nobody", keys(0), bad),
        ("keys for 257 accounts", keys(257), bad),
        ("an ack of a group of 3 bytes", group_ack(1, 3), bad),
        ("an ack of 1,025 groups", group_ack(1025, 32), bad),
        ("an ack of 1,025 entries", ack((1..=1025).collect(), vec![]), bad),
        ("an ack of 600 and 600 entries", ack((1..=600).collect(), (1..=600).collect()), bad),
    ];
    let mut count = refused.len();
    for (case, body, want) in refused {
        let mut socket = world.api.connected(&world.mallory).await;
        socket.drain(false).await;
        socket.post(body).await;
        let got = error(&mut socket).await;
        expect(case, got.as_ref().ok().and_then(|error| ErrorCode::from_number(error.code)), want, &got);
        world.assert_unharmed(case).await;
    }

    // Harmless: no error, no effect, the connection stays.
    let harmless: Vec<(&str, client_frame::Body)> = vec![
        ("an ack of what is not there", ack(vec![1, 2, u64::MAX], vec![3, 0])),
        ("an empty ack", ack(vec![], vec![])),
        ("a read from the future", read(Some(peer(bob.clone())), u64::MAX)),
        ("a read of a stranger's conversation", read(Some(peer(vec![9; 16])), 5)),
        ("a read at zero", read(Some(peer(bob)), 0)),
    ];
    count += harmless.len();
    for (case, body) in harmless {
        let mut socket = world.api.connected(&world.mallory).await;
        socket.drain(false).await;
        socket.post(body).await;
        socket.post(client_frame::Body::Heartbeat(pb::Heartbeat { foreground: false })).await;
        loop {
            match socket.next().await {
                Ok(server_frame::Body::HeartbeatAck(_)) => break,
                // A read that cannot be may be refused instead; both leave everything as it was.
                Ok(server_frame::Body::Error(error)) => {
                    expect(case, ErrorCode::from_number(error.code), &[BadRequest, UnknownRecipient], &error);
                }
                other => panic!("{case}: {other:?}"),
            }
        }
        world.assert_unharmed(case).await;
    }

    let case = "an unknown frame";
    let mut socket = world.api.connected(&world.mallory).await;
    socket.drain(false).await;
    socket.raw(Message::Binary(vec![0x08, 0x07, 0xa2, 0x01, 0x01, 0x78].into())).await.expect("the connection is open");
    let frame = socket.next_frame_within(DEADLINE).await.expect("an answer").expect("a frame");
    assert!(matches!(frame.body, Some(server_frame::Body::Unsupported(_))), "{case}: {frame:?}");
    assert_eq!(frame.r#ref, 7, "{case}");
    world.assert_unharmed(case).await;

    let case = "garbage after hello";
    let mut socket = world.api.connected(&world.mallory).await;
    socket.raw(Message::Binary(vec![0xff; 100].into())).await.expect("the connection is open");
    let got = error(&mut socket).await;
    expect(case, got.as_ref().ok().and_then(|error| ErrorCode::from_number(error.code)), &[BadFrame], &got);
    ends(case, &mut socket).await;
    world.assert_unharmed(case).await;

    let case = "acks of somebody else's entries";
    let mut ann = world.api.connected(&world.ann).await;
    let sent = ann.send_direct(world.ann.send_to(world.bob_now(), new_msg_id(), b"for bob")).await.accepted();
    let mut mallory = world.api.connected(&world.mallory).await;
    mallory.ack(&[sent.message_id]).await;
    mallory.post(client_frame::Body::Heartbeat(pb::Heartbeat { foreground: false })).await;
    mallory.until("the heartbeat", |body| matches!(body, server_frame::Body::HeartbeatAck(_)).then_some(())).await;
    for device in [&world.bob, &world.laptop] {
        let mut socket = world.api.connected(device).await;
        assert_eq!(socket.drain(true).await.len(), 1, "{case}");
        socket.close().await;
    }
    ann.until("the receipt", |body| matches!(body, server_frame::Body::Deliver(_)).then_some(())).await;
    drop(ann);
    world.api.connected(&world.ann).await.drain(true).await;
    world.assert_unharmed(case).await;

    let case = "a flood of heartbeats";
    let mut socket = world.api.connected(&world.mallory).await;
    let flood = async {
        for _ in 0..60_000 {
            if socket.try_post(client_frame::Body::Heartbeat(pb::Heartbeat { foreground: true })).await.is_err() {
                break;
            }
        }
    };
    // Taken, refused or simply not read on: all three are fine as long as nobody else notices.
    tokio::time::timeout(std::time::Duration::from_secs(5), flood).await.ok();
    world.assert_unharmed(case).await;
    drop(socket);
    count + 4
}

/// Before there is any frame: bytes on the bare socket. The server must hang up (or answer 4xx), and serve the others.
pub async fn raw_bytes(world: &World) {
    let upgrade = "GET /v1/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let after = |bytes: &[u8]| [upgrade.as_bytes(), bytes].concat();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("binary noise", (0..=255).cycle().take(4000).collect()),
        ("a TLS hello", vec![0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03, 0x0d, 0x0a, 0x0d, 0x0a]),
        ("an endless header", [b"GET / HTTP/1.1\r\nX: ".to_vec(), vec![b'a'; 200_000]].concat()),
        ("a thousand headers", format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(5000)).into_bytes()),
        ("a path of 100 kB", format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(100_000)).into_bytes()),
        ("HTTP 9.9", b"GET /v1/server HTTP/9.9\r\nHost: x\r\n\r\n".to_vec()),
        (
            "a body that is longer than it says is allowed",
            b"POST /v1/accounts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
              Content-Length: 99999999999\r\n\r\n{"
                .to_vec(),
        ),
        (
            "two lengths",
            b"POST /v1/accounts HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}".to_vec(),
        ),
        ("an old WebSocket version", upgrade.replace("13", "8").into_bytes()),
        (
            "an upgrade without a key",
            upgrade.replace("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "").into_bytes(),
        ),
        ("an unmasked frame", after(&[0x82, 0x02, 0x08, 0x01])),
        ("reserved bits", after(&[0xf2, 0x81, 1, 2, 3, 4, 5])),
        ("an unknown opcode", after(&[0x83, 0x81, 1, 2, 3, 4, 5])),
        ("a ping of 126 bytes", after(&[0x89, 0xfe, 0x00, 0x7e, 1, 2, 3, 4])),
        ("a fragmented ping", after(&[0x09, 0x81, 1, 2, 3, 4, 5])),
        ("a continuation of nothing", after(&[0x80, 0x81, 1, 2, 3, 4, 5])),
        ("a frame of 2^63 bytes", after(&[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4])),
        ("a frame of 5 MiB announced", after(&[0x82, 0xff, 0, 0, 0, 0, 0, 0x50, 0, 0, 1, 2, 3, 4])),
        ("a close frame of one byte", after(&[0x88, 0x81, 1, 2, 3, 4, 5])),
        ("a text that is not UTF-8", after(&[0x81, 0x81, 0, 0, 0, 0, 0xff])),
    ];
    for (case, bytes) in &cases {
        let mut socket = TcpStream::connect(world.server.address()).await.expect("the server listens");
        // The server may hang up before it has read everything.
        socket.write_all(bytes).await.ok();
        let mut answer = Vec::new();
        let mut chunk = [0; 4096];
        // The server gives a slow request 30 s.
        within(2 * DEADLINE, format!("{case}: the server to hang up or answer"), async {
            while let Ok(read @ 1..) = socket.read(&mut chunk).await {
                answer.extend_from_slice(&chunk[..read]);
                let upgraded = answer.starts_with(b"HTTP/1.1 101");
                if !upgraded && answer.starts_with(b"HTTP/1.1 4") {
                    break;
                }
            }
        })
        .await;
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{case}: {}", String::from_utf8_lossy(&answer));
        world.assert_unharmed(case).await;
    }
    println!("{} hostile byte streams", cases.len());

    // Slow requests hold nothing up.
    let mut idle = Vec::new();
    for _ in 0..200 {
        let mut socket = TcpStream::connect(world.server.address()).await.expect("the server listens");
        socket.write_all(b"GET /v1/server HTTP/1.1\r\nHos").await.expect("it takes some bytes");
        idle.push(socket);
    }
    world.assert_unharmed("two hundred half requests").await;
}
