//! Mentions: parts of a text that name members.
//! Always true: what is stored with a message is in order, within its text, and was for its author to say.

use super::known;
use crate::api::Mention;
use crate::core::Cx;
use crate::inbox;
use sotto_crypto::group::{GroupState, Role};
use sotto_engine_store::StoreError;
use sotto_types::{AccountId, Conversation};
use sotto_wire::pb;

const MENTIONS_MAX: usize = 64;
/// In larger groups only admins name everybody.
const ALL_FOR_EVERYBODY: usize = 32;

fn may_name_all(state: &GroupState, account: AccountId) -> bool {
    state.members().len() <= ALL_FOR_EVERYBODY || state.member(account).is_some_and(|member| member.role >= Role::Admin)
}

/// Those of a text to be sent; why they cannot be.
pub(crate) fn to_wire(
    cx: &mut Cx<'_, '_>,
    to: Conversation,
    body: &str,
    mentions: &[Mention],
) -> Result<Result<Vec<pb::Mention>, &'static str>, StoreError> {
    if mentions.is_empty() {
        return Ok(Ok(Vec::new()));
    }
    let state = match to.group() {
        Some(group) => known(cx, group)?.map(|(_, state)| state),
        None => None,
    };
    let (Some(own), Some(state)) = (cx.own(), state) else { return Ok(Err("people are mentioned in groups only")) };
    if mentions.len() > MENTIONS_MAX {
        return Ok(Err("a message mentions at most 64 times"));
    }
    let wire: Vec<pb::Mention> = mentions
        .iter()
        .map(|mention| pb::Mention {
            start: mention.start,
            length: mention.length,
            account: mention.account.map(inbox::id_bytes).unwrap_or_default(),
        })
        .collect();
    if in_order(body, &wire).count() != wire.len() {
        return Ok(Err("mentions lie within the text, in order and apart from each other"));
    }
    for mention in mentions {
        match mention.account {
            Some(account) if state.member(account).is_none() => return Ok(Err("only members can be mentioned")),
            None if !may_name_all(&state, own.account()) => {
                return Ok(Err("in a group of more than 32 members only admins can mention everybody"));
            }
            _ => {}
        }
    }
    Ok(Ok(wire))
}

/// Those that lie within the text, ascending and apart from each other.
fn in_order<'a>(body: &str, mentions: &'a [pb::Mention]) -> impl Iterator<Item = &'a pb::Mention> {
    let length = u32::try_from(body.encode_utf16().count()).unwrap_or(u32::MAX);
    let mut free = 0;
    mentions.iter().filter(move |mention| {
        let end = mention.start.saturating_add(mention.length);
        let fits = mention.length > 0 && mention.start >= free && end <= length;
        if fits {
            free = end;
        }
        fits
    })
}

/// Takes out of a received text what was not for its author to say. Returns whether the rest names this account.
pub(crate) fn keep_allowed(
    cx: &mut Cx<'_, '_>,
    conversation: Conversation,
    author: AccountId,
    text: &mut pb::Text,
) -> Result<bool, StoreError> {
    if text.mentions.is_empty() {
        return Ok(false);
    }
    let known = match conversation.group() {
        Some(group) => known(cx, group)?,
        None => None,
    };
    let Some((_, state)) = known else {
        text.mentions.clear();
        return Ok(false);
    };
    let all = may_name_all(&state, author);
    let names_somebody = |mention: &pb::Mention| AccountId::try_from(&mention.account[..]).is_ok();
    let allowed = in_order(&text.body, &text.mentions)
        .filter(|mention| names_somebody(mention) || (all && mention.account.is_empty()))
        .take(MENTIONS_MAX)
        .cloned()
        .collect();
    text.mentions = allowed;
    let own = cx.own().map(|own| own.account()).filter(|own| *own != author);
    Ok(own.is_some_and(|own| of_text(text).iter().any(|mention| mention.account.is_none_or(|named| named == own))))
}

/// As people and programs see them.
pub(crate) fn of_text(text: &pb::Text) -> Vec<Mention> {
    let mention = |mention: &pb::Mention| Mention {
        start: mention.start,
        length: mention.length,
        account: AccountId::try_from(&mention.account[..]).ok(),
    };
    text.mentions.iter().map(mention).collect()
}
