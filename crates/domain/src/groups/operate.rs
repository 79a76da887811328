use super::unknown_group;
use crate::limiter::Subject;
use crate::sign_in::authenticate::unknown_account;
use crate::{Domain, Refusal, SignedIn};
use bytes::Bytes;
use sotto_crypto::group::{
    Applied, Change, GroupOperationError, GroupRuleError, GroupState, MemberKey, VerifiedOperation, details_hash,
    verify_operation,
};
use sotto_ports::{Group, OperationCommit, OperationRefused, StoredOperation};
use sotto_types::{AccountId, DeviceAddress, ErrorCode, GroupId, MessageId, Timestamp, limits};

/// A signed operation as it came.
#[derive(Debug, Clone)]
pub struct PostOperation {
    pub payload: Bytes,
    pub signature: Bytes,
    /// Encrypted; present exactly if the operation names its hash.
    pub details: Option<Bytes>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationAnswer {
    pub group: GroupId,
    pub revision: u32,
    pub message_id: MessageId,
    pub server_time: Timestamp,
    /// Zero, which no group has, in the answer to a repeat: who repeats has not seen who came and went since, and must not
    /// send under a roster that counts them.
    pub roster: u64,
}

impl Domain {
    /// Judges an operation and puts it into the list and the log. The same operation again gets the first answer.
    pub async fn post_operation(
        &self,
        who: &SignedIn,
        to: Option<GroupId>,
        post: PostOperation,
    ) -> Result<OperationAnswer, Refusal> {
        let own = who.address.account;
        let operation = verify_operation(&post.payload, &post.signature).map_err(|error| refused_bytes(&error))?;
        let id = operation.group_id();
        if to.is_some_and(|to| to != id) {
            return Err(Refusal::new(ErrorCode::BadRequest, "the operation is of another group"));
        }
        if operation.actor() != own {
            return Err(not_allowed("the actor is another account"));
        }
        let group = self.group(id).await?;
        if let Some((group, _)) = &group
            && let Some(first) = self.posted_before(group, &operation).await?
        {
            return Ok(first);
        }
        // A repeat costs nothing: an operation whose answer was lost must not run into the limit.
        self.limiter.check(Subject::GroupOperations(own), self.now())?;
        self.check_actor_key(&operation).await?;
        check_details(&operation, post.details.as_ref())?;
        let (before, after, applied) = match (&group, operation.change()) {
            (None, Change::Create { members, .. }) => {
                self.check_named(own, members, None).await?;
                let (after, applied) = GroupState::create(&operation).map_err(|error| refused(&error))?;
                (None, after, applied)
            }
            (None, _) => return Err(unknown_group()),
            (Some((group, state)), change) => {
                let joins = matches!(change, Change::Join { .. });
                if !joins && state.member(own).is_none() {
                    return Err(unknown_group());
                }
                let (after, applied) = state.apply(&operation).map_err(|error| refused(&error))?;
                self.check_change(state, &operation).await?;
                (Some(group), after, applied)
            }
        };
        let commit = self.commit_of(&post, &operation, before.map(|group| group.head), &after, &applied);
        let committed = match self.parts.groups.commit_operation(commit).await {
            Ok(committed) => committed,
            Err(OperationRefused::HeadChanged) => {
                // Perhaps by this very operation, sent twice at once.
                let now = self.parts.groups.group(id).await?;
                let first = match &now {
                    Some(group) => self.posted_before(group, &operation).await?,
                    None => None,
                };
                return first.ok_or_else(conflict);
            }
            Err(OperationRefused::TooManyGroups(account)) => {
                return Err(Refusal::new(ErrorCode::GroupFull, format!("{account} is in too many groups")));
            }
            Err(OperationRefused::TooManyStays(account)) => {
                let detail =
                    format!("{account} came and went too often: a device of it has to read what was said, first");
                return Err(Refusal::new(ErrorCode::GroupFull, detail));
            }
            Err(OperationRefused::Store(error)) => return Err(error.into()),
        };
        // Who was removed gets the operation that did it, and nothing after.
        for account in &applied.removed {
            self.parts.connections.group_waits(*account);
        }
        self.meters.group_operations.increment(1);
        Ok(OperationAnswer {
            group: id,
            revision: operation.revision(),
            message_id: committed.message_id,
            server_time: committed.server_time,
            roster: committed.roster,
        })
    }

    pub(super) fn commit_of(
        &self,
        post: &PostOperation,
        operation: &VerifiedOperation,
        follows: Option<[u8; 32]>,
        after: &GroupState,
        applied: &Applied,
    ) -> OperationCommit {
        OperationCommit {
            group: operation.group_id(),
            follows,
            sender: DeviceAddress::new(operation.actor(), operation.actor_device()),
            head: operation.hash(),
            revision: operation.revision(),
            payload: post.payload.clone(),
            signature: post.signature.clone(),
            state: after.encode().into(),
            details: post.details.clone(),
            members: after.members().iter().map(|member| member.account).collect(),
            renewed: applied.rekeyed.clone(),
            changes_roster: applied.changes_roster(),
            now: self.now(),
        }
    }

