//! A server that lies: adds a device, brings back an old list, delivers again, answers nonsense.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message as _;
use rand::SeedableRng;
use sotto_crypto::device_list::sign_device_list;
use sotto_crypto::{DeviceAuthKey, IdentityKeyPair, ListedDevice};
use sotto_engine::{Command, Event, Reply};
use sotto_sim::{Fate, Sim};
use sotto_types::DeviceId;
#[cfg(target_arch = "wasm32")]
use sotto_wasm_test::test;
use sotto_wire::http::AccountDevices;
use sotto_wire::pb::server_frame::Body;
use std::cell::RefCell;
use std::rc::Rc;

fn has_notice(events: &[Event]) -> bool {
    events.iter().any(|event| matches!(event, Event::Notice { text } if text.contains("device list")))
}

#[test]
fn an_added_device_is_refused() {
    let mut sim = Sim::new(41);
    let (ann, bob) = (sim.register("ann"), sim.register("bob"));
    let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
    sim.send(ann, "bob", "before");
    sim.run();
    // The server signs a list of its own with one more device, and says that the old one does not fit.
    let mut rng = rand::rngs::StdRng::seed_from_u64(1);
    let (identity, auth) = (IdentityKeyPair::generate(&mut rng), DeviceAuthKey::generate(&mut rng));
    let forged: Vec<_> = [ann_id, bob_id]
        .map(|account| {
            let device =
                |id| ListedDevice { id: DeviceId::try_from(id).unwrap(), registration_id: 77, auth_key: auth.public() };
            sign_device_list(&identity, account, 9, &[device(1), device(2)], &mut rng).expect("signs")
        })
        .into();
    let own = forged[0].clone();
    let lies = Rc::new(RefCell::new(0));
    let told = Rc::clone(&lies);
    sim.frame_hook = Some(Box::new(move |device, frame| {
        if device == ann
            && *told.borrow() < 3
            && let Some(Body::Accepted(accepted)) = &frame.body
        {
            *told.borrow_mut() += 1;
            frame.body = Some(Body::DeviceMismatch(sotto_wire::pb::DeviceMismatch {
                client_msg_id: accepted.client_msg_id.clone(),
                lists: vec![own.clone().into()],
            }));
        }
        Fate::Pass
    }));
    sim.send(ann, "bob", "after");
    sim.run_for(std::time::Duration::from_secs(600));
    assert_eq!(*lies.borrow(), 3);
    assert!(has_notice(sim.events(ann)));
    let Ok(Reply::Contact { contact }) = sim.ask(ann, Command::Contact { who: sotto_engine::Who::Me }) else {
        panic!("none")
    };
    assert_eq!(contact.devices, 1);
    assert_eq!(sim.texts(bob, ann_id), ["before", "after"], "once, in spite of the lies");
}

#[test]
fn an_old_list_does_not_bring_a_device_back() {
    let mut sim = Sim::new(42);
    let (ann, bob) = (sim.register("ann"), sim.register("bob"));
    let bob_id = sim.account(bob);
    let second = sim.link(bob);
    let old = Rc::new(RefCell::new(None));
    let kept = Rc::clone(&old);
    sim.answer_hook = Some(Box::new(move |device, path, answer| {
        if device == ann && path.ends_with("/devices") && kept.borrow().is_none() {
            *kept.borrow_mut() = serde_json::from_slice::<AccountDevices>(&answer.body).ok();
        }
    }));
    sim.send(ann, "bob", "to both devices");
    sim.run();
    assert!(old.borrow().is_some());
    let reply = sim.ask(bob, Command::RemoveDevice { device: DeviceId::try_from(2).unwrap(), recovery_code: None });
    assert!(matches!(reply, Ok(Reply::Done)), "{reply:?}");
    sim.send(ann, "bob", "to the one that is left");
    sim.run();
    let replayed = old.borrow().clone().expect("kept");
    let replayed = sotto_wire::pb::SignedDeviceList {
        payload: replayed.list.payload.0.into(),
        signature: replayed.list.signature.0.into(),
    };
    let mut lied = false;
    sim.frame_hook = Some(Box::new(move |device, frame| {
        if device == ann
            && !lied
            && let Some(Body::Accepted(accepted)) = &frame.body
        {
            lied = true;
            frame.body = Some(Body::DeviceMismatch(sotto_wire::pb::DeviceMismatch {
                client_msg_id: accepted.client_msg_id.clone(),
                lists: vec![replayed.clone()],
            }));
        }
        Fate::Pass
    }));
    sim.clear_events(ann);
    sim.send(ann, "bob", "again only to that one");
    sim.run_for(std::time::Duration::from_secs(600));
    assert!(has_notice(sim.events(ann)));
    let who = sotto_engine::Who::Account(bob_id);
    let Ok(Reply::Contact { contact }) = sim.ask(ann, Command::Contact { who }) else { panic!("none") };
    assert_eq!(contact.devices, 1);
    let ann_id = sim.account(ann);
    assert_eq!(sim.texts(bob, ann_id).len(), 3);
    assert_eq!(sim.texts(second, ann_id), ["to both devices"]);
}

