//! The admin socket: JSON lines over a Unix socket that only this user can open. One request, then zero or more `progress`
//! lines and one last line, `ok` or `error`.
//! Always true: whoever can open the socket owns the data anyway, so nothing here asks for proof.

use crate::exit::{Failure, Reason};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sotto_domain::{AccountSummary, Domain, NamedReport, Refusal, Report, ReportSummary, ReportedMessage};
use sotto_embedded::EmbeddedStore;
use sotto_gateway::Gateway;
use sotto_types::{AccountId, Clock, Secret, Timestamp};
use std::fmt;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const REQUEST_BYTES_MAX: u64 = 64 * 1024;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const ACCOUNTS_PER_LINE: usize = 500;
const REPORTS_PER_PAGE: usize = 500;
/// Progress lines that may wait for a slow reader; more are left out.
const PROGRESS_WAITING_MAX: usize = 16;

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Request {
    Status,
    Invite { uses: u32, ttl_s: u64 },
    Accounts,
    SetDisabled { name: String, disabled: bool },
    DeleteAccount { name: String },
    Backup { dir: PathBuf },
    Reports,
    Report { id: u64 },
    ResolveReport { id: u64, note: Note },
}

/// What an operator writes about a report: not for the log.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub struct Note(pub String);

impl fmt::Debug for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Note")
    }
}

/// One line of the answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    Progress(Value),
    /// Data of which there may be much.
    Item(Value),
    Ok(Value),
    Error(String),
}

/// What commands work on.
pub struct Admin {
    pub domain: Arc<Domain>,
    pub gateway: Arc<Gateway>,
    pub store: Arc<EmbeddedStore>,
    pub clock: Arc<dyn Clock>,
    pub listening: SocketAddr,
    pub metrics: Option<SocketAddr>,
    pub data: PathBuf,
    pub started: Instant,
}

