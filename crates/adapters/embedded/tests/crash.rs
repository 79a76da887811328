//! A child process writes as fast as it can and is killed; what it reported as acknowledged must be there.
//! The child is this test binary itself, told by a variable which part to play.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod common;
use common::*;
use rand::{Rng, SeedableRng};
use sotto_embedded::{EmbeddedConfig, EmbeddedStore};
use sotto_ports::{CommitRefused, DirectoryStore, InboxStore, NoFeed, PreKeyStore, Queued, QueuedItem, Settle};
use sotto_types::{Clock, DeviceId, EntryId, MessageId, SystemClock};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const ROLE: &str = "SOTTO_TEST_CHILD";
const DIR: &str = "SOTTO_TEST_DIR";
const FIRST: &str = "SOTTO_TEST_FIRST";
const WRITERS: u64 = 16;
const ROUNDS: u64 = 10;
const SIGKILL: i32 = 9;
const SIGABRT: i32 = 6;

fn child(role: &str, dir: &Path, first: u64) -> Child {
    let exe = std::env::current_exe().expect("a test knows its binary");
    let mut command = Command::new(exe);
    // Only this test runs in the child, and it sees its role.
    command.args(["--exact", "the_part_of_the_child", "--nocapture", "--test-threads=1"]);
    command.env(ROLE, role).env(DIR, dir).env(FIRST, first.to_string());
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the child starts")
}

fn line(text: &str) {
    // One write call per line, so that a kill cuts a line at most.
    std::io::stdout().write_all(format!("{text}\n").as_bytes()).expect("the parent listens");
}

#[test]
fn the_part_of_the_child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let dir = std::env::var(DIR).expect("set with the role");
    let first: u64 = std::env::var(FIRST).expect("set with the role").parse().expect("a number");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    match &*role {
        "write" => runtime.block_on(write_for_ever(Path::new(&dir), first)),
        "hang" => runtime.block_on(hang(Path::new(&dir))),
        other => panic!("no such role: {other}"),
    }
}

/// Sends to devices 2 and 3 at once, takes prekeys, acks what has 5 as its last digit; reports each after its answer.
async fn write_for_ever(dir: &Path, first: u64) {
    let store = Arc::new(open(dir));
    let number = Arc::new(AtomicU64::new(first));
    line("\nopen");
    let writers = (0..WRITERS).map(|writer| {
        let (store, number) = (store.clone(), number.clone());
        tokio::spawn(async move {
            loop {
                let n = number.fetch_add(1, Ordering::Relaxed);
                let sent =
                    store.commit_send(send(n.into(), &[address(2), address(3)], SystemClock.now())).await.unwrap();
                line(&format!("sent {n} {}", sent.message_id));
                if n % 10 == 5 {
                    let remove = vec![sent.message_id.into()];
                    store.settle(Settle { of: address(2), envelopes: vec![], remove, advance: vec![] }).await.unwrap();
                    line(&format!("acked {n} {}", sent.message_id));
                }
                if writer == 0 && n % 7 == 0 {
                    let bundles = store.take_bundles(account(2), &[DeviceId::FIRST]).await.unwrap();
                    if let Some(key) = bundles.first().and_then(|bundle| bundle.one_time_ec.as_ref()) {
                        line(&format!("took {} 0", key.id));
                    }
                }
            }
        })
    });
    // None of them ends before the process is killed; awaiting one keeps all running.
    if let Some(writer) = writers.collect::<Vec<_>>().into_iter().next() {
        writer.await.unwrap();
    }
}

async fn hang(dir: &Path) {
    let hang = Some(Duration::from_secs(3_600));
    let limit = Duration::from_millis(200);
    let config = EmbeddedConfig { sync_delay: hang, commit_hang_limit: limit, ..EmbeddedConfig::new(dir) };
    let store = EmbeddedStore::open(config, Arc::new(NoFeed)).unwrap();
    line("\nopen");
    let _ = store.commit_send(send(0, &[address(2)], T0)).await;
    line("answered");
}

#[derive(Default)]
struct Reported {
    sent: BTreeMap<u64, MessageId>,
    acked: BTreeSet<EntryId>,
    took: Vec<u32>,
}

