//! How other processes of the same person use a profile that this process owns: JSON lines over `DIR/attach.sock`.
//!
//! ```text
//! owner:  {"sotto":1,"pid":4711}                          first line
//! client: {"id":1,"command":{"command":"who_am_i"}}       ids are the client's own
//! client: {"foreground":true}
//! owner:  {"id":1,"reply":{"reply":"me",...}}  or  {"id":1,"error":{"kind":"not_found","text":"..."}}
//! owner:  {"event":{"event":"message_added",...}}         every event, in order
//! owner:  {"missed":12}                                   this reader was too slow for 12 events: read the history
//! ```
//!
//! Always true:
//! - the socket is 0600 in a 0700 folder, and only the owner's user is served;
//! - commands of one client reach the engine in the order of its lines;
//! - a client that stops reading costs one bounded queue; it is told what it missed.

use crate::host::Handle;
use crate::profile::ProfileError;
use serde::{Deserialize, Serialize};
use sotto_engine::api::{Command, CommandError, ErrorKind, Event, Reply};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub const VERSION: u32 = 1;
/// A command is at most a message text and its wrapping.
const COMMAND_BYTES: u64 = 1024 * 1024;
/// An answer may be a page of history.
const ANSWER_BYTES: u64 = 64 * 1024 * 1024;
/// Commands of one client that wait for their reply; more are read only when one is done.
const IN_FLIGHT: usize = 64;
const PATH_BYTES: usize = 100;

/// A line from an attached process.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct ToOwner {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreground: Option<bool>,
}

/// A line from the owner.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct FromOwner {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sotto: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<Reply>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<CommandError>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Event>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<u64>,
}

fn socket_path(dir: &Path) -> PathBuf {
    dir.join("attach.sock")
}

/// The kernel takes about 100 bytes of socket path; a deep folder is named through its open descriptor instead.
fn with_short_path<T>(dir: &Path, act: impl FnOnce(&Path) -> std::io::Result<T>) -> std::io::Result<T> {
    let path = socket_path(dir);
    if path.as_os_str().len() <= PATH_BYTES {
        return act(&path);
    }
    use std::os::fd::AsRawFd;
    let folder = std::fs::File::open(dir)?;
    act(&Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join("attach.sock"))
}

/// The listening socket; its file goes with it.
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
    stop: CancellationToken,
}

impl Drop for Socket {
    fn drop(&mut self) {
        // The file first: a process that comes now waits for the lock instead of a dead socket.
        let _ = std::fs::remove_file(&self.path);
        self.stop.cancel();
    }
}

/// Serves attached processes until the socket is dropped or `stop`. The caller owns the profile's lock.
pub fn serve(dir: &Path, host: Handle, tasks: &TaskTracker, stop: &CancellationToken) -> Result<Socket, ProfileError> {
    let path = socket_path(dir);
    let io = |source| ProfileError::Io { what: "cannot listen on", path: path.clone(), source };
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    let listener = with_short_path(dir, |short| UnixListener::bind(short)).map_err(io)?;
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(io)?;
    let stop = stop.child_token();
    let (accepting, serving) = (stop.clone(), tasks.clone());
    tasks.spawn(async move {
        loop {
            let stream = tokio::select! {
                () = accepting.cancelled() => return,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        // Out of descriptors, most likely: those in use work on.
                        tracing::warn!(%error, "another sotto could not attach");
                        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                        continue;
                    }
                },
            };
            if !is_same_user(&stream) {
                continue;
            }
            let (host, stop) = (host.clone(), accepting.clone());
            serving.spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    _ = serve_one(stream, host) => {}
                }
            });
        }
    });
    Ok(Socket { path, stop })
}

fn is_same_user(stream: &UnixStream) -> bool {
    stream.peer_cred().is_ok_and(|peer| peer.uid() == rustix::process::geteuid().as_raw())
}

async fn serve_one(stream: UnixStream, host: Handle) -> std::io::Result<()> {
    let events = host.events();
    let (read, write) = stream.into_split();
    let (answers, queue) = mpsc::channel(IN_FLIGHT);
    tokio::select! {
        done = read_commands(BufReader::new(read), host, answers) => done,
        done = write_lines(BufWriter::new(write), events, queue) => done,
    }
}

async fn read_commands(
    mut lines: BufReader<OwnedReadHalf>,
    host: Handle,
    answers: mpsc::Sender<FromOwner>,
) -> std::io::Result<()> {
    let mut viewer = host.viewer();
    let in_flight = Arc::new(Semaphore::new(IN_FLIGHT));
    while let Some(line) = read_line(&mut lines, COMMAND_BYTES).await? {
        let ask: ToOwner = match serde_json::from_slice(&line) {
            Ok(ask) => ask,
            Err(error) => {
                let answer = FromOwner { id: id_of(&line), error: Some(not_understood(&error)), ..Default::default() };
                if answers.send(answer).await.is_err() {
                    break;
                }
                continue;
            }
        };
        if let Some(looking) = ask.foreground {
            viewer.set(looking).await;
        }
        let Some(command) = ask.command else { continue };
        let permit = in_flight.clone().acquire_owned().await.expect("the semaphore is never closed");
        let (to, reply) = oneshot::channel();
        host.submit(command, to).await;
        let answers = answers.clone();
        let id = ask.id;
        tokio::spawn(async move {
            // A dropped reply means that the engine ends: the client hears that from the closed socket and asks again.
            if let Ok(result) = reply.await {
                let (reply, error) = match result {
                    Ok(reply) => (Some(reply), None),
                    Err(error) => (None, Some(error)),
                };
                let _ = answers.send(FromOwner { id, reply, error, ..Default::default() }).await;
            }
            drop(permit);
        });
    }
    viewer.set(false).await;
    Ok(())
}

