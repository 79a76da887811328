//! What is done with the chosen message: a key gives a command at once, or opens a sheet that asks.
//! Flow: `on_chosen_key` -> (a sheet, `on_message_sheet_key`) -> command -> its reply and the events change what is shown.
//! Always true: a sheet names its message, so that what it asks is done to that one, wherever the choice has moved since.

use super::composer::Composer;
use super::input::edit;
use super::state::{App, Focus, OpenConversation, Sheet, Why};
use crate::args::messages::timer_s;
use crate::commands::contacts::conversation_name;
use crate::commands::people::is_request;
use crate::commands::show::is_message;
use crate::shown::quote_line;
use crate::ticks::one_line;
use crossterm::event::{KeyCode, KeyEvent};
use sotto_engine::api::{
    Command, ConversationView, GroupRole, MessageBody, MessageRef, MessageStatus, MessageView, PersonView, QuoteView,
    Who,
};
use sotto_types::Conversation;

/// At hand; any other one can be typed.
pub const EMOJI: [&str; 6] = ["👍", "❤️", "😂", "😮", "😢", "🙏"];
pub const PIN_FOR: [(u32, &str); 3] = [(86_400, "24 hours"), (7 * 86_400, "7 days"), (30 * 86_400, "30 days")];
pub const TIMERS: [u32; 7] = [0, 30, 300, 3_600, 86_400, 7 * 86_400, 90 * 86_400];
const FORWARD_TO: usize = 5;

/// What the field is for.
#[derive(Debug, Default, PartialEq)]
pub enum Writing {
    #[default]
    New,
    /// An answer to this message, which says so.
    Reply(MessageRef, String),
    /// Another text for this message. What had been written before comes back.
    Edit(MessageRef, Composer),
}

#[derive(Debug)]
pub enum MessageSheet {
    React {
        message: MessageRef,
        selected: usize,
        field: Composer,
        /// The reaction that one gave.
        own: Option<String>,
    },
    Delete {
        message: MessageRef,
        everyone: bool,
    },
    Forward(ForwardSheet),
    Pin(MessageRef),
    Vote(VoteSheet),
    Timer {
        conversation: Conversation,
        selected: usize,
        field: Composer,
    },
}

#[derive(Debug)]
pub struct ForwardSheet {
    pub message: MessageRef,
    pub field: Composer,
    pub selected: usize,
    pub to: Vec<Conversation>,
}

#[derive(Debug)]
pub struct VoteSheet {
    pub message: MessageRef,
    pub question: String,
    /// Each with whether it is chosen.
    pub options: Vec<(String, bool)>,
    pub multiple: bool,
    pub selected: usize,
}

impl VoteSheet {
    fn toggle(&mut self, index: usize) {
        if self.options.get(index).is_none() {
            return;
        }
        for (at, (_, chosen)) in self.options.iter_mut().enumerate() {
            *chosen = if at == index { !*chosen } else { *chosen && self.multiple };
        }
        self.selected = index;
    }

    fn chosen(&self) -> Vec<u32> {
        (0..).zip(&self.options).filter_map(|(at, (_, chosen))| chosen.then_some(at)).collect()
    }
}

impl ForwardSheet {
    /// Those that fit what was typed.
    pub fn shown<'a>(&self, conversations: &'a [ConversationView]) -> Vec<(&'a ConversationView, String)> {
        let wanted = self.field.text().trim().to_lowercase();
        let taken = conversations.iter().filter(|conversation| !is_request(conversation));
        let named = taken.map(|conversation| (conversation, name(conversation)));
        named.filter(|(_, name)| name.to_lowercase().contains(&wanted)).collect()
    }
}

fn name(conversation: &ConversationView) -> String {
    match conversation.is_me {
        true => "Note to self".into(),
        false => conversation_name(conversation.contact.as_ref(), &conversation.title),
    }
}

pub fn who(conversation: Conversation, is_me: bool) -> Who {
    match conversation {
        _ if is_me => Who::Me,
        Conversation::Peer(account) => Who::Account(account),
        Conversation::Group(group) => Who::Group(group),
    }
}

