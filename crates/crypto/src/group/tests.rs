use super::*;
use crate::identity::{IdentityKey, IdentityKeyPair};
use prost::Message;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use sotto_types::{AccountId, DeviceAddress, DeviceId, Timestamp};
use sotto_wire::{GROUP_OPERATION_DOMAIN, pb};

mod chain;
mod codec;
mod details;
mod invites;
mod random;
mod rules;

const EVERYBODY: GroupSettings = GroupSettings {
    post: Permission::Members,
    add: Permission::Members,
    change_details: Permission::Members,
    fanout: Fanout::Log,
};
const ADMINS: GroupSettings = GroupSettings {
    post: Permission::Admins,
    add: Permission::Admins,
    change_details: Permission::Admins,
    fanout: Fanout::Log,
};

// The people of every test. The first makes the group; who is what in `Group::with_roles` is in the name.
const OWNER: u8 = 1;
const ADMIN: u8 = 2;
const LATER_ADMIN: u8 = 3;
const MEMBER: u8 = 4;
const OTHER_MEMBER: u8 = 5;
const STRANGER: u8 = 6;
const OTHER_STRANGER: u8 = 7;

fn id(person: u8) -> AccountId {
    AccountId::from_bytes([person; 16])
}

fn ids(people: &[u8]) -> Vec<AccountId> {
    people.iter().copied().map(id).collect()
}

/// An account's identity: the first one, or one made anew.
fn identity(person: u8, generation: u8) -> IdentityKeyPair {
    IdentityKeyPair::generate(&mut ChaCha20Rng::from_seed([person.wrapping_add(generation.wrapping_mul(64)); 32]))
}

fn key(person: u8) -> IdentityKey {
    identity(person, 0).public()
}

fn new_key(person: u8) -> IdentityKey {
    identity(person, 1).public()
}

fn named(people: &[u8]) -> Vec<MemberKey> {
    people.iter().map(|person| MemberKey { account: id(*person), identity_key: key(*person) }).collect()
}

fn add(people: &[u8]) -> Change {
    Change::Add { members: named(people) }
}

fn add_anew(person: u8) -> Change {
    Change::Add { members: vec![MemberKey { account: id(person), identity_key: new_key(person) }] }
}

fn remove(people: &[u8]) -> Change {
    Change::Remove { accounts: ids(people) }
}

fn decline(people: &[u8]) -> Change {
    Change::Decline { accounts: ids(people) }
}

fn set_role(person: u8, role: Role) -> Change {
    Change::SetRole { account: id(person), role }
}

fn set_details(hash: u8) -> Change {
    Change::SetDetails { details_hash: [hash; 32] }
}

fn seed(number: u8) -> InviteSeed {
    InviteSeed::from_bytes([number; 32].into())
}

fn invite(number: u8, uses: u32, approval: bool) -> Invite {
    Invite { public_key: seed(number).public_key(), expires: None, uses: std::num::NonZeroU32::new(uses), approval }
}

/// A group and its list, as a server would have them.
#[derive(Clone)]
struct Group {
    state: GroupState,
    list: Vec<SignedGroupOperation>,
    applied: Applied,
    rng: ChaCha20Rng,
}

