//! The event stream: exact bytes, backlog then live, resuming, and every id once in order for everyone.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use rand::RngExt;

use crate::support::{Client, EventReader, Outcome, Request, TestServer, until};

const STREAM: &str = "/stream-chat-messages/";

fn stream_at(client: &Client, query: &str) -> EventReader {
    client.open_stream_with(Request::get(&format!("{STREAM}?{query}")))
}

// ---- The bytes ----

#[test]
fn the_head_of_a_stream_is_as_promised() {
    let server = TestServer::start_new();
    let stream = server.sign_in("Alice").open_stream();
    assert_eq!(stream.head.status, 200);
    assert_eq!(stream.head.header("content-type"), Some("text/event-stream; charset=utf-8"));
    assert_eq!(stream.head.header("cache-control"), Some("no-store, no-transform"));
    assert_eq!(stream.head.header("x-accel-buffering"), Some("no"));
    assert_eq!(stream.head.header("content-length"), None);
}

#[test]
fn a_stream_begins_with_hello() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    alice.send("one");
    let hello = alice.open_stream().next_event();
    let lines: Vec<_> = hello.block.lines().collect();
    let retry: u32 = lines[0].strip_prefix("retry: ").expect("it says when to come back").parse().unwrap();
    assert!((1000..=3000).contains(&retry), "retry: {retry}");
    assert_eq!(lines[1], "event: hello");
    assert!(lines[2].starts_with("data: {") && lines[3].is_empty() && lines.len() == 4, "{lines:?}");
    assert_eq!(hello.data["head"], 1);
    assert_eq!(hello.data["you"], "Alice");
    assert!(hello.data["epoch"].as_str().is_some_and(|epoch| epoch.len() >= 8), "{hello:?}");
}

#[test]
fn each_stream_is_told_another_moment_to_come_back() {
    let server = TestServer::start_new();
    let alice = server.sign_in("Alice");
    let first_lines: HashSet<String> =
        (0..12).map(|_| alice.open_stream().next_event().block.lines().next().unwrap().to_owned()).collect();
    assert!(first_lines.len() > 3, "a herd: {first_lines:?}");
}

#[test]
fn every_event_has_exactly_its_bytes() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let mut stream = alice.open_stream();
    stream.expect_live();
    let answer = alice.try_send("a \"b\"\nc </script> ü").expect(201).json();
    let (id, time) = (&answer["id"], answer["created_at"].as_str().unwrap());
    let created = stream.next_revision();
    let data = serde_json::json!({
        "id": id, "author__name": "Alice", "content": "a \"b\"\nc </script> ü", "created_at": time, "edited": false,
    });
    assert_eq!(created.data, data);
    let lines: Vec<_> = created.block.split('\n').collect();
    assert_eq!(lines[0], format!("id: {}", created.id.unwrap()));
    assert!(lines[1].starts_with("data: {\"id\":") && lines[2..] == ["", ""], "{lines:?}");
    let order: Vec<_> = ["\"id\"", "\"author__name\"", "\"content\"", "\"created_at\"", "\"edited\""]
        .map(|field| created.block.find(field).expect("every field is there"))
        .into();
    assert!(order.is_sorted(), "the fields stand in the promised order: {}", created.block);

    alice.edit(id.as_i64().unwrap(), "changed");
    let edited = stream.next_revision();
    let expected = format!(
        "id: {}\nevent: edited\ndata: {{\"id\":{id},\"content\":\"changed\",\"edited\":true}}\n\n",
        created.id.unwrap() + 1
    );
    assert_eq!(edited.block, expected);

    alice.delete(id.as_i64().unwrap());
    let deleted = stream.next_revision();
    let expected = format!("id: {}\nevent: deleted\ndata: {{\"id\":{id}}}\n\n", created.id.unwrap() + 2);
    assert_eq!(deleted.block, expected);
}

#[test]
fn silence_is_broken_by_a_ping() {
    let server = TestServer::with(&["--heartbeat-s", "1"]);
    let mut stream = server.sign_in("Alice").open_stream();
    assert_eq!(stream.wait_for("ping").block, "event: ping\ndata: {}\n\n");
    assert_eq!(stream.wait_for("ping").block, "event: ping\ndata: {}\n\n");
}

#[test]
fn a_stream_that_goes_live_is_told_who_is_there() {
    let server = TestServer::start_new();
    let (alice, bob) = (server.sign_in("Alice"), server.sign_in("Bob"));
    let mut first = alice.open_stream();
    let presence = first.wait_for("presence");
    assert_eq!(presence.block, "event: presence\ndata: {\"online\":[\"Alice\"],\"count\":1}\n\n");
    let mut second = bob.open_stream();
    let both = serde_json::json!({"online": ["Alice", "Bob"], "count": 2});
    assert_eq!(second.wait_for("presence").data, both);
    until("Alice to hear of Bob", || (first.wait_for("presence").data == both).then_some(()));
}

