//! The command line of who may reach and see a person: message requests, reports, privacy, the profile.

use clap::{ArgGroup, Args, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(after_help = format!("Examples:\n  sotto report bob --reason spam --block\n  \
    sotto report bob --reason abuse --comment 'after I asked to stop' --message bob:last\n\n\
    The server's operator reads it as your word, which nothing proves: the server has never seen what was written. Bob\n\
    is not told. Only the messages that you name are shown.\n\n{}", super::messages::NAMES))]
pub struct Report {
    /// A username or an account id
    pub name: String,
    /// Why
    #[arg(long, value_enum, value_name = "REASON", default_value_t = Reason::Other)]
    pub reason: Reason,
    /// What the operator should know, at most 2,000 characters
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub comment: String,
    /// Messages of theirs to show to the operator in clear, at most 20
    #[arg(long = "message", value_name = "MESSAGE", num_args = 1..=20)]
    pub messages: Vec<String>,
    /// Block them, too
    #[arg(long)]
    pub block: bool,
    #[command(flatten)]
    pub sure: super::group::Sure,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Reason {
    Spam,
    Abuse,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Audience {
    Everyone,
    /// Those you wrote to, or accepted
    Contacts,
    Nobody,
}

const PRIVACY: &str = "\
Examples:
  sotto privacy                                            what holds now
  sotto privacy --last-seen nobody --read-receipts contacts
  sotto privacy --picture contacts --picture-except bob cem
  sotto privacy --picture-except ''                        nobody is excepted any more

Hiding goes both ways: of last seen, online and read receipts you see only what you show yourself. Last seen and online are
for contacts at most: there, everyone means contacts.
Who may not see your picture or about any more may still have what they saw before.
--groups says who may put you into a group; others can send you an invite link.";

#[derive(Debug, Args)]
#[command(after_help = PRIVACY)]
pub struct Privacy {
    /// Who sees when you were last there
    #[arg(long, value_enum, value_name = "WHO")]
    pub last_seen: Option<Audience>,
    /// ... but not these people
    #[arg(long, value_name = "NAME", num_args = 1..=256)]
    pub last_seen_except: Option<Vec<String>>,
    /// Who sees that you are there now
    #[arg(long, value_enum, value_name = "WHO")]
    pub online: Option<Audience>,
    /// Who sees that you read a message of theirs
    #[arg(long, value_enum, value_name = "WHO")]
    pub read_receipts: Option<Audience>,
    /// Who sees your picture
    #[arg(long, value_enum, value_name = "WHO")]
    pub picture: Option<Audience>,
    /// ... but not these people
    #[arg(long, value_name = "NAME", num_args = 1..=256)]
    pub picture_except: Option<Vec<String>>,
    /// Who sees what you say about yourself
    #[arg(long, value_enum, value_name = "WHO")]
    pub about: Option<Audience>,
    /// ... but not these people
    #[arg(long, value_name = "NAME", num_args = 1..=256)]
    pub about_except: Option<Vec<String>>,
    /// Who may put you into a group
    #[arg(long, value_enum, value_name = "WHO")]
    pub groups: Option<Audience>,
    /// ... but not these people
    #[arg(long, value_name = "NAME", num_args = 1..=256)]
    pub groups_except: Option<Vec<String>>,
}

const PROFILE: &str = "\
Examples:
  sotto profile                                            yours
  sotto profile --name 'Ann Example' --about 'At sea until May'
  sotto profile --picture me.jpg
  sotto profile bob --save-picture bob.jpg

Name, about and picture are encrypted; your contacts have the key. A username is unique on the server, a name is what
people call themselves: anybody can take any.";

#[derive(Debug, Args)]
#[command(after_help = PROFILE)]
#[command(group(ArgGroup::new("change").multiple(true).conflicts_with("person")))]
pub struct Profile {
    /// Whose: a username or an account id [default: yours]
    #[arg(value_name = "NAME")]
    pub person: Option<String>,
    /// Your name, at most 64 characters; '' takes it away
    #[arg(long, group = "change", value_name = "TEXT")]
    pub name: Option<String>,
    /// What you say about yourself, at most 140 characters; '' takes it away
    #[arg(long, group = "change", value_name = "TEXT")]
    pub about: Option<String>,
    /// A JPEG, PNG or WebP of at most 48 KiB
    #[arg(long, group = "change", value_name = "FILE", conflicts_with = "no_picture")]
    pub picture: Option<PathBuf>,
    /// Take your picture away
    #[arg(long, group = "change")]
    pub no_picture: bool,
    /// Write the picture into a new file
    #[arg(long, value_name = "FILE", conflicts_with = "change")]
    pub save_picture: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use crate::args::Cli;
    use clap::Parser;

    #[test]
    fn commands_about_people_are_understood() {
        for (line, good) in [
            ("requests", true),
            ("requests --json", true),
            ("accept bob", true),
            ("accept", false),
            ("report bob", true),
            ("report bob --reason spam --comment x --message bob:last bob:3f9a21 --block --yes", true),
            ("report bob --message bob:last --message bob:3f9a21", true),
            ("report bob --reason boring", false),
            ("report", false),
            ("delete-conversation bob --yes", true),
            ("delete-conversation", false),
            ("privacy", true),
            ("privacy --last-seen contacts --online nobody --read-receipts everyone --groups contacts", true),
            ("privacy --about nobody --picture contacts --picture-except bob cem --about-except dan", true),
            ("privacy --last-seen friends", false),
            ("privacy --picture-except", false),
            ("privacy bob", false),
            ("profile", true),
            ("profile --name Ann --about x --picture me.png", true),
            ("profile --picture me.png --no-picture", false),
            ("profile bob", true),
            ("profile bob --save-picture bob.png", true),
            ("profile --save-picture me.png", true),
            ("profile bob --name Bob", false),
            ("profile --name Ann --save-picture me.png", false),
            ("listen --presence bob cem --accept-requests", true),
            ("listen --presence", false),
        ] {
            let line: Vec<&str> = ["sotto"].into_iter().chain(line.split(' ')).collect();
            assert_eq!(Cli::try_parse_from(&line).is_ok(), good, "{line:?}");
        }
    }
}
