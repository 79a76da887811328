//! Must hold: canary texts appear nowhere in what the server has or could see: decoded store contents, files, a backup,
//! logs, metrics, the bytes inside TLS; neither raw nor in hex nor in base64. A positive control, a username, shows that
//! the search finds what is there in the very same places.

use sotto_engine::api::{Command, Reply, Who};
use sotto_testkit::client::TestClient;
use sotto_testkit::dump::store_dump;
use sotto_testkit::{Canary, DEADLINE, Ledger, Proxy, ServerOptions, TestServer, eventually};
use std::sync::Arc;

#[tokio::test]
async fn the_server_sees_nothing_it_must_not_see() {
    // The most talkative server there is.
    let mut server = TestServer::start_with(ServerOptions::default().env("SOTTO_LOG_LEVEL", "trace")).await;
    let proxy = Proxy::tls(server.address()).await;
    let ledger = Arc::new(Ledger::new());
    // The server knows usernames: the control.
    let control = Canary::new("known_to_the_server_4711");
    let mut secrets = Vec::new();
    let mut secret = |text: &str| {
        secrets.push(Canary::new(text));
        text.to_owned()
    };

    let phone = TestClient::new_with(control.text(), &ledger, proxy.ca.clone()).await;
    let code = phone.register_here(&proxy.url()).await;
    let bob = TestClient::new_with("bob", &ledger, proxy.ca.clone()).await;
    bob.register_here(&proxy.url()).await;
    let (phone_id, bob_id) = (phone.me().await.account, bob.me().await.account);
    // The recovery code, as it is shown and without its separators.
    secret(&code);
    let bare: String = code.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
    secret(&bare);

    // Messages both ways, to an online and to an offline device, of several sizes; a note to self.
    let short = secret("canary-short-7f3a91c2e5");
    let long = format!("{} {}", secret("canary-long-0c44d1b87e"), "and then a lot more ".repeat(1000));
    let note = secret("canary-note-to-self-93ab");
    let waiting = secret("canary-waits-offline-51de");
    phone.send("bob", &short).await;
    bob.until_text(&short).await;
    bob.send(control.text(), &long).await;
    phone.until_text(&long).await;
    phone
        .command(Command::SendText {
            to: Who::Me,
            body: note,
            name: None,
            mentions: Vec::new(),
            reply_to: None,
            preview: None,
        })
        .await;
    // A linked device: its name, and history that travels through the server.
    let laptop = TestClient::new_with("canary-device-name-66fe02", &ledger, proxy.ca.clone()).await;
    secret(&laptop.name);
    phone.link_to(&laptop, &proxy.url()).await;
    eventually(DEADLINE, "the history on the laptop", || async {
        (laptop.texts(bob_id).await.len() == 2).then_some(())
    })
    .await;
    // What the person searches, verifies and blocks stays here or travels encrypted.
    let query = secret("canary-search-words-a0b1c2");
    phone.command(Command::Search { query, conversation: None, limit: 5 }).await;
    let Reply::SafetyNumber { digits, .. } = phone.command(Command::SafetyNumber { who: Who::Account(bob_id) }).await
    else {
        panic!("no safety number")
    };
    secret(&digits);
    let who = Who::Account(bob_id);
    phone.command(Command::SetVerified { who, verified: true, safety_number: Some(digits) }).await;
    // A device name that changes nothing else, and a new recovery code.
    let command = Command::NewRecoveryCode { current_code: code };
    let Reply::RecoveryCode { recovery_code } = phone.command(command).await else { panic!("no code") };
    secret(&recovery_code);
    // And something that is still waiting in the store when we look.
    bob.online(false).await;
    let sent = phone.send("bob", &waiting).await;
    phone.until_status(sent.name, sotto_engine::api::MessageStatus::Sent).await;
    bob.command(Command::MarkRead { conversation: phone_id.into(), up_to: None }).await;

    let metrics = server.metrics().await;
    let backup = server.folder().join("backup");
    let made = server.command(&["backup".as_ref(), backup.as_os_str()]).await;
    assert_eq!(made.code, Some(0), "{} {}", made.stdout, made.stderr);
    server.terminate().await;
    let (dump, records) = store_dump(server.data());
    let wire = proxy.recorded();
    let logs = server.logs();
    println!(
        "{records} records, {} kB of store, {} kB on the wire, {} kB of logs",
        dump.len() / 1000,
        wire.len() / 1000,
        logs.len() / 1000
    );

    // The control is found wherever the server may know it.
    assert_eq!(control.find(&dump), Some("raw"), "in the store");
    assert!(control.find(&wire).is_some(), "on the wire");
    assert!(!control.find_in_files(&backup).is_empty(), "in the backup");
    assert!(!control.find_in_files(server.data()).is_empty(), "in the files");
    assert!(records > 20 && metrics.lines().count() > 10 && logs.lines().count() > 10, "there is something to search");
    for canary in &secrets {
        let places: [(&str, &[u8]); 4] = [
            ("the store", &dump),
            ("the wire", &wire),
            ("the logs", logs.as_bytes()),
            ("the metrics", metrics.as_bytes()),
        ];
        for (place, bytes) in places {
            assert_eq!(canary.find(bytes), None, "{:?} stands in {place}", canary.text());
        }
        for folder in [server.data(), &backup] {
            assert_eq!(canary.find_in_files(folder), Vec::<String>::new(), "{:?}", canary.text());
        }
    }
    // Logs name nobody's secrets, and no tokens or keys either.
    assert!(!logs.contains("eyJ"), "an access token in the logs");
    assert!(
        !metrics.contains(&phone_id.to_string()) && control.find(metrics.as_bytes()).is_none(),
        "people in the metrics"
    );
}
