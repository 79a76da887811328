//! One message as lines of the pane: wrapped, with its author's name in a group, formatted, and with what belongs to it: the
//! quote above, marks behind, poll options and reactions below.

use super::theme::Theme;
use super::wrap::{shorten, wrap};
use crate::commands::show::{is_message, time_of};
use crate::formatting;
use crate::shown::{self, Piece};
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

/// Lines that say who did what, by themselves.
const fn is_line(body: &MessageBody) -> bool {
    matches!(body, MessageBody::GroupChange { .. } | MessageBody::Timer { .. } | MessageBody::Deleted { .. })
}

fn marked(message: &MessageView, room: usize, theme: &Theme) -> (Marked, Style) {
    let mut marked = Marked::default();
    let is_quiet = matches!(message.body, MessageBody::Undecryptable) || is_line(&message.body);
    let is_said = matches!(
        message.body,
        MessageBody::Text { .. }
            | MessageBody::Poll { .. }
            | MessageBody::Location { .. }
            | MessageBody::ContactCard { .. }
            | MessageBody::Timer { .. }
    );
    for line in shown::above(message, room) {
        marked.push(&line, Some(theme.dim()));
        marked.push("\n", None);
    }
    if message.conversation.group().is_some() && !message.from_me && is_said {
        let name = shorten(&author(message), NAME);
        marked.push(&name, Some(theme.fg(Color::Cyan).add_modifier(Modifier::BOLD)));
        marked.push(": ", None);
    }
    let MessageBody::Text { body, mentions } = &message.body else {
        marked.push(&stand_in(message).unwrap_or_default(), None);
        let style = match () {
            () if is_quiet => theme.dim(),
            () if is_said => theme.bold(),
            () => theme.warn(),
        };
        return (marked, style);
    };
    for (part, look) in formatting::parts(body, mentions) {
        let style = theme.look(look, message.mentions_me);
        marked.push(&clean(part), (style != Style::new()).then_some(style));
    }
    (marked, Style::new())
}

/// What stands behind the last word: the tick, and what was done with the message.
fn tail(message: &MessageView, now_ms: u64, theme: &Theme) -> Vec<Span<'static>> {
    let mark = tick(message.status);
    let mark = match message.status {
        MessageStatus::Failed => format!("{mark} r: retry"),
        _ => mark.to_string(),
    };
    let mark = Some(mark).filter(|mark| !mark.is_empty());
    let mark = mark.map(|mark| Span::styled(mark, theme.tick(message.status)));
    let others = shown::marks(message, now_ms).into_iter().map(|mark| Span::styled(mark, theme.dim()));
    mark.into_iter().chain(others).collect()
}

/// What stands below: poll options, what is behind a link, reactions.
fn below(message: &MessageView, room: usize, theme: &Theme) -> Vec<Vec<Span<'static>>> {
    let span = |piece: Piece| Span::styled(piece.text, if piece.mine { theme.bold() } else { theme.dim() });
    let mut lines: Vec<Vec<Span<'static>>> =
        shown::below(message, room).into_iter().map(|piece| vec![span(piece)]).collect();
    let mut used = 0;
    for (index, piece) in shown::reactions(message).into_iter().enumerate() {
        let width = piece.text.width();
        match lines.last_mut().filter(|_| index > 0 && used + 2 + width <= room) {
            Some(line) => {
                line.extend([Span::raw("  "), span(piece)]);
                used += 2 + width;
            }
            None => {
                lines.push(vec![span(Piece { text: shorten(&piece.text, room), ..piece })]);
                used = width;
            }
        }
    }
    lines
}

fn columns(spans: &[Span<'_>]) -> usize {
    spans.iter().map(|span| span.content.width()).sum()
}

/// The tick and what else is marked stand after its last word.
pub fn message_lines(
    message: &MessageView,
    width: usize,
    now_ms: u64,
    theme: &Theme,
    selected: bool,
) -> Vec<Line<'static>> {
    let time = format!("{:>5} ", clock(time_of(message)));
    let (arrow, colour) = match message.body {
        ref body if is_line(body) => ("· ", Color::Reset),
        _ if message.from_me => ("› ", Color::Green),
        _ => ("‹ ", Color::Cyan),
    };
    let room = width.saturating_sub(GUTTER).max(1);
    let (text, style) = marked(message, room, theme);
    let mut texts = text.wrapped(room, style);
    for mark in tail(message, now_ms, theme) {
        match texts.last_mut().filter(|last| columns(last) + 1 + mark.content.width() <= room) {
            Some(last) if last.is_empty() => last.push(mark),
            Some(last) => last.extend([Span::raw(" "), mark]),
            None => texts.push(vec![mark]),
        }
    }
    texts.extend(below(message, room, theme));
    // That of a group's change is the engine's own.
    if let Some(note) = message.note.as_ref().filter(|_| is_message(message)) {
        texts.extend(wrap(&clean_line(note), room).into_iter().map(|text| vec![Span::styled(text, theme.warn())]));
    }
    let mut lines = Vec::with_capacity(texts.len());
    for (index, text) in texts.into_iter().enumerate() {
        let mut spans = match index {
            0 => vec![
                Span::styled(time.clone(), theme.dim()),
                Span::styled(arrow, theme.fg(colour).add_modifier(Modifier::BOLD)),
            ],
            _ => vec![Span::raw(" ".repeat(GUTTER))],
        };
        spans.extend(text);
        lines.push(Line::from(spans));
    }
    if selected {
        lines = lines.into_iter().map(|line| line.style(Style::new().add_modifier(Modifier::REVERSED))).collect();
    }
    lines
}

/// Rows a message takes in a pane of this width.
pub fn message_height(message: &MessageView, width: usize, now_ms: u64) -> usize {
    message_lines(message, width, now_ms, &Theme { colour: false }, false).len()
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
