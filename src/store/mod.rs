//! The store: one SQLite file, one connection that writes, a few that read; the only home of SQL.

mod admin;
mod attendance;
mod authors;
mod commit;
mod expiry;
mod messages;
mod meta;
mod offline;
mod revisions;
mod sample;
mod schema;
#[cfg(test)]
mod scratch;
mod search;
mod sessions;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{
    Connection, ErrorCode, OpenFlags, OptionalExtension, Params, Row, Transaction, TransactionBehavior,
};

use crate::bell::Bell;
use crate::error::{Error, Result};
use crate::i18n;
use crate::metrics::Histogram;

pub use admin::Written;
pub use attendance::Attendee;
pub use authors::Author;
pub use commit::{Created, Draft};
pub use messages::Message;
pub use offline::{Messages, backup};
pub use revisions::{Change, LogReader, Revision};
pub use sample::write_sample;
#[cfg(test)]
pub use scratch::Scratch;
pub use sessions::StoredSession;

/// How long a writer waits for another process that holds the write lock, before the person is asked to try again.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Connections that read at the same time: a read takes microseconds, so a few serve thousands of streams, and each
/// one costs descriptors and a cache.
pub const READERS: usize = 8;

/// Cache of each reading connection. What is read is mostly new, and the system's own cache holds the rest.
const READER_CACHE_KIB: i64 = 512;

/// Prepared statements kept by each connection: more than there are different queries.
const STATEMENTS: usize = 64;

pub struct Store {
    path: PathBuf,
    writer: Mutex<Connection>,
    waiting: commit::Waiting,
    readers: Readers,
    /// Rung after each commit.
    bell: Arc<Bell>,
    /// Tells clients that the database was replaced.
    epoch: String,
    /// How long a commit takes to reach the disk.
    pub commits: Histogram,
}

impl Store {
    /// Opens the database, making it or bringing it up to date where needed.
    ///
    /// # Errors
    /// One line for the person who started the server; the file is untouched when it is not ours.
    pub fn open(path: &Path, bell: Arc<Bell>) -> Result<Store> {
        let named = |error: rusqlite::Error| {
            Error::internal(format!("{}: {}", path.display(), schema::sentence(&error)))
        };
        schema::create_if_missing(path)?;
        schema::inspect(path)?;
        let mut writer = Connection::open(path).map_err(named)?;
        prepare(&writer).map_err(named)?;
        enter_wal(&writer).map_err(named)?;
        schema::migrate(&mut writer).map_err(named)?;
        let epoch = "SELECT value FROM meta WHERE key = 'epoch'";
        let epoch = writer.query_row(epoch, [], |row| row.get(0)).map_err(named)?;
        Ok(Store {
            path: path.to_owned(),
            writer: Mutex::new(writer),
            waiting: commit::Waiting::default(),
            readers: Readers::new(path),
            bell,
            epoch,
            commits: Histogram::default(),
        })
    }

    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// Runs `change` in a transaction and commits it to the disk; then the bell is rung.
    fn write<T>(&self, change: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let result = change(&transaction)?; // an error rolls back as the transaction is dropped
        let began = Instant::now();
        transaction.commit()?;
        self.commits.add(began.elapsed());
        drop(writer);
        self.bell.ring();
        Ok(result)
    }

    /// Runs one statement in a transaction of its own; the number of rows that it changed.
    fn execute(&self, statement: &str, parameters: impl Params) -> Result<usize> {
        self.write(|transaction| Ok(transaction.execute(statement, parameters)?))
    }

    /// Runs `question` on one of the reading connections; waits while all are in use.
    fn read<T>(&self, question: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let connection = self.readers.take()?;
        let result = question(&connection);
        self.readers.give_back(connection);
        result
    }

    /// Asks the database something real, for a health check.
    pub fn check(&self) -> Result<()> {
        self.read(|connection| first(connection, "SELECT max(id) FROM message", [], |_| Ok(()))).map(drop)
    }

