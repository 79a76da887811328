//! requests, accept, delete-conversation: who may write, and what is kept of it.

use super::confirm;
use super::contacts::{full_name, name_of};
use super::show::{is_message, time_of};
use super::through::told;
use crate::args::group::Sure;
use crate::failure::Failure;
use crate::out::Style;
use crate::session::Session;
use crate::text::{clean_line, date_time};
use crate::ticks::one_line;
use crate::tui::shorten;
use crate::who::parse_who;
use serde::Serialize;
use sotto_engine::api::{Command, ContactView, ConversationView, HistoryPlace, MessageView, Reply, Who};

/// Messages of a request that are counted.
const COUNTED: u32 = 200;
const FIRST_WORDS: usize = 60;

/// Somebody new, whom the person has not decided about.
pub fn is_request(conversation: &ConversationView) -> bool {
    conversation.is_request && conversation.contact.as_ref().is_some_and(|contact| !contact.blocked)
}

/// What a person can do about a request: "sotto accept bob · sotto block bob · sotto report bob"
pub fn choices(name: &str) -> String {
    let name = name.trim_start_matches('@');
    format!("sotto accept {name} · sotto block {name} · sotto report {name}")
}

#[derive(Serialize)]
struct Request<'a> {
    contact: &'a ContactView,
    messages: usize,
    /// There are more of them.
    more: bool,
    first: Option<&'a MessageView>,
}

pub async fn requests(session: &Session) -> Result<(), Failure> {
    let Reply::Conversations { conversations } = session.ask(Command::Conversations).await? else {
        return Err(Failure::unexpected());
    };
    let mut found = false;
    for conversation in conversations.iter().filter(|conversation| is_request(conversation)) {
        let Some(contact) = &conversation.contact else { continue };
        found = true;
        let command =
            Command::History { conversation: conversation.conversation, at: HistoryPlace::After(0), limit: COUNTED };
        let Reply::Messages { messages, newer, .. } = session.ask(command).await? else {
            return Err(Failure::unexpected());
        };
        let said: Vec<&MessageView> = messages.iter().filter(|message| is_message(message)).collect();
        let request = Request { contact, messages: said.len(), more: newer, first: said.first().copied() };
        if session.out.json {
            session.out.json(&request)?;
        } else {
            let name = session.out.paint(Style::Name, &full_name(contact));
            session.out.line(format!("{name}  {}", described(&request)))?;
        }
    }
    session.out.note(if found {
        "\nThey see nothing of you until you decide: sotto accept NAME · sotto block NAME · sotto report NAME"
    } else {
        "Nobody new has written."
    });
    Ok(())
}

/// "3 messages  2026-11-22 14:05  hello there"
fn described(request: &Request<'_>) -> String {
    let count = match (request.messages, request.more) {
        (n, true) => format!("more than {n} messages"),
        (1, false) => "1 message".into(),
        (n, false) => format!("{n} messages"),
    };
    let first = request.first.map(|first| {
        let words = shorten(&one_line(first), FIRST_WORDS);
        format!("  {}  {words}", date_time(time_of(first)))
    });
    count + &first.unwrap_or_default()
}

/// Somebody else: not a group, and not oneself.
pub fn person(text: &str) -> Result<Who, Failure> {
    match parse_who(text)? {
        Who::Group(_) => Err(Failure::usage(format!("{text:?} is a group; here a person is named: @ann"))),
        Who::Me => Err(Failure::usage("that is you; name somebody else: @ann")),
        who => Ok(who),
    }
}

pub async fn accept(session: &Session, name: &str) -> Result<(), Failure> {
    let reply = session.ask(Command::AcceptRequest { who: person(name)? }).await?;
    let Reply::Contact { contact } = &reply else { return Err(Failure::unexpected()) };
    told(session).await?;
    let name = name_of(contact);
    session.show(&reply, |out| {
        out.line(format!("{name} is accepted, and sees from now on what `sotto privacy` lets contacts see."))
    })
}

pub async fn delete_conversation(session: &Session, name: &str, sure: &Sure) -> Result<(), Failure> {
    let conversation = session.conversation_of(name).await?;
    let Reply::Conversation { conversation: view } = session.ask(Command::Conversation { conversation }).await? else {
        return Err(Failure::unexpected());
    };
    let title = match &view.contact {
        _ if view.is_me => "your notes to yourself".into(),
        Some(contact) => format!("the conversation with {}", full_name(contact)),
        None => format!("the group “{}”", clean_line(&view.title)),
    };
    let question = format!("Delete {title}, with all messages, from all your devices? Others keep their copies.");
    confirm(session, sure, "a deleted conversation cannot be brought back", &question)?;
    let reply = session.ask(Command::DeleteConversation { conversation }).await?;
    told(session).await?;
    session.show(&reply, |out| out.line(format!("Deleted from your devices: {title}.")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::samples::{contact, conversation, message};
    use sotto_engine::api::MessageStatus;

    #[test]
    fn a_request_is_somebody_new_who_is_not_blocked() {
        let mut view = conversation(contact(2, "bob"), None, 1);
        assert!(!is_request(&view));
        view.is_request = true;
        assert!(is_request(&view));
        view.contact.as_mut().expect("a person").blocked = true;
        assert!(!is_request(&view));
    }

    #[test]
    fn a_request_is_counted_and_begins_with_its_first_words() {
        let bob = contact(2, "bob");
        let first = message(1, false, "hello\n\x1b[2Jthere", MessageStatus::Received);
        let said = |messages, more| described(&Request { contact: &bob, messages, more, first: Some(&first) });
        assert!(said(1, false).starts_with("1 message  20") && said(1, false).ends_with("  hello ␛[2Jthere"));
        assert!(said(3, false).starts_with("3 messages  "));
        assert!(said(200, true).starts_with("more than 200 messages  "));
        let empty = Request { contact: &bob, messages: 0, more: false, first: None };
        assert_eq!(described(&empty), "0 messages");
    }

    #[test]
    fn only_others_are_accepted_and_reported() {
        assert!(person("@bob").is_ok());
        assert!(person("me").is_err() && person(&"ab".repeat(32)).is_err());
    }
}
