//! What can be done with a message: everybody sees the same in the end, and nobody more than they have a right to.

use sotto_engine::{
    Command, CommandError, ErrorKind, Event, GroupChange, GroupRole, MessageBody, MessageRef, MessageView, NewContent,
    Reply, Who,
};
use sotto_sim::scenes::{change, create, named, say};
use sotto_sim::{Device, Sim, acquainted, damage_first};
use sotto_types::{AccountId, Conversation};
#[cfg(target_arch = "wasm32")]
use sotto_wasm_test::test;
use std::time::Duration;

fn last(sim: &mut Sim, device: Device, with: impl Into<Conversation>) -> MessageView {
    sim.history(device, with).pop().expect("a message")
}

fn queued(reply: Result<Reply, CommandError>) -> MessageView {
    match reply {
        Ok(Reply::Queued { message }) => message,
        other => panic!("not done: {other:?}"),
    }
}

fn refused(reply: Result<Reply, CommandError>) -> ErrorKind {
    reply.expect_err("it is refused").kind
}

fn react(sim: &mut Sim, device: Device, message: MessageRef, emoji: &str) {
    queued(sim.ask(device, Command::React { message, emoji: emoji.into() }));
}

fn edit(sim: &mut Sim, device: Device, message: MessageRef, body: &str) -> Result<Reply, CommandError> {
    sim.ask(device, Command::Edit { message, body: body.into(), mentions: Vec::new() })
}

fn delete(sim: &mut Sim, device: Device, message: MessageRef, for_everyone: bool) -> Result<Reply, CommandError> {
    sim.ask(device, Command::Delete { messages: vec![message], for_everyone })
}

fn text(message: &MessageView) -> &str {
    match &message.body {
        MessageBody::Text { body, .. } => body,
        other => panic!("no text: {other:?}"),
    }
}

fn reactions(message: &MessageView) -> Vec<(String, Vec<String>)> {
    let people = |people: &[sotto_engine::PersonView]| people.iter().map(|person| person.name.clone()).collect();
    message.extras.reactions.iter().map(|reaction| (reaction.emoji.clone(), people(&reaction.people))).collect()
}

fn found(sim: &mut Sim, device: Device, query: &str) -> usize {
    match sim.ask(device, Command::Search { query: query.into(), conversation: None, limit: 10 }) {
        Ok(Reply::Found { hits }) => hits.len(),
        other => panic!("no search: {other:?}"),
    }
}

/// Ann with two devices, bob with one; each knows the other.
fn three(seed: u64) -> (Sim, [Device; 3], AccountId, AccountId) {
    let (mut sim, ann, bob) = acquainted(seed);
    let second = sim.link(ann);
    let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
    (sim, [ann, second, bob], ann_id, bob_id)
}

#[test]
fn one_reaction_for_each_person_and_it_can_be_taken_back() {
    let (mut sim, [ann, second, bob], ann_id, bob_id) = three(700);
    sim.send(ann, "bob", "shall we?");
    sim.run();
    let message = last(&mut sim, ann, bob_id).reference();
    react(&mut sim, bob, message, "👍");
    react(&mut sim, bob, message, "🎉");
    sim.run();
    react(&mut sim, second, message, "🎉");
    sim.run();
    for (device, with) in [(ann, bob_id), (second, bob_id), (bob, ann_id)] {
        let shown = last(&mut sim, device, with);
        assert_eq!(reactions(&shown), [("🎉".to_owned(), vec!["bob".to_owned(), "ann".to_owned()])]);
        assert_eq!(sim.history(device, with).len(), 3, "a reaction is no message");
    }
    react(&mut sim, bob, message, "");
    sim.run();
    assert_eq!(reactions(&last(&mut sim, ann, bob_id)), [("🎉".to_owned(), vec!["ann".to_owned()])]);
    for bad in ["x", "ok then", "\u{7}", &"👍".repeat(17)] {
        let reply = sim.ask(bob, Command::React { message, emoji: bad.into() });
        assert_eq!(refused(reply), ErrorKind::Invalid, "{bad}");
    }
}

