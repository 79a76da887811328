//! Which address a request counts against.
//! Always true: `X-Forwarded-For` is believed only as far as trusted proxies wrote it, read from the right: the first address
//! that is not a trusted proxy's is the client's, and what stands left of it is the client's own invention.

use crate::App;
use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::request::Parts;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};

/// The address of the TCP peer. The server puts it into each request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientIp(pub IpAddr);

/// The client's address, behind trusted proxies or not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ip(pub IpAddr);

impl FromRequestParts<App> for Ip {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        // Without an address all share one bucket: too strict, never too lax.
        let peer = parts.extensions.get::<ClientIp>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ip| ip.0);
        Ok(Self(client_of(peer, &parts.headers, |ip| app.config.trusted_proxies.iter().any(|net| net.contains(ip)))))
    }
}

fn client_of(peer: IpAddr, headers: &HeaderMap, is_trusted: impl Fn(IpAddr) -> bool) -> IpAddr {
    let mut client = peer;
    let hops = headers.get_all("x-forwarded-for").iter().rev().filter_map(|value| value.to_str().ok());
    for hop in hops.flat_map(|value| value.rsplit(',')) {
        if !is_trusted(client) {
            break;
        }
        let Ok(before) = hop.trim().parse() else { break };
        client = before;
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_hops_are_believed() {
        let proxy: IpAddr = "10.0.0.1".parse().unwrap();
        for (peer, forwarded, want) in [
            ("203.0.113.9", &["198.51.100.1"][..], "203.0.113.9"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1", "198.51.100.1, 10.0.0.1"], "198.51.100.1"),
            ("10.0.0.1", &["junk"], "10.0.0.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["2001:db8::7"], "2001:db8::7"),
        ] {
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append("x-forwarded-for", value.parse().unwrap());
            }
            let client = client_of(peer.parse().unwrap(), &headers, |ip| ip == proxy);
            assert_eq!(client, want.parse::<IpAddr>().unwrap(), "{peer} {forwarded:?}");
        }
    }
}
