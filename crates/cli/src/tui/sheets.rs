//! What lies over the app: help, search, safety number, a group's people. Elsewhere: what is asked about a message is in
//! `message_sheets`, reports and settings are in `people_sheets`.

use super::group::{self, GroupSheet};
use super::message_sheets;
use super::people_sheets;
use super::render::put;
use super::state::{App, Sheet};
use super::theme::Theme;
use super::wrap::shorten;
use crate::commands::contacts::{conversation_name, digit_lines, name_of};
use crate::commands::show::time_of;
use crate::text::day;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear};
use unicode_width::UnicodeWidthStr;

pub const HELP: &[(&str, &str)] = &[
    ("Tab, Esc", "between list, messages, field"),
    ("↑ ↓ PgUp PgDn", "choose, scroll; End: newest"),
    ("Enter", "open, write, send"),
    ("Alt+Enter", "new line"),
    ("n, Ctrl+N; m", "new conversation; note to self"),
    ("/, Ctrl+F", "search; *: what you starred"),
    ("o", "your profile, and what others may see"),
    ("t, P", "let messages disappear; go to the pinned"),
    ("s", "safety number; v there: verify"),
    ("a, b", "accept a request, a changed key; block"),
    ("R, D", "report a person; delete a conversation"),
    ("p", "people of a group: add, remove, leave"),
    ("Tab after @", "complete a member's name"),
    ("?, F1; q", "this help; quit (Ctrl+C)"),
    ("", "With a message chosen:"),
    ("r, e, f", "reply, edit, forward"),
    ("+, v", "react, vote"),
    ("s, p", "star, pin"),
    ("d", "delete, for you or for everyone"),
    ("r, d", "retry, remove one that was not sent"),
];

