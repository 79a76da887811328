//! A profile's folder: `lock` (flock, holds the owner's pid), `profile.db` (the store), `attach.sock`.
//! Always true: the folder is 0700; whoever has the flock owns everything in it.

use rustix::fs::{FlockOperation, flock};
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Why a profile cannot be opened. The texts say what to do.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    #[error("this profile is in use by {}: close that first", match .pid { Some(pid) => format!("process {pid}"), None => "another process".into() })]
    Locked { pid: Option<u32> },
    #[error("wrong passphrase for this profile")]
    WrongPassphrase,
    #[error("this profile is locked: its passphrase is needed")]
    NeedsPassphrase,
    #[error("this profile was written by a newer sotto: install that version to open it")]
    NewerStore,
    #[error("this profile's data is damaged ({0}): keep the folder, and link or recover into a new profile")]
    Damaged(String),
    #[error("the disk is full: make room; nothing that was saved is lost")]
    Full,
    #[error("this profile's storage failed: {0}")]
    Storage(String),
    #[error("{what} {}: {source}", path.display())]
    Io { what: &'static str, path: PathBuf, source: std::io::Error },
    #[error("the certificates in {} cannot be used: {reason}", path.display())]
    TlsCa { path: PathBuf, reason: String },
    #[error("{0}")]
    Other(String),
}

/// Held while this process owns the profile. The kernel gives it back when the process ends, however it ends.
#[derive(Debug)]
pub struct ProfileLock {
    file: File,
}

impl ProfileLock {
    /// Makes the folder if it is missing.
    pub fn take(dir: &Path) -> Result<Self, ProfileError> {
        private_folder(dir)?;
        let path = dir.join("lock");
        let io = |source| ProfileError::Io { what: "cannot lock the profile with", path: path.clone(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut text = String::new();
                let _ = Read::take(&file, 32).read_to_string(&mut text);
                return Err(ProfileError::Locked { pid: text.trim().parse().ok() });
            }
            Err(errno) => return Err(io(errno.into())),
        }
        let write = (|| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        })();
        write.map_err(io)?;
        Ok(Self { file })
    }
}

impl Drop for ProfileLock {
    fn drop(&mut self) {
        // Other processes read the pid only while the lock is taken; an empty file says nobody has it.
        let _ = self.file.set_len(0);
    }
}

fn private_folder(dir: &Path) -> Result<(), ProfileError> {
    let io = |source| ProfileError::Io { what: "cannot use the profile folder", path: dir.to_path_buf(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io)?;
    let mode = std::fs::metadata(dir).map_err(io)?.permissions().mode();
    if mode & 0o077 != 0 {
        std::fs::set_permissions(dir, Permissions::from_mode(0o700)).map_err(io)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_is_exclusive_names_its_owner_and_goes_with_it() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("a/b");
        let first = ProfileLock::take(&path).expect("free");
        match ProfileLock::take(&path) {
            Err(ProfileError::Locked { pid }) => assert_eq!(pid, Some(std::process::id())),
            other => panic!("{other:?}"),
        }
        drop(first);
        ProfileLock::take(&path).expect("free again");
    }

    #[test]
    fn the_folder_becomes_private() {
        let dir = tempfile::tempdir().expect("temp dir");
        std::fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("chmod");
        let _lock = ProfileLock::take(dir.path()).expect("free");
        assert_eq!(std::fs::metadata(dir.path()).expect("stat").permissions().mode() & 0o777, 0o700);
    }
}
