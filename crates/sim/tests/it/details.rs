//! What really happened to a message: its copies, their ciphertexts, the times of its way.

use sotto_engine::{Command, MessageDetails, MessageStatus, MessageView, Reply};
use sotto_sim::{Device, Fate, Sim, acquainted};
use sotto_types::ClientMsgId;
#[cfg(target_arch = "wasm32")]
use sotto_wasm_test::test;
use sotto_wire::pb::{self, client_frame, deliver::Item, server_frame};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

fn details(sim: &mut Sim, device: Device, name: ClientMsgId) -> (MessageView, MessageDetails) {
    match sim.ask(device, Command::Message { name }) {
        Ok(Reply::Message { message, details }) => (message, details),
        other => panic!("no message: {other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

type Sent = Rc<RefCell<BTreeSet<(u32, String)>>>;

/// Ciphertexts that leave a device as messages, with the device each is for.
fn watch_sends(sim: &mut Sim, from: Device) -> Sent {
    let sent = Sent::default();
    let seen = Rc::clone(&sent);
    sim.refuse_hook = Some(Box::new(move |device, frame| {
        if let (true, Some(client_frame::Body::SendDirect(send))) = (device == from, &frame.body)
            && send.class() == pb::EnvelopeClass::Message
        {
            let copies = send.to_recipient.iter().chain(&send.to_self);
            seen.borrow_mut().extend(copies.map(|copy| (copy.device_id, hex(&copy.ciphertext))));
        }
        None
    }));
    sent
}

/// Ciphertexts that are delivered to a device.
fn watch_deliveries(sim: &mut Sim, to: Device) -> Rc<RefCell<Vec<String>>> {
    let delivered = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&delivered);
    sim.frame_hook = Some(Box::new(move |device, frame| {
        if let (true, Some(server_frame::Body::Deliver(deliver))) = (device == to, &frame.body)
            && let Some(Item::Envelope(envelope)) = &deliver.item
        {
            seen.borrow_mut().push(hex(&envelope.ciphertext));
        }
        Fate::Pass
    }));
    delivered
}

fn shown(details: &MessageDetails) -> BTreeSet<(u32, String)> {
    let copies = details.copies.iter();
    copies.map(|copy| (u32::from(copy.device), copy.ciphertext.clone().expect("it is kept"))).collect()
}

#[test]
fn both_sides_show_the_bytes_that_the_server_had() {
    let (mut sim, ann, bob) = acquainted(95);
    let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
    let second = sim.link(ann);
    sim.run();
    let (sent, delivered) = (watch_sends(&mut sim, ann), watch_deliveries(&mut sim, bob));
    let written = sim.now().as_ms();
    sim.send(ann, "bob", "look at me");
    sim.run();
    sim.ask(bob, Command::MarkRead { conversation: ann_id.into(), up_to: None }).expect("reads");
    sim.run();
    let name = sim.history(ann, bob_id).last().expect("sent").name;
    let (message, own) = details(&mut sim, ann, name);
    assert_eq!(message.status, MessageStatus::Read);
    assert_eq!(own.copies.len(), 2, "one for bob's device, one for the own other one: {own:?}");
    assert_eq!(shown(&own), *sent.borrow());
    for copy in &own.copies {
        let text = copy.ciphertext.as_ref().expect("it is kept");
        assert_eq!(text.len(), 2 * copy.ciphertext_bytes as usize);
        assert!(copy.ratchet_key.is_some() && copy.previous_counter.is_some(), "{copy:?}");
    }
    let times = own.times;
    assert_eq!((times.encrypted_ms, times.sent_ms), (Some(written), Some(written)));
    assert_eq!((times.stored_ms, times.delivered_ms), (message.server_time_ms, message.delivered_ms));
    assert!(times.read_ms.is_some() && times.read_ms == message.read_ms, "{times:?}");
    assert!(times.accepted_ms >= times.sent_ms && times.received_ms.is_none(), "{times:?}");

    let (_, theirs) = details(&mut sim, bob, name);
    assert_eq!(theirs.copies.len(), 1);
    assert_eq!(theirs.copies[0].ciphertext.as_ref(), delivered.borrow().first());
    assert_eq!(theirs.copies[0].counter, own.copies.iter().find(|copy| copy.account == bob_id).expect("his").counter);
    assert!(theirs.times.received_ms >= theirs.times.stored_ms && theirs.times.sent_ms.is_none(), "{theirs:?}");
    let (_, copied) = details(&mut sim, second, name);
    assert!(copied.times.received_ms.is_some() && copied.copies.len() == 1, "{copied:?}");
}

#[test]
fn a_message_on_its_way_shows_what_is_known() {
    let (mut sim, ann, bob) = acquainted(96);
    let bob_id = sim.account(bob);
    sim.set_network(ann, false);
    sim.run_for(Duration::from_secs(1));
    sim.send(ann, "bob", "waits");
    sim.run_for(Duration::from_secs(1));
    let name = sim.history(ann, bob_id).last().expect("saved").name;
    let (_, waiting) = details(&mut sim, ann, name);
    assert_eq!((waiting.copies.len(), waiting.times), (0, Default::default()), "nothing happened yet");

    let sent = watch_sends(&mut sim, ann);
    sim.set_network(ann, true);
    let seen = Rc::clone(&sent);
    sim.run_until(move |_| !seen.borrow().is_empty());
    let (message, on_its_way) = details(&mut sim, ann, name);
    if message.status == MessageStatus::Pending {
        assert_eq!(shown(&on_its_way), *sent.borrow());
        assert!(on_its_way.times.encrypted_ms.is_some() && on_its_way.times.accepted_ms.is_none());
    }
    sim.run();
    let (_, stored) = details(&mut sim, ann, name);
    assert_eq!(shown(&stored), *sent.borrow());
    assert!(stored.times.accepted_ms.is_some());
}

#[test]
fn ciphertexts_are_shortened_and_forgotten_but_not_their_sizes() {
    let (mut sim, ann, bob) = acquainted(97);
    let bob_id = sim.account(bob);
    sim.send(ann, "bob", &"long ".repeat(4000));
    sim.run();
    let name = sim.history(ann, bob_id).last().expect("sent").name;
    for device in [ann, bob] {
        let (_, details) = details(&mut sim, device, name);
        assert_eq!(details.copies[0].ciphertext.as_ref().map(String::len), Some(2 * 4096));
        assert!(details.copies[0].ciphertext_bytes > 20_000);
    }
    for days in [29, 3] {
        for online in [false, true] {
            for device in [ann, bob] {
                assert!(sim.ask(device, Command::SetOnline { online }).is_ok());
            }
            sim.run_for(Duration::from_secs(if online { 120 } else { days * 86_400 }));
        }
        for device in [ann, bob] {
            let (_, details) = details(&mut sim, device, name);
            assert_eq!(details.copies[0].ciphertext.is_some(), days == 29, "after {days} more days");
            assert!(details.copies[0].ciphertext_bytes > 20_000 && details.times.stored_ms.is_some());
        }
    }
}
