//! Groups: one signed list, every message once and in order for every device of every member, and a server that cannot cheat.

use sotto_engine::{Command, ErrorKind, Event, GroupChange, GroupChangeView, GroupRole, MessageBody, MessageStatus};
use sotto_sim::scenes::{change, create, named, say, view};
use sotto_sim::{Sim, acquainted};
#[cfg(target_arch = "wasm32")]
use sotto_wasm_test::test;
use std::time::Duration;

#[test]
fn a_group_has_its_members_title_and_messages() {
    let mut sim = Sim::new(1);
    let [ann, bob, cem] = ["ann", "bob", "cem"].map(|name| sim.register(name));
    let group = create(&mut sim, ann, "Friday  ", &["bob", "cem"]);
    for (device, role) in [(ann, GroupRole::Owner), (bob, GroupRole::Member), (cem, GroupRole::Member)] {
        let shown = view(&mut sim, device, group);
        assert_eq!(shown.title.as_deref(), Some("Friday"));
        assert_eq!(shown.my_role, Some(role));
        assert_eq!(shown.members.len(), 3);
        assert_eq!(shown.alarm, None);
    }
    say(&mut sim, ann, group, "one");
    sim.run();
    say(&mut sim, bob, group, "two");
    sim.run();
    say(&mut sim, cem, group, "three");
    sim.run();
    for device in [ann, bob, cem] {
        assert_eq!(sim.texts(device, group), ["one", "two", "three"]);
    }
    let lines = sim.history(bob, group);
    let created = &lines[0];
    assert_eq!(created.from, sim.account(ann));
    assert!(
        matches!(&created.body, MessageBody::GroupChange { change: GroupChangeView::Created { members, .. } } if members.len() == 2)
    );
}

#[test]
fn ticks_follow_the_last_member() {
    let mut sim = Sim::new(2);
    let [ann, bob, cem] = ["ann", "bob", "cem"].map(|name| sim.register(name));
    let group = create(&mut sim, ann, "three", &["bob", "cem"]);
    sim.set_network(cem, false);
    say(&mut sim, ann, group, "hello");
    sim.run();
    let last = |sim: &mut Sim| sim.statuses(ann, group).pop().unwrap();
    assert_eq!(last(&mut sim), MessageStatus::Sent);
    sim.set_network(cem, true);
    sim.run();
    assert_eq!(last(&mut sim), MessageStatus::Delivered);
    for reader in [bob, cem] {
        sim.ask(reader, Command::MarkRead { conversation: group.into(), up_to: None }).unwrap();
        sim.run();
    }
    assert_eq!(last(&mut sim), MessageStatus::Read);
}

#[test]
fn who_comes_later_reads_what_comes_later_and_who_goes_nothing_more() {
    let mut sim = Sim::new(3);
    let [ann, bob, cem] = ["ann", "bob", "cem"].map(|name| sim.register(name));
    let group = create(&mut sim, ann, "comings", &["bob"]);
    say(&mut sim, ann, group, "before");
    sim.run();
    change(&mut sim, ann, group, GroupChange::Add { members: vec![named("cem")] });
    say(&mut sim, bob, group, "with cem");
    sim.run();
    assert_eq!(sim.texts(cem, group), ["with cem"]);
    let line = sim.history(bob, group).into_iter().rev().find_map(|line| match line.body {
        MessageBody::GroupChange { change: GroupChangeView::Added { members, .. } } => Some(members),
        _ => None,
    });
    assert_eq!(line.expect("a line")[0].name, "cem", "who never wrote to bob is shown by name");
    assert_eq!(view(&mut sim, cem, group).title.as_deref(), Some("comings"));
    change(&mut sim, ann, group, GroupChange::Remove { members: vec![named("bob")] });
    say(&mut sim, ann, group, "without bob");
    sim.run();
    say(&mut sim, cem, group, "indeed");
    sim.run();
    assert_eq!(sim.texts(bob, group), ["before", "with cem"]);
    assert_eq!(view(&mut sim, bob, group).my_role, None);
    assert_eq!(sim.texts(cem, group), ["with cem", "without bob", "indeed"]);
    let refused = sim.ask(bob, Command::ChangeGroup { group, change: GroupChange::Leave });
    assert_eq!(refused.unwrap_err().kind, ErrorKind::Refused);
}

