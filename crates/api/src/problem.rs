//! Errors as RFC 9457 problems.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use sotto_domain::Refusal;
use sotto_types::ErrorCode;
use sotto_wire::http::{PROBLEM_JSON, Privacy, Problem};

/// What a handler or an extractor fails with.
#[derive(Debug)]
pub(crate) struct ApiError {
    refusal: Refusal,
    /// Of a conflict: what is in force.
    privacy: Option<Box<Privacy>>,
}

impl ApiError {
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Refusal::new(code, detail).into()
    }

    /// Another device changed the settings first.
    pub fn privacy_conflict(current: Privacy) -> Self {
        let conflict = Self::new(ErrorCode::PrivacyConflict, "another device changed the settings meanwhile");
        Self { privacy: Some(Box::new(current)), ..conflict }
    }

    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadRequest, detail)
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, privacy: None }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        answer(&self.refusal, self.privacy.map(|privacy| *privacy))
    }
}

/// A refusal as the whole API answers it; also for the server's own paths.
pub fn problem_response(refusal: &Refusal) -> Response {
    answer(refusal, None)
}

fn answer(refusal: &Refusal, privacy: Option<Privacy>) -> Response {
    let code = refusal.code;
    let retry_after_ms = refusal.retry_after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
    let accounts = refusal.accounts.clone();
    let problem = Problem { accounts, privacy, ..Problem::new(code, refusal.detail.clone(), retry_after_ms) };
    let status = http::StatusCode::from_u16(code.http_status()).expect("every code has a real HTTP status");
    let mut response = (status, Json(problem)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    // HTTP counts in whole seconds: rounded up, so that nobody comes too early.
    let after_s = match (retry_after_ms, code.http_status()) {
        (Some(ms), _) => Some(ms.div_ceil(1000)),
        (None, 429 | 503) => Some(1),
        (None, _) => None,
    };
    if let Some(seconds) = after_s {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if code.http_status() == 401 {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}
