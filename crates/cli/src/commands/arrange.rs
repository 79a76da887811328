//! timer, preferences, conversation: what a person arranged, for all devices of theirs or for all in a conversation.

use super::contacts::full_name;
use super::people::is_request;
use super::show::contact_line;
use super::through::before;
use crate::args::messages as args;
use crate::args::messages::{Mute, Switch};
use crate::failure::Failure;
use crate::out::{Out, Style};
use crate::session::Session;
use crate::text::{clean_line, date_time, now_ms, span};
use sotto_engine::api::{Command, ConversationChanges, ConversationView, PreferenceChanges, Preferences, Reply};

/// The last time that every program can hold.
const FOR_EVER_MS: u64 = 8_640_000_000_000_000;

fn view(reply: &Reply) -> Result<&ConversationView, Failure> {
    match reply {
        Reply::Conversation { conversation } => Ok(conversation),
        _ => Err(Failure::unexpected()),
    }
}

/// "Annie (@ann)", "“Lunch”" or "note to self".
fn title(conversation: &ConversationView) -> String {
    match &conversation.contact {
        _ if conversation.is_me => "note to self".into(),
        Some(contact) => full_name(contact),
        None => format!("“{}”", clean_line(&conversation.title)),
    }
}

fn disappear(seconds: u32) -> String {
    match seconds {
        0 => "messages stay".into(),
        seconds => format!("messages disappear {} after they are read", span(seconds.into())),
    }
}

pub async fn timer(session: &Session, args: args::Timer) -> Result<(), Failure> {
    let conversation = session.conversation_of(&args.name).await?;
    let reply = match args.time {
        None => session.ask(Command::Conversation { conversation }).await?,
        Some(seconds) => {
            let before = before(session).await?;
            let reply = session.ask(Command::SetTimer { conversation, seconds }).await?;
            before.through(session, &args.through).await?;
            reply
        }
    };
    let view = view(&reply)?;
    session.show(&reply, |out| out.line(format!("{}: {}.", title(view), disappear(view.timer_s))))
}

pub async fn preferences(session: &Session, args: args::Preferences) -> Result<(), Failure> {
    let changes = PreferenceChanges {
        default_timer_s: args.default_timer,
        link_previews: args.link_previews.map(|switch| switch == Switch::On),
    };
    let command = match changes {
        PreferenceChanges { default_timer_s: None, link_previews: None } => Command::Preferences,
        changes => Command::SetPreferences { changes },
    };
    let reply = session.ask(command).await?;
    let Reply::Preferences { preferences: Preferences { default_timer_s, link_previews } } = &reply else {
        return Err(Failure::unexpected());
    };
    session.show(&reply, |out| {
        out.line(format!("new conversations  {}", disappear(*default_timer_s)))?;
        out.line(format!("link previews      {}", if *link_previews { "on" } else { "off" }))
    })
}

const fn muted_until(mute: Mute, now_ms: u64) -> u64 {
    match mute {
        Mute::Off => 0,
        Mute::Always => FOR_EVER_MS,
        Mute::ForMs(ms) => now_ms.saturating_add(ms),
    }
}

fn changes(args: args::Conversation, now_ms: u64) -> ConversationChanges {
    // Of two that exclude each other at most one is there.
    let either = |on: bool, off: bool| (on || off).then_some(on);
    ConversationChanges {
        pinned: either(args.pin, args.unpin),
        archived: either(args.archive, args.unarchive),
        muted_until_ms: args.mute.map(|mute| muted_until(mute, now_ms)),
        marked_unread: args.mark_unread.then_some(true),
        draft: None,
        folder: args.folder,
        nickname: args.nickname,
    }
}

pub async fn conversation(session: &Session, args: args::Conversation) -> Result<(), Failure> {
    let conversation = session.conversation_of(&args.name).await?;
    let changes = changes(args, now_ms());
    let command = if changes == ConversationChanges::default() {
        Command::Conversation { conversation }
    } else {
        Command::SetConversation { conversation, changes }
    };
    let reply = session.ask(command).await?;
    let view = view(&reply)?;
    session.show(&reply, |out| lines(out, view, now_ms()).iter().try_for_each(|line| out.line(line)))
}

fn lines(out: &Out, view: &ConversationView, now_ms: u64) -> Vec<String> {
    let head = match &view.contact {
        Some(contact) if !view.is_me => contact_line(out, contact),
        _ => out.paint(Style::Name, &title(view)),
    };
    let muted = match view.muted_until_ms {
        until if until <= now_ms => None,
        FOR_EVER_MS.. => Some("muted     always".into()),
        until => Some(format!("muted     until {}", date_time(until))),
    };
    let about = view.contact.as_ref().filter(|_| !view.is_me).and_then(|contact| contact.about.as_deref());
    let facts = [
        about.map(|about| format!("about     {}", clean_line(about))),
        is_request(view).then(|| "request   they see nothing of you until you accept them".into()),
        view.pinned.then(|| "pinned    on top of the list".into()),
        view.archived.then(|| "archived  put away".into()),
        muted,
        view.folder.as_deref().map(|folder| format!("folder    {}", clean_line(folder))),
        Some(format!("timer     {}", disappear(view.timer_s))),
        (view.unread > 0).then(|| format!("unread    {}", view.unread)),
        (view.marked_unread && view.unread == 0).then(|| "unread    marked so".into()),
    ];
    std::iter::once(head).chain(facts.into_iter().flatten()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Cli;
    use crate::tui::samples::{NOON, contact, conversation};
    use clap::Parser;

    fn changes_of(line: &str) -> ConversationChanges {
        let cli = Cli::try_parse_from(["sotto", "conversation", "bob"].into_iter().chain(line.split_whitespace()));
        match cli.expect("understood").command {
            crate::args::Command::Conversation(args) => changes(args, NOON),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_what_is_named_changes() {
        let none = ConversationChanges::default;
        for (line, want) in [
            ("", none()),
            ("--pin", ConversationChanges { pinned: Some(true), ..none() }),
            ("--unpin --archive", ConversationChanges { pinned: Some(false), archived: Some(true), ..none() }),
            ("--mute 8h", ConversationChanges { muted_until_ms: Some(NOON + 28_800_000), ..none() }),
            ("--mute off", ConversationChanges { muted_until_ms: Some(0), ..none() }),
            ("--mute always", ConversationChanges { muted_until_ms: Some(FOR_EVER_MS), ..none() }),
            (
                "--folder= --nickname=B",
                ConversationChanges { folder: Some(String::new()), nickname: Some("B".into()), ..none() },
            ),
        ] {
            assert_eq!(changes_of(line), want, "{line:?}");
        }
    }

    #[test]
    fn an_arranged_conversation_is_said_in_words() {
        let mut bob = contact(2, "bob");
        bob.nickname = Some("Bob\x1bby".into());
        let view = ConversationView {
            pinned: true,
            muted_until_ms: FOR_EVER_MS,
            folder: Some("Work".into()),
            timer_s: 86_400,
            ..conversation(bob, None, 0)
        };
        let want = [
            "Bob␛by (@bob)",
            "pinned    on top of the list",
            "muted     always",
            "folder    Work",
            "timer     messages disappear 24 hours after they are read",
        ];
        assert_eq!(lines(&Out::of_test(false), &view, NOON), want);
        let plain = conversation(contact(2, "bob"), None, 0);
        assert_eq!(lines(&Out::of_test(false), &plain, NOON), ["@bob", "timer     messages stay"]);
    }
}
