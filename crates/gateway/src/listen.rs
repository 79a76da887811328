//! The listener: TCP or TLS connections, each an HTTP/1.1 server until it ends or becomes a WebSocket.
//! Always true:
//! - a peer has `hello_timeout` for the TLS handshake and as long for each request's head;
//! - every request carries the address of its client (`ClientIp`; also as `ConnectInfo`, with port 0 when a proxy named it):
//!   `X-Forwarded-For` is believed only as far as trusted proxies wrote it.

use crate::gateway::Gateway;
use crate::stats::Stats;
use axum::Router as HttpRouter;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::{Mutex, RwLock};
use rustls::ServerConfig;
use sotto_types::{ClientIp, Network};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service as _;

/// Sockets that are no WebSocket (yet) and may be open beside them: of everybody, and of one address.
const HTTP_CONNECTIONS_MAX: usize = 4_096;
const HTTP_CONNECTIONS_OF_ONE: usize = 256;
/// A connection on which no request began for so long is closed, whatever it is doing: perhaps its peer reads nothing.
const HTTP_REQUEST_WITHIN: Duration = Duration::from_secs(300);
const HTTP_BUFFER_BYTES: usize = 16 * 1024;
/// When the process is out of file descriptors, `accept` fails at once, again and again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The TLS configuration in use; replaced when the certificate's files change.
#[derive(Debug)]
pub struct TlsSource(RwLock<Arc<ServerConfig>>);

impl TlsSource {
    pub fn new(config: Arc<ServerConfig>) -> Arc<Self> {
        Arc::new(Self(RwLock::new(config)))
    }

    /// From the next handshake on.
    pub fn replace(&self, config: Arc<ServerConfig>) {
        *self.0.write() = config;
    }

    fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.0.read().clone())
    }
}

