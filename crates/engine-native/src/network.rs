//! Sockets and HTTP for the engine thread, as tasks that report back to it.
//! Always true:
//! - a connection's reports carry its number, so a late word from an old one is not taken for the new one's;
//! - the engine never waits for the network: a full queue ends that connection, and the engine sends again from its store;
//! - plain and TLS share nothing: a plain server needs no certificates to be read.

use crate::host::ToEngine;
use crate::profile::ProfileError;
use crate::tls;
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use rustls_pki_types::CertificateDer;
use sotto_engine::api::{HttpAnswer, HttpFailure, HttpMethod, HttpRequest, Input};
use sotto_types::limits::FRAME_BYTES;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// A write that takes longer means that the connection is dead.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// For frames already queued when we close (acks, read receipts), and for the server's answer to our close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Frames on their way to one connection. When full the connection is dropped.
const OUTGOING: usize = 4096;
const ANSWER_BYTES: usize = 16 * 1024 * 1024;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// One way of reaching servers: with or without the system's certificates.
struct Stack {
    http: reqwest::Client,
    tls: Arc<rustls::ClientConfig>,
}

impl Stack {
    fn new(extra: &[CertificateDer<'static>], system: bool) -> Self {
        let tls = tls::client_config(extra, system);
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.clone())
            // A bearer token must not follow a redirect, and the WebSocket would not go through a proxy either.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(Duration::from_secs(50))
            .build()
            .expect("the settings above are valid together");
        Self { http, tls: Arc::new(tls) }
    }
}

/// Used by the engine thread; everything it starts runs on the runtime and ends with `stop`.
pub struct Network {
    runtime: tokio::runtime::Handle,
    engine: mpsc::Sender<ToEngine>,
    plain: Stack,
    secure: OnceLock<Stack>,
    extra: Vec<CertificateDer<'static>>,
    requests: TaskTracker,
    /// Apart, because these are waited for when closing: they still write out what was queued. Uploads of prekeys as well.
    connections: TaskTracker,
    stop: CancellationToken,
    connection: Option<Connection>,
    last_number: u64,
}

/// Dropping it closes the socket after what was queued has been written.
struct Connection {
    number: u64,
    outgoing: mpsc::Sender<Bytes>,
}

impl Network {
    pub fn new(
        runtime: tokio::runtime::Handle,
        engine: mpsc::Sender<ToEngine>,
        tls_ca: Option<&Path>,
        [requests, connections]: [&TaskTracker; 2],
        stop: CancellationToken,
    ) -> Result<Self, ProfileError> {
        let (requests, connections) = (requests.clone(), connections.clone());
        let extra = tls_ca.map(tls::read_ca).transpose()?.unwrap_or_default();
        let plain = Stack::new(&[], false);
        let secure = OnceLock::new();
        Ok(Self {
            runtime,
            engine,
            plain,
            secure,
            extra,
            requests,
            connections,
            stop,
            connection: None,
            last_number: 0,
        })
    }

    fn stack(&self, url: &str) -> &Stack {
        let secure = url.starts_with("https:") || url.starts_with("wss:");
        if secure { self.secure.get_or_init(|| Stack::new(&self.extra, true)) } else { &self.plain }
    }

    pub fn is_current(&self, number: u64) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.number == number)
    }

    pub fn connect(&mut self, url: String) {
        self.last_number += 1;
        let number = self.last_number;
        let (outgoing, queue) = mpsc::channel(OUTGOING);
        self.connection = Some(Connection { number, outgoing });
        let connector = Connector::Rustls(self.stack(&url).tls.clone());
        let engine = self.engine.clone();
        let stop = self.stop.clone();
        self.connections.spawn_on(
            async move {
                let reason = tokio::select! {
                    () = stop.cancelled() => return,
                    reason = run_connection(number, url, connector, queue, &engine) => reason,
                };
                let _ = engine.send(ToEngine::Connection(number, Input::TransportClosed { reason })).await;
            },
            &self.runtime,
        );
    }

    pub fn disconnect(&mut self) {
        self.connection = None;
    }

    /// False: the connection could not take it and is gone.
    pub fn send(&mut self, frame: Bytes) -> bool {
        let Some(connection) = &self.connection else { return true };
        let taken = connection.outgoing.try_send(frame).is_ok();
        if !taken {
            self.connection = None;
        }
        taken
    }

    pub fn request(&self, request: HttpRequest) {
        let http = self.stack(&request.url).http.clone();
        let engine = self.engine.clone();
        let stop = self.stop.clone();
        // Prekeys on their way are waited for when closing, like queued frames: the next start may be days away.
        let uploads_keys = request.method == HttpMethod::Put && request.url.ends_with("/v1/keys");
        let tasks = if uploads_keys { &self.connections } else { &self.requests };
        tasks.spawn_on(
            async move {
                let id = request.request;
                let outcome = tokio::select! {
                    () = stop.cancelled() => return,
                    outcome = run_request(http, request) => outcome,
                };
                let _ = engine.send(ToEngine::Input(Input::HttpAnswer { request: id, outcome })).await;
            },
            &self.runtime,
        );
    }
}

