//! Without JavaScript: everything but the liveliness is there.

use crate::support::TestServer;

use super::person::{BOX, LOG};
use super::window::ENTER;
use super::{Driver, Person, fill};

#[test]
fn without_scripts_one_joins_reads_writes_and_leaves() {
    let Some(driver) = Driver::start() else { return };
    let server = TestServer::start_new();
    let window = driver.open_window();
    window.switch_scripts_off();
    let viola = Person::enter(window, &server, "Viola");
    let window = &viola.window;
    viola.types("what country");
    window.click("#compose button");
    viola.sees_once("what country");
    let mut feste = server.sign_in("Feste");
    feste.send("Illyria, lady");
    assert_eq!(window.count(LOG, "Illyria"), 0, "nothing comes by itself");
    window.click("noscript a");
    viola.sees_once("Illyria, lady");
    assert_eq!(window.elements(&format!("{LOG} .more")), 1, "only one's own can be changed");

    viola.opens_menu_of("#m1");
    window.click("#m1 .edit");
    window.wait("the text in the box", || (viola.draft() == "what country").then_some(()));
    viola.types(", friends, is this?");
    window.click("#compose button");
    viola.sees_once("what country, friends, is this?");
    window.wait_for_text("#m1 .edited", "edited");
    viola.opens_menu_of("#m1");
    window.click("#m1 .delete");
    window.wait_without_text(LOG, "what country");

    window.click("[popovertarget=menu]");
    window.click("#menu a[href='?lang=zh']");
    window.wait_for_text("#compose button", "发送");
    window.click("[popovertarget=menu]");
    window.click("#leave button");
    window.wait_for_path("/lobby/");
    window.wait_for_text("main", "加入");
    window.open(&server.url("/"));
    assert_eq!(window.location(), "/lobby/");
}

#[test]
fn without_scripts_older_messages_and_search_are_pages() {
    let Some(driver) = Driver::start() else { return };
    let server = TestServer::start_new();
    fill(&server, 120);
    let window = driver.open_window();
    window.switch_scripts_off();
    let viola = Person::enter(window, &server, "Viola");
    let window = &viola.window;
    viola.sees("line 120");
    window.click("#older");
    viola.sees("line 70");
    assert_eq!(window.count(LOG, "line 71"), 0);
    window.click("#older");
    viola.sees("line 1\n");
    assert!(!window.is_shown("#older"));
    window.click("#newer");
    viola.sees("line 120");
    window.type_into("#search", &format!("line 33{ENTER}"));
    window.wait_for_text("#found", "line 33");
    assert_eq!(window.elements("#found li"), 1);
    window.click("#found a");
    viola.sees("line 33");
    assert_eq!(window.run("return location.hash", &[]), "#m33");
    window.type_into("#search", &format!("zounds{ENTER}"));
    window.wait_for_text("#results", "Nothing found.");
    window.click("#close");
    viola.sees("line 120");
    assert_eq!(window.run("return document.querySelector(arguments[0]).value", &[BOX]), "");
}

#[test]
fn the_pages_speak_the_readers_language_and_keep_to_the_one_that_was_chosen() {
    let Some(driver) = Driver::start() else { return };
    let server = TestServer::start_new();
    let window = driver.open_window();
    window.speak("zh-CN,zh;q=0.9,en;q=0.1");
    let viola = Person::enter(window, &server, "Viola");
    let window = &viola.window;
    let language = || window.run("return document.documentElement.lang", &[]);
    assert_eq!(language(), "zh-CN");
    window.wait_for_text("#compose button", "发送");
    viola.sends("hello");
    window.wait_for_text(".day", "今天");
    window.click("[popovertarget=menu]");
    window.click("#menu a[href='?lang=en']");
    window.wait_for_text("#compose button", "Send");
    assert_eq!(language(), "en");
    window.wait_for_text(".day", "Today");
    window.open(&server.url("/"));
    assert_eq!(language(), "en");
    viola.leaves();
    window.wait_for_text("main", "Choose a name");
    window.click(".foot a");
    window.wait_for_text("main", "起个名字");
    window.open(&server.url("/lobby/"));
    assert_eq!(language(), "zh-CN");
    window.speak("en");
    window.open(&server.url("/lobby/"));
    assert_eq!(language(), "zh-CN", "what was chosen goes before what the browser asks for");
}
