//! What an administrator sees of the whole: anybody's messages, and the figures.

use std::borrow::Cow;

use std::fs;

use super::messages::text;
use super::schema::beside;
use super::{Store, rows};
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
        let select = "
            SELECT m.id, m.author_id, a.name, m.content, m.created_at
            FROM message m
            JOIN author a ON a.id = m.author_id
            WHERE m.id < ?1 AND (?2 = '' OR contains(m.content, ?2) OR contains(a.name, ?2))
            ORDER BY m.id DESC
            LIMIT ?3";
        self.read(|connection| {
            rows(connection, select, (before, wanted.to_lowercase(), limit as i64), |row| {
                let (id, author_id) = (row.get(0)?, row.get(1)?);
                let text = |column| text(row, column).map(Cow::into_owned);
                let (author, content, created_at) = (text(2)?, text(3)?, text(4)?);
                Ok(Written { id, author_id, author, content, created_at })
            })
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

    pub fn figures(&self) -> Result<Figures> {
        let log = fs::metadata(beside(&self.path, "-wal")).map_or(0, |log| log.len());
        let counts = "
            SELECT (SELECT count(*) FROM message),
                   (SELECT count(*) FROM author),
                   (SELECT count(*) FROM session),
                   (SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size())";
        self.read(|connection| {
            Ok(connection.query_row(counts, [], |row| {
                let size = row.get::<_, i64>(3)?.unsigned_abs() + log;
                Ok(Figures { messages: row.get(0)?, authors: row.get(1)?, sessions: row.get(2)?, size })
            })?)
        })
    }
}