#[test]
fn a_text_can_be_changed_for_15_minutes_and_its_versions_stay() {
    let (mut sim, [ann, second, bob], ann_id, bob_id) = three(701);
    sim.send(ann, "bob", "a fisrt try");
    sim.run();
    let message = last(&mut sim, ann, bob_id).reference();
    edit(&mut sim, ann, message, "a first try").expect("in time");
    sim.run();
    edit(&mut sim, second, message, "a second try").expect("from any device");
    sim.run();
    for (device, with) in [(ann, bob_id), (second, bob_id), (bob, ann_id)] {
        let shown = last(&mut sim, device, with);
        assert_eq!(text(&shown), "a second try");
        assert!(shown.extras.edited_ms.is_some(), "marked");
        let Ok(Reply::Message { details, .. }) = sim.ask(device, Command::Message { name: message.name }) else {
            panic!("no details")
        };
        let earlier: Vec<_> = details.versions.into_iter().map(|version| version.body).collect();
        assert_eq!(earlier, ["a fisrt try", "a first try"]);
        assert_eq!(
            (found(&mut sim, device, "fisrt"), found(&mut sim, device, "second")),
            (0, 1),
            "search knows the last"
        );
    }
    assert_eq!(refused(edit(&mut sim, bob, message, "not mine")), ErrorKind::WrongState);
    sim.run_for(Duration::from_secs(16 * 60));
    assert_eq!(refused(edit(&mut sim, ann, message, "too late")), ErrorKind::WrongState);
    // A device that looked in time, but whose change is stored later: nobody takes it.
    sim.send(ann, "bob", "another");
    sim.run();
    let message = last(&mut sim, ann, bob_id).reference();
    sim.set_network(ann, false);
    edit(&mut sim, ann, message, "in time, and then not").expect("it looks in time");
    assert_eq!(text(&last(&mut sim, ann, bob_id)), "in time, and then not");
    sim.run_for(Duration::from_secs(16 * 60));
    sim.set_network(ann, true);
    sim.run();
    for (device, with) in [(ann, bob_id), (second, bob_id), (bob, ann_id)] {
        assert_eq!(text(&last(&mut sim, device, with)), "another");
    }
}

#[test]
fn who_has_no_right_changes_nothing() {
    // Bob's client does what it should not: its commands are refused, so its copies are changed on the way in.
    let (mut sim, [ann, second, bob], ann_id, bob_id) = three(702);
    sim.send(ann, "bob", "mine");
    sim.run();
    let message = last(&mut sim, bob, ann_id).reference();
    assert_eq!(refused(delete(&mut sim, bob, message, true)), ErrorKind::Refused);
    // The same name, but bob's: his own message of that name does not exist, so it waits for ever.
    let forged = MessageRef { from: bob_id, name: message.name };
    assert_eq!(refused(edit(&mut sim, bob, forged, "theirs")), ErrorKind::NotFound);
    sim.run();
    for (device, with) in [(ann, bob_id), (second, bob_id), (bob, ann_id)] {
        assert_eq!(text(&last(&mut sim, device, with)), "mine");
    }
}

#[test]
fn deleted_for_everyone_leaves_a_trace_and_no_word() {
    let (mut sim, [ann, second, bob], ann_id, bob_id) = three(703);
    sim.send(ann, "bob", "regrettable");
    sim.run();
    let message = last(&mut sim, ann, bob_id).reference();
    react(&mut sim, bob, message, "😮");
    edit(&mut sim, ann, message, "regrettable indeed").expect("in time");
    sim.run();
    assert!(matches!(delete(&mut sim, second, message, true), Ok(Reply::Done)));
    sim.run();
    for (device, with) in [(ann, bob_id), (second, bob_id), (bob, ann_id)] {
        let shown = last(&mut sim, device, with);
        assert!(matches!(&shown.body, MessageBody::Deleted { by } if by.account == ann_id), "{:?}", shown.body);
        assert!(shown.extras.reactions.is_empty() && shown.extras.edited_ms.is_none());
        assert_eq!(found(&mut sim, device, "regrettable"), 0);
        let reply = sim.ask(device, Command::React { message, emoji: "👍".into() });
        assert_eq!(refused(reply), ErrorKind::WrongState);
    }
    sim.send(ann, "bob", "old");
    sim.run();
    let old = last(&mut sim, ann, bob_id).reference();
    sim.run_for(Duration::from_secs(49 * 3600));
    assert_eq!(refused(delete(&mut sim, ann, old, true)), ErrorKind::Refused);
    // A new device is told that it was deleted, and nothing else.
    let third = sim.link(ann);
    let shown: Vec<_> = sim.history(third, bob_id).into_iter().map(|message| message.body).collect();
    assert!(shown.iter().any(|body| matches!(body, MessageBody::Deleted { .. })), "{shown:?}");
}