#[test]
fn two_windows_of_one_person_are_one_presence() {
    let server = TestServer::start_new();
    let alice = server.sign_in("Alice");
    let mut first = alice.open_stream();
    first.expect_live();
    let presence = alice.open_stream().wait_for("presence");
    assert_eq!(presence.data, serde_json::json!({"online": ["Alice"], "count": 1}));
}

// ---- Backlog and live ----

#[test]
fn the_whole_history_comes_first_and_then_what_is_new() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    for n in 0..300 {
        alice.send(&format!("old {n}"));
    }
    let mut stream = server.sign_in("Bob").open_stream();
    for n in 0..300 {
        stream.expect_message(&format!("old {n}"));
    }
    alice.send("new");
    stream.expect_message("new");
}

#[test]
fn a_backlog_can_be_asked_for_by_its_length() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    for n in 0..10 {
        alice.send(&format!("{n}"));
    }
    let mut stream = stream_at(&alice, "backlog=3");
    stream.expect_messages(&["7", "8", "9"]);
    let mut none = stream_at(&alice, "backlog=0");
    none.expect_live();
    let mut all = stream_at(&alice, "backlog=1000");
    all.expect_message("0");
    alice.send("live");
    stream.expect_message("live");
    none.expect_message("live");
}

#[test]
fn a_stream_resumes_behind_the_last_event_it_has_seen() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    for n in 0..5 {
        alice.send(&format!("{n}"));
    }
    let mut stream = alice.open_stream();
    stream.expect_message("0");
    let seen = stream.expect_message("1").id.unwrap();
    drop(stream);
    let mut by_header = alice.resume_stream(seen);
    by_header.expect_messages(&["2", "3", "4"]);
    let mut by_query = stream_at(&alice, &format!("last_event_id={seen}"));
    by_query.expect_messages(&["2", "3", "4"]);
    let mut at_head = alice.resume_stream(by_query.last_event_id());
    at_head.expect_live();
    alice.send("5");
    for mut stream in [by_header, by_query, at_head] {
        stream.expect_message("5");
    }
}

#[test]
fn the_header_beats_the_query() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    for n in 1..=5 {
        alice.send(&format!("{n}"));
    }
    let request = Request::get(&format!("{STREAM}?last_event_id=1")).header("Last-Event-ID", "3");
    alice.open_stream_with(request).expect_message("4");
    let request = Request::get(&format!("{STREAM}?last_event_id=1&backlog=1"));
    let mut stream = alice.open_stream_with(request);
    let first = stream.next_revision().content().to_owned();
    assert!(first == "2" || first == "5", "{first}");
}

#[test]
fn a_cursor_of_another_database_is_reset_and_gets_everything() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    alice.send("one");
    alice.send("two");
    for odd in ["3", "99999", "-1", "abc", "1.5", "18446744073709551616", "0x1", "1e3"] {
        let by_header = Request::get(STREAM).header("Last-Event-ID", odd);
        let by_query = Request::get(&format!("{STREAM}?last_event_id={odd}"));
        for request in [by_header, by_query] {
            let mut stream = alice.open_stream_with(request);
            let reset = stream.wait_for("reset");
            assert!(reset.id.is_none() && reset.block.contains("\ndata: "), "{odd}: {reset:?}");
            stream.expect_message("one");
            stream.expect_message("two");
        }
    }
    let mut from_zero = alice.resume_stream(0);
    from_zero.expect_message("one");
}

#[test]
fn an_edit_and_a_deletion_since_the_cursor_come_on_resuming() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let (kept, gone) = (alice.send("draft"), alice.send("mistake"));
    let mut stream = alice.open_stream();
    stream.expect_message("draft");
    let seen = stream.expect_message("mistake").id.unwrap();
    drop(stream);
    alice.edit(kept, "final");
    alice.delete(gone);
    let mut resumed = alice.resume_stream(seen);
    resumed.expect_edit(kept, "final");
    resumed.expect_deletion(gone);
}

#[test]
fn a_row_put_in_by_hand_reaches_every_stream() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let id = alice.send("first");
    let mut stream = alice.open_stream();
    stream.expect_message("first");
    stream.expect_live();
    let by_hand = server.sqlite();
    let insert =
        "INSERT INTO message (author_id, content) SELECT id, 'by hand' FROM author WHERE name = 'Alice'";
    by_hand.execute(insert, []).expect("a plain insert is enough");
    let event = stream.expect_message("by hand");
    assert_eq!(event.author(), "Alice");
    assert_eq!(event.data["created_at"].as_str().map(str::len), Some(24), "{event:?}");
    by_hand.execute("UPDATE message SET content = 'edited by hand' WHERE id = ?1", [id]).unwrap();
    stream.expect_edit(id, "edited by hand");
    by_hand.execute("DELETE FROM message WHERE id = ?1", [id]).unwrap();
    stream.expect_deletion(id);
    by_hand.execute_batch("PRAGMA foreign_keys = ON; DELETE FROM author WHERE name = 'Alice'").unwrap();
    stream.expect_deletion(event.message_id());
}

