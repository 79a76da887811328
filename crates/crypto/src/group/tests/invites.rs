//! Invites: opening, closing, joining, asking.

use super::GroupRuleError::{
    AlreadyAsked, AlreadyMember, Full, InviteClosed, InviteExists, NoSuchRequest, NotAllowed, NotMember, Proof,
};
use super::*;
use sotto_types::limits::{GROUP_INVITES, GROUP_REQUESTS};

fn with_invite(uses: u32, approval: bool) -> Group {
    let mut group = Group::with_roles(ADMINS);
    group.must(ADMIN, &Change::OpenInvite(invite(1, uses, approval)));
    group
}

fn close(number: u8) -> Change {
    Change::CloseInvite { public_key: seed(number).public_key() }
}

#[test]
fn admins_open_and_close() {
    for person in [OWNER, ADMIN] {
        let mut group = with_invite(0, false);
        group.must(person, &Change::OpenInvite(invite(2, 5, true)));
        let open = group.state.invites()[1];
        assert_eq!((open.invite, open.by, open.used), (invite(2, 5, true), id(person), 0));
        assert!(!group.applied.changes_roster());
        assert_eq!(group.may(person, &Change::OpenInvite(invite(2, 0, false))), Err(InviteExists));
        group.must(person, &close(2));
        assert_eq!(group.may(person, &close(2)), Err(InviteClosed));
        assert_eq!(group.join(STRANGER, 2), Err(InviteClosed));
    }
    let mut group = with_invite(0, false);
    for change in [close(1), Change::OpenInvite(invite(2, 0, false))] {
        assert!(matches!(group.may(MEMBER, &change), Err(NotAllowed(_))));
        assert_eq!(group.may(STRANGER, &change), Err(NotMember));
    }
    for number in 2..=16 {
        group.must(OWNER, &Change::OpenInvite(invite(number, 0, false)));
    }
    let full = Full { what: "open invites", limit: GROUP_INVITES };
    assert_eq!(group.may(OWNER, &Change::OpenInvite(invite(17, 0, false))), Err(full));
}

#[test]
fn what_an_invite_says_survives() {
    let mut group = Group::new(&[], EVERYBODY);
    let expires = Some(Timestamp::from_ms(77));
    let given = Invite { expires, ..invite(1, 3, true) };
    group.must(OWNER, &Change::OpenInvite(given));
    assert_eq!(group.state.invites()[0].invite, given);
}

#[test]
fn a_link_lets_in_until_it_is_used_up() {
    let mut group = with_invite(2, false);
    let applied = group.join(STRANGER, 1).expect("the first use");
    assert_eq!((applied.added.clone(), applied.requested), (ids(&[STRANGER]), None));
    assert!(applied.changes_roster());
    let member = *group.state.member(id(STRANGER)).expect("joined");
    assert_eq!((member.identity_key, member.role), (key(STRANGER), Role::Member));
    assert_eq!(group.state.invites()[0].used, 1);
    assert_eq!(group.join(STRANGER, 1), Err(AlreadyMember(id(STRANGER))));
    assert_eq!(group.join(MEMBER, 1), Err(AlreadyMember(id(MEMBER))));
    group.join(OTHER_STRANGER, 1).expect("the last use");
    assert!(group.state.invites().is_empty());
    assert_eq!(group.join(8, 1), Err(InviteClosed));
}

#[test]
fn who_was_removed_only_asks_by_a_link_until_an_admin_adds() {
    let mut group = with_invite(0, false);
    group.must(ADMIN, &Change::Remove { accounts: ids(&[MEMBER]) });
    assert!(group.state.was_removed(id(MEMBER)));
    assert_eq!(group.join(MEMBER, 1).expect("a request").requested, Some(id(MEMBER)));
    assert_eq!(group.role(MEMBER), None);
    group.must(ADMIN, &Change::Add { members: named(&[MEMBER]) });
    assert!(!group.state.was_removed(id(MEMBER)));
    // Who left by themselves comes back by themselves, whatever was before.
    group.must(MEMBER, &Change::Leave);
    assert!(!group.state.was_removed(id(MEMBER)));
    assert_eq!(group.join(MEMBER, 1).expect("in").added, ids(&[MEMBER]));
}

