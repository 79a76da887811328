//! What a message's state looks like, in the command line and in the app.

use sotto_engine::api::{GroupChangeView, GroupRole, MessageBody, MessageStatus};

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

/// What a member changed, as a line that begins with their name.
const fn group_change(change: &GroupChangeView) -> &'static str {
    match change {
        GroupChangeView::Created { .. } => "made this group",
        GroupChangeView::Added { .. } => "added members",
        GroupChangeView::Removed { .. } => "removed members",
        GroupChangeView::Left => "left the group",
        GroupChangeView::RoleSet { role: GroupRole::Owner, .. } => "handed the group over",
        GroupChangeView::RoleSet { role: GroupRole::Admin, .. } => "made a member an admin",
        GroupChangeView::RoleSet { role: GroupRole::Member, .. } => "made an admin a member",
        GroupChangeView::DetailsSet => "changed title, description or picture",
        GroupChangeView::PermissionsSet => "changed who may do what",
        GroupChangeView::InviteOpened => "opened an invite link",
        GroupChangeView::InviteClosed => "closed an invite link",
        GroupChangeView::Joined => "came by an invite link",
        GroupChangeView::Declined { .. } => "declined who asked to join",
        GroupChangeView::Succeeded => "took over from an owner whose account is gone",
        GroupChangeView::Deleted => "deleted the group",
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
        MessageBody::GroupChange { change } => Some(group_change(change)),
    }
}
