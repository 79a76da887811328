//! Signing in: a challenge, signed with the device's auth key, for an access token; and the way back in after the server was
//! restored from a backup that does not know this device or account.
//! Flow: challenge -> sign -> token -> `http::on_token`, `connection::on_token`
//!       | unknown device -> challenge -> restore with the signed list -> again
//!       | unknown account -> register again with the receipt -> again.
//! Always true: at most one sign-in runs; final refusals sign the device out, also those of the way back, all others are tried
//! again with back-off. The way back makes its prekeys once, however often it is tried.

use crate::api::{CommandError, ErrorKind, HttpMethod};
use crate::connection::{self, Phase};
use crate::core::Cx;
use crate::http::{self, Call, Failure, Then};
use crate::{prekeys, register};
use sotto_engine_store::StoreError;
use sotto_types::{Action, ErrorCode};
use sotto_wire::http::{AccessToken, Challenge, ChallengeFor, RestoreDevice, SignIn};
use std::time::Duration;

/// Between tries to renew a token that still works.
const RENEW_AGAIN: Duration = Duration::from_secs(20);
/// How often a server that does not know the account is asked again.
const UNKNOWN_AGAIN: Duration = Duration::from_secs(1800);

#[derive(Debug)]
pub(crate) enum Step {
    Challenge,
    Token,
    RestoreChallenge,
    Restored,
    RegisteredAgain,
}

/// Codes that end this device's membership (unless the server merely forgot it, see `on_answer`).
pub(crate) fn is_final(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::DeviceUnlinked
            | ErrorCode::DeviceSuspended
            | ErrorCode::AccountDisabled
            | ErrorCode::UnknownAccount
            | ErrorCode::UnknownDevice
    )
}

pub(crate) fn begin(cx: &mut Cx<'_, '_>) {
    if cx.core.link.signing_in || cx.core.signed_out.is_some() {
        return;
    }
    cx.core.link.signing_in = true;
    ask_challenge(cx, Step::Challenge);
}

fn ask_challenge(cx: &mut Cx<'_, '_>, step: Step) {
    let Some(own) = cx.own() else { return };
    let body = ChallengeFor { account_id: own.account(), device_id: own.address.device.into() };
    let call = Call::open(own.server, HttpMethod::Post, "/v1/auth/challenge", Then::SignIn(step)).json(&body);
    http::send(cx, call);
}

pub(crate) fn on_answer(cx: &mut Cx<'_, '_>, step: Step, answer: Result<Vec<u8>, Failure>) -> Result<(), StoreError> {
    let next = match step {
        Step::Challenge => http::parse(answer).map(|challenge| sign(cx, &challenge)),
        Step::Token => match http::parse::<AccessToken>(answer) {
            Ok(token) => {
                on_token(cx, token);
                return Ok(());
            }
            Err(failure) => return on_token_refused(cx, failure),
        },
        Step::RestoreChallenge => match http::parse(answer) {
            Ok(challenge) => Ok(restore(cx, &challenge)?),
            Err(failure) => Err(failure),
        },
        Step::Restored | Step::RegisteredAgain => match answer {
            Ok(_) => {
                prekeys::taken_back(cx)?;
                ask_challenge(cx, Step::Challenge);
                return Ok(());
            }
            Err(failure) => return on_not_taken_back(cx, failure),
        },
    };
    match next {
        Ok(()) => Ok(()),
        Err(failure) => on_failed(cx, failure),
    }
}

fn sign(cx: &mut Cx<'_, '_>, challenge: &Challenge) {
    let Some(own) = cx.own() else { return };
    let body = SignIn {
        account_id: own.account(),
        device_id: own.address.device.into(),
        challenge: challenge.challenge.clone(),
        signature: own.auth.sign(&challenge.challenge.0).to_vec().into(),
    };
    let call = Call::open(own.server, HttpMethod::Post, "/v1/auth/token", Then::SignIn(Step::Token)).json(&body);
    http::send(cx, call);
}

fn on_token(cx: &mut Cx<'_, '_>, token: AccessToken) {
    cx.core.link.signing_in = false;
    let lifetime = Duration::from_millis(token.expires_ms.saturating_sub(token.server_time_ms));
    cx.core.link.set_token(token.access_token, lifetime, cx.now);
    http::on_token(cx);
    connection::on_token(cx);
}

