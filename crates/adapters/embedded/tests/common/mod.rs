//! Short words for the tests of this crate.
#![allow(dead_code, reason = "each test file uses some of it")]
#![allow(clippy::unwrap_used, reason = "a helper of tests may fail its test")]

use bytes::Bytes;
use sotto_embedded::{EmbeddedConfig, EmbeddedStore, SCHEMA};
use sotto_ports::{
    Account, CiphertextType, CreateAccount, EnvelopeClass, GroupAdvance, GroupCommit, GroupSettle, ListedDevice,
    NewDevice, NewEntry, NoFeed, OperationCommit, PreKeyUpload, Recovery, SendCommit, SignedDeviceList, StoredEcPreKey,
    StoredSignedPreKey, WatermarkKind,
};
use sotto_types::{AccountId, ClientMsgId, DeviceAddress, DeviceId, GroupId, MessageId, SendId, Timestamp, Username};
use std::fs;
use std::path::Path;
use std::sync::Arc;

pub const T0: Timestamp = Timestamp::from_ms(1_800_000_000_000);

pub fn account(n: u8) -> AccountId {
    AccountId::from_bytes([n; 16])
}

pub fn address(n: u8) -> DeviceAddress {
    DeviceAddress::new(account(n), DeviceId::FIRST)
}

pub fn open(dir: &Path) -> EmbeddedStore {
    EmbeddedStore::open(EmbeddedConfig::new(dir), Arc::new(NoFeed)).expect("the store opens")
}

/// A send of 300 bytes from account 1 to each of these.
pub fn send(n: u128, to: &[DeviceAddress], now: Timestamp) -> SendCommit {
    SendCommit {
        group: None,
        send: SendId { from: address(1), client_msg_id: ClientMsgId::from_bytes((n + 1).to_be_bytes()) },
        class: EnvelopeClass::Message,
        seen: MessageId::ZERO,
        expect: Vec::new(),
        entries: to
            .iter()
            .map(|to| NewEntry {
                to: *to,
                ciphertext_type: CiphertextType::Ratchet,
                ciphertext: Bytes::from(vec![n.to_be_bytes()[15]; 300]),
            })
            .collect(),
        failed: None,
        now,
    }
}

pub fn signed_key(id: u32) -> StoredSignedPreKey {
    StoredSignedPreKey { id, public_key: vec![1; 33].into(), signature: vec![2; 64].into() }
}

pub fn keys(one_time: std::ops::Range<u32>) -> PreKeyUpload {
    PreKeyUpload {
        signed: Some(signed_key(1)),
        last_resort: Some(signed_key(2)),
        one_time_ec: one_time.clone().map(|id| StoredEcPreKey { id, public_key: vec![3; 33].into() }).collect(),
        one_time_kyber: one_time.map(signed_key).collect(),
        replace: false,
    }
}

pub fn new_account(n: u8, keys: PreKeyUpload) -> CreateAccount {
    CreateAccount {
        account: Account {
            id: account(n),
            username: Username::parse(&format!("user_{n}")).expect("a valid name"),
            identity_key: vec![n; 33].into(),
            recovery: Recovery { auth_key: [n; 32], backup: vec![n; 8].into() },
            disabled: false,
            created: T0,
        },
        list: SignedDeviceList {
            version: 1,
            devices: vec![ListedDevice { id: DeviceId::FIRST, registration_id: 7, auth_key: [n; 32] }],
            payload: vec![n; 20].into(),
            signature: vec![n; 64].into(),
        },
        device: NewDevice { id: DeviceId::FIRST, encrypted_name: Bytes::new(), keys, now: T0 },
        invite: None,
    }
}

pub fn group(n: u8) -> GroupId {
    GroupId::from_bytes([n; 32])
}

/// A group's first operation, by the first of its members.
pub fn new_group(n: u8, members: Vec<AccountId>) -> OperationCommit {
    OperationCommit {
        group: group(n),
        follows: None,
        sender: DeviceAddress::new(members[0], DeviceId::FIRST),
        head: [n; 32],
        revision: 1,
        payload: vec![n; 50].into(),
        signature: vec![n; 64].into(),
        state: vec![n; 40].into(),
        details: Some(vec![n; 30].into()),
        members,
        renewed: Vec::new(),
        changes_roster: true,
        now: T0,
    }
}

/// A message of 300 bytes from account 1 to a group.
pub fn group_message(n: u8, roster: u64, client_msg_id: u128) -> GroupCommit {
    GroupCommit {
        send: SendId { from: address(1), client_msg_id: ClientMsgId::from_bytes((client_msg_id + 1).to_be_bytes()) },
        group: group(n),
        roster,
        class: EnvelopeClass::Message,
        seen: MessageId::ZERO,
        ciphertext: vec![n; 300].into(),
        now: T0,
    }
}

pub fn group_settle(n: u8, of: DeviceAddress, up_to: MessageId) -> GroupSettle {
    let advance = GroupAdvance { group: group(n), member: of.account, kind: WatermarkKind::Delivered, up_to, at: T0 };
    GroupSettle { cursors: vec![(of, group(n), up_to)], advance: vec![advance] }
}

/// Writes another schema into a store that is closed, after a change to what is stored.
pub fn with_schema(dir: &Path, schema: u32, change: impl FnOnce(&fjall::Database)) {
    let version = fs::read_to_string(dir.join("VERSION")).unwrap();
    fs::write(dir.join("VERSION"), version.replace(&format!("schema {SCHEMA}"), &format!("schema {schema}"))).unwrap();
    let db = fjall::Database::builder(dir.join("db")).open().unwrap();
    change(&db);
    table(&db, "meta").insert("s:schema", schema.to_be_bytes()).unwrap();
    db.persist(fjall::PersistMode::SyncAll).unwrap();
}

pub fn table(db: &fjall::Database, name: &str) -> fjall::Keyspace {
    db.keyspace(name, fjall::KeyspaceCreateOptions::default).unwrap()
}
