//! A session's side of presence and typing. Nothing here is allocated for a connection that only sends heartbeats.
//! Always true:
//! - only a connection that says it is in the foreground is online, and only to such a one is typing given;
//! - a goodbye and the background are told at once; a connection that breaks is not told: its lease runs out, and who comes
//!   back within a minute was never away;
//! - no answer, error or delay tells whether typing was given to anybody.
//!
//! Elsewhere: who may see whom, and batching, are the domain's.

use crate::gateway::Gateway;
use crate::handle::{Handle, Typing};
use crate::parse::TypingState;
use crate::session::End;
use sotto_domain::{Lease, PersonPresence, Refusal, Watcher};
use sotto_types::{AccountId, Conversation, DeviceAddress, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// The same state of a conversation is given on once in this time.
const TYPING_EVERY: Duration = Duration::from_secs(2);
/// States of conversations that a connection may say within that time; more are dropped.
const TYPING_MAX: usize = 8;
/// Of one conversation, in the same time.
const TYPING_CHANGES: usize = 6;
/// Milliseconds of the epoch begin here; below, connections of one millisecond are told apart.
const EPOCH_SHIFT: u32 = 20;

type Typed = (Conversation, TypingState, Timestamp);

#[derive(Default)]
pub(crate) struct PresenceSide {
    epoch: u64,
    active: Option<Box<Active>>,
}

/// Of a connection that subscribes or types.
#[derive(Default)]
struct Active {
    watcher: Option<Arc<Watcher>>,
    /// What was typed lately, the oldest first.
    typed: Vec<Typed>,
    /// The watcher has something to take.
    is_due: bool,
}

impl PresenceSide {
    /// After Hello.
    pub(crate) fn begin(&mut self, gateway: &Gateway, handle: &Handle, foreground: bool, now: Timestamp) {
        self.epoch = (now.as_ms() << EPOCH_SHIFT) | (handle.id & ((1 << EPOCH_SHIFT) - 1));
        self.heard(gateway, handle, foreground, now);
    }

    /// With every heartbeat.
    pub(crate) fn heard(&self, gateway: &Gateway, handle: &Handle, foreground: bool, now: Timestamp) {
        let Some(of) = handle.address() else { return };
        let lease = Lease { of, epoch: self.epoch };
        let was_foreground = handle.set_foreground(foreground);
        if foreground {
            gateway.presence.here(lease, now);
        } else if was_foreground {
            gateway.presence.away(lease, now);
        }
    }

    pub(crate) fn finish(&mut self, gateway: &Gateway, handle: &Handle, end: End) {
        self.leave(gateway);
        if matches!(end, End::Close(..)) && handle.is_foreground() {
            self.heard(gateway, handle, false, gateway.clock.now());
        }
        handle.set_foreground(false);
    }

    /// Ends the subscriptions; nothing if there are none.
    pub(crate) fn leave(&mut self, gateway: &Gateway) {
        if let Some(watcher) = self.active.take().and_then(|active| active.watcher) {
            gateway.presence.leave(&watcher);
        }
    }

    pub(crate) fn subscribe(
        &mut self,
        gateway: &Gateway,
        handle: &Arc<Handle>,
        accounts: &[AccountId],
    ) -> Result<impl Future<Output = ()> + Send + use<>, Refusal> {
        let of = handle.address().ok_or_else(|| Refusal::new(sotto_types::ErrorCode::HelloRequired, "no Hello yet"))?;
        gateway.domain.check_presence(of, accounts.len())?;
        let watcher = &mut self.active.get_or_insert_default().watcher;
        let watcher = watcher.get_or_insert_with(|| gateway.presence.watcher(of.account, handle.clone()));
        gateway.presence.subscribe(watcher, accounts)
    }

    pub(crate) fn unsubscribe(&self, gateway: &Gateway, accounts: &[AccountId]) {
        if let Some(watcher) = self.active.as_ref().and_then(|active| active.watcher.as_ref()) {
            gateway.presence.unsubscribe(watcher, accounts);
        }
    }

    pub(crate) fn look(&mut self) {
        if let Some(active) = &mut self.active {
            active.is_due = true;
        }
    }

    /// What is to be told; asked when the socket has room, so that whatever it is slow for is replaced by what is newer.
    pub(crate) fn take(&mut self) -> Vec<PersonPresence> {
        let Some(active) = self.active.as_deref_mut().filter(|active| active.is_due) else { return Vec::new() };
        active.is_due = false;
        active.watcher.as_ref().map_or_else(Vec::new, |watcher| watcher.take())
    }

    /// Whether it is to be given on: the same again not so soon, and not too many changes.
    pub(crate) fn may_type(&mut self, conversation: Conversation, state: TypingState, now: Timestamp) -> bool {
        let typed = &mut self.active.get_or_insert_default().typed;
        // Of a clock that was set back, nothing is kept.
        typed.retain(|(.., at)| *at <= now && now.since(*at) < TYPING_EVERY);
        let mut of_this = typed.iter().rev().filter(|(of, ..)| *of == conversation);
        let is_same = of_this.next().is_some_and(|(_, last, _)| *last == state);
        if is_same || of_this.count() + 1 >= TYPING_CHANGES || typed.len() >= TYPING_MAX {
            return false;
        }
        typed.push((conversation, state, now));
        true
    }
}

/// Gives it to those who are there and may have it.
pub(crate) async fn give_typing(
    gateway: &Gateway,
    from: DeviceAddress,
    conversation: Conversation,
    state: TypingState,
) {
    let author = from.account;
    match conversation {
        Conversation::Peer(peer) => {
            // A failing store shows itself elsewhere, and typing can get lost.
            if peer != author && gateway.presence.may_type_to(author, peer).await.unwrap_or(false) {
                let typing = Typing { conversation: Conversation::Peer(author), author, state };
                gateway.router.each_of(peer, |_, handle| handle.publish_typing(typing));
            }
        }
        Conversation::Group(group) => {
            let Ok(Some(found)) = gateway.domain.group_members(group).await else { return };
            if !found.members.iter().any(|(member, _)| *member == author) {
                return;
            }
            let typing = Typing { conversation, author, state };
            for (member, _) in found.members.iter().filter(|(member, _)| *member != author) {
                gateway.router.each_of(*member, |_, handle| handle.publish_typing(typing));
            }
        }
    }
}
