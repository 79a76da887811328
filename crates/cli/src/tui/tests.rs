//! The app drawn into memory: what is on screen, and what keys do.

mod groups;
mod messages;
mod people;

use super::render::draw;
use super::samples::{NOON, account, contact, conversation, me, message};
use super::state::{App, Ask, Focus, Sheet, Why};
use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};
use sotto_engine::api::{
    Command, ConnectionView, ConversationView, Event, HistoryPlace, MessageBody, MessageStatus as S, MessageView,
    Reply, SearchHit, Who,
};
use sotto_engine_native::Happening;

fn screen(app: &mut App, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("in memory");
    terminal.draw(|frame| draw(frame, app)).expect("draws");
    terminal.backend().buffer().clone()
}

fn rows(buffer: &Buffer) -> Vec<String> {
    let width = usize::from(buffer.area.width);
    // A wide character owns the cell after it, which holds a blank.
    let row = |cells: &[ratatui::buffer::Cell]| {
        let (mut text, mut skip) = (String::new(), 0);
        for cell in cells {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            text.push_str(cell.symbol());
            skip = unicode_width::UnicodeWidthStr::width(cell.symbol()).saturating_sub(1);
        }
        text.trim_end().to_string()
    };
    buffer.content.chunks(width).map(row).collect()
}

fn text(app: &mut App, width: u16, height: u16) -> String {
    rows(&screen(app, width, height)).join("\n")
}

fn chatting(messages: Vec<MessageView>) -> App {
    let mut app = App::new(NOON + 3_600_000, true);
    app.me = Some(me());
    app.connection = ConnectionView::Connected { drained: true };
    let last = messages.last().cloned();
    let list = vec![conversation(contact(2, "bob"), last, 0), conversation(contact(3, "carol"), None, 4)];
    app.on_answer(Why::List, Ok(Reply::Conversations { conversations: list }));
    app.open_person(contact(2, "bob"));
    app.on_answer(Why::Newest(account(2).into()), Ok(Reply::Messages { messages, more: false, newer: false }));
    app.focus = Focus::Composer;
    app.take_asks();
    app
}

fn press(app: &mut App, code: KeyCode) {
    app.on_input(Input::Key(KeyEvent::new(code, KeyModifiers::NONE)));
}

fn type_text(app: &mut App, text: &str) {
    text.chars().for_each(|c| press(app, KeyCode::Char(c)));
}

fn happen(app: &mut App, event: Event) {
    app.on_happening(Happening::Event(Box::new(event)));
}

fn all_commands(app: &mut App) -> Vec<Command> {
    app.take_asks().into_iter().map(|Ask { command, .. }| command).collect()
}

/// Without those that every key may give.
fn commands(app: &mut App) -> Vec<Command> {
    let is_aside = |command: &Command| matches!(command, Command::SetTyping { .. } | Command::WatchPeople { .. });
    all_commands(app).into_iter().filter(|command| !is_aside(command)).collect()
}

fn all_states() -> Vec<MessageView> {
    vec![
        message(1, false, "hello", S::Received),
        message(2, true, "pending", S::Pending),
        message(3, true, "sent", S::Sent),
        message(4, true, "delivered", S::Delivered),
        message(5, true, "seen", S::Read),
        message(6, true, "failed", S::Failed),
    ]
}

#[test]
fn two_panes_show_list_ticks_and_status() {
    let mut app = chatting(all_states());
    let text = text(&mut app, 80, 20);
    for wanted in [
        "@ann",
        "@bob",
        "@carol",
        " 4 ",
        "hello",
        "pending ○",
        "sent ✓",
        "delivered ✓✓\n",
        "seen ✓✓ read\n",
        "failed ⚠ r: retry",
        "── Today ──",
        "● connected",
        "Enter send",
    ] {
        assert!(text.contains(wanted), "{wanted:?} in\n{text}");
    }
}

#[test]
fn read_ticks_are_blue_and_differ_without_colours() {
    for colour in [true, false] {
        let mut app = chatting(all_states());
        app.colour = colour;
        let buffer = screen(&mut app, 80, 20);
        let style_of = |word: &str| {
            let (y, row) = rows(&buffer).into_iter().enumerate().find(|(_, row)| row.contains(word)).expect("shown");
            let x = row.chars().position(|c| c == '✓').expect("ticked");
            // The rows above hold only narrow characters, so columns are characters.
            buffer[(u16::try_from(x).expect("small"), u16::try_from(y).expect("small"))].style()
        };
        let (delivered, read) = (style_of("delivered"), style_of(" seen "));
        assert_eq!(read.fg == Some(Color::LightBlue), colour);
        assert_ne!(delivered.add_modifier, read.add_modifier);
        let coloured = buffer.content.iter().any(|cell| cell.fg != Color::Reset);
        assert_eq!(coloured, colour, "NO_COLOR means none at all");
    }
}

