//! The command line of what can be done with messages, and with conversations.

use super::group::duration_ms;
use super::{Through, WaitFor};
use clap::{ArgGroup, Args, Subcommand, ValueEnum};

/// How messages are named, in the help of each command that takes one.
pub const NAMES: &str = "\
MESSAGE is its name, as --json shows it, or shorter: bob:3f9a21 (the last digits of the name, as `sotto history bob --names`
shows them) or bob:last (the newest one). Instead of bob it can be any NAME or group.";

/// The longest time after which messages disappear.
const TIMER_MAX_S: u64 = 366 * 86_400;
const TIMER_MIN_S: u64 = 30;

#[derive(Debug, Args)]
#[command(after_help = format!("Examples:\n  sotto react bob:last 👍\n  sotto react bob:3f9a21 --none\n\n{NAMES}"))]
pub struct React {
    #[arg(value_name = "MESSAGE")]
    pub message: String,
    /// One emoji; it replaces the one you gave before
    #[arg(required_unless_present = "none")]
    pub emoji: Option<String>,
    /// Take your reaction back
    #[arg(long, conflicts_with = "emoji")]
    pub none: bool,
    #[command(flatten)]
    pub through: Through,
}

#[derive(Debug, Args)]
#[command(after_help = format!("Example:\n  sotto edit bob:last 'see you at 9'\n\nEarlier texts stay in `sotto show`, for all who got them.\n{NAMES}"))]
pub struct Edit {
    #[arg(value_name = "MESSAGE")]
    pub message: String,
    /// What it says from now on; "-" reads it from stdin
    pub text: String,
    /// In a group: leave @names and @all plain text
    #[arg(long)]
    pub no_mentions: bool,
    #[command(flatten)]
    pub through: Through,
}

#[derive(Debug, Args)]
#[command(after_help = format!("Examples:\n  sotto delete bob:3f9a21\n  sotto delete bob:last --everyone\n\n{NAMES}"))]
pub struct Delete {
    #[arg(value_name = "MESSAGE", required = true)]
    pub messages: Vec<String>,
    /// For everyone: own messages up to 48 hours after them; as a group's admin also those of others
    #[arg(long)]
    pub everyone: bool,
    #[command(flatten)]
    pub through: Through,
}

#[derive(Debug, Args)]
#[command(after_help = format!("Example:\n  sotto forward bob:3f9a21 bob:77b0c4 --to Lunch @cem\n\n{NAMES}"))]
pub struct Forward {
    /// At most 30
    #[arg(value_name = "MESSAGE", required = true, num_args = 1..=30)]
    pub messages: Vec<String>,
    /// People and groups, at most 5
    // Not 1..=5: a sixth one would be taken for a MESSAGE.
    #[arg(long, value_name = "NAME", required = true, num_args = 1..)]
    pub to: Vec<String>,
    #[command(flatten)]
    pub wait: WaitFor,
}

#[derive(Debug, Args)]
#[command(after_help = format!("Example:\n  sotto star bob:last\n\nStars are for you alone, on all your devices.\n{NAMES}"))]
pub struct Messages {
    #[arg(value_name = "MESSAGE", required = true)]
    pub messages: Vec<String>,
}

