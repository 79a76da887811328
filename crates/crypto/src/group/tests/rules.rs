//! One line per rule: who may do what to whom.

use super::GroupRuleError::{self, AlreadyMember, NoSuchMember, NotMember, OtherKey, Unchanged};
use super::*;

/// `NotAllowed` with any reason.
const NO: GroupRuleError = GroupRuleError::NotAllowed("");

/// Tries each change on a fresh copy of the group.
fn check(group: &Group, table: &[(u8, Change, Result<(), GroupRuleError>)]) {
    for (person, change, expected) in table {
        let mut copy = group.clone();
        let got = copy.may(*person, change).map(|_| ()).map_err(|refused| match refused {
            GroupRuleError::NotAllowed(_) => NO,
            refused => refused,
        });
        assert_eq!(got, *expected, "{person} {change:?}");
        assert_eq!(copy.state == group.state, expected.is_err(), "{person} {change:?}");
    }
}

#[test]
fn who_makes_a_group_owns_it() {
    let group = Group::new(&[MEMBER, OTHER_MEMBER], EVERYBODY);
    assert_eq!(group.state.owner().map(|owner| owner.account), Some(id(OWNER)));
    assert_eq!(group.applied.added, ids(&[OWNER, MEMBER, OTHER_MEMBER]));
    assert_eq!(group.applied.owner_changed, Some(id(OWNER)));
    assert!(group.applied.changes_roster() && group.applied.sets_details);
    assert_eq!(group.state.member(id(MEMBER)).expect("a member").identity_key, key(MEMBER));
    assert_eq!((group.state.revision(), group.state.head()), (0, *group.state.id().as_bytes()));
    assert_eq!(group.state.details_hash(), [1; 32]);
    assert_eq!(Group::new(&[], EVERYBODY).state.members().len(), 1);
}

#[test]
fn add_needs_the_permission() {
    let all = [OWNER, ADMIN, MEMBER];
    for (settings, allowed) in [(EVERYBODY, &all[..]), (ADMINS, &all[..2])] {
        let group = Group::with_roles(settings);
        for person in all {
            let expected = if allowed.contains(&person) { Ok(()) } else { Err(NO) };
            check(&group, &[(person, add(&[STRANGER, OTHER_STRANGER]), expected)]);
            assert_eq!(group.state.may_add(id(person)), expected.is_ok());
        }
        check(
            &group,
            &[
                (STRANGER, add(&[OTHER_STRANGER]), Err(NotMember)),
                (OWNER, add(&[STRANGER, MEMBER]), Err(AlreadyMember(id(MEMBER)))),
                (OWNER, add(&[OWNER]), Err(AlreadyMember(id(OWNER)))),
            ],
        );
    }
    let mut group = Group::with_roles(ADMINS);
    let applied = group.must(ADMIN, &add(&[STRANGER]));
    assert_eq!(applied.added, ids(&[STRANGER]));
    assert!(applied.changes_roster());
    assert_eq!(group.role(STRANGER), Some(Role::Member));
    assert_eq!(group.state.membership_revision(), 3);
}

#[test]
fn a_new_key_is_pinned_and_costs_the_admin_role() {
    check(
        &Group::with_roles(EVERYBODY),
        &[
            (MEMBER, add_anew(OTHER_MEMBER), Ok(())),
            (MEMBER, add_anew(MEMBER), Ok(())),
            (MEMBER, add_anew(ADMIN), Err(NO)),
            (MEMBER, add_anew(OWNER), Err(NO)),
            (LATER_ADMIN, add_anew(ADMIN), Ok(())),
            (LATER_ADMIN, add_anew(OWNER), Ok(())),
            (OWNER, add_anew(OWNER), Ok(())),
        ],
    );
    check(&Group::with_roles(ADMINS), &[(MEMBER, add_anew(OTHER_MEMBER), Err(NO)), (MEMBER, add_anew(MEMBER), Ok(()))]);

    for (by, person, role) in [
        (OWNER, MEMBER, Role::Member),
        (OWNER, ADMIN, Role::Member),
        (ADMIN, ADMIN, Role::Admin),
        (ADMIN, OWNER, Role::Owner),
    ] {
        let mut group = Group::with_roles(EVERYBODY);
        let place = group.state.members().iter().position(|member| member.account == id(person));
        let applied = group.must(by, &add_anew(person));
        assert_eq!(
            (&applied.added[..], &applied.rekeyed[..], &applied.removed[..]),
            (&[][..], &ids(&[person])[..], &[][..])
        );
        assert!(applied.changes_roster());
        assert_eq!(group.role(person), Some(role), "{person}");
        assert_eq!(place, group.state.members().iter().position(|member| member.account == id(person)));
        assert_eq!(group.state.member_at(id(person), 2), Some(key(person)));
        assert_eq!(group.state.member_at(id(person), 3), Some(new_key(person)));
        assert_eq!(group.may(person, &Change::Leave), Err(OtherKey));
        assert!(group.may_as(person, 1, &Change::Leave).is_ok());
    }
}

