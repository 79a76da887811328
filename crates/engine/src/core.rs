//! What an engine holds in memory, and the context that one step works in.
//! Always true: memory holds nothing that a restart would miss: connection state, requests under way, caches. Whatever must
//! survive is in the store, written in the step's transaction.

use crate::api::{
    Command, CommandError, CommandId, ConnectionView, Effect, ErrorKind, Event, Input, MessageView, Reply, RequestId,
};
use crate::connection::Link;
use crate::http::Calls;
use crate::outbox::InFlight;
use crate::profile::Own;
use crate::{
    EngineConfig, backoff, blocks, commands, connection, forget, groups, history, http, inbox, kept, link, outbox,
    prekeys, presence, profiles, repair, requests, views,
};
use litemap::LiteMap;
use rand::Rng;
use rand::rngs::StdRng;
use sotto_crypto::VerifiedDeviceList;
use sotto_engine_store::{StoreError, StoredMessage, Tx};
use sotto_types::{AccountId, ClientMsgId, DeviceAddress, Timestamp};
use sotto_wire::pb;

#[derive(Debug)]
pub(crate) struct Core {
    pub config: EngineConfig,
    pub rng: StdRng,
    pub own: Option<Own>,
    /// Signed out for good, and why.
    pub signed_out: Option<CommandError>,
    pub link: Link,
    pub calls: Calls,
    /// Commands that wait, in their order, for the look-up of a person.
    pub looking: LiteMap<String, Vec<(CommandId, Command)>>,
    /// Commands not answered yet.
    pub commands: LiteMap<CommandId, ()>,
    pub in_flight: LiteMap<ClientMsgId, InFlight>,
    /// Accounts whose device list, or prekeys, are being fetched.
    pub fetching: LiteMap<AccountId, ()>,
    pub taking: LiteMap<AccountId, ()>,
    /// Accounts whose list or prekeys the server refused: not asked for again before this time.
    pub not_before: LiteMap<AccountId, Timestamp>,
    /// Devices for which the server had no bundle (suspended), with the list version it was asked under.
    pub bundleless: LiteMap<DeviceAddress, u32>,
    /// Device lists as parsed and verified, by account; `devices::list_of` checks that they are still the stored ones.
    pub lists: LiteMap<AccountId, VerifiedDeviceList>,
    /// Entries that wait for a sender's device list; not acknowledged, so the server keeps them.
    pub parked: Vec<pb::Deliver>,
    pub acks: inbox::Acks,
    pub blocks: blocks::Comparison,
    pub telling: requests::Telling,
    pub groups: groups::Groups,
    pub presence: presence::Presence,
    pub profiles: profiles::Profiles,
    pub shown_connection: ConnectionView,
    pub wake: Option<Timestamp>,
    pub last_step: Timestamp,
    pub next_housekeeping: Timestamp,
    pub keys_checked: bool,
    /// A request about the own prekeys is under way.
    pub keys_busy: bool,
    pub clock_off_told: bool,
    pub linking: Option<crate::link::Linking>,
}

impl Core {
    pub fn load(tx: &Tx<'_>, config: EngineConfig, rng: StdRng) -> Result<Self, StoreError> {
        let own = Own::load(tx)?;
        let signed_out = tx.setting_json::<CommandError>("signed_out")?;
        let online = config.online;
        Ok(Self {
            config,
            rng,
            own,
            signed_out,
            link: Link::new(online),
            calls: Calls::default(),
            looking: LiteMap::new(),
            commands: LiteMap::new(),
            in_flight: LiteMap::new(),
            fetching: LiteMap::new(),
            taking: LiteMap::new(),
            not_before: LiteMap::new(),
            bundleless: LiteMap::new(),
            lists: LiteMap::new(),
            parked: Vec::new(),
            acks: inbox::Acks::default(),
            blocks: blocks::Comparison::default(),
            telling: requests::Telling::default(),
            groups: groups::Groups::default(),
            presence: presence::Presence::default(),
            profiles: profiles::Profiles::default(),
            shown_connection: ConnectionView::Disconnected,
            wake: None,
            last_step: Timestamp::ZERO,
            next_housekeeping: Timestamp::ZERO,
            keys_checked: false,
            keys_busy: false,
            clock_off_told: false,
            linking: None,
        })
    }

