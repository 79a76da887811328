//! listen: what happens, as lines.
//! Flow: unread messages of the store -> then happenings as they come -> (after `Missed`) what the store has more.
//! Always true:
//! - each message is printed once per run; a message is marked read only after its line was written, so a bot that dies
//!   in between sees it again: at least once, and the bot's own answers are named (idempotent);
//! - memory is bounded: names are remembered up to a limit, positions once per conversation.

use super::people::{choices, is_request, person};
use super::show::{is_message, message_line};
use crate::args::Listen;
use crate::failure::{Exit, Failure};
use crate::presence::{seen, typing};
use crate::session::{Session, stop_signal};
use crate::text::{clean_line, now_ms};
use serde::Serialize;
use sotto_engine::api::{
    Command, ConnectionView, ConversationView, ErrorKind, Event, HistoryPlace, MessageBody, MessageView, Reply,
    StatusView, TypingState, Who,
};
use sotto_engine_native::{Happening, Happenings};
use sotto_types::{AccountId, ClientMsgId, Conversation, MessageId};
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
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
    /// A message of somebody new, who was not accepted yet.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    request: bool,
}

pub async fn run(session: &Session, args: Listen) -> Result<(), Failure> {
    let happenings = session.client.happenings();
    let mut listener = Listener {
        session,
        args,
        printed: Names::default(),
        said: Said::default(),
        newest: HashMap::new(),
        to_mark: HashMap::new(),
        taken: HashSet::new(),
        hinted: HashSet::new(),
        watched: Vec::new(),
        left: None,
    };
    listener.left = listener.args.once;
    let result = tokio::select! {
        result = listener.listen(happenings) => result,
        // Ctrl-C is how one ends it: no failure.
        () = stop_signal() => Ok(()),
    };
    if !listener.watched.is_empty() {
        // The profile may be open elsewhere.
        session.client.submit(Command::WatchPeople { people: Vec::new() }).await;
        session.client.foreground(false).await;
    }
    result
}

struct Listener<'a> {
    session: &'a Session,
    args: Listen,
    printed: Names,
    /// What messages said when they were printed, for people.
    said: Said,
    /// Per conversation, the newest position that needs no look any more.
    newest: HashMap<Conversation, u64>,
    /// Printed and not yet marked read, by conversation: the newest one. Told to the engine when nothing waits to be printed.
    to_mark: HashMap<Conversation, MessageId>,
    /// Of these it is known that they are no requests.
    taken: HashSet<Conversation>,
    /// People were told what they can do about these.
    hinted: HashSet<Conversation>,
    /// Whose coming and going is printed; none: nobody's, and not who types either.
    watched: Vec<AccountId>,
    left: Option<u64>,
}

