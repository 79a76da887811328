//! Must hold, real server and real clients: all members see the same messages in the same order; who is added reads nothing
//! from before and who is removed nothing from after; a device that was away, or linked meanwhile, has all that is its;
//! who has received and read a message is told to its author.
//! Elsewhere: the command line of groups is in `groups_cli.rs`, crashes in `groups_crash.rs`.

use sotto_engine::api::{
    Command, ErrorKind, GroupChange, GroupChangeView, GroupFanout, GroupRole, MessageBody, MessageStatus, NewGroup,
    Reply,
};
use sotto_testkit::client::TestClient;
use sotto_testkit::group::{accounts, new_group, said_while_in, who};
use sotto_testkit::{DEADLINE, Ledger, TestServer, eventually};
use sotto_types::GroupId;
use std::sync::Arc;

/// People on a server of their own.
struct World {
    server: TestServer,
    ledger: Arc<Ledger>,
}

impl World {
    async fn new() -> Self {
        Self { server: TestServer::start().await, ledger: Arc::new(Ledger::new()) }
    }

    async fn person(&self, name: &str) -> TestClient {
        TestClient::register(&self.server.url(), name, &self.ledger).await
    }
}

async fn until_all_have(clients: &[&TestClient], text: &str) {
    for client in clients {
        client.until_text(text).await;
    }
}

fn texts(said: &[(u64, String)]) -> Vec<&str> {
    said.iter().map(|(_, text)| text.as_str()).collect()
}

/// A member's device knows the group.
async fn until_in(client: &TestClient, group: GroupId) {
    client.until_group(group, "being in the group", |view| view.my_role.is_some() && view.title.is_some()).await;
}

/// Everything that the server has for this device is here: what went out before has arrived, or never will.
async fn until_nothing_waits(client: &mut TestClient) {
    client.stop().await;
    client.reopen().await;
    client.until_drained().await;
}

#[tokio::test]
async fn messages_of_all_are_the_same_everywhere() {
    let world = World::new().await;
    let [ann, bob, cem] = [world.person("ann").await, world.person("bob").await, world.person("cem").await];
    let all = [&ann, &bob, &cem];
    let group = ann.create_group("Lunch", &["bob", "cem"]).await;
    world.ledger.audience(&group.to_string(), &[("ann", "ann"), ("bob", "bob"), ("cem", "cem")]);
    for client in all {
        until_in(client, group).await;
    }
    // In turns: an answer stands below its question.
    for n in 0..5 {
        for speaker in all {
            let text = format!("{}#{n}", speaker.name);
            speaker.say(group, &text).await;
            until_all_have(&all, &text).await;
        }
    }
    // And all at once.
    for n in 5..15 {
        for speaker in all {
            speaker.say(group, &format!("{}#{n}", speaker.name)).await;
        }
    }
    let shown = || async { world.ledger.missing().is_empty().then_some(()) };
    for client in all {
        client.until_all_sent().await;
    }
    eventually(DEADLINE, "every message at every member", shown).await;
    world.ledger.assert_exactly_once_in_order();
    let said = ann.said(group).await;
    assert_eq!(said.len(), 45);
    assert!(said.is_sorted_by(|(a, _), (b, _)| a < b), "{said:?}");
    for client in [&bob, &cem] {
        assert_eq!(client.said(group).await, said, "{}", client.name);
        let history = client.history(group).await;
        let first = &history[0];
        assert!(
            matches!(&first.body, MessageBody::GroupChange { change: GroupChangeView::Created { members, .. } } if members.len() == 2),
            "{first:?}"
        );
        assert_eq!(first.from_name, "ann");
        assert!(history.iter().all(|message| ["ann", "bob", "cem"].contains(&message.from_name.as_str())));
    }
    let listed = bob.conversations().await;
    let listed = listed.iter().find(|listed| listed.conversation == group.into()).expect("listed");
    assert_eq!((listed.title.as_str(), listed.unread), ("Lunch", 30), "the others' messages");
}

