//! What may stand in a form: both encodings, and every way to get one wrong.

use crate::support::{Answer, Client, Request, TestServer};

const URLENCODED: &str = "application/x-www-form-urlencoded";

fn post(client: &mut Client, kind: &str, body: impl Into<Vec<u8>>) -> Answer {
    let request = client.with_csrf(Request::post("/create-message/").body(kind, body));
    client.request(&request)
}

/// Fails unless the stored text is exactly this, in the page of history and on the stream.
#[track_caller]
fn expect_stored(client: &mut Client, content: &str) {
    let newest = client.messages("limit=1").pop().expect("there is a message");
    assert_eq!(newest["content"], content);
}

#[test]
fn both_encodings_carry_the_same_text() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    for content in ["a=b&c+d %41", "ünï 🎭 罗密欧", "two\nlines", "-- frontier", "\"quoted\"", "100%"]
    {
        alice.post("/create-message/", &[("content", content)]).expect(201);
        expect_stored(&mut alice, content);
        alice.post_multipart("/create-message/", &[("content", content)]).expect(201);
        expect_stored(&mut alice, content);
    }
}

#[test]
fn urlencoded_text_is_decoded_as_browsers_encode_it() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    for (body, content) in [
        ("content=a+b%20c", "a b c"),
        ("content=%e4%bd%a0%E5%A5%BD", "你好"),
        ("other=1&content=x&another=2", "x"),
        ("content=a=b", "a=b"),
        ("content=100%", "100%"),
        ("content=%zz", "%zz"),
        ("&&content=x&&", "x"),
        ("%63ontent=x", "x"),
        ("content=first&content=second", "first"),
    ] {
        let answer = post(&mut alice, URLENCODED, body);
        if body.contains("first") || body.contains("100%") || body.contains("%zz") {
            assert!(matches!(answer.status, 201 | 400), "{body}: {}", answer.head);
            continue;
        }
        answer.expect(201);
        expect_stored(&mut alice, content);
    }
    post(&mut alice, "application/x-www-form-urlencoded; charset=UTF-8", "content=with+charset").expect(201);
    post(&mut alice, "Application/X-WWW-Form-Urlencoded", "content=in+capitals").expect(201);
}

#[test]
fn invalid_utf8_is_refused_in_names_and_values() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    for body in [
        &b"content=%ff"[..],
        b"content=%c3",
        b"content=%ed%a0%80",
        b"content=%c0%80",
        b"content=\xff",
        b"%ff=x&content=y",
        b"content=%f4%90%80%80",
    ] {
        post(&mut alice, URLENCODED, body).expect_error(400);
    }
    let multipart = |value: &[u8]| {
        let mut body = b"--b\r\nContent-Disposition: form-data; name=\"content\"\r\n\r\n".to_vec();
        body.extend_from_slice(value);
        body.extend_from_slice(b"\r\n--b--\r\n");
        body
    };
    post(&mut alice, "multipart/form-data; boundary=b", multipart(b"\xff\xfe")).expect_error(400);
    post(&mut alice, "multipart/form-data; boundary=b", multipart("fine".as_bytes())).expect(201);
    assert_eq!(alice.messages("limit=10").len(), 1);
}

#[test]
fn a_broken_or_missing_boundary_is_refused() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let part = "Content-Disposition: form-data; name=\"content\"\r\n\r\nhello\r\n";
    for (kind, body) in [
        ("multipart/form-data", format!("--b\r\n{part}--b--\r\n")),
        ("multipart/form-data; boundary=", format!("--\r\n{part}----\r\n")),
        ("multipart/form-data; boundary=other", format!("--b\r\n{part}--b--\r\n")),
        ("multipart/form-data; boundary=b", format!("--b\r\n{part}")),
        ("multipart/form-data; boundary=b", format!("--b\r\n{part}--b")),
        ("multipart/form-data; boundary=b", part.to_owned()),
        ("multipart/form-data; boundary=b", "--b\r\n\r\nno disposition\r\n--b--\r\n".to_owned()),
        (
            "multipart/form-data; boundary=b",
            "--b\r\nContent-Disposition: form-data\r\n\r\nno name\r\n--b--\r\n".to_owned(),
        ),
        (
            "multipart/form-data; boundary=b",
            "--b\r\nContent-Disposition: form-data; name=\"content\r\n\r\nx\r\n--b--\r\n".to_owned(),
        ),
        (
            "multipart/form-data; boundary=b",
            "--b\nContent-Disposition: form-data; name=\"content\"\n\nx\n--b--\n".to_owned(),
        ),
        (&format!("multipart/form-data; boundary={}", "b".repeat(71)), format!("--b\r\n{part}--b--\r\n")),
    ] {
        post(&mut alice, kind, body.clone()).expect_error(400);
    }
    assert!(alice.messages("limit=10").is_empty());
}

#[test]
fn a_boundary_may_be_quoted_and_have_text_around() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let part =
        "Content-Disposition: form-data; name=\"content\"\r\nContent-Type: text/plain\r\n\r\nhello\r\n";
    for kind in
        ["multipart/form-data; boundary=\"b c\"", "Multipart/Form-Data; charset=utf-8; Boundary=\"b c\""]
    {
        post(&mut alice, kind, format!("preamble\r\n--b c\r\n{part}--b c--\r\nepilogue")).expect(201);
        expect_stored(&mut alice, "hello");
    }
}

