//! What goes into the engine and what comes out. Everything people or programs see (`Command`, `Reply`, `Event` and the
//! views) is serde data: the terminal client prints it as `--json`, attached processes send it over a socket, and the
//! browser gets it as TypeScript. Times are milliseconds since the Unix epoch; ids are strings in JSON.

mod groups;
mod messages;
mod people;

pub use groups::*;
pub use messages::*;
pub use people::*;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sotto_types::{AccountId, ClientMsgId, Conversation, DeviceId, GroupId, MessageId, Secret, Timestamp, Username};

/// Chosen by the host; names the `Reply`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(transparent)]
pub struct CommandId(pub u64);

/// Chosen by the engine; names the answer to an `Effect::Http`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// Everything that can happen to an engine.
#[derive(Debug)]
pub enum Input {
    Command {
        id: CommandId,
        command: Command,
    },
    /// The WebSocket asked for by `Effect::Connect` is open.
    TransportOpened,
    /// It could not be opened, or it is gone.
    TransportClosed {
        reason: String,
    },
    /// One binary WebSocket message.
    Frame(Bytes),
    HttpAnswer {
        request: RequestId,
        outcome: Result<HttpAnswer, HttpFailure>,
    },
    /// The time of the last `Effect::WakeAt` has come.
    Wake,
    /// The person is (not) looking at the app: heartbeat's foreground.
    Foreground(bool),
    /// The host noticed that the network came back: do not wait for the back-off.
    NetworkUp,
}

#[derive(Debug, Clone)]
pub struct HttpAnswer {
    pub status: u16,
    pub body: Vec<u8>,
}

/// No answer at all.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HttpFailure {
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    #[error("the server's certificate is not trusted: {0}")]
    Tls(String),
    #[error("no answer in time")]
    Timeout,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpMethod {
    Get,
    Post,
    Put,
    Delete,
}

/// What the host must do, in this order.
#[derive(Debug)]
pub enum Effect {
    /// Open a WebSocket; any earlier one is to be dropped.
    Connect {
        url: String,
    },
    Disconnect,
    SendFrame(Bytes),
    Http(HttpRequest),
    /// Call back with `Input::Wake` at this time; replaces the earlier wish.
    WakeAt(Timestamp),
    Event(Event),
    Reply {
        command: CommandId,
        result: Result<Reply, CommandError>,
    },
}

#[derive(Debug)]
pub struct HttpRequest {
    pub request: RequestId,
    pub method: HttpMethod,
    /// Absolute: "http://127.0.0.1:8080/v1/accounts".
    pub url: String,
    pub bearer: Option<Secret<String>>,
    /// JSON.
    pub body: Option<Vec<u8>>,
    pub timeout_ms: u64,
}

