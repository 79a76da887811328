//! history, search, export, conversations: what this profile has stored. Nothing here needs the server.

use super::contacts::name_of;
use super::messages::print;
use super::people::{choices, is_request};
use super::show::{contact_line, time_of};
use crate::args::{History, Search};
use crate::failure::{Exit, Failure};
use crate::out::{Style, write_failure};
use crate::session::Session;
use crate::text::{clean_line, date_time, span};
use crate::ticks::{author, preview, tick};
use crate::tui::shorten;
use sotto_engine::api::{Command, ConversationView, HistoryPlace, Reply};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

const PAGE: u32 = 200;
const PREVIEW: usize = 60;

pub async fn history(session: &Session, args: History) -> Result<(), Failure> {
    let conversation = session.conversation_of(&args.name).await?;
    let mut found = Vec::new();
    let mut at = args.before.map_or(HistoryPlace::Newest, HistoryPlace::Before);
    let mut left = args.limit;
    let mut more = true;
    while left > 0 && more {
        let reply = session.ask(Command::History { conversation, at, limit: left.min(PAGE) }).await?;
        let Reply::Messages { mut messages, more: further, .. } = reply else { return Err(Failure::unexpected()) };
        more = further && !messages.is_empty();
        at = messages.first().map_or(at, |message| HistoryPlace::Before(message.position));
        left = left.saturating_sub(u32::try_from(messages.len()).unwrap_or(u32::MAX));
        // Pages come newest first, each ascending.
        messages.append(&mut found);
        found = messages;
    }
    if more {
        let first = found.first().map_or(0, |message| message.position);
        session.out.note(format!("(older ones: --before {first})"));
    }
    print(session, &found, args.names, "Nothing here yet.").await?;
    if let Reply::Conversation { conversation: view } = session.ask(Command::Conversation { conversation }).await?
        && let (true, Some(contact)) = (is_request(&view), &view.contact)
    {
        let name = name_of(contact);
        session.out.note(format!("{name} is new, and does not see that you read this: {}", choices(&name)));
    }
    Ok(())
}

pub async fn search(session: &Session, args: Search) -> Result<(), Failure> {
    let conversation = match &args.person {
        Some(person) => Some(session.conversation_of(person).await?),
        None => None,
    };
    let reply = session.ask(Command::Search { query: args.words.join(" "), conversation, limit: args.limit }).await?;
    let Reply::Found { hits } = &reply else { return Err(Failure::unexpected()) };
    if session.out.json {
        for hit in hits {
            session.out.json(hit)?;
        }
        return Ok(());
    }
    if hits.is_empty() {
        session.out.note("Nothing found.");
    }
    for hit in hits {
        let who = super::contacts::conversation_name(hit.contact.as_ref(), &hit.title);
        let who = match hit.message.conversation.group() {
            _ if hit.message.from_me => format!("me → {who}"),
            Some(_) => format!("{} in {who}", author(&hit.message)),
            None => who,
        };
        let time = session.out.paint(Style::Dim, &date_time(time_of(&hit.message)));
        let snippet = highlight(&hit.snippet, |word| session.out.paint(Style::Bold, word));
        session.out.line(format!("{time}  {}  {snippet}", session.out.paint(Style::Name, &who)))?;
    }
    Ok(())
}

/// The engine puts matches between U+0001 and U+0002.
pub fn highlight(snippet: &str, paint: impl Fn(&str) -> String) -> String {
    let mut text = String::new();
    for (index, part) in snippet.split('\u{1}').enumerate() {
        match part.split_once('\u{2}') {
            Some((word, rest)) if index > 0 => {
                text.push_str(&paint(&clean_line(word)));
                text.push_str(&clean_line(&rest.replace('\u{2}', "")));
            }
            _ => text.push_str(&clean_line(&part.replace('\u{2}', ""))),
        }
    }
    text
}