#[test]
fn every_size_draws_and_small_ones_show_one_pane() {
    for (width, height) in [(1, 1), (19, 4), (20, 5), (40, 10), (63, 12), (64, 12), (200, 60)] {
        for sheet in
            [None, Some(Sheet::Help), Some(Sheet::New(Default::default())), Some(Sheet::Search(Default::default()))]
        {
            let mut app = chatting(all_states());
            app.sheet = sheet;
            screen(&mut app, width, height);
        }
    }
    let mut app = chatting(all_states());
    let chat = text(&mut app, 40, 10);
    assert!(chat.contains("failed ⚠") && !chat.contains("@carol"), "{chat}");
    app.focus = Focus::List;
    let list = text(&mut app, 40, 10);
    assert!(list.contains("@carol") && !list.contains("failed ⚠"), "{list}");
}

#[test]
fn hostile_and_wide_text_stays_in_its_cells() {
    let mut app = chatting(vec![
        message(1, false, "\x1b[2J\x1b]0;gotcha\x07 \u{202e}evil\u{202c}", S::Received),
        message(2, false, &"日本語".repeat(30), S::Received),
        message(3, false, "שלום עולם مرحبا بالعالم", S::Received),
        message(4, false, "👩‍👩‍👧 e\u{301}", S::Received),
        message(5, false, "a\nb\nc", S::Received),
    ]);
    for width in [40, 64, 80, 81] {
        let buffer = screen(&mut app, width, 24);
        for cell in &buffer.content {
            assert!(
                !cell.symbol().chars().any(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c)),
                "{cell:?}"
            );
        }
        let text = rows(&buffer).join("\n");
        assert!(text.contains("␛[2J␛]0;gotcha␇ evil"), "{text}");
        assert!(text.contains("👩‍👩‍👧 e\u{301}"), "{text}");
        if width > 64 {
            let edge = usize::from((width / 3).clamp(20, 34)) - 1;
            let line = rows(&buffer);
            assert!(line[1..20].iter().all(|row| row.chars().nth(edge) == Some('│')), "the frame is whole\n{text}");
        }
    }
}

#[test]
fn days_key_changes_and_waiting_messages_have_their_lines() {
    let mut yesterday = message(1, false, "old", S::Received);
    yesterday.written_ms = NOON - 86_400_000;
    let mut waiting = message(2, false, "", S::Waiting);
    waiting.body = MessageBody::Undecryptable;
    let mut changed = message(3, false, "", S::Received);
    changed.body = MessageBody::KeyChanged { identity_key: "00".into() };
    let mut app = chatting(vec![yesterday, waiting, changed]);
    let mut bob = contact(2, "bob");
    bob.key_changed = true;
    happen(&mut app, Event::KeyChanged { contact: bob, was_verified: true });
    let text = text(&mut app, 100, 20);
    for wanted in
        ["Yesterday", "Today", "Waiting for this message", "safety number changed", "a: accept", "sending waits"]
    {
        assert!(text.contains(wanted), "{wanted:?} in\n{text}");
    }
}

#[test]
fn typing_and_enter_send_and_the_tick_follows() {
    let mut app = chatting(vec![]);
    type_text(&mut app, "hi");
    app.on_input(Input::Key(KeyEvent::new(KeyCode::Enter, KeyModifiers::ALT)));
    type_text(&mut app, "there");
    assert!(commands(&mut app).is_empty());
    press(&mut app, KeyCode::Enter);
    match commands(&mut app).as_slice() {
        [Command::SendText { to: Who::Account(to), body, name: None, .. }] => {
            assert_eq!((*to, body.as_str()), (account(2), "hi\nthere"));
        }
        other => panic!("{other:?}"),
    }
    assert!(app.composer.is_empty());
    let mut sent = message(9, true, "hi\nthere", S::Pending);
    app.on_answer(Why::Sent, Ok(Reply::Queued { message: sent.clone() }));
    assert!(text(&mut app, 80, 20).contains("there ○"));
    sent.status = S::Delivered;
    happen(&mut app, Event::MessageAdded { message: sent.clone(), backlog: false });
    happen(&mut app, Event::MessageChanged { message: sent });
    let text = text(&mut app, 80, 20);
    assert!(text.contains("there ✓✓"), "{text}");
    assert_eq!(app.open.as_ref().map(|open| open.messages.len()), Some(1), "once per name");
}

#[test]
fn drafts_stay_with_their_conversation() {
    let mut app = chatting(vec![]);
    type_text(&mut app, "for bob");
    app.open_person(contact(3, "carol"));
    assert!(app.composer.is_empty());
    type_text(&mut app, "for carol");
    app.open_person(contact(2, "bob"));
    assert_eq!(app.composer.text(), "for bob");
}