#[tokio::test]
async fn the_new_read_nothing_from_before_and_the_removed_nothing_from_after() {
    let world = World::new().await;
    let [ann, mut bob, cem] = [world.person("ann").await, world.person("bob").await, world.person("cem").await];
    let group = ann.create_group("comings", &["bob"]).await;
    until_in(&bob, group).await;
    ann.say(group, "before cem").await;
    bob.until_text("before cem").await;
    ann.change_group(group, GroupChange::Add { members: who(&["cem"]) }).await;
    until_in(&cem, group).await;
    bob.say(group, "with cem").await;
    until_all_have(&[&ann, &cem], "with cem").await;
    assert_eq!(texts(&cem.said(group).await), ["with cem"]);

    ann.change_group(group, GroupChange::Remove { members: who(&["bob"]) }).await;
    bob.until_group(group, "being removed", |view| view.my_role.is_none()).await;
    for (speaker, hearer, text) in [(&ann, &cem, "without bob"), (&cem, &ann, "indeed")] {
        speaker.say(group, text).await;
        hearer.until_text(text).await;
    }
    // What reaches him goes on reaching him: the silence is the group's.
    ann.send("bob", "ann>bob#after").await;
    bob.until_text("ann>bob#after").await;
    until_nothing_waits(&mut bob).await;
    assert_eq!(texts(&bob.said(group).await), ["before cem", "with cem"]);
    assert_eq!(texts(&cem.said(group).await), ["with cem", "without bob", "indeed"]);
    let refused = bob.try_command(Command::SendText {
        to: sotto_engine::api::Who::Group(group),
        body: "let me in".into(),
        name: None,
        mentions: Vec::new(),
        reply_to: None,
        preview: None,
    });
    let failed = match refused.await {
        Err(error) => error.kind == ErrorKind::Refused,
        Ok(sotto_engine::api::Reply::Queued { message }) => {
            bob.until_status(message.name, MessageStatus::Failed).await.status == MessageStatus::Failed
        }
        Ok(other) => panic!("{other:?}"),
    };
    assert!(failed, "it does not go out");
    assert_eq!(texts(&ann.said(group).await), ["before cem", "with cem", "without bob", "indeed"]);

    // Back again: from now on, with a gap.
    ann.change_group(group, GroupChange::Add { members: who(&["bob"]) }).await;
    until_in(&bob, group).await;
    cem.say(group, "welcome back").await;
    bob.until_text("welcome back").await;
    let history = ann.history(group).await;
    for client in [&bob, &cem] {
        let account = client.me().await.account;
        let said: Vec<_> = client.said(group).await.into_iter().filter(|(_, text)| text != "let me in").collect();
        assert_eq!(said, said_while_in(&history, account), "{}", client.name);
    }
}

#[tokio::test]
async fn a_group_without_sender_keys_keeps_the_same_promises() {
    let world = World::new().await;
    let [ann, bob, mut cem] = [world.person("ann").await, world.person("bob").await, world.person("cem").await];
    let group = NewGroup { fanout: GroupFanout::Pairwise, ..new_group("small", &["bob", "cem"]) };
    let Reply::Group { group } = ann.command(Command::CreateGroup { group }).await else { panic!("no group") };
    let group = group.group;
    until_in(&bob, group).await;
    until_in(&cem, group).await;
    for n in 0..3 {
        for speaker in [&ann, &bob, &cem] {
            let text = format!("{} #{n}", speaker.name);
            speaker.say(group, &text).await;
            until_all_have(&[&ann, &bob, &cem], &text).await;
        }
    }
    cem.stop().await;
    for n in 3..6 {
        for (speaker, hearer) in [(&ann, &bob), (&bob, &ann)] {
            let text = format!("{} #{n}", speaker.name);
            speaker.say(group, &text).await;
            hearer.until_text(&text).await;
        }
    }
    until_nothing_waits(&mut cem).await;
    let said = ann.said(group).await;
    assert_eq!(said.len(), 15);
    for client in [&bob, &cem] {
        assert_eq!(client.said(group).await, said, "{}", client.name);
    }

    ann.change_group(group, GroupChange::Remove { members: who(&["bob"]) }).await;
    bob.until_group(group, "being removed", |view| view.my_role.is_none()).await;
    for (speaker, hearer, text) in [(&ann, &cem, "without bob"), (&cem, &ann, "indeed")] {
        speaker.say(group, text).await;
        hearer.until_text(text).await;
    }
    ann.send("bob", "ann>bob#after").await;
    bob.until_text("ann>bob#after").await;
    assert_eq!(bob.said(group).await, said);
    assert_eq!(world.ledger.take_undecryptable(), Vec::<String>::new());
}

