//! The command line of groups.

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use std::path::PathBuf;

pub const EXAMPLES: &str = "\
GROUP is its title, its id, or the beginning of its id (6 digits or more).

Examples:
  sotto group create 'Lunch' @bob @cem        make a group; you own it
  sotto group list                            titles, ids and members
  sotto send Lunch 'pizza, @bob?'             write to it; @bob is told
  sotto group invite Lunch --expires 1d       a link by which others join
  sotto group leave Lunch";

#[derive(Debug, Subcommand)]
pub enum Group {
    /// Make a group
    #[command(after_help = "Examples:\n  sotto group create 'Lunch' @bob @cem\n  \
                            sotto group create 'News' @bob --post admins --add admins --picture logo.png")]
    Create(Create),
    /// List groups
    List,
    /// Show a group: members, permissions, invite links, who asks to join
    Show { group: String },
    /// Add members; who is in under an old key is added with the new one
    #[command(after_help = "Example:\n  sotto group add Lunch @dan @eve")]
    Add(Members),
    /// Remove members; they read nothing that is written from then on
    Remove(Members),
    /// Make a member an admin
    Promote(Member),
    /// Make an admin a plain member
    Demote(Member),
    /// Hand the group over: the member owns it, you become an admin
    HandOver {
        #[command(flatten)]
        member: Member,
        #[command(flatten)]
        sure: Sure,
    },
    /// Change title, description, picture, or who may do what
    #[command(after_help = "Examples:\n  sotto group set Lunch --title 'Lunch at noon'\n  \
                            sotto group set Lunch --post admins --no-picture")]
    Set(Set),
    /// Open an invite link, and show it with a QR code
    #[command(after_help = "Examples:\n  sotto group invite Lunch\n  \
                            sotto group invite Lunch --expires 1d --uses 5 --approval")]
    Invite(Invite),
    /// Close an invite link
    CloseInvite {
        group: String,
        /// The link's key, as `sotto group show` prints it (the beginning is enough)
        key: String,
    },
    /// Show where an invite link leads, without joining
    Look { link: String },
    /// Join by an invite link, or ask to
    #[command(after_help = "Example:\n  sotto group join 'https://chat.example.org/#/g/…'\n\n\
                            Put the link in quotes: a shell takes '#' for a comment.")]
    Join { link: String },
    /// Let in who asked to join
    Approve(Members),
    /// Refuse who asked to join
    Decline(Members),
    /// Leave a group; an owner's group goes to the longest-serving admin, else member
    Leave {
        group: String,
        #[command(flatten)]
        sure: Sure,
    },
    /// Delete a group for everybody; only its owner can
    Delete {
        group: String,
        #[command(flatten)]
        sure: Sure,
    },
    /// Take over from an owner whose account is gone; for the longest-serving admin, else member
    TakeOver { group: String },
}

