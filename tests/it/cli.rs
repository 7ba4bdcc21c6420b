//! How the program is started, and what it says when it cannot: text and exit code.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use rusqlite::Connection;

use crate::support::{Launch, TempDir, TestServer, program};

fn run(command: &mut Command) -> Output {
    command.output().expect("the program can be run")
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("stdout is UTF-8")
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("stderr is UTF-8")
}

/// Fails unless the program refused with this code and one line that starts with its name. After a line
/// about a flag, one more may say where the flags are explained.
#[track_caller]
fn expect_refusal(output: &Output, code: i32) -> String {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(code), "it said {said:?}");
    let (reason, hint) = said.split_once('\n').expect("a line");
    assert!(hint.is_empty() || code == 2 && hint.lines().count() == 1 && hint.contains("--help"), "{said:?}");
    let reason = reason.strip_prefix("parlor: ").unwrap_or_else(|| panic!("not `parlor: …`: {said:?}"));
    assert!(stdout(output).is_empty(), "nothing was promised on stdout");
    reason.trim_end().to_owned()
}

/// The program with a free port on this file. It is not expected to run for long.
fn open(db: &Path) -> Output {
    run(program().args(["--port", "0", "--db"]).arg(db))
}

#[test]
fn help_names_every_flag_and_its_default() {
    for flag in ["-h", "--help"] {
        let output = run(program().arg(flag));
        assert!(output.status.success());
        let help = stdout(&output);
        for word in [
            "--bind",
            "--lan",
            "--qr",
            "--port",
            "--db",
            "--title",
            "--passphrase",
            "--host",
            "--trusted-proxy",
            "--max-streams",
            "--rate",
            "--poll-ms",
            "--heartbeat-s",
            "--log-format",
            "--help",
            "--version",
            "8000",
            "chat.db",
            "PARLOR_",
        ] {
            assert!(help.contains(word), "{word} is missing in\n{help}");
        }
        assert!(help.lines().all(|line| line.chars().count() <= 100), "help fits a terminal");
    }
}