/// A person, as a command names them: "@ann", or an account id. Messages go to groups, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Who {
    Name(Username),
    Account(AccountId),
    /// Note to self.
    Me,
    Group(GroupId),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Creates an account with this device. Reply: `Registered`.
    Register {
        server: String,
        username: Username,
        invite: Option<String>,
        device_name: String,
    },
    /// Begins to link this (empty) profile. Reply: `LinkText`; then `Event::Linked` or `Event::LinkFailed`. If a crash cut off
    /// an earlier link that had been approved, this completes it. Reply: `Me`.
    StartLink {
        server: String,
        device_name: String,
    },
    /// On an existing device: links the device that shows this text. Reply: `Done`, then `Event::HistorySent` progress.
    ApproveLink {
        link_text: String,
    },
    /// Reply: `Recovered`.
    Recover {
        server: String,
        username: Username,
        code: String,
        device_name: String,
    },
    /// Connect and stay connected (the default after `open`) or stay away.
    SetOnline {
        online: bool,
    },
    WhoAmI,
    /// Looks up a person and starts an (empty) conversation. Reply: `Contact`.
    FindPerson {
        who: Who,
    },
    /// Saved before the reply: `Queued`. `name` makes a retry of the command the same message.
    SendText {
        to: Who,
        body: String,
        #[serde(default)]
        name: Option<ClientMsgId>,
        /// In a group: parts of the text that name members, ascending and apart from each other; at most 64.
        #[serde(default)]
        mentions: Vec<Mention>,
        /// The message of the same conversation that this answers.
        #[serde(default)]
        reply_to: Option<MessageRef>,
        #[serde(default)]
        preview: Option<LinkPreview>,
    },
    /// Says something beside a text, like `SendText`. Reply: `Queued`.
    Send {
        to: Who,
        content: NewContent,
        #[serde(default)]
        name: Option<ClientMsgId>,
    },
    /// One's reaction to a message: one emoji; empty: none any more. Reply: `Queued` with the message
    /// it is about, as of `Edit`, `Vote` and `Pin`.
    React {
        message: MessageRef,
        emoji: String,
    },
    /// Another text for an own message, up to 15 minutes after it. Its earlier texts stay in its details.
    Edit {
        message: MessageRef,
        body: String,
        #[serde(default)]
        mentions: Vec<Mention>,
    },
    /// For everyone: own messages up to 48 hours after them; as a group's admin those of others, too; of those that may not be deleted
    /// so none is. Else from the own devices only. Reply: `Done`.
    Delete {
        messages: Vec<MessageRef>,
        for_everyone: bool,
    },
    /// The same words to others, at most 5 at once and 30 messages, in their order; marked as forwarded. Reply: `Messages`, the new ones.
    Forward {
        messages: Vec<MessageRef>,
        to: Vec<Who>,
    },
    /// For oneself, on all own devices. Reply: `Done`.
    Star {
        messages: Vec<MessageRef>,
        starred: bool,
    },
    /// Reply: `Messages`, those starred last first.
    Starred,
    /// Shown on top of the conversation to everybody in it, for 86,400, 604,800 or 2,592,000 seconds; none: not any more. Of more than
    /// three the newest.
    Pin {
        message: MessageRef,
        seconds: Option<u32>,
    },
    /// Reply: `Messages`, those pinned last first.
    Pinned {
        conversation: Conversation,
    },
    /// In a poll: the options by their place, from 0; none: takes the vote back.
    Vote {
        message: MessageRef,
        options: Vec<u32>,
    },
    /// What is sent in the conversation from now on, by anybody, disappears so many seconds after it was read: 30 s to a year; 0:
    /// stays. Reply: `Conversation`.
    SetTimer {
        conversation: Conversation,
        seconds: u32,
    },
    /// Reply: `Preferences`.
    Preferences,
    /// Reply: `Preferences`, as they are then.
    SetPreferences {
        changes: PreferenceChanges,
    },
    /// Makes a group with these people; the own account owns it. Reply: `Group`.
    CreateGroup {
        group: NewGroup,
    },
    /// Changes a group, by an operation signed on top of the newest one. Reply: `Group`, as it is then.
    ChangeGroup {
        group: GroupId,
        change: GroupChange,
    },
    /// Reply: `Group`.
    Group {
        group: GroupId,
    },
    /// What an invite link leads to. Reply: `GroupInvitation`.
    LookAtInvite {
        link: String,
    },
    /// Joins by an invite link, or asks to. Reply: `GroupInvitation`, as it is then: a member, or waiting.
    JoinGroup {
        link: String,
    },
    /// Try a failed or waiting message again. Reply: `Queued` under its old name (a failed id stays failed; the copy is new).
    RetryMessage {
        name: ClientMsgId,
    },
    /// Remove a message that was not sent, or that failed; from this device only. Reply: `Done`.
    CancelMessage {
        name: ClientMsgId,
    },
    /// The person saw the conversation up to this message, or up to its newest one. What arrived behind it stays unread.
    MarkRead {
        conversation: Conversation,
        #[serde(default)]
        up_to: Option<MessageId>,
    },
    /// Reply: `Conversations`: pinned ones first, then newest first; archived ones too.
    Conversations,
    /// Reply: `Conversation`; one that has no message yet is empty.
    Conversation {
        conversation: Conversation,
    },
    /// Changes what the person arranged about a conversation; what is not named stays. It is listed from then on. All devices of
    /// the account come to know it. Reply: `Conversation`.
    SetConversation {
        conversation: Conversation,
        changes: ConversationChanges,
    },
    /// Reply: `Messages`, ascending: the `limit` ones before a position (none: the newest), after one, or around one (half of
    /// them before it, it and the rest after).
    History {
        conversation: Conversation,
        #[serde(default)]
        at: HistoryPlace,
        limit: u32,
    },
    /// Reply: `Message`.
    Message {
        name: ClientMsgId,
    },
    /// Full text search, newest first; all words must match, the last one as a prefix. Reply: `Found`.
    Search {
        query: String,
        conversation: Option<Conversation>,
        limit: u32,
    },
    /// Reply: `Contact`.
    Contact {
        who: Who,
    },
    Contacts,
    /// Reply: `SafetyNumber`.
    SafetyNumber {
        who: Who,
    },
    /// Sets or clears the verified mark; setting it also accepts a changed key, and needs the number that was compared: if
    /// the number is another one by now, it fails with `KeyChanged`. Reply: `Contact`.
    SetVerified {
        who: Who,
        verified: bool,
        /// The 60 digits, however spaced.
        #[serde(default)]
        safety_number: Option<String>,
    },
    /// Go on with a contact whose key changed, without verifying; with an account id also: the name that is in dispute is
    /// this account's. `identity_key`: the one that was shown (`ContactView::new_identity_key`); another one fails with
    /// `KeyChanged`. Reply: `Contact`.
    AcceptKey {
        who: Who,
        #[serde(default)]
        identity_key: Option<String>,
    },
    SetBlocked {
        who: Who,
        blocked: bool,
    },
    /// Takes the message request of somebody new; writing to them does, too. Reply: `Contact`.
    AcceptRequest {
        who: Who,
    },
    /// Tells the server's operator of somebody: the reporter's word, which nothing proves, and up to 20 messages of theirs in clear. Who is
    /// reported hears nothing. Reply: `Done`.
    Report {
        who: Who,
        reason: ReportReason,
        #[serde(default)]
        comment: String,
        #[serde(default)]
        messages: Vec<MessageRef>,
    },
    /// From all own devices, with all messages; of a group that was left. Reply: `Done`.
    DeleteConversation {
        conversation: Conversation,
    },
    /// What others may see, as the server keeps it. Reply: `Privacy`.
    Privacy,
    /// Reply: `Privacy`, as it is then.
    SetPrivacy {
        changes: PrivacyChanges,
    },
    /// What contacts see of this person. Reply: `Profile`.
    Profile,
    /// Holds here at once; contacts and the own other devices see it once the server has it. Reply: `Profile`, as it is then.
    SetProfile {
        changes: ProfileChanges,
    },
    /// Somebody's picture, or the own one. Reply: `Picture`.
    Picture {
        account: AccountId,
    },
    /// These people, at most 512, are on the screen, and nobody else: `Event::PresenceChanged` tells of those of them who let
    /// themselves be seen. Of several programs with one profile the last to say so counts. Reply: `Done`.
    WatchPeople {
        people: Vec<AccountId>,
    },
    /// Say it with every key press: it is told when due, and to those alone who may know it. Reply: `Done`.
    SetTyping {
        conversation: Conversation,
        state: TypingState,
    },
    /// Reply: `Devices`.
    Devices,
    /// Reply: `Done`. With `recovery_code`: unlink as stolen (new identity key; all other devices must link again).
    RemoveDevice {
        device: DeviceId,
        recovery_code: Option<String>,
    },
    /// Ask the own devices for history again. Reply: `Done`.
    RequestHistory,
    /// Reply: `RecoveryCode`: a new one; the old one stops working. Without an answer of the server it may be in force
    /// already: the same command again brings the same new code.
    NewRecoveryCode {
        current_code: String,
    },
    DeleteAccount,
    /// Connection, queue sizes, counters. Reply: `Status`.
    Status,
    /// Reply: `ExportPage`; call again with `next` until it is none.
    Export {
        next: Option<String>,
    },
}

