//! What a person arranges about conversations, and pages of their history.

use sotto_engine::{
    Command, CommandError, ConversationChanges, ConversationView, ErrorKind, Event, HistoryPlace, MessageBody, Reply,
    Who,
};
use sotto_sim::{Device, Sim, acquainted, damage_first};
use sotto_types::{AccountId, Username};
#[cfg(target_arch = "wasm32")]
use sotto_wasm_test::test;
use std::time::Duration;

fn list(sim: &mut Sim, device: Device) -> Vec<ConversationView> {
    match sim.ask(device, Command::Conversations) {
        Ok(Reply::Conversations { conversations }) => conversations,
        other => panic!("no list: {other:?}"),
    }
}

fn peers(sim: &mut Sim, device: Device) -> Vec<AccountId> {
    list(sim, device).into_iter().filter_map(|view| view.conversation.peer()).collect()
}

fn ask(sim: &mut Sim, device: Device, command: Command) -> Result<ConversationView, CommandError> {
    sim.ask(device, command).map(|reply| match reply {
        Reply::Conversation { conversation } => *conversation,
        other => panic!("no conversation: {other:?}"),
    })
}

fn show(sim: &mut Sim, device: Device, with: AccountId) -> ConversationView {
    let conversation = with.into();
    ask(sim, device, Command::Conversation { conversation }).expect("every conversation can be shown")
}

fn set(sim: &mut Sim, device: Device, with: AccountId, changes: ConversationChanges) -> ConversationView {
    let conversation = with.into();
    ask(sim, device, Command::SetConversation { conversation, changes }).expect("it is known")
}

fn changes(sim: &Sim, device: Device, peer: AccountId) -> usize {
    let is_it =
        |event: &&Event| matches!(event, Event::ConversationChanged { conversation } if *conversation == peer.into());
    sim.events(device).iter().filter(is_it).count()
}

const NONE: ConversationChanges = ConversationChanges {
    pinned: None,
    archived: None,
    muted_until_ms: None,
    marked_unread: None,
    draft: None,
    folder: None,
    nickname: None,
};

#[test]
fn what_is_arranged_stays_and_is_told() {
    let (mut sim, ann, bob) = acquainted(90);
    let bob_id = sim.account(bob);
    let cleo = sim.register("cleo");
    let cleo_id = sim.account(cleo);
    sim.send(cleo, "ann", "newer");
    sim.run();
    assert_eq!(peers(&mut sim, ann), [cleo_id, bob_id]);
    let told = changes(&sim, ann, bob_id);
    let muted_until_ms = Some(sim.now().as_ms() + 3_600_000);
    let draft = Some("half a th".to_owned());
    let view = set(&mut sim, ann, bob_id, ConversationChanges { pinned: Some(true), muted_until_ms, draft, ..NONE });
    assert!(view.pinned && !view.archived && !view.marked_unread, "{view:?}");
    assert_eq!((view.draft.as_deref(), Some(view.muted_until_ms)), (Some("half a th"), muted_until_ms));
    assert_eq!(changes(&sim, ann, bob_id), told + 1);
    let view = set(&mut sim, ann, bob_id, ConversationChanges { marked_unread: Some(true), ..NONE });
    assert!(view.pinned && view.marked_unread && view.draft.is_some(), "what is not named stays: {view:?}");
    assert_eq!(peers(&mut sim, ann), [bob_id, cleo_id], "the pinned one first");

    sim.crash(ann);
    sim.start(ann);
    assert_eq!(show(&mut sim, ann, bob_id), view, "it outlives the process");
    sim.run_for(Duration::from_secs(3600));
    assert_eq!(show(&mut sim, ann, bob_id).muted_until_ms, 0, "the time is over");
    let view = set(&mut sim, ann, bob_id, ConversationChanges { draft: Some(String::new()), ..NONE });
    assert_eq!(view.draft, None);

    // Nothing new to read, and still it is opened.
    let told = changes(&sim, ann, bob_id);
    assert!(matches!(sim.ask(ann, Command::MarkRead { conversation: bob_id.into(), up_to: None }), Ok(Reply::Done)));
    assert!(!show(&mut sim, ann, bob_id).marked_unread);
    assert!(changes(&sim, ann, bob_id) > told);
}

