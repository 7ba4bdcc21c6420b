//! `parlor backup` and `parlor export`, while the server runs and when it does not.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Output, Stdio};
use std::thread;

use rusqlite::Connection;
use serde_json::Value;

use crate::support::{Launch, TempDir, TestServer, program};

fn parlor(db: &Path, words: &[&str]) -> Output {
    program().arg("--db").arg(db).args(words).output().expect("the program can be run")
}

/// What it printed, having done it without complaint.
fn done(db: &Path, words: &[&str]) -> String {
    let output = parlor(db, words);
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The one line it refused with.
fn refused(db: &Path, words: &[&str]) -> String {
    let output = parlor(db, words);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    assert!(output.stdout.is_empty() && said.starts_with("parlor: "), "{said}");
    said
}

#[test]
fn a_backup_is_taken_under_load_and_restored_by_copying() {
    let mut server = TestServer::start_new();
    let copy = server.dir().join("copy.db");
    let mut clients = ["Alice", "Bob", "Carol"].map(|name| server.sign_in(name));
    for client in &mut clients {
        client.send("before");
    }
    thread::scope(|scope| {
        for client in &mut clients {
            scope.spawn(|| {
                for n in 0..100 {
                    client.send(&format!("meanwhile {n}"));
                }
            });
        }
        assert_eq!(done(server.db(), &["backup", copy.to_str().unwrap()]), "");
    });
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600, "it holds sessions");
    let count = |db: &Path| {
        let database = Connection::open(db).unwrap();
        let check: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
        database.query_row("SELECT count(*) FROM message", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(count(server.db()), 303);
    assert!((3..=303).contains(&count(&copy)));

    assert!(server.terminate().success());
    fs::copy(&copy, server.db()).unwrap();
    server.start();
    let mut alice = clients.into_iter().next().unwrap().tab();
    alice.send("I am still signed in");
    assert_eq!(alice.messages("limit=200")[0]["content"].as_str().map(|text| text.contains("e")), Some(true));
}

#[test]
fn a_backup_is_never_written_over_a_file() {
    let server = TestServer::start_new();
    let precious = server.dir().join("precious");
    fs::write(&precious, "").unwrap();
    assert!(refused(server.db(), &["backup", precious.to_str().unwrap()]).contains("precious"));
    assert_eq!(fs::read(&precious).unwrap(), b"");
    let nowhere = server.dir().join("no/such/copy.db");
    assert!(refused(server.db(), &["backup", nowhere.to_str().unwrap()]).contains("copy.db"));
}

#[test]
fn a_file_that_is_missing_or_not_ours_is_named_and_left_alone() {
    let dir = TempDir::new();
    let copy = dir.join("copy.db");
    let commands = [vec!["backup", copy.to_str().unwrap()], vec!["export"]];
    for words in &commands {
        let missing = dir.join("missing.db");
        assert!(refused(&missing, words).contains("missing.db: no such file"));
        assert!(!missing.exists() && !copy.exists());
        let foreign = dir.join("foreign.db");
        fs::write(&foreign, "dear diary").unwrap();
        assert!(refused(&foreign, words).contains("foreign.db: not a database"));
        assert_eq!(fs::read(&foreign).unwrap(), b"dear diary");
    }
}

#[test]
fn an_export_is_the_messages_as_streams_tell_them() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let mut stream = alice.open_stream();
    for content in ["one", "two, \"quoted\"\nand 两行", "three"] {
        alice.send(content);
    }
    let told: Vec<Value> = (0..3).map(|_| stream.next_revision().data).collect();
    let export = done(server.db(), &["export"]);
    let lines: Vec<Value> = export.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, told);

    let at = |n: usize| told[n]["created_at"].as_str().unwrap().to_owned();
    let table = done(server.db(), &["export", "--format", "csv"]);
    let (one, two, three) = (at(0), at(1), at(2));
    assert_eq!(
        table,
        format!(
            "id,author__name,content,created_at,edited\r\n1,Alice,one,{one},false\r\n\
             2,Alice,\"two, \"\"quoted\"\"\nand 两行\",{two},false\r\n3,Alice,three,{three},false\r\n"
        )
    );
}

#[test]
fn the_database_may_be_named_by_the_environment_and_nobody_need_serve_it() {
    let dir = TempDir::new();
    let file = dir.join("chat.db");
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("chat.db.sample");
    fs::copy(&sample, &file).unwrap();
    let output = program().env("PARLOR_DB", &file).arg("export").output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("Illyria"));
    assert_eq!(fs::read(&file).unwrap(), fs::read(&sample).unwrap(), "reading changes nothing");
    assert_eq!(fs::read_dir(&*dir).unwrap().count(), 1, "and leaves nothing behind");
}

#[test]
fn a_reader_who_has_seen_enough_ends_an_export_quietly() {
    let dir = TempDir::new();
    let file = dir.join("chat.db");
    drop(Launch::new().db(&file).start());
    let fill = "
        INSERT INTO author (name) VALUES ('Puck');
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
        INSERT INTO message (author_id, content) SELECT 1, hex(zeroblob(200)) FROM n;";
    Connection::open(&file).unwrap().execute_batch(fill).unwrap();
    let mut command = program();
    command.arg("--db").arg(&file).arg("export").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.contains("\"id\":1,"), "{first}");
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}
