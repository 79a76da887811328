use std::fmt;
use std::process::ExitCode;

/// Why a command ends with an error: docs/operations.md lists the codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Anything else, and problems found by `doctor`.
    Failed = 1,
    /// Wrong configuration (clap uses the same for wrong arguments).
    Usage = 2,
    /// The address cannot be listened on.
    Listen = 3,
    /// Another process uses the data.
    InUse = 4,
    /// The data was written by a newer version.
    Newer = 5,
    /// The data is damaged, half restored, or not Sotto's.
    Store = 6,
    /// A file or folder cannot be read or written.
    Access = 7,
    /// No server runs on this data.
    NotRunning = 8,
}

/// What is wrong and what to do, in one line.
#[derive(Debug)]
pub struct Failure {
    reason: Reason,
    message: String,
}

impl Failure {
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }

    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.reason as u8)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

pub fn failed(message: impl Into<String>) -> Failure {
    Failure::new(Reason::Failed, message)
}

impl From<sotto_embedded::OpenError> for Failure {
    fn from(error: sotto_embedded::OpenError) -> Self {
        use sotto_embedded::OpenError as E;
        let reason = match &error {
            E::Newer { .. } | E::Older { .. } => Reason::Newer,
            E::InUse { .. } => Reason::InUse,
            E::Foreign { .. } | E::HalfRestored { .. } | E::Damaged { .. } => Reason::Store,
            E::Io { .. } => Reason::Access,
        };
        Self::new(reason, error.to_string())
    }
}
