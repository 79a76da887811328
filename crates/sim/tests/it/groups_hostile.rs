//! A server that lies about a group: adds, drops, forks, replays, swaps, brings back. Each lie is refused or shown.

use prost::Message as _;
use rand::SeedableRng;
use sotto_crypto::IdentityKeyPair;
use sotto_engine::{Command, GroupChange, GroupPermission, GroupView, MessageBody, NewGroup, Reply, Who};
use sotto_sim::{Bytes, Device, Fate, Sim};
use sotto_types::{AccountId, GroupId, Username};
#[cfg(target_arch = "wasm32")]
use sotto_wasm_test::test;
use sotto_wire::http::{GroupPage, OperationAccepted};
use sotto_wire::pb::{self, client_frame, server_frame::Body};
use sotto_wire::{GROUP_OPERATION_DOMAIN, pb::group_entry::Item};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

fn named(name: &str) -> Who {
    Who::Name(Username::parse(name).expect("a good name"))
}

fn create(sim: &mut Sim, by: Device, members: &[&str]) -> GroupView {
    let group = NewGroup {
        title: "honest".into(),
        description: String::new(),
        picture: None,
        picture_type: None,
        members: members.iter().map(|name| named(name)).collect(),
        post: GroupPermission::Members,
        add: GroupPermission::Members,
        change_details: GroupPermission::Members,
        fanout: sotto_engine::GroupFanout::Log,
    };
    let reply = sim.ask(by, Command::CreateGroup { group });
    let Ok(Reply::Group { group }) = reply else { panic!("no group: {reply:?}") };
    sim.run();
    *group
}

fn change(sim: &mut Sim, by: Device, group: GroupId, change: GroupChange) {
    let reply = sim.ask(by, Command::ChangeGroup { group, change });
    assert!(matches!(reply, Ok(Reply::Group { .. })), "{reply:?}");
    sim.run();
}

fn view(sim: &mut Sim, of: Device, group: GroupId) -> GroupView {
    match sim.ask(of, Command::Group { group }) {
        Ok(Reply::Group { group }) => *group,
        other => panic!("no group: {other:?}"),
    }
}

fn say(sim: &mut Sim, by: Device, group: GroupId, body: &str) {
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
    sim.run();
}

fn has_alarm(sim: &mut Sim, of: Device, group: GroupId, words: &str) -> bool {
    view(sim, of, group).alarm.is_some_and(|alarm| alarm.contains(words))
}

fn is_member(view: &GroupView, account: AccountId) -> bool {
    view.members.iter().any(|member| member.account == account)
}