    /// The answer that this very operation got.
    pub(super) async fn posted_before(
        &self,
        group: &Group,
        operation: &VerifiedOperation,
    ) -> Result<Option<OperationAnswer>, Refusal> {
        if operation.revision() > group.revision {
            return Ok(None);
        }
        let stored = self.parts.groups.operations(group.id, operation.revision(), 1).await?;
        let same = |stored: &&StoredOperation| {
            verify_operation(&stored.payload, &stored.signature).is_ok_and(|stored| stored.hash() == operation.hash())
        };
        Ok(stored.first().filter(same).map(|stored| OperationAnswer {
            group: group.id,
            revision: stored.revision,
            message_id: stored.message_id,
            server_time: stored.server_time,
            roster: 0,
        }))
    }

    async fn check_actor_key(&self, operation: &VerifiedOperation) -> Result<(), Refusal> {
        let account = self.parts.directory.account(operation.actor()).await?.ok_or_else(unknown_account)?;
        if account.identity_key[..] != operation.actor_key().as_bytes()[..] {
            return Err(not_allowed("it is signed with another key than the account's"));
        }
        Ok(())
    }

    /// Whoever is added has an account here, with that key (else nobody could ever reach them), and lets `by` add them. The
    /// answer does not tell which of these it was, but names all whom it concerns: they can be sent an invite link.
    async fn check_named(
        &self,
        by: AccountId,
        members: &[MemberKey],
        state: Option<&GroupState>,
    ) -> Result<(), Refusal> {
        let mut refused = Vec::new();
        for member in members {
            let id = member.account;
            let account = self.parts.directory.account(id).await?;
            let known = account.is_some_and(|account| account.identity_key[..] == member.identity_key.as_bytes()[..]);
            // Who asked to join, or is in and only gets a new key pinned, is not asked again.
            let is_in = |state: &GroupState| {
                state.member(id).is_some() || state.requests().iter().any(|request| request.who.account == id)
            };
            let agrees = id == by || state.is_some_and(is_in) || self.people.may_add(by, id).await?;
            if !known || !agrees {
                refused.push(id);
            }
        }
        if refused.is_empty() {
            return Ok(());
        }
        let detail = "they have no account here, another identity key, or do not let everybody add them";
        Err(Refusal { accounts: refused, ..Refusal::new(ErrorCode::GroupAddRefused, detail) })
    }

    /// What only the server can know.
    async fn check_change(&self, state: &GroupState, operation: &VerifiedOperation) -> Result<(), Refusal> {
        match operation.change() {
            Change::Add { members } => self.check_named(operation.actor(), members, Some(state)).await,
            Change::Join { public_key, .. } => {
                let open = state.invites().iter().find(|open| open.public_key() == *public_key);
                if open.and_then(|open| open.invite.expires).is_some_and(|expires| expires <= self.now()) {
                    return Err(Refusal::new(ErrorCode::GroupInviteClosed, "the invite has expired"));
                }
                Ok(())
            }
            Change::Succeed => check_succeed(self, state).await,
            _ => Ok(()),
        }
    }
}

pub(super) async fn check_succeed(domain: &Domain, state: &GroupState) -> Result<(), Refusal> {
    match state.owner() {
        Some(owner) if domain.parts.directory.account(owner.account).await?.is_some() => {
            Err(not_allowed("the owner is still here"))
        }
        _ => Ok(()),
    }
}

pub(super) fn check_details(operation: &VerifiedOperation, details: Option<&Bytes>) -> Result<(), Refusal> {
    let named = match operation.change() {
        Change::Create { details_hash, .. } | Change::SetDetails { details_hash } => Some(details_hash),
        _ => None,
    };
    match (named, details) {
        (None, None) => Ok(()),
        (Some(_), Some(details)) if details.len() > limits::GROUP_DETAILS_BYTES => {
            Err(Refusal::new(ErrorCode::TooLarge, "the details are over 64 KiB"))
        }
        (Some(hash), Some(details)) if details_hash(details) == *hash => Ok(()),
        (Some(_), Some(_)) => Err(Refusal::new(ErrorCode::BadRequest, "the details have another hash")),
        (Some(_), None) => Err(Refusal::new(ErrorCode::BadRequest, "the details are missing")),
        (None, Some(_)) => Err(Refusal::new(ErrorCode::BadRequest, "this operation has no details")),
    }
}

pub(super) fn conflict() -> Refusal {
    Refusal::new(ErrorCode::GroupConflict, "the group changed meanwhile")
}

fn not_allowed(detail: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::GroupOperationRefused, detail)
}

fn refused_bytes(error: &GroupOperationError) -> Refusal {
    not_allowed(error.to_string())
}

pub(super) fn refused(error: &GroupRuleError) -> Refusal {
    match error {
        GroupRuleError::NotNext { .. } | GroupRuleError::Forked { .. } => conflict(),
        GroupRuleError::Full { .. } => Refusal::new(ErrorCode::GroupFull, error.to_string()),
        GroupRuleError::InviteClosed => Refusal::new(ErrorCode::GroupInviteClosed, error.to_string()),
        other => not_allowed(other.to_string()),
    }
}
