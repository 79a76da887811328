//! Ids, time and secrets: the words every other crate shares. A leaf: it knows nothing of the wire, of stores or of
//! cryptography. Ids are newtypes so that two integers cannot swap; parsing happens once, at the edge.

mod address;
mod error;
mod id;
mod secret;
mod time;
mod username;

pub use address::{ClientIp, Network, NetworkError};
pub use error::{Action, ErrorCode};
pub use id::{
    AccountId, ClientMsgId, Conversation, DeviceAddress, DeviceId, EntryId, GroupId, IdError, MessageId, ProfileKeyId,
    SendId,
};
pub use secret::Secret;
pub use time::{Clock, ManualClock, SystemClock, Timestamp};
pub use username::{Username, UsernameError};

/// Limits and defaults of the protocol (docs/protocol.md "Limits").
pub mod limits {
    use std::time::Duration;

    pub const DEVICES_PER_ACCOUNT: usize = 10;
    pub const CIPHERTEXT_BYTES: usize = 64 * 1024;
    pub const FRAME_BYTES: usize = 4 * 1024 * 1024;
    pub const TEXT_BYTES: usize = 32 * 1024;
    pub const GROUP_MEMBERS: usize = 1024;
    pub const PAIRWISE_MEMBERS: usize = 128;
    /// A group's list of operations: one of them, and the encrypted details beside it.
    pub const GROUP_OPERATION_BYTES: usize = 128 * 1024;
    pub const GROUP_DETAILS_BYTES: usize = 64 * 1024;
    pub const GROUP_PICTURE_BYTES: usize = 48 * 1024;
    /// Invites open at once, and requests to join waiting at once.
    pub const GROUP_INVITES: usize = 16;
    pub const GROUP_REQUESTS: usize = 64;
    /// Groups of one account.
    pub const GROUPS_PER_ACCOUNT: usize = 1024;
    /// Ended stays of an account in one group that a device of it has not read to the end.
    pub const UNREAD_STAYS: usize = 64;
    /// Operations given back to a restored server at once.
    pub const RESTORED_OPERATIONS: usize = 64;
    pub const CONTACTS: usize = 10_000;
    /// Accounts that one privacy setting makes an exception of.
    pub const PRIVACY_EXCEPTIONS: usize = 256;
    /// An encrypted profile.
    pub const PROFILE_BYTES: usize = 66 * 1024;
    /// A report: characters of the comment, messages, bytes of each.
    pub const REPORT_COMMENT_CHARS: usize = 2_000;
    pub const REPORT_MESSAGES: usize = 20;
    pub const REPORT_TEXT_BYTES: usize = 4 * 1024;
    /// Members whose devices one `SendKeys` reaches.
    pub const KEYS_ACCOUNTS: usize = 256;
    /// Groups named in one `GroupAck`.
    pub const ACK_GROUPS: usize = 1024;
    pub const ACK_ENTRIES: usize = 1024;
    /// Accounts named in one `SubscribePresence`, and those that one connection is subscribed to.
    pub const PRESENCE_ACCOUNTS: usize = 256;
    pub const PRESENCE_SUBSCRIPTIONS: usize = 512;
    pub const RECEIPT_STEPS: usize = 16;
    pub const UNDELIVERED_RETENTION: Duration = Duration::from_secs(30 * 86_400);
    pub const DEDUP_RETENTION: Duration = Duration::from_secs(7 * 86_400);
    pub const ABSENT_DEVICE: Duration = Duration::from_secs(30 * 86_400);
    pub const ACCESS_TOKEN: Duration = Duration::from_secs(15 * 60);
    pub const CHALLENGE: Duration = Duration::from_secs(60);
    pub const LINK: Duration = Duration::from_secs(10 * 60);
    pub const HEARTBEAT: Duration = Duration::from_secs(30);
    pub const OFFLINE_AFTER: Duration = Duration::from_secs(60);
    pub const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
    pub const WINDOW_ENTRIES: usize = 256;
    pub const WINDOW_BYTES: usize = 1024 * 1024;
    pub const ONE_TIME_PREKEYS: usize = 100;
    pub const ONE_TIME_PREKEYS_LOW: usize = 20;
    /// How far ahead of the server's clock a message id may be pushed by a client's `seen`.
    pub const SEEN_AHEAD: Duration = Duration::from_secs(60);
}
