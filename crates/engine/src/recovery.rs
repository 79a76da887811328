//! The recovery code: back into an account without any device, unlink a stolen device, or a new code.
//! Flow: challenge -> proof by the code's auth key -> backup (identity key pair) -> this device added to the signed list
//!       | stolen: new identity key, a list with this device alone, signed by it
//!       | a new code, kept sealed by the current one until the server has taken it.
//! Always true:
//! - a mistyped code is noticed here, before the server is asked;
//! - keys are stored before the request that makes them the account's: a crash or a lost answer is repaired by the same command
//!   again, and a new identity key also by any list of the server that shows it;
//! - a code that the server may have taken can be shown: after a lost answer the same command brings the same new code.

use crate::api::{CommandError, CommandId, ErrorKind, HttpMethod, Reply};
use crate::core::Cx;
use crate::http::{self, Call, Failure, Then};
use crate::profile::Own;
use crate::staged::{RECOVER, REPLACE_IDENTITY};
use crate::{blocks, devices, history, link, prekeys, register, trust};
use rand::Rng;
use serde::{Deserialize, Serialize};
use sotto_crypto::device_list::{generate_registration_id, sign_device_list, verify_device_list};
use sotto_crypto::recovery::RecoveryContents;
use sotto_crypto::{DeviceAuthKey, IdentityKeyPair, ListedDevice, RecoveryCode, SignedDeviceList, VerifiedDeviceList};
use sotto_engine_store::StoreError;
use sotto_types::{Action, DeviceAddress, DeviceId, ErrorCode, Username};
use sotto_wire::http::{
    AddDevice, Base64, Challenge, DeviceAdded, DeviceKeys, OwnAccount, Recover, Recovered, RecoveryFor, RecoveryKeys,
    ReplaceIdentity, ReplaceRecovery, SignedList,
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
    Added {
        command: CommandId,
    },
    /// The same request again, after a crash or a lost answer.
    AddedAgain(Recovering),
    /// The current list, before the identity key is replaced.
    StolenList {
        command: CommandId,
        device: DeviceId,
        code: RecoveryCode,
    },
    StolenChallenge {
        command: CommandId,
        device: DeviceId,
        code: RecoveryCode,
    },
    IdentityReplaced {
        command: CommandId,
    },
    /// What became of it, after the server refused.
    StolenOutcome {
        command: CommandId,
        refused: CommandError,
    },
    NewCodeChallenge {
        command: CommandId,
        current: RecoveryCode,
    },
    CodeReplaced {
        command: CommandId,
        code: RecoveryCode,
        recovery: RecoveryKeys,
    },
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
) -> Result<(), StoreError> {
    if !register::check_empty(cx, command) {
        return Ok(());
    }
    let parsed =
        register::parse_server(server).and_then(|server| Ok((server, RecoveryCode::parse(code).map_err(invalid)?)));
    let (server, code) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            cx.reply(command, Err(error));
            return Ok(());
        }
    };
    let begun = RECOVER.load::<AddDevice>(cx.tx)?;
    let begun = begun.filter(|(own, _)| own.server == server && own.username == username);
    let recovering = Recovering { command, server, username, code, device_name };
    match begun {
        Some((own, body)) => {
            let then = Then::Recovery(Step::AddedAgain(recovering));
            http::send(cx, Call::open(own.server, HttpMethod::Post, "/v1/devices", then).json(&body));
        }
        None => ask_challenge(cx, recovering),
    }
    Ok(())
}

fn ask_challenge(cx: &mut Cx<'_, '_>, recovering: Recovering) {
    let body = RecoveryFor { username: recovering.username.to_string() };
    let server = recovering.server.clone();
    let then = Then::Recovery(Step::Challenge(recovering));
    let call = Call::open(server, HttpMethod::Post, "/v1/recovery/challenge", then).json(&body);
    http::send(cx, call);
}

