//! The command line.

use crate::group::Strategy;
use crate::server::ServerOptions;
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

/// Load generator for sottod: real accounts, the real wire, and every message checked.
///
/// Without --server it starts a sottod of its own in a temporary folder and ends it afterwards. It exits with 1 if a message
/// was lost, doubled or out of order, and with 2 if the run could not be made.
#[derive(Debug, Parser)]
#[command(name = "sotto-bench", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Online conversations: messages per second, latency, processor time per message.
    Direct(Direct),
    /// Connections that only exist: memory per connection.
    Idle(Idle),
    /// Messages stored for people who are away, and drained when they come back.
    Offline(Offline),
    /// Challenge, token, WebSocket and Hello: sign-ins per second.
    Signin(SignIn),
    /// A group with members online: time to the last member, deliveries per second, processor time per delivery.
    Group(Group),
    /// One device in many groups comes back to what it missed: time until it has everything.
    Reconnect(Reconnect),
    /// Who is online: heartbeats per second and processor, memory of a person who is online, delay of a change to those who watch.
    Presence(Presence),
    /// Both fan-outs over sizes of groups, side by side: writes, bytes, processor time, latency, and where they break even.
    Fanout(Fanout),
    /// The yardstick: what this machine's sockets and disk cost by themselves, with no server.
    Bare(Bare),
    /// The standard set, as the table of docs/benchmarks.md. Each row has a server of its own.
    Suite(Suite),
    /// A worker process (used by the others).
    #[command(hide = true)]
    Worker,
    /// The other end of the yardstick's connections (used by it).
    #[command(hide = true)]
    BarePeer(crate::bare::Peer),
    /// Becomes the server, tied to the life of the bench (used by the others).
    #[command(hide = true)]
    ExecServer {
        program: PathBuf,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

/// What every run has.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Measure this server, e.g. http://127.0.0.1:8080, instead of starting one. Its rate limits must allow the load.
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// Process id of that server on this machine, for its processor time and memory.
    #[arg(long, value_name = "PID", requires = "server")]
    pub server_pid: Option<u32>,
    /// Invite code, if that server wants one.
    #[arg(long, value_name = "CODE", requires = "server")]
    pub invite: Option<String>,
    /// The sottod to start; without it, the one beside this executable.
    #[arg(long, value_name = "PATH", conflicts_with = "server")]
    pub sottod: Option<PathBuf>,
    /// Where to make the temporary folder of that server: its disk is what is measured.
    #[arg(long, value_name = "DIR", conflicts_with = "server")]
    pub folder: Option<PathBuf>,
    /// Milliseconds that server adds to each sync of its store, as on a slower disk.
    #[arg(long, value_name = "MS", conflicts_with = "server")]
    pub sync_delay: Option<u64>,
    /// End with one line of JSON.
    #[arg(long)]
    pub json: bool,
}

impl Common {
    pub fn server_options(&self) -> ServerOptions {
        ServerOptions { sottod: self.sottod.clone(), folder: self.folder.clone(), sync_delay_ms: self.sync_delay }
    }
}

