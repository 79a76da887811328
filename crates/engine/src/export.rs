//! Export in an open format: JSON lines, each an object with `type`.
//!
//! | type | fields |
//! | --- | --- |
//! | `sotto_export` | `version` (1), `exported_ms`, `me` (account, username, device, server, identity_key); the first line |
//! | `contact` | as `ContactView`: account, username, display_name, verified, blocked, identity_key, ... |
//! | `message` | as `MessageView`: name, message_id, conversation, from, from_me, body, status, times in ms, note |
//!
//! Contacts come before messages; messages come in the order this device learned them; `position` orders a conversation. A
//! reader ignores types and fields it does not know. No keys of the account are exported.

use crate::api::{CommandId, ErrorKind, Me, Reply};
use crate::core::Cx;
use crate::views;
use serde::Serialize;
use sotto_engine_store::StoreError;

const PAGE: u32 = 500;

#[derive(Serialize)]
struct Head {
    version: u32,
    exported_ms: u64,
    me: Me,
}

/// `value` has at least one field.
fn line(kind: &str, value: &impl Serialize) -> String {
    let object = serde_json::to_string(value).expect("plain data has a JSON form");
    format!("{{\"type\":\"{kind}\",{}", &object[1..])
}

/// `next` is the row of the last exported message.
pub(crate) fn page(cx: &mut Cx<'_, '_>, id: CommandId, next: Option<String>) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    let after = match next.as_deref().map(str::parse::<i64>) {
        None => 0,
        Some(Ok(after)) => after,
        Some(Err(_)) => {
            cx.fail(id, ErrorKind::Invalid, "`next` is not from an earlier page");
            return Ok(());
        }
    };
    let mut lines = Vec::new();
    if next.is_none() {
        let head = Head { version: 1, exported_ms: cx.now.as_ms(), me: own.to_view() };
        lines.push(line("sotto_export", &head));
        let contacts = cx.tx.contacts()?;
        lines.extend(contacts.iter().filter(|c| c.listed).map(|c| line("contact", &views::contact_row(c))));
    }
    let messages = cx.tx.messages_after_row(after, PAGE)?;
    let next = (messages.len() == PAGE as usize).then(|| messages.last().map(|last| last.id.to_string())).flatten();
    for message in &messages {
        lines.push(line("message", &cx.message_view(message)?));
    }
    cx.reply(id, Ok(Reply::ExportPage { lines, next }));
    Ok(())
}
