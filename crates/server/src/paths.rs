//! What is where in the data folder.

use crate::exit::{Failure, Reason};
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// DATA: `store/` (the embedded store), `admin.sock` (while a server runs), `demo/echo/` (the demo bot's profile).
#[derive(Debug, Clone)]
pub struct Paths {
    pub data: PathBuf,
}

impl Paths {
    pub fn new(data: &str) -> Self {
        Self { data: PathBuf::from(data) }
    }

    pub fn store(&self) -> PathBuf {
        self.data.join("store")
    }

    pub fn admin_socket(&self) -> PathBuf {
        self.data.join("admin.sock")
    }

    pub fn demo_profile(&self) -> PathBuf {
        self.data.join("demo").join("echo")
    }

    /// Makes the data folder, for this user only.
    pub fn make(&self) -> Result<(), Failure> {
        make_private_dir(&self.data)?;
        rustix::fs::access(&self.data, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).map_err(|error| {
            Failure::new(
                Reason::Access,
                format!(
                    "cannot write to the data folder {}: {error}. Give this user access to it, or name another with --data",
                    self.data.display()
                ),
            )
        })
    }
}

pub fn make_private_dir(dir: &Path) -> Result<(), Failure> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| {
        Failure::new(
            Reason::Access,
            format!(
                "cannot make the folder {}: {error}. Name another with --data, or give this user access",
                dir.display()
            ),
        )
    })
}
