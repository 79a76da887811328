//! Keys and mouse: what the person wants.

use super::actions::{ForwardSheet, MessageSheet, Writing, who};
use super::group::{GroupSheet, NOT_YET};
use super::people::ReportSheet;
use super::state::{App, Focus, SearchSheet, Sheet, Why};
use super::wrap::shorten;
use crate::mentions;
use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseEvent, MouseEventKind};
use ratatui::layout::Position;
use sotto_engine::api::{Command, MessageStatus, Who};
use sotto_types::{ClientMsgId, Username, limits};

const WHEEL_LINES: usize = 3;
const HITS: u32 = 50;
const CHOOSE: &str = "Choose a message first: ↑";

impl App {
    pub fn on_input(&mut self, event: Event) {
        let before = self.written();
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.on_key(key),
            Event::Paste(text) => self.on_paste(&text),
            Event::Mouse(mouse) => self.on_mouse(mouse),
            Event::FocusGained => self.focused = true,
            Event::FocusLost => self.focused = false,
            Event::Key(_) | Event::Resize(..) => {}
        }
        self.tell_typing(before);
    }

    fn on_key(&mut self, key: KeyEvent) {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        if control && matches!(key.code, KeyCode::Char('c' | 'q')) {
            self.quit = true;
            return;
        }
        self.notice = None;
        if self.sheet.is_some() {
            return self.on_sheet_key(key);
        }
        match key.code {
            KeyCode::F(1) => self.sheet = Some(Sheet::Help),
            KeyCode::Char('n') if control => self.sheet = Some(Sheet::New(Default::default())),
            KeyCode::Char('f') if control => self.sheet = Some(Sheet::Search(SearchSheet::default())),
            KeyCode::PageUp => self.scroll_up(self.page()),
            KeyCode::PageDown => self.scroll_down(self.page()),
            KeyCode::Tab if self.focus == Focus::Composer && self.complete_name() => {}
            KeyCode::Tab => self.focus = self.next_focus(),
            KeyCode::BackTab => {
                self.focus = self.next_focus();
                self.focus = self.next_focus();
            }
            _ if self.focus == Focus::Composer => self.on_composer_key(key, control),
            _ => self.on_pane_key(key),
        }
    }

    fn next_focus(&self) -> Focus {
        match self.focus {
            _ if self.open.is_none() => Focus::List,
            Focus::List => Focus::Messages,
            Focus::Messages => Focus::Composer,
            Focus::Composer => Focus::List,
        }
    }

    fn page(&self) -> usize {
        usize::from(self.view.messages.height).saturating_sub(1).max(1)
    }

    pub fn scroll_up(&mut self, lines: usize) {
        if let Some(open) = &mut self.open {
            open.scroll = open.scroll.saturating_add(lines);
        }
        if self.view.at_top {
            self.load_older();
        }
    }

    fn scroll_down(&mut self, lines: usize) {
        if let Some(open) = &mut self.open {
            open.scroll = open.scroll.saturating_sub(lines);
        }
    }

    fn on_composer_key(&mut self, key: KeyEvent, control: bool) {
        let alt = key.modifiers.intersects(KeyModifiers::ALT | KeyModifiers::SHIFT);
        if key.code != KeyCode::Esc && self.accept_first() {
            return;
        }
        match key.code {
            KeyCode::Enter if alt => self.composer.insert("\n"),
            KeyCode::Char('j') if control => self.composer.insert("\n"),
            KeyCode::Enter => self.send(),
            KeyCode::Esc if self.stop_writing() => {}
            KeyCode::Esc => self.focus = Focus::Messages,
            KeyCode::Char('w') if control => self.composer.delete_word(),
            KeyCode::Char('u') if control => drop(self.composer.take()),
            KeyCode::Char('a') if control => self.composer.home(),
            KeyCode::Char('e') if control => self.composer.end(),
            KeyCode::Char(c) if !control => self.composer.insert(c.encode_utf8(&mut [0; 4])),
            KeyCode::Backspace => self.composer.backspace(),
            KeyCode::Delete => self.composer.delete(),
            KeyCode::Left => self.composer.left(),
            KeyCode::Right => self.composer.right(),
            KeyCode::Home => self.composer.home(),
            KeyCode::End => self.composer.end(),
            KeyCode::Up => {
                let moved = self.composer.up();
                if !moved {
                    self.scroll_up(1);
                }
            }
            KeyCode::Down => {
                let moved = self.composer.down();
                if !moved {
                    self.scroll_down(1);
                }
            }
            _ => {}
        }
    }

    fn send(&mut self) {
        if self.in_group() && self.group_view().is_none() && self.composer.text().contains('@') {
            self.notice = Some(NOT_YET.into());
            return;
        }
        let Some(open) = &mut self.open else { return };
        if self.composer.text().trim().is_empty() {
            return;
        }
        if self.composer.text().len() > limits::TEXT_BYTES {
            self.notice = Some("Too long: 32 KiB is the limit".into());
            return;
        }
        let to = who(open.conversation, open.is_me);
        open.scroll = 0;
        let body = self.composer.take();
        let mentions = self.group_view().map(|view| mentions::find(&body, &view.members)).unwrap_or_default();
        let command = match std::mem::take(&mut self.writing) {
            Writing::Edit(message, before) => {
                self.composer = before;
                Command::Edit { message, body, mentions }
            }
            writing => {
                let reply_to = if let Writing::Reply(message, _) = writing { Some(message) } else { None };
                Command::SendText { to, body, name: None, mentions, reply_to, preview: None }
            }
        };
        self.ask(Why::Sent, command);
    }

    /// The list and the messages share their letters.
    fn on_pane_key(&mut self, key: KeyEvent) {
        if self.focus == Focus::Messages && self.on_chosen_key(key.code) {
            return;
        }
        match key.code {
            KeyCode::Char('q') => self.quit = true,
            KeyCode::Char('?') => self.sheet = Some(Sheet::Help),
            KeyCode::Char('n') => self.sheet = Some(Sheet::New(Default::default())),
            KeyCode::Char('/') => self.sheet = Some(Sheet::Search(SearchSheet::default())),
            KeyCode::Char('m') => self.find(Who::Me),
            KeyCode::Char('s') => self.with_contact(|account| (Why::Safety, Command::SafetyNumber { who: account })),
            KeyCode::Char('o') => self.show_settings(),
            KeyCode::Char('R') => self.show_report(),
            KeyCode::Char('D') => self.show_delete(),
            KeyCode::Char('a') if self.waits_for_decision() => self.accept_request(),
            KeyCode::Char('a') => {
                let shown = self.open.as_ref().and_then(|open| open.contact.as_ref()?.new_identity_key.clone());
                self.with_contact(|who| (Why::Contact, Command::AcceptKey { who, identity_key: shown }));
            }
            KeyCode::Char('b') => {
                let open = self.open.as_ref().filter(|open| !open.is_me);
                if let Some(contact) = open.and_then(|open| open.contact.clone()) {
                    self.sheet = Some(Sheet::ConfirmBlock(contact));
                }
            }
            KeyCode::Char('p') => self.show_people(),
            KeyCode::Char('t') => self.show_timer(),
            KeyCode::Char('P') => self.next_pinned(),
            KeyCode::Char('*') => self.ask(Why::Starred, Command::Starred),
            _ if self.focus == Focus::List => self.on_list_key(key.code),
            _ => self.on_messages_key(key.code),
        }
    }

    fn with_contact(&mut self, command: impl FnOnce(Who) -> (Why, Command)) {
        let open = self.open.as_ref().filter(|open| !open.is_me);
        if let Some(account) = open.and_then(|open| open.conversation.peer()) {
            let (why, command) = command(Who::Account(account));
            self.ask(why, command);
        }
    }

    fn on_list_key(&mut self, code: KeyCode) {
        let last = self.conversations.len().saturating_sub(1);
        let old = self.selected;
        match code {
            KeyCode::Up | KeyCode::Char('k') => self.selected = self.selected.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => self.selected = (self.selected + 1).min(last),
            KeyCode::Home => self.selected = 0,
            KeyCode::End => self.selected = last,
            KeyCode::Enter | KeyCode::Right | KeyCode::Char('l') => {
                self.open_selected();
                if self.open.is_some() {
                    self.focus_open();
                }
            }
            _ => {}
        }
        // Side by side, moving shows; on a narrow screen the list would vanish under the finger.
        if self.selected != old && !self.view.narrow {
            self.open_selected();
        }
    }

    fn on_messages_key(&mut self, code: KeyCode) {
        match code {
            KeyCode::Esc if self.chosen_message().is_some() => {
                if let Some(open) = &mut self.open {
                    open.selected = None;
                }
            }
            KeyCode::Esc | KeyCode::Left | KeyCode::Char('h') => self.focus = Focus::List,
            KeyCode::Enter | KeyCode::Char('i') => self.focus = Focus::Composer,
            KeyCode::Up | KeyCode::Char('k') => self.select_message(-1),
            KeyCode::Down | KeyCode::Char('j') => self.select_message(1),
            KeyCode::Home | KeyCode::Char('g') => self.scroll_up(usize::MAX / 2),
            KeyCode::End | KeyCode::Char('G') => {
                if let Some(open) = &mut self.open {
                    open.scroll = 0;
                    open.selected = None;
                }
            }
            KeyCode::Char('r') => match self.chosen(&[MessageStatus::Failed, MessageStatus::Waiting]) {
                Some(name) => self.ask(Why::Sent, Command::RetryMessage { name }),
                None => self.notice = Some(CHOOSE.into()),
            },
            KeyCode::Char('d') => {
                match self.chosen(&[MessageStatus::Pending, MessageStatus::Held, MessageStatus::Failed]) {
                    Some(name) => self.ask(Why::Quiet, Command::CancelMessage { name }),
                    None => self.notice = Some(CHOOSE.into()),
                }
            }
            KeyCode::Char('e' | 'f' | 'v' | '+') => self.notice = Some(CHOOSE.into()),
            _ => {}
        }
    }

    /// The selected message if it is in one of these states; without a selection, the newest such.
    fn chosen(&self, states: &[MessageStatus]) -> Option<ClientMsgId> {
        let open = self.open.as_ref()?;
        let fits = |name: Option<ClientMsgId>| {
            open.messages
                .iter()
                .rev()
                .find(|message| name.is_none_or(|name| name == message.name) && states.contains(&message.status))
        };
        fits(open.selected).map(|message| message.name)
    }

    fn select_message(&mut self, by: isize) {
        let Some(open) = &mut self.open else { return };
        let Some(last) = open.messages.len().checked_sub(1) else { return };
        let now = open.selected.and_then(|name| open.messages.iter().position(|message| message.name == name));
        let next = match now {
            None => last,
            Some(at) => at.saturating_add_signed(by).min(last),
        };
        let at_first = now == Some(0) && by < 0;
        open.selected = open.messages.get(next).map(|message| message.name);
        open.jump = open.selected;
        if at_first {
            self.load_older();
        }
    }

    fn on_paste(&mut self, text: &str) {
        match &mut self.sheet {
            None => {
                if self.open.is_some() && !self.accept_first() {
                    self.focus = Focus::Composer;
                    self.composer.insert(text);
                }
            }
            Some(Sheet::New(field)) => field.insert(text.trim()),
            Some(Sheet::Group(GroupSheet { adding: Some(field), .. })) => field.insert(text.trim()),
            Some(Sheet::Search(search)) => {
                search.field.insert(&text.replace('\n', " "));
                self.search();
            }
            Some(Sheet::Message(
                MessageSheet::React { field, .. }
                | MessageSheet::Timer { field, .. }
                | MessageSheet::Forward(ForwardSheet { field, .. }),
            )) => field.insert(text.trim()),
            Some(Sheet::Report(ReportSheet { comment, .. })) => comment.insert(&text.trim().replace('\n', " ")),
            Some(Sheet::Settings(_)) => self.paste_setting(text),
            Some(_) => {}
        }
    }

    fn on_sheet_key(&mut self, key: KeyEvent) {
        if let Some(Sheet::Group(_)) = self.sheet {
            return self.on_group_key(key);
        }
        if let Some(Sheet::Settings(_)) = self.sheet {
            return self.on_settings_key(key);
        }
        if key.code == KeyCode::Esc {
            self.sheet = None;
            return;
        }
        match &mut self.sheet {
            Some(Sheet::Help) => self.sheet = None,
            Some(Sheet::New(field)) => {
                if key.code == KeyCode::Enter {
                    let text = field.text().to_string();
                    self.start_conversation(&text);
                } else {
                    edit(field, key);
                }
            }
            Some(Sheet::Search(search)) => match key.code {
                KeyCode::Up => search.selected = search.selected.saturating_sub(1),
                KeyCode::Down => search.selected = (search.selected + 1).min(search.hits.len().saturating_sub(1)),
                KeyCode::Enter => {
                    if let Some(hit) = search.hits.get(search.selected).cloned() {
                        self.sheet = None;
                        self.jump_to(hit);
                    }
                }
                _ => {
                    edit(&mut search.field, key);
                    self.search();
                }
            },
            Some(Sheet::Safety { digits, contact }) if key.code == KeyCode::Char('v') => {
                let (who, verified) = (Who::Account(contact.account), !contact.verified);
                // Those on the sheet: what the person compared, whatever the server has shown since.
                let safety_number = verified.then(|| digits.clone());
                self.ask(Why::Verify, Command::SetVerified { who, verified, safety_number });
            }
            Some(Sheet::ConfirmBlock(contact)) if key.code == KeyCode::Char('y') => {
                let (who, blocked) = (Who::Account(contact.account), !contact.blocked);
                self.ask(Why::Contact, Command::SetBlocked { who, blocked });
                self.sheet = None;
            }
            Some(Sheet::ConfirmDelete(conversation, _)) if key.code == KeyCode::Char('y') => {
                let conversation = *conversation;
                self.sheet = None;
                self.ask(Why::Act, Command::DeleteConversation { conversation });
            }
            Some(Sheet::Message(_)) => self.on_message_sheet_key(key),
            Some(Sheet::Report(_)) => self.on_report_key(key),
            Some(
                Sheet::Safety { .. }
                | Sheet::ConfirmBlock(_)
                | Sheet::ConfirmDelete(..)
                | Sheet::Group(_)
                | Sheet::Settings(_),
            )
            | None => {}
        }
    }

    fn start_conversation(&mut self, text: &str) {
        if text.trim().eq_ignore_ascii_case("me") {
            self.sheet = None;
            return self.find(Who::Me);
        }
        match Username::parse(text) {
            Ok(name) => {
                self.sheet = None;
                self.find(Who::Name(name));
            }
            Err(error) => self.notice = Some(shorten(&error.to_string(), 80)),
        }
    }

    fn search(&mut self) {
        let Some(Sheet::Search(search)) = &mut self.sheet else { return };
        let query = search.field.text().to_string();
        if query.trim().is_empty() {
            search.hits.clear();
            return;
        }
        self.ask(Why::Search(query.clone()), Command::Search { query, conversation: None, limit: HITS });
    }

    fn on_mouse(&mut self, mouse: MouseEvent) {
        if self.sheet.is_some() {
            return;
        }
        let at = Position::new(mouse.column, mouse.row);
        let on_list = self.view.list.contains(at);
        match mouse.kind {
            MouseEventKind::ScrollUp if on_list => self.selected = self.selected.saturating_sub(1),
            MouseEventKind::ScrollDown if on_list => {
                self.selected = (self.selected + 1).min(self.conversations.len().saturating_sub(1));
            }
            MouseEventKind::ScrollUp => self.scroll_up(WHEEL_LINES),
            MouseEventKind::ScrollDown => self.scroll_down(WHEEL_LINES),
            MouseEventKind::Down(_) if on_list => {
                let line = mouse.row - self.view.list.y;
                let hit = self.view.rows.iter().find(|(top, _)| (*top..top + 2).contains(&line));
                if let Some((_, index)) = hit.filter(|(_, index)| *index < self.conversations.len()) {
                    self.selected = *index;
                    self.open_selected();
                    self.focus_open();
                }
            }
            MouseEventKind::Down(_) if self.view.messages.contains(at) => self.focus = Focus::Messages,
            MouseEventKind::Down(_) if self.open.is_some() && mouse.row >= self.view.messages.bottom() => {
                self.focus = Focus::Composer;
            }
            _ => {}
        }
    }
}

/// A field of one line.
pub fn edit(field: &mut super::composer::Composer, key: KeyEvent) {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('w') if control => field.delete_word(),
        KeyCode::Char('u') if control => drop(field.take()),
        KeyCode::Char(c) if !control => field.insert(c.encode_utf8(&mut [0; 4])),
        KeyCode::Backspace => field.backspace(),
        KeyCode::Delete => field.delete(),
        KeyCode::Left => field.left(),
        KeyCode::Right => field.right(),
        KeyCode::Home => field.home(),
        KeyCode::End => field.end(),
        _ => {}
    }
}
