//! One message: as a line for people, and (`sotto show`) what really happened to it.

use super::contacts::full_name;
use crate::failure::Failure;
use crate::formatting::{self, Look};
use crate::out::{Out, Style};
use crate::session::Session;
use crate::shown::{self, Piece};
use crate::text::{clean_line, date_time, indent, now_ms, seconds, span};
use crate::ticks::{author, stand_in, tick};
use sotto_engine::api::{
    Command, ContactView, CopyDetails, MemberReceipt, MessageBody, MessageDetails, MessageStatus, MessageTimes,
    MessageView, Reply,
};

pub fn time_of(message: &MessageView) -> u64 {
    message.server_time_ms.unwrap_or(message.written_ms)
}

/// "2026-11-22 14:05  @ann  hello", "2026-11-22 14:06  me → @ann  hi ✓✓", "2026-11-22 14:07  ann in Lunch  hello"
pub async fn message_line(session: &Session, message: &MessageView) -> String {
    let out = &session.out;
    let with = session.display(message.conversation).await;
    let is_note = message.conversation.peer() == Some(message.from) && message.from_me;
    let who = match (&message.body, message.conversation.group()) {
        (MessageBody::GroupChange { .. }, _) => with,
        _ if is_note => "note to self".to_string(),
        _ if message.from_me => format!("me → {with}"),
        (_, Some(_)) => format!("{} in {with}", author(message)),
        (_, None) => with,
    };
    line(out, message, &who, now_ms())
}

/// What comes after the first line of a message stands below its time: no text can look like a line of ours.
const INDENT: &str = "                  ";
/// Columns of a line that belongs to a message, as a quote.
const BESIDE: usize = 76;

fn words(out: &Out, message: &MessageView) -> String {
    match (&message.body, stand_in(message)) {
        (MessageBody::Text { body, .. }, _) if !out.is_styled() => indent(body, INDENT),
        (MessageBody::Text { body, mentions }, _) => {
            let paint = |(part, look): (&str, Look)| out.paint_as(look, &indent(part, INDENT));
            formatting::parts(body, mentions).into_iter().map(paint).collect()
        }
        (MessageBody::Poll { .. } | MessageBody::Location { .. } | MessageBody::ContactCard { .. }, line) => {
            out.paint(Style::Bold, &line.unwrap_or_default())
        }
        (_, line) => out.paint(Style::Dim, &line.unwrap_or_default()),
    }
}

fn line(out: &Out, message: &MessageView, who: &str, now_ms: u64) -> String {
    let mut lines: Vec<String> = shown::above(message, BESIDE).iter().map(|line| out.paint(Style::Dim, line)).collect();
    let mark = tick(message.status);
    let mark = match message.status {
        MessageStatus::Read => out.paint(Style::Blue, mark),
        MessageStatus::Failed | MessageStatus::Held => out.paint(Style::Warn, mark),
        _ => out.paint(Style::Dim, mark),
    };
    let marks = shown::marks(message, now_ms).into_iter().map(|mark| out.paint(Style::Dim, &mark));
    let marks: Vec<String> = std::iter::once(mark).filter(|mark| !mark.is_empty()).chain(marks).collect();
    // That of a group's change is the engine's own.
    let note = message.note.as_deref().filter(|_| is_message(message));
    let note = note.map(|note| format!(" ({})", clean_line(note))).unwrap_or_default();
    lines.push(format!("{} {}{note}", words(out, message), marks.join(" ")).trim_end().to_string());
    let paint = |piece: &Piece| out.paint(if piece.mine { Style::Bold } else { Style::Dim }, &piece.text);
    lines.extend(shown::below(message, BESIDE).iter().map(paint));
    let reactions: Vec<String> = shown::reactions(message).iter().map(paint).collect();
    lines.extend(Some(reactions.join("  ")).filter(|line| !line.is_empty()));
    let time = out.paint(Style::Dim, &date_time(time_of(message)));
    format!("{time}  {}  {}", out.paint(Style::Name, who), lines.join(&format!("\n{INDENT}")))
}

