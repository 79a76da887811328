//! The recovery code: back into an account without any device, unlink a stolen device, or a new code.
//! Flow: challenge -> proof by the code's auth key -> backup (identity key pair) -> this device added to the signed list
//!       | stolen: new identity key, a list with this device alone, signed by it
//!       | a new code, kept sealed by the current one until the server has taken it.
//! Always true:
//! - a mistyped code is noticed here, before the server is asked;
//! - a code that the server may have taken can be shown: after a lost answer the same command brings the same new code.

use crate::api::{CommandError, CommandId, ErrorKind, HttpMethod, Reply};
use crate::core::Cx;
use crate::http::{self, Call, Failure, Then};
use crate::profile::Own;
use crate::{devices, history, prekeys, register};
use rand::Rng;
use serde::{Deserialize, Serialize};
use sotto_crypto::device_list::{generate_registration_id, sign_device_list, verify_device_list};
use sotto_crypto::recovery::RecoveryContents;
use sotto_crypto::{DeviceAuthKey, IdentityKeyPair, ListedDevice, RecoveryCode, SignedDeviceList, VerifiedDeviceList};
use sotto_engine_store::StoreError;
use sotto_types::{DeviceAddress, DeviceId, ErrorCode, Username};
use sotto_wire::http::{
    AddDevice, Base64, Challenge, DeviceAdded, Recover, Recovered, RecoveryFor, RecoveryKeys, ReplaceIdentity,
    ReplaceRecovery, SignedList,
};

/// A new device being recovered.
#[derive(Debug)]
pub(crate) struct Recovering {
    command: CommandId,
    server: String,
    username: Username,
    code: RecoveryCode,
    device_name: String,
}

#[derive(Debug)]
pub(crate) enum Step {
    Challenge(Recovering),
    Recovered(Recovering),
    Added { command: CommandId, own: Box<Own>, list: SignedDeviceList, others: u32 },
    StolenChallenge { command: CommandId, device: DeviceId, code: RecoveryCode },
    IdentityReplaced { command: CommandId, own: Box<Own>, list: SignedDeviceList, recovery: RecoveryKeys },
    NewCodeChallenge { command: CommandId, current: RecoveryCode },
    CodeReplaced { command: CommandId, code: RecoveryCode, recovery: RecoveryKeys },
}

/// New codes on their way: the server may have taken one without our hearing of it.
const NEXT_CODES: &str = "recovery_next";

#[derive(Debug, Clone, Serialize, Deserialize)]
struct NextCode {
    /// By the code it replaces, so that who opens the profile learns nothing.
    sealed: Base64,
    recovery: RecoveryKeys,
}

fn invalid(text: impl ToString) -> CommandError {
    CommandError { kind: ErrorKind::Invalid, text: text.to_string() }
}

pub(crate) fn start(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    server: &str,
    username: Username,
    code: &str,
    device_name: String,
) {
    if !register::check_empty(cx, command) {
        return;
    }
    let parsed =
        register::parse_server(server).and_then(|server| Ok((server, RecoveryCode::parse(code).map_err(invalid)?)));
    let (server, code) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return cx.reply(command, Err(error)),
    };
    let body = RecoveryFor { username: username.to_string() };
    let recovering = Recovering { command, server: server.clone(), username, code, device_name };
    let then = Then::Recovery(Step::Challenge(recovering));
    let call = Call::open(server, HttpMethod::Post, "/v1/recovery/challenge", then).json(&body);
    http::send(cx, call);
}

pub(crate) fn remove_stolen(cx: &mut Cx<'_, '_>, command: CommandId, device: DeviceId, code: &str) {
    let Some(own) = cx.own() else { return };
    let code = match RecoveryCode::parse(code) {
        Ok(code) => code,
        Err(error) => return cx.reply(command, Err(invalid(error))),
    };
    let body = RecoveryFor { username: own.username.to_string() };
    let then = Then::Recovery(Step::StolenChallenge { command, device, code });
    let call = Call::open(own.server, HttpMethod::Post, "/v1/recovery/challenge", then).json(&body);
    http::send(cx, call);
}

