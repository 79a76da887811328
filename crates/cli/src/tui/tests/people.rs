//! People on screen: requests, reports, presence, typing, settings.

use super::super::people::REASONS;
use super::super::samples::{account, contact, conversation, group_conversation, group_id, group_summary, person};
use super::super::state::{App, Focus, Sheet, Why};
use super::{Input, NOON, S, all_commands, chatting, commands, happen, message, press, rows, screen, text, type_text};
use crossterm::event::{KeyCode, MouseButton, MouseEvent, MouseEventKind};
use sotto_engine::api::{
    Audience, Command, ContactView, ConversationView, Event, MessageView, PersonView, PresenceView, Privacy,
    PrivacyChanges, PrivacyRule, ProfileChanges, ProfileView, Reply, ReportReason, TypingState, Who,
};
use sotto_engine_native::Happening;
use sotto_types::Conversation;

fn request(n: u8, name: &str) -> ConversationView {
    let last = MessageView { conversation: account(n).into(), ..message(1, false, "buy now", S::Received) };
    ConversationView { is_request: true, ..conversation(contact(n, name), Some(last), 1) }
}

/// Bob is known; dan and eve are new, and dan's conversation is open.
fn requested() -> App {
    let mut app = chatting(vec![message(1, false, "hi", S::Received)]);
    let list = vec![conversation(contact(2, "bob"), None, 0), request(4, "dan"), request(5, "eve")];
    app.on_answer(Why::List, Ok(Reply::Conversations { conversations: list }));
    app.selected = 0;
    app.open_selected();
    app.focus_open();
    app.take_asks();
    app
}

fn shown(app: &mut App) -> String {
    text(app, 100, 24)
}

#[test]
fn requests_stand_above_the_conversations() {
    let mut app = requested();
    let rows = rows(&screen(&mut app, 100, 24));
    let row =
        |word: &str| rows.iter().position(|row| row.starts_with(word)).unwrap_or_else(|| panic!("{word}: {rows:?}"));
    let order = [row("Requests (2)"), row("@dan"), row("@eve"), row("Conversations"), row("@bob")];
    assert!(order.is_sorted(), "{order:?} {rows:?}");
    // Where they are drawn is where the mouse finds them.
    let at = |app: &mut App, line: usize| {
        let mouse = MouseEvent {
            kind: MouseEventKind::Down(MouseButton::Left),
            column: 2,
            row: u16::try_from(line).expect("small"),
            modifiers: crossterm::event::KeyModifiers::NONE,
        };
        app.on_input(Input::Mouse(mouse));
        app.open.as_ref().map(|open| open.conversation)
    };
    assert_eq!(at(&mut app, order[4] + 1), Some(account(2).into()));
    assert_eq!(app.focus, Focus::Composer);
    assert_eq!(at(&mut app, order[2]), Some(account(5).into()));
    assert_eq!(app.focus, Focus::Messages, "there is nothing to write yet");
    assert_eq!(at(&mut app, order[3]), Some(account(5).into()), "a title is nobody");
    for height in [5, 6, 7, 8, 9, 12] {
        for selected in 0..3 {
            app.selected = selected;
            screen(&mut app, 100, height);
            assert!(app.view.rows.iter().any(|(_, index)| *index == selected), "{selected} at {height}");
        }
    }
}

#[test]
fn without_requests_the_list_has_no_titles() {
    let mut app = chatting(vec![]);
    let text = shown(&mut app);
    assert!(!text.contains("Requests") && !text.contains("Conversations"), "{text}");
}

