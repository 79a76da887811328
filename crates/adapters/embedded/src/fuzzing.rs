//! Entry points for fuzzing: every decoder of what stands on disk, fed any bytes. None may panic.

use crate::backup::{PartReader, is_manifest};
use crate::{keys, records};
use sotto_types::{AccountId, EntryId};

/// Keys and records of every keyspace.
pub fn records(data: &[u8]) {
    let account = AccountId::from_bytes([1; 16]);
    let id = EntryId::new(1);
    if let Ok(item) = records::item(id, data) {
        let mut again = Vec::new();
        records::put_item(&mut again, &item);
        assert_eq!(again, data, "an inbox record that reads must write back the same");
    }
    if let Ok(index) = records::key_index(data) {
        assert_eq!(records::put_key_index(&index), data, "a prekey index that reads must write back the same");
    }
    if let Ok(routing) = records::routing(account, data) {
        assert_eq!(records::put_routing(&routing), data, "a routing record that reads must write back the same");
    }
    let _ = records::committed(data);
    let _ = records::step(data);
    let _ = records::account(data);
    let _ = records::list(data);
    let _ = records::device(data);
    let _ = records::name(data);
    let _ = records::invite([0; 32], data);
    let _ = records::ec(data);
    let _ = records::signed(data);
    let _ = keys::parse_entry(data);
    let _ = keys::parse_ending(data);
    let _ = keys::address(data);
    let _ = crate::ops::prekeys::without_one_time_keys(data);
    let _ = crate::ops::meta::number(data, "number");
}

/// Manifests and parts of backups.
pub fn backup(data: &[u8]) {
    let _ = is_manifest(data);
    if let Ok(mut reader) = PartReader::begin(data) {
        while let Ok(Some(_)) = reader.next() {}
    }
}
