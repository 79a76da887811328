//! Bodies of the HTTP API under `/v1`, shared by server and clients. JSON; bytes are standard base64 with padding;
//! times are milliseconds since the Unix epoch; 64-bit ids are decimal strings.
//!
//! | method and path | who | body -> answer |
//! | --- | --- | --- |
//! | GET /v1/server | anyone | -> `ServerInfo` |
//! | POST /v1/accounts | anyone, by policy | `Register` -> 201 `Registered` |
//! | GET /v1/accounts/me | device | -> `OwnAccount` |
//! | DELETE /v1/accounts/me | device | -> 204 |
//! | GET /v1/usernames/{username} | device | -> `Found` |
//! | GET /v1/accounts/{account}/devices | device | -> `AccountDevices` |
//! | POST /v1/accounts/{account}/prekeys | device | `TakePreKeys` -> `PreKeyBundles` (hands out one-time keys) |
//! | PUT /v1/keys | device | `UploadKeys` -> `KeyCounts` |
//! | GET /v1/keys | device | -> `KeyCounts` |
//! | POST /v1/auth/challenge | anyone | `ChallengeFor` -> `Challenge` |
//! | POST /v1/auth/token | anyone | `SignIn` -> `AccessToken` |
//! | POST /v1/links | anyone | -> 201 `LinkSession` (new device, before it has an account) |
//! | GET /v1/links/{link}?wait_s=25 | anyone who knows it | -> `LinkAnswer` (long poll, at most 25 s) |
//! | PUT /v1/links/{link} | device | `LinkAnswer` -> 204 |
//! | POST /v1/devices/link-codes | device | -> 201 `LinkCode` |
//! | POST /v1/devices | link code or recovery token | `AddDevice` -> 201 `DeviceAdded` |
//! | DELETE /v1/devices/{device} | device | `SignedList` -> 204 |
//! | PUT /v1/devices/list | device | `SignedList` -> 204 (re-sign, after suspension) |
//! | POST /v1/devices/restore | challenge | `RestoreDevice` -> 204 (after the server was restored from a backup) |
//! | POST /v1/devices/stolen | device and recovery code | `ReplaceIdentity` -> 204 |
//! | POST /v1/recovery/challenge | anyone | `RecoveryFor` -> `Challenge` |
//! | POST /v1/recovery | recovery code | `Recover` -> `Recovered` |
//! | PUT /v1/recovery | device and recovery code | `ReplaceRecovery` -> 204 (new code) |
//! | GET /v1/blocks | device | -> `Blocks` |
//! | PUT, DELETE /v1/blocks/{account} | device | -> 204 |
//! | GET /v1/contacts | device | -> `Contacts` |
//! | PUT, DELETE /v1/contacts/{account} | device | -> 204 |
//! | GET /v1/privacy | device | -> `Privacy` |
//! | PUT /v1/privacy | device | `Privacy` -> `Privacy` |
//! | GET /v1/profile | device | -> `Profile` (the own one) |
//! | PUT /v1/profile | device | `Profile` -> 204 |
//! | GET /v1/accounts/{account}/profile?key_id= | device with the profile key | -> `Profile` |
//! | POST /v1/reports | device | `Report` -> 204 |
//! | POST /v1/groups | device | `PostOperation` -> 201 `OperationAccepted` |
//! | GET /v1/groups | device | -> `Groups` (of the own account) |
//! | GET /v1/groups/{group}?from=0 | member | -> `GroupPage` |
//! | POST /v1/groups/{group}/operations | member, or joining | `PostOperation` -> `OperationAccepted` |
//! | POST /v1/groups/{group}/restore | member | `RestoreGroup` -> `GroupRestored` (after the server was restored from a backup) |
//! | POST /v1/groups/{group}/devices | member | `GroupAccounts` -> `GroupDevices` |
//! | POST /v1/groups/{group}/prekeys | member | `GroupTakePreKeys` -> `GroupPreKeys` (hands out one-time keys) |
//! | GET /v1/groups/{group}/marks | member | -> `GroupMarks` |
//! | GET /v1/group-invites/{public_key}?group=&from=0 | device with the link | -> `GroupPage` |
//!
//! Every error is an RFC 9457 problem (`Problem`, application/problem+json); 429 and 503 carry `Retry-After`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sotto_types::{AccountId, ErrorCode};
use std::fmt;
use utoipa::{PartialSchema, ToSchema};

