//! react, edit, delete, forward, star, pin, vote: what people do with messages once they are there.
//! Flow: words -> messages (`named`) -> a command, which is saved and counts here at once -> wait for the server.

use super::send::{read_text, wait_until};
use super::show::message_line;
use super::through::before;
use crate::args::messages as args;
use crate::args::{Through, WaitFor};
use crate::failure::Failure;
use crate::mentions;
use crate::named::end_of;
use crate::out::Style;
use crate::session::Session;
use crate::ticks::tick;
use sotto_engine::api::{Command, Mention, MessageRef, MessageView, NewContent, Reply};
use sotto_types::Conversation;
use std::time::Duration;
use tokio::time::Instant;

const FORWARD_TO: usize = 5;

fn references(messages: &[MessageView]) -> Vec<MessageRef> {
    messages.iter().map(MessageView::reference).collect()
}

/// A change of one message: made, taken by the server, and shown as it is then.
async fn change(session: &Session, command: Command, through: &Through) -> Result<(), Failure> {
    let before = before(session).await?;
    let Reply::Queued { mut message } = session.ask(command).await? else { return Err(Failure::unexpected()) };
    before.through(session, through).await?;
    // The time of what the server took is its own.
    if let Ok(Reply::Message { message: now, .. }) = session.ask(Command::Message { name: message.name }).await
        && now.from == message.from
    {
        message = now;
    }
    let line = message_line(session, &message).await;
    session.show(&Reply::Queued { message }, |out| out.line(line))
}

pub async fn react(session: &Session, args: args::React) -> Result<(), Failure> {
    let message = session.message(&args.message).await?.reference();
    let emoji = args.emoji.unwrap_or_default();
    change(session, Command::React { message, emoji }, &args.through).await
}

pub async fn edit(session: &Session, args: args::Edit) -> Result<(), Failure> {
    let message = session.message(&args.message).await?;
    let body = read_text(args.text).await?;
    let mentions = match args.no_mentions {
        true => Vec::new(),
        false => mentions_in(session, message.conversation, &body).await?,
    };
    let command = Command::Edit { message: message.reference(), body, mentions };
    change(session, command, &args.through).await
}

/// "@ann" and "@all" in a text to a group.
pub async fn mentions_in(session: &Session, to: Conversation, body: &str) -> Result<Vec<Mention>, Failure> {
    match to {
        Conversation::Group(group) if body.contains('@') => match session.ask(Command::Group { group }).await? {
            Reply::Group { group } => Ok(mentions::find(body, &group.members)),
            _ => Err(Failure::unexpected()),
        },
        _ => Ok(Vec::new()),
    }
}

pub async fn vote(session: &Session, args: args::Vote) -> Result<(), Failure> {
    let message = session.message(&args.message).await?.reference();
    // People count from 1.
    let options = args.options.iter().map(|number| number.saturating_sub(1)).collect();
    change(session, Command::Vote { message, options }, &args.through).await
}

pub async fn pin(session: &Session, args: args::Pin) -> Result<(), Failure> {
    let message = session.message(&args.message).await?.reference();
    change(session, Command::Pin { message, seconds: Some(args.time.seconds()) }, &args.through).await
}

pub async fn unpin(session: &Session, args: args::Unpin) -> Result<(), Failure> {
    let message = session.message(&args.message).await?.reference();
    change(session, Command::Pin { message, seconds: None }, &args.through).await
}

fn counted(count: usize) -> String {
    if count == 1 { "1 message".into() } else { format!("{count} messages") }
}

pub async fn delete(session: &Session, args: args::Delete) -> Result<(), Failure> {
    let messages = references(&session.messages(&args.messages).await?);
    let count = counted(messages.len());
    let before = before(session).await?;
    let reply = session.ask(Command::Delete { messages, for_everyone: args.everyone }).await?;
    before.through(session, &args.through).await?;
    let whose = if args.everyone { "for everyone" } else { "from your devices" };
    session.show(&reply, |out| out.line(format!("{count} deleted {whose}.")))
}

pub async fn star(session: &Session, args: args::Messages, starred: bool) -> Result<(), Failure> {
    let messages = references(&session.messages(&args.messages).await?);
    let count = counted(messages.len());
    let reply = session.ask(Command::Star { messages, starred }).await?;
    session.show(&reply, |out| out.line(format!("{count} {}.", if starred { "starred" } else { "no longer starred" })))
}

