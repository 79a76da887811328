//! Must hold: `kill -9` of a receiving and of a sending client at random moments (CI: 10 each, `make soak`: 50): nothing
//! lost, doubled or undecryptable; one-time keys never handed out twice or lost. A client restored from an old copy of its
//! profile repairs itself and says so.

use rand::Rng as _;
use serde_json::{Value, json};
use sotto_engine::api::{Command, Event, MessageBody, MessageStatus, Who};
use sotto_testkit::cli::{TestCli, json_line, parse_lines};
use sotto_testkit::client::TestClient;
use sotto_testkit::process::Process;
use sotto_testkit::seed::TestRng;
use sotto_testkit::{DEADLINE, Direction, Exchange, Ledger, Proxy, Seed, Tamper, TestServer, eventually, rounds};
use sotto_wire::pb::server_frame;
use sotto_wire::{decode_server_frame, http};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use uuid::Uuid;

/// Lines that a sender may have unconfirmed: enough that a kill always comes in the middle.
const AHEAD: usize = 40;

/// Watches prekeys: how often each one-time key of `of` was handed out, and how many the server says are left.
#[derive(Debug, Clone, Default)]
struct Keys {
    handed_out: Arc<Mutex<BTreeMap<Vec<u8>, usize>>>,
    last_resort: Arc<Mutex<usize>>,
    left: Arc<Mutex<Vec<u32>>>,
}

impl Tamper for Keys {
    fn answer(&self, exchange: &mut Exchange) {
        if !exchange.path.ends_with("/prekeys") || exchange.status != 200 {
            return;
        }
        let answer: http::PreKeyBundles = serde_json::from_slice(&exchange.answer).expect("the server's answer");
        for bundle in answer.bundles {
            match bundle.one_time_ec {
                Some(key) => *self.handed_out.lock().expect("not poisoned").entry(key.public_key.0).or_default() += 1,
                None => *self.last_resort.lock().expect("not poisoned") += 1,
            }
        }
    }

    fn frame(&self, direction: Direction, frame: bytes::Bytes) -> Option<Vec<bytes::Bytes>> {
        if direction == Direction::ToClient
            && let Ok(parsed) = decode_server_frame(frame.clone())
            && let Some(server_frame::Body::Welcome(welcome)) = parsed.body
        {
            self.left.lock().expect("not poisoned").push(welcome.one_time_ec_left);
        }
        Some(vec![frame])
    }
}

/// Sends numbered messages through `sotto send --stdin --json`, killing it `kills` times, and returns how many there are.
async fn sender(cli: TestCli, kills: usize, mut rng: TestRng) -> usize {
    let names: Vec<Uuid> = (0..100_000).map(|_| Uuid::now_v7()).collect();
    let mut confirmed = 0;
    for life in 0..=kills {
        let mut process = cli.start(&["--json", "send", "--stdin"]);
        let until = confirmed + rng.random_range(3..60);
        // Everything that was not confirmed is said again, under its old name.
        let (mut next, mut line) = (confirmed, 0);
        while confirmed < until {
            while next < until + AHEAD && next < confirmed + AHEAD {
                let message = json!({"to": "bob", "text": format!("ann>bob#{next}"), "name": names[next]});
                process.write_line(&message.to_string()).await.expect("the sender reads");
                next += 1;
            }
            let (outcome, after) = json_line(&process, line, "a confirmation", |value| Some(value.clone())).await;
            line = after;
            assert!(outcome.get("error").is_none(), "{outcome}");
            let expected = names[confirmed].to_string();
            assert_eq!(outcome["name"].as_str(), Some(expected.as_str()), "confirmations come in order: {outcome}");
            assert!(outcome["message_id"].is_string(), "{outcome}");
            confirmed += 1;
        }
        if life < kills {
            process.kill9().await;
            continue;
        }
        // The last life ends by itself, with everything confirmed.
        process.close_stdin();
        while confirmed < next {
            let (_, after) = json_line(&process, line, "the last confirmations", |value| Some(value.clone())).await;
            line = after;
            confirmed += 1;
        }
        let status = process.wait(DEADLINE).await;
        assert!(status.success(), "{status}: {:?}", process.stderr.all());
    }
    confirmed
}