#[derive(Debug, Clone, Args)]
pub struct Direct {
    /// Pairs of one sender and one recipient.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub pairs: u32,
    /// Messages under way per pair (not yet accepted and delivered) in the closed loop.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub window: u32,
    /// Bytes of text in a message; what is sent is as large as its ciphertext.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=32_768))]
    pub size: u32,
    /// Messages per second of the whole run, on a fixed schedule. Without it: a closed loop, as fast as it goes.
    #[arg(long, value_parser = rate)]
    pub rate: Option<f64>,
    /// Seconds that are measured.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub seconds: u32,
    /// Seconds before that which are not.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=600))]
    pub warm_up: u32,
    /// Send so many in all instead of for a time.
    #[arg(long, conflicts_with_all = ["seconds", "warm_up"], value_parser = clap::value_parser!(u64).range(1..))]
    pub messages: Option<u64>,
    /// Encrypt and decrypt with the Signal Protocol, instead of opaque bytes of the same size.
    #[arg(long)]
    pub real_crypto: bool,
    /// Connections open in all; what the pairs do not use stays quiet.
    #[arg(long, default_value_t = 0)]
    pub connections: u32,
    /// Client processes.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub processes: u32,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Clone, Args)]
pub struct Idle {
    /// Connections.
    #[arg(short = 'n', long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    pub connections: u32,
    /// Seconds to hold them, watching the server's processor time.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=3600))]
    pub hold: u32,
    /// Client processes.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub processes: u32,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Clone, Args)]
pub struct Offline {
    /// Pairs of one sender and one recipient who is away.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub pairs: u32,
    /// Messages in all.
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub messages: u64,
    /// Sends not yet accepted per sender.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub window: u32,
    /// Bytes of text in a message; what is sent is as large as its ciphertext.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=32_768))]
    pub size: u32,
    /// Client processes.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub processes: u32,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Clone, Args)]
pub struct SignIn {
    /// Accounts that sign in, over and over.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub accounts: u32,
    /// Sign-ins under way at once.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub concurrency: u32,
    /// Seconds that are measured.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub seconds: u32,
    /// Seconds before that which are not.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=600))]
    pub warm_up: u32,
    /// Client processes.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub processes: u32,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Clone, Args)]
pub struct Group {
    /// Members of the group, one device each. With the pairwise fan-out at most 128.
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(2..=1024))]
    pub members: u32,
    /// Which part of the members is connected, above 0 and at most 1; senders are among them. Times are until the last of these
    /// has a message.
    #[arg(long, default_value_t = 1.0, value_parser = share)]
    pub online: f64,
    /// How many of them send.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub senders: u32,
    /// Messages per second of the whole group, on a fixed schedule. 0: a closed loop, as fast as it goes.
    #[arg(long, default_value_t = 0.0, value_parser = rate_or_none)]
    pub rate: f64,
    /// Messages under way per sender (not yet accepted, and at every online member) in the closed loop.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub window: u32,
    /// How messages reach the members.
    #[arg(long, value_enum, default_value = "log")]
    pub strategy: Strategy,
    /// Bytes of text in a message; what is sent is as large as its ciphertext.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=32_768))]
    pub size: u32,
    /// Seconds that are measured.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub seconds: u32,
    /// Seconds before that which are not.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=600))]
    pub warm_up: u32,
    /// Client processes.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub processes: u32,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Clone, Args)]
pub struct Reconnect {
    /// Groups that the device is in.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub groups: u32,
    /// Messages it missed each time, spread over the groups.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(0..=1_000_000))]
    pub messages: u64,
    /// Members of each group. With the pairwise fan-out at most 128.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(2..=1024))]
    pub members: u32,
    /// How often it comes back.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub repeats: u32,
    /// How messages reach the members.
    #[arg(long, value_enum, default_value = "log")]
    pub strategy: Strategy,
    /// Bytes of text in a message; what is sent is as large as its ciphertext.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=32_768))]
    pub size: u32,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Clone, Args)]
pub struct Presence {
    /// Connections that send heartbeats.
    #[arg(short = 'n', long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub connections: u32,
    /// Seconds between the heartbeats of a connection (a client's: 30). 0: a closed loop, as fast as it goes.
    #[arg(long, default_value_t = 0.0, value_parser = seconds)]
    pub interval: f64,
    /// Heartbeats under way per connection in the closed loop.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=60))]
    pub window: u32,
    /// People that each of them is subscribed to.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=512))]
    pub subscriptions: u32,
    /// Which part of the heartbeats changes between foreground and background.
    #[arg(long, default_value_t = 0.0, value_parser = share_or_none)]
    pub churn: f64,
    /// Connections besides that watch one person, who then comes and goes once a second. 0: none.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub watchers: u32,
    /// How often that person comes or goes.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub flips: u32,
    /// Seconds that heartbeats are measured.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub seconds: u32,
    /// Seconds before that which are not.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=600))]
    pub warm_up: u32,
    /// Client processes.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub processes: u32,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Clone, Args)]
pub struct Fanout {
    /// Sizes of groups to compare.
    #[arg(long, value_delimiter = ',', default_values_t = [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024],
        value_parser = clap::value_parser!(u32).range(2..=1024))]
    pub sizes: Vec<u32>,
    /// Messages that who comes back has missed.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub missed: u64,
    /// How many come back, one after another.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub readers: u32,
    /// Bytes of text in a message; what is sent is as large as its ciphertext.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=32_768))]
    pub size: u32,
    /// Seconds of each of the two timed phases of a row: on a schedule, and as fast as it goes.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub seconds: u32,
    /// Few sizes, and short: to see that everything works, not for publishing.
    #[arg(long, conflicts_with_all = ["sizes", "missed", "readers", "seconds"])]
    pub quick: bool,
    /// Write fanout.md and fanout.svg into this folder.
    #[arg(long, value_name = "DIR")]
    pub docs: Option<PathBuf>,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Clone, Args)]
