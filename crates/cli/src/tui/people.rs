//! People in the app: message requests, reports, who is there and who types.
//! Flow: a drawing says who is on the screen -> `watch` -> the engine tells of them -> the header; a key in the field ->
//!       `tell_typing` -> the others see it.
//! Always true: somebody whose request waits is not watched, is not told of typing, and cannot be written to by mistake.

use super::composer::Composer;
use super::input::edit;
use super::state::{App, Focus, OpenConversation, Sheet, Why};
use crate::commands::contacts::{conversation_name, name_of};
use crate::commands::people::is_request;
use crate::commands::show::is_message;
use crate::presence;
use crate::ticks::one_line;
use crossterm::event::{KeyCode, KeyEvent};
use sotto_engine::api::{Command, MessageRef, PersonView, ReportReason, TypingState, Who};
use sotto_types::{AccountId, Conversation};

pub const REASONS: [(ReportReason, &str); 3] =
    [(ReportReason::Spam, "spam"), (ReportReason::Abuse, "abuse"), (ReportReason::Other, "something else")];
/// Typing is told at most so often.
const TYPING_EVERY_MS: u64 = 1_000;
/// As many as the engine watches.
const WATCHED_MAX: usize = 512;
const ACCEPT_FIRST: &str = "Accept first: Esc, then a";

/// About somebody, for the server's operator.
#[derive(Debug)]
pub struct ReportSheet {
    pub account: AccountId,
    /// As it is shown.
    pub name: String,
    pub reason: usize,
    pub comment: Composer,
    /// One of theirs, and what it says.
    pub message: Option<(MessageRef, String)>,
    pub block: bool,
}

impl OpenConversation {
    /// Somebody new, whom the person has not decided about.
    pub fn is_waiting(&self) -> bool {
        self.is_request && self.contact.as_ref().is_some_and(|contact| !contact.blocked)
    }

    pub fn name(&self) -> String {
        match self.is_me {
            true => "Note to self".into(),
            false => conversation_name(self.contact.as_ref(), &self.title),
        }
    }
}

impl App {
    pub fn waits_for_decision(&self) -> bool {
        self.open.as_ref().is_some_and(OpenConversation::is_waiting)
    }

    /// Says so and returns true if writing would accept somebody by mistake.
    pub fn accept_first(&mut self) -> bool {
        let waits = self.waits_for_decision();
        if waits {
            self.notice = Some(ACCEPT_FIRST.into());
        }
        waits
    }

    /// Where people go on in the open conversation.
    pub fn focus_open(&mut self) {
        self.focus = if self.waits_for_decision() { Focus::Messages } else { Focus::Composer };
    }

    pub fn accept_request(&mut self) {
        let peer = self.open.as_ref().and_then(|open| open.conversation.peer());
        if let Some(peer) = peer {
            self.ask(Why::Accept, Command::AcceptRequest { who: Who::Account(peer) });
        }
    }

    /// Whoever wrote the chosen message, or the person of the conversation.
    pub fn show_report(&mut self) {
        let Some(open) = self.open.as_ref().filter(|open| !open.is_me) else { return };
        let chosen = open.chosen().filter(|message| !message.from_me && is_message(message));
        let (account, name) = match (chosen, &open.contact) {
            (Some(message), None) => (message.from, crate::ticks::author(message)),
            (_, Some(contact)) => (contact.account, name_of(contact)),
            (None, None) => {
                self.notice = Some("Choose a message of whom you report: ↑".into());
                return;
            }
        };
        let message = chosen.map(|message| (message.reference(), one_line(message)));
        let sheet = ReportSheet { account, name, reason: 0, comment: Composer::default(), message, block: false };
        self.sheet = Some(Sheet::Report(sheet));
    }

