//! Groups on a server that was restored from a backup: clients give back the operations it has forgotten.
//! Always true:
//! - what is given back follows what is here, is signed, and keeps the rules: only what the server of then alone could judge (whose
//!   account has which key, whether an invite had expired) is not judged again;
//! - an operation that is another one than the one here is refused: a list is never replaced;
//! - only in the weeks after a restore (`Restored::takes_receipts`).

use super::operate::{check_details, check_succeed, conflict, refused};
use super::unknown_group;
use crate::limiter::Subject;
use crate::{Domain, PostOperation, Refusal, SignedIn};
use sotto_crypto::group::{Change, GroupState, VerifiedOperation, verify_operation};
use sotto_ports::OperationRefused;
use sotto_types::{ErrorCode, GroupId};

/// How far the list goes now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupRestored {
    pub revision: u32,
    /// Hash of the operation of that revision.
    pub head: [u8; 32],
}

impl Domain {
    /// Puts back, in order, what the list lacks; what it has is passed over. `details` are taken where they come along, and
    /// may be missing. Also gives the caller, if it is a member by the list, the membership that a forgotten account has lost.
    pub async fn restore_group(
        &self,
        who: &SignedIn,
        id: GroupId,
        operations: Vec<PostOperation>,
    ) -> Result<GroupRestored, Refusal> {
        let own = who.address.account;
        self.limiter.check(Subject::DeviceLists(own), self.now())?;
        for post in operations {
            self.restore_operation(who, id, post).await?;
        }
        let (group, _) = self.group_of(id, own).await?;
        let stays = self.parts.groups.memberships(own).await?;
        if !stays.iter().any(|stay| stay.group == id && stay.goes_on()) {
            self.parts.groups.resume_stay(own, id).await?;
            self.parts.connections.group_waits(own);
        }
        Ok(GroupRestored { revision: group.revision, head: group.head })
    }

    async fn restore_operation(&self, who: &SignedIn, id: GroupId, post: PostOperation) -> Result<(), Refusal> {
        let operation = verify_operation(&post.payload, &post.signature)
            .map_err(|error| Refusal::new(ErrorCode::GroupOperationRefused, error.to_string()))?;
        if operation.group_id() != id {
            return Err(Refusal::new(ErrorCode::BadRequest, "the operation is of another group"));
        }
        if self.has_operation(&operation).await? {
            return Ok(());
        }
        if !self.restored.takes_receipts(self.now()) {
            let detail = "this server was not restored lately: it has forgotten nothing";
            return Err(Refusal::new(ErrorCode::GroupOperationRefused, detail));
        }
        self.limiter.check(Subject::GroupOperations(who.address.account), self.now())?;
        // They may be missing: whoever gives an operation back need not have them any more.
        if post.details.is_some() {
            check_details(&operation, post.details.as_ref())?;
        }
        let group = self.group(id).await?;
        let (follows, after, applied) = match (&group, operation.change()) {
            (None, Change::Create { .. }) => {
                let (after, applied) = GroupState::create(&operation).map_err(|error| refused(&error))?;
                (None, after, applied)
            }
            (None, _) => return Err(unknown_group()),
            (Some((group, state)), change) => {
                // Whether a link was still good nobody can tell now: whoever came by one is vouched for by who was in before.
                if matches!(change, Change::Join { .. }) && state.member(who.address.account).is_none() {
                    return Err(unknown_group());
                }
                if matches!(change, Change::Succeed) {
                    check_succeed(self, state).await?;
                }
                let (after, applied) = state.apply(&operation).map_err(|error| refused(&error))?;
                (Some(group.head), after, applied)
            }
        };
        let commit = self.commit_of(&post, &operation, follows, &after, &applied);
        match self.parts.groups.commit_operation(commit).await {
            Ok(_) => {}
            // Another device gives it back too.
            Err(OperationRefused::HeadChanged) if self.has_operation(&operation).await? => return Ok(()),
            Err(OperationRefused::HeadChanged) => return Err(conflict()),
            Err(OperationRefused::Store(error)) => return Err(error.into()),
            Err(refused @ (OperationRefused::TooManyGroups(_) | OperationRefused::TooManyStays(_))) => {
                return Err(Refusal::new(ErrorCode::GroupFull, refused.to_string()));
            }
        }
        for account in &applied.removed {
            self.parts.connections.group_waits(*account);
        }
        self.meters.group_operations.increment(1);
        Ok(())
    }

    /// Whether the list has it; an error if it has another in its place.
    async fn has_operation(&self, operation: &VerifiedOperation) -> Result<bool, Refusal> {
        let Some((group, _)) = self.group(operation.group_id()).await? else { return Ok(false) };
        if operation.revision() > group.revision {
            return Ok(false);
        }
        match self.posted_before(&group, operation).await? {
            Some(_) => Ok(true),
            None => Err(conflict()),
        }
    }
}
