//! What disappears is gone: on time, on every device; and what a person arranged is on all their devices.

use prost::Message as _;
use sotto_engine::{
    Command, CommandError, ConversationChanges, ConversationView, ErrorKind, MessageBody, MessageRef,
    PreferenceChanges, Reply,
};
use sotto_sim::scenes::{create, say};
use sotto_sim::{Device, Sim, acquainted};
use sotto_types::{AccountId, Conversation};
#[cfg(target_arch = "wasm32")]
use sotto_wasm_test::test;
use sotto_wire::pb;
use std::time::Duration;

/// The outbox's class of what is no message.
const CONTROL: u8 = 2;

fn set_timer(
    sim: &mut Sim,
    device: Device,
    with: impl Into<Conversation>,
    seconds: u32,
) -> Result<Reply, CommandError> {
    let conversation = with.into();
    sim.ask(device, Command::SetTimer { conversation, seconds })
}

fn show(sim: &mut Sim, device: Device, with: impl Into<Conversation>) -> ConversationView {
    match sim.ask(device, Command::Conversation { conversation: with.into() }) {
        Ok(Reply::Conversation { conversation }) => *conversation,
        other => panic!("no conversation: {other:?}"),
    }
}

fn read(sim: &mut Sim, device: Device, with: impl Into<Conversation>) {
    let conversation = with.into();
    sim.ask(device, Command::MarkRead { conversation, up_to: None }).expect("it can be read");
    sim.run_for(Duration::from_secs(1));
}

fn shown(sim: &mut Sim, device: Device, with: impl Into<Conversation>) -> Vec<String> {
    sim.texts(device, with)
}

#[test]
fn the_time_runs_from_reading_on_every_device() {
    let (mut sim, ann, bob) = acquainted(720);
    let second = sim.link(bob);
    let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
    set_timer(&mut sim, ann, bob_id, 60).expect("it is a timer");
    sim.run_for(Duration::from_secs(1));
    for (device, with) in [(ann, bob_id), (bob, ann_id), (second, ann_id)] {
        assert_eq!(show(&mut sim, device, with).timer_s, 60);
        let line = sim.history(device, with).pop().expect("a line");
        assert!(matches!(line.body, MessageBody::Timer { seconds: 60 }), "{:?}", line.body);
    }
    sim.send(ann, "bob", "soon gone");
    sim.run_for(Duration::from_secs(30));
    assert!(shown(&mut sim, ann, bob_id).contains(&"soon gone".to_owned()));
    sim.run_for(Duration::from_secs(31));
    assert!(!shown(&mut sim, ann, bob_id).contains(&"soon gone".to_owned()), "its author has read it");
    for device in [bob, second] {
        assert!(shown(&mut sim, device, ann_id).contains(&"soon gone".to_owned()), "bob has not");
    }
    sim.set_network(second, false);
    read(&mut sim, bob, ann_id);
    sim.run_for(Duration::from_secs(61));
    assert!(!shown(&mut sim, bob, ann_id).contains(&"soon gone".to_owned()));
    sim.set_network(second, true);
    sim.run_for(Duration::from_secs(90));
    assert!(!shown(&mut sim, second, ann_id).contains(&"soon gone".to_owned()), "read on the other device");
    set_timer(&mut sim, bob, ann_id, 0).expect("either may");
    sim.run_for(Duration::from_secs(1));
    sim.send(ann, "bob", "stays");
    sim.run_for(Duration::from_secs(3600));
    read(&mut sim, bob, ann_id);
    sim.run_for(Duration::from_secs(3600));
    assert!(shown(&mut sim, bob, ann_id).contains(&"stays".to_owned()));
    assert_eq!(set_timer(&mut sim, ann, bob_id, 5).expect_err("too short").kind, ErrorKind::Invalid);
}

