//! What people do with messages: replies, edits, reactions, pins, polls, timers.

use super::super::actions::{EMOJI, Writing};
use super::super::samples::{
    account, contact, conversation, group_conversation, group_id, group_summary, person, poll,
};
use super::super::state::{App, Focus, Sheet, Why};
use super::{chatting, commands, happen, message, press, rows, screen, text, type_text};
use crossterm::event::KeyCode;
use ratatui::style::{Color, Modifier, Style};
use sotto_engine::api::{
    Command, ConversationView, Event, MessageRef, MessageStatus as S, MessageView, QuoteView, ReactionView, Reply, Who,
};

const HOUR: u64 = 3_600_000;

/// The last of these messages is chosen.
fn choosing(messages: Vec<MessageView>) -> App {
    let mut app = chatting(messages);
    app.focus = Focus::Messages;
    press(&mut app, KeyCode::Up);
    app
}

fn said(n: u64, from_me: bool, words: &str) -> MessageView {
    message(n, from_me, words, if from_me { S::Sent } else { S::Received })
}

/// Own, and fresh.
fn own(n: u64, words: &str) -> MessageView {
    let mut own = said(n, true, words);
    own.extras.editable_until_ms = u64::MAX;
    own.extras.deletable_until_ms = u64::MAX;
    own
}

fn asked(n: u64, multiple: bool) -> MessageView {
    let mut asked = said(n, false, "");
    asked.body = poll("Where?", &[("Pizza", &[(1, "ann"), (3, "cem")]), ("Sushi", &[(2, "b\x1bob")])], multiple);
    asked
}

fn style_of(app: &mut App, word: &str) -> Style {
    let buffer = screen(app, 100, 24);
    let (y, row) = rows(&buffer).into_iter().enumerate().rfind(|(_, row)| row.contains(word)).expect("shown");
    let x = unicode_width::UnicodeWidthStr::width(&row[..row.find(word).expect("shown")]);
    buffer[(u16::try_from(x).expect("small"), u16::try_from(y).expect("small"))].style()
}

#[test]
fn everything_about_a_message_is_on_screen() {
    let mut reply = said(2, true, "yes");
    reply.extras.quote = Some(QuoteView {
        message: said(1, false, "").reference(),
        author: person(2, "bob"),
        text: Some("at 8?\x1b[2J".into()),
    });
    reply.extras.edited_ms = Some(1);
    reply.extras.starred = true;
    reply.extras.reactions = vec![
        ReactionView { emoji: "👍".into(), people: vec![person(1, "ann"), person(2, "bob")] },
        ReactionView { emoji: "🎉".into(), people: vec![person(2, "bob")] },
    ];
    let mut forwarded = said(3, false, "news");
    forwarded.extras.forwarded = true;
    forwarded.extras.expires_after_s = 86_400;
    forwarded.extras.expires_ms = Some(super::NOON + 3 * HOUR);
    let mut gone = said(4, false, "");
    gone.body = sotto_engine::api::MessageBody::Deleted { by: person(2, "bob") };
    let mut timer = said(5, false, "");
    timer.body = sotto_engine::api::MessageBody::Timer { seconds: 86_400 };
    let mut app = chatting(vec![said(1, false, "at 8?"), reply, forwarded, gone, timer, asked(6, false)]);
    let shown = text(&mut app, 100, 30);
    for wanted in [
        "┃ bob: at 8?␛[2J",
        "yes ✓ (edited) ★",
        "👍 2  🎉 1",
        "↷ forwarded",
        "news ⏳ 2 h",
        "· bob deleted this message.",
        "· Messages disappear 24 hours after they are read.",
        "Poll: Where?",
        " 1 ███████░░░ 2  ✔ Pizza (you, cem)",
        " 2 ███░░░░░░░ 1  Sushi (b␛ob)",
        "3 people voted · one answer",
    ] {
        assert!(shown.contains(wanted), "{wanted:?} in\n{shown}");
    }
    for (width, height) in [(20, 5), (30, 12), (64, 12), (200, 60)] {
        screen(&mut app, width, height);
    }
}

