//! Search: local, over what this device has.

use crate::api::{CommandId, Reply, SearchHit};
use crate::core::Cx;
use crate::views;
use sotto_engine_store::StoreError;
use sotto_types::Conversation;

pub(crate) fn run(
    cx: &mut Cx<'_, '_>,
    id: CommandId,
    query: &str,
    conversation: Option<Conversation>,
    limit: u32,
) -> Result<(), StoreError> {
    let mut hits = Vec::new();
    for hit in cx.tx.search(query, conversation, limit)? {
        let conversation = hit.message.conversation;
        let contact = views::peer(cx, conversation)?;
        let title = views::title_of(cx, conversation, contact.as_ref())?;
        hits.push(SearchHit { message: cx.message_view(&hit.message)?, contact, title, snippet: hit.snippet });
    }
    cx.reply(id, Ok(Reply::Found { hits }));
    Ok(())
}
