//! Commands: each goes to its feature; what a command needs first (an account, a person) is seen to here.

use crate::api::{Command, CommandId, ErrorKind, GroupChange, Reply, StatusView, Who};
use crate::core::Cx;
use crate::{
    actions, blocks, connection, contacts, conversations, devices, export, forget, groups, history, kept, link, outbox,
    presence, profiles, receipts, recovery, register, requests, say, search, trust, views,
};
use sotto_engine_store::StoreError;
use sotto_types::Conversation;

const PAGE_MAX: u32 = 1000;
pub(crate) const NO_GROUP: &str = "there is no such group here";
pub(crate) const NO_PERSON: &str = "this is a group, not a person";

pub(crate) fn run(cx: &mut Cx<'_, '_>, id: CommandId, command: Command) -> Result<(), StoreError> {
    match command {
        Command::Register { server, username, invite, device_name } => {
            register::start(cx, id, &server, username, invite, device_name)
        }
        Command::StartLink { server, device_name } => link::start(cx, id, &server, device_name),
        Command::Recover { server, username, code, device_name } => {
            recovery::start(cx, id, &server, username, &code, device_name)
        }
        Command::SetOnline { online } => {
            connection::set_online(cx, online)?;
            cx.reply(id, Ok(Reply::Done));
            Ok(())
        }
        Command::Status => status(cx, id),
        other => with_account(cx, id, other),
    }
}

