//! A whole system in one thread: real engines with stores in memory, the real domain and HTTP routes over the memory adapters,
//! a clock that moves only when nothing else can, and a seed that decides every order.
//! Flow: `Sim::new(seed)` -> `device` -> `command` -> `run` (until nothing is left to do now) or `run_for` (with time) -> look at
//!       events, replies, histories.
//! Always true:
//! - frames of one direction of one connection keep their order, everything else is interleaved by the seed;
//! - a crash may cut a step's effects anywhere after its commit, as a real process could;
//! - the same seed gives the same run.
//! Elsewhere: sockets and disks are for the end-to-end tests; the fake server here is the real domain behind a small pump.

// Module documents are read as text: their last line belongs to no list.
#![allow(clippy::doc_lazy_continuation)]

mod hub;
pub mod scenes;
mod server;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use server::Server;
use sotto_engine::{
    Command, CommandError, CommandId, Effect, Engine, EngineConfig, Event, HistoryPlace, HttpFailure, HttpRequest,
    Input, MessageBody, MessageStatus, MessageView, Reply, RequestId, Who,
};
use sotto_engine_store::Store;
use sotto_types::{AccountId, Conversation, DeviceAddress, GroupId, Timestamp, Username};
use sotto_wire::pb;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

pub use bytes::Bytes;
pub use scenes::{acquainted, damage, damage_first, signed_prekeys};

/// The only server there is.
pub const SERVER: &str = "http://127.0.0.1:8480";
/// More steps than any scenario needs: what goes on longer is a loop.
const STEPS_MAX: usize = 400_000;
/// The authors of so many last entries of a group are told of watermarks.
const AUTHORS: usize = 64;

/// One device of the simulation, by index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Device(pub usize);

/// What happens to a frame on its way to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Pass,
    Drop,
    Twice,
}

/// A server that lies: sees, and may change, each frame to a device and each answer to a request.
pub type FrameHook = Box<dyn FnMut(Device, &mut pb::ServerFrame) -> Fate>;
pub type AnswerHook = Box<dyn FnMut(Device, &str, &mut sotto_engine::HttpAnswer)>;
/// Answers a frame of a device instead of the server; none: the server does.
pub type RefuseHook = Box<dyn FnMut(Device, &mut pb::ClientFrame) -> Option<pb::ServerFrame>>;

enum ToDevice {
    Opened,
    Closed,
    Frame(Bytes),
}

struct Slot {
    engine: Option<Engine>,
    /// Where the engine's state is while it is down.
    store: Option<Store>,
    network: bool,
    connection: Option<server::Connection>,
    to_server: VecDeque<Bytes>,
    to_device: VecDeque<ToDevice>,
    requests: VecDeque<HttpRequest>,
    /// Link polls that had no answer yet.
    polls: Vec<HttpRequest>,
    answers: VecDeque<(RequestId, Result<sotto_engine::HttpAnswer, HttpFailure>)>,
    wake: Option<Timestamp>,
    /// How far the device's clock is behind everybody else's.
    behind: Duration,
    events: Vec<Event>,
    replies: BTreeMap<CommandId, Result<Reply, CommandError>>,
    next_command: u64,
}

pub struct Sim {
    server: Server,
    rng: StdRng,
    slots: Vec<Slot>,
    /// Connections that break by themselves, per mille of steps.
    pub drops_per_mille: u32,
    pub frame_hook: Option<FrameHook>,
    pub answer_hook: Option<AnswerHook>,
    pub refuse_hook: Option<RefuseHook>,
    config: EngineConfig,
    /// Who wrote to each group, the last one first.
    authors: BTreeMap<GroupId, VecDeque<AccountId>>,
    /// Every effect of every engine, as text: what two runs of one seed are compared by.
    pub trace: Option<Vec<String>>,
}

impl std::fmt::Debug for Sim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sim").field("devices", &self.slots.len()).finish_non_exhaustive()
    }
}

enum Choice {
    ToServer(usize),
    ToDevice(usize),
    Request(usize),
    Answer(usize),
}

impl Sim {
    /// Where everybody takes what everybody says.
    pub fn new(seed: u64) -> Self {
        Self::with_server(seed, Server::new(false))
    }

    /// Where messages of strangers are requests, as on a real server.
    pub fn with_requests(seed: u64) -> Self {
        Self::with_server(seed, Server::new(true))
    }