impl OpenConversation {
    pub fn chosen(&self) -> Option<&MessageView> {
        let name = self.selected?;
        self.messages.iter().find(|message| message.name == name)
    }

    fn is_admin(&self) -> bool {
        let role = self.group.as_ref().and_then(|group| group.my_role);
        matches!(role, Some(GroupRole::Owner | GroupRole::Admin))
    }
}

/// Not sent, or not there: there is nothing to be done with it for others.
const fn is_on_its_way(status: MessageStatus) -> bool {
    matches!(status, MessageStatus::Pending | MessageStatus::Held | MessageStatus::Failed | MessageStatus::Waiting)
}

impl App {
    pub fn chosen_message(&self) -> Option<&MessageView> {
        self.open.as_ref()?.chosen()
    }

    /// False: the key means something else.
    pub fn on_chosen_key(&mut self, code: KeyCode) -> bool {
        let Some(open) = &self.open else { return false };
        let Some(message) = open.chosen().cloned() else { return false };
        let retry_or_cancel = is_on_its_way(message.status) && matches!(code, KeyCode::Char('r' | 'd'));
        let of_messages =
            matches!(code, KeyCode::Char('r' | 'e' | '+' | 'd' | 'f' | 's' | 'p' | 'v') | KeyCode::Delete);
        if retry_or_cancel || !of_messages {
            return false;
        }
        if !is_message(&message) {
            self.notice = Some("This line is not a message of somebody".into());
            return true;
        }
        // Those would be an answer, and so accept who waits for a decision.
        if matches!(code, KeyCode::Char('r' | 'e' | '+' | 'p' | 'v')) && self.accept_first() {
            return true;
        }
        let is_admin = self.open.as_ref().is_some_and(OpenConversation::is_admin);
        let everyone = message.extras.deletable_until_ms > self.now_ms || is_admin;
        let (reference, starred) = (message.reference(), message.extras.starred);
        match code {
            KeyCode::Char('r') => self.start_reply(&message),
            KeyCode::Char('e') => self.start_edit(&message),
            KeyCode::Char('+') => self.sheet = Some(Sheet::Message(react_sheet(&message))),
            KeyCode::Char('f') => {
                let sheet =
                    ForwardSheet { message: reference, field: Composer::default(), selected: 0, to: Vec::new() };
                self.sheet = Some(Sheet::Message(MessageSheet::Forward(sheet)));
            }
            KeyCode::Char('s') => {
                self.ask(Why::Act, Command::Star { messages: vec![reference], starred: !starred });
            }
            KeyCode::Char('p') if message.extras.pinned_until_ms.is_some_and(|until| until > self.now_ms) => {
                self.ask(Why::Act, Command::Pin { message: reference, seconds: None });
            }
            KeyCode::Char('p') => self.sheet = Some(Sheet::Message(MessageSheet::Pin(reference))),
            KeyCode::Char('v') => self.start_vote(&message),
            _ => self.sheet = Some(Sheet::Message(MessageSheet::Delete { message: reference, everyone })),
        }
        true
    }

    fn start_reply(&mut self, message: &MessageView) {
        self.stop_writing();
        let author = PersonView { account: message.from, name: message.from_name.clone(), is_me: message.from_me };
        let quote = QuoteView { message: message.reference(), author, text: Some(one_line(message)) };
        self.writing = Writing::Reply(message.reference(), quote_line(&quote));
        self.focus = Focus::Composer;
    }

    fn start_edit(&mut self, message: &MessageView) {
        let MessageBody::Text { body, .. } = &message.body else {
            self.notice = Some("Only texts can be changed".into());
            return;
        };
        if !message.from_me || message.extras.editable_until_ms <= self.now_ms {
            self.notice = Some("Only own messages can be changed, for 15 minutes".into());
            return;
        }
        self.stop_writing();
        let before = std::mem::take(&mut self.composer);
        self.composer.insert(body);
        self.writing = Writing::Edit(message.reference(), before);
        self.focus = Focus::Composer;
    }

