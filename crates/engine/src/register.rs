//! Registration: a new account with this device as its first.
//! Flow: `start` -> identity, auth key, prekeys and recovery code made and stored -> POST /v1/accounts -> profile -> connect.
//! Always true: everything is stored before the request leaves, so a crash or a lost answer is repaired by the same command again:
//! it sends the same account once more and shows the same recovery code. What fails here leaves an account that the profile has
//! by then alone.

use crate::api::{CommandError, CommandId, ErrorKind, Event, HttpMethod, Reply};
use crate::core::Cx;
use crate::http::{self, Call, Failure, Then};
use crate::profile::Own;
use crate::staged::{self, REGISTER};
use crate::{connection, prekeys, sign_in};
use rand::Rng;
use sotto_crypto::device_list::{generate_registration_id, sign_device_list, verify_device_list};
use sotto_crypto::recovery::RecoveryContents;
use sotto_crypto::{DeviceAuthKey, IdentityKeyPair, ListedDevice, RecoveryCode, SignedDeviceList, device_name};
use sotto_engine_store::{Contact, StoreError};
use sotto_types::{AccountId, Action, DeviceAddress, DeviceId, ErrorCode, Secret, Username};
use sotto_wire::http::{AddDevice, RecoveryKeys, Register, Registered, ReplaceIdentity, SignedList};

/// The recovery code of a registration under way.
const CODE: &str = "new.recovery_code";
/// The server's half of the recovery code: ciphertext and a public key.
pub(crate) const RECOVERY_KEYS: &str = "recovery_keys";

#[derive(Debug)]
pub(crate) struct Step {
    command: CommandId,
    invite: Option<String>,
    /// It was asked before, and what came of that is not known.
    again: bool,
}

/// "chat.example.org" -> "https://chat.example.org"; plain HTTP only where it is asked for, or on this machine.
pub(crate) fn parse_server(text: &str) -> Result<String, CommandError> {
    let text = text.trim();
    let invalid = || CommandError {
        kind: ErrorKind::Invalid,
        text: format!(
            "{text:?} is not a server address; it looks like https://chat.example.org or http://127.0.0.1:8480"
        ),
    };
    let (scheme, authority) = match text.split_once("://") {
        Some((scheme @ ("http" | "https"), rest)) => (scheme, rest),
        Some(_) => return Err(invalid()),
        None if text.starts_with("localhost") || text.starts_with("127.") || text.starts_with("[::1]") => {
            ("http", text)
        }
        None => ("https", text),
    };
    let authority = authority.trim_end_matches('/');
    let good = !authority.is_empty()
        && authority.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']'));
    if good { Ok(format!("{scheme}://{}", authority.to_ascii_lowercase())) } else { Err(invalid()) }
}

/// A profile takes one account.
pub(crate) fn check_empty(cx: &mut Cx<'_, '_>, command: CommandId) -> bool {
    let Some(own) = cx.own() else { return true };
    let text = match &cx.core.signed_out {
        None => format!("this profile already belongs to @{}; use another one (--profile)", own.username),
        Some(why) => format!("this profile belonged to @{} ({}); use another one (--profile)", own.username, why.text),
    };
    cx.fail(command, ErrorKind::WrongState, text);
    false
}

pub(crate) fn start(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    server: &str,
    username: Username,
    invite: Option<String>,
    device_name: String,
) -> Result<(), StoreError> {
    if !check_empty(cx, command) {
        return Ok(());
    }
    let server = match parse_server(server) {
        Ok(server) => server,
        Err(error) => {
            cx.reply(command, Err(error));
            return Ok(());
        }
    };
    let begun = REGISTER.load::<Register>(cx.tx)?;
    let begun = begun.filter(|(own, _)| own.server == server && own.username == username);
    let again = begun.is_some();
    let body = match begun {
        Some((_, body)) => body,
        None => make(cx, &server, username, device_name)?,
    };
    ask(cx, server, body, Step { command, invite, again });
    Ok(())
}

fn ask(cx: &mut Cx<'_, '_>, server: String, mut body: Register, step: Step) {
    body.invite.clone_from(&step.invite);
    let call = Call::open(server, HttpMethod::Post, "/v1/accounts", Then::Register(step)).json(&body);
    http::send(cx, call);
}

