//! What does not decrypt is asked for again; a profile restored from an old copy repairs itself; keys are replaced for sure.

use prost::Message as _;
use sotto_engine::{Event, MessageBody, MessageStatus};
use sotto_sim::{Device, Fate, Sim, acquainted, damage, damage_first, signed_prekeys};
use sotto_types::AccountId;
#[cfg(target_arch = "wasm32")]
use sotto_wasm_test::test;
use sotto_wire::pb::{self, server_frame::Body};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

#[test]
fn a_damaged_message_comes_again_in_its_place() {
    let (mut sim, ann, bob) = acquainted(31);
    let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
    let damaged = damage_first(&mut sim, bob);
    sim.send(ann, "bob", "damaged");
    sim.send(ann, "bob", "after it");
    sim.run();
    assert!(damaged.get());
    assert!(
        sim.events(bob).iter().any(
            |event| matches!(event, Event::MessageAdded { message, .. } if message.status == MessageStatus::Waiting)
        )
    );
    let want = ["first", "answer", "damaged", "after it"];
    assert_eq!(sim.texts(bob, ann_id), want);
    assert_eq!(sim.history(bob, ann_id).len(), 4, "no placeholder is left");
    assert_eq!(sim.texts(ann, bob_id), want);
    assert_eq!(sim.statuses(ann, bob_id)[2..], [MessageStatus::Delivered; 2]);
}

#[test]
fn an_own_message_that_stays_unreadable_is_told() {
    let (mut sim, ann, bob) = acquainted(39);
    let bob_id = sim.account(bob);
    let tablet = sim.link(ann);
    sim.send(tablet, "bob", "from the tablet");
    sim.run();
    sim.frame_hook = Some(Box::new(move |device, frame| {
        if device == tablet {
            damage(frame);
        }
        Fate::Pass
    }));
    sim.send(ann, "bob", "unreadable there");
    sim.run_for(Duration::from_secs(3600));
    assert!(!sim.texts(tablet, bob_id).contains(&"unreadable there".into()));
    let told = |event: &&Event| matches!(event, Event::Notice { text } if text.contains("cannot be read here"));
    assert_eq!(sim.events(tablet).iter().filter(told).count(), 1);
}

#[test]
fn a_server_that_damages_everything_for_a_while_loses_nothing() {
    for seed in 0..6 {
        let mut sim = Sim::new(3100 + seed);
        let (ann, bob) = (sim.register("ann"), sim.register("bob"));
        let ann_id = sim.account(ann);
        sim.send(ann, "bob", "m 0");
        sim.run();
        let left = Rc::new(Cell::new(6));
        let hook = Rc::clone(&left);
        sim.frame_hook = Some(Box::new(move |_, frame| {
            if hook.get() > 0 && damage(frame) {
                hook.set(hook.get() - 1);
            }
            Fate::Pass
        }));
        for n in 1..10 {
            sim.send(ann, "bob", &format!("m {n}"));
        }
        sim.run_for(Duration::from_secs(3600));
        assert_eq!(left.get(), 0);
        let want: Vec<_> = (0..10).map(|n| format!("m {n}")).collect();
        assert_eq!(sim.texts(bob, ann_id), want, "seed {seed}");
    }
}

#[test]
fn what_cannot_be_repaired_stays_visible() {
    let mut sim = Sim::new(32);
    let (ann, bob) = (sim.register("ann"), sim.register("bob"));
    let ann_id = sim.account(ann);
    sim.frame_hook = Some(Box::new(move |device, frame| {
        if device == bob {
            damage(frame);
        }
        Fate::Pass
    }));
    sim.send(ann, "bob", "never");
    sim.run_for(Duration::from_secs(4 * 3600));
    let history = sim.history(bob, ann_id);
    assert_eq!(history.len(), 1);
    assert_eq!((&history[0].body, history[0].status), (&MessageBody::Undecryptable, MessageStatus::Waiting));
    assert!(history[0].note.as_deref().is_some_and(|note| note.contains("three times")));
}

