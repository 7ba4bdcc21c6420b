//! What an administrator sees and changes: anybody's messages, the authors, their own sessions, and the figures.

use std::fs;

use rusqlite::{Connection, OptionalExtension};

use super::Store;
use super::messages::text;
use super::schema::beside;
use crate::error::{Error, Result};
use crate::i18n;

/// A message, and whose it is.
pub struct Written {
    pub id: i64,
    pub author_id: i64,
    pub author: String,
    pub content: String,
    pub created_at: String,
}

pub struct Author {
    pub id: i64,
    pub name: String,
    pub messages: i64,
}

pub struct Figures {
    pub messages: i64,
    pub authors: i64,
    pub sessions: i64,
    /// Bytes of the file and of its write-ahead log.
    pub size: u64,
}

impl Store {
    /// Up to `limit` messages older than the message `before` that have `wanted` in their content or in their
    /// author's name, newest first; all do when it is empty.
    pub fn written_messages(&self, wanted: &str, before: i64, limit: usize) -> Result<Vec<Written>> {
        let wanted = wanted.to_lowercase();
        self.read(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT m.id, m.author_id, a.name, m.content, m.created_at
                 FROM message m
                 JOIN author a ON a.id = m.author_id
                 WHERE m.id < ?1 AND (?2 = '' OR contains(m.content, ?2) OR contains(a.name, ?2))
                 ORDER BY m.id DESC
                 LIMIT ?3",
            )?;
            let messages = select.query_map((before, wanted, limit as i64), |row| {
                Ok(Written {
                    id: row.get(0)?,
                    author_id: row.get(1)?,
                    author: text(row, 2)?,
                    content: text(row, 3)?,
                    created_at: text(row, 4)?,
                })
            })?;
            Ok(messages.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Deletes anybody's message.
    ///
    /// # Errors
    /// 404 when it is not there.
    pub fn remove_message(&self, id: i64) -> Result<()> {
        match self.execute("DELETE FROM message WHERE id = ?1", [id])? {
            0 => Err(Error::told(404, i18n::ERR_GONE)),
            _ => Ok(()),
        }
    }

    /// Up to `limit` authors whose name comes after `after`, by name.
    pub fn authors_after(&self, after: &str, limit: usize) -> Result<Vec<Author>> {
        self.read(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT a.id, a.name, (SELECT count(*) FROM message m WHERE m.author_id = a.id)
                 FROM author a
                 WHERE a.name > ?1
                 ORDER BY a.name
                 LIMIT ?2",
            )?;
            let authors = select.query_map((after, limit as i64), |row| {
                Ok(Author { id: row.get(0)?, name: text(row, 1)?, messages: row.get(2)? })
            })?;
            Ok(authors.collect::<rusqlite::Result<_>>()?)
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
            let mut sessions = transaction.prepare(sessions)?;
            let fingerprints = sessions.query_map((before, name), |row| row.get(0))?;
            Ok(fingerprints.collect::<rusqlite::Result<_>>()?)
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

    /// Adds an administrator's session, and forgets those last seen before `oldest`. Seconds since 1970.
    pub fn insert_admin_session(&self, fingerprint: &str, seen_at: i64, oldest: i64) -> Result<()> {
        self.execute("DELETE FROM admin_session WHERE seen_at < ?1", [oldest])?;
        let insert = "INSERT INTO admin_session (fingerprint, seen_at) VALUES (?1, ?2)";
        self.execute(insert, (fingerprint, seen_at)).map(drop)
    }

    /// When an administrator's session was last seen.
    pub fn find_admin_session(&self, fingerprint: &str) -> Result<Option<i64>> {
        self.read(|connection| {
            let select = "SELECT seen_at FROM admin_session WHERE fingerprint = ?1";
            Ok(connection.prepare_cached(select)?.query_row([fingerprint], |row| row.get(0)).optional()?)
        })
    }

    pub fn touch_admin_session(&self, fingerprint: &str, seen_at: i64) -> Result<()> {
        let update = "UPDATE admin_session SET seen_at = ?2 WHERE fingerprint = ?1";
        self.execute(update, (fingerprint, seen_at)).map(drop)
    }

    pub fn delete_admin_session(&self, fingerprint: &str) -> Result<()> {
        self.execute("DELETE FROM admin_session WHERE fingerprint = ?1", [fingerprint]).map(drop)
    }

    pub fn figures(&self) -> Result<Figures> {
        let log = fs::metadata(beside(&self.path, "-wal")).map_or(0, |log| log.len());
        self.read(|connection| {
            let counts = "
                SELECT (SELECT count(*) FROM message),
                       (SELECT count(*) FROM author),
                       (SELECT count(*) FROM session),
                       (SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size())";
            Ok(connection.query_row(counts, [], |row| {
                let size = row.get::<_, i64>(3)?.unsigned_abs() + log;
                Ok(Figures { messages: row.get(0)?, authors: row.get(1)?, sessions: row.get(2)?, size })
            })?)
        })
    }
}

fn author_name(connection: &Connection, id: i64) -> Result<String> {
    let mut select = connection.prepare_cached("SELECT name FROM author WHERE id = ?1")?;
    select.query_row([id], |row| text(row, 0)).optional()?.ok_or(Error::told(404, i18n::ERR_NOT_FOUND))
}
