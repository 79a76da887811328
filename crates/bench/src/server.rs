//! The server under measurement: one of our own in a temporary folder, or somebody else's.
//! Flow: `Server::start` (find `sottod`, start it with rate limits out of the way, wait for its ready line) -> `Probe`
//!       (processor time and memory from /proc) -> dropped: killed by its id, its folder removed.
//! Always true: a server of our own ends with this process, however that ends; a foreign one is only looked at.

use crate::target::Target;
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, set_parent_process_death_signal};
use serde::Deserialize;
use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

const START_TIMEOUT: Duration = Duration::from_secs(30);
/// How much of the log is shown when the server fails.
const LOG_LINES: usize = 15;

/// How to get a server of our own.
#[derive(Debug, Clone, Default)]
pub struct ServerOptions {
    /// Beside this executable if not given.
    pub sottod: Option<PathBuf>,
    /// Where its temporary folder is made.
    pub folder: Option<PathBuf>,
    /// Added to every sync of its store: a slow disk.
    pub sync_delay_ms: Option<u64>,
}

/// A server of our own.
#[derive(Debug)]
pub struct Server {
    child: Child,
    pid: u32,
    pub target: Target,
    pub metrics: Option<SocketAddr>,
    folder: TempDir,
}

/// What `sottod serve --json` prints once it serves.
#[derive(Debug, Deserialize)]
struct ReadyLine {
    listening: SocketAddr,
    metrics: Option<SocketAddr>,
}

impl Server {
    pub async fn start(options: &ServerOptions) -> Result<Self> {
        let program = find_sottod(options.sottod.as_deref())?;
        let folder = match &options.folder {
            Some(parent) => TempDir::with_prefix_in("sotto-bench-", parent),
            None => TempDir::with_prefix("sotto-bench-"),
        };
        let folder = folder.context("no temporary folder for the server's data")?;
        let log = fs::File::create(folder.path().join("log"))?;
        let mut command = Command::new(std::env::current_exe().context("this executable has no path")?);
        command.arg("exec-server").arg(&program).args(["serve", "--listen", "127.0.0.1:0", "--json", "--data"]);
        command.arg(folder.path().join("data")).current_dir(folder.path());
        command.envs(environment(options)).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let pid = child.id().context("the server ended at once")?;
        let stdout = child.stdout.take().context("the server's output was asked for")?;
        let mut lines = BufReader::new(stdout).lines();
        let ready = tokio::time::timeout(START_TIMEOUT, async {
            while let Some(line) = lines.next_line().await? {
                if let Ok(ready) = serde_json::from_str::<ReadyLine>(&line) {
                    return anyhow::Ok(Some(ready));
                }
            }
            Ok(None)
        });
        let ready = ready.await;
        // Its later output is of no interest, but a closed pipe would end it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        match ready {
            Ok(Ok(Some(ready))) => {
                Ok(Self { child, pid, target: Target::local(ready.listening), metrics: ready.metrics, folder })
            }
            Ok(Ok(None)) => bail!("{} ended before it was ready:\n{}", program.display(), tail(folder.path())),
            Ok(Err(error)) => Err(error).context("the server's output cannot be read"),
            Err(_) => bail!("the server is not ready after {} s:\n{}", START_TIMEOUT.as_secs(), tail(folder.path())),
        }
    }

    pub fn probe(&self) -> Probe {
        Probe { pid: self.pid }
    }

    /// What the server logged last, if it ended by itself.
    pub fn obituary(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok().flatten()?;
        Some(format!("the server ended by itself ({status}); its last lines:\n{}", tail(self.folder.path())))
    }

    /// Kills the server and waits until it is gone; its folder goes with it.
    pub async fn end(mut self) -> Result<()> {
        self.child.kill().await.context("the server could not be ended")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // `kill_on_drop` comes after the folder's removal, which would race with a server that still writes.
        let _ = self.child.start_kill();
        let patience = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && patience.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn tail(folder: &Path) -> String {
    let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
    let lines: Vec<_> = log.lines().collect();
    let last = lines.get(lines.len().saturating_sub(LOG_LINES)..).unwrap_or_default();
    if last.is_empty() { "(it logged nothing)".into() } else { last.join("\n") }
}

fn find_sottod(given: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = given {
        if !path.is_file() {
            bail!("{} does not exist", path.display());
        }
        return Ok(path.canonicalize()?);
    }
    let beside = std::env::current_exe()?.with_file_name("sottod");
    if !beside.is_file() {
        bail!(
            "there is no sottod beside this executable ({}): build it (cargo build --release -p sotto-server), name one with \
             --sottod, or measure a running server with --server",
            beside.display()
        );
    }
    Ok(beside)
}

fn environment(options: &ServerOptions) -> Vec<(&'static str, String)> {
    // What protects a server from a client that behaves like this one is not what is measured.
    let mut variables = vec![
        ("SOTTO_METRICS_LISTEN", "127.0.0.1:0".into()),
        ("SOTTO_LIMITS_SENDS", "{ burst = 10000000, per_minute = 100000000 }".into()),
        ("SOTTO_GATEWAY_FRAMES_PER_SECOND", "1000000".into()),
        ("SOTTO_GATEWAY_FRAMES_BURST", "10000000".into()),
        // Those who write to each other here are strangers, and wait for ticks.
        ("SOTTO_MESSAGES_REQUESTS", "false".into()),
    ];
    if let Some(ms) = options.sync_delay_ms {
        variables.push(("SOTTO_STORE_SYNC_DELAY_MS", ms.to_string()));
    }
    variables
}

/// `sotto-bench exec-server PROGRAM ARGS`: becomes the program, tied to the life of the bench. A kill of the bench that it
/// cannot notice then ends the server too.
pub fn exec(program: &Path, args: &[OsString]) -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL)).context("cannot tie the server to this process")?;
    let error = std::process::Command::new(program).args(args).exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}

