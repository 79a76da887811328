//! What the listeners serve beside `/v1`: health, the page for people, and metrics on a listener of their own.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use sotto_gateway::Gateway;
use std::sync::Arc;

/// `/healthz`: the process answers. `/readyz`: it takes connections. `/`: a page for people.
pub fn health(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(gateway)
}

async fn ready(State(gateway): State<Arc<Gateway>>) -> impl IntoResponse {
    if gateway.is_draining() { (StatusCode::SERVICE_UNAVAILABLE, "stopping\n") } else { (StatusCode::OK, "ready\n") }
}

async fn home() -> impl IntoResponse {
    let page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>Sotto</title><style>body{{font:1.1rem/1.5 system-ui;margin:15vh auto;max-width:34rem;padding:0 1rem}}</style>\
         <h1>Sotto</h1><p>A Sotto server, version {}. It carries encrypted messages that it cannot read.</p>\
         <p>To chat, use a Sotto client with this address. For developers: <a href=\"/docs\">the API</a>, \
         <a href=\"/v1/openapi.json\">OpenAPI</a>.</p>",
        env!("CARGO_PKG_VERSION")
    );
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    ([(header::CONTENT_SECURITY_POLICY, policy), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")], Html(page))
}

/// Nothing but `/metrics`.
pub fn metrics(prometheus: PrometheusHandle) -> Router {
    let text = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Router::new().route("/metrics", get(move || async move { (text, prometheus.render()) }))
}
