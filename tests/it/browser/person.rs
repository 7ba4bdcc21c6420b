//! Somebody at the page: signs in, types, sends, sees.

use crate::support::TestServer;

use super::window::ENTER;
use super::{Driver, Window};

pub const LOG: &str = "[role=log]";
pub const BOX: &str = "textarea[name=content]";
pub const NAME: &str = "input[name=username]";

pub struct Person {
    pub window: Window,
}

impl Person {
    /// Opens a window of their own and comes in through the lobby.
    #[track_caller]
    pub fn sign_in(driver: &Driver, server: &TestServer, name: &str) -> Person {
        Person::enter(driver.open_window(), server, name)
    }

    /// Comes in through the lobby in a window that is open.
    #[track_caller]
    pub fn enter(window: Window, server: &TestServer, name: &str) -> Person {
        window.open(&server.url("/"));
        assert_eq!(window.location(), "/lobby/", "the chat leads to the lobby");
        window.fill(NAME, &format!("{name}{ENTER}"));
        window.wait_for_path("/");
        Person { window }
    }

    /// The name the page goes by.
    #[track_caller]
    pub fn name(&self) -> String {
        self.window.run("return document.body.dataset.me", &[]).as_str().expect("a name").to_owned()
    }

    /// Leaves by the menu.
    #[track_caller]
    pub fn leaves(&self) {
        self.window.click("[popovertarget=menu]");
        self.window.click("#leave button");
        self.window.wait_for_path("/lobby/");
    }

    /// Opens what a message of one's own has behind its three dots.
    #[track_caller]
    pub fn opens_menu_of(&self, message: &str) {
        self.window.click(&format!("{message} summary"));
    }

    #[track_caller]
    pub fn types(&self, keys: &str) {
        self.window.type_into(BOX, keys);
    }

    #[track_caller]
    pub fn sends(&self, text: &str) {
        self.types(&format!("{text}{ENTER}"));
    }

    /// Waits until the conversation shows this text.
    #[track_caller]
    pub fn sees(&self, text: &str) {
        self.window.wait_for_text(LOG, text);
    }

    #[track_caller]
    pub fn sees_once(&self, text: &str) {
        self.sees(text);
        assert_eq!(self.window.count(LOG, text), 1, "{text:?} in {}", self.window.text(LOG));
    }

    /// What stands in the box and is not sent.
    #[track_caller]
    pub fn draft(&self) -> String {
        let script = "return document.querySelector(arguments[0]).value";
        self.window.run(script, &[BOX]).as_str().expect("a draft is text").to_owned()
    }
}
