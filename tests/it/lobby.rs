//! Coming in: names given, made up, refused; and a passphrase at the door.

use crate::support::{Answer, Launch, Request, TestServer, until};

fn sign_in(server: &TestServer, name: &str) -> Answer {
    server.visitor().post("/lobby/", &[("username", name)])
}

/// The name the session was given, as its own stream says it.
fn name_of(client: &crate::support::Client) -> String {
    let hello = client.open_stream().wait_for("hello");
    hello.data["you"].as_str().expect("hello says who you are").to_owned()
}

#[test]
fn the_sign_in_page_has_a_form_and_sets_the_csrf_cookie() {
    let server = TestServer::start_new();
    let page = server.visitor().get("/lobby/").expect(200);
    let text = page.text();
    for part in ["<form", "name=\"username\"", "name=\"csrfmiddlewaretoken\"", "<title>"] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    assert!(!text.contains("name=\"passphrase\""), "nobody asked for a passphrase");
    assert!(page.cookie("csrftoken").is_some_and(|cookie| cookie.contains("Path=/")), "{}", page.head);
}

#[test]
fn a_name_leads_to_the_chat() {
    let server = TestServer::start_new();
    let answer = sign_in(&server, "Viola").expect_redirect(302, "/");
    assert!(answer.cookie("sessionid").is_some());
}

#[test]
fn names_of_every_script_are_welcome_and_trimmed() {
    let server = TestServer::start_new();
    for (given, kept) in [
        ("  Viola  ", "Viola"),
        ("\tSir Toby Belch\n", "Sir Toby Belch"),
        ("罗密欧", "罗密欧"),
        ("Ромео", "Ромео"),
        ("روميو", "روميو"),
        ("👩\u{1F3FD}", "👩\u{1F3FD}"),
        ("O'Brien & <b>Sons</b>", "O'Brien & <b>Sons</b>"),
        ("{{ name }}", "{{ name }}"),
        ("x'); DROP TABLE author;--", "x'); DROP TABLE author;--"),
    ] {
        let mut client = server.visitor();
        client.sign_in(given);
        assert_eq!(name_of(&client), kept);
    }
}

#[test]
fn a_name_has_at_most_500_characters() {
    let server = TestServer::start_new();
    sign_in(&server, &"x".repeat(500)).expect(302);
    sign_in(&server, &"ü".repeat(500)).expect(302);
    sign_in(&server, &"🎭".repeat(500)).expect(302);
    sign_in(&server, &"x".repeat(501)).expect(400);
    sign_in(&server, &"x".repeat(20_000)).expect(400);
}

#[test]
fn names_that_would_deceive_are_refused_with_the_reason() {
    let server = TestServer::start_new();
    for odd in [
        "a\u{0}b",
        "a\nb",
        "a\rb",
        "a\tb",
        "a\u{7f}b",
        "a\u{85}b",
        "Al\u{200b}ice",
        "Al\u{200d}ice",
        "\u{feff}Alice",
        "\u{202e}ecilA",
        "Al\u{2066}ice",
        "Al\u{200f}ice",
        "Al\u{2060}ice",
        "\u{200b}",
        "\u{202e}",
    ] {
        let answer = sign_in(&server, odd).expect(400);
        assert!(!answer.text().is_empty(), "{odd:?} is refused without a word");
        assert!(answer.cookie("sessionid").is_none(), "{odd:?} got a session");
    }
}

#[test]
fn a_refused_browser_sees_the_page_again_with_the_reason() {
    let server = TestServer::start_new();
    let mut visitor = server.visitor();
    let page = visitor.post_as_browser("/lobby/", &[("username", "a\u{202e}b")]).expect(400);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.text().contains("name=\"username\""), "the form is there to try again");
}

#[test]
fn an_empty_name_is_given_one_from_the_stage() {
    let server = TestServer::start_new();
    let mut names = Vec::new();
    for empty in ["", "   ", "\t\n"] {
        let mut client = server.visitor();
        client.sign_in(empty);
        let name = name_of(&client);
        let (character, suffix) = name.rsplit_once('-').unwrap_or_else(|| panic!("no suffix: {name}"));
        assert!(
            !character.is_empty() && character.chars().all(|c| c.is_alphabetic() || " -'".contains(c)),
            "{name}"
        );
        assert!(suffix.len() >= 4 && suffix.chars().all(|c| c.is_ascii_alphanumeric()), "{name}");
        names.push(name);
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 3, "each gets another");
}

#[test]
fn a_missing_field_counts_as_an_empty_one() {
    let server = TestServer::start_new();
    server.visitor().post("/lobby/", &[]).expect_redirect(302, "/");
}

