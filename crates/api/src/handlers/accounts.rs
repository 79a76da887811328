use crate::App;
use crate::client_ip::Ip;
use crate::convert::{self, account_id, account_id_in_path, device_id, ms};
use crate::extract::{Answer, Answered, Body, Caller, DONE, Done, InPath};
use axum::extract::State;
use sotto_domain as domain;
use sotto_wire::{PROTOCOL_VERSION, http as body};

pub(crate) async fn server_info(State(app): State<App>) -> Answer<body::ServerInfo> {
    let info = app.domain.server_info();
    Answer::ok(body::ServerInfo {
        version: info.version,
        registration: info.registration.as_str().into(),
        generation: info.generation,
        server_time_ms: ms(info.server_time),
        protocol_version: PROTOCOL_VERSION,
        source_url: app.config.source_url.clone(),
    })
}

pub(crate) async fn register(
    State(app): State<App>,
    Ip(ip): Ip,
    Body(body): Body<body::Register>,
) -> Answered<body::Registered> {
    let register = domain::Register {
        account: account_id(body.account_id)?,
        username: body.username,
        invite: body.invite,
        receipt: body.receipt,
        device: device_id(body.device_id)?,
        list: convert::list(body.list),
        keys: convert::device_keys(body.keys),
        recovery: convert::recovery(body.recovery)?,
        encrypted_name: body.encrypted_name.0.into(),
    };
    let registered = app.domain.register(register, ip).await?;
    Ok(Answer::created(body::Registered {
        account_id: registered.account,
        username: registered.username.into(),
        device_id: registered.device.into(),
        receipt: registered.receipt,
        generation: registered.generation,
    }))
}

pub(crate) async fn own_account(State(app): State<App>, Caller(who): Caller) -> Answered<body::OwnAccount> {
    let own = app.domain.own_account(&who).await?;
    let devices = own.devices.into_iter().map(|device| body::OwnDevice {
        device_id: device.listed.id.into(),
        encrypted_name: convert::bytes(device.encrypted_name),
        created_ms: ms(device.created),
        last_seen_ms: ms(device.last_seen),
        suspended: device.suspended,
        current: device.listed.id == who.address.device,
    });
    Ok(Answer::ok(body::OwnAccount {
        account_id: own.account,
        username: own.username.into(),
        devices: devices.collect(),
        list: convert::signed_list(own.list),
    }))
}

pub(crate) async fn delete_account(State(app): State<App>, Caller(who): Caller) -> Done {
    app.domain.delete_account(&who).await?;
    Ok(DONE)
}

pub(crate) async fn find_username(
    State(app): State<App>,
    Caller(who): Caller,
    InPath(name): InPath,
) -> Answered<body::Found> {
    let (account_id, username) = app.domain.find_username(&who, &name).await?;
    Ok(Answer::ok(body::Found { account_id, username: username.into() }))
}

pub(crate) async fn account_devices(
    State(app): State<App>,
    Caller(who): Caller,
    InPath(account): InPath,
) -> Answered<body::AccountDevices> {
    let found = app.domain.account_devices(&who, account_id_in_path(&account)?).await?;
    Ok(Answer::ok(body::AccountDevices { username: found.username.into(), list: convert::signed_list(found.list) }))
}

pub(crate) async fn blocks(State(app): State<App>, Caller(who): Caller) -> Answered<body::Blocks> {
    Ok(Answer::ok(body::Blocks { accounts: app.domain.blocks(&who).await? }))
}

pub(crate) async fn block(State(app): State<App>, Caller(who): Caller, InPath(account): InPath) -> Done {
    app.domain.set_block(&who, account_id_in_path(&account)?, true).await?;
    Ok(DONE)
}

pub(crate) async fn unblock(State(app): State<App>, Caller(who): Caller, InPath(account): InPath) -> Done {
    app.domain.set_block(&who, account_id_in_path(&account)?, false).await?;
    Ok(DONE)
}