#[test]
fn what_was_due_while_a_device_was_off_is_gone_when_it_starts() {
    let (mut sim, ann, bob) = acquainted(721);
    let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
    set_timer(&mut sim, ann, bob_id, 60).expect("it is a timer");
    sim.send(ann, "bob", "soon gone");
    sim.run_for(Duration::from_secs(1));
    read(&mut sim, bob, ann_id);
    sim.crash(bob);
    sim.run_for(Duration::from_secs(120));
    sim.set_network(bob, false);
    sim.start(bob);
    assert!(!shown(&mut sim, bob, ann_id).contains(&"soon gone".to_owned()), "without a connection, too");
}

#[test]
fn new_conversations_begin_with_the_timer_one_wants() {
    let mut sim = Sim::new(723);
    let (ann, bob) = (sim.register("ann"), sim.register("bob"));
    let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
    let second = sim.link(ann);
    let changes = PreferenceChanges { default_timer_s: Some(86_400), ..PreferenceChanges::default() };
    sim.ask(ann, Command::SetPreferences { changes }).expect("it is a timer");
    sim.run();
    sim.send(second, "bob", "hello");
    sim.run();
    assert_eq!((show(&mut sim, bob, ann_id).timer_s, show(&mut sim, ann, bob_id).timer_s), (86_400, 86_400));
    assert_eq!(sim.history(bob, ann_id).last().map(|message| message.extras.expires_after_s), Some(86_400));
}

#[test]
fn in_a_group_who_may_change_it_sets_the_timer() {
    let mut sim = Sim::new(724);
    let (ann, bob) = (sim.register("ann"), sim.register("bob"));
    let group = create(&mut sim, ann, "friends", &["bob"]);
    let only_admins = sotto_engine::GroupChange::SetPermissions {
        post: sotto_engine::GroupPermission::Members,
        add: sotto_engine::GroupPermission::Members,
        change_details: sotto_engine::GroupPermission::Admins,
    };
    sotto_sim::scenes::change(&mut sim, ann, group, only_admins);
    assert_eq!(set_timer(&mut sim, bob, group, 30).expect_err("no admin").kind, ErrorKind::Refused);
    set_timer(&mut sim, ann, group, 30).expect("the owner");
    sim.run_for(Duration::from_secs(1));
    say(&mut sim, bob, group, "short");
    sim.run_for(Duration::from_secs(1));
    read(&mut sim, ann, group);
    assert_eq!(shown(&mut sim, ann, group), ["short"]);
    sim.run_for(Duration::from_secs(31));
    assert_eq!((shown(&mut sim, ann, group), shown(&mut sim, bob, group)), (Vec::new(), Vec::new()));
}

fn arrange(sim: &mut Sim, device: Device, with: AccountId, changes: ConversationChanges) {
    sim.ask(device, Command::SetConversation { conversation: with.into(), changes }).expect("it is known");
}

#[test]
fn what_is_arranged_is_the_same_on_all_own_devices() {
    let (mut sim, ann, bob) = acquainted(725);
    let second = sim.link(ann);
    let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
    let until = sim.now().as_ms() + 3_600_000;
    let all = ConversationChanges {
        pinned: Some(true),
        archived: Some(true),
        muted_until_ms: Some(until),
        marked_unread: Some(true),
        draft: Some("half a th".into()),
        folder: Some("work".into()),
        nickname: Some("Bobby".into()),
    };
    arrange(&mut sim, ann, bob_id, all);
    sim.run();
    let third = sim.link(second);
    for device in [ann, second, third] {
        let view = show(&mut sim, device, bob_id);
        assert!(view.pinned && view.archived && view.marked_unread, "{view:?}");
        assert_eq!(
            (view.muted_until_ms, view.draft.as_deref(), view.folder.as_deref()),
            (until, Some("half a th"), Some("work"))
        );
        assert_eq!(
            (view.title.as_str(), view.contact.and_then(|contact| contact.nickname).as_deref()),
            ("Bobby", Some("Bobby"))
        );
    }
    assert_eq!(show(&mut sim, bob, ann_id).folder, None, "nobody else hears");
    read(&mut sim, third, bob_id);
    sim.run();
    assert!(!show(&mut sim, ann, bob_id).marked_unread);
}

