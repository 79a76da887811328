//! Groups in the app: who is in the open one, the sheet that changes it, and names that complete themselves.
//! Flow: a group is opened or changed -> `ask_members` -> `on_group_view`; keys in the sheet -> `ChangeGroup` -> the same.

use super::composer::Composer;
use super::input::edit;
use super::state::{App, Sheet, Why};
use crate::mentions::ALL;
use crate::text::clean_line;
use crate::who::short_id;
use crossterm::event::{KeyCode, KeyEvent};
use sotto_engine::api::{Command, GroupChange, GroupMemberView, GroupRole, GroupView, Who};
use sotto_types::{AccountId, GroupId, Username};

/// The people of the open group.
#[derive(Debug, Default)]
pub struct GroupSheet {
    pub selected: usize,
    /// The name of somebody to be added.
    pub adding: Option<Composer>,
    /// Asked about, and not yet answered.
    asked: Option<Asked>,
}

#[derive(Debug, Clone, Copy)]
enum Asked {
    Remove(AccountId),
    Leave,
}

impl Asked {
    fn change(self) -> GroupChange {
        match self {
            Self::Remove(account) => GroupChange::Remove { members: vec![Who::Account(account)] },
            Self::Leave => GroupChange::Leave,
        }
    }
}

impl GroupSheet {
    /// The question that waits for an answer.
    pub fn sure(&self, view: &GroupView) -> Option<String> {
        Some(match self.asked? {
            Asked::Leave => format!("Leave {}?", title(view)),
            Asked::Remove(account) => {
                let member = view.members.iter().find(|member| member.account == account)?;
                format!("Remove {}?", member_name(member))
            }
        })
    }
}

pub fn title(view: &GroupView) -> String {
    view.title.as_deref().map_or_else(|| short_id(view.group), clean_line)
}

/// "@bob", or what else is known.
pub fn member_name(member: &GroupMemberView) -> String {
    match (&member.username, &member.display_name) {
        (Some(name), _) => format!("@{name}"),
        (None, Some(name)) => clean_line(name),
        (None, None) => member.account.to_string().chars().take(8).collect(),
    }
}

pub const fn role(role: GroupRole) -> &'static str {
    match role {
        GroupRole::Owner => "  owner",
        GroupRole::Admin => "  admin",
        GroupRole::Member => "",
    }
}

const KEYS: &str = "Giving keys to the group's devices";
/// Else a mention would go out as plain text.
pub const NOT_YET: &str = "Who is in the group is being looked up: again, please";

/// What all of them begin with.
fn common_start(names: &[&str]) -> String {
    let Some((first, others)) = names.split_first() else { return String::new() };
    let same = |at: usize, c: char| others.iter().all(|name| name[at..].starts_with(c));
    first.char_indices().take_while(|(at, c)| same(*at, *c)).map(|(_, c)| c).collect()
}

