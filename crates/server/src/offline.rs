//! Commands that work on the data of a stopped server.

use crate::config::Loaded;
use crate::exit::{Failure, Reason, failed};
use crate::paths::Paths;
use crate::serve::store_config;
use serde_json::json;
use sotto_embedded::BackupError;
use sotto_types::{Clock, SystemClock};
use std::path::Path;

/// Into a data folder without a store: what is there is never overwritten.
pub fn restore(loaded: &Loaded, from: &Path, as_json: bool) -> Result<(), Failure> {
    let paths = Paths::new(&loaded.config.server.data);
    let store = paths.store();
    if std::fs::read_dir(&store).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Failure::new(
            Reason::Store,
            format!(
                "{} has a store already. Stop the server and move that folder away, or name another with --data",
                store.display()
            ),
        ));
    }
    paths.make()?;
    let mut table = String::new();
    let mut progress = |now: &sotto_embedded::BackupProgress| {
        if as_json {
            let line = json!({ "step": now.step, "table": now.table, "records": now.records, "bytes": now.bytes });
            println!("{}", json!({ "progress": line }));
        } else if format!("{} {}", now.step, now.table) != table {
            table = format!("{} {}", now.step, now.table);
            eprintln!("{table}");
        }
    };
    let config = store_config(&loaded.config, &paths);
    let summary =
        sotto_embedded::restore(from, &config, SystemClock.now(), &mut progress).map_err(|error| match error {
            BackupError::Target(error) => error.into(),
            other => failed(other.to_string()),
        })?;
    if as_json {
        println!("{}", json!({ "records": summary.records, "bytes": summary.bytes, "generation": summary.generation }));
    } else {
        println!(
            "{} records in {}; the server's generation is now {}: clients replace their keys by themselves",
            summary.records,
            store.display(),
            summary.generation
        );
    }
    Ok(())
}
