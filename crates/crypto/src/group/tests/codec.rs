//! States at rest.

use super::*;

fn rich() -> GroupState {
    let mut group = Group::with_roles(EVERYBODY);
    group.must(ADMIN, &Change::OpenInvite(invite(1, 9, true)));
    group.must(ADMIN, &Change::OpenInvite(invite(2, 0, false)));
    group.join(STRANGER, 1).expect("a request");
    group.must(MEMBER, &add_anew(OTHER_MEMBER));
    group.must(MEMBER, &Change::Leave);
    group.must(LATER_ADMIN, &set_details(2));
    group.state
}

#[test]
fn a_state_survives() {
    let state = rich();
    assert_eq!(GroupState::decode(&state.encode()), Ok(state));
}

#[test]
fn what_no_list_could_make_is_refused() {
    let good = pb::GroupState::decode(&rich().encode()[..]).expect("good");
    let edits: Vec<fn(&mut pb::GroupState)> = vec![
        |state| state.group_id = vec![].into(),
        |state| state.head = vec![1; 31].into(),
        |state| state.details_hash = vec![].into(),
        |state| state.settings = None,
        |state| state.deleted = true,
        |state| state.members.clear(),
        |state| state.members[0].role = 2,
        |state| state.members[1].role = 3,
        |state| state.members[1].role = 1,
        |state| state.members[1].role = 0,
        |state| state.members[1].account_id = vec![].into(),
        |state| state.members[1].identity_key = vec![5; 33].into_iter().take(32).collect(),
        |state| state.members[1] = state.members[0].clone(),
        |state| state.members[1].since_revision = 1000,
        |state| state.members[1].admin_since = 1000,
        |state| state.members = vec![state.members[0].clone(); 1025],
        |state| state.requests[0].who.as_mut().expect("one").account_id = state.members[0].account_id.clone(),
        |state| state.requests.extend(state.requests.clone()),
        |state| state.requests[0].who = None,
        |state| state.requests[0].public_key = vec![0; 32].into(),
        |state| state.invites[1] = state.invites[0].clone(),
        |state| state.invites[0].used = 9,
        |state| state.invites[0].invite = None,
        |state| state.invites[0].by = vec![].into(),
        |state| state.former[0].until_revision = 0,
        |state| state.former[0].until_revision = 1000,
        |state| state.former.reverse(),
        |state| state.former = vec![state.former[0].clone(); 4097],
        |state| state.details_revision = 1000,
        |state| state.membership_revision = 1000,
        |state| state.revision = 0,
    ];
    for (at, edit) in edits.iter().enumerate() {
        let mut state = good.clone();
        edit(&mut state);
        assert!(GroupState::decode(&state.encode_to_vec()).is_err(), "{at}");
    }
    let mut fresh = pb::GroupState::decode(&Group::new(&[], EVERYBODY).state.encode()[..]).expect("good");
    fresh.head = vec![9; 32].into();
    assert!(GroupState::decode(&fresh.encode_to_vec()).is_err());
}

#[test]
fn any_bytes_are_an_error_or_a_state_that_encodes_back() {
    let mut rng = ChaCha20Rng::seed_from_u64(6);
    let good = rich().encode();
    for _ in 0..20_000 {
        let mut bytes = good.clone();
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..bytes.len());
            match rng.random_range(0..3) {
                0 => bytes[at] = rng.random(),
                1 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, rng.random()),
            }
        }
        if let Ok(state) = GroupState::decode(&bytes) {
            check_invariants(&state);
        }
    }
}