pub async fn export(session: &Session, file: Option<PathBuf>) -> Result<(), Failure> {
    let mut writer: Box<dyn Write + Send> = match &file {
        None => Box::new(std::io::stdout()),
        Some(path) => {
            // Messages in the clear: for this user only, and never over something that exists.
            let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            let made = made.map_err(|error| Failure::usage(format!("cannot write {}: {error}", path.display())))?;
            Box::new(std::io::BufWriter::new(made))
        }
    };
    let (mut next, mut count) = (None, 0u64);
    loop {
        let Reply::ExportPage { lines, next: following } = session.ask(Command::Export { next: next.clone() }).await?
        else {
            return Err(Failure::unexpected());
        };
        for line in &lines {
            writeln!(writer, "{line}").map_err(write_failure)?;
            count += 1;
        }
        if following.is_none() || following == next {
            break;
        }
        next = following;
    }
    writer
        .flush()
        .map_err(|error| Failure::new(Exit::Storage, "storage", format!("the export is not complete: {error}")))?;
    if let Some(path) = file {
        session.out.note(format!("{count} lines in {} (readable by anyone who gets the file).", path.display()));
    }
    Ok(())
}

pub async fn conversations(session: &Session, folder: Option<&str>) -> Result<(), Failure> {
    let mut reply = session.ask(Command::Conversations).await?;
    if let (Reply::Conversations { conversations }, Some(folder)) = (&mut reply, folder) {
        conversations.retain(|conversation| conversation.folder.as_deref() == Some(folder));
    }
    let Reply::Conversations { conversations } = &reply else { return Err(Failure::unexpected()) };
    session.show(&reply, |out| {
        for conversation in conversations {
            let who = match &conversation.contact {
                _ if conversation.is_me => "note to self".into(),
                Some(contact) => contact_line(out, contact),
                None => out.paint(Style::Name, &clean_line(&conversation.title)),
            };
            let unread = match conversation.unread {
                0 => String::new(),
                n if conversation.mentioned => out.paint(Style::Good, &format!(" ({n} unread, names you)")),
                n => out.paint(Style::Good, &format!(" ({n} unread)")),
            };
            let last = conversation.last.as_ref().map(|message| {
                let body = shorten(&preview(message), PREVIEW);
                let (time, mark) = (date_time(time_of(message)), tick(message.status));
                format!("{}  {body} {mark}", out.paint(Style::Dim, &time))
            });
            let marks = out.paint(Style::Dim, &marks(conversation));
            out.line(format!("{who}{unread}{marks}  {}", last.unwrap_or_default().trim_end()))?;
        }
        Ok(())
    })
}

/// " pinned muted"; nothing for most.
fn marks(conversation: &ConversationView) -> String {
    let marks = [
        (is_request(conversation), " request"),
        (conversation.pinned, " pinned"),
        (conversation.archived, " archived"),
        (conversation.muted_until_ms > 0, " muted"),
        (conversation.marked_unread && conversation.unread == 0, " unread"),
        (conversation.draft.is_some(), " draft"),
    ];
    let mut marks: String = marks.into_iter().filter_map(|(is_set, mark)| is_set.then_some(mark)).collect();
    if let Some(folder) = &conversation.folder {
        marks += &format!(" in “{}”", clean_line(folder));
    }
    if conversation.timer_s > 0 {
        marks += &format!(" ⏳ {}", span(conversation.timer_s.into()));
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::samples;

    #[test]
    fn what_was_arranged_is_marked() {
        let mut conversation = samples::conversation(samples::contact(2, "bob"), None, 0);
        assert_eq!(marks(&conversation), "");
        conversation = ConversationView {
            pinned: true,
            muted_until_ms: 1,
            marked_unread: true,
            draft: Some("half".into()),
            ..conversation
        };
        assert_eq!(marks(&conversation), " pinned muted unread draft");
        conversation = ConversationView { unread: 3, archived: true, draft: None, ..conversation };
        assert_eq!(marks(&conversation), " pinned archived muted");
        let arranged = ConversationView {
            folder: Some("Wo\x1brk".into()),
            timer_s: 86_400,
            ..samples::conversation(samples::contact(2, "bob"), None, 0)
        };
        assert_eq!(marks(&arranged), " in “Wo␛rk” ⏳ 24 hours");
    }

    #[test]
    fn matches_are_marked_and_nothing_else_gets_through() {
        let paint = |word: &str| format!("[{word}]");
        for (snippet, want) in [
            ("say \u{1}hello\u{2} to \u{1}her\u{2}", "say [hello] to [her]"),
            ("plain", "plain"),
            ("odd \u{2} end \u{1}open", "odd  end open"),
            ("\u{1}\x1b[2J\u{2}", "[␛[2J]"),
        ] {
            assert_eq!(highlight(snippet, paint), want, "{snippet:?}");
        }
    }
}
