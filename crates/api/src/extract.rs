//! Extractors: bytes from outside become checked values or a problem.

use crate::App;
use crate::problem::ApiError;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sotto_domain::SignedIn;
use sotto_types::ErrorCode;

/// A JSON body within its route's limit.
#[derive(Debug)]
pub(crate) struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            let detail = "send the body as application/json";
            return Err(ApiError::new(ErrorCode::UnsupportedMediaType, detail));
        }
        let body = Bytes::from_request(request, app);
        let bytes = match app.config.body_timeout {
            Some(within) => tokio::time::timeout(within, body)
                .await
                .map_err(|_| ApiError::bad_request("the body did not arrive in time"))?,
            None => body.await,
        };
        let bytes = bytes.map_err(unread)?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| ApiError::bad_request(describe(&error)))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn unread(rejection: BytesRejection) -> ApiError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        ApiError::new(ErrorCode::TooLarge, "the body is over this path's limit")
    } else {
        ApiError::bad_request("the body could not be read")
    }
}

/// Where and why, without quoting the body: details end up in logs of clients.
fn describe(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Data => {
            let text = error.to_string();
            let known = ["missing field", "unknown variant", "duplicate field", "not standard base64", "not a UUID"];
            let named = known.iter().any(|start| text.starts_with(start));
            if named { text } else { "a field has the wrong type or an impossible value".into() }
        }
        serde_json::error::Category::Eof => "the JSON ends too early".into(),
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "not JSON".into(),
    };
    if what.contains(" at line ") { what } else { format!("{what} at line {} column {}", error.line(), error.column()) }
}

/// The device that asks: a verified token of a device that is still linked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller(pub SignedIn);

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let missing = || ApiError::new(ErrorCode::TokenInvalid, "send \"Authorization: Bearer <access token>\"");
        let value = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).ok_or_else(missing)?;
        let (scheme, token) = value.split_once(' ').ok_or_else(missing)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(missing());
        }
        Ok(Self(app.domain.authenticate(token.trim()).await?))
    }
}

/// The one parameter in the path, as text.
#[derive(Debug)]
pub(crate) struct InPath(pub String);

impl FromRequestParts<App> for InPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let Path(text) = Path::<String>::from_request_parts(parts, app)
            .await
            .map_err(|_| ApiError::bad_request("the path is not valid UTF-8"))?;
        Ok(Self(text))
    }
}

/// The value of a parameter in the query.
pub(crate) fn in_query<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// A JSON answer with its status.
pub(crate) struct Answer<T>(pub StatusCode, pub T);

impl<T> Answer<T> {
    pub fn ok(value: T) -> Self {
        Self(StatusCode::OK, value)
    }

    pub fn created(value: T) -> Self {
        Self(StatusCode::CREATED, value)
    }
}

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        (self.0, axum::Json(self.1)).into_response()
    }
}

pub(crate) type Answered<T> = Result<Answer<T>, ApiError>;
pub(crate) type Done = Result<StatusCode, ApiError>;

/// 204: it is done, there is nothing to say.
pub(crate) const DONE: StatusCode = StatusCode::NO_CONTENT;