pub(crate) fn new_code(cx: &mut Cx<'_, '_>, command: CommandId, current: &str) {
    let Some(own) = cx.own() else { return };
    let current = match RecoveryCode::parse(current) {
        Ok(current) => current,
        Err(error) => return cx.reply(command, Err(invalid(error))),
    };
    let body = RecoveryFor { username: own.username.to_string() };
    let then = Then::Recovery(Step::NewCodeChallenge { command, current });
    let call = Call::open(own.server, HttpMethod::Post, "/v1/recovery/challenge", then).json(&body);
    http::send(cx, call);
}

impl Step {
    fn command(&self) -> CommandId {
        match self {
            Self::Challenge(recovering) | Self::Recovered(recovering) => recovering.command,
            Self::Added { command, .. }
            | Self::StolenChallenge { command, .. }
            | Self::IdentityReplaced { command, .. }
            | Self::NewCodeChallenge { command, .. }
            | Self::CodeReplaced { command, .. } => *command,
        }
    }
}

pub(crate) fn on_answer(cx: &mut Cx<'_, '_>, step: Step, answer: Result<Vec<u8>, Failure>) -> Result<(), StoreError> {
    let command = step.command();
    let done = match step {
        Step::Challenge(recovering) => {
            http::parse(answer).map_err(Into::into).map(|asked| prove(cx, recovering, &asked))
        }
        Step::Recovered(recovering) => match http::parse(answer) {
            Ok(recovered) => add_device(cx, &recovering, recovered)?,
            Err(failure) => Err(failure.into()),
        },
        Step::Added { own, list, others, .. } => match http::parse(answer) {
            Ok(added) => {
                on_added(cx, command, *own, list, others, added)?;
                Ok(())
            }
            Err(failure) => Err(failure.into()),
        },
        Step::StolenChallenge { device, code, .. } => match http::parse(answer) {
            Ok(challenge) => replace_identity(cx, command, device, &code, &challenge)?,
            Err(failure) => Err(failure.into()),
        },
        Step::IdentityReplaced { own, list, recovery, .. } => match answer {
            Ok(_) => {
                on_identity_replaced(cx, command, *own, list, &recovery)?;
                Ok(())
            }
            Err(failure) => Err(failure.into()),
        },
        Step::NewCodeChallenge { current, .. } => match http::parse(answer) {
            Ok(challenge) => {
                replace_code(cx, command, &current, &challenge)?;
                Ok(())
            }
            Err(failure) => Err(failure.into()),
        },
        Step::CodeReplaced { code, recovery, .. } => match answer {
            Ok(_) => {
                cx.tx.put_setting_json(register::RECOVERY_KEYS, &recovery)?;
                cx.tx.delete_setting(NEXT_CODES)?;
                let recovery_code = code.to_text().expose().clone();
                cx.reply(command, Ok(Reply::RecoveryCode { recovery_code }));
                Ok(())
            }
            Err(failure) => Err(code_not_replaced(cx, &recovery, failure)?),
        },
    };
    if let Err(error) = done {
        cx.reply(command, Err(error));
    }
    Ok(())
}

fn prove(cx: &mut Cx<'_, '_>, recovering: Recovering, challenge: &Challenge) {
    let body = Recover {
        username: recovering.username.to_string(),
        challenge: challenge.challenge.clone(),
        signature: recovering.code.auth_key().sign(&challenge.challenge.0).to_vec().into(),
    };
    let server = recovering.server.clone();
    let then = Then::Recovery(Step::Recovered(recovering));
    let call = Call::open(server, HttpMethod::Post, "/v1/recovery", then).json(&body);
    http::send(cx, call);
}

