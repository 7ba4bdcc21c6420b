//! What was said before: pages of history, search, edits and deletions.

use serde_json::Value;

use crate::support::{Client, TestServer};

fn contents(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["content"].as_str().expect("a message has text")).collect()
}

fn say(client: &mut Client, texts: &[&str]) -> Vec<i64> {
    texts.iter().map(|text| client.send(text)).collect()
}

#[test]
fn a_page_of_history_has_the_newest_last() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let ids = say(&mut alice, &["one", "two", "three", "four", "five"]);
    assert_eq!(contents(&alice.messages("limit=3")), ["three", "four", "five"]);
    assert_eq!(contents(&alice.messages(&format!("before={}&limit=2", ids[2]))), ["one", "two"]);
    assert!(alice.messages(&format!("before={}", ids[0])).is_empty());
    assert_eq!(alice.messages("").len(), 5);
}

#[test]
fn a_message_in_history_is_the_message_of_the_stream() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    alice.send("hello");
    let event = alice.open_stream().expect_message("hello");
    let message = &alice.messages("limit=1")[0];
    for field in ["id", "author__name", "content", "created_at", "edited"] {
        assert_eq!(message[field], event.data[field], "{field}");
    }
}

#[test]
fn search_finds_text_anywhere_newest_first() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let ids = say(&mut alice, &["a rose by any other name", "prose", "nothing", "ROSES", "你好，世界"]);
    assert_eq!(contents(&alice.messages("q=rose")), ["ROSES", "prose", "a rose by any other name"]);
    assert_eq!(
        contents(&alice.messages(&format!("q=rose&before={}", ids[3]))),
        ["prose", "a rose by any other name"]
    );
    assert_eq!(
        contents(&alice.messages("q=%E4%B8%96")),
        ["你好，世界"],
        "one character of Chinese is enough"
    );
    assert!(alice.messages("q=thorn").is_empty());
}

#[test]
fn search_takes_every_sign_as_itself() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    say(&mut alice, &["100%", "snake_case", "quote \" quote", "it's", "back\\slash", "(a OR b)*", "plain"]);
    for (query, found) in [
        ("%25", "100%"),
        ("_", "snake_case"),
        ("%22", "quote \" quote"),
        ("'", "it's"),
        ("%5C", "back\\slash"),
        ("OR", "(a OR b)*"),
        ("*", "(a OR b)*"),
        (")", "(a OR b)*"),
    ] {
        assert_eq!(contents(&alice.messages(&format!("q={query}"))), [found], "{query}");
    }
    for query in ["%27%20OR%201=1--", "NEAR(", "%22%22%22", "a%00b"] {
        assert!(alice.messages(&format!("q={query}")).is_empty(), "{query}");
    }
    let answer = alice.get(&format!("/messages/?q={}", "x".repeat(2_000)));
    assert!(matches!(answer.status, 200 | 400), "{}", answer.head);
}

#[test]
fn search_follows_edits_and_deletions() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let ids = say(&mut alice, &["first draft", "second draft"]);
    alice.edit(ids[0], "final version");
    alice.delete(ids[1]);
    assert!(alice.messages("q=draft").is_empty());
    assert_eq!(contents(&alice.messages("q=final")), ["final version"]);
}

#[test]
fn an_edit_reaches_every_stream() {
    let server = TestServer::start_new();
    let (mut alice, bob) = (server.sign_in("Alice"), server.sign_in("Bob"));
    let mut stream = bob.open_stream();
    let id = alice.send("helo");
    stream.expect_message("helo");
    alice.edit(id, "hello");
    let event = stream.expect_edit(id, "hello");
    assert_eq!(event.data["edited"], true);
    assert_eq!(alice.messages("limit=1")[0]["edited"], true);
    assert!(bob.tab().get("/").text().contains("hello"));
}

#[test]
fn a_deletion_reaches_every_stream() {
    let server = TestServer::start_new();
    let (mut alice, bob) = (server.sign_in("Alice"), server.sign_in("Bob"));
    let mut stream = bob.open_stream();
    let id = alice.send("oops");
    stream.expect_message("oops");
    alice.delete(id);
    let event = stream.expect_deletion(id);
    assert_eq!(event.block, format!("id: {}\nevent: deleted\ndata: {{\"id\":{id}}}\n\n", event.id.unwrap()));
    assert!(alice.messages("limit=10").is_empty());
    assert!(!bob.tab().get("/").text().contains("oops"));
}

#[test]
fn only_the_author_edits_and_deletes() {
    let server = TestServer::start_new();
    let (mut alice, mut bob) = (server.sign_in("Alice"), server.sign_in("Bob"));
    let id = alice.send("mine");
    bob.post(&format!("/messages/{id}/edit/"), &[("content", "yours")]).expect_error(403);
    bob.post(&format!("/messages/{id}/delete/"), &[]).expect_error(403);
    assert_eq!(contents(&bob.messages("limit=1")), ["mine"]);
}

#[test]
fn what_is_unknown_or_deleted_is_not_found() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let id = alice.send("gone");
    alice.delete(id);
    for id in [id, id + 1, 123_456] {
        alice.post(&format!("/messages/{id}/edit/"), &[("content", "x")]).expect_error(404);
        alice.post(&format!("/messages/{id}/delete/"), &[]).expect_error(404);
    }
}

#[test]
fn an_edit_keeps_the_rules_of_a_message() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let id = alice.send("text");
    let mut edit =
        |content: &str| alice.post(&format!("/messages/{id}/edit/"), &[("content", content)]).status;
    assert!(matches!(edit(&"x".repeat(16_385)), 400 | 413));
    assert!(matches!(edit("  "), 200 | 400));
    assert_eq!(edit("a\r\nb"), 200);
    assert_eq!(contents(&alice.messages("limit=1")), ["a\nb"]);
}

#[test]
fn a_deleted_message_is_not_in_a_backlog_and_an_edited_one_has_its_present_text() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let ids = say(&mut alice, &["one", "two", "three"]);
    alice.edit(ids[0], "one, edited");
    alice.delete(ids[1]);
    let mut stream = alice.open_stream();
    let first = stream.expect_message("one, edited");
    assert_eq!(first.data["edited"], true);
    stream.expect_message("three");
}

#[test]
fn a_browser_without_javascript_pages_and_searches() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    alice.send("a rose by any other name");
    alice.send("something else");
    let request = crate::support::Request::get("/messages/?q=rose").header("Accept", "text/html,*/*;q=0.8");
    let page = alice.request(&request).expect(200);
    assert!(
        page.text().contains("by any other name") && !page.text().contains("something else"),
        "{}",
        page.text()
    );
}