#[test]
fn a_request_says_what_can_be_done_and_is_not_answered_by_mistake() {
    let mut app = requested();
    assert_eq!(app.focus, Focus::Messages);
    // Alone on a narrow screen it takes several lines; beside the list, lines of both would alternate here.
    for (width, height) in [(160, 24), (40, 20)] {
        let words = text(&mut app, width, height);
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        for wanted in ["@dan is new.", "a: accept", "b: block", "R: report", "D: delete", "Accept first"] {
            assert!(words.contains(wanted), "{wanted:?} in {words}");
        }
    }
    app.focus = Focus::Composer;
    type_text(&mut app, "hello");
    app.on_input(Input::Paste("pasted".into()));
    press(&mut app, KeyCode::Enter);
    assert!(app.composer.is_empty() && all_commands(&mut app).is_empty());
    assert!(shown(&mut app).contains("Accept first: Esc, then a"));
    press(&mut app, KeyCode::Esc);
    let of_dan =
        MessageView { conversation: account(4).into(), from: account(4), ..message(1, false, "buy now", S::Received) };
    app.on_answer(
        Why::Newest(account(4).into()),
        Ok(Reply::Messages { messages: vec![of_dan], more: false, newer: false }),
    );
    press(&mut app, KeyCode::Up);
    for key in ['r', '+', 'v', 'p'] {
        press(&mut app, KeyCode::Char(key));
        assert!(app.sheet.is_none() && app.focus == Focus::Messages && app.notice.is_some(), "{key}");
    }
    assert!(commands(&mut app).is_empty());

    press(&mut app, KeyCode::Char('a'));
    match commands(&mut app).as_slice() {
        [Command::AcceptRequest { who: Who::Account(who) }] => assert_eq!(*who, account(4)),
        other => panic!("{other:?}"),
    }
    app.on_answer(Why::Accept, Ok(Reply::Contact { contact: contact(4, "dan") }));
    let accepted = shown(&mut app);
    assert!(!accepted.contains("is new") && accepted.contains("@dan is accepted"), "{accepted}");
    press(&mut app, KeyCode::Char('i'));
    type_text(&mut app, "hello");
    assert_eq!(app.composer.text(), "hello");
}

#[test]
fn a_request_that_was_opened_by_name_is_one_once_the_list_says_so() {
    let mut app = chatting(vec![]);
    app.on_answer(Why::Open, Ok(Reply::Contact { contact: contact(4, "dan") }));
    assert_eq!(app.focus, Focus::Composer);
    app.on_answer(Why::List, Ok(Reply::Conversations { conversations: vec![request(4, "dan")] }));
    assert_eq!(app.focus, Focus::Messages);
    assert!(shown(&mut app).contains("@dan is new."));
}

#[test]
fn a_blocked_request_waits_no_longer() {
    let mut app = requested();
    press(&mut app, KeyCode::Char('b'));
    press(&mut app, KeyCode::Char('y'));
    assert!(matches!(commands(&mut app).as_slice(), [Command::SetBlocked { blocked: true, .. }]));
    let blocked = ContactView { blocked: true, ..contact(4, "dan") };
    app.on_answer(Why::Contact, Ok(Reply::Contact { contact: blocked.clone() }));
    assert!(matches!(commands(&mut app).as_slice(), [Command::Conversations]));
    let dan = ConversationView { contact: Some(blocked), ..request(4, "dan") };
    app.on_answer(Why::List, Ok(Reply::Conversations { conversations: vec![dan, request(5, "eve")] }));
    let text = shown(&mut app);
    assert!(
        text.contains("Requests (1)") && text.contains("@dan (blocked)") && text.contains("b to unblock"),
        "{text}"
    );
}

#[test]
fn a_report_names_a_reason_and_shows_only_the_chosen_message() {
    let reported = |choose: bool, keys: &[KeyCode]| {
        let mut app = chatting(vec![message(1, false, "buy \x1b[2Jnow", S::Received)]);
        app.focus = Focus::Messages;
        if choose {
            press(&mut app, KeyCode::Up);
        }
        press(&mut app, KeyCode::Char('R'));
        let seen = shown(&mut app);
        assert!(seen.contains("which nothing proves") && seen.contains("@bob is not told"), "{seen}");
        assert_eq!(seen.contains("shown to them: buy ␛[2Jnow"), choose, "{seen}");
        keys.iter().for_each(|key| press(&mut app, *key));
        assert!(app.sheet.is_none());
        commands(&mut app)
    };
    use KeyCode::{Char, Down, Enter, Esc, Tab};
    match reported(true, &[Down, Char('n'), Char('o'), Enter]).as_slice() {
        [Command::Report { who: Who::Account(who), reason: ReportReason::Abuse, comment, messages }] => {
            assert_eq!((*who, comment.as_str(), messages.len()), (account(2), "no", 1));
        }
        other => panic!("{other:?}"),
    }
    match reported(false, &[Down, Down, Down, Tab, Enter]).as_slice() {
        [Command::Report { reason, messages, .. }, Command::SetBlocked { blocked: true, .. }] => {
            assert_eq!((*reason, messages.len()), (REASONS[2].0, 0));
        }
        other => panic!("{other:?}"),
    }
    assert!(reported(true, &[Esc]).is_empty());
    let mut app = chatting(vec![]);
    app.on_answer(Why::Report, Ok(Reply::Done));
    assert!(shown(&mut app).contains("Reported to the operator"));
}

