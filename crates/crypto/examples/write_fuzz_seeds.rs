//! Writes the seeds that the fuzz targets start from into `fuzz/corpus`: `cargo run -p sotto-crypto --example write_fuzz_seeds`.
//! Seeds that are there stay, among them the inputs that once found a fault.

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../../../fuzz/targets/samples.rs"]
mod samples;

use prost::Message;
use sotto_crypto::device_name::encrypt_device_name;
use sotto_crypto::{RecoveryCode, SafetyNumber, padding};
use sotto_wire::pb;
use std::path::Path;

fn put(target: &str, name: &str, seed: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join(name);
    if !file.exists() {
        std::fs::write(file, seed).expect("written");
    }
}

fn main() {
    frames();
    content();
    let mut rng = common::rng(5);
    let device = common::Device::new(0xa1, 0, &mut rng);
    let list = sotto_crypto::device_list::sign_device_list(
        &device.identity,
        device.address.account,
        1,
        device.list.devices(),
        &mut rng,
    )
    .expect("a good list");
    put("device_list", "signed", &[&list.payload[..], &list.signature].concat());
    put("device_list", "payload", &list.payload);
    decrypt();
    let link = samples::link();
    put("link_text", "link", link.invitation.to_text().as_bytes());
    put("link_text", "newer", b"sotto://link?v=2&s=x");
    put("provisioning_open", "bytes", &link.sealed);
    put("provisioning_open", "edits", &[0, 0, 40, 1, 5, 1, 0, 0]);
    put("provisioning", "whole", &provisioning(&device));
    put("prekey_bundle", "unchanged", &[0, 1]);
    put("prekey_bundle", "low_order_signed", &[17, 1, 1, 0, 1, 0]);
    put("prekey_bundle", "ids", &[32, 1]);
    for field in 0..5 {
        put("prekey_bundle", &format!("edited_{field}"), &[1 << field, 1, 0, 0, 3, 1, 4, 0, 1, 0]);
        put("prekey_bundle", &format!("signed_edit_{field}"), &[16 | 1 << field, 1, 2, 0, 9, 1]);
    }
    put("safety_number", "scanned", &safety_number(&device));
    put("safety_number", "device_name", &encrypt_device_name(&device.identity, "laptop", &mut rng));
    put("access_token", "text", b"eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJzb3R0byJ9.AAAA");
    put("access_token", "edits", &[1, 0, 5, 66, 5, 0, 90, 0]);
    lines();
    let code = RecoveryCode::generate(&mut rng).to_text();
    put("recovery_code", "code", code.expose().as_bytes());
    put("recovery_code", "as_typed", code.expose().to_lowercase().replace('-', " ").replace('0', "o").as_bytes());
    http();
}

fn provisioning(device: &common::Device) -> Vec<u8> {
    let message = pb::Provisioning {
        account_id: device.address.account.as_bytes().to_vec().into(),
        username: "ann".into(),
        identity_key_pair: device.identity.serialize().expose().clone().into(),
        profile_key: vec![7; 32].into(),
        link_code: "code".into(),
        device_id: 1,
        from_device_list: pb::SignedDeviceList { payload: vec![1].into(), signature: vec![2; 64].into() }
            .encode_to_vec()
            .into(),
    };
    message.encode_to_vec()
}

fn safety_number(device: &common::Device) -> Vec<u8> {
    let (account, key) = (device.address.account, device.identity.public());
    SafetyNumber::new((account, &key), (account, &key)).scannable()
}

