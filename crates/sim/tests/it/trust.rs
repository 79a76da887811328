//! Whom to believe: keys that change, lists that grow old, names that move, devices that are on no list.

use sotto_engine::{Command, ErrorKind, Event, MessageStatus, Reply, Who};
use sotto_sim::{Device, Fate, Sim};
use sotto_types::{AccountId, DeviceId, Username};
#[cfg(target_arch = "wasm32")]
use sotto_wasm_test::test;
use sotto_wire::http::AccountDevices;
use sotto_wire::pb::{self, server_frame::Body};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

fn contact(sim: &mut Sim, device: Device, account: AccountId) -> sotto_engine::ContactView {
    match sim.ask(device, Command::Contact { who: Who::Account(account) }) {
        Ok(Reply::Contact { contact }) => contact,
        other => panic!("no contact: {other:?}"),
    }
}

fn text(sim: &mut Sim, from: Device, to: AccountId, body: &str) {
    sim.command(
        from,
        Command::SendText {
            to: Who::Account(to),
            body: body.into(),
            name: None,
            mentions: Vec::new(),
            reply_to: None,
            preview: None,
        },
    );
    sim.run();
}

fn remove(sim: &mut Sim, device: Device, id: u32, recovery_code: Option<String>) {
    let reply =
        sim.ask(device, Command::RemoveDevice { device: DeviceId::try_from(id).expect("1 to 127"), recovery_code });
    assert!(matches!(reply, Ok(Reply::Done)), "{reply:?}");
    sim.run();
}

fn accept(sim: &mut Sim, device: Device, account: AccountId) {
    let shown = contact(sim, device, account).new_identity_key;
    let reply = sim.ask(device, Command::AcceptKey { who: Who::Account(account), identity_key: shown });
    assert!(matches!(reply, Ok(Reply::Contact { .. })), "{reply:?}");
}

fn notices(sim: &Sim, device: Device, about: &str) -> usize {
    sim.events(device).iter().filter(|event| matches!(event, Event::Notice { text } if text.contains(about))).count()
}

/// What the server answers about the devices of an account, as often as it is asked.
fn record_lists(sim: &mut Sim, account: AccountId) -> Rc<RefCell<Vec<Vec<u8>>>> {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let hook = Rc::clone(&seen);
    sim.answer_hook = Some(Box::new(move |_, path, answer| {
        if path == format!("/v1/accounts/{account}/devices") && answer.status == 200 {
            hook.borrow_mut().push(answer.body.clone());
        }
    }));
    seen
}

/// From now on the server shows `liar`'s victim this answer about the devices of an account. Returns how often it did.
fn show_list(sim: &mut Sim, to: Device, account: AccountId, body: Vec<u8>) -> Rc<Cell<u32>> {
    let shown = Rc::new(Cell::new(0));
    let hook = Rc::clone(&shown);
    sim.answer_hook = Some(Box::new(move |device, path, answer| {
        if device == to && path == format!("/v1/accounts/{account}/devices") {
            (answer.status, answer.body) = (200, body.clone());
            hook.set(hook.get() + 1);
        }
    }));
    shown
}