#[test]
fn a_conversation_is_deleted_after_a_yes() {
    let mut app = chatting(vec![message(1, false, "hi", S::Received)]);
    app.focus = Focus::Messages;
    press(&mut app, KeyCode::Char('D'));
    assert!(shown(&mut app).contains("Delete @bob, from all your devices?"));
    press(&mut app, KeyCode::Char('n'));
    assert!(commands(&mut app).is_empty());
    press(&mut app, KeyCode::Char('y'));
    match commands(&mut app).as_slice() {
        [Command::DeleteConversation { conversation }] => assert_eq!(*conversation, account(2).into()),
        other => panic!("{other:?}"),
    }
    happen(&mut app, Event::ConversationRemoved { conversation: account(2).into() });
    let text = shown(&mut app);
    assert!(app.open.is_none() && !text.contains("@bob") && text.contains("@carol"), "{text}");
}

fn there(app: &mut App, n: u8, online: bool, last_seen_ms: Option<u64>) {
    happen(app, Event::PresenceChanged { people: vec![PresenceView { account: account(n), online, last_seen_ms }] });
}

fn types(app: &mut App, conversation: Conversation, person: PersonView, state: TypingState) {
    happen(app, Event::Typing { conversation, person, state });
}

#[test]
fn the_header_says_who_is_there_and_who_types() {
    let mut app = chatting(vec![message(1, false, "hi", S::Received)]);
    there(&mut app, 2, true, None);
    assert!(shown(&mut app).contains(" @bob · online "));
    there(&mut app, 2, false, Some(NOON));
    assert!(shown(&mut app).contains(" @bob · last seen today "));
    types(&mut app, account(2).into(), person(2, "bob"), TypingState::Typing);
    let text = shown(&mut app);
    assert_eq!(text.matches("typing…").count(), 2, "in the header, and in place of the preview\n{text}");
    types(&mut app, account(2).into(), person(2, "bob"), TypingState::Recording);
    assert!(shown(&mut app).contains(" @bob · recording… "));
    types(&mut app, account(2).into(), person(2, "bob"), TypingState::Stopped);
    assert!(shown(&mut app).contains(" @bob · last seen"));
    there(&mut app, 2, false, None);
    assert!(!shown(&mut app).contains("last seen"));
    there(&mut app, 2, true, None);
    app.on_happening(Happening::Missed);
    assert!(!shown(&mut app).contains("online"), "what was lost may have been the end of it");
}

#[test]
fn in_a_group_typists_are_named() {
    let mut app = chatting(vec![]);
    let lunch = group_conversation(group_summary(0xa5, "Lunch"), None, 0);
    app.on_answer(Why::List, Ok(Reply::Conversations { conversations: vec![lunch] }));
    app.selected = 0;
    app.open_selected();
    let of = Conversation::from(group_id(0xa5));
    for (n, name, want) in [
        (2, "B\x1bob", "Lunch · 3 · B␛ob is typing… "),
        (3, "Cem", "B␛ob and Cem are typing…"),
        (4, "Dan", "B␛ob, Cem and 1 other are typing…"),
        (5, "Eve", "B␛ob, Cem and 2 others are typing…"),
    ] {
        types(&mut app, of, person(n, name), TypingState::Typing);
        let text = shown(&mut app);
        assert!(text.contains(want), "{want:?} in\n{text}");
    }
    let mut hostile = person(6, "x");
    hostile.name = "日本語".repeat(40);
    app.typing.clear();
    types(&mut app, of, hostile, TypingState::Typing);
    for width in [20, 40, 64, 80] {
        screen(&mut app, width, 12);
    }
}

fn watched(app: &mut App) -> Vec<Vec<sotto_types::AccountId>> {
    app.watch();
    let people = |command| if let Command::WatchPeople { people } = command { Some(people) } else { None };
    all_commands(app).into_iter().filter_map(people).collect()
}

