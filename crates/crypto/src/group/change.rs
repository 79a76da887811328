//! What an operation changes, as checked values, and its form on the wire.

use super::invite::{InviteKey, JoinProof};
use super::operation::GroupOperationError::{self, Invalid};
use crate::identity::IdentityKey;
use bytes::Bytes;
use rand::{CryptoRng, Rng};
use sotto_types::limits::{GROUP_MEMBERS, PAIRWISE_MEMBERS};
use sotto_types::{AccountId, Timestamp};
use sotto_wire::pb;
use sotto_wire::pb::group_operation::Change as Wire;
use std::num::NonZeroU32;

const NONCE_BYTES: usize = 32;

/// What a member may do. Ordered: each may do all that the one before may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    Member,
    Admin,
    Owner,
}

/// Who may do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    Members,
    /// Admins and the owner.
    Admins,
}

impl Permission {
    pub(super) fn covers(self, role: Role) -> bool {
        match self {
            Self::Members => true,
            Self::Admins => role >= Role::Admin,
        }
    }
}

/// How a message reaches the members; fixed when the group is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fanout {
    /// Sender keys, one ciphertext in the group log.
    Log,
    /// One ciphertext per device.
    Pairwise,
}

impl Fanout {
    pub const fn members_max(self) -> usize {
        match self {
            Self::Log => GROUP_MEMBERS,
            Self::Pairwise => PAIRWISE_MEMBERS,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GroupSettings {
    pub post: Permission,
    pub add: Permission,
    pub change_details: Permission,
    pub fanout: Fanout,
}

/// An account and the identity key that the list pins for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MemberKey {
    pub account: AccountId,
    pub identity_key: IdentityKey,
}

/// A way in for whoever has the seed of `public_key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Invite {
    pub public_key: InviteKey,
    /// By the server's clock, which alone decides; `None`: never. Zero milliseconds cannot be said.
    pub expires: Option<Timestamp>,
    /// How often it can be used; `None`: without limit.
    pub uses: Option<NonZeroU32>,
    /// Joining only asks; who may add decides.
    pub approval: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The actor becomes the owner and is not among `members`.
    Create {
        members: Vec<MemberKey>,
        settings: GroupSettings,
        details_hash: [u8; 32],
    },
    /// New members; and members under another key than theirs, which is pinned from now on.
    Add {
        members: Vec<MemberKey>,
    },
    Remove {
        accounts: Vec<AccountId>,
    },
    Leave,
    SetRole {
        account: AccountId,
        role: Role,
    },
    SetDetails {
        details_hash: [u8; 32],
    },
    SetSettings {
        settings: GroupSettings,
    },
    OpenInvite(Invite),
    CloseInvite {
        public_key: InviteKey,
    },
    Join {
        public_key: InviteKey,
        proof: JoinProof,
    },
    Decline {
        accounts: Vec<AccountId>,
    },
    Succeed,
    Delete,
}

impl Change {
    pub(super) fn to_wire<R: CryptoRng + Rng>(&self, rng: &mut R) -> Wire {
        match self {
            Self::Create { members, settings, details_hash } => Wire::Create(pb::CreateGroup {
                nonce: copy(&rng.random::<[u8; NONCE_BYTES]>()),
                members: members.iter().map(member_to_wire).collect(),
                settings: Some(settings_to_wire(settings)),
                details_hash: copy(details_hash),
            }),
            Self::Add { members } => {
                Wire::Add(pb::AddMembers { members: members.iter().map(member_to_wire).collect() })
            }
            Self::Remove { accounts } => Wire::Remove(pb::RemoveMembers { accounts: accounts_to_wire(accounts) }),
            Self::Leave => Wire::Leave(pb::LeaveGroup {}),
            Self::SetRole { account, role } => {
                Wire::SetRole(pb::SetRole { account: copy(account.as_bytes()), role: role_to_wire(*role) })
            }
            Self::SetDetails { details_hash } => Wire::SetDetails(pb::SetDetails { details_hash: copy(details_hash) }),
            Self::SetSettings { settings } => {
                Wire::SetSettings(pb::SetSettings { settings: Some(settings_to_wire(settings)) })
            }
            Self::OpenInvite(invite) => Wire::OpenInvite(invite_to_wire(invite)),
            Self::CloseInvite { public_key } => {
                Wire::CloseInvite(pb::CloseInvite { public_key: copy(public_key.as_bytes()) })
            }
            Self::Join { public_key, proof } => {
                Wire::Join(pb::JoinByInvite { public_key: copy(public_key.as_bytes()), proof: copy(proof) })
            }
            Self::Decline { accounts } => Wire::Decline(pb::DeclineRequest { accounts: accounts_to_wire(accounts) }),
            Self::Succeed => Wire::Succeed(pb::Succeed {}),
            Self::Delete => Wire::Delete(pb::DeleteGroup {}),
        }
    }

