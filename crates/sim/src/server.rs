//! The server without sockets: the real domain over memory adapters, the real HTTP routes called as functions, and a pump that
//! does for frames what the gateway does.

use crate::hub::{Hub, News};
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use sotto_api::ApiConfig;
use sotto_domain::{
    AccountCiphertexts, AckedEntry, Committed, DirectCiphertext, DirectSend, Domain, DomainConfig, DomainParts,
    GroupAcked, GroupSend, KeysSend, PeopleObserver, Rate, RateLimits, Refusal, RegistrationPolicy, SendRefused,
    SignedIn,
};
use sotto_engine::{HttpAnswer, HttpMethod, HttpRequest};
use sotto_ports::memory::{MemoryEphemeral, MemoryStore};
use sotto_ports::{CiphertextType, EnvelopeClass, GroupItem, GroupMark, LoggedEntry, Queued, QueuedItem, Step};
use sotto_types::{
    AccountId, ClientIp, ClientMsgId, Clock as _, Conversation, DeviceAddress, DeviceId, EntryId, ErrorCode, GroupId,
    ManualClock, MessageId, Timestamp,
};
use sotto_wire::pb::{self, server_frame::Body as Frame};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tower_service::Service as _;

/// Some Tuesday.
const START_MS: u64 = 1_763_424_000_000;

#[derive(Debug, Default)]
pub(crate) struct Connection {
    pub who: Option<SignedIn>,
}

impl Connection {
    pub fn address(&self) -> Option<DeviceAddress> {
        self.who.as_ref().map(|who| who.address)
    }
}

pub(crate) struct Server {
    runtime: tokio::runtime::Runtime,
    clock: Arc<ManualClock>,
    domain: Arc<Domain>,
    router: Router,
    pub hub: Arc<Hub>,
}

impl Server {
    pub fn new(requests: bool) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
        let clock = Arc::new(ManualClock::new(Timestamp::from_ms(START_MS)));
        let hub = Arc::new(Hub::default());
        let store = Arc::new(MemoryStore::new(hub.clone()));
        let plenty = Rate::new(1_000_000, 1_000_000);
        let limits = RateLimits {
            sends: plenty,
            reads: plenty,
            look_ups: plenty,
            device_lists: plenty,
            bundles_of_one: plenty,
            bundles: plenty,
            key_uploads: plenty,
            changes: plenty,
            contacts: plenty,
            group_operations: plenty,
            ..RateLimits::default()
        };
        let parts = DomainParts {
            inbox: store.clone(),
            directory: store.clone(),
            people: store.clone(),
            reports: store.clone(),
            groups: store.clone(),
            prekeys: store.clone(),
            meta: store,
            ephemeral: Arc::new(MemoryEphemeral::new(100_000, 64 << 20)),
            clock: clock.clone(),
            connections: hub.clone(),
        };
        let config =
            DomainConfig { registration: RegistrationPolicy::Open, limits, requests, ..DomainConfig::default() };
        let domain = runtime.block_on(Domain::new(parts, config)).expect("memory works");
        domain.people().observe(Arc::<Hub>::downgrade(&hub) as Weak<dyn PeopleObserver>);
        let router = sotto_api::router(Arc::clone(&domain), ApiConfig { body_timeout: None, ..ApiConfig::default() });
        Self { runtime, clock, domain, router, hub }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    pub fn sweep(&self) {
        self.runtime.block_on(self.domain.sweep()).expect("memory works");
    }

    pub fn disconnected(&self, connection: &Connection) {
        if let Some(who) = &connection.who {
            self.hub.connected.lock().remove(&who.address);
            self.hub.tell(News::Presence(who.address.account));
            self.runtime.block_on(self.domain.seen(who.address));
        }
    }

    pub fn set_block(&self, connection: &Connection, other: AccountId, blocked: bool) {
        let who = connection.who.as_ref().expect("a signed-in device");
        self.runtime.block_on(self.domain.set_block(who, other, blocked)).expect("memory works");
    }

