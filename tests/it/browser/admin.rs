//! An administrator at work in one window, and what a person sees of it in another.

use crate::support::TestServer;

use super::person::LOG;
use super::window::ENTER;
use super::{Driver, Person, admin_link};

const ROW: &str = "ul.rows";

#[test]
fn what_an_administrator_does_reaches_the_open_page() {
    let Some(driver) = Driver::start() else { return };
    let server = TestServer::start_new();
    let viola = Person::sign_in(&driver, &server, "Viola");
    viola.sends("<b>what country</b>");
    viola.sees_once("<b>what country</b>");
    viola.sends("friends, is this?");
    viola.sees_once("friends, is this?");

    let admin = driver.open_window();
    admin.open(&admin_link(&server));
    assert_eq!(admin.location(), "/admin/");
    assert_eq!(admin.run("return location.search", &[]), "", "the token is out of sight");
    admin.wait_for_text(ROW, "<b>what country</b>");

    // Newest first: the first row is the second message.
    admin.click("form[action^='/admin/messages/'] .danger");
    admin.wait_for_text("[role=status]", "Deleted");
    viola.window.wait_without_text(LOG, "friends, is this?");

    admin.open(&server.url("/admin/authors/"));
    admin.run("document.querySelector('input[name=name]').value = ''", &[]);
    admin.type_into("input[name=name]", &format!("Cesario{ENTER}"));
    admin.wait_for_text("[role=status]", "Renamed");
    viola.sees("Cesario");
    let gone = || (viola.window.count("body", "Viola") == 0).then_some(());
    viola.window.wait("the old name to be gone from the page", gone);
    viola.sends("under a new name");
    viola.sees_once("under a new name");

    admin.click("nav a[href='/admin/figures/']");
    admin.wait_for_text("table", "SQLite");

    admin.click("nav a[href='/admin/people/']");
    admin.wait_for_text(ROW, "Cesario");
    admin.click("ul.rows form[action='/admin/people/block/'] .danger");
    admin.wait_for_text("[role=status]", "blocked");
    viola.window.wait("the lobby", || (viola.window.location() == "/lobby/").then_some(()));
    viola.window.run("document.querySelector('input[name=username]').value = ''", &[]);
    viola.window.type_into("input[name=username]", &format!("Cesario{ENTER}"));
    viola.window.wait_for_text("main", "blocked");
    admin.click("form[action='/admin/people/lift/'] button");
    admin.wait_for_text("[role=status]", "lifted");

    admin.click("nav a[href='/admin/authors/']");
    admin.click("form[action$='/delete/'] .danger");
    admin.wait_for_text("form.card h2", "Cesario");
    admin.click("form.card .danger");
    admin.wait_for_text("[role=status]", "Deleted");
    assert_eq!(admin.count("main", "Cesario"), 0);

    admin.click("form[action='/admin/leave/'] button");
    admin.wait_for_text("form.card", "Token");
}