#[test]
fn deleted_for_oneself_is_gone_on_own_devices_only() {
    let (mut sim, [ann, second, bob], ann_id, bob_id) = three(704);
    sim.send(bob, "ann", "keep this");
    sim.run();
    let message = last(&mut sim, ann, bob_id).reference();
    sim.set_network(second, false);
    assert!(matches!(delete(&mut sim, ann, message, false), Ok(Reply::Done)));
    sim.run();
    sim.set_network(second, true);
    sim.run();
    for device in [ann, second] {
        assert_eq!(sim.texts(device, bob_id), ["first", "answer"]);
        assert_eq!(found(&mut sim, device, "keep"), 0);
        let removed = |event: &&Event| matches!(event, Event::MessageRemoved { name, .. } if *name == message.name);
        assert_eq!(sim.events(device).iter().filter(removed).count(), 1);
    }
    assert_eq!(text(&last(&mut sim, bob, ann_id)), "keep this");
    // What is done with it later finds nothing here.
    edit(&mut sim, bob, message, "keep that").expect("bob may");
    sim.run();
    assert_eq!(sim.texts(ann, bob_id), ["first", "answer"]);
}

#[test]
fn what_is_done_with_a_message_may_come_before_it() {
    let (mut sim, [ann, _, bob], ann_id, bob_id) = three(705);
    let damaged = damage_first(&mut sim, bob);
    sim.send(ann, "bob", "broken on the way");
    sim.run_until(|_| damaged.get());
    let message = last(&mut sim, ann, bob_id).reference();
    // Bob has asked for it again; the change arrives over the old session at once.
    edit(&mut sim, ann, message, "mended").expect("in time");
    sim.run();
    assert_eq!(text(&last(&mut sim, bob, ann_id)), "mended");
    assert_eq!(sim.history(bob, ann_id).len(), 3, "no line for what was done");
}

#[test]
fn an_answer_quotes_what_is_there_and_forgets_with_it() {
    let (mut sim, [ann, second, bob], ann_id, bob_id) = three(706);
    sim.send(ann, "bob", "tea or coffee?");
    sim.run();
    let question = last(&mut sim, bob, ann_id).reference();
    let answer = Command::SendText {
        to: named("ann"),
        body: "tea".into(),
        name: None,
        mentions: Vec::new(),
        reply_to: Some(question),
        preview: None,
    };
    queued(sim.ask(bob, answer.clone()));
    sim.run();
    for (device, with) in [(ann, bob_id), (second, bob_id), (bob, ann_id)] {
        let quote = last(&mut sim, device, with).extras.quote.expect("a quote");
        assert_eq!((quote.message, quote.text.as_deref()), (question, Some("tea or coffee?")));
    }
    delete(&mut sim, ann, question, true).expect("it is hers");
    sim.run();
    let shown = sim.history(bob, ann_id);
    let quote = shown.last().and_then(|message| message.extras.quote.clone()).expect("a quote");
    assert_eq!(quote.text, None, "the words are gone from the answer, too");
    // Of another conversation nothing can be quoted.
    sim.register("cleo");
    let Command::SendText { body, reply_to, .. } = answer else { unreachable!("it is a text") };
    let elsewhere =
        Command::SendText { to: named("cleo"), body, name: None, mentions: Vec::new(), reply_to, preview: None };
    assert_eq!(refused(sim.ask(bob, elsewhere)), ErrorKind::NotFound);
}

