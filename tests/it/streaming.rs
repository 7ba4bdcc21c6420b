//! `/streaming/`: five numbers with pauses, which show at once whether something on the way buffers.

use std::time::{Duration, Instant};

use crate::support::{Raw, TestServer};

/// Each chunk with the time it arrived after the request.
fn chunks(server: &TestServer, path: &str) -> Vec<(String, Duration)> {
    let started = Instant::now();
    let deadline = started + Duration::from_secs(20);
    let mut raw: Raw = server.connect();
    raw.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    let head = raw.take_head(deadline).expect("a head comes").expect("a head before the end");
    assert!(
        head.starts_with("HTTP/1.1 200") && head.to_lowercase().contains("transfer-encoding: chunked"),
        "{head}"
    );
    let mut chunks = Vec::new();
    while let Some(chunk) = raw.take_chunk(deadline).expect("a chunk comes") {
        chunks.push((String::from_utf8(chunk).expect("a chunk is text"), started.elapsed()));
    }
    chunks
}

fn digits(chunks: &[(String, Duration)]) -> Vec<&str> {
    chunks.iter().map(|(text, _)| text.trim()).collect()
}

#[test]
fn five_numbers_come_one_a_second_each_in_its_own_chunk() {
    let server = TestServer::start_new();
    let chunks = chunks(&server, "/streaming/");
    assert_eq!(digits(&chunks), ["0", "1", "2", "3", "4"]);
    assert!(chunks[0].1 < Duration::from_millis(900), "the first comes at once: {chunks:?}");
    for pair in chunks.windows(2) {
        let pause = pair[1].1 - pair[0].1;
        assert!((Duration::from_millis(600)..Duration::from_millis(1_900)).contains(&pause), "{chunks:?}");
    }
}

#[test]
fn the_pause_can_be_set() {
    let server = TestServer::start_new();
    let quick = chunks(&server, "/streaming/?interval_ms=0");
    assert_eq!(digits(&quick), ["0", "1", "2", "3", "4"]);
    assert!(quick[4].1 < Duration::from_secs(1), "{quick:?}");
    let steady = chunks(&server, "/streaming/?interval_ms=200");
    assert!((Duration::from_millis(700)..Duration::from_secs(3)).contains(&steady[4].1), "{steady:?}");
}

#[test]
fn a_pause_beyond_its_bounds_is_refused_or_cut() {
    let server = TestServer::start_new();
    for odd in ["-1", "5001", "99999999999999999999", "x"] {
        let mut raw = server.connect();
        raw.send(format!("GET /streaming/?interval_ms={odd} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        let head = raw.take_head(Instant::now() + Duration::from_secs(10)).unwrap().unwrap();
        assert!(head.starts_with("HTTP/1.1 400") || head.starts_with("HTTP/1.1 200"), "{odd}: {head}");
    }
}

#[test]
fn many_at_once_do_not_keep_a_page_waiting() {
    let server = TestServer::start_new();
    let slow: Vec<_> = (0..100)
        .map(|_| {
            let mut raw = server.connect();
            raw.send("GET /streaming/?interval_ms=5000 HTTP/1.1\r\nHost: localhost\r\n\r\n");
            raw
        })
        .collect();
    let started = Instant::now();
    server.visitor().get("/lobby/").expect(200);
    assert!(started.elapsed() < Duration::from_secs(4), "a page took {:?}", started.elapsed());
    drop(slow);
}
