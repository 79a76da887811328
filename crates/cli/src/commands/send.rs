//! send: one message, or (`stream`) JSON lines of them.
//! Flow: text -> mentions of members -> `SendText` (saved) -> wait for its tick among the happenings.
//! Always true: a message that was saved is never given up: a timeout ends the waiting, the outbox goes on when sotto next runs.

mod stream;

use super::messages::mentions_in;
use crate::args::{Send, Wait};
use crate::failure::{Exit, Failure, FailureJson};
use crate::session::{Session, stop_signal};
use crate::text::clean_line;
use crate::ticks::tick;
use serde::Serialize;
use sotto_engine::api::{
    Command, ConnectionView, ErrorKind, Event, LinkPreview, MessageRef, MessageStatus, MessageView, Reply, Who,
};
use sotto_engine_native::{Happening, Happenings, first_link, link_preview};
use sotto_types::{ClientMsgId, MessageId, limits};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::time::Instant;

const TIMEOUT: Duration = Duration::from_secs(30);

/// What became of one message, for scripts.
#[derive(Debug, Serialize)]
struct Outcome<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<ClientMsgId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<MessageStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<FailureJson<'a>>,
}

pub async fn run(session: &Session, args: Send) -> Result<(), Failure> {
    if args.stdin {
        return stream::run(session, &args).await;
    }
    let (Some(name), Some(text)) = (args.name, args.text) else {
        return Err(Failure::usage("say to whom and what: sotto send NAME TEXT"));
    };
    let to = session.who(&name).await?;
    let reply_to = answered(session, args.reply_to.as_deref()).await?;
    let body = read_text(text).await?;
    let happenings = session.client.happenings();
    let preview = preview(session, &body).await?;
    let text = Text { to, body, name: None, mentions: !args.no_mentions, reply_to, preview };
    let message = submit(session, text).await?;
    let deadline = Instant::now() + args.timeout.map_or(TIMEOUT, Duration::from_secs);
    let waited = wait_until(session, happenings, message, args.wait, deadline);
    let message = tokio::select! {
        message = waited => message?,
        () = stop_signal() => return Err(Failure::timeout("stopped waiting; the message stays queued")),
    };
    if session.out.json {
        return session.out.json(&Outcome {
            line: None,
            name: Some(message.name),
            to: Some(&name),
            status: Some(message.status),
            message_id: message.message_id,
            error: None,
        });
    }
    session.out.line(tick(message.status))
}

/// What was given, or ("-") what is on stdin.
pub async fn read_text(text: String) -> Result<String, Failure> {
    if text == "-" { read_stdin().await } else { Ok(text) }
}

async fn read_stdin() -> Result<String, Failure> {
    let mut bytes = Vec::new();
    // One more than fits, to tell "too long" from "just right".
    tokio::io::stdin().take(limits::TEXT_BYTES as u64 + 2).read_to_end(&mut bytes).await?;
    let text = String::from_utf8(bytes).map_err(|_| Failure::usage("the text on stdin is not UTF-8"))?;
    let text = text.strip_suffix('\n').unwrap_or(&text).to_string();
    if text.len() > limits::TEXT_BYTES {
        return Err(Failure::usage("the text is too long: 32 KiB is the limit"));
    }
    Ok(text)
}

/// A text to be sent.
struct Text {
    to: Who,
    body: String,
    name: Option<ClientMsgId>,
    /// "@ann" and "@all" are to be looked for, in a group.
    mentions: bool,
    reply_to: Option<MessageRef>,
    preview: Option<LinkPreview>,
}

/// What is behind the first link, if the person lets their apps look there.
async fn preview(session: &Session, body: &str) -> Result<Option<LinkPreview>, Failure> {
    if first_link(body).is_none() {
        return Ok(None);
    }
    match session.ask(Command::Preferences).await? {
        Reply::Preferences { preferences } if preferences.link_previews => Ok(link_preview(body).await),
        _ => Ok(None),
    }
}

/// The message that a text answers.
async fn answered(session: &Session, message: Option<&str>) -> Result<Option<MessageRef>, Failure> {
    match message {
        Some(message) => Ok(Some(session.message(message).await?.reference())),
        None => Ok(None),
    }
}

async fn submit(session: &Session, text: Text) -> Result<MessageView, Failure> {
    let Text { to, body, name, mentions, reply_to, preview } = text;
    let mentions = match to {
        Who::Group(group) if mentions => mentions_in(session, group.into(), &body).await?,
        _ => Vec::new(),
    };
    let named = !mentions.is_empty();
    match session.client.command(Command::SendText { to, body, name, mentions, reply_to, preview }).await {
        Ok(Reply::Queued { message }) => Ok(message),
        Ok(_) => Err(Failure::unexpected()),
        Err(mut error) => {
            if named && error.kind == ErrorKind::Invalid {
                error.text.push_str(" (--no-mentions sends it as plain text)");
            }
            Err(error.into())
        }
    }
}

