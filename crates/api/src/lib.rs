//! The HTTP API under `/v1`, its OpenAPI document and its readable documentation.
//! Flow: request -> one row of `endpoints` (method, path, handler, and what the document says about them) -> extractors parse
//!       into domain values with `?` -> one `Domain` method -> JSON, or an RFC 9457 problem.
//! Always true:
//! - router, OpenAPI document and readable docs come from the same rows, so none can miss a path of another;
//! - whatever goes wrong, also before a handler runs, is answered with a problem that has a stable code;
//! - a body is read only up to its route's limit and within a time, and never appears in a log.
//!
//! Elsewhere: shapes are `sotto_wire::http`, decisions are `sotto_domain`'s, the listener is the server's.

mod client_ip;
mod config;
mod convert;
mod docs;
mod endpoint;
mod endpoints;
mod error_texts;
mod extract;
mod handlers;
mod layers;
mod openapi;
mod problem;

pub use config::ApiConfig;
pub use error_texts::meaning as error_meaning;
pub use problem::problem_response;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use sotto_domain::Domain;
use sotto_types::ErrorCode;
use std::sync::Arc;

/// What handlers share.
#[derive(Clone)]
pub(crate) struct App {
    pub domain: Arc<Domain>,
    pub config: Arc<ApiConfig>,
}

/// What is served at paths that have no route: files, if the server has any. `None`: nothing is there either. It is asked for
/// every method, and must not wait.
pub type Files = Arc<dyn Fn(&Parts) -> Option<Response> + Send + Sync>;

/// Every route under `/v1` but the WebSocket, plus `/docs`. The listener puts a `ClientIp` into each request's extensions.
pub fn router(domain: Arc<Domain>, config: ApiConfig) -> Router {
    router_and_files(domain, config, Arc::new(|_| None))
}

/// The same with files beside it.
pub fn router_and_files(domain: Arc<Domain>, config: ApiConfig, files: Files) -> Router {
    let app = App { domain, config: Arc::new(config) };
    let endpoints = endpoints::all();
    let document = openapi::document(&endpoints, &app.config.version);
    let routes = endpoints.into_iter().fold(Router::new(), |router, endpoint| {
        let limit = endpoint.body_limit(&app.config);
        router.route(endpoint.path, endpoint.handler.layer(axum::extract::DefaultBodyLimit::max(limit)))
    });
    routes
        .merge(docs::routes(&document))
        .fallback(move |request: Request| async move { file_or_problem(&files, request) })
        .method_not_allowed_fallback(|| async {
            problem::ApiError::new(ErrorCode::MethodNotAllowed, "this path has other methods; see /docs")
        })
        .layer(from_fn(layers::to_the_end))
        .layer(from_fn_with_state(app.clone(), layers::cors))
        .layer(from_fn(layers::headers))
        .layer(from_fn(layers::measure))
        .with_state(app)
}

fn file_or_problem(files: &Files, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    match files(&parts) {
        Some(mut response) => {
            response.extensions_mut().insert(layers::IsFile);
            response
        }
        None => problem::ApiError::new(ErrorCode::NotFound, "there is nothing at this path; see /docs").into_response(),
    }
}

/// The OpenAPI document, for tools that publish it.
pub fn openapi_json(version: &str) -> String {
    let document = openapi::document(&endpoints::all(), version);
    document.to_pretty_json().expect("the document is plain data")
}
