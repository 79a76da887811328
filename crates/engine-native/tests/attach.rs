//! Owning, attaching and taking over, with a scripted machine that keeps its "store" in a file of the profile's folder.

use sotto_engine::api::{
    Command, CommandError, ConnectionView, Effect, ErrorKind, Event, Input, MessageBody, MessageStatus, MessageView,
    Reply, StatusView, Who,
};
use sotto_engine_native::{
    Client, Happening, Happenings, Host, HostConfig, Machine, Opened, Opener, ProfileError, ProfileLock, Role,
};
use sotto_types::{AccountId, ClientMsgId, DeviceId, Timestamp};
use std::io::{BufRead, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Remembers messages by name in `messages`; `Register` never answers; `SetOnline` makes 20,000 events.
struct Script {
    file: PathBuf,
}

impl Script {
    fn stored(&self) -> Vec<String> {
        let Ok(file) = std::fs::File::open(&self.file) else { return Vec::new() };
        std::io::BufReader::new(file).lines().map(|line| line.expect("text")).collect()
    }

    fn store(&self, name: ClientMsgId, body: &str) {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&self.file);
        writeln!(file.expect("opens"), "{name} {body}").expect("written");
    }
}

fn view(name: ClientMsgId, body: &str) -> MessageView {
    MessageView {
        position: 1,
        name,
        late_id: None,
        message_id: None,
        conversation: AccountId::from_bytes([2; 16]).into(),
        from: AccountId::from_bytes([1; 16]),
        from_name: "ann".into(),
        from_me: true,
        mentions_me: false,
        from_device: DeviceId::FIRST,
        body: MessageBody::Text { body: body.into(), mentions: Vec::new() },
        status: MessageStatus::Pending,
        written_ms: 0,
        server_time_ms: None,
        delivered_ms: None,
        read_ms: None,
        note: None,
        extras: Box::default(),
    }
}

impl Machine for Script {
    fn step(&mut self, inputs: Vec<Input>, _now: Timestamp) -> Vec<Effect> {
        inputs.into_iter().flat_map(|input| self.one(input)).collect()
    }
}

impl Script {
    fn one(&mut self, input: Input) -> Vec<Effect> {
        let (id, command) = match input {
            Input::Command { id, command } => (id, command),
            Input::Foreground(on) => return vec![Effect::Event(Event::Notice { text: format!("foreground {on}") })],
            _ => return Vec::new(),
        };
        let reply = |result| Effect::Reply { command: id, result };
        match command {
            Command::SendText { body, name: Some(name), .. } => {
                if !self.stored().iter().any(|line| line.starts_with(&name.to_string())) {
                    self.store(name, &body);
                }
                if body == "unanswered" {
                    // The owner dies before it can answer.
                    return Vec::new();
                }
                let message = view(name, &body);
                let added = Effect::Event(Event::MessageAdded { message: message.clone(), backlog: false });
                vec![added, reply(Ok(Reply::Queued { message }))]
            }
            Command::Status => vec![reply(Ok(Reply::Status {
                status: StatusView {
                    connection: ConnectionView::Disconnected,
                    me: None,
                    outbox: u32::try_from(self.stored().len()).expect("few"),
                    untold: 0,
                    undecryptable: 0,
                    repaired: 0,
                    clock_off_ms: 0,
                    signed_out: None,
                },
            }))],
            Command::SetOnline { .. } => {
                let flood = (0..20_000).map(|n| Effect::Event(Event::Notice { text: n.to_string() }));
                flood.chain([reply(Ok(Reply::Done))]).collect()
            }
            Command::Register { .. } => Vec::new(),
            Command::DeleteAccount => panic!("a bug in the machine"),
            _ => {
                let error = CommandError { kind: ErrorKind::NotFound, text: "scripted".into() };
                vec![reply(Err(error))]
            }
        }
    }
}

struct Scripted(PathBuf);

impl Opener for Scripted {
    fn dir(&self) -> &Path {
        &self.0
    }

    fn open(&self) -> Result<Opened, ProfileError> {
        let lock = ProfileLock::take(&self.0)?;
        let file = self.0.join("messages");
        Ok(Opened { lock, machine: Box::new(move |_| Ok((Box::new(Script { file }), Vec::new()))) })
    }
}

