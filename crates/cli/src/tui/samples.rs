//! Made-up people and messages for tests.

use sotto_engine::api::{
    ContactView, ConversationView, GroupFanout, GroupMemberView, GroupPermission, GroupRole, GroupSummary, GroupView,
    Me, MessageBody, MessageStatus, MessageView, PersonView, PollOptionView,
};
use sotto_types::{AccountId, ClientMsgId, DeviceId, GroupId, MessageId, Username};

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
        nickname: None,
        about: None,
        picture: None,
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
        from_name: (if from_me { "ann" } else { "bob" }).into(),
        from_me,
        mentions_me: false,
        from_device: DeviceId::FIRST,
        body: MessageBody::Text { body: text.into(), mentions: Vec::new() },
        status,
        written_ms: NOON + n * 60_000,
        server_time_ms: None,
        delivered_ms: None,
        read_ms: None,
        note: None,
        extras: Box::default(),
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
        mentioned: false,
        read_up_to: MessageId::ZERO,
        pinned: false,
        archived: false,
        muted_until_ms: 0,
        marked_unread: false,
        draft: None,
        folder: None,
        timer_s: 0,
        is_request: false,
    }
}

pub fn group_id(n: u8) -> GroupId {
    GroupId::from_bytes([n; 32])
}

pub fn person(n: u8, name: &str) -> PersonView {
    PersonView { account: account(n), name: name.into(), is_me: n == 1 }
}

pub fn poll(question: &str, options: &[(&str, &[(u8, &str)])], multiple: bool) -> MessageBody {
    let option = |(text, voters): &(&str, &[(u8, &str)])| PollOptionView {
        text: (*text).into(),
        voters: voters.iter().map(|(n, name)| person(*n, name)).collect(),
    };
    MessageBody::Poll { question: question.into(), options: options.iter().map(option).collect(), multiple }
}

pub fn member(n: u8, name: &str, role: GroupRole) -> GroupMemberView {
    GroupMemberView {
        account: account(n),
        username: Username::parse(name).ok(),
        display_name: None,
        role,
        key_changed: false,
    }
}

/// Ours: account 1 owns it.
pub fn group_summary(n: u8, title: &str) -> GroupSummary {
    GroupSummary {
        group: group_id(n),
        title: Some(title.into()),
        picture: None,
        picture_type: None,
        members: 3,
        my_role: Some(GroupRole::Owner),
        may_post: true,
        requests: 0,
        deleted: false,
        alarm: None,
    }
}

pub fn group_conversation(group: GroupSummary, last: Option<MessageView>, unread: u32) -> ConversationView {
    ConversationView {
        conversation: group.group.into(),
        title: group.title.clone().unwrap_or_default(),
        contact: None,
        group: Some(Box::new(group)),
        ..conversation(contact(2, "bob"), last, unread)
    }
}

/// Of ann (who owns it and is `me`), bob (an admin) and cem.
pub fn group_view(n: u8, title: &str) -> GroupView {
    GroupView {
        group: group_id(n),
        title: Some(title.into()),
        description: None,
        picture: None,
        picture_type: None,
        revision: 0,
        members: vec![
            member(1, "ann", GroupRole::Owner),
            member(2, "bob", GroupRole::Admin),
            member(3, "cem", GroupRole::Member),
        ],
        fanout: GroupFanout::Log,
        post: GroupPermission::Members,
        add: GroupPermission::Members,
        change_details: GroupPermission::Members,
        invites: Vec::new(),
        requests: Vec::new(),
        my_role: Some(GroupRole::Owner),
        waiting: false,
        deleted: false,
        alarm: None,
    }
}

/// A message of group `n`, by account `from`.
pub fn group_message(n: u8, id: u64, from: (u8, &str), text: &str) -> MessageView {
    let from_me = from.0 == 1;
    let status = if from_me { MessageStatus::Sent } else { MessageStatus::Received };
    MessageView {
        conversation: group_id(n).into(),
        from: account(from.0),
        from_name: from.1.into(),
        ..message(id, from_me, text, status)
    }
}