/// Looks at a process through /proc.
#[derive(Debug, Clone, Copy)]
pub struct Probe {
    pid: u32,
}

impl Probe {
    pub fn of(pid: u32) -> Result<Self> {
        let probe = Self { pid };
        Pid::from_raw(i32::try_from(pid)?).with_context(|| format!("{pid} is no process id"))?;
        probe.cpu()?;
        Ok(probe)
    }

    fn read(self, file: &str) -> Result<String> {
        let path = format!("/proc/{}/{file}", self.pid);
        fs::read_to_string(&path).with_context(|| format!("the server's {path} cannot be read: is it still running?"))
    }

    /// Processor time so far, user and system.
    pub fn cpu(self) -> Result<Duration> {
        let ticks = cpu_ticks(&self.read("stat")?).context("/proc/PID/stat has another form than expected")?;
        Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
    }

    /// Resident memory in bytes.
    pub fn rss(self) -> Result<u64> {
        rss_bytes(&self.read("status")?).context("/proc/PID/status has another form than expected")
    }

    /// Resident memory once it has stopped changing: within half a percent for two seconds, or after `patience`.
    pub async fn settled_rss(self, patience: Duration) -> Result<u64> {
        let (begun, mut steady_since, mut reference) = (Instant::now(), Instant::now(), self.rss()?);
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let now = self.rss()?;
            if now.abs_diff(reference) > reference / 200 {
                (reference, steady_since) = (now, Instant::now());
            }
            if steady_since.elapsed() >= Duration::from_secs(2) || begun.elapsed() >= patience {
                return Ok(now);
            }
        }
    }
}

/// Fields 14 and 15; counted after the name, which may contain anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    user.checked_add(system)
}

fn rss_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_read() {
        let stat = "42 (a) name) S 1 42 42 0 -1 4194560 10 0 0 0 123 45 0 0 20 0 3 0 99 1 2";
        assert_eq!(cpu_ticks(stat), Some(168));
        assert_eq!(cpu_ticks("nonsense"), None);
        assert_eq!(rss_bytes("Name:\tx\nVmRSS:\t   2048 kB\nThreads: 1"), Some(2048 * 1024));
        let own = Probe::of(std::process::id()).expect("this process");
        assert!(own.rss().expect("a size") > 100_000);
        assert!(Probe::of(u32::try_from(i32::MAX).expect("fits")).is_err());
    }

    #[test]
    fn a_missing_sottod_says_what_to_do() {
        let error = find_sottod(Some(Path::new("/does/not/exist"))).expect_err("missing");
        assert!(error.to_string().contains("/does/not/exist"));
    }
}
