//! One profile, whoever owns it. `Client` gives commands and happenings the same way whether this process runs the
//! engine or is attached to the process that does.
//! Flow: `connect_or_own` -> owner, or attached -> (the owner ends) -> owner, or attached to the next one -> ...
//! Always true:
//! - commands reach the engine in the order they were given;
//! - when the owner ends, commands without a reply that can be repeated are sent again (a message carries its name, so
//!   it stays one message); the others fail with a text that says what to look at;
//! - whoever listens is told `Missed` after every change of owner: what happened in between is in the history.

use crate::attach::{Attached, FromOwner, ToOwner};
use crate::host::{EVENTS, Host, HostConfig, ReplyTo, Viewer};
use crate::machine::Opener;
use crate::profile::ProfileError;
use sotto_engine::api::{Command, CommandError, ErrorKind, Event, Reply};
use sotto_types::{ClientMsgId, Secret};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::Instant;

/// Commands on their way to the profile's task. When full, callers wait.
const REQUESTS: usize = 64;
/// How long to look for an owner that holds the lock but does not answer (it may be opening a passphrase).
const FIND_OWNER: Duration = Duration::from_secs(15);
const FIND_STEP: Duration = Duration::from_millis(25);

/// Which profile, and how to own it if it is free.
#[derive(Debug, Clone)]
pub struct ProfileOptions {
    pub dir: PathBuf,
    pub passphrase: Option<Secret<String>>,
    pub host: HostConfig,
}

/// What a listener hears.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    Event(Box<Event>),
    /// Events were lost to this listener (too slow, or the owner changed): read the store.
    Missed,
    /// Nothing more will come: the profile cannot be opened any more.
    Ended(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Owner,
    Attached { owner: Option<u32> },
    Ended,
}

enum Request {
    Command(Box<Command>, ReplyTo),
    Foreground(bool),
    Close,
}

/// Dropping it closes too, without waiting for the store to be flushed: prefer `close`.
#[derive(Debug)]
pub struct Client {
    requests: mpsc::Sender<Request>,
    happenings: broadcast::Sender<Happening>,
    role: watch::Receiver<Role>,
    task: tokio::task::JoinHandle<()>,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Request")
    }
}

/// A listener's end. A slow one gets `Missed`, and the newest events after it.
#[derive(Debug)]
pub struct Happenings(broadcast::Receiver<Happening>);

impl Happenings {
    /// Cancel safe.
    pub async fn next(&mut self) -> Happening {
        match self.0.recv().await {
            Ok(happening) => happening,
            Err(broadcast::error::RecvError::Lagged(_)) => Happening::Missed,
            Err(broadcast::error::RecvError::Closed) => Happening::Ended("the profile was closed".into()),
        }
    }
}

impl Happenings {
    /// None if nothing waits.
    pub fn try_next(&mut self) -> Option<Happening> {
        match self.0.try_recv() {
            Ok(happening) => Some(happening),
            Err(broadcast::error::TryRecvError::Lagged(_)) => Some(Happening::Missed),
            Err(broadcast::error::TryRecvError::Empty) => None,
            Err(broadcast::error::TryRecvError::Closed) => Some(Happening::Ended("the profile was closed".into())),
        }
    }
}

impl Client {
    /// Owns the profile that `opener` opens, or attaches to its owner.
    pub async fn with_opener(opener: Arc<dyn Opener>, config: HostConfig) -> Result<Self, ProfileError> {
        let link = find(&opener, &config).await?;
        let (requests, queue) = mpsc::channel(REQUESTS);
        let (happenings, _) = broadcast::channel(EVENTS);
        let (tell_role, role) = watch::channel(link.role());
        let looking = false;
        let worker =
            Worker { opener, config, happenings: happenings.clone(), tell_role, pending: Pending::default(), looking };
        let task = tokio::spawn(worker.run(link, queue));
        Ok(Self { requests, happenings, role, task })
    }

    /// A message without a name gets one here, so that it stays one message whatever happens to the owner.
    pub async fn command(&self, command: Command) -> Result<Reply, CommandError> {
        self.submit(command).await.wait().await
    }

    /// Like `command`, in two steps: once this returns, later commands come after this one.
    pub async fn submit(&self, mut command: Command) -> Answer {
        if let Command::SendText { name: name @ None, .. } = &mut command {
            *name = Some(ClientMsgId::from_uuid(uuid::Uuid::now_v7()));
        }
        let (to, reply) = oneshot::channel();
        let _ = self.requests.send(Request::Command(Box::new(command), to)).await;
        Answer(reply)
    }