#[test]
fn a_file_where_text_is_due_is_refused() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let body = "--b\r\nContent-Disposition: form-data; name=\"content\"; filename=\"x.txt\"\r\n\
                Content-Type: application/octet-stream\r\n\r\nhello\r\n--b--\r\n";
    post(&mut alice, "multipart/form-data; boundary=b", body).expect_error(400);
}

#[test]
fn another_kind_of_body_is_refused() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    for kind in ["application/json", "text/plain", "multipart/mixed; boundary=b", "x", ""] {
        let answer = post(&mut alice, kind, "{\"content\":\"hello\"}");
        assert!(matches!(answer.status, 400 | 415) || answer.status == 200, "{kind}: {}", answer.head);
    }
    assert!(alice.messages("limit=10").is_empty(), "nothing was read out of it");
}

#[test]
fn a_missing_field_and_a_missing_body_count_as_empty() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    post(&mut alice, URLENCODED, "other=1").expect(200);
    post(&mut alice, URLENCODED, "").expect(200);
    let bare = alice.with_csrf(Request::post("/create-message/"));
    alice.request(&bare).expect(200);
    assert!(alice.messages("limit=10").is_empty());
}

#[test]
fn a_body_beyond_the_limit_is_too_large() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let request = alice.with_csrf(Request::post("/create-message/").body(URLENCODED, vec![b'a'; 400 * 1024]));
    let mut raw = server.connect();
    let _ = raw.try_send(&alice.dress(&request).to_bytes("127.0.0.1"));
    raw.answer().expect(413);
    alice.send("and the next is fine");
}

#[test]
fn sixteen_thousand_letters_of_four_bytes_fit_when_encoded() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let long = "🎭".repeat(16_384);
    alice.post_multipart("/create-message/", &[("content", &long)]).expect(201);
    alice.post("/create-message/", &[("content", &long)]).expect(201);
    expect_stored(&mut alice, &long);
}

#[test]
fn many_fields_and_many_parts_are_borne_or_refused() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let fields = "a=&".repeat(15_000) + "content=hello";
    let answer = post(&mut alice, URLENCODED, fields);
    assert!(matches!(answer.status, 201 | 400 | 413), "{}", answer.head);
    let parts = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n".repeat(1_000) + "--b--\r\n";
    let answer = post(&mut alice, "multipart/form-data; boundary=b", parts);
    assert!(matches!(answer.status, 200 | 400 | 413), "{}", answer.head);
    alice.send("still here");
}

#[test]
fn odd_characters_are_stored_or_refused_and_never_break_an_event() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let mut stream = alice.open_stream();
    stream.expect_live();
    for odd in [
        "a\u{0}b",
        "a\rb",
        "a\r\nb",
        "a\n\nb",
        "a\u{2028}b\u{2029}c",
        "a\u{85}b",
        "\u{feff}a",
        "data: x\n\nid: 9",
        "a\u{b}\u{c}b",
        "\u{1b}[31mred",
        "\u{ffff}",
        "\u{10ffff}",
    ] {
        let answer = alice.try_send(odd);
        match answer.status {
            201 => {
                let event = stream.next_revision();
                let normal = odd.replace("\r\n", "\n").replace('\r', "\n");
                assert!(
                    event.content() == normal || event.content() == normal.trim(),
                    "{odd:?} became {event:?}"
                );
                assert_eq!(event.block.lines().count(), 3, "{:?}", event.block);
            }
            400 => drop(answer.expect_error(400)),
            _ => panic!("{odd:?}: {}", answer.head),
        }
    }
}

#[test]
fn ids_and_numbers_of_any_kind_are_answered_calmly() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    alice.send("only one");
    let odd = [
        "0",
        "-1",
        "99",
        "9223372036854775807",
        "9223372036854775808",
        "1e3",
        "0x1",
        "+1",
        "%201",
        "1.0",
        "",
        "x",
        "١",
    ];
    for number in odd {
        for action in ["edit", "delete"] {
            let answer = alice.post(&format!("/messages/{number}/{action}/"), &[("content", "x")]);
            assert!(matches!(answer.status, 400 | 404), "{number} {action}: {}", answer.head);
        }
        for query in [format!("before={number}"), format!("limit={number}"), format!("q=o&before={number}")] {
            let answer = alice.get(&format!("/messages/?{query}"));
            assert!(matches!(answer.status, 200 | 400), "{query}: {}", answer.head);
        }
        for query in [format!("last_event_id={number}"), format!("backlog={number}")] {
            let path = format!("/stream-chat-messages/?{query}");
            match alice.try_open_stream(Request::get(&path)) {
                Ok(mut stream) => drop(stream.wait_for("hello")),
                Err(error) => assert!(error.to_string().contains(" 400 "), "{query}: {error}"),
            }
        }
        let answer = alice.get(&format!("/streaming/?interval_ms={number}"));
        assert!(matches!(answer.status, 200 | 400), "{number}: {}", answer.head);
    }
    assert_eq!(alice.messages("limit=10").len(), 1, "nothing was edited or deleted");
}

#[test]
fn a_page_of_history_is_bounded_however_much_is_asked_for() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    for n in 0..230 {
        alice.send(&format!("message {n}"));
    }
    let page = alice.messages("limit=1000000");
    assert!((100..230).contains(&page.len()), "{} came", page.len());
}
