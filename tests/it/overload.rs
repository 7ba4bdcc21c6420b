//! More of everything than there is room for: refused politely, and served again as soon as there is room.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, geteuid, getrlimit, setrlimit};

use crate::support::{Launch, Raw, TestServer, percentile, within};

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A page has to come within this, whatever others do.
const PAGE_WITHIN: Duration = Duration::from_secs(2);

/// How long the server may need to notice that there is room again.
const RECOVER_WITHIN: Duration = Duration::from_secs(2);

/// As many descriptors for this process as the system lets it have.
fn allow_many_descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

fn connect_many(server: &TestServer, count: usize) -> Vec<Raw> {
    (0..count).map(|_| server.connect()).collect()
}

#[track_caller]
fn expect_quick_page(server: &TestServer) -> Duration {
    let started = Instant::now();
    server.visitor().get("/lobby/").expect(200);
    let took = started.elapsed();
    assert!(took < PAGE_WITHIN, "a page took {took:?}");
    took
}

/// Whether somebody new is served; not being let in is an answer, too.
fn serves_newcomer(server: &TestServer) -> bool {
    let ask = || {
        let mut raw = Raw::try_connect(server.address())?;
        raw.try_send(HEALTH.as_bytes())?;
        raw.try_answer("GET", RECOVER_WITHIN)
    };
    ask().is_ok_and(|answer| answer.is_some_and(|answer| answer.status == 200))
}

#[track_caller]
fn expect_recovery(server: &TestServer) {
    // Several in a row: one may have found the only place that was free.
    within(RECOVER_WITHIN, "the server to serve again", || {
        (0..10).all(|_| serves_newcomer(server)).then_some(())
    });
}

#[test]
fn five_thousand_idle_connections_are_borne() {
    if allow_many_descriptors() < 11_000 {
        return eprintln!("ignored: this process may not have enough descriptors");
    }
    let mut server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let mut stream = alice.open_stream();
    let idle = connect_many(&server, 5_000);
    // Those that have been idle for a while make room for whoever has something to ask.
    expect_recovery(&server);
    expect_quick_page(&server);
    alice.send("undisturbed");
    stream.expect_message("undisturbed");
    drop(idle);
    expect_quick_page(&server);
    assert!(server.is_running());
}

#[test]
fn a_flood_beyond_the_descriptors_is_refused_politely_and_passes() {
    let mut server = Launch::new().descriptors(200).start();
    let mut alice = server.sign_in("Alice");
    let mut stream = alice.open_stream();
    stream.expect_live();
    for _ in 0..3 {
        let mut flood = connect_many(&server, 400);
        let mut refused = 0;
        for raw in &mut flood {
            let _ = raw.try_send(HEALTH.as_bytes());
            let answer = raw.answer_or_end().expect("a sentence, not a closed door");
            assert!(matches!(answer.status, 200 | 503), "{}", answer.head);
            if answer.status == 503 {
                assert!(answer.header("retry-after").is_some() && !answer.body.is_empty(), "{}", answer.head);
                refused += 1;
            }
        }
        assert!(refused > 0, "the flood was no flood");
        alice.send("over the kept connection");
        stream.expect_message("over the kept connection");
        drop(flood);
        expect_recovery(&server);
    }
    assert!(server.is_running());
}

#[test]
fn a_flood_of_streams_is_told_that_it_is_full_and_passes() {
    let server = Launch::new().descriptors(200).start();
    let mut alice = server.sign_in("Alice");
    let mut kept = alice.open_stream();
    kept.expect_live();
    let request = crate::support::Request::get("/stream-chat-messages/");
    let streams: Vec<_> = (0..300).map(|_| alice.try_open_stream(request.clone())).collect();
    let open = streams.iter().filter(|stream| stream.is_ok()).count();
    assert!(open > 20, "only {open} streams were opened");
    alice.send("over the kept connection");
    kept.expect_message("over the kept connection");
    drop(streams);
    expect_recovery(&server);
    within(RECOVER_WITHIN, "streams to be opened again", || {
        let mut stream = alice.try_open_stream(request.clone()).ok()?;
        (stream.next_event().name == "hello").then_some(())
    });
}

#[test]
fn when_no_thread_can_be_had_it_says_so_and_goes_on() {
    // A user nobody else is, as the limit counts the threads of a user; root has no such limit.
    const NOBODY_ELSE: u32 = 54_321;
    // What the program needs for itself, and a few connections more.
    const THREADS: u32 = 72;
    if !geteuid().is_root() {
        return eprintln!("ignored: only root can start the server as a user of its own");
    }
    let mut server = Launch::new().threads_of(NOBODY_ELSE, THREADS).start();
    let mut alice = server.sign_in("Alice");
    let mut stream = alice.open_stream();
    stream.expect_live();
    let mut flood = connect_many(&server, 150);
    let mut refused = 0;
    for raw in &mut flood {
        let _ = raw.try_send(HEALTH.as_bytes());
        let answer = raw.answer_or_end().expect("a sentence, not a closed door");
        assert!(matches!(answer.status, 200 | 503), "{}", answer.head);
        refused += usize::from(answer.status == 503);
    }
    assert!(server.is_running());
    if refused == 0 {
        eprintln!("ignored: the system does not keep to the limit of {THREADS} threads");
    }
    alice.send("over the kept connection");
    stream.expect_message("over the kept connection");
    drop(flood);
    expect_recovery(&server);
}