/// Serves `app` on `listener` until `stop`, then waits for requests in progress. WebSockets run on (see `Gateway::drain`).
pub async fn serve(
    gateway: Arc<Gateway>,
    listener: TcpListener,
    tls: Option<Arc<TlsSource>>,
    app: HttpRouter,
    stop: CancellationToken,
) {
    let tasks = TaskTracker::new();
    let open = Arc::new(HttpPlaces::default());
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Either this one peer is gone already, or the limit of open files is reached.
                tracing::warn!(%error, "cannot accept a connection; see docs/operations.md, \"open files\"");
                Stats::refused("accept_failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let place = HttpPlace::take(&open, shared_address(from.ip(), &gateway.config.trusted_proxies));
        if place.is_none() {
            Stats::refused("http_full");
        }
        let client = Client { gateway: gateway.clone(), app: app.clone(), stop: stop.clone(), from, place };
        match tls.as_ref().map(|tls| tls.acceptor()) {
            None => tasks.spawn(client.serve(stream)),
            Some(acceptor) => tasks.spawn(client.serve_tls(acceptor, stream)),
        };
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
}

/// Open sockets: all, and by address where that is limited.
#[derive(Default)]
struct HttpPlaces(Mutex<(usize, HashMap<IpAddr, usize>)>);

struct HttpPlace {
    open: Arc<HttpPlaces>,
    address: Option<IpAddr>,
}

impl HttpPlace {
    fn take(open: &Arc<HttpPlaces>, address: Option<IpAddr>) -> Option<Self> {
        let mut places = open.0.lock();
        let (all, by_address) = &mut *places;
        let of_address = address.and_then(|address| by_address.get(&address)).copied().unwrap_or_default();
        if *all >= HTTP_CONNECTIONS_MAX || of_address >= HTTP_CONNECTIONS_OF_ONE {
            return None;
        }
        *all += 1;
        if let Some(address) = address {
            by_address.insert(address, of_address + 1);
        }
        Some(Self { open: open.clone(), address })
    }
}

impl Drop for HttpPlace {
    fn drop(&mut self) {
        let mut places = self.open.0.lock();
        let (all, by_address) = &mut *places;
        *all -= 1;
        if let Some(address) = self.address
            && let Entry::Occupied(mut count) = by_address.entry(address)
        {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// What a socket counts under. Trusted proxies bring many clients, and this machine's own are not limited.
fn shared_address(socket: IpAddr, trusted: &[Network]) -> Option<IpAddr> {
    let client = ClientIp(socket);
    (!client.is_loopback() && !is_trusted(trusted, socket)).then(|| client.subscriber())
}

fn is_trusted(trusted: &[Network], address: IpAddr) -> bool {
    trusted.iter().any(|network| network.contains(address))
}

struct Client {
    gateway: Arc<Gateway>,
    app: HttpRouter,
    stop: CancellationToken,
    from: SocketAddr,
    /// `None`: there was none left.
    place: Option<HttpPlace>,
}

impl Client {
    async fn serve_tls(self, acceptor: TlsAcceptor, stream: TcpStream) {
        if self.place.is_none() {
            return;
        }
        // In a box: a handshake in progress is large, and most of a connection's life comes after it.
        let handshake = Box::pin(acceptor.accept(stream));
        match tokio::time::timeout(self.gateway.config.hello_timeout, handshake).await {
            Ok(Ok(stream)) => self.serve(stream).await,
            Ok(Err(error)) => {
                Stats::refused("tls");
                tracing::debug!(%error, "TLS handshake failed");
            }
            Err(_) => Stats::refused("tls_timeout"),
        }
    }

    async fn serve<S>(self, mut stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { gateway, app, stop, from, place } = self;
        if place.is_none() {
            let refusal = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 30\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = stream.write_all(refusal).await;
            return;
        }
        let hello_timeout = gateway.config.hello_timeout;
        let begins = Arc::new(Notify::new());
        let began = begins.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            let client = client_ip(from.ip(), request.headers(), &gateway.config.trusted_proxies);
            let port = if client == from.ip() { from.port() } else { 0 };
            began.notify_one();
            request.extensions_mut().insert(ClientIp(client));
            request.extensions_mut().insert(ConnectInfo(SocketAddr::new(client, port)));
            app.clone().call(request.map(Body::new))
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(hello_timeout)
            .max_buf_size(HTTP_BUFFER_BYTES)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = Box::pin(connection);
        let mut stopping = false;
        let result = loop {
            tokio::select! {
                result = connection.as_mut() => break result,
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                request = tokio::time::timeout(HTTP_REQUEST_WITHIN, begins.notified()) => {
                    if request.is_err() {
                        Stats::refused("http_stalled");
                        return;
                    }
                }
            }
        };
        if let Err(error) = result {
            tracing::trace!(%error, "HTTP connection ended");
        }
    }
}

/// The rightmost address that is no trusted proxy: everything left of it the client may have written itself.
fn client_ip(socket: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let socket = socket.to_canonical();
    if !is_trusted(trusted, socket) {
        return socket;
    }
    let mut client = socket;
    for value in headers.get_all("x-forwarded-for").iter().rev() {
        for part in value.to_str().unwrap_or_default().rsplit(',') {
            let Ok(named) = part.trim().parse::<IpAddr>() else { return client };
            client = named.to_canonical();
            if !is_trusted(trusted, client) {
                return client;
            }
        }
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_hold_all_places() {
        let open = Arc::new(HttpPlaces::default());
        let take = |address: &str| {
            let socket: IpAddr = address.parse().unwrap();
            HttpPlace::take(&open, shared_address(socket, &["10.0.0.0/8".parse().unwrap()]))
        };
        // All of one IPv6 network count as one.
        let mut held: Vec<_> =
            (0..HTTP_CONNECTIONS_OF_ONE).map(|host| take(&format!("2001:db8::{host:x}")).expect("a place")).collect();
        assert!(take("2001:db8::ffff").is_none());
        assert!(take("2001:db8:1::1").is_some());
        held.pop();
        assert!(take("2001:db8::ffff").is_some(), "the last one was given back");
        // Proxies bring many clients; so does this machine. They share what is left.
        while let Some(place) = take(if held.len() % 2 == 0 { "10.0.0.1" } else { "127.0.0.1" }) {
            held.push(place);
        }
        assert_eq!(held.len(), HTTP_CONNECTIONS_MAX);
        assert!(take("192.0.2.1").is_none());
        drop(held);
        assert!(open.0.lock().1.is_empty(), "nothing is kept of who is gone");
    }

    #[test]
    fn only_trusted_proxies_name_the_client() {
        let trusted: [Network; 2] = ["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()];
        // (socket, X-Forwarded-For, client)
        for (socket, forwarded, want) in [
            ("192.0.2.1", "203.0.113.9", "192.0.2.1"),
            ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
            ("10.0.0.1", "6.6.6.6, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
            ("10.0.0.1", "6.6.6.6 | 203.0.113.9, 10.0.0.2", "203.0.113.9"),
            ("10.0.0.1", "nonsense", "10.0.0.1"),
            ("10.0.0.1", "6.6.6.6, nonsense, 10.0.0.2", "10.0.0.2"),
            ("::ffff:10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ] {
            let mut headers = HeaderMap::new();
            for line in forwarded.split(" | ") {
                headers.append("x-forwarded-for", line.parse().unwrap());
            }
            let got = client_ip(socket.parse().unwrap(), &headers, &trusted);
            assert_eq!(got, want.parse::<IpAddr>().unwrap(), "{socket} {forwarded}");
        }
        let proxy = "10.0.0.1".parse().unwrap();
        assert_eq!(client_ip(proxy, &HeaderMap::new(), &trusted), proxy);
    }
}
