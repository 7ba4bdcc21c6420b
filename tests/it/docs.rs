//! What the documents say is so: their commands run, their flags exist, their links lead somewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{TempDir, TestServer, program};

/// Every document for people, from the repository's top.
const DOCUMENTS: [&str; 8] = [
    "README.md",
    "README.zh-CN.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/running.md",
    "docs/protocol.md",
    "docs/architecture.md",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[track_caller]
fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A fenced block: what stands behind its opening fence, and its lines.
#[derive(Debug, PartialEq)]
struct Block {
    language: String,
    text: String,
}

fn blocks(document: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else { continue };
        let body = lines.by_ref().take_while(|line| *line != "```");
        let text = body.collect::<Vec<_>>().join("\n");
        found.push(Block { language: language.to_owned(), text });
    }
    found
}

/// The document without its fenced blocks.
fn prose(document: &str) -> String {
    let mut fenced = false;
    let outside = |line: &&str| {
        let is_fence = line.starts_with("```");
        fenced ^= is_fence;
        !fenced && !is_fence
    };
    document.lines().filter(outside).collect::<Vec<_>>().join("\n")
}

fn headings(document: &str) -> Vec<String> {
    let prose = prose(document);
    prose.lines().filter(|line| line.starts_with('#')).map(str::to_owned).collect()
}

/// The words that look like long flags, with their dashes, in their order.
fn flags_in(text: &str) -> impl Iterator<Item = String> {
    let part_of_a_flag = |c: char| c.is_ascii_lowercase() || c == '-';
    let words = text.split(move |c| !part_of_a_flag(c));
    let flags = words.filter(|word| word.starts_with("--") && !word.starts_with("---") && word.len() > 2);
    flags.map(str::to_owned)
}

fn help() -> String {
    let output = program().arg("--help").output().expect("the program can be run");
    String::from_utf8(output.stdout).expect("the help is UTF-8")
}

/// The flags that the help explains: each begins a line of its own.
fn known_flags() -> BTreeSet<String> {
    let help = help();
    let lines = help.lines().filter(|line| line.trim_start().starts_with('-'));
    lines.filter_map(|line| flags_in(line).next()).collect()
}

/// The flags in the first cells of a document's tables.
fn tabled_flags(document: &str) -> BTreeSet<String> {
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `-"));
    rows.filter_map(|row| flags_in(&format!("-{}", row.split('|').next()?)).next()).collect()
}

/// Whether `said` is what `shown` promises, where `…` in it stands for anything; as a last line, for nothing too.
fn is_as_shown(said: &str, shown: &str) -> bool {
    let shown = shown.strip_suffix("\n…").map_or(shown.to_owned(), |start| format!("{start}…"));
    let mut pieces = shown.split('…');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = said.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

#[test]
fn the_wildcard_of_the_documents_stands_for_anything() {
    for (said, shown) in
        [("a", "a"), ("abc", "a…c"), ("abc", "…"), ("ab\ncd", "a…c…"), ("a", "a\n…"), ("", "…")]
    {
        assert!(is_as_shown(said, shown), "{said:?} is {shown:?}");
    }
    for (said, shown) in [("ab", "a"), ("abc", "a…b"), ("abc", "…d…"), ("aba", "a…c…a")] {
        assert!(!is_as_shown(said, shown), "{said:?} is not {shown:?}");
    }
}

#[test]
fn the_protocol_is_as_its_document_shows_it() {
    if Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_err() {
        return eprintln!("ignored: curl is not here");
    }
    let server = TestServer::start_new();
    let dir = TempDir::new();
    let blocks = blocks(&read("docs/protocol.md"));
    let mut script = String::from("set -eu\n");
    for (n, block) in blocks.iter().enumerate().filter(|(_, block)| block.language == "sh") {
        script += &format!("{{\n{}\n}} >out-{n}\n", block.text);
    }
    let url = server.url("");
    let output = Command::new("sh").args(["-c", &script]).env("URL", url).current_dir(&*dir).output();
    let output = output.expect("there is a shell");
    let complaint = String::from_utf8_lossy(&output.stderr);
    let said = |n: usize| fs::read_to_string(dir.join(format!("out-{n}"))).unwrap_or_default();
    assert!(output.status.success(), "a command failed: {complaint}");

    let mut shown = 0;
    for (n, pair) in blocks.windows(2).enumerate() {
        if pair[0].language == "sh" && pair[1].language == "text" {
            let said = said(n);
            assert!(
                is_as_shown(said.trim(), pair[1].text.trim()),
                "{}\nsaid\n{said}\nand not\n{}",
                pair[0].text,
                pair[1].text
            );
            shown += 1;
        }
    }
    assert!(shown > 8, "the document shows what is printed");
}

#[test]
fn the_table_of_flags_is_that_of_the_help() {
    assert!(known_flags().len() > 10, "the help explains flags");
    for name in ["README.md", "README.zh-CN.md"] {
        assert_eq!(tabled_flags(&read(name)), known_flags(), "{name}");
    }
}

#[test]
fn every_command_in_the_documents_uses_flags_that_there_are() {
    let known = known_flags();
    let mut seen = 0;
    for name in DOCUMENTS {
        for block in blocks(&read(name)).iter().filter(|block| block.language == "sh") {
            for line in block.text.lines() {
                let arguments = line.split_once("parlor ").or(line.split_once("cargo run --release -- "));
                let Some((_, arguments)) = arguments else { continue };
                for flag in flags_in(arguments.split(['#', '|', ';']).next().unwrap_or_default()) {
                    assert!(known.contains(&flag), "{name}: {line}");
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 5, "the documents show commands");
}

#[test]
fn variables_in_the_documents_are_those_of_flags() {
    let known = known_flags();
    for name in DOCUMENTS {
        let document = read(name);
        for rest in document.split("`PARLOR_").skip(1) {
            let of_a_name = |c: &char| c.is_ascii_uppercase() || *c == '_';
            let variable: String = rest.chars().take_while(of_a_name).collect();
            let for_tests =
                variable.ends_with("_TESTS") || ["SCREENSHOTS", "SOAK_MINUTES"].contains(&variable.as_str());
            let flag = format!("--{}", variable.to_lowercase().replace('_', "-"));
            assert!(for_tests || known.contains(&flag), "{name}: PARLOR_{variable}");
        }
    }
}

