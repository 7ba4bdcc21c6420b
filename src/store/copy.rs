//! A consistent copy of the chat, made while it goes on.

use std::fs::{self, File};
use std::path::PathBuf;

use super::schema::beside;
use super::{Store, backup};
use crate::error::Result;

impl Store {
    /// The whole chat as one file, as it is at one moment; nothing that was deleted is left in it. It lies beside the
    /// database, where there is a disk that can hold another one (a temporary directory is often memory), and is gone
    /// from it once it is closed.
    pub fn copy(&self) -> Result<File> {
        let file = Temporary(beside(&self.path, &format!("-copy-{:016x}", rand::random::<u64>())));
        backup(&self.path, &file.0)?;
        Ok(File::open(&file.0)?)
    }
}

/// A file that loses its name when this is dropped; who has it open can still read it.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
