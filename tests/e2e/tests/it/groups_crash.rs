//! Must hold: `kill -9` of the server, and of clients, in the middle of group messages, key changes and membership changes
//! (CI: few, `make soak`: many): every device of every member has each acknowledged message exactly once, in the order of the
//! ids; who came and went has exactly what was said while they were in; all agree on the list of members, without an alarm.

use rand::Rng as _;
use reqwest::Method;
use serde_json::{Value, json};
use sotto_engine::api::{ConnectionView, GroupChange, GroupView};
use sotto_testkit::cli::{TestCli, json_line, parse_lines};
use sotto_testkit::client::TestClient;
use sotto_testkit::group::{accounts, said, said_while_in, stays, who};
use sotto_testkit::process::Process;
use sotto_testkit::seed::TestRng;
use sotto_testkit::{DEADLINE, Ledger, Proxy, Seed, Tamper, TestServer, eventually, rounds};
use sotto_types::GroupId;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const SPEAKERS: usize = 5;
/// Unacknowledged messages of one speaker: full speed, bounded.
const IN_FLIGHT: u32 = 20;
const LONG: Duration = Duration::from_secs(120);

/// Talks until told to stop.
async fn talk(speaker: Arc<TestClient>, group: GroupId, stop: CancellationToken) {
    let mut count = 0u32;
    while !stop.is_cancelled() {
        speaker.say(group, &format!("{}#{count}", speaker.name)).await;
        count += 1;
        if count.is_multiple_of(IN_FLIGHT) {
            let room = || async { (speaker.status().await.outbox < IN_FLIGHT).then_some(()) };
            tokio::select! {
                () = eventually(LONG, "room in the outbox", room) => {}
                () = stop.cancelled() => {}
            }
        }
    }
}

