//! Devices: cached lists, sessions that are missing, and the own devices as a person manages them.
//! Always true: a change of the own list is signed here, from the list we trust, never from the one the server shows; after a
//! conflict the server's list is taken first (if our key signed it) and the change made again.

use crate::api::{CommandId, DeviceView, ErrorKind, Event, HttpMethod, Reply};
use crate::core::Cx;
use crate::http::{self, Call, Failure, Then};
use crate::keys::Protocol;
use crate::{outbox, recovery, trust};
use sotto_crypto::device_list::{sign_device_list, verify_device_list};
use sotto_crypto::session::{self, StartError};
use sotto_crypto::{ListedDevice, SignedDeviceList, VerifiedDeviceList, device_name};
use sotto_engine_store::StoreError;
use sotto_types::{AccountId, DeviceAddress, DeviceId, ErrorCode};
use sotto_wire::http::{OwnAccount, PreKeyBundles, SignedList, TakePreKeys};

#[derive(Debug)]
pub(crate) enum Step {
    List(CommandId),
    /// The current list is being fetched before a removal.
    RemoveList {
        command: CommandId,
        device: DeviceId,
        attempts: u32,
    },
    Removed {
        command: CommandId,
        device: DeviceId,
        list: SignedDeviceList,
        attempts: u32,
    },
    /// The list without suspended devices, or the one a restored server forgot.
    Brought {
        list: Option<SignedDeviceList>,
    },
}

/// The newest accepted list of an account.
pub(crate) fn list_of(cx: &mut Cx<'_, '_>, account: AccountId) -> Result<Option<VerifiedDeviceList>, StoreError> {
    let Some(contact) = cx.tx.contact(account)? else { return Ok(None) };
    let Some((payload, signature)) = contact.list else { return Ok(None) };
    if let Some(cached) = cx.core.lists.get(&account)
        && cached.version() == contact.list_version
        && contact.identity_key.as_deref() == Some(&cached.identity_key().as_bytes()[..])
    {
        return Ok(Some(cached.clone()));
    }
    let list = verify_device_list(&payload, &signature)
        .map_err(|error| StoreError::Damaged(format!("a stored device list: {error}")))?;
    cx.core.lists.insert(account, list.clone());
    Ok(Some(list))
}

/// Targets that need a bundle before anything can be sent to them. A device that was made anew under its id counts.
pub(crate) fn without_session(
    cx: &mut Cx<'_, '_>,
    list: &VerifiedDeviceList,
    targets: &[DeviceAddress],
) -> Result<Vec<DeviceId>, StoreError> {
    let Some(own) = cx.own() else { return Ok(Vec::new()) };
    let store = Protocol::new(cx.tx, &own);
    let mut missing = Vec::new();
    for to in targets {
        if cx.core.bundleless.get(to) == Some(&list.version()) {
            continue;
        }
        let usable = session::has_session(&store, *to, cx.now).map_err(|failure| store.failure(&failure))?;
        let registration = session::session_registration_id(&store, *to).map_err(|failure| store.failure(&failure))?;
        let listed = list.device(to.device).map(|device| device.registration_id);
        if !usable || registration != listed {
            missing.push(to.device);
        }
    }
    Ok(missing)
}

pub(crate) fn take_bundles(cx: &mut Cx<'_, '_>, account: AccountId, devices: Vec<DeviceId>) {
    if cx.core.taking.insert(account, ()).is_none() {
        let body = TakePreKeys { devices: devices.iter().map(|id| u32::from(*id)).collect() };
        let path = format!("/v1/accounts/{account}/prekeys");
        let call =
            Call::own(cx, HttpMethod::Post, path, Then::Bundles { account, devices }).json(&body).in_background();
        http::send(cx, call);
    }
}

