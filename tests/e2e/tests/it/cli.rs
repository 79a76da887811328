//! The README's commands with the real programs: two people, messages both ways, `--json`, and what bad input says: unknown
//! user, wrong address, server down, wrong passphrase, wrong recovery code, newer store. And the demo bot.

use serde_json::{Value, json};
use sotto_testkit::cli::{TestCli, json_line, parse_lines};
use sotto_testkit::process::Finished;
use sotto_testkit::{DEADLINE, ServerOptions, TestServer, eventually};

fn texts(history: &[Value]) -> Vec<&str> {
    history.iter().filter_map(|message| message["body"]["body"].as_str()).collect()
}

async fn history(cli: &TestCli, with: &str) -> Vec<Value> {
    cli.json(&["history", with]).await
}

#[tokio::test]
async fn two_people_talk() {
    let server = TestServer::start().await;
    let (ann, bob) = (TestCli::new(&server.url(), "ann"), TestCli::new(&server.url(), "bob"));
    let printed = ann.ok(&["register", "ann", "--yes"]).await;
    assert!(printed.contains("@ann") && printed.contains("recovery code"), "{printed}");
    let registered = bob.register().await;
    assert!(registered["recovery_code"].as_str().is_some_and(|code| code.len() > 20), "{registered}");
    assert_eq!(registered["me"]["username"], "bob");

    let sent = ann.send("bob", "hello").await;
    assert_eq!((&sent["status"], &sent["to"]), (&json!("sent"), &json!("bob")));
    let listening = bob.start(&["--json", "listen", "--mark-read"]);
    let (line, _) = json_line(&listening, 0, "the message", |line| {
        (line["message"]["body"]["body"] == "hello").then(|| line.clone())
    })
    .await;
    assert_eq!((&line["event"], &line["username"]), (&json!("message_added"), &json!("ann")), "{line}");
    // A second process attaches to the one that owns the profile.
    assert_eq!(bob.send("ann", "hi yourself").await["status"], "sent");
    ann.ok(&["listen", "--json", "--until-drained"]).await;
    assert_eq!(texts(&history(&ann, "bob").await), ["hello", "hi yourself"]);
    assert_eq!(texts(&history(&bob, "@ann").await), ["hello", "hi yourself"]);
    // Bob's listener marked it as read: blue, with times.
    let read = || async {
        ann.ok(&["listen", "--json", "--until-drained"]).await;
        let history = history(&ann, "bob").await;
        (history[0]["status"] == "read" && history[0]["read_ms"].is_u64()).then_some(())
    };
    eventually(DEADLINE, "the blue tick", read).await;

    let hits = ann.json(&["search", "your"]).await;
    assert_eq!(hits.len(), 1, "{hits:?}");
    assert_eq!(ann.json(&["whoami"]).await[0]["me"]["username"], "ann");
    let note = ann.send("me", "buy milk").await;
    assert_eq!(note["status"], "sent", "{note}");
    let (one, other) = (ann.ok(&["safety-number", "bob"]).await, bob.ok(&["safety-number", "ann"]).await);
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).take(60).collect::<String>();
    assert_eq!(digits(&one).len(), 60);
    assert_eq!(digits(&one), digits(&other), "{one}\n{other}");
    let exported = parse_lines(&ann.ok(&["export"]).await);
    assert!(exported.iter().any(|line| line.to_string().contains("hi yourself")), "{exported:?}");
}

