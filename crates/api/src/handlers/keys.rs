use crate::App;
use crate::convert::{self, account_id_in_path, device_id};
use crate::extract::{Answer, Answered, Body, Caller, InPath};
use axum::extract::State;
use sotto_wire::http as body;

pub(crate) async fn upload(
    State(app): State<App>,
    Caller(who): Caller,
    Body(body): Body<body::UploadKeys>,
) -> Answered<body::KeyCounts> {
    let counts = app.domain.upload_keys(&who, convert::new_prekeys(body)).await?;
    Ok(Answer::ok(convert::key_counts(counts)))
}

pub(crate) async fn counts(State(app): State<App>, Caller(who): Caller) -> Answered<body::KeyCounts> {
    Ok(Answer::ok(convert::key_counts(app.domain.key_counts(&who).await?)))
}

pub(crate) async fn take(
    State(app): State<App>,
    Caller(who): Caller,
    InPath(account): InPath,
    Body(body): Body<body::TakePreKeys>,
) -> Answered<body::PreKeyBundles> {
    let devices = body.devices.into_iter().take(128).map(device_id).collect::<Result<Vec<_>, _>>()?;
    let taken = app.domain.take_prekeys(&who, account_id_in_path(&account)?, &devices).await?;
    Ok(Answer::ok(body::PreKeyBundles {
        list: convert::signed_list(taken.list),
        bundles: taken.bundles.into_iter().map(convert::bundle).collect(),
    }))
}