#[derive(Debug, Args)]
#[command(after_help = format!("Example:\n  sotto pin Lunch:last --for 24h\n\n{NAMES}"))]
pub struct Pin {
    #[arg(value_name = "MESSAGE")]
    pub message: String,
    /// For how long
    #[arg(long = "for", value_enum, value_name = "TIME", default_value_t = PinFor::Week)]
    pub time: PinFor,
    #[command(flatten)]
    pub through: Through,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PinFor {
    #[value(name = "24h")]
    Day,
    #[value(name = "7d")]
    Week,
    #[value(name = "30d")]
    Month,
}

impl PinFor {
    pub const fn seconds(self) -> u32 {
        match self {
            Self::Day => 86_400,
            Self::Week => 7 * 86_400,
            Self::Month => 30 * 86_400,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = NAMES)]
pub struct Unpin {
    #[arg(value_name = "MESSAGE")]
    pub message: String,
    #[command(flatten)]
    pub through: Through,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sotto poll Lunch 'Where do we eat?' Pizza Sushi 'Stay at home'\n  \
                        sotto poll @bob 'Which days?' Mon Tue Wed --multiple")]
pub struct Poll {
    /// A username, an account id, a group (title or id), or "me"
    pub name: String,
    /// At most 300 characters
    pub question: String,
    /// 2 to 12 of them, each at most 100 characters
    #[arg(value_name = "OPTION", required = true, num_args = 2..=12)]
    pub options: Vec<String>,
    /// Everybody may choose several
    #[arg(long)]
    pub multiple: bool,
    #[command(flatten)]
    pub wait: WaitFor,
}

#[derive(Debug, Args)]
#[command(after_help = format!("Examples:\n  sotto vote Lunch:last 2\n  sotto vote Lunch:last --none\n\n{NAMES}"))]
pub struct Vote {
    #[arg(value_name = "MESSAGE")]
    pub message: String,
    /// Numbers of the options, as the poll shows them; they replace your vote
    #[arg(value_name = "N", required_unless_present = "none", value_parser = clap::value_parser!(u32).range(1..=12))]
    pub options: Vec<u32>,
    /// Take your vote back
    #[arg(long, conflicts_with = "options")]
    pub none: bool,
    #[command(flatten)]
    pub through: Through,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sotto location bob 52.5163 13.3777 --label 'Brandenburg Gate'\n  \
                        sotto location Lunch -33.8568 151.2153")]
pub struct Location {
    /// A username, an account id, a group (title or id), or "me"
    pub name: String,
    /// Degrees north; south is negative
    #[arg(allow_negative_numbers = true, value_parser = latitude)]
    pub latitude: f64,
    /// Degrees east; west is negative
    #[arg(allow_negative_numbers = true, value_parser = longitude)]
    pub longitude: f64,
    /// What is there, at most 200 characters
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub label: String,
    #[command(flatten)]
    pub wait: WaitFor,
}

#[derive(Debug, Subcommand)]
pub enum Contact {
    /// Send somebody's account to somebody
    #[command(after_help = "Example:\n  sotto contact send bob @cem")]
    Send {
        /// A username, an account id, a group (title or id), or "me"
        name: String,
        /// Whose account: a person you have a conversation with, or "me"
        person: String,
        #[command(flatten)]
        wait: WaitFor,
    },
    /// List the people this profile knows
    List,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  sotto timer bob                 what holds now\n  sotto timer bob 24h\n  sotto timer Lunch off"
)]
pub struct Timer {
    /// A username, an account id, a group (title or id), or "me"
    pub name: String,
    /// 30s, 90m, 24h, 7d, 12w: 30 seconds to a year; "off": messages stay
    #[arg(value_name = "TIME", value_parser = timer_s)]
    pub time: Option<u32>,
    #[command(flatten)]
    pub through: Through,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sotto preferences\n  sotto preferences --default-timer 7d --link-previews off")]
pub struct Preferences {
    /// In conversations with people that begin from now on, messages disappear so long after they are read: 24h, 7d, off
    #[arg(long, value_name = "TIME", value_parser = timer_s)]
    pub default_timer: Option<u32>,
    /// Whether your apps may look behind links that you write, and send what they see there along
    #[arg(long, value_enum, value_name = "on|off")]
    pub link_previews: Option<Switch>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    On,
    Off,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").multiple(true)))]
#[command(after_help = "Examples:\n  sotto conversation bob                         how it is arranged\n  \
                        sotto conversation bob --pin --nickname Bobby\n  \
                        sotto conversation Lunch --mute 8h --folder Work\n  \
                        sotto conversation Lunch --mute off --folder ''")]
pub struct Conversation {
    /// A username, an account id, a group (title or id), or "me"
    pub name: String,
    /// Keep it on top of the list
    #[arg(long, group = "what", conflicts_with = "unpin")]
    pub pin: bool,
    #[arg(long, group = "what")]
    pub unpin: bool,
    /// Put it away
    #[arg(long, group = "what", conflicts_with = "unarchive")]
    pub archive: bool,
    #[arg(long, group = "what")]
    pub unarchive: bool,
    /// No notification for so long: 8h, 7d, always, off
    #[arg(long, group = "what", value_name = "TIME", value_parser = mute)]
    pub mute: Option<Mute>,
    /// Show it as unread until it is opened
    #[arg(long, group = "what")]
    pub mark_unread: bool,
    /// Put it into a folder (at most 32 characters); '' takes it out
    #[arg(long, group = "what", value_name = "NAME")]
    pub folder: Option<String>,
    /// What you call this person, on all your devices (at most 64 characters); '' takes it away
    #[arg(long, group = "what", value_name = "NAME")]
    pub nickname: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mute {
    Off,
    Always,
    ForMs(u64),
}

fn mute(text: &str) -> Result<Mute, String> {
    match text {
        "off" => Ok(Mute::Off),
        "always" => Ok(Mute::Always),
        text => duration_ms(text).map(Mute::ForMs).map_err(|error| format!("{error}, always or off")),
    }
}

/// "off", "30s", "24h", "7d": in seconds.
pub fn timer_s(text: &str) -> Result<u32, String> {
    let wrong = || "a time is off, or a number and s, m, h, d or w between 30s and 366d: 24h".to_owned();
    let seconds = match text.strip_suffix('s') {
        _ if text == "off" => return Ok(0),
        Some(number) => number.parse().map_err(|_| wrong())?,
        None => duration_ms(text).map_err(|_| wrong())? / 1000,
    };
    let seconds = Some(seconds).filter(|seconds| (TIMER_MIN_S..=TIMER_MAX_S).contains(seconds));
    seconds.and_then(|seconds| u32::try_from(seconds).ok()).ok_or_else(wrong)
}

fn degrees(text: &str, limit: f64) -> Result<f64, String> {
    let degrees = text.parse().ok().filter(|degrees: &f64| degrees.abs() <= limit);
    degrees.ok_or_else(|| format!("degrees are a number between -{limit} and {limit}"))
}

fn latitude(text: &str) -> Result<f64, String> {
    degrees(text, 90.0)
}

fn longitude(text: &str) -> Result<f64, String> {
    degrees(text, 180.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Cli;
    use clap::Parser;

    #[test]
    fn timers_have_a_unit_and_limits() {
        for (text, want) in [
            ("off", Some(0)),
            ("30s", Some(30)),
            ("29s", None),
            ("90m", Some(5_400)),
            ("24h", Some(86_400)),
            ("7d", Some(604_800)),
            ("366d", Some(31_622_400)),
            ("367d", None),
            ("s", None),
            ("-30s", None),
            ("7", None),
            ("", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(timer_s(text).ok(), want, "{text:?}");
        }
    }

    #[test]
    fn mutes_end_or_not() {
        for (text, want) in [
            ("off", Some(Mute::Off)),
            ("always", Some(Mute::Always)),
            ("8h", Some(Mute::ForMs(28_800_000))),
            ("8", None),
        ] {
            assert_eq!(mute(text).ok(), want, "{text:?}");
        }
    }

    #[test]
    fn commands_about_messages_are_understood() {
        for (line, good) in [
            ("send bob hi --reply-to bob:last", true),
            ("send --stdin --reply-to bob:last", false),
            ("react bob:last 👍", true),
            ("react bob:last --none", true),
            ("react bob:last", false),
            ("react bob:last 👍 --none", false),
            ("edit bob:last text --no-wait", true),
            ("edit bob:last", false),
            ("delete a b c --everyone", true),
            ("delete", false),
            ("forward a b --to bob Lunch --wait delivered", true),
            ("forward a --to", false),
            ("forward a", false),
            ("star a b", true),
            ("unstar", false),
            ("starred", true),
            ("pin a --for 30d", true),
            ("pin a --for 2d", false),
            ("unpin a", true),
            ("pinned bob", true),
            ("poll Lunch Where? a b", true),
            ("poll Lunch Where? a", false),
            ("poll Lunch Where? 1 2 3 4 5 6 7 8 9 10 11 12 13", false),
            ("vote a 1 3", true),
            ("vote a --none", true),
            ("vote a", false),
            ("vote a 0", false),
            ("location bob 52.5 -13.4 --label Gate", true),
            ("location bob -52.5 13", true),
            ("location bob 91 0", false),
            ("location bob NaN 0", false),
            ("contact send bob cem", true),
            ("contact send bob", false),
            ("contact list", true),
            ("timer bob", true),
            ("timer bob off", true),
            ("timer bob 1y", false),
            ("preferences", true),
            ("preferences --default-timer 7d --link-previews on", true),
            ("preferences --link-previews maybe", false),
            ("conversation bob", true),
            ("conversation bob --pin --folder Work --mute always", true),
            ("conversation bob --pin --unpin", false),
            ("history bob --names", true),
        ] {
            let line: Vec<&str> = ["sotto"].into_iter().chain(line.split(' ')).collect();
            assert_eq!(Cli::try_parse_from(&line).is_ok(), good, "{line:?}");
        }
    }
}
