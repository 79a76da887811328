//! Groups on screen: the list, who wrote what, mentions, and the people of a group.

use super::super::samples::{
    account, contact, conversation, group_conversation, group_id, group_message, group_summary, group_view, person,
};
use super::super::state::{App, Focus, Sheet, Why};
use super::{commands, happen, me, press, rows, screen, text, type_text};
use crossterm::event::KeyCode;
use ratatui::style::{Color, Modifier, Style};
use sotto_engine::api::{
    Command, Event, GroupChange, GroupChangeView, GroupSummary, Mention, MessageBody, MessageView, Reply, Who,
};
use sotto_types::Username;

const GROUP: u8 = 0xa5;

fn mention(start: u32, length: u32, n: Option<u8>) -> Mention {
    Mention { start, length, account: n.map(account) }
}

fn mentioning(message: MessageView, mentions: Vec<Mention>, me: bool) -> MessageView {
    let MessageBody::Text { body, .. } = message.body else { panic!("a text") };
    MessageView { body: MessageBody::Text { body, mentions }, mentions_me: me, ..message }
}

/// The group is open, and its members are known.
fn in_group(messages: Vec<MessageView>, summary: GroupSummary) -> App {
    let mut app = App::new(super::NOON + 3_600_000, true);
    app.me = Some(me());
    let last = messages.last().cloned();
    let list = vec![group_conversation(summary, last, 0), conversation(contact(2, "bob"), None, 0)];
    app.on_answer(Why::List, Ok(Reply::Conversations { conversations: list }));
    app.open_selected();
    let of = group_id(GROUP).into();
    app.on_answer(Why::Newest(of), Ok(Reply::Messages { messages, more: false, newer: false }));
    let asked = commands(&mut app);
    assert!(asked.iter().any(|ask| matches!(ask, Command::Group { group } if *group == group_id(GROUP))), "{asked:?}");
    app.on_answer(Why::Group, Ok(Reply::Group { group: Box::new(group_view(GROUP, "Lunch")) }));
    app.focus = Focus::Composer;
    app
}

fn lunch(messages: Vec<MessageView>) -> App {
    in_group(messages, group_summary(GROUP, "Lunch"))
}

/// How a word is drawn.
fn style_of(app: &mut App, word: &str) -> Style {
    let buffer = screen(app, 100, 20);
    let (y, row) = rows(&buffer).into_iter().enumerate().rfind(|(_, row)| row.contains(word)).expect("shown");
    let x = unicode_width::UnicodeWidthStr::width(&row[..row.find(word).expect("shown")]);
    buffer[(u16::try_from(x).expect("small"), u16::try_from(y).expect("small"))].style()
}

#[test]
fn the_list_has_titles_authors_and_mentions() {
    let last = group_message(GROUP, 1, (3, "cem"), "at noon?");
    let mut unread = group_conversation(group_summary(GROUP, "Lu\x1bnch"), Some(last), 3);
    unread.mentioned = true;
    let mut gone = group_summary(0xb6, "Old");
    gone.my_role = None;
    let mut app = lunch(vec![]);
    let list = vec![unread, group_conversation(gone, None, 0)];
    app.on_answer(Why::List, Ok(Reply::Conversations { conversations: list }));
    let shown = text(&mut app, 80, 20);
    for wanted in ["Lu␛nch", "cem: at noon?", " @ 3 ", "Old (not in it)", "Lu␛nch · 3"] {
        assert!(shown.contains(wanted), "{wanted:?} in\n{shown}");
    }
}

#[test]
fn authors_are_named_and_changes_are_sentences() {
    let mut added = group_message(GROUP, 3, (2, "bob"), "");
    let change = GroupChangeView::Added { members: vec![person(3, "cem"), person(1, "ann")], more: 0 };
    added.body = MessageBody::GroupChange { change };
    added.note = Some("asked".into());
    let mut app = lunch(vec![
        group_message(GROUP, 1, (2, "b\u{202e}ob"), "hello"),
        group_message(GROUP, 2, (1, "ann"), "hi bob"),
        added,
    ]);
    let shown = text(&mut app, 100, 20);
    for wanted in ["‹ bob: hello", "› hi bob ✓", "· bob added cem and you"] {
        assert!(shown.contains(wanted), "{wanted:?} in\n{shown}");
    }
    assert!(!shown.contains("asked"), "the engine's own note\n{shown}");
    let name = style_of(&mut app, "bob: hello");
    assert_eq!((name.fg, name.add_modifier.contains(Modifier::BOLD)), (Some(Color::Cyan), true));
}

