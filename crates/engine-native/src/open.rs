//! The real engine in a real profile folder; the only file that knows how engine and store are opened.

use crate::client::{Client, ProfileOptions};
use crate::host::{Host, HostConfig};
use crate::machine::{Machine, OpenMachine, Opened, Opener};
use crate::profile::{ProfileError, ProfileLock};
use sotto_engine::api::{Effect, Input};
use sotto_engine::{Engine, OpenError};
use sotto_engine_store::{Store, StoreError};
use sotto_types::{Secret, Timestamp};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const STORE: &str = "profile.db";

/// An opened profile that no process but this one uses.
#[derive(Debug)]
pub struct Profile {
    lock: ProfileLock,
    dir: PathBuf,
    store: Store,
}

impl Profile {
    /// Takes the lock and opens the store, making both when missing. Blocks while a passphrase is being checked.
    pub fn open(dir: impl AsRef<Path>, passphrase: Option<&Secret<String>>) -> Result<Self, ProfileError> {
        let dir = dir.as_ref();
        let lock = ProfileLock::take(dir)?;
        let store = Store::open(&dir.join(STORE), passphrase)?;
        Ok(Self { lock, dir: dir.to_path_buf(), store })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Protects the profile with a passphrase, or takes it off. All or nothing.
    pub fn set_passphrase(&mut self, passphrase: Option<&Secret<String>>) -> Result<(), ProfileError> {
        Ok(self.store.set_passphrase(passphrase)?)
    }

    fn into_opened(self, config: &HostConfig) -> Opened {
        let (store, engine) = (self.store, config.engine.clone());
        let machine: OpenMachine = Box::new(move |now| {
            // The system's randomness: every opening of an engine needs a seed of its own.
            let (engine, effects) = Engine::open(store, engine, rand::random(), now)
                .map_err(|OpenError::Store(error)| ProfileError::from(error))?;
            Ok((Box::new(engine) as Box<dyn Machine>, effects))
        });
        Opened { lock: self.lock, machine }
    }
}

impl Machine for Engine {
    fn step(&mut self, inputs: Vec<Input>, now: Timestamp) -> Vec<Effect> {
        self.step_all(inputs, now)
    }
}

impl Host {
    /// Starts the engine of an opened profile. Needs a tokio runtime.
    pub async fn start(profile: Profile, config: HostConfig) -> Result<Self, ProfileError> {
        let dir = profile.dir.clone();
        Self::start_machine(&dir, profile.into_opened(&config), &config).await
    }
}

impl Opener for ProfileOptions {
    fn dir(&self) -> &Path {
        &self.dir
    }

    fn open(&self) -> Result<Opened, ProfileError> {
        Ok(Profile::open(&self.dir, self.passphrase.as_ref())?.into_opened(&self.host))
    }
}

impl Client {
    /// Owns the profile, or attaches to its owner.
    pub async fn connect_or_own(options: ProfileOptions) -> Result<Self, ProfileError> {
        let config = options.host.clone();
        Self::with_opener(Arc::new(options), config).await
    }
}

impl From<StoreError> for ProfileError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NeedsPassphrase => Self::NeedsPassphrase,
            StoreError::WrongPassphrase => Self::WrongPassphrase,
            StoreError::Newer { .. } => Self::NewerStore,
            StoreError::Busy => Self::Locked { pid: None },
            StoreError::Damaged(reason) => Self::Damaged(reason),
            StoreError::Full => Self::Full,
            StoreError::Io(reason) => Self::Storage(reason),
        }
    }
}
