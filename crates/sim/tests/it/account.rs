//! Ways to an account and out of it: whatever fails, crashes or comes late, no account is lost and no device made twice.

use sotto_engine::{Command, CommandError, ErrorKind, Event, HttpAnswer, Me, Reply, Who};
use sotto_sim::{Device, SERVER, Sim, signed_prekeys};
use sotto_types::{DeviceId, ErrorCode, Username};
#[cfg(target_arch = "wasm32")]
use sotto_wasm_test::test;
use sotto_wire::http::Problem;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

const EXPIRY: Duration = Duration::from_secs(11 * 60);

fn name(text: &str) -> Username {
    Username::parse(text).expect("a username")
}

fn register(username: &str) -> Command {
    Command::Register { server: SERVER.into(), username: name(username), invite: None, device_name: "this".into() }
}

fn start_link() -> Command {
    Command::StartLink { server: SERVER.into(), device_name: "linked".into() }
}

fn recover(code: &str) -> Command {
    Command::Recover { server: SERVER.into(), username: name("ann"), code: code.into(), device_name: "new".into() }
}

fn remove_stolen(code: &str) -> Command {
    let device = DeviceId::try_from(2).expect("an id");
    Command::RemoveDevice { device, recovery_code: Some(code.into()) }
}

fn link_text(sim: &mut Sim, device: Device) -> String {
    match sim.ask(device, start_link()) {
        Ok(Reply::LinkText { text, .. }) => text,
        other => panic!("no link text: {other:?}"),
    }
}

fn me(sim: &mut Sim, device: Device) -> Me {
    match sim.ask(device, Command::WhoAmI) {
        Ok(Reply::Me { me }) => me,
        other => panic!("no account: {other:?}"),
    }
}

fn device_ids(sim: &mut Sim, device: Device) -> Vec<u32> {
    match sim.ask(device, Command::Devices) {
        Ok(Reply::Devices { devices }) => devices.into_iter().map(|view| view.device.into()).collect(),
        other => panic!("no devices: {other:?}"),
    }
}

fn device_names(sim: &mut Sim, device: Device) -> Vec<String> {
    match sim.ask(device, Command::Devices) {
        Ok(Reply::Devices { devices }) => devices.into_iter().map(|view| view.name).collect(),
        other => panic!("no devices: {other:?}"),
    }
}

fn signed_out(sim: &Sim, device: Device) -> Option<&CommandError> {
    sim.events(device).iter().find_map(|event| match event {
        Event::SignedOut { error } => Some(error),
        _ => None,
    })
}

fn refuse(answer: &mut HttpAnswer, code: ErrorCode) {
    let problem = Problem::new(code, "refused", None);
    answer.status = code.http_status();
    answer.body = serde_json::to_vec(&problem).expect("plain data");
}

/// Answers to `path` are lost from here on, though the server does what it is asked. Says whether it did.
fn lose_answers(sim: &mut Sim, path: &'static str) -> Rc<Cell<bool>> {
    let done = Rc::new(Cell::new(false));
    let seen = Rc::clone(&done);
    sim.answer_hook = Some(Box::new(move |_, of, answer| {
        if of == path {
            seen.set(seen.get() || (200..300).contains(&answer.status));
            (answer.status, answer.body) = (502, Vec::new());
        }
    }));
    done
}

#[test]
fn a_link_that_ends_leaves_an_account_alone() {
    for approved in [false, true] {
        let mut sim = Sim::new(60);
        let bob = sim.register("bob");
        let (ann, bob_id) = (sim.device(), sim.account(bob));
        let text = link_text(&mut sim, ann);
        let reply = sim.ask(ann, register("ann"));
        assert!(matches!(reply, Ok(Reply::Registered { .. })), "{reply:?}");
        sim.send(ann, "bob", "before");
        sim.run();
        let own = me(&mut sim, ann);
        if approved {
            // Whoever still scans the old code finds nobody behind it.
            sim.command(bob, Command::ApproveLink { link_text: text });
        }
        sim.run_for(EXPIRY);
        let failed =
            |event: &Event| matches!(event, Event::LinkFailed { error } if error.kind == ErrorKind::WrongState);
        assert!(sim.events(ann).iter().any(failed), "whoever shows the code is told");
        assert_eq!(me(&mut sim, ann), own, "approved: {approved}");
        assert_eq!(device_ids(&mut sim, bob), [1]);
        sim.crash(ann);
        sim.start(ann);
        sim.send(ann, "bob", "after");
        sim.run();
        sim.send(bob, "ann", "answer");
        sim.run();
        assert_eq!(sim.texts(ann, bob_id), ["before", "after", "answer"]);
    }
}