#[test]
fn who_is_on_the_screen_is_watched_while_somebody_looks() {
    let mut app = chatting(vec![message(1, false, "hi", S::Received)]);
    assert!(watched(&mut app).is_empty(), "nothing was drawn");
    screen(&mut app, 100, 24);
    assert_eq!(watched(&mut app), [vec![account(2), account(3)]]);
    screen(&mut app, 100, 24);
    assert!(watched(&mut app).is_empty(), "once");
    // Room for one row, and the open conversation.
    app.selected = 1;
    screen(&mut app, 100, 5);
    assert!(watched(&mut app).is_empty(), "carol in the list, bob open");
    app.open = None;
    screen(&mut app, 100, 5);
    assert_eq!(watched(&mut app), [vec![account(3)]]);
    app.on_input(Input::FocusLost);
    assert_eq!(watched(&mut app), [vec![]], "nobody looks");
    app.on_input(Input::FocusGained);
    assert_eq!(watched(&mut app), [vec![account(3)]]);
    app.on_happening(Happening::Missed);
    assert_eq!(watched(&mut app), [vec![account(3)]], "perhaps another program said otherwise");
}

#[test]
fn strangers_are_not_watched() {
    let mut app = requested();
    screen(&mut app, 100, 24);
    assert_eq!(watched(&mut app), [vec![account(2)]]);
    there(&mut app, 4, true, None);
    assert!(!shown(&mut app).contains("online"));
}

fn told(app: &mut App) -> Vec<(Conversation, TypingState)> {
    let typing = |command| {
        if let Command::SetTyping { conversation, state } = command { Some((conversation, state)) } else { None }
    };
    all_commands(app).into_iter().filter_map(typing).collect()
}

#[test]
fn typing_is_told_once_a_second_until_it_ends() {
    use TypingState::{Stopped, Typing};
    let bob = Conversation::from(account(2));
    let mut app = chatting(vec![]);
    type_text(&mut app, "hel");
    assert_eq!(told(&mut app), [(bob, Typing)]);
    app.now_ms += 999;
    type_text(&mut app, "l");
    assert!(told(&mut app).is_empty());
    app.now_ms += 1;
    press(&mut app, KeyCode::Left);
    assert!(told(&mut app).is_empty(), "moving is not typing");
    type_text(&mut app, "o");
    assert_eq!(told(&mut app), [(bob, Typing)]);
    press(&mut app, KeyCode::Enter);
    assert_eq!(told(&mut app), [(bob, Stopped)], "sent");
    type_text(&mut app, "x");
    press(&mut app, KeyCode::Backspace);
    assert_eq!(told(&mut app), [(bob, Typing), (bob, Stopped)], "emptied");
    type_text(&mut app, "x");
    press(&mut app, KeyCode::Esc);
    assert_eq!(told(&mut app), [(bob, Typing), (bob, Stopped)], "left");
    press(&mut app, KeyCode::Char('i'));
    assert!(told(&mut app).is_empty());
    type_text(&mut app, "y");
    app.on_input(Input::FocusLost);
    assert_eq!(told(&mut app), [(bob, Typing), (bob, Stopped)], "looked away");
    app.on_input(Input::FocusGained);
    type_text(&mut app, "z");
    press(&mut app, KeyCode::Tab);
    press(&mut app, KeyCode::Down);
    assert_eq!(told(&mut app), [(bob, Typing), (bob, Stopped)], "another conversation");
}

fn privacy() -> Privacy {
    let rule = |audience| PrivacyRule { audience, except: Vec::new() };
    Privacy {
        last_seen: PrivacyRule { audience: Audience::Contacts, except: vec![account(3)] },
        online: Audience::Everyone,
        picture: rule(Audience::Everyone),
        about: rule(Audience::Everyone),
        read_receipts: Audience::Everyone,
        group_adds: rule(Audience::Contacts),
    }
}

fn settings() -> App {
    let mut app = chatting(vec![]);
    app.focus = Focus::List;
    press(&mut app, KeyCode::Char('o'));
    assert!(matches!(commands(&mut app).as_slice(), [Command::Profile, Command::Privacy]));
    type_text(&mut app, "too early");
    let profile = ProfileView { display_name: Some("Ann".into()), about: None, picture: None };
    app.on_answer(Why::Profile, Ok(Reply::Profile { profile }));
    app.on_answer(Why::Privacy, Ok(Reply::Privacy { privacy: privacy() }));
    app
}

