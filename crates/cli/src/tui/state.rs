//! What the app knows, and how events of the engine and its answers (`answers`) change it. No terminal here: `input` brings
//! keys, `render` draws.
//! Always true:
//! - messages of the open conversation are sorted by position, each name once;
//! - a conversation is marked read only while it is on screen in a focused terminal, and only up to the last message there;
//! - the list is asked for once at a time, however many events say that it changed.

mod answers;

use super::actions::{MessageSheet, Writing};
use super::composer::Composer;
use super::group::GroupSheet;
use super::people::ReportSheet;
use super::settings::SettingsSheet;
use crate::commands::contacts::name_of;
use sotto_engine::api::{
    Command, ConnectionView, ContactView, ConversationView, Event, GroupSummary, GroupView, HistoryPlace, Me,
    MessageView, PersonView, PresenceView, SearchHit, TypingState, Who,
};
use sotto_engine_native::Happening;
use sotto_types::{AccountId, ClientMsgId, Conversation, MessageId};
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
    /// Who is in a group, or what it is after a change.
    Group,
    /// Something done with a message.
    Act,
    Pinned(Conversation),
    Starred,
    Timer,
    /// Of a message request.
    Accept,
    Report,
    Profile,
    Privacy,
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
    Safety {
        digits: String,
        contact: ContactView,
    },
    ConfirmBlock(ContactView),
    /// Of this conversation, which is called so.
    ConfirmDelete(Conversation, String),
    Report(ReportSheet),
    /// The own profile, and what others may see.
    Settings(Box<SettingsSheet>),
    /// Of the open group.
    Group(GroupSheet),
    /// About the chosen message, or the open conversation.
    Message(MessageSheet),
}

#[derive(Debug, Default)]
pub struct SearchSheet {
    /// Not what was found, but what was starred, until something is typed.
    pub starred: bool,
    pub field: Composer,
    pub hits: Vec<SearchHit>,
    pub selected: usize,
}

