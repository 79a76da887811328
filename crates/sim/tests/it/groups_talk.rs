//! What is said in groups: pairwise ones, mentions, who has received and read, search, and history on a new device.

use sotto_engine::{
    Command, ErrorKind, Event, GroupChange, GroupFanout, Mention, MessageBody, MessageStatus, NewGroup, Reply, Who,
};
use sotto_sim::scenes::{change, create, named, new_group, say, view};
use sotto_sim::{Device, Sim};
use sotto_types::{AccountId, GroupId};
#[cfg(target_arch = "wasm32")]
use sotto_wasm_test::test;

fn create_pairwise(sim: &mut Sim, by: Device, members: &[&str]) -> GroupId {
    let group = NewGroup { fanout: GroupFanout::Pairwise, ..new_group("small", members) };
    let reply = sim.ask(by, Command::CreateGroup { group });
    let Ok(Reply::Group { group }) = reply else { panic!("no group: {reply:?}") };
    sim.run();
    group.group
}

#[test]
fn a_pairwise_group_talks_comes_goes_and_ticks() {
    let mut sim = Sim::new(51);
    let [ann, bob, cem, dan] = ["ann", "bob", "cem", "dan"].map(|name| sim.register(name));
    let group = create_pairwise(&mut sim, ann, &["bob", "cem"]);
    for device in [ann, bob, cem] {
        let shown = view(&mut sim, device, group);
        assert_eq!((shown.title.as_deref(), shown.fanout), (Some("small"), GroupFanout::Pairwise));
    }
    let tablet = sim.link(bob);
    sim.set_network(cem, false);
    say(&mut sim, ann, group, "one");
    sim.run();
    say(&mut sim, tablet, group, "two");
    sim.run();
    let last = |sim: &mut Sim, of: Device| sim.statuses(of, group).pop().expect("there is one");
    assert_eq!(last(&mut sim, tablet), MessageStatus::Sent);
    sim.set_network(cem, true);
    sim.run();
    assert_eq!(last(&mut sim, tablet), MessageStatus::Delivered);
    for device in [ann, bob, tablet, cem] {
        assert_eq!(sim.texts(device, group), ["one", "two"]);
    }
    for reader in [ann, cem] {
        sim.ask(reader, Command::MarkRead { conversation: group.into(), up_to: None }).expect("read");
        sim.run();
    }
    assert_eq!(last(&mut sim, tablet), MessageStatus::Read);

    change(&mut sim, ann, group, GroupChange::Add { members: vec![named("dan")] });
    change(&mut sim, ann, group, GroupChange::Remove { members: vec![named("cem")] });
    say(&mut sim, dan, group, "three");
    sim.run();
    for device in [ann, bob, tablet] {
        assert_eq!(sim.texts(device, group), ["one", "two", "three"]);
    }
    assert_eq!(sim.texts(cem, group), ["one", "two"]);
    assert_eq!(sim.texts(dan, group), ["three"]);
    assert_eq!(view(&mut sim, dan, group).title.as_deref(), Some("small"));
}

#[test]
fn a_pairwise_message_that_overtakes_the_list_waits_for_it() {
    let mut sim = Sim::new(52);
    let [ann, bob, cem] = ["ann", "bob", "cem"].map(|name| sim.register(name));
    let group = create_pairwise(&mut sim, ann, &["bob"]);
    sim.set_network(bob, false);
    sim.set_network(cem, false);
    // Messages come before the log: for both of them, cem is nobody when this arrives.
    change(&mut sim, ann, group, GroupChange::Add { members: vec![named("cem")] });
    say(&mut sim, ann, group, "hello cem");
    sim.run();
    sim.set_network(cem, true);
    sim.run();
    say(&mut sim, cem, group, "hello all");
    sim.run();
    sim.set_network(bob, true);
    sim.run();
    for device in [ann, bob, cem] {
        assert_eq!(sim.texts(device, group), ["hello cem", "hello all"]);
        assert_eq!(view(&mut sim, device, group).alarm, None);
    }
}

fn mention(
    sim: &mut Sim,
    by: Device,
    group: GroupId,
    body: &str,
    who: &[(u32, u32, Option<AccountId>)],
) -> Result<(), ErrorKind> {
    let mentions = who.iter().map(|&(start, length, account)| Mention { start, length, account }).collect();
    let command = Command::SendText {
        to: Who::Group(group),
        body: body.into(),
        name: None,
        mentions,
        reply_to: None,
        preview: None,
    };
    let reply = sim.ask(by, command).map(drop).map_err(|error| error.kind);
    sim.run();
    reply
}

