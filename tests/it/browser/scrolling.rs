//! Scrolling: the newest is followed by those who read it, and nobody's view is moved.

use crate::support::TestServer;

use super::{Driver, Person, Window, fill};

const JUMP: &str = "#jump";

/// How far an element may seem to move when nothing moves, in pixels: layouts round.
const STILL: f64 = 1.5;

/// The message at the top of the view: its id, and where it stands.
fn first_in_view(window: &Window) -> (String, f64) {
    let script = "const edge = document.querySelector('#history').getBoundingClientRect().top;
        const all = [...document.querySelectorAll('[role=log] > article')];
        const first = all.find((item) => item.getBoundingClientRect().top >= edge);
        return [first.id, first.getBoundingClientRect().top]";
    let found = window.run(script, &[]);
    (found[0].as_str().expect("an id").to_owned(), found[1].as_f64().expect("a place"))
}

#[track_caller]
fn expect_still(window: &Window, (id, was): &(String, f64)) {
    let script = "return document.getElementById(arguments[0]).getBoundingClientRect().top";
    let is = window.run(script, &[id]).as_f64().expect("it is still in the page");
    assert!((is - was).abs() < STILL, "{id} stood at {was} and stands at {is}");
}

fn is_at_the_end(window: &Window) -> bool {
    let script = "const view = document.querySelector('#history').getBoundingClientRect();
        const last = document.querySelector('[role=log] > article:last-child').getBoundingClientRect();
        return last.bottom <= view.bottom + 1 && last.bottom > view.top";
    window.run(script, &[]) == true
}

/// Scrolls so that this many pixels are left above the view.
fn scroll_to(window: &Window, from_start: u32) {
    let script = "const history = document.querySelector('#history');
        history.scrollTop = history.clientHeight - history.scrollHeight + Number(arguments[0])";
    window.run(script, &[&from_start.to_string()]);
}

#[test]
fn the_end_is_followed_and_one_who_reads_further_up_is_left_alone() {
    let Some(driver) = Driver::start() else { return };
    let server = TestServer::start_new();
    let mut orsino = server.sign_in("Orsino");
    fill(&server, 60);
    let viola = Person::sign_in(&driver, &server, "Viola");
    let window = &viola.window;
    assert!(is_at_the_end(window), "a page opens at the newest");
    orsino.send("seen at once");
    viola.sees_once("seen at once");
    assert!(is_at_the_end(window));
    assert!(!window.is_shown(JUMP));

    // Less than a hundred pixels up still counts as reading the newest.
    window.run("document.querySelector('#history').scrollTop = -90", &[]);
    orsino.send("followed");
    viola.sees_once("followed");
    window.wait("the end", || is_at_the_end(window).then_some(()));

    scroll_to(window, 900);
    let held = first_in_view(window);
    orsino.send("further down");
    window.wait_for_text(JUMP, "1 new message");
    orsino.send("further down still");
    window.wait_for_text(JUMP, "2 new messages");
    expect_still(window, &held);
    window.click(JUMP);
    window.wait("the end", || is_at_the_end(window).then_some(()));
    window.wait_hidden(JUMP);

    scroll_to(window, 900);
    viola.sends("my own");
    window.wait("the end", || is_at_the_end(window).then_some(()));
    viola.sees_once("my own");
}

#[test]
fn older_history_comes_without_moving_the_view_and_the_page_stays_small() {
    let Some(driver) = Driver::start() else { return };
    let server = TestServer::start_new();
    let mut orsino = server.sign_in("Orsino");
    fill(&server, 420);
    let viola = Person::sign_in(&driver, &server, "Viola");
    let window = &viola.window;
    let first = || window.run("return Number(document.querySelector('article').id.slice(1))", &[]);
    let mut oldest = first();
    assert_eq!(oldest, 371, "the page opens with fifty");
    while oldest != 1 {
        // Once the script has asked, the messages may come at any moment: both in one step.
        scroll_to(window, 300);
        let held = first_in_view(window);
        window.wait("older messages", || (first() != oldest).then_some(()));
        expect_still(window, &held);
        oldest = first();
        assert!(window.elements("[role=log] > article") <= 300);
    }
    assert!(!window.is_shown("#older"), "there is nothing before the first");
    assert_eq!(window.elements("#m420"), 0, "the newest made room");

    // What comes meanwhile is counted, and is there when one goes to the end.
    let held = first_in_view(window);
    orsino.send("news");
    window.wait_for_text(JUMP, "1 new message");
    expect_still(window, &held);
    window.click(JUMP);
    viola.sees_once("news");
    assert!(is_at_the_end(window));
    assert!(window.elements("[role=log] > article") <= 300);
    orsino.send("more news");
    viola.sees_once("more news");
}
