use crate::App;
use crate::convert::{self, account_id, account_id_in_path};
use crate::extract::{Answer, Answered, Body, Caller, DONE, Done, InPath, in_query};
use crate::problem::ApiError;
use axum::extract::{RawQuery, State};
use sotto_domain::{self as domain, PrivacyRefused};
use sotto_types::{ProfileKeyId, Secret, Timestamp};
use sotto_wire::http as body;

pub(crate) async fn contacts(State(app): State<App>, Caller(who): Caller) -> Answered<body::Contacts> {
    Ok(Answer::ok(body::Contacts { accounts: app.domain.contacts(&who).await? }))
}

pub(crate) async fn add_contact(State(app): State<App>, Caller(who): Caller, InPath(account): InPath) -> Done {
    app.domain.set_contact(&who, account_id_in_path(&account)?, true).await?;
    Ok(DONE)
}

pub(crate) async fn remove_contact(State(app): State<App>, Caller(who): Caller, InPath(account): InPath) -> Done {
    app.domain.set_contact(&who, account_id_in_path(&account)?, false).await?;
    Ok(DONE)
}

pub(crate) async fn privacy(State(app): State<App>, Caller(who): Caller) -> Answered<body::Privacy> {
    Ok(Answer::ok(convert::privacy(&*app.domain.privacy(&who).await?)))
}

pub(crate) async fn set_privacy(
    State(app): State<App>,
    Caller(who): Caller,
    Body(body): Body<body::Privacy>,
) -> Answered<body::Privacy> {
    match app.domain.set_privacy(&who, convert::new_privacy(body)).await {
        Ok(privacy) => Ok(Answer::ok(convert::privacy(&privacy))),
        Err(PrivacyRefused::Conflict(current)) => Err(ApiError::privacy_conflict(convert::privacy(&current))),
        Err(PrivacyRefused::Refused(refusal)) => Err(refusal.into()),
    }
}

fn key_id(text: &str) -> Result<ProfileKeyId, ApiError> {
    text.parse().map_err(|error| ApiError::bad_request(format!("key_id: {error}")))
}

fn shown(profile: domain::Profile) -> Answer<body::Profile> {
    Answer::ok(body::Profile {
        version: profile.version,
        key_id: profile.key_id.to_string(),
        ciphertext: convert::bytes(profile.ciphertext),
    })
}

pub(crate) async fn put_profile(State(app): State<App>, Caller(who): Caller, Body(body): Body<body::Profile>) -> Done {
    let profile =
        domain::Profile { version: body.version, key_id: key_id(&body.key_id)?, ciphertext: body.ciphertext.0.into() };
    app.domain.put_profile(&who, profile).await?;
    Ok(DONE)
}

pub(crate) async fn own_profile(State(app): State<App>, Caller(who): Caller) -> Answered<body::Profile> {
    Ok(shown(app.domain.own_profile(&who).await?))
}

pub(crate) async fn profile(
    State(app): State<App>,
    Caller(who): Caller,
    InPath(account): InPath,
    RawQuery(query): RawQuery,
) -> Answered<body::Profile> {
    let key_id = key_id(in_query(query.as_deref().unwrap_or_default(), "key_id").unwrap_or_default())?;
    Ok(shown(app.domain.profile(&who, account_id_in_path(&account)?, key_id).await?))
}

pub(crate) async fn report(State(app): State<App>, Caller(who): Caller, Body(body): Body<body::Report>) -> Done {
    let reason = match body.reason {
        body::ReportReason::Spam => domain::ReportReason::Spam,
        body::ReportReason::Abuse => domain::ReportReason::Abuse,
        body::ReportReason::Other => domain::ReportReason::Other,
    };
    let message = |message: body::ReportedMessage| domain::ReportedMessage {
        sent_at: Timestamp::from_ms(message.sent_at_ms),
        text: Secret::new(message.text),
    };
    let messages = body.messages.into_iter().map(message).collect();
    app.domain.report(&who, account_id(body.account)?, reason, Secret::new(body.comment), messages).await?;
    Ok(DONE)
}
