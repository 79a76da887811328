//! Linking, both sides.
//! Flow, new device: link session -> QR text -> poll -> provisioning message -> own entry added to the list -> device.
//! Flow, existing device: QR text -> link code -> provisioning sealed to the QR key -> the list grows -> history leaves.
//! Always true: the server sees only ciphertext; the new device takes the account only with a list that its key signed; its
//! keys are stored before the request that adds it, so a crash or a lost answer is repaired by the same command again, as long
//! as the link code is good. A link never touches an account that the profile has by then.

use crate::api::{CommandError, CommandId, ErrorKind, Event, HttpMethod, Me, Reply};
use crate::core::{Core, Cx};
use crate::http::{self, Call, Failure, Then};
use crate::profile::Own;
use crate::staged::LINK;
use crate::{blocks, history, prekeys, recovery, register};
use sotto_crypto::device_list::{generate_registration_id, verify_device_list};
use sotto_crypto::provisioning::{self, LinkInvitation, LinkKeyPair, Provisioning};
use sotto_crypto::{DeviceAuthKey, SignedDeviceList, VerifiedDeviceList};
use sotto_engine_store::StoreError;
use sotto_types::{Action, DeviceAddress, DeviceId, ErrorCode, Secret, Timestamp};
use sotto_wire::http::{AddDevice, DeviceAdded, LinkAnswer, LinkCode, LinkSession, SignedList};
use std::time::Duration;

const POLL_S: u64 = 25;
/// So long after a code expired, an answer that was given in time may still come.
const LAST_ANSWER: Duration = Duration::from_secs(60);
/// Devices whose linking this one approved, until they appear in the list.
const PENDING: &str = "link.pending";

/// A new device that waits to be linked.
#[derive(Debug)]
pub(crate) struct Linking {
    server: String,
    invitation: LinkInvitation,
    key: LinkKeyPair,
    device_name: String,
    /// By our clock, which may differ from the server's; the server decides.
    /// None once the other device has approved.
    give_up: Option<Timestamp>,
}

impl Linking {
    pub fn set_back(&mut self, by: Duration) {
        self.give_up = self.give_up.map(|at| at.minus(by));
    }
}

#[derive(Debug)]
pub(crate) enum Step {
    Opened {
        command: CommandId,
        server: String,
        device_name: String,
    },
    Polled {
        link: String,
    },
    Added,
    /// The same request again, after a crash; the command that it was repeated for.
    AddedAgain {
        command: CommandId,
        server: String,
        device_name: String,
    },
    Code {
        command: CommandId,
        invitation: LinkInvitation,
    },
    Answered {
        command: CommandId,
        device: DeviceId,
    },
}

pub(crate) fn start(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    server: &str,
    device_name: String,
) -> Result<(), StoreError> {
    if !register::check_empty(cx, command) {
        return Ok(());
    }
    let server = match register::parse_server(server) {
        Ok(server) => server,
        Err(error) => {
            cx.reply(command, Err(error));
            return Ok(());
        }
    };
    let begun = LINK.load::<AddDevice>(cx.tx)?;
    match begun.filter(|(own, _)| cx.core.linking.is_none() && own.server == server) {
        Some((_, body)) => {
            let then = Then::Link(Step::AddedAgain { command, server: server.clone(), device_name });
            http::send(cx, Call::open(server, HttpMethod::Post, "/v1/devices", then).json(&body));
        }
        None => open(cx, command, server, device_name),
    }
    Ok(())
}

fn open(cx: &mut Cx<'_, '_>, command: CommandId, server: String, device_name: String) {
    let then = Then::Link(Step::Opened { command, server: server.clone(), device_name });
    http::send(cx, Call::open(server, HttpMethod::Post, "/v1/links", then).json(&http::Empty {}));
}