fn add_device(
    cx: &mut Cx<'_, '_>,
    recovering: &Recovering,
    recovered: Recovered,
) -> Result<Result<(), CommandError>, StoreError> {
    let contents = match recovering.code.open(&recovered.backup.0) {
        Ok(contents) if contents.account == recovered.account_id => contents,
        Ok(_) => return Ok(Err(invalid("the server answered with another account's backup"))),
        Err(error) => return Ok(Err(CommandError { kind: ErrorKind::Refused, text: error.to_string() })),
    };
    let current = match genuine(&recovered.list.into(), &contents) {
        Ok(current) => current,
        Err(error) => return Ok(Err(error)),
    };
    let Ok(device) = DeviceId::try_from(recovered.device_id) else {
        return Ok(Err(invalid("the server assigned an impossible device id")));
    };
    let rng = &mut cx.core.rng;
    let own = Own {
        address: DeviceAddress::new(contents.account, device),
        username: contents.username,
        server: recovering.server.clone(),
        registration_id: generate_registration_id(rng),
        identity: contents.identity,
        auth: DeviceAuthKey::generate(rng),
        profile_key: contents.profile_key,
        receipt: String::new(),
        device_name: recovering.device_name.clone(),
        generation: 0,
    };
    let others = u32::try_from(current.devices().len()).unwrap_or(u32::MAX);
    let Some(list) = with_device(cx, &own, &current) else {
        return Ok(Err(Failure::Refused { code: Some(ErrorCode::TooManyDevices), detail: String::new() }.into()));
    };
    let keys = prekeys::new_device_keys(cx, &own.identity)?;
    let body = AddDevice {
        account_id: own.account(),
        link_code: recovered.link_code,
        device_id: device.into(),
        list: SignedList::from(list.clone()),
        keys,
        encrypted_name: register::encrypted_name(cx, &own).into(),
    };
    let server = own.server.clone();
    let then = Then::Recovery(Step::Added { command: recovering.command, own: Box::new(own), list, others });
    let call = Call::open(server, HttpMethod::Post, "/v1/devices", then).json(&body);
    http::send(cx, call);
    Ok(Ok(()))
}

fn genuine(list: &SignedDeviceList, contents: &RecoveryContents) -> Result<VerifiedDeviceList, CommandError> {
    verify_device_list(&list.payload, &list.signature)
        .ok()
        .filter(|list| list.account() == contents.account && list.identity_key() == contents.identity.public())
        .ok_or_else(|| invalid("the server showed a device list that this account's key did not sign"))
}

/// The list with one more device; none if there are ten.
pub(crate) fn with_device(cx: &mut Cx<'_, '_>, own: &Own, current: &VerifiedDeviceList) -> Option<SignedDeviceList> {
    let mut devices: Vec<ListedDevice> =
        current.devices().iter().filter(|device| device.id != own.address.device).copied().collect();
    devices.push(register::own_entry(own));
    devices.sort_by_key(|device| device.id);
    let version = current.version().checked_add(1)?;
    sign_device_list(&own.identity, own.account(), version, &devices, &mut cx.core.rng).ok()
}

fn on_added(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    mut own: Own,
    list: SignedDeviceList,
    others: u32,
    added: DeviceAdded,
) -> Result<(), StoreError> {
    own.receipt = added.receipt;
    own.generation = added.generation;
    let me = own.to_view();
    register::begin_profile(cx, own, list)?;
    if others > 0 {
        history::ask(cx)?;
    }
    cx.reply(command, Ok(Reply::Recovered { me, other_devices: others }));
    Ok(())
}

fn replace_identity(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    device: DeviceId,
    code: &RecoveryCode,
    challenge: &Challenge,
) -> Result<Result<(), CommandError>, StoreError> {
    let (Some(mut own), Some(current)) = (cx.own(), own_list(cx)?) else { return Ok(Ok(())) };
    if device == own.address.device || current.device(device).is_none() {
        return Ok(Err(CommandError {
            kind: ErrorKind::NotFound,
            text: format!("there is no other device {device}; `devices` shows them"),
        }));
    }
    own.identity = IdentityKeyPair::generate(&mut cx.core.rng);
    own.profile_key = sotto_types::Secret::new(cx.core.rng.random());
    let version = current.version().saturating_add(1);
    let listed = [register::own_entry(&own)];
    let Ok(list) = sign_device_list(&own.identity, own.account(), version, &listed, &mut cx.core.rng) else {
        return Ok(Err(CommandError {
            kind: ErrorKind::Internal,
            text: "the new device list could not be signed".into(),
        }));
    };
    let keys = prekeys::new_device_keys(cx, &own.identity)?;
    let recovery = register::recovery_keys(cx, &own, code);
    let body = ReplaceIdentity {
        challenge: challenge.challenge.clone(),
        recovery_signature: code.auth_key().sign(&challenge.challenge.0).to_vec().into(),
        list: SignedList::from(list.clone()),
        keys,
        recovery: recovery.clone(),
    };
    let then = Then::Recovery(Step::IdentityReplaced { command, own: Box::new(own), list, recovery });
    let call = Call::own(cx, HttpMethod::Post, "/v1/devices/stolen", then).json(&body);
    http::send(cx, call);
    Ok(Ok(()))
}