pub(crate) fn on_bundles(
    cx: &mut Cx<'_, '_>,
    account: AccountId,
    asked: &[DeviceId],
    answer: Result<Vec<u8>, Failure>,
) -> Result<(), StoreError> {
    cx.core.taking.remove(&account);
    let taken = match http::parse::<PreKeyBundles>(answer) {
        Ok(taken) => taken,
        Err(failure) => {
            let gone = [ErrorCode::NotFound, ErrorCode::UnknownAccount, ErrorCode::UnknownRecipient];
            if failure.code().is_some_and(|code| gone.contains(&code)) {
                return outbox::fail_all(cx, account, "this person's account no longer exists");
            }
            return outbox::delay_all(cx, account);
        }
    };
    if trust::offer_list(cx, account, taken.list.into())? != trust::Offered::Taken {
        return outbox::delay_all(cx, account);
    }
    let (Some(own), Some(list)) = (cx.own(), list_of(cx, account)?) else { return Ok(()) };
    for device in asked {
        let with = DeviceAddress::new(account, *device);
        let bundle = taken.bundles.iter().find(|bundle| bundle.device_id == u32::from(*device));
        let Some(bundle) = bundle else {
            cx.core.bundleless.insert(with, list.version());
            continue;
        };
        let mut store = Protocol::new(cx.tx, &own);
        match session::start_session(&mut store, with, bundle, &list, cx.now, &mut cx.core.rng) {
            Ok(()) => {
                cx.core.bundleless.remove(&with);
            }
            Err(StartError::Store(failure)) => return Err(store.failure(&failure)),
            Err(StartError::CorruptSession) => cx.tx.delete_session(with)?,
            Err(error) => {
                cx.notice(format!("the server's keys for a device were refused: {error}"));
                outbox::delay_all(cx, account)?;
            }
        }
    }
    Ok(())
}

pub(crate) fn show(cx: &mut Cx<'_, '_>, command: CommandId) {
    let call = Call::own(cx, HttpMethod::Get, "/v1/accounts/me", Then::Devices(Step::List(command)));
    http::send(cx, call);
}

pub(crate) fn remove(cx: &mut Cx<'_, '_>, command: CommandId, device: DeviceId, code: Option<String>) {
    if let Some(code) = code {
        return recovery::remove_stolen(cx, command, device, &code);
    }
    if cx.core.own.as_ref().is_some_and(|own| own.address.device == device) {
        return cx.fail(command, ErrorKind::Invalid, "this is the device you are using; remove it from another one");
    }
    let step = Step::RemoveList { command, device, attempts: 0 };
    let call = Call::own(cx, HttpMethod::Get, "/v1/accounts/me", Then::Devices(step));
    http::send(cx, call);
}

pub(crate) fn on_answer(cx: &mut Cx<'_, '_>, step: Step, answer: Result<Vec<u8>, Failure>) -> Result<(), StoreError> {
    match step {
        Step::List(command) => on_list(cx, command, answer),
        Step::RemoveList { command, device, attempts } => on_remove_list(cx, command, device, attempts, answer),
        Step::Removed { command, device, list, attempts } => match answer {
            Ok(_) => {
                take_own(cx, list)?;
                cx.reply(command, Ok(Reply::Done));
                Ok(())
            }
            Err(failure) if failure.code() == Some(ErrorCode::ListVersionConflict) && attempts < 3 => {
                let step = Step::RemoveList { command, device, attempts: attempts.saturating_add(1) };
                let call = Call::own(cx, HttpMethod::Get, "/v1/accounts/me", Then::Devices(step));
                http::send(cx, call);
                Ok(())
            }
            Err(failure) => {
                cx.reply(command, Err(failure.into()));
                Ok(())
            }
        },
        Step::Brought { list } => {
            match (answer, list) {
                (Ok(_), Some(list)) => take_own(cx, list)?,
                (Ok(_), None) => (),
                (Err(failure), _) => {
                    tracing::info!(?failure, "the server did not take our device list");
                    if let Some(own) = cx.own() {
                        trust::fetch_list(cx, own.account());
                    }
                }
            }
            Ok(())
        }
    }
}

