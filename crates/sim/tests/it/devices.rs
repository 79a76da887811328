//! Several devices of one person: linking with history, what siblings send, removal, recovery.

use sotto_engine::{Command, CommandError, ErrorKind, Event, MessageStatus, Reply, Who};
use sotto_sim::{Device, SERVER, Sim};
use sotto_types::{DeviceId, Username, limits};
#[cfg(target_arch = "wasm32")]
use sotto_wasm_test::test;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

fn device_ids(sim: &mut Sim, device: Device) -> Vec<u32> {
    match sim.ask(device, Command::Devices) {
        Ok(Reply::Devices { devices }) => devices.into_iter().map(|view| view.device.into()).collect(),
        other => panic!("no devices: {other:?}"),
    }
}

fn signed_out(sim: &Sim, device: Device) -> bool {
    sim.events(device).iter().any(|event| matches!(event, Event::SignedOut { .. }))
}

#[test]
fn a_link_code_ends_also_while_the_server_cannot_be_reached() {
    let mut sim = Sim::new(45);
    let new = sim.device();
    let reply = sim.ask(new, start_link());
    assert!(matches!(reply, Ok(Reply::LinkText { .. })), "{reply:?}");
    sim.set_network(new, false);
    let failed = |sim: &Sim| sim.events(new).iter().filter(|event| matches!(event, Event::LinkFailed { .. })).count();
    sim.run_for(limits::LINK);
    assert_eq!(failed(&sim), 0, "an answer may still come");
    sim.run_for(Duration::from_secs(120));
    assert_eq!(failed(&sim), 1);
    // The next one works.
    sim.set_network(new, true);
    let ann = sim.register("ann");
    let Ok(Reply::LinkText { text, .. }) = sim.ask(new, start_link()) else { panic!("no link text") };
    assert!(matches!(sim.ask(ann, Command::ApproveLink { link_text: text }), Ok(Reply::Done)));
    sim.run();
    assert_eq!(sim.account(new), sim.account(ann));
}

#[test]
fn a_linked_device_gets_history_and_everything_new() {
    let mut sim = Sim::new(21);
    let (ann, bob) = (sim.register("ann"), sim.register("bob"));
    let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
    let long = "x".repeat(20_000);
    let mut all: Vec<String> = (0..12).map(|n| format!("before {n} {long}")).collect();
    for text in &all {
        sim.send(ann, "bob", text);
    }
    sim.run();
    let second = sim.link(ann);
    let third = sim.link(second);
    let total = sim.events(third).iter().rev().find_map(|event| match event {
        Event::HistoryReceived { done, total } => Some((*done, *total)),
        _ => None,
    });
    assert_eq!(total, Some((12, 12)));
    assert_eq!(sim.texts(third, bob_id), all);
    assert_eq!(sim.statuses(third, bob_id), [MessageStatus::Delivered; 12]);

    sim.send(bob, "ann", "to all of ann");
    sim.run();
    sim.send(second, "bob", "from the second");
    sim.run();
    sim.send(ann, "bob", "from the first");
    sim.run();
    all.extend(["to all of ann", "from the second", "from the first"].map(String::from));
    for device in [ann, second, third] {
        assert_eq!(sim.texts(device, bob_id), all, "{device:?}");
        assert_eq!(sim.statuses(device, bob_id)[13..], [MessageStatus::Delivered; 2], "{device:?}");
    }
    assert_eq!(sim.texts(bob, ann_id), all);

    sim.command(third, Command::MarkRead { conversation: bob_id.into(), up_to: None });
    sim.run();
    for device in [ann, second, third] {
        let Ok(Reply::Conversations { conversations }) = sim.ask(device, Command::Conversations) else {
            panic!("none")
        };
        assert_eq!(conversations[0].unread, 0, "{device:?}");
    }
}

