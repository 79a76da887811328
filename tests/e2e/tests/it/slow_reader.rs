//! Must hold: a device that never acknowledges while 100,000 messages arrive costs the server no more memory (± 20 MiB)
//! than one that does.

use sotto_testkit::raw::{RawDevice, new_msg_id};
use sotto_testkit::{RawApi, Seed, ServerOptions, TestServer, rounds, within};
use sotto_types::limits::WINDOW_ENTRIES;
use sotto_wire::pb::{client_frame, server_frame};
use std::time::Duration;
use tokio::task::JoinSet;

const SENDERS: usize = 10;
/// Sends under way at once from each.
const WINDOW: usize = 32;
const ALLOWED_MIB: f64 = 20.0;

/// Peak memory of a fresh server while `messages` go to one connected device, and what that device got pushed.
async fn peak_mib(messages: usize, reader_acks: bool) -> (f64, usize) {
    let seed = Seed::new();
    let mut rng = seed.rng(0);
    // One sender may send 2,000 a second by default; the limit is not what this test is about.
    let server = TestServer::start_with(unlimited()).await;
    let api = server.api();
    let reader = api.register("reader", 1, &mut rng).await;
    let mut senders = Vec::new();
    for n in 0..SENDERS {
        senders.push(api.register(&format!("sender{n}"), 1, &mut rng).await);
    }
    let mut socket = api.connected(&reader).await;
    socket.drain(true).await;
    let reading = tokio::spawn(async move {
        let (mut got, mut unacked) = (0, Vec::new());
        // Without acks the server stops at its window. Then keep the connection open, reading nothing, as a stuck device does.
        while reader_acks || got < WINDOW_ENTRIES {
            let body = socket.next_within(Duration::from_secs(120)).await;
            let body = body.unwrap_or_else(|| panic!("no more deliveries after {got}"));
            if let server_frame::Body::Deliver(deliver) = body.unwrap_or_else(|ended| panic!("{ended:?} after {got}")) {
                got += 1;
                unacked.push(deliver.entry_id);
            }
            if reader_acks && (unacked.len() == 64 || got == messages) {
                socket.ack(&unacked).await;
                unacked.clear();
            }
            if got == messages {
                return got;
            }
        }
        std::future::pending().await
    });
    let mut sending = JoinSet::new();
    for sender in senders {
        sending.spawn(send_many(api.clone(), sender, reader.clone(), messages / SENDERS));
    }
    let mut peak: f64 = 0.0;
    within(Duration::from_secs(300), "all messages to be accepted", async {
        loop {
            // A sample per tick of the senders' progress would miss little: memory of queues grows, it does not spike.
            let done = tokio::time::timeout(Duration::from_millis(100), sending.join_next()).await;
            peak = peak.max(server.process().rss_mib());
            match done {
                Ok(Some(result)) => result.expect("a sender finishes"),
                Ok(None) => return,
                Err(_) => {}
            }
        }
    })
    .await;
    let got = if reader_acks {
        within(Duration::from_secs(120), "all deliveries", reading).await.expect("the reader finishes")
    } else {
        reading.abort();
        256
    };
    (peak.max(server.process().rss_mib()), got)
}

/// A few senders send for as long as many people would.
fn unlimited() -> ServerOptions {
    ServerOptions::default()
        .env("SOTTO_LIMITS_SENDS", "{ burst = 10000000, per_minute = 10000000 }")
        .env("SOTTO_GATEWAY_FRAMES_PER_SECOND", "1000000")
}

async fn send_many(api: RawApi, from: RawDevice, to: RawDevice, count: usize) {
    let mut socket = api.connected(&from).await;
    let ciphertext = [42; 300];
    let (mut sent, mut accepted) = (0, 0);
    while accepted < count {
        while sent < count && sent - accepted < WINDOW {
            let send = from.send_to(&to, new_msg_id(), &ciphertext);
            socket.post(client_frame::Body::SendDirect(send)).await;
            sent += 1;
        }
        match socket.next().await.expect("the connection holds") {
            server_frame::Body::Accepted(_) => accepted += 1,
            server_frame::Body::Error(error) => panic!("refused: {error:?}"),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_never_acks_costs_no_memory() {
    let messages = rounds(100_000, 1_000_000);
    let (acking, got) = peak_mib(messages, true).await;
    assert_eq!(got, messages, "the reader that acks gets everything");
    let (stuck, _) = peak_mib(messages, false).await;
    println!("peak memory: {acking:.1} MiB with a reader that acks, {stuck:.1} MiB with one that never does");
    assert!(stuck <= acking + ALLOWED_MIB, "{stuck:.1} MiB against {acking:.1} MiB");
}