#[test]
fn formatted_words_have_styles_and_no_marks() {
    let mut app = chatting(vec![said(1, false, "*bold* _slanted_ ~struck~ `code` 2*3*4")]);
    let shown = text(&mut app, 100, 20);
    assert!(shown.contains("bold slanted struck code 2*3*4"), "{shown}");
    for (word, modifier) in [("bold", Modifier::BOLD), ("slanted", Modifier::ITALIC), ("struck", Modifier::CROSSED_OUT)]
    {
        assert!(style_of(&mut app, &format!("{word} ")).add_modifier.contains(modifier), "{word}");
    }
    assert_eq!(style_of(&mut app, "code 2").fg, Some(Color::Green));
    app.colour = false;
    assert!(style_of(&mut app, "code 2").add_modifier.contains(Modifier::DIM));
}

#[test]
fn a_reply_names_what_it_answers() {
    let asked = said(1, false, "at *8*?");
    let mut app = choosing(vec![asked.clone()]);
    press(&mut app, KeyCode::Char('r'));
    assert_eq!(app.focus, Focus::Composer);
    assert!(text(&mut app, 80, 20).contains("┃ bob: at 8?  (Esc: no reply)"));
    type_text(&mut app, "yes");
    press(&mut app, KeyCode::Enter);
    match commands(&mut app).as_slice() {
        [Command::SendText { body, reply_to: Some(to), .. }] => {
            assert_eq!((body.as_str(), *to), ("yes", MessageRef { from: account(2), name: asked.name }));
        }
        other => panic!("{other:?}"),
    }
    type_text(&mut app, "and");
    press(&mut app, KeyCode::Enter);
    assert!(matches!(commands(&mut app).as_slice(), [Command::SendText { reply_to: None, .. }]), "once");
}

#[test]
fn escape_leaves_a_reply_but_keeps_what_was_written() {
    let mut app = choosing(vec![said(1, false, "at 8?")]);
    press(&mut app, KeyCode::Char('r'));
    type_text(&mut app, "yes");
    app.open_person(contact(3, "carol"));
    assert_eq!(app.writing, Writing::New);
    app.open_person(contact(2, "bob"));
    assert!(matches!(app.writing, Writing::Reply(..)), "it stays with its conversation");
    press(&mut app, KeyCode::Esc);
    assert_eq!((app.composer.text(), &app.writing, app.focus), ("yes", &Writing::New, Focus::Composer));
    press(&mut app, KeyCode::Esc);
    assert_eq!(app.focus, Focus::Messages);
}

