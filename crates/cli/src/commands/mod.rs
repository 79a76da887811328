//! One function per command: ask the engine, show the reply.

mod account;
pub mod contacts;
mod devices;
mod group;
pub mod history;
mod listen;
mod profile;
mod send;
pub mod show;

use crate::args::{Cli, Command};
use crate::failure::Failure;
use crate::session::Session;
use clap::CommandFactory;

pub async fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "sotto", &mut script);
            std::io::Write::write_all(&mut std::io::stdout(), &script).map_err(crate::out::write_failure)
        }
        Command::Lock => profile::lock(&cli.global).await,
        Command::Unlock => profile::unlock(&cli.global).await,
        command => {
            let session = Session::open(cli.global).await?;
            let result = with_session(&session, command).await;
            // Also after a failure: what was read or queued is flushed.
            session.close().await;
            result
        }
    }
}

async fn with_session(session: &Session, command: Command) -> Result<(), Failure> {
    match command {
        Command::Register(args) => account::register(session, args).await,
        Command::Login(args) => account::login(session, args).await,
        Command::Recover(args) => account::recover(session, args).await,
        Command::Whoami => account::whoami(session).await,
        Command::Status => account::status(session).await,
        Command::NewRecoveryCode { yes } => account::new_recovery_code(session, yes).await,
        Command::DeleteAccount { yes } => account::delete(session, yes).await,
        Command::Link { text } => devices::link(session, text).await,
        Command::Devices { action } => devices::run(session, action).await,
        Command::Send(args) => send::run(session, args).await,
        Command::Listen(args) => listen::run(session, args).await,
        Command::History(args) => history::history(session, args).await,
        Command::Show { name } => show::run(session, name).await,
        Command::Group { action } => group::run(session, action).await,
        Command::Search(args) => history::search(session, args).await,
        Command::Export { file } => history::export(session, file).await,
        Command::Conversations => history::conversations(session).await,
        Command::SafetyNumber { name } => contacts::safety_number(session, &name).await,
        Command::Verify { name, unverify: true, .. } => contacts::unverify(session, &name).await,
        Command::Verify { name, number, .. } => contacts::verify(session, &name, &number.join(" ")).await,
        Command::AcceptKey { name } => contacts::accept_key(session, &name).await,
        Command::Block { name } => contacts::block(session, &name, true).await,
        Command::Unblock { name } => contacts::block(session, &name, false).await,
        Command::Chat { name } => crate::tui::run(session, name).await,
        Command::Completions { .. } | Command::Lock | Command::Unlock => unreachable!("handled before a session"),
    }
}