    fn with_server(seed: u64, server: Server) -> Self {
        Self {
            server,
            rng: StdRng::seed_from_u64(seed),
            slots: Vec::new(),
            drops_per_mille: 0,
            frame_hook: None,
            answer_hook: None,
            refuse_hook: None,
            config: EngineConfig { client: "sim".into(), online: true, one_time_prekeys: 8, accept_requests: false },
            authors: BTreeMap::new(),
            trace: None,
        }
    }

    pub fn now(&self) -> Timestamp {
        self.server.now()
    }

    /// A new, empty device.
    pub fn device(&mut self) -> Device {
        let store = Store::memory().expect("memory opens");
        self.slots.push(Slot {
            engine: None,
            store: Some(store),
            network: true,
            connection: None,
            to_server: VecDeque::new(),
            to_device: VecDeque::new(),
            requests: VecDeque::new(),
            polls: Vec::new(),
            answers: VecDeque::new(),
            wake: None,
            behind: Duration::ZERO,
            events: Vec::new(),
            replies: BTreeMap::new(),
            next_command: 1,
        });
        let device = Device(self.slots.len() - 1);
        self.start(device);
        device
    }

    /// A device with a new account of this name, connected.
    pub fn register(&mut self, name: &str) -> Device {
        self.register_with_code(name).0
    }

    /// The same, with the recovery code.
    pub fn register_with_code(&mut self, name: &str) -> (Device, String) {
        let device = self.device();
        let reply = self.ask(
            device,
            Command::Register {
                server: SERVER.into(),
                username: Username::parse(name).expect("a good name"),
                invite: None,
                device_name: format!("{name}'s device"),
            },
        );
        let Ok(Reply::Registered { recovery_code, .. }) = reply else { panic!("not registered: {reply:?}") };
        self.run();
        (device, recovery_code)
    }

    /// The server, restored from a backup, remembers or has forgotten that the person of `device` blocks an account.
    pub fn set_block_on_server(&mut self, device: Device, other: AccountId, blocked: bool) {
        let connection = self.slots[device.0].connection.as_ref().expect("a connected device");
        self.server.set_block(connection, other, blocked);
    }

    /// A further device for the account of `existing`, with its history.
    pub fn link(&mut self, existing: Device) -> Device {
        let device = self.device();
        let reply = self.ask(device, Command::StartLink { server: SERVER.into(), device_name: "linked".into() });
        let Ok(Reply::LinkText { text, .. }) = reply else { panic!("no link text: {reply:?}") };
        let reply = self.ask(existing, Command::ApproveLink { link_text: text });
        assert!(matches!(reply, Ok(Reply::Done)), "{reply:?}");
        self.run();
        assert!(self.events(device).iter().any(|event| matches!(event, Event::Linked { .. })), "linked");
        device
    }

    /// Opens the engine of a device that is down.
    pub fn start(&mut self, device: Device) {
        let Some(store) = self.slots[device.0].store.take() else { return };
        let now = self.server.now().minus(self.slots[device.0].behind);
        let (engine, effects) =
            Engine::open(store, self.config.clone(), self.rng.random(), now).expect("its own store opens");
        self.slots[device.0].engine = Some(engine);
        self.perform(device.0, effects);
    }

    /// The process ends without notice: what was in memory or under way is gone.
    pub fn crash(&mut self, device: Device) {
        let slot = &mut self.slots[device.0];
        if let Some(engine) = slot.engine.take() {
            slot.store = Some(engine.into_store());
        }
        slot.requests.clear();
        slot.polls.clear();
        slot.answers.clear();
        slot.wake = None;
        self.hang_up(device.0);
    }

    /// The device's clock is set back; its host notices.
    pub fn set_clock_back(&mut self, device: Device, by: Duration) {
        let slot = &mut self.slots[device.0];
        slot.behind += by;
        slot.wake = slot.wake.map(|at| at.plus(by));
        self.input(device.0, Input::NetworkUp);
    }

    /// A copy of the profile as it is now.
    pub fn copy_profile(&mut self, device: Device) -> Store {
        let slot = &mut self.slots[device.0];
        match (&mut slot.engine, &slot.store) {
            (Some(engine), _) => engine.store_mut().copy().expect("copies"),
            (None, Some(store)) => store.copy().expect("copies"),
            (None, None) => unreachable!("a device has an engine or a store"),
        }
    }