impl Reported {
    /// One line of the child; a cut one says nothing.
    fn note(&mut self, line: &str) {
        let mut words = line.split(' ');
        let (Some(what), Some(n), Some(id), None) = (words.next(), words.next(), words.next(), words.next()) else {
            return;
        };
        let (Ok(n), Ok(id)) = (n.parse::<u64>(), id.parse::<u64>()) else { return };
        match what {
            "sent" => drop(self.sent.insert(n, MessageId::new(id))),
            "acked" => drop(self.acked.insert(EntryId::new(id))),
            "took" => self.took.push(u32::try_from(n).expect("a prekey id")),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_kills() {
    let dir = tempfile::tempdir().unwrap();
    {
        let store = open(dir.path());
        store.create_account(new_account(2, keys(0..200))).await.unwrap();
    }
    let mut dice = rand_chacha::ChaCha8Rng::seed_from_u64(20_260_101);
    let mut reported = Reported::default();
    let mut highest = MessageId::ZERO;
    for round in 0..ROUNDS {
        let first = round * 1_000_000;
        let mut child = child("write", dir.path(), first);
        let mut lines = BufReader::new(child.stdout.take().expect("piped"));
        // Killed after a random number of answers, which is a random moment of some batch.
        let kill_after = dice.random_range(1..1_500);
        let mut answers = 0;
        let mut text = Vec::new();
        while lines.read_until(b'\n', &mut text).expect("readable") > 0 {
            let complete = text.last() == Some(&b'\n');
            if complete && let Ok(line) = std::str::from_utf8(&text) {
                reported.note(line.trim_end());
            }
            text.clear();
            answers += 1;
            if answers == kill_after {
                child.kill().expect("the child runs");
            }
        }
        assert_eq!(child.wait().unwrap().signal(), Some(SIGKILL), "killed, not failed");

        let store = open(dir.path());
        check(&store, &reported, first).await;
        // Ids go on above everything that was there.
        let next = store.commit_send(send((first + 999_999).into(), &[], SystemClock.now())).await.unwrap();
        let entries = read_all(&store, 2).await;
        let last = entries.last().map_or(highest, |last| MessageId::new(last.entry_id.get()));
        assert!(next.message_id > last && next.message_id > highest, "ids rise across kills");
        highest = next.message_id;
    }
    assert!(reported.sent.len() > 500, "the test must have tested something: {}", reported.sent.len());
    let distinct: BTreeSet<u32> = reported.took.iter().copied().collect();
    assert_eq!(distinct.len(), reported.took.len(), "a one-time key was handed out twice: {:?}", reported.took);
}

async fn read_all(store: &EmbeddedStore, n: u8) -> Vec<Queued> {
    store.read(address(n), EntryId::ZERO, usize::MAX, usize::MAX).await.unwrap()
}

async fn check(store: &EmbeddedStore, reported: &Reported, first: u64) {
    let (two, three) = (read_all(store, 2).await, read_all(store, 3).await);
    let ids = |entries: &[Queued]| entries.iter().map(|queued| queued.entry_id).collect::<BTreeSet<_>>();
    let (in_two, in_three) = (ids(&two), ids(&three));
    assert!(in_two.is_subset(&in_three), "half a send is there");
    for id in in_three.difference(&in_two) {
        // Gone from one device: then by an ack, reported or cut off by the kill, of a number that is acked.
        let n = reported.sent.iter().find(|(_, sent)| EntryId::from(**sent) == *id).map(|(n, _)| *n);
        assert!(n.is_none_or(|n| n % 10 == 5), "entry {id} of send {n:?} is missing");
    }
    for id in &reported.acked {
        assert!(!in_two.contains(id), "an acked entry came back after a kill of the process");
    }
    for (n, id) in &reported.sent {
        assert!(in_three.contains(&EntryId::from(*id)), "acknowledged send {n} is lost");
    }
    for (n, id) in reported.sent.range(first..) {
        let again = store.commit_send(send((*n).into(), &[address(2)], SystemClock.now())).await;
        let repeated = matches!(again, Err(CommitRefused::Repeated(first)) if first.message_id == *id);
        assert!(repeated, "the record of send {n} is lost: {again:?}");
    }
    for queued in &three {
        let QueuedItem::Envelope(envelope) = &queued.item else { panic!("only envelopes were sent") };
        assert!(envelope.ciphertext.len() == 300 && envelope.ciphertext.windows(2).all(|pair| pair[0] == pair[1]));
    }
}

#[test]
fn a_hanging_commit_ends_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let child = child("hang", dir.path(), 0);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.signal(), Some(SIGABRT));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("open") && !text.contains("answered"), "{text}");
}