#[test]
fn an_edit_replaces_the_text_and_the_draft_comes_back() {
    let mut app = choosing(vec![own(1, "see you at 8")]);
    app.composer.insert("half a thought");
    press(&mut app, KeyCode::Char('e'));
    assert_eq!(app.composer.text(), "see you at 8");
    press(&mut app, KeyCode::Backspace);
    type_text(&mut app, "9");
    press(&mut app, KeyCode::Enter);
    match commands(&mut app).as_slice() {
        [Command::Edit { message, body, .. }] => {
            assert_eq!((message.from, body.as_str()), (account(1), "see you at 9"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!((app.composer.text(), &app.writing), ("half a thought", &Writing::New));
    // Nor is it lost when the edit is left.
    app.focus = Focus::Messages;
    press(&mut app, KeyCode::Char('e'));
    press(&mut app, KeyCode::Esc);
    assert_eq!(app.composer.text(), "half a thought");
}

#[test]
fn only_own_fresh_texts_are_edited() {
    for message in [said(1, false, "theirs"), said(1, true, "old"), asked(1, false)] {
        let mut app = choosing(vec![message]);
        press(&mut app, KeyCode::Char('e'));
        assert!(app.notice.is_some() && app.writing == Writing::New && app.focus == Focus::Messages);
    }
}

#[test]
fn reactions_are_one_key_or_typed_and_taken_back() {
    let reacted = |keys: &[KeyCode], own: Option<&str>| {
        let mut message = said(1, false, "x");
        let mine = |emoji: &str| ReactionView { emoji: emoji.into(), people: vec![person(1, "ann")] };
        message.extras.reactions = own.map(mine).into_iter().collect();
        let mut app = choosing(vec![message]);
        press(&mut app, KeyCode::Char('+'));
        assert!(text(&mut app, 80, 20).contains("1 👍"));
        keys.iter().for_each(|key| press(&mut app, *key));
        match commands(&mut app).as_slice() {
            [Command::React { emoji, .. }] if app.sheet.is_none() => emoji.clone(),
            other => panic!("{keys:?} {other:?}"),
        }
    };
    use KeyCode::{Char, Enter, Right};
    assert_eq!(reacted(&[Char('1')], None), EMOJI[0]);
    assert_eq!(reacted(&[Enter], None), EMOJI[0]);
    assert_eq!(reacted(&[Right, Right, Enter], None), EMOJI[2]);
    assert_eq!(reacted(&[Char('🎉'), Enter], None), "🎉");
    assert_eq!(reacted(&[Char('1')], Some(EMOJI[0])), "", "the same again takes it back");
    assert_eq!(reacted(&[Char('0')], Some("🎉")), "");
    assert_eq!(reacted(&[Char('2')], Some(EMOJI[0])), EMOJI[1]);
}

#[test]
fn deleting_asks_for_whom() {
    let deleted = |message: MessageView, key: char| {
        let mut app = choosing(vec![message]);
        press(&mut app, KeyCode::Char('d'));
        let shown = text(&mut app, 80, 20);
        press(&mut app, KeyCode::Char(key));
        let done = match commands(&mut app).as_slice() {
            [Command::Delete { messages, for_everyone }] if messages.len() == 1 => Some(*for_everyone),
            [] => None,
            other => panic!("{other:?}"),
        };
        (shown.contains("e: for everyone"), done)
    };
    assert_eq!(deleted(own(1, "x"), 'm'), (true, Some(false)));
    assert_eq!(deleted(own(1, "x"), 'e'), (true, Some(true)));
    assert_eq!(deleted(own(1, "x"), 'y'), (true, None));
    assert_eq!(deleted(said(1, false, "x"), 'e'), (false, None), "not one's own");
    assert_eq!(deleted(said(1, false, "x"), 'm'), (false, Some(false)));
}

#[test]
fn unsent_messages_are_retried_and_removed_as_before() {
    for (key, status) in [('r', S::Failed), ('d', S::Failed), ('d', S::Pending)] {
        let mut app = choosing(vec![message(1, true, "x", status)]);
        press(&mut app, KeyCode::Char(key));
        let asked = commands(&mut app);
        let is_right = match asked.as_slice() {
            [Command::RetryMessage { .. }] => key == 'r',
            [Command::CancelMessage { .. }] => key == 'd',
            _ => false,
        };
        assert!(is_right && app.sheet.is_none(), "{key} {asked:?}");
    }
    let mut app = chatting(vec![said(1, false, "x")]);
    app.focus = Focus::Messages;
    for key in "redf+v".chars() {
        press(&mut app, KeyCode::Char(key));
        assert!(app.notice.is_some() && app.sheet.is_none() && commands(&mut app).is_empty(), "{key}: none is chosen");
    }
}

#[test]
fn forwarding_chooses_some_by_name() {
    let mut app = choosing(vec![said(1, false, "news")]);
    let list = vec![
        conversation(contact(2, "bob"), None, 0),
        conversation(contact(3, "carol"), None, 0),
        group_conversation(group_summary(0xa5, "Lu\x1bnch"), None, 0),
        ConversationView { is_me: true, ..conversation(contact(1, "ann"), None, 0) },
    ];
    app.on_answer(Why::List, Ok(Reply::Conversations { conversations: list }));
    press(&mut app, KeyCode::Char('f'));
    assert!(text(&mut app, 80, 20).contains("Lu␛nch"));
    type_text(&mut app, "NCH");
    assert!(!text(&mut app, 80, 20).contains("  @carol "));
    press(&mut app, KeyCode::Tab);
    (0..3).for_each(|_| press(&mut app, KeyCode::Backspace));
    (0..3).for_each(|_| press(&mut app, KeyCode::Down));
    press(&mut app, KeyCode::Tab);
    press(&mut app, KeyCode::Enter);
    match commands(&mut app).as_slice() {
        [Command::Forward { messages, to }] => {
            assert_eq!(messages.len(), 1);
            assert_eq!(to.as_slice(), [Who::Group(group_id(0xa5)), Who::Me]);
        }
        other => panic!("{other:?}"),
    }
    app.on_answer(Why::Act, Ok(Reply::Messages { messages: vec![], more: false, newer: false }));
    press(&mut app, KeyCode::Char('f'));
    type_text(&mut app, "zzz");
    press(&mut app, KeyCode::Enter);
    assert!(commands(&mut app).iter().all(|command| !matches!(command, Command::Forward { .. })), "to nobody");
    assert!(text(&mut app, 80, 20).contains("Nobody is called so."));
}

#[test]
fn stars_and_pins_are_set_and_taken_off() {
    let mut app = choosing(vec![said(1, false, "x")]);
    press(&mut app, KeyCode::Char('s'));
    assert!(matches!(commands(&mut app).as_slice(), [Command::Star { starred: true, .. }]));
    press(&mut app, KeyCode::Char('p'));
    press(&mut app, KeyCode::Char('9'));
    assert!(commands(&mut app).is_empty(), "no such time");
    press(&mut app, KeyCode::Char('2'));
    assert!(matches!(commands(&mut app).as_slice(), [Command::Pin { seconds: Some(604_800), .. }]));
    let mut done = said(1, false, "x");
    done.extras.starred = true;
    done.extras.pinned_until_ms = Some(u64::MAX);
    happen(&mut app, Event::MessageChanged { message: done.clone() });
    let asked = commands(&mut app);
    assert!(asked.iter().any(|command| matches!(command, Command::Pinned { .. })), "{asked:?}");
    press(&mut app, KeyCode::Char('s'));
    press(&mut app, KeyCode::Char('p'));
    let asked = commands(&mut app);
    assert!(
        matches!(asked.as_slice(), [Command::Star { starred: false, .. }, Command::Pin { seconds: None, .. }]),
        "{asked:?}"
    );
    app.on_answer(Why::Starred, Ok(Reply::Messages { messages: vec![done], more: false, newer: false }));
    assert!(text(&mut app, 80, 20).contains(" Starred "));
    press(&mut app, KeyCode::Enter);
    assert!(app.sheet.is_none() && app.chosen_message().is_some());
}

#[test]
fn what_is_pinned_stands_on_top_and_is_gone_to() {
    let mut pinned = said(120, false, "read *this*\x1b");
    pinned.extras.pinned_until_ms = Some(u64::MAX);
    let mut ended = said(121, true, "over");
    ended.extras.pinned_until_ms = Some(1);
    let mut app = chatting(vec![said(500, false, "new")]);
    let of = account(2).into();
    app.on_answer(
        Why::Newest(of),
        Ok(Reply::Messages { messages: vec![said(500, false, "new")], more: true, newer: false }),
    );
    let reply = Reply::Messages { messages: vec![ended, pinned.clone()], more: false, newer: false };
    app.on_answer(Why::Pinned(of), Ok(reply));
    let shown = text(&mut app, 100, 20);
    assert!(shown.contains("📌 bob: read this␛ · P: go there") && !shown.contains("over"), "{shown}");
    app.focus = Focus::Messages;
    press(&mut app, KeyCode::Char('P'));
    assert!(matches!(commands(&mut app).as_slice(), [Command::History { .. }]), "it is not loaded yet");
    app.on_answer(Why::Older(of), Ok(Reply::Messages { messages: vec![pinned.clone()], more: false, newer: false }));
    assert_eq!(app.chosen_message().map(|message| message.name), Some(pinned.name));
    happen(&mut app, Event::MessageRemoved { name: pinned.name, conversation: of });
    assert!(!text(&mut app, 100, 20).contains("📌"));
}

#[test]
fn votes_are_one_or_several() {
    let voted = |multiple: bool, keys: &[KeyCode]| {
        let mut app = choosing(vec![asked(1, multiple)]);
        press(&mut app, KeyCode::Char('v'));
        assert!(text(&mut app, 80, 20).contains("✔ 1 Pizza"), "the own vote");
        keys.iter().for_each(|key| press(&mut app, *key));
        match commands(&mut app).as_slice() {
            [Command::Vote { options, .. }] => options.clone(),
            other => panic!("{other:?}"),
        }
    };
    use KeyCode::{Char, Down, Enter};
    assert_eq!(voted(false, &[Char('2'), Enter]), [1]);
    assert_eq!(voted(false, &[Down, Char(' '), Enter]), [1]);
    assert_eq!(voted(true, &[Char('2'), Enter]), [0, 1]);
    assert_eq!(voted(true, &[Char('1'), Char('9'), Enter]), [0u32; 0]);
    assert_eq!(voted(false, &[Char('0')]), [0u32; 0]);
    let mut app = choosing(vec![said(1, false, "x")]);
    press(&mut app, KeyCode::Char('v'));
    assert!(app.notice.is_some() && app.sheet.is_none());
}

#[test]
fn the_timer_is_chosen_or_typed() {
    let mut app = chatting(vec![said(1, false, "x")]);
    app.focus = Focus::Messages;
    press(&mut app, KeyCode::Char('t'));
    assert!(text(&mut app, 80, 20).contains("24 hours"));
    press(&mut app, KeyCode::Down);
    press(&mut app, KeyCode::Enter);
    assert!(matches!(commands(&mut app).as_slice(), [Command::SetTimer { seconds: 30, .. }]));
    press(&mut app, KeyCode::Char('t'));
    type_text(&mut app, "12");
    press(&mut app, KeyCode::Enter);
    assert!(app.notice.is_some() && commands(&mut app).is_empty(), "no unit");
    type_text(&mut app, "h");
    press(&mut app, KeyCode::Enter);
    assert!(matches!(commands(&mut app).as_slice(), [Command::SetTimer { seconds: 43_200, .. }]));
    let view = ConversationView { timer_s: 43_200, ..conversation(contact(2, "bob"), None, 0) };
    app.on_answer(Why::Timer, Ok(Reply::Conversation { conversation: Box::new(view) }));
    assert!(text(&mut app, 80, 20).contains("@bob · ⏳ 12 h"));
}

#[test]
fn escape_gives_the_choice_up_first() {
    let mut app = choosing(vec![said(1, false, "x")]);
    press(&mut app, KeyCode::Esc);
    assert_eq!((app.focus, app.chosen_message().is_none()), (Focus::Messages, true));
    // Without a choice the letters mean what they meant.
    press(&mut app, KeyCode::Char('s'));
    assert!(matches!(commands(&mut app).as_slice(), [Command::SafetyNumber { .. }]));
    press(&mut app, KeyCode::Esc);
    assert_eq!(app.focus, Focus::List);
}

#[test]
fn a_conversation_that_was_removed_is_closed() {
    let mut app = choosing(vec![said(1, false, "x")]);
    press(&mut app, KeyCode::Char('r'));
    happen(&mut app, Event::ConversationRemoved { conversation: account(3).into() });
    assert!(app.open.is_some(), "another one");
    happen(&mut app, Event::ConversationRemoved { conversation: account(2).into() });
    assert!(app.open.is_none() && app.composer.is_empty() && app.writing == Writing::New);
    assert!(!text(&mut app, 80, 20).contains("@bob"));
}

#[test]
fn the_sheets_fit_every_size() {
    for (width, height) in [(20, 5), (40, 10), (64, 12), (200, 60)] {
        for key in "+dfpvt".chars() {
            let mut message = asked(1, true);
            message.extras.deletable_until_ms = u64::MAX;
            let mut app = choosing(vec![message]);
            press(&mut app, KeyCode::Char(key));
            assert!(matches!(app.sheet, Some(Sheet::Message(_))), "{key}");
            screen(&mut app, width, height);
            (0..20).for_each(|_| press(&mut app, KeyCode::Down));
            type_text(&mut app, "日本");
            screen(&mut app, width, height);
        }
    }
}
