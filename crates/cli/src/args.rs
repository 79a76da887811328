//! The command line: what people type. Only words and defaults; what they do is in `commands`.

pub mod group;
pub mod messages;
pub mod people;

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  sotto register ann                       make an account on the server at http://127.0.0.1:8080
  sotto send bob 'hello'                   send, and wait for the server's tick
  sotto group create 'Lunch' @bob @cem     make a group; `sotto group --help` says what else
  sotto react bob:last 👍                   react to the newest message; also edit, delete, forward, pin, star
  sotto requests                           who wants to write to you; then accept, block, report
  sotto chat                               open the terminal app
  sotto listen --json                      one event per line, for scripts and bots
  sotto --profile bob register bob         a second person on the same machine

Exit codes:
  0 ok · 1 other · 2 usage · 3 not found · 4 refused · 5 offline · 6 signed out · 7 key changed
  8 storage · 9 profile locked or passphrase · 10 timeout";

#[derive(Debug, Parser)]
#[command(name = "sotto", version, about = "Private messages, end-to-end encrypted, through a server you host", after_help = EXAMPLES)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Which person of this machine
    #[arg(long, global = true, env = "SOTTO_PROFILE", default_value = "default", value_name = "NAME", value_parser = profile_name)]
    pub profile: String,
    /// Where profiles live [default: your data folder + /sotto]
    #[arg(long, global = true, env = "SOTTO_HOME", value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// The server for register, login and recover
    #[arg(long, global = true, env = "SOTTO_SERVER", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub server: String,
    /// Print JSON; an error is then the last line of stdout: {"error":{"kind","text","exit_code"}}
    #[arg(long, global = true)]
    pub json: bool,
    /// More certificates to trust (PEM)
    #[arg(long, global = true, env = "SOTTO_TLS_CA", value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,
    /// Read the profile's passphrase from a file (or set SOTTO_PASSPHRASE)
    #[arg(long, global = true, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

