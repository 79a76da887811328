use super::unknown_group;
use crate::limiter::Subject;
use crate::prekeys::{AccountDevices, TakenBundles, check_asked};
use crate::{Domain, Refusal, SignedIn};
use bytes::Bytes;
use sotto_crypto::group::{GroupState, InviteKey, OpenedInvite};
use sotto_ports::{Group, GroupMark, Membership, StoredOperation};
use sotto_types::{AccountId, DeviceId, ErrorCode, GroupId, MessageId, limits};
use std::collections::HashSet;
use std::sync::Arc;

/// About what a page of operations holds.
const PAGE_BYTES: usize = 512 * 1024;
/// Members whose bundles are taken at once.
const TAKEN_AT_ONCE: usize = 64;

/// A group as its member sees it in the list of all.
#[derive(Debug, Clone)]
pub struct OwnGroup {
    pub group: Arc<Group>,
    pub membership: Membership,
    pub newest: MessageId,
    pub read_up_to: MessageId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberList {
    pub account: AccountId,
    /// 0: the account is gone.
    pub list_version: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPage {
    pub operations: Vec<StoredOperation>,
    pub more: bool,
    pub roster: u64,
    /// In the last page.
    pub details: Option<Bytes>,
    /// In the last page, for members.
    pub members: Vec<MemberList>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberDevices {
    pub account: AccountId,
    pub devices: Vec<DeviceId>,
}

impl Domain {
    pub async fn own_groups(&self, who: &SignedIn) -> Result<Vec<OwnGroup>, Refusal> {
        let own = who.address.account;
        self.limiter.check(Subject::DeviceLists(own), self.now())?;
        let mut groups = Vec::new();
        let memberships = self.parts.groups.memberships(own).await?;
        let newest = memberships.chunk_by(|one, next| one.group == next.group).filter_map(|stays| stays.last());
        for membership in newest.copied() {
            let Some(group) = self.parts.groups.group(membership.group).await? else { continue };
            let Some(facts) = self.parts.groups.group_facts(membership.group).await? else { continue };
            let mark = self.parts.groups.mark(membership.group, own).await?;
            let read_up_to = mark.and_then(|mark| mark.read).unwrap_or_default().up_to;
            groups.push(OwnGroup { group, membership, newest: facts.newest, read_up_to });
        }
        Ok(groups)
    }

    /// The operations from a revision on, for members, and for who was one until less than 30 days ago (up to its end).
    pub async fn group_page(&self, who: &SignedIn, id: GroupId, from: u32) -> Result<GroupPage, Refusal> {
        let own = who.address.account;
        self.limiter.check(Subject::DeviceLists(own), self.now())?;
        let (group, state) = self.group(id).await?.ok_or_else(unknown_group)?;
        if state.member(own).is_some() {
            return self.page(&group, Some(&state), from, MessageId::MAX).await;
        }
        let memberships = self.parts.groups.memberships(own).await?;
        let until = memberships.iter().rfind(|stay| stay.group == id).and_then(|last| last.until);
        self.page(&group, None, from, until.ok_or_else(unknown_group)?).await
    }

    /// What somebody with an invite link sees of the group: the operations, to verify them, and the details, to decrypt.
    pub async fn invite_page(
        &self,
        who: &SignedIn,
        id: GroupId,
        public_key: &[u8],
        from: u32,
    ) -> Result<GroupPage, Refusal> {
        self.limiter.check(Subject::LookUps(who.address.account), self.now())?;
        let bad_key = |_| Refusal::new(ErrorCode::BadRequest, "the invite's key is unusable");
        let public_key = InviteKey::parse(public_key).map_err(bad_key)?;
        let closed = || Refusal::new(ErrorCode::GroupInviteClosed, "the invite link is not open");
        let (group, state) = self.group(id).await?.ok_or_else(closed)?;
        let is_open = |open: &OpenedInvite| {
            open.public_key() == public_key && open.invite.expires.is_none_or(|expires| expires > self.now())
        };
        if !state.invites().iter().any(is_open) {
            return Err(closed());
        }
        let mut page = self.page(&group, None, from, MessageId::MAX).await?;
        page.details = (!page.more).then(|| group.details.clone());
        Ok(page)
    }

    async fn page(
        &self,
        group: &Group,
        member_of: Option<&GroupState>,
        from: u32,
        up_to: MessageId,
    ) -> Result<GroupPage, Refusal> {
        let mut operations = self.parts.groups.operations(group.id, from, PAGE_BYTES).await?;
        let last = operations.last().map_or(group.revision, |last| last.revision);
        operations.retain(|operation| operation.message_id <= up_to);
        let more = last < group.revision && operations.last().is_some_and(|shown| shown.revision == last);
        let mut page = GroupPage { operations, more, roster: group.roster, details: None, members: Vec::new() };
        if let Some(state) = member_of.filter(|_| !more) {
            page.details = Some(group.details.clone());
            page.members.reserve(state.members().len());
            for member in state.members() {
                let routing = self.parts.directory.routing(member.account).await?;
                let list_version = routing.map_or(0, |routing| routing.list_version);
                page.members.push(MemberList { account: member.account, list_version });
            }
        }
        Ok(page)
    }

    /// The signed device lists of members.
    pub async fn group_devices(
        &self,
        who: &SignedIn,
        id: GroupId,
        accounts: &[AccountId],
    ) -> Result<Vec<AccountDevices>, Refusal> {
        let own = who.address.account;
        if accounts.len() > limits::KEYS_ACCOUNTS {
            return Err(Refusal::new(ErrorCode::BadRequest, "ask for at most 256 accounts"));
        }
        let (_, state) = self.group_of(id, own).await?;
        let cost = u32::try_from(accounts.len().div_ceil(16)).unwrap_or(u32::MAX);
        self.limiter.check_cost(Subject::DeviceLists(own), cost, self.now())?;
        let mut found = Vec::with_capacity(accounts.len());
        for of in accounts.iter().filter(|of| state.member(**of).is_some()) {
            let Some(account) = self.parts.directory.account(*of).await? else { continue };
            let Some(list) = self.parts.directory.signed_list(*of).await? else { continue };
            found.push(AccountDevices { username: account.username.clone(), list });
        }
        Ok(found)
    }

    /// Prekey bundles of members' devices, each as `take_prekeys` gives them.
    pub async fn group_prekeys(
        &self,
        who: &SignedIn,
        id: GroupId,
        members: &[MemberDevices],
    ) -> Result<Vec<TakenBundles>, Refusal> {
        if members.len() > TAKEN_AT_ONCE {
            return Err(Refusal::new(ErrorCode::BadRequest, "ask for at most 64 accounts"));
        }
        // Before the first is taken: what is taken must not be lost over a request that is broken further on.
        let mut named = HashSet::with_capacity(members.len());
        for MemberDevices { account, devices } in members {
            check_asked(devices)?;
            if !named.insert(account) {
                return Err(Refusal::new(ErrorCode::BadRequest, "an account is asked for twice"));
            }
        }
        let (_, state) = self.group_of(id, who.address.account).await?;
        let mut taken = Vec::with_capacity(members.len());
        for member in members.iter().filter(|member| state.member(member.account).is_some()) {
            match self.take_prekeys(who, member.account, &member.devices).await {
                Ok(bundles) => taken.push(bundles),
                // The others' bundles are taken already: they must not be lost over one that is gone or used up.
                Err(refusal) if matches!(refusal.code, ErrorCode::UnknownAccount | ErrorCode::RateLimited) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(taken)
    }

    pub async fn group_marks(&self, who: &SignedIn, id: GroupId) -> Result<Vec<GroupMark>, Refusal> {
        let own = who.address.account;
        self.limiter.check(Subject::DeviceLists(own), self.now())?;
        self.group_of(id, own).await?;
        let marks = self.parts.groups.marks(id).await?;
        let to_show = self.marks_to_show(&marks).await?;
        Ok(self.marks_for(own, &to_show).await?.unwrap_or(marks))
    }
}
