//! `/v1/ws`: from an HTTP request to a connection. hyper answers the handshake; then the raw stream is taken out of it, so
//! that its buffers are freed, and handed to `Gateway::run`.

use crate::gateway::{Gateway, NotAdmitted};
use crate::stats::Stats;
use axum::Router as HttpRouter;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper_util::rt::TokioIo;
use sha1::{Digest as _, Sha1};
use sotto_types::{ClientIp, ErrorCode};
use sotto_wire::http::{PROBLEM_JSON, Problem};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// RFC 6455 section 1.3.
const ACCEPT_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// How long a client waits that found no place.
const RETRY_AFTER_S: u32 = 30;

/// The route of the WebSocket.
pub fn routes(gateway: Arc<Gateway>) -> HttpRouter {
    HttpRouter::new().route("/v1/ws", axum::routing::any(open)).with_state(gateway)
}

/// Why a request is no handshake.
#[derive(Debug, PartialEq, Eq)]
enum NoHandshake {
    Method,
    Upgrade,
    Version,
    Key,
}

async fn open(State(gateway): State<Arc<Gateway>>, mut request: Request) -> Response {
    let accept = match accept_key(request.method(), request.headers()) {
        Ok(accept) => accept,
        Err(why) => return refuse_handshake(&why),
    };
    let from = request.extensions().get::<ClientIp>().copied().unwrap_or(ClientIp(IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
    let (permit, handle) = match gateway.admit(from) {
        Ok(admitted) => admitted,
        Err(why) => return refuse_connection(why),
    };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        // What hyper kept is freed with `parts` when this task ends; the connection's own task is small.
        match upgraded.downcast::<TokioIo<TcpStream>>() {
            Ok(parts) => gateway.run(parts.io.into_inner(), &parts.read_buf, permit, handle),
            Err(upgraded) => match upgraded.downcast::<TokioIo<TlsStream<TcpStream>>>() {
                Ok(parts) => gateway.run(parts.io.into_inner(), &parts.read_buf, permit, handle),
                Err(_) => tracing::error!("an upgraded stream is neither plain nor TLS"),
            },
        }
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    response
}

/// RFC 6455 section 4.2.1.
fn accept_key(method: &Method, headers: &HeaderMap) -> Result<HeaderValue, NoHandshake> {
    if method != Method::GET {
        return Err(NoHandshake::Method);
    }
    if !has_token(headers, &header::UPGRADE, "websocket") || !has_token(headers, &header::CONNECTION, "upgrade") {
        return Err(NoHandshake::Upgrade);
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(NoHandshake::Version);
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or(NoHandshake::Key)?;
    if STANDARD.decode(key.as_bytes()).map_err(|_| NoHandshake::Key)?.len() != 16 {
        return Err(NoHandshake::Key);
    }
    let digest = Sha1::new().chain_update(key.as_bytes()).chain_update(ACCEPT_SUFFIX).finalize();
    Ok(HeaderValue::from_str(&STANDARD.encode(digest)).expect("base64 is a header value"))
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(token))
}

fn refuse_handshake(why: &NoHandshake) -> Response {
    let (status, detail) = match why {
        NoHandshake::Method => (StatusCode::METHOD_NOT_ALLOWED, "a WebSocket is opened with GET"),
        NoHandshake::Upgrade => (StatusCode::UPGRADE_REQUIRED, "this is a WebSocket: connect with a WebSocket client"),
        NoHandshake::Version => (StatusCode::UPGRADE_REQUIRED, "only WebSocket version 13"),
        NoHandshake::Key => (StatusCode::BAD_REQUEST, "Sec-WebSocket-Key is missing or not 16 bytes"),
    };
    let code = if *why == NoHandshake::Method { ErrorCode::MethodNotAllowed } else { ErrorCode::BadRequest };
    let mut response = problem(status, code, detail, None);
    let headers = response.headers_mut();
    if status == StatusCode::UPGRADE_REQUIRED {
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    } else if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET"));
    }
    response
}

fn refuse_connection(why: NotAdmitted) -> Response {
    Stats::refused(why.as_str());
    let (code, detail) = match why {
        NotAdmitted::Full => (ErrorCode::Unavailable, "the server has as many connections as it takes"),
        NotAdmitted::TooManyOfAddress => (ErrorCode::Unavailable, "too many connections from this address"),
        NotAdmitted::Draining => (ErrorCode::GoingAway, "the server is shutting down"),
    };
    problem(StatusCode::SERVICE_UNAVAILABLE, code, detail, Some(RETRY_AFTER_S))
}

fn problem(status: StatusCode, code: ErrorCode, detail: &str, retry_after_s: Option<u32>) -> Response {
    let retry_after_ms = retry_after_s.map(|seconds| u64::from(seconds) * 1000);
    let body = Problem { status: status.as_u16(), ..Problem::new(code, detail, retry_after_ms) };
    let mut response = (status, axum::Json(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    if let Some(seconds) = retry_after_s {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    #[test]
    fn the_handshake_of_the_rfc() {
        let good = [
            ("upgrade", "WebSocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        assert_eq!(accept_key(&Method::GET, &headers(&good)).unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(accept_key(&Method::POST, &headers(&good)), Err(NoHandshake::Method));
        for (missing, want) in
            [NoHandshake::Upgrade, NoHandshake::Upgrade, NoHandshake::Version, NoHandshake::Key].iter().enumerate()
        {
            let mut pairs = good.to_vec();
            pairs.remove(missing);
            assert_eq!(accept_key(&Method::GET, &headers(&pairs)).as_ref(), Err(want));
        }
        let mut short = good;
        short[3].1 = "c2hvcnQ=";
        assert_eq!(accept_key(&Method::GET, &headers(&short)), Err(NoHandshake::Key));
    }
}