/// A new device that is approved and asks to be added, up to the moment when the server has done it.
fn until_added(sim: &mut Sim, existing: Device) -> Device {
    let added = Rc::new(Cell::new(false));
    let seen = added.clone();
    sim.answer_hook = Some(Box::new(move |_, path, answer| {
        if path == "/v1/devices" && answer.status == 201 {
            seen.set(true);
        }
    }));
    let device = sim.device();
    let reply = sim.ask(device, start_link());
    let Ok(Reply::LinkText { text, .. }) = reply else { panic!("no link text: {reply:?}") };
    sim.command(existing, Command::ApproveLink { link_text: text });
    sim.run_until(|_| added.get());
    sim.answer_hook = None;
    device
}

fn start_link() -> Command {
    Command::StartLink { server: SERVER.into(), device_name: "linked".into() }
}

#[test]
fn a_link_that_a_crash_cut_off_is_completed_by_the_same_command() {
    for seed in 0..10 {
        let mut sim = Sim::new(2700 + seed);
        let (ann, bob) = (sim.register("ann"), sim.register("bob"));
        let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
        sim.send(ann, "bob", "before");
        sim.run();
        let second = until_added(&mut sim, ann);
        // The server has the device; the answer is lost with the process.
        sim.crash(second);
        sim.run_for(Duration::from_secs(60));
        sim.start(second);
        // Without the network nothing is decided, and what was begun is kept.
        sim.set_network(second, false);
        let offline = sim.ask(second, start_link()).map_err(|error| error.kind);
        assert_eq!(offline.err(), Some(ErrorKind::Offline));
        sim.set_network(second, true);
        let reply = sim.ask(second, start_link());
        assert!(matches!(&reply, Ok(Reply::Me { me }) if me.account == ann_id), "{reply:?}");
        sim.run();
        assert_eq!(device_ids(&mut sim, ann), [1, 2], "no stale device is listed");
        sim.send(bob, "ann", "to both");
        sim.run();
        sim.send(second, "bob", "from the second");
        sim.run();
        for device in [ann, second] {
            assert_eq!(sim.texts(device, bob_id), ["before", "to both", "from the second"], "{device:?}");
        }
        let again = sim.ask(second, start_link()).map_err(|error| error.kind);
        assert_eq!(again.err(), Some(ErrorKind::WrongState));
    }
}

#[test]
fn a_link_cut_off_for_too_long_begins_anew() {
    let mut sim = Sim::new(28);
    let ann = sim.register("ann");
    let second = until_added(&mut sim, ann);
    sim.crash(second);
    sim.run_for(Duration::from_secs(11 * 60));
    sim.start(second);
    let reply = sim.ask(second, start_link());
    let Ok(Reply::LinkText { text, .. }) = reply else { panic!("no new link: {reply:?}") };
    let reply = sim.ask(ann, Command::ApproveLink { link_text: text });
    assert!(matches!(reply, Ok(Reply::Done)), "{reply:?}");
    sim.run();
    assert!(sim.events(second).iter().any(|event| matches!(event, Event::Linked { .. })));
    // The one whose keys are gone can be removed by hand.
    assert_eq!(device_ids(&mut sim, ann), [1, 2, 3]);
}

#[test]
fn notes_to_self_reach_the_own_devices() {
    let mut sim = Sim::new(22);
    let ann = sim.register("ann");
    let ann_id = sim.account(ann);
    sim.command(
        ann,
        Command::SendText {
            to: Who::Me,
            body: "alone".into(),
            name: None,
            mentions: Vec::new(),
            reply_to: None,
            preview: None,
        },
    );
    sim.run();
    assert_eq!(sim.statuses(ann, ann_id), [MessageStatus::Sent]);
    let second = sim.link(ann);
    sim.command(
        ann,
        Command::SendText {
            to: Who::Me,
            body: "together".into(),
            name: None,
            mentions: Vec::new(),
            reply_to: None,
            preview: None,
        },
    );
    sim.run();
    assert_eq!(sim.texts(second, ann_id), ["alone", "together"]);
}

