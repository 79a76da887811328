//! listen: what happens, as lines.
//! Flow: unread messages of the store -> then happenings as they come -> (after `Missed`) what the store has more.
//! Always true:
//! - each message is printed once per run; a message is marked read only after its line was written, so a bot that dies
//!   in between sees it again: at least once, and the bot's own answers are named (idempotent);
//! - memory is bounded: names are remembered up to a limit, positions once per conversation.

use super::show::{is_message, message_line};
use crate::args::Listen;
use crate::failure::{Exit, Failure};
use crate::session::{Session, stop_signal};
use crate::text::clean_line;
use serde::Serialize;
use sotto_engine::api::{
    Command, ConnectionView, ConversationView, ErrorKind, Event, HistoryPlace, MessageView, Reply, StatusView,
};
use sotto_engine_native::{Happening, Happenings};
use sotto_types::{ClientMsgId, Conversation, MessageId};
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

const PAGE: u32 = 100;
/// Names remembered to print nothing twice after `Missed`.
const REMEMBERED: usize = 20_000;

/// About as long as a timer can wait.
const FOR_EVER: Duration = Duration::from_secs(30 * 365 * 86_400);

/// An event line for scripts: the event, and for messages the name of the conversation's person, or the group's title.
#[derive(Serialize)]
struct EventLine<'a> {
    #[serde(flatten)]
    event: &'a Event,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
}

pub async fn run(session: &Session, args: Listen) -> Result<(), Failure> {
    let happenings = session.client.happenings();
    let mut listener = Listener {
        session,
        args,
        printed: Names::default(),
        newest: HashMap::new(),
        to_mark: HashMap::new(),
        left: None,
    };
    listener.left = listener.args.once;
    tokio::select! {
        result = listener.listen(happenings) => result,
        // Ctrl-C is how one ends it: no failure.
        () = stop_signal() => Ok(()),
    }
}

struct Listener<'a> {
    session: &'a Session,
    args: Listen,
    printed: Names,
    /// Per conversation, the newest position that needs no look any more.
    newest: HashMap<Conversation, u64>,
    /// Printed and not yet marked read, by conversation: the newest one. Told to the engine when nothing waits to be printed.
    to_mark: HashMap<Conversation, MessageId>,
    left: Option<u64>,
}

