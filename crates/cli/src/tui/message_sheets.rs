//! Draws what is asked about a message: a reaction, whom to delete it for, where to forward it, how long to pin it, a vote; and
//! the timer of a conversation. Elsewhere: what the keys do is in `actions`.

use super::actions::{EMOJI, ForwardSheet, MessageSheet, PIN_FOR, TIMERS, VoteSheet};
use super::render::put;
use super::sheets::field_line;
use super::state::App;
use super::theme::Theme;
use super::wrap::shorten;
use crate::text::{clean_line, span};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

const BORDERS: usize = 2;

/// Rows that it takes, with its borders.
pub fn rows(app: &App, sheet: &MessageSheet) -> usize {
    BORDERS
        + match sheet {
            MessageSheet::React { .. } => 5,
            MessageSheet::Delete { .. } => 4,
            MessageSheet::Pin(_) => PIN_FOR.len() + 2,
            MessageSheet::Forward(_) => app.conversations.len() + 4,
            MessageSheet::Vote(sheet) => sheet.options.len() + 4,
            MessageSheet::Timer { .. } => TIMERS.len() + 4,
        }
}

pub const fn title(sheet: &MessageSheet) -> &'static str {
    match sheet {
        MessageSheet::React { .. } => " React ",
        MessageSheet::Delete { .. } => " Delete ",
        MessageSheet::Pin(_) => " Pin for ",
        MessageSheet::Forward(_) => " Forward ",
        MessageSheet::Vote(_) => " Vote ",
        MessageSheet::Timer { .. } => " Messages disappear after ",
    }
}

pub fn chosen(is: bool) -> Style {
    if is { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() }
}

pub fn text(frame: &mut Frame<'_>, area: Rect, row: u16, text: &str, style: Style) {
    put(frame, area, row, Line::styled(shorten(text, usize::from(area.width)), style));
}

pub fn foot(area: Rect) -> u16 {
    area.height.saturating_sub(1)
}

pub fn draw(frame: &mut Frame<'_>, app: &App, theme: &Theme, area: Rect, sheet: &MessageSheet) {
    match sheet {
        MessageSheet::React { selected, field, own, .. } => {
            let mut spans = Vec::new();
            for (index, emoji) in EMOJI.iter().enumerate() {
                spans.push(Span::styled(format!(" {}", index + 1), theme.dim()));
                spans.push(Span::styled(format!(" {emoji} "), chosen(index == *selected && field.is_empty())));
            }
            put(frame, area, 0, Line::from(spans));
            if let Some(own) = own {
                text(frame, area, 1, &format!("yours: {} · 0: take it back", clean_line(own)), theme.dim());
            }
            text(frame, area, foot(area), "1-6, ← → Enter, or type one · Esc: back", theme.dim());
            field_line(frame, area, 2, "Another one: ", field);
        }
        MessageSheet::Delete { everyone, .. } => {
            text(frame, area, 0, "m: for me, on all my devices", Style::new());
            let line = if *everyone { "e: for everyone" } else { "(for everyone: no longer, or not yours)" };
            text(frame, area, 1, line, if *everyone { theme.warn() } else { theme.dim() });
            text(frame, area, foot(area), "Esc: no", theme.dim());
        }
        MessageSheet::Pin(_) => {
            for (row, (_, time)) in (0u16..).zip(PIN_FOR) {
                text(frame, area, row, &format!("{}: {time}", row + 1), Style::new());
            }
            text(frame, area, foot(area), "Everybody sees it on top · Esc: no", theme.dim());
        }
        MessageSheet::Forward(sheet) => forward(frame, app, theme, area, sheet),
        MessageSheet::Vote(sheet) => vote(frame, theme, area, sheet),
        MessageSheet::Timer { selected, field, .. } => {
            for (row, (index, seconds)) in (0u16..).zip(TIMERS.iter().enumerate()) {
                let words = if *seconds == 0 { "off: messages stay".into() } else { span(u64::from(*seconds)) };
                text(frame, area, row, &format!("  {words}"), chosen(index == *selected && field.is_empty()));
            }
            text(frame, area, foot(area), "Enter: for everybody in it · Esc: back", theme.dim());
            field_line(frame, area, area.height.saturating_sub(3), "  or: ", field);
        }
    }
}

fn forward(frame: &mut Frame<'_>, app: &App, theme: &Theme, area: Rect, sheet: &ForwardSheet) {
    let shown = sheet.shown(&app.conversations);
    let rows = usize::from(area.height.saturating_sub(3)).max(1);
    let first = (sheet.selected + 1).saturating_sub(rows);
    let below = shown.iter().enumerate().skip(first).take(rows);
    for (row, (index, (conversation, name))) in (1u16..).zip(below) {
        let mark = if sheet.to.contains(&conversation.conversation) { "✔" } else { " " };
        text(frame, area, row, &format!("{mark} {name}"), chosen(index == sheet.selected));
    }
    if shown.is_empty() {
        text(frame, area, 1, "Nobody is called so.", theme.dim());
    }
    text(frame, area, foot(area), "Tab: choose several · Enter: send · Esc: back", theme.dim());
    field_line(frame, area, 0, "To: ", &sheet.field);
}

fn vote(frame: &mut Frame<'_>, theme: &Theme, area: Rect, sheet: &VoteSheet) {
    text(frame, area, 0, &sheet.question, theme.bold());
    let rows = usize::from(area.height.saturating_sub(3)).max(1);
    let first = (sheet.selected + 1).saturating_sub(rows);
    let below = sheet.options.iter().enumerate().skip(first).take(rows);
    for (row, (index, (option, is_chosen))) in (1u16..).zip(below) {
        let mark = if *is_chosen { "✔" } else { " " };
        text(frame, area, row, &format!("{mark} {} {option}", index + 1), chosen(index == sheet.selected));
    }
    let keys = match sheet.multiple {
        true => "Space: choose · Enter: vote · 0: none · Esc: back",
        false => "Enter: vote · 0: take it back · Esc: back",
    };
    text(frame, area, foot(area), keys, theme.dim());
}
