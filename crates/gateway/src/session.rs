//! Session: one device's side of the protocol, without its socket.
//! Flow: `Hello` -> authenticated, registered as the device's newest connection -> `Welcome` -> deliveries (`delivery`),
//!       sends, acks, reads, heartbeats -> closing.
//! Always true:
//! - nothing but Hello is looked at before `Welcome`;
//! - sends start in the order of their frames, each polled once on arrival, so that they reach the store in that order;
//! - at most `sends_in_flight` answers and one ack are outstanding; beyond that the socket is not read;
//! - an error never touches another connection.
//!
//! Elsewhere: bytes and frames in `connection`, meaning and durability in the domain.

use crate::delivery::{AckFound, Delivery};
use crate::gateway::Gateway;
use crate::group_delivery::GroupDelivery;
use crate::handle::{Expiry, Handle, Mail, Notice};
use crate::parse::Parsed;
use crate::presence::{PresenceSide, give_typing};
use crate::stats::Stats;
use crate::{encode, parse};
use bytes::Bytes;
use sotto_domain::{AckedEntry, ConnectionFacts, GroupAcked, Refusal, SendRefused, SignedIn};
use sotto_ports::Committed;
use sotto_types::{DeviceAddress, EntryId, ErrorCode, Secret, Timestamp, limits};
use sotto_wire::pb::{self, client_frame, server_frame::Body};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Acks that may wait for the one that runs; more stay in the socket.
const ACKS_WAITING_MAX: usize = 4 * limits::ACK_ENTRIES;
const TOKEN_BYTES_MAX: usize = 4096;
const CLIENT_NAME_BYTES_MAX: usize = 64;

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// With a close frame: (code, reason).
    Close(Option<u16>, &'static str),
    /// The peer is gone: nothing is written any more.
    Drop,
}

enum Done {
    Send {
        reference: u32,
        client_msg_id: Bytes,
        result: Result<Committed, SendRefused>,
    },
    Read {
        reference: u32,
        result: Result<(), Refusal>,
    },
    GroupAck {
        result: Result<(), Refusal>,
    },
    /// Nothing is said about it.
    Quiet,
}

enum Phase {
    AwaitHello,
    Authenticating { reference: u32, foreground: bool, work: BoxFuture<Result<(SignedIn, ConnectionFacts), Refusal>> },
    Live,
    Ended,
}

pub(crate) struct Session {
    gateway: Arc<Gateway>,
    handle: Arc<Handle>,
    phase: Phase,
    end: Option<End>,
    /// Set by `Drain`: nothing more is read; ends when nothing is in flight.
    draining: bool,
    in_flight: VecDeque<BoxFuture<Done>>,
    /// How many of `in_flight` are reads, and the heartbeats that came after them: the answer to a heartbeat says that the
    /// reads before it were applied, or that their errors were sent.
    reads: usize,
    heartbeats: Vec<u32>,
    /// The day on which the device was last noted as seen.
    seen_on: Timestamp,
    acks: Acks,
    /// What had waited for the running ack when the connection ended.
    last_acks: Option<Box<(Vec<AckedEntry>, Vec<AckedEntry>)>>,
    delivery: Delivery,
    groups: GroupDelivery,
    presence: PresenceSide,
    /// `QueueDrained` was sent.
    told_drained: bool,
}

#[derive(Default)]
struct Acks {
    ok: Vec<AckedEntry>,
    undecryptable: Vec<AckedEntry>,
    running: Option<BoxFuture<Result<(), Refusal>>>,
}

impl Acks {
    fn waiting(&self) -> usize {
        self.ok.len() + self.undecryptable.len()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.presence.leave(&self.gateway);
        self.gateway.forget(&self.handle);
    }
}

impl Session {
    pub(crate) fn new(gateway: Arc<Gateway>, handle: Arc<Handle>) -> Self {
        Self {
            gateway,
            handle,
            phase: Phase::AwaitHello,
            end: None,
            draining: false,
            in_flight: VecDeque::new(),
            reads: 0,
            heartbeats: Vec::new(),
            seen_on: Timestamp::default(),
            acks: Acks::default(),
            last_acks: None,
            delivery: Delivery::default(),
            groups: GroupDelivery::default(),
            presence: PresenceSide::default(),
            told_drained: false,
        }
    }

