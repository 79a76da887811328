use super::*;
use sotto_types::limits;

/// The same answer, but for the roster, which a repeat is not told.
fn same(first: &OperationAnswer, again: &OperationAnswer) -> bool {
    (first.group, first.revision, first.message_id, first.server_time)
        == (again.group, again.revision, again.message_id, again.server_time)
}

#[tokio::test]
async fn a_group_is_made_once_however_often_it_is_asked_for() {
    let bed = Bed::new().await;
    let [ann, bob] = bed.people().await;
    let first = made(&ann, None, &creating(&[&bob], Fanout::Log));
    let tries = (0..8).map(|_| {
        let (domain, who, post) = (bed.domain.clone(), seen(&ann), posting(&first));
        tokio::spawn(async move { domain.post_operation(&who, None, post).await.unwrap() })
    });
    let mut answers = Vec::new();
    for attempt in tries.collect::<Vec<_>>() {
        answers.push(attempt.await.unwrap());
    }
    assert!(answers.iter().all(|answer| same(&answers[0], answer)), "{answers:?}");
    assert_eq!((answers[0].group, answers[0].revision), (first.operation.group_id(), 0));
    let circle = Circle { id: answers[0].group, state: first.state, roster: 1, last: answers[0].message_id };
    assert_eq!(bed.facts(&circle).await, (circle.state.head(), 1));
    assert_eq!(circle.waiting(&bed, bob.address(0)).await, [circle.last], "one entry in the log");
    assert_eq!(circle.waiting(&bed, ann.address(0)).await, [circle.last]);
}

#[tokio::test]
async fn the_first_operation_is_checked_against_the_directory_and_its_details() {
    let bed = Bed::new().await;
    let [ann, bob] = bed.people().await;
    let create = |members: &[&Person]| made(&ann, None, &creating(members, Fanout::Log));
    let (good, nobody) = (create(&[&bob]), create(&[&bob, &Person::new("nobody")]));
    let mut false_bob = Person::new("bob");
    false_bob.account = bob.account;
    let mut false_ann = Person::new("ann");
    false_ann.account = ann.account;
    let changed = |change: &dyn Fn(&mut PostOperation)| {
        let mut post = posting(&good);
        change(&mut post);
        post
    };
    let large = Bytes::from(vec![7; limits::GROUP_DETAILS_BYTES + 1]);
    let of_large =
        Change::Create { members: Vec::new(), settings: settings(Fanout::Log), details_hash: details_hash(&large) };
    let large = PostOperation { details: Some(large), ..posting(&made(&ann, None, &of_large)) };
    let whole = vec![1; limits::GROUP_OPERATION_BYTES + 1];
    use ErrorCode::*;
    for (name, who, post, want) in [
        ("another actor", &bob, posting(&good), GroupOperationRefused),
        ("another key", &ann, posting(&made(&false_ann, None, &creating(&[], Fanout::Log))), GroupOperationRefused),
        ("nobody", &ann, posting(&nobody), GroupAddRefused),
        ("another identity key", &ann, posting(&create(&[&false_bob])), GroupAddRefused),
        ("no details", &ann, changed(&|post| post.details = None), BadRequest),
        ("other details", &ann, changed(&|post| post.details = Some(Bytes::from_static(b"x"))), BadRequest),
        ("large details", &ann, large, TooLarge),
        ("a broken signature", &ann, changed(&|post| post.signature = vec![0; 64].into()), GroupOperationRefused),
        ("no operation", &ann, changed(&|post| post.payload = Bytes::from_static(b"\xff")), GroupOperationRefused),
        ("too large", &ann, changed(&|post| post.payload = whole.clone().into()), GroupOperationRefused),
    ] {
        assert_eq!(code(bed.post(who, None, post).await), want, "{name}");
    }
    assert_eq!(bed.domain.own_groups(&seen(&ann)).await.unwrap().len(), 0);
    bed.post(&ann, None, posting(&good)).await.unwrap();
}