    pub fn on_request(&mut self, request: &HttpRequest) -> HttpAnswer {
        let method = match request.method {
            HttpMethod::Get => http::Method::GET,
            HttpMethod::Post => http::Method::POST,
            HttpMethod::Put => http::Method::PUT,
            HttpMethod::Delete => http::Method::DELETE,
        };
        // The simulation asks again by itself instead of waiting in real time.
        let url = request.url.replace("wait_s=25", "wait_s=0");
        let mut builder = http::Request::builder().method(method).uri(url);
        if let Some(bearer) = &request.bearer {
            builder = builder.header("authorization", format!("Bearer {}", bearer.expose()));
        }
        if request.body.is_some() {
            builder = builder.header("content-type", "application/json");
        }
        let body = Body::from(request.body.clone().unwrap_or_default());
        let request = builder
            .extension(ClientIp(IpAddr::V4(Ipv4Addr::LOCALHOST)))
            .body(body)
            .expect("an engine makes valid requests");
        let mut router = self.router.clone();
        self.runtime.block_on(async move {
            let response = router.call(request).await.expect("a router always answers");
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.expect("a body in memory").to_bytes().to_vec();
            HttpAnswer { status, body }
        })
    }

    pub fn on_frame(&mut self, connection: &mut Connection, bytes: Bytes) -> Vec<pb::ServerFrame> {
        let frame = sotto_wire::decode_client_frame(bytes).expect("an engine sends frames");
        let Some(body) = frame.body else { return Vec::new() };
        if let pb::client_frame::Body::Hello(hello) = body {
            return self.on_hello(connection, &hello);
        }
        let Some(who) = connection.who else { return vec![error(ErrorCode::HelloRequired, "hello first")] };
        match body {
            pb::client_frame::Body::Hello(_) => Vec::new(),
            pb::client_frame::Body::SendDirect(send) => vec![self.on_send(who.address, send)],
            pb::client_frame::Body::Ack(ack) => {
                let entries = |ids: Vec<u64>| {
                    ids.into_iter().map(|id| AckedEntry { entry_id: EntryId::new(id), header: None }).collect()
                };
                let done = self.domain.ack(who.address, entries(ack.ok), entries(ack.undecryptable));
                self.runtime.block_on(done).expect("acks are within limits");
                Vec::new()
            }
            pb::client_frame::Body::Read(read) => {
                let conversation = match read.conversation.and_then(|conversation| conversation.of) {
                    Some(pb::conversation::Of::Peer(peer)) => {
                        Conversation::Peer(AccountId::try_from(&peer[..]).expect("an engine names accounts"))
                    }
                    Some(pb::conversation::Of::Group(group)) => Conversation::Group(group_id(&group)),
                    None => return Vec::new(),
                };
                let up_to = MessageId::new(read.up_to);
                match self.runtime.block_on(self.domain.read(who.address, conversation, up_to)) {
                    Ok(()) => Vec::new(),
                    Err(refusal) => vec![pb::ServerFrame { r#ref: frame.r#ref, ..refused(&refusal, Bytes::new()) }],
                }
            }
            pb::client_frame::Body::SendGroup(send) => vec![self.on_send_group(who.address, send)],
            pb::client_frame::Body::SendKeys(send) => vec![self.on_send_keys(who.address, send)],
            pb::client_frame::Body::GroupAck(ack) => {
                let acked = ack.groups.iter().map(|cursor| GroupAcked {
                    group: group_id(&cursor.group_id),
                    up_to: MessageId::new(cursor.up_to),
                    delivered: MessageId::new(if cursor.delivered == 0 { cursor.up_to } else { cursor.delivered }),
                    pushed: false,
                });
                let acked: Vec<GroupAcked> = acked.collect();
                let done = self.domain.group_ack(who.address, &acked);
                self.runtime.block_on(done).expect("acks are within limits");
                Vec::new()
            }
            pb::client_frame::Body::Heartbeat(heartbeat) => {
                self.hub.note_foreground(who.address, heartbeat.foreground);
                let ack = frame_of(Frame::HeartbeatAck(pb::HeartbeatAck { server_time_ms: self.now().as_ms() }));
                vec![pb::ServerFrame { r#ref: frame.r#ref, ..ack }]
            }
            pb::client_frame::Body::Typing(typing) => {
                self.on_typing(who.address.account, typing);
                Vec::new()
            }
            pb::client_frame::Body::SubscribePresence(wanted) => {
                let accounts: Vec<AccountId> = accounts(&wanted.accounts);
                self.hub.subscribed.lock().extend(accounts.iter().map(|account| (who.address, *account)));
                self.presence_for(who.address, &accounts).into_iter().collect()
            }
            pb::client_frame::Body::UnsubscribePresence(over) => {
                let over = accounts(&over.accounts);
                self.hub.subscribed.lock().retain(|(of, account)| *of != who.address || !over.contains(account));
                Vec::new()
            }
        }
    }

    fn on_typing(&self, from: AccountId, typing: pb::Typing) {
        let state = typing.state;
        match typing.conversation.and_then(|conversation| conversation.of) {
            Some(pb::conversation::Of::Peer(peer)) => {
                let to = AccountId::try_from(&peer[..]).expect("an engine names accounts");
                let may = self.domain.people();
                if self.runtime.block_on(may.may_type_to(from, to)).expect("memory works") {
                    let of = pb::conversation::Of::Peer(id_bytes(from));
                    self.hub.tell(News::Typing(to, typing_notice(of, from, state)));
                }
            }
            Some(pb::conversation::Of::Group(group)) => {
                for (member, _) in self.members(group_id(&group)).into_iter().filter(|(member, _)| *member != from) {
                    let of = pb::conversation::Of::Group(group.clone());
                    self.hub.tell(News::Typing(member, typing_notice(of, from, state)));
                }
            }
            None => {}
        }
    }

    /// Of those the device may see: whoever has a connection is online. Last seen is the time now, if it may be known.
    pub fn presence_for(&self, to: DeviceAddress, of: &[AccountId]) -> Option<pb::ServerFrame> {
        let people = self.domain.people();
        let seen = of.iter().map(|account| {
            let online = people.may_see_online(to.account, *account);
            let last_seen = people.may_see_last_seen(to.account, *account);
            let online = self.runtime.block_on(online).expect("memory works");
            let last_seen = self.runtime.block_on(last_seen).expect("memory works");
            let is_online = online && !self.hub.devices_of(*account).is_empty();
            let hidden = !online && !last_seen;
            pb::PersonPresence {
                account_id: id_bytes(*account),
                online: is_online,
                last_seen_ms: if is_online || !last_seen { 0 } else { self.now().as_ms() },
                hidden,
            }
        });
        let people: Vec<_> = seen.collect();
        (!people.is_empty()).then(|| frame_of(Frame::Presence(pb::Presence { people })))
    }

    fn on_hello(&mut self, connection: &mut Connection, hello: &pb::Hello) -> Vec<pb::ServerFrame> {
        let who = match self.runtime.block_on(self.domain.authenticate(&hello.access_token)) {
            Ok(who) => who,
            Err(refusal) => return vec![refused(&refusal, Bytes::new())],
        };
        self.hub.connected.lock().insert(who.address);
        self.hub.note_foreground(who.address, hello.foreground);
        self.hub.subscribed.lock().retain(|(of, _)| *of != who.address);
        self.hub.tell(News::Presence(who.address.account));
        let facts = match self.runtime.block_on(self.domain.connected(&who)) {
            Ok(facts) => facts,
            Err(refusal) => return vec![refused(&refusal, Bytes::new())],
        };
        connection.who = Some(who);
        let mut frames = vec![frame_of(Frame::Welcome(pb::Welcome {
            server_time_ms: self.now().as_ms(),
            generation: facts.generation,
            heartbeat_interval_s: 30,
            device_list_version: facts.list_version,
            one_time_ec_left: facts.key_counts.one_time_ec,
            one_time_kyber_left: facts.key_counts.one_time_kyber,
            window_entries: 256,
            window_bytes: 1 << 20,
            server: "sim".into(),
            suspended_devices: facts.suspended.into_iter().map(u32::from).collect(),
            everybody_accepted: facts.everybody_accepted,
        }))];
        self.hub.forget_entries(who.address);
        let waiting = self.domain.read_inbox(who.address, EntryId::ZERO, 100_000, usize::MAX);
        let waiting = self.runtime.block_on(waiting).expect("memory works");
        frames.extend(waiting.iter().map(deliver));
        frames.extend(self.waiting_in_groups(who.address).iter().map(|entry| group_entry(entry, who.address)));
        frames.push(frame_of(Frame::QueueDrained(pb::QueueDrained {})));
        frames
    }

    fn on_send(&mut self, from: DeviceAddress, send: pb::SendDirect) -> pb::ServerFrame {
        let id = send.client_msg_id.clone();
        let send = DirectSend {
            client_msg_id: ClientMsgId::try_from(&send.client_msg_id[..]).expect("an engine names sends"),
            recipient: AccountId::try_from(&send.recipient[..]).expect("an engine names accounts"),
            class: match send.class {
                2 => EnvelopeClass::Control,
                3 => EnvelopeClass::Resend,
                _ => EnvelopeClass::Message,
            },
            seen: MessageId::new(send.seen),
            recipient_list_version: send.recipient_list_version,
            own_list_version: send.own_list_version,
            to_recipient: send.to_recipient.into_iter().map(ciphertext).collect(),
            to_self: send.to_self.into_iter().map(ciphertext).collect(),
        };
        answered(self.runtime.block_on(self.domain.send_direct(from, send)), id)
    }

    fn on_send_group(&mut self, from: DeviceAddress, send: pb::SendGroup) -> pb::ServerFrame {
        let id = send.client_msg_id.clone();
        let send = GroupSend {
            client_msg_id: ClientMsgId::try_from(&send.client_msg_id[..]).expect("an engine names sends"),
            group: group_id(&send.group_id),
            class: if send.class == 2 { EnvelopeClass::Control } else { EnvelopeClass::Message },
            seen: MessageId::new(send.seen),
            roster: send.roster,
            ciphertext: send.ciphertext,
            to: send.to.into_iter().map(account_ciphertexts).collect(),
        };
        answered(self.runtime.block_on(self.domain.send_group(from, send)), id)
    }

    fn on_send_keys(&mut self, from: DeviceAddress, send: pb::SendKeys) -> pb::ServerFrame {
        let id = send.client_msg_id.clone();
        let send = KeysSend {
            client_msg_id: ClientMsgId::try_from(&send.client_msg_id[..]).expect("an engine names sends"),
            group: group_id(&send.group_id),
            to: send.to.into_iter().map(account_ciphertexts).collect(),
        };
        answered(self.runtime.block_on(self.domain.send_keys(from, send)), id)
    }

    /// Writes the group cursors and watermarks that were noted. False if there were none.
    pub fn write_cursors(&self) -> bool {
        self.runtime.block_on(self.domain.write_cursors()).expect("memory works") > 0
    }

    /// Who gets what is logged now, and since when.
    pub fn members(&self, group: GroupId) -> Vec<(AccountId, MessageId)> {
        let group = self.runtime.block_on(self.domain.group_members(group)).expect("memory works");
        group.map_or_else(Vec::new, |group| group.members.clone())
    }

    /// What of these an author may see.
    pub fn marks_for(&self, viewer: AccountId, marks: &[GroupMark]) -> Vec<GroupMark> {
        let shown = async {
            let to_show = self.domain.marks_to_show(marks).await?;
            self.domain.marks_for(viewer, &to_show).await
        };
        self.runtime.block_on(shown).expect("memory works").unwrap_or_else(|| marks.to_vec())
    }

    /// What the logs have for a device.
    pub fn waiting_in_groups(&self, of: DeviceAddress) -> Vec<LoggedEntry> {
        let waiting = self.runtime.block_on(self.domain.waiting_groups(of)).expect("memory works");
        let entries = waiting.into_iter().flat_map(|waiting| {
            let read = self.domain.read_log(waiting, usize::MAX, usize::MAX);
            self.runtime.block_on(read).expect("memory works")
        });
        entries.collect()
    }
}

fn id_bytes(account: AccountId) -> Bytes {
    Bytes::copy_from_slice(account.as_bytes())
}

fn accounts(ids: &[Bytes]) -> Vec<AccountId> {
    ids.iter().map(|id| AccountId::try_from(&id[..]).expect("an engine names accounts")).collect()
}

fn typing_notice(of: pb::conversation::Of, from: AccountId, state: i32) -> pb::TypingNotice {
    pb::TypingNotice { conversation: Some(pb::Conversation { of: Some(of) }), account_id: id_bytes(from), state }
}

fn answered(result: Result<Committed, SendRefused>, client_msg_id: Bytes) -> pb::ServerFrame {
    match result {
        Ok(committed) => frame_of(Frame::Accepted(pb::Accepted {
            client_msg_id,
            message_id: committed.message_id.get(),
            server_time_ms: committed.server_time.as_ms(),
        })),
        Err(SendRefused::DeviceMismatch(lists)) => frame_of(Frame::DeviceMismatch(pb::DeviceMismatch {
            client_msg_id,
            lists: lists
                .into_iter()
                .map(|list| pb::SignedDeviceList { payload: list.payload, signature: list.signature })
                .collect(),
        })),
        Err(SendRefused::StaleGroup(stale)) => frame_of(Frame::StaleGroup(pb::StaleGroup {
            client_msg_id,
            group_id: Bytes::copy_from_slice(stale.group.as_bytes()),
            roster: stale.roster,
            revision: stale.revision,
            head: Bytes::copy_from_slice(&stale.head),
        })),
        Err(SendRefused::Refused(refusal)) => refused(&refusal, client_msg_id),
    }
}

fn group_id(bytes: &[u8]) -> GroupId {
    GroupId::try_from(bytes).expect("an engine names groups")
}

fn account_ciphertexts(wire: pb::AccountCiphertexts) -> AccountCiphertexts {
    AccountCiphertexts {
        account: AccountId::try_from(&wire.account_id[..]).expect("an engine names accounts"),
        list_version: wire.list_version,
        devices: wire.devices.into_iter().map(ciphertext).collect(),
    }
}

pub(crate) fn group_entry(entry: &LoggedEntry, to: DeviceAddress) -> pb::ServerFrame {
    let item = match &entry.item {
        GroupItem::Message { class, ciphertext } => pb::group_entry::Item::Envelope(pb::GroupEnvelope {
            class: if *class == EnvelopeClass::Control { 2 } else { 1 },
            ciphertext: if entry.sender == to { Bytes::new() } else { ciphertext.clone() },
        }),
        GroupItem::Operation { payload, signature, details, .. } => {
            pb::group_entry::Item::Operation(pb::GroupLogOperation {
                payload: payload.clone(),
                signature: signature.clone(),
                details: details.clone(),
            })
        }
    };
    frame_of(Frame::GroupEntry(pb::GroupEntry {
        group_id: Bytes::copy_from_slice(entry.group.as_bytes()),
        message_id: entry.id.get(),
        previous: entry.previous.get(),
        server_time_ms: entry.server_time.as_ms(),
        sender_account: Bytes::copy_from_slice(entry.sender.account.as_bytes()),
        sender_device: entry.sender.device.into(),
        item: Some(item),
    }))
}

pub(crate) fn typing(notice: &pb::TypingNotice) -> pb::ServerFrame {
    frame_of(Frame::Typing(notice.clone()))
}

pub(crate) fn group_marks(group: GroupId, marks: &[GroupMark]) -> pb::ServerFrame {
    let marks = marks.iter().map(|mark| pb::MemberMark {
        member: Bytes::copy_from_slice(mark.member.as_bytes()),
        delivered: mark.delivered.as_ref().map(step),
        read: mark.read.as_ref().map(step),
    });
    let group_id = Bytes::copy_from_slice(group.as_bytes());
    frame_of(Frame::GroupMarks(pb::GroupMarks { group_id, marks: marks.collect() }))
}

fn ciphertext(wire: pb::DeviceCiphertext) -> DirectCiphertext {
    DirectCiphertext {
        device: DeviceId::try_from(wire.device_id).expect("an engine names devices"),
        registration_id: wire.registration_id,
        ciphertext_type: match wire.r#type {
            1 => CiphertextType::Ratchet,
            2 => CiphertextType::PreKey,
            _ => CiphertextType::SenderKey,
        },
        ciphertext: wire.ciphertext,
    }
}

fn frame_of(body: Frame) -> pb::ServerFrame {
    pb::ServerFrame { r#ref: 0, body: Some(body) }
}

fn refused(refusal: &Refusal, client_msg_id: Bytes) -> pb::ServerFrame {
    frame_of(Frame::Error(pb::Error {
        code: refusal.code.number(),
        detail: refusal.detail.clone(),
        action: 0,
        retry_after_ms: refusal.retry_after.map_or(0, |wait| u32::try_from(wait.as_millis()).unwrap_or(u32::MAX)),
        client_msg_id,
    }))
}

pub(crate) fn error(code: ErrorCode, detail: &str) -> pb::ServerFrame {
    refused(&Refusal::new(code, detail), Bytes::new())
}

pub(crate) fn account_changed(account: AccountId, list_version: u32, prekeys_low: bool) -> pb::ServerFrame {
    let account_id = Bytes::copy_from_slice(account.as_bytes());
    frame_of(Frame::AccountChanged(pb::AccountChanged { account_id, device_list_version: list_version, prekeys_low }))
}

/// Who wrote a pairwise group's message.
pub(crate) fn author_in_group(entry: &Queued) -> Option<(GroupId, AccountId)> {
    match &entry.item {
        QueuedItem::Envelope(envelope) if envelope.class == EnvelopeClass::Message => {
            Some((envelope.group?, envelope.sender.account))
        }
        _ => None,
    }
}

pub(crate) fn deliver(entry: &Queued) -> pb::ServerFrame {
    let item = match &entry.item {
        QueuedItem::Envelope(envelope) => pb::deliver::Item::Envelope(pb::Envelope {
            sender_account: Bytes::copy_from_slice(envelope.sender.account.as_bytes()),
            sender_device: envelope.sender.device.into(),
            class: match envelope.class {
                EnvelopeClass::Message => 1,
                EnvelopeClass::Control => 2,
                EnvelopeClass::Resend => 3,
            },
            r#type: match envelope.ciphertext_type {
                CiphertextType::Ratchet => 1,
                CiphertextType::PreKey => 2,
                CiphertextType::SenderKey => 3,
            },
            ciphertext: envelope.ciphertext.clone(),
            message_id: envelope.message_id.get(),
            server_time_ms: envelope.server_time.as_ms(),
            group_id: envelope.group.map(|group| Bytes::copy_from_slice(group.as_bytes())).unwrap_or_default(),
        }),
        QueuedItem::Receipt(receipt) => pb::deliver::Item::Receipt(pb::Receipt {
            conversation: Some(conversation(&receipt.conversation)),
            member: Bytes::copy_from_slice(receipt.member.as_bytes()),
            delivered: receipt.delivered.iter().map(step).collect(),
            read: receipt.read.iter().map(step).collect(),
        }),
        QueuedItem::Failure(failure) => pb::deliver::Item::SendFailed(pb::SendFailed {
            conversation: Some(conversation(&failure.conversation)),
            message_id: failure.message_id.get(),
        }),
    };
    frame_of(Frame::Deliver(pb::Deliver { entry_id: entry.entry_id.get(), item: Some(item) }))
}

fn conversation(of: &Conversation) -> pb::Conversation {
    let of = match of {
        Conversation::Peer(account) => pb::conversation::Of::Peer(Bytes::copy_from_slice(account.as_bytes())),
        Conversation::Group(group) => pb::conversation::Of::Group(Bytes::copy_from_slice(group.as_bytes())),
    };
    pb::Conversation { of: Some(of) }
}

fn step(step: &Step) -> pb::Step {
    pb::Step { message_id: step.up_to.get(), at_ms: step.at.as_ms() }
}
