//! Smaller promises: failed messages, blocks, clocks, search, export, retries of commands, clear errors.

use sotto_engine::{Command, ErrorKind, Event, MessageBody, MessageStatus, Reply, Who};
use sotto_sim::{Device, Fate, SERVER, Sim};
use sotto_types::{ClientMsgId, Username};
#[cfg(target_arch = "wasm32")]
use sotto_wasm_test::test;
use sotto_wire::pb::{self, server_frame::Body};
use std::time::Duration;

fn kind(result: Result<Reply, sotto_engine::CommandError>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind)
}

fn name(text: &str) -> Who {
    Who::Name(Username::parse(text).expect("a good name"))
}

fn set_online(sim: &mut Sim, device: Device, online: bool) {
    assert!(matches!(sim.ask(device, Command::SetOnline { online }), Ok(Reply::Done)));
}

#[test]
fn a_message_nobody_took_fails_for_good() {
    let mut sim = Sim::new(51);
    let (ann, bob) = (sim.register("ann"), sim.register("bob"));
    let bob_id = sim.account(bob);
    set_online(&mut sim, bob, false);
    sim.send(ann, "bob", "too late");
    sim.run();
    for _ in 0..4 {
        set_online(&mut sim, ann, false);
        sim.run_for(Duration::from_secs(8 * 86_400));
        set_online(&mut sim, ann, true);
        sim.run();
        sim.sweep();
        sim.run();
    }
    assert_eq!(sim.statuses(ann, bob_id), [MessageStatus::Failed]);
    let failed = sim.history(ann, bob_id)[0].clone();
    assert!(failed.note.is_some());
    // Trying again is a new message; the failed one stays.
    let retried = sim.ask(ann, Command::RetryMessage { name: failed.name });
    assert!(matches!(retried, Ok(Reply::Queued { message }) if message.name != failed.name));
    assert_eq!(sim.statuses(ann, bob_id)[0], MessageStatus::Failed);
    // It can be put away, although the server had given it an id.
    assert!(failed.message_id.is_some());
    assert!(matches!(sim.ask(ann, Command::CancelMessage { name: failed.name }), Ok(Reply::Done)));
    assert!(sim.history(ann, bob_id).iter().all(|message| message.name != failed.name));

    // By now all devices of the recipient are suspended: what is sent to them fails at once.
    sim.send(ann, "bob", "nobody is left");
    sim.run();
    assert_eq!(sim.statuses(ann, bob_id), [MessageStatus::Failed; 2]);
}

#[test]
fn to_somebody_who_blocked_it_looks_undelivered() {
    let mut sim = Sim::new(52);
    let (ann, bob) = (sim.register("ann"), sim.register("bob"));
    let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
    let blocked = sim.ask(bob, block("ann", true));
    assert!(matches!(blocked, Ok(Reply::Contact { contact }) if contact.blocked));
    sim.send(ann, "bob", "hello?");
    sim.run();
    assert_eq!(sim.statuses(ann, bob_id), [MessageStatus::Sent]);
    assert!(sim.texts(bob, ann_id).is_empty());
    let freed = sim.ask(bob, block("ann", false));
    assert!(matches!(freed, Ok(Reply::Contact { contact }) if !contact.blocked));
    sim.send(ann, "bob", "hello again");
    sim.run();
    assert_eq!(sim.texts(bob, ann_id), ["hello again"]);
}

fn block(whom: &str, blocked: bool) -> Command {
    Command::SetBlocked { who: name(whom), blocked }
}

fn is_blocked(sim: &mut Sim, device: Device, whom: &str) -> bool {
    match sim.ask(device, Command::Contact { who: name(whom) }) {
        Ok(Reply::Contact { contact }) => contact.blocked,
        other => panic!("no contact: {other:?}"),
    }
}