#[test]
fn a_profile_restored_from_an_old_copy_repairs_itself() {
    for seed in 0..6 {
        let mut sim = Sim::new(3200 + seed);
        let (ann, bob) = (sim.register("ann"), sim.register("bob"));
        let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
        for n in 0..4 {
            sim.send(ann, "bob", &format!("early a {n}"));
            sim.run();
            sim.send(bob, "ann", &format!("early b {n}"));
            sim.run();
        }
        let copy = sim.copy_profile(bob);
        for n in 0..4 {
            sim.send(ann, "bob", &format!("lost a {n}"));
            sim.run();
            sim.send(bob, "ann", &format!("lost b {n}"));
            sim.run();
        }
        sim.restore_profile(bob, copy);
        sim.run();
        sim.clear_events(bob);
        for n in 0..4 {
            sim.send(bob, "ann", &format!("after b {n}"));
            sim.send(ann, "bob", &format!("after a {n}"));
        }
        sim.run_for(Duration::from_secs(3600));
        for (device, with, prefix) in [(bob, ann_id, "after a"), (ann, bob_id, "after b")] {
            let texts = sim.texts(device, with);
            let got: Vec<_> = texts.into_iter().filter(|text| text.starts_with(prefix)).collect();
            let want: Vec<_> = (0..4).map(|n| format!("{prefix} {n}")).collect();
            assert_eq!(got, want, "seed {seed}");
        }
        let waiting = sim.statuses(ann, bob_id).into_iter().filter(|status| *status == MessageStatus::Waiting).count();
        assert_eq!(waiting, 0, "seed {seed}");
        let says_so = [ann, bob]
            .iter()
            .any(|device| sim.events(*device).iter().any(|event| matches!(event, Event::Repairing { .. })));
        assert!(says_so, "seed {seed}");
    }
}

#[test]
fn any_other_generation_of_the_server_replaces_the_keys() {
    let mut sim = Sim::new(37);
    let ann = sim.register("ann");
    let generation = Rc::new(Cell::new(1));
    let told = Rc::clone(&generation);
    sim.frame_hook = Some(Box::new(move |_, frame| {
        if let Some(Body::Welcome(welcome)) = &mut frame.body {
            welcome.generation = told.get();
        }
        Fate::Pass
    }));
    let signed_prekey = signed_prekeys(&mut sim);
    let mut last = 0;
    // The same is none; a restore by a clock that is behind may give a lower one.
    for (now, restored) in [(1, false), (1_800_000_000, true), (1_800_000_000, false), (1_790_000_000, true)] {
        generation.set(now);
        sim.clear_events(ann);
        sim.break_connection(ann);
        sim.run();
        let notice = |event: &&Event| matches!(event, Event::Notice { text } if text.contains("was restored"));
        assert_eq!(sim.events(ann).iter().filter(notice).count(), usize::from(restored), "{now}");
        assert_eq!(signed_prekey.get() > last, restored, "{now}: a new signed prekey is on the server");
        last = signed_prekey.get();
    }
}

fn restart(sim: &mut Sim, device: Device) {
    sim.crash(device);
    sim.start(device);
    sim.run();
}

fn says_restored(sim: &mut Sim, device: Device, with: AccountId) -> bool {
    sim.history(device, with).iter().any(|message| message.body == MessageBody::ProfileRestored)
}

/// What libsignal calls a PreKeySignalMessage, as far as a forger needs it.
#[derive(Clone, PartialEq, prost::Message)]
struct FirstMessage {
    #[prost(uint32, optional, tag = "1")]
    one_time_ec: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "2")]
    base_key: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "3")]
    identity_key: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "4")]
    message: Option<Vec<u8>>,
    #[prost(uint32, optional, tag = "5")]
    registration_id: Option<u32>,
    #[prost(uint32, optional, tag = "6")]
    signed: Option<u32>,
    #[prost(uint32, optional, tag = "7")]
    kyber: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "8")]
    kyber_ciphertext: Option<Vec<u8>>,
}