    /// Back to writing something new. False: that is what is done already.
    pub fn stop_writing(&mut self) -> bool {
        match std::mem::take(&mut self.writing) {
            Writing::New => false,
            Writing::Reply(..) => true,
            Writing::Edit(_, before) => {
                self.composer = before;
                true
            }
        }
    }

    fn start_vote(&mut self, message: &MessageView) {
        let MessageBody::Poll { question, options, multiple } = &message.body else {
            self.notice = Some("This is no poll".into());
            return;
        };
        let option = |option: &sotto_engine::api::PollOptionView| {
            (crate::text::clean_line(&option.text), option.voters.iter().any(|voter| voter.is_me))
        };
        self.sheet = Some(Sheet::Message(MessageSheet::Vote(VoteSheet {
            message: message.reference(),
            question: crate::text::clean_line(question),
            options: options.iter().map(option).collect(),
            multiple: *multiple,
            selected: 0,
        })));
    }

    pub fn show_timer(&mut self) {
        let Some(open) = &self.open else { return };
        let selected = TIMERS.iter().position(|seconds| *seconds == open.timer_s).unwrap_or(0);
        let (conversation, field) = (open.conversation, Composer::default());
        self.sheet = Some(Sheet::Message(MessageSheet::Timer { conversation, selected, field }));
    }

    /// The pinned messages, one after the other.
    pub fn next_pinned(&mut self) {
        let now_ms = self.now_ms;
        let Some(open) = &self.open else { return };
        let pinned: Vec<&MessageView> = open.pinned_now(now_ms).collect();
        let at = pinned.iter().position(|message| Some(message.name) == open.selected);
        let next = pinned.get(at.map_or(0, |at| at + 1)).or(pinned.first());
        match next.map(|message| (message.name, message.position)) {
            Some((name, position)) => self.go_to(name, position),
            None => self.notice = Some("Nothing is pinned here".into()),
        }
    }

    pub fn on_message_sheet_key(&mut self, key: KeyEvent) {
        let Some(Sheet::Message(sheet)) = &mut self.sheet else { return };
        match sheet {
            MessageSheet::React { message, selected, field, own } => {
                if let Some(emoji) = reacted(key, selected, field, own.as_deref()) {
                    let command = Command::React { message: *message, emoji };
                    self.close_and_ask(command);
                }
            }
            MessageSheet::Delete { message, everyone } => {
                let for_everyone = match key.code {
                    KeyCode::Char('m') => false,
                    KeyCode::Char('e') if *everyone => true,
                    _ => return,
                };
                let command = Command::Delete { messages: vec![*message], for_everyone };
                self.close_and_ask(command);
            }
            MessageSheet::Pin(message) => {
                let number = if let KeyCode::Char(c) = key.code { c.to_digit(10) } else { None };
                let chosen = number.and_then(|number| PIN_FOR.get((number as usize).checked_sub(1)?));
                if let Some((seconds, _)) = chosen {
                    let command = Command::Pin { message: *message, seconds: Some(*seconds) };
                    self.close_and_ask(command);
                }
            }
            MessageSheet::Vote(sheet) => {
                if let Some(options) = voted(key, sheet) {
                    let command = Command::Vote { message: sheet.message, options };
                    self.close_and_ask(command);
                }
            }
            MessageSheet::Forward(_) => self.on_forward_key(key),
            MessageSheet::Timer { conversation, selected, field } => match key.code {
                KeyCode::Up => *selected = selected.saturating_sub(1),
                KeyCode::Down => *selected = (*selected + 1).min(TIMERS.len() - 1),
                KeyCode::Enter => {
                    let chosen = match field.text().trim() {
                        "" => Ok(TIMERS[(*selected).min(TIMERS.len() - 1)]),
                        typed => timer_s(typed),
                    };
                    let conversation = *conversation;
                    match chosen {
                        Ok(seconds) => {
                            self.sheet = None;
                            self.ask(Why::Timer, Command::SetTimer { conversation, seconds });
                        }
                        Err(error) => self.notice = Some(error),
                    }
                }
                _ => edit(field, key),
            },
        }
    }

    fn close_and_ask(&mut self, command: Command) {
        self.sheet = None;
        self.ask(Why::Act, command);
    }

