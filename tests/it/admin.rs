//! The administrator: how one becomes it, what it sees and does, and that every open page is told.

use std::fs;
use std::thread;

use rusqlite::Connection;

use crate::support::{Answer, Client, Launch, Outcome, Request, TempDir, TestServer, program, until};

const HTML: &str = "text/html,application/xhtml+xml;q=0.9";
const PAGES: [&str; 4] = ["/admin/messages/", "/admin/authors/", "/admin/people/", "/admin/figures/"];
const SECRET: &str = "a secret of sixteen";

/// The path of the link that the server printed when it was started last.
fn link(server: &TestServer) -> String {
    let link = until("the admin link", || {
        let printed = server.printed();
        let line = printed.lines().rfind(|line| line.starts_with("parlor: admin at "))?;
        Some(line["parlor: admin at ".len()..].to_owned())
    });
    let path = link.strip_prefix(&server.url("")).unwrap_or_else(|| panic!("a link to elsewhere: {link}"));
    path.to_owned()
}

/// Somebody who has followed the link.
fn admin(server: &TestServer) -> Client {
    let mut admin = server.visitor();
    admin.get(&link(server)).expect_redirect(303, "/admin/");
    admin
}

/// Fills in a form of the pages; the answer leads back to one of them.
#[track_caller]
fn act(admin: &mut Client, path: &str, fields: &[(&str, &str)]) -> String {
    let answer = admin.post_as_browser(path, fields).expect(303);
    let page = admin.get(answer.header("location").expect("somewhere")).expect(200);
    assert!(page.text().contains("role=\"status\""), "it says what was done: {}", page.text());
    page.text().to_owned()
}

fn author_id(server: &TestServer, name: &str) -> i64 {
    let select = "SELECT id FROM author WHERE name = ?1";
    server.sqlite().query_row(select, [name], |row| row.get(0)).expect("there is such an author")
}

fn ask_html(client: &mut Client, path: &str) -> Answer {
    client.request(&Request::get(path).header("Accept", HTML))
}

// ---- Coming in ----

#[test]
fn the_link_that_was_printed_opens_once() {
    let server = TestServer::start_new();
    let link = link(&server);
    let lines: Vec<_> = server.printed().lines().map(str::to_owned).collect();
    assert!(lines[0].starts_with("parlor: listening on ") && !lines[0].contains("admin"), "{lines:?}");
    server.visitor().head(&link).expect(200);
    let mut admin = server.visitor();
    let answer = admin.get(&link).expect_redirect(303, "/admin/");
    let cookie = answer.cookie("adminid").expect("a session").to_owned();
    for part in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=43200"] {
        assert!(cookie.contains(part), "{part} in {cookie}");
    }
    assert!(!cookie.contains("Secure"), "{cookie}");
    assert!(admin.get("/admin/").expect(200).text().contains("/admin/messages/"));
    server.visitor().get(&link).expect_error(403);
    let page = ask_html(&mut server.visitor(), &link).expect(403);
    assert!(page.text().contains("name=\"token\"") && page.text().contains("role=\"status\""));
    admin.get(&link).expect_redirect(303, "/admin/");
    let token = link.split_once('=').expect("a token").1;
    assert!(!server.said().contains(token), "the log holds the token");
}

#[test]
fn the_token_can_be_typed() {
    let server = TestServer::start_new();
    let token = link(&server).split_once('=').expect("a token").1.to_owned();
    let mut admin = server.visitor();
    assert!(ask_html(&mut admin, "/admin/").expect(200).text().contains("name=\"token\""));
    admin.post_as_browser("/admin/", &[("token", "wrong")]).expect(403);
    admin.post_as_browser("/admin/", &[("token", "")]).expect(403);
    admin.post_as_browser("/admin/", &[("token", &token)]).expect_redirect(303, "/admin/");
    admin.get("/admin/figures/").expect(200);
    admin.post_as_browser("/admin/leave/", &[]).expect_redirect(303, "/admin/");
    admin.get("/admin/figures/").expect_redirect(303, "/admin/");
}

