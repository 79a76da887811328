//! What the app knows, and how engine and answers change it. No terminal here: `input` brings keys, `render` draws.
//! Always true:
//! - messages of the open conversation are sorted by position, each name once;
//! - a conversation is marked read only while it is on screen in a focused terminal, and only up to the last message there;
//! - the list is asked for once at a time, however many events say that it changed.

use super::composer::Composer;
use crate::commands::contacts::name_of;
use sotto_engine::api::{
    Command, CommandError, ConnectionView, ContactView, ConversationView, Event, HistoryPlace, Me, MessageView, Reply,
    SearchHit, Who,
};
use sotto_engine_native::Happening;
use sotto_types::{ClientMsgId, Conversation, MessageId};
use std::collections::HashMap;

pub const PAGE: u32 = 60;
const JUMP_PAGE: u32 = 500;
/// Pages loaded to reach a found message before giving up.
const JUMP_PAGES: u32 = 40;

/// A command for the engine, and what its answer is for.
#[derive(Debug, Clone)]
pub struct Ask {
    pub why: Why,
    pub command: Command,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Why {
    Me,
    Status,
    List,
    /// The newest page: replaces what is shown.
    Newest(Conversation),
    Older(Conversation),
    Open,
    Sent,
    Quiet,
    Search(String),
    Safety,
    Verify,
    Contact,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Focus {
    List,
    Messages,
    Composer,
}

#[derive(Debug)]
pub enum Sheet {
    Help,
    New(Composer),
    Search(SearchSheet),
    Safety { digits: String, contact: ContactView },
    ConfirmBlock(ContactView),
}

#[derive(Debug, Default)]
pub struct SearchSheet {
    pub field: Composer,
    pub hits: Vec<SearchHit>,
    pub selected: usize,
}

#[derive(Debug)]
pub struct OpenConversation {
    pub conversation: Conversation,
    /// None: it is a group's.
    pub contact: Option<ContactView>,
    pub title: String,
    pub is_me: bool,
    pub messages: Vec<MessageView>,
    /// There are older ones in the store.
    pub more: bool,
    pub loading: bool,
    /// Lines between the bottom of the pane and the newest line.
    pub scroll: usize,
    pub selected: Option<ClientMsgId>,
    /// Scroll there at the next drawing, if it is loaded.
    pub jump: Option<ClientMsgId>,
    /// Load until this position is there.
    pub wanted: Option<(u64, u32)>,
}

/// What the last drawing found out: where things are on screen.
#[derive(Debug, Default, Clone)]
pub struct View {
    pub list: ratatui::layout::Rect,
    pub messages: ratatui::layout::Rect,
    pub first_row: usize,
    pub narrow: bool,
    /// The oldest loaded line is visible.
    pub at_top: bool,
    /// The newest message of somebody else that can be seen to its end, and its conversation.
    pub seen: Option<(Conversation, MessageId)>,
}

#[derive(Debug)]
pub struct App {
    pub me: Option<Me>,
    pub connection: ConnectionView,
    pub conversations: Vec<ConversationView>,
    pub selected: usize,
    pub open: Option<OpenConversation>,
    pub drafts: HashMap<Conversation, Composer>,
    pub composer: Composer,
    pub focus: Focus,
    pub sheet: Option<Sheet>,
    pub notice: Option<String>,
    pub signed_out: Option<String>,
    pub focused: bool,
    pub quit: bool,
    pub view: View,
    pub now_ms: u64,
    pub colour: bool,
    asks: Vec<Ask>,
    list_asked: bool,
    list_stale: bool,
}

impl App {
    pub fn new(now_ms: u64, colour: bool) -> Self {
        Self {
            me: None,
            connection: ConnectionView::Connecting,
            conversations: Vec::new(),
            selected: 0,
            open: None,
            drafts: HashMap::new(),
            composer: Composer::default(),
            focus: Focus::List,
            sheet: None,
            notice: None,
            signed_out: None,
            focused: true,
            quit: false,
            view: View::default(),
            now_ms,
            colour,
            asks: Vec::new(),
            list_asked: false,
            list_stale: false,
        }
    }

    pub fn start(&mut self, open: Option<Who>) {
        self.ask(Why::Me, Command::WhoAmI);
        self.ask(Why::Status, Command::Status);
        self.refresh_list();
        if let Some(who) = open {
            self.find(who);
        }
    }

    pub fn take_asks(&mut self) -> Vec<Ask> {
        std::mem::take(&mut self.asks)
    }

    pub fn ask(&mut self, why: Why, command: Command) {
        self.asks.push(Ask { why, command });
    }

    pub fn refresh_list(&mut self) {
        if self.list_asked {
            self.list_stale = true;
        } else {
            self.list_asked = true;
            self.ask(Why::List, Command::Conversations);
        }
    }

    pub fn find(&mut self, who: Who) {
        self.ask(Why::Open, Command::FindPerson { who });
    }

    /// Puts a conversation on screen; what was being written in the other one is kept.
    fn open(&mut self, conversation: Conversation, contact: Option<ContactView>, title: String) {
        if let Some(index) = self.conversations.iter().position(|c| c.conversation == conversation) {
            self.selected = index;
        }
        if self.open.as_ref().is_some_and(|open| open.conversation == conversation) {
            return;
        }
        if let Some(old) = self.open.take() {
            self.drafts.insert(old.conversation, std::mem::take(&mut self.composer));
        }
        self.composer = self.drafts.remove(&conversation).unwrap_or_default();
        self.open = Some(OpenConversation {
            conversation,
            contact,
            title,
            is_me: self.me.as_ref().is_some_and(|me| conversation.peer() == Some(me.account)),
            messages: Vec::new(),
            more: false,
            loading: true,
            scroll: 0,
            selected: None,
            jump: None,
            wanted: None,
        });
        self.ask(Why::Newest(conversation), Command::History { conversation, at: HistoryPlace::Newest, limit: PAGE });
    }

    pub fn open_person(&mut self, contact: ContactView) {
        let title = name_of(&contact);
        self.open(contact.account.into(), Some(contact), title);
    }

    pub fn open_selected(&mut self) {
        if let Some(listed) = self.conversations.get(self.selected) {
            let (contact, title, is_me) = (listed.contact.clone(), listed.title.clone(), listed.is_me);
            self.open(listed.conversation, contact, title);
            if let Some(open) = &mut self.open {
                open.is_me = is_me;
            }
        }
    }

    /// Opens the conversation of a found message and goes there.
    pub fn jump_to(&mut self, hit: SearchHit) {
        self.open(hit.message.conversation, hit.contact, hit.title);
        let Some(open) = &mut self.open else { return };
        open.selected = Some(hit.message.name);
        open.jump = Some(hit.message.name);
        open.wanted = Some((hit.message.position, JUMP_PAGES));
        self.focus = Focus::Messages;
        self.load_wanted();
    }

    fn load_wanted(&mut self) {
        let Some(open) = &mut self.open else { return };
        let Some((position, pages)) = open.wanted else { return };
        if open.loading {
            return;
        }
        let oldest = open.messages.first().map_or(u64::MAX, |message| message.position);
        if oldest <= position || !open.more || pages == 0 {
            open.wanted = None;
            return;
        }
        open.wanted = Some((position, pages - 1));
        open.loading = true;
        let conversation = open.conversation;
        self.ask(
            Why::Older(conversation),
            Command::History { conversation, at: HistoryPlace::Before(oldest), limit: JUMP_PAGE },
        );
    }

    /// The pane shows the oldest loaded line: more is wanted.
    pub fn load_older(&mut self) {
        let Some(open) = &mut self.open else { return };
        if open.loading || !open.more {
            return;
        }
        open.loading = true;
        let conversation = open.conversation;
        let at = open.messages.first().map_or(HistoryPlace::Newest, |oldest| HistoryPlace::Before(oldest.position));
        self.ask(Why::Older(conversation), Command::History { conversation, at, limit: PAGE });
    }

    /// Tells the engine what the person saw of the open conversation, if they did.
    pub fn mark_read(&mut self) {
        let Some((conversation, up_to)) = self.view.seen.filter(|_| self.focused && self.sheet.is_none()) else {
            return;
        };
        let Some(listed) = self.conversations.iter_mut().find(|c| c.conversation == conversation) else { return };
        if listed.read_up_to < up_to {
            listed.read_up_to = up_to;
            self.ask(Why::Quiet, Command::MarkRead { conversation, up_to: Some(up_to) });
        }
    }

    pub fn on_happening(&mut self, happening: Happening) {
        match happening {
            Happening::Event(event) => self.on_event(*event),
            Happening::Missed => {
                self.refresh_list();
                self.ask(Why::Status, Command::Status);
                if let Some(open) = &mut self.open {
                    open.loading = true;
                    let conversation = open.conversation;
                    self.ask(
                        Why::Newest(conversation),
                        Command::History { conversation, at: HistoryPlace::Newest, limit: PAGE },
                    );
                }
            }
            Happening::Ended(text) => self.signed_out = Some(text),
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Connection { connection } => self.connection = connection,
            Event::MessageAdded { message, .. } | Event::MessageChanged { message } => {
                if let Some(listed) = self.conversations.iter_mut().find(|c| c.conversation == message.conversation)
                    && listed.last.as_ref().is_some_and(|last| last.name == message.name)
                {
                    listed.last = Some(message.clone());
                }
                self.put(message);
                self.refresh_list();
            }
            Event::MessageRemoved { name, conversation } => {
                if let Some(open) = self.open.as_mut().filter(|open| open.conversation == conversation) {
                    open.messages.retain(|message| message.name != name);
                }
                self.refresh_list();
            }
            Event::ContactChanged { contact } => self.on_contact(contact),
            Event::KeyChanged { contact, was_verified } => {
                let name = name_of(&contact);
                let wait = if was_verified { "; sending waits for you" } else { "" };
                self.notice = Some(format!("The safety number of {name} changed{wait}"));
                self.on_contact(contact);
            }
            Event::ConversationChanged { .. } | Event::QueueDrained => self.refresh_list(),
            Event::HistoryReceived { done, total } => {
                self.notice = Some(format!("History from your other device: {done} of {total}"));
                self.refresh_list();
            }
            Event::HistorySent { device, done, total } => {
                self.notice = Some(format!("History to device {device}: {done} of {total}"));
            }
            Event::SignedOut { error } => self.signed_out = Some(error.text),
            Event::ClockOff { by_ms } => {
                self.notice = Some(format!("This machine's clock is off by {} s: set it", by_ms / 1000));
            }
            Event::Repairing { reason, .. } => self.notice = Some(reason),
            Event::Notice { text } => self.notice = Some(text),
            Event::LinkFailed { error } => self.notice = Some(error.text),
            Event::Linked { .. } | Event::DevicesChanged => {}
        }
    }

    fn on_contact(&mut self, contact: ContactView) {
        let conversation = Conversation::from(contact.account);
        if let Some(open) = self.open.as_mut().filter(|open| open.conversation == conversation) {
            open.contact = Some(contact.clone());
        }
        if let Some(listed) = self.conversations.iter_mut().find(|c| c.conversation == conversation) {
            listed.contact = Some(contact);
        }
    }

    /// Puts a message in its place in the open conversation.
    fn put(&mut self, message: MessageView) {
        let width = usize::from(self.view.messages.width);
        let Some(open) = self.open.as_mut().filter(|open| open.conversation == message.conversation) else { return };
        let known = open.messages.iter().position(|other| other.name == message.name);
        if let Some(index) = known {
            open.messages.remove(index);
        } else if open.more && open.messages.first().is_some_and(|first| message.position < first.position) {
            // Older than what is loaded: it comes with its page.
            return;
        }
        // Whoever reads older messages is not pushed away by new ones.
        if known.is_none() && open.scroll > 0 {
            open.scroll += super::render::message_height(&message, width);
        }
        let at = open.messages.partition_point(|other| other.position < message.position);
        open.messages.insert(at, message);
    }

    pub fn on_answer(&mut self, why: Why, result: Result<Reply, CommandError>) {
        if why == Why::List {
            self.list_asked = false;
            if std::mem::take(&mut self.list_stale) {
                self.refresh_list();
            }
        }
        let reply = match result {
            Ok(reply) => reply,
            Err(error) => return self.on_error(&why, error),
        };
        match (why, reply) {
            (_, Reply::Me { me }) => self.me = Some(me),
            (_, Reply::Status { status }) => {
                self.connection = status.connection;
                self.signed_out = status.signed_out;
                self.me = status.me.or(self.me.take());
            }
            (_, Reply::Conversations { conversations }) => self.on_list(conversations),
            (Why::Newest(of), Reply::Messages { messages, more, .. }) => self.on_newest(of, messages, more),
            (Why::Older(of), Reply::Messages { messages, more, .. }) => self.on_older(of, messages, more),
            (Why::Open, Reply::Contact { contact }) => {
                self.refresh_list();
                self.open_person(contact);
                self.focus = Focus::Composer;
            }
            (Why::Verify, Reply::Contact { contact }) => {
                if let Some(Sheet::Safety { contact: shown, .. }) = &mut self.sheet
                    && shown.account == contact.account
                {
                    shown.verified = contact.verified;
                }
                self.on_contact(contact);
            }
            (_, Reply::Contact { contact }) => self.on_contact(contact),
            (_, Reply::Queued { message }) => {
                self.put(message);
                self.refresh_list();
            }
            (Why::Search(query), Reply::Found { hits }) => {
                if let Some(Sheet::Search(search)) = &mut self.sheet
                    && search.field.text() == query
                {
                    search.selected = 0;
                    search.hits = hits;
                }
            }
            (_, Reply::SafetyNumber { digits, contact, .. }) => self.sheet = Some(Sheet::Safety { digits, contact }),
            _ => {}
        }
    }

    fn on_error(&mut self, why: &Why, error: CommandError) {
        if let (Why::Newest(of) | Why::Older(of), Some(open)) = (why, &mut self.open)
            && open.conversation == *of
        {
            open.loading = false;
            open.wanted = None;
        }
        if *why == Why::Verify {
            // The number on the sheet is not the one to compare.
            self.sheet = None;
        }
        // A half-typed search is no mistake worth a line.
        if !matches!(why, Why::Search(_) | Why::Quiet) {
            self.notice = Some(error.text);
        }
    }

    fn on_list(&mut self, conversations: Vec<ConversationView>) {
        let keep = self.open.as_ref().map(|open| open.conversation).or_else(|| {
            let selected = self.conversations.get(self.selected)?;
            Some(selected.conversation)
        });
        self.conversations = conversations;
        let place = keep.and_then(|keep| self.conversations.iter().position(|c| c.conversation == keep));
        self.selected = place.unwrap_or(self.selected.min(self.conversations.len().saturating_sub(1)));
        if let Some(open) = &mut self.open
            && let Some(listed) = self.conversations.iter().find(|c| c.conversation == open.conversation)
        {
            open.contact = listed.contact.clone();
            open.title = listed.title.clone();
            open.is_me = listed.is_me;
        }
    }

    fn on_newest(&mut self, of: Conversation, messages: Vec<MessageView>, more: bool) {
        if let Some(open) = self.open.as_mut().filter(|open| open.conversation == of) {
            open.loading = false;
            open.messages = messages;
            open.more = more;
        }
        self.load_wanted();
    }

    fn on_older(&mut self, of: Conversation, mut messages: Vec<MessageView>, more: bool) {
        if let Some(open) = self.open.as_mut().filter(|open| open.conversation == of) {
            open.loading = false;
            open.more = more && !messages.is_empty();
            messages.retain(|message| open.messages.iter().all(|known| known.name != message.name));
            messages.append(&mut open.messages);
            messages.sort_by_key(|message| message.position);
            open.messages = messages;
        }
        self.load_wanted();
    }
}