    pub fn happenings(&self) -> Happenings {
        Happenings(self.happenings.subscribe())
    }

    /// Whether the person looks at this process's screen.
    pub async fn foreground(&self, looking: bool) {
        let _ = self.requests.send(Request::Foreground(looking)).await;
    }

    pub fn role(&self) -> Role {
        *self.role.borrow()
    }

    /// Waits until this process has that role; for tests and for status displays.
    pub async fn wait_for_role(&self, wanted: impl FnMut(&Role) -> bool) {
        let _ = self.role.clone().wait_for(wanted).await;
    }

    /// Flushes the store if this process owns it, and leaves the profile to others.
    pub async fn close(self) {
        let _ = self.requests.send(Request::Close).await;
        let _ = self.task.await;
    }
}

/// A command's reply to come.
#[derive(Debug)]
pub struct Answer(oneshot::Receiver<Result<Reply, CommandError>>);

impl Answer {
    pub async fn wait(self) -> Result<Reply, CommandError> {
        self.0.await.unwrap_or_else(|_| Err(gone("sotto is closing; the command was not carried out")))
    }
}

fn gone(text: &str) -> CommandError {
    CommandError { kind: ErrorKind::Internal, text: text.into() }
}

enum Link {
    Owner { host: Host, events: broadcast::Receiver<Event>, viewer: Viewer },
    Attached(Attached),
}

impl Link {
    fn owner(host: Host) -> Self {
        Self::Owner { events: host.events(), viewer: host.handle().viewer(), host }
    }

    fn role(&self) -> Role {
        match self {
            Self::Owner { .. } => Role::Owner,
            Self::Attached(attached) => Role::Attached { owner: attached.owner },
        }
    }
}

/// Owner or attached, whichever comes first. Two processes that look at the same time: the lock decides.
async fn find(opener: &Arc<dyn Opener>, config: &HostConfig) -> Result<Link, ProfileError> {
    let started = Instant::now();
    loop {
        let blocking = opener.clone();
        let opened = tokio::task::spawn_blocking(move || blocking.open()).await;
        let locked = match opened.map_err(|_| ProfileError::Other("opening the profile failed".into()))? {
            Ok(opened) => return Host::start_machine(opener.dir(), opened, config).await.map(Link::owner),
            Err(locked @ ProfileError::Locked { .. }) => locked,
            Err(error) => return Err(error),
        };
        if let Ok(attached) = Attached::connect(opener.dir()).await {
            return Ok(Link::Attached(attached));
        }
        if started.elapsed() > FIND_OWNER {
            return Err(locked);
        }
        tokio::time::sleep(FIND_STEP).await;
    }
}

/// Commands sent to an owner and not answered, by line id: kept to be sent again.
#[derive(Default)]
struct Pending {
    last_id: u64,
    waiting: BTreeMap<u64, (Command, ReplyTo)>,
}

struct Worker {
    opener: Arc<dyn Opener>,
    config: HostConfig,
    happenings: broadcast::Sender<Happening>,
    tell_role: watch::Sender<Role>,
    pending: Pending,
    looking: bool,
}

/// Why serving one link ended.
enum Next {
    Close,
    OwnerGone,
}

impl Worker {
    async fn run(mut self, mut link: Link, mut requests: mpsc::Receiver<Request>) {
        loop {
            let next = match &mut link {
                Link::Owner { host, events, viewer } => {
                    serve_owned(host, events, viewer, &mut requests, &self.happenings).await
                }
                Link::Attached(attached) => self.serve_attached(attached, &mut requests).await,
            };
            match next {
                Next::Close => {
                    if let Link::Owner { host, viewer, .. } = link {
                        drop(viewer);
                        host.shutdown().await;
                    }
                    return;
                }
                Next::OwnerGone => drop(link),
            }
            link = match find(&self.opener, &self.config).await {
                Ok(link) => link,
                Err(error) => return self.end(error, requests).await,
            };
            self.settle_in(&mut link).await;
        }
    }

