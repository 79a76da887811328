//! One function per command: ask the engine, show the reply.

mod account;
mod arrange;
pub mod contacts;
mod devices;
mod group;
pub mod history;
mod listen;
mod lock;
mod messages;
pub mod people;
mod picture;
pub mod privacy;
mod profile;
mod report;
mod send;
pub mod show;
mod through;

use crate::args::group::Sure;
use crate::args::{Cli, Command};
use crate::failure::{Exit, Failure};
use crate::out::{ask, can_ask};
use crate::session::Session;
use clap::CommandFactory;

pub async fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "sotto", &mut script);
            std::io::Write::write_all(&mut std::io::stdout(), &script).map_err(crate::out::write_failure)
        }
        Command::Lock => lock::lock(&cli.global).await,
        Command::Unlock => lock::unlock(&cli.global).await,
        command => {
            let session = Session::open(cli.global).await?;
            let result = with_session(&session, command).await;
            through::tell_the_rest(&session).await;
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
        Command::Show { message } => show::run(session, &message).await,
        Command::React(args) => messages::react(session, args).await,
        Command::Edit(args) => messages::edit(session, args).await,
        Command::Delete(args) => messages::delete(session, args).await,
        Command::Forward(args) => messages::forward(session, args).await,
        Command::Star(args) => messages::star(session, args, true).await,
        Command::Unstar(args) => messages::star(session, args, false).await,
        Command::Starred => messages::starred(session).await,
        Command::Pin(args) => messages::pin(session, args).await,
        Command::Unpin(args) => messages::unpin(session, args).await,
        Command::Pinned { name } => messages::pinned(session, &name).await,
        Command::Poll(args) => messages::poll(session, args).await,
        Command::Vote(args) => messages::vote(session, args).await,
        Command::Location(args) => messages::location(session, args).await,
        Command::Contact { action } => messages::contact(session, action).await,
        Command::Timer(args) => arrange::timer(session, args).await,
        Command::Preferences(args) => arrange::preferences(session, args).await,
        Command::Conversation(args) => arrange::conversation(session, args).await,
        Command::DeleteConversation { name, sure } => people::delete_conversation(session, &name, &sure).await,
        Command::Requests => people::requests(session).await,
        Command::Accept { name } => people::accept(session, &name).await,
        Command::Report(args) => report::run(session, args).await,
        Command::Privacy(args) => privacy::run(session, args).await,
        Command::Profile(args) => profile::run(session, args).await,
        Command::Group { action } => group::run(session, action).await,
        Command::Search(args) => history::search(session, args).await,
        Command::Export { file } => history::export(session, file).await,
        Command::Conversations { folder } => history::conversations(session, folder.as_deref()).await,
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

/// Asks unless that is not wanted; `what` says why one is asked.
fn confirm(session: &Session, sure: &Sure, what: &str, question: &str) -> Result<(), Failure> {
    if sure.yes {
        return Ok(());
    }
    if session.out.json || !can_ask() {
        return Err(Failure::usage(format!("{what}: confirm with --yes")));
    }
    match ask(&format!("{question} [yes/no] "))?.as_deref() {
        Some("yes" | "y") => Ok(()),
        _ => Err(Failure::new(Exit::Refused, "refused", "nothing was changed")),
    }
}
