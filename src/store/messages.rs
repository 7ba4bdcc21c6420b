//! Messages as they are now: the newest, those before or around one, and the changes an author may make.

use std::borrow::Cow;

use rusqlite::{Connection, Row};

use super::{Store, first, rows};
use crate::error::{Error, Result};
use crate::i18n;

/// A message; its texts are still the row's own where it is only passed on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message<'r> {
    pub id: i64,
    pub author: Cow<'r, str>,
    pub content: Cow<'r, str>,
    /// UTC, ISO 8601, milliseconds.
    pub created_at: Cow<'r, str>,
    pub edited: bool,
}

/// The columns that `message` reads; every query for messages begins with them.
pub const SELECT_MESSAGE: &str = "
    SELECT m.id, a.name, m.content, m.created_at,
           EXISTS (SELECT 1 FROM revision e WHERE e.message_id = m.id AND e.kind = 'edited')
    FROM message m
    JOIN author a ON a.id = m.author_id";

impl Store {
    /// Up to `limit` messages older than the message `id`, oldest first.
    pub fn messages_before(&self, id: i64, limit: usize) -> Result<Vec<Message<'static>>> {
        self.read(|connection| before(connection, id, limit))
    }

    /// Up to `limit` messages with the message `id` in their middle, oldest first.
    pub fn messages_around(&self, id: i64, limit: usize) -> Result<Vec<Message<'static>>> {
        self.read(|connection| {
            let mut messages = before(connection, id, limit / 2)?;
            let after = format!("{SELECT_MESSAGE} WHERE m.id >= ?1 ORDER BY m.id LIMIT ?2");
            messages.extend(rows(connection, &after, (id, (limit - limit / 2) as i64), kept_message)?);
            Ok(messages)
        })
    }

    /// The message `id`, unless it never was or is deleted.
    pub fn message(&self, id: i64) -> Result<Option<Message<'static>>> {
        let one = format!("{SELECT_MESSAGE} WHERE m.id = ?1");
        self.read(|connection| first(connection, &one, [id], kept_message))
    }

    /// Replaces the content of a message of `author`'s own.
    ///
    /// # Errors
    /// 404 when there is no such message, 403 when it is another's.
    pub fn edit_message(&self, id: i64, author: &str, content: &str) -> Result<()> {
        self.change_own_message(id, author, |connection| {
            connection.execute("UPDATE message SET content = ?2 WHERE id = ?1", (id, content))
        })
    }

    /// Deletes a message of `author`'s own; errors as for an edit.
    pub fn delete_message(&self, id: i64, author: &str) -> Result<()> {
        self.change_own_message(id, author, |connection| {
            connection.execute("DELETE FROM message WHERE id = ?1", [id])
        })
    }

    fn change_own_message(
        &self,
        id: i64,
        author: &str,
        change: impl FnOnce(&Connection) -> rusqlite::Result<usize>,
    ) -> Result<()> {
        self.write(|transaction| {
            let owner = "SELECT a.name FROM message m JOIN author a ON a.id = m.author_id WHERE m.id = ?1";
            let owner: Option<String> = first(transaction, owner, [id], |row| row.get(0))?;
            match owner {
                None => Err(Error::told(404, i18n::ERR_GONE)),
                Some(owner) if owner != author => Err(Error::told(403, i18n::ERR_NOT_YOURS)),
                Some(_) => Ok(change(transaction).map(drop)?),
            }
        })
    }
}

pub fn before(connection: &Connection, id: i64, limit: usize) -> Result<Vec<Message<'static>>> {
    let newest_first = format!("{SELECT_MESSAGE} WHERE m.id < ?1 ORDER BY m.id DESC LIMIT ?2");
    let mut messages = rows(connection, &newest_first, (id, limit as i64), kept_message)?;
    messages.reverse();
    Ok(messages)
}

/// One row of a query that begins with `SELECT_MESSAGE`.
pub fn message<'r>(row: &'r Row<'_>) -> rusqlite::Result<Message<'r>> {
    Ok(Message {
        id: row.get(0)?,
        author: text(row, 1)?,
        content: text(row, 2)?,
        created_at: text(row, 3)?,
        edited: row.get(4)?,
    })
}

/// The same, to be kept.
pub fn kept_message(row: &Row<'_>) -> rusqlite::Result<Message<'static>> {
    let Message { id, author, content, created_at, edited } = message(row)?;
    let kept = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
    Ok(Message { id, author: kept(author), content: kept(content), created_at: kept(created_at), edited })
}

/// A text column that another program may have filled: what is not UTF-8 in it must not stop the stream.
pub fn text<'r>(row: &'r Row<'_>, column: usize) -> rusqlite::Result<Cow<'r, str>> {
    let bytes = row.get_ref(column)?.as_bytes_or_null()?.unwrap_or_default();
    Ok(std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed))
}

#[cfg(test)]
mod tests {
    use super::super::Scratch;

    #[test]
    fn a_text_that_is_not_utf_8_is_read_all_the_same() {
        let fill = "INSERT INTO message (author_id, content) VALUES (1, CAST(x'61FF62' AS TEXT))";
        let message = Scratch::filled("bytes", fill).store.message(1).unwrap().unwrap();
        assert_eq!(message.content, "a\u{fffd}b");
    }
}
