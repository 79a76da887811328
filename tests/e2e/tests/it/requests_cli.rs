//! Message requests, reports, privacy, profiles, presence and typing with the real programs, on a server with its defaults: who
//! is new waits and learns nothing, until they are accepted.

use serde_json::{Value, json};
use sotto_testkit::cli::{TestCli, json_line};
use sotto_testkit::process::Finished;
use sotto_testkit::pty::Terminal;
use sotto_testkit::{DEADLINE, ServerOptions, TestServer, eventually};

async fn people<const N: usize>(names: [&str; N]) -> (TestServer, [TestCli; N]) {
    let server = TestServer::start_with(ServerOptions::default().env("SOTTO_MESSAGES_REQUESTS", "true")).await;
    let people = names.map(|name| TestCli::new(&server.url(), name));
    for person in &people {
        person.register().await;
    }
    (server, people)
}

/// Everything that waits for this person has arrived.
async fn drain(cli: &TestCli) -> Vec<Value> {
    cli.json(&["listen", "--until-drained"]).await
}

/// How far the last message in a conversation got.
async fn status(cli: &TestCli, with: &str) -> Value {
    drain(cli).await;
    cli.json(&["history", with]).await.pop().expect("a message")["status"].clone()
}

fn failed(done: &Finished, code: i32, words: &[&str]) {
    assert_eq!(done.code, Some(code), "{} {}", done.stdout, done.stderr);
    let said = format!("{}{}", done.stdout, done.stderr);
    assert!(words.iter().all(|word| said.contains(word)), "{words:?} in {said}");
    assert!(!said.contains("panicked") && !said.contains("backtrace"), "{said}");
}

/// They accept each other, and both know it.
async fn acquainted(ann: &TestCli, bob: &TestCli) {
    ann.send(&bob.profile, "hello").await;
    drain(bob).await;
    bob.ok(&["accept", &ann.profile]).await;
    let is_told = || async { (status(ann, &bob.profile).await == "delivered").then_some(()) };
    eventually(DEADLINE, "the tick after the acceptance", is_told).await;
    // Writing accepted already, but this waits until the server knows.
    ann.ok(&["accept", &bob.profile]).await;
}

#[tokio::test]
async fn somebody_new_waits_and_learns_nothing() {
    let (_server, [ann, bob]) = people(["ann", "bob"]).await;
    assert_eq!(ann.send("bob", "hello there").await["status"], "sent");
    let listened = bob.ok(&["listen", "--until-drained"]).await;
    assert!(listened.contains("request from @ann") && listened.contains("sotto accept ann"), "{listened}");
    let marked = bob.json(&["listen", "--until-drained", "--mark-read"]).await;
    let line = marked.iter().find(|line| line["event"] == "message_added").expect("the message");
    assert_eq!((&line["request"], &line["username"]), (&json!(true), &json!("ann")), "{line}");
    let requests = bob.json(&["requests"]).await;
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert_eq!((&requests[0]["contact"]["username"], &requests[0]["messages"]), (&json!("ann"), &json!(1)));
    assert_eq!(requests[0]["first"]["body"]["body"], "hello there");
    let listed = bob.ok(&["requests"]).await;
    assert!(listed.contains("@ann  1 message  ") && listed.contains("hello there"), "{listed}");
    let history = bob.run(&["history", "ann"]).await;
    assert!(history.stderr.contains("does not see that you read this"), "{}", history.stderr);
    assert_eq!(status(&ann, "bob").await, "sent", "bob has it, and has read it; ann learns nothing");

    let done = bob.ok(&["accept", "ann"]).await;
    assert!(done.contains("@ann is accepted"), "{done}");
    let is_read = || async { (status(&ann, "bob").await == "read").then_some(()) };
    eventually(DEADLINE, "what ann was not told", is_read).await;
    assert_eq!(bob.json(&["requests"]).await, Vec::<Value>::new());
    ann.send("bob", "thanks").await;
    let lines = drain(&bob).await;
    let line = lines.iter().find(|line| line["message"]["body"]["body"] == "thanks").expect("the message");
    assert_eq!(line["request"], Value::Null, "{line}");
    failed(&bob.run(&["accept", "me"]).await, 2, &["that is you"]);
    failed(&bob.run(&["accept", "nobody.here"]).await, 3, &["nobody.here"]);
}