#[test]
fn version_is_the_name_and_the_number() {
    for flag in ["-V", "--version"] {
        let output = run(program().arg(flag));
        assert!(output.status.success());
        assert_eq!(stdout(&output), format!("parlor {}\n", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn an_unknown_flag_is_named_and_exits_with_2() {
    let reason = expect_refusal(&run(program().arg("--colour")), 2);
    assert!(reason.contains("--colour"), "{reason}");
}

#[test]
fn a_flag_without_its_value_or_with_a_wrong_one_exits_with_2() {
    for wrong in [
        &["--port"][..],
        &["--port", "eighty"],
        &["--port", "65536"],
        &["--port", "-1"],
        &["--bind", "nowhere at all"],
        &["--rate", "many"],
        &["--rate", "-2"],
        &["--max-streams", "x"],
        &["--poll-ms", "soon"],
        &["--heartbeat-s", ""],
        &["--log-format", "xml"],
        &["--trusted-proxy=perhaps"],
    ] {
        let output = run(program().args(wrong));
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {}", stderr(&output));
        expect_refusal(&output, 2);
    }
}

#[test]
fn an_unknown_subcommand_exits_with_2() {
    let reason = expect_refusal(&run(program().arg("brew")), 2);
    assert!(reason.contains("brew"), "{reason}");
}

#[test]
fn a_wrong_environment_variable_is_named_and_exits_with_2() {
    let reason = expect_refusal(&run(program().env("PARLOR_PORT", "eighty")), 2);
    assert!(reason.contains("PARLOR_PORT") && reason.contains("eighty"), "{reason}");
}

#[test]
fn every_flag_is_also_an_environment_variable() {
    let server = Launch::new().setting("PARLOR_TITLE", "The Boar's Head").start();
    let page = server.visitor().get("/lobby/").expect(200);
    assert!(page.text().contains("The Boar&#39;s Head") || page.text().contains("The Boar's Head"));

    let dir = TempDir::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = taken.local_addr().expect("it has an address").port().to_string();
    let mut command = program();
    command.env("PARLOR_DB", dir.join("other.db")).env("PARLOR_PORT", &port).env("PARLOR_BIND", "127.0.0.1");
    let reason = expect_refusal(&run(&mut command), 1);
    assert!(reason.contains(&port), "it went to the port of its environment: {reason}");
}

#[test]
fn a_flag_beats_the_environment() {
    let server = Launch::new().setting("PARLOR_TITLE", "Elsinore").flags(&["--title", "Illyria"]).start();
    let page = server.visitor().get("/lobby/").expect(200);
    assert!(page.text().contains("Illyria") && !page.text().contains("Elsinore"));
}

#[test]
fn the_first_line_says_where_it_listens_once_it_answers() {
    let server = TestServer::start_new();
    let printed = server.printed();
    assert_eq!(printed.lines().next(), Some(format!("parlor: listening on {}", server.url("/")).as_str()));
    server.visitor().get("/healthz").expect(200);
}

#[test]
fn it_starts_where_there_is_no_place_but_the_one_for_the_database() {
    let server =
        Launch::new().setting("TMPDIR", "/nonexistent").setting("XDG_RUNTIME_DIR", "/nonexistent").start();
    server.sign_in("Alice").send("in a container");
}

#[test]
fn a_port_in_use_is_one_line_and_exits_with_1() {
    let server = TestServer::start_new();
    let dir = TempDir::new();
    let port = server.port().to_string();
    let output = run(program().args(["--port", &port, "--db"]).arg(dir.join("chat.db")));
    let reason = expect_refusal(&output, 1);
    assert!(reason.contains(&port), "{reason}");
    server.visitor().get("/healthz").expect(200);
}

/// Fails unless the program refuses the file with one line that names it, and leaves every byte and neighbour.
#[track_caller]
fn expect_untouched(dir: &TempDir, file: &Path) -> String {
    let neighbours = || {
        let names = fs::read_dir(&**dir).expect("the directory is there");
        let mut names: Vec<_> = names.map(|entry| entry.expect("it has entries").file_name()).collect();
        names.sort();
        names
    };
    let before = (fs::read(file).expect("the file can be read"), neighbours());
    let reason = expect_refusal(&open(file), 1);
    assert!(
        (fs::read(file).expect("the file is still there"), neighbours()) == before,
        "it touched the file"
    );
    assert!(reason.contains("chat.db"), "which file? {reason}");
    reason
}

#[test]
fn a_database_of_a_newer_parlor_is_refused_and_not_touched() {
    let dir = TempDir::new();
    let file = dir.join("chat.db");
    {
        let mut server = Launch::new().db(&file).start();
        assert!(server.terminate().success());
    }
    let database = Connection::open(&file).expect("it opens");
    database.pragma_update(None, "journal_mode", "DELETE").expect("no log beside it");
    database.pragma_update(None, "user_version", 9_999).expect("a version can be set");
    drop(database);
    let reason = expect_untouched(&dir, &file);
    assert!(reason.contains("newer"), "{reason}");
}

#[test]
fn a_database_of_another_program_is_refused_and_not_touched() {
    for foreign in ["CREATE TABLE message (body TEXT)", "PRAGMA application_id = 77; PRAGMA user_version = 1"]
    {
        let dir = TempDir::new();
        let file = dir.join("chat.db");
        Connection::open(&file).expect("it opens").execute_batch(foreign).expect("tables can be made");
        expect_untouched(&dir, &file);
    }
}

#[test]
fn a_file_that_is_no_database_is_refused_and_not_touched() {
    for garbage in [
        &b"dear diary, today I was not a database at all\n"[..],
        &[0; 5000],
        b"SQLite format 3\0 and then not",
    ] {
        let dir = TempDir::new();
        let file = dir.join("chat.db");
        fs::write(&file, garbage).expect("it can be written");
        expect_untouched(&dir, &file);
    }
}

#[test]
fn a_torn_database_is_refused_and_not_touched() {
    let dir = TempDir::new();
    let file = dir.join("chat.db");
    {
        let mut server = Launch::new().db(&file).start();
        assert!(server.terminate().success());
    }
    let whole = fs::read(&file).expect("it can be read");
    let mut torn = whole[..whole.len() / 2].to_vec();
    torn[100..].fill(0xA5);
    fs::write(&file, &torn).expect("it can be written");
    expect_refusal(&open(&file), 1);
    assert!(fs::read(&file).expect("the file is still there") == torn, "it touched the file");
}

#[test]
fn a_database_that_cannot_be_opened_is_one_line_and_exits_with_1() {
    let dir = TempDir::new();
    expect_refusal(&open(&dir.join("no/such/directory/chat.db")), 1);
    expect_refusal(&open(&dir), 1);
}

#[test]
fn an_empty_file_is_a_new_database() {
    let dir = TempDir::new();
    let file = dir.join("chat.db");
    fs::write(&file, "").expect("it can be written");
    let server = Launch::new().db(&file).start();
    server.sign_in("Alice").send("first");
}
