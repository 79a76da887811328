//! The command line.

use crate::config::{self, Flags, Loaded};
use crate::exit::{Failure, Reason, failed};
use crate::{client, doctor, offline, serve};
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use std::path::PathBuf;
use toml::Value;

/// The Sotto server: carries end-to-end encrypted messages, keeps them until they are delivered, and cannot read them.
///
/// `sottod serve` runs with no configuration at all. Exit codes: 0 done, 1 failed, 2 wrong configuration or arguments, 3 the
/// address cannot be listened on, 4 the data is in use, 5 the data is from a newer version or from before the first release,
/// 6 the data is damaged, half restored or not Sotto's, or `restore` found a store, 7 a file cannot be accessed, 8 no server is
/// running, 130 a second signal.
#[derive(Debug, Parser)]
#[command(name = "sottod", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub struct Common {
    /// Configuration file (./sotto.toml if there is one)
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of the server's data
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<String>,
    /// Print data as JSON, one object per line
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve(ServeArgs),
    /// Show the configuration in use
    Config {
        /// Every key with its meaning, default, value and source
        #[arg(long)]
        explain: bool,
        /// The page docs/configuration.md
        #[arg(long, hide = true)]
        markdown: bool,
    },
    /// Check a configuration without starting
    CheckConfig {
        /// The file (./sotto.toml if there is one)
        file: Option<PathBuf>,
    },
    /// Make an invite code for new accounts
    Invite {
        /// How many accounts it is good for
        #[arg(long, default_value_t = 1)]
        uses: u32,
        /// How many days it is good
        #[arg(long, default_value_t = 7)]
        days: u32,
    },
    /// The accounts on this server
    Accounts {
        #[command(subcommand)]
        command: Accounts,
    },
    /// What people reported about others
    ///
    /// A report is the reporter's word and cannot be proven: messages are end-to-end encrypted, so the server has never seen what
    /// was really written, and those in a report may be invented or incomplete. `accounts disable` and `accounts delete` act on an
    /// account.
    Reports {
        #[command(subcommand)]
        command: Option<Reports>,
    },
    /// Copy the store of a running server into a new folder
    Backup {
        /// New or empty folder
        dir: PathBuf,
    },
    /// Make the data of a stopped server from a backup
    Restore {
        /// Folder made by `sottod backup`
        dir: PathBuf,
    },
    /// Look for what is wrong with this installation
    Doctor(ListenArgs),
    /// What a running server is doing
    Status,
    /// Completions for a shell
    Completions { shell: clap_complete::Shell },
    /// The version
    Version,
}

#[derive(Debug, Args, Clone, Default)]
struct ListenArgs {
    /// Address and port; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// TLS certificate chain (PEM)
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<String>,
    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE")]
    tls_key: Option<String>,
}

#[derive(Debug, Args)]
struct ServeArgs {
    #[command(flatten)]
    listen: ListenArgs,
    /// Run the echo bot beside the server
    #[arg(long)]
    demo: bool,
}