#[tokio::test]
async fn a_bot_accepts_and_an_answer_does() {
    let (_server, [ann, bot, cem]) = people(["ann", "bot", "cem"]).await;
    ann.send("bot", "hello").await;
    let lines = bot.json(&["listen", "--until-drained", "--accept-requests"]).await;
    let line = lines.iter().find(|line| line["event"] == "message_added").expect("the message");
    assert_eq!(line["request"], Value::Null, "{line}");
    assert_eq!(bot.json(&["requests"]).await, Vec::<Value>::new());
    cem.send("ann", "and me?").await;
    drain(&ann).await;
    assert_eq!(ann.json(&["requests"]).await.len(), 1);
    ann.send("cem", "sure").await;
    assert_eq!(ann.json(&["requests"]).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_report_reaches_the_operator_and_a_request_goes() {
    let (server, [eve, bob]) = people(["eve", "bob"]).await;
    for text in ["buy now", "or never"] {
        eve.send("bob", text).await;
    }
    drain(&bob).await;
    let about =
        ["report", "eve", "--reason", "spam", "--comment", "again and again", "--message", "eve:last", "--block"];
    failed(&bob.run(&about).await, 2, &["your word, which nothing proves", "or never", "confirm with --yes"]);
    assert!(!server.command(&["reports"]).await.stdout.contains("eve"), "nothing was sent");
    failed(&bob.run(&["report", "me", "--yes"]).await, 2, &["that is you"]);
    let sure: Vec<&str> = about.iter().copied().chain(["--yes"]).collect();
    let done = bob.ok(&sure).await;
    assert!(done.contains("@eve is reported") && done.contains("blocked"), "{done}");
    let listed = server.command(&["reports"]).await.stdout;
    assert!(listed.contains("spam") && listed.contains("eve"), "{listed}");
    let shown = server.command(&["reports", "show", "1"]).await.stdout;
    assert!(shown.contains("again and again") && shown.contains("or never") && !shown.contains("buy now"), "{shown}");
    assert_eq!(bob.json(&["requests"]).await, Vec::<Value>::new(), "blocked is decided");

    failed(&bob.run(&["delete-conversation", "eve"]).await, 2, &["confirm with --yes"]);
    let done = bob.ok(&["delete-conversation", "eve", "--yes"]).await;
    assert!(done.contains("Deleted from your devices: the conversation with @eve"), "{done}");
    let conversations = bob.json(&["conversations"]).await;
    assert!(!conversations[0].to_string().contains("eve"), "{conversations:?}");
}

#[tokio::test]
async fn contacts_see_a_profile_as_far_as_they_may() {
    let (_server, [ann, bob]) = people(["ann", "bob"]).await;
    acquainted(&ann, &bob).await;
    // Their apps are open: what others need goes out and comes in whenever it is ready.
    let _open = [ann.start(&["--json", "listen"]), bob.start(&["--json", "listen"])];
    let file = |name: &str, bytes: &[u8]| {
        let path = ann.home().join(name);
        std::fs::write(&path, bytes).expect("a file");
        path.to_str().expect("a plain path").to_owned()
    };
    let bytes: Vec<u8> =
        b"\x89PNG\r\n\x1a\n".iter().copied().chain((0..40_000u32).map(|n| n.to_le_bytes()[0])).collect();
    let picture = file("me.png", &bytes);
    failed(&ann.run(&["profile", "--picture", &file("me.gif", b"GIF89a")]).await, 2, &["PNG, JPEG or WebP"]);
    failed(&ann.run(&["profile", "--picture", &file("big.png", &bytes.repeat(2))]).await, 2, &["at most 48 KiB"]);
    failed(&ann.run(&["profile", "--name", &"x".repeat(65)]).await, 2, &["64 characters"]);
    let set = ann.ok(&["profile", "--name", "Ann Example", "--about", "At sea", "--picture", &picture]).await;
    for wanted in ["@ann", "name      Ann Example", "about     At sea", "picture   image/png"] {
        assert!(set.contains(wanted), "{wanted:?} in {set}");
    }
    let seen = |what: &'static str, good: fn(&Value) -> bool| {
        let bob = &bob;
        eventually(DEADLINE, what, move || async move {
            let contact = bob.json(&["profile", "ann"]).await.remove(0)["contact"].clone();
            good(&contact).then_some(contact)
        })
    };
    let contact = seen("ann's profile", |contact| contact["picture"].is_string()).await;
    assert_eq!((&contact["display_name"], &contact["about"]), (&json!("Ann Example"), &json!("At sea")));
    let saved = bob.home().join("ann.png");
    let path = saved.to_str().expect("a plain path");
    bob.ok(&["profile", "ann", "--save-picture", path]).await;
    assert!(std::fs::read(&saved).expect("saved") == bytes, "the same picture");
    failed(&bob.run(&["profile", "ann", "--save-picture", path]).await, 2, &["cannot write"]);
    failed(&bob.run(&["profile", "--save-picture", path]).await, 3, &["you have no picture"]);
    let listed = bob.ok(&["contact", "list"]).await;
    assert!(listed.contains("@ann · Ann Example  At sea"), "{listed}");

    let shown = ann.ok(&["privacy", "--about", "nobody", "--picture-except", "bob", "--last-seen", "nobody"]).await;
    for wanted in [
        "about          nobody",
        "picture        everyone, except @bob",
        "last seen      nobody",
        "online         contacts",
    ] {
        assert!(shown.contains(wanted), "{wanted:?} in {shown}");
    }
    let contact =
        seen("what is left of it", |contact| contact["about"].is_null() && contact["picture"].is_null()).await;
    assert_eq!(contact["display_name"], "Ann Example");
    ann.ok(&["privacy", "--picture-except", ""]).await;
    seen("the picture again", |contact| contact["about"].is_null() && contact["picture"].is_string()).await;
    let privacy = ann.json(&["privacy"]).await.remove(0)["privacy"].clone();
    assert_eq!((&privacy["about"]["audience"], &privacy["picture"]["except"]), (&json!("nobody"), &json!([])));
    failed(&ann.run(&["privacy", "--picture-except", "nobody.here"]).await, 3, &["nobody.here"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_there_and_who_types() {
    let (_server, [ann, bob]) = people(["ann", "bob"]).await;
    acquainted(&ann, &bob).await;
    let me = ann.json(&["whoami"]).await[0]["me"]["account"].clone();
    let watching = bob.start(&["--json", "listen", "--presence", "ann"]);
    let told = async |from: usize, online: bool| {
        let what = if online { "ann is there" } else { "ann is gone" };
        let there = |line: &Value| {
            let people = line["people"].as_array().filter(|_| line["event"] == "presence_changed")?;
            people.iter().find(|person| person["account"] == me && person["online"] == online).cloned()
        };
        json_line(&watching, from, what, there).await
    };
    let typing = async |from: usize, state: &'static str| {
        let is = |line: &Value| (line["event"] == "typing" && line["state"] == state).then(|| line.clone());
        json_line(&watching, from, state, is).await
    };
    told(0, false).await;
    // Attached to the first one; who did not ask for it is not flooded.
    let quiet = bob.start(&["--json", "listen"]);
    let mut command = ann.command().into_std();
    command.args(["chat", "bob"]);
    let (to_app, keys) = std::sync::mpsc::channel::<&str>();
    let app = tokio::task::spawn_blocking(move || {
        let mut terminal = Terminal::start(&mut command);
        terminal.until("that bob is there", |screen| screen.contains("@bob · online") && screen.contains("Enter send"));
        for typed in keys {
            terminal.type_keys(typed);
        }
        terminal.wait()
    });
    let (_, at) = told(0, true).await;
    to_app.send("h").expect("the app runs");
    let (line, at) = typing(at, "typing").await;
    assert_eq!((&line["username"], &line["person"]["account"]), (&json!("ann"), &me), "{line}");
    // Ctrl-U: nothing is left of it.
    to_app.send("\x15").expect("the app runs");
    let (_, at) = typing(at, "stopped").await;
    to_app.send("\x03").expect("the app runs");
    drop(to_app);
    assert!(app.await.expect("the app runs").success());
    let (gone, _) = told(at, false).await;
    assert!(gone["last_seen_ms"].is_u64(), "{gone}");
    ann.send("bob", "bye").await;
    let (_, lines) =
        json_line(&quiet, 0, "the message", |line| (line["message"]["body"]["body"] == "bye").then_some(())).await;
    assert!(
        lines > 0
            && !quiet.stdout.all().iter().any(|line| line.contains("presence_changed") || line.contains("typing"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_in_the_app() {
    let (_server, [ann, bob]) = people(["ann", "bob"]).await;
    ann.send("bob", "hello there").await;
    drain(&bob).await;
    let mut command = bob.command().into_std();
    command.args(["chat", "ann"]);
    let status = tokio::task::spawn_blocking(move || {
        let mut terminal = Terminal::start(&mut command);
        terminal.until("the request", |screen| screen.contains("Requests (1)") && screen.contains("@ann is new."));
        terminal.until("its message", |screen| screen.contains("‹ hello there") && screen.contains("Accept first"));
        terminal.type_keys("a");
        terminal.until("the acceptance", |screen| !screen.contains("Requests") && !screen.contains("@ann is new."));
        terminal.type_keys("i");
        terminal.until("the field", |screen| screen.contains("Enter send"));
        terminal.type_keys("hi\r");
        terminal.until("the tick", |screen| screen.lines().any(|line| line.contains("› hi ✓")));
        terminal.type_keys("\x03");
        terminal.wait()
    })
    .await
    .expect("the app runs");
    assert!(status.success(), "{status}");
    assert_eq!(self::status(&ann, "bob").await, "received");
}
