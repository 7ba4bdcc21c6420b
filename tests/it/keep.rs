//! `--keep`: old messages go, streams hear of it, and who comes back after too long begins again.

use std::time::{Duration, Instant};

use crate::support::{Request, TestServer};

const OLD: &str = "INSERT INTO message (author_id, content, created_at)
                   SELECT id, 'of old', '2020-01-01T00:00:00.000Z' FROM author WHERE name = 'Alice'";

#[test]
fn old_messages_go_and_every_stream_hears_of_it() {
    let server = TestServer::with(&["--keep", "10s"]);
    let mut alice = server.sign_in("Alice");
    alice.send("of today");
    let mut stream = alice.open_stream();
    stream.expect_message("of today");
    server.sqlite().execute_batch(OLD).unwrap();
    let id = stream.expect_message("of old").message_id();
    stream.expect_deletion(id);
    let left = alice.messages("limit=10");
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0]["content"], "of today");
}

#[test]
fn without_the_flag_nothing_goes() {
    let mut server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    alice.send("of today");
    server.sqlite().execute_batch(OLD).unwrap();
    server.restart();
    assert_eq!(alice.messages("limit=10").len(), 2);
}

#[test]
fn what_sleeps_for_a_minute_is_no_reason_to_stay() {
    let mut server = TestServer::with(&["--keep", "90d"]);
    let asked = Instant::now();
    assert!(server.terminate().success());
    assert!(asked.elapsed() < Duration::from_secs(4), "it took {:?}", asked.elapsed());
}

#[test]
fn who_comes_back_from_before_the_log_begins_is_told_to_begin_again() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    for content in ["one", "two", "three"] {
        alice.send(content);
    }
    // As the keeper leaves it when the first two revisions may be gone.
    server.sqlite().execute("INSERT INTO meta (key, value) VALUES ('log_start', '2')", []).unwrap();
    let mut late = alice.resume_stream(1);
    late.wait_for("reset");
    late.expect_messages(&["one", "two", "three"]);
    alice.resume_stream(2).expect_message("three");
    let mut new = alice.open_stream_with(Request::get("/stream-chat-messages/?last_event_id=0"));
    assert_eq!(new.next_event().name, "hello");
    assert_eq!(new.next_event().content(), "one", "one who has seen nothing has missed nothing");
}
