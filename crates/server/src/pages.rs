//! What the listeners serve beside `/v1` and the web app: health, a page where there is no web app, and metrics on a listener
//! of their own.

use crate::web::What;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use sotto_gateway::Gateway;
use std::sync::Arc;

/// `/healthz`: the process answers. `/readyz`: it takes connections.
pub fn health(gateway: Arc<Gateway>) -> Router {
    Router::new().route("/healthz", get(|| async { "ok\n" })).route("/readyz", get(ready)).with_state(gateway)
}

async fn ready(State(gateway): State<Arc<Gateway>>) -> impl IntoResponse {
    if gateway.is_draining() { (StatusCode::SERVICE_UNAVAILABLE, "stopping\n") } else { (StatusCode::OK, "ready\n") }
}

/// `/` without a web app.
pub fn no_app(why: What) -> Response {
    let what_to_do = match why {
        What::NotBuilt => {
            "<p>The web app is missing: this program was built without it. <code>make build</code>, in the source code, builds \
             both. Until then, chat with the terminal client <code>sotto</code> or another Sotto client with this address.</p>"
        }
        _ => "<p>To chat, use a Sotto client with this address. The web app is switched off here.</p>",
    };
    let page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>Sotto</title><style>body{{font:1.1rem/1.5 system-ui;margin:15vh auto;max-width:34rem;padding:0 1rem}}</style>\
         <h1>Sotto</h1><p>A Sotto server, version {}. It carries encrypted messages that it cannot read.</p>\
         {what_to_do}<p>For developers: <a href=\"/docs\">the API</a>, <a href=\"/v1/openapi.json\">OpenAPI</a>.</p>",
        env!("CARGO_PKG_VERSION")
    );
    let policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";
    // Asked for again each time: after the next start the app may be here.
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, Html(page)).into_response()
}

/// Nothing but `/metrics`.
pub fn metrics(prometheus: PrometheusHandle) -> Router {
    let text = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Router::new().route("/metrics", get(move || async move { (text, prometheus.render()) }))
}