#[test]
fn messages_are_read_when_they_are_seen_and_not_before() {
    let unread = |app: &mut App| {
        let list = vec![conversation(contact(2, "bob"), None, 2)];
        app.on_answer(Why::List, Ok(Reply::Conversations { conversations: list }));
    };
    let reads = |app: &mut App| {
        app.mark_read();
        commands(app).iter().any(
            |command| matches!(command, Command::MarkRead { conversation, .. } if *conversation == account(2).into()),
        )
    };
    let mut app = chatting(vec![message(1, false, "x", S::Received)]);
    screen(&mut app, 80, 20);
    unread(&mut app);
    app.on_input(Input::FocusLost);
    assert!(!reads(&mut app), "nobody looks");
    app.on_input(Input::FocusGained);
    app.sheet = Some(Sheet::Help);
    assert!(!reads(&mut app), "covered");
    app.sheet = None;
    app.focus = Focus::List;
    screen(&mut app, 40, 10);
    assert!(!reads(&mut app), "a narrow screen shows the list");
    app.focus = Focus::Messages;
    screen(&mut app, 40, 10);
    assert!(reads(&mut app));
    assert!(!reads(&mut app), "once");
}

#[test]
fn only_what_was_on_screen_is_read() {
    for (scroll, want) in [(0, 30), (10, 20)] {
        let mut app = chatting((1..=30).map(|n| message(n, n % 2 == 1, "x", S::Received)).collect());
        app.open.as_mut().expect("open").scroll = scroll;
        assert_eq!(app.view.seen, None, "nothing was drawn");
        screen(&mut app, 80, 20);
        app.mark_read();
        let read: Vec<u64> = commands(&mut app)
            .into_iter()
            .filter_map(|command| match command {
                Command::MarkRead { up_to: Some(up_to), .. } => Some(up_to.get()),
                _ => None,
            })
            .collect();
        assert_eq!(read, [want], "{scroll} lines up");
    }
}

#[test]
fn scrolling_up_loads_older_pages_and_new_messages_do_not_push() {
    let page = |from: u64, to: u64| {
        (from..=to).map(|n| message(n, false, &format!("line {n:03}"), S::Received)).collect::<Vec<_>>()
    };
    let mut app = chatting(vec![]);
    app.on_answer(
        Why::Newest(account(2).into()),
        Ok(Reply::Messages { messages: page(101, 160), more: true, newer: false }),
    );
    assert!(text(&mut app, 80, 20).contains("line 160"));
    for _ in 0..6 {
        press(&mut app, KeyCode::PageUp);
        screen(&mut app, 80, 20);
    }
    let asked = commands(&mut app);
    assert!(matches!(asked.as_slice(), [Command::History { at: HistoryPlace::Before(101), .. }]), "once: {asked:?}");
    app.on_answer(
        Why::Older(account(2).into()),
        Ok(Reply::Messages { messages: page(41, 100), more: false, newer: false }),
    );
    let before = text(&mut app, 80, 20);
    assert!(before.contains("line 101") && !before.contains("line 160"), "{before}");
    happen(&mut app, Event::MessageAdded { message: message(161, false, "line 161", S::Received), backlog: false });
    let after = text(&mut app, 80, 20);
    assert!(after.contains("line 101"), "the view stands still\n{after}");
    app.focus = Focus::Messages;
    press(&mut app, KeyCode::End);
    assert!(text(&mut app, 80, 20).contains("line 161"));
}

#[test]
fn search_finds_and_jumps_to_the_message() {
    let page = |from: u64, to: u64| {
        (from..=to).map(|n| message(n, false, &format!("line {n:03}"), S::Received)).collect::<Vec<_>>()
    };
    let mut app = chatting(vec![]);
    app.on_answer(
        Why::Newest(account(2).into()),
        Ok(Reply::Messages { messages: page(500, 560), more: true, newer: false }),
    );
    app.focus = Focus::Messages;
    press(&mut app, KeyCode::Char('/'));
    type_text(&mut app, "line");
    let asks = app.take_asks();
    assert!(matches!(&asks.last().expect("asked").command, Command::Search { query, .. } if query == "line"));
    let hit = SearchHit {
        message: message(120, false, "line 120", S::Received),
        contact: Some(contact(2, "bob")),
        title: "bob".into(),
        snippet: "\u{1}line\u{2} 120".into(),
    };
    app.on_answer(Why::Search("lin".into()), Ok(Reply::Found { hits: vec![] }));
    app.on_answer(Why::Search("line".into()), Ok(Reply::Found { hits: vec![hit] }));
    assert!(text(&mut app, 80, 20).contains("line 120"));
    press(&mut app, KeyCode::Enter);
    assert!(app.sheet.is_none());
    assert!(matches!(commands(&mut app).as_slice(), [Command::History { at: HistoryPlace::Before(500), .. }]));
    app.on_answer(
        Why::Older(account(2).into()),
        Ok(Reply::Messages { messages: page(1, 499), more: false, newer: false }),
    );
    let shown = text(&mut app, 80, 20);
    assert!(shown.contains("line 120") && !shown.contains("line 560"), "{shown}");
}