#[test]
fn blocks_outlive_a_restore_of_the_server() {
    let mut sim = Sim::new(57);
    let (ann, bob, cleo) = (sim.register("ann"), sim.register("bob"), sim.register("cleo"));
    let (ann_id, cleo_id, bob_id) = (sim.account(ann), sim.account(cleo), sim.account(bob));
    assert!(sim.ask(bob, block("ann", true)).is_ok());
    assert!(sim.ask(bob, block("cleo", true)).is_ok());
    assert!(sim.ask(bob, block("cleo", false)).is_ok());
    // The backup is from before bob blocked ann and let cleo in again.
    sim.set_block_on_server(bob, ann_id, false);
    sim.set_block_on_server(bob, cleo_id, true);
    sim.frame_hook = Some(Box::new(|_, frame| {
        if let Some(Body::Welcome(welcome)) = &mut frame.body {
            welcome.generation += 1;
        }
        Fate::Pass
    }));
    // The first answer is lost with the process.
    sim.crash(bob);
    sim.start(bob);
    sim.run_until(|sim| sim.events(bob).iter().any(|event| matches!(event, Event::Notice { .. })));
    sim.crash(bob);
    sim.start(bob);
    sim.run();
    sim.send(ann, "bob", "hello?");
    sim.run();
    assert_eq!(sim.statuses(ann, bob_id), [MessageStatus::Sent]);
    assert!(sim.texts(bob, ann_id).is_empty());
    assert!(is_blocked(&mut sim, bob, "ann"));
    assert!(is_blocked(&mut sim, bob, "cleo"), "what the server drops is shown");
}

/// From now on every Welcome says that the server was restored.
fn restored(sim: &mut Sim) {
    sim.frame_hook = Some(Box::new(|_, frame| {
        if let Some(Body::Welcome(welcome)) = &mut frame.body {
            welcome.generation += 1;
        }
        Fate::Pass
    }));
}

#[test]
fn a_device_that_was_away_does_not_bring_an_old_block_back() {
    for seed in 0..10 {
        let mut sim = Sim::new(6000 + seed);
        let (ann, bob) = (sim.register("ann"), sim.register("bob"));
        let ann_id = sim.account(ann);
        let tablet = sim.link(bob);
        assert!(sim.ask(bob, block("ann", true)).is_ok());
        sim.run();
        assert!(is_blocked(&mut sim, tablet, "ann"));
        sim.set_network(tablet, false);
        // What waits for it is longer than asking the server takes.
        let cleo = sim.register("cleo");
        for n in 0..40 {
            sim.send(cleo, "bob", &format!("m {n}"));
        }
        sim.run();
        assert!(sim.ask(bob, block("ann", false)).is_ok());
        sim.run();
        restored(&mut sim);
        sim.set_network(tablet, true);
        sim.run();
        assert!(!is_blocked(&mut sim, tablet, "ann"));
        sim.send(ann, "bob", "welcome back");
        sim.run();
        assert_eq!(sim.texts(bob, ann_id), ["welcome back"], "seed {seed}");
    }
}

#[test]
fn a_decision_that_arrives_late_does_not_undo_a_newer_one() {
    for seed in 0..10 {
        let mut sim = Sim::new(6100 + seed);
        let (_ann, bob) = (sim.register("ann"), sim.register("bob"));
        let tablet = sim.link(bob);
        // Of a first message a damaged half may go unnoticed: let there be a session.
        sim.send(tablet, "ann", "hello");
        sim.run();
        sim.set_network(tablet, false);
        assert!(sim.ask(bob, block("ann", true)).is_ok());
        sim.run();
        assert!(sim.ask(bob, block("ann", false)).is_ok());
        sim.run();
        // The first comes damaged, however often; it is asked for, and comes again after the second.
        let mut first = None;
        sim.frame_hook = Some(Box::new(move |device, frame| {
            if let Some(Body::Deliver(deliver)) = &frame.body
                && matches!(deliver.item, Some(pb::deliver::Item::Envelope(_)))
                && device == tablet
                && *first.get_or_insert(deliver.entry_id) == deliver.entry_id
            {
                sotto_sim::damage(frame);
            }
            Fate::Pass
        }));
        sim.set_network(tablet, true);
        sim.run_for(Duration::from_secs(600));
        assert!(!is_blocked(&mut sim, tablet, "ann"), "seed {seed}");
        let Ok(Reply::Status { status }) = sim.ask(tablet, Command::Status) else { panic!("no status") };
        assert_eq!((status.undecryptable, status.repaired), (1, 1), "seed {seed}");
    }
}

