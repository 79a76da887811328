//! What a message's state looks like, in the command line and in the app.

use sotto_engine::api::{MessageBody, MessageStatus};

pub fn tick(status: MessageStatus) -> &'static str {
    match status {
        MessageStatus::Received => "",
        MessageStatus::Pending => "○",
        MessageStatus::Sent => "✓",
        MessageStatus::Delivered => "✓✓",
        // In words: a colour alone would be lost in a pipe, without colours, and on people who do not see it.
        MessageStatus::Read => "✓✓ read",
        MessageStatus::Held | MessageStatus::Failed => "⚠",
        MessageStatus::Waiting => "…",
    }
}

/// For bodies that are no text: the line shown in their place.
pub fn stand_in(body: &MessageBody) -> Option<&'static str> {
    match body {
        MessageBody::Text { .. } => None,
        MessageBody::Undecryptable => Some("Waiting for this message. The sender was asked to send it again."),
        MessageBody::KeyChanged { .. } => Some("The safety number changed: compare it again to be sure who this is."),
        MessageBody::Unsupported => Some("This message needs a newer sotto."),
        MessageBody::ProfileRestored => Some("This profile was restored from an old copy and is repairing itself."),
    }
}
