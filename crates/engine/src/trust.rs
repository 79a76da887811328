//! Whom to believe: device lists and identity keys.
//! Flow: a list comes (answer, mismatch, bundles) -> signature and rules -> against what is known -> taken, refused, or a key change.
//! Always true:
//! - a list with a bad signature, a lower version or other devices under a known version is never used: the server can neither
//!   add a device nor bring one back;
//! - the first identity key of a contact is trusted; another one is adopted and shown if the contact was not verified, and
//!   waits for the person if it was: nothing is sent meanwhile;
//! - the own list is believed only if our identity key signed it.

use crate::api::{CommandError, CommandId, ErrorKind, Event, HttpMethod, Reply};
use crate::core::Cx;
use crate::http::{self, Call, Failure, Then};
use crate::{devices, inbox, link, outbox, sync, views};
use sotto_crypto::device_list::{AcceptListError, accept_list, verify_device_list};
use sotto_crypto::{IdentityKey, SignedDeviceList, VerifiedDeviceList};
use sotto_engine_store::{Contact, MessageKind, NewMessage, StoreError};
use sotto_types::{AccountId, DeviceId, ErrorCode, Secret, Username};
use sotto_wire::http::AccountDevices;

/// What became of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offered {
    Taken,
    /// A verified contact's key changed: the person decides.
    Held,
    Refused,
}

pub(crate) fn fetch_list(cx: &mut Cx<'_, '_>, account: AccountId) {
    if cx.core.fetching.insert(account) {
        let path = format!("/v1/accounts/{account}/devices");
        let call = Call::own(cx, HttpMethod::Get, path, Then::List(account)).in_background();
        http::send(cx, call);
    }
}

pub(crate) fn on_list_answer(
    cx: &mut Cx<'_, '_>,
    account: AccountId,
    answer: Result<Vec<u8>, Failure>,
) -> Result<(), StoreError> {
    cx.core.fetching.remove(&account);
    match http::parse::<AccountDevices>(answer) {
        Ok(found) => {
            note_username(cx, account, &found.username)?;
            if offer_list(cx, account, found.list.into())? == Offered::Refused {
                // Not at once again: what waits for this account waits a little.
                outbox::delay_all(cx, account)?;
            }
        }
        Err(failure) => {
            tracing::info!(?failure, "no device list");
            if matches!(
                failure.code(),
                Some(ErrorCode::NotFound | ErrorCode::UnknownAccount | ErrorCode::UnknownRecipient)
            ) {
                outbox::fail_all(cx, account, "this person's account no longer exists")?;
            } else {
                outbox::delay_all(cx, account)?;
            }
        }
    }
    inbox::unpark(cx, account)
}

pub(crate) fn note_username(cx: &mut Cx<'_, '_>, account: AccountId, username: &str) -> Result<(), StoreError> {
    let Ok(username) = Username::parse(username) else { return Ok(()) };
    let mut contact = cx.tx.contact(account)?.unwrap_or_else(|| Contact::new(account));
    if contact.username.as_deref() != Some(username.as_str()) {
        contact.username = Some(username.to_string());
        cx.tx.put_contact(&contact)?;
        cx.contact_changed(account)?;
    }
    Ok(())
}

/// Checks a list that the server showed for `account` and takes it if it holds.
pub(crate) fn offer_list(
    cx: &mut Cx<'_, '_>,
    account: AccountId,
    list: SignedDeviceList,
) -> Result<Offered, StoreError> {
    let verified = match verify_device_list(&list.payload, &list.signature) {
        Ok(verified) => verified,
        Err(error) => {
            cx.notice(format!("the server showed a device list that is not genuine ({error}); it was refused"));
            return Ok(Offered::Refused);
        }
    };
    let Some(own) = cx.own() else { return Ok(Offered::Refused) };
    let known = devices::list_of(cx, account)?;
    let contact = cx.tx.contact(account)?.unwrap_or_else(|| Contact::new(account));
    if known.is_none() && verified.version() < contact.list_version {
        // The key was accepted by the person; its lists still may not go back behind what was seen.
        cx.notice(format!("the server showed an old device list of {}; it was refused", name(&contact)));
        return Ok(Offered::Refused);
    }
    let is_own = account == own.account();
    let trusted = if is_own {
        Some(own.identity.public())
    } else {
        contact.identity_key.as_deref().and_then(|key| IdentityKey::parse(key).ok())
    };
    match accept_list(account, known.as_ref(), verified.clone(), trusted.as_ref()) {
        Ok(_) => {
            take(cx, contact, list, verified, known.as_ref())?;
            Ok(Offered::Taken)
        }
        // Versions rise over key changes too: an older list of an older key is a replay.
        Err(AcceptListError::IdentityChanged { got, .. })
            if !is_own && known.as_ref().is_none_or(|known| verified.version() > known.version()) =>
        {
            key_changed(cx, contact, list, verified, got)
        }
        Err(error) => {
            let whose = if is_own { "your own devices".into() } else { name(&contact) };
            cx.notice(format!(
                "the server showed a device list of {whose} that cannot be right ({error}); it was refused"
            ));
            Ok(Offered::Refused)
        }
    }
}

