//! Which files of a folder are the web app. build.rs includes this file too: what is embedded and what is served from
//! `web.dir` follow the same rules.
//! Always true: a path is `/` and names of `A-Z a-z 0-9 . _ - ~ @ +`, so that it needs no decoding; `x.br` is the brotli form of
//! `x`, never a file of its own; names that begin with a dot are left out (but `.well-known`).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub const INDEX: &str = "/index.html";
/// A folder that is no web app (somebody's home) is noticed before memory is full.
const FILES_MAX: usize = 2_000;
const BYTES_MAX: u64 = 64 << 20;
const DEPTH_MAX: usize = 8;
/// Copying a folder may give the compressed form an earlier time than its file.
const COPY_TAKES: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub struct WebFile {
    /// As in a URL: `/assets/main-1a2b.js`.
    pub path: String,
    pub plain: Vec<u8>,
    pub brotli: Option<Vec<u8>>,
}

/// All of them, ordered by path. The error says what is wrong with which file.
pub fn read(folder: &Path) -> Result<Vec<WebFile>, String> {
    let mut found = BTreeMap::new();
    list(folder, "", 0, &mut found)?;
    if !found.contains_key(INDEX) {
        return Err(format!("{} has no index.html", folder.display()));
    }
    let mut files = Vec::new();
    let mut total: u64 = 0;
    for (path, file) in &found {
        if path.ends_with(".br") {
            continue;
        }
        let brotli = found.get(&format!("{path}.br")).filter(|brotli| is_current(file, brotli));
        let mut load = |file: &PathBuf| {
            let size = fs::metadata(file).map_err(|error| unreadable(file, &error))?.len();
            total = total.saturating_add(size);
            if total > BYTES_MAX {
                return Err(format!("{} holds more than {} MiB", folder.display(), BYTES_MAX >> 20));
            }
            fs::read(file).map_err(|error| unreadable(file, &error))
        };
        let plain = load(file)?;
        let brotli = brotli.map(&mut load).transpose()?;
        files.push(WebFile { path: path.clone(), plain, brotli });
    }
    Ok(files)
}

fn list(folder: &Path, at: &str, depth: usize, found: &mut BTreeMap<String, PathBuf>) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    for entry in entries {
        let file = entry.map_err(|error| unreadable(folder, &error))?.path();
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with('.') && name != ".well-known" {
            continue;
        }
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-~@+".contains(&byte)) {
            return Err(format!(
                "{} cannot be served: use letters, digits and . _ - ~ @ + in its name",
                file.display()
            ));
        }
        let path = format!("{at}/{name}");
        // Through symbolic links too: the folder is its owner's, and may be put together from several.
        let meta = fs::metadata(&file).map_err(|error| unreadable(&file, &error))?;
        if meta.is_dir() {
            if depth >= DEPTH_MAX {
                return Err(format!("{} is too deep: at most {DEPTH_MAX} folders in each other", file.display()));
            }
            list(&file, &path, depth + 1, found)?;
        } else if meta.is_file() {
            found.insert(path, file);
        }
        if found.len() > FILES_MAX {
            return Err(format!("{} holds more than {FILES_MAX} files", folder.display()));
        }
    }
    Ok(())
}

/// Who edits a file in a copy of the app would see no change in a browser, were its old compressed form served on.
fn is_current(file: &Path, brotli: &Path) -> bool {
    let time = |path: &Path| fs::metadata(path).and_then(|meta| meta.modified()).ok();
    match (time(file), time(brotli)) {
        (Some(file), Some(brotli)) => brotli + COPY_TAKES >= file,
        _ => true,
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> String {
    format!("cannot read {}: {error}", path.display())
}