fn on_list(cx: &mut Cx<'_, '_>, command: CommandId, answer: Result<Vec<u8>, Failure>) -> Result<(), StoreError> {
    let (own, account) = match (cx.own(), http::parse::<OwnAccount>(answer)) {
        (Some(own), Ok(account)) => (own, account),
        (_, Err(failure)) => {
            cx.reply(command, Err(failure.into()));
            return Ok(());
        }
        (None, _) => return Ok(()),
    };
    trust::offer_list(cx, own.account(), account.list.into())?;
    let trusted = list_of(cx, own.account())?;
    let devices = account.devices.into_iter().filter_map(|device| {
        let id = DeviceId::try_from(device.device_id).ok()?;
        // Only what the signed list names: the server's word adds no device.
        trusted.as_ref()?.device(id)?;
        Some(DeviceView {
            device: id,
            name: device_name::decrypt_device_name(&own.identity, &device.encrypted_name.0).unwrap_or_default(),
            current: id == own.address.device,
            suspended: device.suspended,
            created_ms: device.created_ms,
            last_seen_ms: device.last_seen_ms,
        })
    });
    let devices = devices.collect();
    cx.reply(command, Ok(Reply::Devices { devices }));
    Ok(())
}

fn on_remove_list(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    device: DeviceId,
    attempts: u32,
    answer: Result<Vec<u8>, Failure>,
) -> Result<(), StoreError> {
    let (own, account) = match (cx.own(), http::parse::<OwnAccount>(answer)) {
        (Some(own), Ok(account)) => (own, account),
        (_, Err(failure)) => {
            cx.reply(command, Err(failure.into()));
            return Ok(());
        }
        (None, _) => return Ok(()),
    };
    trust::offer_list(cx, own.account(), account.list.into())?;
    let Some(list) = list_of(cx, own.account())? else { return Ok(()) };
    if list.device(device).is_none() {
        cx.fail(command, ErrorKind::NotFound, format!("there is no device {device}; `devices` shows them"));
        return Ok(());
    }
    let rest: Vec<ListedDevice> = list.devices().iter().filter(|listed| listed.id != device).copied().collect();
    let signed = sign_own(cx, &list, &rest);
    let Some(signed) = signed else {
        cx.fail(command, ErrorKind::Internal, "the new device list could not be signed");
        return Ok(());
    };
    let body = SignedList::from(signed.clone());
    let step = Step::Removed { command, device, list: signed, attempts };
    let call = Call::own(cx, HttpMethod::Delete, format!("/v1/devices/{device}"), Then::Devices(step)).json(&body);
    http::send(cx, call);
    Ok(())
}

/// The next version of the own list.
pub(crate) fn sign_own(
    cx: &mut Cx<'_, '_>,
    current: &VerifiedDeviceList,
    devices: &[ListedDevice],
) -> Option<SignedDeviceList> {
    let own = cx.own()?;
    let version = current.version().checked_add(1)?;
    sign_device_list(&own.identity, own.account(), version, devices, &mut cx.core.rng).ok()
}

/// A list of ours that the server took.
pub(crate) fn take_own(cx: &mut Cx<'_, '_>, list: SignedDeviceList) -> Result<(), StoreError> {
    if let Some(own) = cx.own() {
        trust::offer_list(cx, own.account(), list)?;
        cx.event(Event::DevicesChanged);
    }
    Ok(())
}

/// The server (restored from a backup) has an older list than we do.
pub(crate) fn bring_list(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    let Some((payload, signature)) = cx.tx.contact(own.account())?.and_then(|contact| contact.list) else {
        return Ok(());
    };
    let body = SignedList { payload: payload.into(), signature: signature.into() };
    let then = Then::Devices(Step::Brought { list: None });
    let call = Call::own(cx, HttpMethod::Put, "/v1/devices/list", then).json(&body).in_background();
    http::send(cx, call);
    Ok(())
}

/// Own devices that were away for 30 days leave the list: they must link again.
pub(crate) fn drop_suspended(cx: &mut Cx<'_, '_>, suspended: &[DeviceId]) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    let Some(list) = list_of(cx, own.account())? else { return Ok(()) };
    let rest: Vec<ListedDevice> = list
        .devices()
        .iter()
        .filter(|device| device.id == own.address.device || !suspended.contains(&device.id))
        .copied()
        .collect();
    if rest.len() == list.devices().len() {
        return Ok(());
    }
    let Some(signed) = sign_own(cx, &list, &rest) else { return Ok(()) };
    let body = SignedList::from(signed.clone());
    let then = Then::Devices(Step::Brought { list: Some(signed) });
    let call = Call::own(cx, HttpMethod::Put, "/v1/devices/list", then).json(&body).in_background();
    http::send(cx, call);
    Ok(())
}
