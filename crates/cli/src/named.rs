//! Which message a word of the command line means: its name, or a conversation and the end of the name.
//! Always true: an end that fits several messages is refused, so that nobody can bend a command by the name of a message.

use crate::commands::show::is_message;
use crate::failure::{Exit, Failure};
use crate::session::Session;
use sotto_engine::api::{Command, HistoryPlace, MessageView, Reply};
use sotto_types::{ClientMsgId, Conversation};

/// Digits of a name that are shown, and that are enough.
const SHOWN: usize = 6;
const ENOUGH: usize = 4;
/// The last part of a name.
const DIGITS_MAX: usize = 12;
const PAGE: u32 = 200;
/// Messages among which an end is looked for.
const LOOK_BACK: usize = 2_000;

#[derive(Debug, PartialEq, Eq)]
enum Named<'a> {
    Name(ClientMsgId),
    /// With whom, and the last digits; none: the newest one.
    In(&'a str, Option<String>),
}

fn parse(text: &str) -> Result<Named<'_>, Failure> {
    let text = text.trim();
    if let Ok(name) = text.parse() {
        return Ok(Named::Name(name));
    }
    let wrong = || {
        Failure::usage(format!(
            "{text:?} names no message: give its name (--json shows it), bob:3f9a21 with the last digits of it, or bob:last"
        ))
    };
    let (who, end) = text.rsplit_once(':').filter(|(who, _)| !who.is_empty()).ok_or_else(wrong)?;
    if end.eq_ignore_ascii_case("last") {
        return Ok(Named::In(who, None));
    }
    let is_end = (ENOUGH..=DIGITS_MAX).contains(&end.len()) && end.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_end { Ok(Named::In(who, Some(end.to_ascii_lowercase()))) } else { Err(wrong()) }
}

/// The last digits of a message's name.
pub fn end_of(message: &MessageView) -> String {
    let name = message.name.to_string();
    name.get(name.len().saturating_sub(SHOWN)..).unwrap_or_default().to_owned()
}

impl Session {
    pub async fn message(&self, text: &str) -> Result<MessageView, Failure> {
        match parse(text)? {
            Named::Name(name) => match self.ask(Command::Message { name }).await? {
                Reply::Message { message, .. } => Ok(message),
                _ => Err(Failure::unexpected()),
            },
            Named::In(who, end) => {
                let conversation = self.conversation_of(who).await?;
                self.message_in(conversation, text, end.as_deref()).await
            }
        }
    }

    /// In the order in which they are named.
    pub async fn messages(&self, texts: &[String]) -> Result<Vec<MessageView>, Failure> {
        let mut messages = Vec::with_capacity(texts.len());
        for text in texts {
            messages.push(self.message(text).await?);
        }
        Ok(messages)
    }

    async fn message_in(
        &self,
        conversation: Conversation,
        text: &str,
        end: Option<&str>,
    ) -> Result<MessageView, Failure> {
        let (mut at, mut looked_at) = (HistoryPlace::Newest, 0);
        let mut found: Vec<MessageView> = Vec::new();
        loop {
            let Reply::Messages { messages, more, .. } =
                self.ask(Command::History { conversation, at, limit: PAGE }).await?
            else {
                return Err(Failure::unexpected());
            };
            looked_at += messages.len();
            let oldest = messages.first().map(|oldest| oldest.position);
            found.extend(messages.into_iter().rev().filter(|message| fits(message, end)));
            match oldest {
                Some(oldest) if more && looked_at < LOOK_BACK && (end.is_some() || found.is_empty()) => {
                    at = HistoryPlace::Before(oldest);
                }
                _ => break,
            }
        }
        if end.is_some() && found.len() > 1 {
            let text = format!("{text:?} could be {} messages: give more digits, or the whole name", found.len());
            return Err(Failure::new(Exit::Usage, "ambiguous", text));
        }
        let none = || {
            let text = format!("there is no message {text:?} among the newest {LOOK_BACK} of the conversation");
            Failure::new(Exit::NotFound, "not_found", text)
        };
        found.into_iter().next().ok_or_else(none)
    }
}

fn fits(message: &MessageView, end: Option<&str>) -> bool {
    is_message(message) && end.is_none_or(|end| message.name.to_string().ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::samples::message;
    use sotto_engine::api::{MessageBody, MessageStatus};

    #[test]
    fn messages_are_named_whole_or_by_their_end() {
        let name = "018f3c1e-0000-7000-8000-000000000001";
        for (text, want) in [
            (name, Some(Named::Name(name.parse().expect("valid")))),
            ("bob:last", Some(Named::In("bob", None))),
            ("@bob:3F9A21", Some(Named::In("@bob", Some("3f9a21".into())))),
            ("Re: lunch:3f9a", Some(Named::In("Re: lunch", Some("3f9a".into())))),
            ("bob:3f9", None),
            ("bob:3f9a213f9a213", None),
            ("bob:wxyz", None),
            (":last", None),
            ("bob", None),
            ("", None),
        ] {
            assert_eq!(parse(text).ok(), want, "{text:?}");
        }
    }

    #[test]
    fn lines_of_ours_are_not_named() {
        let mut said = message(0xabcd, false, "x", MessageStatus::Received);
        let end = end_of(&said);
        assert_eq!(end, "00abce");
        assert!(fits(&said, Some(&end)) && fits(&said, None) && !fits(&said, Some("00abcd")));
        said.body = MessageBody::Timer { seconds: 30 };
        assert!(!fits(&said, Some(&end)) && !fits(&said, None));
    }
}
