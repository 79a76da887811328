//! One connection's subscriptions, and what it is still to be told.

use crate::Refusal;
use parking_lot::Mutex;
use sotto_ports::PresenceState;
use sotto_types::{AccountId, ErrorCode, Timestamp, limits};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// A person's state as one connection may know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PersonPresence {
    pub account: AccountId,
    pub online: bool,
    /// Zero: hidden, never, or online now.
    pub last_seen: Timestamp,
    /// Not to be seen any more.
    pub hidden: bool,
}

/// The connection of a watcher.
pub trait Subscriber: Send + Sync {
    /// There is something to take. Never blocks.
    fn look(&self);
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Rights {
    pub online: bool,
    pub last_seen: bool,
}

impl Rights {
    pub const fn any(self) -> bool {
        self.online || self.last_seen
    }
}

/// What was found in one round of judging.
pub(crate) struct Verdict {
    pub round: u32,
    pub state: PersonPresence,
}

/// Wishes that are new, and all that are to be judged, with the round of each.
pub(crate) struct Wanted {
    pub fresh: Vec<AccountId>,
    pub asked: Vec<(AccountId, u32)>,
}

#[derive(Debug, Default)]
struct Want {
    rights: Rights,
    /// Of several judgements under way the newest counts.
    round: u32,
    /// Waits to be judged again.
    doubted: bool,
    /// Something was said of the person to the client.
    shown: bool,
    /// A change came since the last judgement was granted: it is newer than what that looked up.
    changed: bool,
}

#[derive(Debug, Default)]
struct State {
    wants: HashMap<AccountId, Want>,
    /// Of people in `wants`, the newest of each.
    pending: HashMap<AccountId, PersonPresence>,
    /// The batch's time runs.
    is_due: bool,
}

pub struct Watcher {
    pub(crate) id: u64,
    pub(crate) viewer: AccountId,
    subscriber: Arc<dyn Subscriber>,
    state: Mutex<State>,
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").field("id", &self.id).field("viewer", &self.viewer).finish_non_exhaustive()
    }
}

impl Watcher {
    pub(crate) fn new(id: u64, viewer: AccountId, subscriber: Arc<dyn Subscriber>) -> Self {
        Self { id, viewer, subscriber, state: Mutex::default() }
    }

    /// What the connection is to be told, once for each `Subscriber::look`, or later: what changes meanwhile replaces it.
    pub fn take(&self) -> Vec<PersonPresence> {
        let state = &mut *self.state.lock();
        let people: Vec<_> = std::mem::take(&mut state.pending).into_values().collect();
        for person in &people {
            if let Some(want) = state.wants.get_mut(&person.account) {
                want.shown = !person.hidden;
            }
        }
        people
    }

    /// Notes all of them, or none.
    pub(crate) fn want(&self, accounts: &[AccountId]) -> Result<Wanted, Refusal> {
        let state = &mut *self.state.lock();
        let mut fresh: Vec<AccountId> =
            accounts.iter().filter(|account| !state.wants.contains_key(account)).copied().collect();
        fresh.sort_unstable();
        fresh.dedup();
        if state.wants.len().saturating_add(fresh.len()) > limits::PRESENCE_SUBSCRIPTIONS {
            let detail = "a connection has at most 512 subscriptions: unsubscribe from others first";
            return Err(Refusal::new(ErrorCode::TooManySubscriptions, detail));
        }
        let asked = accounts.iter().map(|account| {
            let want = state.wants.entry(*account).or_default();
            want.round = want.round.wrapping_add(1);
            (*account, want.round)
        });
        // Of one named twice only the last round counts.
        let asked: HashMap<AccountId, u32> = asked.collect();
        Ok(Wanted { fresh, asked: asked.into_iter().collect() })
    }

    /// Returns those that were wanted.
    pub(crate) fn forget(&self, accounts: &[AccountId]) -> Vec<AccountId> {
        let state = &mut *self.state.lock();
        if accounts.is_empty() {
            state.pending = HashMap::new();
            return std::mem::take(&mut state.wants).into_keys().collect();
        }
        let forget = |account: &&AccountId| {
            state.pending.remove(account);
            state.wants.remove(account).is_some()
        };
        accounts.iter().filter(forget).copied().collect()
    }

    pub(crate) fn wanted(&self) -> Vec<AccountId> {
        self.state.lock().wants.keys().copied().collect()
    }

    /// True if its time runs from now on.
    pub(crate) fn begin_batch(&self) -> bool {
        !std::mem::replace(&mut self.state.lock().is_due, true)
    }

    /// The batch's time is up.
    pub(crate) fn end_batch(&self) {
        let has_news = {
            let mut state = self.state.lock();
            state.is_due = false;
            !state.pending.is_empty()
        };
        if has_news {
            self.subscriber.look();
        }
    }

    /// True if a batch begins with it.
    pub(crate) fn changed(&self, account: AccountId, to: PresenceState) -> bool {
        let State { wants, pending, is_due } = &mut *self.state.lock();
        let Some(want) = wants.get_mut(&account).filter(|want| want.rights.any()) else { return false };
        want.changed = true;
        let person = match to {
            PresenceState::Online if !want.rights.online => return false,
            PresenceState::Online => {
                PersonPresence { account, online: true, last_seen: Timestamp::ZERO, hidden: false }
            }
            PresenceState::Offline { last_seen } => {
                let last_seen = if want.rights.last_seen { last_seen } else { Timestamp::ZERO };
                PersonPresence { account, online: false, last_seen, hidden: false }
            }
        };
        pending.insert(account, person);
        !std::mem::replace(is_due, true)
    }

    /// Nothing is told until the next judgement. True if that must be asked for.
    pub(crate) fn doubt(&self, account: AccountId) -> bool {
        let State { wants, pending, .. } = &mut *self.state.lock();
        let Some(want) = wants.get_mut(&account) else { return false };
        want.rights = Rights::default();
        want.round = want.round.wrapping_add(1);
        // But not that it is hidden.
        if pending.get(&account).is_some_and(|person| !person.hidden) {
            pending.remove(&account);
        }
        !std::mem::replace(&mut want.doubted, true)
    }

    pub(crate) fn begin_judging(&self, account: AccountId) -> Option<u32> {
        let state = &mut *self.state.lock();
        let want = state.wants.get_mut(&account)?;
        want.doubted = false;
        Some(want.round)
    }

    /// From here on changes are told.
    pub(crate) fn grant(&self, judged: &[(AccountId, u32, Rights)]) {
        let state = &mut *self.state.lock();
        for (account, round, rights) in judged {
            if let Some(want) = state.wants.get_mut(account).filter(|want| want.round == *round) {
                (want.rights, want.changed) = (*rights, false);
            }
        }
    }

    /// What was found, unless something newer was told or asked since. True if a batch begins with it.
    pub(crate) fn answer(&self, verdicts: &[Verdict]) -> bool {
        let State { wants, pending, is_due } = &mut *self.state.lock();
        for Verdict { round, state } in verdicts {
            let Some(want) = wants.get(&state.account).filter(|want| want.round == *round) else { continue };
            match (state.hidden, want.shown) {
                (true, true) => _ = pending.insert(state.account, *state),
                // Whoever never saw anything learns nothing now.
                (true, false) => _ = pending.remove(&state.account),
                (false, _) if want.changed => {}
                (false, _) => _ = pending.insert(state.account, *state),
            }
        }
        !pending.is_empty() && !std::mem::replace(is_due, true)
    }
}
