//! Groups from the command line, with the real programs: what `sotto group ...` prints and refuses, names of groups,
//! invite links with approval, mentions in JSON, who has read a message; and a group in the terminal app.

use serde_json::{Value, json};
use sotto_testkit::cli::{TestCli, json_line};
use sotto_testkit::process::{Finished, Process};
use sotto_testkit::pty::Terminal;
use sotto_testkit::{DEADLINE, TestServer, eventually};

async fn people<const N: usize>(server: &TestServer, names: [&str; N]) -> [TestCli; N] {
    let people = names.map(|name| TestCli::new(&server.url(), name));
    for person in &people {
        person.register().await;
    }
    people
}

/// The person's app is open: what others need of this device goes out whenever it is ready.
fn stay(cli: &TestCli) -> Process {
    cli.start(&["--json", "listen"])
}

/// Everything that waits for this person has arrived.
async fn drain(cli: &TestCli) {
    cli.ok(&["listen", "--json", "--until-drained"]).await;
}

/// The group as `cli` knows it, once it is as wanted.
async fn until_group(cli: &TestCli, group: &str, what: &str, good: impl Fn(&Value) -> bool) -> Value {
    eventually(DEADLINE, format!("{}: {what}", cli.profile), || async {
        drain(cli).await;
        let done = cli.run(&["--json", "group", "show", group]).await;
        let view: Value = serde_json::from_str(done.stdout.lines().next_back()?).ok()?;
        let view = view["group"].clone();
        (view.is_object() && good(&view)).then_some(view)
    })
    .await
}

fn failed(done: &Finished, code: i32, words: &[&str]) {
    assert_eq!(done.code, Some(code), "{} {}", done.stdout, done.stderr);
    let said = format!("{}{}", done.stdout, done.stderr);
    assert!(words.iter().all(|word| said.contains(word)), "{words:?} in {said}");
    assert!(!said.contains("panicked") && !said.contains("backtrace"), "{said}");
}

fn texts(lines: &[Value]) -> Vec<&str> {
    lines.iter().filter_map(|message| message["body"]["body"].as_str()).collect()
}

fn id_of(reply: &[Value]) -> String {
    reply.last().and_then(|reply| reply["group"]["group"].as_str()).expect("a group's id").to_owned()
}

