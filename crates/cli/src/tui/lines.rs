//! One message as lines of the pane: wrapped, with its author's name in a group, and mentions that stand out.

use super::theme::Theme;
use super::wrap::{shorten, wrap};
use crate::commands::show::{is_message, time_of};
use crate::mentions;
use crate::text::{clean, clean_line, clock};
use crate::ticks::{author, stand_in, tick};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use sotto_engine::api::{MessageBody, MessageStatus, MessageView};
use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// "14:05 › "
const GUTTER: usize = 8;
/// Columns of an author's name.
const NAME: usize = 24;

/// Text with parts that look different.
#[derive(Default)]
struct Marked {
    text: String,
    parts: Vec<(Range<usize>, Style)>,
}

impl Marked {
    fn push(&mut self, text: &str, style: Option<Style>) {
        let start = self.text.len();
        self.text.push_str(text);
        self.parts.extend(style.map(|style| (start..self.text.len(), style)));
    }

    fn style_at(&self, at: usize, plain: Style) -> Style {
        self.parts.iter().find(|(range, _)| range.contains(&at)).map_or(plain, |(_, style)| *style)
    }

    /// Wrapped; each line in spans of one style.
    fn wrapped(&self, width: usize, plain: Style) -> Vec<Vec<Span<'static>>> {
        let mut rest = self.text.grapheme_indices(true);
        let line = |line: String| {
            let mut spans: Vec<(String, Style)> = Vec::new();
            for shown in line.graphemes(true) {
                // Wrapping leaves out white space, and shows "?" for what is too wide; nothing else.
                let found = rest.find(|(_, original)| *original == shown || !original.trim().is_empty());
                let style = found.map_or(plain, |(at, _)| self.style_at(at, plain));
                match spans.last_mut() {
                    Some((text, last)) if *last == style => text.push_str(shown),
                    _ => spans.push((shown.to_owned(), style)),
                }
            }
            spans.into_iter().map(|(text, style)| Span::styled(text, style)).collect()
        };
        wrap(&self.text, width).into_iter().map(line).collect()
    }
}

fn marked(message: &MessageView, theme: &Theme) -> (Marked, Style) {
    let mut marked = Marked::default();
    if let Some(line) = stand_in(message) {
        marked.push(&line, None);
        let quiet = matches!(message.body, MessageBody::Undecryptable | MessageBody::GroupChange { .. });
        return (marked, if quiet { theme.dim() } else { theme.warn() });
    }
    let MessageBody::Text { body, mentions } = &message.body else { return (marked, Style::new()) };
    if message.conversation.group().is_some() && !message.from_me {
        let name = shorten(&author(message), NAME);
        marked.push(&name, Some(theme.fg(Color::Cyan).add_modifier(Modifier::BOLD)));
        marked.push(": ", None);
    }
    let mention =
        if message.mentions_me { theme.warn() } else { theme.fg(Color::Magenta).add_modifier(Modifier::BOLD) };
    for (part, is_mention) in mentions::parts(body, mentions) {
        marked.push(&clean(part), is_mention.then_some(mention));
    }
    (marked, Style::new())
}

/// The tick stands after its last word.
pub fn message_lines(message: &MessageView, width: usize, theme: &Theme, selected: bool) -> Vec<Line<'static>> {
    let time = format!("{:>5} ", clock(time_of(message)));
    let (arrow, colour) = match message.body {
        MessageBody::GroupChange { .. } => ("· ", Color::Reset),
        _ if message.from_me => ("› ", Color::Green),
        _ => ("‹ ", Color::Cyan),
    };
    let room = width.saturating_sub(GUTTER).max(1);
    let (text, style) = marked(message, theme);
    let mut texts = text.wrapped(room, style);
    let mark = tick(message.status);
    let mark = match message.status {
        MessageStatus::Failed => format!("{mark} r: retry"),
        _ => mark.to_string(),
    };
    let last_width = |spans: &Vec<Span<'_>>| spans.iter().map(|span| span.content.width()).sum::<usize>();
    if texts.last().is_some_and(|last| !mark.is_empty() && last_width(last) + 1 + mark.width() > room) {
        texts.push(Vec::new());
    }
    let last = texts.len().saturating_sub(1);
    let mut lines = Vec::new();
    for (index, text) in texts.into_iter().enumerate() {
        let mut spans = if index == 0 {
            vec![
                Span::styled(time.clone(), theme.dim()),
                Span::styled(arrow, theme.fg(colour).add_modifier(Modifier::BOLD)),
            ]
        } else {
            vec![Span::raw(" ".repeat(GUTTER))]
        };
        spans.extend(text);
        if index == last && !mark.is_empty() {
            spans.push(Span::raw(" "));
            spans.push(Span::styled(mark.clone(), theme.tick(message.status)));
        }
        lines.push(Line::from(spans));
    }
    // That of a group's change is the engine's own.
    if let Some(note) = message.note.as_ref().filter(|_| is_message(message)) {
        for text in wrap(&clean_line(note), room) {
            lines.push(Line::from(vec![Span::raw(" ".repeat(GUTTER)), Span::styled(text, theme.warn())]));
        }
    }
    if selected {
        lines = lines.into_iter().map(|line| line.style(Style::new().add_modifier(Modifier::REVERSED))).collect();
    }
    lines
}

/// Rows a message takes in a pane of this width.
pub fn message_height(message: &MessageView, width: usize) -> usize {
    message_lines(message, width, &Theme { colour: false }, false).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_keep_their_words_when_lines_wrap() {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        for width in 1..40 {
            let mut marked = Marked::default();
            marked.push("bob", Some(bold));
            marked.push(": pizza  today,\n\n日本 👩‍👩‍👧 ", None);
            marked.push("@ann", Some(bold));
            marked.push(" and ", None);
            marked.push("@cem", Some(bold));
            let lines = marked.wrapped(width, Style::new());
            let bold_text: String =
                lines.iter().flatten().filter(|span| span.style == bold).map(|span| span.content.as_ref()).collect();
            assert_eq!(bold_text, "bob@ann@cem", "at {width}");
            assert_eq!(lines.len(), wrap(&marked.text, width).len());
        }
    }
}
