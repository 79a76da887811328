//! Hostile frames: each gets its documented error and changes nothing.

use super::*;
use sotto_types::ErrorCode;

/// What a hostile client sends, and how it is answered.
struct Case {
    name: &'static str,
    /// Sent after Welcome, or instead of Hello.
    before_hello: bool,
    bytes: Vec<u8>,
    error: Option<ErrorCode>,
    /// The close code; none: the connection goes on.
    close: Option<u16>,
}

fn after(name: &'static str, bytes: Vec<u8>, error: ErrorCode, close: Option<u16>) -> Case {
    Case { name, before_hello: false, bytes, error: Some(error), close }
}

fn before(name: &'static str, bytes: Vec<u8>, error: ErrorCode, close: u16) -> Case {
    Case { name, before_hello: true, bytes, error: Some(error), close: Some(close) }
}

fn cases(ann: &Person, bob: &Person, other_token: &str) -> Vec<Case> {
    use ErrorCode::*;
    let send = |change: &dyn Fn(&mut pb::SendDirect)| {
        let mut send = message(ann, bob, 1, b"hostile");
        change(&mut send);
        encoded(9, Client::SendDirect(send))
    };
    let hello_with = |change: &dyn Fn(&mut pb::Hello)| {
        let Client::Hello(mut body) = hello(other_token) else { unreachable!("made so") };
        change(&mut body);
        encoded(9, Client::Hello(body))
    };
    let read = |peer: &'static [u8]| {
        let of = Some(pb::conversation::Of::Peer(Bytes::from_static(peer)));
        encoded(9, Client::Read(pb::Read { conversation: Some(pb::Conversation { of }), up_to: 1 }))
    };
    let heartbeat = || encoded(9, Client::Heartbeat(pb::Heartbeat { foreground: true }));
    let mut forged = other_token.to_owned().into_bytes();
    let middle = forged.len() / 2;
    forged[middle] ^= 1;
    let forged = String::from_utf8(forged).unwrap();
    vec![
        before("nothing but a heartbeat first", heartbeat(), HelloRequired, 4100),
        before("a send first", send(&|_| {}), HelloRequired, 4100),
        before("an unknown body first", client_frame(0x82, &[0x52, 0x00]), HelloRequired, 4100),
        before("an empty frame first", client_frame(0x82, b""), HelloRequired, 4100),
        before("no protobuf first", client_frame(0x82, b"GET / HTTP/1.1"), BadFrame, 4101),
        before("more than a Hello needs", client_frame(0x82, &vec![0; 9_000]), FrameTooLarge, 1009),
        before("no token", hello_with(&|body| body.access_token.clear()), TokenInvalid, 4104),
        before("a made-up token", hello_with(&|body| body.access_token = "a.b.c".into()), TokenInvalid, 4104),
        before(
            "a token of 5,000 characters",
            hello_with(&|body| body.access_token = "x".repeat(5_000)),
            TokenInvalid,
            4104,
        ),
        before("a changed token", hello_with(&|body| body.access_token.clone_from(&forged)), TokenInvalid, 4104),
        before("no protocol version", hello_with(&|body| body.protocol_version = 0), ProtocolVersion, 4103),
        before("a long client name", hello_with(&|body| body.client = "x".repeat(65)), BadRequest, 4200),
        before("text", client_frame(0x81, b"hello"), BadFrame, 1003),
        before("unmasked", vec![0x82, 1, 0], BadFrame, 1002),
        after("a second Hello", hello_with(&|_| {}), BadFrame, Some(4101)),
        after("no protobuf", client_frame(0x82, &[0xff; 30]), BadFrame, Some(4101)),
        after("a cut frame", client_frame(0x82, &[0x1a, 0x20, 0x0a]), BadFrame, Some(4101)),
        after("a group in protobuf's old sense", client_frame(0x82, &[0x0b; 20_000]), BadFrame, Some(4101)),
        after(
            "countless parts",
            client_frame(0x82, &[[0x1a, 0x80, 0x80, 0x04].to_vec(), [0x3a, 0].repeat(32_768)].concat()),
            BadFrame,
            Some(4101),
        ),
        after("text", client_frame(0x81, b"{}"), BadFrame, Some(1003)),
        after("unmasked", vec![0x82, 1, 0], BadFrame, Some(1002)),
        after("a reserved bit", client_frame(0xc2, b"x"), BadFrame, Some(1002)),
        after("a reserved opcode", client_frame(0x83, b"x"), BadFrame, Some(1002)),
        after("a continuation of nothing", client_frame(0x80, b"x"), BadFrame, Some(1002)),
        after("a fragmented ping", client_frame(0x09, b"x"), BadFrame, Some(1002)),
        after(
            "4 MiB and a byte, only announced",
            vec![0x82, 0xff, 0, 0, 0, 0, 0, 0x40, 0, 1],
            FrameTooLarge,
            Some(1009),
        ),
        after("a close reason that is not UTF-8", client_frame(0x88, b"\x03\xe8\xff"), BadFrame, Some(1007)),
        after("no client_msg_id", send(&|send| send.client_msg_id.clear()), BadRequest, None),
        after("a client_msg_id of 15 bytes", send(&|send| send.client_msg_id.truncate(15)), BadRequest, None),
        after("a client_msg_id of zeros", send(&|send| send.client_msg_id = vec![0; 16].into()), BadRequest, None),
        after("a recipient of 3 bytes", send(&|send| send.recipient = vec![1; 3].into()), BadRequest, None),
        after("nobody as recipient", send(&|send| send.recipient = vec![0xee; 16].into()), UnknownRecipient, None),
        after("no class", send(&|send| send.class = 0), BadRequest, None),
        after("an unknown class", send(&|send| send.class = 99), BadRequest, None),
        after("device 0", send(&|send| send.to_recipient[0].device_id = 0), BadRequest, None),
        after("device 128", send(&|send| send.to_recipient[0].device_id = 128), BadRequest, None),
        after("a sender-key message to a device", send(&|send| send.to_recipient[0].r#type = 3), BadRequest, None),
        after("an unknown ciphertext type", send(&|send| send.to_recipient[0].r#type = 77), BadRequest, None),
        after("an empty ciphertext", send(&|send| send.to_recipient[0].ciphertext.clear()), BadRequest, None),
        after(
            "64 KiB and a byte",
            send(&|send| send.to_recipient[0].ciphertext = vec![1; 65_537].into()),
            TooLarge,
            None,
        ),
        after(
            "eleven ciphertexts",
            send(&|send| send.to_recipient = vec![send.to_recipient[0].clone(); 11]),
            BadRequest,
            None,
        ),
        after("a device twice", send(&|send| send.to_recipient.push(send.to_recipient[0].clone())), BadRequest, None),
        after(
            "an ack of 1,025 entries",
            encoded(9, Client::Ack(pb::Ack { ok: vec![1; 1_025], undecryptable: vec![] })),
            BadRequest,
            None,
        ),
        after("a read of nothing", encoded(9, Client::Read(pb::Read::default())), BadRequest, None),
        after("a read of 3 bytes", read(b"abc"), BadRequest, None),
        after(
            "a read of a group of others",
            {
                let of = Some(pb::conversation::Of::Group(vec![1; 32].into()));
                encoded(9, Client::Read(pb::Read { conversation: Some(pb::Conversation { of }), up_to: 1 }))
            },
            UnknownGroup,
            None,
        ),
    ]
}

#[tokio::test]
async fn every_hostile_frame_has_its_answer_and_changes_nothing() {
    let world = World::new().await;
    let (ann, bob, eve) = (world.person(2).await, world.person(1).await, world.person(1).await);
    let mut bystander = world.connect(&eve, 0).await;
    let token = world.token(&ann, 0).await;
    let all = cases(&ann, &bob, &token);
    assert!(all.len() >= 40);
    for case in all {
        let name = case.name;
        let mut peer = if case.before_hello { world.socket(1 << 20) } else { world.connect(&ann, 0).await };
        if !case.before_hello {
            peer.drained().await;
        }
        peer.raw(&case.bytes).await;
        match case.close {
            Some(close) => {
                let (error, code) = peer.ending().await;
                assert_eq!(error.map(|error| error.code), case.error.map(ErrorCode::number), "{name}");
                assert_eq!(code, Some(close), "{name}");
                assert_eq!(peer.next().await, Seen::End, "{name}");
            }
            None => {
                let Seen::Frame(9, Server::Error(error)) = peer.next().await else { panic!("{name}: no error") };
                assert_eq!(Some(error.code), case.error.map(ErrorCode::number), "{name}: {}", error.detail);
                peer.heartbeat().await;
            }
        }
        bystander.heartbeat().await;
        for of in [ann.device(0), ann.device(1), bob.device(0), eve.device(0)] {
            assert_eq!(world.inbox(of).await, [], "{name}");
        }
    }
}

#[tokio::test]
async fn an_unknown_body_is_unsupported_and_no_error() {
    let world = World::new().await;
    let ann = world.person(1).await;
    let mut peer = world.connect(&ann, 0).await;
    peer.drained().await;
    for (bytes, reference, field) in
        [(&[0x08, 0x05, 0x5a, 0x00][..], 5, 11), (&[0x7a, 0x01, 0x01][..], 0, 15), (&[0x08, 0x06][..], 6, 0)]
    {
        peer.raw(&client_frame(0x82, bytes)).await;
        assert_eq!(peer.next().await, Seen::Frame(reference, Server::Unsupported(pb::Unsupported { field })));
    }
    peer.heartbeat().await;
}

#[tokio::test]
async fn stale_lists_are_answered_with_the_current_ones() {
    let world = World::new().await;
    let (ann, bob) = (world.person(2).await, world.person(1).await);
    let mut peer = world.connect(&ann, 0).await;
    peer.drained().await;
    let changes: [fn(&mut pb::SendDirect); 5] = [
        |send| send.recipient_list_version = 7,
        |send| send.own_list_version = 7,
        |send| send.to_recipient[0].registration_id = 5,
        |send| send.to_self.clear(),
        |send| send.to_recipient[0].device_id = 3,
    ];
    for change in changes {
        let mut send = message(&ann, &bob, 1, b"stale");
        change(&mut send);
        peer.send(4, Client::SendDirect(send)).await;
        let Seen::Frame(4, Server::DeviceMismatch(mismatch)) = peer.next().await else { panic!("no mismatch") };
        assert_eq!(mismatch.client_msg_id, message_id(1));
        assert_eq!(mismatch.lists.len(), 1);
        assert_eq!(mismatch.lists[0].payload, b"payload"[..]);
    }
    assert_eq!(world.inbox(bob.device(0)).await, []);
}

#[tokio::test]
async fn a_flood_of_frames_ends_its_connection_only() {
    let world = World::with(|config| {
        config.frames_burst = 50;
        config.frames_per_second = 10;
    })
    .await;
    let (ann, bob) = (world.person(1).await, world.person(1).await);
    let mut bystander = world.connect(&bob, 0).await;
    for flood in [client_frame(0x89, b""), client_frame(0x8a, b""), encoded(0, Client::Ack(pb::Ack::default()))] {
        let mut peer = world.connect(&ann, 0).await;
        peer.raw(&flood.repeat(200)).await;
        let (error, code) = peer.ending().await;
        let error = error.unwrap();
        assert_eq!((error.code, code), (ErrorCode::RateLimited.number(), Some(4400)));
        assert_eq!(error.action, i32::from(pb::Action::Retry));
        assert!(error.retry_after_ms > 0);
    }
    bystander.heartbeat().await;
}