#[test]
fn a_removed_device_is_out_at_once() {
    let mut sim = Sim::new(23);
    let (ann, bob) = (sim.register("ann"), sim.register("bob"));
    let ann_id = sim.account(ann);
    let second = sim.link(ann);
    sim.send(bob, "ann", "for both");
    sim.run();
    let reply = sim.ask(ann, Command::RemoveDevice { device: DeviceId::try_from(2).unwrap(), recovery_code: None });
    assert!(matches!(reply, Ok(Reply::Done)), "{reply:?}");
    sim.run();
    assert!(signed_out(&sim, second));
    assert_eq!(device_ids(&mut sim, ann), [1]);
    sim.send(bob, "ann", "for one");
    sim.run();
    let bob_id = sim.account(bob);
    assert_eq!(sim.texts(ann, bob_id), ["for both", "for one"]);
    assert_eq!(sim.texts(second, bob_id), ["for both"], "its history stays readable");
    let refused = sim.ask(
        second,
        Command::SendText {
            to: Who::Account(bob_id),
            body: "no".into(),
            name: None,
            mentions: Vec::new(),
            reply_to: None,
            preview: None,
        },
    );
    assert_eq!(refused.map_err(|error| error.kind).err(), Some(ErrorKind::SignedOut));
    assert_eq!(sim.texts(bob, ann_id), ["for both", "for one"]);
}

#[test]
fn the_recovery_code_brings_a_person_back_without_any_device() {
    let mut sim = Sim::new(24);
    let (ann, code) = sim.register_with_code("ann");
    let bob = sim.register("bob");
    let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
    sim.send(ann, "bob", "before the loss");
    sim.run();
    sim.crash(ann);
    let new = sim.device();
    let typo = sim.ask(new, recover("0000-0000")).map_err(|error| error.kind);
    assert_eq!(typo.err(), Some(ErrorKind::Invalid));
    let reply = sim.ask(new, recover(&code));
    let Ok(Reply::Recovered { me, other_devices }) = reply else { panic!("not recovered: {reply:?}") };
    assert_eq!((me.account, other_devices), (ann_id, 1));
    sim.run();
    sim.send(bob, "ann", "welcome back");
    sim.run();
    assert_eq!(sim.texts(new, bob_id), ["welcome back"]);
    // The lost device turns up: its history comes over.
    sim.start(ann);
    sim.run();
    assert_eq!(sim.texts(new, bob_id), ["before the loss", "welcome back"]);
    assert!(!sim.events(bob).iter().any(|event| matches!(event, Event::KeyChanged { .. })), "the key is the same");
}

fn recover(code: &str) -> Command {
    Command::Recover {
        server: SERVER.into(),
        username: Username::parse("ann").expect("a username"),
        code: code.into(),
        device_name: "new".into(),
    }
}

fn new_code(sim: &mut Sim, device: Device, current: &str) -> Result<String, CommandError> {
    match sim.ask(device, Command::NewRecoveryCode { current_code: current.into() })? {
        Reply::RecoveryCode { recovery_code } => Ok(recovery_code),
        other => panic!("no code: {other:?}"),
    }
}

#[test]
fn only_the_current_code_brings_a_new_one() {
    let mut sim = Sim::new(27);
    let (ann, first) = sim.register_with_code("ann");
    let (_, bobs) = sim.register_with_code("bob");
    let second_device = sim.link(ann);
    for (wrong, kind) in [("0000-0000", ErrorKind::Invalid), (&*bobs, ErrorKind::Refused)] {
        let error = new_code(&mut sim, second_device, wrong).expect_err("a device alone cannot");
        assert_eq!(error.kind, kind, "{error}");
    }
    // Any device, and each code ends the one before.
    let second = new_code(&mut sim, second_device, &first).expect("the current code");
    let error = new_code(&mut sim, ann, &first).expect_err("replaced");
    assert!(error.kind == ErrorKind::Refused && error.text.contains("current recovery code"), "{error}");
    let third = new_code(&mut sim, ann, &second).expect("the current code");
    let new = sim.device();
    for old in [&first, &second] {
        assert_eq!(sim.ask(new, recover(old)).map_err(|error| error.kind).err(), Some(ErrorKind::Refused));
    }
    let reply = sim.ask(new, recover(&third));
    assert!(matches!(reply, Ok(Reply::Recovered { .. })), "{reply:?}");
}