#[test]
fn a_link_opened_while_an_account_is_made_is_refused() {
    for seed in 0..10 {
        let mut sim = Sim::new(6100 + seed);
        let ann = sim.device();
        let made = sim.command(ann, register("ann"));
        let linked = sim.ask(ann, start_link());
        sim.run_for(EXPIRY);
        assert_eq!(me(&mut sim, ann).username, name("ann"), "seed {seed}: {made:?}, {linked:?}");
    }
}

#[test]
fn a_registration_that_races_its_own_repetition_keeps_its_keys() {
    for code in [ErrorCode::UsernameTaken, ErrorCode::AccountExists] {
        let mut sim = Sim::new(62);
        let ann = sim.device();
        let made = lose_answers(&mut sim, "/v1/accounts");
        let error = sim.ask(ann, register("ann")).expect_err("no answer");
        assert!(made.get() && error.kind == ErrorKind::Offline, "{error}");
        // The repetition is looked at while the first try is being stored.
        let races = Rc::new(Cell::new(true));
        sim.answer_hook = Some(Box::new(move |_, path, answer| {
            if path == "/v1/accounts" && races.replace(false) {
                refuse(answer, code);
            }
        }));
        let reply = sim.ask(ann, register("ann"));
        assert!(matches!(reply, Ok(Reply::Registered { .. })), "{code:?}: {reply:?}");
        sim.run();
        let bob = sim.register("bob");
        let ann_id = sim.account(ann);
        sim.send(bob, "ann", "hello");
        sim.run();
        assert_eq!(sim.texts(bob, ann_id), ["hello"]);
    }
}

#[test]
fn a_taken_name_leaves_room_for_another() {
    let mut sim = Sim::new(63);
    sim.register("ann");
    let other = sim.device();
    for _ in 0..2 {
        let error = sim.ask(other, register("ann")).expect_err("taken");
        assert_eq!(error.kind, ErrorKind::Refused, "{error}");
    }
    assert!(matches!(sim.ask(other, register("bob")), Ok(Reply::Registered { .. })));
}

#[test]
fn an_account_made_after_another_waits_for_nobody() {
    for seed in 0..12 {
        let mut sim = Sim::new(6400 + seed);
        let (ann, bob) = (sim.register("ann"), sim.register("bob"));
        let bob_id = sim.account(bob);
        // Looking bob up, and all that follows, is cut off somewhere by the end of the account.
        sim.send(ann, "bob", "never sent");
        sim.command(ann, Command::DeleteAccount);
        for _ in 0..seed {
            sim.step();
        }
        sim.send(ann, "bob", "too late");
        sim.run();
        let reply = sim.ask(ann, register("anna"));
        assert!(matches!(reply, Ok(Reply::Registered { .. })), "seed {seed}: {reply:?}");
        sim.send(ann, "bob", "from the new one");
        sim.run_for(Duration::from_secs(1800));
        assert_eq!(sim.texts(ann, bob_id), ["from the new one"], "seed {seed}");
        let ann_id = sim.account(ann);
        assert_eq!(sim.texts(bob, ann_id), ["from the new one"], "seed {seed}");
    }
}

/// ann with a second device that is stolen, and bob, who knows her.
fn stolen(seed: u64) -> (Sim, Device, Device, Device, String) {
    let mut sim = Sim::new(seed);
    let (ann, code) = sim.register_with_code("ann");
    let bob = sim.register("bob");
    let stolen = sim.link(ann);
    sim.send(ann, "bob", "hello");
    sim.run();
    (sim, ann, bob, stolen, code)
}

