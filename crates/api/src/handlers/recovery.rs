use crate::App;
use crate::client_ip::Ip;
use crate::convert;
use crate::extract::{Answer, Answered, Body, Caller, DONE, Done};
use axum::extract::State;
use sotto_domain as domain;
use sotto_wire::http as body;

pub(crate) async fn challenge(
    State(app): State<App>,
    Ip(ip): Ip,
    Body(body): Body<body::RecoveryFor>,
) -> Answered<body::Challenge> {
    Ok(Answer::ok(convert::challenge(app.domain.recovery_challenge(&body.username, ip).await?)))
}

pub(crate) async fn recover(
    State(app): State<App>,
    Ip(ip): Ip,
    Body(body): Body<body::Recover>,
) -> Answered<body::Recovered> {
    let recovered = app.domain.recover(&body.username, &body.challenge.0, &body.signature.0, ip).await?;
    Ok(Answer::ok(body::Recovered {
        account_id: recovered.account,
        username: recovered.username.into(),
        backup: convert::bytes(recovered.backup),
        list: convert::signed_list(recovered.list),
        link_code: recovered.link_code,
        device_id: recovered.device.into(),
    }))
}

pub(crate) async fn set(
    State(app): State<App>,
    Ip(ip): Ip,
    Caller(who): Caller,
    Body(body): Body<body::ReplaceRecovery>,
) -> Done {
    let replace = domain::ReplaceRecovery {
        challenge: body.challenge.0,
        recovery_signature: body.recovery_signature.0,
        recovery: convert::recovery(body.recovery)?,
    };
    app.domain.set_recovery(&who, replace, ip).await?;
    Ok(DONE)
}