fn profile_name(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if text.is_empty() || text.len() > 64 || text.starts_with('.') || !text.chars().all(good) {
        return Err("a profile name has letters, digits, '_', '-' and '.', and does not begin with '.'".into());
    }
    Ok(text.into())
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make an account, with this as its first device
    Register(Register),
    /// Use an account that you have on another device
    Login(Login),
    /// Link a new device: give the text that it shows
    Link {
        /// The text below the QR code of the new device
        text: String,
    },
    /// Get an account back with its recovery code, when every device is lost
    Recover(Recover),
    /// Show or remove the devices of your account
    #[command(after_help = "Examples:\n  sotto devices\n  sotto devices remove 2\n  sotto devices remove 2 --stolen")]
    Devices {
        #[command(subcommand)]
        action: Option<DevicesAction>,
    },
    /// Send a message
    #[command(after_help = "Examples:\n  sotto send ann 'see you at 8'\n  date | sotto send me -\n  \
                            sotto send 'Lunch' 'pizza, @bob?'          to a group, telling bob\n  \
                            sotto send bob 'yes' --reply-to bob:last\n  \
                            sotto send --stdin --json < messages.jsonl\n\n\
                            A line of --stdin --json is {\"to\":\"ann\",\"text\":\"hi\",\"name\":\"<uuid>\"}; \
                            name is optional and makes a repeated line the same message; reply_to names the message \
                            that it answers.\n\n\
                            Writing to somebody accepts their message request. For who does not know you it is a request: \
                            until they accept it, one tick (✓) is all you see.")]
    Send(Send),
    /// Print what happens, until Ctrl-C
    #[command(
        after_help = "Messages that are unread at the start come first; those of somebody new are message requests \
                            (with --json: \"request\":true). A bot is a pipe:\n  \
                            sotto listen --json --mark-read --accept-requests | ./bot | sotto send --stdin --json\n  \
                            sotto listen --presence bob cem              who is there, and who types"
    )]
    Listen(Listen),
    /// Print a conversation
    History(History),
    /// Show what happened to a message; of your own in a group, who has received and read it
    #[command(after_help = format!("Examples:\n  sotto show Lunch:last\n  \
                            sotto show 0193f3c1-e000-7000-8000-000000000001\n\n{}", messages::NAMES))]
    Show {
        #[arg(value_name = "MESSAGE")]
        message: String,
    },
    /// React to a message with an emoji
    React(messages::React),
    /// Change the text of an own message, up to 15 minutes after it
    Edit(messages::Edit),
    /// Delete messages, from your devices or for everyone
    Delete(messages::Delete),
    /// Send messages on to others
    Forward(messages::Forward),
    /// Mark messages, to find them again with `sotto starred`
    Star(messages::Messages),
    /// Take the star off
    Unstar(messages::Messages),
    /// Print starred messages, those starred last first
    Starred,
    /// Show a message on top of its conversation, to everybody in it
    Pin(messages::Pin),
    /// No longer show it on top
    Unpin(messages::Unpin),
    /// Print what is pinned in a conversation
    Pinned {
        /// A username, an account id, a group (title or id), or "me"
        name: String,
    },
    /// Ask a question with options to choose from
    Poll(messages::Poll),
    /// Vote in a poll
    Vote(messages::Vote),
    /// Send a place
    Location(messages::Location),
    /// People: list them, send one's account to another
    Contact {
        #[command(subcommand)]
        action: messages::Contact,
    },
    /// Let messages of a conversation disappear, for everybody in it
    Timer(messages::Timer),
    /// Show or change what holds on all your devices
    Preferences(messages::Preferences),
    /// Find messages by their words
    Search(Search),
    /// Groups: make, change, invite, join, leave
    #[command(after_help = group::EXAMPLES)]
    Group {
        #[command(subcommand)]
        action: group::Group,
    },
    /// Write everything in an open format: one JSON object per line
    Export {
        /// Where to; without it, to the terminal
        file: Option<PathBuf>,
    },
    /// Show the number to compare with a contact
    SafetyNumber { name: String },
    /// Mark a contact as verified, after comparing safety numbers
    #[command(after_help = "Examples:\n  sotto verify ann                    show the number, ask, and mark\n  \
                            sotto verify ann 12345 67890 ...    mark if this is (still) the number")]
    Verify {
        name: String,
        /// The 60 digits that were compared; without them the number is shown and you are asked (needs a terminal)
        #[arg(value_name = "SAFETY-NUMBER")]
        number: Vec<String>,
        /// Take the mark off
        #[arg(long, conflicts_with = "number")]
        unverify: bool,
    },
    /// Go on with a contact whose key changed, without verifying; or, by account id, say whose a disputed name is
    AcceptKey { name: String },
    /// List message requests: people who are new, and wait for you to accept them
    #[command(
        after_help = "Until you accept them, they see nothing of you: no ticks, not whether you are there, no profile.\n\
                            Answering accepts, too."
    )]
    Requests,
    /// Accept a message request
    #[command(after_help = "Example:\n  sotto accept bob\n\n\
                            From then on they see ticks, and what `sotto privacy` lets contacts see.")]
    Accept {
        /// A username or an account id
        name: String,
    },
    /// Report a person to the server's operator
    Report(people::Report),
    /// Show or change what others may see of you
    Privacy(people::Privacy),
    /// Show or change your profile; show that of somebody else
    Profile(people::Profile),
    /// Drop everything that a person sends
    Block { name: String },
    /// Take a block off
    Unblock { name: String },
    /// Show the account of this profile
    Whoami,
    /// Show connection, queues and warnings
    Status,
    /// List conversations: pinned ones first, then newest first
    Conversations {
        /// Only those of a folder
        #[arg(long, value_name = "NAME")]
        folder: Option<String>,
    },
    /// Show or change how you arranged a conversation: pin, archive, mute, folder, nickname
    Conversation(messages::Conversation),
    /// Delete a conversation from all your devices; of a group, once you left it
    #[command(
        after_help = "Example:\n  sotto delete-conversation bob\n\nOthers keep their copies; `sotto delete MESSAGE --everyone` deletes for them, too."
    )]
    DeleteConversation {
        /// A username, an account id, a group (title or id), or "me"
        name: String,
        #[command(flatten)]
        sure: group::Sure,
    },
    /// Protect the profile with a passphrase
    Lock,
    /// Take the passphrase off
    Unlock,
    /// Replace the recovery code; asks for the current one, which stops working
    #[command(after_help = "\
The current code is typed on the terminal or read from stdin. Without it no new one can be set: the code outranks devices,
so that who takes a device of yours cannot take the account. If you lost the code, your devices go on working; link another
one, so that losing a device loses nothing. If you lose every device too, only a new account is left.")]
    NewRecoveryCode {
        /// Do not ask to type it back
        #[arg(long)]
        yes: bool,
    },
    /// Delete the account everywhere, for ever
    DeleteAccount {
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Print completions for a shell
    Completions { shell: clap_complete::Shell },
    /// Open the terminal app
    Chat {
        /// Whom to open, or which group
        name: Option<String>,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "The recovery code is shown once. It is the only way back when every device is lost.")]
pub struct Register {
    /// 3 to 32 of a-z, 0-9, '_' and '.'
    pub name: String,
    /// An invitation, if the server wants one
    #[arg(long, value_name = "CODE")]
    pub invite: Option<String>,
    #[command(flatten)]
    pub device: DeviceName,
    /// Do not ask to type the recovery code back
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct DeviceName {
    /// What your other devices call this one [default: the host's name]
    #[arg(long, value_name = "NAME")]
    pub device_name: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "On a device that you have: sotto link 'THE TEXT'")]
pub struct Login {
    /// Link this profile as a new device
    #[arg(long, required = true)]
    pub link: bool,
    #[command(flatten)]
    pub device: DeviceName,
}

