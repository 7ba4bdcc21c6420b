//! The source keeps its own rules: one outside thing, one home; a sentence at the top of every file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file under a directory whose name ends with `ending`, with its path from the repository's top.
fn files(directory: &str, ending: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut todo = vec![root().join(directory)];
    while let Some(path) = todo.pop() {
        for entry in fs::read_dir(path).into_iter().flatten() {
            let path: PathBuf = entry.expect("a directory has entries").path();
            if path.is_dir() {
                todo.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                let name =
                    path.strip_prefix(root()).expect("it is below the top").to_string_lossy().into_owned();
                found.push((name, fs::read_to_string(&path).expect("source is text")));
            }
        }
    }
    found
}

/// The program's own files; what only its unit tests use is not among them.
fn sources() -> Vec<(String, String)> {
    let sources = files("src", ".rs").into_iter().filter(|(name, _)| !name.ends_with("scratch.rs"));
    sources.collect()
}

/// The code of a file without its unit tests and comments.
fn code(text: &str) -> String {
    let before_tests = text.split("#[cfg(test)]\n").next().unwrap_or(text);
    let lines = before_tests.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn expect_home(words: &[&str], homes: &[&str]) {
    let sources = sources();
    assert!(sources.len() > 10, "the source is there");
    let abroad = sources.iter().filter(|(name, _)| !homes.iter().any(|home| name.starts_with(home)));
    for (name, text) in abroad {
        let word = words.iter().find(|word| code(text).contains(**word));
        assert_eq!(word, None, "{name} mentions it, and its home is {homes:?}");
    }
    let used = |word: &&str| sources.iter().any(|(_, text)| code(text).contains(*word));
    assert!(words.iter().any(used), "nobody uses {words:?}: is this rule still true?");
}

#[test]
fn tiny_http_lives_in_http_and_the_server() {
    expect_home(&["tiny_http"], &["src/http/", "src/server.rs"]);
}

#[test]
fn sqlite_lives_in_the_store() {
    expect_home(&["rusqlite"], &["src/store/"]);
}

#[test]
fn the_environment_is_read_in_one_place() {
    expect_home(&["std::env", "env::var", "env::args", "lexopt"], &["src/config.rs"]);
}

#[test]
fn raw_sockets_live_in_the_door_and_in_the_streams() {
    let words = ["TcpStream", "TcpListener", "UnixStream", "UnixListener"];
    // server.rs hands tiny_http its end of the bridge; the doctor looks from the other side; a reply may be a stream
    // to open; the check for buffering writes its chunks itself.
    let homes = [
        "src/door/",
        "src/live/",
        "src/server.rs",
        "src/cli/doctor.rs",
        "src/http/response.rs",
        "src/pages/streaming.rs",
    ];
    expect_home(&words, &homes);
}

#[test]
fn signals_live_in_one_place() {
    expect_home(&["signal_hook"], &["src/signals.rs"]);
}

#[test]
fn every_file_opens_with_a_sentence() {
    for (name, text) in files("src", ".rs").iter().chain(&files("tests", ".rs")) {
        assert!(text.starts_with("//! "), "{name} opens without a word");
    }
}

#[test]
fn nothing_is_left_for_later() {
    for (name, text) in sources() {
        for word in ["TODO", "FIXME", "todo!(", "unimplemented!(", "dbg!("] {
            assert!(!text.contains(word), "{name} contains {word}");
        }
        for word in [".unwrap()", "unsafe "] {
            assert!(!code(&text).contains(word), "{name} contains {word}");
        }
    }
}

#[test]
fn no_page_reaches_beyond_its_origin() {
    let pages = ["html", "css", "js"].map(|ending| files("src", ending)).concat();
    let pages = [pages, ["html", "css", "js"].map(|ending| files("templates", ending)).concat()].concat();
    assert!(!pages.is_empty(), "the pages are there");
    for (name, text) in pages {
        for word in ["src=\"http", "src=\"//", "href=\"//", "@import", "url(http", "innerHTML", "eval("] {
            assert!(!text.contains(word), "{name} contains {word}");
        }
    }
}

#[test]
fn nothing_names_a_path_outside_the_repository() {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    let Ok(listed) = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()) else {
        return eprintln!("ignored: git is not here");
    };
    // Put together here, so that this file does not name them itself.
    let outside = ["work", "root", "home"].map(|directory| format!("/{directory}/"));
    for name in listed.split('\0').filter(|name| !name.is_empty() && *name != "Cargo.lock") {
        let Ok(text) = fs::read_to_string(root().join(name)) else { continue };
        for path in &outside {
            assert!(!text.contains(path.as_str()), "{name} names {path}");
        }
    }
}
