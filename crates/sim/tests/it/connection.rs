//! The connection: servers that throw out, refused read positions, clocks that are set back.

use sotto_engine::{Command, Event, MessageStatus, Reply};
use sotto_sim::{Fate, Sim, acquainted, damage_first};
use sotto_types::ErrorCode;
#[cfg(target_arch = "wasm32")]
use sotto_wasm_test::test;
use sotto_wire::pb::{self, client_frame, server_frame::Body};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

fn error(code: ErrorCode, reference: u32) -> pb::ServerFrame {
    let error = pb::Error { code: code.number(), ..pb::Error::default() };
    pb::ServerFrame { r#ref: reference, body: Some(Body::Error(error)) }
}

#[test]
fn a_server_that_welcomes_and_throws_out_is_not_hammered() {
    // Going away, and a final code that the sign-in does not confirm.
    for code in [ErrorCode::GoingAway, ErrorCode::DeviceUnlinked] {
        let mut sim = Sim::new(70);
        let (ann, bob) = (sim.register("ann"), sim.register("bob"));
        sim.frame_hook = Some(Box::new(move |device, frame| {
            if device == ann && matches!(frame.body, Some(Body::QueueDrained(_))) {
                *frame = error(code, 0);
            }
            Fate::Pass
        }));
        sim.trace = Some(Vec::new());
        sim.break_connection(ann);
        sim.run_for(Duration::from_secs(3600));
        let opened = sim.trace.take().unwrap_or_default();
        let opened = opened.iter().filter(|line| line.starts_with("0 Connect {")).count();
        assert!((30..400).contains(&opened), "{code:?}: {opened} connections in an hour");
        // Once it behaves, everything is as before.
        sim.frame_hook = None;
        sim.run_for(Duration::from_secs(120));
        let bob_id = sim.account(bob);
        sim.send(ann, "bob", "there again");
        sim.run();
        assert_eq!(sim.statuses(ann, bob_id), [MessageStatus::Delivered], "{code:?}");
    }
}

fn read(frame: &pb::ClientFrame) -> bool {
    matches!(frame.body, Some(client_frame::Body::Read(_)))
}

#[test]
fn a_refused_read_position_is_told_again() {
    // The error names the frame, or (an older server) nothing.
    for names in [true, false] {
        let mut sim = Sim::new(71);
        let (ann, bob) = (sim.register("ann"), sim.register("bob"));
        let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
        sim.send(ann, "bob", "hello");
        sim.run();
        let refused = Rc::new(Cell::new(0));
        let count = Rc::clone(&refused);
        sim.refuse_hook = Some(Box::new(move |device, frame| {
            if device == bob && read(frame) && count.get() < 3 {
                count.set(count.get() + 1);
                return Some(error(ErrorCode::RateLimited, if names { frame.r#ref } else { 0 }));
            }
            None
        }));
        sim.command(bob, Command::MarkRead { conversation: ann_id.into(), up_to: None });
        sim.run_for(Duration::from_secs(600));
        assert_eq!(refused.get(), 3, "{names}");
        assert_eq!(sim.statuses(ann, bob_id), [MessageStatus::Read], "{names}");
    }
}

const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn a_clock_that_is_set_back_stalls_nothing() {
    let (mut sim, ann, bob) = acquainted(72);
    let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
    // A session that was just renewed, and a message that is to be asked for again in a minute.
    damage_first(&mut sim, bob);
    sim.send(ann, "bob", "damaged");
    sim.set_network(ann, false);
    sim.run();
    sim.set_network(ann, true);
    sim.run_until(|sim| {
        sim.events(bob).iter().any(
            |event| matches!(event, Event::MessageAdded { message, .. } if message.status == MessageStatus::Waiting),
        )
    });
    sim.set_clock_back(bob, DAY);
    sim.run_for(Duration::from_secs(600));
    assert_eq!(sim.texts(bob, ann_id), ["first", "answer", "damaged"]);
    damage_first(&mut sim, bob);
    sim.send(ann, "bob", "damaged too");
    sim.run_for(Duration::from_secs(600));
    assert_eq!(sim.texts(bob, ann_id), ["first", "answer", "damaged", "damaged too"], "the session is renewed again");
    // Waiting to connect again.
    sim.set_network(bob, false);
    sim.run_for(Duration::from_secs(300));
    sim.set_clock_back(bob, DAY);
    sim.run_for(Duration::from_secs(10));
    sim.set_network(bob, true);
    sim.send(bob, "ann", "in the past");
    sim.run_for(Duration::from_secs(300));
    assert!(sim.texts(ann, bob_id).contains(&"in the past".into()));
    let Ok(Reply::Status { status }) = sim.ask(bob, Command::Status) else { panic!("no status") };
    assert_eq!(status.outbox, 0);
}

#[test]
fn what_waits_for_long_on_its_sender_does_not_keep_the_device_awake() {
    let (mut sim, ann, bob) = acquainted(61);
    let cem = sim.register("cem");
    sim.set_network(bob, false);
    sim.send(cem, "bob", "who am I?");
    sim.run();
    let asked = Rc::new(Cell::new(0));
    let counted = Rc::clone(&asked);
    sim.answer_hook = Some(Box::new(move |device, path, answer| {
        if device == bob && path.contains("/devices") {
            counted.set(counted.get() + 1);
            (answer.status, answer.body) = (502, Vec::new());
        }
    }));
    sim.clear_events(bob);
    sim.set_network(bob, true);
    sim.trace = Some(Vec::new());
    sim.run_for(Duration::from_secs(60));
    assert!(asked.get() > 1, "it is asked for again and again");
    let wakes = sim.trace.take().into_iter().flatten().filter(|effect| effect.contains("WakeAt")).count();
    assert!(wakes < 500, "{wakes} times");
    sim.answer_hook = None;
    sim.run_for(Duration::from_secs(600));
    let (ann_id, cem_id) = (sim.account(ann), sim.account(cem));
    assert_eq!(sim.texts(bob, cem_id), ["who am I?"]);
    assert!(sim.events(bob).contains(&Event::QueueDrained));
    sim.send(bob, "ann", "all is well");
    sim.run();
    assert!(!sim.texts(bob, ann_id).is_empty());
}
