//! One operation of a group's list: its bytes, and what is in them once the signature and every field were checked.
//! Always true: one operation has one encoding. What an older version would read otherwise than a newer one is refused, since two
//! readings of one list would be two groups.

use super::change::{self, Change};
use crate::identity::IdentityKey;
use bytes::Bytes;
use prost::Message;
use sha2::{Digest, Sha256};
use sotto_types::limits::GROUP_OPERATION_BYTES;
use sotto_types::{AccountId, DeviceAddress, DeviceId, GroupId, Timestamp};
use sotto_wire::{GROUP_OPERATION_DOMAIN, pb};

/// The bytes that travel and are stored: the serialized `GroupOperation` and its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedGroupOperation {
    pub payload: Bytes,
    pub signature: Bytes,
}

impl SignedGroupOperation {
    pub fn verify(&self) -> Result<VerifiedOperation, GroupOperationError> {
        verify_operation(&self.payload, &self.signature)
    }
}

impl From<SignedGroupOperation> for pb::SignedGroupOperation {
    fn from(operation: SignedGroupOperation) -> Self {
        Self { payload: operation.payload, signature: operation.signature }
    }
}

impl From<pb::SignedGroupOperation> for SignedGroupOperation {
    fn from(operation: pb::SignedGroupOperation) -> Self {
        Self { payload: operation.payload, signature: operation.signature }
    }
}

/// Why bytes are no operation at all, whatever the group's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GroupOperationError {
    #[error("the operation has {0} bytes; the limit is {GROUP_OPERATION_BYTES}")]
    TooLarge(usize),
    /// Also one with parts that this version does not know: update the app.
    #[error("not a group operation, or one of a newer version")]
    Malformed,
    #[error("the operation is not signed by the identity key in it")]
    Signature,
    #[error("the operation breaks a rule: {0}")]
    Invalid(&'static str),
}

/// An operation whose signature and fields were checked; whether the group allows it is for `GroupState::apply`. Made only by
/// `verify_operation` and `sign_operation`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedOperation {
    hash: [u8; 32],
    revision: u32,
    previous: Option<[u8; 32]>,
    group: GroupId,
    actor: DeviceAddress,
    actor_key: IdentityKey,
    at: Timestamp,
    change: Change,
}

impl VerifiedOperation {
    /// The operation's name in the list.
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    pub fn revision(&self) -> u32 {
        self.revision
    }

    /// Hash of the operation before; `None` in the first.
    pub fn previous(&self) -> Option<[u8; 32]> {
        self.previous
    }

    /// Of the first operation: its own hash.
    pub fn group_id(&self) -> GroupId {
        self.group
    }

    pub fn actor(&self) -> AccountId {
        self.actor.account
    }

    pub fn actor_key(&self) -> IdentityKey {
        self.actor_key
    }

    /// By the actor's word; for people.
    pub fn actor_device(&self) -> DeviceId {
        self.actor.device
    }

    /// By the actor's clock; for people.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    pub fn change(&self) -> &Change {
        &self.change
    }

    /// Everything but the signature.
    pub(super) fn parse(payload: &[u8]) -> Result<Self, GroupOperationError> {
        let operation = decode(payload)?;
        let actor_key = change::identity_key(&operation.actor_key)?;
        Self::check(payload, operation, actor_key)
    }

    fn check(
        payload: &[u8],
        operation: pb::GroupOperation,
        actor_key: IdentityKey,
    ) -> Result<Self, GroupOperationError> {
        // Unknown or repeated fields, which someone else may read differently.
        if operation.encode_to_vec() != payload {
            return Err(GroupOperationError::Malformed);
        }
        let account = change::account(&operation.actor)?;
        let device = DeviceId::try_from(operation.actor_device)
            .map_err(|_| GroupOperationError::Invalid("the device id is outside 1 to 127"))?;
        let change = Change::parse(operation.change.ok_or(GroupOperationError::Malformed)?)?;
        let hash = Sha256::new().chain_update(GROUP_OPERATION_DOMAIN).chain_update(payload).finalize().into();
        let (previous, group) = if let Change::Create { members, .. } = &change {
            if operation.revision != 0 || !operation.previous.is_empty() || !operation.group_id.is_empty() {
                return Err(GroupOperationError::Invalid("the first operation follows none"));
            }
            if members.iter().any(|member| member.account == account) {
                return Err(GroupOperationError::Invalid("the owner is not named among the members"));
            }
            (None, GroupId::from_bytes(hash))
        } else {
            if operation.revision == 0 {
                return Err(GroupOperationError::Invalid("the first operation creates the group"));
            }
            let group = GroupId::try_from(&operation.group_id[..])
                .map_err(|_| GroupOperationError::Invalid("the group id is not one"))?;
            (Some(change::hash(&operation.previous)?), group)
        };
        Ok(Self {
            hash,
            revision: operation.revision,
            previous,
            group,
            actor: DeviceAddress::new(account, device),
            actor_key,
            at: Timestamp::from_ms(operation.at_ms),
            change,
        })
    }
}

/// Checks signature, size and every field. Proves that the holder of `actor_key` made it, not that the key is the actor's: that is
/// what the state pins (`GroupState::apply`).
pub fn verify_operation(payload: &[u8], signature: &[u8]) -> Result<VerifiedOperation, GroupOperationError> {
    let operation = decode(payload)?;
    let actor_key = change::identity_key(&operation.actor_key)?;
    actor_key.verify(GROUP_OPERATION_DOMAIN, payload, signature).map_err(|_| GroupOperationError::Signature)?;
    VerifiedOperation::check(payload, operation, actor_key)
}

fn decode(payload: &[u8]) -> Result<pb::GroupOperation, GroupOperationError> {
    if payload.len() > GROUP_OPERATION_BYTES {
        return Err(GroupOperationError::TooLarge(payload.len()));
    }
    pb::GroupOperation::decode(payload).map_err(|_| GroupOperationError::Malformed)
}
