//! Search: local, over what this device has.

use crate::api::{CommandId, Reply, SearchHit};
use crate::core::Cx;
use crate::views;
use sotto_engine_store::StoreError;
use sotto_types::AccountId;

pub(crate) fn run(
    cx: &mut Cx<'_, '_>,
    id: CommandId,
    query: &str,
    conversation: Option<AccountId>,
    limit: u32,
) -> Result<(), StoreError> {
    let mut hits = Vec::new();
    for hit in cx.tx.search(query, conversation, limit)? {
        let contact = views::contact(cx, hit.message.conversation)?;
        hits.push(SearchHit { message: cx.message_view(&hit.message)?, contact, snippet: hit.snippet });
    }
    cx.reply(id, Ok(Reply::Found { hits }));
    Ok(())
}
