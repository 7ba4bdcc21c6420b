//! Requests no well-bred client sends: each is refused or answered once, and never taken for two.

use std::time::{Duration, Instant};

use crate::support::{Answer, Client, Raw, TestServer};

/// A message that would be stored, were the body of another request taken for a request of its own.
fn smuggled(alice: &mut Client) -> String {
    let token = alice.csrf_token();
    let session = alice.cookie("sessionid").expect("a session").to_owned();
    let form = "content=smuggled";
    format!(
        "POST /create-message/ HTTP/1.1\r\nHost: localhost\r\nCookie: sessionid={session}; csrftoken={token}\r\n\
         X-CSRFToken: {token}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    )
}

/// Everything the server answers to these bytes before it closes, or until it has nothing more to say.
fn answers(server: &TestServer, bytes: impl AsRef<[u8]>) -> Vec<Answer> {
    let mut raw = server.connect();
    // It may refuse and close before it has read everything.
    let _ = raw.try_send(bytes.as_ref());
    raw.finish();
    let mut answers = Vec::new();
    while let Some(answer) = raw.answer_or_end() {
        answers.push(answer);
    }
    answers
}

/// Fails unless the head with another request as its body gets one refusal and an end.
#[track_caller]
fn expect_refused(head: &str, statuses: &[u16]) {
    let mut server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    expect_refused_by(&mut server, &mut alice, head, statuses);
}

#[track_caller]
fn expect_refused_by(server: &mut TestServer, alice: &mut Client, head: &str, statuses: &[u16]) {
    let answers = answers(server, format!("{head}{}", smuggled(alice)));
    assert!(answers.len() <= 1, "{head:?} was taken for {} requests: {answers:?}", answers.len());
    for answer in &answers {
        assert!(statuses.contains(&answer.status), "{head:?} got {}", answer.head);
        assert_eq!(answer.header("connection"), Some("close"), "{head:?} got {}", answer.head);
    }
    assert!(!answers.is_empty() || statuses.is_empty(), "{head:?} got no answer");
    expect_unharmed(server, alice);
}

#[track_caller]
fn expect_unharmed(server: &mut TestServer, alice: &mut Client) {
    assert!(server.is_running(), "the server is gone");
    assert!(alice.messages("limit=10").is_empty(), "a second request came out of a body");
}

/// Heads that are not clear about their body, or not clear at all.
#[test]
fn a_head_that_is_not_clear_is_refused_and_the_connection_ends() {
    let mut server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let post = "POST /lobby/ HTTP/1.1\r\nHost: localhost\r\n";
    for lines in [
        "Content-Length: +5\r\n\r\n",
        "Content-Length: -5\r\n\r\n",
        "Content-Length: 5, 5\r\n\r\n",
        "Content-Length: 5 5\r\n\r\n",
        "Content-Length: five\r\n\r\n",
        "Content-Length: 0x5\r\n\r\n",
        "Content-Length: 5.0\r\n\r\n",
        "Content-Length: \r\n\r\n",
        "Content-Length: ٥\r\n\r\n",
        "Content-Length: 99999999999999999999999999\r\n\r\n",
        "Content-Length: 18446744073709551621\r\n\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
        "Content-Length: 0\r\nContent-Length: 5\r\n\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        "Transfer-Encoding: identity\r\n\r\n",
        "Transfer-Encoding: xchunked\r\n\r\n",
        "Transfer-Encoding: chunked, gzip\r\n\r\n",
        "Transfer-Encoding: gzip, chunked\r\n\r\n",
        "Transfer-Encoding: chunked, chunked\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
        "Transfer-Encoding: \"chunked\"\r\n\r\n",
        "Transfer-Encoding:\r\n\r\n",
        "Transfer-Encoding: \u{b}chunked\r\n\r\n",
        "X: y\r\n Content-Length: 5\r\n\r\n",
        "Content-Length:\r\n 5\r\n\r\n",
        "\tContent-Length: 5\r\n\r\n",
        "Content-Length : 5\r\n\r\n",
        "Content-Length\t: 5\r\n\r\n",
        "Transfer-Encoding : chunked\r\n\r\n",
        ": x\r\n\r\n",
        "A(b): x\r\n\r\n",
        "A b: x\r\n\r\n",
        "no colon\r\n\r\n",
        "X: a\0b\r\n\r\n",
        "X: a\rb\r\n\r\n",
        "X: a\nTransfer-Encoding: chunked\r\n\r\n",
        "X\0: y\r\n\r\n",
        "Host: another\r\n\r\n",
    ] {
        expect_refused_by(&mut server, &mut alice, &format!("{post}{lines}"), &[400, 411, 413, 501]);
    }
}

#[test]
fn a_request_line_that_is_not_one_is_refused() {
    let mut server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    for line in [
        "GET / HTTP/1.1 junk",
        " GET / HTTP/1.1",
        "GET  / HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET /",
        "GET",
        "GET / HTTP/0.9",
        "GET / HTTP/1.2",
        "GET / HTTP/2.0",
        "GET / HTTP/3.0",
        "GET / HTTP/11.1",
        "GET / http/1.1",
        "GET / HTTP/1.1\0",
        "G\u{1}T / HTTP/1.1",
        "GET /\u{0} HTTP/1.1",
        "GET / x HTTP/1.1",
        "GET HTTP/1.1",
        "(GET) / HTTP/1.1",
        "GET * HTTP/1.1",
        "GET lobby/ HTTP/1.1",
        "CONNECT localhost:80 HTTP/1.1",
        "PRI * HTTP/2.0",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}",
    ] {
        let head = format!("{line}\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nxyz");
        expect_refused_by(&mut server, &mut alice, &head, &[400, 404, 405, 501, 505]);
    }
}

