use crate::App;
use crate::client_ip::Ip;
use crate::convert::{self, account_id, device_id, ms};
use crate::extract::{Answer, Answered, Body};
use axum::extract::State;
use sotto_types::DeviceAddress;
use sotto_wire::http as body;

pub(crate) async fn challenge(
    State(app): State<App>,
    Ip(ip): Ip,
    Body(body): Body<body::ChallengeFor>,
) -> Answered<body::Challenge> {
    let of = DeviceAddress::new(account_id(body.account_id)?, device_id(body.device_id)?);
    Ok(Answer::ok(convert::challenge(app.domain.challenge(of, ip).await?)))
}

pub(crate) async fn sign_in(
    State(app): State<App>,
    Ip(ip): Ip,
    Body(body): Body<body::SignIn>,
) -> Answered<body::AccessToken> {
    let of = DeviceAddress::new(account_id(body.account_id)?, device_id(body.device_id)?);
    let token = app.domain.sign_in(of, &body.challenge.0, &body.signature.0, ip).await?;
    Ok(Answer::ok(body::AccessToken {
        access_token: token.token,
        expires_ms: ms(token.expires),
        server_time_ms: ms(app.domain.now()),
    }))
}
