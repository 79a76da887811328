//! People: finding an account by its name, and a command that waits for it.
//! Always true: a command that names somebody unknown goes on by itself once they are found, or fails with the reason.

use crate::api::{Command, CommandError, CommandId, ErrorKind, HttpMethod, Reply, Who};
use crate::core::Cx;
use crate::http::{self, Call, Failure, Then};
use crate::{commands, trust, views};
use sotto_crypto::SafetyNumber;
use sotto_engine_store::{Contact, StoreError};
use sotto_types::{AccountId, ErrorCode, Username};
use sotto_wire::http::{AccountDevices, Found};

#[derive(Debug)]
pub(crate) enum Step {
    Named { key: String, name: Username },
    Devices { key: String, account: AccountId },
}

/// The account of `who`; `None` means that it is being looked up and the command will run again.
pub(crate) fn resolve(
    cx: &mut Cx<'_, '_>,
    id: CommandId,
    who: &Who,
    command: &Command,
) -> Result<Option<AccountId>, StoreError> {
    let Some(own) = cx.own() else { return Ok(None) };
    let known = match who {
        Who::Me => return Ok(Some(own.account())),
        Who::Account(account) if *account == own.account() => return Ok(Some(*account)),
        Who::Name(name) if *name == own.username => return Ok(Some(own.account())),
        Who::Account(account) => cx.tx.contact(*account)?,
        Who::Name(name) => cx.tx.contact_named(name.as_str())?,
        Who::Group(_) => {
            cx.fail(id, ErrorKind::Invalid, commands::NO_PERSON);
            return Ok(None);
        }
    };
    let key = match who {
        Who::Account(account) => account.to_string(),
        Who::Name(name) => format!("@{name}"),
        Who::Me | Who::Group(_) => return Ok(None),
    };
    if let Some(waiting) = cx.core.looking.get_mut(&key) {
        // Behind those that wait already: two messages to somebody new keep their order.
        waiting.push((id, command.clone()));
        return Ok(None);
    }
    if let (Who::Name(name), Some(contact)) = (who, &known)
        && let Some(other) = cx.tx.contact_claiming(name.as_str())?.filter(|other| other.claim_open)
    {
        cx.fail(id, ErrorKind::KeyChanged, trust::claim_text(name.as_str(), contact.account, other.account));
        return Ok(None);
    }
    if let Some(contact) = known {
        return Ok(Some(contact.account));
    }
    cx.core.looking.insert(key.clone(), vec![(id, command.clone())]);
    match who {
        Who::Account(account) => look_at(cx, key, *account),
        Who::Name(name) => {
            let then = Then::Contacts(Step::Named { key, name: name.clone() });
            let call = Call::own(cx, HttpMethod::Get, format!("/v1/usernames/{name}"), then);
            http::send(cx, call);
        }
        Who::Me | Who::Group(_) => (),
    }
    Ok(None)
}

fn look_at(cx: &mut Cx<'_, '_>, key: String, account: AccountId) {
    let then = Then::Contacts(Step::Devices { key, account });
    let call = Call::own(cx, HttpMethod::Get, format!("/v1/accounts/{account}/devices"), then);
    http::send(cx, call);
}

fn fail_all(cx: &mut Cx<'_, '_>, key: &str, error: &CommandError) {
    for (id, _) in cx.core.looking.remove(key).unwrap_or_default() {
        cx.reply(id, Err(error.clone()));
    }
}

pub(crate) fn on_answer(cx: &mut Cx<'_, '_>, step: Step, answer: Result<Vec<u8>, Failure>) -> Result<(), StoreError> {
    match step {
        Step::Named { key, name } => match http::parse::<Found>(answer) {
            Ok(found) if found.username == name.as_str() => look_at(cx, key, found.account_id),
            Ok(_) => {
                let text = "the server answered for another name".into();
                fail_all(cx, &key, &CommandError { kind: ErrorKind::Internal, text });
            }
            Err(failure) if failure.code() == Some(ErrorCode::NotFound) => {
                let text = format!("there is nobody called @{name} on this server");
                fail_all(cx, &key, &CommandError { kind: ErrorKind::NotFound, text });
            }
            Err(failure) => fail_all(cx, &key, &failure.into()),
        },
        Step::Devices { key, account } => match http::parse::<AccountDevices>(answer) {
            Ok(found) => {
                if cx.tx.contact(account)?.is_none() {
                    cx.tx.put_contact(&Contact::new(account))?;
                }
                trust::note_username(cx, account, &found.username)?;
                trust::offer_list(cx, account, found.list.into())?;
                if let Some(name) = key.strip_prefix('@')
                    && cx.tx.contact_named(name)?.is_none()
                {
                    let text = "the server answered for another name".into();
                    fail_all(cx, &key, &CommandError { kind: ErrorKind::Internal, text });
                    return Ok(());
                }
                for (id, command) in cx.core.looking.remove(&key).unwrap_or_default() {
                    commands::run(cx, id, command)?;
                }
            }
            Err(failure) => fail_all(cx, &key, &failure.into()),
        },
    }
    Ok(())
}

pub(crate) fn show(cx: &mut Cx<'_, '_>, id: CommandId, account: AccountId) -> Result<(), StoreError> {
    let contact = views::contact(cx, account)?;
    cx.reply(id, Ok(Reply::Contact { contact }));
    Ok(())
}

pub(crate) fn find(cx: &mut Cx<'_, '_>, id: CommandId, account: AccountId) -> Result<(), StoreError> {
    cx.tx.start_conversation(account.into(), cx.now)?;
    crate::inbox::list_contact(cx, account)?;
    show(cx, id, account)
}

pub(crate) fn all(cx: &mut Cx<'_, '_>, id: CommandId) -> Result<(), StoreError> {
    let own = cx.core.own.as_ref().map(|own| own.account());
    let listed = cx.tx.contacts()?.into_iter().filter(|contact| contact.listed && Some(contact.account) != own);
    let contacts = listed.map(|contact| views::contact_row(&contact)).collect();
    cx.reply(id, Ok(Reply::Contacts { contacts }));
    Ok(())
}

/// The number to compare: that of the key the contact has now, even if it is not accepted yet.
pub(crate) fn number_with(cx: &Cx<'_, '_>, account: AccountId) -> Result<Option<SafetyNumber>, StoreError> {
    let Some(own) = cx.own().filter(|own| own.account() != account) else { return Ok(None) };
    let contact = cx.tx.contact(account)?;
    let key = contact
        .and_then(|contact| contact.pending_key.or(contact.identity_key))
        .and_then(|key| sotto_crypto::IdentityKey::parse(&key).ok());
    Ok(key.map(|key| SafetyNumber::new((own.account(), &own.identity.public()), (account, &key))))
}

pub(crate) fn safety_number(cx: &mut Cx<'_, '_>, id: CommandId, account: AccountId) -> Result<(), StoreError> {
    let Some(number) = number_with(cx, account)? else {
        cx.reply(id, Err(trust::unknown_contact()));
        return Ok(());
    };
    let contact = views::contact(cx, account)?;
    let qr = crate::profile::hex(&number.scannable());
    let digits = number.digits().to_owned();
    cx.reply(id, Ok(Reply::SafetyNumber { digits, qr, verified: contact.verified, contact }));
    Ok(())
}
