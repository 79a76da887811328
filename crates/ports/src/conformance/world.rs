use super::Subject;
use crate::{
    Account, Advance, CiphertextType, CommitRefused, Committed, CreateAccount, CreateOutcome, DeviceChange,
    DeviceChangeOutcome, EntryFeed, EnvelopeClass, GroupAdvance, GroupCommit, GroupMark, GroupSettle, ListedDevice,
    LoggedEntry, NewDevice, NewEntry, OperationCommit, OperationCommitted, OperationRefused, PreKeyUpload, Queued,
    QueuedItem, Recovery, SendCommit, SignedDeviceList, StoredEcPreKey, StoredReceipt, StoredSignedPreKey,
    WatermarkKind,
};
use bytes::Bytes;
use parking_lot::Mutex;
use sotto_types::{
    AccountId, ClientMsgId, Conversation, DeviceAddress, DeviceId, EntryId, GroupId, MessageId, SendId, Timestamp,
    Username,
};
use std::sync::Arc;

/// Tests begin here; far from zero so that looking back does not saturate.
pub const T0: Timestamp = Timestamp::from_ms(1_800_000_000_000);

/// Remembers what the feed was told.
#[derive(Debug, Default)]
pub struct Recorder {
    published: Mutex<Vec<(DeviceAddress, Queued)>>,
    logged: Mutex<Vec<LoggedEntry>>,
    marked: Mutex<Vec<(GroupId, Vec<GroupMark>)>>,
}

impl EntryFeed for Recorder {
    fn published(&self, to: DeviceAddress, entry: &Queued) {
        self.published.lock().push((to, entry.clone()));
    }

    fn logged(&self, entry: &Arc<LoggedEntry>) {
        self.logged.lock().push(LoggedEntry::clone(entry));
    }

    fn marked(&self, group: GroupId, marks: &[GroupMark]) {
        self.marked.lock().push((group, marks.to_vec()));
    }
}

impl Recorder {
    pub fn all(&self) -> Vec<(DeviceAddress, Queued)> {
        self.published.lock().clone()
    }

    /// The entries of one group's log.
    pub fn logged(&self, of: GroupId) -> Vec<LoggedEntry> {
        self.logged.lock().iter().filter(|entry| entry.group == of).cloned().collect()
    }

    pub fn marked(&self) -> Vec<(GroupId, Vec<GroupMark>)> {
        self.marked.lock().clone()
    }

    pub fn of(&self, device: DeviceAddress) -> Vec<Queued> {
        self.published.lock().iter().filter(|(to, _)| *to == device).map(|(_, entry)| entry.clone()).collect()
    }
}

/// A subject with short words for what tests do to it.
#[derive(Debug, Clone)]
pub struct World {
    pub subject: Subject,
    pub feed: Arc<Recorder>,
}

pub fn account(n: u8) -> AccountId {
    AccountId::from_bytes([n; 16])
}

pub fn device(id: u32) -> DeviceId {
    DeviceId::try_from(id).expect("tests use valid device ids")
}

pub fn address(n: u8, id: u32) -> DeviceAddress {
    DeviceAddress::new(account(n), device(id))
}

pub fn client_msg_id(n: u128) -> ClientMsgId {
    ClientMsgId::from_bytes((n + 1).to_be_bytes())
}

pub fn username(n: u8) -> Username {
    Username::parse(&format!("user_{n}")).expect("a valid name")
}

pub fn listed(id: u32) -> ListedDevice {
    ListedDevice { id: device(id), registration_id: 100 + id, auth_key: [u8::try_from(id).unwrap_or_default(); 32] }
}

pub fn list(version: u32, devices: &[u32]) -> SignedDeviceList {
    SignedDeviceList {
        version,
        devices: devices.iter().map(|id| listed(*id)).collect(),
        payload: Bytes::from(format!("list {version} of {devices:?}")),
        signature: Bytes::from(vec![7; 64]),
    }
}

pub fn signed_key(id: u32, byte: u8) -> StoredSignedPreKey {
    StoredSignedPreKey { id, public_key: vec![byte; 33].into(), signature: vec![byte; 64].into() }
}

pub fn ec_key(id: u32) -> StoredEcPreKey {
    StoredEcPreKey { id, public_key: id.to_be_bytes().to_vec().into() }
}

