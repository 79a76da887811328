//! What stands around a message's words: the quote above a reply, poll options, reactions, stars and clocks. As text for the
//! command line and the app, which choose the styles.
//! Always true: everything here is cleaned, and each piece is one line.

use crate::formatting;
use crate::text::{about, clean_line};
use crate::tui::shorten;
use sotto_engine::api::{MessageBody, MessageView, PersonView, PollOptionView, QuoteView, ReactionView};
use std::collections::HashSet;

/// Columns of an emoji; a reaction from the network may be anything.
const EMOJI: usize = 8;
const BAR: usize = 10;
/// Voters named beside an option; the others are counted.
const VOTERS: usize = 3;

/// A line that belongs to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    pub text: String,
    /// It is about oneself: one's vote, one's reaction.
    pub mine: bool,
}

fn person(person: &PersonView) -> String {
    if person.is_me { "you".into() } else { clean_line(&person.name) }
}

/// "┃ bob: see you at 8"
pub fn quote_line(quote: &QuoteView) -> String {
    let said = match quote.text.as_deref() {
        None => "(this message is not here any more)".into(),
        Some(text) => clean_line(&formatting::plain(text)),
    };
    format!("┃ {}: {said}", person(&quote.author))
}

/// Before the words, the topmost first.
pub fn above(message: &MessageView, width: usize) -> Vec<String> {
    let forwarded = message.extras.forwarded.then(|| "↷ forwarded".to_owned());
    let quote = message.extras.quote.as_ref().map(|quote| shorten(&quote_line(quote), width));
    forwarded.into_iter().chain(quote).collect()
}

/// After the words: what a poll stands at, what is behind a link, who reacted.
pub fn below(message: &MessageView, width: usize) -> Vec<Piece> {
    let mut pieces = match &message.body {
        MessageBody::Poll { options, multiple, .. } => poll(options, *multiple, width),
        MessageBody::ContactCard { card } => vec![quiet(format!("account {}", card.account))],
        _ => Vec::new(),
    };
    if let Some(preview) = &message.extras.preview {
        let parts = [&preview.title, &preview.description].map(|text| clean_line(text).trim().to_owned());
        let text = parts.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" · ");
        if !text.is_empty() {
            pieces.push(quiet(shorten(&format!("↗ {text}"), width)));
        }
    }
    pieces
}

const fn quiet(text: String) -> Piece {
    Piece { text, mine: false }
}

fn poll(options: &[PollOptionView], multiple: bool, width: usize) -> Vec<Piece> {
    let voters: HashSet<_> = options.iter().flat_map(|option| &option.voters).map(|voter| voter.account).collect();
    let mut pieces = Vec::with_capacity(options.len() + 1);
    for (number, option) in (1..).zip(options) {
        let votes = option.voters.len();
        let full = (BAR * votes + voters.len() / 2).checked_div(voters.len()).unwrap_or(0).min(BAR);
        let bar = format!("{}{}", "█".repeat(full), "░".repeat(BAR - full));
        let mine = option.voters.iter().any(|voter| voter.is_me);
        let mark = if mine { "✔ " } else { "" };
        let mut names: Vec<String> = option.voters.iter().take(VOTERS).map(person).collect();
        if votes > VOTERS {
            names.push(format!("{} more", votes - VOTERS));
        }
        let names = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
        let text = format!("{number:>2} {bar} {votes}  {mark}{}{names}", clean_line(&option.text));
        pieces.push(Piece { text: shorten(&text, width), mine });
    }
    let people = match voters.len() {
        0 => "nobody voted yet".into(),
        1 => "1 person voted".into(),
        n => format!("{n} people voted"),
    };
    let answers = if multiple { "several answers" } else { "one answer" };
    pieces.push(quiet(format!("{people} · {answers}")));
    pieces
}

/// "👍 2", "🎉 1"
pub fn reactions(message: &MessageView) -> Vec<Piece> {
    let piece = |ReactionView { emoji, people }: &ReactionView| Piece {
        text: format!("{} {}", shorten(&clean_line(emoji), EMOJI), people.len()),
        mine: people.iter().any(|person| person.is_me),
    };
    message.extras.reactions.iter().map(piece).collect()
}

