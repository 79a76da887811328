//! Groups: what members of a signed list say to each other.
//! Flow, in:  log entry -> `log` (nothing missing? opens?) -> `apply` (operations) | `inbox` (messages) -> one GroupAck.
//! Flow, out: command -> `wish` (signed on top of the newest state, posted; made again after a conflict) ->
//!            message in the outbox -> `send` -> `keys` (every member device has the sender key) -> SendGroup
//!            -> Accepted | StaleGroup -> `fetch` -> again.
//! Always true:
//! - only `apply` changes a group's state, by operations that verify, each in the step that stores it;
//! - a log's cursor rises in the transaction that stores the entry, and never past one that is missing;
//! - a message is encrypted for the roster it names: `keys::prepare` says yes only if every device of it has the key;
//! - what shows that the server hides or forks a list is an alarm, which stays.
//!
//! Elsewhere: the rules are `sotto_crypto::group`'s; what the server orders, docs/decisions/0012.

mod apply;
mod details;
mod fetch;
mod give_back;
mod join;
mod keys;
mod log;
mod marks;
mod mentions;
mod pairwise;
mod send;
mod view;
mod wish;

pub(crate) use details::{for_history, from_history, on_context};
pub(crate) use fetch::{Step, ask_for_all, on_answer};
pub(crate) use join::{join, look_at_invite};
pub(crate) use keys::{KeysSent, on_distribution, on_keys_accepted, on_keys_mismatch, on_keys_refused};
pub(crate) use log::{flush_acks, on_entry, send_acks, unpark_all};
pub(crate) use marks::{on_marks, refresh as refresh_marks};
pub(crate) use mentions::{keep_allowed, of_text, to_wire as mentions_to_wire};
pub(crate) use pairwise::on_message as on_pairwise;
pub(crate) use send::{Made, make, on_retry, on_stale};
pub(crate) use view::{change_text, receipts, summary, title};
pub(crate) use wish::{Wish, change, create, show};

use crate::api::Event;
use crate::core::Cx;
use fetch::Fetch;
use keys::Ready;
use litemap::LiteMap;
use sotto_crypto::group::GroupState;
use sotto_engine_store::{Group, StoreError};
use sotto_types::{AccountId, Conversation, GroupId, MessageId, Timestamp};
use sotto_wire::pb;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// What memory keeps of a group; a restart makes it anew.
#[derive(Debug, Default)]
pub(crate) struct Live {
    state: Option<Arc<GroupState>>,
    /// What is being asked for.
    fetch: Option<Fetch>,
    /// Operations that senders have seen: (revision, hash), checked once they are fetched.
    expected: Vec<(u32, [u8; 32])>,
    ready: Option<Ready>,
    /// How many devices have the key, of how many, as last told.
    keys_told: Option<(usize, usize)>,
    /// Entries that wait for something, in their order; not acknowledged.
    parked: VecDeque<pb::GroupEntry>,
    /// How often in a row an entry was found missing.
    gaps: u32,
    /// A restored server has forgotten the operations from this revision on, or the whole group.
    give_back: Option<u32>,
    /// Not before this time again.
    not_before: Timestamp,
    refused: u32,
    /// To be acknowledged at the end of the step.
    ack_due: bool,
}

/// Log entries that were stored and not acknowledged yet.
#[derive(Debug, Clone, Copy, Default)]
struct Gathered {
    entries: u32,
    bytes: usize,
    until: Option<Timestamp>,
}

/// All groups in memory.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    live: LiteMap<GroupId, Live>,
    pub(crate) wishes: Vec<Wish>,
    pub(crate) keys_sent: LiteMap<sotto_types::ClientMsgId, KeysSent>,
    /// Groups whose members must get this device's key, though there is no message yet.
    pub(crate) contexts_due: LiteMap<GroupId, ()>,
    /// `ask_for_all` was done on this connection.
    pub(crate) listed: bool,
    /// The server was restored, and has not said yet what it knows: what is sent now might find no group.
    pub(crate) unsure: bool,
    gathered: Gathered,
    /// Cursors to acknowledge of groups that are not kept.
    loose_acks: LiteMap<GroupId, MessageId>,
}

impl Groups {
    pub(crate) fn live(&mut self, group: GroupId) -> &mut Live {
        self.live.entry(group).or_default()
    }

