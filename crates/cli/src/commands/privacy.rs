//! privacy: what others may see, as the server keeps it.
//! Flow: what was typed -> exceptions looked up -> on top of what holds -> `SetPrivacy` -> as it is then.

use super::people::person;
use crate::args::people as args;
use crate::failure::Failure;
use crate::out::Out;
use crate::session::Session;
use crate::text::clean_line;
use sotto_engine::api::{Audience, Command, Privacy, PrivacyChanges, PrivacyRule, Reply};
use sotto_types::AccountId;

const EXCEPT_MAX: usize = 256;

const fn audience(who: args::Audience) -> Audience {
    match who {
        args::Audience::Everyone => Audience::Everyone,
        args::Audience::Contacts => Audience::Contacts,
        args::Audience::Nobody => Audience::Nobody,
    }
}

pub const fn audience_name(audience: Audience) -> &'static str {
    match audience {
        Audience::Everyone => "everyone",
        Audience::Contacts => "contacts",
        Audience::Nobody => "nobody",
    }
}

pub async fn run(session: &Session, args: args::Privacy) -> Result<(), Failure> {
    let mut reply = session.ask(Command::Privacy).await?;
    let changes = changes(session, args, privacy(&reply)?).await?;
    if changes != PrivacyChanges::default() {
        reply = session.ask(Command::SetPrivacy { changes }).await?;
    }
    let privacy = privacy(&reply)?;
    if session.out.json {
        return session.out.json(&reply);
    }
    show(session, &session.out, privacy).await?;
    session.out.note("Of last seen, online and read receipts you see only what you show yourself.");
    Ok(())
}

fn privacy(reply: &Reply) -> Result<&Privacy, Failure> {
    match reply {
        Reply::Privacy { privacy } => Ok(privacy),
        _ => Err(Failure::unexpected()),
    }
}

async fn changes(session: &Session, args: args::Privacy, now: &Privacy) -> Result<PrivacyChanges, Failure> {
    Ok(PrivacyChanges {
        last_seen: rule(session, &now.last_seen, args.last_seen, args.last_seen_except).await?,
        online: args.online.map(audience),
        picture: rule(session, &now.picture, args.picture, args.picture_except).await?,
        about: rule(session, &now.about, args.about, args.about_except).await?,
        read_receipts: args.read_receipts.map(audience),
        group_adds: rule(session, &now.group_adds, args.groups, args.groups_except).await?,
    })
}

/// What is not named stays: the audience, or the exceptions.
async fn rule(
    session: &Session,
    now: &PrivacyRule,
    who: Option<args::Audience>,
    except: Option<Vec<String>>,
) -> Result<Option<PrivacyRule>, Failure> {
    if who.is_none() && except.is_none() {
        return Ok(None);
    }
    let except = match except {
        None => now.except.clone(),
        Some(names) => accounts(session, &names).await?,
    };
    Ok(Some(PrivacyRule { audience: who.map_or(now.audience, audience), except }))
}

async fn accounts(session: &Session, names: &[String]) -> Result<Vec<AccountId>, Failure> {
    let mut accounts = Vec::with_capacity(names.len());
    // '' alone: nobody.
    for name in names.iter().filter(|name| !name.trim().is_empty()) {
        let account = session.contact(person(name)?).await?.account;
        if !accounts.contains(&account) {
            accounts.push(account);
        }
    }
    if accounts.len() > EXCEPT_MAX {
        return Err(Failure::usage("at most 256 people can be excepted"));
    }
    Ok(accounts)
}

async fn show(session: &Session, out: &Out, privacy: &Privacy) -> Result<(), Failure> {
    let plain = |audience: Audience| PrivacyRule { audience, except: Vec::new() };
    for (what, rule) in [
        ("last seen", privacy.last_seen.clone()),
        ("online", plain(privacy.online)),
        ("read receipts", plain(privacy.read_receipts)),
        ("picture", privacy.picture.clone()),
        ("about", privacy.about.clone()),
        ("groups", privacy.group_adds.clone()),
    ] {
        let mut names = Vec::with_capacity(rule.except.len());
        for account in &rule.except {
            names.push(session.display((*account).into()).await);
        }
        out.line(format!("{what:<14} {}", said(rule.audience, &names)))?;
    }
    Ok(())
}

/// "contacts, except @bob, @cem"
fn said(audience: Audience, except: &[String]) -> String {
    let name = audience_name(audience);
    match except {
        [] => name.into(),
        names => format!("{name}, except {}", clean_line(&names.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_said_with_their_exceptions() {
        assert_eq!(said(Audience::Everyone, &[]), "everyone");
        assert_eq!(said(Audience::Contacts, &["@bob".into(), "@cem".into()]), "contacts, except @bob, @cem");
    }
}
