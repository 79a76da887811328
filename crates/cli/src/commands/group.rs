//! group ...: one function per subcommand, most of them one signed change.
//! Flow: names -> the group, and people of it -> `ChangeGroup` -> the group as it is then.
//! Elsewhere: who may do what is the engine's (and every member's) to say; this asks, and shows the answer.

mod show;

use crate::args::group as args;
use crate::args::group::{Group, Permission, Sure};
use crate::commands::confirm;
use crate::commands::contacts::name_of;
use crate::commands::picture::Picture;
use crate::failure::{Exit, Failure};
use crate::out::Style;
use crate::qr::qr_lines;
use crate::session::Session;
use crate::text::{clean_line, now_ms};
use crate::who::{parse_person, parse_who};
use sotto_engine::api::{
    Command, GroupChange, GroupFanout, GroupInvitation, GroupInviteView, GroupMemberView, GroupPermission, GroupRole,
    GroupStanding, GroupView, NewGroup, Reply, Who,
};
use sotto_types::{AccountId, GroupId, Username};

/// Of an invite's key, the shortest beginning that names it.
const KEY_START: usize = 6;

pub async fn run(session: &Session, action: Group) -> Result<(), Failure> {
    match action {
        Group::Create(args) => create(session, args).await,
        Group::List => show::list(session).await,
        Group::Show { group } => show::group(session, &group).await,
        Group::Add(args) => add(session, args, false).await,
        Group::Approve(args) => add(session, args, true).await,
        Group::Remove(args) => remove(session, args).await,
        Group::Decline(args) => decline(session, args).await,
        Group::Promote(args) => set_role(session, args, GroupRole::Admin).await,
        Group::Demote(args) => set_role(session, args, GroupRole::Member).await,
        Group::HandOver { member, sure } => hand_over(session, member, &sure).await,
        Group::Set(args) => set(session, args).await,
        Group::Invite(args) => invite(session, args).await,
        Group::CloseInvite { group, key } => close_invite(session, &group, &key).await,
        Group::Look { link } => look(session, link).await,
        Group::Join { link } => join(session, link).await,
        Group::Leave { group, sure } => leave(session, &group, &sure).await,
        Group::Delete { group, sure } => delete(session, &group, &sure).await,
        Group::TakeOver { group } => take_over(session, &group).await,
    }
}

/// "“Lunch”", or the beginning of the id.
fn quoted(group: &GroupView) -> String {
    let id = || crate::who::short_id(group.group);
    group.title.as_deref().map_or_else(id, |title| format!("“{}”", clean_line(title)))
}

async fn view(session: &Session, group: GroupId) -> Result<Box<GroupView>, Failure> {
    match session.ask(Command::Group { group }).await? {
        Reply::Group { group } => Ok(group),
        _ => Err(Failure::unexpected()),
    }
}

async fn named(session: &Session, group: &str) -> Result<Box<GroupView>, Failure> {
    let group = session.group(group).await?;
    view(session, group).await
}

async fn change(session: &Session, group: GroupId, change: GroupChange) -> Result<Reply, Failure> {
    session.ask(Command::ChangeGroup { group, change }).await
}

/// What the reply says the group is now.
fn changed(reply: &Reply) -> Result<&GroupView, Failure> {
    match reply {
        Reply::Group { group } => Ok(group),
        _ => Err(Failure::unexpected()),
    }
}

/// One change, and the sentence that says it was made.
async fn change_and_say(
    session: &Session,
    group: GroupId,
    wanted: GroupChange,
    say: impl FnOnce(&GroupView) -> String,
) -> Result<(), Failure> {
    let reply = change(session, group, wanted).await?;
    let group = changed(&reply)?;
    session.show(&reply, |out| out.line(say(group)))
}

const fn permission(permission: Permission) -> GroupPermission {
    match permission {
        Permission::Members => GroupPermission::Members,
        Permission::Admins => GroupPermission::Admins,
    }
}

