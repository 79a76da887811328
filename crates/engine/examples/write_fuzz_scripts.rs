//! Writes the scripts that the fuzz target `engine` starts from: `cargo run -p sotto-engine --example write_fuzz_scripts`. Seeds
//! that are there stay, among them the inputs that once found a fault.

use prost::Message;
use sotto_engine::fuzzing::{OWN, PEER, What, item};
use sotto_types::AccountId;
use sotto_wire::pb::{self, content::Body};
use std::path::Path;

const MESSAGE: u8 = 0;
const CONTROL: u8 = 1;
const RESEND: u8 = 2;

fn id(account: AccountId) -> bytes::Bytes {
    bytes::Bytes::copy_from_slice(account.as_bytes())
}

fn content(name: u8, body: Body) -> pb::Content {
    pb::Content {
        name: vec![name; 16].into(),
        sent_at_ms: 1_763_000_000_000,
        body: Some(body),
        ..pb::Content::default()
    }
}

fn text(name: u8) -> pb::Content {
    content(name, Body::Text(pb::Text { body: "a text".into(), ..pb::Text::default() }))
}

fn sync(of: pb::sync::Of) -> Vec<u8> {
    content(9, Body::Sync(Box::new(pb::Sync { of: Some(of) }))).encode_to_vec()
}

fn history() -> Vec<u8> {
    let message = |name| pb::HistoryMessage {
        peer: id(PEER),
        sender_account: id(if name % 2 == 0 { OWN } else { PEER }),
        sender_device: 1,
        message_id: 900 + u64::from(name),
        server_time_ms: 1_762_000_000_000,
        content: Some(text(name)),
        delivered_at_ms: 1_762_000_000_001,
        read_at_ms: 0,
        failed: name == 4,
        ..pb::HistoryMessage::default()
    };
    let chunk = pb::HistoryChunk {
        request_id: vec![5; 16].into(),
        index: 0,
        count: 1,
        messages: (3..6).map(message).collect(),
        contacts: vec![pb::HistoryContact {
            account: id(PEER),
            username: "bob".into(),
            identity_key: vec![5; 33].into(),
            verified: true,
            read_up_to: 903,
            display_name: "Bob".into(),
            ..pb::HistoryContact::default()
        }],
        total_messages: 3,
        ..pb::HistoryChunk::default()
    };
    content(8, Body::HistoryChunk(chunk)).encode_to_vec()
}

