//! Whom to believe: device lists and identity keys.
//! Flow: a list comes (answer, mismatch, bundles) -> signature and rules -> against what is known -> taken, refused, or a key change.
//! Always true:
//! - a list with a bad signature, a lower version or other devices under a known version is never used: the server can neither
//!   add a device nor bring one back;
//! - the first identity key of a contact is trusted; another one is adopted and shown if the contact was not verified, and
//!   waits for the person if it was: nothing is sent meanwhile;
//! - the own list is believed only if our identity key signed it;
//! - a name stays with the account it is known by, if there is more to lose than the name: the person decides who has it.

use crate::api::{CommandError, CommandId, ErrorKind, Event, HttpMethod, Reply};
use crate::core::Cx;
use crate::http::{self, Call, Failure, Then};
use crate::keys::Protocol;
use crate::{contacts, devices, inbox, link, outbox, profile, recovery, sync, views};
use sotto_crypto::device_list::{AcceptListError, accept_list, verify_device_list};
use sotto_crypto::session;
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
    if cx.core.fetching.insert(account, ()).is_none() {
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
    if cx.own().is_some_and(|own| own.username == username && own.account() != account) {
        tracing::warn!(%account, "the server gives our name to another account");
        return Ok(());
    }
    let mut contact = cx.tx.contact(account)?.unwrap_or_else(|| Contact::new(account));
    let name = Some(username.as_str());
    if contact.username.as_deref() == name || contact.claims.as_deref() == name {
        return Ok(());
    }
    if let Some(holder) = cx.tx.contact_named(username.as_str())?
        && is_more_than_a_name(cx, &holder)?
    {
        contact.claims = Some(username.to_string());
        contact.claim_open = true;
        cx.tx.put_contact(&contact)?;
        cx.notice(claim_text(username.as_str(), holder.account, account));
        // The holder may have another name by now.
        fetch_list(cx, holder.account);
        return Ok(());
    }
    let given_up = contact.username.replace(username.to_string());
    contact.claims = None;
    contact.claim_open = false;
    cx.tx.put_contact(&contact)?;
    cx.contact_changed(account)?;
    let Some(given_up) = given_up else { return Ok(()) };
    let Some(mut next) = cx.tx.contact_claiming(&given_up)? else { return Ok(()) };
    next.claims = None;
    cx.tx.put_contact(&next)?;
    note_username(cx, next.account, &given_up)
}

/// Verified, or somebody there are messages with: whoever gets this one's name gets what was meant for them.
fn is_more_than_a_name(cx: &Cx<'_, '_>, holder: &Contact) -> Result<bool, StoreError> {
    Ok(holder.identity_key.is_some() && (holder.verified || cx.tx.newest(holder.account.into())?.is_some()))
}

pub(crate) fn claim_text(name: &str, holder: AccountId, claimant: AccountId) -> String {
    format!(
        "the server says that @{name} is another account now ({claimant}); the one you know is {holder}. Until you decide, name \
         them by these ids; `accept-key ID` gives the name to the one you mean"
    )
}

