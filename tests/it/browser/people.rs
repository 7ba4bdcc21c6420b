//! People: who is here, who is typing, who is called by name; and what came while nobody looked.

use crate::support::{Request, TestServer};

use super::person::{BOX, LOG};
use super::{Driver, Person};

const ONLINE: &str = "#online";
const TYPING: &str = "#typing";

#[test]
fn those_who_are_here_are_listed_and_a_click_calls_one_by_name() {
    let Some(driver) = Driver::start() else { return };
    let server = TestServer::start_new();
    let mut feste = server.sign_in("Feste");
    let mut feste_listens = feste.open_stream();
    let viola = Person::sign_in(&driver, &server, "Viola");
    let window = &viola.window;
    window.wait_for_text(ONLINE, "Viola");
    assert_eq!(
        window.run("return [...document.querySelectorAll('#online bdi')].map((e) => e.textContent)", &[]),
        serde_json::json!(["Feste", "Viola"]),
        "sorted by name"
    );
    window.wait_for_text("#people h2 .count", "2");
    window.wait_for_text(&format!("{ONLINE} li:last-child"), "(you)");
    viola.types("well,");
    window.click("#online button[title=Feste]");
    assert_eq!(viola.draft(), "well, @Feste ");
    window.wait_until("document.activeElement.id === 'content'");
    viola.sends("sing!");
    feste_listens.expect_message("well, @Feste sing!");

    feste.send("VIOLA? is that you");
    viola.sees("is that you");
    feste.send("the violas bloom");
    viola.sees("bloom");
    let marked =
        window.run("return [...document.querySelectorAll('.named .content')].map((e) => e.textContent)", &[]);
    assert_eq!(marked, serde_json::json!(["VIOLA? is that you"]));

    feste.post("/leave/", &[]);
    window.wait_without_text(ONLINE, "Feste");
    window.wait_for_text("#people h2 .count", "1");
}

#[test]
fn one_who_types_is_named_until_the_message_comes_or_five_seconds_have_passed() {
    let Some(driver) = Driver::start() else { return };
    let server = TestServer::start_new();
    let mut feste = server.sign_in("Feste");
    let viola = Person::sign_in(&driver, &server, "Viola");
    let window = &viola.window;
    let mut stream = feste.open_stream_with(Request::get("/stream-chat-messages/"));
    stream.expect_live();
    viola.types("h");
    assert_eq!(stream.wait_for("typing").data["name"], "Viola");
    feste.post("/typing/", &[]).expect(204);
    window.wait_for_text(TYPING, "Feste is typing…");
    feste.send("done");
    viola.sees("done");
    window.wait("the line to go with the message", || window.text(TYPING).is_empty().then_some(()));
    window.wait("the next sign", || {
        feste.post("/typing/", &[]);
        (!window.text(TYPING).is_empty()).then_some(())
    });
    window.wait("the line to go by itself", || window.text(TYPING).is_empty().then_some(()));
}

#[test]
fn what_comes_while_nobody_looks_is_counted_in_the_title_and_marked_by_a_line() {
    let Some(driver) = Driver::start() else { return };
    let server = TestServer::start_new();
    let mut feste = server.sign_in("Feste");
    let viola = Person::sign_in(&driver, &server, "Viola");
    let window = &viola.window;
    let title = |expected: &str| {
        window.wait(&format!("the title {expected}"), || {
            (window.run("return document.title", &[]) == expected).then_some(())
        });
    };
    let icon = || window.run("return document.querySelector('#icon').href", &[]).as_str().unwrap().to_owned();
    feste.send("seen");
    viola.sees("seen");
    title("Parlor");
    assert!(icon().ends_with("favicon.svg"));
    window.hide();
    feste.send("one");
    title("(1) Parlor");
    feste.send("two");
    feste.send("three");
    title("(3) Parlor");
    feste.send("four, Viola");
    title("(4, @1) Parlor");
    assert!(icon().ends_with("favicon-unread.svg"));
    window.show();
    title("Parlor");
    assert!(icon().ends_with("favicon.svg"));
    assert_eq!(window.elements(&format!("{LOG} .unread")), 1);
    window.wait_for_text(&format!("{LOG} article:has(.unread)"), "one");
    // It stays while one reads on, and goes with one's own answer.
    feste.send("five");
    viola.sees("five");
    assert_eq!(window.elements(&format!("{LOG} .unread")), 1);
    viola.sends("six");
    window.wait_for_elements(&format!("{LOG} .unread"), 0);
    title("Parlor");
    assert_eq!(window.run("return document.querySelector(arguments[0]).value", &[BOX]), "");
}

#[test]
fn ten_tabs_of_one_person_all_work_and_come_to_the_same() {
    let Some(driver) = Driver::start() else { return };
    let server = TestServer::start_new();
    let mut feste = server.sign_in("Feste");
    let viola = Person::sign_in(&driver, &server, "Viola");
    let window = &viola.window;
    let mut tabs = Vec::new();
    for n in 0..9 {
        window.hide();
        tabs.push(window.open_tab());
        window.open(&server.url("/"));
        feste.send(&format!("message {n}"));
        viola.sees_once(&format!("message {n}"));
    }
    feste.send("the last");
    for tab in tabs.iter().rev() {
        window.switch_to(tab);
        window.show();
        viola.sees_once("the last");
        let all = window.run("return [...document.querySelectorAll('article')].map((item) => item.id)", &[]);
        assert_eq!(all, serde_json::json!(["m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "m9", "m10"]));
        window.hide();
    }
    window.switch_to(&tabs[0]);
    window.show();
    viola.sends("from the second");
    window.switch_to(&tabs[8]);
    window.show();
    viola.sees_once("from the second");
}
