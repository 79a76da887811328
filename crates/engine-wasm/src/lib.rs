//! The client engine for browsers: WebAssembly inside one dedicated worker, its store on the origin-private file system.
//! Flow: the worker (`web/engine/src/worker.ts`) calls `install` and `open`, puts inputs in (commands, frames, answers), calls
//!       `step`, and carries out the effects that come back; sockets, fetch and timers are its own.
//! Always true:
//! - one worker at a time has the store: the file handles are exclusive, and the worker holds a Web Lock;
//! - commands, replies and events cross as the JSON of `sotto_engine::api`, frames and bodies as bytes;
//! - after a panic this instance is undefined: the worker is ended and another one goes on from the store.
//! Elsewhere: what commands mean is in `sotto-engine`; the page's side is in `web/engine/src/client.ts`.
// Module documents are read as text: their last line belongs to no list.
#![allow(clippy::doc_lazy_continuation)]
#![cfg(target_arch = "wasm32")]

mod effects;
mod storage;

use bytes::Bytes;
use js_sys::{Array, Reflect};
use sotto_engine::api::{
    Command, CommandError, CommandId, Effect, ErrorKind, HttpAnswer, HttpFailure, Input, RequestId,
};
use sotto_engine::{Engine, EngineConfig, OpenError};
use sotto_types::{Secret, Timestamp};
use wasm_bindgen::prelude::*;

pub use storage::{install, release};

/// Where the worker finds the text of a panic after the trap that follows it.
const PANIC: &str = "sottoPanic";

#[wasm_bindgen(start)]
pub fn start() {
    std::panic::set_hook(Box::new(|panic| {
        let text = JsValue::from_str(&panic.to_string());
        // A failure to tell must not hide the panic itself.
        let _ = Reflect::set(&js_sys::global(), &PANIC.into(), &text);
    }));
}

/// One opened profile.
#[wasm_bindgen]
#[derive(Debug)]
pub struct WasmEngine {
    engine: Engine,
    inputs: Vec<Input>,
    /// The first wishes, handed out by the first step.
    first: Vec<Effect>,
}

#[wasm_bindgen]
impl WasmEngine {
    /// Opens the profile of the installed folder; throws an `OpenFailure` object. `client` is for the server's statistics.
    pub fn open(passphrase: Option<String>, client: String, now_ms: f64) -> Result<WasmEngine, JsValue> {
        let store = storage::open(passphrase.map(Secret::new).as_ref())?;
        let config = EngineConfig { client, ..EngineConfig::default() };
        // The browser's randomness: every opening of an engine needs a seed of its own.
        let (engine, first) = Engine::open(store, config, rand::random(), time(now_ms))
            .map_err(|OpenError::Store(error)| storage::failure(&error))?;
        Ok(Self { engine, inputs: Vec::new(), first })
    }

    /// Takes a command in; returns the error (JSON) if the text is none.
    pub fn command(&mut self, id: f64, json: &str) -> Option<String> {
        match serde_json::from_str::<Command>(json) {
            Ok(command) => {
                self.inputs.push(Input::Command { id: CommandId(number(id)), command });
                None
            }
            Err(error) => {
                let error = CommandError { kind: ErrorKind::Invalid, text: error.to_string() };
                Some(effects::json(&error))
            }
        }
    }

    /// The connection asked for is open.
    pub fn opened(&mut self) {
        self.inputs.push(Input::TransportOpened);
    }

    pub fn closed(&mut self, reason: String) {
        self.inputs.push(Input::TransportClosed { reason });
    }

    /// One binary WebSocket message.
    pub fn frame(&mut self, bytes: Vec<u8>) {
        self.inputs.push(Input::Frame(Bytes::from(bytes)));
    }

    pub fn answer(&mut self, request: f64, status: u16, body: Vec<u8>) {
        let outcome = Ok(HttpAnswer { status, body });
        self.inputs.push(Input::HttpAnswer { request: RequestId(number(request)), outcome });
    }

    /// There was none: it took too long, or the server is not to be reached.
    pub fn no_answer(&mut self, request: f64, timeout: bool, text: String) {
        let failure = if timeout { HttpFailure::Timeout } else { HttpFailure::Unreachable(text) };
        self.inputs.push(Input::HttpAnswer { request: RequestId(number(request)), outcome: Err(failure) });
    }

    /// The time of the last "wake" has come.
    pub fn wake(&mut self) {
        self.inputs.push(Input::Wake);
    }

    pub fn foreground(&mut self, looking: bool) {
        self.inputs.push(Input::Foreground(looking));
    }

    pub fn network_up(&mut self) {
        self.inputs.push(Input::NetworkUp);
    }

    /// Carries out everything put in since the last step, in one local transaction. What comes back is to be done in this order.
    pub fn step(&mut self, now_ms: f64) -> Array {
        let mut effects = std::mem::take(&mut self.first);
        if !self.inputs.is_empty() {
            effects.extend(self.engine.step_all(std::mem::take(&mut self.inputs), time(now_ms)));
        }
        effects.into_iter().map(effects::to_js).collect()
    }

    /// Locks the profile with a passphrase from now on, or (none) no longer; throws an `OpenFailure` object.
    pub fn set_passphrase(&mut self, passphrase: Option<String>) -> Result<(), JsValue> {
        let passphrase = passphrase.map(Secret::new);
        self.engine.store_mut().set_passphrase(passphrase.as_ref()).map_err(|error| storage::failure(&error))
    }

    pub fn has_passphrase(&mut self) -> bool {
        self.engine.store_mut().has_passphrase()
    }
}

/// JavaScript's clock: whole milliseconds since the Unix epoch, never negative here.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // `as` saturates.
fn time(now_ms: f64) -> Timestamp {
    Timestamp::from_ms(now_ms as u64)
}

/// Ids count up from one: far below 2^53.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // `as` saturates.
fn number(id: f64) -> u64 {
    id as u64
}