#[test]
fn devices_that_arrange_at_once_agree() {
    for seed in 730..750 {
        let (mut sim, ann, bob) = acquainted(seed);
        let second = sim.link(ann);
        let third = sim.link(ann);
        let bob_id = sim.account(bob);
        sim.drops_per_mille = 20;
        for round in 0..6 {
            for (n, device) in [ann, second, third].into_iter().enumerate() {
                let folder = Some(format!("folder {round} {n}"));
                arrange(&mut sim, device, bob_id, ConversationChanges { folder, ..ConversationChanges::default() });
                for _ in 0..seed % 7 {
                    sim.step();
                }
            }
            if round == 3 {
                sim.crash_in_step(second, 0);
                sim.start(second);
            }
        }
        sim.drops_per_mille = 0;
        sim.run();
        let folders = [ann, second, third].map(|device| show(&mut sim, device, bob_id).folder);
        assert!(folders[0].is_some() && folders.iter().all(|folder| *folder == folders[0]), "seed {seed}: {folders:?}");
    }
}

/// All that is kept of history that left for other devices, or is about to.
fn copies(sim: &mut Sim, device: Device) -> Vec<pb::HistoryMessage> {
    let own = sim.account(device);
    let copies = sim.copy_profile(device).transaction(|tx| tx.history_copies(own, CONTROL)).expect("a store");
    let contents = copies.iter().map(|copy| pb::Content::decode(&copy.content.expose()[..]).expect("a content"));
    let of_chunk = |content: pb::Content| match content.body {
        Some(pb::content::Body::HistoryChunk(chunk)) => chunk.messages,
        _ => Vec::new(),
    };
    contents.flat_map(of_chunk).collect()
}

fn hold(copies: &[pb::HistoryMessage], word: &str) -> bool {
    let has = |message: &pb::HistoryMessage| {
        let bytes = message.encode_to_vec();
        bytes.windows(word.len()).any(|part| part == word.as_bytes())
    };
    copies.iter().any(has)
}

/// Chunks that were given are kept, in case they have to be sent again.
#[test]
fn what_is_gone_is_in_no_copy_of_the_history_that_was_given_away() {
    let (mut sim, ann, bob) = acquainted(726);
    let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
    let words = ["xylophone", "zeppelin", "quagmire", "stays"];
    let messages = words.map(|word| {
        sim.send(ann, "bob", word);
        sim.run_for(Duration::from_secs(1));
        let message = sim.history(ann, bob_id).pop().expect("it was sent");
        MessageRef { from: ann_id, name: message.name }
    });
    let [forgotten, deleted, edited, _] = messages;
    let edit = Command::Edit { message: edited, body: "morass".into(), mentions: Vec::new() };
    sim.ask(ann, edit).expect("it can be changed");
    sim.run_for(Duration::from_secs(1));
    let second = sim.link(ann);
    let given = copies(&mut sim, ann);
    for word in words.into_iter().chain(["morass"]) {
        assert!(hold(&given, word), "{word} is there, or this test shows nothing");
    }
    sim.ask(ann, Command::Delete { messages: vec![forgotten, edited], for_everyone: false }).expect("they go");
    sim.ask(ann, Command::Delete { messages: vec![deleted], for_everyone: true }).expect("it goes");
    let left = copies(&mut sim, ann);
    for word in ["xylophone", "zeppelin", "quagmire", "morass"] {
        assert!(!hold(&left, word), "{word}");
    }
    assert!(hold(&left, "stays"));
    assert_eq!(left.iter().filter(|message| message.deleted).count(), 1, "that something was said stays");
    sim.run_for(Duration::from_secs(60));
    assert_eq!(shown(&mut sim, second, bob_id), shown(&mut sim, ann, bob_id));
    assert_eq!(shown(&mut sim, second, bob_id).last().map(String::as_str), Some("stays"));
}
