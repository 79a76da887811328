//! Groups: who is a member, who may do what, and who says so. A group is a list of operations, each signed by the member who
//! did it and naming the hash of the one before, so that the server can order and limit operations but never make one.
//! Flow: `sign_operation` (a member's device) -> server -> `verify_operation` -> `GroupState::apply` (server and clients alike).
//!       `encode` / `GroupState::decode` keep the state between operations; beside the list, `seal_details` / `open_details`.
//! Always true:
//! - a `VerifiedOperation` is well formed, in its one encoding, and signed by the `actor_key` inside it;
//! - a `GroupState` is the fold over a list in which every operation was allowed; a refused one leaves the state as it was;
//! - a group that is not deleted has exactly one owner; a deleted one has no member and takes no operation;
//! - `sign_operation` signs nothing that `apply` would refuse.
//!
//! Elsewhere: whether an account really has the key it is named with (create, add and join) is not in the list. The server checks
//!       that against its directory, and each client against the key it trusts. So are the server's alone: when an invite expires,
//!       and that an owner's account is gone (`Succeed`).

mod change;
mod codec;
mod details;
mod invite;
mod operation;
mod rules;
mod sign;
mod state;
mod step;

pub use change::{Change, Fanout, GroupSettings, Invite, MemberKey, Permission, Role};
pub use codec::GroupStateError;
pub use details::{GroupDetails, GroupDetailsError, PictureType, details_hash, open_details, seal_details};
pub use invite::{InviteKey, InviteSeed, JoinProof, prove_join};
pub use operation::{GroupOperationError, SignedGroupOperation, VerifiedOperation, verify_operation};
pub use rules::{Applied, GroupRuleError};
pub use sign::{MadeOperation, SignOperationError, sign_operation};
pub use state::{FORMER_MEMBERS_MAX, GroupState, JoinRequest, Member, OpenedInvite};

#[cfg(test)]
mod tests;