#[test]
fn who_writes_comes_out_of_the_archive_unless_muted() {
    let (mut sim, ann, bob) = acquainted(91);
    let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
    let archive = ConversationChanges { archived: Some(true), ..NONE };
    assert!(set(&mut sim, ann, bob_id, archive.clone()).archived);
    assert!(list(&mut sim, ann).iter().any(|view| view.archived), "archived ones are listed");
    sim.send(ann, "bob", "from the archive");
    sim.run();
    assert!(show(&mut sim, ann, bob_id).archived, "writing oneself brings nothing back");
    let told = changes(&sim, ann, bob_id);
    sim.send(bob, "ann", "hello");
    sim.run();
    assert!(!show(&mut sim, ann, bob_id).archived);
    assert!(changes(&sim, ann, bob_id) > told);

    let muted_until_ms = Some(u64::MAX);
    set(&mut sim, ann, bob_id, ConversationChanges { muted_until_ms, ..archive.clone() });
    sim.send(bob, "ann", "hello?");
    sim.run();
    let view = show(&mut sim, ann, bob_id);
    assert!(view.archived && view.unread > 0, "{view:?}");

    // What cannot be read yet counts as well.
    set(&mut sim, ann, bob_id, ConversationChanges { muted_until_ms: Some(0), ..archive });
    damage_first(&mut sim, ann);
    sim.send(bob, "ann", "damaged");
    sim.run_until(|sim| {
        let last = sim.events(ann).iter().rev().find_map(|event| match event {
            Event::MessageAdded { message, .. } => Some(message.body.clone()),
            _ => None,
        });
        last == Some(MessageBody::Undecryptable)
    });
    assert!(!show(&mut sim, ann, bob_id).archived);
    assert_ne!(ann_id, bob_id);
}

#[test]
fn a_draft_alone_lists_a_conversation_and_strangers_have_none() {
    let mut sim = Sim::new(92);
    let (ann, bob) = (sim.register("ann"), sim.register("bob"));
    let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
    let draft = |text: &str| ConversationChanges { draft: Some(text.into()), ..NONE };
    let command = Command::SetConversation { conversation: bob_id.into(), changes: draft("hello") };
    assert_eq!(ask(&mut sim, ann, command).map_err(|error| error.kind), Err(ErrorKind::NotFound));
    let nobody = show(&mut sim, ann, bob_id);
    assert!(nobody.last.is_none() && !nobody.is_me && list(&mut sim, ann).is_empty(), "{nobody:?}");

    let find = Command::FindPerson { who: Who::Name(Username::parse("bob").expect("a good name")) };
    assert!(matches!(sim.ask(ann, find), Ok(Reply::Contact { .. })));
    assert_eq!(peers(&mut sim, ann), [bob_id], "just started");
    let me = set(&mut sim, ann, ann_id, draft("to do"));
    assert!(me.is_me && me.last.is_none());
    let mut listed = peers(&mut sim, ann);
    listed.sort();
    let mut both = [ann_id, bob_id];
    both.sort();
    assert_eq!(listed, both);
    let command = Command::SetConversation { conversation: bob_id.into(), changes: draft(&"x".repeat(200_000)) };
    assert_eq!(ask(&mut sim, ann, command).map_err(|error| error.kind), Err(ErrorKind::Invalid));
}

struct Page {
    numbers: Vec<u64>,
    more: bool,
    newer: bool,
}

#[test]
fn history_is_read_from_any_place() {
    let (mut sim, ann, bob) = acquainted(93);
    let bob_id = sim.account(bob);
    for n in 2..10 {
        sim.send(ann, "bob", &n.to_string());
        sim.run();
    }
    let all: Vec<u64> = sim.history(ann, bob_id).iter().map(|message| message.position).collect();
    assert_eq!(all.len(), 10);
    let mut page = |at, limit| match sim.ask(ann, Command::History { conversation: bob_id.into(), at, limit }) {
        Ok(Reply::Messages { messages, more, newer }) => {
            let number = |position| all.iter().position(|known| *known == position).expect("known") as u64;
            Page { numbers: messages.iter().map(|message| number(message.position)).collect(), more, newer }
        }
        other => panic!("no history: {other:?}"),
    };
    let numbers = |range: std::ops::Range<u64>| range.collect::<Vec<_>>();
    let (first, last) = (all[0], all[9]);
    for (at, limit, want, more, newer) in [
        (HistoryPlace::Newest, 4, 6..10, true, false),
        (HistoryPlace::Newest, 10, 0..10, false, false),
        (HistoryPlace::Before(all[6]), 4, 2..6, true, true),
        (HistoryPlace::Before(all[4]), 4, 0..4, false, true),
        (HistoryPlace::Before(u64::MAX), 2, 8..10, true, false),
        (HistoryPlace::Before(first), 4, 0..0, false, true),
        (HistoryPlace::After(all[2]), 4, 3..7, true, true),
        (HistoryPlace::After(all[5]), 4, 6..10, true, false),
        (HistoryPlace::After(0), 4, 0..4, false, true),
        (HistoryPlace::After(last), 4, 0..0, true, false),
        (HistoryPlace::After(u64::MAX), 4, 0..0, true, false),
        (HistoryPlace::Around(all[5]), 5, 3..8, true, true),
        (HistoryPlace::Around(all[5]), 1, 5..6, true, true),
        (HistoryPlace::Around(first), 4, 0..4, false, true),
        (HistoryPlace::Around(last), 4, 7..10, true, false),
        (HistoryPlace::Around(all[5] + 1), 4, 4..8, true, true),
    ] {
        let got = page(at, limit);
        assert_eq!((got.numbers, got.more, got.newer), (numbers(want), more, newer), "{at:?} {limit}");
    }
}