impl Listener<'_> {
    async fn listen(&mut self, mut happenings: Happenings) -> Result<(), Failure> {
        self.session.ask(Command::WhoAmI).await?;
        self.start_watching().await?;
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
                    self.watch().await?;
                    self.catch_up().await?;
                    drained |= self.is_drained().await?;
                }
                Happening::Ended(text) => return Err(Failure::new(Exit::Storage, "storage", text)),
            }
        }
    }

    async fn start_watching(&mut self) -> Result<(), Failure> {
        for name in &self.args.presence {
            let account = self.session.contact(person(name)?).await?.account;
            if !self.watched.contains(&account) {
                self.watched.push(account);
            }
        }
        self.watch().await?;
        if !self.watched.is_empty() {
            // Who types is told to those alone who look.
            self.session.client.foreground(true).await;
        }
        Ok(())
    }

    async fn watch(&self) -> Result<(), Failure> {
        if !self.watched.is_empty() {
            self.session.ask(Command::WatchPeople { people: self.watched.clone() }).await?;
        }
        Ok(())
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
        let request = self.request(conversation).await?;
        if self.session.out.json {
            let event = Event::MessageAdded { message, backlog };
            self.json(&event, Some(conversation), request).await?;
        } else {
            self.said.is_news(&message);
            let line = message_line(self.session, &message).await;
            self.session.out.line(line)?;
            if request && self.hinted.insert(conversation) {
                let name = self.session.display(conversation).await;
                self.session.out.line(format!("! request from {name}, who is new: {}", choices(&name)))?;
            }
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

    /// Whether the conversation is with somebody new; they are accepted now if that is wanted.
    async fn request(&mut self, conversation: Conversation) -> Result<bool, Failure> {
        let Some(peer) = conversation.peer().filter(|_| !self.taken.contains(&conversation)) else {
            return Ok(false);
        };
        let Reply::Conversation { conversation: view } =
            self.session.ask(Command::Conversation { conversation }).await?
        else {
            return Err(Failure::unexpected());
        };
        let is_request = is_request(&view);
        if is_request && self.args.accept_requests {
            self.session.ask(Command::AcceptRequest { who: Who::Account(peer) }).await?;
        }
        if is_request && !self.args.accept_requests {
            return Ok(true);
        }
        if self.taken.len() >= REMEMBERED {
            self.taken.clear();
        }
        self.taken.insert(conversation);
        Ok(false)
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

    async fn json(&self, event: &Event, of: Option<Conversation>, request: bool) -> Result<(), Failure> {
        let (username, title) = match of {
            Some(of) => (self.session.username_of(of).await.map(String::from), self.session.title_of(of).await),
            None => (None, None),
        };
        self.session.out.json(&EventLine { event, username, title, request })
    }

    async fn other(&mut self, event: &Event) -> Result<(), Failure> {
        match event {
            Event::ConversationChanged { conversation } => self.session.forget_title(*conversation),
            Event::ConversationRemoved { conversation } => {
                self.taken.remove(conversation);
            }
            // They come often: to those alone who asked for them.
            Event::PresenceChanged { .. } | Event::Typing { .. } if self.watched.is_empty() => return Ok(()),
            _ => {}
        }
        if self.session.out.json {
            let of = match event {
                Event::MessageChanged { message } => Some(message.conversation),
                Event::Typing { conversation, .. } => Some(*conversation),
                _ => None,
            };
            return self.json(event, of, false).await;
        }
        match event {
            Event::MessageChanged { message } if self.said.is_news(message) => {
                let line = message_line(self.session, message).await;
                self.session.out.line(line)
            }
            Event::PresenceChanged { people } => {
                for person in people {
                    let name = self.session.display(person.account.into()).await;
                    let seen = seen(person, now_ms()).unwrap_or_else(|| "not seen".into());
                    self.session.out.line(format!("· {name}: {seen}"))?;
                }
                Ok(())
            }
            Event::Typing { conversation, person, state } if *state != TypingState::Stopped => {
                let Some(typing) = typing(&[(person, *state)], true) else { return Ok(()) };
                let place = match conversation.group() {
                    Some(_) => format!(" (in {})", self.session.display(*conversation).await),
                    None => String::new(),
                };
                self.session.out.line(format!("· {typing}{place}"))
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

/// What of each message people were shown. Ticks, stars and clocks are no news; other words, reactions and votes are.
#[derive(Default)]
struct Said(HashMap<ClientMsgId, u64>);

impl Said {
    /// Whether it says something that was not shown yet; it counts as shown then.
    fn is_news(&mut self, message: &MessageView) -> bool {
        let extras = &message.extras;
        let mut hasher = DefaultHasher::new();
        crate::text::to_json(&(&message.body, &extras.reactions, extras.edited_ms)).hash(&mut hasher);
        let now = hasher.finish();
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        match self.0.insert(message.name, now) {
            Some(before) => before != now,
            // Of an own message from before, others did something, or it is only its tick.
            None => {
                !message.from_me || !extras.reactions.is_empty() || matches!(message.body, MessageBody::Poll { .. })
            }
        }
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
    use crate::tui::samples::{message, person};
    use sotto_engine::api::{MessageStatus, ReactionView};

    #[test]
    fn words_and_reactions_are_news_and_ticks_are_not() {
        let mut said = Said::default();
        let mut own = message(1, true, "hi", MessageStatus::Sent);
        assert!(!said.is_news(&own), "an older one of one's own: it got a tick");
        own.status = MessageStatus::Read;
        own.extras.starred = true;
        assert!(!said.is_news(&own));
        own.extras.reactions = vec![ReactionView { emoji: "👍".into(), people: vec![person(2, "bob")] }];
        assert!(said.is_news(&own) && !said.is_news(&own));
        let mut theirs = message(2, false, "hi", MessageStatus::Received);
        assert!(said.is_news(&theirs));
        theirs.extras.expires_ms = Some(1);
        assert!(!said.is_news(&theirs), "its time runs");
        theirs.extras.edited_ms = Some(1);
        assert!(said.is_news(&theirs));
    }

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