    /// Notes the commands of a step before it runs, so that they are answered even if it fails.
    pub fn arrive(&mut self, inputs: &[Input]) {
        for input in inputs {
            if let Input::Command { id, .. } = input {
                self.commands.insert(*id, ());
            }
        }
    }

    /// Storage failed: answers every open command and drops what is under way.
    pub fn give_up(&mut self, error: &StoreError, now: Timestamp) -> Vec<Effect> {
        let text = match error {
            StoreError::Full => "this device's disk is full: free some space; nothing is lost".into(),
            other => format!("{other}; nothing that was shown as saved is lost"),
        };
        let failed = CommandError { kind: ErrorKind::Storage, text: text.clone() };
        let mut effects: Vec<Effect> = std::mem::take(&mut self.commands)
            .into_iter()
            .map(|(command, ())| Effect::Reply { command, result: Err(failed.clone()) })
            .collect();
        effects.push(Effect::Event(Event::Notice { text }));
        effects.push(Effect::Disconnect);
        if self.linking.is_some() {
            effects.push(Effect::Event(Event::LinkFailed { error: failed }));
        }
        self.forget_requests();
        self.looking.clear();
        self.link.wait(now.plus(backoff::RECONNECT_MAX / 4));
        let wake = now.plus(backoff::RECONNECT_MAX / 4);
        self.wake = Some(wake);
        effects.push(Effect::WakeAt(wake));
        effects
    }

    /// The account is gone, and with it every request and what it was for: the next account asks for itself. Returns the
    /// commands that wait for the look-up of a person.
    pub fn forget_account(&mut self) -> Vec<(CommandId, Command)> {
        self.forget_requests();
        self.link.signing_in = false;
        self.not_before.clear();
        self.next_housekeeping = Timestamp::ZERO;
        std::mem::take(&mut self.looking).into_iter().flat_map(|(_, waiting)| waiting).collect()
    }

    /// What is under way, and what memory knows beside the store, except which people are looked up for whom.
    fn forget_requests(&mut self) {
        self.calls.forget_all();
        self.fetching.clear();
        self.taking.clear();
        self.lists.clear();
        self.bundleless.clear();
        connection::forget_transport(self);
        self.blocks = blocks::Comparison::default();
        self.telling = requests::Telling::default();
        self.profiles.forget_requests();
        self.groups.forget_requests();
        self.linking = None;
        self.keys_busy = false;
    }

    /// Takes over what the store says after a failed step.
    pub fn replace_facts(&mut self, fresh: Self) {
        self.own = fresh.own;
        self.signed_out = fresh.signed_out;
    }
}

/// One step: the transaction, the time, and what will come out of it.
pub(crate) struct Cx<'a, 't> {
    pub tx: &'a Tx<'t>,
    pub core: &'a mut Core,
    pub now: Timestamp,
    out: Vec<Effect>,
}

impl<'a, 't> Cx<'a, 't> {
    pub fn new(tx: &'a Tx<'t>, core: &'a mut Core, now: Timestamp) -> Self {
        Self { tx, core, now, out: Vec::new() }
    }

    pub fn into_effects(self) -> Vec<Effect> {
        self.out
    }

    pub fn on_input(&mut self, input: Input) -> Result<(), StoreError> {
        match input {
            Input::Command { id, command } => commands::run(self, id, command),
            Input::TransportOpened => {
                connection::on_opened(self);
                Ok(())
            }
            Input::TransportClosed { reason } => {
                connection::on_closed(self, &reason);
                Ok(())
            }
            Input::Frame(bytes) => connection::on_frame(self, bytes),
            Input::HttpAnswer { request, outcome } => http::on_answer(self, request, outcome),
            Input::Wake => {
                self.core.wake = None;
                Ok(())
            }
            Input::Foreground(foreground) => {
                connection::set_foreground(self, foreground);
                Ok(())
            }
            Input::NetworkUp => {
                connection::on_network_up(self);
                Ok(())
            }
        }
    }