    pub(crate) const fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Live)
    }

    pub(crate) const fn end(&self) -> Option<End> {
        self.end
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(crate) fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Whether another frame may be parsed now.
    pub(crate) fn wants_frames(&self) -> bool {
        let ready = matches!(self.phase, Phase::AwaitHello | Phase::Live);
        ready
            && self.end.is_none()
            && !self.draining
            && self.in_flight.len().max(self.heartbeats.len()) < self.gateway.config.sends_in_flight
            && self.acks.waiting() < ACKS_WAITING_MAX
    }

    /// Takes the mailbox. `closing`: the connection is past its end and only wants to know when its time is up.
    pub(crate) fn receive(&mut self, waker: &Waker, out: &mut Vec<u8>) -> bool {
        let mail = self.handle.receive(waker);
        let Mail { feed, notices, behind, group_feed, groups_behind, marks, typing, presence, .. } = mail;
        let Mail { close, drain_ms, expired, .. } = mail;
        if self.end.is_some() {
            return expired.is_some();
        }
        if let Some(why) = close {
            self.fail(out, 0, &Refusal::new(why, detail_of_close(why)), Bytes::new());
        } else if let Some(expiry) = expired {
            self.expire(expiry, out);
        } else if let Some(reconnect_after_ms) = drain_ms {
            self.drain(out, reconnect_after_ms);
        }
        if self.end.is_none() && self.is_live() {
            self.delivery.take_feed(feed, behind, self.gateway.config.window_entries);
            self.groups.take_feed(group_feed, groups_behind, self.gateway.config.window_entries);
            marks.iter().for_each(|frame| out.extend_from_slice(frame));
            typing.iter().for_each(|typing| encode::typing(out, typing));
            self.gateway.stats.typing_out.increment(typing.len() as u64);
            if presence {
                self.presence.look();
            }
            for Notice { account, list_version, prekeys_low } in notices {
                let account_id = Bytes::copy_from_slice(account.as_bytes());
                let body = pb::AccountChanged { account_id, device_list_version: list_version, prekeys_low };
                encode::frame(out, 0, Body::AccountChanged(body));
            }
        }
        false
    }

    fn expire(&mut self, expiry: Expiry, out: &mut Vec<u8>) {
        let stats = &self.gateway.stats;
        if expiry == Expiry::Stalled {
            stats.write_stalls.increment(1);
            self.finish(End::Drop);
        } else if self.is_live() {
            stats.heartbeats_missed.increment(1);
            self.finish(End::Drop);
        } else {
            stats.hello_timeouts.increment(1);
            let refusal = Refusal::new(ErrorCode::HelloRequired, "no Hello in time");
            self.fail(out, 0, &refusal, Bytes::new());
        }
    }

    fn drain(&mut self, out: &mut Vec<u8>, reconnect_after_ms: u32) {
        if !self.is_live() {
            let mut refusal = Refusal::new(ErrorCode::GoingAway, "the server is shutting down");
            refusal.retry_after = Some(Duration::from_millis(reconnect_after_ms.into()));
            return self.fail(out, 0, &refusal, Bytes::new());
        }
        self.draining = true;
        encode::frame(out, 0, Body::Drain(pb::Drain { reconnect_after_ms }));
    }

    /// One whole message. May start work, which is polled at once.
    pub(crate) fn on_message(&mut self, payload: Cow<'_, [u8]>, cx: &mut Context<'_>, out: &mut Vec<u8>) {
        let parsed = match parse::client_frame(payload) {
            Ok(parsed) => parsed,
            Err(refusal) => return self.fail(out, 0, &refusal, Bytes::new()),
        };
        match (parsed, &self.phase) {
            (Parsed::Known(reference, client_frame::Body::Hello(hello)), Phase::AwaitHello) => {
                match check_hello(&hello) {
                    Ok(()) => self.authenticate(reference, hello, cx, out),
                    Err(refusal) => self.fail(out, reference, &refusal, Bytes::new()),
                }
            }
            (Parsed::Known(reference, _) | Parsed::Unknown(reference, _), Phase::AwaitHello) => {
                let refusal = Refusal::new(ErrorCode::HelloRequired, "the first frame is Hello");
                self.fail(out, reference, &refusal, Bytes::new());
            }
            (Parsed::Known(reference, body), _) => self.on_frame(reference, body, cx, out),
            (Parsed::Unknown(reference, field), _) => {
                encode::frame(out, reference, Body::Unsupported(pb::Unsupported { field }));
            }
        }
    }

    fn on_frame(&mut self, reference: u32, body: client_frame::Body, cx: &mut Context<'_>, out: &mut Vec<u8>) {
        use client_frame::Body as Client;
        match body {
            Client::SendDirect(send) => self.on_send(reference, send, cx, out),
            Client::Ack(ack) => self.on_ack(reference, &ack, cx, out),
            Client::Read(read) => self.on_read(reference, read, cx, out),
            Client::Heartbeat(heartbeat) => self.on_heartbeat(reference, heartbeat.foreground, cx, out),
            Client::Typing(typing) => self.on_typing(reference, typing, cx, out),
            Client::SubscribePresence(subscribe) => self.on_subscribe(reference, &subscribe, cx, out),
            Client::UnsubscribePresence(unsubscribe) => self.on_unsubscribe(reference, &unsubscribe, out),
            Client::SendGroup(send) => self.on_send_group(reference, send, cx, out),
            Client::SendKeys(send) => self.on_send_keys(reference, send, cx, out),
            Client::GroupAck(ack) => self.on_group_ack(reference, &ack, cx, out),
            Client::Hello(_) => {
                let refusal = Refusal::new(ErrorCode::BadFrame, "a second Hello");
                self.fail(out, reference, &refusal, Bytes::new());
            }
        }
    }

    fn authenticate(&mut self, reference: u32, hello: pb::Hello, cx: &mut Context<'_>, out: &mut Vec<u8>) {
        let (token, foreground) = (Secret::new(hello.access_token), hello.foreground);
        let (gateway, handle) = (self.gateway.clone(), self.handle.clone());
        let work = Box::pin(async move {
            let who = gateway.domain.authenticate(token.expose()).await?;
            // Registered before `connected` looks at the directory again: a device that is unlinked from here on finds
            // this connection to close.
            gateway.router.register(who.address, handle);
            let facts = gateway.domain.connected(&who).await?;
            Ok((who, facts))
        });
        self.phase = Phase::Authenticating { reference, foreground, work };
        self.poll_work(cx, out);
    }

    /// Polls what runs. True if something moved on.
    pub(crate) fn poll_work(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> bool {
        let mut moved = self.poll_authentication(cx, out);
        if !self.is_live() {
            return moved;
        }
        moved |= self.poll_in_flight(cx, out);
        moved |= self.poll_ack(cx, out);
        moved |= match self.delivery.poll_page(cx, &self.gateway, out) {
            Ok(moved) => moved,
            Err(refusal) => {
                self.fail(out, 0, &refusal, Bytes::new());
                true
            }
        };
        let idle = self.in_flight.is_empty() && self.acks.running.is_none();
        if self.draining && idle && self.end.is_none() {
            self.finish(End::Close(Some(1001), "going-away"));
        }
        moved
    }

    fn poll_authentication(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> bool {
        let Phase::Authenticating { reference, foreground, work } = &mut self.phase else { return false };
        let (reference, foreground) = (*reference, *foreground);
        let Poll::Ready(result) = work.as_mut().poll(cx) else { return false };
        self.phase = Phase::AwaitHello;
        match result {
            Ok((who, facts)) => {
                self.welcome(reference, &who, &facts, out);
                self.presence.begin(&self.gateway, &self.handle, foreground, self.gateway.clock.now());
            }
            Err(refusal) => self.fail(out, reference, &refusal, Bytes::new()),
        }
        true
    }

    fn welcome(&mut self, reference: u32, who: &SignedIn, facts: &ConnectionFacts, out: &mut Vec<u8>) {
        tracing::debug!(device = %who.address, "connected");
        let config = &self.gateway.config;
        let welcome = pb::Welcome {
            server_time_ms: self.gateway.clock.now().as_ms(),
            generation: facts.generation,
            heartbeat_interval_s: u32::try_from(limits::HEARTBEAT.as_secs()).unwrap_or(u32::MAX),
            device_list_version: facts.list_version,
            one_time_ec_left: facts.key_counts.one_time_ec,
            one_time_kyber_left: facts.key_counts.one_time_kyber,
            window_entries: u32::try_from(config.window_entries).unwrap_or(u32::MAX),
            window_bytes: u32::try_from(config.window_bytes).unwrap_or(u32::MAX),
            server: config.server_name.clone(),
            suspended_devices: facts.suspended.iter().map(|device| u32::from(*device)).collect(),
            everybody_accepted: facts.everybody_accepted,
        };
        encode::frame(out, reference, Body::Welcome(welcome));
        self.phase = Phase::Live;
        self.seen_on = self.gateway.clock.now().start_of_day();
        // Until now it was the time for a Hello.
        self.handle.set_deadline(self.gateway.ticks_from_now(self.gateway.config.idle_timeout));
        self.delivery.begin();
        self.groups.begin();
    }

    fn on_send(&mut self, reference: u32, send: pb::SendDirect, cx: &mut Context<'_>, out: &mut Vec<u8>) {
        let Some(from) = self.handle.address() else { return };
        let client_msg_id = echoed(&send.client_msg_id);
        let Some(send) = taken(parse::direct_send(send), reference, &client_msg_id, out) else { return };
        let gateway = self.gateway.clone();
        self.start(cx, out, async move {
            let result = gateway.domain.send_direct(from, send).await;
            Done::Send { reference, client_msg_id, result }
        });
    }

    fn on_send_group(&mut self, reference: u32, send: pb::SendGroup, cx: &mut Context<'_>, out: &mut Vec<u8>) {
        let Some(from) = self.handle.address() else { return };
        let client_msg_id = echoed(&send.client_msg_id);
        let Some(send) = taken(parse::group_send(send), reference, &client_msg_id, out) else { return };
        let gateway = self.gateway.clone();
        self.start(cx, out, async move {
            let result = gateway.domain.send_group(from, send).await;
            Done::Send { reference, client_msg_id, result }
        });
    }

    fn on_send_keys(&mut self, reference: u32, send: pb::SendKeys, cx: &mut Context<'_>, out: &mut Vec<u8>) {
        let Some(from) = self.handle.address() else { return };
        let client_msg_id = echoed(&send.client_msg_id);
        let Some(send) = taken(parse::keys_send(send), reference, &client_msg_id, out) else { return };
        let gateway = self.gateway.clone();
        self.start(cx, out, async move {
            let result = gateway.domain.send_keys(from, send).await;
            Done::Send { reference, client_msg_id, result }
        });
    }

    fn on_group_ack(&mut self, reference: u32, ack: &pb::GroupAck, cx: &mut Context<'_>, out: &mut Vec<u8>) {
        let Some(of) = self.handle.address() else { return };
        let Some(cursors) = taken(parse::group_ack(ack), reference, &Bytes::new(), out) else { return };
        let now_us = self.gateway.router.now_us();
        let stats = &self.gateway.stats;
        let groups = &mut self.groups;
        let acked: Vec<GroupAcked> = cursors
            .into_iter()
            .map(|(group, up_to, delivered)| {
                let waited = |committed_us: u64| {
                    stats.commit_to_ack.record(Duration::from_micros(now_us.saturating_sub(committed_us)));
                };
                let pushed = groups.acked(group, up_to, waited);
                GroupAcked { group, up_to, delivered, pushed }
            })
            .collect();
        let gateway = self.gateway.clone();
        self.start(cx, out, async move { Done::GroupAck { result: gateway.domain.group_ack(of, &acked).await } });
    }

    fn on_read(&mut self, reference: u32, read: pb::Read, cx: &mut Context<'_>, out: &mut Vec<u8>) {
        let Some(of) = self.handle.address() else { return };
        let conversation = match parse::conversation(read.conversation) {
            Ok(conversation) => conversation,
            Err(refusal) => {
                Stats::rejected(refusal.code);
                return encode::frame(out, reference, encode::error(&refusal, Bytes::new()));
            }
        };
        let gateway = self.gateway.clone();
        let up_to = sotto_types::MessageId::new(read.up_to);
        let before = self.in_flight.len();
        self.start(cx, out, async move {
            Done::Read { reference, result: gateway.domain.read(of, conversation, up_to).await }
        });
        self.reads += self.in_flight.len() - before;
    }

    /// The most frequent frame of all: nothing is allocated, and nothing waited for.
    fn on_heartbeat(&mut self, reference: u32, foreground: bool, cx: &mut Context<'_>, out: &mut Vec<u8>) {
        let now = self.gateway.clock.now();
        self.gateway.stats.heartbeats.increment(1);
        self.presence.heard(&self.gateway, &self.handle, foreground, now);
        self.groups.forget_recent(&self.gateway.router);
        if self.reads > 0 {
            self.heartbeats.push(reference);
        } else {
            encode::heartbeat_ack(out, reference, now);
        }
        let today = now.start_of_day();
        if let Some(of) = self.handle.address()
            && today > self.seen_on
        {
            self.seen_on = today;
            let gateway = self.gateway.clone();
            self.start(cx, out, async move {
                gateway.domain.seen(of).await;
                Done::Quiet
            });
        }
    }

    fn answer_heartbeats(&mut self, out: &mut Vec<u8>) {
        if self.reads > 0 {
            return;
        }
        let now = self.gateway.clock.now();
        for reference in std::mem::take(&mut self.heartbeats) {
            encode::heartbeat_ack(out, reference, now);
        }
    }

    fn on_subscribe(
        &mut self,
        reference: u32,
        subscribe: &pb::SubscribePresence,
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
    ) {
        let accounts = parse::accounts_named(&subscribe.accounts, limits::PRESENCE_ACCOUNTS);
        let work = accounts.and_then(|accounts| self.presence.subscribe(&self.gateway, &self.handle, &accounts));
        let Some(work) = taken(work, reference, &Bytes::new(), out) else { return };
        self.start(cx, out, async move {
            work.await;
            Done::Quiet
        });
    }

    fn on_unsubscribe(&mut self, reference: u32, unsubscribe: &pb::UnsubscribePresence, out: &mut Vec<u8>) {
        let accounts = parse::accounts_named(&unsubscribe.accounts, limits::PRESENCE_SUBSCRIPTIONS);
        let Some(accounts) = taken(accounts, reference, &Bytes::new(), out) else { return };
        self.presence.unsubscribe(&self.gateway, &accounts);
    }

    fn on_typing(&mut self, reference: u32, typing: pb::Typing, cx: &mut Context<'_>, out: &mut Vec<u8>) {
        let Some(from) = self.handle.address() else { return };
        let Some((conversation, state)) = taken(parse::typing(typing), reference, &Bytes::new(), out) else { return };
        if self.presence.may_type(conversation, state, self.gateway.clock.now()) {
            let gateway = self.gateway.clone();
            self.start(cx, out, async move {
                give_typing(&gateway, from, conversation, state).await;
                Done::Quiet
            });
        }
    }

    fn start(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>, work: impl Future<Output = Done> + Send + 'static) {
        let mut work: BoxFuture<Done> = Box::pin(work);
        match work.as_mut().poll(cx) {
            Poll::Ready(done) => answer(out, done),
            Poll::Pending => self.in_flight.push_back(work),
        }
    }

    fn poll_in_flight(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> bool {
        if self.in_flight.is_empty() {
            return false;
        }
        let before = self.in_flight.len();
        let reads = &mut self.reads;
        self.in_flight.retain_mut(|work| match work.as_mut().poll(cx) {
            Poll::Ready(done) => {
                *reads -= usize::from(matches!(done, Done::Read { .. }));
                answer(out, done);
                false
            }
            Poll::Pending => true,
        });
        self.answer_heartbeats(out);
        if self.in_flight.is_empty() {
            self.in_flight = VecDeque::new();
        }
        self.in_flight.len() < before
    }

    fn on_ack(&mut self, reference: u32, ack: &pb::Ack, cx: &mut Context<'_>, out: &mut Vec<u8>) {
        if ack.ok.len().saturating_add(ack.undecryptable.len()) > limits::ACK_ENTRIES {
            let refusal = Refusal::new(ErrorCode::BadRequest, "an ack names at most 1024 entries");
            Stats::rejected(refusal.code);
            return encode::frame(out, reference, encode::error(&refusal, Bytes::new()));
        }
        let Some(of) = self.handle.address() else { return };
        let now_us = self.gateway.router.now_us();
        for (ids, kept) in [(&ack.ok, &mut self.acks.ok), (&ack.undecryptable, &mut self.acks.undecryptable)] {
            for id in ids {
                let entry_id = EntryId::new(*id);
                let found = self.delivery.acked(of, entry_id);
                if let Some(AckFound { committed_us: Some(committed_us), .. }) = found {
                    let waited = Duration::from_micros(now_us.saturating_sub(committed_us));
                    self.gateway.stats.commit_to_ack.record(waited);
                }
                kept.push(AckedEntry { entry_id, header: found.map(|found| found.header) });
            }
        }
        self.poll_ack(cx, out);
    }

    /// One ack runs at a time; what arrives meanwhile goes together in the next.
    fn poll_ack(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> bool {
        let mut moved = false;
        loop {
            if let Some(running) = &mut self.acks.running {
                let Poll::Ready(result) = running.as_mut().poll(cx) else { return moved };
                self.acks.running = None;
                moved = true;
                if let Err(refusal) = result {
                    // The entries stay in the store and are delivered again after a reconnect.
                    Stats::rejected(refusal.code);
                    encode::frame(out, 0, encode::error(&refusal, Bytes::new()));
                }
            }
            let Some(of) = self.handle.address() else { return moved };
            if self.acks.waiting() == 0 {
                return moved;
            }
            let (ok, undecryptable) = (std::mem::take(&mut self.acks.ok), std::mem::take(&mut self.acks.undecryptable));
            let gateway = self.gateway.clone();
            self.acks.running = Some(Box::pin(async move { gateway.domain.ack(of, ok, undecryptable).await }));
        }
    }

    /// Pushes what the window and the socket have room for. True if there may be more to push at once: a page of the store came
    /// or was begun. What the mailbox brought is no reason to look again: it was pushed, or left to the store.
    pub(crate) fn deliver(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>, socket_free: bool) -> bool {
        if !self.is_live() || self.end.is_some() || self.draining {
            return false;
        }
        let Some(of) = self.handle.address() else { return false };
        let (gateway, handle) = (&self.gateway, &self.handle);
        let mut moved = false;
        if socket_free {
            let people = self.presence.take();
            if !people.is_empty() {
                gateway.stats.presence_out.increment(people.len() as u64);
                encode::presence(out, &people);
            }
        }
        self.delivery.push_feed(gateway, out);
        if socket_free && self.delivery.start_page(of, gateway, handle) {
            moved = match self.delivery.poll_page(cx, gateway, out) {
                Ok(moved) => moved,
                Err(refusal) => {
                    self.fail(out, 0, &refusal, Bytes::new());
                    return true;
                }
            };
        }
        // What waits in the inbox may be the keys for what is in the logs.
        if self.delivery.is_up_to_date() {
            self.groups.push_feed(of, gateway, out);
            if socket_free {
                moved |= match self.groups.read_logs(of, cx, gateway, handle, out) {
                    Ok(moved) => moved,
                    Err(refusal) => {
                        self.fail(out, 0, &refusal, Bytes::new());
                        return true;
                    }
                };
            }
            if !self.told_drained && self.groups.is_drained() {
                self.told_drained = true;
                encode::frame(out, 0, Body::QueueDrained(pb::QueueDrained {}));
                moved = true;
            }
        }
        self.groups.shed();
        moved
    }

    /// Tells the peer why, and ends the connection.
    pub(crate) fn fail(&mut self, out: &mut Vec<u8>, reference: u32, refusal: &Refusal, client_msg_id: Bytes) {
        self.fail_with(out, reference, refusal, client_msg_id, close_code(refusal.code));
    }

    pub(crate) fn fail_with(
        &mut self,
        out: &mut Vec<u8>,
        reference: u32,
        refusal: &Refusal,
        client_msg_id: Bytes,
        close_code: u16,
    ) {
        Stats::rejected(refusal.code);
        encode::frame(out, reference, encode::error(refusal, client_msg_id));
        self.finish(End::Close(Some(close_code), refusal.code.slug()));
    }

    /// Drops all that runs. A send dropped here is stored wholly or not at all; its sender repeats it.
    pub(crate) fn finish(&mut self, end: End) {
        self.end = Some(end);
        self.handle.stop_feed();
        self.presence.finish(&self.gateway, &self.handle, end);
        self.in_flight = VecDeque::new();
        let Acks { ok, undecryptable, .. } = std::mem::take(&mut self.acks);
        self.last_acks = (ok.len() + undecryptable.len() > 0).then(|| Box::new((ok, undecryptable)));
        self.delivery = Delivery::default();
        self.groups = GroupDelivery::default();
        self.phase = Phase::Ended;
    }

    /// What is left to do for the domain when the connection is gone.
    pub(crate) fn farewell(&mut self) -> Option<BoxFuture<()>> {
        let of: DeviceAddress = self.handle.address()?;
        self.gateway.router.unregister(of, &self.handle);
        let last_acks = self.last_acks.take();
        let gateway = self.gateway.clone();
        Some(Box::pin(async move {
            if let Some((ok, undecryptable)) = last_acks.map(|acks| *acks) {
                // Else these would be delivered again. A failing store shows itself elsewhere at once.
                gateway.domain.ack(of, ok, undecryptable).await.ok();
            }
            gateway.domain.seen(of).await;
        }))
    }
}

/// Echoed even if it is no id, so that the client finds which send was refused; but not at any length.
fn echoed(client_msg_id: &Bytes) -> Bytes {
    if client_msg_id.len() <= 16 { client_msg_id.clone() } else { Bytes::new() }
}

/// A frame's values, or the answer that it has none.
fn taken<T>(parsed: Result<T, Refusal>, reference: u32, client_msg_id: &Bytes, out: &mut Vec<u8>) -> Option<T> {
    parsed
        .inspect_err(|refusal| {
            Stats::rejected(refusal.code);
            encode::frame(out, reference, encode::error(refusal, client_msg_id.clone()));
        })
        .ok()
}

fn answer(out: &mut Vec<u8>, done: Done) {
    let (reference, body) = match done {
        Done::Send { reference, client_msg_id, result } => {
            let body = match result {
                Ok(committed) => Body::Accepted(pb::Accepted {
                    client_msg_id,
                    message_id: committed.message_id.get(),
                    server_time_ms: committed.server_time.as_ms(),
                }),
                Err(SendRefused::DeviceMismatch(lists)) => {
                    let lists = lists
                        .into_iter()
                        .map(|list| pb::SignedDeviceList { payload: list.payload, signature: list.signature })
                        .collect();
                    Body::DeviceMismatch(pb::DeviceMismatch { client_msg_id, lists })
                }
                Err(SendRefused::StaleGroup(stale)) => encode::stale_group(client_msg_id, &stale),
                Err(SendRefused::Refused(refusal)) => {
                    Stats::rejected(refusal.code);
                    encode::error(&refusal, client_msg_id)
                }
            };
            (reference, body)
        }
        // A read has no answer unless it failed.
        Done::Read { result: Ok(()), .. } | Done::GroupAck { result: Ok(()) } | Done::Quiet => return,
        // The entries stay in the log and are delivered again after a reconnect.
        Done::GroupAck { result: Err(refusal) } => {
            Stats::rejected(refusal.code);
            (0, encode::error(&refusal, Bytes::new()))
        }
        Done::Read { reference, result: Err(refusal) } => {
            Stats::rejected(refusal.code);
            (reference, encode::error(&refusal, Bytes::new()))
        }
    };
    encode::frame(out, reference, body);
}

fn check_hello(hello: &pb::Hello) -> Result<(), Refusal> {
    if hello.protocol_version == 0 {
        return Err(Refusal::new(ErrorCode::ProtocolVersion, "this server speaks version 1"));
    }
    if hello.client.len() > CLIENT_NAME_BYTES_MAX {
        return Err(Refusal::new(ErrorCode::BadRequest, "client: at most 64 bytes"));
    }
    if hello.access_token.len() > TOKEN_BYTES_MAX {
        return Err(Refusal::new(ErrorCode::TokenInvalid, "not a token of this server"));
    }
    Ok(())
}

/// Close codes from 4000 are the application's; the last three digits are the error's number.
pub(crate) fn close_code(error: ErrorCode) -> u16 {
    match error {
        ErrorCode::GoingAway => 1001,
        ErrorCode::FrameTooLarge => 1009,
        other => u16::try_from(other.number()).unwrap_or(500).saturating_add(4000),
    }
}

const fn detail_of_close(why: ErrorCode) -> &'static str {
    match why {
        ErrorCode::Replaced => "this device has a newer connection",
        ErrorCode::DeviceUnlinked => "this device was unlinked",
        ErrorCode::AccountDisabled => "this account is disabled",
        ErrorCode::DeviceSuspended => "this device was absent too long and must be linked again",
        ErrorCode::UnknownAccount => "this account was deleted",
        _ => "the server closed the connection",
    }
}
