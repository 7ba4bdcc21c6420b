//! The log read by cursor: the one query behind every stream, live or not.

use std::borrow::Cow;

use rusqlite::{Connection, Row};

use super::messages::{Message, text};
use super::{Store, first, messages};
use crate::error::Result;

/// One change, by the id that orders it. It borrows from the row it was read from: most are written on at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Revision<'r> {
    pub id: i64,
    pub change: Change<'r>,
}

/// What a change did, told with what is true now: a message that was edited since comes with its present text.
#[derive(Clone, Debug, PartialEq)]
pub enum Change<'r> {
    Created(Message<'r>),
    Edited(Message<'r>),
    Deleted {
        id: i64,
    },
    /// As JSON: `{"from": …, "to": …}`.
    Renamed {
        detail: Cow<'r, str>,
    },
    /// Of a message that is gone again: there is nothing left to tell.
    Moot,
}

/// Takes one revision after the other.
pub type Taker<'t> = &'t mut dyn FnMut(&Revision<'_>);

/// What a page shows first, and from where its stream goes on: both read in one transaction, so that nothing falls
/// between them.
pub struct Recent {
    /// Oldest first.
    pub messages: Vec<Message<'static>>,
    /// The newest revision that the messages include.
    pub head: i64,
}

/// Revisions in one page: enough that a query's fixed cost does not show, few enough to keep a page small.
const PAGE: usize = 256;

/// A page ends early at about this many bytes of content, so that long messages do not fill the memory.
const PAGE_BYTES: usize = 256 * 1024;

impl Store {
    /// Gives `take` the revisions after `cursor`, in order, one page of them. Whether that was all there is; otherwise
    /// there may be more.
    pub fn revisions_after(&self, cursor: i64, take: Taker<'_>) -> Result<bool> {
        self.read(|connection| page_after(connection, cursor, take))
    }

    /// The newest `limit` messages.
    pub fn recent_messages(&self, limit: usize) -> Result<Recent> {
        self.read(|connection| {
            let snapshot = connection.unchecked_transaction()?;
            let head = head(&snapshot)?;
            let messages = messages::before(&snapshot, i64::MAX, limit)?;
            Ok(Recent { messages, head })
        })
    }

    /// The newest revision's id; 0 in an empty log.
    pub fn head(&self) -> Result<i64> {
        self.read(head)
    }

    /// The cursor from which the newest `count` messages follow.
    pub fn cursor_before_newest(&self, count: i64) -> Result<i64> {
        if count == 0 {
            return self.head();
        }
        let oldest_of_them = "
            SELECT r.id
            FROM revision r
            JOIN message m ON m.id = r.message_id
            WHERE r.kind = 'created'
            ORDER BY r.id DESC
            LIMIT 1 OFFSET ?1";
        let oldest: Option<i64> =
            self.read(|connection| first(connection, oldest_of_them, [count - 1], |row| row.get(0)))?;
        Ok(oldest.map_or(0, |id| id - 1))
    }
}

/// A connection of its own that follows the log, and notices when another process has written.
pub struct LogReader {
    connection: Connection,
    data_version: i64,
}

impl LogReader {
    pub(super) fn new(connection: Connection) -> LogReader {
        LogReader { connection, data_version: 0 }
    }

    /// Whether anyone has written to the file since the last call; far cheaper than a query.
    pub fn changed(&mut self) -> Result<bool> {
        let mut pragma = self.connection.prepare_cached("PRAGMA data_version")?;
        let version = pragma.query_row([], |row| row.get(0))?;
        Ok(std::mem::replace(&mut self.data_version, version) != version)
    }

    /// As [`Store::revisions_after`].
    pub fn revisions_after(&self, cursor: i64, take: Taker<'_>) -> Result<bool> {
        page_after(&self.connection, cursor, take)
    }

    /// As [`Store::head`].
    pub fn head(&self) -> Result<i64> {
        head(&self.connection)
    }
}

fn page_after(connection: &Connection, cursor: i64, take: Taker<'_>) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "SELECT m.id, a.name, m.content, m.created_at,
                EXISTS (SELECT 1 FROM revision e WHERE e.message_id = m.id AND e.kind = 'edited'),
                r.id, r.kind, r.message_id, r.detail
         FROM revision r
         LEFT JOIN message m ON m.id = r.message_id
         LEFT JOIN author a ON a.id = m.author_id
         WHERE r.id > ?1
         ORDER BY r.id
         LIMIT ?2",
    )?;
    let mut rows = statement.query((cursor, PAGE as i64))?;
    let (mut count, mut bytes) = (0, 0);
    while bytes < PAGE_BYTES {
        let Some(row) = rows.next()? else { return Ok(count < PAGE) };
        let change = change(row)?;
        if let Change::Created(message) | Change::Edited(message) = &change {
            bytes += message.content.len();
        }
        take(&Revision { id: row.get(5)?, change });
        count += 1;
    }
    Ok(false)
}

fn change<'r>(row: &'r Row<'_>) -> rusqlite::Result<Change<'r>> {
    let kind = row.get_ref(6)?.as_str()?;
    let there: Option<i64> = row.get(0)?;
    Ok(match (kind, there) {
        ("created", Some(_)) => Change::Created(messages::message(row)?),
        ("edited", Some(_)) => Change::Edited(messages::message(row)?),
        ("deleted", _) => Change::Deleted { id: row.get(7)? },
        ("renamed", _) => Change::Renamed { detail: text(row, 8)? },
        _ => Change::Moot,
    })
}

/// The id given last, by SQLite's own count: it stands even where old revisions were removed.
pub fn head(connection: &Connection) -> Result<i64> {
    let last = "SELECT seq FROM sqlite_sequence WHERE name = 'revision'";
    Ok(first(connection, last, [], |row| row.get(0))?.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::super::Scratch;
    use super::*;

    fn filled(name: &str) -> Scratch {
        let fill = "
            INSERT INTO message (author_id, content) VALUES (1, 'one'), (1, 'two'), (1, 'three');
            UPDATE message SET content = 'tres' WHERE id = 3;
            DELETE FROM message WHERE id = 1;";
        Scratch::filled(name, fill)
    }

    #[test]
    fn the_log_is_told_with_what_is_true_now() {
        let scratch = filled("log");
        let mut told = Vec::new();
        let tell = &mut |Revision { id, change }: &Revision<'_>| {
            told.push(match change {
                Change::Created(message) => format!("{id} created {}", message.content),
                Change::Edited(message) => format!("{id} edited {}", message.content),
                Change::Deleted { id: message } => format!("{id} deleted {message}"),
                other => format!("{id} {other:?}"),
            })
        };
        assert!(scratch.store.revisions_after(0, tell).unwrap());
        assert_eq!(told, ["1 Moot", "2 created two", "3 created tres", "4 edited tres", "5 deleted 1"]);
        assert_eq!(scratch.store.head().unwrap(), 5);
    }

    #[test]
    fn pages_end_and_go_on_without_a_gap() {
        let fill = "
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
            INSERT INTO message (author_id, content) SELECT 1, hex(zeroblob(i)) FROM n;";
        let scratch = Scratch::filled("pages", fill);
        let (mut cursor, mut ids, mut pages) = (0, Vec::new(), 0);
        loop {
            let is_all =
                scratch.store.revisions_after(cursor, &mut |revision| ids.push(revision.id)).unwrap();
            pages += 1;
            if is_all {
                break;
            }
            cursor = ids[ids.len() - 1];
        }
        assert_eq!(ids, (1..=1000).collect::<Vec<_>>());
        assert!(pages > 1000 / PAGE, "long messages make shorter pages: {pages}");
    }

    #[test]
    fn a_write_by_another_connection_is_noticed_once() {
        let scratch = filled("noticed");
        let mut reader = scratch.store.log_reader().unwrap();
        reader.changed().unwrap();
        assert!(!reader.changed().unwrap());
        scratch.store.edit_message(2, "Puck", "dos").unwrap();
        assert!(reader.changed().unwrap());
        assert!(!reader.changed().unwrap());
    }
}