#[test]
fn a_session_outlives_a_restart_and_a_link_does_not() {
    let mut server = TestServer::start_new();
    let unused = link(&server);
    let mut visitor = server.visitor();
    server.restart();
    until("a new link", || (link(&server) != unused).then_some(()));
    visitor.get(&unused).expect_error(403);
    let mut admin = admin(&server);
    let session = admin.cookie("adminid").expect("a session").to_owned();
    server.restart();
    admin.get("/admin/").expect(200);
    server.sqlite().execute("UPDATE admin_session SET seen_at = seen_at - 43200", []).unwrap();
    admin.get("/admin/people/").expect_redirect(303, "/admin/");
    assert!(!server.said().contains(&session), "the log holds the session");
}

#[test]
fn a_token_in_a_file_is_good_for_as_long_as_the_server_runs() {
    let dir = TempDir::new();
    let file = dir.join("token");
    fs::write(&file, format!("  {SECRET}\n")).unwrap();
    let server = Launch::new().setting("PARLOR_ADMIN_TOKEN_FILE", file.to_str().unwrap()).start();
    for _ in 0..2 {
        let mut admin = server.visitor();
        admin.post_as_browser("/admin/", &[("token", SECRET)]).expect_redirect(303, "/admin/");
        admin.get("/admin/figures/").expect(200);
    }
    server.visitor().get("/admin/?token=a+secret+of+sixteen").expect_redirect(303, "/admin/");
    assert!(!server.printed().contains("token"), "{}", server.printed());
}

#[test]
fn a_token_file_that_is_no_good_is_one_line() {
    let dir = TempDir::new();
    fs::write(dir.join("short"), "fifteen letters\n").unwrap();
    for name in ["short", "missing"] {
        let mut command = program();
        command.args(["--port", "0", "--db"]).arg(dir.join("chat.db"));
        let output = command.arg("--admin-token-file").arg(dir.join(name)).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.starts_with("parlor: ") && said.contains(name) && said.lines().count() == 1, "{said:?}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn guessing_tokens_is_slowed_down() {
    let server = TestServer::start_new();
    let link = link(&server);
    let mut visitor = server.visitor();
    let refused = until("a 429", || {
        let answer = visitor.get("/admin/?token=guess");
        assert!(matches!(answer.status, 403 | 429), "{}", answer.head);
        (answer.status == 429).then_some(answer)
    });
    assert!(refused.header("retry-after").is_some(), "{}", refused.head);
    visitor.post("/admin/", &[("token", "guess")]).expect_error(429);
    server.visitor().get(&link).expect_error(429);
    assert!(server.said().contains("wrong token"));
}

#[test]
fn behind_https_the_cookie_stays_there() {
    let server = TestServer::with(&["--trusted-proxy"]);
    let request = Request::get(&link(&server)).header("X-Forwarded-Proto", "https");
    let answer = server.visitor().request(&request).expect(303);
    assert!(answer.cookie("adminid").expect("a session").contains("Secure"), "{}", answer.head);
}

#[test]
fn nobody_else_sees_or_does_anything() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let id = alice.send("mine");
    let author = author_id(&server, "Alice");
    let actions = [
        format!("/admin/messages/{id}/delete/"),
        format!("/admin/authors/{author}/rename/"),
        format!("/admin/authors/{author}/delete/"),
        format!("/admin/authors/{author}/delete-messages/"),
        "/admin/people/kick/".into(),
        "/admin/people/block/".into(),
        "/admin/people/lift/".into(),
    ];
    let fields = [("confirm", "yes"), ("name", "Alice"), ("minutes", "1")];
    let session = alice.cookie("sessionid").expect("a session").to_owned();
    for forged in ["", "x", session.as_str(), "00000000000000000000000000000000"] {
        alice.set_cookie("adminid", forged);
        for page in PAGES.iter().chain(&["/admin/backup/"]) {
            let answer = alice.get(page).expect_redirect(303, "/admin/");
            assert!(answer.body.is_empty());
        }
        for action in &actions {
            alice.post(action, &fields).expect_error(403);
        }
    }
    let mut admin = admin(&server);
    for action in &actions {
        admin.request(&Request::post(action).form(&fields)).expect_error(403);
        let foreign = admin.with_csrf(Request::post(action).form(&fields));
        admin.request(&foreign.clone().header("Origin", "http://evil.example")).expect_error(403);
        admin.request(&foreign.header("Sec-Fetch-Site", "cross-site")).expect_error(403);
    }
    assert_eq!(alice.messages("limit=9").len(), 1);
}