    pub fn on_report_key(&mut self, key: KeyEvent) {
        let Some(Sheet::Report(sheet)) = &mut self.sheet else { return };
        match key.code {
            KeyCode::Up => sheet.reason = sheet.reason.saturating_sub(1),
            KeyCode::Down => sheet.reason = (sheet.reason + 1).min(REASONS.len() - 1),
            KeyCode::Tab => sheet.block = !sheet.block,
            KeyCode::Enter => {
                let (reason, _) = REASONS[sheet.reason.min(REASONS.len() - 1)];
                let who = Who::Account(sheet.account);
                let messages = sheet.message.iter().map(|(message, _)| *message).collect();
                let (comment, block) = (sheet.comment.take(), sheet.block);
                self.sheet = None;
                self.ask(Why::Report, Command::Report { who: who.clone(), reason, comment, messages });
                if block {
                    self.ask(Why::Contact, Command::SetBlocked { who, blocked: true });
                }
            }
            _ => edit(&mut sheet.comment, key),
        }
    }

    pub fn show_delete(&mut self) {
        if let Some(open) = &self.open {
            self.sheet = Some(Sheet::ConfirmDelete(open.conversation, open.name()));
        }
    }

    /// Tells the engine who is on the screen, when it changed; nobody is while nobody looks.
    pub fn watch(&mut self) {
        let mut people: Vec<AccountId> = Vec::new();
        if self.focused {
            let listed = self.view.rows.iter().filter_map(|(_, index)| self.conversations.get(*index));
            let listed = listed.filter(|listed| !listed.is_me && !is_request(listed));
            people.extend(listed.filter_map(|listed| listed.conversation.peer()));
            let open = self.open.as_ref().filter(|open| self.view.messages.height > 0 && !open.is_me);
            people.extend(open.filter(|open| !open.is_waiting()).and_then(|open| open.conversation.peer()));
            people.sort_unstable();
            people.dedup();
            people.truncate(WATCHED_MAX);
        }
        if people != self.watched {
            self.watched.clone_from(&people);
            self.ask(Why::Quiet, Command::WatchPeople { people });
        }
    }

    /// What was heard is over, or may be: the engine tells again of whom it watches.
    pub fn forget_presence(&mut self) {
        self.presence.clear();
        self.typing.clear();
        self.watched.clear();
    }

    /// "typing…", in a group with names.
    pub fn typing_in(&self, conversation: Conversation) -> Option<String> {
        let here = self.typing.iter().filter(|typist| typist.conversation == conversation);
        let typists: Vec<(&PersonView, TypingState)> = here.map(|typist| (&typist.person, typist.state)).collect();
        presence::typing(&typists, conversation.group().is_some())
    }

    /// What stands beside the name of the open conversation.
    pub fn header_status(&self) -> Option<String> {
        let open = self.open.as_ref().filter(|open| !open.is_me && !open.is_waiting())?;
        let seen = || presence::seen(self.presence.get(&open.conversation.peer()?)?, self.now_ms);
        self.typing_in(open.conversation).or_else(seen)
    }

    /// Of the field, to see whether a key changed it.
    pub fn written(&self) -> (Option<Conversation>, usize) {
        (self.open.as_ref().map(|open| open.conversation), self.composer.text().len())
    }

    /// Where something is being written to others.
    fn typing_place(&self) -> Option<Conversation> {
        let writes = self.focused
            && !self.quit
            && self.focus == Focus::Composer
            && !self.composer.is_empty()
            && !matches!(self.writing, super::actions::Writing::Edit(..));
        let open = self.open.as_ref().filter(|open| writes && !open.is_me && !open.is_waiting())?;
        Some(open.conversation)
    }

    /// After a key: `before` is what was written before it.
    pub fn tell_typing(&mut self, before: (Option<Conversation>, usize)) {
        let place = self.typing_place();
        if let Some((told, _)) = self.typing_told.filter(|(told, _)| place != Some(*told)) {
            self.typing_told = None;
            self.ask(Why::Quiet, Command::SetTyping { conversation: told, state: TypingState::Stopped });
        }
        let Some(conversation) = place else { return };
        let is_typed = before.0 == place && before.1 != self.composer.text().len();
        let is_due = self.typing_told.is_none_or(|(_, at)| at + TYPING_EVERY_MS <= self.now_ms);
        if is_typed && is_due {
            self.typing_told = Some((conversation, self.now_ms));
            self.ask(Why::Quiet, Command::SetTyping { conversation, state: TypingState::Typing });
        }
    }
}
