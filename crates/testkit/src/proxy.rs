//! A proxy between clients and a server that records everything it sees decrypted (`Recorder`) and may change any of it
//! (`Tamper`): the network and the hostile server of tests. It ends TLS with a certificate of its own making when asked to,
//! unmasks WebSocket frames, and speaks plain HTTP to the server behind it.
//! Always true: what is recorded is what the sender sent, before any tampering; a client's reconnect reaches the same proxy
//! even after the server behind it moved (`set_upstream`).

use crate::raw::choose_tls_provider;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, HOST, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, TRANSFER_ENCODING, UPGRADE,
};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_util::sync::CancellationToken;

/// Which way a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    ToServer,
    ToClient,
}

/// An HTTP exchange as a hostile server may change it.
#[derive(Debug, Clone)]
pub struct Exchange {
    pub method: Method,
    pub path: String,
    pub request: Bytes,
    pub status: u16,
    pub answer: Bytes,
}

/// A hostile network or server. The defaults change nothing.
pub trait Tamper: Send + Sync {
    /// Before the request goes on: `Some` is answered at once and the server never hears of it.
    fn request(&self, _method: &Method, _path: &str, _body: &Bytes) -> Option<(u16, Bytes)> {
        None
    }

    /// May change status and answer.
    fn answer(&self, _exchange: &mut Exchange) {}

    /// What goes on instead of the frame: nothing, one, or several. None closes the connection.
    fn frame(&self, _direction: Direction, frame: Bytes) -> Option<Vec<Bytes>> {
        Some(vec![frame])
    }
}

/// Changes nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Honest;

impl Tamper for Honest {}

type Recorded = Arc<Mutex<Vec<u8>>>;

/// A running proxy; ends when dropped.
pub struct Proxy {
    pub address: SocketAddr,
    /// The certificate authority that clients must trust, if it speaks TLS.
    pub ca: Option<PathBuf>,
    recorded: Recorded,
    upstream: Arc<Mutex<SocketAddr>>,
    tamper: Arc<Mutex<Arc<dyn Tamper>>>,
    cut: Arc<Mutex<CancellationToken>>,
    accept: JoinHandle<()>,
    _folder: Option<tempfile::TempDir>,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Proxy({})", self.address)
    }
}

impl Proxy {
    /// Plain HTTP.
    pub async fn plain(upstream: SocketAddr) -> Self {
        Self::start(upstream, None, None).await
    }

    /// HTTPS with a certificate for localhost, signed by an authority made for this proxy.
    pub async fn tls(upstream: SocketAddr) -> Self {
        choose_tls_provider();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (acceptor, ca) = certificates(folder.path());
        Self::start(upstream, Some(acceptor), Some((folder, ca))).await
    }