/// Everything that is known about one message.
pub async fn run(session: &Session, message: &str) -> Result<(), Failure> {
    let name = session.message(message).await?.name;
    let reply = session.ask(Command::Message { name }).await?;
    let Reply::Message { message, details } = &reply else { return Err(Failure::unexpected()) };
    let line = message_line(session, message).await;
    session.show(&reply, |out| {
        out.line(line)?;
        out.line(format!("name          {}", message.name))?;
        if let Some(id) = message.message_id {
            out.line(format!("id            {id}"))?;
        }
        show_extras(out, message, details)?;
        for (what, at) in steps(message, &details.times) {
            out.line(format!("{what:<13} {}", seconds(at)))?;
        }
        if details.attempts > 1 || details.resends > 0 {
            out.line(format!("tries         {} (sent again on request: {})", details.attempts, details.resends))?;
        }
        show_copies(out, details)?;
        if message.from_me && message.conversation.group().is_some() && message.message_id.is_some() {
            show_receipts(out, &details.members)?;
        }
        Ok(())
    })
}

/// Of a message in a group, delivered and read are said of each member.
fn steps(message: &MessageView, times: &MessageTimes) -> Vec<(&'static str, u64)> {
    let own = message.conversation.group().is_none();
    let steps = [
        ("written", Some(message.written_ms)),
        ("encrypted", times.encrypted_ms),
        ("stored", times.stored_ms),
        ("accepted", times.accepted_ms),
        ("received", times.received_ms),
        ("delivered", times.delivered_ms.filter(|_| own)),
        ("read", times.read_ms.filter(|_| own)),
    ];
    steps.into_iter().filter_map(|(what, at)| Some((what, at?))).collect()
}

/// What people did with it, and what it said before.
fn show_extras(out: &Out, message: &MessageView, details: &MessageDetails) -> Result<(), Failure> {
    for (number, version) in (1..).zip(&details.versions) {
        let (at, body) = (seconds(version.written_ms), indent(&version.body, "              "));
        out.line(format!("version {number:<5} {at}  {body}"))?;
    }
    let extras = &message.extras;
    for (what, at) in [("edited", extras.edited_ms), ("pinned until", extras.pinned_until_ms)] {
        at.map_or(Ok(()), |at| out.line(format!("{what:<13} {}", seconds(at))))?;
    }
    for reaction in &extras.reactions {
        let emoji = clean_line(&reaction.emoji);
        let people: Vec<String> = reaction.people.iter().map(|person| clean_line(&person.name)).collect();
        out.line(format!("reaction      {emoji}  {}", people.join(", ")))?;
    }
    match (extras.expires_ms, extras.expires_after_s) {
        (Some(at), _) => out.line(format!("disappears    {}", seconds(at))),
        (None, 0) => Ok(()),
        (None, after) => out.line(format!("disappears    {} after it is read", span(after.into()))),
    }
}

fn show_copies(out: &Out, details: &MessageDetails) -> Result<(), Failure> {
    for CopyDetails { account, device, protocol, ciphertext_bytes, counter, .. } in &details.copies {
        let account: String = account.to_string().chars().take(8).collect();
        let protocol = clean_line(protocol);
        let text =
            format!("copy          {account} device {device}: {protocol}, {ciphertext_bytes} bytes, number {counter}");
        out.line(out.paint(Style::Dim, &text))?;
    }
    Ok(())
}

/// Who has read is not listed again under who has it.
fn show_receipts(out: &Out, members: &[MemberReceipt]) -> Result<(), Failure> {
    let name = |receipt: &MemberReceipt| clean_line(&receipt.person.name);
    let read: Vec<(String, u64)> = members.iter().filter_map(|m| Some((name(m), m.read_ms?))).collect();
    let only_delivered = members.iter().filter(|member| member.read_ms.is_none());
    let delivered: Vec<(String, u64)> = only_delivered.filter_map(|m| Some((name(m), m.delivered_ms?))).collect();
    let not_yet: Vec<String> =
        members.iter().filter(|m| m.read_ms.is_none() && m.delivered_ms.is_none()).map(name).collect();
    let all = members.len();
    for (title, style, mut list) in [("read by", Style::Blue, read), ("delivered to", Style::Good, delivered)] {
        list.sort_by_key(|(_, at)| *at);
        out.line(out.paint(style, &format!("{title} ({} of {all}):", list.len())))?;
        for (name, at) in list {
            out.line(format!("  {}  {name}", seconds(at)))?;
        }
    }
    if not_yet.is_empty() {
        return Ok(());
    }
    out.line(out.paint(Style::Dim, &format!("not yet with ({} of {all}): {}", not_yet.len(), not_yet.join(", "))))
}

