//! `sotto-bench`: load on a `sottod` over the real wire, with real accounts, and every message checked.
//! Flow of a run: `scenario` (parent) starts `server` and `fleet` -> workers (`worker`, `job`) register, sign in, connect ->
//!       both wait at each phase's boundary, where the parent looks at the server (`Probe`) -> `Outcome`s merge -> `Report`.
//! Always true:
//! - latency counts from the moment a message was due, not from when the client got round to it;
//! - a lost, doubled or misplaced message makes the exit status 1, whatever the speed;
//! - every wait ends, and a server that this program started ends with it.
//!
//! Elsewhere: what the figures mean, and those measured, are in docs/benchmarks.md.

mod accounts;
mod args;
mod bare;
mod clock;
mod fanout;
mod fleet;
mod frames;
mod group;
mod http;
mod job;
mod latency;
mod link;
mod metrics;
mod outcome;
mod pair;
mod payload;
mod plan;
mod report;
mod scenario;
mod server;
mod suite;
mod tally;
mod target;
mod worker;
mod ws;

use anyhow::Result;
use args::{Cli, Command};
use clap::Parser as _;
use report::Report;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// The run was made and a promise was broken.
const BROKEN: u8 = 1;
/// The run could not be made.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Worker => worker::run().map(|()| true),
        Command::BarePeer(args) => bare::peer(&args).map(|()| true),
        Command::ExecServer { program, args } => server::exec(&program, &args).map(|()| true),
        command => run(command),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(BROKEN),
        Err(error) => {
            eprintln!("sotto-bench: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

/// Whether all promises were kept.
fn run(command: Command) -> Result<bool> {
    // One thread: a child asks to be killed when the thread that started it ends, and this one ends with the process.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            result = measure(command) => result,
            name = interrupted() => anyhow::bail!("interrupted ({})", name?),
        }
    })
}

async fn measure(command: Command) -> Result<bool> {
    let (report, json) = match &command {
        Command::Direct(args) => (scenario::direct(args).await?, args.common.json),
        Command::Idle(args) => (scenario::idle(args).await?, args.common.json),
        Command::Offline(args) => (scenario::offline(args).await?, args.common.json),
        Command::Signin(args) => (scenario::sign_in(args).await?, args.common.json),
        Command::Group(args) => (scenario::group(args).await?, args.common.json),
        Command::Presence(args) => (scenario::presence(args).await?, args.common.json),
        Command::Reconnect(args) => (scenario::reconnect(args).await?, args.common.json),
        Command::Bare(args) => (bare::bare(args).await?, args.json),
        Command::Fanout(args) => return fanout::run(args).await,
        Command::Suite(args) => return suite::run(args).await,
        Command::Worker | Command::BarePeer(_) | Command::ExecServer { .. } => {
            anyhow::bail!("handled before the runtime")
        }
    };
    show(&report, json);
    Ok(report.is_clean())
}

fn show(report: &Report, json: bool) {
    print!("{}", report.table());
    if !report.is_clean() {
        eprintln!("sotto-bench: the server lost, doubled or misplaced messages, or never answered some");
    }
    if json {
        println!("{}", report.json());
    }
}

async fn interrupted() -> Result<&'static str> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
        _ = hang_up.recv() => "SIGHUP",
    })
}
