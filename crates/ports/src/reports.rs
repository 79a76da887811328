use crate::StoreError;
use async_trait::async_trait;
use sotto_types::{AccountId, Secret, Timestamp};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReportReason {
    Spam,
    Abuse,
    Other,
}

impl ReportReason {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Spam => "spam",
            Self::Abuse => "abuse",
            Self::Other => "other",
        }
    }
}

/// A message as the reporter shows it. Nothing proves it.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportedMessage {
    pub sent_at: Timestamp,
    pub text: Secret<String>,
}

/// One account's word about another, for the operator.
#[derive(Debug, Clone, PartialEq)]
pub struct NewReport {
    pub at: Timestamp,
    pub reporter: AccountId,
    /// Whom it is about.
    pub account: AccountId,
    pub reason: ReportReason,
    pub comment: Secret<String>,
    pub messages: Vec<ReportedMessage>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Resolution {
    pub at: Timestamp,
    pub note: Secret<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    pub id: u64,
    pub report: NewReport,
    pub resolved: Option<Resolution>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportSummary {
    pub id: u64,
    pub at: Timestamp,
    pub reporter: AccountId,
    pub account: AccountId,
    pub reason: ReportReason,
    pub is_resolved: bool,
}

/// What people told the operator about others. Every implementation promises:
/// - each changing method is atomic and durable on return; ids begin at 1, and a new one is above all that are there;
/// - `put_report` keeps at most `keep`: for a new one the oldest that is resolved goes, else the oldest;
/// - what an account reported is gone with `DirectoryStore::delete_account`; what others reported about it stays.
#[async_trait]
pub trait ReportStore: Send + Sync {
    async fn put_report(&self, report: NewReport, keep: usize) -> Result<u64, StoreError>;
    /// Ascending by id, following `after`.
    async fn reports(&self, after: u64, limit: usize) -> Result<Vec<ReportSummary>, StoreError>;
    async fn report(&self, id: u64) -> Result<Option<Report>, StoreError>;
    /// Replaces an earlier resolution. `false`: there is no such report.
    async fn resolve_report(&self, id: u64, resolution: Resolution) -> Result<bool, StoreError>;
}

impl Report {
    pub fn summary(&self) -> ReportSummary {
        let NewReport { at, reporter, account, reason, .. } = self.report;
        ReportSummary { id: self.id, at, reporter, account, reason, is_resolved: self.resolved.is_some() }
    }
}
