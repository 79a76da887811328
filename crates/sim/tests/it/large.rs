//! How long a person with much history waits for the engine. Not run with the others, since it says something only about an
//! optimized build on a quiet machine: `cargo test --release --workspace --test large -- --ignored --nocapture`.

use prost::Message as _;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sotto_engine::{Command, HistoryPlace, Reply};
use sotto_engine_store::{Contact, MessageKind, NewMessage, Store, StoreError};
use sotto_sim::{Device, Sim, acquainted};
use sotto_types::{AccountId, ClientMsgId, Conversation, DeviceId, MessageId, Secret, Timestamp};
use sotto_wire::pb;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

const CONVERSATIONS: u32 = 200;
const SYLLABLES: [&str; 16] =
    ["ka", "to", "mi", "re", "sun", "lo", "pra", "the", "ing", "an", "er", "st", "o", "wi", "de", "é"];

/// A word by its rank: common ones are short, and as much more common as in a real language.
fn word(rng: &mut StdRng) -> String {
    let mut rank = 20_000_f64.powf(rng.random::<f64>()) as usize;
    let mut text = String::new();
    while rank > 0 || text.is_empty() {
        text.push_str(SYLLABLES[rank % SYLLABLES.len()]);
        rank /= SYLLABLES.len();
    }
    text
}

fn body(rng: &mut StdRng) -> String {
    let count = rng.random_range(2..20);
    (0..count).map(|_| word(rng)).collect::<Vec<_>>().join(" ")
}

fn peer(n: u32) -> AccountId {
    AccountId::from_bytes(u128::from(n + 1).to_be_bytes())
}

/// Half of the messages in the first conversation, the others spread; as long ago as a message a minute is.
fn fill(store: &mut Store, own: AccountId, like: &Contact, messages: u32, now: Timestamp) {
    let mut rng = StdRng::seed_from_u64(7);
    let filled = store.transaction(|tx| {
        for n in 0..CONVERSATIONS {
            let named = Contact { username: Some(format!("person{n}")), listed: true, ..like.clone() };
            tx.put_contact(&Contact { account: peer(n), verified: false, ..named })?;
        }
        for n in 0..messages {
            let time = now.minus(Duration::from_secs(60 * u64::from(messages - n)));
            let conversation = peer(if n % 2 == 0 { 0 } else { rng.random_range(0..CONVERSATIONS) });
            let name = ClientMsgId::from_bytes(rng.random());
            let text = pb::Content {
                name: name.as_bytes().to_vec().into(),
                sent_at_ms: time.as_ms(),
                body: Some(pb::content::Body::Text(pb::Text { body: body(&mut rng), ..pb::Text::default() })),
                ..pb::Content::default()
            };
            tx.insert_message(&NewMessage {
                author: if rng.random() { own } else { conversation },
                author_device: DeviceId::FIRST,
                name,
                conversation: conversation.into(),
                message_id: Some(MessageId::new(u64::from(n) + 1)),
                after: None,
                kind: MessageKind::Content,
                content: Secret::new(text.encode_to_vec()),
                written: time,
                server_time: Some(time),
                note: None,
                expires_after_s: 0,
            })?;
        }
        for n in 0..CONVERSATIONS {
            // The newest few are unread.
            tx.raise_read(peer(n).into(), MessageId::new(u64::from(messages) - u64::from(messages / 50)))?;
        }
        Ok::<_, StoreError>(())
    });
    filled.expect("fills");
}

/// Processor time of this thread, where Linux tells it: what else the machine does then does not count.
fn clock() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|text| text.split(' ').next().and_then(|nanos| nanos.parse().ok()));
    nanos.map_or_else(|| STARTED.elapsed(), Duration::from_nanos)
}

static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

#[derive(Debug)]
struct Took {
    /// Of all: Linux counts processor time in steps of up to 4 ms.
    mean: Duration,
    p95: Duration,
}

fn measure(sim: &mut Sim, device: Device, what: &str, commands: &[Command]) -> Took {
    let mut took: Vec<Duration> = commands
        .iter()
        .map(|command| {
            let started = clock();
            let reply = sim.ask(device, command.clone());
            let took = clock().saturating_sub(started);
            assert!(reply.is_ok(), "{command:?}: {reply:?}");
            took
        })
        .collect();
    took.sort_unstable();
    let count = u32::try_from(took.len()).expect("a few thousand");
    let measured = Took { mean: took.iter().sum::<Duration>() / count, p95: took[took.len() * 95 / 100] };
    println!("{what}: {measured:?}, longest {:?}", took[took.len() - 1]);
    measured
}

fn searches(rng: &mut StdRng, conversation: Option<Conversation>) -> Vec<Command> {
    let mut commands = Vec::new();
    for _ in 0..100 {
        let (first, second) = (word(rng), word(rng));
        // As it is typed, letter by letter, and then with a second word.
        let typed = first.char_indices().map(|(end, letter)| first[..end + letter.len_utf8()].to_owned());
        for query in typed.chain([format!("{first} {second}"), format!("{second} the o")]) {
            commands.push(Command::Search { query, conversation, limit: 50 });
        }
    }
    commands
}

fn look(messages: u32, list_max: Duration, search_max: Duration) {
    let (mut sim, ann, bob) = acquainted(99);
    let (own, bob_id) = (sim.account(ann), sim.account(bob));
    let mut store = sim.copy_profile(ann);
    let like = store.transaction(|tx| tx.contact(bob_id)).expect("reads").expect("known");
    let started = clock();
    fill(&mut store, own, &like, messages, sim.now());
    println!("{messages} messages in {CONVERSATIONS} conversations, made in {:?}", clock().saturating_sub(started));
    sim.restore_profile(ann, store);
    sim.run();

    let list = measure(&mut sim, ann, "conversations", &vec![Command::Conversations; 20]);
    let pages: Vec<Command> = (0..CONVERSATIONS)
        .map(|n| Command::History { conversation: peer(n).into(), at: HistoryPlace::Newest, limit: 50 })
        .collect();
    measure(&mut sim, ann, "history, newest", &pages);
    let around: Vec<Command> = (0..200)
        .map(|n| {
            let at = HistoryPlace::Around(u64::from(messages / 200 * n));
            Command::History { conversation: peer(0).into(), at, limit: 50 }
        })
        .collect();
    measure(&mut sim, ann, "history, around", &around);
    let reads: Vec<Command> =
        (0..CONVERSATIONS).map(|n| Command::MarkRead { conversation: peer(n).into(), up_to: None }).collect();
    measure(&mut sim, ann, "mark read", &reads);
    let mut rng = StdRng::seed_from_u64(8);
    let found = sim.ask(ann, Command::Search { query: "the".into(), conversation: None, limit: 50 });
    assert!(matches!(found, Ok(Reply::Found { hits }) if hits.len() == 50), "a common word");
    let everywhere = measure(&mut sim, ann, "search", &searches(&mut rng, None));
    let within = measure(&mut sim, ann, "search in one", &searches(&mut rng, Some(peer(7).into())));
    assert!(list.mean <= list_max, "the list of conversations took {list:?}");
    assert!(everywhere.p95 <= search_max && within.p95 <= search_max, "searches took {everywhere:?} and {within:?}");
}

#[test]
#[ignore = "takes long, and says something only about an optimized build"]
fn ten_thousand_messages() {
    look(10_000, Duration::from_millis(10), Duration::from_millis(15));
}

#[test]
#[ignore = "takes long, and says something only about an optimized build"]
fn a_hundred_thousand_messages() {
    look(100_000, Duration::from_millis(10), Duration::from_millis(15));
}