// ---- Messages ----

#[test]
fn text_that_would_be_more_stays_text_on_every_page() {
    let server = TestServer::start_new();
    let hostile = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;{{ t.admin }}";
    let mut alice = server.sign_in(hostile);
    alice.send(hostile);
    let mut stream = alice.open_stream();
    stream.expect_live();
    let mut admin = admin(&server);
    let author = author_id(&server, hostile);
    act(&mut admin, "/admin/people/block/", &[("name", hostile), ("minutes", "5")]);
    let mut texts: Vec<_> = PAGES.iter().map(|page| admin.get(page).expect(200).text().to_owned()).collect();
    let search = "/admin/messages/?q=%3Cscript%3E%22%27";
    texts.push(admin.get(search).expect(200).text().to_owned());
    texts.push(admin.get("/admin/messages/?q=%3Cscript%3Ealert").expect(200).text().to_owned());
    let confirm = format!("/admin/authors/{author}/delete/");
    texts.push(admin.post_as_browser(&confirm, &[]).expect(200).text().to_owned());
    assert!(texts.iter().filter(|text| text.contains("&lt;img src=x onerror=alert(1)&gt;")).count() >= 4);
    for text in texts {
        assert!(!text.contains("<img") && !text.contains("<script"), "{text}");
        assert!(!text.contains("alert(1)</"), "{text}");
    }
}

#[test]
fn a_message_is_found_and_its_deletion_reaches_every_stream() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let kept = alice.send("the quality of mercy");
    let gone = alice.send("is NOT strained");
    let mut stream = server.sign_in("Bob").open_stream();
    stream.expect_messages(&["the quality of mercy", "is NOT strained"]);
    let mut admin = admin(&server);
    let found = admin.get("/admin/messages/?q=not").expect(200).text().to_owned();
    assert!(found.contains("is NOT strained") && !found.contains("mercy"), "{found}");
    assert!(
        admin.get("/admin/messages/?q=alice").expect(200).text().contains("mercy"),
        "by the author's name"
    );
    act(&mut admin, &format!("/admin/messages/{gone}/delete/"), &[]);
    stream.expect_deletion(gone);
    admin.post("/admin/messages/999/delete/", &[]).expect_error(404);
    let said = server.said();
    assert!(said.contains(&format!("action=\"delete message\" target={gone} peer=127.0.0.1")), "{said}");
    assert!(!said.contains("strained") && !said.contains("mercy"), "the log holds a message");
    assert_eq!(alice.messages("limit=9")[0]["id"], kept);
}

#[test]
fn pages_of_messages_and_of_authors_go_on_where_the_last_ended() {
    let server = TestServer::start_new();
    let fill = "
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 120)
        INSERT INTO author (name) SELECT printf('author &%03d', i) FROM n;
        INSERT INTO message (author_id, content) SELECT id, printf('message %03d', id) FROM author;";
    server.sqlite().execute_batch(fill).unwrap();
    let mut admin = admin(&server);
    for (start, word) in [("/admin/messages/?q=message+", "message "), ("/admin/authors/", "author &amp;")] {
        let (mut path, mut seen) = (start.to_owned(), 0);
        for page in 0..3 {
            let text = admin.get(&path).expect(200).text().to_owned();
            let rows: Vec<_> = text.split("<li>").skip(1).collect();
            assert!(rows.iter().all(|row| row.contains(word)), "{text}");
            seen += rows.len();
            let next = text.split("<a class=\"pill\"").nth(1).and_then(|link| link.split('"').nth(3));
            assert_eq!(next.is_some(), page < 2, "{text}");
            path = next.unwrap_or_default().replace("&amp;", "&");
        }
        assert_eq!(seen, 120);
    }
}

