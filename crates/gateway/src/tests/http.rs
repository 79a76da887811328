//! The listener: handshakes, limits, TLS, addresses.

use super::*;
use crate::{TlsSource, routes, serve};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use sotto_types::ClientIp;
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

struct Listening {
    address: SocketAddr,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

async fn listening(world: &World, tls: Option<Arc<TlsSource>>) -> Listening {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let app = routes(world.gateway.clone()).route(
        "/who",
        axum::routing::get(|axum::Extension(ClientIp(ip)): axum::Extension<ClientIp>| async move { ip.to_string() }),
    );
    let task = tokio::spawn(serve(world.gateway.clone(), listener, tls, app, stop.clone()));
    Listening { address, stop, task }
}

fn handshake(extra: &str) -> String {
    format!(
        "GET /v1/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{extra}\r\n"
    )
}

/// Reads a response's head.
async fn head<S: tokio::io::AsyncRead + Unpin>(stream: &mut S) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).await.unwrap() == 1 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap().to_ascii_lowercase()
}

#[tokio::test]
async fn a_websocket_over_tcp_with_hello_in_the_same_packet() {
    let world = World::new().await;
    let ann = world.person(1).await;
    let server = listening(&world, None).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let hello = encoded(1, hello(&world.token(&ann, 0).await));
    stream.write_all(&[handshake("").as_bytes(), &hello].concat()).await.unwrap();
    let head = head(&mut stream).await;
    assert!(head.starts_with("http/1.1 101"), "{head}");
    assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
    let mut peer = Peer::new(stream);
    assert!(matches!(peer.next().await, Seen::Frame(1, Server::Welcome(_))));
    peer.drained().await;
    peer.heartbeat().await;
    // Stopping the listener leaves WebSockets to the drain.
    server.stop.cancel();
    server.task.await.unwrap();
    peer.heartbeat().await;
    assert_eq!(world.gateway.connection_count(), 1);
}

#[tokio::test]
async fn requests_that_are_no_handshake() {
    let world = World::new().await;
    let server = listening(&world, None).await;
    for (request, status, header) in [
        ("GET /v1/ws HTTP/1.1\r\nHost: x\r\n\r\n".into(), "426", "upgrade: websocket"),
        (handshake("").replace(": 13", ": 8"), "426", "sec-websocket-version: 13"),
        (handshake("").replace("GET", "POST"), "405", "allow: get"),
        (handshake("").replace("dGhl", "!!!!"), "400", "application/problem+json"),
        ("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n".into(), "404", ""),
        ("nonsense\r\n\r\n".into(), "400", ""),
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let head = head(&mut stream).await;
        assert!(head.starts_with(&format!("http/1.1 {status}")) && head.contains(header), "{request}{head}");
    }
    assert_eq!(world.gateway.connection_count(), 0);
}

#[tokio::test]
async fn over_the_limit_clients_are_told_when_to_come_back() {
    let world = World::with(|config| {
        config.max_connections_per_ip = 1;
        config.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    })
    .await;
    let server = listening(&world, None).await;
    let open = async |from: &str| {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(handshake(&format!("X-Forwarded-For: {from}\r\n")).as_bytes()).await.unwrap();
        (head(&mut stream).await, stream)
    };
    let (first, _first) = open("192.0.2.1").await;
    assert!(first.starts_with("http/1.1 101"));
    let (second, _) = open("192.0.2.1").await;
    assert!(second.starts_with("http/1.1 503") && second.contains("retry-after: 30"), "{second}");
    let (other, _other) = open("192.0.2.2").await;
    assert!(other.starts_with("http/1.1 101"));
}

#[tokio::test]
async fn handlers_learn_the_clients_address() {
    let world = World::with(|config| config.trusted_proxies = vec!["127.0.0.1".parse().unwrap()]).await;
    let server = listening(&world, None).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = "GET /who HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Forwarded-For: 203.0.113.5\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("203.0.113.5"), "{answer}");
}

#[tokio::test]
async fn the_same_over_tls_and_certificates_can_change() {
    let world = World::new().await;
    let ann = world.person(1).await;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let made = || rcgen::generate_simple_self_signed(vec!["sotto.test".into()]).unwrap();
    let config = |made: &rcgen::CertifiedKey<rcgen::KeyPair>| {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let builder = rustls::ServerConfig::builder_with_provider(provider.clone());
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        Arc::new(builder.with_single_cert(vec![made.cert.der().clone()], key).unwrap())
    };
    let connector = |made: &rcgen::CertifiedKey<rcgen::KeyPair>| {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let builder = rustls::ClientConfig::builder_with_provider(provider.clone());
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        tokio_rustls::TlsConnector::from(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
    };
    let (old, new) = (made(), made());
    let source = TlsSource::new(config(&old));
    let server = listening(&world, Some(source.clone())).await;
    let connect = async |connector: tokio_rustls::TlsConnector| {
        let stream = TcpStream::connect(server.address).await.unwrap();
        connector.connect(ServerName::try_from("sotto.test").unwrap(), stream).await
    };
    let mut stream = connect(connector(&old)).await.unwrap();
    stream.write_all(handshake("").as_bytes()).await.unwrap();
    assert!(head(&mut stream).await.starts_with("http/1.1 101"));
    let mut peer = Peer::new(stream);
    peer.hello(&world.token(&ann, 0).await).await;
    assert!(matches!(peer.next().await, Seen::Frame(1, Server::Welcome(_))));
    source.replace(config(&new));
    assert!(connect(connector(&old)).await.is_err());
    assert!(connect(connector(&new)).await.is_ok());
    peer.heartbeat().await;
}