fn shown(line: &Value) -> Option<&str> {
    (line["event"] == "message_added" && line["message"]["from_me"] == false)
        .then(|| line["message"]["body"]["body"].as_str())?
}

/// Receives through `sotto listen --json`, killed `kills` times after a random number of messages.
async fn receiver(cli: TestCli, kills: usize, mut rng: TestRng, done: Arc<AtomicBool>) -> Process {
    for _ in 0..kills {
        let mut process = cli.start(&["--json", "listen", "--mark-read"]);
        let mut line = 0;
        for _ in 0..rng.random_range(1..40) {
            if done.load(Ordering::Relaxed) {
                break;
            }
            let next = process.stdout.find(line, |text| shown(&serde_json::from_str(text).ok()?).map(drop));
            // Nothing comes any more once the sender is done; a kill in silence is a kill too.
            match tokio::time::timeout(DEADLINE, next).await {
                Ok(Some(((), after))) => line = after,
                Ok(None) => panic!("listen ended: {:?}", process.stderr.all()),
                Err(_) => break,
            }
        }
        process.kill9().await;
    }
    cli.start(&["--json", "listen", "--mark-read"])
}

async fn history(cli: &TestCli, with: &str) -> Vec<Value> {
    parse_lines(&cli.ok(&["--json", "history", with, "--limit", "100000"]).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_clients_lose_and_double_nothing() {
    let seed = Seed::new();
    let kills = rounds(10, 50);
    let server = TestServer::start().await;
    let proxy = Proxy::plain(server.address()).await;
    let keys = Keys::default();
    proxy.set_tamper(keys.clone());
    let url = proxy.url();
    let (ann, bob) = (TestCli::new(&url, "ann"), TestCli::new(&url, "bob"));
    ann.register().await;
    bob.register().await;

    let done = Arc::new(AtomicBool::new(false));
    let receiving = tokio::spawn(receiver(bob.clone(), kills, seed.rng(1), done.clone()));
    let sending = tokio::spawn(sender(ann.clone(), kills, seed.rng(2)));
    // Meanwhile strangers write to Bob for the first time: each takes one of his one-time keys, which must still be there.
    let ledger = Arc::new(Ledger::new());
    let strangers = rounds(12, 40);
    let mut sent = Vec::new();
    for n in 0..strangers {
        let stranger = TestClient::register(&url, &format!("stranger{n}"), &ledger).await;
        let message = stranger.send("bob", &format!("stranger{n}>bob#0")).await;
        stranger.until_status(message.name, MessageStatus::Sent).await;
        sent.push(stranger);
    }
    let count = sending.await.expect("the sender finishes");
    done.store(true, Ordering::Relaxed);
    let mut last = receiving.await.expect("the receiver finishes");

    // The living receiver gets to the end; then what is stored is looked at.
    let end = format!("ann>bob#{}", count - 1);
    let reached = || async { history(&bob, "ann").await.iter().any(|m| m["body"]["body"] == *end).then_some(()) };
    eventually(DEADLINE, format!("{end} at the receiver"), reached).await;
    for stranger in &sent {
        let text = format!("{}>bob#0", stranger.name);
        let texts = || async { Some(history(&bob, &stranger.name).await).filter(|all| !all.is_empty()) };
        let all = eventually(DEADLINE, format!("{text} at the receiver"), texts).await;
        let bodies: Vec<_> = all.iter().map(|message| message["body"]["body"].as_str()).collect();
        assert_eq!(bodies, [Some(text.as_str())], "{all:?}");
    }
    last.signal("INT").await;
    assert!(last.wait(DEADLINE).await.success(), "Ctrl-C is no failure");

    let want: Vec<String> = (0..count).map(|n| format!("ann>bob#{n}")).collect();
    let received: Vec<String> = history(&bob, "ann").await.iter().map(body).collect();
    assert_same(&received, &want, "received");
    let kept: Vec<Value> = history(&ann, "bob").await;
    assert_same(&kept.iter().map(body).collect::<Vec<_>>(), &want, "kept by the sender");
    let ids: Vec<u64> =
        kept.iter().map(|m| m["message_id"].as_str().and_then(|id| id.parse().ok()).unwrap_or(0)).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "ids rise");

    let handed_out = keys.handed_out.lock().expect("not poisoned").clone();
    let twice = handed_out.values().filter(|times| **times > 1).count();
    assert_eq!(twice, 0, "one-time keys handed out twice, of {}", handed_out.len());
    assert!(handed_out.len() > strangers, "every first message took a key: {}", handed_out.len());
    assert_eq!(*keys.last_resort.lock().expect("not poisoned"), 0, "nobody had to do without a one-time key");
    println!("{count} messages, {kills} kills of each side, {} one-time keys used", handed_out.len());
}

fn body(message: &Value) -> String {
    message["body"]["body"].as_str().map_or_else(|| message["body"].to_string(), str::to_owned)
}

fn assert_same(got: &[String], want: &[String], what: &str) {
    let differs = got.iter().zip(want).position(|(got, want)| got != want);
    let at = differs.unwrap_or(got.len().min(want.len()));
    let near = |list: &[String]| list.iter().skip(at.saturating_sub(2)).take(5).cloned().collect::<Vec<_>>();
    assert!(
        differs.is_none() && got.len() == want.len(),
        "{what}: {} instead of {}, from number {at}: {:?} instead of {:?}",
        got.len(),
        want.len(),
        near(got),
        near(want)
    );
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
        }
    }
}

