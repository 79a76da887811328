//! What is gone on this person's devices alone: deleted for oneself, and what disappears after it was read.
//! Always true: a message that is gone stays gone, whatever brings it again; its bytes leave the file and the index with the step.

use crate::api::{CommandId, Event, MessageRef, Reply};
use crate::core::Cx;
use crate::{actions, sync};
use sotto_engine_store::{StoreError, StoredMessage, Target};
use sotto_types::{AccountId, Conversation, MessageId, Timestamp};
use sotto_wire::pb;
use std::time::Duration;

/// Names in one envelope.
const TARGETS_MAX: usize = 256;
const AT_ONCE: u32 = 256;
/// The longest timer there is; longer ones of others are taken for this.
const TIMER_MAX_S: u32 = 366 * 86_400;

pub(crate) fn forget(cx: &mut Cx<'_, '_>, target: Target) -> Result<(), StoreError> {
    let conversation = cx.tx.message_named(target.author, target.name)?.map(|message| message.conversation);
    if cx.tx.forget_message(target, cx.now)?
        && let Some(conversation) = conversation
    {
        cx.event(Event::MessageRemoved { name: target.name, conversation });
    }
    Ok(())
}

/// From all own devices.
pub(crate) fn delete(cx: &mut Cx<'_, '_>, command: CommandId, messages: &[MessageRef]) -> Result<(), StoreError> {
    let targets: Vec<Target> =
        messages.iter().map(|message| Target { author: message.from, name: message.name }).collect();
    for target in &targets {
        let unsent = cx.tx.message_named(target.author, target.name)?;
        if let Some(unsent) = unsent.filter(|message| message.message_id.is_none() && message.attempts == 0) {
            cx.tx.remove_outbox_of_message(unsent.id)?;
        }
        forget(cx, *target)?;
    }
    for part in targets.chunks(TARGETS_MAX) {
        let targets = part.iter().map(|target| actions::to_wire(*target)).collect();
        sync::tell(cx, pb::sync::Of::Forget(pb::Forget { targets }))?;
    }
    cx.reply(command, Ok(Reply::Done));
    Ok(())
}

pub(crate) fn on_forget(cx: &mut Cx<'_, '_>, said: &pb::Forget) -> Result<(), StoreError> {
    said.targets.iter().take(TARGETS_MAX).filter_map(actions::target_of).try_for_each(|target| forget(cx, target))
}

pub(crate) fn clamp(seconds: u32) -> u32 {
    seconds.min(TIMER_MAX_S)
}

/// A message that disappears is here: its time runs if it was read already, or was written by this person.
pub(crate) fn begin(cx: &mut Cx<'_, '_>, message: &StoredMessage) -> Result<(), StoreError> {
    let (Some(own), true) = (cx.own(), message.expires_after_s > 0) else { return Ok(()) };
    let after = Duration::from_secs(message.expires_after_s.into());
    let Some(id) = message.message_id else { return Ok(()) };
    if message.author == own.account() {
        return cx.tx.set_expires(message.id, Timestamp::from_ms(id.time_ms()).plus(after));
    }
    let is_read = message.late_id.unwrap_or(id) <= cx.tx.read_up_to(message.conversation)?;
    if is_read { cx.tx.set_expires(message.id, cx.now.plus(after)) } else { Ok(()) }
}

/// This person has read up to here, on any device.
pub(crate) fn on_read(cx: &mut Cx<'_, '_>, conversation: Conversation, up_to: MessageId) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    for id in cx.tx.start_timers(own.account(), conversation, up_to, cx.now)? {
        cx.message_changed(id)?;
    }
    Ok(())
}

/// What has to be gone by now.
pub(crate) fn drive(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    loop {
        let due = cx.tx.expired(cx.now, AT_ONCE)?;
        if due.is_empty() {
            return Ok(());
        }
        for id in due {
            if let Some(message) = cx.tx.message(id)? {
                forget(cx, actions::target(&message))?;
            }
        }
    }
}

pub(crate) fn next_time(cx: &Cx<'_, '_>) -> Result<Option<Timestamp>, StoreError> {
    cx.tx.next_expiry()
}

/// Seconds after which what is said in a conversation now disappears.
pub(crate) fn timer_of(cx: &Cx<'_, '_>, conversation: Conversation) -> Result<u32, StoreError> {
    let line = cx.tx.newest_timer(conversation)?;
    Ok(line.as_ref().and_then(crate::views::timer).unwrap_or(0))
}

/// Who changed it may do so there.
pub(crate) fn may_set_timer(
    cx: &mut Cx<'_, '_>,
    conversation: Conversation,
    who: AccountId,
) -> Result<bool, StoreError> {
    match conversation {
        Conversation::Peer(_) => Ok(true),
        Conversation::Group(group) => crate::groups::may_change_details(cx, group, who),
    }
}

/// 0, or 30 s to a year.
pub(crate) fn is_timer(seconds: u32) -> bool {
    seconds == 0 || (30..=TIMER_MAX_S).contains(&seconds)
}