impl Group {
    fn new(members: &[u8], settings: GroupSettings) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let change = Change::Create { members: named(members), settings, details_hash: [1; 32] };
        let made = sign(OWNER, 0, None, &change, &mut rng).expect("a new group");
        Self { state: made.state, list: vec![made.signed], applied: made.applied, rng }
    }

    /// An owner, two admins, two members, in this order.
    fn with_roles(settings: GroupSettings) -> Self {
        let mut group = Self::new(&[ADMIN, LATER_ADMIN, MEMBER, OTHER_MEMBER], settings);
        group.must(OWNER, &set_role(ADMIN, Role::Admin));
        group.must(OWNER, &set_role(LATER_ADMIN, Role::Admin));
        group
    }

    /// As the account's first identity.
    fn may(&mut self, person: u8, change: &Change) -> Result<Applied, GroupRuleError> {
        self.may_as(person, 0, change)
    }

    fn may_as(&mut self, person: u8, generation: u8, change: &Change) -> Result<Applied, GroupRuleError> {
        let before = self.state.clone();
        match sign(person, generation, Some(&before), change, &mut self.rng) {
            Ok(made) => {
                let verified = made.signed.verify().expect("our own operation");
                assert_eq!(verified, made.operation);
                assert_eq!(before.apply(&verified), Ok((made.state.clone(), made.applied.clone())));
                self.state = made.state;
                self.list.push(made.signed);
                self.applied = made.applied.clone();
                check_invariants(&self.state);
                Ok(made.applied)
            }
            Err(SignOperationError::Rule(refused)) => Err(refused),
            Err(SignOperationError::Operation(malformed)) => panic!("{change:?}: {malformed}"),
        }
    }

    fn must(&mut self, person: u8, change: &Change) -> Applied {
        self.may(person, change).unwrap_or_else(|refused| panic!("{person} {change:?}: {refused}"))
    }

    fn join(&mut self, person: u8, number: u8) -> Result<Applied, GroupRuleError> {
        let change = self.join_change(person, 0, number);
        self.may(person, &change)
    }

    fn join_change(&self, person: u8, generation: u8, number: u8) -> Change {
        let identity_key = identity(person, generation).public();
        let proof = prove_join(&seed(number), self.state.id(), id(person), &identity_key);
        Change::Join { public_key: seed(number).public_key(), proof }
    }

    fn role(&self, person: u8) -> Option<Role> {
        self.state.member(id(person)).map(|member| member.role)
    }
}

fn sign(
    person: u8,
    generation: u8,
    state: Option<&GroupState>,
    change: &Change,
    rng: &mut ChaCha20Rng,
) -> Result<MadeOperation, SignOperationError> {
    let actor = DeviceAddress::new(id(person), DeviceId::FIRST);
    sign_operation(&identity(person, generation), actor, state, change, Timestamp::from_ms(1_000), rng)
}

/// What a hostile member can make: a good operation with some fields changed, signed all the same.
fn forge(person: u8, good: &SignedGroupOperation, edit: impl FnOnce(&mut pb::GroupOperation)) -> SignedGroupOperation {
    let mut operation = pb::GroupOperation::decode(&good.payload[..]).expect("a good operation");
    edit(&mut operation);
    sign_bytes(person, operation.encode_to_vec())
}

fn sign_bytes(person: u8, payload: Vec<u8>) -> SignedGroupOperation {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let signature = identity(person, 0).sign(GROUP_OPERATION_DOMAIN, &payload, &mut rng);
    SignedGroupOperation { payload: payload.into(), signature: signature.to_vec().into() }
}

fn replay(list: &[SignedGroupOperation]) -> Result<GroupState, GroupRuleError> {
    let verified = |operation: &SignedGroupOperation| operation.verify().expect("it was signed");
    let (first, rest) = list.split_first().expect("not empty");
    let (state, _) = GroupState::create(&verified(first))?;
    rest.iter().try_fold(state, |state, operation| state.apply(&verified(operation)).map(|(state, _)| state))
}

fn check_invariants(state: &GroupState) {
    let owners = state.members().iter().filter(|member| member.role == Role::Owner).count();
    assert_eq!(owners, usize::from(!state.is_deleted()));
    assert_eq!(state.members().is_empty(), state.is_deleted());
    assert!(state.members().len() <= state.settings().fanout.members_max());
    let mut accounts: Vec<_> = state.members().iter().map(|member| member.account).collect();
    accounts.extend(state.requests().iter().map(|request| request.who.account));
    let all = accounts.len();
    accounts.sort();
    accounts.dedup();
    assert_eq!(accounts.len(), all);
    assert!(state.members().iter().all(|member| member.admin_since.is_some() == (member.role >= Role::Admin)));
    assert_eq!(GroupState::decode(&state.encode()).as_ref(), Ok(state));
}
