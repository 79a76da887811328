//! safety-number, verify, accept-key, block, unblock.

use super::show::contact_line;
use crate::failure::{Exit, Failure};
use crate::out::{Out, Style, ask, can_ask};
use crate::session::Session;
use crate::text::clean_line;
use crate::who::parse_who;
use sotto_engine::api::{Command, ContactView, Reply, Who};

/// "@ann", or what else is known.
pub fn name_of(contact: &ContactView) -> String {
    match (&contact.username, &contact.display_name) {
        (Some(name), _) => format!("@{name}"),
        (None, Some(name)) => clean_line(name),
        (None, None) => contact.account.to_string().chars().take(8).collect(),
    }
}

/// What a conversation is called: its person, or the group's title.
pub fn conversation_name(contact: Option<&ContactView>, title: &str) -> String {
    contact.map_or_else(|| clean_line(title), full_name)
}

/// "@ann", "Annie (@ann)" if this person calls her so, or "@ann · Ann Example" if she calls herself so: what anybody can take
/// stands behind what nobody else has.
pub fn full_name(contact: &ContactView) -> String {
    let said = |text: &Option<String>| text.as_deref().map(clean_line).filter(|text| !text.trim().is_empty());
    match (said(&contact.nickname), said(&contact.display_name).filter(|_| contact.username.is_some())) {
        (Some(nickname), _) => format!("{nickname} ({})", name_of(contact)),
        (None, Some(display)) => format!("{} · {display}", name_of(contact)),
        (None, None) => name_of(contact),
    }
}

pub async fn list(session: &Session) -> Result<(), Failure> {
    let reply = session.ask(Command::Contacts).await?;
    let Reply::Contacts { contacts } = &reply else { return Err(Failure::unexpected()) };
    session.show(&reply, |out| contacts.iter().try_for_each(|contact| out.line(listed(out, contact))))
}

fn listed(out: &Out, contact: &ContactView) -> String {
    let line = contact_line(out, contact);
    match contact.about.as_deref().map(clean_line).filter(|about| !about.trim().is_empty()) {
        Some(about) => format!("{line}  {}", out.paint(Style::Dim, &about)),
        None => line,
    }
}

/// Sixty digits as people compare them: groups of five, four to a line.
pub fn digit_lines(digits: &str) -> Vec<String> {
    let digits: Vec<char> = digits.chars().filter(char::is_ascii_digit).collect();
    let groups: Vec<String> = digits.chunks(5).map(|group| group.iter().collect()).collect();
    groups.chunks(4).map(|line| line.join(" ")).collect()
}

fn show_number(out: &Out, digits: &str, contact: &ContactView) -> Result<(), Failure> {
    out.line(format!("Safety number with {}:\n", out.paint(Style::Bold, &name_of(contact))))?;
    digit_lines(digits).iter().try_for_each(|line| out.line(format!("    {line}")))
}

pub async fn safety_number(session: &Session, name: &str) -> Result<(), Failure> {
    let reply = session.ask(Command::SafetyNumber { who: parse_who(name)? }).await?;
    let Reply::SafetyNumber { digits, verified, contact, .. } = &reply else { return Err(Failure::unexpected()) };
    session.show(&reply, |out| {
        show_number(out, digits, contact)?;
        if *verified {
            return out.line(format!("\n{}", out.paint(Style::Good, "verified")));
        }
        out.line(format!("\nIf they see the same digits: sotto verify {}", name_of(contact).trim_start_matches('@')))
    })
}

/// Marks the key whose number was compared, and no other: `compared`, or what is shown here and confirmed.
pub async fn verify(session: &Session, name: &str, compared: &str) -> Result<(), Failure> {
    let who = parse_who(name)?;
    let safety_number = match compared {
        "" => confirmed_number(session, who.clone()).await?,
        digits => digits.to_string(),
    };
    let command = Command::SetVerified { who, verified: true, safety_number: Some(safety_number) };
    let reply = session.ask(command).await?;
    show_contact(session, &reply, |_, name| format!("{name} is verified."))
}

async fn confirmed_number(session: &Session, who: Who) -> Result<String, Failure> {
    if session.out.json || !can_ask() {
        let text =
            "give the number that you compared: sotto verify NAME SAFETY-NUMBER (`sotto safety-number NAME` shows it)";
        return Err(Failure::usage(text));
    }
    let reply = session.ask(Command::SafetyNumber { who }).await?;
    let Reply::SafetyNumber { digits, contact, .. } = reply else { return Err(Failure::unexpected()) };
    show_number(&session.out, &digits, &contact)?;
    match ask("\nDo they see the same digits? [yes/no] ")?.as_deref() {
        Some("yes" | "y") => Ok(digits),
        _ => Err(Failure::new(Exit::Refused, "refused", "nothing was changed")),
    }
}

pub async fn unverify(session: &Session, name: &str) -> Result<(), Failure> {
    let command = Command::SetVerified { who: parse_who(name)?, verified: false, safety_number: None };
    let reply = session.ask(command).await?;
    show_contact(session, &reply, |_, name| format!("{name} is no longer verified."))
}

pub async fn accept_key(session: &Session, name: &str) -> Result<(), Failure> {
    let reply = session.ask(Command::AcceptKey { who: parse_who(name)?, identity_key: None }).await?;
    let verified = matches!(&reply, Reply::Contact { contact } if contact.verified);
    show_contact(session, &reply, |_, name| match verified {
        true => format!("{name} is who you mean, and stays verified."),
        false => format!("The key of {name} is accepted, unverified. Waiting messages go out."),
    })
}

pub async fn block(session: &Session, name: &str, blocked: bool) -> Result<(), Failure> {
    let reply = session.ask(Command::SetBlocked { who: parse_who(name)?, blocked }).await?;
    show_contact(session, &reply, |_, name| {
        format!("{name} is {}.", if blocked { "blocked" } else { "no longer blocked" })
    })
}

fn show_contact(session: &Session, reply: &Reply, say: impl FnOnce(&Out, String) -> String) -> Result<(), Failure> {
    let name = match reply {
        Reply::Contact { contact } => name_of(contact),
        Reply::Done => "The contact".into(),
        _ => return Err(Failure::unexpected()),
    };
    session.show(reply, |out| out.line(say(out, name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::samples::contact;

    #[test]
    fn names_are_told_apart() {
        let mut ann = contact(2, "ann");
        assert_eq!(full_name(&ann), "@ann");
        ann.display_name = Some("@b\x1bob".into());
        assert_eq!(full_name(&ann), "@ann · @b␛ob");
        ann.about = Some("at\nsea".into());
        assert_eq!(listed(&Out::of_test(false), &ann), "@ann · @b␛ob  at sea");
        ann.nickname = Some("Annie".into());
        assert_eq!(full_name(&ann), "Annie (@ann)");
        ann.username = None;
        ann.nickname = None;
        assert_eq!(full_name(&ann), "@b␛ob", "once");
    }

    #[test]
    fn digits_come_in_three_lines_of_four_groups() {
        let lines = digit_lines(&"1234567890".repeat(6));
        assert_eq!(lines, vec!["12345 67890 12345 67890"; 3]);
        assert!(digit_lines("").is_empty());
    }
}