#[test]
fn a_block_whose_answer_was_lost_is_shown() {
    let mut sim = Sim::new(61);
    let (_ann, bob) = (sim.register("ann"), sim.register("bob"));
    sim.command(bob, block("ann", true));
    // The server has it, the device has not heard of it.
    let there = std::rc::Rc::new(std::cell::Cell::new(false));
    let seen = std::rc::Rc::clone(&there);
    sim.answer_hook = Some(Box::new(move |_, path, _| seen.set(seen.get() || path.starts_with("/v1/blocks/"))));
    sim.run_until(|_| there.get());
    sim.answer_hook = None;
    sim.crash(bob);
    sim.start(bob);
    sim.run();
    assert!(is_blocked(&mut sim, bob, "ann"));
}

#[test]
fn what_may_be_at_the_server_is_not_taken_back() {
    let mut sim = Sim::new(62);
    let (ann, bob) = (sim.register("ann"), sim.register("bob"));
    let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
    sim.send(ann, "bob", "first");
    sim.run();
    let pending = |sim: &mut Sim| {
        let history = sim.history(ann, bob_id);
        history.into_iter().find(|message| message.status == MessageStatus::Pending).expect("a pending message").name
    };
    // Never sent: it can be.
    sim.set_network(ann, false);
    sim.run_for(Duration::from_secs(1));
    sim.send(ann, "bob", "a slip");
    let slip = pending(&mut sim);
    assert!(matches!(sim.ask(ann, Command::CancelMessage { name: slip }), Ok(Reply::Done)));
    // Sent, accepted, and the answer lost with the connection and the process: it cannot.
    sim.set_network(ann, true);
    sim.run();
    sim.frame_hook = Some(Box::new(move |device, frame| match frame.body {
        Some(Body::Accepted(_)) if device == ann => Fate::Drop,
        _ => Fate::Pass,
    }));
    sim.send(ann, "bob", "sent");
    let is_sent = |body: &MessageBody| matches!(body, MessageBody::Text { body, .. } if body == "sent");
    sim.run_until(|sim| {
        let mut events = sim.events(bob).iter();
        events.any(|event| matches!(event, Event::MessageAdded { message, .. } if is_sent(&message.body)))
    });
    sim.set_network(ann, false);
    sim.crash(ann);
    sim.start(ann);
    let sent = pending(&mut sim);
    let refused = sim.ask(ann, Command::CancelMessage { name: sent });
    assert_eq!(kind(refused), Some(ErrorKind::WrongState));
    sim.frame_hook = None;
    sim.set_network(ann, true);
    sim.run();
    assert_eq!(sim.texts(ann, bob_id), ["first", "sent"]);
    assert_eq!(sim.texts(bob, ann_id), ["first", "sent"]);
}

