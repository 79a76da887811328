//! Draws the app. Reads `App` and writes back only `view`: what is where, for the mouse and for loading older pages.
//! Always true: every text from the network is cleaned; lines are cut by columns, so wide characters never break a frame.

use super::state::{App, Focus, OpenConversation, Sheet, View};
use super::wrap::{shorten, wrap};
use crate::commands::contacts::{conversation_name, digit_lines, name_of};
use crate::commands::show::time_of;
use crate::text::{clean, clean_line, clock, day, day_title};
use crate::ticks::{stand_in, tick};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Borders, Clear, Paragraph};
use sotto_engine::api::{ConnectionView, ContactView, ConversationView, MessageBody, MessageStatus, MessageView};
use sotto_types::MessageId;
use unicode_width::UnicodeWidthStr;

/// Below this many columns one pane is shown at a time.
const NARROW: u16 = 64;
const COMPOSER_LINES: u16 = 5;
/// "14:05 › "
const GUTTER: usize = 8;

struct Theme {
    colour: bool,
}

impl Theme {
    fn fg(&self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    fn dim(&self) -> Style {
        // Not DarkGray: it is invisible in some themes.
        Style::new().add_modifier(Modifier::DIM)
    }

    fn bold(&self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    fn warn(&self) -> Style {
        self.fg(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    fn tick(&self, status: MessageStatus) -> Style {
        match status {
            MessageStatus::Read => self.fg(Color::LightBlue).add_modifier(Modifier::BOLD),
            MessageStatus::Failed | MessageStatus::Held => self.warn(),
            _ => self.dim(),
        }
    }
}

pub fn draw(frame: &mut Frame<'_>, app: &mut App) {
    let area = frame.area();
    let theme = Theme { colour: app.colour };
    app.view = View { narrow: area.width < NARROW, ..View::default() };
    if area.width < 20 || area.height < 5 {
        frame.render_widget(Paragraph::new("too small"), area);
        return;
    }
    let [main, status] = Layout::vertical([Constraint::Min(1), Constraint::Length(1)]).areas(area);
    if app.view.narrow {
        if app.focus == Focus::List || app.open.is_none() {
            list(frame, app, &theme, main);
        } else {
            conversation(frame, app, &theme, main);
        }
    } else {
        let [left, right] =
            Layout::horizontal([Constraint::Length((area.width / 3).clamp(20, 34)), Constraint::Min(1)]).areas(main);
        list(frame, app, &theme, left);
        conversation(frame, app, &theme, right);
    }
    status_bar(frame, app, &theme, status);
    sheet(frame, app, &theme, main);
}

fn put(frame: &mut Frame<'_>, area: Rect, row: u16, line: Line<'_>) {
    if row < area.height {
        frame.render_widget(Paragraph::new(line), Rect { y: area.y + row, height: 1, ..area });
    }
}

fn list(frame: &mut Frame<'_>, app: &mut App, theme: &Theme, area: Rect) {
    let active = app.focus == Focus::List;
    let title = match &app.me {
        Some(me) => format!(" @{} ", me.username),
        None => " sotto ".into(),
    };
    let border = if active { theme.bold() } else { theme.dim() };
    let borders = if app.view.narrow { Borders::TOP } else { Borders::TOP | Borders::RIGHT };
    let block = Block::new().borders(borders).border_style(border).title(Span::styled(title, theme.bold()));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    app.view.list = inner;
    if app.conversations.is_empty() {
        put(frame, inner, 0, Line::from("No conversations yet."));
        put(frame, inner, 1, Line::styled("n: new · m: note to self", theme.dim()));
        return;
    }
    let rows = usize::from(inner.height / 2).max(1);
    app.view.first_row = (app.selected + 1).saturating_sub(rows);
    let shown = app.conversations.iter().enumerate().skip(app.view.first_row).take(rows);
    for (row, (index, conversation)) in (0u16..).zip(shown) {
        let selected = index == app.selected;
        let lines = list_lines(conversation, usize::from(inner.width), app.now_ms, theme);
        for (offset, line) in (0u16..).zip(lines) {
            let line =
                if selected && active { line.style(Style::new().add_modifier(Modifier::REVERSED)) } else { line };
            put(frame, inner, row * 2 + offset, line);
        }
    }
}

fn list_lines(conversation: &ConversationView, width: usize, now_ms: u64, theme: &Theme) -> [Line<'static>; 2] {
    let name = match conversation.is_me {
        true => "Note to self".into(),
        false => conversation_name(conversation.contact.as_ref(), &conversation.title),
    };
    let mark = contact_mark(conversation.contact.as_ref());
    let time = conversation.last.as_ref().map(|last| {
        let at = time_of(last);
        if day_title(at, now_ms) == "Today" {
            clock(at)
        } else {
            day(at).split(' ').skip(1).take(2).collect::<Vec<_>>().join(" ")
        }
    });
    let time = time.unwrap_or_default();
    let unread = if conversation.unread > 0 { format!(" {} ", conversation.unread) } else { String::new() };
    let name = shorten(&format!("{name}{mark}"), width.saturating_sub(time.width() + 1));
    let gap = " ".repeat(width.saturating_sub(name.width() + time.width()));
    let style = if conversation.unread > 0 { theme.bold() } else { Style::new() };
    let first = Line::from(vec![Span::styled(name, style), Span::raw(gap), Span::styled(time, theme.dim())]);
    let (tick_text, preview) = match &conversation.last {
        None => ("", String::new()),
        Some(last) => (
            tick(last.status),
            match &last.body {
                MessageBody::Text { body } => clean_line(body),
                other => stand_in(other).unwrap_or_default().into(),
            },
        ),
    };
    let status = conversation.last.as_ref().map_or(MessageStatus::Received, |last| last.status);
    let lead = match status {
        _ if tick_text.is_empty() => String::new(),
        // Else the preview would begin with "read".
        MessageStatus::Read => format!("{tick_text} · "),
        _ => format!("{tick_text} "),
    };
    let room = width.saturating_sub(lead.width() + unread.width());
    let preview = shorten(&preview, room);
    let gap = " ".repeat(room.saturating_sub(preview.width()));
    let badge = theme.fg(Color::Green).add_modifier(Modifier::BOLD | Modifier::REVERSED);
    let second = Line::from(vec![
        Span::styled(lead, theme.tick(status)),
        Span::styled(preview, theme.dim()),
        Span::raw(gap),
        Span::styled(unread, badge),
    ]);
    [first, second]
}

fn contact_mark(contact: Option<&ContactView>) -> &'static str {
    match contact {
        Some(ContactView { blocked: true, .. }) => " (blocked)",
        Some(ContactView { key_changed: true, .. }) => " ⚠",
        Some(ContactView { verified: true, .. }) => " ✔",
        _ => "",
    }
}

fn conversation(frame: &mut Frame<'_>, app: &mut App, theme: &Theme, area: Rect) {
    let Some(open) = &mut app.open else {
        let middle = Rect { y: area.y + area.height / 2, height: 1, ..area };
        frame.render_widget(Paragraph::new("Choose a conversation, or n for a new one.").centered(), middle);
        return;
    };
    let laid = app.composer.lay(usize::from(area.width.saturating_sub(2)));
    let rows = u16::try_from(laid.lines.len()).unwrap_or(COMPOSER_LINES).clamp(1, COMPOSER_LINES);
    let blocked = open.contact.as_ref().is_some_and(|contact| contact.blocked);
    let key_changed = open.contact.as_ref().is_some_and(|contact| contact.key_changed);
    let banner = u16::from(key_changed || blocked);
    let [head, messages, alert, field] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(banner),
        Constraint::Length(rows + 1),
    ])
    .areas(area);
    let name = match open.is_me {
        true => "Note to self".into(),
        false => conversation_name(open.contact.as_ref(), &open.title),
    };
    let mark = contact_mark(open.contact.as_ref());
    let title = shorten(&format!(" {name}{mark} "), usize::from(head.width));
    let rule = "─".repeat(usize::from(head.width).saturating_sub(title.width()));
    let rule_style = if app.focus == Focus::Messages { theme.bold() } else { theme.dim() };
    put(frame, head, 0, Line::from(vec![Span::styled(title, theme.bold()), Span::styled(rule, rule_style)]));
    app.view.messages = messages;
    let shown = message_pane(frame, open, theme, messages, app.now_ms, app.focus == Focus::Messages);
    app.view.at_top = shown.oldest;
    app.view.seen = shown.read_up_to.map(|up_to| (open.conversation, up_to));
    if banner > 0 {
        let text = if blocked {
            "Blocked: b to unblock".to_string()
        } else {
            "⚠ The safety number changed. s: compare, a: accept (from the messages)".to_string()
        };
        put(frame, alert, 0, Line::styled(shorten(&text, usize::from(alert.width)), theme.warn()));
    }
    let active = app.focus == Focus::Composer;
    let border = if active { theme.bold() } else { theme.dim() };
    let block = Block::new().borders(Borders::TOP).border_style(border);
    let inner = block.inner(field);
    frame.render_widget(block, field);
    let skip = (laid.row + 1).saturating_sub(usize::from(rows));
    if app.composer.is_empty() && !active {
        put(frame, inner, 0, Line::styled("Enter: write", theme.dim()));
    }
    for (row, line) in (0u16..).zip(laid.lines.iter().skip(skip).take(usize::from(rows))) {
        put(frame, inner, row, Line::from(format!(" {line}")));
    }
    if active && app.sheet.is_none() {
        let column = u16::try_from(laid.column + 1).unwrap_or(0).min(inner.width.saturating_sub(1));
        let row = u16::try_from(laid.row - skip).unwrap_or(0);
        frame.set_cursor_position(Position::new(inner.x + column, inner.y + row));
    }
}

/// Lines of one message; the tick stands after its last word.
fn message_lines(message: &MessageView, width: usize, theme: &Theme, selected: bool) -> Vec<Line<'static>> {
    let time = format!("{:>5} ", clock(time_of(message)));
    let (arrow, colour) = if message.from_me { ("› ", Color::Green) } else { ("‹ ", Color::Cyan) };
    let (text, style) = match &message.body {
        MessageBody::Text { body } => (clean(body), Style::new()),
        other @ MessageBody::Undecryptable => (stand_in(other).unwrap_or_default().into(), theme.dim()),
        other => (stand_in(other).unwrap_or_default().into(), theme.warn()),
    };
    let room = width.saturating_sub(GUTTER).max(1);
    let mut texts = wrap(&text, room);
    let mark = tick(message.status);
    let mark = match message.status {
        MessageStatus::Failed => format!("{mark} r: retry"),
        _ => mark.to_string(),
    };
    if texts.last().is_some_and(|last| !mark.is_empty() && last.width() + 1 + mark.width() > room) {
        texts.push(String::new());
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
        spans.push(Span::styled(text, style));
        if index == last && !mark.is_empty() {
            spans.push(Span::raw(" "));
            spans.push(Span::styled(mark.clone(), theme.tick(message.status)));
        }
        lines.push(Line::from(spans));
    }
    if let Some(note) = &message.note {
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

/// What of a conversation can be seen.
#[derive(Default)]
struct Shown {
    /// The oldest loaded line.
    oldest: bool,
    /// The newest message of somebody else whose end is there.
    read_up_to: Option<MessageId>,
}

fn message_pane(
    frame: &mut Frame<'_>,
    open: &mut OpenConversation,
    theme: &Theme,
    area: Rect,
    now_ms: u64,
    selecting: bool,
) -> Shown {
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    if width == 0 || height == 0 {
        return Shown::default();
    }
    if open.messages.is_empty() {
        let text = if open.loading { "" } else { "Nothing here yet. What you write is encrypted end to end." };
        for (row, line) in (0u16..).zip(wrap(text, width)) {
            put(frame, area, row, Line::styled(line, theme.dim()));
        }
        return Shown { oldest: true, read_up_to: None };
    }
    if let Some(name) = open.jump
        && let Some(index) = open.messages.iter().position(|message| message.name == name)
    {
        let below: usize = open.messages[index + 1..].iter().map(|message| message_height(message, width)).sum();
        open.scroll = below.saturating_sub(height / 2);
        open.jump = None;
    }
    // From the newest up, only as far as is seen. `lines` is in reverse.
    let mut lines: Vec<Line<'static>> = Vec::new();
    let mut oldest = true;
    // Ids of received messages, with how many lines are below their last one.
    let mut received: Vec<(usize, MessageId)> = Vec::new();
    for (index, message) in open.messages.iter().enumerate().rev() {
        received.extend(message.read_id().filter(|_| !message.from_me).map(|id| (lines.len(), id)));
        let selected = selecting && open.selected == Some(message.name);
        lines.extend(message_lines(message, width, theme, selected).into_iter().rev());
        let title = day_title(time_of(message), now_ms);
        let before = index.checked_sub(1).and_then(|index| open.messages.get(index));
        if before.is_none_or(|before| day_title(time_of(before), now_ms) != title) {
            lines.push(Line::styled(format!("── {title} ──"), theme.dim()).centered());
        }
        if lines.len() >= open.scroll + height && index > 0 {
            oldest = false;
            break;
        }
    }
    open.scroll = open.scroll.min(lines.len().saturating_sub(height));
    let on_screen = open.scroll..open.scroll.saturating_add(height);
    let read_up_to = received.iter().filter(|(below, _)| on_screen.contains(below)).map(|(_, id)| *id).max();
    let shown: Vec<Line<'static>> = lines.into_iter().skip(open.scroll).take(height).collect();
    // A short conversation stands at the bottom, near the field.
    let first = height.saturating_sub(shown.len());
    for (row, line) in shown.into_iter().rev().enumerate() {
        put(frame, area, u16::try_from(first + row).unwrap_or(u16::MAX), line);
    }
    if open.scroll > 0 {
        let text = format!(" ↓ {} lines, End ", open.scroll);
        let x = area.x + area.width.saturating_sub(u16::try_from(text.width()).unwrap_or(0));
        let hint = Rect { x, y: area.y + area.height - 1, width: area.x + area.width - x, height: 1 };
        frame.render_widget(Paragraph::new(text).style(Style::new().add_modifier(Modifier::REVERSED)), hint);
    }
    Shown { oldest, read_up_to }
}

fn status_bar(frame: &mut Frame<'_>, app: &App, theme: &Theme, area: Rect) {
    let (text, style) = match (&app.signed_out, app.connection) {
        (Some(why), _) => (format!("signed out: {}", clean_line(why)), theme.warn()),
        (None, ConnectionView::Connected { drained: true }) => ("● connected".into(), theme.fg(Color::Green)),
        (None, ConnectionView::Connected { drained: false }) => ("● receiving".into(), theme.fg(Color::Green)),
        (None, ConnectionView::Connecting) => ("○ connecting".into(), theme.dim()),
        (None, ConnectionView::Disconnected) => ("○ offline".into(), theme.warn()),
        (None, ConnectionView::Reconnecting { retry_at_ms, .. }) => {
            let wait = retry_at_ms.saturating_sub(app.now_ms).div_ceil(1000);
            (format!("○ offline, next try in {wait} s"), theme.warn())
        }
    };
    let hint = match (&app.notice, app.focus) {
        (Some(notice), _) => clean_line(notice),
        (None, Focus::Composer) => "Enter send · Alt+Enter line · Esc back · F1 help".into(),
        (None, _) => "? help · / search · n new · q quit".into(),
    };
    let width = usize::from(area.width);
    let text = shorten(&text, width);
    let hint = shorten(&hint, width.saturating_sub(text.width() + 2));
    let gap = " ".repeat(width.saturating_sub(text.width() + hint.width()));
    let hint_style = if app.notice.is_some() { theme.warn() } else { theme.dim() };
    let line = Line::from(vec![Span::styled(text, style), Span::raw(gap), Span::styled(hint, hint_style)]);
    frame.render_widget(Paragraph::new(line), area);
}

pub const HELP: &[(&str, &str)] = &[
    ("Tab, Esc", "between list, messages, field"),
    ("↑ ↓ PgUp PgDn", "move, scroll; End: newest"),
    ("Enter", "open, write, send"),
    ("Alt+Enter", "new line"),
    ("n, Ctrl+N", "new conversation"),
    ("m", "note to self"),
    ("/, Ctrl+F", "search"),
    ("r, d", "retry, remove the chosen message"),
    ("s", "safety number; v there: verify"),
    ("a", "accept a changed key"),
    ("b", "block, unblock"),
    ("?, F1", "this help"),
    ("q, Ctrl+C", "quit"),
];

fn sheet(frame: &mut Frame<'_>, app: &App, theme: &Theme, area: Rect) {
    let Some(sheet) = &app.sheet else { return };
    let wanted = match sheet {
        Sheet::Help => HELP.len() + 2,
        Sheet::New(_) | Sheet::ConfirmBlock(_) => 5,
        Sheet::Safety { .. } => 9,
        Sheet::Search(_) => usize::from(area.height),
    };
    let width = area.width.min(58);
    let height = u16::try_from(wanted).unwrap_or(u16::MAX).min(area.height);
    let place = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    let title = match sheet {
        Sheet::Help => " Keys ",
        Sheet::New(_) => " New conversation ",
        Sheet::Search(_) => " Search ",
        Sheet::Safety { .. } => " Safety number ",
        Sheet::ConfirmBlock(_) => " Block ",
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
            if search.hits.is_empty() && !search.field.is_empty() {
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
    }
}

fn field_line(frame: &mut Frame<'_>, area: Rect, row: u16, label: &str, field: &super::composer::Composer) {
    let room = usize::from(area.width).saturating_sub(label.width());
    // The end of a long text is what is being typed.
    let laid = field.lay(room.max(2));
    let text = laid.lines.get(laid.row).cloned().unwrap_or_default();
    put(frame, area, row, Line::from(format!("{label}{text}")));
    let column = u16::try_from(label.width() + laid.column).unwrap_or(0).min(area.width.saturating_sub(1));
    frame.set_cursor_position(Position::new(area.x + column, area.y + row));
}
