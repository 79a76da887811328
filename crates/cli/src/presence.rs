//! Who is there and who is typing, in words: for the command line and the app.
//! Always true: names are cleaned.

use crate::text::{clean_line, clock, day_title};
use sotto_engine::api::{PersonView, PresenceView, TypingState};

/// People named in a line; the others are counted.
const NAMED: usize = 2;

/// "online", "last seen today 14:05"; none: they do not show it, or nobody knows.
pub fn seen(presence: &PresenceView, now_ms: u64) -> Option<String> {
    match presence {
        PresenceView { online: true, .. } => Some("online".into()),
        PresenceView { last_seen_ms: Some(at), .. } => {
            let day = match day_title(*at, now_ms) {
                day if day == "Today" || day == "Yesterday" => day.to_lowercase(),
                day => day,
            };
            Some(format!("last seen {day} {}", clock(*at)))
        }
        PresenceView { last_seen_ms: None, .. } => None,
    }
}

const fn doing(state: TypingState) -> &'static str {
    match state {
        TypingState::Recording => "recording…",
        _ => "typing…",
    }
}

/// "typing…" of one person in their conversation; else "Ann and Bob are typing…", "Ann, Bob and 2 others are typing…".
pub fn typing(typists: &[(&PersonView, TypingState)], named: bool) -> Option<String> {
    let name = |(person, _): &(&PersonView, TypingState)| clean_line(&person.name);
    let state = match typists {
        // Several who do different things are typing.
        [(_, state), others @ ..] if others.iter().all(|(_, other)| other == state) => *state,
        _ => TypingState::Typing,
    };
    let doing = doing(state);
    Some(match typists {
        [] => return None,
        [_] if !named => doing.into(),
        [one] => format!("{} is {doing}", name(one)),
        [one, two] => format!("{} and {} are {doing}", name(one), name(two)),
        several => {
            let names: Vec<String> = several.iter().take(NAMED).map(name).collect();
            match several.len() - names.len() {
                1 => format!("{} and 1 other are {doing}", names.join(", ")),
                more => format!("{} and {more} others are {doing}", names.join(", ")),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::samples::{NOON, account, person};

    #[test]
    fn presence_is_said_in_words() {
        let of = |online, last_seen_ms| PresenceView { account: account(2), online, last_seen_ms };
        assert_eq!(seen(&of(true, None), NOON).as_deref(), Some("online"));
        assert_eq!(seen(&of(false, None), NOON), None, "hidden");
        let at = |ms: u64| seen(&of(false, Some(ms)), NOON).expect("seen");
        assert_eq!(at(NOON), format!("last seen today {}", clock(NOON)));
        assert_eq!(at(NOON - 86_400_000), format!("last seen yesterday {}", clock(NOON)));
        assert!(at(NOON - 7 * 86_400_000).contains("15 Nov 2026"), "{}", at(NOON - 7 * 86_400_000));
    }

    #[test]
    fn typists_are_named_and_counted() {
        use TypingState::{Recording, Typing};
        let names = ["Ann", "B\x1bob", "Cem", "Dan"];
        let people: Vec<PersonView> = (2..).zip(names).map(|(n, name)| person(n, name)).collect();
        let said = |count: usize, states: [TypingState; 4], named| {
            let typists: Vec<_> = people.iter().zip(states).take(count).collect();
            typing(&typists, named)
        };
        for (count, states, named, want) in [
            (0, [Typing; 4], true, None),
            (1, [Typing; 4], false, Some("typing…")),
            (1, [Recording; 4], false, Some("recording…")),
            (1, [Typing; 4], true, Some("Ann is typing…")),
            (2, [Typing; 4], true, Some("Ann and B␛ob are typing…")),
            (2, [Recording; 4], true, Some("Ann and B␛ob are recording…")),
            (2, [Typing, Recording, Typing, Typing], true, Some("Ann and B␛ob are typing…")),
            (3, [Typing; 4], true, Some("Ann, B␛ob and 1 other are typing…")),
            (4, [Typing; 4], true, Some("Ann, B␛ob and 2 others are typing…")),
        ] {
            assert_eq!(said(count, states, named).as_deref(), want, "{count} {named}");
        }
    }
}
