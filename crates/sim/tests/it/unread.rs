//! What counts as unread when messages become readable late.

use sotto_engine::{Command, MessageBody, Reply};
use sotto_sim::{Device, Sim, acquainted, damage_first};
use sotto_types::{AccountId, MessageId};
#[cfg(target_arch = "wasm32")]
use sotto_wasm_test::test;
use sotto_wire::pb::client_frame;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

fn unread(sim: &mut Sim, device: Device, with: AccountId) -> u32 {
    match sim.ask(device, Command::Conversations) {
        Ok(Reply::Conversations { conversations }) => {
            conversations.iter().find(|view| view.conversation == with.into()).map_or(0, |view| view.unread)
        }
        other => panic!("no conversations: {other:?}"),
    }
}

fn mark(sim: &mut Sim, device: Device, with: AccountId, up_to: Option<MessageId>) {
    let conversation = with.into();
    let reply = sim.ask(device, Command::MarkRead { conversation, up_to });
    assert!(matches!(reply, Ok(Reply::Done)), "{reply:?}");
    sim.run();
}

#[test]
fn a_message_that_was_sent_again_is_unread_until_it_is_read() {
    let (mut sim, ann, bob) = acquainted(80);
    let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
    // It comes damaged, and the sender is away, so that there is time to read past the gap.
    damage_first(&mut sim, bob);
    sim.send(ann, "bob", "gap");
    sim.run_until(|sim| {
        sim.events(bob).iter().any(|event| {
            matches!(event, sotto_engine::Event::MessageAdded { message, .. } if message.body == MessageBody::Undecryptable)
        })
    });
    sim.set_network(ann, false);
    sim.run_for(Duration::from_secs(5));
    let told = Rc::new(RefCell::new(Vec::new()));
    let tells = Rc::clone(&told);
    sim.refuse_hook = Some(Box::new(move |_, frame| {
        if let Some(client_frame::Body::Read(read)) = &frame.body {
            tells.borrow_mut().push(read.up_to);
        }
        None
    }));
    mark(&mut sim, bob, ann_id, None);
    assert_eq!(unread(&mut sim, bob, ann_id), 0);
    sim.set_network(ann, true);
    let gap = sim.history(bob, ann_id).pop().and_then(|message| message.message_id).expect("an id");
    assert!(told.borrow().iter().all(|up_to| *up_to < gap.get()), "nobody has read what could not be read");
    assert_eq!(told.borrow().len(), 1, "but what came before it");
    sim.send(ann, "bob", "after it");
    sim.run_for(Duration::from_secs(600));
    assert_eq!(sim.texts(bob, ann_id), ["first", "answer", "gap", "after it"], "in its place");
    assert_eq!(unread(&mut sim, bob, ann_id), 2);
    let history = sim.history(bob, ann_id);
    let (gap, after) = (&history[2], &history[3]);
    assert!(gap.late_id.is_some() && gap.read_id() == gap.late_id, "{gap:?}");
    // Reading the place alone is not reading it: a reader may have been past it before it came.
    mark(&mut sim, bob, ann_id, gap.message_id);
    assert_eq!(unread(&mut sim, bob, ann_id), 2);
    mark(&mut sim, bob, ann_id, gap.read_id().max(after.read_id()));
    assert_eq!(unread(&mut sim, bob, ann_id), 0);
    let ticks = sim.history(ann, bob_id).into_iter().filter(|message| message.from_me).map(|message| message.status);
    assert_eq!(ticks.collect::<Vec<_>>(), [sotto_engine::MessageStatus::Read; 3]);
}
