//! What a message's state looks like, and the lines that stand where there is no text, in the command line and in the app.

use crate::formatting;
use crate::text::{clean_line, span};
use sotto_engine::api::{GroupChangeView, GroupRole, MessageBody, MessageStatus, MessageView, PersonView};
use std::borrow::Cow;

/// People named in a line; the others are counted.
const NAMED: usize = 4;

pub fn tick(status: MessageStatus) -> &'static str {
    match status {
        MessageStatus::Received => "",
        MessageStatus::Pending => "○",
        MessageStatus::Sent => "✓",
        MessageStatus::Delivered => "✓✓",
        // In words: a colour alone would be lost in a pipe, without colours, and on people who do not see it.
        MessageStatus::Read => "✓✓ read",
        MessageStatus::Held | MessageStatus::Failed => "⚠",
        MessageStatus::Waiting => "…",
    }
}

fn person(person: &PersonView) -> String {
    if person.is_me { "you".into() } else { clean_line(&person.name) }
}

/// "bob", "bob and you", "bob, cem and 3 others".
fn people(named: &[PersonView], more: u32) -> String {
    // Naming the last one takes no more room than counting one.
    let shown = if named.len() == NAMED + 1 && more == 0 { NAMED + 1 } else { NAMED.min(named.len()) };
    let others = named.len() - shown + usize::try_from(more).unwrap_or(usize::MAX);
    let mut parts: Vec<String> = named.iter().take(shown).map(person).collect();
    match others {
        0 => {}
        1 => parts.push("1 other".into()),
        n => parts.push(format!("{n} others")),
    }
    let last = parts.pop().unwrap_or_else(|| "nobody".into());
    if parts.is_empty() { last } else { format!("{} and {last}", parts.join(", ")) }
}

/// What a member changed, as a sentence.
fn group_change(by: &str, change: &GroupChangeView) -> String {
    match change {
        GroupChangeView::Created { members, more } if members.is_empty() && *more == 0 => {
            format!("{by} made this group")
        }
        GroupChangeView::Created { members, more } => format!("{by} made this group with {}", people(members, *more)),
        GroupChangeView::Added { members, more } => format!("{by} added {}", people(members, *more)),
        GroupChangeView::Removed { members, more } => format!("{by} removed {}", people(members, *more)),
        GroupChangeView::Left => format!("{by} left the group"),
        GroupChangeView::RoleSet { member, role: GroupRole::Owner } => {
            format!("{by} handed the group over to {}", person(member))
        }
        GroupChangeView::RoleSet { member, role: GroupRole::Admin } => format!("{by} made {} an admin", person(member)),
        GroupChangeView::RoleSet { member, role: GroupRole::Member } => {
            format!("{by} made {} a plain member", person(member))
        }
        GroupChangeView::DetailsSet => format!("{by} changed title, description or picture"),
        GroupChangeView::PermissionsSet => format!("{by} changed who may do what"),
        GroupChangeView::InviteOpened => format!("{by} opened an invite link"),
        GroupChangeView::InviteClosed => format!("{by} closed an invite link"),
        GroupChangeView::Joined { asked: true } => format!("{by} asked to join by an invite link"),
        GroupChangeView::Joined { asked: false } => format!("{by} joined by an invite link"),
        GroupChangeView::Declined { members, more } => format!("{by} did not let {} in", people(members, *more)),
        GroupChangeView::Succeeded => format!("{by} took the group over: its owner's account is gone"),
        GroupChangeView::Deleted => format!("{by} deleted the group"),
    }
}

/// Who wrote it, in a group.
pub fn author(message: &MessageView) -> String {
    clean_line(&message.from_name)
}

/// On one line: what it says, or what stands there instead.
pub fn one_line(message: &MessageView) -> String {
    match &message.body {
        MessageBody::Text { body, .. } => clean_line(&formatting::plain(body)),
        _ => stand_in(message).unwrap_or_default().into_owned(),
    }
}

/// As in a list of conversations; in a group with who said it.
pub fn preview(message: &MessageView) -> String {
    // Those name by themselves who it was.
    let is_line = matches!(message.body, MessageBody::GroupChange { .. } | MessageBody::Deleted { .. });
    if message.conversation.group().is_none() || message.from_me || is_line {
        return one_line(message);
    }
    format!("{}: {}", author(message), one_line(message))
}