#[test]
fn line_ends_that_are_not_are_refused() {
    let mut server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    for head in [
        "GET / HTTP/1.1\nHost: localhost\n\n",
        "GET / HTTP/1.1\rHost: localhost\r\r",
        "GET / HTTP/1.1\r\nHost: localhost\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\n\n",
    ] {
        expect_refused_by(&mut server, &mut alice, head, &[400]);
    }
}

#[test]
fn a_request_without_a_host_is_refused() {
    expect_refused("GET /lobby/ HTTP/1.1\r\n\r\n", &[400, 421]);
}

#[test]
fn an_absurd_length_is_too_large_and_the_server_lives() {
    let mut server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    for length in
        ["9000000000000000000", "9223372036854775807", "18446744073709551615", "100000000000", "4294967296"]
    {
        let mut raw = server.connect();
        raw.send(format!("POST /lobby/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\nabc"));
        let answer = raw.answer();
        assert_eq!((answer.status, answer.header("connection")), (413, Some("close")), "{}", answer.head);
        raw.expect_end();
    }
    expect_unharmed(&mut server, &mut alice);
}

#[test]
fn a_head_without_an_end_is_too_large() {
    let mut server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let start = "GET /lobby/ HTTP/1.1\r\nHost: localhost\r\n";
    for endless in [
        format!("GET /{} HTTP/1.1\r\n", "x".repeat(2_000_000)),
        format!("{start}X: {}", "x".repeat(2_000_000)),
        start.to_owned() + &"A: b\r\n".repeat(400_000),
        "x".repeat(2_000_000),
    ] {
        let mut raw = server.connect();
        let _ = raw.try_send(endless.as_bytes());
        if let Some(answer) = raw.answer_or_end() {
            assert!(matches!(answer.status, 400 | 414 | 431), "{}", answer.head);
        }
    }
    expect_unharmed(&mut server, &mut alice);
}

#[test]
fn a_head_of_a_reasonable_size_is_fine() {
    let server = TestServer::start_new();
    let mut raw = server.connect();
    let cookies = "pad=".to_owned() + &"x".repeat(3_500);
    let headers: String = (0..30).map(|n| format!("X-{n}: {n}\r\n")).collect();
    raw.send(format!("GET /lobby/ HTTP/1.1\r\nHost: localhost\r\nCookie: {cookies}\r\n{headers}\r\n"));
    raw.answer().expect(200);
}