#[derive(Debug, Subcommand)]
enum Accounts {
    /// All of them
    List,
    /// Nobody signs in to it, what is sent to it is dropped; nothing is deleted
    Disable { name: String },
    /// Undo `disable`
    Enable { name: String },
    /// Delete it with everything of it; its name stays reserved for 30 days
    Delete {
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
enum Reports {
    /// All of them (also without a subcommand)
    List,
    /// One of them, with its messages: the reporter's word, which cannot be proven
    Show { id: u64 },
    /// Mark it as dealt with: it is the first to make room when there are 10,000
    Resolve {
        id: u64,
        /// What was done about it
        #[arg(long, default_value = "")]
        note: String,
    },
}

/// Runs one command.
pub fn run(cli: Cli) -> Result<(), Failure> {
    let Cli { command, common } = cli;
    let json = common.json;
    match command {
        Command::Serve(args) => {
            let demo = args.demo;
            let mut flags = common.flags(&args.listen);
            if demo {
                flags.values.push(("demo", "enabled", Value::Boolean(true), "--demo"));
            }
            serve::run(load(&flags)?, json)
        }
        Command::Config { markdown: true, .. } => {
            print!("{}", config::markdown());
            Ok(())
        }
        Command::Config { .. } => {
            print!("{}", config::print_explained(&load(&common.flags(&ListenArgs::default()))?, json));
            Ok(())
        }
        Command::CheckConfig { file } => check_config(common, file),
        Command::Doctor(listen) => doctor::run(config::load(&common.flags(&listen), std::env::vars_os()), json),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "sottod", &mut std::io::stdout());
            Ok(())
        }
        Command::Version => {
            if json {
                println!("{}", serde_json::json!({ "version": env!("CARGO_PKG_VERSION") }));
            } else {
                println!("sottod {}", env!("CARGO_PKG_VERSION"));
            }
            Ok(())
        }
        Command::Restore { dir } => offline::restore(&common.load()?, &dir, json),
        Command::Invite { uses, days } => client::invite(&common.load()?, uses, days, json),
        Command::Backup { dir } => client::backup(&common.load()?, &dir, json),
        Command::Status => client::status(&common.load()?, json),
        Command::Reports { command } => {
            let loaded = common.load()?;
            match command.unwrap_or(Reports::List) {
                Reports::List => client::list_reports(&loaded, json),
                Reports::Show { id } => client::show_report(&loaded, id, json),
                Reports::Resolve { id, note } => client::resolve_report(&loaded, id, note, json),
            }
        }
        Command::Accounts { command } => {
            let loaded = common.load()?;
            match command {
                Accounts::List => client::list_accounts(&loaded, json),
                Accounts::Disable { name } => client::set_disabled(&loaded, &name, true, json),
                Accounts::Enable { name } => client::set_disabled(&loaded, &name, false, json),
                Accounts::Delete { name, yes } => client::delete_account(&loaded, &name, yes, json),
            }
        }
    }
}

impl Common {
    fn flags(&self, listen: &ListenArgs) -> Flags {
        let mut values = Vec::new();
        for (key, value, flag) in [
            ("data", &self.data, "--data"),
            ("listen", &listen.listen, "--listen"),
            ("tls_cert", &listen.tls_cert, "--tls-cert"),
            ("tls_key", &listen.tls_key, "--tls-key"),
        ] {
            if let Some(value) = value {
                values.push(("server", key, Value::String(value.clone()), flag));
            }
        }
        Flags { file: self.config.clone(), values }
    }

    fn load(&self) -> Result<Loaded, Failure> {
        load(&self.flags(&ListenArgs::default()))
    }
}

fn load(flags: &Flags) -> Result<Loaded, Failure> {
    config::load(flags, std::env::vars_os()).map_err(|problems| wrong_configuration(&problems))
}

fn wrong_configuration(problems: &[String]) -> Failure {
    let list = if let [only] = problems { only.clone() } else { format!("\n  {}", problems.join("\n  ")) };
    Failure::new(Reason::Usage, format!("the configuration is wrong: {list}"))
}

fn check_config(common: Common, file: Option<PathBuf>) -> Result<(), Failure> {
    let json = common.json;
    let common = Common { config: file.or(common.config.clone()), ..common };
    let result = config::load(&common.flags(&ListenArgs::default()), std::env::vars_os());
    let problems = result.as_ref().err().cloned().unwrap_or_default();
    if json {
        println!("{}", serde_json::json!({ "ok": problems.is_empty(), "problems": problems }));
    } else if let Ok(loaded) = &result {
        let what = loaded.file.as_ref().map_or("the defaults".into(), |file| file.display().to_string());
        println!("{what}: good");
    }
    match problems.is_empty() {
        true => Ok(()),
        false if json => Err(Failure::new(Reason::Usage, "the configuration is wrong")),
        false => Err(wrong_configuration(&problems)),
    }
}

/// Asks on the terminal. Without one the answer is no.
pub fn confirm(question: &str) -> Result<(), Failure> {
    use std::io::{BufRead as _, IsTerminal as _, Write as _};
    if !std::io::stdin().is_terminal() {
        return Err(failed(format!("{question} Nobody is there to answer: repeat with --yes")));
    }
    eprint!("{question} [y/N] ");
    std::io::stderr().flush().ok();
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(|error| failed(error.to_string()))?;
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(failed("nothing was changed")) }
}
