//! Child processes of tests: found beside the test binary, their output kept, never left behind.

use crate::wait::within;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A program of this workspace, from the target folder that the running test came from.
pub fn program(name: &str) -> PathBuf {
    if let Some(folder) = std::env::var_os("SOTTO_BIN_DIR") {
        return Path::new(&folder).join(name);
    }
    let test = std::env::current_exe().expect("a running test has a path");
    let path = test.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.is_file());
    path.unwrap_or_else(|| panic!("{name} is not built: cargo build -p sotto-server -p sotto-cli -p echo-bot"))
}

/// Lines of one output stream, growing; everybody may wait for one.
#[derive(Debug, Clone)]
pub struct Lines {
    lines: Arc<Mutex<Vec<String>>>,
    /// (lines so far, the stream ended)
    grown: watch::Receiver<(usize, bool)>,
}

impl Lines {
    fn pump(stream: impl AsyncRead + Unpin + Send + 'static) -> (Self, JoinHandle<()>) {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (tell, grown) = watch::channel((0, false));
        let store = lines.clone();
        let task = tokio::spawn(async move {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            // Not `lines()`: a program that dies in the middle of a character must not end the pump.
            while reader.read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
                let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
                line.clear();
                let count = {
                    let mut lines: std::sync::MutexGuard<'_, Vec<String>> =
                        store.lock().unwrap_or_else(PoisonError::into_inner);
                    lines.push(text);
                    lines.len()
                };
                tell.send_replace((count, false));
            }
            tell.send_modify(|(_, ended)| *ended = true);
        });
        (Self { lines, grown }, task)
    }

    pub fn all(&self) -> Vec<String> {
        self.from(0)
    }

    /// Lines from number `at` on.
    pub fn from(&self, at: usize) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).get(at..).unwrap_or_default().to_vec()
    }

    /// The first result of `pick` over lines from number `at` on, with the number of the line after it.
    /// None if the stream ended without one.
    pub async fn find<T>(&self, mut at: usize, mut pick: impl FnMut(&str) -> Option<T>) -> Option<(T, usize)> {
        let mut grown = self.grown.clone();
        loop {
            let (count, ended) = *grown.borrow_and_update();
            for line in self.from(at) {
                at += 1;
                if let Some(found) = pick(&line) {
                    return Some((found, at));
                }
            }
            if at >= count && (ended || grown.changed().await.is_err()) {
                return None;
            }
        }
    }
}

/// A running program. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    name: String,
    pub stdout: Lines,
    pub stderr: Lines,
    pumps: [JoinHandle<()>; 2],
}

impl Process {
    /// Starts it with all three streams piped.
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let name = command.as_std().get_program().to_string_lossy().into_owned();
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let (stdout, out) = Lines::pump(child.stdout.take().expect("stdout is piped"));
        let (stderr, err) = Lines::pump(child.stderr.take().expect("stderr is piped"));
        let stdin = child.stdin.take();
        Self { child, stdin, name, stdout, stderr, pumps: [out, err] }
    }

    pub fn pid(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// Writes a line to its standard input; an error if it is gone.
    pub async fn write_line(&mut self, line: &str) -> std::io::Result<()> {
        let stdin = self.stdin.as_mut().ok_or(std::io::ErrorKind::BrokenPipe)?;
        stdin.write_all(line.as_bytes()).await?;
        stdin.write_all(b"\n").await?;
        stdin.flush().await
    }

    /// End of its input.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// SIGKILL, and gone on return; its last lines are read.
    pub async fn kill9(&mut self) {
        self.child.start_kill().ok();
        self.wait(Duration::from_secs(10)).await;
    }

    /// A signal by number of the kill program ("TERM", "INT", "STOP", "CONT").
    pub async fn signal(&self, signal: &str) {
        let Some(pid) = self.child.id() else { return };
        let done = Command::new("kill").args(["-s", signal, &pid.to_string()]).status().await;
        assert!(done.is_ok_and(|status| status.success()), "kill -s {signal} {pid} ({})", self.name);
    }

    /// Its end by itself, with all output read.
    pub async fn wait(&mut self, deadline: Duration) -> ExitStatus {
        let status = within(deadline, format!("the end of {}", self.name), self.child.wait()).await;
        for pump in &mut self.pumps {
            // A grandchild may hold the pipe open; what came until now is enough then.
            tokio::time::timeout(Duration::from_secs(2), pump).await.ok();
        }
        status.expect("a child can be waited for")
    }

    pub fn try_wait(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// Resident memory in MiB.
    pub fn rss_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the process lives");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says VmRSS");
        let kib: f64 = line.trim().trim_end_matches("kB").trim().parse().expect("a number of kB");
        kib / 1024.0
    }
}

/// What a finished program said.
#[derive(Debug)]
pub struct Finished {
    /// None if a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a program to its end, with the given input.
pub async fn run<A: AsRef<OsStr>>(mut command: Command, args: &[A], input: &str, deadline: Duration) -> Finished {
    command.args(args);
    let mut process = Process::start(command);
    if !input.is_empty() {
        process.write_line(input.trim_end_matches('\n')).await.ok();
    }
    process.close_stdin();
    let status = process.wait(deadline).await;
    Finished { code: status.code(), stdout: process.stdout.all().join("\n"), stderr: process.stderr.all().join("\n") }
}
