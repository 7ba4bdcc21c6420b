//! Somebody at the page: signs in, types, sends, sees.

use crate::support::TestServer;

use super::driver::{Driver, ENTER, Window};

pub const LOG: &str = "[role=log]";
pub const BOX: &str = "textarea[name=content]";

pub struct Person {
    pub window: Window,
}

impl Person {
    /// Opens a window of their own and comes in through the lobby.
    #[track_caller]
    pub fn sign_in(driver: &Driver, server: &TestServer, name: &str) -> Person {
        let window = driver.open_window();
        window.open(&server.url("/"));
        assert_eq!(window.location(), "/lobby/", "the chat leads to the lobby");
        window.type_into("input[name=username]", &format!("{name}{ENTER}"));
        window.wait("the chat page", || (window.location() == "/").then_some(()));
        Person { window }
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