    pub(super) fn parse(change: Wire) -> Result<Self, GroupOperationError> {
        Ok(match change {
            Wire::Create(create) => {
                if create.nonce.len() != NONCE_BYTES {
                    return Err(Invalid("the nonce has another length than 32 bytes"));
                }
                Self::Create {
                    members: members(&create.members)?,
                    settings: settings(create.settings)?,
                    details_hash: hash(&create.details_hash)?,
                }
            }
            Wire::Add(add) => Self::Add { members: named(members(&add.members)?)? },
            Wire::Remove(remove) => Self::Remove { accounts: named(accounts(&remove.accounts)?)? },
            Wire::Leave(pb::LeaveGroup {}) => Self::Leave,
            Wire::SetRole(set) => Self::SetRole { account: account(&set.account)?, role: role(set.role)? },
            Wire::SetDetails(set) => Self::SetDetails { details_hash: hash(&set.details_hash)? },
            Wire::SetSettings(set) => Self::SetSettings { settings: settings(set.settings)? },
            Wire::OpenInvite(open) => Self::OpenInvite(invite(&open)?),
            Wire::CloseInvite(close) => Self::CloseInvite { public_key: invite_key(&close.public_key)? },
            Wire::Join(join) => Self::Join {
                public_key: invite_key(&join.public_key)?,
                proof: join.proof[..].try_into().map_err(|_| Invalid("a proof has another length than 64 bytes"))?,
            },
            Wire::Decline(decline) => Self::Decline { accounts: named(accounts(&decline.accounts)?)? },
            Wire::Succeed(pb::Succeed {}) => Self::Succeed,
            Wire::Delete(pb::DeleteGroup {}) => Self::Delete,
        })
    }
}

pub(super) fn copy(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

pub(super) fn member_to_wire(member: &MemberKey) -> pb::GroupMemberKey {
    pb::GroupMemberKey {
        account_id: copy(member.account.as_bytes()),
        identity_key: copy(member.identity_key.as_bytes()),
    }
}

fn accounts_to_wire(accounts: &[AccountId]) -> Vec<Bytes> {
    accounts.iter().map(|account| copy(account.as_bytes())).collect()
}

pub(super) fn role_to_wire(role: Role) -> i32 {
    let role = match role {
        Role::Member => pb::GroupRole::Member,
        Role::Admin => pb::GroupRole::Admin,
        Role::Owner => pb::GroupRole::Owner,
    };
    role.into()
}

fn permission_to_wire(permission: Permission) -> i32 {
    let permission = match permission {
        Permission::Members => pb::GroupPermission::Members,
        Permission::Admins => pb::GroupPermission::Admins,
    };
    permission.into()
}

pub(super) fn settings_to_wire(settings: &GroupSettings) -> pb::GroupSettings {
    let fanout = match settings.fanout {
        Fanout::Log => pb::GroupFanout::Log,
        Fanout::Pairwise => pb::GroupFanout::Pairwise,
    };
    pb::GroupSettings {
        post: permission_to_wire(settings.post),
        add: permission_to_wire(settings.add),
        change_details: permission_to_wire(settings.change_details),
        fanout: fanout.into(),
    }
}

pub(super) fn invite_to_wire(invite: &Invite) -> pb::OpenInvite {
    pb::OpenInvite {
        public_key: copy(invite.public_key.as_bytes()),
        expires_ms: invite.expires.unwrap_or_default().as_ms(),
        uses: invite.uses.map_or(0, NonZeroU32::get),
        approval: invite.approval,
    }
}

pub(super) fn account(bytes: &[u8]) -> Result<AccountId, GroupOperationError> {
    AccountId::try_from(bytes).map_err(|_| Invalid("an account id is not one"))
}

pub(super) fn identity_key(bytes: &[u8]) -> Result<IdentityKey, GroupOperationError> {
    IdentityKey::parse(bytes).map_err(|_| Invalid("an identity key is unusable"))
}

pub(super) fn invite_key(bytes: &[u8]) -> Result<InviteKey, GroupOperationError> {
    InviteKey::parse(bytes).map_err(|_| Invalid("an invite's key is unusable"))
}

pub(super) fn hash(bytes: &[u8]) -> Result<[u8; 32], GroupOperationError> {
    bytes.try_into().map_err(|_| Invalid("a hash has another length than 32 bytes"))
}

pub(super) fn member(member: &pb::GroupMemberKey) -> Result<MemberKey, GroupOperationError> {
    Ok(MemberKey { account: account(&member.account_id)?, identity_key: identity_key(&member.identity_key)? })
}

fn members(members: &[pb::GroupMemberKey]) -> Result<Vec<MemberKey>, GroupOperationError> {
    check_count(members.len())?;
    let members = members.iter().map(member).collect::<Result<Vec<_>, _>>()?;
    check_distinct(members.iter().map(|member| member.account))?;
    Ok(members)
}

fn accounts(accounts: &[Bytes]) -> Result<Vec<AccountId>, GroupOperationError> {
    check_count(accounts.len())?;
    let accounts = accounts.iter().map(|bytes| account(bytes)).collect::<Result<Vec<_>, _>>()?;
    check_distinct(accounts.iter().copied())?;
    Ok(accounts)
}

fn check_count(count: usize) -> Result<(), GroupOperationError> {
    if count > GROUP_MEMBERS { Err(Invalid("it names more accounts than a group has")) } else { Ok(()) }
}

fn named<T>(list: Vec<T>) -> Result<Vec<T>, GroupOperationError> {
    if list.is_empty() { Err(Invalid("it names nobody")) } else { Ok(list) }
}

pub(super) fn check_distinct(accounts: impl Iterator<Item = AccountId>) -> Result<(), GroupOperationError> {
    if are_distinct(accounts.collect()) { Ok(()) } else { Err(Invalid("it names an account twice")) }
}

pub(super) fn are_distinct<T: Ord>(mut things: Vec<T>) -> bool {
    things.sort_unstable();
    !things.windows(2).any(|pair| matches!(pair, [one, next] if one == next))
}

pub(super) fn role(role: i32) -> Result<Role, GroupOperationError> {
    match pb::GroupRole::try_from(role) {
        Ok(pb::GroupRole::Member) => Ok(Role::Member),
        Ok(pb::GroupRole::Admin) => Ok(Role::Admin),
        Ok(pb::GroupRole::Owner) => Ok(Role::Owner),
        Ok(pb::GroupRole::Unspecified) | Err(_) => Err(Invalid("a role is not known")),
    }
}

fn permission(permission: i32) -> Result<Permission, GroupOperationError> {
    match pb::GroupPermission::try_from(permission) {
        Ok(pb::GroupPermission::Members) => Ok(Permission::Members),
        Ok(pb::GroupPermission::Admins) => Ok(Permission::Admins),
        Ok(pb::GroupPermission::Unspecified) | Err(_) => Err(Invalid("a permission is not known")),
    }
}

pub(super) fn settings(settings: Option<pb::GroupSettings>) -> Result<GroupSettings, GroupOperationError> {
    let settings = settings.ok_or(Invalid("it has no settings"))?;
    Ok(GroupSettings {
        post: permission(settings.post)?,
        add: permission(settings.add)?,
        change_details: permission(settings.change_details)?,
        fanout: match pb::GroupFanout::try_from(settings.fanout) {
            Ok(pb::GroupFanout::Log) => Fanout::Log,
            Ok(pb::GroupFanout::Pairwise) => Fanout::Pairwise,
            Ok(pb::GroupFanout::Unspecified) | Err(_) => return Err(Invalid("a fan-out is not known")),
        },
    })
}

pub(super) fn invite(open: &pb::OpenInvite) -> Result<Invite, GroupOperationError> {
    Ok(Invite {
        public_key: invite_key(&open.public_key)?,
        expires: Some(Timestamp::from_ms(open.expires_ms)).filter(|at| *at != Timestamp::ZERO),
        uses: NonZeroU32::new(open.uses),
        approval: open.approval,
    })
}