pub(crate) fn on_answer(cx: &mut Cx<'_, '_>, step: Step, answer: Result<Vec<u8>, Failure>) -> Result<(), StoreError> {
    match step {
        Step::Opened { command, server, device_name } => {
            on_opened(cx, command, server, device_name, answer);
            Ok(())
        }
        Step::Polled { link } => on_polled(cx, &link, answer),
        Step::Added => match http::parse(answer) {
            Ok(added) => on_added(cx, added).map(drop),
            Err(failure) => link_failed(cx, failure.into()),
        },
        Step::AddedAgain { command, server, device_name } => {
            on_added_again(cx, command, server, device_name, http::parse(answer))
        }
        Step::Code { command, invitation } => on_code(cx, command, &invitation, answer),
        Step::Answered { command, device } => on_answered(cx, command, device, answer),
    }
}

fn on_opened(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    server: String,
    device_name: String,
    answer: Result<Vec<u8>, Failure>,
) {
    if !register::check_empty(cx, command) {
        return;
    }
    let session = match http::parse::<LinkSession>(answer) {
        Ok(session) => session,
        Err(failure) => return cx.reply(command, Err(failure.into())),
    };
    let key = LinkKeyPair::generate(&mut cx.core.rng);
    let invitation = match LinkInvitation::new(&server, &session.link, &key) {
        Ok(invitation) => invitation,
        Err(error) => return cx.fail(command, ErrorKind::Internal, error.to_string()),
    };
    let text = invitation.to_text();
    let give_up = Some(cx.now.plus(sotto_types::limits::LINK));
    cx.core.linking = Some(Linking { server, invitation, key, device_name, give_up });
    cx.reply(command, Ok(Reply::LinkText { text, expires_ms: session.expires_ms }));
    poll(cx);
}

fn poll(cx: &mut Cx<'_, '_>) {
    let Some(linking) = &cx.core.linking else { return };
    let link = linking.invitation.link().to_owned();
    let path = format!("/v1/links/{link}?wait_s={POLL_S}");
    let mut call = Call::open(linking.server.clone(), HttpMethod::Get, path, Then::Link(Step::Polled { link }));
    call.timeout_ms = (POLL_S + 10) * 1000;
    http::send(cx, call.in_background());
}

/// A code that nobody used, on a server that cannot be asked whether somebody did, is over soon after it expired.
pub(crate) fn drive(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    if next_time(cx.core).is_some_and(|at| at <= cx.now) {
        let text = "the link code expired while the server could not be reached; start again".into();
        link_failed(cx, CommandError { kind: ErrorKind::Refused, text })?;
    }
    Ok(())
}

pub(crate) fn next_time(core: &Core) -> Option<Timestamp> {
    core.linking.as_ref().and_then(|linking| linking.give_up).map(|at| at.plus(LAST_ANSWER))
}

fn link_failed(cx: &mut Cx<'_, '_>, error: CommandError) -> Result<(), StoreError> {
    cx.core.linking = None;
    LINK.forget::<AddDevice>(cx.tx)?;
    cx.event(Event::LinkFailed { error });
    Ok(())
}

fn on_polled(cx: &mut Cx<'_, '_>, link: &str, answer: Result<Vec<u8>, Failure>) -> Result<(), StoreError> {
    // An answer to a link that was given up for a newer one concerns nobody.
    // Nor does one that comes when the profile has an account: `begin_profile` ended all linking.
    let Some(linking) = cx.core.linking.as_ref().filter(|linking| linking.invitation.link() == link) else {
        return Ok(());
    };
    let sealed = match http::parse::<LinkAnswer>(answer) {
        Ok(LinkAnswer { provisioning: Some(sealed) }) => sealed,
        Ok(LinkAnswer { provisioning: None }) if linking.give_up.is_none_or(|at| at > cx.now) => {
            poll(cx);
            return Ok(());
        }
        Ok(_) => {
            let text = "the link code expired; start again".into();
            return link_failed(cx, CommandError { kind: ErrorKind::Refused, text });
        }
        Err(failure) => return link_failed(cx, failure.into()),
    };
    let given = match linking.key.open(&linking.invitation, &sealed.0) {
        Ok(given) => given,
        Err(error) => return link_failed(cx, CommandError { kind: ErrorKind::Invalid, text: error.to_string() }),
    };
    let current = verify_device_list(&given.device_list.payload, &given.device_list.signature)
        .ok()
        .filter(|list| list.account() == given.account && list.identity_key() == given.identity.public());
    let Some(current) = current else {
        let text = "the other device sent a device list that its key did not sign".into();
        return link_failed(cx, CommandError { kind: ErrorKind::Invalid, text });
    };
    add(cx, given, &current)
}