    /// Puts an earlier copy in place of the profile and starts it.
    pub fn restore_profile(&mut self, device: Device, copy: Store) {
        self.crash(device);
        self.slots[device.0].store = Some(copy);
        self.start(device);
    }

    /// Cuts or gives back a device's network.
    pub fn set_network(&mut self, device: Device, up: bool) {
        self.slots[device.0].network = up;
        if up {
            self.input(device.0, Input::NetworkUp);
        } else {
            self.hang_up(device.0);
            if self.slots[device.0].engine.is_some() {
                self.slots[device.0].to_device.push_back(ToDevice::Closed);
            }
        }
    }

    /// The person looks at the app, or no more.
    pub fn set_foreground(&mut self, device: Device, foreground: bool) {
        self.input(device.0, Input::Foreground(foreground));
    }

    /// As the server was told.
    pub fn is_in_foreground(&self, device: Device) -> bool {
        let connection = self.slots[device.0].connection.as_ref();
        let address = connection.and_then(|connection| connection.who.as_ref()).map(|who| who.address);
        address.is_some_and(|address| self.server.hub.foreground.lock().contains(&address))
    }

    /// The connection breaks; both sides notice.
    pub fn break_connection(&mut self, device: Device) {
        if self.slots[device.0].connection.is_some() {
            self.hang_up(device.0);
            self.slots[device.0].to_device.push_back(ToDevice::Closed);
        }
    }

    fn hang_up(&mut self, at: usize) {
        let slot = &mut self.slots[at];
        slot.to_server.clear();
        slot.to_device.clear();
        if let Some(connection) = slot.connection.take() {
            self.server.disconnected(&connection);
        }
    }

    pub fn command(&mut self, device: Device, command: Command) -> CommandId {
        let slot = &mut self.slots[device.0];
        let id = CommandId(slot.next_command);
        slot.next_command += 1;
        self.input(device.0, Input::Command { id, command });
        id
    }

    /// Runs until the command is answered.
    pub fn ask(&mut self, device: Device, command: Command) -> Result<Reply, CommandError> {
        let id = self.command(device, command);
        for _ in 0..STEPS_MAX {
            if let Some(reply) = self.slots[device.0].replies.remove(&id) {
                return reply;
            }
            self.step_or_wait();
        }
        panic!("a command was never answered");
    }

    /// Runs until this holds, and not one thing further.
    pub fn run_until(&mut self, holds: impl Fn(&Self) -> bool) {
        for _ in 0..STEPS_MAX {
            if holds(self) {
                return;
            }
            self.step_or_wait();
        }
        panic!("it never came to that");
    }

    fn step_or_wait(&mut self) {
        if !self.step() {
            self.pass_time(Duration::from_secs(30)).expect("something is still to happen");
        }
    }

    pub fn send(&mut self, from: Device, to: &str, body: &str) {
        let to = Who::Name(Username::parse(to).expect("a good name"));
        self.command(
            from,
            Command::SendText {
                to,
                body: body.into(),
                name: None,
                mentions: Vec::new(),
                reply_to: None,
                preview: None,
            },
        );
    }

    /// Until nothing is left to do without time passing, and then as long as timers are due within two minutes.
    pub fn run(&mut self) {
        self.run_for(Duration::from_secs(120));
    }