#[tokio::test]
async fn an_old_copy_of_a_profile_repairs_itself_and_says_so() {
    let server = TestServer::start().await;
    let ledger = Arc::new(Ledger::new());
    let ann = TestClient::register(&server.url(), "ann", &ledger).await;
    let mut bob = TestClient::register(&server.url(), "bob", &ledger).await;
    let (ann_id, bob_id) = (ann.me().await.account, bob.me().await.account);
    let exchange = async |round: &str, bob: &TestClient| {
        for n in 0..3 {
            let text = format!("ann>bob#{round}{n}");
            ann.send("bob", &text).await;
            bob.until_text(&text).await;
            let text = format!("bob>ann#{round}{n}");
            bob.send("ann", &text).await;
            ann.until_text(&text).await;
        }
    };
    exchange("before", &bob).await;
    bob.stop().await;
    let copy = server.folder().join("old-profile");
    copy_folder(&bob.dir, &copy);
    bob.reopen().await;
    bob.until_drained().await;
    // Both ratchets go on; the copy does not know.
    exchange("unknown", &bob).await;
    bob.stop().await;

    let mut old = TestClient::closed("bob", &copy, &ledger, None);
    old.reopen().await;
    old.until_drained().await;
    ann.send("bob", "ann>bob#after").await;
    old.until_text("ann>bob#after").await;
    let said = |event: &Event| match event {
        Event::Repairing { .. } => Some(()),
        Event::MessageAdded { message, .. } => (message.body == MessageBody::ProfileRestored).then_some(()),
        Event::Notice { text } => text.contains("restored").then_some(()),
        _ => None,
    };
    old.until("a word about it", said).await;
    // And from now on both ways work, also for what the copy itself sends.
    let command = Command::SendText {
        to: Who::Account(ann_id),
        body: "bob>ann#after".into(),
        name: None,
        mentions: Vec::new(),
        reply_to: None,
        preview: None,
    };
    old.command(command).await;
    ann.until_text("bob>ann#after").await;
    ann.send("bob", "ann>bob#end").await;
    old.until_text("ann>bob#end").await;
    let history = old.texts(ann_id).await;
    assert!(!history.contains(&"[undecryptable]".to_owned()), "{history:?}");
    for text in ["ann>bob#after", "ann>bob#end"] {
        assert_eq!(history.iter().filter(|shown| *shown == text).count(), 1, "{history:?}");
    }
    let shown = ann.texts(bob_id).await;
    assert_eq!(shown.iter().filter(|text| *text == "bob>ann#after").count(), 1, "{shown:?}");
}
