//! Where the server is, and how connections to it are opened.

use crate::http::HttpConn;
use anyhow::{Context, Result, bail};
use rustix::process::{Resource, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream, lookup_host};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// Connections from one source address: below the number of ephemeral ports, above what makes addresses plenty.
const PER_SOURCE: u32 = 2000;
/// Descriptors of a process besides its connections.
const OTHER_FILES: u64 = 64;

/// A server as the processes of a run know it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Target {
    pub address: SocketAddr,
    /// For the `Host` header.
    pub host: String,
}

impl Target {
    /// From a URL such as `http://127.0.0.1:8080`.
    pub async fn parse(url: &str) -> Result<Self> {
        let host = match url.split_once("://") {
            None => url,
            Some(("http" | "ws", host)) => host,
            Some((scheme, _)) => bail!("sotto-bench speaks http only, not {scheme}: measure behind the TLS proxy"),
        };
        let host = host.trim_end_matches('/');
        let with_port = if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
            host.to_owned()
        } else {
            format!("{host}:80")
        };
        let address = lookup_host(&with_port).await.with_context(|| format!("no such address: {with_port}"))?.next();
        Ok(Self { address: address.with_context(|| format!("no such address: {with_port}"))?, host: host.to_owned() })
    }

    pub fn local(address: SocketAddr) -> Self {
        Self { address, host: address.to_string() }
    }

    /// The `index`-th connection of a run. On a loopback server sources are spread over 127.x addresses, because one address
    /// has only some 28,000 ports, and those of closed connections stay taken for a minute.
    pub async fn connect(&self, index: u32) -> Result<TcpStream> {
        let socket = if self.address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let socket = socket.context("no socket: is the open-file limit reached?")?;
        if let Some(source) = self.source(index) {
            socket.bind(SocketAddr::new(source, 0)).with_context(|| format!("cannot use source address {source}"))?;
        }
        let connecting = tokio::time::timeout(CONNECT_TIMEOUT, socket.connect(self.address));
        let stream = match connecting.await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(error).with_context(|| format!("cannot connect to {}", self.address)),
            Err(_) => bail!("{} does not accept connections within {} s", self.address, CONNECT_TIMEOUT.as_secs()),
        };
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    pub async fn http(&self, index: u32) -> Result<HttpConn> {
        Ok(HttpConn::new(self.connect(index).await?, &self.host))
    }

    fn source(&self, index: u32) -> Option<IpAddr> {
        if !self.address.is_ipv4() || !self.address.ip().is_loopback() {
            return None;
        }
        // 127.1.1.1 and up: apart from 127.0.0.1, which everything else uses; the last byte is 1 to 250.
        let block = index / PER_SOURCE;
        let byte = |value: u32| u8::try_from(value % 250).unwrap_or(0) + 1;
        Some(Ipv4Addr::new(127, byte(block / 62_500), byte(block / 250), byte(block)).into())
    }
}

/// How many files a process of this user may open, if that is limited.
pub fn open_files_max() -> Option<u64> {
    getrlimit(Resource::Nofile).maximum
}

/// Makes room for so many connections in this process, or says what to do.
pub fn allow_open_files(connections: u64) -> Result<()> {
    let needed = connections + OTHER_FILES;
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if limit.maximum.is_some_and(|maximum| maximum < needed) {
        let maximum = limit.maximum.unwrap_or(0);
        bail!(
            "{connections} connections in one process need {needed} open files, but the limit is {maximum}: use more \
             --processes, or raise it (ulimit -Hn)"
        );
    }
    limit.current = Some(needed.max(limit.current.unwrap_or(0)));
    setrlimit(Resource::Nofile, limit).context("the open-file limit could not be raised")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn urls_are_understood_or_refused() {
        for (url, want) in [
            ("http://127.0.0.1:8080", Some("127.0.0.1:8080")),
            ("127.0.0.1:8080/", Some("127.0.0.1:8080")),
            ("ws://127.0.0.1", Some("127.0.0.1:80")),
            ("https://127.0.0.1", None),
        ] {
            let address = Target::parse(url).await.ok().map(|target| target.address.to_string());
            assert_eq!(address.as_deref(), want, "{url}");
        }
    }

    #[test]
    fn sources_spread_and_never_repeat_in_a_block() {
        let target = Target::local(([127, 0, 0, 1], 1).into());
        let sources: std::collections::BTreeSet<_> =
            (0..1_000_000).step_by(PER_SOURCE as usize).filter_map(|index| target.source(index)).collect();
        assert_eq!(sources.len(), 500);
        assert!(sources.iter().all(|source| source.is_loopback()));
        assert_eq!(Target::local(([10, 0, 0, 1], 1).into()).source(0), None);
    }

    #[test]
    fn too_many_connections_say_what_to_do() {
        let error = allow_open_files(u64::MAX / 2).map_err(|error| error.to_string());
        assert!(error.is_err_and(|text| text.contains("--processes")));
        assert!(allow_open_files(10).is_ok());
    }
}