#[test]
fn a_new_code_survives_a_lost_answer() {
    let mut sim = Sim::new(28);
    let (ann, first) = sim.register_with_code("ann");
    let (_, bobs) = sim.register_with_code("bob");
    // The server takes the new code; its answers do not arrive.
    sim.answer_hook = Some(Box::new(move |_, path, answer| {
        if path == "/v1/recovery" {
            (answer.status, answer.body) = (502, Vec::new());
        }
    }));
    let error = new_code(&mut sim, ann, &first).expect_err("no answer");
    assert!(error.kind == ErrorKind::Offline && error.text.contains("run this again"), "{error}");
    sim.answer_hook = None;
    let new = sim.device();
    assert!(sim.ask(new, recover(&first)).is_err(), "the server took the new one");
    // A wrong code in between, and a crash, lose nothing.
    new_code(&mut sim, ann, &bobs).expect_err("not the current code");
    sim.crash(ann);
    sim.start(ann);
    let second = new_code(&mut sim, ann, &first).expect("the same command again");
    let reply = sim.ask(new, recover(&second));
    assert!(matches!(reply, Ok(Reply::Recovered { .. })), "{reply:?}");
    // Once it was shown it is kept nowhere.
    assert!(new_code(&mut sim, ann, &first).is_err());
}

#[test]
fn a_stolen_device_is_cut_off_and_contacts_see_a_new_key() {
    let mut sim = Sim::new(25);
    let (ann, code) = sim.register_with_code("ann");
    let (bob, cleo) = (sim.register("bob"), sim.register("cleo"));
    let ann_id = sim.account(ann);
    let stolen = sim.link(ann);
    for to in ["bob", "cleo"] {
        sim.send(ann, to, "hello");
    }
    sim.run();
    sim.verify(cleo, ann_id);
    let device = DeviceId::try_from(2).unwrap();
    let reply = sim.ask(ann, Command::RemoveDevice { device, recovery_code: Some(code) });
    assert!(matches!(reply, Ok(Reply::Done)), "{reply:?}");
    sim.run();
    assert!(signed_out(&sim, stolen));

    // Not verified: adopted and shown.
    sim.send(bob, "ann", "still you?");
    sim.run();
    assert!(sim.events(bob).iter().any(|event| matches!(event, Event::KeyChanged { was_verified: false, .. })));
    let bob_id = sim.account(bob);
    assert_eq!(sim.texts(ann, bob_id), ["hello", "still you?"]);

    // Verified: held until the person decides; what comes in is shown.
    sim.send(cleo, "ann", "held");
    sim.run();
    assert!(sim.events(cleo).iter().any(|event| matches!(event, Event::KeyChanged { was_verified: true, .. })));
    assert!(sim.statuses(cleo, ann_id).contains(&MessageStatus::Held));
    sim.send(ann, "cleo", "it is me");
    sim.run();
    assert!(sim.texts(cleo, ann_id).contains(&"it is me".into()));
    let accepted = sim.ask(cleo, Command::AcceptKey { who: Who::Account(ann_id), identity_key: None });
    assert!(matches!(accepted, Ok(Reply::Contact { .. })));
    sim.run();
    let cleo_id = sim.account(cleo);
    assert!(sim.texts(ann, cleo_id).contains(&"held".into()));
}

#[test]
fn a_device_away_for_a_month_leaves_the_list() {
    let mut sim = Sim::new(26);
    let ann = sim.register("ann");
    let second = sim.link(ann);
    sim.crash(second);
    for _ in 0..32 {
        for online in [false, true] {
            let reply = sim.ask(ann, Command::SetOnline { online });
            assert!(matches!(reply, Ok(Reply::Done)));
            sim.run_for(Duration::from_secs(if online { 60 } else { 86_400 }));
        }
        sim.sweep();
    }
    sim.run();
    assert_eq!(device_ids(&mut sim, ann), [1]);
    sim.start(second);
    sim.run();
    assert!(signed_out(&sim, second));
}
