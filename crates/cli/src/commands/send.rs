//! send: one message, or a stream of JSON lines.
//! Flow: line -> `SendText` (saved, in order) -> wait for its tick among the happenings -> result line.
//! Always true:
//! - messages are handed to the engine in the order of the lines, also while earlier ones wait for their tick;
//! - a message that was saved is never given up: a timeout ends the waiting, the outbox goes on when sotto next runs;
//! - a bad line does not end the stream: a bot's pipe must survive it. The exit code is that of the first failure.

use crate::args::{Send, Wait};
use crate::failure::{Exit, Failure, FailureJson};
use crate::session::{Session, parse_who, stop_signal};
use crate::text::clean_line;
use crate::ticks::tick;
use serde::{Deserialize, Serialize};
use sotto_engine::api::{Command, ConnectionView, Event, MessageStatus, MessageView, Reply, Who};
use sotto_engine_native::{Happening, Happenings};
use sotto_types::{ClientMsgId, Conversation, MessageId, limits};
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::sync::mpsc;
use tokio::time::Instant;

const TIMEOUT: Duration = Duration::from_secs(30);
/// Messages of a stream that wait for their tick; further lines are read when one is done.
const IN_FLIGHT: usize = 256;
/// A text of 32 KiB, every byte escaped as \u00XX, and the rest of the line.
const LINE_BYTES: u64 = 256 * 1024;

#[derive(Debug, Deserialize)]
struct Line {
    to: String,
    text: String,
    #[serde(default)]
    name: Option<ClientMsgId>,
}

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
        return stream(session, args.wait, args.timeout.map(Duration::from_secs)).await;
    }
    let (Some(name), Some(text)) = (args.name, args.text) else {
        return Err(Failure::usage("say to whom and what: sotto send NAME TEXT"));
    };
    let to = parse_who(&name)?;
    let body = if text == "-" { read_stdin().await? } else { text };
    let happenings = session.client.happenings();
    let message = submit(session, to, body, None).await?;
    let timeout = args.timeout.map_or(TIMEOUT, Duration::from_secs);
    let waited = wait_for(session, happenings, message, args.wait, timeout);
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