#[tokio::test]
async fn a_group_is_made_used_and_left() {
    let server = TestServer::start().await;
    let [ann, bob, cem] = people(&server, ["ann", "bob", "cem"]).await;
    let _open = [stay(&ann), stay(&bob)];
    let printed = ann.ok(&["group", "create", "Lunch", "@bob", "cem", "--description", "at noon"]).await;
    assert!(printed.contains("“Lunch” is made; 3 member(s)"), "{printed}");
    let id = printed.lines().find_map(|line| line.strip_prefix("id")).expect("the id").trim().to_owned();
    assert_eq!(id.len(), 64, "{printed}");
    until_group(&bob, &id, "the title", |view| view["title"] == "Lunch").await;
    let list = bob.ok(&["group", "list"]).await;
    assert!(list.contains(&id[..8]) && list.contains("Lunch") && list.contains("3 member(s)"), "{list}");
    assert!(ann.ok(&["group", "list"]).await.contains("you own it"));

    // By title and by the beginning of the id, wherever a conversation is named.
    assert_eq!(ann.send("Lunch", "one").await["status"], "sent");
    assert_eq!(bob.send(&id[..6], "two").await["status"], "sent");
    drain(&cem).await;
    assert_eq!(cem.send(&id, "three").await["status"], "sent");
    drain(&ann).await;
    for name in ["Lunch", &id, &id[..10]] {
        assert_eq!(texts(&ann.json(&["history", name]).await), ["one", "two", "three"], "{name}");
    }
    let lines = ann.ok(&["history", "Lunch"]).await;
    for wanted in ["Lunch  You made this group with bob and cem", "me → Lunch  one ✓", "bob in Lunch  two"] {
        assert!(lines.contains(wanted), "{wanted:?} in\n{lines}");
    }
    let found = ann.ok(&["search", "--in", "Lunch", "two"]).await;
    assert!(found.contains("bob in Lunch"), "{found}");
    let listed = cem.ok(&["conversations"]).await;
    assert!(listed.contains("Lunch") && listed.contains("three"), "{listed}");
    let stream =
        ann.run_with(&["--json", "send", "--stdin"], &json!({"to": "Lunch", "text": "four"}).to_string()).await;
    assert_eq!(stream.code, Some(0), "{} {}", stream.stdout, stream.stderr);

    // Roles, details and permissions.
    ann.ok(&["group", "promote", "Lunch", "@bob"]).await;
    let shown = ann.ok(&["group", "show", "Lunch"]).await;
    for wanted in ["“Lunch”", "at noon", &id, "@ann  owner", "@bob  admin", "@cem", "write: members"] {
        assert!(shown.contains(wanted), "{wanted:?} in\n{shown}");
    }
    ann.ok(&["group", "set", "Lunch", "--title", "Lunch at one", "--post", "admins"]).await;
    let view = until_group(&cem, &id, "the new title", |view| view["title"] == "Lunch at one").await;
    assert_eq!((&view["description"], &view["post"]), (&json!("at noon"), &json!("admins")), "the rest stays");
    let refused = cem.run(&["send", "Lunch at one", "may I?"]).await;
    assert_eq!(refused.code, Some(4), "{} {}", refused.stdout, refused.stderr);
    failed(&cem.run(&["group", "remove", &id, "@bob"]).await, 4, &[]);
    failed(&ann.run(&["group", "remove", &id, "@zoe"]).await, 3, &["@zoe is no member"]);
    failed(&ann.run(&["group", "show", "Lunch"]).await, 3, &["there is no group \"Lunch\"", "group list"]);
    failed(&ann.run(&["group", "add", &id, "@nobody.here"]).await, 3, &["nobody.here"]);
    failed(&ann.run(&["group", "set", &id, "--picture", "/no/such/file"]).await, 2, &["cannot read the picture"]);

    // Handing over, leaving, deleting: asked for first.
    for command in ["leave", "delete"] {
        failed(&ann.run(&["group", command, &id]).await, 2, &["confirm with --yes"]);
    }
    ann.ok(&["group", "hand-over", &id, "@bob", "--yes"]).await;
    ann.ok(&["group", "leave", &id, "--yes"]).await;
    until_group(&bob, &id, "ann's leaving", |view| view["members"].as_array().is_some_and(|all| all.len() == 2)).await;
    assert!(ann.ok(&["group", "list"]).await.contains("you are not in it"));
    bob.ok(&["group", "delete", &id, "--yes"]).await;
    until_group(&cem, &id, "its end", |view| view["deleted"] == true).await;
}

#[tokio::test]
async fn a_name_that_could_be_two_goes_to_neither() {
    let server = TestServer::start().await;
    let [ann, bob] = people(&server, ["ann", "bob"]).await;
    let _open = stay(&ann);
    let one = id_of(&ann.json(&["group", "create", "Lunch", "@bob"]).await);
    let other = id_of(&ann.json(&["group", "create", "Lunch"]).await);
    let done = ann.run(&["send", "Lunch", "to whom?"]).await;
    failed(&done, 2, &["could be", &one[..8], &other[..8], "name the group by its id"]);
    let done = ann.run(&["--json", "group", "show", "Lunch"]).await;
    failed(&done, 2, &["\"kind\":\"ambiguous\""]);
    // A group that is called like a person takes nothing that is meant for them.
    let as_bob = id_of(&ann.json(&["group", "create", "bob", "@bob"]).await);
    failed(&ann.run(&["send", "bob", "secret"]).await, 2, &["@bob", &as_bob[..8]]);
    assert_eq!(ann.send("@bob", "for bob").await["status"], "sent");
    assert_eq!(ann.send(&as_bob, "for the group").await["status"], "sent");
    drain(&bob).await;
    assert_eq!(texts(&bob.json(&["history", "ann"]).await), ["for bob"]);
    // Nobody is called so: it is the group.
    ann.ok(&["group", "create", "family", "@bob"]).await;
    assert_eq!(ann.send("family", "hello").await["status"], "sent");
    failed(&ann.run(&["send", "no such group", "hello"]).await, 2, &["no such group", "no group is called so either"]);
}

