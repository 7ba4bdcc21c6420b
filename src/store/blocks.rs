//! Names that nobody may sign in under for a while.

use super::Store;
use crate::error::Result;

impl Store {
    /// Blocks a name until then, in seconds since 1970, and forgets the blocks that are over.
    pub fn block(&self, name: &str, until: i64, now: i64) -> Result<()> {
        self.execute("DELETE FROM block WHERE until <= ?1", [now])?;
        self.execute("INSERT OR REPLACE INTO block (name, until) VALUES (?1, ?2)", (name, until)).map(drop)
    }

    pub fn lift_block(&self, name: &str) -> Result<()> {
        self.execute("DELETE FROM block WHERE name = ?1", [name]).map(drop)
    }

    pub fn is_blocked(&self, name: &str, now: i64) -> Result<bool> {
        self.read(|connection| {
            let question = "SELECT EXISTS (SELECT 1 FROM block WHERE name = ?1 AND until > ?2)";
            Ok(connection.prepare_cached(question)?.query_row((name, now), |row| row.get(0))?)
        })
    }

    /// The names that are blocked now, and until when.
    pub fn blocks(&self, now: i64) -> Result<Vec<(String, i64)>> {
        self.read(|connection| {
            let select = "SELECT name, until FROM block WHERE until > ?1 ORDER BY name";
            let mut select = connection.prepare_cached(select)?;
            let blocks = select.query_map([now], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(blocks.collect::<rusqlite::Result<_>>()?)
        })
    }
}
