//! The TypeScript declarations of the engine's API are those in the package `@sotto/engine`.
//! After a change of the API: `SOTTO_UPDATE_DOCS=1 cargo test --workspace typescript`.
#![cfg(not(target_arch = "wasm32"))]

use sotto_engine::api;
use sotto_types::{AccountId, ClientMsgId, Conversation, DeviceId, GroupId, MessageId, Username};
use std::path::Path;
use ts_rs::{Config, TS};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/engine/src/api.ts");
const HEAD: &str = "// Made from crates/engine/src/api.rs by crates/engine-wasm/tests/typescript.rs; edit that file instead.\n\
    // Times are milliseconds since the Unix epoch. What does not fit into a double is a string of decimal digits.\n\n\
    export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };\n";

fn declarations() -> String {
    // Times fit into a double; what does not is a string already.
    let config = Config::new().with_large_int("number");
    let mut text = String::from(HEAD);
    macro_rules! declare {
        ($($type:ty),* $(,)?) => {$(
            text.push('\n');
            if let Some(docs) = <$type as TS>::docs() {
                text.push_str(docs.trim_end());
                text.push('\n');
            }
            text.push_str("export ");
            text.push_str(&<$type as TS>::decl(&config));
            text.push('\n');
        )*};
    }
    declare!(
        AccountId,
        GroupId,
        Conversation,
        DeviceId,
        ClientMsgId,
        MessageId,
        Username,
        api::Who,
        api::Command,
        api::Reply,
        api::CommandError,
        api::ErrorKind,
        api::Me,
        api::MessageStatus,
        api::MessageBody,
        api::MessageView,
        api::MessageDetails,
        api::MessageExtras,
        api::MessageRef,
        api::MessageVersion,
        api::NewContent,
        api::LinkPreview,
        api::QuoteView,
        api::ReactionView,
        api::PollOptionView,
        api::ContactCardView,
        api::Preferences,
        api::ReportReason,
        api::Audience,
        api::PrivacyRule,
        api::Privacy,
        api::PrivacyChanges,
        api::ProfileView,
        api::ProfileChanges,
        api::PictureView,
        api::PresenceView,
        api::TypingState,
        api::PreferenceChanges,
        api::MessageTimes,
        api::CopyDetails,
        api::ContactView,
        api::GroupRole,
        api::GroupPermission,
        api::GroupFanout,
        api::GroupMemberView,
        api::GroupInviteView,
        api::GroupView,
        api::GroupSummary,
        api::GroupInvitation,
        api::GroupStanding,
        api::PersonView,
        api::MemberReceipt,
        api::Mention,
        api::NewGroup,
        api::GroupChange,
        api::GroupChangeView,
        api::ConversationView,
        api::ConversationChanges,
        api::HistoryPlace,
        api::SearchHit,
        api::DeviceView,
        api::ConnectionView,
        api::StatusView,
        api::Event,
    );
    text
}

#[test]
fn declarations_are_current() {
    let made = declarations();
    if std::env::var_os("SOTTO_UPDATE_DOCS").is_some() {
        std::fs::write(Path::new(FILE), &made).expect("the package is writable");
    }
    let kept = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(kept == made, "run SOTTO_UPDATE_DOCS=1 cargo test --workspace typescript");
}
