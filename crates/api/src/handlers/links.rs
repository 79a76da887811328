use crate::App;
use crate::client_ip::Ip;
use crate::convert::{self, ms};
use crate::extract::{Answer, Answered, Body, Caller, DONE, Done, InPath};
use crate::problem::ApiError;
use axum::extract::{RawQuery, State};
use sotto_wire::http as body;
use std::time::Duration;

pub(crate) async fn open(State(app): State<App>, Ip(ip): Ip) -> Answered<body::LinkSession> {
    let session = app.domain.open_link(ip).await?;
    Ok(Answer::created(body::LinkSession { link: session.link, expires_ms: ms(session.expires) }))
}

pub(crate) async fn poll(
    State(app): State<App>,
    Ip(ip): Ip,
    InPath(link): InPath,
    RawQuery(query): RawQuery,
) -> Answered<body::LinkAnswer> {
    let wait = wait_of(query.as_deref().unwrap_or_default())?;
    let provisioning = app.domain.poll_link(&link, wait, ip).await?;
    Ok(Answer::ok(body::LinkAnswer { provisioning: provisioning.map(convert::bytes) }))
}

pub(crate) async fn answer(
    State(app): State<App>,
    Caller(who): Caller,
    InPath(link): InPath,
    Body(body): Body<body::LinkAnswer>,
) -> Done {
    let provisioning = body.provisioning.ok_or_else(|| ApiError::bad_request("provisioning is missing"))?;
    app.domain.answer_link(&who, &link, provisioning.0.into()).await?;
    Ok(DONE)
}

/// `wait_s`; the domain cuts what is too long.
fn wait_of(query: &str) -> Result<Duration, ApiError> {
    let wait = query.split('&').find_map(|pair| pair.strip_prefix("wait_s="));
    let Some(wait) = wait else { return Ok(Duration::ZERO) };
    let seconds = wait.parse::<u32>().map_err(|_| ApiError::bad_request("wait_s is a number of seconds"))?;
    Ok(Duration::from_secs(seconds.into()))
}
