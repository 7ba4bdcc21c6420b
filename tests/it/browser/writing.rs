//! Writing: what the keys do, what is on its way while the server is gone, and what can still be changed.

use crate::support::{Launch, TestServer};

use super::person::{BOX, LOG};
use super::window::{CONTROL, ENTER, ESCAPE, RELEASE, UP};
use super::{Driver, Person};

const STATE: &str = ".state";

#[test]
fn control_and_enter_sends_and_the_enter_of_an_input_method_does_not() {
    let Some(driver) = Driver::start() else { return };
    let server = TestServer::start_new();
    let viola = Person::sign_in(&driver, &server, "Viola");
    let mut stream = server.sign_in("Orsino").open_stream();
    viola.types("ni hao");
    // Chromium says that it composes; Safari tells only by the code.
    for how in ["{isComposing: true, keyCode: 13}", "{isComposing: true, keyCode: 229}", "{keyCode: 229}"] {
        let script = format!(
            "const box = document.querySelector(arguments[0]);
             box.dispatchEvent(new CompositionEvent('compositionstart', {{bubbles: true}}));
             const key = {{key: 'Enter', bubbles: true, cancelable: true, ...{how}}};
             return box.dispatchEvent(new KeyboardEvent('keydown', key))"
        );
        assert_eq!(viola.window.run(&script, &[BOX]), true, "{how} is left to the input method");
        assert_eq!(viola.draft(), "ni hao", "{how} sends nothing");
    }
    viola.types(&format!(", Illyria{CONTROL}{ENTER}{RELEASE}"));
    stream.expect_message("ni hao, Illyria");
    assert_eq!(viola.draft(), "");
    viola.types(&format!("   {ENTER}"));
    viola.window.fill(BOX, &format!("the end{ENTER}"));
    stream.expect_message("the end");
}

#[test]
fn what_is_sent_while_the_server_is_down_waits_and_arrives_once() {
    let Some(driver) = Driver::start() else { return };
    let mut server = TestServer::start_new();
    let viola = Person::sign_in(&driver, &server, "Viola");
    viola.sends("before");
    viola.sees_once("before");
    viola.window.wait_for_elements(STATE, 0);
    server.kill();
    viola.sends("first");
    viola.sends("second");
    for text in ["first", "second"] {
        viola.sees_once(text);
    }
    viola.window.wait_for_text(STATE, "sending");
    let by_hand =
        "INSERT INTO message (author_id, content) SELECT id, 'by hand' FROM author WHERE name = 'Viola'";
    server.sqlite().execute(by_hand, []).unwrap();
    server.start();
    viola.window.wait_for_elements(STATE, 0);
    for text in ["before", "by hand", "first", "second"] {
        viola.sees_once(text);
    }
    assert_eq!(contents(&server), ["before", "by hand", "first", "second"]);
    assert_eq!(viola.draft(), "");
}

#[test]
fn a_message_whose_answer_was_lost_is_there_once() {
    let Some(driver) = Driver::start() else { return };
    let server = TestServer::start_new();
    let viola = Person::sign_in(&driver, &server, "Viola");
    let lose_one = "const real = window.fetch;
        window.fetch = async (path, request) => {
            const answer = await real(path, request);
            if (path !== '/create-message/') return answer;
            window.fetch = real;
            throw new TypeError('lost');
        }";
    viola.window.run(lose_one, &[]);
    viola.sends("once");
    viola.window.wait("it to be stored", || (contents(&server) == ["once"]).then_some(()));
    viola.window.wait_for_elements(STATE, 0);
    viola.sees_once("once");
    assert_eq!(contents(&server), ["once"]);
}

#[test]
fn what_waits_to_be_sent_outlives_a_reload() {
    let Some(driver) = Driver::start() else { return };
    let mut server = TestServer::start_new();
    let viola = Person::sign_in(&driver, &server, "Viola");
    // A page whose posts go nowhere, as behind a dead proxy.
    viola.window.run("window.fetch = () => Promise.reject(new TypeError('no network'))", &[]);
    viola.sends("kept");
    viola.window.wait_for_text(STATE, "sending");
    viola.types("half a thou");
    server.restart();
    viola.window.open(&server.url("/"));
    viola.window.wait("it to be stored", || (contents(&server) == ["kept"]).then_some(()));
    viola.sees_once("kept");
    viola.window.wait("the draft", || (viola.draft() == "half a thou").then_some(()));
}

#[test]
fn what_the_server_refuses_says_so_and_can_be_tried_again() {
    let Some(driver) = Driver::start() else { return };
    let server = TestServer::start_new();
    let viola = Person::sign_in(&driver, &server, "Viola");
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON message BEGIN SELECT RAISE(ABORT, 'no'); END";
    server.sqlite().execute(refuse, []).unwrap();
    viola.sends("will you not?");
    viola.window.wait_for_text(".failed .state", "went wrong");
    viola.sees_once("will you not?");
    server.sqlite().execute("DROP TRIGGER refuse", []).unwrap();
    viola.window.click(".failed .state button");
    viola.window.wait_for_elements(STATE, 0);
    viola.sees_once("will you not?");
    assert_eq!(viola.window.elements(".failed"), 0);
    assert_eq!(contents(&server), ["will you not?"]);
}

