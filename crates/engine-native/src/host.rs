//! Host: the engine thread with its inbox, and the tasks that serve it.
//! Flow: `Handle` or a network task -> inbox -> `Machine::step` on the engine thread -> effects: frames and requests to
//!       `network`, events to all listeners, replies to whoever asked.
//! Always true:
//! - the engine thread never waits for anything but its inbox, so no queue can make a circle;
//! - effects are carried out in the order given, after the step (and its local transaction) is done;
//! - shutdown ends the machine first (its store is flushed), then writes queued frames out, then frees the lock.

use crate::attach;
use crate::machine::{Machine, OpenMachine, Opened};
use crate::network::Network;
use crate::profile::{ProfileError, ProfileLock};
use crate::timer;
use sotto_engine::EngineConfig;
use sotto_engine::api::{Command, CommandError, CommandId, Effect, ErrorKind, Event, Input, Reply};
use sotto_types::{Clock, SystemClock, Timestamp};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Inputs on their way to the engine. When full, senders wait: reading from the network pauses, nothing is lost.
const INBOX: usize = 256;
/// Events a listener may be behind before it is told `Missed`.
pub const EVENTS: usize = 8192;
/// Inputs taken into one step.
const BATCH: usize = 64;
const SHUTDOWN: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub struct HostConfig {
    /// More certificates to trust, besides the system's.
    pub tls_ca: Option<PathBuf>,
    pub clock: Arc<dyn Clock>,
    /// Listen for other processes of the same person on `DIR/attach.sock`.
    pub attach: bool,
    pub engine: EngineConfig,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self {
            tls_ca: None,
            clock: Arc::new(SystemClock),
            attach: true,
            engine: EngineConfig {
                client: concat!("sotto/", env!("CARGO_PKG_VERSION")).into(),
                ..EngineConfig::default()
            },
        }
    }
}

pub(crate) type ReplyTo = oneshot::Sender<Result<Reply, CommandError>>;

pub(crate) enum ToEngine {
    Command(Command, ReplyTo),
    Input(Input),
    /// From the connection of that number; dropped if it is not the current one.
    Connection(u64, Input),
    Stop,
}

/// Talks to a running host; cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    inbox: mpsc::Sender<ToEngine>,
    events: broadcast::Sender<Event>,
    viewers: Arc<AtomicUsize>,
}

impl std::fmt::Debug for ToEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ToEngine")
    }
}

impl Handle {
    pub async fn command(&self, command: Command) -> Result<Reply, CommandError> {
        let (to, reply) = oneshot::channel();
        self.submit(command, to).await;
        reply.await.unwrap_or_else(|_| Err(closing()))
    }

    /// In order: two commands submitted one after the other reach the engine so.
    pub(crate) async fn submit(&self, command: Command, to: ReplyTo) {
        // If the engine is gone, `to` is dropped and the asker sees it closed.
        let _ = self.inbox.send(ToEngine::Command(command, to)).await;
    }

    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Somebody who may look at the app. The engine is in the foreground while any viewer looks.
    pub(crate) fn viewer(&self) -> Viewer {
        Viewer { handle: self.clone(), looking: false }
    }
}

#[derive(Debug)]
pub(crate) struct Viewer {
    handle: Handle,
    looking: bool,
}

impl Viewer {
    pub async fn set(&mut self, looking: bool) {
        if self.looking == looking {
            return;
        }
        self.looking = looking;
        let changed = if looking {
            self.handle.viewers.fetch_add(1, Ordering::SeqCst) == 0
        } else {
            self.handle.viewers.fetch_sub(1, Ordering::SeqCst) == 1
        };
        if changed {
            let _ = self.handle.inbox.send(ToEngine::Input(Input::Foreground(looking))).await;
        }
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        if self.looking && self.handle.viewers.fetch_sub(1, Ordering::SeqCst) == 1 {
            // Best effort: the server also notices by expiry.
            let _ = self.handle.inbox.try_send(ToEngine::Input(Input::Foreground(false)));
        }
    }
}

/// A running engine. Dropping it stops the engine too, without waiting for it.
#[derive(Debug)]
pub struct Host {
    handle: Handle,
    stop: CancellationToken,
    tasks: TaskTracker,
    connections: TaskTracker,
    ended: watch::Receiver<bool>,
    socket: Option<attach::Socket>,
    /// Shared with the engine thread: whichever ends last frees the profile.
    _lock: Arc<ProfileLock>,
}

