//! A Sotto bot in the middle of a pipe:
//! `sotto listen --json --mark-read --accept-requests | sotto-echo | sotto send --stdin --json`.
//! Reads one event per line, writes one message per line. A bot needs no Sotto library, only JSON; this one is written to
//! be copied.
//! Always true:
//! - it answers only text that another person sent: never its own messages, never system lines;
//! - the answer's name is derived from the question's, so answering twice (after a crash) is still one message;
//! - an answer of an echo bot is not answered: two bots do not talk for ever.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{HashSet, VecDeque};
use std::io::{BufRead, Write};
use uuid::Uuid;

/// What this bot reads of an event; everything else in the line is ignored.
#[derive(Deserialize)]
struct Event {
    event: String,
    message: Option<Message>,
}

#[derive(Deserialize)]
struct Message {
    name: Uuid,
    conversation: Uuid,
    from_me: bool,
    body: Body,
}

#[derive(Deserialize)]
struct Body {
    kind: String,
    #[serde(default)]
    body: String,
}

#[derive(Serialize)]
struct Answer {
    to: Uuid,
    text: String,
    name: Uuid,
}

/// Questions remembered; more than can be in the pipe.
const REMEMBERED: usize = 10_000;
const MARK: u8 = 0xec;

/// The question's time, a hash of its name and a mark: an echo bot knows another's answers by it.
fn answer_name(question: Uuid) -> Uuid {
    let mut bytes = *question.as_bytes();
    let hash = Sha256::digest([b"sotto-echo".as_slice(), question.as_bytes()].concat());
    bytes[6..].copy_from_slice(&hash[..10]);
    bytes[15] = MARK;
    // Version 7, variant 1: the fields of a UUIDv7.
    bytes[6] = 0x70 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    // A second mark that chance would not give: checked by `is_answer`.
    bytes[14] = bytes[0] ^ bytes[5] ^ bytes[9] ^ MARK;
    Uuid::from_bytes(bytes)
}

fn is_answer(name: Uuid) -> bool {
    let bytes = name.as_bytes();
    bytes[15] == MARK && bytes[14] == bytes[0] ^ bytes[5] ^ bytes[9] ^ MARK
}

#[derive(Default)]
struct Echo {
    seen: HashSet<Uuid>,
    order: VecDeque<Uuid>,
}

impl Echo {
    fn answer(&mut self, line: &str) -> Option<Answer> {
        let event: Event = serde_json::from_str(line).ok()?;
        // A message that could not be decrypted at first arrives as a change.
        if event.event != "message_added" && event.event != "message_changed" {
            return None;
        }
        let message = event.message?;
        if message.from_me || message.body.kind != "text" || is_answer(message.name) || !self.seen.insert(message.name)
        {
            return None;
        }
        self.order.push_back(message.name);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        Some(Answer { to: message.conversation, text: message.body.body, name: answer_name(message.name) })
    }
}

fn main() -> std::io::Result<()> {
    let mut echo = Echo::default();
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        if let Some(answer) = echo.answer(&line?) {
            // One line, at once: `sotto send` waits for it.
            let written = serde_json::to_string(&answer).map_err(std::io::Error::other).and_then(|json| {
                writeln!(out, "{json}")?;
                out.flush()
            });
            match written {
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
                other => other?,
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "0193f3c1-e000-7000-8000-000000000001";
    const ANN: &str = "0193f3c1-e000-4000-8000-0000000000aa";

    fn line(name: &str, from_me: bool, body: &str) -> String {
        format!(
            r#"{{"event":"message_added","backlog":false,"username":"ann","message":{{"name":"{name}","conversation":"{ANN}","from_me":{from_me},"body":{body},"status":"received"}}}}"#
        )
    }

    #[test]
    fn text_of_others_is_answered_once_under_a_derived_name() {
        let text = r#"{"kind":"text","body":"hi"}"#;
        let first = Echo::default().answer(&line(NAME, false, text)).expect("answered");
        assert_eq!((first.to.to_string().as_str(), first.text.as_str()), (ANN, "hi"));
        let mut echo = Echo::default();
        let again = echo.answer(&line(NAME, false, text)).expect("a new process answers again");
        assert_eq!(first.name, again.name, "under the same name");
        assert_eq!(first.name.get_version_num(), 7);
        assert!(echo.answer(&line(NAME, false, text)).is_none(), "once per name");
    }

    #[test]
    fn everything_else_is_left_alone() {
        let text = r#"{"kind":"text","body":"hi"}"#;
        let bot = answer_name(Uuid::parse_str(NAME).expect("valid")).to_string();
        for silent in [
            line(NAME, true, text),
            line(NAME, false, r#"{"kind":"undecryptable"}"#),
            line(&bot, false, text),
            r#"{"event":"queue_drained"}"#.to_string(),
            "not json".to_string(),
            String::new(),
        ] {
            assert!(Echo::default().answer(&silent).is_none(), "{silent}");
        }
    }
}
