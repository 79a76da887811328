//! The list: order, forks, replays, tampering, and everything that is no operation.

use super::GroupOperationError::{Invalid, Malformed, Signature, TooLarge};
use super::*;
use sotto_types::limits::GROUP_OPERATION_BYTES;
use sotto_wire::pb::group_operation::Change as Wire;

#[test]
fn an_operation_reads_back() {
    let mut group = Group::new(&[MEMBER], EVERYBODY);
    let first = group.list[0].verify().expect("our own");
    assert_eq!((first.revision(), first.previous(), first.group_id()), (0, None, group.state.id()));
    assert_eq!(&first.hash(), first.group_id().as_bytes());
    group.must(MEMBER, &set_details(3));
    let second = group.list[1].verify().expect("our own");
    assert_eq!((second.revision(), second.previous()), (1, Some(first.hash())));
    assert_eq!((second.group_id(), second.hash()), (group.state.id(), group.state.head()));
    assert_eq!((second.actor(), second.actor_key()), (id(MEMBER), key(MEMBER)));
    assert_eq!((second.actor_device(), second.at()), (DeviceId::FIRST, Timestamp::from_ms(1_000)));
    assert_eq!(second.change(), &set_details(3));
    let wire = pb::SignedGroupOperation::from(group.list[1].clone());
    assert_eq!(SignedGroupOperation::from(wire), group.list[1]);
}

#[test]
fn the_hash_is_over_domain_and_payload() {
    use sha2::{Digest, Sha256};
    let group = Group::new(&[MEMBER], EVERYBODY);
    let bytes = [b"sotto group operation v1\0", &group.list[0].payload[..]].concat();
    assert_eq!(group.state.head()[..], Sha256::digest(&bytes)[..]);
}

#[test]
fn two_groups_of_the_same_people_differ() {
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    let change = Change::Create { members: named(&[MEMBER]), settings: EVERYBODY, details_hash: [1; 32] };
    let [one, other] = [(); 2].map(|()| sign(OWNER, 0, None, &change, &mut rng).expect("a group").state.id());
    assert_ne!(one, other);
}