pub fn contact_line(out: &Out, contact: &ContactView) -> String {
    let mut line = out.paint(Style::Name, &full_name(contact));
    if contact.verified {
        line.push_str(&out.paint(Style::Good, " verified"));
    }
    if contact.blocked {
        line.push_str(&out.paint(Style::Warn, " blocked"));
    }
    if contact.key_changed {
        line.push_str(&out.paint(Style::Warn, " key changed"));
    }
    line
}

/// A system line of ours is no message of theirs.
pub fn is_message(message: &MessageView) -> bool {
    !matches!(
        message.body,
        MessageBody::KeyChanged { .. }
            | MessageBody::ProfileRestored
            | MessageBody::GroupChange { .. }
            | MessageBody::Timer { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::samples::{NOON, account, message, person, poll};
    use sotto_engine::api::{MessageRef, QuoteView, ReactionView};

    fn shown(message: &MessageView) -> String {
        line(&Out::of_test(false), message, "@bob", NOON)
    }

    #[test]
    fn what_belongs_to_a_message_stands_below_its_time() {
        let mut said = message(1, false, "yes *indeed*\n12:00 forged", MessageStatus::Received);
        said.extras.quote = Some(QuoteView {
            message: MessageRef { from: account(1), name: said.name },
            author: person(1, "ann"),
            text: Some("shall we?".into()),
        });
        said.extras.edited_ms = Some(NOON);
        said.extras.starred = true;
        said.extras.reactions = vec![
            ReactionView { emoji: "👍".into(), people: vec![person(1, "ann"), person(2, "bob")] },
            ReactionView { emoji: "🎉".into(), people: vec![person(2, "bob")] },
        ];
        let text = shown(&said);
        let lines: Vec<&str> = text.split('\n').collect();
        assert!(lines[0].ends_with("  @bob  ┃ you: shall we?"), "{text}");
        let below = ["yes *indeed*", "12:00 forged (edited) ★", "👍 2  🎉 1"];
        assert_eq!(lines[1..], below.map(|line| format!("{INDENT}{line}")));
    }

    #[test]
    fn formatting_is_for_terminals() {
        let said = message(1, true, "_so_ *it* `is` ~not~", MessageStatus::Sent);
        assert!(shown(&said).ends_with("  @bob  _so_ *it* `is` ~not~ ✓"), "{}", shown(&said));
        let painted = line(&Out::of_test(true), &said, "@bob", NOON);
        let want = "\x1b[3mso\x1b[0m \x1b[1mit\x1b[0m \x1b[32mis\x1b[0m \x1b[9mnot\x1b[0m";
        assert!(painted.contains(want), "{painted:?}");
        let hostile = message(1, false, "*\x1b[31mred*", MessageStatus::Received);
        let painted = line(&Out::of_test(true), &hostile, "@bob", NOON);
        assert!(painted.contains("\x1b[1m␛[31mred\x1b[0m"), "{painted:?}");
    }

    #[test]
    fn polls_list_their_options() {
        let mut asked = message(1, false, "", MessageStatus::Received);
        asked.body = poll("Where?", &[("Pizza", &[(1, "ann")]), ("Sushi", &[])], false);
        let text = shown(&asked);
        for wanted in ["@bob  Poll: Where?\n", "   1 ██████████ 1  ✔ Pizza (you)\n", "1 person voted · one answer"]
        {
            assert!(text.contains(wanted), "{wanted:?} in\n{text}");
        }
    }
}
