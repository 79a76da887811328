//! Must hold: backup under load, wipe, restore: all clients go on by themselves, no prekey is handed out twice, nothing
//! acknowledged before the backup is lost, and accounts and devices made after the backup come back.

use sotto_engine::api::{Command, Event, GroupChange, GroupView, Who};
use sotto_testkit::client::TestClient;
use sotto_testkit::group::who;
use sotto_testkit::{DEADLINE, Exchange, Ledger, Proxy, Seed, Tamper, TestServer, eventually};
use sotto_types::{Clock as _, SystemClock};
use sotto_wire::http;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const LONG: Duration = Duration::from_secs(90);

/// Counts how often each one-time key was handed out, by its public half.
#[derive(Debug, Clone, Default)]
struct HandedOut(Arc<Mutex<BTreeMap<Vec<u8>, usize>>>);

impl Tamper for HandedOut {
    fn answer(&self, exchange: &mut Exchange) {
        if !exchange.path.ends_with("/prekeys") || exchange.status != 200 {
            return;
        }
        let answer: http::PreKeyBundles = serde_json::from_slice(&exchange.answer).expect("the server's answer");
        let mut count = self.0.lock().expect("not poisoned");
        for key in answer.bundles.into_iter().filter_map(|bundle| bundle.one_time_ec) {
            *count.entry(key.public_key.0).or_default() += 1;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_goes_on_after_a_restore() {
    let mut server = TestServer::start().await;
    let proxy = Proxy::plain(server.address()).await;
    let handed_out = HandedOut::default();
    proxy.set_tamper(handed_out.clone());
    let url = proxy.url();
    let ledger = Arc::new(Ledger::new());
    let mut pairs = Vec::new();
    for n in 0..3 {
        let from = TestClient::register(&url, &format!("from{n}"), &ledger).await;
        let to = TestClient::register(&url, &format!("dest{n}"), &ledger).await;
        pairs.push((Arc::new(from), Arc::new(to)));
    }
    // One recipient is away the whole time: what was acknowledged for it waits in the store, and in the backup.
    let away = TestClient::register(&url, "away", &ledger).await;
    away.online(false).await;
    for n in 0..10 {
        let sent = pairs[0].0.send("away", &format!("from0>away#{n}")).await;
        pairs[0].0.until_status(sent.name, sotto_engine::api::MessageStatus::Sent).await;
    }

    let stop = CancellationToken::new();
    let mut sending = JoinSet::new();
    for (from, to) in &pairs {
        let (from, to, stop) = (from.clone(), to.clone(), stop.clone());
        sending.spawn(async move {
            let mut count = 0;
            while !stop.is_cancelled() {
                let text = format!("{}>{}#{count}", from.name, to.name);
                from.send(&to.name, &text).await;
                to.until_text(&text).await;
                count += 1;
            }
        });
    }
    let under_way = || async { (ledger.count_accepted() > 60).then_some(()) };
    eventually(LONG, "traffic", under_way).await;
    let backup = server.folder().join("backup");
    let made = server.command(&["backup".as_ref(), backup.as_os_str()]).await;
    assert_eq!(made.code, Some(0), "{} {}", made.stdout, made.stderr);
    let target = ledger.count_accepted() + 60;
    eventually(LONG, "more traffic", || async { (ledger.count_accepted() > target).then_some(()) }).await;
    stop.cancel();
    while let Some(done) = sending.join_next().await {
        done.expect("a sender stops");
    }
    // After the backup: a new account that talks, a new device, a removed device.
    let late = TestClient::register(&url, "late", &ledger).await;
    late.send("dest0", "late>dest0#0").await;
    pairs[0].1.until_text("late>dest0#0").await;
    let laptop = pairs[1].1.link(&url, "laptop").await;
    pairs[1].0.send("dest1", "from1>dest1#laptop").await;
    laptop.until_text("from1>dest1#laptop").await;
    // Sessions that were begun after the backup took keys that the backup still has.
    pairs[2].0.send("late", "from2>late#0").await;
    late.until_text("from2>late#0").await;
    for (from, to) in &pairs {
        from.until_all_sent().await;
        to.until_all_sent().await;
    }

    server.terminate().await;
    std::fs::remove_dir_all(server.data()).expect("the data is there to wipe");
    let restored = server.command(&["restore".as_ref(), backup.as_os_str()]).await;
    assert_eq!(restored.code, Some(0), "{} {}", restored.stdout, restored.stderr);
    server.restart().await;
    let info: http::ServerInfo = server.api().get("/v1/server", None).await.ok();
    assert!(info.generation > 1, "a restore changes the generation");

    // Everybody goes on by themselves: nobody is told anything here.
    for (n, (from, to)) in pairs.iter().enumerate() {
        let text = format!("from{n}>dest{n}#after");
        from.send(&to.name, &text).await;
        to.until_text(&text).await;
        // The other way too, so that both sides' sessions are proven.
        let text = format!("dest{n}>from{n}#after");
        to.send(&from.name, &text).await;
        from.until_text(&text).await;
    }
    pairs[1].0.send("dest1", "from1>dest1#laptop-after").await;
    laptop.until_text("from1>dest1#laptop-after").await;
    // The server had never heard of this account; its client brought it back.
    late.send("dest0", "late>dest0#after").await;
    pairs[0].1.until_text("late>dest0#after").await;
    pairs[0].0.send("late", "from0>late#after").await;
    late.until_text("from0>late#after").await;
    // What waited is still there, and new people can begin sessions with old ones.
    away.online(true).await;
    for n in 0..10 {
        away.until_text(&format!("from0>away#{n}")).await;
    }
    for n in 0..3 {
        let new = TestClient::register(&url, &format!("newcomer{n}"), &ledger).await;
        for (_, to) in &pairs {
            let text = format!("{}>{}#new", new.name, to.name);
            new.send(&to.name, &text).await;
            to.until_text(&text).await;
        }
        let text = format!("{}>late#new", new.name);
        new.send("late", &text).await;
        late.until_text(&text).await;
    }
    let all_shown = || async { ledger.missing().is_empty().then_some(()) };
    eventually(DEADLINE, "everything acknowledged to be shown", all_shown).await;
    let count = handed_out.0.lock().expect("not poisoned").clone();
    assert!(count.len() > 10, "keys were handed out: {}", count.len());
    let twice: Vec<_> = count.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "{} of {} one-time keys were handed out twice", twice.len(), count.len());
    // The removed and restored server holds the same people: a note to self works for each.
    for client in [&late, &laptop, &away] {
        client
            .command(Command::SendText {
                to: Who::Me,
                body: format!("note of {}", client.name),
                name: None,
                mentions: Vec::new(),
                reply_to: None,
                preview: None,
            })
            .await;
        client.until_all_sent().await;
    }
    ledger.assert_exactly_once_in_order();
}

/// Wipes the data of a server, restores it, and returns its generation.
async fn restore(server: &mut TestServer, backup: &Path) -> u32 {
    server.terminate().await;
    std::fs::remove_dir_all(server.data()).expect("the data is there to wipe");
    let restored = server.command(&["restore".as_ref(), backup.as_os_str()]).await;
    assert_eq!(restored.code, Some(0), "{} {}", restored.stdout, restored.stderr);
    server.restart().await;
    server.api().get("/v1/server", None).await.ok::<http::ServerInfo>().generation
}

/// Members give back what the server has forgotten of their groups: nobody is told anything, and nothing looks like an attack.
#[tokio::test]
async fn groups_outlive_a_restore() {
    let mut server = TestServer::start().await;
    let ledger = Arc::new(Ledger::new());
    let person = async |name: &str| TestClient::register(&server.url(), name, &ledger).await;
    let [ann, bob, cem] = [person("ann").await, person("bob").await, person("cem").await];
    let named =
        |title: &'static str| move |view: &GroupView| view.my_role.is_some() && view.title.as_deref() == Some(title);
    let old = ann.create_group("before", &["bob"]).await;
    bob.until_group(old, "being in", named("before")).await;
    let backup = server.folder().join("backup");
    let made = server.command(&["backup".as_ref(), backup.as_os_str()]).await;
    assert_eq!(made.code, Some(0), "{}", made.stderr);

    // Afterwards: another title, another member, an account, a group.
    let late = TestClient::register(&server.url(), "late", &ledger).await;
    ann.change_group(old, GroupChange::Add { members: who(&["cem", "late"]) }).await;
    let title = GroupChange::SetDetails {
        title: "after".into(),
        description: String::new(),
        picture: None,
        picture_type: None,
    };
    ann.change_group(old, title).await;
    let new = bob.create_group("new", &["ann", "late"]).await;
    for client in [&ann, &bob, &cem, &late] {
        client.until_group(old, "the new title", named("after")).await;
    }
    for client in [&ann, &late] {
        client.until_group(new, "the new group", named("new")).await;
    }
    let revision = ann.group(old).await.revision;

    assert!(restore(&mut server, &backup).await > 1);
    for (speaker, group, hearers) in
        [(&bob, old, [&ann, &cem, &late]), (&late, old, [&ann, &bob, &cem]), (&ann, new, [&bob, &late, &late])]
    {
        let text = format!("{} is back in {group}", speaker.name);
        speaker.say(group, &text).await;
        for client in hearers {
            client.until_text(&text).await;
        }
    }
    // Who comes now reads the title, which the server was given back too.
    let newcomer = TestClient::register(&server.url(), "newcomer", &ledger).await;
    ann.change_group(old, GroupChange::Add { members: who(&["newcomer"]) }).await;
    newcomer.until_group(old, "the title", named("after")).await;
    for client in [&ann, &bob, &cem, &late] {
        client.until_group(old, "the newcomer", |view| view.revision == revision + 1).await;
        assert_eq!(client.group(old).await.alarm, None, "{}", client.name);
    }
}

#[tokio::test]
async fn a_client_notices_each_of_two_restores_of_one_backup() {
    let mut server = TestServer::start().await;
    let ledger = Arc::new(Ledger::new());
    let ann = TestClient::register(&server.url(), "ann", &ledger).await;
    let bob = TestClient::register(&server.url(), "bob", &ledger).await;
    let backup = server.folder().join("backup");
    let made = server.command(&["backup".as_ref(), backup.as_os_str()]).await;
    assert_eq!(made.code, Some(0), "{}", made.stderr);

    let noticed = |event: &Event| match event {
        Event::Notice { text } if text.contains("restored from a backup") => Some(()),
        _ => None,
    };
    let backup_second = SystemClock.now().as_secs();
    let mut seen = vec![1];
    for n in 0..2 {
        // Generations are seconds: nobody restores a server twice in one.
        let clock_moved = || async { (SystemClock.now().as_secs() > backup_second.max(seen[n].into())).then_some(()) };
        eventually(DEADLINE, "the next second", clock_moved).await;
        let marks = [ann.mark(), bob.mark()];
        let generation = restore(&mut server, &backup).await;
        assert!(generation > seen[n], "{generation} after {seen:?}");
        seen.push(generation);
        for (client, mark) in [&ann, &bob].into_iter().zip(marks) {
            client.until_since(mark, "the notice of the restore", noticed).await;
        }
        // The keys were replaced: a restored store has no one-time keys of its own.
        let newcomer = TestClient::register(&server.url(), &format!("new{n}"), &ledger).await;
        let text = format!("new{n}>ann#0");
        newcomer.send("ann", &text).await;
        ann.until_text(&text).await;
    }
    assert_eq!(ann.events().iter().filter_map(noticed).count(), 2, "once each");
}

#[tokio::test]
async fn a_backup_is_refused_where_it_would_do_harm() {
    let mut server = TestServer::start().await;
    let seed = Seed::new();
    server.api().register("ann", 1, &mut seed.rng(0)).await;
    let backup = server.folder().join("backup");
    let made = server.command(&["backup".as_ref(), backup.as_os_str()]).await;
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    // Into a folder that has something, and a restore over data or beside a running server.
    let again = server.command(&["backup".as_ref(), backup.as_os_str()]).await;
    assert!(again.code.is_some_and(|code| code != 0), "over an earlier backup: {}", again.stdout);
    let running = server.command(&["restore".as_ref(), backup.as_os_str()]).await;
    assert!(running.code.is_some_and(|code| code != 0), "under a running server: {}", running.stdout);
    server.terminate().await;
    let over = server.command(&["restore".as_ref(), backup.as_os_str()]).await;
    assert!(over.code.is_some_and(|code| code != 0), "over existing data: {}", over.stdout);
    // A damaged backup is found out before anything is written.
    let part = std::fs::read_dir(&backup)
        .expect("the backup is a folder")
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .max_by_key(|entry| entry.metadata().map(|meta| meta.len()).unwrap_or(0))
        .expect("it has files")
        .path();
    let mut bytes = std::fs::read(&part).expect("a file of the backup");
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    std::fs::write(&part, bytes).expect("writable");
    std::fs::remove_dir_all(server.data()).expect("the data is there to wipe");
    let damaged = server.command(&["restore".as_ref(), backup.as_os_str()]).await;
    assert!(damaged.code.is_some_and(|code| code != 0), "{}", damaged.stdout);
    assert!(!damaged.stderr.is_empty(), "it says why");
}