fn is_mentioned(sim: &mut Sim, device: Device, group: GroupId) -> bool {
    match sim.ask(device, Command::Conversation { conversation: group.into() }) {
        Ok(Reply::Conversation { conversation }) => conversation.mentioned,
        other => panic!("no conversation: {other:?}"),
    }
}

#[test]
fn who_is_mentioned_is_told_and_nobody_else() {
    let mut sim = Sim::new(53);
    let [ann, bob, cem, dan] = ["ann", "bob", "cem", "dan"].map(|name| sim.register(name));
    let group = create(&mut sim, ann, "names", &["bob", "cem"]);
    let (bob_id, dan_id) = (sim.account(bob), sim.account(dan));
    // The smile takes two units.
    mention(&mut sim, ann, group, "🙂 @bob look", &[(3, 4, Some(bob_id))]).expect("sent");
    for (device, named) in [(bob, true), (cem, false), (ann, false)] {
        let message = sim.history(device, group).pop().expect("there");
        assert_eq!(message.mentions_me, named);
        let MessageBody::Text { mentions, .. } = message.body else { panic!("a text") };
        assert_eq!(mentions, [Mention { start: 3, length: 4, account: Some(bob_id) }]);
        assert_eq!(is_mentioned(&mut sim, device, group), named);
    }
    sim.ask(bob, Command::MarkRead { conversation: group.into(), up_to: None }).expect("read");
    sim.run();
    assert!(!is_mentioned(&mut sim, bob, group));
    mention(&mut sim, bob, group, "@all hear", &[(0, 4, None)]).expect("a small group");
    assert!(is_mentioned(&mut sim, cem, group) && !is_mentioned(&mut sim, bob, group));

    for (body, bad) in [
        ("@dan", vec![(0, 4, Some(dan_id))]),
        ("@bob", vec![(0, 5, Some(bob_id))]),
        ("@bob", vec![(0, 0, Some(bob_id))]),
        ("@bob@bob", vec![(4, 4, Some(bob_id)), (0, 4, Some(bob_id))]),
        ("@bob", vec![(u32::MAX, 4, Some(bob_id))]),
    ] {
        assert_eq!(mention(&mut sim, ann, group, body, &bad), Err(ErrorKind::Invalid), "{bad:?}");
    }
    let to_a_person = Command::SendText {
        to: named("bob"),
        body: "@bob".into(),
        name: None,
        mentions: vec![Mention { start: 0, length: 4, account: Some(bob_id) }],
        reply_to: None,
        preview: None,
    };
    assert_eq!(sim.ask(ann, to_a_person).expect_err("no group").kind, ErrorKind::Invalid);
}

