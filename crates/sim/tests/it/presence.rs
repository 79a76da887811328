//! Who is there and who is typing, as a device learns of it; none of it is stored, so what is not heard again is over.

use sotto_engine::{Audience, Command, Event, PresenceView, PrivacyChanges, PrivacyRule, TypingState, Who};
use sotto_sim::scenes::create;
use sotto_sim::{Device, Sim};
use sotto_types::{AccountId, Conversation};
#[cfg(target_arch = "wasm32")]
use sotto_wasm_test::test;
use std::time::Duration;

fn second(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Ann and Bob, who accept each other.
fn acquainted(seed: u64) -> (Sim, Device, Device) {
    let mut sim = Sim::with_requests(seed);
    let (ann, bob) = (sim.register("ann"), sim.register("bob"));
    sim.send(ann, "bob", "hello");
    sim.run();
    sim.send(bob, "ann", "hello");
    sim.run_for(second(1));
    sim.clear_events(ann);
    sim.clear_events(bob);
    (sim, ann, bob)
}

fn watch(sim: &mut Sim, device: Device, people: &[AccountId]) {
    sim.ask(device, Command::WatchPeople { people: people.to_vec() }).expect("people can be watched");
    sim.run_for(second(1));
}

/// What was said of somebody since the last look; none: nothing.
fn last(sim: &mut Sim, device: Device, of: AccountId) -> Option<PresenceView> {
    let mut found = None;
    for event in sim.events(device) {
        if let Event::PresenceChanged { people } = event {
            found = people.iter().rfind(|person| person.account == of).cloned().or(found);
        }
    }
    sim.clear_events(device);
    found
}

fn is_online(view: Option<PresenceView>) -> Option<bool> {
    view.map(|view| view.online)
}

#[test]
fn who_is_watched_is_seen_coming_and_going() {
    let (mut sim, ann, bob) = acquainted(820);
    let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
    watch(&mut sim, ann, &[bob_id, ann_id]);
    assert_eq!(is_online(last(&mut sim, ann, bob_id)), Some(true));
    assert_eq!(last(&mut sim, bob, ann_id), None, "bob watches nobody");
    sim.crash(bob);
    sim.run_for(second(1));
    let gone = last(&mut sim, ann, bob_id).expect("told");
    assert!(!gone.online && gone.last_seen_ms.is_some());
    sim.start(bob);
    sim.run_for(second(5));
    assert_eq!(is_online(last(&mut sim, ann, bob_id)), Some(true));
    watch(&mut sim, ann, &[]);
    sim.crash(bob);
    sim.run_for(second(1));
    assert_eq!(last(&mut sim, ann, bob_id), None, "nobody is on the screen");
    // On the screen again: what is so now, not what was so then.
    watch(&mut sim, ann, &[bob_id]);
    assert_eq!(is_online(last(&mut sim, ann, bob_id)), Some(false));
}

#[test]
fn without_a_connection_nothing_is_known_and_with_the_next_one_all() {
    let (mut sim, ann, bob) = acquainted(821);
    let bob_id = sim.account(bob);
    watch(&mut sim, ann, &[bob_id]);
    last(&mut sim, ann, bob_id);
    sim.set_network(ann, false);
    sim.run_for(second(90));
    let unknown = PresenceView { account: bob_id, online: false, last_seen_ms: None };
    assert_eq!(last(&mut sim, ann, bob_id), Some(unknown));
    sim.set_network(ann, true);
    sim.run_for(second(90));
    assert_eq!(is_online(last(&mut sim, ann, bob_id)), Some(true));
}

#[test]
fn hiding_goes_both_ways_and_at_once() {
    let (mut sim, ann, bob) = acquainted(822);
    let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
    watch(&mut sim, ann, &[bob_id]);
    watch(&mut sim, bob, &[ann_id]);
    assert_eq!(is_online(last(&mut sim, ann, bob_id)), Some(true));
    assert_eq!(is_online(last(&mut sim, bob, ann_id)), Some(true));
    let nobody = PrivacyRule { audience: Audience::Nobody, except: Vec::new() };
    let changes =
        PrivacyChanges { online: Some(Audience::Nobody), last_seen: Some(nobody), ..PrivacyChanges::default() };
    sim.ask(bob, Command::SetPrivacy { changes }).expect("the server is there");
    sim.run_for(second(1));
    let unknown = |account| Some(PresenceView { account, online: false, last_seen_ms: None });
    assert_eq!(last(&mut sim, ann, bob_id), unknown(bob_id));
    watch(&mut sim, bob, &[]);
    watch(&mut sim, bob, &[ann_id]);
    assert_ne!(is_online(last(&mut sim, bob, ann_id)), Some(true), "who hides does not see");
}

/// What `of` was said to do in a conversation, in order.
fn typed(sim: &mut Sim, device: Device, of: AccountId, conversation: Conversation) -> Vec<TypingState> {
    let states = sim.events(device).iter().filter_map(|event| match event {
        Event::Typing { conversation: there, person, state } if *there == conversation && person.account == of => {
            Some(*state)
        }
        _ => None,
    });
    let states = states.collect();
    sim.clear_events(device);
    states
}

fn typing(sim: &mut Sim, device: Device, conversation: Conversation, state: TypingState) {
    sim.ask(device, Command::SetTyping { conversation, state }).expect("it can be said");
    sim.run_for(Duration::from_millis(500));
}

#[test]
fn typing_is_told_once_and_ends_with_the_message_or_by_itself() {
    let (mut sim, ann, bob) = acquainted(823);
    let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
    for _ in 0..20 {
        typing(&mut sim, bob, ann_id.into(), TypingState::Typing);
    }
    assert_eq!(typed(&mut sim, ann, bob_id, bob_id.into()), [TypingState::Typing], "ten seconds, one event");
    sim.send(bob, "ann", "done");
    sim.run_for(second(1));
    assert_eq!(typed(&mut sim, ann, bob_id, bob_id.into()), [TypingState::Stopped]);
    typing(&mut sim, bob, ann_id.into(), TypingState::Recording);
    typing(&mut sim, bob, ann_id.into(), TypingState::Stopped);
    assert_eq!(typed(&mut sim, ann, bob_id, bob_id.into()), [TypingState::Recording, TypingState::Stopped]);
    typing(&mut sim, bob, ann_id.into(), TypingState::Typing);
    sim.crash(bob);
    sim.run_for(second(4));
    assert_eq!(typed(&mut sim, ann, bob_id, bob_id.into()), [TypingState::Typing]);
    sim.run_for(second(3));
    assert_eq!(typed(&mut sim, ann, bob_id, bob_id.into()), [TypingState::Stopped], "not heard of again");
}

#[test]
fn strangers_see_no_typing() {
    let mut sim = Sim::with_requests(824);
    let (ann, bob) = (sim.register("ann"), sim.register("bob"));
    let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
    sim.send(ann, "bob", "hello");
    sim.run_for(second(1));
    typing(&mut sim, ann, bob_id.into(), TypingState::Typing);
    typing(&mut sim, bob, ann_id.into(), TypingState::Typing);
    assert_eq!(typed(&mut sim, bob, ann_id, ann_id.into()), []);
    assert_eq!(typed(&mut sim, ann, bob_id, bob_id.into()), []);
    sim.ask(bob, Command::AcceptRequest { who: Who::Account(ann_id) }).expect("she is known");
    sim.run_for(second(5));
    typing(&mut sim, ann, bob_id.into(), TypingState::Typing);
    assert_eq!(typed(&mut sim, bob, ann_id, ann_id.into()), [TypingState::Typing]);
}

#[test]
fn members_of_a_group_see_who_types() {
    let (mut sim, ann, bob) = acquainted(825);
    let group = create(&mut sim, ann, "Lunch", &["bob"]);
    sim.run_for(second(5));
    let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
    sim.clear_events(ann);
    sim.clear_events(bob);
    typing(&mut sim, bob, group.into(), TypingState::Typing);
    assert_eq!(typed(&mut sim, ann, bob_id, group.into()), [TypingState::Typing]);
    assert_eq!(typed(&mut sim, bob, bob_id, group.into()), [], "nobody is told of oneself");
    typing(&mut sim, ann, group.into(), TypingState::Recording);
    assert_eq!(typed(&mut sim, bob, ann_id, group.into()), [TypingState::Recording]);
}

#[test]
fn the_server_knows_who_looks_whenever_they_began_to() {
    for steps in 0..16 {
        let mut sim = Sim::new(830);
        let ann = sim.register("ann");
        sim.run();
        sim.set_network(ann, false);
        sim.run_for(second(1));
        sim.set_network(ann, true);
        for _ in 0..steps {
            sim.step();
        }
        sim.set_foreground(ann, true);
        // Less than it takes to the next heartbeat.
        sim.run_for(second(20));
        assert!(sim.is_up(ann) && sim.is_in_foreground(ann), "after {steps} steps");
        sim.set_foreground(ann, false);
        sim.run_for(second(1));
        assert!(!sim.is_in_foreground(ann));
    }
}
