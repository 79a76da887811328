//! Mentions in a text: found while writing, marked while reading. Their places count UTF-16 code units.

use sotto_engine::api::{GroupMemberView, Mention};
use sotto_types::AccountId;
use std::ops::Range;

/// What one message may name; further ones stay plain text.
const MENTIONS_MAX: usize = 64;
/// Names everybody in the group.
pub const ALL: &str = "all";

const fn in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.')
}

/// Each "@username" of a member, and "@all". An "@" within a word (an e-mail address) is none.
pub fn find(text: &str, members: &[GroupMemberView]) -> Vec<Mention> {
    let mut found = Vec::new();
    let mut before = None;
    let mut start = 0;
    for (at, c) in text.char_indices() {
        let is_start = c == '@' && !before.is_some_and(|before| in_name(before) || before == '@' || before == '-');
        before = Some(c);
        if is_start && let Some((length, account)) = named(&text[at + 1..], members) {
            found.push(Mention { start, length: length + 1, account });
            if found.len() == MENTIONS_MAX {
                break;
            }
        }
        start += if c.len_utf16() == 2 { 2 } else { 1 };
    }
    found
}

/// The member whose name the text begins with, and the length of the name; a full stop behind it ends the sentence.
fn named(text: &str, members: &[GroupMemberView]) -> Option<(u32, Option<AccountId>)> {
    let end = text.find(|c| !in_name(c)).unwrap_or(text.len());
    let mut name = &text[..end];
    while !name.is_empty() {
        let is = |other: &str| other.eq_ignore_ascii_case(name);
        let member = members.iter().find(|member| member.username.as_ref().is_some_and(|other| is(other.as_str())));
        if is(ALL) || member.is_some() {
            let account = member.filter(|_| !is(ALL)).map(|member| member.account);
            return Some((u32::try_from(name.len()).ok()?, account));
        }
        name = name.strip_suffix('.')?;
    }
    None
}

/// Where they are in the text, in bytes; those that do not fit it are left out.
pub fn ranges(text: &str, mentions: &[Mention]) -> Vec<Range<usize>> {
    if mentions.is_empty() {
        return Vec::new();
    }
    let mut units = 0u32;
    // The byte at which each UTF-16 unit begins; none in the middle of a character.
    let mut bytes = Vec::new();
    for (at, c) in text.char_indices() {
        bytes.push((units, at));
        units += if c.len_utf16() == 2 { 2 } else { 1 };
    }
    bytes.push((units, text.len()));
    let byte = |unit: u32| bytes.binary_search_by_key(&unit, |(unit, _)| *unit).ok().map(|index| bytes[index].1);
    let range = |mention: &Mention| Some(byte(mention.start)?..byte(mention.start.checked_add(mention.length)?)?);
    mentions.iter().filter_map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formatting::parts;
    use crate::tui::samples::{account, member};
    use sotto_engine::api::GroupRole;

    fn members() -> Vec<GroupMemberView> {
        [(1, "ann"), (2, "bob"), (3, "bob.b"), (4, "dot.")].map(|(n, name)| member(n, name, GroupRole::Member)).to_vec()
    }

    #[test]
    fn members_and_everybody_are_found() {
        for (text, want) in [
            ("hi @bob", &[(3, 4, Some(2))][..]),
            ("@Ann: see @bob.", &[(0, 4, Some(1)), (10, 4, Some(2))]),
            ("@bob.b, @bob..", &[(0, 6, Some(3)), (8, 4, Some(2))]),
            ("@dot. @dot", &[(0, 5, Some(4))]),
            ("@all!", &[(0, 4, None)]),
            ("\u{1F600}é @bob", &[(4, 4, Some(2))]),
            ("mail@bob.org a-@bob @@bob @zoe @bobby @", &[]),
            ("(@ann)@bob", &[(1, 4, Some(1)), (6, 4, Some(2))]),
            ("@ann@bob", &[(0, 4, Some(1))]),
            ("", &[]),
        ] {
            let want: Vec<Mention> = want
                .iter()
                .map(|(start, length, n)| Mention { start: *start, length: *length, account: n.map(account) })
                .collect();
            assert_eq!(find(text, &members()), want, "{text:?}");
        }
        assert_eq!(find(&"@ann ".repeat(100), &members()).len(), MENTIONS_MAX);
    }

    #[test]
    fn what_is_found_is_marked_again() {
        for text in ["hi @bob, and \u{1F600} @all", "@ann", "nobody", "\u{1F600}@bob\u{1F600}"] {
            let found = find(text, &members());
            let parts = parts(text, &found);
            assert_eq!(parts.iter().map(|(part, _)| *part).collect::<String>(), text);
            let marked: Vec<_> = parts.iter().filter(|(_, look)| look.mention).map(|(part, _)| *part).collect();
            assert_eq!(marked.len(), found.len(), "{text:?}");
            assert!(marked.iter().all(|part| part.starts_with('@')), "{marked:?}");
        }
    }

    #[test]
    fn places_that_are_none_are_left_out() {
        let mention = |start, length| Mention { start, length, account: None };
        let parts = |text: &'static str, mentions: &[Mention]| -> Vec<(&str, bool)> {
            parts(text, mentions).into_iter().map(|(part, look)| (part, look.mention)).collect()
        };
        for odd in [mention(1, 1), mention(0, 1), mention(9, 1), mention(0, 99), mention(u32::MAX, u32::MAX)] {
            assert_eq!(parts("\u{1F600}x", std::slice::from_ref(&odd)), [("\u{1F600}x", false)], "{odd:?}");
        }
        let overlapping = [mention(0, 3), mention(1, 1), mention(0, 1)];
        assert_eq!(parts("abcd", &overlapping), [("abc", true), ("d", false)]);
    }
}
