//! Writing: 201 when it is on disk, 200 when there was nothing to store, 403, 413, 429 with a reason.

use crate::support::{Request, TestServer};

#[test]
fn a_message_is_answered_with_its_id_and_its_time() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let first = alice.try_send("hello").expect(201).json();
    let second = alice.try_send("again").expect(201).json();
    assert!(second["id"].as_i64() > first["id"].as_i64());
    let time = first["created_at"].as_str().expect("a time");
    assert_eq!(time.len(), "2026-01-02T03:04:05.678Z".len(), "{time}");
    assert!(time.ends_with('Z') && time.as_bytes()[10] == b'T' && time.as_bytes()[19] == b'.', "{time}");
}

#[test]
fn an_answer_of_201_means_that_it_is_in_the_file() {
    let server = TestServer::start_new();
    let id = server.sign_in("Alice").send("hello");
    let stored: String = server
        .sqlite()
        .query_row("SELECT content FROM message WHERE id = ?1", [id], |row| row.get(0))
        .expect("the row is there");
    assert_eq!(stored, "hello");
}

#[test]
fn nothing_and_only_spaces_are_not_stored() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    for empty in ["", " ", "\n\n", " \t\r\n ", "\u{3000}\u{a0}"] {
        alice.try_send(empty).expect(200);
    }
    assert!(alice.messages("limit=10").is_empty());
}

#[test]
fn line_ends_become_newlines() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    alice.send("one\r\ntwo\rthree\nfour");
    alice.open_stream().expect_message("one\ntwo\nthree\nfour");
}

#[test]
fn a_message_has_at_most_16384_characters() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let longest = "ü".repeat(16_384);
    alice.send(&longest);
    alice.send(&"x\r\n".repeat(8_192));
    let answer = alice.try_send(&"x".repeat(16_385));
    assert!(matches!(answer.status, 400 | 413), "{}", answer.head);
    assert!(answer.json()["error"].is_string());
    assert_eq!(alice.messages("limit=10").len(), 2);
    alice.open_stream().expect_message(&longest);
}

#[test]
fn letters_of_every_script_come_back_as_they_went() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let mut stream = server.sign_in("Bob").open_stream();
    for text in [
        "Zwölf Boxkämpfer",
        "Ελληνικά",
        "Русский",
        "עברית",
        "العربية",
        "हिन्दी",
        "ไทย",
        "日本語",
        "한국어",
        "简体中文",
        "𝔐𝔞𝔱𝔥",
        "👩‍👩‍👧‍👦 🏳️‍🌈",
        "e\u{301} é",
        "\\n \\u0041 \"'`",
        "</script><script>",
        "{{ name }} %s ${x}",
    ] {
        alice.send(text);
        stream.expect_message(text);
    }
}

#[test]
fn the_same_client_id_is_stored_once_and_gets_the_same_id() {
    let server = TestServer::start_new();
    let (mut alice, mut bob) = (server.sign_in("Alice"), server.sign_in("Bob"));
    let fields = [("content", "hello"), ("client_id", "a-1")];
    let id = alice.post("/create-message/", &fields).expect(201).id();
    assert_eq!(alice.post("/create-message/", &fields).expect(200).id(), id);
    assert_eq!(alice.tab().post("/create-message/", &fields).expect(200).id(), id);
    assert_ne!(bob.post("/create-message/", &fields).expect(201).id(), id, "another author's is another");
    assert_ne!(
        alice.post("/create-message/", &[("content", "hello"), ("client_id", "a-2")]).expect(201).id(),
        id
    );
    assert_eq!(alice.messages("limit=10").len(), 3);
}

#[test]
fn the_same_client_id_at_the_same_instant_is_stored_once() {
    let server = TestServer::start_new();
    let alice = server.sign_in("Alice");
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let post = |_| {
            let mut tab = alice.tab();
            scope.spawn(move || {
                tab.post("/create-message/", &[("content", "once"), ("client_id", "same")]).status
            })
        };
        let threads: Vec<_> = (0..8).map(post).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|&&status| status == 201).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|&&status| status == 200).count(), 7, "{statuses:?}");
    assert_eq!(alice.tab().messages("limit=10").len(), 1);
}

#[test]
fn a_client_id_survives_a_restart() {
    let mut server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let fields = [("content", "hello"), ("client_id", "a-1")];
    let id = alice.post("/create-message/", &fields).expect(201).id();
    server.restart();
    assert_eq!(alice.post("/create-message/", &fields).expect(200).id(), id);
}

#[test]
fn a_client_id_has_at_most_64_characters() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let mut with = |id: &str| alice.post("/create-message/", &[("content", "x"), ("client_id", id)]);
    with(&"c".repeat(64)).expect(201);
    with(&"c".repeat(65)).expect_error(400);
    with("").expect(201);
    with("").expect(201);
}

#[test]
fn ten_in_a_burst_and_then_patience() {
    let server = TestServer::with(&["--rate", "1"]);
    let (mut alice, mut bob) = (server.sign_in("Alice"), server.sign_in("Bob"));
    for n in 0..10 {
        alice.send(&format!("burst {n}"));
    }
    let refused = (0..5).map(|_| alice.try_send("one more")).find(|answer| answer.status == 429);
    let refused = refused.expect("the burst has an end").expect_error(429);
    let wait: u64 = refused.header("retry-after").expect("it says when").parse().expect("in seconds");
    assert!((1..=10).contains(&wait), "Retry-After: {wait}");
    bob.send("the limit is each session's own");
    let id = crate::support::until("the rate to allow one more", || {
        let answer = alice.try_send("patience");
        (answer.status == 201).then(|| answer.id())
    });
    assert!(id > 10);
}

#[test]
fn a_rate_of_zero_is_no_limit() {
    let server = TestServer::with(&["--rate", "0"]);
    let mut alice = server.sign_in("Alice");
    for n in 0..40 {
        alice.send(&format!("{n}"));
    }
}

#[test]
fn a_browser_without_javascript_is_led_back_to_the_chat() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    alice.post_as_browser("/create-message/", &[("content", "by hand")]).expect_redirect(303, "/");
    alice.post_as_browser("/create-message/", &[("content", " ")]).expect_redirect(303, "/");
    assert!(alice.get("/").expect(200).text().contains("by hand"));
}

#[test]
fn typing_is_seen_by_the_others_and_never_stored() {
    let server = TestServer::start_new();
    let (mut alice, bob) = (server.sign_in("Alice"), server.sign_in("Bob"));
    let mut stream = bob.open_stream();
    stream.expect_live();
    alice.post("/typing/", &[]).expect(204);
    let typing = stream.wait_for("typing");
    assert_eq!((typing.id, &typing.data["name"]), (None, &"Alice".into()));
    alice.send("done");
    stream.expect_message("done");
    let mut later = bob.open_stream();
    later.expect_message("done");
    let rows: i64 = server.sqlite().query_row("SELECT count(*) FROM revision", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 1);
}

#[test]
fn text_from_the_shell_is_as_good_as_any() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let mut lines =
        alice.open_stream_with(Request::get("/stream-chat-messages/").header("Accept", "text/plain"));
    assert!(lines.head.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")));
    alice.send("to the terminal");
    assert_eq!(lines.next_line(), "Alice: to the terminal");
}
