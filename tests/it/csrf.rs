//! Who may make a browser post: the token, the origin, the fetch metadata.

use crate::support::{Client, Request, TestServer};

fn send(client: &mut Client, dress: impl Fn(Request) -> Request) -> u16 {
    client.request(&dress(Request::post("/create-message/").form(&[("content", "hello")]))).status
}

#[test]
fn without_a_token_nothing_is_posted() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    for path in
        ["/lobby/", "/create-message/", "/messages/1/edit/", "/messages/1/delete/", "/typing/", "/leave/"]
    {
        alice.request(&Request::post(path).form(&[("content", "x"), ("username", "y")])).expect_error(403);
    }
    alice.send("still signed in");
}

#[test]
fn a_wrong_token_is_no_token() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let right = alice.csrf_token();
    for wrong in [
        "",
        "x",
        &right[1..],
        &format!("{right}x"),
        &"a".repeat(right.len()),
        &"a".repeat(32),
        &"b".repeat(64),
    ] {
        assert_eq!(send(&mut alice, |request| request.header("X-CSRFToken", wrong)), 403, "{wrong:?}");
    }
}

#[test]
fn a_token_counts_from_the_header_and_from_the_field() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let token = alice.csrf_token();
    assert_eq!(send(&mut alice, |request| request.header("X-CSRFToken", &token)), 201);
    let fields = [("content", "hello"), ("csrfmiddlewaretoken", token.as_str())];
    alice.request(&Request::post("/create-message/").form(&fields)).expect(201);
    alice.request(&Request::post("/create-message/").multipart(&fields)).expect(201);
}

#[test]
fn the_token_in_the_page_counts_too() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let page = alice.get("/").expect(200);
    let field = page.text().split("name=\"csrfmiddlewaretoken\"").nth(1).expect("the form has the field");
    let token =
        field.split("value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("it has a value");
    let fields = [("content", "hello"), ("csrfmiddlewaretoken", token)];
    alice.request(&Request::post("/create-message/").form(&fields)).expect(201);
}

#[test]
fn a_token_without_its_cookie_is_no_token() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let token = alice.csrf_token();
    alice.forget_cookie("csrftoken");
    assert_eq!(send(&mut alice, |request| request.header("X-CSRFToken", &token)), 403);
}

#[test]
fn an_empty_cookie_and_an_empty_token_do_not_match() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    alice.set_cookie("csrftoken", "");
    assert_eq!(send(&mut alice, |request| request.header("X-CSRFToken", "")), 403);
    let field = Request::post("/create-message/").form(&[("content", "x"), ("csrfmiddlewaretoken", "")]);
    alice.request(&field).expect(403);
}

#[test]
fn a_post_from_another_origin_is_refused_even_with_the_token() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let token = alice.csrf_token();
    let own = format!("http://127.0.0.1:{}", server.port());
    let host = own.trim_start_matches("http://").to_owned();
    let mut from = |origin: &str| {
        send(&mut alice, |request| {
            request.header("Host", &host).header("X-CSRFToken", &token).header("Origin", origin)
        })
    };
    assert_eq!(from(&own), 201);
    for foreign in [
        "http://evil.example",
        "null",
        "http://127.0.0.1:1",
        "http://127.0.0.1.evil.example",
        "file://",
        "garbage",
    ] {
        assert_eq!(from(foreign), 403, "{foreign}");
    }
}

#[test]
fn a_post_that_another_site_made_the_browser_send_is_refused() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let token = alice.csrf_token();
    let mut from = |site: &str| {
        send(&mut alice, |request| request.header("X-CSRFToken", &token).header("Sec-Fetch-Site", site))
    };
    assert_eq!(from("same-origin"), 201);
    assert_eq!(from("none"), 201);
    for foreign in ["cross-site", "same-site", "anything"] {
        assert_eq!(from(foreign), 403, "{foreign}");
    }
}
