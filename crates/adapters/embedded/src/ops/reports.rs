use super::Kind;
use crate::EmbeddedStore;
use crate::keys::{self, ReportPart};
use crate::people_records::{put_report_summary, put_report_text, report_summary, report_text};
use crate::tables::{Table, failed};
use crate::txn::Txn;
use async_trait::async_trait;
use sotto_ports::{NewReport, Report, ReportStore, ReportSummary, Resolution, StoreError};
use sotto_types::AccountId;

#[async_trait]
impl ReportStore for EmbeddedStore {
    async fn put_report(&self, report: NewReport, keep: usize) -> Result<u64, StoreError> {
        let bytes = report.messages.iter().map(|message| message.text.expose().len() + 16).sum::<usize>();
        let weight = bytes + report.comment.expose().len() + 256;
        self.submit(Kind::GROWS.weighing(weight).scans(), move |txn| put_report(txn, report, keep)).await
    }

    async fn reports(&self, after: u64, limit: usize) -> Result<Vec<ReportSummary>, StoreError> {
        let Some(from) = after.checked_add(1) else { return Ok(Vec::new()) };
        let range = keys::report(ReportPart::Summary, from)..keys::report(ReportPart::Text, 0);
        let records = self.tables.fixed(Table::Reports).range(range).take(limit);
        let summary = |guard: fjall::Guard| {
            let (key, record) = guard.into_inner().map_err(failed)?;
            report_summary(keys::report_id(&key)?, &record)
        };
        records.map(summary).collect()
    }

    async fn report(&self, id: u64) -> Result<Option<Report>, StoreError> {
        let get = |part| self.tables.get(Table::Reports, &keys::report(part, id));
        match (get(ReportPart::Summary)?, get(ReportPart::Text)?) {
            (Some(summary), Some(text)) => report_text(&report_summary(id, &summary)?, &text).map(Some),
            _ => Ok(None),
        }
    }

    async fn resolve_report(&self, id: u64, resolution: Resolution) -> Result<bool, StoreError> {
        let change = move |txn: &mut Txn| {
            let get = |txn: &Txn, part| txn.get(Table::Reports, &keys::report(part, id));
            let (Some(summary), Some(text)) = (get(txn, ReportPart::Summary)?, get(txn, ReportPart::Text)?) else {
                return Ok(false);
            };
            txn.must_be_durable();
            let report = report_text(&report_summary(id, &summary)?, &text)?;
            put(txn, &Report { resolved: Some(resolution), ..report });
            Ok(true)
        };
        self.submit(Kind::GROWS, change).await
    }
}

fn put(txn: &mut Txn, report: &Report) {
    txn.put(Table::Reports, &keys::report(ReportPart::Summary, report.id), &put_report_summary(&report.summary()));
    txn.put(Table::Reports, &keys::report(ReportPart::Text, report.id), &put_report_text(report));
}

fn remove(txn: &mut Txn, id: u64) {
    for part in [ReportPart::Summary, ReportPart::Text] {
        txn.remove(Table::Reports, &keys::report(part, id));
    }
}

/// Of an empty batch: it sees the store alone.
fn summaries(txn: &Txn) -> Result<Vec<ReportSummary>, StoreError> {
    let mut summaries = Vec::new();
    for guard in txn.tables.fixed(Table::Reports).prefix([ReportPart::Summary as u8]) {
        let (key, record) = guard.into_inner().map_err(failed)?;
        summaries.push(report_summary(keys::report_id(&key)?, &record)?);
    }
    Ok(summaries)
}

fn put_report(txn: &mut Txn, report: NewReport, keep: usize) -> Result<u64, StoreError> {
    txn.must_be_durable();
    let mut there = summaries(txn)?;
    let id = there.last().map_or(1, |last| last.id + 1);
    while there.len() >= keep.max(1) {
        let goes = there.iter().position(|report| report.is_resolved).unwrap_or(0);
        remove(txn, there.remove(goes).id);
    }
    put(txn, &Report { id, report, resolved: None });
    Ok(id)
}

/// What a deleted account reported.
pub(super) fn forget_reporter(txn: &mut Txn, id: AccountId) -> Result<(), StoreError> {
    for report in summaries(txn)?.iter().filter(|report| report.reporter == id) {
        remove(txn, report.id);
    }
    Ok(())
}