#[test]
fn admins_remove_all_but_the_owner_and_themselves() {
    let group = Group::with_roles(EVERYBODY);
    let table = [
        (OWNER, remove(&[ADMIN, MEMBER]), Ok(())),
        (OWNER, remove(&[OWNER]), Err(NO)),
        (ADMIN, remove(&[LATER_ADMIN]), Ok(())),
        (ADMIN, remove(&[MEMBER, OTHER_MEMBER]), Ok(())),
        (ADMIN, remove(&[OWNER]), Err(NO)),
        (ADMIN, remove(&[MEMBER, ADMIN]), Err(NO)),
        (ADMIN, remove(&[MEMBER, STRANGER]), Err(NoSuchMember(id(STRANGER)))),
        (MEMBER, remove(&[OTHER_MEMBER]), Err(NO)),
        (STRANGER, remove(&[MEMBER]), Err(NotMember)),
    ];
    check(&group, &table);
    for (person, change, expected) in table {
        let Change::Remove { accounts } = change else { panic!("only removals") };
        let all = accounts.iter().all(|account| group.state.may_remove(id(person), *account));
        assert_eq!(all, expected.is_ok(), "{person} {accounts:?}");
    }
    let mut group = group;
    let applied = group.must(ADMIN, &remove(&[MEMBER, LATER_ADMIN]));
    assert_eq!(applied.removed, ids(&[MEMBER, LATER_ADMIN]));
    assert_eq!(group.may(MEMBER, &Change::Leave), Err(NotMember));
}

#[test]
fn an_owner_who_leaves_is_succeeded_by_the_longest_serving() {
    let mut group = Group::with_roles(EVERYBODY);
    // Now LATER_ADMIN is the older one, though ADMIN joined before.
    group.must(OWNER, &set_role(ADMIN, Role::Member));
    group.must(OWNER, &set_role(ADMIN, Role::Admin));
    for (leaves, owner) in
        [(OWNER, Some(LATER_ADMIN)), (OTHER_MEMBER, None), (LATER_ADMIN, Some(ADMIN)), (ADMIN, Some(MEMBER))]
    {
        let applied = group.must(leaves, &Change::Leave);
        assert_eq!((applied.removed, applied.owner_changed), (ids(&[leaves]), owner.map(id)));
    }
    group.must(MEMBER, &Change::OpenInvite(invite(1, 0, true)));
    group.join(STRANGER, 1).expect("a request");
    let applied = group.must(MEMBER, &Change::Leave);
    assert_eq!((applied.deleted, applied.owner_changed), (true, None));
    assert!(group.state.is_deleted() && group.state.owner().is_none());
    assert!(group.state.requests().is_empty() && group.state.invites().is_empty());
    assert_eq!(group.join(STRANGER, 1), Err(GroupRuleError::Deleted));
    assert_eq!(group.state.member_at(id(MEMBER), group.state.revision() - 1), Some(key(MEMBER)));
}