// ---- Authors ----

#[test]
fn all_messages_of_an_author_go_after_a_question() {
    let server = TestServer::start_new();
    server.sign_in("Alice").send("spam");
    let last = server.sign_in("Bob").send("ham");
    let author = author_id(&server, "Alice");
    let more = format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
         INSERT INTO message (author_id, content) SELECT {author}, 'spam' FROM n;"
    );
    server.sqlite().execute_batch(&more).unwrap();
    let mut bob = server.sign_in("Bob");
    let mut stream = bob.open_stream();
    (0..3002).for_each(|_| drop(stream.next_revision()));
    let mut admin = admin(&server);
    let path = format!("/admin/authors/{author}/delete-messages/");
    let question = admin.post_as_browser(&path, &[]).expect(200).text().to_owned();
    assert!(question.contains("Alice") && question.contains("name=\"confirm\""), "{question}");
    assert_eq!(bob.messages("q=spam&limit=1").len(), 1, "nothing is gone before the answer");
    act(&mut admin, &path, &[("confirm", "yes")]);
    for _ in 0..3001 {
        assert_eq!(stream.next_revision().name, "deleted");
    }
    assert_eq!(
        bob.messages("limit=9").iter().map(|message| message["id"].as_i64()).collect::<Vec<_>>(),
        [Some(last)]
    );
    assert_eq!(author_id(&server, "Alice"), author, "the author stays");
}

#[test]
fn an_author_goes_with_their_messages_after_a_question() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let ids = [alice.send("one"), alice.send("two")];
    let mut stream = server.sign_in("Bob").open_stream();
    stream.expect_messages(&["one", "two"]);
    let mut admin = admin(&server);
    let path = format!("/admin/authors/{}/delete/", author_id(&server, "Alice"));
    assert!(admin.post_as_browser(&path, &[]).expect(200).text().contains("Alice"));
    let page = act(&mut admin, &path, &[("confirm", "yes")]);
    assert!(!page.contains("Alice"), "{page}");
    ids.iter().for_each(|id| drop(stream.expect_deletion(*id)));
    admin.post(&path, &[("confirm", "yes")]).expect_error(404);
    assert!(server.said().contains("action=\"delete author\" target=Alice"), "{}", server.said());
}

#[test]
fn one_who_is_here_goes_on_under_the_new_name() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let before = alice.send("by Alice");
    let mut own = alice.open_stream();
    own.expect_message("by Alice");
    own.expect_live();
    let mut bob = server.sign_in("Bob");
    let mut stream = bob.open_stream();
    stream.expect_message("by Alice");
    stream.expect_live();
    let mut admin = admin(&server);
    act(
        &mut admin,
        &format!("/admin/authors/{}/rename/", author_id(&server, "Alice")),
        &[("name", " Ganymede ")],
    );

    let renamed = stream.next_revision();
    assert_eq!((renamed.name.as_str(), renamed.data["from"].as_str()), ("renamed", Some("Alice")));
    assert_eq!(renamed.data["to"], "Ganymede");
    loop {
        match own.next_revision_within(std::time::Duration::from_secs(10)) {
            Outcome::Event(event) => assert_eq!(event.name, "renamed"),
            Outcome::Ended => break,
            other => panic!("the old stream ends: {other:?}"),
        }
    }
    let mut again = alice.resume_stream(own.last_event_id());
    assert_eq!(again.wait_for("hello").data["you"], "Ganymede");
    let after = alice.send("by Ganymede");
    let told = stream.expect_message("by Ganymede");
    assert_eq!((told.author(), told.message_id()), ("Ganymede", after));
    alice.edit(before, "still mine");
    stream.expect_edit(before, "still mine");
    let online = until("the new name in the list", || {
        let online = stream.wait_for("presence").data["online"].clone();
        (!online.to_string().contains("Alice")).then_some(online)
    });
    assert_eq!(online, serde_json::json!(["Bob", "Ganymede"]));
    assert!(bob.messages("limit=9").iter().all(|message| message["author__name"] == "Ganymede"));
    server.sign_in("Alice");
}

