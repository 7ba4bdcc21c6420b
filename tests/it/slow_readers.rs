//! Readers that do not read: the others notice nothing, and whoever wakes up gets everything once.

use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Client, EventReader, Outcome, TestServer, percentile};

const SLEEPERS: usize = 20;

/// The times from just before a post to its arrival on each of the streams.
fn deliveries(
    poster: &mut Client,
    streams: &mut [EventReader],
    content: &str,
    count: usize,
) -> Vec<Duration> {
    let mut times = Vec::new();
    for n in 0..count {
        let content = format!("{n} {content}");
        let started = Instant::now();
        poster.send(&content);
        for stream in &mut *streams {
            stream.expect_message(&content);
            times.push(started.elapsed());
        }
    }
    times
}

#[test]
fn clients_that_never_read_harm_nobody() {
    let server = TestServer::start_new();
    let (mut alice, sleeper) = (server.sign_in("Alice"), server.sign_in("Sleeper"));
    let mut streams: Vec<_> = (0..5).map(|_| alice.open_stream()).collect();
    streams.iter_mut().for_each(|stream| stream.expect_live());
    let large = "x".repeat(16_000);
    let mut calm = deliveries(&mut alice, &mut streams, &large, 100);
    let sleepers: Vec<_> = (0..SLEEPERS).map(|_| sleeper.open_stream()).collect();
    // More than a socket's buffers hold: each sleeper is stuck before the end.
    let mut beside = deliveries(&mut alice, &mut streams, &large, 500);
    let (calm, beside) = (percentile(&mut calm, 99), percentile(&mut beside, 99));
    // The floor is for a small machine that runs other tests at the same time.
    let bearable = (calm * 5).max(Duration::from_millis(250));
    assert!(beside < bearable, "99 of 100 took {calm:?} without and {beside:?} with {SLEEPERS} sleepers");
    drop(sleepers);
}

#[test]
fn a_reader_that_pauses_and_goes_on_misses_nothing() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let mut pausing = server.sign_in("Bob").open_stream();
    pausing.expect_live();
    let large = "y".repeat(16_000);
    let sent: Vec<i64> = (0..500).map(|n| alice.send(&format!("{n} {large}"))).collect();
    let came: Vec<i64> = (0..500).map(|_| pausing.next_revision().message_id()).collect();
    assert_eq!(came, sent);
    alice.send("live again");
    pausing.expect_message("live again");
}

#[test]
#[ignore = "waits for the server to give up: more than twenty seconds"]
fn a_reader_that_takes_nothing_for_twenty_seconds_is_let_go_and_resumes() {
    let server = TestServer::start_new();
    let (mut alice, sleeper) = (server.sign_in("Alice"), server.sign_in("Sleeper"));
    let mut sleepers: Vec<_> = (0..SLEEPERS).map(|_| sleeper.open_stream()).collect();
    sleepers.iter_mut().for_each(|stream| stream.expect_live());
    let large = "z".repeat(16_000);
    let sent: Vec<i64> = (0..500).map(|n| alice.send(&format!("{n} {large}"))).collect();
    let (started, held) = (Instant::now(), server.open_descriptors());
    while server.open_descriptors() > held - SLEEPERS {
        let waited = started.elapsed();
        let open = server.open_descriptors();
        assert!(waited < Duration::from_secs(40), "of {held} descriptors {open} still held after {waited:?}");
        alice.post("/typing/", &[]).expect(204);
        thread::sleep(Duration::from_millis(200));
    }
    assert!(started.elapsed() > Duration::from_secs(15), "given up after {:?}", started.elapsed());
    for stream in &mut sleepers {
        let mut came = Vec::new();
        while let Outcome::Event(event) = stream.next_revision_within(Duration::from_secs(5)) {
            came.push(event.message_id());
        }
        assert!(came.len() < sent.len(), "it was no sleeper: everything fitted its buffers");
        let mut resumed = sleeper.resume_stream(stream.last_event_id());
        while came.len() < sent.len() {
            came.push(resumed.next_revision().message_id());
        }
        assert_eq!(came, sent);
    }
}
