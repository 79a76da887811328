//! Presence and typing over sockets.

use super::groups::Circle;
use super::*;
use sotto_types::{AccountId, ErrorCode, limits};
use tokio::task::JoinSet;

fn bytes(account: AccountId) -> Bytes {
    Bytes::copy_from_slice(account.as_bytes())
}

fn subscribe(accounts: &[AccountId]) -> Client {
    Client::SubscribePresence(pb::SubscribePresence { accounts: accounts.iter().copied().map(bytes).collect() })
}

fn heartbeat(foreground: bool) -> Client {
    Client::Heartbeat(pb::Heartbeat { foreground })
}

fn typing(conversation: pb::conversation::Of, state: pb::TypingState) -> Client {
    let conversation = Some(pb::Conversation { of: Some(conversation) });
    Client::Typing(pb::Typing { conversation, state: state.into() })
}

fn to(person: &Person) -> pb::conversation::Of {
    pb::conversation::Of::Peer(bytes(person.account))
}

impl World {
    fn running(&self) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        let presence = self.presence.clone();
        tasks.spawn(async move { presence.run().await });
        tasks
    }

    async fn pass(&self, time: Duration) {
        for _ in 0..time.as_secs() {
            self.clock.advance(Duration::from_secs(1));
            self.presence.tick().await;
        }
    }
}

impl Peer {
    /// The next `Presence`: (account, online, last seen, hidden), by account.
    async fn presence(&mut self) -> Vec<(AccountId, bool, u64, bool)> {
        loop {
            match self.next().await {
                Seen::Frame(0, Server::Presence(presence)) => {
                    let person = |person: pb::PersonPresence| {
                        let account = AccountId::try_from(&person.account_id[..]).unwrap();
                        (account, person.online, person.last_seen_ms, person.hidden)
                    };
                    let mut people: Vec<_> = presence.people.into_iter().map(person).collect();
                    people.sort_unstable();
                    return people;
                }
                Seen::Frame(0, Server::QueueDrained(_)) => {}
                other => panic!("instead of Presence: {other:?}"),
            }
        }
    }

    /// Typing notices that came before the answer to a heartbeat: (author, state).
    async fn typing(&mut self) -> Vec<(AccountId, pb::TypingState, pb::conversation::Of)> {
        self.send(88, heartbeat(true)).await;
        let mut notices = Vec::new();
        loop {
            match self.next().await {
                Seen::Frame(88, Server::HeartbeatAck(_)) => return notices,
                Seen::Frame(0, Server::Typing(notice)) => {
                    let author = AccountId::try_from(&notice.account_id[..]).unwrap();
                    let state = notice.state();
                    notices.push((author, state, notice.conversation.unwrap().of.unwrap()));
                }
                Seen::Frame(0, Server::QueueDrained(_) | Server::GroupEntry(_)) => {}
                other => panic!("instead of typing: {other:?}"),
            }
        }
    }

