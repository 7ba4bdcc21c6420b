//! Two programs on one file: each stream of each sees every message once, in the order of the log.

use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Client, Launch, TempDir, TestServer};

/// Posts until it is stored: while the other program writes, a post may be asked to come back.
fn send_patiently(client: &mut Client, content: &str) -> i64 {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = client.post("/create-message/", &[("content", content), ("client_id", content)]);
        if answer.status != 503 || Instant::now() > deadline {
            assert!(matches!(answer.status, 200 | 201), "{}{}", answer.head, answer.text());
            return answer.id();
        }
        assert!(answer.header("retry-after").is_some(), "{}", answer.head);
    }
}

fn start_both(dir: &TempDir) -> [TestServer; 2] {
    let file = dir.join("shared.db");
    thread::scope(|scope| {
        let start = || scope.spawn(|| Launch::new().db(&file).start());
        let (first, second) = (start(), start());
        [first, second].map(|server| server.join().expect("both start on a file that neither had"))
    })
}

#[test]
fn two_that_start_at_once_on_a_new_file_agree_on_it() {
    for _ in 0..6 {
        let dir = TempDir::new();
        let [here, there] = start_both(&dir);
        here.sign_in("Alice").send("one file");
        there.sign_in("Bob").open_stream().expect_message("one file");
    }
}

#[test]
fn what_one_stores_the_other_streams() {
    let dir = TempDir::new();
    let [here, there] = start_both(&dir);
    let (mut alice, mut bob) = (here.sign_in("Alice"), there.sign_in("Bob"));
    let (mut alices, mut bobs) = (alice.open_stream(), bob.open_stream());
    alices.expect_live();
    bobs.expect_live();
    let id = alice.send("from here");
    bobs.expect_message("from here");
    bob.send("from there");
    alices.expect_messages(&["from here", "from there"]);
    alice.edit(id, "edited here");
    bobs.expect_message("from there");
    bobs.expect_edit(id, "edited here");
    alice.delete(id);
    bobs.expect_deletion(id);
}

#[test]
fn both_post_hard_and_every_stream_of_both_sees_every_message_once_in_order() {
    const POSTERS: usize = 4;
    const POSTS: usize = 50;
    const STREAMS: usize = 4;
    let dir = TempDir::new();
    let servers = start_both(&dir);
    let read = |server: &TestServer| {
        let reader = server.sign_in("Reader");
        (0..STREAMS).map(|_| reader.open_stream()).collect::<Vec<_>>()
    };
    let streams: Vec<_> = servers.iter().flat_map(read).collect();
    let mut sent: Vec<i64> = thread::scope(|scope| {
        let mut threads = Vec::new();
        for (s, server) in servers.iter().enumerate() {
            for p in 0..POSTERS {
                let mut client = server.sign_in(&format!("Poster {s}.{p}"));
                threads.push(scope.spawn(move || {
                    (0..POSTS)
                        .map(|n| send_patiently(&mut client, &format!("{s}.{p}.{n}")))
                        .collect::<Vec<_>>()
                }));
            }
        }
        threads.into_iter().flat_map(|thread| thread.join().expect("it posts")).collect()
    });
    sent.sort_unstable();
    for mut stream in streams {
        let (mut ids, mut revisions) = (Vec::new(), Vec::new());
        for _ in 0..sent.len() {
            let event = stream.next_revision();
            ids.push(event.message_id());
            revisions.push(event.id.unwrap());
        }
        assert!(revisions.is_sorted_by(|a, b| a < b), "not in the order of the log");
        assert_eq!(ids, sent);
    }
}

#[test]
fn one_may_go_and_come_while_the_other_serves() {
    let dir = TempDir::new();
    let [mut here, there] = start_both(&dir);
    let (mut alice, mut bob) = (here.sign_in("Alice"), there.sign_in("Bob"));
    let mut stream = bob.open_stream();
    alice.send("one");
    here.kill();
    bob.send("two");
    here.start();
    alice.send("three");
    here.restart();
    alice.send("four");
    stream.expect_messages(&["one", "two", "three", "four"]);
    alice.open_stream().expect_messages(&["one", "two", "three", "four"]);
}
