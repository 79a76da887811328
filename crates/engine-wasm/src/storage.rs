//! The profile's database in the origin-private file system: a folder of file handles that one worker holds.
//! Always true: the journal is TRUNCATE (no shared memory here, so no WAL), and a commit has been flushed to the disk.

use js_sys::{Object, Reflect};
use rusqlite::Connection;
use sotto_engine_store::{Journal, Store, StoreError};
use sotto_types::Secret;
use sqlite_wasm_rs::WasmOsCallback;
use sqlite_wasm_vfs::sahpool::{self, OpfsSAHError, OpfsSAHPoolCfgBuilder, OpfsSAHPoolUtil};
use std::cell::RefCell;
use wasm_bindgen::prelude::*;

const FILE: &str = "profile.db";
/// Database, journal, and what SQLite may want for a moment.
const HANDLES: usize = 6;

thread_local! {
    static POOL: RefCell<Option<OpfsSAHPoolUtil>> = const { RefCell::new(None) };
}

/// Takes the file handles of the folder (made when missing). Throws `{why, text}`; `why` is "busy" while another worker, which may
/// just be ending, has them.
#[wasm_bindgen]
pub async fn install(folder: String) -> Result<(), JsValue> {
    let config = OpfsSAHPoolCfgBuilder::new().directory(&folder).initial_capacity(HANDLES).build();
    let pool = sahpool::install::<WasmOsCallback>(&config, true).await.map_err(|error| refused(&error))?;
    POOL.set(Some(pool));
    Ok(())
}

/// Lets go of the file handles; no profile may be open. Throws like `install`.
#[wasm_bindgen]
pub fn release() -> Result<(), JsValue> {
    let Some(pool) = POOL.take() else { return Ok(()) };
    pool.pause().map_err(|error| refused(&error))
}

fn refused(error: &OpfsSAHError) -> JsValue {
    refusal(why(error), &error.to_string())
}

fn why(error: &OpfsSAHError) -> &'static str {
    match error {
        OpfsSAHError::NotSupported => "no_storage",
        OpfsSAHError::Opfs { value, .. } => match name(value).as_str() {
            "NoModificationAllowedError" => "busy",
            "QuotaExceededError" => "storage_full",
            _ => "no_storage",
        },
        OpfsSAHError::InvalidDirectoryEntry | OpfsSAHError::DuplicateFilename(_) => "damaged",
        _ => "no_storage",
    }
}

/// The `name` of a DOMException.
fn name(value: &JsValue) -> String {
    Reflect::get(value, &"name".into()).ok().and_then(|name| name.as_string()).unwrap_or_default()
}

pub(crate) fn open(passphrase: Option<&Secret<String>>) -> Result<Store, JsValue> {
    let sql = Connection::open(FILE).map_err(|error| failure(&error.into()))?;
    Store::from_connection(sql, Journal::Truncate, passphrase).map_err(|error| failure(&error))
}

/// What is thrown: `{why, text}`, as `OpenFailure` in `web/engine/src/client.ts` has it, and "locked", "wrong_passphrase".
pub(crate) fn failure(error: &StoreError) -> JsValue {
    let why = match error {
        StoreError::NeedsPassphrase => "locked",
        StoreError::WrongPassphrase => "wrong_passphrase",
        StoreError::Full => "storage_full",
        StoreError::Newer { .. } => "newer",
        StoreError::Busy => "busy",
        StoreError::Damaged(_) => "damaged",
        StoreError::Io(_) => "no_storage",
    };
    refusal(why, &error.to_string())
}

fn refusal(why: &str, text: &str) -> JsValue {
    let thrown = Object::new();
    for (key, value) in [("why", why), ("text", text)] {
        // Setting a field of a new plain object does not fail.
        let _ = Reflect::set(&thrown, &key.into(), &value.into());
    }
    thrown.into()
}
