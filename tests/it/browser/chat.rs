//! Two people in two windows: they talk, lose the server and find it again, and text stays text.

use crate::support::TestServer;

use super::person::LOG;
use super::window::{ENTER, RELEASE, SHIFT};
use super::{Driver, Person};

#[test]
fn two_people_talk() {
    let Some(driver) = Driver::start() else { return };
    let server = TestServer::start_new();
    let viola = Person::sign_in(&driver, &server, "Viola");
    let feste = Person::sign_in(&driver, &server, "Feste");
    viola.sends("what country, friends, is this?");
    feste.sees_once("what country, friends, is this?");
    feste.sends("this is Illyria, lady");
    viola.sees_once("this is Illyria, lady");
    viola.sees_once("what country, friends, is this?");
    assert_eq!(viola.draft(), "", "the box is cleared when the message is accepted");
}

#[test]
fn after_a_restart_of_the_server_nothing_is_lost_and_nothing_doubled() {
    let Some(driver) = Driver::start() else { return };
    let mut server = TestServer::start_new();
    let viola = Person::sign_in(&driver, &server, "Viola");
    let feste = Person::sign_in(&driver, &server, "Feste");
    viola.sends("before the storm");
    feste.sees("before the storm");
    server.restart();
    server.sign_in("Orsino").send("while you were away");
    viola.sees("while you were away");
    feste.sees("while you were away");
    viola.sends("after the storm");
    feste.sees("after the storm");
    for text in ["before the storm", "while you were away", "after the storm"] {
        viola.sees_once(text);
        feste.sees_once(text);
    }
}

#[test]
fn a_script_in_a_message_is_shown_as_text() {
    let Some(driver) = Driver::start() else { return };
    let server = TestServer::start_new();
    let viola = Person::sign_in(&driver, &server, "Viola");
    let script = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">";
    let mut orsino = server.sign_in("<b>Orsino</b>");
    orsino.send(script);
    viola.sees_once(script);
    viola.sees("<b>Orsino</b>");
    viola.window.open(&server.url("/"));
    viola.sees_once(script);
    orsino.send("the end");
    viola.sees("the end");
    assert_ne!(viola.window.run("return document.title", &[]), "owned");
    let broken_out =
        "return document.querySelectorAll(arguments[0] + ' img, ' + arguments[0] + ' script').length";
    assert_eq!(viola.window.run(broken_out, &[LOG]), 0);
}

#[test]
fn enter_sends_and_shift_enter_breaks_the_line() {
    let Some(driver) = Driver::start() else { return };
    let server = TestServer::start_new();
    let viola = Person::sign_in(&driver, &server, "Viola");
    let mut stream = server.sign_in("Orsino").open_stream();
    viola.types(&format!("one{SHIFT}{ENTER}{RELEASE}two"));
    assert_eq!(viola.draft(), "one\ntwo", "nothing is sent yet");
    viola.types(&ENTER.to_string());
    stream.expect_message("one\ntwo");
    viola.sees("one\ntwo");
    viola.types("three");
    viola.window.click("#compose button");
    stream.expect_message("three");
}