#[test]
fn nobody_else_makes_a_profile_believe_it_is_an_old_copy() {
    let mut sim = Sim::new(38);
    let (ann, bob, cleo) = (sim.register("ann"), sim.register("bob"), sim.register("cleo"));
    let (bob_id, cleo_id, ann_id) = (sim.account(bob), sim.account(cleo), sim.account(ann));
    sim.send(ann, "cleo", "hello");
    sim.run();
    let signed_prekey = signed_prekeys(&mut sim);
    restart(&mut sim, ann);
    let before = signed_prekey.get();
    assert_ne!(before, 0);

    // bob names a prekey that ann never made.
    let forged = Rc::new(Cell::new(0));
    let count = Rc::clone(&forged);
    sim.frame_hook = Some(Box::new(move |device, frame| {
        if device == ann
            && let Some(Body::Deliver(deliver)) = &mut frame.body
            && let Some(pb::deliver::Item::Envelope(envelope)) = &mut deliver.item
            && envelope.r#type == i32::from(pb::CiphertextType::Prekey)
            && count.get() == 0
        {
            let mut first = FirstMessage::decode(&envelope.ciphertext[1..]).expect("a first message");
            first.signed = Some(16_000_000);
            let bytes = [&envelope.ciphertext[..1], &first.encode_to_vec()].concat();
            envelope.ciphertext = bytes.into();
            count.set(1);
        }
        Fate::Pass
    }));
    sim.send(bob, "ann", "from bob");
    sim.run();
    assert_eq!(forged.get(), 1);

    // And asks again for something that ann has never sent.
    let count = Rc::clone(&forged);
    sim.frame_hook = Some(Box::new(move |device, frame| {
        if device == bob && count.get() == 1 && damage(frame) {
            let Some(Body::Deliver(deliver)) = &mut frame.body else { return Fate::Pass };
            deliver.entry_id = 1 << 61;
            count.set(2);
        }
        Fate::Pass
    }));
    sim.send(ann, "bob", "to bob");
    sim.run_for(Duration::from_secs(2 * 86_400));
    assert_eq!(forged.get(), 2);
    sim.frame_hook = None;

    restart(&mut sim, ann);
    assert_eq!(signed_prekey.get(), before, "no key was replaced");
    for with in [bob_id, cleo_id, ann_id] {
        assert!(!says_restored(&mut sim, ann, with));
    }
}

#[test]
fn an_old_copy_is_known_by_the_keys_that_the_server_handed_out() {
    let mut sim = Sim::new(39);
    let ann = sim.register("ann");
    let ann_id = sim.account(ann);
    let copy = sim.copy_profile(ann);
    // Enough people write for the first time to make ann publish further prekeys.
    for n in 0..4 {
        let peer = sim.register(&format!("peer{n}"));
        sim.send(peer, "ann", &format!("hello {n}"));
        sim.run();
    }
    sim.restore_profile(ann, copy);
    sim.run();
    assert!(says_restored(&mut sim, ann, ann_id));
    let late = sim.register("late");
    let late_id = sim.account(late);
    sim.send(late, "ann", "the first word");
    sim.run();
    assert_eq!(sim.texts(ann, late_id), ["the first word"]);
    assert_eq!(sim.statuses(late, ann_id), [MessageStatus::Delivered]);
    assert_eq!(sim.history(ann, late_id).len(), 1, "and it was never undecryptable");
}

#[test]
fn keys_are_replaced_for_a_restored_server_in_spite_of_a_crash() {
    let mut sim = Sim::new(40);
    let ann = sim.register("ann");
    let signed_prekey = signed_prekeys(&mut sim);
    restart(&mut sim, ann);
    let before = signed_prekey.get();
    sim.frame_hook = Some(Box::new(|_, frame| {
        if let Some(Body::Welcome(welcome)) = &mut frame.body {
            welcome.generation = 1_800_000_000;
        }
        Fate::Pass
    }));
    sim.break_connection(ann);
    let noticed = |event: &Event| matches!(event, Event::Notice { text } if text.contains("was restored"));
    sim.run_until(|sim| sim.events(ann).iter().any(noticed));
    assert_eq!(signed_prekey.get(), before, "it dies before the server has the new keys");
    for _ in 0..3 {
        restart(&mut sim, ann);
        assert_eq!(signed_prekey.get(), before + 1, "once");
    }
}