pub struct Bare {
    /// Connections of the echo, and of the broadcast.
    #[arg(short = 'n', long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=15_000))]
    pub connections: u32,
    /// Seconds of the echo: one small write under way on each connection.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub seconds: u32,
    /// Broadcasts: two threads write the same to all connections at once.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub rounds: u32,
    /// Milliseconds from one broadcast to the next.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(10..=60_000))]
    pub pause_ms: u32,
    /// Bytes that a broadcast writes to each.
    #[arg(long, default_value_t = 590, value_parser = clap::value_parser!(u32).range(8..=65_536))]
    pub size: u32,
    /// Where to write the file whose syncs are measured.
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,
    /// End with one line of JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Args)]
pub struct Suite {
    /// Shorter and smaller: to see that everything works, not for publishing.
    #[arg(long)]
    pub quick: bool,
    /// The sottod to start; without it, the one beside this executable.
    #[arg(long, value_name = "PATH")]
    pub sottod: Option<PathBuf>,
    /// Where to make the temporary folders of the servers: their disk is what is measured.
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,
    /// End with one line of JSON: a list of all rows.
    #[arg(long)]
    pub json: bool,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 && rate <= 10_000_000.0 => Ok(rate),
        _ => Err("a rate is a number of messages per second above 0".into()),
    }
}

fn rate_or_none(text: &str) -> Result<f64, String> {
    if text.parse::<f64>() == Ok(0.0) { Ok(0.0) } else { rate(text) }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=60.0).contains(&seconds) => Ok(seconds),
        _ => Err("seconds from 0 to 60: a connection must be heard of within 65".into()),
    }
}

fn share_or_none(text: &str) -> Result<f64, String> {
    if text.parse::<f64>() == Ok(0.0) { Ok(0.0) } else { share(text) }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err("a share is a number above 0, at most 1".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for (line, good) in [
            ("direct --rate 1000 --seconds 5", true),
            ("direct --rate 0", false),
            ("direct --messages 10 --seconds 5", false),
            ("direct --server http://x --sottod y", false),
            ("direct --server-pid 5", false),
            ("idle -n 100 --server http://x --server-pid 5", true),
            ("exec-server sottod serve --json", true),
            ("suite --quick", true),
            ("group --online 0.5 --rate 0 --strategy pairwise", true),
            ("group --online 0", false),
            ("group --online 1.1", false),
            ("group --members 1", false),
            ("group --members 1025", false),
            ("group --strategy both", false),
            ("reconnect --groups 500 --messages 1000", true),
            ("presence -n 10 --interval 0.5 --churn 0 --watchers 0", true),
            ("presence --interval 61", false),
            ("presence --interval nan", false),
            ("presence --churn 2", false),
            ("presence --subscriptions 513", false),
            ("fanout --sizes 2,4,1024", true),
            ("fanout --sizes 2,4,2000", false),
            ("fanout --quick --sizes 2", false),
        ] {
            let words = std::iter::once("sotto-bench").chain(line.split(' '));
            assert_eq!(Cli::try_parse_from(words).is_ok(), good, "{line}");
        }
    }
}