#[test]
fn a_name_that_is_taken_or_unfit_is_not_given() {
    let server = TestServer::start_new();
    server.sign_in("Alice").send("one");
    server.sign_in("Bob").send("two");
    let carol = server.sign_in("Carol"); // here, but no author yet
    carol.open_stream().expect_messages(&["one", "two"]);
    let mut admin = admin(&server);
    let path = format!("/admin/authors/{}/rename/", author_id(&server, "Alice"));
    for (name, status) in [("Bob", 409), ("Carol", 409), ("", 400), ("a\u{202e}b", 400)] {
        let page = admin.post_as_browser(&path, &[("name", name)]).expect(status);
        assert!(page.text().contains("role=\"status\"") && page.text().contains("Alice"), "{}", page.text());
    }
    admin.post("/admin/authors/999/rename/", &[("name", "Dora")]).expect_error(404);
    act(&mut admin, &path, &[("name", "Alice")]);
    assert_eq!(author_id(&server, "Alice"), 1);
}

// ---- People ----

#[test]
fn one_whose_session_is_ended_is_out_and_may_come_back() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let (mut one, mut other) = (alice.open_stream(), alice.open_stream());
    one.expect_live();
    other.expect_live();
    let mut admin = admin(&server);
    assert!(admin.get("/admin/people/").expect(200).text().contains("<bdi>Alice</bdi>"));
    let page = act(&mut admin, "/admin/people/kick/", &[("name", "Alice")]);
    assert!(!page.contains("<bdi>Alice</bdi>"), "{page}");
    one.expect_end();
    other.expect_end();
    alice.try_send("still here?").expect_error(403);
    server.sign_in("Alice").send("back");
    assert!(server.said().contains("action=\"end sessions\" target=Alice"), "{}", server.said());
}

#[test]
fn a_blocked_name_stays_out_until_its_time_or_until_it_is_lifted() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let mut stream = alice.open_stream();
    stream.expect_live();
    let mut admin = admin(&server);
    let page = act(&mut admin, "/admin/people/block/", &[("name", "Alice"), ("minutes", "30")]);
    assert!(page.contains("/admin/people/lift/"), "{page}");
    stream.expect_end();
    alice.try_send("still here?").expect_error(403);
    let knock = |status| drop(server.visitor().post("/lobby/", &[("username", " Alice")]).expect(status));
    knock(403);
    assert!(
        server
            .visitor()
            .post_as_browser("/lobby/", &[("username", "Alice")])
            .expect(403)
            .text()
            .contains("blocked")
    );
    server.sign_in("Alicia");
    act(&mut admin, "/admin/people/lift/", &[("name", "Alice")]);
    knock(302);
    act(&mut admin, "/admin/people/block/", &[("name", "Alice"), ("minutes", "30")]);
    knock(403);
    server.sqlite().execute("UPDATE block SET until = until - 1800", []).unwrap();
    knock(302);
    assert!(!admin.get("/admin/people/").expect(200).text().contains("/admin/people/lift/"));
    for minutes in ["", "0", "-1", "525601", "soon", "99999999999999999999"] {
        admin.post("/admin/people/block/", &[("name", "Alice"), ("minutes", minutes)]).expect_error(400);
    }
}