#[test]
fn one_who_writes_too_fast_waits_and_loses_nothing() {
    let Some(driver) = Driver::start() else { return };
    let server = Launch::new().setting("PARLOR_RATE", "1").start();
    let viola = Person::sign_in(&driver, &server, "Viola");
    let written: Vec<_> = (1..=16).map(|n| format!("number {n}")).collect();
    for text in &written {
        viola.sends(text);
    }
    viola.window.wait("all to be stored", || (contents(&server).len() == written.len()).then_some(()));
    assert_eq!(contents(&server), written);
    viola.window.wait_for_elements(STATE, 0);
    let shown = "return [...document.querySelectorAll('[role=log] .content')].map((e) => e.textContent)";
    assert_eq!(viola.window.run(shown, &[]), serde_json::json!(written));
    assert!(server.said().contains("status=429"), "the server did slow her down");
}

#[test]
fn up_in_an_empty_box_edits_the_last_message_and_escape_leaves_it() {
    let Some(driver) = Driver::start() else { return };
    let server = TestServer::start_new();
    let viola = Person::sign_in(&driver, &server, "Viola");
    viola.sends("what country");
    viola.sees_once("what country");
    server.sign_in("Orsino").send("not hers");
    viola.sees("not hers");
    viola.window.wait_for_elements(STATE, 0);
    viola.types(&UP.to_string());
    assert_eq!(viola.draft(), "what country");
    assert!(viola.window.is_shown("#editing"));
    viola.types(&ESCAPE.to_string());
    assert_eq!(viola.draft(), "");
    assert!(!viola.window.is_shown("#editing"));
    viola.types(&format!("{UP}, friends, is this?{ENTER}"));
    viola.sees_once("what country, friends, is this?");
    viola.window.wait_for_text(".mine .edited", "edited");
    assert_eq!(viola.draft(), "");
    assert_eq!(contents(&server), ["what country, friends, is this?", "not hers"]);
    // A draft is left alone: Up moves the cursor in it.
    viola.types(&format!("a draft{UP}"));
    assert_eq!(viola.draft(), "a draft");
}

#[test]
fn an_edit_and_a_deletion_reach_the_other_page_and_only_ones_own_can_be_changed() {
    let Some(driver) = Driver::start() else { return };
    let server = TestServer::start_new();
    let viola = Person::sign_in(&driver, &server, "Viola");
    let feste = Person::sign_in(&driver, &server, "Feste");
    viola.sends("one");
    feste.sees("one");
    viola.sends("two");
    feste.sees("two");
    let controls = format!("{LOG} .more");
    assert_eq!(feste.window.elements(&controls), 0, "another's message has no controls");
    viola.window.wait_for_elements(&controls, 2);

    viola.opens_menu_of("#m1");
    viola.window.click("#m1 .edit");
    viola.types(&format!(" and a half{ENTER}"));
    feste.sees("one and a half");
    assert!(feste.window.is_shown("#m1 .edited"));
    viola.sees_once("one and a half");

    viola.opens_menu_of("#m2");
    viola.window.click("#m2 .delete");
    for person in [&viola, &feste] {
        person.sees("This message was deleted.");
        assert_eq!(person.window.count(LOG, "two"), 0);
        assert!(!person.window.is_shown("#m2 .more"));
    }
    // Also in a page that is opened afterwards, as far as it is still there.
    feste.window.open(&server.url("/"));
    feste.sees("one and a half");
    assert!(feste.window.is_shown("#m1 .edited"));
    assert_eq!(feste.window.count(LOG, "two"), 0);
}

#[test]
fn the_room_that_is_left_is_counted_and_too_much_is_not_sent() {
    let Some(driver) = Driver::start() else { return };
    let server = TestServer::start_new();
    let viola = Person::sign_in(&driver, &server, "Viola");
    viola.window.insert(BOX, &"ü".repeat(16_380));
    viola.window.wait_for_text("#counter", "4 left");
    // Each counts once, however many bytes it takes.
    viola.window.insert(BOX, &"🎭".repeat(5));
    viola.window.wait_for_text("#counter", "-1 left");
    viola.types(&ENTER.to_string());
    viola.window.wait_for_text("#error", "too long");
    viola.types(&format!("\u{e003}{ENTER}"));
    viola.window.wait("it to be stored", || (contents(&server).len() == 1).then_some(()));
    assert_eq!(viola.window.text("#counter"), "");
    let shape = "const {height} = document.querySelector(arguments[0]).getBoundingClientRect();
                 return height < innerHeight / 3 + 2";
    assert_eq!(viola.window.run(shape, &[BOX]), true);
}

fn contents(server: &TestServer) -> Vec<String> {
    let sqlite = server.sqlite();
    let mut query = sqlite.prepare("SELECT content FROM message ORDER BY id").unwrap();
    let rows = query.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}
