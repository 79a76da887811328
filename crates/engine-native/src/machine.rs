//! The engine as this crate sees it. A seam, so that hosting can be tested with a scripted machine.

use crate::profile::{ProfileError, ProfileLock};
use sotto_engine::api::{Effect, Input};
use sotto_types::Timestamp;
use std::path::Path;

/// A client state machine. Not `Send`: it lives and dies on the engine thread.
pub trait Machine {
    /// Several inputs at once are one local transaction: a burst of frames costs one sync.
    fn step(&mut self, inputs: Vec<Input>, now: Timestamp) -> Vec<Effect>;
}

/// Builds the machine on the engine thread; the effects are its first wishes.
pub type OpenMachine =
    Box<dyn FnOnce(Timestamp) -> Result<(Box<dyn Machine>, Vec<Effect>), ProfileError> + Send + 'static>;

/// A profile taken by this process.
pub struct Opened {
    pub lock: ProfileLock,
    pub machine: OpenMachine,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened").field("lock", &self.lock).finish_non_exhaustive()
    }
}

/// Takes the profile, now or later when the present owner has ended. May block (passphrases are slow on purpose).
pub trait Opener: Send + Sync + 'static {
    fn dir(&self) -> &Path;
    fn open(&self) -> Result<Opened, ProfileError>;
}