#[test]
fn what_is_done_at_one_process_counts_at_the_other() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    alice.send("one");
    let mut stream = alice.open_stream();
    stream.expect_message("one");
    stream.expect_live();
    let other = Launch::new().db(server.db()).start();
    let mut admin = admin(&other);
    until("the other process to know her", || {
        admin.get("/admin/people/").expect(200).text().contains("<bdi>Alice</bdi>").then_some(())
    });
    act(
        &mut admin,
        &format!("/admin/authors/{}/rename/", author_id(&server, "Alice")),
        &[("name", "Ganymede")],
    );
    assert_eq!(stream.next_revision().name, "renamed");
    stream.expect_end();
    let mut stream = alice.resume_stream(stream.last_event_id());
    assert_eq!(stream.wait_for("hello").data["you"], "Ganymede");
    stream.expect_live();
    act(&mut admin, "/admin/people/block/", &[("name", "Ganymede"), ("minutes", "1")]);
    stream.expect_end();
    server.visitor().post("/lobby/", &[("username", "Ganymede")]).expect_error(403);
}

// ---- Figures and backup ----

#[test]
fn the_figures_are_those_of_now() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    for n in 0..7 {
        alice.send(&n.to_string());
    }
    let mut streams = [alice.open_stream(), alice.open_stream()];
    streams.iter_mut().for_each(|stream| stream.expect_live());
    let page = admin(&server).get("/admin/figures/").expect(200).text().to_owned();
    for (name, value) in [("Messages", "7"), ("Authors", "1"), ("Sessions", "1"), ("Open streams", "2")] {
        assert!(page.contains(&format!("{name}</th><td>{value}</td>")), "{name} in {page}");
    }
    for word in ["SQLite 3.", env!("CARGO_PKG_VERSION"), "MiB", "0 d 00:00:"] {
        assert!(page.contains(word), "{word} in {page}");
    }
}

#[test]
fn a_backup_is_a_whole_database_even_while_people_write() {
    let server = TestServer::start_new();
    let mut alice = server.sign_in("Alice");
    let fill = "
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
        INSERT INTO message (author_id, content) SELECT 1, hex(zeroblob(2000)) FROM n;";
    alice.send("first");
    let deleted = alice.send("never said");
    alice.delete(deleted);
    server.sqlite().execute_batch(fill).unwrap();
    let mut admin = admin(&server);
    admin.head("/admin/backup/").expect(200);
    let answer = thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..50 {
                alice.send(&format!("while {n}"));
            }
        });
        admin.get("/admin/backup/").expect(200)
    });
    assert!(
        answer
            .header("content-disposition")
            .is_some_and(|name| name.starts_with("attachment; filename=\"chat-"))
    );
    assert_eq!(answer.header("content-length").map(str::to_owned), Some(answer.body.len().to_string()));
    let file = server.dir().join("backup.db");
    fs::write(&file, &answer.body).unwrap();
    let copy = Connection::open(&file).unwrap();
    let text = |sql: &str| copy.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    let number = |sql: &str| copy.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(text("PRAGMA integrity_check"), "ok");
    let messages = number("SELECT count(*) FROM message");
    assert!((2001..=2051).contains(&messages), "{messages}");
    assert_eq!(number("SELECT max(id) FROM message"), messages + 1, "one moment, without a gap");
    let holds = |what: &str| answer.body.windows(what.len()).any(|window| window == what.as_bytes());
    assert!(holds("first") && !holds("never said"), "what was deleted is in it");
    assert!(!holds(alice.cookie("sessionid").expect("a session")), "a token is in it");
    drop(copy);
    let restored = Launch::new().db(&file).start();
    assert_eq!(restored.sign_in("Alice").messages("limit=9&q=first").len(), 1);
    let left = fs::read_dir(server.dir()).unwrap().flatten();
    assert!(left.into_iter().all(|entry| !entry.file_name().to_string_lossy().contains("-copy-")));
}