#[tokio::test]
async fn details_come_with_the_operation_that_names_them_and_no_other() {
    let bed = Bed::new().await;
    let [ann, bob] = bed.people().await;
    let circle = Circle::new(&bed, &ann, &[]).await;
    let add = made(&ann, Some(&circle.state), &adding(&[&bob]));
    let post = PostOperation { details: Some(Bytes::from_static(DETAILS)), ..posting(&add) };
    assert_eq!(code(bed.post(&ann, Some(circle.id), post).await), ErrorCode::BadRequest);
    let change = Change::SetDetails { details_hash: details_hash(b"new") };
    let set = made(&ann, Some(&circle.state), &change);
    assert_eq!(code(bed.post(&ann, Some(circle.id), posting(&set)).await), ErrorCode::BadRequest, "the old ones");
    let post = PostOperation { details: Some(Bytes::from_static(b"new")), ..posting(&set) };
    let answer = bed.post(&ann, Some(circle.id), post).await.unwrap();
    assert_eq!((answer.revision, answer.roster), (1, circle.roster), "nobody came or went");
    let page = bed.domain.group_page(&seen(&ann), circle.id, 0).await.unwrap();
    assert_eq!(page.details.unwrap(), b"new"[..]);
}

#[tokio::test]
async fn to_a_stranger_there_is_no_group() {
    let bed = Bed::new().await;
    let [ann, bob, eve] = bed.people().await;
    let circle = Circle::new(&bed, &ann, &[&bob]).await;
    // She can make one only for a group where she is a member, as it once was.
    let mut with_eve = circle.clone();
    with_eve.act(&bed, &ann, adding(&[&eve])).await;
    let by_eve = made(&eve, Some(&with_eve.state), &Change::Leave);
    with_eve.act(&bed, &ann, removing(&eve)).await;
    assert_eq!(code(bed.post(&eve, Some(circle.id), posting(&by_eve)).await), ErrorCode::UnknownGroup);
    let other = Circle::new(&bed, &ann, &[]).await;
    let add = made(&ann, Some(&with_eve.state), &adding(&[&eve]));
    let elsewhere = bed.post(&ann, Some(other.id), posting(&add)).await;
    assert_eq!(code(elsewhere), ErrorCode::BadRequest, "the address names another group");
    let unknown = made(&ann, None, &creating(&[], Fanout::Log));
    let add = made(&ann, Some(&unknown.state), &adding(&[&eve]));
    assert_eq!(code(bed.post(&ann, None, posting(&add)).await), ErrorCode::UnknownGroup, "never made");
}

#[tokio::test]
async fn of_two_operations_after_the_same_one_the_first_wins_and_repeats_are_told_so() {
    let bed = Bed::new().await;
    let [ann, bob, cleo] = bed.people().await;
    let mut circle = Circle::new(&bed, &ann, &[&bob]).await;
    let late = made(&bob, Some(&circle.state), &adding(&[&cleo]));
    let early = made(&ann, Some(&circle.state), &Change::SetRole { account: bob.account, role: Role::Admin });
    let first = bed.post(&ann, Some(circle.id), posting(&early)).await.unwrap();
    assert_eq!(code(bed.post(&bob, Some(circle.id), posting(&late)).await), ErrorCode::GroupConflict);
    circle.state = early.state.clone();
    circle.act(&bed, &bob, adding(&[&cleo])).await;
    circle.act(&bed, &bob, removing(&cleo)).await;
    let again = bed.post(&ann, Some(circle.id), posting(&early)).await.unwrap();
    assert!(same(&first, &again));
    // Who repeats it has not seen who came and went since: with the roster of now it would write to people it does not know.
    assert_eq!(again.roster, 0);
    circle.act(&bed, &bob, Change::Leave).await;
    let leave = made(&ann, Some(&circle.state), &Change::Leave);
    let left = bed.post(&ann, Some(circle.id), posting(&leave)).await.unwrap();
    assert!(same(&left, &bed.post(&ann, Some(circle.id), posting(&leave)).await.unwrap()), "also for who is gone");
}

