//! History for a new device: how far back it goes, when it is said to be complete, and what a crash in the middle leaves.

use prost::Message as _;
use sotto_engine::{Command, Event, Reply, Who};
use sotto_engine_store::{MessageKind, NewMessage, StoreError};
use sotto_sim::{Device, SERVER, Sim};
use sotto_types::{ClientMsgId, DeviceId, Secret};
#[cfg(target_arch = "wasm32")]
use sotto_wasm_test::test;
use sotto_wire::pb;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

fn set_online(sim: &mut Sim, devices: &[Device], online: bool) {
    for device in devices {
        let reply = sim.ask(*device, Command::SetOnline { online });
        assert!(matches!(reply, Ok(Reply::Done)), "{reply:?}");
    }
    sim.run();
}

/// Time passes while nobody is there; nobody is away for so long that the server suspends them.
fn pass(sim: &mut Sim, devices: &[Device], mut time: Duration) {
    while time > Duration::ZERO {
        let step = time.min(10 * DAY);
        set_online(sim, devices, false);
        sim.run_for(step);
        set_online(sim, devices, true);
        time -= step;
    }
}

fn found(sim: &mut Sim, device: Device, query: &str) -> Vec<String> {
    match sim.ask(device, Command::Search { query: query.into(), conversation: None, limit: 100 }) {
        Ok(Reply::Found { hits }) => hits.into_iter().map(|hit| hit.snippet.replace(['\u{1}', '\u{2}'], "")).collect(),
        other => panic!("no search: {other:?}"),
    }
}

fn progress(event: &Event) -> Option<(u64, u64)> {
    match event {
        Event::HistoryReceived { done, total } => Some((*done, *total)),
        _ => None,
    }
}

fn received(sim: &Sim, device: Device) -> Option<(u64, u64)> {
    sim.events(device).iter().rev().find_map(progress)
}

#[test]
fn a_new_device_gets_thirty_days_and_nothing_older() {
    let mut sim = Sim::new(51);
    let (ann, bob) = (sim.register("ann"), sim.register("bob"));
    let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
    let say = |sim: &mut Sim, text: &str| {
        sim.send(ann, "bob", &format!("{text} from ann"));
        sim.send(bob, "ann", &format!("{text} from bob"));
        sim.command(
            ann,
            Command::SendText {
                to: Who::Me,
                body: format!("{text} note"),
                name: None,
                mentions: Vec::new(),
                reply_to: None,
                preview: None,
            },
        );
        sim.run();
    };
    say(&mut sim, "ancient word");
    pass(&mut sim, &[ann, bob], 10 * DAY);
    say(&mut sim, "old word");
    pass(&mut sim, &[ann, bob], 2 * HOUR);
    say(&mut sim, "recent word");
    // When the device is linked, the second ones are 30 days and an hour old, the third ones an hour less than 30 days.
    pass(&mut sim, &[ann, bob], 30 * DAY - HOUR);
    say(&mut sim, "new word");

    let second = sim.link(ann);
    assert_eq!(received(&sim, second), Some((6, 6)));
    let sorted = |mut texts: Vec<String>| {
        texts.sort_unstable();
        texts
    };
    let with_bob = ["new word from ann", "new word from bob", "recent word from ann", "recent word from bob"];
    assert_eq!(sorted(sim.texts(second, bob_id)), with_bob);
    assert_eq!(sim.texts(second, ann_id), ["recent word note", "new word note"]);
    let all = ["new word from ann", "new word from bob", "new word note"].into_iter();
    let all: Vec<&str> = all.chain(["recent word from ann", "recent word from bob", "recent word note"]).collect();
    assert_eq!(sorted(found(&mut sim, second, "word")), all);
    for word in ["ancient", "old"] {
        assert_eq!(found(&mut sim, second, word), [""; 0], "{word}");
        assert_eq!(found(&mut sim, ann, word).len(), 3, "the first device keeps everything");
    }
}

/// (done, total) of every piece of news about history that left `device`.
fn sent(sim: &Sim, device: Device) -> Vec<(u64, u64)> {
    let of = |event: &Event| match event {
        Event::HistorySent { done, total, .. } => Some((*done, *total)),
        _ => None,
    };
    sim.events(device).iter().filter_map(of).collect()
}

fn is_complete((done, total): &(u64, u64)) -> bool {
    done == total
}