#[test]
fn every_changed_bit_is_refused() {
    let mut group = Group::new(&[MEMBER], EVERYBODY);
    group.must(OWNER, &Change::OpenInvite(invite(1, 3, true)));
    for signed in &group.list {
        for bit in 0..signed.payload.len() * 8 {
            let mut payload = signed.payload.to_vec();
            payload[bit / 8] ^= 1 << (bit % 8);
            assert!(verify_operation(&payload, &signed.signature).is_err(), "payload bit {bit}");
        }
        for bit in 0..signed.signature.len() * 8 {
            let mut signature = signed.signature.to_vec();
            signature[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(verify_operation(&signed.payload, &signature), Err(Signature), "signature bit {bit}");
        }
        for end in 0..signed.payload.len() {
            assert!(verify_operation(&signed.payload[..end], &signed.signature).is_err(), "{end}");
        }
        assert_eq!(verify_operation(&signed.payload, &signed.signature[..63]), Err(Signature));
        let by_another = sign_bytes(STRANGER, signed.payload.to_vec());
        assert_eq!(by_another.verify(), Err(Signature));
    }
}

#[test]
fn only_one_encoding_is_an_operation() {
    let mut group = Group::new(&[MEMBER], EVERYBODY);
    group.must(OWNER, &set_details(2));
    let good = group.list[1].payload.to_vec();
    assert!(sign_bytes(OWNER, good.clone()).verify().is_ok());
    let unknown_field = [&good[..], &[0xf8, 0x07, 0x01]].concat();
    let revision_again = [&good[..], &[0x08, 0x01]].concat();
    let change_again = [&good[..], &[0xaa, 0x01, 0x00]].concat(); // remove, empty
    let no_change = pb::GroupOperation { change: None, ..pb::GroupOperation::decode(&good[..]).expect("good") };
    for bytes in [unknown_field, revision_again, change_again, no_change.encode_to_vec(), b"junk".to_vec()] {
        let got = sign_bytes(OWNER, bytes.clone()).verify();
        assert!(matches!(got, Err(Malformed)), "{} {got:?}", hex::encode(bytes));
    }
    assert!(matches!(sign_bytes(OWNER, Vec::new()).verify(), Err(Invalid(_))));
    let large = vec![0; GROUP_OPERATION_BYTES + 1];
    assert_eq!(sign_bytes(OWNER, large).verify(), Err(TooLarge(GROUP_OPERATION_BYTES + 1)));
}

#[test]
fn every_field_is_checked() {
    let mut group = Group::new(&[MEMBER], EVERYBODY);
    group.must(OWNER, &set_details(2));
    let [first, second] = [&group.list[0], &group.list[1]];
    type Edit = Box<dyn Fn(&mut pb::GroupOperation)>;
    let with = |change: Wire| -> Edit { Box::new(move |operation| operation.change = Some(change.clone())) };
    let create = |edit: fn(&mut pb::CreateGroup)| -> Edit {
        Box::new(move |operation| {
            if let Some(Wire::Create(create)) = &mut operation.change {
                edit(create);
            }
        })
    };
    let member = |person: u8| pb::GroupMemberKey {
        account_id: id(person).as_bytes().to_vec().into(),
        identity_key: key(person).as_bytes().to_vec().into(),
    };
    let bad_key = pb::GroupMemberKey { identity_key: vec![5; 34].into(), ..member(STRANGER) };
    let bad_id = pb::GroupMemberKey { account_id: vec![0; 16].into(), ..member(STRANGER) };
    let settings = pb::GroupSettings { post: 1, add: 1, change_details: 1, fanout: 1 };
    let invite_key = seed(1).public_key().as_bytes().to_vec();
    let weak = || [vec![1], vec![0; 31]].concat();
    let account = || id(MEMBER).as_bytes().to_vec().into();
    let of_first: Vec<Edit> = vec![
        Box::new(|operation| operation.revision = 1),
        Box::new(|operation| operation.previous = vec![1; 32].into()),
        Box::new(|operation| operation.group_id = vec![1; 32].into()),
        create(|create| create.nonce = vec![1; 31].into()),
        create(|create| create.details_hash = vec![1; 33].into()),
        create(|create| create.settings = None),
        create(|create| create.members.extend(create.members.clone())),
        create(|create| create.members.resize(1025, pb::GroupMemberKey::default())),
        create(|create| {
            create.members[0].account_id = id(OWNER).as_bytes().to_vec().into();
        }),
    ];
    let of_second: Vec<Edit> = vec![
        Box::new(|operation| operation.revision = 0),
        Box::new(|operation| operation.previous = vec![1; 31].into()),
        Box::new(|operation| operation.group_id = vec![].into()),
        Box::new(|operation| operation.group_id = vec![0; 32].into()),
        Box::new(|operation| operation.actor = vec![1; 15].into()),
        Box::new(|operation| operation.actor_key = vec![5; 32].into()),
        Box::new(|operation| operation.actor_device = 0),
        Box::new(|operation| operation.actor_device = 128),
        with(Wire::Add(pb::AddMembers { members: vec![] })),
        with(Wire::Add(pb::AddMembers { members: vec![member(STRANGER), member(STRANGER)] })),
        with(Wire::Add(pb::AddMembers { members: vec![bad_key] })),
        with(Wire::Add(pb::AddMembers { members: vec![bad_id] })),
        with(Wire::Remove(pb::RemoveMembers { accounts: vec![] })),
        with(Wire::Remove(pb::RemoveMembers { accounts: vec![account(), account()] })),
        with(Wire::Decline(pb::DeclineRequest { accounts: vec![] })),
        with(Wire::SetRole(pb::SetRole { account: account(), role: 0 })),
        with(Wire::SetRole(pb::SetRole { account: account(), role: 4 })),
        with(Wire::SetDetails(pb::SetDetails { details_hash: vec![].into() })),
        with(Wire::SetSettings(pb::SetSettings { settings: None })),
        with(Wire::SetSettings(pb::SetSettings { settings: Some(pb::GroupSettings { post: 0, ..settings }) })),
        with(Wire::SetSettings(pb::SetSettings { settings: Some(pb::GroupSettings { add: 3, ..settings }) })),
        with(Wire::SetSettings(pb::SetSettings { settings: Some(pb::GroupSettings { fanout: 0, ..settings }) })),
        with(Wire::OpenInvite(pb::OpenInvite { public_key: weak().into(), ..Default::default() })),
        with(Wire::CloseInvite(pb::CloseInvite { public_key: vec![2; 32].into() })),
        with(Wire::Join(pb::JoinByInvite { public_key: invite_key.into(), proof: vec![0; 63].into() })),
    ];
    for (signed, edits) in [(first, of_first), (second, of_second)] {
        for (at, edit) in edits.iter().enumerate() {
            let got = forge(OWNER, signed, edit).verify();
            assert!(matches!(got, Err(Invalid(_))), "{at}: {got:?}");
        }
    }
}

#[test]
fn operations_follow_each_other_exactly() {
    let mut group = Group::new(&[MEMBER], EVERYBODY);
    let fork = group.clone();
    group.must(OWNER, &set_details(2));
    group.must(MEMBER, &set_details(3));
    assert_eq!(replay(&group.list).as_ref(), Ok(&group.state));

    // Again, with a gap, turned around, without a beginning.
    let not_next = |have, got| Err(GroupRuleError::NotNext { have, got });
    for at in 0..3 {
        let again = group.list[at].verify().expect("our own");
        let got = u32::try_from(at).expect("small");
        assert_eq!(group.state.apply(&again).map(|_| ()), not_next(2, got));
    }
    let [first, second, third] = [0, 1, 2].map(|at| group.list[at].clone());
    assert_eq!(replay(&[first.clone(), third.clone(), second.clone()]).map(|_| ()), not_next(0, 2));
    assert_eq!(replay(&[second.clone(), third.clone()]).map(|_| ()), Err(GroupRuleError::NotFirst));
    assert_eq!(replay(&[first.clone(), first.clone()]).map(|_| ()), not_next(0, 0));

    // Two operations after one: the second history is not taken for the first.
    let mut other = fork;
    other.rng = ChaCha20Rng::seed_from_u64(9);
    other.must(MEMBER, &set_details(4));
    let other = other.list[1].clone();
    assert_eq!(replay(&[first, other, third]).map(|_| ()), Err(GroupRuleError::Forked { revision: 1 }));

    let mut elsewhere = Group::new(&[MEMBER, STRANGER], EVERYBODY);
    elsewhere.must(OWNER, &set_details(2));
    let before = replay(&group.list[..1]).expect("a group");
    let foreign = elsewhere.list[1].verify().expect("good");
    assert_eq!(before.apply(&foreign).map(|_| ()), Err(GroupRuleError::OtherGroup));
    assert_eq!(before.apply(&elsewhere.list[0].verify().expect("good")).map(|_| ()), Err(GroupRuleError::OtherGroup));
}

#[test]
fn nobody_acts_for_another() {
    let mut group = Group::new(&[MEMBER], EVERYBODY);
    let before = group.state.clone();
    group.must(OWNER, &set_details(2));
    let good = &group.list[1];
    let as_owner = forge(MEMBER, good, |operation| operation.actor_key = key(MEMBER).as_bytes().to_vec().into());
    let as_owner = as_owner.verify().expect("signed by the key in it");
    assert_eq!(before.apply(&as_owner).map(|_| ()), Err(GroupRuleError::OtherKey));
    assert_eq!(forge(MEMBER, good, |_| {}).verify(), Err(Signature));
}

#[test]
fn nothing_is_signed_that_would_be_refused() {
    let mut group = Group::new(&[MEMBER], EVERYBODY);
    let twice = Change::Remove { accounts: ids(&[MEMBER, MEMBER]) };
    let create = Change::Create { members: named(&[]), settings: EVERYBODY, details_hash: [1; 32] };
    let nobody = Change::Add { members: vec![] };
    let rng = &mut group.rng;
    for (state, change, expected) in [
        (None, &Change::Leave, SignOperationError::Rule(GroupRuleError::NotFirst)),
        (Some(&group.state), &create, SignOperationError::Rule(GroupRuleError::NotNext { have: 0, got: 0 })),
        (Some(&group.state), &twice, SignOperationError::Operation(Invalid("it names an account twice"))),
        (Some(&group.state), &nobody, SignOperationError::Operation(Invalid("it names nobody"))),
    ] {
        assert_eq!(sign(OWNER, 0, state, change, rng), Err(expected));
    }
}
