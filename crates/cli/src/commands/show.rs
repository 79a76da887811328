//! One message as a line for people.

use super::contacts::name_of;
use crate::out::{Out, Style};
use crate::session::Session;
use crate::text::{clean_line, date_time, indent};
use crate::ticks::{stand_in, tick};
use sotto_engine::api::{ContactView, MessageBody, MessageStatus, MessageView};

pub fn time_of(message: &MessageView) -> u64 {
    message.server_time_ms.unwrap_or(message.written_ms)
}

/// "2026-11-22 14:05  @ann  hello", "2026-11-22 14:06  me → @ann  hi ✓✓"
pub async fn message_line(session: &Session, message: &MessageView) -> String {
    let out = &session.out;
    let peer = session.display(message.conversation).await;
    let is_note = message.conversation.peer() == Some(message.from) && message.from_me;
    let who = match (is_note, message.from_me) {
        (true, _) => "note to self".to_string(),
        (_, true) => format!("me → {peer}"),
        _ => peer,
    };
    line(out, message, &who)
}

fn line(out: &Out, message: &MessageView, who: &str) -> String {
    let body = match &message.body {
        MessageBody::Text { body } => indent(body, "                  "),
        other => out.paint(Style::Dim, stand_in(other).unwrap_or_default()),
    };
    let mark = tick(message.status);
    let mark = match message.status {
        MessageStatus::Read => out.paint(Style::Blue, mark),
        MessageStatus::Failed | MessageStatus::Held => out.paint(Style::Warn, mark),
        _ => out.paint(Style::Dim, mark),
    };
    let note = message.note.as_deref().map(|note| format!(" ({})", clean_line(note))).unwrap_or_default();
    let time = out.paint(Style::Dim, &date_time(time_of(message)));
    format!("{time}  {}  {body} {mark}{note}", out.paint(Style::Name, who)).trim_end().to_string()
}

pub fn contact_line(out: &Out, contact: &ContactView) -> String {
    let mut line = out.paint(Style::Name, &name_of(contact));
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
        MessageBody::KeyChanged { .. } | MessageBody::ProfileRestored | MessageBody::GroupChange { .. }
    )
}