fn on_token_refused(cx: &mut Cx<'_, '_>, failure: Failure) -> Result<(), StoreError> {
    match failure.code() {
        Some(ErrorCode::UnknownDevice) => {
            ask_challenge(cx, Step::RestoreChallenge);
            Ok(())
        }
        Some(ErrorCode::UnknownAccount) => register::again(cx),
        _ => on_failed(cx, failure),
    }
}

fn restore(cx: &mut Cx<'_, '_>, challenge: &Challenge) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    let Some((payload, signature)) = cx.tx.contact(own.account())?.and_then(|contact| contact.list) else {
        return Ok(());
    };
    let keys = prekeys::keys_again(cx, &own.identity)?;
    let body = RestoreDevice {
        account_id: own.account(),
        device_id: own.address.device.into(),
        challenge: challenge.challenge.clone(),
        signature: own.auth.sign(&challenge.challenge.0).to_vec().into(),
        list: sotto_wire::http::SignedList { payload: payload.into(), signature: signature.into() },
        keys,
        encrypted_name: register::encrypted_name(cx, &own).into(),
    };
    cx.notice("the server was restored from a backup; this device is introducing itself again");
    let call =
        Call::open(own.server, HttpMethod::Post, "/v1/devices/restore", Then::SignIn(Step::Restored)).json(&body);
    http::send(cx, call);
    Ok(())
}

fn on_failed(cx: &mut Cx<'_, '_>, failure: Failure) -> Result<(), StoreError> {
    let out = failure.code().is_some_and(|code| is_final(code) || code == ErrorCode::SignatureInvalid);
    let error = out.then(|| sign_out_error(failure.clone()));
    end(cx, &failure, error)
}

/// The server does not know this device or account, and will not have it back as it is.
fn on_not_taken_back(cx: &mut Cx<'_, '_>, failure: Failure) -> Result<(), StoreError> {
    let text = match failure.code() {
        // A sibling was faster: the next sign-in finds the account.
        Some(ErrorCode::AccountExists) => None,
        Some(code) if is_final(code) || code == ErrorCode::SignatureInvalid => {
            prekeys::not_taken_back(cx)?;
            return on_failed(cx, failure);
        }
        Some(ErrorCode::UsernameTaken) => {
            Some("the server has lost this account, and somebody else has its name now; what is here stays readable")
        }
        Some(code) if code.action() == Action::Stop => {
            // It may run on the wrong data for a while: that must not put anybody out for ever.
            return not_known(cx, &failure);
        }
        _ => None,
    };
    if text.is_some() {
        prekeys::not_taken_back(cx)?;
    }
    let error = text.map(|text| CommandError { kind: ErrorKind::SignedOut, text: text.into() });
    end(cx, &failure, error)
}

/// The server does not know this account, nor take it back. It is asked again now and then.
pub(crate) fn not_known(cx: &mut Cx<'_, '_>, failure: &Failure) -> Result<(), StoreError> {
    cx.core.link.signing_in = false;
    http::on_no_token(cx, failure, false)?;
    cx.notice(
        "the server does not know this account: was it set up anew, or does it run on other data? What is here stays; this \
         device asks again every half hour",
    );
    connection::lost(cx, Some(UNKNOWN_AGAIN));
    Ok(())
}

/// The sign-in failed: for good, with the reason, or until the next try.
fn end(cx: &mut Cx<'_, '_>, failure: &Failure, for_good: Option<CommandError>) -> Result<(), StoreError> {
    cx.core.link.signing_in = false;
    http::on_no_token(cx, failure, for_good.is_some())?;
    if let Some(error) = for_good {
        return connection::sign_out(cx, error);
    }
    cx.core.link.delay_renewal(cx.now.plus(RENEW_AGAIN));
    if cx.core.link.phase == Phase::SigningIn {
        connection::lost(cx, None);
    }
    Ok(())
}

fn sign_out_error(failure: Failure) -> CommandError {
    let mut error = CommandError::from(failure.clone());
    error.kind = ErrorKind::SignedOut;
    if matches!(
        failure.code(),
        Some(ErrorCode::UnknownAccount | ErrorCode::UnknownDevice | ErrorCode::SignatureInvalid)
    ) {
        error.text = "the server does not know this device any more; link it again, or recover the account".into();
    }
    error
}
