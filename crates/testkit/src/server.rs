//! The real `sottod`, as a child process on a free port with its data in a temporary folder.
//! Flow: `TestServer::start` -> `kill9`/`terminate` -> `restart` on the same port and data -> dropped: killed, folder removed.
//! Always true: logs of all its lives are kept and printed when the test fails.

use crate::process::{Finished, Lines, Process, program, run};
use crate::raw::RawApi;
use crate::wait::{DEADLINE, eventually, within};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;
use tokio::process::Command;

/// How to start it.
#[derive(Debug, Clone, Default)]
pub struct ServerOptions {
    /// After `serve --listen .. --data .. --json`.
    pub args: Vec<String>,
    pub env: BTreeMap<String, String>,
}

impl ServerOptions {
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }
}

/// A running (or killed) server.
#[derive(Debug)]
pub struct TestServer {
    options: ServerOptions,
    process: Option<Process>,
    /// Of all lives so far: what they wrote.
    past: Vec<Lines>,
    address: SocketAddr,
    metrics: Option<SocketAddr>,
    data: PathBuf,
    folder: tempfile::TempDir,
}

impl TestServer {
    pub async fn start() -> Self {
        Self::start_with(ServerOptions::default()).await
    }

    pub async fn start_with(options: ServerOptions) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("data");
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { options, process: None, past: Vec::new(), address: any, metrics: None, data, folder };
        server.restart().await;
        server
    }

    /// "http://127.0.0.1:PORT"
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn api(&self) -> RawApi {
        RawApi::new(&self.url())
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    /// A folder beside the data, gone with the server.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn process(&self) -> &Process {
        self.process.as_ref().expect("the server runs")
    }

    pub fn is_up(&self) -> bool {
        self.process.is_some()
    }

    /// Starts it again (or for the first time) on the same port and data; ready to serve on return.
    pub async fn restart(&mut self) {
        assert!(self.process.is_none(), "the server runs already");
        let mut command = Command::new(program("sottod"));
        command.args(["serve", "--json", "--listen", &self.address.to_string(), "--data"]).arg(&self.data);
        if self.options.env.contains_key("SOTTO_METRICS_LISTEN") {
            // The caller knows better.
        } else if let Some(metrics) = self.metrics {
            command.env("SOTTO_METRICS_LISTEN", metrics.to_string());
        } else {
            command.env("SOTTO_METRICS_LISTEN", "127.0.0.1:0");
        }
        // Clients of a test come back at once, not spread over half a minute.
        command.env("SOTTO_GATEWAY_DRAIN_SPAN_S", "1");
        // Strangers get ticks, unless a test wants it otherwise.
        command.env("SOTTO_MESSAGES_REQUESTS", "false");
        command.args(&self.options.args).envs(&self.options.env).current_dir(self.folder.path());
        let process = Process::start(command);
        self.past.push(process.stdout.clone());
        self.past.push(process.stderr.clone());
        let ready = process.stdout.find(0, |line| {
            let ready: serde_json::Value = serde_json::from_str(line).ok()?;
            let address = |name: &str| ready.get(name)?.as_str()?.parse::<SocketAddr>().ok();
            Some((address("listening")?, address("metrics")))
        });
        // Generous: after a kill the store replays its journal first.
        let Some(((address, metrics), _)) = within(Duration::from_secs(60), "sottod's ready line", ready).await else {
            panic!("sottod ended before it was ready:\n{}", self.logs());
        };
        self.address = address;
        self.metrics = metrics.or(self.metrics);
        self.process = Some(process);
    }

    /// SIGKILL: nothing is flushed, nobody is told.
    pub async fn kill9(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill9().await;
        }
    }

    /// SIGTERM, and its orderly end.
    pub async fn terminate(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("the server runs");
        process.signal("TERM").await;
        process.wait(DEADLINE).await
    }

    /// Any other command of sottod, for example `["backup", "DIR"]`, with `--data` of this server appended.
    pub async fn command<A: AsRef<OsStr>>(&self, args: &[A]) -> Finished {
        let mut command = Command::new(program("sottod"));
        command.current_dir(self.folder.path()).envs(&self.options.env);
        let mut all: Vec<&OsStr> = args.iter().map(AsRef::as_ref).collect();
        all.extend([OsStr::new("--data"), self.data.as_os_str()]);
        run(command, &all, "", Duration::from_secs(60)).await
    }

    /// Everything it ever wrote to stdout and stderr.
    pub fn logs(&self) -> String {
        self.past.iter().flat_map(Lines::all).collect::<Vec<_>>().join("\n")
    }

    /// The metrics as text.
    pub async fn metrics(&self) -> String {
        let at = self.metrics.expect("the ready line names the metrics address");
        let answer = RawApi::new(&format!("http://{at}")).get("/metrics", None).await;
        assert_eq!(answer.status, 200);
        String::from_utf8(answer.body).expect("metrics are text")
    }

    /// The sum of all series of a metric (0 if there is none yet).
    pub async fn metric(&self, name: &str) -> f64 {
        sum(&self.metrics().await, name)
    }

    /// Waits until the sum of a metric satisfies `good`.
    pub async fn until_metric(&self, name: &str, good: impl Fn(f64) -> bool) -> f64 {
        eventually(DEADLINE, format!("metric {name}"), || async {
            Some(self.metric(name).await).filter(|value| good(*value))
        })
        .await
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let logs = self.logs();
            let lines: Vec<_> = logs.lines().collect();
            eprintln!("--- last lines of sottod\n{}", lines[lines.len().saturating_sub(60)..].join("\n"));
        }
    }
}

fn sum(text: &str, name: &str) -> f64 {
    let of_name = |line: &str| {
        let rest = line.strip_prefix(name)?;
        if !rest.starts_with(['{', ' ']) {
            return None;
        }
        rest.rsplit(' ').next()?.parse::<f64>().ok()
    };
    text.lines().filter_map(of_name).sum()
}

#[cfg(test)]
mod tests {
    use super::sum;

    #[test]
    fn a_metric_is_the_sum_of_its_series() {
        let text = "# HELP a x\na{b=\"c d\"} 2\na{b=\"e\"} 3.5\nab 100\na_total 7\nz 1\n";
        assert_eq!(sum(text, "a"), 5.5);
        assert_eq!(sum(text, "z"), 1.0);
        assert_eq!(sum(text, "none"), 0.0);
    }
}
