//! Coming in: a name that is typed, made up, taken or wrong, and the one from last time.

use crate::support::TestServer;

use super::person::NAME;
use super::window::ENTER;
use super::{Driver, Person};

const ERROR: &str = "#error";

#[test]
fn a_name_is_typed_or_made_up_and_the_last_one_remembered() {
    let Some(driver) = Driver::start() else { return };
    let server = TestServer::start_new();
    let viola = Person::sign_in(&driver, &server, "Viola");
    assert_eq!(viola.name(), "Viola");
    viola.leaves();
    let window = &viola.window;
    window.wait_until("document.activeElement.id === 'username'");
    window.wait_until("document.activeElement.value === 'Viola'");
    window.click("button[name=surprise]");
    window.wait_for_path("/");
    let name = viola.name();
    let suffix = name.rsplit_once('-').map(|(_, suffix)| suffix).unwrap_or_default();
    assert!(suffix.len() == 4 && suffix.chars().all(|c| c.is_ascii_hexdigit()), "a made-up name is {name:?}");
}

#[test]
fn a_taken_name_offers_a_free_one() {
    let Some(driver) = Driver::start() else { return };
    let server = TestServer::start_new();
    let mut there = server.sign_in("Viola").open_stream();
    there.expect_live();
    let window = driver.open_window();
    window.open(&server.url("/"));
    window.type_into(NAME, &format!("Viola{ENTER}"));
    window.wait_for_text(ERROR, "Somebody here has this name");
    window.wait_for_text("button[name=suggestion]", "Join as Viola");
    window.click("button[name=suggestion]");
    window.wait_for_path("/");
    let viola = Person { window };
    assert!(viola.name().starts_with("Viola") && viola.name() != "Viola", "{:?}", viola.name());
}

#[test]
fn what_is_wrong_stands_beside_the_field() {
    let Some(driver) = Driver::start() else { return };
    let server = TestServer::with(&["--passphrase", "open sesame"]);
    let window = driver.open_window();
    window.open(&server.url("/"));
    let passphrase = "input[name=passphrase]";
    window.type_into(NAME, "Viola");
    window.type_into(passphrase, &format!("open barley{ENTER}"));
    window.wait_for_text(ERROR, "not the passphrase");
    for (name, wrong) in [("Vio\u{200b}la", "invisible"), (&"x".repeat(501), "too long")] {
        window.fill(NAME, name);
        window.type_into(passphrase, &format!("open sesame{ENTER}"));
        window.wait_for_text(ERROR, wrong);
        let field = "const field = document.querySelector('input[name=username]');
                     return [field.ariaInvalid, field.getAttribute('aria-describedby').includes('error'), field.value]";
        assert_eq!(window.run(field, &[]), serde_json::json!(["true", true, name]));
    }
    window.fill(NAME, "Viola");
    window.type_into(passphrase, &format!("open sesame{ENTER}"));
    window.wait_for_path("/");
}