/// The person says which account has the name that two were said to have.
fn settle_name(cx: &mut Cx<'_, '_>, contact: &mut Contact) -> Result<(), StoreError> {
    if contact.claim_open {
        contact.claim_open = false;
        let name = contact.claims.take();
        let holder = name.as_deref().map(|name| cx.tx.contact_named(name)).transpose()?.flatten();
        contact.username = name;
        cx.tx.put_contact(contact)?;
        if let Some(holder) = holder {
            cx.contact_changed(holder.account)?;
        }
    } else if let Some(name) = &contact.username {
        cx.tx.refuse_claims(name)?;
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
    if account == own.account() && recovery::on_own_list(cx, &list)? {
        return Ok(Offered::Taken);
    }
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
            if !is_own && verified.version() > known.as_ref().map_or(contact.list_version, |known| known.version()) =>
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
    // Sessions with devices that are gone stay: what those sent before still opens. Nothing is sent to them.
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
    cx.core.groups.forget_ready();
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
        keep_sessions_with(cx, account, &got)?;
        take(cx, contact, list, verified, None)?;
    }
    let name = cx.new_name();
    let line = cx.tx.insert_message(&NewMessage {
        author: account,
        author_device: DeviceId::FIRST,
        name,
        conversation: account.into(),
        message_id: None,
        after: Some(cx.tx.seen(account.into())?),
        kind: MessageKind::KeyChanged,
        content: Secret::new(got.as_bytes().to_vec()),
        written: cx.now,
        server_time: None,
        note: None,
        expires_after_s: 0,
    })?;
    if let Some(line) = line {
        cx.message_added(line)?;
    }
    let contact = views::contact(cx, account)?;
    cx.event(Event::KeyChanged { contact, was_verified });
    for message in cx.tx.queued_messages(account.into())? {
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

/// Ends the sessions that were made with another identity key.
fn keep_sessions_with(cx: &mut Cx<'_, '_>, account: AccountId, key: &IdentityKey) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    for with in cx.tx.sessions_of(account)? {
        let store = Protocol::new(cx.tx, &own);
        let theirs = session::remote_identity(&store, with).map_err(|failure| store.failure(&failure))?;
        if theirs != Some(*key) {
            cx.tx.delete_session(with)?;
        }
    }
    Ok(())
}

/// Sets the verified mark, if the number that the person compared is the one of the key we know.
pub(crate) fn verify(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    account: AccountId,
    compared: Option<&str>,
) -> Result<(), StoreError> {
    let Some(number) = contacts::number_with(cx, account)? else {
        cx.reply(command, Err(unknown_contact()));
        return Ok(());
    };
    let Some(compared) = compared else {
        cx.fail(command, ErrorKind::Invalid, "compare the safety number first, and give the one you compared");
        return Ok(());
    };
    let digits: String = compared.chars().filter(|c| !c.is_whitespace()).collect();
    if digits != number.digits() {
        let text = "the safety number is not (or no longer) the one you compared; look at it and compare again";
        cx.fail(command, ErrorKind::KeyChanged, text);
        return Ok(());
    }
    set_verified(cx, Some(command), account, true)
}

pub(crate) fn unverify(cx: &mut Cx<'_, '_>, command: CommandId, account: AccountId) -> Result<(), StoreError> {
    if cx.tx.contact(account)?.is_some_and(|contact| contact.pending_key.is_some()) {
        let text = "this person's key changed: decide about that first (verify or accept-key)";
        cx.fail(command, ErrorKind::KeyChanged, text);
        return Ok(());
    }
    set_verified(cx, Some(command), account, false)
}

/// Goes on with the key (and the name) that an account has now, unverified if the key is a new one. `shown`: the key the
/// person was shown, in hex.
pub(crate) fn accept_key(
    cx: &mut Cx<'_, '_>,
    command: CommandId,
    account: AccountId,
    shown: Option<&str>,
) -> Result<(), StoreError> {
    let Some(mut contact) = cx.tx.contact(account)? else {
        cx.reply(command, Err(unknown_contact()));
        return Ok(());
    };
    let key = contact.pending_key.as_deref().or(contact.identity_key.as_deref()).map(profile::hex);
    if shown.is_some() && shown != key.as_deref() {
        cx.fail(command, ErrorKind::KeyChanged, "the key changed once more; look at it again");
        return Ok(());
    }
    settle_name(cx, &mut contact)?;
    let verified = contact.verified && contact.pending_key.is_none();
    set_verified(cx, Some(command), account, verified)
}

/// Accepts a pending key and sets the verified mark as asked.
fn set_verified(
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
        // The new key may have written already, in a session of its own: what it sends next needs that one.
        match IdentityKey::parse(&key) {
            Ok(key) => keep_sessions_with(cx, account, &key)?,
            Err(_) => cx.tx.delete_sessions(account)?,
        }
        contact.identity_key = Some(key);
        // The list was signed by the old key. The next one must be above it, or the server could bring the old key back.
        contact.list = None;
        contact.list_version = contact.list_version.saturating_add(1);
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
    cx.tx.hurry_outbox(Some(account.into()))?;
    if changed && command.is_some() {
        sync::trust_changed(cx, account, &identity_key, verified)?;
    }
    cx.contact_changed(account)?;
    for message in cx.tx.queued_messages(account.into())? {
        cx.message_changed(message)?;
    }
    if let Some(command) = command {
        let contact = views::contact(cx, account)?;
        cx.reply(command, Ok(Reply::Contact { contact }));
    }
    Ok(())
}

/// An own device says that the person decided there.
pub(crate) fn decided_elsewhere(cx: &mut Cx<'_, '_>, account: AccountId, verified: bool) -> Result<(), StoreError> {
    set_verified(cx, None, account, verified)
}

pub(crate) fn unknown_contact() -> CommandError {
    CommandError {
        kind: ErrorKind::NotFound,
        text: "there is no identity key of this person yet; write a message first".into(),
    }
}