pub(crate) fn remove_stolen(cx: &mut Cx<'_, '_>, command: CommandId, device: DeviceId, code: &str) {
    let code = match RecoveryCode::parse(code) {
        Ok(code) => code,
        Err(error) => return cx.reply(command, Err(invalid(error))),
    };
    let then = Then::Recovery(Step::StolenList { command, device, code });
    let call = Call::own(cx, HttpMethod::Get, "/v1/accounts/me", then);
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
            Self::Challenge(recovering) | Self::Recovered(recovering) | Self::AddedAgain(recovering) => {
                recovering.command
            }
            Self::Added { command }
            | Self::StolenList { command, .. }
            | Self::StolenChallenge { command, .. }
            | Self::IdentityReplaced { command }
            | Self::StolenOutcome { command, .. }
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
        Step::Added { .. } => match http::parse(answer) {
            Ok(added) => on_added(cx, command, added)?,
            Err(failure) => {
                if failure.code().is_some_and(link::is_over) {
                    RECOVER.forget::<AddDevice>(cx.tx)?;
                }
                Err(failure.into())
            }
        },
        Step::AddedAgain(recovering) => match http::parse(answer) {
            Ok(added) => on_added(cx, command, added)?,
            // What was asked for then is kept until `add_device` has seen to the device it may have made.
            Err(failure) if failure.code().is_some_and(link::is_over) => {
                ask_challenge(cx, recovering);
                Ok(())
            }
            Err(failure) => Err(failure.into()),
        },
        Step::StolenList { device, code, .. } => match http::parse(answer) {
            Ok(account) => prove_stolen(cx, command, device, code, account)?,
            Err(failure) => Err(failure.into()),
        },
        Step::StolenChallenge { device, code, .. } => match http::parse(answer) {
            Ok(challenge) => replace_identity(cx, command, device, &code, &challenge)?,
            Err(failure) => Err(failure.into()),
        },
        Step::IdentityReplaced { .. } => match answer {
            Ok(_) => {
                on_identity_replaced(cx, None)?;
                cx.reply(command, Ok(Reply::Done));
                Ok(())
            }
            Err(failure) => identity_not_replaced(cx, command, failure)?,
        },
        Step::StolenOutcome { refused, .. } => match http::parse::<OwnAccount>(answer) {
            Ok(account) => on_stolen_outcome(cx, command, refused, account)?,
            Err(_) => Err(refused),
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
    // The device that an earlier try made, if it did: its keys were for that try alone.
    let phantom = RECOVER.load::<AddDevice>(cx.tx)?.map(|(earlier, _)| register::own_entry(&earlier));
    let Some(list) = with_device(cx, &own, &current, phantom) else {
        return Ok(Err(Failure::Refused { code: Some(ErrorCode::TooManyDevices), detail: String::new() }.into()));
    };
    let keys = prekeys::new_device_keys(cx, &own.identity)?;
    let body = AddDevice {
        account_id: own.account(),
        link_code: recovered.link_code,
        device_id: device.into(),
        list: SignedList::from(list),
        keys,
        encrypted_name: register::encrypted_name(cx, &own).into(),
    };
    RECOVER.forget::<AddDevice>(cx.tx)?;
    RECOVER.begin(cx.tx, &own, &body)?;
    let then = Then::Recovery(Step::Added { command: recovering.command });
    let call = Call::open(own.server, HttpMethod::Post, "/v1/devices", then).json(&body);
    http::send(cx, call);
    Ok(Ok(()))
}

fn genuine(list: &SignedDeviceList, contents: &RecoveryContents) -> Result<VerifiedDeviceList, CommandError> {
    verify_device_list(&list.payload, &list.signature)
        .ok()
        .filter(|list| list.account() == contents.account && list.identity_key() == contents.identity.public())
        .ok_or_else(|| invalid("the server showed a device list that this account's key did not sign"))
}

/// The list with one more device, and `without` one; none if there are ten.
pub(crate) fn with_device(
    cx: &mut Cx<'_, '_>,
    own: &Own,
    current: &VerifiedDeviceList,
    without: Option<ListedDevice>,
) -> Option<SignedDeviceList> {
    let stays = |device: &&ListedDevice| device.id != own.address.device && Some(**device) != without;
    let mut devices: Vec<ListedDevice> = current.devices().iter().filter(stays).copied().collect();
    devices.push(register::own_entry(own));
    devices.sort_by_key(|device| device.id);
    let version = current.version().checked_add(1)?;
    sign_device_list(&own.identity, own.account(), version, &devices, &mut cx.core.rng).ok()
}

fn on_added(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    added: DeviceAdded,
) -> Result<Result<(), CommandError>, StoreError> {
    if !register::check_empty(cx, command) {
        return Ok(Ok(()));
    }
    let Some((mut own, body)) = RECOVER.load::<AddDevice>(cx.tx)? else {
        let text = "the recovery is gone; try again".into();
        return Ok(Err(CommandError { kind: ErrorKind::Internal, text }));
    };
    own.receipt = added.receipt;
    own.generation = added.generation;
    let me = own.to_view();
    RECOVER.close(cx.tx)?;
    register::begin_profile(cx, own, body.list.into())?;
    prekeys::published(cx, &body.keys)?;
    blocks::compare_later(cx)?;
    crate::requests::tell_later(cx)?;
    let listed = own_list(cx)?.map_or(1, |list| list.devices().len());
    let other_devices = u32::try_from(listed.saturating_sub(1)).unwrap_or(u32::MAX);
    if other_devices > 0 {
        history::ask(cx)?;
    }
    cx.reply(command, Ok(Reply::Recovered { me, other_devices }));
    Ok(Ok(()))
}

fn prove_stolen(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    device: DeviceId,
    code: RecoveryCode,
    account: OwnAccount,
) -> Result<Result<(), CommandError>, StoreError> {
    let Some(own) = cx.own() else { return Ok(Ok(())) };
    let shown = account.list.into();
    if on_own_list(cx, &shown)? {
        // An earlier try was all it took.
        cx.reply(command, Ok(Reply::Done));
        return Ok(Ok(()));
    }
    trust::offer_list(cx, own.account(), shown)?;
    let body = RecoveryFor { username: own.username.to_string() };
    let then = Then::Recovery(Step::StolenChallenge { command, device, code });
    let call = Call::open(own.server, HttpMethod::Post, "/v1/recovery/challenge", then).json(&body);
    http::send(cx, call);
    Ok(Ok(()))
}

fn replace_identity(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    device: DeviceId,
    code: &RecoveryCode,
    challenge: &Challenge,
) -> Result<Result<(), CommandError>, StoreError> {
    let (Some(own), Some(current)) = (cx.own(), own_list(cx)?) else { return Ok(Ok(())) };
    if device == own.address.device || current.device(device).is_none() {
        return Ok(Err(CommandError {
            kind: ErrorKind::NotFound,
            text: format!("there is no other device {device}; `devices` shows them"),
        }));
    }
    let Some((next, list, keys)) = next_identity(cx, own, &current)? else {
        return Ok(Err(CommandError {
            kind: ErrorKind::Internal,
            text: "the new device list could not be signed".into(),
        }));
    };
    let body = ReplaceIdentity {
        challenge: challenge.challenge.clone(),
        recovery_signature: code.auth_key().sign(&challenge.challenge.0).to_vec().into(),
        list,
        keys,
        encrypted_name: register::encrypted_name(cx, &next).into(),
        recovery: register::recovery_keys(cx, &next, code),
    };
    REPLACE_IDENTITY.begin(cx.tx, &next, &body)?;
    let then = Then::Recovery(Step::IdentityReplaced { command });
    let call = Call::own(cx, HttpMethod::Post, "/v1/devices/stolen", then).json(&body);
    http::send(cx, call);
    Ok(Ok(()))
}

/// The one that an earlier try left, as long as the server may still have taken it; else a new one.
fn next_identity(
    cx: &mut Cx<'_, '_>,
    mut own: Own,
    current: &VerifiedDeviceList,
) -> Result<Option<(Own, SignedList, DeviceKeys)>, StoreError> {
    let version = current.version().saturating_add(1);
    if let Some((next, body)) = REPLACE_IDENTITY.load::<ReplaceIdentity>(cx.tx)? {
        let signed = SignedDeviceList::from(body.list.clone());
        if verify_device_list(&signed.payload, &signed.signature).is_ok_and(|list| list.version() == version) {
            return Ok(Some((next, body.list, body.keys)));
        }
        // The old key has signed this version or a higher one since: the server did not take the new one.
        REPLACE_IDENTITY.forget::<ReplaceIdentity>(cx.tx)?;
    }
    own.identity = IdentityKeyPair::generate(&mut cx.core.rng);
    own.profile_key = sotto_types::Secret::new(cx.core.rng.random());
    let listed = [register::own_entry(&own)];
    let signed = sign_device_list(&own.identity, own.account(), version, &listed, &mut cx.core.rng);
    let Ok(list) = signed else { return Ok(None) };
    let keys = prekeys::new_device_keys(cx, &own.identity)?;
    Ok(Some((own, SignedList::from(list), keys)))
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

/// Refused for certain, or not known. Also a refusal may mean that an earlier try was taken: the list tells.
fn identity_not_replaced(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    failure: Failure,
) -> Result<Result<(), CommandError>, StoreError> {
    if !is_replacing(cx)? {
        // A list that the server showed meanwhile has settled it.
        cx.reply(command, Ok(Reply::Done));
        return Ok(Ok(()));
    }
    let code = failure.code();
    let error = CommandError::from(failure);
    if code.is_some_and(|code| code.action() == Action::Stop || code == ErrorCode::ListVersionConflict) {
        let then = Then::Recovery(Step::StolenOutcome { command, refused: error });
        let call = Call::own(cx, HttpMethod::Get, "/v1/accounts/me", then);
        http::send(cx, call);
        return Ok(Ok(()));
    }
    let text =
        format!("{}. The device may be cut off already: run this again with the same code to be sure", error.text);
    Ok(Err(CommandError { text, ..error }))
}

fn on_stolen_outcome(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    refused: CommandError,
    account: OwnAccount,
) -> Result<Result<(), CommandError>, StoreError> {
    if on_own_list(cx, &account.list.into())? {
        cx.reply(command, Ok(Reply::Done));
        return Ok(Ok(()));
    }
    REPLACE_IDENTITY.forget::<ReplaceIdentity>(cx.tx)?;
    Ok(Err(refused))
}

/// The identity key is being replaced, and nobody knows whether the server has done it.
pub(crate) fn is_replacing(cx: &Cx<'_, '_>) -> Result<bool, StoreError> {
    Ok(REPLACE_IDENTITY.load::<ReplaceIdentity>(cx.tx)?.is_some())
}

/// The server shows this as the own list. True if it is the one of the new identity key, which is in force from here on.
pub(crate) fn on_own_list(cx: &mut Cx<'_, '_>, shown: &SignedDeviceList) -> Result<bool, StoreError> {
    let Some((next, _)) = REPLACE_IDENTITY.load::<ReplaceIdentity>(cx.tx)? else { return Ok(false) };
    let names_us = verify_device_list(&shown.payload, &shown.signature).is_ok_and(|list| {
        list.account() == next.account()
            && list.identity_key() == next.identity.public()
            && list.device(next.address.device) == Some(&register::own_entry(&next))
    });
    if names_us {
        on_identity_replaced(cx, Some(shown))?;
        cx.notice("the identity key was replaced: the stolen device is cut off, other devices must be linked again");
    }
    Ok(names_us)
}

/// The old key is worthless from here on: every session is made anew under the new one.
fn on_identity_replaced(cx: &mut Cx<'_, '_>, shown: Option<&SignedDeviceList>) -> Result<(), StoreError> {
    let staged = REPLACE_IDENTITY.load::<ReplaceIdentity>(cx.tx)?;
    // None if a list that the server showed was faster than its answer.
    let (Some(mut own), Some((next, body))) = (cx.own(), staged) else { return Ok(()) };
    own.identity = next.identity;
    own.profile_key = next.profile_key;
    cx.tx.put_setting_json(register::RECOVERY_KEYS, &body.recovery)?;
    // They would bring back the old key.
    cx.tx.delete_setting(NEXT_CODES)?;
    cx.tx.delete_all_sessions()?;
    cx.core.lists.remove(&own.account());
    REPLACE_IDENTITY.close(cx.tx)?;
    register::begin_profile(cx, own, shown.cloned().unwrap_or_else(|| body.list.into()))?;
    prekeys::published(cx, &body.keys)?;
    cx.event(crate::api::Event::DevicesChanged);
    Ok(())
}