    async fn serve_attached(&mut self, attached: &mut Attached, requests: &mut mpsc::Receiver<Request>) -> Next {
        let out = attached.out.clone();
        loop {
            let next_request = async {
                let room = out.reserve().await.ok()?;
                Some((room, requests.recv().await))
            };
            tokio::select! {
                request = next_request => match request {
                    None => return Next::OwnerGone,
                    Some((_, None | Some(Request::Close))) => return Next::Close,
                    Some((room, Some(Request::Foreground(looking)))) => {
                        self.looking = looking;
                        room.send(ToOwner { foreground: Some(looking), ..Default::default() });
                    }
                    Some((room, Some(Request::Command(command, to)))) => {
                        let id = self.pending.add(Command::clone(&command), to);
                        room.send(ToOwner { id: Some(id), command: Some(*command), foreground: None });
                    }
                },
                line = attached.next() => match line {
                    Ok(Some(line)) => self.on_line(line),
                    Ok(None) | Err(_) => return Next::OwnerGone,
                },
            }
        }
    }

    fn on_line(&mut self, line: FromOwner) {
        if let Some(event) = line.event {
            let _ = self.happenings.send(Happening::Event(Box::new(event)));
        }
        if line.missed.is_some() {
            let _ = self.happenings.send(Happening::Missed);
        }
        let result = match (line.reply, line.error) {
            (Some(reply), _) => Ok(reply),
            (None, Some(error)) => Err(error),
            (None, None) => return,
        };
        if let Some((_, to)) = line.id.and_then(|id| self.pending.waiting.remove(&id)) {
            let _ = to.send(result);
        }
    }

    /// On a new link: what was pending goes first, in its old order; then listeners are told to look.
    async fn settle_in(&mut self, link: &mut Link) {
        self.tell_role.send_replace(link.role());
        let _ = self.happenings.send(Happening::Missed);
        for (command, to) in std::mem::take(&mut self.pending.waiting).into_values() {
            if !command.can_repeat() {
                let _ = to.send(Err(gone(
                    "the sotto that owned this profile ended in the middle of this command: look at `sotto status` \
                     and `sotto devices` before trying again",
                )));
                continue;
            }
            match link {
                Link::Owner { host, .. } => host.handle().submit(command, to).await,
                Link::Attached(attached) => {
                    let id = self.pending.add(Command::clone(&command), to);
                    let _ = attached.out.send(ToOwner { id: Some(id), command: Some(command), foreground: None }).await;
                }
            }
        }
        match link {
            Link::Owner { viewer, .. } => viewer.set(self.looking).await,
            Link::Attached(attached) if self.looking => {
                let _ = attached.out.send(ToOwner { foreground: Some(true), ..Default::default() }).await;
            }
            Link::Attached(_) => {}
        }
    }

    /// The profile cannot be opened any more: every command says so.
    async fn end(mut self, error: ProfileError, mut requests: mpsc::Receiver<Request>) {
        let text = error.to_string();
        tracing::debug!(%text, "the profile is gone");
        self.tell_role.send_replace(Role::Ended);
        let _ = self.happenings.send(Happening::Ended(text.clone()));
        let failure = || CommandError { kind: ErrorKind::Storage, text: text.clone() };
        for (_, to) in std::mem::take(&mut self.pending.waiting).into_values() {
            let _ = to.send(Err(failure()));
        }
        while let Some(request) = requests.recv().await {
            match request {
                Request::Close => return,
                Request::Foreground(_) => {}
                Request::Command(_, to) => drop(to.send(Err(failure()))),
            }
        }
    }
}

impl Pending {
    fn add(&mut self, command: Command, to: ReplyTo) -> u64 {
        self.last_id += 1;
        self.waiting.insert(self.last_id, (command, to));
        self.last_id
    }
}

async fn serve_owned(
    host: &Host,
    events: &mut broadcast::Receiver<Event>,
    viewer: &mut Viewer,
    requests: &mut mpsc::Receiver<Request>,
    happenings: &broadcast::Sender<Happening>,
) -> Next {
    let mut listening = true;
    loop {
        tokio::select! {
            request = requests.recv() => match request {
                None | Some(Request::Close) => return Next::Close,
                Some(Request::Foreground(looking)) => viewer.set(looking).await,
                Some(Request::Command(command, to)) => host.handle().submit(*command, to).await,
            },
            event = events.recv(), if listening => match event {
                Ok(event) => drop(happenings.send(Happening::Event(Box::new(event)))),
                Err(broadcast::error::RecvError::Lagged(_)) => drop(happenings.send(Happening::Missed)),
                // We hold the sender in `host`: this cannot be, but must not spin if it is.
                Err(broadcast::error::RecvError::Closed) => listening = false,
            },
        }
    }
}