    /// Moves what is in the write-ahead log into the file itself, so that the file alone is the whole chat.
    pub fn checkpoint(&self) -> Result<()> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
    }

    /// The version of SQLite that is built in.
    pub fn sqlite(&self) -> &'static str {
        rusqlite::version()
    }

    /// A connection of its own for the one who follows the log.
    pub fn log_reader(&self) -> Result<LogReader> {
        Ok(LogReader::new(open_reader(&self.path)?))
    }
}

/// The rows that `statement` gives, as `of` reads them.
fn rows<T>(
    connection: &Connection,
    statement: &str,
    parameters: impl Params,
    of: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    let mut statement = connection.prepare_cached(statement)?;
    let rows = statement.query_map(parameters, of)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The first of them, if there is one.
fn first<T>(
    connection: &Connection,
    statement: &str,
    parameters: impl Params,
    of: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>> {
    Ok(connection.prepare_cached(statement)?.query_row(parameters, of).optional()?)
}

/// The connections that read, opened as they are needed, `READERS` at most.
struct Readers {
    path: PathBuf,
    idle: Mutex<(Vec<Connection>, usize)>,
    returned: Condvar,
}

impl Readers {
    fn new(path: &Path) -> Readers {
        Readers { path: path.to_owned(), idle: Mutex::default(), returned: Condvar::new() }
    }

    fn take(&self) -> Result<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(connection) = idle.0.pop() {
                return Ok(connection);
            }
            if idle.1 < READERS {
                idle.1 += 1;
                break;
            }
            idle = self.returned.wait(idle).unwrap_or_else(PoisonError::into_inner);
        }
        drop(idle);
        open_reader(&self.path).inspect_err(|_| {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).1 -= 1;
            self.returned.notify_one();
        })
    }

    fn give_back(&self, connection: Connection) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).0.push(connection);
        self.returned.notify_one();
    }
}

fn open_reader(path: &Path) -> Result<Connection> {
    // A connection is one thread's at a time, so SQLite need not lock it for each column of each row.
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    prepare(&connection)?;
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?; // negative: in KiB
    search::add_function(&connection)?;
    Ok(connection)
}

/// Sets the write-ahead log. Where two processes start on a new file at once, SQLite refuses the second without
/// waiting, since both would wait for each other.
fn enter_wal(connection: &Connection) -> rusqlite::Result<()> {
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(error) if is_busy(&error) && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(5))
            }
            result => return result,
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// What every connection is set to.
fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // A plan that may depend on the values bound to it is made anew for each of them: 50 µs for every look at the log.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // FULL: a commit has reached the disk when it returns; that is what a 201 promises. The next two make deletes
    // cascade, and make the triggers hear of those that a REPLACE causes. The last keeps the journal of a single
    // statement, 64 KiB for each message otherwise, as small as it is.
    connection.execute_batch(
        "PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA recursive_triggers = ON;
         PRAGMA temp_store = MEMORY;",
    )
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Error {
        let soon = Duration::from_secs(2);
        match error.sqlite_error_code() {
            _ if is_busy(&error) => Error::retry(503, i18n::ERR_BUSY_DATABASE, soon),
            Some(ErrorCode::DiskFull) => Error::retry(507, i18n::ERR_DISK_FULL, soon * 5),
            Some(ErrorCode::ReadOnly) => Error::retry(503, i18n::ERR_READ_ONLY, soon * 5),
            _ => Error::internal(format!("database: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epoch_stays_and_differs_between_databases() {
        let (one, two) = (Scratch::new("epoch-1"), Scratch::new("epoch-2"));
        let again = Store::open(&one.path().join("chat.db"), Arc::default()).unwrap();
        assert_eq!(one.store.epoch(), again.epoch());
        assert_ne!(one.store.epoch(), two.store.epoch());
    }

    #[test]
    fn more_readers_than_connections_take_turns() {
        let scratch = Scratch::new("readers");
        std::thread::scope(|scope| {
            for _ in 0..READERS * 4 {
                scope.spawn(|| scratch.store.check().unwrap());
            }
        });
        assert!(scratch.store.readers.idle.lock().unwrap().1 <= READERS);
    }
}
