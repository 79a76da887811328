//! One message: as a line for people, and (`sotto show`) what really happened to it.

use super::contacts::name_of;
use crate::failure::Failure;
use crate::mentions;
use crate::out::{Out, Style};
use crate::session::Session;
use crate::text::{clean_line, date_time, indent, seconds};
use crate::ticks::{author, stand_in, tick};
use sotto_engine::api::{
    Command, ContactView, CopyDetails, MemberReceipt, MessageBody, MessageDetails, MessageStatus, MessageTimes,
    MessageView, Reply,
};
use sotto_types::ClientMsgId;

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
    line(out, message, &who)
}

fn line(out: &Out, message: &MessageView, who: &str) -> String {
    let body = match (&message.body, stand_in(message)) {
        (MessageBody::Text { body, mentions }, _) => {
            let paint = |(part, marked): (&str, bool)| {
                let part = indent(part, "                  ");
                if marked { out.paint(Style::Bold, &part) } else { part }
            };
            mentions::parts(body, mentions).into_iter().map(paint).collect()
        }
        (_, line) => out.paint(Style::Dim, &line.unwrap_or_default()),
    };
    let mark = tick(message.status);
    let mark = match message.status {
        MessageStatus::Read => out.paint(Style::Blue, mark),
        MessageStatus::Failed | MessageStatus::Held => out.paint(Style::Warn, mark),
        _ => out.paint(Style::Dim, mark),
    };
    // That of a group's change is the engine's own.
    let note = message.note.as_deref().filter(|_| is_message(message));
    let note = note.map(|note| format!(" ({})", clean_line(note))).unwrap_or_default();
    let time = out.paint(Style::Dim, &date_time(time_of(message)));
    format!("{time}  {}  {body} {mark}{note}", out.paint(Style::Name, who)).trim_end().to_string()
}

/// Everything that is known about one message.
pub async fn run(session: &Session, name: ClientMsgId) -> Result<(), Failure> {
    let reply = session.ask(Command::Message { name }).await?;
    let Reply::Message { message, details } = &reply else { return Err(Failure::unexpected()) };
    let line = message_line(session, message).await;
    session.show(&reply, |out| {
        out.line(line)?;
        out.line(format!("name          {}", message.name))?;
        if let Some(id) = message.message_id {
            out.line(format!("id            {id}"))?;
        }
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