/// Returns why it ended, for people.
async fn run_connection(
    number: u64,
    url: String,
    connector: Connector,
    queue: mpsc::Receiver<Bytes>,
    engine: &mpsc::Sender<ToEngine>,
) -> String {
    let config = WebSocketConfig::default()
        .max_message_size(Some(FRAME_BYTES))
        .max_frame_size(Some(FRAME_BYTES))
        .read_buffer_size(16 * 1024);
    let opening = connect_async_tls_with_config(url, Some(config), true, Some(connector));
    let socket = match tokio::time::timeout(CONNECT_TIMEOUT, opening).await {
        Ok(Ok((socket, _))) => socket,
        Ok(Err(error)) => return describe(&error),
        Err(_) => return "the server does not answer".into(),
    };
    if engine.send(ToEngine::Connection(number, Input::TransportOpened)).await.is_err() {
        return String::new();
    }
    let (sink, stream) = socket.split();
    // Two halves, so that a server which is busy writing to us does not wait for our writes and we for its.
    let mut writer = std::pin::pin!(write_all(sink, queue));
    let mut reader = std::pin::pin!(read_all(number, stream, engine));
    tokio::select! {
        reason = &mut reader => reason,
        written = &mut writer => match written {
            // We closed: give the server a moment to answer the close, so that it has read everything.
            Ok(()) => tokio::time::timeout(CLOSE_TIMEOUT, reader).await.unwrap_or_else(|_| "closed".into()),
            Err(reason) => reason,
        },
    }
}

async fn write_all(mut sink: SplitSink<Socket, Message>, mut queue: mpsc::Receiver<Bytes>) -> Result<(), String> {
    while let Some(frame) = queue.recv().await {
        let write = async {
            sink.feed(Message::Binary(frame)).await?;
            while let Ok(frame) = queue.try_recv() {
                sink.feed(Message::Binary(frame)).await?;
            }
            sink.flush().await
        };
        match tokio::time::timeout(WRITE_TIMEOUT, write).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(describe(&error)),
            Err(_) => return Err("the server stopped reading".into()),
        }
    }
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, sink.send(Message::Close(None))).await;
    Ok(())
}

async fn read_all(number: u64, mut stream: SplitStream<Socket>, engine: &mpsc::Sender<ToEngine>) -> String {
    while let Some(message) = stream.next().await {
        let input = match message {
            Ok(Message::Binary(frame)) => Input::Frame(frame),
            Ok(Message::Text(_)) => return "the server sent text where frames belong".into(),
            Ok(Message::Close(Some(why))) if !why.reason.is_empty() => return why.reason.to_string(),
            Ok(Message::Close(_)) => return "the server closed the connection".into(),
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => continue,
            Err(error) => return describe(&error),
        };
        // An engine that has ended no longer listens, but the writer may still be flushing: read on until the close.
        let _ = engine.send(ToEngine::Connection(number, input)).await;
    }
    "the connection ended".into()
}

fn describe(error: &tungstenite::Error) -> String {
    if let Some(reason) = tls::tls_reason(error) {
        return format!("the server's certificate is not trusted: {reason}");
    }
    match error {
        tungstenite::Error::Http(answer) => format!("this is no Sotto server: it answered HTTP {}", answer.status()),
        other => tls::root_cause(other),
    }
}

async fn run_request(http: reqwest::Client, request: HttpRequest) -> Result<HttpAnswer, HttpFailure> {
    let method = match request.method {
        HttpMethod::Get => reqwest::Method::GET,
        HttpMethod::Post => reqwest::Method::POST,
        HttpMethod::Put => reqwest::Method::PUT,
        HttpMethod::Delete => reqwest::Method::DELETE,
    };
    let mut builder = http.request(method, &request.url).timeout(Duration::from_millis(request.timeout_ms.max(1)));
    if let Some(token) = &request.bearer {
        builder = builder.bearer_auth(token.expose());
    }
    if let Some(body) = request.body {
        builder = builder.header(http::header::CONTENT_TYPE, "application/json").body(body);
    }
    let place = host_of(&request.url);
    let failure = |error| failure(error, &place);
    let again = builder.try_clone().filter(|_| matches!(request.method, HttpMethod::Get));
    let mut answer = match (builder.send().await, again) {
        // The server had closed a kept connection just before we used it.
        (Err(error), Some(again)) if error.is_request() && !error.is_timeout() && !error.is_connect() => {
            again.send().await.map_err(failure)?
        }
        (sent, _) => sent.map_err(failure)?,
    };
    let status = answer.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failure)? {
        if body.len().saturating_add(chunk.len()) > ANSWER_BYTES {
            return Err(HttpFailure::Unreachable(format!("{place}: its answer is too long")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(HttpAnswer { status, body })
}

/// "127.0.0.1:8080": people need to see where we looked.
fn host_of(url: &str) -> String {
    url.parse::<http::Uri>().ok().and_then(|uri| uri.authority().map(ToString::to_string)).unwrap_or_default()
}

fn failure(error: reqwest::Error, place: &str) -> HttpFailure {
    if let Some(reason) = tls::tls_reason(&error) {
        HttpFailure::Tls(reason)
    } else if error.is_timeout() {
        HttpFailure::Timeout
    } else {
        HttpFailure::Unreachable(format!("{place}: {}", tls::root_cause(&error)))
    }
}
