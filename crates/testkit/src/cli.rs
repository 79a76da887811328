//! The real `sotto`, one profile per `TestCli`.
//! Flow: `TestCli::new` -> `run` (to its end) or `start` (a process to talk with) -> dropped: the profile's folder is gone.

use crate::process::{Finished, Process, program, run};
use crate::wait::DEADLINE;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::process::Command;

/// One person (or device) on one machine.
#[derive(Debug, Clone)]
pub struct TestCli {
    pub profile: String,
    pub server: String,
    folder: Arc<tempfile::TempDir>,
    env: Vec<(String, String)>,
}

impl TestCli {
    pub fn new(server: &str, profile: &str) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        Self { profile: profile.to_owned(), server: server.to_owned(), folder, env: Vec::new() }
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Where all its profiles are.
    pub fn home(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of this profile, once it exists.
    pub fn profile_dir(&self) -> PathBuf {
        let mut folders = vec![self.home().to_owned()];
        while let Some(folder) = folders.pop() {
            if folder.file_name().is_some_and(|name| *name == *self.profile) && folder.join("lock").exists() {
                return folder;
            }
            let inside = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            folders.extend(inside.map(|entry| entry.path()).filter(|path| path.is_dir()));
        }
        panic!("the profile {} has no folder yet", self.profile);
    }

    /// `sotto` with the profile's options; nothing of the environment's.
    pub fn command(&self) -> Command {
        let mut command = Command::new(program("sotto"));
        command.arg("--profile").arg(&self.profile).arg("--home").arg(self.home()).arg("--server").arg(&self.server);
        for name in ["SOTTO_PROFILE", "SOTTO_HOME", "SOTTO_SERVER", "SOTTO_TLS_CA", "SOTTO_PASSPHRASE"] {
            command.env_remove(name);
        }
        command.env("NO_COLOR", "1").envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    pub async fn run(&self, args: &[&str]) -> Finished {
        self.run_with(args, "").await
    }

    /// With lines on its standard input.
    pub async fn run_with(&self, args: &[&str], input: &str) -> Finished {
        run(self.command(), args, input, DEADLINE * 2).await
    }

    /// Runs it and returns its output; panics unless it ends well.
    pub async fn ok(&self, args: &[&str]) -> String {
        let done = self.run(args).await;
        assert_eq!(done.code, Some(0), "sotto {args:?}: {} {}", done.stdout, done.stderr);
        done.stdout
    }

    /// The same with `--json`: one value per line.
    pub async fn json(&self, args: &[&str]) -> Vec<Value> {
        let args: Vec<&str> = std::iter::once("--json").chain(args.iter().copied()).collect();
        parse_lines(&self.ok(&args).await)
    }

    /// A process that goes on.
    pub fn start(&self, args: &[&str]) -> Process {
        let mut command = self.command();
        command.args(args);
        Process::start(command)
    }

    /// Registers under the profile's name; returns what it printed as JSON.
    pub async fn register(&self) -> Value {
        let printed = self.json(&["register", &self.profile, "--yes"]).await;
        printed.into_iter().next_back().expect("register prints its account")
    }

    /// Sends and waits for the tick; returns the printed message.
    pub async fn send(&self, to: &str, text: &str) -> Value {
        self.json(&["send", to, text]).await.into_iter().next_back().expect("send prints the message")
    }
}

/// Each line as JSON; panics at one that is not.
pub fn parse_lines(text: &str) -> Vec<Value> {
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().filter(|line| !line.trim().is_empty()).map(parse).collect()
}

/// Waits on a process' output for a JSON line that `pick` takes; the number of the line after it comes back too.
pub async fn json_line<T>(
    process: &Process,
    from: usize,
    what: &str,
    pick: impl Fn(&Value) -> Option<T>,
) -> (T, usize) {
    json_line_within(DEADLINE, process, from, what, pick).await
}

pub async fn json_line_within<T>(
    deadline: Duration,
    process: &Process,
    from: usize,
    what: &str,
    pick: impl Fn(&Value) -> Option<T>,
) -> (T, usize) {
    let find = process.stdout.find(from, |line| pick(&serde_json::from_str(line).ok()?));
    crate::wait::within(deadline, what, find).await.unwrap_or_else(|| {
        panic!("the process ended before {what}: {:?} {:?}", process.stdout.all(), process.stderr.all())
    })
}