fn copy(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

/// The first operation of a group as the server stores it, seen on its way to a device.
fn watch(sim: &mut Sim) -> Rc<RefCell<Vec<pb::GroupEntry>>> {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let kept = Rc::clone(&seen);
    sim.frame_hook = Some(Box::new(move |_, frame| {
        if let Some(Body::GroupEntry(entry)) = &frame.body {
            kept.borrow_mut().push(entry.clone());
        }
        Fate::Pass
    }));
    seen
}

fn entry_frame(entry: pb::GroupEntry) -> pb::ServerFrame {
    pb::ServerFrame { r#ref: 0, body: Some(Body::GroupEntry(entry)) }
}

#[test]
fn a_member_that_the_server_adds_is_refused_and_shown() {
    let mut sim = Sim::new(11);
    let [ann, bob, mallory] = ["ann", "bob", "mallory"].map(|name| sim.register(name));
    let seen = watch(&mut sim);
    let group = create(&mut sim, ann, &["bob"]);
    let (ann_id, mallory_id) = (sim.account(ann), sim.account(mallory));
    let last = seen.borrow().iter().max_by_key(|entry| entry.message_id).cloned().expect("an entry");
    // Signed by a key of the server's own, in ann's name.
    let mut rng = rand::rngs::StdRng::seed_from_u64(1);
    let identity = IdentityKeyPair::generate(&mut rng);
    let operation = pb::GroupOperation {
        revision: 1,
        previous: copy(group.group.as_bytes()),
        group_id: copy(group.group.as_bytes()),
        actor: copy(ann_id.as_bytes()),
        actor_key: copy(identity.public().as_bytes()),
        actor_device: 1,
        at_ms: 1,
        change: Some(pb::group_operation::Change::Add(pb::AddMembers {
            members: vec![pb::GroupMemberKey {
                account_id: copy(mallory_id.as_bytes()),
                identity_key: copy(identity.public().as_bytes()),
            }],
        })),
    };
    let payload = operation.encode_to_vec();
    let signature = identity.sign(GROUP_OPERATION_DOMAIN, &payload, &mut rng);
    let forged = pb::GroupEntry {
        message_id: last.message_id + 1,
        previous: last.message_id,
        item: Some(Item::Operation(pb::GroupLogOperation {
            payload: payload.into(),
            signature: copy(&signature),
            details: Bytes::new(),
        })),
        ..last
    };
    sim.inject(bob, entry_frame(forged));
    sim.run();
    let shown = view(&mut sim, bob, group.group);
    assert!(!is_member(&shown, mallory_id));
    assert_eq!(shown.revision, 0);
    assert!(has_alarm(&mut sim, bob, group.group, "no member with the right"));
}

/// Hides every operation from a revision on from one device, in its log and in the pages it asks for.
fn hide_operations(sim: &mut Sim, from: Device, first: u32) {
    let skipped = Rc::new(RefCell::new(Vec::<(u64, u64)>::new()));
    sim.frame_hook = Some(Box::new(move |device, frame| {
        let Some(Body::GroupEntry(entry)) = &mut frame.body else { return Fate::Pass };
        if device != from {
            return Fate::Pass;
        }
        if let Some(Item::Operation(operation)) = &entry.item
            && pb::GroupOperation::decode(operation.payload.clone()).expect("an operation").revision >= first
        {
            skipped.borrow_mut().push((entry.message_id, entry.previous));
            return Fate::Drop;
        }
        while let Some((_, before)) = skipped.borrow().iter().find(|(id, _)| *id == entry.previous) {
            entry.previous = *before;
        }
        Fate::Pass
    }));
    sim.answer_hook = Some(Box::new(move |device, path, answer| {
        if device == from
            && path.starts_with("/v1/groups/")
            && let Ok(mut page) = serde_json::from_slice::<GroupPage>(&answer.body)
        {
            page.operations.retain(|operation| operation.revision < first);
            answer.body = serde_json::to_vec(&page).expect("a page");
        }
    }));
}

#[test]
fn a_hidden_operation_shows_with_the_next_message_of_a_member() {
    let mut sim = Sim::new(12);
    let [ann, bob, _cem] = ["ann", "bob", "cem"].map(|name| sim.register(name));
    let group = create(&mut sim, ann, &["bob", "cem"]).group;
    hide_operations(&mut sim, bob, 1);
    change(&mut sim, ann, group, GroupChange::Remove { members: vec![named("cem")] });
    assert_eq!(view(&mut sim, bob, group).alarm, None);
    say(&mut sim, ann, group, "cem is gone");
    sim.run_for(Duration::from_secs(600));
    assert!(has_alarm(&mut sim, bob, group, "hides changes"));
    assert_eq!(sim.texts(bob, group), ["cem is gone"], "what ann said is shown all the same");
}

#[test]
fn a_message_sent_under_an_old_roster_says_so_and_the_lie_shows_with_the_next_one() {
    let mut sim = Sim::new(18);
    let [ann, bob, cem] = ["ann", "bob", "cem"].map(|name| sim.register(name));
    let group = create(&mut sim, ann, &["bob", "cem"]).group;
    say(&mut sim, bob, group, "before");
    sim.run();
    // The server goes on as if cem were in: to bob it shows the old list, and it takes what he encrypts for it.
    hide_operations(&mut sim, bob, 1);
    let hide = sim.answer_hook.take();
    let newest = Rc::new(Cell::new(0_u64));
    let (seen, mut hide) = (Rc::clone(&newest), hide.expect("set above"));
    sim.answer_hook = Some(Box::new(move |device, path, answer| {
        if let Ok(page) = serde_json::from_slice::<GroupPage>(&answer.body) {
            seen.set(seen.get().max(page.roster.parse().unwrap_or(0)));
        }
        hide(device, path, answer);
    }));
    let current = Rc::clone(&newest);
    sim.refuse_hook = Some(Box::new(move |device, frame| {
        if let Some(pb::client_frame::Body::SendGroup(send)) = &mut frame.body
            && device == bob
        {
            send.roster = send.roster.max(current.get());
        }
        None
    }));
    change(&mut sim, ann, group, GroupChange::Remove { members: vec![named("cem")] });
    say(&mut sim, ann, group, "cem is gone");
    sim.run();
    assert!(newest.get() > 0, "ann asked how the server counts");
    let before = sim.texts(cem, group);
    say(&mut sim, bob, group, "is he?");
    sim.run_for(Duration::from_secs(600));
    let heard = sim.history(ann, group).pop().expect("a message");
    assert!(matches!(&heard.body, MessageBody::Text { body, .. } if body == "is he?"));
    assert!(heard.note.is_some_and(|note| note.contains("had not seen the newest change")));
    assert!(has_alarm(&mut sim, bob, group, "hides changes"));
    assert_eq!(sim.texts(cem, group), before);
}

#[test]
fn a_forked_list_shows_with_the_next_message_of_a_member() {
    let mut sim = Sim::new(13);
    let [ann, bob, _cem, _dan] = ["ann", "bob", "cem", "dan"].map(|name| sim.register(name));
    let group = create(&mut sim, ann, &["bob", "cem"]).group;
    hide_operations(&mut sim, bob, 1);
    change(&mut sim, ann, group, GroupChange::Remove { members: vec![named("cem")] });
    // Bob's own change is taken by the server, but told to nobody else.
    let hide = sim.answer_hook.take();
    let mut hide = hide.expect("a hook");
    sim.answer_hook = Some(Box::new(move |device, path, answer| {
        if device == bob && path.ends_with("/operations") && answer.status == 409 {
            answer.status = 200;
            answer.body = serde_json::to_vec(&OperationAccepted {
                group: group.to_string(),
                revision: 1,
                message_id: (1_u64 << 61).to_string(),
                server_time_ms: 1,
                roster: "0".into(),
            })
            .expect("an answer");
        }
        hide(device, path, answer);
    }));
    change(&mut sim, bob, group, GroupChange::Add { members: vec![named("dan")] });
    assert_eq!(view(&mut sim, bob, group).members.len(), 4);
    say(&mut sim, ann, group, "there are two of us");
    assert!(has_alarm(&mut sim, bob, group, "different histories"));
}

#[test]
fn an_old_operation_told_again_changes_nothing() {
    let mut sim = Sim::new(14);
    let [ann, bob, cem] = ["ann", "bob", "cem"].map(|name| sim.register(name));
    let cem_id = sim.account(cem);
    let seen = watch(&mut sim);
    let group = create(&mut sim, ann, &["bob"]).group;
    change(&mut sim, ann, group, GroupChange::Add { members: vec![named("cem")] });
    let add = seen.borrow().iter().max_by_key(|entry| entry.message_id).cloned().expect("an entry");
    change(&mut sim, ann, group, GroupChange::Remove { members: vec![named("cem")] });
    let last = seen.borrow().iter().map(|entry| entry.message_id).max().expect("an entry");
    let before = sim.history(bob, group).len();
    let again = pb::GroupEntry { message_id: last + 1, previous: last, ..add };
    sim.inject(bob, entry_frame(again));
    sim.run();
    let shown = view(&mut sim, bob, group);
    assert!(!is_member(&shown, cem_id));
    assert_eq!(shown.alarm, None);
    assert_eq!(sim.history(bob, group).len(), before);
}

#[test]
fn details_that_the_list_does_not_name_are_not_shown() {
    let mut sim = Sim::new(15);
    let [ann, bob] = ["ann", "bob"].map(|name| sim.register(name));
    let swapped = Rc::new(RefCell::new(0));
    let count = Rc::clone(&swapped);
    // The details of another operation, or of nobody, in the place of the right ones.
    sim.frame_hook = Some(Box::new(move |device, frame| {
        if device == bob
            && let Some(Body::GroupEntry(entry)) = &mut frame.body
            && let Some(Item::Operation(operation)) = &mut entry.item
            && !operation.details.is_empty()
        {
            operation.details = copy(b"something else");
            *count.borrow_mut() += 1;
        }
        Fate::Pass
    }));
    let group = create(&mut sim, ann, &["bob"]).group;
    let details = GroupChange::SetDetails {
        title: "renamed".into(),
        description: String::new(),
        picture: None,
        picture_type: None,
    };
    change(&mut sim, ann, group, details);
    assert!(*swapped.borrow() > 0);
    // From the page it asked for when it learned of the group; the swapped ones of the change are not believed.
    assert_eq!(view(&mut sim, bob, group).title.as_deref(), Some("honest"));
}

#[test]
fn who_was_removed_opens_nothing_though_the_server_delivers_and_is_not_heard_though_it_takes() {
    let mut sim = Sim::new(16);
    let [ann, bob, cem] = ["ann", "bob", "cem"].map(|name| sim.register(name));
    let group = create(&mut sim, ann, &["bob", "cem"]).group;
    say(&mut sim, bob, group, "I am here");
    // What bob says last is held back by the server until he is gone.
    let held = Rc::new(RefCell::new(None));
    let kept = Rc::clone(&held);
    sim.refuse_hook = Some(Box::new(move |device, frame| match &frame.body {
        Some(client_frame::Body::SendGroup(send)) if device == bob => {
            kept.borrow_mut().get_or_insert(send.ciphertext.clone());
            Some(pb::ServerFrame {
                r#ref: 0,
                body: Some(Body::Accepted(pb::Accepted {
                    client_msg_id: send.client_msg_id.clone(),
                    message_id: 1 << 61,
                    server_time_ms: 1,
                })),
            })
        }
        _ => None,
    }));
    say(&mut sim, bob, group, "held back");
    let seen = watch(&mut sim);
    change(&mut sim, ann, group, GroupChange::Remove { members: vec![named("bob")] });
    say(&mut sim, ann, group, "without bob");
    let entries = seen.borrow().clone();
    let secret = entries.iter().find(|entry| match &entry.item {
        Some(Item::Envelope(envelope)) => !envelope.ciphertext.is_empty(),
        _ => false,
    });
    let secret = secret.cloned().expect("ann's message");
    let last = entries.iter().map(|entry| entry.message_id).max().expect("an entry");
    sim.inject(bob, entry_frame(secret));
    sim.run_for(Duration::from_secs(3600));
    assert_eq!(sim.texts(bob, group), ["I am here", "held back"]);
    let bob_id = sim.account(bob);
    let late = pb::GroupEntry {
        group_id: copy(group.as_bytes()),
        message_id: last + 1,
        previous: last,
        server_time_ms: 1,
        sender_account: copy(bob_id.as_bytes()),
        sender_device: 1,
        item: Some(Item::Envelope(pb::GroupEnvelope { class: 1, ciphertext: held.borrow().clone().expect("held") })),
    };
    for device in [ann, cem] {
        sim.inject(device, entry_frame(late.clone()));
    }
    sim.run();
    for device in [ann, cem] {
        assert_eq!(sim.texts(device, group), ["I am here", "without bob"]);
    }
}

#[test]
fn withheld_entries_are_asked_for_and_then_shown() {
    let mut sim = Sim::new(17);
    let [ann, bob] = ["ann", "bob"].map(|name| sim.register(name));
    let group = create(&mut sim, ann, &["bob"]).group;
    say(&mut sim, ann, group, "first");
    let dropped = Rc::new(RefCell::new(None));
    let first = Rc::clone(&dropped);
    sim.frame_hook = Some(Box::new(move |device, frame| {
        let Some(Body::GroupEntry(entry)) = &frame.body else { return Fate::Pass };
        let is_it = device == bob && *first.borrow_mut().get_or_insert(entry.message_id) == entry.message_id;
        if is_it { Fate::Drop } else { Fate::Pass }
    }));
    say(&mut sim, ann, group, "withheld");
    say(&mut sim, ann, group, "third");
    sim.run_for(Duration::from_secs(900));
    assert!(has_alarm(&mut sim, bob, group, "withholds"));
    assert_eq!(sim.texts(bob, group), ["first", "third"]);
}