    /// What follows from the new state, whatever the input was: due timers, sends, acks, views, the next wake.
    pub fn settle(&mut self) -> Result<(), StoreError> {
        connection::drive(self)?;
        http::drive(self);
        link::drive(self)?;
        if self.core.link.is_up() {
            repair::drive(self)?;
            prekeys::drive(self)?;
            history::drive(self)?;
            groups::drive(self)?;
            kept::drive(self)?;
            requests::drive(self)?;
            presence::drive(self);
            profiles::drive(self)?;
            outbox::pump(self)?;
        } else {
            presence::on_lost(self);
        }
        forget::drive(self)?;
        history::forget_copies(self)?;
        presence::end_typing(self)?;
        inbox::flush_acks(self);
        groups::flush_acks(self)?;
        let view = connection::view(self.core, self.now);
        if view != self.core.shown_connection {
            self.core.shown_connection = view;
            self.event(Event::Connection { connection: view });
        }
        self.set_wake()
    }

    fn set_wake(&mut self) -> Result<(), StoreError> {
        let times = [
            connection::next_time(self.core),
            http::next_time(self.core),
            link::next_time(self.core),
            if self.core.link.is_up() { outbox::next_time(self)? } else { None },
            if self.core.link.is_up() { kept::next_time(self)? } else { None },
            forget::next_time(self)?,
            presence::next_time(self),
            if self.core.link.is_up() { groups::next_time(self) } else { None },
            if self.core.link.is_up() { repair::next_time(self)? } else { None },
            self.core.link.is_up().then_some(self.core.next_housekeeping),
        ];
        let Some(next) = times.into_iter().flatten().min() else { return Ok(()) };
        let next = next.max(self.now.plus(std::time::Duration::from_millis(1)));
        if self.core.wake.is_none_or(|wake| wake != next) {
            self.core.wake = Some(next);
            self.effect(Effect::WakeAt(next));
        }
        Ok(())
    }

    pub fn effect(&mut self, effect: Effect) {
        self.out.push(effect);
    }

    pub fn event(&mut self, event: Event) {
        // Who hears that a conversation changed reads it again: once a step is enough.
        let is_told = |told: &Effect| matches!(told, Effect::Event(told) if *told == event);
        if matches!(event, Event::ConversationChanged { .. }) && self.out.iter().any(is_told) {
            return;
        }
        self.out.push(Effect::Event(event));
    }

    pub fn notice(&mut self, text: impl Into<String>) {
        self.event(Event::Notice { text: text.into() });
    }

    pub fn reply(&mut self, command: CommandId, result: Result<Reply, CommandError>) {
        if self.core.commands.remove(&command).is_some() {
            self.out.push(Effect::Reply { command, result });
        }
    }

    pub fn fail(&mut self, command: CommandId, kind: ErrorKind, text: impl Into<String>) {
        self.reply(command, Err(CommandError { kind, text: text.into() }));
    }

    /// The own device; features run only when there is one.
    pub fn own(&self) -> Option<Own> {
        self.core.own.clone()
    }

    pub fn new_name(&mut self) -> ClientMsgId {
        let random: [u8; 10] = self.core.rng.random();
        ClientMsgId::from_uuid(uuid::Builder::from_unix_timestamp_millis(self.now.as_ms(), &random).into_uuid())
    }

    pub fn message_view(&self, message: &StoredMessage) -> Result<MessageView, StoreError> {
        views::message(self, message)
    }

    pub fn message_added(&mut self, id: i64) -> Result<(), StoreError> {
        if let Some(message) = self.tx.message(id)? {
            let message = self.message_view(&message)?;
            let backlog = self.core.link.is_draining();
            self.event(Event::MessageAdded { message, backlog });
        }
        Ok(())
    }

    pub fn message_changed(&mut self, id: i64) -> Result<(), StoreError> {
        if let Some(message) = self.tx.message(id)? {
            let message = self.message_view(&message)?;
            self.event(Event::MessageChanged { message });
        }
        Ok(())
    }

    pub fn contact_changed(&mut self, account: AccountId) -> Result<(), StoreError> {
        let contact = views::contact(self, account)?;
        self.event(Event::ContactChanged { contact });
        Ok(())
    }
}

/// Request ids are never reused within an engine's life.
impl Core {
    pub fn new_request(&mut self) -> RequestId {
        self.calls.new_request()
    }
}