#[tokio::test]
async fn a_repeat_costs_nothing_and_an_operation_does() {
    let limits = RateLimits { group_operations: Rate::new(2, 1), ..RateLimits::default() };
    let bed = Bed::with(DomainConfig { limits, ..open() }).await;
    let [ann, bob] = bed.people().await;
    let mut circle = Circle::new(&bed, &ann, &[]).await;
    let add = made(&ann, Some(&circle.state), &adding(&[&bob]));
    circle.act(&bed, &ann, adding(&[&bob])).await;
    assert_eq!(code(circle.attempt(&bed, &ann, &removing(&bob)).await), ErrorCode::RateLimited);
    for _ in 0..5 {
        bed.post(&ann, Some(circle.id), posting(&add)).await.unwrap();
    }
}

#[tokio::test]
async fn when_two_admins_fill_the_last_place_exactly_one_does() {
    let limits = RateLimits { registrations: Rate::new(1_000, 10), ..RateLimits::default() };
    let bed = Bed::with(DomainConfig { limits, ..open() }).await;
    let people = bed.people::<129>().await;
    let [ann, bob, cleo, dan, rest @ ..] = &people[..] else { unreachable!() };
    let mut members: Vec<&Person> = rest.iter().collect();
    members.push(bob);
    let mut circle = Circle::with(&bed, ann, &members, Fanout::Pairwise).await;
    assert_eq!(circle.state.members().len(), limits::PAIRWISE_MEMBERS - 1);
    circle.act(&bed, ann, Change::SetRole { account: bob.account, role: Role::Admin }).await;
    let (by_ann, by_bob) = (adding(&[cleo]), adding(&[dan]));
    let (first, second) = tokio::join!(circle.attempt(&bed, ann, &by_ann), circle.attempt(&bed, bob, &by_bob));
    let codes: Vec<ErrorCode> = [first, second].into_iter().filter_map(|tried| Some(tried.err()?.code)).collect();
    assert_eq!(codes, [ErrorCode::GroupConflict]);
    let group = bed.store.group(circle.id).await.unwrap().unwrap();
    assert_eq!(group.members.len(), limits::PAIRWISE_MEMBERS);
    let state = GroupState::decode(&group.state).unwrap();
    let again = sign_operation(&bob.identity, bob.address(0), Some(&state), &by_bob, START, &mut rng());
    assert!(again.is_err(), "the group is full");
}

fn invite(seed: &InviteSeed, uses: u32, approval: bool) -> Invite {
    Invite { public_key: seed.public_key(), expires: None, uses: NonZeroU32::new(uses), approval }
}

fn joining(circle: &Circle, seed: &InviteSeed, who: &Person) -> Change {
    let proof = prove_join(seed, circle.id, who.account, &who.identity.public());
    Change::Join { public_key: seed.public_key(), proof }
}

#[tokio::test]
async fn an_invite_lets_in_until_it_is_used_up() {
    let bed = Bed::new().await;
    let [ann, bob, cleo] = bed.people().await;
    let mut circle = Circle::new(&bed, &ann, &[]).await;
    let seed = InviteSeed::generate(&mut rng());
    circle.act(&bed, &ann, Change::OpenInvite(invite(&seed, 1, false))).await;
    let before = circle.state.clone();
    let joined = circle.act(&bed, &bob, joining(&circle, &seed, &bob)).await;
    assert_eq!(circle.waiting(&bed, bob.address(0)).await, [joined.message_id], "nothing from before");
    // Cleo's proof fits the list as it was; now it comes too late.
    let late = made(&cleo, Some(&before), &joining(&circle, &seed, &cleo));
    assert_eq!(code(bed.post(&cleo, Some(circle.id), posting(&late)).await), ErrorCode::GroupConflict);
    let page = bed.domain.invite_page(&seen(&cleo), circle.id, seed.public_key().as_bytes(), 0).await;
    assert_eq!(code(page), ErrorCode::GroupInviteClosed);
}

