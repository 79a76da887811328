//! Draws the app. Reads `App` and writes back only `view`: what is where, for the mouse and for loading older pages.
//! Always true: every text from the network is cleaned; lines are cut by columns, so wide characters never break a frame.

use super::actions::Writing;
use super::lines::{message_height, message_lines};
use super::sheets::sheet;
use super::state::{App, Focus, OpenConversation, View};
use super::theme::Theme;
use super::wrap::{shorten, wrap};
use crate::commands::contacts::{conversation_name, name_of};
use crate::commands::people::is_request;
use crate::commands::show::time_of;
use crate::text::{about as about_time, clean_line, clock, day, day_title};
use crate::ticks::{author, one_line, preview as preview_of, tick};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph};
use sotto_engine::api::{ConnectionView, ContactView, ConversationView, GroupSummary, MessageStatus};
use sotto_types::MessageId;
use unicode_width::UnicodeWidthStr;

/// Below this many columns one pane is shown at a time.
const NARROW: u16 = 64;
const COMPOSER_LINES: u16 = 5;
const BANNER_LINES: u16 = 4;
/// Columns of a pinned message's words in the bar.
const PINNED: usize = 40;

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

pub fn put(frame: &mut Frame<'_>, area: Rect, row: u16, line: Line<'_>) {
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
    let entries = entries(&app.conversations);
    let chosen = entries.iter().position(|entry| matches!(entry, Entry::Of(index) if *index == app.selected));
    let first = first_entry(&entries, chosen.unwrap_or(0), inner.height);
    let mut top = 0u16;
    for entry in &entries[first..] {
        if top + entry.height() > inner.height {
            break;
        }
        match entry {
            Entry::Title(title) => put(frame, inner, top, Line::styled(title.clone(), theme.warn())),
            Entry::Of(index) => {
                let Some(conversation) = app.conversations.get(*index) else { continue };
                let typing = app.typing_in(conversation.conversation);
                let lines = list_lines(conversation, typing, usize::from(inner.width), app.now_ms, theme);
                for (offset, line) in (0u16..).zip(lines) {
                    let is_chosen = *index == app.selected && active;
                    let line = if is_chosen { line.style(Style::new().add_modifier(Modifier::REVERSED)) } else { line };
                    put(frame, inner, top + offset, line);
                }
                app.view.rows.push((top, *index));
            }
        }
        top += entry.height();
    }
}

/// Of the list: a conversation, or what those below are.
enum Entry {
    Title(String),
    Of(usize),
}

impl Entry {
    const fn height(&self) -> u16 {
        match self {
            Self::Title(_) => 1,
            Self::Of(_) => 2,
        }
    }
}

fn entries(conversations: &[ConversationView]) -> Vec<Entry> {
    let requests = conversations.iter().take_while(|conversation| is_request(conversation)).count();
    let mut entries: Vec<Entry> = (0..conversations.len()).map(Entry::Of).collect();
    if requests > 0 {
        if requests < conversations.len() {
            entries.insert(requests, Entry::Title("Conversations".into()));
        }
        entries.insert(0, Entry::Title(format!("Requests ({requests})")));
    }
    entries
}

/// From where on they are shown, so that the chosen one is among them.
fn first_entry(entries: &[Entry], chosen: usize, height: u16) -> usize {
    let mut left = height;
    let mut first = chosen;
    for (at, entry) in entries.iter().enumerate().take(chosen + 1).rev() {
        match left.checked_sub(entry.height()) {
            Some(rest) => (left, first) = (rest, at),
            None => break,
        }
    }
    first
}

