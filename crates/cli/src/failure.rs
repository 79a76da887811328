//! How a command ends: exit codes and the one line that says what is wrong and what to do.

use serde::Serialize;
use sotto_engine::api::{CommandError, ErrorKind};
use sotto_engine_native::ProfileError;

/// Documented in docs/cli.md; scripts rely on the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Other = 1,
    Usage = 2,
    NotFound = 3,
    Refused = 4,
    Offline = 5,
    SignedOut = 6,
    KeyChanged = 7,
    Storage = 8,
    Locked = 9,
    Timeout = 10,
}

/// Why a command did not succeed.
#[derive(Debug, Clone)]
pub struct Failure {
    pub exit: Exit,
    /// For scripts, stable: an `ErrorKind` in snake case, or "usage", "ambiguous", "locked", "passphrase", "timeout", "io".
    pub kind: String,
    pub text: String,
}

/// What `--json` prints for it.
#[derive(Debug, Serialize)]
pub struct FailureJson<'a> {
    pub kind: &'a str,
    pub text: &'a str,
    pub exit_code: u8,
}

impl Failure {
    pub fn new(exit: Exit, kind: &str, text: impl Into<String>) -> Self {
        Self { exit, kind: kind.into(), text: text.into() }
    }

    pub fn usage(text: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", text)
    }

    pub fn timeout(text: impl Into<String>) -> Self {
        Self::new(Exit::Timeout, "timeout", text)
    }

    /// An answer of another shape than the command's: a bug, or versions that do not fit.
    pub fn unexpected() -> Self {
        Self::new(
            Exit::Other,
            "internal",
            "the engine gave an unexpected answer: are all running sotto of one version?",
        )
    }

    pub fn json(&self) -> FailureJson<'_> {
        FailureJson { kind: &self.kind, text: &self.text, exit_code: self.exit as u8 }
    }
}

pub fn exit_of(kind: ErrorKind) -> Exit {
    match kind {
        ErrorKind::NotFound => Exit::NotFound,
        ErrorKind::Invalid => Exit::Usage,
        ErrorKind::WrongState | ErrorKind::Refused => Exit::Refused,
        ErrorKind::Offline => Exit::Offline,
        ErrorKind::SignedOut => Exit::SignedOut,
        ErrorKind::KeyChanged => Exit::KeyChanged,
        ErrorKind::Storage => Exit::Storage,
        ErrorKind::Clock | ErrorKind::Internal => Exit::Other,
    }
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        let kind = match serde_json::to_value(error.kind) {
            Ok(serde_json::Value::String(kind)) => kind,
            _ => "internal".into(),
        };
        Self { exit: exit_of(error.kind), kind, text: error.text }
    }
}

impl From<ProfileError> for Failure {
    fn from(error: ProfileError) -> Self {
        let (exit, kind) = match &error {
            ProfileError::Locked { .. } => (Exit::Locked, "locked"),
            ProfileError::WrongPassphrase | ProfileError::NeedsPassphrase => (Exit::Locked, "passphrase"),
            ProfileError::NewerStore
            | ProfileError::Damaged(_)
            | ProfileError::Full
            | ProfileError::Storage(_)
            | ProfileError::Io { .. } => (Exit::Storage, "storage"),
            ProfileError::TlsCa { .. } => (Exit::Usage, "usage"),
            ProfileError::Other(_) => (Exit::Other, "internal"),
        };
        Self::new(exit, kind, error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(Exit::Other, "io", error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_documented_exit_code() {
        for (kind, code, word) in [
            (ErrorKind::NotFound, 3, "not_found"),
            (ErrorKind::Invalid, 2, "invalid"),
            (ErrorKind::WrongState, 4, "wrong_state"),
            (ErrorKind::Refused, 4, "refused"),
            (ErrorKind::Offline, 5, "offline"),
            (ErrorKind::SignedOut, 6, "signed_out"),
            (ErrorKind::KeyChanged, 7, "key_changed"),
            (ErrorKind::Clock, 1, "clock"),
            (ErrorKind::Storage, 8, "storage"),
            (ErrorKind::Internal, 1, "internal"),
        ] {
            let failure = Failure::from(CommandError { kind, text: "x".into() });
            assert_eq!((failure.exit as u8, failure.kind.as_str()), (code, word), "{kind:?}");
        }
        assert_eq!(Failure::from(ProfileError::NeedsPassphrase).exit as u8, 9);
        assert_eq!(Failure::from(ProfileError::Locked { pid: Some(7) }).exit as u8, 9);
        assert_eq!(Failure::from(ProfileError::NewerStore).exit as u8, 8);
        assert_eq!(Failure::timeout("x").exit as u8, 10);
    }
}
