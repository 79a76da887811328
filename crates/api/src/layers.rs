//! What every request passes: metrics, safe headers, CORS, and changes that finish without their client.

use crate::App;
use crate::problem::ApiError;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use sotto_types::ErrorCode;
use web_time::Instant;

/// Marks the answer to a path that has a file and no route.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IsFile;

/// Counts by route (never by raw path: names and ids stay out of metrics); all files are one.
pub(crate) async fn measure(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let method = request.method().clone();
    let start = Instant::now();
    let response = next.run(request).await;
    let is_file = response.extensions().get::<IsFile>().is_some();
    let route = route.unwrap_or_else(|| if is_file { "file" } else { "none" }.to_owned());
    // Methods outside the registered ones could be any word: they must not become labels.
    let method = match method {
        Method::GET => "GET",
        Method::PUT => "PUT",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    };
    let status = response.status().as_u16().to_string();
    metrics::counter!("sotto_http_requests_total", "route" => route.clone(), "method" => method, "status" => status)
        .increment(1);
    metrics::histogram!("sotto_http_request_seconds", "route" => route).record(start.elapsed().as_secs_f64());
    response
}

/// A change goes on when its client is gone: what must follow it (closing the connections of an unlinked device, telling
/// siblings, giving a code back) follows.
pub(crate) async fn to_the_end(request: Request, next: Next) -> Response {
    let only_looks = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if only_looks || request.uri().path().starts_with("/v1/auth/") {
        return next.run(request).await;
    }
    match tokio::spawn(next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::new(ErrorCode::Internal, "the server failed in the middle of this").into_response(),
    }
}

pub(crate) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // Tokens, codes and lists: nothing here may be kept by a cache. The documents set their own.
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

const ALLOWED_METHODS: HeaderValue = HeaderValue::from_static("GET, PUT, POST, DELETE");
const ALLOWED_HEADERS: HeaderValue = HeaderValue::from_static("authorization, content-type");
const EXPOSED_HEADERS: HeaderValue = HeaderValue::from_static("retry-after");
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Closed by default: an origin that is not configured gets no CORS header at all, and the browser refuses.
pub(crate) async fn cors(State(app): State<App>, request: Request, next: Next) -> Response {
    let origin =
        request.headers().get(header::ORIGIN).filter(|origin| allows(&app.config.cors_origins, origin)).cloned();
    let Some(origin) = origin else { return next.run(request).await };
    let is_preflight =
        request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if is_preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    // Beside what is there: a file varies by encoding too.
    response.headers_mut().append(header::VARY, HeaderValue::from_static("origin"));
    let mut set = |name: HeaderName, value: HeaderValue| response.headers_mut().insert(name, value);
    set(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    if is_preflight {
        set(header::ACCESS_CONTROL_ALLOW_METHODS, ALLOWED_METHODS);
        set(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
        set(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    } else {
        set(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
    }
    response
}

fn allows(origins: &[String], origin: &HeaderValue) -> bool {
    origins.iter().any(|allowed| allowed == "*" || allowed.as_bytes() == origin.as_bytes())
}