impl Host {
    /// Starts the machine and waits until it is open. Needs a tokio runtime.
    pub async fn start_machine(dir: &Path, opened: Opened, config: &HostConfig) -> Result<Self, ProfileError> {
        let (inbox, queue) = mpsc::channel(INBOX);
        let (events, _) = broadcast::channel(EVENTS);
        let handle = Handle { inbox: inbox.clone(), events: events.clone(), viewers: Arc::default() };
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let runtime = tokio::runtime::Handle::current();
        let connections = TaskTracker::new();
        let network =
            Network::new(runtime, inbox.clone(), config.tls_ca.as_deref(), [&tasks, &connections], stop.clone())?;
        let (wake, wish) = watch::channel(None);
        tasks.spawn(timer::run(wish, config.clock.clone(), inbox, stop.clone()));
        let lock = Arc::new(opened.lock);
        let (end, ended) = watch::channel(false);
        let (opened_to, is_open) = oneshot::channel();
        let thread = EngineThread {
            clock: config.clock.clone(),
            network,
            events,
            wake,
            waiting: HashMap::new(),
            next_command: 0,
            batch: Vec::new(),
        };
        let guard = lock.clone();
        std::thread::Builder::new()
            .name("sotto-engine".into())
            .spawn(move || {
                thread.run(opened.machine, queue, opened_to);
                drop(guard);
                let _ = end.send(true);
            })
            .map_err(|error| ProfileError::Other(format!("cannot start a thread: {error}")))?;
        is_open.await.unwrap_or_else(|_| Err(ProfileError::Other("the engine stopped while opening".into())))?;
        let mut host = Self { handle, stop, tasks, connections, ended, socket: None, _lock: lock };
        if config.attach {
            // If this fails, dropping `host` stops the engine again.
            host.socket = Some(attach::serve(dir, host.handle.clone(), &host.tasks, &host.stop)?);
        }
        Ok(host)
    }

    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    pub async fn command(&self, command: Command) -> Result<Reply, CommandError> {
        self.handle.command(command).await
    }

    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.handle.events()
    }

    /// Flushes the store, writes queued frames out, closes the connection, frees the profile.
    pub async fn shutdown(mut self) {
        // New processes must not attach to an engine that is ending.
        self.socket = None;
        let _ = self.handle.inbox.send(ToEngine::Stop).await;
        let _ = self.ended.wait_for(|ended| *ended).await;
        // Connections end by themselves once their queue is written; everything else has nothing left to serve.
        self.connections.close();
        if tokio::time::timeout(SHUTDOWN, self.connections.wait()).await.is_err() {
            tracing::debug!("the connection did not close in time");
        }
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

struct EngineThread {
    clock: Arc<dyn Clock>,
    network: Network,
    events: broadcast::Sender<Event>,
    wake: watch::Sender<Option<Timestamp>>,
    waiting: HashMap<CommandId, ReplyTo>,
    next_command: u64,
    /// For the next step: from the inbox, or caused by effects.
    batch: Vec<Input>,
}

impl EngineThread {
    fn run(
        mut self,
        open: OpenMachine,
        mut inbox: mpsc::Receiver<ToEngine>,
        opened: oneshot::Sender<Result<(), ProfileError>>,
    ) {
        let mut machine = match open(self.clock.now()) {
            Ok((machine, effects)) => {
                let _ = opened.send(Ok(()));
                self.perform(effects);
                machine
            }
            Err(error) => {
                let _ = opened.send(Err(error));
                return;
            }
        };
        loop {
            self.settle(machine.as_mut());
            let Some(first) = inbox.blocking_recv() else { return };
            let mut next = Some(first);
            while let Some(input) = next {
                if !self.take(input) {
                    // What came before the stop is still carried out, so that its effects are not lost.
                    return self.settle(machine.as_mut());
                }
                next = if self.batch.len() < BATCH { inbox.try_recv().ok() } else { None };
            }
        }
    }

    /// False: stop.
    fn take(&mut self, input: ToEngine) -> bool {
        match input {
            ToEngine::Stop => return false,
            ToEngine::Input(input) => self.batch.push(input),
            ToEngine::Connection(number, _) if !self.network.is_current(number) => {}
            ToEngine::Connection(_, input) => {
                if matches!(input, Input::TransportClosed { .. }) {
                    self.network.disconnect();
                }
                self.batch.push(input);
            }
            ToEngine::Command(command, to) => {
                self.next_command += 1;
                let id = CommandId(self.next_command);
                self.waiting.insert(id, to);
                self.batch.push(Input::Command { id, command });
            }
        }
        true
    }

    /// Steps until nothing is left; effects may cause more inputs.
    fn settle(&mut self, machine: &mut dyn Machine) {
        while !self.batch.is_empty() {
            let effects = machine.step(std::mem::take(&mut self.batch), self.clock.now());
            self.perform(effects);
        }
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Connect { url } => self.network.connect(url),
                Effect::Disconnect => self.network.disconnect(),
                Effect::SendFrame(frame) => {
                    if !self.network.send(frame) {
                        let reason = "the server reads too slowly".into();
                        self.batch.push(Input::TransportClosed { reason });
                    }
                }
                Effect::Http(request) => self.network.request(request),
                Effect::WakeAt(at) => {
                    self.wake.send_replace(Some(at));
                }
                // Nobody listening is fine: the store has it.
                Effect::Event(event) => drop(self.events.send(event)),
                Effect::Reply { command, result } => {
                    if let Some(to) = self.waiting.remove(&command) {
                        // The asker may have gone away.
                        drop(to.send(result));
                    }
                }
            }
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.stop.cancel();
        let _ = self.handle.inbox.try_send(ToEngine::Stop);
    }
}

fn closing() -> CommandError {
    CommandError { kind: ErrorKind::Internal, text: "sotto is closing; the command was not carried out".into() }
}