#[test]
fn name_and_about_are_saved_by_enter() {
    let mut app = settings();
    let text = shown(&mut app);
    for wanted in
        ["Name:  Ann", "About: ", "last seen", "‹ contacts, except 1 ›", "online", "put me into groups", "both ways"]
    {
        assert!(text.contains(wanted), "{wanted:?} in\n{text}");
    }
    press(&mut app, KeyCode::Enter);
    assert!(commands(&mut app).is_empty(), "nothing was changed");
    press(&mut app, KeyCode::Down);
    type_text(&mut app, "At sea");
    assert!(shown(&mut app).contains("Enter: save"));
    // What another device sets meanwhile does not take away what is typed.
    let elsewhere = ProfileView { display_name: Some("Anna".into()), about: Some("x".into()), picture: None };
    happen(&mut app, Event::ProfileChanged { profile: elsewhere });
    let text = shown(&mut app);
    assert!(text.contains("Name:  Anna") && text.contains("About: At sea"), "{text}");
    press(&mut app, KeyCode::Enter);
    match commands(&mut app).as_slice() {
        [Command::SetProfile { changes }] => {
            assert_eq!(*changes, ProfileChanges { about: Some("At sea".into()), ..ProfileChanges::default() });
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn settings_change_by_arrows_one_at_a_time() {
    let mut app = settings();
    let changes = |app: &mut App| -> Vec<PrivacyChanges> {
        let of = |command| if let Command::SetPrivacy { changes } = command { Some(changes) } else { None };
        commands(app).into_iter().filter_map(of).collect()
    };
    (0..2).for_each(|_| press(&mut app, KeyCode::Down));
    press(&mut app, KeyCode::Left);
    assert!(changes(&mut app).is_empty(), "there is nothing wider");
    press(&mut app, KeyCode::Right);
    let hidden = PrivacyRule { audience: Audience::Nobody, except: vec![account(3)] };
    let want = PrivacyChanges { last_seen: Some(hidden.clone()), ..PrivacyChanges::default() };
    assert_eq!(changes(&mut app), [want], "exceptions stay");
    assert!(shown(&mut app).contains("saving…"));
    press(&mut app, KeyCode::Down);
    press(&mut app, KeyCode::Right);
    assert!(changes(&mut app).is_empty(), "one is on its way");
    let now = Privacy { last_seen: hidden, ..privacy() };
    app.on_answer(Why::Privacy, Ok(Reply::Privacy { privacy: now.clone() }));
    let online = PrivacyChanges { online: Some(Audience::Nobody), ..PrivacyChanges::default() };
    assert_eq!(changes(&mut app), [online]);
    // Closed while one is on its way: the other one goes, too.
    press(&mut app, KeyCode::Down);
    press(&mut app, KeyCode::Right);
    press(&mut app, KeyCode::Esc);
    let receipts = PrivacyChanges { read_receipts: Some(Audience::Contacts), ..PrivacyChanges::default() };
    assert_eq!(changes(&mut app), [receipts]);
    assert!(app.sheet.is_none());
}

#[test]
fn a_setting_that_was_not_taken_is_shown_as_it_is() {
    use sotto_engine::api::{CommandError, ErrorKind};
    let mut app = settings();
    (0..4).for_each(|_| press(&mut app, KeyCode::Down));
    press(&mut app, KeyCode::Right);
    app.on_answer(Why::Privacy, Err(CommandError { kind: ErrorKind::Offline, text: "no server".into() }));
    let Some(Sheet::Settings(sheet)) = &app.sheet else { panic!("open") };
    assert_eq!(sheet.privacy, Some(privacy()));
    assert!(shown(&mut app).contains("no server"));
    for (width, height) in [(20, 5), (30, 12), (64, 12), (200, 60)] {
        screen(&mut app, width, height);
    }
}

#[test]
fn a_list_from_before_the_acceptance_does_not_take_it_back() {
    let mut app = requested();
    app.on_answer(Why::Accept, Ok(Reply::Contact { contact: contact(4, "dan") }));
    app.focus = Focus::Composer;
    app.on_answer(Why::List, Ok(Reply::Conversations { conversations: vec![request(4, "dan")] }));
    type_text(&mut app, "hi");
    assert_eq!((app.composer.text(), app.focus), ("hi", Focus::Composer));
}