#[test]
fn a_panic_is_a_500_for_that_request_alone() {
    if !cfg!(debug_assertions) {
        return eprintln!("ignored: only a debug build can be made to panic");
    }
    let mut server = Launch::new().setting("PARLOR_TEST_PANIC", "1").start();
    let mut alice = server.sign_in("Alice");
    let mut stream = alice.open_stream();
    stream.expect_live();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut raw = server.connect();
                for _ in 0..20 {
                    raw.send("GET /debug/panic HTTP/1.1\r\nHost: localhost\r\n\r\n").answer().expect(500);
                }
                raw.send(HEALTH).answer().expect(200);
            });
        }
    });
    alice.send("nothing is poisoned");
    stream.expect_message("nothing is poisoned");
    expect_quick_page(&server);
    assert!(server.is_running());
}

#[test]
fn there_is_no_panic_to_be_had_unasked() {
    TestServer::start_new().visitor().get("/debug/panic").expect(404);
}

#[test]
fn half_requests_do_not_keep_others_waiting() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let mut halves = connect_many(&server, 300);
    for (n, raw) in halves.iter_mut().enumerate() {
        raw.send(match n % 3 {
            0 => "",
            1 => "GET /healthz HT",
            _ => "POST /lobby/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf",
        });
    }
    let mut times: Vec<_> = (0..50).map(|_| expect_quick_page(&server)).collect();
    let p99 = percentile(&mut times, 99);
    assert!(p99 < Duration::from_millis(500), "pages took up to {p99:?}");
    alice.send("undisturbed");
    for (n, raw) in halves.iter_mut().enumerate().take(3) {
        raw.send(match n % 3 {
            0 => HEALTH.to_owned(),
            1 => HEALTH["GET /healthz HT".len()..].to_owned(),
            _ => "x".repeat(96),
        });
        let answer = raw.answer();
        assert!(matches!(answer.status, 200 | 415), "half {n} was finished in time: {}", answer.head);
    }
}

/// Feeds a connection one byte a second until it is cut, and says when that was and with what.
fn drip(mut raw: Raw, bytes: &str) -> (Duration, Option<u16>) {
    let started = Instant::now();
    for byte in bytes.bytes() {
        if raw.try_send(&[byte]).is_err() {
            break;
        }
        match raw.try_answer("GET", Duration::from_secs(1)) {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
            Ok(answer) => return (started.elapsed(), answer.map(|answer| answer.status)),
            Err(_) => break,
        }
    }
    (started.elapsed(), None)
}

#[test]
#[ignore = "waits for the deadlines: more than a minute"]
fn the_slow_are_cut_at_their_deadlines_and_others_notice_nothing() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let mut stream = alice.open_stream();
    let long = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(200));
    let body = "POST /lobby/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n";
    thread::scope(|scope| {
        let expect =
            |what: &'static str, raw: Raw, bytes: String, seconds: std::ops::Range<u64>, answered: bool| {
                scope.spawn(move || {
                    let (after, status) = drip(raw, &bytes);
                    let wanted = Duration::from_secs(seconds.start)..Duration::from_secs(seconds.end);
                    assert!(wanted.contains(&after), "{what} was cut after {after:?}");
                    assert!(matches!(status, Some(408)) == answered, "{what} was told {status:?}");
                });
            };
        expect("a head byte by byte", server.connect(), long, 9..13, true);
        let mut half_body = server.connect();
        half_body.send(body);
        expect("a body byte by byte", half_body, "x".repeat(90), 14..18, true);

        for (what, bytes, seconds, answered) in [
            ("half a head", "GET /healthz HT", 9..13, true),
            (
                "half a body",
                "POST /lobby/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf",
                14..18,
                true,
            ),
            ("silence", "", 9..80, false),
        ] {
            let mut raw = server.connect();
            scope.spawn(move || {
                let started = Instant::now();
                let answer = raw.send(bytes).answer_or_end_within(Duration::from_secs(90));
                let (after, status) = (started.elapsed(), answer.map(|answer| answer.status));
                let wanted = Duration::from_secs(seconds.start)..Duration::from_secs(seconds.end);
                assert!(wanted.contains(&after), "{what} was cut after {after:?}");
                assert!(!answered || status == Some(408), "{what} was told {status:?}");
            });
        }
        let mut kept = server.connect();
        kept.send(HEALTH).answer().expect(200);
        scope.spawn(move || {
            let started = Instant::now();
            kept.expect_end_within(Duration::from_secs(90));
            let after = started.elapsed();
            assert!((70..80).contains(&after.as_secs()), "a kept connection was ended after {after:?}");
        });
        let until = Instant::now() + Duration::from_secs(20);
        while Instant::now() < until {
            expect_quick_page(&server);
            alice.send("tick");
            stream.expect_message("tick");
        }
    });
}
