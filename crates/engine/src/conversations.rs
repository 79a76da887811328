//! Conversations as a person arranges them (pins, archive, mute, drafts), and pages of their history.
//! Always true: what is arranged holds on all own devices (`kept`); who writes to an archived conversation brings it back, unless it is muted.

use crate::api::{CommandId, ConversationChanges, ErrorKind, Event, HistoryPlace, Reply};
use crate::core::Cx;
use crate::{commands, inbox, kept, requests, views};
use sotto_engine_store::{ConversationRow, StoreError, StoredMessage};
use sotto_types::{Conversation, limits};

/// Room for a pasted text that is to be shortened before it is sent.
const DRAFT_BYTES: usize = 4 * limits::TEXT_BYTES;

pub(crate) fn all(cx: &mut Cx<'_, '_>, id: CommandId) -> Result<(), StoreError> {
    let rows = cx.tx.conversations()?;
    let conversations = rows.into_iter().map(|row| views::conversation(cx, row)).collect::<Result<_, _>>()?;
    cx.reply(id, Ok(Reply::Conversations { conversations }));
    Ok(())
}

pub(crate) fn show(cx: &mut Cx<'_, '_>, id: CommandId, conversation: Conversation) -> Result<(), StoreError> {
    let row = cx.tx.conversation(conversation)?.unwrap_or_else(|| ConversationRow::new(conversation));
    let conversation = Box::new(views::conversation(cx, row)?);
    cx.reply(id, Ok(Reply::Conversation { conversation }));
    Ok(())
}

pub(crate) fn set(
    cx: &mut Cx<'_, '_>,
    id: CommandId,
    conversation: Conversation,
    changes: &ConversationChanges,
) -> Result<(), StoreError> {
    let unknown = match conversation {
        Conversation::Peer(peer) => {
            let is_me = cx.own().is_some_and(|own| own.account() == peer);
            let known = is_me || cx.tx.contact(peer)?.is_some();
            (!known).then_some("this profile does not know the account: find the person by name first")
        }
        Conversation::Group(group) => (!cx.tx.has_group(group)?).then_some(commands::NO_GROUP),
    };
    if let Some(why) = unknown {
        cx.fail(id, ErrorKind::NotFound, why);
        return Ok(());
    }
    if changes.draft.as_ref().is_some_and(|draft| draft.len() > DRAFT_BYTES) {
        cx.fail(id, ErrorKind::Invalid, "a draft has at most 128 KiB of text");
        return Ok(());
    }
    let too_long =
        |text: &Option<String>, chars: usize| text.as_ref().is_some_and(|text| text.trim().chars().count() > chars);
    if too_long(&changes.folder, 32) || too_long(&changes.nickname, 64) {
        cx.fail(id, ErrorKind::Invalid, "a folder's name has at most 32 characters, a contact's at most 64");
        return Ok(());
    }
    let (now, pinned_at) = (cx.now, cx.tx.pin_time(cx.now)?);
    cx.tx.start_conversation(conversation, now)?;
    if let Some(peer) = conversation.peer() {
        inbox::list_contact(cx, peer)?;
    }
    let was_pinned = cx.tx.conversation(conversation)?.is_some_and(|row| row.pinned);
    let mut set = |name: &str, value: Option<Vec<u8>>| match value {
        Some(value) => kept::set(cx, &kept::of_conversation(conversation), name, &value),
        None => Ok(()),
    };
    // One that is pinned already stays where it is.
    let pinned = changes.pinned.filter(|pinned| *pinned != was_pinned);
    set(kept::PINNED, pinned.map(|pinned| if pinned { kept::number(pinned_at.as_ms()) } else { Vec::new() }))?;
    set(kept::ARCHIVED, changes.archived.map(|archived| kept::number(archived.into())))?;
    set(kept::MUTED, changes.muted_until_ms.map(kept::number))?;
    set(kept::UNREAD, changes.marked_unread.map(|marked| kept::number(marked.into())))?;
    set(kept::DRAFT, changes.draft.as_ref().map(|draft| draft.clone().into_bytes()))?;
    set(kept::FOLDER, changes.folder.as_ref().map(|folder| folder.trim().as_bytes().to_vec()))?;
    set(kept::NICKNAME, changes.nickname.as_ref().map(|name| name.trim().as_bytes().to_vec()))?;
    cx.event(Event::ConversationChanged { conversation });
    show(cx, id, conversation)
}

/// Somebody else's message was stored.
pub(crate) fn on_incoming(cx: &mut Cx<'_, '_>, conversation: Conversation) -> Result<(), StoreError> {
    if let (Some(peer), true) = (conversation.peer(), cx.core.config.accept_requests || cx.core.link.everybody_accepted)
    {
        requests::accept(cx, peer)?;
    }
    if cx.tx.bring_back(conversation, cx.now)? {
        kept::set(cx, &kept::of_conversation(conversation), kept::ARCHIVED, &[])?;
        cx.event(Event::ConversationChanged { conversation });
    }
    Ok(())
}

/// Messages of a page, ascending, and whether there are older and newer ones.
struct Page {
    messages: Vec<StoredMessage>,
    more: bool,
    newer: bool,
}

pub(crate) fn history(
    cx: &mut Cx<'_, '_>,
    id: CommandId,
    conversation: Conversation,
    at: HistoryPlace,
    limit: u32,
) -> Result<(), StoreError> {
    let page = match at {
        HistoryPlace::Newest => {
            let (messages, more) = older(cx, conversation, None, limit)?;
            Page { messages, more, newer: false }
        }
        HistoryPlace::Before(position) => {
            let (messages, more) = older(cx, conversation, Some(position), limit)?;
            Page { messages, more, newer: cx.tx.is_any_from(conversation, position)? }
        }
        HistoryPlace::After(position) => {
            let from = position.saturating_add(1);
            let (messages, newer) = newer(cx, conversation, from, limit)?;
            Page { messages, more: cx.tx.is_any_before(conversation, from)?, newer }
        }
        HistoryPlace::Around(position) => {
            let (mut messages, more) = older(cx, conversation, Some(position), limit / 2)?;
            let rest = limit.saturating_sub(u32::try_from(messages.len()).unwrap_or(u32::MAX));
            let (after, newer) = newer(cx, conversation, position, rest)?;
            messages.extend(after);
            Page { messages, more, newer }
        }
    };
    let messages = page.messages.iter().map(|message| cx.message_view(message)).collect::<Result<_, _>>()?;
    cx.reply(id, Ok(Reply::Messages { messages, more: page.more, newer: page.newer }));
    Ok(())
}

/// The `limit` ones before a position, and whether there are more before them.
fn older(
    cx: &Cx<'_, '_>,
    conversation: Conversation,
    before: Option<u64>,
    limit: u32,
) -> Result<(Vec<StoredMessage>, bool), StoreError> {
    let mut page = cx.tx.history(conversation, before, limit.saturating_add(1))?;
    let more = page.len() > limit as usize;
    if more {
        page.remove(0);
    }
    Ok((page, more))
}

/// The `limit` ones from a position on, and whether there are more after them.
fn newer(
    cx: &Cx<'_, '_>,
    conversation: Conversation,
    from: u64,
    limit: u32,
) -> Result<(Vec<StoredMessage>, bool), StoreError> {
    let mut page = cx.tx.history_from(conversation, from, limit.saturating_add(1))?;
    let newer = page.len() > limit as usize;
    page.truncate(limit as usize);
    Ok((page, newer))
}