pub async fn starred(session: &Session) -> Result<(), Failure> {
    let Reply::Messages { messages, .. } = session.ask(Command::Starred).await? else {
        return Err(Failure::unexpected());
    };
    print(session, &messages, false, "No starred messages: sotto star MESSAGE").await
}

pub async fn pinned(session: &Session, name: &str) -> Result<(), Failure> {
    let conversation = session.conversation_of(name).await?;
    let Reply::Messages { messages, .. } = session.ask(Command::Pinned { conversation }).await? else {
        return Err(Failure::unexpected());
    };
    print(session, &messages, false, "Nothing is pinned there: sotto pin MESSAGE").await
}

/// One line each, or (`--json`) one object each. `names`: with the digits by which commands take them.
pub async fn print(session: &Session, messages: &[MessageView], names: bool, none: &str) -> Result<(), Failure> {
    if session.out.json {
        return messages.iter().try_for_each(|message| session.out.json(message));
    }
    if messages.is_empty() {
        session.out.note(none);
    }
    for message in messages {
        let line = message_line(session, message).await;
        let name = if names { format!("{}  ", session.out.paint(Style::Dim, &end_of(message))) } else { String::new() };
        session.out.line(format!("{name}{line}"))?;
    }
    Ok(())
}

pub async fn forward(session: &Session, args: args::Forward) -> Result<(), Failure> {
    if args.to.len() > FORWARD_TO {
        return Err(Failure::usage(format!("a message is forwarded to at most {FORWARD_TO} at once")));
    }
    let messages = references(&session.messages(&args.messages).await?);
    let mut to = Vec::with_capacity(args.to.len());
    for name in &args.to {
        to.push(session.who(name).await?);
    }
    // One for each message that comes of it, so that no tick is missed while another one is waited for.
    let mut happenings: Vec<_> = (0..messages.len() * to.len()).map(|_| session.client.happenings()).collect();
    let Reply::Messages { messages: sent, .. } = session.ask(Command::Forward { messages, to }).await? else {
        return Err(Failure::unexpected());
    };
    let deadline = Instant::now() + Duration::from_secs(args.wait.timeout);
    let mut first_failure = None;
    for message in sent {
        let heard = happenings.pop().unwrap_or_else(|| session.client.happenings());
        let with = session.display(message.conversation).await;
        match wait_until(session, heard, message, args.wait.wait, deadline).await {
            Ok(message) if session.out.json => session.out.json(&Reply::Queued { message })?,
            Ok(message) => session.out.line(format!("{} {with}", tick(message.status)))?,
            Err(failure) => {
                session.out.note(format!("{with}: {}", crate::text::clean_line(&failure.text)));
                first_failure.get_or_insert(failure);
            }
        }
    }
    first_failure.map_or(Ok(()), Err)
}

pub async fn poll(session: &Session, args: args::Poll) -> Result<(), Failure> {
    let content = NewContent::Poll { question: args.question, options: args.options, multiple: args.multiple };
    say(session, &args.name, content, &args.wait).await
}

pub async fn location(session: &Session, args: args::Location) -> Result<(), Failure> {
    let (latitude, longitude) = (args.latitude, args.longitude);
    say(session, &args.name, NewContent::Location { latitude, longitude, label: args.label }, &args.wait).await
}

pub async fn contact(session: &Session, action: args::Contact) -> Result<(), Failure> {
    match action {
        args::Contact::List => super::contacts::list(session).await,
        args::Contact::Send { name, person, wait } => {
            let account = session.conversation(crate::who::parse_who(&person)?).await?.peer();
            let group = || Failure::usage(format!("{person:?} is a group; to invite others: sotto group invite"));
            say(session, &name, NewContent::Contact { account: account.ok_or_else(group)? }, &wait).await
        }
    }
}

async fn say(session: &Session, name: &str, content: NewContent, wait: &WaitFor) -> Result<(), Failure> {
    let to = session.who(name).await?;
    let happenings = session.client.happenings();
    let Reply::Queued { message } = session.ask(Command::Send { to, content, name: None }).await? else {
        return Err(Failure::unexpected());
    };
    let deadline = Instant::now() + Duration::from_secs(wait.timeout);
    let message = tokio::select! {
        message = wait_until(session, happenings, message, wait.wait, deadline) => message?,
        () = crate::session::stop_signal() => {
            return Err(Failure::timeout("stopped waiting; the message stays queued"));
        }
    };
    let line = message_line(session, &message).await;
    session.show(&Reply::Queued { message }, |out| out.line(line))
}