#[test]
fn a_device_that_is_linked_between_two_messages_reads_the_second() {
    let mut sim = Sim::new(4);
    let [ann, bob] = ["ann", "bob"].map(|name| sim.register(name));
    let group = create(&mut sim, ann, "devices", &["bob"]);
    say(&mut sim, ann, group, "first");
    sim.run();
    let tablet = sim.link(bob);
    say(&mut sim, ann, group, "second");
    sim.run();
    assert!(sim.texts(tablet, group).contains(&"second".to_owned()));
    say(&mut sim, tablet, group, "from the tablet");
    sim.run();
    for device in [ann, bob] {
        assert_eq!(sim.texts(device, group), ["first", "second", "from the tablet"]);
    }
}

#[test]
fn a_device_away_through_ten_key_changes_reads_everything() {
    let mut sim = Sim::new(5);
    let [ann, bob, cem, _dan] = ["ann", "bob", "cem", "dan"].map(|name| sim.register(name));
    let group = create(&mut sim, ann, "away", &["bob", "cem"]);
    sim.set_network(cem, false);
    let mut said = Vec::new();
    for round in 0..10 {
        change(&mut sim, ann, group, GroupChange::Add { members: vec![named("dan")] });
        change(&mut sim, ann, group, GroupChange::Remove { members: vec![named("dan")] });
        for by in [ann, bob] {
            said.push(format!("{round} {by:?}"));
            say(&mut sim, by, group, said.last().unwrap());
            sim.run();
        }
    }
    sim.set_network(cem, true);
    sim.run();
    assert_eq!(sim.texts(cem, group), said);
}

#[test]
fn what_waited_is_all_here_once_the_queue_is_drained() {
    for seed in 0..10 {
        let (mut sim, ann, bob) = acquainted(430 + seed);
        sim.set_network(bob, false);
        sim.register("cem");
        let group = create(&mut sim, ann, "Trip", &["cem"]);
        change(&mut sim, ann, group, GroupChange::Add { members: vec![named("bob")] });
        sim.run();
        for n in 0..3 {
            say(&mut sim, ann, group, &format!("message {n}"));
        }
        sim.run();
        sim.clear_events(bob);
        sim.set_network(bob, true);
        sim.run();
        let happened = |event: &Event| match event {
            Event::MessageAdded { message, .. } if matches!(message.body, MessageBody::Text { .. }) => Some("message"),
            Event::QueueDrained => Some("drained"),
            _ => None,
        };
        let happened: Vec<_> = sim.events(bob).iter().filter_map(happened).collect();
        assert_eq!(happened, ["message", "message", "message", "drained"], "{seed}: its list had to be fetched first");
    }
}

#[test]
fn two_admins_at_once_both_get_their_change() {
    let mut sim = Sim::new(6);
    let [ann, bob, ..] = ["ann", "bob", "cem", "dan"].map(|name| sim.register(name));
    let group = create(&mut sim, ann, "both", &["bob"]);
    for (by, who) in [(ann, "cem"), (bob, "dan")] {
        let change = GroupChange::Add { members: vec![named(who)] };
        sim.command(by, Command::ChangeGroup { group, change });
    }
    sim.run_for(Duration::from_secs(300));
    for device in [ann, bob] {
        assert_eq!(view(&mut sim, device, group).members.len(), 4);
    }
}

#[test]
fn a_title_is_changed_for_everybody_who_is_there() {
    let mut sim = Sim::new(7);
    let [ann, bob, cem] = ["ann", "bob", "cem"].map(|name| sim.register(name));
    let group = create(&mut sim, ann, "old", &["bob", "cem"]);
    change(&mut sim, ann, group, GroupChange::Remove { members: vec![named("cem")] });
    let details = GroupChange::SetDetails {
        title: "new".into(),
        description: "what it is about".into(),
        picture: None,
        picture_type: None,
    };
    change(&mut sim, bob, group, details);
    sim.run();
    for device in [ann, bob] {
        let shown = view(&mut sim, device, group);
        assert_eq!(shown.title.as_deref(), Some("new"));
        assert_eq!(shown.description.as_deref(), Some("what it is about"));
    }
    assert_eq!(view(&mut sim, cem, group).title.as_deref(), Some("old"));
}