#[test]
fn mentions_stand_out_and_those_of_me_more() {
    let mut app = lunch(vec![
        mentioning(group_message(GROUP, 1, (2, "bob"), "\u{1F600} @cem knows"), vec![mention(3, 4, Some(3))], false),
        mentioning(group_message(GROUP, 2, (2, "bob"), "@ann too"), vec![mention(0, 4, Some(1))], true),
        group_message(GROUP, 3, (2, "bob"), "mail@cem.org"),
    ]);
    assert_eq!(style_of(&mut app, "@cem knows").fg, Some(Color::Magenta));
    assert_eq!(style_of(&mut app, "@ann too").fg, Some(Color::Yellow));
    assert_eq!(style_of(&mut app, "@cem.org").fg, Some(Color::Reset));
    app.colour = false;
    assert!(style_of(&mut app, "@cem knows").add_modifier.contains(Modifier::BOLD));
}

#[test]
fn tab_completes_names_and_sending_finds_them() {
    let mut app = lunch(vec![]);
    type_text(&mut app, "hi @B");
    press(&mut app, KeyCode::Tab);
    assert_eq!((app.composer.text(), app.focus), ("hi @Bob ", Focus::Composer));
    type_text(&mut app, "@");
    press(&mut app, KeyCode::Tab);
    assert_eq!(app.notice.as_deref(), Some("@bob @cem @all"), "not oneself");
    type_text(&mut app, "zz");
    press(&mut app, KeyCode::Tab);
    assert!(app.notice.as_deref().is_some_and(|notice| notice.contains("@zz")), "{:?}", app.notice);
    (0..3).for_each(|_| press(&mut app, KeyCode::Backspace));
    type_text(&mut app, "and cem");
    press(&mut app, KeyCode::Tab);
    assert_eq!(app.focus, Focus::List, "without an @ it goes on to the next pane");
    app.focus = Focus::Composer;
    press(&mut app, KeyCode::Enter);
    match commands(&mut app).as_slice() {
        [Command::SendText { to: Who::Group(to), body, mentions, .. }] => {
            assert_eq!((*to, body.as_str()), (group_id(GROUP), "hi @Bob and cem"));
            assert_eq!(mentions.as_slice(), [mention(3, 4, Some(2))]);
        }
        other => panic!("{other:?}"),
    }
    // Before the members are known, nothing goes out as plain text.
    app.open.as_mut().expect("open").group_view = None;
    type_text(&mut app, "@bob");
    for key in [KeyCode::Tab, KeyCode::Enter] {
        press(&mut app, key);
        assert_eq!((app.composer.text(), app.focus), ("@bob", Focus::Composer));
        assert!(app.notice.is_some() && commands(&mut app).is_empty());
    }
    // A person's conversation has no members.
    app.open_person(contact(2, "bob"));
    app.focus = Focus::Composer;
    type_text(&mut app, "@c");
    press(&mut app, KeyCode::Tab);
    assert_eq!(app.focus, Focus::List);
}

#[test]
fn people_are_shown_added_removed_and_left() {
    let mut app = lunch(vec![]);
    let mut view = group_view(GROUP, "Lunch");
    view.members[2].key_changed = true;
    app.on_answer(Why::Group, Ok(Reply::Group { group: Box::new(view) }));
    app.focus = Focus::Messages;
    press(&mut app, KeyCode::Char('p'));
    commands(&mut app);
    let shown = text(&mut app, 80, 20);
    for wanted in ["Lunch · 3 members", "@ann  owner", "@bob  admin", "@cem  key changed", "a: add"] {
        assert!(shown.contains(wanted), "{wanted:?} in\n{shown}");
    }
    let changes = |app: &mut App| -> Vec<GroupChange> {
        commands(app)
            .into_iter()
            .filter_map(|command| match command {
                Command::ChangeGroup { change, .. } => Some(change),
                _ => None,
            })
            .collect()
    };
    press(&mut app, KeyCode::Down);
    press(&mut app, KeyCode::Char('x'));
    assert!(text(&mut app, 80, 20).contains("Remove @bob?"));
    press(&mut app, KeyCode::Char('n'));
    press(&mut app, KeyCode::Char('y'));
    assert_eq!(changes(&mut app), [], "it was not confirmed");
    press(&mut app, KeyCode::Char('x'));
    press(&mut app, KeyCode::Char('y'));
    assert_eq!(changes(&mut app), [GroupChange::Remove { members: vec![Who::Account(account(2))] }]);

    press(&mut app, KeyCode::Char('a'));
    type_text(&mut app, "x!");
    press(&mut app, KeyCode::Enter);
    assert!(changes(&mut app).is_empty() && app.notice.is_some(), "no name");
    (0..2).for_each(|_| press(&mut app, KeyCode::Backspace));
    type_text(&mut app, "dan");
    assert!(text(&mut app, 80, 20).contains("Add: @dan"));
    press(&mut app, KeyCode::Enter);
    let dan = Who::Name(Username::parse("dan").expect("valid"));
    assert_eq!(changes(&mut app), [GroupChange::Add { members: vec![dan] }]);

    press(&mut app, KeyCode::Char('l'));
    assert!(text(&mut app, 80, 20).contains("Leave Lunch?"));
    press(&mut app, KeyCode::Char('y'));
    assert_eq!(changes(&mut app), [GroupChange::Leave]);
    press(&mut app, KeyCode::Esc);
    assert!(app.sheet.is_none());
}

