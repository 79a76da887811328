//! What a message can be and what can be done with it.

use super::{MessageView, PersonView};
use serde::{Deserialize, Serialize};
use sotto_types::{AccountId, ClientMsgId, Username};

/// Names a message: `from` and `name` of its view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct MessageRef {
    pub from: AccountId,
    pub name: ClientMsgId,
}

/// What can be said beside a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum NewContent {
    /// 2 to 12 options, no two alike.
    Poll { question: String, options: Vec<String>, multiple: bool },
    /// Degrees.
    Location { latitude: f64, longitude: f64, label: String },
    /// Somebody known to this profile.
    Contact { account: AccountId },
}

/// What the sender's client saw behind a link of the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct LinkPreview {
    /// Stands in the text.
    pub url: String,
    pub title: String,
    pub description: String,
}

/// The message that another one answers, as it is now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct QuoteView {
    pub message: MessageRef,
    pub author: PersonView,
    /// The beginning of what it says; none: it is not here (any more).
    pub text: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ReactionView {
    pub emoji: String,
    /// Who reacted so, in their order.
    pub people: Vec<PersonView>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct PollOptionView {
    pub text: String,
    pub voters: Vec<PersonView>,
}

/// An earlier text of an edited message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct MessageVersion {
    pub body: String,
    /// The clock of who wrote it.
    pub written_ms: u64,
}

/// Somebody's account, as the sender knows them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ContactCardView {
    pub account: AccountId,
    pub username: Option<Username>,
    pub name: String,
}

/// What people did with a message, and what becomes of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct MessageExtras {
    pub quote: Option<QuoteView>,
    pub forwarded: bool,
    pub preview: Option<LinkPreview>,
    /// When its text was changed last, by its author's clock.
    pub edited_ms: Option<u64>,
    /// The most frequent first.
    pub reactions: Vec<ReactionView>,
    pub starred: bool,
    /// None: not pinned.
    pub pinned_until_ms: Option<u64>,
    /// Disappears so long after it was read; 0: stays.
    pub expires_after_s: u32,
    /// Known once it was read.
    pub expires_ms: Option<u64>,
    /// The own text can still be changed, or deleted for everyone, until then; 0: not.
    pub editable_until_ms: u64,
    pub deletable_until_ms: u64,
}

/// What holds on all devices of the account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Preferences {
    /// In conversations with people that begin from now on, what is sent disappears so many seconds after it was read; 0: stays.
    pub default_timer_s: u32,
    /// Whether the clients may look behind links of texts one writes, to send what they see there along.
    pub link_previews: bool,
}

/// Only what is named is changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
#[serde(default)]
pub struct PreferenceChanges {
    pub default_timer_s: Option<u32>,
    pub link_previews: Option<bool>,
}

impl MessageView {
    /// Names it in commands.
    pub fn reference(&self) -> MessageRef {
        MessageRef { from: self.from, name: self.name }
    }
}
