//! A real client in this process: engine, store on disk and network, without the terminal. What it shows and which ticks it
//! sees goes into the test's ledger as it happens.
//! Flow: `TestClient::register` (or `link`, `recover`, `open` of an old profile) -> commands and waits -> `stop` -> `reopen`.
//! Always true: all events since `open` are kept, so a wait never misses one that came early.

use crate::ledger::Ledger;
use crate::wait::{DEADLINE, within};
use sotto_engine::api::{
    Command, CommandError, ConnectionView, ConversationView, Event, HistoryPlace, Me, MessageBody, MessageStatus,
    MessageView, Reply, StatusView, Who,
};
use sotto_engine_native::{Client, Happening, Happenings, HostConfig, ProfileError, ProfileOptions};
use sotto_types::{ClientMsgId, Conversation, Username};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

#[derive(Debug)]
struct Log {
    events: Mutex<Vec<Event>>,
    grown: watch::Sender<usize>,
}

impl Log {
    fn events(&self) -> MutexGuard<'_, Vec<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One profile, open or not.
#[derive(Debug)]
pub struct TestClient {
    pub name: String,
    pub dir: PathBuf,
    pub tls_ca: Option<PathBuf>,
    ledger: Arc<Ledger>,
    client: Option<Client>,
    log: Arc<Log>,
    pump: Option<JoinHandle<()>>,
    _folder: Option<Arc<tempfile::TempDir>>,
}

impl TestClient {
    /// A new profile in a temporary folder, open, without an account.
    pub async fn new(name: &str, ledger: &Arc<Ledger>) -> Self {
        Self::new_with(name, ledger, None).await
    }

    /// The same, trusting a certificate authority of the test.
    pub async fn new_with(name: &str, ledger: &Arc<Ledger>, tls_ca: Option<PathBuf>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let dir = folder.path().join("profile");
        let mut client = Self::closed(name, &dir, ledger, tls_ca);
        client._folder = Some(Arc::new(folder));
        client.reopen().await;
        client
    }

    /// A profile that exists at `dir`, not opened yet.
    pub fn closed(name: &str, dir: &Path, ledger: &Arc<Ledger>, tls_ca: Option<PathBuf>) -> Self {
        let log = Arc::new(Log { events: Mutex::default(), grown: watch::channel(0).0 });
        let (name, dir) = (name.to_owned(), dir.to_owned());
        Self { name, dir, tls_ca, ledger: ledger.clone(), client: None, log, pump: None, _folder: None }
    }

    /// Registers `name` in a new profile and waits until it is connected.
    pub async fn register(server: &str, name: &str, ledger: &Arc<Ledger>) -> Self {
        let client = Self::new(name, ledger).await;
        client.register_here(server).await;
        client
    }

    /// Registers this empty profile; returns the recovery code.
    pub async fn register_here(&self, server: &str) -> String {
        let username = Username::parse(&self.name).expect("a name that can be one");
        let device_name = format!("{}'s test device", self.name);
        let command = Command::Register { server: server.to_owned(), username, invite: None, device_name };
        let Reply::Registered { me, recovery_code } = self.command(command).await else { panic!("not registered") };
        self.ledger.know(me.account, &self.name);
        self.until_drained().await;
        recovery_code
    }

    /// Links a new profile to the account of this one.
    pub async fn link(&self, server: &str, name: &str) -> Self {
        let new = Self::new_with(name, &self.ledger, self.tls_ca.clone()).await;
        self.link_to(&new, server).await;
        new
    }

    /// The same for a profile that is there already (and empty).
    pub async fn link_to(&self, new: &Self, server: &str) {
        let text = new.start_link(server).await;
        self.command(Command::ApproveLink { link_text: text }).await;
        new.until("the link", |event| match event {
            Event::Linked { me } => Some(me.clone()),
            Event::LinkFailed { error } => panic!("linking failed: {error}"),
            _ => None,
        })
        .await;
        new.until_drained().await;
    }

    pub async fn start_link(&self, server: &str) -> String {
        let command = Command::StartLink { server: server.to_owned(), device_name: self.name.clone() };
        match self.command(command).await {
            Reply::LinkText { text, .. } => text,
            other => panic!("no link text: {other:?}"),
        }
    }

