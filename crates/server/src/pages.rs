//! What the listeners serve beside `/v1` and the web app: health, a page where there is no web app, and metrics on a listener
//! of their own.

use crate::web::What;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;
use sotto_domain::Domain;
use sotto_gateway::Gateway;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

const COUNT_EVERY: Duration = Duration::from_secs(60);
const ACCOUNTS_PER_PAGE: usize = 1000;

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

/// What the web app's page about presence shows, as JSON; totals since the start.
pub fn developer(prometheus: PrometheusHandle, domain: Arc<Domain>, started: Instant) -> Router {
    let accounts: Arc<Mutex<(Option<Instant>, u64)>> = Arc::default();
    let answer = move || {
        let (prometheus, domain, accounts) = (prometheus.clone(), domain.clone(), accounts.clone());
        async move {
            let metrics = prometheus.render();
            let body = json!({
                "accounts": count_accounts(&domain, &accounts).await,
                "online": metric(&metrics, "sotto_online_accounts"),
                "connections": metric(&metrics, "sotto_connections"),
                "subscriptions": metric(&metrics, "sotto_presence_subscriptions"),
                "heartbeats": metric(&metrics, "sotto_heartbeats_total"),
                "cpu_ms": cpu_ms(),
                "uptime_ms": u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            });
            ([(header::CACHE_CONTROL, "no-store")], axum::Json(body))
        }
    };
    Router::new().route("/v1/developer/stats", get(answer))
}

/// Looked at once a minute.
async fn count_accounts(domain: &Domain, known: &Mutex<(Option<Instant>, u64)>) -> u64 {
    let mut known = known.lock().await;
    if let (Some(at), count) = *known
        && at.elapsed() < COUNT_EVERY
    {
        return count;
    }
    let (mut after, mut count) = (None, 0);
    while let Ok(page) = domain.list_accounts(after, ACCOUNTS_PER_PAGE).await {
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        count += page.len() as u64;
    }
    *known = (Some(Instant::now()), count);
    count
}

/// The value of a metric without labels, in Prometheus' text.
fn metric(text: &str, name: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.and_then(|value| value.trim().parse::<f64>().ok()).map_or(0, |value| value.max(0.0) as u64)
}

/// Processor time of this process so far, as Linux counts it: in hundredths of a second. Elsewhere 0.
fn cpu_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The program's name comes before and may hold anything.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>().saturating_mul(10)
}

/// Nothing but `/metrics`.
pub fn metrics(prometheus: PrometheusHandle) -> Router {
    let text = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Router::new().route("/metrics", get(move || async move { (text, prometheus.render()) }))
}