#[tokio::test]
async fn a_device_away_through_ten_key_changes_reads_everything() {
    let world = World::new().await;
    let [ann, bob, mut cem] = [world.person("ann").await, world.person("bob").await, world.person("cem").await];
    let dan = world.person("dan").await;
    let group = ann.create_group("away", &["bob", "cem"]).await;
    until_in(&bob, group).await;
    until_in(&cem, group).await;
    ann.say(group, "all here").await;
    until_all_have(&[&bob, &cem], "all here").await;
    cem.stop().await;
    for n in 0..5 {
        // Somebody leaves each time: the next message of each speaker is under a new key.
        for (change, what) in [
            (GroupChange::Add { members: who(&["dan"]) }, "with dan"),
            (GroupChange::Remove { members: who(&["dan"]) }, "without dan"),
        ] {
            ann.change_group(group, change).await;
            for (speaker, hearer) in [(&ann, &bob), (&bob, &ann)] {
                let text = format!("{} {what} #{n}", speaker.name);
                speaker.say(group, &text).await;
                hearer.until_text(&text).await;
            }
        }
    }
    until_nothing_waits(&mut cem).await;
    let history = ann.history(group).await;
    let said = ann.said(group).await;
    assert_eq!(said.len(), 21);
    assert_eq!(cem.said(group).await, said);
    assert_eq!(accounts(&cem.group(group).await), accounts(&ann.group(group).await));
    eventually(DEADLINE, "dan's share", || async {
        (dan.said(group).await == said_while_in(&history, dan.me().await.account)).then_some(())
    })
    .await;
    assert_eq!(world.ledger.take_undecryptable(), Vec::<String>::new());
}

#[tokio::test]
async fn a_device_linked_between_two_messages_reads_the_second() {
    let world = World::new().await;
    let [ann, bob] = [world.person("ann").await, world.person("bob").await];
    let group = ann.create_group("devices", &["bob"]).await;
    until_in(&bob, group).await;
    ann.say(group, "first").await;
    bob.until_text("first").await;
    let tablet = bob.link(&world.server.url(), "tablet").await;
    ann.say(group, "second").await;
    until_all_have(&[&bob, &tablet], "second").await;
    tablet.say(group, "from the tablet").await;
    until_all_have(&[&ann, &bob], "from the tablet").await;
    for client in [&ann, &bob] {
        assert_eq!(texts(&client.said(group).await), ["first", "second", "from the tablet"]);
    }
    // The first may come with the history of the other device; the others are its own.
    let said = tablet.said(group).await;
    assert_eq!(texts(&said[said.len() - 2..]), ["second", "from the tablet"]);
    assert!(said.iter().all(|(_, text)| text != "[undecryptable]"), "{said:?}");
    // Not even for a moment: the key came before the message.
    assert_eq!(world.ledger.take_undecryptable(), Vec::<String>::new());
    // Unlinked, it hears nothing more.
    let device = tablet.me().await.device;
    bob.command(Command::RemoveDevice { device, recovery_code: None }).await;
    ann.say(group, "third").await;
    bob.until_text("third").await;
    assert!(tablet.said(group).await.iter().all(|(_, text)| text != "third"));
}