#[test]
fn an_accepted_key_keeps_the_session_it_wrote_in() {
    // With one-time prekeys left, and without: then a first message rests on the last-resort key alone.
    for drained in [false, true] {
        let mut sim = Sim::new(60);
        let (ann, code) = sim.register_with_code("ann");
        let cleo = sim.register("cleo");
        let (ann_id, cleo_id) = (sim.account(ann), sim.account(cleo));
        let stolen = sim.link(ann);
        sim.send(ann, "cleo", "hello");
        sim.run();
        sim.verify(cleo, ann_id);
        sim.set_network(cleo, false);
        if drained {
            for n in 0..10 {
                let other = sim.register(&format!("other{n}"));
                text(&mut sim, other, cleo_id, "hi");
            }
        }
        remove(&mut sim, ann, 2, Some(code));
        text(&mut sim, ann, cleo_id, "first under the new key");
        sim.set_network(cleo, true);
        sim.run();
        assert!(contact(&mut sim, cleo, ann_id).key_changed);
        sim.set_network(cleo, false);
        text(&mut sim, ann, cleo_id, "second");
        accept(&mut sim, cleo, ann_id);
        sim.set_network(cleo, true);
        sim.run();
        text(&mut sim, ann, cleo_id, "third");
        assert_eq!(sim.texts(cleo, ann_id), ["hello", "first under the new key", "second", "third"], "{drained}");
        let waited = sim.events(cleo).iter().any(
            |event| matches!(event, Event::MessageAdded { message, .. } if message.status == MessageStatus::Waiting),
        );
        assert!(!waited, "nothing had to be sent again ({drained})");
        let Ok(Reply::Status { status }) = sim.ask(cleo, Command::Status) else { panic!("no status") };
        assert_eq!(status.undecryptable, 0, "{drained}");
        assert!(sim.texts(stolen, cleo_id).iter().all(|text| text == "hello"));
    }
}

#[test]
fn an_accepted_key_is_not_rolled_back() {
    let mut sim = Sim::new(61);
    let (ann, code) = sim.register_with_code("ann");
    let stolen = sim.link(ann);
    let cleo = sim.register("cleo");
    let (ann_id, cleo_id) = (sim.account(ann), sim.account(cleo));
    let lists = record_lists(&mut sim, ann_id);
    sim.send(cleo, "ann", "hello");
    sim.run();
    sim.verify(cleo, ann_id);
    let old = lists.borrow().last().cloned().expect("asked once");
    let old_key = contact(&mut sim, cleo, ann_id).identity_key;
    remove(&mut sim, ann, 2, Some(code));
    text(&mut sim, cleo, ann_id, "held");
    let view = contact(&mut sim, cleo, ann_id);
    assert!(view.key_changed);
    // The server shows the list of before, with the stolen device, as soon as the new key is accepted.
    let lies = show_list(&mut sim, cleo, ann_id, old);
    sim.clear_events(cleo);
    accept(&mut sim, cleo, ann_id);
    sim.run_for(Duration::from_secs(300));
    assert!(lies.get() > 0);
    assert!(notices(&sim, cleo, "device list") > 0);
    let after = contact(&mut sim, cleo, ann_id);
    assert_eq!(after.identity_key, view.new_identity_key);
    assert_ne!(after.identity_key, old_key);
    sim.answer_hook = None;
    sim.run_for(Duration::from_secs(300));
    assert_eq!(sim.texts(ann, cleo_id), ["hello", "held"]);
    assert_eq!(sim.texts(stolen, cleo_id), ["hello"]);
}

#[test]
fn a_linked_device_refuses_lists_older_than_its_sibling_has_seen() {
    let mut sim = Sim::new(62);
    let (ann, bob) = (sim.register("ann"), sim.register("bob"));
    let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
    let lost = sim.link(bob);
    let lists = record_lists(&mut sim, bob_id);
    sim.send(ann, "bob", "to both");
    sim.run();
    let old = lists.borrow().last().cloned().expect("asked once");
    remove(&mut sim, bob, 2, None);
    text(&mut sim, ann, bob_id, "to the one that is left");
    let second = sim.link(ann);
    sim.run();
    let lies = show_list(&mut sim, second, bob_id, old);
    text(&mut sim, second, bob_id, "from the new device");
    sim.run_for(Duration::from_secs(300));
    assert!(lies.get() > 0);
    assert!(notices(&sim, second, "device list") > 0);
    assert_eq!(sim.texts(bob, ann_id).len(), 2, "nothing goes out under the old list");
    sim.answer_hook = None;
    sim.run_for(Duration::from_secs(300));
    assert_eq!(sim.texts(bob, ann_id).len(), 3);
    assert_eq!(sim.texts(lost, ann_id), ["to both"]);
}

