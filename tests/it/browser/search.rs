//! Finding again: search, and the address of a single message.

use crate::support::TestServer;

use super::person::LOG;
use super::window::ENTER;
use super::{Driver, Person, fill};

const FIELD: &str = "#search";
const FOUND: &str = "#found";

#[test]
fn one_chinese_character_is_found_and_a_click_goes_there_in_the_history() {
    let Some(driver) = Driver::start() else { return };
    let server = TestServer::start_new();
    let mut feste = server.sign_in("Feste");
    let id = feste.send("第十二夜，或随你所愿");
    fill(&server, 400);
    let viola = Person::sign_in(&driver, &server, "Viola");
    let window = &viola.window;
    assert_eq!(window.count(LOG, "随你所愿"), 0, "it is far back in the history");
    window.insert(FIELD, "夜");
    window.wait_for_text(FOUND, "第十二夜，或随你所愿");
    window.wait_for_text(&format!("{FOUND} mark"), "夜");
    assert_eq!(window.elements(&format!("{FOUND} li")), 1);
    window.click(&format!("{FOUND} a"));
    viola.sees_once("随你所愿");
    assert!(is_in_view(&viola, id));
    assert!(!window.is_shown("#results"));
    assert_eq!(window.run("return location.hash", &[]), format!("#m{id}"));
    // From there on to the newest.
    window.wait_shown("#jump");
    window.click("#jump");
    viola.sees("line 400");
}

#[test]
fn results_come_in_pages_and_what_is_not_there_is_said_to_be_not_there() {
    let Some(driver) = Driver::start() else { return };
    let server = TestServer::start_new();
    server.sign_in("Feste").send("100% of %s and _");
    fill(&server, 100);
    let viola = Person::sign_in(&driver, &server, "Viola");
    let window = &viola.window;
    let count = || window.elements(&format!("{FOUND} li"));
    window.type_into(FIELD, "LINE");
    window.wait("a first page", || (count() == 40).then_some(()));
    window.click("#more");
    window.wait("a second", || (count() == 80).then_some(()));
    window.click("#more");
    window.wait("the rest", || (count() == 100).then_some(()));
    assert!(!window.is_shown("#more"));
    // A sign that means something to the database means nothing here.
    window.fill(FIELD, &format!("%{ENTER}"));
    window.wait("the only one", || (count() == 1).then_some(()));
    window.fill(FIELD, &format!("zounds{ENTER}"));
    window.wait_for_text("#results", "Nothing found.");
    window.click("#close");
    window.wait_hidden("#results");
}

#[test]
fn the_address_of_a_message_leads_to_it() {
    let Some(driver) = Driver::start() else { return };
    let server = TestServer::start_new();
    let mut feste = server.sign_in("Feste");
    let old = feste.send("the rain it raineth every day");
    fill(&server, 400);
    let viola = Person::sign_in(&driver, &server, "Viola");
    viola.window.open(&server.url(&format!("/#m{old}")));
    viola.sees_once("the rain it raineth");
    viola.window.wait("it in view", || is_in_view(&viola, old).then_some(()));
    viola.window.open(&server.url("/"));
    viola.window.open(&server.url("/#m399"));
    viola.window.wait("it in view", || is_in_view(&viola, 399).then_some(()));
    viola.window.run("location.hash = 'm99999'", &[]);
    viola.window.wait_for_text("#error", "no longer there");
}

fn is_in_view(viola: &Person, id: i64) -> bool {
    let script = "const view = document.querySelector('#history').getBoundingClientRect();
        const item = document.getElementById(arguments[0])?.getBoundingClientRect();
        return Boolean(item) && item.top < view.bottom && item.bottom > view.top";
    viola.window.run(script, &[&format!("m{id}")]) == true
}