#[test]
fn both_readmes_say_the_same() {
    let (english, chinese) = (read("README.md"), read("README.zh-CN.md"));
    let levels = |document: &str| -> Vec<usize> {
        headings(document).iter().map(|heading| heading.chars().take_while(|c| *c == '#').count()).collect()
    };
    assert_eq!(levels(&english), levels(&chinese), "the same sections");
    let commands = |document: &str| -> Vec<Block> {
        blocks(document).into_iter().filter(|block| block.language != "text").collect()
    };
    assert_eq!(commands(&english), commands(&chinese), "the same commands");
    assert_eq!(links(&english).len(), links(&chinese).len(), "the same links");
    let figures = |document: &str| {
        let (_, rest) = document.split_once("<!-- figures -->").expect("the figures have a place");
        let (table, _) = rest.split_once("<!-- figures -->").expect("the figures end");
        let digits: String = table.chars().filter(|c| c.is_ascii_digit() || *c == '|').collect();
        digits
    };
    assert_eq!(figures(&english), figures(&chinese), "the same figures");
}

/// Where links and pictures in a document lead.
fn links(document: &str) -> Vec<String> {
    let prose = prose(document);
    let starts = ["](", " src=\"", " srcset=\""];
    let after = starts.iter().flat_map(|start| prose.split(start).skip(1));
    after.filter_map(|rest| rest.split([')', '"', ' ']).next()).map(str::to_owned).collect()
}

/// The name under which a heading can be linked to, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn links_between_the_documents_lead_somewhere() {
    let mut seen = 0;
    for name in DOCUMENTS {
        let document = read(name);
        let directory = root().join(name).parent().map(PathBuf::from).expect("a file is in a directory");
        for link in links(&document) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (file, place) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { root().join(name) } else { directory.join(file) };
            assert!(target.exists(), "{name}: {link}");
            if !place.is_empty() {
                let text = fs::read_to_string(&target).expect("a document is text");
                let found = headings(&text).iter().any(|heading| anchor(heading) == place);
                assert!(found, "{name}: {link}: no such heading");
            }
            seen += 1;
        }
    }
    assert!(seen > 10, "the documents know of each other");
}

#[test]
fn the_changelog_knows_this_version() {
    let heading = format!("## [{}]", env!("CARGO_PKG_VERSION"));
    assert!(read("CHANGELOG.md").contains(&heading), "{heading}");
}
