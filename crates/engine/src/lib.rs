//! The client state machine, sans I/O: inputs in, effects out, deterministic given clock and randomness.
//! Flow: `Engine::step(input, now)` -> one transaction of the store in which the feature's module decides and writes -> commit
//!       -> the effects are handed out.
//! Always true:
//! - nothing leaves before what it depends on is stored: an ack, a reply, an event, a frame (principle 4);
//! - if storage fails, the step never happened: its effects are dropped, commands are told, and the connection is dropped so
//!   that the server delivers again;
//! - the same inputs, times and seed give the same effects; whoever opens an engine passes a fresh seed.
//! Elsewhere: sockets, HTTP and timers are the host's (`engine-native`, `engine-wasm`); rows are `engine-store`'s.

// Module documents are read as text: their last line belongs to no list.
#![allow(clippy::doc_lazy_continuation)]

mod actions;
pub mod api;
mod backoff;
mod blocks;
mod commands;
mod connection;
mod contacts;
mod conversations;
mod core;
mod devices;
mod export;
mod forget;
pub mod fuzzing;
mod groups;
mod history;
mod http;
mod inbox;
mod kept;
mod keys;
mod link;
mod outbox;
mod prekeys;
mod presence;
mod profile;
mod profiles;
mod receipts;
mod recovery;
mod register;
mod repair;
mod requests;
mod say;
mod search;
mod sign_in;
mod staged;
mod sync;
mod trust;
mod views;

pub use api::*;

use crate::core::{Core, Cx};
use rand::SeedableRng;
use rand::rngs::StdRng;
use sotto_engine_store::{Store, StoreError};
use sotto_types::Timestamp;

/// What the host decides.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// For the server's statistics: "sotto-cli/0.1.0".
    pub client: String,
    /// Connect as soon as there is an account.
    pub online: bool,
    /// Prekeys of each kind a new device makes; tests make fewer.
    pub one_time_prekeys: u32,
    /// Take every message request at once: for bots, and for tests of other things.
    pub accept_requests: bool,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            client: concat!("sotto-engine/", env!("CARGO_PKG_VERSION")).into(),
            online: true,
            one_time_prekeys: u32::try_from(sotto_types::limits::ONE_TIME_PREKEYS).unwrap_or(100),
            accept_requests: false,
        }
    }
}

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One device of one account.
#[derive(Debug)]
pub struct Engine {
    store: Store,
    core: Core,
}

impl Engine {
    /// Goes on where the store left off. The effects begin to connect, if there is an account.
    pub fn open(
        mut store: Store,
        config: EngineConfig,
        rng_seed: [u8; 32],
        now: Timestamp,
    ) -> Result<(Self, Vec<Effect>), OpenError> {
        let rng = StdRng::from_seed(rng_seed);
        let core = store.transaction(|tx| Core::load(tx, config, rng))?;
        let mut engine = Self { store, core };
        let effects = engine.step_all(Vec::new(), now);
        Ok((engine, effects))
    }

    pub fn step(&mut self, input: Input, now: Timestamp) -> Vec<Effect> {
        self.step_all(vec![input], now)
    }

    /// Several inputs in one transaction: one fsync and one ack for a burst of frames.
    pub fn step_all(&mut self, inputs: Vec<Input>, now: Timestamp) -> Vec<Effect> {
        let Self { store, core } = self;
        connection::note_time(core, now);
        core.arrive(&inputs);
        let done = store.transaction(|tx| {
            let mut cx = Cx::new(tx, core, now);
            for input in inputs {
                cx.on_input(input)?;
            }
            cx.settle()?;
            Ok::<_, StoreError>(cx.into_effects())
        });
        done.unwrap_or_else(|error| self.recover_from(&error, now))
    }

    /// The store, for what is not the engine's: passphrase, backups.
    pub fn store_mut(&mut self) -> &mut Store {
        &mut self.store
    }

    /// Ends the engine; what it knew is in the store.
    pub fn into_store(self) -> Store {
        self.store
    }

    fn recover_from(&mut self, error: &StoreError, now: Timestamp) -> Vec<Effect> {
        tracing::warn!(%error, "local storage failed; the step is undone");
        let effects = self.core.give_up(error, now);
        let (config, rng) = (self.core.config.clone(), self.core.rng.clone());
        match self.store.transaction(|tx| Core::load(tx, config, rng)) {
            Ok(fresh) => self.core.replace_facts(fresh),
            Err(error) => tracing::warn!(%error, "local storage still fails"),
        }
        effects
    }
}