#[tokio::test]
async fn invite_links_lead_in_when_an_admin_lets_in() {
    let server = TestServer::start().await;
    let [ann, bob, cem, dan] = people(&server, ["ann", "bob", "cem", "dan"]).await;
    let _open = [stay(&ann), stay(&cem)];
    let id = id_of(&ann.json(&["group", "create", "Open house", "@bob"]).await);
    let printed = ann.ok(&["group", "invite", &id, "--expires", "1d", "--uses", "5", "--approval"]).await;
    assert!(printed.contains('█') && printed.contains("5 use(s) left, an admin lets in"), "{printed}");
    let link = printed.lines().find(|line| line.contains("/#/g/")).expect("the link").trim().to_owned();

    let seen = cem.ok(&["group", "look", &link]).await;
    for wanted in ["“Open house”", "members   2", "An admin has to let you in"] {
        assert!(seen.contains(wanted), "{wanted:?} in\n{seen}");
    }
    assert_eq!(cem.json(&["group", "list"]).await, Vec::<Value>::new(), "looking is not joining");
    for person in [&cem, &dan] {
        let asked = person.json(&["group", "join", &link]).await;
        assert_eq!(asked[0]["invitation"]["standing"], "waiting", "{asked:?}");
    }
    let asks = |view: &Value| view["requests"].as_array().is_some_and(|all| all.len() == 2);
    until_group(&ann, &id, "the requests", asks).await;
    let shown = ann.ok(&["group", "show", &id]).await;
    assert!(shown.matches("asks to join").count() == 2 && shown.contains(&link), "{shown}");
    failed(&ann.run(&["group", "approve", &id, "@bob"]).await, 3, &["@bob has not asked"]);
    ann.send(&id, "before cem").await;
    ann.ok(&["group", "approve", &id, "@cem"]).await;
    ann.ok(&["group", "decline", &id, "@dan"]).await;
    let is_in = |view: &Value| view["my_role"] == "member";
    let view = until_group(&cem, &id, "being let in", is_in).await;
    assert_eq!((&view["title"], &view["requests"]), (&json!("Open house"), &json!([])));
    assert_eq!(cem.send(&id, "thanks").await["status"], "sent");
    drain(&ann).await;
    assert_eq!(texts(&ann.json(&["history", &id]).await), ["before cem", "thanks"]);
    assert_eq!(texts(&cem.json(&["history", &id]).await), ["thanks"]);

    // A link that lets in at once, until it is closed.
    let invite = ann.json(&["group", "invite", &id]).await.remove(0);
    let (open, key) = (invite["link"].as_str().expect("a link"), invite["public_key"].as_str().expect("a key"));
    let joined = dan.json(&["group", "join", open]).await;
    assert_eq!(joined[0]["invitation"]["standing"], "member", "{joined:?}");
    until_group(&bob, &id, "dan", |view| view["members"].as_array().is_some_and(|all| all.len() == 4)).await;
    drain(&dan).await;
    assert_eq!(dan.send(&id, "here I am").await["status"], "sent");
    until_group(&ann, &id, "dan", |view| view["members"].as_array().is_some_and(|all| all.len() == 4)).await;
    let lines = ann.ok(&["history", &id]).await;
    assert!(lines.contains("dan joined by an invite link") && lines.contains("cem asked to join"), "{lines}");
    ann.ok(&["group", "close-invite", &id, &key[..8]]).await;
    ann.ok(&["group", "remove", &id, "@dan"]).await;
    until_group(&dan, &id, "being removed", |view| view["my_role"] == Value::Null).await;
    failed(&dan.run(&["group", "join", open]).await, 4, &["closed"]);
    failed(&dan.run(&["group", "join", "hello"]).await, 2, &["no invite link"]);
}