#[derive(Debug)]
pub struct OpenConversation {
    pub conversation: Conversation,
    /// None: it is a group's.
    pub contact: Option<ContactView>,
    /// None: it is a person's.
    pub group: Option<Box<GroupSummary>>,
    /// The group with its members, once the engine has told.
    pub group_view: Option<Box<GroupView>>,
    pub title: String,
    pub is_me: bool,
    /// Somebody new, who was not accepted yet.
    pub is_request: bool,
    /// By this person, since it was opened: a list from before does not count.
    pub was_accepted: bool,
    /// What is sent disappears so many seconds after it was read; 0: stays.
    pub timer_s: u32,
    /// Those pinned last first; some may have ended.
    pub pinned: Vec<MessageView>,
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

impl OpenConversation {
    pub fn pinned_now(&self, now_ms: u64) -> impl Iterator<Item = &MessageView> {
        let is_pinned = move |message: &&MessageView| message.extras.pinned_until_ms.is_some_and(|at| at > now_ms);
        self.pinned.iter().filter(is_pinned)
    }
}

/// Somebody who types or records.
#[derive(Debug)]
pub struct Typist {
    pub conversation: Conversation,
    pub person: PersonView,
    pub state: TypingState,
}

/// What the last drawing found out: where things are on screen.
#[derive(Debug, Default, Clone)]
pub struct View {
    pub list: ratatui::layout::Rect,
    pub messages: ratatui::layout::Rect,
    /// Of the list: at which line which conversation begins.
    pub rows: Vec<(u16, usize)>,
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
    pub drafts: HashMap<Conversation, (Composer, Writing)>,
    pub composer: Composer,
    pub writing: Writing,
    pub focus: Focus,
    pub sheet: Option<Sheet>,
    pub notice: Option<String>,
    pub signed_out: Option<String>,
    pub focused: bool,
    pub quit: bool,
    pub view: View,
    pub now_ms: u64,
    pub colour: bool,
    /// Of whoever is on the screen.
    pub presence: HashMap<AccountId, PresenceView>,
    /// Those who began first come first.
    pub typing: Vec<Typist>,
    /// As the engine was told.
    pub watched: Vec<AccountId>,
    /// Where the engine was told that this person types, and when last.
    pub typing_told: Option<(Conversation, u64)>,
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
            writing: Writing::New,
            focus: Focus::List,
            sheet: None,
            notice: None,
            signed_out: None,
            focused: true,
            quit: false,
            view: View::default(),
            now_ms,
            colour,
            presence: HashMap::new(),
            typing: Vec::new(),
            watched: Vec::new(),
            typing_told: None,
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
        let command = match who {
            Who::Group(group) => Command::Conversation { conversation: group.into() },
            who => Command::FindPerson { who },
        };
        self.ask(Why::Open, command);
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
            let draft = (std::mem::take(&mut self.composer), std::mem::take(&mut self.writing));
            self.drafts.insert(old.conversation, draft);
        }
        (self.composer, self.writing) = self.drafts.remove(&conversation).unwrap_or_default();
        let listed = self.conversations.iter().find(|listed| listed.conversation == conversation);
        self.open = Some(OpenConversation {
            conversation,
            contact,
            group: listed.and_then(|listed| listed.group.clone()),
            group_view: None,
            title,
            timer_s: listed.map_or(0, |listed| listed.timer_s),
            pinned: Vec::new(),
            is_me: self.me.as_ref().is_some_and(|me| conversation.peer() == Some(me.account)),
            is_request: listed.is_some_and(|listed| listed.is_request),
            was_accepted: false,
            messages: Vec::new(),
            more: false,
            loading: true,
            scroll: 0,
            selected: None,
            jump: None,
            wanted: None,
        });
        self.ask(Why::Newest(conversation), Command::History { conversation, at: HistoryPlace::Newest, limit: PAGE });
        self.ask(Why::Pinned(conversation), Command::Pinned { conversation });
        self.ask_members();
    }

    /// A conversation that need not be in the list yet.
    fn open_conversation(&mut self, view: ConversationView) {
        let (group, is_me, timer_s, is_request) = (view.group, view.is_me, view.timer_s, view.is_request);
        self.open(view.conversation, view.contact, view.title);
        if let Some(open) = &mut self.open {
            open.group = group;
            open.is_me = is_me;
            open.is_request = is_request;
            open.timer_s = timer_s;
        }
    }

    pub fn open_person(&mut self, contact: ContactView) {
        let title = name_of(&contact);
        self.open(contact.account.into(), Some(contact), title);
    }

    pub fn open_selected(&mut self) {
        if let Some(listed) = self.conversations.get(self.selected).cloned() {
            self.open_conversation(listed);
        }
    }

    /// Opens the conversation of a found message and goes there.
    pub fn jump_to(&mut self, hit: SearchHit) {
        self.open(hit.message.conversation, hit.contact, hit.title);
        self.go_to(hit.message.name, hit.message.position);
    }

    /// Chooses a message of the open conversation and scrolls there.
    pub fn go_to(&mut self, name: ClientMsgId, position: u64) {
        let Some(open) = &mut self.open else { return };
        open.selected = Some(name);
        open.jump = Some(name);
        open.wanted = Some((position, JUMP_PAGES));
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
                self.forget_presence();
                self.refresh_list();
                self.ask(Why::Status, Command::Status);
                if let Some(open) = &mut self.open {
                    open.loading = true;
                    let conversation = open.conversation;
                    self.ask(
                        Why::Newest(conversation),
                        Command::History { conversation, at: HistoryPlace::Newest, limit: PAGE },
                    );
                    self.ask(Why::Pinned(conversation), Command::Pinned { conversation });
                }
                self.ask_members();
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
                self.on_pin(&message);
                self.put(message);
                self.refresh_list();
            }
            Event::MessageRemoved { name, conversation } => {
                if let Some(open) = self.open.as_mut().filter(|open| open.conversation == conversation) {
                    open.messages.retain(|message| message.name != name);
                    open.pinned.retain(|message| message.name != name);
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
            Event::ConversationChanged { conversation } => {
                self.refresh_list();
                if self.open.as_ref().is_some_and(|open| open.conversation == conversation) {
                    self.ask_members();
                }
            }
            Event::ConversationRemoved { conversation } => {
                self.conversations.retain(|listed| listed.conversation != conversation);
                if self.open.as_ref().is_some_and(|open| open.conversation == conversation) {
                    self.open = None;
                    self.sheet = None;
                    self.focus = Focus::List;
                    (self.composer, self.writing) = Default::default();
                }
                self.drafts.remove(&conversation);
                self.selected = self.selected.min(self.conversations.len().saturating_sub(1));
                self.refresh_list();
            }
            Event::PresenceChanged { people } => {
                self.presence.extend(people.into_iter().map(|person| (person.account, person)));
            }
            Event::Typing { conversation, person, state } => {
                self.typing.retain(|typist| typist.conversation != conversation || typist.person != person);
                if state != TypingState::Stopped {
                    self.typing.push(Typist { conversation, person, state });
                }
            }
            Event::QueueDrained => self.refresh_list(),
            Event::HistoryReceived { done, total } => {
                self.notice = Some(format!("History from your other device: {done} of {total}"));
                self.refresh_list();
            }
            Event::HistorySent { device, done, total } => {
                self.notice = Some(format!("History to device {device}: {done} of {total}"));
            }
            Event::GroupKeys { done, total, .. } => self.on_group_keys(done, total),
            Event::SignedOut { error } => self.signed_out = Some(error.text),
            Event::ClockOff { by_ms } => {
                self.notice = Some(format!("This machine's clock is off by {} s: set it", by_ms / 1000));
            }
            Event::Repairing { reason, .. } => self.notice = Some(reason),
            Event::Notice { text } => self.notice = Some(text),
            Event::LinkFailed { error } => self.notice = Some(error.text),
            Event::ProfileChanged { profile } => self.on_profile(profile),
            Event::Linked { .. } | Event::DevicesChanged | Event::PreferencesChanged { .. } => {}
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

    /// What is pinned may be another one now, or say something else.
    fn on_pin(&mut self, message: &MessageView) {
        let Some(open) = self.open.as_mut().filter(|open| open.conversation == message.conversation) else { return };
        let is_pinned = message.extras.pinned_until_ms.is_some();
        let known = open.pinned.iter_mut().find(|pinned| pinned.name == message.name);
        match (known, is_pinned) {
            (Some(pinned), true) => *pinned = message.clone(),
            (None, false) => {}
            _ => {
                let conversation = open.conversation;
                self.ask(Why::Pinned(conversation), Command::Pinned { conversation });
            }
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
            open.scroll += super::lines::message_height(&message, width, self.now_ms);
        }
        let at = open.messages.partition_point(|other| other.position < message.position);
        open.messages.insert(at, message);
    }
}