#[tokio::test]
async fn a_stream_of_messages_survives_bad_lines() {
    let server = TestServer::start().await;
    let (ann, bob) = (TestCli::new(&server.url(), "ann"), TestCli::new(&server.url(), "bob"));
    ann.register().await;
    bob.register().await;
    let name = "018f3c1e-0000-7000-8000-000000000001";
    let lines = [
        json!({"to": "bob", "text": "one"}).to_string(),
        "this is no JSON".into(),
        json!({"to": "nobody.here", "text": "lost"}).to_string(),
        json!({"to": "bob", "text": "two", "name": name}).to_string(),
        json!({"to": "bob", "text": "two", "name": name}).to_string(),
        json!({"to": "bob", "text": "drei ✓ \u{1F600} \"quoted\"\nsecond line"}).to_string(),
    ];
    let done = ann.run_with(&["--json", "send", "--stdin"], &lines.join("\n")).await;
    assert!(matches!(done.code, Some(2 | 3)), "the first failure's code: {} {}", done.stdout, done.stderr);
    let outcomes = parse_lines(&done.stdout);
    let of = |line: u64| outcomes.iter().find(|outcome| outcome["line"] == line).cloned().unwrap_or_default();
    assert_eq!(of(1)["status"], "sent", "{outcomes:?}");
    assert_eq!(of(2)["error"]["kind"], "usage", "{outcomes:?}");
    assert_eq!(of(3)["error"]["kind"], "not_found", "{outcomes:?}");
    assert_eq!(of(4)["status"], "sent", "{outcomes:?}");
    bob.ok(&["listen", "--json", "--until-drained"]).await;
    let history = history(&bob, "ann").await;
    assert_eq!(texts(&history), ["one", "two", "drei ✓ \u{1F600} \"quoted\"\nsecond line"]);
}

fn failed(done: &Finished, code: i32, words: &[&str]) {
    assert_eq!(done.code, Some(code), "{} {}", done.stdout, done.stderr);
    let said = format!("{}{}", done.stdout, done.stderr).to_lowercase();
    assert!(words.iter().all(|word| said.contains(word)), "{words:?} in {said}");
    assert!(!said.contains("panicked") && !said.contains("backtrace"), "{said}");
}

#[tokio::test]
async fn bad_input_says_what_is_wrong_and_what_to_do() {
    let mut server = TestServer::start().await;
    let ann = TestCli::new(&server.url(), "ann");
    let code = ann.register().await["recovery_code"].as_str().map(str::to_owned).expect("a code");

    failed(&ann.run(&["send", "nobody.here", "hello"]).await, 3, &["nobody.here"]);
    failed(&ann.run(&["send", "a b", "hello"]).await, 2, &["a b"]);
    failed(&ann.run(&["history", "nobody.here"]).await, 3, &["nobody.here"]);
    failed(&ann.run(&["register", "ann2", "--yes"]).await, 4, &["belongs to @ann"]);
    let taken = TestCli::new(&server.url(), "other");
    failed(&taken.run(&["register", "ann", "--yes"]).await, 4, &["taken"]);
    failed(&taken.run(&["register", "a!", "--yes"]).await, 2, &["a!"]);
    failed(&taken.run(&["whoami"]).await, 4, &["register"]);
    failed(&taken.run(&["no-such-command"]).await, 2, &["no-such-command"]);
    // With --json the last line is the error.
    let done = ann.run(&["--json", "send", "nobody.here", "hello"]).await;
    let error = parse_lines(&done.stdout).pop().expect("a line");
    assert_eq!((&error["error"]["kind"], &error["error"]["exit_code"]), (&json!("not_found"), &json!(3)));

    // A wrong recovery code, and a typo.
    let zoe = TestCli::new(&server.url(), "zoe");
    let zoe_code = zoe.register().await["recovery_code"].as_str().map(str::to_owned).expect("a code");
    let lost = TestCli::new(&server.url(), "lost");
    let done = lost.run_with(&["recover", "ann"], &zoe_code).await;
    failed(&done, 4, &["code"]);
    let done = lost.run_with(&["recover", "ann"], "not a code at all").await;
    failed(&done, 2, &["code"]);
    // A new code asks for the current one.
    failed(&ann.run_with(&["new-recovery-code"], &zoe_code).await, 4, &["current recovery code"]);
    failed(&ann.run_with(&["new-recovery-code"], "not a code at all").await, 2, &["code"]);
    failed(&ann.run(&["new-recovery-code"]).await, 2, &["no recovery code"]);
    let done = ann.run_with(&["--json", "new-recovery-code"], &code).await;
    let new_code = parse_lines(&done.stdout).pop().expect("a line")["recovery_code"].clone();
    failed(&lost.run_with(&["recover", "ann"], &code).await, 4, &["code"]);
    let code = new_code.as_str().expect("a code").to_owned();
    let done = lost.run_with(&["--json", "recover", "ann"], &code).await;
    assert_eq!(done.code, Some(0), "{} {}", done.stdout, done.stderr);

    // A wrong address: nothing there, no server at all, not even an address.
    let wrong = TestCli::new("http://127.0.0.1:1", "wrong");
    failed(&wrong.run(&["register", "carl", "--yes"]).await, 5, &["cannot be reached", "address"]);
    let nameless = TestCli::new("http://no.such.host.invalid", "nameless");
    failed(&nameless.run(&["register", "carl", "--yes"]).await, 5, &["cannot be reached", "address"]);
    failed(&TestCli::new("chat.example.org", "odd").run(&["register", "carl", "--yes"]).await, 2, &["address"]);

    // The server is down: the message is kept, the text says so, and it goes out later.
    server.terminate().await;
    let done = ann.run(&["send", "zoe", "for later", "--timeout", "1"]).await;
    assert!(done.code.is_some_and(|code| code != 0), "{} {}", done.stdout, done.stderr);
    server.restart().await;
    let bob = TestCli::new(&server.url(), "bob");
    bob.register().await;
    assert_eq!(ann.send("bob", "first").await["status"], "sent");
    server.terminate().await;
    failed(&ann.run(&["send", "bob", "for later", "--timeout", "1"]).await, 5, &["saved"]);
    assert_eq!(texts(&history(&ann, "bob").await), ["first", "for later"], "history needs no server");
    server.restart().await;
    let sent = || async {
        ann.ok(&["listen", "--json", "--until-drained"]).await;
        (history(&ann, "bob").await[1]["status"] == "sent").then_some(())
    };
    eventually(DEADLINE, "the kept message to go out", sent).await;
    bob.ok(&["listen", "--json", "--until-drained"]).await;
    assert_eq!(texts(&history(&bob, "ann").await), ["first", "for later"]);
}