    pub async fn try_reopen(&mut self) -> Result<(), ProfileError> {
        assert!(self.client.is_none(), "{} is open", self.name);
        let host = HostConfig { tls_ca: self.tls_ca.clone(), ..HostConfig::default() };
        let client = Client::connect_or_own(ProfileOptions { dir: self.dir.clone(), passphrase: None, host }).await?;
        self.pump =
            Some(tokio::spawn(pump(client.happenings(), self.log.clone(), self.ledger.clone(), self.name.clone())));
        self.client = Some(client);
        Ok(())
    }

    /// Opens it again after `stop`; earlier events are forgotten.
    pub async fn reopen(&mut self) {
        self.log.events().clear();
        if let Err(error) = self.try_reopen().await {
            panic!("{}: {error}", self.name);
        }
    }

    /// Closes it in an orderly way.
    pub async fn stop(&mut self) {
        if let Some(client) = self.client.take() {
            within(DEADLINE, "a client to close", client.close()).await;
        }
        if let Some(pump) = self.pump.take() {
            within(DEADLINE, "the last events", pump).await.ok();
        }
    }

    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    fn open(&self) -> &Client {
        self.client.as_ref().unwrap_or_else(|| panic!("{} is closed", self.name))
    }

    pub async fn try_command(&self, command: Command) -> Result<Reply, CommandError> {
        let what = format!("{}: {command:?}", self.name);
        within(Duration::from_secs(60), what, self.open().command(command)).await
    }

    pub async fn command(&self, command: Command) -> Reply {
        let what = format!("{command:?}");
        self.try_command(command).await.unwrap_or_else(|error| panic!("{}: {what}: {error}", self.name))
    }

    pub async fn me(&self) -> Me {
        match self.command(Command::WhoAmI).await {
            Reply::Me { me } => me,
            other => panic!("not me: {other:?}"),
        }
    }

    pub async fn online(&self, online: bool) {
        self.command(Command::SetOnline { online }).await;
    }

    /// Sends a text that is unique in the test, and writes it down.
    pub async fn send(&self, to: &str, text: &str) -> MessageView {
        let to_name = Username::parse(to).expect("a name that can be one");
        self.ledger.sent(&self.name, to, text);
        let command = Command::SendText {
            to: Who::Name(to_name),
            body: text.to_owned(),
            name: None,
            mentions: Vec::new(),
            reply_to: None,
            preview: None,
        };
        match self.command(command).await {
            Reply::Queued { message } => message,
            other => panic!("not queued: {other:?}"),
        }
    }

    pub async fn status(&self) -> StatusView {
        match self.command(Command::Status).await {
            Reply::Status { status } => status,
            other => panic!("no status: {other:?}"),
        }
    }

    pub async fn conversations(&self) -> Vec<ConversationView> {
        match self.command(Command::Conversations).await {
            Reply::Conversations { conversations } => conversations,
            other => panic!("no conversations: {other:?}"),
        }
    }

    /// All of a conversation, ascending.
    pub async fn history(&self, with: impl Into<Conversation>) -> Vec<MessageView> {
        let conversation = with.into();
        let mut all: Vec<MessageView> = Vec::new();
        loop {
            let at = all.first().map_or(HistoryPlace::Newest, |message| HistoryPlace::Before(message.position));
            let command = Command::History { conversation, at, limit: 500 };
            let Reply::Messages { mut messages, more, .. } = self.command(command).await else { panic!("no history") };
            let last = !more || messages.is_empty();
            messages.append(&mut all);
            all = messages;
            if last {
                return all;
            }
        }
    }

    /// The texts of a conversation, ascending; other kinds of messages as their kind in brackets.
    pub async fn texts(&self, with: impl Into<Conversation>) -> Vec<String> {
        self.history(with).await.iter().map(|message| body_text(&message.body)).collect()
    }

    pub fn events(&self) -> Vec<Event> {
        self.log.events().clone()
    }

    /// Where the log is now: for `until_since`.
    pub fn mark(&self) -> usize {
        self.log.events().len()
    }

    /// The first result of `pick` over all events since it was opened.
    pub async fn until<T>(&self, what: &str, pick: impl FnMut(&Event) -> Option<T>) -> T {
        self.until_since(0, what, pick).await
    }

    pub async fn until_since<T>(&self, mut at: usize, what: &str, mut pick: impl FnMut(&Event) -> Option<T>) -> T {
        let mut grown = self.log.grown.subscribe();
        let wait = async {
            loop {
                grown.borrow_and_update();
                let new = self.log.events().get(at..).unwrap_or_default().to_vec();
                at += new.len();
                if let Some(found) = new.iter().find_map(&mut pick) {
                    return found;
                }
                grown.changed().await.expect("the log lives as long as the client");
            }
        };
        within(DEADLINE, format!("{}: {what}", self.name), wait).await
    }