/// For bodies that are no text: the line shown in their place.
pub fn stand_in(message: &MessageView) -> Option<Cow<'static, str>> {
    Some(match &message.body {
        MessageBody::Text { .. } => return None,
        MessageBody::Undecryptable => "Waiting for this message. The sender was asked to send it again.".into(),
        MessageBody::KeyChanged { .. } => "The safety number changed: compare it again to be sure who this is.".into(),
        MessageBody::Unsupported => "This message needs a newer sotto.".into(),
        MessageBody::ProfileRestored => "This profile was restored from an old copy and is repairing itself.".into(),
        MessageBody::GroupChange { change } => {
            let by = if message.from_me { "You".into() } else { author(message) };
            group_change(&by, change).into()
        }
        MessageBody::Poll { question, .. } => format!("Poll: {}", clean_line(question)).into(),
        MessageBody::Location { latitude, longitude, label } => {
            let label = clean_line(label);
            let label = if label.trim().is_empty() { String::new() } else { format!(" ({label})") };
            format!("Location: {latitude:.5}, {longitude:.5}{label}").into()
        }
        MessageBody::ContactCard { card } => {
            let username = card.username.as_ref().map(|name| format!(" @{name}")).unwrap_or_default();
            format!("Contact: {}{username}", clean_line(&card.name)).into()
        }
        MessageBody::Deleted { by } => {
            let by = if by.is_me { "You".into() } else { clean_line(&by.name) };
            format!("{by} deleted this message.").into()
        }
        MessageBody::Timer { seconds: 0 } => "Messages no longer disappear.".into(),
        MessageBody::Timer { seconds } => {
            format!("Messages disappear {} after they are read.", span(u64::from(*seconds))).into()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::samples::{account, message, person as somebody};
    use sotto_engine::api::ContactCardView;
    use sotto_types::Username;

    fn named(names: &[&str]) -> Vec<PersonView> {
        (2..).zip(names).map(|(n, name)| PersonView { is_me: *name == "me", ..somebody(n, name) }).collect()
    }

    #[test]
    fn changes_of_a_group_are_sentences() {
        let with = |names: &[&str], more| (named(names), more);
        let added = |(members, more)| GroupChangeView::Added { members, more };
        let created = |(members, more)| GroupChangeView::Created { members, more };
        let role = |name: &str, role| GroupChangeView::RoleSet { member: named(&[name]).remove(0), role };
        for (change, want) in [
            (added(with(&["bob"], 3)), "ann added bob and 3 others"),
            (added(with(&["bob", "me"], 0)), "ann added bob and you"),
            (added(with(&["b", "c", "d", "e", "f"], 0)), "ann added b, c, d, e and f"),
            (added(with(&["b", "c", "d", "e", "f", "g"], 10)), "ann added b, c, d, e and 12 others"),
            (added(with(&["b", "c", "d", "e", "f"], 1)), "ann added b, c, d, e and 2 others"),
            (added(with(&["b\x1b[1m\n"], 1)), "ann added b␛[1m  and 1 other"),
            (created(with(&[], 0)), "ann made this group"),
            (created(with(&["me"], 0)), "ann made this group with you"),
            (role("bob", GroupRole::Admin), "ann made bob an admin"),
            (role("me", GroupRole::Owner), "ann handed the group over to you"),
            (GroupChangeView::Joined { asked: true }, "ann asked to join by an invite link"),
            (GroupChangeView::Left, "ann left the group"),
        ] {
            assert_eq!(group_change("ann", &change), want);
        }
    }

    #[test]
    fn the_author_of_a_change_is_named() {
        for (from_me, want) in [(false, "bob deleted the group"), (true, "You deleted the group")] {
            let mut line = message(1, from_me, "", MessageStatus::Received);
            line.body = MessageBody::GroupChange { change: GroupChangeView::Deleted };
            assert_eq!(stand_in(&line).as_deref(), Some(want));
        }
        assert_eq!(stand_in(&message(1, true, "hi", MessageStatus::Sent)), None);
    }

    #[test]
    fn contents_and_tombstones_are_lines() {
        let card = ContactCardView { account: account(3), username: None, name: "C\x1bem".into() };
        let named_card = ContactCardView { username: Username::parse("cem").ok(), name: "Cem".into(), ..card.clone() };
        let place = |label: &str| MessageBody::Location { latitude: 52.52, longitude: -13.405, label: label.into() };
        for (body, want) in [
            (place("Gate\n2"), "Location: 52.52000, -13.40500 (Gate 2)"),
            (place(" "), "Location: 52.52000, -13.40500"),
            (MessageBody::ContactCard { card }, "Contact: C␛em"),
            (MessageBody::ContactCard { card: named_card }, "Contact: Cem @cem"),
            (MessageBody::Deleted { by: somebody(2, "b\x07ob") }, "b␇ob deleted this message."),
            (MessageBody::Deleted { by: somebody(1, "ann") }, "You deleted this message."),
            (MessageBody::Timer { seconds: 86_400 }, "Messages disappear 24 hours after they are read."),
            (MessageBody::Timer { seconds: 0 }, "Messages no longer disappear."),
        ] {
            let mut line = message(1, false, "", MessageStatus::Received);
            line.body = body;
            assert_eq!(stand_in(&line).as_deref(), Some(want));
            assert_eq!(one_line(&line), want);
        }
        assert_eq!(one_line(&message(1, false, "*so*\nit is", MessageStatus::Received)), "so it is");
    }
}
