//! The database as a second program looks at it while the server runs, or when it does not: copied, or read through.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::messages::{Message, SELECT_MESSAGE, kept_message};
use super::{Store, prepare, rows, schema};
use crate::error::{Error, Result};

/// Messages read at a time. Between two pages nothing is held that would keep the server's log from being taken into
/// its file, however slowly they are read.
const PAGE: usize = 256;

/// Copies the database at `db`, as it is at one moment, into the new file `to`; the server need not stop. The copy is
/// a whole database: to restore it is to put it in the place of the other.
///
/// # Errors
/// `db` is missing or not ours; `to` is there already or cannot be written, and is then left as it was.
pub fn backup(db: &Path, to: &Path) -> Result<()> {
    let connection = open_existing(db)?;
    let named = |error: String| Error::internal(format!("{}: {error}", to.display()));
    // Made by us first: it holds sessions and is for the owner's eyes, and what is there is not written over.
    let reserved = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
    reserved.map_err(|error| named(error.to_string()))?;
    let Some(name) = to.to_str() else { return Err(named("not UTF-8".to_owned())) };
    // One reading transaction: in WAL mode it holds up nobody, where the backup API would begin again at each write of
    // the server. The copy comes out compact and without a log of its own.
    let copied =
        connection.execute("VACUUM INTO ?1", [name]).map_err(|error| named(schema::sentence(&error)));
    let synced = copied.and_then(|_| Ok(File::open(to)?.sync_all()?));
    synced.inspect_err(|_| {
        let _ = fs::remove_file(to);
    })
}

impl Store {
    /// The whole chat as one file, as it is at one moment; nothing that was deleted is left in it. It lies beside the
    /// database, where there is a disk that can hold another one (a temporary directory is often memory), and is gone
    /// from it once it is closed.
    pub fn copy(&self) -> Result<File> {
        let file = Temporary(schema::beside(&self.path, &format!("-copy-{:016x}", rand::random::<u64>())));
        backup(&self.path, &file.0)?;
        Ok(File::open(&file.0)?)
    }
}

/// A file that loses its name when this is dropped; who has it open can still read it.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// All messages of a database, page by page.
pub struct Messages(Connection);

impl Messages {
    /// # Errors
    /// The file is missing or not ours.
    pub fn open(db: &Path) -> Result<Messages> {
        open_existing(db).map(Messages)
    }

    /// The next messages after the message `id`, oldest first; none when there are no more.
    pub fn after(&self, id: i64) -> Result<Vec<Message<'static>>> {
        let oldest_first = format!("{SELECT_MESSAGE} WHERE m.id > ?1 ORDER BY m.id LIMIT ?2");
        rows(&self.0, &oldest_first, (id, PAGE as i64), kept_message)
    }
}

/// Opens a database of ours and changes nothing in it.
fn open_existing(path: &Path) -> Result<Connection> {
    let refuse = |why: &str| Error::internal(format!("{}: {why}", path.display()));
    if !path.try_exists()? {
        return Err(refuse("no such file; --db says which"));
    }
    schema::inspect(path)?;
    // Not read-only: the last one to leave takes the log's files with it, and a reader may not. SQLite itself makes do
    // with reading where the file cannot be written.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).map_err(|error| refuse(&schema::sentence(&error)))?;
    prepare(&connection)?;
    match connection.query_row("PRAGMA user_version", [], |row| row.get(0))? {
        0 => Err(refuse("an empty file")),
        _ => Ok(connection),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Scratch;
    use super::*;

    #[test]
    fn messages_come_oldest_first_and_each_once() {
        let fill = "
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600)
            INSERT INTO message (author_id, content) SELECT 1, i FROM n;
            DELETE FROM message WHERE id = 3;";
        let scratch = Scratch::filled("read-through", fill);
        let messages = Messages::open(&scratch.path().join("chat.db")).unwrap();
        let mut ids: Vec<i64> = vec![0];
        while let page = messages.after(ids[ids.len() - 1]).unwrap()
            && !page.is_empty()
        {
            ids.extend(page.iter().map(|message| message.id));
        }
        assert_eq!(ids, (0..=600).filter(|id| *id != 3).collect::<Vec<_>>());
    }
}