fn list_lines(
    conversation: &ConversationView,
    typing: Option<String>,
    width: usize,
    now_ms: u64,
    theme: &Theme,
) -> [Line<'static>; 2] {
    let name = match conversation.is_me {
        true => "Note to self".into(),
        false => conversation_name(conversation.contact.as_ref(), &conversation.title),
    };
    let mark = match &conversation.group {
        Some(group) => group_mark(group),
        None => contact_mark(conversation.contact.as_ref()),
    };
    let time = conversation.last.as_ref().map(|last| {
        let at = time_of(last);
        if day_title(at, now_ms) == "Today" {
            clock(at)
        } else {
            day(at).split(' ').skip(1).take(2).collect::<Vec<_>>().join(" ")
        }
    });
    let time = time.unwrap_or_default();
    let unread = match conversation.unread {
        0 => String::new(),
        n if conversation.mentioned => format!(" @ {n} "),
        n => format!(" {n} "),
    };
    let name = shorten(&format!("{name}{mark}"), width.saturating_sub(time.width() + 1));
    let gap = " ".repeat(width.saturating_sub(name.width() + time.width()));
    let style = if conversation.unread > 0 { theme.bold() } else { Style::new() };
    let first = Line::from(vec![Span::styled(name, style), Span::raw(gap), Span::styled(time, theme.dim())]);
    let types = typing.is_some();
    let (tick_text, preview) = match (typing, &conversation.last) {
        (Some(typing), _) => ("", typing),
        (None, None) => ("", String::new()),
        (None, Some(last)) => (tick(last.status), preview_of(last)),
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
        Span::styled(preview, if types { theme.fg(Color::Green) } else { theme.dim() }),
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

fn group_mark(group: &GroupSummary) -> &'static str {
    match group {
        GroupSummary { alarm: Some(_), .. } => " ⚠",
        GroupSummary { deleted: true, .. } => " (deleted)",
        GroupSummary { my_role: None, .. } => " (not in it)",
        _ => "",
    }
}

/// What stands above the field when writing is not as usual.
fn banner(open: &OpenConversation) -> Option<String> {
    if let Some(group) = &open.group {
        return match group.as_ref() {
            GroupSummary { alarm: Some(alarm), .. } => Some(format!("⚠ {}", clean_line(alarm))),
            GroupSummary { deleted: true, .. } => Some("This group is deleted".into()),
            GroupSummary { my_role: None, .. } => Some("You are not in this group".into()),
            GroupSummary { may_post: false, .. } => Some("Only admins write here".into()),
            _ => None,
        };
    }
    match open.contact.as_ref()? {
        contact if open.is_waiting() => Some(format!(
            "{} is new. They do not see that you read this. a: accept · b: block · R: report · D: delete",
            name_of(contact)
        )),
        ContactView { blocked: true, .. } => Some("Blocked: b to unblock".into()),
        ContactView { key_changed: true, .. } => {
            Some("⚠ The safety number changed. s: compare, a: accept (from the messages)".into())
        }
        _ => None,
    }
}

/// "📌 bob: at noon and 1 more · P: go there"
fn pinned_bar(open: &OpenConversation, now_ms: u64) -> Option<String> {
    let count = open.pinned_now(now_ms).count();
    let first = open.pinned_now(now_ms).next()?;
    let by = if first.from_me { "you".into() } else { author(first) };
    let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
    Some(format!(" 📌 {by}: {}{more} · P: go there", shorten(&one_line(first), PINNED)))
}

fn conversation(frame: &mut Frame<'_>, app: &mut App, theme: &Theme, area: Rect) {
    let status = app.header_status().map(|status| format!(" · {status}")).unwrap_or_default();
    let Some(open) = &mut app.open else {
        let middle = Rect { y: area.y + area.height / 2, height: 1, ..area };
        frame.render_widget(Paragraph::new("Choose a conversation, or n for a new one.").centered(), middle);
        return;
    };
    let laid = app.composer.lay(usize::from(area.width.saturating_sub(2)));
    let rows = u16::try_from(laid.lines.len()).unwrap_or(COMPOSER_LINES).clamp(1, COMPOSER_LINES);
    let banner = banner(open).map_or_else(Vec::new, |text| wrap(&text, usize::from(area.width)));
    let banner_rows = u16::try_from(banner.len()).unwrap_or(BANNER_LINES).min(BANNER_LINES);
    let pinned = pinned_bar(open, app.now_ms);
    let writing = match &app.writing {
        Writing::New => None,
        Writing::Reply(_, quote) => Some((quote.clone(), "  (Esc: no reply)")),
        Writing::Edit(..) => Some(("✎ another text for your message".into(), "  (Esc: leave it)")),
    };
    let [head, pin, messages, alert, about, field] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(u16::from(pinned.is_some())),
        Constraint::Min(1),
        Constraint::Length(banner_rows),
        Constraint::Length(u16::from(writing.is_some())),
        Constraint::Length(rows + 1),
    ])
    .areas(area);
    let name = open.name();
    let mark = match &open.group {
        Some(group) => format!("{} · {}", group_mark(group), group.members),
        None => contact_mark(open.contact.as_ref()).into(),
    };
    let timer = match open.timer_s {
        0 => String::new(),
        seconds => format!(" · ⏳ {}", about_time(u64::from(seconds) * 1000)),
    };
    let title = shorten(&format!(" {name}{mark}{timer}{status} "), usize::from(head.width));
    let rule = "─".repeat(usize::from(head.width).saturating_sub(title.width()));
    let rule_style = if app.focus == Focus::Messages { theme.bold() } else { theme.dim() };
    put(frame, head, 0, Line::from(vec![Span::styled(title, theme.bold()), Span::styled(rule, rule_style)]));
    if let Some(text) = pinned {
        put(frame, pin, 0, Line::styled(shorten(&text, usize::from(pin.width)), theme.dim()));
    }
    if let Some((text, advice)) = writing {
        let text = shorten(&text, usize::from(about.width).saturating_sub(advice.width()));
        put(frame, about, 0, Line::styled(format!("{text}{advice}"), theme.dim()));
    }
    app.view.messages = messages;
    let shown = message_pane(frame, open, theme, messages, app.now_ms, app.focus == Focus::Messages);
    app.view.at_top = shown.oldest;
    app.view.seen = shown.read_up_to.map(|up_to| (open.conversation, up_to));
    for (row, text) in (0u16..).zip(banner) {
        put(frame, alert, row, Line::styled(text, theme.warn()));
    }
    let active = app.focus == Focus::Composer;
    let border = if active { theme.bold() } else { theme.dim() };
    let block = Block::new().borders(Borders::TOP).border_style(border);
    let inner = block.inner(field);
    frame.render_widget(block, field);
    let skip = (laid.row + 1).saturating_sub(usize::from(rows));
    if open.is_waiting() {
        put(frame, inner, 0, Line::styled(" Accept first", theme.dim()));
    } else if app.composer.is_empty() && !active {
        put(frame, inner, 0, Line::styled(" Enter: write", theme.dim()));
    }
    let written = if app.composer.is_empty() { &[][..] } else { &laid.lines[..] };
    for (row, line) in (0u16..).zip(written.iter().skip(skip).take(usize::from(rows))) {
        put(frame, inner, row, Line::from(format!(" {line}")));
    }
    if active && app.sheet.is_none() {
        let column = u16::try_from(laid.column + 1).unwrap_or(0).min(inner.width.saturating_sub(1));
        let row = u16::try_from(laid.row - skip).unwrap_or(0);
        frame.set_cursor_position(Position::new(inner.x + column, inner.y + row));
    }
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
        let below: usize =
            open.messages[index + 1..].iter().map(|message| message_height(message, width, now_ms)).sum();
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
        lines.extend(message_lines(message, width, now_ms, theme, selected).into_iter().rev());
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
        (None, Focus::Composer) if app.in_group() => "Enter send · @ Tab name · Esc back · F1 help".into(),
        (None, Focus::Composer) => "Enter send · Alt+Enter line · Esc back · F1 help".into(),
        (None, Focus::Messages) if app.chosen_message().is_some() => {
            "r reply · + react · e edit · d delete · f s p v · ? help".into()
        }
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