fn with_account(cx: &mut Cx<'_, '_>, id: CommandId, command: Command) -> Result<(), StoreError> {
    let Some(own) = cx.own() else {
        cx.fail(id, ErrorKind::WrongState, "this profile has no account yet: register, or link it to an existing one");
        return Ok(());
    };
    if let (true, Some(error)) = (needs_server(&command), cx.core.signed_out.clone()) {
        cx.reply(id, Err(error));
        return Ok(());
    }
    if let Some(Who::Group(_)) = person(&command) {
        match command {
            Command::SendText { to: Who::Group(group), body, name, mentions, reply_to, preview }
                if cx.tx.has_group(group)? =>
            {
                let new = say::NewText { body, mentions: &mentions, reply_to, preview };
                say::text(cx, id, group.into(), name, new)?;
            }
            Command::Send { to: Who::Group(group), content, name } if cx.tx.has_group(group)? => {
                say::content(cx, id, group.into(), name, content)?;
            }
            Command::SendText { .. } | Command::Send { .. } => cx.fail(id, ErrorKind::NotFound, NO_GROUP),
            _ => cx.fail(id, ErrorKind::Invalid, NO_PERSON),
        }
        return Ok(());
    }
    if let Some(who) = person(&command) {
        let who = who.clone();
        let Some(account) = contacts::resolve(cx, id, &who, &command)? else { return Ok(()) };
        return with_person(cx, id, command, account);
    }
    if let Some(people) = people(&command) {
        let mut accounts = Vec::with_capacity(people.len());
        for who in people {
            if matches!((who, &command), (Who::Group(_), Command::Forward { .. })) {
                continue;
            }
            let Some(account) = contacts::resolve(cx, id, who, &command)? else { return Ok(()) };
            accounts.push(account);
        }
        return with_people(cx, id, &command, accounts);
    }
    match command {
        Command::Group { group } => groups::show(cx, id, group)?,
        Command::LookAtInvite { link } => groups::look_at_invite(cx, id, &link)?,
        Command::JoinGroup { link } => groups::join(cx, id, &link)?,
        Command::ChangeGroup { group, change } => groups::change(cx, id, group, &change, Vec::new())?,
        Command::ApproveLink { link_text } => link::approve(cx, id, &link_text),
        Command::React { message, emoji } => actions::react(cx, id, message, emoji)?,
        Command::Edit { message, body, mentions } => actions::edit(cx, id, message, body, &mentions)?,
        Command::Delete { messages, for_everyone: true } => actions::delete(cx, id, &messages)?,
        Command::Delete { messages, for_everyone: false } => forget::delete(cx, id, &messages)?,
        Command::Star { messages, starred } => kept::star(cx, id, &messages, starred)?,
        Command::Starred => kept::starred(cx, id)?,
        Command::Pin { message, seconds } => actions::pin(cx, id, message, seconds)?,
        Command::Pinned { conversation } => actions::show_pinned(cx, id, conversation)?,
        Command::Vote { message, options } => actions::vote(cx, id, message, options)?,
        Command::SetTimer { conversation, seconds } => say::set_timer(cx, id, conversation, seconds)?,
        Command::DeleteConversation { conversation } => requests::delete_conversation(cx, id, conversation)?,
        Command::Privacy => requests::ask_privacy(cx, id, None, 0),
        Command::SetPrivacy { changes } => requests::ask_privacy(cx, id, Some(changes), 0),
        Command::Profile => profiles::show(cx, id)?,
        Command::SetProfile { changes } => profiles::set(cx, id, changes)?,
        Command::Picture { account } => profiles::picture(cx, id, account)?,
        Command::WatchPeople { people } => presence::watch(cx, id, &people),
        Command::SetTyping { conversation, state } => presence::set_typing(cx, id, conversation, state)?,
        Command::Preferences => kept::show_preferences(cx, id)?,
        Command::SetPreferences { changes } => kept::set_preferences(cx, id, &changes)?,
        Command::WhoAmI => cx.reply(id, Ok(Reply::Me { me: own.to_view() })),
        Command::RetryMessage { name } => outbox::retry(cx, id, name)?,
        Command::CancelMessage { name } => outbox::cancel(cx, id, name)?,
        Command::MarkRead { conversation, up_to } => receipts::mark_read(cx, id, conversation, up_to)?,
        Command::Conversations => conversations::all(cx, id)?,
        Command::Conversation { conversation } => conversations::show(cx, id, conversation)?,
        Command::SetConversation { conversation, changes } => conversations::set(cx, id, conversation, &changes)?,
        Command::History { conversation, at, limit } => {
            conversations::history(cx, id, conversation, at, limit.clamp(1, PAGE_MAX))?;
        }
        Command::Message { name } => match cx.tx.message_called(name, own.account())? {
            Some(message) => {
                let details = views::details(cx, &message)?;
                let message = cx.message_view(&message)?;
                cx.reply(id, Ok(Reply::Message { message, details }));
            }
            None => cx.fail(id, ErrorKind::NotFound, "there is no message with this name"),
        },
        Command::Search { query, conversation, limit } => {
            search::run(cx, id, &query, conversation, limit.clamp(1, PAGE_MAX))?;
        }
        Command::Contacts => contacts::all(cx, id)?,
        Command::Devices => devices::show(cx, id),
        Command::RemoveDevice { device, recovery_code } => devices::remove(cx, id, device, recovery_code),
        Command::RequestHistory => {
            history::ask(cx)?;
            cx.reply(id, Ok(Reply::Done));
        }
        Command::NewRecoveryCode { current_code } => recovery::new_code(cx, id, &current_code),
        Command::DeleteAccount => register::delete_account(cx, id),
        Command::Export { next } => export::page(cx, id, next)?,
        _ => cx.fail(id, ErrorKind::Internal, "this command belongs elsewhere"),
    }
    Ok(())
}

/// Signed out, the history stays readable; the rest says why it cannot.
fn needs_server(command: &Command) -> bool {
    !matches!(
        command,
        Command::WhoAmI
            | Command::Conversations
            | Command::Conversation { .. }
            | Command::SetConversation { .. }
            | Command::History { .. }
            | Command::Message { .. }
            | Command::Search { .. }
            | Command::Contacts
            | Command::Contact { .. }
            | Command::MarkRead { .. }
            | Command::Export { .. }
            | Command::Group { .. }
            | Command::Starred
            | Command::Pinned { .. }
            | Command::Preferences
            | Command::SafetyNumber { .. }
    )
}

fn person(command: &Command) -> Option<&Who> {
    match command {
        Command::FindPerson { who }
        | Command::SendText { to: who, .. }
        | Command::Send { to: who, .. }
        | Command::Contact { who }
        | Command::SafetyNumber { who }
        | Command::SetVerified { who, .. }
        | Command::AcceptKey { who, .. }
        | Command::AcceptRequest { who }
        | Command::Report { who, .. }
        | Command::SetBlocked { who, .. } => Some(who),
        _ => None,
    }
}

