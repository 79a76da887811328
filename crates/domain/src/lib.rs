//! What the server decides: accounts, devices, keys, sign-in, sends, receipts, expiry. It knows only ports, ids and the
//! public half of the cryptography; never the network schema and never a store.
//! Flow: gateway or api -> one `Domain` method, one file each -> ports.
//! Always true:
//! - a method either did all of what it names or answers with a `Refusal` and changed nothing;
//! - who asks is a `SignedIn` (made only by `authenticate`) or a proof checked in the same call;
//! - nothing here holds plaintext, a private key of a person, or a request's body longer than the call.
//!
//! Elsewhere: shapes of frames and bodies are the gateway's and the api's, durability is the adapters'.

mod account;
mod blocks;
mod config;
mod connections;
mod devices;
mod domain;
mod groups;
mod inbox;
mod limiter;
mod meters;
mod people;
mod prekeys;
mod presence;
mod proof;
mod refusal;
mod restored;
mod secrets;
mod sign_in;
mod sweep;

pub use account::{OwnAccount, Recovered, Register, Registered, ReplaceRecovery};
pub use config::{DomainConfig, Rate, RateLimits, RegistrationPolicy};
pub use connections::{Connections, NoConnections};
pub use devices::{AddDevice, DeviceAdded, NewLinkCode, NewLinkSession, ReplaceIdentity, RestoreDevice};
pub use domain::{Domain, DomainParts, ServerInfo};
pub use groups::{
    AccountCiphertexts, GroupAcked, GroupPage, GroupRestored, GroupSend, KeysSend, MarksToShow, MemberDevices,
    MemberList, OperationAnswer, OwnGroup, PostOperation, StaleGroup, WaitingGroup,
};
pub use inbox::{AckedEntry, ConnectionFacts, DirectCiphertext, DirectSend, EntryHeader, SendRefused};
pub use people::{NamedReport, People, PeopleObserver, PrivacyRefused};
pub use prekeys::{AccountDevices, DeviceKeys, NewPreKeys, TakenBundles};
pub use presence::{BATCH as PRESENCE_BATCH, PersonPresence, Presence, Subscriber, Visibility, Watcher};
pub use proof::ListBytes;
pub use refusal::Refusal;
pub use sign_in::{AccessToken, NewChallenge, SignedIn};
pub use sweep::SweepReport;

/// The ports' words that stand in signatures here, so that the gateway and the api need no store crate.
pub use sotto_ports::{
    AccountSummary, Audience, CiphertextType, Committed, Device, EnvelopeClass, Group, GroupItem, GroupMark, KeyCounts,
    Lease, ListedDevice, LoggedEntry, Privacy, PrivacyRule, Profile, Queued, QueuedItem, Recovery, Report,
    ReportReason, ReportSummary, ReportedMessage, SignedDeviceList, Step, StoreError, StoredBundle, StoredEcPreKey,
    StoredEnvelope, StoredFailure, StoredOperation, StoredReceipt, StoredSignedPreKey,
};