    fn on_forward_key(&mut self, key: KeyEvent) {
        let Some(Sheet::Message(MessageSheet::Forward(sheet))) = &mut self.sheet else { return };
        let shown: Vec<Conversation> =
            sheet.shown(&self.conversations).iter().map(|(conversation, _)| conversation.conversation).collect();
        let selected = shown.get(sheet.selected).copied();
        match key.code {
            KeyCode::Up => sheet.selected = sheet.selected.saturating_sub(1),
            KeyCode::Down => sheet.selected = (sheet.selected + 1).min(shown.len().saturating_sub(1)),
            KeyCode::Tab => {
                let Some(selected) = selected else { return };
                if sheet.to.contains(&selected) {
                    sheet.to.retain(|to| *to != selected);
                } else if sheet.to.len() < FORWARD_TO {
                    sheet.to.push(selected);
                } else {
                    self.notice = Some(format!("To {FORWARD_TO} at once is the limit"));
                }
            }
            KeyCode::Enter => {
                let to =
                    if sheet.to.is_empty() { selected.into_iter().collect() } else { std::mem::take(&mut sheet.to) };
                let messages = vec![sheet.message];
                if to.is_empty() {
                    return;
                }
                let own = self.me.as_ref().map(|me| Conversation::from(me.account));
                let to = to.into_iter().map(|to| who(to, Some(to) == own)).collect();
                self.close_and_ask(Command::Forward { messages, to });
            }
            _ => {
                edit(&mut sheet.field, key);
                sheet.selected = 0;
            }
        }
    }
}

fn react_sheet(message: &MessageView) -> MessageSheet {
    let mine = message.extras.reactions.iter().find(|reaction| reaction.people.iter().any(|person| person.is_me));
    let own = mine.map(|reaction| reaction.emoji.clone());
    let selected = EMOJI.iter().position(|emoji| Some(*emoji) == own.as_deref()).unwrap_or(0);
    MessageSheet::React { message: message.reference(), selected, field: Composer::default(), own }
}

/// The reaction that was decided on; empty: none any more.
fn reacted(key: KeyEvent, selected: &mut usize, field: &mut Composer, own: Option<&str>) -> Option<String> {
    // The same one again takes it back.
    let toggled = |emoji: &str| if own == Some(emoji) { String::new() } else { emoji.to_owned() };
    match key.code {
        KeyCode::Left if field.is_empty() => *selected = selected.saturating_sub(1),
        KeyCode::Right if field.is_empty() => *selected = (*selected + 1).min(EMOJI.len() - 1),
        KeyCode::Enter if field.text().trim().is_empty() => return EMOJI.get(*selected).map(|emoji| toggled(emoji)),
        KeyCode::Enter => return Some(toggled(field.text().trim())),
        KeyCode::Char('0') if field.is_empty() && own.is_some() => return Some(String::new()),
        KeyCode::Char(c @ '1'..='6') if field.is_empty() => {
            let at = c.to_digit(10)? as usize - 1;
            return EMOJI.get(at).map(|emoji| toggled(emoji));
        }
        _ => edit(field, key),
    }
    None
}

/// The options that were decided on.
fn voted(key: KeyEvent, sheet: &mut VoteSheet) -> Option<Vec<u32>> {
    let last = sheet.options.len().saturating_sub(1);
    match key.code {
        KeyCode::Up | KeyCode::Char('k') => sheet.selected = sheet.selected.saturating_sub(1),
        KeyCode::Down | KeyCode::Char('j') => sheet.selected = (sheet.selected + 1).min(last),
        KeyCode::Char(' ') => sheet.toggle(sheet.selected),
        KeyCode::Char('0') => return Some(Vec::new()),
        KeyCode::Char(c @ '1'..='9') => sheet.toggle(c.to_digit(10)? as usize - 1),
        // With one answer, the one under the cursor is meant if none was chosen.
        KeyCode::Enter if sheet.chosen().is_empty() && !sheet.multiple => {
            return Some(vec![u32::try_from(sheet.selected).ok()?]);
        }
        KeyCode::Enter => return Some(sheet.chosen()),
        _ => {}
    }
    None
}
