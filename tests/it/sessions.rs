//! Staying in: the cookie, who holds it, and how it ends.

use crate::support::{Request, TestServer};

#[test]
fn the_cookie_is_kept_from_scripts_and_other_sites() {
    let server = TestServer::start_new();
    let answer = server.visitor().post("/lobby/", &[("username", "Alice")]).expect(302);
    let cookie = answer.cookie("sessionid").expect("a session");
    for part in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=1209600"] {
        assert!(cookie.contains(part), "{part} is missing in {cookie}");
    }
    assert!(!cookie.contains("Secure"), "plain HTTP on localhost has no use for Secure");
}

#[test]
fn behind_https_the_cookie_is_secure() {
    let server = TestServer::with(&["--trusted-proxy"]);
    let mut visitor = server.visitor();
    let request = visitor.with_csrf(Request::post("/lobby/").form(&[("username", "Alice")]));
    let answer = visitor.request(&request.header("X-Forwarded-Proto", "https")).expect(302);
    assert!(answer.cookie("sessionid").is_some_and(|cookie| cookie.contains("Secure")), "{}", answer.head);
}

#[test]
fn a_proxy_nobody_trusts_is_not_believed() {
    let server = TestServer::start_new();
    let mut visitor = server.visitor();
    let request = visitor.with_csrf(Request::post("/lobby/").form(&[("username", "Alice")]));
    let answer = visitor.request(&request.header("X-Forwarded-Proto", "https")).expect(302);
    assert!(answer.cookie("sessionid").is_some_and(|cookie| !cookie.contains("Secure")), "{}", answer.head);
}

#[test]
fn a_token_is_long_and_never_given_twice() {
    let server = TestServer::start_new();
    let mut tokens: Vec<_> = (0..20)
        .map(|n| server.sign_in(&format!("Guest {n}")).cookie("sessionid").expect("a session").to_owned())
        .collect();
    // 128 bits are 22 characters of base64 and 32 of hex.
    assert!(tokens.iter().all(|token| token.len() >= 22), "{tokens:?}");
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 20);
}

#[test]
fn two_people_keep_their_names_apart() {
    let server = TestServer::start_new();
    let (mut alice, mut bob) = (server.sign_in("Alice"), server.sign_in("Bob"));
    alice.send("I am Alice");
    bob.send("I am Bob");
    let mut stream = alice.open_stream();
    assert_eq!(stream.expect_message("I am Alice").author(), "Alice");
    assert_eq!(stream.expect_message("I am Bob").author(), "Bob");
}

#[test]
fn a_session_survives_a_restart() {
    let mut server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    alice.send("before");
    server.restart();
    alice.send("after");
    let mut stream = alice.open_stream();
    stream.expect_message("before");
    stream.expect_message("after");
}

#[test]
fn a_session_survives_a_kill() {
    let mut server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    server.kill();
    server.start();
    alice.send("nothing happened");
}

#[test]
fn leaving_ends_the_session_for_whoever_has_the_token() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let mut copy = alice.tab();
    let answer = alice.post("/leave/", &[]).expect_redirect(302, "/lobby/");
    assert!(answer.cookie("sessionid").is_some(), "the cookie is taken back: {}", answer.head);
    copy.get("/").expect_redirect(302, "/lobby/");
    copy.try_send("am I still here?").expect(403);
}

#[test]
fn leaving_ends_the_streams_of_the_session_and_frees_the_name() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let mut stream = alice.open_stream();
    stream.expect_live();
    alice.post("/leave/", &[]).expect(302);
    stream.expect_end();
}

#[test]
fn a_forged_token_is_nobody() {
    let server = TestServer::start_new();
    let real = server.sign_in("Alice").cookie("sessionid").unwrap().to_owned();
    let mut last_changed = real.clone();
    let last = last_changed.pop().unwrap();
    last_changed.push(if last == 'a' { 'b' } else { 'a' });
    for forged in
        ["", "x", &"a".repeat(32), &last_changed, &real.to_uppercase().replace('A', "B"), &"f".repeat(4000)]
    {
        let request = Request::get("/messages/").header("Cookie", &format!("sessionid={forged}"));
        server.visitor().request(&request).expect(403);
    }
    server
        .visitor()
        .request(&Request::get("/messages/").header("Cookie", &format!("sessionid={real}")))
        .expect(200);
}

#[test]
fn odd_cookies_lock_nobody_out() {
    let server = TestServer::start_new();
    let alice = server.sign_in("Alice");
    let session = format!("sessionid={}", alice.cookie("sessionid").unwrap());
    for jar in [
        format!("other=привет; {session}"),
        format!("{session}; name=\"quoted; semicolon\""),
        format!("; ;=;==; a; {session};"),
        format!("a=b;{session}"),
        format!("{}; {session}", "pad=".to_owned() + &"x".repeat(2000)),
        format!("$Version=1; {session}; $Path=/"),
        format!("sessionidx=1; xsessionid=2; {session}"),
    ] {
        server.visitor().request(&Request::get("/messages/").header("Cookie", &jar)).expect(200);
    }
    let two_lines = Request::get("/messages/").header("Cookie", "first=1").header("Cookie", &session);
    server.visitor().request(&two_lines).expect(200);
}

#[test]
fn a_doubled_session_cookie_never_opens_what_neither_opens() {
    let server = TestServer::start_new();
    let request = Request::get("/messages/").header("Cookie", "sessionid=a; sessionid=b");
    server.visitor().request(&request).expect(403);
    let alice = server.sign_in("Alice");
    let jar = format!("sessionid=stale; sessionid={}", alice.cookie("sessionid").unwrap());
    let answer = server.visitor().request(&Request::get("/messages/").header("Cookie", &jar));
    assert!(matches!(answer.status, 200 | 403), "{}", answer.head);
}

#[test]
fn bytes_that_are_not_utf8_in_a_cookie_lock_nobody_out() {
    let server = TestServer::start_new();
    let alice = server.sign_in("Alice");
    let mut raw = server.connect();
    raw.send("GET /messages/ HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: other=").send([0xff, 0xfe, 0xe9]);
    raw.send(format!("; sessionid={}\r\n\r\n", alice.cookie("sessionid").unwrap()));
    raw.answer().expect(200);
}

#[test]
fn the_database_keeps_no_token_that_opens_a_session() {
    let mut server = TestServer::start_new();
    let token = server.sign_in("Alice").cookie("sessionid").unwrap().to_owned();
    server.terminate();
    let file = std::fs::read(server.db()).expect("the database can be read");
    assert!(
        !file.windows(token.len()).any(|window| window == token.as_bytes()),
        "a stolen file opens no session"
    );
}
