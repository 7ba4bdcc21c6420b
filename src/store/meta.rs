//! What the file says of itself, by key.

use rusqlite::Connection;

use super::{Store, first};
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
    first(connection, "SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))
}

pub fn set(connection: &Connection, key: &str, value: &str) -> Result<()> {
    let replace = "REPLACE INTO meta (key, value) VALUES (?1, ?2)";
    Ok(connection.execute(replace, (key, value)).map(drop)?)
}