/// Takes the place of a socket that a killed server left: the store's lock says that no other server runs here.
pub fn bind(path: &Path) -> Result<UnixListener, Failure> {
    let failed = |error: std::io::Error| {
        let long =
            if path.as_os_str().len() > 100 { " (a socket's path has at most about 100 characters)" } else { "" };
        Failure::new(Reason::Access, format!("cannot make the admin socket {}: {error}{long}", path.display()))
    };
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    // The folder is this user's alone, so nobody gets in before the mode is set.
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

/// Until `stop`; then waits for commands in progress.
pub async fn serve(admin: Arc<Admin>, listener: UnixListener, stop: CancellationToken) {
    let tasks = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let admin = admin.clone();
                tasks.spawn(async move {
                    if let Err(error) = admin.answer(stream).await {
                        tracing::debug!(%error, "an admin command ended early");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept an admin command");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    tasks.close();
    tasks.wait().await;
}

async fn write_line(stream: &mut UnixStream, line: &Line) -> std::io::Result<()> {
    let mut text = serde_json::to_string(line)?;
    text.push('\n');
    stream.write_all(text.as_bytes()).await
}

impl Admin {
    async fn answer(&self, mut stream: UnixStream) -> std::io::Result<()> {
        let mut request = String::new();
        let mut reader = BufReader::new((&mut stream).take(REQUEST_BYTES_MAX));
        tokio::time::timeout(REQUEST_TIMEOUT, reader.read_line(&mut request)).await??;
        let request = match serde_json::from_str::<Request>(&request) {
            Ok(request) => request,
            Err(error) => return write_line(&mut stream, &Line::Error(format!("not a command: {error}"))).await,
        };
        tracing::info!(?request, "admin command");
        let last = match self.run(request, &mut stream).await? {
            Ok(value) => Line::Ok(value),
            Err(message) => Line::Error(message),
        };
        write_line(&mut stream, &last).await
    }

    async fn run(&self, request: Request, stream: &mut UnixStream) -> std::io::Result<Result<Value, String>> {
        let say = |refusal: Refusal| refusal.detail;
        Ok(match request {
            Request::Status => Ok(self.status()),
            Request::Invite { uses, ttl_s } => {
                let expires = self.clock.now().plus(Duration::from_secs(ttl_s));
                let code = self.domain.create_invite(uses, Duration::from_secs(ttl_s)).await;
                code.map(|code| json!({ "code": code, "uses": uses, "expires_ms": expires.as_ms() })).map_err(say)
            }
            Request::Accounts => return self.accounts(stream).await,
            Request::SetDisabled { name, disabled } => self
                .domain
                .disable_account(&name, disabled)
                .await
                .map(|id| json!({ "account_id": id, "disabled": disabled }))
                .map_err(say),
            Request::DeleteAccount { name } => {
                self.domain.delete_account_by_name(&name).await.map(|id| json!({ "account_id": id })).map_err(say)
            }
            Request::Backup { dir } => return self.backup(dir, stream).await,
            Request::Reports => return self.reports(stream).await,
            Request::Report { id } => self.domain.report_of(id).await.map(whole_report).map_err(say),
            Request::ResolveReport { id, note } => self
                .domain
                .resolve_report(id, Secret::new(note.0))
                .await
                .map(|()| json!({ "id": id, "resolved": true }))
                .map_err(say),
        })
    }

    fn status(&self) -> Value {
        let info = self.domain.server_info();
        let stats = self.store.stats();
        json!({
            "version": info.version,
            "pid": std::process::id(),
            "uptime_s": self.started.elapsed().as_secs(),
            "listening": self.listening,
            "metrics": self.metrics,
            "data": self.data,
            "registration": info.registration.as_str(),
            "generation": info.generation,
            "server_time_ms": info.server_time.as_ms(),
            "connections": self.gateway.connection_count(),
            "stopping": self.gateway.is_draining(),
            "open_files_max": crate::limits::open_files(),
            "store": {
                "commits": stats.commits,
                "syncs": stats.syncs,
                "entries": stats.entries,
                "sends": stats.sends,
                "queue_depth": self.store.queue_depth(),
            },
        })
    }

    async fn accounts(&self, stream: &mut UnixStream) -> std::io::Result<Result<Value, String>> {
        let mut after: Option<AccountId> = None;
        let mut count = 0usize;
        loop {
            let page = match self.domain.list_accounts(after, ACCOUNTS_PER_LINE).await {
                Ok(page) => page,
                Err(refusal) => return Ok(Err(refusal.detail)),
            };
            let Some(last) = page.last() else { return Ok(Ok(json!({ "count": count }))) };
            after = Some(last.id);
            count += page.len();
            for account in &page {
                write_line(stream, &Line::Item(shown(account))).await?;
            }
        }
    }

    async fn reports(&self, stream: &mut UnixStream) -> std::io::Result<Result<Value, String>> {
        let (mut after, mut count) = (0, 0usize);
        loop {
            let page = match self.domain.reports(after, REPORTS_PER_PAGE).await {
                Ok(page) => page,
                Err(refusal) => return Ok(Err(refusal.detail)),
            };
            let Some(last) = page.last() else { return Ok(Ok(json!({ "count": count }))) };
            after = last.report.id;
            count += page.len();
            for report in &page {
                write_line(stream, &Line::Item(report_line(report, &report.report))).await?;
            }
        }
    }

    async fn backup(&self, dir: PathBuf, stream: &mut UnixStream) -> std::io::Result<Result<Value, String>> {
        let (store, now) = (self.store.clone(), self.clock.now());
        let (sender, mut progress) = tokio::sync::mpsc::channel(PROGRESS_WAITING_MAX);
        let mut copying = tokio::task::spawn_blocking(move || {
            store.backup(&dir, now, &mut |progress| {
                let line = json!({
                    "step": progress.step,
                    "table": progress.table,
                    "records": progress.records,
                    "bytes": progress.bytes,
                });
                // Whoever reads slowly misses some of them.
                let _ = sender.try_send(line);
            })
        });
        let result = loop {
            tokio::select! {
                result = &mut copying => break result,
                Some(line) = progress.recv() => write_line(stream, &Line::Progress(line)).await?,
            }
        };
        Ok(match result {
            Ok(Ok(summary)) => Ok(json!({
                "records": summary.records,
                "bytes": summary.bytes,
                "generation": summary.generation,
            })),
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => Err(format!("the backup was broken off: {error}")),
        })
    }
}

fn shown(account: &AccountSummary) -> Value {
    let ms = |at: Timestamp| at.as_ms();
    json!({
        "account_id": account.id,
        "username": account.username,
        "devices": account.devices,
        "disabled": account.disabled,
        "created_ms": ms(account.created),
        "last_seen_ms": ms(account.last_seen),
    })
}

fn report_line<T>(named: &NamedReport<T>, report: &ReportSummary) -> Value {
    json!({
        "id": report.id,
        "at_ms": report.at.as_ms(),
        "reason": report.reason.as_str(),
        "account_id": report.account,
        "username": named.account,
        "reporter_id": report.reporter,
        "reporter": named.reporter,
        "resolved": report.is_resolved,
    })
}

fn whole_report(named: NamedReport<Report>) -> Value {
    let mut line = report_line(&named, &named.report.summary());
    let Report { report, resolved, .. } = named.report;
    let message =
        |message: &ReportedMessage| json!({ "sent_at_ms": message.sent_at.as_ms(), "text": message.text.expose() });
    let more = json!({
        "comment": report.comment.expose(),
        "messages": report.messages.iter().map(message).collect::<Vec<_>>(),
        "resolution": resolved.map(|done| json!({ "at_ms": done.at.as_ms(), "note": done.note.expose() })),
    });
    if let (Value::Object(line), Value::Object(more)) = (&mut line, more) {
        line.extend(more);
    }
    line
}