    /// Connected, and everything that waited has arrived.
    pub async fn until_drained(&self) {
        self.until_drained_since(0).await;
    }

    pub async fn until_drained_since(&self, mark: usize) {
        let drained = |event: &Event| match event {
            Event::Connection { connection: ConnectionView::Connected { drained: true } } => Some(()),
            Event::SignedOut { error } => panic!("signed out: {error}"),
            _ => None,
        };
        self.until_since(mark, "connected and drained", drained).await;
    }

    /// The text arrived here from somebody else or from a sibling.
    pub async fn until_text(&self, text: &str) -> MessageView {
        self.until(&format!("the message {text:?}"), |event| match event {
            Event::MessageAdded { message, .. } | Event::MessageChanged { message } => {
                (body_text(&message.body) == text).then(|| message.clone())
            }
            _ => None,
        })
        .await
    }

    /// An own message has this status or a later one.
    pub async fn until_status(&self, name: ClientMsgId, status: MessageStatus) -> MessageView {
        self.until(&format!("{status:?} for {name}"), |event| match event {
            Event::MessageAdded { message, .. } | Event::MessageChanged { message } => {
                (message.name == name && message.status >= status).then(|| message.clone())
            }
            _ => None,
        })
        .await
    }

    /// Waits until the outbox is empty: everything sent so far has its tick.
    pub async fn until_all_sent(&self) {
        crate::wait::eventually(DEADLINE, format!("{}'s outbox to be empty", self.name), || async {
            (self.status().await.outbox == 0).then_some(())
        })
        .await;
    }
}

pub fn body_text(body: &MessageBody) -> String {
    match body {
        MessageBody::Text { body, .. } => body.clone(),
        MessageBody::Undecryptable => "[undecryptable]".to_owned(),
        MessageBody::KeyChanged { .. } => "[key changed]".to_owned(),
        MessageBody::Unsupported => "[unsupported]".to_owned(),
        MessageBody::ProfileRestored => "[profile restored]".to_owned(),
        MessageBody::GroupChange { .. } => "[group changed]".to_owned(),
        MessageBody::Poll { question, .. } => format!("[poll] {question}"),
        MessageBody::Location { label, .. } => format!("[location] {label}"),
        MessageBody::ContactCard { card } => format!("[contact] {}", card.name),
        MessageBody::Deleted { .. } => "[deleted]".to_owned(),
        MessageBody::Timer { seconds } => format!("[timer] {seconds}"),
    }
}

async fn pump(mut happenings: Happenings, log: Arc<Log>, ledger: Arc<Ledger>, name: String) {
    // Placeholders that were shown; their text comes as a change.
    let mut waiting = HashSet::new();
    loop {
        match happenings.next().await {
            Happening::Event(event) => {
                write_down(&event, &ledger, &name, &mut waiting);
                let count = {
                    let mut events = log.events();
                    events.push(*event);
                    events.len()
                };
                log.grown.send_replace(count);
            }
            Happening::Missed => ledger.fault(format!("{name}: the test was too slow to see every event")),
            Happening::Ended(_) => return,
        }
    }
}

fn write_down(event: &Event, ledger: &Ledger, viewer: &str, waiting: &mut HashSet<ClientMsgId>) {
    let (message, added) = match event {
        Event::MessageAdded { message, .. } => (message, true),
        Event::MessageChanged { message } => (message, false),
        _ => return,
    };
    let id = message.message_id.map(sotto_types::MessageId::get);
    match &message.body {
        MessageBody::Text { body, .. } if message.from_me => {
            let at_ms = match message.status {
                MessageStatus::Sent => message.server_time_ms,
                MessageStatus::Delivered => message.delivered_ms,
                MessageStatus::Read => message.read_ms,
                _ => None,
            };
            ledger.status(viewer, body, &format!("{:?}", message.status), at_ms);
            if let Some(id) = id {
                ledger.accepted(body, id);
            }
        }
        MessageBody::Text { body, .. } if added || waiting.remove(&message.name) => {
            ledger.shown(viewer, &ledger.name_of(message.from), body, id.unwrap_or_default());
        }
        MessageBody::Undecryptable if added => {
            waiting.insert(message.name);
            ledger.undecryptable(viewer, &ledger.name_of(message.from));
        }
        _ => {}
    }
}