#[test]
fn the_name_of_somebody_known_does_not_move_silently() {
    let mut sim = Sim::new(63);
    let (ann, bob, mallory) = (sim.register("ann"), sim.register("bob"), sim.register("mallory"));
    let (ann_id, bob_id, mallory_id) = (sim.account(ann), sim.account(bob), sim.account(mallory));
    sim.send(ann, "bob", "for bob");
    sim.run();
    sim.verify(ann, bob_id);
    sim.answer_hook = Some(Box::new(move |device, path, answer| {
        if device == ann && path == format!("/v1/accounts/{mallory_id}/devices") {
            let mut found: AccountDevices = serde_json::from_slice(&answer.body).expect("an answer");
            found.username = "bob".into();
            answer.body = serde_json::to_vec(&found).expect("an answer");
        }
    }));
    sim.send(mallory, "ann", "it is me, bob");
    sim.run();
    assert_eq!(notices(&sim, ann, "@bob is another account now"), 1);
    assert_eq!(contact(&mut sim, ann, bob_id).username, Username::parse("bob").ok());
    assert_eq!(contact(&mut sim, ann, mallory_id).username, None);
    let by_name = |body: &str| Command::SendText {
        to: Who::Name(Username::parse("bob").expect("a name")),
        body: body.into(),
        name: None,
        mentions: Vec::new(),
        reply_to: None,
        preview: None,
    };
    let refused = sim.ask(ann, by_name("to whom?")).expect_err("not before the person decides");
    assert_eq!(refused.kind, ErrorKind::KeyChanged);
    assert!(refused.text.contains(&bob_id.to_string()) && refused.text.contains(&mallory_id.to_string()));
    text(&mut sim, ann, bob_id, "by id");
    // The person says who is meant; the mark stays, and the same claim asks nobody again.
    accept(&mut sim, ann, bob_id);
    assert!(contact(&mut sim, ann, bob_id).verified);
    text(&mut sim, mallory, ann_id, "still me");
    assert!(matches!(sim.ask(ann, by_name("for bob again")), Ok(Reply::Queued { .. })));
    sim.run();
    assert_eq!(sim.texts(bob, ann_id), ["for bob", "by id", "for bob again"]);
    assert_eq!(notices(&sim, ann, "@bob is another account now"), 1);
    // Or the other one: a name whose account was deleted, and that somebody else has now.
    accept(&mut sim, ann, mallory_id);
    assert_eq!(contact(&mut sim, ann, mallory_id).username, None, "it was refused");
    let verified = contact(&mut sim, ann, bob_id).verified;
    assert!(verified);
}

#[test]
fn a_name_can_be_given_to_its_new_account() {
    let mut sim = Sim::new(64);
    let (ann, bob, other) = (sim.register("ann"), sim.register("bob"), sim.register("other"));
    let (ann_id, bob_id, other_id) = (sim.account(ann), sim.account(bob), sim.account(other));
    sim.send(ann, "bob", "for the first bob");
    sim.run();
    sim.answer_hook = Some(Box::new(move |_, path, answer| {
        if path == format!("/v1/accounts/{other_id}/devices") {
            let mut found: AccountDevices = serde_json::from_slice(&answer.body).expect("an answer");
            found.username = "bob".into();
            answer.body = serde_json::to_vec(&found).expect("an answer");
        }
    }));
    sim.send(other, "ann", "I have this name now");
    sim.run();
    accept(&mut sim, ann, other_id);
    sim.send(ann, "bob", "for the second bob");
    sim.run();
    assert_eq!(contact(&mut sim, ann, bob_id).username, None);
    assert_eq!(sim.texts(other, ann_id), ["I have this name now", "for the second bob"]);
    assert_eq!(sim.texts(bob, ann_id), ["for the first bob"]);
}