impl Listener<'_> {
    async fn listen(&mut self, mut happenings: Happenings) -> Result<(), Failure> {
        self.session.ask(Command::WhoAmI).await?;
        let mut drained = self.start().await?;
        // A listener that does not wait for an end waits for ever.
        let quiet_max = if self.args.until_drained { Duration::from_secs(self.args.timeout) } else { FOR_EVER };
        let mut quiet_since = Instant::now();
        loop {
            if self.left == Some(0) || (self.args.until_drained && drained) {
                return self.mark_read().await;
            }
            let happening = match happenings.try_next() {
                Some(happening) => happening,
                None => {
                    self.mark_read().await?;
                    match tokio::time::timeout_at(quiet_since + quiet_max, happenings.next()).await {
                        Ok(happening) => happening,
                        Err(_) => return Err(self.not_drained().await?),
                    }
                }
            };
            match happening {
                Happening::Event(event) => {
                    if is_from_server(&event) {
                        quiet_since = Instant::now();
                    }
                    drained |= matches!(*event, Event::QueueDrained)
                        || matches!(
                            *event,
                            Event::Connection { connection: ConnectionView::Connected { drained: true } }
                        );
                    self.on_event(*event).await?;
                }
                Happening::Missed => {
                    self.catch_up().await?;
                    drained |= self.is_drained().await?;
                }
                Happening::Ended(text) => return Err(Failure::new(Exit::Storage, "storage", text)),
            }
        }
    }

    async fn status(&self) -> Result<StatusView, Failure> {
        match self.session.ask(Command::Status).await? {
            Reply::Status { status } => Ok(status),
            _ => Err(Failure::unexpected()),
        }
    }

    /// Why what waits on the server did not arrive in time.
    async fn not_drained(&self) -> Result<Failure, Failure> {
        let seconds = self.args.timeout;
        Ok(match self.status().await?.connection {
            ConnectionView::Connected { .. } => Failure::timeout(format!(
                "the server sent nothing for {seconds} s, and did not say that this was all; what came is saved, try again"
            )),
            _ => Failure::new(
                Exit::Offline,
                "offline",
                format!("the server could not be reached for {seconds} s; check the address and the network"),
            ),
        })
    }

    async fn is_drained(&self) -> Result<bool, Failure> {
        let status = self.status().await?;
        if let Some(why) = status.signed_out {
            return Err(Failure::new(Exit::SignedOut, "signed_out", why));
        }
        Ok(matches!(status.connection, ConnectionView::Connected { drained: true }))
    }

    /// Prints what is unread, and remembers where each conversation stands.
    async fn start(&mut self) -> Result<bool, Failure> {
        // Asked first: what is drained by then is in the store, so the look below sees it.
        let drained = self.is_drained().await?;
        let Reply::Conversations { conversations } = self.session.ask(Command::Conversations).await? else {
            return Err(Failure::unexpected());
        };
        for conversation in conversations {
            if let Some(last) = &conversation.last {
                self.newest.insert(conversation.conversation, last.position);
            }
            for message in self.unread(&conversation).await? {
                if self.args.new_only {
                    self.printed.insert(message.name);
                } else {
                    self.message(message, true).await?;
                }
            }
        }
        Ok(drained)
    }

    /// Ascending. Those that were sent again may stand far up, among what was read long ago.
    async fn unread(&self, conversation: &ConversationView) -> Result<Vec<MessageView>, Failure> {
        let mut unread = VecDeque::new();
        let mut before = None;
        while unread.len() < conversation.unread as usize {
            let (messages, more) = self.page(conversation.conversation, before).await?;
            before = messages.first().map(|message| message.position);
            for message in messages.into_iter().rev() {
                let is_read = message.read_id().is_some_and(|id| id <= conversation.read_up_to);
                if !message.from_me && is_message(&message) && !is_read {
                    unread.push_front(message);
                }
            }
            if !more || before.is_none() {
                break;
            }
        }
        Ok(unread.into())
    }

    async fn page(&self, conversation: Conversation, before: Option<u64>) -> Result<(Vec<MessageView>, bool), Failure> {
        let at = before.map_or(HistoryPlace::Newest, HistoryPlace::Before);
        match self.session.ask(Command::History { conversation, at, limit: PAGE }).await? {
            Reply::Messages { messages, more, .. } => Ok((messages, more)),
            _ => Err(Failure::unexpected()),
        }
    }

    /// After lost events: everything newer than what was seen, and what was sent again, except what was printed.
    async fn catch_up(&mut self) -> Result<(), Failure> {
        let Reply::Conversations { conversations } = self.session.ask(Command::Conversations).await? else {
            return Err(Failure::unexpected());
        };
        for conversation in conversations {
            let known = self.newest.get(&conversation.conversation).copied().unwrap_or(0);
            let mut missed = Vec::new();
            let mut before = None;
            loop {
                let (messages, more) = self.page(conversation.conversation, before).await?;
                before = messages.first().map(|message| message.position);
                let reached = before.is_none_or(|first| first <= known);
                missed.extend(messages.into_iter().rev().filter(|message| message.position > known));
                if reached || !more {
                    break;
                }
            }
            // Ascending in the end: those that stand before what was seen come first.
            let late = self.unread(&conversation).await?.into_iter();
            let late = late.filter(|message| message.late_id.is_some() && message.position <= known);
            missed.extend(late.rev());
            for message in missed.into_iter().rev() {
                self.message(message, true).await?;
            }
        }
        Ok(())
    }

    async fn on_event(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::MessageAdded { message, backlog } => self.message(message, backlog).await,
            Event::SignedOut { error } => Err(error.into()),
            other => self.other(&other).await,
        }
    }

    async fn message(&mut self, message: MessageView, backlog: bool) -> Result<(), Failure> {
        if self.left == Some(0) || !self.printed.insert(message.name) {
            return Ok(());
        }
        let newest = self.newest.entry(message.conversation).or_default();
        *newest = message.position.max(*newest);
        let counts = !message.from_me && is_message(&message);
        let (conversation, message_id) = (message.conversation, message.read_id());
        if self.session.out.json {
            let event = Event::MessageAdded { message, backlog };
            self.json(&event, Some(conversation)).await?;
        } else {
            let line = message_line(self.session, &message).await;
            self.session.out.line(line)?;
        }
        if !counts {
            return Ok(());
        }
        if let (true, Some(id)) = (self.args.mark_read, message_id) {
            let newest = self.to_mark.entry(conversation).or_default();
            *newest = id.max(*newest);
        }
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(1);
        }
        Ok(())
    }

    async fn mark_read(&mut self) -> Result<(), Failure> {
        for (conversation, up_to) in std::mem::take(&mut self.to_mark) {
            let command = Command::MarkRead { conversation, up_to: Some(up_to) };
            match self.session.client.command(command).await {
                // Read receipts wait for the connection by themselves; a listener goes on.
                Ok(_) => {}
                Err(error) if error.kind == ErrorKind::Offline => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn json(&self, event: &Event, of: Option<Conversation>) -> Result<(), Failure> {
        let (username, title) = match of {
            Some(of) => (self.session.username_of(of).await.map(String::from), self.session.title_of(of).await),
            None => (None, None),
        };
        self.session.out.json(&EventLine { event, username, title })
    }

    async fn other(&self, event: &Event) -> Result<(), Failure> {
        if let Event::ConversationChanged { conversation } = event {
            self.session.forget_title(*conversation);
        }
        if self.session.out.json {
            let of = match event {
                Event::MessageChanged { message } => Some(message.conversation),
                _ => None,
            };
            return self.json(event, of).await;
        }
        match event {
            Event::MessageChanged { message } if !message.from_me => {
                let line = message_line(self.session, message).await;
                self.session.out.line(line)
            }
            Event::KeyChanged { contact, was_verified } => {
                let name = super::contacts::name_of(contact);
                let what = if *was_verified {
                    "sending waits: `sotto verify` or `sotto accept-key`"
                } else {
                    "compare safety numbers"
                };
                self.session.out.line(format!("! the key of {name} changed; {what}"))
            }
            Event::Notice { text } => {
                self.session.out.note(format!("! {}", clean_line(text)));
                Ok(())
            }
            Event::ClockOff { by_ms } => {
                self.session.out.note(format!("! this machine's clock is off by {} s: set it", by_ms / 1000));
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// News that only a server that answers can cause.
fn is_from_server(event: &Event) -> bool {
    match event {
        Event::Connection { connection } => matches!(connection, ConnectionView::Connected { .. }),
        Event::Notice { .. } => false,
        _ => true,
    }
}

/// The last `REMEMBERED` names.
#[derive(Default)]
struct Names {
    set: HashSet<ClientMsgId>,
    order: VecDeque<ClientMsgId>,
}

impl Names {
    /// False if it is known.
    fn insert(&mut self, name: ClientMsgId) -> bool {
        if !self.set.insert(name) {
            return false;
        }
        self.order.push_back(name);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.set.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_remembered_up_to_a_bound() {
        let name = |n: usize| ClientMsgId::from_bytes((n as u128 + 1).to_be_bytes());
        let mut names = Names::default();
        assert!(names.insert(name(0)));
        assert!(!names.insert(name(0)));
        for n in 1..=REMEMBERED {
            assert!(names.insert(name(n)));
        }
        assert_eq!(names.set.len(), REMEMBERED);
        assert!(names.insert(name(0)), "the oldest was forgotten");
    }
}
