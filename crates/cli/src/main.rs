//! `sotto`: the terminal client. A command line for people and scripts, and `sotto chat`, a terminal app.
//! Flow: `args` (what was typed) -> `session` (the profile, owned or attached) -> `commands` -> `out` (text or JSON).
//! Always true:
//! - a failure is one clear line that says what is wrong and what to do, and an exit code of its kind (`failure`);
//! - nothing from the network reaches a terminal uncleaned (`text`);
//! - a reader of our pipe that goes away ends us quietly.
//!
//! Elsewhere: everything that knows the protocol is in `sotto-engine`; processes and sockets in `sotto-engine-native`.

mod args;
mod commands;
mod failure;
mod formatting;
mod mentions;
mod named;
mod out;
mod presence;
mod qr;
mod session;
mod shown;
mod text;
mod ticks;
mod tui;
mod who;

use clap::Parser;
use failure::{Exit, Failure};
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return not_understood(&error),
    };
    let json = cli.global.json;
    start_log();
    // A bug must not show its inside to people; RUST_LOG=error tells developers where it was.
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return end(Err(Failure::new(Exit::Other, "io", format!("cannot start: {error}"))), json),
    };
    let result = runtime.block_on(async {
        // In a task, so that a panic in it becomes an error here.
        tokio::spawn(commands::run(cli)).await.unwrap_or_else(|_| {
            let text = "sotto has a bug and had to stop; nothing that was saved is lost (RUST_LOG=error says more)";
            Err(Failure::new(Exit::Other, "internal", text))
        })
    });
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    end(result, json)
}

/// Help and version are no failures; with `--json` a mistake is an error object like any other.
fn not_understood(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|arg| arg == "--json");
    if !error.use_stderr() || !json {
        let _ = error.print();
        return ExitCode::from(if error.use_stderr() { Exit::Usage as u8 } else { 0 });
    }
    let text = error.render().to_string();
    end(Err(Failure::usage(text.trim().trim_start_matches("error: "))), true)
}

fn end(result: Result<(), Failure>, json: bool) -> ExitCode {
    let Err(failure) = result else { return ExitCode::SUCCESS };
    if failure.kind == out::PIPE_CLOSED {
        return ExitCode::SUCCESS;
    }
    if json {
        let line = text::to_json(&serde_json::json!({ "error": failure.json() }));
        let _ = writeln!(std::io::stdout(), "{line}");
    } else {
        let _ = writeln!(std::io::stderr(), "sotto: {}", text::clean_line(&failure.text));
    }
    ExitCode::from(failure.exit as u8)
}

/// Silent unless RUST_LOG asks; never on stdout, which belongs to scripts.
fn start_log() {
    if let Ok(filter) = tracing_subscriber::EnvFilter::try_from_default_env() {
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    }
}