/// Adds and removes guests in turn, so that keys change all the time. Counts what the server took.
async fn change(
    owner: Arc<TestClient>,
    group: GroupId,
    guests: Vec<String>,
    mut rng: TestRng,
    changes: Arc<AtomicUsize>,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        let guest = guests[rng.random_range(0..guests.len())].as_str();
        let view = owner.group(group).await;
        let is_in =
            view.members.iter().any(|member| member.username.as_ref().is_some_and(|name| name.as_str() == guest));
        let members = who(&[guest]);
        let change = if is_in { GroupChange::Remove { members } } else { GroupChange::Add { members } };
        // A crash in between is an error here; whether it was taken, the list says.
        match owner.try_change_group(group, change).await {
            Ok(_) => drop(changes.fetch_add(1, Ordering::Relaxed)),
            Err(_) => eventually(LONG, "the owner to be back", || is_back(&owner)).await,
        }
        // In step with the messages: some of each speaker between two changes.
        let ledger = owner.ledger().clone();
        let target = ledger.count_accepted() + rng.random_range(5..60);
        tokio::select! {
            () = eventually(LONG, "messages between two changes", || async { (ledger.count_accepted() >= target).then_some(()) }) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Is away while members come and go, itself perhaps, a few times each. Counts how often.
async fn be_away(
    guest: Arc<TestClient>,
    mut rng: TestRng,
    changes: Arc<AtomicUsize>,
    away: Arc<AtomicUsize>,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        for online in [false, true] {
            guest.online(online).await;
            let target = changes.load(Ordering::Relaxed) + rng.random_range(1..6);
            let changed = || async { (changes.load(Ordering::Relaxed) >= target).then_some(()) };
            tokio::select! {
                () = eventually(LONG, "members to come and go", changed) => {}
                () = stop.cancelled() => {}
            }
            away.fetch_add(usize::from(!online), Ordering::Relaxed);
        }
    }
    guest.online(true).await;
}

async fn is_back(client: &TestClient) -> Option<()> {
    matches!(client.status().await.connection, ConnectionView::Connected { drained: true }).then_some(())
}

/// The same list of members everywhere, and nobody was cheated.
fn assert_agree(views: &[(String, GroupView)]) {
    let (_, first) = &views[0];
    for (name, view) in views {
        assert_eq!(view.alarm, None, "{name}");
        assert_eq!((view.revision, accounts(view)), (first.revision, accounts(first)), "{name} against {}", views[0].0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_and_doubles_nothing_of_a_group() {
    let seed = Seed::new();
    let mut rng = seed.rng(0);
    let mut server = TestServer::start().await;
    let url = server.url();
    let ledger = Arc::new(Ledger::new());
    let mut people = Vec::new();
    for n in 0..SPEAKERS {
        people.push(Arc::new(TestClient::register(&url, &format!("speaker{n}"), &ledger).await));
    }
    let owner = Arc::new(TestClient::register(&url, "owner", &ledger).await);
    let mut guests = Vec::new();
    for n in 0..2 {
        guests.push(Arc::new(TestClient::register(&url, &format!("guest{n}"), &ledger).await));
    }
    let names: Vec<&str> = people.iter().map(|person| person.name.as_str()).collect();
    let group = owner.create_group("crash", &names).await;
    // One of them has two devices.
    let tablet = people[0].link(&url, "tablet").await;
    let mut audience: Vec<(&str, &str)> = names.iter().map(|name| (*name, *name)).collect();
    audience.extend([("owner", "owner"), ("tablet", "speaker0")]);
    ledger.audience(&group.to_string(), &audience);
    for client in people.iter().map(Arc::as_ref).chain([&tablet]) {
        client.until_group(group, "being in the group", |view| view.my_role.is_some()).await;
    }

    let (stop, changes) = (CancellationToken::new(), Arc::new(AtomicUsize::new(0)));
    let mut running = JoinSet::new();
    for person in &people {
        running.spawn(talk(person.clone(), group, stop.clone()));
    }
    let guest_names = guests.iter().map(|guest| guest.name.clone()).collect();
    running.spawn(change(owner.clone(), group, guest_names, seed.rng(1), changes.clone(), stop.clone()));
    let away = Arc::new(AtomicUsize::new(0));
    running.spawn(be_away(guests[0].clone(), seed.rng(2), changes.clone(), away.clone(), stop.clone()));
    let kills = rounds(4, 30);
    for kill in 0..kills {
        // A moment is a number of acknowledged messages, so that every kill comes in the middle of traffic.
        let target = ledger.count_accepted() + rng.random_range(50..400);
        eventually(LONG, format!("{target} acknowledged messages before kill {kill}"), || async {
            (ledger.count_accepted() >= target).then_some(())
        })
        .await;
        server.kill9().await;
        server.restart().await;
    }
    stop.cancel();
    while let Some(task) = running.join_next().await {
        task.expect("it stops");
    }
    for person in &people {
        let empty = || async { (person.status().await.outbox == 0).then_some(()) };
        eventually(LONG, format!("{}'s outbox to be empty", person.name), empty).await;
    }
    let all =
        || async { (ledger.missing().is_empty() && ledger.count_accepted() == ledger.count_sent()).then_some(()) };
    if tokio::time::timeout(LONG, eventually(LONG * 2, "every message to be shown", all)).await.is_err() {
        let missing = ledger.missing();
        eprintln!(
            "{} are missing, the first of them: {:?}",
            missing.len(),
            missing.iter().take(10).collect::<Vec<_>>()
        );
    }
    // All guests in at the end, and one more word for everybody.
    let is_in = owner.group(group).await;
    for guest in &guests {
        if !accounts(&is_in).contains(&guest.me().await.account) {
            owner.change_group(group, GroupChange::Add { members: who(&[&guest.name]) }).await;
        }
    }
    people[0].say(group, "the last word").await;
    for client in
        people.iter().skip(1).map(Arc::as_ref).chain([&tablet, owner.as_ref()]).chain(guests.iter().map(Arc::as_ref))
    {
        client.until_text("the last word").await;
    }
    let (sent, changes) = (ledger.count_sent(), changes.load(Ordering::Relaxed));
    let away = away.load(Ordering::Relaxed);
    println!("{sent} messages, {changes} changes of members, {kills} kills, {away} times away");
    ledger.assert_exactly_once_in_order();
    assert!(changes > kills, "members came and went: {changes}");

    // What is kept: the same everywhere, by id; and for guests what was said while they were in.
    let history = owner.history(group).await;
    let want = said(&history);
    assert_eq!(want.len(), sent);
    assert!(want.is_sorted_by(|(a, _), (b, _)| a < b), "ids rise");
    let mut views = vec![("owner".to_owned(), owner.group(group).await)];
    for client in people.iter().map(Arc::as_ref).chain([&tablet]) {
        assert_said(client, &client.said(group).await, &want);
        views.push((client.name.clone(), client.group(group).await));
    }
    for guest in &guests {
        assert_stays(guest, group, &stays(&history, guest.me().await.account)).await;
    }
    assert_agree(&views);
}

/// A guest has what was said in every stay, also in one that ended and was followed by another before it could fetch anything:
/// nothing lost, doubled, in another order, or from a time in between.
async fn assert_stays(guest: &TestClient, group: GroupId, stays: &[Vec<(u64, String)>]) {
    let want = stays.concat();
    let arrived = || async { (guest.said(group).await.len() >= want.len()).then_some(()) };
    if tokio::time::timeout(DEADLINE, eventually(LONG, "the guest's stays", arrived)).await.is_err() {
        eprintln!("{} does not have all of its stays", guest.name);
    }
    assert_said(guest, &guest.said(group).await, &want);
}

fn assert_said(client: &TestClient, got: &[(u64, String)], want: &[(u64, String)]) {
    assert_same(&client.name, got, want);
}

fn assert_same<T: PartialEq + std::fmt::Debug>(who: &str, got: &[T], want: &[T]) {
    let differs = got.iter().zip(want).position(|(got, want)| got != want);
    let at = differs.unwrap_or(got.len().min(want.len()));
    let near = |list: &[T]| format!("{:?}", list.iter().skip(at.saturating_sub(2)).take(5).collect::<Vec<_>>());
    assert!(
        differs.is_none() && got.len() == want.len(),
        "{who} has {} instead of {}, from number {at}: {} instead of {}",
        got.len(),
        want.len(),
        near(got),
        near(want)
    );
}

/// Tells when a request that changes the group comes by: the moment to kill who sent it.
#[derive(Clone)]
struct Moments(watch::Sender<usize>);

impl Tamper for Moments {
    fn request(&self, method: &Method, path: &str, _body: &bytes::Bytes) -> Option<(u16, bytes::Bytes)> {
        if *method == Method::POST && path.ends_with("/operations") {
            self.0.send_modify(|count| *count += 1);
        }
        None
    }
}

/// Sends numbered messages to the group through `sotto send --stdin --json`, killed `kills` times; how many there are.
async fn sender(cli: TestCli, group: String, kills: usize, mut rng: TestRng) -> usize {
    let names: Vec<Uuid> = (0..100_000).map(|_| Uuid::now_v7()).collect();
    let mut confirmed = 0;
    for life in 0..=kills {
        let mut process = cli.start(&["--json", "send", "--stdin"]);
        let until = confirmed + rng.random_range(3..50);
        // Everything that was not confirmed is said again, under its old name.
        let (mut next, mut line) = (confirmed, 0);
        while confirmed < until {
            while next < until + 30 && next < confirmed + 30 {
                let message = json!({"to": group, "text": format!("ann#{next}"), "name": names[next]});
                process.write_line(&message.to_string()).await.expect("the sender reads");
                next += 1;
            }
            let (outcome, after) = json_line(&process, line, "a confirmation", |value| Some(value.clone())).await;
            line = after;
            assert!(outcome.get("error").is_none() && outcome["message_id"].is_string(), "{outcome}");
            assert_eq!(outcome["name"].as_str(), Some(names[confirmed].to_string().as_str()), "in order: {outcome}");
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
        assert!(process.wait(DEADLINE).await.success(), "{:?}", process.stderr.all());
    }
    confirmed
}

/// Receives through `sotto listen --json`, killed again and again after a random number of lines, until told to stop; it then lives on.
fn receiver(cli: TestCli, mut rng: TestRng, stop: CancellationToken) -> JoinHandle<(Process, usize)> {
    tokio::spawn(async move {
        let mut kills = 0;
        loop {
            let mut process = cli.start(&["--json", "listen", "--mark-read"]);
            let mut line = 0;
            for _ in 0..rng.random_range(1..40) {
                let next = process.stdout.find(line, |text| text.contains("message_added").then_some(()));
                tokio::select! {
                    found = next => match found {
                        Some(((), after)) => line = after,
                        None => panic!("listen ended: {:?}", process.stderr.all()),
                    },
                    () = stop.cancelled() => return (process, kills),
                }
            }
            process.kill9().await;
            kills += 1;
        }
    })
}

async fn history(cli: &TestCli, group: &str) -> Vec<Value> {
    parse_lines(&cli.ok(&["--json", "history", group, "--limit", "100000"]).await)
}

/// (id, text) of messages, without the lines about changes.
fn said_in(history: &[Value]) -> Vec<(u64, String)> {
    let text = |message: &Value| match message["body"]["kind"].as_str() {
        Some("group_change") => None,
        Some("text") => message["body"]["body"].as_str().map(str::to_owned),
        other => Some(format!("[{other:?}]")),
    };
    let id = |message: &Value| message["message_id"].as_str().and_then(|id| id.parse().ok()).unwrap_or(0);
    history.iter().filter_map(|message| Some((id(message), text(message)?))).collect()
}

async fn group_of(cli: &TestCli, group: &str) -> GroupView {
    let printed = cli.json(&["group", "show", group]).await.pop().expect("a line");
    serde_json::from_value(printed["group"].clone()).expect("a group")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_clients_lose_and_double_nothing_of_a_group() {
    let seed = Seed::new();
    let kills = rounds(8, 60);
    let server = TestServer::start().await;
    let proxy = Proxy::plain(server.address()).await;
    let moments = watch::channel(0).0;
    proxy.set_tamper(Moments(moments.clone()));
    let ledger = Arc::new(Ledger::new());
    // Ann sends and Bob receives in processes that are killed; Cem's, who owns the group, die while they change it. Dan
    // comes and goes; Eve sees it all, and talks meanwhile, so that her keys change too.
    let [ann, bob, cem] = ["ann", "bob", "cem"].map(|name| TestCli::new(&proxy.url(), name));
    for person in [&ann, &bob, &cem] {
        person.register().await;
    }
    let [dan, eve] = [
        TestClient::register(&server.url(), "dan", &ledger).await,
        TestClient::register(&server.url(), "eve", &ledger).await,
    ];
    let made = cem.json(&["group", "create", "crash", "@ann", "@bob", "@eve"]).await;
    let id = made[0]["group"]["group"].as_str().expect("an id").to_owned();
    let group: GroupId = id.parse().expect("an id");
    let eve = Arc::new(eve);
    eve.until_group(group, "being in the group", |view| view.my_role.is_some()).await;
    for person in [&ann, &bob] {
        let knows = || async {
            person.ok(&["listen", "--json", "--until-drained"]).await;
            (person.run(&["group", "show", &id]).await.code == Some(0)).then_some(())
        };
        eventually(DEADLINE, format!("the group at {}", person.profile), knows).await;
    }

    let stop = CancellationToken::new();
    let receiving = receiver(bob.clone(), seed.rng(1), stop.clone());
    let sending = tokio::spawn(sender(ann.clone(), id.clone(), kills, seed.rng(2)));
    let mut rng = seed.rng(3);
    let (mut said_by_eve, mut killed) = (0, 0);
    for round in 0..kills {
        let action = if round % 2 == 0 { "add" } else { "remove" };
        let mut seen = moments.subscribe();
        seen.mark_unchanged();
        let mut process = cem.start(&["--json", "group", action, &id, "@dan"]);
        // Half of them die when the request comes by: before the server has it, or before its answer is here.
        let dies = rng.random_bool(0.5);
        let ended = tokio::select! {
            _ = seen.changed(), if dies => None,
            status = process.wait(LONG) => Some(status),
        };
        match ended {
            None => {
                process.kill9().await;
                killed += 1;
            }
            // The one before was not taken: nobody to remove; or it was: an add that changes nothing is refused.
            Some(status) => assert!(matches!(status.code(), Some(0 | 3 | 4)), "{:?}", process.stdout.all()),
        }
        for _ in 0..5 {
            eve.say(group, &format!("eve#{said_by_eve}")).await;
            said_by_eve += 1;
        }
        eve.until_all_sent().await;
    }
    let count = sending.await.expect("the sender finishes");
    stop.cancel();
    let (mut last, bob_kills) = receiving.await.expect("the receiver finishes");

    // All of it, everywhere.
    for person in [&ann, &cem] {
        person.ok(&["listen", "--json", "--until-drained"]).await;
    }
    let whole = count + said_by_eve;
    let arrived = || async { (eve.said(group).await.len() >= whole).then_some(()) };
    eventually(LONG, format!("{whole} messages at eve"), arrived).await;
    let full = eve.history(group).await;
    let want = said(&full);
    let arrived = || async { (said_in(&history(&bob, &id).await).len() >= want.len()).then_some(()) };
    eventually(LONG, "all of them at bob", arrived).await;
    last.signal("INT").await;
    assert!(last.wait(DEADLINE).await.success(), "Ctrl-C is no failure");
    for (n, name) in [(count, "ann"), (said_by_eve, "eve")] {
        let own: Vec<&str> = want.iter().map(|(_, text)| text.as_str()).filter(|text| text.starts_with(name)).collect();
        let all: Vec<String> = (0..n).map(|n| format!("{name}#{n}")).collect();
        assert_same(name, &own, &all.iter().map(String::as_str).collect::<Vec<_>>());
    }
    assert!(want.is_sorted_by(|(a, _), (b, _)| a < b), "ids rise");
    for person in [&ann, &bob, &cem] {
        assert_same(&person.profile, &said_in(&history(person, &id).await), &want);
    }
    let share = said_while_in(&full, dan.me().await.account);
    let arrived = || async { (dan.said(group).await.len() >= share.len()).then_some(()) };
    if tokio::time::timeout(DEADLINE, eventually(LONG, "dan's share", arrived)).await.is_err() {
        eprintln!("dan does not have his share");
    }
    assert_same("dan", &dan.said(group).await, &share);
    let mut views = vec![("eve".to_owned(), eve.group(group).await)];
    for person in [&ann, &bob, &cem] {
        views.push((person.profile.clone(), group_of(person, &id).await));
    }
    assert_agree(&views);
    assert_eq!(ledger.take_undecryptable(), Vec::<String>::new());
    println!("{whole} messages, kills: {kills} of the sender, {bob_kills} of the receiver, {killed} of who changed it");
}