#[tokio::test]
async fn a_locked_profile_and_a_newer_store() {
    let server = TestServer::start().await;
    let ann = TestCli::new(&server.url(), "ann");
    ann.register().await;
    let right = ann.clone().env("SOTTO_PASSPHRASE", "correct horse");
    right.ok(&["lock"]).await;
    failed(&ann.run(&["whoami"]).await, 9, &["passphrase"]);
    failed(&ann.clone().env("SOTTO_PASSPHRASE", "wrong").run(&["whoami"]).await, 9, &["passphrase"]);
    assert_eq!(right.json(&["whoami"]).await[0]["me"]["username"], "ann");
    right.ok(&["unlock"]).await;
    ann.ok(&["whoami"]).await;
}

#[tokio::test]
async fn the_demo_bot_answers() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/echo-bot/run.sh");
    let options = ServerOptions::default().arg("--demo").env("SOTTO_DEMO_SCRIPT", script);
    let mut server = TestServer::start_with(options).await;
    let ann = TestCli::new(&server.url(), "ann");
    ann.register().await;
    // The bot registers after the server is up.
    let sent = || async {
        let done = ann.run(&["--json", "send", "echo", "anyone there?"]).await;
        (done.code == Some(0)).then_some(())
    };
    eventually(DEADLINE, "the bot's account", sent).await;
    let answered = || async {
        ann.ok(&["listen", "--json", "--until-drained"]).await;
        let history = history(&ann, "echo").await;
        let answer = history.iter().find(|message| message["from_me"] == false)?;
        answer["body"]["body"].as_str().map(str::to_owned)
    };
    let answer = eventually(DEADLINE, "the bot's answer", answered).await;
    assert!(answer.contains("anyone there?"), "{answer}");
    assert!(server.terminate().await.success());
}
