//! Reports: what one person tells the operator about another. Messages are end-to-end encrypted, so they are the reporter's
//! word, and nothing here proves them.

use crate::limiter::Subject;
use crate::{Domain, Refusal, SignedIn};
use sotto_ports::{NewReport, Report, ReportReason, ReportSummary, ReportedMessage, Resolution};
use sotto_types::{AccountId, ErrorCode, Secret, Username, limits};

/// What the limiter takes for one: ten a day.
pub(crate) const REPORT_COST: u32 = 1_440;

/// A report with the names that its accounts have, if they are still there.
#[derive(Debug, Clone)]
pub struct NamedReport<T> {
    pub report: T,
    pub reporter: Option<Username>,
    pub account: Option<Username>,
}

impl Domain {
    /// The answer is the same whoever `account` is.
    pub async fn report(
        &self,
        who: &SignedIn,
        account: AccountId,
        reason: ReportReason,
        comment: Secret<String>,
        messages: Vec<ReportedMessage>,
    ) -> Result<(), Refusal> {
        let reporter = who.address.account;
        let bad = |detail: String| Err(Refusal::new(ErrorCode::BadRequest, detail));
        if account == reporter {
            return bad("an account cannot report itself".into());
        }
        if comment.expose().chars().count() > limits::REPORT_COMMENT_CHARS {
            return bad(format!("a comment has at most {} characters", limits::REPORT_COMMENT_CHARS));
        }
        if messages.len() > limits::REPORT_MESSAGES {
            return bad(format!("a report has at most {} messages", limits::REPORT_MESSAGES));
        }
        if messages.iter().any(|message| message.text.expose().len() > limits::REPORT_TEXT_BYTES) {
            return Err(Refusal::new(ErrorCode::TooLarge, "a reported message is over 4 KiB"));
        }
        self.limiter.check_cost(Subject::Reports(reporter), REPORT_COST, self.now())?;
        let report = NewReport { at: self.now(), reporter, account, reason, comment, messages };
        self.parts.reports.put_report(report, self.config.reports_max).await?;
        metrics::counter!("sotto_reports_total", "reason" => reason.as_str()).increment(1);
        Ok(())
    }

    /// For the operator: ascending by id, following `after`.
    pub async fn reports(&self, after: u64, limit: usize) -> Result<Vec<NamedReport<ReportSummary>>, Refusal> {
        let mut named = Vec::new();
        for report in self.parts.reports.reports(after, limit).await? {
            let (reporter, account) = (self.name_of(report.reporter).await?, self.name_of(report.account).await?);
            named.push(NamedReport { report, reporter, account });
        }
        Ok(named)
    }

    pub async fn report_of(&self, id: u64) -> Result<NamedReport<Report>, Refusal> {
        let report = self.parts.reports.report(id).await?.ok_or_else(no_report)?;
        let (reporter, account) =
            (self.name_of(report.report.reporter).await?, self.name_of(report.report.account).await?);
        Ok(NamedReport { report, reporter, account })
    }

    pub async fn resolve_report(&self, id: u64, note: Secret<String>) -> Result<(), Refusal> {
        if note.expose().chars().count() > limits::REPORT_COMMENT_CHARS {
            let detail = format!("a note has at most {} characters", limits::REPORT_COMMENT_CHARS);
            return Err(Refusal::new(ErrorCode::BadRequest, detail));
        }
        let resolution = Resolution { at: self.now(), note };
        if self.parts.reports.resolve_report(id, resolution).await? { Ok(()) } else { Err(no_report()) }
    }

    async fn name_of(&self, id: AccountId) -> Result<Option<Username>, Refusal> {
        Ok(self.parts.directory.account(id).await?.map(|account| account.username.clone()))
    }
}

fn no_report() -> Refusal {
    Refusal::new(ErrorCode::NotFound, "there is no report of this number")
}