#[tokio::test]
async fn the_servers_clock_ends_an_invite() {
    let bed = Bed::new().await;
    let [ann, bob, cleo] = bed.people().await;
    let mut circle = Circle::new(&bed, &ann, &[]).await;
    let seed = InviteSeed::generate(&mut rng());
    let expires = Some(START.plus(DAY));
    circle.act(&bed, &ann, Change::OpenInvite(Invite { expires, ..invite(&seed, 0, false) })).await;
    bed.clock.advance(DAY - std::time::Duration::from_millis(1));
    circle.act(&bed, &bob, joining(&circle, &seed, &bob)).await;
    bed.domain.invite_page(&seen(&cleo), circle.id, seed.public_key().as_bytes(), 0).await.unwrap();
    bed.clock.advance(std::time::Duration::from_millis(1));
    let late = circle.attempt(&bed, &cleo, &joining(&circle, &seed, &cleo)).await;
    assert_eq!(code(late), ErrorCode::GroupInviteClosed);
    let page = bed.domain.invite_page(&seen(&cleo), circle.id, seed.public_key().as_bytes(), 0).await;
    assert_eq!(code(page), ErrorCode::GroupInviteClosed, "an expired link shows nothing");
}

#[tokio::test]
async fn with_approval_joining_only_asks() {
    let bed = Bed::new().await;
    let [ann, bob] = bed.people().await;
    let mut circle = Circle::new(&bed, &ann, &[]).await;
    let seed = InviteSeed::generate(&mut rng());
    circle.act(&bed, &ann, Change::OpenInvite(invite(&seed, 0, true))).await;
    let roster = circle.roster;
    circle.act(&bed, &bob, joining(&circle, &seed, &bob)).await;
    assert_eq!(circle.roster, roster);
    assert_eq!(circle.waiting(&bed, bob.address(0)).await, []);
    assert_eq!(code(bed.domain.group_page(&seen(&bob), circle.id, 0).await), ErrorCode::UnknownGroup);
    let sent = bed.domain.send_group(bob.address(0), circle.message(b"hi")).await;
    assert_eq!(send_code(sent), ErrorCode::UnknownGroup);
    let added = circle.act(&bed, &ann, adding(&[&bob])).await;
    assert_eq!((circle.roster, circle.waiting(&bed, bob.address(0)).await), (roster + 1, vec![added.message_id]));
}

#[tokio::test]
async fn an_owner_is_succeeded_only_when_the_account_is_gone() {
    let bed = Bed::new().await;
    let [ann, bob] = bed.people().await;
    let mut circle = Circle::new(&bed, &ann, &[&bob]).await;
    circle.act(&bed, &ann, Change::SetRole { account: bob.account, role: Role::Admin }).await;
    assert_eq!(code(circle.attempt(&bed, &bob, &Change::Succeed).await), ErrorCode::GroupOperationRefused);
    bed.domain.delete_account_by_name("person0").await.unwrap();
    circle.act(&bed, &bob, Change::Succeed).await;
    assert_eq!(circle.state.owner().map(|owner| owner.account), Some(bob.account));
}

#[tokio::test]
async fn who_is_removed_is_told_and_sees_up_to_its_end() {
    let bed = Bed::new().await;
    let [ann, bob, cleo] = bed.people().await;
    let mut circle = Circle::new(&bed, &ann, &[&bob, &cleo]).await;
    let first = circle.last;
    let before = circle.say(&bed, &ann, b"before").await;
    bed.connections.drain();
    let removed = circle.act(&bed, &ann, removing(&bob)).await;
    assert_eq!(bed.connections.drain(), [Told::GroupWaits(bob.account)]);
    let after = circle.say(&bed, &ann, b"after").await;
    assert_eq!(circle.waiting(&bed, bob.address(0)).await, [first, before, removed.message_id]);
    assert_eq!(circle.waiting(&bed, cleo.address(0)).await, [first, before, removed.message_id, after]);
    let page = bed.domain.group_page(&seen(&bob), circle.id, 0).await.unwrap();
    let revisions: Vec<u32> = page.operations.iter().map(|operation| operation.revision).collect();
    assert_eq!((revisions, page.more, page.details, page.members.len()), (vec![0, 1], false, None, 0));
    assert_eq!(code(bed.domain.group_marks(&seen(&bob), circle.id).await), ErrorCode::UnknownGroup);
    // Added again it begins anew, after what it has not read of the time before.
    let added = circle.act(&bed, &ann, adding(&[&bob])).await;
    let waiting = circle.waiting(&bed, bob.address(0)).await;
    assert_eq!(waiting, [first, before, removed.message_id, added.message_id]);
}