#[test]
fn with_approval_one_asks_and_an_admin_adds() {
    let mut group = with_invite(4, true);
    let applied = group.join(STRANGER, 1).expect("a request");
    assert_eq!((applied.requested, applied.added.len()), (Some(id(STRANGER)), 0));
    assert!(!applied.changes_roster());
    assert_eq!(group.state.member(id(STRANGER)), None);
    assert_eq!(group.join(STRANGER, 1), Err(AlreadyAsked));
    assert_eq!(group.state.invites()[0].used, 1);

    let anew = group.join_change(STRANGER, 1, 1);
    group.may_as(STRANGER, 1, &anew).expect("a request under a new key");
    assert_eq!(group.state.requests().len(), 1);
    assert_eq!(group.state.requests()[0].who.identity_key, new_key(STRANGER));
    assert_eq!(group.state.requests()[0].public_key, seed(1).public_key());

    group.join(OTHER_STRANGER, 1).expect("a request");
    assert!(matches!(group.may(MEMBER, &decline(&[STRANGER])), Err(NotAllowed(_))));
    assert_eq!(group.may(ADMIN, &decline(&[STRANGER, 8])), Err(NoSuchRequest(id(8))));
    assert_eq!(group.must(ADMIN, &decline(&[STRANGER])).declined, ids(&[STRANGER]));
    assert_eq!(group.must(ADMIN, &add(&[OTHER_STRANGER])).added, ids(&[OTHER_STRANGER]));
    assert!(group.state.requests().is_empty());

    // Who waits and comes in by another link waits no more.
    group.join(STRANGER, 1).expect("the fourth use");
    group.must(ADMIN, &Change::OpenInvite(invite(2, 0, false)));
    group.join(STRANGER, 2).expect("without approval");
    assert!(group.state.requests().is_empty());
}

#[test]
fn requests_are_bounded_and_a_full_list_takes_new_keys_still() {
    let mut group = with_invite(0, true);
    for person in 100..100 + u8::try_from(GROUP_REQUESTS).expect("small") {
        group.join(person, 1).expect("room");
    }
    let full = Full { what: "waiting requests", limit: GROUP_REQUESTS };
    assert_eq!(group.join(STRANGER, 1), Err(full));
    let anew = group.join_change(100, 1, 1);
    assert!(group.may_as(100, 1, &anew).is_ok());
}

#[test]
fn a_proof_is_for_one_group_account_and_key() {
    let mut group = with_invite(0, false);
    let mut elsewhere = Group::new(&[MEMBER], EVERYBODY);
    elsewhere.must(OWNER, &Change::OpenInvite(invite(1, 0, false)));
    let Change::Join { public_key, proof } = group.join_change(STRANGER, 0, 1) else { panic!("a join") };
    let good = Change::Join { public_key, proof };
    let mut flipped = proof;
    flipped[0] ^= 1;
    let wrong_seed = prove_join(&seed(2), group.state.id(), id(STRANGER), &key(STRANGER));
    assert_eq!(group.may(OTHER_STRANGER, &good), Err(Proof));
    assert_eq!(group.may_as(STRANGER, 1, &good), Err(Proof));
    assert_eq!(elsewhere.may(STRANGER, &good), Err(Proof));
    for proof in [flipped, wrong_seed, [0; 64]] {
        assert_eq!(group.may(STRANGER, &Change::Join { public_key, proof }), Err(Proof));
    }
    assert!(group.may(STRANGER, &good).is_ok());
}

#[test]
fn seeds_come_back_and_show_nothing() {
    let seed = InviteSeed::generate(&mut ChaCha20Rng::seed_from_u64(5));
    let back = InviteSeed::from_bytes(seed.as_secret().clone());
    assert_eq!(back.public_key(), seed.public_key());
    assert_eq!(InviteKey::parse(seed.public_key().as_bytes()), Ok(seed.public_key()));
    assert_eq!(format!("{seed:?}"), "InviteSeed(Secret)");
    for bad in [&[0; 32][..], &[2; 32], &[1; 31], &[]] {
        assert!(InviteKey::parse(bad).is_err());
    }
}