/// Several of them, each of whom may have to be looked up.
fn people(command: &Command) -> Option<&[Who]> {
    match command {
        Command::CreateGroup { group } => Some(&group.members),
        Command::Forward { to, .. } => Some(to),
        Command::ChangeGroup { change: GroupChange::Add { members } | GroupChange::Remove { members }, .. } => {
            Some(members)
        }
        _ => None,
    }
}

fn with_people(
    cx: &mut Cx<'_, '_>,
    id: CommandId,
    command: &Command,
    accounts: Vec<sotto_types::AccountId>,
) -> Result<(), StoreError> {
    match command {
        Command::CreateGroup { group } => groups::create(cx, id, group, accounts),
        Command::Forward { messages, to } => {
            let mut accounts = accounts.into_iter();
            let mut conversations = Vec::with_capacity(to.len());
            for who in to {
                match who {
                    Who::Group(group) if cx.tx.has_group(*group)? => conversations.push(Conversation::Group(*group)),
                    Who::Group(_) => {
                        cx.fail(id, ErrorKind::NotFound, NO_GROUP);
                        return Ok(());
                    }
                    _ => conversations.extend(accounts.next().map(Conversation::Peer)),
                }
            }
            say::forward(cx, id, messages, &conversations)
        }
        Command::ChangeGroup { group, change } => groups::change(cx, id, *group, change, accounts),
        _ => Ok(()),
    }
}

fn with_person(
    cx: &mut Cx<'_, '_>,
    id: CommandId,
    command: Command,
    account: sotto_types::AccountId,
) -> Result<(), StoreError> {
    match command {
        Command::FindPerson { .. } => contacts::find(cx, id, account),
        Command::SendText { body, name, mentions, reply_to, preview, .. } => {
            crate::inbox::list_contact(cx, account)?;
            let new = say::NewText { body, mentions: &mentions, reply_to, preview };
            say::text(cx, id, account.into(), name, new)
        }
        Command::Send { content, name, .. } => {
            crate::inbox::list_contact(cx, account)?;
            say::content(cx, id, account.into(), name, content)
        }
        Command::Contact { .. } => contacts::show(cx, id, account),
        Command::SafetyNumber { .. } => contacts::safety_number(cx, id, account),
        Command::SetVerified { verified: true, safety_number, .. } => {
            trust::verify(cx, id, account, safety_number.as_deref())
        }
        Command::SetVerified { .. } => trust::unverify(cx, id, account),
        Command::AcceptKey { identity_key, .. } => trust::accept_key(cx, id, account, identity_key.as_deref()),
        Command::SetBlocked { blocked, .. } => blocks::set(cx, id, account, blocked),
        Command::AcceptRequest { .. } => requests::accept_command(cx, id, account),
        Command::Report { reason, comment, messages, .. } => {
            requests::report(cx, id, account, reason, comment, &messages)
        }
        _ => Ok(()),
    }
}

fn status(cx: &mut Cx<'_, '_>, id: CommandId) -> Result<(), StoreError> {
    let count =
        |name: &str| -> Result<u32, StoreError> { Ok(u32::try_from(cx.tx.count(name, 0)?).unwrap_or(u32::MAX)) };
    let status = StatusView {
        connection: connection::view(cx.core, cx.now),
        me: cx.core.own.as_ref().map(crate::profile::Own::to_view),
        outbox: cx.tx.outbox_len(outbox::MESSAGE)?,
        untold: cx
            .tx
            .untold_len(outbox::MESSAGE)?
            .saturating_add(requests::untold(cx)?)
            .saturating_add(profiles::untold(cx)?),
        undecryptable: count("count.undecryptable")?,
        repaired: count("count.repaired")?,
        clock_off_ms: cx.core.link.clock_off_ms,
        signed_out: cx.core.signed_out.as_ref().map(|error| error.text.clone()),
    };
    cx.reply(id, Ok(Reply::Status { status }));
    Ok(())
}