#[test]
fn devices_and_a_restored_server_agree_on_blocks() {
    for seed in 0..40_u64 {
        let mut sim = Sim::new(6200 + seed);
        let (ann, bob) = (sim.register("ann"), sim.register("bob"));
        let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
        let tablet = sim.link(bob);
        // What each device has seen of the person's decisions, and what the backup has, are bits of the seed.
        assert!(sim.ask(bob, block("ann", seed & 1 != 0)).is_ok());
        sim.run();
        sim.set_network(tablet, seed & 2 == 0);
        assert!(sim.ask(bob, block("ann", seed & 4 != 0)).is_ok());
        sim.run();
        sim.set_block_on_server(bob, ann_id, seed & 8 != 0);
        restored(&mut sim);
        sim.set_network(tablet, true);
        sim.break_connection(bob);
        sim.break_connection(tablet);
        sim.run();
        let shown = is_blocked(&mut sim, bob, "ann");
        assert_eq!(is_blocked(&mut sim, tablet, "ann"), shown, "seed {seed}");
        sim.send(ann, "bob", "is this open?");
        sim.run();
        let want = if shown { MessageStatus::Sent } else { MessageStatus::Delivered };
        assert_eq!(sim.statuses(ann, bob_id), [want], "seed {seed}");
        // Who was blocked when it mattered is never let in by a restore.
        assert!(shown || seed & 4 == 0, "seed {seed}");
    }
}

#[test]
fn a_recovered_device_knows_whom_its_person_blocks() {
    let mut sim = Sim::new(58);
    let (bob, code) = sim.register_with_code("bob");
    let ann = sim.register("ann");
    let ann_id = sim.account(ann);
    assert!(sim.ask(bob, block("ann", true)).is_ok());
    sim.set_network(bob, false);
    let new = sim.device();
    let recover = Command::Recover {
        server: SERVER.into(),
        username: Username::parse("bob").expect("a good name"),
        code,
        device_name: "new".into(),
    };
    assert!(matches!(sim.ask(new, recover), Ok(Reply::Recovered { .. })));
    sim.run();
    let Ok(Reply::Contacts { contacts }) = sim.ask(new, Command::Contacts) else { panic!("no contacts") };
    let blocked: Vec<_> = contacts.iter().filter(|contact| contact.blocked).collect();
    assert_eq!(blocked.len(), 1);
    assert_eq!((blocked[0].account, &blocked[0].username), (ann_id, &Username::parse("ann").ok()));
}

#[test]
fn numbers_that_do_not_fit_into_a_double_are_strings_in_json() {
    let (mut sim, ann, bob) = sotto_sim::acquainted(59);
    let bob_id = sim.account(bob);
    for message in sim.history(ann, bob_id) {
        let json = serde_json::to_value(&message).expect("a view");
        for field in ["position", "message_id"] {
            let digits = json[field].as_str().expect("a string");
            assert!(digits.parse::<u64>().is_ok_and(|number| number > 1 << 53), "{field} {digits}");
        }
        assert_eq!(serde_json::from_value::<sotto_engine::MessageView>(json).expect("the same"), message);
    }
}

#[test]
fn a_clock_that_is_far_off_is_told_once() {
    let mut sim = Sim::new(53);
    sim.frame_hook = Some(Box::new(|_, frame| {
        match &mut frame.body {
            Some(Body::Welcome(welcome)) => welcome.server_time_ms += 3_600_000,
            Some(Body::HeartbeatAck(ack)) => ack.server_time_ms += 3_600_000,
            _ => {}
        }
        Fate::Pass
    }));
    let ann = sim.register("ann");
    sim.run();
    let told: Vec<_> = sim.events(ann).iter().filter(|event| matches!(event, Event::ClockOff { .. })).collect();
    assert_eq!(told, [&Event::ClockOff { by_ms: 3_600_000 }]);
}

#[test]
fn a_repeated_command_is_one_message() {
    let mut sim = Sim::new(54);
    let (ann, bob) = (sim.register("ann"), sim.register("bob"));
    let ann_id = sim.account(ann);
    let send = || Command::SendText {
        to: name("bob"),
        body: "once".into(),
        name: Some(ClientMsgId::from_bytes([7; 16])),
        mentions: Vec::new(),
        reply_to: None,
        preview: None,
    };
    for _ in 0..3 {
        assert!(matches!(sim.ask(ann, send()), Ok(Reply::Queued { .. })));
        sim.run();
    }
    assert_eq!(sim.texts(bob, ann_id), ["once"]);
}

