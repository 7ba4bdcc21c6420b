//! What a grown database costs Parlor: rows put into it by the `sqlite3` shell, then the ways a person feels it.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;
use crate::crowd::Crowd;
use crate::event_stream::Mark;
use crate::http::Visitor;
use crate::server::{Kind, Programs, Server, new_folder};
use crate::suites::{Figures, quantile};

/// How often a page, a search or a post is tried; the median counts.
const TRIES: usize = 21;

/// How many messages a browser missed that comes back.
const MISSED: u32 = 100;

pub fn run(programs: &Programs, messages: u32) -> Result<Figures> {
    let folder = new_folder()?;
    // The program makes the tables, the shell the rows, and the triggers the log.
    let mut maker = Server::start_in(Kind::Parlor, programs, folder.clone(), &[])?;
    maker.stop();
    fill(&folder.join("chat.db"), messages)?;
    let server = Server::start_in(Kind::Parlor, programs, folder.clone(), &[])?;
    let started = server.started_after;
    let start = Instant::now();
    let visitor = &server.sign_in(1)?[0];
    let bytes = fs::metadata(folder.join("chat.db"))?.len();
    let search = |word: &str| visitor.get(&format!("/messages/?q={word}"));
    Ok(vec![
        ("first answer after start, ms", started.as_secs_f64() * 1000.0),
        ("chat page, ms", median_of(&server, || visitor.get("/"))?),
        ("resume after 100 missed, ms", resume(&server, visitor, messages, start)?),
        ("search, a word in one message, ms", median_of(&server, || search("quicksilver"))?),
        ("search, a word in every message, ms", median_of(&server, || search("forest"))?),
        ("post, ms", median_of(&server, || visitor.post_message(&Mark::content(0, start, 96)))?),
        ("database, MB", bytes as f64 / 1e6),
        ("RSS, MB", server.usage().rss_kib / 1024.0),
    ])
}

fn fill(database: &Path, messages: u32) -> Result<()> {
    let mut shell = Command::new("sqlite3")
        .arg(database)
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| format!("the sqlite3 shell is needed to fill a database: {error}"))?;
    let sql = format!(
        "PRAGMA foreign_keys = ON;
         BEGIN;
         WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 20)
         INSERT INTO author (name) SELECT 'Player-' || n FROM counted;
         WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < {messages})
         INSERT INTO message (author_id, content)
         SELECT (SELECT min(id) FROM author) + n % 20,
                'Line ' || n || ' of a long night in the forest'
                || iif(n = {messages} / 2, ', quicksilver', '')
                || iif(n > {messages} - {MISSED}, ' ~' || (n + {MISSED} - {messages}) || '.0~', '')
         FROM counted;
         COMMIT;"
    );
    shell.stdin.take().ok_or("no standard input")?.write_all(sql.as_bytes())?;
    match shell.wait()?.success() {
        true => Ok(()),
        false => Err("sqlite3 could not fill the database".into()),
    }
}

fn median_of(server: &Server, request: impl Fn() -> Vec<u8>) -> Result<f64> {
    let mut client = server.client()?;
    let mut times = Vec::new();
    for _ in 0..TRIES {
        let sent = Instant::now();
        let answer = client.call(&request())?;
        times.push(sent.elapsed().as_secs_f32() * 1000.0);
        if !answer.is_success() {
            return Err(answer.head.into());
        }
    }
    Ok(quantile(&mut times, 0.5))
}

/// A browser that has everything but the last hundred messages, and comes back.
fn resume(server: &Server, visitor: &Visitor, messages: u32, start: Instant) -> Result<f64> {
    let query = format!("?last_event_id={}", messages - MISSED);
    let mut times = Vec::new();
    for _ in 0..TRIES {
        let mut crowd = Crowd::new(MISSED as usize, 1, start)?;
        let opened = Instant::now();
        crowd.open_one(server.address, &visitor.get_stream(&query))?;
        while crowd.book.delivered < MISSED as usize && opened.elapsed() < Duration::from_secs(10) {
            crowd.attend(Duration::from_millis(20))?;
        }
        if crowd.book.delivered < MISSED as usize {
            return Err("the stream did not resume".into());
        }
        times.push(opened.elapsed().as_secs_f32() * 1000.0);
    }
    Ok(quantile(&mut times, 0.5))
}