fn add(cx: &mut Cx<'_, '_>, given: Provisioning, current: &VerifiedDeviceList) -> Result<(), StoreError> {
    let Some(linking) = &mut cx.core.linking else { return Ok(()) };
    linking.give_up = None;
    let (server, device_name) = (linking.server.clone(), linking.device_name.clone());
    let rng = &mut cx.core.rng;
    let own = Own {
        address: DeviceAddress::new(given.account, given.device),
        username: given.username,
        server,
        registration_id: generate_registration_id(rng),
        identity: given.identity,
        auth: DeviceAuthKey::generate(rng),
        profile_key: given.profile_key,
        receipt: String::new(),
        device_name,
        generation: 0,
    };
    let Some(list) = recovery::with_device(cx, &own, current, None) else {
        let code = Some(ErrorCode::TooManyDevices);
        return link_failed(cx, Failure::Refused { code, detail: String::new() }.into());
    };
    let keys = prekeys::new_device_keys(cx, &own.identity)?;
    let body = AddDevice {
        account_id: own.account(),
        link_code: given.link_code.expose().clone(),
        device_id: own.address.device.into(),
        list: SignedList::from(list.clone()),
        keys,
        encrypted_name: register::encrypted_name(cx, &own).into(),
    };
    LINK.forget::<AddDevice>(cx.tx)?;
    LINK.begin(cx.tx, &own, &body)?;
    // The code is good for minutes, and the same request may be repeated.
    let call = Call::open(own.server, HttpMethod::Post, "/v1/devices", Then::Link(Step::Added)).json(&body);
    http::send(cx, call.in_background());
    Ok(())
}

/// The server has this device. None if what it asked for is not there any more (the profile has an account by now).
fn on_added(cx: &mut Cx<'_, '_>, added: DeviceAdded) -> Result<Option<Me>, StoreError> {
    let staged = LINK.load::<AddDevice>(cx.tx)?.filter(|_| cx.core.own.is_none());
    let Some((mut own, body)) = staged else { return Ok(None) };
    own.receipt = added.receipt;
    own.generation = added.generation;
    let me = own.to_view();
    cx.core.linking = None;
    LINK.close(cx.tx)?;
    register::begin_profile(cx, own, body.list.into())?;
    prekeys::published(cx, &body.keys)?;
    blocks::compare_later(cx)?;
    crate::requests::tell_later(cx)?;
    cx.event(Event::Linked { me: me.clone() });
    Ok(Some(me))
}

fn on_added_again(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    server: String,
    device_name: String,
    answer: Result<DeviceAdded, Failure>,
) -> Result<(), StoreError> {
    match answer {
        Ok(added) => {
            if let Some(me) = on_added(cx, added)? {
                cx.reply(command, Ok(Reply::Me { me }));
            } else if register::check_empty(cx, command) {
                cx.fail(command, ErrorKind::Internal, "the link is gone; try again");
            }
        }
        Err(failure) if failure.code().is_some_and(is_over) => {
            LINK.forget::<AddDevice>(cx.tx)?;
            open(cx, command, server, device_name);
        }
        Err(failure) => cx.reply(command, Err(failure.into())),
    }
    Ok(())
}

