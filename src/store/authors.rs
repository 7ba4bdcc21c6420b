//! Authors, one row for a name: made as they write, listed, renamed and removed by administrators.

use rusqlite::Connection;

use super::messages::text;
use super::{Store, first, rows};
use crate::error::{Error, Result};
use crate::i18n;

pub struct Author {
    pub id: i64,
    pub name: String,
    pub messages: i64,
}

impl Store {
    /// Up to `limit` authors whose name comes after `after`, by name.
    pub fn authors_after(&self, after: &str, limit: usize) -> Result<Vec<Author>> {
        let select = "
            SELECT a.id, a.name, (SELECT count(*) FROM message m WHERE m.author_id = a.id)
            FROM author a
            WHERE a.name > ?1
            ORDER BY a.name
            LIMIT ?2";
        self.read(|connection| {
            rows(connection, select, (after, limit as i64), |row| {
                Ok(Author { id: row.get(0)?, name: text(row, 1)?.into_owned(), messages: row.get(2)? })
            })
        })
    }

    /// The name of the author `id`; 404 when there is none.
    pub fn author_name(&self, id: i64) -> Result<String> {
        self.read(|connection| author_name(connection, id))
    }

    /// Gives an author another name, and with it their sessions, whose fingerprints come back.
    ///
    /// # Errors
    /// 404 when there is no such author, 409 when another one has the name.
    pub fn rename_author(&self, id: i64, name: &str) -> Result<Vec<String>> {
        self.write(|transaction| {
            let before = author_name(transaction, id)?;
            let other = "SELECT EXISTS (SELECT 1 FROM author WHERE name = ?1 AND id <> ?2)";
            if transaction.query_row(other, (name, id), |row| row.get(0))? {
                return Err(Error::told(409, i18n::ERR_NAME_TAKEN));
            }
            transaction.execute("UPDATE author SET name = ?2 WHERE id = ?1", (id, name))?;
            let sessions = "UPDATE session SET name = ?2 WHERE name = ?1 RETURNING fingerprint";
            rows(transaction, sessions, (before, name), |row| row.get(0))
        })
    }

    /// Deletes all messages of an author, and `with_author` the author too; gives back their name.
    ///
    /// # Errors
    /// 404 when there is no such author.
    pub fn remove_all_by(&self, author: i64, with_author: bool) -> Result<String> {
        self.write(|transaction| {
            let name = author_name(transaction, author)?;
            transaction.execute("DELETE FROM message WHERE author_id = ?1", [author])?;
            if with_author {
                transaction.execute("DELETE FROM author WHERE id = ?1", [author])?;
            }
            Ok(name)
        })
    }
}

fn author_name(connection: &Connection, id: i64) -> Result<String> {
    let name = first(connection, "SELECT name FROM author WHERE id = ?1", [id], |row| {
        Ok(text(row, 0)?.into_owned())
    })?;
    name.ok_or(Error::told(404, i18n::ERR_NOT_FOUND))
}

/// The author of that name, made when there is none yet.
pub fn author_id(connection: &Connection, name: &str) -> Result<i64> {
    let known = first(connection, "SELECT id FROM author WHERE name = ?1", [name], |row| row.get(0))?;
    if let Some(id) = known {
        return Ok(id);
    }
    let mut insert = connection.prepare_cached("INSERT INTO author (name) VALUES (?1) RETURNING id")?;
    Ok(insert.query_row([name], |row| row.get(0))?)
}