/// Bytes as standard base64 in JSON. `Debug` shows only the length: it may hold anything.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Base64(pub Vec<u8>);

impl fmt::Debug for Base64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl<T: Into<Vec<u8>>> From<T> for Base64 {
    fn from(bytes: T) -> Self {
        Self(bytes.into())
    }
}

impl Serialize for Base64 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        STANDARD.decode(text.as_bytes()).map(Self).map_err(|_| serde::de::Error::custom("not standard base64"))
    }
}

impl PartialSchema for Base64 {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .description(Some("Bytes as standard base64 with padding."))
            .examples(["AAECAw=="])
            .into()
    }
}

impl ToSchema for Base64 {}

/// For whom something of an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    Everyone,
    Contacts,
    Nobody,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportReason {
    Spam,
    Abuse,
    Other,
}

macro_rules! bodies {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {
        $($(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* })*
    };
}

bodies! {
    /// What a client needs to know before it has an account.
    ServerInfo {
        version: String,
        /// "open", "invite" or "closed".
        registration: String,
        /// Another one after every restore from a backup.
        generation: u32,
        server_time_ms: u64,
        protocol_version: u32,
        /// Where the source code of what runs here is offered, if the operator says so (AGPL, section 13).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source_url: Option<String>,
    }

    /// A device list with its signature; see docs/protocol.md "Device lists".
    SignedList {
        /// Serialized protobuf `DeviceList`.
        payload: Base64,
        /// 64 bytes, XEdDSA by the identity key in the payload.
        signature: Base64,
    }

    /// A one-time EC prekey.
    EcPreKey {
        id: u32,
        public_key: Base64,
    }

    /// A prekey signed by the identity key: the signed EC prekey, or a Kyber one (last-resort or one-time).
    SignedPreKey {
        id: u32,
        public_key: Base64,
        signature: Base64,
    }

    /// All prekeys of a new device.
    DeviceKeys {
        signed_prekey: SignedPreKey,
        last_resort_kyber: SignedPreKey,
        one_time_ec: Vec<EcPreKey>,
        one_time_kyber: Vec<SignedPreKey>,
    }

    /// The recovery code, as the server holds it.
    RecoveryKeys {
        /// Ed25519 public key derived from the code: proves ownership.
        auth_key: Base64,
        /// Identity key pair, encrypted with a key derived from the code. At most 4 KiB.
        backup: Base64,
    }

    /// Creates an account with its first device (or the same again: idempotent by account id and identity key).
    Register {
        #[schema(value_type = uuid::Uuid)]
        account_id: AccountId,
        username: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        invite: Option<String>,
        /// From an earlier `Registered`: lets an account that a restored server forgot come back without an invite.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        receipt: Option<String>,
        /// Which device of the list is registering (1 for a new account).
        device_id: u32,
        list: SignedList,
        keys: DeviceKeys,
        recovery: RecoveryKeys,
        /// Device name, encrypted for the own devices. At most 256 bytes.
        encrypted_name: Base64,
    }

    Registered {
        #[schema(value_type = uuid::Uuid)]
        account_id: AccountId,
        username: String,
        device_id: u32,
        /// Keep it: see `Register.receipt`.
        receipt: String,
        generation: u32,
    }

    OwnDevice {
        device_id: u32,
        encrypted_name: Base64,
        created_ms: u64,
        /// When it last connected, to the day.
        last_seen_ms: u64,
        suspended: bool,
        /// This is the device asking.
        current: bool,
    }

    OwnAccount {
        #[schema(value_type = uuid::Uuid)]
        account_id: AccountId,
        username: String,
        list: SignedList,
        devices: Vec<OwnDevice>,
    }

    Found {
        #[schema(value_type = uuid::Uuid)]
        account_id: AccountId,
        username: String,
    }

    /// Who an account is and which devices it has.
    AccountDevices {
        username: String,
        list: SignedList,
    }

    TakePreKeys {
        /// Devices to take a bundle for; each one-time key is handed out once. 1 to 10.
        devices: Vec<u32>,
    }

    PreKeyBundle {
        device_id: u32,
        registration_id: u32,
        signed_prekey: SignedPreKey,
        /// One-time if any is left, else the last-resort one.
        kyber_prekey: SignedPreKey,
        /// None when they ran out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        one_time_ec: Option<EcPreKey>,
    }

    PreKeyBundles {
        list: SignedList,
        /// The asked devices that are listed and not suspended.
        bundles: Vec<PreKeyBundle>,
    }

    /// New prekeys; what is absent stays. A one-time key whose id is stored already is ignored.
    UploadKeys {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signed_prekey: Option<SignedPreKey>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_resort_kyber: Option<SignedPreKey>,
        #[serde(default)]
        one_time_ec: Vec<EcPreKey>,
        #[serde(default)]
        one_time_kyber: Vec<SignedPreKey>,
        /// Drop all one-time keys that are stored first (after a restore).
        #[serde(default)]
        replace: bool,
    }

    KeyCounts {
        one_time_ec: u32,
        one_time_kyber: u32,
        signed_prekey_id: u32,
        last_resort_kyber_id: u32,
        /// The highest one-time id that is stored or was handed out; 0 if none was. A device that has not made it yet is an
        /// old copy of itself.
        #[serde(default)]
        highest_one_time_ec_id: u32,
        #[serde(default)]
        highest_one_time_kyber_id: u32,
    }

    ChallengeFor {
        #[schema(value_type = uuid::Uuid)]
        account_id: AccountId,
        device_id: u32,
    }

    Challenge {
        /// Sign it, after the domain "sotto sign-in v1\0" or "sotto recovery v1\0". Good once, for 60 s.
        challenge: Base64,
        expires_ms: u64,
    }

    SignIn {
        #[schema(value_type = uuid::Uuid)]
        account_id: AccountId,
        device_id: u32,
        challenge: Base64,
        /// Ed25519 by the device auth key over "sotto sign-in v1\0" + challenge.
        signature: Base64,
    }

    AccessToken {
        /// EdDSA JWT; `Authorization: Bearer` and `Hello.access_token`.
        access_token: String,
        expires_ms: u64,
        server_time_ms: u64,
    }

    LinkSession {
        /// Unguessable; goes into the QR code with the ephemeral public key.
        link: String,
        expires_ms: u64,
    }

    LinkAnswer {
        /// Encrypted `Provisioning`; absent while waiting. At most 8 KiB.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        provisioning: Option<Base64>,
    }

    LinkCode {
        link_code: String,
        /// Lowest id that is free and, while others are, not used before.
        device_id: u32,
        expires_ms: u64,
    }

    AddDevice {
        #[schema(value_type = uuid::Uuid)]
        account_id: AccountId,
        /// From `LinkCode` (through the provisioning message) or `Recovered`.
        link_code: String,
        device_id: u32,
        /// The current list plus this device, version + 1.
        list: SignedList,
        keys: DeviceKeys,
        encrypted_name: Base64,
    }

    DeviceAdded {
        device_id: u32,
        generation: u32,
        username: String,
        receipt: String,
    }

    /// A device that a restored server does not know, proving itself by a newer list of a known identity.
    RestoreDevice {
        #[schema(value_type = uuid::Uuid)]
        account_id: AccountId,
        device_id: u32,
        challenge: Base64,
        signature: Base64,
        list: SignedList,
        keys: DeviceKeys,
        encrypted_name: Base64,
    }

    /// "Unlink as stolen": a new identity key; this device stays, all others must link again.
    ReplaceIdentity {
        /// From POST /v1/recovery/challenge.
        challenge: Base64,
        /// By the current recovery auth key over "sotto recovery v1\0" + challenge.
        recovery_signature: Base64,
        /// Signed by the NEW identity key, only this device in it, version + 1.
        list: SignedList,
        keys: DeviceKeys,
        /// This device's name, encrypted for the new identity.
        #[serde(default)]
        encrypted_name: Base64,
        /// The new identity key encrypted with the (same or new) code.
        recovery: RecoveryKeys,
    }

    /// A new recovery code in place of the current one.
    ReplaceRecovery {
        /// From POST /v1/recovery/challenge.
        challenge: Base64,
        /// By the current recovery auth key over "sotto recovery v1\0" + challenge.
        recovery_signature: Base64,
        /// Of the new code.
        recovery: RecoveryKeys,
    }

    RecoveryFor {
        username: String,
    }

    Recover {
        username: String,
        challenge: Base64,
        /// Ed25519 by the recovery auth key over "sotto recovery v1\0" + challenge.
        signature: Base64,
    }

    Recovered {
        #[schema(value_type = uuid::Uuid)]
        account_id: AccountId,
        username: String,
        backup: Base64,
        list: SignedList,
        /// For POST /v1/devices, in place of a link code.
        link_code: String,
        device_id: u32,
    }

    Blocks {
        #[schema(value_type = Vec<uuid::Uuid>)]
        accounts: Vec<AccountId>,
    }

    Contacts {
        #[schema(value_type = Vec<uuid::Uuid>)]
        accounts: Vec<AccountId>,
    }

    PrivacyRule {
        audience: Audience,
        /// Not these, although they belong to the audience. At most 256.
        #[serde(default)]
        #[schema(value_type = Vec<uuid::Uuid>)]
        except: Vec<AccountId>,
    }

    /// What an account lets others see and do. What one hides from somebody of last seen, online and read receipts, one does not
    /// see of them.
    Privacy {
        /// In a request: of the settings that it replaces. 0: they were never set.
        version: u32,
        /// "everyone" means contacts.
        last_seen: PrivacyRule,
        /// "everyone" means contacts.
        online: Audience,
        /// Who gets the profile key is up to the clients: picture and about are for them to enforce.
        picture: PrivacyRule,
        about: PrivacyRule,
        read_receipts: Audience,
        /// Who may put this account into a group; all others send it an invite link.
        group_adds: PrivacyRule,
    }

    /// A profile, encrypted with its profile key.
    Profile {
        /// Chosen by the client, from 1 to 2^53 - 1; it rises.
        version: u64,
        /// 32 hex digits: derived from the profile key; see docs/protocol.md "Profiles".
        key_id: String,
        /// At most 66 KiB.
        ciphertext: Base64,
    }

    ReportedMessage {
        sent_at_ms: u64,
        /// At most 4 KiB.
        text: String,
    }

    /// What a person tells the operator about another. The operator reads all of it, and nothing proves it.
    Report {
        #[schema(value_type = uuid::Uuid)]
        account: AccountId,
        reason: ReportReason,
        /// At most 2,000 characters.
        #[serde(default)]
        comment: String,
        /// At most 20.
        #[serde(default)]
        messages: Vec<ReportedMessage>,
    }

    /// A signed operation on a group; see docs/protocol.md "Groups".
    PostOperation {
        /// Serialized protobuf `GroupOperation`, at most 128 KiB.
        payload: Base64,
        /// 64 bytes, XEdDSA by the actor's identity key.
        signature: Base64,
        /// Encrypted title, picture and description, where the operation has their hash. At most 64 KiB.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        details: Option<Base64>,
    }

    /// The operation is in the list, durably. The same operation again gets the same answer.
    OperationAccepted {
        /// 64 hex digits.
        group: String,
        revision: u32,
        /// Its place in the group's log.
        message_id: String,
        server_time_ms: u64,
        roster: String,
    }

    /// Operations that a restored server has forgotten, as they were signed.
    RestoreGroup {
        /// In order, the first following one that the server has; at most 64. Those that it has are passed over. Details are needed for
        /// the newest that name some, as far as they are known.
        operations: Vec<PostOperation>,
    }

    GroupRestored {
        /// Of the newest operation that the server has now.
        revision: u32,
        head: Base64,
    }

    GroupSummary {
        group: String,
        revision: u32,
        /// Hash of the last operation.
        head: Base64,
        roster: String,
        /// The newest entry of the log.
        newest: String,
        /// The operation that ended the membership, if it has ended.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<String>,
        /// How far this account has read.
        read_up_to: String,
    }

    Groups {
        groups: Vec<GroupSummary>,
    }

    LoggedOperation {
        revision: u32,
        message_id: String,
        server_time_ms: u64,
        payload: Base64,
        signature: Base64,
    }

    MemberList {
        #[schema(value_type = uuid::Uuid)]
        account: AccountId,
        /// Version of its signed device list; 0 if the account is gone.
        list_version: u32,
    }

    /// Operations of a group from a revision on, and in the last page what else there is to know.
    GroupPage {
        operations: Vec<LoggedOperation>,
        /// Ask again with `from` one above the last revision here.
        more: bool,
        roster: String,
        /// The newest encrypted details.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        details: Option<Base64>,
        /// Every member's list version. Absent for who is no member.
        #[serde(default)]
        members: Vec<MemberList>,
    }

    GroupAccounts {
        /// Members of the group, at most 256.
        #[schema(value_type = Vec<uuid::Uuid>)]
        accounts: Vec<AccountId>,
    }

    /// Those of the asked accounts that exist.
    GroupDevices {
        accounts: Vec<AccountDevices>,
    }

    MemberDevices {
        #[schema(value_type = uuid::Uuid)]
        account: AccountId,
        /// 1 to 10.
        devices: Vec<u32>,
    }

    GroupTakePreKeys {
        /// Members of the group, each once; at most 64.
        members: Vec<MemberDevices>,
    }

    /// In the order asked for; accounts that are gone are left out.
    GroupPreKeys {
        members: Vec<PreKeyBundles>,
    }

    GroupStep {
        message_id: String,
        at_ms: u64,
    }

    GroupMark {
        #[schema(value_type = uuid::Uuid)]
        member: AccountId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delivered: Option<GroupStep>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        read: Option<GroupStep>,
    }

    /// How far members have received and read. Those who have not received anything are left out.
    GroupMarks {
        marks: Vec<GroupMark>,
    }

    /// RFC 9457 problem details.
    Problem {
        /// "https://sotto.dev/errors/<slug>": an identifier, not a page.
        r#type: String,
        title: String,
        status: u16,
        detail: String,
        /// The stable number, as on the WebSocket.
        code: u32,
        /// "retry", "reconnect" or "stop".
        action: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
        /// With group-add-refused: who cannot be added.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[schema(value_type = Vec<uuid::Uuid>)]
        accounts: Vec<AccountId>,
        /// With privacy-conflict: the settings in force.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        privacy: Option<Privacy>,
    }
}

/// Start of every problem's `type`.
pub const PROBLEM_TYPE_BASE: &str = "https://sotto.dev/errors/";
/// The content type of every problem.
pub const PROBLEM_JSON: &str = "application/problem+json";

impl Problem {
    pub fn new(code: ErrorCode, detail: impl Into<String>, retry_after_ms: Option<u64>) -> Self {
        Self {
            r#type: format!("{PROBLEM_TYPE_BASE}{}", code.slug()),
            title: title_of(code),
            status: code.http_status(),
            detail: detail.into(),
            code: code.number(),
            action: code.action().as_str().into(),
            retry_after_ms,
            accounts: Vec::new(),
            privacy: None,
        }
    }
}

/// "rate-limited" as "Rate limited".
fn title_of(code: ErrorCode) -> String {
    let words = code.slug().replace('-', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}
