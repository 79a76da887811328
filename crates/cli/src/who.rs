//! Whom a word of the command line means: a person, a group, or oneself.
//! Always true: a word that could mean two is refused with both of them named. So nobody can, by the title of a group or by
//! the name of an account, take over messages that a script sends to somebody else.

use crate::failure::{Exit, Failure};
use crate::session::Session;
use crate::text::clean_line;
use sotto_engine::api::{Command, GroupSummary, Reply, Who};
use sotto_types::{Conversation, GroupId, Username};

/// Of a group's id, the shortest beginning that names it.
pub const ID_START: usize = 6;
/// Candidates that are listed.
const LISTED: usize = 8;

/// "me", a username with or without "@", or the id of an account or a group. Groups by other names: `Session::who`.
pub fn parse_who(text: &str) -> Result<Who, Failure> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("me") {
        return Ok(Who::Me);
    }
    if let Ok(account) = text.parse() {
        return Ok(Who::Account(account));
    }
    if let Ok(group) = text.parse() {
        return Ok(Who::Group(group));
    }
    Username::parse(text).map(Who::Name).map_err(|error| Failure::usage(format!("{text:?} is no name: {error}")))
}

/// The same, of people only.
pub fn parse_person(text: &str) -> Result<Who, Failure> {
    match parse_who(text)? {
        Who::Group(_) => Err(Failure::usage(format!("{text:?} is a group; here people are named: @ann"))),
        Who::Me => Err(Failure::usage("you are in the group yourself; name the others: @ann")),
        who => Ok(who),
    }
}

/// The groups that are called so: by their id, the beginning of it, or their title.
fn called<'a>(text: &str, groups: &'a [GroupSummary]) -> Vec<&'a GroupSummary> {
    let start = text.to_ascii_lowercase();
    let is_start = start.len() >= ID_START && start.bytes().all(|byte| byte.is_ascii_hexdigit());
    let fits = |group: &&GroupSummary| {
        let by_title = group.title.as_deref().is_some_and(|title| title == text || clean_line(title) == text);
        by_title || (is_start && group.group.to_string().starts_with(&start))
    };
    groups.iter().filter(fits).collect()
}

/// "“Lunch” (a5b1c2d3)", or the beginning of the id alone.
fn candidate(group: &GroupSummary) -> String {
    let id = short_id(group.group);
    group.title.as_deref().map_or_else(|| id.clone(), |title| format!("“{}” ({id})", clean_line(title)))
}

pub fn short_id(group: GroupId) -> String {
    group.to_string().chars().take(8).collect()
}

fn ambiguous(text: &str, mut candidates: Vec<String>, advice: &str) -> Failure {
    let more = candidates.len().saturating_sub(LISTED);
    candidates.truncate(LISTED);
    if more > 0 {
        candidates.push(format!("{more} more"));
    }
    let text = format!("{text:?} could be {}: {advice}", candidates.join(" or "));
    Failure::new(Exit::Usage, "ambiguous", text)
}

const BY_ID: &str = "name the group by its id (the first digits are enough)";

impl Session {
    /// The groups of this profile, with those that were left.
    pub async fn groups(&self) -> Result<Vec<GroupSummary>, Failure> {
        match self.ask(Command::Conversations).await? {
            Reply::Conversations { conversations } => {
                Ok(conversations.into_iter().filter_map(|conversation| Some(*conversation.group?)).collect())
            }
            _ => Err(Failure::unexpected()),
        }
    }

    /// A group: its id, the beginning of it, or its title if no other is called so.
    pub async fn group(&self, text: &str) -> Result<GroupId, Failure> {
        let text = text.trim();
        if let Ok(group) = text.parse() {
            return Ok(group);
        }
        let groups = self.groups().await?;
        match called(text, &groups)[..] {
            [group] => Ok(group.group),
            [] => {
                let text = format!("there is no group {text:?} here: `sotto group list` shows titles and ids");
                Err(Failure::new(Exit::NotFound, "not_found", text))
            }
            ref several => Err(ambiguous(text, several.iter().map(|group| candidate(group)).collect(), BY_ID)),
        }
    }

