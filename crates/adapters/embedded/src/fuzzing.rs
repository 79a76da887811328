//! Entry points for fuzzing: every decoder of what stands on disk, fed any bytes. None may panic.

use crate::backup::{PartReader, is_manifest};
use crate::{group_records, keys, people_records, records};
use sotto_ports::{ReportReason, ReportSummary};
use sotto_types::{AccountId, EntryId, GroupId, Timestamp};

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
    let group = GroupId::from_bytes([1; 32]);
    if let Ok(entry) = group_records::logged(data) {
        let mut again = Vec::new();
        group_records::put_logged(&mut again, &entry);
        assert_eq!(again, data, "a log record that reads must write back the same");
    }
    if let Ok(read) = group_records::group(1, data) {
        assert_eq!(group_records::put_group(&read), data, "a group record that reads must write back the same");
    }
    if let Ok(Some(head)) = group_records::head(group, data) {
        assert_eq!(group_records::put_head(group, head), data, "a head that reads must write back the same");
    }
    if let Ok(stays) = group_records::stays(data) {
        assert_eq!(group_records::put_stays(&stays), data, "a membership that reads must write back the same");
    }
    if let Ok(operation) = group_records::operation(1, data) {
        let again = group_records::put_operation(&operation);
        assert_eq!(again, data, "an operation that reads must write back the same");
    }
    if let Ok(privacy) = people_records::privacy(data) {
        assert_eq!(people_records::put_privacy(&privacy), data, "settings that read must write back the same");
    }
    if let Ok(profile) = people_records::profile(data) {
        assert_eq!(people_records::put_profile(&profile), data, "a profile that reads must write back the same");
    }
    if let Ok(summary) = people_records::report_summary(1, data) {
        assert_eq!(people_records::put_report_summary(&summary), data, "a report that reads must write back the same");
    }
    let about = ReportSummary {
        id: 1,
        at: Timestamp::ZERO,
        reporter: account,
        account,
        reason: ReportReason::Other,
        is_resolved: false,
    };
    if let Ok(report) = people_records::report_text(&about, data) {
        assert_eq!(people_records::put_report_text(&report), data, "a text that reads must write back the same");
    }
    let _ = keys::report_id(data);
    let _ = keys::second_of_pair(data);
    let _ = group_records::mark(data);
    let _ = group_records::read_one(data, "number");
    let _ = keys::parse_logged(data);
    let _ = keys::parse_operation(data);
    if let Ok((day, what)) = keys::parse_of_day(data) {
        assert_eq!(keys::of_day(day, what), data, "a calendar key that reads must write back the same");
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