async fn submit(session: &Session, to: Who, body: String, name: Option<ClientMsgId>) -> Result<MessageView, Failure> {
    match session.ask(Command::SendText { to, body, name }).await? {
        Reply::Queued { message } => Ok(message),
        _ => Err(Failure::unexpected()),
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

async fn wait_for(
    session: &Session,
    mut happenings: Happenings,
    mut message: MessageView,
    wait: Wait,
    timeout: Duration,
) -> Result<MessageView, Failure> {
    // A note to self is read when it is sent: nobody else will tell.
    let wait = if message.conversation.peer() == Some(message.from) { wait.min(Wait::Sent) } else { wait };
    let deadline = Instant::now() + timeout;
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

/// A saved line of the stream.
struct InFlight {
    name: ClientMsgId,
    conversation: Conversation,
    to: String,
    deadline: Option<Instant>,
    /// Got as far as asked, or will not; reported when the earlier lines of its conversation are.
    settled: Option<(MessageView, Result<(), Failure>)>,
}

struct Stream<'a> {
    session: &'a Session,
    wait: Wait,
    timeout: Option<Duration>,
    /// By line number. The same name may stand on two lines.
    in_flight: BTreeMap<u64, InFlight>,
    first_failure: Option<Failure>,
}

async fn stream(session: &Session, wait: Wait, timeout: Option<Duration>) -> Result<(), Failure> {
    let happenings = session.client.happenings();
    let mut stream = Stream { session, wait, timeout, in_flight: BTreeMap::new(), first_failure: None };
    tokio::select! {
        result = stream.run(happenings) => result?,
        () = stop_signal() => {
            let count = stream.in_flight.len();
            if count > 0 {
                session.out.note(format!("{count} message(s) are saved and go out when sotto next connects"));
            }
        }
    }
    stream.first_failure.map_or(Ok(()), Err)
}

impl Stream<'_> {
    async fn run(&mut self, mut happenings: Happenings) -> Result<(), Failure> {
        // Reading lines cannot be interrupted in the middle; a task of its own does it. Full: it waits.
        let (to_us, mut lines) = mpsc::channel(16);
        let reader = tokio::spawn(read_lines(to_us));
        let mut number = 0;
        let mut open = true;
        while open || !self.in_flight.is_empty() {
            let next_deadline = self.in_flight.values().filter_map(|message| message.deadline).min();
            let expiry = async {
                match next_deadline {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                line = lines.recv(), if open && self.in_flight.len() < IN_FLIGHT => match line {
                    None => open = false,
                    Some(line) => {
                        number += 1;
                        self.on_line(number, line).await?;
                    }
                },
                happening = happenings.next() => self.on_happening(happening).await?,
                () = expiry => self.expire().await?,
            }
        }
        reader.abort();
        Ok(())
    }

    async fn on_line(&mut self, number: u64, line: Result<Vec<u8>, Failure>) -> Result<(), Failure> {
        let line = match line {
            Ok(line) if line.iter().all(u8::is_ascii_whitespace) => return Ok(()),
            Ok(line) => line,
            Err(failure) => return self.failed(Some(number), None, None, failure),
        };
        let line: Line = match serde_json::from_slice(&line) {
            Ok(line) => line,
            Err(error) => {
                let failure = Failure::usage(format!("not {{\"to\":...,\"text\":...}}: {error}"));
                return self.failed(Some(number), None, None, failure);
            }
        };
        let sent = match parse_who(&line.to) {
            Ok(to) => submit(self.session, to, line.text, line.name).await,
            Err(failure) => Err(failure),
        };
        match sent {
            Ok(message) => {
                let deadline = self.timeout.map(|timeout| Instant::now() + timeout);
                let (name, conversation) = (message.name, message.conversation);
                self.in_flight.insert(number, InFlight { name, conversation, to: line.to, deadline, settled: None });
                self.progress(&message)
            }
            Err(failure) if failure.kind == "signed_out" || failure.kind == "storage" => Err(failure),
            Err(failure) => self.failed(Some(number), line.name, Some(&line.to), failure),
        }
    }

    async fn on_happening(&mut self, happening: Happening) -> Result<(), Failure> {
        match happening {
            Happening::Event(event) => match *event {
                Event::MessageChanged { message } => self.progress(&message),
                Event::SignedOut { error } => Err(error.into()),
                _ => Ok(()),
            },
            Happening::Missed => {
                for name in self.in_flight.values().map(|sent| sent.name).collect::<Vec<_>>() {
                    let message = look_up(self.session, name).await?;
                    self.progress(&message)?;
                }
                Ok(())
            }
            Happening::Ended(text) => Err(Failure::new(Exit::Storage, "storage", text)),
        }
    }

    /// Notes how far a message got, and reports what is settled.
    fn progress(&mut self, message: &MessageView) -> Result<(), Failure> {
        let wait =
            if message.conversation.peer() == Some(message.from) { self.wait.min(Wait::Sent) } else { self.wait };
        for sent in self.in_flight.values_mut().filter(|sent| sent.name == message.name && sent.settled.is_none()) {
            sent.settled = settled(message, wait).map(|result| (message.clone(), result));
        }
        self.report()
    }

    /// In the order of the lines within each conversation: a reply may overtake the event of an earlier message.
    fn report(&mut self) -> Result<(), Failure> {
        let mut waiting = HashSet::new();
        let mut done = Vec::new();
        for (line, sent) in &self.in_flight {
            if sent.settled.is_none() {
                waiting.insert(sent.conversation);
            } else if !waiting.contains(&sent.conversation) {
                done.push(*line);
            }
        }
        for line in done {
            let Some(sent) = self.in_flight.remove(&line) else { continue };
            match sent.settled {
                Some((_, Err(failure))) => self.failed(Some(line), Some(sent.name), Some(&sent.to), failure)?,
                Some((message, Ok(()))) if self.session.out.json => self.session.out.json(&Outcome {
                    line: Some(line),
                    name: Some(sent.name),
                    to: Some(&sent.to),
                    status: Some(message.status),
                    message_id: message.message_id,
                    error: None,
                })?,
                Some((message, Ok(()))) => {
                    self.session.out.line(format!("{} {}", tick(message.status), clean_line(&sent.to)))?;
                }
                None => {}
            }
        }
        Ok(())
    }

    async fn expire(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        let late = self.in_flight.iter().filter(|(_, sent)| sent.deadline.is_some_and(|at| at <= now));
        for line in late.map(|(line, _)| *line).collect::<Vec<_>>() {
            let Some(name) = self.in_flight.get(&line).map(|sent| sent.name) else { continue };
            let message = look_up(self.session, name).await?;
            let failure = not_in_time(self.session, &message).await;
            if let Some(sent) = self.in_flight.get_mut(&line) {
                sent.deadline = None;
                sent.settled.get_or_insert((message, Err(failure)));
            }
        }
        self.report()
    }

    fn failed(
        &mut self,
        line: Option<u64>,
        name: Option<ClientMsgId>,
        to: Option<&str>,
        failure: Failure,
    ) -> Result<(), Failure> {
        if self.session.out.json {
            let error = Some(failure.json());
            self.session.out.json(&Outcome { line, name, to, status: None, message_id: None, error })?;
        } else {
            let line = line.map(|line| format!("line {line}: ")).unwrap_or_default();
            self.session.out.note(format!("sotto: {line}{}", clean_line(&failure.text)));
        }
        self.first_failure.get_or_insert(failure);
        Ok(())
    }
}

async fn read_lines(to: mpsc::Sender<Result<Vec<u8>, Failure>>) {
    let mut input = BufReader::new(tokio::io::stdin());
    loop {
        let mut line = Vec::new();
        let read = (&mut input).take(LINE_BYTES).read_until(b'\n', &mut line).await;
        let item = match read {
            Ok(0) => return,
            Ok(_) if line.last() != Some(&b'\n') && line.len() as u64 >= LINE_BYTES => {
                if skip_line(&mut input).await.is_err() {
                    return;
                }
                Err(Failure::usage("the line is too long"))
            }
            Ok(_) => Ok(line),
            Err(error) => Err(error.into()),
        };
        let ended = matches!(&item, Err(failure) if failure.kind == "io");
        if to.send(item).await.is_err() || ended {
            return;
        }
    }
}

async fn skip_line(input: &mut BufReader<tokio::io::Stdin>) -> std::io::Result<()> {
    loop {
        let buffer = input.fill_buf().await?;
        if buffer.is_empty() {
            return Ok(());
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(buffer.len(), |at| at + 1);
        input.consume(used);
        if end.is_some() {
            return Ok(());
        }
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

    #[test]
    fn lines_need_to_and_text() {
        for (line, good) in [
            (r#"{"to":"ann","text":"hi"}"#, true),
            (r#"{"to":"ann","text":"hi","name":"018f3c1e-0000-7000-8000-000000000001","more":1}"#, true),
            (r#"{"to":"ann"}"#, false),
            (r#"{"to":"ann","text":"hi","name":"x"}"#, false),
            ("[]", false),
        ] {
            assert_eq!(serde_json::from_str::<Line>(line).is_ok(), good, "{line}");
        }
    }
}
