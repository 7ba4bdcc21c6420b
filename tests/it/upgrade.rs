//! Files of earlier days: the sample at the top of the repository, and a file with a history of its own.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::types::Value;

use crate::support::{Launch, TempDir, program};

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("chat.db.sample")
}

/// Every row of a table, so that two files can be held against each other.
fn rows(file: &Path, query: &str) -> Vec<Vec<Value>> {
    let database = Connection::open(file).expect("it opens");
    let mut select = database.prepare(query).expect("the table is there");
    let columns = select.column_count();
    let rows = select.query_map([], |row| (0..columns).map(|column| row.get(column)).collect());
    rows.expect("it has rows").map(|row| row.expect("a row is read")).collect()
}

#[test]
fn the_sample_opens_and_its_conversation_can_be_read() {
    let dir = TempDir::new();
    let file = dir.join("chat.db");
    fs::copy(sample(), &file).expect("the sample is in the repository");
    let before = rows(&file, "SELECT content FROM message ORDER BY id");
    assert!(before.len() >= 3, "a short conversation");
    let server = Launch::new().db(&file).start();
    let mut alice = server.sign_in("Alice");
    let mut stream = alice.open_stream();
    let history = alice.messages("limit=200");
    assert_eq!(history.len(), before.len());
    for message in &history {
        assert_eq!(stream.wait_for("message").data, *message);
    }
    alice.send("good morrow");
    assert_eq!(stream.wait_for("message").content(), "good morrow");
}

#[test]
fn the_program_makes_the_same_sample_again() {
    let dir = TempDir::new();
    let again = dir.join("again.db");
    let output = program().arg("sample").arg(&again).output().expect("the program can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let kept = dir.join("kept.db");
    fs::copy(sample(), &kept).expect("the sample is in the repository");
    for query in [
        "SELECT type, name, sql FROM sqlite_schema ORDER BY name",
        "SELECT * FROM author ORDER BY id",
        "SELECT * FROM message ORDER BY id",
        "SELECT * FROM revision ORDER BY id",
        "PRAGMA user_version",
        "PRAGMA application_id",
    ] {
        assert_eq!(rows(&kept, query), rows(&again, query), "{query}");
    }
}

#[test]
fn a_sample_is_never_written_over_a_file() {
    let dir = TempDir::new();
    let file = dir.join("precious.db");
    fs::write(&file, "precious").unwrap();
    let output = program().arg("sample").arg(&file).output().expect("the program can be run");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(fs::read(&file).unwrap(), b"precious");
}

#[test]
fn the_file_says_whose_it_is_and_how_it_is_kept() {
    let server = crate::support::TestServer::start_new();
    server.sign_in("Alice").send("hello");
    let database = server.sqlite();
    let pragma =
        |name: &str| database.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, Value>(0)).unwrap();
    assert_eq!(pragma("journal_mode"), Value::Text("wal".into()));
    assert_ne!(pragma("application_id"), Value::Integer(0));
    assert_ne!(pragma("user_version"), Value::Integer(0));
    for (table, columns) in [
        ("author", &["id", "name"][..]),
        ("message", &["id", "author_id", "content", "created_at", "client_id"]),
        ("revision", &["id", "message_id", "kind"]),
        ("session", &[]),
        ("meta", &[]),
    ] {
        let found = rows(server.db(), &format!("SELECT name FROM pragma_table_info('{table}')"));
        assert!(!found.is_empty(), "no table {table}");
        for column in columns {
            assert!(found.contains(&vec![Value::Text((*column).into())]), "{table} has no {column}");
        }
    }
}