async fn client(dir: &Path) -> Client {
    Client::with_opener(Arc::new(Scripted(dir.to_path_buf())), HostConfig::default()).await.expect("opens")
}

fn text(body: &str, name: Option<ClientMsgId>) -> Command {
    Command::SendText { to: Who::Me, body: body.into(), name, mentions: Vec::new(), reply_to: None, preview: None }
}

async fn outbox(client: &Client) -> u32 {
    match client.command(Command::Status).await {
        Ok(Reply::Status { status }) => status.outbox,
        other => panic!("{other:?}"),
    }
}

async fn until(happenings: &mut Happenings, wanted: impl Fn(&Happening) -> bool) -> Happening {
    let look = async {
        loop {
            let happening = happenings.next().await;
            if wanted(&happening) {
                return happening;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), look).await.expect("happens in time")
}

fn body_of(happening: &Happening) -> Option<&str> {
    match happening {
        Happening::Event(event) => match event.as_ref() {
            Event::MessageAdded { message: MessageView { body: MessageBody::Text { body, .. }, .. }, .. } => Some(body),
            Event::Notice { text } => Some(text),
            _ => None,
        },
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_process_attaches_and_both_hear_everything() {
    let dir = tempfile::tempdir().expect("temp dir");
    let owner = client(dir.path()).await;
    assert_eq!(owner.role(), Role::Owner);
    let socket = dir.path().join("attach.sock");
    assert_eq!(std::fs::metadata(&socket).expect("listens").permissions().mode() & 0o777, 0o600);
    let other = client(dir.path()).await;
    assert_eq!(other.role(), Role::Attached { owner: Some(std::process::id()) });

    let (mut here, mut there) = (owner.happenings(), other.happenings());
    assert!(matches!(other.command(text("from the attached", None)).await, Ok(Reply::Queued { .. })));
    assert!(matches!(owner.command(text("from the owner", None)).await, Ok(Reply::Queued { .. })));
    for happenings in [&mut here, &mut there] {
        until(happenings, |h| body_of(h) == Some("from the attached")).await;
        until(happenings, |h| body_of(h) == Some("from the owner")).await;
    }
    let error = other.command(Command::Contacts).await.expect_err("scripted");
    assert_eq!((error.kind, error.text.as_str()), (ErrorKind::NotFound, "scripted"));
    other.close().await;
    owner.close().await;
    assert!(!socket.exists(), "the socket goes with its owner");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attached_process_takes_over_when_the_owner_closes() {
    let dir = tempfile::tempdir().expect("temp dir");
    let owner = client(dir.path()).await;
    owner.command(text("before", None)).await.expect("queued");
    let (first, second) = (client(dir.path()).await, client(dir.path()).await);
    let (mut heard_first, mut heard_second) = (first.happenings(), second.happenings());
    owner.close().await;
    until(&mut heard_first, |h| *h == Happening::Missed).await;
    until(&mut heard_second, |h| *h == Happening::Missed).await;
    let roles = [first.role(), second.role()];
    assert_eq!(roles.iter().filter(|role| **role == Role::Owner).count(), 1, "{roles:?}");
    assert_eq!(outbox(&first).await, 1);
    first.command(text("after", None)).await.expect("queued");
    until(&mut heard_second, |h| body_of(h) == Some("after")).await;
    assert_eq!(outbox(&second).await, 2);
    first.close().await;
    second.wait_for_role(|role| *role == Role::Owner).await;
    assert_eq!(outbox(&second).await, 2);
    second.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_without_an_answer_is_sent_again_and_stays_one_message() {
    let dir = tempfile::tempdir().expect("temp dir");
    let owner = client(dir.path()).await;
    let other = client(dir.path()).await;
    let name = ClientMsgId::from_bytes([7; 16]);
    let lost = other.submit(text("unanswered", Some(name))).await;
    // The status comes after it on the same way, so the owner has stored the message.
    assert_eq!(outbox(&other).await, 1);
    let register = other
        .submit(Command::Register {
            server: "http://x".into(),
            username: sotto_types::Username::parse("ann").expect("valid"),
            invite: None,
            device_name: "x".into(),
        })
        .await;
    assert_eq!(outbox(&other).await, 1);
    owner.close().await;
    // Not repeated: an account would be made twice. It says so instead.
    let error = register.wait().await.expect_err("cannot be repeated");
    assert!(error.text.contains("ended in the middle"), "{}", error.text);
    other.wait_for_role(|role| *role == Role::Owner).await;
    assert_eq!(outbox(&other).await, 1, "sent again under its name");
    other.close().await;
    drop(lost);
    let stored = std::fs::read_to_string(dir.path().join("messages")).expect("stored");
    assert_eq!(stored.lines().count(), 1, "{stored}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_listener_is_told_that_it_missed_something() {
    let dir = tempfile::tempdir().expect("temp dir");
    let owner = client(dir.path()).await;
    let other = client(dir.path()).await;
    let (mut here, mut there) = (owner.happenings(), other.happenings());
    owner.command(Command::SetOnline { online: true }).await.expect("done");
    for happenings in [&mut here, &mut there] {
        until(happenings, |h| *h == Happening::Missed).await;
        until(happenings, |h| body_of(h) == Some("19999")).await;
    }
    other.close().await;
    owner.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_is_in_the_foreground_while_anybody_looks() {
    let dir = tempfile::tempdir().expect("temp dir");
    let owner = client(dir.path()).await;
    let other = client(dir.path()).await;
    let mut heard = owner.happenings();
    owner.foreground(true).await;
    until(&mut heard, |h| body_of(h) == Some("foreground true")).await;
    other.foreground(true).await;
    // In order behind the line above, so the owner knows of both before the first one leaves.
    assert_eq!(outbox(&other).await, 0);
    owner.foreground(false).await;
    owner.command(text("still looked at", None)).await.expect("queued");
    let next = until(&mut heard, |h| body_of(h).is_some()).await;
    assert_eq!(body_of(&next), Some("still looked at"));
    other.close().await;
    until(&mut heard, |h| body_of(h) == Some("foreground false")).await;
    owner.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_make_no_sense_are_answered_and_change_nothing() {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    let dir = tempfile::tempdir().expect("temp dir");
    let owner = client(dir.path()).await;
    let stream = tokio::net::UnixStream::connect(dir.path().join("attach.sock")).await.expect("connects");
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let hello = lines.next_line().await.expect("reads").expect("a line");
    assert_eq!(hello, format!(r#"{{"sotto":1,"pid":{}}}"#, std::process::id()));
    for (line, id, kind) in [
        ("not json", None, "invalid"),
        (r#"{"id":5,"command":{"command":"from_the_future"}}"#, Some(5), "invalid"),
        (r#"{"id":6,"command":{"command":"contacts"}}"#, Some(6), "not_found"),
    ] {
        write.write_all(format!("{line}\n").as_bytes()).await.expect("written");
        let answer = lines.next_line().await.expect("reads").expect("a line");
        let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
        assert_eq!(answer["id"].as_u64(), id, "{line}");
        assert_eq!(answer["error"]["kind"], kind, "{line}");
    }
    assert_eq!(outbox(&owner).await, 0);
    owner.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deep_folder_can_be_attached_to() {
    let dir = tempfile::tempdir().expect("temp dir");
    let deep = dir.path().join("d".repeat(60)).join("e".repeat(60));
    let owner = client(&deep).await;
    let other = client(&deep).await;
    assert!(matches!(other.role(), Role::Attached { .. }));
    assert_eq!(outbox(&other).await, 0);
    other.close().await;
    owner.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bug_in_the_machine_is_an_error_and_frees_the_profile() {
    let dir = tempfile::tempdir().expect("temp dir");
    let opener = Scripted(dir.path().to_path_buf());
    let host =
        Host::start_machine(dir.path(), opener.open().expect("free"), &HostConfig::default()).await.expect("starts");
    let error = host.command(Command::DeleteAccount).await.expect_err("the thread ended");
    assert_eq!(error.kind, ErrorKind::Internal);
    host.shutdown().await;
    drop(ProfileLock::take(dir.path()).expect("free again"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_certificate_file_is_said_at_once() {
    let dir = tempfile::tempdir().expect("temp dir");
    let config = HostConfig { tls_ca: Some(dir.path().join("none.pem")), ..HostConfig::default() };
    let opener = Scripted(dir.path().to_path_buf());
    match Client::with_opener(Arc::new(opener), config).await {
        Err(ProfileError::TlsCa { .. }) => {}
        other => panic!("{other:?}"),
    }
}