#[test]
fn roles_are_given_by_admins_and_the_group_by_its_owner() {
    use Role::{Admin, Member, Owner};
    let group = Group::with_roles(EVERYBODY);
    let table = [
        (OWNER, MEMBER, Admin, Ok(())),
        (OWNER, ADMIN, Member, Ok(())),
        (OWNER, ADMIN, Owner, Ok(())),
        (OWNER, MEMBER, Owner, Ok(())),
        (OWNER, OWNER, Admin, Err(NO)),
        (OWNER, OWNER, Member, Err(NO)),
        (OWNER, OWNER, Owner, Err(Unchanged)),
        (OWNER, MEMBER, Member, Err(Unchanged)),
        (OWNER, STRANGER, Admin, Err(NoSuchMember(id(STRANGER)))),
        (ADMIN, MEMBER, Admin, Ok(())),
        (ADMIN, LATER_ADMIN, Member, Ok(())),
        (ADMIN, ADMIN, Member, Ok(())),
        (ADMIN, OWNER, Member, Err(NO)),
        (ADMIN, OWNER, Admin, Err(NO)),
        (ADMIN, ADMIN, Owner, Err(NO)),
        (ADMIN, MEMBER, Owner, Err(NO)),
        (MEMBER, MEMBER, Admin, Err(NO)),
        (MEMBER, OTHER_MEMBER, Admin, Err(NO)),
        (MEMBER, ADMIN, Member, Err(NO)),
        (MEMBER, MEMBER, Owner, Err(NO)),
        (STRANGER, MEMBER, Admin, Err(NotMember)),
    ];
    for (person, target, role, expected) in table {
        check(&group, &[(person, set_role(target, role), expected)]);
        assert_eq!(group.state.may_set_role(id(person), id(target), role), expected.is_ok(), "{person} {target}");
    }
    let mut group = group;
    let applied = group.must(OWNER, &set_role(MEMBER, Owner));
    assert_eq!(applied.owner_changed, Some(id(MEMBER)));
    assert!(!applied.changes_roster());
    assert_eq!((group.role(OWNER), group.role(MEMBER)), (Some(Admin), Some(Owner)));
    assert_eq!(group.state.longest_serving_admin().map(|admin| admin.account), Some(id(OWNER)));
    assert_eq!(group.state.membership_revision(), 0);
}

#[test]
fn time_as_owner_counts_as_time_as_admin() {
    let mut group = Group::with_roles(EVERYBODY);
    group.must(OWNER, &set_role(ADMIN, Role::Owner));
    group.must(ADMIN, &set_role(MEMBER, Role::Owner));
    let since = |person| group.state.member(id(person)).and_then(|member| member.admin_since);
    assert_eq!(
        [OWNER, ADMIN, LATER_ADMIN, MEMBER, OTHER_MEMBER].map(since),
        [Some(0), Some(1), Some(2), Some(4), None]
    );
}

#[test]
fn details_and_settings_need_their_permission() {
    let more = GroupSettings { add: Permission::Members, ..ADMINS };
    let other_fanout = GroupSettings { fanout: Fanout::Pairwise, ..ADMINS };
    let set = |settings| Change::SetSettings { settings };
    check(
        &Group::with_roles(ADMINS),
        &[
            (OWNER, set_details(2), Ok(())),
            (ADMIN, set_details(2), Ok(())),
            (MEMBER, set_details(2), Err(NO)),
            (OWNER, set_details(1), Err(Unchanged)),
            (OWNER, set(more), Ok(())),
            (ADMIN, set(more), Ok(())),
            (MEMBER, set(more), Err(NO)),
            (OWNER, set(other_fanout), Err(NO)),
            (OWNER, set(ADMINS), Err(Unchanged)),
        ],
    );
    check(
        &Group::with_roles(EVERYBODY),
        &[(MEMBER, set_details(2), Ok(())), (STRANGER, set_details(2), Err(NotMember)), (MEMBER, set(more), Err(NO))],
    );
    let mut group = Group::with_roles(ADMINS);
    let applied = group.must(ADMIN, &set_details(2));
    assert!(applied.sets_details && !applied.changes_roster());
    assert_eq!((group.state.details_hash(), group.state.details_revision()), ([2; 32], 3));
    for (person, may) in [(OWNER, true), (ADMIN, true), (MEMBER, false), (STRANGER, false)] {
        assert_eq!(group.state.may_post(id(person)), may);
        assert_eq!(group.state.may_change_details(id(person)), may);
        assert_eq!(group.state.may_invite(id(person)), may);
        assert_eq!(group.state.may_change_settings(id(person)), may);
    }
    let open = Group::with_roles(EVERYBODY).state;
    assert!(open.may_post(id(MEMBER)) && open.may_change_details(id(MEMBER)) && !open.may_invite(id(MEMBER)));
    assert!(!open.may_post(id(STRANGER)));
}

