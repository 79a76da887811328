//! send --stdin: a stream of JSON lines.
//! Flow: line -> `SendText` (saved, in order) -> wait for its tick among the happenings -> result line.
//! Always true:
//! - messages are handed to the engine in the order of the lines, also while earlier ones wait for their tick;
//! - a bad line does not end the stream: a bot's pipe must survive it. The exit code is that of the first failure.

use super::{Outcome, Text, answered, look_up, not_in_time, settled, submit};
use crate::args::{Send, Wait};
use crate::failure::{Exit, Failure};
use crate::session::{Session, stop_signal};
use crate::text::clean_line;
use crate::ticks::tick;
use serde::Deserialize;
use sotto_engine::api::{Event, MessageView, Who};
use sotto_engine_native::{Happening, Happenings};
use sotto_types::{ClientMsgId, Conversation};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Messages of a stream that wait for their tick; further lines are read when one is done.
const IN_FLIGHT: usize = 256;
/// A text of 32 KiB, every byte escaped as \u00XX, and the rest of the line.
const LINE_BYTES: u64 = 256 * 1024;
/// Names remembered; then they are looked up anew.
const KNOWN: usize = 1024;

#[derive(Debug, Deserialize)]
struct Line {
    to: String,
    text: String,
    #[serde(default)]
    name: Option<ClientMsgId>,
    /// The message that it answers, as commands take it.
    #[serde(default)]
    reply_to: Option<String>,
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
    mentions: bool,
    /// Whom names of earlier lines meant; groups that changed since may be called otherwise.
    known: HashMap<String, Who>,
    /// By line number. The same name may stand on two lines.
    in_flight: BTreeMap<u64, InFlight>,
    first_failure: Option<Failure>,
}

pub async fn run(session: &Session, args: &Send) -> Result<(), Failure> {
    let happenings = session.client.happenings();
    let mut stream = Stream {
        session,
        wait: args.wait,
        timeout: args.timeout.map(Duration::from_secs),
        mentions: !args.no_mentions,
        known: HashMap::new(),
        in_flight: BTreeMap::new(),
        first_failure: None,
    };
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
        let (to, name) = (line.to.clone(), line.name);
        let sent = self.send(line).await;
        match sent {
            Ok(message) => {
                let deadline = self.timeout.map(|timeout| Instant::now() + timeout);
                let (name, conversation) = (message.name, message.conversation);
                self.in_flight.insert(number, InFlight { name, conversation, to, deadline, settled: None });
                self.progress(&message)
            }
            Err(failure) if failure.kind == "signed_out" || failure.kind == "storage" => Err(failure),
            Err(failure) => self.failed(Some(number), name, Some(&to), failure),
        }
    }

    async fn send(&mut self, line: Line) -> Result<MessageView, Failure> {
        let to = self.who(&line.to).await?;
        let reply_to = answered(self.session, line.reply_to.as_deref()).await?;
        let (body, name, mentions) = (line.text, line.name, self.mentions);
        submit(self.session, Text { to, body, name, mentions, reply_to, preview: None }).await
    }

    async fn who(&mut self, text: &str) -> Result<Who, Failure> {
        if let Some(who) = self.known.get(text) {
            return Ok(who.clone());
        }
        let who = self.session.who(text).await?;
        if self.known.len() >= KNOWN {
            self.known.clear();
        }
        self.known.insert(text.to_owned(), who.clone());
        Ok(who)
    }

    async fn on_happening(&mut self, happening: Happening) -> Result<(), Failure> {
        match happening {
            Happening::Event(event) => match *event {
                Event::MessageChanged { message } => self.progress(&message),
                Event::ConversationChanged { conversation: Conversation::Group(_) } => {
                    self.known.clear();
                    Ok(())
                }
                Event::SignedOut { error } => Err(error.into()),
                _ => Ok(()),
            },
            Happening::Missed => {
                self.known.clear();
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

    #[test]
    fn lines_need_to_and_text() {
        for (line, good) in [
            (r#"{"to":"ann","text":"hi"}"#, true),
            (r#"{"to":"ann","text":"hi","name":"018f3c1e-0000-7000-8000-000000000001","more":1}"#, true),
            (r#"{"to":"ann","text":"hi","reply_to":"ann:last"}"#, true),
            (r#"{"to":"ann"}"#, false),
            (r#"{"to":"ann","text":"hi","name":"x"}"#, false),
            ("[]", false),
        ] {
            assert_eq!(serde_json::from_str::<Line>(line).is_ok(), good, "{line}");
        }
    }
}
