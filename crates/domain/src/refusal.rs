use sotto_ports::StoreError;
use sotto_types::{AccountId, ErrorCode};
use std::time::Duration;

/// Why a request is refused, with the number that tells the client what to do. Making one counts it in
/// `sotto_refusals_total{reason}`.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}: {detail}", code.slug())]
#[non_exhaustive]
pub struct Refusal {
    pub code: ErrorCode,
    /// English, for developers; never contains a secret.
    pub detail: String,
    pub retry_after: Option<Duration>,
    /// Whom it concerns, where the code says so.
    pub accounts: Vec<AccountId>,
}

impl Refusal {
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        metrics::counter!("sotto_refusals_total", "reason" => code.slug()).increment(1);
        Self { code, detail: detail.into(), retry_after: None, accounts: Vec::new() }
    }

    pub fn rate_limited(retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(ErrorCode::RateLimited, "too many requests") }
    }

    /// The server cannot do it now; nothing is wrong with the request.
    pub fn unavailable(detail: impl Into<String>, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(ErrorCode::Unavailable, detail) }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        // What failed inside is for the operator's log, not for the client.
        let (code, detail) = match &error {
            StoreError::Overloaded => (ErrorCode::Unavailable, "the server is busy"),
            StoreError::Full => (ErrorCode::StorageFull, "the server's disk is full; its operator must free space"),
            StoreError::Damaged(_) | StoreError::Failed(_) => (ErrorCode::Internal, "the server's store failed"),
        };
        if code == ErrorCode::Internal {
            tracing::error!(%error, "store error");
        }
        Self { retry_after: Some(Duration::from_secs(1)), ..Self::new(code, detail) }
    }
}
