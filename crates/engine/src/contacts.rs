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
    Named { id: CommandId, command: Box<Command>, name: Username },
    Devices { id: CommandId, command: Box<Command>, account: AccountId },
}

/// The account of `who`; `None` means that it is being looked up and the command will run again.
pub(crate) fn resolve(
    cx: &mut Cx<'_, '_>,
    id: CommandId,
    who: &Who,
    command: &Command,
) -> Result<Option<AccountId>, StoreError> {
    let Some(own) = cx.own() else { return Ok(None) };
    match who {
        Who::Me => Ok(Some(own.account())),
        Who::Account(account) if *account == own.account() => Ok(Some(*account)),
        Who::Name(name) if *name == own.username => Ok(Some(own.account())),
        Who::Account(account) => {
            if cx.tx.contact(*account)?.is_some() {
                return Ok(Some(*account));
            }
            look_at(cx, id, command.clone(), *account);
            Ok(None)
        }
        Who::Name(name) => {
            if let Some(contact) = cx.tx.contact_named(name.as_str())? {
                return Ok(Some(contact.account));
            }
            let then = Then::Contacts(Step::Named { id, command: Box::new(command.clone()), name: name.clone() });
            let call = Call::own(cx, HttpMethod::Get, format!("/v1/usernames/{name}"), then);
            http::send(cx, call);
            Ok(None)
        }
    }
}

fn look_at(cx: &mut Cx<'_, '_>, id: CommandId, command: Command, account: AccountId) {
    let then = Then::Contacts(Step::Devices { id, command: Box::new(command), account });
    let call = Call::own(cx, HttpMethod::Get, format!("/v1/accounts/{account}/devices"), then);
    http::send(cx, call);
}

pub(crate) fn on_answer(cx: &mut Cx<'_, '_>, step: Step, answer: Result<Vec<u8>, Failure>) -> Result<(), StoreError> {
    match step {
        Step::Named { id, command, name } => match http::parse::<Found>(answer) {
            Ok(found) if found.username == name.as_str() => {
                look_at(cx, id, *command, found.account_id);
                Ok(())
            }
            Ok(_) => {
                cx.fail(id, ErrorKind::Internal, "the server answered for another name");
                Ok(())
            }
            Err(failure) if failure.code() == Some(ErrorCode::NotFound) => {
                cx.fail(id, ErrorKind::NotFound, format!("there is nobody called @{name} on this server"));
                Ok(())
            }
            Err(failure) => {
                cx.reply(id, Err(failure.into()));
                Ok(())
            }
        },
        Step::Devices { id, command, account } => match http::parse::<AccountDevices>(answer) {
            Ok(found) => {
                if cx.tx.contact(account)?.is_none() {
                    cx.tx.put_contact(&Contact::new(account))?;
                }
                trust::note_username(cx, account, &found.username)?;
                trust::offer_list(cx, account, found.list.into())?;
                commands::run(cx, id, *command)
            }
            Err(failure) => {
                cx.reply(id, Err(CommandError::from(failure)));
                Ok(())
            }
        },
    }
}

pub(crate) fn show(cx: &mut Cx<'_, '_>, id: CommandId, account: AccountId) -> Result<(), StoreError> {
    let contact = views::contact(cx, account)?;
    cx.reply(id, Ok(Reply::Contact { contact }));
    Ok(())
}

pub(crate) fn find(cx: &mut Cx<'_, '_>, id: CommandId, account: AccountId) -> Result<(), StoreError> {
    cx.tx.start_conversation(account, cx.now)?;
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

pub(crate) fn safety_number(cx: &mut Cx<'_, '_>, id: CommandId, account: AccountId) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    let contact = cx.tx.contact(account)?;
    // The number to compare is that of the key the contact has now, even if it is not accepted yet.
    let key = contact
        .as_ref()
        .and_then(|contact| contact.pending_key.as_ref().or(contact.identity_key.as_ref()))
        .and_then(|key| sotto_crypto::IdentityKey::parse(key).ok());
    let Some(key) = key.filter(|_| account != own.account()) else {
        cx.fail(id, ErrorKind::NotFound, "there is no identity key of this person yet; write a message first");
        return Ok(());
    };
    let own_key = own.identity.public();
    let number = SafetyNumber::new((own.account(), &own_key), (account, &key));
    let contact = views::contact(cx, account)?;
    let qr = crate::profile::hex(&number.scannable());
    let digits = number.digits().to_owned();
    cx.reply(id, Ok(Reply::SafetyNumber { digits, qr, verified: contact.verified, contact }));
    Ok(())
}
