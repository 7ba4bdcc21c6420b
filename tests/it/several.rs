//! Several servers on one file, behind a proxy that sends each browser to any of them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::nginx::Nginx;
use crate::support::{Client, Launch, Outcome, Request, TempDir};

const READERS: usize = 6;
const POSTERS: usize = 3;
const POSTS: usize = 40;

/// How long the whole may take, with one server gone.
const LIMIT: Duration = Duration::from_secs(60);

/// Posts until it is stored: a server may go in the middle of it.
fn send_patiently(client: &mut Client, content: &str) -> i64 {
    let deadline = Instant::now() + LIMIT;
    while Instant::now() < deadline {
        let form = Request::post("/create-message/").form(&[("content", content), ("client_id", content)]);
        let form = client.with_csrf(form);
        match client.try_request(&form) {
            Ok(answer) if matches!(answer.status, 200 | 201) => return answer.id(),
            Ok(answer) => assert!(answer.status >= 500, "{}{}", answer.head, answer.text()),
            Err(_) => {}
        }
    }
    panic!("{content} was never stored");
}

/// Reads on from server to server, until `count` messages have come.
fn read_patiently(client: &Client, count: usize) -> Vec<i64> {
    let deadline = Instant::now() + LIMIT;
    let (mut seen, mut cursor) = (Vec::new(), 0);
    while seen.len() < count {
        assert!(Instant::now() < deadline, "{} of {count} messages came", seen.len());
        let resume = Request::get("/stream-chat-messages/").header("Last-Event-ID", &u64::to_string(&cursor));
        let Ok(mut stream) = client.try_open_stream(resume) else { continue };
        while seen.len() < count
            && let Outcome::Event(event) = stream.next_revision_within(Duration::from_secs(5))
        {
            assert_eq!(event.name, "message", "nothing begins again: {event:?}");
            seen.push(event.message_id());
            cursor = stream.last_event_id();
        }
    }
    seen
}

#[test]
fn nobody_misses_a_message_when_one_of_three_servers_is_killed() {
    let dir = TempDir::new();
    let file = dir.join("shared.db");
    let mut servers = [0, 1, 2].map(|_| Launch::new().db(&file).flags(&["--trusted-proxy"]).start());
    let Some(nginx) = Nginx::start(&[&servers[0], &servers[1], &servers[2]], |site| site) else { return };
    let come_in = |name: String| {
        let mut client = Client::new(nginx.port());
        client.sign_in(&name);
        client
    };
    let readers: Vec<_> = (0..READERS).map(|n| come_in(format!("Reader {n}"))).collect();
    let posters: Vec<_> = (0..POSTERS).map(|n| come_in(format!("Poster {n}"))).collect();
    let half = AtomicBool::new(false);
    let (sent, seen) = thread::scope(|scope| {
        let reading: Vec<_> =
            readers.iter().map(|reader| scope.spawn(|| read_patiently(reader, POSTERS * POSTS))).collect();
        let posting: Vec<_> = posters
            .into_iter()
            .enumerate()
            .map(|(p, mut poster)| {
                let half = &half;
                scope.spawn(move || {
                    let post = |n| {
                        half.fetch_or(n == POSTS / 2, Ordering::SeqCst);
                        send_patiently(&mut poster, &format!("{p}.{n}"))
                    };
                    (0..POSTS).map(post).collect::<Vec<_>>()
                })
            })
            .collect();
        crate::support::until("half of the messages", || half.load(Ordering::SeqCst).then_some(()));
        servers[1].kill();
        let sent: BTreeSet<i64> = posting.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        let seen: Vec<Vec<i64>> = reading.into_iter().map(|thread| thread.join().unwrap()).collect();
        (sent, seen)
    });
    assert_eq!(sent.len(), POSTERS * POSTS);
    let sent: Vec<i64> = sent.into_iter().collect();
    for ids in seen {
        assert_eq!(ids, sent, "each once, in the order of the log");
    }
}