fn both_ways(sim: &mut Sim, ann: Device, bob: Device) {
    let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
    sim.send(ann, "bob", "still me");
    sim.run();
    sim.send(bob, "ann", "still you");
    sim.run();
    for (device, with) in [(ann, bob_id), (bob, ann_id)] {
        let texts = sim.texts(device, with);
        assert!(texts.ends_with(&["still me".into(), "still you".into()]), "{texts:?}");
    }
}

#[test]
fn a_new_identity_survives_a_lost_answer() {
    for crash in [false, true] {
        let (mut sim, ann, bob, thief, code) = stolen(65);
        let before = me(&mut sim, ann).identity_key;
        let done = lose_answers(&mut sim, "/v1/devices/stolen");
        if crash {
            sim.command(ann, remove_stolen(&code));
            sim.run_until(|_| done.get());
            sim.crash(ann);
            sim.start(ann);
        } else {
            // Unless the connection brought the news first.
            if let Err(error) = sim.ask(ann, remove_stolen(&code)) {
                assert!(error.kind == ErrorKind::Offline && error.text.contains("run this again"), "{error}");
            }
        }
        sim.run();
        assert!(done.get());
        assert_ne!(me(&mut sim, ann).identity_key, before, "crash: {crash}");
        assert!(signed_out(&sim, thief).is_some());
        assert_eq!(device_ids(&mut sim, ann), [1]);
        assert_eq!(device_names(&mut sim, ann), ["ann's device"]);
        // Signed out, its history is readable, with names.
        let shown = sim.ask(thief, Command::Contact { who: Who::Name(Username::parse("bob").expect("a good name")) });
        assert!(matches!(shown, Ok(Reply::Contact { .. })), "{shown:?}");
        both_ways(&mut sim, ann, bob);
    }
}

#[test]
fn a_new_identity_is_completed_by_the_same_command() {
    let (mut sim, ann, bob, _, code) = stolen(66);
    let done = lose_answers(&mut sim, "/v1/devices/stolen");
    sim.command(ann, remove_stolen(&code));
    sim.run_until(|_| done.get());
    sim.crash(ann);
    sim.answer_hook = None;
    sim.start(ann);
    let before = me(&mut sim, ann).identity_key;
    // Nothing is heard on the connection: the command finds out by itself.
    sim.frame_hook =
        Some(Box::new(move |device, _| if device == ann { sotto_sim::Fate::Drop } else { sotto_sim::Fate::Pass }));
    let reply = sim.ask(ann, remove_stolen(&code));
    assert!(matches!(reply, Ok(Reply::Done)), "{reply:?}");
    assert_ne!(me(&mut sim, ann).identity_key, before);
    sim.frame_hook = None;
    sim.run();
    both_ways(&mut sim, ann, bob);
}

#[test]
fn a_refused_new_identity_changes_nothing() {
    let (mut sim, ann, bob, _, _) = stolen(67);
    let (_, wrong) = sim.register_with_code("cleo");
    let (identity, signed_prekey) = (me(&mut sim, ann).identity_key, signed_prekeys(&mut sim));
    sim.crash(ann);
    sim.start(ann);
    sim.run();
    let before = signed_prekey.get();
    for _ in 0..2 {
        let error = sim.ask(ann, remove_stolen(&wrong)).expect_err("another one's code");
        assert_eq!(error.kind, ErrorKind::Refused, "{error}");
    }
    sim.crash(ann);
    sim.start(ann);
    sim.run();
    assert_eq!((me(&mut sim, ann).identity_key, signed_prekey.get()), (identity, before));
    assert_eq!(device_ids(&mut sim, ann), [1, 2]);
    both_ways(&mut sim, ann, bob);
}

