//! Draws a report, the question before a conversation is deleted, and the settings. Elsewhere: what the keys do is in `people`
//! and `settings`.

use super::message_sheets::{chosen, foot, text};
use super::people::{REASONS, ReportSheet};
use super::render::put;
use super::settings::{SETTINGS, SettingsSheet};
use super::sheets::field_line;
use super::theme::Theme;
use crate::commands::privacy::audience_name;
use crate::text::clean_line;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;
use sotto_engine::api::{Audience, ProfileChanges};

/// With the borders.
pub const REPORT_ROWS: usize = REASONS.len() + 9;
pub const SETTINGS_ROWS: usize = SETTINGS.len() + 8;

pub fn report(frame: &mut Frame<'_>, theme: &Theme, area: Rect, sheet: &ReportSheet) {
    text(frame, area, 0, &format!("{} is not told. The operator reads it as your", sheet.name), Style::new());
    text(frame, area, 1, "word, which nothing proves.", Style::new());
    for (row, (index, (_, reason))) in (2u16..).zip(REASONS.iter().enumerate()) {
        text(frame, area, row, &format!("  {reason}"), chosen(index == sheet.reason));
    }
    let shown = match &sheet.message {
        Some((_, words)) => format!("shown to them: {words}"),
        None => "no message is shown to them (choose one first: ↑)".into(),
    };
    text(frame, area, 5, &shown, theme.dim());
    let block = if sheet.block { "✔ block, too" } else { "  block, too" };
    text(frame, area, 6, block, Style::new());
    text(frame, area, foot(area), "↑ ↓ why · Tab: block · Enter: report · Esc: no", theme.dim());
    field_line(frame, area, 7, "Comment: ", &sheet.comment);
}

pub fn delete(frame: &mut Frame<'_>, theme: &Theme, area: Rect, name: &str) {
    text(frame, area, 0, &format!("Delete {name}, from all your devices?"), Style::new());
    text(frame, area, 1, "Others keep what they have.", theme.dim());
    put(frame, area, foot(area), Line::styled("y: yes · Esc: no", theme.dim()));
}

pub fn settings(frame: &mut Frame<'_>, theme: &Theme, area: Rect, sheet: &SettingsSheet) {
    for (row, (setting, name)) in (3u16..).zip(SETTINGS) {
        let line = match &sheet.privacy {
            None => format!("{name:<20} …"),
            Some(privacy) => {
                let (audience, except) = setting.of(privacy);
                // Only they may look in any case.
                let is_narrow = setting.is_for_contacts() && audience == Audience::Everyone;
                let audience = audience_name(if is_narrow { Audience::Contacts } else { audience });
                let except = if except > 0 { format!(", except {except}") } else { String::new() };
                format!("{name:<20} ‹ {audience}{except} ›")
            }
        };
        text(frame, area, row, &line, chosen(usize::from(row) == sheet.selected + 1));
    }
    let foot = foot(area);
    text(frame, area, foot.saturating_sub(2), "Hiding goes both ways. Exceptions: sotto privacy --help", theme.dim());
    let keys = match (sheet.unsaved() == ProfileChanges::default(), sheet.is_saving()) {
        (false, _) => "Enter: save · Esc: back, as it was",
        (true, true) => "saving…",
        (true, false) => "↑ ↓ choose · ← → change · Esc: back",
    };
    text(frame, area, foot, keys, theme.dim());
    // The one that is written in is drawn last: it has the cursor.
    let fields = [("Name:  ", &sheet.name, 0u16), ("About: ", &sheet.about, 1)];
    for (label, field, row) in fields {
        if usize::from(row) != sheet.selected {
            text(frame, area, row, &format!("{label}{}", clean_line(field.text())), Style::new());
        }
    }
    for (label, field, row) in fields {
        if usize::from(row) == sheet.selected {
            field_line(frame, area, row, label, field);
        }
    }
}