/// Keeps back what one device sends to another.
fn keep_back(sim: &mut Sim, to: Vec<Device>, account: AccountId, device: u32) {
    sim.frame_hook = Some(Box::new(move |receiver, frame| {
        let Some(Body::Deliver(pb::Deliver { item: Some(pb::deliver::Item::Envelope(envelope)), .. })) = &frame.body
        else {
            return Fate::Pass;
        };
        let is_it = envelope.sender_account[..] == account.as_bytes()[..] && envelope.sender_device == device;
        if is_it && to.contains(&receiver) { Fate::Drop } else { Fate::Pass }
    }));
}

#[test]
fn what_an_unlinked_device_says_is_shown_with_a_note_and_moves_nothing() {
    let mut sim = Sim::new(65);
    let (ann, bob) = (sim.register("ann"), sim.register("bob"));
    let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
    let second = sim.link(ann);
    sim.send(second, "bob", "before");
    sim.run();
    sim.send(bob, "ann", "answer");
    sim.run();
    // The server holds back what the second device sends until that is off the list.
    keep_back(&mut sim, vec![ann, bob], ann_id, 2);
    sim.send(second, "bob", "held back");
    sim.verify(second, bob_id);
    sim.run();
    remove(&mut sim, ann, 2, None);
    sim.send(bob, "ann", "bob sees the new list");
    sim.run();
    sim.frame_hook = None;
    for device in [ann, bob] {
        sim.break_connection(device);
    }
    sim.run();
    let history = sim.history(bob, ann_id);
    let late = history.iter().find(|message| message.note.is_some()).expect("it is not lost");
    assert!(late.note.as_deref().is_some_and(|note| note.contains("not on the sender's list")), "{late:?}");
    assert_eq!(sim.texts(bob, ann_id), ["before", "answer", "held back", "bob sees the new list"]);
    assert!(history.iter().filter(|message| message.note.is_some()).count() == 1);
    assert!(!contact(&mut sim, ann, bob_id).verified, "it can verify nobody any more");
    let own = sim.history(ann, bob_id);
    assert!(own.iter().any(|message| message.note.as_deref().is_some_and(|note| note.contains("not on the"))));
    // One that was linked meanwhile is on the list: no note.
    let third = sim.link(ann);
    sim.send(third, "bob", "from the third");
    sim.run();
    let history = sim.history(bob, ann_id);
    assert_eq!(history.last().map(|message| message.note.clone()), Some(None));
}

#[test]
fn only_the_number_that_was_compared_is_verified() {
    let mut sim = Sim::new(66);
    let (ann, code) = sim.register_with_code("ann");
    let bob = sim.register("bob");
    let ann_id = sim.account(ann);
    sim.send(bob, "ann", "hello");
    sim.run();
    let who = Who::Account(ann_id);
    let Ok(Reply::SafetyNumber { digits, .. }) = sim.ask(bob, Command::SafetyNumber { who: who.clone() }) else {
        panic!("no number")
    };
    let verify =
        |number: Option<String>| Command::SetVerified { who: who.clone(), verified: true, safety_number: number };
    assert_eq!(sim.ask(bob, verify(None)).map_err(|error| error.kind).err(), Some(ErrorKind::Invalid));
    // The key changes between the look and the mark.
    let spare = sim.link(ann);
    remove(&mut sim, ann, 2, Some(code));
    assert!(!sim.events(spare).is_empty());
    sim.send(ann, "bob", "new key");
    sim.run();
    let late = sim.ask(bob, verify(Some(digits))).map_err(|error| error.kind);
    assert_eq!(late.err(), Some(ErrorKind::KeyChanged));
    assert!(!contact(&mut sim, bob, ann_id).verified);
    // As it is read out, in groups.
    let Ok(Reply::SafetyNumber { digits, .. }) = sim.ask(bob, Command::SafetyNumber { who: who.clone() }) else {
        panic!("no number")
    };
    let spaced: Vec<String> = digits.as_bytes().chunks(5).map(|five| String::from_utf8_lossy(five).into()).collect();
    assert!(sim.ask(bob, verify(Some(spaced.join(" ")))).is_ok());
    assert!(contact(&mut sim, bob, ann_id).verified);
}
