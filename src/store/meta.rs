//! What the file says of itself, by key.

use rusqlite::{Connection, OptionalExtension};

use super::Store;
use crate::error::Result;

impl Store {
    /// The value of `key`, if it has one that is still good; else `fresh`, which is stored. Of several processes that
    /// ask at once, one stores and the others find it.
    pub fn settle(&self, key: &str, is_good: impl Fn(&str) -> bool, fresh: &str) -> Result<String> {
        self.write(|transaction| match get(transaction, key)? {
            Some(value) if is_good(&value) => Ok(value),
            _ => set(transaction, key, fresh).map(|()| fresh.to_owned()),
        })
    }
}

pub fn get(connection: &Connection, key: &str) -> Result<Option<String>> {
    let mut select = connection.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    Ok(select.query_row([key], |row| row.get(0)).optional()?)
}

pub fn set(connection: &Connection, key: &str, value: &str) -> Result<()> {
    let replace = "REPLACE INTO meta (key, value) VALUES (?1, ?2)";
    Ok(connection.execute(replace, (key, value)).map(drop)?)
}
