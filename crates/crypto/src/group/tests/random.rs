//! Random members trying random things: whatever the list becomes, the promises of the module hold.

use super::*;

const PEOPLE: u8 = 9;

fn person(rng: &mut ChaCha20Rng) -> u8 {
    rng.random_range(1..=PEOPLE)
}

fn some(rng: &mut ChaCha20Rng) -> Vec<u8> {
    let mut people: Vec<u8> = (0..rng.random_range(1..=3)).map(|_| person(rng)).collect();
    people.sort_unstable();
    people.dedup();
    people
}

/// Mostly a member with the key it is known by.
fn actor(state: &GroupState, rng: &mut ChaCha20Rng) -> (u8, u8) {
    if state.is_deleted() || rng.random_ratio(1, 3) {
        return (person(rng), rng.random_range(0..2));
    }
    let member = state.members()[rng.random_range(0..state.members().len())];
    let person = member.account.as_bytes()[0];
    (person, u8::from(member.identity_key != key(person)))
}

fn permission(rng: &mut ChaCha20Rng) -> Permission {
    if rng.random() { Permission::Members } else { Permission::Admins }
}

fn change(group: &Group, actor: u8, generation: u8, rng: &mut ChaCha20Rng) -> Change {
    let number = rng.random_range(1..=4);
    match rng.random_range(0..100) {
        0..25 => Change::Add {
            members: some(rng)
                .into_iter()
                .map(|person| MemberKey {
                    account: id(person),
                    identity_key: identity(person, rng.random_range(0..2)).public(),
                })
                .collect(),
        },
        25..33 => remove(&some(rng)),
        33..38 => Change::Leave,
        38..55 => {
            let role = [Role::Member, Role::Admin, Role::Admin, Role::Owner][rng.random_range(0..4)];
            set_role(person(rng), role)
        }
        55..60 => set_details(rng.random_range(1..4)),
        60..66 => Change::SetSettings {
            settings: GroupSettings {
                post: permission(rng),
                add: permission(rng),
                change_details: permission(rng),
                fanout: if rng.random_ratio(1, 8) { Fanout::Pairwise } else { Fanout::Log },
            },
        },
        66..74 => Change::OpenInvite(invite(number, rng.random_range(0..3), rng.random())),
        74..77 => Change::CloseInvite { public_key: seed(number).public_key() },
        77..92 => group.join_change(actor, generation, number),
        92..96 => decline(&some(rng)),
        96..99 => Change::Succeed,
        _ => Change::Delete,
    }
}

/// Every pinned key and every membership, by revision, kept the slow way.
fn memberships(state: &GroupState) -> Vec<Option<IdentityKey>> {
    (1..=PEOPLE).map(|person| state.member(id(person)).map(|member| member.identity_key)).collect()
}

#[test]
fn random_lists_keep_every_promise() {
    let (mut accepted, mut refused) = (0, 0);
    for run in 0..40 {
        let mut rng = ChaCha20Rng::seed_from_u64(run);
        let mut group = Group::new(&[2, 3, 4], EVERYBODY);
        let mut past = vec![memberships(&group.state)];
        for _ in 0..120 {
            let before = group.state.clone();
            let (actor, generation) = actor(&before, &mut rng);
            let change = change(&group, actor, generation, &mut rng);
            match group.may_as(actor, generation, &change) {
                Ok(applied) => {
                    accepted += 1;
                    check_accepted(&before, &group.state, &applied);
                    past.push(memberships(&group.state));
                }
                Err(_) => {
                    refused += 1;
                    assert_eq!(group.state, before);
                }
            }
        }
        assert_eq!(replay(&group.list).as_ref(), Ok(&group.state), "run {run}");
        for (revision, members) in past.iter().enumerate() {
            let revision = u32::try_from(revision).expect("small");
            let told: Vec<_> = (1..=PEOPLE).map(|person| group.state.member_at(id(person), revision)).collect();
            assert_eq!(&told, members, "run {run}, revision {revision}");
        }
        // No operation can be left out.
        for missing in 1..group.list.len().saturating_sub(1) {
            let mut list = group.list.clone();
            list.remove(missing);
            assert!(replay(&list).is_err(), "run {run} without {missing}");
        }
    }
    assert!(accepted > 500 && refused > 500, "{accepted} accepted, {refused} refused");
}

fn check_accepted(before: &GroupState, after: &GroupState, applied: &Applied) {
    assert_eq!(after.revision(), before.revision() + 1);
    let key_of = |state: &GroupState, account| state.member(account).map(|member| member.identity_key);
    for person in 1..=PEOPLE {
        let account = id(person);
        let (was, is) = (key_of(before, account), key_of(after, account));
        assert_eq!(applied.added.contains(&account), was.is_none() && is.is_some());
        assert_eq!(applied.removed.contains(&account), was.is_some() && is.is_none());
        assert_eq!(applied.rekeyed.contains(&account), was.is_some() && is.is_some() && was != is);
    }
    let owner = |state: &GroupState| state.owner().map(|owner| owner.account);
    let moved = owner(before) != owner(after) && owner(after).is_some();
    assert_eq!(applied.owner_changed, owner(after).filter(|_| moved));
    assert_eq!(applied.deleted, after.is_deleted());
    assert_eq!(applied.sets_details, before.details_hash() != after.details_hash());
    let rises = after.membership_revision() == after.revision();
    assert_eq!(applied.changes_roster(), rises);
}
