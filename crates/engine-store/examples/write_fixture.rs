//! Writes a profile as this version's format has it, for `tests/formats.rs`: `cargo run -p sotto-engine-store --example
//! write_fixture -- crates/engine-store/tests/fixtures/vN.db`. Once per format, when it is released; never over an old one.

use prost::Message as _;
use sotto_engine_store::{Contact, Journal, MessageKind, NewMessage, NewOutboxEntry, PreKeyKind, Store, StoreError};
use sotto_types::{AccountId, ClientMsgId, DeviceAddress, DeviceId, EntryId, MessageId, Secret, Timestamp};
use sotto_wire::pb;

fn main() {
    let path = std::env::args().nth(1).expect("a path");
    let passphrase = Secret::new(String::from("open sesame"));
    let mut store = Store::open_with(path.as_ref(), Journal::Truncate, Some(&passphrase)).expect("opens");
    store
        .transaction(|tx| {
            let (ann, bob) = (AccountId::from_bytes([1; 16]), AccountId::from_bytes([2; 16]));
            let content = pb::Content {
                body: Some(pb::content::Body::Text(pb::Text { body: "written long ago".into() })),
                ..pb::Content::default()
            };
            let content = Secret::new(content.encode_to_vec());
            tx.put_setting("profile", b"facts")?;
            tx.put_contact(&Contact { username: Some("bob".into()), listed: true, ..Contact::new(bob) })?;
            tx.put_prekey(PreKeyKind::Signed, 1, b"record", Timestamp::from_ms(1))?;
            tx.put_session(DeviceAddress::new(bob, DeviceId::FIRST), b"session")?;
            tx.mark_seen_entry(EntryId::new(7), false, Timestamp::from_ms(1))?;
            let name = ClientMsgId::from_bytes([9; 16]);
            let id = tx.insert_message(&NewMessage {
                author: ann,
                author_device: DeviceId::FIRST,
                name,
                conversation: bob,
                message_id: Some(MessageId::new(7)),
                after: None,
                kind: MessageKind::Text,
                content: content.clone(),
                written: Timestamp::from_ms(5),
                server_time: Some(Timestamp::from_ms(6)),
                note: None,
            })?;
            tx.enqueue(&NewOutboxEntry {
                client_msg_id: name,
                recipient: bob,
                class: 1,
                devices: Vec::new(),
                content,
                message: id,
                now: Timestamp::from_ms(5),
                keep: false,
            })?;
            Ok::<_, StoreError>(())
        })
        .expect("writes");
}