#[test]
fn search_and_export_see_both_sides() {
    let mut sim = Sim::new(55);
    let (ann, bob) = (sim.register("ann"), sim.register("bob"));
    sim.send(ann, "bob", "the quick brown fox");
    sim.run();
    sim.send(bob, "ann", "jumps over the lazy dog");
    sim.run();
    let Ok(Reply::Found { hits }) =
        sim.ask(ann, Command::Search { query: "the laz".into(), conversation: None, limit: 10 })
    else {
        panic!("no answer")
    };
    assert_eq!(hits.len(), 1);
    assert!(hits[0].snippet.contains("\u{1}lazy\u{2}"), "{}", hits[0].snippet);
    let Ok(Reply::ExportPage { lines, next }) = sim.ask(ann, Command::Export { next: None }) else {
        panic!("no answer")
    };
    assert_eq!(next, None);
    let lines: Vec<serde_json::Value> =
        lines.iter().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let types: Vec<_> = lines.iter().map(|line| line["type"].as_str().unwrap_or_default()).collect();
    assert_eq!(types, ["sotto_export", "contact", "message", "message"]);
    assert_eq!(lines[2]["body"]["body"], "the quick brown fox");
}

#[test]
fn people_are_told_what_is_wrong() {
    let mut sim = Sim::new(56);
    let ann = sim.register("ann");
    let send = |to: &str, body: &str| Command::SendText {
        to: name(to),
        body: body.into(),
        name: None,
        mentions: Vec::new(),
        reply_to: None,
        preview: None,
    };
    assert_eq!(kind(sim.ask(ann, send("nobody", "x"))), Some(ErrorKind::NotFound));
    assert_eq!(kind(sim.ask(ann, send("ann", ""))), Some(ErrorKind::Invalid));
    assert_eq!(kind(sim.ask(ann, send("ann", &"x".repeat(40_000)))), Some(ErrorKind::Invalid));
    let register = |server: &str, username: &str| Command::Register {
        server: server.into(),
        username: Username::parse(username).expect("a good name"),
        invite: None,
        device_name: String::new(),
    };
    assert_eq!(kind(sim.ask(ann, register(SERVER, "again"))), Some(ErrorKind::WrongState));
    let other = sim.device();
    assert_eq!(kind(sim.ask(other, Command::WhoAmI)), Some(ErrorKind::WrongState));
    assert_eq!(kind(sim.ask(other, register("not a server", "bob"))), Some(ErrorKind::Invalid));
    assert_eq!(kind(sim.ask(other, register(SERVER, "ann"))), Some(ErrorKind::Refused));
    sim.set_network(other, false);
    assert_eq!(kind(sim.ask(other, register(SERVER, "bob"))), Some(ErrorKind::Offline));
    sim.set_network(other, true);
    assert!(matches!(sim.ask(other, register(SERVER, "bob")), Ok(Reply::Registered { .. })));
    let link = Command::ApproveLink { link_text: "https://example.org".into() };
    assert_eq!(kind(sim.ask(ann, link)), Some(ErrorKind::Invalid));
}

#[test]
fn a_deleted_account_leaves_an_empty_profile() {
    let mut sim = Sim::new(57);
    let (ann, bob) = (sim.register("ann"), sim.register("bob"));
    let ann_id = sim.account(ann);
    sim.send(bob, "ann", "hello");
    sim.run();
    assert!(matches!(sim.ask(ann, Command::DeleteAccount), Ok(Reply::Done)));
    sim.run();
    assert_eq!(kind(sim.ask(ann, Command::WhoAmI)), Some(ErrorKind::WrongState));
    sim.send(bob, "ann", "still there?");
    sim.run();
    assert_eq!(sim.statuses(bob, ann_id), [MessageStatus::Delivered, MessageStatus::Failed]);
}