/// What processes on one profile write to each other; the first byte chooses the type.
fn lines() {
    let id = r#""01989a7b-93d1-4e07-a8d1-5c1b2d3e4f50""#;
    let view = format!(
        r#"{{"position":1,"name":{id},"message_id":1,"conversation":{id},"from":{id},"from_me":true,"from_device":1,"body":{{"kind":"text","body":"x"}},"status":"sent","written_ms":1,"server_time_ms":2,"delivered_ms":null,"read_ms":null,"note":null}}"#
    );
    for (which, name, json) in [
        (0, "send", format!(r#"{{"command":"send_text","to":{{"account":{id}}},"body":"x","name":null}}"#)),
        (0, "history", format!(r#"{{"command":"history","conversation":{id},"before":7,"limit":50}}"#)),
        (1, "messages", format!(r#"{{"reply":"messages","messages":[{view}],"more":true}}"#)),
        (2, "added", format!(r#"{{"event":"message_added","message":{view},"backlog":true}}"#)),
        (2, "connection", r#"{"event":"connection","connection":{"state":"connected","drained":true}}"#.into()),
        (3, "error", r#"{"kind":"not_found","text":"x"}"#.into()),
    ] {
        put("attach_line", name, &[&[which], json.as_bytes()].concat());
    }
}

fn frames() {
    use pb::{client_frame, deliver, server_frame};
    let ciphertext =
        || pb::DeviceCiphertext { device_id: 1, registration_id: 7, r#type: 1, ciphertext: vec![1; 40].into() };
    let client = [
        (
            "hello",
            client_frame::Body::Hello(pb::Hello {
                access_token: "a.b.c".into(),
                protocol_version: 1,
                ..Default::default()
            }),
        ),
        (
            "send_direct",
            client_frame::Body::SendDirect(pb::SendDirect {
                client_msg_id: vec![1; 16].into(),
                recipient: vec![2; 16].into(),
                class: 1,
                seen: 9,
                recipient_list_version: 1,
                own_list_version: 1,
                to_recipient: vec![ciphertext()],
                to_self: vec![ciphertext()],
            }),
        ),
        ("ack", client_frame::Body::Ack(pb::Ack { ok: vec![1, 2, 3], undecryptable: vec![4] })),
        ("heartbeat", client_frame::Body::Heartbeat(pb::Heartbeat { foreground: true })),
        (
            "read",
            client_frame::Body::Read(pb::Read {
                conversation: Some(pb::Conversation { of: Some(pb::conversation::Of::Peer(vec![3; 16].into())) }),
                up_to: 77,
            }),
        ),
    ];
    for (name, body) in client {
        let frame = pb::ClientFrame { r#ref: 1, body: Some(body) }.encode_to_vec();
        put("client_frame", name, &frame);
        put("gateway_frame", name, &frame);
        put("websocket_frames", name, &[&[6], &masked(0x82, &frame)[..]].concat());
    }
    let fragments = [masked(0x02, b"one"), masked(0x89, b"ping"), masked(0x80, b"two"), masked(0x88, b"\x03\xe8end")];
    put("websocket_frames", "fragments", &[&[2], &fragments.concat()[..]].concat());
    put("websocket_frames", "too_large", &[0, 0x82, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255]);
    let envelope = pb::Envelope {
        sender_account: vec![1; 16].into(),
        sender_device: 1,
        ciphertext: vec![2; 40].into(),
        ..Default::default()
    };
    let receipt = pb::Receipt {
        member: vec![1; 16].into(),
        read: vec![pb::Step { message_id: 1, at_ms: 2 }],
        ..Default::default()
    };
    let server = [
        (
            "welcome",
            server_frame::Body::Welcome(pb::Welcome {
                generation: 1,
                suspended_devices: vec![2],
                ..Default::default()
            }),
        ),
        (
            "accepted",
            server_frame::Body::Accepted(pb::Accepted {
                client_msg_id: vec![1; 16].into(),
                message_id: 5,
                server_time_ms: 6,
            }),
        ),
        (
            "envelope",
            server_frame::Body::Deliver(pb::Deliver { entry_id: 5, item: Some(deliver::Item::Envelope(envelope)) }),
        ),
        (
            "receipt",
            server_frame::Body::Deliver(pb::Deliver { entry_id: 6, item: Some(deliver::Item::Receipt(receipt)) }),
        ),
        (
            "device_mismatch",
            server_frame::Body::DeviceMismatch(pb::DeviceMismatch {
                client_msg_id: vec![1; 16].into(),
                lists: vec![pb::SignedDeviceList { payload: vec![1; 20].into(), signature: vec![2; 64].into() }],
            }),
        ),
        (
            "error",
            server_frame::Body::Error(pb::Error {
                code: 101,
                detail: "bad frame".into(),
                action: 2,
                ..Default::default()
            }),
        ),
    ];
    for (name, body) in server {
        put("server_frame", name, &pb::ServerFrame { r#ref: 1, body: Some(body) }.encode_to_vec());
    }
}

/// A short WebSocket frame of a client.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [1, 2, 3, 4];
    let length = u8::try_from(payload.len()).expect("short");
    let head = match length {
        0..126 => vec![first, 0x80 | length],
        _ => vec![first, 0x80 | 126, 0, length],
    };
    let payload = payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key);
    head.into_iter().chain(mask).chain(payload).collect()
}

fn content() {
    let text = common::text_content("hello");
    let sent = pb::SentMessage { to_account: vec![1; 16].into(), content: Some(Box::new(text.clone())) };
    let sync = pb::Content {
        body: Some(pb::content::Body::Sync(Box::new(pb::Sync { of: Some(pb::sync::Of::Sent(Box::new(sent))) }))),
        ..Default::default()
    };
    let chunk = pb::HistoryChunk {
        messages: vec![pb::HistoryMessage { content: Some(text.clone()), ..Default::default() }],
        contacts: vec![pb::HistoryContact { username: "ann".into(), ..Default::default() }],
        ..Default::default()
    };
    let history = pb::Content { body: Some(pb::content::Body::HistoryChunk(chunk)), ..Default::default() };
    for (name, content) in [("text", text), ("sync", sync), ("history", history)] {
        put("content", name, &content.encode_to_vec());
        put("content", &format!("{name}_padded"), &padding::pad(content.encode_to_vec()));
    }
}

fn decrypt() {
    let it = samples::messages();
    for kind in 0..3 {
        put("decrypt", &format!("unchanged_{kind}"), &[kind]);
        put("decrypt", &format!("edited_{kind}"), &[kind, 0, 0, 20, 1, 4, 0, 60, 0]);
    }
    put("decrypt", "ratchet_bytes", &[&[5], &it.ratchet.ciphertext[..]].concat());
    put("decrypt", "prekey_bytes", &[&[6], &it.prekey.ciphertext[..]].concat());
    put("decrypt", "group_bytes", &[&[7], &it.group[..]].concat());
    // Forged fields that made SPQR 1.2.0 panic, or downgrade, before the guards.
    let fields: [(&str, &[u8]); 6] = [
        ("truncated", &[1, 1, 1]),
        ("epoch_0", &[1, 0, 1, 1, 0]),
        ("endless", &[1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1, 0]),
        ("last_epoch", &[1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 1, 0]),
        ("huge_index", &[1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0]),
        ("version_0", &[0, 1, 1, 0]),
    ];
    for (name, field) in fields {
        put("decrypt", &format!("forged_{name}"), &[&[3, 0, 0, 1, 0], field].concat());
        put("decrypt", &format!("forged_first_{name}"), &[&[4, 1, 2, 1, 0, 0, 0, 0], field].concat());
    }
    put("decrypt", "forged_edits", &[3, 1, 0, 1, 0, 0, 0, 3, 1]);
    put("decrypt", "forged_first_edits", &[4, 1, 2, 1, 1, 0, 0, 0, 0, 0, 3, 1]);
}

/// One object with the fields of every body; the first byte chooses which type reads it.
fn http() {
    let signed = r#"{"id":1,"public_key":"BQ==","signature":"AQ=="}"#;
    let list = r#"{"payload":"AQ==","signature":"Ag=="}"#;
    let keys = format!(
        r#"{{"signed_prekey":{signed},"last_resort_kyber":{signed},"one_time_ec":[{{"id":1,"public_key":"BQ=="}}],"one_time_kyber":[{signed}]}}"#
    );
    let id = r#""01989a7b-93d1-4e07-a8d1-5c1b2d3e4f50""#;
    let body = |devices: &str, one_time: &str| {
        format!(
            r#"{{"version":"0.1","registration":"open","generation":1,"server_time_ms":5,"protocol_version":1,"payload":"AQ==",
"signature":"Ag==","id":1,"public_key":"BQ==","signed_prekey":{signed},"last_resort_kyber":{signed},{one_time},"auth_key":"AQ==",
"backup":"Ag==","account_id":{id},"username":"ann","invite":"i","receipt":"r","device_id":1,"list":{list},"keys":{keys},
"recovery":{{"auth_key":"AQ==","backup":"Ag=="}},"encrypted_name":"","created_ms":1,"last_seen_ms":2,"suspended":false,"current":true,
"devices":{devices},"registration_id":7,"kyber_prekey":{signed},"bundles":[],"replace":false,"signed_prekey_id":1,
"last_resort_kyber_id":1,"challenge":"AQ==","expires_ms":9,"access_token":"a.b.c","link":"l","provisioning":"AQ==","link_code":"c",
"recovery_signature":"Ag==","accounts":[{id}],"type":"t","title":"t","status":400,"detail":"d","code":101,"action":"stop",
"retry_after_ms":5}}"#
        )
        .replace('\n', "")
    };
    let device =
        r#"[{"device_id":1,"encrypted_name":"","created_ms":1,"last_seen_ms":2,"suspended":false,"current":true}]"#;
    let arrays = format!(r#""one_time_ec":[{{"id":1,"public_key":"BQ=="}}],"one_time_kyber":[{signed}]"#);
    let one = r#""one_time_ec":{"id":1,"public_key":"BQ=="},"one_time_kyber":[]"#;
    let counts = r#""one_time_ec":3,"one_time_kyber":4"#;
    // As in `BODIES` of http_json.rs.
    for which in 0..34u8 {
        let json = match which {
            9 => body(device, &arrays),
            13 => body("[1]", one),
            16 => body("[1]", counts),
            _ => body("[1,2]", &arrays),
        };
        put("http_json", &format!("body_{which:02}"), &[&[which], json.as_bytes()].concat());
    }
}