fn name(contact: &Contact) -> String {
    contact.username.as_ref().map_or_else(|| contact.account.to_string(), |name| format!("@{name}"))
}

fn take(
    cx: &mut Cx<'_, '_>,
    mut contact: Contact,
    list: SignedDeviceList,
    verified: VerifiedDeviceList,
    known: Option<&VerifiedDeviceList>,
) -> Result<(), StoreError> {
    let changed = known.is_none_or(|known| *known != verified);
    contact.identity_key = Some(verified.identity_key().as_bytes().to_vec());
    contact.list_version = verified.version();
    contact.list = Some((list.payload.to_vec(), list.signature.to_vec()));
    contact.stale = false;
    cx.tx.put_contact(&contact)?;
    cx.core.lists.insert(contact.account, verified.clone());
    if !changed {
        return Ok(());
    }
    if let Some(known) = known {
        let gone = known.devices().iter().filter(|old| verified.device(old.id).is_none());
        for device in gone {
            cx.tx.delete_session(sotto_types::DeviceAddress::new(contact.account, device.id))?;
        }
    }
    if cx.core.own.as_ref().is_some_and(|own| own.account() == contact.account) {
        cx.event(Event::DevicesChanged);
        link::on_own_list(cx, &verified)?;
    } else if contact.listed {
        cx.contact_changed(contact.account)?;
    }
    Ok(())
}

fn key_changed(
    cx: &mut Cx<'_, '_>,
    mut contact: Contact,
    list: SignedDeviceList,
    verified: VerifiedDeviceList,
    got: IdentityKey,
) -> Result<Offered, StoreError> {
    let account = contact.account;
    let was_verified = contact.verified;
    if was_verified && contact.pending_key.as_deref() == Some(&got.as_bytes()[..]) {
        return Ok(Offered::Held);
    }
    if was_verified {
        contact.pending_key = Some(got.as_bytes().to_vec());
        contact.stale = false;
        cx.tx.put_contact(&contact)?;
    } else {
        cx.tx.delete_sessions(account)?;
        take(cx, contact, list, verified, None)?;
    }
    let name = cx.new_name();
    let line = cx.tx.insert_message(&NewMessage {
        author: account,
        author_device: DeviceId::FIRST,
        name,
        conversation: account,
        message_id: None,
        after: Some(cx.tx.seen(account)?),
        kind: MessageKind::KeyChanged,
        content: Secret::new(got.as_bytes().to_vec()),
        written: cx.now,
        server_time: None,
        note: None,
    })?;
    if let Some(line) = line {
        cx.message_added(line)?;
    }
    let contact = views::contact(cx, account)?;
    cx.event(Event::KeyChanged { contact, was_verified });
    for message in cx.tx.queued_messages(account)? {
        cx.message_changed(message)?;
    }
    Ok(if was_verified { Offered::Held } else { Offered::Taken })
}

/// The server's version of the own list, and which own devices it suspended.
pub(crate) fn on_own_list_version(cx: &mut Cx<'_, '_>, version: u32, suspended: &[DeviceId]) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    let known = cx.tx.contact(own.account())?.map_or(0, |contact| contact.list_version);
    if version > known {
        fetch_list(cx, own.account());
    } else if version < known {
        devices::bring_list(cx)?;
    }
    if !suspended.is_empty() && version == known {
        devices::drop_suspended(cx, suspended)?;
    }
    Ok(())
}

/// Accepts a pending key and sets the verified mark as asked.
pub(crate) fn set_verified(
    cx: &mut Cx<'_, '_>,
    command: Option<CommandId>,
    account: AccountId,
    verified: bool,
) -> Result<(), StoreError> {
    let Some(mut contact) = cx.tx.contact(account)? else {
        if let Some(command) = command {
            cx.reply(command, Err(unknown_contact()));
        }
        return Ok(());
    };
    if let Some(key) = contact.pending_key.take() {
        cx.tx.delete_sessions(account)?;
        contact.identity_key = Some(key);
        // The list was signed by the old key; the next one must be above it.
        contact.list = None;
        contact.stale = true;
        cx.core.lists.remove(&account);
    }
    if contact.identity_key.is_none() {
        if let Some(command) = command {
            cx.reply(command, Err(unknown_contact()));
        }
        return Ok(());
    }
    let changed = contact.verified != verified;
    contact.verified = verified;
    let identity_key = contact.identity_key.clone().unwrap_or_default();
    cx.tx.put_contact(&contact)?;
    cx.tx.hurry_outbox(Some(account))?;
    if changed && command.is_some() {
        sync::trust_changed(cx, account, &identity_key, verified)?;
    }
    cx.contact_changed(account)?;
    for message in cx.tx.queued_messages(account)? {
        cx.message_changed(message)?;
    }
    if let Some(command) = command {
        let contact = views::contact(cx, account)?;
        cx.reply(command, Ok(Reply::Contact { contact }));
    }
    Ok(())
}

fn unknown_contact() -> CommandError {
    CommandError {
        kind: ErrorKind::NotFound,
        text: "there is no identity key of this person yet; write a message first".into(),
    }
}
