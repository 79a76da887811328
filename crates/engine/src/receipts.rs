//! Receipts: ticks on own messages, and the own read position.
//! Always true: a step ticks every message up to its id that had no tick, with the step's time; a failed message stays failed;
//! steps and failures are remembered, because a receipt may be faster than the acceptance of the message it is about.

use crate::api::{CommandId, ErrorKind, Event, Reply};
use crate::core::Cx;
use crate::{forget, groups, kept, outbox};
use sotto_engine_store::{PENDING_PLACE, StepKind, StoreError};
use sotto_types::{AccountId, Conversation, MessageId, Timestamp};
use sotto_wire::pb;

/// Ids of messages that failed before they were known here, the newest last.
const EARLY_FAILURES: &str = "failed.early";
const EARLY_MAX: usize = 64;
const UNDELIVERED: &str = "not delivered: nobody was there to take it for 30 days";

fn peer(conversation: Option<&pb::Conversation>) -> Option<AccountId> {
    match conversation?.of.as_ref()? {
        pb::conversation::Of::Peer(account) => AccountId::try_from(&account[..]).ok(),
        pb::conversation::Of::Group(_) => None,
    }
}

pub(crate) fn on_receipt(cx: &mut Cx<'_, '_>, receipt: &pb::Receipt) -> Result<(), StoreError> {
    let Some(peer) = peer(receipt.conversation.as_ref()) else { return Ok(()) };
    let (Ok(member), Some(own)) = (AccountId::try_from(&receipt.member[..]), cx.own()) else { return Ok(()) };
    let conversation = Conversation::from(peer);
    if member == own.account() {
        let up_to = receipt.read.iter().map(|step| step.message_id).filter(|id| *id < PENDING_PLACE).max();
        if let Some(up_to) = up_to {
            let up_to = MessageId::new(up_to);
            cx.tx.mark_read_told(conversation, up_to)?;
            if cx.tx.raise_read(conversation, up_to)? {
                forget::on_read(cx, conversation, up_to)?;
                cx.event(Event::ConversationChanged { conversation });
            }
        }
        return Ok(());
    }
    if member != peer {
        return Ok(());
    }
    for (kind, steps) in [(StepKind::Delivered, &receipt.delivered), (StepKind::Read, &receipt.read)] {
        for step in steps.iter().filter(|step| step.message_id < PENDING_PLACE) {
            let (up_to, at) = (MessageId::new(step.message_id), Timestamp::from_ms(step.at_ms));
            cx.tx.put_step(conversation, kind, up_to, at)?;
            for id in cx.tx.tick(own.account(), conversation, kind, up_to, at)? {
                cx.message_changed(id)?;
            }
        }
    }
    Ok(())
}

/// Ticks that were known before the message itself (a sibling's, whose copy came late).
pub(crate) fn catch_up(
    cx: &mut Cx<'_, '_>,
    own: AccountId,
    id: i64,
    conversation: Conversation,
    message_id: MessageId,
) -> Result<(), StoreError> {
    if conversation.peer() == Some(own) {
        return Ok(());
    }
    let delivered = cx.tx.step_at(conversation, StepKind::Delivered, message_id)?;
    let read = cx.tx.step_at(conversation, StepKind::Read, message_id)?;
    cx.tx.merge_ticks(id, delivered.or(read), read)?;
    catch_up_failure(cx, id, message_id)
}

pub(crate) fn catch_up_failure(cx: &mut Cx<'_, '_>, id: i64, message_id: MessageId) -> Result<(), StoreError> {
    let mut early = early_failures(cx)?;
    if let Some(place) = early.iter().position(|failed| *failed == message_id.get()) {
        early.remove(place);
        cx.tx.put_setting_json(EARLY_FAILURES, &early)?;
        cx.tx.set_failed(id, true, Some(UNDELIVERED))?;
    }
    Ok(())
}

pub(crate) fn on_send_failed(cx: &mut Cx<'_, '_>, failed: &pb::SendFailed) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    match cx.tx.message_with_id(own.account(), MessageId::new(failed.message_id))? {
        Some(message) => {
            cx.tx.set_failed(message.id, true, Some(UNDELIVERED))?;
            cx.message_changed(message.id)
        }
        // A message to somebody whose devices were all away too long fails at once: faster, perhaps, than it is accepted.
        None => {
            let mut early = early_failures(cx)?;
            early.push(failed.message_id);
            let over = early.len().saturating_sub(EARLY_MAX);
            early.drain(..over);
            cx.tx.put_setting_json(EARLY_FAILURES, &early)
        }
    }
}

fn early_failures(cx: &Cx<'_, '_>) -> Result<Vec<u64>, StoreError> {
    Ok(cx.tx.setting_json(EARLY_FAILURES)?.unwrap_or_default())
}

pub(crate) fn mark_read(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    conversation: Conversation,
    up_to: Option<MessageId>,
) -> Result<(), StoreError> {
    let Some(own) = cx.own() else {
        cx.fail(command, ErrorKind::WrongState, "this profile has no account yet");
        return Ok(());
    };
    let up_to = cx.tx.newest_received(own.account(), conversation, up_to, false)?;
    let was_marked = cx.tx.conversation(conversation)?.is_some_and(|row| row.marked_unread);
    if was_marked {
        kept::set(cx, &kept::of_conversation(conversation), kept::UNREAD, &[])?;
    }
    let moved = up_to > MessageId::ZERO && cx.tx.raise_read(conversation, up_to)?;
    if moved {
        forget::on_read(cx, conversation, up_to)?;
        outbox::tell_read(cx, conversation, up_to)?;
    }
    if moved || was_marked {
        cx.event(Event::ConversationChanged { conversation });
    }
    if let Some(group) = conversation.group() {
        groups::refresh_marks(cx, group);
    }
    cx.reply(command, Ok(Reply::Done));
    Ok(())
}
