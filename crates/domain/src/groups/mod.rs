//! Groups: what the server judges of signed operations, where messages to groups go, and how far devices are in their logs.
//! Flow: `post_operation` (verified and applied with the code that clients use) and `send_group` -> the group's log -> the
//!       gateway's dispatch, or `waiting_groups` and `read_log` for who was away -> `group_ack` -> `CursorBook` -> the store.
//! Always true:
//! - the server cannot make an operation; it refuses those that every honest client would refuse;
//! - a message is committed only under the roster it was encrypted for;
//! - a device is given what was said while its account was in, in every stay that it has not read, and nothing in between;
//! - who is no member is told no more of a group than that there is none.
//!
//! Elsewhere: the rules are `sotto_crypto::group`'s, atomicity is the store's.

mod book;
mod deliver;
mod look;
mod marks;
mod operate;
mod restore;
mod send;

pub(crate) use book::CursorBook;
pub use deliver::{GroupAcked, WaitingGroup};
pub use look::{GroupPage, MemberDevices, MemberList, OwnGroup};
pub use marks::MarksToShow;
pub use operate::{OperationAnswer, PostOperation};
pub use restore::GroupRestored;
pub use send::{AccountCiphertexts, GroupSend, KeysSend, StaleGroup};

use crate::{Domain, Refusal};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use sotto_crypto::group::GroupState;
use sotto_ports::Group;
use sotto_types::{AccountId, ErrorCode, GroupId};
use std::sync::Arc;

/// Members of all states kept decoded; one takes about 100 bytes.
const CACHED_MEMBERS: u64 = 200_000;

#[derive(Clone)]
struct ByMembers;

impl Weighter<GroupId, Arc<GroupState>> for ByMembers {
    fn weight(&self, _: &GroupId, state: &Arc<GroupState>) -> u64 {
        u64::try_from(state.members().len()).unwrap_or(u64::MAX).saturating_add(8)
    }
}

/// Decoded states, each good as long as its head is the group's.
pub(crate) struct States(Cache<GroupId, Arc<GroupState>, ByMembers>);

impl Default for States {
    fn default() -> Self {
        Self(Cache::with_weighter(1024, CACHED_MEMBERS, ByMembers))
    }
}

impl std::fmt::Debug for States {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("States")
    }
}

pub(crate) fn unknown_group() -> Refusal {
    Refusal::new(ErrorCode::UnknownGroup, "there is no such group, or this account is no member of it")
}

impl Domain {
    /// The group and its state.
    async fn group(&self, id: GroupId) -> Result<Option<(Arc<Group>, Arc<GroupState>)>, Refusal> {
        let Some(group) = self.parts.groups.group(id).await? else { return Ok(None) };
        if let Some(state) = self.states.0.get(&id).filter(|state| state.head() == group.head) {
            return Ok(Some((group, state)));
        }
        let damaged = |_| Refusal::new(ErrorCode::Internal, "the stored group is damaged");
        let state = Arc::new(GroupState::decode(&group.state).map_err(damaged)?);
        self.states.0.insert(id, Arc::clone(&state));
        Ok(Some((group, state)))
    }

    /// The same for a member; to anybody else it does not exist.
    async fn group_of(&self, id: GroupId, account: AccountId) -> Result<(Arc<Group>, Arc<GroupState>), Refusal> {
        let found = self.group(id).await?;
        found.filter(|(_, state)| state.member(account).is_some()).ok_or_else(unknown_group)
    }

    /// Who gets what is in the log from now on.
    pub async fn group_members(&self, id: GroupId) -> Result<Option<Arc<Group>>, Refusal> {
        Ok(self.parts.groups.group(id).await?)
    }
}