/// One under way from the same current code is asked for again, whatever became of it; else a new one is made.
fn replace_code(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    current: &RecoveryCode,
    challenge: &Challenge,
) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    let mut under_way = next_codes(cx)?;
    let known = under_way.iter().find_map(|next| Some((current.open_next(&next.sealed.0)?, next.recovery.clone())));
    let (code, recovery) = match known {
        Some(known) => known,
        None => {
            let code = RecoveryCode::generate(&mut cx.core.rng);
            let recovery = register::recovery_keys(cx, &own, &code);
            let sealed = current.seal_next(&code, &mut cx.core.rng).into();
            under_way.push(NextCode { sealed, recovery: recovery.clone() });
            cx.tx.put_setting_json(NEXT_CODES, &under_way)?;
            (code, recovery)
        }
    };
    let body = ReplaceRecovery {
        challenge: challenge.challenge.clone(),
        recovery_signature: current.auth_key().sign(&challenge.challenge.0).to_vec().into(),
        recovery: recovery.clone(),
    };
    let then = Then::Recovery(Step::CodeReplaced { command, code, recovery });
    let call = Call::own(cx, HttpMethod::Put, "/v1/recovery", then).json(&body);
    http::send(cx, call);
    Ok(())
}

fn next_codes(cx: &Cx<'_, '_>) -> Result<Vec<NextCode>, StoreError> {
    Ok(cx.tx.setting_json(NEXT_CODES)?.unwrap_or_default())
}

fn code_not_replaced(
    cx: &mut Cx<'_, '_>,
    recovery: &RecoveryKeys,
    failure: Failure,
) -> Result<CommandError, StoreError> {
    if failure.code() == Some(ErrorCode::RecoveryRefused) {
        // Neither taken before nor to be taken: forget this one, and none that another code has sealed.
        let mut under_way = next_codes(cx)?;
        under_way.retain(|next| next.recovery != *recovery);
        cx.tx.put_setting_json(NEXT_CODES, &under_way)?;
        let text = "this is not the account's current recovery code, so no new one was set; compare it with what you \
                    wrote down (a code that was replaced no longer counts)";
        return Ok(CommandError { kind: ErrorKind::Refused, text: text.into() });
    }
    let error = CommandError::from(failure);
    if error.kind != ErrorKind::Offline {
        return Ok(error);
    }
    let text = format!(
        "{}. The new code may be in force already: run this again with the same current code to see it",
        error.text
    );
    Ok(CommandError { text, ..error })
}

fn own_list(cx: &mut Cx<'_, '_>) -> Result<Option<VerifiedDeviceList>, StoreError> {
    match cx.own() {
        Some(own) => devices::list_of(cx, own.account()),
        None => Ok(None),
    }
}

/// The old key is worthless from here on: every session is made anew under the new one.
fn on_identity_replaced(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    own: Own,
    list: SignedDeviceList,
    recovery: &RecoveryKeys,
) -> Result<(), StoreError> {
    cx.tx.put_setting_json(register::RECOVERY_KEYS, recovery)?;
    // They would bring back the old key.
    cx.tx.delete_setting(NEXT_CODES)?;
    cx.tx.delete_all_sessions()?;
    cx.core.lists.remove(&own.account());
    register::begin_profile(cx, own, list)?;
    cx.event(crate::api::Event::DevicesChanged);
    cx.reply(command, Ok(Reply::Done));
    Ok(())
}
