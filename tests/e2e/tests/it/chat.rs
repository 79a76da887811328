//! `sotto chat` in a real terminal: type a message, see its ticks, see the answer.

use sotto_testkit::TestServer;
use sotto_testkit::cli::TestCli;
use sotto_testkit::pty::Terminal;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_typed_in_the_app_gets_its_ticks() {
    let server = TestServer::start().await;
    let (ann, bob) = (TestCli::new(&server.url(), "ann"), TestCli::new(&server.url(), "bob"));
    ann.register().await;
    bob.register().await;
    assert_eq!(bob.send("ann", "are you there?").await["status"], "sent");

    let mut command = ann.command().into_std();
    command.args(["chat", "bob"]);
    let mut terminal = tokio::task::spawn_blocking(move || {
        let terminal = Terminal::start(&mut command);
        terminal.until("Bob's message", |screen| screen.contains("are you there?"));
        terminal
    })
    .await
    .expect("the app starts");
    terminal = tokio::task::spawn_blocking(move || {
        terminal.type_keys("yes, here I am\r");
        terminal.until("the tick", |screen| line_of(screen, "yes, here I am").is_some_and(|line| line.contains('✓')));
        terminal
    })
    .await
    .expect("a message is typed");
    // Bob's device takes it: two ticks; he reads it and answers.
    let listening = bob.start(&["--json", "listen", "--mark-read"]);
    terminal = tokio::task::spawn_blocking(move || {
        terminal.until("two ticks", |screen| line_of(screen, "yes, here I am").is_some_and(|line| line.contains("✓✓")));
        terminal
    })
    .await
    .expect("the ticks come");
    bob.ok(&["send", "ann", "good to see you"]).await;
    let status = tokio::task::spawn_blocking(move || {
        terminal.until("the answer", |screen| screen.contains("good to see you"));
        // Ctrl-C (or Ctrl-Q) ends it and leaves the terminal as it was.
        terminal.type_keys("\x03");
        terminal.wait()
    })
    .await
    .expect("the app ends");
    assert!(status.success(), "{status}");
    drop(listening);
    let history = ann.json(&["history", "bob"]).await;
    let texts: Vec<_> = history.iter().filter_map(|message| message["body"]["body"].as_str()).collect();
    assert_eq!(texts, ["are you there?", "yes, here I am", "good to see you"]);
}

/// The line on which `text` stands, and the one after it, where a tick may have been wrapped to.
fn line_of(screen: &str, text: &str) -> Option<String> {
    let lines: Vec<&str> = screen.lines().collect();
    let at = lines.iter().rposition(|line| line.contains(text))?;
    Some(lines[at..lines.len().min(at + 2)].join(" "))
}
