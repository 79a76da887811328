//! Promises of `ReportStore`.

use super::world::*;
use super::{Subject, World};
use crate::{EntryFeed, NewReport, ReportReason, ReportedMessage, Resolution};
use sotto_types::Secret;
use std::sync::Arc;
use tokio::task::JoinSet;

/// What one account says about another.
pub fn report(reporter: u8, about: u8, reason: ReportReason) -> NewReport {
    let message = |text: &str| ReportedMessage { sent_at: T0, text: Secret::new(text.to_owned()) };
    NewReport {
        at: T0,
        reporter: account(reporter),
        account: account(about),
        reason,
        comment: Secret::new(format!("by {reporter}")),
        messages: vec![message("buy now"), message("")],
    }
}

fn resolution(note: &str) -> Resolution {
    Resolution { at: T0, note: Secret::new(note.to_owned()) }
}

async fn ids(w: &World) -> Vec<u64> {
    w.subject.reports.reports(0, 1_000).await.unwrap().iter().map(|report| report.id).collect()
}

pub async fn reports_are_kept_until_resolved(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    let r = &w.subject.reports;
    assert_eq!(r.report(1).await.unwrap(), None);
    for (n, reason) in (1..).zip([ReportReason::Spam, ReportReason::Abuse, ReportReason::Other]) {
        assert_eq!(r.put_report(report(1, 2, reason), 10).await.unwrap(), n);
        let stored = r.report(n).await.unwrap().unwrap();
        assert_eq!((stored.id, &stored.report, &stored.resolved), (n, &report(1, 2, reason), &None));
    }
    for note in ["first", "second"] {
        assert!(r.resolve_report(2, resolution(note)).await.unwrap());
        assert_eq!(r.report(2).await.unwrap().unwrap().resolved, Some(resolution(note)));
    }
    assert!(!r.resolve_report(9, resolution("none")).await.unwrap());
    let page = r.reports(0, 2).await.unwrap();
    assert_eq!(page.iter().map(|report| (report.id, report.is_resolved)).collect::<Vec<_>>(), [(1, false), (2, true)]);
    assert_eq!(page[0], r.report(1).await.unwrap().unwrap().summary());
    assert_eq!(r.reports(2, 2).await.unwrap().len(), 1);
    assert!(r.reports(3, 2).await.unwrap().is_empty());
}

pub async fn the_oldest_resolved_one_makes_room(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    let r = &w.subject.reports;
    for _ in 0..4 {
        r.put_report(report(1, 2, ReportReason::Spam), 4).await.unwrap();
    }
    for id in [3, 2] {
        assert!(r.resolve_report(id, resolution("")).await.unwrap());
    }
    for want in [&[1, 3, 4, 5][..], &[1, 4, 5, 6], &[4, 5, 6, 7]] {
        r.put_report(report(1, 2, ReportReason::Spam), 4).await.unwrap();
        assert_eq!(ids(&w).await, want);
    }
    assert_eq!(r.report(1).await.unwrap(), None);
}

pub async fn racing_reports_are_all_kept(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    let mut tasks = JoinSet::new();
    for n in 0..20 {
        let r = w.subject.reports.clone();
        tasks.spawn(async move { r.put_report(report(n, 2, ReportReason::Other), 100).await.unwrap() });
    }
    let mut given = tasks.join_all().await;
    given.sort_unstable();
    assert_eq!(given, (1..=20).collect::<Vec<_>>());
    assert_eq!(ids(&w).await, given);
}

pub async fn a_deleted_account_takes_its_reports_along(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    for n in [1, 2] {
        w.person(n, 1).await;
    }
    for (by, about) in [(1, 2), (2, 1), (1, 3)] {
        w.subject.reports.put_report(report(by, about, ReportReason::Abuse), 10).await.unwrap();
    }
    w.subject.directory.delete_account(account(1), T0).await.unwrap();
    assert_eq!(ids(&w).await, [2], "what others said stays");
    assert_eq!(w.subject.reports.report(1).await.unwrap(), None);
}