#[test]
fn redelivery_under_any_id_shows_nothing_twice() {
    let mut sim = Sim::new(43);
    let (ann, bob) = (sim.register("ann"), sim.register("bob"));
    let ann_id = sim.account(ann);
    let recorded = Rc::new(RefCell::new(Vec::new()));
    let hook = Rc::clone(&recorded);
    sim.frame_hook = Some(Box::new(move |device, frame| {
        if device == bob
            && let Some(Body::Deliver(deliver)) = &frame.body
        {
            hook.borrow_mut().push(deliver.clone());
            return Fate::Twice;
        }
        Fate::Pass
    }));
    let want: Vec<_> = (0..10).map(|n| format!("m {n}")).collect();
    for text in &want {
        sim.send(ann, "bob", text);
    }
    sim.run();
    sim.frame_hook = None;
    let old = recorded.borrow().clone();
    assert!(old.len() >= 10);
    for (n, mut deliver) in old.into_iter().enumerate() {
        deliver.entry_id += 1000 + n as u64;
        sim.inject(bob, sotto_wire::pb::ServerFrame { r#ref: 0, body: Some(Body::Deliver(deliver)) });
    }
    sim.run_for(std::time::Duration::from_secs(3600));
    assert_eq!(sim.texts(bob, ann_id), want);
    assert_eq!(sim.history(bob, ann_id).len(), 10, "nor as a placeholder");
    sim.send(ann, "bob", "still fine");
    sim.run();
    assert_eq!(sim.texts(bob, ann_id).len(), 11);
}

#[test]
fn nonsense_frames_and_answers_change_nothing() {
    let mut sim = Sim::new(44);
    let (ann, bob) = (sim.register("ann"), sim.register("bob"));
    let ann_id = sim.account(ann);
    let mut count = 0;
    sim.frame_hook = Some(Box::new(move |device, frame| {
        count += 1;
        if device == bob
            && count % 5 == 0
            && let Some(Body::Deliver(deliver)) = &mut frame.body
        {
            deliver.entry_id = u64::MAX;
        }
        Fate::Pass
    }));
    let mut answers = 0;
    sim.answer_hook = Some(Box::new(move |_, path, answer| {
        answers += 1;
        if answers % 4 == 0 && !path.contains("auth") {
            answer.body = STANDARD.encode(sotto_wire::pb::Null {}.encode_to_vec()).into_bytes();
            answer.status = 503;
        }
    }));
    for n in 0..10 {
        sim.send(ann, "bob", &format!("m {n}"));
    }
    sim.run_for(std::time::Duration::from_secs(1800));
    sim.frame_hook = None;
    sim.answer_hook = None;
    sim.run_for(std::time::Duration::from_secs(1800));
    assert_eq!(sim.texts(bob, ann_id), (0..10).map(|n| format!("m {n}")).collect::<Vec<_>>());
}
