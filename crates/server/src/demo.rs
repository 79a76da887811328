//! The demo bot: `examples/echo-bot/run.sh` as a process of its own, with its own profile in DATA/demo/echo.
//! Always true: it dies with the server, and the server never waits for it.

use crate::paths::{Paths, make_private_dir};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

const BACKOFF_MIN: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// Whoever lived this long starts again without waiting longer each time.
const HEALTHY_AFTER: Duration = Duration::from_secs(30);
const STOP_WAIT: Duration = Duration::from_secs(3);

/// What it takes to run it, found before the start.
#[derive(Debug)]
pub struct Demo {
    script: PathBuf,
    sotto: PathBuf,
}

impl Demo {
    /// The message says what is missing.
    pub fn find(script: &str) -> Result<Self, String> {
        let beside = std::env::current_exe().ok().and_then(|path| path.parent().map(Path::to_owned));
        let script = if script.is_empty() {
            // Beside an installed program, beside a checkout's target/PROFILE, or in the current folder.
            let places = beside.iter().flat_map(|dir| {
                ["../share/sotto/echo-bot/run.sh", "../../examples/echo-bot/run.sh"].map(|path| dir.join(path))
            });
            let mut places = places.chain([PathBuf::from("examples/echo-bot/run.sh")]);
            places
                .find(|path| path.is_file())
                .ok_or("the demo bot's script (examples/echo-bot/run.sh) was not found")?
        } else {
            let named = PathBuf::from(script);
            if !named.is_file() {
                return Err(format!("demo.script: there is no {script}"));
            }
            named
        };
        let in_path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders = beside.into_iter().chain(std::env::split_paths(&in_path));
        let sotto = folders.find_map(|dir| Some(dir.join("sotto")).filter(|path| path.is_file()));
        let sotto = sotto.ok_or("the client `sotto` is neither beside sottod nor in PATH")?;
        let absolute = |path: PathBuf| std::path::absolute(&path).map_err(|error| error.to_string());
        Ok(Self { script: absolute(script)?, sotto: absolute(sotto)? })
    }

    /// Runs it, again and again, until `stop`. `invite` is for its first start, when it registers.
    pub async fn run(
        self,
        paths: Paths,
        listening: SocketAddr,
        tls: bool,
        invite: Option<String>,
        stop: CancellationToken,
    ) {
        let profile = paths.demo_profile();
        if let Err(failure) = make_private_dir(&profile) {
            tracing::warn!("the demo bot does not run: {failure}");
            return;
        }
        let profile = std::path::absolute(&profile).unwrap_or(profile);
        let server = format!("{}://{}", if tls { "https" } else { "http" }, reachable(listening));
        let mut backoff = BACKOFF_MIN;
        loop {
            let began = Instant::now();
            match self.start(&profile, &server, invite.as_deref()) {
                Err(error) => tracing::warn!(%error, script = %self.script.display(), "the demo bot did not start"),
                Ok(mut child) => {
                    tokio::select! {
                        () = stop.cancelled() => return end(child).await,
                        status = child.wait() => match status {
                            Ok(status) => tracing::warn!(%status, "the demo bot ended; it starts again"),
                            Err(error) => tracing::warn!(%error, "the demo bot is lost; it starts again"),
                        },
                    }
                }
            }
            backoff = if began.elapsed() > HEALTHY_AFTER { BACKOFF_MIN } else { (backoff * 2).min(BACKOFF_MAX) };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(backoff) => {}
            }
        }
    }

    fn start(&self, profile: &Path, server: &str, invite: Option<&str>) -> std::io::Result<tokio::process::Child> {
        Command::new(&self.script)
            .envs(invite.map(|code| ("SOTTO_INVITE", code)))
            .env("SOTTO_SERVER", server)
            .env("SOTTO_HOME", profile)
            .env("SOTTO_BIN", &self.sotto)
            .stdin(Stdio::null())
            // Our standard output is for what the operator asked for.
            .stdout(std::io::stderr())
            // A group of its own: the script's children end with it, and Ctrl-C reaches us first.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }
}

async fn end(mut child: tokio::process::Child) {
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    let Some(group) = group else { return };
    // They may be gone already.
    let _ = rustix::process::kill_process_group(group, rustix::process::Signal::TERM);
    if tokio::time::timeout(STOP_WAIT, child.wait()).await.is_err() {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = child.wait().await;
    }
}

/// An address that a process on this machine can connect to.
fn reachable(listening: SocketAddr) -> SocketAddr {
    let mut address = listening;
    if listening.ip().is_unspecified() {
        address.set_ip(if listening.is_ipv4() {
            std::net::Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    address
}