/// A signed and a last-resort key, and one-time keys of both kinds with these ids.
pub fn upload(one_time: impl IntoIterator<Item = u32>) -> PreKeyUpload {
    let ids: Vec<u32> = one_time.into_iter().collect();
    PreKeyUpload {
        signed: Some(signed_key(1, 1)),
        last_resort: Some(signed_key(2, 2)),
        one_time_ec: ids.iter().map(|id| ec_key(*id)).collect(),
        one_time_kyber: ids.iter().map(|id| signed_key(*id, 3)).collect(),
        replace: false,
    }
}

pub fn new_device(id: u32, keys: PreKeyUpload) -> NewDevice {
    NewDevice { id: device(id), encrypted_name: Bytes::from(format!("device {id}")), keys, now: T0 }
}

pub fn new_account(n: u8) -> CreateAccount {
    CreateAccount {
        account: Account {
            id: account(n),
            username: username(n),
            identity_key: vec![n; 33].into(),
            recovery: Recovery { auth_key: [n; 32], backup: vec![n; 80].into() },
            disabled: false,
            created: T0,
        },
        list: list(1, &[1]),
        device: new_device(1, upload([])),
        invite: None,
    }
}

pub fn entry(to: DeviceAddress, text: &str) -> NewEntry {
    NewEntry { to, ciphertext_type: CiphertextType::Ratchet, ciphertext: Bytes::copy_from_slice(text.as_bytes()) }
}

pub fn commit(from: DeviceAddress, n: u128, entries: Vec<NewEntry>) -> SendCommit {
    SendCommit {
        send: SendId { from, client_msg_id: client_msg_id(n) },
        class: EnvelopeClass::Message,
        seen: MessageId::ZERO,
        expect: Vec::new(),
        group: None,
        entries,
        failed: None,
        now: T0,
    }
}

/// The watermark of `member` for `author`, told to these devices as the conversation with `member`.
pub fn advance(author: u8, member: u8, kind: WatermarkKind, up_to: u64, notify: &[DeviceAddress]) -> Advance {
    Advance {
        author: account(author),
        member: account(member),
        kind,
        up_to: MessageId::new(up_to),
        at: T0.plus(std::time::Duration::from_millis(up_to)),
        notify: notify.iter().map(|to| (*to, Conversation::Peer(account(member)))).collect(),
        if_contact: false,
    }
}

pub fn group(n: u8) -> GroupId {
    GroupId::from_bytes([n; 32])
}

/// Of the operation that made this revision.
pub fn head(n: u8, revision: u32) -> [u8; 32] {
    let mut head = [n; 32];
    head[..4].copy_from_slice(&revision.to_be_bytes());
    head
}

/// The operation of this revision, by the first member. The first revision is 1.
pub fn operation(n: u8, revision: u32, members: &[u8]) -> OperationCommit {
    OperationCommit {
        group: group(n),
        follows: (revision > 1).then(|| head(n, revision - 1)),
        sender: address(members.first().copied().unwrap_or(1), 1),
        head: head(n, revision),
        revision,
        payload: Bytes::from(format!("payload {revision}")),
        signature: vec![9; 64].into(),
        state: Bytes::from(format!("state {revision}")),
        details: None,
        members: members.iter().map(|member| account(*member)).collect(),
        renewed: Vec::new(),
        changes_roster: true,
        now: T0,
    }
}

/// A message from account 1 to a group.
pub fn group_message(g: u8, roster: u64, n: u128) -> GroupCommit {
    GroupCommit {
        send: SendId { from: address(1, 1), client_msg_id: client_msg_id(n) },
        group: group(g),
        roster,
        class: EnvelopeClass::Message,
        seen: MessageId::ZERO,
        ciphertext: Bytes::from(format!("text {n}")),
        now: T0,
    }
}

pub fn group_advance(g: u8, member: u8, kind: WatermarkKind, up_to: MessageId) -> GroupAdvance {
    GroupAdvance { group: group(g), member: account(member), kind, up_to, at: T0 }
}

impl World {
    pub fn new(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) -> Self {
        let feed = Arc::new(Recorder::default());
        Self { subject: make(feed.clone()), feed }
    }