#[test]
fn a_form_in_chunks_is_a_form() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let token = alice.csrf_token();
    let head = format!(
        "POST /create-message/ HTTP/1.1\r\nHost: localhost\r\nCookie: sessionid={}; csrftoken={token}\r\n\
         X-CSRFToken: {token}\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n",
        alice.cookie("sessionid").unwrap()
    );
    let mut raw = server.connect();
    for body in [
        "8\r\ncontent=\r\n5\r\nhello\r\n0\r\n\r\n",
        "D\r\ncontent=hello\r\n0\r\n\r\n",
        "000d\r\ncontent=hello\r\n000\r\n\r\n",
    ] {
        raw.send(format!("{head}{body}")).answer().expect(201);
    }
    raw.send(&head);
    for piece in ["1", "\r", "\n", "c", "\r", "\n", "c\r", "\nontent=hello\r\n", "0\r\n", "\r\n"] {
        raw.send(piece);
    }
    raw.answer().expect(201);
    assert_eq!(alice.messages("limit=10").len(), 4);
}

#[test]
fn chunks_that_are_not_clear_are_refused_and_the_connection_ends() {
    let mut server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let head = "POST /lobby/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    for body in [
        "+5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "g\r\n",
        "\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\nhello\n0\n\n",
        "ffffffffffffffff\r\nx",
        "fffffffffffffffffff\r\nx",
        "8000000000000000\r\nx",
        "7fffffff\r\nx",
    ] {
        expect_refused_by(&mut server, &mut alice, &format!("{head}{body}"), &[400, 413]);
    }
}

#[test]
fn extensions_and_trailers_are_read_over_or_refused_but_never_believed() {
    let mut server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let head = "POST /lobby/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    for body in [
        "5;name=value\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0;last\r\n\r\n",
        "5\r\nhello\r\n0\r\nX-Trailer: x\r\n\r\n",
        "5\r\nhello\r\n0\r\nContent-Length: 3\r\nCookie: sessionid=x\r\n\r\n",
    ] {
        let answers = answers(&server, format!("{head}{body}"));
        assert_eq!(answers.len(), 1, "{body:?}: {answers:?}");
        assert!(matches!(answers[0].status, 400 | 403 | 415), "{body:?}: {}", answers[0].head);
    }
    for flood in ["5;".to_owned() + &"x".repeat(1_000_000), "0\r\n".to_owned() + &"A: b\r\n".repeat(200_000)]
    {
        let answers = answers(&server, format!("{head}{flood}"));
        assert!(answers.iter().all(|answer| matches!(answer.status, 400 | 413 | 431)), "{answers:?}");
    }
    expect_unharmed(&mut server, &mut alice);
}

#[test]
fn a_body_in_endless_chunks_is_too_large() {
    let mut server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let head = "POST /lobby/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    for chunk in ["1\r\na\r\n".repeat(500_000), format!("10000\r\n{}\r\n", "a".repeat(0x10000)).repeat(20)] {
        let mut raw = server.connect();
        let _ = raw.try_send(format!("{head}{chunk}").as_bytes());
        if let Some(answer) = raw.answer_or_end() {
            answer.expect(413);
        }
    }
    expect_unharmed(&mut server, &mut alice);
}

#[test]
fn the_body_of_a_get_is_not_the_next_request() {
    let mut server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let hidden = smuggled(&mut alice);
    let head =
        format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", hidden.len());
    let answers = answers(&server, format!("{head}{hidden}"));
    assert_eq!(answers.len(), 1, "{answers:?}");
    expect_unharmed(&mut server, &mut alice);
}

#[test]
fn what_is_refused_early_does_not_leave_its_body_behind() {
    let mut server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let hidden = smuggled(&mut alice);
    for path in ["/nothing/", "/create-message/", "/healthz", "/static/x", "/stream-chat-messages/"] {
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", hidden.len());
        let answers = answers(&server, format!("{head}{hidden}"));
        assert_eq!(answers.len(), 1, "{path}: {answers:?}");
        let chunk = format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len());
        let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
        let answers = self::answers(&server, format!("{head}{chunk}"));
        assert_eq!(answers.len(), 1, "{path}: {answers:?}");
    }
    expect_unharmed(&mut server, &mut alice);
}

#[test]
fn an_upgrade_is_not_taken_up() {
    let mut server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let hidden = smuggled(&mut alice);
    for upgrade in ["websocket", "h2c", "TLS/1.0"] {
        let request = format!(
            "POST /lobby/ HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: {upgrade}\r\n\
             Content-Length: {}\r\n\r\n{hidden}GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            hidden.len()
        );
        let answers = answers(&server, request);
        assert!(answers.iter().all(|answer| answer.status != 101), "{answers:?}");
        assert!(answers.len() <= 2, "{answers:?}");
    }
    expect_unharmed(&mut server, &mut alice);
}