#[derive(Debug, Args)]
pub struct Create {
    /// 1 to 100 characters
    pub title: String,
    /// Usernames or account ids of the members; more can be added later
    #[arg(value_name = "@NAME")]
    pub members: Vec<String>,
    /// What the group is about
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub description: String,
    /// A PNG, JPEG or WebP of at most 48 KiB
    #[arg(long, value_name = "FILE")]
    pub picture: Option<PathBuf>,
    /// Who may write messages
    #[arg(long, value_enum, value_name = "WHO", default_value_t = Permission::Members)]
    pub post: Permission,
    /// Who may add members
    #[arg(long, value_enum, value_name = "WHO", default_value_t = Permission::Members)]
    pub add: Permission,
    /// Who may change title, description and picture
    #[arg(long, value_enum, value_name = "WHO", default_value_t = Permission::Members)]
    pub details: Permission,
    /// Encrypt each message once per device instead of once; at most 128 members, and for good
    #[arg(long)]
    pub pairwise: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Permission {
    /// everybody in the group
    Members,
    /// admins and the owner
    Admins,
}

#[derive(Debug, Args)]
pub struct Members {
    pub group: String,
    /// Usernames or account ids
    #[arg(value_name = "@NAME", required = true)]
    pub people: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Member {
    pub group: String,
    /// A username or account id
    #[arg(value_name = "@NAME")]
    pub person: String,
}

#[derive(Debug, Args)]
pub struct Sure {
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).multiple(true)))]
pub struct Set {
    pub group: String,
    /// 1 to 100 characters
    #[arg(long, group = "what", value_name = "TEXT")]
    pub title: Option<String>,
    /// What the group is about; '' takes it away
    #[arg(long, group = "what", value_name = "TEXT")]
    pub description: Option<String>,
    /// A PNG, JPEG or WebP of at most 48 KiB
    #[arg(long, group = "what", value_name = "FILE", conflicts_with = "no_picture")]
    pub picture: Option<PathBuf>,
    /// Take the picture away
    #[arg(long, group = "what")]
    pub no_picture: bool,
    /// Who may write messages
    #[arg(long, group = "what", value_enum, value_name = "WHO")]
    pub post: Option<Permission>,
    /// Who may add members
    #[arg(long, group = "what", value_enum, value_name = "WHO")]
    pub add: Option<Permission>,
    /// Who may change title, description and picture
    #[arg(long, group = "what", value_enum, value_name = "WHO")]
    pub details: Option<Permission>,
}

#[derive(Debug, Args)]
pub struct Invite {
    pub group: String,
    /// The link ends after so long: 30m, 12h, 7d, 2w [default: never]
    #[arg(long, value_name = "TIME", value_parser = duration_ms)]
    pub expires: Option<u64>,
    /// So many people may join by it [default: any number]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub uses: Option<u32>,
    /// Joining by it only asks; an admin lets in
    #[arg(long)]
    pub approval: bool,
}

/// "90m", "12h", "1d", "2w"
pub(super) fn duration_ms(text: &str) -> Result<u64, String> {
    let wrong = || "a time is a number and m, h, d or w, at most ten years: 12h".to_owned();
    let unit_ms = match text.chars().last() {
        Some('m') => 60_000,
        Some('h') => 3_600_000,
        Some('d') => 86_400_000,
        Some('w') => 7 * 86_400_000,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    let ms = number.checked_mul(unit_ms).filter(|ms| (1..=3650 * 86_400_000).contains(ms));
    ms.ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Cli;
    use clap::Parser;

    #[test]
    fn times_have_a_unit() {
        for (text, want) in [
            ("1d", Some(86_400_000)),
            ("90m", Some(5_400_000)),
            ("2w", Some(1_209_600_000)),
            ("0h", None),
            ("1", None),
            ("d", None),
            ("-1d", None),
            ("1é", None),
            ("", None),
            ("99999999999999999999d", None),
            ("9999999w", None),
        ] {
            assert_eq!(duration_ms(text).ok(), want, "{text:?}");
        }
    }

    #[test]
    fn commands_of_groups_are_understood() {
        for (line, good) in [
            ("create Lunch", true),
            ("create Lunch @bob @cem --post admins --pairwise", true),
            ("create Lunch --post nobody", false),
            ("create", false),
            ("list", true),
            ("add Lunch", false),
            ("add Lunch @bob bob.b", true),
            ("promote Lunch @bob @cem", false),
            ("hand-over Lunch @bob --yes", true),
            ("set Lunch", false),
            ("set Lunch --title x --add members", true),
            ("set Lunch --picture x --no-picture", false),
            ("invite Lunch --expires 1d --uses 3 --approval", true),
            ("invite Lunch --expires soon", false),
            ("invite Lunch --uses 0", false),
            ("take-over Lunch", true),
            ("close-invite Lunch abc", true),
        ] {
            let line: Vec<&str> = ["sotto", "group"].into_iter().chain(line.split(' ')).collect();
            assert_eq!(Cli::try_parse_from(&line).is_ok(), good, "{line:?}");
        }
    }
}