#[test]
fn a_stream_for_the_terminal_is_lines_of_name_and_text() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    alice.send("one");
    let mut lines = alice.open_stream_with(Request::get(STREAM).header("Accept", "text/plain"));
    assert_eq!(lines.head.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(lines.next_line(), "Alice: one");
    server.sign_in("Bob").send("two");
    assert_eq!(lines.next_line(), "Bob: two");
}

#[test]
fn a_stream_too_many_is_told_so_and_comes_back_later() {
    let server = TestServer::with(&["--max-streams", "2"]);
    let alice = server.sign_in("Alice");
    let (mut first, mut second) = (alice.open_stream(), alice.open_stream());
    first.expect_live();
    second.expect_live();
    let mut third = alice.open_stream();
    assert_eq!(third.head.status, 200);
    let full = third.wait_for("full");
    assert!(full.block.contains("retry: 15000\n") && full.block.contains("\ndata: "), "{full:?}");
    third.expect_end();
    drop(second);
    until("a place to be free again", || {
        let mut stream = alice.open_stream();
        let mut next = || match stream.read_on(Duration::from_secs(5)) {
            Outcome::Event(event) => Some(event.name),
            _ => None,
        };
        loop {
            match next()?.as_str() {
                "presence" => return Some(()),
                "full" => return None,
                _ => {}
            }
        }
    });
}

// ---- Many at once ----

#[test]
fn a_hundred_streams_opened_at_once_are_all_ready_within_a_second() {
    let server = TestServer::start_new();
    let alice = server.sign_in("Alice");
    let barrier = Arc::new(Barrier::new(100));
    let open = |_| {
        let (tab, barrier) = (alice.tab(), barrier.clone());
        thread::spawn(move || {
            barrier.wait();
            let started = Instant::now();
            let mut stream = tab.open_stream();
            stream.expect_live();
            (stream, started.elapsed())
        })
    };
    let threads: Vec<_> = (0..100).map(open).collect();
    let mut streams: Vec<_> =
        threads.into_iter().map(|thread| thread.join().expect("its stream is ready")).collect();
    let slowest = streams.iter().map(|(_, took)| *took).max().unwrap();
    // Half of the time is the test's own hundred threads on a small machine that runs other tests as well.
    assert!(slowest < Duration::from_secs(2), "the last was ready after {slowest:?}");
    alice.tab().send("everybody");
    for (stream, _) in &mut streams {
        stream.expect_message("everybody");
    }
}

/// Reads until the last message, coming and going at random, and gives the ids of all messages in their order.
fn read_with_breaks(tab: &Client, last: &str) -> Vec<i64> {
    let (mut ids, mut revisions) = (Vec::new(), Vec::new());
    let mut stream = tab.open_stream();
    loop {
        let event = stream.next_revision();
        revisions.push(event.id.unwrap());
        ids.push(event.message_id());
        if event.content() == last {
            assert!(revisions.is_sorted_by(|a, b| a < b), "not in the order of the log");
            return ids;
        }
        if rand::rng().random_ratio(1, 40) {
            stream = tab.resume_stream(stream.last_event_id());
        }
    }
}

#[test]
fn every_stream_sees_every_message_once_in_order_however_it_comes_and_goes() {
    const STREAMS: usize = 20;
    const POSTERS: usize = 8;
    const POSTS: usize = 40;
    let server = TestServer::start_new();
    let reader = server.sign_in("Reader");
    let read = |_| {
        let tab = reader.tab();
        thread::spawn(move || read_with_breaks(&tab, "the end"))
    };
    let readers: Vec<_> = (0..STREAMS).map(read).collect();
    let post = |poster: usize| {
        let mut client = server.sign_in(&format!("Poster {poster}"));
        thread::spawn(move || (0..POSTS).map(|n| client.send(&format!("{poster}.{n}"))).collect::<Vec<_>>())
    };
    let posters: Vec<_> = (0..POSTERS).map(post).collect();
    let mut sent: Vec<i64> =
        posters.into_iter().flat_map(|poster| poster.join().expect("it posts")).collect();
    sent.push(server.sign_in("Last").send("the end"));
    sent.sort_unstable();
    for reader in readers {
        assert_eq!(reader.join().expect("it reads"), sent);
    }
}

#[test]
fn streams_that_come_and_go_leave_nothing_behind() {
    let server = TestServer::start_new();
    let alice = server.sign_in("Alice");
    alice.open_stream().expect_live();
    let settled =
        until("the first to be gone", || (server.open_descriptors() > 0).then(|| server.open_descriptors()));
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut poster = alice.tab();
            while !stop.load(Ordering::SeqCst) {
                poster.send("noise");
            }
        });
        for _ in 0..200 {
            let mut stream = stream_at(&alice, "backlog=1");
            stream.wait_for("hello");
        }
        stop.store(true, Ordering::SeqCst);
    });
    until("the descriptors to come back", || (server.open_descriptors() <= settled + 4).then_some(()));
    until("the threads to end", || (server.threads() < 100).then_some(()));
}
