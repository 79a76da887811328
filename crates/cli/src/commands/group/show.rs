//! Groups for people to look at.

use super::{member_name, name_of, named, quoted};
use crate::failure::Failure;
use crate::out::{Out, Style};
use crate::session::Session;
use crate::text::{clean, clean_line, date_time, indent};
use sotto_engine::api::{
    GroupFanout, GroupInvitation, GroupInviteView, GroupPermission, GroupRole, GroupStanding, GroupSummary, GroupView,
    Reply,
};

pub async fn list(session: &Session) -> Result<(), Failure> {
    let groups = session.groups().await?;
    let out = &session.out;
    if out.json {
        return groups.iter().try_for_each(|group| out.json(group));
    }
    if groups.is_empty() {
        out.note("No groups yet: sotto group create TITLE @NAME ...");
    }
    groups.iter().try_for_each(|group| out.line(summary(out, group)))
}

fn summary(out: &Out, group: &GroupSummary) -> String {
    let title = group.title.as_deref().map_or_else(|| "(no title yet)".into(), clean_line);
    let mut line = format!(
        "{}  {}  {} member(s)",
        out.paint(Style::Dim, &crate::who::short_id(group.group)),
        out.paint(Style::Name, &title),
        group.members
    );
    let mine = match (group.deleted, group.my_role) {
        (true, _) => "  deleted",
        (false, None) => "  you are not in it",
        (false, Some(GroupRole::Owner)) => "  you own it",
        (false, Some(GroupRole::Admin)) => "  you are an admin",
        (false, Some(GroupRole::Member)) => "",
    };
    line.push_str(&out.paint(Style::Dim, mine));
    if group.requests > 0 {
        line.push_str(&out.paint(Style::Good, &format!("  {} ask(s) to join", group.requests)));
    }
    if group.alarm.is_some() {
        line.push_str(&out.paint(Style::Warn, "  ! not to be trusted"));
    }
    line
}

pub async fn group(session: &Session, name: &str) -> Result<(), Failure> {
    let view = named(session, name).await?;
    let reply = Reply::Group { group: view.clone() };
    session.show(&reply, |out| show(out, &view))
}

const fn who(permission: GroupPermission) -> &'static str {
    match permission {
        GroupPermission::Members => "members",
        GroupPermission::Admins => "admins",
    }
}

fn show(out: &Out, group: &GroupView) -> Result<(), Failure> {
    out.line(out.paint(Style::Bold, &quoted(group)))?;
    if let Some(alarm) = &group.alarm {
        out.line(out.paint(Style::Warn, &format!("! {}", clean_line(alarm))))?;
    }
    match (group.deleted, group.my_role) {
        (true, _) => out.line(out.paint(Style::Warn, "This group is deleted."))?,
        (false, None) if group.waiting => out.line("You asked to join; an admin has to let you in.")?,
        (false, None) => out.line(out.paint(Style::Warn, "You are not in it."))?,
        (false, Some(_)) => {}
    }
    if let Some(description) = group.description.as_deref().filter(|text| !text.is_empty()) {
        out.line(format!("  {}", indent(description, "  ")))?;
    }
    out.line(format!("id        {}", group.group))?;
    out.line(format!(
        "may       write: {}, add: {}, change details: {}",
        who(group.post),
        who(group.add),
        who(group.change_details)
    ))?;
    if group.fanout == GroupFanout::Pairwise {
        out.line("messages  encrypted once per device")?;
    }
    if let Some(kind) = &group.picture_type {
        out.line(format!("picture   {}", clean_line(kind)))?;
    }
    out.line(format!("members   {}", group.members.len()))?;
    for member in &group.members {
        let role = match member.role {
            GroupRole::Owner => "  owner",
            GroupRole::Admin => "  admin",
            GroupRole::Member => "",
        };
        let key = if member.key_changed {
            "  key changed: gets none of your messages until added again (sotto group add)"
        } else {
            ""
        };
        let name = out.paint(Style::Name, &member_name(member));
        out.line(format!("  {name}{}{}", out.paint(Style::Dim, role), out.paint(Style::Warn, key)))?;
    }
    for invite in &group.invites {
        let key: String = clean_line(&invite.public_key).chars().take(12).collect();
        out.line(format!("invite    {key}  {}", terms(invite)))?;
        match &invite.link {
            Some(link) => out.line(format!("  {}", clean_line(link)))?,
            None => out.line(out.paint(Style::Dim, "  (the link is on the device that made it)"))?,
        }
    }
    for asking in &group.requests {
        let advice = out.paint(Style::Dim, "asks to join: sotto group approve, or decline");
        out.line(format!("request   {}  {advice}", out.paint(Style::Name, &name_of(asking))))?;
    }
    Ok(())
}

/// "no end, 3 uses left, an admin lets in"
pub fn terms(invite: &GroupInviteView) -> String {
    let end = match invite.expires_ms {
        0 => "no end".to_owned(),
        at => format!("until {}", date_time(at)),
    };
    let uses = match invite.uses {
        0 => "any number of uses".to_owned(),
        n => format!("{n} use(s) left"),
    };
    let approval = if invite.approval { ", an admin lets in" } else { "" };
    format!("{end}, {uses}{approval}")
}

/// "“Lunch”", or what else is known.
pub fn title_of(invitation: &GroupInvitation) -> String {
    let id = || format!("a group whose title was changed since ({})", crate::who::short_id(invitation.group));
    invitation.title.as_deref().map_or_else(id, |title| format!("“{}”", clean_line(title)))
}

pub fn invitation(out: &Out, invitation: &GroupInvitation) -> Result<(), Failure> {
    out.line(out.paint(Style::Bold, &title_of(invitation)))?;
    if let Some(description) = invitation.description.as_deref().filter(|text| !clean(text).is_empty()) {
        out.line(format!("  {}", indent(description, "  ")))?;
    }
    out.line(format!("members   {}", invitation.members))?;
    out.line(match (invitation.standing, invitation.approval) {
        (GroupStanding::Member, _) => "You are in it.",
        (GroupStanding::Waiting, _) => "You asked to join; an admin has to let you in.",
        (GroupStanding::Stranger, true) => "An admin has to let you in: sotto group join LINK asks.",
        (GroupStanding::Stranger, false) => "Join with: sotto group join LINK",
    })
}