    async fn error(&mut self, reference: u32) -> ErrorCode {
        loop {
            match self.next().await {
                Seen::Frame(found, Server::Error(error)) if found == reference => {
                    return ErrorCode::from_number(error.code).unwrap();
                }
                Seen::Frame(0, Server::QueueDrained(_)) => {}
                other => panic!("instead of an error: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn the_foreground_is_online_and_the_background_is_told_at_once() {
    let world = World::new().await;
    let _running = world.running();
    let (ann, bob) = (world.person(1).await, world.person(2).await);
    let mut viewer = world.connect(&ann, 0).await;
    let mut phone = world.connect(&bob, 0).await;
    viewer.send(0, subscribe(&[bob.account])).await;
    assert_eq!(viewer.presence().await, [(bob.account, true, 0, false)]);
    let now = world.clock.now().as_ms();
    phone.send(0, heartbeat(false)).await;
    assert_eq!(viewer.presence().await, [(bob.account, false, now, false)]);
    phone.send(0, heartbeat(true)).await;
    assert_eq!(viewer.presence().await, [(bob.account, true, 0, false)]);
    // A goodbye is one too, if no other device is here.
    let laptop = world.connect(&bob, 1).await;
    phone.raw(&client_frame(0x88, &1000u16.to_be_bytes())).await;
    phone.ending().await;
    assert_eq!(world.presence.online_count(), 2);
    drop((phone, laptop));
    world.until_connections(1).await;
    assert_eq!(world.presence.online_count(), 2, "a connection that breaks is not told");
    world.pass(Duration::from_secs(30)).await;
    viewer.heartbeat().await;
    world.pass(Duration::from_secs(30)).await;
    assert_eq!(viewer.presence().await, [(bob.account, false, now, false)]);
    assert_eq!(world.presence.online_count(), 1);
}

#[tokio::test]
async fn who_comes_back_in_time_was_never_away() {
    let world = World::new().await;
    let _running = world.running();
    let (ann, bob) = (world.person(1).await, world.person(1).await);
    let mut viewer = world.connect(&ann, 0).await;
    let phone = world.connect(&bob, 0).await;
    viewer.send(0, subscribe(&[bob.account, ann.account])).await;
    assert_eq!(viewer.presence().await, [(ann.account, true, 0, false), (bob.account, true, 0, false)]);
    drop(phone);
    world.until_connections(1).await;
    world.pass(Duration::from_secs(50)).await;
    let _phone = world.connect(&bob, 0).await;
    world.pass(Duration::from_secs(9)).await;
    // Not ann: her last heartbeat was her Hello.
    world.pass(Duration::from_secs(1)).await;
    let seen = viewer.presence().await;
    assert_eq!(
        seen.iter().map(|(account, online, ..)| (*account, *online)).collect::<Vec<_>>(),
        [(ann.account, false)]
    );
}

#[tokio::test]
async fn a_newer_connection_takes_over() {
    let world = World::new().await;
    let _running = world.running();
    let (ann, bob) = (world.person(1).await, world.person(1).await);
    let mut viewer = world.connect(&ann, 0).await;
    let mut older = world.connect(&bob, 0).await;
    world.clock.advance(Duration::from_secs(1));
    let mut newer = world.connect(&bob, 0).await;
    assert_eq!(older.ending().await.1, Some(4107));
    drop(older);
    world.until_connections(2).await;
    newer.heartbeat().await;
    viewer.send(0, subscribe(&[bob.account])).await;
    assert_eq!(viewer.presence().await, [(bob.account, true, 0, false)]);
}

#[tokio::test]
async fn hidden_blocked_and_unknown_people_look_the_same() {
    let world = World::new().await;
    let _running = world.running();
    let (ann, bob, cid) = (world.person(1).await, world.person(1).await, world.person(1).await);
    let nobody = AccountId::from_bytes([0xee; 16]);
    world.store.set_block(bob.account, ann.account, true).await.unwrap();
    let mut viewer = world.connect(&ann, 0).await;
    let mut blocker = world.connect(&bob, 0).await;
    let mut friend = world.connect(&cid, 0).await;
    viewer.drained().await;
    viewer.send(5, subscribe(&[bob.account, nobody])).await;
    viewer.send(6, subscribe(&[bob.account])).await;
    viewer.send(7, subscribe(&[nobody, cid.account])).await;
    assert_eq!(viewer.presence().await, [(cid.account, true, 0, false)]);
    blocker.send(0, heartbeat(false)).await;
    blocker.heartbeat().await;
    friend.send(0, heartbeat(false)).await;
    let now = world.clock.now().as_ms();
    assert_eq!(viewer.presence().await, [(cid.account, false, now, false)]);
    // Nothing came between, and nothing waits.
    viewer.send(9, heartbeat(true)).await;
    assert!(matches!(viewer.next().await, Seen::Frame(9, Server::HeartbeatAck(_))));
    // Who is blocked from now on hears that once.
    let who = |person: &Person| sotto_domain::SignedIn { address: person.device(0), expires: world.clock.now() };
    world.domain.set_block(&who(&cid), ann.account, true).await.unwrap();
    assert_eq!(viewer.presence().await, [(cid.account, false, 0, true)]);
    friend.heartbeat().await;
    world.domain.set_block(&who(&bob), ann.account, false).await.unwrap();
    assert_eq!(viewer.presence().await, [(bob.account, true, 0, false)]);
}

#[tokio::test]
async fn subscriptions_that_cannot_be_are_refused() {
    let world = World::new().await;
    let ann = world.person(1).await;
    let mut peer = world.connect(&ann, 0).await;
    let account = |number: usize| {
        let mut id = [3; 16];
        id[..8].copy_from_slice(&number.to_be_bytes());
        AccountId::from_bytes(id)
    };
    let many = |range: std::ops::Range<usize>| subscribe(&range.map(account).collect::<Vec<_>>());
    peer.send(3, many(0..257)).await;
    assert_eq!(peer.error(3).await, ErrorCode::BadRequest);
    peer.send(4, Client::SubscribePresence(pb::SubscribePresence { accounts: vec![Bytes::from_static(b"short")] }))
        .await;
    assert_eq!(peer.error(4).await, ErrorCode::BadRequest);
    peer.send(0, many(0..256)).await;
    peer.send(0, many(256..512)).await;
    peer.send(5, many(512..513)).await;
    assert_eq!(peer.error(5).await, ErrorCode::TooManySubscriptions);
    assert_eq!(world.presence.subscription_count(), limits::PRESENCE_SUBSCRIPTIONS);
    peer.send(0, Client::UnsubscribePresence(pb::UnsubscribePresence { accounts: vec![bytes(account(1))] })).await;
    peer.send(0, many(512..513)).await;
    // Each name costs a look: there are so many at once.
    for _ in 0..40 {
        peer.send(6, many(2..258)).await;
    }
    assert_eq!(peer.error(6).await, ErrorCode::RateLimited);
    drop(peer);
    world.until_connections(0).await;
    assert_eq!(world.presence.subscription_count(), 0);
}

#[tokio::test]
async fn typing_goes_to_who_is_there_and_may_have_it() {
    let world = World::new().await;
    let (ann, bob, cid) = (world.person(2).await, world.person(2).await, world.person(1).await);
    let (mut own, mut sibling) = (world.connect(&ann, 0).await, world.connect(&ann, 1).await);
    let (mut phone, mut laptop) = (world.connect(&bob, 0).await, world.connect(&bob, 1).await);
    let mut stranger = world.connect(&cid, 0).await;
    laptop.send(0, heartbeat(false)).await;
    laptop.send(7, heartbeat(false)).await;
    while !matches!(laptop.next().await, Seen::Frame(7, _)) {}
    own.send(0, typing(to(&bob), pb::TypingState::Typing)).await;
    own.send(0, typing(to(&ann), pb::TypingState::Typing)).await;
    own.heartbeat().await;
    let from_ann = |state| (ann.account, state, to(&ann));
    assert_eq!(phone.typing().await, [from_ann(pb::TypingState::Typing)]);
    for other in [&mut sibling, &mut laptop, &mut stranger] {
        assert_eq!(other.typing().await, []);
    }
    // Of what came together the last counts. Nobody who was blocked is heard, nor hears.
    own.send(0, typing(to(&bob), pb::TypingState::Recording)).await;
    own.send(0, typing(to(&bob), pb::TypingState::Unspecified)).await;
    own.heartbeat().await;
    assert_eq!(phone.typing().await.last(), Some(&from_ann(pb::TypingState::Unspecified)));
    for (blocker, blocked) in [(&bob, &cid), (&cid, &bob)] {
        world.store.set_block(blocker.account, blocked.account, true).await.unwrap();
        world.clock.advance(Duration::from_secs(5));
        stranger.send(0, typing(to(&bob), pb::TypingState::Typing)).await;
        stranger.heartbeat().await;
        assert_eq!(phone.typing().await, []);
        world.store.set_block(blocker.account, blocked.account, false).await.unwrap();
    }
    world.clock.advance(Duration::from_secs(5));
    stranger.send(0, typing(to(&bob), pb::TypingState::Typing)).await;
    stranger.heartbeat().await;
    assert_eq!(phone.typing().await, [(cid.account, pb::TypingState::Typing, to(&cid))]);
    // What makes no sense is said to be so.
    let nothing = Client::Typing(pb::Typing { conversation: None, state: 0 });
    own.send(3, nothing).await;
    assert_eq!(own.error(3).await, ErrorCode::BadRequest);
    let conversation = Some(pb::Conversation { of: Some(to(&bob)) });
    own.send(4, Client::Typing(pb::Typing { conversation, state: 9 })).await;
    assert_eq!(own.error(4).await, ErrorCode::BadRequest);
}

#[tokio::test]
async fn the_same_state_is_given_on_every_two_seconds() {
    let world = World::new().await;
    let (ann, bob) = (world.person(1).await, world.person(1).await);
    let (mut own, mut phone) = (world.connect(&ann, 0).await, world.connect(&bob, 0).await);
    // (after so many ms, whether it is given on)
    for (after, given) in [(0, true), (0, false), (1_999, false), (1, true), (0, false), (2_000, true)] {
        world.clock.advance(Duration::from_millis(after));
        own.send(0, typing(to(&bob), pb::TypingState::Typing)).await;
        own.heartbeat().await;
        assert_eq!(phone.typing().await.len(), usize::from(given), "{after}");
    }
    // What is another state than the last is news, but not for ever.
    world.clock.advance(Duration::from_secs(2));
    let changes = [pb::TypingState::Typing, pb::TypingState::Unspecified].into_iter().cycle().take(9);
    let mut given = 0;
    for state in changes {
        own.send(0, typing(to(&bob), state)).await;
        own.heartbeat().await;
        given += phone.typing().await.len();
    }
    assert_eq!(given, 6);
    // A clock that was set back keeps nobody silent; and one connection says so much at once.
    world.clock.set(sotto_types::Timestamp::from_ms(1_000_000));
    for number in 0..20u8 {
        let nobody = pb::conversation::Of::Peer(Bytes::copy_from_slice(&[0x80 + number; 16]));
        own.send(0, typing(nobody, pb::TypingState::Typing)).await;
        if number == 6 {
            own.send(0, typing(to(&bob), pb::TypingState::Typing)).await;
        }
    }
    own.send(0, typing(to(&bob), pb::TypingState::Recording)).await;
    own.heartbeat().await;
    let states: Vec<_> = phone.typing().await.into_iter().map(|(_, state, _)| state).collect();
    assert_eq!(states, [pb::TypingState::Typing]);
}

#[tokio::test]
async fn in_groups_typing_goes_to_the_other_members() {
    let world = World::new().await;
    let (ann, bob, cid) = (world.person(2).await, world.person(1).await, world.person(1).await);
    let circle: Circle = world.circle(&ann, &[&bob]).await;
    let group = || pb::conversation::Of::Group(circle.bytes());
    let (mut own, mut sibling) = (world.connect(&ann, 0).await, world.connect(&ann, 1).await);
    let (mut phone, mut stranger) = (world.connect(&bob, 0).await, world.connect(&cid, 0).await);
    own.send(0, typing(group(), pb::TypingState::Recording)).await;
    own.heartbeat().await;
    assert_eq!(phone.typing().await, [(ann.account, pb::TypingState::Recording, group())]);
    assert_eq!((sibling.typing().await, stranger.typing().await), (vec![], vec![]));
    // Who is no member says nothing, and is told nothing either.
    stranger.send(0, typing(group(), pb::TypingState::Typing)).await;
    let unknown = pb::conversation::Of::Group(Bytes::from_static(&[5; 32]));
    stranger.send(0, typing(unknown, pb::TypingState::Typing)).await;
    stranger.heartbeat().await;
    assert_eq!((phone.typing().await, own.typing().await), (vec![], vec![]));
}