#[test]
fn a_recovery_whose_answer_was_lost_makes_one_device() {
    for crash in [false, true] {
        let mut sim = Sim::new(68);
        let (ann, code) = sim.register_with_code("ann");
        let (bob, new) = (sim.register("bob"), sim.device());
        let done = lose_answers(&mut sim, "/v1/devices");
        if crash {
            sim.command(new, recover(&code));
            sim.run_until(|_| done.get());
            sim.crash(new);
            sim.start(new);
        } else {
            let error = sim.ask(new, recover(&code)).expect_err("no answer");
            assert_eq!(error.kind, ErrorKind::Offline, "{error}");
        }
        sim.answer_hook = None;
        let reply = sim.ask(new, recover(&code));
        assert!(matches!(&reply, Ok(Reply::Recovered { other_devices: 1, .. })), "{reply:?}");
        sim.run();
        assert_eq!(device_ids(&mut sim, ann), [1, 2]);
        both_ways(&mut sim, new, bob);
    }
}

#[test]
fn a_recovery_tried_again_too_late_leaves_no_device_behind() {
    let mut sim = Sim::new(69);
    let (ann, code) = sim.register_with_code("ann");
    let (bob, new) = (sim.register("bob"), sim.device());
    lose_answers(&mut sim, "/v1/devices");
    sim.ask(new, recover(&code)).expect_err("no answer");
    sim.answer_hook = None;
    sim.run_for(EXPIRY);
    let reply = sim.ask(new, recover(&code));
    assert!(matches!(&reply, Ok(Reply::Recovered { other_devices: 1, .. })), "{reply:?}");
    sim.run();
    assert_eq!(device_ids(&mut sim, ann), [1, 3]);
    both_ways(&mut sim, new, bob);
}

#[test]
fn an_account_that_a_sibling_deleted_signs_all_devices_out() {
    let mut sim = Sim::new(70);
    let ann = sim.register("ann");
    let second = sim.link(ann);
    assert!(matches!(sim.ask(second, Command::DeleteAccount), Ok(Reply::Done)));
    sim.run_for(Duration::from_secs(600));
    let error = signed_out(&sim, ann).expect("told");
    assert_eq!(error.kind, ErrorKind::SignedOut, "{error}");
    let ann_id = sim.account(ann);
    let send = Command::SendText {
        to: Who::Account(ann_id),
        body: "to nobody".into(),
        name: None,
        mentions: Vec::new(),
        reply_to: None,
        preview: None,
    };
    assert_eq!(sim.ask(ann, send).map_err(|error| error.kind).err(), Some(ErrorKind::SignedOut));
}

#[test]
fn a_device_that_a_server_lost_introduces_itself_with_the_same_keys_until_refused() {
    let mut sim = Sim::new(71);
    let ann = sim.register("ann");
    let tries = Rc::new(Cell::new(0));
    let count = Rc::clone(&tries);
    sim.answer_hook = Some(Box::new(move |_, path, answer| match path {
        "/v1/auth/token" => refuse(answer, ErrorCode::UnknownAccount),
        "/v1/accounts" => {
            count.set(count.get() + 1);
            // Busy for a while; then somebody else has the name.
            refuse(answer, if count.get() < 8 { ErrorCode::Unavailable } else { ErrorCode::UsernameTaken });
        }
        _ => {}
    }));
    sim.trace = Some(Vec::new());
    sim.crash(ann);
    sim.start(ann);
    sim.run_for(Duration::from_secs(3600));
    let error = signed_out(&sim, ann).expect("told");
    assert!(error.text.contains("somebody else has its name"), "{error}");
    assert_eq!(tries.get(), 8, "and that is the end of it");
    let mut keys: Vec<String> =
        sim.trace.take().expect("a trace").into_iter().filter_map(|effect| keys_of(&effect)).collect();
    assert_eq!(keys.len(), 8);
    keys.dedup();
    assert_eq!(keys.len(), 1, "made once");
}

/// The prekeys of a registration, from the trace of its request.
fn keys_of(effect: &str) -> Option<String> {
    let bytes = effect.split_once("/v1/accounts\"")?.1.split_once("body: Some([")?.1.split_once(']')?.0;
    let bytes: Vec<u8> = bytes.split(", ").map(|byte| byte.parse().expect("a byte")).collect();
    let body: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
    Some(body["keys"].to_string())
}
