//! Every route of the site map: what it answers to whom, and what the same path answers otherwise.

use crate::support::{Client, Request, TestServer};

const FOR_MEMBERS: [&str; 3] = ["/stream-chat-messages/", "/messages/", "/messages/?q=hello"];
const POSTS: [&str; 6] =
    ["/lobby/", "/create-message/", "/messages/1/edit/", "/messages/1/delete/", "/typing/", "/leave/"];

#[test]
fn without_a_session_the_chat_leads_to_the_lobby() {
    let server = TestServer::start_new();
    server.visitor().get("/").expect_redirect(302, "/lobby/");
}

#[test]
fn without_a_session_nothing_is_read() {
    let server = TestServer::start_new();
    for path in FOR_MEMBERS {
        server.visitor().get(path).expect_error(403);
        server.visitor().request(&Request::get(path).header("Accept", "text/html")).expect(403);
    }
}

#[test]
fn without_a_session_nothing_is_written() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let id = alice.send("mine");
    let mut visitor = server.visitor();
    visitor.post("/create-message/", &[("content", "hello")]).expect_error(403);
    visitor.post(&format!("/messages/{id}/edit/"), &[("content", "yours")]).expect_error(403);
    visitor.post(&format!("/messages/{id}/delete/"), &[]).expect_error(403);
    visitor.post("/typing/", &[]).expect_error(403);
    visitor.post("/leave/", &[]).expect_redirect(302, "/lobby/");
    assert_eq!(alice.messages("limit=10").len(), 1);
    alice.open_stream().expect_message("mine");
}

#[test]
fn with_a_session_every_page_is_there() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    alice.send("to be, or not to be");
    let page = alice.get("/").expect(200);
    assert!(page.text().contains("to be, or not to be"), "the history is already in the page");
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    alice.get("/lobby/").expect(200);
    alice.get("/messages/?limit=5").expect(200).json();
    alice.get("/messages/?q=not").expect(200).json();
    alice.post("/typing/", &[]).expect(204);
    alice.post("/leave/", &[]).expect_redirect(302, "/lobby/");
}

#[test]
fn health_is_a_real_answer_of_the_database() {
    let server = TestServer::start_new();
    assert_eq!(server.visitor().get("/healthz").expect(200).json()["status"], "ok");
}

#[test]
fn a_missing_slash_leads_to_the_route_with_its_query() {
    let server = TestServer::start_new();
    for (from, to) in [
        ("/lobby", "/lobby/"),
        ("/lobby?next=1&x=%20y", "/lobby/?next=1&x=%20y"),
        ("/stream-chat-messages?last_event_id=4", "/stream-chat-messages/?last_event_id=4"),
        ("/messages?q=a%26b", "/messages/?q=a%26b"),
        ("/admin", "/admin/"),
        ("/streaming?interval_ms=0", "/streaming/?interval_ms=0"),
    ] {
        server.visitor().get(from).expect_redirect(301, to);
        server.visitor().head(from).expect_redirect(301, to);
    }
}

#[test]
fn a_redirect_never_leaves_the_origin() {
    let server = TestServer::start_new();
    for path in ["//evil.example", "//evil.example/lobby", "/\\evil.example", "/lobby?x=//evil.example"] {
        let answer = server.visitor().get(path);
        let location = answer.header("location").unwrap_or("/");
        assert!(
            location.starts_with('/') && !location.starts_with("//") && !location.starts_with("/\\"),
            "{location}"
        );
    }
}

#[test]
fn what_is_not_on_the_map_is_not_found() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    for path in [
        "/nothing/",
        "/lobby/upstairs/",
        "/LOBBY/",
        "/static/",
        "/static/nothing.css",
        "/static/../Cargo.toml",
        "/static/%2e%2e/Cargo.toml",
        "/messages/x/edit/",
        "/favicon.png",
        "/lobby//",
        "/%00",
        "/chat.db",
    ] {
        let answer = alice.get(path);
        assert!(answer.status == 404 || answer.status == 400, "{path}: {}", answer.head);
        let answer = alice.request(&Request::get(path).header("Accept", "application/json"));
        assert!(answer.json()["error"].is_string(), "{path}");
    }
}

#[test]
fn a_known_path_with_another_method_says_which_it_takes() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let mut refused = |method: &str, path: &str, allowed: &str| {
        let request = alice.with_csrf(Request::new(method, path));
        let answer = alice.request(&request).expect(405);
        let allow = answer.header("allow").unwrap_or_else(|| panic!("no Allow: {}", answer.head));
        assert!(allow.contains(allowed) && !allow.contains(method), "{method} {path}: Allow: {allow}");
    };
    for path in ["/", "/stream-chat-messages/", "/messages/", "/streaming/", "/healthz", "/metrics"] {
        refused("POST", path, "GET");
        refused("DELETE", path, "GET");
    }
    for path in POSTS.into_iter().filter(|path| *path != "/lobby/") {
        refused("GET", path, "POST");
        refused("PUT", path, "POST");
    }
    refused("PATCH", "/lobby/", "GET");
    refused("OPTIONS", "/lobby/", "POST");
}

