//! A store for unit tests, in a directory of its own that goes with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Store;
use crate::bell::Bell;

pub struct Scratch {
    pub store: Arc<Store>,
    pub bell: Arc<Bell>,
    directory: PathBuf,
}

impl Scratch {
    pub fn new(name: &str) -> Scratch {
        let directory = std::env::temp_dir().join(format!("parlor-unit-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let bell = Arc::new(Bell::default());
        let store = Store::open(&directory.join("chat.db"), Arc::clone(&bell)).unwrap();
        Scratch { store: Arc::new(store), bell, directory }
    }

    /// One with an author, Puck, who is number 1, and what these statements put in.
    pub fn filled(name: &str, statements: &str) -> Scratch {
        let scratch = Scratch::new(name);
        let statements = format!("INSERT INTO author (name) VALUES ('Puck'); {statements}");
        scratch.store.write(|transaction| Ok(transaction.execute_batch(&statements)?)).unwrap();
        scratch
    }

    pub fn path(&self) -> &Path {
        &self.directory
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
