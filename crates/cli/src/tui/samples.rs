//! Made-up people and messages for tests.

use sotto_engine::api::{ContactView, ConversationView, Me, MessageBody, MessageStatus, MessageView};
use sotto_types::{AccountId, ClientMsgId, DeviceId, MessageId, Username};

/// 2026-11-22 12:00 UTC.
pub const NOON: u64 = 1_795_348_800_000;

pub fn account(n: u8) -> AccountId {
    AccountId::from_bytes([n; 16])
}

pub fn me() -> Me {
    Me {
        account: account(1),
        username: Username::parse("ann").expect("valid"),
        device: DeviceId::FIRST,
        server: "http://127.0.0.1:8080".into(),
        identity_key: "00".into(),
    }
}

pub fn contact(n: u8, name: &str) -> ContactView {
    ContactView {
        account: account(n),
        username: Username::parse(name).ok(),
        display_name: None,
        verified: false,
        blocked: false,
        key_changed: false,
        identity_key: None,
        new_identity_key: None,
        devices: 1,
    }
}

/// A message of the conversation with account 2; `n` is position, minute and name.
pub fn message(n: u64, from_me: bool, text: &str, status: MessageStatus) -> MessageView {
    MessageView {
        position: n,
        name: ClientMsgId::from_bytes((u128::from(n) + 1).to_be_bytes()),
        late_id: None,
        message_id: Some(MessageId::new(n)),
        conversation: account(2).into(),
        from: account(if from_me { 1 } else { 2 }),
        from_me,
        from_device: DeviceId::FIRST,
        body: MessageBody::Text { body: text.into() },
        status,
        written_ms: NOON + n * 60_000,
        server_time_ms: None,
        delivered_ms: None,
        read_ms: None,
        note: None,
    }
}

pub fn conversation(contact: ContactView, last: Option<MessageView>, unread: u32) -> ConversationView {
    ConversationView {
        conversation: contact.account.into(),
        title: contact.username.as_ref().map(ToString::to_string).unwrap_or_default(),
        contact: Some(contact),
        group: None,
        is_me: false,
        last,
        unread,
        read_up_to: MessageId::ZERO,
        pinned: false,
        archived: false,
        muted_until_ms: 0,
        marked_unread: false,
        draft: None,
    }
}