    /// Creates an account with devices 1, 2, … and list version 1, or 2 if it has more than one.
    pub async fn person(&self, n: u8, devices: u32) {
        let outcome = self.subject.directory.create_account(new_account(n)).await.expect("create");
        assert_eq!(outcome, CreateOutcome::Created);
        if devices > 1 {
            let ids: Vec<u32> = (1..=devices).collect();
            assert_eq!(self.change(n, 1, 2, &ids).await, DeviceChangeOutcome::Changed { removed: vec![] });
        }
    }

    /// Changes to a list of these devices, adding those that are not there.
    pub async fn change(&self, n: u8, expect: u32, version: u32, devices: &[u32]) -> DeviceChangeOutcome {
        let routing = self.subject.directory.routing(account(n)).await.expect("routing");
        let before: Vec<DeviceId> =
            routing.map_or_else(Vec::new, |routing| routing.devices.iter().map(|(id, _, _)| *id).collect());
        let added = devices.iter().filter(|id| !before.contains(&device(**id)));
        let change = DeviceChange {
            account: account(n),
            expect_version: expect,
            list: list(version, devices),
            add: added.map(|id| new_device(*id, upload([]))).collect(),
            rekey: Vec::new(),
            identity: None,
        };
        self.subject.directory.change_devices(change).await.expect("change")
    }

    /// The answer, of the first try or a repeat.
    pub async fn send(&self, commit: SendCommit) -> Result<Committed, CommitRefused> {
        match self.subject.inbox.commit_send(commit).await {
            Err(CommitRefused::Repeated(first)) => Ok(first),
            answer => answer,
        }
    }

    /// Sends one text to one device.
    pub async fn text(&self, from: DeviceAddress, to: DeviceAddress, n: u128) -> Committed {
        self.send(commit(from, n, vec![entry(to, &format!("text {n}"))])).await.expect("send")
    }

    pub async fn read(&self, of: DeviceAddress) -> Vec<Queued> {
        self.subject.inbox.read(of, EntryId::ZERO, 10_000, usize::MAX).await.expect("read")
    }

    pub async fn settle(&self, of: DeviceAddress, remove: &[EntryId], advance: Vec<Advance>) {
        let settle = crate::Settle { of, envelopes: vec![], remove: remove.to_vec(), advance };
        self.subject.inbox.settle(settle).await.expect("settle");
    }

    /// The waiting receipts of a device.
    pub async fn receipts(&self, of: DeviceAddress) -> Vec<(EntryId, StoredReceipt)> {
        let entries = self.read(of).await.into_iter();
        let receipt = |entry: Queued| match entry.item {
            QueuedItem::Receipt(receipt) => Some((entry.entry_id, receipt)),
            QueuedItem::Envelope(_) | QueuedItem::Failure(_) => None,
        };
        entries.filter_map(receipt).collect()
    }

    pub async fn operate(&self, commit: OperationCommit) -> Result<OperationCommitted, OperationRefused> {
        self.subject.groups.commit_operation(commit).await
    }

    /// Makes a group of these members, who are there.
    pub async fn found(&self, n: u8, members: &[u8]) -> OperationCommitted {
        self.operate(operation(n, 1, members)).await.expect("a new group")
    }

    /// One text to a group, for the roster it has.
    pub async fn post(&self, g: u8, n: u128) -> Committed {
        let roster = self.roster(g).await;
        self.subject.groups.commit_message(group_message(g, roster, n)).await.expect("the roster is the group's")
    }

    pub async fn roster(&self, n: u8) -> u64 {
        self.subject.groups.group_facts(group(n)).await.expect("facts").expect("a group").roster
    }

    pub async fn log(&self, n: u8) -> Vec<LoggedEntry> {
        let all = (MessageId::ZERO, MessageId::MAX, 10_000, usize::MAX);
        self.subject.groups.read_log(group(n), all.0, all.1, all.2, all.3).await.expect("read")
    }

    pub async fn cursor(&self, of: DeviceAddress, g: u8) -> Option<MessageId> {
        let cursors = self.subject.groups.cursors(of, &[group(g)]).await.expect("cursors");
        let [cursor] = cursors[..] else { panic!("one cursor for one group, got {cursors:?}") };
        cursor
    }

    pub async fn settle_group(&self, of: DeviceAddress, g: u8, cursor: MessageId, advance: Vec<GroupAdvance>) {
        let settle = GroupSettle { cursors: vec![(of, group(g), cursor)], advance };
        self.subject.groups.settle_groups(settle).await.expect("settle");
    }
}
