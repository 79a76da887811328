//! Somebody new waits until they are taken, and learns nothing until then; and what is told about people.

use sotto_engine::{
    Audience, Command, CommandError, ConversationView, ErrorKind, Event, MessageStatus, Privacy, PrivacyChanges, Reply,
    ReportReason, Who,
};
use sotto_sim::scenes::named;
use sotto_sim::{Device, Sim};
use sotto_types::AccountId;
#[cfg(target_arch = "wasm32")]
use sotto_wasm_test::test;

fn show(sim: &mut Sim, device: Device, with: AccountId) -> ConversationView {
    match sim.ask(device, Command::Conversation { conversation: with.into() }) {
        Ok(Reply::Conversation { conversation }) => *conversation,
        other => panic!("no conversation: {other:?}"),
    }
}

fn read(sim: &mut Sim, device: Device, with: AccountId) {
    sim.ask(device, Command::MarkRead { conversation: with.into(), up_to: None }).expect("it can be read");
    sim.run();
}

#[test]
fn a_stranger_learns_nothing_until_taken() {
    let mut sim = Sim::with_requests(800);
    let (ann, bob) = (sim.register("ann"), sim.register("bob"));
    let second = sim.link(bob);
    let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
    sim.send(ann, "bob", "hello, you do not know me");
    sim.run();
    assert!(!show(&mut sim, ann, bob_id).is_request, "who writes first has taken the other");
    for device in [bob, second] {
        assert!(show(&mut sim, device, ann_id).is_request);
    }
    read(&mut sim, bob, ann_id);
    assert_eq!(sim.statuses(ann, bob_id), [MessageStatus::Sent], "neither delivered nor read");
    sim.ask(bob, Command::AcceptRequest { who: Who::Account(ann_id) }).expect("she is known");
    sim.run();
    assert_eq!(sim.statuses(ann, bob_id), [MessageStatus::Read], "told at once what was so already");
    for device in [bob, second] {
        assert!(!show(&mut sim, device, ann_id).is_request, "on all own devices");
    }
    // An answer takes, too.
    let cleo = sim.register("cleo");
    sim.send(cleo, "bob", "me neither");
    sim.run();
    let cleo_id = sim.account(cleo);
    assert!(show(&mut sim, bob, cleo_id).is_request);
    sim.send(second, "cleo", "hello");
    sim.run();
    assert!(!show(&mut sim, bob, cleo_id).is_request);
    assert_eq!(sim.statuses(cleo, bob_id)[0], MessageStatus::Delivered);
    let third = sim.link(bob);
    assert!(!show(&mut sim, third, cleo_id).is_request && !show(&mut sim, third, ann_id).is_request);
}

#[test]
fn the_server_comes_to_know_contacts_whatever_is_lost() {
    let mut sim = Sim::with_requests(801);
    let (ann, bob) = (sim.register("ann"), sim.register("bob"));
    let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
    sim.send(ann, "bob", "hello");
    sim.run();
    sim.set_network(bob, false);
    sim.ask(bob, Command::AcceptRequest { who: Who::Account(ann_id) }).expect("without a network, too");
    sim.crash(bob);
    sim.run();
    assert_eq!(sim.statuses(ann, bob_id), [MessageStatus::Sent]);
    sim.start(bob);
    sim.set_network(bob, true);
    sim.run();
    assert_eq!(sim.statuses(ann, bob_id), [MessageStatus::Delivered]);
}

#[test]
fn a_request_can_be_deleted_from_all_own_devices() {
    let mut sim = Sim::with_requests(802);
    let (ann, bob) = (sim.register("ann"), sim.register("bob"));
    let second = sim.link(bob);
    let ann_id = sim.account(ann);
    sim.send(ann, "bob", "buy this");
    sim.run();
    sim.ask(bob, Command::DeleteConversation { conversation: ann_id.into() }).expect("it is there");
    sim.run();
    for device in [bob, second] {
        match sim.ask(device, Command::Conversations) {
            Ok(Reply::Conversations { conversations }) => assert!(conversations.is_empty(), "{conversations:?}"),
            other => panic!("no list: {other:?}"),
        }
        let removed = |event: &&Event| matches!(event, Event::ConversationRemoved { .. });
        assert_eq!(sim.events(device).iter().filter(removed).count(), 1);
    }
    sim.send(ann, "bob", "buy that");
    sim.run();
    assert_eq!(sim.texts(second, ann_id), ["buy that"]);
    assert!(show(&mut sim, bob, ann_id).is_request, "still somebody new");
}

#[test]
fn a_report_shows_what_its_reporter_chose() {
    let mut sim = Sim::with_requests(803);
    let (ann, bob) = (sim.register("ann"), sim.register("bob"));
    let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
    sim.send(ann, "bob", "buy this");
    sim.run();
    let message = sim.history(bob, ann_id).pop().expect("a message").reference();
    let report = |who: AccountId, messages| Command::Report {
        who: Who::Account(who),
        reason: ReportReason::Spam,
        comment: "unwanted".into(),
        messages,
    };
    assert!(matches!(sim.ask(bob, report(ann_id, vec![message])), Ok(Reply::Done)));
    let wrong = sim.ask(ann, report(bob_id, vec![message])).expect_err("it is her own");
    assert_eq!(wrong.kind, ErrorKind::Invalid);
}

fn privacy(reply: Result<Reply, CommandError>) -> Privacy {
    match reply {
        Ok(Reply::Privacy { privacy }) => privacy,
        other => panic!("no settings: {other:?}"),
    }
}

#[test]
fn who_hides_what_they_read_does_not_see_it_of_others() {
    let mut sim = Sim::with_requests(804);
    let (ann, bob) = (sim.register("ann"), sim.register("bob"));
    let second = sim.link(bob);
    let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
    let changes = PrivacyChanges { read_receipts: Some(Audience::Nobody), ..PrivacyChanges::default() };
    let set = privacy(sim.ask(bob, Command::SetPrivacy { changes }));
    assert_eq!(set.read_receipts, Audience::Nobody);
    let changes = PrivacyChanges { online: Some(Audience::Nobody), ..PrivacyChanges::default() };
    let set = privacy(sim.ask(second, Command::SetPrivacy { changes }));
    assert_eq!((set.read_receipts, set.online), (Audience::Nobody, Audience::Nobody), "what is not named stays");
    assert_eq!(privacy(sim.ask(bob, Command::Privacy)), set);
    sim.send(ann, "bob", "hello");
    sim.run();
    sim.ask(bob, Command::AcceptRequest { who: named("ann") }).expect("she is known");
    sim.run();
    read(&mut sim, bob, ann_id);
    assert_eq!(sim.statuses(ann, bob_id), [MessageStatus::Delivered]);
    sim.send(bob, "ann", "hello");
    sim.run();
    read(&mut sim, ann, bob_id);
    assert_eq!(sim.statuses(bob, ann_id)[1], MessageStatus::Delivered, "it goes both ways");
}
