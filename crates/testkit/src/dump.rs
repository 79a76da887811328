//! Everything a stopped server's store holds, decoded: every key and value of every keyspace, whatever its name, read
//! through the store engine itself, so that compression or block layout hides nothing from a search.

use fjall::{Database, KeyspaceCreateOptions};
use std::path::Path;

/// Opens `DATA/.../db` (wherever it lies below `data`) and returns all keyspaces' names, keys and values, one after the
/// other with newlines between, and how many records there are. The server must be stopped.
pub fn store_dump(data: &Path) -> (Vec<u8>, usize) {
    let folder = database_below(data).unwrap_or_else(|| panic!("no database below {}", data.display()));
    let db = Database::builder(&folder).open().expect("the store opens once the server is gone");
    let mut dump = Vec::new();
    let mut records = 0;
    for name in db.list_keyspace_names() {
        let keyspace = db.keyspace(&name, KeyspaceCreateOptions::default).expect("a listed keyspace opens");
        dump.extend_from_slice(name.as_bytes());
        dump.push(b'\n');
        for entry in keyspace.iter() {
            let (key, value) = entry.into_inner().expect("a stored record reads");
            for part in [&key[..], &value[..]] {
                dump.extend_from_slice(part);
                dump.push(b'\n');
            }
            records += 1;
        }
    }
    (dump, records)
}

fn database_below(folder: &Path) -> Option<std::path::PathBuf> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        if folder.file_name().is_some_and(|name| name == "db") {
            return Some(folder);
        }
        let inside = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        folders.extend(inside.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|e| e.path()));
    }
    None
}