fn make(cx: &mut Cx<'_, '_>, server: &str, username: Username, device_name: String) -> Result<Register, StoreError> {
    let rng = &mut cx.core.rng;
    let account = AccountId::from_uuid(uuid::Builder::from_random_bytes(rng.random()).into_uuid());
    let own = Own {
        address: DeviceAddress::new(account, DeviceId::FIRST),
        username: username.clone(),
        server: server.to_owned(),
        registration_id: generate_registration_id(rng),
        identity: IdentityKeyPair::generate(rng),
        auth: DeviceAuthKey::generate(rng),
        profile_key: Secret::new(rng.random()),
        receipt: String::new(),
        device_name,
        generation: 0,
    };
    let code = RecoveryCode::generate(rng);
    let recovery = recovery_keys(cx, &own, &code);
    let listed = [own_entry(&own)];
    let list = sign_device_list(&own.identity, account, 1, &listed, &mut cx.core.rng)
        .map_err(|error| StoreError::Damaged(format!("a list of one device: {error}")))?;
    let keys = prekeys::new_device_keys(cx, &own.identity)?;
    let body = Register {
        account_id: account,
        username: username.to_string(),
        invite: None,
        receipt: None,
        device_id: DeviceId::FIRST.into(),
        list: SignedList::from(list),
        keys,
        recovery,
        encrypted_name: encrypted_name(cx, &own).into(),
    };
    REGISTER.forget::<Register>(cx.tx)?;
    REGISTER.begin(cx.tx, &own, &body)?;
    cx.tx.put_setting(CODE, code.to_text().expose().as_bytes())?;
    Ok(body)
}

pub(crate) fn own_entry(own: &Own) -> ListedDevice {
    ListedDevice { id: own.address.device, registration_id: own.registration_id, auth_key: own.auth.public() }
}

pub(crate) fn encrypted_name(cx: &mut Cx<'_, '_>, own: &Own) -> Vec<u8> {
    device_name::encrypt_device_name(&own.identity, &own.device_name, &mut cx.core.rng)
}

pub(crate) fn recovery_keys(cx: &mut Cx<'_, '_>, own: &Own, code: &RecoveryCode) -> RecoveryKeys {
    let contents = RecoveryContents {
        account: own.account(),
        username: own.username.clone(),
        identity: own.identity.clone(),
        profile_key: own.profile_key.clone(),
    };
    RecoveryKeys {
        auth_key: code.auth_key().public().as_bytes().to_vec().into(),
        backup: code.seal(&contents, &mut cx.core.rng).into(),
    }
}

pub(crate) fn on_answer(cx: &mut Cx<'_, '_>, step: Step, answer: Result<Vec<u8>, Failure>) -> Result<(), StoreError> {
    let command = step.command;
    let registered = match http::parse::<Registered>(answer) {
        Ok(registered) => registered,
        Err(failure) => return on_refused(cx, step, failure),
    };
    if !check_empty(cx, command) {
        return Ok(());
    }
    let Some((mut own, body)) = REGISTER.load::<Register>(cx.tx)? else {
        cx.fail(command, ErrorKind::Internal, "the registration is gone; try again");
        return Ok(());
    };
    let code = cx.tx.setting(CODE)?.map(|code| String::from_utf8_lossy(code.expose()).into_owned()).unwrap_or_default();
    own.receipt = registered.receipt;
    own.generation = registered.generation;
    cx.tx.put_setting_json(RECOVERY_KEYS, &body.recovery)?;
    REGISTER.close(cx.tx)?;
    begin_profile(cx, own.clone(), body.list.into())?;
    prekeys::published(cx, &body.keys)?;
    cx.reply(command, Ok(Reply::Registered { me: own.to_view(), recovery_code: code }));
    Ok(())
}

fn on_refused(cx: &mut Cx<'_, '_>, step: Step, failure: Failure) -> Result<(), StoreError> {
    match failure.code() {
        // Who took the name may have been the first try, while this one was looked at: now that it is done, the server
        // knows a repetition when it sees one.
        Some(ErrorCode::UsernameTaken | ErrorCode::AccountExists) if step.again => {
            if let Some((own, body)) = REGISTER.load::<Register>(cx.tx)? {
                ask(cx, own.server, body, Step { again: false, ..step });
                return Ok(());
            }
        }
        // Nobody else has this id: it was made, and may be ours yet.
        Some(ErrorCode::AccountExists) => {}
        // Nothing was made there, for certain; the next try may have another name.
        Some(code) if code.action() == Action::Stop => forget_begun(cx)?,
        _ => {}
    }
    cx.reply(step.command, Err(failure.into()));
    Ok(())
}

fn forget_begun(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    REGISTER.forget::<Register>(cx.tx)?;
    cx.tx.delete_setting(CODE)
}

