//! Making operations: built for the state they follow, applied to it, and only then signed.

use super::change::{Change, copy};
use super::operation::{GroupOperationError, SignedGroupOperation, VerifiedOperation};
use super::rules::{Applied, GroupRuleError};
use super::state::GroupState;
use crate::identity::IdentityKeyPair;
use prost::Message;
use rand::{CryptoRng, Rng};
use sotto_types::{DeviceAddress, Timestamp};
use sotto_wire::{GROUP_OPERATION_DOMAIN, pb};

/// Why an operation is not made; nothing was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignOperationError {
    /// What was asked for can be no operation: a caller's mistake.
    #[error(transparent)]
    Operation(#[from] GroupOperationError),
    /// The group, as it is known here, does not allow it.
    #[error(transparent)]
    Rule(#[from] GroupRuleError),
}

/// A signed operation and the group as it is after it. Until the server took the operation, the state is a forecast.
#[derive(Debug, Clone, PartialEq)]
pub struct MadeOperation {
    pub signed: SignedGroupOperation,
    pub operation: VerifiedOperation,
    pub state: GroupState,
    pub applied: Applied,
}

/// `state` is the group as known here; `None` exactly for `Change::Create`.
pub fn sign_operation<R: CryptoRng + Rng>(
    identity: &IdentityKeyPair,
    actor: DeviceAddress,
    state: Option<&GroupState>,
    change: &Change,
    at: Timestamp,
    rng: &mut R,
) -> Result<MadeOperation, SignOperationError> {
    let (revision, previous, group_id) = match (change, state) {
        (Change::Create { .. }, None) => (0, Default::default(), Default::default()),
        (Change::Create { .. }, Some(state)) => {
            return Err(GroupRuleError::NotNext { have: state.revision(), got: 0 }.into());
        }
        (_, None) => return Err(GroupRuleError::NotFirst.into()),
        (_, Some(state)) => {
            let revision = state
                .revision()
                .checked_add(1)
                .ok_or(GroupRuleError::NotAllowed("the group has had as many operations as it can have"))?;
            (revision, copy(&state.head()), copy(state.id().as_bytes()))
        }
    };
    let payload = pb::GroupOperation {
        revision,
        previous,
        group_id,
        actor: copy(actor.account.as_bytes()),
        actor_key: copy(identity.public().as_bytes()),
        actor_device: actor.device.into(),
        at_ms: at.as_ms(),
        change: Some(change.to_wire(rng)),
    }
    .encode_to_vec();
    let operation = VerifiedOperation::parse(&payload)?;
    let (state, applied) = match state {
        Some(state) => state.apply(&operation)?,
        None => GroupState::create(&operation)?,
    };
    let signature = identity.sign(GROUP_OPERATION_DOMAIN, &payload, rng);
    let signed = SignedGroupOperation { payload: payload.into(), signature: copy(&signature) };
    Ok(MadeOperation { signed, operation, state, applied })
}
