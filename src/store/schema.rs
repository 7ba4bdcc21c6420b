//! The tables and triggers, how an older file is brought up to them, and how a file that is not ours is told apart.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::error::{Error, Result};

/// "Parl" in ASCII: marks a file as Parlor's in SQLite's header (`PRAGMA application_id`).
const APPLICATION_ID: i32 = 0x5061_726c;

/// One step for each version of the schema; `PRAGMA user_version` counts those that were taken. A step that was
/// released is never changed: a new one is put behind it.
const MIGRATIONS: &[&str] = &[include_str!("schema_1.sql")];

/// The version of SQLite in which a bug that could corrupt a file while its log is reset was mended.
const LEAST_SQLITE: i32 = 3_051_003;

/// Makes the file if it is missing, readable by its owner alone: it holds sessions.
///
/// # Errors
/// The file can neither be opened nor made.
pub fn create_if_missing(path: &Path) -> Result<()> {
    match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(Error::internal(format!("{}: {error}", path.display())))
        }
        _ => Ok(()),
    }
}

/// Looks at the file without writing a byte to it.
///
/// # Errors
/// It is not a database, not Parlor's, or written by a newer Parlor.
pub fn inspect(path: &Path) -> Result<()> {
    let refuse = |why: String| Error::internal(format!("{}: {why}", path.display()));
    if rusqlite::version_number() < LEAST_SQLITE {
        return Err(refuse(format!("SQLite {} is too old for it", rusqlite::version())));
    }
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(|error| refuse(error.to_string()))?;
    let (identity, version, tables) = identify(&connection).map_err(|error| refuse(sentence(&error)))?;
    if is_torn(path, &connection).map_err(|error| refuse(sentence(&error)))? {
        return Err(refuse("the database is damaged: its end is missing".to_owned()));
    }
    match (identity, version, tables) {
        (0, 0, 0) => Ok(()), // just made, or an empty file
        (APPLICATION_ID, version, _) if version <= MIGRATIONS.len() as i32 => Ok(()),
        (APPLICATION_ID, version, _) => Err(refuse(format!(
            "written by a newer Parlor (schema {version}, this one knows {})",
            MIGRATIONS.len()
        ))),
        _ => Err(refuse("a database of another program".to_owned())),
    }
}

/// Application id, schema version and number of tables, all of one moment: another process may be making them.
fn identify(connection: &Connection) -> rusqlite::Result<(i32, i32, i64)> {
    let moment = connection.unchecked_transaction()?;
    let identity = moment.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let version = moment.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let tables = moment.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok((identity, version, tables))
}

/// Whether the file is shorter than its own header says. To look for other damage would take reading all of it.
fn is_torn(path: &Path, connection: &Connection) -> rusqlite::Result<bool> {
    let number =
        |pragma: &str| connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0));
    let promised = number("page_count")? * number("page_size")?;
    let waiting_in_the_log = fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0);
    Ok(!waiting_in_the_log && fs::metadata(path).is_ok_and(|file| file.len() < promised as u64))
}

/// SQLite's own files lie beside the database, under its name with an ending.
pub fn beside(path: &Path, ending: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Takes the steps that the file has not taken yet, all in one transaction; a second process that opens it at the
/// same time waits and finds nothing left to do.
///
/// # Errors
/// The file cannot be written, or is damaged.
pub fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let taken: i32 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let taken = taken as usize; // `inspect` has seen that it is one of ours
    if taken >= MIGRATIONS.len() {
        return Ok(());
    }
    for step in &MIGRATIONS[taken..] {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", MIGRATIONS.len() as i32)?;
    transaction.commit()
}

/// What SQLite says, in words for the person who started the server.
pub fn sentence(error: &rusqlite::Error) -> String {
    use rusqlite::ErrorCode;
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => "not a database".to_owned(),
        Some(ErrorCode::DatabaseCorrupt) => "the database is damaged".to_owned(),
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => "cannot be opened".to_owned(),
        Some(ErrorCode::ReadOnly) => "cannot be written".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_written_whoever_writes_the_messages_and_uses_no_id_again() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        let statements = "
            INSERT INTO author (name) VALUES ('Puck');
            INSERT INTO message (author_id, content) VALUES (1, 'one'), (1, 'two');
            UPDATE message SET content = 'one' WHERE id = 1; -- the same again: nothing changed
            UPDATE message SET content = 'uno' WHERE id = 1;
            DELETE FROM revision;
            UPDATE author SET name = 'Robin' WHERE id = 1;
            DELETE FROM author WHERE id = 1;";
        connection.execute_batch(statements).unwrap();
        let mut select = connection.prepare("SELECT id, message_id, kind FROM revision ORDER BY id").unwrap();
        let log = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        let log: Vec<(i64, Option<i64>, String)> = log.map(Result::unwrap).collect();
        let expected = [(4, None, "renamed"), (5, Some(1), "deleted"), (6, Some(2), "deleted")];
        assert_eq!(log, expected.map(|(id, message, kind)| (id, message, kind.to_owned())));
    }
}
