//! SIGTERM and SIGINT: streams end after a whole event, posts are finished, exit 0, and the address is free again.

use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::{Outcome, Request, TestServer, exchange};

#[test]
fn a_signal_ends_it_in_order() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = TestServer::start_new();
        server.sign_in("Alice").send("hello");
        server.signal(signal);
        let status = server.wait_exit();
        assert_eq!(status.code(), Some(0), "{signal:?}: {}", server.said());
        TcpListener::bind(server.address()).expect("the address is free again");
    }
}

#[test]
fn streams_end_after_a_whole_event() {
    let mut server = TestServer::start_new();
    let alice = server.sign_in("Alice");
    let mut streams: Vec<_> = (0..30).map(|_| alice.open_stream()).collect();
    streams.iter_mut().for_each(|stream| stream.expect_live());
    server.signal(Signal::TERM);
    for stream in &mut streams {
        stream.expect_end();
    }
    assert!(server.wait_exit().success());
}

#[test]
fn everything_half_done_is_no_reason_to_stay() {
    let mut server = TestServer::start_new();
    let alice = server.sign_in("Alice");
    let mut stream = alice.open_stream();
    stream.expect_live();
    let mut idle = server.connect();
    idle.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").answer().expect(200);
    let mut held = [server.connect(), server.connect(), server.connect(), server.connect()];
    held[1].send("GET / HT");
    held[2].send("POST /lobby/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf");
    held[3].send("GET /streaming/?interval_ms=5000 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    server.signal(Signal::TERM);
    assert!(server.wait_exit().success());
    stream.expect_end();
}

#[test]
fn a_stream_that_nobody_reads_is_no_reason_to_stay() {
    let mut server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let unread = alice.open_stream();
    let long = "x".repeat(16_000);
    for _ in 0..400 {
        alice.send(&long);
    }
    server.signal(Signal::TERM);
    assert!(server.wait_exit().success());
    drop(unread);
}

#[test]
fn every_post_answered_201_is_there_and_every_stream_resumes() {
    let mut server = TestServer::start_new();
    let alice = server.sign_in("Alice");
    let mut stream = alice.open_stream();
    stream.expect_live();
    let write = |writer: usize| {
        let (tab, address) = (alice.tab(), server.address());
        thread::spawn(move || {
            let mut accepted = Vec::new();
            let mut tab = tab;
            let Ok(mut connection) = crate::support::Raw::try_connect(address) else { return accepted };
            for n in 0.. {
                let content = format!("{writer}.{n}");
                let request = tab.with_csrf(Request::post("/create-message/").form(&[("content", &content)]));
                match exchange(&mut connection, &tab.dress(&request), Duration::from_secs(10)) {
                    Ok(answer) if answer.status == 201 => accepted.push(answer.id()),
                    _ => break,
                }
            }
            accepted
        })
    };
    let writers: Vec<_> = (0..4).map(write).collect();
    (0..50).for_each(|_| drop(stream.next_revision()));
    server.signal(Signal::TERM);
    let mut seen = Vec::new();
    loop {
        match stream.next_revision_within(Duration::from_secs(10)) {
            Outcome::Event(event) => seen.push(event.message_id()),
            Outcome::Ended => break,
            other => panic!("a stream ends after a whole event, not with {other:?}"),
        }
    }
    assert!(server.wait_exit().success());
    let accepted: Vec<_> = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
    server.start();
    let stored: i64 =
        server.sqlite().query_row("SELECT count(*) FROM message", [], |row| row.get(0)).unwrap();
    let mut resumed = alice.resume_stream(stream.last_event_id());
    while seen.len() + 50 < usize::try_from(stored).unwrap() {
        seen.push(resumed.next_revision().message_id());
    }
    assert!(seen.is_sorted_by(|a, b| a < b), "each once and in order, over the restart");
    let first_unread = seen.first().copied().unwrap_or(i64::MAX);
    for id in accepted.iter().filter(|&&id| id >= first_unread) {
        assert!(seen.contains(id), "message {id} was answered 201 and is not there");
    }
}

#[test]
fn nothing_is_left_in_a_log_beside_the_file() {
    let mut server = TestServer::start_new();
    server.sign_in("Alice").send("hello");
    assert!(server.terminate().success());
    let log = server.db().with_extension("db-wal");
    assert!(std::fs::metadata(log).map_or(0, |log| log.len()) == 0, "the log was taken into the file");
}

#[test]
fn what_it_keeps_for_itself_while_it_runs_is_gone_afterwards() {
    let mut server = TestServer::start_new();
    let sockets = || {
        let table = std::fs::read_to_string("/proc/net/unix").unwrap_or_default();
        let own = |line: &&str| line.contains("parlor");
        table
            .lines()
            .filter(own)
            .filter_map(|line| line.split_whitespace().last())
            .map(str::to_owned)
            .collect()
    };
    let before: Vec<String> = sockets();
    assert!(server.terminate().success());
    // Other tests' servers have sockets too: only what is gone from the table may be gone from the disk.
    let after: Vec<String> = sockets();
    for path in before.iter().filter(|path| !after.contains(path)) {
        assert!(!std::path::Path::new(path).exists(), "{path} is still there");
    }
}