#[test]
fn a_name_that_is_present_is_in_use_and_a_free_variant_is_offered() {
    let server = TestServer::start_new();
    let alice = server.sign_in("Alice");
    let mut stream = alice.open_stream();
    stream.expect_live();
    let answer = server.visitor().post_as_browser("/lobby/", &[("username", "Alice")]).expect(409);
    assert!(answer.cookie("sessionid").is_none());
    let page = answer.text();
    assert!(
        page.matches("Alice").count() >= 2 && page.contains("Alice-") || page.contains("Alice "),
        "{page}"
    );

    drop(stream);
    let mut watch = server.sign_in("Bob").open_stream();
    watch.expect_live();
    sign_in(&server, "Alice").expect(409);
}

#[test]
fn the_one_who_is_present_may_sign_in_again_under_the_same_name() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    alice.open_stream().expect_live();
    alice.sign_in("Alice");
    alice.send("still me");
}

#[test]
fn a_name_nobody_uses_now_is_free_and_stays_one_author() {
    let server = TestServer::start_new();
    let mut first = server.sign_in("Alice");
    first.send("one");
    let mut second = server.sign_in("Alice");
    second.send("two");
    let authors: i64 =
        server.sqlite().query_row("SELECT count(*) FROM author", [], |row| row.get(0)).unwrap();
    assert_eq!(authors, 1, "an author is one row for a name");
}

#[test]
fn signing_in_again_changes_the_name_and_the_token() {
    let server = TestServer::start_new();
    let mut client = server.sign_in("Cesario");
    let before = client.cookie("sessionid").unwrap().to_owned();
    client.sign_in("Viola");
    assert_ne!(client.cookie("sessionid").unwrap(), before);
    client.send("I am not that I play");
    assert_eq!(client.open_stream().next_revision().author(), "Viola");
}

#[test]
fn a_passphrase_is_asked_for_and_needed() {
    let server = TestServer::with(&["--passphrase", "open sesame"]);
    let page = server.visitor().get("/lobby/").expect(200);
    assert!(page.text().contains("name=\"passphrase\""));
    assert!(!page.text().contains("open sesame"));
    for wrong in ["", "open", "Open Sesame", "open sesame "] {
        let mut visitor = server.visitor();
        let answer = visitor.post("/lobby/", &[("username", "Alice"), ("passphrase", wrong)]);
        let right_when_trimmed = wrong.trim() == "open sesame" && answer.status == 302;
        assert!(answer.status == 403 || right_when_trimmed, "{wrong:?}: {}", answer.head);
    }
    let mut alice = server.visitor();
    alice.post("/lobby/", &[("username", "Alice"), ("passphrase", "open sesame")]).expect_redirect(302, "/");
    alice.send("I am in");
}

#[test]
fn guessing_the_passphrase_is_slowed_down_and_others_still_come_in() {
    let server = Launch::new().flags(&["--passphrase", "open sesame"]).start();
    let mut member = server.visitor();
    member.post("/lobby/", &[("username", "Alice"), ("passphrase", "open sesame")]).expect(302);
    let mut guesses = 0;
    let refused = until("a guess that is refused unread", || {
        guesses += 1;
        let guess = format!("guess {guesses}");
        let answer = server.visitor().post("/lobby/", &[("username", "Eve"), ("passphrase", &guess)]);
        (answer.status == 429).then_some(answer)
    });
    assert!(guesses <= 50, "{guesses} guesses were free");
    let wait: u64 =
        refused.header("retry-after").expect("it says when to come back").parse().expect("in seconds");
    assert!((1..=3600).contains(&wait), "Retry-After: {wait}");
    member.send("no guesser keeps a member from talking");
}

#[test]
fn the_title_stands_in_the_page_as_text() {
    let server = TestServer::with(&["--title", "<i>Globe</i> & Co"]);
    let page = server.visitor().get("/lobby/").expect(200);
    assert!(page.text().contains("&lt;i&gt;Globe&lt;/i&gt; &amp; Co"));
    assert!(!page.text().contains("<i>Globe"));
}

#[test]
fn the_page_is_there_in_the_language_asked_for() {
    let server = TestServer::start_new();
    for (asked, lang) in [("de", "en"), ("zh-CN,zh;q=0.9", "zh"), ("en-GB", "en"), ("zh;q=0, en", "en")] {
        let page =
            server.visitor().request(&Request::get("/lobby/").header("Accept-Language", asked)).expect(200);
        assert!(page.text().contains(&format!("<html lang=\"{lang}")), "{asked}: {}", page.text());
    }
}