impl App {
    pub fn in_group(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.conversation.group().is_some())
    }

    /// The open group, with its members.
    pub fn group_view(&self) -> Option<&GroupView> {
        self.open.as_ref()?.group_view.as_deref()
    }

    /// Who is in the open group may have changed.
    pub fn ask_members(&mut self) {
        if let Some(group) = self.open.as_ref().and_then(|open| open.conversation.group()) {
            self.ask(Why::Group, Command::Group { group });
        }
    }

    pub fn on_group_view(&mut self, view: Box<GroupView>) {
        let Some(open) = self.open.as_mut().filter(|open| open.conversation == view.group.into()) else { return };
        if let Some(Sheet::Group(sheet)) = &mut self.sheet {
            sheet.selected = sheet.selected.min(view.members.len().saturating_sub(1));
        }
        open.group_view = Some(view);
    }

    /// A message to a group waits until every device has the key.
    pub fn on_group_keys(&mut self, done: u32, total: u32) {
        if done < total {
            self.notice = Some(format!("{KEYS}: {done} of {total}"));
        } else if self.notice.as_deref().is_some_and(|notice| notice.starts_with(KEYS)) {
            self.notice = None;
        }
    }

    pub fn show_people(&mut self) {
        if self.in_group() {
            self.ask_members();
            self.sheet = Some(Sheet::Group(GroupSheet::default()));
        }
    }

    /// Completes the "@na" before the cursor to a member's name. False if there is none: the key means something else.
    pub fn complete_name(&mut self) -> bool {
        let Some((before, typed)) = self.composer.to_cursor().rsplit_once('@') else { return false };
        let in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
        let is_name = typed.chars().all(in_name) && !before.chars().next_back().is_some_and(in_name);
        if !self.in_group() || !is_name {
            return false;
        }
        let Some(view) = self.group_view() else {
            self.notice = Some(NOT_YET.into());
            return true;
        };
        let start = typed.to_ascii_lowercase();
        let own = self.me.as_ref().map(|me| me.account);
        let others = view.members.iter().filter(|member| Some(member.account) != own);
        let names = others.filter_map(|member| member.username.as_ref().map(Username::as_str)).chain([ALL]);
        let fitting: Vec<&str> = names.filter(|name| name.starts_with(&start)).collect();
        let (rest, notice) = match fitting[..] {
            [] => (String::new(), Some(format!("Nobody here is called @{start}…"))),
            [name] => (format!("{} ", &name[start.len()..]), None),
            ref several => {
                let notice = several.iter().map(|name| format!("@{name}")).collect::<Vec<_>>().join(" ");
                (common_start(several)[start.len()..].to_owned(), Some(notice))
            }
        };
        self.composer.insert(&rest);
        self.notice = notice;
        true
    }

    pub fn on_group_key(&mut self, key: KeyEvent) {
        let view = self.group_view().map(|view| (view.group, view.members.len()));
        let (Some((group, count)), Some(Sheet::Group(sheet))) = (view, &mut self.sheet) else {
            self.sheet = None;
            return;
        };
        if sheet.adding.is_some() {
            return self.on_adding_key(group, key);
        }
        if let Some(asked) = sheet.asked.take() {
            // Every other key means no.
            if key.code == KeyCode::Char('y') {
                self.change(group, asked.change());
            }
            return;
        }
        match key.code {
            KeyCode::Esc => self.sheet = None,
            KeyCode::Up | KeyCode::Char('k') => sheet.selected = sheet.selected.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => sheet.selected = (sheet.selected + 1).min(count.saturating_sub(1)),
            KeyCode::Char('a') => sheet.adding = Some(Composer::default()),
            KeyCode::Char('l') => sheet.asked = Some(Asked::Leave),
            KeyCode::Char('x') | KeyCode::Delete => self.ask_to_remove(),
            _ => {}
        }
    }

    fn on_adding_key(&mut self, group: GroupId, key: KeyEvent) {
        let Some(Sheet::Group(GroupSheet { adding, .. })) = &mut self.sheet else { return };
        let Some(field) = adding else { return };
        match key.code {
            KeyCode::Esc => *adding = None,
            KeyCode::Enter => match Username::parse(field.text()) {
                Ok(name) => {
                    *adding = None;
                    self.change(group, GroupChange::Add { members: vec![Who::Name(name)] });
                }
                Err(error) => self.notice = Some(error.to_string()),
            },
            _ => edit(field, key),
        }
    }

    fn ask_to_remove(&mut self) {
        let Some(Sheet::Group(sheet)) = &self.sheet else { return };
        let member = self.group_view().and_then(|view| view.members.get(sheet.selected));
        let asked = member.map(|member| Asked::Remove(member.account));
        if let Some(Sheet::Group(sheet)) = &mut self.sheet {
            sheet.asked = asked;
        }
    }

    fn change(&mut self, group: GroupId, change: GroupChange) {
        self.ask(Why::Group, Command::ChangeGroup { group, change });
    }
}