fn id_of(line: &[u8]) -> Option<u64> {
    serde_json::from_slice::<serde_json::Value>(line).ok()?.get("id")?.as_u64()
}

fn not_understood(error: &serde_json::Error) -> CommandError {
    let text = format!(
        "the sotto that owns this profile (process {}) does not understand the command ({error}): close it if it is older",
        std::process::id()
    );
    CommandError { kind: ErrorKind::Invalid, text }
}

async fn write_lines(
    mut out: BufWriter<OwnedWriteHalf>,
    mut events: broadcast::Receiver<Event>,
    mut answers: mpsc::Receiver<FromOwner>,
) -> std::io::Result<()> {
    let hello = FromOwner { sotto: Some(VERSION), pid: Some(std::process::id()), ..Default::default() };
    write_line(&mut out, &hello).await?;
    loop {
        out.flush().await?;
        // Not `biased`: neither events nor answers may starve the other. An answer may overtake events of its step.
        let line = tokio::select! {
            event = events.recv() => match event {
                Ok(event) => FromOwner { event: Some(event), ..Default::default() },
                Err(broadcast::error::RecvError::Lagged(count)) => FromOwner { missed: Some(count), ..Default::default() },
                Err(broadcast::error::RecvError::Closed) => return Ok(()),
            },
            answer = answers.recv() => match answer {
                Some(answer) => answer,
                None => return Ok(()),
            },
        };
        write_line(&mut out, &line).await?;
    }
}

async fn write_line(out: &mut BufWriter<OwnedWriteHalf>, line: &FromOwner) -> std::io::Result<()> {
    let mut bytes = serde_json::to_vec(line).map_err(std::io::Error::other)?;
    bytes.push(b'\n');
    out.write_all(&bytes).await
}

async fn read_line(lines: &mut BufReader<OwnedReadHalf>, limit: u64) -> std::io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    lines.take(limit).read_until(b'\n', &mut line).await?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        // Cut off in the middle by the end of the other process, or too long: neither can be used.
        Some(_) => Ok(None),
    }
}

/// The other end: this process is attached to the owner.
#[derive(Debug)]
pub struct Attached {
    lines: BufReader<OwnedReadHalf>,
    partial: Vec<u8>,
    /// Lines for the owner. When full, commands wait; reading goes on, so that two full sockets cannot block each other.
    pub out: mpsc::Sender<ToOwner>,
    pub owner: Option<u32>,
}

impl Attached {
    pub async fn connect(dir: &Path) -> std::io::Result<Self> {
        let stream = {
            let std = with_short_path(dir, |path| std::os::unix::net::UnixStream::connect(path))?;
            std.set_nonblocking(true)?;
            UnixStream::from_std(std)?
        };
        if !is_same_user(&stream) {
            return Err(std::io::Error::from(std::io::ErrorKind::PermissionDenied));
        }
        let (read, mut write) = stream.into_split();
        let (out, mut queue) = mpsc::channel::<ToOwner>(IN_FLIGHT);
        // Ends when `out` is dropped or the owner is gone; the reader sees the latter too.
        tokio::spawn(async move {
            while let Some(line) = queue.recv().await {
                let Ok(mut bytes) = serde_json::to_vec(&line) else { continue };
                bytes.push(b'\n');
                if write.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        });
        let mut attached = Self { lines: BufReader::new(read), partial: Vec::new(), out, owner: None };
        let hello = attached.next().await?.ok_or(std::io::ErrorKind::UnexpectedEof)?;
        attached.owner = hello.pid;
        Ok(attached)
    }

    /// The next line; none at the end. Cancel safe: a half line is kept. Lines of a newer owner that make no sense here
    /// are skipped, unless they answer something.
    pub async fn next(&mut self) -> std::io::Result<Option<FromOwner>> {
        loop {
            let room = ANSWER_BYTES.saturating_sub(u64::try_from(self.partial.len()).unwrap_or(u64::MAX));
            (&mut self.lines).take(room).read_until(b'\n', &mut self.partial).await?;
            if self.partial.last() != Some(&b'\n') {
                return Ok(None);
            }
            let line = std::mem::take(&mut self.partial);
            match serde_json::from_slice(&line) {
                Ok(line) => return Ok(Some(line)),
                Err(error) => {
                    if let Some(id) = id_of(&line) {
                        let text =
                            format!("the owner of this profile gave an answer this version does not know ({error})");
                        let error = CommandError { kind: ErrorKind::Internal, text };
                        return Ok(Some(FromOwner { id: Some(id), error: Some(error), ..Default::default() }));
                    }
                }
            }
        }
    }
}
