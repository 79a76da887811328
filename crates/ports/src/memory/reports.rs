use super::MemoryStore;
use crate::{NewReport, Report, ReportStore, ReportSummary, Resolution, StoreError};
use async_trait::async_trait;
use std::ops::Bound;

#[async_trait]
impl ReportStore for MemoryStore {
    async fn put_report(&self, report: NewReport, keep: usize) -> Result<u64, StoreError> {
        let reports = &mut self.state.lock().reports;
        let id = reports.last_key_value().map_or(1, |(last, _)| last + 1);
        while reports.len() >= keep.max(1) {
            let resolved = reports.values().find(|report| report.resolved.is_some());
            let Some(goes) = resolved.or_else(|| reports.values().next()).map(|report| report.id) else { break };
            reports.remove(&goes);
        }
        reports.insert(id, Report { id, report, resolved: None });
        Ok(id)
    }

    async fn reports(&self, after: u64, limit: usize) -> Result<Vec<ReportSummary>, StoreError> {
        let state = self.state.lock();
        let following = state.reports.range((Bound::Excluded(after), Bound::Unbounded));
        Ok(following.take(limit).map(|(_, report)| report.summary()).collect())
    }

    async fn report(&self, id: u64) -> Result<Option<Report>, StoreError> {
        Ok(self.state.lock().reports.get(&id).cloned())
    }

    async fn resolve_report(&self, id: u64, resolution: Resolution) -> Result<bool, StoreError> {
        let mut state = self.state.lock();
        Ok(state.reports.get_mut(&id).map(|report| report.resolved = Some(resolution)).is_some())
    }
}