    /// Until this much time has passed and nothing is left to do at its end.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.server.now().plus(time);
        for _ in 0..STEPS_MAX {
            if self.step() {
                continue;
            }
            let left = end.since(self.server.now());
            if self.pass_time(left).is_none() {
                self.server.advance(left);
                return;
            }
        }
        panic!("the simulation does not come to rest");
    }

    /// Moves the clock to the next timer, if one is due within `at_most`.
    fn pass_time(&mut self, at_most: Duration) -> Option<()> {
        let now = self.server.now();
        for slot in &mut self.slots {
            let polls = std::mem::take(&mut slot.polls);
            slot.requests.extend(polls);
        }
        if self.slots.iter().any(|slot| !slot.requests.is_empty()) {
            if at_most < Duration::from_secs(1) {
                return None;
            }
            self.server.advance(Duration::from_secs(1));
            self.wake_due();
            return Some(());
        }
        let next = self.slots.iter().filter_map(|slot| slot.wake).min()?;
        if next > now.plus(at_most) {
            return None;
        }
        self.server.advance(next.since(now));
        self.wake_due();
        Some(())
    }

    fn wake_due(&mut self) {
        let now = self.server.now();
        for at in 0..self.slots.len() {
            if self.slots[at].wake.is_some_and(|wake| wake <= now) {
                self.slots[at].wake = None;
                self.input(at, Input::Wake);
            }
        }
    }

    /// One thing happens, chosen by the seed. `false`: nothing is left to happen now.
    pub fn step(&mut self) -> bool {
        self.deliver_news();
        let mut choices = Vec::new();
        for (at, slot) in self.slots.iter().enumerate() {
            if !slot.to_server.is_empty() {
                choices.push(Choice::ToServer(at));
            }
            if !slot.to_device.is_empty() {
                choices.push(Choice::ToDevice(at));
            }
            if !slot.requests.is_empty() {
                choices.push(Choice::Request(at));
            }
            if !slot.answers.is_empty() {
                choices.push(Choice::Answer(at));
            }
        }
        if choices.is_empty() {
            // The server gathers what groups acknowledge until there is a moment for it.
            return self.server.write_cursors();
        }
        if self.drops_per_mille > 0 && self.rng.random_range(0..1000) < self.drops_per_mille {
            let at = self.rng.random_range(0..self.slots.len());
            self.break_connection(Device(at));
            return true;
        }
        let pick = self.rng.random_range(0..choices.len());
        match choices.swap_remove(pick) {
            Choice::ToServer(at) => self.pass_to_server(at),
            Choice::ToDevice(at) => self.pass_to_device(at),
            Choice::Request(at) => self.request(at),
            Choice::Answer(at) => {
                if let Some((request, outcome)) = self.slots[at].answers.pop_front() {
                    self.input(at, Input::HttpAnswer { request, outcome });
                }
            }
        }
        true
    }

    fn pass_to_server(&mut self, at: usize) {
        let slot = &mut self.slots[at];
        let (Some(mut frame), Some(connection)) = (slot.to_server.pop_front(), &mut slot.connection) else { return };
        if let Some(hook) = &mut self.refuse_hook {
            let mut read = sotto_wire::decode_client_frame(frame.clone()).expect("an engine sends frames");
            if let Some(answer) = hook(Device(at), &mut read) {
                return self.push_frame(at, answer);
            }
            frame = prost::Message::encode_to_vec(&read).into();
        }
        let answers = self.server.on_frame(connection, frame);
        for answer in answers {
            self.push_frame(at, answer);
        }
    }

    fn push_frame(&mut self, at: usize, mut frame: pb::ServerFrame) {
        use prost::Message as _;
        let fate = match &mut self.frame_hook {
            Some(hook) => hook(Device(at), &mut frame),
            None => Fate::Pass,
        };
        let times = match fate {
            Fate::Pass => 1,
            Fate::Drop => 0,
            Fate::Twice => 2,
        };
        let bytes = Bytes::from(frame.encode_to_vec());
        for _ in 0..times {
            self.slots[at].to_device.push_back(ToDevice::Frame(bytes.clone()));
        }
    }

    /// A frame that the real server did not send.
    pub fn inject(&mut self, device: Device, frame: pb::ServerFrame) {
        self.push_frame(device.0, frame);
    }

    /// New entries and notices of the server go to the connections they are for.
    fn deliver_news(&mut self) {
        for news in self.server.hub.take() {
            match news {
                hub::News::Entry(to, entry) => {
                    if let Some((group, author)) = server::author_in_group(&entry) {
                        self.note_author(group, author);
                    }
                    self.push_to(to, || server::deliver(&entry));
                }
                hub::News::Changed { to, account, list_version, prekeys_low } => {
                    self.push_to(to, || server::account_changed(account, list_version, prekeys_low));
                }
                hub::News::Close(of, why) => {
                    let Some(at) = self.connected_at(of) else { continue };
                    self.push_frame(at, server::error(why, "closed"));
                    let slot = &mut self.slots[at];
                    slot.to_server.clear();
                    slot.to_device.push_back(ToDevice::Closed);
                    if let Some(connection) = slot.connection.take() {
                        self.server.disconnected(&connection);
                    }
                }
                hub::News::Logged(entry) => {
                    self.note_author(entry.group, entry.sender.account);
                    for (account, since) in self.server.members(entry.group) {
                        for to in self.server.hub.devices_of(account).into_iter().filter(|_| since <= entry.id) {
                            self.push_to(to, || server::group_entry(&entry, to));
                        }
                    }
                }
                hub::News::Marked(group, marks) => {
                    // As the gateway does: to those who wrote lately, and what a person read to their other devices.
                    let authors = self.authors.get(&group).cloned().unwrap_or_default();
                    for author in &authors {
                        let theirs = self.server.marks_for(*author, &marks);
                        for to in self.server.hub.devices_of(*author) {
                            self.push_to(to, || server::group_marks(group, &theirs));
                        }
                    }
                    for mark in marks.iter().filter(|mark| mark.read.is_some() && !authors.contains(&mark.member)) {
                        for to in self.server.hub.devices_of(mark.member) {
                            self.push_to(to, || server::group_marks(group, std::slice::from_ref(mark)));
                        }
                    }
                }
                hub::News::Typing(to, notice) => {
                    for to in self.server.hub.devices_of(to) {
                        self.push_to(to, || server::typing(&notice));
                    }
                }
                hub::News::Presence(account) => {
                    let subscribed: Vec<DeviceAddress> = self
                        .server
                        .hub
                        .subscribed
                        .lock()
                        .iter()
                        .filter(|(_, of)| *of == account)
                        .map(|(to, _)| *to)
                        .collect();
                    for to in subscribed {
                        if let Some(frame) = self.server.presence_for(to, &[account]) {
                            self.push_to(to, || frame);
                        }
                    }
                }
                hub::News::GroupWaits(account) => {
                    for to in self.server.hub.devices_of(account) {
                        for entry in self.server.waiting_in_groups(to) {
                            self.push_to(to, || server::group_entry(&entry, to));
                        }
                    }
                }
            }
        }
    }

    fn note_author(&mut self, group: GroupId, author: AccountId) {
        let authors = self.authors.entry(group).or_default();
        authors.retain(|known| *known != author);
        authors.push_front(author);
        authors.truncate(AUTHORS);
    }

    fn connected_at(&self, of: DeviceAddress) -> Option<usize> {
        self.slots
            .iter()
            .position(|slot| slot.connection.as_ref().is_some_and(|connection| connection.address() == Some(of)))
    }

    fn push_to(&mut self, to: DeviceAddress, frame: impl FnOnce() -> pb::ServerFrame) {
        if let Some(at) = self.connected_at(to) {
            self.push_frame(at, frame());
        }
    }

    fn pass_to_device(&mut self, at: usize) {
        let input = match self.slots[at].to_device.pop_front() {
            Some(ToDevice::Opened) => Input::TransportOpened,
            Some(ToDevice::Closed) => Input::TransportClosed { reason: "simulated".into() },
            Some(ToDevice::Frame(bytes)) => Input::Frame(bytes),
            None => return,
        };
        self.input(at, input);
    }

    fn request(&mut self, at: usize) {
        let Some(request) = self.slots[at].requests.pop_front() else { return };
        if !self.slots[at].network {
            let failure = HttpFailure::Unreachable("no network".into());
            self.slots[at].answers.push_back((request.request, Err(failure)));
            return;
        }
        let mut answer = self.server.on_request(&request);
        if request.url.contains("/v1/links/") && answer.body == b"{}" && answer.status == 200 {
            self.slots[at].polls.push(request);
            return;
        }
        if let Some(hook) = &mut self.answer_hook {
            let path = request.url.strip_prefix(SERVER).unwrap_or(&request.url);
            hook(Device(at), path, &mut answer);
        }
        self.slots[at].answers.push_back((request.request, Ok(answer)));
    }

    /// Gives an engine an input and does what it wants.
    fn input(&mut self, at: usize, input: Input) {
        let now = self.server.now().minus(self.slots[at].behind);
        let Some(engine) = &mut self.slots[at].engine else { return };
        let effects = engine.step(input, now);
        self.perform(at, effects);
    }

    /// The next input's step commits, then the process dies after `effects` of its effects.
    pub fn crash_in_step(&mut self, device: Device, effects: usize) {
        let now = self.server.now().minus(self.slots[device.0].behind);
        let slot = &mut self.slots[device.0];
        let input = match slot.to_device.pop_front() {
            Some(ToDevice::Frame(bytes)) => Input::Frame(bytes),
            Some(ToDevice::Opened) => Input::TransportOpened,
            Some(ToDevice::Closed) | None => Input::Wake,
        };
        let Some(engine) = &mut slot.engine else { return };
        let mut done = engine.step(input, now);
        done.truncate(effects);
        self.perform(device.0, done);
        // What was written to the socket before the crash may still arrive.
        while !self.slots[device.0].to_server.is_empty() && self.rng.random() {
            self.pass_to_server(device.0);
        }
        self.crash(device);
    }

    fn perform(&mut self, at: usize, effects: Vec<Effect>) {
        for effect in effects {
            if let Some(trace) = &mut self.trace {
                trace.push(format!("{at} {effect:?}"));
            }
            match effect {
                Effect::Connect { .. } => {
                    self.hang_up(at);
                    if self.slots[at].network {
                        self.slots[at].connection = Some(server::Connection::default());
                        self.slots[at].to_device.push_back(ToDevice::Opened);
                    } else {
                        self.slots[at].to_device.push_back(ToDevice::Closed);
                    }
                }
                Effect::Disconnect => self.hang_up(at),
                Effect::SendFrame(bytes) => {
                    if self.slots[at].connection.is_some() {
                        self.slots[at].to_server.push_back(bytes);
                    }
                }
                Effect::Http(request) => self.slots[at].requests.push_back(request),
                Effect::WakeAt(time) => self.slots[at].wake = Some(time.plus(self.slots[at].behind)),
                Effect::Event(event) => self.slots[at].events.push(event),
                Effect::Reply { command, result } => {
                    self.slots[at].replies.insert(command, result);
                }
            }
        }
    }

    pub fn events(&self, device: Device) -> &[Event] {
        &self.slots[device.0].events
    }

    pub fn clear_events(&mut self, device: Device) {
        self.slots[device.0].events.clear();
    }

    pub fn is_up(&self, device: Device) -> bool {
        self.slots[device.0].engine.is_some()
    }

    /// Frames and answers that wait for the device.
    pub fn waiting(&self, device: Device) -> usize {
        self.slots[device.0].to_device.len()
    }

    pub fn account(&mut self, device: Device) -> AccountId {
        match self.ask(device, Command::WhoAmI) {
            Ok(Reply::Me { me }) => me.account,
            other => panic!("no account: {other:?}"),
        }
    }

    /// Compares safety numbers with an account, and sets the mark.
    pub fn verify(&mut self, device: Device, account: AccountId) {
        let who = Who::Account(account);
        let number = match self.ask(device, Command::SafetyNumber { who: who.clone() }) {
            Ok(Reply::SafetyNumber { digits, .. }) => digits,
            other => panic!("no number: {other:?}"),
        };
        let reply = self.ask(device, Command::SetVerified { who, verified: true, safety_number: Some(number) });
        assert!(matches!(&reply, Ok(Reply::Contact { contact }) if contact.verified), "{reply:?}");
    }

    /// The conversation of `device` with an account or of a group, as stored.
    pub fn history(&mut self, device: Device, with: impl Into<Conversation>) -> Vec<MessageView> {
        let conversation = with.into();
        match self.ask(device, Command::History { conversation, at: HistoryPlace::Newest, limit: 1000 }) {
            Ok(Reply::Messages { messages, .. }) => messages,
            other => panic!("no history: {other:?}"),
        }
    }

    /// Texts of a conversation in order, system lines and placeholders left out.
    pub fn texts(&mut self, device: Device, with: impl Into<Conversation>) -> Vec<String> {
        self.history(device, with)
            .into_iter()
            .filter_map(|message| match message.body {
                MessageBody::Text { body, .. } => Some(body),
                _ => None,
            })
            .collect()
    }

    pub fn statuses(&mut self, device: Device, with: impl Into<Conversation>) -> Vec<MessageStatus> {
        self.history(device, with).into_iter().map(|message| message.status).collect()
    }

    /// The server's once-a-minute housekeeping.
    pub fn sweep(&mut self) {
        self.server.sweep();
    }

    /// Something to decide by the seed.
    pub fn chance(&mut self, of: usize) -> usize {
        self.rng.random_range(0..of)
    }
}