#[tokio::test]
async fn mentions_are_found_told_and_read() {
    let server = TestServer::start().await;
    let [ann, bob] = people(&server, ["ann", "bob"]).await;
    let _open = stay(&ann);
    let id = id_of(&ann.json(&["group", "create", "Lunch", "@bob"]).await);
    let bob_id = bob.json(&["whoami"]).await[0]["me"]["account"].clone();
    until_group(&bob, &id, "the title", |view| view["title"] == "Lunch").await;
    let listening = bob.start(&["--json", "listen", "--mark-read"]);
    let next = async |from: usize, text: &'static str| {
        json_line(&listening, from, text, |line| (line["message"]["body"]["body"] == text).then(|| line.clone())).await
    };
    ann.send(&id, "\u{1F600} @Bob: and you, @all?").await;
    let (line, at) = next(0, "\u{1F600} @Bob: and you, @all?").await;
    let want = json!([{"start": 3, "length": 4, "account": bob_id}, {"start": 18, "length": 4, "account": null}]);
    assert_eq!(line["message"]["body"]["mentions"], want, "{line}");
    assert_eq!((&line["message"]["mentions_me"], &line["title"]), (&json!(true), &json!("Lunch")), "{line}");
    assert_eq!((&line["message"]["from_name"], &line["username"]), (&json!("ann"), &Value::Null), "{line}");
    ann.ok(&["send", &id, "not you, @bob", "--no-mentions"]).await;
    let (line, at) = next(at, "not you, @bob").await;
    assert_eq!((&line["message"]["mentions_me"], &line["message"]["body"]["mentions"]), (&json!(false), &Value::Null));
    // In a conversation of two an @ is an @.
    ann.send("bob", "you are @bob").await;
    next(at, "you are @bob").await;

    // Who has read it, by name and time.
    let name = ann.json(&["history", &id]).await.iter().find_map(|message| {
        message["body"]["body"]
            .as_str()
            .filter(|body| body.contains("@all"))
            .and(message["name"].as_str().map(str::to_owned))
    });
    let name = name.expect("the message has a name");
    let read = || async {
        drain(&ann).await;
        let shown = ann.ok(&["show", &name]).await;
        shown.contains("read by (1 of 1):").then_some(shown)
    };
    let shown = eventually(DEADLINE, "bob's receipt", read).await;
    assert!(shown.lines().any(|line| line.starts_with("  20") && line.ends_with("  bob")), "{shown}");
    let details = ann.json(&["show", &name]).await[0]["details"].clone();
    assert_eq!(details["members"][0]["person"]["name"], "bob", "{details}");
    assert!(details["members"][0]["read_ms"].is_u64(), "{details}");
    failed(&ann.run(&["show", "018f3c1e-0000-7000-8000-000000000001"]).await, 3, &["no message"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_in_the_app() {
    let server = TestServer::start().await;
    let [ann, bob] = people(&server, ["ann", "bob"]).await;
    let _open = stay(&ann);
    let id = id_of(&ann.json(&["group", "create", "Lunch", "@bob"]).await);
    until_group(&bob, &id, "the title", |view| view["title"] == "Lunch").await;
    bob.send(&id, "hungry, @ann?").await;
    let mut command = ann.command().into_std();
    command.args(["chat", "Lunch"]);
    let status = tokio::task::spawn_blocking(move || {
        let mut terminal = Terminal::start(&mut command);
        // The last line is drawn last: before it is there, Escape and the key after it could be read as one.
        terminal.until("the group", |screen| screen.contains("Lunch · 2") && screen.contains("Enter send"));
        terminal.until("Bob's message with his name", |screen| screen.contains("bob: hungry, @ann?"));
        // The people of the group.
        terminal.type_keys("\x1b");
        terminal.until("the messages", |screen| screen.contains("? help"));
        terminal.type_keys("p");
        terminal.until("the members", |screen| screen.contains("@ann  owner") && screen.contains("@bob"));
        terminal.type_keys("\x1b");
        terminal.until("the messages again", |screen| !screen.contains("@ann  owner") && screen.contains("? help"));
        terminal.type_keys("\r");
        terminal.until("the field", |screen| screen.contains("Enter send"));
        terminal.type_keys("soon @b\t");
        terminal.until("the completed name", |screen| screen.contains("soon @bob"));
        terminal.type_keys("\r");
        terminal
            .until("the tick", |screen| screen.lines().any(|line| line.contains("soon @bob") && line.contains('✓')));
        terminal.type_keys("\x03");
        terminal.wait()
    })
    .await
    .expect("the app runs");
    assert!(status.success(), "{status}");
    drain(&bob).await;
    let last = bob.json(&["history", &id]).await.pop().expect("messages");
    assert_eq!((&last["body"]["body"], &last["mentions_me"]), (&json!("soon @bob "), &json!(true)), "{last}");
}