    /// No entry waits for its group to be fetched, or for keys.
    pub(crate) fn has_none_parked(&self) -> bool {
        self.live.iter().all(|(_, live)| live.parked.is_empty())
    }

    /// What belonged to the connection.
    pub(crate) fn forget_transport(&mut self) {
        self.keys_sent.clear();
        self.listed = false;
        self.loose_acks.clear();
        self.gathered = Gathered::default();
        for (_, live) in self.live.iter_mut() {
            live.parked.clear();
            live.ack_due = false;
        }
    }

    /// Requests under way were forgotten with everything else.
    pub(crate) fn forget_requests(&mut self) {
        self.live.clear();
        self.wishes.clear();
        self.contexts_due.clear();
        self.forget_transport();
    }

    pub(crate) fn set_back(&mut self, by: Duration) {
        self.live.iter_mut().for_each(|(_, live)| live.not_before = live.not_before.minus(by));
        self.keys_sent.iter_mut().for_each(|(_, sent)| sent.since = sent.since.minus(by));
        self.gathered.until = self.gathered.until.map(|until| until.minus(by));
    }

    /// Somebody's devices or key are others now: whether all have the keys must be looked at again.
    pub(crate) fn forget_ready(&mut self) {
        self.live.iter_mut().for_each(|(_, live)| live.ready = None);
    }
}

/// A group that is known here, and its state.
fn known(cx: &mut Cx<'_, '_>, id: GroupId) -> Result<Option<(Group, Arc<GroupState>)>, StoreError> {
    let Some(row) = cx.tx.group(id)? else { return Ok(None) };
    let live = cx.core.groups.live(id);
    if let Some(state) = live.state.as_ref().filter(|state| state.head() == row.head) {
        let state = Arc::clone(state);
        return Ok(Some((row, state)));
    }
    let state = GroupState::decode(row.state.expose());
    let state = Arc::new(state.map_err(|error| StoreError::Damaged(format!("a group's state: {error}")))?);
    live.state = Some(Arc::clone(&state));
    Ok(Some((row, state)))
}

/// Whether the own account is one.
pub(crate) fn is_member(cx: &mut Cx<'_, '_>, group: GroupId) -> Result<bool, StoreError> {
    let Some(own) = cx.own() else { return Ok(false) };
    Ok(known(cx, group)?.is_some_and(|(_, state)| state.member(own.account()).is_some()))
}

pub(crate) fn is_admin(cx: &mut Cx<'_, '_>, group: GroupId, account: AccountId) -> Result<bool, StoreError> {
    Ok(known(cx, group)?.is_some_and(|(_, state)| state.is_admin(account)))
}

pub(crate) fn may_change_details(cx: &mut Cx<'_, '_>, group: GroupId, account: AccountId) -> Result<bool, StoreError> {
    Ok(known(cx, group)?.is_some_and(|(_, state)| state.may_change_details(account)))
}

fn changed(cx: &mut Cx<'_, '_>, group: GroupId) {
    cx.event(Event::ConversationChanged { conversation: Conversation::Group(group) });
}

/// The server was caught; the first alarm stays.
fn alarm(cx: &mut Cx<'_, '_>, group: GroupId, text: &str) -> Result<(), StoreError> {
    tracing::warn!(?group, text, "a group's list cannot be trusted");
    if cx.tx.raise_group_alarm(group, text)? {
        changed(cx, group);
    }
    Ok(())
}

const FORKED: &str = "the server shows different histories of this group to different members: its list of members cannot be \
    trusted. Compare with the others, and make a new group elsewhere";
const HIDDEN: &str =
    "the server hides changes of this group that others have seen: its list of members may be out of date";
const WITHHELD: &str = "the server withholds messages of this group";
const INVALID: &str =
    "the server showed a change of this group that no member with the right to it has signed; it was refused";

/// What is due without an input: wishes, keys for members.
pub(crate) fn drive(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    fetch::drive(cx)?;
    wish::drive(cx)?;
    keys::drive(cx)
}

pub(crate) fn next_time(cx: &Cx<'_, '_>) -> Option<Timestamp> {
    let now = cx.now;
    let waits = cx.core.groups.live.values().map(|live| live.not_before).filter(|at| *at > now);
    let answers = cx.core.groups.keys_sent.values().map(|sent| sent.since.plus(keys::ANSWER_TIMEOUT));
    waits.chain(answers).chain(cx.core.groups.gathered.until).min()
}