#[test]
fn everybody_is_named_by_admins_only_in_a_large_group() {
    let mut sim = Sim::new(54);
    let people: Vec<Device> = (0..33).map(|n| sim.register(&format!("member{n}"))).collect();
    let names: Vec<String> = (1..33).map(|n| format!("member{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let group = create(&mut sim, people[0], "large", &names);
    assert_eq!(mention(&mut sim, people[1], group, "@all", &[(0, 4, None)]), Err(ErrorKind::Invalid));
    mention(&mut sim, people[0], group, "@all", &[(0, 4, None)]).expect("the owner may");
    assert!(is_mentioned(&mut sim, people[32], group));
}

#[test]
fn an_author_sees_who_received_and_who_read() {
    let mut sim = Sim::new(55);
    let [ann, bob, cem] = ["ann", "bob", "cem"].map(|name| sim.register(name));
    let group = create(&mut sim, ann, "receipts", &["bob", "cem"]);
    sim.set_network(cem, false);
    say(&mut sim, ann, group, "seen?");
    sim.run();
    sim.clear_events(ann);
    sim.ask(bob, Command::MarkRead { conversation: group.into(), up_to: None }).expect("read");
    sim.run();
    let told =
        |event: &Event| matches!(event, Event::ConversationChanged { conversation } if *conversation == group.into());
    assert!(sim.events(ann).iter().any(told), "an open list of who has it is drawn again");
    let message = sim.history(ann, group).pop().expect("there");
    let name = message.name;
    let members = |sim: &mut Sim, of: Device| match sim.ask(of, Command::Message { name }) {
        Ok(Reply::Message { details, .. }) => details.members,
        other => panic!("no message: {other:?}"),
    };
    let found = members(&mut sim, ann);
    let of = |name: &str| found.iter().find(|receipt| receipt.person.name == name).expect("a member").clone();
    assert_eq!(found.len(), 2);
    assert!(of("bob").delivered_ms.is_some() && of("bob").read_ms.is_some());
    assert!(of("bob").delivered_ms <= of("bob").read_ms);
    assert_eq!((of("cem").delivered_ms, of("cem").read_ms), (None, None));
    // Of somebody else's message nobody is told who read it.
    assert!(members(&mut sim, bob).is_empty());
    sim.set_network(cem, true);
    sim.run();
    let found = members(&mut sim, ann);
    assert!(found.iter().all(|receipt| receipt.delivered_ms.is_some()));
}

#[test]
fn a_new_device_gets_what_was_said_in_groups_and_their_titles() {
    let mut sim = Sim::new(56);
    let [ann, bob] = ["ann", "bob"].map(|name| sim.register(name));
    let group = create(&mut sim, ann, "long ago", &["bob"]);
    say(&mut sim, ann, group, "first");
    sim.run();
    say(&mut sim, bob, group, "second");
    sim.run();
    sim.ask(bob, Command::MarkRead { conversation: group.into(), up_to: None }).expect("read");
    sim.run();
    // Nobody else is there to give it keys.
    sim.set_network(ann, false);
    let tablet = sim.link(bob);
    sim.run();
    assert_eq!(sim.texts(tablet, group), ["first", "second"]);
    let shown = view(&mut sim, tablet, group);
    assert_eq!((shown.title.as_deref(), shown.members.len(), shown.alarm), (Some("long ago"), 2, None));
    let reply = sim.ask(tablet, Command::Conversation { conversation: group.into() });
    let Ok(Reply::Conversation { conversation }) = reply else { panic!("no conversation: {reply:?}") };
    assert_eq!((conversation.unread, conversation.title.as_str()), (0, "long ago"));
    let hits = sim.ask(tablet, Command::Search { query: "second".into(), conversation: Some(group.into()), limit: 10 });
    let Ok(Reply::Found { hits }) = hits else { panic!("no search: {hits:?}") };
    assert_eq!(hits.iter().map(|hit| hit.title.as_str()).collect::<Vec<_>>(), ["long ago"]);
    sim.set_network(ann, true);
    sim.run();
    say(&mut sim, tablet, group, "third");
    sim.run();
    for device in [ann, bob, tablet] {
        assert_eq!(sim.texts(device, group), ["first", "second", "third"]);
    }
}

#[test]
fn titles_change_again_and_again_though_everybody_has_the_keys() {
    let mut sim = Sim::new(57);
    let [ann, bob, cem] = ["ann", "bob", "cem"].map(|name| sim.register(name));
    for fanout in [GroupFanout::Log, GroupFanout::Pairwise] {
        let group = NewGroup { fanout, ..new_group("0", &["bob", "cem"]) };
        let Ok(Reply::Group { group }) = sim.ask(ann, Command::CreateGroup { group }) else { panic!("no group") };
        let group = group.group;
        sim.run();
        sim.set_network(cem, false);
        for title in ["1", "2", "3"] {
            let by = if title == "2" { bob } else { ann };
            say(&mut sim, by, group, title);
            sim.run();
            let details = GroupChange::SetDetails {
                title: title.into(),
                description: String::new(),
                picture: None,
                picture_type: None,
            };
            change(&mut sim, by, group, details);
            for device in [ann, bob] {
                assert_eq!(view(&mut sim, device, group).title.as_deref(), Some(title), "{fanout:?}");
            }
        }
        sim.set_network(cem, true);
        sim.run();
        assert_eq!(view(&mut sim, cem, group).title.as_deref(), Some("3"), "{fanout:?}");
    }
}

#[test]
fn an_owner_alone_in_a_group_can_write_there() {
    let mut sim = Sim::new(58);
    let ann = sim.register("ann");
    let group = create(&mut sim, ann, "diary", &[]);
    say(&mut sim, ann, group, "dear diary");
    sim.run();
    assert_eq!(sim.statuses(ann, group).pop(), Some(MessageStatus::Sent));
    let tablet = sim.link(ann);
    say(&mut sim, ann, group, "another day");
    sim.run();
    assert_eq!(sim.texts(tablet, group), ["dear diary", "another day"]);
}

#[test]
fn who_was_added_learns_the_title_though_the_adder_stopped_at_once() {
    let mut sim = Sim::new(59);
    let [ann, bob] = ["ann", "bob"].map(|name| sim.register(name));
    let group = new_group("brief", &["bob"]);
    let reply = sim.ask(ann, Command::CreateGroup { group });
    let Ok(Reply::Group { group }) = reply else { panic!("no group: {reply:?}") };
    let group = group.group;
    sim.crash(ann);
    sim.run();
    assert_eq!(view(&mut sim, bob, group).title, None);
    sim.start(ann);
    sim.run();
    assert_eq!(view(&mut sim, bob, group).title.as_deref(), Some("brief"));
}