/// Too late, or that device was removed meanwhile: the same request will not do.
pub(crate) fn is_over(code: ErrorCode) -> bool {
    code.action() == Action::Stop || code == ErrorCode::ListVersionConflict
}

pub(crate) fn approve(cx: &mut Cx<'_, '_>, command: CommandId, text: &str) {
    let Some(own) = cx.own() else { return };
    let invitation = match LinkInvitation::parse(text) {
        Ok(invitation) if invitation.server() == own.server => invitation,
        Ok(other) => {
            let text = format!("that device wants to join {}, but this account is on {}", other.server(), own.server);
            return cx.fail(command, ErrorKind::Invalid, text);
        }
        Err(error) => return cx.fail(command, ErrorKind::Invalid, error.to_string()),
    };
    let then = Then::Link(Step::Code { command, invitation });
    let call = Call::own(cx, HttpMethod::Post, "/v1/devices/link-codes", then).json(&http::Empty {});
    http::send(cx, call);
}

fn on_code(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    invitation: &LinkInvitation,
    answer: Result<Vec<u8>, Failure>,
) -> Result<(), StoreError> {
    let code = match http::parse::<LinkCode>(answer) {
        Ok(code) => code,
        Err(failure) => {
            cx.reply(command, Err(failure.into()));
            return Ok(());
        }
    };
    let Some(own) = cx.own() else { return Ok(()) };
    let list = cx.tx.contact(own.account())?.and_then(|contact| contact.list);
    let (Ok(device), Some((payload, signature))) = (DeviceId::try_from(code.device_id), list) else {
        cx.fail(command, ErrorKind::Internal, "the server assigned an impossible device id");
        return Ok(());
    };
    let provisioning = Provisioning {
        account: own.account(),
        username: own.username.clone(),
        identity: own.identity.clone(),
        profile_key: own.profile_key.clone(),
        link_code: Secret::new(code.link_code),
        device,
        device_list: SignedDeviceList { payload: payload.into(), signature: signature.into() },
    };
    let sealed = provisioning::seal(invitation, &provisioning, &mut cx.core.rng);
    let body = LinkAnswer { provisioning: Some(sealed.into()) };
    let mut pending = cx.tx.setting_json::<Vec<DeviceId>>(PENDING)?.unwrap_or_default();
    pending.retain(|known| *known != device);
    pending.push(device);
    cx.tx.put_setting_json(PENDING, &pending)?;
    let then = Then::Link(Step::Answered { command, device });
    let call = Call::own(cx, HttpMethod::Put, format!("/v1/links/{}", invitation.link()), then).json(&body);
    http::send(cx, call);
    Ok(())
}

fn on_answered(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    device: DeviceId,
    answer: Result<Vec<u8>, Failure>,
) -> Result<(), StoreError> {
    if let Err(failure) = answer {
        let mut pending = cx.tx.setting_json::<Vec<DeviceId>>(PENDING)?.unwrap_or_default();
        pending.retain(|known| *known != device);
        cx.tx.put_setting_json(PENDING, &pending)?;
        cx.reply(command, Err(failure.into()));
        return Ok(());
    }
    cx.reply(command, Ok(Reply::Done));
    Ok(())
}

/// The own list changed: a device this one approved may have arrived.
pub(crate) fn on_own_list(cx: &mut Cx<'_, '_>, list: &VerifiedDeviceList) -> Result<(), StoreError> {
    let pending = cx.tx.setting_json::<Vec<DeviceId>>(PENDING)?.unwrap_or_default();
    let (arrived, waiting): (Vec<DeviceId>, Vec<DeviceId>) =
        pending.into_iter().partition(|device| list.device(*device).is_some());
    if !arrived.is_empty() {
        cx.tx.put_setting_json(PENDING, &waiting)?;
    }
    arrived.into_iter().try_for_each(|device| history::start(cx, device, history::DAYS_MAX))
}
