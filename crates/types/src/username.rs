use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a text is not a username. The texts are for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UsernameError {
    #[error("a username has 3 to 32 characters")]
    Length,
    #[error("a username has only letters a to z, digits, '_' and '.'; {0:?} is not allowed")]
    Character(char),
}

/// How people find each other: 3–32 of `a-z 0-9 _ .`, folded to lower case; a leading `@` is dropped.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(type = "string"))]
pub struct Username(String);

impl Username {
    pub fn parse(text: &str) -> Result<Self, UsernameError> {
        let text = text.trim();
        let folded = text.strip_prefix('@').unwrap_or(text).to_ascii_lowercase();
        if let Some(bad) = folded.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '_' | '.')) {
            return Err(UsernameError::Character(bad));
        }
        if !(3..=32).contains(&folded.len()) {
            return Err(UsernameError::Length);
        }
        Ok(Self(folded))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Username {
    type Error = UsernameError;

    fn try_from(text: String) -> Result<Self, UsernameError> {
        Self::parse(&text)
    }
}

impl From<Username> for String {
    fn from(name: Username) -> String {
        name.0
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usernames_fold_and_refuse() {
        for (text, want) in [
            ("Ann", Ok("ann")),
            (" @bob.b_1 ", Ok("bob.b_1")),
            ("ab", Err(UsernameError::Length)),
            ("a b c", Err(UsernameError::Character(' '))),
            ("jürgen", Err(UsernameError::Character('ü'))),
            ("@@x", Err(UsernameError::Character('@'))),
        ] {
            assert_eq!(Username::parse(text).as_ref().map(Username::as_str), want.as_ref().map(|s| *s), "{text}");
        }
        assert_eq!(Username::parse(&"a".repeat(33)), Err(UsernameError::Length));
    }
}