#[test]
fn polls_count_the_last_vote_of_each() {
    let (mut sim, [ann, second, bob], ann_id, bob_id) = three(707);
    let poll = |multiple| NewContent::Poll {
        question: "When?".into(),
        options: vec!["Monday".into(), "Tuesday".into(), "never".into()],
        multiple,
    };
    queued(sim.ask(ann, Command::Send { to: named("bob"), content: poll(false), name: None }));
    sim.run();
    let message = last(&mut sim, ann, bob_id).reference();
    queued(sim.ask(bob, Command::Vote { message, options: vec![0] }));
    queued(sim.ask(bob, Command::Vote { message, options: vec![1] }));
    queued(sim.ask(second, Command::Vote { message, options: vec![1] }));
    sim.run();
    for (device, with) in [(ann, bob_id), (second, bob_id), (bob, ann_id)] {
        let MessageBody::Poll { options, .. } = last(&mut sim, device, with).body else { panic!("no poll") };
        let counts: Vec<_> = options.iter().map(|option| option.voters.len()).collect();
        assert_eq!(counts, [0, 2, 0]);
        assert_eq!(found(&mut sim, device, "tuesday"), 1);
    }
    assert_eq!(refused(sim.ask(bob, Command::Vote { message, options: vec![0, 1] })), ErrorKind::Invalid);
    assert_eq!(refused(sim.ask(bob, Command::Vote { message, options: vec![3] })), ErrorKind::Invalid);
    queued(sim.ask(ann, Command::Send { to: named("bob"), content: poll(true), name: None }));
    sim.run();
    let message = last(&mut sim, ann, bob_id).reference();
    queued(sim.ask(bob, Command::Vote { message, options: vec![2, 0] }));
    sim.run();
    let MessageBody::Poll { options, .. } = last(&mut sim, ann, bob_id).body else { panic!("no poll") };
    assert_eq!(options.iter().map(|option| option.voters.len()).collect::<Vec<_>>(), [1, 0, 1]);
    let alike = NewContent::Poll { question: "?".into(), options: vec!["a".into(), "a".into()], multiple: false };
    assert_eq!(
        refused(sim.ask(ann, Command::Send { to: named("bob"), content: alike, name: None })),
        ErrorKind::Invalid
    );
}

#[test]
fn places_and_contacts_arrive() {
    let (mut sim, [ann, _, bob], ann_id, bob_id) = three(708);
    let place = NewContent::Location { latitude: 52.5, longitude: 13.4, label: "the park".into() };
    queued(sim.ask(ann, Command::Send { to: named("bob"), content: place, name: None }));
    queued(
        sim.ask(ann, Command::Send { to: named("bob"), content: NewContent::Contact { account: bob_id }, name: None }),
    );
    sim.run();
    let shown: Vec<_> = sim.history(bob, ann_id).into_iter().map(|message| message.body).skip(2).collect();
    assert!(
        matches!(&shown[0], MessageBody::Location { latitude, label, .. } if *latitude == 52.5 && label == "the park")
    );
    assert!(matches!(&shown[1], MessageBody::ContactCard { card } if card.account == bob_id && card.name == "bob"));
    for (latitude, longitude) in [(91.0, 0.0), (0.0, -180.5), (f64::NAN, 0.0), (0.0, f64::INFINITY)] {
        let nowhere = NewContent::Location { latitude, longitude, label: String::new() };
        let reply = sim.ask(ann, Command::Send { to: named("bob"), content: nowhere, name: None });
        assert_eq!(refused(reply), ErrorKind::Invalid);
    }
}

#[test]
fn forwarding_keeps_the_words_and_says_so() {
    let (mut sim, [ann, _, bob], ann_id, bob_id) = three(709);
    let cleo = sim.register("cleo");
    let group = create(&mut sim, bob, "friends", &["cleo"]);
    sim.send(ann, "bob", "good news");
    sim.run();
    let message = last(&mut sim, bob, ann_id).reference();
    let to = vec![named("cleo"), Who::Group(group)];
    let reply = sim.ask(bob, Command::Forward { messages: vec![message], to });
    assert!(matches!(&reply, Ok(Reply::Messages { messages, .. }) if messages.len() == 2), "{reply:?}");
    sim.run();
    for conversation in [Conversation::from(bob_id), group.into()] {
        let shown = last(&mut sim, cleo, conversation);
        assert_eq!((text(&shown), shown.extras.forwarded), ("good news", true));
    }
    let six = (0..6).map(|_| named("cleo")).collect();
    assert_eq!(refused(sim.ask(bob, Command::Forward { messages: vec![message], to: six })), ErrorKind::Invalid);
}

