//! Must hold, honest server: a linked third device gets the history and everything new, including what its siblings send;
//! unlinking ends it at once; recovery from no device at all works, with history from a linked one or empty; a wrong code
//! says so. (What a hostile server may try is in `hostile_server.rs`.)

use sotto_engine::api::{Command, ErrorKind, Event, MessageStatus, Reply};
use sotto_testkit::client::TestClient;
use sotto_testkit::{DEADLINE, Ledger, TestServer, eventually};
use sotto_types::{AccountId, Username};
use std::sync::Arc;

async fn until_texts(client: &TestClient, with: AccountId, want: &[String]) {
    eventually(DEADLINE, format!("{} to have {} messages", client.name, want.len()), || async {
        let texts = client.texts(with).await;
        (texts == want).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_third_device_has_history_and_everything_new_until_it_is_unlinked() {
    let server = TestServer::start().await;
    let url = server.url();
    let ledger = Arc::new(Ledger::new());
    let phone = TestClient::register(&url, "ann", &ledger).await;
    let bob = TestClient::register(&url, "bob", &ledger).await;
    let (ann_id, bob_id) = (phone.me().await.account, bob.me().await.account);
    let mut texts = Vec::new();
    for n in 0..15 {
        texts.push(format!("ann>bob#{n}"));
        phone.send("bob", &texts[texts.len() - 1]).await;
        bob.until_text(&texts[texts.len() - 1]).await;
        texts.push(format!("bob>ann#{n}"));
        bob.send("ann", &texts[texts.len() - 1]).await;
        phone.until_text(&texts[texts.len() - 1]).await;
    }

    // History, the same everywhere, with its ticks; and progress on both sides.
    let laptop = phone.link(&url, "laptop").await;
    until_texts(&laptop, bob_id, &texts).await;
    let tablet = laptop.link(&url, "tablet").await;
    until_texts(&tablet, bob_id, &texts).await;
    for client in [&laptop, &tablet] {
        client
            .until("all of the history", |event| match event {
                Event::HistoryReceived { done, total } if done == total => Some(()),
                _ => None,
            })
            .await;
    }
    let ticks = |history: Vec<sotto_engine::api::MessageView>| -> Vec<_> {
        history.into_iter().map(|message| (message.name, message.message_id, message.from_me)).collect()
    };
    assert_eq!(ticks(phone.history(bob_id).await), ticks(tablet.history(bob_id).await));

    // Everything new: from the contact, and from each sibling.
    for (sender, text) in
        [(&bob, "bob>ann#new"), (&phone, "ann>bob#phone"), (&laptop, "ann>bob#laptop"), (&tablet, "ann>bob#tablet")]
    {
        let to = if std::ptr::eq(sender, &bob) { "ann" } else { "bob" };
        if to == "bob" {
            // The ledger knows people, not devices.
            let command = Command::SendText {
                to: sotto_engine::api::Who::Account(bob_id),
                body: text.to_owned(),
                name: None,
                mentions: Vec::new(),
                reply_to: None,
                preview: None,
            };
            ledger.sent("ann", "bob", text);
            sender.command(command).await;
        } else {
            sender.send(to, text).await;
        }
        for other in [&phone, &laptop, &tablet] {
            other.until_text(text).await;
        }
        bob.until_text(text).await;
        texts.push(text.to_owned());
    }
    for client in [&phone, &laptop, &tablet] {
        until_texts(client, bob_id, &texts).await;
    }
    until_texts(&bob, ann_id, &texts).await;
    // A tick on a sibling's message reaches all devices; a read on one device too.
    bob.command(Command::MarkRead { conversation: ann_id.into(), up_to: None }).await;
    for client in [&phone, &laptop, &tablet] {
        let what = format!("blue ticks on {}", client.name);
        eventually(DEADLINE, what, || async {
            let history = client.history(bob_id).await;
            let own: Vec<_> = history.iter().filter(|message| message.from_me).map(|message| message.status).collect();
            own.iter().all(|status| *status == MessageStatus::Read).then_some(())
        })
        .await;
    }
    tablet.command(Command::MarkRead { conversation: bob_id.into(), up_to: None }).await;
    for client in [&phone, &laptop] {
        eventually(DEADLINE, "unread to be 0 on a sibling", || async {
            let conversations = client.conversations().await;
            conversations.iter().find(|c| c.conversation == bob_id.into()).filter(|c| c.unread == 0).map(drop)
        })
        .await;
    }

    // Unlinked: out at once, and nothing reaches it any more.
    let tablet_device = tablet.me().await.device;
    phone.command(Command::RemoveDevice { device: tablet_device, recovery_code: None }).await;
    let error = tablet
        .until("being signed out", |event| match event {
            Event::SignedOut { error } => Some(error.clone()),
            _ => None,
        })
        .await;
    assert_eq!(error.kind, ErrorKind::SignedOut, "{error}");
    bob.send("ann", "bob>ann#after").await;
    for client in [&phone, &laptop] {
        client.until_text("bob>ann#after").await;
    }
    texts.push("bob>ann#after".to_owned());
    let refused = tablet.try_command(Command::FindPerson { who: sotto_engine::api::Who::Name(name("laptop")) }).await;
    assert_eq!(refused.map_err(|error| error.kind).err(), Some(ErrorKind::SignedOut));
    assert!(!tablet.texts(bob_id).await.contains(&"bob>ann#after".to_owned()));
    until_texts(&laptop, bob_id, &texts).await;
    // It is not in the list that senders use: the sender needed no second try because of it.
    let Reply::Devices { devices } = phone.command(Command::Devices).await else { panic!("no devices") };
    assert!(devices.iter().all(|device| device.device != tablet_device), "{devices:?}");
    ledger.assert_exactly_once_in_order();
}

fn name(text: &str) -> Username {
    Username::parse(text).expect("a name that can be one")
}

async fn recover(
    server: &str,
    ledger: &Arc<Ledger>,
    code: &str,
) -> Result<(TestClient, u32), sotto_engine::api::CommandError> {
    let client = TestClient::new("ann-recovered", ledger).await;
    let command = Command::Recover {
        server: server.to_owned(),
        username: name("ann"),
        code: code.to_owned(),
        device_name: "new".to_owned(),
    };
    match client.try_command(command).await? {
        Reply::Recovered { other_devices, .. } => Ok((client, other_devices)),
        other => panic!("not recovered: {other:?}"),
    }
}

#[tokio::test]
async fn recovery_from_no_device_begins_empty_and_goes_on() {
    let server = TestServer::start().await;
    let ledger = Arc::new(Ledger::new());
    let mut lost = TestClient::new("ann", &ledger).await;
    let code = lost.register_here(&server.url()).await;
    let bob = TestClient::register(&server.url(), "bob", &ledger).await;
    let bob_id = bob.me().await.account;
    let ann_id = lost.me().await.account;
    bob.send("ann", "bob>ann#before").await;
    lost.until_text("bob>ann#before").await;
    lost.stop().await;
    drop(lost);
    // Every device is gone. Sent meanwhile, and never read by anybody: for the lost device only.
    let (ann, others) = recover(&server.url(), &ledger, &code).await.expect("the code is right");
    assert_eq!(others, 1, "the lost device is still listed");
    ann.until_drained().await;
    assert_eq!(ann.me().await.account, ann_id);
    assert_eq!(ann.texts(bob_id).await, Vec::<String>::new());
    bob.send("ann", "bob>ann#after").await;
    ann.until_text("bob>ann#after").await;
    let sent = ann.try_command(Command::SendText {
        to: sotto_engine::api::Who::Name(name("bob")),
        body: "ann>bob#after".into(),
        name: None,
        mentions: Vec::new(),
        reply_to: None,
        preview: None,
    });
    sent.await.expect("it can send");
    bob.until_text("ann>bob#after").await;
    // The same person: nobody saw a key change.
    let changed = bob.events().iter().any(|event| matches!(event, Event::KeyChanged { .. }));
    assert!(!changed, "recovery keeps the identity key");
}

#[tokio::test]
async fn recovery_beside_a_linked_device_gets_its_history() {
    let server = TestServer::start().await;
    let ledger = Arc::new(Ledger::new());
    let phone = TestClient::new("ann", &ledger).await;
    let code = phone.register_here(&server.url()).await;
    let bob = TestClient::register(&server.url(), "bob", &ledger).await;
    let bob_id = bob.me().await.account;
    let mut texts = Vec::new();
    for n in 0..5 {
        texts.push(format!("bob>ann#{n}"));
        bob.send("ann", &texts[n]).await;
        phone.until_text(&texts[n]).await;
    }
    let (ann, others) = recover(&server.url(), &ledger, &code).await.expect("the code is right");
    assert_eq!(others, 1);
    until_texts(&ann, bob_id, &texts).await;
}

#[tokio::test]
async fn a_wrong_recovery_code_says_so_and_changes_nothing() {
    let server = TestServer::start().await;
    let ledger = Arc::new(Ledger::new());
    let ann = TestClient::new("ann", &ledger).await;
    let code = ann.register_here(&server.url()).await;
    let other = TestClient::new("zoe", &ledger).await;
    let other_code = other.register_here(&server.url()).await;
    // A code of somebody else is well-formed and wrong.
    let error = recover(&server.url(), &ledger, &other_code).await.expect_err("somebody else's code");
    assert!(matches!(error.kind, ErrorKind::Refused | ErrorKind::Invalid), "{error:?}");
    assert!(error.text.to_lowercase().contains("code"), "{error}");
    // A typo is noticed before the server is asked.
    let mut typo = code.clone();
    let last = typo.pop().expect("codes are not empty");
    typo.push(if last == 'a' || last == 'A' { 'b' } else { 'a' });
    let error = recover(&server.url(), &ledger, &typo).await.expect_err("a typo");
    assert!(matches!(error.kind, ErrorKind::Refused | ErrorKind::Invalid), "{error:?}");
    let Reply::Devices { devices } = ann.command(Command::Devices).await else { panic!("no devices") };
    assert_eq!(devices.len(), 1, "nothing was added");
    // A new code replaces the old one.
    let new_code = |current_code: &str| Command::NewRecoveryCode { current_code: current_code.into() };
    let error = ann.try_command(new_code(&other_code)).await.expect_err("a device alone cannot set a new code");
    assert!(error.kind == ErrorKind::Refused && error.text.contains("current recovery code"), "{error:?}");
    let Reply::RecoveryCode { recovery_code } = ann.command(new_code(&code)).await else { panic!("no code") };
    assert!(recover(&server.url(), &ledger, &code).await.is_err(), "the old code stopped working");
    recover(&server.url(), &ledger, &recovery_code).await.expect("the new code works");
}