    /// A person or a group, in any way they can be named. "@" in front means a person.
    pub async fn who(&self, text: &str) -> Result<Who, Failure> {
        let parsed = parse_who(text);
        let text = text.trim();
        if text.starts_with('@') || matches!(parsed, Ok(Who::Me | Who::Account(_) | Who::Group(_))) {
            return parsed;
        }
        let groups = self.groups().await?;
        let found = called(text, &groups);
        let Some(first) = found.first() else {
            let no_group = |failure: Failure| Failure::usage(format!("{}; no group is called so either", failure.text));
            return parsed.map_err(no_group);
        };
        let mut candidates: Vec<String> = found.iter().map(|group| candidate(group)).collect();
        if let Ok(Who::Name(name)) = parsed {
            match self.contact(Who::Name(name.clone())).await {
                Ok(_) => candidates.insert(0, format!("@{name}")),
                Err(failure) if failure.exit == Exit::NotFound => {}
                // Perhaps there is such a person; nothing goes to the wrong ones.
                Err(failure) if failure.exit == Exit::Offline => candidates.insert(0, format!("@{name}")),
                Err(failure) => return Err(failure),
            }
        }
        match candidates.len() {
            1 => Ok(Who::Group(first.group)),
            _ => Err(ambiguous(text, candidates, &format!("write @NAME for the person, or {BY_ID}"))),
        }
    }

    /// The conversation with a person this profile knows, or of a group.
    pub async fn conversation_of(&self, text: &str) -> Result<Conversation, Failure> {
        let who = self.who(text).await?;
        self.conversation(who).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::samples::group_summary;

    #[test]
    fn people_and_groups_are_named() {
        let group = "a5".repeat(32);
        let id = "018f3c1e-0000-7000-8000-000000000001";
        for (text, want) in [
            ("me", Some(Who::Me)),
            ("@Ann", Some(Who::Name(Username::parse("ann").expect("valid")))),
            ("ann", Some(Who::Name(Username::parse("ann").expect("valid")))),
            (id, Some(Who::Account(id.parse().expect("valid")))),
            (&group, Some(Who::Group(group.parse().expect("valid")))),
            ("a b", None),
            ("", None),
        ] {
            assert_eq!(parse_who(text).ok(), want, "{text}");
        }
        assert!(parse_person("@ann").is_ok());
        assert!(parse_person("me").is_err() && parse_person(&group).is_err());
    }

    #[test]
    fn groups_are_called_by_title_or_beginning() {
        let mut groups =
            vec![group_summary(0xa5, "Lunch"), group_summary(0xa6, "Friday"), group_summary(0xb7, "Lunch")];
        groups[1].title = Some("Fri\u{202e}day".into());
        for (text, want) in [
            ("Lunch", &[0xa5, 0xb7][..]),
            ("lunch", &[]),
            ("Lun", &[]),
            ("Friday", &[0xa6]),
            ("a5a5a5", &[0xa5]),
            ("A5A5A5A5", &[0xa5]),
            ("a5a5a", &[]),
            ("a5a5a6", &[]),
            ("", &[]),
        ] {
            let found: Vec<u8> = called(text, &groups).iter().map(|group| group.group.as_bytes()[0]).collect();
            assert_eq!(found, want, "{text:?}");
        }
    }

    #[test]
    fn an_ambiguous_name_lists_what_it_could_be() {
        let failure = ambiguous("Lunch", vec![candidate(&group_summary(0xa5, "Lu\x1bnch")), "@lunch".into()], BY_ID);
        assert_eq!((failure.exit, failure.kind.as_str()), (Exit::Usage, "ambiguous"));
        assert!(failure.text.contains("“Lu␛nch” (a5a5a5a5) or @lunch"), "{}", failure.text);
        let many = ambiguous("x", vec!["y".into(); 20], BY_ID);
        assert!(many.text.contains("or 12 more:"), "{}", many.text);
    }
}