#[test]
fn stars_are_on_all_own_devices() {
    let (mut sim, [ann, second, bob], ann_id, bob_id) = three(710);
    let messages: Vec<_> = sim.history(ann, bob_id).iter().map(MessageView::reference).collect();
    sim.ask(ann, Command::Star { messages: messages.clone(), starred: true }).expect("they are here");
    sim.run();
    let starred = |sim: &mut Sim, device| match sim.ask(device, Command::Starred) {
        Ok(Reply::Messages { messages, .. }) => messages.len(),
        other => panic!("no list: {other:?}"),
    };
    assert_eq!((starred(&mut sim, ann), starred(&mut sim, second), starred(&mut sim, bob)), (2, 2, 0));
    sim.ask(second, Command::Star { messages: vec![messages[0]], starred: false }).expect("it is here");
    sim.run();
    assert_eq!((starred(&mut sim, ann), starred(&mut sim, second)), (1, 1));
    let third = sim.link(ann);
    assert_eq!(starred(&mut sim, third), 1, "and on one that is linked later");
    assert!(!last(&mut sim, bob, ann_id).extras.starred, "of which nobody else hears");
}

#[test]
fn three_pins_at_most_and_each_for_its_time() {
    let (mut sim, [ann, second, bob], ann_id, bob_id) = three(711);
    let pinned =
        |sim: &mut Sim, device, with: AccountId| match sim.ask(device, Command::Pinned { conversation: with.into() }) {
            Ok(Reply::Messages { messages, .. }) => {
                messages.iter().map(|message| text(message).to_owned()).collect::<Vec<_>>()
            }
            other => panic!("no list: {other:?}"),
        };
    for n in 0..4 {
        sim.send(ann, "bob", &format!("pin {n}"));
        sim.run();
        let message = last(&mut sim, bob, ann_id).reference();
        queued(sim.ask(bob, Command::Pin { message, seconds: Some(86_400) }));
        sim.run();
    }
    for (device, with) in [(ann, bob_id), (second, bob_id), (bob, ann_id)] {
        assert_eq!(pinned(&mut sim, device, with), ["pin 3", "pin 2", "pin 1"]);
    }
    let message = last(&mut sim, ann, bob_id).reference();
    queued(sim.ask(ann, Command::Pin { message, seconds: None }));
    sim.run();
    assert_eq!(pinned(&mut sim, bob, ann_id), ["pin 2", "pin 1", "pin 0"], "what was pushed out comes back");
    sim.run_for(Duration::from_secs(86_401));
    assert!(pinned(&mut sim, ann, bob_id).is_empty());
    assert_eq!(refused(sim.ask(ann, Command::Pin { message, seconds: Some(1) })), ErrorKind::Invalid);
}

#[test]
fn admins_of_a_group_delete_what_others_said() {
    let mut sim = Sim::new(712);
    let (ann, bob, cleo) = (sim.register("ann"), sim.register("bob"), sim.register("cleo"));
    let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
    let group = create(&mut sim, ann, "friends", &["bob", "cleo"]);
    say(&mut sim, cleo, group, "rude");
    sim.run();
    let message = last(&mut sim, bob, group).reference();
    assert_eq!(refused(delete(&mut sim, bob, message, true)), ErrorKind::Refused, "a member is no admin");
    sim.run_for(Duration::from_secs(60 * 3600));
    delete(&mut sim, ann, message, true).expect("the owner may, at any time");
    sim.run();
    for device in [ann, bob, cleo] {
        let shown = last(&mut sim, device, group);
        assert!(matches!(&shown.body, MessageBody::Deleted { by } if by.account == ann_id), "{:?}", shown.body);
    }
    say(&mut sim, cleo, group, "rude again");
    sim.run();
    let message = last(&mut sim, bob, group).reference();
    change(&mut sim, ann, group, GroupChange::SetRole { member: bob_id, role: GroupRole::Admin });
    delete(&mut sim, bob, message, true).expect("an admin may");
    sim.run();
    for device in [ann, bob, cleo] {
        let all = sim.history(device, group);
        let shown = all.iter().find(|shown| shown.reference() == message).expect("a trace of it");
        assert!(matches!(&shown.body, MessageBody::Deleted { by } if by.account == bob_id), "{:?}", shown.body);
    }
}