/// This profile is a device from now on. The stage that led here is closed already; what other ways left behind goes.
pub(crate) fn begin_profile(cx: &mut Cx<'_, '_>, own: Own, list: SignedDeviceList) -> Result<(), StoreError> {
    let verified = verify_device_list(&list.payload, &list.signature)
        .map_err(|error| StoreError::Damaged(format!("the own device list: {error}")))?;
    own.save(cx.tx)?;
    forget_begun(cx)?;
    staged::LINK.forget::<AddDevice>(cx.tx)?;
    staged::RECOVER.forget::<AddDevice>(cx.tx)?;
    staged::REPLACE_IDENTITY.forget::<ReplaceIdentity>(cx.tx)?;
    if cx.core.linking.take().is_some() {
        // Whoever opens that link later finds nobody behind it.
        let text = "this profile got an account in another way meanwhile".into();
        cx.event(Event::LinkFailed { error: CommandError { kind: ErrorKind::WrongState, text } });
    }
    cx.tx.put_contact(&Contact {
        username: Some(own.username.to_string()),
        identity_key: Some(own.identity.public().as_bytes().to_vec()),
        verified: true,
        list_version: verified.version(),
        list: Some((list.payload.to_vec(), list.signature.to_vec())),
        stale: false,
        ..Contact::new(own.account())
    })?;
    cx.core.own = Some(own);
    cx.core.keys_checked = true;
    Ok(())
}

/// The server was restored from a backup that is older than this account: bring it back with the receipt.
pub(crate) fn again(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    let list = cx.tx.contact(own.account())?.and_then(|contact| contact.list);
    let recovery = cx.tx.setting_json::<RecoveryKeys>(RECOVERY_KEYS)?;
    let (Some((payload, signature)), Some(recovery)) = (list, recovery) else {
        // A linked device has no recovery keys: it waits until the first device has brought the account back.
        let unknown = Failure::Refused { code: Some(ErrorCode::UnknownAccount), detail: String::new() };
        return sign_in::not_known(cx, &unknown);
    };
    let keys = prekeys::keys_again(cx, &own.identity)?;
    let body = Register {
        account_id: own.account(),
        username: own.username.to_string(),
        invite: None,
        receipt: Some(own.receipt.clone()),
        device_id: own.address.device.into(),
        list: SignedList { payload: payload.into(), signature: signature.into() },
        keys,
        recovery,
        encrypted_name: encrypted_name(cx, &own).into(),
    };
    cx.notice("the server was restored from an old backup; this account is introducing itself again");
    let then = Then::SignIn(crate::sign_in::Step::RegisteredAgain);
    let call = Call::open(own.server, HttpMethod::Post, "/v1/accounts", then).json(&body);
    http::send(cx, call);
    Ok(())
}

pub(crate) fn delete_account(cx: &mut Cx<'_, '_>, command: CommandId) {
    let call = Call::own(cx, HttpMethod::Delete, "/v1/accounts/me", Then::DeleteAccount(command));
    http::send(cx, call);
}

pub(crate) fn on_deleted(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    answer: Result<Vec<u8>, Failure>,
) -> Result<(), StoreError> {
    if let Err(failure) = answer {
        cx.reply(command, Err(failure.into()));
        return Ok(());
    }
    let online = cx.core.link.want_online;
    connection::set_online(cx, false)?;
    // For an account that is made next.
    cx.core.link.want_online = online;
    cx.core.link.drop_token();
    cx.tx.wipe()?;
    cx.core.own = None;
    let error = CommandError { kind: ErrorKind::SignedOut, text: "the account was deleted".into() };
    for (waiting, _) in cx.core.forget_account() {
        cx.reply(waiting, Err(error.clone()));
    }
    cx.event(Event::SignedOut { error });
    cx.reply(command, Ok(Reply::Done));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::parse_server;

    #[test]
    fn server_addresses() {
        for (text, want) in [
            ("https://Chat.Example.org/", Some("https://chat.example.org")),
            ("chat.example.org:8443", Some("https://chat.example.org:8443")),
            ("127.0.0.1:8480", Some("http://127.0.0.1:8480")),
            ("localhost", Some("http://localhost")),
            ("http://[::1]:80", Some("http://[::1]:80")),
            ("ftp://x", None),
            ("https://", None),
            ("https://x/path", None),
            ("https://user@x", None),
            ("", None),
        ] {
            assert_eq!(parse_server(text).ok().as_deref(), want, "{text}");
        }
    }
}