/// A device that is about to be linked by `existing`, with nothing done yet.
fn begin_link(sim: &mut Sim, existing: Device) -> Device {
    let device = sim.device();
    let reply = sim.ask(device, Command::StartLink { server: SERVER.into(), device_name: "linked".into() });
    let Ok(Reply::LinkText { text, .. }) = reply else { panic!("no link text: {reply:?}") };
    let reply = sim.ask(existing, Command::ApproveLink { link_text: text });
    assert!(matches!(reply, Ok(Reply::Done)), "{reply:?}");
    device
}

#[test]
fn whoever_gave_all_of_the_history_may_leave() {
    for seed in 0..20 {
        let mut sim = Sim::new(5200 + seed);
        let (ann, bob) = (sim.register("ann"), sim.register("bob"));
        let bob_id = sim.account(bob);
        let long = "x".repeat(20_000);
        let texts: Vec<String> = (0..7).map(|n| format!("{n} {long}")).collect();
        for text in &texts {
            sim.send(ann, "bob", text);
        }
        sim.run();
        let second = begin_link(&mut sim, ann);
        sim.run_until(|sim| sent(sim, ann).iter().any(is_complete));
        sim.crash(ann);
        sim.run();
        assert!(sim.texts(second, bob_id) == texts, "seed {seed}");
        assert_eq!(received(&sim, second), Some((7, 7)), "seed {seed}");
    }
}

#[test]
fn history_is_said_to_be_complete_once_and_last() {
    // None, as many as a chunk reads at once, and one more.
    for count in [0, 200, 201] {
        let mut sim = Sim::new(53);
        let ann = sim.register("ann");
        for n in 0..count {
            sim.command(
                ann,
                Command::SendText {
                    to: Who::Me,
                    body: n.to_string(),
                    name: None,
                    mentions: Vec::new(),
                    reply_to: None,
                    preview: None,
                },
            );
        }
        sim.run();
        let second = sim.link(ann);
        let given = sent(&sim, ann);
        let taken: Vec<(u64, u64)> = sim.events(second).iter().filter_map(progress).collect();
        for news in [&given, &taken] {
            let complete = news.iter().filter(|news| is_complete(news)).count();
            assert_eq!((complete, news.last()), (1, Some(&(count, count))), "{count} messages: {news:?}");
        }
    }
}

#[test]
fn a_message_too_large_for_a_chunk_does_not_stop_the_history() {
    let mut sim = Sim::new(95);
    let (ann, bob) = (sim.register("ann"), sim.register("bob"));
    let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
    sim.send(bob, "ann", "before");
    sim.run();
    // What a client that keeps to no limit can send: as large as a ciphertext may be.
    let mut store = sim.copy_profile(ann);
    let seen = sim.history(ann, bob_id)[0].message_id.expect("sent");
    let name = ClientMsgId::from_bytes([7; 16]);
    let content = pb::Content {
        name: name.as_bytes().to_vec().into(),
        body: Some(pb::content::Body::Text(pb::Text { body: "x".repeat(65_000), ..pb::Text::default() })),
        ..pb::Content::default()
    };
    store
        .transaction(|tx| {
            tx.insert_message(&NewMessage {
                author: bob_id,
                author_device: DeviceId::FIRST,
                name,
                conversation: bob_id.into(),
                message_id: Some(sotto_types::MessageId::new(seen.get() + 1)),
                after: None,
                kind: MessageKind::Unsupported,
                content: Secret::new(content.encode_to_vec()),
                written: sim.now(),
                server_time: Some(sim.now()),
                note: None,
                expires_after_s: 0,
            })?;
            Ok::<_, StoreError>(())
        })
        .expect("stores");
    sim.restore_profile(ann, store);
    sim.run();
    sim.send(bob, "ann", "after");
    sim.run();
    let second = sim.link(ann);
    assert_eq!(sim.texts(second, bob_id), ["before", "after"]);
    let complete = |event: &Event| matches!(event, Event::HistorySent { done, total, .. } if done == total);
    assert!(sim.events(ann).iter().any(complete), "both sides are told that it is complete");
    let complete = |event: &Event| matches!(event, Event::HistoryReceived { done, total } if done == total);
    assert!(sim.events(second).iter().any(complete));
    assert_eq!(sim.texts(bob, ann_id), ["before", "after"]);
}
