//! Writes what the fuzz targets `store_records` and `store_backup` start from: a small store's backup, and its first record of
//! each table: `cargo run -p sotto-embedded --example write_fuzz_records`. Seeds that are there stay.

#[path = "../tests/common/mod.rs"]
mod common;

use common::{T0, account, address, group_message, group_settle, keys, new_account, new_group, open, send, signed_key};
use sotto_ports::{
    Advance, Audience, ContactChange, DirectoryStore, GroupStore, InboxStore, Invite, MetaStore, PeopleStore,
    PreKeyStore, PreKeyUpload, Privacy, PrivacyRule, Profile, Settle, WatermarkKind,
};
use sotto_types::{Conversation, MessageId, ProfileKeyId};
use std::path::Path;

fn put(target: &str, name: &str, seed: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../fuzz/corpus").join(target);
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join(name);
    if !file.exists() {
        std::fs::write(file, seed).expect("written");
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = open(&dir.path().join("data"));
    for n in [1, 2] {
        store.create_account(new_account(n, keys(0..2))).await.expect("stored");
    }
    let committed = store.commit_send(send(1, &[address(2)], T0)).await.expect("stored");
    let advance = Advance {
        author: account(1),
        member: account(2),
        kind: WatermarkKind::Delivered,
        up_to: committed.message_id,
        at: T0,
        notify: vec![(address(1), Conversation::Peer(account(2)))],
        if_contact: false,
    };
    store
        .settle(Settle { of: address(2), envelopes: Vec::new(), remove: Vec::new(), advance: vec![advance] })
        .await
        .expect("stored");
    let made = store.commit_operation(new_group(1, vec![account(1), account(2)])).await.expect("stored");
    let sent = store.commit_message(group_message(1, made.roster, 2)).await.expect("stored");
    store.settle_groups(group_settle(1, address(2), sent.message_id)).await.expect("stored");
    let mut pairwise = send(3, &[address(1)], T0);
    pairwise.group = Some((common::group(1), None));
    store.commit_send(pairwise).await.expect("stored");
    store.set_block(account(1), account(2), true).await.expect("stored");
    let change = ContactChange {
        owner: account(1),
        other: account(2),
        is_contact: true,
        tell: Vec::new(),
        tell_read: false,
        at: T0,
    };
    store.set_contact(change).await.expect("stored");
    let except = PrivacyRule { audience: Audience::Contacts, except: vec![account(2)] };
    let privacy = Privacy { version: 1, group_adds: except, ..Privacy::default() };
    store.set_privacy(account(1), privacy).await.expect("stored");
    let profile = Profile { version: 1, key_id: ProfileKeyId::from_bytes([5; 16]), ciphertext: vec![6; 40].into() };
    store.put_profile(account(1), profile).await.expect("stored");
    store.put_invite(Invite { hash: [7; 32], uses_left: 3, expires: T0 }).await.expect("stored");
    store.put("secret", "value".into()).await.expect("stored");
    let upload = PreKeyUpload { signed: Some(signed_key(9)), ..keys(5..6) };
    store.put_keys(address(2), upload).await.expect("stored");
    assert!(committed.message_id > MessageId::ZERO);

    let backup = dir.path().join("backup");
    store.backup(&backup, T0, &mut |_| {}).expect("copied");
    for file in std::fs::read_dir(&backup).expect("a folder") {
        let file = file.expect("a file");
        let name = file.file_name().to_string_lossy().replace(".part", "");
        let bytes = std::fs::read(file.path()).expect("readable");
        put("store_backup", &name, &bytes);
        let Some((key, value)) = first_record(&bytes) else { continue };
        put("store_records", &format!("{name}_key"), key);
        if !value.is_empty() {
            put("store_records", &name, value);
        }
    }
}

/// After the magic: key length (2 bytes), value length (4), key, value.
fn first_record(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, rest) = part.strip_prefix(b"SOTTOBK1")?.split_first_chunk::<6>()?;
    let [k0, k1, v0, v1, v2, v3] = *head;
    let (key, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([k0, k1])))?;
    let value = rest.get(..usize::try_from(u32::from_be_bytes([v0, v1, v2, v3])).ok()?)?;
    Some((key, value))
}