fn frame(body: pb::server_frame::Body) -> Vec<u8> {
    item(What::Frame, 0, &pb::ServerFrame { r#ref: 0, body: Some(body) }.encode_to_vec())
}

fn entry(id: u64, what: pb::deliver::Item) -> Vec<u8> {
    frame(pb::server_frame::Body::Deliver(pb::Deliver { entry_id: id, item: Some(what) }))
}

fn main() {
    use pb::server_frame::Body as Frame;
    let command = |json: &str| item(What::Command, 0, json.as_bytes());
    let time = |how, seconds: u32| item(What::Time, how, &seconds.to_be_bytes());
    let send = command(&format!(r#"{{"command":"send_text","to":{{"account":"{PEER}"}},"body":"own"}}"#));
    let conversation = || Some(pb::Conversation { of: Some(pb::conversation::Of::Peer(id(PEER))) });
    let receipt = pb::Receipt {
        conversation: conversation(),
        member: id(PEER),
        delivered: vec![pb::Step { message_id: 2000, at_ms: 1 }],
        read: vec![pb::Step { message_id: 2000, at_ms: 2 }],
    };
    let envelope = pb::Envelope {
        sender_account: id(PEER),
        sender_device: 1,
        class: 1,
        r#type: 1,
        ciphertext: vec![2; 40].into(),
        ..pb::Envelope::default()
    };
    let retry = pb::Retry { message_id: 1000, attempt: 1, ratchet_key: vec![5; 33].into(), ..pb::Retry::default() };
    let retry = content(6, Body::Retry(retry));
    let resend = pb::Content { resend_of: 77, ..text(7) };
    let sent = pb::SentMessage { to_account: id(PEER), content: Some(Box::new(text(2))) };
    let trust = pb::TrustChange { account: id(PEER), identity_key: vec![5; 33].into(), verified: true };
    let state = pb::ConversationState { peer: id(PEER), read_up_to: 1000, ..pb::ConversationState::default() };
    let seeds: [(&str, Vec<u8>); 9] = [
        ("text", item(What::FromPeer, MESSAGE, &text(1).encode_to_vec())),
        ("history", item(What::FromOwn, CONTROL, &history())),
        (
            "history_request",
            [
                item(What::FromPeer, MESSAGE, &text(1).encode_to_vec()),
                item(
                    What::FromOwn,
                    CONTROL,
                    &content(1, Body::HistoryRequest(pb::HistoryRequest { request_id: vec![5; 16].into(), days: 30 }))
                        .encode_to_vec(),
                ),
            ]
            .concat(),
        ),
        (
            "syncs",
            [
                item(What::FromOwn, MESSAGE, &sync(pb::sync::Of::Sent(Box::new(sent)))),
                item(What::FromOwn, CONTROL, &sync(pb::sync::Of::State(state))),
                item(What::FromOwn, CONTROL, &sync(pb::sync::Of::Trust(trust))),
                item(
                    What::FromOwn,
                    CONTROL,
                    &sync(pb::sync::Of::Block(pb::BlockChange { account: id(PEER), blocked: true })),
                ),
            ]
            .concat(),
        ),
        (
            "repair",
            [
                entry(77, pb::deliver::Item::Envelope(envelope)),
                item(What::FromPeer, RESEND, &resend.encode_to_vec()),
                send.clone(),
                item(What::FromPeer, CONTROL, &retry.encode_to_vec()),
            ]
            .concat(),
        ),
        ("receipt", [send.clone(), entry(78, pb::deliver::Item::Receipt(receipt))].concat()),
        (
            "frames",
            [
                frame(Frame::QueueDrained(pb::QueueDrained {})),
                frame(Frame::AccountChanged(pb::AccountChanged {
                    account_id: id(OWN),
                    device_list_version: 3,
                    prekeys_low: true,
                })),
                frame(Frame::Error(pb::Error { code: 101, detail: "x".into(), action: 2, ..pb::Error::default() })),
                time(1, 3),
                frame(Frame::Drain(pb::Drain { reconnect_after_ms: 5 })),
            ]
            .concat(),
        ),
        (
            "answers",
            [
                send,
                item(What::Answer, 0, br#"{"list":{"payload":"AQ==","signature":"AQ=="},"bundles":[]}"#),
                command(r#"{"command":"devices"}"#),
                item(
                    What::Answer,
                    2,
                    br#"{"type":"t","title":"t","status":401,"detail":"d","code":104,"action":"reconnect"}"#,
                ),
                item(What::Answer, 15, b""),
                time(0, 90_000),
            ]
            .concat(),
        ),
        (
            "commands",
            [
                command(&format!(r#"{{"command":"find_person","who":{{"account":"{PEER}"}}}}"#)),
                command(&format!(r#"{{"command":"set_verified","who":{{"account":"{PEER}"}},"verified":true}}"#)),
                command(&format!(r#"{{"command":"mark_read","conversation":"{PEER}"}}"#)),
                command(r#"{"command":"search","query":"a \"b","conversation":null,"limit":5}"#),
                command(r#"{"command":"export","next":null}"#),
                command(r#"{"command":"request_history"}"#),
            ]
            .concat(),
        ),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/engine");
    std::fs::create_dir_all(&folder).expect("a folder");
    for (name, seed) in seeds {
        let file = folder.join(name);
        if !file.exists() {
            std::fs::write(file, seed).expect("written");
        }
    }
}