/// Behind the tick: "(edited)", "★", "📌", "⏳ 23 h".
pub fn marks(message: &MessageView, now_ms: u64) -> Vec<String> {
    let extras = &message.extras;
    let left = match (extras.expires_ms, extras.expires_after_s) {
        (Some(at), _) => Some(at.saturating_sub(now_ms)),
        (None, 0) => None,
        (None, seconds) => Some(u64::from(seconds) * 1000),
    };
    let marks = [
        extras.edited_ms.map(|_| "(edited)".into()),
        extras.starred.then(|| "★".into()),
        extras.pinned_until_ms.filter(|until| *until > now_ms).map(|_| "📌".into()),
        left.map(|left| format!("⏳ {}", about(left))),
    ];
    marks.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::samples::{NOON, account, message, person, poll as poll_of};
    use sotto_engine::api::{LinkPreview, MessageRef, MessageStatus};

    fn quote(text: Option<&str>) -> QuoteView {
        let name = message(9, true, "", MessageStatus::Sent).name;
        let message = MessageRef { from: account(2), name };
        QuoteView { message, author: person(2, "b\x1bob"), text: text.map(Into::into) }
    }

    #[test]
    fn a_reply_stands_below_what_it_answers() {
        let mut reply = message(1, true, "yes", MessageStatus::Sent);
        assert_eq!(above(&reply, 40), [""; 0]);
        reply.extras.quote = Some(quote(Some("at *8*?\n\x1b[2J")));
        assert_eq!(above(&reply, 40), ["┃ b␛ob: at 8? ␛[2J"]);
        assert_eq!(above(&reply, 10), ["┃ b␛ob: a…"]);
        reply.extras.quote = Some(quote(None));
        reply.extras.forwarded = true;
        assert_eq!(above(&reply, 60), ["↷ forwarded", "┃ b␛ob: (this message is not here any more)"]);
    }

    #[test]
    fn polls_have_bars_and_voters() {
        let options =
            [("Pi\x07zza", &[(1, "ann"), (2, "bob"), (3, "cem")][..]), ("Sushi", &[(2, "bob")]), ("Soup", &[])];
        let mut asked = message(1, false, "", MessageStatus::Received);
        asked.body = poll_of("Where?", &options, true);
        let lines: Vec<String> = below(&asked, 80).into_iter().map(|piece| piece.text).collect();
        let want = [
            " 1 ██████████ 3  ✔ Pi␇zza (you, bob, cem)",
            " 2 ███░░░░░░░ 1  Sushi (bob)",
            " 3 ░░░░░░░░░░ 0  Soup",
            "3 people voted · several answers",
        ];
        assert_eq!(lines, want);
        assert_eq!(below(&asked, 80).iter().map(|piece| piece.mine).collect::<Vec<_>>(), [true, false, false, false]);
        let many: Vec<(u8, &str)> = (2..=6).map(|n| (n, "x")).collect();
        asked.body = poll_of("Where?", &[("a", &many), ("b", &[])], false);
        assert_eq!(below(&asked, 80)[0].text, " 1 ██████████ 5  a (x, x, x, 2 more)");
        asked.body = poll_of("Where?", &[("a", &[]), ("b", &[])], false);
        assert_eq!(below(&asked, 80)[2].text, "nobody voted yet · one answer");
    }

    #[test]
    fn marks_say_what_was_done_with_it() {
        let mut said = message(1, true, "x", MessageStatus::Sent);
        assert_eq!(marks(&said, NOON), [""; 0]);
        said.extras.edited_ms = Some(NOON);
        said.extras.starred = true;
        said.extras.pinned_until_ms = Some(NOON + 1);
        said.extras.expires_after_s = 86_400;
        assert_eq!(marks(&said, NOON), ["(edited)", "★", "📌", "⏳ 24 h"]);
        said.extras.expires_ms = Some(NOON + 600_000);
        assert_eq!(marks(&said, NOON + 1), ["(edited)", "★", "⏳ 10 min"], "the pin has ended");
        assert_eq!(marks(&said, NOON + 900_000).last().map(String::as_str), Some("⏳ 0 s"));
    }

    #[test]
    fn reactions_are_counted_and_cleaned() {
        let mut said = message(1, true, "x", MessageStatus::Sent);
        let reaction = |emoji: &str, n: u8| ReactionView {
            emoji: emoji.into(),
            people: (1..=n).map(|n| person(n + 1, "x")).collect(),
        };
        said.extras.reactions = vec![reaction("👍", 2), reaction("\x1b]0;long title\x07", 1)];
        said.extras.reactions[1].people[0].is_me = true;
        let mine = |text: &str, mine| Piece { text: text.into(), mine };
        assert_eq!(reactions(&said), [mine("👍 2", false), mine("␛]0;lon… 1", true)]);
    }

    #[test]
    fn a_preview_is_one_line() {
        let mut said = message(1, true, "https://x.org", MessageStatus::Sent);
        let preview = |title: &str, description: &str| {
            Some(LinkPreview { url: "https://x.org".into(), title: title.into(), description: description.into() })
        };
        said.extras.preview = preview("X\n\x1b", "all about it");
        assert_eq!(below(&said, 40), [quiet("↗ X ␛ · all about it".into())]);
        said.extras.preview = preview("", " ");
        assert_eq!(below(&said, 40), []);
    }
}
