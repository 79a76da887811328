//! Who is removed and added again while a device is away: the device gets what was said in every stay, and nothing in between.

use sotto_engine::{Command, GroupChange, GroupFanout, MessageStatus, NewGroup, Reply};
use sotto_sim::scenes::{change, create, named, new_group, say, view};
use sotto_sim::{Device, Fate, Sim};
use sotto_types::GroupId;
#[cfg(target_arch = "wasm32")]
use sotto_wasm_test::test;
use sotto_wire::pb::server_frame::Body;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

fn say_all(sim: &mut Sim, by: Device, group: GroupId, texts: &[&str]) {
    for text in texts {
        say(sim, by, group, text);
        sim.run();
    }
}

fn remove(sim: &mut Sim, by: Device, group: GroupId, name: &str) {
    change(sim, by, group, GroupChange::Remove { members: vec![named(name)] });
}

fn add(sim: &mut Sim, by: Device, group: GroupId, name: &str) {
    change(sim, by, group, GroupChange::Add { members: vec![named(name)] });
}

#[test]
fn a_device_that_was_away_gets_every_stay_and_nothing_in_between() {
    for fanout in [GroupFanout::Log, GroupFanout::Pairwise] {
        let mut sim = Sim::new(71);
        let [ann, bob, cem] = ["ann", "bob", "cem"].map(|name| sim.register(name));
        let made =
            sim.ask(ann, Command::CreateGroup { group: NewGroup { fanout, ..new_group("stays", &["bob", "cem"]) } });
        let Ok(Reply::Group { group }) = made else { panic!("no group: {made:?}") };
        let group = group.group;
        sim.run();
        sim.set_network(bob, false);
        for round in ["1", "2", "3"] {
            say_all(&mut sim, ann, group, &[&format!("with bob {round}a"), &format!("with bob {round}b")]);
            say_all(&mut sim, cem, group, &[&format!("with bob {round}c")]);
            remove(&mut sim, ann, group, "bob");
            say_all(&mut sim, cem, group, &[&format!("without bob {round}")]);
            add(&mut sim, ann, group, "bob");
        }
        say_all(&mut sim, ann, group, &["with bob 4"]);
        let want: Vec<String> = sim.texts(ann, group).into_iter().filter(|text| text.starts_with("with bob")).collect();
        assert_eq!(want.len(), 10);
        sim.set_network(bob, true);
        sim.run();
        assert_eq!(sim.texts(bob, group), want, "{fanout:?}");
        assert_eq!(
            (view(&mut sim, bob, group).alarm, view(&mut sim, bob, group).title.as_deref()),
            (None, Some("stays"))
        );
        let undelivered = sim.statuses(ann, group).into_iter().filter(|status| *status == MessageStatus::Sent).count();
        assert_eq!(undelivered, 0);
        say_all(&mut sim, bob, group, &["from bob"]);
        assert_eq!(sim.texts(ann, group).last().map(String::as_str), Some("from bob"));
    }
}

#[test]
fn who_is_out_in_the_end_still_gets_what_was_said_while_in() {
    for turns in 1..=3 {
        let mut sim = Sim::new(72);
        let [ann, bob, _] = ["ann", "bob", "cem"].map(|name| sim.register(name));
        let group = create(&mut sim, ann, "out", &["bob"]);
        sim.set_network(bob, false);
        let mut want = Vec::new();
        for turn in 0..turns {
            if turn > 0 {
                // The list is fetched up to its end where the log is still here.
                add(&mut sim, ann, group, "cem");
                remove(&mut sim, ann, group, "cem");
                add(&mut sim, ann, group, "bob");
            }
            want.push(format!("stay {turn}"));
            say_all(&mut sim, ann, group, &[&want[turn]]);
            remove(&mut sim, ann, group, "bob");
            say_all(&mut sim, ann, group, &["alone"]);
        }
        sim.set_network(bob, true);
        sim.run();
        assert_eq!(sim.texts(bob, group), want);
        let shown = view(&mut sim, bob, group);
        assert_eq!((shown.alarm, shown.my_role), (None, None));
    }
}

#[test]
fn a_sibling_that_was_away_while_one_left_and_joined_again_misses_nothing() {
    let mut sim = Sim::new(73);
    let [ann, bob] = ["ann", "bob"].map(|name| sim.register(name));
    let tablet = sim.link(bob);
    let group = create(&mut sim, ann, "doors", &["bob"]);
    let open = GroupChange::OpenInvite { expires_ms: 0, uses: 0, approval: false };
    let opened = change(&mut sim, ann, group, open);
    let link = opened.invites.last().and_then(|invite| invite.link.clone()).expect("made on this device");
    sim.set_network(tablet, false);
    say_all(&mut sim, ann, group, &["first"]);
    change(&mut sim, bob, group, GroupChange::Leave);
    say_all(&mut sim, ann, group, &["alone"]);
    let joined = sim.ask(bob, Command::JoinGroup { link });
    assert!(matches!(joined, Ok(Reply::GroupInvitation { .. })), "{joined:?}");
    sim.run();
    say_all(&mut sim, ann, group, &["second"]);
    sim.set_network(tablet, true);
    sim.run();
    for device in [bob, tablet] {
        assert_eq!(sim.texts(device, group), ["first", "second"]);
        assert_eq!(view(&mut sim, device, group).alarm, None);
    }
    // One that is linked now has what its siblings tell it, once.
    let laptop = sim.link(bob);
    say_all(&mut sim, ann, group, &["third"]);
    sim.run_for(Duration::from_secs(60));
    assert_eq!(sim.texts(laptop, group), ["first", "second", "third"]);
}

#[test]
fn what_is_missing_of_the_stay_before_is_asked_for() {
    for gone_for_good in [false, true] {
        let mut sim = Sim::new(74);
        let [ann, bob] = ["ann", "bob"].map(|name| sim.register(name));
        let group = create(&mut sim, ann, "gap", &["bob"]);
        // Until here entries do not arrive; those of an earlier stay perhaps never.
        let (blocked, last) = (Rc::new(Cell::new(true)), Rc::new(Cell::new(0)));
        let (blocks, end) = (Rc::clone(&blocked), Rc::clone(&last));
        sim.frame_hook = Some(Box::new(move |device, frame| match &frame.body {
            Some(Body::GroupEntry(entry)) if device == bob && blocks.get() => {
                end.set(entry.message_id.max(end.get()));
                Fate::Drop
            }
            Some(Body::GroupEntry(entry)) if device == bob && gone_for_good && entry.message_id <= end.get() => {
                Fate::Drop
            }
            _ => Fate::Pass,
        }));
        say_all(&mut sim, ann, group, &["before"]);
        remove(&mut sim, ann, group, "bob");
        assert!(last.get() > 0);
        blocked.set(false);
        add(&mut sim, ann, group, "bob");
        say_all(&mut sim, ann, group, &["after"]);
        let want: &[&str] = if gone_for_good { &["after"] } else { &["before", "after"] };
        assert_eq!(sim.texts(bob, group), want);
        assert_eq!(view(&mut sim, bob, group).alarm, None, "a server keeps it for 30 days");
    }
}