#[test]
fn the_longest_serving_admin_alone_succeeds() {
    let mut group = Group::with_roles(EVERYBODY);
    check(
        &group,
        &[
            (ADMIN, Change::Succeed, Ok(())),
            (LATER_ADMIN, Change::Succeed, Err(NO)),
            (MEMBER, Change::Succeed, Err(NO)),
            (OWNER, Change::Succeed, Err(NO)),
            (STRANGER, Change::Succeed, Err(NotMember)),
        ],
    );
    assert_eq!(group.must(ADMIN, &Change::Succeed).owner_changed, Some(id(ADMIN)));
    assert_eq!((group.role(OWNER), group.role(ADMIN)), (Some(Role::Member), Some(Role::Owner)));
    check(&Group::new(&[MEMBER], EVERYBODY), &[(MEMBER, Change::Succeed, Err(NO))]);
}

#[test]
fn the_owner_deletes_and_nothing_follows() {
    let mut group = Group::with_roles(EVERYBODY);
    check(&group, &[(ADMIN, Change::Delete, Err(NO)), (MEMBER, Change::Delete, Err(NO))]);
    let applied = group.must(OWNER, &Change::Delete);
    assert_eq!(applied.removed, ids(&[OWNER, ADMIN, LATER_ADMIN, MEMBER, OTHER_MEMBER]));
    assert!(applied.deleted && applied.changes_roster());
    assert_eq!(group.state.member_at(id(MEMBER), 2), Some(key(MEMBER)));
    assert_eq!(group.state.member_at(id(MEMBER), 3), None);
    check(&group, &[(OWNER, add(&[STRANGER]), Err(GroupRuleError::Deleted))]);
}

#[test]
fn memberships_are_remembered_by_revision() {
    let mut group = Group::new(&[MEMBER], EVERYBODY);
    group.must(MEMBER, &Change::Leave); // 1
    group.must(OWNER, &set_details(9)); // 2
    group.must(OWNER, &add_anew(MEMBER)); // 3
    group.must(OWNER, &remove(&[MEMBER])); // 4
    let at = |revision| group.state.member_at(id(MEMBER), revision);
    let (old, new) = (Some(key(MEMBER)), Some(new_key(MEMBER)));
    assert_eq!([0, 1, 2, 3, 4, 5].map(at), [old, None, None, new, None, None]);
    assert_eq!(
        [0, 4, 5].map(|revision| group.state.member_at(id(OWNER), revision)),
        [Some(key(OWNER)), Some(key(OWNER)), None]
    );
    assert_eq!(group.state.member_at(id(STRANGER), 0), None);
}

#[test]
fn groups_and_their_past_are_bounded() {
    let many = |count: usize, from: usize| -> Vec<MemberKey> {
        (from..from + count)
            .map(|number| MemberKey {
                account: AccountId::from_bytes((number as u128 + 1000).to_be_bytes()),
                identity_key: key(STRANGER),
            })
            .collect()
    };
    for fanout in [Fanout::Log, Fanout::Pairwise] {
        let limit = fanout.members_max();
        let full = GroupRuleError::Full { what: "members", limit };
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let settings = GroupSettings { fanout, ..EVERYBODY };
        let create = |count| Change::Create { members: many(count, 0), settings, details_hash: [1; 32] };
        let refused = sign(OWNER, 0, None, &create(limit), &mut rng).expect_err("one too many");
        assert_eq!(refused, full.into());
        let made = sign(OWNER, 0, None, &create(limit - 1), &mut rng).expect("a full group");
        assert!(made.signed.payload.len() < 64 * 1024);
        let mut group = Group { state: made.state, list: vec![made.signed], applied: made.applied, rng };
        assert_eq!(group.may(OWNER, &add(&[STRANGER])), Err(full));
        let all = |members: Vec<MemberKey>| members.into_iter().map(|member| member.account).collect();
        if fanout == Fanout::Log {
            for round in 0..5 {
                group.must(OWNER, &Change::Remove { accounts: all(many(limit - 1, round * limit)) });
                group.must(OWNER, &Change::Add { members: many(limit - 1, (round + 1) * limit) });
            }
            assert_eq!(group.state.former.len(), FORMER_MEMBERS_MAX);
            let account = |number: usize| AccountId::from_bytes((number as u128 + 1000).to_be_bytes());
            assert_eq!(group.state.member_at(account(0), 0), None);
            assert_eq!(group.state.member_at(account(limit), 2), Some(key(STRANGER)));
        }
    }
}