    async fn start(upstream: SocketAddr, tls: Option<TlsAcceptor>, ca: Option<(tempfile::TempDir, PathBuf)>) -> Self {
        choose_tls_provider();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let (folder, ca) = ca.map_or((None, None), |(folder, ca)| (Some(folder), Some(ca)));
        let client = reqwest::Client::builder().no_proxy().build().expect("a plain HTTP client");
        let shared = Shared {
            recorded: Recorded::default(),
            upstream: Arc::new(Mutex::new(upstream)),
            tamper: Arc::new(Mutex::new(Arc::new(Honest))),
            cut: Arc::new(Mutex::new(CancellationToken::new())),
            client,
        };
        let (recorded, upstream) = (shared.recorded.clone(), shared.upstream.clone());
        let (tamper, cut) = (shared.tamper.clone(), shared.cut.clone());
        let accept = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let Ok((socket, _)) = listener.accept().await else { return };
                socket.set_nodelay(true).ok();
                let (shared, tls) = (shared.clone(), tls.clone());
                connections.spawn(async move {
                    match tls {
                        None => shared.serve(socket).await,
                        Some(tls) => {
                            if let Ok(socket) = tls.accept(socket).await {
                                shared.serve(socket).await;
                            }
                        }
                    }
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self { address, ca, recorded, upstream, tamper, cut, accept, _folder: folder }
    }

    /// What clients are told as the server.
    pub fn url(&self) -> String {
        match self.ca {
            Some(_) => format!("https://localhost:{}", self.address.port()),
            None => format!("http://{}", self.address),
        }
    }

    /// Everything that passed, decrypted and unmasked, in any order.
    pub fn recorded(&self) -> Vec<u8> {
        lock(&self.recorded).clone()
    }

    pub fn set_upstream(&self, upstream: SocketAddr) {
        *lock(&self.upstream) = upstream;
    }

    /// From now on; open connections see it too.
    pub fn set_tamper(&self, tamper: impl Tamper + 'static) {
        *lock(&self.tamper) = Arc::new(tamper);
    }

    /// Drops every open connection, without a goodbye.
    pub fn cut_all(&self) {
        let old = std::mem::take(&mut *lock(&self.cut));
        old.cancel();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Clone)]
struct Shared {
    recorded: Recorded,
    upstream: Arc<Mutex<SocketAddr>>,
    tamper: Arc<Mutex<Arc<dyn Tamper>>>,
    cut: Arc<Mutex<CancellationToken>>,
    client: reqwest::Client,
}

impl Shared {
    fn record(&self, parts: &[&[u8]]) {
        let mut recorded = lock(&self.recorded);
        for part in parts {
            recorded.extend_from_slice(part);
            recorded.push(b'\n');
        }
    }

    fn tamper(&self) -> Arc<dyn Tamper> {
        lock(&self.tamper).clone()
    }

    async fn serve(self, socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let cut = lock(&self.cut).clone();
        let service = hyper::service::service_fn(move |request| {
            let shared = self.clone();
            async move { Ok::<_, Infallible>(shared.pass(request).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service);
        tokio::select! {
            _ = connection.with_upgrades() => {}
            _ = cut.cancelled() => {}
        }
    }

    async fn pass(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if request.headers().contains_key(SEC_WEBSOCKET_KEY) {
            return self.upgrade(request);
        }
        let (head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        self.record(&[format!("{} {path} {:?}", head.method, head.headers).as_bytes(), &body]);
        if let Some((status, answer)) = self.tamper().request(&head.method, &path, &body) {
            return answered(status, None, answer);
        }
        let url = format!("http://{}{path}", *lock(&self.upstream));
        let mut onward = self.client.request(head.method.clone(), url).body(body.clone());
        for (name, value) in &head.headers {
            if ![HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING].contains(name) {
                onward = onward.header(name, value);
            }
        }
        let Ok(answer) = onward.send().await else { return answered(502, None, Bytes::new()) };
        let status = answer.status().as_u16();
        let headers = answer.headers().clone();
        let answer = answer.bytes().await.unwrap_or_default();
        self.record(&[format!("{status} {headers:?}").as_bytes(), &answer]);
        let mut exchange = Exchange { method: head.method, path, request: body, status, answer };
        self.tamper().answer(&mut exchange);
        answered(exchange.status, Some(&headers), exchange.answer)
    }

    fn upgrade(&self, mut request: Request<Incoming>) -> Response<Full<Bytes>> {
        self.record(&[format!("{} {:?}", request.uri(), request.headers()).as_bytes()]);
        let key = request.headers().get(SEC_WEBSOCKET_KEY).expect("looked for above").clone();
        let path = request.uri().path().to_owned();
        let shared = self.clone();
        let upgrade = hyper::upgrade::on(&mut request);
        // Read when it begins: a cut in between must end it too.
        let cut = lock(&self.cut).clone();
        tokio::spawn(async move {
            let Ok(upgraded) = upgrade.await else { return };
            let client = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
            let url = format!("ws://{}{path}", *lock(&shared.upstream));
            let Ok((server, _)) = tokio_tungstenite::connect_async(url).await else { return };
            let (mut to_client, mut from_client) = client.split();
            let (mut to_server, mut from_server) = server.split();
            tokio::select! {
                _ = shared.pump(Direction::ToServer, &mut from_client, &mut to_server) => {}
                _ = shared.pump(Direction::ToClient, &mut from_server, &mut to_client) => {}
                _ = cut.cancelled() => {}
            }
        });
        Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header(UPGRADE, "websocket")
            .header(CONNECTION, "Upgrade")
            .header(SEC_WEBSOCKET_ACCEPT, derive_accept_key(key.as_bytes()))
            .body(Full::default())
            .expect("a correct answer")
    }

    async fn pump<In, Out>(&self, direction: Direction, from: &mut In, to: &mut Out)
    where
        In: StreamExt<Item = Result<Message, tokio_tungstenite::tungstenite::Error>> + Unpin,
        Out: SinkExt<Message> + Unpin,
    {
        while let Some(Ok(message)) = from.next().await {
            match message {
                Message::Binary(bytes) => {
                    self.record(&[&bytes]);
                    let Some(frames) = self.tamper().frame(direction, bytes) else { break };
                    for frame in frames {
                        if to.send(Message::Binary(frame)).await.is_err() {
                            return;
                        }
                    }
                }
                // Tungstenite answers pings itself, on either side.
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
                Message::Text(text) => {
                    self.record(&[text.as_bytes()]);
                    if to.send(Message::Text(text)).await.is_err() {
                        return;
                    }
                }
                Message::Close(close) => {
                    to.send(Message::Close(close)).await.ok();
                    return;
                }
            }
        }
        to.close().await.ok();
    }
}

fn answered(status: u16, headers: Option<&hyper::HeaderMap>, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    for (name, value) in headers.into_iter().flatten() {
        if ![CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING].contains(name) {
            response.headers_mut().append(name, value.clone());
        }
    }
    response
}

/// A certificate authority and a certificate of its for localhost; the authority's is left as a file in `folder`.
fn certificates(folder: &Path) -> (TlsAcceptor, PathBuf) {
    let ca_key = rcgen::KeyPair::generate().expect("a key");
    let mut ca = rcgen::CertificateParams::new(Vec::<String>::new()).expect("parameters");
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    ca.distinguished_name.push(rcgen::DnType::CommonName, "sotto test authority");
    let ca_certificate = ca.self_signed(&ca_key).expect("a certificate");
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate().expect("a key");
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate =
        rcgen::CertificateParams::new(names).expect("parameters").signed_by(&key, &issuer).expect("a certificate");
    let path = folder.join("ca.pem");
    std::fs::write(&path, ca_certificate.pem()).expect("a file in a temporary folder");
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .expect("the key belongs to the certificate");
    (TlsAcceptor::from(Arc::new(config)), path)
}