#[derive(Debug, Args)]
pub struct Recover {
    pub name: String,
    #[command(flatten)]
    pub device: DeviceName,
}

#[derive(Debug, Subcommand)]
pub enum DevicesAction {
    /// Show them (the default)
    List,
    /// Unlink one; its copy of the history stays on it
    Remove {
        /// Its number in the list
        id: u32,
        /// It is in wrong hands: replace the identity key too (asks for the recovery code; all others must link again)
        #[arg(long)]
        stolen: bool,
    },
}

#[derive(Debug, Args)]
pub struct Send {
    /// A username, an account id, a group (title or id), or "me" for a note to yourself
    #[arg(required_unless_present = "stdin")]
    pub name: Option<String>,
    /// The message; "-" reads it from stdin
    #[arg(required_unless_present = "stdin")]
    pub text: Option<String>,
    /// The message of the same conversation that this answers: its name, or bob:last
    #[arg(long, value_name = "MESSAGE", conflicts_with = "stdin")]
    pub reply_to: Option<String>,
    /// In a group: leave @names and @all plain text
    #[arg(long)]
    pub no_mentions: bool,
    /// One JSON message per line on stdin
    #[arg(long, conflicts_with_all = ["name", "text"])]
    pub stdin: bool,
    /// Return when the message is ...
    #[arg(long, value_enum, default_value_t = Wait::Sent)]
    pub wait: Wait,
    /// Give up waiting after so many seconds (the message stays queued) [default: 30, with --stdin: never]
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Wait {
    /// saved on this machine
    None,
    /// accepted by the server (✓)
    Sent,
    /// on a device of theirs (✓✓)
    Delivered,
    /// read (✓✓ read)
    Read,
}

/// Of what is a message of its own.
#[derive(Debug, Args)]
pub struct WaitFor {
    /// Return when the message is ...
    #[arg(long, value_enum, default_value_t = Wait::Sent)]
    pub wait: Wait,
    /// Give up waiting after so many seconds (the message stays queued)
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub timeout: u64,
}

/// Of what changes a message.
#[derive(Debug, Args)]
pub struct Through {
    /// Return once it is saved here; the others learn of it when sotto next connects
    #[arg(long)]
    pub no_wait: bool,
    /// Give up waiting for the server after so many seconds (the change stays queued)
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub timeout: u64,
}

#[derive(Debug, Args)]
pub struct Listen {
    /// Mark messages as read once they are printed
    #[arg(long)]
    pub mark_read: bool,
    /// End after so many messages
    #[arg(long, value_name = "N")]
    pub once: Option<u64>,
    /// End when everything that waited on the server has arrived
    #[arg(long)]
    pub until_drained: bool,
    /// With --until-drained: give up after so many seconds without news from the server
    #[arg(long, value_name = "SECONDS", requires = "until_drained", default_value_t = 30)]
    pub timeout: u64,
    /// Leave out what is already here unread
    #[arg(long)]
    pub new_only: bool,
    /// Accept everybody who writes, before their message is printed: for bots
    #[arg(long)]
    pub accept_requests: bool,
    /// Print when these people come and go, and who types; you are shown as online meanwhile
    #[arg(long, value_name = "NAME", num_args = 1..=512)]
    pub presence: Vec<String>,
}

#[derive(Debug, Args)]
pub struct History {
    /// A username, an account id, a group (title or id), or "me"
    pub name: String,
    /// How many messages
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub limit: u32,
    /// Those before this position (shown by --json)
    #[arg(long, value_name = "POSITION")]
    pub before: Option<u64>,
    /// Begin each line with the last digits of the message's name, by which other commands take it: bob:3f9a21
    #[arg(long)]
    pub names: bool,
}

#[derive(Debug, Args)]
pub struct Search {
    /// All must match; the last one may be a beginning
    #[arg(required = true)]
    pub words: Vec<String>,
    /// Only with this person, or in this group
    #[arg(long = "in", value_name = "NAME")]
    pub person: Option<String>,
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub limit: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn profile_names_cannot_leave_the_home_folder() {
        for (name, good) in
            [("ann", true), ("a-b_c.1", true), ("", false), ("..", false), ("a/b", false), (".x", false)]
        {
            assert_eq!(profile_name(name).is_ok(), good, "{name}");
        }
    }

    #[test]
    fn send_takes_a_name_and_a_text_or_stdin() {
        for (line, good) in [
            (&["sotto", "send", "ann", "hi"][..], true),
            (&["sotto", "send", "--stdin", "--json"][..], true),
            (&["sotto", "send", "ann"][..], false),
            (&["sotto", "send"][..], false),
            (&["sotto", "send", "--stdin", "ann", "hi"][..], false),
        ] {
            assert_eq!(Cli::try_parse_from(line).is_ok(), good, "{line:?}");
        }
    }
}
