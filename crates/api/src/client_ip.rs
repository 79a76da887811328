//! Which address a request counts against.

use axum::extract::FromRequestParts;
use http::request::Parts;
use sotto_types::ClientIp;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};

/// The `ClientIp` of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ip(pub IpAddr);

impl<S: Sync> FromRequestParts<S> for Ip {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // Without an address all share one bucket: too strict, never too lax.
        Ok(Self(parts.extensions.get::<ClientIp>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ip| ip.0)))
    }
}