#[test]
fn head_is_the_get_without_its_body() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    alice.send("hello");
    for path in ["/", "/lobby/", "/messages/?limit=3", "/healthz"] {
        let (get, head) = (alice.get(path), alice.head(path));
        assert_eq!(get.status, head.status, "{path}");
        assert_eq!(get.header("content-length"), head.header("content-length"), "{path}");
        assert_eq!(get.header("content-type"), head.header("content-type"), "{path}");
    }
    alice.get("/healthz").expect(200);
}

#[test]
fn head_never_opens_a_stream() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let head = alice.head("/stream-chat-messages/").expect(200);
    assert_eq!(head.header("content-type"), Some("text/event-stream; charset=utf-8"));
    alice.head("/streaming/").expect(200);
    let mut fresh = server.sign_in("Bob");
    assert!(online(&mut fresh).iter().all(|name| name != "Alice"), "HEAD made Alice present");
}

fn online(client: &mut Client) -> Vec<String> {
    let presence = client.open_stream().wait_for("presence");
    let names = presence.data["online"].as_array().expect("a list of names").clone();
    names.iter().map(|name| name.as_str().expect("a name").to_owned()).collect()
}

#[test]
fn static_files_have_a_tag_and_are_kept_for_long() {
    let server = TestServer::start_new();
    let page = server.visitor().get("/lobby/").expect(200);
    let paths: Vec<_> = page.text().split('"').filter(|part| part.starts_with("/static/")).collect();
    assert!(!paths.is_empty(), "the page uses a style sheet");
    for path in paths {
        let file = server.visitor().get(path).expect(200);
        let tag = file.header("etag").unwrap_or_else(|| panic!("no ETag: {}", file.head));
        // Under the hash of the content it never changes; under its plain name it may, and is asked for again.
        let edition = path.trim_start_matches("/static/").contains('/');
        let kept = file.header("cache-control").is_some_and(|cache| cache.contains("max-age=31536000"));
        assert_eq!(kept, edition, "{}", file.head);
        assert_eq!(file.header("x-content-type-options"), Some("nosniff"));
        server.visitor().request(&Request::get(path).header("If-None-Match", tag)).expect(304);
    }
}

#[test]
fn every_page_has_its_security_headers_and_stays_on_its_origin() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    for path in ["/", "/lobby/", "/admin/", "/nothing/"] {
        let page = alice.request(&Request::get(path).header("Accept", "text/html"));
        let policy =
            page.header("content-security-policy").unwrap_or_else(|| panic!("no CSP: {}", page.head));
        assert!(
            !policy.contains("unsafe-inline") && policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(page.header("referrer-policy"), Some("same-origin"), "{path}");
        for foreign in ["src=\"http", "src=\"//", "href=\"//", "<style", "onclick=", "javascript:"] {
            assert!(!page.text().contains(foreign), "{path} contains {foreign}");
        }
    }
}

#[test]
fn errors_are_pages_for_browsers_and_json_for_scripts() {
    let server = TestServer::start_new();
    let page = server
        .visitor()
        .request(&Request::get("/nothing/").header("Accept", "text/html,*/*;q=0.8"))
        .expect(404);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let json = server.visitor().request(&Request::get("/nothing/").header("Accept", "application/json"));
    assert_eq!(json.header("content-type").map(|kind| kind.starts_with("application/json")), Some(true));
    json.expect_error(404);
    server.visitor().get("/nothing/").expect_error(404);
}

#[test]
fn a_foreign_host_name_is_misdirected() {
    let server = TestServer::with(&["--host", "chat.example", "--host", "second.example"]);
    let ask = |host: &str| server.visitor().request(&Request::get("/lobby/").header("Host", host));
    for ours in [
        "127.0.0.1",
        "127.0.0.1:8000",
        "localhost",
        "localhost:3000",
        "[::1]:80",
        "192.168.1.7:8000",
        "laptop.local",
        "chat.example",
        "CHAT.example:443",
        "second.example",
    ] {
        ask(ours).expect(200);
    }
    for foreign in
        ["evil.example", "chat.example.evil.example", "127.0.0.1.evil.example", "local", "xlocalhost", ""]
    {
        let answer = ask(foreign);
        assert!(matches!(answer.status, 421 | 400), "{foreign:?}: {}", answer.head);
    }
    ask("evil.example").expect(421);
}
#[test]
fn metrics_are_for_loopback_and_move() {
    let server = TestServer::start_new();
    let before = server.visitor().get("/metrics").expect(200);
    assert!(before.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")));
    server.sign_in("Alice").send("hello");
    let after = server.visitor().get("/metrics").expect(200);
    assert_ne!(before.text(), after.text(), "nothing moved");
    assert!(after.text().lines().any(|line| line.starts_with("# TYPE parlor_")), "{}", after.text());
}
