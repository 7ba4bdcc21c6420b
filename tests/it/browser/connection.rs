//! The connection: away without a word, away with one, and what outlives it.

use std::time::{Duration, Instant};

use crate::support::TestServer;

use super::person::NAME;
use super::window::ENTER;
use super::{Driver, Person};

const LINE: &str = "#connection";

#[test]
fn the_page_is_quiet_for_three_seconds_and_then_says_that_it_reconnects() {
    let Some(driver) = Driver::start() else { return };
    let mut server = TestServer::start_new();
    let viola = Person::sign_in(&driver, &server, "Viola");
    let window = &viola.window;
    server.sign_in("Orsino").send("the stream is open");
    viola.sees("the stream is open");
    assert!(!window.is_shown(LINE));
    let gone = Instant::now();
    server.kill();
    window.wait_shown(LINE);
    let quiet = gone.elapsed();
    assert!(quiet >= Duration::from_secs(3), "it spoke after {quiet:?}");
    assert!(quiet < Duration::from_secs(6), "it spoke only after {quiet:?}");
    window.wait_for_text("#status[role=status]", "Reconnecting…");
    window.wait_for_text("#countdown", "Next try in");
    server.start();
    window.click("#try");
    window.wait_hidden(LINE);
    assert_eq!(window.text("#countdown"), "");
    server.sign_in("Orsino").send("here we are");
    viola.sees_once("here we are");
}

#[test]
fn a_short_absence_is_not_worth_a_word() {
    let Some(driver) = Driver::start() else { return };
    let mut server = TestServer::start_new();
    let viola = Person::sign_in(&driver, &server, "Viola");
    let watch = "window.spoke = false;
        const line = document.querySelector('#connection');
        new MutationObserver(() => spoke ||= !line.hidden).observe(line, {attributes: true})";
    viola.window.run(watch, &[]);
    server.kill();
    server.start();
    server.sign_in("Orsino").send("back at once");
    viola.sees_once("back at once");
    assert_eq!(viola.window.run("return window.spoke", &[]), false);
}

#[test]
fn the_back_button_leads_into_a_conversation_that_goes_on() {
    let Some(driver) = Driver::start() else { return };
    let server = TestServer::start_new();
    let mut orsino = server.sign_in("Orsino");
    let viola = Person::sign_in(&driver, &server, "Viola");
    orsino.send("before");
    viola.sees("before");
    viola.window.open(&server.url("/streaming/?interval_ms=0"));
    orsino.send("meanwhile");
    viola.window.run("history.back()", &[]);
    viola.window.wait_for_path("/");
    viola.sees_once("meanwhile");
    orsino.send("after");
    viola.sees_once("after");
    viola.sees_once("before");
}

#[test]
fn a_lost_session_leads_to_the_lobby_and_the_draft_is_kept() {
    let Some(driver) = Driver::start() else { return };
    let mut server = TestServer::start_new();
    let viola = Person::sign_in(&driver, &server, "Viola");
    let window = &viola.window;
    viola.types("what I was about to s");
    server.kill();
    server.sqlite().execute("DELETE FROM session", []).unwrap();
    server.start();
    window.wait_for_path("/lobby/");
    window.wait_shown("#kept");
    window.fill(NAME, &format!("Viola{ENTER}"));
    window.wait_for_path("/");
    window.wait("the draft", || (viola.draft() == "what I was about to s").then_some(()));
    viola.types(&format!("ay{ENTER}"));
    viola.sees_once("what I was about to say");
}

#[test]
fn one_who_leaves_is_gone_at_once_and_leaves_no_draft() {
    let Some(driver) = Driver::start() else { return };
    let server = TestServer::start_new();
    let viola = Person::sign_in(&driver, &server, "Viola");
    let feste = Person::sign_in(&driver, &server, "Feste");
    feste.window.wait_for_text("#online", "Viola");
    viola.types("never mind");
    viola.leaves();
    assert!(!viola.window.is_shown("#kept"));
    feste.window.wait_without_text("#online", "Viola");
    viola.window.open(&server.url("/"));
    assert_eq!(viola.window.location(), "/lobby/");
    viola.window.fill(NAME, &format!("Viola{ENTER}"));
    viola.window.wait_for_path("/");
    assert_eq!(viola.draft(), "");
}
