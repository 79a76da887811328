//! How many sends a second the store commits, and what one costs in CPU.
//! `cargo run --release -p sotto-embedded --example store_bench -- [submitters] [seconds] [sync delay in ms]`
//! Each submitter does what a server does for a message: look the send up, commit it for one device (300 bytes, checked
//! against two device lists), and ack the entry a little later. The last line is one JSON object.

use bytes::Bytes;
use sotto_embedded::{EmbeddedConfig, EmbeddedStore};
use sotto_ports::{
    Account, CiphertextType, CreateAccount, DirectoryStore, EntryFeed, EnvelopeClass, InboxStore, ListedDevice,
    NewDevice, NewEntry, PreKeyUpload, Queued, Recovery, SendCommit, Settle, SignedDeviceList,
};
use sotto_types::{
    AccountId, ClientMsgId, Clock, DeviceAddress, DeviceId, EntryId, MessageId, SendId, SystemClock, Username,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const ACCOUNTS: u64 = 1_000;

#[derive(Default)]
struct Count(AtomicU64);

impl EntryFeed for Count {
    fn published(&self, _: DeviceAddress, _: &Queued) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn account(n: u64) -> AccountId {
    let mut bytes = [7; 16];
    bytes[8..].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    AccountId::from_bytes(bytes)
}

fn new_account(n: u64) -> CreateAccount {
    let now = SystemClock.now();
    CreateAccount {
        account: Account {
            id: account(n),
            username: Username::parse(&format!("bench_{n}")).expect("a valid name"),
            identity_key: vec![1; 33].into(),
            recovery: Recovery { auth_key: [1; 32], backup: Bytes::new() },
            disabled: false,
            created: now,
        },
        list: SignedDeviceList {
            version: 1,
            devices: vec![ListedDevice { id: DeviceId::FIRST, registration_id: 1, auth_key: [1; 32] }],
            payload: Bytes::new(),
            signature: Bytes::new(),
        },
        device: NewDevice { id: DeviceId::FIRST, encrypted_name: Bytes::new(), keys: PreKeyUpload::default(), now },
        invite: None,
    }
}

/// User and system time of this process, in microseconds.
fn cpu_us() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<u64> = after_name.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect();
    // Fields 14 and 15 of proc(5), in ticks of 10 ms.
    (fields.get(11).copied().unwrap_or(0) + fields.get(12).copied().unwrap_or(0)) * 10_000
}

fn argument(place: usize, default: u64) -> u64 {
    std::env::args().nth(place).and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let (submitters, seconds, delay) = (argument(1, 1_000), argument(2, 10), argument(3, 0));
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut config = EmbeddedConfig::new(dir.path());
    config.sync_delay = (delay > 0).then(|| Duration::from_millis(delay));
    let feed = Arc::new(Count::default());
    let store = Arc::new(EmbeddedStore::open(config, feed.clone()).expect("the store opens"));
    let creations = (0..ACCOUNTS).map(|n| {
        let store = store.clone();
        tokio::spawn(async move { store.create_account(new_account(n)).await })
    });
    for created in creations.collect::<Vec<_>>() {
        created.await.expect("no panic").expect("created");
    }
    let (started, cpu_before, stats_before) = (Instant::now(), cpu_us(), store.stats());
    let end = started + Duration::from_secs(seconds);
    let tasks = (0..submitters).map(|submitter| {
        let store = store.clone();
        tokio::spawn(submit(store, submitter, end))
    });
    let mut latencies = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        latencies.extend(task.await.expect("no panic"));
    }
    let took = started.elapsed();
    let cpu = cpu_us() - cpu_before;
    let stats = store.stats();
    latencies.sort_unstable();
    let sends = latencies.len() as u64;
    let quantile = |q: f64| latencies.get((latencies.len() as f64 * q) as usize).copied().unwrap_or(0) as f64 / 1_000.0;
    println!(
        "{{\"submitters\":{submitters},\"sends_per_s\":{},\"cpu_us_per_send\":{:.1},\"p50_ms\":{:.2},\"p99_ms\":{:.2},\
         \"syncs\":{},\"sends_per_sync\":{:.0},\"entries\":{}}}",
        (sends as f64 / took.as_secs_f64()) as u64,
        cpu as f64 / sends as f64,
        quantile(0.5),
        quantile(0.99),
        stats.syncs - stats_before.syncs,
        sends as f64 / (stats.syncs - stats_before.syncs).max(1) as f64,
        feed.0.load(Ordering::Relaxed),
    );
}

/// Sends until the end; returns microseconds per send.
async fn submit(store: Arc<EmbeddedStore>, submitter: u64, end: Instant) -> Vec<u32> {
    let from = DeviceAddress::new(account(submitter % ACCOUNTS), DeviceId::FIRST);
    let to = DeviceAddress::new(account((submitter * 31 + 1) % ACCOUNTS), DeviceId::FIRST);
    let ciphertext = Bytes::from(vec![submitter as u8; 300]);
    let mut unacked: Vec<EntryId> = Vec::new();
    let mut latencies = Vec::new();
    for n in 0u64.. {
        let started = Instant::now();
        if started >= end {
            break;
        }
        let mut name = [0; 16];
        name[..8].copy_from_slice(&SystemClock.now().as_ms().to_be_bytes());
        name[4..8].copy_from_slice(&(submitter as u32).to_be_bytes());
        name[8..].copy_from_slice(&(n + 1).to_be_bytes());
        let send = SendId { from, client_msg_id: ClientMsgId::from_bytes(name) };
        assert!(store.find_send(&send).await.expect("readable").is_none());
        let commit = SendCommit {
            group: None,
            send,
            class: EnvelopeClass::Message,
            seen: MessageId::ZERO,
            expect: vec![(from.account, 1), (to.account, 1)],
            entries: vec![NewEntry { to, ciphertext_type: CiphertextType::Ratchet, ciphertext: ciphertext.clone() }],
            failed: None,
            now: SystemClock.now(),
        };
        let committed = store.commit_send(commit).await.expect("committed");
        latencies.push(started.elapsed().as_micros() as u32);
        unacked.push(committed.message_id.into());
        if unacked.len() == 8 {
            let settle = Settle { of: to, envelopes: std::mem::take(&mut unacked), remove: vec![], advance: vec![] };
            store.settle(settle).await.expect("settled");
        }
    }
    latencies
}
