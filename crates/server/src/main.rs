//! `sottod`: configuration, wiring and the operator's commands. Decisions are the domain's; this crate alone knows every
//! adapter.
//! Flow: `cli` -> `config` -> `serve` (store, domain, gateway, api, web, listeners) | `client` (through the admin socket of a
//!       running server) | `offline` (on stopped data) | `doctor`.

mod admin;
mod cli;
mod client;
mod clock_watch;
mod config;
mod demo;
mod doctor;
mod exit;
mod limits;
mod logging;
mod offline;
mod pages;
mod paths;
mod serve;
mod tls;
mod web;

use clap::Parser as _;

/// An idle connection measured a quarter smaller than with the system's allocator, and memory goes back after a burst.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    match cli::run(cli::Cli::parse()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("sottod: {failure}");
            failure.exit_code()
        }
    }
}
