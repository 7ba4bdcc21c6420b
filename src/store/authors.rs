//! Authors: one row for a name.

use rusqlite::{Connection, OptionalExtension};

use crate::error::Result;

/// The author of that name, made when there is none yet.
pub fn author_id(connection: &Connection, name: &str) -> Result<i64> {
    let known = connection
        .prepare_cached("SELECT id FROM author WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    let mut insert = connection.prepare_cached("INSERT INTO author (name) VALUES (?1) RETURNING id")?;
    Ok(insert.query_row([name], |row| row.get(0))?)
}
