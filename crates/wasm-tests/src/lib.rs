//! The tests of the engine, its store and the cryptography, compiled for browsers.
//! Flow: `scripts/web.sh tests` builds this -> a worker calls every export whose name begins with "test " -> `web/tests/wasm`.
//! Always true: they are the files that `cargo test` runs on this machine, included by path; none is written twice.
#![cfg(target_arch = "wasm32")]
// In tests a panic is the way to say that something is wrong, and each file has its own copy of what they share.
#![allow(clippy::unwrap_used, clippy::duplicate_mod)]

// Its start function keeps what a panic said.
use sotto_engine_wasm as _;
use sqlite_wasm_rs::WasmOsCallback;
use sqlite_wasm_vfs::sahpool::{self, OpfsSAHPoolCfgBuilder};
use wasm_bindgen::prelude::*;
// Its tests see inside it, so they are compiled there.
use sotto_engine_store as _;

#[path = "../../sim/tests/it/account.rs"]
mod account;
#[path = "../../sim/tests/it/actions.rs"]
mod actions;
#[path = "../../sim/tests/it/connection.rs"]
mod connection;
#[path = "../../sim/tests/it/conversations.rs"]
mod conversations;
#[path = "../../sim/tests/it/details.rs"]
mod details;
#[path = "../../sim/tests/it/devices.rs"]
mod devices;
#[path = "../../sim/tests/it/features.rs"]
mod features;
#[path = "../../sim/tests/it/gone.rs"]
mod gone;
#[path = "../../crypto/tests/groups.rs"]
mod groups;
#[path = "../../sim/tests/it/groups_doors.rs"]
mod groups_doors;
#[path = "../../sim/tests/it/groups_hostile.rs"]
mod groups_hostile;
#[path = "../../sim/tests/it/groups.rs"]
mod groups_of_people;
#[path = "../../sim/tests/it/groups_stays.rs"]
mod groups_stays;
#[path = "../../sim/tests/it/groups_talk.rs"]
mod groups_talk;
#[path = "../../sim/tests/it/history.rs"]
mod history;
#[path = "../../sim/tests/it/hostile.rs"]
mod hostile;
#[path = "../../crypto/tests/hostile.rs"]
mod hostile_crypto;
#[path = "../../sim/tests/it/messages.rs"]
mod messages;
#[path = "../../sim/tests/it/presence.rs"]
mod presence;
#[path = "../../sim/tests/it/profiles.rs"]
mod profiles;
#[path = "../../sim/tests/it/repair.rs"]
mod repair;
#[path = "../../sim/tests/it/requests.rs"]
mod requests;
#[path = "../../crypto/tests/sessions.rs"]
mod sessions;
#[path = "../../sim/tests/it/trust.rs"]
mod trust;
#[path = "../../sim/tests/it/unread.rs"]
mod unread;
#[path = "../../crypto/tests/vectors.rs"]
mod vectors;

/// More files than all tests together open.
const HANDLES: usize = 32;

/// Puts the tests' databases on the origin-private file system, as the app's are.
#[wasm_bindgen]
pub async fn prepare(folder: String) -> Result<(), JsError> {
    let config = OpfsSAHPoolCfgBuilder::new().directory(&folder).initial_capacity(HANDLES).clear_on_init(true).build();
    sahpool::install::<WasmOsCallback>(&config, true).await?;
    Ok(())
}
