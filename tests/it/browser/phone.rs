//! A phone, and a very narrow window: touched, and never scrolled sideways.

use crate::support::TestServer;

use super::person::{BOX, NAME};
use super::window::ENTER;
use super::{Driver, Person, Window, admin_link};

/// What a finger can hit, in CSS pixels.
const FINGER: f64 = 44.0;

#[test]
fn on_a_phone_enter_breaks_the_line_and_only_the_button_sends() {
    let Some(driver) = Driver::start() else { return };
    let server = TestServer::start_new();
    let mut stream = server.sign_in("Orsino").open_stream();
    stream.expect_live();
    let window = driver.open_window();
    window.become_phone();
    let viola = Person::enter(window, &server, "Viola");
    let window = &viola.window;
    viola.types(&format!("one{ENTER}two"));
    assert_eq!(viola.draft(), "one\ntwo");
    window.click("#compose button");
    stream.expect_message("one\ntwo");
    viola.sees("one\ntwo");
    assert_eq!(viola.draft(), "");

    assert!(!window.is_shown("#people"));
    window.click("[popovertarget=people]");
    window.wait_for_text("#people", "Orsino");
    window.click("#online button[title=Orsino]");
    window.wait_hidden("#people");
    assert_eq!(viola.draft(), "@Orsino ");
}

#[test]
fn on_a_phone_what_one_presses_is_large_enough_for_a_finger() {
    let Some(driver) = Driver::start() else { return };
    let server = TestServer::start_new();
    let window = driver.open_window();
    window.become_phone();
    window.open(&server.url("/lobby/"));
    expect_large(&window, "button, input:not([type=hidden]), .foot a");
    let viola = Person::enter(window, &server, "Viola");
    let window = &viola.window;
    viola.types("hello");
    window.click("#compose button");
    viola.sees("hello");
    window.wait_for_elements("#log summary", 1);
    expect_large(window, "header.bar :is(a, button, input), #compose :is(button, textarea), .mine summary");
    window.click("[popovertarget=people]");
    expect_large(window, "#people button");
    window.click("[popovertarget=menu]");
    expect_large(window, "#menu :is(a, button)");
    window.open(&server.url("/"));
    viola.opens_menu_of("#m1");
    expect_large(window, "#m1 .more :is(a, button)");
    // A field that is smaller makes an iPhone zoom in.
    let size = "return parseFloat(getComputedStyle(document.querySelector(arguments[0])).fontSize) >= 16";
    assert_eq!(window.run(size, &[BOX]), true);
}

#[track_caller]
fn expect_large(window: &Window, css: &str) {
    let script = "return [...document.querySelectorAll(arguments[0])].filter((e) => e.checkVisibility())
        .map((e) => [e.outerHTML.slice(0, 80), e.getBoundingClientRect()])
        .map(([html, {width, height}]) => [html, width, height])";
    let found = window.run(script, &[css]);
    let found = found.as_array().expect("a list");
    assert!(!found.is_empty(), "{css} is nowhere to be seen");
    for element in found {
        let is_large = |side: usize| element[side].as_f64().expect("a length") >= FINGER;
        assert!(is_large(1) && is_large(2), "too small for a finger: {element}");
    }
}

#[test]
fn at_320_pixels_nothing_is_wider_than_the_page() {
    let Some(driver) = Driver::start() else { return };
    let server = TestServer::start_new();
    let long_name = "N".repeat(500);
    let mut orsino = server.sign_in(&long_name);
    let mut listening = orsino.open_stream();
    listening.expect_live();
    orsino.send(&"w".repeat(16_000));
    orsino.send("https://example.org/a/very/long/address/that/never/ends/and/goes/on/and/on?and=on");
    orsino.send(&format!("```\n{}\n```", "code ".repeat(200)));
    orsino.post("/typing/", &[]);
    let window = driver.open_window();
    window.resize(320, 640);
    window.open(&server.url("/lobby/"));
    expect_no_scroll(&window, "main > *");
    window.type_into(NAME, &format!("{long_name}{ENTER}"));
    window.wait_for_text("#error", "Somebody");
    expect_no_scroll(&window, "main > *, form > *");
    window.click("button[name=suggestion]");
    window.wait_for_path("/");
    let viola = Person { window };
    let window = &viola.window;
    viola.sends("short");
    viola.sees("short");
    orsino.post("/typing/", &[]);
    window.wait("the typing line", || (!window.text("#typing").is_empty()).then_some(()));
    expect_no_scroll(window, ".bar *, .bubble, .bubble > *:not(.more), footer *:not(.vh)");
    window.click("[popovertarget=people]");
    expect_no_scroll(window, "#people, #online li");
    window.type_into("#search", &format!("w{ENTER}"));
    window.wait("a result", || (window.elements("#found li") > 0).then_some(()));
    expect_no_scroll(window, "#results, #results *");
    window.open(&admin_link(&server));
    for page in ["messages", "authors", "people", "figures"] {
        window.open(&server.url(&format!("/admin/{page}/")));
        expect_no_scroll(window, "main, main *:not(.content *)");
    }
    window.open(&server.url("/nowhere/"));
    window.wait_for_text("main", "404");
    expect_no_scroll(window, "main *");
}

/// Nothing of the page lies beyond its sides, and none of these elements does so behind a hidden overflow.
#[track_caller]
fn expect_no_scroll(window: &Window, css: &str) {
    let script = "const wide = document.documentElement.scrollWidth;
        const beyond = [...document.querySelectorAll(arguments[0])].filter((e) => e.checkVisibility())
            .filter((e) => e.getBoundingClientRect().right > innerWidth + 1 || e.getBoundingClientRect().left < -1);
        return [wide <= innerWidth, ...beyond.map((e) => e.outerHTML.slice(0, 100))]";
    assert_eq!(window.run(script, &[css]), serde_json::json!([true]), "{} in {css}", window.location());
}
