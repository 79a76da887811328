//! A hundred and twenty-eight engines in one group: every message once, in order, for every device of every member.
#![cfg(not(target_arch = "wasm32"))]

use sotto_engine::{Command, GroupPermission, NewGroup, Reply, Who};
use sotto_sim::{Device, Sim};
use sotto_types::{GroupId, MessageId, Username};
use std::collections::BTreeMap;

/// `SOTTO_GROUP_MEMBERS=1024 cargo test -p sotto-sim --release --test groups_large` is the full size.
fn members() -> usize {
    std::env::var("SOTTO_GROUP_MEMBERS").ok().and_then(|n| n.parse().ok()).unwrap_or(128)
}

const SENDERS: usize = 20;
const MESSAGES: usize = 200;
const COMING_AND_GOING: usize = 50;
const LINKED: usize = 5;

/// (id, text) of all that was said, in the order shown.
fn said(sim: &mut Sim, device: Device, group: GroupId) -> Vec<(MessageId, String)> {
    let texts = sim.history(device, group).into_iter().filter_map(|message| {
        let id = message.message_id?;
        match message.body {
            sotto_engine::MessageBody::Text { body, .. } => Some((id, body)),
            _ => None,
        }
    });
    texts.collect()
}

#[test]
fn every_message_reaches_every_device_of_every_member_once_and_in_order() {
    let mut sim = Sim::new(128);
    let count = members();
    let people: Vec<Device> = (0..count).map(|n| sim.register(&format!("person{n}"))).collect();
    let members = (1..count).map(|n| Who::Name(Username::parse(&format!("person{n}")).expect("a good name")));
    let group = NewGroup {
        title: "everybody".into(),
        description: String::new(),
        picture: None,
        picture_type: None,
        members: members.collect(),
        post: GroupPermission::Members,
        add: GroupPermission::Admins,
        change_details: GroupPermission::Admins,
        fanout: sotto_engine::GroupFanout::Log,
    };
    let reply = sim.ask(people[0], Command::CreateGroup { group });
    let Ok(Reply::Group { group }) = reply else { panic!("no group: {reply:?}") };
    let group = group.group;
    sim.run();
    let mut ledger: BTreeMap<String, usize> = BTreeMap::new();
    let mut linked: Vec<(Device, usize)> = Vec::new();
    for n in 0..MESSAGES {
        // Who comes and goes does not write meanwhile.
        let goer = people[SENDERS + LINKED + sim.chance(COMING_AND_GOING)];
        let up = sim.chance(2) == 0;
        sim.set_network(goer, up);
        if n % (MESSAGES / LINKED) == MESSAGES / LINKED / 2 {
            let of = people[SENDERS + linked.len()];
            sim.run();
            let device = sim.link(of);
            linked.push((device, n));
        }
        let by = people[n % SENDERS];
        let text = format!("message {n}");
        ledger.insert(text.clone(), n);
        sim.command(
            by,
            Command::SendText {
                to: Who::Group(group),
                body: text,
                name: None,
                mentions: Vec::new(),
                reply_to: None,
                preview: None,
            },
        );
        // Sometimes all is quiet before the next, mostly not.
        let steps = sim.chance(2_000);
        for _ in 0..steps {
            sim.step();
        }
    }
    for goer in people.iter().skip(SENDERS + LINKED).take(COMING_AND_GOING) {
        sim.set_network(*goer, true);
    }
    sim.run();
    sim.run();
    let order = said(&mut sim, people[0], group);
    assert_eq!(order.len(), MESSAGES);
    assert!(order.windows(2).all(|pair| pair[0].0 < pair[1].0), "ascending by id");
    assert!(order.iter().all(|(_, text)| ledger.contains_key(text)));
    for device in &people {
        assert_eq!(said(&mut sim, *device, group), order, "{device:?}");
    }
    for (device, since) in &linked {
        let has = said(&mut sim, *device, group);
        let later = order.iter().filter(|(_, text)| ledger[text] >= *since);
        for wanted in later {
            assert!(has.contains(wanted), "{device:?} lacks {wanted:?}");
        }
        assert!(has.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
    for device in people.iter().chain(linked.iter().map(|(device, _)| device)) {
        let Ok(Reply::Status { status }) = sim.ask(*device, Command::Status) else { panic!("no status") };
        assert_eq!(status.undecryptable, 0, "{device:?}");
    }
}