#[test]
fn the_sheet_fits_every_size_and_many_members() {
    for (width, height) in [(20, 5), (40, 10), (64, 12), (200, 60)] {
        for keys in ["", "a", "x", "l", "jjjjjjj"] {
            let mut app = lunch(vec![]);
            let mut view = group_view(GROUP, "Lunch");
            view.members = view.members.iter().cycle().take(1024).cloned().collect();
            app.on_answer(Why::Group, Ok(Reply::Group { group: Box::new(view) }));
            app.focus = Focus::Messages;
            press(&mut app, KeyCode::Char('p'));
            type_text(&mut app, keys);
            screen(&mut app, width, height);
            // Fewer by now: what was chosen is gone.
            app.on_answer(Why::Group, Ok(Reply::Group { group: Box::new(group_view(GROUP, "Lunch")) }));
            assert!(matches!(&app.sheet, Some(Sheet::Group(sheet)) if sheet.selected < 3));
            screen(&mut app, width, height);
        }
    }
}

#[test]
fn what_stops_writing_is_said() {
    type Change = fn(&mut GroupSummary);
    let cases: [(Change, &str); 4] = [
        (|group| group.alarm = Some("the server\x1b lies".into()), "⚠ the server␛ lies"),
        (|group| group.deleted = true, "This group is deleted"),
        (|group| group.my_role = None, "You are not in this group"),
        (|group| group.may_post = false, "Only admins write here"),
    ];
    for (change, want) in cases {
        let mut summary = group_summary(GROUP, "Lunch");
        change(&mut summary);
        let shown = text(&mut in_group(vec![], summary), 100, 20);
        assert!(shown.contains(want), "{want:?} in\n{shown}");
    }
}

#[test]
fn keys_on_their_way_are_counted() {
    let mut app = lunch(vec![]);
    let keys = |done| Event::GroupKeys { group: group_id(GROUP), done, total: 900 };
    happen(&mut app, keys(256));
    assert!(text(&mut app, 100, 20).contains("keys to the group's devices: 256 of 900"));
    happen(&mut app, keys(900));
    assert_eq!(app.notice, None);
    app.notice = Some("something else".into());
    happen(&mut app, keys(900));
    assert_eq!(app.notice.as_deref(), Some("something else"));
}

#[test]
fn a_change_of_the_open_group_is_looked_up() {
    let mut app = lunch(vec![]);
    happen(&mut app, Event::ConversationChanged { conversation: account(2).into() });
    let asks = |app: &mut App| commands(app).iter().any(|command| matches!(command, Command::Group { .. }));
    assert!(!asks(&mut app), "of another conversation");
    happen(&mut app, Event::ConversationChanged { conversation: group_id(GROUP).into() });
    assert!(asks(&mut app));
    app.find(Who::Group(group_id(0xb6)));
    assert!(matches!(commands(&mut app).as_slice(), [Command::Conversation { .. }]));
    let other = group_conversation(group_summary(0xb6, "Friday"), None, 0);
    app.on_answer(Why::Open, Ok(Reply::Conversation { conversation: Box::new(other) }));
    assert!(text(&mut app, 80, 20).contains("Friday · 3"));
    // The answer about the group that was open before does not disturb.
    app.on_answer(Why::Group, Ok(Reply::Group { group: Box::new(group_view(GROUP, "Lunch")) }));
    assert!(app.group_view().is_none());
}
