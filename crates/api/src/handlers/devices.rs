use crate::App;
use crate::client_ip::Ip;
use crate::convert::{self, account_id, device_id, device_id_in_path, ms};
use crate::extract::{Answer, Answered, Body, Caller, DONE, Done, InPath};
use axum::extract::State;
use sotto_domain as domain;
use sotto_wire::http as body;

pub(crate) async fn link_code(State(app): State<App>, Caller(who): Caller) -> Answered<body::LinkCode> {
    let code = app.domain.make_link_code(&who).await?;
    Ok(Answer::created(body::LinkCode {
        link_code: code.link_code,
        device_id: code.device.into(),
        expires_ms: ms(code.expires),
    }))
}

pub(crate) async fn add(
    State(app): State<App>,
    Ip(ip): Ip,
    Body(body): Body<body::AddDevice>,
) -> Answered<body::DeviceAdded> {
    let add = domain::AddDevice {
        account: account_id(body.account_id)?,
        link_code: body.link_code,
        device: device_id(body.device_id)?,
        list: convert::list(body.list),
        keys: convert::device_keys(body.keys),
        encrypted_name: body.encrypted_name.0.into(),
    };
    let added = app.domain.add_device(add, ip).await?;
    Ok(Answer::created(body::DeviceAdded {
        device_id: added.device.into(),
        generation: added.generation,
        username: added.username.into(),
        receipt: added.receipt,
    }))
}

pub(crate) async fn remove(
    State(app): State<App>,
    Caller(who): Caller,
    InPath(device): InPath,
    Body(list): Body<body::SignedList>,
) -> Done {
    app.domain.remove_device(&who, device_id_in_path(&device)?, convert::list(list)).await?;
    Ok(DONE)
}

pub(crate) async fn resign(State(app): State<App>, Caller(who): Caller, Body(list): Body<body::SignedList>) -> Done {
    app.domain.resign_list(&who, convert::list(list)).await?;
    Ok(DONE)
}

pub(crate) async fn restore(State(app): State<App>, Ip(ip): Ip, Body(body): Body<body::RestoreDevice>) -> Done {
    let restore = domain::RestoreDevice {
        account: account_id(body.account_id)?,
        device: device_id(body.device_id)?,
        challenge: body.challenge.0,
        signature: body.signature.0,
        list: convert::list(body.list),
        keys: convert::device_keys(body.keys),
        encrypted_name: body.encrypted_name.0.into(),
    };
    app.domain.restore_device(restore, ip).await?;
    Ok(DONE)
}

pub(crate) async fn replace_identity(
    State(app): State<App>,
    Caller(who): Caller,
    Body(body): Body<body::ReplaceIdentity>,
) -> Done {
    let replace = domain::ReplaceIdentity {
        challenge: body.challenge.0,
        recovery_signature: body.recovery_signature.0,
        list: convert::list(body.list),
        keys: convert::device_keys(body.keys),
        encrypted_name: body.encrypted_name.0.into(),
        recovery: convert::recovery(body.recovery)?,
    };
    app.domain.replace_identity(&who, replace).await?;
    Ok(DONE)
}