impl Command {
    /// Whether carrying the command out twice is the same as once: who does not know whether it was carried out may then
    /// simply give it again.
    pub fn can_repeat(&self) -> bool {
        match self {
            Self::Register { .. }
            | Self::StartLink { .. }
            | Self::ApproveLink { .. }
            | Self::Recover { .. }
            | Self::RemoveDevice { .. }
            | Self::NewRecoveryCode { .. }
            | Self::DeleteAccount
            | Self::CreateGroup { .. }
            | Self::ChangeGroup { .. }
            | Self::Forward { .. }
            | Self::Report { .. }
            | Self::SetProfile { .. }
            | Self::RetryMessage { .. } => false,
            Self::SendText { name, .. } | Self::Send { name, .. } => name.is_some(),
            _ => true,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    Done,
    Registered {
        me: Me,
        recovery_code: String,
    },
    Recovered {
        me: Me,
        other_devices: u32,
    },
    LinkText {
        text: String,
        expires_ms: u64,
    },
    Me {
        me: Me,
    },
    Queued {
        message: MessageView,
    },
    Contact {
        contact: ContactView,
    },
    Contacts {
        contacts: Vec<ContactView>,
    },
    Group {
        group: Box<GroupView>,
    },
    GroupInvitation {
        invitation: Box<GroupInvitation>,
    },
    Conversations {
        conversations: Vec<ConversationView>,
    },
    Conversation {
        conversation: Box<ConversationView>,
    },
    /// `more`: there are older ones; `newer`: there are newer ones.
    Messages {
        messages: Vec<MessageView>,
        more: bool,
        newer: bool,
    },
    Message {
        message: MessageView,
        details: MessageDetails,
    },
    Found {
        hits: Vec<SearchHit>,
    },
    Preferences {
        preferences: Preferences,
    },
    Privacy {
        privacy: Privacy,
    },
    Profile {
        profile: ProfileView,
    },
    Picture {
        /// None: they have none, or do not show it.
        picture: Option<PictureView>,
    },
    SafetyNumber {
        digits: String,
        qr: String,
        verified: bool,
        contact: ContactView,
    },
    Devices {
        devices: Vec<DeviceView>,
    },
    RecoveryCode {
        recovery_code: String,
    },
    Status {
        status: StatusView,
    },
    ExportPage {
        /// Each is the text of one JSON object.
        lines: Vec<String>,
        next: Option<String>,
    },
}

/// Why a command failed. `kind` decides exit codes and what a person is told to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[error("{text}")]
pub struct CommandError {
    pub kind: ErrorKind,
    /// English, for people: what is wrong and what to do.
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// No such person, message or device.
    NotFound,
    /// The words of the command are wrong (bad link text, too long, typo in the code).
    Invalid,
    /// The profile has no account yet, or already has one.
    WrongState,
    /// The server says no (taken, closed, wrong code, disabled).
    Refused,
    /// The server cannot be reached; the command needs it.
    Offline,
    /// This device was unlinked, suspended, or its account is gone.
    SignedOut,
    /// A contact's key changed and waits for a decision.
    KeyChanged,
    /// The device's clock is far off.
    Clock,
    /// Local storage failed or is full.
    Storage,
    /// A bug or an unknown answer.
    Internal,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Me {
    pub account: AccountId,
    pub username: Username,
    pub device: DeviceId,
    pub server: String,
    /// Hex of the public identity key.
    pub identity_key: String,
}

/// Ticks: ○ pending, ✓ sent, ✓✓ delivered, blue ✓✓ read, ⚠ failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum MessageStatus {
    /// Somebody else's message.
    Received,
    /// In the outbox.
    Pending,
    /// Waits for the person: the contact's key changed.
    Held,
    Sent,
    Delivered,
    Read,
    Failed,
    /// Could not be decrypted yet; the sender was asked to send it again.
    Waiting,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum MessageBody {
    Text {
        body: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        mentions: Vec<Mention>,
    },
    /// "Waiting for this message".
    Undecryptable,
    /// A system line: the contact's safety number changed.
    KeyChanged {
        identity_key: String,
    },
    /// A system line: what the message's author changed about the group, as they signed it.
    GroupChange {
        change: GroupChangeView,
    },
    /// Votes are as they are now.
    Poll {
        question: String,
        options: Vec<PollOptionView>,
        multiple: bool,
    },
    /// Degrees.
    Location {
        latitude: f64,
        longitude: f64,
        label: String,
    },
    ContactCard {
        card: ContactCardView,
    },
    /// For everyone, by its author or an admin of the group.
    Deleted {
        by: PersonView,
    },
    /// A system line: from here on what is sent disappears so long after it was read; 0: it stays.
    Timer {
        seconds: u32,
    },
    /// Something a newer version sent.
    Unsupported,
    /// A system line: this profile was restored from an old copy and is repairing itself.
    ProfileRestored,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct MessageView {
    /// Place in this profile's history: pass in a `HistoryPlace`. Rises as (message id, arrival) within a conversation. In JSON a
    /// string of digits, since it does not fit into a double.
    #[serde(with = "decimal")]
    #[cfg_attr(feature = "typescript", ts(type = "string"))]
    pub position: u64,
    pub name: ClientMsgId,
    /// None until sent.
    pub message_id: Option<MessageId>,
    /// Became readable only with this later id (it was sent again): unread until `MarkRead` reaches it.
    #[serde(default)]
    pub late_id: Option<MessageId>,
    pub conversation: Conversation,
    pub from: AccountId,
    /// Display name, username, or the beginning of the id.
    pub from_name: String,
    pub from_me: bool,
    /// Names this account, or everybody.
    #[serde(default)]
    pub mentions_me: bool,
    pub from_device: DeviceId,
    pub body: MessageBody,
    pub status: MessageStatus,
    /// The sender's clock.
    pub written_ms: u64,
    pub server_time_ms: Option<u64>,
    pub delivered_ms: Option<u64>,
    pub read_ms: Option<u64>,
    /// Why it failed or is held, for people.
    pub note: Option<String>,
    #[serde(default)]
    pub extras: Box<MessageExtras>,
}

impl MessageView {
    /// Reading it is reading up to here.
    pub fn read_id(&self) -> Option<MessageId> {
        self.late_id.or(self.message_id)
    }
}

/// Numbers beyond 2^53 as strings of decimal digits, for readers whose numbers are doubles.
mod decimal {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Where a page of history lies. Positions are those of `MessageView::position`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum HistoryPlace {
    /// The end: the newest messages.
    #[default]
    Newest,
    Before(
        #[serde(with = "decimal")]
        #[cfg_attr(feature = "typescript", ts(type = "string"))]
        u64,
    ),
    After(
        #[serde(with = "decimal")]
        #[cfg_attr(feature = "typescript", ts(type = "string"))]
        u64,
    ),
    Around(
        #[serde(with = "decimal")]
        #[cfg_attr(feature = "typescript", ts(type = "string"))]
        u64,
    ),
}

/// What a person arranges about a conversation, the same on all their devices.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
#[serde(default)]
pub struct ConversationChanges {
    pub pinned: Option<bool>,
    pub archived: Option<bool>,
    /// No notification before this time; 0: notify again.
    pub muted_until_ms: Option<u64>,
    /// Shown as unread without a count, until it is opened.
    pub marked_unread: Option<bool>,
    /// Text not sent yet; empty: none.
    pub draft: Option<String>,
    /// At most 32 characters; empty: in none.
    pub folder: Option<String>,
    /// What this person calls the other one, at most 64 characters; empty: by their own name.
    pub nickname: Option<String>,
}

/// What really happened to a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct MessageDetails {
    /// "prekey" (PQXDH first message) or "ratchet", per device it went to or came from.
    pub copies: Vec<CopyDetails>,
    pub resends: u32,
    pub attempts: u32,
    pub times: MessageTimes,
    /// Of an own message in a group: how far each other member is.
    #[serde(default)]
    pub members: Vec<MemberReceipt>,
    /// Earlier texts of an edited message, the first one first.
    #[serde(default)]
    pub versions: Vec<MessageVersion>,
}

/// When each step of a message's way was taken. What was not measured is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct MessageTimes {
    /// This device's clock: encrypted for every device, at the last attempt.
    pub encrypted_ms: Option<u64>,
    /// This device's clock: handed to the connection, which follows at once.
    pub sent_ms: Option<u64>,
    /// The server's clock: on stable storage.
    pub stored_ms: Option<u64>,
    /// This device's clock: the server's word that it is stored was here.
    pub accepted_ms: Option<u64>,
    /// The server's clock.
    pub delivered_ms: Option<u64>,
    /// The server's clock.
    pub read_ms: Option<u64>,
    /// This device's clock: somebody else's message, or that of another own device, arrived and was decrypted.
    pub received_ms: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct CopyDetails {
    pub account: AccountId,
    pub device: DeviceId,
    pub protocol: String,
    pub ciphertext_bytes: u32,
    /// Message number within the sending chain.
    pub counter: u32,
    /// Length of the chain before this one.
    #[serde(default)]
    pub previous_counter: Option<u32>,
    /// Hex of the sender's public ratchet key.
    #[serde(default)]
    pub ratchet_key: Option<String>,
    /// Hex of what the server stored, while this device still has it (30 days; the first 4 KiB).
    #[serde(default)]
    pub ciphertext: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ContactView {
    pub account: AccountId,
    pub username: Option<Username>,
    pub display_name: Option<String>,
    /// What this person calls them; it goes before all other names.
    #[serde(default)]
    pub nickname: Option<String>,
    /// What they say of themselves.
    #[serde(default)]
    pub about: Option<String>,
    /// Names their picture (`Command::Picture`): another one has another name.
    #[serde(default)]
    pub picture: Option<String>,
    pub verified: bool,
    pub blocked: bool,
    /// A new key waits for a decision (only if the contact was verified).
    pub key_changed: bool,
    pub identity_key: Option<String>,
    /// The one that waits for a decision.
    #[serde(default)]
    pub new_identity_key: Option<String>,
    pub devices: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ConversationView {
    pub conversation: Conversation,
    /// The person; none: it is a group's.
    pub contact: Option<ContactView>,
    /// The group; none: it is a person's.
    pub group: Option<Box<GroupSummary>>,
    /// What it is called: the name of the person (display name, username or the beginning of the id) or of the group.
    pub title: String,
    pub is_me: bool,
    pub last: Option<MessageView>,
    pub unread: u32,
    /// An unread message names this account, or everybody.
    pub mentioned: bool,
    /// Message id read up to by this person.
    pub read_up_to: MessageId,
    pub pinned: bool,
    pub archived: bool,
    /// No notification before this time; 0: not muted.
    pub muted_until_ms: u64,
    pub marked_unread: bool,
    /// Text not sent yet.
    pub draft: Option<String>,
    #[serde(default)]
    pub folder: Option<String>,
    /// Somebody new: they get no receipts, and see nothing of this person, until `AcceptRequest` or an answer.
    #[serde(default)]
    pub is_request: bool,
    /// What is sent now disappears so many seconds after it was read; 0: stays.
    #[serde(default)]
    pub timer_s: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct SearchHit {
    pub message: MessageView,
    /// The person of the conversation; none: it is a group's.
    pub contact: Option<ContactView>,
    /// What the conversation is called.
    pub title: String,
    /// The body around the match, with the matching words between U+0001 and U+0002.
    pub snippet: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct DeviceView {
    pub device: DeviceId,
    pub name: String,
    pub current: bool,
    pub suspended: bool,
    pub created_ms: u64,
    pub last_seen_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ConnectionView {
    /// No account yet, told to stay away, or signed out.
    Disconnected,
    Connecting,
    /// `drained`: everything that waited has arrived.
    Connected {
        drained: bool,
    },
    Reconnecting {
        retry_at_ms: u64,
        attempt: u32,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct StatusView {
    pub connection: ConnectionView,
    pub me: Option<Me>,
    /// Messages not yet accepted by the server.
    pub outbox: u32,
    /// What else was done here and is still to be told to the server, to contacts or to the own other devices; 0: all is told.
    #[serde(default)]
    pub untold: u32,
    pub undecryptable: u32,
    pub repaired: u32,
    pub clock_off_ms: i64,
    /// Set when signed out for good: why, for people.
    pub signed_out: Option<String>,
}

/// What happened without being asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    Connection {
        connection: ConnectionView,
    },
    /// A message is new (also one sent by a sibling device), once per name.
    MessageAdded {
        message: MessageView,
        backlog: bool,
    },
    /// Its status or body changed.
    MessageChanged {
        message: MessageView,
    },
    /// An unsent message was cancelled, or a message disappeared, or was deleted by this person.
    MessageRemoved {
        name: ClientMsgId,
        conversation: Conversation,
    },
    ConversationChanged {
        conversation: Conversation,
    },
    /// The person deleted it, here or on another device.
    ConversationRemoved {
        conversation: Conversation,
    },
    ContactChanged {
        contact: ContactView,
    },
    /// Trust on first use: the key of a contact is another one now.
    KeyChanged {
        contact: ContactView,
        was_verified: bool,
    },
    QueueDrained,
    /// This new device is linked.
    Linked {
        me: Me,
    },
    LinkFailed {
        error: CommandError,
    },
    /// History is arriving on this new device; `done` is `total` when it is complete.
    HistoryReceived {
        done: u64,
        total: u64,
    },
    /// History is leaving for a newly linked device; `done` is `total` once the server has accepted all of it.
    HistorySent {
        device: DeviceId,
        done: u64,
        total: u64,
    },
    /// The keys that a message to a group needs are on their way to devices that lack them; `done` is `total` once all have them.
    GroupKeys {
        group: GroupId,
        done: u32,
        total: u32,
    },
    DevicesChanged,
    /// Of people watched (`Command::WatchPeople`): what is so now.
    PresenceChanged {
        people: Vec<PresenceView>,
    },
    /// Somebody types or records, or does no more; it is said once, not every few seconds.
    Typing {
        conversation: Conversation,
        person: PersonView,
        state: TypingState,
    },
    PreferencesChanged {
        preferences: Preferences,
    },
    /// This device is out: unlinked, suspended, account deleted or disabled.
    SignedOut {
        error: CommandError,
    },
    /// The own one, by another own device perhaps.
    ProfileChanged {
        profile: ProfileView,
    },
    /// The device's clock differs from the server's by more than 5 minutes.
    ClockOff {
        by_ms: i64,
    },
    /// Sessions had to be renewed (for example a profile restored from an old copy).
    Repairing {
        contact: AccountId,
        reason: String,
    },
    /// Something people should know: storage full, server newer, server restored.
    Notice {
        text: String,
    },
}
