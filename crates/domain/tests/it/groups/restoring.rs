use super::*;

/// The operations of a list, made one on top of the other, and the group after them.
fn list(steps: &[(&Person, Change)]) -> (Vec<PostOperation>, GroupId, GroupState) {
    let mut state: Option<GroupState> = None;
    let mut operations = Vec::new();
    for (actor, change) in steps {
        let made = made(actor, state.as_ref(), change);
        operations.push(posting(&made));
        state = Some(made.state);
    }
    let state = state.unwrap();
    (operations, state.id(), state)
}

/// A restored server that knows these people and nothing else.
async fn restored(people: &[&Person]) -> Bed {
    let before = Bed::new().await;
    let after = before.restored_empty().await;
    for person in people {
        after.domain.register(person.registration(), ip()).await.unwrap();
    }
    after
}

#[tokio::test]
async fn a_restored_server_is_given_its_groups_back() {
    let [ann, bob, cem, dan] = ["ann", "bob", "cem", "dan"].map(Person::new);
    let (operations, id, state) =
        list(&[(&ann, creating(&[&bob], Fanout::Log)), (&ann, adding(&[&cem, &dan])), (&ann, removing(&dan))]);
    // bob's account has not come back yet, dan's never does.
    let bed = restored(&[&ann, &cem]).await;
    let ann_here = bed.sign_in(&ann, 0).await;

    // In two requests that overlap; what was missing of the details is the newest's to have.
    let first = bed.domain.restore_group(&ann_here, id, operations[..2].to_vec()).await.unwrap();
    assert_eq!(first.revision, 1);
    let whole = bed.domain.restore_group(&ann_here, id, operations[1..].to_vec()).await.unwrap();
    assert_eq!((whole.revision, whole.head), (2, state.head()));
    let page = bed.domain.group_page(&ann_here, id, 0).await.unwrap();
    let payloads: Vec<_> = page.operations.iter().map(|operation| &operation.payload).collect();
    assert_eq!(payloads, operations.iter().map(|operation| &operation.payload).collect::<Vec<_>>());
    assert_eq!(page.details.as_deref(), Some(DETAILS));

    // Members are members: what is said comes to those who are here, and to bob, once he is, from then on.
    let circle = async || {
        let page = bed.domain.group_page(&ann_here, id, 2).await.unwrap();
        Circle { id, state: state.clone(), roster: page.roster, last: MessageId::ZERO }
    };
    let early = circle().await.say(&bed, &ann, b"who is here?").await;
    assert_eq!(circle().await.waiting(&bed, cem.address(0)).await.last(), Some(&early));
    bed.domain.register(bob.registration(), ip()).await.unwrap();
    let bob_here = bed.sign_in(&bob, 0).await;
    assert!(bed.domain.own_groups(&bob_here).await.unwrap().is_empty());
    let before = circle().await.roster;
    assert_eq!(bed.domain.restore_group(&bob_here, id, Vec::new()).await.unwrap(), whole);
    assert!(circle().await.roster > before, "his devices are to be encrypted for");
    assert_eq!(bed.domain.own_groups(&bob_here).await.unwrap().len(), 1);
    let late = circle().await.say(&bed, &cem, b"welcome back").await;
    assert_eq!(circle().await.waiting(&bed, bob.address(0)).await.last(), Some(&late));
}

#[tokio::test]
async fn what_does_not_belong_there_is_not_restored() {
    let [ann, bob, cem, dan] = ["ann", "bob", "cem", "dan"].map(Person::new);
    let created = made(&ann, None, &creating(&[&bob], Fanout::Log));
    let added = made(&ann, Some(&created.state), &adding(&[&cem]));
    let operations = vec![posting(&created), posting(&added)];
    let (id, first, state) = (created.state.id(), created.state, added.state);
    let bed = restored(&[&ann, &bob, &cem, &dan]).await;
    let [ann_here, bob_here, dan_here] =
        [bed.sign_in(&ann, 0).await, bed.sign_in(&bob, 0).await, bed.sign_in(&dan, 0).await];
    let restore = async |who: &SignedIn, operations: Vec<PostOperation>| {
        bed.domain.restore_group(who, id, operations).await.map(|restored| restored.revision)
    };

    assert_eq!(code(restore(&ann_here, Vec::new()).await), ErrorCode::UnknownGroup);
    assert_eq!(code(restore(&ann_here, operations[1..].to_vec()).await), ErrorCode::UnknownGroup, "not the first");
    let mut damaged = operations[0].clone();
    damaged.signature = Bytes::from_static(&[0; 64]);
    assert_eq!(code(restore(&ann_here, vec![damaged]).await), ErrorCode::GroupOperationRefused);
    let mut other = operations[0].clone();
    other.details = Some(Bytes::from_static(b"other details"));
    assert_eq!(code(restore(&ann_here, vec![other]).await), ErrorCode::BadRequest);
    assert_eq!(restore(&bob_here, operations.clone()).await.unwrap(), 1, "by any member");
    // A stranger learns nothing, not even with the operations.
    assert_eq!(code(restore(&dan_here, operations.clone()).await), ErrorCode::UnknownGroup);

    // Another one in the place of one that is there; one of another group.
    let forked = made(&ann, Some(&first), &adding(&[&dan]));
    assert_eq!(code(restore(&ann_here, vec![posting(&forked)]).await), ErrorCode::GroupConflict);
    let (other, ..) = list(&[(&ann, creating(&[&bob, &dan], Fanout::Log))]);
    assert_eq!(code(restore(&ann_here, other).await), ErrorCode::BadRequest);
    // That the owner is gone is for the server to say.
    let after_rights = made(&ann, Some(&state), &Change::SetRole { account: bob.account, role: Role::Admin });
    restore(&ann_here, vec![posting(&after_rights)]).await.unwrap();
    let takes_over = made(&bob, Some(&after_rights.state), &Change::Succeed);
    assert_eq!(code(restore(&bob_here, vec![posting(&takes_over)]).await), ErrorCode::GroupOperationRefused);
}

#[tokio::test]
async fn a_server_that_forgot_nothing_takes_nothing_back() {
    let bed = Bed::new().await;
    let [ann, bob] = [bed.register("ann").await, bed.register("bob").await];
    let circle = Circle::new(&bed, &ann, &[&bob]).await;
    let ann_here = bed.sign_in(&ann, 0).await;
    let leaves = made(&bob, Some(&circle.state), &Change::Leave);
    let refused = bed.domain.restore_group(&ann_here, circle.id, vec![posting(&leaves)]).await;
    assert_eq!(code(refused), ErrorCode::GroupOperationRefused);
}