pub fn sheet(frame: &mut Frame<'_>, app: &App, theme: &Theme, area: Rect) {
    let Some(sheet) = &app.sheet else { return };
    let wanted = match sheet {
        Sheet::Help => HELP.len() + 2,
        Sheet::New(_) | Sheet::ConfirmBlock(_) => 5,
        Sheet::ConfirmDelete(..) => 6,
        Sheet::Report(_) => people_sheets::REPORT_ROWS,
        Sheet::Settings(_) => people_sheets::SETTINGS_ROWS,
        Sheet::Safety { .. } => 9,
        Sheet::Search(_) => usize::from(area.height),
        Sheet::Group(_) => app.group_view().map_or(0, |view| view.members.len()) + 6,
        Sheet::Message(sheet) => message_sheets::rows(app, sheet),
    };
    let width = area.width.min(58);
    let height = u16::try_from(wanted).unwrap_or(u16::MAX).min(area.height);
    let place = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    let title = match sheet {
        Sheet::Help => " Keys ",
        Sheet::New(_) => " New conversation ",
        Sheet::Search(search) if search.starred => " Starred ",
        Sheet::Search(_) => " Search ",
        Sheet::Safety { .. } => " Safety number ",
        Sheet::ConfirmBlock(_) => " Block ",
        Sheet::ConfirmDelete(..) => " Delete ",
        Sheet::Report(_) => " Report ",
        Sheet::Settings(_) => " You, and what others may see ",
        Sheet::Group(_) => " People ",
        Sheet::Message(sheet) => message_sheets::title(sheet),
    };
    let block = Block::bordered().border_type(BorderType::Rounded).title(Span::styled(title, theme.bold()));
    let inner = block.inner(place);
    frame.render_widget(Clear, place);
    frame.render_widget(block, place);
    match sheet {
        Sheet::Help => {
            for (row, (key, what)) in (0u16..).zip(HELP) {
                let what = shorten(what, usize::from(inner.width).saturating_sub(15));
                put(
                    frame,
                    inner,
                    row,
                    Line::from(vec![Span::styled(format!("{key:<15}"), theme.bold()), Span::raw(what)]),
                );
            }
        }
        Sheet::New(field) => {
            field_line(frame, inner, 0, "Name: @", field);
            put(frame, inner, 2, Line::styled("Enter: open · Esc: back", theme.dim()));
        }
        Sheet::Search(search) => {
            field_line(frame, inner, 0, "Words: ", &search.field);
            let rows = usize::from(inner.height.saturating_sub(2) / 2).max(1);
            let first = (search.selected + 1).saturating_sub(rows);
            if search.hits.is_empty() && (search.starred || !search.field.is_empty()) {
                put(frame, inner, 2, Line::styled("Nothing found.", theme.dim()));
            }
            for (row, (index, hit)) in (0u16..).zip(search.hits.iter().enumerate().skip(first).take(rows)) {
                let chosen =
                    if index == search.selected { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
                let head =
                    format!("{} {}", day(time_of(&hit.message)), conversation_name(hit.contact.as_ref(), &hit.title));
                let head = shorten(&head, usize::from(inner.width));
                put(frame, inner, 2 + row * 2, Line::styled(head, theme.dim()).style(chosen));
                let text = crate::commands::history::highlight(&hit.snippet, |word| word.to_string());
                put(
                    frame,
                    inner,
                    3 + row * 2,
                    Line::styled(shorten(&format!("  {text}"), usize::from(inner.width)), chosen),
                );
            }
        }
        Sheet::Safety { digits, contact } => {
            put(frame, inner, 0, Line::from(shorten(&format!("With {}:", name_of(contact)), usize::from(inner.width))));
            for (row, line) in (2u16..).zip(digit_lines(digits)) {
                put(frame, inner, row, Line::styled(line, theme.bold()).centered());
            }
            let (state, key) =
                if contact.verified { ("✔ verified", "v: take off") } else { ("not verified", "v: they match") };
            put(frame, inner, 6, Line::from(format!("{state} · {key} · Esc: back")));
        }
        Sheet::ConfirmBlock(contact) => {
            let name = name_of(contact);
            let text = if contact.blocked {
                format!("Unblock {name}?")
            } else {
                format!("Block {name}? They will not be told.")
            };
            put(frame, inner, 0, Line::from(shorten(&text, usize::from(inner.width))));
            put(frame, inner, 2, Line::styled("y: yes · Esc: no", theme.dim()));
        }
        Sheet::ConfirmDelete(_, name) => people_sheets::delete(frame, theme, inner, name),
        Sheet::Report(sheet) => people_sheets::report(frame, theme, inner, sheet),
        Sheet::Settings(sheet) => people_sheets::settings(frame, theme, inner, sheet),
        Sheet::Group(sheet) => group_sheet(frame, app, theme, inner, sheet),
        Sheet::Message(sheet) => message_sheets::draw(frame, app, theme, inner, sheet),
    }
}

fn group_sheet(frame: &mut Frame<'_>, app: &App, theme: &Theme, area: Rect, sheet: &GroupSheet) {
    let Some(view) = app.group_view() else { return };
    let width = usize::from(area.width);
    let head = format!("{} · {} members", group::title(view), view.members.len());
    put(frame, area, 0, Line::styled(shorten(&head, width), theme.bold()));
    let foot = area.height.saturating_sub(2);
    let rows = usize::from(foot.saturating_sub(1)).max(1);
    let first = (sheet.selected + 1).saturating_sub(rows);
    for (row, (index, member)) in (1u16..).zip(view.members.iter().enumerate().skip(first).take(rows)) {
        let chosen = if index == sheet.selected { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
        let name = group::member_name(member);
        let role = group::role(member.role);
        let key = if member.key_changed { "  key changed: add again" } else { "" };
        let text = shorten(&format!("  {name}{role}{key}"), width);
        put(frame, area, row, Line::styled(text, chosen));
    }
    match (&sheet.adding, sheet.sure(view)) {
        (Some(field), _) => field_line(frame, area, foot, "Add: @", field),
        (None, Some(question)) => {
            put(frame, area, foot, Line::styled(shorten(&question, width), theme.warn()));
            put(frame, area, foot + 1, Line::styled("y: yes · Esc: no", theme.dim()));
        }
        (None, None) => {
            let keys = "a: add · x: remove · l: leave · Esc: back";
            put(frame, area, foot + 1, Line::styled(shorten(keys, width), theme.dim()));
        }
    }
}

pub fn field_line(frame: &mut Frame<'_>, area: Rect, row: u16, label: &str, field: &super::composer::Composer) {
    let room = usize::from(area.width).saturating_sub(label.width());
    // The end of a long text is what is being typed.
    let laid = field.lay(room.max(2));
    let text = laid.lines.get(laid.row).cloned().unwrap_or_default();
    put(frame, area, row, Line::from(format!("{label}{text}")));
    let column = u16::try_from(label.width() + laid.column).unwrap_or(0).min(area.width.saturating_sub(1));
    frame.set_cursor_position(Position::new(area.x + column, area.y + row));
}
