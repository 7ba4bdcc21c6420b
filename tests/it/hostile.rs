//! Text that would like to be more than text: in the page, in JSON, on the stream, in names and searches.

use crate::support::{Client, Request, TestServer};

/// Each wants to break out of some place: HTML, an attribute, a script, an event, a line, a direction, a query.
const HOSTILE: [&str; 18] = [
    "<script>alert(1)</script>",
    "</textarea></title><img src=x onerror=alert(1)>",
    "\" onmouseover=\"alert(1)",
    "' onmouseover='alert(1)",
    "<!-- --><![CDATA[ ]]>",
    "&lt;script&gt; &amp; &#60;",
    "javascript:alert(1)",
    "{{ title }} {% raw %} ${alert(1)} <%= 1 %>",
    "data: {\"id\":1}\n\nid: 99\nevent: reset\ndata: {}\n\n",
    "\u{2028}\u{2029}",
    "\u{202e}gnp.exe\u{202c}",
    "\u{200b}zero\u{200d}width\u{feff}",
    "Z̸̢̛͖̬̈́a̷̧̛l̵̡̛g̶̢̛o̸̡̧",
    "👩‍👩‍👧‍👦🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "'; DROP TABLE message; --",
    "\\\" \\u003c \\n",
    "]]></script><svg onload=alert(1)>",
    "http://evil.example/\"onclick=alert(1)",
];

/// What of it a page may never contain as it came.
fn breaks_out(text: &str) -> Vec<&str> {
    let dangerous = [
        "<script",
        "</textarea",
        "</title",
        "<img",
        "<svg",
        "<!--",
        "<![CDATA",
        "\" on",
        "' on",
        "\"onclick",
    ];
    dangerous.into_iter().filter(|part| text.contains(part)).collect()
}

fn page(client: &mut Client) -> String {
    client.request(&Request::get("/").header("Accept", "text/html")).expect(200).text().to_owned()
}

#[test]
fn hostile_messages_are_text_in_the_page_in_json_and_on_the_stream() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let mut stream = server.sign_in("Bob").open_stream();
    stream.expect_live();
    for text in HOSTILE {
        let clean = page(&mut alice);
        let answer = alice.try_send(text);
        if answer.status == 400 || answer.status == 200 {
            continue;
        }
        answer.expect(201);
        let event = stream.next_revision();
        assert_eq!(event.content().trim(), text.trim());
        assert_eq!(event.block.lines().count(), 3, "{:?}", event.block);
        assert_eq!(alice.messages("limit=1")[0]["content"], event.data["content"]);
        let page = page(&mut alice);
        for part in breaks_out(text) {
            assert_eq!(
                page.matches(part).count(),
                clean.matches(part).count(),
                "{text:?} broke out with {part:?}"
            );
        }
    }
}

#[test]
fn hostile_names_are_text_or_refused() {
    let server = TestServer::start_new();
    for text in HOSTILE {
        let mut client = server.visitor();
        let answer = client.post("/lobby/", &[("username", text)]);
        // What is trimmed to nothing is given a name.
        if text.trim().is_empty() {
            continue;
        }
        if answer.status != 302 {
            let page = client.post_as_browser("/lobby/", &[("username", text)]).expect(400);
            for part in breaks_out(text) {
                assert!(
                    !page.text().contains(&format!("value=\"{text}")),
                    "{text:?} broke out with {part:?}"
                );
            }
            continue;
        }
        client.send("hello");
        let mut stream = client.open_stream_with(Request::get("/stream-chat-messages/?backlog=1"));
        assert_eq!(stream.wait_for("hello").data["you"], text.trim());
        assert_eq!(stream.expect_message("hello").author(), text.trim());
        stream.expect_live();
        let page = page(&mut client);
        for part in breaks_out(text) {
            let own = page.matches(part).count();
            let lobby = server.sign_in("Plain").get("/").text().matches(part).count();
            assert!(own <= lobby, "{text:?} broke out with {part:?}");
        }
    }
}

#[test]
fn a_refused_name_comes_back_as_text() {
    let server = TestServer::start_new();
    let hostile = "\"><script>alert(1)</script>\u{202e}";
    let page = server.visitor().post_as_browser("/lobby/", &[("username", hostile)]).expect(400);
    assert!(!page.text().contains("<script>alert"), "{}", page.text());
}

#[test]
fn hostile_searches_find_text_and_nothing_else() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    alice.send("plain");
    for text in HOSTILE {
        let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let found = alice.messages(&format!("q={encoded}"));
        assert!(found.is_empty(), "{text:?} found {found:?}");
        let request = Request::get(&format!("/messages/?q={encoded}")).header("Accept", "text/html");
        let answer = alice.request(&request);
        if answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html")) {
            assert!(
                breaks_out(text).iter().all(|part| !part.starts_with("<s") || !answer.text().contains(text))
            );
        }
    }
    assert_eq!(alice.messages("q=plain").len(), 1);
}

#[test]
fn hostile_paths_and_queries_come_back_as_text() {
    let server = TestServer::start_new();
    for path in [
        "/%3Cscript%3Ealert(1)%3C/script%3E",
        "/<script>alert(1)</script>",
        "/lobby/?next=%22%3E%3Cscript%3E",
    ] {
        let answer = server.visitor().request(&Request::get(path).header("Accept", "text/html"));
        assert!(!answer.text().contains("<script>"), "{}", answer.text());
    }
    for value in ["a%0d%0aSet-Cookie:%20x=y", "%E2%80%A8", "%00"] {
        let answer = server.visitor().get(&format!("/lobby?x={value}"));
        assert!(answer.cookie("x").is_none(), "{}", answer.head);
    }
}

#[test]
fn a_terminal_gets_no_control_characters() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let mut lines =
        alice.open_stream_with(Request::get("/stream-chat-messages/").header("Accept", "text/plain"));
    if alice.try_send("\u{1b}]0;owned\u{7}\u{1b}[2J red").status == 201 {
        let line = lines.next_line();
        assert!(!line.contains(['\u{1b}', '\u{7}']), "{line:?}");
    }
    alice.send("two\nMallory: lines");
    let line = lines.next_line();
    assert!(line.starts_with("Alice: two"), "{line:?}");
    alice.send("after");
    let next = lines.next_line();
    assert!(!next.starts_with("Mallory: "), "nobody speaks with another's name: {next:?}");
}

#[test]
fn what_is_logged_is_never_the_text_nor_a_forged_line() {
    let mut server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    alice.send("a secret nobody logs");
    alice.get("/messages/?q=another+secret");
    server.visitor().get("/%0aforged%20line");
    let mut raw = server.connect();
    raw.send("GET /\u{1b}[31m HTTP/1.1\r\nHost: localhost\r\n\r\n").answer_or_end();
    server.terminate();
    let said = server.said();
    assert!(!said.contains("secret nobody logs"), "{said}");
    assert!(!said.contains('\u{1b}') && !said.contains("\nforged"), "{said:?}");
    assert!(!said.contains(alice.cookie("sessionid").unwrap()), "a token in the log");
}