/// "@bob, @cem", as they were written.
fn listed(people: &[String]) -> String {
    let name = |person: &String| match parse_who(person) {
        Ok(Who::Name(name)) => format!("@{name}"),
        _ => clean_line(person),
    };
    people.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn parse_people(people: &[String]) -> Result<Vec<Who>, Failure> {
    people.iter().map(|person| parse_person(person)).collect()
}

/// The account of somebody who is in a list: by the name that the list has, else by the one the server knows.
async fn account_in(
    session: &Session,
    people: &[(AccountId, Option<Username>)],
    person: &str,
    missing: &str,
) -> Result<AccountId, Failure> {
    let who = parse_person(person)?;
    let is = |(account, username): &&(AccountId, Option<Username>)| match &who {
        Who::Name(name) => username.as_ref() == Some(name),
        Who::Account(other) => account == other,
        Who::Me | Who::Group(_) => false,
    };
    if let Some((account, _)) = people.iter().find(is) {
        return Ok(*account);
    }
    let not_there = || Failure::new(Exit::NotFound, "not_found", format!("{} {missing}", listed(&[person.to_owned()])));
    // Names of people this device never met are not known to it yet.
    let nameless = people.iter().any(|(_, username)| username.is_none());
    if !nameless || matches!(who, Who::Account(_)) {
        return Err(not_there());
    }
    let account = session.contact(who).await?.account;
    if people.iter().any(|(other, _)| *other == account) { Ok(account) } else { Err(not_there()) }
}

async fn members(session: &Session, group: &GroupView, people: &[String]) -> Result<Vec<AccountId>, Failure> {
    let all: Vec<_> = group.members.iter().map(|member| (member.account, member.username.clone())).collect();
    let missing = format!("is no member of {}", quoted(group));
    let mut accounts = Vec::with_capacity(people.len());
    for person in people {
        accounts.push(account_in(session, &all, person, &missing).await?);
    }
    Ok(accounts)
}

/// Those who asked to join.
async fn asking(session: &Session, group: &GroupView, people: &[String]) -> Result<Vec<AccountId>, Failure> {
    let all: Vec<_> = group.requests.iter().map(|contact| (contact.account, contact.username.clone())).collect();
    let missing = format!("has not asked to join {}", quoted(group));
    let mut accounts = Vec::with_capacity(people.len());
    for person in people {
        accounts.push(account_in(session, &all, person, &missing).await?);
    }
    Ok(accounts)
}

async fn member(session: &Session, group: &GroupView, person: &str) -> Result<AccountId, Failure> {
    let found = members(session, group, &[person.to_owned()]).await?;
    found.first().copied().ok_or_else(Failure::unexpected)
}

/// Asks before what cannot be taken back; without a terminal it must have been said.
async fn create(session: &Session, args: args::Create) -> Result<(), Failure> {
    let picture = args.picture.as_deref().map(Picture::read).transpose()?;
    let group = NewGroup {
        title: args.title,
        description: args.description,
        picture: picture.as_ref().map(|picture| picture.base64.clone()),
        picture_type: picture.map(|picture| picture.kind.into()),
        members: parse_people(&args.members)?,
        post: permission(args.post),
        add: permission(args.add),
        change_details: permission(args.details),
        fanout: if args.pairwise { GroupFanout::Pairwise } else { GroupFanout::Log },
    };
    let reply = session.ask(Command::CreateGroup { group }).await?;
    let group = changed(&reply)?;
    session.show(&reply, |out| {
        let members = group.members.len();
        out.line(format!("{} is made; {members} member(s), you own it.", out.paint(Style::Bold, &quoted(group))))?;
        out.line(format!("id        {}", group.group))
    })
}

async fn add(session: &Session, args: args::Members, only_asking: bool) -> Result<(), Failure> {
    let group = named(session, &args.group).await?;
    let members = if only_asking {
        asking(session, &group, &args.people).await?.into_iter().map(Who::Account).collect()
    } else {
        parse_people(&args.people)?
    };
    let people = listed(&args.people);
    change_and_say(session, group.group, GroupChange::Add { members }, |group| {
        format!("{people}: now in {}, which has {} members.", quoted(group), group.members.len())
    })
    .await
}

async fn remove(session: &Session, args: args::Members) -> Result<(), Failure> {
    let group = named(session, &args.group).await?;
    let members = members(session, &group, &args.people).await?.into_iter().map(Who::Account).collect();
    let people = listed(&args.people);
    change_and_say(session, group.group, GroupChange::Remove { members }, |group| {
        format!("{people}: no longer in {}; they read nothing that is written from now on.", quoted(group))
    })
    .await
}

async fn decline(session: &Session, args: args::Members) -> Result<(), Failure> {
    let group = named(session, &args.group).await?;
    let members = asking(session, &group, &args.people).await?;
    let people = listed(&args.people);
    let say = |group: &GroupView| format!("{people}: not let into {}.", quoted(group));
    change_and_say(session, group.group, GroupChange::Decline { members }, say).await
}

async fn set_role(session: &Session, args: args::Member, role: GroupRole) -> Result<(), Failure> {
    let group = named(session, &args.group).await?;
    let member = member(session, &group, &args.person).await?;
    let person = listed(&[args.person]);
    change_and_say(session, group.group, GroupChange::SetRole { member, role }, |group| {
        let role = if role == GroupRole::Admin { "an admin" } else { "a plain member" };
        format!("{person} is {role} of {} now.", quoted(group))
    })
    .await
}

async fn hand_over(session: &Session, args: args::Member, sure: &Sure) -> Result<(), Failure> {
    let group = named(session, &args.group).await?;
    let member = member(session, &group, &args.person).await?;
    let person = listed(&[args.person]);
    let question = format!("Hand {} over to {person}? Only {person} can give it back.", quoted(&group));
    confirm(session, sure, "handing a group over cannot be taken back", &question)?;
    let change = GroupChange::SetRole { member, role: GroupRole::Owner };
    change_and_say(session, group.group, change, |group| format!("{person} owns {} now.", quoted(group))).await
}

async fn set(session: &Session, args: args::Set) -> Result<(), Failure> {
    let mut group = named(session, &args.group).await?;
    let picture = args.picture.as_deref().map(Picture::read).transpose()?;
    let mut reply = None;
    if args.title.is_some() || args.description.is_some() || picture.is_some() || args.no_picture {
        // The change replaces all of them: what is not named stays.
        let Some(title) = args.title.or_else(|| group.title.clone()) else {
            let text = "nobody has told this device the group's title yet: give one with --title";
            return Err(Failure::new(Exit::Refused, "refused", text));
        };
        let (picture, picture_type) = match picture {
            _ if args.no_picture => (None, None),
            Some(picture) => (Some(picture.base64), Some(picture.kind.into())),
            None => (group.picture.clone(), group.picture_type.clone()),
        };
        let description = args.description.or_else(|| group.description.clone()).unwrap_or_default();
        let wanted = GroupChange::SetDetails { title, description, picture, picture_type };
        let made = change(session, group.group, wanted).await?;
        *group = changed(&made)?.clone();
        reply = Some(made);
    }
    if args.post.is_some() || args.add.is_some() || args.details.is_some() {
        let wanted = GroupChange::SetPermissions {
            post: args.post.map_or(group.post, permission),
            add: args.add.map_or(group.add, permission),
            change_details: args.details.map_or(group.change_details, permission),
        };
        reply = Some(change(session, group.group, wanted).await?);
    }
    let reply = reply.ok_or_else(|| Failure::usage("say what to change: sotto group set --help"))?;
    let group = changed(&reply)?;
    session.show(&reply, |out| out.line(format!("{} is changed.", quoted(group))))
}

async fn invite(session: &Session, args: args::Invite) -> Result<(), Failure> {
    let before = named(session, &args.group).await?;
    let wanted = GroupChange::OpenInvite {
        expires_ms: args.expires.map_or(0, |after| now_ms().saturating_add(after)),
        uses: args.uses.unwrap_or(0),
        approval: args.approval,
    };
    let reply = change(session, before.group, wanted).await?;
    let group = changed(&reply)?;
    // Others may open links at the same time; those of other devices have no link here.
    let is_new = |invite: &&GroupInviteView| {
        invite.link.is_some() && before.invites.iter().all(|old| old.public_key != invite.public_key)
    };
    let invite = group.invites.iter().rfind(is_new).ok_or_else(Failure::unexpected)?;
    if session.out.json {
        return session.out.json(invite);
    }
    let link = invite.link.as_deref().map(clean_line).unwrap_or_default();
    for line in qr_lines(&link).unwrap_or_default() {
        session.out.line(line)?;
    }
    session.out.line(format!("\n{link}\n"))?;
    session.out.line(format!("Leads to {}: {}.", quoted(group), show::terms(invite)))?;
    session.out.note("Who has the link can use it: send it only to people you mean.");
    Ok(())
}

async fn close_invite(session: &Session, group: &str, key: &str) -> Result<(), Failure> {
    let group = named(session, group).await?;
    let start = key.trim().to_ascii_lowercase();
    let long_enough = start.len() >= KEY_START;
    let fits = |invite: &&GroupInviteView| long_enough && invite.public_key.starts_with(&start);
    let found: Vec<_> = group.invites.iter().filter(fits).collect();
    let [invite] = found[..] else {
        let text = match found.len() {
            0 => format!("{} has no invite link with the key {key:?}: see `sotto group show`", quoted(&group)),
            _ => format!("several invite links begin with {key:?}: give more of the key"),
        };
        return Err(Failure::new(Exit::NotFound, "not_found", text));
    };
    let change = GroupChange::CloseInvite { public_key: invite.public_key.clone() };
    change_and_say(session, group.group, change, |group| format!("The link to {} is closed.", quoted(group))).await
}

fn invitation(reply: &Reply) -> Result<&GroupInvitation, Failure> {
    match reply {
        Reply::GroupInvitation { invitation } => Ok(invitation),
        _ => Err(Failure::unexpected()),
    }
}

async fn look(session: &Session, link: String) -> Result<(), Failure> {
    let reply = session.ask(Command::LookAtInvite { link }).await?;
    let found = invitation(&reply)?;
    session.show(&reply, |out| show::invitation(out, found))
}

async fn join(session: &Session, link: String) -> Result<(), Failure> {
    let reply = session.ask(Command::JoinGroup { link }).await?;
    let found = invitation(&reply)?;
    session.show(&reply, |out| {
        let title = show::title_of(found);
        out.line(match found.standing {
            GroupStanding::Member => format!("You are in {title}, which has {} members.", found.members),
            GroupStanding::Waiting => format!("You asked to join {title}; an admin has to let you in."),
            GroupStanding::Stranger => format!("You are not in {title}."),
        })
    })
}

async fn leave(session: &Session, group: &str, sure: &Sure) -> Result<(), Failure> {
    let group = named(session, group).await?;
    let question = format!("Leave {}? Somebody has to add you again to come back.", quoted(&group));
    confirm(session, sure, "leaving a group cannot be taken back by you", &question)?;
    let say = |group: &GroupView| format!("You left {}; what you have of it stays here.", quoted(group));
    change_and_say(session, group.group, GroupChange::Leave, say).await
}

async fn delete(session: &Session, group: &str, sure: &Sure) -> Result<(), Failure> {
    let group = named(session, group).await?;
    let question = format!("Delete {} for all of its {} members?", quoted(&group), group.members.len());
    confirm(session, sure, "deleting a group cannot be undone", &question)?;
    let say = |group: &GroupView| format!("{} is deleted; nobody can write to it any more.", quoted(group));
    change_and_say(session, group.group, GroupChange::Delete, say).await
}

async fn take_over(session: &Session, group: &str) -> Result<(), Failure> {
    let group = session.group(group).await?;
    change_and_say(session, group, GroupChange::Succeed, |group| format!("You own {} now.", quoted(group))).await
}

/// "@bob", "Bob B.", or the beginning of the id.
fn member_name(member: &GroupMemberView) -> String {
    match (&member.username, &member.display_name) {
        (Some(name), _) => format!("@{name}"),
        (None, Some(name)) => clean_line(name),
        (None, None) => member.account.to_string().chars().take(8).collect(),
    }
}
