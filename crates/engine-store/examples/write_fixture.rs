//! Writes a profile as this version's format has it, for `tests/formats.rs`: `cargo run -p sotto-engine-store --example
//! write_fixture -- crates/engine-store/tests/fixtures/vN.db`. Once per format, when it is released; never over an old one.

use prost::Message as _;
use sotto_engine_store::{
    Contact, Group, GroupOperation, InviteSeed, Journal, KeyHolder, MessageKind, NewAction, NewMessage, NewOutboxEntry,
    OwnDistribution, PreKeyKind, StepKind, Store, StoreError, Target,
};
use sotto_types::{AccountId, ClientMsgId, DeviceAddress, DeviceId, EntryId, GroupId, MessageId, Secret, Timestamp};
use sotto_wire::pb;

fn main() {
    let path = std::env::args().nth(1).expect("a path");
    let passphrase = Secret::new(String::from("open sesame"));
    let mut store = Store::open_with(path.as_ref(), Journal::Truncate, Some(&passphrase)).expect("opens");
    store
        .transaction(|tx| {
            let (ann, bob) = (AccountId::from_bytes([1; 16]), AccountId::from_bytes([2; 16]));
            let content = pb::Content {
                body: Some(pb::content::Body::Text(pb::Text {
                    body: "written long ago".into(),
                    ..pb::Text::default()
                })),
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
                conversation: bob.into(),
                message_id: Some(MessageId::new(7)),
                after: None,
                kind: MessageKind::Content,
                content: content.clone(),
                written: Timestamp::from_ms(5),
                server_time: Some(Timestamp::from_ms(6)),
                note: None,
                expires_after_s: 0,
            })?;
            tx.raise_mention(bob.into(), MessageId::new(7))?;
            let target = Target { author: ann, name };
            tx.insert_action(&NewAction {
                author: bob,
                author_device: DeviceId::FIRST,
                name: ClientMsgId::from_bytes([10; 16]),
                conversation: bob.into(),
                kind: 20,
                target,
                message_id: Some(MessageId::new(8)),
                content: Secret::new(b"reaction".to_vec()),
                written: Timestamp::from_ms(6),
                server_time: Some(Timestamp::from_ms(7)),
                allowed: false,
            })?;
            tx.forget_message(Target { author: bob, name: ClientMsgId::from_bytes([11; 16]) }, Timestamp::from_ms(8))?;
            tx.offer_fact(b"a", "starred", b"yes", MessageId::new(9))?;
            tx.put_picture(bob, Some(b"picture"))?;
            let group = GroupId::from_bytes([3; 32]);
            tx.put_group(&Group {
                revision: 1,
                details: Some(Secret::new(b"details".to_vec())),
                details_key: Some(Secret::new(b"key".to_vec())),
                cursor: MessageId::new(8),
                ..Group::new(group, Secret::new(b"state".to_vec()))
            })?;
            tx.put_group_operation(
                group,
                &GroupOperation {
                    revision: 1,
                    payload: b"operation".to_vec(),
                    signature: vec![4; 64],
                    hash: [5; 32],
                    message_id: Some(MessageId::new(8)),
                    server_time: Timestamp::from_ms(6),
                },
            )?;
            let distribution =
                OwnDistribution { id: [6; 16], created: Timestamp::from_ms(7), messages: 2, membership_revision: 1 };
            tx.put_distribution(group, &distribution)?;
            let device = DeviceAddress::new(bob, DeviceId::FIRST);
            tx.put_key_holders(&distribution.id, &[KeyHolder { device, registration_id: 77 }])?;
            tx.put_mark(group, bob, StepKind::Read, MessageId::new(8), Timestamp::from_ms(9))?;
            let seed = Secret::new(b"seed".to_vec());
            tx.put_invite_seed(group, &InviteSeed { public_key: [7; 32], seed, details_key: None })?;
            tx.enqueue(&NewOutboxEntry {
                client_msg_id: name,
                recipient: bob.into(),
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