#[tokio::test]
async fn receipts_say_who_has_received_and_read() {
    let world = World::new().await;
    let [ann, bob, mut cem] = [world.person("ann").await, world.person("bob").await, world.person("cem").await];
    let group = ann.create_group("receipts", &["bob", "cem"]).await;
    until_in(&bob, group).await;
    until_in(&cem, group).await;
    cem.stop().await;
    let sent = ann.say(group, "who reads this?").await;
    ann.until_status(sent.name, MessageStatus::Sent).await;
    bob.until_text("who reads this?").await;
    bob.command(Command::MarkRead { conversation: group.into(), up_to: None }).await;
    let read = |name: &'static str| {
        let (ann, sent) = (&ann, &sent);
        eventually(DEADLINE, format!("the read receipt of {name}"), move || async move {
            let receipts = ann.receipts(sent).await;
            receipts.iter().any(|receipt| receipt.person.name == name && receipt.read_ms.is_some()).then_some(receipts)
        })
    };
    let receipts = read("bob").await;
    let of = |name: &str| receipts.iter().find(|receipt| receipt.person.name == name).expect("a member");
    // Acks are gathered for a moment, so reading may be told first; the list of receipts is then filled up.
    let delivered = || async {
        let receipts = ann.receipts(&sent).await;
        receipts.iter().any(|receipt| receipt.person.name == "bob" && receipt.delivered_ms.is_some()).then_some(())
    };
    eventually(DEADLINE, "the delivery receipt of bob", delivered).await;
    assert_eq!((of("cem").delivered_ms, of("cem").read_ms), (None, None));
    assert_eq!(receipts.len(), 2, "not the author: {receipts:?}");
    assert_eq!(ann.history(group).await.last().map(|message| message.status), Some(MessageStatus::Sent));

    cem.reopen().await;
    cem.until_drained().await;
    ann.until_status(sent.name, MessageStatus::Delivered).await;
    cem.command(Command::MarkRead { conversation: group.into(), up_to: None }).await;
    ann.until_status(sent.name, MessageStatus::Read).await;
    let receipts = read("cem").await;
    assert!(receipts.iter().all(|receipt| receipt.read_ms.is_some()), "{receipts:?}");
}

#[tokio::test]
async fn an_owner_who_leaves_has_a_successor_and_a_deleted_group_is_silent() {
    let world = World::new().await;
    let [ann, bob, cem] = [world.person("ann").await, world.person("bob").await, world.person("cem").await];
    let group = ann.create_group("roles", &["bob", "cem"]).await;
    until_in(&bob, group).await;
    until_in(&cem, group).await;
    let cem_id = cem.me().await.account;
    let change = GroupChange::SetRole { member: cem_id, role: GroupRole::Admin };
    let refused = bob.try_change_group(group, change.clone()).await.expect_err("a plain member");
    assert_eq!(refused.kind, ErrorKind::Refused, "{refused}");
    ann.change_group(group, change).await;
    ann.change_group(group, GroupChange::Leave).await;
    let view = bob.until_group(group, "ann's leaving", |view| view.members.len() == 2).await;
    let owner = view.members.iter().find(|member| member.role == GroupRole::Owner).map(|member| member.account);
    assert_eq!(owner, Some(cem_id), "the longest-serving admin");
    cem.until_group(group, "owning it", |view| view.my_role == Some(GroupRole::Owner)).await;
    cem.change_group(group, GroupChange::Delete).await;
    bob.until_group(group, "its end", |view| view.deleted).await;
    let refused = bob.try_change_group(group, GroupChange::Leave).await.expect_err("it is gone");
    assert_eq!(refused.kind, ErrorKind::Refused, "{refused}");
    let lines = bob.history(group).await;
    assert!(
        matches!(
            lines.last().map(|line| &line.body),
            Some(MessageBody::GroupChange { change: GroupChangeView::Deleted })
        ),
        "{lines:?}"
    );
}
