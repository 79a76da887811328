//! profile: what contacts see of a person; and what one sees of somebody.

use super::contacts::name_of;
use super::people::person;
use super::picture::{Picture, save};
use super::through::{settle, told};
use crate::args::people::Profile;
use crate::failure::{Exit, Failure};
use crate::out::{Out, Style};
use crate::session::Session;
use crate::text::clean_line;
use crate::who::parse_who;
use sotto_engine::api::{Command, ContactView, PictureView, ProfileChanges, ProfileView, Reply, Who};
use sotto_types::AccountId;
use std::path::Path;

pub async fn run(session: &Session, args: Profile) -> Result<(), Failure> {
    let somebody = match args.person.as_deref() {
        Some(name) if parse_who(name)? != Who::Me => {
            let who = person(name)?;
            // There may be a newer one; without the server, what is known is shown.
            settle(session).await?;
            Some(session.contact(who).await?)
        }
        _ => None,
    };
    if let Some(path) = &args.save_picture {
        return save_picture(session, somebody.as_ref(), path).await;
    }
    if let Some(contact) = somebody {
        let picture = picture(session, contact.account).await?;
        return session.show(&Reply::Contact { contact: contact.clone() }, |out| {
            let lines = lines(&name_of(&contact), &of_contact(&contact), picture.as_ref());
            print(out, &lines)
        });
    }
    let picture_change = match (&args.picture, args.no_picture) {
        (_, true) => Some(String::new()),
        (Some(path), false) => Some(Picture::read(path)?.base64),
        (None, false) => None,
    };
    let changes = ProfileChanges { display_name: args.name, about: args.about, picture: picture_change };
    let reply = if changes == ProfileChanges::default() {
        session.ask(Command::Profile).await?
    } else {
        let reply = session.ask(Command::SetProfile { changes }).await?;
        told(session).await?;
        reply
    };
    let Reply::Profile { profile } = &reply else { return Err(Failure::unexpected()) };
    let Reply::Me { me } = session.ask(Command::WhoAmI).await? else { return Err(Failure::unexpected()) };
    let picture = picture(session, me.account).await?;
    session.show(&reply, |out| print(out, &lines(&format!("@{}", me.username), profile, picture.as_ref())))
}

fn of_contact(contact: &ContactView) -> ProfileView {
    ProfileView {
        display_name: contact.display_name.clone(),
        about: contact.about.clone(),
        picture: contact.picture.clone(),
    }
}

async fn picture(session: &Session, account: AccountId) -> Result<Option<PictureView>, Failure> {
    match session.ask(Command::Picture { account }).await? {
        Reply::Picture { picture } => Ok(picture),
        _ => Err(Failure::unexpected()),
    }
}

async fn save_picture(session: &Session, of: Option<&ContactView>, path: &Path) -> Result<(), Failure> {
    let account = match (of, session.ask(Command::WhoAmI).await?) {
        (Some(contact), _) => contact.account,
        (None, Reply::Me { me }) => me.account,
        _ => return Err(Failure::unexpected()),
    };
    let Some(picture) = picture(session, account).await? else {
        let text = match of {
            Some(contact) => format!("{} has no picture, or does not show it to you", name_of(contact)),
            None => "you have no picture: sotto profile --picture FILE".into(),
        };
        return Err(Failure::new(Exit::NotFound, "not_found", text));
    };
    let bytes = save(&picture, path)?;
    let kind = clean_line(&picture.media_type);
    session.show(&Reply::Done, |out| out.line(format!("{kind}, {bytes} bytes: {}", path.display())))
}

/// What is not there is said so, that people see what there could be.
fn lines(name: &str, profile: &ProfileView, picture: Option<&PictureView>) -> [String; 4] {
    let text = |text: &Option<String>| text.as_deref().map_or_else(|| "none".into(), clean_line);
    [
        name.into(),
        format!("name      {}", text(&profile.display_name)),
        format!("about     {}", text(&profile.about)),
        format!("picture   {}", picture.map_or_else(|| "none".into(), |picture| clean_line(&picture.media_type))),
    ]
}

fn print(out: &Out, lines: &[String; 4]) -> Result<(), Failure> {
    let [name, rest @ ..] = lines;
    out.line(out.paint(Style::Name, name))?;
    rest.iter().try_for_each(|line| out.line(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_cleaned_and_whole() {
        let profile = ProfileView {
            display_name: Some("B\x1bob".into()),
            about: Some("at\nsea".into()),
            picture: Some("1".into()),
        };
        let picture = PictureView { id: "1".into(), media_type: "image/png".into(), data: String::new() };
        let want = ["@bob", "name      B␛ob", "about     at sea", "picture   image/png"];
        assert_eq!(lines("@bob", &profile, Some(&picture)), want);
        let none = ["@bob", "name      none", "about     none", "picture   none"];
        assert_eq!(lines("@bob", &ProfileView::default(), None), none);
    }
}
