//! What many tests begin with or do.

use crate::{Device, Fate, Sim};
use sotto_engine::{Command, GroupChange, GroupFanout, GroupPermission, GroupView, NewGroup, Reply, Who};
use sotto_types::{GroupId, Username};
use sotto_wire::http::KeyCounts;
use sotto_wire::pb::{self, deliver::Item, server_frame::Body};
use std::cell::Cell;
use std::rc::Rc;

/// Two people, "ann" and "bob", of whom each has read a first message of the other: "first", then "answer".
pub fn acquainted(seed: u64) -> (Sim, Device, Device) {
    let mut sim = Sim::new(seed);
    let (ann, bob) = (sim.register("ann"), sim.register("bob"));
    sim.send(ann, "bob", "first");
    sim.run();
    sim.send(bob, "ann", "answer");
    sim.run();
    (sim, ann, bob)
}

/// Flips a byte in the middle of an envelope's ciphertext. False: the frame carries none.
pub fn damage(frame: &mut pb::ServerFrame) -> bool {
    let Some(Body::Deliver(deliver)) = &mut frame.body else { return false };
    let Some(Item::Envelope(envelope)) = &mut deliver.item else { return false };
    let mut bytes = envelope.ciphertext.to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    envelope.ciphertext = bytes.into();
    true
}

/// Damages the first envelope that goes to a device from now on. Returns whether it has.
pub fn damage_first(sim: &mut Sim, to: Device) -> Rc<Cell<bool>> {
    let done = Rc::new(Cell::new(false));
    let seen = Rc::clone(&done);
    sim.frame_hook = Some(Box::new(move |device, frame| {
        if device == to && !seen.get() {
            seen.set(damage(frame));
        }
        Fate::Pass
    }));
    done
}

/// The newest signed prekey's id as the server tells it from now on.
pub fn signed_prekeys(sim: &mut Sim) -> Rc<Cell<u32>> {
    let newest = Rc::new(Cell::new(0));
    let told = Rc::clone(&newest);
    sim.answer_hook = Some(Box::new(move |_, path, answer| {
        if path == "/v1/keys"
            && let Ok(counts) = serde_json::from_slice::<KeyCounts>(&answer.body)
        {
            told.set(counts.signed_prekey_id);
        }
    }));
    newest
}

pub fn named(name: &str) -> Who {
    Who::Name(Username::parse(name).expect("a good name"))
}

pub fn new_group(title: &str, members: &[&str]) -> NewGroup {
    NewGroup {
        title: title.into(),
        description: String::new(),
        picture: None,
        picture_type: None,
        members: members.iter().map(|name| named(name)).collect(),
        post: GroupPermission::Members,
        add: GroupPermission::Members,
        change_details: GroupPermission::Members,
        fanout: GroupFanout::Log,
    }
}

pub fn create(sim: &mut Sim, by: Device, title: &str, members: &[&str]) -> GroupId {
    let reply = sim.ask(by, Command::CreateGroup { group: new_group(title, members) });
    let Ok(Reply::Group { group }) = reply else { panic!("no group: {reply:?}") };
    sim.run();
    group.group
}

pub fn change(sim: &mut Sim, by: Device, group: GroupId, change: GroupChange) -> GroupView {
    let reply = sim.ask(by, Command::ChangeGroup { group, change });
    let Ok(Reply::Group { group }) = reply else { panic!("not changed: {reply:?}") };
    sim.run();
    *group
}

pub fn view(sim: &mut Sim, of: Device, group: GroupId) -> GroupView {
    match sim.ask(of, Command::Group { group }) {
        Ok(Reply::Group { group }) => *group,
        other => panic!("no group: {other:?}"),
    }
}

pub fn say(sim: &mut Sim, by: Device, group: GroupId, body: &str) {
    sim.command(
        by,
        Command::SendText {
            to: Who::Group(group),
            body: body.into(),
            name: None,
            mentions: Vec::new(),
            reply_to: None,
            preview: None,
        },
    );
}