#[test]
fn an_absolute_form_is_the_path_in_it_or_refused() {
    let server = TestServer::start_new();
    let mut raw = server.connect();
    raw.send("GET http://localhost/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer = raw.answer();
    assert!(matches!(answer.status, 200 | 400), "{}", answer.head);
    let mut raw = server.connect();
    raw.send("GET http://evil.example/lobby/ HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer = raw.answer();
    assert!(matches!(answer.status, 400 | 404 | 421), "{}", answer.head);
}

#[test]
fn private_headers_of_the_crossing_are_not_taken_from_a_client() {
    let server = TestServer::with(&["--trusted-proxy"]);
    let alice = server.sign_in("Alice");
    let session = alice.cookie("sessionid").unwrap();
    for private in [
        "Parlor-Ticket: 1",
        "parlor-ticket: 0",
        "Parlor-Peer: 203.0.113.9",
        "PARLOR-PEER: x",
        "Parlor-Anything: x",
    ] {
        let mut raw = server.connect();
        raw.send(format!(
            "GET /messages/ HTTP/1.1\r\nHost: localhost\r\nCookie: sessionid={session}\r\n{private}\r\n\r\n"
        ));
        let answer = raw.answer();
        assert!(matches!(answer.status, 200 | 400), "{private}: {}", answer.head);
    }
    assert!(
        !server.said().contains("203.0.113.9"),
        "a header moved the peer from loopback: {}",
        server.said()
    );
}

#[test]
fn no_answer_shows_the_private_headers() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let stream = alice.open_stream();
    for answer in [alice.get("/"), alice.get("/lobby/"), alice.get("/nothing/"), stream.head.clone()] {
        assert!(!answer.head.to_lowercase().contains("parlor-"), "{}", answer.head);
        assert!(!answer.head.to_lowercase().contains("tiny-http"), "{}", answer.head);
    }
}

// ---- Manners that are unusual and right ----

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let token = alice.csrf_token();
    let session = alice.cookie("sessionid").unwrap().to_owned();
    let post = |n: usize| {
        let form = format!("content={n}");
        format!(
            "POST /create-message/ HTTP/1.1\r\nHost: localhost\r\nCookie: sessionid={session}; csrftoken={token}\r\n\
             X-CSRFToken: {token}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            form.len()
        )
    };
    let mut raw = server.connect();
    raw.send((0..50).map(post).collect::<String>());
    let ids: Vec<i64> = (0..50).map(|_| raw.answer().expect(201).id()).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    let stored: Vec<_> = alice
        .messages("limit=100")
        .iter()
        .map(|message| message["content"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(stored, (0..50).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_request_behind_a_stream_is_never_answered_into_it() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let mut raw = server.connect();
    let cookie =
        format!("Host: localhost\r\nCookie: sessionid={}\r\n\r\n", alice.cookie("sessionid").unwrap());
    raw.send(format!("GET /stream-chat-messages/ HTTP/1.1\r\n{cookie}GET /healthz HTTP/1.1\r\n{cookie}"));
    alice.send("hello");
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut came = String::new();
    while !came.contains("hello\"") {
        if raw.read_more(deadline).expect("the stream goes on or ends") == 0 {
            break;
        }
        came += &String::from_utf8(raw.take_unread()).expect("the stream is text");
    }
    assert_eq!(came.matches("HTTP/1.1 ").count(), 1, "{came}");
}

#[test]
fn a_thousand_requests_go_over_one_connection() {
    let server = TestServer::start_new();
    let mut raw = server.connect();
    for n in 0..1_000 {
        let answer = raw.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").answer().expect(200);
        assert_ne!(answer.header("connection"), Some("close"), "it was closed after {n}");
    }
}

#[test]
fn a_client_that_wants_to_close_is_closed_after_the_answer() {
    let server = TestServer::start_new();
    for (version, header, closes) in [
        ("1.1", "Connection: close\r\n", true),
        ("1.1", "Connection: keep-alive\r\n", false),
        ("1.0", "", true),
        ("1.1", "", false),
        ("1.1", "Connection: CLOSE, te\r\n", true),
    ] {
        let mut raw = server.connect();
        raw.send(format!("GET /healthz HTTP/{version}\r\nHost: localhost\r\n{header}\r\n"));
        raw.answer().expect(200);
        if closes {
            raw.expect_end();
        } else {
            raw.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").answer().expect(200);
        }
    }
}

#[test]
fn old_clients_get_pages_and_streams() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    alice.send("hello");
    let cookie = format!("Cookie: sessionid={}\r\n", alice.cookie("sessionid").unwrap());
    let page = server
        .connect()
        .send(format!("GET / HTTP/1.0\r\nHost: localhost\r\n{cookie}\r\n"))
        .answer()
        .expect(200);
    assert!(page.text().contains("hello"));
    let mut raw = server.connect();
    raw.send(format!("GET /stream-chat-messages/ HTTP/1.0\r\nHost: localhost\r\n{cookie}\r\n"));
    let deadline = Instant::now() + Duration::from_secs(10);
    let head = raw.take_head(deadline).unwrap().unwrap();
    assert!(head.contains(" 200 ") && !head.to_lowercase().contains("chunked"), "{head}");
    let mut came = String::from_utf8(raw.take_unread()).unwrap(); // with the head
    while !came.contains("\"hello\"") {
        assert!(raw.read_more(deadline).expect("the stream goes on") > 0, "it ended with {came:?}");
        came += &String::from_utf8(raw.take_unread()).unwrap();
    }
}

#[test]
fn a_client_that_asks_before_it_sends_is_told_to_go_on() {
    let server = TestServer::start_new();
    let mut raw = server.connect();
    let head = "POST /lobby/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\
                Content-Type: application/x-www-form-urlencoded\r\n\r\n";
    let go_on = raw.send(head).answer();
    assert_eq!(go_on.head, "HTTP/1.1 100 Continue\r\n\r\n");
    raw.send("username=x").answer().expect(403);
}

#[test]
fn a_client_that_asks_to_send_too_much_is_told_at_once() {
    let server = TestServer::start_new();
    let mut raw = server.connect();
    raw.send(
        "POST /lobby/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\nExpect: 100-continue\r\n\r\n",
    );
    raw.answer().expect(413);
    raw.expect_end();
    let mut raw = server.connect();
    raw.send("POST /lobby/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nExpect: miracles\r\n\r\nxyz");
    let answer = raw.answer();
    assert!(matches!(answer.status, 403 | 415 | 417), "{}", answer.head);
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let server = TestServer::start_new();
    let mut raw = server.connect();
    for byte in b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" {
        raw.send([*byte]);
    }
    raw.answer().expect(200);
}

#[test]
fn empty_lines_before_a_request_are_let_go_or_refused() {
    let server = TestServer::start_new();
    let answers =
        answers(&server, "\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert!(answers.len() == 1 && matches!(answers[0].status, 200 | 400), "{answers:?}");
}

#[test]
fn a_head_request_leaves_the_connection_in_step() {
    let server = TestServer::start_new();
    let mut raw: Raw = server.connect();
    for _ in 0..3 {
        raw.send("HEAD /lobby/ HTTP/1.1\r\nHost: localhost\r\n\r\n").answer_to("HEAD").expect(200);
        raw.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").answer().expect(200);
        raw.send("HEAD /stream-chat-messages/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .answer_to("HEAD")
            .expect(403);
    }
}

#[test]
fn random_bytes_never_hurt() {
    use rand::RngExt;
    let mut server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let valid = smuggled(&mut alice).into_bytes();
    let mut random = rand::rng();
    for _ in 0..300 {
        let mut bytes = valid.clone();
        for _ in 0..random.random_range(1..6) {
            let at = random.random_range(0..bytes.len());
            match random.random_range(0..3) {
                0 => bytes[at] = random.random(),
                1 => bytes.insert(at, random.random()),
                _ => drop(bytes.remove(at)),
            }
        }
        let answers = answers(&server, &bytes);
        assert!(answers.len() <= 2, "{answers:?} to {:?}", String::from_utf8_lossy(&bytes));
        assert!(
            answers.iter().all(|answer| answer.status < 500 || answer.status == 501 || answer.status == 505),
            "{answers:?}"
        );
    }
    assert!(server.is_running());
    alice.send("unharmed");
}