#[test]
fn a_failed_message_is_retried_by_key() {
    let mut app = chatting(all_states());
    app.focus = Focus::Messages;
    press(&mut app, KeyCode::Char('r'));
    let failed = message(6, true, "failed", S::Failed).name;
    assert!(matches!(commands(&mut app).as_slice(), [Command::RetryMessage { name }] if *name == failed));
}

#[test]
fn the_safety_number_is_shown_and_verified() {
    let mut app = chatting(vec![]);
    app.focus = Focus::Messages;
    press(&mut app, KeyCode::Char('s'));
    assert!(matches!(commands(&mut app).as_slice(), [Command::SafetyNumber { .. }]));
    let reply = Reply::SafetyNumber {
        digits: "12345".repeat(12),
        qr: String::new(),
        verified: false,
        contact: contact(2, "bob"),
    };
    app.on_answer(Why::Safety, Ok(reply));
    let shown = text(&mut app, 80, 20);
    assert!(shown.contains("12345 12345 12345 12345") && shown.contains("not verified"), "{shown}");
    press(&mut app, KeyCode::Char('v'));
    let asked = commands(&mut app);
    let [Command::SetVerified { verified: true, safety_number: Some(digits), .. }] = asked.as_slice() else {
        panic!("{asked:?}")
    };
    assert_eq!(*digits, "12345".repeat(12), "the number on the sheet");
    assert!(!text(&mut app, 80, 20).contains("✔ verified"), "not before the engine says so");
    let verified = sotto_engine::api::ContactView { verified: true, ..contact(2, "bob") };
    app.on_answer(Why::Verify, Ok(Reply::Contact { contact: verified }));
    assert!(text(&mut app, 80, 20).contains("✔ verified"));
}

#[test]
fn a_new_conversation_needs_a_valid_name() {
    let mut app = chatting(vec![]);
    app.focus = Focus::List;
    press(&mut app, KeyCode::Char('n'));
    type_text(&mut app, "no such name");
    press(&mut app, KeyCode::Enter);
    assert!(app.take_asks().is_empty() && app.notice.is_some());
    app.sheet = None;
    press(&mut app, KeyCode::Char('n'));
    type_text(&mut app, "dave");
    press(&mut app, KeyCode::Enter);
    assert!(
        matches!(commands(&mut app).as_slice(), [Command::FindPerson { who: Who::Name(name) }] if name.as_str() == "dave")
    );
    app.on_answer(Why::Open, Ok(Reply::Contact { contact: contact(4, "dave") }));
    assert_eq!(app.open.as_ref().map(|open| open.conversation), Some(account(4).into()));
}

#[test]
fn the_list_is_asked_for_once_at_a_time() {
    let mut app = chatting(vec![]);
    for n in 0..100 {
        happen(&mut app, Event::MessageAdded { message: message(n, false, "x", S::Received), backlog: true });
    }
    let lists = |app: &mut App| commands(app).iter().filter(|c| matches!(c, Command::Conversations)).count();
    assert_eq!(lists(&mut app), 1);
    let empty: Vec<ConversationView> = Vec::new();
    app.on_answer(Why::List, Ok(Reply::Conversations { conversations: empty.clone() }));
    assert_eq!(lists(&mut app), 1, "again, for what came meanwhile");
    app.on_answer(Why::List, Ok(Reply::Conversations { conversations: empty }));
    assert_eq!(lists(&mut app), 0);
}

#[test]
fn the_status_bar_tells_the_connection() {
    let mut app = chatting(vec![]);
    let now = app.now_ms;
    for (connection, wanted) in [
        (ConnectionView::Connecting, "connecting"),
        (ConnectionView::Disconnected, "offline"),
        (ConnectionView::Reconnecting { retry_at_ms: now + 4_200, attempt: 3 }, "next try in 5 s"),
        (ConnectionView::Connected { drained: false }, "receiving"),
    ] {
        happen(&mut app, Event::Connection { connection });
        let shown = text(&mut app, 80, 12);
        assert!(shown.contains(wanted), "{wanted} in\n{shown}");
    }
    let style = screen(&mut app, 80, 12)[(0, 11)].style();
    assert!(!style.add_modifier.contains(Modifier::REVERSED));
}