/// Some(result) when there is nothing more to wait for.
fn settled(message: &MessageView, wait: Wait) -> Option<Result<(), Failure>> {
    let note = || message.note.as_deref().map(clean_line);
    let reached = match message.status {
        MessageStatus::Failed => {
            let text = note().unwrap_or_else(|| "the message could not be delivered".into());
            return Some(Err(Failure::new(Exit::Refused, "failed", text)));
        }
        MessageStatus::Held if wait != Wait::None => {
            let advice = "the contact's key changed, so the message is held: compare safety numbers, then `sotto verify` or `sotto accept-key`";
            return Some(Err(Failure::new(Exit::KeyChanged, "key_changed", note().unwrap_or_else(|| advice.into()))));
        }
        MessageStatus::Pending | MessageStatus::Held | MessageStatus::Waiting | MessageStatus::Received => Wait::None,
        MessageStatus::Sent => Wait::Sent,
        MessageStatus::Delivered => Wait::Delivered,
        MessageStatus::Read => Wait::Read,
    };
    (reached >= wait).then_some(Ok(()))
}

pub async fn wait_until(
    session: &Session,
    mut happenings: Happenings,
    mut message: MessageView,
    wait: Wait,
    deadline: Instant,
) -> Result<MessageView, Failure> {
    // A note to self is read when it is sent: nobody else will tell.
    let wait = if message.conversation.peer() == Some(message.from) { wait.min(Wait::Sent) } else { wait };
    loop {
        if let Some(result) = settled(&message, wait) {
            return result.map(|()| message);
        }
        match tokio::time::timeout_at(deadline, happenings.next()).await {
            Err(_) => return Err(not_in_time(session, &message).await),
            Ok(Happening::Ended(text)) => return Err(Failure::new(Exit::Storage, "storage", text)),
            Ok(Happening::Missed) => message = look_up(session, message.name).await?,
            Ok(Happening::Event(event)) => match *event {
                Event::MessageChanged { message: changed } if changed.name == message.name => message = changed,
                Event::GroupKeys { group, done, total } if Some(group) == message.conversation.group() => {
                    session
                        .out
                        .progress(&format!("Giving keys to the group's devices: {done} of {total}"), done >= total);
                }
                Event::SignedOut { error } => return Err(error.into()),
                _ => {}
            },
        }
    }
}

async fn look_up(session: &Session, name: ClientMsgId) -> Result<MessageView, Failure> {
    match session.ask(Command::Message { name }).await? {
        Reply::Message { message, .. } => Ok(message),
        _ => Err(Failure::unexpected()),
    }
}

async fn not_in_time(session: &Session, message: &MessageView) -> Failure {
    let Ok(Reply::Status { status }) = session.ask(Command::Status).await else { return Failure::unexpected() };
    if let Some(why) = status.signed_out {
        return Failure::new(Exit::SignedOut, "signed_out", why);
    }
    match (message.status, status.connection) {
        (MessageStatus::Pending, ConnectionView::Connected { .. }) => Failure::timeout(
            "the server has not accepted it in time; the message stays queued and is tried again when sotto next runs",
        ),
        (MessageStatus::Pending, _) => {
            let server = status.me.map_or_else(|| "the server".into(), |me| me.server);
            let text = format!(
                "cannot reach {server}: is it running? The message is saved and goes out when sotto next connects"
            );
            Failure::new(Exit::Offline, "offline", text)
        }
        _ => Failure::timeout("the message was accepted by the server (✓), but went no further in time"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::samples::message;

    #[test]
    fn a_message_is_settled_when_it_got_as_far_as_asked() {
        use MessageStatus as S;
        for (status, wait, want) in [
            (S::Pending, Wait::None, Some(0)),
            (S::Pending, Wait::Sent, None),
            (S::Sent, Wait::Sent, Some(0)),
            (S::Sent, Wait::Delivered, None),
            (S::Delivered, Wait::Sent, Some(0)),
            (S::Delivered, Wait::Read, None),
            (S::Read, Wait::Delivered, Some(0)),
            (S::Failed, Wait::None, Some(4)),
            (S::Held, Wait::Sent, Some(7)),
            (S::Held, Wait::None, Some(0)),
        ] {
            let got =
                settled(&message(1, true, "x", status), wait).map(|result| result.err().map_or(0, |f| f.exit as u8));
            assert_eq!(got, want, "{status:?} {wait:?}");
        }
    }
}
